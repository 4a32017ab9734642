//! Matches one simple command against the catalogue's entries of kind `command`.

use super::{
    place::{self, CLASSES},
    value::{HOLE, Value, glob, glob_lower},
};
use crate::detector::{Catalog, CatalogError, DetectorId, OneOrMany, syntax::DetectorKind, typed};
use serde::Deserialize;
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    ptr,
    sync::LazyLock,
};

/// The `match` and `unless` of an entry. All fields that are given must hold; the values within
/// a field are alternatives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pattern {
    /// Names without folder, in lower case; `*` and `?` are wild. `*` alone, with a subcommand, is
    /// any program that is not excepted by `unless`.
    program: OneOrMany,
    /// Leading operands: `"s3 rm|rb"` is `s3` and then one of the two; `*` stands for any one.
    subcommand: OneOrMany,
    /// Flags, of which one is given; `-x` also within a cluster.
    any_flag: OneOrMany,
    /// Flags that are all given; `"-f|--force"` is one of the two.
    all_flags: OneOrMany,
    /// Values of flags, as globs; keys as in `all_flags`.
    flag_value: BTreeMap<String, OneOrMany>,
    /// Globs, of which one matches an operand behind the subcommand.
    operand: OneOrMany,
    /// Globs, of which one matches any argument; case is ignored.
    arg: OneOrMany,
    /// A second list like `arg`.
    also: OneOrMany,
    /// Classes of which one fits an operand; see `place.rs`.
    place: OneOrMany,
    /// Classes of which one fits each operand, in a command of the outermost text that runs in a
    /// known folder, with no other rights and not for many operands.
    every_place: OneOrMany,
    /// Classes of which one fits the last operand.
    last_place: OneOrMany,
    /// Classes of which one fits what is written to by a redirection.
    write_to: OneOrMany,
    /// Globs of which one matches what is written to.
    write_path: OneOrMany,
    /// At least so many operands behind the subcommand.
    min_operands: usize,
    /// At most so many.
    max_operands: Option<usize>,
    /// Runs with another user's rights.
    privileged: Option<bool>,
    /// Operands come out of a search: `find -exec`, `xargs`.
    bulk: Option<bool>,
    /// Output goes to another program.
    piped: Option<bool>,
    /// Found by code under this name.
    builtin: Option<String>,
    /// `place`, `every_place`, `last_place` and `write_to` as bits.
    #[serde(skip)]
    wanted: Wanted,
}

/// Classes of places as bits.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    place: u32,
    every: u32,
    last: u32,
    write: u32,
}

/// Most leading words among which a subcommand is looked for.
const MOST_WORDS: usize = 4;

/// One compiled entry.
#[derive(Debug)]
struct Entry {
    id: DetectorId,
    wanted: Pattern,
    unless: Vec<Pattern>,
}

/// All entries, by program.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    by_program: HashMap<String, Vec<usize>>,
    by_glob: Vec<(String, usize)>,
    /// Entries about any program, and the words of which their subcommands have one.
    any_program: Vec<usize>,
    any_words: HashSet<String>,
    any_stems: Vec<String>,
    writers: Vec<usize>,
    builtins: HashMap<String, DetectorId>,
}

/// One simple command, ready to be matched.
pub(super) struct Fact<'f> {
    pub program: &'f str,
    pub args: &'f [Value],
    pub flags: Vec<Cow<'f, str>>,
    pub operands: Vec<&'f Value>,
    pub values: Vec<(Cow<'f, str>, Cow<'f, str>)>,
    pub writes: &'f [Value],
    pub cwd: Option<&'f str>,
    pub privileged: bool,
    pub bulk: bool,
    pub piped: bool,
    /// Runs elsewhere: in another text, on another machine, in an unknown folder.
    pub elsewhere: bool,
    /// Classes of the operands that were asked for.
    classes: RefCell<Vec<(&'f Value, u32)>>,
}

/// Programs whose options are long with one dash.
const ONE_DASH: [&str; 18] = [
    "find",
    "terraform",
    "tofu",
    "packer",
    "openssl",
    "nmap",
    "ffmpeg",
    "java",
    "vault",
    "consul",
    "nomad",
    "gdb",
    "terragrunt",
    "dotnet",
    "azcopy",
    "xinput",
    "spctl",
    "bq",
];

/// Programs whose first operand is a pattern.
const SEARCHES: [&str; 9] = [
    "grep", "egrep", "fgrep", "rg", "ag", "ack", "zgrep", "ugrep", "pgrep-x",
];

/// Programs that accept any unambiguous beginning of a long option.
const ABBREVIATES: [&str; 24] = [
    "rm", "chmod", "chown", "chgrp", "cp", "mv", "ln", "shred", "truncate", "tee", "rmdir",
    "install", "tar", "wget", "git", "grep", "sed", "xargs", "base64", "mkdir", "touch", "kill",
    "mount", "useradd",
];

/// Options that take a value, where operands or values are looked at.
const VALUED: [(&str, &str); 33] = [
    (
        "git",
        "-C -c --git-dir --work-tree --namespace -m --message -F --author --date -b -B -o --push-option",
    ),
    (
        "kubectl",
        "-n --namespace --context --cluster --kubeconfig -s --server --user --as -l --selector -f --filename -o --output -c --container --token --replicas -p --patch -k --type",
    ),
    ("oc", "-n --namespace --context --kubeconfig -l -f -o"),
    (
        "docker",
        "-H --host -c --context --config -l --log-level --restart -v --volume -e --env --name -p --publish -w --workdir -u --user --filter --format --network --entrypoint -f --file -t --tag --profile --project-name --rmi --time",
    ),
    (
        "podman",
        "-H --host -c -e --env --name -p -w -u --filter --format --network --entrypoint --time",
    ),
    (
        "docker-compose",
        "-f --file -p --project-name --profile --env-file --project-directory --rmi --timeout",
    ),
    (
        "aws",
        "--profile --region --output --endpoint-url --query --instance-ids --bucket --key --name --user-name --db-instance-identifier --function-name --table-name --stack-name --cli-input-json",
    ),
    (
        "gcloud",
        "--project --zone --region --account --format --configuration --filter",
    ),
    ("gsutil", "-o -h -u"),
    (
        "az",
        "-g --resource-group -n --name -s --server --subscription -o --output --ids",
    ),
    (
        "helm",
        "-n --namespace --kube-context --kubeconfig -f --values --set --version",
    ),
    ("redis-cli", "-h -p -a -n -u -s --user --pass -i -r"),
    (
        "systemctl",
        "-s --signal -t --type -n -H -M -p --property --kill-who --kill-whom",
    ),
    ("journalctl", "-u --unit -n --since --until"),
    (
        "rsync",
        "-e --rsh --exclude --include --exclude-from --files-from --password-file",
    ),
    ("npm", "--prefix --registry -w --workspace --tag"),
    (
        "pip",
        "--index-url -i -r --requirement -c --extra-index-url -t --target --python",
    ),
    ("kill", "-s -n --signal"),
    ("pkill", "-u -U -g -t -P --signal --euid --uid"),
    ("killall", "-s -u --signal --user -o -y"),
    (
        "gh",
        "-R --repo -X --method -H --header -f -F --title --body -t -b",
    ),
    ("vault", "-address -namespace"),
    ("crontab", "-u"),
    ("truncate", "-s --size -r --reference -o"),
    ("shred", "-n -s --iterations --size --random-source"),
    ("chmod", "--reference"),
    ("chown", "--reference --from"),
    (
        "install",
        "-m --mode -o --owner -g --group -t --target-directory -S",
    ),
    ("cp", "-t --target-directory -S --suffix"),
    ("mv", "-t --target-directory -S --suffix"),
    ("setfacl", "-m -x -M -X --modify --remove"),
    (
        "iptables",
        "-t -A -I -D -p -j -s -d --dport --sport -i -o -m",
    ),
    (
        "curl",
        "-X --request -o --output -d --data -H --header -u --user -F --form -T --upload-file -K --config -e -A -b -c -m -w -x",
    ),
];

/// [`VALUED`] by program.
static TAKING: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    VALUED
        .iter()
        .map(|(program, options)| (*program, options.split(' ').collect()))
        .collect()
});

/// `-a` … by the letter.
static SHORT: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..128_u8).map(|b| format!("-{}", b as char)).collect());

fn short(c: char) -> Cow<'static, str> {
    match SHORT.get(c as usize) {
        Some(flag) => Cow::Borrowed(flag),
        None => Cow::Owned(format!("-{c}")),
    }
}

impl<'f> Fact<'f> {
    pub(super) fn new(program: &'f str, args: &'f [Value], writes: &'f [Value]) -> Self {
        let mut fact = Self {
            program,
            args,
            flags: Vec::new(),
            operands: Vec::with_capacity(args.len()),
            values: Vec::new(),
            writes,
            cwd: None,
            privileged: false,
            bulk: false,
            piped: false,
            elsewhere: false,
            classes: RefCell::default(),
        };
        let family = if program.starts_with("pip") {
            "pip"
        } else {
            program
        };
        let valued = TAKING.get(family).map_or(&[][..], Vec::as_slice);
        // The first operand is what is looked for, not where.
        let mut pattern = SEARCHES.contains(&program)
            && !args.iter().any(|a| {
                matches!(
                    a.text.as_str(),
                    "-e" | "-f" | "--regexp" | "--file" | "--files"
                )
            });
        let one_dash = ONE_DASH.contains(&program);
        let mut i = 0_usize;
        while let Some(arg) = args.get(i) {
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            if text == "--" {
                fact.operands.extend(args.get(i..).unwrap_or_default());
                break;
            }
            if !text.starts_with('-') || text.len() < 2 {
                if !std::mem::take(&mut pattern) {
                    fact.operands.push(arg);
                }
                continue;
            }
            let mut take = |flag: Cow<'f, str>, inline: Option<&'f str>, i: &mut usize| {
                if let Some(inline) = inline {
                    fact.values.push((flag, without_holes(inline)));
                } else if let Some(next) = args.get(*i) {
                    *i = i.saturating_add(1);
                    fact.values.push((flag, next.solid()));
                }
            };
            if text.starts_with("--") || one_dash {
                let (flag, inline) = match text.split_once('=') {
                    Some((flag, value)) => (flag, Some(value)),
                    None => (text, None),
                };
                if inline.is_some() || valued.contains(&flag) {
                    take(flag.into(), inline, &mut i);
                }
                fact.flags.push(flag.into());
                continue;
            }
            fact.flags.push(text.into());
            for (at, c) in text.char_indices().skip(1).take(32) {
                let flag = short(c);
                let takes = valued.contains(&&*flag);
                if takes {
                    let rest = text
                        .get(at.saturating_add(c.len_utf8())..)
                        .filter(|r| !r.is_empty());
                    take(flag.clone(), rest, &mut i);
                }
                fact.flags.push(flag);
                if takes {
                    break;
                }
            }
        }
        fact
    }

    /// The classes of an operand or of what is written to.
    fn classes(&self, value: &'f Value) -> u32 {
        let known = |seen: &&(&Value, u32)| ptr::eq(seen.0, value);
        if let Some((_, classes)) = self.classes.borrow().iter().find(known) {
            return *classes;
        }
        let classes = place::classes(value, self.cwd);
        self.classes.borrow_mut().push((value, classes));
        classes
    }

    fn has(&self, flag: &str) -> bool {
        flag.split('|')
            .any(|flag| self.flags.iter().any(|given| self.same(given, flag)))
    }

    fn same(&self, given: &str, flag: &str) -> bool {
        if given == flag || self.windows() && given.eq_ignore_ascii_case(flag) {
            return true;
        }
        // `--force` is a flag of its own, not short for `--force-with-lease`.
        let other = flag.starts_with("--force-") && given == "--force";
        let begins = given.len() > 3 && given.starts_with("--") && flag.starts_with(given);
        begins && !other && ABBREVIATES.contains(&self.program)
    }

    fn windows(&self) -> bool {
        self.program
            .split_once('-')
            .is_some_and(|(verb, _)| super::windows::is_verb(verb))
    }

    /// Only asks for help or shows what it would do.
    fn harmless(&self) -> bool {
        // There `--help` is a name that is looked for.
        if self.program == "find" && self.args.len() > 1 {
            return false;
        }
        let asks = self.flags.iter().any(|f| {
            matches!(
                &**f,
                "--help"
                    | "--version"
                    | "--dry-run"
                    | "--dryrun"
                    | "-WhatIf"
                    | "-whatif"
                    | "--what-if"
                    | "--noop"
                    | "--just-print"
                    | "--simulate"
                    | "--whatif"
            )
        });
        let refuted = self
            .values
            .iter()
            .any(|(f, v)| f == "--dry-run" && matches!(&**v, "none" | "false"));
        asks && !refuted || self.args.iter().any(|a| a.text == "/?")
    }
}

fn any_glob(patterns: &[String], text: &str) -> bool {
    patterns
        .iter()
        .any(|p| glob_lower(p.as_bytes(), text.as_bytes()))
}

fn without_holes(text: &str) -> Cow<'_, str> {
    if text.contains(HOLE) {
        Cow::Owned(text.replace(HOLE, ""))
    } else {
        Cow::Borrowed(text)
    }
}

fn mask(names: &[String]) -> u32 {
    names
        .iter()
        .filter_map(|n| CLASSES.iter().position(|c| c == n))
        .fold(0, |m, i| m | 1_u32 << i)
}

impl Pattern {
    fn check(&self) -> Result<(), String> {
        for list in [
            &self.place,
            &self.every_place,
            &self.last_place,
            &self.write_to,
        ] {
            for name in list.iter() {
                if !CLASSES.contains(&name.as_str()) {
                    return Err(format!("unknown place \"{name}\""));
                }
            }
        }
        Ok(())
    }

    /// Checks it, and brings it into the form in which it is matched.
    fn ready(mut self) -> Result<Self, String> {
        self.check()?;
        for list in [
            &mut self.operand,
            &mut self.arg,
            &mut self.also,
            &mut self.write_path,
        ]
        .into_iter()
        .chain(self.flag_value.values_mut())
        {
            list.lower();
        }
        self.wanted = Wanted {
            place: mask(&self.place),
            every: mask(&self.every_place),
            last: mask(&self.last_place),
            write: mask(&self.write_to),
        };
        Ok(self)
    }

    /// How many leading operands the subcommand takes, if it matches.
    fn subcommand(&self, fact: &Fact<'_>) -> Option<usize> {
        let list = &self.subcommand;
        if list.is_empty() {
            return Some(0);
        }
        list.iter().find_map(|words| {
            let mut count = 0_usize;
            for word in words.split(' ') {
                let operand = fact.operands.get(count)?;
                let solid = operand.solid();
                if word != "*"
                    && !word.split('|').any(|w| {
                        if w.contains('*') {
                            glob(w.as_bytes(), solid.as_bytes())
                        } else {
                            w == solid
                        }
                    })
                {
                    return None;
                }
                count = count.saturating_add(1);
            }
            Some(count)
        })
    }

    fn every<'f>(&self, operands: &[&'f Value], fact: &Fact<'f>) -> bool {
        let wanted = self.wanted.every;
        wanted == 0
            || !fact.elsewhere
                && !fact.bulk
                && !fact.privileged
                && !operands.is_empty()
                && operands.iter().all(|v| fact.classes(v) & wanted != 0)
    }

    fn holds<'f>(&self, fact: &Fact<'f>) -> bool {
        let Some(skip) = self.subcommand(fact) else {
            return false;
        };
        let operands = fact.operands.get(skip..).unwrap_or_default();
        let any = |list: &OneOrMany, test: &dyn Fn(&String) -> bool| {
            list.is_empty() || list.iter().any(test)
        };
        let args = |list: &OneOrMany| {
            list.is_empty() || fact.args.iter().any(|a| any_glob(list, &a.solid()))
        };
        let place = |wanted: u32, mut values: &mut dyn Iterator<Item = &'f Value>| {
            wanted == 0 || Iterator::any(&mut values, |v| fact.classes(v) & wanted != 0)
        };
        any(&self.any_flag, &|f| fact.has(f))
            && self.all_flags.iter().all(|f| fact.has(f))
            && self.flag_value.iter().all(|(flag, globs)| {
                fact.values.iter().any(|(given, value)| {
                    flag.split('|').any(|f| f == given) && any_glob(globs, value)
                })
            })
            && operands.len() >= self.min_operands
            && self.max_operands.is_none_or(|max| operands.len() <= max)
            && self.privileged.is_none_or(|p| p == fact.privileged)
            && self.bulk.is_none_or(|b| b == fact.bulk)
            && self.piped.is_none_or(|p| p == fact.piped)
            && (self.operand.is_empty()
                || operands.iter().any(|o| any_glob(&self.operand, &o.solid())))
            && args(&self.arg)
            && args(&self.also)
            && place(self.wanted.place, &mut operands.iter().copied())
            && self.every(operands, fact)
            && place(self.wanted.last, &mut operands.last().copied().into_iter())
            && place(self.wanted.write, &mut fact.writes.iter())
            && (self.write_path.is_empty()
                || fact
                    .writes
                    .iter()
                    .any(|w| any_glob(&self.write_path, &w.solid())))
    }
}

impl Table {
    pub(super) fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        let mut table = Self::default();
        for (id, source) in catalog.iter() {
            if source.kind != DetectorKind::Command {
                continue;
            }
            let bad = |message: String| CatalogError::Syntax {
                file: source.file.clone(),
                message: format!("detector \"{}\": {message}", source.id),
            };
            let wanted: Pattern = typed(&source.matcher).map_err(bad)?;
            let wanted = wanted.ready().map_err(bad)?;
            let unless: Vec<Pattern> = if source.unless.is_null() {
                Vec::new()
            } else if source.unless.is_array() {
                typed(&source.unless).map_err(bad)?
            } else {
                vec![typed(&source.unless).map_err(bad)?]
            };
            let unless = unless
                .into_iter()
                .map(Pattern::ready)
                .collect::<Result<Vec<_>, _>>()
                .map_err(bad)?;
            let index = table.entries.len();
            if let Some(name) = &wanted.builtin {
                table.builtins.insert(name.clone(), id);
            } else if wanted.program.is_empty() {
                if wanted.write_to.is_empty() && wanted.write_path.is_empty() {
                    return Err(bad("match needs a program, a write or a builtin".into()));
                }
                table.writers.push(index);
            }
            for program in wanted.program.iter() {
                if program == "*" {
                    if wanted.subcommand.is_empty() {
                        return Err(bad("program \"*\" needs a subcommand".into()));
                    }
                    for word in wanted.subcommand.iter().flat_map(|s| s.split([' ', '|'])) {
                        match word.strip_suffix('*') {
                            Some("") => {}
                            Some(stem) => table.any_stems.push(stem.to_owned()),
                            None => _ = table.any_words.insert(word.to_owned()),
                        }
                    }
                    table.any_program.push(index);
                } else if program.contains(['*', '?']) {
                    table.by_glob.push((program.clone(), index));
                } else {
                    table
                        .by_program
                        .entry(program.clone())
                        .or_default()
                        .push(index);
                }
            }
            table.entries.push(Entry { id, wanted, unless });
        }
        Ok(table)
    }

    /// The entry that code reports under this name.
    pub(super) fn builtin(&self, name: &str) -> Option<DetectorId> {
        self.builtins.get(name).copied()
    }

    /// Whether any entry speaks of this program.
    pub(super) fn knows(&self, program: &str) -> bool {
        self.by_program.contains_key(program)
            || self
                .by_glob
                .iter()
                .any(|(p, _)| glob(p.as_bytes(), program.as_bytes()))
    }

    /// Whether one of the first words is one that entries about any program look for.
    pub(super) fn speaks(&self, args: &[Value]) -> bool {
        args.iter()
            .filter(|a| !a.text.starts_with('-'))
            .take(MOST_WORDS)
            .any(|a| {
                self.any_words.contains(a.text.as_str())
                    || self
                        .any_stems
                        .iter()
                        .any(|s| a.text.starts_with(s.as_str()))
            })
    }

    /// The first program an entry speaks of that matches a pattern over names.
    pub(super) fn named(&self, pattern: &str) -> Option<&str> {
        // The likeliest first, as several may match.
        ["rm", "sh", "bash", "dd", "curl", "nc", "chmod"]
            .into_iter()
            .find(|p| glob(pattern.as_bytes(), p.as_bytes()))
            .or_else(|| {
                self.by_program
                    .keys()
                    .map(String::as_str)
                    .find(|p| glob(pattern.as_bytes(), p.as_bytes()))
            })
    }

    /// The entries that hold of a command.
    pub(super) fn matching(&self, fact: &Fact<'_>) -> Vec<DetectorId> {
        let mut out = Vec::new();
        let mut test = |index: &usize| out.extend(self.holding(*index, fact));
        if !fact.writes.is_empty() {
            self.writers.iter().for_each(&mut test);
        }
        if fact.program.is_empty() || fact.harmless() {
            return out;
        }
        if let Some(list) = self.by_program.get(fact.program) {
            list.iter().for_each(&mut test);
        }
        for (pattern, index) in &self.by_glob {
            if glob(pattern.as_bytes(), fact.program.as_bytes()) {
                test(index);
            }
        }
        if out.is_empty() && self.speaks(fact.args) {
            out.extend(
                self.any_program
                    .iter()
                    .filter_map(|i| self.holding(*i, fact)),
            );
        }
        out
    }

    /// The entry's id if it holds.
    fn holding(&self, index: usize, fact: &Fact<'_>) -> Option<DetectorId> {
        let entry = self.entries.get(index)?;
        let excepted = |u: &Pattern| {
            (u.program.is_empty() || any_glob(&u.program, fact.program)) && u.holds(fact)
        };
        (entry.wanted.holds(fact) && !entry.unless.iter().any(excepted)).then_some(entry.id)
    }
}
