//! The state of one scan: what was found so far, and what need not be looked at again.

use super::{
    TextAnalyzer, TextContext,
    assign::{Style, Value},
    builtin::Builtin,
    bytes::{before, is_quote, is_token, is_word, run_end, run_start, slice},
    gates::is_secret,
    names::{NameClass, classify},
    pattern::{Pattern, Reading},
    quality::{entropy, is_placeholder},
    rule::NAMED,
};
use crate::{detector::DetectorId, span::Span};

/// Something found, before overlapping ones are sorted out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) span: Span,
    pub(crate) detector: DetectorId,
    pub(crate) rank: u8,
    pub(crate) note: Option<&'static str>,
}

/// Said of a secret that has a provider's name, but not the form of its secrets.
pub(super) const BY_NAME: &str = "known by its name alone";

impl Hit {
    /// A secret that is a provider's by the name that it is given, and whether it has its form.
    pub(crate) fn of_provider((detector, fits): (DetectorId, bool), span: Span) -> Self {
        Self {
            span,
            detector,
            rank: NAMED,
            note: (!fits).then_some(BY_NAME),
        }
    }
}

/// What was judged lately, by the judged bytes: texts repeat themselves, hostile ones above all.
#[derive(Debug)]
struct Memo<K, V>([Option<(Span, K, V)>; 4]);

impl<K: Copy + PartialEq, V: Copy> Memo<K, V> {
    const fn new() -> Self {
        Self([None; 4])
    }

    fn get(&mut self, text: &[u8], span: Span, key: K, judge: impl FnOnce() -> V) -> V {
        let slot = self.0.get_mut(span.len() % 4);
        let part = |span: Span| slice(text, span.start, span.end);
        match slot {
            Some(Some((known, of, verdict))) if *of == key && part(*known) == part(span) => {
                *verdict
            }
            Some(slot) => {
                let verdict = judge();
                *slot = Some((span, key, verdict));
                verdict
            }
            None => judge(),
        }
    }
}

/// What a rule has read in vain.
#[derive(Clone, Debug, Default)]
struct Far {
    /// Up to here goes the stretch that a match could lie in.
    reach: usize,
    /// At most so many bytes were read: what is cheap to tell.
    at_most: usize,
    /// So many were read since it was worth while to count.
    counted: usize,
    reading: Reading,
}

/// What a rule may read in vain at `at` before the text is held against it: the text so far, and some
/// more for short texts.
const fn in_vain(at: usize) -> usize {
    at.saturating_add(16 << 10)
}

/// One scan of one text.
#[derive(Debug)]
pub(crate) struct Scan<'t, 'a> {
    pub(crate) analyzer: &'a TextAnalyzer,
    pub(crate) text: &'t [u8],
    pub(crate) context: TextContext<'t>,
    pub(crate) hits: Vec<Hit>,
    /// Up to where each rule has looked; empty until one has.
    pub(crate) until: Vec<usize>,
    pub(crate) named_until: usize,
    pub(crate) run_until: usize,
    pub(crate) url_until: usize,
    pub(crate) host_until: usize,
    pub(crate) pem_until: usize,
    /// Up to here no block of a key ends.
    pub(crate) footer_until: usize,
    pub(crate) putty_until: usize,
    pub(crate) line_until: [usize; 16],
    pub(crate) fields_until: usize,
    /// The word that was looked at last.
    word: Span,
    /// The stretch without blanks and quotes that was looked at last.
    value: Span,
    /// The token that was looked at last.
    token: Span,
    classes: Memo<(), Option<NameClass>>,
    verdicts: Memo<(NameClass, bool, Style), bool>,
    placeholders: Memo<(), bool>,
    entropies: Memo<(), f32>,
    /// By rule whose pattern may read far; empty until one has read in vain.
    far: Vec<Far>,
    /// A rule was not tried any more, because it had read too much in vain.
    pub(crate) exhausted: bool,
    /// There are more hits than are kept: the rest of the text is not looked at.
    pub(crate) cut: bool,
    limit: usize,
    /// Hits that stand behind each other, and where the last of them ends.
    apart: (usize, usize),
}

impl<'t, 'a> Scan<'t, 'a> {
    pub(crate) fn new(
        analyzer: &'a TextAnalyzer,
        text: &'t [u8],
        context: TextContext<'t>,
        limit: usize,
    ) -> Self {
        Self {
            analyzer,
            text,
            context,
            hits: Vec::new(),
            until: Vec::new(),
            named_until: 0,
            run_until: 0,
            url_until: 0,
            host_until: 0,
            pem_until: 0,
            footer_until: 0,
            putty_until: 0,
            line_until: [0; 16],
            fields_until: 0,
            word: Span::default(),
            value: Span::default(),
            token: Span::default(),
            classes: Memo::new(),
            verdicts: Memo::new(),
            placeholders: Memo::new(),
            entropies: Memo::new(),
            far: Vec::new(),
            exhausted: false,
            cut: false,
            limit,
            apart: (0, 0),
        }
    }

    /// Adds what code found, if the catalogue has an entry for it.
    pub(crate) fn found(&mut self, builtin: Builtin, span: Span) {
        self.found_as(builtin, builtin.rank(), span);
    }

    /// As [`Scan::found`], with a rank that the surroundings give.
    pub(crate) fn found_as(&mut self, builtin: Builtin, rank: u8, span: Span) {
        if let Some(detector) = self.analyzer.builtin(builtin) {
            self.push(Hit {
                span,
                detector,
                rank,
                note: None,
            });
        }
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        if hit.span.is_empty() || self.cut {
            return;
        }
        // Notes may be as many as the lines of a log: those beyond are told as one.
        if hit.rank == 0
            && self.hits.len() >= self.limit / 2
            && let Some(last) = self.hits.last_mut()
            && last.detector == hit.detector
            && last.span.start <= hit.span.start
        {
            last.span.end = last.span.end.max(hit.span.end);
            return;
        }
        if hit.span.start >= self.apart.1 {
            self.apart = (self.apart.0.saturating_add(1), hit.span.end);
        }
        self.cut = self.apart.0 > self.limit || self.hits.len() >= self.limit.saturating_mul(4);
        if !self.cut {
            self.hits.push(hit);
        }
    }

    /// What the name at `start..end` announces.
    pub(crate) fn class(&mut self, start: usize, end: usize) -> Option<NameClass> {
        let text = self.text;
        self.classes.get(text, Span::new(start, end), (), || {
            std::str::from_utf8(slice(text, start, end))
                .ok()
                .and_then(classify)
        })
    }

    /// Whether the value of a name of this class is a secret.
    pub(crate) fn is_secret(&mut self, class: NameClass, value: &Value) -> bool {
        let text = self.text;
        let span = Span::new(value.start, value.end);
        let key = (class, value.quoted, value.style);
        self.verdicts
            .get(text, span, key, || is_secret(class, text, value))
    }

    /// The detector of the provider that the name at `start..end`, or the words before it, speaks of.
    pub(crate) fn provider(
        &self,
        class: NameClass,
        start: usize,
        end: usize,
        value: &Value,
        plain: bool,
    ) -> Option<(DetectorId, bool)> {
        let name = || {
            // "the acme api key is: …" has the provider's name before the name.
            let words = |b: u8| b.is_ascii_alphanumeric() || b == b' ';
            let from = if matches!(before(self.text, start), b' ') {
                run_start(self.text, start, 32, words)
            } else {
                start
            };
            std::str::from_utf8(slice(self.text, from, end)).ok()
        };
        let secret = slice(self.text, value.start, value.end);
        self.analyzer.provider(class, name, secret, plain)
    }

    /// Whether the part stands for another value.
    pub(crate) fn is_placeholder(&mut self, start: usize, end: usize) -> bool {
        let text = self.text;
        self.placeholders.get(text, Span::new(start, end), (), || {
            is_placeholder(slice(text, start, end))
        })
    }

    /// Bits a byte of the part.
    pub(crate) fn entropy(&mut self, start: usize, end: usize) -> f32 {
        let text = self.text;
        self.entropies.get(text, Span::new(start, end), (), || {
            entropy(slice(text, start, end))
        })
    }

    /// Where the word around `at` begins, or what follows an escape within it. Each word is measured
    /// once, however often it is asked about.
    pub(crate) fn word_start(&mut self, at: usize) -> usize {
        if self.word.is_empty() || at < self.word.start || at > self.word.end {
            let start = run_start(self.text, at, 256, is_word);
            let end = run_end(self.text, at, usize::MAX, is_word);
            self.word = Span::new(start, end);
        }
        // `\nghp_…`: the letter belongs to the escape.
        let escape = before(self.text, self.word.start) == b'\\';
        let start = self.word.start.saturating_add(usize::from(escape));
        start.min(at)
    }

    /// End of the stretch without blanks and quotes that goes on at `at`; each is measured once.
    pub(crate) fn value_end(&mut self, at: usize) -> usize {
        if at < self.value.start || at >= self.value.end {
            let end = run_end(self.text, at, usize::MAX, |b| {
                !b.is_ascii_whitespace() && !is_quote(b)
            });
            self.value = Span::new(at, end);
        }
        self.value.end
    }

    /// End of the token that goes on at `at`; each is measured once.
    pub(crate) fn token_end(&mut self, at: usize) -> usize {
        if at < self.token.start || at >= self.token.end {
            self.token = Span::new(at, run_end(self.text, at, usize::MAX, is_token));
        }
        self.token.end
    }

    /// Whether a rule that may read far may still be tried at `start`.
    pub(crate) fn may_read(&mut self, rule: usize, start: usize) -> bool {
        let counted = self.far.get(rule).map_or(0, |far| far.counted);
        let may = counted <= in_vain(start);
        self.exhausted |= !may;
        may
    }

    /// Notes that `pattern` was read in vain from `start`.
    pub(crate) fn read_in_vain(&mut self, rule: usize, pattern: &Pattern, start: usize) {
        if self.far.is_empty() {
            self.far = vec![Far::default(); self.analyzer.rule_count()];
        }
        let Some(far) = self.far.get_mut(rule) else {
            return;
        };
        if far.at_most <= in_vain(start) {
            if start >= far.reach {
                far.reach = pattern.reach(self.text, start);
            }
            let read = far.reach.saturating_sub(start).min(pattern.max);
            far.at_most = far.at_most.saturating_add(read);
        } else {
            let read = pattern.reads(self.text, start, &mut far.reading);
            far.counted = far.counted.saturating_add(read);
        }
    }

    /// The bound of a rule: where it looks again.
    pub(crate) fn until(&self, rule: usize) -> usize {
        self.until.get(rule).copied().unwrap_or(0)
    }

    pub(crate) fn set_until(&mut self, rule: usize, at: usize) {
        if self.until.is_empty() {
            self.until = vec![0; self.analyzer.rule_count()];
        }
        if let Some(slot) = self.until.get_mut(rule) {
            *slot = at;
        }
    }

    /// The hits in document order; of overlapping ones the most specific, then the longest.
    pub(crate) fn resolve(mut self) -> Vec<Hit> {
        if self.hits.len() > 1 {
            self.hits.sort_by_key(|h| {
                (
                    std::cmp::Reverse(h.rank),
                    std::cmp::Reverse(h.span.len()),
                    h.span.start,
                    h.detector,
                )
            });
            let mut kept: std::collections::BTreeMap<usize, Hit> =
                std::collections::BTreeMap::new();
            for hit in self.hits {
                // Kept spans are disjoint: only the neighbours can overlap.
                let before = kept.range(..hit.span.end).next_back();
                if before.is_none_or(|(_, k)| !k.span.overlaps(hit.span)) {
                    kept.insert(hit.span.start, hit);
                }
            }
            return kept.into_values().collect();
        }
        self.hits
    }
}
