//! Decision + spans → rewritten frame, spliced into the original bytes. Stage 6 of 6.

use crate::{
    limits::Limits,
    policy::syntax::Strategy,
    span::Span,
    walk::{Document, WalkError},
};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
};

/// One part of the frame to mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Bytes of the frame, within one JSON string.
    pub span: Span,
    /// The secret as it reads after all encodings are taken off.
    pub secret: String,
    /// Names the type in `tokenized`.
    pub finding_type: String,
    /// How.
    pub strategy: Strategy,
    /// Tells equal secrets from others in `tokenized`, within one session.
    pub salt: Option<Salt>,
}

/// What tokens of one session are made with; known to nobody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// One that cannot be guessed: of the operating system's randomness.
    #[must_use]
    pub fn fresh() -> Self {
        let state = RandomState::new();
        let mut bytes = [0; 32];
        for (part, i) in bytes.chunks_exact_mut(8).zip(0_u64..) {
            part.copy_from_slice(&state.hash_one(i).to_le_bytes());
        }
        Self(bytes)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction")
            .field("span", &self.span)
            .field("finding_type", &self.finding_type)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

/// What replaces a secret of which nothing is shown.
const FULL: &str = "***REDACTED***";
/// Most characters of a secret that a mask shows.
const SHOWN: usize = 8;

/// The masked form of a secret. Beside a prefix that every value of the type has, it reveals at
/// most 8 characters or a quarter, whichever is less. It holds no character that JSON escapes.
#[must_use]
pub fn mask(secret: &str, finding_type: &str, strategy: Strategy) -> String {
    match strategy {
        Strategy::FullMask => FULL.into(),
        Strategy::Tokenized => tokenized(secret, finding_type, None),
        Strategy::PartialMask => partial(secret),
        Strategy::TypePreserving => {
            let mut masked = prefix(secret).to_owned();
            masked.push_str("****************");
            masked
        }
    }
}

/// `<REDACTED:type>`; with a salt `<REDACTED:type:12 hex digits>`, equal for equal secrets of the
/// same salt, and telling nothing to who does not know it.
#[must_use]
pub fn tokenized(secret: &str, finding_type: &str, salt: Option<&[u8]>) -> String {
    let mut token = String::from("<REDACTED:");
    token.extend(
        finding_type
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')),
    );
    if let Some(salt) = salt {
        token.push(':');
        let digest = Sha256::new()
            .chain_update(salt)
            .chain_update([0])
            .chain_update(secret)
            .finalize();
        for byte in digest.iter().take(6) {
            // Writing to a string cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
    }
    token.push('>');
    token
}

/// The part of a secret that only says what it is: `ghp_`, `sk-live-`, `AKIA`.
fn prefix(secret: &str) -> &str {
    const BARE: [&str; 6] = ["AKIA", "ASIA", "AIza", "LTAI", "AKID", "eyJ"];
    if let Some(bare) = BARE.iter().find(|p| secret.starts_with(**p)) {
        return bare;
    }
    let head = secret.get(..SHOWN).unwrap_or_default();
    let end = head.rfind(['_', '-']).map_or(0, |i| i.saturating_add(1));
    let candidate = head.get(..end).unwrap_or_default();
    let says_type = candidate.starts_with(|c: char| c.is_ascii_lowercase())
        && candidate
            .chars()
            .all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '-'))
        && candidate.len().saturating_mul(3) <= secret.len();
    if says_type { candidate } else { "" }
}

fn partial(secret: &str) -> String {
    let length = secret.chars().count();
    if length <= SHOWN {
        return "***".into();
    }
    let public = prefix(secret).len();
    let hidden = length.saturating_sub(public);
    let shown = (hidden / 4).min(SHOWN);
    let (head, tail) = if public >= 4 {
        (4, shown.min(4))
    } else {
        (shown / 2, shown.saturating_sub(shown / 2).min(4))
    };
    let safe = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    let mut masked: String = secret.chars().take(head).filter(safe).collect();
    let stars = length.saturating_sub(head.saturating_add(tail)).min(32);
    masked.extend(std::iter::repeat_n('*', stars));
    masked.extend(
        secret
            .chars()
            .skip(length.saturating_sub(tail))
            .filter(safe),
    );
    masked
}

/// A stretch of the frame with what stands there instead.
struct Patch {
    span: Span,
    text: String,
}

/// Merges redactions that overlap: the wider secret decides, and parts of several are not shown.
fn patches(redactions: &[Redaction]) -> Vec<Patch> {
    let mut sorted: Vec<&Redaction> = redactions.iter().filter(|r| !r.span.is_empty()).collect();
    sorted.sort_by_key(|r| (r.span.start, std::cmp::Reverse(r.span.end)));
    let mut patches: Vec<Patch> = Vec::with_capacity(sorted.len());
    for redaction in sorted {
        match patches.last_mut() {
            Some(last) if last.span.overlaps(redaction.span) => {
                if redaction.span.end > last.span.end {
                    last.span.end = redaction.span.end;
                    last.text = FULL.into();
                }
            }
            _ => patches.push(Patch {
                span: redaction.span,
                text: match redaction.strategy {
                    Strategy::Tokenized => tokenized(
                        &redaction.secret,
                        &redaction.finding_type,
                        redaction.salt.as_ref().map(|salt| &salt.0[..]),
                    ),
                    _ if redaction.secret.is_empty() => FULL.into(),
                    strategy => mask(&redaction.secret, &redaction.finding_type, strategy),
                },
            }),
        }
    }
    patches
}

fn apply(frame: &[u8], patches: &[Patch], numbered: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len());
    let mut at = 0_usize;
    for (i, patch) in patches.iter().enumerate() {
        out.extend_from_slice(frame.get(at..patch.span.start).unwrap_or_default());
        out.extend_from_slice(patch.text.as_bytes());
        if numbered {
            out.extend_from_slice(format!("#{}", i.saturating_add(1)).as_bytes());
        }
        at = patch.span.end;
    }
    out.extend_from_slice(frame.get(at..).unwrap_or_default());
    out
}

/// The frame with every redaction applied; overlapping ones are merged. The result is valid JSON
/// of the same shape where the frame was: names that would be equal are numbered.
#[must_use]
pub fn splice(frame: &[u8], redactions: &[Redaction]) -> Vec<u8> {
    let patches = patches(redactions);
    let out = apply(frame, &patches, false);
    let limits = Limits {
        frame_bytes: usize::MAX,
        nodes: usize::MAX,
        ..Limits::default()
    };
    if matches!(
        Document::parse(&out, &limits),
        Err(WalkError::DuplicateName(_))
    ) {
        return apply(frame, &patches, true);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_as_documented() {
        assert_eq!(
            mask(
                "AKIAIOSFODNN7EXAMPLE",
                "aws_access_key",
                Strategy::PartialMask
            ),
            "AKIA************MPLE"
        );
        assert_eq!(mask("my-secret-key", "x", Strategy::FullMask), FULL);
        assert_eq!(
            mask("sk-live-abc123", "stripe_key", Strategy::Tokenized),
            "<REDACTED:stripe_key>"
        );
        assert_eq!(
            mask(
                "ghp_ABCDEFabcdefABCDEF",
                "github_pat",
                Strategy::TypePreserving
            ),
            "ghp_****************"
        );
    }

    #[test]
    fn reveals_at_most_eight_characters_or_a_quarter() {
        for length in 0..200 {
            let secret: String = (0..length)
                .map(|i| char::from(b'A' + (i % 26) as u8))
                .collect();
            let shown = partial(&secret).chars().filter(|c| *c != '*').count();
            assert!(shown <= 8 && shown * 4 <= length, "{length}: {shown}");
        }
        assert_eq!(partial("hunter2"), "***");
        assert!(!partial("a\"b\\cdefghijklmnopqrstuvw\"\\").contains(['"', '\\']));
    }

    #[test]
    fn salted_tokens_are_equal_for_equal_secrets_only() {
        let token = |secret, salt: &[u8]| tokenized(secret, "t", Some(salt));
        assert_eq!(token("a", b"1"), token("a", b"1"));
        assert_ne!(token("a", b"1"), token("b", b"1"));
        assert_ne!(token("a", b"1"), token("a", b"2"));
    }

    fn redaction(frame: &str, secret: &str, strategy: Strategy) -> Redaction {
        let start = frame.find(secret).unwrap();
        Redaction {
            span: Span::new(start, start.saturating_add(secret.len())),
            secret: secret.into(),
            finding_type: "t".into(),
            strategy,
            salt: None,
        }
    }

    #[test]
    fn overlapping_parts_are_merged_and_names_stay_distinct() {
        let frame = r#"{"secret-one":1,"secret-two":"secret-three!"}"#;
        let out = splice(
            frame.as_bytes(),
            &[
                redaction(frame, "secret-one", Strategy::FullMask),
                redaction(frame, "secret-two", Strategy::FullMask),
                redaction(frame, "secret-three", Strategy::FullMask),
                redaction(frame, "three!", Strategy::PartialMask),
            ],
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r##"{"***REDACTED***#1":1,"***REDACTED***#2":"***REDACTED***#3"}"##
        );
    }
}
