//! Takes encodings off a leaf: leaf → views, each with its way back to the frame. Stage 3 of 6.

use crate::{
    analyzer::text::TextContext,
    limits::Limits,
    span::Span,
    walk::{Document, LeafId},
};
use std::borrow::Cow;

/// One decoded form of a leaf.
#[derive(Clone, Debug)]
pub struct View<'d> {
    /// The leaf it comes from.
    pub leaf: LeafId,
    /// The decoded text.
    pub text: Cow<'d, str>,
    /// Name of the member that holds it, for a string of a nested JSON text.
    pub name: Option<Box<str>>,
    /// Encodings that were taken off, outermost first; empty for the leaf as it is.
    pub layers: Vec<Layer>,
    /// How bytes of `text` map to bytes of the leaf's text.
    pub map: Map,
}

impl View<'_> {
    /// What surrounds the view, given what surrounds its leaf.
    #[must_use]
    pub fn context<'c>(&'c self, leaf: TextContext<'c>) -> TextContext<'c> {
        TextContext {
            name: self.name.as_deref().or(leaf.name),
            is_key: leaf.is_key,
        }
    }

    /// Whether the view's bytes are spelt otherwise in the leaf.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        !matches!(self.map, Map::Offset(_))
    }
}

/// An encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A JSON text inside a string.
    Json,
    /// RFC 4648 base64 or base64url.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// Percent encoding.
    Percent,
    /// Unicode folding, invisible characters removed.
    Fold,
    /// Any other, see the decoder.
    Other,
}

/// How a view's bytes map to its leaf's text.
#[derive(Clone, Debug)]
pub enum Map {
    /// Equal but for a constant offset.
    Offset(usize),
    /// Runs `(view start, leaf start)` of equal bytes, ascending; between runs, the whole gap.
    Runs(Vec<(usize, usize)>),
    /// Any part of the view means this whole part of the leaf.
    Whole(Span),
}

impl Map {
    /// Where `span` of the view stands in the leaf's text, given the leaf's length.
    #[must_use]
    pub fn to_leaf(&self, span: Span, leaf_len: usize) -> Span {
        match self {
            Self::Offset(by) => span.shift(*by),
            Self::Whole(whole) => *whole,
            Self::Runs(runs) => {
                let first = runs
                    .partition_point(|&(view, _)| view <= span.start)
                    .saturating_sub(1);
                let start = runs.get(first).map_or(span.start, |&(view, leaf)| {
                    leaf.saturating_add(span.start.saturating_sub(view))
                });
                let last_byte = span.end.saturating_sub(1).max(span.start);
                let last = runs
                    .partition_point(|&(view, _)| view <= last_byte)
                    .saturating_sub(1);
                let end = runs.get(last).map_or(span.end, |&(view, leaf)| {
                    leaf.saturating_add(span.end.saturating_sub(view))
                });
                Span::new(start, end.min(leaf_len))
            }
        }
    }
}

/// The decoded views of a leaf, without the leaf itself. `budget` is what decoding may still
/// produce over the whole frame, in bytes; the second value says whether a bound was hit.
#[must_use]
pub fn views<'d>(
    _document: &'d Document<'_>,
    _leaf: LeafId,
    _limits: &Limits,
    _budget: &mut usize,
) -> (Vec<View<'d>>, bool) {
    (Vec::new(), false)
}
