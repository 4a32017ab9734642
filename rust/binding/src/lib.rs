//! The extension module `mcp_egress_guard._core`: converts, releases the GIL, catches panics.
//!
//! A secret never crosses this border: findings carry a masked preview, and a panic is reported
//! without its message, which might quote the input.

mod analyze;
mod approvals;
mod audit;
mod bench;
mod gateway;
mod guard;
mod literals;
mod panics;
mod session;
mod settings;

use egress_guard_core::detector::Catalog;
use pyo3::{exceptions::PyRuntimeError, prelude::*};

/// The built-in rule packs as JSON: `[{"file": …, "text": …, "data": …}]`.
#[pyfunction]
fn builtin_packs() -> &'static str {
    egress_guard_core::policy::EMBEDDED_PACKS
}

/// The profiles that `init` writes, in the same form.
#[pyfunction]
fn builtin_profiles() -> &'static str {
    egress_guard_core::policy::EMBEDDED_PROFILES
}

/// The built-in detector files with examples and references as JSON: `[{"file": …, "data": …}]`.
#[pyfunction]
fn builtin_detector_files() -> PyResult<String> {
    egress_guard_core::detector::documented_json()
        .map_err(|e| PyRuntimeError::new_err(e.to_string()))
}

/// `(code, severity, category)` of every policy code.
#[pyfunction]
fn policy_codes() -> Vec<(&'static str, &'static str, &'static str)> {
    egress_guard_core::policy::code::CODES
        .iter()
        .map(|c| (c.code, c.severity, c.category))
        .collect()
}

/// `(id, kind, finding type, risk score, name, description, tags)` of every built-in detector.
#[pyfunction]
#[expect(
    clippy::type_complexity,
    reason = "a row for Python, named in the stub"
)]
fn detectors() -> PyResult<
    Vec<(
        String,
        &'static str,
        String,
        f32,
        String,
        String,
        Vec<String>,
    )>,
> {
    let catalog = Catalog::embedded().map_err(|e| PyRuntimeError::new_err(e.to_string()))?;
    Ok(catalog
        .iter()
        .map(|(_, d)| {
            (
                d.id.clone(),
                d.kind.analyzer(),
                d.finding_type.clone(),
                d.risk_score,
                d.name.clone(),
                d.description.clone(),
                d.tags.clone(),
            )
        })
        .collect())
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    panics::hide_messages();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<approvals::Approvals>()?;
    module.add_class::<gateway::Gateway>()?;
    module.add_class::<guard::Guard>()?;
    module.add_class::<guard::Inspection>()?;
    module.add_class::<guard::Finding>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<audit::AuditLog>()?;
    module.add_function(wrap_pyfunction!(audit::verify_log, module)?)?;
    module.add_function(wrap_pyfunction!(builtin_detector_files, module)?)?;
    module.add_function(wrap_pyfunction!(builtin_packs, module)?)?;
    module.add_function(wrap_pyfunction!(builtin_profiles, module)?)?;
    module.add_function(wrap_pyfunction!(policy_codes, module)?)?;
    module.add_function(wrap_pyfunction!(detectors, module)?)?;
    module.add_function(wrap_pyfunction!(analyze::analyze_text, module)?)?;
    module.add_function(wrap_pyfunction!(analyze::analyze_command, module)?)?;
    module.add_function(wrap_pyfunction!(analyze::analyze_code, module)?)?;
    module.add_function(wrap_pyfunction!(analyze::mask, module)?)?;
    module.add_function(wrap_pyfunction!(bench::calibrate, module)?)?;
    module.add_function(wrap_pyfunction!(bench::empty_call, module)?)?;
    module.add_function(wrap_pyfunction!(bench::measure_stage, module)?)?;
    module.add_function(wrap_pyfunction!(bench::profile, module)?)?;
    Ok(())
}
