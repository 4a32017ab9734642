//! Hands each argument of a tool call to the analyzer that its use asks for.

use super::Survey;
use crate::{
    analyzer::{Scope, command::Dialect, payload},
    detector::syntax::DetectorKind,
    finding::Finding,
    policy::category::Category,
    route::{self, Flow, Router, Use},
    signs::Signs,
    span::Span,
    walk::{Document, Kind, LeafId, NodeId, ROOT},
};

/// JSON texts inside strings of JSON texts: how many layers are routed.
const LAYERS: usize = 3;
/// Longest command line that is put together of a program and its arguments.
const WORDS: usize = 4096;

/// Where the findings of a value belong in the frame.
#[derive(Clone, Copy)]
struct Home {
    leaf: LeafId,
    /// The value stands in a JSON text that this leaf holds, and has no place of its own.
    whole: bool,
}

impl Survey<'_, '_> {
    /// What the arguments of a tool call would do.
    pub(super) fn arguments(&mut self, arguments: NodeId) {
        let sends = self.route(self.document, arguments, None, 0);
        if let Some((line, leaf)) = route::spelled(self.document, arguments, self.tool) {
            self.run_line(&line, Home { leaf, whole: true });
        }
        if sends || self.destinations.iter().any(|d| d.sends) {
            self.together(arguments);
        }
    }

    /// What only the arguments of a sending call show together.
    fn together(&mut self, arguments: NodeId) {
        let guard = self.guard;
        let catalog = &guard.analyzers.catalog;
        let tool = self.tool;
        let decided = |kind: DetectorKind| {
            move |finding: &&Finding| {
                catalog.get(finding.detector).is_some_and(|d| {
                    d.kind == kind && d.tags.iter().any(|t| t == "deny" || t == "review")
                })
            }
        };
        let sensitive = self.findings.iter().find(decided(DetectorKind::Path));
        let leaves = [
            Category::Upload,
            Category::Messaging,
            Category::Http,
            Category::Network,
        ]
        .into_iter()
        .any(|category| tool.is(category))
            || self.destinations.iter().any(|d| d.sends);
        if leaves
            && let Some(finding) = sensitive
            && let Some(detector) = guard.analyzers.path.upload()
        {
            let (leaf, span) = (finding.leaf, finding.text_span);
            self.scope.report(detector, span, None);
            self.settle(Home { leaf, whole: false });
        }
        if self
            .findings
            .iter()
            .any(|f| decided(DetectorKind::Destination)(&f))
            && let Some(leaf) = route::content(self.document, arguments)
        {
            let text = self.document.text_of(leaf);
            guard.analyzers.payload.public(text, &mut self.scope);
            self.settle(Home { leaf, whole: false });
        }
    }

    /// Hands over every value; says whether the call sends data.
    fn route(
        &mut self,
        document: &Document<'_>,
        arguments: NodeId,
        inside: Option<LeafId>,
        layer: usize,
    ) -> bool {
        let tool = self.tool;
        let router = Router::new(document, arguments, tool);
        let end = document.node(arguments).map_or(arguments, |n| n.next);
        let mut at = arguments;
        while at < end {
            let Some(node) = document.node(at) else {
                break;
            };
            let (kind, next) = (node.kind, node.next);
            let (text, use_) = match kind {
                Kind::String(leaf) => {
                    let text = document.text_of(leaf);
                    (text, router.use_of_string(document, at, text))
                }
                Kind::Array | Kind::Object => ("", router.use_of(document, at)),
                _ => ("", Use::Data),
            };
            let home = |leaf| Home {
                leaf: inside.unwrap_or(leaf),
                whole: inside.is_some(),
            };
            match (kind, use_) {
                (Kind::Array, Use::Argv) => self.argv(document, at, None, &home),
                (Kind::Array, Use::ArgvOf(program)) => {
                    self.argv(document, at, Some(program), &home);
                }
                (Kind::Object, Use::Program { program, arguments }) => {
                    self.program(document, program, arguments, &home);
                }
                (Kind::String(leaf), use_) => {
                    if inside.is_none() && matches!(use_, Use::Data | Use::Nested) {
                        self.shape(leaf, at);
                    }
                    if use_ != Use::Data {
                        self.value(text, use_, home(leaf));
                        self.inside(text, use_, home(leaf), layer);
                    }
                }
                _ => {}
            }
            at = match use_ {
                // The elements of an argument vector are judged together.
                Use::Argv | Use::ArgvOf(_) | Use::Joined => next,
                _ => at.saturating_add(1),
            };
        }
        router.sends()
    }

    /// What name and text of a value show that nothing reads.
    fn shape(&mut self, id: LeafId, node: NodeId) {
        let payload = &self.guard.analyzers.payload;
        let document = self.document;
        let (Some(leaf), Some(place)) = (document.leaf(id), document.node(node).map(|n| n.place))
        else {
            return;
        };
        let named = || document.name(node).is_some_and(payload::names_credential);
        let text = || document.text(leaf);
        // What a secret detector knows by its form needs no second finding for its name.
        if self.credential.of(place, named) && !self.findings.iter().any(|f| f.leaf == id) {
            payload.credential(text(), &mut self.scope);
        }
        if leaf.signs.any(Signs::BRACKET) {
            payload.text(text(), &mut self.scope);
        }
        self.settle(Home {
            leaf: id,
            whole: false,
        });
    }

    /// A JSON text that is a value has arguments of its own, unless the tool only stores it.
    fn inside(&mut self, text: &str, use_: Use, home: Home, layer: usize) {
        if layer >= LAYERS || !text.trim_start().starts_with(['{', '[']) {
            return;
        }
        if !matches!(use_, Use::Nested | Use::Command(_) | Use::CommandOf(_)) {
            return;
        }
        let guard = self.guard;
        let Ok(nested) = Document::parse(text.as_bytes(), &guard.settings.limits) else {
            return;
        };
        if matches!(nested.node(ROOT).map(|n| n.kind), Some(Kind::Array))
            && matches!(use_, Use::Command(_))
        {
            self.argv(&nested, ROOT, None, &|_| home);
        }
        let _ = self.route(&nested, ROOT, Some(home.leaf), layer.saturating_add(1));
    }

    fn argv(
        &mut self,
        document: &Document<'_>,
        array: NodeId,
        program: Option<&str>,
        home: &dyn Fn(LeafId) -> Home,
    ) {
        let elements = document
            .children(array)
            .filter_map(|child| document.str(child));
        let lead = program.unwrap_or_default().split_ascii_whitespace();
        let words: Vec<&str> = lead.chain(elements).take(WORDS).collect();
        let Some(first) = strings(document, array).next() else {
            return;
        };
        self.run_argv(&words, home(first));
    }

    /// Runs an argument vector; its findings are shown at the program.
    fn run_argv(&mut self, words: &[&str], home: Home) {
        let guard = self.guard;
        if words.len() >= WORDS {
            self.scope
                .report_id("engine.command-too-long", Span::default(), None);
        }
        self.guarded(home.leaf, |survey| {
            guard
                .analyzers
                .command
                .analyze_argv(words, &mut survey.scope);
        });
        self.settle(Home {
            whole: true,
            ..home
        });
    }

    fn program(
        &mut self,
        document: &Document<'_>,
        program: NodeId,
        arguments: NodeId,
        home: &dyn Fn(LeafId) -> Home,
    ) {
        let (Some(name), Some(Kind::String(leaf))) = (
            document.str(program),
            document.node(program).map(|n| n.kind),
        ) else {
            return;
        };
        let home = home(leaf);
        let words: Vec<&str> = match document.str(arguments) {
            Some(text) => vec![text],
            None => document
                .children(arguments)
                .filter_map(|child| document.str(child))
                .take(WORDS)
                .collect(),
        };
        let written = document.str(arguments).is_some();
        let one_word = !name.trim().bytes().any(|b| b.is_ascii_whitespace());
        if one_word && !written {
            let argv: Vec<&str> = std::iter::once(name.trim())
                .chain(words)
                .take(WORDS)
                .collect();
            self.run_argv(&argv, home);
            return;
        }
        if words.len() >= WORDS {
            self.scope
                .report_id("engine.command-too-long", Span::default(), None);
        }
        let mut line = name.to_owned();
        for word in words {
            line.push(' ');
            if written {
                line.push_str(word);
            } else {
                quote(&mut line, word);
            }
        }
        self.run_line(&line, home);
    }

    /// Runs a command line that is not written so in the frame.
    fn run_line(&mut self, line: &str, home: Home) {
        let guard = self.guard;
        self.guarded(home.leaf, |survey| {
            guard
                .analyzers
                .command
                .analyze(line, Dialect::Any, &mut survey.scope);
        });
        self.settle(Home {
            whole: true,
            ..home
        });
    }

    fn value(&mut self, text: &str, use_: Use, home: Home) {
        let guard = self.guard;
        let analyzers = &guard.analyzers;
        if let Use::CommandOf(program) = use_ {
            self.run_line(&format!("{program} {text}"), home);
            return;
        }
        let mut reached = Vec::new();
        self.guarded(home.leaf, |survey| {
            let scope: &mut Scope<'_> = &mut survey.scope;
            match use_ {
                Use::Command(dialect) => {
                    analyzers.command.analyze(text, dialect, scope);
                    reached = analyzers.destination.of_command(text);
                }
                Use::Code(language) => analyzers.code.analyze(text, language, scope),
                Use::Sql => analyzers.sql.analyze(text, scope),
                Use::Path(access) => {
                    analyzers
                        .path
                        .report_access(text, access, Span::new(0, text.len()), scope);
                }
                Use::Destination(flow) => {
                    reached = analyzers.destination.hosts(text);
                    for destination in &mut reached {
                        destination.sends = flow == Flow::Send;
                        if !destination.scheme.is_empty() {
                            analyzers.payload.url(destination.span, scope);
                        }
                        analyzers.destination.report_flow(destination, flow, scope);
                    }
                }
                _ => {}
            }
        });
        self.destinations.append(&mut reached);
        self.settle(home);
    }

    /// Gives what was found its place in the frame.
    fn settle(&mut self, home: Home) {
        if self.scope.findings.is_empty() {
            return;
        }
        let document = self.document;
        let text = document.text_of(home.leaf);
        if home.whole {
            let whole = Span::new(0, text.len());
            for finding in &mut self.scope.findings {
                finding.span = whole;
            }
        }
        self.collect(home.leaf, text, None);
    }
}

/// The leaves of the strings in an array.
fn strings<'a>(document: &'a Document<'_>, array: NodeId) -> impl Iterator<Item = LeafId> + 'a {
    document
        .children(array)
        .filter_map(|child| match document.node(child).map(|node| node.kind) {
            Some(Kind::String(leaf)) => Some(leaf),
            _ => None,
        })
}

/// Appends a word as a shell reads it back.
fn quote(line: &mut String, word: &str) {
    line.push('\'');
    line.push_str(&word.replace('\'', r"'\''"));
    line.push('\'');
}
