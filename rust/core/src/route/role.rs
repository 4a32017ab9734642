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

// Over bytes, since the compiler makes a tree of that and a list of comparisons of strings.
fn of_word(word: &str) -> Role {
    match word.as_bytes() {
        b"command" | b"commands" | b"cmd" | b"cmds" | b"commandline" | b"cmdline" | b"shell"
        | b"bash" | b"exec" | b"execute" | b"cli" | b"terminal" | b"powershell" | b"zsh"
        | b"sh" => Role::Command,
        b"run" | b"script" | b"scripts" => Role::Run,
        b"args" | b"argv" | b"arguments" | b"arg" | b"options" | b"flags" => Role::Argv,
        b"input" | b"stdin" | b"keys" | b"keystrokes" | b"line" | b"lines" | b"heredoc"
        | b"inputs" => Role::Input,
        b"code" | b"source_code" | b"cell" | b"cells" | b"notebook" | b"snippet" | b"python"
        | b"py" | b"javascript" | b"js" | b"program" | b"expression" | b"function" | b"codes" => {
            Role::Code
        }
        b"sql" | b"query" | b"queries" | b"statement" | b"statements" => Role::Sql,
        b"path" | b"paths" | b"file" | b"files" | b"filename" | b"filenames" | b"filepath"
        | b"dir" | b"directory" | b"folder" | b"pathname" | b"root" | b"cwd" | b"workdir"
        | b"attachment" | b"attachments" | b"directories" | b"folders" => Role::Path,
        b"source" | b"src" | b"dest" | b"destination" | b"target" | b"location" | b"output"
        | b"from" | b"dst" | b"uri" | b"resource" => Role::Place,
        b"url" | b"urls" | b"endpoint" | b"host" | b"hostname" | b"server" | b"address"
        | b"domain" | b"remote" | b"origin" | b"hosts" | b"site" | b"website" | b"repository"
        | b"upstream" | b"proxy" => Role::Url,
        b"webhook" | b"callback" | b"hook" => Role::Webhook,
        b"to" | b"cc" | b"bcc" | b"recipient" | b"recipients" | b"channel" => Role::Recipient,
        b"text" | b"content" | b"contents" | b"value" | b"string" | b"str" | b"prompt" | b"raw"
        | b"instruction" | b"instructions" | b"task" => Role::Weak,
        b"body" | b"data" | b"payload" | b"json" | b"form" | b"fields" | b"blob" | b"bytes" => {
            Role::Body
        }
        b"message" | b"messages" | b"msg" | b"description" | b"desc" | b"note" | b"notes"
        | b"title" | b"comment" | b"comments" | b"reason" | b"explanation" | b"summary"
        | b"subject" | b"question" | b"answer" | b"caption" | b"label" | b"labels" | b"tag"
        | b"tags" | b"name" | b"names" | b"id" | b"ids" | b"type" | b"kind" | b"status"
        | b"link" | b"links" | b"href" | b"help" | b"example" | b"examples" | b"documentation"
        | b"doc" | b"docs" | b"readme" | b"changelog" | b"review" | b"timeout" | b"user"
        | b"username" | b"image" | b"version" | b"format" | b"pattern" | b"keyword"
        | b"keywords" | b"search" | b"term" | b"topic" | b"explain" | b"justification"
        | b"thought" | b"thoughts" | b"rationale" | b"purpose" | b"goal" | b"story"
        | b"abstract" | b"history" | b"context" | b"old" | b"new" | b"encoding" | b"mode"
        | b"markdown" | b"html" => Role::Text,
        b"language" | b"lang" | b"runtime" | b"kernel" | b"interpreter" => Role::Language,
        b"method" | b"verb" => Role::Method,
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

fn is_one_of(name: &str, list: &[&str]) -> bool {
    let first = name.bytes().next().map(|b| b.to_ascii_lowercase());
    list.iter()
        .any(|n| n.bytes().next() == first && n.eq_ignore_ascii_case(name))
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
    is_one_of(name, &NAMES)
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
    is_one_of(name, &NAMES)
}

/// Whether the name speaks of several.
pub(super) fn is_plural(name: &str) -> bool {
    matches!(
        Words::of(name).iter().next_back(),
        Some("commands" | "cmds" | "scripts" | "steps" | "lines")
    )
}
