//! A search for literals that Python brings: one call a message, from whatever thread judges it.

use egress_guard_core::policy::content::LiteralSearch;
use pyo3::{prelude::*, types::PyBytes};
use std::sync::Arc;

/// A callable that takes the bytes and returns the indexes of the literals in them.
#[derive(Debug)]
struct Callable(Py<PyAny>);

impl LiteralSearch for Callable {
    fn search(&self, text: &[u8]) -> Option<Vec<u32>> {
        // No interpreter, an error of the callable, an odd answer: the built-in engine searches.
        Python::try_attach(|py| {
            let found = self.0.call1(py, (PyBytes::new(py, text),)).ok()?;
            found.extract(py).ok()
        })
        .flatten()
    }
}

/// What `make`, a callable, makes of the literals; `None` leaves them to the built-in engine.
///
/// # Errors
/// The text of the exception.
pub(crate) fn make(
    make: Option<&Py<PyAny>>,
    literals: &[String],
) -> Result<Option<Arc<dyn LiteralSearch>>, String> {
    let Some(make) = make else {
        return Ok(None);
    };
    let made = Python::try_attach(|py| {
        let made = make.call1(py, (literals.to_vec(),))?;
        Ok((!made.is_none(py)).then(|| Arc::new(Callable(made)) as Arc<dyn LiteralSearch>))
    });
    made.unwrap_or(Ok(None))
        .map_err(|error: PyErr| error.to_string())
}
