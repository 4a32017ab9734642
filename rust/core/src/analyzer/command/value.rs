//! What is known of a word or a stream: its text with holes, and where it comes from.

use std::borrow::Cow;

/// Stands in a text for what cannot be known.
pub(in super::super) const HOLE: char = '\u{fffc}';
/// Longest text that is tracked; beyond it a value is a hole.
const MAX_TEXT: usize = 64 << 10;

/// Where a value comes from, as bits.
pub(super) mod from {
    /// Credentials, keys, the environment.
    pub(in super::super) const SECRET: u16 = 1;
    /// Downloaded.
    pub(in super::super) const NETWORK: u16 = 2;
    /// Came out of a decoder.
    pub(in super::super) const DECODED: u16 = 4;
    /// A local file's content.
    pub(in super::super) const FILE: u16 = 8;
    /// Many files: an archive, a dump.
    pub(in super::super) const BULK: u16 = 16;
    /// A variable that the text does not set.
    pub(in super::super) const UNSET: u16 = 32;
    /// Output of a command that is not computed.
    pub(in super::super) const OUTPUT: u16 = 64;
    /// A variable whose name speaks of a credential.
    pub(in super::super) const TOKEN: u16 = 128;
    /// Output of a tool whose job is to print shell code for `eval`.
    pub(in super::super) const SETUP: u16 = 256;
    /// A new directory or file below the temporary folder.
    pub(in super::super) const TEMPORARY: u16 = 512;
    /// Names of files out of a listing.
    pub(in super::super) const LISTING: u16 = 1024;
    /// Numbers of all processes.
    pub(in super::super) const PROCESSES: u16 = 2048;
}

/// A word or a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// The text, with [`HOLE`] for each unknown part.
    pub text: String,
    /// An unquoted `*`, `?` or `[` is in it.
    pub glob: bool,
    /// Bits of [`from`].
    pub from: u16,
}

impl Value {
    pub(super) fn known(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn unknown(from: u16) -> Self {
        Self {
            text: HOLE.to_string(),
            glob: false,
            from,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !self.text.contains(HOLE)
    }

    pub(super) const fn has(&self, bits: u16) -> bool {
        self.from & bits != 0
    }

    /// The known parts alone.
    pub(super) fn solid(&self) -> Cow<'_, str> {
        if self.is_known() {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned(self.text.replace(HOLE, ""))
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        if self.text.len().saturating_add(text.len()) > MAX_TEXT {
            if !self.text.ends_with(HOLE) {
                self.text.push(HOLE);
            }
        } else {
            self.text.push_str(text);
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.push(&other.text);
        self.glob |= other.glob;
        self.from |= other.from;
    }

    /// What command substitution makes of a stream.
    pub(super) fn trimmed(mut self) -> Self {
        let length = self.text.trim_end_matches('\n').len();
        self.text.truncate(length);
        self
    }
}

/// Whether `pattern` with `*`, `?` and `[…]` matches all of `text`: linear memory, no backtracking
/// beyond the last star.
pub(in super::super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    wild(pattern, text, |b| b)
}

/// As [`glob`], for a pattern in lower case; the case of the text is ignored.
pub(super) fn glob_lower(pattern: &[u8], text: &[u8]) -> bool {
    wild(pattern, text, |b| b.to_ascii_lowercase())
}

fn wild(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8) -> bool {
    let (mut p, mut t) = (0_usize, 0_usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t).map(|b| fold(*b)) {
        let matched = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p = p.saturating_add(1);
                continue;
            }
            Some(b'[') => class(pattern, p, byte),
            Some(b'?') => Some(p.saturating_add(1)),
            Some(b) if *b == byte => Some(p.saturating_add(1)),
            _ => None,
        };
        if let Some(next) = matched {
            p = next;
            t = t.saturating_add(1);
        } else if let Some((star_p, star_t)) = star {
            p = star_p.saturating_add(1);
            t = star_t.saturating_add(1);
            star = Some((star_p, t));
        } else {
            return false;
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|&b| b == b'*')
}

fn class(pattern: &[u8], open: usize, byte: u8) -> Option<usize> {
    let rest = pattern.get(open.saturating_add(1)..)?;
    let close = rest
        .iter()
        .enumerate()
        .skip(1)
        .find(|&(i, &b)| b == b']' && rest.get(i.saturating_sub(1)) != Some(&b':'))
        .map(|(i, _)| i)?;
    let mut set = rest.get(..close)?;
    let next = open.saturating_add(close).saturating_add(2);
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    if negated {
        set = set.get(1..).unwrap_or_default();
    }
    let mut found = set
        .windows(3)
        .any(|w| matches!(w, [low, b'-', high] if *low <= byte && byte <= *high))
        || set.contains(&byte);
    if set.starts_with(b"[:") {
        found = byte.is_ascii_alphanumeric();
    }
    (found != negated).then_some(next)
}
