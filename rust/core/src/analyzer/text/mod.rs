//! Secrets and other recognisable text. One pass for all literals, then anchored regexes and code.
//!
//! The pass calls, at each literal: a rule that names itself (`regex`), a rule that wants its
//! provider's name nearby (`keywords` and `value`), or code (`builtin`). Of findings that overlap,
//! the most specific stays.

pub(super) mod assign;
mod builtin;
pub(super) mod bytes;
mod checksum;
pub(super) mod gates;
pub(super) mod names;
mod numbers;
mod organisation;
mod pattern;
mod pem;
mod pieces;
mod prefilter;
mod profile;
mod providers;
pub(super) mod quality;
mod rule;
pub(super) mod scan;
mod source;
mod url;

#[cfg(test)]
mod tests;

pub(crate) use assign::name_before;
pub(crate) use builtin::Builtin;
pub(crate) use checksum::base64;
pub use profile::Part;

use super::{Scope, entropy};
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    guard::Settings,
    signs::Signs,
    span::Span,
};
use organisation::Organisation;
use prefilter::Prefilter;
use providers::Providers;
use rule::Rule;
use scan::{Hit, Scan};
use source::TextMatch;
use std::collections::HashMap;

/// What a literal of the prefilter calls.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// A rule whose match begins `min..=max` bytes before the literal.
    Format { rule: usize, min: usize, max: usize },
    /// A rule whose values stand after the literal.
    Near { rule: usize, len: usize },
    /// Code.
    Code(builtin::Call),
    /// A term of the organisation.
    Term { len: usize },
}

/// Why a text was not looked at to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// More was found than is kept.
    Findings,
    /// A detector was given up because the text wasted its time.
    Time,
}

/// Lengths of a text that its name can make a secret of.
const NAMED: std::ops::RangeInclusive<usize> = 6..=4096;
/// Longest text that is looked at before it is scanned: what shows something is read twice.
const GLANCE: usize = 512;
/// No format that code recognises, such as a token or a hash, is shorter.
const SHORTEST: usize = 12;

/// The compiled text detectors.
#[derive(Debug)]
pub struct TextAnalyzer {
    prefilter: Prefilter,
    /// By literal.
    actions: Vec<Vec<Action>>,
    rules: Vec<Rule>,
    /// Fewest bytes of a text that is as a whole one secret of a known format.
    shortest: usize,
    /// What formats that name themselves begin with, in lower case.
    heads: Box<pieces::Heads>,
    builtins: HashMap<Builtin, DetectorId>,
    providers: Box<Providers>,
    organisation: Organisation,
    numbers: bool,
    entropy: bool,
}

/// What surrounds a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextContext<'a> {
    /// Name of the argument or member that holds it.
    pub name: Option<&'a str>,
    /// The text is itself a member name.
    pub is_key: bool,
}

/// Literals with what they call, while they are collected.
#[derive(Default)]
struct Literals {
    index: HashMap<(Vec<u8>, bool), usize>,
    sources: Vec<(Vec<u8>, bool)>,
    actions: Vec<Vec<Action>>,
}

impl Literals {
    fn add(&mut self, bytes: Vec<u8>, any_case: bool, action: Action) {
        let key = (
            if any_case {
                bytes.to_ascii_lowercase()
            } else {
                bytes.clone()
            },
            any_case,
        );
        let next = self.sources.len();
        let id = *self.index.entry(key).or_insert(next);
        if id == next {
            self.sources.push((bytes, any_case));
            self.actions.push(Vec::new());
        }
        if let Some(actions) = self.actions.get_mut(id) {
            actions.push(action);
        }
    }
}

impl TextAnalyzer {
    /// Compiles the entries of kind `text`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog, settings: &Settings) -> Result<Self, CatalogError> {
        let mut literals = Literals::default();
        let mut rules = Vec::new();
        let mut builtins = HashMap::new();
        let mut heads = Box::<pieces::Heads>::default();
        let mut providers = Box::<Providers>::default();
        for (id, entry) in catalog.iter().filter(|(_, d)| d.kind == DetectorKind::Text) {
            let bad = |message: String| CatalogError::Syntax {
                file: entry.file.clone(),
                message: format!("detector \"{}\": {message}", entry.id),
            };
            let source: TextMatch = typed(&entry.matcher).map_err(bad)?;
            if let Some(name) = &source.builtin {
                let builtin = Builtin::parse(name)
                    .ok_or_else(|| bad(format!("unknown builtin \"{name}\"")))?;
                builtins.insert(builtin, id);
                continue;
            }
            let (rule, calls) = Rule::new(id, &source).map_err(bad)?;
            let index = rules.len();
            for call in calls {
                let len = call.literal.len();
                if let ([a, b, c, ..], true) = (call.literal.as_slice(), rule.is_anchored()) {
                    heads.insert([*a, *b, *c]);
                }
                let action = match call.offset {
                    Some((min, max)) => Action::Format {
                        rule: index,
                        min,
                        max,
                    },
                    None => Action::Near { rule: index, len },
                };
                literals.add(call.literal, call.any_case, action);
            }
            rules.push(rule);
            match &source.names {
                Some(names) => {
                    providers.add(index, &entry.finding_type, names.iter().map(String::as_str));
                }
                None => {
                    let own = entry.id.split('.').nth(1).filter(|own| {
                        let own = own.replace('-', "_");
                        entry.finding_type.starts_with(&own)
                    });
                    let keywords = source.keywords.iter().map(String::as_str);
                    providers.add(index, &entry.finding_type, keywords.chain(own));
                }
            }
        }
        for &(text, any_case, call) in builtin::TRIGGERS {
            literals.add(text.as_bytes().to_vec(), any_case, Action::Code(call));
        }
        let organisation = Organisation::new(&settings.org_fingerprints);
        for term in organisation.terms() {
            let len = term.len();
            literals.add(term.as_bytes().to_vec(), true, Action::Term { len });
        }
        Ok(Self {
            prefilter: Prefilter::new(&literals.sources),
            actions: literals.actions,
            shortest: rules
                .iter()
                .filter_map(Rule::shortest)
                .fold(SHORTEST, usize::min),
            heads,
            rules,
            numbers: builtins.contains_key(&Builtin::PaymentCard)
                || builtins.contains_key(&Builtin::Iban),
            builtins,
            providers,
            organisation,
            entropy: settings.entropy,
        })
    }

    /// The literals that the pass over a text looks for, and whether letter case does not count.
    pub fn literals(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.prefilter.literals()
    }

    fn builtin(&self, builtin: Builtin) -> Option<DetectorId> {
        self.builtins.get(&builtin).copied()
    }

    fn has(&self, builtin: Builtin) -> bool {
        self.builtins.contains_key(&builtin)
    }

    /// The provider that `name` speaks of; only asked for its name if the value can be a secret.
    fn provider<'n>(
        &self,
        class: names::NameClass,
        name: impl FnOnce() -> Option<&'n str>,
        value: &[u8],
        plain: bool,
    ) -> Option<(DetectorId, bool)> {
        if !plain && !providers::may_be_form(value) {
            return None;
        }
        self.providers
            .find(&self.rules, class, name()?, value, plain)
    }

    fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Reports every secret in `text`; spans cover the secret alone.
    pub fn scan(&self, text: &str, context: TextContext<'_>, scope: &mut Scope<'_>) {
        let first = scope.findings.is_empty();
        let (hits, bound) = self.find(text, context, scope.limits.findings);
        match bound {
            Some(Bound::Findings) => scope.cut = true,
            Some(Bound::Time) => {
                scope.report_id("engine.text-budget", Span::new(0, text.len()), None);
            }
            None => {}
        }
        for hit in hits {
            if first {
                // The hits of one text do not overlap.
                scope.report_distinct(hit.detector, hit.span, hit.note);
            } else {
                scope.report(hit.detector, hit.span, hit.note);
            }
        }
    }

    /// Whether a scan of a text would certainly report nothing: a glance at what most strings are.
    /// `signs` are the text's, `plain_name` is what [`Self::is_plain_name`] says of its name.
    #[must_use]
    pub fn is_quiet<'t>(
        &self,
        text: &'t str,
        signs: Signs,
        plain_name: bool,
        context: impl FnOnce() -> TextContext<'t>,
    ) -> bool {
        if text.len() > GLANCE || self.entropy || self.organisation.hashes() {
            return false;
        }
        if !plain_name && NAMED.contains(&text.len()) || self.has_literal(text) {
            return false;
        }
        if !self.numbers || !signs.any(Signs::DIGIT) || text.len() < numbers::SHORTEST {
            return true;
        }
        let mut scan = Scan::new(self, text.as_bytes(), context(), 1);
        numbers::numbers(&mut scan);
        scan.hits.is_empty()
    }

    /// Whether a name says nothing of the text that it stands for.
    #[must_use]
    pub fn is_plain_name(&self, name: &str) -> bool {
        self.near(name).is_empty()
            && !name.eq_ignore_ascii_case("cookie")
            && names::classify(name).is_none()
    }

    fn has_literal(&self, text: &str) -> bool {
        let mut has = false;
        self.prefilter.scan(text.as_bytes(), &mut |_, _| has = true);
        has
    }

    /// The rules that a name speaks of.
    fn near(&self, name: &str) -> Vec<usize> {
        let mut near = Vec::new();
        self.prefilter.scan(name.as_bytes(), &mut |literal, _| {
            let actions = self.actions.get(literal as usize);
            for &action in actions.into_iter().flatten() {
                if let Action::Near { rule, .. } = action {
                    near.push(rule);
                }
            }
        });
        near
    }

    /// The hits, and why they may not be all.
    fn find(
        &self,
        text: &str,
        context: TextContext<'_>,
        limit: usize,
    ) -> (Vec<Hit>, Option<Bound>) {
        let mut scan = Scan::new(self, text.as_bytes(), context, limit);
        self.prefilter.scan(text.as_bytes(), &mut |literal, at| {
            if scan.cut {
                return;
            }
            for &action in self
                .actions
                .get(literal as usize)
                .map(Vec::as_slice)
                .unwrap_or_default()
            {
                self.act(action, at, &mut scan);
            }
        });
        if let Some(name) = context.name {
            self.named(name, &mut scan);
        }
        if self.numbers && !scan.cut {
            numbers::numbers(&mut scan);
        }
        self.organisation.hashed(&mut scan);
        if self.entropy {
            entropy::scan(&mut scan);
        }
        scan.hits.retain(|hit| {
            text.is_char_boundary(hit.span.start) && text.is_char_boundary(hit.span.end)
        });
        let bound = match (scan.cut, scan.exhausted) {
            (true, _) => Some(Bound::Findings),
            (_, true) => Some(Bound::Time),
            _ => None,
        };
        (scan.resolve(), bound)
    }

    fn act(&self, action: Action, at: usize, scan: &mut Scan<'_, '_>) {
        match action {
            Action::Format { rule, min, max } => {
                if let Some(r) = self.rules.get(rule) {
                    r.format(rule, at, min, max, scan);
                }
            }
            Action::Near { rule, len } => {
                if let Some(r) = self.rules.get(rule) {
                    r.near(rule, at, at.saturating_add(len), scan);
                }
            }
            Action::Code(call) => builtin::call(call, at, scan),
            Action::Term { len } => organisation::term(at, len, scan),
        }
    }

    /// The whole text is the value of a member or argument called `name`.
    fn named(&self, name: &str, scan: &mut Scan<'_, '_>) {
        let text = scan.text;
        if !NAMED.contains(&text.len()) || name.len() > 128 {
            return;
        }
        for rule in self.near(name) {
            if let Some(r) = self.rules.get(rule) {
                scan.set_until(rule, 0);
                r.values(rule, 0, 0, text.len().min(512), Some(name), scan);
            }
        }
        if name.eq_ignore_ascii_case("cookie") {
            builtin::cookies(0, scan);
        }
        let start = text.len().saturating_sub(text.trim_ascii_start().len());
        let end = text.trim_ascii_end().len();
        let value = assign::Value {
            start,
            end: end.max(start),
            quoted: true,
            style: assign::Style::Assigned,
        };
        // Prose is what most strings are; only phrases hold blanks.
        let blank = memchr::memchr3(b' ', b'\n', b'\t', text.trim_ascii());
        let phrase = || {
            bytes::contains_fold(name.as_bytes(), b"phrase")
                || name.eq_ignore_ascii_case("mnemonic")
        };
        if (blank.is_none() || phrase())
            && let Some(class) = names::classify(name)
        {
            let span = Span::new(value.start, value.end);
            let plain = gates::is_secret(class, text, &value);
            let secret = bytes::slice(text, span.start, span.end);
            match self.provider(class, || Some(name), secret, plain) {
                Some(found) => scan.push(Hit::of_provider(found, span)),
                None if plain => scan.found(builtin::of_class(class), span),
                None => {}
            }
        }
    }
}
