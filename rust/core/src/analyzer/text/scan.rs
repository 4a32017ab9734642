//! The state of one scan: what was found so far, and what need not be looked at again.

use super::{
    TextAnalyzer, TextContext,
    builtin::Builtin,
    bytes::{before, is_word, run_end, run_start},
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
    pub(crate) line_until: [usize; 8],
    pub(crate) fields_until: usize,
    /// The word that was looked at last.
    word: Span,
    pub(crate) limit: usize,
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
            line_until: [0; 8],
            fields_until: 0,
            word: Span::default(),
            limit,
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
        // Overlapping hits are few; a text made of hits is cut at the bound on findings.
        if !hit.span.is_empty() && self.hits.len() < self.limit.saturating_mul(2) {
            self.hits.push(hit);
        }
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
