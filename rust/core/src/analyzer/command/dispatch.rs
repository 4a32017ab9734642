//! One argument vector: what program it is, what it runs in turn, what it prints.

use super::{
    detect::Fact,
    flow, place, produce,
    shell::Shell,
    value::{HOLE, Value, from, glob},
    wrapper::{self, Inner, quote},
};
use crate::analyzer::{Language, Scope};
use std::mem;

/// Shells that read POSIX-like text.
const SHELLS: [&str; 19] = [
    "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "mksh", "csh", "tcsh", "rbash", "yash",
    "osh", "elvish", "nu", "xonsh", "ksh93", "pdksh", "rzsh",
];

/// Interpreters of other languages, with the options that carry code.
fn interpreter(program: &str) -> Option<(Option<Language>, &'static str)> {
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
        "julia" | "elixir" | "ghc" | "groovy" | "scala" | "swift" | "osascript" | "crystal"
        | "raku" | "racket" | "guile" | "clojure" | "bb" | "iex" | "nim" => {
            (None, "-e --eval -E -c")
        }
        _ => return None,
    })
}

/// The name without folder and suffix, in lower case.
pub(super) fn base(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.rsplit('\\').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    for suffix in [".exe", ".cmd", ".bat", ".com"] {
        if let Some(stem) = lower.strip_suffix(suffix)
            && !stem.is_empty()
        {
            return stem.to_owned();
        }
    }
    lower
}

impl Shell<'_> {
    /// Follows one argument vector; an empty one only writes to `writes`.
    pub(super) fn follow(
        &mut self,
        argv: &[Value],
        writes: &[Value],
        scope: &mut Scope<'_>,
    ) -> Value {
        let Some((first, args)) = argv.split_first() else {
            self.detect("", &[], writes, scope);
            return self.stdin.clone().unwrap_or_default();
        };
        if scope.depth > 0 && !scope.spend(1, self.span) {
            return Value::unknown(0);
        }
        let Some(program) = self.program(first, args, scope) else {
            // A name that is most likely empty leaves the next word as the name.
            if first.solid().is_empty()
                && let Some(next) = args.first()
                && next.is_known()
                && self.known_program(&base(&next.text))
            {
                return self.dispatch(args, writes, scope);
            }
            self.detect("", args, writes, scope);
            if !self.lenient {
                let code = Value {
                    text: HOLE.to_string(),
                    ..first.clone()
                };
                if first.has(from::NETWORK | from::DECODED) {
                    self.execute(&code, scope);
                } else {
                    self.hit("unknown-program", scope);
                }
            }
            return Value::unknown(from::OUTPUT);
        };
        if !first.text.contains('/') {
            if self.functions.contains_key(&program)
                && let Some(out) = self.call(&program, argv, scope)
            {
                return out;
            }
            if self.aliases.contains_key(&program)
                && let Some(out) = self.alias(&program, argv, scope)
            {
                return out;
            }
        }
        self.detect(&program, args, writes, scope);
        flow::sink(self, &program, args, scope);
        flow::network_files(self, &program, args, writes, scope);
        if let Some(out) = self.builtin(&program, argv, scope) {
            return out;
        }
        if let Some(out) = self.runs(&program, args, scope) {
            return out;
        }
        // A file that this text wrote, or a download, is run by its name.
        if first.text.contains('/') {
            let name = place::normal(&first.text, self.cwd.as_deref());
            if let Some(content) = self.files.get(&name).cloned() {
                self.execute(&content, scope);
                return Value::unknown(from::OUTPUT);
            }
        }
        flow::output(self, &program, args)
    }

    fn known_program(&self, name: &str) -> bool {
        self.analyzer.table.knows(name)
            || SHELLS.contains(&name)
            || interpreter(name).is_some()
            || matches!(
                name,
                "sudo"
                    | "env"
                    | "cat"
                    | "ls"
                    | "cp"
                    | "mv"
                    | "echo"
                    | "grep"
                    | "sed"
                    | "mkdir"
                    | "tar"
                    | "touch"
            )
    }

    /// The program's base name; `None` where it cannot be known.
    fn program(&self, first: &Value, args: &[Value], _scope: &mut Scope<'_>) -> Option<String> {
        let solid = first.solid();
        let name = base(&solid);
        if name.is_empty() {
            return None;
        }
        if first.glob && first.text.contains(['*', '?', '[']) {
            let last = solid.rsplit('/').next().unwrap_or_default();
            if last.contains(['*', '?', '[']) && name != "[" {
                let destructive = self.analyzer.table.named(last);
                let _ = args;
                return destructive.map(ToOwned::to_owned);
            }
        }
        // `x⟨unknown⟩` could be any program that starts so; its known part is the best guess.
        if first.text.contains(HOLE) && !self.known_program(&name) && !first.text.contains('/') {
            return None;
        }
        Some(name)
    }

    pub(super) fn detect(
        &mut self,
        program: &str,
        args: &[Value],
        writes: &[Value],
        scope: &mut Scope<'_>,
    ) {
        if writes.is_empty() && !self.analyzer.table.knows(program) {
            return;
        }
        let mut fact = Fact::new(program, args, writes);
        fact.cwd = self.cwd.as_deref();
        fact.privileged = self.privileged;
        fact.piped = self.piped;
        fact.bulk = self.bulk || args.iter().any(|a| a.has(from::LISTING));
        fact.elsewhere = self.lost || scope.depth > 0 || self.vars.contains_key("CDPATH");
        let span = self.span;
        for id in self.analyzer.table.matching(&fact) {
            scope.report(id, span, None);
        }
    }

    /// Builtins and small filters whose effect or output is computed.
    fn builtin(&mut self, program: &str, argv: &[Value], scope: &mut Scope<'_>) -> Option<Value> {
        let args = argv.get(1..).unwrap_or_default();
        let none = Some(Value::default());
        match program {
            "cd" | "pushd" => {
                let target = args
                    .iter()
                    .find(|a| !a.text.starts_with('-') || a.text == "-");
                self.cwd = match target {
                    None => Some(place::HOME.to_owned()),
                    Some(t) if t.is_known() && t.text != "-" => {
                        Some(place::normal(&t.text, self.cwd.as_deref()))
                    }
                    Some(_) => {
                        self.lost = true;
                        None
                    }
                };
                self.lost |= program == "pushd" && target.is_none();
                none
            }
            "popd" => {
                self.lost = true;
                self.cwd = None;
                none
            }
            "echo" => Some(produce::echo(args)),
            "printf" => {
                if let [flag, name, rest @ ..] = args
                    && flag.text == "-v"
                {
                    self.hidden(&name.text, scope);
                    let value = produce::printf(rest);
                    self.vars.insert(name.text.clone(), vec![value]);
                    return none;
                }
                Some(produce::printf(args))
            }
            "set" if !args.is_empty() => {
                if let Some(at) = args.iter().position(|a| a.text == "--") {
                    let mut positional = vec![Value::known("sh")];
                    positional.extend(
                        args.get(at.saturating_add(1)..)
                            .unwrap_or_default()
                            .iter()
                            .cloned(),
                    );
                    self.positional = positional;
                }
                none
            }
            "shift" => {
                if self.positional.len() > 1 {
                    self.positional.remove(1);
                }
                none
            }
            "declare" | "typeset" | "local" | "export" | "readonly"
                if args.iter().any(|a| a.text.contains('=')) =>
            {
                for arg in args {
                    if let Some((name, value)) = arg.text.split_once('=') {
                        self.hidden(&arg.text, scope);
                        self.environment(
                            name,
                            &Value {
                                text: value.to_owned(),
                                ..arg.clone()
                            },
                            scope,
                        );
                        self.vars.insert(
                            name.trim_end_matches('+').to_owned(),
                            vec![Value {
                                text: value.to_owned(),
                                ..arg.clone()
                            }],
                        );
                    }
                }
                none
            }
            "let" | "unset" | "read" | "test" | "[" | "declare" | "typeset" | "getopts"
            | "wait" => {
                for arg in args {
                    self.arithmetic(arg, scope);
                }
                if program == "read" {
                    let input = self.stdin.clone().unwrap_or_else(|| Value::unknown(0));
                    let names: Vec<String> = args
                        .iter()
                        .filter(|a| !a.text.starts_with('-'))
                        .map(|a| a.text.clone())
                        .collect();
                    for name in names {
                        let value = if input.is_known() {
                            Value::known(input.text.lines().next().unwrap_or_default())
                        } else {
                            Value {
                                text: input.text.lines().next().unwrap_or_default().to_owned(),
                                ..input.clone()
                            }
                        };
                        self.vars.insert(name, vec![value]);
                    }
                    self.vars
                        .entry("REPLY".into())
                        .or_insert_with(|| vec![Value::unknown(input.from)]);
                }
                if matches!(program, "declare" | "typeset") {
                    None
                } else {
                    none
                }
            }
            "alias" => {
                for arg in args {
                    if let Some((name, text)) = arg.text.split_once('=') {
                        self.aliases.insert(name.to_owned(), text.to_owned());
                        // Whoever defines an alias means to run it, now or later.
                        self.maybe(text, scope);
                    }
                }
                none
            }
            "trap" => {
                if let Some(text) = args.iter().find(|a| !a.text.starts_with('-')) {
                    let text = text.text.clone();
                    // It runs later, when the variables in it have their values.
                    if scope.depth == 0 && self.traps.len() < 64 {
                        self.traps.push((text, self.span));
                    } else {
                        self.maybe(&text, scope);
                    }
                }
                none
            }
            "mapfile" | "readarray" => {
                let input = self.stdin.clone().unwrap_or_else(|| Value::unknown(0));
                let name = args
                    .iter()
                    .rfind(|a| !a.text.starts_with('-'))
                    .map_or_else(|| "MAPFILE".to_owned(), |a| a.text.clone());
                let lines = if input.is_known() {
                    input.text.lines().take(64).map(Value::known).collect()
                } else {
                    vec![input]
                };
                self.vars.insert(name, lines);
                None
            }
            "eval" => {
                let mut text = Value::default();
                for (i, arg) in args.iter().filter(|a| a.text != "--").enumerate() {
                    if i > 0 {
                        text.push(" ");
                    }
                    text.append(arg);
                }
                Some(self.execute(&text, scope))
            }
            "source" | "." => {
                let path = args.first()?.clone();
                let content = self.file(&path);
                if content.is_known() || content.has(from::NETWORK | from::DECODED) {
                    return Some(self.execute(&content, scope));
                }
                Some(Value::unknown(0))
            }
            "which" | "type" | "whence" | "where" => {
                let name = args.iter().rfind(|a| !a.text.starts_with('-'))?;
                Some(Value::known(format!("/usr/bin/{}\n", name.text)))
            }
            "command"
                if args
                    .first()
                    .is_some_and(|a| matches!(a.text.as_str(), "-v" | "-V" | "-pv")) =>
            {
                let name = args.get(1)?;
                Some(Value::known(format!("{}\n", name.text)))
            }
            "pwd" => Some(
                self.cwd
                    .clone()
                    .map_or_else(|| Value::known("."), Value::known),
            ),
            "basename" => {
                let name = args.first()?.text.clone();
                let stem = name.rsplit('/').next().unwrap_or_default();
                let stem = args
                    .get(1)
                    .map_or(stem, |s| stem.strip_suffix(s.text.as_str()).unwrap_or(stem));
                Some(Value {
                    text: stem.to_owned(),
                    ..args.first()?.clone()
                })
            }
            "dirname" => {
                let path = args.first()?;
                let folder = path
                    .text
                    .rsplit_once('/')
                    .map_or(".", |(f, _)| if f.is_empty() { "/" } else { f });
                Some(Value {
                    text: folder.to_owned(),
                    ..path.clone()
                })
            }
            "mktemp" => Some(Value {
                text: format!("/tmp/{HOLE}"),
                glob: false,
                from: from::TEMPORARY,
            }),
            "base64" | "gbase64" | "base32" | "xxd" | "openssl" | "tr" | "rev" | "tac" | "cut"
            | "sed" | "head" | "tail" | "cat" | "tee" | "sort" | "uniq" | "fold" | "fmt"
            | "gunzip" | "zcat" | "bzcat" | "xzcat" | "gzip" | "bunzip2" | "unxz" | "zstdcat"
            | "uudecode" | "gpg" | "xz" | "zstd" | "basenc" | "bzip2" => {
                self.filter(program, args, scope)
            }
            _ => None,
        }
    }

    fn filter(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> Option<Value> {
        if program == "sed" {
            self.sed(args, scope);
        }
        if program == "sort" {
            for command in wrapper::inner(program, args) {
                if let Inner::Text(text) = command {
                    self.maybe(&text.text, scope);
                }
            }
        }
        if program == "tee" {
            let input = self.stdin.clone().unwrap_or_default();
            for arg in args.iter().filter(|a| !a.text.starts_with('-')) {
                self.write_file(arg, &input);
            }
            return Some(input);
        }
        // Operands are files for all of these but `tr`, whose operands are sets.
        let mut input = self.stdin.clone();
        let skip = usize::from(
            matches!(program, "sed") && !args.iter().any(|a| a.text == "-e" || a.text == "-f"),
        );
        if program != "tr" && program != "openssl" && program != "cut" {
            let files: Vec<&Value> = args
                .iter()
                .filter(|a| !a.text.starts_with('-') || a.text == "-")
                .skip(skip)
                .filter(|a| a.text.parse::<i64>().is_err())
                .collect();
            if !files.is_empty() {
                let mut content = Value::default();
                for file in files {
                    content.append(&self.file(file));
                }
                input = Some(content);
            }
        } else {
            for arg in args {
                let name = arg.text.rsplit('=').next().unwrap_or_default();
                if flow::secret_path(&Value::known(name), self.cwd.as_deref()) {
                    let mut secret = input.take().unwrap_or_default();
                    secret.append(&Value::unknown(from::SECRET | from::FILE));
                    input = Some(secret);
                }
            }
        }
        produce::filter(program, args, input.as_ref()).map(|(value, _)| value)
    }

    /// `sed` runs commands by `e`, as a command and as a flag of `s`.
    fn sed(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        for arg in args.iter().filter(|a| !a.text.starts_with('-')) {
            for piece in arg.text.split([';', '\n']) {
                let command = piece.trim().trim_start_matches(|c: char| {
                    c.is_ascii_digit() || matches!(c, '$' | ',' | ' ')
                });
                if let Some(text) = command.strip_prefix("e ") {
                    let text = text.to_owned();
                    self.maybe(&text, scope);
                }
            }
            let mut chars = arg.text.chars();
            if chars.next() == Some('s')
                && let Some(separator) = chars.next()
                && !separator.is_alphanumeric()
            {
                let mut pieces: Vec<String> = vec![String::new()];
                let mut escaped = false;
                for c in chars {
                    if escaped {
                        if c != separator {
                            pieces.last_mut().into_iter().for_each(|p| p.push('\\'));
                        }
                        pieces.last_mut().into_iter().for_each(|p| p.push(c));
                        escaped = false;
                    } else if c == '\\' {
                        escaped = true;
                    } else if c == separator {
                        pieces.push(String::new());
                    } else {
                        pieces.last_mut().into_iter().for_each(|p| p.push(c));
                    }
                }
                if let [_, replacement, flags, ..] = pieces.as_slice()
                    && flags.contains('e')
                    && flags.len() < 6
                {
                    let text = replacement.clone();
                    self.maybe(&text, scope);
                }
            }
        }
    }

    /// Programs that run another; `None` for all others.
    fn runs(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> Option<Value> {
        if SHELLS.contains(&program) {
            return Some(self.shell(program, args, scope));
        }
        match program {
            "pwsh" | "powershell" => {
                super::windows::powershell(self, args, scope);
                return Some(Value::unknown(from::OUTPUT));
            }
            "cmd" => {
                super::windows::cmd(self, args, scope);
                return Some(Value::unknown(from::OUTPUT));
            }
            "find" | "gfind" | "bfs" => return Some(self.find(args, scope)),
            "xargs" | "gxargs" => return Some(self.xargs(args, scope)),
            "parallel" | "rush" | "sem" => return Some(self.parallel(args, scope)),
            "ssh" | "autossh" | "mosh" | "slogin" | "dbclient" => self.ssh(args, scope),
            "at" | "batch" | "crontab" => {
                if let Some(input) = self.stdin.clone() {
                    for line in input.text.lines().take(256) {
                        let command = if program == "crontab" {
                            line.splitn(6, ' ').nth(5).unwrap_or(line)
                        } else {
                            line
                        };
                        self.maybe(command, scope);
                    }
                }
            }
            "ed" | "ex" | "vim" | "vi" => {
                if let Some(input) = self.stdin.clone() {
                    for line in input.text.lines().take(256) {
                        if let Some(text) = line.trim().strip_prefix('!') {
                            self.maybe(text, scope);
                        }
                    }
                }
            }
            "awk" | "gawk" | "mawk" | "nawk" => {
                if let Some(code) = self.awk_program(args) {
                    self.code(&code, Some(Language::Awk), scope);
                }
                return None;
            }
            "psql" | "mysql" | "mariadb" | "sqlite3" | "sqlite" | "sqlcmd" | "osql" | "bq"
            | "cqlsh" | "clickhouse-client" | "clickhouse" | "duckdb" | "cockroach" | "snowsql"
            | "usql" | "mycli" | "pgcli" | "litecli" | "sqlplus" | "isql" | "trino" | "presto"
            | "beeline" | "hive" | "spark-sql" | "influx" => {
                self.sql(program, args, scope);
                return None;
            }
            _ => {}
        }
        if let Some((language, options)) = interpreter(program) {
            return self.interpreter(language, options, args, scope);
        }
        if program == "fc" && args.iter().any(|a| a.text == "-s") {
            self.hit("unknown-program", scope);
        }
        if matches!(program, "env" | "sudo" | "doas" | "run0") {
            for arg in args.iter().take(64) {
                match arg.text.split_once('=') {
                    Some((name, value)) if !name.starts_with('-') => {
                        let value = Value {
                            text: value.to_owned(),
                            ..arg.clone()
                        };
                        self.environment(name, &value, scope);
                    }
                    None if !arg.text.starts_with('-') => break,
                    _ => {}
                }
            }
        }
        self.tool(program, args, scope);
        let mut inner = wrapper::inner(program, args);
        if let Some(entry) = wrapper::entrypoint(program, args) {
            for command in &mut inner {
                if let Inner::Argv(argv) = command {
                    argv.insert(0, entry.clone());
                }
            }
        }
        if inner.is_empty() {
            return None;
        }
        let privileged = self.privileged;
        self.privileged |= matches!(
            program,
            "sudo" | "doas" | "pkexec" | "su" | "run0" | "gsudo" | "please"
        );
        let mut out = Value::default();
        for command in inner {
            let piece = match command {
                Inner::Argv(argv) => self.dispatch_inner(program, &argv, scope),
                Inner::Text(text) => {
                    if matches!(
                        program,
                        "git"
                            | "docker"
                            | "podman"
                            | "rsync"
                            | "vim"
                            | "vi"
                            | "ex"
                            | "complete"
                            | "aws"
                            | "az"
                            | "sort"
                            | "man"
                            | "nvim"
                            | "go"
                            | "rg"
                            | "mutt"
                    ) {
                        self.maybe(&text.text, scope);
                        Value::default()
                    } else {
                        self.execute(&text, scope)
                    }
                }
            };
            out.append(&piece);
        }
        self.privileged = privileged;
        Some(out)
    }

    fn dispatch_inner(&mut self, program: &str, argv: &[Value], scope: &mut Scope<'_>) -> Value {
        if self.deep(scope) {
            return Value::unknown(0);
        }
        let depth = scope.depth;
        scope.depth = depth.saturating_add(1);
        // A remote or contained shell has its own files, and an image's entry point its own names.
        let lenient = self.lenient;
        self.lenient |= matches!(
            program,
            "command"
                | "docker"
                | "podman"
                | "npx"
                | "npm"
                | "yarn"
                | "pnpm"
                | "bun"
                | "bunx"
                | "busybox"
                | "docker-compose"
        );
        let out = self.dispatch(argv, &[], scope);
        self.lenient = lenient;
        scope.depth = depth;
        out
    }

    fn deep(&self, scope: &mut Scope<'_>) -> bool {
        if scope.depth >= scope.limits.nested_interpreters {
            scope.report_id("engine.nested-interpreters", self.span, None);
            self.hit("too-deep", scope);
            return true;
        }
        false
    }

    fn shell(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> Value {
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
            return Value::unknown(from::OUTPUT);
        }
        let _ = program;
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

    fn shell_text(&mut self, text: Option<&Value>, rest: &[Value], scope: &mut Scope<'_>) -> Value {
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

    fn find(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let start = args
            .iter()
            .find(|a| !matches!(a.text.as_str(), "-L" | "-H" | "-P" | "-x" | "-xdev"))
            .filter(|a| !a.text.starts_with(['-', '(', '!']))
            .cloned()
            .unwrap_or_else(|| Value::known("."));
        let mut found = start;
        // An unset start is not the root: `find` would then search here.
        let base = if found.solid().is_empty() { "" } else { "/" };
        let named = args.windows(2).find_map(|w| match w {
            [flag, name]
                if matches!(flag.text.as_str(), "-name" | "-iname" | "-path")
                    && !name.text.contains(['*', '?']) =>
            {
                Some(name.text.clone())
            }
            _ => None,
        });
        found.push(&match named {
            Some(name) => format!("{base}{HOLE}/{name}"),
            None => format!("{base}{HOLE}"),
        });
        found.from |= from::LISTING;
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            if !matches!(arg.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
                continue;
            }
            let rest = args.get(i..).unwrap_or_default();
            let end = rest
                .iter()
                .position(|a| matches!(a.text.as_str(), ";" | "+"))
                .unwrap_or(rest.len());
            let argv: Vec<Value> = rest
                .get(..end)
                .unwrap_or_default()
                .iter()
                .map(|a| self.fill(a, "{}", &found))
                .collect();
            self.each(&argv, scope);
            i = i.saturating_add(end);
        }
        found
    }

    fn fill(&self, template: &Value, mark: &str, with: &Value) -> Value {
        if mark.is_empty() || !template.text.contains(mark) {
            return template.clone();
        }
        Value {
            text: template
                .text
                .replace(mark, &with.text)
                .chars()
                .take(8192)
                .collect(),
            glob: template.glob || with.glob,
            from: template.from | with.from,
        }
    }

    /// Runs a command for each of many operands.
    fn each(&mut self, argv: &[Value], scope: &mut Scope<'_>) {
        if argv.is_empty() || self.deep(scope) {
            return;
        }
        let bulk = mem::replace(&mut self.bulk, true);
        let stdin = self.stdin.take();
        let depth = scope.depth;
        scope.depth = depth.saturating_add(1);
        self.dispatch(argv, &[], scope);
        scope.depth = depth;
        self.stdin = stdin;
        self.bulk = bulk;
    }

    fn xargs(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let mut mark = String::new();
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            let text = arg.text.as_str();
            if text == "--" {
                i = i.saturating_add(1);
                break;
            }
            if !text.starts_with('-') || text.len() < 2 {
                break;
            }
            i = i.saturating_add(1);
            let takes = matches!(
                text,
                "-n" | "-L"
                    | "-P"
                    | "-s"
                    | "-d"
                    | "-a"
                    | "-E"
                    | "-I"
                    | "-J"
                    | "-R"
                    | "--max-args"
                    | "--max-procs"
                    | "--delimiter"
                    | "--arg-file"
                    | "--max-lines"
                    | "--replace-none"
            );
            if text == "-I" || text == "-J" {
                mark = args.get(i).map(|a| a.text.clone()).unwrap_or_default();
            } else if let Some(inline) = text.strip_prefix("-I").or_else(|| text.strip_prefix("-J"))
            {
                mark = inline.to_owned();
            } else if text == "-i" || text == "--replace" {
                mark = "{}".into();
            } else if let Some(inline) = text
                .strip_prefix("-i")
                .or_else(|| text.strip_prefix("--replace="))
            {
                mark = inline.to_owned();
            }
            if takes {
                i = i.saturating_add(1);
            }
        }
        let template = args.get(i..).unwrap_or_default();
        let input = self
            .stdin
            .clone()
            .unwrap_or_else(|| Value::unknown(from::FILE));
        let items = words(&input);
        let mut argv: Vec<Value> = if mark.is_empty() {
            let mut argv = template.to_vec();
            argv.extend(items);
            argv
        } else {
            let whole = Value {
                text: input.text.trim_matches(['\n', '\0']).to_owned(),
                ..input.clone()
            };
            template
                .iter()
                .map(|a| self.fill(a, &mark, &whole))
                .collect()
        };
        if argv.is_empty() {
            return input;
        }
        if template.is_empty() {
            argv.insert(0, Value::known("echo"));
        }
        let name = base(&argv.first().map(Value::solid).unwrap_or_default());
        let shell = SHELLS.contains(&name.as_str()) || interpreter(&name).is_some();
        if shell
            && mark.is_empty()
            && template
                .iter()
                .any(|a| a.text.starts_with('-') && a.text.contains('c'))
            && template.len() == 2
            && !input.is_known()
        {
            self.hit("stream-to-shell", scope);
        }
        self.each(&argv, scope);
        Value::unknown(input.from)
    }

    fn parallel(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let mut template = Vec::new();
        let mut inputs = Vec::new();
        let mut sources = false;
        let mut options = true;
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            if matches!(text, ":::" | "::::" | ":::+") {
                sources = true;
            } else if sources {
                inputs.push(arg.clone());
            } else if options && text.starts_with('-') {
                if matches!(
                    text,
                    "-j" | "--jobs"
                        | "-S"
                        | "--sshlogin"
                        | "-a"
                        | "--arg-file"
                        | "-n"
                        | "-N"
                        | "-L"
                        | "--colsep"
                        | "-d"
                        | "-P"
                        | "--delay"
                        | "--timeout"
                        | "--joblog"
                ) {
                    i = i.saturating_add(1);
                }
            } else {
                options = false;
                template.push(arg.text.clone());
            }
        }
        if !sources {
            inputs = words(
                &self
                    .stdin
                    .clone()
                    .unwrap_or_else(|| Value::unknown(from::FILE)),
            );
        }
        let template = template.join(" ");
        let bulk = mem::replace(&mut self.bulk, true);
        let stdin = self.stdin.take();
        for input in inputs.iter().take(16) {
            let text = if template.is_empty() {
                input.text.clone()
            } else if template.contains("{}") {
                template.replace("{}", &input.text)
            } else {
                format!("{template} {}", quote(&input.text))
            };
            if template.is_empty() && !input.is_known() {
                self.hit("stream-to-shell", scope);
            } else {
                self.nested(&text, scope);
            }
        }
        self.stdin = stdin;
        self.bulk = bulk;
        Value::unknown(from::OUTPUT)
    }

    fn ssh(&mut self, args: &[Value], scope: &mut Scope<'_>) {
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
                    if text.len() == 2 && "bcDEeFIiJLlmOopQRSWwB".contains(last) {
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

    fn awk_program(&self, args: &[Value]) -> Option<Value> {
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

    fn interpreter(
        &mut self,
        language: Option<Language>,
        options: &str,
        args: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
        let mut i = 0_usize;
        let mut ran = false;
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
            if exact || cluster {
                if let Some(code) = args.get(i) {
                    let code = code.clone();
                    i = i.saturating_add(1);
                    self.code(&code, language, scope);
                    ran = true;
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
            if text == "-m" && language == Some(Language::Python) {
                // `python -m pip …` is `pip …`.
                let rest = args.get(i..).unwrap_or_default();
                if rest
                    .first()
                    .is_some_and(|m| matches!(m.text.as_str(), "pip" | "ipython"))
                {
                    self.dispatch(rest, &[], scope);
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
        None
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

/// Blank-separated items of a stream, at most 64.
fn words(input: &Value) -> Vec<Value> {
    let items: Vec<Value> = input
        .text
        .split(|c: char| c.is_whitespace() || c == '\0')
        .filter(|w| !w.is_empty())
        .take(64)
        .map(|w| Value {
            text: w.trim_matches(['\'', '"']).to_owned(),
            glob: false,
            from: input.from,
        })
        .collect();
    if items.is_empty() && !input.is_known() {
        return vec![Value::unknown(input.from)];
    }
    items
}

/// Whether a name with wildcards may mean this one.
pub(super) fn may_be(pattern: &Value, name: &str) -> bool {
    pattern.glob && glob(pattern.text.as_bytes(), name.as_bytes())
}
