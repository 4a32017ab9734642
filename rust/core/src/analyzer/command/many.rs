//! Programs that run a command for each of many operands: find, xargs, parallel.

use super::{
    dispatch::{SHELLS, base},
    interpreter::interpreter,
    shell::Shell,
    value::{HOLE, Value, from},
    wrapper::quote,
};
use crate::analyzer::Scope;
use std::mem;

impl Shell<'_> {
    pub(super) fn find(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let start = args
            .iter()
            .find(|a| !matches!(a.text.as_str(), "-L" | "-H" | "-P" | "-x" | "-xdev"))
            .filter(|a| !a.text.starts_with(['-', '(', '!']))
            .cloned()
            .unwrap_or_else(|| Value::known("."));
        let mut found = start;
        // An unset start is not the root: `find` would then search here.
        let base = if found.solid().is_empty() { "" } else { "/" };
        let excludes = args
            .iter()
            .any(|a| matches!(a.text.as_str(), "-prune" | "-not" | "!"));
        let named = args.windows(2).find_map(|w| match w {
            [flag, name]
                if matches!(flag.text.as_str(), "-name" | "-iname" | "-path")
                    && !name.text.contains(['*', '?'])
                    && !excludes =>
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

    pub(super) fn fill(&self, template: &Value, mark: &str, with: &Value) -> Value {
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
    pub(super) fn each(&mut self, argv: &[Value], scope: &mut Scope<'_>) {
        if argv.is_empty() || self.deep(scope) {
            return;
        }
        let bulk = mem::replace(&mut self.bulk, true);
        let stdin = self.stdin.take();
        let depth = scope.depth;
        scope.depth = depth.saturating_add(1);
        self.direct = true;
        self.dispatch(argv, &[], scope);
        scope.depth = depth;
        self.stdin = stdin;
        self.bulk = bulk;
    }

    pub(super) fn xargs(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
        let mut mark = String::new();
        let mut listed = None;
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
            if matches!(text, "-a" | "--arg-file") {
                listed = args.get(i).map(|file| self.file(file));
            } else if let Some(file) = text.strip_prefix("--arg-file=") {
                listed = Some(self.file(&Value::known(file)));
            }
            if takes {
                i = i.saturating_add(1);
            }
        }
        let template = args.get(i..).unwrap_or_default();
        let input = listed
            .or_else(|| self.stdin.clone())
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

    pub(super) fn parallel(&mut self, args: &[Value], scope: &mut Scope<'_>) -> Value {
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
                        | "--results"
                        | "--res"
                        | "--tmpdir"
                        | "--workdir"
                        | "--wd"
                        | "--retries"
                        | "--basefile"
                        | "--transferfile"
                        | "--return"
                        | "--load"
                        | "--memfree"
                        | "--nice"
                        | "--tagstring"
                        | "--env"
                        | "--block"
                        | "--recstart"
                        | "--recend"
                        | "--profile"
                        | "--halt"
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
