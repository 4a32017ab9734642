//! Computes what builds texts and names: joins, slices, formats, decoders. No effect, no finding.

use super::value::{Args, Kind, Val, from, is_path, join, path};
use crate::analyzer::command::HOLE;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::{io::Read as _, rc::Rc};

/// Longest text that a computation may make.
const MAX_MADE: usize = 64 << 10;
/// Most items of a list that are looked at.
pub(super) const MAX_ITEMS: usize = 4096;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Bytes as text: UTF-8 where they are, else one character a byte.
fn bytes_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

/// The bytes that such a text stands for.
fn text_bytes(text: &str) -> Vec<u8> {
    if text.chars().all(|c| u32::from(c) < 256) && !text.is_ascii() {
        text.chars()
            .filter_map(|c| u8::try_from(u32::from(c)).ok())
            .collect()
    } else {
        text.as_bytes().to_vec()
    }
}

fn base64_text(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD
        .decode(&clean)
        .or_else(|_| URL_SAFE.decode(&clean))
        .ok()
        .map(|b| bytes_text(&b))
}

fn hex_text(text: &str) -> Option<String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .filter_map(|p| match p {
            [h, l] => u8::try_from(h.saturating_mul(16).saturating_add(*l)).ok(),
            _ => None,
        })
        .collect();
    Some(bytes_text(&bytes))
}

fn base32_text(text: &str) -> Option<String> {
    let (mut acc, mut bits, mut out) = (0_u64, 0_u32, Vec::new());
    for c in text.chars().filter(|c| *c != '=' && !c.is_whitespace()) {
        let digit = match c.to_ascii_uppercase() {
            c @ 'A'..='Z' => u32::from(c).saturating_sub(65),
            c @ '2'..='7' => u32::from(c).saturating_sub(24),
            _ => return None,
        };
        acc = (acc << 5 | u64::from(digit)) & 0xffff;
        bits = bits.saturating_add(5);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            out.push(u8::try_from(acc >> bits & 0xff).unwrap_or(0));
        }
    }
    Some(bytes_text(&out))
}

fn rot13(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='m' | 'A'..='M' => char::from_u32(u32::from(c).saturating_add(13)).unwrap_or(c),
            'n'..='z' | 'N'..='Z' => char::from_u32(u32::from(c).saturating_sub(13)).unwrap_or(c),
            other => other,
        })
        .collect()
}

fn inflate(text: &str) -> Option<String> {
    let bytes = text_bytes(text);
    let mut out = Vec::new();
    let limit = u64::try_from(MAX_MADE).unwrap_or(0);
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes.as_slice())
            .take(limit)
            .read_to_end(&mut out)
    } else {
        flate2::read::ZlibDecoder::new(bytes.as_slice())
            .take(limit)
            .read_to_end(&mut out)
    };
    read.ok().map(|_| bytes_text(&out))
}

fn codec(text: &str, name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    match name.as_str() {
        "rot13" => Some(rot13(text)),
        "base64" | "base64codec" => base64_text(text),
        "hex" | "hexcodec" => hex_text(text),
        "zlib" | "zip" | "zlibcodec" => inflate(text),
        "unicodeescape" | "stringescape" => Some(unescape(text)),
        "utf8" | "ascii" | "latin1" | "iso88591" | "utf16" | "cp1252" | "rawunicodeescape" => {
            Some(text.to_owned())
        }
        _ => None,
    }
}

/// `\x41`, `\u0041`, `\101` and the like.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let width = match chars.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('n') => {
                out.push('\n');
                continue;
            }
            Some(other) => {
                out.push(other);
                continue;
            }
            None => break,
        };
        let mut code = 0_u32;
        for _ in 0..width {
            if let Some(digit) = chars.peek().and_then(|c| c.to_digit(16)) {
                code = code.saturating_mul(16).saturating_add(digit);
                chars.next();
            }
        }
        out.push(char::from_u32(code).unwrap_or('?'));
    }
    out
}

/// The items that iterating a value gives, where they are known.
pub(super) fn items(value: &Val) -> Option<Vec<Val>> {
    match &value.kind {
        Kind::List(items) => Some(items.iter().take(MAX_ITEMS).cloned().collect()),
        Kind::Text(text) if !text.contains(HOLE) => Some(
            text.chars()
                .take(MAX_ITEMS)
                .map(|c| Val::tainted(c.to_string(), value.from))
                .collect(),
        ),
        Kind::Dict(items) => Some(items.iter().map(|(k, _)| k.clone()).collect()),
        _ => None,
    }
}

/// `a + b`, `a % b`, `a / b` and so on.
pub(super) fn binary(left: &Val, op: ruff_python_ast::Operator, right: &Val) -> Val {
    use ruff_python_ast::Operator as Op;
    let from = left.from | right.from;
    match (&left.kind, &right.kind, op) {
        (Kind::Int(a), Kind::Int(b), _) => {
            let shift = u32::try_from(*b).unwrap_or(64);
            let made = match op {
                Op::Add => a.checked_add(*b),
                Op::Sub => a.checked_sub(*b),
                Op::Mult => a.checked_mul(*b),
                Op::FloorDiv => a.checked_div_euclid(*b),
                Op::Mod => a.checked_rem_euclid(*b),
                Op::BitXor => Some(a ^ b),
                Op::BitAnd => Some(a & b),
                Op::BitOr => Some(a | b),
                Op::LShift => a.checked_shl(shift),
                Op::RShift => a.checked_shr(shift),
                Op::Pow if shift < 64 => a.checked_pow(shift),
                _ => None,
            };
            made.map_or_else(|| Val::unknown(from), Val::int)
        }
        (Kind::List(a), Kind::List(b), Op::Add) if a.len().saturating_add(b.len()) < MAX_ITEMS => {
            Val::list(a.iter().chain(b.iter()).cloned().collect())
        }
        (Kind::Dict(a), Kind::Dict(b), Op::BitOr) => {
            Val::dict(a.iter().chain(b.iter()).cloned().collect())
        }
        (Kind::Text(_), _, Op::Add) | (_, Kind::Text(_), Op::Add) => {
            let (a, b) = (left.partial(), right.partial());
            if a.len().saturating_add(b.len()) > MAX_MADE {
                return Val::unknown(from);
            }
            Val::tainted(a + &b, from)
        }
        (Kind::Text(text), Kind::Int(count), Op::Mult)
        | (Kind::Int(count), Kind::Text(text), Op::Mult) => {
            let count = usize::try_from(*count).unwrap_or(0);
            if text.len().saturating_mul(count) > MAX_MADE {
                return Val::unknown(from);
            }
            Val::tainted(text.repeat(count), from)
        }
        (Kind::Text(text), _, Op::Mod) => percent(text, right, from),
        (_, _, Op::Div) => {
            let folder = left.named().is_some_and(|n| is_path(&n.name));
            let behind = right.named().is_some_and(|n| is_path(&n.name));
            if folder || behind {
                let whole = join(&left.partial(), &right.partial());
                let whole = whole.replace(&format!("{HOLE}{HOLE}"), &HOLE.to_string());
                return Val::made("pathlib.Path", None, Args::one(Val::text(whole)), from);
            }
            Val::unknown(from)
        }
        _ => Val::unknown(from),
    }
}

fn percent(format: &str, right: &Val, from: u16) -> Val {
    let list = match &right.kind {
        Kind::List(items) => items.as_ref().clone(),
        _ => vec![right.clone()],
    };
    let mut next = list.iter();
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut value = None;
        while let Some(&flag) = chars.peek() {
            chars.next();
            match flag {
                '%' => {
                    out.push('%');
                    break;
                }
                '(' => {
                    let key: String = chars.by_ref().take_while(|c| *c != ')').collect();
                    value = lookup(right, &Val::text(key));
                }
                'a'..='z' | 'A'..='Z' => {
                    let value = value.take().or_else(|| next.next().cloned());
                    let value = value.unwrap_or_default();
                    match (flag, &value.kind) {
                        ('c', Kind::Int(code)) => out.push_str(&chr(*code)),
                        _ => out.push_str(&value.partial()),
                    }
                    break;
                }
                _ => {}
            }
        }
        if out.len() > MAX_MADE {
            return Val::unknown(from);
        }
    }
    Val::tainted(out, from)
}

fn chr(code: i64) -> String {
    u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .map_or_else(|| HOLE.to_string(), String::from)
}

/// `"{} {name}".format(…)`.
fn format(pattern: &str, args: &Args, from: u16) -> Val {
    let mut out = String::new();
    let mut rest = pattern;
    let mut index = 0_usize;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let tail = rest.get(at..).unwrap_or_default();
        if tail.starts_with("{{") || tail.starts_with("}}") {
            out.push_str(tail.get(..1).unwrap_or_default());
            rest = tail.get(2..).unwrap_or_default();
            continue;
        }
        let Some(close) = tail.find('}').filter(|_| tail.starts_with('{')) else {
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        let field = tail.get(1..close).unwrap_or_default();
        let name = field.split([':', '!']).next().unwrap_or_default();
        let spec = field.split(':').nth(1).unwrap_or_default();
        let value = if name.is_empty() {
            index = index.saturating_add(1);
            args.pos.get(index.saturating_sub(1)).cloned()
        } else if let Ok(position) = name.parse::<usize>() {
            args.pos.get(position).cloned()
        } else if let Some((head, rest)) = name.split_once('[') {
            let key = rest.trim_end_matches(']');
            let base = head
                .parse::<usize>()
                .ok()
                .and_then(|i| args.pos.get(i))
                .or_else(|| args.named(&[head]));
            let index = key.parse::<i64>().map_or_else(|_| Val::text(key), Val::int);
            base.and_then(|b| lookup(b, &index))
        } else {
            args.named(&[name]).cloned()
        };
        let value = value.unwrap_or_default();
        match (&value.kind, spec) {
            (Kind::Int(code), "c") => out.push_str(&chr(*code)),
            _ => out.push_str(&value.partial()),
        }
        if out.len() > MAX_MADE {
            return Val::unknown(from);
        }
        rest = tail.get(close.saturating_add(1)..).unwrap_or_default();
    }
    out.push_str(rest);
    Val::tainted(out, from)
}

/// `value[index]` of what is known.
pub(super) fn lookup(value: &Val, index: &Val) -> Option<Val> {
    match (&value.kind, &index.kind) {
        (Kind::Dict(items), _) => {
            let key = index.known();
            items
                .iter()
                .rev()
                .find(|(k, _)| match (&k.kind, &index.kind) {
                    (Kind::Int(a), Kind::Int(b)) => a == b,
                    _ => key.is_some() && k.known() == key,
                })
                .map(|(_, v)| v.clone())
        }
        (Kind::List(items), Kind::Int(at)) => position(items.len(), *at)
            .and_then(|i| items.get(i))
            .cloned(),
        (Kind::Text(text), Kind::Int(at)) => {
            let count = text.chars().count();
            let c = position(count, *at).and_then(|i| text.chars().nth(i))?;
            Some(Val::tainted(c.to_string(), value.from))
        }
        _ => None,
    }
}

fn position(length: usize, at: i64) -> Option<usize> {
    let offset = usize::try_from(at.unsigned_abs()).ok()?;
    if at < 0 {
        length.checked_sub(offset)
    } else {
        Some(offset)
    }
}

/// `value[lower:upper:step]`.
pub(super) fn slice(value: &Val, lower: Option<i64>, upper: Option<i64>, step: i64) -> Val {
    let all: Vec<Val> = match &value.kind {
        Kind::Text(text) => {
            if text.len() > MAX_MADE {
                return Val::unknown(value.from);
            }
            let chars: Vec<char> = text.chars().collect();
            let picked: String = pick(chars.len(), lower, upper, step)
                .into_iter()
                .filter_map(|i| chars.get(i))
                .collect();
            return Val::tainted(picked, value.from);
        }
        Kind::List(items) => items.as_ref().clone(),
        _ => return Val::unknown(value.from),
    };
    Val::list(
        pick(all.len(), lower, upper, step)
            .into_iter()
            .filter_map(|i| all.get(i).cloned())
            .collect(),
    )
}

fn pick(length: usize, lower: Option<i64>, upper: Option<i64>, step: i64) -> Vec<usize> {
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let clamp = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(-1, size)
    };
    let mut out = Vec::new();
    if step == 0 {
        return out;
    }
    let (mut at, end) = if step > 0 {
        (
            clamp(lower.unwrap_or(0)).max(0),
            clamp(upper.unwrap_or(size)),
        )
    } else {
        let start = lower.map_or(size.saturating_sub(1), clamp);
        (
            start.min(size.saturating_sub(1)),
            upper.map_or(-1, |u| clamp(u).max(-1)),
        )
    };
    while (step > 0 && at < end) || (step < 0 && at > end) {
        if let Ok(index) = usize::try_from(at) {
            out.push(index);
        }
        at = at.saturating_add(step);
    }
    out
}

fn concat(separator: &str, list: &Val, from: u16) -> Val {
    let Some(list) = items(list) else {
        return Val::tainted(HOLE.to_string(), from | list.from);
    };
    let mut out = String::new();
    let mut bits = from;
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(&item.partial());
        bits |= item.from;
        if out.len() > MAX_MADE {
            return Val::unknown(bits);
        }
    }
    Val::tainted(out, bits)
}

/// A method of a text, list or dictionary.
pub(super) fn method(receiver: &Val, name: &str, args: &Args) -> Option<Val> {
    let bits = receiver.from | args.from();
    let first = args.pos.first();
    match &receiver.kind {
        Kind::Text(text) => {
            let made = |t: String| Some(Val::tainted(t, bits));
            let strip = first.and_then(Val::known).map(|s| s.to_owned());
            let set = |c: char| {
                strip
                    .as_ref()
                    .map_or_else(|| c.is_whitespace(), |s| s.contains(c))
            };
            match name {
                "join" => Some(concat(text, first?, bits)),
                "format" | "format_map" => {
                    if name == "format_map" {
                        return Some(Val::tainted(HOLE.to_string(), bits));
                    }
                    Some(format(text, args, bits))
                }
                "replace" => {
                    let (a, b) = (first?.known()?, args.pos.get(1)?.partial());
                    if text.len().saturating_mul(b.len().saturating_add(1)) > MAX_MADE {
                        return Some(Val::unknown(bits));
                    }
                    made(text.replace(a, &b))
                }
                "lower" | "casefold" => made(text.to_lowercase()),
                "upper" => made(text.to_uppercase()),
                "swapcase" => made(
                    text.chars()
                        .map(|c| {
                            if c.is_uppercase() {
                                c.to_ascii_lowercase()
                            } else {
                                c.to_ascii_uppercase()
                            }
                        })
                        .collect(),
                ),
                "title" | "capitalize" => {
                    let mut chars = text.chars();
                    let head: String = chars.next()?.to_uppercase().collect();
                    made(head + &chars.as_str().to_lowercase())
                }
                "strip" => made(text.trim_matches(set).to_owned()),
                "lstrip" => made(text.trim_start_matches(set).to_owned()),
                "rstrip" => made(text.trim_end_matches(set).to_owned()),
                "removeprefix" => made(
                    text.strip_prefix(first?.known()?)
                        .unwrap_or(text)
                        .to_owned(),
                ),
                "removesuffix" => made(
                    text.strip_suffix(first?.known()?)
                        .unwrap_or(text)
                        .to_owned(),
                ),
                "split" | "rsplit" | "splitlines" | "partition" => {
                    let parts: Vec<Val> = match first.and_then(Val::known) {
                        Some(separator) if !separator.is_empty() && name != "splitlines" => text
                            .split(separator)
                            .take(MAX_ITEMS)
                            .map(|p| Val::tainted(p, bits))
                            .collect(),
                        _ if name == "splitlines" => text
                            .lines()
                            .take(MAX_ITEMS)
                            .map(|p| Val::tainted(p, bits))
                            .collect(),
                        _ => text
                            .split_whitespace()
                            .take(MAX_ITEMS)
                            .map(|p| Val::tainted(p, bits))
                            .collect(),
                    };
                    Some(Val::list(parts))
                }
                "decode" | "encode" => {
                    let name = args
                        .get(0, &["encoding"])
                        .and_then(Val::known)
                        .unwrap_or("utf8");
                    Some(
                        codec(text, name)
                            .map_or_else(|| Val::unknown(bits), |t| Val::tainted(t, bits)),
                    )
                }
                "hex" => Some(Val::unknown(bits)),
                "translate" | "zfill" | "center" | "ljust" | "rjust" | "expandtabs" => {
                    Some(Val::tainted(HOLE.to_string(), bits))
                }
                "__add__" => Some(binary(receiver, ruff_python_ast::Operator::Add, first?)),
                "__getitem__" => lookup(receiver, first?),
                _ => Some(Val::unknown(bits)),
            }
        }
        Kind::List(list) => match name {
            "copy" | "__iter__" => Some(receiver.clone()),
            "pop" => {
                let at = first.map_or(-1, |f| match f.kind {
                    Kind::Int(i) => i,
                    _ => 0,
                });
                lookup(receiver, &Val::int(at))
            }
            "__getitem__" => lookup(receiver, first?),
            "index" | "count" => Some(Val::default()),
            _ => {
                let _ = list;
                None
            }
        },
        Kind::Dict(items) => match name {
            "get" | "__getitem__" | "pop" | "setdefault" => {
                Some(lookup(receiver, first?).unwrap_or_else(|| {
                    args.pos
                        .get(1)
                        .cloned()
                        .unwrap_or_else(|| Val::unknown(bits))
                }))
            }
            "values" => Some(Val::list(items.iter().map(|(_, v)| v.clone()).collect())),
            "keys" => Some(Val::list(items.iter().map(|(k, _)| k.clone()).collect())),
            "items" => Some(Val::list(
                items
                    .iter()
                    .map(|(k, v)| Val::list(vec![k.clone(), v.clone()]))
                    .collect(),
            )),
            "copy" => Some(receiver.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn known_path(value: Option<&Val>) -> Option<String> {
    path(value?)
}

/// A function that builds a value.
pub(super) fn function(name: &str, args: &Args) -> Option<Val> {
    let bits = args.from();
    let first = args.pos.first();
    let text = |t: String| Some(Val::tainted(t, bits));
    let decoded = |t: Option<String>| {
        Some(t.map_or_else(
            || Val::tainted(HOLE.to_string(), bits | from::DECODED),
            |t| Val::tainted(t, bits | from::DECODED),
        ))
    };
    match name {
        "builtins.chr" => match first?.kind {
            Kind::Int(code) => text(chr(code)),
            _ => Some(Val::tainted(HOLE.to_string(), bits)),
        },
        "builtins.ord" => {
            let c = first?.known().and_then(|t| t.chars().next());
            Some(c.map_or_else(Val::default, |c| Val::int(i64::from(u32::from(c)))))
        }
        "builtins.int" => {
            let radix = match args.get(1, &["base"]).map(|v| &v.kind) {
                Some(Kind::Int(radix)) => {
                    u32::try_from(*radix).ok().filter(|r| (2..=36).contains(r))
                }
                _ => Some(10),
            };
            match &first?.kind {
                Kind::Int(value) => Some(Val::int(*value)),
                Kind::Text(text) => Some(
                    radix
                        .and_then(|r| {
                            let digits = text.trim().trim_start_matches("0x");
                            i64::from_str_radix(digits, r).ok()
                        })
                        .map_or_else(|| Val::unknown(bits), Val::int),
                ),
                _ => Some(Val::unknown(bits)),
            }
        }
        "builtins.str"
        | "builtins.repr"
        | "builtins.format"
        | "os.fspath"
        | "os.fsdecode"
        | "os.fsencode"
        | "textwrap.dedent"
        | "sqlalchemy.text"
        | "sqlalchemy.sql.text"
        | "inspect.cleandoc"
        | "typing.cast"
        | "copy.copy"
        | "copy.deepcopy"
        | "sys.intern"
        | "shlex.quote"
        | "markupsafe.Markup"
        | "psycopg2.sql.SQL"
        | "psycopg.sql.SQL"
        | "builtins.memoryview"
        | "html.unescape" => {
            let value = if name == "typing.cast" {
                args.pos.get(1)?
            } else {
                let Some(first) = first else {
                    return Some(Val::text(""));
                };
                first
            };
            match &value.kind {
                Kind::Text(_) => Some(value.clone()),
                Kind::Unknown => Some(Val::tainted(HOLE.to_string(), bits)),
                _ if name.starts_with("copy.") => Some(value.clone()),
                _ => Some(Val::tainted(value.partial(), bits)),
            }
        }
        "builtins.bytes" | "builtins.bytearray" => {
            let Some(value) = first else {
                return Some(Val::text(""));
            };
            match &value.kind {
                Kind::List(_) => {
                    let bytes: Option<Vec<u8>> = items(value)?
                        .iter()
                        .map(|v| match v.kind {
                            Kind::Int(i) => u8::try_from(i).ok(),
                            _ => None,
                        })
                        .collect();
                    Some(bytes.map_or_else(
                        || Val::unknown(bits),
                        |b| Val::tainted(bytes_text(&b), bits),
                    ))
                }
                Kind::Text(_) => Some(value.clone()),
                _ => Some(Val::unknown(bits)),
            }
        }
        "builtins.reversed" => Some(match &first?.kind {
            Kind::Text(_) => {
                let back = slice(first?, None, None, -1);
                Val::list(items(&back)?)
            }
            Kind::List(_) => slice(first?, None, None, -1),
            _ => Val::unknown(bits),
        }),
        "builtins.list" | "builtins.tuple" | "builtins.iter" | "builtins.set"
        | "builtins.frozenset" | "builtins.sorted" => {
            let Some(first) = first else {
                return Some(Val::list(Vec::new()));
            };
            Some(items(first).map_or_else(|| first.clone(), Val::list))
        }
        "builtins.next" | "random.choice" | "builtins.min" | "builtins.max" => items(first?)
            .and_then(|list| {
                if name == "random.choice" {
                    Some(Val::any(list))
                } else {
                    list.into_iter().next()
                }
            }),
        "builtins.enumerate" => Some(Val::list(
            items(first?)?
                .into_iter()
                .zip(0_i64..)
                .map(|(v, i)| Val::list(vec![Val::int(i), v]))
                .collect(),
        )),
        "builtins.zip" => {
            let lists: Vec<Vec<Val>> = args.pos.iter().map(items).collect::<Option<_>>()?;
            let length = lists.iter().map(Vec::len).min()?;
            Some(Val::list(
                (0..length)
                    .map(|i| Val::list(lists.iter().filter_map(|l| l.get(i).cloned()).collect()))
                    .collect(),
            ))
        }
        "builtins.range" => {
            let number = |i: usize| match args.pos.get(i).map(|v| &v.kind) {
                Some(Kind::Int(n)) => Some(*n),
                _ => None,
            };
            let (start, end) = match args.pos.len() {
                1 => (0, number(0)?),
                _ => (number(0)?, number(1)?),
            };
            let step = number(2).unwrap_or(1);
            let size = usize::try_from(step.unsigned_abs())
                .ok()
                .filter(|s| *s > 0)?;
            let out: Vec<Val> = if step > 0 {
                (start..end).step_by(size).take(256).map(Val::int).collect()
            } else {
                (end..start)
                    .rev()
                    .map(|i| i.saturating_add(1))
                    .step_by(size)
                    .take(256)
                    .map(Val::int)
                    .collect()
            };
            Some(Val::list(out))
        }
        "builtins.dict" => {
            let mut out: Vec<(Val, Val)> = match first.map(|f| &f.kind) {
                Some(Kind::Dict(items)) => items.as_ref().clone(),
                Some(Kind::List(pairs)) => pairs
                    .iter()
                    .filter_map(|p| match &p.kind {
                        Kind::List(pair) => Some((pair.first()?.clone(), pair.get(1)?.clone())),
                        _ => None,
                    })
                    .collect(),
                Some(_) => return Some(Val::unknown(bits)),
                None => Vec::new(),
            };
            out.extend(
                args.kw
                    .iter()
                    .map(|(k, v)| (Val::text(Rc::clone(k)), v.clone())),
            );
            Some(Val::dict(out))
        }
        "base64.b64decode"
        | "base64.urlsafe_b64decode"
        | "base64.standard_b64decode"
        | "base64.decodebytes"
        | "base64.decodestring"
        | "binascii.a2b_base64"
        | "pybase64.b64decode" => decoded(first?.known().and_then(base64_text)),
        "builtins.bytes.fromhex"
        | "builtins.bytearray.fromhex"
        | "binascii.unhexlify"
        | "binascii.a2b_hex"
        | "base64.b16decode"
        | "builtins.str.fromhex" => decoded(first?.known().and_then(hex_text)),
        "base64.b32decode" => decoded(first?.known().and_then(base32_text)),
        "base64.a85decode" | "base64.b85decode" | "lzma.decompress" | "bz2.decompress" => {
            decoded(None)
        }
        "codecs.decode" | "codecs.encode" => {
            let name = args
                .get(1, &["encoding"])
                .and_then(Val::known)
                .unwrap_or("utf8");
            decoded(first?.known().and_then(|t| codec(t, name)))
        }
        "zlib.decompress" | "gzip.decompress" => decoded(first?.known().and_then(inflate)),
        "urllib.parse.unquote" | "urllib.parse.unquote_plus" => text(
            percent_encoding::percent_decode_str(first?.known()?)
                .decode_utf8_lossy()
                .into_owned(),
        ),
        "shlex.split" => {
            let whole = first?.known()?;
            Some(Val::list(
                split(whole)
                    .into_iter()
                    .map(|w| Val::tainted(w, bits))
                    .collect(),
            ))
        }
        "shlex.join" => Some(concat(" ", first?, bits)),
        "builtins.str.join" | "str.join" => Some(concat(&first?.partial(), args.pos.get(1)?, bits)),
        "os.path.join" | "posixpath.join" => {
            let mut out = String::new();
            for part in &args.pos {
                out = join(&out, &path(part).unwrap_or_else(|| HOLE.into()));
            }
            text(out)
        }
        "os.path.expanduser" | "os.path.abspath" | "os.path.realpath" | "os.path.normpath"
        | "os.path.expandvars" => {
            let path = known_path(first).unwrap_or_else(|| HOLE.into());
            text(path.replace("${HOME}", "~").replace("$HOME", "~"))
        }
        "os.path.dirname" => {
            let path = known_path(first).unwrap_or_else(|| HOLE.into());
            text(path.rsplit_once('/').map_or_else(
                || {
                    if path.contains(HOLE) {
                        HOLE.into()
                    } else {
                        String::new()
                    }
                },
                |(f, _)| if f.is_empty() { "/" } else { f }.to_owned(),
            ))
        }
        "os.path.basename" => {
            let path = known_path(first).unwrap_or_else(|| HOLE.into());
            text(path.rsplit('/').next().unwrap_or_default().to_owned())
        }
        "os.getcwd" | "pathlib.Path.cwd" | "os.curdir" => Some(Val::text(".")),
        "pathlib.Path.home" => Some(Val::made(
            "pathlib.Path",
            None,
            Args::one(Val::text("~")),
            0,
        )),
        "tempfile.mkdtemp" | "tempfile.mktemp" | "tempfile.gettempdir" => {
            Some(Val::tainted(format!("/tmp/{HOLE}"), from::TEMPORARY))
        }
        "glob.glob" | "glob.iglob" => Some(Val::tainted(
            known_path(first).unwrap_or_else(|| HOLE.into()),
            bits | from::LISTING,
        )),
        "os.walk" | "os.fwalk" => {
            let base = known_path(first).unwrap_or_else(|| HOLE.into());
            let below = Val::tainted(join(&base, &HOLE.to_string()), bits | from::LISTING);
            let name = Val::tainted(HOLE.to_string(), bits | from::LISTING);
            let names = Val::list(vec![name]);
            Some(Val::list(vec![Val::list(vec![
                below,
                names.clone(),
                names,
            ])]))
        }
        "os.listdir" => Some(Val::tainted(HOLE.to_string(), bits | from::LISTING)),
        "os.scandir" => Some(Val::made(
            "pathlib.Path",
            None,
            Args::one(Val::text(join(
                &known_path(first).unwrap_or_else(|| ".".into()),
                &HOLE.to_string(),
            ))),
            bits | from::LISTING,
        )),
        "builtins.input" | "builtins.raw_input" | "sys.stdin.read" | "sys.stdin.readline" => {
            Some(Val::unknown(from::INPUT))
        }
        "builtins.len" | "builtins.bool" | "builtins.hash" | "builtins.id" => Some(Val::default()),
        _ if name.starts_with("hashlib.") => Some(Val::default()),
        _ => None,
    }
}

/// A method of a path.
pub(super) fn path_method(receiver: &Val, name: &str, args: &Args) -> Option<Val> {
    let base = path(receiver)?;
    let bits = receiver.from | args.from();
    let made = |text: String, bits: u16| {
        Some(Val::made(
            "pathlib.Path",
            None,
            Args::one(Val::tainted(text, bits)),
            bits,
        ))
    };
    match name {
        "joinpath" | "__truediv__" => {
            let mut out = base;
            for part in &args.pos {
                out = join(&out, &path(part).unwrap_or_else(|| HOLE.into()));
            }
            made(out, bits)
        }
        "expanduser" | "resolve" | "absolute" | "as_posix" | "readlink" => made(base, bits),
        "glob" | "rglob" | "iterdir" | "walk" => {
            let pattern = args
                .pos
                .first()
                .and_then(Val::known)
                .map_or_else(|| HOLE.to_string(), ToOwned::to_owned);
            let below = made(join(&base, &pattern), bits | from::LISTING)?;
            Some(Val {
                from: bits | from::LISTING,
                ..Val::list(vec![below])
            })
        }
        "with_suffix" | "with_name" | "with_stem" => {
            let folder = base.rsplit_once('/').map_or(".", |(f, _)| f);
            made(join(folder, &HOLE.to_string()), bits)
        }
        _ => None,
    }
}

/// An attribute of a path that is a path.
pub(super) fn path_attribute(receiver: &Val, name: &str) -> Option<Val> {
    let base = path(receiver)?;
    match name {
        "parent" => {
            let folder = match base.rsplit_once('/') {
                Some(("", _)) => "/".to_owned(),
                Some((folder, _)) => folder.to_owned(),
                None if base.contains(HOLE) => HOLE.into(),
                None => ".".into(),
            };
            Some(Val::made(
                "pathlib.Path",
                None,
                Args::one(Val::tainted(folder, receiver.from)),
                receiver.from,
            ))
        }
        "name" | "path" | "stem" if receiver.named().is_some_and(|n| is_path(&n.name)) => {
            Some(Val::tainted(
                if name == "path" {
                    base
                } else {
                    base.rsplit('/').next().unwrap_or_default().to_owned()
                },
                receiver.from,
            ))
        }
        _ => None,
    }
}

/// Words as a POSIX shell would split them.
fn split(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => {
                word.get_or_insert_default()
                    .push(chars.next().unwrap_or('\\'));
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}
