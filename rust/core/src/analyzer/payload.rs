//! What the shape of arguments shows: credentials by name, code in text, content for the public.
//! Informational: no built-in rule decides by these findings alone.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    policy::words::Words,
    span::Span,
};
use serde::Deserialize;

/// How much of one text is searched for code.
const LOOK: usize = 8 << 10;
/// How many brackets of one text are looked at: what is found here decides nothing.
const BRACKETS: usize = 256;
/// Shortest value that can be a credential.
const SHORTEST: usize = 6;

/// The compiled entries of kind `payload`.
#[derive(Debug, Default)]
pub struct PayloadAnalyzer {
    /// Marks by the byte before their bracket; prose hardly ever has one of these there.
    marks: Vec<(u8, Mark)>,
    /// Which bytes stand before a mark's bracket.
    keys: [u64; 4],
    credential: Option<DetectorId>,
    url: Option<DetectorId>,
    public: Option<DetectorId>,
}

/// A text that code has, around its first bracket: `require` `(` `'`.
#[derive(Debug)]
struct Mark {
    before: String,
    after: String,
    detector: DetectorId,
}

/// The form of `match`: one of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    /// Texts that code has and prose has not.
    marks: Vec<String>,
    /// What else is recognised.
    shape: Option<Shape>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// A member named as a credential, with a value that can be one.
    CredentialInKey,
    /// A URL that the call speaks to.
    Url,
    /// Text beside a destination that everybody can read.
    ContentToPublic,
}

impl PayloadAnalyzer {
    /// Compiles the entries of kind `payload`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog) -> Result<Self, CatalogError> {
        let mut analyzer = Self::default();
        for (detector, entry) in catalog.iter() {
            if entry.kind != DetectorKind::Payload {
                continue;
            }
            let bad = |message: String| CatalogError::Syntax {
                file: entry.file.clone(),
                message: format!("detector \"{}\": {message}", entry.id),
            };
            let source: Source = typed(&entry.matcher).map_err(bad)?;
            match source.shape {
                Some(Shape::CredentialInKey) => analyzer.credential = Some(detector),
                Some(Shape::Url) => analyzer.url = Some(detector),
                Some(Shape::ContentToPublic) => analyzer.public = Some(detector),
                None if source.marks.is_empty() => {
                    return Err(bad("match has neither marks nor a shape".into()));
                }
                None => {}
            }
            for mark in source.marks {
                let split = mark
                    .find(['(', '<'])
                    .and_then(|at| Some((mark.get(..at)?, mark.get(at..)?)));
                let Some((before, after)) = split else {
                    return Err(bad(format!("mark {mark:?} has neither ( nor <")));
                };
                let key = before.bytes().next_back().unwrap_or(b'<');
                analyzer.note(key);
                let (before, after) = (before.into(), after.into());
                analyzer.marks.push((
                    key,
                    Mark {
                        before,
                        after,
                        detector,
                    },
                ));
            }
        }
        Ok(analyzer)
    }

    fn note(&mut self, key: u8) {
        if let Some(word) = self.keys.get_mut(usize::from(key.wrapping_shr(6))) {
            *word |= 1_u64.wrapping_shl(u32::from(key));
        }
    }

    fn noted(&self, key: u8) -> bool {
        self.keys
            .get(usize::from(key.wrapping_shr(6)))
            .is_some_and(|word| word & 1_u64.wrapping_shl(u32::from(key)) != 0)
    }

    /// Reports code in a text that nothing executes; each kind once.
    pub fn text(&self, text: &str, scope: &mut Scope<'_>) {
        let bytes = text.as_bytes();
        let head = bytes.get(..LOOK).unwrap_or(bytes);
        let mut seen: Vec<DetectorId> = Vec::new();
        for at in memchr::memchr2_iter(b'(', b'<', head).take(BRACKETS) {
            let (Some(left), Some(right)) = (head.get(..at), head.get(at..)) else {
                continue;
            };
            let key = match right.first() {
                Some(b'<') => b'<',
                _ => left.last().copied().unwrap_or(b' '),
            };
            if !self.noted(key) {
                continue;
            }
            for (byte, mark) in &self.marks {
                if *byte != key
                    || seen.contains(&mark.detector)
                    || !right.starts_with(mark.after.as_bytes())
                {
                    continue;
                }
                let Some(outside) = left.strip_suffix(mark.before.as_bytes()) else {
                    continue;
                };
                // `medieval(` and `model.eval(` are other names.
                let name = mark
                    .before
                    .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                let longer = outside
                    .last()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
                if name && longer {
                    continue;
                }
                seen.push(mark.detector);
                let end = at.saturating_add(mark.after.len());
                scope.report(mark.detector, Span::new(outside.len(), end), None);
            }
        }
    }

    /// Reports the value of a member that is named as a credential is.
    pub fn credential(&self, text: &str, scope: &mut Scope<'_>) {
        if let Some(detector) = self.credential
            && is_credential(text)
        {
            scope.report(detector, Span::new(0, text.len()), None);
        }
    }

    /// Reports a URL that the call speaks to.
    pub fn url(&self, span: Span, scope: &mut Scope<'_>) {
        if let Some(detector) = self.url {
            scope.report(detector, span, None);
        }
    }

    /// Reports a text that goes where everybody can read it.
    pub fn public(&self, text: &str, scope: &mut Scope<'_>) {
        if let Some(detector) = self.public {
            scope.report(detector, Span::new(0, text.len()), None);
        }
    }
}

/// Whether a name ends in what a credential is called: `db_password`, `apiKey`; not `token_type`.
#[must_use]
pub fn names_credential(name: &str) -> bool {
    if name.len() < 3 || name.len() > 64 {
        return false;
    }
    let words = Words::of(name);
    let mut last = words.iter().rev();
    match last.next() {
        Some(
            "password" | "passwd" | "pwd" | "passphrase" | "secret" | "token" | "apikey"
            | "credential" | "accesskey" | "secretkey",
        ) => !words.any(&["next", "page", "continuation", "cancellation", "progress"]),
        Some("key") => matches!(last.next(), Some("api" | "access" | "secret" | "private")),
        _ => false,
    }
}

/// Whether a value can be a credential: not a placeholder, a reference or a sentence.
fn is_credential(text: &str) -> bool {
    if text.len() < SHORTEST || text.len() > 512 {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    let reference = text.starts_with(['$', '%', '<', '{', '*', '/', '~', '.'])
        || [
            "env",
            "vault:",
            "op://",
            "ref",
            "your",
            "my_",
            "xxx",
            "changeme",
            "example",
            "placeholder",
            "redacted",
            "none",
            "null",
            "http://",
            "https://",
            "arn:",
            "projects/",
            "secret",
            "dummy",
            "test",
        ]
        .iter()
        .any(|start| lower.starts_with(start));
    let bytes = text.as_bytes();
    !reference
        && !bytes.iter().any(u8::is_ascii_whitespace)
        && bytes.iter().any(|b| Some(b) != bytes.first())
}
