//! Which headers travel on, and how MCP writes values into them.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Session of a legacy client.
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Protocol revision.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Method of the body.
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Tool, prompt or resource of the body.
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Mirrored arguments.
pub(crate) const PARAM_PREFIX: &str = "mcp-param-";

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes what belongs to one connection only, including what `Connection` nominates.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in nominated.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Prepares a client's headers for the upstream. The body is sent as it is: identity, known length.
pub(crate) fn for_upstream(headers: &mut HeaderMap) {
    for name in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::EXPECT,
    ] {
        headers.remove(name);
    }
    // What is compressed cannot be judged as it passes.
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
}

/// The W3C trace context beside a message; empty without one.
pub(crate) fn traceparent(headers: &HeaderMap) -> &str {
    let value = headers.get("traceparent");
    value.and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// The text that a header value stands for; `None` if its base64 form is broken.
pub(crate) fn decode(value: &HeaderValue) -> Option<String> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    match text
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(text.into()),
    }
}

/// A header value that stands for the text.
pub(crate) fn encode(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if plain {
        HeaderValue::from_str(text).ok()
    } else {
        HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
    }
}

/// Media type in lower case, and whether its charset is absent or UTF-8.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<(String, bool)> {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let value = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let mut parts = value.split(';');
    let media = parts.next()?.trim().to_ascii_lowercase();
    let utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = charset.trim().trim_matches('"');
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    });
    Some((media, utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nominated_headers_stay_behind() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, "close, X-Hop".parse().unwrap());
        headers.append("x-hop", "1".parse().unwrap());
        headers.append("x-end", "1".parse().unwrap());
        headers.append("x-end", "2".parse().unwrap());
        headers.append("keep-alive", "5".parse().unwrap());
        strip_hop_by_hop(&mut headers);
        let left: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(left, [("x-end", "1"), ("x-end", "2")]);
    }

    #[test]
    fn values_survive_the_way_through_a_header() {
        for text in ["plain", "größe", " padded ", "a\nb", "=?base64?YQ==?=", ""] {
            assert_eq!(
                decode(&encode(text).unwrap()).as_deref(),
                Some(text),
                "{text:?}"
            );
        }
        assert_eq!(decode(&HeaderValue::from_static("=?base64?!?=")), None);
    }

    #[test]
    fn only_json_in_utf8_is_json() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            media_type(&headers)
        };
        assert_eq!(
            of("Application/JSON; charset=\"UTF-8\""),
            Some(("application/json".into(), true))
        );
        assert_eq!(
            of("application/json;charset=utf-16"),
            Some(("application/json".into(), false))
        );
        assert_eq!(media_type(&HeaderMap::new()), None);
    }
}
