//! What calls of these languages run in turn, and what their values are.

use super::{Script, Val, add, lex::Kind, module_name};
use crate::{
    analyzer::{
        Language,
        code::python::from,
        command::{CLASSES, Dialect, HOLE, class_bits},
    },
    span::Span,
};
use base64::Engine as _;

/// One spelling for what has several.
pub(super) fn canonical(language: Language, name: &str) -> String {
    let name = name
        .trim_start_matches("globalThis.")
        .trim_start_matches("window.")
        .trim_start_matches("global.")
        .trim_start_matches("Kernel.")
        .trim_start_matches("CORE.")
        .trim_start_matches("_G.");
    let name = match language {
        Language::JavaScript => name.replace("fs.promises.", "fs."),
        Language::Php => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    };
    if name.ends_with(".call") || name.ends_with(".apply") || name.ends_with(".bind()") {
        return name
            .trim_end_matches(".call")
            .trim_end_matches(".apply")
            .trim_end_matches(".bind()")
            .to_owned();
    }
    name
}

/// `value.member`.
pub(super) fn member(value: &Val, member: &str) -> Val {
    if let Some((_, found)) = value.options.iter().find(|(k, _)| k == member) {
        return found.clone();
    }
    let base = value.name.as_deref().unwrap_or(if value.text.is_some() {
        "(text)"
    } else if value.list.is_some() {
        "(list)"
    } else {
        "~"
    });
    let name = if member == "default" {
        base.to_owned()
    } else {
        format!("{base}.{member}")
    };
    let mut from = value.from;
    // What a connection gives without brackets, as in Ruby.
    if name.contains("Socket")
        && matches!(
            member,
            "gets" | "read" | "recv" | "readline" | "readpartial"
        )
    {
        from |= from::NETWORK;
    }
    if name.starts_with("process.env") || name.starts_with("Deno.env") || name == "ENV" {
        from |= from::ENV | from::SECRET;
    }
    Val {
        name: (name.len() < 120).then_some(name),
        // What a method of a text is called on.
        text: value.text.clone(),
        list: value.list.clone(),
        options: Vec::new(),
        from,
        size: value.size,
    }
}

/// Methods of texts and lists.
pub(super) fn method(callee: &Val, args: &[Val]) -> Option<Val> {
    let name = callee.name.as_deref()?;
    let method = name.rsplit('.').next().unwrap_or_default();
    let first = args.first();
    match method {
        "join" => {
            let separator = first.map_or_else(|| ",".to_owned(), Val::partial);
            let words: Vec<String> = callee.list.as_ref()?.iter().map(Val::partial).collect();
            Some(Val::text(words.join(&separator)))
        }
        "concat" => {
            let mut out = Val::text(callee.text.clone()?);
            for arg in args {
                out = add(&out, arg);
            }
            Some(out)
        }
        "reverse" => {
            let mut list = callee.list.clone()?;
            list.reverse();
            Some(Val::list(list))
        }
        "split" => {
            let text = callee.text.clone()?;
            let separator = first.and_then(|f| f.text.clone()).unwrap_or_default();
            let items: Vec<Val> = if separator.is_empty() {
                text.chars()
                    .take(4096)
                    .map(|c| Val::text(c.to_string()))
                    .collect()
            } else {
                text.split(separator.as_str())
                    .take(4096)
                    .map(Val::text)
                    .collect()
            };
            Some(Val::list(items))
        }
        "toString" | "trim" | "toLowerCase" | "strip" | "to_s" | "chomp" | "valueOf" => {
            callee.text.clone().map(|t| Val {
                text: Some(t),
                from: callee.from,
                ..Val::default()
            })
        }
        _ => None,
    }
}

/// The text of these character codes.
fn from_codes(codes: &[Val]) -> Val {
    let text: String = codes
        .iter()
        .map(|code| {
            code.text
                .as_ref()
                .and_then(|t| t.parse::<u32>().ok())
                .and_then(char::from_u32)
                .unwrap_or(HOLE)
        })
        .collect();
    Val::text(text)
}

fn base64_text(value: Option<&Val>) -> Val {
    let decoded = value
        .and_then(|v| v.text.as_ref())
        .filter(|t| !t.contains(HOLE))
        .and_then(|t| {
            base64::engine::general_purpose::STANDARD
                .decode(t.trim())
                .ok()
        })
        .and_then(|b| String::from_utf8(b).ok());
    match decoded {
        Some(text) => Val {
            text: Some(text),
            from: from::DECODED,
            ..Val::default()
        },
        None => Val::unknown(from::DECODED),
    }
}

/// Names that are called without brackets.
pub(super) fn bare_call(language: Language, word: &str) -> bool {
    match language {
        Language::Perl => matches!(
            word,
            "system"
                | "exec"
                | "unlink"
                | "rmdir"
                | "eval"
                | "rmtree"
                | "remove_tree"
                | "open"
                | "kill"
                | "chmod"
                | "rename"
                | "truncate"
                | "require"
        ),
        Language::Ruby => matches!(
            word,
            "system"
                | "exec"
                | "spawn"
                | "eval"
                | "require"
                | "rm_rf"
                | "rm_r"
                | "instance_eval"
                | "sh"
        ),
        Language::Php => matches!(
            word,
            "include" | "require" | "include_once" | "require_once"
        ),
        Language::Lua => matches!(word, "require" | "load" | "loadstring" | "dofile"),
        Language::Awk => word == "system",
        _ => false,
    }
}

/// Follows a call; gives its value.
pub(super) fn run(script: &mut Script<'_, '_>, name: &str, args: &[Val], span: Span) -> Val {
    use Language as L;
    let first = args.first();
    let bits = args.iter().fold(0, |f, v| f | v.from);
    let tail = name.rsplit('.').next().unwrap_or_default();
    if opens_connection(script.language, name) {
        script.connected = true;
    }
    match (script.language, name) {
        (
            L::JavaScript,
            "require"
            | "import"
            | "process.mainModule.require"
            | "module.require"
            | "createRequire()"
            | "process.binding",
        ) => {
            return first
                .and_then(|f| f.text.as_ref())
                .map_or_else(Val::default, |t| Val::name(module_name(t)));
        }
        (L::JavaScript, "process.getBuiltinModule") | (L::Lua, "require") => {
            return first
                .and_then(|f| f.text.as_ref())
                .map_or_else(Val::default, |t| Val::name(module_name(t)));
        }
        (L::JavaScript, "atob" | "Buffer.from") => {
            let encoded = name == "atob"
                || args
                    .get(1)
                    .and_then(|a| a.text.as_deref())
                    .is_some_and(|e| e.starts_with("base64"));
            return if encoded {
                base64_text(first)
            } else {
                first.cloned().unwrap_or_default()
            };
        }
        (L::JavaScript, "String.fromCharCode" | "String.fromCodePoint") => {
            return from_codes(args);
        }
        (L::JavaScript, "path.join" | "path.resolve") => {
            let parts: Vec<String> = args.iter().map(Val::partial).collect();
            return Val::text(parts.join("/"));
        }
        (L::JavaScript, "os.homedir" | "require('os').homedir") => return Val::text("~"),
        (L::JavaScript, "promisify" | "util.promisify") => {
            return first.cloned().unwrap_or_default();
        }
        (L::Perl, "decode_base64" | "MIME.Base64.decode_base64")
        | (L::Php, "base64_decode")
        | (L::Ruby, "Base64.decode64" | "Base64.strict_decode64") => return base64_text(first),
        (L::Perl | L::Php, "chr") | (L::Lua, "string.char") => {
            return from_codes(args);
        }
        (L::Perl, "reverse") | (L::Php, "strrev") => {
            return first
                .and_then(|f| f.text.as_ref())
                .map_or_else(Val::default, |t| {
                    Val::text(t.chars().rev().collect::<String>())
                });
        }
        (L::Perl, "join") | (L::Php, "implode") => {
            let separator = first.map_or_else(String::new, Val::partial);
            let words: Vec<String> = match args.get(1).and_then(|l| l.list.as_ref()) {
                Some(list) => list.iter().map(Val::partial).collect(),
                None => args.iter().skip(1).map(Val::partial).collect(),
            };
            return Val::text(words.join(&separator));
        }
        _ => {}
    }
    match how(script.language, name) {
        Some(Runs::Shell) => {
            // More than one argument is a vector that no shell reads.
            if args.len() > 1
                && name != "IO.popen"
                && script.language != L::JavaScript
                && script.language != L::Php
            {
                argv(script, args, span);
            } else if let Some(list) = first.and_then(|f| f.list.clone()) {
                argv(script, &list, span);
            } else if let Some(first) = first {
                shell(script, &first.clone(), span);
            }
        }
        Some(Runs::Vector) => {
            let through_shell = args.iter().any(|a| {
                a.options.iter().any(|(k, v)| {
                    k == "shell"
                        && !matches!(v.name.as_deref(), Some("false"))
                        && v.text.as_deref() != Some("0")
                })
            });
            let mut words: Vec<Val> = match first {
                Some(f) => match &f.list {
                    Some(list) => list.clone(),
                    None => vec![f.clone()],
                },
                None => Vec::new(),
            };
            if let Some(list) = args.get(1).and_then(|a| a.list.as_ref()) {
                words.extend(list.iter().cloned());
            }
            // `new Deno.Command("rm", {args: ["-rf", "/"]})`, `Deno.run({cmd: […]})`.
            for arg in args {
                for (key, value) in &arg.options {
                    if matches!(key.as_str(), "args" | "cmd")
                        && let Some(list) = &value.list
                    {
                        words.extend(list.iter().cloned());
                    }
                }
            }
            if through_shell {
                let text: Vec<String> = words.iter().map(Val::partial).collect();
                shell(script, &Val::text(text.join(" ")), span);
            } else {
                argv(script, &words, span);
            }
        }
        Some(Runs::Code) => {
            let code = match tail {
                "Function" => args.last(),
                _ => first,
            };
            if let Some(text) = code.and_then(|c| c.text.clone())
                && !text.contains(HOLE)
            {
                let language = script.language;
                let table = script.table;
                script.scope.nested(span, |scope| {
                    super::analyze(table, &text, language, scope);
                });
            }
        }
        Some(Runs::Sql) => {
            if let Some(text) = first.and_then(|f| f.text.clone())
                && text.contains(' ')
            {
                let text = text.replace(HOLE, "x");
                script.scope.nested(span, |scope| {
                    scope.analyzers.sql.analyze(&text, scope);
                });
            }
        }
        Some(Runs::Open) => {
            // `open(F, "| command")` and `open(F, "-|", "command")` of Perl.
            for arg in args.iter().skip(1) {
                let text = arg.partial();
                let trimmed = text.trim();
                let command = trimmed
                    .strip_prefix('|')
                    .or_else(|| trimmed.strip_suffix('|'))
                    .map(ToOwned::to_owned);
                let piped = args
                    .get(1)
                    .is_some_and(|m| matches!(m.partial().trim(), "-|" | "|-"));
                if let Some(command) = command.filter(|c| c.len() > 1) {
                    shell(script, &Val::text(command), span);
                } else if piped && !matches!(trimmed, "-|" | "|-") {
                    shell(script, arg, span);
                }
            }
        }
        None => {}
    }
    let mut out = Val::name(format!("{name}()"));
    out.from = origin(name, first, bits);
    out
}

fn origin(name: &str, first: Option<&Val>, bits: u16) -> u16 {
    let tail = name.rsplit('.').next().unwrap_or_default();
    if matches!(
        tail,
        "readFileSync"
            | "readFile"
            | "readTextFile"
            | "readTextFileSync"
            | "file_get_contents"
            | "read"
            | "createReadStream"
            | "file"
            | "fopen"
            | "open"
            | "readlines"
            | "binread"
            | "slurp"
            | "read_file"
            | "readfile"
            | "lines"
            | "foreach"
    ) {
        let credential = CLASSES
            .iter()
            .position(|c| *c == "credential")
            .map_or(0, |i| 1_u32 << i);
        let path = first.map(Val::partial).unwrap_or_default();
        return if class_bits(&path, false, false) & credential != 0 {
            from::FILE | from::SECRET
        } else {
            from::FILE
        };
    }
    if matches!(tail, "getenv") {
        return from::ENV | from::SECRET;
    }
    if matches!(tail, "fetch" | "get" | "recv" | "gets") && name != "~.get" {
        return from::NETWORK;
    }
    bits
}

fn opens_connection(language: Language, name: &str) -> bool {
    let tail = name.rsplit('.').next().unwrap_or_default();
    match language {
        Language::JavaScript => matches!(
            name,
            "net.connect"
                | "net.Socket"
                | "net.createConnection"
                | "tls.connect"
                | "net.Socket().connect"
                | "Deno.connect"
                | "Bun.connect"
        ),
        Language::Perl => matches!(
            name,
            "socket"
                | "IO.Socket.INET.new"
                | "IO.Socket.IP.new"
                | "IO.Socket.INET"
                | "IO.Socket.SSL.new"
                | "connect"
        ),
        Language::Ruby => matches!(
            name,
            "TCPSocket.new" | "TCPSocket.open" | "Socket.tcp" | "UDPSocket.new"
        ),
        Language::Php => matches!(
            name,
            "fsockopen" | "socket_create" | "stream_socket_client" | "pfsockopen"
        ),
        Language::Lua => tail == "tcp" || name == "socket.connect",
        _ => false,
    }
}

enum Runs {
    Shell,
    Vector,
    Code,
    Sql,
    Open,
}

fn how(language: Language, name: &str) -> Option<Runs> {
    use Language as L;
    let tail = name.rsplit('.').next().unwrap_or_default();
    Some(match (language, name) {
        (
            L::JavaScript,
            "child_process.exec"
            | "child_process.execSync"
            | "Bun.$"
            | "$"
            | "shelljs.exec"
            | "shell.exec"
            | "execa.command"
            | "execa.execaCommand"
            | "execa.commandSync"
            | "~.execSync"
            | "execSync",
        ) => Runs::Shell,
        (
            L::JavaScript,
            "child_process.spawn"
            | "child_process.spawnSync"
            | "child_process.execFile"
            | "child_process.execFileSync"
            | "child_process.fork"
            | "execa"
            | "execa.execa"
            | "execa.sync"
            | "execa.execaSync"
            | "Bun.spawn"
            | "Bun.spawnSync"
            | "Deno.run"
            | "Deno.Command"
            | "spawn"
            | "spawnSync"
            | "execFileSync",
        ) => Runs::Vector,
        (
            L::JavaScript,
            "eval"
            | "Function"
            | "vm.runInNewContext"
            | "vm.runInThisContext"
            | "vm.runInContext"
            | "vm.Script"
            | "setTimeout"
            | "setInterval",
        ) => Runs::Code,
        (L::Perl, "system" | "exec" | "readpipe")
        | (
            L::Ruby,
            "system" | "exec" | "spawn" | "IO.popen" | "Open3.capture2" | "Open3.capture2e"
            | "Open3.capture3" | "Open3.popen3" | "Open3.popen2" | "Process.spawn" | "PTY.spawn"
            | "sh" | "Process.exec",
        )
        | (
            L::Php,
            "system" | "exec" | "shell_exec" | "passthru" | "popen" | "proc_open" | "pcntl_exec",
        )
        | (L::Lua, "os.execute" | "io.popen")
        | (L::Awk, "system") => Runs::Shell,
        (L::Perl, "eval")
        | (L::Ruby, "eval" | "instance_eval" | "class_eval" | "Object.eval")
        | (L::Php, "eval" | "assert" | "create_function")
        | (L::Lua, "load" | "loadstring") => Runs::Code,
        (L::Perl, "open") => Runs::Open,
        _ => match tail {
            "query" | "execute" | "exec" | "raw" | "$executeRaw" | "$executeRawUnsafe"
            | "$queryRawUnsafe" | "do" | "mysqli_query" | "pg_query" | "prepare" | "run"
                if name.contains('.') || name.ends_with("_query") =>
            {
                Runs::Sql
            }
            _ => return None,
        },
    })
}

pub(super) fn shell(script: &mut Script<'_, '_>, command: &Val, span: Span) {
    if command.from & from::NETWORK != 0 {
        script.builtin("remote-command", span);
    }
    let text = command.partial();
    connected(script, &text, span);
    if text.replace(HOLE, "").trim().is_empty() {
        if script.connected {
            script.builtin("script-reverse-shell", span);
        }
        return;
    }
    let mut text = text.replace(HOLE, "$UNKNOWN");
    if text.starts_with("$UNKNOWN") {
        text = format!("true; {}", text.trim_start_matches("$UNKNOWN"));
    }
    script.scope.nested(span, |scope| {
        scope.analyzers.command.analyze(&text, Dialect::Any, scope);
    });
}

fn argv(script: &mut Script<'_, '_>, words: &[Val], span: Span) {
    let words: Vec<String> = words.iter().map(Val::partial).collect();
    if let Some(first) = words.first() {
        connected(script, first, span);
    }
    if words.first().is_none_or(|w| w.replace(HOLE, "").is_empty()) {
        if script.connected {
            script.builtin("script-reverse-shell", span);
        }
        return;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    script.scope.nested(span, |scope| {
        scope.analyzers.command.analyze_argv(&words, scope);
    });
}

/// A shell that is started while a connection is open.
fn connected(script: &mut Script<'_, '_>, command: &str, span: Span) {
    let program = command.split_whitespace().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    if script.connected
        && matches!(
            program,
            "sh" | "bash"
                | "dash"
                | "zsh"
                | "ksh"
                | "ash"
                | "cmd.exe"
                | "cmd"
                | "powershell"
                | "powershell.exe"
        )
    {
        script.builtin("script-reverse-shell", span);
    }
}

/// AWK: `"command" | getline`, `print x | "command"`, `/inet/tcp/…`.
pub(super) fn piped(script: &mut Script<'_, '_>, i: usize) {
    if script.language != Language::Awk || !(script.mark(i, "|") || script.mark(i, "|&")) {
        return;
    }
    let next = i.saturating_add(1);
    let reads = script.word(next) == Some("getline");
    let at = if reads { i.checked_sub(1) } else { Some(next) };
    let Some(at) = at else {
        return;
    };
    let Some(token) = script.token(at).cloned() else {
        return;
    };
    let value = match token.kind {
        Kind::Text(_) => Val::text(token.text),
        Kind::Word => match script.vars.get(&token.text) {
            Some(value) => value.clone(),
            // What was read is run: `(c | getline)`.
            None => Val::default(),
        },
        _ => return,
    };
    let text = value.partial();
    if text.starts_with("/inet") {
        script.builtin("script-reverse-shell", token.span);
        return;
    }
    script.report("pipe", std::slice::from_ref(&value), token.span);
    shell(script, &value, token.span);
}

/// What is seen in the whole text only.
pub(super) fn whole(script: &mut Script<'_, '_>) {
    // `fork while fork`, `loop { fork }`, `fork while true`.
    let words: Vec<(usize, &str)> = script
        .tokens
        .iter()
        .enumerate()
        .filter_map(|(i, t)| t.word().map(|w| (i, w)))
        .collect();
    let mut bomb = None;
    for pair in words.windows(2) {
        if let [(i, a), (j, b)] = pair {
            let near = j.saturating_sub(*i) <= 5;
            let endless = matches!(*a, "while" | "loop" | "until" | "for");
            if near && (*a == "fork" && matches!(*b, "while" | "until") || endless && *b == "fork")
            {
                bomb = Some((*i, *j));
            }
        }
    }
    let spawns = matches!(
        script.language,
        Language::Perl | Language::Ruby | Language::Php
    );
    if let Some((from, to)) = bomb.filter(|_| spawns) {
        let span = script.span(from, to);
        script.builtin("script-fork-bomb", span);
    }
}
