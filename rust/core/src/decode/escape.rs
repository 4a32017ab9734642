//! Encodings of single characters: escapes, percent, entities, quoted-printable, Unicode forms.

use super::{Budget, Builder, Decoded, Layer};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// How much of the text around a sign is put into a view.
const BEFORE: usize = 160;
const AFTER: usize = 512;

/// The surroundings of the signs, merged, cut at characters.
fn windows(text: &str, signs: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut windows: Vec<(usize, usize)> = Vec::new();
    for sign in signs {
        if let Some(last) = windows.last_mut()
            && sign.saturating_add(BEFORE) < last.1
        {
            continue;
        }
        let start = text.floor_char_boundary(sign.saturating_sub(BEFORE));
        let end = text.ceil_char_boundary(sign.saturating_add(AFTER).min(text.len()));
        match windows.last_mut() {
            Some(last) if start <= last.1 => last.1 = end.max(last.1),
            _ => windows.push((start, end)),
        }
    }
    windows
}

/// Decodes the windows: `decode(bytes, at)` gives the bytes that an encoded character at `at`
/// means, and its length; `None` where there is none.
fn build<'a>(
    text: &str,
    windows: &[(usize, usize)],
    layer: Layer,
    budget: &mut Budget<'_>,
    mark: impl Fn(u8) -> bool,
    decode: impl Fn(&'a [u8], usize) -> Option<(Cow<'a, [u8]>, usize)>,
    bytes: &'a [u8],
) -> Option<Decoded> {
    let total = windows.iter().fold(0_usize, |sum, (a, b)| {
        sum.saturating_add(b.saturating_sub(*a))
    });
    if windows.is_empty() || !budget.take(total) {
        return None;
    }
    let mut builder = Builder::default();
    let mut changed = false;
    for &(start, end) in windows {
        if !builder.text.is_empty() {
            builder.decoded(b"\n", start);
        }
        let mut plain = start;
        let mut at = start;
        while at < end {
            let next = bytes
                .get(at..end)
                .and_then(|rest| rest.iter().position(|&b| mark(b)))
                .map_or(end, |i| at.saturating_add(i));
            at = next;
            if at >= end {
                break;
            }
            if let Some((meaning, length)) = decode(bytes, at) {
                builder.same(bytes.get(plain..at).unwrap_or_default(), plain);
                builder.decoded(&meaning, at);
                changed = true;
                at = at.saturating_add(length.max(1));
                plain = at;
            } else {
                at = at.saturating_add(1);
            }
        }
        builder.same(bytes.get(plain..end.max(plain)).unwrap_or_default(), plain);
    }
    if !changed {
        return None;
    }
    let end = windows.last().map_or(text.len(), |w| w.1);
    builder.finish(end, layer)
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(digits)?)?;
    part.iter().try_fold(0_u32, |acc, &b| {
        Some(acc.wrapping_shl(4) | char::from(b).to_digit(16)?)
    })
}

fn utf8(code: u32) -> Option<Vec<u8>> {
    let c = char::from_u32(code).filter(|c| *c != '\0')?;
    Some(c.to_string().into_bytes())
}

/// `\u0041`, `\U00000041`, `\x41`, `\u{41}`, `\101`, `\/`, and JSON within a string. Other quotes and line ends need no
/// view, they are read as they stand.
pub(super) fn escapes(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    let sign = |&at: &usize| {
        let member = bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(b"\\\":"));
        member || escape(bytes, at).is_some()
    };
    let windows = windows(text, memchr::memchr_iter(b'\\', bytes).filter(sign));
    build(
        text,
        &windows,
        Layer::Escape,
        budget,
        |b| b == b'\\',
        |bytes, at| {
            // In a text with such escapes the others are meant as well.
            escape(bytes, at).or_else(|| {
                let plain: &[u8] = match bytes.get(at.saturating_add(1))? {
                    b'n' => b"\n",
                    b't' => b"\t",
                    b'r' => b"\r",
                    b'"' => b"\"",
                    b'\\' => b"\\",
                    _ => return None,
                };
                Some((Cow::Borrowed(plain), 2))
            })
        },
        bytes,
    )
}

fn escape(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let digits = at.saturating_add(2);
    match bytes.get(at.saturating_add(1))? {
        b'/' => Some((Cow::Borrowed(b"/"), 2)),
        b'x' => Some((utf8(hex(bytes, digits, 2)?)?.into(), 4)),
        b'u' if bytes.get(digits) == Some(&b'{') => {
            let rest = bytes.get(digits.saturating_add(1)..)?;
            let length = rest.iter().take(7).position(|&b| b == b'}')?;
            let code = hex(rest, 0, length)?;
            Some((utf8(code)?.into(), length.saturating_add(4)))
        }
        b'u' => Some((utf8(hex(bytes, digits, 4)?)?.into(), 6)),
        b'U' => Some((utf8(hex(bytes, digits, 8)?)?.into(), 10)),
        // `\147`, in octal digits.
        b'0' | b'1' => {
            let digit = |i: usize| {
                let b = bytes.get(at.saturating_add(i))?;
                char::from(*b).to_digit(8)
            };
            let code = (digit(1)? << 6) | (digit(2)? << 3) | digit(3)?;
            Some((utf8(code)?.into(), 4))
        }
        _ => None,
    }
}

/// `%41`, as in URLs and forms.
pub(super) fn percent(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    let sign = |&at: &usize| hex(bytes, at.saturating_add(1), 2).is_some_and(|c| c >= 0x21);
    let windows = windows(text, memchr::memchr_iter(b'%', bytes).filter(sign));
    build(
        text,
        &windows,
        Layer::Percent,
        budget,
        |b| b == b'%',
        |bytes, at| {
            let byte = hex(bytes, at.saturating_add(1), 2)?;
            // Secrets are ASCII: any other character only has to keep its place.
            Some((Cow::Owned(utf8(byte.min(0x7f))?), 3))
        },
        bytes,
    )
}

/// `&#65;`, `&#x41;`, `&quot;`
pub(super) fn entities(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    let sign = |&at: &usize| entity(bytes, at).is_some();
    let windows = windows(text, memchr::memchr_iter(b'&', bytes).filter(sign));
    build(
        text,
        &windows,
        Layer::Entity,
        budget,
        |b| b == b'&',
        entity,
        bytes,
    )
}

fn entity(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    const NAMED: [(&[u8], &[u8]); 8] = [
        (b"quot;", b"\""),
        (b"amp;", b"&"),
        (b"lt;", b"<"),
        (b"gt;", b">"),
        (b"apos;", b"'"),
        (b"equals;", b"="),
        (b"colon;", b":"),
        (b"sol;", b"/"),
    ];
    let rest = bytes.get(at.saturating_add(1)..)?;
    if rest.first() != Some(&b'#') {
        let (name, meaning) = NAMED.iter().find(|(name, _)| rest.starts_with(name))?;
        return Some((Cow::Borrowed(meaning), name.len().saturating_add(1)));
    }
    let (from, radix) = match rest.get(1)? {
        b'x' | b'X' => (2, 16),
        _ => (1, 10),
    };
    let digits = rest
        .get(from..)?
        .iter()
        .take(8)
        .take_while(|b| char::from(**b).is_digit(radix))
        .count();
    let number = std::str::from_utf8(rest.get(from..from.saturating_add(digits))?).ok()?;
    let code = u32::from_str_radix(number, radix).ok()?;
    let end = from.saturating_add(digits);
    let semicolon = usize::from(rest.get(end) == Some(&b';'));
    Some((
        utf8(code)?.into(),
        end.saturating_add(semicolon).saturating_add(1),
    ))
}

/// `=41` and lines that end with `=`, as in mail.
pub(super) fn quoted_printable(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    let bytes = text.as_bytes();
    memchr::memchr(b'=', bytes)?;
    // A text that is encoded so has encoded equals signs or broken lines.
    let signs = ["=3D", "=\n", "=\r\n"];
    let in_a_row = |at: usize| {
        (at..)
            .step_by(3)
            .take(4)
            .all(|i| printable(bytes, i).is_some_and(|(_, n)| n == 3))
    };
    let found = signs
        .iter()
        .any(|sign| memchr::memmem::find(bytes, sign.as_bytes()).is_some())
        || memchr::memchr_iter(b'=', bytes).any(in_a_row);
    if !found {
        return None;
    }
    let sign = |&at: &usize| printable(bytes, at).is_some();
    let windows = windows(text, memchr::memchr_iter(b'=', bytes).filter(sign));
    build(
        text,
        &windows,
        Layer::QuotedPrintable,
        budget,
        |b| b == b'=',
        printable,
        bytes,
    )
}

fn printable(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    if bytes.get(at) != Some(&b'=') {
        return None;
    }
    match (
        bytes.get(at.saturating_add(1))?,
        bytes.get(at.saturating_add(2)),
    ) {
        // Padding of base64 at the end of a line is no break.
        (b'\n', _) if at > 0 && bytes.get(at.saturating_sub(1)) != Some(&b'=') => {
            Some((Cow::Borrowed(b""), 2))
        }
        (b'\r', Some(b'\n')) => Some((Cow::Borrowed(b""), 3)),
        (a, Some(b)) if is_upper_hex(*a) && is_upper_hex(*b) => {
            let byte = hex(bytes, at.saturating_add(1), 2)?;
            Some((Cow::Owned(utf8(byte.min(0x7f))?), 3))
        }
        _ => None,
    }
}

const fn is_upper_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'A'..=b'F')
}

/// Full-width and mathematical letters to ASCII, invisible characters removed.
pub(super) fn fold(text: &str, budget: &mut Budget<'_>) -> Option<Decoded> {
    if text.is_ascii() {
        return None;
    }
    let bytes = text.as_bytes();
    // The first bytes of all characters that are folded.
    let lead = |b: u8| matches!(b, 0xe2 | 0xef | 0xf0 | 0xf3 | 0xc2 | 0xcd | 0xe1);
    // Wide punctuation alone is that of Chinese and Japanese texts.
    let signs = bytes
        .iter()
        .enumerate()
        .filter(|&(_, &b)| lead(b))
        .map(|(i, _)| i)
        .filter(|&at| folded(bytes, at).is_some_and(|(plain, _)| !is_punctuation(&plain)));
    let windows = windows(text, signs);
    build(text, &windows, Layer::Fold, budget, lead, folded, bytes)
}

fn is_punctuation(plain: &[u8]) -> bool {
    plain.first().is_some_and(u8::is_ascii_punctuation)
}

fn folded(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let length = match bytes.get(at)? {
        0xc2 | 0xcd => 2,
        0xe1 | 0xe2 | 0xef => 3,
        0xf0 | 0xf3 => 4,
        _ => return None,
    };
    let c = std::str::from_utf8(bytes.get(at..at.checked_add(length)?)?)
        .ok()?
        .chars()
        .next()?;
    match c {
        '\u{ad}'
        | '\u{34f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e007f}'
        | '\u{e0100}'..='\u{e01ef}' => {
            // Joiners and selectors of emoji stand next to them, not in words.
            let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_graphic());
            let inside = word(at.checked_sub(1).and_then(|i| bytes.get(i)))
                || word(bytes.get(at.saturating_add(length)));
            inside.then_some((Cow::Borrowed(&b""[..]), length))
        }
        '\u{ff01}'..='\u{ff5e}'
        | '\u{1d400}'..='\u{1d7ff}'
        | '\u{2460}'..='\u{24ff}'
        | '\u{2100}'..='\u{214f}' => {
            let mut plain = std::iter::once(c).nfkc();
            let (first, rest) = (plain.next()?, plain.next());
            (rest.is_none() && first.is_ascii_graphic())
                .then(|| (Cow::Owned(first.to_string().into_bytes()), length))
        }
        _ => None,
    }
}
