//! Builtins of the shell and small filters whose effect or output is computed.

use super::{
    flow, place, produce,
    shell::Shell,
    value::{HOLE, Value, from},
    wrapper::{self, Inner},
};
use crate::analyzer::Scope;

impl Shell<'_> {
    /// Builtins and small filters whose effect or output is computed.
    pub(super) fn builtin(
        &mut self,
        program: &str,
        argv: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
        let args = argv.get(1..).unwrap_or_default();
        let none = Some(Value::default());
        if self.state(program, args, scope) {
            return none;
        }
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
            "printf" => Some(produce::printf(args)),
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
                self.unseen(&path, scope);
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

    pub(super) fn filter(
        &mut self,
        program: &str,
        args: &[Value],
        scope: &mut Scope<'_>,
    ) -> Option<Value> {
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
                self.feed(arg, &input, scope);
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
    pub(super) fn sed(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        for arg in args.iter().filter(|a| !a.text.starts_with('-')) {
            for piece in arg.text.split([';', '\n']) {
                let command = piece.trim().trim_start_matches(|c: char| {
                    c.is_ascii_digit() || matches!(c, '$' | ',' | ' ' | '{')
                });
                if let Some(text) = command.strip_prefix("e ") {
                    let text = text.to_owned();
                    self.maybe(&text, scope);
                } else if command == "e" && arg.text.len() > 1 {
                    // The line itself is run.
                    self.hit("stream-to-shell", scope);
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
}
