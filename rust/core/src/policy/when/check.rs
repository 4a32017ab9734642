//! Turns the parsed tree into the form that is evaluated; finds wrong names, fields and types.

use super::{
    Arithmetic, Comparison, DEEPEST, DESTINATION_FIELDS, Expression, FINDING_FIELDS, Fold,
    Function, GLOBALS, Global, SESSION_FIELDS,
};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators,
};
use regex_automata::{
    meta::{self, Regex},
    util::syntax,
};

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES: usize = 512 << 10;

#[derive(Clone, Debug, PartialEq)]
enum Type {
    /// Known only when a call is judged.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    List(Box<Type>),
    /// Keys are text.
    Map(Box<Type>),
    Finding,
    Destination,
    Session,
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Uint => "a uint",
            Self::Double => "a double",
            Self::Text => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Finding => "a finding",
            Self::Destination => "a destination",
            Self::Session => "the session",
        }
    }

    fn is(&self, wanted: &[Self]) -> bool {
        *self == Self::Any
            || wanted.iter().any(|w| {
                matches!(
                    (w, self),
                    (Self::List(_), Self::List(_)) | (Self::Map(_), Self::Map(_))
                ) || w == self
            })
    }

    const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }
}

fn list(of: Type) -> Type {
    Type::List(Box::new(of))
}

fn map(of: Type) -> Type {
    Type::Map(Box::new(of))
}

fn of_global(global: Global) -> Type {
    match global {
        Global::Tool
        | Global::Server
        | Global::Method
        | Global::Direction
        | Global::Environment => Type::Text,
        Global::Categories => list(Type::Text),
        Global::Arguments => Type::Any,
        Global::Findings => list(Type::Finding),
        Global::Risk => Type::Double,
        Global::Destinations => list(Type::Destination),
        Global::Labels => map(Type::Text),
        Global::Hints => map(Type::Bool),
        Global::Session => Type::Session,
    }
}

type Checked = Result<(Expression, Type), String>;

pub(super) struct Checker<'s> {
    source: &'s SourceInfo,
    locals: Vec<(String, Type)>,
    uses: Vec<Global>,
    depth: usize,
}

impl<'s> Checker<'s> {
    pub(super) fn new(source: &'s SourceInfo) -> Self {
        Self {
            source,
            locals: Vec::new(),
            uses: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn uses(self) -> Vec<Global> {
        self.uses
    }

    /// An expression that is true or false.
    pub(super) fn condition(&mut self, tree: &IdedExpr) -> Result<Expression, String> {
        let (expression, found) = self.expression(tree)?;
        if !found.is(&[Type::Bool]) {
            let why = format!("is {}, not true or false", found.name());
            return Err(self.at(tree.id, &why));
        }
        Ok(expression)
    }

    fn at(&self, id: u64, message: &str) -> String {
        let Some((start, _)) = self.source.offset_for(id) else {
            return message.into();
        };
        let (mut line, mut column) = (1_usize, 1_usize);
        for c in self.source.source.chars().take(start as usize) {
            if c == '\n' {
                (line, column) = (line.saturating_add(1), 1);
            } else {
                column = column.saturating_add(1);
            }
        }
        format!("line {line}, column {column}: {message}")
    }

    fn expression(&mut self, tree: &IdedExpr) -> Checked {
        if self.depth >= DEEPEST {
            return Err(self.at(tree.id, "is nested too deeply"));
        }
        self.depth = self.depth.saturating_add(1);
        let checked = self.inner(tree);
        self.depth = self.depth.saturating_sub(1);
        checked
    }

    fn inner(&mut self, tree: &IdedExpr) -> Checked {
        match &tree.expr {
            Expr::Literal(literal) => self.literal(tree.id, literal),
            Expr::Ident(name) => self.name(tree.id, name),
            Expr::Select(select) => {
                let (operand, of) = self.expression(&select.operand)?;
                let found = self.field(tree.id, &of, &select.field)?;
                let (operand, field) = (Box::new(operand), select.field.as_str().into());
                Ok(if select.test {
                    (Expression::Has(operand, field), Type::Bool)
                } else {
                    (Expression::Select(operand, field), found)
                })
            }
            Expr::Call(call) => self.call(tree.id, call),
            Expr::List(literal) => {
                let (mut elements, mut of) = (Vec::new(), None);
                for element in &literal.elements {
                    let (element, found) = self.expression(element)?;
                    elements.push(element);
                    of = match of {
                        None => Some(found),
                        Some(known) if known == found => Some(known),
                        Some(_) => Some(Type::Any),
                    };
                }
                Ok((Expression::List(elements), list(of.unwrap_or(Type::Any))))
            }
            Expr::Map(literal) => {
                let mut pairs = Vec::new();
                for entry in &literal.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(self.at(tree.id, "is no map"));
                    };
                    let (key, found) = self.expression(&entry.key)?;
                    if !found.is(&[Type::Text]) {
                        return Err(self.at(entry.key.id, "a key is a string here"));
                    }
                    pairs.push((key, self.expression(&entry.value)?.0));
                }
                Ok((Expression::Map(pairs), map(Type::Any)))
            }
            Expr::Comprehension(fold) => self.fold(tree.id, fold),
            Expr::Struct(_) => Err(self.at(tree.id, "there are no messages to build")),
            Expr::Unspecified => Err(self.at(tree.id, "something is missing")),
        }
    }

    fn literal(&self, id: u64, literal: &LiteralValue) -> Checked {
        Ok(match literal {
            LiteralValue::Boolean(value) => (Expression::Bool(*value.inner()), Type::Bool),
            LiteralValue::Double(value) => (Expression::Double(*value.inner()), Type::Double),
            LiteralValue::Int(value) => (Expression::Int(*value.inner()), Type::Int),
            LiteralValue::UInt(value) => (Expression::Uint(*value.inner()), Type::Uint),
            LiteralValue::Null => (Expression::Null, Type::Null),
            LiteralValue::String(value) => (Expression::Text(value.inner().into()), Type::Text),
            LiteralValue::Bytes(_) => return Err(self.at(id, "there are no bytes: use a string")),
        })
    }

    fn name(&mut self, id: u64, name: &str) -> Checked {
        if let Some(place) = self.locals.iter().rposition(|(local, _)| local == name) {
            let found = self.locals.get(place).map_or(Type::Any, |(_, t)| t.clone());
            return Ok((Expression::Local(place), found));
        }
        let Some(&(_, global)) = GLOBALS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = GLOBALS.iter().map(|(known, _)| *known).collect();
            let why = format!("unknown name {name:?}; known are {}", names.join(", "));
            return Err(self.at(id, &why));
        };
        if !self.uses.contains(&global) {
            self.uses.push(global);
        }
        Ok((Expression::Global(global), of_global(global)))
    }

    /// The type of a field.
    fn field(&self, id: u64, of: &Type, field: &str) -> Result<Type, String> {
        let fields: &[&str] = match of {
            Type::Any => return Ok(Type::Any),
            Type::Map(values) => return Ok((**values).clone()),
            Type::Finding => &FINDING_FIELDS,
            Type::Destination => &DESTINATION_FIELDS,
            Type::Session => &SESSION_FIELDS,
            other => return Err(self.at(id, &format!("{} has no fields", other.name()))),
        };
        if !fields.contains(&field) {
            let why = format!(
                "{} has no field {field:?}, but {}",
                of.name(),
                fields.join(", ")
            );
            return Err(self.at(id, &why));
        }
        Ok(match field {
            "risk" => Type::Double,
            "tags" => list(Type::Text),
            "port" => Type::Int,
            "sends" => Type::Bool,
            _ => Type::Text,
        })
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Checked {
        let name = call.func_name.as_str();
        if name == "matches" {
            return self.matches(id, call);
        }
        let mut parts = Vec::new();
        let mut types = Vec::new();
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            let (part, found) = self.expression(part)?;
            parts.push(part);
            types.push(found);
        }
        let count = parts.len();
        if let Some((function, member)) = function(name) {
            if call.target.is_some() && !member {
                return Err(self.at(id, &format!("{name} is written {name}(…)")));
            }
            return self.function(id, function, parts, &types);
        }
        let mut parts = parts.into_iter().map(Box::new);
        let [a, b, c] = [parts.next(), parts.next(), parts.next()];
        let wrong = |checker: &Self| {
            let of: Vec<&str> = types.iter().map(Type::name).collect();
            let what = operators::find_operator(name).unwrap_or(name);
            let why = format!("{what:?} does not take {}", of.join(" and "));
            Err(checker.at(id, &why))
        };
        let all = |wanted: &[Type]| types.iter().all(|t| t.is(wanted));
        let numbers = [Type::Int, Type::Uint, Type::Double];
        match (name, a, b, c, count) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, Some(a), Some(b), _, 2) => {
                if !all(&[Type::Bool]) {
                    return wrong(self);
                }
                let and = name == operators::LOGICAL_AND;
                let both = if and {
                    Expression::And(a, b)
                } else {
                    Expression::Or(a, b)
                };
                Ok((both, Type::Bool))
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, Some(a), _, _, 1) => {
                if !all(&[Type::Bool]) {
                    return wrong(self);
                }
                let strict = name == operators::LOGICAL_NOT;
                let not = if strict {
                    Expression::Not(a)
                } else {
                    Expression::NotStrictlyFalse(a)
                };
                Ok((not, Type::Bool))
            }
            (operators::CONDITIONAL, Some(a), Some(b), Some(c), 3) => {
                if !types.first().is_some_and(|t| t.is(&[Type::Bool])) {
                    return wrong(self);
                }
                let found = match (types.get(1), types.get(2)) {
                    (Some(yes), Some(no)) if yes == no => yes.clone(),
                    _ => Type::Any,
                };
                Ok((Expression::If(a, b, c), found))
            }
            (operators::NEGATE, Some(a), _, _, 1) => {
                if !all(&[Type::Int, Type::Double]) {
                    return wrong(self);
                }
                let found = types.first().cloned().unwrap_or(Type::Any);
                Ok((Expression::Negate(a), found))
            }
            (operators::IN, Some(a), Some(b), _, 2) => {
                let of = types.get(1).unwrap_or(&Type::Any);
                if !of.is(&[list(Type::Any), map(Type::Any)]) {
                    return wrong(self);
                }
                Ok((Expression::In(a, b), Type::Bool))
            }
            (operators::INDEX, Some(a), Some(b), _, 2) => {
                let found = match (types.first(), types.get(1)) {
                    (Some(Type::List(of)), Some(Type::Any | Type::Int | Type::Uint)) => {
                        (**of).clone()
                    }
                    (Some(Type::Map(of)), Some(Type::Any | Type::Text)) => (**of).clone(),
                    (Some(Type::Any), Some(_)) => Type::Any,
                    _ => return wrong(self),
                };
                Ok((Expression::Index(a, b), found))
            }
            (_, Some(a), Some(b), _, 2) => {
                if let Some(comparison) = comparison(name) {
                    let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
                    let comparable = match (types.first(), types.get(1)) {
                        (Some(Type::Any), Some(t)) | (Some(t), Some(Type::Any)) => {
                            equality || t.is(&[Type::Int, Type::Uint, Type::Double, Type::Text])
                        }
                        (Some(x), Some(y)) if x.is_number() && y.is_number() => true,
                        (Some(Type::Text), Some(Type::Text)) => true,
                        (Some(Type::Null), Some(_)) | (Some(_), Some(Type::Null)) => equality,
                        (Some(Type::List(_)), Some(Type::List(_)))
                        | (Some(Type::Map(_)), Some(Type::Map(_))) => equality,
                        (Some(x), Some(y)) => equality && x == y,
                        _ => false,
                    };
                    if !comparable {
                        return wrong(self);
                    }
                    return Ok((Expression::Compare(comparison, a, b), Type::Bool));
                }
                let Some(arithmetic) = arithmetic(name) else {
                    return Err(self.unknown(id, name));
                };
                let any = types.contains(&Type::Any);
                let same = types.first() == types.get(1);
                let lists = types.iter().all(|t| matches!(t, Type::List(_)));
                let add = arithmetic == Arithmetic::Add;
                let (mut found, fits) = match types.first() {
                    Some(t) if t.is_number() => (t.clone(), same || any),
                    Some(Type::Text) if add => (Type::Text, same || any),
                    Some(Type::List(_)) if add => (list(Type::Any), lists || any),
                    Some(Type::Any) => {
                        let extra = [Type::Text, list(Type::Any)];
                        let fits = all(&numbers) || add && all(&extra);
                        (Type::Any, fits)
                    }
                    _ => (Type::Any, false),
                };
                if !fits {
                    return wrong(self);
                }
                if any {
                    found = Type::Any;
                }
                // What a macro collects keeps its type.
                if lists && same {
                    found = types.first().cloned().unwrap_or(found);
                }
                Ok((Expression::Arithmetic(arithmetic, a, b), found))
            }
            _ => Err(self.unknown(id, name)),
        }
    }

    fn unknown(&self, id: u64, name: &str) -> String {
        let why = format!(
            "unknown function {name:?}; known are size, contains, startsWith, endsWith, matches, \
             lowerAscii, upperAscii, int, double, string, has, all, exists, exists_one, map, filter"
        );
        self.at(id, &why)
    }

    fn function(
        &self,
        id: u64,
        function: Function,
        parts: Vec<Expression>,
        types: &[Type],
    ) -> Checked {
        let text = [Type::Text];
        let sized = [Type::Text, list(Type::Any), map(Type::Any)];
        let scalar = [Type::Text, Type::Int, Type::Uint, Type::Double, Type::Bool];
        let number = [Type::Text, Type::Int, Type::Uint, Type::Double];
        let (wanted, count, found): (&[Type], usize, Type) = match function {
            Function::Size => (&sized, 1, Type::Int),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                (&text, 2, Type::Bool)
            }
            Function::LowerAscii | Function::UpperAscii => (&text, 1, Type::Text),
            Function::Int => (&number, 1, Type::Int),
            Function::Double => (&number, 1, Type::Double),
            Function::String => (&scalar, 1, Type::Text),
        };
        if parts.len() != count || !types.iter().all(|t| t.is(wanted)) {
            let of: Vec<&str> = types.iter().map(Type::name).collect();
            let why = format!("{function:?} does not take {}", of.join(" and "));
            return Err(self.at(id, &why));
        }
        Ok((Expression::Call(function, parts), found))
    }

    /// `matches`: the pattern is compiled once, so it must be there.
    fn matches(&mut self, id: u64, call: &CallExpr) -> Checked {
        let parts: Vec<&IdedExpr> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        let [text, pattern] = parts.as_slice() else {
            return Err(self.at(id, "matches takes a text and a pattern"));
        };
        let Expr::Literal(LiteralValue::String(pattern_text)) = &pattern.expr else {
            return Err(self.at(pattern.id, "the pattern of matches is written out"));
        };
        let (text, found) = self.expression(text)?;
        if !found.is(&[Type::Text]) {
            return Err(self.at(id, &format!("matches does not take {}", found.name())));
        }
        let regex = Regex::builder()
            .syntax(syntax::Config::new().nest_limit(64))
            .configure(
                meta::Config::new()
                    .nfa_size_limit(Some(PATTERN_BYTES))
                    .hybrid_cache_capacity(256 << 10),
            )
            .build(pattern_text.inner())
            .map_err(|_| {
                let why = "is no regular expression without look-around and back-references, \
                           or too large a one";
                self.at(pattern.id, why)
            })?;
        Ok((
            Expression::Matches(Box::new(text), Box::new(regex)),
            Type::Bool,
        ))
    }

    fn fold(&mut self, id: u64, fold: &ComprehensionExpr) -> Checked {
        if fold.iter_var2.is_some() {
            return Err(self.at(id, "macros take one variable"));
        }
        let (range, over) = self.expression(&fold.iter_range)?;
        let element = match over {
            Type::List(of) => *of,
            Type::Map(_) => Type::Text,
            Type::Any => Type::Any,
            other => {
                return Err(self.at(
                    fold.iter_range.id,
                    &format!("{} has no elements", other.name()),
                ));
            }
        };
        let (start, mut kept) = self.expression(&fold.accu_init)?;
        if matches!(kept, Type::List(_)) {
            kept = list(Type::Any);
        }
        let below = self.locals.len();
        self.locals.push((fold.accu_var.clone(), kept));
        self.locals.push((fold.iter_var.clone(), element));
        let condition = self.condition(&fold.loop_cond)?;
        let (step, stepped) = self.expression(&fold.loop_step)?;
        // The result sees the accumulator only.
        self.locals.truncate(below.saturating_add(1));
        if let (Some((_, kept)), Type::List(_)) = (self.locals.last_mut(), &stepped) {
            *kept = stepped;
        }
        let (result, found) = self.expression(&fold.result)?;
        self.locals.truncate(below);
        let fold = Fold {
            range,
            start,
            condition,
            step,
            result,
        };
        Ok((Expression::Fold(Box::new(fold)), found))
    }
}

/// A function, and whether it may be written behind what it is about.
fn function(name: &str) -> Option<(Function, bool)> {
    Some(match name {
        "size" => (Function::Size, true),
        "contains" => (Function::Contains, true),
        "startsWith" => (Function::StartsWith, true),
        "endsWith" => (Function::EndsWith, true),
        "lowerAscii" => (Function::LowerAscii, true),
        "upperAscii" => (Function::UpperAscii, true),
        "int" => (Function::Int, false),
        "double" => (Function::Double, false),
        "string" => (Function::String, false),
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::Unequal,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Modulo,
        _ => return None,
    })
}
