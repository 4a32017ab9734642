//! Takes encodings off a leaf: leaf → views, each with its way back to the frame. Stage 3 of 6.
//!
//! A decoder runs only where a cheap sign of its encoding stands, and looks at the surroundings of
//! the signs, so that ordinary text costs a few vectorised searches.

mod blob;
mod escape;
mod join;

#[cfg(test)]
mod tests;

use crate::{
    analyzer::text::TextContext,
    limits::Limits,
    signs::Signs,
    span::Span,
    walk::{Document, LeafId},
};
use std::{borrow::Cow, collections::VecDeque};

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
    /// Escapes of JSON and of string literals.
    Escape,
    /// Character references of HTML and XML.
    Entity,
    /// Quoted-printable.
    QuotedPrintable,
    /// DEFLATE, in gzip or zlib form.
    Gzip,
    /// String literals put together, lines continued.
    Join,
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
                let linear = |at: usize| {
                    let index = runs
                        .partition_point(|&(view, _)| view <= at)
                        .saturating_sub(1);
                    runs.get(index).map_or(at, |&(view, leaf)| {
                        leaf.saturating_add(at.saturating_sub(view))
                    })
                };
                let start = linear(span.start);
                // What ends with a run ends where the next one begins: the encoded form of the
                // last character is longer than the character.
                let next = runs.partition_point(|&(view, _)| view < span.end);
                let end = match runs.get(next) {
                    Some(&(view, leaf)) if view == span.end => leaf,
                    _ => linear(span.end.saturating_sub(1)).saturating_add(1),
                };
                Span::new(start, end.min(leaf_len))
            }
        }
    }
}

impl Map {
    /// The way of a view of a view: `self` leads from the inner to the outer view, `outer` to the
    /// leaf.
    fn through(self, outer: &Self, outer_len: usize, leaf_len: usize) -> Self {
        match (self, outer) {
            (map, Self::Offset(0)) => map,
            (Self::Whole(span), _) => Self::Whole(outer.to_leaf(span, leaf_len)),
            (Self::Offset(by), _) => Self::Runs(vec![(0, by)]).through(outer, outer_len, leaf_len),
            (Self::Runs(_), Self::Whole(span)) => Self::Whole(*span),
            (Self::Runs(runs), Self::Offset(by)) => Self::Runs(
                runs.into_iter()
                    .map(|(view, at)| (view, at.saturating_add(*by)))
                    .collect(),
            ),
            (Self::Runs(inner), Self::Runs(outer_runs)) => {
                let mut runs = Vec::with_capacity(inner.len().saturating_add(outer_runs.len()));
                let ends = inner
                    .iter()
                    .skip(1)
                    .map(|&(view, _)| view)
                    .chain([usize::MAX]);
                for (&(view, at), end) in inner.iter().zip(ends) {
                    let begin = outer.to_leaf(Span::new(at, at.saturating_add(1)), leaf_len);
                    runs.push((view, begin.start));
                    // A run goes on over the joints of the outer view.
                    let last = at.saturating_add(end.saturating_sub(view)).min(outer_len);
                    let first = outer_runs.partition_point(|&(v, _)| v <= at);
                    for &(v, leaf) in outer_runs.get(first..).unwrap_or_default() {
                        if v >= last {
                            break;
                        }
                        runs.push((view.saturating_add(v.saturating_sub(at)), leaf));
                    }
                }
                Self::Runs(runs)
            }
        }
    }
}

/// One step of decoding, relative to the text that it was given.
struct Decoded {
    text: String,
    name: Option<Box<str>>,
    layers: Vec<Layer>,
    map: Map,
}

/// Collects the text of a view with its way back.
#[derive(Default)]
struct Builder {
    text: Vec<u8>,
    runs: Vec<(usize, usize)>,
}

impl Builder {
    /// Bytes that stand at `at` as they are.
    fn same(&mut self, bytes: &[u8], at: usize) {
        if !bytes.is_empty() {
            self.runs.push((self.text.len(), at));
            self.text.extend_from_slice(bytes);
        }
    }

    /// Bytes that are spelt otherwise at `at`.
    fn decoded(&mut self, bytes: &[u8], at: usize) {
        self.same(bytes, at);
    }

    fn finish(mut self, end: usize, layer: Layer) -> Option<Decoded> {
        self.runs.push((self.text.len(), end));
        Some(Decoded {
            text: String::from_utf8(self.text).ok()?,
            name: None,
            layers: vec![layer],
            map: Map::Runs(self.runs),
        })
    }
}

/// What decoding may still cost.
struct Budget<'b> {
    left: &'b mut usize,
    exceeded: bool,
}

impl Budget<'_> {
    /// Takes `bytes`; `false`, for good, if they are not there.
    fn take(&mut self, bytes: usize) -> bool {
        if *self.left < bytes {
            self.exceeded = true;
            return false;
        }
        *self.left = self.left.saturating_sub(bytes);
        true
    }
}

/// Most views of one leaf.
const VIEWS: usize = 256;

/// The decoded views of a leaf, without the leaf itself. `budget` is what decoding may still
/// produce over the whole frame, in bytes; the second value says whether a bound was hit.
#[must_use]
pub fn views<'d>(
    document: &'d Document<'_>,
    leaf: LeafId,
    limits: &Limits,
    budget: &mut usize,
) -> (Vec<View<'d>>, bool) {
    let mut views: Vec<View<'d>> = Vec::new();
    let text = document.text_of(leaf);
    let mut budget = Budget {
        left: budget,
        exceeded: false,
    };
    for decoded in step(text, &mut budget) {
        views.push(View {
            leaf,
            text: Cow::Owned(decoded.text),
            name: decoded.name,
            layers: decoded.layers,
            map: decoded.map,
        });
    }
    let mut queue: VecDeque<usize> = (0..views.len()).collect();
    while let Some(index) = queue.pop_front() {
        let Some(view) = views.get(index) else {
            break;
        };
        if view.layers.len() > limits.decode_layers.saturating_mul(2) {
            continue;
        }
        let depth = view.layers.iter().filter(|l| **l != Layer::Gzip).count();
        let (outer_len, map) = (view.text.len(), view.map.clone());
        let (layers, name) = (view.layers.clone(), view.name.clone());
        let inner = step(&view.text, &mut budget);
        if inner.is_empty() {
            continue;
        }
        if depth >= limits.decode_layers || views.len() >= VIEWS {
            // Something goes on below the last layer that is taken off.
            budget.exceeded = true;
            continue;
        }
        for decoded in inner {
            // The same again, of another decoder.
            if views.iter().any(|v| v.text == decoded.text.as_str()) {
                continue;
            }
            queue.push_back(views.len());
            views.push(View {
                leaf,
                text: Cow::Owned(decoded.text),
                name: decoded.name.or_else(|| name.clone()),
                layers: layers.iter().copied().chain(decoded.layers).collect(),
                map: decoded.map.through(&map, outer_len, text.len()),
            });
        }
    }
    (views, budget.exceeded)
}

/// What some decoder looks for.
const SIGNS: Signs = Signs::BACKSLASH
    .or(Signs::PERCENT)
    .or(Signs::AMPERSAND)
    .or(Signs::EQUALS)
    .or(Signs::HIGH)
    .or(Signs::QUOTE);

/// Whether a text with these signs certainly has no view: what most strings are.
#[must_use]
pub fn is_plain(text: &str, signs: Signs) -> bool {
    let bytes = text.as_bytes();
    let reversed = || signs.any(Signs::REVERSAL) && join::tells_of_reversal(bytes);
    let listed = || blob::has_list(bytes, signs);
    // A long text has all signs: what is not looked at here is looked at by the decoders.
    !(signs.any(SIGNS) || reversed() || listed() || blob::has_run(bytes))
}

/// Everything that one more decoding gives.
fn step(text: &str, budget: &mut Budget<'_>) -> Vec<Decoded> {
    let mut found = Vec::new();
    let signs = Signs::of(text.as_bytes());
    if signs.any(Signs::BACKSLASH) {
        found.extend(escape::escapes(text, budget));
    }
    if signs.any(Signs::PERCENT) {
        found.extend(escape::percent(text, budget));
    }
    if signs.any(Signs::AMPERSAND) {
        found.extend(escape::entities(text, budget));
    }
    if signs.any(Signs::EQUALS) {
        found.extend(escape::quoted_printable(text, budget));
    }
    if signs.any(Signs::HIGH) {
        found.extend(escape::fold(text, budget));
    }
    if signs.any(Signs::QUOTE.or(Signs::BACKSLASH)) {
        found.extend(join::literals(text, budget));
    }
    if signs.any(Signs::REVERSAL) {
        found.extend(join::reversed(text, budget));
    }
    blob::blobs(text, budget, &mut found);
    if signs.any(Signs::DIGIT) {
        blob::lists(text, budget, &mut found);
    }
    found
}
