//! What the shape of arguments shows: credentials by name, code in text, content for the public.
//! Informational: no built-in rule decides by these findings alone.

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    policy::words::Words,
    span::Span,
};
use aho_corasick::AhoCorasick;
use serde::Deserialize;

/// How much of one text is searched for code.
const LOOK: usize = 16 << 10;
/// Shortest value that can be a credential.
const SHORTEST: usize = 6;

/// The compiled entries of kind `payload`.
#[derive(Debug, Default)]
pub struct PayloadAnalyzer {
    marks: Option<AhoCorasick>,
    /// By pattern of `marks`.
    detectors: Vec<DetectorId>,
    credential: Option<DetectorId>,
    url: Option<DetectorId>,
    public: Option<DetectorId>,
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
        let mut marks: Vec<String> = Vec::new();
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
            analyzer
                .detectors
                .extend(source.marks.iter().map(|_| detector));
            marks.extend(source.marks);
        }
        if !marks.is_empty() {
            let built = AhoCorasick::new(&marks).map_err(|e| CatalogError::Syntax {
                file: "detectors".into(),
                message: e.to_string(),
            })?;
            analyzer.marks = Some(built);
        }
        Ok(analyzer)
    }

    /// Reports code in a text that nothing executes; each kind once.
    pub fn text(&self, text: &str, scope: &mut Scope<'_>) {
        let Some(marks) = &self.marks else {
            return;
        };
        let bytes = text.as_bytes();
        let head = bytes.get(..LOOK).unwrap_or(bytes);
        // Every mark ends in a bracket or is a tag.
        if memchr::memchr2(b'(', b'<', head).is_none() {
            return;
        }
        let mut seen: Vec<DetectorId> = Vec::new();
        for found in marks.find_iter(head) {
            let Some(&detector) = self.detectors.get(found.pattern().as_usize()) else {
                continue;
            };
            // `medieval(` and `model.eval(` are other names.
            let before = found.start().checked_sub(1).and_then(|i| head.get(i));
            let first = head.get(found.start()).copied().unwrap_or_default();
            let inside = (first.is_ascii_alphabetic() || first == b'_')
                && before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
            if !inside && !seen.contains(&detector) {
                seen.push(detector);
                scope.report(detector, Span::new(found.start(), found.end()), None);
            }
        }
    }

    /// Reports a value whose member is named as a credential is.
    pub fn member(&self, name: &str, text: &str, scope: &mut Scope<'_>) {
        if let Some(detector) = self.credential
            && names_credential(name)
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
fn names_credential(name: &str) -> bool {
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
    text.len() >= SHORTEST
        && text.len() <= 512
        && !reference
        && !bytes.iter().any(u8::is_ascii_whitespace)
        && bytes.iter().any(|b| Some(b) != bytes.first())
}
