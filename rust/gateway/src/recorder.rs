//! Where decisions are written to, as far as this crate needs to know.

use egress_guard_core::session::Decided;

/// What is known of a decision beyond the judgement.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The judgement and its place in the log.
    pub decided: &'a Decided,
    /// Names the session without being its id; empty where there is none.
    pub session: &'a str,
    /// Name of the upstream.
    pub server: &'a str,
    /// Duration of the evaluation.
    pub evaluation_ns: u64,
    /// The header of this name, as it came; empty where there is none.
    pub traceparent: &'a str,
}

/// Writes one audit line before the message is forwarded or answered.
pub trait Recorder: Send + Sync {
    /// Whether the decision is on record. `false` refuses the message.
    fn record(&self, record: &Record<'_>) -> bool;

    /// Tells a person something that holds no part of a message.
    fn note(&self, text: &str);
}

/// Keeps no record.
#[derive(Clone, Copy, Debug)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn record(&self, _record: &Record<'_>) -> bool {
        true
    }

    fn note(&self, _text: &str) {}
}
