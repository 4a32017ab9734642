//! Builtins that change what the shell knows: variables, positional parameters, functions.

use super::{
    produce,
    shell::Shell,
    value::{HOLE, Value, from},
    vars::Attribute,
};
use crate::analyzer::Scope;

/// Most lines that `mapfile` keeps.
const MAX_LINES: usize = 64;

/// Options with a value of their own, and those that are given.
struct Options<'a> {
    given: Vec<(char, Option<&'a Value>)>,
    operands: &'a [Value],
}

impl<'a> Options<'a> {
    fn of(args: &'a [Value], valued: &str) -> Self {
        let mut given = Vec::new();
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            let Some(flags) = arg.text.strip_prefix(['-', '+']).filter(|f| !f.is_empty()) else {
                break;
            };
            i = i.saturating_add(1);
            if flags == "-" {
                break;
            }
            for flag in flags.chars().take(16) {
                let takes = valued.contains(flag);
                // Where the value is glued on, it is short: a delimiter, a descriptor.
                let value = if takes && flags.ends_with(flag) {
                    i = i.saturating_add(1);
                    args.get(i.saturating_sub(1))
                } else if takes {
                    Some(arg)
                } else {
                    None
                };
                given.push((flag, value));
                if takes {
                    break;
                }
            }
        }
        Self {
            given,
            operands: args.get(i..).unwrap_or_default(),
        }
    }

    fn has(&self, flag: char) -> bool {
        self.given.iter().any(|(f, _)| *f == flag)
    }

    fn value(&self, flag: char) -> Option<&'a Value> {
        self.given.iter().find(|(f, _)| *f == flag)?.1
    }
}

impl Shell<'_> {
    /// Follows a builtin that changes the state; says whether it did.
    pub(super) fn state(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> bool {
        match program {
            "printf" => {
                if let [flag, name, rest @ ..] = args
                    && flag.text == "-v"
                {
                    self.hidden(&name.text, scope);
                    let value = produce::printf(rest);
                    self.vars.insert(&name.text, vec![value]);
                    return true;
                }
                false
            }
            "set" => self.set_positional(args),
            "shift" => {
                let by = args.first().map_or(Ok(1), |a| a.text.parse::<usize>());
                let last = self.positional.len();
                let end = by.unwrap_or(0).saturating_add(1).min(last);
                if last > 1 {
                    self.positional.drain(1..end.max(1));
                }
                true
            }
            "declare" | "typeset" | "local" | "export" | "readonly" => {
                self.declare(program, args, scope)
            }
            "unset" => {
                for arg in args {
                    self.arithmetic(arg, scope);
                }
                let options = Options::of(args, "");
                for name in options.operands {
                    if !options.has('v') {
                        self.functions.remove(&name.text);
                    }
                    if !options.has('f') && !name.text.contains('[') {
                        self.vars.unset(&name.text);
                    }
                }
                true
            }
            "unalias" => {
                for name in args {
                    self.aliases.remove(&name.text);
                }
                true
            }
            "hash" => {
                if let [flag, path, name, ..] = args
                    && flag.text == "-p"
                {
                    self.aliases.insert(name.text.clone(), path.text.clone());
                }
                true
            }
            "shopt" => {
                self.lastpipe |= args.iter().any(|a| a.text == "lastpipe");
                true
            }
            "let" | "test" | "[" | "wait" => {
                for arg in args {
                    self.arithmetic(arg, scope);
                }
                true
            }
            "getopts" => {
                for name in args.iter().skip(1).take(1) {
                    self.vars.insert(&name.text, vec![Value::unknown(0)]);
                }
                self.vars.insert("OPTARG", vec![Value::unknown(0)]);
                true
            }
            "read" => {
                self.read_line(args, scope);
                true
            }
            "mapfile" | "readarray" => {
                self.read_lines(args);
                false
            }
            _ => false,
        }
    }

    fn set_positional(&mut self, args: &[Value]) -> bool {
        let options = Options::of(args, "o");
        let dashes = args.iter().any(|a| a.text == "--");
        if dashes || !options.operands.is_empty() {
            let first = self.positional.first().cloned();
            let mut positional = vec![first.unwrap_or_else(|| Value::known("sh"))];
            positional.extend_from_slice(options.operands);
            self.positional = positional;
        }
        !args.is_empty()
    }

    fn declare(&mut self, program: &str, args: &[Value], scope: &mut Scope<'_>) -> bool {
        let options = Options::of(args, "");
        let mut set = false;
        for arg in options.operands {
            self.hidden(&arg.text, scope);
            let (name, value) = match arg.text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg.text.as_str(), None),
            };
            let append = name.ends_with('+');
            let name = name.trim_end_matches('+');
            if matches!(program, "local" | "declare" | "typeset") && !options.has('g') {
                self.localize(name);
            }
            if program != "export" && options.has('n') {
                if let Some(target) = value {
                    self.vars.refer(name, target);
                    set = true;
                }
                continue;
            }
            for (flag, attribute) in [
                ('u', Attribute::Upper),
                ('l', Attribute::Lower),
                ('i', Attribute::Integer),
            ] {
                if options.has(flag) {
                    self.vars.mark(name, attribute);
                }
            }
            let Some(text) = value else {
                continue;
            };
            set = true;
            let mut value = Value {
                text: text.to_owned(),
                ..arg.clone()
            };
            self.environment(name, &value, scope);
            if self.vars.attribute(name) == Attribute::Integer {
                value = self.arithmetic(&value, scope);
            }
            // `declare -a 'a=(x y)'` is read as a list.
            if let Some(list) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
                self.maybe(&format!("{name}=({list})"), scope);
                continue;
            }
            if append {
                let mut old = self.vars.get(name).and_then(|v| v.first()).cloned();
                let old = old.get_or_insert_default();
                old.append(&value);
                value = old.clone();
            }
            self.vars.insert(name, vec![value]);
        }
        set
    }

    /// What a builtin reads: its standard input or the descriptor of `-u`.
    fn input(&self, options: &Options<'_>) -> Value {
        match options.value('u') {
            Some(number) => self.file(&Value::known(format!("/dev/fd/{}", number.text))),
            None => self.stdin.clone().unwrap_or_else(|| Value::unknown(0)),
        }
    }

    fn read_line(&mut self, args: &[Value], scope: &mut Scope<'_>) {
        for arg in args {
            self.arithmetic(arg, scope);
        }
        let options = Options::of(args, "dnNptuia");
        let input = self.input(&options);
        let delimiter = match options.value('d').map(|d| d.text.as_str()) {
            Some("") => '\0',
            Some(text) => text.trim_start_matches("-d").chars().next().unwrap_or('\n'),
            None => '\n',
        };
        let (record, rest) = match input.text.split_once(delimiter) {
            Some((record, rest)) => (record, rest),
            None => (input.text.as_str(), ""),
        };
        if options.value('u').is_none() && self.stdin.is_some() {
            self.consumed = Some(Value {
                text: rest.to_owned(),
                ..input.clone()
            });
        }
        let mut record = if options.has('r') {
            record.to_owned()
        } else {
            record.replace('\\', "")
        };
        let most = options.value('n').or(options.value('N'));
        if let Some(most) = most.and_then(|n| n.text.trim_start_matches("-n").parse().ok()) {
            record = record.chars().take(most).collect();
        }
        let made = |text: &str| Value {
            text: text.to_owned(),
            glob: false,
            from: input.from,
        };
        let ifs = self.separators();
        let blank = |c: char| ifs.contains(c) && c.is_whitespace();
        let pieces = |most: usize| -> Vec<Value> {
            let mut out = Vec::new();
            let mut left = record.trim_matches(blank);
            while !left.is_empty() && out.len().saturating_add(1) < most {
                let Some((piece, rest)) = left.split_once(|c| ifs.contains(c)) else {
                    break;
                };
                out.push(made(piece));
                left = rest.trim_start_matches(blank);
            }
            if !left.is_empty() || out.is_empty() {
                out.push(made(left));
            }
            out
        };
        if let Some(name) = options.value('a') {
            self.vars.insert(&name.text, pieces(usize::MAX));
            return;
        }
        let names: Vec<&Value> = options.operands.iter().take(64).collect();
        if names.is_empty() {
            self.vars.insert("REPLY", vec![made(&record)]);
        }
        let values = pieces(names.len().max(1));
        for (at, name) in names.into_iter().enumerate() {
            let value = match values.get(at) {
                Some(value) => value.clone(),
                // An unknown text may have as many words as there are names.
                None if record.contains(HOLE) => Value::unknown(input.from),
                None => Value::default(),
            };
            let value = if record.contains(HOLE) && value.is_known() && at > 0 {
                Value::unknown(input.from)
            } else {
                value
            };
            self.vars.insert(&name.text, vec![value]);
        }
    }

    fn read_lines(&mut self, args: &[Value]) {
        let options = Options::of(args, "dnOsuCc");
        let input = self.input(&options);
        let name = options
            .operands
            .first()
            .map_or("MAPFILE", |a| a.text.as_str());
        let lines = if input.is_known() {
            let end = if options.has('t') { "" } else { "\n" };
            let lines = input.text.lines().take(MAX_LINES);
            lines.map(|l| Value::known(format!("{l}{end}"))).collect()
        } else {
            vec![Value {
                from: input.from & !from::UNSET,
                ..input
            }]
        };
        self.vars.insert(name, lines);
    }

    /// Keeps a variable that is local to the function that runs.
    pub(super) fn localize(&mut self, name: &str) {
        let kept = self.vars.keep(name);
        if let Some(frame) = self.locals.last_mut()
            && frame.len() < 256
            && !frame.iter().any(|(n, _)| n == name)
        {
            frame.push((name.to_owned(), kept));
        }
    }
}
