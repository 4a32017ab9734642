//! `Gateway`: the HTTP data plane, started, reloaded and stopped from Python.

use crate::{approvals::Approvals, audit::AuditLog, guard::Guard};
use egress_guard_core::audit::{Entry, line};
use egress_guard_gateway::{self as gateway, GatewayError, Record, Recorder, config::Config};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::PyBytes,
};
use std::{
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Signals are looked at this often while `run` waits.
const TICK: Duration = Duration::from_millis(100);

/// Writes to the audit log; without one, nothing is kept.
struct Log {
    log: Option<Py<AuditLog>>,
    /// A decision that cannot be written down is not carried out.
    required: bool,
    policy_hash: Arc<Mutex<Arc<str>>>,
    /// Takes what is in the log, for `Gateway.events`.
    tap: Option<SyncSender<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

impl Recorder for Log {
    fn record(&self, record: &Record<'_>) -> bool {
        let Some(log) = &self.log else {
            return true;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanoseconds = now.map_or(0, |now| now.as_nanos());
        let policy_hash = Arc::clone(
            &self
                .policy_hash
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let entry = Entry {
            time_ns: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
            evaluation_ns: record.evaluation_ns,
            decision_id: &record.decided.decision_id,
            session_id: record.session,
            server: record.server,
            policy_hash: &policy_hash,
            traceparent: record.traceparent,
        };
        let line = line(&record.decided.guard, &record.decided.inspection, &entry);
        let Err(error) = log.get().log.append(&line) else {
            // A reader that is too slow costs events, never time.
            if let Some(tap) = &self.tap
                && tap.try_send(line).is_err()
            {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return true;
        };
        self.note(&format!("the audit log cannot be written: {error}"));
        !self.required
    }

    fn note(&self, text: &str) {
        // Nothing can be done about a closed stderr.
        let _ = writeln!(std::io::stderr(), "egress-guard: {text}");
    }
}

/// A reverse proxy for MCP over HTTP that judges every message. It serves from its construction on.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Gateway {
    inner: gateway::Gateway,
    policy_hash: Arc<Mutex<Arc<str>>>,
    approvals: Option<Arc<egress_guard_core::session::approval::Approvals>>,
    events: Option<Mutex<Receiver<Vec<u8>>>>,
    dropped: Arc<AtomicU64>,
}

#[pymethods]
impl Gateway {
    #[new]
    #[pyo3(signature = (config, guard, audit_log=None, *, policy_hash="", audit_required=true, approvals=None, events=0))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        config: &str,
        guard: &Guard,
        audit_log: Option<Py<AuditLog>>,
        policy_hash: &str,
        audit_required: bool,
        approvals: Option<&Approvals>,
        events: usize,
    ) -> PyResult<Self> {
        let guard = Arc::clone(&guard.inner);
        let policy_hash = Arc::new(Mutex::new(policy_hash.into()));
        let approvals = approvals.map(|approvals| Arc::clone(&approvals.inner));
        let (tap, events) = if events == 0 {
            (None, None)
        } else {
            let (tap, events) = sync_channel(events);
            (Some(tap), Some(Mutex::new(events)))
        };
        let dropped = Arc::new(AtomicU64::new(0));
        py.detach(|| {
            let config = Config::from_json(config).map_err(PyValueError::new_err)?;
            let recorder = Arc::new(Log {
                log: audit_log,
                required: audit_required,
                policy_hash: Arc::clone(&policy_hash),
                tap,
                dropped: Arc::clone(&dropped),
            });
            let inner = gateway::Gateway::start(config, guard, recorder, approvals.clone())
                .map_err(|error| {
                    if matches!(error, GatewayError::Config(_)) {
                        PyValueError::new_err(error.to_string())
                    } else {
                        PyOSError::new_err(error.to_string())
                    }
                })?;
            Ok(Self {
                inner,
                policy_hash,
                approvals,
                events,
                dropped,
            })
        })
    }

    /// Waits until the gateway has stopped. Python's signal handlers run meanwhile.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        while !py.detach(|| self.inner.wait(TICK)) {
            py.check_signals()?;
        }
        Ok(())
    }

    /// Judges what comes next by other rules.
    #[pyo3(signature = (guard, *, policy_hash=""))]
    fn reload(&self, guard: &Guard, policy_hash: &str) {
        *self
            .policy_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = policy_hash.into();
        if let Some(approvals) = &self.approvals {
            approvals.reload(policy_hash);
        }
        self.inner.reload(Arc::clone(&guard.inner));
    }

    /// The audit lines that were written since the last time, at most 1,000; waits so long for the
    /// first. Empty also where `events` was 0.
    fn events<'py>(&self, py: Python<'py>, seconds: f64) -> Vec<Bound<'py, PyBytes>> {
        let Some(events) = &self.events else {
            return Vec::new();
        };
        let lines: Vec<Vec<u8>> = py.detach(|| {
            let events = events.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let first = events.recv_timeout(wait).ok();
            let rest = std::iter::from_fn(|| events.try_recv().ok()).take(999);
            first.into_iter().chain(rest).collect()
        });
        lines.iter().map(|line| PyBytes::new(py, line)).collect()
    }

    /// How many lines did not fit between two calls of `events`.
    #[getter]
    fn events_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes no more connections and lets running requests end.
    fn stop(&self) {
        self.inner.stop();
    }

    /// Host and port that it listens on.
    #[getter]
    fn address(&self) -> (String, u16) {
        let address = self.inner.address();
        (address.ip().to_string(), address.port())
    }

    /// Host and port of the admin listener.
    #[getter]
    fn admin_address(&self) -> Option<(String, u16)> {
        let address = self.inner.admin_address()?;
        Some((address.ip().to_string(), address.port()))
    }
}
