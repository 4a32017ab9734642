//! Headers that repeat parts of the body: they must agree with it, and are judged like it.

use crate::{
    headers::{self, METHOD, NAME, PARAM_PREFIX, VERSION},
    outline::{Outline, What},
};
use egress_guard_core::{
    limits::Limits,
    walk::{Document, Kind, Leaf, Role},
};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The first revision without sessions.
const MODERN: &str = "2026-07-28";

/// Whether the header names a revision whose requests stand alone.
pub(crate) fn is_modern(headers: &HeaderMap) -> bool {
    headers
        .get(VERSION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_modern_version)
}

fn is_modern_version(version: &str) -> bool {
    // Revisions are dates, which sort as text; anything else is the upstream's business.
    version.len() == MODERN.len()
        && version.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && version >= MODERN
}

/// Compares the routing headers with the body.
///
/// # Errors
/// What differs, without the values.
pub(crate) fn check(headers: &HeaderMap, outline: &Outline) -> Result<(), &'static str> {
    for (name, message) in [
        (VERSION, "MCP-Protocol-Version appears more than once"),
        (METHOD, "Mcp-Method appears more than once"),
        (NAME, "Mcp-Name appears more than once"),
    ] {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(message);
        }
    }
    if outline.what == What::Malformed {
        return Ok(());
    }
    let version = headers.get(VERSION).map(|v| v.to_str().unwrap_or(""));
    if let Some(body) = &outline.version
        && version != Some(body)
    {
        return Err("MCP-Protocol-Version differs from the body's protocol version");
    }
    let must = outline.version.is_some() && outline.what == What::Request;
    match headers.get(METHOD) {
        Some(value) if value.as_bytes() == outline.method.as_bytes() => {}
        None if !must => {}
        _ => return Err("Mcp-Method differs from the body's method"),
    }
    if let Some(name) = &outline.name {
        match headers.get(NAME) {
            Some(value) if headers::decode(value).as_ref() == Some(name) => {}
            None if !must => {}
            _ => return Err("Mcp-Name differs from the body"),
        }
    }
    Ok(())
}

/// A message that says what the headers and the query carry beyond the body, to be judged before
/// it; `None` where they carry nothing of their own.
///
/// # Errors
/// A mirrored value that cannot be read.
pub(crate) fn extras(
    headers: &HeaderMap,
    query: Option<&str>,
    outline: &Outline,
    body: &[u8],
    limits: &Limits,
) -> Result<Option<Vec<u8>>, &'static str> {
    let mut extra = Map::new();
    let mut known: Option<Vec<String>> = None;
    for (name, value) in headers {
        let mirrored = name.as_str().starts_with(PARAM_PREFIX);
        // A name that the body does not repeat was not compared, hence not judged.
        if !mirrored && (name != NAME || outline.name.is_some()) {
            continue;
        }
        let Some(text) = headers::decode(value) else {
            return Err("a mirrored header cannot be decoded");
        };
        let known = known.get_or_insert_with(|| scalars(body, limits));
        if !known.contains(&text) {
            push(&mut extra, name.as_str(), text);
        }
    }
    for pair in query.unwrap_or("").split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |raw: &str| {
            percent_decode_str(&raw.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        push(&mut extra, &text(name), text(value));
    }
    if extra.is_empty() {
        return Ok(None);
    }
    let id: Value = serde_json::from_str(&outline.id).unwrap_or(Value::Null);
    let params = match outline.method.as_str() {
        "tools/call" | "prompts/get" => json!({"name": outline.name, "arguments": extra}),
        _ => Value::Object(extra),
    };
    let method = if outline.method.is_empty() {
        "http/headers"
    } else {
        &outline.method
    };
    let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if !id.is_null()
        && outline.what == What::Request
        && let Some(object) = message.as_object_mut()
    {
        object.insert("id".into(), id);
    }
    Ok(Some(message.to_string().into_bytes()))
}

fn push(extra: &mut Map<String, Value>, name: &str, text: String) {
    match extra.get_mut(name) {
        Some(Value::Array(all)) => all.push(text.into()),
        _ => {
            extra.insert(name.into(), Value::Array(vec![text.into()]));
        }
    }
}

/// The text of every scalar of a body.
fn scalars(body: &[u8], limits: &Limits) -> Vec<String> {
    let Ok(document) = Document::parse(body, limits) else {
        return Vec::new();
    };
    let text = |node: &egress_guard_core::walk::Node| match node.kind {
        Kind::String(leaf) => Some(document.text_of(leaf).to_owned()),
        Kind::Number => std::str::from_utf8(node.span().of(body))
            .ok()
            .map(Into::into),
        Kind::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    document.nodes.iter().filter_map(text).collect()
}

/// Writes the headers anew that repeat what was masked in the body; `false` where one would say
/// what the body no longer says.
#[must_use]
pub(crate) fn recompute(headers: &mut HeaderMap, old: &[u8], new: &[u8], limits: &Limits) -> bool {
    let (were, kept) = (scalars(old, limits), scalars(new, limits));
    let (Ok(old), Ok(new)) = (Document::parse(old, limits), Document::parse(new, limits)) else {
        return false;
    };
    // Masking leaves every value in its place; taking out an answer to the guard does not.
    let aligned = old.leaves.len() == new.leaves.len();
    let mirrored: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(PARAM_PREFIX) || **name == NAME)
        .cloned()
        .collect();
    for name in mirrored {
        let values: Vec<_> = headers.get_all(&name).iter().cloned().collect();
        headers.remove(&name);
        for value in values {
            let text = headers::decode(&value);
            let masked = text.as_deref().filter(|_| aligned).and_then(|text| {
                let masked = |(a, b): (&Leaf, &Leaf)| {
                    let changed =
                        a.role == Role::Value && old.text(a) == text && new.text(b) != text;
                    changed.then(|| new.text(b).to_owned())
                };
                old.leaves.iter().zip(&new.leaves).find_map(masked)
            });
            if masked.is_none() && text.is_some_and(|t| were.contains(&t) && !kept.contains(&t)) {
                return false;
            }
            let value = match masked {
                Some(text) => headers::encode(&text),
                None => Some(value),
            };
            if let Some(value) = value {
                headers.append(&name, value);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress_guard_core::session::Frame;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é","arguments":{"a":"s3cret","n":5},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn checked(pairs: &[(&'static str, &str)], body: &str) -> bool {
        check(
            &map(pairs),
            &Outline::of(&Frame::read(body.as_bytes(), &Limits::default())),
        )
        .is_ok()
    }

    #[test]
    fn routing_headers_must_say_what_the_body_says() {
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "=?base64?w6k=?=");
        assert!(checked(&[version, method, name], CALL));
        for wrong in [
            &[method, name][..],
            &[version, name],
            &[version, method],
            &[version, version, method, name],
            &[version, method, name, name],
            &[("mcp-protocol-version", "2025-11-25"), method, name],
            &[version, ("mcp-method", "tools/list"), name],
            &[version, method, ("mcp-name", "e")],
            &[version, method, ("mcp-name", "=?base64?!?=")],
        ] {
            assert!(!checked(wrong, CALL), "{wrong:?}");
        }
    }

    #[test]
    fn a_legacy_body_needs_no_routing_headers_but_may_not_contradict_them() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        assert!(checked(&[], body));
        assert!(checked(&[("mcp-protocol-version", "2025-11-25")], body));
        assert!(!checked(&[("mcp-method", "ping")], body));
        assert!(!checked(&[("mcp-name", "b")], body));
    }

    #[test]
    fn what_only_the_headers_say_is_judged() {
        let outline = Outline::of(&Frame::read(CALL.as_bytes(), &Limits::default()));
        let extra = |pairs: &[(&'static str, &str)], query| {
            let found = extras(
                &map(pairs),
                query,
                &outline,
                CALL.as_bytes(),
                &Limits::default(),
            );
            found.map(|f| {
                f.map(|f| {
                    serde_json::from_slice::<Value>(&f).unwrap()["params"]["arguments"].clone()
                })
            })
        };
        assert_eq!(
            extra(&[("mcp-param-a", "s3cret"), ("mcp-param-n", "5")], None),
            Ok(None)
        );
        assert_eq!(
            extra(
                &[("mcp-param-a", "=?base64?b3RoZXI=?=")],
                Some("k=a%20b&k=c")
            ),
            Ok(Some(json!({"mcp-param-a": ["other"], "k": ["a b", "c"]})))
        );
        assert!(extra(&[("mcp-param-a", "=?base64?!?=")], None).is_err());
    }

    #[test]
    fn copies_of_a_masked_value_are_masked() {
        let mut headers = map(&[("mcp-param-a", "s3cret"), ("mcp-param-n", "5")]);
        let masked = CALL.replace("s3cret", "***");
        assert!(recompute(
            &mut headers,
            CALL.as_bytes(),
            masked.as_bytes(),
            &Limits::default(),
        ));
        assert_eq!(
            headers,
            map(&[("mcp-param-a", "***"), ("mcp-param-n", "5")])
        );
    }
}
