//! Tokens of high entropy that nothing else explains: a hint for people, never a proof.

use super::text::{
    Builtin,
    bytes::{before, is_blank, is_quote, run_end, slice},
    gates::reads_as_words,
    names,
    quality::{entropy, is_placeholder, is_sequence, is_uuid, mix},
    scan::Scan,
};
use crate::span::Span;

/// Shortest token that is looked at.
const SHORTEST: usize = 20;
/// Longest: beyond it is data, not a token.
const LONGEST: usize = 256;

const fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'~')
}

/// Reports tokens that stand by themselves or are the value of something that is no identifier.
pub(crate) fn scan(scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let step = SHORTEST;
    let mut i = step.saturating_sub(1);
    // A token of twenty bytes is met by looking at every twentieth byte.
    while i < text.len() {
        if !text.get(i).copied().is_some_and(is_token) {
            i = i.saturating_add(step);
            continue;
        }
        let start = super::text::bytes::run_start(text, i, LONGEST, is_token);
        let end = run_end(text, i, LONGEST, is_token);
        i = end.saturating_add(step);
        let token = slice(text, start, end);
        if (SHORTEST..LONGEST).contains(&token.len()) && is_suspicious(text, start, token) {
            scan.found(Builtin::HighEntropy, Span::new(start, end));
        }
    }
}

fn is_suspicious(text: &[u8], start: usize, token: &[u8]) -> bool {
    let m = mix(token);
    if m.hex
        || m.digit < 2
        || m.lower < 3
        || m.upper < 3
        || is_uuid(token)
        || entropy(token) < 4.3
        || is_placeholder(token)
        || is_sequence(token)
        || reads_as_words(token)
    {
        return false;
    }
    // Paths, hosts and names of files.
    let joints = token.iter().filter(|b| matches!(b, b'/' | b'.')).count();
    if joints > 3 || token.starts_with(b"/") || token.starts_with(b".") {
        return false;
    }
    let name = super::text::assign::name_before(text, start);
    let name = std::str::from_utf8(name).unwrap_or_default();
    if names::is_harmless(name) || matches!(name, "data" | "h1" | "content" | "body") {
        return false;
    }
    let head = slice(text, start.saturating_sub(48), start);
    let said = [
        &b"sha1"[..],
        b"sha256",
        b"sha384",
        b"sha512",
        b"integrity",
        b"ssh-",
        b"ecdsa",
        b"base64,",
        b"BEGIN ",
        b"h1:",
        b"digest",
        b"://",
        b"etag",
        b"nonce",
    ];
    if said
        .iter()
        .any(|w| super::text::bytes::contains_fold(head, w))
        || token.starts_with(b"sha")
    {
        return false;
    }
    // A value: quoted, after an operator, or alone.
    let previous = before(text, start);
    previous == 0
        || previous == b'\n'
        || is_quote(previous)
        || matches!(previous, b'=' | b':')
        || is_blank(previous) && !name.is_empty()
}
