//! Character classes and small searches over bytes, for all that reads text here.

/// The byte at `at`, 0 outside.
pub(crate) fn at(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The byte before `at`, 0 at the start.
pub(crate) fn before(text: &[u8], index: usize) -> u8 {
    index.checked_sub(1).map_or(0, |i| at(text, i))
}

/// A part of the text; empty where it lies outside.
pub(crate) fn slice(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end.min(text.len())).unwrap_or_default()
}

/// `[A-Za-z0-9_]`
pub(crate) const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// `[A-Za-z0-9_-]`, what a token goes on with.
pub(crate) const fn is_token(b: u8) -> bool {
    is_word(b) || b == b'-'
}

/// What names are made of.
pub(crate) const fn is_name(b: u8) -> bool {
    is_token(b) || b == b'.'
}

/// Quotes that delimit strings in some language.
pub(crate) const fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`')
}

/// Blank within a line.
pub(crate) const fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

/// First index from `from` where `stop` holds, at most `limit` bytes on; the bound otherwise.
pub(crate) fn run_end(
    text: &[u8],
    from: usize,
    limit: usize,
    mut goes_on: impl FnMut(u8) -> bool,
) -> usize {
    let window = slice(text, from, from.saturating_add(limit));
    let len = window
        .iter()
        .position(|&b| !goes_on(b))
        .unwrap_or(window.len());
    from.saturating_add(len)
}

/// First index of the run that ends at `to`, at most `limit` bytes back.
pub(crate) fn run_start(
    text: &[u8],
    to: usize,
    limit: usize,
    mut goes_on: impl FnMut(u8) -> bool,
) -> usize {
    let window = slice(text, to.saturating_sub(limit), to);
    let len = window.iter().rev().take_while(|&&b| goes_on(b)).count();
    to.saturating_sub(len)
}

/// Whether a letter before `at` is the tail of an escape such as `\n`, and not part of a word.
fn escaped(text: &[u8], at: usize) -> bool {
    matches!(before(text, at), b'n' | b't' | b'r')
        && at.checked_sub(1).is_some_and(|i| before(text, i) == b'\\')
}

/// Whether a token may begin at `at`.
pub(crate) fn free_left(text: &[u8], at: usize) -> bool {
    !is_word(before(text, at)) || escaped(text, at)
}

/// Whether a token may end before `at`.
pub(crate) fn free_right(text: &[u8], index: usize) -> bool {
    !is_token(at(text, index))
}

/// Whether `text` holds `word` in any case; `word` is lower-case.
pub(crate) fn contains_fold(text: &[u8], word: &[u8]) -> bool {
    let Some(&first) = word.first() else {
        return false;
    };
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), text)
        .any(|i| slice(text, i, i.saturating_add(word.len())).eq_ignore_ascii_case(word))
}

/// Skips blanks.
pub(crate) fn skip_blank(text: &[u8], from: usize) -> usize {
    run_end(text, from, 64, is_blank)
}
