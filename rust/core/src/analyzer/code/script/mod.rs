//! JavaScript, Perl, Ruby, PHP, Lua and AWK at the level of their calls.
//!
//! `lex` makes tokens; here names are resolved through assignments and imports, texts through
//! concatenation, and every call is matched against the catalogue and followed by `effect`.

mod effect;
mod lex;

use super::detect::{Argument, Fact, Seen, Table};
use crate::{
    analyzer::{Language, Scope, command::HOLE},
    span::Span,
};
use lex::{Kind, Token};
use std::collections::HashMap;

/// Deepest nesting of brackets that an expression is followed through.
const MAX_DEPTH: usize = 40;
/// Most tokens of one expression that are evaluated.
const MAX_EXPRESSION: usize = 256;
/// Deepest nesting of code inside strings.
const MAX_INNER: usize = 4;

/// What is known of a value.
#[derive(Clone, Debug, Default)]
struct Val {
    /// Text with holes.
    text: Option<String>,
    list: Option<Vec<Val>>,
    /// A dotted name.
    name: Option<String>,
    /// Named values: an object, or the options of a call.
    options: Vec<(String, Val)>,
    /// Bits of `python::from`.
    from: u16,
    /// How many values it holds, so that lists of lists do not double without end.
    size: usize,
}

impl Val {
    fn list(items: Vec<Self>) -> Self {
        let from = items.iter().fold(0, |f, v| f | v.from);
        let size = items
            .iter()
            .fold(items.len(), |s, v| s.saturating_add(v.size));
        if size > MAX_EXPRESSION {
            return Self::unknown(from);
        }
        Self {
            list: Some(items),
            from,
            size,
            ..Self::default()
        }
    }

    fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    fn name(name: impl Into<String>) -> Self {
        let name: String = name.into();
        if name.len() > 120 {
            return Self::default();
        }
        Self {
            name: Some(name),
            ..Self::default()
        }
    }

    fn unknown(from: u16) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    fn partial(&self) -> String {
        self.text.clone().unwrap_or_else(|| HOLE.to_string())
    }
}

struct Script<'s, 'e> {
    table: &'s Table,
    language: Language,
    scope: &'s mut Scope<'e>,
    tokens: Vec<Token>,
    /// For each opening bracket the index of its closing one.
    close: HashMap<usize, usize>,
    vars: HashMap<String, Val>,
    /// A connection was opened, so that a shell on it is somebody else's.
    connected: bool,
    /// Calls that were already followed.
    seen: HashMap<usize, Val>,
    /// Steps that may still be taken, so that no shape of brackets multiplies the work.
    steps: usize,
}

/// Reports what `text` would do.
pub(super) fn analyze(table: &Table, text: &str, language: Language, scope: &mut Scope<'_>) {
    run(table, text, language, scope, HashMap::new(), 0);
}

fn run(
    table: &Table,
    text: &str,
    language: Language,
    scope: &mut Scope<'_>,
    vars: HashMap<String, Val>,
    level: usize,
) {
    let (tokens, inner) = lex::tokens(text, language);
    if !scope.spend(tokens.len(), Span::new(0, text.len())) {
        return;
    }
    let mut close = HashMap::new();
    let mut open = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if token.kind == Kind::Mark {
            match token.text.as_str() {
                "(" | "[" | "{" => open.push(i),
                ")" | "]" | "}" => {
                    if let Some(at) = open.pop() {
                        close.insert(at, i);
                    }
                }
                _ => {}
            }
        }
    }
    let steps = tokens.len().saturating_mul(12).saturating_add(4_000);
    let mut script = Script {
        table,
        steps,
        language,
        scope,
        tokens,
        close,
        vars,
        connected: false,
        seen: HashMap::new(),
    };
    script.statements();
    let vars = std::mem::take(&mut script.vars);
    let scope = script.scope;
    for span in inner.into_iter().take(64) {
        let Some(code) = text.get(span.start..span.end) else {
            continue;
        };
        if level >= MAX_INNER {
            scope.report_id("engine.nested-interpreters", span, None);
            return;
        }
        let vars = vars.clone();
        scope.nested(span, |scope| {
            run(table, code, language, scope, vars, level.saturating_add(1));
        });
    }
}

impl Script<'_, '_> {
    /// Takes one step; `false` when none is left.
    fn step(&mut self) -> bool {
        let left = self.steps > 0;
        self.steps = self.steps.saturating_sub(1);
        left
    }

    fn token(&self, i: usize) -> Option<&Token> {
        self.tokens.get(i)
    }

    fn mark(&self, i: usize, mark: &str) -> bool {
        self.token(i).is_some_and(|t| t.is(mark))
    }

    fn word(&self, i: usize) -> Option<&str> {
        self.token(i).and_then(Token::word)
    }

    fn span(&self, from: usize, to: usize) -> Span {
        let start = self.token(from).map_or(0, |t| t.span.start);
        let end = self
            .token(to.min(self.tokens.len().saturating_sub(1)))
            .map_or(start, |t| t.span.end);
        Span::new(start, end)
    }

    /// Looks at every token that begins an expression, from left to right.
    fn statements(&mut self) {
        let mut i = 0_usize;
        while i < self.tokens.len() {
            self.binding(i);
            let begins = self.token(i).is_some_and(|t| {
                matches!(t.kind, Kind::Word | Kind::Text(_) | Kind::Command)
                    || t.is("[")
                    || t.is("(")
            });
            let behind_dot = i.checked_sub(1).is_some_and(|p| self.is_dot(p));
            if begins && !behind_dot {
                self.chain(i, 0);
            }
            effect::piped(self, i);
            if self.steps == 0 {
                let span = self.span(i, i);
                self.scope.report_id("engine.syntax-budget", span, None);
                break;
            }
            i = i.saturating_add(1);
        }
        effect::whole(self);
    }

    fn is_dot(&self, i: usize) -> bool {
        match self.token(i) {
            Some(t) if t.kind == Kind::Mark => match t.text.as_str() {
                "." => !matches!(self.language, Language::Perl | Language::Php),
                "?." | "::" | "->" => true,
                ":" => self.language == Language::Lua,
                _ => false,
            },
            _ => false,
        }
    }

    /// Assignments and imports that begin here.
    fn binding(&mut self, i: usize) {
        let Some(word) = self.word(i) else {
            return;
        };
        match word {
            "import" if self.language == Language::JavaScript => self.import(i),
            "const" | "let" | "var" if self.mark(i.saturating_add(1), "{") => {
                let open = i.saturating_add(1);
                if let Some(&close) = self.close.get(&open)
                    && self.mark(close.saturating_add(1), "=")
                {
                    let value = self.expression(close.saturating_add(2), 0).0;
                    self.destructure(open, close, &value);
                }
            }
            _ => {
                let next = i.saturating_add(1);
                if self.mark(next, "=") {
                    let name = word.to_owned();
                    let value = self.expression(next.saturating_add(1), 0).0;
                    if self.vars.len() < 1024 {
                        self.vars.insert(name, value);
                    }
                } else if self.mark(next, "+=") || self.mark(next, ".=") {
                    let name = word.to_owned();
                    let value = self.expression(next.saturating_add(1), 0).0;
                    let old = self.vars.get(&name).cloned().unwrap_or_default();
                    self.vars.insert(name, add(&old, &value));
                }
            }
        }
    }

    /// `{a, b: c}` takes members of a value.
    fn destructure(&mut self, open: usize, close: usize, value: &Val) {
        let Some(base) = value.name.clone() else {
            return;
        };
        let mut i = open.saturating_add(1);
        while i < close.min(open.saturating_add(128)) {
            if let Some(name) = self.word(i).map(ToOwned::to_owned) {
                let renamed = self.mark(i.saturating_add(1), ":")
                    || self.word(i.saturating_add(1)) == Some("as");
                let bound = if renamed {
                    i = i.saturating_add(2);
                    self.word(i).map(ToOwned::to_owned)
                } else {
                    Some(name.clone())
                };
                if let Some(bound) = bound {
                    self.vars.insert(bound, Val::name(format!("{base}.{name}")));
                }
            }
            i = i.saturating_add(1);
        }
    }

    fn import(&mut self, at: usize) {
        let limit = at.saturating_add(128);
        let mut i = at.saturating_add(1);
        let mut module = None;
        while i < limit {
            match self.token(i) {
                Some(t) if matches!(t.kind, Kind::Text(_)) => {
                    module = Some(module_name(&t.text));
                    break;
                }
                Some(t) if t.is(";") || t.is("(") => return,
                Some(_) => i = i.saturating_add(1),
                None => return,
            }
        }
        let Some(module) = module else {
            return;
        };
        let mut k = at.saturating_add(1);
        while k < i {
            if self.mark(k, "{") {
                if let Some(&close) = self.close.get(&k) {
                    self.destructure(k, close, &Val::name(module.clone()));
                    k = close;
                }
            } else if let Some(word) = self.word(k)
                && !matches!(word, "from" | "as" | "type")
            {
                self.vars.insert(word.to_owned(), Val::name(module.clone()));
            }
            k = k.saturating_add(1);
        }
    }

    /// A whole expression: chains joined by `+` or `.`, or one value with what follows unknown.
    /// Gives the value and the index behind it.
    fn expression(&mut self, start: usize, depth: usize) -> (Val, usize) {
        let (mut value, mut i) = self.chain(start, depth);
        let concat = match self.language {
            Language::Perl | Language::Php => ".",
            Language::Lua => "..",
            _ => "+",
        };
        let limit = start.saturating_add(MAX_EXPRESSION);
        while i < limit {
            let joined = self.mark(i, concat)
                || self.language == Language::Awk
                    && self
                        .token(i)
                        .is_some_and(|t| matches!(t.kind, Kind::Text(_) | Kind::Word));
            if joined {
                let next = if self.mark(i, concat) {
                    i.saturating_add(1)
                } else {
                    i
                };
                let (more, end) = self.chain(next, depth);
                if end <= i {
                    break;
                }
                value = add(&value, &more);
                i = end;
            } else if self.mark(i, "||") || self.mark(i, "?") || self.mark(i, "&&") {
                // One of several: the taint of all, the value of the first.
                let (more, end) = self.chain(i.saturating_add(1), depth);
                if end <= i {
                    break;
                }
                value.from |= more.from;
                i = end;
            } else {
                break;
            }
        }
        (value, i)
    }

    /// A primary with its members, indexes and calls.
    fn chain(&mut self, start: usize, depth: usize) -> (Val, usize) {
        if depth > MAX_DEPTH || !self.step() {
            return (Val::default(), start.saturating_add(1));
        }
        let (mut value, mut i) = self.primary(start, depth);
        let limit = start.saturating_add(MAX_EXPRESSION);
        while i < limit && self.step() {
            if self.is_dot(i)
                && let Some(member) = self.word(i.saturating_add(1)).map(ToOwned::to_owned)
            {
                value = effect::member(&value, &member);
                i = i.saturating_add(2);
                // `FileUtils.rm_rf "x"` and `IO.popen 'x'` of Ruby.
                if self.language == Language::Ruby && self.is_text(i) {
                    let (args, end) = self.bare(i, depth);
                    value = self.call(&value, &args, start, end);
                    i = end;
                }
            } else if self.mark(i, "[") || self.mark(i, "?.") && self.mark(i.saturating_add(1), "[")
            {
                let open = if self.mark(i, "[") {
                    i
                } else {
                    i.saturating_add(1)
                };
                let key = self
                    .expression(open.saturating_add(1), depth.saturating_add(1))
                    .0;
                let end = self.close.get(&open).copied().unwrap_or(open);
                value = match &key.text {
                    Some(key) if !key.contains(HOLE) => effect::member(&value, key),
                    _ => Val::unknown(value.from),
                };
                i = end.saturating_add(1);
            } else if self.mark(i, "(") {
                let Some(end) = self.close.get(&i).copied() else {
                    break;
                };
                value = match self.seen.get(&i) {
                    Some(value) => value.clone(),
                    None => {
                        let args = self.arguments(i, end, depth.saturating_add(1));
                        let made = self.call(&value, &args, start, end);
                        self.seen.insert(i, made.clone());
                        made
                    }
                };
                i = end.saturating_add(1);
            } else {
                break;
            }
        }
        (value, i)
    }

    fn is_text(&self, i: usize) -> bool {
        self.token(i)
            .is_some_and(|t| matches!(t.kind, Kind::Text(_)))
    }

    fn primary(&mut self, i: usize, depth: usize) -> (Val, usize) {
        let after = i.saturating_add(1);
        let Some(token) = self.token(i).cloned() else {
            return (Val::default(), after);
        };
        match token.kind {
            Kind::Text(replaces) => {
                let text = if replaces {
                    self.interpolate(&token.text)
                } else {
                    Val::text(token.text)
                };
                (text, after)
            }
            Kind::Command => {
                let command = self.interpolate(&token.text);
                effect::shell(self, &command, token.span);
                self.report("backticks", &[command], token.span);
                (Val::default(), after)
            }
            Kind::Number => (Val::text(token.text), after),
            Kind::Regex | Kind::Line => (Val::default(), after),
            Kind::Word => {
                let word = token.text.as_str();
                match word {
                    "new" | "await" | "return" | "typeof" | "my" | "our" | "local" | "const"
                    | "let" | "var" | "print" | "echo" | "do" | "die" | "void" | "delete"
                    | "not" | "puts" | "p" | "and" | "or"
                        if depth < MAX_DEPTH
                            && (!self.mark(after, "(")
                                || word == "new" && self.language == Language::JavaScript)
                            && !self.is_dot(after) =>
                    {
                        return self.chain(after, depth.saturating_add(1));
                    }
                    _ => {}
                }
                let value =
                    self.vars.get(word).cloned().unwrap_or_else(|| {
                        Val::name(word.trim_start_matches(['$', '@']).to_owned())
                    });
                // A call without brackets: `system "ls"`, `unlink $file`.
                if effect::bare_call(self.language, word)
                    && self.token(after).is_some_and(|t| {
                        matches!(t.kind, Kind::Text(_) | Kind::Command)
                            || t.kind == Kind::Word
                                && (t.text.starts_with('$')
                                    || t.text.starts_with('@')
                                    || self.vars.contains_key(&t.text))
                            || t.kind == Kind::Word
                                && self.language == Language::Perl
                                && self.mark(after.saturating_add(1), "(")
                    })
                {
                    let (args, end) = self.bare(after, depth);
                    let value = self.call(&Val::name(word), &args, i, end.saturating_sub(1));
                    return (value, end);
                }
                (value, after)
            }
            Kind::Mark => match token.text.as_str() {
                "(" => {
                    let (value, _) = self.expression(after, depth.saturating_add(1));
                    let end = self.close.get(&i).copied().unwrap_or(i);
                    (value, end.saturating_add(1))
                }
                "[" => {
                    let end = self.close.get(&i).copied().unwrap_or(i);
                    let items = self.arguments(i, end, depth.saturating_add(1));
                    (Val::list(items), end.saturating_add(1))
                }
                "{" => {
                    let end = self.close.get(&i).copied().unwrap_or(i);
                    let value = self.object(i, end, depth.saturating_add(1));
                    (value, end.saturating_add(1))
                }
                _ => (Val::default(), after),
            },
        }
    }

    /// `{name: value, …}` and `{name => value}`.
    fn object(&mut self, open: usize, end: usize, depth: usize) -> Val {
        let mut out = Val::default();
        let mut i = open.saturating_add(1);
        let limit = end.min(open.saturating_add(MAX_EXPRESSION));
        while i < limit {
            if self.mark(i, "..") {
                i = i.saturating_add(1);
                continue;
            }
            let key = self.token(i).map(|t| t.text.clone()).unwrap_or_default();
            let next = i.saturating_add(1);
            let value = if self.mark(next, ":") || self.mark(next, "=>") {
                let (value, after) = self.expression(i.saturating_add(2), depth);
                i = after.max(i.saturating_add(2));
                value
            } else {
                let (value, after) = self.chain(i, depth);
                i = after.max(next);
                value
            };
            out.from |= value.from;
            out.size = out.size.saturating_add(value.size).saturating_add(1);
            if out.options.len() < 64 && out.size <= MAX_EXPRESSION {
                out.options.push((key, value));
            }
            while i < limit && !self.mark(i, ",") {
                i = match self.close.get(&i) {
                    Some(&end) => end.saturating_add(1),
                    None => i.saturating_add(1),
                };
            }
            i = i.saturating_add(1);
        }
        out
    }

    /// What stands between brackets, separated by commas.
    fn arguments(&mut self, open: usize, end: usize, depth: usize) -> Vec<Val> {
        let mut out = Vec::new();
        let mut i = open.saturating_add(1);
        let limit = end.min(open.saturating_add(MAX_EXPRESSION));
        while i < limit && out.len() < 256 {
            if self.token(i).is_some_and(|t| t.kind == Kind::Line) {
                i = i.saturating_add(1);
                continue;
            }
            let (value, after) = self.expression(i, depth);
            out.push(value);
            i = after.max(i.saturating_add(1));
            while i < limit && !self.mark(i, ",") {
                i = match self.close.get(&i) {
                    Some(&end) => end.saturating_add(1),
                    None => i.saturating_add(1),
                };
            }
            i = i.saturating_add(1);
        }
        out
    }

    /// The arguments of a call without brackets.
    fn bare(&mut self, start: usize, depth: usize) -> (Vec<Val>, usize) {
        let mut out = Vec::new();
        let mut i = start;
        while out.len() < 64 {
            let (value, after) = self.expression(i, depth.saturating_add(1));
            out.push(value);
            if after <= i || !self.mark(after, ",") {
                return (out, after.max(i.saturating_add(1)));
            }
            i = after.saturating_add(1);
        }
        (out, i)
    }

    /// Replaces `$name` in a text by what is known of it.
    fn interpolate(&self, text: &str) -> Val {
        if !text.contains('$') || self.language == Language::JavaScript {
            return Val::text(text);
        }
        let mut out = Val::text("");
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (head, tail) = rest.split_at(at);
            let name_end = tail
                .bytes()
                .skip(1)
                .position(|b| !b.is_ascii_alphanumeric() && b != b'_' && b != b'{')
                .map_or(tail.len(), |n| n.saturating_add(1));
            let name = tail.get(..name_end).unwrap_or_default().replace('{', "");
            out = add(&out, &Val::text(head));
            if name.len() > 1 {
                out = add(&out, &self.vars.get(&name).cloned().unwrap_or_default());
            } else {
                out = add(&out, &Val::text("$"));
            }
            rest = tail.get(name_end..).unwrap_or_default();
            rest = rest.strip_prefix('}').unwrap_or(rest);
        }
        add(&out, &Val::text(rest))
    }

    fn call(&mut self, callee: &Val, args: &[Val], from: usize, to: usize) -> Val {
        let span = self.span(from, to);
        // PHP calls what a text names: `$f = "system"; $f("ls");`
        let named = callee.text.clone().filter(|text| {
            self.language == Language::Php
                && !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        let Some(name) = callee.name.clone().or(named) else {
            let bits = args.iter().fold(callee.from, |f, v| f | v.from);
            return effect::method(callee, args).unwrap_or_else(|| Val::unknown(bits));
        };
        let name = effect::canonical(self.language, &name);
        self.report(&name, args, span);
        effect::run(self, &name, args, span)
    }

    /// Matches a call against the catalogue.
    fn report(&mut self, name: &str, args: &[Val], span: Span) {
        if !self.table.speaks_of(name) {
            return;
        }
        let argument = |index: usize, name: &str, value: &Val| Argument {
            index,
            name: name.to_owned(),
            text: value.list.as_ref().map_or_else(
                || value.partial(),
                |l| {
                    let words: Vec<String> = l.iter().map(Val::partial).collect();
                    words.join(" ")
                },
            ),
            label: value.name.clone().unwrap_or_default(),
            many: false,
            temporary: false,
            from: value.from,
        };
        let mut arguments: Vec<Argument> = args
            .iter()
            .enumerate()
            .take(32)
            .map(|(i, v)| argument(i, "", v))
            .collect();
        for value in args {
            arguments.extend(
                value
                    .options
                    .iter()
                    .map(|(k, v)| argument(usize::MAX, k, v)),
            );
        }
        let fact = Fact {
            language: self.language,
            seen: Seen::Call,
            name,
            arguments,
        };
        for id in self.table.matching(&fact) {
            self.scope.report(id, span, None);
        }
    }

    fn builtin(&mut self, name: &str, span: Span) {
        if let Some(id) = self.table.builtin(name) {
            self.scope.report(id, span, None);
        }
    }
}

fn module_name(text: &str) -> String {
    let name = text.strip_prefix("node:").unwrap_or(text);
    match name {
        "fs-extra" | "graceful-fs" | "fs/promises" => "fs".into(),
        "rimraf" => "rimraf".into(),
        "cross-spawn" => "child_process.spawn".into(),
        other => other.to_owned(),
    }
}

/// Two values after each other.
fn add(left: &Val, right: &Val) -> Val {
    let from = left.from | right.from;
    if left.partial().len().saturating_add(right.partial().len()) > 8 << 10 {
        return Val::unknown(from);
    }
    Val {
        text: Some(left.partial() + &right.partial()),
        from,
        ..Val::default()
    }
}
