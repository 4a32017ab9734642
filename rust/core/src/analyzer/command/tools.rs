//! Programs whose language holds commands: editors, make, ftp clients, loaders.

use super::{dispatch::base, shell::Shell, strings::shell_strings, value::Value, wrapper::quote};
use crate::analyzer::{Language, Scope};

/// Most lines of a text in a tool's own language that are looked at.
const MAX_LINES: usize = 256;

impl Shell<'_> {
    /// Follows what these programs run beside what the tables of wrappers say.
    pub(super) fn tool(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) {
        match program {
            "make" | "gmake" | "bmake" | "nmake" => self.make(args, scope),
            "vim" | "vi" | "nvim" | "ex" | "view" | "gvim" | "rvim" | "vimdiff" => {
                self.editor(args, scope);
            }
            "latex" | "pdflatex" | "xelatex" | "lualatex" | "tex" | "pdftex" | "luatex" => {
                for arg in args {
                    for call in arg.text.split("write18{").skip(1).take(8) {
                        self.maybe(call.split('}').next().unwrap_or_default(), scope);
                    }
                }
            }
            "less" | "more" | "man" => {
                for arg in args {
                    if let Some(command) = arg.text.strip_prefix("+!") {
                        self.maybe(command, scope);
                    }
                }
            }
            "ftp" | "sftp" | "lftp" | "tftp" | "gdb" | "telnet" | "mysql" | "irb" | "nslookup" => {
                self.lines(|line| line.trim().strip_prefix('!'), scope);
            }
            "tclsh" | "expect" | "wish" => self.lines(
                |line| {
                    let line = line.trim();
                    line.strip_prefix("exec ")
                        .or_else(|| line.strip_prefix("spawn "))
                },
                scope,
            ),
            "puppet" => {
                for arg in args.iter().filter(|a| a.text.contains("exec {")) {
                    shell_strings(self, &arg.text, None, scope);
                }
            }
            // A server's own protocol, spoken by hand.
            "nc" | "ncat" | "netcat" if args.iter().any(|a| a.text == "6379") => {
                self.spoken("redis-cli", scope);
            }
            "redis-cli" | "valkey-cli" | "keydb-cli" | "mongosh" | "mongo" => {
                self.spoken(program, scope);
            }
            "wrangler" | "turso" | "supabase" | "pscale" | "heroku" | "planetscale" => {
                self.sql(program, args, scope);
            }
            "screen" | "tmux" => {
                if let Some(at) = args.iter().position(|a| a.text == "stuff")
                    && let Some(text) = args.get(at.saturating_add(1))
                {
                    let text = super::produce::unescape(&text.text);
                    self.maybe(&text.replace("^M", "\n"), scope);
                }
            }
            "sudo" | "doas" | "su" | "newgrp" | "sg" | "runuser" | "pkexec" => {
                self.login(program, args, scope);
            }
            "start-stop-daemon" => {
                let exec = args.windows(2).find_map(|w| match w {
                    [flag, value]
                        if matches!(flag.text.as_str(), "-x" | "--exec" | "-a" | "--startas") =>
                    {
                        Some(value)
                    }
                    _ => None,
                });
                let rest = args.iter().position(|a| a.text == "--");
                if let (Some(exec), Some(at)) = (exec, rest) {
                    let mut argv = vec![exec.clone()];
                    argv.extend(
                        args.get(at.saturating_add(1)..)
                            .unwrap_or_default()
                            .iter()
                            .cloned(),
                    );
                    self.inner_argv(&argv, scope);
                }
            }
            _ if program.starts_with("ld-linux")
                || program.starts_with("ld-musl")
                || program == "ld.so" =>
            {
                let at = args.iter().position(|a| !a.text.starts_with('-'));
                if let Some(argv) = at.and_then(|at| args.get(at..)) {
                    self.inner_argv(argv, scope);
                }
            }
            _ => {}
        }
    }

    fn inner_argv(&mut self, argv: &[Value], scope: &mut Scope<'_>) {
        let text: Vec<String> = argv.iter().map(|a| quote(&a.text)).collect();
        self.maybe(&text.join(" "), scope);
    }

    /// Commands in the lines that the program reads.
    fn lines(
        &mut self,
        command: impl for<'l> Fn(&'l str) -> Option<&'l str>,
        scope: &mut Scope<'_>,
    ) {
        if let Some(input) = self.stdin.clone() {
            for line in input.text.lines().take(MAX_LINES) {
                if let Some(text) = command(line) {
                    self.maybe(text, scope);
                }
            }
        }
    }

    /// Statements in the lines that a client of a database reads.
    fn spoken(&mut self, program: &str, scope: &mut Scope<'_>) {
        let Some(input) = self.stdin.clone().filter(Value::is_known) else {
            return;
        };
        let redis = program.ends_with("cli");
        for line in input.text.lines().take(MAX_LINES) {
            let words: Vec<Value> = if redis {
                line.split_whitespace().take(64).map(Value::known).collect()
            } else {
                vec![Value::known(line)]
            };
            self.detect(program, &words, &[], scope);
        }
    }

    /// A login shell without a command reads one.
    fn login(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) {
        let shell = !matches!(program, "sudo" | "doas" | "pkexec")
            || args
                .iter()
                .any(|a| matches!(a.text.as_str(), "-s" | "-i" | "--shell" | "--login"));
        let operands = args.iter().filter(|a| !a.text.starts_with('-')).count();
        let most = usize::from(!matches!(program, "sudo" | "doas" | "pkexec"));
        if shell
            && operands <= most
            && let Some(input) = self.stdin.clone()
            && input.is_known()
            && !args.iter().any(|a| a.text == "-c" || a.text == "-S")
        {
            let outer = std::mem::replace(&mut self.privileged, true);
            self.maybe(&input.text, scope);
            self.privileged = outer;
        }
    }

    fn make(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        let mut rules = Vec::new();
        for (i, arg) in args.iter().enumerate().take(MAX_LINES) {
            let text = arg.text.as_str();
            let next = args.get(i.saturating_add(1));
            if let Some(shell) = text.strip_prefix("SHELL=") {
                if shell.contains(' ') {
                    self.maybe(shell, scope);
                }
            } else if let Some(rule) = text.strip_prefix("--eval=") {
                rules.push(Value::known(rule));
            } else if matches!(text, "--eval" | "-E")
                && let Some(rule) = next
            {
                rules.push(rule.clone());
            } else if let Some(file) = match text {
                "-f" | "--file" | "--makefile" => next.cloned(),
                _ => text
                    .strip_prefix("-f")
                    .or_else(|| text.strip_prefix("--file="))
                    .filter(|t| !t.is_empty())
                    .map(Value::known),
            } {
                rules.push(self.file(&file));
            }
        }
        for rule in rules.iter().filter(|r| r.is_known()) {
            for line in rule.text.lines().take(MAX_LINES) {
                let recipe = line
                    .strip_prefix('\t')
                    .or_else(|| line.split_once(';').map(|(_, recipe)| recipe));
                if let Some(recipe) = recipe {
                    let recipe = recipe.trim_start_matches(['@', '-', '+', ' ', '\t']);
                    self.maybe(&recipe.replace("$$", "$"), scope);
                }
                for call in line.split("$(shell ").skip(1).take(8) {
                    let call = call.rsplit_once(')').map_or(call, |(c, _)| c);
                    self.maybe(call, scope);
                }
            }
        }
    }

    /// Commands of an editor that run a shell or another language.
    fn editor(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        for arg in args.iter().take(64) {
            let text = arg.text.trim_start_matches(['+', ':', ' ']);
            if arg.text.starts_with('+')
                && let Some(command) = text.strip_prefix('!')
            {
                self.maybe(command, scope);
                continue;
            }
            let (word, code) = text.split_once([' ', '(']).unwrap_or((text, ""));
            let language = match base(word).as_str() {
                "py" | "py3" | "python" | "python3" | "pyx" => Language::Python,
                "lua" | "luado" => Language::Lua,
                "ruby" | "rubydo" => Language::Ruby,
                "perl" | "perldo" => Language::Perl,
                _ if text.contains("system(") || text.contains("termopen(") => {
                    shell_strings(self, text, None, scope);
                    continue;
                }
                "terminal" | "term" => {
                    self.maybe(code, scope);
                    continue;
                }
                _ => continue,
            };
            self.code(&Value::known(code), Some(language), scope);
        }
    }
}
