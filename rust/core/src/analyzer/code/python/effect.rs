//! What a call runs in turn: a shell, a program, Python, SQL; and where its result comes from.

use super::{
    call::hole,
    interp::Interp,
    value::{Args, Kind, Named, Val, from, is_path, path},
};
use crate::{
    analyzer::command::{CLASSES, Dialect, HOLE, class_bits},
    span::Span,
};

/// How a function runs something.
enum Runs {
    /// A text that a shell reads, at this position.
    Shell(usize),
    /// `subprocess`: a list, or a text that a shell reads where `shell` is true.
    Process,
    /// A list of arguments at this position.
    Argv(usize),
    /// The arguments from this position on.
    Spread(usize),
    /// The program of this name with these arguments.
    Program(String),
    /// Text that is run as Python.
    Python(usize),
    /// Text that is run as SQL.
    Sql(usize),
    /// A file of Python.
    File(usize),
}

fn runs(name: &str) -> Option<Runs> {
    let tail = name.rsplit('.').next().unwrap_or_default();
    Some(match name {
        "os.system"
        | "os.popen"
        | "os.popen2"
        | "os.popen3"
        | "os.popen4"
        | "os.startfile"
        | "subprocess.getoutput"
        | "subprocess.getstatusoutput"
        | "subprocess.getstatus"
        | "asyncio.create_subprocess_shell"
        | "popen2.popen2"
        | "popen2.popen3"
        | "popen2.popen4"
        | "popen2.Popen3"
        | "platform.popen"
        | "pexpect.run"
        | "pexpect.spawn"
        | "pexpect.runu"
        | "pexpect.spawnu"
        | "delegator.run"
        | "envoy.run"
        | "invoke.run"
        | "fabric.api.run"
        | "fabric.api.local"
        | "fabric.api.sudo"
        | "IPython.get_ipython().system"
        | "IPython.get_ipython().getoutput"
        | "IPython.get_ipython().system_raw"
        | "IPython.get_ipython().system_piped"
        | "anyio.run_process"
        | "trio.run_process"
        | "sh.bash"
        | "sh.sh" => Runs::Shell(0),
        "IPython.get_ipython().run_cell_magic" => Runs::Shell(2),
        "IPython.get_ipython().run_line_magic" => Runs::Shell(1),
        "IPython.get_ipython().run_cell"
        | "IPython.get_ipython().ex"
        | "IPython.get_ipython().ev" => Runs::Python(0),
        "subprocess.run"
        | "subprocess.call"
        | "subprocess.check_call"
        | "subprocess.check_output"
        | "subprocess.Popen"
        | "psutil.Popen" => Runs::Process,
        "os.execv" | "os.execve" | "os.execvp" | "os.execvpe" | "os.posix_spawn"
        | "os.posix_spawnp" => Runs::Argv(1),
        "os.spawnv" | "os.spawnve" | "os.spawnvp" | "os.spawnvpe" => Runs::Argv(2),
        "_posixsubprocess.fork_exec" | "pty.spawn" | "distutils.spawn.spawn" => Runs::Argv(0),
        "os.execl" | "os.execle" | "os.execlp" | "os.execlpe" => Runs::Spread(1),
        "os.spawnl" | "os.spawnle" | "os.spawnlp" | "os.spawnlpe" => Runs::Spread(2),
        "asyncio.create_subprocess_exec" => Runs::Spread(0),
        "builtins.eval"
        | "builtins.exec"
        | "builtins.compile"
        | "timeit.timeit"
        | "timeit.repeat"
        | "timeit.Timer"
        | "cProfile.run"
        | "cProfile.runctx"
        | "profile.run"
        | "pdb.run"
        | "pdb.runeval"
        | "code.InteractiveInterpreter().runsource"
        | "code.InteractiveConsole().push"
        | "code.InteractiveInterpreter().runcode"
        | "code.InteractiveConsole().runsource"
        | "codeop.compile_command"
        | "trace.Trace().run"
        | "cProfile.Profile().run"
        | "bdb.Bdb().run"
        | "ast.parse_and_exec"
        | "builtins.exec.__call__"
        | "test.support.run_code" => Runs::Python(0),
        "builtins.execfile" | "runpy.run_path" => Runs::File(0),
        "pip.main" | "pip._internal.main" | "pip._internal.cli.main.main" => {
            Runs::Program("pip".into())
        }
        _ if name.starts_with("sh.") || name.starts_with("plumbum.cmd.") => {
            let program = name.split('.').next_back().unwrap_or_default();
            if matches!(program, "bake" | "run" | "Command") || program.ends_with(')') {
                return None;
            }
            Runs::Program(program.replace('_', "-"))
        }
        _ => match tail {
            "exec_command" | "send_command" | "run_cmd" | "exec_run" | "sudo" | "sendline" => {
                Runs::Shell(0)
            }
            // Fabric and Invoke: `Connection("host").run("…")`, `ctx.run("…")`.
            "run" | "local"
                if name.starts_with("fabric.")
                    || name.starts_with("invoke.")
                    || name == "~c.run"
                    || name == "~ctx.run"
                    || name == "~conn.run"
                    || name == "~connection.run" =>
            {
                Runs::Shell(0)
            }
            "execute" | "executemany" | "executescript" | "exec_driver_sql" | "execute_sql"
            | "read_sql" | "read_sql_query" | "raw" | "run_sql" | "mogrify" | "execute_query"
            | "fetch" | "fetchrow" | "fetchval" | "query" | "sql" | "execute_batch"
            | "execute_values" | "execute_string" => Runs::Sql(0),
            _ => return None,
        },
    })
}

/// What reading a command costs, in syntax nodes.
pub(super) const COMMAND_NODES: usize = 8;

/// Follows what a call runs.
pub(super) fn run(interp: &mut Interp<'_, '_, '_>, named: &Named, args: &Args, at: Span) {
    let name = named.name.as_ref();
    files(interp, named, args, at);
    if name.starts_with("pickle.loads") || name == "pickle.load" || name == "marshal.loads" {
        pickled(interp, args, at);
    }
    if matches!(name, "os.fork" | "os.forkpty") && interp.tight {
        interp.builtin("fork-bomb", at);
    }
    let Some(runs) = runs(name) else {
        return;
    };
    match runs {
        Runs::Shell(index) => {
            let value = args
                .get(index, &["cmd", "command", "args", "line"])
                .cloned()
                .unwrap_or_default();
            if matches!(value.kind, Kind::List(_)) {
                argv(interp, &value, at);
            } else {
                shell(interp, &value, at);
            }
        }
        Runs::Process => process(interp, args, at),
        Runs::Argv(index) => {
            let value = args
                .get(index, &["argv", "args"])
                .cloned()
                .unwrap_or_default();
            if index > 0 {
                // The file that runs is named apart from the arguments.
                let program = args.pos.get(index.saturating_sub(1)).cloned();
                let mut list = super::compute::items(&value).unwrap_or_else(|| vec![hole(0)]);
                if let (Some(first), Some(program)) = (list.first_mut(), program) {
                    *first = program;
                }
                argv(interp, &Val::list(list), at);
            } else if matches!(value.kind, Kind::Text(_)) {
                argv(interp, &Val::list(vec![value]), at);
            } else {
                argv(interp, &value, at);
            }
        }
        Runs::Spread(index) => {
            let mut list = args.pos.get(index..).unwrap_or_default().to_vec();
            if index > 0
                && let (Some(first), Some(program)) =
                    (list.first_mut(), args.pos.get(index.saturating_sub(1)))
            {
                *first = program.clone();
            }
            argv(interp, &Val::list(list), at);
        }
        Runs::Program(program) => {
            let mut list = vec![Val::text(program)];
            match args.pos.first() {
                Some(Val {
                    kind: Kind::List(items),
                    ..
                }) => list.extend(items.iter().cloned()),
                _ => list.extend(args.pos.iter().cloned()),
            }
            argv(interp, &Val::list(list), at);
        }
        Runs::Python(index) => {
            let code = args
                .get(index, &["source", "stmt", "statement", "code"])
                .cloned()
                .unwrap_or_default();
            if code.has(from::NETWORK) {
                interp.builtin("remote-code", at);
            }
            let code = match code.named() {
                Some(made) if made.name.as_ref() == "builtins.compile()" => {
                    made.args.pos.first().cloned().unwrap_or_default()
                }
                _ => code,
            };
            interp.python(&code, at);
        }
        Runs::Sql(index) => {
            let statement = args
                .get(index, &["query", "sql", "statement", "operation"])
                .cloned()
                .unwrap_or_default();
            sql(interp, &statement, at);
        }
        Runs::File(index) => {
            let file = args.pos.get(index).and_then(path).unwrap_or_default();
            if let Some(content) = interp.files.get(&file).cloned() {
                interp.python(&content, at);
            }
        }
    }
}

fn truthy(value: Option<&Val>) -> bool {
    value.is_some_and(|v| v.truth() != Some(false))
}

fn process(interp: &mut Interp<'_, '_, '_>, args: &Args, at: Span) {
    let command = args
        .get(0, &["args", "popenargs"])
        .cloned()
        .unwrap_or_default();
    let through_shell = truthy(args.named(&["shell"]).or_else(|| args.pos.get(8)));
    if args
        .named(&["stdin", "stdout", "stderr"])
        .is_some_and(|v| v.has(from::SOCKET))
    {
        interp.builtin("reverse-shell", at);
    }
    if let Some(program) = args.named(&["executable"])
        && let Kind::List(items) = &command.kind
    {
        let mut items = items.as_ref().clone();
        if let Some(first) = items.first_mut() {
            *first = program.clone();
        }
        argv(interp, &Val::list(items), at);
    }
    match &command.kind {
        Kind::Any(all) => {
            for one in all.iter() {
                either(interp, one, through_shell, at);
            }
        }
        _ => either(interp, &command, through_shell, at),
    }
}

fn either(interp: &mut Interp<'_, '_, '_>, command: &Val, through_shell: bool, at: Span) {
    match &command.kind {
        // A shell reads the first item only; the rest are its own arguments.
        Kind::List(items) if through_shell => {
            if let Some(first) = items.first() {
                shell(interp, first, at);
            }
        }
        Kind::List(_) => argv(interp, command, at),
        _ if through_shell => shell(interp, command, at),
        Kind::Text(text) => {
            // Without a shell the whole text is the program; on Windows it is a command line.
            if text.contains(' ') {
                shell(interp, command, at);
            } else {
                argv(interp, &Val::list(vec![command.clone()]), at);
            }
        }
        _ => {
            if command.has(from::NETWORK) {
                interp.builtin("remote-command", at);
            }
        }
    }
}

fn shell(interp: &mut Interp<'_, '_, '_>, command: &Val, at: Span) {
    if let Kind::Any(all) = &command.kind {
        for one in all.iter() {
            shell(interp, one, at);
        }
        return;
    }
    if command.has(from::NETWORK) {
        interp.builtin("remote-command", at);
    }
    let text = command.partial();
    if text.replace(HOLE, "").trim().is_empty() {
        return;
    }
    if !interp.scope.spend(COMMAND_NODES, at) {
        return;
    }
    let mut text = text.replace(HOLE, "$UNKNOWN");
    // A program that is chosen elsewhere is the caller's business; its arguments may still speak.
    if text.starts_with("$UNKNOWN") {
        text = format!("true; {}", text.trim_start_matches("$UNKNOWN"));
    }
    interp.scope.nested(at, |scope| {
        scope.analyzers.command.analyze(&text, Dialect::Any, scope);
    });
}

fn argv(interp: &mut Interp<'_, '_, '_>, list: &Val, at: Span) {
    if let Kind::Any(all) = &list.kind {
        for one in all.iter() {
            argv(interp, one, at);
        }
        return;
    }
    if list.has(from::NETWORK) {
        interp.builtin("remote-command", at);
    }
    let Kind::List(items) = &list.kind else {
        return;
    };
    let words: Vec<String> = items.iter().map(Val::partial).collect();
    // What runs is unknown, so nothing is known of what it does.
    if words.first().is_none_or(|w| w.replace(HOLE, "").is_empty()) {
        return;
    }
    if !interp.scope.spend(COMMAND_NODES, at) {
        return;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    interp.scope.nested(at, |scope| {
        scope.analyzers.command.analyze_argv(&words, scope);
    });
}

fn sql(interp: &mut Interp<'_, '_, '_>, statement: &Val, at: Span) {
    match &statement.kind {
        Kind::Text(text) if text.contains(' ') || text.contains('/') => {
            let text = text.replace(HOLE, "x");
            interp.scope.nested(at, |scope| {
                scope.analyzers.sql.analyze(&text, scope);
            });
        }
        Kind::List(items) => {
            for item in items.iter().take(16) {
                if matches!(item.kind, Kind::Text(_)) {
                    sql(interp, item, at);
                }
            }
        }
        Kind::Any(all) => {
            for one in all.iter() {
                sql(interp, one, at);
            }
        }
        Kind::Name(named) => {
            if let Some(inner) = named.args.pos.first()
                && matches!(inner.kind, Kind::Text(_))
                && named.name.ends_with("text()")
            {
                sql(interp, inner, at);
            }
        }
        _ => {}
    }
}

/// Keeps what is written to files, for what runs them later.
fn files(interp: &mut Interp<'_, '_, '_>, named: &Named, args: &Args, _at: Span) {
    let tail = named.name.rsplit('.').next().unwrap_or_default();
    if !matches!(tail, "write" | "write_text" | "write_bytes") {
        return;
    }
    let (Some(receiver), Some(content)) = (&named.receiver, args.get(0, &["data"])) else {
        return;
    };
    if let Some(file) = path(receiver)
        && interp.files.len() < 64
    {
        interp.files.insert(file, content.clone());
    }
}

/// A pickle whose opcodes import a function that runs commands.
fn pickled(interp: &mut Interp<'_, '_, '_>, args: &Args, at: Span) {
    let Some(Kind::Text(text)) = args.pos.first().map(|v| &v.kind) else {
        return;
    };
    let module = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "builtins",
        "__builtin__",
        "pty",
    ]
    .iter()
    .any(|m| text.contains(&format!("c{m}\n")) || text.contains(&format!("{m}\u{94}")));
    let function = [
        "system",
        "popen",
        "Popen",
        "eval",
        "exec",
        "call",
        "check_output",
        "run",
        "spawn",
        "execv",
        "getattr",
        "__import__",
    ]
    .iter()
    .any(|f| text.contains(f));
    if module && function {
        interp.builtin("pickle-payload", at);
    }
}

/// Where the result of a call comes from.
pub(super) fn origin(name: &str, args: &Args, receiver: Option<&Val>, bits: u16) -> u16 {
    let head = name.split('.').next().unwrap_or_default();
    let tail = name.rsplit('.').next().unwrap_or_default();
    let head = head.trim_end_matches("()");
    if matches!(
        head,
        "requests" | "httpx" | "aiohttp" | "urllib3" | "websocket" | "websockets"
    ) || name.starts_with("urllib.request.")
        || name.starts_with("http.client.")
    {
        return from::NETWORK;
    }
    if name.starts_with("socket.") || name.starts_with("ssl.") {
        return if tail.starts_with("recv") || tail == "read" || bits & from::NETWORK != 0 {
            from::NETWORK
        } else {
            from::SOCKET
        };
    }
    if matches!(
        name,
        "builtins.open" | "io.FileIO" | "gzip.open" | "tarfile.open" | "bz2.open"
    ) {
        return opened(args.get(0, &["file", "name", "filename"]));
    }
    if matches!(tail, "read_text" | "read_bytes" | "open")
        && receiver.is_some_and(|r| r.named().is_some_and(|n| is_path(&n.name)))
    {
        return opened(receiver);
    }
    if name == "dotenv.dotenv_values" {
        return from::SECRET;
    }
    bits
}

fn opened(file: Option<&Val>) -> u16 {
    let Some(text) = file.and_then(path) else {
        return from::FILE;
    };
    if is_credential(&text) {
        from::FILE | from::SECRET
    } else {
        from::FILE
    }
}

/// Whether a path is that of credentials.
fn is_credential(text: &str) -> bool {
    let bit = CLASSES
        .iter()
        .position(|c| *c == "credential")
        .map_or(0, |i| 1_u32 << i);
    class_bits(text, false, false) & bit != 0 || text.starts_with("/proc/self/environ")
}
