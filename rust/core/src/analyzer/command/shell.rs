//! Walks the tree and follows what would run, with what input, and what becomes of the output.

use super::{
    CommandAnalyzer, parse,
    parse::Body,
    syntax::{Assign, Cmd, Part, Redirect, Simple, Target, Word},
    trace::Kind,
    value::{HOLE, Value, from},
    vars::{Attribute, Variable, Vars},
    wrapper::quote,
};
use crate::{analyzer::Scope, span::Span};
use std::{collections::HashMap, mem, rc::Rc};

/// Whether a value names something in a folder that everybody may write to.
fn temporary(text: &str) -> bool {
    ["/tmp/", "/dev/shm/", "/var/tmp/"]
        .iter()
        .any(|t| text.contains(t))
}

/// Whether a loop starts background commands without end and waits for nothing: the block of a
/// `while` begins with its condition.
fn endless(inner: &Cmd) -> bool {
    let text = |word: &Vec<Part>| match word.as_slice() {
        [Part::Text { text, .. }] => Some(text.clone()),
        _ => None,
    };
    let literal = |cmd: &Cmd| match cmd {
        Cmd::Simple(simple) => {
            let first = simple.words.first().and_then(text)?;
            Some(super::dispatch::base(&first))
        }
        _ => None,
    };
    // `[ true ]`, `test 1`.
    let constant = |cmd: &Cmd| match cmd {
        Cmd::Simple(simple) => {
            let words: Vec<String> = simple.words.iter().take(4).filter_map(text).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            matches!(words.as_slice(), ["[" | "test", "true" | "1", ..]) && words.len() < 4
        }
        _ => false,
    };
    let (always, body) = match inner {
        Cmd::Block(body, ..) => {
            let always = match body.first() {
                Some(Cmd::Test(words, _)) => matches!(
                    words.first().map(Vec::as_slice),
                    Some([Part::Text { text, .. }]) if text.trim() == "1"
                ),
                Some(cmd) => {
                    literal(cmd).is_some_and(|w| matches!(w.as_str(), "true" | ":" | "false"))
                        || constant(cmd)
                }
                None => false,
            };
            (always, body.get(1..).unwrap_or_default())
        }
        Cmd::For {
            name, words, body, ..
        } => {
            let bound = words.iter().flatten().any(
                |part| matches!(part, Part::Text { text, .. } if text.contains(['<', '>', '='])),
            );
            // `((i=0;;i++))`: no condition.
            let open = words.len() == 3 && words.get(1).is_some_and(Vec::is_empty);
            (name.is_empty() && (open || !bound), &**body)
        }
        _ => return false,
    };
    let waits = |cmd: &Cmd| {
        literal(cmd).is_some_and(|w| {
            matches!(
                w.as_str(),
                "sleep" | "wait" | "read" | "inotifywait" | "break" | "exit"
            )
        })
    };
    always && body.iter().any(|c| matches!(c, Cmd::Background(_))) && !body.iter().any(waits)
}

/// Whether a word is `name=…` or `name+=…`.
fn assigns(word: &Word) -> bool {
    let Some(Part::Text {
        text,
        quoted: false,
    }) = word.first()
    else {
        return false;
    };
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Most calls of functions and aliases in one text.
const MAX_CALLS: u32 = 200;
/// Most simple commands that are followed in one text, repetitions included.
const MAX_STEPS: u32 = 4_000;
/// Most bytes that are copied, parsed and compared for one text, repetitions included.
const MAX_VOLUME: usize = 8 << 20;
/// Most rounds of a loop.
const MAX_ROUNDS: usize = 64;
/// Most variables of a command that are followed with their other values.
const MAX_VARIED: usize = 4;
/// Commands whose arguments are assignments.
const DECLARERS: [&str; 5] = ["declare", "typeset", "local", "export", "readonly"];

/// The state of the shell that would run the text.
pub(super) struct Shell<'a> {
    pub analyzer: &'a CommandAnalyzer,
    pub vars: Vars,
    pub positional: Vec<Value>,
    pub cwd: Option<String>,
    /// A `cd` went where nobody knows.
    pub lost: bool,
    /// What the next command reads.
    pub stdin: Option<Value>,
    pub functions: HashMap<String, (Body, Rc<[Word]>, bool)>,
    pub aliases: HashMap<String, String>,
    /// Texts of `trap`, and where they stand.
    pub traps: Vec<(String, Span)>,
    pub files: HashMap<String, Value>,
    /// Files that descriptors from 3 on write to.
    opened: HashMap<String, Value>,
    /// Folders whose content came from elsewhere in this text: a clone, an unpacked download.
    pub foreign: Vec<String>,
    /// A remote of git was set in this text.
    pub remote_set: bool,
    /// Commands that read what is written to a name: `>(…)`.
    pub readers: HashMap<String, Body>,
    /// Variables to put back when the functions that run return.
    pub locals: Vec<Vec<(String, Option<Variable>)>>,
    /// What `read` left of its input.
    pub consumed: Option<Value>,
    /// The last command of a pipeline runs in this shell.
    pub lastpipe: bool,
    /// The next command is no function.
    pub direct: bool,
    /// Variables with other values that the words of this command used.
    pub used: Vec<String>,
    /// A command is followed with another value of a variable.
    varying: bool,
    pub privileged: bool,
    pub bulk: bool,
    pub piped: bool,
    /// Text that may not be shell at all: what does not parse in it says nothing.
    pub lenient: bool,
    pub span: Span,
    here: Rc<[Word]>,
    active: Vec<(String, u32)>,
    forks: u32,
    calls: u32,
    steps: u32,
    substitutions: u32,
    volume: usize,
    over: bool,
}

impl<'a> Shell<'a> {
    pub(super) fn new(analyzer: &'a CommandAnalyzer) -> Self {
        Self {
            analyzer,
            vars: Vars::default(),
            positional: Vec::new(),
            cwd: None,
            lost: false,
            stdin: None,
            functions: HashMap::new(),
            aliases: HashMap::new(),
            traps: Vec::new(),
            files: HashMap::new(),
            opened: HashMap::new(),
            foreign: Vec::new(),
            remote_set: false,
            readers: HashMap::new(),
            locals: Vec::new(),
            consumed: None,
            lastpipe: false,
            direct: false,
            used: Vec::new(),
            varying: false,
            privileged: false,
            bulk: false,
            piped: false,
            lenient: false,
            span: Span::default(),
            here: Rc::from([]),
            active: Vec::new(),
            forks: 0,
            calls: 0,
            steps: 0,
            substitutions: 0,
            volume: 0,
            over: false,
        }
    }

    /// Takes bytes from what one text may cost; what follows is not looked at when it is used up,
    /// and [`Shell::simple`] says so.
    pub(super) fn pay(&mut self, bytes: usize) -> bool {
        self.volume = self.volume.saturating_add(bytes);
        self.volume <= MAX_VOLUME
    }

    /// Uses up what one text may cost.
    pub(super) const fn exhaust(&mut self) {
        self.volume = self.volume.saturating_add(MAX_VOLUME).saturating_add(1);
    }

    /// What was paid so far.
    #[cfg(test)]
    pub(super) const fn spent(&self) -> usize {
        self.volume
    }

    /// Keeps what the next command reads, to put it back.
    fn keep_stdin(&mut self) -> Option<Value> {
        let length = self.stdin.as_ref().map_or(0, |v| v.text.len());
        self.pay(length);
        self.stdin.clone()
    }

    /// Reports what code recognised, by the name its entry gives.
    pub(super) fn hit(&self, name: &str, scope: &mut Scope<'_>) {
        if let Some(id) = self.analyzer.table.builtin(name) {
            scope.report(id, self.span, None);
        }
    }

    /// Parses and follows a script.
    pub(super) fn script(&mut self, text: &str, scope: &mut Scope<'_>) -> Value {
        if text.len() > scope.limits.command_bytes {
            scope.report_id("engine.command-too-long", self.span, None);
            return Value::unknown(0);
        }
        self.pay(text.len());
        let script = parse::parse(text);
        let whole = Span::new(0, text.len());
        let outer = self.span;
        self.span = whole;
        if script.too_deep {
            scope.report_id("engine.nested-interpreters", whole, None);
            self.hit("too-deep", scope);
        }
        if !self.lenient {
            if script.broken {
                self.hit("unparsable", scope);
            }
            if script.control {
                self.hit("control-character", scope);
            }
        }
        let here = mem::replace(&mut self.here, script.here.into());
        let out = self.run(&script.commands, scope);
        if scope.depth == 0 {
            self.latent(scope);
            self.span = whole;
            if self.volume > MAX_VOLUME && !mem::replace(&mut self.over, true) {
                scope.report_id("engine.syntax-budget", whole, None);
                self.hit("too-deep", scope);
            }
        }
        self.here = here;
        self.span = outer;
        out
    }

    /// Traps run at the end, and functions that nothing called may be called later.
    fn latent(&mut self, scope: &mut Scope<'_>) {
        for (text, span) in mem::take(&mut self.traps) {
            self.span = span;
            let entered = self.enter(Kind::Trap, "", scope);
            self.maybe(&text, scope);
            Self::leave(entered, &Value::default(), scope);
        }
        let names: Vec<String> = self
            .functions
            .iter()
            .filter(|(_, f)| !f.2)
            .map(|(n, _)| n.clone())
            .collect();
        for name in names {
            self.call(&name, &[], scope);
        }
    }

    /// Follows text inside the text: findings stand at the command that runs it.
    pub(super) fn nested(&mut self, text: &str, scope: &mut Scope<'_>) -> Value {
        let span = self.span;
        let mut out = Value::default();
        scope.nested(span, |scope| out = self.script(text, scope));
        self.span = span;
        out
    }

    /// Follows text that only may be shell.
    pub(super) fn maybe(&mut self, text: &str, scope: &mut Scope<'_>) {
        let lenient = mem::replace(&mut self.lenient, true);
        self.nested(text, scope);
        self.lenient = lenient;
    }

    /// Substitutions that a shell evaluates in data.
    pub(super) fn hidden(&mut self, text: &str, scope: &mut Scope<'_>) {
        if (text.contains("$(") || text.contains('`')) && text.contains('[') {
            self.maybe(&format!("cat <<HIDDEN_END\n{text}\nHIDDEN_END"), scope);
        }
    }

    pub(super) fn with_input<T>(
        &mut self,
        stdin: Option<Value>,
        run: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = mem::replace(&mut self.stdin, stdin);
        let result = run(self);
        self.stdin = outer;
        result
    }

    /// The name of a file that holds the output of a process substitution.
    pub(super) fn process_file(&mut self, output: Value) -> Value {
        self.substitutions = self.substitutions.saturating_add(1);
        let name = format!("/dev/fd/63.{}", self.substitutions);
        let bits = output.from;
        self.files.insert(name.clone(), output);
        Value {
            text: name,
            glob: false,
            from: bits,
        }
    }

    /// The name by which something is written to these commands.
    pub(super) fn process_input(&mut self, body: &Body) -> Value {
        self.substitutions = self.substitutions.saturating_add(1);
        let name = format!("/dev/fd/62.{}", self.substitutions);
        if self.readers.len() < 64 {
            self.readers.insert(name.clone(), Rc::clone(body));
        }
        Value::known(name)
    }

    pub(super) fn substitution(&mut self, kind: Kind, body: &Body, scope: &mut Scope<'_>) -> Value {
        let piped = mem::replace(&mut self.piped, true);
        let span = self.span;
        let (cwd, privileged) = (self.cwd.clone(), self.privileged);
        // `$(<file)` is the file's content.
        if let [Cmd::Simple(simple)] = &**body
            && simple.words.is_empty()
            && simple.assigns.is_empty()
            && let [
                Redirect {
                    op: "<",
                    target: Target::Word(word),
                    ..
                },
            ] = simple.redirects.as_slice()
        {
            let path = self.joined(word, scope);
            self.piped = piped;
            self.reads(&path, scope);
            return self.file(&path);
        }
        let entered = self.enter(kind, "", scope);
        let kept = (self.vars.clone(), self.positional.clone());
        let out = self.run(body, scope);
        (self.vars, self.positional) = kept;
        Self::leave(entered, &out, scope);
        self.piped = piped;
        self.span = span;
        self.cwd = cwd;
        self.privileged = privileged;
        out
    }

    pub(super) fn run(&mut self, commands: &[Cmd], scope: &mut Scope<'_>) -> Value {
        let mut out = Value::default();
        for command in commands {
            let piece = self.one(command, scope);
            out.append(&piece);
        }
        out
    }

    fn one(&mut self, command: &Cmd, scope: &mut Scope<'_>) -> Value {
        match command {
            Cmd::Simple(simple) => self.simple(simple, scope),
            Cmd::Pipeline(stages) => {
                let outer_in = self.keep_stdin();
                let piped = self.piped;
                let mut input = outer_in.clone();
                self.forks = self.forks.saturating_add(1);
                let entered = self.enter(Kind::Pipeline, "", scope);
                for (i, stage) in stages.iter().enumerate() {
                    let last = i.saturating_add(1) >= stages.len();
                    self.piped = piped || !last;
                    self.stdin = input;
                    let kept = (!last || !self.lastpipe).then(|| self.vars.clone());
                    input = Some(self.one(stage, scope));
                    if let Some(vars) = kept {
                        self.vars = vars;
                    }
                }
                self.forks = self.forks.saturating_sub(1);
                self.stdin = outer_in;
                self.piped = piped;
                let out = input.unwrap_or_default();
                Self::leave(entered, &out, scope);
                out
            }
            Cmd::Background(command) => {
                self.forks = self.forks.saturating_add(1);
                let vars = self.vars.clone();
                let out = self.one(command, scope);
                self.vars = vars;
                self.forks = self.forks.saturating_sub(1);
                out
            }
            Cmd::Coproc(name, command) => {
                let vars = self.vars.clone();
                let input = Some(Value::unknown(from::OUTPUT));
                self.with_input(input, |shell| shell.one(command, scope));
                self.vars = vars;
                self.vars
                    .insert(name, vec![Value::unknown(0), Value::unknown(0)]);
                Value::default()
            }
            Cmd::Maybe(command) => self.perhaps(|shell| shell.one(command, scope)),
            Cmd::Loop(inner) => {
                if endless(inner) {
                    self.hit("fork-bomb", scope);
                }
                self.perhaps(|shell| match &**inner {
                    Cmd::Block(body, redirects, _) => {
                        shell.redirected(redirects, scope, |shell, scope| shell.rounds(body, scope))
                    }
                    other => shell.one(other, scope),
                })
            }
            Cmd::Block(body, redirects, subshell) => {
                if !*subshell {
                    return self
                        .redirected(redirects, scope, |shell, scope| shell.run(body, scope));
                }
                let kept = (self.cwd.clone(), self.vars.clone(), self.positional.clone());
                let out = self.redirected(redirects, scope, |shell, scope| shell.run(body, scope));
                (self.cwd, self.vars, self.positional) = kept;
                out
            }
            Cmd::For {
                name,
                words,
                body,
                redirects,
            } => {
                if endless(command) {
                    self.hit("fork-bomb", scope);
                }
                let mut values = Vec::new();
                if name.is_empty() {
                    // What the expressions assign has another value in each round.
                    let before = self.vars.clone();
                    for text in words
                        .iter()
                        .map(|w| self.joined(w, scope))
                        .collect::<Vec<_>>()
                    {
                        for part in text.text.split(';') {
                            self.arithmetic(
                                &Value {
                                    text: part.to_owned(),
                                    ..text.clone()
                                },
                                scope,
                            );
                        }
                    }
                    for name in self.vars.assigned(&before) {
                        self.vars.insert(name, vec![Value::unknown(0)]);
                    }
                    return self.perhaps(|shell| {
                        shell.redirected(redirects, scope, |shell, scope| shell.rounds(body, scope))
                    });
                }
                let others = self.alternatives(scope, &mut |shell, scope| {
                    for word in words {
                        values.extend(shell.fields(word, scope));
                    }
                    Value::default()
                });
                drop(others);
                let more = values.len() > MAX_ROUNDS;
                values.truncate(MAX_ROUNDS);
                if values.is_empty() || more {
                    values.push(Value::unknown(0));
                }
                self.perhaps(|shell| {
                    shell.redirected(redirects, scope, |shell, scope| {
                        let mut out = Value::default();
                        for value in values {
                            shell.vars.insert(name, vec![value]);
                            let piece = shell.run(body, scope);
                            out.append(&piece);
                        }
                        out
                    })
                })
            }
            Cmd::Case {
                subject,
                patterns,
                body,
                redirects,
            } => {
                self.joined(subject, scope);
                for pattern in patterns {
                    self.joined(pattern, scope);
                }
                self.perhaps(|shell| {
                    shell.redirected(redirects, scope, |shell, scope| shell.run(body, scope))
                })
            }
            Cmd::Function(name, body) => {
                let called = false;
                let here = Rc::clone(&self.here);
                // Where the second definition only may be reached, the first may be the one called.
                if self.vars.conditional > 0
                    && let Some(first) = self.functions.remove(name)
                {
                    self.functions.insert(format!("{name} before"), first);
                }
                self.functions
                    .insert(name.clone(), (Rc::clone(body), here, called));
                Value::default()
            }
            Cmd::Test(words, arithmetic) => {
                let matching = |word: &Word| matches!(word.as_slice(), [Part::Text { text, .. }] if text == "=~");
                if words.iter().any(matching) {
                    self.vars
                        .insert("BASH_REMATCH", vec![Value::unknown(0); 10]);
                }
                for word in words {
                    let value = self.joined(word, scope);
                    if *arithmetic || value.text.contains('[') {
                        self.arithmetic(&value, scope);
                    } else if let Some(var) =
                        self.vars.get(&value.text).and_then(|v| v.first()).cloned()
                    {
                        self.hidden(&var.text, scope);
                    } else {
                        self.hidden(&value.text, scope);
                    }
                }
                Value::default()
            }
        }
    }

    /// Follows what only may run: what it assigns, a variable may have or not.
    fn perhaps<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        self.vars.conditional = self.vars.conditional.saturating_add(1);
        let out = run(self);
        self.vars.conditional = self.vars.conditional.saturating_sub(1);
        out
    }

    /// Follows the body of a loop: once for each line that it reads or argument that it shifts away,
    /// and once more with what it changes unknown.
    fn rounds(&mut self, body: &Body, scope: &mut Scope<'_>) -> Value {
        let mut out = Value::default();
        let before = self.vars.clone();
        for _ in 0..MAX_ROUNDS {
            let left = |shell: &Self| {
                let lines = shell.stdin.as_ref().map_or(0, |v| v.text.len());
                (lines, shell.positional.len().saturating_sub(1))
            };
            let had = left(self);
            let piece = self.run(body, scope);
            out.append(&piece);
            let left = left(self);
            if !(left.0 < had.0 && left.0 > 0 || left.1 < had.1 && left.1 > 0) {
                break;
            }
        }
        let changed = self.vars.changed(&before);
        if !changed.is_empty() {
            for name in changed {
                self.vars.insert(name, vec![Value::unknown(0)]);
            }
            let piece = self.run(body, scope);
            out.append(&piece);
        }
        out
    }

    /// Follows something, and again with the other values that variables in it may have.
    fn alternatives(
        &mut self,
        scope: &mut Scope<'_>,
        run: &mut dyn FnMut(&mut Self, &mut Scope<'_>) -> Value,
    ) -> Value {
        let outer = mem::take(&mut self.used);
        let mut out = run(self, scope);
        let used = mem::replace(&mut self.used, outer);
        if used.is_empty() || self.varying {
            return out;
        }
        self.varying = true;
        for name in used.into_iter().take(MAX_VARIED) {
            for other in self.vars.others(&name).to_vec() {
                let now = self.vars.keep(&name);
                self.vars.vary(&name, other.clone());
                let piece = self.perhaps(|shell| run(shell, scope));
                out.append(&piece);
                let after = self.vars.get(&name).cloned();
                self.vars.put_back(&name, now);
                if let Some(after) = after.filter(|after| *after != other) {
                    self.perhaps(|shell| shell.vars.insert(&name, after));
                }
            }
        }
        self.varying = false;
        out
    }

    /// Applies redirections around a command; what it writes to files is kept.
    fn redirected(
        &mut self,
        redirects: &[Redirect],
        scope: &mut Scope<'_>,
        run: impl FnOnce(&mut Self, &mut Scope<'_>) -> Value,
    ) -> Value {
        if redirects.is_empty() {
            return run(self, scope);
        }
        let readers = self.substitutions;
        let (stdin, writes) = self.redirections(redirects, scope);
        let outer = self.keep_stdin();
        if stdin.is_some() {
            self.stdin = stdin;
        }
        let out = run(self, scope);
        self.stdin = outer;
        if !writes.is_empty() {
            self.dispatch(&[], &writes, scope);
        }
        let out = self.written(redirects, writes, out, scope);
        self.feed_rest(readers, scope);
        out
    }

    /// The input that the redirections give, and the files they write to.
    fn redirections(
        &mut self,
        redirects: &[Redirect],
        scope: &mut Scope<'_>,
    ) -> (Option<Value>, Vec<Value>) {
        let mut stdin = None;
        let mut writes = Vec::new();
        for redirect in redirects {
            let mut input = None;
            match &redirect.target {
                Target::Here(slot, delimiter) => {
                    self.joined(delimiter, scope);
                    let here = Rc::clone(&self.here);
                    if let Some(body) = here.get(*slot) {
                        input = Some(self.joined(body, scope));
                    }
                }
                Target::HereString(word) => {
                    let mut value = self.joined(word, scope);
                    value.push("\n");
                    input = Some(value);
                }
                Target::Word(word) => {
                    let value = self
                        .fields(word, scope)
                        .into_iter()
                        .next()
                        .unwrap_or_default();
                    let number = value.text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                    match redirect.op {
                        "<" if !number || value.text.starts_with('/') => {
                            self.reads(&value, scope);
                            input = Some(self.file(&value));
                            if value.text.starts_with("/dev/tcp/")
                                || value.text.starts_with("/dev/udp/")
                            {
                                writes.push(value);
                            }
                        }
                        "<&" => {
                            input = if value.is_known() {
                                self.files.get(&format!("/dev/fd/{}", value.text)).cloned()
                            } else {
                                Some(Value::unknown(from::OUTPUT))
                            };
                        }
                        _ if number
                            && !value.text.is_empty()
                            && matches!(redirect.op, ">&" | "&>") =>
                        {
                            writes.extend(self.opened.get(&value.text).cloned());
                        }
                        _ if redirect.op == "<>" => {
                            writes.push(value);
                        }
                        _ => {
                            if let Some(number) = redirect.fd.filter(|n| *n > 2)
                                && self.opened.len() < 64
                            {
                                self.opened.insert(number.to_string(), value.clone());
                            }
                            writes.push(value);
                        }
                    }
                }
            }
            match (redirect.fd, input) {
                (_, None) => {}
                (None | Some(0), input) => stdin = input,
                (Some(number), Some(input)) => {
                    for name in ["/dev/fd", "/proc/self/fd"] {
                        self.files.insert(format!("{name}/{number}"), input.clone());
                    }
                }
            }
        }
        (stdin, writes)
    }

    /// Reports credentials that a redirection reads.
    fn reads(&self, path: &Value, scope: &mut Scope<'_>) {
        if super::place::credential(&super::place::normal(&path.solid(), self.cwd.as_deref())) {
            self.hit("credential-redirect", scope);
        }
    }

    fn written(
        &mut self,
        redirects: &[Redirect],
        writes: Vec<Value>,
        out: Value,
        scope: &mut Scope<'_>,
    ) -> Value {
        let mut gone = false;
        for redirect in redirects {
            let output = matches!(redirect.op, ">" | ">>" | ">|" | "&>" | "&>>" | ">&");
            gone |= output && matches!(redirect.fd, None | Some(1));
        }
        if !gone || writes.is_empty() {
            return out;
        }
        for path in writes {
            self.feed(&path, &out, scope);
            self.write_file(&path, &out);
        }
        Value::default()
    }

    /// Follows the commands of a `>(…)` that is written to.
    pub(super) fn feed(&mut self, path: &Value, content: &Value, scope: &mut Scope<'_>) {
        if let Some(body) = self.readers.remove(&path.text) {
            let entered = self.enter(Kind::ProcessSubstitution, "", scope);
            let vars = self.vars.clone();
            let out = self.with_input(Some(content.clone()), |shell| shell.run(&body, scope));
            self.vars = vars;
            Self::leave(entered, &out, scope);
        }
    }

    /// Follows those that nothing visible was written to, from one on: they run all the same.
    fn feed_rest(&mut self, first: u32, scope: &mut Scope<'_>) {
        if self.readers.is_empty() {
            return;
        }
        let number = |name: &str| name.rsplit('.').next().and_then(|n| n.parse::<u32>().ok());
        let mut names: Vec<String> = self.readers.keys().cloned().collect();
        names.retain(|name| number(name).is_some_and(|n| n > first));
        names.sort();
        for name in names {
            self.feed(&Value::known(name), &Value::unknown(from::OUTPUT), scope);
        }
    }

    pub(super) fn write_file(&mut self, path: &Value, content: &Value) {
        if path.is_known() && !path.text.starts_with("/dev/") && self.files.len() < 256 {
            let name = super::place::normal(&path.text, self.cwd.as_deref());
            let file = self.files.entry(name).or_default();
            file.append(content);
        }
    }

    /// A script that is read from a descriptor which nobody saw being opened.
    pub(super) fn unseen(&mut self, script: &Value, scope: &mut Scope<'_>) {
        let descriptor = script.text.rsplit_once("/fd/");
        if descriptor.is_some_and(|(_, number)| !number.contains('.')) {
            self.hit("stream-to-shell", scope);
        }
    }

    /// What a file holds, as far as it was written in this text or its name says.
    pub(super) fn file(&self, path: &Value) -> Value {
        let name = super::place::normal(&path.text, self.cwd.as_deref());
        if let Some(content) = self.files.get(&path.text).or_else(|| self.files.get(&name)) {
            return content.clone();
        }
        if matches!(
            path.text.as_str(),
            "/dev/stdin" | "-" | "/dev/fd/0" | "/proc/self/fd/0"
        ) {
            return self.stdin.clone().unwrap_or_default();
        }
        if path.text == "/dev/null" {
            return Value::default();
        }
        if path.text.starts_with("/dev/tcp/") {
            return Value::unknown(from::NETWORK);
        }
        let mut bits = from::FILE | path.from & (from::NETWORK | from::DECODED | from::SECRET);
        if super::flow::secret_path(path, self.cwd.as_deref()) {
            bits |= from::SECRET;
        }
        if self.is_foreign(&name) {
            bits |= from::NETWORK;
        }
        Value::unknown(bits)
    }

    /// Whether a file came with a clone or an archive that this text fetched.
    fn is_foreign(&self, name: &str) -> bool {
        self.foreign.iter().any(|folder| {
            folder.is_empty() && !name.starts_with(['/', '.'])
                || name
                    .strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        })
    }

    fn assign(&mut self, assign: &Assign, scope: &mut Scope<'_>) {
        let name = assign.name.as_str();
        let mut key = None;
        if let Some(index) = &assign.index {
            let index = self.joined(index, scope);
            let number = self.arithmetic(&index, scope);
            key = Some(if number.is_known() { number } else { index });
        }
        let mut values = Vec::new();
        let mut keyed = Vec::new();
        for word in &assign.values {
            let by_key = assign.array
                && matches!(word.first(), Some(Part::Text { text, quoted: false }) if text.starts_with('['));
            if by_key {
                let value = self.joined(word, scope);
                if let Some((key, text)) = value.text.trim_start_matches('[').split_once("]=") {
                    self.hidden(&value.text, scope);
                    let text = text.to_owned();
                    keyed.push((
                        key.to_owned(),
                        Value {
                            text,
                            ..value.clone()
                        },
                    ));
                    continue;
                }
                values.push(value);
            } else if assign.array {
                values.extend(self.fields(word, scope));
            } else {
                values.push(self.joined(word, scope));
            }
        }
        for value in &mut values {
            if value.text.contains("[$(") || value.text.contains("[`") {
                self.hidden(&value.text, scope);
            }
            if self.vars.attribute(name) == Attribute::Integer {
                *value = self.arithmetic(value, scope);
            }
        }
        if let Some(value) = values.first() {
            self.environment(name, &value.clone(), scope);
        }
        if let Some(key) = key {
            let value = values.into_iter().next().unwrap_or_default();
            if matches!(name, "BASH_ALIASES" | "BASH_CMDS") {
                self.aliases.insert(key.text.clone(), value.text.clone());
            }
            self.vars.set_key(name, &key.text, value);
            return;
        }
        match (assign.append, assign.array) {
            (true, true) => self.vars.extend(name, values),
            (true, false) => {
                let mut all = self.vars.get(name).cloned().unwrap_or_default();
                for value in values {
                    match all.first_mut() {
                        Some(first) => first.append(&value),
                        None => all.push(value),
                    }
                }
                self.vars.insert(name, all);
            }
            (false, true) => self.vars.insert(name, values),
            (false, false) => {
                // A plain assignment to an array sets its first element.
                let old = self.vars.get(name).map_or(&[][..], Vec::as_slice);
                values.extend_from_slice(old.get(1..).unwrap_or_default());
                self.vars.insert(name, values);
            }
        }
        for (key, value) in keyed {
            let number = self.arithmetic(&Value::known(key.as_str()), scope);
            let key = if number.is_known() { number.text } else { key };
            self.vars.set_key(name, &key, value);
        }
    }

    /// What setting a variable means for the programs that see it.
    pub(super) fn environment(&mut self, name: &str, value: &Value, scope: &mut Scope<'_>) {
        // Variables whose value a shell or a tool runs as code.
        const RUN: [&str; 24] = [
            "PROMPT_COMMAND",
            "PS4",
            "PS1",
            "PS0",
            "PS2",
            "GIT_EDITOR",
            "GIT_SSH_COMMAND",
            "GIT_SSH",
            "GIT_PAGER",
            "GIT_ASKPASS",
            "GIT_SEQUENCE_EDITOR",
            "GIT_EXTERNAL_DIFF",
            "GIT_PROXY_COMMAND",
            "EDITOR",
            "VISUAL",
            "PAGER",
            "BROWSER",
            "MANPAGER",
            "LESSOPEN",
            "LESSCLOSE",
            "SUDO_ASKPASS",
            "SSH_ASKPASS",
            "SUDO_EDITOR",
            "RSYNC_RSH",
        ];
        let text = value.text.as_str();
        if matches!(name, "PS0" | "PS1" | "PS2" | "PS4" | "PROMPT_COMMAND") {
            // It runs later, when the variables in it have their values.
            if scope.depth == 0 && self.traps.len() < 64 && text.contains(['$', '`']) {
                self.traps.push((text.to_owned(), self.span));
            }
            if name != "PROMPT_COMMAND" && (text.contains("$(") || text.contains('`')) {
                self.nested(&format!("cat <<PROMPT_END\n{text}\nPROMPT_END"), scope);
            }
        }
        if RUN.contains(&name) && text.contains([' ', '/', '$', '`']) {
            self.maybe(text.trim_start_matches('|'), scope);
        }
        if let Some(function) = name.strip_prefix("BASH_FUNC_") {
            let name = function.trim_end_matches(['%', '(', ')']);
            self.maybe(&format!("{name} {text}\n{name}"), scope);
        }
        if matches!(name, "BASH_ENV" | "ENV" | "ZDOTDIR" | "PYTHONSTARTUP") {
            let content = self.file(value);
            if content.is_known() && !content.text.is_empty() {
                self.nested(&content.text, scope);
            } else if name == "BASH_ENV" && !text.is_empty() || temporary(text) {
                self.hit("preload", scope);
            }
        }
        // Options of interpreters that load code.
        if matches!(
            name,
            "NODE_OPTIONS"
                | "PERL5OPT"
                | "PERL5LIB"
                | "RUBYOPT"
                | "RUBYLIB"
                | "JAVA_TOOL_OPTIONS"
                | "_JAVA_OPTIONS"
                | "PYTHONPATH"
                | "GCONV_PATH"
                | "PATH"
        ) && temporary(text)
            && (name != "PATH" || temporary(text.get(..9).unwrap_or_default()))
        {
            self.hit("preload", scope);
        }
        if matches!(
            name,
            "LD_PRELOAD" | "LD_AUDIT" | "DYLD_INSERT_LIBRARIES" | "LD_LIBRARY_PATH"
        ) && !text.is_empty()
            && (!name.ends_with("PATH") || text.starts_with("/tmp") || text.starts_with("/dev/shm"))
        {
            self.hit("preload", scope);
        }
    }

    fn simple(&mut self, simple: &Simple, scope: &mut Scope<'_>) -> Value {
        self.steps = self.steps.saturating_add(1);
        let over = self.steps > MAX_STEPS || self.volume > MAX_VOLUME;
        if over || !scope.spend(1, simple.span) {
            if over && !mem::replace(&mut self.over, true) {
                scope.report_id("engine.syntax-budget", simple.span, None);
                self.hit("too-deep", scope);
            }
            return Value::unknown(0);
        }
        self.alternatives(scope, &mut |shell, scope| shell.once(simple, scope))
    }

    fn once(&mut self, simple: &Simple, scope: &mut Scope<'_>) -> Value {
        self.span = simple.span;
        let readers = self.substitutions;
        let declares = matches!(
            simple.words.first().map(Vec::as_slice),
            Some([Part::Text { text, .. }]) if DECLARERS.contains(&text.as_str())
        );
        // The words come first: they do not see what is assigned for the command.
        let mut argv = Vec::with_capacity(simple.words.len());
        for word in &simple.words {
            if argv.len() > 4096 {
                break;
            }
            if declares && assigns(word) {
                argv.push(self.joined(word, scope));
            } else {
                self.fields_into(word, &mut argv, scope);
            }
            self.span = simple.span;
        }
        let outer = self.keep_stdin();
        let mut writes = Vec::new();
        let mut fed = false;
        if !simple.redirects.is_empty() {
            let (stdin, targets) = self.redirections(&simple.redirects, scope);
            writes = targets;
            fed = stdin.is_some();
            if fed {
                self.stdin = stdin;
            }
            self.span = simple.span;
        }
        let mut kept = Vec::new();
        for assign in &simple.assigns {
            if declares {
                self.localize(&assign.name);
            } else if !argv.is_empty() {
                kept.push((assign.name.as_str(), self.vars.keep(&assign.name)));
            }
            self.assign(assign, scope);
            self.span = simple.span;
        }
        let out = if argv.is_empty() && writes.is_empty() {
            Value::default()
        } else {
            self.dispatch(&argv, &writes, scope)
        };
        for (name, variable) in kept.into_iter().rev() {
            self.vars.put_back(name, variable);
        }
        // `exec <file` holds for all that follows.
        let lasting = fed && matches!(argv.as_slice(), [only] if only.text == "exec");
        if !lasting {
            self.stdin = outer;
        }
        if let Some(rest) = self.consumed.take()
            && !fed
        {
            self.stdin = Some(rest);
        }
        let out = self.written(&simple.redirects, writes, out, scope);
        self.feed_rest(readers, scope);
        out
    }

    /// Calls a function that the text defines.
    pub(super) fn call(
        &mut self,
        name: &str,
        argv: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
        let (body, here) = {
            let function = self.functions.get_mut(name)?;
            function.2 = true;
            (Rc::clone(&function.0), Rc::clone(&function.1))
        };
        if let Some((_, forks)) = self.active.iter().find(|(n, _)| n == name) {
            if self.forks > *forks {
                self.hit("fork-bomb", scope);
                return Some(Value::default());
            }
            // A function that wraps the program of its own name.
            return if argv.is_empty() {
                Some(Value::default())
            } else {
                None
            };
        }
        self.calls = self.calls.saturating_add(1);
        if self.calls > MAX_CALLS || self.active.len() > 16 {
            scope.report_id("engine.syntax-budget", self.span, None);
            self.hit("too-deep", scope);
            return Some(Value::unknown(0));
        }
        self.active.push((name.to_owned(), self.forks));
        let span = self.span;
        let positional = mem::replace(&mut self.positional, argv.to_vec());
        let outer_here = mem::replace(&mut self.here, here);
        let entered = self.enter(Kind::Function, name, scope);
        self.locals.push(Vec::new());
        let out = self.run(&body, scope);
        for (name, variable) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            self.vars.put_back(&name, variable);
        }
        Self::leave(entered, &out, scope);
        self.here = outer_here;
        self.positional = positional;
        self.span = span;
        self.active.pop();
        Some(out)
    }

    /// Replaces an alias; `None` where the name is none.
    pub(super) fn alias(
        &mut self,
        name: &str,
        argv: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
        let mut text = self.aliases.get(name)?.clone();
        if self.active.iter().any(|(n, _)| n == name) {
            return None;
        }
        self.calls = self.calls.saturating_add(1);
        if self.calls > MAX_CALLS {
            return None;
        }
        for arg in argv.get(1..).unwrap_or_default() {
            text.push(' ');
            text.push_str(&quote(&arg.text));
        }
        self.active.push((name.to_owned(), self.forks));
        let entered = self.enter(Kind::Alias, name, scope);
        let out = self.nested(&text, scope);
        Self::leave(entered, &out, scope);
        self.active.pop();
        Some(out)
    }

    /// Text that reaches an interpreter of shell code.
    pub(super) fn execute(&mut self, code: &Value, scope: &mut Scope<'_>) -> Value {
        let solid = code.text.replace(HOLE, "");
        if solid.trim().is_empty() {
            if code.text.contains(HOLE) {
                self.unknown_code(code, scope);
            }
            return Value::unknown(code.from & from::SECRET);
        }
        // `curl … | sh` inside `$(…)` leaves a hole where it stood; what came from the network stays.
        if code.has(from::NETWORK | from::DECODED) && code.text.starts_with(HOLE) {
            self.unknown_code(code, scope);
        }
        self.nested(&code.text, scope)
    }

    /// Code that cannot be known before it runs.
    fn unknown_code(&self, code: &Value, scope: &mut Scope<'_>) {
        if code.has(from::NETWORK) {
            self.hit(
                if self.privileged {
                    "download-to-root-shell"
                } else {
                    "download-to-shell"
                },
                scope,
            );
        } else if code.has(from::DECODED) {
            self.hit("decoded-to-shell", scope);
        } else if !code.has(from::SETUP) && !self.lenient {
            self.hit("unknown-code", scope);
        }
    }
}
