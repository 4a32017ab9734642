//! Names: what assignments, patterns and loops bind, and what is found under a name.

use super::{
    compute,
    interp::{Interp, Names},
    span,
    value::{Args, Kind, Named, Val},
};
use ruff_python_ast::{self as ast, Expr, Pattern};
use ruff_text_size::Ranged as _;
use std::{mem, rc::Rc};

impl<'a, 's, 'e> Interp<'a, 's, 'e> {
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

    pub(super) fn pattern(&mut self, pattern: &'a Pattern, subject: &Val) {
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
}
