//! Hosts out of URLs as clients read them (WHATWG URL), and out of bare names.

use super::{Destination, address};
use crate::span::Span;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Longest piece of a URL that is read, in bytes.
const LONGEST: usize = 8192;

/// The pieces of a text that can be a URL each, with their offsets.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let divides = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|');
    let mut at = 0_usize;
    text.split(divides).filter_map(move |piece| {
        let start = at;
        // Every divider is cut off by its own length, which only ASCII ones are sure of.
        let after = start.saturating_add(piece.len());
        let divider = text
            .get(after..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        at = after.saturating_add(divider);
        (!piece.is_empty() && piece.len() <= LONGEST).then_some((piece, start))
    })
}

/// Reads one piece. `bare`: a name without a scheme counts as well.
pub(super) fn read(token: &str, at: usize, bare: bool) -> Option<Destination> {
    let open = |c: char| matches!(c, '(' | '[' | '{' | ',' | ';' | '=');
    let trimmed = token.trim_start_matches(open);
    let at = at.saturating_add(token.len().saturating_sub(trimmed.len()));
    let span = Span::new(at, at.saturating_add(trimmed.len()));
    // Full-width letters and signs are folded by what resolves the name.
    let folded: Cow<'_, str> = if trimmed.is_ascii() {
        Cow::Borrowed(trimmed)
    } else {
        Cow::Owned(trimmed.nfkc().collect())
    };
    let text = unescaped(&folded);
    let (scheme, rest) = scheme(&text);
    if scheme.is_none() && !rest.starts_with("//") && !bare {
        return None;
    }
    let special = scheme
        .as_deref()
        .is_none_or(|s| matches!(s, "http" | "https" | "ws" | "wss" | "ftp"));
    // Clients take any number of slashes, and backslashes too, after a web scheme.
    let rest = match &scheme {
        Some(_) if special => rest.trim_start_matches(['/', '\\']),
        Some(_) => rest.strip_prefix("//")?,
        None => rest.strip_prefix("//").unwrap_or(rest),
    };
    let named = scheme.is_some() || text.starts_with("//");
    let end = rest
        .find(|c: char| matches!(c, '/' | '?' | '#') || special && c == '\\')
        .unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port, extra) = split_port(host)?;
    let host = canonical_host(host)?;
    if !named && !is_host(&host, authority, port) {
        return None;
    }
    Some(Destination {
        host,
        scheme: scheme.unwrap_or_default(),
        port,
        path: match extra {
            // `git@host:owner/repository`
            Some(extra) => format!("/{extra}{tail}"),
            None => tail.into(),
        },
        span,
        sends: false,
    })
}

/// Takes off percent encoding where it hides the scheme's end.
fn unescaped(text: &str) -> Cow<'_, str> {
    let hidden = text.find('%').is_some_and(|first| {
        let mark = text.get(first..first.saturating_add(3)).unwrap_or_default();
        mark.eq_ignore_ascii_case("%3a") && !text.contains("://")
            || text
                .get(..first)
                .is_some_and(|b| !b.contains([':', '/', '.']))
                && !text.contains("://")
    });
    if hidden {
        percent_decode_str(text).decode_utf8_lossy()
    } else {
        Cow::Borrowed(text)
    }
}

/// Splits off a scheme; a lone `host:port` has none.
fn scheme(text: &str) -> (Option<String>, &str) {
    let Some(colon) = text.find(':') else {
        return (None, text);
    };
    let (name, rest) = (
        text.get(..colon).unwrap_or_default(),
        text.get(colon.saturating_add(1)..).unwrap_or_default(),
    );
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let lower = name.to_ascii_lowercase();
    let web = matches!(lower.as_str(), "http" | "https" | "ws" | "wss" | "ftp");
    if valid && (rest.starts_with("//") || web && !rest.starts_with(|c: char| c.is_ascii_digit())) {
        (Some(lower), rest)
    } else {
        (None, text)
    }
}

/// Host, port, and what stands in the port's place without being one.
fn split_port(host: &str) -> Option<(&str, Option<u16>, Option<&str>)> {
    if let Some(rest) = host.strip_prefix('[') {
        let (inner, after) = rest.split_once(']')?;
        let port = after.strip_prefix(':').and_then(|p| p.parse().ok());
        // The brackets stay, so that the host is known for an address.
        let end = inner.len().checked_add(2)?;
        return Some((host.get(..end)?, port, None));
    }
    match host.split_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((name, port.parse().ok(), None))
        }
        Some((name, rest)) => Some((name, None, Some(rest))),
        None => Some((host, None, None)),
    }
}

/// A host in the one form that it is compared in; `None` if it cannot be one.
pub(super) fn canonical_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return address::v6(inner).map(|a| a.to_string());
    }
    let decoded: Cow<'_, str> = if host.contains('%') {
        percent_decode_str(host).decode_utf8_lossy()
    } else {
        Cow::Borrowed(host)
    };
    let mut name = if decoded.is_ascii() {
        decoded
            .chars()
            .filter(|c| !c.is_ascii_control())
            .collect::<String>()
            .to_ascii_lowercase()
    } else {
        // What UTS 46 does not map is compared as it is.
        idna::domain_to_ascii(&decoded).unwrap_or_else(|_| decoded.to_lowercase())
    };
    // `pastebin.com.` is the same host, and `pastebin.com..` none.
    if name.ends_with('.') {
        name.pop();
    }
    let valid = !name.is_empty()
        && name.len() <= 253
        && !name.bytes().any(|b| {
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b'/' | b'\\'
                        | b'?'
                        | b'#'
                        | b'@'
                        | b'$'
                        | b'{'
                        | b'}'
                        | b'('
                        | b')'
                        | b','
                        | b'"'
                        | b'*'
                )
        });
    if !valid {
        return None;
    }
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    if numeric && let Some(address) = address::v4(&name) {
        return Some(address.to_string());
    }
    Some(name)
}

/// Whether a name without a scheme is a host and not a file or a word.
fn is_host(host: &str, authority: &str, port: Option<u16>) -> bool {
    if host == "localhost" || host == "metadata" && authority == host {
        return true;
    }
    if authority.starts_with(['.', '~', '-']) || host.starts_with('.') || host.contains("..") {
        return false;
    }
    if authority.starts_with('[') {
        return true;
    }
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        // `10` and `1.5` are numbers; `2130706433/x` is an address.
        return authority.matches('.').count() == 3 || port.is_some() || authority.len() >= 8;
    }
    let Some((_, last)) = host.rsplit_once('.') else {
        return port.is_some() && host.bytes().any(|b| b.is_ascii_alphabetic());
    };
    const LOCAL: [&str; 10] = [
        "internal",
        "local",
        "lan",
        "corp",
        "intranet",
        "home",
        "localhost",
        "onion",
        "test",
        "private",
    ];
    LOCAL.contains(&last)
        || psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known())
        || last == "example"
}

/// Whether a request's own address carries more than names something: a long value in the query.
pub(super) fn carries_data(path: &str) -> bool {
    const LONG: usize = 24;
    let Some((_, query)) = path.split_once('?') else {
        return path
            .split('/')
            .any(|segment| segment.len() > 96 && !segment.contains('.'));
    };
    query
        .split('#')
        .next()
        .unwrap_or_default()
        .split('&')
        .any(|pair| {
            let value = pair.split_once('=').map_or(pair, |(_, v)| v);
            value.len() >= LONG
        })
}
