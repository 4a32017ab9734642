//! Strings of another language's program that it hands to a shell.

use super::shell::Shell;
use crate::analyzer::{Language, Scope};

/// Words before a string that hand it to a shell.
const RUNNERS: [&str; 33] = [
    "shell-command",
    "shell-command-to-string",
    "System.cmd",
    "system",
    "exec",
    "execSync",
    "spawn",
    "spawnSync",
    "popen",
    "Popen",
    "shell_exec",
    "passthru",
    "proc_open",
    "do shell script",
    "shell",
    "qx",
    "run",
    "sh -c",
    "IO.popen",
    "backtick",
    "open",
    "cmd",
    "execute",
    "run-shell-command",
    "run-program",
    "callCommand",
    "callProcess",
    "readProcess",
    "process-lines",
    "command",
    "exec {",
    "sys.exec",
    "Process.run",
];

/// Follows the strings of `code` that stand behind a runner. Most strings after a runner: 64.
pub(super) fn shell_strings(
    shell: &mut Shell<'_>,
    code: &str,
    language: Option<Language>,
    scope: &mut Scope<'_>,
) {
    // IPython and notebooks: `!command`.
    if language == Some(Language::Python) {
        for line in code.lines().take(256) {
            if let Some(command) = line.trim().strip_prefix('!') {
                shell.maybe(command, scope);
            }
        }
        return;
    }
    if language == Some(Language::JavaScript)
        && !code.contains("child_process")
        && !code.contains("Bun.")
        && !code.contains("Deno.")
    {
        return;
    }
    if matches!(
        language,
        None | Some(Language::Perl | Language::Ruby | Language::Php)
    ) {
        quoted(code, b'`', &mut |command, _| {
            shell.maybe(command, scope);
        });
    }
    // A connection and a shell in one program, where the language's own analysis does not join them.
    let connects = [
        "connect(",
        "TCPClient",
        "Socket(",
        "TcpStream",
        "TCPSocket",
        "fsockopen(",
        "IO::Socket",
    ];
    let shells: &[&str] = match language {
        None => &[
            "`sh`",
            "\"sh\"",
            "/bin/sh",
            "/bin/bash",
            "`bash",
            "cmd.exe",
            "sh -i",
        ],
        Some(Language::Perl | Language::Ruby | Language::Php) => &["sh -i", "/bin/sh", "/bin/bash"],
        Some(_) => &[],
    };
    if shells.iter().any(|s| code.contains(s)) && connects.iter().any(|c| code.contains(c)) {
        shell.hit("reverse-shell", scope);
    }
    // Calls by which Elixir, Julia, R and Emacs delete a folder.
    let deletes = code.contains("File.rm_rf")
        || code.contains("(delete-directory ")
        || code.contains("recursive") && (code.contains("unlink(") || code.contains("rm("));
    if language.is_none() && deletes {
        shell.maybe("rm -rf -- \"$FOLDER\"", scope);
    }
    let awk = language == Some(Language::Awk);
    let mut count = 0_usize;
    for quote in [b'"', b'\''] {
        let mut found: Vec<(usize, usize)> = Vec::new();
        quoted(code, quote, &mut |text, at| {
            found.push((at, at.saturating_add(text.len())))
        });
        for (start, end) in found {
            count = count.saturating_add(1);
            if count > 64 {
                return;
            }
            let before = code.get(..start.saturating_sub(1)).unwrap_or_default();
            let before = before.trim_end_matches([' ', '(', '[', '\t']);
            let after = code
                .get(end.saturating_add(1)..)
                .unwrap_or_default()
                .trim_start();
            let runs = RUNNERS.iter().any(|r| before.ends_with(r))
                || language.is_none() && after.starts_with(".execute()")
                || awk && (after.starts_with('|') || before.ends_with('|'));
            if !runs {
                continue;
            }
            let text = code.get(start..end).unwrap_or_default();
            let text = super::produce::unescape(text);
            shell.maybe(&text, scope);
        }
    }
    // m4's `esyscmd(…)` has no quotes that others know.
    for runner in ["esyscmd(", "syscmd("] {
        for (at, _) in code.match_indices(runner).take(8) {
            let rest = code
                .get(at.saturating_add(runner.len())..)
                .unwrap_or_default();
            let close = rest.rfind(')').unwrap_or(rest.len());
            let text = rest.get(..close).unwrap_or_default();
            shell.maybe(text.trim_matches(['`', '\'', '"']), scope);
        }
    }
    // An argument list: `system("rm", "-rf", "/srv")`, `spawn('rm', ['-rf', '/srv'])`.
    for runner in [
        "System.cmd(",
        "system(",
        "exec(",
        "spawn(",
        "spawnSync(",
        "execFileSync(",
        "execFile(",
    ] {
        for (at, _) in code.match_indices(runner).take(8) {
            let rest = code
                .get(at.saturating_add(runner.len())..)
                .unwrap_or_default();
            let close = rest.find([')', ';']).unwrap_or(rest.len()).min(512);
            let Some(list) = rest.get(..close) else {
                continue;
            };
            let mut argv = Vec::new();
            let quote = if list.contains('"') { b'"' } else { b'\'' };
            quoted(list, quote, &mut |text, _| {
                argv.push(super::wrapper::quote(text))
            });
            if argv.len() > 1 {
                shell.maybe(&argv.join(" "), scope);
            }
        }
    }
    // Perl's `decode_base64("…")` and PHP's `base64_decode("…")` given to a runner.
    if (code.contains("decode_base64") || code.contains("base64_decode"))
        && RUNNERS.iter().any(|r| code.contains(r))
    {
        shell.hit("decoded-to-shell", scope);
    }
}

/// What a program prints that does nothing else than print texts.
pub(super) fn printed(code: &str, language: Option<Language>) -> Option<String> {
    let mut code = code.trim().trim_end_matches(';').trim();
    if language == Some(Language::Awk) {
        code = code
            .strip_prefix("BEGIN")?
            .trim()
            .strip_prefix('{')?
            .strip_suffix('}')?
            .trim();
    }
    let starts = [
        "print ",
        "print(",
        "puts ",
        "puts(",
        "printf ",
        "printf(",
        "say ",
        "echo ",
        "console.log(",
        "process.stdout.write(",
        "io.write(",
        "sys.stdout.write(",
        "print\"",
        "print'",
    ];
    let start = starts.iter().find(|s| code.starts_with(**s))?;
    let mut rest = code
        .get(start.trim_end_matches(['"', '\'']).len()..)?
        .trim();
    let mut out = String::new();
    loop {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let body = rest.get(1..)?;
        let mut escaped = false;
        let end = body.find(|c: char| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        out.push_str(&super::produce::unescape(body.get(..end)?));
        rest = body.get(end.saturating_add(1)..)?.trim_start();
        if rest.trim_end_matches([')', ';', ' ']).is_empty() {
            out.push('\n');
            return Some(out);
        }
        rest = rest.strip_prefix(['+', '.', ','])?.trim_start();
    }
}

/// Calls `each` with the content and start of every string in `quote`s.
fn quoted(code: &str, quote: u8, each: &mut dyn FnMut(&str, usize)) {
    let mut start = None;
    let mut escaped = false;
    for (i, b) in code.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if b == b'\\' {
            escaped = true;
        } else if b == quote {
            match start.take() {
                None => start = Some(i.saturating_add(1)),
                Some(s) => {
                    if let Some(text) = code.get(s..i) {
                        each(text, s);
                    }
                }
            }
        }
    }
}
