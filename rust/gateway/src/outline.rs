//! Reads of a message what the transport itself needs: kind, id, method, and the mirrored values.

use egress_guard_core::{
    frame::{self, Shape},
    session::Frame,
    walk::{Kind, NodeId, ROOT},
};

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Wants an answer.
    Request,
    /// Wants none.
    Notification,
    /// Answers the other side.
    Response,
    /// Several messages.
    Batch,
    /// Not a message.
    Malformed,
}

/// What the transport knows of a body.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    pub(crate) what: What,
    /// The id as written; `null` where there is none.
    pub(crate) id: String,
    pub(crate) method: String,
    /// `params.name`, or `params.uri` of `resources/read`: what `Mcp-Name` repeats.
    pub(crate) name: Option<String>,
    /// The protocol version in `_meta` of a modern request.
    pub(crate) version: Option<String>,
    /// Ids of the requests in a batch.
    pub(crate) ids: Vec<String>,
}

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

impl Outline {
    fn malformed(id: String) -> Self {
        Self {
            what: What::Malformed,
            id,
            method: String::new(),
            name: None,
            version: None,
            ids: Vec::new(),
        }
    }

    /// What there is to know of a request without a body.
    pub(crate) fn none() -> Self {
        Self {
            what: What::Notification,
            ..Self::malformed("null".into())
        }
    }

    /// Looks at a body.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        let document = match &frame.document {
            Ok(document) => document,
            Err(error) => return Self::malformed(frame::Malformed::json(*error).id),
        };
        if document.node(ROOT).map(|n| n.kind) == Some(Kind::Array) {
            let all = match frame::messages(document) {
                Ok(all) => all,
                Err(fault) => return Self::malformed(fault.id),
            };
            let ids = all
                .iter()
                .flatten()
                .filter_map(|message| match &message.shape {
                    Shape::Request { id } => Some(id.clone()),
                    _ => None,
                })
                .collect();
            return Self {
                what: What::Batch,
                id: "null".into(),
                method: String::new(),
                name: None,
                version: None,
                ids,
            };
        }
        let message = match frame::message(document, ROOT) {
            Ok(message) => message,
            Err(fault) => return Self::malformed(fault.id),
        };
        let what = match message.shape {
            Shape::Request { .. } => What::Request,
            Shape::Notification => What::Notification,
            Shape::Response { .. } => What::Response,
        };
        let id = message.id().unwrap_or("null").to_owned();
        let member = |node: Option<NodeId>, name: &str| document.member(node?, name);
        let text = |node: Option<NodeId>| node.and_then(|n| document.str(n)).map(str::to_owned);
        let params = message.body.filter(|_| what != What::Response);
        let name = match message.method.as_str() {
            "tools/call" | "prompts/get" => text(member(params, "name")),
            "resources/read" => text(member(params, "uri")),
            _ => None,
        };
        Self {
            ids: if what == What::Request {
                vec![id.clone()]
            } else {
                Vec::new()
            },
            what,
            id,
            name,
            version: text(member(member(params, "_meta"), VERSION_KEY)),
            method: message.method,
        }
    }
}
