//! What a shell command would do, by abstract interpretation of its syntax tree.
//!
//! `parse` makes the tree, `shell` walks it with abstract values (`value`, `expand`, `produce`),
//! `dispatch` and `wrapper` say what runs what, `flow` where data goes, `detect` matches each
//! command against the catalogue. Every loop is bounded by the text, every nesting by a number.

mod arithmetic;
mod builtins;
mod detect;
mod dispatch;
mod expand;
mod fetch;
mod flow;
mod hosts;
mod interpreter;
mod many;
#[cfg(test)]
mod oracle;
mod parse;
mod pattern;
mod place;
mod produce;
mod shell;
mod state;
mod strings;
mod syntax;
#[cfg(test)]
mod tests;
mod tools;
mod trace;
mod value;
mod vars;
mod windows;
mod wrapper;
mod written;

use super::{Analyzers, Scope};
use crate::{
    detector::{Catalog, CatalogError},
    limits::Limits,
    span::Span,
};
use shell::Shell;
use value::Value;

pub(super) use place::CLASSES;
pub(crate) use trace::Trace;
pub(super) use value::{HOLE, glob};

/// The classes of a path with holes, as bits of [`CLASSES`].
pub(super) fn class_bits(path: &str, glob: bool, temporary: bool) -> u32 {
    let value = Value {
        text: path.to_owned(),
        glob,
        from: if temporary { value::from::TEMPORARY } else { 0 },
    };
    place::classes(&value, None)
}

/// The compiled command detectors.
#[derive(Debug, Default)]
pub struct CommandAnalyzer {
    table: detect::Table,
}

/// Whose language a command is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// bash, and what it shares with POSIX shells.
    Bash,
    /// PowerShell.
    PowerShell,
    /// cmd.exe.
    Cmd,
    /// Unknown: decided by the text.
    Any,
}

impl CommandAnalyzer {
    /// Compiles the entries of kind `command`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        // The first command is not to wait for what all share.
        place::hints("");
        wrapper::inner("", &[]);
        Ok(Self {
            table: detect::Table::new(catalog)?,
        })
    }

    /// Reports what `text` would do if a shell ran it. Text longer than
    /// [`crate::limits::Limits::command_bytes`] is an `engine.command-too-long`.
    pub fn analyze(&self, text: &str, dialect: Dialect, scope: &mut Scope<'_>) {
        let mut shell = Shell::new(self);
        shell.span = Span::new(0, text.len());
        if text.len() > scope.limits.command_bytes {
            scope.report_id("engine.command-too-long", shell.span, None);
            return;
        }
        let powershell = dialect == Dialect::PowerShell
            || dialect == Dialect::Any && windows::is_powershell(text);
        let batch = dialect == Dialect::Cmd || dialect == Dialect::Any && windows::is_cmd(text);
        if powershell {
            windows::script(&mut shell, text, scope);
        }
        if batch {
            windows::batch(&mut shell, text, scope);
        }
        // What reads as PowerShell may still be run by bash: looked at, but not held to its grammar.
        if dialect != Dialect::PowerShell && dialect != Dialect::Cmd {
            shell.lenient = powershell || batch;
            shell.script(text, scope);
        }
    }

    /// What would run if a shell ran `text`, as a tree of steps with what is found at each; its
    /// form is described in the README. Secrets in it are masked.
    #[must_use]
    pub fn outline(&self, text: &str, analyzers: &Analyzers, limits: &Limits) -> serde_json::Value {
        let mut scope = Scope::new(analyzers, limits);
        scope.trace = Some(Box::default());
        self.analyze(text, Dialect::Any, &mut scope);
        scope.trace.unwrap_or_default().data(analyzers)
    }

    /// Reports what running this argument vector would do; no shell reads it.
    pub fn analyze_argv(&self, argv: &[&str], scope: &mut Scope<'_>) {
        let mut shell = Shell::new(self);
        let length = argv.iter().map(|a| a.len()).sum::<usize>();
        shell.span = Span::new(0, length);
        if length > scope.limits.command_bytes {
            scope.report_id("engine.command-too-long", shell.span, None);
            return;
        }
        let argv: Vec<Value> = argv.iter().map(|a| Value::known(*a)).collect();
        shell.dispatch(&argv, &[], scope);
    }
}
