//! Where data would go: hosts out of URLs and bare names.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError},
    guard::Settings,
    route::Flow,
    span::Span,
};

/// The compiled host detectors.
#[derive(Debug, Default)]
pub struct DestinationAnalyzer {}

/// A host named in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Lower case, IDN in ASCII form, no trailing dot, addresses in canonical form.
    pub host: String,
    /// Scheme in lower case; empty for a bare host.
    pub scheme: String,
    /// Port, if named.
    pub port: Option<u16>,
    /// Path and query, as written.
    pub path: String,
    /// Where it stands in the text.
    pub span: Span,
    /// Data goes to it; otherwise it comes from there.
    pub sends: bool,
}

impl DestinationAnalyzer {
    /// Compiles the entries of kind `destination`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(_catalog: &Catalog, _settings: &Settings) -> Result<Self, CatalogError> {
        Ok(Self {})
    }

    /// The hosts named in `text`, at most 1,000.
    #[must_use]
    pub fn hosts(&self, _text: &str) -> Vec<Destination> {
        Vec::new()
    }

    /// Reports the host's detectors (`paste_bin`, `file_sharing`, …), as data goes there.
    pub fn report(&self, destination: &Destination, scope: &mut Scope<'_>) {
        self.report_flow(destination, Flow::Send, scope);
    }

    /// The hosts that a command line speaks to by URL.
    #[must_use]
    pub fn of_command(&self, _text: &str) -> Vec<Destination> {
        Vec::new()
    }

    /// Reports the host's detectors by which way data goes.
    pub fn report_flow(&self, _destination: &Destination, _flow: Flow, _scope: &mut Scope<'_>) {}
}
