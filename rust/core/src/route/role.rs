//! What an argument is, by the words of its name alone.

use crate::policy::words::Words;

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A command line.
    Command,
    /// A command line or a script: `run`, `script`.
    Run,
    /// Arguments of a program.
    Argv,
    /// What is typed or fed into a running program.
    Input,
    /// Program text.
    Code,
    /// A statement or a query.
    Sql,
    /// A file or folder.
    Path,
    /// A file that a tool uses for itself: a key, a configuration.
    KeyPath,
    /// A path or a host: `destination`, `source`.
    Place,
    /// A URL or host.
    Url,
    /// A URL that data is sent to.
    Webhook,
    /// A person, or whoever receives.
    Recipient,
    /// Text for people: never executed.
    Text,
    /// Text by name, but a name that tools also use for what they execute.
    Weak,
    /// What an HTTP request or a file carries.
    Body,
    /// A programming language.
    Language,
    /// An HTTP method.
    Method,
    /// The name says nothing.
    None,
}

/// Which word of several with one role it was, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    Run,
    Sql,
    Destination,
    None,
}

impl Hint {
    fn of_word(word: &str) -> Self {
        match word {
            "sql" | "statement" | "statements" => Self::Sql,
            "run" => Self::Run,
            "destination" | "dest" | "dst" | "target" | "to" | "output" => Self::Destination,
            _ => Self::None,
        }
    }

    pub(super) fn of(name: &str) -> Self {
        if Words::is_one(name) {
            return Self::of_word(name);
        }
        Words::of(name)
            .iter()
            .map(Self::of_word)
            .find(|hint| *hint != Self::None)
            .unwrap_or(Self::None)
    }
}

fn of_word(word: &str) -> Role {
    match word {
        "command" | "commands" | "cmd" | "cmds" | "commandline" | "cmdline" | "shell" | "bash"
        | "exec" | "execute" | "cli" | "terminal" | "powershell" | "zsh" | "sh" => Role::Command,
        "run" | "script" | "scripts" => Role::Run,
        "args" | "argv" | "arguments" | "arg" | "options" | "flags" => Role::Argv,
        "input" | "stdin" | "keys" | "keystrokes" | "line" | "lines" | "heredoc" | "inputs" => {
            Role::Input
        }
        "code" | "source_code" | "cell" | "cells" | "notebook" | "snippet" | "python" | "py"
        | "javascript" | "js" | "program" | "expression" | "function" | "codes" => Role::Code,
        "sql" | "query" | "queries" | "statement" | "statements" => Role::Sql,
        "path" | "paths" | "file" | "files" | "filename" | "filenames" | "filepath" | "dir"
        | "directory" | "folder" | "pathname" | "root" | "cwd" | "workdir" | "attachment"
        | "attachments" | "directories" | "folders" => Role::Path,
        "source" | "src" | "dest" | "destination" | "target" | "location" | "output" | "from"
        | "dst" | "uri" | "resource" => Role::Place,
        "url" | "urls" | "endpoint" | "host" | "hostname" | "server" | "address" | "domain"
        | "remote" | "origin" | "hosts" | "site" | "website" | "repository" | "upstream"
        | "proxy" => Role::Url,
        "webhook" | "callback" | "hook" => Role::Webhook,
        "to" | "cc" | "bcc" | "recipient" | "recipients" | "channel" => Role::Recipient,
        "text" | "content" | "contents" | "value" | "string" | "str" | "prompt" | "raw"
        | "instruction" | "instructions" | "task" => Role::Weak,
        "body" | "data" | "payload" | "json" | "form" | "fields" | "blob" | "bytes" => Role::Body,
        "message" | "messages" | "msg" | "description" | "desc" | "note" | "notes" | "title"
        | "comment" | "comments" | "reason" | "explanation" | "summary" | "subject"
        | "question" | "answer" | "caption" | "label" | "labels" | "tag" | "tags" | "name"
        | "names" | "id" | "ids" | "type" | "kind" | "status" | "link" | "links" | "href"
        | "help" | "example" | "examples" | "documentation" | "doc" | "docs" | "readme"
        | "changelog" | "review" | "timeout" | "user" | "username" | "image" | "version"
        | "format" | "pattern" | "keyword" | "keywords" | "search" | "term" | "topic"
        | "explain" | "justification" | "thought" | "thoughts" | "rationale" | "purpose"
        | "goal" | "story" | "abstract" | "history" | "context" | "old" | "new" | "encoding"
        | "mode" | "markdown" | "html" => Role::Text,
        "language" | "lang" | "runtime" | "kernel" | "interpreter" => Role::Language,
        "method" | "verb" => Role::Method,
        _ => Role::None,
    }
}

/// What a name says. The last word with a meaning decides: a `script_path` is a path, a
/// `command_description` a description, a `commit_message` a message.
pub(super) fn of(name: &str) -> Role {
    if Words::is_one(name) {
        return of_word(name);
    }
    let words = Words::of(name);
    let mut weak = Role::None;
    for word in words.iter().rev() {
        let role = of_word(word);
        match role {
            Role::None => {}
            // `command_line`, `query_text`, `script_content`, `sql_string`, `code_to_run`.
            Role::Weak | Role::Input | Role::Body | Role::Recipient if words.len() > 1 => {
                if weak == Role::None {
                    weak = role;
                }
            }
            Role::Command | Role::Run | Role::Argv | Role::Code | Role::Sql => return role,
            Role::Path | Role::Place => {
                return if weak != Role::None {
                    weak
                } else if words.any(&[
                    "key",
                    "identity",
                    "cert",
                    "certificate",
                    "ca",
                    "config",
                    "credentials",
                    "credential",
                    "kubeconfig",
                    "keyfile",
                    "log",
                    "cwd",
                    "working",
                    "work",
                ]) {
                    Role::KeyPath
                } else {
                    role
                };
            }
            Role::Url if words.any(&["webhook", "callback", "hook"]) => return Role::Webhook,
            _ => return if weak == Role::None { role } else { weak },
        }
    }
    weak
}

/// Whether the name is that of a program that stands beside its arguments.
pub(super) fn names_program(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "command",
        "cmd",
        "program",
        "executable",
        "binary",
        "bin",
        "exe",
        "file",
        "filename",
        "path",
        "entrypoint",
        "interpreter",
        "process",
        "tool",
        "app",
        "shell",
        "application",
    ];
    NAMES.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Whether what stands below this name only describes the call.
pub(super) fn only_describes(name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "env",
        "environment",
        "environ",
        "headers",
        "header",
        "metadata",
        "_meta",
        "labels",
        "tags",
        "annotations",
        "messages",
        "cookies",
        "message",
        "description",
        "comments",
        "examples",
    ];
    NAMES.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Whether the name speaks of several.
pub(super) fn is_plural(name: &str) -> bool {
    matches!(
        Words::of(name).iter().next_back(),
        Some("commands" | "cmds" | "scripts" | "steps" | "lines")
    )
}
