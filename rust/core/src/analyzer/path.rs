//! File paths that hold credentials or belong to the system.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId},
    route::Access,
    span::Span,
};

/// The compiled path detectors.
#[derive(Debug, Default)]
pub struct PathAnalyzer {}

impl PathAnalyzer {
    /// Compiles the entries of kind `path`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(_catalog: &Catalog) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// Which detector a path belongs to, after normalising `..`, `~`, `$HOME` and Windows forms.
    #[must_use]
    pub fn classify(&self, _path: &str) -> Option<DetectorId> {
        None
    }

    /// Reports a path that is an argument by itself.
    pub fn report(&self, path: &str, span: Span, scope: &mut Scope<'_>) {
        self.report_access(path, Access::Read, span, scope);
    }

    /// Reports a path by what is done with it.
    pub fn report_access(&self, _path: &str, _access: Access, _span: Span, _scope: &mut Scope<'_>) {
    }
}
