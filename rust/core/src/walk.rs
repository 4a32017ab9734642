//! Turns the bytes of one frame into its JSON values and string leaves, with their spans.
//! Stage 2 of 6.
//!
//! Strict on purpose: what two parsers could read differently (duplicate names, lone surrogates,
//! invalid UTF-8, a byte order mark) is refused, because the server would otherwise run something
//! that was not judged. RFC 8259, RFC 7493 (I-JSON).

use crate::{limits::Limits, span::Span};
use std::{borrow::Cow, collections::HashSet};

/// Index of a value in [`Document::nodes`].
pub type NodeId = u32;
/// Index of a string in [`Document::leaves`].
pub type LeafId = u32;
/// The node of the whole document.
pub const ROOT: NodeId = 0;
const NONE: u32 = u32::MAX;

/// Why bytes are not one strict JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Not JSON, with the byte offset where reading stopped.
    #[error("invalid JSON at byte {0}")]
    Syntax(usize),
    /// Not UTF-8, with the offset of the first bad byte.
    #[error("invalid UTF-8 at byte {0}")]
    Utf8(usize),
    /// The text begins with a byte order mark.
    #[error("byte order mark before the message")]
    ByteOrderMark,
    /// A `\ud800`–`\udfff` escape without its partner.
    #[error("lone surrogate at byte {0}")]
    LoneSurrogate(usize),
    /// One object names a member twice.
    #[error("duplicate member name at byte {0}")]
    DuplicateName(usize),
    /// Containers nest deeper than [`Limits::depth`].
    #[error("nesting deeper than {0} levels")]
    TooDeep(usize),
    /// More values than [`Limits::nodes`].
    #[error("more than {0} values")]
    TooManyNodes(usize),
    /// More bytes than [`Limits::frame_bytes`].
    #[error("frame longer than {0} bytes")]
    TooLong(usize),
}

/// The JSON type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// A string; its text is the leaf.
    String(LeafId),
    /// A number, in its original spelling.
    Number,
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
}

/// How a value hangs on its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The document itself.
    Root,
    /// Value of the object member with this key leaf.
    Member(LeafId),
    /// Element of an array.
    Element(u32),
}

/// One JSON value.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The enclosing container (the root is its own parent).
    pub parent: NodeId,
    /// How it hangs on the parent.
    pub edge: Edge,
    /// Its type.
    pub kind: Kind,
    /// Its bytes in the frame, quotes and brackets included.
    pub span: Span,
    /// One past its last descendant, so that siblings are found without a search.
    pub next: NodeId,
}

/// Whether a string is an object key or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A member name.
    Key,
    /// A value.
    Value,
}

/// One string of the frame.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// Key or value.
    pub role: Role,
    /// The value's node; for a key, the node of the member it names.
    pub node: NodeId,
    /// The bytes between the quotes, as written.
    pub raw: Span,
    /// The string that is meant: borrowed where the spelling has no escape.
    pub text: Cow<'a, str>,
}

impl Leaf<'_> {
    /// Where bytes `range` of [`Leaf::text`] stand in the frame.
    #[must_use]
    pub fn frame_span(&self, frame: &[u8], range: Span) -> Span {
        if matches!(self.text, Cow::Borrowed(_)) {
            return range.shift(self.raw.start);
        }
        // An escape is longer in the frame than in the text: walk both side by side.
        let raw = self.raw.of(frame);
        let (mut at, mut text_at) = (0_usize, 0_usize);
        let (mut start, mut end) = (None, None);
        while at < raw.len() {
            if text_at >= range.start && start.is_none() {
                start = Some(at);
            }
            if text_at >= range.end {
                end = Some(at);
                break;
            }
            let (raw_len, text_len) = step(raw, at);
            // A range that begins inside a character begins with the character.
            if start.is_none() && text_at.saturating_add(text_len) > range.start {
                start = Some(at);
            }
            at = at.saturating_add(raw_len);
            text_at = text_at.saturating_add(text_len);
        }
        let end = end.unwrap_or(raw.len());
        Span::new(start.unwrap_or(end), end).shift(self.raw.start)
    }
}

/// Length of one character at `at`, in the frame and in the text.
fn step(raw: &[u8], at: usize) -> (usize, usize) {
    match (raw.get(at), raw.get(at.saturating_add(1))) {
        (Some(b'\\'), Some(b'u')) => {
            let unit = hex4(raw, at.saturating_add(2)).unwrap_or(0);
            match unit {
                0..=0x7f => (6, 1),
                0x80..=0x7ff => (6, 2),
                0xd800..=0xdbff => (12, 4),
                _ => (6, 3),
            }
        }
        (Some(b'\\'), _) => (2, 1),
        _ => (1, 1),
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at.checked_add(4)?)?;
    digits.iter().try_fold(0_u32, |acc, &b| {
        let digit = char::from(b).to_digit(16)?;
        Some(acc.wrapping_shl(4) | digit)
    })
}

/// One parsed frame. Borrows the frame; every span indexes it.
#[derive(Debug)]
pub struct Document<'a> {
    /// The frame.
    pub frame: &'a str,
    /// All values in document order; a container stands before its children.
    pub nodes: Vec<Node>,
    /// All strings, keys included, in document order.
    pub leaves: Vec<Leaf<'a>>,
}

impl<'a> Document<'a> {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// [`WalkError`] for anything that is not exactly one strict JSON text within the limits.
    pub fn parse(frame: &'a [u8], limits: &Limits) -> Result<Self, WalkError> {
        if frame.len() > limits.frame_bytes {
            return Err(WalkError::TooLong(limits.frame_bytes));
        }
        if frame.starts_with(b"\xef\xbb\xbf") {
            return Err(WalkError::ByteOrderMark);
        }
        let text = std::str::from_utf8(frame).map_err(|e| WalkError::Utf8(e.valid_up_to()))?;
        let mut reader = Reader::new(text, limits);
        reader.run()?;
        Ok(Self {
            frame: text,
            nodes: reader.nodes,
            leaves: reader.leaves,
        })
    }

    /// A value by its id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// A string by its id.
    #[must_use]
    pub fn leaf(&self, id: LeafId) -> Option<&Leaf<'a>> {
        self.leaves.get(id as usize)
    }

    /// The text of a string value; `None` for any other type.
    #[must_use]
    pub fn str(&self, id: NodeId) -> Option<&str> {
        match self.node(id)?.kind {
            Kind::String(leaf) => self.leaf(leaf).map(|l| l.text.as_ref()),
            _ => None,
        }
    }

    /// The bytes of a value as written.
    #[must_use]
    pub fn raw(&self, id: NodeId) -> &'a str {
        self.node(id).map_or("", |n| n.span.of_str(self.frame))
    }

    /// The children of a container, in order.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.node(id).map_or(id, |n| n.next);
        let mut at = id.saturating_add(1);
        std::iter::from_fn(move || {
            let here = at;
            (here < end).then(|| {
                at = self.node(here).map_or(end, |n| n.next);
                here
            })
        })
    }

    /// The name of an object member.
    #[must_use]
    pub fn name(&self, id: NodeId) -> Option<&str> {
        match self.node(id)?.edge {
            Edge::Member(leaf) => self.leaf(leaf).map(|l| l.text.as_ref()),
            _ => None,
        }
    }

    /// The member `name` of an object.
    #[must_use]
    pub fn member(&self, object: NodeId, name: &str) -> Option<NodeId> {
        if self.node(object)?.kind != Kind::Object {
            return None;
        }
        self.children(object)
            .find(|&child| self.name(child) == Some(name))
    }

    /// Whether `id` is `ancestor` or lies below it.
    #[must_use]
    pub fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        self.node(ancestor)
            .is_some_and(|a| id >= ancestor && id < a.next)
    }

    /// The nearest member name above a value: the argument's name, also through arrays.
    #[must_use]
    pub fn nearest_name(&self, mut id: NodeId) -> Option<&str> {
        loop {
            let node = self.node(id)?;
            match node.edge {
                Edge::Member(leaf) => return self.leaf(leaf).map(|l| l.text.as_ref()),
                Edge::Element(_) => id = node.parent,
                Edge::Root => return None,
            }
        }
    }

    /// The RFC 6901 pointer of a value.
    #[must_use]
    pub fn pointer(&self, id: NodeId) -> String {
        let mut segments = Vec::new();
        let mut at = id;
        while let Some(node) = self.node(at) {
            match node.edge {
                Edge::Root => break,
                Edge::Element(index) => segments.push(index.to_string()),
                Edge::Member(leaf) => segments.push(
                    self.leaf(leaf)
                        .map(|l| l.text.replace('~', "~0").replace('/', "~1"))
                        .unwrap_or_default(),
                ),
            }
            at = node.parent;
        }
        segments
            .iter()
            .rev()
            .fold(String::new(), |mut out, segment| {
                out.push('/');
                out.push_str(segment);
                out
            })
    }
}

/// An open container while reading.
struct Open<'a> {
    node: NodeId,
    object: bool,
    count: u32,
    names: Names<'a>,
}

/// The names seen in one object; a set only where a list would become quadratic.
#[derive(Default)]
struct Names<'a> {
    few: Vec<LeafId>,
    many: HashSet<Cow<'a, str>>,
}

const FEW: usize = 12;

struct Reader<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    limits: &'l Limits,
    at: usize,
    nodes: Vec<Node>,
    leaves: Vec<Leaf<'a>>,
    open: Vec<Open<'a>>,
}

impl<'a, 'l> Reader<'a, 'l> {
    fn new(text: &'a str, limits: &'l Limits) -> Self {
        let guess = text.len().wrapping_shr(5).clamp(16, 4096);
        Self {
            text,
            bytes: text.as_bytes(),
            limits,
            at: 0,
            nodes: Vec::with_capacity(guess),
            leaves: Vec::with_capacity(guess),
            open: Vec::with_capacity(8),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.bump();
        }
    }

    fn syntax<T>(&self) -> Result<T, WalkError> {
        Err(WalkError::Syntax(self.at))
    }

    fn run(&mut self) -> Result<(), WalkError> {
        self.blank();
        self.value(Edge::Root)?;
        // One turn reads one element or member, or closes one container: no recursion.
        while let Some(top) = self.open.last() {
            let (object, count) = (top.object, top.count);
            self.blank();
            match self.peek() {
                Some(b'}') if object => self.close(),
                Some(b']') if !object => self.close(),
                Some(b',') if count > 0 => {
                    self.bump();
                    self.blank();
                    self.item(object, count)?;
                }
                Some(_) if count == 0 => self.item(object, count)?,
                _ => return self.syntax(),
            }
        }
        self.blank();
        if self.at < self.bytes.len() {
            self.syntax()
        } else {
            Ok(())
        }
    }

    fn close(&mut self) {
        self.bump();
        let next = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        if let Some(open) = self.open.pop()
            && let Some(node) = self.nodes.get_mut(open.node as usize)
        {
            node.span.end = self.at;
            node.next = next;
        }
    }

    fn item(&mut self, object: bool, index: u32) -> Result<(), WalkError> {
        if let Some(top) = self.open.last_mut() {
            top.count = index.saturating_add(1);
        }
        if !object {
            return self.value(Edge::Element(index));
        }
        if self.peek() != Some(b'"') {
            return self.syntax();
        }
        let start = self.at;
        let member = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let key = self.string(Role::Key, member)?;
        if !self.new_name(key) {
            return Err(WalkError::DuplicateName(start));
        }
        self.blank();
        if self.peek() != Some(b':') {
            return self.syntax();
        }
        self.bump();
        self.blank();
        self.value(Edge::Member(key))
    }

    /// Whether the innermost object had no member of this name so far.
    fn new_name(&mut self, key: LeafId) -> bool {
        let leaves = &self.leaves;
        let text_of = |id: LeafId| leaves.get(id as usize).map(|l| &l.text);
        let (Some(top), Some(text)) = (self.open.last_mut(), text_of(key)) else {
            return true;
        };
        if top.names.few.len() < FEW {
            let seen = top.names.few.iter().any(|&id| text_of(id) == Some(text));
            top.names.few.push(key);
            return !seen;
        }
        if top.names.many.is_empty() {
            for &id in &top.names.few {
                top.names.many.extend(text_of(id).cloned());
            }
        }
        top.names.many.insert(text.clone())
    }

    fn push(&mut self, edge: Edge, kind: Kind, span: Span) -> Result<NodeId, WalkError> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(WalkError::TooManyNodes(self.limits.nodes));
        }
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let parent = self.open.last().map_or(ROOT, |o| o.node);
        self.nodes.push(Node {
            parent,
            edge,
            kind,
            span,
            next: id.saturating_add(1),
        });
        Ok(id)
    }

    fn value(&mut self, edge: Edge) -> Result<(), WalkError> {
        let start = self.at;
        let Some(first) = self.peek() else {
            return self.syntax();
        };
        match first {
            b'{' | b'[' => {
                if self.open.len() >= self.limits.depth {
                    return Err(WalkError::TooDeep(self.limits.depth));
                }
                self.bump();
                let object = first == b'{';
                let kind = if object { Kind::Object } else { Kind::Array };
                let node = self.push(edge, kind, Span::new(start, start))?;
                self.open.push(Open {
                    node,
                    object,
                    count: 0,
                    names: Names::default(),
                });
            }
            b'"' => {
                let node = u32::try_from(self.nodes.len()).unwrap_or(NONE);
                let leaf = self.string(Role::Value, node)?;
                self.push(edge, Kind::String(leaf), Span::new(start, self.at))?;
            }
            b't' => self.word(edge, "true", Kind::Bool(true))?,
            b'f' => self.word(edge, "false", Kind::Bool(false))?,
            b'n' => self.word(edge, "null", Kind::Null)?,
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.push(edge, Kind::Number, Span::new(start, self.at))?;
            }
            _ => return self.syntax(),
        }
        Ok(())
    }

    fn word(&mut self, edge: Edge, word: &str, kind: Kind) -> Result<(), WalkError> {
        let end = self.at.saturating_add(word.len());
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return self.syntax();
        }
        let span = Span::new(self.at, end);
        self.at = end;
        self.push(edge, kind, span).map(drop)
    }

    fn digits(&mut self) -> Result<(), WalkError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.bump();
        }
        if self.at == start {
            self.syntax()
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<(), WalkError> {
        if self.peek() == Some(b'-') {
            self.bump();
        }
        if self.peek() == Some(b'0') {
            self.bump();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.bump();
            if let Some(b'+' | b'-') = self.peek() {
                self.bump();
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a string whose opening quote is under the cursor.
    fn string(&mut self, role: Role, node: NodeId) -> Result<LeafId, WalkError> {
        self.bump();
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(plain_len(rest));
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(self.text.get(copied..self.at).unwrap_or_default());
                    let c = self.escape()?;
                    owned.get_or_insert_default().push(c);
                    copied = self.at;
                }
                _ => return self.syntax(),
            }
        }
        let raw = Span::new(start, self.at);
        let text = match owned {
            None => Cow::Borrowed(raw.of_str(self.text)),
            Some(mut text) => {
                text.push_str(self.text.get(copied..self.at).unwrap_or_default());
                Cow::Owned(text)
            }
        };
        self.bump();
        let id = u32::try_from(self.leaves.len()).unwrap_or(NONE);
        self.leaves.push(Leaf {
            role,
            node,
            raw,
            text,
        });
        Ok(id)
    }

    fn escape(&mut self) -> Result<char, WalkError> {
        let start = self.at;
        self.bump();
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.bump();
                let Some(high) = hex4(self.bytes, self.at) else {
                    return self.syntax();
                };
                self.at = self.at.saturating_add(4);
                if !(0xd800..0xe000).contains(&high) {
                    return char::from_u32(high).ok_or(WalkError::LoneSurrogate(start));
                }
                let low_at = self.at.saturating_add(2);
                let low = match self.bytes.get(self.at..low_at) {
                    Some(b"\\u") => hex4(self.bytes, low_at),
                    _ => None,
                };
                return match low {
                    Some(low @ 0xdc00..0xe000) if high < 0xdc00 => {
                        self.at = low_at.saturating_add(4);
                        let code = (high & 0x3ff).wrapping_shl(10) | (low & 0x3ff);
                        char::from_u32(code.saturating_add(0x1_0000))
                            .ok_or(WalkError::LoneSurrogate(start))
                    }
                    _ => Err(WalkError::LoneSurrogate(start)),
                };
            }
            _ => return self.syntax(),
        };
        self.bump();
        Ok(simple)
    }
}

/// Length of the run before the next quote, backslash or control character.
fn plain_len(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let stop = |b: u8| b == b'"' || b == b'\\' || b < 0x20;
    let mut at = 0_usize;
    // The inner loop has no early exit, so that the compiler turns it into vector code.
    for block in bytes.chunks_exact(BLOCK) {
        if block.iter().fold(false, |hit, &b| hit | stop(b)) {
            break;
        }
        at = at.saturating_add(BLOCK);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().position(|&b| stop(b)).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document<'_>, WalkError> {
        Document::parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn leaves_have_pointer_and_span() {
        let text = r#"{"a":{"b~/":["x","\u0041y"]},"n":1}"#;
        let doc = parse(text).unwrap();
        let values: Vec<_> = doc
            .leaves
            .iter()
            .filter(|l| l.role == Role::Value)
            .collect();
        assert_eq!(values.len(), 2);
        assert_eq!(doc.pointer(values[1].node), "/a/b~0~1/1");
        assert_eq!(values[1].text, "Ay");
        assert_eq!(
            values[1]
                .frame_span(text.as_bytes(), Span::new(0, 1))
                .of_str(text),
            "\\u0041"
        );
        assert_eq!(
            values[1]
                .frame_span(text.as_bytes(), Span::new(1, 2))
                .of_str(text),
            "y"
        );
        assert_eq!(doc.nearest_name(values[1].node), Some("b~/"));
    }

    #[test]
    fn refuses_what_two_parsers_read_differently() {
        assert_eq!(
            parse(r#"{"a":1,"\u0061":2}"#).err(),
            Some(WalkError::DuplicateName(7))
        );
        assert_eq!(
            parse(r#"["\ud800"]"#).err(),
            Some(WalkError::LoneSurrogate(2))
        );
        assert_eq!(parse("\u{feff}{}").err(), Some(WalkError::ByteOrderMark));
        for bad in [
            "", "{", "{}x", "[1,]", "{,}", "[01]", "NaN", "[1e]", "{\"a\"}", "\"\n\"", "{'a':1}",
        ] {
            assert!(matches!(parse(bad), Err(WalkError::Syntax(_))), "{bad:?}");
        }
    }

    #[test]
    fn bounds_are_errors() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&deep).err(), Some(WalkError::TooDeep(512)));
        let limits = Limits {
            nodes: 3,
            ..Limits::default()
        };
        assert_eq!(
            Document::parse(b"[1,2,3]", &limits).err(),
            Some(WalkError::TooManyNodes(3))
        );
    }

    #[test]
    fn many_names_are_compared_once() {
        let members: Vec<String> = (0..50_000).map(|i| format!("\"k{i}\":0")).collect();
        let text = format!("{{{},\"k7\":1}}", members.join(","));
        assert!(matches!(parse(&text), Err(WalkError::DuplicateName(_))));
    }
}
