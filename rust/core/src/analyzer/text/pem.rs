//! Private keys as blocks of text: PEM, OpenSSH, OpenPGP, PuTTY.

use super::{
    builtin::Builtin,
    bytes::{at, contains_fold, is_quote, run_end, slice},
    quality::is_placeholder,
    scan::Scan,
};
use crate::span::Span;

/// Longest block that is masked as a whole when its end is marked.
const LONGEST: usize = 32 << 10;

/// `-----BEGIN … PRIVATE KEY-----`
pub(crate) fn pem(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.pem_until {
        return;
    }
    let label_start = hit.saturating_add(11);
    let label_end = run_end(text, label_start, 64, |b| {
        b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' '
    });
    let label = slice(text, label_start, label_end);
    if !contains_fold(label, b"private key")
        || !slice(text, label_end, label_end.saturating_add(5)).starts_with(b"-----")
    {
        return;
    }
    let head_end = label_end.saturating_add(5);
    let Some(end) = block_end(text, hit, head_end, &mut scan.footer_until) else {
        return;
    };
    scan.pem_until = end;
    let kind = if contains_fold(label, b"pgp") {
        Builtin::PgpPrivateKey
    } else {
        Builtin::PrivateKey
    };
    scan.found(kind, Span::new(hit, end));
}

fn is_body(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// The next footer; what was searched in vain for one header is not searched again for the next.
fn footer(text: &[u8], head_end: usize, footer_until: &mut usize) -> Option<usize> {
    let end = head_end.saturating_add(LONGEST).min(text.len());
    let from = head_end.max(footer_until.saturating_sub(9));
    let found = memchr::memmem::find(slice(text, from, end), b"-----END ");
    if found.is_none() {
        *footer_until = end;
    }
    found.map(|i| from.saturating_add(i))
}

/// End of the block that begins with the header `hit..head_end`; `None` if the header is only
/// spoken about.
fn block_end(text: &[u8], hit: usize, head_end: usize, footer_until: &mut usize) -> Option<usize> {
    // Between header and body: line ends, spelt as such or escaped, and what encloses lines.
    let gap = run_end(text, head_end, 16, |b| {
        b.is_ascii_whitespace()
            || is_quote(b)
            || matches!(b, b'\\' | b'n' | b'r' | b'+' | b',' | b'>' | b'|')
    });
    let body_end = run_end(text, gap, 128, is_body);
    let first = slice(text, gap, body_end);
    let begins = first.len() >= 16
        || first.starts_with(b"MI") && first.len() >= 4
        || first.starts_with(b"b3Bl");
    let headers = contains_fold(
        slice(text, head_end, head_end.saturating_add(40)),
        b"proc-type",
    ) || contains_fold(
        slice(text, head_end, head_end.saturating_add(40)),
        b"version:",
    ) || contains_fold(
        slice(text, head_end, head_end.saturating_add(40)),
        b"comment:",
    );
    if is_placeholder(first) && !first.is_empty() && !begins {
        return None;
    }
    if (begins || headers)
        && let Some(footer) = footer(text, head_end, footer_until)
    {
        let label = run_end(text, footer.saturating_add(9), 64, |b| {
            b != b'-' && b != b'\n'
        });
        return Some(run_end(text, label, 5, |b| b == b'-'));
    }
    if begins || headers {
        // No footer: the body goes on over lines, escaped or not.
        let mut end = body_end;
        let mut at_ = body_end;
        while at_ < head_end.saturating_add(LONGEST) {
            let next = run_end(text, at_, 8, |b| {
                b.is_ascii_whitespace() || matches!(b, b'\\' | b'"' | b'\'')
            });
            let next = if slice(text, at_, next).contains(&b'\\')
                && matches!(at(text, next), b'n' | b'r')
            {
                next.saturating_add(1)
            } else {
                next
            };
            let line = run_end(text, next, 128, is_body);
            if next == at_ || line.saturating_sub(next) < 16 {
                break;
            }
            end = line;
            at_ = line;
        }
        return Some(end);
    }
    // The header alone, as all there is.
    let alone = slice(text, 0, hit).iter().all(u8::is_ascii_whitespace)
        && slice(text, head_end, text.len())
            .iter()
            .all(|b| b.is_ascii_whitespace() || *b == b'.');
    alone.then_some(head_end)
}

/// A PuTTY key file, to its last line.
pub(crate) fn putty(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.putty_until {
        return;
    }
    let window = slice(text, hit, hit.saturating_add(16 << 10));
    // A file begins with its header, and another header is another file.
    let next = memchr::memmem::find(slice(window, 8, window.len()), b"PuTTY-User-Key-File-");
    let window = slice(
        window,
        0,
        next.map_or(window.len(), |i| i.saturating_add(8)),
    );
    scan.putty_until = hit.saturating_add(window.len());
    let Some(private) = memchr::memmem::find(window, b"Private-Lines:") else {
        return;
    };
    let end = memchr::memmem::find(window, b"Private-MAC:").map_or(window.len(), |mac| {
        run_end(window, mac.saturating_add(13), 128, |b| {
            b.is_ascii_hexdigit() || b == b' '
        })
    });
    if end > private {
        scan.found(Builtin::PrivateKey, Span::new(hit, hit.saturating_add(end)));
    }
}
