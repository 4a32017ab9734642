//! The HTTP data plane: moves MCP messages between clients and servers, each judged on its way.
//!
//! One thread, one runtime and one listening socket per worker; a request never leaves the worker
//! that accepted it. What a message means is the business of `egress-guard-core`.

pub mod admin;
mod body;
pub mod config;
mod events;
mod forward;
mod framing;
mod headers;
mod held;
mod judge;
mod metadata;
pub mod metrics;
mod mirror;
mod notary;
mod origin;
mod outline;
mod recorder;
mod reply;
mod server;
mod service;
mod sessions;
mod shared;
mod tls;
mod upstream;
mod wait;

pub use notary::{Register, Seal};
pub use recorder::{NoRecorder, Record, Recorder};
pub use server::{Gateway, GatewayError};
