//! Has one frame judged: asks the session, records the decision, and says what to do.

use crate::{
    recorder::Record,
    sessions::Conversation,
    shared::{Route, Shared},
};
use egress_guard_core::{
    guard::Guard,
    session::{Command, Frame, Question, Side, approval::Outcome},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// Frames above this are judged beside the worker, so that small ones do not wait for them.
pub(crate) const LARGE: usize = 256 << 10;

/// What to do with a frame.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Let it through: as it came, or as written here.
    pub(crate) forward: Option<Option<Vec<u8>>>,
    /// Answers to the side that it came from.
    pub(crate) replies: Vec<Vec<u8>>,
    /// Held until a person has answered.
    pub(crate) question: Option<Question>,
}

/// Has a frame judged.
pub(crate) fn judge(
    shared: &Shared,
    route: &Route,
    conversation: &Conversation,
    guard: &Arc<Guard>,
    from: Side,
    frame: &Frame<'_>,
    traceparent: &str,
) -> Judged {
    let record = Some(traceparent);
    run(shared, route, conversation, guard, from, frame, record)
}

/// Has a part of a message judged beside it. It is on record only if it stops the message.
pub(crate) fn weigh(
    shared: &Shared,
    route: &Route,
    conversation: &Conversation,
    guard: &Arc<Guard>,
    frame: &[u8],
) -> Judged {
    let frame = &Frame::read(frame, &guard.settings.limits);
    run(
        shared,
        route,
        conversation,
        guard,
        Side::Client,
        frame,
        None,
    )
}

fn run(
    shared: &Shared,
    route: &Route,
    conversation: &Conversation,
    guard: &Arc<Guard>,
    from: Side,
    frame: &Frame<'_>,
    record: Option<&str>,
) -> Judged {
    let session = conversation.session(guard);
    let start = Instant::now();
    let commands = catch_unwind(AssertUnwindSafe(|| session.take(from, frame)));
    let taken = start.elapsed();
    shared.metrics.judged(taken);
    let Ok(commands) = commands else {
        shared.metrics.engine_failure();
        return Judged::of(session.refuse(from, frame.bytes, "internal error while judging"));
    };
    carry_out(
        shared,
        route,
        conversation,
        from,
        frame.bytes,
        commands,
        record,
        taken,
    )
}

/// What becomes of a call that waited for a person.
pub(crate) fn settle(
    shared: &Shared,
    route: &Route,
    conversation: &Conversation,
    number: &str,
    outcome: Outcome,
    traceparent: &str,
) -> Judged {
    let session = conversation.session(&shared.guard());
    let settled = session.settle(number, outcome);
    carry_out(
        shared,
        route,
        conversation,
        Side::Client,
        &settled.frame,
        settled.commands,
        Some(traceparent),
        Duration::ZERO,
    )
}

/// Records the decisions among the commands; without a record, the frame is refused.
#[expect(
    clippy::too_many_arguments,
    reason = "one place for all that is recorded"
)]
fn carry_out(
    shared: &Shared,
    route: &Route,
    conversation: &Conversation,
    from: Side,
    frame: &[u8],
    commands: Vec<Command>,
    record: Option<&str>,
    taken: Duration,
) -> Judged {
    let passes = commands.iter().any(|c| matches!(c, Command::Forward(None)));
    for command in &commands {
        match command {
            Command::Log(text) => shared.recorder.note(text),
            Command::Audit(decided) if record.is_some() || !passes => {
                shared.metrics.decided(decided.inspection.enforced);
                let entry = Record {
                    decided,
                    session: conversation.name(),
                    server: &route.name,
                    evaluation_ns: u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX),
                    traceparent: record.unwrap_or_default(),
                };
                if !shared.recorder.record(&entry) {
                    shared.metrics.audit_failure();
                    let why = "the decision could not be recorded";
                    let session = conversation.session(&shared.guard());
                    return Judged::of(session.refuse(from, frame, why));
                }
            }
            Command::Answered(number, outcome) => conversation.answer(number, *outcome),
            _ => {}
        }
    }
    Judged::of(commands)
}

impl Judged {
    fn of(commands: Vec<Command>) -> Self {
        let mut judged = Self::default();
        for command in commands {
            match command {
                Command::Forward(bytes) => judged.forward = Some(bytes),
                Command::Reply(frame) => judged.replies.push(frame),
                Command::Ask(question) => judged.question = Some(question),
                Command::Audit(_) | Command::Log(_) | Command::Answered(..) => {}
            }
        }
        judged
    }
}
