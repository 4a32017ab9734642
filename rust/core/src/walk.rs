//! Turns the bytes of one frame into its JSON values and string leaves, with their spans.
//! Stage 2 of 6.
//!
//! Strict on purpose: what two parsers could read differently (duplicate names, lone surrogates,
//! invalid UTF-8, a byte order mark) is refused, because the server would otherwise run something
//! that was not judged. RFC 8259, RFC 7493 (I-JSON).

use crate::{limits::Limits, signs::Signs, span::Span};
use std::{borrow::Cow, cell::Cell, collections::HashMap};

/// Index of a value in [`Document::nodes`].
pub type NodeId = u32;
/// Index of a string in [`Document::leaves`].
pub type LeafId = u32;
/// Index of an address in [`Document::places`].
pub type PlaceId = u32;
/// The node of the whole document, and its place.
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
    /// Its address without the indexes.
    pub place: PlaceId,
    start: u32,
    end: u32,
    /// One past its last descendant, so that siblings are found without a search.
    pub next: NodeId,
}

impl Node {
    /// Its bytes in the frame, quotes and brackets included.
    #[must_use]
    pub const fn span(&self) -> Span {
        span(self.start, self.end)
    }
}

/// Nodes and leaves are many, so they hold short indexes; a frame has less than 4 GiB.
const fn span(start: u32, end: u32) -> Span {
    Span::new(start as usize, end as usize)
}

fn short(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

/// An address with the indexes of arrays left out: records that repeat their members share it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The place of the enclosing containers (the root is its own parent).
    pub parent: PlaceId,
    /// One of the equal names of the members that stand here; `None` for elements and the root.
    pub name: Option<LeafId>,
    /// The nearest name here or above.
    pub nearest: Option<LeafId>,
}

/// Whether a string is an object key or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A member name.
    Key,
    /// A value.
    Value,
}

/// One string of the frame; [`Document::text`] gives its text.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Key or value.
    pub role: Role,
    /// What the text has, or may have where it is long or spelt with escapes.
    pub signs: Signs,
    /// The value's node; for a key, the node of the member it names.
    pub node: NodeId,
    start: u32,
    end: u32,
    /// Index of the text in [`Document::meant`], where the spelling is another.
    meant: u32,
}

impl Leaf {
    /// The bytes between the quotes, as written.
    #[must_use]
    pub const fn raw(&self) -> Span {
        span(self.start, self.end)
    }

    /// Where bytes `range` of the text stand in the frame.
    #[must_use]
    pub fn frame_span(&self, frame: &[u8], range: Span) -> Span {
        self.frame_span_on(frame, range, &mut Walked::default())
    }

    /// As [`Leaf::frame_span`]; goes on from where it was asked last, if that was for this leaf and
    /// not farther on.
    pub(crate) fn frame_span_on(&self, frame: &[u8], range: Span, walked: &mut Walked) -> Span {
        if self.meant == NONE {
            return range.shift(self.raw().start);
        }
        // An escape is longer in the frame than in the text: walk both side by side. A range that
        // begins or ends inside a character begins or ends with the character.
        let raw = self.raw().of(frame);
        let start = walked.to(raw, range.start);
        let end = if range.is_empty() {
            start
        } else {
            let last = Walked { ..*walked }.to(raw, range.end.saturating_sub(1));
            last.saturating_add(step(raw, last).0).min(raw.len())
        };
        Span::new(start, end).shift(self.raw().start)
    }
}

/// How far a string was walked, in the frame and in its text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    raw: usize,
    text: usize,
}

impl Walked {
    /// Where in `raw` the character begins that has byte `target` of the text.
    fn to(&mut self, raw: &[u8], target: usize) -> usize {
        if target < self.text {
            *self = Self::default();
        }
        loop {
            let rest = raw.get(self.raw..).unwrap_or_default();
            let left = target.saturating_sub(self.text);
            let near = rest.get(..left).unwrap_or(rest);
            let plain = memchr::memchr(b'\\', near).unwrap_or(near.len());
            self.raw = self.raw.saturating_add(plain);
            self.text = self.text.saturating_add(plain);
            let (raw_len, text_len) = step(raw, self.raw);
            if self.raw >= raw.len() || target < self.text.saturating_add(text_len) {
                return self.raw;
            }
            self.raw = self.raw.saturating_add(raw_len);
            self.text = self.text.saturating_add(text_len);
        }
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
    pub leaves: Vec<Leaf>,
    /// All addresses, in the order in which they first occur.
    pub places: Vec<Place>,
    /// The texts that are spelt with escapes, one after the other.
    meant: Meant,
    traces: Vec<Trace>,
}

/// Texts that stand nowhere in the frame.
#[derive(Debug, Default)]
struct Meant {
    text: String,
    spans: Vec<(u32, u32)>,
}

impl Meant {
    fn get(&self, id: u32) -> Option<&str> {
        let &(start, end) = self.spans.get(id as usize)?;
        Some(span(start, end).of_str(&self.text))
    }
}

impl<'a> Document<'a> {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// [`WalkError`] for anything that is not exactly one strict JSON text within the limits.
    pub fn parse(frame: &'a [u8], limits: &Limits) -> Result<Self, WalkError> {
        let longest = limits.frame_bytes.min(NONE as usize);
        if frame.len() > longest {
            return Err(WalkError::TooLong(longest));
        }
        if frame.starts_with(b"\xef\xbb\xbf") {
            return Err(WalkError::ByteOrderMark);
        }
        let text = std::str::from_utf8(frame).map_err(|e| WalkError::Utf8(e.valid_up_to()))?;
        let mut reader = Reader::new(text, limits);
        let read = reader.run();
        let document = Self {
            frame: text,
            nodes: reader.nodes,
            leaves: reader.leaves,
            places: reader.places,
            meant: reader.meant,
            traces: reader.traces,
        };
        read.map(|()| document)
    }

    /// A value by its id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// A string by its id.
    #[must_use]
    pub fn leaf(&self, id: LeafId) -> Option<&Leaf> {
        self.leaves.get(id as usize)
    }

    /// The text that a string means.
    #[must_use]
    pub fn text(&self, leaf: &Leaf) -> &str {
        match self.meant.get(leaf.meant) {
            Some(text) => text,
            None => leaf.raw().of_str(self.frame),
        }
    }

    /// The text of a string by its id; empty for none.
    #[must_use]
    pub fn text_of(&self, id: LeafId) -> &str {
        self.leaf(id).map_or("", |leaf| self.text(leaf))
    }

    /// An address by its id.
    #[must_use]
    pub fn place(&self, id: PlaceId) -> Option<&Place> {
        self.places.get(id as usize)
    }

    /// The strings of the nodes `first..last`, keys included.
    pub fn leaves_of(&self, first: NodeId, last: NodeId) -> impl Iterator<Item = (LeafId, &Leaf)> {
        let before = |node| self.leaves.partition_point(|leaf| leaf.node < node);
        let start = before(first);
        let leaves = self.leaves.get(start..before(last)).unwrap_or_default();
        (short(start)..).zip(leaves)
    }

    /// The text of a string value; `None` for any other type.
    #[must_use]
    pub fn str(&self, id: NodeId) -> Option<&str> {
        match self.node(id)?.kind {
            Kind::String(leaf) => self.leaf(leaf).map(|l| self.text(l)),
            _ => None,
        }
    }

    /// The bytes of a value as written.
    #[must_use]
    pub fn raw(&self, id: NodeId) -> &'a str {
        self.node(id).map_or("", |n| n.span().of_str(self.frame))
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
            Edge::Member(leaf) => self.leaf(leaf).map(|l| self.text(l)),
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
    pub fn nearest_name(&self, id: NodeId) -> Option<&str> {
        let leaf = self.place(self.node(id)?.place)?.nearest?;
        self.leaf(leaf).map(|l| self.text(l))
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
                Edge::Member(leaf) => {
                    segments.push(self.text_of(leaf).replace('~', "~0").replace('/', "~1"));
                }
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

/// The lists of a document that is gone, for the next one of this thread: to ask the system for
/// that much memory and to give it back costs as much as to read the frame.
#[derive(Default)]
struct Spare {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    places: Vec<Place>,
    traces: Vec<Trace>,
}

impl Spare {
    /// Most entries of a list that is kept: a good megabyte for each thread.
    const MOST: usize = 1 << 14;
    const NONE: Self = Self {
        nodes: Vec::new(),
        leaves: Vec::new(),
        places: Vec::new(),
        traces: Vec::new(),
    };

    fn take() -> Self {
        SPARE.try_with(Cell::take).unwrap_or_default()
    }

    /// Keeps the lists, unless it has larger ones: within a document others are read.
    fn keep(self) {
        let _ = SPARE.try_with(|kept| {
            let known = kept.take();
            let larger = known.nodes.capacity() > self.nodes.capacity();
            kept.set(if larger { known } else { self });
        });
    }
}

/// An empty list in the memory of this one, unless that is too much to be kept.
fn emptied<T>(list: &mut Vec<T>) -> Vec<T> {
    let mut list = std::mem::take(list);
    if list.capacity() > Spare::MOST {
        return Vec::new();
    }
    list.clear();
    list
}

thread_local! {
    static SPARE: Cell<Spare> = const { Cell::new(Spare::NONE) };
}

impl Drop for Document<'_> {
    fn drop(&mut self) {
        let spare = Spare {
            nodes: emptied(&mut self.nodes),
            leaves: emptied(&mut self.leaves),
            places: emptied(&mut self.places),
            traces: emptied(&mut self.traces),
        };
        spare.keep();
    }
}

/// An open container while reading.
#[derive(Clone, Copy)]
struct Open {
    node: NodeId,
    place: PlaceId,
    /// The place of the last member, or of all elements; [`NONE`] before the first.
    last: PlaceId,
    count: u32,
    object: bool,
}

/// What is known of a place only while reading; [`NONE`] stands for nothing.
#[derive(Clone, Copy, Debug)]
struct Trace {
    /// The object that had it last: a second time in the same object is a name given twice.
    object: NodeId,
    /// What stood first within it, and what stood next to it, when that was first seen.
    first: PlaceId,
    next: PlaceId,
    /// The elements within it.
    elements: PlaceId,
    /// The members within it: how many, the newest of the first few, and the one before this.
    members: u32,
    newest: PlaceId,
    older: PlaceId,
}

impl Trace {
    const NEW: Self = Self {
        object: NONE,
        first: NONE,
        next: NONE,
        elements: NONE,
        members: 0,
        newest: NONE,
        older: NONE,
    };
}

/// Members of one place that are found by looking at each; more are found by a table.
const FEW: u32 = 12;
/// Longest string whose bytes are looked at one by one.
const SHORT: usize = 64;

struct Reader<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    limits: &'l Limits,
    at: usize,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    places: Vec<Place>,
    meant: Meant,
    /// The innermost open container, and those around it.
    top: Open,
    outer: Vec<Open>,
    traces: Vec<Trace>,
    many: HashMap<(PlaceId, Cow<'a, str>), PlaceId>,
}

/// The index that the next entry of a list will have.
fn next_id<T>(list: &[T]) -> u32 {
    short(list.len())
}

/// Whether the `length` bytes at `a` and at `b` are the same: names are short, and a call that
/// compares them takes longer than they do.
fn same(bytes: &[u8], a: usize, b: usize, length: usize) -> bool {
    let eight = |at: usize| {
        bytes
            .get(at..)?
            .first_chunk()
            .map(|c| u64::from_le_bytes(*c))
    };
    if let (1..=8, Some(x), Some(y)) = (length, eight(a), eight(b)) {
        let beyond = short(length).wrapping_mul(8).wrapping_neg() & 63;
        return (x ^ y).wrapping_shl(beyond) == 0;
    }
    let part = |at: usize| bytes.get(at..at.saturating_add(length));
    part(a).is_some() && part(a) == part(b)
}

impl<'a, 'l> Reader<'a, 'l> {
    fn new(text: &'a str, limits: &'l Limits) -> Self {
        // A value of JSON as tools pass it has about 16 bytes; what is not used is never touched.
        let guess = text.len().wrapping_shr(4).clamp(16, Spare::MOST);
        let mut spare = Spare::take();
        spare.nodes.reserve(guess);
        spare.leaves.reserve(guess);
        spare.places.reserve(16);
        spare.traces.reserve(16);
        Self {
            text,
            bytes: text.as_bytes(),
            limits,
            at: 0,
            nodes: spare.nodes,
            leaves: spare.leaves,
            places: spare.places,
            meant: Meant::default(),
            top: Open {
                node: ROOT,
                place: ROOT,
                last: NONE,
                count: 0,
                object: false,
            },
            outer: Vec::with_capacity(8),
            traces: spare.traces,
            many: HashMap::new(),
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    #[inline]
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
        let root = self.new_place(ROOT, None);
        self.value(Edge::Root, root)?;
        // One turn reads one element or member, or closes one container: no recursion.
        while !self.outer.is_empty() {
            self.blank();
            match self.peek() {
                Some(b',') if self.top.count > 0 => {
                    self.bump();
                    self.blank();
                    self.item()?;
                }
                Some(b'}') if self.top.object => self.close(),
                Some(b']') if !self.top.object => self.close(),
                Some(_) if self.top.count == 0 => self.item()?,
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
        let next = next_id(&self.nodes);
        if let Some(node) = self.nodes.get_mut(self.top.node as usize) {
            node.end = short(self.at);
            node.next = next;
        }
        if let Some(outer) = self.outer.pop() {
            self.top = outer;
        }
    }

    #[inline]
    fn item(&mut self) -> Result<(), WalkError> {
        let index = self.top.count;
        self.top.count = index.saturating_add(1);
        let edge = if self.top.object {
            Edge::Member(self.member()?)
        } else {
            if self.top.last == NONE {
                self.top.last = self.elements(self.top.place);
            }
            Edge::Element(index)
        };
        self.value(edge, self.top.last)
    }

    /// Reads the name of a member and what stands between it and its value; the place is kept in
    /// the open container.
    fn member(&mut self) -> Result<LeafId, WalkError> {
        if self.peek() != Some(b'"') {
            return self.syntax();
        }
        let start = self.at;
        let Open {
            node, place, last, ..
        } = self.top;
        let guess = match self.traces.get(last as usize) {
            Some(trace) => trace.next,
            None => self.traces.get(place as usize).map_or(NONE, |t| t.first),
        };
        let key = match self.again(guess) {
            Some(key) => {
                self.top.last = guess;
                key
            }
            None => {
                let key = self.string(Role::Key)?;
                self.top.last = self.place(place, key);
                // Where members come in no order, the first guess is as good as any.
                if guess == NONE {
                    let here = self.top.last;
                    match self.traces.get_mut(last as usize) {
                        Some(trace) => trace.next = here,
                        None => {
                            if let Some(trace) = self.traces.get_mut(place as usize) {
                                trace.first = here;
                            }
                        }
                    }
                }
                key
            }
        };
        if let Some(trace) = self.traces.get_mut(self.top.last as usize) {
            if trace.object == node {
                return Err(WalkError::DuplicateName(start));
            }
            trace.object = node;
        }
        self.blank();
        if self.peek() != Some(b':') {
            return self.syntax();
        }
        self.bump();
        self.blank();
        Ok(key)
    }

    /// Reads the name of the members at `place`, if it is what the cursor stands at.
    fn again(&mut self, place: PlaceId) -> Option<LeafId> {
        let name = self.places.get(place as usize)?.name?;
        let known = *self.leaves.get(name as usize)?;
        let raw = known.raw();
        let start = self.at.saturating_add(1);
        let end = start.saturating_add(raw.len());
        if known.meant != NONE
            || self.bytes.get(end) != Some(&b'"')
            || !same(self.bytes, raw.start, start, raw.len())
        {
            return None;
        }
        self.at = end.saturating_add(1);
        let id = next_id(&self.leaves);
        self.leaves.push(Leaf {
            node: next_id(&self.nodes),
            start: short(start),
            end: short(end),
            ..known
        });
        Some(id)
    }

    fn new_place(&mut self, parent: PlaceId, name: Option<LeafId>) -> PlaceId {
        let id = next_id(&self.places);
        let above = self.places.get(parent as usize).and_then(|p| p.nearest);
        self.places.push(Place {
            parent,
            name,
            nearest: name.or(above),
        });
        self.traces.push(Trace::NEW);
        id
    }

    /// The place of the elements of the arrays at `parent`.
    fn elements(&mut self, parent: PlaceId) -> PlaceId {
        if let Some(trace) = self.traces.get(parent as usize)
            && trace.elements != NONE
        {
            return trace.elements;
        }
        let place = self.new_place(parent, None);
        if let Some(trace) = self.traces.get_mut(parent as usize) {
            trace.elements = place;
        }
        place
    }

    /// The text of a string that was read.
    fn name(&self, id: LeafId) -> Cow<'a, str> {
        let Some(leaf) = self.leaves.get(id as usize) else {
            return Cow::Borrowed("");
        };
        match self.meant.get(leaf.meant) {
            Some(text) => Cow::Owned(text.to_string()),
            None => Cow::Borrowed(leaf.raw().of_str(self.text)),
        }
    }

    /// The place of the members of this name in the objects at `parent`.
    fn place(&mut self, parent: PlaceId, key: LeafId) -> PlaceId {
        let text = self.name(key);
        let trace = |this: &Self, place: PlaceId| {
            let trace = this.traces.get(place as usize);
            trace.copied().unwrap_or(Trace::NEW)
        };
        let above = trace(self, parent);
        if above.members > FEW {
            let next = next_id(&self.places);
            let place = *self.many.entry((parent, text)).or_insert(next);
            if place == next {
                self.new_place(parent, Some(key));
            }
            return place;
        }
        let mut member = above.newest;
        while let Some(known) = self.places.get(member as usize) {
            if known.name.is_some_and(|name| self.name(name) == text) {
                return member;
            }
            member = trace(self, member).older;
        }
        let place = self.new_place(parent, Some(key));
        let members = above.members.saturating_add(1);
        if let Some(trace) = self.traces.get_mut(parent as usize) {
            trace.members = members;
            trace.newest = place;
        }
        if let Some(own) = self.traces.get_mut(place as usize) {
            own.older = above.newest;
        }
        if members > FEW {
            let mut member = place;
            while let Some(name) = self.places.get(member as usize).and_then(|p| p.name) {
                self.many.insert((parent, self.name(name)), member);
                member = trace(self, member).older;
            }
        }
        place
    }

    #[inline]
    fn push(
        &mut self,
        edge: Edge,
        place: PlaceId,
        kind: Kind,
        span: Span,
    ) -> Result<NodeId, WalkError> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(WalkError::TooManyNodes(self.limits.nodes));
        }
        let id = next_id(&self.nodes);
        self.nodes.push(Node {
            parent: self.top.node,
            edge,
            kind,
            place,
            start: short(span.start),
            end: short(span.end),
            next: id.saturating_add(1),
        });
        Ok(id)
    }

    #[inline]
    fn value(&mut self, edge: Edge, place: PlaceId) -> Result<(), WalkError> {
        let start = self.at;
        let Some(first) = self.peek() else {
            return self.syntax();
        };
        match first {
            b'{' | b'[' => {
                if self.outer.len() >= self.limits.depth {
                    return Err(WalkError::TooDeep(self.limits.depth));
                }
                self.bump();
                let object = first == b'{';
                let kind = if object { Kind::Object } else { Kind::Array };
                let node = self.push(edge, place, kind, Span::new(start, start))?;
                self.outer.push(self.top);
                self.top = Open {
                    node,
                    place,
                    last: NONE,
                    count: 0,
                    object,
                };
            }
            b'"' => {
                let leaf = self.string(Role::Value)?;
                let span = Span::new(start, self.at);
                self.push(edge, place, Kind::String(leaf), span)?;
            }
            b't' => self.word(edge, place, "true", Kind::Bool(true))?,
            b'f' => self.word(edge, place, "false", Kind::Bool(false))?,
            b'n' => self.word(edge, place, "null", Kind::Null)?,
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.push(edge, place, Kind::Number, Span::new(start, self.at))?;
            }
            _ => return self.syntax(),
        }
        Ok(())
    }

    fn word(
        &mut self,
        edge: Edge,
        place: PlaceId,
        word: &str,
        kind: Kind,
    ) -> Result<(), WalkError> {
        let end = self.at.saturating_add(word.len());
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return self.syntax();
        }
        let span = Span::new(self.at, end);
        self.at = end;
        self.push(edge, place, kind, span).map(drop)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), WalkError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at = self.at.saturating_add(count);
        if count == 0 { self.syntax() } else { Ok(()) }
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
    #[inline]
    fn string(&mut self, role: Role) -> Result<LeafId, WalkError> {
        self.bump();
        let start = self.at;
        // Most strings are short and plain.
        let rest = self.bytes.get(start..).unwrap_or_default();
        let (mut signs, mut length) = (Signs::default(), 0_usize);
        for &b in rest.iter().take(SHORT) {
            let kind = Signs::of_byte(b);
            if kind.any(Signs::END) {
                break;
            }
            signs = signs.or(kind);
            length = length.saturating_add(1);
        }
        self.at = start.saturating_add(length);
        let mut meant = NONE;
        if self.peek() != Some(b'"') {
            signs = Signs::ALL;
            meant = self.rest_of_string(start)?;
        }
        let leaf = Leaf {
            role,
            signs,
            node: next_id(&self.nodes),
            start: short(start),
            end: short(self.at),
            meant,
        };
        self.bump();
        let id = next_id(&self.leaves);
        self.leaves.push(leaf);
        Ok(id)
    }

    /// Goes on to the closing quote of a string that is long or has escapes; where its text is kept.
    fn rest_of_string(&mut self, start: usize) -> Result<u32, WalkError> {
        let mut copied = start;
        let first = self.meant.text.len();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(plain_len(rest));
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let plain = self.text.get(copied..self.at).unwrap_or_default();
                    self.meant.text.push_str(plain);
                    let c = self.escape()?;
                    self.meant.text.push(c);
                    copied = self.at;
                }
                _ => return self.syntax(),
            }
        }
        if copied == start {
            return Ok(NONE);
        }
        let plain = self.text.get(copied..self.at).unwrap_or_default();
        self.meant.text.push_str(plain);
        let id = next_id(&self.meant.spans);
        let last = self.meant.text.len();
        self.meant.spans.push((short(first), short(last)));
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
    let is_end = |b: u8| b == b'"' || b == b'\\' || b < 0x20;
    let mut at = 0_usize;
    // The inner loop has no early exit, so that the compiler turns it into vector code.
    for block in bytes.chunks_exact(BLOCK) {
        if block.iter().fold(false, |hit, &b| hit | is_end(b)) {
            break;
        }
        at = at.saturating_add(BLOCK);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().position(|&b| is_end(b)).unwrap_or(rest.len()))
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
        assert_eq!(doc.text(values[1]), "Ay");
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
    fn values_share_a_place_if_only_indexes_part_them() {
        let text = r#"[{"a":1,"b":[{"c":"x"},[2]]},{"b":[{"c":"y","a":3},[]],"\u0061":{"b":4}},5]"#;
        let doc = parse(text).unwrap();
        let address = |id| {
            let pointer = doc.pointer(id);
            let parts = pointer.split('/').map(|part| match part.parse::<u32>() {
                Ok(_) => "*",
                Err(_) => part,
            });
            parts.collect::<Vec<_>>().join("/")
        };
        let mut seen: HashMap<String, PlaceId> = HashMap::new();
        for (id, node) in (0..).zip(&doc.nodes) {
            assert_eq!(*seen.entry(address(id)).or_insert(node.place), node.place);
        }
        assert_eq!(seen.len(), doc.places.len());
    }

    #[test]
    fn a_name_given_twice_is_found_in_whatever_order_names_come() {
        let mut state = 1_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..400 {
            let most = [4, 11, 14, 40][round % 4];
            let mut twice = false;
            let records: Vec<String> = (0..random(6) + 1)
                .map(|_| {
                    let mut names = std::collections::HashSet::new();
                    let members: Vec<String> = (0..random(most))
                        .map(|at| {
                            // Mostly in order, so that names are foretold, and sometimes not.
                            let name = if random(9) == 0 { random(most) } else { at };
                            twice |= !names.insert(name);
                            let spelling = ["n", "\\u006e"][usize::from(random(8) == 0)];
                            format!("\"{spelling}{name}\":{{}}")
                        })
                        .collect();
                    format!("{{{}}}", members.join(", "))
                })
                .collect();
            let text = format!("[{}]", records.join(","));
            let error = parse(&text).err();
            let found = matches!(error, Some(WalkError::DuplicateName(_)));
            assert!(
                found == twice && (found || error.is_none()),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn nothing_of_a_document_is_left_for_the_next_one() {
        let small = r#"{"a":["b\n",{"c":null}]}"#;
        let first = format!("{:?}", parse(small).unwrap());
        for large in ["[[[", r#"{"z":1,"z":2}"#] {
            assert!(parse(large).is_err());
            assert_eq!(format!("{:?}", parse(small).unwrap()), first);
        }
        let large = format!("[{}]", vec![r#"{"a":"x\ty","b":[1]}"#; 9_000].join(","));
        drop(parse(&large).unwrap());
        assert_eq!(format!("{:?}", parse(small).unwrap()), first);
    }

    #[test]
    fn many_names_are_compared_once() {
        let members: Vec<String> = (0..50_000).map(|i| format!("\"k{i}\":0")).collect();
        let text = format!("{{{},\"k7\":1}}", members.join(","));
        assert!(matches!(parse(&text), Err(WalkError::DuplicateName(_))));
    }
}
