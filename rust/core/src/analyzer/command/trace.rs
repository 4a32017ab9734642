//! What would run, as a tree. Kept only while somebody asks to see it.

use super::{
    place,
    shell::Shell,
    value::{HOLE, Value, from},
};
use crate::{
    analyzer::{Analyzers, Scope, text::TextContext},
    detector::DetectorId,
    span::Span,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Most steps of one tree; a text that takes more is cut there.
const MOST: usize = 1_000;
/// Most bytes of the arguments of one step that are shown.
const LONGEST: usize = 8 << 10;

/// How a step is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A program or builtin with its arguments.
    Command,
    /// Commands that hand their output on, in order.
    Pipeline,
    /// `$(…)`.
    Substitution,
    /// `<(…)` and `>(…)`.
    ProcessSubstitution,
    /// A function that is called.
    Function,
    /// An alias that is replaced.
    Alias,
    /// What runs on a signal or at the end.
    Trap,
}

/// One step.
#[derive(Debug)]
struct Step {
    parent: Option<usize>,
    kind: Kind,
    span: Span,
    argv: Vec<String>,
    /// Bits of [`from`] of what it reads and of its arguments.
    input: u16,
    /// Bits of [`from`] of what it prints.
    output: u16,
    writes: Vec<String>,
    places: u32,
    privileged: bool,
    bulk: bool,
    found: Vec<DetectorId>,
}

/// The tree while it grows.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    steps: Vec<Step>,
    /// The step within which the next one is.
    current: Option<usize>,
    cut: bool,
    /// What no step did.
    found: Vec<DetectorId>,
}

/// A step that was entered, to be left.
#[must_use]
pub(super) struct Entered {
    outer: Option<usize>,
    step: Option<usize>,
}

impl Trace {
    fn enter(&mut self, mut step: Step) -> Entered {
        let outer = self.current;
        step.parent = outer;
        if self.steps.len() >= MOST {
            self.cut = true;
            return Entered { outer, step: None };
        }
        self.current = Some(self.steps.len());
        self.steps.push(step);
        Entered {
            outer,
            step: self.current,
        }
    }

    fn leave(&mut self, entered: Entered, output: u16) {
        self.current = entered.outer;
        if let Some(step) = entered.step.and_then(|at| self.steps.get_mut(at)) {
            step.output = output;
        }
    }

    /// Notes a finding at the step that runs.
    pub(crate) fn note(&mut self, detector: DetectorId) {
        let found = match self.current.and_then(|at| self.steps.get_mut(at)) {
            Some(step) => &mut step.found,
            None => &mut self.found,
        };
        if !found.contains(&detector) {
            found.push(detector);
        }
    }

    /// The tree as data, its secrets masked: `{"steps": […], "cut": …, "findings": […]}`. A step names
    /// its `parent` by index. [`HOLE`] stands for what cannot be known before it runs.
    pub(crate) fn data(&self, analyzers: &Analyzers) -> Json {
        let findings = |found: &[DetectorId]| -> Vec<Json> {
            found
                .iter()
                .filter_map(|id| analyzers.catalog.get(*id))
                .map(|d| {
                    json!({"detector_id": d.id, "finding_type": d.finding_type,
                        "effect": d.description, "risk_score": risk(d.risk_score),
                        "instead": d.remediation})
                })
                .collect()
        };
        let steps: Vec<Json> = self
            .steps
            .iter()
            .map(|step| {
                let argv = masked(&step.argv, analyzers);
                let sink: Vec<String> = analyzers
                    .destination
                    .of_command(&argv.join(" "))
                    .into_iter()
                    .map(|d| d.host)
                    .chain(step.writes.iter().filter_map(|w| device_host(w)))
                    .collect();
                json!({
                    "parent": step.parent,
                    "kind": step.kind,
                    "start": step.span.start,
                    "end": step.span.end,
                    "argv": argv,
                    "writes": masked(&step.writes, analyzers),
                    "source": origins(step.input),
                    "output": origins(step.output),
                    "sink": sink,
                    "scope": classes(step.places),
                    "privileged": step.privileged,
                    "many": step.bulk,
                    "findings": findings(&step.found),
                })
            })
            .collect();
        json!({"steps": steps, "cut": self.cut, "findings": findings(&self.found)})
    }
}

/// As people write it, not as binary does.
fn risk(risk: f32) -> f64 {
    (f64::from(risk) * 1e4).round() / 1e4
}

/// The host of a network file of bash.
fn device_host(path: &str) -> Option<String> {
    let rest = path
        .strip_prefix("/dev/tcp/")
        .or_else(|| path.strip_prefix("/dev/udp/"))?;
    rest.split('/').next().map(ToOwned::to_owned)
}

fn classes(places: u32) -> Vec<&'static str> {
    place::CLASSES
        .iter()
        .enumerate()
        .filter(|(i, _)| places.checked_shr(*i as u32).unwrap_or(0) & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

/// Names of where a value comes from.
fn origins(bits: u16) -> Vec<&'static str> {
    [
        (from::SECRET, "credentials"),
        (from::TOKEN, "token variable"),
        (from::NETWORK, "network"),
        (from::DECODED, "decoded data"),
        (from::BULK, "archive or dump"),
        (from::FILE, "file"),
        (from::LISTING, "names of files"),
        (from::OUTPUT, "output of a program"),
        (from::UNSET, "unset variable"),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .map(|(_, name)| name)
    .collect()
}

/// The words with the secrets in them masked, also those that only show beside their neighbours.
fn masked(words: &[String], analyzers: &Analyzers) -> Vec<String> {
    let line = words.join(" ");
    let limits = crate::limits::Limits::default();
    let mut scope = Scope::new(analyzers, &limits);
    analyzers
        .text
        .scan(&line, TextContext::default(), &mut scope);
    if scope.findings.is_empty() {
        return words.to_vec();
    }
    let mut start = 0_usize;
    words
        .iter()
        .map(|word| {
            let from = start;
            start = start.saturating_add(word.len()).saturating_add(1);
            let hidden = |at: usize| {
                scope.findings.iter().any(|f| {
                    let shown = if f.span.len() >= 16 { 4 } else { 0 };
                    f.span.start.saturating_add(shown) <= at && at < f.span.end
                })
            };
            word.char_indices()
                .map(|(at, c)| {
                    if hidden(from.saturating_add(at)) {
                        '*'
                    } else {
                        c
                    }
                })
                .collect()
        })
        .collect()
}

impl Shell<'_> {
    /// Follows one argument vector; an empty one only writes to `writes`.
    pub(super) fn dispatch(
        &mut self,
        argv: &[Value],
        writes: &[Value],
        scope: &mut Scope<'_>,
    ) -> Value {
        if scope.trace.is_none() {
            return self.follow(argv, writes, scope);
        }
        let cwd = self.cwd.as_deref();
        let input = self.stdin.as_ref().map_or(0, |v| v.from);
        let operands = argv.iter().skip(1).filter(|a| !a.text.starts_with('-'));
        let entered = self.enter_with(scope, |step| {
            step.argv = shown(argv);
            step.writes = shown(writes);
            step.input = argv.iter().fold(input, |bits, a| bits | a.from);
            step.places = operands
                .chain(writes)
                .fold(0, |bits, a| bits | place::classes(a, cwd));
        });
        let out = self.follow(argv, writes, scope);
        Self::leave(entered, &out, scope);
        out
    }

    /// Begins a step that is more than one command.
    pub(super) fn enter(&self, kind: Kind, name: &str, scope: &mut Scope<'_>) -> Option<Entered> {
        self.enter_with(scope, |step| {
            step.kind = kind;
            if !name.is_empty() {
                step.argv = vec![name.to_owned()];
            }
        })
    }

    fn enter_with(&self, scope: &mut Scope<'_>, fill: impl FnOnce(&mut Step)) -> Option<Entered> {
        let span = scope.place(self.span);
        let trace = scope.trace.as_mut()?;
        let mut step = Step {
            parent: None,
            kind: Kind::Command,
            span,
            argv: Vec::new(),
            input: 0,
            output: 0,
            writes: Vec::new(),
            places: 0,
            privileged: self.privileged,
            bulk: self.bulk,
            found: Vec::new(),
        };
        fill(&mut step);
        Some(trace.enter(step))
    }

    /// Ends a step; `out` is what it prints.
    pub(super) fn leave(entered: Option<Entered>, out: &Value, scope: &mut Scope<'_>) {
        if let (Some(trace), Some(entered)) = (scope.trace.as_mut(), entered) {
            trace.leave(entered, out.from);
        }
    }
}

fn shown(values: &[Value]) -> Vec<String> {
    let mut left = LONGEST;
    values
        .iter()
        .map_while(|value| {
            if left == 0 {
                return None;
            }
            let length = value.text.floor_char_boundary(left);
            left = left.saturating_sub(length);
            let mut text = value.text.get(..length).unwrap_or_default().to_owned();
            if length < value.text.len() {
                text.push(HOLE);
                left = 0;
            }
            Some(text)
        })
        .collect()
}
