//! All `content_patterns` of a rule set, searched together: one pass for the literals that the
//! patterns need, then only the patterns whose literal is there. Linear in the text.

use crate::walk::{Document, NodeId};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem;
use regex_automata::{
    meta::{self, Regex},
    util::syntax,
};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::{collections::HashMap, fmt, sync::Arc};

/// Index of a pattern in its [`Contents`].
pub type PatternId = usize;

/// Largest compiled pattern, in bytes; bounds both memory and the cost per byte of text.
const PATTERN_BYTES: usize = 512 << 10;
/// A literal this short occurs everywhere and spares nothing.
const SHORTEST: usize = 3;
/// More alternatives than this are not worth a place in the prefilter.
const MOST: usize = 32;

/// Up to so many bytes of literals the fastest automaton is built: it takes about 100 times as much
/// memory as they do.
const FAST: usize = 256 << 10;
/// Shorter messages are searched sooner than another engine is called.
const WORTH_A_CALL: usize = 1 << 10;
/// Stands between texts that are searched together; in no UTF-8, so that no literal holds it.
const BETWEEN: u8 = 0xff;

/// Another engine that searches for all literals at once, such as Hyperscan.
pub trait LiteralSearch: fmt::Debug + Send + Sync {
    /// Indexes of the literals that stand in the text, in any letter case of ASCII; more are
    /// allowed, for every pattern is confirmed. `None` where the engine cannot serve.
    fn search(&self, text: &[u8]) -> Option<Vec<u32>>;
}

/// Makes an engine for these literals, or none if the built-in one is to search.
pub type MakeSearch<'m> = &'m dyn Fn(&[String]) -> Result<Option<Arc<dyn LiteralSearch>>, String>;

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

    /// Compiles what was added; `make` may bring another engine for the literals.
    ///
    /// # Errors
    /// A message: there is more than the prefilter can hold, or `make` refuses.
    pub fn build(self, make: Option<MakeSearch<'_>>) -> Result<Contents, String> {
        let (literals, owners): (Vec<String>, Vec<PatternId>) = self.literals.into_iter().unzip();
        let other = match make {
            Some(make) if !literals.is_empty() => make(&literals)?,
            _ => None,
        };
        let bytes: usize = literals.iter().map(String::len).sum();
        let prefilter = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind((other.is_none() && bytes <= FAST).then_some(AhoCorasickKind::DFA))
            .build(&literals)
            .map_err(|error| format!("content_patterns: {error}"))?;
        Ok(Contents {
            regexes: self.regexes,
            prefilter,
            other,
            owners,
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
    other: Option<Arc<dyn LiteralSearch>>,
    /// By literal.
    owners: Vec<PatternId>,
    always: Vec<PatternId>,
}

impl Contents {
    /// Which patterns match in some string, member names included, at or below one of `nodes`.
    #[must_use]
    pub fn search(&self, document: &Document<'_>, nodes: &[NodeId]) -> Vec<bool> {
        let mut texts: Vec<&str> = Vec::new();
        for &node in nodes {
            let Some(end) = document.node(node).map(|n| n.next) else {
                continue;
            };
            let inside =
                |n: NodeId| n > node && n < end || n == node && end == node.saturating_add(1);
            let leaves = document.leaves_of(node, end).map(|(_, leaf)| leaf);
            let inside = leaves.filter(|leaf| inside(leaf.node));
            texts.extend(inside.map(|leaf| document.text(leaf)));
        }
        let mut found = vec![false; self.regexes.len()];
        let candidates = self.candidates(&texts);
        let mut wanted = vec![false; self.regexes.len()];
        for text in texts {
            // These two fold to `s` and `k`, which the prefilters would not see.
            let folds = ["\u{17f}", "\u{212a}"];
            if folds
                .iter()
                .any(|c| memmem::find(text.as_bytes(), c.as_bytes()).is_some())
            {
                (0..self.regexes.len()).for_each(|id| self.confirm(id, text, &mut found));
                continue;
            }
            for &id in &self.always {
                self.confirm(id, text, &mut found);
            }
            match &candidates {
                Some(candidates) => {
                    for &id in candidates {
                        self.confirm(id, text, &mut found);
                    }
                }
                None => self.leaf(text, &mut wanted, &mut found),
            }
        }
        found
    }

    /// The patterns with a literal in any of the texts, as the other engine tells; `None` without
    /// one, and where it is not worth its call or cannot serve.
    fn candidates(&self, texts: &[&str]) -> Option<Vec<PatternId>> {
        let other = self.other.as_ref()?;
        let length: usize = texts.iter().map(|t| t.len().saturating_add(1)).sum();
        if length < WORTH_A_CALL {
            return None;
        }
        let mut all = Vec::with_capacity(length);
        for text in texts {
            all.extend_from_slice(text.as_bytes());
            all.push(BETWEEN);
        }
        let owner = |literal: u32| self.owners.get(usize::try_from(literal).ok()?).copied();
        let mut ids: Vec<PatternId> = other.search(&all)?.into_iter().filter_map(owner).collect();
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    fn confirm(&self, id: PatternId, text: &str, found: &mut [bool]) {
        if let (Some(slot), Some(regex)) = (found.get_mut(id), self.regexes.get(id))
            && !*slot
        {
            *slot = regex.is_match(text);
        }
    }

    fn leaf(&self, text: &str, wanted: &mut [bool], found: &mut [bool]) {
        if self.owners.is_empty() {
            return;
        }
        wanted.fill(false);
        for hit in self.prefilter.find_overlapping_iter(text) {
            let Some(&id) = self.owners.get(hit.pattern().as_usize()) else {
                continue;
            };
            if let Some(slot) = wanted.get_mut(id)
                && !std::mem::replace(slot, true)
            {
                self.confirm(id, text, found);
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
        builder.build(None).unwrap().search(&document, &[ROOT])
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
        let words = [r"\bmerger\b", r"\bstraße\b"];
        assert_eq!(search(&words, "[\"a Merger.\",\"STRAßE 1\"]"), [true, true]);
        assert_eq!(search(&words, "[\"mergers\",\"xstraße\"]"), [false, false]);
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

    /// Tells the literals that it was told to tell.
    #[derive(Debug)]
    struct Told(Option<Vec<u32>>);

    impl LiteralSearch for Told {
        fn search(&self, text: &[u8]) -> Option<Vec<u32>> {
            assert!(text.ends_with(&[BETWEEN]));
            self.0.clone()
        }
    }

    #[test]
    fn another_engine_only_names_candidates() {
        let text = format!("{} delete from x, drop the rest", "-".repeat(WORTH_A_CALL));
        let json = format!("[{text:?},\"to\u{212a}en\",7]");
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let found = |told: Option<Vec<u32>>| {
            let mut builder = Builder::default();
            for pattern in ["delete\\s+from", "drop.*table", "token", "[0-9]+", "x, d"] {
                builder.add(pattern).unwrap();
            }
            let make = |literals: &[String]| {
                assert_eq!(literals, ["delete", "table", "token", "x, d"]);
                Ok(Some(Arc::new(Told(told.clone())) as Arc<dyn LiteralSearch>))
            };
            let contents = builder.build(Some(&make)).unwrap();
            contents.search(&document, &[ROOT])
        };
        let all = [true, false, true, false, true];
        assert_eq!(found(Some(vec![0, 1, 3, 99])), all);
        assert_eq!(found(None), all);
        assert_eq!(found(Some(vec![])), [false, false, true, false, false]);
    }
}
