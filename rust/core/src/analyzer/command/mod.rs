//! What a shell command would do, by abstract interpretation of its syntax tree.

use super::Scope;
use crate::detector::{Catalog, CatalogError};

/// The compiled command detectors.
#[derive(Debug, Default)]
pub struct CommandAnalyzer {}

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
    pub fn new(_catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// Reports what `text` would do if a shell ran it.
    pub fn analyze(&self, _text: &str, _dialect: Dialect, _scope: &mut Scope<'_>) {}

    /// Reports what running this argument vector would do; no shell reads it.
    pub fn analyze_argv(&self, _argv: &[&str], _scope: &mut Scope<'_>) {}
}
