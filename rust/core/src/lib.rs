//! Judges one MCP frame: frame, walk, decode, analyze, decide, redact. No I/O and no clock.

pub mod analyzer;
pub mod audit;
pub mod decision;
pub mod decode;
pub mod detector;
pub mod finding;
pub mod frame;
pub mod guard;
pub mod limits;
mod memo;
pub mod policy;
pub mod redact;
pub mod route;
pub mod session;
pub mod signs;
pub mod span;
pub mod walk;
