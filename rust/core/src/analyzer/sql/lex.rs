//! SQL as tokens: comments go, strings stay closed, in one pass over any dialect.

use crate::span::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// `'…'`, `$$…$$`.
    Text,
    /// `"…"`, `` `…` ``, `[…]`: a name, or a text for MySQL.
    Quoted,
    Punctuation,
    /// `GO` or a client's own line.
    Line,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    pub span: Span,
}

impl Token<'_> {
    /// Whether it is this word, in lower case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind != Kind::Text && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether both say the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(other.text)
    }

    /// A number or a text.
    pub(super) fn literal(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Text)
    }
}

/// What a text token says.
pub(super) fn content(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('$')
        && let Some((tag, _)) = rest.split_once('$')
    {
        let mark = tag.len().saturating_add(2);
        let end = text.len().saturating_sub(mark);
        return text.get(mark..end).unwrap_or_default().to_owned();
    }
    text.trim_matches('\'').replace("''", "'")
}

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut out = Vec::new();
    let mut i = 0_usize;
    // Each opening tag without a closing one costs a search of the rest.
    let mut unclosed = 0_usize;
    while i < bytes.len() {
        let start = i;
        let next = byte(i.saturating_add(1));
        let kind = match byte(i) {
            b'-' if next == b'-' => {
                i = line_end(bytes, i);
                continue;
            }
            b'#' if !next.is_ascii_alphanumeric() && next != b'_' && next != b'#' => {
                i = line_end(bytes, i);
                continue;
            }
            b'/' if next == b'*' => {
                // MySQL runs what is in `/*! … */`.
                if byte(i.saturating_add(2)) == b'!' {
                    i = i.saturating_add(3);
                    while byte(i).is_ascii_digit() {
                        i = i.saturating_add(1);
                    }
                    continue;
                }
                let rest = text.get(i.saturating_add(2)..).unwrap_or_default();
                i = match rest.find("*/") {
                    Some(at) => i.saturating_add(at).saturating_add(4),
                    None => bytes.len(),
                };
                continue;
            }
            b'*' if next == b'/' => {
                i = i.saturating_add(2);
                continue;
            }
            b if b.is_ascii_whitespace() => {
                i = i.saturating_add(1);
                continue;
            }
            b'\'' => {
                i = quoted(bytes, i, b'\'');
                Kind::Text
            }
            b'"' => {
                i = quoted(bytes, i, b'"');
                Kind::Quoted
            }
            b'`' => {
                i = quoted(bytes, i, b'`');
                Kind::Quoted
            }
            b'[' if next.is_ascii_alphabetic() || next == b'_' || next == b'#' => {
                let rest = text.get(i..).unwrap_or_default();
                match rest
                    .get(..rest.len().min(130))
                    .or(Some(""))
                    .and_then(|r| r.find(']'))
                {
                    Some(at) => {
                        i = i.saturating_add(at).saturating_add(1);
                        Kind::Quoted
                    }
                    None => {
                        i = i.saturating_add(1);
                        Kind::Punctuation
                    }
                }
            }
            b'$' if unclosed < 32
                && (next == b'$' || next.is_ascii_alphabetic() || next == b'_') =>
            {
                match dollar(text, i) {
                    Some(end) => {
                        i = end;
                        Kind::Text
                    }
                    None => {
                        unclosed = unclosed.saturating_add(1);
                        i = i.saturating_add(1);
                        Kind::Punctuation
                    }
                }
            }
            b if b.is_ascii_digit() => {
                while byte(i).is_ascii_alphanumeric() || byte(i) == b'.' {
                    i = i.saturating_add(1);
                }
                Kind::Number
            }
            b if b.is_ascii_alphabetic() || b == b'_' || b == b'#' || b == b'@' || b >= 0x80 => {
                while {
                    let b = byte(i);
                    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'#' | b'@') || b >= 0x80
                } {
                    i = i.saturating_add(1);
                }
                Kind::Word
            }
            b'=' | b'<' | b'>' | b'!' | b'|' | b'&' => {
                while matches!(byte(i), b'=' | b'<' | b'>' | b'!' | b'|' | b'&')
                    && i.saturating_sub(start) < 3
                {
                    i = i.saturating_add(1);
                }
                Kind::Punctuation
            }
            _ => {
                i = i.saturating_add(1);
                Kind::Punctuation
            }
        };
        let Some(piece) = text.get(start..i) else {
            continue;
        };
        let kind = if kind == Kind::Word && piece.eq_ignore_ascii_case("go") {
            Kind::Line
        } else {
            kind
        };
        out.push(Token {
            kind,
            text: piece,
            span: Span::new(start, i),
        });
    }
    out
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |at| from.saturating_add(at).saturating_add(1))
}

/// The end of a quoted piece; a doubled or escaped quote stays inside.
fn quoted(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut i = from.saturating_add(1);
    while let Some(&b) = bytes.get(i) {
        i = i.saturating_add(1);
        if b == b'\\' && quote != b'`' {
            // Standard SQL knows no escape: a backslash before the last quote is part of the text.
            let after = bytes.get(i.saturating_add(1));
            if bytes.get(i) != Some(&quote)
                || after.is_some_and(|a| a.is_ascii_alphanumeric() || *a == quote)
            {
                i = i.saturating_add(1);
            }
        } else if b == quote {
            if bytes.get(i) == Some(&quote) {
                i = i.saturating_add(1);
            } else {
                return i;
            }
        }
    }
    bytes.len()
}

fn dollar(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from.saturating_add(1)..)?;
    let limit = rest.len().min(64);
    let tag_end = rest
        .as_bytes()
        .get(..limit)?
        .iter()
        .position(|&b| b == b'$')?;
    let tag = rest.get(..tag_end)?;
    if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let mark = text.get(from..from.saturating_add(tag_end).saturating_add(2))?;
    let body = from.saturating_add(mark.len());
    let end = text.get(body..)?.find(mark)?;
    Some(body.saturating_add(end).saturating_add(mark.len()))
}
