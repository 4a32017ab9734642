//! What the gateway is told to do: addresses, upstreams and bounds.

use http::Uri;
use serde::Deserialize;
use std::{collections::BTreeSet, net::IpAddr};

/// The configuration, as the control plane writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    #[serde(default = "loopback")]
    pub listen_host: String,
    /// Port to listen on; 0 takes a free one.
    pub listen_port: u16,
    /// The MCP servers.
    pub upstreams: Vec<UpstreamConfig>,
    /// Port of the admin listener on loopback; none without.
    #[serde(default)]
    pub admin_port: Option<u16>,
    /// Threads; 0 means one per CPU, at most 4.
    #[serde(default)]
    pub workers: usize,
    /// URL under which clients know this gateway, for OAuth metadata.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Host names, with or without port, that clients may use besides loopback and `listen_host`.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Origins of browsers that may call, besides loopback.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Clients must send this as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// File with the listener's certificate and those above it, in PEM; plain HTTP without.
    #[serde(default)]
    pub tls_certificate: Option<String>,
    /// File with the key of the certificate, in PEM.
    #[serde(default)]
    pub tls_key: Option<String>,
    /// File with the authorities of which clients need a certificate, in PEM.
    #[serde(default)]
    pub client_ca: Option<String>,
    /// How denials of tool calls are answered: `tool_result` or `jsonrpc_error`.
    #[serde(default)]
    pub deny_response: Deny,
    /// Largest message, in bytes.
    #[serde(default = "max_body")]
    pub max_body_bytes: usize,
    /// Most requests and streams at a time.
    #[serde(default = "max_requests")]
    pub max_requests: usize,
    /// Most sessions that are remembered.
    #[serde(default = "max_sessions")]
    pub max_sessions: usize,
    /// Seconds until a session that nobody used is forgotten.
    #[serde(default = "session_seconds")]
    pub session_seconds: u64,
    /// Seconds for a request head to arrive.
    #[serde(default = "head_seconds")]
    pub head_seconds: u64,
    /// Seconds without a byte of a request body.
    #[serde(default = "body_seconds")]
    pub body_seconds: u64,
    /// Seconds that a connection may stay unused.
    #[serde(default = "idle_seconds")]
    pub idle_seconds: u64,
    /// Seconds to connect to an upstream.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// Seconds until an upstream must have begun its answer.
    #[serde(default = "answer_seconds")]
    pub answer_seconds: u64,
    /// Seconds that running requests get when the gateway stops.
    #[serde(default = "drain_seconds")]
    pub drain_seconds: f64,
}

/// One MCP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name in logs and metrics.
    #[serde(default)]
    pub name: String,
    /// Paths of this gateway that lead to it.
    pub paths: Vec<String>,
    /// Its URL.
    pub url: String,
}

/// A value that no log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// How denials of tool calls are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deny {
    /// A tool result with `isError`.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    JsonrpcError,
}

fn loopback() -> String {
    "127.0.0.1".into()
}
fn max_body() -> usize {
    64 << 20
}
fn max_requests() -> usize {
    4096
}
fn max_sessions() -> usize {
    20_000
}
fn session_seconds() -> u64 {
    24 * 3600
}
fn head_seconds() -> u64 {
    15
}
fn body_seconds() -> u64 {
    30
}
fn idle_seconds() -> u64 {
    120
}
fn connect_seconds() -> u64 {
    10
}
fn answer_seconds() -> u64 {
    600
}
fn drain_seconds() -> f64 {
    4.0
}

impl Config {
    /// Reads and checks the JSON form.
    ///
    /// # Errors
    /// One line that names the key and what is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|e| e.to_string())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.upstreams.is_empty() {
            return Err("upstreams: at least one is needed".into());
        }
        let mut seen = BTreeSet::new();
        for upstream in &self.upstreams {
            upstream_uri(&upstream.url)?;
            if upstream.paths.is_empty() {
                return Err(format!("upstream \"{}\": paths is empty", upstream.name));
            }
            for path in &upstream.paths {
                if !path.starts_with('/') || path.contains(['?', '#']) {
                    return Err(format!(
                        "path \"{path}\": a path begins with / and has no query"
                    ));
                }
                if path.starts_with("/.well-known/") {
                    return Err(format!("path \"{path}\": /.well-known/ is reserved"));
                }
                if !seen.insert(path) {
                    return Err(format!("path \"{path}\" leads to two upstreams"));
                }
            }
        }
        if let Some(url) = &self.public_url {
            let uri: Uri = url
                .parse()
                .map_err(|_| "public_url: not a URL".to_owned())?;
            if uri.scheme().is_none() || uri.authority().is_none() || uri.query().is_some() {
                return Err("public_url: an absolute http(s) URL without query is needed".into());
            }
        }
        for (key, zero) in [
            ("max_body_bytes", self.max_body_bytes == 0),
            ("max_requests", self.max_requests == 0),
            ("max_sessions", self.max_sessions == 0),
            ("head_seconds", self.head_seconds == 0),
            ("body_seconds", self.body_seconds == 0),
            ("connect_seconds", self.connect_seconds == 0),
            ("answer_seconds", self.answer_seconds == 0),
        ] {
            if zero {
                return Err(format!("{key}: must be greater than 0"));
            }
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err("tls_certificate and tls_key: both are needed".into());
        }
        if self.client_ca.is_some() && self.tls_certificate.is_none() {
            return Err("client_ca: tls_certificate and tls_key are needed as well".into());
        }
        if self.bearer_token.as_ref().is_some_and(|t| t.0.is_empty()) {
            return Err("bearer_token: must not be empty".into());
        }
        if !(0.0..=3600.0).contains(&self.drain_seconds) {
            return Err("drain_seconds: must be between 0 and 3600".into());
        }
        Ok(())
    }

    /// Number of worker threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            n => n.min(64),
        }
    }

    /// The address behind `listen_host`, if it is written as one.
    #[must_use]
    pub fn listen_ip(&self) -> Option<IpAddr> {
        self.listen_host.trim_matches(['[', ']']).parse().ok()
    }
}

/// An upstream's URL, checked.
///
/// # Errors
/// What is wrong, without the URL's user info.
pub fn upstream_uri(url: &str) -> Result<Uri, String> {
    let uri: Uri = url
        .parse()
        .map_err(|_| "downstream_url: not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().unwrap_or("").is_empty() {
        return Err("downstream_url: an absolute http:// or https:// URL is needed".into());
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(
            "downstream_url: user info is not supported; use an Authorization header".into(),
        );
    }
    Ok(uri)
}
