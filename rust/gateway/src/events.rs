//! Streams of server-sent events: each one is judged and leaves as soon as it is complete.
//!
//! Bytes are passed on as they came; only the `data` lines of an event that was changed are
//! written anew. Follows the WHATWG rules for lines: LF, CR, or CR LF.

use crate::{
    forward::Exchange,
    judge::{LARGE, judge},
    outline::{Outline, What},
    reply,
    wait::Stop,
};
use bytes::{Buf, Bytes, BytesMut};
use egress_guard_core::{
    guard::Guard,
    session::{Frame, Side},
};
use flate2::write::{GzDecoder, ZlibDecoder};
use http_body::Body;
use hyper::body::Incoming;
use std::{
    borrow::Cow,
    future::Future,
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// What the parser finds next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole event with its blank line.
    Event(Vec<u8>),
    /// Bytes that belong to no event: comments between events, the second half of a line end.
    Loose(Vec<u8>),
    /// An event is larger than allowed.
    TooLong,
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub(crate) struct Parser {
    raw: Vec<u8>,
    /// Where the current line begins in `raw`.
    line: usize,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    limit: usize,
}

impl Parser {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            raw: Vec::new(),
            line: 0,
            after_cr: false,
            limit,
        }
    }

    /// Whether an event has begun and not ended.
    pub(crate) fn is_torn(&self) -> bool {
        !self.raw.is_empty()
    }

    /// The next complete item; takes what it needs from `chunk`.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Option<Item> {
        loop {
            if self.after_cr && !chunk.is_empty() {
                self.after_cr = false;
                if chunk.first() == Some(&b'\n') {
                    chunk.advance(1);
                    if self.raw.is_empty() {
                        return Some(Item::Loose(vec![b'\n']));
                    }
                    self.raw.push(b'\n');
                    self.line = self.raw.len();
                    continue;
                }
            }
            if chunk.is_empty() {
                return None;
            }
            let end = chunk.iter().position(|&b| b == b'\n' || b == b'\r');
            let taken = end.map_or(chunk.len(), |end| end.saturating_add(1));
            if self.raw.len().saturating_add(taken) > self.limit {
                return Some(Item::TooLong);
            }
            let part = chunk.split_to(taken);
            self.raw.extend_from_slice(&part);
            end?;
            self.after_cr = part.last() == Some(&b'\r');
            // The LF of a CR LF joins its line at once if it is there already.
            if self.after_cr && chunk.first() == Some(&b'\n') {
                chunk.advance(1);
                self.raw.push(b'\n');
                self.after_cr = false;
            }
            let line = self.raw.get(self.line..).unwrap_or_default();
            let blank = line.iter().all(|&b| b == b'\r' || b == b'\n');
            if blank {
                self.line = 0;
                return Some(Item::Event(std::mem::take(&mut self.raw)));
            }
            if self.line == 0 && line.first() == Some(&b':') {
                return Some(Item::Loose(std::mem::take(&mut self.raw)));
            }
            self.line = self.raw.len();
        }
    }
}

/// The lines of an event with their ends.
fn lines(raw: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .iter()
            .position(|&b| b == b'\n' || b == b'\r')
            .unwrap_or(rest.len());
        let (line, tail) = rest.split_at_checked(end)?;
        let width = match tail {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (eol, next) = tail.split_at_checked(width)?;
        rest = next;
        Some((line, eol))
    })
}

/// Name and value of a line.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    match line.iter().position(|&b| b == b':') {
        Some(colon) => {
            let value = line.get(colon.saturating_add(1)..).unwrap_or_default();
            let name = line.get(..colon).unwrap_or_default();
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content<'a> {
    data: Option<Cow<'a, [u8]>>,
    has_id: bool,
    /// Its type is `message`, the one that carries JSON-RPC.
    is_message: bool,
}

fn content(raw: &[u8]) -> Content<'_> {
    let mut content = Content {
        is_message: true,
        ..Content::default()
    };
    for (line, _) in lines(raw) {
        match field(line) {
            (b"data", value) => match &mut content.data {
                None => content.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            (b"id", value) => content.has_id |= !value.is_empty(),
            (b"event", value) => content.is_message = value.is_empty() || value == b"message",
            _ => {}
        }
    }
    content
}

/// The event with other data, or with none.
fn rewrite(raw: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut data = data;
    let mut useful = false;
    for (line, eol) in lines(raw) {
        if field(line).0 == b"data" {
            for part in data
                .take()
                .into_iter()
                .flat_map(|d| d.split(|&b| b == b'\n'))
            {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(part);
                out.extend_from_slice(eol);
                useful = true;
            }
            continue;
        }
        useful |= !line.is_empty();
        out.extend_from_slice(line);
        out.extend_from_slice(eol);
    }
    if useful { out } else { Vec::new() }
}

/// An event for a frame of the gateway's own.
pub(crate) fn event(frame: &[u8]) -> Vec<u8> {
    let mut out = b"event: message\ndata: ".to_vec();
    out.extend_from_slice(frame);
    out.extend_from_slice(b"\n\n");
    out
}

/// Takes a content coding off, piece by piece.
pub(crate) enum Coding {
    Gzip(Box<GzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
}

impl Coding {
    /// The decoder for a coding; `None` for one that is not known.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip(Box::new(GzDecoder::new(Vec::new())))),
            "deflate" => Some(Self::Deflate(Box::new(ZlibDecoder::new(Vec::new())))),
            _ => None,
        }
    }

    /// What so many more bytes stand for.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let out = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Deflate(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                decoder.get_mut()
            }
        };
        Ok(std::mem::take(out).into())
    }
}

/// What became of one event.
struct Outcome {
    out: Vec<u8>,
    has_id: bool,
    /// The id of the request that it answered.
    answered: Option<String>,
    /// For the upstream.
    replies: Vec<Vec<u8>>,
}

/// A stream on its way from the upstream to the client.
pub(crate) struct Events {
    upstream: Incoming,
    coding: Option<Coding>,
    parser: Parser,
    chunk: Bytes,
    out: BytesMut,
    exchange: Arc<Exchange>,
    /// Requests that this stream is to answer.
    pending: Vec<String>,
    /// The client can ask again for what it missed.
    resumable: bool,
    judging: Option<JoinHandle<Outcome>>,
    ended: bool,
    torn: bool,
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Events {
    /// Begins to judge a stream. `first` is sent before anything of it.
    pub(crate) fn new(
        upstream: Incoming,
        coding: Option<Coding>,
        exchange: Arc<Exchange>,
        pending: Vec<String>,
        first: &[u8],
        stop: Option<Stop>,
    ) -> Self {
        Self {
            upstream,
            coding,
            parser: Parser::new(exchange.shared().config.max_body_bytes),
            chunk: Bytes::new(),
            out: BytesMut::from(first),
            exchange,
            pending,
            resumable: false,
            judging: None,
            ended: false,
            torn: false,
            stop: stop
                .map(|stop| -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(stop.wait()) }),
        }
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(handle) = &mut self.judging {
                match Pin::new(handle).poll(cx) {
                    Poll::Pending => return self.give_or(Poll::Pending),
                    Poll::Ready(Ok(outcome)) => self.apply(outcome),
                    Poll::Ready(Err(_)) => self.fail("internal error while judging"),
                }
                self.judging = None;
            }
            self.take_items();
            if self.judging.is_some() {
                continue;
            }
            if !self.out.is_empty() {
                return self.give_or(Poll::Pending);
            }
            if self.ended {
                return Poll::Ready(self.torn.then(|| {
                    self.torn = false;
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                }));
            }
            match Pin::new(&mut self.upstream).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.feed(data);
                    }
                }
                Poll::Ready(None) => self.finish(false),
                Poll::Ready(Some(Err(_))) => self.finish(true),
                Poll::Pending => {
                    let stopped = self
                        .stop
                        .as_mut()
                        .is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
                    if !stopped {
                        return Poll::Pending;
                    }
                    self.ended = true;
                }
            }
        }
    }

    fn give_or(&mut self, or: Poll<Option<io::Result<Bytes>>>) -> Poll<Option<io::Result<Bytes>>> {
        if self.out.is_empty() {
            return or;
        }
        Poll::Ready(Some(Ok(self.out.split().freeze())))
    }

    fn feed(&mut self, data: Bytes) {
        self.chunk = match &mut self.coding {
            None => data,
            Some(coding) => match coding.decode(&data) {
                Ok(data) => data,
                Err(_) => return self.fail("the upstream's stream cannot be decoded"),
            },
        };
    }

    fn take_items(&mut self) {
        while !self.ended && self.judging.is_none() {
            match self.parser.next(&mut self.chunk) {
                None => return,
                Some(Item::Loose(bytes)) => self.out.extend_from_slice(&bytes),
                Some(Item::TooLong) => self.fail("an event of the upstream is too large"),
                Some(Item::Event(raw)) => self.event(raw),
            }
        }
    }

    fn event(&mut self, raw: Vec<u8>) {
        let exchange = Arc::clone(&self.exchange);
        let guard = exchange.shared().guard();
        let expects = !self.pending.is_empty();
        if raw.len() <= LARGE {
            return self.apply(decide(&exchange, &guard, &raw, expects));
        }
        self.judging = Some(spawn_blocking(move || {
            decide(&exchange, &guard, &raw, expects)
        }));
    }

    fn apply(&mut self, outcome: Outcome) {
        self.out.extend_from_slice(&outcome.out);
        self.resumable |= outcome.has_id;
        if let Some(id) = outcome.answered {
            self.pending.retain(|pending| *pending != id);
        }
        self.exchange.answer_upstream(outcome.replies);
    }

    /// The upstream's stream is over.
    fn finish(&mut self, broken: bool) {
        // An event without its blank line was not complete, whatever it looks like.
        let torn = broken || self.parser.is_torn();
        if !self.resumable && !self.pending.is_empty() {
            return self.fail("the upstream ended the stream before it answered");
        }
        self.torn = torn;
        self.ended = true;
    }

    /// Nothing more can come: what is pending gets an error.
    fn fail(&mut self, message: &str) {
        self.exchange.shared().metrics.upstream_failure();
        for id in std::mem::take(&mut self.pending) {
            let frame = reply::error_frame(reply::INTERNAL, &id, message);
            self.out.extend_from_slice(&event(&frame));
        }
        self.ended = true;
    }
}

/// Judges one event.
fn decide(exchange: &Exchange, guard: &Arc<Guard>, raw: &[u8], expects: bool) -> Outcome {
    let content = content(raw);
    let mut outcome = Outcome {
        out: Vec::new(),
        has_id: content.has_id,
        answered: None,
        replies: Vec::new(),
    };
    let data = content.data.as_deref().unwrap_or_default();
    if data.is_empty() {
        outcome.out = raw.to_vec();
        return outcome;
    }
    // MCP clients read JSON-RPC in `message` events only; what else there is may be anything.
    let watched = expects || !content.is_message;
    let frame = &Frame::read(data, &guard.settings.limits);
    if watched {
        let outline = Outline::of(frame);
        if !content.is_message && outline.what == What::Malformed {
            outcome.out = raw.to_vec();
            return outcome;
        }
        outcome.answered = (outline.what == What::Response).then_some(outline.id);
    }
    let (shared, route) = (exchange.shared(), &exchange.route);
    let conversation = &exchange.conversation;
    let judged = judge(shared, route, conversation, guard, Side::Server, frame, "");
    outcome.replies = judged.replies;
    outcome.out = match judged.forward {
        Some(None) => raw.to_vec(),
        Some(Some(data)) => rewrite(raw, Some(&data)),
        None => {
            outcome.answered = None;
            rewrite(raw, None)
        }
    };
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(chunks: &[&[u8]]) -> (Vec<Item>, bool) {
        let mut parser = Parser::new(1 << 20);
        let mut all = Vec::new();
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(item) = parser.next(&mut chunk) {
                all.push(item);
            }
        }
        (all, parser.is_torn())
    }

    fn bytes(items: &[Item]) -> Vec<u8> {
        items
            .iter()
            .flat_map(|item| match item {
                Item::Event(raw) | Item::Loose(raw) => raw.clone(),
                Item::TooLong => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn a_stream_is_cut_into_events_wherever_it_is_split() {
        let stream = "\u{feff}: hi\n\nid: 1\ndata: {\"a\":\ndata: \"é\"}\n\nevent: x\r\ndata:y\r\n\r\n: ping\r\rdata: z\r\r".as_bytes();
        let count = |items: &[Item]| items.iter().filter(|i| matches!(i, Item::Event(_))).count();
        let (whole, torn) = items(&[stream]);
        assert!(!torn);
        for split in 0..=stream.len() {
            let (found, torn) = items(&[&stream[..split], &stream[split..]]);
            assert_eq!(bytes(&found), stream, "split at {split}");
            assert_eq!(
                (count(&found), torn),
                (count(&whole), false),
                "split at {split}"
            );
        }
    }

    #[test]
    fn an_event_leaves_with_its_blank_line() {
        let (found, torn) = items(&[b"data: 1\n\ndata: 2\n"]);
        assert_eq!(found, [Item::Event(b"data: 1\n\n".to_vec())]);
        assert!(torn);
        let (found, _) = items(&[b"data: 1\r\n\r"]);
        assert_eq!(found, [Item::Event(b"data: 1\r\n\r".to_vec())]);
    }

    #[test]
    fn comments_do_not_wait_for_an_event() {
        let (found, torn) = items(&[b": keep-alive\n"]);
        assert_eq!(found, [Item::Loose(b": keep-alive\n".to_vec())]);
        assert!(!torn);
    }

    #[test]
    fn data_lines_are_joined() {
        let found = content(b"id: 7\nevent: message\ndata: a\ndata:b\ndata\n\n");
        assert_eq!(found.data.as_deref(), Some(&b"a\nb\n"[..]));
        assert!(found.has_id && found.is_message);
        assert!(!content(b"event: endpoint\ndata: /x\n\n").is_message);
        assert_eq!(content(b"id: 1\nretry: 5\n\n").data, None);
    }

    #[test]
    fn only_the_data_of_an_event_is_written_anew() {
        let raw = b"id: 7\r\ndata: a\r\ndata: b\r\nretry: 1\r\n\r\n";
        assert_eq!(
            rewrite(raw, Some(b"x\ny")),
            b"id: 7\r\ndata: x\r\ndata: y\r\nretry: 1\r\n\r\n"
        );
        assert_eq!(rewrite(raw, None), b"id: 7\r\nretry: 1\r\n\r\n");
        assert_eq!(rewrite(b"data: a\n\n", None), b"");
    }

    #[test]
    fn an_endless_event_is_bounded() {
        let mut parser = Parser::new(10);
        let mut chunk = Bytes::from_static(b"data: 12345678");
        assert_eq!(parser.next(&mut chunk), Some(Item::TooLong));
    }
}
