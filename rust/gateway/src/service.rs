//! One request of a client: is it allowed in, where does it go, what is done about it.

use crate::{
    body::{self, ReplyBody},
    forward::{Exchange, Question, Worker, identity, merged, target},
    framing::REFUSED,
    headers::{self, SESSION_ID, VERSION},
    held::Held,
    judge::{LARGE, judge, settle, weigh},
    metadata, mirror,
    outline::{Outline, What},
    reply::{self, HEADER_MISMATCH, INTERNAL, PARSE_ERROR, close, refuse},
    sessions::{Conversation, short_digest},
    shared::{Hold, Permit, Route, Shared},
};
use bytes::Bytes;
use egress_guard_core::session::{self as approval, Frame, Side, approval::Outcome};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::spawn_blocking;

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) worker: Arc<Worker>,
    pub(crate) local: IpAddr,
    /// Set before an answer to a request that was not read.
    pub(crate) linger: Arc<AtomicBool>,
}

impl Connection {
    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<ReplyBody> {
        let shared = &self.worker.shared;
        let (parts, body) = request.into_parts();
        let unread = !body.is_end_stream();
        let mut response = match self.refusal(&parts) {
            Some(response) => self.unread(response, unread),
            None => match shared.permit() {
                None => {
                    shared.metrics.overload();
                    let busy = refuse(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "too many requests at a time",
                    );
                    let mut busy = self.unread(busy, unread);
                    busy.headers_mut()
                        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                    busy
                }
                // Boxed, as is what follows: a future within another is copied with it.
                Some(permit) => Box::pin(self.serve(parts, body, permit)).await,
            },
        };
        if shared.stop.is_set() {
            response = close(response);
        }
        shared.metrics.answered(response.status().as_u16());
        response
    }

    /// An answer to a request whose body, if any, stays unread.
    fn unread(&self, response: Response<ReplyBody>, unread: bool) -> Response<ReplyBody> {
        if !unread {
            return response;
        }
        self.linger.store(true, Ordering::Relaxed);
        close(response)
    }

    /// Why a request is not let in, as an answer.
    fn refusal(&self, parts: &http::request::Parts) -> Option<Response<ReplyBody>> {
        let shared = &self.worker.shared;
        if let Some(status) = parts.uri.path().strip_prefix(REFUSED) {
            let (status, message) = match status {
                "431" => (431, "the request head is too large"),
                "408" => (408, "the request head did not arrive in time"),
                _ => (400, "the request head is malformed"),
            };
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return Some(close(refuse(status, message)));
        }
        let checked = shared.doors.check(&parts.uri, &parts.headers, self.local);
        if let Err((status, message)) = checked {
            return Some(refuse(status, message));
        }
        let token = shared.config.bearer_token.as_ref()?;
        if carries(&parts.headers, token.0.as_bytes()) {
            return None;
        }
        let mut response = refuse(StatusCode::UNAUTHORIZED, "a bearer token is needed");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }

    async fn serve(
        &self,
        parts: http::request::Parts,
        body: Incoming,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let shared = &self.worker.shared;
        let unread = !body.is_end_stream();
        let http::request::Parts {
            method,
            uri,
            mut headers,
            ..
        } = parts;
        let path = uri.path();
        if let Some((route, upstream)) = metadata::find(shared, path) {
            if method != Method::GET || unread {
                return self.unread(not_allowed("GET"), unread);
            }
            if let Some(response) = self.withheld(&route, uri.query(), &headers) {
                return response;
            }
            return self
                .metadata(&route, &upstream, uri.query(), headers, permit)
                .await;
        }
        let Some(route) = shared.by_path.get(path).map(Arc::clone) else {
            return self.unread(
                refuse(StatusCode::NOT_FOUND, "no MCP endpoint at this path"),
                unread,
            );
        };
        headers::strip_hop_by_hop(&mut headers);
        if shared.config.bearer_token.is_some() {
            // It opens this door and no other.
            headers.remove(header::AUTHORIZATION);
        }
        if method == Method::POST {
            return self.post(route, &uri, headers, body, permit).await;
        }
        if ![Method::GET, Method::DELETE, Method::OPTIONS].contains(&method) {
            return self.unread(not_allowed("GET, POST, DELETE, OPTIONS"), unread);
        }
        if unread {
            let response = refuse(StatusCode::BAD_REQUEST, "a body is for POST only");
            return self.unread(response, unread);
        }
        if let Some(response) = self.withheld(&route, uri.query(), &headers) {
            return response;
        }
        let Some(url) = target(&route.url, uri.query()) else {
            return refuse(StatusCode::BAD_REQUEST, "the query is not valid");
        };
        let exchange = self.exchange(&route, &headers);
        headers::for_upstream(&mut headers);
        let question = Question {
            method,
            outline: None,
            replies: Vec::new(),
        };
        exchange
            .run(url, headers, Bytes::new(), question, permit)
            .await
    }

    /// The answer to a request without a body whose query or headers are not let through.
    fn withheld(
        &self,
        route: &Route,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Response<ReplyBody>> {
        let shared = &self.worker.shared;
        let guard = shared.guard();
        let limits = &guard.settings.limits;
        let frame = match mirror::extras(headers, query, &Outline::none(), b"", limits) {
            Ok(frame) => frame?,
            Err(message) => return Some(refuse(StatusCode::BAD_REQUEST, message)),
        };
        let alone = Conversation::alone(shared, route);
        match weigh(shared, route, &alone, &guard, &frame).forward {
            Some(None) => None,
            _ => {
                let message = "policy withholds what the query or a header carries";
                Some(refuse(StatusCode::FORBIDDEN, message))
            }
        }
    }

    fn exchange(&self, route: &Arc<Route>, headers: &HeaderMap) -> Arc<Exchange> {
        Arc::new(Exchange {
            worker: Arc::clone(&self.worker),
            route: Arc::clone(route),
            conversation: conversation(&self.worker.shared, route, headers),
            identity: identity(headers),
        })
    }

    async fn post(
        &self,
        route: Arc<Route>,
        uri: &Uri,
        headers: HeaderMap,
        body: Incoming,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let config = &self.worker.shared.config;
        if !matches!(headers::media_type(&headers), Some((media, true)) if media == "application/json")
        {
            let message = "Content-Type must be application/json in UTF-8";
            return self.unread(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message), true);
        }
        let encoded = headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        if encoded {
            let message = "an encoded body is not accepted: send it without Content-Encoding";
            let mut response = refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
            response.headers_mut().insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
            return self.unread(response, true);
        }
        let pause = Duration::from_secs(config.body_seconds);
        // A body may come slowly, but not for ever.
        let total = pause.saturating_mul(20);
        let mut hold = Hold::new(&self.worker.shared);
        let body = match body::collect(body, config.max_body_bytes, pause, total, &mut hold).await {
            Ok(body) => body,
            Err(fault) => {
                let (status, message) = match fault {
                    body::Fault::TooLarge => {
                        (StatusCode::PAYLOAD_TOO_LARGE, "the message is too large")
                    }
                    body::Fault::TimedOut => (
                        StatusCode::REQUEST_TIMEOUT,
                        "the body did not arrive in time",
                    ),
                    body::Fault::Crowded => (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "too many large messages at a time",
                    ),
                    body::Fault::Torn => (StatusCode::BAD_REQUEST, "the body is incomplete"),
                };
                return self.unread(refuse(status, message), true);
            }
        };
        let exchange = self.exchange(&route, &headers);
        let Some(url) = target(&route.url, uri.query()) else {
            return refuse(StatusCode::BAD_REQUEST, "the query is not valid");
        };
        let post = Post {
            exchange: Arc::clone(&exchange),
            query: uri.query().map(str::to_owned),
            headers,
            body,
        };
        let verdict = if post.body.len() <= LARGE {
            post.decide()
        } else {
            let decided = spawn_blocking(move || post.decide()).await;
            decided.unwrap_or_else(|_| Verdict::failed("null", "internal error while judging"))
        };
        match verdict {
            Verdict::Answer(status, frame) => reply::json(status, frame),
            Verdict::Answers(frames) => merged(&frames, b""),
            Verdict::Accepted => reply::accepted(),
            Verdict::Forward(forward) => Box::pin(forward.send(exchange, url, permit)).await,
            Verdict::Ask(question, forward) => Held::ask(exchange, question, *forward, url, permit),
        }
    }

    /// Fetches the metadata of an upstream.
    async fn metadata(
        &self,
        route: &Arc<Route>,
        path: &str,
        query: Option<&str>,
        mut headers: HeaderMap,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let shared = &self.worker.shared;
        headers::strip_hop_by_hop(&mut headers);
        headers::for_upstream(&mut headers);
        let mut parts = route.url.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        let Some(url) = Uri::from_parts(parts)
            .ok()
            .and_then(|url| target(&url, query))
        else {
            return refuse(StatusCode::BAD_REQUEST, "the query is not valid");
        };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        let response = match self.worker.upstreams.send(request).await {
            Ok(response) => response,
            Err(fault) => {
                shared.metrics.upstream_failure();
                return reply::error(fault.status, INTERNAL, "null", fault.message);
            }
        };
        let (mut parts, body) = response.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        if !parts.status.is_success() || metadata::public_url(shared, route).is_none() {
            return Response::from_parts(parts, ReplyBody::pass(body, permit));
        }
        let wait = Duration::from_secs(shared.config.answer_seconds.min(30));
        let mut hold = Hold::new(shared);
        let Ok(body) = body::collect(body, 1 << 20, wait, wait, &mut hold).await else {
            let message = "the upstream's metadata cannot be read";
            return reply::error(StatusCode::BAD_GATEWAY, INTERNAL, "null", message);
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = metadata::rewrite(shared, route, &body).map_or(body, Bytes::from);
        Response::from_parts(parts, ReplyBody::full(body))
    }
}

/// A message on its way to the upstream.
struct Post {
    exchange: Arc<Exchange>,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

/// What is done with a message.
enum Verdict {
    Answer(StatusCode, Vec<u8>),
    Answers(Vec<Vec<u8>>),
    Accepted,
    Forward(Box<Forward>),
    Ask(approval::Question, Box<Forward>),
}

/// A message that goes to the upstream.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) question: Question,
}

impl Forward {
    pub(crate) async fn send(
        self,
        exchange: Arc<Exchange>,
        url: Uri,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let mut headers = self.headers;
        headers::for_upstream(&mut headers);
        exchange
            .run(url, headers, self.body, self.question, permit)
            .await
    }
}

impl Verdict {
    fn failed(id: &str, message: &str) -> Self {
        Self::Answer(StatusCode::OK, reply::error_frame(INTERNAL, id, message))
    }

    /// The answer to a message that is not let through.
    fn withheld(outline: &Outline, mut replies: Vec<Vec<u8>>) -> Self {
        if replies.len() > 1 {
            return Self::Answers(replies);
        }
        // What is no message at all is a bad request; a denial is an answer like any other.
        let bad = outline.what == What::Malformed
            || outline.what == What::Batch && replies.iter().all(|r| !r.starts_with(b"["));
        let status = if bad {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        match (replies.pop(), outline.what) {
            (Some(frame), _) => Self::Answer(status, frame),
            (None, What::Malformed) => Self::Answer(
                status,
                reply::error_frame(PARSE_ERROR, "null", "no message"),
            ),
            (None, What::Request) => Self::failed(&outline.id, "the message was withheld"),
            (None, _) => Self::Accepted,
        }
    }
}

impl Post {
    fn decide(mut self) -> Verdict {
        let exchange = Arc::clone(&self.exchange);
        let (shared, route) = (exchange.shared(), &exchange.route);
        let guard = shared.guard();
        let limits = &guard.settings.limits;
        // A second handle on the same bytes: what is read of them outlives the move below.
        let body = self.body.clone();
        let frame = &Frame::read(&body, limits);
        let outline = Outline::of(frame);
        let mismatch = |message: &str| {
            let frame = reply::error_frame(HEADER_MISMATCH, &outline.id, message);
            Verdict::Answer(StatusCode::BAD_REQUEST, frame)
        };
        if let Err(message) = mirror::check(&self.headers, &outline) {
            return mismatch(message);
        }
        let query = self.query.as_deref();
        let extras = mirror::extras(&self.headers, query, &outline, &self.body, limits);
        match extras {
            Err(message) => return mismatch(message),
            Ok(None) => {}
            Ok(Some(frame)) => {
                let alone = Conversation::alone(shared, route);
                let weighed = weigh(shared, route, &alone, &guard, &frame);
                match weighed.forward {
                    Some(None) => {}
                    // Neither a query nor a header of its own can be masked.
                    Some(Some(_)) => {
                        let message = "a header or the query carries a secret";
                        return Verdict::failed(&outline.id, message);
                    }
                    None => return Verdict::withheld(&outline, weighed.replies),
                }
            }
        }
        let conversation = &exchange.conversation;
        let traceparent = headers::traceparent(&self.headers);
        let judged = judge(
            shared,
            route,
            conversation,
            &guard,
            Side::Client,
            frame,
            traceparent,
        );
        if let Some(question) = judged.question {
            if !takes_events(&self.headers) {
                let settled = settle(
                    shared,
                    route,
                    conversation,
                    &question.number,
                    Outcome::Unable,
                    traceparent,
                );
                return Verdict::withheld(&outline, settled.replies);
            }
            let forward = Forward {
                headers: self.headers,
                body: self.body,
                question: Question {
                    method: Method::POST,
                    outline: Some(outline),
                    replies: Vec::new(),
                },
            };
            return Verdict::Ask(question, Box::new(forward));
        }
        let Some(changed) = judged.forward else {
            return Verdict::withheld(&outline, judged.replies);
        };
        if let Some(changed) = changed {
            if !mirror::recompute(&mut self.headers, &self.body, &changed, limits) {
                return mismatch("a mirrored header cannot be masked like the body");
            }
            self.body = changed.into();
        }
        Verdict::Forward(Box::new(Forward {
            headers: self.headers,
            body: self.body,
            question: Question {
                method: Method::POST,
                outline: Some(outline),
                replies: judged.replies,
            },
        }))
    }
}

fn conversation(shared: &Shared, route: &Route, headers: &HeaderMap) -> Arc<Conversation> {
    // A modern request stands alone, whatever session it names.
    let id = headers
        .get(SESSION_ID)
        .filter(|_| !mirror::is_modern(headers))
        .and_then(|id| id.to_str().ok());
    id.and_then(|id| shared.sessions.find(route.index, id))
        .unwrap_or_else(|| {
            // Without the header, the revision is the one that has batches.
            let version = headers.get(VERSION).map(HeaderValue::as_bytes);
            let batches = version.is_none_or(|v| v == b"2025-03-26");
            Conversation::new(shared, route, batches, &who(headers))
        })
}

/// A name for who sends a request that stands alone, from which no token can be told.
fn who(headers: &HeaderMap) -> String {
    headers
        .get(header::AUTHORIZATION)
        .map_or_else(String::new, |token| short_digest(token.as_bytes()))
}

/// Whether an answer may be a stream of events.
fn takes_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media| matches!(media.trim(), "text/event-stream" | "text/*" | "*/*"))
}

fn not_allowed(allow: &'static str) -> Response<ReplyBody> {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Whether exactly this token is carried. Takes as long for a wrong one as for the right one.
fn carries(headers: &HeaderMap, token: &[u8]) -> bool {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return false;
    };
    let Some((scheme, given)) = value.as_bytes().split_at_checked(7) else {
        return false;
    };
    if !scheme.eq_ignore_ascii_case(b"bearer ") || given.len() != token.len() {
        return false;
    }
    let difference = given.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}
