//! JSONPath (RFC 9535) over the arguments: compiled once, walked without recursion into the data.
//!
//! All selectors and filters with comparisons, `&&`, `||`, `!`, existence, `length`, `count`,
//! `value`, `match` and `search`. Bounds: one `..` outside filters and none inside, so that the
//! cost stays near the size of the message; filter paths are relative (`@`).

use crate::walk::{Document, Kind, NodeId};
use regex_automata::{
    meta::{self, Regex},
    util::syntax,
};

const REGEX_BYTES: usize = 256 << 10;
const DEEPEST: usize = 16;

/// One compiled expression.
#[derive(Clone, Debug)]
pub struct JsonPath {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    descend: bool,
    selectors: Vec<Selector>,
}

#[derive(Clone, Debug)]
enum Selector {
    Name(String),
    Any,
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    Filter(Box<Test>),
}

#[derive(Clone, Debug)]
enum Test {
    Or(Vec<Test>),
    And(Vec<Test>),
    Not(Box<Test>),
    Exists(Vec<Segment>),
    Compare(Operand, Sign, Operand),
    Regex(Operand, Regex),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
enum Operand {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    Path(Vec<Segment>),
    Length(Box<Operand>),
    Count(Vec<Segment>),
}

/// A value in a comparison.
#[derive(Clone, Debug, PartialEq)]
enum Scalar<'d> {
    Nothing,
    Text(&'d str),
    Number(f64),
    Bool(bool),
    Null,
    /// An object or array: compared by the bytes of its own node.
    Node(&'d str),
}

impl JsonPath {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Where and why it is not JSONPath, or which bound it is beyond.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            rest: text,
            length: text.len(),
            depth: 0,
        };
        if !parser.take("$") {
            return parser.fail("does not begin with \"$\"");
        }
        let segments = parser.segments()?;
        if !parser.rest.is_empty() {
            return parser.fail("is not JSONPath");
        }
        if segments.iter().filter(|s| s.descend).count() > 1 {
            return Err("has more than one \"..\"".into());
        }
        Ok(Self { segments })
    }

    /// Whether some value is there.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>, root: NodeId) -> bool {
        !select(document, root, &self.segments).is_empty()
    }
}

fn select(document: &Document<'_>, root: NodeId, segments: &[Segment]) -> Vec<NodeId> {
    let mut at = vec![root];
    for segment in segments {
        let mut next = Vec::new();
        for node in at {
            let end = document.node(node).map_or(node, |n| n.next);
            let last = if segment.descend {
                end
            } else {
                node.saturating_add(1)
            };
            for from in node..last {
                for selector in &segment.selectors {
                    selector.take(document, from, &mut next);
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        at = next;
    }
    at
}

impl Selector {
    fn take(&self, document: &Document<'_>, node: NodeId, out: &mut Vec<NodeId>) {
        let is_array = document
            .node(node)
            .is_some_and(|n| matches!(n.kind, Kind::Array));
        let count = || i64::try_from(document.children(node).count()).unwrap_or(i64::MAX);
        let from_end = |index: i64, count: i64| {
            if index < 0 {
                count.saturating_add(index)
            } else {
                index
            }
        };
        match self {
            Self::Name(name) => out.extend(document.member(node, name)),
            Self::Any => out.extend(document.children(node)),
            Self::Index(index) if is_array => {
                let index = usize::try_from(from_end(*index, count()));
                out.extend(index.ok().and_then(|i| document.children(node).nth(i)));
            }
            Self::Slice(start, end, step) if is_array && *step != 0 => {
                let count = count();
                let clamp = |value: i64, low: i64, high: i64| value.max(low).min(high);
                let ahead = *step > 0;
                let (low, high) = if ahead {
                    (0, count)
                } else {
                    (-1, count.saturating_sub(1))
                };
                let start = start.unwrap_or(if ahead { 0 } else { i64::MAX });
                let start = clamp(from_end(start, count), low, high);
                let end = match end {
                    Some(end) => clamp(from_end(*end, count), low, high),
                    None if ahead => high,
                    None => low,
                };
                for (index, child) in (0_i64..).zip(document.children(node)) {
                    let away = index.saturating_sub(start);
                    let inside = if ahead {
                        index >= start && index < end
                    } else {
                        index <= start && index > end
                    };
                    if inside && away.checked_rem(*step) == Some(0) {
                        out.push(child);
                    }
                }
            }
            Self::Filter(test) => {
                out.extend(
                    document
                        .children(node)
                        .filter(|&child| test.holds(document, child)),
                );
            }
            Self::Index(_) | Self::Slice(..) => {}
        }
    }
}

impl Test {
    fn holds(&self, document: &Document<'_>, node: NodeId) -> bool {
        match self {
            Self::Or(tests) => tests.iter().any(|test| test.holds(document, node)),
            Self::And(tests) => tests.iter().all(|test| test.holds(document, node)),
            Self::Not(test) => !test.holds(document, node),
            Self::Exists(path) => !select(document, node, path).is_empty(),
            Self::Regex(operand, regex) => match operand.value(document, node) {
                Scalar::Text(text) => regex.is_match(text),
                _ => false,
            },
            Self::Compare(left, sign, right) => {
                let (left, right) = (left.value(document, node), right.value(document, node));
                let less = |a: &Scalar<'_>, b: &Scalar<'_>| match (a, b) {
                    (Scalar::Number(a), Scalar::Number(b)) => a < b,
                    (Scalar::Text(a), Scalar::Text(b)) => a < b,
                    _ => false,
                };
                match sign {
                    Sign::Equal => left == right,
                    Sign::NotEqual => left != right,
                    Sign::Less => less(&left, &right),
                    Sign::Greater => less(&right, &left),
                    Sign::LessOrEqual => left == right || less(&left, &right),
                    Sign::GreaterOrEqual => left == right || less(&right, &left),
                }
            }
        }
    }
}

impl Operand {
    fn value<'d>(&'d self, document: &'d Document<'_>, node: NodeId) -> Scalar<'d> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of values in one message"
        )]
        let number = |count: usize| Scalar::Number(count as f64);
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Number(number) => Scalar::Number(*number),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Null => Scalar::Null,
            Self::Count(path) => number(select(document, node, path).len()),
            Self::Path(path) => match select(document, node, path).as_slice() {
                [one] => scalar(document, *one),
                _ => Scalar::Nothing,
            },
            Self::Length(operand) => match operand.value(document, node) {
                Scalar::Text(text) => number(text.chars().count()),
                Scalar::Node(_) => match operand.as_ref() {
                    Self::Path(path) => select(document, node, path)
                        .first()
                        .map_or(Scalar::Nothing, |&at| number(document.children(at).count())),
                    _ => Scalar::Nothing,
                },
                _ => Scalar::Nothing,
            },
        }
    }
}

fn scalar<'d>(document: &'d Document<'_>, node: NodeId) -> Scalar<'d> {
    let Some(value) = document.node(node) else {
        return Scalar::Nothing;
    };
    let text = value.span().of_str(document.frame);
    match value.kind {
        Kind::String(_) => Scalar::Text(document.str(node).unwrap_or_default()),
        Kind::Number => text.parse().map_or(Scalar::Nothing, Scalar::Number),
        Kind::Bool(value) => Scalar::Bool(value),
        Kind::Null => Scalar::Null,
        Kind::Object | Kind::Array => Scalar::Node(text),
    }
}

struct Parser<'t> {
    rest: &'t str,
    length: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, message: &str) -> Result<T, String> {
        let at = self.length.saturating_sub(self.rest.len());
        Err(format!("{message}, at character {at}"))
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.blank();
        if self.take(token) {
            Ok(())
        } else {
            self.fail(&format!("\"{token}\" is missing"))
        }
    }

    fn segments(&mut self) -> Result<Vec<Segment>, String> {
        let mut segments = Vec::new();
        loop {
            let before = self.rest;
            self.blank();
            let descend = self.take("..");
            if self.rest.starts_with('[') {
                self.take("[");
                segments.push(Segment {
                    descend,
                    selectors: self.selectors()?,
                });
            } else if descend || self.take(".") {
                let selector = if self.take("*") {
                    Selector::Any
                } else {
                    Selector::Name(self.name()?)
                };
                segments.push(Segment {
                    descend,
                    selectors: vec![selector],
                });
            } else {
                self.rest = before;
                return Ok(segments);
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return self.fail("a name is missing");
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn selectors(&mut self) -> Result<Vec<Selector>, String> {
        let mut selectors = Vec::new();
        loop {
            self.blank();
            selectors.push(self.selector()?);
            self.blank();
            if self.take("]") {
                return Ok(selectors);
            }
            self.expect(",")?;
        }
    }

    fn selector(&mut self) -> Result<Selector, String> {
        if self.take("*") {
            return Ok(Selector::Any);
        }
        if self.take("?") {
            return Ok(Selector::Filter(Box::new(self.either()?)));
        }
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Selector::Name(self.quoted()?));
        }
        let start = self.integer()?;
        self.blank();
        if !self.take(":") {
            return match start {
                Some(index) => Ok(Selector::Index(index)),
                None => self.fail("a selector is missing"),
            };
        }
        self.blank();
        let end = self.integer()?;
        self.blank();
        let mut step = None;
        if self.take(":") {
            self.blank();
            step = self.integer()?;
        }
        Ok(Selector::Slice(start, end, step.unwrap_or(1)))
    }

    fn integer(&mut self) -> Result<Option<i64>, String> {
        let digits = self.rest.trim_start_matches('-');
        let sign = self.rest.len().saturating_sub(digits.len());
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        if end == 0 && sign == 0 {
            return Ok(None);
        }
        let (text, rest) = self.rest.split_at(sign.saturating_add(end));
        let bare = text.trim_start_matches('-');
        let plain = text == "0" || sign <= 1 && !bare.starts_with('0');
        match text.parse() {
            Ok(value) if plain => {
                self.rest = rest;
                Ok(Some(value))
            }
            _ => self.fail("is not an index"),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = if self.take("'") { '\'' } else { '"' };
        if quote == '"' {
            self.take("\"");
        }
        let mut text = String::new();
        loop {
            let mut chars = self.rest.chars();
            let Some(c) = chars.next() else {
                return self.fail("a quote is missing");
            };
            self.rest = chars.as_str();
            match c {
                c if c == quote => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c if c < ' ' => return self.fail("a control character in quotes"),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        let mut chars = self.rest.chars();
        let Some(c) = chars.next() else {
            return self.fail("a quote is missing");
        };
        self.rest = chars.as_str();
        Ok(match c {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.hex()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return char::from_u32(high).map_or_else(|| self.fail("half a character"), Ok);
                }
                self.expect("\\u")?;
                let low = self.hex()?;
                let code = (high & 0x3ff).wrapping_shl(10) | (low & 0x3ff);
                char::from_u32(code.saturating_add(0x1_0000)).unwrap_or('\u{fffd}')
            }
            '"' | '\'' | '\\' | '/' => c,
            _ => return self.fail("unknown escape"),
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.rest.get(..4).unwrap_or_default();
        match u32::from_str_radix(digits, 16) {
            Ok(value) if digits.len() == 4 && !digits.starts_with('+') => {
                self.rest = self.rest.get(4..).unwrap_or_default();
                Ok(value)
            }
            _ => self.fail("\\u needs four hex digits"),
        }
    }

    fn either(&mut self) -> Result<Test, String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return self.fail("is nested too deeply");
        }
        let mut tests = vec![self.both()?];
        while self.next("||") {
            tests.push(self.both()?);
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(Test::Or(tests))
    }

    fn both(&mut self) -> Result<Test, String> {
        let mut tests = vec![self.test()?];
        while self.next("&&") {
            tests.push(self.test()?);
        }
        Ok(Test::And(tests))
    }

    fn next(&mut self, token: &str) -> bool {
        self.blank();
        self.take(token)
    }

    fn test(&mut self) -> Result<Test, String> {
        self.blank();
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") {
            self.take("!");
            self.blank();
            let test = if self.take("(") {
                let test = self.either()?;
                self.expect(")")?;
                test
            } else {
                self.basic()?
            };
            return Ok(Test::Not(Box::new(test)));
        }
        if self.take("(") {
            let test = self.either()?;
            self.expect(")")?;
            return Ok(test);
        }
        self.basic()
    }

    /// An existence test, a comparison, or a function that is a test.
    fn basic(&mut self) -> Result<Test, String> {
        for (function, whole) in [("match(", true), ("search(", false)] {
            if self.take(function) {
                self.blank();
                let operand = self.operand()?;
                self.expect(",")?;
                self.blank();
                if !self.rest.starts_with(['"', '\'']) {
                    return self.fail("the pattern must be in quotes");
                }
                let pattern = self.quoted()?;
                self.expect(")")?;
                return Ok(Test::Regex(operand, self.regex(&pattern, whole)?));
            }
        }
        let left = self.operand()?;
        self.blank();
        let sign = [
            ("==", Sign::Equal),
            ("!=", Sign::NotEqual),
            ("<=", Sign::LessOrEqual),
            (">=", Sign::GreaterOrEqual),
            ("<", Sign::Less),
            (">", Sign::Greater),
        ]
        .into_iter()
        .find(|(token, _)| self.take(token));
        match (sign, left) {
            (Some((_, sign)), left) => {
                self.blank();
                let right = self.operand()?;
                Ok(Test::Compare(left, sign, right))
            }
            (None, Operand::Path(path)) => Ok(Test::Exists(path)),
            (None, _) => self.fail("a comparison is missing"),
        }
    }

    fn regex(&self, pattern: &str, whole: bool) -> Result<Regex, String> {
        let pattern = if whole {
            format!(r"\A(?:{pattern})\z")
        } else {
            pattern.to_owned()
        };
        Regex::builder()
            .syntax(syntax::Config::new().nest_limit(64))
            .configure(meta::Config::new().nfa_size_limit(Some(REGEX_BYTES)))
            .build(&pattern)
            .or_else(|_| self.fail("is not a regular expression, or too large a one"))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.take("@") {
            return Ok(Operand::Path(self.relative()?));
        }
        if self.rest.starts_with('$') {
            return self.fail("\"$\" in a filter is not supported");
        }
        if self.take("length(") {
            self.blank();
            let inner = self.operand()?;
            self.expect(")")?;
            return Ok(Operand::Length(Box::new(inner)));
        }
        for function in ["count(", "value("] {
            if self.take(function) {
                self.expect("@")?;
                let path = self.relative()?;
                self.expect(")")?;
                return Ok(if function == "count(" {
                    Operand::Count(path)
                } else {
                    Operand::Path(path)
                });
            }
        }
        for (word, operand) in [
            ("true", Operand::Bool(true)),
            ("false", Operand::Bool(false)),
            ("null", Operand::Null),
        ] {
            if self.take(word) {
                return Ok(operand);
            }
        }
        if self.rest.starts_with(['"', '\'']) {
            return self.quoted().map(Operand::Text);
        }
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !is_number(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        match number.parse() {
            Ok(value) => {
                self.rest = rest;
                Ok(Operand::Number(value))
            }
            Err(_) => self.fail("a value is missing"),
        }
    }

    fn relative(&mut self) -> Result<Vec<Segment>, String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return self.fail("is nested too deeply");
        }
        let segments = self.segments()?;
        self.depth = self.depth.saturating_sub(1);
        if segments.iter().any(|segment| segment.descend) {
            return self.fail("\"..\" in a filter is not supported");
        }
        Ok(segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, walk::ROOT};

    const STORE: &str = r#"{"host":"db.prod","items":[{"id":1,"tags":["a","b"]},
        {"id":2,"secret":null},{"id":3.0,"name":"x y"}],"a.b":true,"deep":{"host":"db.dev"}}"#;

    fn count(path: &str) -> usize {
        let document = Document::parse(STORE.as_bytes(), &Limits::default()).unwrap();
        select(&document, ROOT, &JsonPath::new(path).unwrap().segments).len()
    }

    #[test]
    fn selectors() {
        for (path, expected) in [
            ("$", 1),
            ("$.host", 1),
            ("$['host']", 1),
            ("$[\"a.b\"]", 1),
            ("$['h\\u006fst']", 1),
            ("$.*", 4),
            ("$..host", 2),
            ("$.items[*].id", 3),
            ("$.items[0, -1].id", 2),
            ("$.items[1:].id", 2),
            ("$.items[::-1].id", 3),
            ("$.items[::2].id", 2),
            ("$.items[-2:-1].id", 1),
            ("$.items[5]", 0),
            ("$.host[0]", 0),
            ("$..[0]", 2),
            ("$.nothing", 0),
        ] {
            assert_eq!(count(path), expected, "{path}");
        }
    }

    #[test]
    fn filters() {
        for (path, expected) in [
            ("$.items[?@.id == 2]", 1),
            ("$.items[?@.id==3]", 1),
            ("$.items[?@.id >= 2 && @.id < 3]", 1),
            ("$.items[?@.id == 1 || @.name == 'x y']", 2),
            ("$.items[?!@.secret]", 2),
            ("$.items[?!(@.id == 1)]", 2),
            ("$.items[?@.secret]", 1),
            ("$.items[?@.secret == null]", 1),
            ("$.items[?@.absent == @.missing]", 3),
            ("$.items[?@.absent == null]", 0),
            ("$[?match(@, 'db[.].*')]", 1),
            ("$[?search(@, 'prod$')]", 1),
            ("$..[?search(@.host, 'dev')]", 1),
            ("$.items[?length(@.tags) == 2]", 1),
            ("$.items[?length(@.name) > 2]", 1),
            ("$.items[?count(@.tags[*]) == 2]", 1),
            ("$[?@ == true]", 1),
        ] {
            assert_eq!(count(path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_or_beyond_a_bound_is_an_error() {
        for bad in [
            "",
            "$.",
            "$[",
            "$[]",
            "$.a b",
            "$['a",
            "$[01]",
            "$[-0]",
            "$.items[?]",
            "$[?@.a ==]",
            "$[?@.a = 1]",
            "$[?1]",
            "$..a..b",
            "$[?@..a]",
            "$[?$.a]",
            "$[?match(@, '(')]",
            "$.1a",
            "$[?(@.a]",
            "$['\\x']",
            "a",
        ] {
            assert!(JsonPath::new(bad).is_err(), "{bad}");
        }
        let nested = format!("$[?{}@.a{}]", "(".repeat(100), ")".repeat(100));
        assert!(JsonPath::new(&nested).is_err());
    }
}
