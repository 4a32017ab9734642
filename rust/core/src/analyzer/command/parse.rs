//! Turns shell text into a tree: one pass, no backtracking but a counted one for `((`, and every
//! error is recovered from so that it hides nothing that follows.

use super::syntax::{Assign, Cmd, Param, Part, Redirect, Script, Simple, Target, Word};
use crate::span::Span;
use std::rc::Rc;

/// Deepest nesting of substitutions, groups and compound commands.
const MAX_DEPTH: u32 = 32;
/// How often `((` and `$((` may turn out to be something else.
const MAX_RETRIES: u32 = 8;

/// Parses a whole script.
pub(super) fn parse(text: &str) -> Script {
    let mut parser = Parser::new(text, 0, None);
    let mut commands = parser.list(&[]);
    while parser.pos < parser.bytes.len() {
        // A terminator without its opener: skip it, the rest is still looked at.
        parser.broken = true;
        parser.skip_one();
        commands.extend(parser.list(&[]));
    }
    parser.read_here();
    Script {
        commands,
        here: parser.here,
        broken: parser.broken,
        too_deep: parser.too_deep,
        control: parser.control,
    }
}

struct Pending {
    slot: usize,
    delimiter: String,
    strip_tabs: bool,
    literal: bool,
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    depth: u32,
    retries: u32,
    /// Set where the text is a decoded copy: every span is then this one.
    fixed: Option<Span>,
    pending: Vec<Pending>,
    here: Vec<Word>,
    broken: bool,
    too_deep: bool,
    control: bool,
}

const RESERVED_END: [&str; 7] = ["then", "else", "elif", "fi", "do", "done", "esac"];

const fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r')
}

const fn is_meta(b: u8) -> bool {
    matches!(
        b,
        b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'
    )
}

const fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn text(text: &str, quoted: bool) -> Part {
    Part::Text {
        text: text.to_owned(),
        quoted,
    }
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, depth: u32, fixed: Option<Span>) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            depth,
            retries: 0,
            fixed,
            pending: Vec::new(),
            here: Vec::new(),
            broken: false,
            too_deep: false,
            control: false,
        }
    }

    fn at(&self, ahead: usize) -> u8 {
        self.bytes
            .get(self.pos.saturating_add(ahead))
            .copied()
            .unwrap_or(0)
    }

    fn end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    fn bump(&mut self, by: usize) {
        self.pos = self.pos.saturating_add(by).min(self.bytes.len());
    }

    /// Skips one character, whole.
    fn skip_one(&mut self) {
        self.bump(1);
        while self.pos < self.bytes.len() && !self.text.is_char_boundary(self.pos) {
            self.bump(1);
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn rest_starts(&self, prefix: &str) -> bool {
        self.bytes
            .get(self.pos..)
            .is_some_and(|r| r.starts_with(prefix.as_bytes()))
    }

    fn span(&self, from: usize) -> Span {
        self.fixed.unwrap_or_else(|| Span::new(from, self.pos))
    }

    fn deeper(&mut self) -> bool {
        if self.depth >= MAX_DEPTH {
            self.too_deep = true;
            self.pos = self.bytes.len();
            return false;
        }
        self.depth = self.depth.saturating_add(1);
        true
    }

    fn shallower(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn blanks(&mut self) {
        loop {
            if !self.end() && is_blank(self.at(0)) {
                self.bump(1);
            } else if self.at(0) == b'\\' && self.at(1) == b'\n' {
                self.bump(2);
            } else if self.at(0) == b'\\' && self.at(1) == b'\r' && self.at(2) == b'\n' {
                self.bump(3);
            } else {
                break;
            }
        }
        if self.at(0) == b'#' {
            while !self.end() && self.at(0) != b'\n' {
                self.bump(1);
            }
        }
    }

    /// Blanks, comments, newlines and the here-documents that start after them.
    fn newlines(&mut self) {
        loop {
            self.blanks();
            if self.at(0) == b'\n' && !self.end() {
                self.bump(1);
                self.read_here();
            } else {
                break;
            }
        }
    }

    fn read_here(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.pos;
            let mut body = String::new();
            loop {
                if self.end() {
                    break;
                }
                let line_start = self.pos;
                let line_end =
                    memchr::memchr(b'\n', self.bytes.get(self.pos..).unwrap_or_default())
                        .map_or(self.bytes.len(), |n| self.pos.saturating_add(n));
                let mut line = self.slice(line_start, line_end);
                self.pos = line_end.saturating_add(1).min(self.bytes.len());
                if pending.strip_tabs {
                    line = line.trim_start_matches('\t');
                }
                // A delimiter with a newline in it can match over several lines.
                if pending.delimiter.contains('\n')
                    && self
                        .text
                        .get(line_start..)
                        .is_some_and(|t| t.starts_with(pending.delimiter.as_str()))
                {
                    self.pos = line_start.saturating_add(pending.delimiter.len());
                    break;
                }
                if line.trim_end_matches('\r') == pending.delimiter {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let word = if pending.literal {
                vec![text(&body, true)]
            } else {
                let span = self.span(start);
                self.nested(&body, span, |p| p.double_parts(|_| false))
            };
            if let Some(slot) = self.here.get_mut(pending.slot) {
                *slot = word;
            }
        }
    }

    /// Parses a copy of some text with a parser of its own.
    fn nested<T: Default>(
        &mut self,
        copy: &str,
        span: Span,
        run: impl FnOnce(&mut Parser<'_>) -> T,
    ) -> T {
        if self.depth >= MAX_DEPTH {
            self.too_deep = true;
            return T::default();
        }
        let mut inner = Parser::new(copy, self.depth.saturating_add(1), Some(span));
        inner.retries = self.retries;
        inner.here = std::mem::take(&mut self.here);
        let result = run(&mut inner);
        inner.read_here();
        self.here = std::mem::take(&mut inner.here);
        self.retries = inner.retries;
        self.broken |= inner.broken;
        self.too_deep |= inner.too_deep;
        self.control |= inner.control;
        result
    }

    /// The reserved or other plain word that stands here, without taking it.
    fn peek_word(&self) -> &'t str {
        let mut end = self.pos;
        while let Some(&b) = self.bytes.get(end) {
            if is_meta(b) || matches!(b, b'\'' | b'"' | b'\\' | b'$' | b'`') {
                break;
            }
            end = end.saturating_add(1);
        }
        match self.bytes.get(end) {
            Some(b'\'' | b'"' | b'\\' | b'$' | b'`') => "",
            _ => self.slice(self.pos, end),
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.newlines();
        if self.peek_word() == word {
            self.bump(word.len());
            true
        } else {
            self.broken = true;
            false
        }
    }

    /// Commands up to a terminator, which is left in place.
    fn list(&mut self, ends: &[&str]) -> Vec<Cmd> {
        let mut out = Vec::new();
        if !self.deeper() {
            return out;
        }
        let mut perhaps = false;
        loop {
            self.newlines();
            if self.end() {
                break;
            }
            let b = self.at(0);
            if b == b')' || (b == b';' && matches!(self.at(1), b';' | b'&')) {
                if !ends.contains(&")") && b == b')' || (b == b';' && !ends.contains(&";;")) {
                    self.broken = true;
                    if self.depth > 1 && b == b')' {
                        break;
                    }
                    self.bump(1);
                    continue;
                }
                break;
            }
            let word = self.peek_word();
            if ends.contains(&word) {
                break;
            }
            if RESERVED_END.contains(&word) || word == "}" {
                self.broken = true;
                self.bump(word.len());
                continue;
            }
            if matches!(b, b';' | b'&' | b'|') && !self.rest_starts("&>") {
                self.broken = true;
                self.bump(1);
                continue;
            }
            let before = self.pos;
            let command = self.pipeline();
            self.blanks();
            let background = self.at(0) == b'&' && self.at(1) != b'&' && self.at(1) != b'>';
            if let Some(mut command) = command {
                if perhaps {
                    command = Cmd::Maybe(Box::new(command));
                }
                if background {
                    command = Cmd::Background(Box::new(command));
                }
                out.push(command);
            }
            perhaps = self.rest_starts("&&") || self.rest_starts("||");
            if perhaps {
                self.bump(2);
                self.newlines();
                let word = self.peek_word();
                if self.end()
                    || matches!(self.at(0), b')' | b';' | b'&' | b'|')
                    || ends.contains(&word)
                {
                    self.broken = true;
                }
            } else if background || (self.at(0) == b';' && !matches!(self.at(1), b';' | b'&')) {
                self.bump(1);
            } else if self.at(0) == b'(' {
                self.broken = true;
                self.bump(1);
            }
            if self.pos == before {
                self.broken = true;
                self.skip_one();
            }
        }
        self.shallower();
        out
    }

    fn pipeline(&mut self) -> Option<Cmd> {
        let mut stages = Vec::new();
        loop {
            self.blanks();
            loop {
                let word = self.peek_word();
                if word == "!" || word == "time" {
                    self.bump(word.len());
                    self.blanks();
                    if word == "time" {
                        while matches!(self.peek_word(), "-p" | "--") {
                            self.bump(2);
                            self.blanks();
                        }
                    }
                } else {
                    break;
                }
            }
            if let Some(command) = self.command() {
                stages.push(command);
            }
            self.blanks();
            if self.at(0) == b'|' && self.at(1) != b'|' {
                self.bump(1);
                if self.at(0) == b'&' {
                    self.bump(1);
                }
                self.newlines();
                if self.end() || matches!(self.at(0), b'|' | b';' | b')' | b'&') {
                    self.broken = true;
                    break;
                }
            } else {
                break;
            }
        }
        if stages.len() > 1 {
            Some(Cmd::Pipeline(stages))
        } else {
            stages.pop()
        }
    }

    fn command(&mut self) -> Option<Cmd> {
        if !self.deeper() {
            return None;
        }
        let out = self.command_inner();
        self.shallower();
        out
    }

    fn block(&mut self, body: Vec<Cmd>, subshell: bool) -> Cmd {
        let redirects = self.redirects();
        Cmd::Block(body.into(), redirects, subshell)
    }

    fn redirects(&mut self) -> Vec<Redirect> {
        let mut out = Vec::new();
        loop {
            self.blanks();
            match self.redirect() {
                Some(r) => out.push(r),
                None => return out,
            }
        }
    }

    fn command_inner(&mut self) -> Option<Cmd> {
        if self.at(0) == b'(' {
            if self.at(1) == b'('
                && let Some(parts) = self.try_arithmetic(2)
            {
                self.redirects();
                return Some(Cmd::Test(vec![parts], true));
            }
            self.bump(1);
            let body = self.list(&[")"]);
            self.close(b')');
            return Some(self.block(body, true));
        }
        let word = self.peek_word();
        match word {
            "{" => {
                self.bump(1);
                let body = self.list(&["}"]);
                self.keyword("}");
                Some(self.block(body, false))
            }
            "[[" => {
                self.bump(2);
                let words = self.test_words();
                Some(Cmd::Test(words, false))
            }
            "if" => {
                self.bump(2);
                let mut body = self.list(&["then"]);
                self.keyword("then");
                loop {
                    body.extend(self.list(&["elif", "else", "fi"]));
                    self.newlines();
                    match self.peek_word() {
                        "elif" => {
                            self.bump(4);
                            body.extend(self.list(&["then"]));
                            self.keyword("then");
                        }
                        "else" => self.bump(4),
                        _ => break,
                    }
                }
                self.keyword("fi");
                Some(Cmd::Maybe(Box::new(self.block(body, false))))
            }
            "while" | "until" => {
                self.bump(5);
                let mut body = self.list(&["do"]);
                self.keyword("do");
                body.extend(self.list(&["done"]));
                self.keyword("done");
                let block = self.block(body, false);
                Some(Cmd::Loop(Box::new(block)))
            }
            "for" | "select" => {
                self.bump(word.len());
                Some(self.for_loop())
            }
            "case" => {
                self.bump(4);
                Some(self.case())
            }
            "function" => {
                self.bump(8);
                self.blanks();
                let name = self.peek_word().to_owned();
                self.bump(name.len());
                self.blanks();
                if self.at(0) == b'(' && self.at(1) == b')' {
                    self.bump(2);
                }
                self.newlines();
                let body: Vec<Cmd> = self.command().into_iter().collect();
                Some(Cmd::Function(name, body.into()))
            }
            "coproc" => {
                self.bump(6);
                self.blanks();
                let mut name = self.peek_word();
                if !name.is_empty() && name.bytes().all(is_name) {
                    let before = self.pos;
                    self.bump(name.len());
                    self.blanks();
                    let compound = matches!(self.at(0), b'{' | b'(')
                        || matches!(
                            self.peek_word(),
                            "while" | "until" | "for" | "if" | "case" | "select" | "[["
                        );
                    if !compound {
                        self.pos = before;
                        name = "";
                    }
                } else {
                    name = "";
                }
                let name = if name.is_empty() { "COPROC" } else { name };
                self.command()
                    .map(|c| Cmd::Coproc(name.to_owned(), Box::new(c)))
            }
            _ => self.simple(),
        }
    }

    fn close(&mut self, b: u8) {
        self.newlines();
        if self.at(0) == b && !self.end() {
            self.bump(1);
        } else {
            self.broken = true;
        }
    }

    fn for_loop(&mut self) -> Cmd {
        self.blanks();
        let mut words = Vec::new();
        let mut name = String::new();
        if self.at(0) == b'(' && self.at(1) == b'(' {
            if let Some(parts) = self.try_arithmetic(2) {
                words.push(parts);
            }
        } else {
            name = self.peek_word().to_owned();
            self.bump(name.len());
            self.newlines();
            if self.peek_word() == "in" {
                self.bump(2);
                loop {
                    self.blanks();
                    match self.word() {
                        Some(w) => words.push(w),
                        None => break,
                    }
                }
            } else {
                words.push(vec![Part::Param(Box::new(Param {
                    name: "@".into(),
                    index: None,
                    indirect: false,
                    length: false,
                    op: "",
                    arg: Vec::new(),
                }))]);
            }
        }
        self.blanks();
        if self.at(0) == b';' {
            self.bump(1);
        }
        self.newlines();
        let body = if self.at(0) == b'{' {
            self.bump(1);
            let body = self.list(&["}"]);
            self.keyword("}");
            body
        } else {
            self.keyword("do");
            let body = self.list(&["done"]);
            self.keyword("done");
            body
        };
        let redirects = self.redirects();
        Cmd::For {
            name,
            words,
            body: body.into(),
            redirects,
        }
    }

    fn case(&mut self) -> Cmd {
        self.blanks();
        let subject = self.word().unwrap_or_default();
        self.keyword("in");
        let mut patterns = Vec::new();
        let mut body = Vec::new();
        loop {
            self.newlines();
            if self.end() {
                break;
            }
            if self.peek_word() == "esac" {
                break;
            }
            if self.at(0) == b'(' {
                self.bump(1);
            }
            loop {
                self.blanks();
                match self.word() {
                    Some(w) => patterns.push(w),
                    None if self.at(0) == b'|' => self.bump(1),
                    None => break,
                }
            }
            if self.at(0) == b')' {
                self.bump(1);
            } else {
                self.broken = true;
                self.skip_one();
            }
            body.extend(self.list(&[";;", "esac"]));
            if self.at(0) == b';' {
                while matches!(self.at(0), b';' | b'&') && !self.end() {
                    self.bump(1);
                }
            }
        }
        self.keyword("esac");
        let redirects = self.redirects();
        Cmd::Case {
            subject,
            patterns,
            body: body.into(),
            redirects,
        }
    }

    fn test_words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.newlines();
            if self.end() {
                self.broken = true;
                break;
            }
            if self.rest_starts("]]") {
                self.bump(2);
                break;
            }
            let before = self.pos;
            if let Some(word) = self.word() {
                words.push(word);
            }
            if self.pos == before {
                self.bump(1);
            }
        }
        words
    }

    fn simple(&mut self) -> Option<Cmd> {
        let start = self.pos;
        let mut simple = Simple::default();
        let mut end = self.pos;
        loop {
            self.blanks();
            if self.end() {
                break;
            }
            if let Some(redirect) = self.redirect() {
                simple.redirects.push(redirect);
                end = self.pos;
                continue;
            }
            if let Some(assign) = self.assignment(simple.words.is_empty()) {
                simple.assigns.push(assign);
                end = self.pos;
                continue;
            }
            if self.at(0) == b'(' {
                // `name ()` defines a function; any other parenthesis here is an error.
                if simple.words.len() == 1 && simple.assigns.is_empty() {
                    let mut ahead = 1;
                    while is_blank(self.at(ahead)) && ahead < 64 {
                        ahead = ahead.saturating_add(1);
                    }
                    if self.at(ahead) == b')' {
                        let name = self.slice(start, end).trim().to_owned();
                        self.bump(ahead.saturating_add(1));
                        self.newlines();
                        let body: Vec<Cmd> = self.command().into_iter().collect();
                        return Some(Cmd::Function(name, body.into()));
                    }
                }
                break;
            }
            match self.word() {
                Some(word) => simple.words.push(word),
                None => break,
            }
            end = self.pos;
        }
        simple.span = self.fixed.unwrap_or_else(|| Span::new(start, end));
        if simple.words.is_empty() && simple.assigns.is_empty() && simple.redirects.is_empty() {
            return None;
        }
        Some(Cmd::Simple(simple))
    }

    fn assignment(&mut self, leading: bool) -> Option<Assign> {
        let start = self.pos;
        let mut p = self.pos;
        let byte = |p: usize| self.bytes.get(p).copied().unwrap_or(0);
        if !(byte(p).is_ascii_alphabetic() || byte(p) == b'_') {
            return None;
        }
        while is_name(byte(p)) {
            p = p.saturating_add(1);
        }
        let name_end = p;
        let indexed = byte(p) == b'[';
        if !indexed && byte(p) != b'=' && !(byte(p) == b'+' && byte(p.saturating_add(1)) == b'=') {
            return None;
        }
        // After the command name only `name=(…)` is more than an ordinary word.
        let array = byte(p) == b'=' && byte(p.saturating_add(1)) == b'(';
        if !leading && !array {
            return None;
        }
        let name = self.slice(start, name_end).to_owned();
        let mut index = None;
        self.pos = p;
        if indexed {
            self.bump(1);
            if self.retries >= MAX_RETRIES {
                self.too_deep = true;
                self.pos = self.bytes.len();
                return None;
            }
            let (broken, control) = (self.broken, self.control);
            let here = (self.here.len(), self.pending.len());
            let parts = self.parts(|b, _| b == b']' || b == b'\n');
            let ok = self.at(0) == b']'
                && (self.at(1) == b'=' || (self.at(1) == b'+' && self.at(2) == b'='));
            if !ok {
                // Only what a substitution nests is worth counting: the rest is one short look.
                if parts.iter().any(|p| !matches!(p, Part::Text { .. })) {
                    self.retries = self.retries.saturating_add(1);
                }
                self.pos = start;
                self.broken = broken;
                self.control = control;
                self.here.truncate(here.0);
                self.pending.truncate(here.1);
                return None;
            }
            self.bump(1);
            index = Some(parts);
        }
        let append = self.at(0) == b'+';
        self.bump(if append { 2 } else { 1 });
        if self.at(0) == b'(' {
            self.bump(1);
            let mut values = Vec::new();
            loop {
                self.newlines();
                if self.end() || self.at(0) == b')' {
                    break;
                }
                let before = self.pos;
                if let Some(word) = self.word() {
                    values.push(word);
                }
                if self.pos == before {
                    self.broken = true;
                    self.skip_one();
                }
            }
            self.close(b')');
            return Some(Assign {
                name,
                index,
                append,
                values,
                array: true,
            });
        }
        let value = self.word().unwrap_or_default();
        Some(Assign {
            name,
            index,
            append,
            values: vec![value],
            array: false,
        })
    }

    fn redirect(&mut self) -> Option<Redirect> {
        let start = self.pos;
        let mut fd = None;
        let mut p = 0;
        if self.at(0).is_ascii_digit() {
            while self.at(p).is_ascii_digit() && p < 10 {
                p = p.saturating_add(1);
            }
            fd = self.slice(start, start.saturating_add(p)).parse().ok();
        } else if self.at(0) == b'{' {
            let mut q = 1;
            while is_name(self.at(q)) {
                q = q.saturating_add(1);
            }
            if q > 1 && self.at(q) == b'[' {
                while !matches!(self.at(q), b']' | b'\n' | 0) && q < 64 {
                    q = q.saturating_add(1);
                }
                q = q.saturating_add(1);
            }
            if q > 1 && self.at(q) == b'}' && matches!(self.at(q.saturating_add(1)), b'<' | b'>') {
                p = q.saturating_add(1);
                fd = Some(10);
            }
        }
        let rest = self
            .bytes
            .get(start.saturating_add(p)..)
            .unwrap_or_default();
        let op = [
            "<<<", "<<-", "&>>", "<<", ">>", ">|", "<>", ">&", "<&", "&>", "<", ">",
        ]
        .into_iter()
        .find(|op| rest.starts_with(op.as_bytes()))?;
        // `<(` and `>(` begin a word.
        if matches!(op, "<" | ">") && rest.get(1) == Some(&b'(') {
            return None;
        }
        self.bump(p.saturating_add(op.len()));
        self.blanks();
        if matches!(op, "<<" | "<<-") {
            let from = self.pos;
            let word = self.word().unwrap_or_default();
            let raw = self.slice(from, self.pos);
            let literal = raw.bytes().any(|b| matches!(b, b'\'' | b'"' | b'\\'))
                && !raw.contains("$(")
                && !raw.contains('`');
            let delimiter = if literal { flat(&word) } else { raw.to_owned() };
            if raw.is_empty() {
                self.broken = true;
            }
            let slot = self.here.len();
            self.here.push(Vec::new());
            self.pending.push(Pending {
                slot,
                delimiter,
                strip_tabs: op == "<<-",
                literal,
            });
            return Some(Redirect {
                fd,
                op: "<<",
                target: Target::Here(slot, word),
            });
        }
        let word = self.word();
        if word.is_none() {
            self.broken = true;
        }
        let word = word.unwrap_or_default();
        Some(Redirect {
            fd,
            op,
            target: if op == "<<<" {
                Target::HereString(word)
            } else {
                Target::Word(word)
            },
        })
    }

    /// One word, or nothing at a metacharacter.
    fn word(&mut self) -> Option<Word> {
        if self.end() {
            return None;
        }
        let b = self.at(0);
        if is_meta(b) && !(matches!(b, b'<' | b'>') && self.at(1) == b'(') {
            return None;
        }
        Some(self.parts(|b, _| is_meta(b)))
    }

    /// Parts up to an unquoted byte that `stop` accepts; process substitutions go through.
    fn parts(&mut self, stop: impl Fn(u8, u8) -> bool) -> Word {
        let mut out: Word = Vec::new();
        let mut plain = String::new();
        let mut groups = 0_u32;
        while !self.end() {
            let b = self.at(0);
            if matches!(b, b'<' | b'>') && self.at(1) == b'(' {
                flush(&mut out, &mut plain);
                self.bump(2);
                let body = self.list(&[")"]);
                self.close(b')');
                out.push(Part::Process(body.into(), b == b'<'));
                continue;
            }
            if groups > 0 && b == b')' {
                groups = groups.saturating_sub(1);
                plain.push(')');
                self.bump(1);
                continue;
            }
            if groups == 0 && stop(b, self.at(1)) {
                break;
            }
            match b {
                b'\\' => {
                    if self.at(1) == b'\n' {
                        self.bump(2);
                        continue;
                    }
                    flush(&mut out, &mut plain);
                    self.bump(1);
                    let from = self.pos;
                    self.skip_one();
                    out.push(text(self.slice(from, self.pos), true));
                }
                b'\'' => {
                    flush(&mut out, &mut plain);
                    self.bump(1);
                    out.push(self.single());
                }
                b'"' => {
                    flush(&mut out, &mut plain);
                    self.bump(1);
                    out.push(self.double());
                }
                b'$' | b'`' => {
                    flush(&mut out, &mut plain);
                    out.push(self.dollar(false));
                }
                b'?' | b'*' | b'+' | b'@' | b'!' if self.at(1) == b'(' => {
                    // An extended pattern: its parentheses are part of the word.
                    plain.push(b as char);
                    plain.push('(');
                    self.bump(2);
                    groups = groups.saturating_add(1);
                }
                b'\n' if groups > 0 => break,
                0..=8 | 11..=31 | 127 => {
                    self.control = true;
                    self.bump(1);
                }
                _ => {
                    let from = self.pos;
                    self.skip_one();
                    while let Some(&n) = self.bytes.get(self.pos) {
                        if n.is_ascii_alphanumeric() || matches!(n, b'-' | b'/' | b'.' | b'_') {
                            if stop(n, 0) {
                                break;
                            }
                            self.bump(1);
                        } else {
                            break;
                        }
                    }
                    let piece = self.slice(from, self.pos);
                    if piece.chars().next().is_some_and(invisible) {
                        self.control = true;
                    }
                    plain.push_str(piece);
                }
            }
        }
        flush(&mut out, &mut plain);
        out
    }

    fn single(&mut self) -> Part {
        let from = self.pos;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let length = memchr::memchr(b'\'', rest).unwrap_or_else(|| {
            self.broken = true;
            rest.len()
        });
        let end = from.saturating_add(length);
        self.pos = end.saturating_add(1).min(self.bytes.len());
        text(self.slice(from, end), true)
    }

    fn double(&mut self) -> Part {
        if !self.deeper() {
            return text("", true);
        }
        let parts = self.double_parts(|b| b == b'"');
        if self.at(0) == b'"' && !self.end() {
            self.bump(1);
        } else {
            self.broken = true;
        }
        self.shallower();
        Part::Double(parts)
    }

    /// Text in which only `$`, backtick and some escapes mean something.
    fn double_parts(&mut self, stop: impl Fn(u8) -> bool) -> Word {
        let mut out = Vec::new();
        let mut from = self.pos;
        while !self.end() {
            let b = self.at(0);
            if stop(b) {
                break;
            }
            match b {
                b'\\' => {
                    push_quoted(&mut out, self.slice(from, self.pos));
                    match self.at(1) {
                        b'$' | b'`' | b'"' | b'\\' => {
                            let p = self.pos.saturating_add(1);
                            push_quoted(&mut out, self.slice(p, p.saturating_add(1)));
                            self.bump(2);
                            from = self.pos;
                        }
                        b'\n' => {
                            self.bump(2);
                            from = self.pos;
                        }
                        _ => {
                            from = self.pos;
                            self.bump(1);
                        }
                    }
                }
                b'$' | b'`' => {
                    push_quoted(&mut out, self.slice(from, self.pos));
                    let part = self.dollar(true);
                    out.push(part);
                    from = self.pos;
                }
                _ => self.skip_one(),
            }
        }
        push_quoted(&mut out, self.slice(from, self.pos));
        out
    }

    /// `$…` or a backtick substitution.
    fn dollar(&mut self, quoted: bool) -> Part {
        if self.at(0) == b'`' {
            return self.backticks(quoted);
        }
        match self.at(1) {
            b'(' => {
                if self.at(2) == b'('
                    && let Some(parts) = self.try_arithmetic(3)
                {
                    return Part::Arithmetic(parts);
                }
                self.bump(2);
                let body = self.list(&[")"]);
                self.close(b')');
                Part::Command(body.into())
            }
            b'[' => {
                self.bump(2);
                let parts = self.double_parts(|b| b == b']');
                self.bump(1);
                Part::Arithmetic(parts)
            }
            b'{' => self.braced(quoted),
            b'\'' if !quoted => {
                self.bump(2);
                self.ansi()
            }
            b'"' if !quoted => {
                self.bump(2);
                self.double()
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                self.bump(1);
                let from = self.pos;
                while is_name(self.at(0)) {
                    self.bump(1);
                }
                param(self.slice(from, self.pos))
            }
            b if b.is_ascii_digit()
                || matches!(b, b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') =>
            {
                self.bump(2);
                param(self.slice(self.pos.saturating_sub(1), self.pos))
            }
            _ => {
                self.bump(1);
                text("$", true)
            }
        }
    }

    fn backticks(&mut self, quoted: bool) -> Part {
        let start = self.pos;
        self.bump(1);
        let mut copy = String::new();
        loop {
            if self.end() {
                self.broken = true;
                break;
            }
            match self.at(0) {
                b'`' => {
                    self.bump(1);
                    break;
                }
                b'\\'
                    if matches!(self.at(1), b'`' | b'$' | b'\\')
                        || (quoted && self.at(1) == b'"') =>
                {
                    copy.push(self.at(1) as char);
                    self.bump(2);
                }
                _ => {
                    let from = self.pos;
                    self.skip_one();
                    copy.push_str(self.slice(from, self.pos));
                }
            }
        }
        let span = self.span(start);
        let body: Vec<Cmd> = self.nested(&copy, span, |p| p.list(&[]));
        Part::Command(body.into())
    }

    /// `((…))`, or nothing (and nothing taken) where it is two parentheses.
    fn try_arithmetic(&mut self, opening: usize) -> Option<Word> {
        if self.retries >= MAX_RETRIES {
            self.too_deep = true;
            return None;
        }
        if !self.deeper() {
            return None;
        }
        let start = self.pos;
        let state = (
            self.broken,
            self.control,
            self.here.len(),
            self.pending.len(),
        );
        self.bump(opening);
        let mut parens = 0_u32;
        let mut out = Vec::new();
        let mut ok = false;
        while !self.end() {
            out.extend(
                self.double_parts(|b| matches!(b, b'(' | b')' | b'\'' | b'"' | b'\n' | b';')),
            );
            match self.at(0) {
                b'(' => parens = parens.saturating_add(1),
                b')' if parens > 0 => parens = parens.saturating_sub(1),
                b')' => {
                    ok = self.at(1) == b')';
                    break;
                }
                b'\'' => {
                    self.bump(1);
                    let part = self.single();
                    out.push(part);
                    continue;
                }
                b'"' => {
                    self.bump(1);
                    let part = self.double();
                    out.push(part);
                    continue;
                }
                _ => {}
            }
            let p = self.pos;
            push_quoted(&mut out, self.slice(p, p.saturating_add(1)));
            self.bump(1);
        }
        self.shallower();
        if ok {
            self.bump(2);
            return Some(out);
        }
        if self.too_deep {
            return Some(out);
        }
        self.retries = self.retries.saturating_add(1);
        self.pos = start;
        (self.broken, self.control) = (state.0, state.1);
        self.here.truncate(state.2);
        self.pending.truncate(state.3);
        None
    }

    fn braced(&mut self, quoted: bool) -> Part {
        if !self.deeper() {
            return text("", true);
        }
        let part = self.braced_inner(quoted);
        self.shallower();
        part
    }

    fn braced_inner(&mut self, quoted: bool) -> Part {
        self.bump(2);
        let mut p = Param {
            name: String::new(),
            index: None,
            indirect: false,
            length: false,
            op: "",
            arg: Vec::new(),
        };
        if self.at(0) == b'#' && self.at(1) != b'}' {
            p.length = true;
            self.bump(1);
        } else if self.at(0) == b'!' && self.at(1) != b'}' {
            p.indirect = true;
            self.bump(1);
        }
        let from = self.pos;
        if is_name(self.at(0)) {
            while is_name(self.at(0)) {
                self.bump(1);
            }
        } else if !self.end() && self.at(0) != b'}' {
            self.skip_one();
        }
        p.name = self.slice(from, self.pos).to_owned();
        if self.at(0) == b'[' {
            self.bump(1);
            p.index = Some(self.parts(|b, _| b == b']'));
            self.bump(1);
        }
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        p.op = [
            ":-", ":=", ":?", ":+", "##", "%%", "//", "/#", "/%", "^^", ",,", "#", "%", "/", "^",
            ",", "-", "=", "?", "+", ":", "@", "*",
        ]
        .into_iter()
        .find(|op| rest.starts_with(op.as_bytes()))
        .unwrap_or("");
        self.bump(p.op.len());
        // A pattern has quotes of its own, within double quotes too.
        let pattern = matches!(
            p.op,
            "#" | "##" | "%" | "%%" | "/" | "//" | "/#" | "/%" | "^" | "^^" | "," | ",,"
        );
        p.arg = if quoted && !pattern {
            // Inside double quotes a single quote is an ordinary character, a double one is not.
            let mut arg = Vec::new();
            loop {
                arg.extend(self.double_parts(|b| matches!(b, b'}' | b'"')));
                if self.at(0) == b'"' && !self.end() {
                    self.bump(1);
                    let part = self.double();
                    arg.push(part);
                } else {
                    break;
                }
            }
            arg
        } else {
            self.parts(|b, _| b == b'}')
        };
        if self.at(0) == b'}' && !self.end() {
            self.bump(1);
        } else {
            self.broken = true;
        }
        Part::Param(Box::new(p))
    }

    fn ansi(&mut self) -> Part {
        let from = self.pos;
        while !self.end() && self.at(0) != b'\'' {
            self.bump(if self.at(0) == b'\\' { 2 } else { 1 });
        }
        if self.end() {
            self.broken = true;
        }
        let raw = self.slice(from, self.pos.min(self.bytes.len()));
        self.bump(1);
        Part::Text {
            text: super::produce::unescape(raw),
            quoted: true,
        }
    }
}

fn flush(out: &mut Word, plain: &mut String) {
    if !plain.is_empty() {
        out.push(Part::Text {
            text: std::mem::take(plain),
            quoted: false,
        });
    }
}

fn push_quoted(out: &mut Word, piece: &str) {
    if !piece.is_empty() {
        out.push(text(piece, true));
    }
}

fn param(name: &str) -> Part {
    Part::Param(Box::new(Param {
        name: name.to_owned(),
        index: None,
        indirect: false,
        length: false,
        op: "",
        arg: Vec::new(),
    }))
}

/// Characters that a person does not see, and a shell takes for a letter.
pub(super) const fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{a0}' | '\u{ad}' | '\u{3000}' | '\u{2000}'..='\u{200a}' | '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
    )
}

/// The text of a word without expansions, quotes removed.
pub(super) fn flat(word: &Word) -> String {
    let mut out = String::new();
    for part in word {
        match part {
            Part::Text { text, .. } => out.push_str(text),
            Part::Double(parts) => out.push_str(&flat(parts)),
            _ => {}
        }
    }
    out
}

/// The commands of a text in shared form, for bodies that run later.
pub(super) type Body = Rc<[Cmd]>;
