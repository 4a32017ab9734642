//! Evaluates a checked expression over one call, step by step, until the steps are used up.

use super::{Arithmetic, Comparison, Expression, Fold, Function, Global};
use crate::{
    analyzer::destination::Destination,
    finding::Finding,
    policy::{CallFacts, Direction},
    walk::{Kind, NodeId},
};
use std::{borrow::Cow, cmp::Ordering, rc::Rc};

/// Deepest values that are compared.
const DEEPEST: usize = 64;

/// Why an expression has no value. Holds nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    message: Cow<'static, str>,
    /// The steps are used up: no other operand makes up for it.
    bound: bool,
}

impl Fault {
    const fn new(message: &'static str) -> Self {
        Self {
            message: Cow::Borrowed(message),
            bound: false,
        }
    }
}

type Result<T> = std::result::Result<T, Fault>;

fn fault<T>(message: &'static str) -> Result<T> {
    Err(Fault::new(message))
}

#[derive(Clone, Debug)]
enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'v, str>),
    List(Rc<Vec<Value<'v>>>),
    Map(Rc<Vec<(Cow<'v, str>, Value<'v>)>>),
    /// An object or array of the message, which is not copied.
    Node(NodeId),
    Finding(&'v Finding),
    Destination(&'v Destination),
    Session,
    /// What a macro has collected, where a step had no value. A later step may decide all the same.
    Broken(Fault),
}

pub(super) fn run(expression: &Expression, facts: &CallFacts<'_>, steps: u32) -> Result<bool> {
    let mut machine = Machine {
        facts,
        left: steps,
        locals: Vec::new(),
    };
    machine.bool(expression)
}

/// Whole numbers of either type: what has no exact result is a fault.
macro_rules! exact {
    ($how:expr, $a:expr, $b:expr) => {
        match $how {
            Arithmetic::Divide | Arithmetic::Modulo if $b == 0 => return Err(BY_ZERO),
            Arithmetic::Add => $a.checked_add($b),
            Arithmetic::Subtract => $a.checked_sub($b),
            Arithmetic::Multiply => $a.checked_mul($b),
            Arithmetic::Divide => $a.checked_div($b),
            Arithmetic::Modulo => $a.checked_rem($b),
        }
        .ok_or(OVERFLOW)?
    };
}

struct Machine<'v> {
    facts: &'v CallFacts<'v>,
    left: u32,
    locals: Vec<Value<'v>>,
}

impl<'v> Machine<'v> {
    fn charge(&mut self, steps: usize) -> Result<()> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Fault {
                message: Cow::Borrowed("takes more steps than are allowed"),
                bound: true,
            }),
        }
    }

    fn charge_text(&mut self, text: &str) -> Result<()> {
        self.charge(text.len().wrapping_shr(4))
    }

    fn bool(&mut self, expression: &'v Expression) -> Result<bool> {
        match self.eval(expression)? {
            Value::Bool(value) => Ok(value),
            _ => fault("a value is neither true nor false"),
        }
    }

    fn text(&mut self, expression: &'v Expression) -> Result<Cow<'v, str>> {
        match self.eval(expression)? {
            Value::Text(text) => {
                self.charge_text(&text)?;
                Ok(text)
            }
            _ => fault("a value is no string"),
        }
    }

    fn eval(&mut self, expression: &'v Expression) -> Result<Value<'v>> {
        self.charge(1)?;
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Int(value) => Value::Int(*value),
            Expression::Uint(value) => Value::Uint(*value),
            Expression::Double(value) => Value::Double(*value),
            Expression::Text(text) => Value::Text(Cow::Borrowed(text)),
            Expression::Global(global) => self.global(*global)?,
            Expression::Local(place) => {
                let value = self.locals.get(*place).cloned().unwrap_or(Value::Null);
                match &value {
                    Value::Broken(fault) => return Err(fault.clone()),
                    Value::Text(Cow::Owned(text)) => self.charge_text(text)?,
                    _ => {}
                }
                value
            }
            Expression::Select(operand, field) => {
                let operand = self.eval(operand)?;
                match self.field(&operand, field)? {
                    Some(value) => value,
                    None => return fault("a field is not there: ask for it with has()"),
                }
            }
            Expression::Has(operand, field) => {
                let operand = self.eval(operand)?;
                Value::Bool(self.field(&operand, field)?.is_some())
            }
            Expression::Index(operand, index) => {
                let operand = self.eval(operand)?;
                let index = self.eval(index)?;
                self.index(&operand, &index)?
            }
            Expression::And(a, b) => Value::Bool(!self.either(a, b, false)?),
            Expression::Or(a, b) => Value::Bool(self.either(a, b, true)?),
            Expression::Not(a) => Value::Bool(!self.bool(a)?),
            Expression::NotStrictlyFalse(a) => match self.bool(a) {
                Err(fault) if fault.bound => return Err(fault),
                value => Value::Bool(value.unwrap_or(true)),
            },
            Expression::If(condition, yes, no) => {
                let branch = if self.bool(condition)? { yes } else { no };
                self.eval(branch)?
            }
            Expression::Compare(comparison, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                Value::Bool(self.compare(*comparison, &a, &b)?)
            }
            Expression::Arithmetic(arithmetic, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                self.arithmetic(*arithmetic, a, b)?
            }
            Expression::Negate(a) => match self.eval(a)? {
                Value::Int(value) => Value::Int(value.checked_neg().ok_or(OVERFLOW)?),
                Value::Double(value) => Value::Double(-value),
                _ => return fault("a value is no number"),
            },
            Expression::In(a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                Value::Bool(self.contains(&a, &b)?)
            }
            Expression::List(elements) => {
                let mut list = Vec::with_capacity(elements.len());
                for element in elements {
                    list.push(self.eval(element)?);
                }
                Value::List(Rc::new(list))
            }
            Expression::Map(pairs) => {
                let mut map: Vec<(Cow<'v, str>, Value<'v>)> = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let key = self.text(key)?;
                    if map.iter().any(|(known, _)| *known == key) {
                        return fault("a map has one key twice");
                    }
                    let value = self.eval(value)?;
                    map.push((key, value));
                }
                Value::Map(Rc::new(map))
            }
            Expression::Call(function, parts) => self.call(*function, parts)?,
            Expression::Matches(text, regex) => {
                let text = self.text(text)?;
                self.charge_text(&text)?;
                Value::Bool(regex.is_match(text.as_ref()))
            }
            Expression::Fold(fold) => self.fold(fold)?,
        })
    }

    /// Whether one of the two is `wanted`: `||` asks for true, `&&` for false. An operand without
    /// a value does not matter where the other one decides.
    fn either(&mut self, a: &'v Expression, b: &'v Expression, wanted: bool) -> Result<bool> {
        let first = match self.bool(a) {
            Ok(value) if value == wanted => return Ok(true),
            Err(fault) if fault.bound => return Err(fault),
            first => first,
        };
        match self.bool(b) {
            Ok(value) if value == wanted => Ok(true),
            Ok(_) => first.map(|_| false),
            Err(fault) => Err(fault),
        }
    }

    fn global(&mut self, global: Global) -> Result<Value<'v>> {
        let facts = self.facts;
        let text = |text: &'v str| Value::Text(Cow::Borrowed(text));
        Ok(match global {
            Global::Tool => text(facts.tool_name),
            Global::Server => text(facts.server),
            Global::Method => text(facts.method),
            Global::Environment => text(facts.environment),
            Global::Direction => text(match facts.direction {
                Direction::Request => "request",
                Direction::Response => "response",
            }),
            Global::Categories => {
                let names = facts.categories.names();
                let names = names.map(|name| Value::Text(Cow::Borrowed(name)));
                Value::List(Rc::new(names.collect()))
            }
            Global::Arguments => match facts.arguments {
                Some(node) => self.node(node)?,
                None => Value::Null,
            },
            Global::Findings => {
                self.charge(facts.findings.len())?;
                let findings = facts.findings.iter().map(Value::Finding);
                Value::List(Rc::new(findings.collect()))
            }
            Global::Risk => {
                self.charge(facts.findings.len())?;
                let risk = facts.findings.iter().map(|f| f.risk).fold(0.0, f32::max);
                Value::Double(decimal(risk))
            }
            Global::Destinations => {
                self.charge(facts.destinations.len())?;
                let destinations = facts.destinations.iter().map(Value::Destination);
                Value::List(Rc::new(destinations.collect()))
            }
            Global::Labels => {
                self.charge(facts.labels.len())?;
                let pairs = facts.labels.iter();
                let pairs = pairs.map(|(key, value)| (Cow::Borrowed(key.as_str()), text(value)));
                Value::Map(Rc::new(pairs.collect()))
            }
            Global::Hints => {
                let hints = facts.hints.iter().flat_map(|hints| hints.named());
                let pairs = hints.map(|(name, value)| (Cow::Borrowed(name), Value::Bool(value)));
                Value::Map(Rc::new(pairs.collect()))
            }
            Global::Session => Value::Session,
        })
    }

    fn node(&mut self, id: NodeId) -> Result<Value<'v>> {
        let document = self.facts.document;
        let Some(node) = document.node(id) else {
            return Ok(Value::Null);
        };
        Ok(match node.kind {
            Kind::Object | Kind::Array => Value::Node(id),
            Kind::String(leaf) => {
                let text = document.text_of(leaf);
                Value::Text(Cow::Borrowed(text))
            }
            Kind::Number => number(document.raw(id))?,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Null => Value::Null,
        })
    }

    /// A member of an object, found in as many steps as it has members before it.
    fn member(&mut self, object: NodeId, name: &str) -> Result<Option<Value<'v>>> {
        let document = self.facts.document;
        for child in document.children(object) {
            self.charge(1)?;
            if document.name(child) == Some(name) {
                return self.node(child).map(Some);
            }
        }
        Ok(None)
    }

    fn field(&mut self, value: &Value<'v>, field: &str) -> Result<Option<Value<'v>>> {
        let facts = self.facts;
        let text = |text: &'v str| Value::Text(Cow::Borrowed(text));
        Ok(match value {
            Value::Node(node) if self.is_object(*node) => self.member(*node, field)?,
            Value::Map(pairs) => {
                self.charge(pairs.len())?;
                let found = pairs.iter().find(|(key, _)| key == field);
                found.map(|(_, value)| value.clone())
            }
            Value::Finding(finding) => {
                let detector = facts.catalog.get(finding.detector);
                Some(match field {
                    "type" => text(detector.map_or("", |d| &d.finding_type)),
                    "id" => text(detector.map_or("", |d| &d.id)),
                    "analyzer" => text(detector.map_or("", |d| d.kind.analyzer())),
                    "risk" => Value::Double(decimal(finding.risk)),
                    "pointer" => text(&finding.pointer),
                    "tags" => {
                        let tags = detector.map_or(&[][..], |d| &d.tags);
                        self.charge(tags.len())?;
                        Value::List(Rc::new(tags.iter().map(|tag| text(tag)).collect()))
                    }
                    _ => return Ok(None),
                })
            }
            Value::Destination(destination) => match field {
                "host" => Some(text(&destination.host)),
                "scheme" => Some(text(&destination.scheme)),
                "path" => Some(text(&destination.path)),
                "port" => destination.port.map(|port| Value::Int(port.into())),
                "sends" => Some(Value::Bool(destination.sends)),
                _ => None,
            },
            Value::Session => (field == "id").then(|| text(facts.session_id)),
            _ => return fault("a value has no fields"),
        })
    }

    fn is_object(&self, node: NodeId) -> bool {
        let kind = self.facts.document.node(node).map(|node| node.kind);
        kind == Some(Kind::Object)
    }

    fn index(&mut self, operand: &Value<'v>, index: &Value<'v>) -> Result<Value<'v>> {
        const OUTSIDE: Fault = Fault::new("an index is outside its list");
        if let Value::Text(key) = index {
            let found = self.field(operand, key)?;
            return found.ok_or(Fault::new("a key is not there: ask for it with in"));
        }
        let place = match index {
            Value::Int(place) => usize::try_from(*place).ok(),
            Value::Uint(place) => usize::try_from(*place).ok(),
            _ => return fault("an index is neither a string nor a whole number"),
        };
        let place = place.ok_or(OUTSIDE)?;
        match operand {
            Value::List(list) => list.get(place).cloned().ok_or(OUTSIDE),
            Value::Node(node) if !self.is_object(*node) => {
                let document = self.facts.document;
                for (at, child) in document.children(*node).enumerate() {
                    self.charge(1)?;
                    if at == place {
                        return self.node(child);
                    }
                }
                Err(OUTSIDE)
            }
            _ => fault("a value is no list"),
        }
    }

    /// The elements of a list, or the keys of a map.
    fn elements(&mut self, value: &Value<'v>) -> Result<Rc<Vec<Value<'v>>>> {
        let document = self.facts.document;
        match value {
            Value::List(list) => {
                self.charge(list.len())?;
                Ok(Rc::clone(list))
            }
            Value::Map(pairs) => {
                self.charge(pairs.len())?;
                let keys = pairs.iter().map(|(key, _)| Value::Text(key.clone()));
                Ok(Rc::new(keys.collect()))
            }
            Value::Node(node) => {
                let keys = self.is_object(*node);
                let mut elements = Vec::new();
                for child in document.children(*node) {
                    self.charge(1)?;
                    elements.push(if keys {
                        Value::Text(Cow::Borrowed(document.name(child).unwrap_or_default()))
                    } else {
                        self.node(child)?
                    });
                }
                Ok(Rc::new(elements))
            }
            _ => fault("a value is neither a list nor a map"),
        }
    }

    fn is_map(&self, value: &Value<'v>) -> bool {
        match value {
            Value::Map(_) => true,
            Value::Node(node) => self.is_object(*node),
            _ => false,
        }
    }

    fn contains(&mut self, value: &Value<'v>, within: &Value<'v>) -> Result<bool> {
        if self.is_map(within) {
            let Value::Text(key) = value else {
                return Ok(false);
            };
            return Ok(self.field(within, key)?.is_some());
        }
        for element in self.elements(within)?.iter() {
            if self.equal(value, element, 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn compare(&mut self, how: Comparison, a: &Value<'v>, b: &Value<'v>) -> Result<bool> {
        match how {
            Comparison::Equal => return self.equal(a, b, 0),
            Comparison::Unequal => return Ok(!self.equal(a, b, 0)?),
            _ => {}
        }
        let order = match (a, b) {
            (Value::Text(a), Value::Text(b)) => {
                self.charge_text(a)?;
                Some(a.cmp(b))
            }
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            _ => match numbers(a, b) {
                Some(order) => order,
                None => return fault("two values have no order"),
            },
        };
        Ok(match (how, order) {
            (_, None) => false,
            (Comparison::Less, Some(order)) => order == Ordering::Less,
            (Comparison::LessEqual, Some(order)) => order != Ordering::Greater,
            (Comparison::Greater, Some(order)) => order == Ordering::Greater,
            (_, Some(order)) => order != Ordering::Less,
        })
    }

    fn equal(&mut self, a: &Value<'v>, b: &Value<'v>, depth: usize) -> Result<bool> {
        self.charge(1)?;
        if depth > DEEPEST {
            return fault("two values are nested too deeply to be compared");
        }
        let deeper = depth.saturating_add(1);
        match (a, b) {
            (Value::Null, Value::Null) => return Ok(true),
            (Value::Bool(a), Value::Bool(b)) => return Ok(a == b),
            (Value::Text(a), Value::Text(b)) => {
                self.charge_text(a)?;
                return Ok(a == b);
            }
            (Value::Finding(a), Value::Finding(b)) => return Ok(std::ptr::eq(*a, *b)),
            (Value::Destination(a), Value::Destination(b)) => return Ok(a == b),
            (Value::Session, Value::Session) => return Ok(true),
            _ => {}
        }
        if let Some(order) = numbers(a, b) {
            return Ok(order == Some(Ordering::Equal));
        }
        let compound = |v: &Value<'v>| matches!(v, Value::List(_) | Value::Map(_) | Value::Node(_));
        if !compound(a) || !compound(b) || self.is_map(a) != self.is_map(b) {
            return Ok(false);
        }
        let (left, right) = (self.elements(a)?, self.elements(b)?);
        if left.len() != right.len() {
            return Ok(false);
        }
        if !self.is_map(a) {
            for (left, right) in left.iter().zip(right.iter()) {
                if !self.equal(left, right, deeper)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for key in left.iter() {
            let Value::Text(key) = key else {
                return Ok(false);
            };
            let (Some(left), Some(right)) = (self.field(a, key)?, self.field(b, key)?) else {
                return Ok(false);
            };
            if !self.equal(&left, &right, deeper)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn arithmetic(&mut self, how: Arithmetic, a: Value<'v>, b: Value<'v>) -> Result<Value<'v>> {
        Ok(match (how, a, b) {
            (how, Value::Int(a), Value::Int(b)) => Value::Int(exact!(how, a, b)),
            (how, Value::Uint(a), Value::Uint(b)) => Value::Uint(exact!(how, a, b)),
            (Arithmetic::Add, Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            (Arithmetic::Subtract, Value::Double(a), Value::Double(b)) => Value::Double(a - b),
            (Arithmetic::Multiply, Value::Double(a), Value::Double(b)) => Value::Double(a * b),
            (Arithmetic::Divide, Value::Double(a), Value::Double(b)) => Value::Double(a / b),
            (Arithmetic::Add, Value::Text(a), Value::Text(b)) => {
                self.charge_text(&a)?;
                self.charge_text(&b)?;
                Value::Text(Cow::Owned(format!("{a}{b}")))
            }
            (Arithmetic::Add, a @ (Value::List(_) | Value::Node(_)), b)
                if !self.is_map(&a) && !self.is_map(&b) =>
            {
                let (a, b) = (self.elements(&a)?, self.elements(&b)?);
                Value::List(Rc::new(a.iter().chain(b.iter()).cloned().collect()))
            }
            _ => return fault("two values cannot be reckoned with"),
        })
    }

    fn call(&mut self, function: Function, parts: &'v [Expression]) -> Result<Value<'v>> {
        let [first, rest @ ..] = parts else {
            return fault("a function has nothing to work on");
        };
        Ok(match function {
            Function::Size => match self.eval(first)? {
                Value::Text(text) => {
                    self.charge_text(&text)?;
                    whole(text.chars().count())
                }
                other => whole(self.elements(&other)?.len()),
            },
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let text = self.text(first)?;
                let [second] = rest else {
                    return fault("a function takes one more value");
                };
                let part = self.text(second)?;
                Value::Bool(match function {
                    Function::Contains => text.contains(part.as_ref()),
                    Function::StartsWith => text.starts_with(part.as_ref()),
                    _ => text.ends_with(part.as_ref()),
                })
            }
            Function::LowerAscii => Value::Text(Cow::Owned(self.text(first)?.to_ascii_lowercase())),
            Function::UpperAscii => Value::Text(Cow::Owned(self.text(first)?.to_ascii_uppercase())),
            Function::Int => Value::Int(match self.eval(first)? {
                Value::Int(value) => value,
                Value::Uint(value) => i64::try_from(value).map_err(|_| OVERFLOW)?,
                // The next double below 2^63; what is cut off is the fraction.
                Value::Double(value) if value.abs() < 9.223_372_036_854_775e18 => value as i64,
                Value::Double(_) => return Err(OVERFLOW),
                Value::Text(text) => text.parse().map_err(|_| NO_NUMBER)?,
                _ => return Err(NO_NUMBER),
            }),
            Function::Double => Value::Double(match self.eval(first)? {
                Value::Int(value) => value as f64,
                Value::Uint(value) => value as f64,
                Value::Double(value) => value,
                Value::Text(text) => text.parse().map_err(|_| NO_NUMBER)?,
                _ => return Err(NO_NUMBER),
            }),
            Function::String => Value::Text(match self.eval(first)? {
                Value::Text(text) => text,
                Value::Int(value) => value.to_string().into(),
                Value::Uint(value) => value.to_string().into(),
                Value::Double(value) => value.to_string().into(),
                Value::Bool(value) => value.to_string().into(),
                _ => return fault("a value cannot be written as a string"),
            }),
        })
    }

    fn fold(&mut self, fold: &'v Fold) -> Result<Value<'v>> {
        let range = self.eval(&fold.range)?;
        let elements = self.elements(&range)?;
        let start = self.eval(&fold.start)?;
        let kept = self.locals.len();
        self.locals.push(start);
        self.locals.push(Value::Null);
        let result = self.looped(fold, &elements, kept);
        self.locals.truncate(kept);
        result
    }

    fn looped(&mut self, fold: &'v Fold, elements: &[Value<'v>], kept: usize) -> Result<Value<'v>> {
        let variable = kept.saturating_add(1);
        for element in elements {
            self.set(variable, element.clone());
            if !self.bool(&fold.condition)? {
                break;
            }
            let value = match self.step(&fold.step, kept) {
                Err(fault) if fault.bound => return Err(fault),
                Err(fault) => Value::Broken(fault),
                Ok(value) => value,
            };
            self.set(kept, value);
        }
        self.locals.truncate(variable);
        self.eval(&fold.result)
    }

    fn set(&mut self, place: usize, value: Value<'v>) {
        if let Some(slot) = self.locals.get_mut(place) {
            *slot = value;
        }
    }

    /// The accumulator's next value. A list grows where it is: collecting stays linear.
    fn step(&mut self, expression: &'v Expression, kept: usize) -> Result<Value<'v>> {
        let take = |machine: &mut Self| {
            let slot = machine.locals.get_mut(kept);
            slot.map_or(Value::Null, |slot| std::mem::replace(slot, Value::Null))
        };
        match expression {
            Expression::If(condition, yes, no) => {
                let branch = if self.bool(condition)? { yes } else { no };
                self.step(branch, kept)
            }
            Expression::Local(place) if *place == kept => Ok(take(self)),
            Expression::Arithmetic(Arithmetic::Add, list, more) => match (&**list, &**more) {
                (Expression::Local(place), Expression::List(more)) if *place == kept => {
                    let mut added = Vec::with_capacity(more.len());
                    for element in more {
                        added.push(self.eval(element)?);
                    }
                    match take(self) {
                        Value::List(mut list) => {
                            Rc::make_mut(&mut list).append(&mut added);
                            Ok(Value::List(list))
                        }
                        Value::Broken(fault) => Err(fault),
                        _ => fault("a value is no list"),
                    }
                }
                _ => self.eval(expression),
            },
            _ => self.eval(expression),
        }
    }
}

const BY_ZERO: Fault = Fault::new("a division by zero");
const OVERFLOW: Fault = Fault::new("a number is too large");
const NO_NUMBER: Fault = Fault::new("a value is no number");

fn whole<'v>(count: usize) -> Value<'v> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The decimal number that was meant: 0.95, not 0.949999988079071.
fn decimal(risk: f32) -> f64 {
    risk.to_string().parse().unwrap_or_default()
}

/// A number as it is written in JSON; one that no type holds exactly is a fault.
fn number<'v>(raw: &str) -> Result<Value<'v>> {
    if raw.contains(['.', 'e', 'E']) {
        return raw.parse().map(Value::Double).map_err(|_| NO_NUMBER);
    }
    if let Ok(value) = raw.parse() {
        return Ok(Value::Int(value));
    }
    raw.parse().map(Value::Uint).map_err(|_| OVERFLOW)
}

/// The order of two numbers, if they are; `Some(None)` where one is NaN.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Option<Ordering>> {
    let exact = |value: &Value<'_>| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    let rough = |value: &Value<'_>| match value {
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        _ => None,
    };
    if let (Some(a), Some(b)) = (exact(a), exact(b)) {
        return Some(Some(a.cmp(&b)));
    }
    Some(rough(a)?.partial_cmp(&rough(b)?))
}
