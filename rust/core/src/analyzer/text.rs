//! Secrets and other recognisable text. One pass for all literals, then anchored regexes.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError},
    guard::Settings,
};

/// The compiled text detectors.
#[derive(Debug, Default)]
pub struct TextAnalyzer {}

/// What surrounds a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextContext<'a> {
    /// Name of the argument or member that holds it.
    pub name: Option<&'a str>,
    /// The text is itself a member name.
    pub is_key: bool,
}

impl TextAnalyzer {
    /// Compiles the entries of kind `text`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(_catalog: &Catalog, _settings: &Settings) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// Reports every secret in `text`; spans cover the secret alone.
    pub fn scan(&self, _text: &str, _context: TextContext<'_>, _scope: &mut Scope<'_>) {}
}
