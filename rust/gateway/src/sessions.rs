//! Remembers the conversation of each legacy session, boundedly.

use crate::shared::{Route, Shared};
use egress_guard_core::{
    guard::Guard,
    session::{Session, approval::Outcome},
};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::oneshot;

/// One conversation, shared by the requests and streams of a session.
#[derive(Debug)]
pub(crate) struct Conversation {
    session: Session,
    id: OnceLock<String>,
    name: OnceLock<String>,
    /// Calls that wait for the client's person, by the question's number.
    waiting: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

impl Conversation {
    /// A conversation with a server. `who` tells clients apart whose requests stand alone.
    pub(crate) fn new(shared: &Shared, route: &Route, batches: bool, who: &str) -> Arc<Self> {
        let session = Self::state(shared, route, batches);
        Arc::new(Self::of(match &shared.approvals {
            None => session,
            Some(approvals) => {
                let session =
                    session.with_approvals(Arc::clone(approvals), Arc::clone(&route.name));
                if !who.is_empty() {
                    session.set_name(who);
                }
                session
            }
        }))
    }

    /// One in which nobody is asked.
    pub(crate) fn alone(shared: &Shared, route: &Route) -> Self {
        Self::of(Self::state(shared, route, false))
    }

    fn state(shared: &Shared, route: &Route, batches: bool) -> Session {
        Session::new(shared.guard(), shared.deny, &shared.nonce())
            .with_server(&route.name, Arc::clone(&route.hints))
            .over_http(batches)
    }

    fn of(session: Session) -> Self {
        Self {
            session,
            id: OnceLock::new(),
            name: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    /// Waits for the answer to a question.
    pub(crate) fn wait_for(&self, number: &str) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(number.to_owned(), answer);
        answered
    }

    /// Passes on the answer to a question. One that nobody waits for comes to nothing.
    pub(crate) fn answer(&self, number: &str, outcome: Outcome) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = waiting.remove(number) {
            let _ = answer.send(outcome);
        }
    }

    /// `Mcp-Session-Id`; empty for a request that stands alone.
    pub(crate) fn id(&self) -> &str {
        self.id.get().map_or("", String::as_str)
    }

    /// A name for logs, from which the id cannot be told: who has the id, has the session.
    pub(crate) fn name(&self) -> &str {
        let Some(id) = self.id.get() else {
            return "";
        };
        self.name.get_or_init(|| short_digest(id.as_bytes()))
    }

    /// The protocol's state, with the newest rules.
    pub(crate) fn session(&self, guard: &Arc<Guard>) -> &Session {
        if !Arc::ptr_eq(&self.session.guard(), guard) {
            self.session.reload(Arc::clone(guard));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let around = self.session.around();
        around.set_time(now.map_or(0, |now| now.as_secs()));
        around.name(self.name());
        &self.session
    }
}

/// 64 bits of a digest in hex.
pub(crate) fn short_digest(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    let hex = |byte: &u8| format!("{byte:02x}");
    digest.iter().take(8).map(hex).collect()
}

type Key = (usize, String);

/// The sessions in two generations: what was not used for a whole generation is forgotten, without
/// a search for the oldest.
#[derive(Debug)]
pub(crate) struct Sessions {
    generations: Mutex<Generations>,
    capacity: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Generations {
    young: HashMap<Key, Arc<Conversation>>,
    old: HashMap<Key, Arc<Conversation>>,
    since: Instant,
}

impl Sessions {
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                since: Instant::now(),
            }),
            capacity: capacity.div_ceil(2),
            lifetime,
        }
    }

    fn turn(&self) -> MutexGuard<'_, Generations> {
        let mut all = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.young.len() >= self.capacity || all.since.elapsed() > self.lifetime {
            all.old = std::mem::take(&mut all.young);
            all.since = Instant::now();
        }
        all
    }

    pub(crate) fn find(&self, route: usize, id: &str) -> Option<Arc<Conversation>> {
        let key = (route, id.to_owned());
        let mut all = self.turn();
        if let Some(found) = all.young.get(&key) {
            return Some(Arc::clone(found));
        }
        let found = all.old.remove(&key)?;
        all.young.insert(key, Arc::clone(&found));
        Some(found)
    }

    pub(crate) fn insert(&self, route: usize, id: &str, conversation: &Arc<Conversation>) {
        let _ = conversation.id.set(id.to_owned());
        conversation.session.set_name(conversation.name());
        self.turn()
            .young
            .insert((route, id.to_owned()), Arc::clone(conversation));
    }

    pub(crate) fn remove(&self, route: usize, id: &str) {
        let key = (route, id.to_owned());
        let mut all = self.turn();
        all.young.remove(&key);
        all.old.remove(&key);
    }

    pub(crate) fn len(&self) -> usize {
        let all = self.turn();
        all.young.len().saturating_add(all.old.len())
    }
}
