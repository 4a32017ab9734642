//! `Approvals`: who decides about escalated calls, shared by all conversations of a process.

use egress_guard_core::session::approval::{self, Standing, Waiting, Way};
use egress_guard_gateway::{Register, Seal};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
};
use serde_json::json;
use std::sync::Arc;

/// Who decides about escalated calls.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Approvals {
    pub(crate) inner: Arc<approval::Approvals>,
}

/// A store written in Python.
struct Store(Py<PyAny>);

impl Register for Store {
    fn look_up(&self, call: &Waiting) -> Standing {
        let asked = Python::attach(|py| -> PyResult<(String, String)> {
            let call = json!({
                "key": call.key,
                "tool": call.tool,
                "server": call.server,
                "session": call.session,
                "rule_id": call.rule,
                "reason": call.reason,
                "findings": call.findings,
                "arguments": call.arguments,
            });
            self.0.bind(py).call1((call.to_string(),))?.extract()
        });
        match asked {
            Ok((standing, id)) => match standing.as_str() {
                "approved" => Standing::Approved(id),
                "waiting" => Standing::Waiting(id),
                "declined" => Standing::Declined(id),
                _ => Standing::Unavailable,
            },
            // Its message may quote the call.
            Err(_) => Standing::Unavailable,
        }
    }
}

#[pymethods]
impl Approvals {
    #[new]
    #[pyo3(signature = (way, *, seconds, policy_hash="", key=None, store=None))]
    fn new(
        way: &str,
        seconds: u64,
        policy_hash: &str,
        key: Option<&[u8]>,
        store: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let way = match way {
            "off" => Way::Off,
            "elicitation" => Way::Elicitation,
            "store" => Way::Store,
            _ => {
                return Err(PyValueError::new_err(
                    "approvals are off, elicitation or store",
                ));
            }
        };
        let store = store.map(|store| -> Box<dyn Register> { Box::new(Store(store)) });
        let seal = Seal::new(key, store).map_err(PyOSError::new_err)?;
        Ok(Self {
            inner: approval::Approvals::new(way, seconds, policy_hash, Box::new(seal)),
        })
    }
}
