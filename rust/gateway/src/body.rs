//! Bodies: what is read of a request, and what an answer consists of.

use crate::{
    events::Events,
    held::Held,
    shared::{Hold, Permit},
};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Larger than allowed.
    TooLarge,
    /// It stopped coming.
    TimedOut,
    /// The peer broke off.
    Torn,
    /// Too much is in memory already.
    Crowded,
}

/// Reads a body of at most `limit` bytes, each part of which may take `pause` to come.
pub(crate) async fn collect(
    mut body: Incoming,
    limit: usize,
    pause: Duration,
    total: Duration,
    hold: &mut Hold,
) -> Result<Bytes, Fault> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Fault::TooLarge);
    }
    let start = Instant::now();
    let mut whole: Option<Bytes> = None;
    let mut parts = BytesMut::new();
    loop {
        if body.is_end_stream() {
            break;
        }
        let patience = pause.min(total.saturating_sub(start.elapsed()));
        let frame = match timeout(patience, body.frame()).await {
            Err(_) => return Err(Fault::TimedOut),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Fault::Torn),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if parts.len().saturating_add(data.len()) > limit {
            return Err(Fault::TooLarge);
        }
        if !hold.more(data.len()) {
            return Err(Fault::Crowded);
        }
        // Nearly every message comes in one piece, which is not copied.
        match (whole.take(), parts.is_empty()) {
            (None, true) => whole = Some(data),
            (first, _) => {
                if let Some(first) = first {
                    parts.extend_from_slice(&first);
                }
                if parts.len().saturating_add(data.len()) > limit {
                    return Err(Fault::TooLarge);
                }
                parts.extend_from_slice(&data);
            }
        }
    }
    Ok(whole.unwrap_or_else(|| parts.freeze()))
}

/// The body of an answer to a client.
pub(crate) enum ReplyBody {
    /// Known as a whole.
    Full(Option<Bytes>),
    /// The upstream's, unread.
    Pass {
        body: Box<Incoming>,
        _permit: Permit,
    },
    /// A call that waits for a person.
    Held(Box<Held>),
    /// A stream of judged events.
    Events {
        events: Box<Events>,
        _permit: Permit,
    },
}

impl ReplyBody {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }

    pub(crate) fn pass(body: Incoming, permit: Permit) -> Self {
        Self::Pass {
            body: Box::new(body),
            _permit: permit,
        }
    }

    pub(crate) fn events(events: Events, permit: Permit) -> Self {
        Self::Events {
            events: Box::new(events),
            _permit: permit,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Pass { body, .. } => Pin::new(body.as_mut())
                .poll_frame(cx)
                .map_err(io::Error::other),
            Self::Held(held) => held.poll(cx),
            Self::Events { events, .. } => Pin::new(events.as_mut())
                .poll_data(cx)
                .map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Pass { body, .. } => body.is_end_stream(),
            Self::Events { .. } | Self::Held(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Pass { body, .. } => body.size_hint(),
            Self::Events { .. } | Self::Held(_) => SizeHint::default(),
        }
    }
}
