//! Payment cards and IBANs: numbers that carry their own proof.

use super::{
    builtin::Builtin,
    bytes::{at, before, is_word, run_end, run_start, slice},
    checksum::{iban, luhn},
    quality::mix,
    scan::Scan,
};
use crate::span::Span;

/// Every run of at least four digits is met by looking at every fourth byte.
const STEP: usize = 4;

/// Fewest bytes of a text that holds a number.
pub(crate) const SHORTEST: usize = 14;

pub(crate) fn numbers(scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let mut i = STEP.saturating_sub(1);
    while i < text.len() {
        // Most text has no numbers over long stretches.
        while let Some(stretch) = text
            .get(i..)
            .and_then(|rest| rest.first_chunk::<{ 8 * STEP }>())
            && !stretch
                .iter()
                .fold(false, |any, b| any | b.is_ascii_digit())
        {
            i = i.saturating_add(8 * STEP);
        }
        if !at(text, i).is_ascii_digit() {
            i = i.saturating_add(STEP);
            continue;
        }
        let start = run_start(text, i, STEP, |b| b.is_ascii_digit());
        let end = group_end(text, i);
        if !card(start, end, scan) {
            account(start, scan);
        }
        i = end.max(i).saturating_add(STEP);
    }
}

/// End of digits that are grouped by single blanks or dashes.
fn group_end(text: &[u8], from: usize) -> usize {
    let mut end = run_end(text, from, 64, |b| b.is_ascii_digit());
    for _ in 0..6 {
        let next = end.saturating_add(1);
        if !matches!(at(text, end), b' ' | b'-') || !at(text, next).is_ascii_digit() {
            break;
        }
        end = run_end(text, next, 8, |b| b.is_ascii_digit());
    }
    end
}

/// Issuer ranges of the large card schemes with their lengths.
fn is_issued(digits: &[u8]) -> bool {
    let lead = |n: usize| {
        digits.iter().take(n).fold(0_u32, |acc, &b| {
            acc.saturating_mul(10)
                .saturating_add(u32::from(b.wrapping_sub(b'0')))
        })
    };
    let (two, three, four) = (lead(2), lead(3), lead(4));
    match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 65)
                || matches!(four, 2221..=2720 | 6011 | 3528..=3589)
                || matches!(three, 644..=649)
        }
        13 => false,
        _ => false,
    }
}

fn card(start: usize, end: usize, scan: &mut Scan<'_, '_>) -> bool {
    let text = scan.text;
    let shown = slice(text, start, end);
    if shown.len() < 14 || shown.len() > 23 {
        return false;
    }
    let digits: Vec<u8> = shown.iter().copied().filter(u8::is_ascii_digit).collect();
    if !is_issued(&digits) || !luhn(&digits) || mix(&digits).distinct < 2 {
        return false;
    }
    let previous = before(text, start);
    let next = at(text, end);
    let decimal =
        previous == b'.' || next == b'.' && at(text, end.saturating_add(1)).is_ascii_digit();
    if is_word(previous)
        || is_word(next)
        || matches!(previous, b'-' | b'/' | b'+' | b'#')
        || matches!(next, b'-' | b'/')
        || decimal
    {
        return false;
    }
    let groups: Vec<usize> = shown
        .split(|b| matches!(b, b' ' | b'-'))
        .map(<[u8]>::len)
        .collect();
    let grouped = groups.len() == 1 || groups.iter().rev().skip(1).all(|&n| n == 4 || n == 6);
    // Ungrouped digits are identifiers more often than cards, unless the text speaks of cards.
    let head = slice(text, start.saturating_sub(64), start);
    let spoken = groups.len() > 1
        || digits.len() == text.trim_ascii().len()
        || [
            &b"card"[..],
            b"visa",
            b"amex",
            b"pan",
            b"credit",
            b"debit",
            b"mastercard",
            b"cc",
            b"payment",
            b"number",
        ]
        .iter()
        .any(|w| super::bytes::contains_fold(head, w))
        || scan.context.name.is_some_and(|n| {
            super::bytes::contains_fold(n.as_bytes(), b"card")
                || super::bytes::contains_fold(n.as_bytes(), b"pan")
        });
    if grouped && spoken {
        scan.found(Builtin::PaymentCard, Span::new(start, end));
        return true;
    }
    false
}

/// Country and check digits, at the start of a word.
fn is_head(text: &[u8], at_: usize) -> bool {
    matches!(slice(text, at_, at_.saturating_add(4)), [a, b, c, d]
        if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit())
        && !is_word(before(text, at_))
}

/// `DE89 3704 0044 0532 0130 00`
fn account(start: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let previous = before(text, start);
    if !previous.is_ascii_uppercase() && !previous.is_ascii_digit() && previous != b' ' {
        return;
    }
    // The first digits of a run are the check digits, or a group after them.
    let floor = run_start(text, start, 34, |b| {
        b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' '
    });
    let Some(from) = (floor..=start).find(|&i| is_head(text, i)) else {
        return;
    };
    let mut end = from;
    let mut letters = 0_usize;
    while letters < 34 {
        let group = run_end(text, end, 34, |b| {
            b.is_ascii_uppercase() || b.is_ascii_digit()
        });
        letters = letters.saturating_add(group.saturating_sub(end));
        let full = group.saturating_sub(end) == 4;
        end = group;
        let next = at(text, end.saturating_add(1));
        if !(full && at(text, end) == b' ' && (next.is_ascii_digit() || next.is_ascii_uppercase()))
        {
            break;
        }
        end = end.saturating_add(1);
    }
    let value = slice(text, from, end).trim_ascii_end();
    if (15..=34).contains(&value.iter().filter(|b| **b != b' ').count())
        && iban(value)
        && !is_word(at(text, end))
    {
        scan.found(
            Builtin::Iban,
            Span::new(from, from.saturating_add(value.len())),
        );
    }
}
