//! A call that waits for a person: the client is asked on the stream that will carry the answer.

use crate::{
    body::ReplyBody,
    events::event,
    forward::Exchange,
    headers::traceparent,
    judge::{Judged, settle},
    reply,
    service::Forward,
    shared::Permit,
    wait::{First, first},
};
use bytes::Bytes;
use egress_guard_core::session::{Question, approval::Outcome};
use http::{HeaderValue, Response, StatusCode, Uri, header};
use http_body::{Body, Frame};
use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

/// A client that hears nothing for longer may take the stream for dead.
const ALIVE: Duration = Duration::from_secs(15);

type Answer = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// The stream of a held call.
pub(crate) struct Held {
    first: Option<Bytes>,
    state: State,
    alive: Interval,
}

enum State {
    Asking(Answer),
    /// What the upstream answers is a stream already.
    Events(Box<ReplyBody>),
    /// Or becomes its last event.
    Document(Box<ReplyBody>, Vec<u8>),
    Over,
}

/// Settles the call if the client leaves before there is an answer.
struct Abandoned {
    exchange: Arc<Exchange>,
    number: Option<String>,
    traceparent: String,
}

impl Abandoned {
    fn settle(&mut self, outcome: Outcome) -> Judged {
        let Some(number) = self.number.take() else {
            return Judged::default();
        };
        let exchange = &self.exchange;
        let (shared, conversation) = (exchange.shared(), &exchange.conversation);
        conversation.answer(&number, Outcome::Withdrawn);
        settle(
            shared,
            &exchange.route,
            conversation,
            &number,
            outcome,
            &self.traceparent,
        )
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let _ = self.settle(Outcome::Withdrawn);
    }
}

impl Held {
    /// Asks on a stream, and goes on with the call by the answer.
    pub(crate) fn ask(
        exchange: Arc<Exchange>,
        question: Question,
        forward: Forward,
        url: Uri,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let answered = exchange.conversation.wait_for(&question.number);
        let time = Duration::from_secs(question.seconds);
        let mut call = Abandoned {
            exchange: Arc::clone(&exchange),
            number: Some(question.number),
            traceparent: traceparent(&forward.headers).into(),
        };
        let answer = async move {
            let outcome = match first(pin!(answered), pin!(sleep(time))).await {
                First::A(answered) => answered.unwrap_or(Outcome::Withdrawn),
                First::B(()) => Outcome::TimedOut,
            };
            let judged = call.settle(outcome);
            match judged.forward {
                Some(changed) => {
                    let mut forward = forward;
                    if let Some(body) = changed {
                        forward.body = body.into();
                    }
                    forward.send(exchange, url, permit).await
                }
                None => {
                    let frames: Vec<u8> = judged.replies.iter().flat_map(|r| event(r)).collect();
                    let mut response = Response::new(ReplyBody::full(frames.into()));
                    response.headers_mut().insert(header::CONTENT_TYPE, EVENTS);
                    response
                }
            }
        };
        let mut alive = interval(ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        let held = Self {
            first: Some(event(&question.frame).into()),
            state: State::Asking(Box::pin(answer)),
            alive,
        };
        let mut response = Response::new(ReplyBody::Held(Box::new(held)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, EVENTS);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return data(first);
        }
        loop {
            match &mut self.state {
                State::Asking(answer) => match answer.as_mut().poll(cx) {
                    Poll::Ready(response) => self.state = State::of(response),
                    Poll::Pending if self.alive.poll_tick(cx).is_ready() => {
                        return data(Bytes::from_static(b": waiting\n\n"));
                    }
                    Poll::Pending => return Poll::Pending,
                },
                State::Events(body) => return Pin::new(body.as_mut()).poll_frame(cx),
                State::Document(body, parts) => {
                    match std::task::ready!(Pin::new(body.as_mut()).poll_frame(cx)) {
                        Some(Ok(frame)) => {
                            parts.extend(frame.into_data().unwrap_or_default());
                        }
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => {
                            let last = event(parts);
                            self.state = State::Over;
                            return data(last.into());
                        }
                    }
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

fn data(bytes: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
    Poll::Ready(Some(Ok(Frame::data(bytes))))
}

impl State {
    fn of(response: Response<ReplyBody>) -> Self {
        let status = response.status();
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.map_or(&b""[..], HeaderValue::as_bytes);
        if media.starts_with(b"text/event-stream") && status == StatusCode::OK {
            return Self::Events(Box::new(response.into_body()));
        }
        if media.starts_with(b"application/json") {
            return Self::Document(Box::new(response.into_body()), Vec::new());
        }
        // The status of this stream is sent already: what else there is can only be told.
        let message = format!("the upstream answered with status {}", status.as_u16());
        let frame = reply::error_frame(reply::INTERNAL, "null", &message);
        Self::Document(Box::new(ReplyBody::full(frame.into())), Vec::new())
    }
}
