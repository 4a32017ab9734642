//! What simple filters make of known text: `echo`, `printf`, `base64 -d`, `tr`, `rev`, `cut` …

use super::value::{Value, from};
use base64::Engine;

/// Decodes the escapes of `$'…'` and `printf`.
pub(super) fn unescape(raw: &str) -> String {
    decode(raw, false)
}

/// Decodes escapes; `echo -e` takes only `\0…` for an octal number.
fn decode(raw: &str, echo: bool) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes().peekable();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let Some(next) = bytes.next() else {
            out.push(b'\\');
            break;
        };
        let mut digits = |first: Option<u8>, radix: u32, max: usize| -> Option<u32> {
            let mut value = first.and_then(|f| (f as char).to_digit(radix));
            let mut count = usize::from(value.is_some());
            while count < max {
                let Some(d) = bytes.peek().and_then(|&n| (n as char).to_digit(radix)) else {
                    break;
                };
                bytes.next();
                value = Some(value.unwrap_or(0).wrapping_mul(radix).wrapping_add(d));
                count = count.saturating_add(1);
            }
            value
        };
        match next {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'e' | b'E' => out.push(27),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'1'..=b'7' if echo => out.extend_from_slice(&[b'\\', next]),
            b'0'..=b'7' => {
                let most = if echo && next == b'0' { 4 } else { 3 };
                let n = digits(Some(next), 8, most).unwrap_or(0);
                out.push((n & 0xff) as u8);
            }
            b'x' => match digits(None, 16, 2) {
                Some(n) => out.push((n & 0xff) as u8),
                None => out.extend_from_slice(b"\\x"),
            },
            b'u' | b'U' => {
                let n = digits(None, 16, if next == b'u' { 4 } else { 8 });
                if let Some(c) = n.and_then(char::from_u32) {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            b'c' => {
                if let Some(c) = bytes.next() {
                    out.push(c & 0x1f);
                }
            }
            b'\\' | b'\'' | b'"' | b'?' => out.push(next),
            _ => out.extend_from_slice(&[b'\\', next]),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn join(args: &[Value]) -> Value {
    let mut out = Value::default();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push(" ");
        }
        out.append(arg);
    }
    out
}

/// `echo`.
pub(super) fn echo(args: &[Value]) -> Value {
    let mut escapes = false;
    let mut rest = args;
    while let Some((first, tail)) = rest.split_first() {
        let flag = first.text.as_str();
        if flag.len() > 1
            && flag.starts_with('-')
            && flag.bytes().skip(1).all(|b| b"neE".contains(&b))
        {
            escapes |= flag.contains('e');
            rest = tail;
        } else {
            break;
        }
    }
    let mut out = join(rest);
    if escapes {
        out.text = decode(&out.text, true);
    }
    out.push("\n");
    out
}

/// `printf`; the format is used again while arguments are left.
pub(super) fn printf(args: &[Value]) -> Value {
    let args = match args.split_first() {
        Some((first, tail)) if first.text == "--" => tail,
        _ => args,
    };
    let Some((format, mut rest)) = args.split_first() else {
        return Value::default();
    };
    let mut out = Value {
        from: format.from,
        ..Value::default()
    };
    let text = unescape(&format.text);
    for _ in 0..64 {
        let before = rest.len();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c.encode_utf8(&mut [0; 4]));
                continue;
            }
            let mut flags = String::new();
            while let Some(c) =
                chars.next_if(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | '#' | ' '))
            {
                flags.push(c);
            }
            match chars.next() {
                Some('%') | None => out.push("%"),
                Some(kind) => {
                    if let Some((arg, tail)) = rest.split_first() {
                        let mut arg = arg.clone();
                        if kind == 'b' {
                            arg.text = decode(&arg.text, arg.text.contains("\\0"));
                        }
                        if kind == 'c' {
                            arg.text = arg.text.chars().take(1).collect();
                        }
                        if "diouxX".contains(kind) && arg.is_known() {
                            arg.text = number(&arg.text, kind, &flags);
                        }
                        out.append(&arg);
                        rest = tail;
                    }
                }
            }
        }
        if rest.is_empty() || rest.len() == before {
            break;
        }
    }
    out.glob = false;
    out
}

/// A number as `printf` shows it.
fn number(text: &str, kind: char, flags: &str) -> String {
    let trimmed = text.trim();
    let value = match trimmed.strip_prefix(['\'', '"']) {
        Some(c) => c.chars().next().map(|c| i64::from(u32::from(c))),
        None => match trimmed.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None if trimmed.len() > 1 && trimmed.starts_with('0') => {
                i64::from_str_radix(trimmed, 8).ok()
            }
            None => trimmed.parse().ok(),
        },
    };
    let value = value.unwrap_or(0);
    let shown = match kind {
        'o' => format!("{value:o}"),
        'x' => format!("{value:x}"),
        'X' => format!("{value:X}"),
        _ => value.to_string(),
    };
    let width: usize = flags
        .trim_start_matches(['-', '+', ' ', '#'])
        .parse()
        .unwrap_or(0);
    let missing = width.min(64).saturating_sub(shown.len());
    let fill = if flags.starts_with('0') { "0" } else { " " };
    format!("{}{shown}", fill.repeat(missing))
}

/// Expands the sets of `tr`.
fn tr_set(set: &str) -> Vec<char> {
    let set = unescape(set);
    let set = set
        .replace("[:lower:]", "a-z")
        .replace("[:upper:]", "A-Z")
        .replace("[:digit:]", "0-9")
        .replace("[:space:]", " \t\n")
        .replace("[:alpha:]", "A-Za-z");
    let chars: Vec<char> = set.chars().collect();
    let mut out = Vec::new();
    let mut i = 0_usize;
    while let Some(&c) = chars.get(i) {
        match (
            chars.get(i.saturating_add(1)),
            chars.get(i.saturating_add(2)),
        ) {
            (Some('-'), Some(&high)) if c <= high && out.len() < 1024 => {
                out.extend(c..=high);
                i = i.saturating_add(3);
            }
            _ => {
                out.push(c);
                i = i.saturating_add(1);
            }
        }
    }
    out
}

fn tr(args: &[Value], input: &str) -> Option<String> {
    let operands: Vec<&str> = args
        .iter()
        .map(|a| a.text.as_str())
        .filter(|a| !a.starts_with('-') || a.len() < 2)
        .collect();
    let flags: String = args
        .iter()
        .filter(|a| a.text.len() > 1 && a.text.starts_with('-'))
        .map(|a| a.text.as_str())
        .collect();
    if flags.contains('c') || flags.contains('C') {
        return None;
    }
    let first = tr_set(operands.first()?);
    if flags.contains('d') {
        return Some(input.chars().filter(|c| !first.contains(c)).collect());
    }
    let second = tr_set(operands.get(1)?);
    let last = second.last().copied()?;
    Some(
        input
            .chars()
            .map(|c| {
                first
                    .iter()
                    .position(|f| *f == c)
                    .map_or(c, |i| second.get(i).copied().unwrap_or(last))
            })
            .collect(),
    )
}

fn ranges(spec: &str) -> Vec<(usize, usize)> {
    spec.split(',')
        .filter_map(|r| match r.split_once('-') {
            Some((low, high)) => {
                Some((low.parse().unwrap_or(1), high.parse().unwrap_or(usize::MAX)))
            }
            None => r.parse().ok().map(|n| (n, n)),
        })
        .collect()
}

fn cut(args: &[Value], input: &str) -> Option<String> {
    let mut delimiter = '\t';
    let mut spec: Option<(char, String)> = None;
    let mut i = 0_usize;
    while let Some(arg) = args.get(i) {
        i = i.saturating_add(1);
        let text = arg.text.as_str();
        let Some(flag) = text.strip_prefix('-').and_then(|t| t.chars().next()) else {
            continue;
        };
        let inline = text.get(2..).unwrap_or_default();
        let value = if inline.is_empty() {
            i = i.saturating_add(1);
            args.get(i.saturating_sub(1))?.text.clone()
        } else {
            inline.to_owned()
        };
        match flag {
            'd' => delimiter = value.chars().next()?,
            'c' | 'f' | 'b' => spec = Some((flag, value)),
            _ => return None,
        }
    }
    let (kind, spec) = spec?;
    let ranges = ranges(&spec);
    let keep = |n: usize| ranges.iter().any(|&(low, high)| low <= n && n <= high);
    let mut out = String::new();
    for line in input.lines() {
        if kind == 'f' {
            let fields: Vec<&str> = line
                .split(delimiter)
                .enumerate()
                .filter(|(i, _)| keep(i.saturating_add(1)))
                .map(|(_, f)| f)
                .collect();
            out.push_str(&fields.join(&delimiter.to_string()));
        } else {
            out.extend(
                line.chars()
                    .enumerate()
                    .filter(|(i, _)| keep(i.saturating_add(1)))
                    .map(|(_, c)| c),
            );
        }
        out.push('\n');
    }
    Some(out)
}

/// A plain `s/a/b/` of `sed`.
fn sed(args: &[Value], input: &str) -> Option<String> {
    let script = args
        .iter()
        .map(|a| a.text.as_str())
        .find(|a| !a.starts_with('-'))?;
    let rest = script.strip_prefix('s')?;
    let separator = rest.chars().next()?;
    let mut pieces = rest.get(separator.len_utf8()..)?.split(separator);
    let (pattern, replacement, flags) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if pattern.is_empty() || pattern.bytes().any(|b| b"\\[].*^$".contains(&b)) {
        return None;
    }
    Some(
        input
            .lines()
            .map(|line| {
                let line = if flags.contains('g') {
                    line.replace(pattern, replacement)
                } else {
                    line.replacen(pattern, replacement, 1)
                };
                line + "\n"
            })
            .collect(),
    )
}

fn decode_base64(input: &str) -> Option<String> {
    let compact: String = input
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '=')
        .collect();
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(compact.as_bytes())
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn decode_base32(input: &str) -> Option<String> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for b in input
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && *b != b'=')
    {
        let n = match b {
            b'A'..=b'Z' => u32::from(b.saturating_sub(b'A')),
            b'2'..=b'7' => u32::from(b.saturating_sub(b'2')).saturating_add(26),
            _ => return None,
        };
        bits = (bits << 5 | n) & 0xffff;
        held = held.saturating_add(5);
        if held >= 8 {
            held = held.saturating_sub(8);
            out.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(out).ok()
}

fn decode_hex(input: &str) -> Option<String> {
    let digits: Vec<u32> = input
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => (high << 4 | low) as u8,
            _ => 0,
        })
        .collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Output of a filter on `input`; `None` where it is not computed. The second value says that the
/// filter decodes something.
pub(super) fn filter(
    program: &str,
    args: &[Value],
    input: Option<&Value>,
) -> Option<(Value, bool)> {
    let has = |flags: &[&str]| args.iter().any(|a| flags.contains(&a.text.as_str()));
    let decodes = match program {
        "base64" | "base32" | "gbase64" => args.iter().any(|a| {
            let t = a.text.as_str();
            (t.len() > 3 && "--decode".starts_with(t))
                || (t.starts_with('-') && !t.starts_with("--") && t.contains(['d', 'D']))
        }),
        "openssl" => has(&["-d"]),
        "xxd" => args
            .iter()
            .any(|a| a.text.starts_with("-r") || a.text == "-revert"),
        "gunzip" | "zcat" | "bunzip2" | "bzcat" | "unxz" | "xzcat" | "zstdcat" | "unzstd"
        | "uudecode" | "lz4cat" | "unlzma" | "lzcat" => true,
        "gzip" | "bzip2" | "xz" | "zstd" | "gpg" => args.iter().any(|a| {
            a.text.starts_with("--d") || (a.text.starts_with('-') && a.text.contains('d'))
        }),
        "basenc" | "ccrypt" | "age" => has(&["-d", "--decode", "--decrypt"]),
        "tr" | "rev" | "tac" | "cut" | "sed" | "head" | "tail" | "cat" | "tee" | "sort"
        | "uniq" | "fold" | "fmt" | "xargs" => false,
        _ => return None,
    };
    let mut bits = input.map_or(0, |i| i.from);
    if decodes {
        bits |= from::DECODED;
    }
    let known = input.filter(|i| i.is_known()).map(|i| i.text.as_str());
    let text = known.and_then(|input| match program {
        "base64" | "gbase64" if decodes => decode_base64(input),
        "base32" if decodes => decode_base32(input),
        "openssl" if decodes && has(&["base64", "-base64", "-a"]) => decode_base64(input),
        "xxd" if decodes => decode_hex(input),
        "tr" => tr(args, input),
        "rev" => Some(
            input
                .lines()
                .map(|l| l.chars().rev().collect::<String>() + "\n")
                .collect(),
        ),
        "tac" => Some(input.lines().rev().map(|l| l.to_owned() + "\n").collect()),
        "cut" => cut(args, input),
        "sed" => sed(args, input),
        "cat" | "tee" | "sort" | "uniq" | "fold" | "fmt" => Some(input.to_owned()),
        "head" | "tail" if input.lines().count() <= 1 => Some(input.to_owned()),
        _ => None,
    });
    let value = match text {
        Some(text) => Value {
            text,
            glob: false,
            from: bits,
        },
        None => Value::unknown(bits),
    };
    Some((value, decodes))
}
