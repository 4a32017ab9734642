//! Entries of the forms `regex` and `keywords` + `value`, compiled.

use super::{
    assign::name_before,
    bytes::{at, before, contains_fold, free_left, free_right, is_blank, is_quote, slice},
    checksum,
    gates::reads_as_words,
    names,
    pattern::{Anchor, FAR, Pattern, WINDOW, anchors, place},
    quality::{entropy, is_placeholder, is_sequence, is_uuid, mix},
    scan::{Hit, Scan},
    source::{Checksum, ChecksumMode, Edge, TextMatch},
};
use crate::{detector::DetectorId, span::Span};

/// Rank of a finding that is a provider's by the name that its value is given.
pub(super) const NAMED: u8 = 4;

/// How far before its value a keyword may stand.
const DISTANCE: usize = 96;

/// Longest match that is no cut when it ends within a token.
const LONG: usize = 1024;

/// One compiled entry.
#[derive(Debug)]
pub(crate) struct Rule {
    detector: DetectorId,
    pattern: Pattern,
    form: Form,
    left: Edge,
    right: Edge,
    min_entropy: f32,
    checksum: Option<(Checksum, ChecksumMode)>,
    allow: Vec<Pattern>,
    placeholders: bool,
    weak: bool,
    anchored: bool,
}

#[derive(Debug)]
enum Form {
    /// The format names itself.
    Format,
    /// A keyword stands near.
    Near {
        key: Option<Pattern>,
        distance: usize,
        /// The keywords speak of secrets by themselves: `dd_api_key`.
        telling: bool,
    },
    /// The name that the value is given tells, and nothing else.
    Named,
}

/// What the prefilter must look for to call a rule.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) literal: Vec<u8>,
    pub(crate) any_case: bool,
    /// Distance of the literal from the start of the match, for formats.
    pub(crate) offset: Option<(usize, usize)>,
}

impl Rule {
    pub(super) fn detector(&self) -> DetectorId {
        self.detector
    }

    /// Compiles an entry.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn new(
        detector: DetectorId,
        source: &TextMatch,
    ) -> Result<(Self, Vec<Call>), String> {
        let allow = source
            .allow
            .iter()
            .map(|a| Pattern::new(a).map(|(p, _)| p))
            .collect::<Result<_, _>>()
            .map_err(|e| format!("allow: {e}"))?;
        let (pattern, form, calls) = match (&source.regex, &source.value) {
            (Some(regex), None) => {
                if !source.keywords.is_empty() {
                    return Err("`keywords` go with `value`, not with `regex`".into());
                }
                let (pattern, hir) = Pattern::new(regex).map_err(|e| format!("regex: {e}"))?;
                let derived = anchors(&hir).unwrap_or_default();
                let calls = match &source.literals {
                    Some(literals) => literals
                        .iter()
                        .map(|l| {
                            let known = derived.iter().find(|a| a.bytes.starts_with(l.as_bytes()));
                            let offset = match known {
                                Some(a) => (a.min, a.max),
                                None if regex.starts_with(l.as_str()) => (0, 0),
                                None => {
                                    place(&hir, l.as_bytes()).unwrap_or((0, 128.min(pattern.max)))
                                }
                            };
                            Call {
                                literal: l.clone().into_bytes(),
                                any_case: regex.contains("(?i"),
                                offset: Some(offset),
                            }
                        })
                        .collect(),
                    None => derived.into_iter().map(of_anchor).collect::<Vec<_>>(),
                };
                if calls.is_empty() {
                    return Err("no literal of three bytes can be derived from `regex`: give `literals`, or use `keywords` and `value`".into());
                }
                (pattern, Form::Format, calls)
            }
            (None, Some(value)) => {
                let (pattern, _) = Pattern::new(value).map_err(|e| format!("value: {e}"))?;
                let key = source
                    .key
                    .as_deref()
                    .map(|k| Pattern::new(&format!("(?i:.*?(?:{k}))")).map(|(p, _)| p))
                    .transpose()
                    .map_err(|e| format!("key: {e}"))?;
                let calls = source
                    .keywords
                    .iter()
                    .flat_map(|k| spellings(k))
                    .map(|k| Call {
                        literal: k.into_bytes(),
                        any_case: true,
                        offset: None,
                    })
                    .collect();
                let form = if source.keywords.is_empty() {
                    if source.names.as_ref().is_none_or(Vec::is_empty) {
                        return Err("`value` needs `keywords` or `names`".into());
                    }
                    Form::Named
                } else {
                    Form::Near {
                        key,
                        distance: source.distance.unwrap_or(DISTANCE).min(512),
                        telling: source.keywords.iter().all(|k| names::is_telling(k)),
                    }
                };
                (pattern, form, calls)
            }
            _ => {
                return Err(
                    "`match` needs `regex`, or `value` with `keywords` or `names`, or `builtin`"
                        .into(),
                );
            }
        };
        if let Some(short) = calls
            .iter()
            .find(|c| c.literal.len() < 3 || c.literal.len() > 200)
        {
            return Err(format!(
                "the literal \"{}\" is shorter than three bytes",
                String::from_utf8_lossy(&short.literal)
            ));
        }
        Ok((
            Self {
                detector,
                pattern,
                form,
                left: source.left,
                right: source.right,
                min_entropy: source.min_entropy.unwrap_or(0.0),
                checksum: source.checksum.map(|c| (c, source.checksum_mode)),
                allow,
                placeholders: source.placeholders,
                weak: source.weak,
                anchored: calls.iter().all(|c| c.offset == Some((0, 0))),
            },
            calls,
        ))
    }

    /// Formats above values near a word, and those above formats that several providers have.
    const fn rank(&self) -> u8 {
        match self.form {
            Form::Format if self.weak => 3,
            Form::Format => 7,
            Form::Near { .. } => 5,
            Form::Named => NAMED,
        }
    }

    /// Whether a value that a name of this provider is given has the form of its secrets.
    pub(crate) fn is_form_of(&self, value: &[u8]) -> bool {
        self.pattern.end_at(value, 0) == Some(value.len())
            && !(self.placeholders && (is_placeholder(value) || reads_as_words(value)))
            && !is_sequence(value)
            && !(self.min_entropy > 0.0 && entropy(value) < self.min_entropy)
    }

    /// Whether the format begins with what names it.
    pub(crate) const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Fewest bytes of a match, where the format alone tells what it is.
    pub(crate) fn shortest(&self) -> Option<usize> {
        matches!(self.form, Form::Format).then_some(self.pattern.min)
    }

    /// Tries a format whose literal stands at `hit`, `min..=max` bytes after the start.
    pub(crate) fn format(
        &self,
        index: usize,
        hit: usize,
        min: usize,
        max: usize,
        scan: &mut Scan<'_, '_>,
    ) {
        let until = scan.until(index);
        let low = hit.saturating_sub(max).max(until);
        let Some(high) = hit.checked_sub(min) else {
            return;
        };
        let mut start = high;
        loop {
            if self.left == Edge::Word {
                // Within a word only its start can be the start of a match.
                start = scan.word_start(start);
            }
            if start < low {
                return;
            }
            if self.attempt(index, start, hit, scan) {
                return;
            }
            let Some(next) = start.checked_sub(1) else {
                return;
            };
            start = next;
        }
    }

    /// Tries the format at one place; whether it is there.
    fn attempt(&self, index: usize, start: usize, hit: usize, scan: &mut Scan<'_, '_>) -> bool {
        if !self.pattern.may_begin(scan.text, start)
            || self.left == Edge::Word && !free_left(scan.text, start)
        {
            return false;
        }
        let far = self.pattern.max > FAR;
        if !self.fits(start, scan) || far && !scan.may_read(index, start) {
            return false;
        }
        // A run longer than the window, or than any token is, is taken as far as it was read.
        let long = self.pattern.max.max(LONG);
        let Some(end) = self.pattern.end_at(scan.text, start).filter(|&end| {
            end > hit
                && (self.right == Edge::None
                    || end.saturating_sub(start) >= long
                    || self.ends(scan.text, end))
        }) else {
            if far {
                scan.read_in_vain(index, &self.pattern, start);
            }
            return false;
        };
        scan.set_until(index, end);
        self.judge(start, end, scan);
        true
    }

    /// Whether the token at `start` has a length that the pattern can have, where that can be told
    /// without reading it.
    fn fits(&self, start: usize, scan: &mut Scan<'_, '_>) -> bool {
        if !self.pattern.is_token || self.right != Edge::Word {
            return true;
        }
        let len = scan.token_end(start).saturating_sub(start);
        len >= self.pattern.min && (len <= self.pattern.max || self.pattern.max >= LONG)
    }

    fn ends(&self, text: &[u8], end: usize) -> bool {
        free_right(text, end)
            // A pattern that ends with padding or punctuation sets its own end.
            || !super::bytes::is_token(before(text, end)) && before(text, end) != b'='
    }

    fn judge(&self, start: usize, end: usize, scan: &mut Scan<'_, '_>) {
        let (from, to) = self.pattern.secret(scan.text, start, end);
        if let Some(note) = self.accepts(from, to, scan) {
            scan.push(Hit {
                span: Span::new(from, to),
                detector: self.detector,
                rank: self.rank(),
                note,
            });
        }
    }

    /// Whether the secret passes all gates of the entry; with what is to be said of it.
    fn accepts(
        &self,
        start: usize,
        end: usize,
        scan: &mut Scan<'_, '_>,
    ) -> Option<Option<&'static str>> {
        // `lip_sync_controller_state` is a name in code, not a value.
        let is_word = |scan: &mut Scan<'_, '_>| {
            scan.is_placeholder(start, end) || reads_as_words(slice(scan.text, start, end))
        };
        if self.placeholders && is_word(scan)
            || self.min_entropy > 0.0 && scan.entropy(start, end) < self.min_entropy
        {
            return None;
        }
        let secret = slice(scan.text, start, end);
        if self
            .allow
            .iter()
            .any(|a| a.end_at(secret, 0) == Some(secret.len()))
        {
            return None;
        }
        match self.checksum {
            None => Some(None),
            Some((sum, mode)) => match (checksum::holds(sum, secret), mode) {
                (true, _) => Some(Some("checksum valid")),
                (false, ChecksumMode::Raise) => Some(None),
                (false, ChecksumMode::Require) => None,
            },
        }
    }

    /// Looks for values after a keyword that ends at `from`.
    pub(crate) fn near(&self, index: usize, hit: usize, from: usize, scan: &mut Scan<'_, '_>) {
        let Form::Near { distance, .. } = self.form else {
            return;
        };
        let text = scan.text;
        // "okta" is not in "oktapus" alone, but "aws" is in "draws".
        let (previous, first) = (before(text, hit), at(text, hit));
        if previous.is_ascii_alphabetic()
            && previous.is_ascii_lowercase() == first.is_ascii_lowercase()
            && !free_left(text, hit)
        {
            return;
        }
        let begin = from.max(scan.until(index));
        let mut end = from.saturating_add(distance).min(text.len());
        if begin >= end {
            return;
        }
        // The keyword's line and the next one.
        if let Some(i) = memchr::memchr_iter(b'\n', slice(text, from, end)).nth(1) {
            end = from.saturating_add(i);
        }
        self.values(index, hit, begin, end, None, scan);
    }

    /// Looks for values that begin in `begin..end`; `named` is the name that the whole text has.
    pub(crate) fn values(
        &self,
        index: usize,
        hit: usize,
        begin: usize,
        end: usize,
        named: Option<&str>,
        scan: &mut Scan<'_, '_>,
    ) {
        let text = scan.text;
        let far = self.pattern.max > FAR;
        let mut i = begin;
        while i < end {
            // No value fits before a blank or quote that is nearer than the shortest one.
            let Some(window) = text.get(i..i.saturating_add(self.pattern.min)) else {
                break;
            };
            if let Some(k) = window
                .iter()
                .rposition(|&b| b.is_ascii_whitespace() || is_quote(b))
            {
                i = i.saturating_add(k).saturating_add(1);
                continue;
            }
            let b = at(text, i);
            if b.is_ascii_whitespace() || is_quote(b) || b == b'\\' {
                i = i.saturating_add(1);
                continue;
            }
            let run = scan.value_end(i).min(i.saturating_add(WINDOW));
            if run.saturating_sub(i) < self.pattern.min {
                i = run;
                continue;
            }
            let last = run.saturating_sub(self.pattern.min).min(end);
            let mut found = None;
            for start in i..=last {
                if !self.pattern.may_begin(text, start)
                    || self.left == Edge::Word && !free_left(text, start)
                    || !self.fits(start, scan)
                {
                    continue;
                }
                if far && !scan.may_read(index, start) {
                    break;
                }
                if let Some(stop) = self.pattern.end_at(text, start)
                    && (self.right == Edge::None
                        || free_right(text, stop) && at(text, stop) != b'=')
                {
                    found = Some((start, stop));
                    break;
                }
                if far {
                    scan.read_in_vain(index, &self.pattern, start);
                }
            }
            if let Some((start, stop)) = found {
                if self.surroundings_fit(hit, start, stop, named, scan) {
                    scan.set_until(index, stop);
                    self.judge_near(start, stop, scan);
                }
                i = stop.max(i.saturating_add(1));
            } else {
                i = run;
            }
        }
        scan.set_until(index, end.max(scan.until(index)));
    }

    fn judge_near(&self, start: usize, end: usize, scan: &mut Scan<'_, '_>) {
        let (from, to) = self.pattern.secret(scan.text, start, end);
        if !is_sequence(slice(scan.text, from, to)) {
            self.judge(start, end, scan);
        }
    }

    fn surroundings_fit(
        &self,
        hit: usize,
        start: usize,
        stop: usize,
        named: Option<&str>,
        scan: &Scan<'_, '_>,
    ) -> bool {
        let Form::Near {
            ref key, telling, ..
        } = self.form
        else {
            return true;
        };
        let text = scan.text;
        let name = match named {
            Some(name) if start == 0 => name.as_bytes(),
            _ => name_before(text, start),
        };
        let name_text = std::str::from_utf8(name).unwrap_or_default();
        // "the codecov token is: …" and "const TOKEN: &str = …" have the name farther off.
        if let Some(key) = key
            && key.end_at(name, 0).is_none()
            && key.end_at(slice(text, hit, start), 0).is_none()
        {
            return false;
        }
        if !name.is_empty() && names::is_harmless(name_text) && key.is_none() {
            return false;
        }
        let value = slice(text, start, stop);
        if is_hash_context(text, start) {
            return false;
        }
        let m = mix(value);
        // A bare hexadecimal number or UUID may be any identifier: something must speak of secrets.
        if !telling && (is_uuid(value) || m.hex) {
            // A part of a path is the name of something.
            if before(text, start) == b'/' {
                return false;
            }
            let between = slice(text, hit, start);
            return names::is_telling(name_text)
                || [
                    &b"key"[..],
                    b"token",
                    b"secret",
                    b"password",
                    b"auth",
                    b"credential",
                    b"bearer",
                    b"login",
                ]
                .iter()
                .any(|w| contains_fold(between, w));
        }
        true
    }
}

/// The ways to write a keyword: `dd_key`, `dd-key`, `dd key`, `ddKey`.
fn spellings(keyword: &str) -> Vec<String> {
    let folded = keyword.to_ascii_lowercase();
    let mut all = vec![folded.clone()];
    if folded.trim_matches('_').contains('_') {
        all.extend(["-", " ", ""].map(|joint| folded.replace('_', joint)));
    }
    all
}

/// Whether a hash's name stands directly before the value: `commit 1f…`, `sha256:…`.
fn is_hash_context(text: &[u8], start: usize) -> bool {
    let head = slice(text, start.saturating_sub(20), start);
    let gap = head
        .iter()
        .rev()
        .take_while(|&&b| {
            is_blank(b) || is_quote(b) || matches!(b, b':' | b'=' | b'-' | b'@' | b'/' | b'(')
        })
        .count();
    let word_end = head.len().saturating_sub(gap);
    let word = slice(head, 0, word_end);
    [
        &b"sha1"[..],
        b"sha256",
        b"sha384",
        b"sha512",
        b"md5",
        b"commit",
        b"digest",
        b"checksum",
        b"integrity",
        b"etag",
        b"revision",
        b"tree",
        b"parent",
    ]
    .iter()
    .any(|w| {
        word.len() >= w.len()
            && slice(word, word.len().saturating_sub(w.len()), word.len()).eq_ignore_ascii_case(w)
    })
}

fn of_anchor(anchor: Anchor) -> Call {
    Call {
        literal: anchor.bytes,
        any_case: anchor.any_case,
        offset: Some((anchor.min, anchor.max)),
    }
}
