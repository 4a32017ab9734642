//! Files that programs write to by their options: `sed -i`, `dd of=`, `curl -o`.

use super::{
    place::{self, CLASSES},
    value::Value,
};

/// What these arguments write to, beside redirections and what detectors see themselves.
pub(super) fn by(program: &str, args: &[Value], cwd: Option<&str>) -> Vec<Value> {
    let mut out = all(program, args);
    out.retain(|path| relied_on(path, cwd));
    out
}

/// Files that the machine, a login or git relies on.
fn relied_on(path: &Value, cwd: Option<&str>) -> bool {
    let name = place::normal(&path.solid(), cwd);
    let classes = place::classes(path, cwd);
    let is = |wanted: &[&str]| {
        CLASSES
            .iter()
            .enumerate()
            .any(|(i, c)| wanted.contains(c) && classes & 1_u32 << i != 0)
    };
    !path.text.contains(super::value::HOLE)
        && (is(&["startup", "binary", "kernel", "device", "history"])
            || name.starts_with("/etc/")
            || name.starts_with("/boot/"))
}

fn all(program: &str, args: &[Value]) -> Vec<Value> {
    let operands = || args.iter().filter(|a| !a.text.starts_with('-'));
    let behind = |options: &[&str]| -> Vec<Value> {
        let mut out = Vec::new();
        for (i, arg) in args.iter().enumerate() {
            for option in options {
                let value = match arg.text.strip_prefix(option) {
                    Some("") => args.get(i.saturating_add(1)).cloned(),
                    Some(rest) if rest.starts_with('=') || !option.starts_with("--") => {
                        Some(Value {
                            text: rest.trim_start_matches('=').to_owned(),
                            ..arg.clone()
                        })
                    }
                    _ => None,
                };
                out.extend(value.filter(|v| v.text != "-"));
            }
        }
        out
    };
    match program {
        "sed" | "gsed" => {
            let in_place = args.iter().any(|a| {
                a.text.starts_with("--in-place")
                    || a.text.starts_with('-')
                        && !a.text.starts_with("--")
                        && a.text
                            .get(..4.min(a.text.len()))
                            .is_some_and(|t| t.contains('i'))
            });
            let script = usize::from(
                !args
                    .iter()
                    .any(|a| matches!(a.text.as_str(), "-e" | "-f" | "--expression" | "--file")),
            );
            let mut out = Vec::new();
            if in_place {
                out.extend(operands().skip(script).cloned());
            }
            // `w file` behind a command or the flags of `s`.
            for arg in args {
                let at = arg.text.find("w /").filter(|at| {
                    let before = arg.text.get(..*at).unwrap_or_default();
                    before
                        .bytes()
                        .last()
                        .is_none_or(|b| !b.is_ascii_alphabetic() || b"gpiIeM".contains(&b))
                });
                if let Some(path) = at.and_then(|at| arg.text.get(at.saturating_add(2)..)) {
                    out.push(Value::known(
                        path.split(['\n', ';']).next().unwrap_or_default(),
                    ));
                }
            }
            out
        }
        "perl" | "ruby" => {
            let in_place = args.iter().any(|a| {
                a.text.starts_with('-')
                    && a.text.len() < 8
                    && a.text.contains('i')
                    && a.text.contains(['p', 'n', 'i'])
                    && !a.text.starts_with("--")
            });
            if in_place
                && args
                    .iter()
                    .any(|a| a.text.starts_with('-') && a.text.contains('p'))
            {
                operands().skip(1).cloned().collect()
            } else {
                Vec::new()
            }
        }
        "gawk" | "awk" | "mawk" | "nawk" if args.iter().any(|a| a.text.contains('>')) => args
            .iter()
            .flat_map(|a| a.text.split('>').skip(1).take(8))
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .map(Value::known)
            .collect(),
        "gawk" | "awk" if args.iter().any(|a| a.text == "inplace") => {
            operands().skip(2).cloned().collect()
        }
        "curl" | "sort" | "shuf" | "gcc" | "g++" | "cc" | "clang" | "ld" | "rustc" | "go"
        | "pandoc" | "iconv" | "strace" | "ltrace" | "gtester" | "gpg" | "age" | "csvtool"
        | "csplit" | "uniq" | "objcopy" | "nasm" | "as" | "jq" | "yq" | "dot" | "protoc"
        | "sops" | "cosign" | "xz" | "msgfmt" | "bison" | "flex" | "zip" | "mypy" => {
            behind(&["-o", "--output", "--junit-xml", "--outfile"])
        }
        "wget" => behind(&["-O", "--output-document"]),
        "openssl" => behind(&["-out", "-keyout"]),
        "nmap" => behind(&["-oN", "-oG", "-oX", "-oA"]),
        "tcpdump" | "tshark" | "dumpcap" | "varnishncsa" => behind(&["-w"]),
        "dmidecode" => behind(&["--dump-bin"]),
        "tsc" => behind(&["--outFile"]),
        "screen" => behind(&["-Logfile"]),
        "logrotate" => behind(&["-l"]),
        "exiftool" => behind(&["-filename", "--filename", "-o"]),
        "update-alternatives" => behind(&["--install"]),
        "find" | "gfind" | "bfs" => behind(&["-fprint", "-fprintf", "-fprint0", "-fls"]),
        "xxd" if args.iter().any(|a| a.text.starts_with("-r")) => {
            operands().skip(1).cloned().collect()
        }
        "lwp-download" | "dos2unix" | "unix2dos" => operands().skip(1).cloned().collect(),
        "dd" => operands()
            .filter_map(|a| {
                a.text.strip_prefix("of=").map(|path| Value {
                    text: path.to_owned(),
                    ..a.clone()
                })
            })
            .filter(|v| !v.text.starts_with("/dev/"))
            .collect(),
        "sponge" | "patch" | "ed" | "ex" => operands().take(1).cloned().collect(),
        _ => Vec::new(),
    }
}
