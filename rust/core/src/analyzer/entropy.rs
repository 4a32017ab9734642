//! Tokens of high entropy that nothing else explains: a hint for people, never a proof.

use super::text::{
    Builtin,
    bytes::{before, is_blank, is_quote, run_end, slice},
    gates::reads_as_words,
    names,
    quality::{entropy, is_placeholder, is_sequence, is_uuid},
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

/// [`is_token`] as a table, which has no branches.
#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0_u8;
    while b < 128 {
        table[b as usize] = is_token(b);
        b += 1;
    }
    table
};

fn goes_on(b: u8) -> bool {
    TOKEN.get(usize::from(b)).copied().unwrap_or(false)
}

fn all_token(part: &[u8]) -> bool {
    part.iter().fold(true, |all, &b| all & goes_on(b))
}

/// Reports tokens that stand by themselves or are the value of something that is no identifier.
pub(crate) fn scan(scan: &mut Scan<'_, '_>) {
    const HALF: usize = SHORTEST / 2;
    let text = scan.text;
    let mut i = SHORTEST.saturating_sub(1);
    // A token of twenty bytes is met by looking at every twentieth byte, and has the ten before or
    // the ten after it.
    while i < text.len() {
        let before = text.get(i.saturating_sub(HALF)..=i).unwrap_or_default();
        let after = text.get(i..i.saturating_add(HALF)).unwrap_or_default();
        if !(all_token(before) | (all_token(after) & (after.len() == HALF))) {
            i = i.saturating_add(SHORTEST);
            continue;
        }
        let start = super::text::bytes::run_start(text, i, LONGEST, goes_on);
        let end = run_end(text, i, LONGEST, goes_on);
        i = end.max(i).saturating_add(SHORTEST);
        let token = slice(text, start, end);
        if (SHORTEST..LONGEST).contains(&token.len()) && is_suspicious(text, start, token) {
            scan.found(Builtin::HighEntropy, Span::new(start, end));
        }
    }
}

/// Two digits and three letters of each case, and not all of it hexadecimal: words, paths and most
/// hashes are not so.
fn is_mixed(token: &[u8]) -> bool {
    let (mut digits, mut upper, mut lower) = (0_u16, 0_u16, 0_u16);
    for b in token {
        digits = digits.wrapping_add(u16::from(b.is_ascii_digit()));
        upper = upper.wrapping_add(u16::from(b.is_ascii_uppercase()));
        lower = lower.wrapping_add(u16::from(b.is_ascii_lowercase()));
    }
    digits >= 2 && upper >= 3 && lower >= 3 && !token.iter().all(u8::is_ascii_hexdigit)
}

fn is_suspicious(text: &[u8], start: usize, token: &[u8]) -> bool {
    // What is cheap comes first: most tokens of ordinary text are names, paths and hashes.
    if token.starts_with(b"/")
        || token.starts_with(b".")
        || token.starts_with(b"sha")
        || !is_mixed(token)
        // Paths, hosts and names of files.
        || token.iter().filter(|b| matches!(b, b'/' | b'.')).count() > 3
    {
        return false;
    }
    // A value: quoted, after an operator, or alone.
    let previous = before(text, start);
    let alone =
        previous == 0 || previous == b'\n' || is_quote(previous) || matches!(previous, b'=' | b':');
    if !alone && !is_blank(previous) || entropy(token) < 4.3 {
        return false;
    }
    let name = super::text::assign::name_before(text, start);
    let name = std::str::from_utf8(name).unwrap_or_default();
    if !alone && name.is_empty()
        || names::is_harmless(name)
        || matches!(name, "data" | "h1" | "content" | "body")
    {
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
        b"begin ",
        b"h1:",
        b"digest",
        b"://",
        b"etag",
        b"nonce",
    ];
    !is_uuid(token)
        && !is_placeholder(token)
        && !is_sequence(token)
        && !reads_as_words(token)
        && !said
            .iter()
            .any(|w| super::text::bytes::contains_fold(head, w))
}
