//! Calls: functions of the text are run, what builds values is computed, the rest is reported.

use super::{
    compute, effect,
    interp::Interp,
    value::{Args, Kind, Named, Val, is_path, path},
};
use crate::{
    analyzer::{Scope, command::HOLE},
    span::Span,
};
use std::rc::Rc;

impl Interp<'_, '_, '_> {
    /// What calling `callee` gives; what it does is reported.
    pub(super) fn call(&mut self, callee: &Val, args: &Args, at: Span) -> Val {
        if !self.enter(at) {
            return Val::default();
        }
        let value = self.called_value(callee, args, at);
        self.leave();
        value
    }

    fn called_value(&mut self, callee: &Val, args: &Args, at: Span) -> Val {
        match &callee.kind {
            Kind::Any(all) => {
                let all = Rc::clone(all);
                all.iter()
                    .map(|v| self.call(v, args, at))
                    .reduce(Val::or)
                    .unwrap_or_default()
            }
            Kind::Func(index) => self.run(*index, None, args, at, false),
            Kind::Method(index, this) => {
                let this = this.as_ref().clone();
                self.run(*index, Some(this), args, at, false)
            }
            Kind::Class(class) => {
                let object: Val = Kind::Object(*class).into();
                for method in ["__new__", "__init__", "__post_init__"] {
                    if let Some(Kind::Func(index)) = self.member(*class, method).map(|v| v.kind) {
                        self.run(index, Some(object.clone()), args, at, false);
                    }
                }
                object
            }
            Kind::Object(class) => match self.member(*class, "__call__") {
                Some(_) => {
                    let method = self.attribute(callee, "__call__", at);
                    self.call(&method, args, at)
                }
                None => Val::unknown(args.from()),
            },
            Kind::Partial(inner) => {
                let mut all = inner.1.clone();
                all.pos.extend(args.pos.iter().cloned());
                all.kw.extend(args.kw.iter().cloned());
                self.call(&inner.0, &all, at)
            }
            Kind::Name(named) => {
                let named = Rc::clone(named);
                self.named_call(callee, &named, args, at)
            }
            _ => {
                self.hand_over("~", args, at);
                Val::unknown(callee.from | args.from())
            }
        }
    }

    fn named_call(&mut self, callee: &Val, named: &Named, args: &Args, at: Span) -> Val {
        let name = named.name.as_ref();
        if let Some(value) = self.reflect(named, args, at) {
            return value;
        }
        self.called(named, args, at);
        effect::run(self, named, args, at);
        self.hand_over(name, args, at);
        if let Some(value) = compute::function(name, args) {
            return value;
        }
        if let Some(receiver) = &named.receiver {
            let method = name.rsplit('.').next().unwrap_or_default();
            if let Some(value) = compute::method(receiver, method, args) {
                return value;
            }
            if is_path_value(receiver)
                && let Some(value) = compute::path_method(receiver, method, args)
            {
                return value;
            }
            // What returns its own object.
            if matches!(
                method,
                "__enter__" | "__aenter__" | "__iter__" | "copy" | "cursor" | "fileno"
            ) && !name.starts_with('~')
            {
                return receiver.clone();
            }
        }
        let mut bits = callee.from | args.from() | named.receiver.as_ref().map_or(0, |r| r.from);
        bits = effect::origin(name, args, named.receiver.as_ref(), bits);
        Val::made(name, named.receiver.clone(), args.clone(), bits)
    }

    /// Calls that give names: `getattr`, `__import__`, `vars`, `functools.partial` …
    fn reflect(&mut self, named: &Named, args: &Args, at: Span) -> Option<Val> {
        let first = args.pos.first();
        let second = args.pos.get(1);
        match named.name.as_ref() {
            "builtins.getattr"
            | "builtins.object.__getattribute__"
            | "builtins.type.__getattribute__"
            | "inspect.getattr_static" => {
                let base = first?.clone();
                let key = second?;
                let value = match key.known() {
                    Some(key) => {
                        let key = key.to_owned();
                        self.attribute(&base, &key, at)
                    }
                    None => self.hidden(&base),
                };
                Some(match args.pos.get(2) {
                    Some(default) if matches!(value.kind, Kind::Unknown) => default.clone(),
                    _ => value,
                })
            }
            "builtins.setattr" => {
                if let Some(Kind::Class(class) | Kind::Object(class)) = first.map(|f| &f.kind)
                    && let (Some(key), Some(value)) = (second?.known(), args.pos.get(2))
                    && let Some(class) = self.classes.get_mut(*class)
                {
                    class.members.insert(key.into(), value.clone());
                    return Some(Val::default());
                }
                None
            }
            "builtins.__import__"
            | "importlib.import_module"
            | "importlib.util.find_spec"
            | "pydoc.locate"
            | "pkgutil.resolve_name"
            | "imp.load_module"
            | "runpy.run_module" => {
                self.called(named, args, at);
                let module = args.get(0, &["name"])?;
                Some(match module.known() {
                    Some(module) => {
                        let module = module.replace(':', ".");
                        let head = if named.name.as_ref() == "builtins.__import__"
                            && args.named(&["fromlist"]).is_none()
                            && args.pos.len() < 4
                        {
                            module.split('.').next().unwrap_or_default().to_owned()
                        } else {
                            module
                        };
                        let (base, name) = head.rsplit_once('.').unwrap_or(("", &head));
                        self.dotted(base, name)
                    }
                    None => Val::name("(unknown)"),
                })
            }
            "builtins.globals" | "builtins.locals" => Some(Val::name(format!("{}()", named.name))),
            "builtins.vars" => Some(match first {
                Some(of) if matches!(of.kind, Kind::Class(_) | Kind::Object(_)) => Val::default(),
                _ => Val::made("builtins.vars", None, args.clone(), 0),
            }),
            "sys.modules.get" | "sys.modules.__getitem__" | "sys.modules.pop" => {
                let key = first?.known()?;
                Some(self.dotted("", key))
            }
            "os.environ.get"
            | "os.getenv"
            | "os.environ.pop"
            | "os.environ.__getitem__"
            | "os.environb.get"
            | "os.getenvb"
            | "os.environ.setdefault" => {
                self.called(named, args, at);
                Some(super::expr::environment(first.and_then(Val::known)))
            }
            "functools.partial" | "functools.partialmethod" => {
                let (callee, rest) = args.pos.split_first()?;
                Some(
                    Kind::Partial(Rc::new((
                        callee.clone(),
                        Args {
                            pos: rest.to_vec(),
                            kw: args.kw.clone(),
                        },
                    )))
                    .into(),
                )
            }
            "operator.attrgetter" | "operator.methodcaller" | "operator.itemgetter" => Some(
                Kind::Partial(Rc::new((
                    Val::name(format!("{}()", named.name)),
                    args.clone(),
                )))
                .into(),
            ),
            "operator.attrgetter()" => {
                let mut value = args.pos.get(1)?.clone();
                for part in first?.known()?.split('.').take(16) {
                    value = self.attribute(&value, part, at);
                }
                Some(value)
            }
            "operator.itemgetter()" => {
                let key = first?.clone();
                let base = args.pos.get(1)?.clone();
                Some(self.item(&base, &key, at))
            }
            "operator.methodcaller()" => {
                // The object comes last, behind what the method is given.
                let method = first?.known()?.to_owned();
                let (object, rest) = args.pos.get(1..)?.split_last()?;
                let callee = self.attribute(object, &method, at);
                let args = Args {
                    pos: rest.to_vec(),
                    kw: args.kw.clone(),
                };
                Some(self.call(&callee, &args, at))
            }
            "operator.call" => {
                let (callee, rest) = args.pos.split_first()?;
                let args = Args {
                    pos: rest.to_vec(),
                    kw: args.kw.clone(),
                };
                Some(self.call(callee, &args, at))
            }
            "operator.add" | "operator.concat" => Some(compute::binary(
                first?,
                ruff_python_ast::Operator::Add,
                second?,
            )),
            "operator.getitem" => {
                let (base, key) = (first?.clone(), second?.clone());
                Some(self.item(&base, &key, at))
            }
            "builtins.staticmethod"
            | "builtins.classmethod"
            | "builtins.property"
            | "functools.lru_cache"
            | "functools.cache"
            | "functools.wraps()"
            | "builtins.type"
            | "contextlib.contextmanager"
            | "functools.lru_cache()"
            | "typing.no_type_check"
            | "asyncio.coroutine"
            | "types.MethodType" => {
                let value = first?;
                if named.name.as_ref() == "builtins.type" {
                    return match value.kind {
                        Kind::Object(class) => Some(Kind::Class(class).into()),
                        _ => None,
                    };
                }
                matches!(
                    value.kind,
                    Kind::Func(_)
                        | Kind::Method(..)
                        | Kind::Name(_)
                        | Kind::Partial(_)
                        | Kind::Any(_)
                )
                .then(|| value.clone())
            }
            // `os.system.__call__("…")`.
            name if name.ends_with(".__call__") => {
                let receiver = named.receiver.as_ref()?.clone();
                Some(self.call(&receiver, args, at))
            }
            name if name.ends_with(".__getattribute__") || name.ends_with(".__getattr__") => {
                let receiver = named.receiver.as_ref()?.clone();
                let key = args.pos.last()?.clone();
                Some(match key.known() {
                    Some(key) => self.attribute(&receiver, key, at),
                    None => self.hidden(&receiver),
                })
            }
            name if name.ends_with(".__dict__.get")
                || name.ends_with(".__dict__.__getitem__")
                || name.ends_with(".__getitem__")
                || name == "builtins.globals().get"
                || name == "builtins.locals().get"
                || name == "builtins.vars().get" =>
            {
                let receiver = named.receiver.as_ref()?.clone();
                let key = first?.clone();
                match &receiver.kind {
                    Kind::Name(inner) => {
                        let inner = Rc::clone(inner);
                        Some(self.key(&receiver, &inner, &key, at))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// An attribute whose name is not known.
    fn hidden(&self, base: &Val) -> Val {
        match base.named() {
            Some(named) => self.dotted(&named.name, "(unknown)"),
            None => Val::unknown(base.from),
        }
    }

    /// Callables that are given to something which calls them.
    fn hand_over(&mut self, name: &str, args: &Args, at: Span) {
        let tail = name.rsplit('.').next().unwrap_or_default();
        let tail = tail.trim_end_matches("()");
        if matches!(
            tail,
            "help"
                | "print"
                | "type"
                | "hasattr"
                | "callable"
                | "isinstance"
                | "issubclass"
                | "id"
                | "repr"
                | "str"
                | "getsource"
                | "signature"
                | "getdoc"
                | "patch"
                | "object"
                | "setattr"
                | "delattr"
                | "Mock"
                | "MagicMock"
                | "dir"
                | "vars"
                | "partial"
                | "format"
                | "append"
                | "wraps"
                | "ismethod"
                | "iscoroutinefunction"
        ) {
            return;
        }
        for (i, value) in args.pos.iter().enumerate() {
            if !is_callable(value) {
                continue;
            }
            let rest = args.pos.get(i.saturating_add(1)..).unwrap_or_default();
            match tail {
                "map" | "imap" | "imap_unordered" | "filter" | "map_async" | "starmap"
                | "starmap_async" | "reduce" | "filterfalse" | "takewhile" | "dropwhile" => {
                    let lists: Vec<Vec<Val>> = rest.iter().map(|l| self.rounds(l, at)).collect();
                    let count = lists.iter().map(Vec::len).max().unwrap_or(0).min(16);
                    for round in 0..count {
                        let mut pos: Vec<Val> =
                            lists.iter().filter_map(|l| l.get(round).cloned()).collect();
                        if tail.starts_with("starmap")
                            && let Some(inner) = pos.first().and_then(compute::items)
                        {
                            pos = inner;
                        }
                        let args = Args {
                            pos,
                            kw: Vec::new(),
                        };
                        self.call(value, &args, at);
                    }
                }
                _ => {
                    // The caller gives what it knows: the arguments behind, a list of them, or none.
                    let list = args
                        .named(&["args", "kwds"])
                        .or_else(|| rest.last())
                        .filter(|l| matches!(l.kind, Kind::List(_)))
                        .and_then(compute::items);
                    let pos = match list {
                        Some(list) => list,
                        None => rest.to_vec(),
                    };
                    self.call(
                        value,
                        &Args {
                            pos,
                            kw: Vec::new(),
                        },
                        at,
                    );
                }
            }
        }
        for (key, value) in &args.kw {
            if is_callable(value)
                && matches!(
                    key.as_ref(),
                    "target"
                        | "func"
                        | "function"
                        | "callback"
                        | "fn"
                        | "key"
                        | "default"
                        | "preexec_fn"
                        | "initializer"
                        | "object_hook"
                        | "default_factory"
                )
            {
                let pos = args
                    .named(&["args", "initargs", "kwargs"])
                    .and_then(compute::items)
                    .unwrap_or_else(|| vec![Val::default()]);
                self.call(
                    value,
                    &Args {
                        pos,
                        kw: Vec::new(),
                    },
                    at,
                );
            }
        }
    }

    /// Runs text as Python with the names of this text.
    pub(super) fn python(&mut self, code: &Val, at: Span) {
        let Some(text) = code.known().map(ToOwned::to_owned) else {
            return;
        };
        let (table, names) = (self.table, self.names());
        self.scope.nested(at, |scope: &mut Scope<'_>| {
            super::run(table, &text, scope, names);
        });
    }
}

/// Functions that a detector would speak of, so that handing one over is calling it later.
fn is_callable(value: &Val) -> bool {
    match &value.kind {
        Kind::Name(named) => {
            let name = named.name.as_ref();
            !name.ends_with("()")
                && [
                    "os.",
                    "subprocess.",
                    "builtins.eval",
                    "builtins.exec",
                    "shutil.",
                    "pty.",
                    "pickle.load",
                    "builtins.compile",
                    "posix.",
                    "asyncio.create_subprocess",
                ]
                .iter()
                .any(|p| name.starts_with(p))
                && !name.starts_with("os.path")
                && !name.starts_with("os.environ")
                || is_path_method(named)
        }
        Kind::Partial(_) => true,
        _ => false,
    }
}

fn is_path_method(named: &Named) -> bool {
    named.receiver.as_ref().is_some_and(is_path_value)
        || named.name.starts_with("pathlib.Path.") && !named.name.ends_with("()")
}

fn is_path_value(value: &Val) -> bool {
    value.named().is_some_and(|n| is_path(&n.name)) && path(value).is_some()
}

/// A hole with an origin.
pub(super) fn hole(from: u16) -> Val {
    Val::tainted(HOLE.to_string(), from)
}
