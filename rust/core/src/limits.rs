//! Every bound of the engine in one place. A bound that is hit is a finding with a policy code.

/// Bounds on what one frame may cost. The defaults suit a busy proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest frame that is judged, in bytes.
    pub frame_bytes: usize,
    /// Deepest nesting of JSON containers.
    pub depth: usize,
    /// Most JSON values (of any kind) in one frame.
    pub nodes: usize,
    /// Most layers of encoding that are taken off one leaf.
    pub decode_layers: usize,
    /// Most bytes that decoding may produce over the whole frame.
    pub decoded_bytes: usize,
    /// Longest text given to the shell parser, in bytes.
    pub command_bytes: usize,
    /// Longest text given to a code parser, in bytes.
    pub code_bytes: usize,
    /// Most syntax nodes visited over all commands and code of one frame.
    pub syntax_nodes: usize,
    /// Deepest nesting of interpreters in interpreters.
    pub nested_interpreters: usize,
    /// Most findings kept of one frame; more is a finding of its own.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 64 << 20,
            depth: 512,
            nodes: 2_000_000,
            decode_layers: 4,
            decoded_bytes: 8 << 20,
            command_bytes: 64 << 10,
            code_bytes: 256 << 10,
            syntax_nodes: 50_000,
            nested_interpreters: 16,
            findings: 1_000,
        }
    }
}
