//! What SQL statements would destroy or take out, by their words outside strings and comments.
//!
//! `lex` makes tokens of any dialect in one pass; here statements are told apart and matched
//! against the catalogue's entries of kind `sql`.

mod lex;
#[cfg(test)]
mod tests;

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    span::Span,
};
use lex::{Kind, Token};
use serde::Deserialize;

/// The `match` and `unless` of an entry. All fields that are given must hold; the values within a
/// field are alternatives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pattern {
    /// First word of the statement, or of a statement within it.
    verb: Vec<String>,
    /// The word behind the verb: `table`, `database` …
    object: Vec<String>,
    /// No `WHERE`, or one that is always true.
    mass: Option<bool>,
    /// The name says that it is temporary or for tests.
    temporary: Option<bool>,
    /// Words in a row, with `...` for a gap: `copy ... to program`.
    phrase: Vec<String>,
    /// Functions or procedures that are called.
    function: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    id: DetectorId,
    wanted: Pattern,
    unless: Option<Pattern>,
}

/// The compiled SQL detectors.
#[derive(Debug, Default)]
pub struct SqlAnalyzer {
    entries: Vec<Entry>,
}

/// One statement, or one within another.
struct Statement<'t> {
    verb: String,
    object: String,
    mass: bool,
    temporary: bool,
    tokens: &'t [Token<'t>],
    span: Span,
}

/// Words that begin a statement which changes something.
const VERBS: [&str; 34] = [
    "drop", "truncate", "delete", "update", "alter", "copy", "grant", "revoke", "create", "insert",
    "replace", "merge", "exec", "execute", "call", "select", "load", "attach", "shutdown", "kill",
    "reset", "purge", "flush", "set", "do", "prepare", "vacuum", "unload", "export", "backup",
    "restore", "rename", "detach", "values",
];

impl Pattern {
    fn holds(&self, statement: &Statement<'_>) -> bool {
        (self.verb.is_empty() || self.verb.contains(&statement.verb))
            && (self.object.is_empty() || self.object.contains(&statement.object))
            && self.mass.is_none_or(|m| m == statement.mass)
            && self.temporary.is_none_or(|t| t == statement.temporary)
            && (self.phrase.is_empty() || self.phrase.iter().any(|p| phrase(p, statement.tokens)))
            && (self.function.is_empty()
                || statement.tokens.windows(2).any(|pair| match pair {
                    [name, open] => {
                        name.kind == Kind::Word
                            && (open.text == "(" || is_procedure(&statement.verb))
                            && self.function.iter().any(|f| name.is(f))
                    }
                    _ => false,
                }))
    }
}

fn is_procedure(verb: &str) -> bool {
    matches!(verb, "exec" | "execute" | "call")
}

/// Whether the words of a phrase stand in the tokens, in order.
fn phrase(wanted: &str, tokens: &[Token<'_>]) -> bool {
    let mut at = 0_usize;
    for group in wanted.split(" ... ") {
        let words: Vec<&str> = group.split(' ').collect();
        let rest = tokens.get(at..).unwrap_or_default();
        let Some(found) = rest
            .windows(words.len())
            .position(|w| w.iter().zip(&words).all(|(t, w)| t.is(w)))
        else {
            return false;
        };
        at = at.saturating_add(found).saturating_add(words.len());
    }
    true
}

impl SqlAnalyzer {
    /// Compiles the entries of kind `sql`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        let mut entries = Vec::new();
        for (id, source) in catalog.iter() {
            if source.kind != DetectorKind::Sql {
                continue;
            }
            let bad = |message: String| CatalogError::Syntax {
                file: source.file.clone(),
                message: format!("detector \"{}\": {message}", source.id),
            };
            let wanted: Pattern = typed(&source.matcher).map_err(bad)?;
            if wanted.verb.is_empty() && wanted.phrase.is_empty() && wanted.function.is_empty() {
                return Err(bad("match needs a verb, a phrase or a function".into()));
            }
            let unless = if source.unless.is_null() {
                None
            } else {
                Some(typed(&source.unless).map_err(bad)?)
            };
            entries.push(Entry { id, wanted, unless });
        }
        Ok(Self { entries })
    }

    /// Reports what the statements of `text` would do. Text longer than
    /// [`crate::limits::Limits::code_bytes`] is an `engine.code-too-long`.
    pub fn analyze(&self, text: &str, scope: &mut Scope<'_>) {
        let whole = Span::new(0, text.len());
        if text.len() > scope.limits.code_bytes {
            scope.report_id("engine.code-too-long", whole, None);
            return;
        }
        let tokens = lex::tokens(text);
        if !scope.spend(tokens.len() / 8, whole) {
            return;
        }
        let mut routine = false;
        for part in tokens.split(|t| t.text == ";") {
            let first = part.first().map(|t| t.text.to_ascii_lowercase());
            // The body of a routine runs when somebody calls it, not now.
            if routine {
                routine = first.as_deref() != Some("end");
                continue;
            }
            let word = |w: &str| part.iter().take(8).any(|t| t.is(w));
            let defines = first.as_deref() == Some("create")
                && ["function", "procedure", "trigger", "event"]
                    .iter()
                    .any(|w| word(w));
            if defines {
                routine = part.iter().any(|t| t.is("begin"));
                continue;
            }
            self.part(part, scope);
        }
    }

    /// One text between semicolons.
    fn part(&self, part: &[Token<'_>], scope: &mut Scope<'_>) {
        let with = part.first().is_some_and(|t| t.is("with"));
        let merge = part.first().is_some_and(|t| t.is("merge"));
        let mut statements = 0_usize;
        for (i, token) in part.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|p| part.get(p));
            let starts = match before {
                None => true,
                Some(b) => {
                    b.text == "("
                        || b.text == ")" && with
                        || b.is("begin")
                        || b.is("else")
                        || b.is("analyze")
                        || b.is("verbose")
                        || b.is("explain")
                        || b.is("then") && !merge
                        || b.is("go")
                        || b.kind == Kind::Line
                }
            };
            if !starts || token.kind != Kind::Word {
                continue;
            }
            let verb = token.text.to_ascii_lowercase();
            let next = part.get(i.saturating_add(1));
            if !VERBS.contains(&verb.as_str())
                || next.is_some_and(|n| n.text == "(") && !is_procedure(&verb) && verb != "select"
            {
                continue;
            }
            // A plan alone runs nothing.
            if before.is_some_and(|b| b.is("explain")) {
                continue;
            }
            statements = statements.saturating_add(1);
            if statements > 64 {
                break;
            }
            let tokens = enclosed(part.get(i..).unwrap_or_default());
            self.statement(&verb, tokens, scope);
        }
    }

    fn statement(&self, verb: &str, tokens: &[Token<'_>], scope: &mut Scope<'_>) {
        let span = tokens
            .iter()
            .fold(None, |s: Option<Span>, t| {
                Some(s.map_or(t.span, |s| s.cover(t.span)))
            })
            .unwrap_or_default();
        let object = tokens
            .iter()
            .skip(1)
            .find(|t| {
                ![
                    "temporary",
                    "temp",
                    "global",
                    "unlogged",
                    "or",
                    "low_priority",
                    "only",
                ]
                .iter()
                .any(|w| t.is(w))
            })
            .map(|t| t.text.to_ascii_lowercase())
            .unwrap_or_default();
        let statement = Statement {
            verb: verb.to_owned(),
            object,
            mass: mass(verb, tokens),
            temporary: temporary(tokens),
            tokens,
            span,
        };
        for entry in &self.entries {
            if entry.wanted.holds(&statement)
                && !entry.unless.as_ref().is_some_and(|u| u.holds(&statement))
            {
                scope.report(entry.id, statement.span, None);
            }
        }
        // Text that the statement runs as SQL, or as a program.
        let runs = matches!(verb, "exec" | "execute" | "prepare" | "do" | "call")
            || tokens.iter().any(|t| {
                ["sp_executesql", "dblink", "dblink_exec", "openquery"]
                    .iter()
                    .any(|w| t.is(w))
            });
        let program = phrase("to program", tokens)
            || phrase("from program", tokens)
            || tokens
                .iter()
                .any(|t| t.is("xp_cmdshell") || t.is("sys_exec"));
        for token in tokens.iter().filter(|t| t.kind == Kind::Text).take(8) {
            let text = lex::content(token.text);
            if runs {
                scope.nested(span, |scope| self.analyze(&text, scope));
            }
            if program {
                scope.nested(span, |scope| {
                    scope
                        .analyzers
                        .command
                        .analyze(&text, super::command::Dialect::Any, scope);
                });
            }
        }
    }
}

/// The tokens up to the bracket that closes around them.
fn enclosed<'t>(tokens: &'t [Token<'t>]) -> &'t [Token<'t>] {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        if token.text == "(" {
            depth = depth.saturating_add(1);
        } else if token.text == ")" {
            let Some(less) = depth.checked_sub(1) else {
                return tokens.get(..i).unwrap_or_default();
            };
            depth = less;
        }
    }
    tokens
}

/// Whether the thing is named as temporary or for tests.
fn temporary(tokens: &[Token<'_>]) -> bool {
    if tokens
        .iter()
        .take(4)
        .any(|t| t.is("temporary") || t.is("temp"))
    {
        return true;
    }
    let mut names = tokens
        .iter()
        .skip(1)
        .filter(|t| t.kind == Kind::Word || t.kind == Kind::Quoted)
        .map(|t| {
            t.text
                .trim_matches(['"', '`', '[', ']'])
                .to_ascii_lowercase()
        })
        .filter(|w| {
            ![
                "table", "if", "exists", "from", "cascade", "restrict", "database", "schema",
                "only", "restart", "identity", "view", "index", "into", "set",
            ]
            .contains(&w.as_str())
        })
        .take(2);
    names.any(|n| {
        n.starts_with('#')
            || [
                "tmp", "temp", "test", "staging", "scratch", "fixture", "sandbox",
            ]
            .iter()
            .any(|w| {
                n.split('_')
                    .any(|p| p.starts_with(w) && p.len() <= w.len().saturating_add(3))
            })
    })
}

/// Whether a deletion or change reaches every row.
fn mass(verb: &str, tokens: &[Token<'_>]) -> bool {
    if !matches!(verb, "delete" | "update") {
        return false;
    }
    let mut depth = 0_usize;
    let mut filter = None;
    for (i, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("where") => filter = Some(i.saturating_add(1)),
            // Rows are chosen by what they are joined with.
            _ if depth == 0 && filter.is_none() && (token.is("join") || token.is("using")) => {
                return false;
            }
            _ => {}
        }
    }
    let Some(start) = filter else {
        // `UPDATE` of nothing is no statement: `FOR UPDATE`, `ON UPDATE`.
        return verb == "delete" || tokens.iter().any(|t| t.is("set"));
    };
    let rest = tokens.get(start..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|t| {
            ["returning", "order", "limit", "option"]
                .iter()
                .any(|w| t.is(w))
        })
        .unwrap_or(rest.len());
    always(rest.get(..end).unwrap_or_default())
}

/// Whether a condition is true whatever the row.
fn always(mut tokens: &[Token<'_>]) -> bool {
    // Each level of brackets is one more look at the tokens.
    for _ in 0..8 {
        match tokens {
            [open, inner @ .., close]
                if open.text == "("
                    && close.text == ")"
                    && enclosed(inner).len() == inner.len() =>
            {
                tokens = inner;
            }
            _ => break,
        }
    }
    let mut any = false;
    for alternative in split(tokens, &["or", "||"]) {
        let all = split(alternative, &["and", "&&"]);
        any |= !all.is_empty() && all.iter().all(|t| constant(t));
    }
    any
}

/// Splits at words outside brackets.
fn split<'t>(tokens: &'t [Token<'t>], at: &[&str]) -> Vec<&'t [Token<'t>]> {
    let mut out = Vec::new();
    let (mut depth, mut start) = (0_usize, 0_usize);
    for (i, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && at.iter().any(|w| token.is(w)) => {
                out.push(tokens.get(start..i).unwrap_or_default());
                start = i.saturating_add(1);
            }
            _ => {}
        }
    }
    out.push(tokens.get(start..).unwrap_or_default());
    out
}

/// `1`, `true`, `1 = 1`, `'a' = 'a'`, `x = x`, `2 > 1`, `x like '%'`.
fn constant(mut tokens: &[Token<'_>]) -> bool {
    while let [open, inner @ .., close] = tokens
        && open.text == "("
        && close.text == ")"
    {
        tokens = inner;
    }
    let number = |t: &Token<'_>| t.text.parse::<f64>().ok();
    match tokens {
        [one] => one.is("true") || number(one).is_some_and(|n| n != 0.0),
        [not, one] => not.is("not") && (one.is("false") || one.text == "0"),
        [left, op, right] => match op.text {
            "=" | "==" | "<=>" | ">=" | "<=" if left.same(right) => true,
            "<>" | "!=" => left.literal() && right.literal() && !left.same(right),
            ">" => matches!((number(left), number(right)), (Some(a), Some(b)) if a > b),
            "<" => matches!((number(left), number(right)), (Some(a), Some(b)) if a < b),
            _ => {
                op.is("like") && (left.same(right) || matches!(right.text, "'%'" | "\"%\""))
                    || op.is("is") && left.same(right)
            }
        },
        [left, is, not, null] => is.is("is") && not.is("not") && null.is("null") && left.literal(),
        _ => false,
    }
}
