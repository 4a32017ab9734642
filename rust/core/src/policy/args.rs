//! `arg_path_patterns`: where in the arguments, and which value there.

use super::{glob::Glob, jsonpath::JsonPath};
use crate::walk::{Document, Kind, NodeId};

/// One compiled pattern.
#[derive(Clone, Debug)]
pub enum Path {
    /// Dotted.
    Dotted(ArgPath),
    /// RFC 9535, where it begins with `$`.
    Json(JsonPath),
}

impl Path {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// A message, for what is neither a path nor JSONPath.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if !pattern.starts_with('$') {
            return ArgPath::new(pattern).map(Self::Dotted);
        }
        JsonPath::new(pattern)
            .map(Self::Json)
            .map_err(|message| format!("{pattern:?}: {message}"))
    }

    /// Whether an argument is there, and has the value if one is asked for.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>, arguments: NodeId) -> bool {
        match self {
            Self::Dotted(path) => path.holds(document, arguments),
            Self::Json(path) => path.holds(document, arguments),
        }
    }
}

/// One compiled pattern: `a.b`, `a.*.c`, `list.0`, `list[*].x`, `**.password`, each with an
/// optional `=glob` over the value.
#[derive(Clone, Debug)]
pub struct ArgPath {
    steps: Vec<Step>,
    value: Option<Glob>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// A member, or the element of this number.
    Name(String, Option<u32>),
    /// An element, counted from the end if negative.
    Index(i64),
    /// Any member or element.
    Any,
    /// Any number of levels.
    Deep,
}

impl ArgPath {
    /// Compiles a pattern. A dot in a member's name is written `\.`.
    ///
    /// # Errors
    /// A message, for an empty step and for brackets that hold no number and no `*`.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let (path, value) = split_value(pattern);
        let mut steps = Vec::new();
        for word in words(path) {
            let (name, indexes) = match word.find('[') {
                Some(at) if word.ends_with(']') => word.split_at(at),
                _ => (word.as_str(), ""),
            };
            match name {
                "" if indexes.is_empty() => {
                    return Err(format!("{pattern:?}: a step is empty"));
                }
                "" => {}
                "*" => steps.push(Step::Any),
                "**" => steps.push(Step::Deep),
                name => steps.push(Step::Name(name.into(), name.parse().ok())),
            }
            for index in indexes.split(['[', ']']).filter(|part| !part.is_empty()) {
                steps.push(match index {
                    "*" => Step::Any,
                    number => Step::Index(
                        number
                            .parse()
                            .map_err(|_| format!("{pattern:?}: \"[{number}]\" is not an index"))?,
                    ),
                });
            }
        }
        if steps.is_empty() {
            return Err(format!("{pattern:?}: names no argument"));
        }
        Ok(Self {
            steps,
            value: value.map(Glob::new).transpose()?,
        })
    }

    /// Whether an argument is there, and has the value if one is asked for.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>, arguments: NodeId) -> bool {
        let mut at = vec![arguments];
        for step in &self.steps {
            let mut next = Vec::new();
            for node in at {
                step.take(document, node, &mut next);
            }
            // `**.**` reaches a node by many ways; it is looked at once.
            next.sort_unstable();
            next.dedup();
            at = next;
            if at.is_empty() {
                return false;
            }
        }
        match &self.value {
            None => true,
            Some(glob) => at
                .into_iter()
                .any(|node| scalar(document, node).is_some_and(|text| glob.matches(text))),
        }
    }
}

impl Step {
    fn take(&self, document: &Document<'_>, node: NodeId, out: &mut Vec<NodeId>) {
        let element = |wanted: i64| {
            let count = i64::try_from(document.children(node).count()).unwrap_or(i64::MAX);
            let index = if wanted < 0 {
                count.saturating_add(wanted)
            } else {
                wanted
            };
            usize::try_from(index)
                .ok()
                .and_then(|index| document.children(node).nth(index))
        };
        let is_array = document
            .node(node)
            .is_some_and(|n| matches!(n.kind, Kind::Array));
        match self {
            Self::Name(_, Some(index)) if is_array => out.extend(element(i64::from(*index))),
            Self::Name(name, _) => out.extend(document.member(node, name)),
            Self::Index(index) if is_array => out.extend(element(*index)),
            Self::Index(_) => {}
            Self::Any => out.extend(document.children(node)),
            Self::Deep => out.extend(node..document.node(node).map_or(node, |n| n.next)),
        }
    }
}

/// The text of a string, number, boolean or null.
fn scalar<'d>(document: &'d Document<'_>, node: NodeId) -> Option<&'d str> {
    let value = document.node(node)?;
    match value.kind {
        Kind::Object | Kind::Array => None,
        Kind::String(leaf) => Some(document.text_of(leaf)),
        Kind::Number | Kind::Bool(_) | Kind::Null => Some(value.span().of_str(document.frame)),
    }
}

fn split_value(pattern: &str) -> (&str, Option<&str>) {
    match pattern.split_once('=') {
        Some((path, value)) => (path, Some(value)),
        None => (pattern, None),
    }
}

fn words(path: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' => words.push(String::new()),
            c => {
                let c = if c == '\\' {
                    chars.next().unwrap_or(c)
                } else {
                    c
                };
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, walk::ROOT};

    const ARGUMENTS: &str = r#"{"config":{"database":{"host":"db.prod","port":5432}},
        "items":[{"id":1},{"id":2,"secret":null}],"a.b":true,"0":"zero"}"#;

    fn holds(pattern: &str) -> bool {
        let document = Document::parse(ARGUMENTS.as_bytes(), &Limits::default()).unwrap();
        ArgPath::new(pattern).unwrap().holds(&document, ROOT)
    }

    #[test]
    fn paths_reach_members_elements_and_values() {
        for yes in [
            "config.database.host",
            "config.*.host",
            "*.database",
            "config.database.host=*prod",
            "config.database.port=5432",
            "items.1.secret",
            "items[1].secret",
            "items[-1].secret",
            "items[*].id=2",
            "items.*.id=2",
            "items.1.secret=null",
            r"a\.b=true",
            "0=zero",
            "**.secret",
            "**.id=1",
            "**",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in [
            "config.host",
            "config.database.host=*dev",
            "items.2",
            "items[-3]",
            "items[0].secret",
            "config[0]",
            "a.b",
            "config=*",
            "**.nothing",
        ] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn bad_paths_are_errors() {
        for bad in ["", "a..b", "a[x]", ".a", "a=", "a.[]."] {
            assert!(ArgPath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_ways_to_one_value_cost_nothing() {
        let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
        let document = Document::parse(deep.as_bytes(), &Limits::default()).unwrap();
        let path = ArgPath::new("**.**.**.**.**.**.nothing").unwrap();
        assert!(!path.holds(&document, ROOT));
    }
}
