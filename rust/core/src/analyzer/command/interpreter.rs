//! Shells, ssh and interpreters of other languages: what text they run.

use super::{
    flow,
    shell::Shell,
    value::{HOLE, Value, from},
};
use crate::analyzer::{Language, Scope};
use std::mem;

/// Interpreters of other languages, with the options that carry code.
pub(super) fn interpreter(program: &str) -> Option<(Option<Language>, &'static str)> {
    let base = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match base {
        "python" | "pypy" | "ipython" | "jython" | "micropython" => (Some(Language::Python), "-c"),
        "node" | "nodejs" | "bun" | "tsx" | "ts-node" | "electron" => {
            (Some(Language::JavaScript), "-e --eval -p --print -pe")
        }
        "deno" => (Some(Language::JavaScript), "eval"),
        "perl" => (Some(Language::Perl), "-e -E"),
        "ruby" | "jruby" => (Some(Language::Ruby), "-e"),
        "php" => (Some(Language::Php), "-r -B -R -E"),
        "lua" | "luajit" | "texlua" => (Some(Language::Lua), "-e"),
        "irb" | "pry" => (Some(Language::Ruby), "-e"),
        "rake" => (Some(Language::Ruby), "-e --execute -E -p"),
        "jrunscript" | "jshell" | "jjs" => (None, "-e"),
        "emacs" => (None, "--eval -eval --execute -execute"),
        "rscript" | "r" => (None, "-e"),
        "m4" => (None, "-D"),
        "julia" | "elixir" | "ghc" | "groovy" | "scala" | "swift" | "osascript" | "crystal"
        | "octave" | "octave-cli" | "gnuplot" | "slsh" | "clisp" | "ecl" | "bpftrace" | "sbcl"
        | "kotlin" | "kotlinc" | "ocaml" | "csi" | "dart" | "gimp" | "stap" | "raku" | "racket"
        | "guile" | "clojure" | "bb" | "iex" | "nim" => (None, "-e --eval -E -c -x -b"),
        _ => return None,
    })
}

impl Shell<'_> {
    pub(super) fn shell(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let mut i = 0_usize;
        let mut stdin_code = false;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            if matches!(text, "--rcfile" | "--init-file") {
                if let Some(file) = args.get(i) {
                    let content = self.file(file);
                    if content.is_known() || content.has(from::NETWORK | from::DECODED) {
                        self.execute(&content, scope);
                    }
                }
                i = i.saturating_add(1);
                continue;
            }
            if text == "--command" {
                return self.shell_text(
                    args.get(i),
                    args.get(i.saturating_add(1)..).unwrap_or_default(),
                    scope,
                );
            }
            if text.starts_with("--") && text.len() > 2 {
                continue;
            }
            if text == "--" || text == "-" {
                continue;
            }
            if matches!(text, "-o" | "+o" | "-O" | "+O") {
                i = i.saturating_add(1);
                continue;
            }
            // `-n` only looks at the syntax.
            if text == "-n" {
                return Value::unknown(from::OUTPUT);
            }
            if text.starts_with('-') || text.starts_with('+') {
                // `-euo pipefail -c …`
                i = i.saturating_add(text.matches('o').count());
                if text.contains('s') {
                    stdin_code = true;
                }
                if text.contains('c') {
                    let mut rest = args.get(i..).unwrap_or_default();
                    while let Some((first, tail)) = rest.split_first() {
                        if first.text == "--"
                            || (first.text.starts_with('-')
                                && first.text.len() > 1
                                && !tail.is_empty()
                                && !first.text.contains(' '))
                        {
                            rest = tail;
                        } else {
                            break;
                        }
                    }
                    return self.shell_text(rest.first(), rest.get(1..).unwrap_or_default(), scope);
                }
                continue;
            }
            if stdin_code {
                break;
            }
            // An argument list that begins with the shell's own name.
            if args.get(i).is_some_and(|a| a.text == "-c") && super::dispatch::base(text) == program
            {
                continue;
            }
            // A script file.
            let content = self.file(arg);
            if content.has(from::NETWORK | from::DECODED)
                || (content.is_known() && !content.text.is_empty())
                || arg.text == "/dev/stdin"
            {
                let positional = mem::replace(
                    &mut self.positional,
                    args.get(i.saturating_sub(1)..).unwrap_or_default().to_vec(),
                );
                let out = self.execute(&content, scope);
                self.positional = positional;
                return out;
            }
            self.unseen(arg, scope);
            return Value::unknown(from::OUTPUT);
        }
        match self.stdin.take() {
            Some(code) => {
                // A stream of unknown text that a shell reads.
                if code.solid().trim().is_empty()
                    && !code.has(from::NETWORK | from::DECODED | from::SETUP)
                    && !code.is_known()
                {
                    self.hit("stream-to-shell", scope);
                    return Value::unknown(from::OUTPUT);
                }
                self.execute(&code, scope)
            }
            None => Value::unknown(from::OUTPUT),
        }
    }

    pub(super) fn shell_text(
        &mut self,
        text: Option<&Value>,
        rest: &[Value],
        scope: &mut Scope<'_>,
    ) -> Value {
        let Some(text) = text else {
            return Value::default();
        };
        let positional = mem::replace(&mut self.positional, rest.to_vec());
        let bulk = self.bulk;
        let out = self.execute(&text.clone(), scope);
        self.bulk = bulk;
        self.positional = positional;
        out
    }

    pub(super) fn ssh(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        let mut i = 0_usize;
        let mut host = false;
        while let Some(arg) = args.get(i) {
            let text = arg.text.as_str();
            if text == "--" {
                i = i.saturating_add(1);
                continue;
            }
            if text.starts_with('-') && !text.is_empty() {
                let last = text.chars().next_back().unwrap_or('-');
                i = i.saturating_add(
                    if text == "-pw" || text.len() == 2 && "bcDEeFIiJLlmOopQRSWwB".contains(last) {
                        2
                    } else {
                        1
                    },
                );
                continue;
            }
            if host {
                break;
            }
            host = true;
            i = i.saturating_add(1);
        }
        let rest = args.get(i..).unwrap_or_default();
        let privileged = self.privileged;
        if rest.is_empty() {
            if let Some(input) = self.stdin.clone()
                && (input.is_known() || input.has(from::NETWORK))
                && host
            {
                self.execute(&input, scope);
            }
        } else {
            let mut text = Value::default();
            for (n, arg) in rest.iter().enumerate() {
                if n > 0 {
                    text.push(" ");
                }
                text.append(arg);
            }
            let lenient = self.lenient;
            self.lenient |= !text.is_known();
            self.execute(&text, scope);
            self.lenient = lenient;
        }
        self.privileged = privileged;
    }

    pub(super) fn awk_program(&self, args: &[Value]) -> Option<Value> {
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            match arg.text.as_str() {
                "-F" | "-v" | "-f" | "--assign" | "--field-separator" => i = i.saturating_add(1),
                "-e" | "--source" => return args.get(i).cloned(),
                text if text.starts_with('-') && text.len() > 1 => {}
                _ => return Some(arg.clone()),
            }
        }
        None
    }

    pub(super) fn interpreter(
        &mut self,
        language: Option<Language>,
        options: &str,
        args: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
        let mut i = 0_usize;
        let mut ran = false;
        let mut printed = None;
        let mut operand = false;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            let exact = options.split(' ').any(|o| o == text);
            // Perl and Ruby cluster: `-ne 'code'`, `-pie`.
            let cluster = !exact
                && matches!(
                    language,
                    Some(Language::Perl | Language::Ruby | Language::JavaScript)
                )
                && text.len() < 8
                && text.starts_with('-')
                && !text.starts_with("--")
                && text.ends_with(['e', 'E'])
                || !exact
                    && language == Some(Language::Python)
                    && text.len() > 2
                    && text.len() < 8
                    && text
                        .strip_prefix('-')
                        .and_then(|t| t.strip_suffix('c'))
                        .is_some_and(|flags| flags.bytes().all(|b| b"IuBEsSvOqdbxiP".contains(&b)));
            let inline = options
                .split(' ')
                .find_map(|o| {
                    if o.len() == 2 {
                        text.strip_prefix(o)
                    } else {
                        text.strip_prefix(o).and_then(|t| t.strip_prefix('='))
                    }
                })
                .filter(|t| {
                    !t.is_empty() && matches!(language, Some(Language::Python | Language::Php))
                        || text.contains('=') && text.starts_with("--eval")
                });
            // `-e'code'`, `-ne'code'`.
            let glued = matches!(language, Some(Language::Perl | Language::Ruby))
                .then(|| {
                    let rest = text
                        .strip_prefix('-')?
                        .trim_start_matches(['n', 'p', 'l', 'a', 'w']);
                    rest.strip_prefix(['e', 'E']).filter(|code| code.len() > 5)
                })
                .flatten();
            let inline = inline.or(glued);
            if exact || cluster {
                if let Some(code) = args.get(i) {
                    let code = code.clone();
                    i = i.saturating_add(1);
                    self.code(&code, language, scope);
                    ran = true;
                    printed = super::strings::printed(&code.text, language).map(Value::known);
                    if language == Some(Language::Python) {
                        break;
                    }
                }
                continue;
            }
            if let Some(inline) = inline {
                let code = Value {
                    text: inline.to_owned(),
                    ..arg.clone()
                };
                self.code(&code, language, scope);
                ran = true;
                continue;
            }
            if language == Some(Language::Python) && text.starts_with("-m") {
                // `python -m pip …` is `pip …`.
                let mut rest = args.get(i..).unwrap_or_default();
                let mut joined = Vec::new();
                if let Some(module) = text.strip_prefix("-m").filter(|m| !m.is_empty()) {
                    joined.push(Value::known(module));
                    joined.extend_from_slice(rest);
                    rest = &joined;
                }
                if rest
                    .first()
                    .is_some_and(|m| matches!(m.text.as_str(), "pip" | "ipython"))
                {
                    self.dispatch(rest, &[], scope);
                }
                if rest.first().is_some_and(|m| m.text == "timeit") {
                    for code in rest.iter().skip(1).filter(|a| !a.text.starts_with('-')) {
                        self.code(code, language, scope);
                    }
                }
                if rest
                    .first()
                    .is_some_and(|m| matches!(m.text.as_str(), "http.server" | "SimpleHTTPServer"))
                {
                    flow::serves(self, rest, scope);
                }
                return None;
            }
            if text == "-" {
                continue;
            }
            if text.starts_with('-') {
                if matches!(
                    text,
                    "-W" | "-X" | "-r" | "--require" | "-I" | "-C" | "--import"
                ) {
                    i = i.saturating_add(1);
                }
                continue;
            }
            // `$(which python || which python3)` gave both names.
            let name = super::dispatch::base(text);
            if name.len() < 10
                && interpreter(&name).is_some_and(|(l, _)| l == language)
                && !text.contains("./")
            {
                continue;
            }
            operand = true;
            let content = self.file(arg);
            if content.is_known() && !content.text.is_empty() {
                self.code(&content, language, scope);
            } else if content.has(from::NETWORK | from::DECODED) && !content.has(from::SETUP) {
                self.execute(
                    &Value {
                        text: HOLE.to_string(),
                        ..content
                    },
                    scope,
                );
            }
            break;
        }
        if !ran
            && !operand
            && let Some(code) = self.stdin.clone()
        {
            if code.solid().trim().is_empty() {
                if code.has(from::NETWORK | from::DECODED) {
                    self.execute(
                        &Value {
                            text: HOLE.to_string(),
                            ..code
                        },
                        scope,
                    );
                }
            } else {
                self.code(&code, language, scope);
            }
        }
        printed
    }

    /// Code of another language.
    pub(super) fn code(&mut self, code: &Value, language: Option<Language>, scope: &mut Scope<'_>) {
        if code.has(from::NETWORK) && !code.is_known() {
            self.hit("download-to-shell", scope);
        }
        let text = code.text.replace(HOLE, "x");
        let span = self.span;
        if let Some(language) = language {
            scope.nested(span, |scope| {
                scope.analyzers.code.analyze(&text, language, scope);
            });
        }
        super::strings::shell_strings(self, &text, language, scope);
    }

    pub(super) fn sql(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) {
        let mut texts = Vec::new();
        let mut operand = 0_u32;
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            let flags = [
                "-c",
                "--command",
                "-e",
                "--execute",
                "-Q",
                "-q",
                "--query",
                "--sql",
                "-cmd",
                "--eval",
            ];
            if flags.contains(&text)
                || (text.starts_with('-')
                    && !text.starts_with("--")
                    && text.len() < 6
                    && text.ends_with(['c', 'e'])
                    && program != "sqlite3")
            {
                if let Some(next) = args.get(i) {
                    texts.push(next.text.clone());
                    i = i.saturating_add(1);
                }
            } else if let Some((flag, value)) = text.split_once('=')
                && flags.contains(&flag)
            {
                texts.push(value.to_owned());
            } else if !text.starts_with('-') {
                operand = operand.saturating_add(1);
                if matches!(
                    program,
                    "sqlite3" | "sqlite" | "duckdb" | "litecli" | "bq" | "usql"
                ) && operand > 1
                    || text.contains(' ')
                {
                    texts.push(text.to_owned());
                }
            } else if let Some(inline) = text.strip_prefix("-e").or_else(|| text.strip_prefix("-c"))
                && !inline.is_empty()
                && inline.contains(' ')
            {
                texts.push(inline.to_owned());
            }
        }
        if texts.is_empty()
            && let Some(input) = &self.stdin
        {
            if input.has(from::NETWORK) && !input.is_known() {
                self.hit("stream-to-shell", scope);
            }
            texts.push(input.text.clone());
        }
        let span = self.span;
        for text in texts {
            let text = text.replace(HOLE, "x");
            scope.nested(span, |scope| scope.analyzers.sql.analyze(&text, scope));
            // Clients run shell commands by escapes of their own.
            for line in text.lines().take(64) {
                let line = line.trim();
                let command = line
                    .strip_prefix("\\!")
                    .or_else(|| line.strip_prefix(".shell "))
                    .or_else(|| line.strip_prefix(".system "))
                    .or_else(|| line.strip_prefix("system "))
                    .or_else(|| line.strip_prefix("!!"))
                    .or_else(|| {
                        line.strip_prefix("\\copy")
                            .and_then(|l| l.split_once(" program "))
                            .map(|(_, c)| c.trim().trim_matches('\''))
                    });
                if let Some(command) = command {
                    self.maybe(command, scope);
                }
            }
            let lower = text.to_ascii_lowercase();
            if let Some(at) = lower.find(" program '") {
                let command = text.get(at.saturating_add(10)..).unwrap_or_default();
                let command = command.split('\'').next().unwrap_or_default();
                self.hit("sql-program", scope);
                self.maybe(command, scope);
            }
        }
    }
}
