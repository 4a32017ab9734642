//! What downloads, copies, clones and archives leave on disk, and network files of bash.

use super::{
    flow::{loopback, output, private_folder, secret_path, take},
    place,
    shell::Shell,
    value::{Value, from},
};
use crate::analyzer::Scope;

/// Network files of bash, and what downloads leave on disk.
pub(super) fn network_files(
    shell: &mut Shell<'_>,
    program: &str,
    args: &[Value],
    writes: &[Value],
    scope: &mut Scope<'_>,
) {
    for write in writes {
        let Some(rest) = write
            .text
            .strip_prefix("/dev/tcp/")
            .or_else(|| write.text.strip_prefix("/dev/udp/"))
        else {
            continue;
        };
        let host = rest.split('/').next().unwrap_or_default();
        let interactive = matches!(program, "bash" | "sh" | "zsh" | "ksh" | "dash" | "exec");
        if loopback(host) {
            continue;
        }
        if interactive {
            shell.hit("reverse-shell", scope);
        } else {
            let output = output(shell, program, args);
            let secret = output.has(from::SECRET) || args.iter().any(|a| a.has(from::SECRET));
            shell.hit(
                if secret {
                    "exfil-chain"
                } else {
                    "network-device"
                },
                scope,
            );
        }
    }
    fetched_folders(shell, program, args);
    if matches!(
        program,
        "curl" | "wget" | "wget2" | "aria2c" | "axel" | "fetch" | "http" | "lwp-download" | "iwr"
    ) {
        let mut target = None;
        let flags = take(
            args,
            &["--output", "--output-document", "--out"],
            &['o', 'O'],
        );
        for (flag, value, text) in flags {
            if program == "curl" && flag == "-O" {
                continue;
            }
            target = Some(Value {
                text,
                ..value.clone()
            });
        }
        let remote_name = program == "wget"
            || args.iter().any(|a| {
                a.text.starts_with('-') && !a.text.starts_with("--") && a.text.contains('O')
                    || a.text == "--remote-name"
            });
        if program == "lwp-download" {
            target = args.get(1).cloned();
        }
        if target.is_none() && remote_name {
            target = args
                .iter()
                .rfind(|a| a.text.contains('/') && !a.text.starts_with('-'))
                .and_then(|a| {
                    a.text
                        .split(['?', '#'])
                        .next()?
                        .rsplit('/')
                        .next()
                        .map(Value::known)
                });
        }
        if let Some(target) = target.filter(|t| !t.text.is_empty() && t.text != "-") {
            shell.write_file(&target, &Value::unknown(from::NETWORK));
        }
    }
    // A copy or an unpacked archive is as trusted as what it comes from.
    if matches!(program, "cp" | "mv" | "install" | "ln" | "rsync" | "scp")
        && let [first, .., last] = args
            .iter()
            .filter(|a| !a.text.starts_with('-'))
            .collect::<Vec<_>>()
            .as_slice()
    {
        let remote = matches!(program, "rsync" | "scp") && first.text.contains(':');
        let content = if remote && !last.text.contains(':') {
            Value::unknown(from::NETWORK)
        } else {
            shell.file(first)
        };
        if content.has(from::NETWORK | from::DECODED | from::SECRET)
            || content.is_known() && !content.text.is_empty()
        {
            shell.write_file(last, &content);
        }
    }
    // `tar c ~/.ssh > x`, `openssl enc -in s -out x`, `zip x s` leave secrets in another file.
    if matches!(
        program,
        "tar" | "zip" | "openssl" | "gpg" | "7z" | "rar" | "sqlite3" | "base64" | "xxd"
    ) && args
        .iter()
        .any(|a| secret_path(a, shell.cwd.as_deref()) || private_folder(a, shell.cwd.as_deref()))
    {
        for arg in args
            .iter()
            .filter(|a| !a.text.starts_with('-') && a.text.contains('.'))
        {
            if !secret_path(arg, shell.cwd.as_deref()) {
                shell.write_file(&arg.clone(), &Value::unknown(from::SECRET | from::BULK));
            }
        }
    }
}

/// Remembers folders whose content comes from elsewhere, and remotes that were set.
fn fetched_folders(shell: &mut Shell<'_>, program: &str, args: &[Value]) {
    let operands: Vec<&Value> = args.iter().filter(|a| !a.text.starts_with('-')).collect();
    let word = |i: usize| operands.get(i).map(|a| a.text.as_str()).unwrap_or_default();
    let cwd = shell.cwd.clone();
    let folder = match program {
        "git" | "hg" | "svn" | "gh" => {
            let skip = usize::from(program == "gh");
            shell.remote_set |= program == "git"
                && word(0) == "remote"
                && matches!(word(1), "add" | "set-url")
                && word(3).contains(':');
            if !matches!(word(skip), "clone" | "checkout" | "co")
                || !args
                    .iter()
                    .any(|a| a.text.contains("://") || a.text.contains('@'))
                    && program != "gh"
            {
                return;
            }
            let source = operands
                .iter()
                .position(|a| a.text.contains("://") || a.text.contains('@'))
                .unwrap_or(skip.saturating_add(1));
            match operands.get(source.saturating_add(1)) {
                Some(named) => named.text.clone(),
                None => {
                    let name = word(source).trim_end_matches('/').trim_end_matches(".git");
                    name.rsplit(['/', ':'])
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                }
            }
        }
        "tar" | "bsdtar" | "unzip" | "7z" | "cpio" | "unar" => {
            let unpacks = program != "tar" && program != "bsdtar"
                || args
                    .first()
                    .is_some_and(|a| !a.text.starts_with("--") && a.text.contains('x'))
                || args
                    .iter()
                    .any(|a| matches!(a.text.as_str(), "-x" | "--extract"));
            let fetched = operands.iter().any(|a| shell.file(a).has(from::NETWORK))
                || args.iter().any(|a| a.has(from::NETWORK))
                || shell.stdin.as_ref().is_some_and(|i| i.has(from::NETWORK));
            if !unpacks || !fetched {
                return;
            }
            let target = args.windows(2).find_map(|w| match w {
                [flag, folder] if matches!(flag.text.as_str(), "-C" | "-d" | "--directory") => {
                    Some(folder.text.clone())
                }
                _ => None,
            });
            target.unwrap_or_else(|| ".".to_owned())
        }
        _ => return,
    };
    if shell.foreign.len() < 64 && !folder.is_empty() {
        shell.foreign.push(place::normal(&folder, cwd.as_deref()));
    }
}
