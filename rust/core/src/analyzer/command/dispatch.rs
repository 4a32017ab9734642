//! One argument vector: what program it is, what it runs in turn, what it prints.

use super::{
    detect::Fact,
    fetch, flow, hosts,
    interpreter::interpreter,
    place,
    shell::Shell,
    value::{HOLE, Value, from, glob},
    wrapper::{self, Inner},
    written,
};
use crate::analyzer::{Language, Scope};

/// Shells that read POSIX-like text.
pub(super) const SHELLS: [&str; 19] = [
    "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "mksh", "csh", "tcsh", "rbash", "yash",
    "osh", "elvish", "nu", "xonsh", "ksh93", "pdksh", "rzsh",
];

/// A program in a folder that everybody may write to, or hidden there.
fn elsewhere(path: &str) -> bool {
    ["/tmp/", "/dev/shm/", "/var/tmp/"]
        .iter()
        .any(|t| path.starts_with(t))
}

/// Scripts by which a project is built, as its documentation says.
fn builds(program: &str) -> bool {
    matches!(
        program,
        "configure" | "autogen.sh" | "bootstrap" | "gradlew" | "mvnw" | "bootstrap.sh"
    )
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
        let direct = std::mem::take(&mut self.direct);
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
        if !direct && !first.text.contains('/') {
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
        if first.text.contains("/init.d/") || first.text.contains("/rc.d/") {
            let mut service = vec![Value::known(program.as_str())];
            service.extend_from_slice(args);
            self.detect("service", &service, &[], scope);
        }
        self.detect(&program, args, writes, scope);
        let more = written::by(&program, args, self.cwd.as_deref());
        if !more.is_empty() {
            self.detect("", &[], &more, scope);
        }
        if elsewhere(&first.text) {
            self.hit("temporary-program", scope);
        }
        hosts::spoken_to(self, &program, args, scope);
        flow::sink(self, &program, args, scope);
        fetch::network_files(self, &program, args, writes, scope);
        if let Some(out) = self.builtin(&program, argv, scope) {
            return out;
        }
        // A download may bear the name of a shell.
        if first.text.contains('/')
            && (SHELLS.contains(&program.as_str()) || interpreter(&program).is_some())
        {
            let name = place::normal(&first.text, self.cwd.as_deref());
            if self.files.get(&name).is_some_and(|f| f.has(from::NETWORK)) {
                return self.execute(&Value::unknown(from::NETWORK), scope);
            }
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
            if self.file(first).has(from::NETWORK) && !builds(&program) {
                self.execute(&Value::unknown(from::NETWORK), scope);
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
        let table = &self.analyzer.table;
        if writes.is_empty() && !table.knows(program) && !table.speaks(args) {
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
            "ssh" | "autossh" | "mosh" | "slogin" | "dbclient" | "plink" | "klink" => {
                self.ssh(args, scope)
            }
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
                let code = self.awk_program(args)?;
                self.code(&code, Some(Language::Awk), scope);
                let runs = code.text.contains("system(") || code.text.contains('|');
                if runs && self.stdin.as_ref().is_some_and(|i| i.has(from::NETWORK)) {
                    self.hit("download-to-shell", scope);
                }
                return super::strings::printed(&code.text, Some(Language::Awk)).map(Value::known);
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
        self.fetched_input(program, args, scope);
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
                Inner::Loose(text) => {
                    self.maybe(&text.text, scope);
                    Value::default()
                }
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
                            | "hg"
                            | "rpm"
                            | "gem"
                            | "logrotate"
                            | "scrot"
                            | "enscript"
                            | "pidstat"
                            | "latexmk"
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

    /// Reports a list of all processes that is killed, and a download that is read as things to do.
    fn fetched_input(&self, program: &str, args: &[Value], scope: &mut Scope<'_>) {
        if matches!(program, "kill" | "taskkill") && args.iter().any(|a| a.has(from::PROCESSES)) {
            self.hit("kill-listed", scope);
        }
        let fetched = |v: &Value| v.has(from::NETWORK) && !v.is_known();
        let reads = match program {
            "make" | "gmake" | "kubectl" | "oc" | "docker-compose" | "ansible-playbook" => {
                self.stdin.as_ref().is_some_and(fetched)
                    && args
                        .iter()
                        .any(|a| matches!(a.text.as_str(), "-" | "-f-" | "/dev/stdin"))
            }
            "dpkg" | "rpm" | "installer" | "apt" | "apt-get" | "dnf" | "yum" => args
                .iter()
                .any(|a| !a.text.starts_with('-') && fetched(&self.file(a))),
            _ => false,
        };
        if reads {
            self.hit("download-to-shell", scope);
        }
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
                | "start"
        );
        // Only `command -p` and the like look for functions, and none of them calls one.
        self.direct = true;
        let out = self.dispatch(argv, &[], scope);
        self.lenient = lenient;
        scope.depth = depth;
        out
    }

    pub(super) fn deep(&self, scope: &mut Scope<'_>) -> bool {
        if scope.depth >= scope.limits.nested_interpreters {
            scope.report_id("engine.nested-interpreters", self.span, None);
            self.hit("too-deep", scope);
            return true;
        }
        false
    }
}

/// Whether a name with wildcards may mean this one.
pub(super) fn may_be(pattern: &Value, name: &str) -> bool {
    pattern.glob && glob(pattern.text.as_bytes(), name.as_bytes())
}
