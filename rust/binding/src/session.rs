//! `Session`: one frame of a conversation in, what the transport does next out.

use crate::{approvals::Approvals, guard::Guard, panics::caught};
use egress_guard_core::audit;
use egress_guard_core::session::{self, Command, DenyResponse, Side, Skim, approval::Outcome};
use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::PyBytes,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What a command asks of the transport; the numbers are named in `_core.pyi`.
const FORWARD_AS_IT_IS: u8 = 0;
const FORWARD: u8 = 1;
const REPLY: u8 = 2;
const AUDIT: u8 = 3;
const LOG: u8 = 4;
const HELD: u8 = 5;
const ANSWERED: u8 = 6;

/// A frame of up to this length is judged without giving the GIL away: handing it over and getting
/// it back costs more than the judgement.
const SHORT: usize = 4096;

type Commands<'py> = Vec<(u8, Bound<'py, PyBytes>)>;

/// One conversation between a client and a server. Both directions may call from their threads.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Session {
    inner: session::Session,
    server: String,
    session_id: String,
    policy_hash: Mutex<Arc<str>>,
    approvals: Option<Arc<session::approval::Approvals>>,
    /// Too long lines of the client and of the server, while they are skipped.
    skipped: [Mutex<Skim>; 2],
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (guard, *, nonce, deny_response="tool_result", server="", session_id="", policy_hash="", labels=None, approvals=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        guard: &Guard,
        nonce: &str,
        deny_response: &str,
        server: &str,
        session_id: &str,
        policy_hash: &str,
        labels: Option<std::collections::BTreeMap<String, String>>,
        approvals: Option<&Approvals>,
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
        let mut inner = session::Session::new(Arc::clone(&guard.inner), deny_response, nonce)
            .with_labels(labels.unwrap_or_default())
            .with_server(server, Arc::default());
        inner.around().name(session_id);
        let approvals = approvals.map(|approvals| Arc::clone(&approvals.inner));
        if let Some(approvals) = &approvals {
            inner = inner.with_approvals(Arc::clone(approvals), server.into());
            inner.set_name(session_id);
        }
        Ok(Self {
            inner,
            approvals,
            server: server.into(),
            session_id: session_id.into(),
            policy_hash: Mutex::new(policy_hash.into()),
            skipped: Default::default(),
        })
    }

    /// Judges by other rules from now on.
    #[pyo3(signature = (guard, *, policy_hash))]
    fn reload(&self, guard: &Guard, policy_hash: &str) {
        *self.hash() = policy_hash.into();
        if let Some(approvals) = &self.approvals {
            approvals.reload(policy_hash);
        }
        self.inner.reload(Arc::clone(&guard.inner));
    }

    /// Takes one frame, without its line end.
    fn receive<'py>(
        &self,
        py: Python<'py>,
        side: u8,
        frame: &[u8],
        now_ns: u64,
    ) -> PyResult<Commands<'py>> {
        self.run(py, frame.len() > SHORT, now_ns, |session| {
            session.around().set_time(now_ns / 1_000_000_000);
            session.receive(from(side), frame)
        })
    }

    /// Refuses the frame that was taken last.
    fn refuse<'py>(
        &self,
        py: Python<'py>,
        side: u8,
        frame: &[u8],
        why: &str,
    ) -> PyResult<Commands<'py>> {
        self.run(py, true, 0, |session| {
            session.refuse(from(side), frame, why)
        })
    }

    /// Takes a part of a line that is too long to be kept.
    fn skip(&self, py: Python<'_>, side: u8, part: &[u8]) {
        if let Some(skim) = self.skipped.get(usize::from(side)) {
            py.detach(|| {
                skim.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .feed(part);
            });
        }
    }

    /// The too long line has ended.
    fn skipped<'py>(&self, py: Python<'py>, side: u8) -> PyResult<Commands<'py>> {
        let line = self
            .skipped
            .get(usize::from(side))
            .map(|skim| std::mem::take(&mut *skim.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default();
        self.run(py, true, 0, |session| session.oversize(from(side), line))
    }

    /// Carries out what became of a question: the frame that waited, and the commands.
    fn settle<'py>(
        &self,
        py: Python<'py>,
        number: &str,
        outcome: &str,
        now_ns: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, Commands<'py>)> {
        let outcome = Outcome::of(outcome)
            .ok_or_else(|| PyValueError::new_err("no such outcome of a question"))?;
        let mut frame = Vec::new();
        let commands = self.run(py, false, now_ns, |session| {
            let settled = session.settle(number, outcome);
            frame = settled.frame;
            settled.commands
        })?;
        Ok((PyBytes::new(py, &frame), commands))
    }

    /// The questions that are not answered yet.
    fn unanswered(&self) -> Vec<String> {
        self.inner.unanswered()
    }

    /// How many requests of the client wait for an answer.
    fn waiting(&self) -> usize {
        self.inner.waiting()
    }

    /// The server has ended.
    fn server_gone<'py>(&self, py: Python<'py>) -> PyResult<Commands<'py>> {
        self.run(py, true, 0, session::Session::server_gone)
    }
}

impl Session {
    fn run<'py>(
        &self,
        py: Python<'py>,
        detach: bool,
        now_ns: u64,
        work: impl FnOnce(&session::Session) -> Vec<Command> + Send,
    ) -> PyResult<Commands<'py>> {
        let work = || {
            caught(|| {
                let start = Instant::now();
                let commands = work(&self.inner);
                let evaluation_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let mut all = Vec::with_capacity(commands.len());
                for command in commands {
                    self.plain(command, now_ns, evaluation_ns, &mut all);
                }
                all
            })
        };
        let done = if detach { py.detach(work) } else { work() };
        Ok(done
            .ok_or_else(|| PyRuntimeError::new_err("internal error"))?
            .into_iter()
            .map(|(kind, bytes)| (kind, PyBytes::new(py, &bytes)))
            .collect())
    }

    fn hash(&self) -> MutexGuard<'_, Arc<str>> {
        self.policy_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn plain(
        &self,
        command: Command,
        now_ns: u64,
        evaluation_ns: u64,
        all: &mut Vec<(u8, Vec<u8>)>,
    ) {
        let plain = match command {
            Command::Ask(question) => {
                // Held before it is sent: the answer may come at once.
                all.push((HELD, question.number.into_bytes()));
                (REPLY, question.frame)
            }
            Command::Answered(number, outcome) => (
                ANSWERED,
                format!("{} {number}", outcome.as_str()).into_bytes(),
            ),
            Command::Forward(None) => (FORWARD_AS_IT_IS, Vec::new()),
            Command::Forward(Some(bytes)) => (FORWARD, bytes),
            Command::Reply(bytes) => (REPLY, bytes),
            Command::Log(text) => (LOG, text.into_bytes()),
            Command::Audit(decided) => {
                let policy_hash = Arc::clone(&self.hash());
                let entry = audit::Entry {
                    time_ns: now_ns,
                    evaluation_ns,
                    decision_id: &decided.decision_id,
                    session_id: &self.session_id,
                    server: &self.server,
                    policy_hash: &policy_hash,
                    ..audit::Entry::default()
                };
                let line = audit::line(&decided.guard, &decided.inspection, &entry);
                (AUDIT, line)
            }
        };
        all.push(plain);
    }
}

fn from(side: u8) -> Side {
    if side == 0 {
        Side::Client
    } else {
        Side::Server
    }
}
