//! Encodings of whole stretches: base64, hexadecimal, lists of character codes, and what is
//! compressed within.

use super::{Budget, Decoded, Layer, Map};
use crate::{signs::Signs, span::Span};
use std::io::Read as _;

/// Shortest run that is tried.
const SHORTEST: usize = 20;
/// How much is decoded to see what it is.
const SNIFF: usize = 64;
/// Most bytes that one compressed stretch may become.
const INFLATED: usize = 1 << 20;
/// Most runs of one text that are tried in full.
const RUNS: usize = 64;

const fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

/// Finds the runs by their ends: from every twentieth byte back to the last one that is not of the
/// alphabet, so that short words cost a few steps.
fn next_run(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut floor = from;
    loop {
        let probe = floor.checked_add(SHORTEST)?;
        let window = bytes.get(floor..probe)?;
        match window.iter().rposition(|&b| !is_base64(b)) {
            Some(i) => floor = floor.saturating_add(i).saturating_add(1),
            None => {
                let rest = bytes.get(probe..).unwrap_or_default();
                let more = rest
                    .iter()
                    .position(|&b| !is_base64(b))
                    .unwrap_or(rest.len());
                return Some((floor, probe.saturating_add(more)));
            }
        }
    }
}

/// Whether a text has a run that is looked at.
pub(super) fn has_run(text: &[u8]) -> bool {
    next_run(text, 0).is_some()
}

/// Joins the lines of a wrapped blob; the end of the last one.
fn wrapped(bytes: &[u8], start: usize, end: usize) -> usize {
    let width = end.saturating_sub(start);
    let mut end = end;
    if width < 48 {
        return end;
    }
    loop {
        let tail = bytes.get(end..).unwrap_or_default();
        let gap = match tail {
            [b'\r', b'\n', ..] | [b'\\', b'n', ..] => 2_usize,
            [b'\n', ..] => 1,
            _ => return end,
        };
        let next = end.saturating_add(gap);
        let line = bytes
            .get(next..)
            .unwrap_or_default()
            .iter()
            .take(width.saturating_add(1))
            .take_while(|b| is_base64(**b))
            .count();
        if line == 0 || line > width {
            return end;
        }
        end = next.saturating_add(line);
        if line < width {
            return end;
        }
    }
}

/// Whether bytes read as text.
fn is_text(bytes: &[u8]) -> bool {
    let good = bytes
        .iter()
        .filter(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\n' | b'\r' | b'\t'))
        .count();
    good == bytes.len()
        || bytes.len() >= 24 && good.saturating_mul(20) >= bytes.len().saturating_mul(19)
}

/// Two-byte characters, as PowerShell encodes its commands.
fn is_utf16(bytes: &[u8]) -> bool {
    bytes.len() >= 16 && bytes.iter().skip(1).step_by(2).all(|&b| b == 0) && is_text(&narrow(bytes))
}

fn narrow(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().step_by(2).copied().collect()
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let limit = u64::try_from(INFLATED).unwrap_or(u64::MAX);
    // What was inflated before an error or the bound is looked at all the same.
    match bytes {
        [0x1f, 0x8b, ..] => {
            let _ = flate2::read::GzDecoder::new(bytes)
                .take(limit)
                .read_to_end(&mut out);
        }
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            let _ = flate2::read::ZlibDecoder::new(bytes)
                .take(limit)
                .read_to_end(&mut out);
        }
        _ => return None,
    }
    (!out.is_empty()).then_some(out)
}

/// The text of decoded bytes, if they are text or compressed text.
fn text_of(bytes: Vec<u8>, layers: &mut Vec<Layer>, budget: &mut Budget<'_>) -> Option<String> {
    let bytes = match inflate(&bytes) {
        Some(inflated) => {
            if !budget.take(inflated.len()) {
                return None;
            }
            layers.push(Layer::Gzip);
            inflated
        }
        None if is_utf16(bytes.get(..SNIFF.min(bytes.len())).unwrap_or_default()) => narrow(&bytes),
        None => bytes,
    };
    let head = bytes.get(..SNIFF.min(bytes.len())).unwrap_or_default();
    if !is_text(head) {
        return None;
    }
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    )
}

/// Whether the start of a run can be base64 of ASCII: the first of every four characters carries
/// the top six bits of a byte below 128.
fn may_be_text(run: &[u8]) -> bool {
    run.iter()
        .step_by(4)
        .take(5)
        .all(|b| matches!(b, b'A'..=b'Z' | b'a'..=b'f'))
        || run.starts_with(b"H4sI")
        || run.starts_with(b"eJ")
        || run.starts_with(b"eN")
        || run.starts_with(b"eA")
        || run.starts_with(b"eF")
        // A byte order mark of two-byte text, or of UTF-8.
        || run.starts_with(b"//")
        || run.starts_with(b"77u/")
}

/// The name that the blob is given, for what is decoded from it.
fn name_of(bytes: &[u8], start: usize) -> Option<Box<str>> {
    let name = crate::analyzer::text::name_before(bytes, start);
    (!name.is_empty())
        .then(|| std::str::from_utf8(name).ok().map(Into::into))
        .flatten()
}

pub(super) fn blobs(text: &str, budget: &mut Budget<'_>, found: &mut Vec<Decoded>) {
    let bytes = text.as_bytes();
    let mut from = 0_usize;
    let mut tried = 0_usize;
    while let Some((start, end)) = next_run(bytes, from) {
        from = end;
        let run = bytes.get(start..end).unwrap_or_default();
        // `0x67…` is one run.
        let prefixed = run.starts_with(b"0x") || run.starts_with(b"0X");
        let prefix = if prefixed { 2 } else { 0 };
        let (start, run) = match run.get(prefix..) {
            Some(rest) if prefix > 0 => (start.saturating_add(prefix), rest),
            _ => (start, run),
        };
        if run.len().is_multiple_of(2)
            && run.len() >= 32
            && run.iter().take(16).all(u8::is_ascii_hexdigit)
        {
            hexadecimal(bytes, start, end, budget, found);
        }
        if !may_be_text(run) {
            continue;
        }
        let end = wrapped(bytes, start, end);
        from = end;
        let padding = bytes
            .get(end..)
            .unwrap_or_default()
            .iter()
            .take(2)
            .take_while(|b| **b == b'=')
            .count();
        let span = Span::new(start, end.saturating_add(padding));
        let blob = span.of(bytes);
        let head = blob.get(..SNIFF.min(blob.len() & !3)).unwrap_or_default();
        let promising = crate::analyzer::text::base64(head).is_some_and(|h| {
            is_text(&h) || is_utf16(&h) || matches!(h.as_slice(), [0x1f, 0x8b, ..] | [0x78, _, ..])
        });
        if !promising {
            continue;
        }
        tried = tried.saturating_add(1);
        if tried > RUNS || !budget.take(blob.len()) {
            budget.exceeded = true;
            return;
        }
        let compact: Vec<u8> = blob
            .iter()
            .copied()
            .filter(|b| is_base64(*b) || *b == b'=')
            .collect();
        let compact = if blob.contains(&b'\\') {
            // The `n` of an escaped line end is no digit.
            String::from_utf8_lossy(blob)
                .replace("\\n", "")
                .into_bytes()
        } else {
            compact
        };
        let usable = compact
            .len()
            .saturating_sub(usize::from(compact.len() % 4 == 1));
        let mut layers = vec![Layer::Base64];
        let decoded = crate::analyzer::text::base64(compact.get(..usable).unwrap_or_default());
        if let Some(text) = decoded.and_then(|d| text_of(d, &mut layers, budget)) {
            found.push(Decoded {
                text,
                name: name_of(bytes, start),
                layers,
                map: Map::Whole(span),
            });
        }
    }
}

fn hexadecimal(
    bytes: &[u8],
    start: usize,
    end: usize,
    budget: &mut Budget<'_>,
    found: &mut Vec<Decoded>,
) {
    let run = bytes.get(start..end).unwrap_or_default();
    let byte = |pair: &[u8]| -> Option<u8> {
        let [a, b] = pair else {
            return None;
        };
        let (a, b) = (char::from(*a).to_digit(16)?, char::from(*b).to_digit(16)?);
        u8::try_from(a.wrapping_shl(4) | b).ok()
    };
    let head: Option<Vec<u8>> = run.chunks_exact(2).take(16).map(byte).collect();
    if !head.is_some_and(|h| is_text(&h) || matches!(h.as_slice(), [0x1f, 0x8b, ..]))
        || !budget.take(run.len())
    {
        return;
    }
    let Some(decoded) = run.chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>() else {
        return;
    };
    let mut layers = vec![Layer::Hex];
    if let Some(text) = text_of(decoded, &mut layers, budget) {
        found.push(Decoded {
            text,
            name: name_of(bytes, start),
            layers,
            map: Map::Whole(Span::new(start, end)),
        });
    }
}

/// Fewest character codes that make a list.
const CODES: usize = 12;
/// Most bytes of a list.
const LISTED: usize = 1 << 16;

const fn is_listed(b: u8) -> bool {
    b.is_ascii_hexdigit() || matches!(b, b'x' | b',' | b' ' | b':' | b'-' | b'\n' | b'\r' | b'\t')
}

/// Whether 12 bytes can be a part of a list.
fn is_list(window: &[u8]) -> bool {
    window.iter().all(|&b| is_listed(b))
        && window.iter().filter(|b| b.is_ascii_hexdigit()).count() >= 4
}

/// Whether a text can hold a list.
pub(super) fn has_list(text: &[u8], signs: Signs) -> bool {
    let calls = signs.any(Signs::BRACKET) && text.len() >= CODES.saturating_mul("chr(".len());
    let windows = (0..text.len()).step_by(16);
    let mut windows = windows.map_while(|at| text.get(at..at.saturating_add(12)));
    // The code of a letter begins with a digit in every base.
    signs.any(Signs::DIGIT) && (calls || windows.any(is_list))
}

/// `[103, 104, 112]`, `67 68 70`, `67:68:70`, `{0x67, 0x68}`, `chr(103)+chr(104)`.
pub(super) fn lists(text: &str, budget: &mut Budget<'_>, found: &mut Vec<Decoded>) {
    let bytes = text.as_bytes();
    let mut at = 0_usize;
    // Every list of that many codes is met by looking at every sixteenth byte.
    while let Some(window) = bytes.get(at..at.saturating_add(12)) {
        if !is_list(window) {
            at = at.saturating_add(16);
            continue;
        }
        let before = bytes.get(..at).unwrap_or_default();
        let back = before
            .iter()
            .rev()
            .take(LISTED)
            .take_while(|b| is_listed(**b))
            .count();
        let rest = bytes.get(at..).unwrap_or_default();
        let on = rest
            .iter()
            .take(LISTED)
            .take_while(|b| is_listed(**b))
            .count();
        let span = Span::new(at.saturating_sub(back), at.saturating_add(on));
        at = span.end.saturating_add(1);
        let codes = codes(span.of(bytes));
        listed(codes, span, budget, found);
    }
    let mut codes: Vec<u8> = Vec::new();
    let mut span = Span::default();
    for open in memchr::memchr_iter(b'(', bytes) {
        let head = bytes.get(open.saturating_sub(4)..open).unwrap_or_default();
        let long = head.eq_ignore_ascii_case(b"char");
        if !long
            && !head
                .get(1..)
                .is_some_and(|h| h.eq_ignore_ascii_case(b"chr"))
        {
            continue;
        }
        let from = open.saturating_add(1);
        let tail = bytes.get(from..).unwrap_or_default();
        let digits = tail
            .iter()
            .take(4)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let number = std::str::from_utf8(tail.get(..digits).unwrap_or_default());
        let code = number.ok().and_then(|n| n.parse::<u8>().ok());
        if let Some(code) = code {
            if codes.is_empty() {
                span.start = open.saturating_sub(if long { 4 } else { 3 });
            }
            codes.push(code);
            span.end = from
                .saturating_add(digits)
                .saturating_add(1)
                .min(bytes.len());
        }
        if codes.len() >= LISTED {
            break;
        }
    }
    if codes.len() >= CODES {
        listed(Some(codes), span, budget, found);
    }
}

/// The bytes that a list means.
fn codes(list: &[u8]) -> Option<Vec<u8>> {
    let words = || {
        list.split(|b| !b.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
    };
    if words().take(CODES).count() < CODES {
        return None;
    }
    let hexadecimal = words().any(|w| w.iter().any(u8::is_ascii_alphabetic));
    words()
        .map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            let digits = word.strip_prefix("0x").unwrap_or(word);
            if hexadecimal && digits.len() != 2 {
                return None;
            }
            u8::from_str_radix(digits, if hexadecimal { 16 } else { 10 }).ok()
        })
        .collect()
}

fn listed(codes: Option<Vec<u8>>, span: Span, budget: &mut Budget<'_>, found: &mut Vec<Decoded>) {
    let Some(text) = codes
        .filter(|codes| codes.len() >= CODES && is_text(codes))
        .and_then(|codes| String::from_utf8(codes).ok())
    else {
        return;
    };
    if budget.take(text.len()) {
        found.push(Decoded {
            text,
            name: None,
            layers: vec![Layer::Other],
            map: Map::Whole(span),
        });
    }
}
