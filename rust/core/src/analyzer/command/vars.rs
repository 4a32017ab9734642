//! Variables of the shell: values, elements by key, attributes, references, and the earlier values
//! that a variable may still have because its assignment only may have run.

use super::value::Value;
use std::{collections::HashMap, rc::Rc};

/// Most variables of one text.
const MAX_VARS: usize = 1024;
/// Most elements of one array.
const MAX_ELEMENTS: usize = 256;
/// Most earlier values that are kept.
const MAX_OTHERS: usize = 4;
/// Longest chain of references.
const MAX_REFERENCES: usize = 8;

/// What `declare` makes of the values of a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Attribute {
    /// They stay.
    #[default]
    None,
    /// `-u`.
    Upper,
    /// `-l`.
    Lower,
    /// `-i`: they are evaluated.
    Integer,
}

/// One variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Variable {
    /// Elements in order; the first is the value of the plain name.
    values: Vec<Value>,
    /// Elements that were set by their key.
    keyed: Vec<(String, Value)>,
    /// Values that it may still have.
    others: Vec<Vec<Value>>,
    attribute: Attribute,
    /// The variable that it stands for.
    target: Option<String>,
}

/// All variables; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Vars {
    map: Rc<HashMap<String, Variable>>,
    /// Greater than zero where a command only may run.
    pub conditional: u32,
}

impl Vars {
    /// The name behind references.
    fn real<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..MAX_REFERENCES {
            match self.map.get(name).and_then(|v| v.target.as_deref()) {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    fn of(&self, name: &str) -> Option<&Variable> {
        self.map.get(self.real(name))
    }

    fn slot(&mut self, name: &str) -> Option<&mut Variable> {
        let name = self.real(name).to_owned();
        if self.map.len() >= MAX_VARS && !self.map.contains_key(&name) {
            return None;
        }
        Some(Rc::make_mut(&mut self.map).entry(name).or_default())
    }

    /// The elements of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&Vec<Value>> {
        let name = self.real(name);
        match name.split_once('[') {
            Some((base, _)) => self.map.get(base).map(|v| &v.values),
            None => self.map.get(name).map(|v| &v.values),
        }
    }

    /// Whether it is known, if only as unset.
    pub(super) fn contains_key(&self, name: &str) -> bool {
        self.of(name).is_some()
    }

    /// Sets all elements.
    pub(super) fn insert(&mut self, name: impl AsRef<str>, mut values: Vec<Value>) {
        let name = name.as_ref();
        if let Some((base, key)) = element(self.real(name)) {
            let (base, key) = (base.to_owned(), key.to_owned());
            if let Some(value) = values.into_iter().next() {
                self.set_key(&base, &key, value);
            }
            return;
        }
        values.truncate(MAX_ELEMENTS);
        let conditional = self.conditional > 0;
        let Some(slot) = self.slot(name) else {
            return;
        };
        for value in &mut values {
            slot.attribute.apply(value);
        }
        slot.keyed.clear();
        let old = std::mem::replace(&mut slot.values, values);
        if !conditional {
            slot.others.clear();
        } else if !old.is_empty()
            && old != slot.values
            && slot.others.len() < MAX_OTHERS
            && !slot.others.contains(&old)
        {
            slot.others.push(old);
        }
    }

    /// Adds elements.
    pub(super) fn extend(&mut self, name: &str, values: Vec<Value>) {
        let mut all = self.get(name).cloned().unwrap_or_default();
        all.extend(values);
        let keyed = self.of(name).map(|v| v.keyed.clone()).unwrap_or_default();
        self.insert(name, all);
        if let Some(slot) = self.slot(name) {
            slot.keyed = keyed;
        }
    }

    /// One element by its key.
    pub(super) fn key(&self, name: &str, key: &str) -> Option<&Value> {
        let variable = self.of(name)?;
        variable
            .keyed
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
            .or_else(|| {
                let at = key.parse::<i64>().ok()?;
                let length = i64::try_from(variable.values.len()).ok()?;
                let at = if at < 0 {
                    length.saturating_add(at)
                } else {
                    at
                };
                variable.values.get(usize::try_from(at).ok()?)
            })
    }

    /// The keys that were given.
    pub(super) fn keys(&self, name: &str) -> Vec<Value> {
        let Some(variable) = self.of(name) else {
            return Vec::new();
        };
        if variable.keyed.is_empty() {
            return (0..variable.values.len())
                .map(|n| Value::known(n.to_string()))
                .collect();
        }
        let mut keys: Vec<&str> = variable.keyed.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_by_key(|key| key.parse::<u32>().unwrap_or(0));
        keys.into_iter().map(Value::known).collect()
    }

    /// Sets one element.
    pub(super) fn set_key(&mut self, name: &str, key: &str, mut value: Value) {
        let Some(slot) = self.slot(name) else {
            return;
        };
        slot.attribute.apply(&mut value);
        if slot.values.len() < MAX_ELEMENTS {
            // Where in the order it stands is not followed; that it is there is.
            if key == "0" && !slot.values.is_empty() {
                slot.values.insert(0, value.clone());
            } else {
                slot.values.push(value.clone());
            }
        }
        let room = slot.keyed.len() < MAX_ELEMENTS;
        match slot.keyed.iter_mut().find(|(k, _)| k == key) {
            Some(found) => found.1 = value,
            None if room => slot.keyed.push((key.to_owned(), value)),
            None => {}
        }
    }

    /// Removes a variable: it is known to have no value.
    pub(super) fn unset(&mut self, name: &str) {
        self.insert(name, Vec::new());
        if let Some(slot) = self.slot(name) {
            slot.attribute = Attribute::None;
        }
    }

    /// Makes `name` another name of `target`.
    pub(super) fn refer(&mut self, name: &str, target: &str) {
        if self.real(target) != name
            && let Some(slot) = self.slot(name)
        {
            slot.target = Some(target.to_owned());
        }
    }

    /// Sets what becomes of its values.
    pub(super) fn mark(&mut self, name: &str, attribute: Attribute) {
        if let Some(slot) = self.slot(name) {
            slot.attribute = attribute;
        }
    }

    /// What becomes of its values.
    pub(super) fn attribute(&self, name: &str) -> Attribute {
        self.of(name).map_or(Attribute::None, |v| v.attribute)
    }

    /// The values that it may still have.
    pub(super) fn others(&self, name: &str) -> &[Vec<Value>] {
        self.of(name).map_or(&[], |v| v.others.as_slice())
    }

    /// The whole variable, to put it back.
    pub(super) fn keep(&self, name: &str) -> Option<Variable> {
        self.map.get(name).cloned()
    }

    /// Puts back what was kept.
    pub(super) fn put_back(&mut self, name: &str, variable: Option<Variable>) {
        let map = Rc::make_mut(&mut self.map);
        match variable {
            Some(variable) => {
                map.insert(name.to_owned(), variable);
            }
            None => {
                map.remove(name);
            }
        }
    }

    /// Gives it one of its other values.
    pub(super) fn vary(&mut self, name: &str, values: Vec<Value>) {
        if let Some(slot) = self.slot(name) {
            slot.values = values;
        }
    }

    /// Names whose value was known before and is another now.
    pub(super) fn changed(&self, before: &Self) -> Vec<String> {
        let mut names = self.assigned(before);
        names.retain(|name| before.map.contains_key(name));
        names
    }

    /// Names whose value is another now.
    pub(super) fn assigned(&self, before: &Self) -> Vec<String> {
        if Rc::ptr_eq(&self.map, &before.map) {
            return Vec::new();
        }
        let mut names: Vec<String> = self
            .map
            .iter()
            .filter(|(name, now)| {
                before.map.get(*name).map(|old| &old.values) != Some(&now.values)
                    && now.values.iter().any(Value::is_known)
            })
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }
}

impl Attribute {
    fn apply(self, value: &mut Value) {
        match self {
            Self::Upper => value.text = value.text.to_uppercase(),
            Self::Lower => value.text = value.text.to_lowercase(),
            Self::None | Self::Integer => {}
        }
    }
}

/// `a[k]` in its parts.
pub(super) fn element(name: &str) -> Option<(&str, &str)> {
    let (base, rest) = name.split_once('[')?;
    Some((base, rest.strip_suffix(']')?))
}
