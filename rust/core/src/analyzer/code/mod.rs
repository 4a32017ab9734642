//! What program code would do, by its syntax tree.

use super::{Language, Scope};
use crate::detector::{Catalog, CatalogError};

/// The compiled code detectors.
#[derive(Debug, Default)]
pub struct CodeAnalyzer {}

impl CodeAnalyzer {
    /// Compiles the entries of kind `code`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(_catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// Reports what `text` would do if an interpreter of `language` ran it.
    pub fn analyze(&self, _text: &str, _language: Language, _scope: &mut Scope<'_>) {}
}
