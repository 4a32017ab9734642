//! The protocol between one client and one server: takes frames, returns what is to be done.
//!
//! No I/O and no clock: a transport reads a frame, hands it over, and carries out the commands in
//! order. Both transports and both directions use this one room.

use crate::guard::{Guard, Inspection};
use std::sync::Arc;

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The agent.
    Client,
    /// The MCP server.
    Server,
}

/// What a transport does next. Commands are carried out in order; an [`Command::Audit`] stands
/// before the forwarding or the reply that it is about.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send the frame to the other side; `None` means the bytes exactly as they came.
    Forward(Option<Vec<u8>>),
    /// Send this frame back to the side that the frame came from.
    Reply(Vec<u8>),
    /// Write this decision to the audit log, before anything that follows.
    Audit(Box<Inspection>),
}

/// What a tool call that is not let through is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenyResponse {
    /// A tool result with `isError: true`, which the model reads.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    JsonRpcError,
}

/// The state of one conversation.
#[derive(Debug)]
pub struct Session {
    guard: Arc<Guard>,
    deny_response: DenyResponse,
}

impl Session {
    /// A new conversation.
    #[must_use]
    pub fn new(guard: Arc<Guard>, deny_response: DenyResponse) -> Self {
        Self {
            guard,
            deny_response,
        }
    }

    /// Swaps the rules for what comes next.
    pub fn reload(&mut self, guard: Arc<Guard>) {
        self.guard = guard;
    }

    /// How denials are answered.
    #[must_use]
    pub fn deny_response(&self) -> DenyResponse {
        self.deny_response
    }

    /// Takes one frame, without its line end.
    pub fn receive(&mut self, _from: Side, _frame: &[u8]) -> Vec<Command> {
        vec![Command::Forward(None)]
    }
}
