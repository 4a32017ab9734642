//! Turns words into the arguments they may become: quotes, braces, tilde, parameters,
//! substitutions, splitting.

use super::{
    arithmetic::evaluate,
    parse::flat,
    pattern::{MAX_TRIED, Pattern},
    place::HOME,
    shell::Shell,
    syntax::{Param, Part, Word},
    trace::Kind,
    value::{HOLE, Value, from},
    vars::{self, Vars},
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
        let mut out = Vec::new();
        self.fields_into(word, &mut out, scope);
        out
    }

    /// Appends the arguments a word becomes.
    pub(super) fn fields_into(&mut self, word: &Word, out: &mut Vec<Value>, scope: &mut Scope<'_>) {
        if let [
            Part::Text {
                text,
                quoted: false,
            },
        ] = word.as_slice()
            && !text.contains(['{', '~', '*', '?', '['])
        {
            out.push(Value::known(text.as_str()));
            return;
        }
        if !self.pay(1) {
            out.push(Value::unknown(0));
            return;
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
        out.append(&mut fields.done);
    }

    pub(super) fn separators(&self) -> Cow<'static, str> {
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
                Part::Double(parts) => self.add_quoted(parts, fields, scope),
                Part::Param(p) => {
                    let Some(values) = self.parameter(p, scope) else {
                        self.add_argument(&p.arg, fields, scope);
                        continue;
                    };
                    let separators = self.separators();
                    for (n, value) in values.iter().enumerate() {
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

    /// Double quotes: one field, but for `$@` and its like in them.
    fn add_quoted(&mut self, parts: &[Part], fields: &mut Fields, scope: &mut Scope<'_>) {
        let spread = |part: &Part| matches!(part, Part::Param(p) if spreads(p));
        // `"$@"` of nothing is nothing; `""` is an empty field.
        fields.started |= !matches!(parts, [only] if spread(only));
        for part in parts {
            match part {
                Part::Text { text, .. } => fields.text(text),
                Part::Param(p) if spreads(p) => {
                    let Some(values) = self.parameter(p, scope) else {
                        let value = self.joined(&p.arg, scope);
                        fields.add(&value);
                        continue;
                    };
                    for (n, value) in values.iter().enumerate() {
                        if n > 0 {
                            fields.finish();
                        }
                        fields.add(value);
                    }
                }
                part => {
                    let mut value = self.part(part, scope);
                    value.glob = false;
                    fields.add(&value);
                }
            }
        }
    }

    /// What an unquoted `${x:-…}` takes instead: split where it is not quoted.
    fn add_argument(&mut self, word: &[Part], fields: &mut Fields, scope: &mut Scope<'_>) {
        let separators = self.separators();
        for part in word {
            if let Part::Text {
                text,
                quoted: false,
            } = part
            {
                fields.split(&Value::known(&*tilde(text)), &separators);
            } else {
                self.add_parts(std::slice::from_ref(part), fields, scope);
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
                let Some(values) = self.parameter(p, scope) else {
                    return self.joined(&p.arg, scope);
                };
                let star = p.name == "*" || p.index.as_ref().is_some_and(|i| is_text(i, "*"));
                let separators = if star { self.separators() } else { " ".into() };
                let between = separators.chars().next();
                let mut out = Value::default();
                for (i, value) in values.iter().enumerate() {
                    if let Some(c) = between.filter(|_| i > 0) {
                        out.push(c.encode_utf8(&mut [0; 4]));
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

    /// The number of an expression; what its variables hide is followed.
    pub(super) fn arithmetic(&mut self, text: &Value, scope: &mut Scope<'_>) -> Value {
        let trimmed = text.text.trim();
        if trimmed
            .parse::<u32>()
            .is_ok_and(|n| trimmed == "0" || n > 0 && !trimmed.starts_with(['0', '+']))
        {
            return Value::known(trimmed);
        }
        self.hidden(&text.text, scope);
        let mut seen: Vec<String> = Vec::new();
        let mut todo = vec![text.text.clone()];
        while let Some(text) = todo.pop() {
            for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                if seen.len() < 32
                    && let Some(value) = self.vars.get(name).and_then(|v| v.first()).cloned()
                    && !seen.iter().any(|s| s == name)
                {
                    seen.push(name.to_owned());
                    self.hidden(&value.text, scope);
                    if value.text.len() < 4096 {
                        todo.push(value.text);
                    }
                }
            }
        }
        match evaluate(&mut self.vars, &text.text) {
            Some(number) => Value::known(number.to_string()),
            None => Value::unknown(0),
        }
    }

    fn lookup(&mut self, name: &str) -> Vec<Value> {
        if let Some(values) = self.vars.get(name) {
            let values = values.clone();
            if !self.vars.others(name).is_empty() && !self.used.iter().any(|n| n == name) {
                self.used.push(name.to_owned());
            }
            return values;
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
            "?" | "-" | "!" | "$" | "RANDOM" | "UID" | "EUID" | "PPID" | "LINENO" | "USER"
            | "LOGNAME" | "LANG" | "TERM" | "SHLVL" | "HOSTNAME" | "OSTYPE" | "HOSTTYPE"
            | "MACHTYPE" | "SECONDS" | "EPOCHSECONDS" | "BASHPID" | "BASH_VERSION" | "OPTIND"
            | "SRANDOM" | "BASHOPTS" | "SHELLOPTS" => {
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

    /// One element of an array.
    fn element(&mut self, name: &str, key: &Value, scope: &mut Scope<'_>) -> Vec<Value> {
        if !self.vars.contains_key(name) {
            return self.lookup(name);
        }
        if let Some(value) = self.vars.key(name, &key.text).filter(|_| key.is_known()) {
            return vec![value.clone()];
        }
        let number = self.arithmetic(key, scope);
        if !number.is_known() {
            // Any of them.
            let all = self.lookup(name);
            return match all.as_slice() {
                [] | [_] => all,
                _ => vec![Value::unknown(all.iter().fold(0, |bits, v| bits | v.from))],
            };
        }
        self.vars
            .key(name, &number.text)
            .cloned()
            .into_iter()
            .collect()
    }

    /// `${@:1}`, `${a[@]:1:2}`.
    fn slice(&mut self, name: &str, values: Vec<Value>, arg: &Value) -> Vec<Value> {
        let mut all = values;
        if matches!(name, "@" | "*") {
            let zero = self.positional.first().cloned();
            all.insert(0, zero.unwrap_or_else(|| Value::known("bash")));
        }
        match range_of(&mut self.vars, &arg.text, all.len()) {
            Some((start, end)) => all.get(start..end).unwrap_or_default().to_vec(),
            None => vec![Value::unknown(0)],
        }
    }

    /// What a parameter becomes; `None` where it is its argument.
    fn parameter(&mut self, p: &Param, scope: &mut Scope<'_>) -> Option<Vec<Value>> {
        let mut all = matches!(p.name.as_str(), "@" | "*");
        let mut name = Cow::Borrowed(p.name.as_str());
        let mut key = None;
        if let Some(index) = &p.index {
            all = is_all(index);
            if !all {
                let index = self.joined(index, scope);
                self.hidden(&index.text, scope);
                key = Some(index);
            }
        }
        if p.indirect {
            if all && p.index.is_some() {
                return Some(self.vars.keys(&name));
            }
            if matches!(p.op, "@" | "*") && p.arg.is_empty() {
                return Some(vec![Value::unknown(0)]);
            }
            let target = match key.take() {
                Some(key) => self.element(&name, &key, scope),
                None => self.lookup(&name),
            };
            if let Some(target) = target.into_iter().next() {
                self.hidden(&target.text, scope);
                if !target.is_known() {
                    return Some(vec![target]);
                }
                match vars::element(&target.text) {
                    Some((base, index)) => {
                        all = matches!(index, "@" | "*");
                        key = (!all).then(|| Value::known(index));
                        name = Cow::Owned(base.to_owned());
                    }
                    None => name = Cow::Owned(target.text),
                }
            }
        }
        let mut values = match &key {
            Some(key) => self.element(&name, key, scope),
            None => self.lookup(&name),
        };
        if !all && values.len() > 1 {
            values.truncate(1);
        }
        if !self.pay(values.iter().map(|v| v.text.len()).sum()) {
            return Some(vec![Value::unknown(0)]);
        }
        if p.length {
            let known = values.iter().all(Value::is_known);
            let length = match values.as_slice() {
                values if all => values.len(),
                [value] => value.text.chars().count(),
                _ => 0,
            };
            return Some(vec![if known {
                Value::known(length.to_string())
            } else {
                Value::unknown(0)
            }]);
        }
        let colon = p.op.len() == 2;
        let unset = values
            .iter()
            .all(|v| colon && v.text.is_empty() || v.has(from::UNSET));
        match p.op {
            "" | ":?" | "?" => Some(values),
            ":-" | "-" => (!unset).then_some(values),
            ":+" | "+" => unset.then(Vec::new),
            ":=" | "=" if !unset => Some(values),
            ":=" | "=" => {
                let arg = self.joined(&p.arg, scope);
                self.vars.insert(&name, vec![arg.clone()]);
                Some(vec![arg])
            }
            ":" => {
                let arg = self.joined(&p.arg, scope);
                self.hidden(&arg.text, scope);
                for part in arg.text.split(':') {
                    self.arithmetic(&Value::known(part), scope);
                }
                if all {
                    return Some(self.slice(&name, values, &arg));
                }
                Some(self.each_of(values, |shell, text| {
                    let chars: Vec<char> = text.chars().collect();
                    let (start, end) = range_of(&mut shell.vars, &arg.text, chars.len())?;
                    Some(chars.get(start..end)?.iter().collect())
                }))
            }
            "@" => {
                for value in &values {
                    if value.text.contains("$(") || value.text.contains('`') {
                        self.maybe(
                            &format!("cat <<HIDDEN_END\n{}\nHIDDEN_END", value.text),
                            scope,
                        );
                    }
                }
                let way = flat(&p.arg);
                Some(self.each_of(values, |_, text| transformed(text, &way)))
            }
            "^" | "^^" | "," | ",," if p.arg.is_empty() => {
                Some(self.each_of(values, |_, text| cased(text, p.op)))
            }
            "#" | "##" | "%" | "%%" | "/" | "//" | "/#" | "/%" => {
                let chars = self.pattern(&p.arg, scope);
                Some(self.each_of(values, |shell, text| {
                    let edited = edit(text, p.op, chars.as_deref()?, &mut |cost| shell.pay(cost));
                    edited.filter(|_| shell.pay(text.len()))
                }))
            }
            _ => {
                self.joined(&p.arg, scope);
                Some(self.each_of(values, |_, _| None))
            }
        }
    }

    /// Values with their known texts changed; where they cannot be, they are holes.
    fn each_of(
        &mut self,
        values: Vec<Value>,
        mut change: impl FnMut(&mut Self, &str) -> Option<String>,
    ) -> Vec<Value> {
        let changed = values.into_iter().map(|value| {
            let text = if value.is_known() && value.text.len() <= MAX_EDITED {
                change(self, &value.text)
            } else {
                None
            };
            Value {
                text: text.unwrap_or_else(|| HOLE.to_string()),
                ..value
            }
        });
        changed.collect()
    }

    /// The characters of a pattern, each with whether it is quoted.
    fn pattern(&mut self, word: &[Part], scope: &mut Scope<'_>) -> Option<Vec<(char, bool)>> {
        let mut out = Vec::new();
        let mut known = true;
        for part in word {
            let (value, quoted) = match part {
                Part::Text { text, quoted } => {
                    out.extend(text.chars().map(|c| (c, *quoted)));
                    continue;
                }
                Part::Double(parts) => (self.joined(parts, scope), true),
                part => (self.part(part, scope), false),
            };
            known &= value.is_known();
            out.extend(value.text.chars().map(|c| (c, quoted)));
        }
        (known && out.len() <= 256).then_some(out)
    }
}

/// Longest text that is edited by an expansion.
const MAX_EDITED: usize = 4096;

/// Where a slice of so many items begins and ends.
fn range_of(vars: &mut Vars, text: &str, size: usize) -> Option<(usize, usize)> {
    let (offset, length) = match text.split_once(':') {
        Some((offset, length)) => (offset, Some(length)),
        None => (text, None),
    };
    let number = |vars: &mut Vars, text: &str| match text.trim() {
        "" => Some(0),
        text => evaluate(vars, text),
    };
    let size = i64::try_from(size).ok()?;
    let offset = number(vars, offset)?;
    let start = if offset < 0 {
        size.saturating_add(offset)
    } else {
        offset.min(size)
    };
    let end = match length {
        None => size,
        Some(length) => match number(vars, length)? {
            length if length < 0 => size.saturating_add(length),
            length => start.saturating_add(length).min(size),
        },
    };
    if start < 0 {
        return Some((0, 0));
    }
    Some((
        usize::try_from(start).ok()?,
        usize::try_from(end.max(start)).ok()?,
    ))
}

/// `${x@U}` and its like.
fn transformed(text: &str, way: &str) -> Option<String> {
    Some(match way {
        "U" => text.to_uppercase(),
        "u" => return cased(text, "^"),
        "L" => text.to_lowercase(),
        "E" => super::produce::unescape(text),
        "Q" => super::wrapper::quote(text),
        // A prompt: only what it substitutes changes.
        "P" if !text.contains(['$', '`', '\\']) => text.to_owned(),
        _ => return None,
    })
}

fn cased(text: &str, op: &str) -> Option<String> {
    match op {
        "^^" => return Some(text.to_uppercase()),
        ",," => return Some(text.to_lowercase()),
        _ => {}
    }
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return Some(String::new());
    };
    let first: String = if op == "^" {
        first.to_uppercase().collect()
    } else {
        first.to_lowercase().collect()
    };
    Some(first + chars.as_str())
}

/// `${x%…}` and `${x/…}` on known text.
fn edit(
    value: &str,
    op: &str,
    chars: &[(char, bool)],
    pay: &mut dyn FnMut(usize) -> bool,
) -> Option<String> {
    let (pattern, with) = if op.starts_with('/') {
        let cut = chars.iter().position(|c| *c == ('/', false));
        let cut = cut.unwrap_or(chars.len());
        let with = chars.get(cut.saturating_add(1)..).unwrap_or_default();
        (chars.get(..cut).unwrap_or_default(), with)
    } else {
        (chars, &[][..])
    };
    let pattern = Pattern::new(pattern)?;
    if pattern.is_wild() {
        let size = value.len();
        if size > MAX_TRIED || !pay(size.saturating_mul(size)) {
            return None;
        }
    }
    Some(match op {
        "#" | "##" => pattern.without_start(value, op == "##"),
        "%" | "%%" => pattern.without_end(value, op == "%%"),
        _ => pattern.replaced(value, op, with),
    })
}

fn is_text(word: &Word, wanted: &str) -> bool {
    matches!(word.as_slice(), [Part::Text { text, .. }] if text == wanted)
}

fn is_all(index: &Word) -> bool {
    is_text(index, "@") || is_text(index, "*")
}

/// Whether a parameter in double quotes becomes one field for each of its values.
fn spreads(p: &Param) -> bool {
    !p.length && (p.name == "@" || p.index.as_ref().is_some_and(|i| is_text(i, "@")))
}

fn tilde(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HOME}{rest}").into(),
        _ => match text.split_once("=~") {
            Some((name, rest))
                if (rest.is_empty() || rest.starts_with('/'))
                    && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                format!("{name}={HOME}{rest}").into()
            }
            _ => text.into(),
        },
    }
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
    let items = sequence(text.get(open.1.saturating_add(1)..close)?)?;
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

/// `1..9`, `a..e`, `01..10..3`: the items, at most [`MAX_FIELDS`], a hole for all others.
fn sequence(text: &str) -> Option<Vec<String>> {
    let mut pieces = text.split("..");
    let (low, high, step) = (pieces.next()?, pieces.next()?, pieces.next());
    if pieces.next().is_some() {
        return None;
    }
    let step = step.map_or(Ok(1), str::parse::<i64>).ok()?;
    let step = usize::try_from(step.unsigned_abs()).ok()?.max(1);
    let (numbers, first, last) = match (low.parse::<i32>(), high.parse::<i32>()) {
        (Ok(first), Ok(last)) => (true, first, last),
        _ => {
            let one = |text: &str| {
                let mut chars = text.chars();
                let c = chars.next().filter(char::is_ascii)?;
                chars.next().is_none().then_some(c as i32)
            };
            (false, one(low)?, one(high)?)
        }
    };
    let padded =
        |t: &str| t.trim_start_matches('-').len() > 1 && t.trim_start_matches('-').starts_with('0');
    let width = if padded(low) || padded(high) {
        low.len().max(high.len())
    } else {
        0
    };
    let show = |n: i32| {
        if numbers {
            format!("{n:0width$}")
        } else {
            u32::try_from(n)
                .ok()
                .and_then(char::from_u32)
                .map(String::from)
                .unwrap_or_default()
        }
    };
    let up = first <= last;
    let range: Box<dyn Iterator<Item = i32>> = if up {
        Box::new((first..=last).step_by(step))
    } else {
        Box::new((last..=first).rev().step_by(step))
    };
    let mut items: Vec<String> = range.take(MAX_FIELDS.saturating_add(1)).map(show).collect();
    if items.len() > MAX_FIELDS {
        items.truncate(MAX_FIELDS.saturating_sub(1));
        items.push(HOLE.to_string());
    }
    Some(items)
}
