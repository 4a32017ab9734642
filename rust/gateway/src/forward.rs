//! One exchange with an upstream: the request goes out once, the answer comes back judged.

use crate::{
    body::{self, ReplyBody},
    events::{Coding, Events, event},
    headers::{self, SESSION_ID, VERSION},
    judge::{LARGE, judge},
    metadata, mirror,
    outline::{Outline, What},
    reply,
    sessions::Conversation,
    shared::{Hold, Permit, Route, Shared},
    upstream::{Fault, Upstreams},
};
use bytes::Bytes;
use egress_guard_core::{
    guard::Guard,
    session::{Frame, Side},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use std::{sync::Arc, time::Duration};
use tokio::task::spawn_blocking;

/// What a worker needs for its requests.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstreams: Upstreams,
}

/// What belongs to one request while it is under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) worker: Arc<Worker>,
    pub(crate) route: Arc<Route>,
    pub(crate) conversation: Arc<Conversation>,
    /// The client's headers that a message of the gateway's own needs.
    pub(crate) identity: HeaderMap,
}

/// What the upstream's answer is to be read against.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// The body that was sent; `None` for a request without one.
    pub(crate) outline: Option<Outline>,
    /// Answers of the gateway to parts of a batch.
    pub(crate) replies: Vec<Vec<u8>>,
}

impl Question {
    fn id(&self) -> &str {
        match &self.outline {
            Some(outline) => &outline.id,
            None => "null",
        }
    }
}

/// The URL of the upstream with the client's query.
pub(crate) fn target(url: &Uri, query: Option<&str>) -> Option<Uri> {
    let Some(query) = query else {
        return Some(url.clone());
    };
    let joined = match url.query() {
        Some(own) => format!("{}?{own}&{query}", url.path()),
        None => format!("{}?{query}", url.path()),
    };
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(joined.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The client's headers that say who it is.
pub(crate) fn identity(headers: &HeaderMap) -> HeaderMap {
    [header::AUTHORIZATION, header::COOKIE, SESSION_ID, VERSION]
        .into_iter()
        .filter_map(|name| {
            headers
                .get(&name)
                .map(|value| (name.clone(), value.clone()))
        })
        .collect()
}

impl Exchange {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.worker.shared
    }

    /// Sends a request to the upstream and returns its answer, or an answer that says why not.
    pub(crate) async fn run(
        self: Arc<Self>,
        url: Uri,
        headers: HeaderMap,
        body: Bytes,
        question: Question,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = question.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        match self.worker.upstreams.send(request).await {
            Ok(response) => self.answer(response, question, permit).await,
            Err(fault) => self.unavailable(&fault, &question),
        }
    }

    fn unavailable(&self, fault: &Fault, question: &Question) -> Response<ReplyBody> {
        self.shared().metrics.upstream_failure();
        reply::error(fault.status, reply::INTERNAL, question.id(), fault.message)
    }

    fn bad_gateway(&self, question: &Question, message: &'static str) -> Response<ReplyBody> {
        let fault = Fault {
            status: StatusCode::BAD_GATEWAY,
            message,
        };
        self.unavailable(&fault, question)
    }

    async fn answer(
        self: Arc<Self>,
        response: Response<Incoming>,
        mut question: Question,
        permit: Permit,
    ) -> Response<ReplyBody> {
        let (mut parts, body) = response.into_parts();
        // Nobody asked for another protocol.
        if parts.status.is_informational() {
            return self.bad_gateway(&question, "the upstream's answer is none to a request");
        }
        headers::strip_hop_by_hop(&mut parts.headers);
        metadata::rewrite_challenges(self.shared(), &self.route, &mut parts.headers);
        self.keep_session(&parts.headers, parts.status, &question);
        let coding = match coding(&mut parts.headers) {
            Ok(coding) => coding,
            Err(()) => return self.bad_gateway(&question, "the upstream's answer is encoded"),
        };
        let media = headers::media_type(&parts.headers).map(|(media, _)| media);
        let is_json = media.as_deref() == Some("application/json");
        let posted = question.method == Method::POST;
        if media.as_deref() == Some("text/event-stream") {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts
                .headers
                .entry("x-accel-buffering")
                .or_insert(HeaderValue::from_static("no"));
            let first: Vec<u8> = question.replies.iter().flat_map(|r| event(r)).collect();
            let pending = question.outline.take().map(|o| o.ids).unwrap_or_default();
            // A stream that answers nothing never ends by itself.
            let stop = pending.is_empty().then(|| self.shared().stop.clone());
            let events = Events::new(body, coding, self, pending, &first, stop);
            return Response::from_parts(parts, ReplyBody::events(events, permit));
        }
        let expects = question
            .outline
            .as_ref()
            .is_some_and(|outline| matches!(outline.what, What::Request | What::Batch));
        if posted && is_json || coding.is_some() {
            return self.whole(parts, body, coding, question).await;
        }
        if posted && expects && parts.status == StatusCode::OK {
            return self.bad_gateway(
                &question,
                "the upstream's answer is neither JSON nor a stream",
            );
        }
        if !question.replies.is_empty() {
            return merged(&question.replies, b"");
        }
        Response::from_parts(parts, ReplyBody::pass(body, permit))
    }

    /// Remembers the conversation under the id that the upstream gave it.
    fn keep_session(&self, headers: &HeaderMap, status: StatusCode, question: &Question) {
        if !status.is_success() {
            return;
        }
        let sessions = &self.shared().sessions;
        let asked = self.identity.get(SESSION_ID);
        let Some(id) = headers
            .get(SESSION_ID)
            .or(asked)
            .and_then(|id| id.to_str().ok())
        else {
            return;
        };
        if mirror::is_modern(&self.identity) {
            return;
        }
        if question.method == Method::DELETE {
            sessions.remove(self.route.index, id);
        } else if self.conversation.id() != id {
            sessions.insert(self.route.index, id, &self.conversation);
        }
    }

    /// Answers with one JSON document.
    async fn whole(
        self: Arc<Self>,
        mut parts: http::response::Parts,
        body: Incoming,
        coding: Option<Coding>,
        question: Question,
    ) -> Response<ReplyBody> {
        let config = &self.shared().config;
        let limit = config.max_body_bytes;
        let wait = Duration::from_secs(config.answer_seconds);
        let mut hold = Hold::new(self.shared());
        let body = match body::collect(body, limit, wait, wait, &mut hold).await {
            Ok(body) => body,
            Err(body::Fault::TooLarge) => {
                return self.bad_gateway(&question, "the upstream's answer is too large");
            }
            Err(body::Fault::TimedOut) => {
                let fault = Fault {
                    status: StatusCode::GATEWAY_TIMEOUT,
                    message: "the upstream did not finish its answer in time",
                };
                return self.unavailable(&fault, &question);
            }
            Err(body::Fault::Crowded) => {
                let fault = Fault {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    message: "too many large messages at a time",
                };
                return self.unavailable(&fault, &question);
            }
            Err(body::Fault::Torn) => {
                return self.bad_gateway(&question, "the upstream broke off in mid-answer");
            }
        };
        let body = match coding.map(|mut coding| coding.decode(&body)) {
            None => body,
            Some(Ok(body)) if body.len() <= limit => body,
            Some(_) => {
                return self.bad_gateway(&question, "the upstream's answer cannot be decoded");
            }
        };
        if body.is_empty() && question.replies.is_empty() {
            let expects = question
                .outline
                .as_ref()
                .is_some_and(|o| o.what == What::Request);
            if expects && parts.status == StatusCode::OK {
                return self.bad_gateway(&question, "the upstream's answer is empty");
            }
            return Response::from_parts(parts, ReplyBody::full(body));
        }
        let guard = self.shared().guard();
        let status = parts.status;
        let verdict = if body.len() <= LARGE {
            self.judge_answer(&guard, &body, status)
        } else {
            let (this, body) = (Arc::clone(&self), body.clone());
            let judged = spawn_blocking(move || this.judge_answer(&guard, &body, status));
            judged.await.unwrap_or(Err("internal error while judging"))
        };
        let body = match verdict {
            Ok(None) => body,
            Ok(Some(changed)) => changed.into(),
            Err(message) => return self.bad_gateway(&question, message),
        };
        if !question.replies.is_empty() && status.is_success() {
            return merged(&question.replies, &body);
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, ReplyBody::full(body))
    }

    /// The body to answer with instead, or why there is none.
    fn judge_answer(
        &self,
        guard: &Arc<Guard>,
        body: &[u8],
        status: StatusCode,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let frame = &Frame::read(body, &guard.settings.limits);
        // An error page in JSON is not a message; a success that is not one is garbage.
        if status != StatusCode::OK && Outline::of(frame).what == What::Malformed {
            return Ok(None);
        }
        let (shared, conversation) = (self.shared(), &self.conversation);
        let judged = judge(
            shared,
            &self.route,
            conversation,
            guard,
            Side::Server,
            frame,
            "",
        );
        self.answer_upstream(judged.replies);
        judged
            .forward
            .ok_or("the upstream's answer is not a JSON-RPC message that can be passed on")
    }

    /// Answers requests of the upstream that the client does not get to see.
    pub(crate) fn answer_upstream(&self, replies: Vec<Vec<u8>>) {
        for frame in replies {
            let Some(url) = target(&self.route.url, None) else {
                continue;
            };
            let mut request = Request::new(Full::new(Bytes::from(frame)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = url;
            let headers = request.headers_mut();
            headers.clone_from(&self.identity);
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            );
            let worker = Arc::clone(&self.worker);
            tokio::spawn(async move {
                if worker.upstreams.send(request).await.is_err() {
                    worker.shared.metrics.upstream_failure();
                }
            });
        }
    }
}

/// Takes note of a content coding; an error for one that cannot be read.
fn coding(headers: &mut HeaderMap) -> Result<Option<Coding>, ()> {
    let all: Vec<String> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    match all.as_slice() {
        [] => Ok(None),
        [name] => {
            let coding = Coding::of(name).ok_or(())?;
            headers.remove(header::CONTENT_ENCODING);
            headers.remove(header::CONTENT_LENGTH);
            Ok(Some(coding))
        }
        _ => Err(()),
    }
}

/// One array of the gateway's answers and the upstream's.
pub(crate) fn merged(replies: &[Vec<u8>], upstream: &[u8]) -> Response<ReplyBody> {
    let inner = |frame: &[u8]| {
        let frame = frame.trim_ascii();
        let frame = match frame {
            [b'[', middle @ .., b']'] => middle.trim_ascii(),
            other => other,
        };
        frame.to_vec()
    };
    let all: Vec<Vec<u8>> = replies
        .iter()
        .map(Vec::as_slice)
        .chain([upstream])
        .map(inner)
        .filter(|frame| !frame.is_empty())
        .collect();
    let mut body = vec![b'['];
    body.extend(all.join(&b','));
    body.push(b']');
    reply::json(StatusCode::OK, body)
}
