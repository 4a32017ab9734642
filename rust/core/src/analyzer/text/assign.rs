//! Reads what a name is given: assignments of all the notations that agents write.

use super::bytes::{
    at, before, is_blank, is_name, is_quote, is_word, run_end, run_start, skip_blank, slice,
};

/// How the value hangs on its name; prose is the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `NAME=value`, `name: value`, `"name": "value"`, `--name value`, and so on.
    Assigned,
    /// `the password is value`, `| password | value |`.
    Prose,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
    pub(crate) style: Style,
}

const LONGEST: usize = 4096;

/// Extent of the name around `hit`, trimmed of joints at its ends but for leading dashes.
pub(crate) fn name_around(text: &[u8], hit: usize) -> (usize, usize) {
    let start = run_start(text, hit, 64, is_name);
    // An escape such as `\n` before the name is not part of it.
    let start = if before(text, start) == b'\\' && matches!(at(text, start), b'n' | b't' | b'r') {
        start.saturating_add(1).min(hit)
    } else {
        start
    };
    let mut end = run_end(text, hit, 64, is_name);
    while end > hit && matches!(before(text, end), b'.' | b'-') {
        end = end.saturating_sub(1);
    }
    (start, end)
}

/// The value that the name `start..end` is given, if any.
pub(crate) fn value_of(text: &[u8], start: usize, end: usize) -> Option<Value> {
    let mut i = end;
    let mut closed = false;
    while i < end.saturating_add(8) {
        match at(text, i) {
            b'\\' | b']' => {}
            b')' if closed => {}
            b if is_quote(b) => closed = true,
            _ => break,
        }
        i = i.saturating_add(1);
    }
    // `[default]\nname = x` must not read the bracket of another line, and `\n` is not a quote.
    if before(text, i) == b'\\' {
        return None;
    }
    let j = skip_blank(text, i);
    let assigned = |from: usize| read(text, skip_blank(text, from), Style::Assigned);
    let next = at(text, j.saturating_add(1));
    match at(text, j) {
        b'=' => match next {
            b'=' => {
                let more = usize::from(at(text, j.saturating_add(2)) == b'=');
                assigned(j.saturating_add(2).saturating_add(more)).filter(|v| v.quoted)
            }
            b'>' => assigned(j.saturating_add(2)),
            b'~' => None,
            _ => assigned(j.saturating_add(1)),
        },
        // `NAME ?= value`, `NAME ?? "value"`, `NAME || "value"`.
        b'?' if next == b'=' => assigned(j.saturating_add(2)),
        b'?' if next == b'?' => assigned(j.saturating_add(2)).filter(|v| v.quoted),
        b'|' if next == b'|' => assigned(j.saturating_add(2)).filter(|v| v.quoted),
        b':' => match next {
            b'=' => assigned(j.saturating_add(2)),
            b':' => None,
            // `${NAME:-value}`
            b'-' if slice(text, start.saturating_sub(2), start) == b"${" => {
                read(text, j.saturating_add(2), Style::Assigned)
            }
            _ => match typed(text, j.saturating_add(1)) {
                Some(value) => value,
                None => assigned(j.saturating_add(1)),
            },
        },
        b'>' if before(text, start) == b'<' || closed && is_attribute(text, start) => {
            element(text, j.saturating_add(1))
        }
        b'<' => property(text, start, j),
        b'{' if closed => default_of(text, j),
        b',' if closed => {
            let k = skip_blank(text, j.saturating_add(1));
            if let Some(value) = kubernetes(text, k) {
                return Some(value);
            }
            read(text, k, Style::Assigned).filter(|v| v.quoted)
        }
        b'|' => read(text, skip_blank(text, j.saturating_add(1)), Style::Prose),
        // U+FF1A, the colon of Chinese and Japanese text.
        0xef if slice(text, j, j.saturating_add(3)) == [0xef, 0xbc, 0x9a] => {
            assigned(j.saturating_add(3))
        }
        b'\n' | b'\r' => kubernetes(text, j),
        _ if j > i || closed => words_between(text, (start, end), j, closed),
        _ => None,
    }
}

/// `NAME: &str = "value"`, `name: string = 'value'`: whether a type stands there, and the value.
fn typed(text: &[u8], from: usize) -> Option<Option<Value>> {
    let from = skip_blank(text, from);
    let end = run_end(text, from, 32, |b| {
        is_word(b)
            || matches!(
                b,
                b'&' | b'\'' | b'<' | b'>' | b'[' | b']' | b' ' | b':' | b'?'
            )
    });
    if end == from
        || at(text, end) != b'='
        || matches!(at(text, end.saturating_add(1)), b'=' | b'>')
    {
        return None;
    }
    let value = read(
        text,
        skip_blank(text, end.saturating_add(1)),
        Style::Assigned,
    )
    .filter(|v| v.quoted);
    // Without a blank it is the padding of base64.
    (value.is_some() || before(text, end) == b' ').then_some(value)
}

/// `<name>value</name>`
fn element(text: &[u8], from: usize) -> Option<Value> {
    let end = run_end(text, from, LONGEST, |b| !matches!(b, b'<' | b'\n'));
    (at(text, end) == b'<' && end > from).then_some(Value {
        start: from,
        end,
        quoted: true,
        style: Style::Assigned,
    })
}

/// Whether the quoted name is that of an element: `<property name="NAME">`.
fn is_attribute(text: &[u8], start: usize) -> bool {
    let head = slice(text, start.saturating_sub(6), start.saturating_sub(1));
    head.ends_with(b"name=") || head.ends_with(b"key=")
}

/// `<key>NAME</key><string>value</string>`
fn property(text: &[u8], start: usize, j: usize) -> Option<Value> {
    let after = j.saturating_add(6);
    if before(text, start) != b'>' || slice(text, j, after) != b"</key>" {
        return None;
    }
    let open = run_end(text, after, 64, |b| b.is_ascii_whitespace());
    let from = open.saturating_add(8);
    (slice(text, open, from) == b"<string>")
        .then(|| element(text, from))
        .flatten()
}

/// `variable "NAME" { default = "value" }`
fn default_of(text: &[u8], open: usize) -> Option<Value> {
    let end = run_end(text, open, 400, |b| b != b'}');
    let body = slice(text, open, end);
    let i = body.windows(7).position(|w| w == b"default")?;
    let from = open.saturating_add(i);
    let sign = skip_blank(text, from.saturating_add(7));
    (at(text, sign) == b'=' && !is_name(before(text, from)))
        .then(|| {
            read(
                text,
                skip_blank(text, sign.saturating_add(1)),
                Style::Assigned,
            )
        })
        .flatten()
        .filter(|v| v.quoted)
}

/// `- name: NAME` and `value: value` in the next line, or `{"name": "NAME", "value": "value"}`.
fn kubernetes(text: &[u8], from: usize) -> Option<Value> {
    let word = run_end(text, from, 48, |b| {
        b.is_ascii_whitespace() || matches!(b, b',' | b'"' | b'\'' | b'{')
    });
    if !slice(text, word, word.saturating_add(5)).eq_ignore_ascii_case(b"value") {
        return None;
    }
    let mut i = word.saturating_add(5);
    while is_quote(at(text, i)) || at(text, i) == b'\\' {
        i = i.saturating_add(1);
    }
    let i = skip_blank(text, i);
    matches!(at(text, i), b':' | b'=')
        .then(|| read(text, skip_blank(text, i.saturating_add(1)), Style::Assigned))
        .flatten()
}

/// What stands between name and value where there is no operator.
fn words_between(
    text: &[u8],
    (start, end): (usize, usize),
    j: usize,
    closed: bool,
) -> Option<Value> {
    let word = slice(text, j, run_end(text, j, 12, |b| b.is_ascii_alphabetic()));
    let after = j.saturating_add(word.len());
    if word.eq_ignore_ascii_case(b"value")
        && matches!(at(text, skip_blank(text, after)), b'=' | b':')
    {
        return kubernetes(text, j);
    }
    // `Dim NAME As String = "value"`
    if word.eq_ignore_ascii_case(b"as") {
        let kind = skip_blank(text, after);
        let sign = skip_blank(text, run_end(text, kind, 32, |b| is_word(b) || b == b'.'));
        return (at(text, sign) == b'=')
            .then(|| {
                read(
                    text,
                    skip_blank(text, sign.saturating_add(1)),
                    Style::Assigned,
                )
            })
            .flatten()
            .filter(|v| v.quoted);
    }
    // `os.getenv("NAME") or "value"`
    if closed && word == b"or" {
        return read(text, skip_blank(text, after), Style::Assigned).filter(|v| v.quoted);
    }
    // `secret set NAME --body value`, `put-parameter --name NAME --value value`
    for flag in [
        &b"--body"[..],
        b"--value",
        b"--secret-string",
        b"--password",
        b"-b",
    ] {
        let rest = j.saturating_add(flag.len());
        if slice(text, j, rest) == flag && matches!(at(text, rest), b' ' | b'=') {
            return read(text, rest.saturating_add(1), Style::Assigned);
        }
    }
    if word.eq_ignore_ascii_case(b"is")
        || word.eq_ignore_ascii_case(b"was")
        || word.eq_ignore_ascii_case(b"are")
    {
        let k = run_end(text, after, 4, |b| is_blank(b) || b == b':');
        return (k > after).then(|| read(text, k, Style::Prose)).flatten();
    }
    // 是 and 为
    let three = slice(text, j, j.saturating_add(3));
    if three == "是".as_bytes() || three == "为".as_bytes() {
        return read(text, skip_blank(text, j.saturating_add(3)), Style::Prose);
    }
    if at(text, start) == b'-' && !is_word(before(text, start)) {
        return read(text, j, Style::Assigned);
    }
    if is_quote(at(text, j)) {
        return read(text, j, Style::Prose).filter(|v| v.quoted);
    }
    // `ENV NAME value`, `config set name value`, `machine x login y password z`.
    let gap = run_start(text, start, 8, is_blank);
    let verb = slice(
        text,
        run_start(text, gap, 10, |b| b.is_ascii_alphabetic()),
        gap,
    );
    let export = slice(text, start.saturating_sub(9), start);
    let setter = gap < start
        && ([&b"env"[..], b"set", b"setx", b"setenv", b"arg", b"config", b"put"]
            .iter()
            .any(|v| v.eq_ignore_ascii_case(verb))
            // `set -gx NAME value`
            || verb.ends_with(b"x") && [&b"set -x "[..], b"set -gx ", b"set -Ux ", b"set -xg "]
                .iter()
                .any(|v| export.ends_with(v)));
    let directive = [&b"requirepass"[..], b"masterauth"]
        .iter()
        .any(|d| slice(text, start, end).eq_ignore_ascii_case(d));
    let netrc = slice(text, start, end).eq_ignore_ascii_case(b"password") && {
        let line = slice(text, start.saturating_sub(160), start);
        line.windows(6).any(|w| w == b"login ") || line.windows(8).any(|w| w == b"machine ")
    };
    (setter || netrc || directive)
        .then(|| read(text, j, Style::Assigned))
        .flatten()
}

/// Reads one value that begins at `from`.
pub(crate) fn read(text: &[u8], from: usize, style: Style) -> Option<Value> {
    let mut from = from;
    // A block of YAML: the value is the next line.
    if matches!(at(text, from), b'|' | b'>') {
        let head = run_end(text, from, 4, |b| matches!(b, b'|' | b'>' | b'-' | b'+'));
        if at(text, head) == b'\n' {
            from = run_end(text, head, 64, |b| b.is_ascii_whitespace());
            return Some(line(text, from, style));
        }
    }
    let mut escapes = 0_usize;
    while at(text, from) == b'\\' && escapes < 8 {
        escapes = escapes.saturating_add(1);
        from = from.saturating_add(1);
    }
    if is_quote(at(text, from)) {
        return quoted(text, from, escapes > 0, style);
    }
    if escapes > 0 {
        return None;
    }
    // `b"…"`, `f'…'`, `String::from("…")`.
    let head = run_end(text, from, 40, |b| is_word(b) || matches!(b, b'.' | b':'));
    let prefix = slice(text, from, head);
    let opens = match at(text, head) {
        b'(' if head > from && is_conversion(prefix) => head.saturating_add(1),
        _ if prefix.len() <= 2 || matches!(at(text, head), b'@') && head == from => head,
        _ => from,
    };
    if opens > from && is_quote(at(text, opens)) {
        return quoted(text, opens, false, style);
    }
    if at(text, from) == b'@' && is_quote(at(text, from.saturating_add(1))) {
        return quoted(text, from.saturating_add(1), false, style);
    }
    let value = unquoted(text, from, style);
    // `token: Bearer …`
    let word = slice(text, value.start, value.end);
    let scheme = [&b"bearer"[..], b"token", b"basic", b"apikey"]
        .iter()
        .any(|s| s.eq_ignore_ascii_case(word));
    if scheme && at(text, value.end) == b' ' {
        return Some(unquoted(text, skip_blank(text, value.end), style))
            .filter(|v| v.end > v.start);
    }
    (value.end > value.start).then_some(value)
}

/// Whether a function only changes the form of the literal that it is given.
fn is_conversion(name: &[u8]) -> bool {
    const FORMS: &[&[u8]] = &[
        b"from",
        b"string",
        b"str",
        b"bytes",
        b"fromhex",
        b"decode",
        b"secretstr",
        b"text",
        b"quote",
        b"buffer",
        b"securestring",
        b"some",
        b"new",
        b"unhexlify",
        b"sensitivestring",
        b"to_string",
        b"into",
    ];
    name.rsplit(|b| matches!(b, b'.' | b':'))
        .next()
        .is_some_and(|last| FORMS.iter().any(|f| f.eq_ignore_ascii_case(last)))
}

fn quoted(text: &[u8], open: usize, escaped: bool, style: Style) -> Option<Value> {
    let quote = at(text, open);
    let mut start = open.saturating_add(1);
    if at(text, start) == quote && at(text, start.saturating_add(1)) == quote {
        start = start.saturating_add(2);
    }
    let mut end = start;
    let limit = start.saturating_add(LONGEST).min(text.len());
    while end < limit {
        match at(text, end) {
            b if b == quote => break,
            b'\n' | b'\r' => return None,
            b'\\' if escaped => break,
            b'\\' => end = end.saturating_add(1),
            _ => {}
        }
        end = end.saturating_add(1);
    }
    if end >= limit {
        return None;
    }
    // `"Bearer …"` as a whole: the scheme is not part of the secret.
    for scheme in [
        &b"Bearer "[..],
        b"Token ",
        b"Basic ",
        b"bearer ",
        b"token ",
        b"ApiKey ",
    ] {
        if slice(text, start, end).starts_with(scheme) {
            start = start.saturating_add(scheme.len());
        }
    }
    (end > start).then_some(Value {
        start,
        end,
        quoted: true,
        style,
    })
}

fn line(text: &[u8], start: usize, style: Style) -> Value {
    let mut end = run_end(text, start, LONGEST, |b| !matches!(b, b'\n' | b'\r'));
    while end > start && is_blank(before(text, end)) {
        end = end.saturating_sub(1);
    }
    Value {
        start,
        end,
        quoted: false,
        style,
    }
}

/// To the end of the line, for phrases.
pub(crate) fn phrase(text: &[u8], value: Value) -> Value {
    if value.quoted {
        return value;
    }
    let end = run_end(text, value.start, 160, |b| {
        b.is_ascii_alphabetic() || matches!(b, b' ' | b'-')
    });
    let end = end.saturating_sub(
        slice(text, value.start, end)
            .iter()
            .rev()
            .take_while(|&&b| b == b' ')
            .count(),
    );
    Value {
        end: end.max(value.end),
        ..value
    }
}

fn unquoted(text: &[u8], start: usize, style: Style) -> Value {
    let mut end = run_end(text, start, LONGEST, |b| {
        !b.is_ascii_whitespace()
            && !is_quote(b)
            && !matches!(
                b,
                b'<' | b'|' | b'\\' | b'&' | b';' | b',' | 0 | 0xe3 | 0xef
            )
    });
    // `<token>` and `[REDACTED]` are read whole, to be recognised.
    if at(text, start) == b'<' {
        end = run_end(text, start, 64, |b| !matches!(b, b'>' | b'\n')).saturating_add(1);
    }
    // Where the first opening bracket of each kind stands: looked up once, however many close.
    let mut first = [None; 4];
    let whole = end;
    let mut unbalanced = |kind: usize, open: u8, end: usize| {
        let slot = first.get_mut(kind)?;
        let found = *slot.get_or_insert_with(|| {
            memchr::memchr(open, slice(text, start, whole))
                .map_or(usize::MAX, |i| start.saturating_add(i))
        });
        Some(found >= end.saturating_sub(1))
    };
    while end > start {
        let trim = match before(text, end) {
            b'.' | b':' | b'?' => true,
            b'!' => style == Style::Prose,
            b')' => unbalanced(0, b'(', end).unwrap_or(false),
            b']' => unbalanced(1, b'[', end).unwrap_or(false),
            b'}' => unbalanced(2, b'{', end).unwrap_or(false),
            b'>' => unbalanced(3, b'<', end).unwrap_or(false),
            _ => false,
        };
        if !trim {
            break;
        }
        end = end.saturating_sub(1);
    }
    Value {
        start,
        end: end.min(text.len()),
        quoted: false,
        style,
    }
}

/// The name that the value at `start` is assigned to, if it directly follows one.
pub(crate) fn name_before(text: &[u8], start: usize) -> &[u8] {
    let mut i = start;
    let mut seen_operator = false;
    let floor = start.saturating_sub(24);
    while i > floor {
        match before(text, i) {
            b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']' | b'(' => {}
            b'=' | b':' | b'>' if !seen_operator || matches!(at(text, i), b'=' | b'>') => {
                seen_operator = true
            }
            _ => break,
        }
        i = i.saturating_sub(1);
    }
    if !seen_operator {
        return &[];
    }
    slice(text, run_start(text, i, 64, is_name), i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> Option<String> {
        let hit = text.find(name).unwrap();
        let (start, end) = name_around(text.as_bytes(), hit);
        value_of(text.as_bytes(), start, end).map(|v| text[v.start..v.end].to_owned())
    }

    #[test]
    fn reads_every_notation() {
        for text in [
            "KEY=v4lue",
            "export KEY='v4lue' && x",
            "KEY: v4lue",
            r#"{"KEY":"v4lue"}"#,
            r#"{\"KEY\": \"v4lue\"}"#,
            "'KEY' => 'v4lue',",
            "os.environ['KEY'] = 'v4lue'",
            "$env:KEY = \"v4lue\"",
            "const KEY: &str = \"v4lue\";",
            "KEY := \"v4lue\"",
            r#"<add key="KEY" value="v4lue" />"#,
            "<KEY>v4lue</KEY>",
            "--KEY v4lue --wait",
            "--KEY=v4lue",
            "?q=1&KEY=v4lue&x=1",
            "-e KEY=v4lue -p 80",
            "- name: KEY\n  value: v4lue\n",
            r#"{"name": "KEY", "value": "v4lue"}"#,
            "setenv(\"KEY\", \"v4lue\")",
            "the KEY is v4lue.",
            "KEY is: v4lue",
            "| KEY | v4lue |",
            "ENV KEY v4lue",
            "KEY: |\n  v4lue\n",
            "let KEY = String::from(\"v4lue\");",
            "KEY=v4lue\\nX=1",
            "-H 'KEY: v4lue'",
            "KEY: string = 'v4lue'",
            "KEY = b'v4lue'",
            "KEY：v4lue",
            "config set KEY v4lue",
            "f(KEY=v4lue)",
            "KEY: Bearer v4lue",
            "\\nKEY=v4lue",
            "Dim KEY As String = \"v4lue\"",
            "set -gx KEY v4lue",
            "gh secret set KEY --body \"v4lue\"",
            "--name KEY --value v4lue --type SecureString",
            "process.env.KEY || \"v4lue\"",
            "process.env.KEY ?? 'v4lue'",
            "os.getenv(\"KEY\") or \"v4lue\"",
            "KEY ?= v4lue",
            "${KEY:-v4lue}",
            "variable \"KEY\" {\n  type = string\n  default = \"v4lue\"\n}",
            "<property name=\"KEY\">v4lue</property>",
            "<key>KEY</key>\n\t<string>v4lue</string>",
        ] {
            assert_eq!(value(text, "KEY").as_deref(), Some("v4lue"), "{text}");
        }
        for text in [
            "the KEY of all",
            "KEY::new",
            "if KEY {",
            "KEY, OTHER",
            "KEY\n\nnext",
        ] {
            assert_eq!(value(text, "KEY"), None, "{text}");
        }
        assert_eq!(name_before(b"\"etag\": \"abc", 9), b"etag");
        assert_eq!(name_before(b"x-etag=abc", 7), b"x-etag");
        assert_eq!(name_before(b"the abc", 4), b"");
    }
}
