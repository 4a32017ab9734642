//! OAuth protected-resource metadata (RFC 9728): says the URL that the client knows.

use crate::shared::{Route, Shared};
use http::{HeaderMap, HeaderValue, Uri, header};
use std::sync::{Arc, PoisonError};

/// Where the metadata lives.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The URL under which clients know a route.
pub(crate) fn public_url(shared: &Shared, route: &Route) -> Option<Uri> {
    let url: Uri = shared.config.public_url.as_ref()?.parse().ok()?;
    if url.path() != "/" || shared.config.public_url.as_ref()?.ends_with('/') {
        return Some(url);
    }
    // An origin only: each route adds its path.
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    format!("{scheme}://{authority}{}", route.path).parse().ok()
}

/// The route that a metadata path speaks of, and the upstream's path for it.
pub(crate) fn find(shared: &Shared, path: &str) -> Option<(Arc<Route>, String)> {
    let suffix = path.strip_prefix(WELL_KNOWN)?;
    let root = suffix.is_empty() || suffix == "/";
    let route = if root {
        shared.by_path.get("/").or_else(|| shared.routes.first())?
    } else {
        shared.by_path.get(suffix)?
    };
    let told = route
        .metadata
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let path = match &*told {
        Some(told) => told.to_string(),
        None if root => WELL_KNOWN.into(),
        None => format!("{WELL_KNOWN}{}", route.url.path().trim_end_matches('/')),
    };
    drop(told);
    Some((Arc::clone(route), path))
}

/// The metadata with `resource` naming the public URL; `None` if it stays as it is. What names
/// another resource than the upstream is left for clients to refuse.
pub(crate) fn rewrite(shared: &Shared, route: &Route, body: &[u8]) -> Option<Vec<u8>> {
    let public = public_url(shared, route)?;
    let mut metadata: serde_json::Value = serde_json::from_slice(body).ok()?;
    let resource = metadata.as_object_mut()?.get_mut("resource")?;
    if !is_own(&route.url, resource.as_str()?) {
        return None;
    }
    *resource = public.to_string().into();
    serde_json::to_vec(&metadata).ok()
}

/// Whether a client of `url` may take `resource` for it: the URL itself, or one above it.
fn is_own(url: &Uri, resource: &str) -> bool {
    let Ok(named) = resource.parse::<Uri>() else {
        return false;
    };
    let origin = |uri: &Uri| {
        let default = match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        };
        let host = uri.host()?.to_ascii_lowercase();
        Some((
            uri.scheme()?.clone(),
            host,
            uri.port_u16().unwrap_or(default),
        ))
    };
    let above = named.path().trim_end_matches('/');
    let below = url.path().strip_prefix(above);
    origin(url).is_some()
        && origin(url) == origin(&named)
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lets `resource_metadata` of each challenge point here, if there is a public URL.
pub(crate) fn rewrite_challenges(shared: &Shared, route: &Route, headers: &mut HeaderMap) {
    if !headers.contains_key(header::WWW_AUTHENTICATE) {
        return;
    }
    let Some(public) = public_url(shared, route) else {
        return;
    };
    let (Some(scheme), Some(authority)) = (public.scheme_str(), public.authority()) else {
        return;
    };
    let path = public.path().trim_end_matches('/');
    let ours = format!("{scheme}://{authority}{WELL_KNOWN}{path}");
    let all: Vec<HeaderValue> = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(|value| challenge(route, value, &ours).unwrap_or_else(|| value.clone()))
        .collect();
    headers.remove(header::WWW_AUTHENTICATE);
    for value in all {
        headers.append(header::WWW_AUTHENTICATE, value);
    }
}

fn challenge(route: &Route, value: &HeaderValue, ours: &str) -> Option<HeaderValue> {
    const NAME: &str = "resource_metadata=\"";
    let text = value.to_str().ok()?;
    let start = text.find(NAME)?.checked_add(NAME.len())?;
    let (before, rest) = text.split_at_checked(start)?;
    let (url, after) = rest.split_at_checked(rest.find('"')?)?;
    let theirs: Uri = url.parse().ok()?;
    let own = (theirs.scheme(), theirs.authority()) == (route.url.scheme(), route.url.authority());
    if !own && !url.contains(WELL_KNOWN) {
        return None;
    }
    // It may lie anywhere on the upstream; clients of the guard ask for it at the usual place.
    let elsewhere = own && !theirs.path().starts_with(WELL_KNOWN);
    let told = theirs.path_and_query().filter(|_| elsewhere).cloned();
    *route
        .metadata
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = told;
    HeaderValue::from_str(&format!("{before}{ours}{after}")).ok()
}
