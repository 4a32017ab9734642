//! What the analyzers report. A finding has no field that could hold a secret.

use crate::{detector::DetectorId, span::Span, walk::LeafId};

/// A detector that fired in one text, before it has an address in the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct RawFinding {
    /// Which detector.
    pub detector: DetectorId,
    /// What to mask or show, in bytes of the analyzed text.
    pub span: Span,
    /// Risk from 0 to 1; the detector's own unless the context changes it.
    pub risk: f32,
    /// What was recognised, in words that hold nothing of the text: `"root directory"`.
    pub detail: Option<Box<str>>,
}

/// A detector that fired, with its address in the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which detector.
    pub detector: DetectorId,
    /// The string it was found in.
    pub leaf: LeafId,
    /// Bytes of the frame that carry it, in their encoded form.
    pub span: Span,
    /// The same place in the leaf's text.
    pub text_span: Span,
    /// RFC 6901 pointer of the value; for a member name, of the member that it names.
    pub pointer: Box<str>,
    /// Risk from 0 to 1.
    pub risk: f32,
    /// It was found in a decoded form, and `span` covers the encoded one.
    pub encoded: bool,
    /// At most 8 characters or a quarter of the match, for a person to recognise it.
    pub preview: Box<str>,
    /// What was recognised, in words that hold nothing of the text.
    pub detail: Option<Box<str>>,
}
