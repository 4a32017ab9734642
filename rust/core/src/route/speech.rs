//! What language a word or an argument names.

use crate::analyzer::{Language, command::Dialect};

/// What language a piece of code is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Shell(Dialect),
    Program(Language),
    Sql,
    /// Known, and without an analyzer.
    Foreign,
    Unknown,
}

/// The language that one word names.
pub(super) fn speech(word: &str) -> Speech {
    let stem = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match stem {
        "bash" | "sh" | "zsh" | "dash" | "ksh" | "ash" | "fish" => Speech::Shell(Dialect::Bash),
        "shell" => Speech::Shell(Dialect::Any),
        "powershell" | "pwsh" | "ps" => Speech::Shell(Dialect::PowerShell),
        "batch" | "bat" => Speech::Shell(Dialect::Cmd),
        "python" | "py" | "ipython" | "jupyter" | "ipykernel" => Speech::Program(Language::Python),
        "javascript" | "js" | "node" | "nodejs" | "typescript" | "ts" | "deno" | "bun" => {
            Speech::Program(Language::JavaScript)
        }
        "perl" => Speech::Program(Language::Perl),
        "ruby" | "rb" => Speech::Program(Language::Ruby),
        "php" => Speech::Program(Language::Php),
        "lua" => Speech::Program(Language::Lua),
        "awk" | "gawk" => Speech::Program(Language::Awk),
        "sql" | "postgres" | "mysql" | "sqlite" | "postgresql" => Speech::Sql,
        "applescript" | "osascript" => Speech::Foreign,
        _ => Speech::Unknown,
    }
}

/// The language that a `language` argument names.
pub(super) fn language(text: &str) -> Speech {
    let lower = text.trim().to_ascii_lowercase();
    let found = lower
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '#')
        .map(speech)
        .find(|s| *s != Speech::Unknown);
    match (found, lower.as_str()) {
        (Some(found), _) => found,
        (
            None,
            "go" | "golang" | "rust" | "java" | "c" | "c++" | "cpp" | "c#" | "csharp" | "r"
            | "julia" | "kotlin" | "swift" | "scala" | "haskell" | "elixir" | "html" | "css"
            | "json" | "yaml" | "markdown" | "latex",
        ) => Speech::Foreign,
        _ => Speech::Unknown,
    }
}
