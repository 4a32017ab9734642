//! Says what a frame is in JSON-RPC: request, notification, answer or batch. Stage 1 of 6.
//!
//! Strict on purpose: a frame that two readers could take for different messages is refused
//! before anything of it is judged. JSON-RPC 2.0; MCP 2024-11-05 to 2026-07-28.

use crate::walk::{Document, Kind, NodeId, ROOT, WalkError};

/// What one JSON-RPC object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Asks for an answer under this id, spelt as in the frame.
    Request {
        /// The id, as written: `7` or `"a"`.
        id: String,
    },
    /// Asks for nothing.
    Notification,
    /// Answers an earlier request of the other side.
    Response {
        /// The id, as written; `null` where the peer could not read the request.
        id: String,
        /// It carries `error` instead of `result`.
        error: bool,
    },
}

/// One JSON-RPC object of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The object.
    pub node: NodeId,
    /// What it is.
    pub shape: Shape,
    /// `method`, escapes resolved; empty for an answer.
    pub method: String,
    /// `params`, `result` or `error`.
    pub body: Option<NodeId>,
    /// `params.name` of `tools/call` and `prompts/get`; empty otherwise.
    pub name: String,
    /// `params.arguments` of `tools/call` and `prompts/get`.
    pub arguments: Option<NodeId>,
}

impl Message {
    /// Whether it is a call of a tool.
    #[must_use]
    pub fn is_tool_call(&self) -> bool {
        self.method == "tools/call"
    }

    /// The id as written, for requests and answers.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.shape {
            Shape::Request { id } | Shape::Response { id, .. } => Some(id),
            Shape::Notification => None,
        }
    }
}

/// Why a frame is refused, as JSON-RPC says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// −32700, −32600 or −32602.
    pub code: i32,
    /// The id to answer under, as written; `null` where none can be read.
    pub id: String,
    /// Whether an answer is owed: not for what is certainly a notification or an answer.
    pub answer: bool,
    /// What is wrong, without any text of the frame.
    pub message: String,
}

impl Malformed {
    /// The frame is not one strict JSON text.
    #[must_use]
    pub fn json(error: WalkError) -> Self {
        let code = match error {
            WalkError::DuplicateName(_)
            | WalkError::TooDeep(_)
            | WalkError::TooManyNodes(_)
            | WalkError::TooLong(_)
            // RFC 8259 allows the spelling, but no two readers agree on what it means.
            | WalkError::LoneSurrogate(_) => -32600,
            _ => -32700,
        };
        Self {
            code,
            id: "null".into(),
            answer: true,
            message: error.to_string(),
        }
    }
}

/// Reads one JSON-RPC object.
///
/// # Errors
/// [`Malformed`] for what JSON-RPC 2.0 or MCP does not allow.
pub fn message(document: &Document<'_>, node: NodeId) -> Result<Message, Malformed> {
    let bad = |code: i32, id: &str, message: &str| {
        Err(Malformed {
            code,
            id: id.into(),
            answer: true,
            message: message.into(),
        })
    };
    if document.node(node).map(|n| n.kind) != Some(Kind::Object) {
        return bad(-32600, "null", "a message is a JSON object");
    }
    let (mut version, mut id, mut method, mut params, mut result, mut error) =
        (None, None, None, None, None, None);
    for child in document.children(node) {
        let name = document.name(child).unwrap_or_default();
        let slot = match name {
            "jsonrpc" => &mut version,
            "id" => &mut id,
            "method" => &mut method,
            "params" => &mut params,
            "result" => &mut result,
            "error" => &mut error,
            // A reader that ignores case would take it for the member itself.
            other if is_envelope_in_other_case(other) => {
                return bad(
                    -32600,
                    "null",
                    "a member name differs from its standard spelling",
                );
            }
            _ => continue,
        };
        *slot = Some(child);
    }
    let id_text = match id {
        None => None,
        Some(id) => match document.node(id).map(|n| n.kind) {
            Some(Kind::String(_)) => Some(document.raw(id)),
            Some(Kind::Number) if is_integer(document.raw(id)) => Some(document.raw(id)),
            Some(Kind::Null) if method.is_none() => Some("null"),
            _ => return bad(-32600, "null", "id is neither a string nor an integer"),
        },
    };
    let id_or_null = id_text.unwrap_or("null");
    if version.and_then(|v| document.str(v)) != Some("2.0") {
        return bad(-32600, id_or_null, "jsonrpc is not \"2.0\"");
    }
    let Some(method) = method else {
        let (body, error) = match (result, error) {
            (Some(result), None) => (result, false),
            (None, Some(error)) => (error, true),
            (None, None) => return bad(-32600, id_or_null, "neither a method nor a result"),
            // The id is the peer's: an answer under it could be taken for one to a request.
            (Some(_), Some(_)) => return bad(-32600, "null", "both a result and an error"),
        };
        let id = match id_text {
            Some(id) => id,
            // A peer that could not read a request may leave the id out.
            None if error => "null",
            None => return bad(-32600, "null", "an answer without an id"),
        };
        return Ok(Message {
            node,
            shape: Shape::Response {
                id: id.into(),
                error,
            },
            method: String::new(),
            body: Some(body),
            name: String::new(),
            arguments: None,
        });
    };
    let Some(method) = document.str(method) else {
        return bad(-32600, id_or_null, "method is not a string");
    };
    if result.is_some() || error.is_some() {
        return bad(
            -32600,
            id_or_null,
            "a request that also has a result or an error",
        );
    }
    let mut message = Message {
        node,
        shape: match id_text {
            Some(id) => Shape::Request { id: id.into() },
            None => Shape::Notification,
        },
        method: method.into(),
        body: params,
        name: String::new(),
        arguments: None,
    };
    // A reader that trims or ignores case would run the tool.
    if method != "tools/call" && method.trim().eq_ignore_ascii_case("tools/call") {
        return bad(
            -32600,
            id_or_null,
            "method differs from \"tools/call\" only in spelling",
        );
    }
    if method == "tools/call" || method == "prompts/get" {
        let is_object = |n: NodeId| document.node(n).map(|n| n.kind) == Some(Kind::Object);
        let Some(params) = params.filter(|&p| is_object(p)) else {
            return bad(-32602, id_or_null, "params is not an object");
        };
        for child in document.children(params) {
            match document.name(child).unwrap_or_default() {
                "name" => match document.str(child) {
                    Some(name) => message.name = name.into(),
                    None => return bad(-32602, id_or_null, "params.name is not a string"),
                },
                "arguments" => match document.node(child).map(|n| n.kind) {
                    Some(Kind::Object) => message.arguments = Some(child),
                    Some(Kind::Null) => {}
                    _ => return bad(-32602, id_or_null, "params.arguments is not an object"),
                },
                other
                    if other.eq_ignore_ascii_case("name")
                        || other.eq_ignore_ascii_case("arguments") =>
                {
                    return bad(
                        -32600,
                        id_or_null,
                        "a member name differs from its standard spelling",
                    );
                }
                _ => {}
            }
        }
        if document.member(params, "name").is_none() {
            return bad(-32602, id_or_null, "params.name is missing");
        }
    }
    Ok(message)
}

/// All messages of a frame: one, or those of a batch with its shape kept by the caller.
///
/// # Errors
/// [`Malformed`] for the frame as a whole; an element's own fault is in its place.
pub fn messages(document: &Document<'_>) -> Result<Vec<Result<Message, Malformed>>, Malformed> {
    if document.node(ROOT).map(|n| n.kind) != Some(Kind::Array) {
        return message(document, ROOT).map(|m| vec![Ok(m)]);
    }
    let all: Vec<_> = document
        .children(ROOT)
        .map(|child| message(document, child))
        .collect();
    if all.is_empty() {
        return Err(Malformed {
            code: -32600,
            id: "null".into(),
            answer: true,
            message: "an empty batch".into(),
        });
    }
    Ok(all)
}

fn is_envelope_in_other_case(name: &str) -> bool {
    ["jsonrpc", "id", "method", "params", "result", "error"]
        .iter()
        .any(|member| name.eq_ignore_ascii_case(member))
}

fn is_integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn read(text: &str) -> Result<Message, Malformed> {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        message(&document, ROOT)
    }

    #[test]
    fn a_call_has_its_id_name_and_arguments() {
        let call = read(
            r#"{"jsonrpc":"2.0","id":12345678901234567890123,"m\u0065thod":"tools/call","params":{"name":"ls","arguments":{}}}"#,
        )
        .unwrap();
        assert_eq!(call.id(), Some("12345678901234567890123"));
        assert_eq!(
            (call.method.as_str(), call.name.as_str()),
            ("tools/call", "ls")
        );
        assert!(call.arguments.is_some());
    }

    #[test]
    fn what_two_readers_take_differently_is_refused() {
        for (text, code, id) in [
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                -32600,
                "null",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                -32600,
                "null",
            ),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, "1"),
            (r#"{"id":1,"method":"ping"}"#, -32600, "1"),
            (
                r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#,
                -32600,
                "null",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{}}"#,
                -32600,
                "1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call"}"#,
                -32600,
                "1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":[]}"#,
                -32602,
                "\"a\"",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["x"]}}"#,
                -32602,
                "1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":"y"}}"#,
                -32602,
                "1",
            ),
            ("123", -32600, "null"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.code, error.id.as_str()), (code, id), "{text}");
        }
    }
}
