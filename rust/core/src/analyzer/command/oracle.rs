//! A second parser as a witness: every command it sees is one that ours sees.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use super::{
    parse::{self, flat},
    syntax::{Cmd, Part, Redirect, Target, Word},
};
use crate::detector::{Catalog, syntax::DetectorKind};
use std::collections::BTreeSet;

/// Names of all simple commands in a tree, wherever they are nested.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn of(text: &str) -> (Self, bool) {
        let script = parse::parse(text);
        let mut names = Self::default();
        names.commands(&script.commands);
        for word in &script.here {
            names.word(word);
        }
        (names, script.broken || script.too_deep)
    }

    fn commands(&mut self, commands: &[Cmd]) {
        for command in commands {
            self.command(command);
        }
    }

    fn command(&mut self, command: &Cmd) {
        match command {
            Cmd::Simple(simple) => {
                if let Some(first) = simple.words.first() {
                    self.0.insert(flat(first));
                }
                for assign in &simple.assigns {
                    assign.index.iter().for_each(|w| self.word(w));
                    assign.values.iter().for_each(|w| self.word(w));
                }
                simple.words.iter().for_each(|w| self.word(w));
                self.redirects(&simple.redirects);
            }
            Cmd::Pipeline(stages) => self.commands(stages),
            Cmd::Background(inner)
            | Cmd::Loop(inner)
            | Cmd::Maybe(inner)
            | Cmd::Coproc(_, inner) => self.command(inner),
            Cmd::Block(body, redirects, _) => {
                self.commands(body);
                self.redirects(redirects);
            }
            Cmd::For {
                words,
                body,
                redirects,
                ..
            } => {
                words.iter().for_each(|w| self.word(w));
                self.commands(body);
                self.redirects(redirects);
            }
            Cmd::Case {
                subject,
                patterns,
                body,
                redirects,
            } => {
                self.word(subject);
                patterns.iter().for_each(|w| self.word(w));
                self.commands(body);
                self.redirects(redirects);
            }
            Cmd::Function(_, body) => self.commands(body),
            Cmd::Test(words, _) => words.iter().for_each(|w| self.word(w)),
        }
    }

    fn redirects(&mut self, redirects: &[Redirect]) {
        for redirect in redirects {
            match &redirect.target {
                Target::Word(word) | Target::HereString(word) | Target::Here(_, word) => {
                    self.word(word);
                }
            }
        }
    }

    fn word(&mut self, word: &Word) {
        for part in word {
            match part {
                Part::Text { .. } => {}
                Part::Double(parts) | Part::Arithmetic(parts) => self.word(parts),
                Part::Param(param) => {
                    param.index.iter().for_each(|w| self.word(w));
                    self.word(&param.arg);
                }
                Part::Command(body) | Part::Process(body, _) => self.commands(body),
            }
        }
    }
}

/// The commands that tree-sitter sees with a plain name; nothing where it sees an error.
fn witnessed(text: &str) -> Option<BTreeSet<String>> {
    let mut parser = tree_sitter::Parser::new();
    parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .unwrap();
    let tree = parser.parse(text, None)?;
    if tree.root_node().has_error() {
        return None;
    }
    let mut names = BTreeSet::new();
    let mut todo = vec![tree.root_node()];
    while let Some(node) = todo.pop() {
        if node.kind() == "command"
            && let Some(name) = node.child_by_field_name("name")
        {
            let name = &text[name.byte_range()];
            // It takes the loop after `!` for a command.
            let reserved = [
                "for", "do", "done", "while", "if", "then", "else", "fi", "case", "{", "}",
            ];
            if !reserved.contains(&name)
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
            {
                names.insert(name.to_owned());
            }
        }
        for i in 0..node.child_count() {
            todo.extend(node.child(i));
        }
    }
    Some(names)
}

/// Text beyond ASCII can crash the witness.
fn masked(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii() { c } else { 'x' })
        .collect()
}

#[test]
fn every_command_of_the_catalogue_that_a_witness_sees_is_seen() {
    let mut unseen = Vec::new();
    let mut compared = 0;
    for (_, source) in Catalog::documented().unwrap().iter() {
        if source.kind != DetectorKind::Command || source.id.starts_with("command.windows") {
            continue;
        }
        for example in source.examples.iter().chain(&source.negative_examples) {
            let text = masked(example.text());
            let (ours, broken) = Names::of(&text);
            let Some(theirs) = witnessed(&text).filter(|_| !broken) else {
                continue;
            };
            compared += theirs.len();
            unseen.extend(
                theirs
                    .difference(&ours.0)
                    .map(|name| format!("{name} in {text}")),
            );
        }
    }
    assert!(compared > 500, "{compared}");
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

/// Numbers of a fixed sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A script of commands `c0`, `c1` … in all kinds of places.
fn script(dice: &mut Dice, depth: u32, count: &mut u32) -> String {
    if depth == 0 {
        *count += 1;
        return format!("c{} a 'b c' \"d\"", *count - 1);
    }
    let mut one = |dice: &mut Dice| script(dice, depth - 1, count);
    match dice.roll(22) {
        0 => format!("{}; {}", one(dice), one(dice)),
        1 => format!("{} | {}", one(dice), one(dice)),
        2 => format!("{} && {} || {}", one(dice), one(dice), one(dice)),
        3 => format!("x $({})", one(dice)),
        4 => format!("x \"y $({}) z\"", one(dice)),
        5 => format!(
            "if {}; then {}; else {}; fi",
            one(dice),
            one(dice),
            one(dice)
        ),
        6 => format!("while {}; do {}; done", one(dice), one(dice)),
        7 => format!("for i in a b; do {}; done", one(dice)),
        8 => format!("{{ {}; }}", one(dice)),
        // Not at the start: `$((` would be arithmetic.
        9 => format!("x; ( {} )", one(dice)),
        10 => format!("x <({})", one(dice)),
        11 => format!("v=$({}) x", one(dice)),
        12 => format!("case x in y) {} ;; *) {} ;; esac", one(dice), one(dice)),
        13 => format!("f() {{ {}; }}", one(dice)),
        14 => format!("[[ -n $({}) ]]", one(dice)),
        15 => format!("{{ {} & }}", one(dice)),
        16 => format!("x ${{v:-$({})}}", one(dice)),
        17 => format!("x > \"$({})\"", one(dice)),
        18 => format!("! {}", one(dice)),
        19 => format!("x $((1 + $({})))", one(dice)),
        20 => format!("a=( $({}) b )", one(dice)),
        _ => format!("x <<< \"$({})\"", one(dice)),
    }
}

#[test]
fn every_command_of_a_made_script_is_seen() {
    let mut dice = Dice(7);
    for round in 0..600 {
        let mut count = 0;
        let text = script(&mut dice, 1 + round % 4, &mut count);
        let (ours, broken) = Names::of(&text);
        assert!(!broken, "{text}");
        for i in 0..count {
            assert!(ours.0.contains(&format!("c{i}")), "c{i} in {text}");
        }
        if let Some(theirs) = witnessed(&text) {
            let unseen: Vec<_> = theirs.difference(&ours.0).collect();
            assert!(unseen.is_empty(), "{unseen:?} in {text}");
        }
    }
}
