//! What is known of a Python value: a text with holes, a dotted name, a list, a function …

use crate::analyzer::command::HOLE;
use std::rc::Rc;

/// Longest text that is tracked; beyond it a value is a hole.
const MAX_TEXT: usize = 64 << 10;
/// Longest dotted name; a longer chain says nothing.
const MAX_NAME: usize = 200;
/// Most values that one variable may have.
const MAX_ANY: usize = 8;

/// Where a value comes from, as bits.
pub(in super::super) mod from {
    /// Credentials, keys, the whole environment.
    pub(in super::super::super) const SECRET: u16 = 1;
    /// Downloaded, or read from a socket.
    pub(in super::super::super) const NETWORK: u16 = 2;
    /// Came out of a decoder.
    pub(in super::super::super) const DECODED: u16 = 4;
    /// A local file's content.
    pub(in super::super::super) const FILE: u16 = 8;
    /// Typed by a person, or given on the command line.
    pub(in super::super::super) const INPUT: u16 = 16;
    /// One variable of the environment.
    pub(in super::super::super) const ENV: u16 = 32;
    /// A socket or its descriptor.
    pub(in super::super::super) const SOCKET: u16 = 64;
    /// Below the temporary folder.
    pub(in super::super::super) const TEMPORARY: u16 = 128;
    /// Names out of a listing of a folder.
    pub(in super::super::super) const LISTING: u16 = 256;
    /// The names that detectors use for them, by bit.
    pub(in super::super::super) const NAMES: [&str; 9] = [
        "secret",
        "network",
        "decoded",
        "file",
        "input",
        "env",
        "socket",
        "temporary",
        "listing",
    ];
}

/// The arguments of a call.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Args {
    pub pos: Vec<Val>,
    pub kw: Vec<(Rc<str>, Val)>,
}

impl Args {
    pub(in super::super) fn one(value: Val) -> Self {
        Self {
            pos: vec![value],
            kw: Vec::new(),
        }
    }

    /// The argument at a position or under one of its names.
    pub(in super::super) fn get(&self, index: usize, names: &[&str]) -> Option<&Val> {
        self.pos.get(index).or_else(|| self.named(names))
    }

    pub(in super::super) fn named(&self, names: &[&str]) -> Option<&Val> {
        self.kw
            .iter()
            .find(|(k, _)| names.contains(&k.as_ref()))
            .map(|(_, v)| v)
    }

    pub(in super::super) fn from(&self) -> u16 {
        let pos = self.pos.iter().fold(0, |f, v| f | v.from);
        self.kw.iter().fold(pos, |f, (_, v)| f | v.from)
    }
}

/// A dotted name with what it was called with or taken from.
#[derive(Clone, Debug)]
pub(in super::super) struct Named {
    /// `os.system`, `pathlib.Path()`, `~cur.execute`: `()` is a call, `~` what is not defined here.
    pub name: Rc<str>,
    /// What an attribute was taken from.
    pub receiver: Option<Val>,
    /// What a call was given.
    pub args: Args,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) enum Kind {
    #[default]
    Unknown,
    /// Text or bytes (as Latin-1 or UTF-8), with holes.
    Text(Rc<str>),
    Int(i64),
    Nothing,
    Name(Rc<Named>),
    List(Rc<Vec<Val>>),
    Dict(Rc<Vec<(Val, Val)>>),
    /// A function of this text.
    Func(usize),
    /// A class of this text, or an object of it.
    Class(usize),
    Object(usize),
    /// A function of this text with its first argument.
    Method(usize, Rc<Val>),
    /// A callable with arguments given beforehand.
    Partial(Rc<(Val, Args)>),
    /// One of several.
    Any(Rc<Vec<Val>>),
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Val {
    pub kind: Kind,
    /// Bits of [`from`].
    pub from: u16,
}

impl From<Kind> for Val {
    fn from(kind: Kind) -> Self {
        Self { kind, from: 0 }
    }
}

impl Val {
    pub(in super::super) fn unknown(from: u16) -> Self {
        Self {
            kind: Kind::Unknown,
            from,
        }
    }

    pub(in super::super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::tainted(text, 0)
    }

    pub(in super::super) fn tainted(text: impl Into<Rc<str>>, from: u16) -> Self {
        let text: Rc<str> = text.into();
        if text.len() > MAX_TEXT {
            return Self::unknown(from);
        }
        Self {
            kind: Kind::Text(text),
            from,
        }
    }

    pub(in super::super) fn int(value: i64) -> Self {
        Kind::Int(value).into()
    }

    pub(in super::super) fn name(name: impl Into<Rc<str>>) -> Self {
        let name: Rc<str> = name.into();
        if name.len() > MAX_NAME {
            return Self::default();
        }
        Kind::Name(Rc::new(Named {
            name,
            receiver: None,
            args: Args::default(),
        }))
        .into()
    }

    /// What a call of `name` gives.
    pub(in super::super) fn made(name: &str, receiver: Option<Val>, args: Args, from: u16) -> Self {
        if name.len() > MAX_NAME {
            return Self::unknown(from);
        }
        Self {
            kind: Kind::Name(Rc::new(Named {
                name: format!("{name}()").into(),
                receiver,
                args,
            })),
            from,
        }
    }

    pub(in super::super) fn list(items: Vec<Self>) -> Self {
        let from = items.iter().fold(0, |f, v| f | v.from);
        Self {
            kind: Kind::List(Rc::new(items)),
            from,
        }
    }

    pub(in super::super) fn dict(items: Vec<(Self, Self)>) -> Self {
        let from = items.iter().fold(0, |f, (k, v)| f | k.from | v.from);
        Self {
            kind: Kind::Dict(Rc::new(items)),
            from,
        }
    }

    /// One of several; equal shapes are not told apart.
    pub(in super::super) fn any(mut items: Vec<Self>) -> Self {
        items.truncate(MAX_ANY);
        match items.len() {
            0 => Self::default(),
            1 => items.pop().unwrap_or_default(),
            _ => {
                let from = items.iter().fold(0, |f, v| f | v.from);
                Self {
                    kind: Kind::Any(Rc::new(items)),
                    from,
                }
            }
        }
    }

    /// This value or that one.
    pub(in super::super) fn or(self, other: Self) -> Self {
        let mut items = self.alternatives();
        for item in other.alternatives() {
            if !items.iter().any(|i| i.same(&item)) {
                items.push(item);
            }
        }
        Self::any(items)
    }

    fn same(&self, other: &Self) -> bool {
        self.from == other.from
            && match (&self.kind, &other.kind) {
                (Kind::Unknown, Kind::Unknown) | (Kind::Nothing, Kind::Nothing) => true,
                (Kind::Text(a), Kind::Text(b)) => a == b,
                (Kind::Int(a), Kind::Int(b)) => a == b,
                (Kind::Name(a), Kind::Name(b)) => a.name == b.name && Rc::ptr_eq(a, b),
                (Kind::Func(a), Kind::Func(b))
                | (Kind::Class(a), Kind::Class(b))
                | (Kind::Object(a), Kind::Object(b)) => a == b,
                _ => false,
            }
    }

    pub(in super::super) fn alternatives(&self) -> Vec<Self> {
        match &self.kind {
            Kind::Any(items) => items.as_ref().clone(),
            _ => vec![self.clone()],
        }
    }

    pub(in super::super) fn with(mut self, from: u16) -> Self {
        self.from |= from;
        self
    }

    pub(in super::super) const fn has(&self, bits: u16) -> bool {
        self.from & bits != 0
    }

    /// The name, where the value is one.
    pub(in super::super) fn named(&self) -> Option<&Rc<Named>> {
        match &self.kind {
            Kind::Name(named) => Some(named),
            _ => None,
        }
    }

    pub(in super::super) fn name_is(&self, name: &str) -> bool {
        self.named().is_some_and(|n| n.name.as_ref() == name)
    }

    /// The text, complete.
    pub(in super::super) fn known(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) if !text.contains(HOLE) => Some(text),
            _ => None,
        }
    }

    /// The text with holes; a hole for what has none.
    pub(in super::super) fn partial(&self) -> String {
        match &self.kind {
            Kind::Text(text) => text.to_string(),
            Kind::Int(value) => value.to_string(),
            Kind::Nothing => "None".into(),
            Kind::Any(items) => items
                .iter()
                .find(|i| matches!(i.kind, Kind::Text(_)))
                .map_or_else(|| HOLE.into(), Self::partial),
            _ => path(self).unwrap_or_else(|| HOLE.into()),
        }
    }

    /// False for `0`, `False`, `None` and empty texts; unknown is `None`.
    pub(in super::super) fn truth(&self) -> Option<bool> {
        match &self.kind {
            Kind::Int(value) => Some(*value != 0),
            Kind::Nothing => Some(false),
            Kind::Text(text) => Some(!text.is_empty()),
            Kind::List(items) => Some(!items.is_empty()),
            _ => None,
        }
    }
}

/// The path that a value stands for, with holes.
pub(in super::super) fn path(value: &Val) -> Option<String> {
    let mut value = value;
    // `Path(Path(…))` is as deep as the text, and each level is one call of it.
    for _ in 0..16 {
        match &value.kind {
            Kind::Text(text) => return Some(text.to_string()),
            Kind::Name(named) if is_path(&named.name) => match named.args.pos.as_slice() {
                [] => return Some(".".into()),
                [one] => value = one,
                parts => {
                    let mut out = String::new();
                    for part in parts {
                        let text = match &part.kind {
                            Kind::Text(text) => text.to_string(),
                            _ => HOLE.into(),
                        };
                        out = join(&out, &text);
                    }
                    return Some(out);
                }
            },
            Kind::Name(named) if named.name.as_ref() == "builtins.open()" => {
                value = named.args.get(0, &["file"])?;
            }
            _ => return None,
        }
    }
    None
}

pub(in super::super) fn is_path(name: &str) -> bool {
    matches!(
        name,
        "pathlib.Path()"
            | "pathlib.PosixPath()"
            | "pathlib.WindowsPath()"
            | "pathlib.PurePath()"
            | "pathlib.PurePosixPath()"
            | "anyio.Path()"
            | "trio.Path()"
            | "aiopath.AsyncPath()"
            | "path.Path()"
    )
}

/// Joins as `os.path.join` does.
pub(in super::super) fn join(base: &str, next: &str) -> String {
    if base.is_empty() || next.starts_with('/') {
        next.to_owned()
    } else if base.ends_with('/') {
        format!("{base}{next}")
    } else {
        format!("{base}/{next}")
    }
}
