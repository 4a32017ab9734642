//! Lets only HTTP/1 request heads through that every parser reads the same way.
//!
//! The HTTP library accepts what RFC 9112 lets a server repair: a bare LF, a length beside a
//! transfer coding. Repairs are what request smuggling lives on, so such a head never reaches it.
//! It sees a request for [`REFUSED`] instead, which is answered with the reason.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Path of the request that stands for a refused head; the status follows it.
pub(crate) const REFUSED: &str = "/.refused/";
/// Most bytes of a head.
pub(crate) const MAX_HEAD: usize = 64 << 10;
/// Most header lines of a head.
pub(crate) const MAX_HEADERS: usize = 128;
/// Most bytes that are read and thrown away so that the peer sees the answer before a reset.
const MAX_LINGER: usize = 256 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// Where the reader stands in the stream of requests.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// In a head, of which so many bytes are known to hold no end.
    Head(usize),
    /// In a body, with so many bytes to come.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Nothing more is read.
    Refused,
}

#[derive(Debug, PartialEq, Eq)]
enum Chunked {
    /// In the size line; the digits so far have this value.
    Size(u64),
    /// Behind the digits.
    Extension(u64),
    /// In the data, with so many bytes to come, line end included.
    Data(u64),
    /// In a trailer line of so many bytes.
    Trailer(usize),
}

/// Status of a refused head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal(u16);

/// Follows the requests of one connection, byte by byte.
#[derive(Debug)]
struct Follower {
    state: State,
}

impl Follower {
    /// How many bytes may be passed on; the rest is an unfinished head.
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0_usize;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() && !matches!(self.state, State::Length(0)) {
                return Ok(at);
            }
            match &mut self.state {
                State::Refused => return Ok(at),
                State::Length(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left = left.saturating_sub(step as u64);
                    at = at.saturating_add(step);
                    if *left == 0 {
                        self.state = State::Head(0);
                    }
                }
                State::Chunked(chunked) => {
                    let (step, done) = chunked.follow(rest)?;
                    at = at.saturating_add(step);
                    if done {
                        self.state = State::Head(0);
                    }
                }
                State::Head(known) => {
                    // Blank lines before a request are passed on: the library skips them.
                    let blank = rest
                        .iter()
                        .take_while(|&&b| b == b'\r' || b == b'\n')
                        .count();
                    if blank > 0 && *known == 0 {
                        at = at.saturating_add(blank);
                        continue;
                    }
                    let Some(end) = end_of_head(rest, *known) else {
                        if rest.len() > MAX_HEAD {
                            return Err(Refusal(431));
                        }
                        *known = rest.len();
                        return Ok(at);
                    };
                    if end > MAX_HEAD {
                        return Err(Refusal(431));
                    }
                    self.state = body_of(rest.get(..end).unwrap_or_default())?;
                    at = at.saturating_add(end);
                    if self.state == State::Length(0) {
                        self.state = State::Head(0);
                    }
                }
            }
        }
    }
}

impl Chunked {
    /// Bytes taken, and whether the body is over.
    fn follow(&mut self, bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        let mut at = 0_usize;
        while let Some(&byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let rest = bytes.len().saturating_sub(at);
                let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                *left = left.saturating_sub(step as u64);
                at = at.saturating_add(step);
                if *left == 0 {
                    *self = Self::Size(0);
                }
                continue;
            }
            at = at.saturating_add(1);
            *self = match (&*self, byte) {
                (&Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = char::from(byte).to_digit(16).unwrap_or(0);
                    let size = size
                        .checked_mul(16)
                        .and_then(|size| size.checked_add(digit.into()))
                        .ok_or(Refusal(400))?;
                    Self::Size(size)
                }
                (&(Self::Size(0) | Self::Extension(0)), b'\n') => Self::Trailer(0),
                (&(Self::Size(size) | Self::Extension(size)), b'\n') => {
                    Self::Data(size.saturating_add(2))
                }
                (&(Self::Size(size) | Self::Extension(size)), _) => Self::Extension(size),
                (Self::Trailer(0), b'\n') => return Ok((at, true)),
                (Self::Trailer(_), b'\n') | (Self::Trailer(0), b'\r') => Self::Trailer(0),
                (&Self::Trailer(length), _) => Self::Trailer(length.saturating_add(1)),
                (Self::Data(_), _) => continue,
            };
        }
        Ok((at, false))
    }
}

/// Where the head ends that begins here: behind its blank line, however that is spelt.
fn end_of_head(bytes: &[u8], known: usize) -> Option<usize> {
    let mut from = known.saturating_sub(3);
    loop {
        let rest = bytes.get(from..)?;
        let at = from.saturating_add(rest.iter().position(|&b| b == b'\n')?);
        let next = at.saturating_add(1);
        match bytes.get(next..) {
            Some([b'\n', ..]) => return next.checked_add(1),
            Some([b'\r', b'\n', ..]) => return next.checked_add(2),
            _ => from = next,
        }
    }
}

/// The body that a head announces.
fn body_of(head: &[u8]) -> Result<State, Refusal> {
    let bad = Refusal(400);
    let mut last = 0;
    for &byte in head {
        if byte == b'\n' && last != b'\r' || byte != b'\n' && last == b'\r' {
            return Err(bad);
        }
        last = byte;
    }
    let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut storage) {
        Ok(httparse::Status::Complete(end)) if end == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal(431)),
        _ => return Err(bad),
    }
    let (mut lengths, mut codings, mut hosts) = (0_u8, 0_u8, 0_u8);
    let mut length = 0_u64;
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            lengths = lengths.saturating_add(1);
            let digits = std::str::from_utf8(header.value).map_err(|_| bad)?;
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(bad);
            }
            length = digits.parse().map_err(|_| bad)?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            codings = codings.saturating_add(1);
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad);
            }
        } else if header.name.eq_ignore_ascii_case("host") {
            hosts = hosts.saturating_add(1);
        }
    }
    let http11 = request.version == Some(1);
    match (lengths, codings) {
        _ if hosts > 1 || http11 && hosts == 0 => Err(bad),
        (0 | 1, 0) => Ok(State::Length(length)),
        (0, 1) if http11 => Ok(State::Chunked(Chunked::Size(0))),
        _ => Err(bad),
    }
}

/// A connection whose request heads are checked before they are read.
#[derive(Debug)]
pub(crate) struct Strict<S> {
    inner: S,
    follower: Follower,
    /// Bytes read and not passed on: an unfinished head, or what stands for a refused one.
    held: Vec<u8>,
    /// How many of them may be passed on.
    free: usize,
    head_time: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    /// The answer comes before the request was read: read on after it, so that it arrives.
    linger: Arc<AtomicBool>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Strict<S> {
    pub(crate) fn new(inner: S, head_time: Duration, linger: Arc<AtomicBool>) -> Self {
        Self {
            inner,
            follower: Follower {
                state: State::Head(0),
            },
            held: Vec::new(),
            free: 0,
            head_time,
            deadline: None,
            linger,
            lingering: None,
        }
    }

    fn refuse(&mut self, Refusal(status): Refusal) {
        self.follower.state = State::Refused;
        self.deadline = None;
        self.linger.store(true, Ordering::Relaxed);
        self.held = format!(
            "GET {REFUSED}{status} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .into_bytes();
        self.free = self.held.len();
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.free.min(buf.remaining());
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.free = self.free.saturating_sub(count);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.free > 0 {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if this.follower.state == State::Refused {
                return Poll::Pending;
            }
            let before = buf.filled().len();
            if Pin::new(&mut this.inner).poll_read(cx, buf)?.is_pending() {
                if let Some(deadline) = &mut this.deadline
                    && deadline.as_mut().poll(cx).is_ready()
                {
                    this.refuse(Refusal(408));
                    continue;
                }
                return Poll::Pending;
            }
            let new = buf.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let result = if this.held.is_empty() {
                let result = this.follower.follow(new);
                if let Ok(passed) = result {
                    this.held
                        .extend_from_slice(new.get(passed..).unwrap_or_default());
                    buf.set_filled(before.saturating_add(passed));
                }
                // Bytes before a refused head stay behind with it: their request is torn anyway.
                result.map(|passed| (passed > 0, 0))
            } else {
                this.held.extend_from_slice(new);
                buf.set_filled(before);
                this.follower
                    .follow(&this.held)
                    .map(|passed| (false, passed))
            };
            match result {
                Err(refusal) => {
                    buf.set_filled(before);
                    this.refuse(refusal);
                }
                Ok((given, free)) => {
                    this.free = free;
                    if this.held.len() == free {
                        this.deadline = None;
                    } else if this.deadline.is_none() {
                        this.deadline = Some(Box::pin(sleep(this.head_time)));
                    }
                    if given {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        if !this.linger.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let (until, read) = this
            .lingering
            .get_or_insert_with(|| (Box::pin(sleep(LINGER)), 0));
        let mut scratch = [0_u8; 16 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *read = read.saturating_add(buf.filled().len());
                    if *read > MAX_LINGER {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return until.as_mut().poll(cx).map(Ok),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(bytes: &[u8]) -> Result<usize, u16> {
        let mut follower = Follower {
            state: State::Head(0),
        };
        follower.follow(bytes).map_err(|r| r.0)
    }

    /// Splits the input at every place: the outcome must not depend on it.
    fn follow_in_two(bytes: &[u8], split: usize) -> Result<usize, u16> {
        let mut follower = Follower {
            state: State::Head(0),
        };
        let first = follower.follow(&bytes[..split]).map_err(|r| r.0)?;
        follower
            .follow(&bytes[first..])
            .map(|n| first.saturating_add(n))
            .map_err(|r| r.0)
    }

    #[test]
    fn requests_of_a_connection_are_followed() {
        let stream = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab\r\n\r\
            GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n\
            POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n\
            a;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
            DELETE /mcp HTTP/1.0\r\n\r\nGET /unfin";
        let complete = stream.len() - "GET /unfin".len();
        for split in 0..stream.len() {
            assert_eq!(
                follow_in_two(stream, split),
                Ok(complete),
                "split at {split}"
            );
        }
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        let host = "POST /mcp HTTP/1.1\r\nHost: x\r\n";
        for (rest, status) in [
            (
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
                400,
            ),
            ("Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
            ("Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
            ("Content-Length: 3, 3\r\n\r\n", 400),
            ("Content-Length: +3\r\n\r\n", 400),
            ("Content-Length: -1\r\n\r\n", 400),
            ("Content-Length: 99999999999999999999999\r\n\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
            ("Transfer-Encoding: xchunked\r\n\r\n", 400),
            ("Transfer-Encoding:\x0bchunked\r\n\r\n", 400),
            ("Transfer-Encoding : chunked\r\n\r\n", 400),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            ("X: a\n b\r\n\r\n", 400),
            ("X: a\r\n folded\r\n\r\n", 400),
            ("X: a\nContent-Length: 3\n\n", 400),
            ("X: a\rY: b\r\n\r\n", 400),
            ("X: a\0b\r\n\r\n", 400),
            ("Host: y\r\n\r\n", 400),
        ] {
            assert_eq!(
                follow(format!("{host}{rest}").as_bytes()),
                Err(status),
                "{rest:?}"
            );
        }
        assert_eq!(follow(b"GET /mcp HTTP/1.1\r\n\r\n"), Err(400));
        assert_eq!(follow(b"nonsense\r\n\r\n"), Err(400));
        assert_eq!(
            follow(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(400)
        );
    }

    #[test]
    fn floods_of_headers_are_refused() {
        let head = "GET /mcp HTTP/1.1\r\nHost: x\r\n";
        let many = "A: b\r\n".repeat(MAX_HEADERS);
        assert_eq!(follow(format!("{head}{many}\r\n").as_bytes()), Err(431));
        let long = "a".repeat(MAX_HEAD);
        assert_eq!(follow(format!("{head}A: {long}").as_bytes()), Err(431));
        assert_eq!(
            follow(format!("{head}A: {long}\r\n\r\n").as_bytes()),
            Err(431)
        );
    }
}
