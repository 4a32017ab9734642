//! The arithmetic of the shell, as far as its variables are known.

use super::{
    value::{HOLE, Value},
    vars::Vars,
};

/// Deepest nesting of parentheses and of variables that hold expressions.
const MAX_DEPTH: u32 = 24;

/// The value of an expression, its assignments done; `None` where it cannot be known.
pub(super) fn evaluate(vars: &mut Vars, text: &str) -> Option<i64> {
    Evaluation {
        vars,
        text,
        pos: 0,
        depth: 0,
    }
    .whole()
    .flatten()
}

struct Evaluation<'v, 't> {
    vars: &'v mut Vars,
    text: &'t str,
    pos: usize,
    depth: u32,
}

/// The outer `None` is an error, the inner one an unknown number.
type Number = Option<Option<i64>>;

/// Operators by how tightly they bind, longer ones first.
const OPERATORS: [(&str, u8); 19] = [
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<=", 7),
    (">=", 7),
    ("<<", 8),
    (">>", 8),
    ("**", 11),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

const ASSIGNMENTS: [&str; 11] = [
    "<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "=",
];

impl Evaluation<'_, '_> {
    fn rest(&self) -> &str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        let skip = rest.len().saturating_sub(rest.trim_start().len());
        self.pos = self.pos.saturating_add(skip);
    }

    fn take(&mut self, mark: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(mark);
        if found {
            self.pos = self.pos.saturating_add(mark.len());
        }
        found
    }

    fn name(&mut self) -> Option<String> {
        self.blanks();
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let mut name = rest.get(..end)?.to_owned();
        self.pos = self.pos.saturating_add(end);
        if self.take("[") {
            let key = self.comma()?;
            if !self.take("]") {
                return None;
            }
            // An element whose place is not known could be any.
            name = match key {
                Some(key) => format!("{name}[{key}]"),
                None => format!("{name}[{HOLE}]"),
            };
        }
        Some(name)
    }

    fn whole(mut self) -> Number {
        let value = self.comma()?;
        self.blanks();
        self.rest().is_empty().then_some(value)
    }

    fn comma(&mut self) -> Number {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut value = self.assignment()?;
        while self.take(",") {
            value = self.assignment()?;
        }
        self.depth = self.depth.saturating_sub(1);
        Some(value)
    }

    fn assignment(&mut self) -> Number {
        let start = self.pos;
        if let Some(name) = self.name() {
            self.blanks();
            let op = ASSIGNMENTS
                .into_iter()
                .find(|op| self.rest().starts_with(op) && !self.rest().starts_with("=="));
            if let Some(op) = op {
                self.pos = self.pos.saturating_add(op.len());
                let mut value = self.deeper(Self::assignment)?;
                if op != "=" {
                    let old = self.value(&name);
                    value = apply(op.trim_end_matches('='), old, value);
                }
                self.set(&name, value);
                return Some(value);
            }
        }
        self.pos = start;
        let value = self.binary(1)?;
        if !self.take("?") {
            return Some(value);
        }
        let yes = self.deeper(Self::assignment)?;
        if !self.take(":") {
            return None;
        }
        let no = self.deeper(Self::assignment)?;
        Some(value.and_then(|value| if value != 0 { yes } else { no }))
    }

    fn deeper(&mut self, run: impl FnOnce(&mut Self) -> Number) -> Number {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = run(self);
        self.depth = self.depth.saturating_sub(1);
        value
    }

    fn binary(&mut self, least: u8) -> Number {
        let mut left = self.unary()?;
        loop {
            self.blanks();
            let rest = self.rest();
            let found = OPERATORS
                .into_iter()
                .find(|(op, binds)| rest.starts_with(op) && *binds >= least);
            let Some((op, binds)) = found else {
                return Some(left);
            };
            // `a += 1` is no sum.
            if rest.get(op.len()..).is_some_and(|r| r.starts_with('=')) && !op.contains('=') {
                return Some(left);
            }
            self.pos = self.pos.saturating_add(op.len());
            let next = if op == "**" {
                binds
            } else {
                binds.saturating_add(1)
            };
            let right = self.deeper(|e| e.binary(next))?;
            left = apply(op, left, right);
        }
    }

    fn unary(&mut self) -> Number {
        self.blanks();
        for (mark, by) in [("++", 1_i64), ("--", -1)] {
            if self.rest().starts_with(mark) {
                let start = self.pos;
                self.pos = self.pos.saturating_add(mark.len());
                if let Some(name) = self.name() {
                    let value = self.value(&name).and_then(|v| v.checked_add(by));
                    self.set(&name, value);
                    return Some(value);
                }
                self.pos = start;
            }
        }
        if self.take("-") {
            return Some(self.deeper(Self::unary)?.and_then(i64::checked_neg));
        }
        if self.take("+") {
            return self.deeper(Self::unary);
        }
        if self.take("~") {
            return Some(self.deeper(Self::unary)?.map(|v| !v));
        }
        if self.take("!") {
            return Some(self.deeper(Self::unary)?.map(|v| i64::from(v == 0)));
        }
        if self.take("(") {
            let value = self.comma()?;
            return self.take(")").then_some(value);
        }
        if self.take(HOLE.encode_utf8(&mut [0; 4])) {
            // What stands beside it may belong to the same number.
            let rest = self.rest();
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != HOLE)
                .unwrap_or(rest.len());
            self.pos = self.pos.saturating_add(end);
            return Some(None);
        }
        if let Some(name) = self.name() {
            let value = self.value(&name);
            for (mark, by) in [("++", 1_i64), ("--", -1)] {
                if self.take(mark) {
                    self.set(&name, value.and_then(|v| v.checked_add(by)));
                }
            }
            return Some(value);
        }
        self.number()
    }

    fn number(&mut self) -> Number {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '#' | '@' | '_'))
            .unwrap_or(rest.len());
        let digits = rest.get(..end)?;
        let value = if let Some((base, digits)) = digits.split_once('#') {
            i64::from_str_radix(digits, base.parse().ok().filter(|b| (2..=36).contains(b))?).ok()
        } else if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
            i64::from_str_radix(hex, 16).ok()
        } else if digits.len() > 1 && digits.starts_with('0') {
            i64::from_str_radix(digits, 8).ok()
        } else {
            digits.parse().ok()
        };
        value?;
        self.pos = self.pos.saturating_add(end);
        let hole = self.rest().starts_with(HOLE);
        if hole {
            self.pos = self.pos.saturating_add(HOLE.len_utf8());
            return Some(None);
        }
        Some(value)
    }

    fn value(&mut self, name: &str) -> Option<i64> {
        let found = match super::vars::element(name) {
            Some((base, key)) => self.vars.key(base, key).cloned(),
            None => self.vars.get(name)?.first().cloned(),
        };
        let value = found.filter(Value::is_known)?;
        if let Ok(number) = value.text.trim().parse() {
            return Some(number);
        }
        if self.depth >= MAX_DEPTH {
            return None;
        }
        Evaluation {
            vars: self.vars,
            text: &value.text,
            pos: 0,
            // A variable that holds its own name has no end.
            depth: self.depth.saturating_add(4),
        }
        .whole()
        .flatten()
    }

    fn set(&mut self, name: &str, value: Option<i64>) {
        let value = value.map_or_else(|| Value::unknown(0), |v| Value::known(v.to_string()));
        self.vars.insert(name, vec![value]);
    }
}

fn apply(op: &str, left: Option<i64>, right: Option<i64>) -> Option<i64> {
    let (a, b) = (left?, right?);
    match op {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        "**" => a.checked_pow(u32::try_from(b).ok()?),
        "<<" => a.checked_shl(u32::try_from(b).ok()?),
        ">>" => a.checked_shr(u32::try_from(b).ok()?),
        "&" => Some(a & b),
        "|" => Some(a | b),
        "^" => Some(a ^ b),
        "==" => Some(i64::from(a == b)),
        "!=" => Some(i64::from(a != b)),
        "<" => Some(i64::from(a < b)),
        ">" => Some(i64::from(a > b)),
        "<=" => Some(i64::from(a <= b)),
        ">=" => Some(i64::from(a >= b)),
        "&&" => Some(i64::from(a != 0 && b != 0)),
        "||" => Some(i64::from(a != 0 || b != 0)),
        _ => None,
    }
}
