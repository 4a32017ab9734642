//! What a value looks like, by loops over its first bytes.

use super::speech::{Speech, language};
use crate::analyzer::{Language, command::Dialect};

/// How much of a text is looked at to tell what it is.
const LOOK: usize = 4096;

fn head(text: &str) -> &str {
    let mut end = text.len().min(LOOK);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

/// Whether a text can be a command line: anything but a sentence.
pub(super) fn is_command(text: &str) -> bool {
    let text = text.trim_start();
    let mut words = text.split_ascii_whitespace();
    let Some(first) = words.next() else {
        return false;
    };
    // Programs are hardly ever written with a capital: `Please remove …`, but `Remove-Item`, `$X`.
    let sentence = first.len() > 1
        && first.starts_with(|c: char| c.is_ascii_uppercase())
        && first
            .trim_end_matches([',', ':'])
            .bytes()
            .skip(1)
            .all(|b| b.is_ascii_lowercase() || b == b'\'')
        && words.nth(1).is_some()
        && !first.starts_with("Rscript");
    !sentence
}

/// Whether a text has what a command line has beyond one word.
pub(super) fn has_operator(text: &str) -> bool {
    text.bytes().any(|b| {
        matches!(
            b,
            b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'`' | b'$' | b'<' | b'{'
        )
    })
}

/// Whether a text has what program code has.
pub(super) fn is_code(text: &str) -> bool {
    let head = head(text);
    head.bytes()
        .any(|b| matches!(b, b'(' | b'=' | b'\n' | b';' | b'!' | b'%' | b'{'))
        || head.starts_with("import ")
        || head.starts_with("from ")
}

/// Whether a text named `source` is a program rather than a place.
pub(super) fn is_source(text: &str) -> bool {
    is_code(text)
        && !is_absolute_url(text)
        && (text.contains(['\n', '(', '!']) || text.contains(" = "))
}

/// Whether a text begins as an SQL statement.
pub(super) fn is_sql(text: &str) -> bool {
    let mut text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    // Comments before the statement: a bounded number, each at least two bytes.
    for _ in 0..16 {
        let rest = if let Some(rest) = text.strip_prefix("--") {
            rest.find('\n').and_then(|i| rest.get(i..))
        } else if let Some(rest) = text.strip_prefix("/*") {
            rest.find("*/")
                .and_then(|i| rest.get(i.saturating_add(2)..))
        } else {
            break;
        };
        text = rest.unwrap_or_default().trim_start();
    }
    const VERBS: [&str; 27] = [
        "select", "insert", "update", "delete", "drop", "truncate", "alter", "create", "grant",
        "revoke", "with", "copy", "merge", "exec", "execute", "call", "begin", "set", "attach",
        "pragma", "explain", "replace", "vacuum", "do", "load", "declare", "commit",
    ];
    let verb = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    VERBS.iter().any(|v| v.eq_ignore_ascii_case(verb))
        && text.len() > verb.len()
        && text.get(verb.len()..).is_some_and(|rest| {
            rest.starts_with(|c: char| {
                c.is_whitespace() || matches!(c, '*' | '/' | '(' | '"' | ';')
            })
        })
}

/// Whether a text begins with `scheme://`.
pub(super) fn is_absolute_url(text: &str) -> bool {
    let text = text.trim_start();
    // No scheme is longer.
    let head = text.as_bytes().get(..=16).unwrap_or(text.as_bytes());
    let Some(colon) = head.iter().position(|b| *b == b':').filter(|&i| i >= 2) else {
        return text.starts_with("//");
    };
    let scheme = text.get(..colon).unwrap_or_default();
    let rest = text.get(colon..).unwrap_or_default();
    let web = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|s| s.eq_ignore_ascii_case(scheme));
    scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && (rest.starts_with("://") || web)
}

/// Whether a text is `file:…`.
pub(super) fn is_file_url(text: &str) -> bool {
    text.trim_start()
        .get(..5)
        .is_some_and(|s| s.eq_ignore_ascii_case("file:"))
}

/// Whether a text can be read as a URL or a host.
pub(super) fn is_url(text: &str) -> bool {
    let text = text.trim();
    if is_absolute_url(text) {
        return true;
    }
    if text.starts_with(['/', '~', '.', '$']) || text.contains(char::is_whitespace) {
        return false;
    }
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    host.eq_ignore_ascii_case("localhost") || host.contains(['.', '。', '．', '｡'])
}

/// Whether a text can be a local path.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with(['/', '~', '.', '$', '%', '\\'])
        || text.contains(['/', '\\'])
        || is_file_url(text)
        || text.contains('.') && !text.contains(' ')
}

/// Whether a script says who reads it.
pub(super) fn has_shebang(text: &str) -> bool {
    text.starts_with("#!")
}

/// The language that the first line names.
pub(super) fn shebang(text: &str) -> Option<Speech> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    // The interpreter is the program, or the first argument of `env` that is no option.
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?.rsplit('/').next()?;
    let name = if name == "env" {
        words.find(|w| !w.starts_with('-') && !w.contains('='))?
    } else {
        name
    };
    match language(name) {
        Speech::Unknown => None,
        found => Some(found),
    }
}

/// The language of code that nothing else says the language of.
pub(super) fn guess(text: &str) -> Option<Speech> {
    if let Some(found) = shebang(text) {
        return Some(found);
    }
    let head = head(text);
    let has = |mark: &str| head.contains(mark);
    let line = head.trim_start();
    let python = has("import ") && !has("from '") && !has("from \"")
        || has("def ") && has("):")
        || has("print(")
        || has("__")
        || line.starts_with(['%', '!']);
    let script = [
        "const ",
        "let ",
        "var ",
        "=>",
        "require(",
        "function ",
        "console.",
        "document.",
        "await ",
    ]
    .iter()
    .any(|mark| has(mark));
    let first = line.split_ascii_whitespace().next().unwrap_or_default();
    const PROGRAMS: [&str; 58] = [
        "rm",
        "ls",
        "cd",
        "cat",
        "echo",
        "curl",
        "wget",
        "sudo",
        "git",
        "chmod",
        "chown",
        "find",
        "grep",
        "mkdir",
        "mv",
        "cp",
        "dd",
        "kill",
        "pkill",
        "killall",
        "bash",
        "sh",
        "python",
        "python3",
        "node",
        "npm",
        "pip",
        "docker",
        "kubectl",
        "apt",
        "apt-get",
        "yum",
        "brew",
        "tar",
        "ssh",
        "scp",
        "rsync",
        "nc",
        "export",
        "source",
        "set",
        "touch",
        "sed",
        "awk",
        "make",
        "systemctl",
        "env",
        "xargs",
        "tee",
        "mkfs",
        "shred",
        "aws",
        "gcloud",
        "terraform",
        "psql",
        "mysql",
        "unzip",
        "truncate",
    ];
    let called = line
        .get(first.len()..)
        .is_some_and(|rest| rest.trim_start().starts_with(['=', '(', '.', ',']));
    if PROGRAMS.contains(&first) && !called && !first.is_empty() {
        return Some(Speech::Shell(Dialect::Any));
    }
    match (python, script) {
        (true, _) => Some(Speech::Program(Language::Python)),
        (false, true) => Some(Speech::Program(Language::JavaScript)),
        _ => None,
    }
}

/// Whether a command line begins with this program.
pub(super) fn begins_with(text: &str, program: &str) -> bool {
    text.split_ascii_whitespace()
        .next()
        .is_some_and(|first| is_program(first, program))
        // Assignments, groups and wrappers before it: it is a whole command line.
        || text.trim_start().starts_with(['(', '{', '$', '!'])
        || text.split_ascii_whitespace().take(4).any(|w| w == program)
}

/// Whether a word names this program, with or without its path.
pub(super) fn is_program(word: &str, program: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.trim_end_matches(".exe").eq_ignore_ascii_case(program)
}
