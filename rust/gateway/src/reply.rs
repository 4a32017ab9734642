//! Answers that the gateway makes itself: a status and a JSON-RPC body.

use crate::body::ReplyBody;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// JSON-RPC: not JSON.
pub(crate) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the message is not a valid request.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: internal error; here mostly the upstream's.
pub(crate) const INTERNAL: i32 = -32603;
/// MCP: a routing header differs from the body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;

/// A JSON-RPC error under the id, which is written as JSON already.
pub(crate) fn error_frame(code: i32, id: &str, message: &str) -> Vec<u8> {
    let message = serde_json::Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
        .into_bytes()
}

/// A JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A status with a JSON-RPC error under the id.
pub(crate) fn error(status: StatusCode, code: i32, id: &str, message: &str) -> Response<ReplyBody> {
    json(status, error_frame(code, id, message))
}

/// The request is refused before anything of it was read as a message.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Response<ReplyBody> {
    error(status, INVALID_REQUEST, "null", message)
}

/// A notification or an answer was taken.
pub(crate) fn accepted() -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::full(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// The connection ends with this answer, since the rest of the request was not read.
pub(crate) fn close(mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
