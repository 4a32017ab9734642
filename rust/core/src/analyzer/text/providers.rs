//! Whose secret it is, where only the name that it is given tells: `SNYK_TOKEN`, `x-acme-api-key`.
//!
//! Asked only for values of telling names, so that a provider costs nothing elsewhere.

use super::{
    names::{self, NameClass},
    rule::Rule,
};
use crate::detector::DetectorId;
use std::collections::HashMap;

/// Longest name of a provider, in words.
const WORDS: usize = 4;

/// The rules of each provider, by its name without joints.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    index: HashMap<Box<str>, Vec<usize>>,
    /// By rule: the words of the type that it reports.
    kinds: HashMap<usize, Box<[Box<str>]>>,
}

impl Providers {
    /// Adds a rule under the names of its provider.
    pub(crate) fn add<'n>(
        &mut self,
        rule: usize,
        finding_type: &str,
        names: impl Iterator<Item = &'n str>,
    ) {
        for name in names {
            let joined: String = name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            // Two letters mean too many things.
            if joined.len() >= 3 && !is_kind(&joined) {
                let rules = self.index.entry(joined.into()).or_default();
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
        let words = finding_type.split('_').map(Into::into).collect();
        self.kinds.insert(rule, words);
    }

    /// The detector for a value that `name` is given, and whether the value has its form. `plain`
    /// tells that the value is a secret whoever issued it; else it must have the provider's form.
    pub(crate) fn find(
        &self,
        rules: &[Rule],
        class: NameClass,
        name: &str,
        value: &[u8],
        plain: bool,
    ) -> Option<(DetectorId, bool)> {
        if matches!(class, NameClass::Password | NameClass::Passphrase) {
            return None;
        }
        let words = names::words(name);
        let (known, from, to) = self.longest(&words)?;
        let rest = words.get(to..).unwrap_or_default();
        let own = words.get(from..to).unwrap_or_default();
        let score = |&rule: &usize| -> Option<(bool, usize, std::cmp::Reverse<usize>)> {
            let kinds = self.kinds.get(&rule)?;
            let fits = rules.get(rule)?.is_form_of(value);
            let told = |w: &String| kinds.iter().any(|k| **k == **w);
            let known = |w: &String| told(w) || is_kind(w) || names::is_tail(w);
            if !(fits || plain && is_of(class, kinds) && rest.iter().all(known)) {
                return None;
            }
            let shared = rest.iter().chain(own).filter(|w| told(w)).count();
            Some((fits, shared, std::cmp::Reverse(rule)))
        };
        let best = known.iter().filter_map(score).max()?;
        let rule = rules.get(best.2.0)?;
        Some((rule.detector(), best.0))
    }

    /// The rules of the provider with the longest name among the words, and which words those are.
    fn longest(&self, words: &[String]) -> Option<(&[usize], usize, usize)> {
        for len in (1..=WORDS.min(words.len())).rev() {
            for from in (0..=words.len().saturating_sub(len)).rev() {
                let to = from.saturating_add(len);
                let mut joined = words.get(from..to)?.concat();
                loop {
                    if let Some(rules) = self.index.get(joined.as_str()) {
                        return Some((rules, from, to));
                    }
                    // `stripekey`, written as one word.
                    let Some(stem) = KINDS.iter().find_map(|k| joined.strip_suffix(k)) else {
                        break;
                    };
                    joined.truncate(stem.len());
                }
            }
        }
        None
    }
}

/// Whether a value is worth being held against a provider's form: most values of names are code.
pub(super) fn may_be_form(value: &[u8]) -> bool {
    (8..=512).contains(&value.len()) && value.iter().filter(|b| b.is_ascii_digit()).count() >= 2
}

/// Words that say what kind of secret a name is of, and not whose.
const KINDS: &[&str] = &[
    "key",
    "token",
    "secret",
    "api",
    "access",
    "auth",
    "oauth",
    "client",
    "app",
    "application",
    "personal",
    "private",
    "pat",
    "service",
    "account",
    "user",
    "admin",
    "bearer",
    "credential",
    "credentials",
    "id",
    "rest",
    "http",
    "https",
    "cloud",
    "consumer",
    "developer",
    "integration",
    "sdk",
    "www",
    "com",
    "io",
    "bot",
    "server",
    "project",
    "workspace",
    "team",
    "org",
    "license",
];

fn is_kind(word: &str) -> bool {
    KINDS.contains(&word)
}

/// Whether a type is of the kind that a name announces.
fn is_of(class: NameClass, kinds: &[Box<str>]) -> bool {
    let has = |words: &[&str]| kinds.iter().any(|k| words.contains(&&**k));
    match class {
        NameClass::Secret => has(&["secret", "key", "token"]),
        _ => has(&["key", "token", "pat", "secret"]),
    }
}
