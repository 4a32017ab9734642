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
            if in_place {
                operands().skip(script).cloned().collect()
            } else {
                Vec::new()
            }
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
        "gawk" | "awk" if args.iter().any(|a| a.text == "inplace") => {
            operands().skip(2).cloned().collect()
        }
        "curl" => behind(&["-o", "--output"]),
        "wget" => behind(&["-O", "--output-document"]),
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
