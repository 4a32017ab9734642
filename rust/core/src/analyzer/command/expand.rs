//! Turns words into the arguments they may become: quotes, braces, tilde, parameters,
//! substitutions, splitting.

use super::{
    place::HOME,
    shell::Shell,
    syntax::{Param, Part, Word},
    trace::Kind,
    value::{HOLE, Value, from, glob},
};
use crate::analyzer::Scope;
use std::borrow::Cow;

/// Most fields one word may become.
const MAX_FIELDS: usize = 256;

/// Most bytes of a word that brace expansion copies.
const MAX_COPIED: usize = 512 << 10;

/// Fields under construction.
#[derive(Default)]
struct Fields {
    done: Vec<Value>,
    current: Value,
    started: bool,
}

impl Fields {
    fn finish(&mut self) {
        if self.started && self.done.len() < MAX_FIELDS {
            self.done.push(std::mem::take(&mut self.current));
        }
        self.current = Value::default();
        self.started = false;
    }

    fn text(&mut self, text: &str) {
        self.current.push(text);
        self.started = true;
    }

    fn add(&mut self, value: &Value) {
        self.current.append(value);
        self.started = true;
    }

    fn split(&mut self, value: &Value, separators: &str) {
        let mut pieces = value.text.split(|c| separators.contains(c));
        if let Some(first) = pieces.next()
            && !first.is_empty()
        {
            self.piece(first, value);
        }
        for piece in pieces {
            self.finish();
            if !piece.is_empty() {
                self.piece(piece, value);
            }
        }
    }

    fn piece(&mut self, piece: &str, whole: &Value) {
        self.add(&Value {
            text: piece.to_owned(),
            glob: whole.glob || piece.contains(['*', '?']),
            from: whole.from,
        });
    }
}

impl Shell<'_> {
    /// The arguments a word becomes.
    pub(super) fn fields(&mut self, word: &Word, scope: &mut Scope<'_>) -> Vec<Value> {
        if let [
            Part::Text {
                text,
                quoted: false,
            },
        ] = word.as_slice()
            && !text.contains(['{', '~', '*', '?', '['])
        {
            return vec![Value::known(text.as_str())];
        }
        if !self.pay(1) {
            return vec![Value::unknown(0)];
        }
        let mut fields = Fields::default();
        let (words, cut) = braces(word);
        if cut {
            self.exhaust();
        }
        for word in &*words {
            self.add_parts(word, &mut fields, scope);
            fields.finish();
        }
        self.pay(fields.done.iter().map(|v| v.text.len()).sum());
        fields.done
    }

    fn separators(&self) -> Cow<'static, str> {
        match self.vars.get("IFS").and_then(|v| v.first()) {
            Some(ifs) if ifs.is_known() => ifs.text.clone().into(),
            _ => " \t\n".into(),
        }
    }

    fn add_parts(&mut self, word: &[Part], fields: &mut Fields, scope: &mut Scope<'_>) {
        for (i, part) in word.iter().enumerate() {
            match part {
                Part::Text { text, quoted: true } => fields.text(text),
                Part::Text {
                    text,
                    quoted: false,
                } => {
                    let text = if i == 0 { tilde(text) } else { text.into() };
                    fields.current.glob |= text.contains(['*', '?'])
                        || text.contains("!(")
                        || text.contains('[') && text.len() > 1;
                    fields.text(&text);
                }
                Part::Double(parts) => {
                    if let [Part::Param(p)] = parts.as_slice()
                        && (p.name == "@" || p.index.as_ref().is_some_and(is_all))
                    {
                        let values = self.parameter(p, scope);
                        for (n, value) in values.iter().enumerate() {
                            if n > 0 {
                                fields.finish();
                            }
                            fields.add(value);
                        }
                    } else {
                        let value = self.joined(parts, scope);
                        fields.add(&value);
                    }
                }
                Part::Param(p) => {
                    let separators = self.separators();
                    for (n, value) in self.parameter(p, scope).iter().enumerate() {
                        if n > 0 {
                            fields.finish();
                        }
                        fields.split(value, &separators);
                    }
                }
                Part::Command(_) => {
                    let separators = self.separators();
                    let value = self.part(part, scope);
                    fields.split(&value, &separators);
                }
                Part::Process(..) | Part::Arithmetic(_) => {
                    let value = self.part(part, scope);
                    fields.add(&value);
                }
            }
        }
    }

    /// A word as one text: assignments, redirections, here-documents.
    pub(super) fn joined(&mut self, word: &[Part], scope: &mut Scope<'_>) -> Value {
        let mut out = Value::default();
        for (i, part) in word.iter().enumerate() {
            if let (
                0,
                Part::Text {
                    text,
                    quoted: false,
                },
            ) = (i, part)
            {
                out.push(&tilde(text));
                out.glob |= text.contains(['*', '?']);
            } else if let Part::Text { text, quoted } = part {
                out.push(text);
                out.glob |= !quoted && text.contains(['*', '?']);
            } else {
                let value = self.part(part, scope);
                out.append(&value);
            }
        }
        out
    }

    fn part(&mut self, part: &Part, scope: &mut Scope<'_>) -> Value {
        match part {
            Part::Text { text, quoted } => Value {
                text: text.clone(),
                glob: !quoted && text.contains(['*', '?']),
                from: 0,
            },
            Part::Double(parts) => self.joined(parts, scope),
            Part::Param(p) => {
                let mut out = Value::default();
                for (i, value) in self.parameter(p, scope).iter().enumerate() {
                    if i > 0 {
                        out.push(" ");
                    }
                    out.append(value);
                }
                out.glob = false;
                out
            }
            Part::Command(body) => self.substitution(Kind::Substitution, body, scope).trimmed(),
            Part::Process(body, reads) => {
                if *reads {
                    let output = self.substitution(Kind::ProcessSubstitution, body, scope);
                    self.process_file(output)
                } else {
                    // What is written to it becomes the input of these commands.
                    let stdin = self.stdin.clone();
                    if stdin.is_none() {
                        return self.process_input(body);
                    }
                    self.with_input(stdin, |shell| shell.run(body, scope));
                    Value::known("/dev/fd/62")
                }
            }
            Part::Arithmetic(parts) => {
                let text = self.joined(parts, scope);
                self.arithmetic(&text, scope)
            }
        }
    }

    /// A plain number stays; anything else is evaluated for what it hides.
    pub(super) fn arithmetic(&mut self, text: &Value, scope: &mut Scope<'_>) -> Value {
        self.hidden(&text.text, scope);
        for name in text
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        {
            if let Some(value) = self.vars.get(name).and_then(|v| v.first()).cloned() {
                self.hidden(&value.text, scope);
            }
        }
        if text.text.trim().parse::<i64>().is_ok() {
            Value::known(text.text.trim())
        } else {
            Value::unknown(0)
        }
    }

    fn lookup(&self, name: &str) -> Vec<Value> {
        if let Some(values) = self.vars.get(name) {
            return values.clone();
        }
        match name {
            "@" | "*" => return self.positional.get(1..).unwrap_or_default().to_vec(),
            "HOME" => return vec![Value::known(HOME)],
            "IFS" => return vec![Value::known(" \t\n")],
            "PWD" | "OLDPWD" => {
                return vec![
                    self.cwd
                        .clone()
                        .map_or_else(|| Value::known("."), Value::known),
                ];
            }
            "PATH" => {
                return vec![Value::known(
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                )];
            }
            "BASH" => return vec![Value::known("/bin/bash")],
            "SHELL" => return vec![Value::known("/bin/sh")],
            "TMPDIR" | "TEMP" | "TMP" => return vec![Value::known("/tmp")],
            "#" => {
                return vec![Value::known(
                    self.positional.len().saturating_sub(1).to_string(),
                )];
            }
            "?" | "-" | "!" | "$" | "RANDOM" | "UID" | "PPID" | "LINENO" => {
                return vec![Value::unknown(0)];
            }
            _ => {}
        }
        if let Ok(n) = name.parse::<usize>() {
            return match self.positional.get(n) {
                Some(value) => vec![value.clone()],
                // Nothing was given: most likely empty, but a script's caller may give one.
                None if self.positional.len() > 1 => vec![],
                None => vec![Value::unknown(from::UNSET)],
            };
        }
        let mut bits = from::UNSET;
        let upper = name.to_ascii_uppercase();
        if [
            "TOKEN",
            "SECRET",
            "PASSWORD",
            "PASSWD",
            "API_KEY",
            "APIKEY",
            "ACCESS_KEY",
            "PRIVATE_KEY",
            "CREDENTIAL",
            "PASS",
            "_PAT",
        ]
        .iter()
        .any(|k| upper.ends_with(k))
        {
            bits |= from::TOKEN;
            if upper.contains('_') && !upper.starts_with("API_") && !upper.starts_with("ACCESS_") {
                bits |= from::SECRET;
            }
        }
        vec![Value::unknown(bits)]
    }

    fn parameter(&mut self, p: &Param, scope: &mut Scope<'_>) -> Vec<Value> {
        if let Some(index) = &p.index {
            let index = self.joined(index, scope);
            self.hidden(&index.text, scope);
        }
        let mut name = p.name.clone();
        if p.indirect {
            let target = self.lookup(&name);
            if let Some(target) = target.first() {
                self.hidden(&target.text, scope);
                if target.is_known() {
                    name = target.text.clone();
                } else {
                    return vec![target.clone()];
                }
            }
        }
        let mut values = self.lookup(&name);
        if !self.pay(values.iter().map(|v| v.text.len()).sum()) {
            return vec![Value::unknown(0)];
        }
        match &p.index {
            Some(index) if !is_all(index) => {
                let index = self.joined(index, scope);
                let n = index.text.parse::<usize>();
                values = match n {
                    Ok(n) => values.get(n).cloned().into_iter().collect(),
                    Err(_) => values.first().cloned().into_iter().collect(),
                };
            }
            Some(_) => {}
            None if self.vars.contains_key(&name) => values.truncate(1),
            None => {}
        }
        if p.length {
            return vec![values.first().filter(|v| v.is_known()).map_or_else(
                || Value::unknown(0),
                |v| Value::known(v.text.len().to_string()),
            )];
        }
        if p.op.is_empty() {
            return values;
        }
        let arg = self.joined(&p.arg, scope);
        let unset = values
            .iter()
            .all(|v| v.text.is_empty() || v.has(from::UNSET));
        match p.op {
            ":-" | "-" => {
                if unset {
                    vec![arg]
                } else {
                    values
                }
            }
            ":=" | "=" => {
                if unset {
                    self.vars.insert(name, vec![arg.clone()]);
                    vec![arg]
                } else {
                    values
                }
            }
            ":+" | "+" => {
                if unset {
                    Vec::new()
                } else {
                    vec![arg]
                }
            }
            ":?" | "?" => values,
            "@" => {
                for value in &values {
                    if value.text.contains("$(") || value.text.contains('`') {
                        self.maybe(
                            &format!("cat <<HIDDEN_END\n{}\nHIDDEN_END", value.text),
                            scope,
                        );
                    }
                }
                values
            }
            _ => values
                .into_iter()
                .map(|value| {
                    let known = value.is_known() && arg.is_known();
                    let text = if known && self.pay(cost(&value.text, p.op, &arg.text)) {
                        edit(&value.text, p.op, &arg.text)
                    } else {
                        None
                    };
                    Value {
                        text: text.unwrap_or_else(|| {
                            if p.op == ":" && known {
                                value.text.clone()
                            } else {
                                HOLE.to_string()
                            }
                        }),
                        ..value
                    }
                })
                .collect(),
        }
    }
}

fn is_all(index: &Word) -> bool {
    matches!(index.as_slice(), [Part::Text { text, .. }] if text == "@" || text == "*")
}

fn tilde(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HOME}{rest}").into(),
        _ => text.into(),
    }
}

/// Whether a pattern is to be tried at every length of the value.
fn tries(op: &str, arg: &str) -> bool {
    matches!(op, "#" | "##" | "%" | "%%") && arg.contains(['*', '?', '['])
}

/// What [`edit`] has to look at.
fn cost(value: &str, op: &str, arg: &str) -> usize {
    if tries(op, arg) {
        let size = value.len().min(MAX_TRIED);
        size.saturating_mul(size)
    } else {
        value.len()
    }
}

/// Longest text on which a pattern is tried at every length.
const MAX_TRIED: usize = 512;

/// `${x%…}`, `${x/…}`, `${x:…}` on known text.
fn edit(value: &str, op: &str, arg: &str) -> Option<String> {
    if value.len() > 4096 || arg.len() > 256 || tries(op, arg) && value.len() > MAX_TRIED {
        return None;
    }
    if !tries(op, arg) {
        match op {
            "#" | "##" => return Some(value.strip_prefix(arg).unwrap_or(value).to_owned()),
            "%" | "%%" => return Some(value.strip_suffix(arg).unwrap_or(value).to_owned()),
            _ => {}
        }
    }
    let cuts = || (0..=value.len()).filter(|&i| value.is_char_boundary(i));
    let matches = |piece: &str| glob(arg.as_bytes(), piece.as_bytes());
    Some(match op {
        "#" | "##" => {
            let hit = |i: &usize| value.get(..*i).is_some_and(matches);
            let cut = if op == "#" {
                cuts().find(hit)
            } else {
                cuts().rev().find(hit)
            };
            value.get(cut.unwrap_or(0)..)?.to_owned()
        }
        "%" | "%%" => {
            let hit = |i: &usize| value.get(*i..).is_some_and(matches);
            let cut = if op == "%" {
                cuts().rev().find(hit)
            } else {
                cuts().find(hit)
            };
            value.get(..cut.unwrap_or(value.len()))?.to_owned()
        }
        "/" | "//" | "/#" | "/%" => {
            let (pattern, replacement) = arg.split_once('/').unwrap_or((arg, ""));
            if pattern.is_empty() || pattern.contains(['*', '?', '[']) {
                return None;
            }
            match op {
                "//" => value.replace(pattern, replacement),
                "/#" => value
                    .strip_prefix(pattern)
                    .map_or_else(|| value.to_owned(), |rest| format!("{replacement}{rest}")),
                "/%" => value
                    .strip_suffix(pattern)
                    .map_or_else(|| value.to_owned(), |rest| format!("{rest}{replacement}")),
                _ => value.replacen(pattern, replacement, 1),
            }
        }
        "^^" => value.to_uppercase(),
        ",," => value.to_lowercase(),
        "^" | "," => {
            let mut chars = value.chars();
            let first = chars.next()?;
            let first: String = if op == "^" {
                first.to_uppercase().collect()
            } else {
                first.to_lowercase().collect()
            };
            first + chars.as_str()
        }
        ":" => {
            let (offset, length) = match arg.split_once(':') {
                Some((o, l)) => (o, Some(l)),
                None => (arg, None),
            };
            let offset: i64 = offset.trim().parse().ok()?;
            let size = i64::try_from(value.len()).ok()?;
            let start = if offset < 0 {
                size.saturating_add(offset).max(0)
            } else {
                offset.min(size)
            };
            let end = match length {
                None => size,
                Some(l) => {
                    let l: i64 = l.trim().parse().ok()?;
                    if l < 0 {
                        size.saturating_add(l)
                    } else {
                        start.saturating_add(l).min(size)
                    }
                }
            };
            value
                .get(usize::try_from(start).ok()?..usize::try_from(end.max(start)).ok()?)?
                .to_owned()
        }
        _ => return None,
    })
}

/// Brace expansion over the unquoted text of a word; at most [`MAX_FIELDS`] results.
///
/// The second value says that a word was too long for all of its groups.
fn braces(word: &Word) -> (Cow<'_, [Word]>, bool) {
    let has = word
        .iter()
        .any(|p| matches!(p, Part::Text { text, quoted: false } if text.contains('{')));
    if !has {
        return (Cow::Borrowed(std::slice::from_ref(word)), false);
    }
    let mut done = Vec::new();
    let mut todo = vec![word.clone()];
    let mut steps = 0_usize;
    // Every step copies the word, so a long one has few.
    let length: usize = word
        .iter()
        .map(|p| match p {
            Part::Text { text, .. } => text.len(),
            _ => 16,
        })
        .sum();
    let most = MAX_COPIED
        .checked_div(length)
        .unwrap_or(MAX_FIELDS)
        .clamp(1, MAX_FIELDS);
    while let Some(word) = todo.pop() {
        steps = steps.saturating_add(1);
        let next = if steps > most || done.len() >= MAX_FIELDS {
            None
        } else {
            expand_first(&word)
        };
        match next {
            Some(mut words) => {
                words.reverse();
                todo.extend(words);
            }
            None => done.push(word),
        }
    }
    done.truncate(MAX_FIELDS);
    (Cow::Owned(done), steps > most && most < MAX_FIELDS)
}

/// The words that the first brace group makes, or nothing if there is none.
fn expand_first(word: &Word) -> Option<Vec<Word>> {
    // Positions as (part, byte) over unquoted text only.
    let mut depth = 0_u32;
    let mut open: Option<(usize, usize)> = None;
    let mut commas: Vec<(usize, usize)> = Vec::new();
    let mut from = (0_usize, 0_usize);
    // Each opening brace that closes nothing costs another look; bounded, as each look is linear.
    for _ in 0..32 {
        let mut again = false;
        'look: for (i, part) in word.iter().enumerate().skip(from.0) {
            let Part::Text {
                text,
                quoted: false,
            } = part
            else {
                continue;
            };
            for (j, b) in text.bytes().enumerate() {
                if i == from.0 && j < from.1 {
                    continue;
                }
                match b {
                    b'{' => {
                        if depth == 0 {
                            open = Some((i, j));
                            commas.clear();
                        }
                        depth = depth.saturating_add(1);
                    }
                    b',' if depth == 1 => commas.push((i, j)),
                    b'}' if depth == 1 => {
                        let start = open?;
                        if !commas.is_empty() {
                            return Some(split_group(word, start, &commas, (i, j)));
                        }
                        if start.0 == i
                            && let Some(words) = range(word, start, j)
                        {
                            return Some(words);
                        }
                        // Not a group after all: look behind its opening brace.
                        from = (start.0, start.1.saturating_add(1));
                        depth = 0;
                        open = None;
                        again = true;
                        break 'look;
                    }
                    b'}' if depth > 0 => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        if again {
            continue;
        }
        // An opening brace that nothing closes is ordinary text.
        let start = open?;
        from = (start.0, start.1.saturating_add(1));
        depth = 0;
        open = None;
    }
    None
}

fn cut_word(word: &Word, from: (usize, usize), to: (usize, usize)) -> Word {
    let mut out = Vec::new();
    for (i, part) in word.iter().enumerate() {
        if i < from.0 || i > to.0 {
            continue;
        }
        match part {
            Part::Text {
                text,
                quoted: false,
            } if i == from.0 || i == to.0 => {
                let low = if i == from.0 { from.1 } else { 0 };
                let high = if i == to.0 { to.1 } else { text.len() };
                if let Some(piece) = text.get(low..high)
                    && !piece.is_empty()
                {
                    out.push(Part::Text {
                        text: piece.to_owned(),
                        quoted: false,
                    });
                }
            }
            other if i < to.0 => out.push(other.clone()),
            _ => {}
        }
    }
    out
}

fn split_group(
    word: &Word,
    open: (usize, usize),
    commas: &[(usize, usize)],
    close: (usize, usize),
) -> Vec<Word> {
    let after = |(i, j): (usize, usize)| (i, j.saturating_add(1));
    let end = (word.len(), 0);
    let before = cut_word(word, (0, 0), open);
    let behind = cut_word(word, after(close), end);
    let mut starts = vec![after(open)];
    starts.extend(commas.iter().map(|c| after(*c)));
    let ends = commas.iter().copied().chain(std::iter::once(close));
    starts
        .into_iter()
        .zip(ends)
        .take(MAX_FIELDS)
        .map(|(low, high)| {
            let mut out = before.clone();
            out.extend(cut_word(word, low, high));
            out.extend(behind.clone());
            out
        })
        .collect()
}

fn range(word: &Word, open: (usize, usize), close: usize) -> Option<Vec<Word>> {
    let Some(Part::Text { text, .. }) = word.get(open.0) else {
        return None;
    };
    let (low, high) = text
        .get(open.1.saturating_add(1)..close)?
        .split_once("..")?;
    let items: Vec<String> = if let (Ok(low), Ok(high)) = (low.parse::<i32>(), high.parse::<i32>())
    {
        (low.min(high)..=low.max(high))
            .take(16)
            .map(|n| n.to_string())
            .collect()
    } else {
        let (low, high) = (low.chars().next()?, high.chars().next()?);
        (low.min(high)..=low.max(high))
            .take(26)
            .map(String::from)
            .collect()
    };
    let before = cut_word(word, (0, 0), open);
    let behind = cut_word(word, (open.0, close.saturating_add(1)), (word.len(), 0));
    Some(
        items
            .into_iter()
            .map(|item| {
                let mut out = before.clone();
                out.push(Part::Text {
                    text: item,
                    quoted: false,
                });
                out.extend(behind.clone());
                out
            })
            .collect(),
    )
}
