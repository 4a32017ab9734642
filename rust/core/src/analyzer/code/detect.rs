//! Matches what code does (calls, imports, reads) against the catalogue's entries of kind `code`.

use crate::{
    analyzer::{
        Language,
        command::{CLASSES, class_bits, glob},
    },
    detector::{Catalog, CatalogError, DetectorId, OneOrMany, syntax::DetectorKind, typed},
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The `match` and `unless` of an entry. All fields that are given must hold; the values within
/// a field are alternatives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pattern {
    /// `python` where nothing else is said.
    language: OneOrMany,
    /// Globs over the resolved name of what is called: `os.system`, `boto3.client().delete_*`;
    /// a name that the text does not define starts with `~`.
    call: OneOrMany,
    /// Modules, with what is below them.
    import: OneOrMany,
    /// Names that are read, called or not.
    read: OneOrMany,
    /// Globs by position or name of an argument: `{"0|mode": "w*"}`; `self` is the receiver.
    argument: BTreeMap<String, OneOrMany>,
    /// Which argument `place` is about: `0|path`, `self`; several are alternatives.
    target: OneOrMany,
    /// Classes of which one fits the target; see the shell's `place.rs`.
    place: OneOrMany,
    /// Where an argument comes from: `secret`, `network` …
    from: OneOrMany,
    /// At least so many positional arguments.
    min_arguments: usize,
    /// At most so many.
    max_arguments: Option<usize>,
    /// Found by code under this name.
    builtin: Option<String>,
}

/// What kind of thing was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Call,
    Import,
    Read,
}

/// An argument, as detectors look at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Argument {
    /// Position, or `usize::MAX`.
    pub index: usize,
    /// Keyword, or empty; `self` for the receiver.
    pub name: String,
    /// Text with holes.
    pub text: String,
    /// The name of what is no text: `yaml.SafeLoader`.
    pub label: String,
    /// Names a listing gave, so a folder's content.
    pub many: bool,
    /// Below the temporary folder.
    pub temporary: bool,
    /// Bits of `value::from`.
    pub from: u16,
}

/// One thing that code does.
#[derive(Debug)]
pub(super) struct Fact<'f> {
    pub language: Language,
    pub seen: Seen,
    pub name: &'f str,
    pub arguments: Vec<Argument>,
}

#[derive(Debug)]
struct Entry {
    id: DetectorId,
    wanted: Pattern,
    unless: Vec<Pattern>,
    place: u32,
}

/// All entries, by the last part of the names that they speak of.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    by_tail: HashMap<String, Vec<usize>>,
    wild: Vec<usize>,
    imports: Vec<usize>,
    reads: HashMap<String, Vec<usize>>,
    builtins: HashMap<String, DetectorId>,
}

const fn language_name(language: Language) -> &'static str {
    match language {
        Language::Python => "python",
        Language::JavaScript => "javascript",
        Language::Perl => "perl",
        Language::Ruby => "ruby",
        Language::Php => "php",
        Language::Lua => "lua",
        Language::Awk => "awk",
    }
}

fn tail(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn any_glob(list: &[String], text: &str) -> bool {
    list.iter()
        .any(|p| p == text || p.contains(['*', '?']) && glob(p.as_bytes(), text.as_bytes()))
}

fn bits(names: &[String]) -> u16 {
    super::python::from::NAMES
        .iter()
        .enumerate()
        .filter(|(_, n)| names.iter().any(|w| w == *n))
        .fold(0, |m, (i, _)| m | 1_u16 << i)
}

fn picks<'f>(fact: &'f Fact<'_>, key: &str) -> Option<&'f Argument> {
    key.split('|').find_map(|k| {
        let index = k.parse::<usize>().unwrap_or(usize::MAX.saturating_sub(1));
        fact.arguments
            .iter()
            .find(|a| a.index == index || !a.name.is_empty() && a.name == k)
    })
}

impl Pattern {
    fn check(&self) -> Result<(), String> {
        for name in self.place.iter() {
            if !CLASSES.contains(&name.as_str()) {
                return Err(format!("unknown place \"{name}\""));
            }
        }
        for name in self.from.iter() {
            if !super::python::from::NAMES.contains(&name.as_str()) {
                return Err(format!("unknown origin \"{name}\""));
            }
        }
        for name in self.language.iter() {
            if ![
                "python",
                "javascript",
                "perl",
                "ruby",
                "php",
                "lua",
                "awk",
                "any",
            ]
            .contains(&name.as_str())
            {
                return Err(format!("unknown language \"{name}\""));
            }
        }
        Ok(())
    }

    fn place_mask(&self) -> u32 {
        self.place
            .iter()
            .filter_map(|n| CLASSES.iter().position(|c| c == n))
            .fold(0, |m, i| m | 1_u32 << i)
    }

    fn holds(&self, fact: &Fact<'_>) -> bool {
        let language = if self.language.is_empty() {
            fact.language == Language::Python
        } else {
            let name = language_name(fact.language);
            self.language.iter().any(|l| l == name || l == "any")
        };
        let named = match fact.seen {
            Seen::Call => any_glob(&self.call, fact.name),
            Seen::Read => self.read.iter().any(|n| n == fact.name),
            Seen::Import => self.import.iter().any(|m| {
                fact.name
                    .strip_prefix(m.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }),
        };
        language && (named || self.unnamed()) && self.fits(fact)
    }

    fn unnamed(&self) -> bool {
        self.call.is_empty() && self.read.is_empty() && self.import.is_empty()
    }

    fn fits(&self, fact: &Fact<'_>) -> bool {
        let positional = fact.arguments.iter().filter(|a| a.index < 64).count();
        let wanted = self.place_mask();
        let origin = bits(&self.from);
        positional >= self.min_arguments
            && self.max_arguments.is_none_or(|max| positional <= max)
            && self.argument.iter().all(|(key, globs)| {
                picks(fact, key).is_some_and(|a| {
                    let text = if a.label.is_empty() {
                        &a.text
                    } else {
                        &a.label
                    };
                    any_glob(globs, text)
                })
            })
            && (wanted == 0
                || self
                    .target
                    .iter()
                    .filter_map(|key| picks(fact, key))
                    .any(|a| class_bits(&a.text, a.many, a.temporary) & wanted != 0))
            && (origin == 0
                || fact.arguments.iter().any(|a| {
                    a.from & origin != 0
                        && (self.target.is_empty()
                            || self
                                .target
                                .iter()
                                .any(|k| picks(fact, k).is_some_and(|p| std::ptr::eq(p, a))))
                }))
    }
}

impl Table {
    pub(super) fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        let mut table = Self::default();
        for (id, source) in catalog.iter() {
            if source.kind != DetectorKind::Code {
                continue;
            }
            let bad = |message: String| CatalogError::Syntax {
                file: source.file.clone(),
                message: format!("detector \"{}\": {message}", source.id),
            };
            let wanted: Pattern = typed(&source.matcher).map_err(bad)?;
            let unless: Vec<Pattern> = if source.unless.is_null() {
                Vec::new()
            } else if source.unless.is_array() {
                typed(&source.unless).map_err(bad)?
            } else {
                vec![typed(&source.unless).map_err(bad)?]
            };
            for pattern in std::iter::once(&wanted).chain(&unless) {
                pattern.check().map_err(bad)?;
            }
            if wanted.unnamed() && wanted.builtin.is_none() {
                return Err(bad(
                    "match needs a call, an import, a read or a builtin".into()
                ));
            }
            table.add(id, wanted, unless);
        }
        Ok(table)
    }

    fn add(&mut self, id: DetectorId, wanted: Pattern, unless: Vec<Pattern>) {
        let index = self.entries.len();
        if let Some(name) = &wanted.builtin {
            self.builtins.insert(name.clone(), id);
        }
        for call in wanted.call.iter() {
            let tail = tail(call);
            let slot = if tail.contains(['*', '?']) {
                &mut self.wild
            } else {
                self.by_tail.entry(tail.to_owned()).or_default()
            };
            if slot.last() != Some(&index) {
                slot.push(index);
            }
        }
        for read in wanted.read.iter() {
            self.reads.entry(read.clone()).or_default().push(index);
        }
        if !wanted.import.is_empty() {
            self.imports.push(index);
        }
        self.entries.push(Entry {
            id,
            place: wanted.place_mask(),
            wanted,
            unless,
        });
    }

    /// The entry that code reports under this name.
    pub(super) fn builtin(&self, name: &str) -> Option<DetectorId> {
        self.builtins.get(name).copied()
    }

    /// Whether any entry may speak of a call of this name.
    pub(super) fn speaks_of(&self, name: &str) -> bool {
        self.by_tail.contains_key(tail(name)) || !self.wild.is_empty()
    }

    /// The entries that hold of what was seen.
    pub(super) fn matching(&self, fact: &Fact<'_>) -> Vec<DetectorId> {
        let mut out = Vec::new();
        let mut test = |index: &usize| {
            if let Some(entry) = self.entries.get(*index)
                && (entry.place == 0 || !fact.arguments.is_empty())
                && entry.wanted.holds(fact)
                && !entry.unless.iter().any(|u| u.holds(fact))
                && !out.contains(&entry.id)
            {
                out.push(entry.id);
            }
        };
        match fact.seen {
            Seen::Call => {
                if let Some(list) = self.by_tail.get(tail(fact.name)) {
                    list.iter().for_each(&mut test);
                }
                self.wild.iter().for_each(&mut test);
            }
            Seen::Import => self.imports.iter().for_each(&mut test),
            Seen::Read => {
                if let Some(list) = self.reads.get(fact.name) {
                    list.iter().for_each(&mut test);
                }
            }
        }
        out
    }
}
