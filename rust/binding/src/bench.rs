//! What `egress-guard bench` measures inside the extension: stages, detectors, rules, the machine.

use crate::{guard::Guard, panics::caught};
use egress_guard_core::{
    analyzer::text::Part,
    guard::{
        Context,
        stages::{Stage, Subject},
    },
    policy::PolicyEngine,
    walk::Document,
};
use pyo3::{exceptions::PyValueError, prelude::*};
use std::{collections::HashMap, hint::black_box, time::Instant};

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of each of `count` runs of a stage, the clock's own time included; `None` where the
/// frame has nothing for the stage, or is no single message.
#[pyfunction]
pub(crate) fn measure_stage(
    py: Python<'_>,
    guard: &Guard,
    frame: &[u8],
    stage: &str,
    count: usize,
) -> PyResult<Option<Vec<u64>>> {
    let stage = Stage::parse(stage).ok_or_else(|| PyValueError::new_err("unknown stage"))?;
    let guard = &guard.inner;
    let work = || {
        let context = Context::default();
        let document = Document::parse(frame, &guard.settings.limits).ok()?;
        let subject = Subject::new(guard, &document, &context)?;
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            let done = subject.run(stage);
            let taken = since(start);
            if !done {
                return None;
            }
            samples.push(taken);
        }
        Some(samples)
    };
    Ok(py.detach(|| caught(work)).flatten())
}

/// Name, whether it is a detector's id, how often it was asked, nanoseconds in all.
type DetectorCost = (String, bool, u64, u64);
/// Index in load order, nanoseconds of the best decision with this rule alone, beyond that with none.
type RuleCost = (usize, u64);

/// What each text detector and each rule costs on a frame, as sums over `rounds` scans and as the
/// best of `rounds` decisions; `None` for what is no single message.
#[pyfunction]
pub(crate) fn profile(
    py: Python<'_>,
    guard: &Guard,
    frame: &[u8],
    rounds: usize,
) -> Option<(Vec<DetectorCost>, Vec<RuleCost>)> {
    let guard = &guard.inner;
    let work = || {
        let context = Context::default();
        let document = Document::parse(frame, &guard.settings.limits).ok()?;
        let subject = Subject::new(guard, &document, &context)?;
        let zero = Instant::now();
        let tick = clock_ns();
        let mut costs: HashMap<Part, (u64, u64)> = HashMap::new();
        for _ in 0..rounds {
            subject.detectors(&mut || since(zero), &mut |part, taken| {
                let cost = costs.entry(part).or_default();
                cost.0 = cost.0.saturating_add(1);
                cost.1 = cost.1.saturating_add(taken.saturating_sub(tick));
            });
        }
        let catalog = &guard.analyzers.catalog;
        let named = |(part, (calls, taken)): (Part, (u64, u64))| {
            let (name, detector) = match part {
                Part::Detector(id) => (catalog.get(id).map_or("?", |d| &d.id).to_owned(), true),
                Part::Literals => ("search for all literals".into(), false),
                Part::Code(name) => (format!("code for {name}"), false),
                Part::Named => ("value by its member's name".into(), false),
                Part::Numbers => ("card and account numbers".into(), false),
                Part::Organisation => ("organisation's terms".into(), false),
                Part::Entropy => ("entropy".into(), false),
                Part::Overlaps => ("overlapping findings".into(), false),
            };
            (name, detector, calls, taken)
        };
        let (none, rules) = subject.rules_alone();
        let best = |engine: &PolicyEngine| {
            let one = |_| {
                let start = Instant::now();
                black_box(engine.decide(&subject.facts()));
                since(start)
            };
            (0..rounds.max(1)).map(one).min().unwrap_or(0)
        };
        let floor = none.as_ref().map_or(0, best);
        let rules = rules
            .iter()
            .map(|(index, engine)| (*index, best(engine).saturating_sub(floor)))
            .collect();
        Some((costs.into_iter().map(named).collect(), rules))
    };
    py.detach(|| caught(work)).flatten()
}

/// Nothing: the price of a call into the extension and back.
#[pyfunction]
pub(crate) fn empty_call() {}

/// What the machine takes, in nanoseconds: to ask the clock twice, to read `megabytes` MB of memory
/// once, and for a fixed computation (64 KB through a table, one dependent step a byte), the best of
/// `rounds`.
#[pyfunction]
pub(crate) fn calibrate(py: Python<'_>, megabytes: usize, rounds: usize) -> (u64, u64, u64) {
    py.detach(|| {
        let memory = vec![1_u64; megabytes.saturating_mul(1_000_000) / 8];
        let bytes: Vec<u8> = (0..65_536_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        let mut table = [0_u8; 256];
        for (index, (entry, byte)) in table.iter_mut().zip(&bytes).enumerate() {
            *entry = byte.wrapping_add(u8::try_from(index).unwrap_or(0));
        }
        let mut best = (u64::MAX, u64::MAX);
        for _ in 0..rounds.max(1) {
            let start = Instant::now();
            black_box(
                memory
                    .iter()
                    .fold(0_u64, |sum, word| sum.wrapping_add(*word)),
            );
            best.0 = best.0.min(since(start));
            let start = Instant::now();
            let step =
                |state: u8, byte: &u8| table.get(usize::from(state ^ byte)).copied().unwrap_or(0);
            black_box(black_box(&bytes).iter().fold(0, step));
            best.1 = best.1.min(since(start));
        }
        (clock_ns(), best.0, best.1)
    })
}

/// Nanoseconds that lie between asking the clock and asking it again.
fn clock_ns() -> u64 {
    (0..1_000).map(|_| since(Instant::now())).min().unwrap_or(0)
}
