//! File paths that hold credentials or belong to the system.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    policy::category::matches,
    route::Access,
    span::Span,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use std::{borrow::Cow, collections::HashMap};

/// Longest path that is read, in bytes; the longest that Linux takes.
const LONGEST: usize = 4096;
/// Most components of a path that are looked at, from the end.
const DEEPEST: usize = 128;

/// The compiled path detectors.
#[derive(Debug, Default)]
pub struct PathAnalyzer {
    patterns: Vec<Pattern>,
    unless: HashMap<DetectorId, Vec<Pattern>>,
    /// Patterns by the literal component that tells most.
    anchors: HashMap<String, Vec<usize>>,
    /// Which lengths a component of `anchors` has.
    lengths: Lengths,
    /// Patterns without a literal component, with the ends of the last component of what they cover.
    loose: Vec<(Ends, usize)>,
    /// Entry of a call that reads a sensitive path and sends data.
    upload: Option<DetectorId>,
}

/// First and last byte of a component; `None` for any.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: Option<u8>,
    last: Option<u8>,
}

impl Ends {
    /// What a glob says of the names that it matches.
    fn of(glob: &str) -> Self {
        let known = |byte: Option<&u8>| byte.copied().filter(|b| !matches!(b, b'*' | b'?'));
        let bytes = glob.as_bytes();
        Self {
            first: known(bytes.first()),
            last: known(bytes.last()),
        }
    }

    fn fit(self, name: &[u8]) -> bool {
        let fits = |own: Option<u8>, byte: Option<&u8>| own.is_none() || own.as_ref() == byte;
        fits(self.last, name.last()) && fits(self.first, name.first())
    }
}

/// Sets of lengths by first and last byte: nearly all components of paths are told apart by these.
#[derive(Debug)]
struct Lengths(Box<[u64; 256]>);

impl Default for Lengths {
    fn default() -> Self {
        Self(Box::new([0; 256]))
    }
}

impl Lengths {
    /// Where a name would be noted.
    fn place(name: &[u8]) -> (usize, u64) {
        let first = name.first().copied().unwrap_or_default();
        let last = name.last().copied().unwrap_or_default();
        let slot = first.rotate_left(3) ^ last;
        (usize::from(slot), 1 << (name.len() & 63))
    }

    fn add(&mut self, name: &[u8]) {
        let (slot, length) = Self::place(name);
        if let Some(set) = self.0.get_mut(slot) {
            *set |= length;
        }
    }

    fn may_have(&self, name: &[u8]) -> bool {
        let (slot, length) = Self::place(name);
        self.0.get(slot).is_some_and(|set| set & length != 0)
    }
}

/// The form of `match` and `unless`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    /// Globs by component: `*` within one, `**` for any number. `/x` is from the root, `~` alone
    /// is a home, `~/x` and `x` are at the end of a path, below any folder.
    paths: Vec<String>,
    /// What is done with it.
    access: Vec<Touch>,
    /// Not a path by itself: read together with sending.
    with_upload: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Touch {
    Read,
    Write,
    Delete,
    List,
}

#[derive(Debug)]
struct Pattern {
    detector: DetectorId,
    /// From the root, or from a home.
    anchored: bool,
    parts: Vec<String>,
    /// The ends of the last component.
    ends: Ends,
    /// Components that it covers at least.
    least: usize,
    /// It has a `**`.
    grows: bool,
    access: Vec<Touch>,
}

impl PathAnalyzer {
    /// Compiles the entries of kind `path`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        let mut analyzer = Self::default();
        for (detector, source) in catalog.iter() {
            if source.kind == DetectorKind::Path {
                analyzer
                    .add(detector, &source.matcher, &source.unless)
                    .map_err(|message| CatalogError::Syntax {
                        file: source.file.clone(),
                        message: format!("detector \"{}\": {message}", source.id),
                    })?;
            }
        }
        Ok(analyzer)
    }

    fn add(&mut self, detector: DetectorId, matcher: &Value, unless: &Value) -> Result<(), String> {
        let source: Source = typed(matcher)?;
        if source.with_upload {
            self.upload = Some(detector);
            return Ok(());
        }
        if source.paths.is_empty() {
            return Err("match names no paths".into());
        }
        if !unless.is_null() {
            let exception: Source = typed(unless)?;
            let patterns = exception
                .paths
                .iter()
                .map(|path| Pattern::new(detector, path, &[]));
            self.unless.insert(detector, patterns.collect());
        }
        for path in &source.paths {
            let pattern = Pattern::new(detector, path, &source.access);
            let index = self.patterns.len();
            let anchor = pattern
                .parts
                .iter()
                .filter(|part| !part.contains(['*', '?']))
                .max_by_key(|part| part.len());
            match anchor {
                Some(anchor) => {
                    self.lengths.add(anchor.as_bytes());
                    self.anchors.entry(anchor.clone()).or_default().push(index);
                }
                None => self.loose.push((pattern.ends, index)),
            }
            self.patterns.push(pattern);
        }
        Ok(())
    }

    /// Which detector a path belongs to when it is read, after normalising `..`, `~`, `$HOME` and
    /// Windows forms.
    #[must_use]
    pub fn classify(&self, path: &str) -> Option<DetectorId> {
        self.covering(path, Access::Read).next()
    }

    /// Reports a path that is read and is an argument by itself.
    pub fn report(&self, path: &str, span: Span, scope: &mut Scope<'_>) {
        self.report_access(path, Access::Read, span, scope);
    }

    /// Reports a path by what is done with it.
    pub fn report_access(&self, path: &str, access: Access, span: Span, scope: &mut Scope<'_>) {
        for detector in self.covering(path, access) {
            scope.report(detector, span, None);
        }
    }

    /// The entry of a call that reads a sensitive path and sends data in one.
    #[must_use]
    pub fn upload(&self) -> Option<DetectorId> {
        self.upload
    }

    /// Whether no pattern has a component of a path that is normal, or ends as it does.
    fn knows_none(&self, path: &str) -> bool {
        let mut last: &[u8] = &[];
        for part in path.as_bytes().split(|b| *b == b'/') {
            if self.lengths.may_have(part) {
                return false;
            }
            last = part;
        }
        !self.loose.iter().any(|(ends, _)| ends.fit(last))
    }

    fn covering(&self, path: &str, access: Access) -> impl Iterator<Item = DetectorId> {
        let mut found: Vec<DetectorId> = Vec::new();
        let plain = is_normal(path);
        if !path.is_empty() && path.len() <= LONGEST && !(plain && self.knows_none(path)) {
            let normal = if plain {
                Cow::Borrowed(path)
            } else {
                Cow::Owned(normal(path))
            };
            let parts = components(&normal);
            let touch = match access {
                Access::Read => Touch::Read,
                Access::Write => Touch::Write,
                Access::Delete => Touch::Delete,
                Access::List => Touch::List,
            };
            let anchored = parts
                .iter()
                .filter(|part| self.lengths.may_have(part.as_bytes()))
                .filter_map(|part| self.anchors.get(*part))
                .flatten();
            let last = parts.last().copied().unwrap_or_default();
            let loose = self
                .loose
                .iter()
                .filter(|(ends, _)| ends.fit(last.as_bytes()))
                .map(|(_, index)| index);
            for index in anchored.chain(loose) {
                if let Some(pattern) = self.patterns.get(*index)
                    && pattern.access.contains(&touch)
                    && !found.contains(&pattern.detector)
                    && pattern.covers(&parts)
                    && !self
                        .unless
                        .get(&pattern.detector)
                        .is_some_and(|unless| unless.iter().any(|u| u.covers(&parts)))
                {
                    found.push(pattern.detector);
                }
            }
        }
        found.into_iter()
    }
}

impl Pattern {
    fn new(detector: DetectorId, path: &str, access: &[Touch]) -> Self {
        let lower = path.to_ascii_lowercase();
        let anchored = lower.starts_with('/') || lower == "~";
        // A `~` in front says where people find it; backups and other users have it elsewhere.
        let text = lower.strip_prefix("~/").unwrap_or(&lower);
        let mut parts: Vec<String> = Vec::new();
        if lower.starts_with('/') {
            parts.push("/".into());
        }
        parts.extend(text.split('/').filter(|p| !p.is_empty()).map(Into::into));
        let least = parts.iter().filter(|p| *p != "**").count();
        Self {
            detector,
            anchored,
            least,
            ends: parts.last().map(|part| Ends::of(part)).unwrap_or_default(),
            grows: least < parts.len(),
            parts,
            access: if access.is_empty() {
                vec![Touch::Read]
            } else {
                access.to_vec()
            },
        }
    }

    /// Whether the pattern covers the path; `**` takes as few components as will do.
    fn covers(&self, path: &[&str]) -> bool {
        let last = path.last().copied().unwrap_or_default();
        if !self.ends.fit(last.as_bytes()) {
            return false;
        }
        let (mut at, mut part) = (0_usize, 0_usize);
        let mut back = None;
        if !self.anchored {
            // Without `**` only the end of the path can match.
            let Some(first) = path.len().checked_sub(self.least) else {
                return false;
            };
            at = if self.grows { 0 } else { first };
            back = self.grows.then_some((0, 0));
        }
        loop {
            match (self.parts.get(part), path.get(at)) {
                (None, None) => return true,
                (Some(glob), _) if glob == "**" => {
                    part = part.saturating_add(1);
                    back = Some((at, part));
                    continue;
                }
                (Some(glob), Some(name)) if matches(glob, name) => {
                    at = at.saturating_add(1);
                    part = part.saturating_add(1);
                    continue;
                }
                _ => {}
            }
            let Some((from, after)) = back else {
                return false;
            };
            if from >= path.len() {
                return false;
            }
            at = from.saturating_add(1);
            part = after;
            back = Some((at, after));
        }
    }
}

/// Whether [`normal`] leaves a path as it is: most are relative, in small letters, without signs.
fn is_normal(path: &str) -> bool {
    let plain = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'/' | b'_' | b'-' | b'.')
    };
    path.bytes().all(plain)
        && path
            .as_bytes()
            .split(|b| *b == b'/')
            .all(|part| !part.iter().all(|b| *b == b'.'))
}

/// The components, the root first as `/`, a home as `~`.
fn components(normal: &str) -> Vec<&str> {
    let mut parts = Vec::with_capacity(8);
    if normal.starts_with('/') {
        parts.push("/");
    }
    let root = parts.len();
    parts.extend(normal.split('/').filter(|p| !p.is_empty()));
    let excess = parts.len().saturating_sub(DEEPEST.saturating_add(root));
    parts.drain(root..root.saturating_add(excess));
    parts
}

/// Variables and prefixes that stand for a home, with what they stand for.
const HOMES: [(&str, &str); 10] = [
    ("$home", "~"),
    ("${home}", "~"),
    ("%userprofile%", "~"),
    ("%homepath%", "~"),
    ("$env:userprofile", "~"),
    ("$env:home", "~"),
    ("%appdata%", "~/appdata/roaming"),
    ("$env:appdata", "~/appdata/roaming"),
    ("%localappdata%", "~/appdata/local"),
    ("$env:localappdata", "~/appdata/local"),
];

/// The path as it is compared: lower case, slashes forward, `.` and `..` resolved, links of
/// `/proc` and drive letters taken off, a home as `~`.
fn normal(path: &str) -> String {
    let path = path.trim().split('\0').next().unwrap_or_default();
    let mut text: Cow<'_, str> = Cow::Borrowed(path);
    // Two rounds: a proxy before the server may take one off.
    for _ in 0..2 {
        let hex = |t: &str| {
            t.as_bytes().windows(3).any(
                |w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
            )
        };
        if !hex(&text) {
            break;
        }
        text = Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned());
    }
    let mut lower = text.to_ascii_lowercase().replace('\\', "/");
    if let Some(rest) = lower.strip_prefix("file:") {
        let rest = match rest.strip_prefix("//") {
            Some(authority) => authority
                .find('/')
                .and_then(|i| authority.get(i..))
                .unwrap_or_default(),
            None => rest,
        };
        lower = rest.to_owned();
    }
    for prefix in ["//?/", "//./"] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            lower = rest.to_owned();
        }
    }
    // `/c:/users` of a file URL, `c:/users`, `c$` of a share.
    let drive = lower.strip_prefix('/').unwrap_or(&lower);
    if let [letter, b':', ..] = drive.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        lower = format!("/{}", drive.get(2..).unwrap_or_default());
    }
    if let Some(rest) = lower
        .strip_prefix("%systemroot%")
        .or_else(|| lower.strip_prefix("%windir%"))
    {
        lower = format!("/windows{rest}");
    }
    for (variable, meant) in HOMES {
        if let Some(rest) = lower.strip_prefix(variable)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            lower = format!("{meant}{rest}");
            break;
        }
    }
    let resolved = resolve(&lower);
    home(through_proc(&resolved))
}

/// Resolves `.` and `..`; a path that climbs out of where it starts is taken from the root.
fn resolve(path: &str) -> String {
    let mut rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        // Windows drops dots and blanks at the end, and what follows `::` names a stream.
        let part = part.split("::").next().unwrap_or(part);
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    rooted = true;
                }
            }
            other => parts.push(other.trim_end_matches(' ')),
        }
    }
    let body = parts.join("/");
    if rooted && !body.starts_with('~') {
        format!("/{body}")
    } else {
        body
    }
}

/// Takes off `/proc/self/root` and its like, as often as they follow each other.
fn through_proc(path: &str) -> &str {
    let mut path = path;
    for _ in 0..8 {
        let Some(rest) = path.strip_prefix("/proc/") else {
            break;
        };
        let Some((_, rest)) = rest.split_once('/') else {
            break;
        };
        let after = rest.strip_prefix("root").or_else(|| {
            rest.strip_prefix("task/")
                .and_then(|r| r.split_once("/root"))
                .map(|(_, r)| r)
        });
        match after {
            Some("") => return "/",
            Some(after) if after.starts_with('/') => path = after,
            _ => break,
        }
    }
    path
}

/// Writes a home folder as `~`.
fn home(path: &str) -> String {
    let rest = ["/root", "/var/root"]
        .iter()
        .find_map(|root| path.strip_prefix(root))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .or_else(|| {
            let below = ["/home/", "/users/", "/documents and settings/"]
                .iter()
                .find_map(|root| path.strip_prefix(root))?;
            Some(
                below
                    .find('/')
                    .and_then(|i| below.get(i..))
                    .unwrap_or_default(),
            )
        })
        .or_else(|| {
            // `~name` is another user's home.
            let below = path.strip_prefix('~')?;
            Some(
                below
                    .find('/')
                    .and_then(|i| below.get(i..))
                    .unwrap_or_default(),
            )
        });
    match rest {
        Some(rest) => format!("~{rest}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_in_one_form() {
        let wrong: Vec<String> = [
            ("/etc/./shadow", "/etc/shadow"),
            ("//etc//shadow", "/etc/shadow"),
            ("/srv/../etc/shadow", "/etc/shadow"),
            ("../../../../etc/shadow", "/etc/shadow"),
            ("file:///etc/shadow", "/etc/shadow"),
            ("file://localhost/etc/shadow", "/etc/shadow"),
            ("file:/etc/shadow", "/etc/shadow"),
            ("/etc/%73hadow", "/etc/shadow"),
            ("/etc/%2573hadow", "/etc/shadow"),
            ("/proc/self/root/etc/shadow", "/etc/shadow"),
            ("/proc/1/root/proc/self/root/etc/shadow", "/etc/shadow"),
            ("/etc/shadow\0.txt", "/etc/shadow"),
            ("~/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("$HOME/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("${HOME}/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("/home/ann/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("/home/ann/../bob/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("/root/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("/Users/ann/.ssh/id_rsa", "~/.ssh/id_rsa"),
            (r"C:\Users\Ann\.ssh\id_rsa", "~/.ssh/id_rsa"),
            (r"\\?\C:\Users\Ann\.ssh\id_rsa", "~/.ssh/id_rsa"),
            ("file:///C:/Users/Ann/.ssh/id_rsa", "~/.ssh/id_rsa"),
            (r"%USERPROFILE%\.ssh\id_rsa", "~/.ssh/id_rsa"),
            ("~bob/.ssh/id_rsa", "~/.ssh/id_rsa"),
            ("/home/ann", "~"),
            ("/rooted/x", "/rooted/x"),
            ("src/../src/main.rs", "src/main.rs"),
            ("/", "/"),
        ]
        .into_iter()
        .filter(|(path, expected)| normal(path) != *expected)
        .map(|(path, expected)| format!("{path}: {}, not {expected}", normal(path)))
        .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_in_one_form_already_is_left_alone() {
        for path in [
            "a",
            "src/main.rs",
            ".env",
            "a/.git/config",
            "a..b/c",
            "etc/passwd",
        ] {
            assert!(is_normal(path), "{path}");
            assert_eq!(normal(path), path);
        }
        for path in [
            "", "/a", "a/", "a//b", "..", "./a", "a/../b", "~/a", "A", "a b", "a:b", "%41",
        ] {
            assert!(!is_normal(path), "{path}");
        }
    }

    #[test]
    fn patterns_cover_by_component() {
        let covers = |pattern: &str, path: &str| {
            let normal = normal(path);
            Pattern::new(0, pattern, &[]).covers(&components(&normal))
        };
        assert!(covers("/etc/shadow", "/etc/shadow"));
        assert!(!covers("/etc/shadow", "/srv/etc/shadow"));
        assert!(!covers("/etc/shadow", "etc/shadow"));
        assert!(covers("~/.aws/credentials", "/mnt/backup/.aws/credentials"));
        assert!(covers(".env", "/srv/app/.env"));
        assert!(!covers(".env", "/srv/app/x.env"));
        assert!(covers(".env.*", ".env.production"));
        assert!(covers("/etc/**", "/etc/a/b/c"));
        assert!(covers("~/a/**/z", "~/a/b/c/z"));
        assert!(!covers("~/a/**/z", "~/a/b/c/y"));
        assert!(covers("/", "/"));
        assert!(covers("~", "/home/ann"));
        assert!(!covers("~", "/home/ann/x"));
    }
}
