//! All `content_patterns` of a rule set, searched together: one pass for the literals that the
//! patterns need, then only the patterns whose literal is there. Linear in the text.

use crate::walk::{Document, NodeId};
use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::{
    meta::{self, Regex},
    util::syntax,
};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::HashMap;

/// Index of a pattern in its [`Contents`].
pub type PatternId = usize;

/// Largest compiled pattern, in bytes; bounds both memory and the cost per byte of text.
const PATTERN_BYTES: usize = 512 << 10;
/// A literal this short occurs everywhere and spares nothing.
const SHORTEST: usize = 3;
/// More alternatives than this are not worth a place in the prefilter.
const MOST: usize = 32;

/// Patterns while the rules are compiled: the same pattern in two rules is searched once.
#[derive(Debug, Default)]
pub struct Builder {
    ids: HashMap<String, PatternId>,
    regexes: Vec<Regex>,
    literals: Vec<(String, PatternId)>,
    always: Vec<PatternId>,
}

impl Builder {
    /// Adds a pattern.
    ///
    /// # Errors
    /// A message without line breaks: where the pattern is not a regular expression, and why.
    pub fn add(&mut self, pattern: &str) -> Result<PatternId, String> {
        if let Some(&id) = self.ids.get(pattern) {
            return Ok(id);
        }
        let hir = regex_syntax::ParserBuilder::new()
            .case_insensitive(true)
            .nest_limit(64)
            .build()
            .parse(pattern)
            .map_err(|error| explain(pattern, &error))?;
        let regex = Regex::builder()
            .syntax(syntax::Config::new().case_insensitive(true).nest_limit(64))
            .configure(
                meta::Config::new()
                    .nfa_size_limit(Some(PATTERN_BYTES))
                    .hybrid_cache_capacity(256 << 10),
            )
            .build(pattern)
            .map_err(|_| {
                format!("{pattern:?} is too large when compiled: lower its repetitions")
            })?;
        let id = self.regexes.len();
        match required(&hir) {
            Some(literals) => self.literals.extend(literals.into_iter().map(|l| (l, id))),
            None => self.always.push(id),
        }
        self.regexes.push(regex);
        self.ids.insert(pattern.to_owned(), id);
        Ok(id)
    }

    /// Compiles what was added.
    ///
    /// # Errors
    /// A message, if there is more than the prefilter can hold.
    pub fn build(self) -> Result<Contents, String> {
        let prefilter = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(self.literals.iter().map(|(literal, _)| literal))
            .map_err(|error| format!("content_patterns: {error}"))?;
        Ok(Contents {
            regexes: self.regexes,
            prefilter,
            owners: self.literals.into_iter().map(|(_, id)| id).collect(),
            always: self.always,
        })
    }
}

/// One line out of the parser's drawing.
fn explain(pattern: &str, error: &regex_syntax::Error) -> String {
    let (what, at) = match error {
        regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span().start.offset),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span().start.offset),
        _ => ("is not a regular expression".to_owned(), 0),
    };
    format!("{pattern:?} at character {at}: {what}")
}

/// The compiled patterns of a rule set.
#[derive(Debug)]
pub struct Contents {
    regexes: Vec<Regex>,
    prefilter: AhoCorasick,
    owners: Vec<PatternId>,
    always: Vec<PatternId>,
}

impl Contents {
    /// Which patterns match in some string, member names included, at or below one of `nodes`.
    #[must_use]
    pub fn search(&self, document: &Document<'_>, nodes: &[NodeId]) -> Vec<bool> {
        let mut found = vec![false; self.regexes.len()];
        let mut wanted = vec![false; self.regexes.len()];
        for &node in nodes {
            let Some(end) = document.node(node).map(|n| n.next) else {
                continue;
            };
            let inside =
                |n: NodeId| n > node && n < end || n == node && end == node.saturating_add(1);
            for leaf in document.leaves.iter().filter(|leaf| inside(leaf.node)) {
                self.leaf(&leaf.text, &mut wanted, &mut found);
            }
        }
        found
    }

    fn leaf(&self, text: &str, wanted: &mut [bool], found: &mut [bool]) {
        let search = |id: PatternId, found: &mut [bool]| {
            if let (Some(false), Some(regex)) = (found.get(id), self.regexes.get(id))
                && regex.is_match(text)
                && let Some(slot) = found.get_mut(id)
            {
                *slot = true;
            }
        };
        // These two fold to `s` and `k`, which the prefilter would not see.
        if text.contains(['\u{17f}', '\u{212a}']) {
            for id in 0..self.regexes.len() {
                search(id, found);
            }
            return;
        }
        for &id in &self.always {
            search(id, found);
        }
        if self.owners.is_empty() {
            return;
        }
        wanted.fill(false);
        for hit in self.prefilter.find_overlapping_iter(text) {
            let Some(&id) = self.owners.get(hit.pattern().as_usize()) else {
                continue;
            };
            if let Some(slot) = wanted.get_mut(id)
                && !*slot
            {
                *slot = true;
                search(id, found);
            }
        }
    }

    /// Whether there are no patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regexes.is_empty()
    }
}

/// Texts of which one stands in every match, in lower-case ASCII; `None` where that is not known.
fn required(hir: &Hir) -> Option<Vec<String>> {
    let found = match hir.kind() {
        HirKind::Concat(parts) => return longest(parts),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            all
        }
        HirKind::Capture(capture) => return required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => return required(&repetition.sub),
        HirKind::Literal(_) | HirKind::Class(_) => vec![text_of(hir)?],
        _ => return None,
    };
    (found.len() <= MOST && found.iter().all(|text| text.len() >= SHORTEST)).then_some(found)
}

/// The best of a sequence: runs of single characters are joined.
fn longest(parts: &[Hir]) -> Option<Vec<String>> {
    let mut best: Option<Vec<String>> = None;
    let shortest = |texts: &[String]| texts.iter().map(String::len).min().unwrap_or(0);
    let mut offer = |texts: Vec<String>| {
        if shortest(&texts) >= SHORTEST
            && best.as_ref().is_none_or(|b| shortest(b) < shortest(&texts))
        {
            best = Some(texts);
        }
    };
    let mut run = String::new();
    for part in parts {
        if let Some(text) = text_of(part) {
            run.push_str(&text);
            continue;
        }
        offer(vec![std::mem::take(&mut run)]);
        if let Some(texts) = required(part) {
            offer(texts);
        }
    }
    offer(vec![run]);
    best
}

/// The one text that an expression stands for, letters in either case.
fn text_of(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            text.is_ascii().then(|| text.to_ascii_lowercase())
        }
        HirKind::Class(class) => {
            let mut letter = None;
            let mut add = |low: char, high: char| {
                let folded = match low {
                    '\u{17f}' => 's',
                    '\u{212a}' => 'k',
                    c => c.to_ascii_lowercase(),
                };
                let same = low == high && folded.is_ascii() && letter.is_none_or(|l| l == folded);
                letter = Some(folded);
                same
            };
            let one = match class {
                Class::Unicode(class) => class.iter().all(|r| add(r.start(), r.end())),
                Class::Bytes(class) => class
                    .iter()
                    .all(|r| add(char::from(r.start()), char::from(r.end()))),
            };
            letter.filter(|_| one).map(String::from)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, walk::ROOT};

    fn search(patterns: &[&str], json: &str) -> Vec<bool> {
        let mut builder = Builder::default();
        for pattern in patterns {
            builder.add(pattern).unwrap();
        }
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        builder.build().unwrap().search(&document, &[ROOT])
    }

    #[test]
    fn needed_literals_are_found() {
        let of = |pattern: &str| {
            let mut parser = regex_syntax::ParserBuilder::new()
                .case_insensitive(true)
                .build();
            required(&parser.parse(pattern).unwrap())
        };
        assert_eq!(of(r"DELETE\s+FROM"), Some(vec!["delete".into()]));
        assert_eq!(of(r"UPDATE\s+.*SET"), Some(vec!["update".into()]));
        assert_eq!(
            of("drop|truncate"),
            Some(vec!["drop".into(), "truncate".into()])
        );
        assert_eq!(of(r"sk[0-9]+"), None);
        assert_eq!(of(r"(risk)+x?"), Some(vec!["risk".into()]));
        assert_eq!(of(r"a?b*"), None);
        assert_eq!(of("(foo|x)bar"), Some(vec!["bar".into()]));
    }

    #[test]
    fn each_leaf_is_searched_alone_keys_included() {
        let patterns = ["delete\\s+from", "^key$", "[0-9]{4}", "risk"];
        assert_eq!(
            search(&patterns, r#"{"key":"DELETE \n FROM t","n":["x 1234"]}"#),
            [true, true, true, false]
        );
        assert_eq!(
            search(&["push.*force"], r#"{"a":"git push","b":"force majeure"}"#),
            [false]
        );
    }

    #[test]
    fn unicode_folding_is_not_lost_by_the_prefilter() {
        assert_eq!(search(&["secret"], "[\"\u{17f}ecret\"]"), [true]);
        assert_eq!(search(&["token"], "[\"to\u{212a}en\"]"), [true]);
        assert_eq!(search(&["straße"], "[\"STRAßE\"]"), [true]);
    }

    #[test]
    fn bad_patterns_are_named_in_one_line() {
        let mut builder = Builder::default();
        for bad in ["(", r"(?=x)", r"(a)\1", "((a{100}){100}){100}"] {
            let message = builder.add(bad).unwrap_err();
            assert!(
                !message.contains('\n') && message.contains(&format!("{bad:?}")),
                "{message}"
            );
        }
        assert_eq!(builder.add("x").unwrap(), builder.add("x").unwrap());
    }

    #[test]
    fn a_catastrophic_pattern_is_linear() {
        let text = format!("[\"{}!\"]", "a".repeat(1_000_000));
        assert_eq!(search(&["(a+)+$"], &text), [false]);
    }
}
