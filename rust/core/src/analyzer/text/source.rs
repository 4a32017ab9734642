//! The form of `match` in an entry of kind `text`.

use serde::Deserialize;

/// What may stand next to a match.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edge {
    /// No word character.
    #[default]
    Word,
    /// Anything.
    None,
}

/// A check sum or inner shape that real values have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Checksum {
    /// The last six characters are the CRC-32 of the part after the prefix, in base 62.
    Github,
    /// As `github`; npm took the same form.
    Npm,
    /// The digits pass the Luhn sum.
    Luhn,
    /// ISO 13616, modulo 97.
    Iban,
    /// The first part decodes to a JSON object with `alg` or `enc`.
    Jwt,
    /// The value, or what follows its last underscore, decodes to JSON.
    Base64Json,
}

/// What follows from a check sum.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChecksumMode {
    /// A good sum is told in the finding, a bad one changes nothing: fakes have none.
    #[default]
    Raise,
    /// A bad sum is no finding.
    Require,
}

/// One entry's `match`: `regex`, or `value` and `keywords` or `names`, or `builtin`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextMatch {
    /// A format that names itself. The secret is the group `secret`, else the whole match.
    pub(crate) regex: Option<String>,
    /// What the search begins with; derived from the regex where absent.
    pub(crate) literals: Option<Vec<String>>,
    /// Before the match.
    #[serde(default)]
    pub(crate) left: Edge,
    /// After the match.
    #[serde(default)]
    pub(crate) right: Edge,
    /// Least bits a character of the secret.
    pub(crate) min_entropy: Option<f32>,
    /// What real values satisfy.
    pub(crate) checksum: Option<Checksum>,
    /// What follows from it.
    #[serde(default)]
    pub(crate) checksum_mode: ChecksumMode,
    /// Secrets that are wholly one of these are let through.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// Whether values that are obviously stand-ins are let through.
    #[serde(default = "yes")]
    pub(crate) placeholders: bool,
    /// Whether keys of other providers have the same form, so that an entry with a keyword nearby
    /// says more.
    #[serde(default)]
    pub(crate) weak: bool,
    /// Names of the provider, as parts of the name that a value is given; the keywords and the second part
    /// of the id where absent.
    pub(crate) names: Option<Vec<String>>,
    /// Words that must stand near, in any case; `_` in them stands for any way to join words.
    #[serde(default)]
    pub(crate) keywords: Vec<String>,
    /// The shape of the value near a keyword.
    pub(crate) value: Option<String>,
    /// What the name that the value is assigned to must match.
    pub(crate) key: Option<String>,
    /// How far before the value a keyword may stand, in bytes.
    pub(crate) distance: Option<usize>,
    /// Name of a detector that is code.
    pub(crate) builtin: Option<String>,
}

const fn yes() -> bool {
    true
}
