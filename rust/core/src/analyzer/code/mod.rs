//! What program code would do, by its syntax tree and the values that reach its calls.
//!
//! `python` follows Python through a real parser; `script` reads the other languages by tokens. `detect` matches what was seen against the catalogue.

mod detect;
mod python;
mod script;
#[cfg(test)]
mod tests;

use super::{Language, Scope};
use crate::{
    detector::{Catalog, CatalogError},
    span::Span,
};

/// The compiled code detectors.
#[derive(Debug, Default)]
pub struct CodeAnalyzer {
    table: detect::Table,
}

impl CodeAnalyzer {
    /// Compiles the entries of kind `code`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self {
            table: detect::Table::new(catalog)?,
        })
    }

    /// Reports what `text` would do if an interpreter of `language` ran it. Text longer than
    /// [`crate::limits::Limits::code_bytes`] is an `engine.code-too-long`.
    pub fn analyze(&self, text: &str, language: Language, scope: &mut Scope<'_>) {
        if text.len() > scope.limits.code_bytes {
            scope.report_id("engine.code-too-long", Span::new(0, text.len()), None);
            return;
        }
        match language {
            Language::Python => python::analyze(&self.table, text, scope),
            Language::JavaScript
            | Language::Perl
            | Language::Ruby
            | Language::Php
            | Language::Lua
            | Language::Awk => script::analyze(&self.table, text, language, scope),
        }
    }
}
