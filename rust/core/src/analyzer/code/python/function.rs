//! Functions and classes of the text: defined once, run at every call with its arguments.

use super::{
    interp::{Body, Class, Frame, Func, Interp, MAX_ACTIVE, MAX_CALLS, Names},
    value::{Args, Kind, Val},
};
use crate::span::Span;
use ruff_python_ast::{self as ast, Parameters};
use std::{mem, rc::Rc};

impl<'a, 's, 'e> Interp<'a, 's, 'e> {
    pub(super) fn closure(&self) -> Rc<Names> {
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

    pub(super) fn function(&mut self, s: &'a ast::StmtFunctionDef, at: Span) {
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

    pub(super) fn class(&mut self, s: &'a ast::StmtClassDef, at: Span) {
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
