//! What all workers have in common.

use crate::{
    config::{Config, Deny, upstream_uri},
    metrics::Metrics,
    origin::Doors,
    recorder::Recorder,
    sessions::Sessions,
    wait::Stop,
};
use egress_guard_core::{
    guard::Guard,
    policy::hint::Hints,
    session::{DenyResponse, approval::Approvals},
};
use http::{Uri, uri::PathAndQuery};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Bodies of the largest size that may be in memory at a time.
const HELD_BODIES: usize = 8;

/// One upstream.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    /// The path by which it is known first.
    pub(crate) path: String,
    pub(crate) url: Uri,
    /// Where the upstream last said that its OAuth metadata is, if not where it is expected.
    pub(crate) metadata: Mutex<Option<PathAndQuery>>,
    /// What the server says of its tools, in whichever conversation.
    pub(crate) hints: Arc<Hints>,
}

/// State of the gateway.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) deny: DenyResponse,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) by_path: HashMap<String, Arc<Route>>,
    pub(crate) doors: Doors,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) approvals: Option<Arc<Approvals>>,
    pub(crate) stop: Stop,
    guard: RwLock<Arc<Guard>>,
    running: AtomicUsize,
    held: AtomicUsize,
    nonce: u64,
    conversations: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        guard: Arc<Guard>,
        recorder: Arc<dyn Recorder>,
        approvals: Option<Arc<Approvals>>,
        stop: Stop,
    ) -> Result<Arc<Self>, String> {
        let mut routes = Vec::new();
        let mut by_path = HashMap::new();
        for (index, upstream) in config.upstreams.iter().enumerate() {
            let preferred = upstream.paths.iter().find(|p| p.as_str() != "/");
            let route = Arc::new(Route {
                index,
                name: upstream.name.as_str().into(),
                path: preferred.cloned().unwrap_or_else(|| "/".into()),
                url: upstream_uri(&upstream.url)?,
                metadata: Mutex::default(),
                hints: Arc::default(),
            });
            for path in &upstream.paths {
                by_path.insert(path.clone(), Arc::clone(&route));
            }
            routes.push(route);
        }
        Ok(Arc::new(Self {
            deny: match config.deny_response {
                Deny::ToolResult => DenyResponse::ToolResult,
                Deny::JsonrpcError => DenyResponse::JsonRpcError,
            },
            doors: Doors::new(&config),
            sessions: Sessions::new(
                config.max_sessions,
                Duration::from_secs(config.session_seconds),
            ),
            metrics: Metrics::default(),
            routes,
            by_path,
            recorder,
            approvals,
            stop,
            guard: RwLock::new(guard),
            running: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            nonce: RandomState::new().hash_one(std::process::id()),
            conversations: AtomicU64::new(0),
            config,
        }))
    }

    /// The newest rules.
    pub(crate) fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.guard.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn reload(&self, guard: Arc<Guard>) {
        *self.guard.write().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    /// What decision ids of one more conversation begin with.
    pub(crate) fn nonce(&self) -> String {
        let number = self.conversations.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number:x}", self.nonce)
    }

    /// Requests and streams that are being served.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Room for one more request, if there is any.
    pub(crate) fn permit(self: &Arc<Self>) -> Option<Permit> {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(self));
        (before < self.config.max_requests).then_some(permit)
    }
}

/// Room for one request, given back when it is dropped.
pub(crate) struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of bodies that are kept in memory, given back when it is dropped.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Hold {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            bytes: 0,
        }
    }

    /// Room for so many more bytes; `false` where all bodies together take too much.
    #[must_use]
    pub(crate) fn more(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let before = self.shared.held.fetch_add(bytes, Ordering::Relaxed);
        let most = self
            .shared
            .config
            .max_body_bytes
            .saturating_mul(HELD_BODIES);
        before.saturating_add(bytes) <= most
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
