//! A panic is a defect of the guard; its message may quote a call, so only its place is printed.

use std::{
    io::Write,
    panic::{self, AssertUnwindSafe},
};

/// Replaces the process's panic hook by one that prints no message.
pub(crate) fn hide_messages() {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!("{}:{}", l.file(), l.line()))
            .unwrap_or_default();
        // Nothing can be done about a closed stderr.
        let _ = writeln!(
            std::io::stderr(),
            "egress-guard: internal error at {place}; the call is refused"
        );
    }));
}

/// The value of `work`, or `None` where it panicked.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}
