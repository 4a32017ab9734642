//! What SQL statements would destroy or take out.

use super::Scope;
use crate::detector::{Catalog, CatalogError};

/// The compiled SQL detectors.
#[derive(Debug, Default)]
pub struct SqlAnalyzer {}

impl SqlAnalyzer {
    /// Compiles the entries of kind `sql`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(_catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// Reports what the statements of `text` would do.
    pub fn analyze(&self, _text: &str, _scope: &mut Scope<'_>) {}
}
