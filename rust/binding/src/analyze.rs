//! Single analyzers for `mcp_egress_guard.analyzers`, with the built-in detectors.

use crate::{
    guard::{decimal, strategy},
    panics::caught,
};
use egress_guard_core::{
    analyzer::{Analyzers, Language, Scope, command::Dialect, text::TextContext},
    detector::Catalog,
    guard::Settings,
    limits::Limits,
    policy::syntax::Strategy,
    redact,
};
use pyo3::{exceptions::PyRuntimeError, prelude::*};
use std::sync::LazyLock;

static BUILT_IN: LazyLock<Result<Analyzers, String>> = LazyLock::new(|| {
    let catalog = Catalog::embedded().map_err(ToString::to_string)?.clone();
    Analyzers::new(catalog, &Settings::default()).map_err(|e| e.to_string())
});

/// `(detector id, analyzer, finding type, description, risk, start, end, preview, detail)`.
pub(crate) type Row = (
    String,
    &'static str,
    String,
    String,
    f64,
    usize,
    usize,
    String,
    Option<String>,
);

fn run(
    py: Python<'_>,
    text: &str,
    analysis: impl FnOnce(&Analyzers, &mut Scope<'_>) + Send,
) -> PyResult<Vec<Row>> {
    let analyzers = BUILT_IN
        .as_ref()
        .map_err(|e| PyRuntimeError::new_err(e.clone()))?;
    run_with(py, analyzers, text, analysis)
}

fn run_with(
    py: Python<'_>,
    analyzers: &Analyzers,
    text: &str,
    analysis: impl FnOnce(&Analyzers, &mut Scope<'_>) + Send,
) -> PyResult<Vec<Row>> {
    py.detach(|| {
        let limits = Limits::default();
        let rows = caught(|| {
            let mut scope = Scope::new(analyzers, &limits);
            analysis(analyzers, &mut scope);
            scope
                .findings
                .into_iter()
                .filter_map(|finding| {
                    let source = analyzers.catalog.get(finding.detector)?;
                    let preview = redact::mask(
                        finding.span.of_str(text),
                        &source.finding_type,
                        Strategy::PartialMask,
                    );
                    Some((
                        source.id.clone(),
                        source.kind.analyzer(),
                        source.finding_type.clone(),
                        source.description.clone(),
                        decimal(finding.risk),
                        finding.span.start,
                        finding.span.end,
                        preview,
                        finding.detail.map(Into::into),
                    ))
                })
                .collect()
        });
        rows.ok_or_else(|| PyRuntimeError::new_err("internal error in an analyzer"))
    })
}

/// Secrets in a text.
#[pyfunction]
#[pyo3(signature = (text, name=None))]
pub(crate) fn analyze_text(py: Python<'_>, text: &str, name: Option<&str>) -> PyResult<Vec<Row>> {
    let analyzers = BUILT_IN
        .as_ref()
        .map_err(|e| PyRuntimeError::new_err(e.clone()))?;
    analyze_text_with(py, analyzers, text, name)
}

/// As [`analyze_text`], with the detectors of a guard.
pub(crate) fn analyze_text_with(
    py: Python<'_>,
    analyzers: &Analyzers,
    text: &str,
    name: Option<&str>,
) -> PyResult<Vec<Row>> {
    let context = TextContext {
        name,
        is_key: false,
    };
    run_with(py, analyzers, text, |analyzers, scope| {
        analyzers.text.scan(text, context, scope);
    })
}

/// What a shell command would do.
#[pyfunction]
pub(crate) fn analyze_command(py: Python<'_>, text: &str) -> PyResult<Vec<Row>> {
    run(py, text, |analyzers, scope| {
        analyzers.command.analyze(text, Dialect::Any, scope);
    })
}

/// What Python code would do.
#[pyfunction]
pub(crate) fn analyze_code(py: Python<'_>, text: &str) -> PyResult<Vec<Row>> {
    run(py, text, |analyzers, scope| {
        analyzers.code.analyze(text, Language::Python, scope);
    })
}

/// A masked form of a secret.
#[pyfunction]
#[pyo3(signature = (secret, finding_type, strategy_name="partial_mask"))]
pub(crate) fn mask(secret: &str, finding_type: &str, strategy_name: &str) -> PyResult<String> {
    Ok(redact::mask(secret, finding_type, strategy(strategy_name)?))
}
