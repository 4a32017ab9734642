//! The syntax tree of a shell script, as the interpreter walks it.

use crate::span::Span;
use std::rc::Rc;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Text; quoted text is neither split nor a pattern.
    Text { text: String, quoted: bool },
    /// `"…"`.
    Double(Vec<Part>),
    /// `$name`, `${name…}`.
    Param(Box<Param>),
    /// `$(…)` and backticks.
    Command(Rc<[Cmd]>),
    /// `<(…)` and `>(…)`; `true` for the first.
    Process(Rc<[Cmd]>, bool),
    /// `$((…))`.
    Arithmetic(Vec<Part>),
}

/// A parameter expansion.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Param {
    /// Name, digits or one special character.
    pub name: String,
    /// `[…]`, if any.
    pub index: Option<Word>,
    /// `${!name}`.
    pub indirect: bool,
    /// `${#name}`.
    pub length: bool,
    /// `:-`, `%`, `/`, `:` …; empty for none.
    pub op: &'static str,
    /// What follows the operator.
    pub arg: Word,
}

/// A word is what becomes one or more arguments.
pub(super) type Word = Vec<Part>;

/// `name=value`, `name+=value`, `name=(…)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Assign {
    pub name: String,
    pub index: Option<Word>,
    pub append: bool,
    pub values: Vec<Word>,
    pub array: bool,
}

/// Where a redirection goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// A file or descriptor.
    Word(Word),
    /// The here-document with this number, and its delimiter as a word.
    Here(usize, Word),
    /// `<<<`.
    HereString(Word),
}

/// A redirection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Redirect {
    /// Descriptor, if written.
    pub fd: Option<u32>,
    /// `<`, `>`, `>>`, `>&`, `&>`, `<<` …
    pub op: &'static str,
    pub target: Target,
}

/// A command of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cmd {
    Simple(Simple),
    Pipeline(Vec<Cmd>),
    Background(Box<Cmd>),
    /// `coproc`, with the name of its descriptors.
    Coproc(String, Box<Cmd>),
    /// What only may run: behind `&&` and `||`, and `if`.
    Maybe(Box<Cmd>),
    /// Group, subshell, `if`, `while`: everything in it may run. `true` for a subshell.
    Block(Rc<[Cmd]>, Vec<Redirect>, bool),
    /// `while`, `until` and `for ((…))` around their block.
    Loop(Box<Cmd>),
    For {
        name: String,
        words: Vec<Word>,
        body: Rc<[Cmd]>,
        redirects: Vec<Redirect>,
    },
    Case {
        subject: Word,
        patterns: Vec<Word>,
        body: Rc<[Cmd]>,
        redirects: Vec<Redirect>,
    },
    Function(String, Rc<[Cmd]>),
    /// `[[ … ]]` and `(( … ))`: only what is substituted in it runs. `true` for arithmetic.
    Test(Vec<Word>, bool),
}

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Simple {
    pub assigns: Vec<Assign>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    pub span: Span,
}

/// What the parser saw.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub commands: Vec<Cmd>,
    /// Bodies of here-documents, in order.
    pub here: Vec<Word>,
    /// bash would refuse it.
    pub broken: bool,
    /// Nested deeper than the bound.
    pub too_deep: bool,
    /// A control or invisible character outside quotes.
    pub control: bool,
}
