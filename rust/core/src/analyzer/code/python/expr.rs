//! Evaluates expressions to abstract values.

use super::{
    compute,
    interp::{Body, Interp},
    names, span,
    value::{Args, Kind, Named, Val, from, path},
};
use crate::{analyzer::command::HOLE, span::Span};
use ruff_python_ast::{
    self as ast, Comprehension, Expr, FStringPart, InterpolatedStringElement, Number, UnaryOp,
};
use ruff_text_size::Ranged as _;
use std::rc::Rc;

impl<'a> Interp<'a, '_, '_> {
    /// The value of an expression; its calls are reported.
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Val {
        let at = span(expr.range());
        if !self.enter(at) {
            return Val::default();
        }
        let value = self.expression(expr, at);
        self.leave();
        value
    }

    fn expression(&mut self, expr: &'a Expr, at: Span) -> Val {
        match expr {
            Expr::Name(name) => self.name(name.id.as_str(), at),
            Expr::StringLiteral(literal) => Val::text(literal.value.to_str()),
            Expr::BytesLiteral(literal) => {
                let bytes: Vec<u8> = literal.value.bytes().collect();
                Val::text(match String::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(e) => e.into_bytes().iter().map(|&b| char::from(b)).collect(),
                })
            }
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => int.as_i64().map_or_else(Val::default, Val::int),
                _ => Val::default(),
            },
            Expr::BooleanLiteral(literal) => Val::int(i64::from(literal.value)),
            Expr::NoneLiteral(_) => Kind::Nothing.into(),
            Expr::EllipsisLiteral(_) => Val::default(),
            Expr::FString(literal) => {
                let mut out = String::new();
                let mut bits = 0;
                for part in &literal.value {
                    match part {
                        FStringPart::Literal(text) => out.push_str(&text.value),
                        FStringPart::FString(inner) => {
                            self.interpolated(inner.elements.iter(), &mut out, &mut bits);
                        }
                    }
                }
                Val::tainted(out, bits)
            }
            Expr::TString(literal) => {
                let (mut out, mut bits) = (String::new(), 0);
                for part in &literal.value {
                    self.interpolated(part.elements.iter(), &mut out, &mut bits);
                }
                Val::tainted(out, bits)
            }
            Expr::List(ast::ExprList { elts, .. })
            | Expr::Tuple(ast::ExprTuple { elts, .. })
            | Expr::Set(ast::ExprSet { elts, .. }) => {
                let mut items = Vec::new();
                for element in elts {
                    if let Expr::Starred(inner) = element {
                        let value = self.eval(&inner.value);
                        match compute::items(&value) {
                            Some(list) => items.extend(list),
                            None => items.push(Val::unknown(value.from)),
                        }
                    } else {
                        items.push(self.eval(element));
                    }
                    if items.len() > compute::MAX_ITEMS {
                        items.truncate(compute::MAX_ITEMS);
                    }
                }
                Val::list(items)
            }
            Expr::Dict(dict) => {
                let mut items = Vec::new();
                for item in &dict.items {
                    let value = self.eval(&item.value);
                    match &item.key {
                        Some(key) => {
                            let key = self.eval(key);
                            items.push((key, value));
                        }
                        None => match &value.kind {
                            Kind::Dict(inner) => items.extend(inner.iter().cloned()),
                            _ => items.push((Val::default(), Val::unknown(value.from))),
                        },
                    }
                }
                Val::dict(items)
            }
            Expr::BinOp(_) => self.chain(expr),
            Expr::BoolOp(bool_op) => bool_op
                .values
                .iter()
                .map(|v| self.eval(v))
                .collect::<Vec<_>>()
                .into_iter()
                .reduce(Val::or)
                .unwrap_or_default(),
            Expr::UnaryOp(unary) => {
                let value = self.eval(&unary.operand);
                match (unary.op, &value.kind) {
                    (UnaryOp::USub, Kind::Int(i)) => {
                        i.checked_neg().map_or_else(Val::default, Val::int)
                    }
                    (UnaryOp::Invert, Kind::Int(i)) => Val::int(!i),
                    (UnaryOp::Not, _) => value
                        .truth()
                        .map_or_else(Val::default, |t| Val::int(i64::from(!t))),
                    _ => Val::unknown(value.from),
                }
            }
            Expr::Compare(compare) => {
                let left = self.eval(&compare.left);
                let mut right = Val::default();
                for other in &compare.comparators {
                    right = self.eval(other);
                }
                match (&left.kind, &right.kind) {
                    (Kind::Object(_), _) => self.dunder(&left, &["__eq__", "__lt__"], right, at),
                    _ => Val::default(),
                }
            }
            Expr::If(test) => {
                self.eval(&test.test);
                let body = self.eval(&test.body);
                let other = self.eval(&test.orelse);
                body.or(other)
            }
            Expr::Named(named) => {
                let value = self.eval(&named.value);
                self.assign(&named.target, value.clone());
                value
            }
            Expr::Lambda(lambda) => {
                self.define(lambda.parameters.as_deref(), Body::Expr(&lambda.body))
            }
            Expr::ListComp(c) => self.comprehension(&c.generators, &[&c.elt], at),
            Expr::SetComp(c) => self.comprehension(&c.generators, &[&c.elt], at),
            Expr::Generator(c) => self.comprehension(&c.generators, &[&c.elt], at),
            Expr::DictComp(c) => match &c.key {
                Some(key) => self.comprehension(&c.generators, &[key, &c.value], at),
                None => self.comprehension(&c.generators, &[&c.value], at),
            },
            Expr::Await(inner) => self.eval(&inner.value),
            Expr::Yield(inner) => inner
                .value
                .as_ref()
                .map_or_else(Val::default, |v| self.eval(v)),
            Expr::YieldFrom(inner) => self.eval(&inner.value),
            Expr::Starred(inner) => self.eval(&inner.value),
            Expr::Call(call) => self.call_expression(call, at),
            Expr::Attribute(attribute) => {
                let base = self.eval(&attribute.value);
                let value = self.attribute(&base, attribute.attr.as_str(), at);
                if let Some(named) = value.named() {
                    let named = Rc::clone(named);
                    self.read(&named, at);
                }
                value
            }
            Expr::Subscript(subscript) => {
                let base = self.eval(&subscript.value);
                self.subscript(&base, &subscript.slice, at)
            }
            Expr::Slice(slice) => {
                for part in [&slice.lower, &slice.upper, &slice.step]
                    .into_iter()
                    .flatten()
                {
                    self.eval(part);
                }
                Val::default()
            }
            Expr::IpyEscapeCommand(escape) => self.escape(escape.kind, &escape.value, at),
        }
    }

    fn interpolated(
        &mut self,
        elements: impl Iterator<Item = &'a InterpolatedStringElement>,
        out: &mut String,
        bits: &mut u16,
    ) {
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(text) => out.push_str(&text.value),
                InterpolatedStringElement::Interpolation(inner) => {
                    let value = self.eval(&inner.expression);
                    if let Some(spec) = &inner.format_spec {
                        let (mut text, mut more) = (String::new(), 0);
                        self.interpolated(spec.elements.iter(), &mut text, &mut more);
                        if text == "c"
                            && let Kind::Int(code) = value.kind
                        {
                            let args = Args::one(Val::int(code));
                            let made = compute::function("builtins.chr", &args);
                            out.push_str(&made.unwrap_or_default().partial());
                            continue;
                        }
                    }
                    *bits |= value.from;
                    out.push_str(&value.partial());
                }
            }
        }
    }

    /// `a + b + c + …` without recursion on its left side.
    fn chain(&mut self, expr: &'a Expr) -> Val {
        let mut steps = Vec::new();
        let mut left = expr;
        while let Expr::BinOp(op) = left {
            steps.push(op);
            left = &op.left;
        }
        let mut value = self.eval(left);
        for op in steps.into_iter().rev() {
            let right = self.eval(&op.right);
            let at = span(op.range());
            value = if matches!(value.kind, Kind::Object(_)) {
                self.dunder(
                    &value,
                    &["__add__", "__mod__", "__or__", "__rshift__"],
                    right,
                    at,
                )
            } else {
                compute::binary(&value, op.op, &right)
            };
        }
        value
    }

    /// Runs what an operator would run on an object of this text.
    fn dunder(&mut self, value: &Val, methods: &[&str], with: Val, at: Span) -> Val {
        if let Kind::Object(class) = value.kind {
            for method in methods {
                if self.member(class, method).is_some() {
                    let method = self.attribute(value, method, at);
                    return self.call(&method, &Args::one(with), at);
                }
            }
        }
        Val::unknown(value.from | with.from)
    }

    fn comprehension(
        &mut self,
        generators: &'a [Comprehension],
        parts: &[&'a Expr],
        at: Span,
    ) -> Val {
        self.inner(|this| {
            let Some((first, rest)) = generators.split_first() else {
                return Val::default();
            };
            let items = this.eval(&first.iter);
            let known = compute::items(&items).filter(|_| !items.has(from::LISTING));
            let exact = known.is_some() && rest.is_empty() && first.ifs.is_empty();
            // A known list gives a known list, item by item.
            let rounds = match known {
                Some(list) if exact && !list.is_empty() => list,
                _ => this.rounds(&items, at),
            };
            let mut out = Vec::new();
            let mut pairs = Vec::new();
            for item in rounds {
                this.assign(&first.target, item);
                for test in &first.ifs {
                    this.eval(test);
                }
                for generator in rest {
                    let inner = this.eval(&generator.iter);
                    let item = this.rounds(&inner, at).into_iter().next();
                    this.assign(&generator.target, item.unwrap_or_default());
                    for test in &generator.ifs {
                        this.eval(test);
                    }
                }
                let values: Vec<Val> = parts.iter().map(|p| this.eval(p)).collect();
                match values.as_slice() {
                    [key, value] => pairs.push((key.clone(), value.clone())),
                    [value] => out.push(value.clone()),
                    _ => {}
                }
                if this.depth == 0 {
                    break;
                }
            }
            if parts.len() == 2 {
                Val::dict(pairs)
            } else if exact {
                Val::list(out)
            } else {
                let from = out.iter().fold(items.from, |f, v| f | v.from);
                Val::list(out).with(from)
            }
        })
    }

    pub(super) fn name(&mut self, name: &str, _at: Span) -> Val {
        if let Some(value) = self.find(name) {
            return value;
        }
        match name {
            "__builtins__" => return Val::name("builtins"),
            "__name__" => return Val::text("__main__"),
            "__file__" => return Val::text(HOLE.to_string()),
            "unichr" => return Val::name("builtins.chr"),
            "get_ipython" => return Val::name("IPython.get_ipython"),
            _ => {}
        }
        if names::is_builtin(name) {
            return self.dotted("builtins", name);
        }
        if names::is_module(name) {
            return Val::name(names::canonical(&format!("{name}.")).trim_end_matches('.'));
        }
        let stars: Vec<Val> = self
            .starred()
            .iter()
            .map(|module| self.dotted(module, name))
            .collect();
        if stars.is_empty() {
            Val::name(format!("~{name}"))
        } else {
            Val::any(stars)
        }
    }

    /// `base.name`, in its one spelling.
    pub(super) fn dotted(&self, base: &str, name: &str) -> Val {
        // `shutil.os`, `pathlib._os`: modules hold the modules that they import.
        if !base.is_empty() && !base.starts_with('~') && !base.contains('(') {
            match name {
                "os" | "_os" => return Val::name("os"),
                "sys" | "_sys" => return Val::name("sys"),
                "subprocess" if base != "asyncio" && base != "gevent" => {
                    return Val::name("subprocess");
                }
                "shutil" | "_shutil" => return Val::name("shutil"),
                "builtins" | "__builtin__" => return Val::name("builtins"),
                "importlib" => return Val::name("importlib"),
                _ => {}
            }
        }
        if base.is_empty() {
            return Val::name(name);
        }
        let whole = format!("{base}.{name}");
        Val::name(names::canonical(&whole).as_ref())
    }

    /// `base.name`.
    pub(super) fn attribute(&mut self, base: &Val, name: &str, at: Span) -> Val {
        match name {
            "__builtins__" | "f_builtins" => return Val::name("builtins"),
            "__globals__" | "f_globals" | "f_locals" | "func_globals" => {
                return Val::name("builtins.globals()");
            }
            _ => {}
        }
        match &base.kind {
            Kind::Any(all) => {
                let all = Rc::clone(all);
                Val::any(all.iter().map(|v| self.attribute(v, name, at)).collect())
            }
            Kind::Class(class) | Kind::Object(class) => {
                let is_object = matches!(base.kind, Kind::Object(_));
                match self.member(*class, name) {
                    Some(value) => match &value.kind {
                        Kind::Func(index) => {
                            let is_static = self.funcs.get(*index).is_none_or(|f| f.is_static);
                            if is_object && !is_static {
                                Kind::Method(*index, Rc::new(base.clone())).into()
                            } else {
                                value
                            }
                        }
                        Kind::Partial(inner) if inner.0.name_is("property") => {
                            let Some(Kind::Func(index)) = inner.1.pos.first().map(|v| &v.kind)
                            else {
                                return Val::default();
                            };
                            let index = *index;
                            self.run(index, Some(base.clone()), &Args::default(), at, false)
                        }
                        _ => value,
                    },
                    None => match self.member(*class, "__getattr__").map(|v| v.kind) {
                        Some(Kind::Func(index)) if is_object => {
                            let args = Args::one(Val::text(name));
                            self.run(index, Some(base.clone()), &args, at, false)
                        }
                        _ => Val::unknown(base.from),
                    },
                }
            }
            Kind::Name(named) => {
                if let Some(value) = compute::path_attribute(base, name) {
                    return value;
                }
                if named.name.as_ref() == "builtins.super()" {
                    return Val::unknown(base.from);
                }
                let made = self.dotted(&named.name, name);
                let Some(inner) = made.named() else {
                    return Val::unknown(base.from);
                };
                let mut bits = base.from;
                match inner.name.as_ref() {
                    "os.environ" | "os.environb" => bits |= from::SECRET | from::ENV,
                    "sys.argv" | "sys.stdin" => bits |= from::INPUT,
                    _ => {}
                }
                Val {
                    kind: Kind::Name(Rc::new(Named {
                        name: Rc::clone(&inner.name),
                        receiver: Some(base.clone()),
                        args: Args::default(),
                    })),
                    from: bits,
                }
            }
            Kind::Partial(inner) => match name {
                "func" => inner.0.clone(),
                "args" => Val::list(inner.1.pos.clone()),
                _ => Val::default(),
            },
            Kind::Text(_) | Kind::List(_) | Kind::Dict(_) | Kind::Int(_) | Kind::Unknown => {
                let kind = match base.kind {
                    Kind::Text(_) => "str",
                    Kind::List(_) => "list",
                    Kind::Dict(_) => "dict",
                    Kind::Int(_) => "int",
                    _ => "~",
                };
                Val {
                    kind: Kind::Name(Rc::new(Named {
                        name: format!("{kind}.{name}").into(),
                        receiver: Some(base.clone()),
                        args: Args::default(),
                    })),
                    from: base.from,
                }
            }
            Kind::Func(index) | Kind::Method(index, _) => match name {
                "__call__" | "__func__" | "__wrapped__" => Kind::Func(*index).into(),
                _ => Val::name(format!("~function.{name}")),
            },
            Kind::Nothing => Val::default(),
        }
    }

    fn subscript(&mut self, base: &Val, slice: &'a Expr, at: Span) -> Val {
        if let Expr::Slice(parts) = slice {
            let mut number = |part: &'a Option<Box<Expr>>| {
                part.as_ref().map(|p| match self.eval(p).kind {
                    Kind::Int(i) => Ok(i),
                    Kind::Nothing => Err(true),
                    _ => Err(false),
                })
            };
            let (lower, upper, step) = (
                number(&parts.lower),
                number(&parts.upper),
                number(&parts.step),
            );
            if [&lower, &upper, &step]
                .iter()
                .any(|p| matches!(p, Some(Err(false))))
            {
                return Val::unknown(base.from);
            }
            let plain = |p: Option<Result<i64, bool>>| p.and_then(Result::ok);
            if let Some(named) = base.named()
                && named.name.as_ref() == "sys.argv"
            {
                return Val::unknown(base.from);
            }
            return compute::slice(base, plain(lower), plain(upper), plain(step).unwrap_or(1));
        }
        let index = self.eval(slice);
        self.item(base, &index, at)
    }

    /// `base[index]`.
    pub(super) fn item(&mut self, base: &Val, index: &Val, at: Span) -> Val {
        if let Some(value) = compute::lookup(base, index) {
            return value;
        }
        match &base.kind {
            Kind::Any(all) => {
                let all = Rc::clone(all);
                Val::any(all.iter().map(|v| self.item(v, index, at)).collect())
            }
            Kind::Object(_) => self.dunder(base, &["__getitem__"], index.clone(), at),
            Kind::Class(_) => {
                let method = self.attribute(base, "__class_getitem__", at);
                self.call(&method, &Args::one(index.clone()), at)
            }
            Kind::Name(named) => {
                let named = Rc::clone(named);
                self.key(base, &named, index, at)
            }
            _ => Val::unknown(base.from),
        }
    }

    /// `name[key]` of something that is not defined in the text.
    pub(super) fn key(&mut self, base: &Val, named: &Named, index: &Val, at: Span) -> Val {
        let key = index.known();
        match named.name.as_ref() {
            "sys.modules" => match key {
                Some(module) => self.dotted("", module),
                None => Val::default(),
            },
            "builtins.globals()" | "builtins.locals()" | "builtins.vars()" => {
                // `vars(os)` gives the module's own names.
                let of = named.args.pos.first().and_then(Val::named).cloned();
                match (key, of) {
                    (Some(key), Some(of)) => self.dotted(&of.name, key),
                    (Some(key), None) => {
                        let key = key.to_owned();
                        self.name(&key, at)
                    }
                    (None, Some(of)) => self.dotted(&of.name, "(unknown)"),
                    (None, None) => Val::default(),
                }
            }
            "os.environ" | "os.environb" => environment(key),
            name if name.ends_with(".__dict__") => {
                let owner = name.trim_end_matches(".__dict__").to_owned();
                match key {
                    Some(key) => self.dotted(&owner, key),
                    None => self.dotted(&owner, "(unknown)"),
                }
            }
            // `plumbum.local["rm"]`.
            "plumbum.local" => match key {
                Some(program) => Val::name(format!("plumbum.cmd.{program}")),
                None => Val::default(),
            },
            // `builtins[…]` where `__builtins__` is a dictionary.
            "builtins" => match key {
                Some(key) => self.dotted("builtins", key),
                None => self.dotted("builtins", "(unknown)"),
            },
            name => {
                if path(base).is_some() {
                    return Val::unknown(base.from);
                }
                Val {
                    kind: Kind::Name(Rc::new(Named {
                        name: name.into(),
                        receiver: named.receiver.clone(),
                        args: named.args.clone(),
                    })),
                    from: base.from,
                }
            }
        }
    }

    fn call_expression(&mut self, call: &'a ast::ExprCall, at: Span) -> Val {
        let callee = match call.func.as_ref() {
            Expr::Attribute(attribute) => {
                let base = self.eval(&attribute.value);
                let value = self.attribute(&base, attribute.attr.as_str(), at);
                // `list.append` and its like change the variable.
                if let (Expr::Name(name), Kind::List(items)) =
                    (attribute.value.as_ref(), &base.kind)
                    && matches!(
                        attribute.attr.as_str(),
                        "append" | "extend" | "insert" | "add"
                    )
                {
                    let mut items = items.as_ref().clone();
                    let args = self.arguments(&call.arguments);
                    match attribute.attr.as_str() {
                        "extend" => items.extend(
                            args.pos
                                .first()
                                .and_then(compute::items)
                                .unwrap_or_else(|| vec![Val::unknown(args.from())]),
                        ),
                        "insert" => items.insert(0, args.pos.get(1).cloned().unwrap_or_default()),
                        _ => items.extend(args.pos.first().cloned()),
                    }
                    items.truncate(compute::MAX_ITEMS);
                    self.bind(name.id.as_str(), Val::list(items));
                    return Kind::Nothing.into();
                }
                value
            }
            other => self.eval(other),
        };
        let args = self.arguments(&call.arguments);
        self.call(&callee, &args, at)
    }

    fn arguments(&mut self, arguments: &'a ast::Arguments) -> Args {
        let mut args = Args::default();
        for arg in &arguments.args {
            if let Expr::Starred(inner) = arg {
                let value = self.eval(&inner.value);
                match compute::items(&value) {
                    Some(list) => args.pos.extend(list),
                    None => args.pos.push(Val::unknown(value.from)),
                }
            } else {
                let value = self.eval(arg);
                args.pos.push(value);
            }
        }
        for keyword in &arguments.keywords {
            let value = self.eval(&keyword.value);
            match &keyword.arg {
                Some(name) => args.kw.push((name.as_str().into(), value)),
                None => {
                    if let Kind::Dict(items) = &value.kind {
                        for (key, value) in items.iter() {
                            if let Some(key) = key.known() {
                                args.kw.push((key.into(), value.clone()));
                            }
                        }
                    } else {
                        args.kw.push(("**".into(), Val::unknown(value.from)));
                    }
                }
            }
        }
        args
    }
}

/// One variable of the environment.
pub(super) fn environment(key: Option<&str>) -> Val {
    match key {
        Some("HOME" | "USERPROFILE") => Val::text("~"),
        Some(key) if !is_secret_name(key) => Val::tainted(HOLE.to_string(), from::ENV),
        _ => Val::tainted(HOLE.to_string(), from::ENV | from::SECRET),
    }
}

/// Whether a variable of this name holds a credential.
fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    [
        "KEY",
        "TOKEN",
        "SECRET",
        "PASS",
        "PWD",
        "CRED",
        "AUTH",
        "DATABASE_URL",
        "DSN",
        "PRIVATE",
        "SESSION",
        "COOKIE",
        "CONNECTION_STRING",
    ]
    .iter()
    .any(|w| upper.contains(w))
        && upper != "PWD"
        && upper != "OLDPWD"
}
