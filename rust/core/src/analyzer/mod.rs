//! Views → facts → raw findings. Stage 4 of 6.
//!
//! Every analyzer takes a text and a [`Scope`], and pushes into the scope. Analyzers call each
//! other through the [`Analyzers`] (a shell command that runs Python that runs SQL), under one
//! budget, so that no nesting multiplies the cost.

pub mod code;
pub mod command;
pub mod destination;
mod entropy;
pub mod path;
pub mod payload;
pub mod sql;
pub mod text;

use crate::{
    detector::{Catalog, CatalogError, DetectorId},
    finding::RawFinding,
    guard::Settings,
    limits::Limits,
    span::Span,
};

/// A programming language that has an analyzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python 3, notebook magics included.
    Python,
    /// JavaScript and TypeScript.
    JavaScript,
    /// Perl, one-liners above all.
    Perl,
    /// Ruby.
    Ruby,
    /// PHP.
    Php,
    /// Lua.
    Lua,
    /// AWK programs.
    Awk,
}

/// The compiled analyzers of one guard.
#[derive(Debug)]
pub struct Analyzers {
    /// What the ids mean.
    pub catalog: Catalog,
    /// Secrets and other text.
    pub text: text::TextAnalyzer,
    /// Shell commands.
    pub command: command::CommandAnalyzer,
    /// Program code.
    pub code: code::CodeAnalyzer,
    /// SQL statements.
    pub sql: sql::SqlAnalyzer,
    /// Hosts.
    pub destination: destination::DestinationAnalyzer,
    /// Paths.
    pub path: path::PathAnalyzer,
    /// Shapes of arguments.
    pub payload: payload::PayloadAnalyzer,
}

impl Analyzers {
    /// Compiles a catalogue.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry whose `match` does not fit its analyzer.
    pub fn new(catalog: Catalog, settings: &Settings) -> Result<Self, CatalogError> {
        Ok(Self {
            text: text::TextAnalyzer::new(&catalog, settings)?,
            command: command::CommandAnalyzer::new(&catalog)?,
            code: code::CodeAnalyzer::new(&catalog)?,
            sql: sql::SqlAnalyzer::new(&catalog)?,
            destination: destination::DestinationAnalyzer::new(&catalog, settings)?,
            path: path::PathAnalyzer::new(&catalog)?,
            payload: payload::PayloadAnalyzer::new(&catalog)?,
            catalog,
        })
    }
}

/// Where findings of one text go, and what may still be spent on it.
#[derive(Debug)]
pub struct Scope<'e> {
    /// The analyzers, for what is nested in the text.
    pub analyzers: &'e Analyzers,
    /// The bounds.
    pub limits: &'e Limits,
    /// What was found, in document order of the outermost text.
    pub findings: Vec<RawFinding>,
    /// Syntax nodes that may still be visited over the whole frame.
    pub nodes_left: usize,
    /// How deep in interpreters within interpreters.
    pub depth: usize,
    /// More was found than is kept.
    pub(crate) cut: bool,
    /// Where nested text stands in the outermost text, if we are in one.
    anchor: Option<Span>,
    /// The tree of what runs, while somebody asks for it.
    pub(crate) trace: Option<Box<command::Trace>>,
}

impl<'e> Scope<'e> {
    /// A scope for one text.
    #[must_use]
    pub fn new(analyzers: &'e Analyzers, limits: &'e Limits) -> Self {
        Self {
            analyzers,
            limits,
            findings: Vec::new(),
            nodes_left: limits.syntax_nodes,
            depth: 0,
            cut: false,
            anchor: None,
            trace: None,
        }
    }

    /// Where a place in nested text stands in the outermost one.
    pub(crate) fn place(&self, span: Span) -> Span {
        self.anchor.unwrap_or(span)
    }

    /// Reports a detector at `span` of the text under analysis.
    pub fn report(&mut self, detector: DetectorId, span: Span, detail: Option<&str>) {
        let risk = self
            .analyzers
            .catalog
            .get(detector)
            .map_or(0.0, |d| d.risk_score);
        self.report_risk(detector, span, risk, detail);
    }

    /// Reports a detector with a risk that the context changed.
    pub fn report_risk(
        &mut self,
        detector: DetectorId,
        span: Span,
        risk: f32,
        detail: Option<&str>,
    ) {
        if let Some(trace) = &mut self.trace {
            trace.note(detector);
        }
        if self.findings.len() >= self.limits.findings {
            self.cut = true;
            return;
        }
        let span = self.place(span);
        let finding = RawFinding {
            detector,
            span,
            risk,
            detail: detail.map(Into::into),
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// As [`Scope::report`], for what was certainly not reported before.
    pub(crate) fn report_distinct(
        &mut self,
        detector: DetectorId,
        span: Span,
        detail: Option<&str>,
    ) {
        // Nested findings share the place of what they are nested in.
        if self.anchor.is_some() {
            return self.report(detector, span, detail);
        }
        if self.findings.len() < self.limits.findings {
            self.findings.push(RawFinding {
                detector,
                span,
                risk: self
                    .analyzers
                    .catalog
                    .get(detector)
                    .map_or(0.0, |d| d.risk_score),
                detail: detail.map(Into::into),
            });
        } else {
            self.cut = true;
        }
    }

    /// Reports a detector by its stable id; an unknown id is an `engine.unknown-detector`.
    pub fn report_id(&mut self, id: &str, span: Span, detail: Option<&str>) {
        let catalog = &self.analyzers.catalog;
        if let Some(detector) = catalog
            .find(id)
            .or_else(|| catalog.find("engine.unknown-detector"))
        {
            self.report(detector, span, detail);
        }
    }

    /// Runs `inside` on a text nested at `span`: its findings are reported at `span`. Beyond
    /// [`Limits::nested_interpreters`] it reports `engine.nested-interpreters` instead.
    pub fn nested(&mut self, span: Span, inside: impl FnOnce(&mut Self)) {
        if self.depth >= self.limits.nested_interpreters {
            self.report_id("engine.nested-interpreters", span, None);
            return;
        }
        let outer = self.anchor;
        self.anchor = Some(outer.unwrap_or(span));
        self.depth = self.depth.saturating_add(1);
        inside(self);
        self.depth = self.depth.saturating_sub(1);
        self.anchor = outer;
    }

    /// Takes `count` syntax nodes from the budget; `false`, and a finding, when it is used up.
    #[must_use]
    pub fn spend(&mut self, count: usize, span: Span) -> bool {
        if self.nodes_left < count {
            self.nodes_left = 0;
            self.report_id("engine.syntax-budget", span, None);
            return false;
        }
        self.nodes_left = self.nodes_left.saturating_sub(count);
        true
    }
}
