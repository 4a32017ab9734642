//! Strings that are put together when they are used: literals joined, lines continued, reversed.

use super::{Budget, Decoded, Layer, Map};
use std::borrow::Cow;

/// Longest run of blanks within a joint.
const GAP: usize = 160;
/// Longest text that is read backwards.
const REVERSED: usize = 4096;

fn is_blank(b: u8) -> bool {
    b.is_ascii_whitespace()
}

const fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`')
}

/// First byte that is no blank, from `at` on.
fn skip(bytes: &[u8], at: usize) -> usize {
    let gap = bytes
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take(GAP)
        .take_while(|b| is_blank(**b))
        .count();
    at.saturating_add(gap)
}

/// One past the last byte that is no blank, before `at`.
fn skip_back(bytes: &[u8], at: usize) -> usize {
    let gap = bytes
        .get(..at)
        .unwrap_or_default()
        .iter()
        .rev()
        .take(GAP)
        .take_while(|b| is_blank(**b))
        .count();
    at.saturating_sub(gap)
}

/// The end of the literal before `at` and the start of the one after `from`: `"abc" + "def"`.
fn joint(bytes: &[u8], at: usize, from: usize) -> Option<(usize, usize)> {
    let close = skip_back(bytes, at).checked_sub(1)?;
    let open = skip(bytes, from);
    // Escaped quotes, of a literal within a literal.
    let open = open.saturating_add(usize::from(bytes.get(open) == Some(&b'\\')));
    let (&a, &b) = (bytes.get(close)?, bytes.get(open)?);
    if !is_quote(a) || !is_quote(b) {
        return None;
    }
    // Escaped quotes, of a literal within a literal.
    let close = if bytes.get(close.wrapping_sub(1)) == Some(&b'\\') {
        close.saturating_sub(1)
    } else {
        close
    };
    let inner = |i: Option<&u8>| i.is_some_and(|b| b.is_ascii_graphic() && !is_quote(*b));
    (inner(bytes.get(close.wrapping_sub(1))) && inner(bytes.get(open.saturating_add(1))))
        .then_some((close, open.saturating_add(1)))
}

/// `"AKIA" + "IOSF…"`, `'AK''IA…'`, `"AKIA"⏎"IOSF…"`, `["AKIA", "IOSF…"].join("")`, and lines that
/// end with a backslash.
pub(super) fn literals(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    // Nearly every text is done with here: to prepare a search costs more than to look.
    memchr::memchr3(b'"', b'\'', b'\\', bytes).or_else(|| memchr::memchr(b'`', bytes))?;
    let mut joints: Vec<(usize, usize)> = Vec::new();
    for at in memchr::memchr_iter(b'+', bytes) {
        joints.extend(joint(bytes, at, at.saturating_add(1)));
    }
    for sign in ["\"\"", "''", "\"\n", "'\n"] {
        for at in memchr::memmem::find_iter(bytes, sign) {
            joints.extend(joint(bytes, at.saturating_add(1), at.saturating_add(1)));
        }
    }
    for sign in ["\" . \"", "' . '", "\" .. \"", "\" & \""] {
        for at in memchr::memmem::find_iter(bytes, sign) {
            joints.push((at, at.saturating_add(sign.len())));
        }
    }
    if memchr::memchr_iter(b'(', bytes).any(|open| puts_together(bytes, open)) {
        for at in memchr::memchr_iter(b',', bytes) {
            joints.extend(joint(bytes, at, at.saturating_add(1)));
        }
    }
    for at in memchr::memmem::find_iter(bytes, "\\\n") {
        joints.push((at, skip(bytes, at.saturating_add(2))));
    }
    if joints.is_empty() || !budget.take(text.len()) {
        return None;
    }
    joints.sort_unstable();
    let mut builder = super::Builder::default();
    let mut at = 0_usize;
    for (close, open) in joints {
        if close < at {
            continue;
        }
        builder.same(bytes.get(at..close).unwrap_or_default(), at);
        at = open;
    }
    builder.same(bytes.get(at..).unwrap_or_default(), at);
    builder.finish(text.len(), Layer::Join)
}

/// Whether a call that begins at a bracket puts its arguments together.
fn puts_together(bytes: &[u8], open: usize) -> bool {
    [&b"join"[..], b"concat", b"implode"].iter().any(|name| {
        open.checked_sub(name.len())
            .and_then(|from| bytes.get(from..open))
            .is_some_and(|called| called.eq_ignore_ascii_case(name))
    })
}

/// Whether `rev`, `Rev`, `REV` or `[::-1]` stands in the text.
pub(super) fn tells_of_reversal(bytes: &[u8]) -> bool {
    memchr::memchr3_iter(b'v', b'V', b'[', bytes).any(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        let head = bytes.get(at.saturating_sub(2)..at).unwrap_or_default();
        match rest.first() {
            Some(b'v') => matches!(head, b"re" | b"Re"),
            Some(b'V') => head == b"RE",
            _ => rest.starts_with(b"[::-1]"),
        }
    })
}

/// The text backwards, where it says that it is to be reversed.
pub(super) fn reversed(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    if text.len() > REVERSED
        || !text.is_ascii()
        || !tells_of_reversal(text.as_bytes())
        || text.starts_with("\u{1}")
        || !budget.take(text.len())
    {
        return None;
    }
    // Word by word: the words keep their order, so that the way back is short.
    let mut out = String::with_capacity(text.len());
    for piece in
        text.split_inclusive(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '`'))
    {
        let word = piece
            .trim_end_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '`'));
        out.extend(word.chars().rev());
        out.push_str(piece.get(word.len()..).unwrap_or_default());
    }
    let end = text.len();
    Some(Decoded {
        // The signs are gone from the result, so that it is not reversed again.
        text: Cow::<str>::from(out).into_owned(),
        name: None,
        layers: vec![Layer::Other],
        map: Map::Whole(crate::span::Span::new(0, end)),
    })
}
