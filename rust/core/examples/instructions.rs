//! Judges each frame of a file a few times, for callgrind, which is told by a system call where
//! one frame ends and the next begins. Run by `benches/gate.py`.
//!
//! Arguments: a file of rules (JSON), a file of frames (one a line), how often to judge each.

#![expect(
    clippy::unwrap_used,
    reason = "a program for a gate that reads its exit code"
)]

use egress_guard_core::{
    audit::{self, Entry},
    detector::Catalog,
    frame,
    guard::{Context, Guard, Settings},
    redact,
    walk::{Document, ROOT},
};
use std::{collections::BTreeMap, hint::black_box, thread::yield_now};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let read = |at: usize| std::fs::read_to_string(args.get(at).unwrap()).unwrap();
    let rules = serde_json::from_str(&read(1)).unwrap();
    let frames = read(2);
    let rounds: usize = args.get(3).unwrap().parse().unwrap();
    let catalog = Catalog::embedded().unwrap().clone();
    let settings = Settings {
        rules,
        ..Settings::default()
    };
    let guard = Guard::new(catalog, settings).unwrap();
    yield_now();
    black_box(reference());
    yield_now();
    for frame in frames.lines() {
        // What is made when it is first needed is not what is counted.
        judge(&guard, frame);
        yield_now();
        (0..rounds).for_each(|_| judge(&guard, frame));
        yield_now();
    }
}

fn judge(guard: &Guard, frame: &str) {
    let document = Document::parse(frame.as_bytes(), &guard.settings.limits).unwrap();
    let message = frame::message(&document, ROOT).unwrap();
    let inspection = guard.inspect(&document, &message, &Context::default());
    if !inspection.redactions.is_empty() {
        black_box(redact::splice(frame.as_bytes(), &inspection.redactions));
    }
    black_box(audit::line(guard, &inspection, &Entry::default()));
}

/// Work that changes with the compiler alone: numbers into a tree and out of it.
fn reference() -> u32 {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    let mut state = 1_u32;
    for _ in 0..20_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = counts.entry(state >> 18).or_default();
        *count = count.saturating_add(1);
    }
    counts
        .iter()
        .map(|(number, count)| number.wrapping_mul(*count))
        .fold(0, u32::wrapping_add)
}
