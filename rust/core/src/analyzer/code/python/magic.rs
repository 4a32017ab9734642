//! Notebook magics: `!command`, `%sx command`, `%%bash` cells.

use crate::{
    analyzer::{Language, Scope, command::Dialect},
    span::Span,
};

/// Reads a cell whose first line is a `%%` magic. `None` where it is none; else what of the cell
/// is Python, with its start.
pub(super) fn cell<'t>(text: &'t str, scope: &mut Scope<'_>) -> Option<Option<(usize, &'t str)>> {
    let trimmed = text.trim_start();
    let line = trimmed.strip_prefix("%%")?;
    let (head, body) = line.split_once('\n').unwrap_or((line, ""));
    let start = text.len().saturating_sub(body.len());
    let at = Span::new(start, text.len());
    let mut words = head.split_whitespace();
    let mut magic = words.next().unwrap_or_default();
    if magic == "script" {
        magic = words
            .find(|w| !w.starts_with('-'))
            .map_or("sh", |w| w.rsplit('/').next().unwrap_or(w));
    }
    let language = match magic {
        "bash" | "sh" | "sx" | "system" | "zsh" | "cmd" | "!" => {
            let head: Vec<&str> = words.collect();
            let code = if matches!(magic, "sx" | "system" | "!") {
                format!("{}\n{body}", head.join(" "))
            } else {
                body.to_owned()
            };
            scope.nested(at, |scope| {
                scope.analyzers.command.analyze(&code, Dialect::Bash, scope);
            });
            return Some(None);
        }
        "sql" => {
            scope.nested(at, |scope| scope.analyzers.sql.analyze(body, scope));
            return Some(None);
        }
        // The cell is written to a file.
        "writefile" | "file" | "html" | "HTML" | "latex" | "markdown" | "svg" | "SVG" | "css" => {
            return Some(None);
        }
        "javascript" | "js" | "node" => Language::JavaScript,
        "perl" => Language::Perl,
        "ruby" => Language::Ruby,
        _ => return Some(Some((start, body))),
    };
    scope.nested(at, |scope| {
        scope.analyzers.code.analyze(body, language, scope);
    });
    Some(None)
}

/// What a line magic runs: a command of the shell, or Python.
pub(super) enum Line<'t> {
    Shell(&'t str),
    Python(&'t str),
    Nothing,
}

/// Reads `name arguments` of a `%` magic.
pub(super) fn line(text: &str) -> Line<'_> {
    let text = text.trim();
    let (name, rest) = text
        .split_once(char::is_whitespace)
        .map_or((text, ""), |(n, r)| (n, r.trim()));
    match name {
        "sx" | "system" | "sc" | "!" => Line::Shell(rest),
        // Aliases that IPython defines for programs.
        "pip" | "conda" | "rm" | "mv" | "cp" | "ls" | "cat" | "mkdir" | "rmdir" | "uv" => {
            Line::Shell(text)
        }
        "time" | "timeit" | "prun" | "memit" | "mprun" | "lprun" => {
            let mut code = rest;
            while let Some(flag) = code.strip_prefix('-') {
                code = flag.split_once(' ').map_or("", |(_, r)| r.trim_start());
            }
            Line::Python(code)
        }
        _ => Line::Nothing,
    }
}
