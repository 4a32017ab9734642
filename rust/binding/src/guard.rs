//! `Guard.inspect`: one JSON-RPC frame in, one judgement out.

use crate::{analyze, literals, panics::caught, settings};
use egress_guard_core::{
    frame::{self, Malformed},
    guard::{self, Around, Audited, Context, ENGINE_ERROR},
    policy::{Direction, Explanation, syntax::Strategy},
    redact,
    walk::{Document, ROOT},
};
use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyString},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Analyzers and rules, compiled; shared between threads and sessions.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Guard {
    pub(crate) inner: Arc<guard::Guard>,
}

#[pymethods]
impl Guard {
    #[new]
    #[pyo3(signature = (settings, literal_search=None))]
    fn new(py: Python<'_>, settings: &str, literal_search: Option<Py<PyAny>>) -> PyResult<Self> {
        let make = |literals: &[String]| literals::make(literal_search.as_ref(), literals);
        let built = py.detach(|| caught(|| settings::build(settings, &make)));
        match built {
            Some(Ok(inner)) => Ok(Self {
                inner: Arc::new(inner),
            }),
            Some(Err(message)) => Err(PyValueError::new_err(message)),
            None => Err(PyValueError::new_err("internal error while compiling")),
        }
    }

    #[pyo3(signature = (frame, environment=None, labels=None, response=false, *, server="", session_id="", time=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn inspect(
        &self,
        py: Python<'_>,
        frame: &[u8],
        environment: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        response: bool,
        server: &str,
        session_id: &str,
        time: Option<u64>,
    ) -> Inspection {
        let context = context(environment, labels, response, server, session_id, time);
        let guard = &self.inner;
        py.detach(|| {
            let start = Instant::now();
            let judged = caught(|| judge(guard, frame, &context));
            let (result, rewritten) = match judged {
                Some(Ok((inspection, rewritten))) => (Ok(inspection), rewritten),
                Some(Err(malformed)) => (Err(malformed.message), None),
                None => (Err("internal error".to_owned()), None),
            };
            Inspection {
                guard: Arc::clone(guard),
                result,
                rewritten,
                nanoseconds: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            }
        })
    }

    /// Why each rule matched or not, in the order of decision; `None` for what is no message.
    #[pyo3(signature = (frame, environment=None, labels=None, response=false, *, server="", session_id="", time=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn explain(
        &self,
        py: Python<'_>,
        frame: &[u8],
        environment: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        response: bool,
        server: &str,
        session_id: &str,
        time: Option<u64>,
    ) -> Option<Vec<ExplanationRow>> {
        let context = context(environment, labels, response, server, session_id, time);
        let guard = &self.inner;
        py.detach(|| {
            caught(|| {
                let document = Document::parse(frame, &guard.settings.limits).ok()?;
                let message = frame::message(&document, ROOT).ok()?;
                let (_, rows) = guard.explain(&document, &message, &context);
                let row = |e: Explanation| (e.rule, e.concerned, e.matched, e.conditions);
                Some(rows.into_iter().map(row).collect())
            })
            .flatten()
        })
    }

    /// Secrets in a text, by the guard's detectors.
    #[pyo3(signature = (text, name=None))]
    fn analyze_text(
        &self,
        py: Python<'_>,
        text: &str,
        name: Option<&str>,
    ) -> PyResult<Vec<analyze::Row>> {
        analyze::analyze_text_with(py, &self.inner.analyzers, text, name)
    }

    /// Ids of the rules, in load order.
    fn outline(&self, py: Python<'_>, command: &str) -> PyResult<String> {
        let guard = &self.inner;
        let outline = py.detach(|| {
            caught(|| {
                guard
                    .analyzers
                    .command
                    .outline(command, &guard.analyzers, &guard.settings.limits)
                    .to_string()
            })
        });
        outline.ok_or_else(|| PyRuntimeError::new_err("internal error in an analyzer"))
    }

    fn rule_ids(&self) -> Vec<String> {
        self.inner
            .policy
            .rules()
            .iter()
            .map(|r| r.id.clone())
            .collect()
    }
}

/// What is known of a message that comes alone; without `time` it is judged by the clock. Nothing that
/// comes of it is written to an audit log.
fn context(
    environment: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    response: bool,
    server: &str,
    session_id: &str,
    time: Option<u64>,
) -> Context {
    let around = Around::new(server, Arc::default());
    around.name(session_id);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    around.set_time(time.unwrap_or_else(|| now().map_or(0, |now| now.as_secs())));
    Context {
        direction: if response {
            Direction::Response
        } else {
            Direction::Request
        },
        environment,
        labels: labels.unwrap_or_default(),
        around: Arc::new(around),
        salt: None,
        audited: Audited::Never,
    }
}

/// Index of the rule, whether it is about such messages, whether it matched, and each condition.
type ExplanationRow = (usize, bool, bool, Vec<(String, bool)>);

type Judged = (guard::Inspection, Option<Vec<u8>>);

fn judge(guard: &guard::Guard, frame: &[u8], context: &Context) -> Result<Judged, Malformed> {
    let document = Document::parse(frame, &guard.settings.limits).map_err(Malformed::json)?;
    let message = frame::message(&document, ROOT)?;
    let inspection = guard.inspect(&document, &message, context);
    let rewritten =
        (!inspection.redactions.is_empty()).then(|| redact::splice(frame, &inspection.redactions));
    Ok((inspection, rewritten))
}

/// The judgement of one frame. Nothing is converted before it is asked for.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Inspection {
    guard: Arc<guard::Guard>,
    result: Result<guard::Inspection, String>,
    rewritten: Option<Vec<u8>>,
    nanoseconds: u64,
}

#[pymethods]
impl Inspection {
    #[getter]
    fn decision(&self) -> &'static str {
        self.result.as_ref().map_or("DENY", |i| i.decision.as_str())
    }

    /// What is done with the frame; differs from the decision in shadow mode.
    #[getter]
    fn enforced(&self) -> &'static str {
        self.result.as_ref().map_or("DENY", |i| i.enforced.as_str())
    }

    /// Id of the rule that decided; empty for the default decision.
    #[getter]
    fn rule_id(&self) -> &str {
        self.result
            .as_ref()
            .ok()
            .and_then(|i| self.guard.primary(i))
            .map_or("", |rule| &rule.id)
    }

    #[getter]
    fn policy_code(&self) -> &str {
        self.result
            .as_ref()
            .map_or(ENGINE_ERROR, |i| &i.policy_code)
    }

    #[getter]
    fn reason(&self) -> &str {
        match &self.result {
            Ok(inspection) => &inspection.reason,
            Err(message) => message,
        }
    }

    /// Why the frame is no JSON-RPC message; `None` for one that was judged.
    #[getter]
    fn malformed(&self) -> Option<&str> {
        self.result.as_ref().err().map(String::as_str)
    }

    #[getter]
    fn method(&self) -> &str {
        self.result.as_ref().map_or("", |i| &i.method)
    }

    #[getter]
    fn tool_name(&self) -> &str {
        self.result.as_ref().map_or("", |i| &i.tool_name)
    }

    #[getter]
    fn risk_score(&self) -> f64 {
        // Through the decimal form: 0.95 stays 0.95.
        let risk = self.result.as_ref().map_or(0.0, |i| i.risk_score);
        decimal(risk)
    }

    #[getter]
    fn shadow_mode(&self) -> bool {
        self.result.as_ref().is_ok_and(|i| i.shadow_mode)
    }

    /// Index of the rule that decided, in load order.
    #[getter]
    fn primary_rule(&self) -> Option<usize> {
        self.result.as_ref().ok()?.primary
    }

    /// Indexes of all rules that matched, best priority first.
    #[getter]
    fn matched_rules(&self) -> Vec<usize> {
        self.result
            .as_ref()
            .map(|i| i.matched.clone())
            .unwrap_or_default()
    }

    /// What a SIMULATE rule would have done, and the rule's index.
    #[getter]
    fn simulated(&self) -> Option<(&'static str, usize)> {
        let (decision, rule) = self.result.as_ref().ok()?.simulated?;
        Some((decision.as_str(), rule))
    }

    #[getter]
    fn findings(&self) -> Vec<Finding> {
        let Ok(inspection) = &self.result else {
            return Vec::new();
        };
        inspection
            .findings
            .iter()
            .enumerate()
            .map(|(at, finding)| Finding {
                guard: Arc::clone(&self.guard),
                inner: finding.clone(),
                allowed: inspection.allowed.iter().find(|a| a.0 == at).map(|a| a.1),
            })
            .collect()
    }

    #[getter]
    fn finding_count(&self) -> usize {
        self.result.as_ref().map_or(0, |i| i.findings.len())
    }

    #[getter]
    fn redaction_count(&self) -> usize {
        self.result.as_ref().map_or(0, |i| i.redactions.len())
    }

    /// The frame with its secrets masked; `None` where it stays as it is.
    #[getter]
    fn rewritten<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.rewritten.as_ref().map(|b| PyBytes::new(py, b))
    }

    #[getter]
    fn evaluation_ns(&self) -> u64 {
        self.nanoseconds
    }

    fn __repr__(&self) -> String {
        format!(
            "Inspection({}, {} findings)",
            self.decision(),
            self.finding_count()
        )
    }
}

/// What one detector saw. Holds no secret.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct Finding {
    pub(crate) guard: Arc<guard::Guard>,
    pub(crate) inner: egress_guard_core::finding::Finding,
    /// The entry of an allowlist that covers it.
    allowed: Option<usize>,
}

impl Finding {
    fn source(&self) -> Option<&egress_guard_core::detector::syntax::DetectorSource> {
        self.guard.analyzers.catalog.get(self.inner.detector)
    }
}

#[pymethods]
impl Finding {
    #[getter]
    fn detector_id(&self) -> &str {
        self.source().map_or("", |s| &s.id)
    }

    #[getter]
    fn analyzer(&self) -> &'static str {
        self.source().map_or("engine", |s| s.kind.analyzer())
    }

    #[getter]
    fn finding_type(&self) -> &str {
        self.source().map_or("engine_error", |s| &s.finding_type)
    }

    #[getter]
    fn name(&self) -> &str {
        self.source().map_or("", |s| &s.name)
    }

    #[getter]
    fn description(&self) -> &str {
        self.source().map_or("", |s| &s.description)
    }

    #[getter]
    fn remediation(&self) -> &str {
        self.source().map_or("", |s| &s.remediation)
    }

    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyString>> {
        self.source().map_or_else(Vec::new, |s| {
            s.tags.iter().map(|t| PyString::new(py, t)).collect()
        })
    }

    #[getter]
    fn risk_score(&self) -> f64 {
        decimal(self.inner.risk)
    }

    /// RFC 6901 pointer into the frame.
    #[getter]
    fn pointer(&self) -> &str {
        &self.inner.pointer
    }

    /// Bytes of the frame that carry it.
    #[getter]
    fn span(&self) -> (usize, usize) {
        (self.inner.span.start, self.inner.span.end)
    }

    /// The same place in the UTF-8 bytes of the string value.
    #[getter]
    fn text_span(&self) -> (usize, usize) {
        (self.inner.text_span.start, self.inner.text_span.end)
    }

    /// The masked match.
    #[getter]
    fn preview(&self) -> &str {
        &self.inner.preview
    }

    /// The id of the allowlist entry that hides it from the rules.
    #[getter]
    fn allowlist(&self) -> Option<&str> {
        self.allowed.map(|entry| self.guard.allowlists.id(entry))
    }

    /// What was recognised, in words that hold nothing of the input.
    #[getter]
    fn detail(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("Finding({} at {:?})", self.detector_id(), self.text_span())
    }
}

/// The decimal number that was meant: 0.95, not 0.949999988079071.
pub(crate) fn decimal(risk: f32) -> f64 {
    risk.to_string().parse().unwrap_or_default()
}

/// The strategy of this name.
pub(crate) fn strategy(name: &str) -> PyResult<Strategy> {
    serde_json::from_value(serde_json::Value::String(name.into()))
        .map_err(|_| PyValueError::new_err("unknown masking strategy"))
}
