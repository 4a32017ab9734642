//! The form of one entry in `policies/detectors/**.yaml`.

use serde::Deserialize;
use serde_json::Value;

/// One file of the catalogue, as the build script embeds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorFile {
    /// Path below `policies/`, for messages.
    pub file: String,
    /// The parsed YAML.
    pub data: DetectorList,
}

/// The content of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorList {
    /// The entries.
    pub detectors: Vec<DetectorSource>,
}

/// Which analyzer reads an entry.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Secrets and other text (analyzer name `text_dlp`).
    Text,
    /// Shell commands (`shell`).
    Command,
    /// Calls in program code (`ast_python`).
    Code,
    /// SQL statements (`shell`, as in the original).
    Sql,
    /// Hosts (`destination`).
    Destination,
    /// File paths (`destination`).
    Path,
    /// Shapes of JSON (`json_payload`).
    Payload,
    /// A bound that was hit or an analyzer that failed (`engine`).
    Engine,
}

impl DetectorKind {
    /// The analyzer's public name, as findings and the audit carry it.
    #[must_use]
    pub const fn analyzer(self) -> &'static str {
        match self {
            Self::Text => "text_dlp",
            Self::Command | Self::Sql => "shell",
            Self::Code => "ast_python",
            Self::Destination | Self::Path => "destination",
            Self::Payload => "json_payload",
            Self::Engine => "engine",
        }
    }
}

/// How often a finding of a detector is what it says.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A hint.
    Low,
    /// Mostly.
    Medium,
    /// Nearly always.
    #[default]
    High,
}

/// One detector: what it sees, how bad that is, and its own tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSource {
    /// Stable, unique: `<kind>.<family>.<name>`.
    pub id: String,
    /// A few words for lists.
    pub name: String,
    /// What happens if it is let through.
    pub description: String,
    /// Which analyzer reads the entry.
    pub kind: DetectorKind,
    /// Stable public type, several detectors may share one.
    pub finding_type: String,
    /// 0 to 1.
    pub risk_score: f32,
    /// How sure a finding is; for people and reports.
    #[serde(default)]
    pub confidence: Confidence,
    /// What to do instead; reaches the agent in a denial.
    #[serde(default)]
    pub remediation: String,
    /// Provider's or standard's documentation.
    #[serde(default)]
    pub references: Vec<String>,
    /// What the analyzer looks for; its form is the analyzer's.
    #[serde(default, rename = "match")]
    pub matcher: Value,
    /// Exceptions, in the same form.
    #[serde(default)]
    pub unless: Value,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Texts that must give this finding.
    #[serde(default)]
    pub examples: Vec<Example>,
    /// Near misses that must not.
    #[serde(default)]
    pub negative_examples: Vec<Example>,
    /// Filled in on loading.
    #[serde(skip)]
    pub file: String,
}

/// One test of an entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Example {
    /// The text alone: the whole argument of a fitting tool.
    Text(String),
    /// The text with what must be masked in it, or with its place in the call.
    Full {
        /// The argument.
        text: String,
        /// The part that the span must slice to.
        #[serde(default)]
        secret: Option<String>,
        /// Name of the tool, where it matters.
        #[serde(default)]
        tool: Option<String>,
        /// Name of the argument, where it matters.
        #[serde(default)]
        argument: Option<String>,
    },
}

impl Example {
    /// The argument.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Full { text, .. } => text,
        }
    }

    /// Name of the argument, where it matters.
    #[must_use]
    pub fn argument(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Full { argument, .. } => argument.as_deref(),
        }
    }

    /// The part that the span must slice to, where the entry says so.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Full { secret, .. } => secret.as_deref(),
        }
    }
}

impl DetectorSource {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A message without the entry's id.
    pub fn check(&self) -> Result<(), String> {
        let id_ok = self.id.contains('.')
            && self
                .id
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'));
        if !id_ok {
            return Err("an id is lower-case words with dots, such as \"text.github.pat\"".into());
        }
        if !(0.0..=1.0).contains(&self.risk_score) {
            return Err(format!(
                "risk_score {} is not between 0 and 1",
                self.risk_score
            ));
        }
        if self.description.trim().is_empty() {
            return Err("description is empty".into());
        }
        Ok(())
    }

    /// Checks that the entry brings its own tests.
    ///
    /// # Errors
    /// A message without the entry's id.
    pub fn check_examples(&self) -> Result<(), String> {
        if self.kind != DetectorKind::Engine
            && (self.examples.len() < 2 || self.negative_examples.len() < 2)
        {
            return Err("needs at least two examples and two negative_examples".into());
        }
        Ok(())
    }
}
