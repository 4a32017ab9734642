//! `when:` of a rule: an expression in CEL, checked when the rule is loaded and evaluated within
//! bounds. The `cel` crate reads the text; what is evaluated is a form of our own, because its
//! interpreter knows no limit on work and would copy every call.

mod check;
mod eval;
#[cfg(test)]
mod tests;

pub use eval::Fault;

use super::CallFacts;
use cel::parser::Parser;
use regex_automata::meta::Regex;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest expression, in bytes.
const LONGEST: usize = 2_048;
/// Deepest nesting of an expression, macros written out.
const DEEPEST: usize = 48;
/// Most steps of one evaluation. A step is an operator, an element, or 16 bytes of text.
const STEPS: u32 = 100_000;

/// A compiled expression.
#[derive(Debug)]
pub struct When {
    expression: Expression,
    uses: Vec<Global>,
}

/// What an expression may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Tool,
    Server,
    Method,
    Direction,
    Categories,
    Arguments,
    Findings,
    Risk,
    Destinations,
    Environment,
    Labels,
    Hints,
    Session,
}

/// Their names, in the order of the documentation.
const GLOBALS: [(&str, Global); 13] = [
    ("tool", Global::Tool),
    ("server", Global::Server),
    ("method", Global::Method),
    ("direction", Global::Direction),
    ("categories", Global::Categories),
    ("arguments", Global::Arguments),
    ("findings", Global::Findings),
    ("risk", Global::Risk),
    ("destinations", Global::Destinations),
    ("environment", Global::Environment),
    ("labels", Global::Labels),
    ("hints", Global::Hints),
    ("session", Global::Session),
];

const FINDING_FIELDS: [&str; 6] = ["type", "id", "analyzer", "risk", "pointer", "tags"];
const DESTINATION_FIELDS: [&str; 5] = ["host", "scheme", "port", "path", "sends"];
const SESSION_FIELDS: [&str; 1] = ["id"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Int,
    Double,
    String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

type Child = Box<Expression>;

/// The checked form: names are resolved, patterns compiled.
#[derive(Debug)]
enum Expression {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Global(Global),
    /// Place on the stack of local variables, from the bottom.
    Local(usize),
    Select(Child, Box<str>),
    Has(Child, Box<str>),
    Index(Child, Child),
    And(Child, Child),
    Or(Child, Child),
    Not(Child),
    NotStrictlyFalse(Child),
    If(Child, Child, Child),
    Compare(Comparison, Child, Child),
    Arithmetic(Arithmetic, Child, Child),
    Negate(Child),
    In(Child, Child),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Call(Function, Vec<Expression>),
    Matches(Child, Box<Regex>),
    Fold(Box<Fold>),
}

impl Expression {
    fn names(&self, global: Global) -> Option<&str> {
        match self {
            Self::And(a, b) => a.names(global).or_else(|| b.names(global)),
            Self::Compare(Comparison::Equal, a, b) => match (&**a, &**b) {
                (Self::Global(found), Self::Text(text))
                | (Self::Text(text), Self::Global(found))
                    if *found == global =>
                {
                    Some(text)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// A macro over a list or a map, written out.
#[derive(Debug)]
struct Fold {
    range: Expression,
    /// Of the accumulator; the variable of the loop stands above it.
    start: Expression,
    condition: Expression,
    step: Expression,
    result: Expression,
}

impl When {
    /// Reads and checks an expression.
    ///
    /// # Errors
    /// A message without line breaks, with the place in the text.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty".into());
        }
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        // Brackets nest before anything is parsed: the parser recurses.
        let parser = || {
            Parser::new()
                .max_recursion_depth(u16::try_from(DEEPEST).unwrap_or(48))
                .error_recovery_limit(4)
                .parse_with_source_info(text)
        };
        let parsed = catch_unwind(AssertUnwindSafe(parser))
            .map_err(|_| "cannot be read as CEL".to_owned())?;
        let (tree, source) = parsed.map_err(|errors| {
            let Some(first) = errors.errors.first() else {
                return "is not CEL".into();
            };
            let (line, column) = first.pos;
            let what = first.msg.split('\n').next().unwrap_or_default();
            format!("line {line}, column {column}: {what}")
        })?;
        let mut checker = check::Checker::new(&source);
        let expression = checker.condition(&tree)?;
        Ok(Self {
            expression,
            uses: checker.uses(),
        })
    }

    /// Whether the rule is about what the messages hold, not only about who sends them.
    pub(super) fn reads_content(&self) -> bool {
        let content = [Global::Findings, Global::Risk];
        self.uses.iter().any(|global| content.contains(global))
    }

    /// The text that this must be for the expression to hold or to be a fault, if it says so:
    /// `tool == "x" && …`. An operand that is false decides whatever becomes of the others.
    pub(super) fn names(&self, global: Global) -> Option<&str> {
        self.expression.names(global)
    }

    /// Whether it asks for the server's hints on its tools.
    pub(super) fn reads_hints(&self) -> bool {
        self.uses.contains(&Global::Hints)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`Fault`], where it has no value, or none within the bounds.
    pub fn holds(&self, facts: &CallFacts<'_>) -> Result<bool, Fault> {
        eval::run(&self.expression, facts, STEPS)
    }
}
