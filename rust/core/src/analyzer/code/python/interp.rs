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
use ruff_python_ast::{self as ast, ExceptHandler, Expr, IpyEscapeKind, Parameters, Pattern, Stmt};
use ruff_text_size::Ranged as _;
use std::{collections::HashMap, mem, rc::Rc};

/// Deepest recursion over statements, expressions and calls together.
pub(super) const MAX_DEPTH: usize = 200;
/// Most evaluations of function bodies.
const MAX_CALLS: usize = 256;
/// Deepest nesting of calls of the text's own functions.
const MAX_ACTIVE: usize = 8;
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
    params: Option<&'a Parameters>,
    defaults: Vec<(Rc<str>, Val)>,
    body: Body<'a>,
    /// Names of the functions around it, as they were.
    closure: Rc<Names>,
    /// Names of the class that it is defined in.
    pub class: Option<usize>,
    called: bool,
    active: bool,
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
    names: HashMap<Rc<str>, Val>,
    globals: Vec<Rc<str>>,
    returned: Vec<Val>,
}

/// Runs one text.
pub(super) struct Interp<'a, 's, 'e> {
    pub table: &'s Table,
    pub scope: &'s mut Scope<'e>,
    pub funcs: Vec<Func<'a>>,
    pub classes: Vec<Class>,
    frames: Vec<Frame>,
    stars: Vec<Rc<str>>,
    pub depth: usize,
    calls: usize,
    active: usize,
    /// In a branch: what is assigned is one of several.
    branches: usize,
    /// In a loop that does nothing else.
    pub tight: bool,
    /// What the text writes to files.
    pub files: HashMap<String, Val>,
    exhausted: bool,
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
    fn branch(&mut self, body: &'a [Stmt]) {
        self.branches = self.branches.saturating_add(1);
        self.block(body);
        self.branches = self.branches.saturating_sub(1);
    }

    fn statement(&mut self, statement: &'a Stmt, at: Span) {
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

    fn imported(&mut self, module: &str, at: Span) {
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

    pub(super) fn bind(&mut self, name: &str, value: Val) {
        let branches = self.branches > 0;
        let global = self
            .frames
            .last()
            .is_some_and(|f| f.globals.iter().any(|g| g.as_ref() == name));
        let frame = if global {
            self.frames.first_mut()
        } else {
            self.frames.last_mut()
        };
        let Some(frame) = frame else {
            return;
        };
        if frame.names.len() > 4096 {
            return;
        }
        match frame.names.get_mut(name) {
            Some(slot) if branches => {
                let old = mem::take(slot);
                *slot = old.or(value);
            }
            Some(slot) => *slot = value,
            None => {
                frame.names.insert(name.into(), value);
            }
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Val> {
        self.frames
            .iter()
            .rev()
            .find_map(|f| f.names.get(name))
            .cloned()
    }

    /// The names of the module, for code that runs in it.
    pub(super) fn names(&self) -> Names {
        let mut out = Names::new();
        for frame in &self.frames {
            for (name, value) in &frame.names {
                if out.len() < 256
                    && matches!(value.kind, Kind::Name(_) | Kind::Text(_) | Kind::Int(_))
                {
                    out.push((Rc::clone(name), value.clone()));
                }
            }
        }
        out
    }

    pub(super) fn starred(&self) -> &[Rc<str>] {
        &self.stars
    }

    pub(super) fn assign(&mut self, target: &'a Expr, value: Val) {
        match target {
            Expr::Name(name) => self.bind(name.id.as_str(), value),
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                if !self.enter(span(target.range())) {
                    return;
                }
                let items = compute::items(&value);
                for (i, element) in elts.iter().enumerate() {
                    let item = items
                        .as_ref()
                        .and_then(|l| l.get(i))
                        .cloned()
                        .unwrap_or_else(|| Val::unknown(value.from));
                    self.assign(element, item);
                }
                self.leave();
            }
            Expr::Starred(inner) => self.assign(&inner.value, Val::unknown(value.from)),
            Expr::Attribute(inner) => {
                let base = self.eval(&inner.value);
                let name = inner.attr.as_str();
                let at = span(target.range());
                match base.kind {
                    Kind::Class(class) | Kind::Object(class) => {
                        if let Some(class) = self.classes.get_mut(class)
                            && class.members.len() < 1024
                        {
                            let slot = class.members.entry(name.into()).or_default();
                            let old = mem::take(slot);
                            *slot = if matches!(old.kind, Kind::Unknown) {
                                value
                            } else {
                                old.or(value)
                            };
                        }
                    }
                    Kind::Name(named) => {
                        let whole = self.dotted(&named.name, name);
                        if let Some(whole) = whole.named() {
                            let assigned = Named {
                                name: format!("{}.__set__", whole.name).into(),
                                receiver: None,
                                args: Args::default(),
                            };
                            self.called(&assigned, &Args::one(value), at);
                        }
                    }
                    _ => {}
                }
            }
            Expr::Subscript(inner) => {
                let base = self.eval(&inner.value);
                let key = self.eval(&inner.slice);
                if let Expr::Name(name) = inner.value.as_ref()
                    && let Kind::Dict(items) = &base.kind
                    && items.len() < compute::MAX_ITEMS
                {
                    let mut items = items.as_ref().clone();
                    items.push((key, value));
                    self.bind(name.id.as_str(), Val::dict(items));
                } else if let Some(named) = base.named() {
                    let assigned = Named {
                        name: format!("{}.__setitem__", named.name).into(),
                        receiver: None,
                        args: Args::default(),
                    };
                    let args = Args {
                        pos: vec![key, value],
                        kw: Vec::new(),
                    };
                    self.called(&assigned, &args, span(target.range()));
                }
            }
            _ => {}
        }
    }

    fn pattern(&mut self, pattern: &'a Pattern, subject: &Val) {
        if !self.enter(span(pattern.range())) {
            return;
        }
        match pattern {
            Pattern::MatchAs(p) => {
                if let Some(inner) = &p.pattern {
                    self.pattern(inner, subject);
                }
                if let Some(name) = &p.name {
                    self.bind(name.as_str(), subject.clone());
                }
            }
            Pattern::MatchOr(p) => {
                for inner in &p.patterns {
                    self.pattern(inner, subject);
                }
            }
            Pattern::MatchSequence(p) => {
                let items = compute::items(subject);
                for (i, inner) in p.patterns.iter().enumerate() {
                    let item = items.as_ref().and_then(|l| l.get(i)).cloned();
                    self.pattern(inner, &item.unwrap_or_default());
                }
            }
            Pattern::MatchMapping(p) => {
                for (key, inner) in p.keys.iter().zip(&p.patterns) {
                    let key = self.eval(key);
                    let item = compute::lookup(subject, &key).unwrap_or_default();
                    self.pattern(inner, &item);
                }
            }
            Pattern::MatchClass(p) => {
                for inner in &p.arguments.patterns {
                    self.pattern(inner, &Val::default());
                }
                for inner in &p.arguments.keywords {
                    self.pattern(&inner.pattern, &Val::default());
                }
            }
            Pattern::MatchStar(p) => {
                if let Some(name) = &p.name {
                    self.bind(name.as_str(), Val::unknown(subject.from));
                }
            }
            Pattern::MatchValue(p) => {
                self.eval(&p.value);
            }
            Pattern::MatchSingleton(_) => {}
        }
        self.leave();
    }

    // Functions and classes

    fn closure(&self) -> Rc<Names> {
        let mut names = Names::new();
        for frame in self.frames.iter().skip(1) {
            for (name, value) in &frame.names {
                if names.len() < 64 {
                    names.push((Rc::clone(name), value.clone()));
                }
            }
        }
        Rc::new(names)
    }

    /// Makes a function value.
    pub(super) fn define(&mut self, params: Option<&'a Parameters>, body: Body<'a>) -> Val {
        let mut defaults = Vec::new();
        if let Some(params) = params {
            for param in params
                .posonlyargs
                .iter()
                .chain(&params.args)
                .chain(&params.kwonlyargs)
            {
                if let Some(annotation) = &param.parameter.annotation {
                    self.eval(annotation);
                }
                if let Some(default) = &param.default {
                    let value = self.eval(default);
                    defaults.push((Rc::from(param.name().as_str()), value));
                }
            }
        }
        let func = Func {
            params,
            defaults,
            body,
            closure: self.closure(),
            class: None,
            called: false,
            active: false,
            is_static: false,
        };
        self.funcs.push(func);
        Kind::Func(self.funcs.len().saturating_sub(1)).into()
    }

    fn function(&mut self, s: &'a ast::StmtFunctionDef, at: Span) {
        let mut value = self.define(Some(&s.parameters), Body::Block(&s.body));
        for decorator in s.decorator_list.iter().rev() {
            let with = self.eval(&decorator.expression);
            let plain = with.named().map(|n| Rc::clone(&n.name));
            match plain.as_deref() {
                Some("builtins.staticmethod") => {
                    if let Kind::Func(index) = value.kind
                        && let Some(func) = self.funcs.get_mut(index)
                    {
                        func.is_static = true;
                    }
                }
                Some("builtins.property" | "functools.cached_property") => {
                    value =
                        Kind::Partial(Rc::new((Val::name("property"), Args::one(value)))).into();
                }
                _ => {
                    let made = self.call(&with, &Args::one(value.clone()), at);
                    // What decorators of libraries make still runs the function.
                    if matches!(
                        made.kind,
                        Kind::Func(_) | Kind::Partial(_) | Kind::Any(_) | Kind::Object(_)
                    ) {
                        value = made;
                    }
                }
            }
        }
        self.bind(s.name.as_str(), value);
    }

    fn class(&mut self, s: &'a ast::StmtClassDef, at: Span) {
        let index = self.classes.len();
        self.classes.push(Class::default());
        let mut bases = Vec::new();
        if let Some(arguments) = &s.arguments {
            for base in &arguments.args {
                bases.push(self.eval(base));
            }
            for keyword in &arguments.keywords {
                self.eval(&keyword.value);
            }
        }
        let first = self.funcs.len();
        self.frames.push(Frame::default());
        self.block(&s.body);
        let frame = self.frames.pop().unwrap_or_default();
        for func in self.funcs.iter_mut().skip(first) {
            func.class.get_or_insert(index);
        }
        if let Some(class) = self.classes.get_mut(index) {
            class.members = frame.names;
            class.bases = bases;
        }
        let mut value: Val = Kind::Class(index).into();
        for decorator in s.decorator_list.iter().rev() {
            let with = self.eval(&decorator.expression);
            let made = self.call(&with, &Args::one(value.clone()), at);
            if matches!(made.kind, Kind::Class(_)) {
                value = made;
            }
        }
        self.bind(s.name.as_str(), value);
    }

    /// A member of a class or of those that it is derived from.
    pub(super) fn member(&self, class: usize, name: &str) -> Option<Val> {
        let mut open = vec![class];
        let mut seen = 0_usize;
        while let Some(index) = open.pop() {
            seen = seen.saturating_add(1);
            if seen > 16 {
                return None;
            }
            let class = self.classes.get(index)?;
            if let Some(value) = class.members.get(name) {
                return Some(value.clone());
            }
            for base in class.bases.iter().rev() {
                match &base.kind {
                    Kind::Class(index) => open.push(*index),
                    Kind::Name(named) => {
                        // A derived class runs what its base defines elsewhere.
                        let made = Val::made(&named.name, None, Args::default(), 0);
                        if !named.name.starts_with('~') {
                            return Some(
                                self.dotted(made.named().map_or("", |n| n.name.as_ref()), name),
                            );
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// Runs a function with these arguments; all unknown where `blind`.
    pub(super) fn run(
        &mut self,
        index: usize,
        this: Option<Val>,
        args: &Args,
        at: Span,
        blind: bool,
    ) -> Val {
        let Some(func) = self.funcs.get_mut(index) else {
            return Val::default();
        };
        let class = func.class;
        func.called = true;
        self.calls = self.calls.saturating_add(1);
        if func.active || self.active >= MAX_ACTIVE {
            return Val::unknown(args.from());
        }
        if self.calls > MAX_CALLS && !blind {
            return Val::unknown(args.from());
        }
        func.active = true;
        let (params, body, closure) = (func.params, func.body, Rc::clone(&func.closure));
        let mut frame = Frame::default();
        frame.names.extend(closure.iter().cloned());
        frame.names.extend(func.defaults.iter().cloned());
        let this = this.or_else(|| {
            (blind && !func.is_static)
                .then_some(class)
                .flatten()
                .map(|c| Kind::Object(c).into())
        });
        let mut positional = this.into_iter().chain(args.pos.iter().cloned());
        if let Some(params) = params {
            for param in params.posonlyargs.iter().chain(&params.args) {
                let name: Rc<str> = param.name().as_str().into();
                if let Some(value) = positional.next() {
                    frame.names.insert(name, value);
                } else {
                    frame.names.entry(name).or_default();
                }
            }
            if let Some(rest) = &params.vararg {
                let rest_values: Vec<Val> = positional.collect();
                let value = if blind {
                    Val::default()
                } else {
                    Val::list(rest_values)
                };
                frame.names.insert(rest.name.as_str().into(), value);
            }
            for param in &params.kwonlyargs {
                frame.names.entry(param.name().as_str().into()).or_default();
            }
            let mut extra = Vec::new();
            for (name, value) in &args.kw {
                let known = params
                    .args
                    .iter()
                    .chain(&params.kwonlyargs)
                    .any(|p| p.name().as_str() == name.as_ref());
                if known || params.kwarg.is_none() {
                    frame.names.insert(Rc::clone(name), value.clone());
                } else {
                    extra.push((Val::text(Rc::clone(name)), value.clone()));
                }
            }
            if let Some(rest) = &params.kwarg {
                let value = if blind {
                    Val::default()
                } else {
                    Val::dict(extra)
                };
                frame.names.insert(rest.name.as_str().into(), value);
            }
        }
        self.frames.push(frame);
        self.active = self.active.saturating_add(1);
        let branches = mem::take(&mut self.branches);
        let mut out = Val::default();
        if self.enter(at) {
            match body {
                Body::Block(body) => self.block(body),
                Body::Expr(body) => out = self.eval(body),
            }
            self.leave();
        }
        self.branches = branches;
        self.active = self.active.saturating_sub(1);
        if let Some(func) = self.funcs.get_mut(index) {
            func.active = false;
        }
        let frame = self.frames.pop().unwrap_or_default();
        match body {
            Body::Expr(_) => out,
            Body::Block(_) => frame
                .returned
                .into_iter()
                .reduce(Val::or)
                .unwrap_or_default(),
        }
    }

    /// Runs a comprehension's or lambda's own scope.
    pub(super) fn inner<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.frames.push(Frame::default());
        let out = inside(self);
        self.frames.pop();
        out
    }
}
