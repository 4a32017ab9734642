//! Each argument to its analyzer.

use super::*;
use crate::limits::Limits;

/// What the argument at `pointer` of a call to `tool` is used for.
fn use_at(tool: &str, arguments: &str, pointer: &str) -> Use {
    let limits = Limits::default();
    let document = Document::parse(arguments.as_bytes(), &limits).unwrap();
    let mut tool = Tool::named(tool, &[]);
    learn(&document, crate::walk::ROOT, &mut tool);
    let router = Router::new(&document, crate::walk::ROOT, &tool);
    let node = (0..)
        .map_while(|id| document.node(id).map(|_| id))
        .find(|&id| document.pointer(id) == pointer)
        .unwrap();
    router.use_of(&document, node)
}

#[track_caller]
fn all(cases: &[(&str, &str, &str, Use)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(tool, arguments, pointer, expected)| {
            let found = use_at(tool, arguments, pointer);
            (found != *expected)
                .then(|| format!("{tool} {arguments} {pointer}: {found:?}, not {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const LINE: Use = Use::Command(Dialect::Any);
const PYTHON: Use = Use::Code(Language::Python);
const SCRIPT: Use = Use::Code(Language::JavaScript);

#[test]
fn command_lines_are_found_by_tool_and_name() {
    all(&[
        ("shell_exec", r#"{"command":"rm -rf /"}"#, "/command", LINE),
        ("run", r#"{"cmd":"rm -rf /"}"#, "/cmd", LINE),
        ("cmd", r#"{"command":"dir"}"#, "/command", LINE),
        (
            "run_terminal_cmd",
            r#"{"command":"ls","explanation":"see"}"#,
            "/command",
            LINE,
        ),
        (
            "start_process",
            r#"{"command":"ls","timeout_ms":5}"#,
            "/command",
            LINE,
        ),
        (
            "ssh_run",
            r#"{"host":"h","command":"ls"}"#,
            "/command",
            LINE,
        ),
        ("terminal", r#"{"input":"rm -rf /\n"}"#, "/input", LINE),
        ("tmux_send", r#"{"keys":"rm -rf /"}"#, "/keys", LINE),
        (
            "run_script",
            r##"{"script":"#!/bin/sh\nrm -rf /"}"##,
            "/script",
            Use::Command(Dialect::Bash),
        ),
        (
            "bash",
            r#"{"script":"rm -rf /"}"#,
            "/script",
            Use::Command(Dialect::Bash),
        ),
        (
            "powershell",
            r#"{"command":"Remove-Item x"}"#,
            "/command",
            Use::Command(Dialect::PowerShell),
        ),
        ("acme", r#"{"command":"rm -rf /"}"#, "/command", LINE),
        ("acme", r#"{"shell_command":"ls"}"#, "/shell_command", LINE),
        (
            "acme",
            r#"{"steps":[{"run":"rm -rf /"}]}"#,
            "/steps/0/run",
            LINE,
        ),
        (
            "acme",
            r#"{"options":{"cmd":"rm -rf /"}}"#,
            "/options/cmd",
            LINE,
        ),
        (
            "shell_exec",
            r#"{"commands":["ls","rm -rf /"]}"#,
            "/commands/1",
            LINE,
        ),
        (
            "shell_exec",
            r#"{"command":{"line":"rm -rf /"}}"#,
            "/command/line",
            LINE,
        ),
        (
            "git",
            r#"{"command":"push --force"}"#,
            "/command",
            Use::CommandOf("git"),
        ),
        ("git", r#"{"command":"git push"}"#, "/command", LINE),
        (
            "kubectl",
            r#"{"command":"delete ns prod"}"#,
            "/command",
            Use::CommandOf("kubectl"),
        ),
        (
            "redis_command",
            r#"{"command":"FLUSHALL"}"#,
            "/command",
            Use::CommandOf("redis-cli"),
        ),
        (
            "execute_code",
            r#"{"language":"bash","code":"rm -rf /"}"#,
            "/code",
            Use::Command(Dialect::Bash),
        ),
    ]);
}

#[test]
fn argument_vectors_are_judged_as_one_command() {
    all(&[
        (
            "shell_exec",
            r#"{"command":["rm","-rf","/"]}"#,
            "/command",
            Use::Argv,
        ),
        ("acme", r#"{"cmd":["rm","-rf","/"]}"#, "/cmd", Use::Argv),
        ("acme", r#"{"argv":["x"],"cmd":["rm"]}"#, "/cmd", Use::Argv),
        (
            "docker_run",
            r#"{"args":["-v","/:/h","alpine","rm"]}"#,
            "/args",
            Use::ArgvOf("docker run"),
        ),
        (
            "shell_exec",
            r#"{"commands":["ls","rm -rf /"]}"#,
            "/commands",
            Use::Data,
        ),
        (
            "bash",
            r#"{"args":["-c","rm -rf /"]}"#,
            "/args",
            Use::ArgvOf("bash"),
        ),
        (
            "git",
            r#"{"args":["push","--force"]}"#,
            "/args",
            Use::ArgvOf("git"),
        ),
        (
            "acme",
            r#"{"command":"rm","args":["-rf","/"]}"#,
            "",
            Use::Program {
                program: 1,
                arguments: 2,
            },
        ),
        (
            "acme",
            r#"{"command":"rm","args":["-rf","/"]}"#,
            "/args",
            Use::Joined,
        ),
        (
            "start_process",
            r#"{"file":"rm","arguments":"-rf /"}"#,
            "",
            Use::Program {
                program: 1,
                arguments: 2,
            },
        ),
        (
            "slack_message",
            r#"{"command":"rm","args":["-rf","/"]}"#,
            "",
            Use::Data,
        ),
    ]);
}

#[test]
fn code_is_found_with_its_language() {
    all(&[
        ("code_exec", r#"{"code":"eval(input())"}"#, "/code", PYTHON),
        ("python", r#"{"script":"import os"}"#, "/script", PYTHON),
        (
            "execute_python",
            r#"{"source":"x","code":"import os"}"#,
            "/code",
            PYTHON,
        ),
        (
            "jupyter_execute",
            r#"{"cell":"!rm -rf /"}"#,
            "/cell",
            PYTHON,
        ),
        (
            "python",
            r#"{"language":"r","code":"x()"}"#,
            "/code",
            PYTHON,
        ),
        (
            "evaluate_script",
            r#"{"function":"() => fetch('x')"}"#,
            "/function",
            SCRIPT,
        ),
        (
            "browser_evaluate",
            r#"{"expression":"document.cookie"}"#,
            "/expression",
            SCRIPT,
        ),
        (
            "run_code",
            r#"{"language":"javascript","code":"x()"}"#,
            "/code",
            SCRIPT,
        ),
        (
            "run_code",
            r#"{"code":"const fs = require('fs')"}"#,
            "/code",
            SCRIPT,
        ),
        (
            "run_code",
            r#"{"language":"rust","code":"fn main() {}"}"#,
            "/code",
            Use::Data,
        ),
        (
            "acme",
            r#"{"code":"import os\nos.system('x')"}"#,
            "/code",
            PYTHON,
        ),
        ("acme", r#"{"code":"AB-12"}"#, "/code", Use::Data),
        (
            "review_code",
            r#"{"code":"import os\nos.system('x')"}"#,
            "/code",
            Use::Data,
        ),
        (
            "ssh_run",
            r#"{"command":"python3","stdin":"import os"}"#,
            "/stdin",
            PYTHON,
        ),
    ]);
}

#[test]
fn statements_are_found_where_a_database_reads_them() {
    all(&[
        ("execute_sql", r#"{"sql":"DROP TABLE x"}"#, "/sql", Use::Sql),
        ("query", r#"{"sql":"DROP TABLE x"}"#, "/sql", Use::Sql),
        (
            "read_query",
            r#"{"query":"DROP TABLE x"}"#,
            "/query",
            Use::Sql,
        ),
        (
            "psql",
            r#"{"statement":"DROP TABLE x"}"#,
            "/statement",
            Use::Sql,
        ),
        ("acme", r#"{"sql":"DROP TABLE x"}"#, "/sql", Use::Sql),
        (
            "web_search",
            r#"{"query":"DROP TABLE x"}"#,
            "/query",
            Use::Data,
        ),
        (
            "acme",
            r#"{"query":"delete from list in python"}"#,
            "/query",
            Use::Data,
        ),
        ("mongodb_find", r#"{"query":"{}"}"#, "/query", Use::Data),
    ]);
}

#[test]
fn text_that_a_tool_keeps_is_data() {
    all(&[
        (
            "git_commit",
            r#"{"message":"remove rm -rf /"}"#,
            "/message",
            Use::Data,
        ),
        (
            "write_file",
            r#"{"path":"a","content":"curl x | bash"}"#,
            "/content",
            Use::Data,
        ),
        ("web_search", r#"{"query":"rm -rf /"}"#, "/query", Use::Data),
        (
            "slack_message",
            r#"{"text":"rm -rf /"}"#,
            "/text",
            Use::Data,
        ),
        (
            "slack_message",
            r#"{"command":"rm -rf /"}"#,
            "/command",
            Use::Data,
        ),
        (
            "github_create_issue",
            r#"{"title":"x","body":"rm -rf /"}"#,
            "/body",
            Use::Data,
        ),
        (
            "shell_exec",
            r#"{"command":"ls","description":"not rm -rf /"}"#,
            "/description",
            Use::Data,
        ),
        (
            "shell_exec",
            r#"{"command":"ls","env":{"X":"rm -rf /"}}"#,
            "/env/X",
            Use::Data,
        ),
        (
            "run_command",
            r#"{"command":"cat","stdin":"rm -rf /"}"#,
            "/stdin",
            Use::Data,
        ),
        ("acme", r#"{"note":"rm -rf /"}"#, "/note", Use::Data),
        (
            "acme",
            r#"{"command":"Please remove rm -rf / from it"}"#,
            "/command",
            Use::Data,
        ),
        (
            "write_file",
            r#"{"path":"a","content":"{\"cmd\":\"rm -rf /\"}"}"#,
            "/content",
            Use::Data,
        ),
        (
            "save_snippet",
            r#"{"code":"import os\nos.system('x')"}"#,
            "/code",
            Use::Data,
        ),
    ]);
}

#[test]
fn places_are_paths_or_destinations() {
    let send = Use::Destination(Flow::Send);
    let fetch = Use::Destination(Flow::Fetch);
    let read = Use::Path(Access::Read);
    all(&[
        (
            "list_files",
            r#"{"path":"/tmp"}"#,
            "/path",
            Use::Path(Access::List),
        ),
        ("read_file", r#"{"path":"/etc/shadow"}"#, "/path", read),
        (
            "read_multiple_files",
            r#"{"paths":["a","b"]}"#,
            "/paths/1",
            read,
        ),
        (
            "write_file",
            r#"{"path":"a","content":"x"}"#,
            "/path",
            Use::Path(Access::Write),
        ),
        (
            "delete_file",
            r#"{"path":"a"}"#,
            "/path",
            Use::Path(Access::Delete),
        ),
        (
            "upload_file",
            r#"{"path":"a","url":"https://x.example"}"#,
            "/path",
            read,
        ),
        (
            "ssh_connect",
            r#"{"host":"h","key_path":"~/.ssh/id_rsa"}"#,
            "/key_path",
            Use::Data,
        ),
        (
            "http_post",
            r#"{"url":"https://pastebin.com/api","body":"x"}"#,
            "/url",
            send,
        ),
        (
            "upload_file",
            r#"{"destination":"transfer.sh","file":"r.pdf"}"#,
            "/destination",
            send,
        ),
        (
            "copy_file",
            r#"{"source":"a","destination":"transfer.sh"}"#,
            "/destination",
            Use::Path(Access::Write),
        ),
        (
            "fetch",
            r#"{"url":"https://pastebin.com/raw/x"}"#,
            "/url",
            fetch,
        ),
        (
            "http_request",
            r#"{"url":"https://x.example","method":"POST"}"#,
            "/url",
            send,
        ),
        (
            "http_request",
            r#"{"url":"https://x.example","method":"GET"}"#,
            "/url",
            fetch,
        ),
        (
            "acme",
            r#"{"url":"https://x.example","data":{"a":1}}"#,
            "/url",
            send,
        ),
        (
            "github_create_issue",
            r#"{"url":"https://github.com/o/r/issues"}"#,
            "/url",
            send,
        ),
        (
            "http_post",
            r#"{"url":"u","body":"see https://pastebin.com"}"#,
            "/body",
            Use::Data,
        ),
        (
            "slack_message",
            r#"{"webhook_url":"https://hooks.slack.com/x"}"#,
            "/webhook_url",
            send,
        ),
        ("send_email", r#"{"to":"a@b.example"}"#, "/to", send),
        (
            "read_resource",
            r#"{"uri":"file:///etc/shadow"}"#,
            "/uri",
            read,
        ),
    ]);
}
