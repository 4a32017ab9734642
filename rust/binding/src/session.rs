//! `Session.receive`: one frame of a conversation in, what the transport does next out.

use crate::{guard::Guard, panics::caught};
use egress_guard_core::session::{self, Command, DenyResponse, Side};
use egress_guard_core::{audit, guard as core_guard};
use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::PyBytes,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// What a command asks of the transport; the numbers are named in `_core.pyi`.
const FORWARD_AS_IT_IS: u8 = 0;
const FORWARD: u8 = 1;
const REPLY: u8 = 2;
const AUDIT: u8 = 3;

struct State {
    session: session::Session,
    guard: Arc<core_guard::Guard>,
}

/// One conversation between a client and a server. Both directions may call from their threads.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Session {
    state: Mutex<State>,
    server: String,
    session_id: String,
    policy_hash: String,
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (guard, *, deny_response="tool_result", server="", session_id="", policy_hash=""))]
    fn new(
        guard: &Guard,
        deny_response: &str,
        server: &str,
        session_id: &str,
        policy_hash: &str,
    ) -> PyResult<Self> {
        let deny_response = match deny_response {
            "tool_result" => DenyResponse::ToolResult,
            "jsonrpc_error" => DenyResponse::JsonRpcError,
            _ => {
                return Err(PyValueError::new_err(
                    "deny_response is tool_result or jsonrpc_error",
                ));
            }
        };
        Ok(Self {
            state: Mutex::new(State {
                session: session::Session::new(Arc::clone(&guard.inner), deny_response),
                guard: Arc::clone(&guard.inner),
            }),
            server: server.into(),
            session_id: session_id.into(),
            policy_hash: policy_hash.into(),
        })
    }

    /// Judges by other rules from now on.
    fn reload(&self, guard: &Guard) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.session.reload(Arc::clone(&guard.inner));
        state.guard = Arc::clone(&guard.inner);
    }

    fn receive<'py>(
        &self,
        py: Python<'py>,
        side: u8,
        frame: &[u8],
        now_ns: u64,
    ) -> PyResult<Vec<(u8, Bound<'py, PyBytes>)>> {
        let from = if side == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let done = py.detach(|| {
            caught(|| {
                let start = Instant::now();
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let commands = state.session.receive(from, frame);
                let evaluation_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                commands
                    .into_iter()
                    .map(|command| match command {
                        Command::Forward(None) => (FORWARD_AS_IT_IS, Vec::new()),
                        Command::Forward(Some(bytes)) => (FORWARD, bytes),
                        Command::Reply(bytes) => (REPLY, bytes),
                        Command::Audit(inspection) => {
                            let entry = audit::Entry {
                                time_ns: now_ns,
                                evaluation_ns,
                                decision_id: "",
                                session_id: &self.session_id,
                                server: &self.server,
                                policy_hash: &self.policy_hash,
                            };
                            (AUDIT, audit::line(&state.guard, &inspection, &entry))
                        }
                    })
                    .collect::<Vec<_>>()
            })
        });
        let done = done.ok_or_else(|| PyRuntimeError::new_err("internal error"))?;
        Ok(done
            .into_iter()
            .map(|(kind, bytes)| (kind, PyBytes::new(py, &bytes)))
            .collect())
    }
}
