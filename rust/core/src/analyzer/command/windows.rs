//! PowerShell and cmd.exe: their own tokens, the same facts.

use super::{
    dispatch::base,
    shell::Shell,
    value::{Value, from},
};
use crate::analyzer::Scope;
use base64::Engine;

/// Aliases of cmdlets.
const ALIASES: [(&str, &str); 40] = [
    ("spsv", "stop-service"),
    ("clp", "clear-itemproperty"),
    ("sp", "set-itemproperty"),
    ("ac", "add-content"),
    ("rsn", "remove-pssession"),
    ("sajb", "start-job"),
    ("gi", "get-item"),
    ("ii", "invoke-item"),
    ("gwmi", "get-wmiobject"),
    ("iwmi", "invoke-wmimethod"),
    ("ri", "remove-item"),
    ("rm", "remove-item"),
    ("rmdir", "remove-item"),
    ("del", "remove-item"),
    ("erase", "remove-item"),
    ("rd", "remove-item"),
    ("gci", "get-childitem"),
    ("ls", "get-childitem"),
    ("dir", "get-childitem"),
    ("iex", "invoke-expression"),
    ("iwr", "invoke-webrequest"),
    ("irm", "invoke-restmethod"),
    ("curl", "invoke-webrequest"),
    ("wget", "invoke-webrequest"),
    ("kill", "stop-process"),
    ("spps", "stop-process"),
    ("saps", "start-process"),
    ("start", "start-process"),
    ("sc", "set-content"),
    ("clc", "clear-content"),
    ("mv", "move-item"),
    ("mi", "move-item"),
    ("cp", "copy-item"),
    ("rp", "remove-itemproperty"),
    ("gc", "get-content"),
    ("cat", "get-content"),
    ("type", "get-content"),
    ("icm", "invoke-command"),
    ("%", "foreach-object"),
    ("foreach", "foreach-object"),
];

/// Verbs of cmdlets that tell PowerShell from other shells.
const VERBS: [&str; 34] = [
    "remove-",
    "get-",
    "set-",
    "clear-",
    "stop-",
    "start-",
    "restart-",
    "invoke-",
    "new-",
    "format-",
    "initialize-",
    "disable-",
    "enable-",
    "out-",
    "write-",
    "select-",
    "test-",
    "copy-",
    "move-",
    "add-",
    "import-",
    "export-",
    "where-",
    "foreach-",
    "uninstall-",
    "register-",
    "unregister-",
    "reset-",
    "resize-",
    "dismount-",
    "repair-",
    "suspend-",
    "revoke-",
    "convertto-",
];

/// Whether a word is the verb of cmdlets.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.iter().any(|v| v.strip_suffix('-') == Some(word))
}

/// Whether a text reads as PowerShell.
pub(super) fn is_powershell(text: &str) -> bool {
    let trimmed = text.trim_start().to_ascii_lowercase();
    let first = trimmed
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | '|' | ';'))
        .next()
        .unwrap_or_default();
    let piped = trimmed
        .split('|')
        .skip(1)
        .filter_map(|stage| stage.split_whitespace().next())
        .any(|word| {
            word == "iex"
                || VERBS.iter().any(|v| word.starts_with(v))
                    && word.len() > 8
                    && !word.contains(['.', '_', '/'])
        });
    piped
        || VERBS.iter().any(|v| {
            first.strip_prefix(v).is_some_and(|rest| {
                rest.len() > 2 && rest.bytes().all(|b| b.is_ascii_alphanumeric())
            })
        })
        || matches!(
            first,
            "iex" | "irm" | "iwr" | "gci" | "ri" | "icm" | "saps" | "spps" | "spsv"
        )
        || trimmed.starts_with("$env:")
        || [
            "$psversiontable",
            "$pshome",
            "$profile",
            "$psscriptroot",
            "$psculture",
        ]
        .iter()
        .any(|name| trimmed.starts_with(name))
        || trimmed.starts_with("foreach (")
        || trimmed.starts_with("foreach(")
        || trimmed.starts_with('$')
            && (trimmed.contains(" = ")
                || trimmed.contains("new-object")
                || trimmed.contains("; & $")
                || trimmed.contains(";& $"))
        || trimmed.starts_with("& (")
        || trimmed.starts_with("& \"")
        || first.contains('`') && first.contains('-')
        || trimmed.starts_with('[') && trimmed.contains("]::")
        || trimmed.starts_with("& {")
        || trimmed.starts_with("(new-object")
}

/// The text with `'a'+'b'` joined, a backtick in a word or in double quotes gone, and `$x=` apart.
fn joined(text: &str) -> String {
    let mut out = text
        .replace("'+'", "")
        .replace("' + '", "")
        .replace("\"+\"", "")
        .replace("\" + \"", "");
    if out.contains('`') {
        let mut plain = String::with_capacity(out.len());
        let mut chars = out.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '`'
                || !chars
                    .peek()
                    .is_some_and(|n| n.is_ascii_alphanumeric() || *n == '-')
            {
                plain.push(c);
            }
        }
        out = plain;
    }
    let assigns = out.trim_start().starts_with('$')
        && out
            .split_once('=')
            .is_some_and(|(name, _)| !name.trim().contains([' ', '.', '(']));
    if assigns {
        out = out.replacen('=', " = ", 1);
    }
    out
}

/// Whether a text reads as cmd.exe.
pub(super) fn is_cmd(text: &str) -> bool {
    let trimmed = text.trim_start().to_ascii_lowercase();
    let first = trimmed.split_whitespace().next().unwrap_or_default();
    matches!(
        base(first).as_str(),
        "del"
            | "erase"
            | "rd"
            | "format"
            | "diskpart"
            | "reg"
            | "vssadmin"
            | "bcdedit"
            | "wbadmin"
            | "cipher"
            | "takeown"
            | "icacls"
            | "schtasks"
            | "net"
            | "sc"
            | "taskkill"
            | "wmic"
            | "copy"
            | "move"
            | "netsh"
            | "attrib"
            | "fsutil"
    ) || trimmed.starts_with("rmdir /")
        || trimmed.starts_with("for /")
        || trimmed.starts_with("for %")
        || first.get(1..3) == Some(":\\")
        || first.starts_with('%') && first.contains('\\')
        || trimmed.contains(" c:\\")
}

/// One statement's pipeline: commands of words.
fn statements(text: &str, escape: u8) -> Vec<Vec<Vec<Value>>> {
    let mut out: Vec<Vec<Vec<Value>>> = vec![vec![Vec::new()]];
    let mut word = String::new();
    let mut started = false;
    let mut quote = 0_u8;
    let mut chars = text.chars().peekable();
    fn flush(out: &mut [Vec<Vec<Value>>], word: &mut String, started: &mut bool) {
        if *started && let Some(command) = out.last_mut().and_then(|p| p.last_mut()) {
            let glob = word.contains(['*', '?']);
            command.push(Value {
                text: std::mem::take(word),
                glob,
                from: 0,
            });
        }
        word.clear();
        *started = false;
    }
    while let Some(c) = chars.next() {
        if quote != 0 {
            if c as u32 == u32::from(quote) {
                quote = 0;
            } else {
                word.push(c);
            }
            continue;
        }
        match c {
            '\'' if escape == b'`' => {
                quote = b'\'';
                started = true;
            }
            '"' => {
                quote = b'"';
                started = true;
            }
            c if c as u32 == u32::from(escape) => {
                if let Some(next) = chars.next() {
                    word.push(next);
                    started = true;
                }
            }
            '|' => {
                flush(&mut out, &mut word, &mut started);
                if chars.peek() == Some(&'|') {
                    chars.next();
                    out.push(vec![Vec::new()]);
                } else if let Some(pipeline) = out.last_mut() {
                    pipeline.push(Vec::new());
                }
            }
            ';' | '\n' | '&' | '{' | '}' if !(escape == b'^' && matches!(c, ';' | '{' | '}')) => {
                flush(&mut out, &mut word, &mut started);
                if out.len() < 512 {
                    out.push(vec![Vec::new()]);
                }
            }
            '(' | ')' | ',' if escape == b'`' => {
                flush(&mut out, &mut word, &mut started);
                if c == '(' && out.len() < 512 {
                    out.push(vec![Vec::new()]);
                }
            }
            c if c.is_whitespace() => flush(&mut out, &mut word, &mut started),
            c => {
                word.push(c);
                started = true;
            }
        }
    }
    flush(&mut out, &mut word, &mut started);
    out
}

/// `powershell`'s own arguments.
pub(super) fn powershell(shell: &mut Shell<'_>, args: &[Value], scope: &mut Scope<'_>) {
    let mut i = 0_usize;
    let mut text = String::new();
    while let Some(arg) = args.get(i) {
        i = i.saturating_add(1);
        let lower = arg.text.to_ascii_lowercase();
        if lower.len() >= 2
            && lower.starts_with("-e")
            && ("-encodedcommand".starts_with(&lower) || lower == "-ec")
        {
            if let Some(decoded) = args.get(i).and_then(|a| decode(&a.text)) {
                script(shell, &decoded, scope);
            } else {
                shell.hit("decoded-to-shell", scope);
            }
            return;
        }
        if lower.starts_with("-c") && "-command".starts_with(&lower) {
            let rest: Vec<&str> = args
                .get(i..)
                .unwrap_or_default()
                .iter()
                .map(|a| a.text.as_str())
                .collect();
            text = rest.join(" ");
            break;
        }
        if lower == "-file" || lower == "-f" {
            let content = args.get(i).map(|file| shell.file(file)).unwrap_or_default();
            if content.is_known() {
                script(shell, &content.text, scope);
            } else if content.has(from::NETWORK | from::DECODED) {
                shell.hit("download-to-shell", scope);
            }
            return;
        }
        if matches!(
            lower.as_str(),
            "-executionpolicy"
                | "-ep"
                | "-ex"
                | "-exec"
                | "-windowstyle"
                | "-w"
                | "-version"
                | "-workingdirectory"
                | "-wd"
                | "-inputformat"
                | "-outputformat"
        ) {
            i = i.saturating_add(1);
            continue;
        }
        if !lower.starts_with('-') {
            let rest: Vec<&str> = args
                .get(i.saturating_sub(1)..)
                .unwrap_or_default()
                .iter()
                .map(|a| a.text.as_str())
                .collect();
            text = rest.join(" ");
            break;
        }
    }
    if (text.is_empty() || text == "-")
        && let Some(input) = shell.stdin.clone()
    {
        if input.has(from::NETWORK | from::DECODED) && !input.is_known() {
            shell.hit("download-to-shell", scope);
        }
        text = input.text;
    }
    script(shell, &text, scope);
}

fn decode(text: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(text.trim_end_matches('='))
        .ok()?;
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| match pair {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        })
        .collect();
    Some(String::from_utf16_lossy(&units))
}

/// Follows PowerShell text.
pub(super) fn script(shell: &mut Shell<'_>, text: &str, scope: &mut Scope<'_>) {
    let span = shell.span;
    scope.nested(span, |scope| inner(shell, text, scope));
}

fn inner(shell: &mut Shell<'_>, text: &str, scope: &mut Scope<'_>) {
    if text.len() > scope.limits.command_bytes {
        scope.report_id("engine.command-too-long", shell.span, None);
        return;
    }
    let lower = text.to_ascii_lowercase();
    let fetches = [
        "downloadstring",
        "downloadfile",
        "downloaddata",
        "invoke-webrequest",
        "invoke-restmethod",
        "iwr ",
        "irm ",
        "net.webclient",
        "start-bitstransfer",
        "curl ",
        "wget ",
    ]
    .iter()
    .any(|f| lower.contains(f));
    let runs = lower
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|w| matches!(w, "iex" | "invoke-expression"))
        || lower.contains("[scriptblock]::create");
    if fetches && runs {
        shell.hit("download-to-shell", scope);
    } else if runs && lower.contains("frombase64string") {
        shell.hit("decoded-to-shell", scope);
    }
    if lower.contains("net.sockets.tcpclient") && lower.contains("getstream") {
        shell.hit("reverse-shell", scope);
    }
    if lower.contains("io.directory]::delete") || lower.contains("io.file]::delete") {
        shell.detect("remove-item", &[Value::known("-recurse")], &[], scope);
    }
    let sends = lower.contains(".uploadfile(")
        || lower.contains(".uploaddata(")
        || lower.contains(".uploadstring(")
        || fetches && lower.contains("-infile ");
    if sends {
        let secret = text
            .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | '(' | ')'))
            .any(super::place::credential);
        shell.hit(if secret { "exfil-chain" } else { "data-upload" }, scope);
    }
    let saves = lower.contains("-outfile ") || lower.contains("iwr ") && lower.contains(" -o ");
    let starts =
        lower.contains("start-process") || lower.contains("; .\\") || lower.contains(";.\\");
    if fetches && lower.contains("post") && (lower.contains("get-content") || lower.contains("gc "))
    {
        shell.hit("data-upload", scope);
    }
    if lower.contains("win32_shadowcopy") && lower.contains("delete") {
        shell.detect(
            "vssadmin",
            &[Value::known("delete"), Value::known("shadows")],
            &[],
            scope,
        );
    }
    let saves = saves || lower.contains(".downloadfile(");
    if lower.contains("io.file]::write") || lower.contains("io.file]::append") {
        let target = text.split(['\'', '"']).find(|t| t.contains(['\\', '/']));
        if let Some(target) = target {
            shell.detect("set-content", &[Value::known(target)], &[], scope);
        }
    }
    if fetches
        && (lower.contains("-body") || lower.contains("post"))
        && (lower.contains("env:") || lower.contains("getenvironmentvariables"))
        && (lower.contains("gci ") || lower.contains("get-childitem") || lower.contains("dir env"))
    {
        shell.hit("exfil-chain", scope);
    }
    if fetches && saves && starts {
        shell.hit("download-to-shell", scope);
    }
    let mut names: Vec<(String, String)> = Vec::new();
    for pipeline in statements(&joined(text), b'`') {
        if !scope.spend(pipeline.len(), shell.span) {
            return;
        }
        let mut listing: Vec<Value> = Vec::new();
        for command in pipeline {
            let command: Vec<Value> = match command.iter().position(|w| w.text == "=") {
                Some(at) => {
                    if let (Some(name), [value, ..]) = (
                        at.checked_sub(1).and_then(|n| command.get(n)),
                        command.get(at.saturating_add(1)..).unwrap_or_default(),
                    ) && names.len() < 64
                    {
                        names.push((name.text.to_ascii_lowercase(), value.text.clone()));
                    }
                    command
                        .get(at.saturating_add(1)..)
                        .unwrap_or_default()
                        .to_vec()
                }
                None => command,
            };
            // `$x = 'Remove-Item'; & $x …`
            let mut command = command;
            if let Some(first) = command.first_mut()
                && first.text.starts_with('$')
            {
                let wanted = first.text.to_ascii_lowercase();
                if let Some((_, value)) = names.iter().rev().find(|(n, _)| *n == wanted) {
                    first.text.clone_from(value);
                }
            }
            let Some((first, rest)) = command.split_first() else {
                continue;
            };
            let name = base(&first.text);
            let native = first.text.to_ascii_lowercase().ends_with(".exe");
            let cmdlet = ALIASES
                .iter()
                .find(|(alias, _)| *alias == name && !native)
                .map_or(name.as_str(), |(_, full)| full);
            let mut args = rest.to_vec();
            if cmdlet == "remove-item" && !listing.is_empty() {
                args.append(&mut listing);
            }
            if cmdlet == "get-childitem" {
                listing = args
                    .iter()
                    .map(|a| Value {
                        from: from::LISTING,
                        ..a.clone()
                    })
                    .collect();
                if listing.is_empty() {
                    listing.push(Value {
                        from: from::LISTING,
                        ..Value::known("*")
                    });
                }
            }
            // `Start-Process cmd -ArgumentList '/c …'`
            if cmdlet == "start-process" {
                let mut argv: Vec<Value> = Vec::new();
                let mut skip = false;
                for arg in &args {
                    let option = arg.text.starts_with('-') && !arg.text.contains(' ');
                    if std::mem::take(&mut skip) {
                        continue;
                    }
                    if option {
                        let lower = arg.text.to_ascii_lowercase();
                        skip = ["-verb", "-windowstyle", "-workingdirectory", "-credential"]
                            .contains(&lower.as_str());
                        continue;
                    }
                    argv.extend(arg.text.split_whitespace().take(64).map(Value::known));
                }
                if !argv.is_empty() {
                    let lenient = std::mem::replace(&mut shell.lenient, true);
                    shell.dispatch(&argv, &[], scope);
                    shell.lenient = lenient;
                }
            }
            if cmdlet == "invoke-expression"
                && args.first().is_some_and(|a| a.text.starts_with('$'))
                && !fetches
            {
                shell.hit("unknown-code", scope);
            }
            if cmdlet.contains('-') {
                shell.detect(cmdlet, &args, &[], scope);
            } else {
                let lenient = std::mem::replace(&mut shell.lenient, true);
                let mut argv = vec![first.clone()];
                argv.extend(args);
                shell.dispatch(&argv, &[], scope);
                shell.lenient = lenient;
            }
        }
    }
}

/// `cmd`'s own arguments.
pub(super) fn cmd(shell: &mut Shell<'_>, args: &[Value], scope: &mut Scope<'_>) {
    let at = args.iter().position(|a| {
        matches!(
            a.text.to_ascii_lowercase().as_str(),
            "/c" | "/k" | "/r" | "//c"
        )
    });
    let Some(at) = at else {
        return;
    };
    let rest: Vec<&str> = args
        .get(at.saturating_add(1)..)
        .unwrap_or_default()
        .iter()
        .map(|a| a.text.as_str())
        .collect();
    let text = rest.join(" ");
    let delayed = args
        .iter()
        .any(|a| a.text.eq_ignore_ascii_case("/v:on") || a.text.eq_ignore_ascii_case("/v"));
    let text = if delayed {
        delayed_expansion(&text)
    } else {
        text
    };
    batch(shell, &text, scope);
}

/// Replaces `!x!` by what `set x=` gave it.
fn delayed_expansion(text: &str) -> String {
    let mut out = text.to_owned();
    for piece in text.split(['&', '|']).take(32) {
        let piece = piece.trim_start();
        let Some((name, value)) = piece
            .get(..4)
            .filter(|s| s.eq_ignore_ascii_case("set "))
            .and_then(|_| piece.get(4..))
            .and_then(|p| p.trim_matches('"').split_once('='))
        else {
            continue;
        };
        let mark = format!("!{}!", name.trim());
        if out.len().saturating_mul(value.len().saturating_add(1)) < 1 << 20 {
            out = out.replace(&mark, value.trim_end());
        }
    }
    out
}

/// Follows cmd.exe text.
pub(super) fn batch(shell: &mut Shell<'_>, text: &str, scope: &mut Scope<'_>) {
    let span = shell.span;
    scope.nested(span, |scope| {
        for pipeline in statements(text, b'^') {
            if !scope.spend(pipeline.len(), span) {
                return;
            }
            for command in pipeline {
                let lenient = std::mem::replace(&mut shell.lenient, true);
                // `for … in (…) do COMMAND`
                let body = command
                    .first()
                    .filter(|w| w.text.eq_ignore_ascii_case("for"))
                    .and_then(|_| {
                        command
                            .iter()
                            .position(|w| w.text.eq_ignore_ascii_case("do"))
                    })
                    .and_then(|at| command.get(at.saturating_add(1)..));
                let argv = body.unwrap_or(&command);
                if !argv.is_empty() {
                    let bulk = std::mem::replace(&mut shell.bulk, body.is_some());
                    shell.dispatch(argv, &[], scope);
                    shell.bulk = bulk;
                }
                shell.lenient = lenient;
            }
        }
    });
}
