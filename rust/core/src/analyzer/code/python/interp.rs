//! Runs statements over abstract values: every branch once, every loop body once for each known item.

use super::{
    compute,
    magic::{self, Line},
    span,
    value::{Args, Kind, Named, Val, from},
};
use crate::{
    analyzer::{
        Scope,
        code::detect::{Argument, Fact, Seen, Table},
        command::Dialect,
    },
    span::Span,
};
use ruff_python_ast::{ExceptHandler, Expr, IpyEscapeKind, Parameters, Stmt};
use ruff_text_size::Ranged as _;
use std::{collections::HashMap, rc::Rc};

/// Deepest recursion over statements, expressions and calls together.
pub(super) const MAX_DEPTH: usize = 200;
/// Most evaluations of function bodies.
pub(super) const MAX_CALLS: usize = 256;
/// Deepest nesting of calls of the text's own functions.
pub(super) const MAX_ACTIVE: usize = 8;
/// Most items of a list for which a loop's body is run.
const MAX_ROUNDS: usize = 16;

/// Names with their values.
pub(super) type Names = Vec<(Rc<str>, Val)>;

/// What a function's body is.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Block(&'a [Stmt]),
    Expr(&'a Expr),
}

/// A function of the text.
pub(super) struct Func<'a> {
    pub params: Option<&'a Parameters>,
    pub defaults: Vec<(Rc<str>, Val)>,
    pub body: Body<'a>,
    /// Names of the functions around it, as they were.
    pub closure: Rc<Names>,
    /// Names of the class that it is defined in.
    pub class: Option<usize>,
    pub called: bool,
    pub active: bool,
    pub is_static: bool,
}

/// A class of the text.
#[derive(Default)]
pub(super) struct Class {
    pub members: HashMap<Rc<str>, Val>,
    pub bases: Vec<Val>,
}

/// Names of one function, or of the module.
#[derive(Default)]
pub(super) struct Frame {
    pub names: HashMap<Rc<str>, Val>,
    pub globals: Vec<Rc<str>>,
    pub returned: Vec<Val>,
}

/// Runs one text.
pub(super) struct Interp<'a, 's, 'e> {
    pub table: &'s Table,
    pub scope: &'s mut Scope<'e>,
    pub funcs: Vec<Func<'a>>,
    pub classes: Vec<Class>,
    pub frames: Vec<Frame>,
    pub stars: Vec<Rc<str>>,
    pub depth: usize,
    pub calls: usize,
    pub active: usize,
    /// In a branch: what is assigned is one of several.
    pub branches: usize,
    /// In a loop that does nothing else.
    pub tight: bool,
    /// What the text writes to files.
    pub files: HashMap<String, Val>,
    pub exhausted: bool,
}

impl<'a, 's, 'e> Interp<'a, 's, 'e> {
    pub(super) fn new(table: &'s Table, scope: &'s mut Scope<'e>, outer: Names) -> Self {
        let mut frame = Frame::default();
        frame.names.extend(outer);
        Self {
            table,
            scope,
            funcs: Vec::new(),
            classes: Vec::new(),
            frames: vec![frame],
            stars: Vec::new(),
            depth: 0,
            calls: 0,
            active: 0,
            branches: 0,
            tight: false,
            files: HashMap::new(),
            exhausted: false,
        }
    }

    /// Runs the module, then what it defines but never calls.
    pub(super) fn module(&mut self, body: &'a [Stmt]) {
        self.block(body);
        let mut index = 0_usize;
        while let Some(func) = self.funcs.get(index) {
            if !func.called {
                self.run(index, None, &Args::default(), Span::default(), true);
            }
            index = index.saturating_add(1);
        }
    }

    /// Reports what code found.
    pub(super) fn builtin(&mut self, name: &str, at: Span) {
        if let Some(id) = self.table.builtin(name) {
            self.scope.report(id, at, None);
        }
    }

    /// Takes one node from the budget and one level from the stack; `false` where either is used up.
    pub(super) fn enter(&mut self, at: Span) -> bool {
        if self.exhausted {
            return false;
        }
        if self.depth >= MAX_DEPTH {
            self.scope.report_id("engine.syntax-budget", at, None);
            return false;
        }
        if !self.scope.spend(1, at) {
            self.exhausted = true;
            return false;
        }
        self.depth = self.depth.saturating_add(1);
        true
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn block(&mut self, body: &'a [Stmt]) {
        for statement in body {
            let at = span(statement.range());
            if !self.enter(at) {
                return;
            }
            self.statement(statement, at);
            self.leave();
        }
    }

    /// Runs a body that may not run.
    pub(super) fn branch(&mut self, body: &'a [Stmt]) {
        self.branches = self.branches.saturating_add(1);
        self.block(body);
        self.branches = self.branches.saturating_sub(1);
    }

    pub(super) fn statement(&mut self, statement: &'a Stmt, at: Span) {
        match statement {
            Stmt::Expr(s) => {
                self.eval(&s.value);
            }
            Stmt::Assign(s) => {
                let value = self.eval(&s.value);
                for target in &s.targets {
                    self.assign(target, value.clone());
                }
            }
            Stmt::AugAssign(s) => {
                let left = self.eval(&s.target);
                let right = self.eval(&s.value);
                let value = compute::binary(&left, s.op, &right);
                self.assign(&s.target, value);
            }
            Stmt::AnnAssign(s) => {
                if let Some(value) = &s.value {
                    let value = self.eval(value);
                    self.assign(&s.target, value);
                }
                self.eval(&s.annotation);
            }
            Stmt::FunctionDef(s) => self.function(s, at),
            Stmt::ClassDef(s) => self.class(s, at),
            Stmt::Return(s) => {
                if let Some(value) = &s.value {
                    let value = self.eval(value);
                    if let Some(frame) = self.frames.last_mut() {
                        frame.returned.push(value);
                    }
                }
            }
            Stmt::Delete(s) => {
                for target in &s.targets {
                    if let Expr::Subscript(inner) = target {
                        self.eval(&inner.value);
                        self.eval(&inner.slice);
                    }
                }
            }
            Stmt::For(s) => {
                let items = self.eval(&s.iter);
                let rounds = self.rounds(&items, at);
                for item in rounds {
                    self.assign(&s.target, item);
                    self.branch(&s.body);
                }
                self.branch(&s.orelse);
            }
            Stmt::While(s) => {
                let test = self.eval(&s.test);
                let outer = self.tight;
                self.tight = test.truth() == Some(true)
                    && s.body
                        .iter()
                        .all(|b| matches!(b, Stmt::Expr(_) | Stmt::Pass(_)));
                self.branch(&s.body);
                self.tight = outer;
                self.branch(&s.orelse);
            }
            Stmt::If(s) => {
                self.eval(&s.test);
                self.branch(&s.body);
                for clause in &s.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.eval(test);
                    }
                    self.branch(&clause.body);
                }
            }
            Stmt::With(s) => {
                for item in &s.items {
                    let mut value = self.eval(&item.context_expr);
                    if matches!(value.kind, Kind::Object(_)) {
                        let entered = self.attribute(&value, "__enter__", at);
                        if !matches!(entered.kind, Kind::Unknown) {
                            value = self.call(&entered, &Args::default(), at);
                        }
                    }
                    if value.name_is("tempfile.TemporaryDirectory()") {
                        value = compute::function("tempfile.mkdtemp", &Args::default())
                            .unwrap_or_default();
                    }
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, value);
                    }
                }
                self.block(&s.body);
            }
            Stmt::Match(s) => {
                let subject = self.eval(&s.subject);
                for case in &s.cases {
                    self.pattern(&case.pattern, &subject);
                    if let Some(guard) = &case.guard {
                        self.eval(guard);
                    }
                    self.branch(&case.body);
                }
            }
            Stmt::Raise(s) => {
                for part in [&s.exc, &s.cause].into_iter().flatten() {
                    self.eval(part);
                }
            }
            Stmt::Try(s) => {
                self.block(&s.body);
                for ExceptHandler::ExceptHandler(handler) in &s.handlers {
                    if let Some(kind) = &handler.type_ {
                        self.eval(kind);
                    }
                    if let Some(name) = &handler.name {
                        self.bind(name.as_str(), Val::default());
                    }
                    self.branch(&handler.body);
                }
                self.branch(&s.orelse);
                self.block(&s.finalbody);
            }
            Stmt::Assert(s) => {
                self.eval(&s.test);
                if let Some(message) = &s.msg {
                    self.eval(message);
                }
            }
            Stmt::Import(s) => {
                for alias in &s.names {
                    let module = alias.name.as_str();
                    self.imported(module, span(alias.range));
                    match &alias.asname {
                        Some(name) => self.bind(name.as_str(), Val::name(module)),
                        None => {
                            let head = module.split('.').next().unwrap_or_default();
                            self.bind(head, Val::name(head));
                        }
                    }
                }
            }
            Stmt::ImportFrom(s) => {
                let module = s.module.as_ref().map_or("", |m| m.as_str());
                let module = if s.level > 0 {
                    format!("~{module}")
                } else {
                    module.to_owned()
                };
                self.imported(&module, at);
                for alias in &s.names {
                    let name = alias.name.as_str();
                    if name == "*" {
                        if self.stars.len() < 8 {
                            self.stars.push(module.as_str().into());
                        }
                        continue;
                    }
                    let whole = self.dotted(&module, name);
                    let bound = alias.asname.as_ref().map_or(name, |a| a.as_str());
                    if let Some(named) = whole.named() {
                        let named = Rc::clone(named);
                        self.read(&named, span(alias.range));
                        self.imported(&named.name, span(alias.range));
                    }
                    self.bind(bound, whole);
                }
            }
            Stmt::Global(s) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame
                        .globals
                        .extend(s.names.iter().map(|n| Rc::from(n.as_str())));
                }
            }
            Stmt::IpyEscapeCommand(s) => {
                self.escape(s.kind, &s.value, at);
            }
            Stmt::Nonlocal(_)
            | Stmt::TypeAlias(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_) => {}
        }
    }

    /// A line of a notebook that is not Python.
    pub(super) fn escape(&mut self, kind: IpyEscapeKind, text: &str, at: Span) -> Val {
        let line = match kind {
            IpyEscapeKind::Shell | IpyEscapeKind::ShCap => Line::Shell(text),
            IpyEscapeKind::Magic | IpyEscapeKind::Magic2 => magic::line(text),
            _ => Line::Nothing,
        };
        match line {
            Line::Shell(command) => {
                if !self.scope.spend(super::effect::COMMAND_NODES, at) {
                    return Val::default();
                }
                // `{name}` and `$name` of Python are unknown to a shell as well.
                let command = command.replace(['{', '}'], "");
                self.scope.nested(at, |scope| {
                    scope
                        .analyzers
                        .command
                        .analyze(&command, Dialect::Bash, scope);
                });
            }
            Line::Python(code) => {
                let code = Val::text(code);
                self.python(&code, at);
            }
            Line::Nothing => {}
        }
        Val::default()
    }

    /// For which items a loop's body is run.
    pub(super) fn rounds(&mut self, items: &Val, at: Span) -> Vec<Val> {
        if let Kind::Any(all) = &items.kind {
            let all = Rc::clone(all);
            return all
                .iter()
                .flat_map(|v| self.rounds(v, at))
                .take(MAX_ROUNDS)
                .collect();
        }
        if let Kind::Object(_) = items.kind {
            let method = self.attribute(items, "__iter__", at);
            self.call(&method, &Args::default(), at);
            return vec![Val::unknown(items.from)];
        }
        match compute::items(items) {
            Some(list) if list.is_empty() => vec![Val::unknown(items.from)],
            // A text is a listing of paths, of which it is the pattern.
            _ if items.has(from::LISTING) && matches!(items.kind, Kind::Text(_)) => {
                vec![items.clone()]
            }
            Some(list) => list.into_iter().take(MAX_ROUNDS).collect(),
            None if items.has(from::LISTING) => vec![items.clone()],
            None => vec![Val::unknown(items.from)],
        }
    }

    pub(super) fn imported(&mut self, module: &str, at: Span) {
        let fact = Fact {
            language: crate::analyzer::Language::Python,
            seen: Seen::Import,
            name: module,
            arguments: Vec::new(),
        };
        for id in self.table.matching(&fact) {
            self.scope.report(id, at, None);
        }
    }

    /// Reports what is read without a call.
    pub(super) fn read(&mut self, named: &Named, at: Span) {
        if named.name.starts_with('~') {
            return;
        }
        let fact = Fact {
            language: crate::analyzer::Language::Python,
            seen: Seen::Read,
            name: &named.name,
            arguments: Vec::new(),
        };
        for id in self.table.matching(&fact) {
            self.scope.report(id, at, None);
        }
    }

    /// Reports what is called.
    pub(super) fn called(&mut self, named: &Named, args: &Args, at: Span) {
        if !self.table.speaks_of(&named.name) {
            return;
        }
        let argument = |index: usize, name: &str, value: &Val| Argument {
            index,
            name: name.to_owned(),
            text: match &value.kind {
                Kind::List(items) => {
                    let words: Vec<String> = items.iter().take(64).map(Val::partial).collect();
                    words.join(" ")
                }
                Kind::Dict(items) if items.is_empty() => "{}".to_owned(),
                _ => value.partial(),
            },
            label: value
                .named()
                .filter(|n| !n.name.ends_with(')'))
                .map_or_else(String::new, |n| n.name.to_string()),
            many: value.has(from::LISTING),
            temporary: value.has(from::TEMPORARY),
            from: value.from,
        };
        let mut arguments: Vec<Argument> = args
            .pos
            .iter()
            .enumerate()
            .take(32)
            .map(|(i, v)| argument(i, "", v))
            .collect();
        arguments.extend(
            args.kw
                .iter()
                .take(32)
                .map(|(k, v)| argument(usize::MAX, k, v)),
        );
        if let Some(receiver) = &named.receiver {
            arguments.push(argument(usize::MAX, "self", receiver));
        }
        let fact = Fact {
            language: crate::analyzer::Language::Python,
            seen: Seen::Call,
            name: &named.name,
            arguments,
        };
        for id in self.table.matching(&fact) {
            self.scope.report(id, at, None);
        }
    }

    // Names
}
