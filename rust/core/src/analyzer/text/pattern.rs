//! A regex that is only ever tried at one place: anchored, ASCII, compiled when first needed.

use super::bytes::{is_token, run_end};
use regex_automata::{
    Anchored, Input, MatchKind,
    dfa::onepass,
    hybrid, meta,
    nfa::thompson::{self, WhichCaptures},
    util::syntax,
};
use regex_syntax::hir::{Class, Hir, HirKind, literal::Extractor};
use std::sync::OnceLock;

/// Longest stretch that one attempt may look at.
pub(crate) const WINDOW: usize = 4096;

#[derive(Debug)]
enum Machine {
    OnePass(Box<onepass::DFA>),
    /// For patterns that are ambiguous while they are read.
    Meta(Box<meta::Regex>),
    Broken,
}

/// A pattern, tried at a given place.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: Box<str>,
    machine: OnceLock<Machine>,
    captures: OnceLock<Option<Box<meta::Regex>>>,
    has_group: bool,
    /// Fewest bytes of a match.
    pub(crate) min: usize,
    /// Most bytes of a match, within [`WINDOW`].
    pub(crate) max: usize,
    /// What a match begins with: bytes that are tested before anything else.
    first: Box<[bool; 256]>,
    /// Whether a match has only bytes that a token goes on with, so that it ends where one ends.
    pub(crate) is_token: bool,
    /// All bytes that a match may hold.
    alphabet: Box<[bool; 256]>,
    /// Tells how far the pattern reads; only texts that make it read in vain need it.
    reader: OnceLock<Option<Box<hybrid::dfa::DFA>>>,
}

/// The states of a [`Pattern`]'s reader over one text.
pub(crate) type Reading = Option<Box<hybrid::dfa::Cache>>;

/// Patterns of more bytes than this can make a text slow that begins a match again and again.
pub(crate) const FAR: usize = 96;

/// Where in a match a literal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The literal.
    pub(crate) bytes: Vec<u8>,
    /// Its distance from the start of the match, at least.
    pub(crate) min: usize,
    /// And at most.
    pub(crate) max: usize,
    /// The pattern has it in more than one spelling.
    pub(crate) any_case: bool,
}

fn options() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

impl Pattern {
    /// Reads the pattern; its automaton is built on first use.
    ///
    /// # Errors
    /// The syntax error.
    pub(crate) fn new(source: &str) -> Result<(Self, Hir), String> {
        let hir = syntax::parse_with(source, &options()).map_err(|e| e.to_string())?;
        let properties = hir.properties();
        let max = properties.maximum_len().unwrap_or(WINDOW).min(WINDOW);
        let mut first = Box::new([false; 256]);
        first_bytes(&hir, &mut first);
        let mut alphabet = Box::new([false; 256]);
        all_bytes(&hir, &mut alphabet);
        Ok((
            Self {
                source: source.into(),
                machine: OnceLock::new(),
                captures: OnceLock::new(),
                has_group: source.contains("<secret>"),
                min: properties.minimum_len().unwrap_or(0),
                max,
                first,
                is_token: alphabet
                    .iter()
                    .zip(0_u8..=u8::MAX)
                    .all(|(&held, b)| !held || is_token(b)),
                alphabet,
                reader: OnceLock::new(),
            },
            hir,
        ))
    }

    fn machine(&self) -> &Machine {
        self.machine.get_or_init(|| {
            let nfa = thompson::Config::new()
                .utf8(false)
                .which_captures(WhichCaptures::Implicit)
                .nfa_size_limit(Some(4 << 20));
            let dfa = onepass::Config::new()
                .match_kind(MatchKind::LeftmostFirst)
                .size_limit(Some(2 << 20));
            match onepass::Builder::new()
                .syntax(options())
                .thompson(nfa)
                .configure(dfa)
                .build(&self.source)
            {
                Ok(dfa) => Machine::OnePass(Box::new(dfa)),
                Err(_) => self.meta().map_or(Machine::Broken, Machine::Meta),
            }
        })
    }

    fn meta(&self) -> Option<Box<meta::Regex>> {
        meta::Regex::builder()
            .syntax(options())
            .configure(meta::Config::new().utf8_empty(false))
            .build(&self.source)
            .ok()
            .map(Box::new)
    }

    /// Whether a match may begin with the byte at `start`.
    pub(crate) fn may_begin(&self, text: &[u8], start: usize) -> bool {
        let first = text.get(start).copied().unwrap_or(0);
        self.first.get(usize::from(first)).copied().unwrap_or(true)
    }

    /// End of the match that begins at `start`, if there is one.
    pub(crate) fn end_at(&self, text: &[u8], start: usize) -> Option<usize> {
        if !self.may_begin(text, start) {
            return None;
        }
        let end = start.saturating_add(self.max).min(text.len());
        if end.saturating_sub(start) < self.min {
            return None;
        }
        // The haystack is cut and not only the span, so that no look-ahead leaves the window.
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        match self.machine() {
            Machine::OnePass(dfa) => {
                // Without explicit groups the cache is empty, and costs nothing to make.
                let mut slots = [None, None];
                dfa.try_search_slots(&mut dfa.create_cache(), &input, &mut slots)
                    .ok()??;
                slots.last().copied().flatten().map(|end| end.get())
            }
            Machine::Meta(regex) => regex.search_half(&input).map(|m| m.offset()),
            Machine::Broken => None,
        }
    }

    /// End of the stretch from `start` that a match could lie in.
    pub(crate) fn reach(&self, text: &[u8], start: usize) -> usize {
        run_end(text, start, usize::MAX, |b| {
            self.alphabet.get(usize::from(b)).copied().unwrap_or(true)
        })
    }

    /// How many bytes from `start` the pattern reads before it is decided.
    pub(crate) fn reads(&self, text: &[u8], start: usize, reading: &mut Reading) -> usize {
        let reader = self.reader.get_or_init(|| {
            hybrid::dfa::Builder::new()
                .syntax(options())
                .build(&self.source)
                .ok()
                .map(Box::new)
        });
        let end = start.saturating_add(self.max).min(text.len());
        let all = end.saturating_sub(start);
        let Some(dfa) = reader else {
            return all;
        };
        let states = reading.get_or_insert_with(|| Box::new(dfa.create_cache()));
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        let Ok(mut state) = dfa.start_state_forward(states, &input) else {
            return all;
        };
        let window = text.get(start..end).unwrap_or_default();
        for (read, &b) in window.iter().enumerate() {
            match dfa.next_state(states, state, b) {
                Ok(next) if !next.is_dead() && !next.is_quit() => state = next,
                Ok(_) => return read,
                Err(_) => return all,
            }
        }
        all
    }

    /// The group `secret` of the match `start..end`, or all of it.
    pub(crate) fn secret(&self, text: &[u8], start: usize, end: usize) -> (usize, usize) {
        if !self.has_group {
            return (start, end);
        }
        let Some(regex) = self.captures.get_or_init(|| self.meta()) else {
            return (start, end);
        };
        let mut captures = regex.create_captures();
        regex.search_captures(
            &Input::new(text).span(start..end).anchored(Anchored::Yes),
            &mut captures,
        );
        captures
            .get_group_by_name("secret")
            .map_or((start, end), |span| (span.start, span.end))
    }
}

/// Marks the bytes that a match may begin with; all of them where that is not obvious.
fn first_bytes(hir: &Hir, set: &mut [bool; 256]) -> bool {
    let all = |set: &mut [bool; 256]| {
        set.fill(true);
        true
    };
    match hir.kind() {
        HirKind::Literal(literal) => {
            if let Some(slot) = literal.0.first().and_then(|&b| set.get_mut(usize::from(b))) {
                *slot = true;
            }
            true
        }
        HirKind::Class(Class::Bytes(class)) => {
            for range in class.ranges() {
                for b in range.start()..=range.end() {
                    if let Some(slot) = set.get_mut(usize::from(b)) {
                        *slot = true;
                    }
                }
            }
            true
        }
        HirKind::Capture(capture) => first_bytes(&capture.sub, set),
        HirKind::Repetition(rep) if rep.min > 0 => first_bytes(&rep.sub, set),
        HirKind::Concat(parts) => {
            for part in parts {
                if matches!(part.kind(), HirKind::Look(_) | HirKind::Empty) {
                    continue;
                }
                if part.properties().minimum_len() == Some(0) {
                    return all(set);
                }
                return first_bytes(part, set);
            }
            all(set)
        }
        HirKind::Alternation(parts) => {
            for part in parts {
                if part.properties().minimum_len() == Some(0) {
                    return all(set);
                }
                first_bytes(part, set);
            }
            true
        }
        _ => all(set),
    }
}

/// Marks all bytes that a match may hold.
fn all_bytes(hir: &Hir, set: &mut [bool; 256]) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            for &b in &literal.0 {
                if let Some(slot) = set.get_mut(usize::from(b)) {
                    *slot = true;
                }
            }
        }
        HirKind::Class(Class::Bytes(class)) => {
            for b in class.ranges().iter().flat_map(|r| r.start()..=r.end()) {
                if let Some(slot) = set.get_mut(usize::from(b)) {
                    *slot = true;
                }
            }
        }
        HirKind::Class(Class::Unicode(_)) => set.fill(true),
        HirKind::Repetition(rep) => all_bytes(&rep.sub, set),
        HirKind::Capture(capture) => all_bytes(&capture.sub, set),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                all_bytes(part, set);
            }
        }
    }
}

/// Literals of which one stands in every match, each with its place; `None` if there are none of
/// three bytes.
pub(crate) fn anchors(hir: &Hir) -> Option<Vec<Anchor>> {
    // Prefixes as written if they are long enough, else with what follows spelt out.
    let from_prefix = prefixes(hir, 4).or_else(|| prefixes(hir, 40));
    match from_prefix {
        Some(found) if found.len() <= 40 => Some(found),
        other => inner(hir, 0, 0).map(|a| vec![a]).or(other),
    }
}

/// A part of a pattern: one byte of few, or anything else.
#[derive(Clone)]
enum Part<'h> {
    OneOf(Vec<u8>),
    Other(&'h Hir),
}

/// More ways to read a pattern than this are not told apart.
const WAYS: usize = 64;

/// The ways to read a pattern: alternatives and optional parts taken or not.
fn ways(hir: &Hir) -> Vec<Vec<Part<'_>>> {
    let other = || vec![vec![Part::Other(hir)]];
    match hir.kind() {
        HirKind::Literal(literal) => {
            vec![literal.0.iter().map(|&b| Part::OneOf(vec![b])).collect()]
        }
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|r| r.start()..=r.end());
            let bytes: Vec<u8> = bytes.take(17).collect();
            match bytes.len() {
                1..=16 => vec![vec![Part::OneOf(bytes)]],
                _ => other(),
            }
        }
        HirKind::Capture(capture) => ways(&capture.sub),
        HirKind::Repetition(rep) if (rep.min, rep.max) == (0, Some(1)) => {
            let mut all = ways(&rep.sub);
            all.push(Vec::new());
            all
        }
        HirKind::Alternation(parts) if parts.len() <= WAYS => parts.iter().flat_map(ways).collect(),
        HirKind::Concat(parts) => {
            let mut all: Vec<Vec<Part<'_>>> = vec![Vec::new()];
            for part in parts {
                let mut next = ways(part);
                if next.len().saturating_mul(all.len()) > WAYS {
                    next = vec![vec![Part::Other(part)]];
                }
                let mut joined = Vec::new();
                for head in &all {
                    for tail in &next {
                        joined.push(head.iter().chain(tail).cloned().collect());
                    }
                }
                all = joined;
            }
            all
        }
        _ => other(),
    }
}

/// Where in a match `literal` stands, at least and at most: where the pattern spells it, or its
/// first three bytes, at a bounded distance from the start; `None` if it does so nowhere.
pub(crate) fn place(hir: &Hir, literal: &[u8]) -> Option<(usize, usize)> {
    let all = ways(hir);
    let found = all.iter().filter_map(|way| place_in(way, literal));
    found
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .filter(|&(_, high)| high <= 1024)
}

fn place_in(way: &[Part<'_>], literal: &[u8]) -> Option<(usize, usize)> {
    let (mut low, mut high) = (0_usize, 0_usize);
    let mut found: Option<(usize, usize)> = None;
    for (i, part) in way.iter().enumerate() {
        let spelt = literal
            .iter()
            .zip(way.get(i..).unwrap_or_default())
            .take_while(|(b, part)| matches!(part, Part::OneOf(set) if set.contains(b)))
            .count();
        let next = way.get(i.saturating_add(spelt));
        if spelt == literal.len() || spelt >= 3 && matches!(next, Some(Part::Other(_))) {
            found = Some((found.map_or(low, |(first, _)| first), high));
        }
        let (least, most) = match part {
            Part::OneOf(_) => (1, Some(1)),
            Part::Other(hir) => {
                let properties = hir.properties();
                let least = properties.minimum_len().unwrap_or(0);
                (least, properties.maximum_len())
            }
        };
        low = low.saturating_add(least);
        let Some(most) = most else {
            break;
        };
        high = high.saturating_add(most);
    }
    found
}

fn prefixes(hir: &Hir, class: usize) -> Option<Vec<Anchor>> {
    let mut extractor = Extractor::new();
    extractor
        .limit_class(class)
        .limit_repeat(4)
        .limit_literal_len(12)
        .limit_total(400);
    let seq = extractor.extract(hir);
    let mut found: Vec<Anchor> = Vec::new();
    for literal in seq.literals()? {
        if literal.len() < 3 {
            return None;
        }
        let bytes = literal.as_bytes().to_vec();
        // One spelling stands for all.
        let twin = found
            .iter_mut()
            .find(|a| a.bytes.eq_ignore_ascii_case(&bytes));
        match twin {
            Some(twin) => twin.any_case = true,
            None => found.push(Anchor {
                bytes,
                min: 0,
                max: 0,
                any_case: false,
            }),
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The longest literal that every match holds, of those at a bounded distance from its start.
fn inner(hir: &Hir, min: usize, max: usize) -> Option<Anchor> {
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.len() >= 3 => Some(Anchor {
            bytes: literal.0.to_vec(),
            min,
            max,
            any_case: false,
        }),
        HirKind::Capture(capture) => inner(&capture.sub, min, max),
        HirKind::Concat(parts) => {
            let (mut low, mut high) = (min, max);
            let mut best: Option<Anchor> = None;
            for part in parts {
                if let Some(found) = inner(part, low, high)
                    && best
                        .as_ref()
                        .is_none_or(|b| b.bytes.len() < found.bytes.len())
                {
                    best = Some(found);
                }
                low = low.saturating_add(part.properties().minimum_len().unwrap_or(0));
                let Some(more) = part.properties().maximum_len() else {
                    break;
                };
                high = high.saturating_add(more);
                if high.saturating_sub(low) > 128 || high > 1024 {
                    break;
                }
            }
            best
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(source: &str) -> Vec<(String, usize, usize)> {
        let (_, hir) = Pattern::new(source).unwrap();
        anchors(&hir)
            .unwrap_or_default()
            .into_iter()
            .map(|a| (String::from_utf8(a.bytes).unwrap(), a.min, a.max))
            .collect()
    }

    #[test]
    fn literals_come_from_the_pattern() {
        assert_eq!(literals("ghp_[0-9A-Za-z]{30,255}"), [("ghp_".into(), 0, 0)]);
        assert_eq!(
            literals("(?:AKIA|ASIA)[A-Z2-7]{16}"),
            [("AKIA".into(), 0, 0), ("ASIA".into(), 0, 0)]
        );
        assert_eq!(
            literals("[a-zA-Z0-9_~.-]{3}\\dQ~x[a-z]{31}"),
            [("Q~x".into(), 4, 4)]
        );
        assert!(literals("[a-f0-9]{32}").is_empty());
    }

    #[test]
    fn literals_are_placed_where_the_pattern_spells_them() {
        let at = |source: &str, literal: &str| {
            let (_, hir) = Pattern::new(source).unwrap();
            place(&hir, literal.as_bytes())
        };
        assert_eq!(at("[a-z]{3}[78]Q~[a-z]{31}", "8Q~"), Some((3, 3)));
        assert_eq!(at("[a-z]{2,5}(?:APIM|x\\+ABa)[a-z]", "+ABa"), Some((3, 6)));
        assert_eq!(at("(?:ab)?sk-[a-z]{9}", "sk-"), Some((0, 2)));
        assert_eq!(at("\"d\"\\s{0,4}:", "\"d\":"), Some((0, 0)));
        assert_eq!(at("_(?:auth|password)\\s?=", "_password ="), Some((0, 0)));
        assert_eq!(at("[a-z]*sk-", "sk-"), None);
        assert_eq!(at("[a-z]{9}", "abc"), None);
    }

    #[test]
    fn tells_how_far_it_reads() {
        let (pattern, _) = Pattern::new("ab[^;]{1,400};").unwrap();
        let mut reading = None;
        assert_eq!(pattern.reads(b"abxx{y", 0, &mut reading), 6);
        assert_eq!(pattern.reads(b"ac", 0, &mut reading), 1);
        assert_eq!(pattern.reads(b"ab;;", 0, &mut reading), 2);
    }

    #[test]
    fn matches_only_where_it_is_tried() {
        let (pattern, _) = Pattern::new("ghp_(?P<secret>[a-z]{4})").unwrap();
        assert_eq!(pattern.end_at(b"ghp_abcd", 0), Some(8));
        assert_eq!(pattern.end_at(b" ghp_abcd", 0), None);
        assert_eq!(pattern.secret(b"ghp_abcd", 0, 8), (4, 8));
    }
}
