//! Counters for Prometheus. Labels come from fixed sets: no name that a peer chose is among them.

use egress_guard_core::decision::Decision;
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const DECISIONS: [Decision; 5] = [
    Decision::Allow,
    Decision::Deny,
    Decision::Redact,
    Decision::Escalate,
    Decision::Simulate,
];

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: AtomicU64,
    classes: [AtomicU64; 5],
    decisions: [AtomicU64; 5],
    judged: AtomicU64,
    judged_ns: AtomicU64,
    upstream_failures: AtomicU64,
    audit_failures: AtomicU64,
    engine_failures: AtomicU64,
    overload: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    pub(crate) fn answered(&self, status: u16) {
        add(&self.requests, 1);
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            add(counter, 1);
        }
    }

    pub(crate) fn decided(&self, decision: Decision) {
        let place = DECISIONS.iter().position(|&d| d == decision);
        if let Some(counter) = place.and_then(|p| self.decisions.get(p)) {
            add(counter, 1);
        }
    }

    pub(crate) fn judged(&self, taken: Duration) {
        add(&self.judged, 1);
        add(
            &self.judged_ns,
            u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    pub(crate) fn upstream_failure(&self) {
        add(&self.upstream_failures, 1);
    }

    pub(crate) fn audit_failure(&self) {
        add(&self.audit_failures, 1);
    }

    pub(crate) fn engine_failure(&self) {
        add(&self.engine_failures, 1);
    }

    pub(crate) fn overload(&self) {
        add(&self.overload, 1);
    }

    /// The text format of Prometheus.
    #[must_use]
    pub fn render(&self, running: usize, sessions: usize) -> String {
        let mut out = String::new();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        head(
            &mut out,
            "responses_total",
            "counter",
            "Answers by status class.",
        );
        for (class, counter) in self.classes.iter().enumerate() {
            let class = class.saturating_add(1);
            line(
                &mut out,
                "responses_total",
                &format!("{{class=\"{class}xx\"}}"),
                get(counter),
            );
        }
        head(
            &mut out,
            "decisions_total",
            "counter",
            "Enforced decisions.",
        );
        for (decision, counter) in DECISIONS.iter().zip(&self.decisions) {
            let label = format!("{{decision=\"{}\"}}", decision.as_str());
            line(&mut out, "decisions_total", &label, get(counter));
        }
        let judged = Duration::from_nanos(get(&self.judged_ns)).as_secs_f64();
        head(
            &mut out,
            "judge_seconds",
            "summary",
            "Time spent on judging frames.",
        );
        let _ = writeln!(out, "egress_guard_judge_seconds_sum {judged}");
        line(&mut out, "judge_seconds_count", "", get(&self.judged));
        for (name, help, value) in [
            ("requests_total", "Requests answered.", get(&self.requests)),
            (
                "upstream_failures_total",
                "Upstreams that gave no usable answer.",
                get(&self.upstream_failures),
            ),
            (
                "audit_failures_total",
                "Decisions that could not be recorded.",
                get(&self.audit_failures),
            ),
            (
                "engine_failures_total",
                "Frames that could not be judged.",
                get(&self.engine_failures),
            ),
            (
                "overload_total",
                "Requests refused for lack of room.",
                get(&self.overload),
            ),
        ] {
            head(&mut out, name, "counter", help);
            line(&mut out, name, "", value);
        }
        for (name, help, value) in [
            (
                "requests_running",
                "Requests and streams being served.",
                running,
            ),
            ("sessions", "Sessions remembered.", sessions),
        ] {
            head(&mut out, name, "gauge", help);
            line(&mut out, name, "", value as u64);
        }
        out
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP egress_guard_{name} {help}\n# TYPE egress_guard_{name} {kind}"
    );
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "egress_guard_{name}{labels} {value}");
}
