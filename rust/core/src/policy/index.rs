//! Rules by what must be there for them to match, so that most are never asked.

use super::{
    condition::{Check, Condition, Probe},
    content::PatternId,
    when::{Global, When},
};
use crate::detector::DetectorId;
use std::collections::HashMap;

/// Index of a rule in the order of decision.
type Rank = usize;

/// Something that must be there for a condition to hold.
enum Key {
    Detectors(Vec<DetectorId>),
    /// Any finding of at least this risk.
    Risk(f32),
    Destinations,
    Tools(Vec<String>),
    FirstBytes(Vec<u8>),
    Categories(u16),
    Patterns(Vec<PatternId>),
    Label(String, String),
    Environments(Vec<String>),
    Servers(Vec<String>),
}

/// Rules by their keys. A rule without one is always asked.
#[derive(Debug, Default)]
pub(super) struct Index {
    rules: usize,
    by_detector: Vec<Vec<Rank>>,
    /// The lowest risk first.
    by_risk: Vec<(f32, Rank)>,
    by_tool: HashMap<String, Vec<Rank>>,
    by_first_byte: HashMap<u8, Vec<Rank>>,
    by_category: [Vec<Rank>; 16],
    by_label: HashMap<String, HashMap<String, Vec<Rank>>>,
    by_environment: HashMap<String, Vec<Rank>>,
    by_server: HashMap<String, Vec<Rank>>,
    destinations: Vec<Rank>,
    by_pattern: Vec<Vec<Rank>>,
    always: Vec<Rank>,
}

impl Index {
    pub(super) fn new<'c>(
        rules: impl Iterator<Item = (&'c Condition, Option<&'c When>)>,
        detectors: usize,
    ) -> Self {
        let mut index = Self {
            by_detector: vec![Vec::new(); detectors],
            ..Self::default()
        };
        for (rank, (condition, when)) in rules.enumerate() {
            index.rules = rank.saturating_add(1);
            match keys(condition, when) {
                Some(keys) => keys.into_iter().for_each(|key| index.add(rank, key)),
                None => index.always.push(rank),
            }
        }
        index.by_risk.sort_by(|a, b| a.0.total_cmp(&b.0));
        index
    }

    fn add(&mut self, rank: Rank, key: Key) {
        match key {
            Key::Detectors(detectors) => {
                for detector in detectors {
                    if let Some(list) = self.by_detector.get_mut(detector as usize) {
                        list.push(rank);
                    }
                }
            }
            Key::Risk(least) => self.by_risk.push((least, rank)),
            Key::Destinations => self.destinations.push(rank),
            Key::Tools(tools) => {
                for tool in tools {
                    self.by_tool.entry(tool).or_default().push(rank);
                }
            }
            Key::FirstBytes(bytes) => {
                for byte in bytes {
                    self.by_first_byte.entry(byte).or_default().push(rank);
                }
            }
            Key::Categories(set) => {
                for (bit, list) in (0_u32..).zip(&mut self.by_category) {
                    if set.wrapping_shr(bit) & 1 == 1 {
                        list.push(rank);
                    }
                }
            }
            Key::Label(name, value) => {
                let values = self.by_label.entry(name).or_default();
                values.entry(value).or_default().push(rank);
            }
            Key::Environments(names) => {
                for name in names {
                    self.by_environment.entry(name).or_default().push(rank);
                }
            }
            Key::Servers(names) => {
                for name in names {
                    self.by_server.entry(name).or_default().push(rank);
                }
            }
            Key::Patterns(patterns) => {
                for pattern in patterns {
                    if self.by_pattern.len() <= pattern {
                        let length = pattern.saturating_add(1);
                        self.by_pattern.resize_with(length, Vec::new);
                    }
                    if let Some(list) = self.by_pattern.get_mut(pattern) {
                        list.push(rank);
                    }
                }
            }
        }
    }

    /// The rules that may match, in the order of decision.
    pub(super) fn candidates(&self, probe: &Probe<'_>) -> impl Iterator<Item = Rank> + use<> {
        let facts = probe.facts;
        let mut ranks = Ranks::new(self.rules);
        ranks.add(&self.always);
        for finding in facts.findings {
            if let Some(list) = self.by_detector.get(finding.detector as usize) {
                ranks.add(list);
            }
        }
        if let Some(highest) = facts.findings.iter().map(|f| f.risk).reduce(f32::max) {
            let reached = |entry: &&(f32, Rank)| entry.0 <= highest;
            for &(_, rank) in self.by_risk.iter().take_while(reached) {
                ranks.add(&[rank]);
            }
        }
        if !facts.destinations.is_empty() {
            ranks.add(&self.destinations);
        }
        if let Some(first) = facts.tool_name.bytes().next()
            && let Some(list) = self.by_first_byte.get(&first.to_ascii_lowercase())
        {
            ranks.add(list);
        }
        if !facts.tool_name.is_empty()
            && !self.by_tool.is_empty()
            && let Some(list) = self.by_tool.get(&facts.tool_name.to_ascii_lowercase())
        {
            ranks.add(list);
        }
        let set = facts.categories.0;
        for (bit, list) in (0_u32..).zip(&self.by_category) {
            if set.wrapping_shr(bit) & 1 == 1 {
                ranks.add(list);
            }
        }
        if !self.by_label.is_empty() {
            for (name, value) in facts.labels {
                if let Some(list) = self.by_label.get(name).and_then(|v| v.get(value)) {
                    ranks.add(list);
                }
            }
        }
        if !self.by_environment.is_empty()
            && let Some(list) = self
                .by_environment
                .get(&facts.environment.to_ascii_lowercase())
        {
            ranks.add(list);
        }
        if !self.by_server.is_empty()
            && let Some(list) = self.by_server.get(&facts.server.to_ascii_lowercase())
        {
            ranks.add(list);
        }
        if !self.by_pattern.is_empty() {
            for (list, found) in self.by_pattern.iter().zip(probe.found()) {
                if *found {
                    ranks.add(list);
                }
            }
        }
        ranks.sorted()
    }
}

/// A set of ranks.
struct Ranks(Vec<u64>);

impl Ranks {
    fn new(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)])
    }

    fn add(&mut self, ranks: &[Rank]) {
        for rank in ranks {
            if let Some(word) = self.0.get_mut(rank / 64) {
                *word |= 1_u64.wrapping_shl(u32::try_from(rank % 64).unwrap_or(0));
            }
        }
    }

    fn sorted(self) -> impl Iterator<Item = Rank> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            let base = at.saturating_mul(64);
            std::iter::from_fn(move || {
                if word == 0 {
                    return None;
                }
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                Some(base.saturating_add(bit as usize))
            })
        })
    }
}

/// What must be there for a condition to hold: one of these; `None` where that is not known.
fn keys(condition: &Condition, when: Option<&When>) -> Option<Vec<Key>> {
    let checks = condition.checks.iter().filter_map(key);
    let single = checks.chain(when.and_then(key_of_expression));
    // The one that is there most rarely.
    if let Some((_, key)) = single.min_by_key(|(order, _)| *order) {
        return Some(vec![key]);
    }
    condition.checks.iter().find_map(|check| match check {
        Check::All(groups) => groups.iter().find_map(|group| keys(group, None)),
        Check::Any(groups) => {
            let each = groups.iter().map(|group| keys(group, None));
            let each: Option<Vec<Vec<Key>>> = each.collect();
            each.map(|keys| keys.into_iter().flatten().collect())
        }
        _ => None,
    })
}

/// The key of one check, and how late it is to be taken.
fn key(check: &Check) -> Option<(u8, Key)> {
    Some(match check {
        Check::Findings(selector, _) => match selector.detectors() {
            Some(detectors) => (0, Key::Detectors(detectors)),
            None => (6, Key::Risk(selector.min_risk())),
        },
        Check::Labels(labels) => {
            let (name, value) = labels.first()?;
            (1, Key::Label(name.clone(), value.clone()))
        }
        Check::Tools(globs) => match globs.literals() {
            Some(tools) => (2, Key::Tools(tools)),
            None => {
                let mut bytes = globs.first_bytes()?;
                bytes.sort_unstable();
                bytes.dedup();
                (5, Key::FirstBytes(bytes))
            }
        },
        Check::Environments(globs) => (3, Key::Environments(globs.literals()?)),
        Check::Servers(globs) => (4, Key::Servers(globs.literals()?)),
        Check::Destinations(_) => (4, Key::Destinations),
        Check::Categories(set) => (7, Key::Categories(set.0)),
        // Asking for it costs a search through the message.
        Check::Content(patterns) => (8, Key::Patterns(patterns.clone())),
        _ => return None,
    })
}

/// The same of an expression.
fn key_of_expression(when: &When) -> Option<(u8, Key)> {
    let named = |global| {
        when.names(global)
            .map(|name| vec![name.to_ascii_lowercase()])
    };
    let tool = || Some((2, Key::Tools(named(Global::Tool)?)));
    let environment = || Some((3, Key::Environments(named(Global::Environment)?)));
    let server = || Some((4, Key::Servers(named(Global::Server)?)));
    tool().or_else(environment).or_else(server)
}
