//! Which requests of one side still wait for their answer. Bounded in number and in bytes.

use std::collections::{HashMap, VecDeque};

/// Most requests that may wait at once.
const MOST: usize = 65_536;
/// Most bytes that their ids may take together.
const MOST_BYTES: usize = 8 << 20;
/// Most cancelled requests whose late answer is still recognised.
const MOST_CANCELLED: usize = 1_024;

/// What an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `initialize`, whose answer names the revision.
    Initialize,
    /// `tools/call`
    ToolCall,
    /// `tools/list`, whose answer describes the tools.
    ToolList,
    /// Any other method.
    Other,
}

impl Kind {
    pub(super) fn of(method: &str) -> Self {
        match method {
            "initialize" => Self::Initialize,
            "tools/call" => Self::ToolCall,
            "tools/list" => Self::ToolList,
            _ => Self::Other,
        }
    }
}

/// What is remembered of a request.
#[derive(Debug)]
struct Entry {
    /// The id as written, where that is not the key.
    spelling: Option<Box<str>>,
    /// How many requests wait under this id: a careless client may use one twice.
    count: u32,
    kind: Kind,
    cancelled: bool,
}

/// The requests of one side.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: HashMap<Box<str>, Entry>,
    cancelled: VecDeque<Box<str>>,
    bytes: usize,
}

impl Pending {
    /// Remembers a request; `false` where no more may wait.
    #[must_use]
    pub(super) fn add(&mut self, id: &str, kind: Kind) -> bool {
        let key = key(id);
        if let Some(entry) = self.waiting.get_mut(key.as_ref()) {
            entry.count = entry.count.saturating_add(1);
            entry.kind = kind;
            return true;
        }
        let bytes = self.bytes.saturating_add(id.len());
        if self.waiting.len() >= MOST || bytes > MOST_BYTES {
            return false;
        }
        self.bytes = bytes;
        let spelling = (key.as_ref() != id).then(|| id.into());
        let entry = Entry {
            spelling,
            count: 1,
            kind,
            cancelled: false,
        };
        self.waiting.insert(key.into(), entry);
        true
    }

    /// Takes the request that an answer under `id` belongs to.
    pub(super) fn take(&mut self, id: &str) -> Option<Kind> {
        let key = key(id);
        let entry = self.waiting.get_mut(key.as_ref())?;
        let kind = entry.kind;
        entry.count = entry.count.saturating_sub(1);
        if entry.count == 0 {
            self.forget(key.as_ref());
        }
        Some(kind)
    }

    /// Marks a request that its sender no longer waits for. A late answer is still let through.
    pub(super) fn cancel(&mut self, id: &str) {
        let key = key(id);
        let Some(entry) = self.waiting.get_mut(key.as_ref()) else {
            return;
        };
        if std::mem::replace(&mut entry.cancelled, true) {
            return;
        }
        self.cancelled.push_back(key.into());
        if self.cancelled.len() > MOST_CANCELLED
            && let Some(oldest) = self.cancelled.pop_front()
            // An answered id may be in use again by a request that is not cancelled.
            && self.waiting.get(&oldest).is_some_and(|e| e.cancelled)
        {
            self.forget(&oldest);
        }
    }

    /// How many answers are owed.
    pub(super) fn owed(&self) -> usize {
        let owed = self.waiting.values().filter(|entry| !entry.cancelled);
        owed.map(|entry| entry.count as usize)
            .fold(0, usize::saturating_add)
    }

    /// Takes all ids, as written, that an answer is still owed to, in no order.
    pub(super) fn drain(&mut self) -> Vec<String> {
        self.cancelled.clear();
        self.bytes = 0;
        let mut ids = Vec::with_capacity(self.waiting.len());
        for (key, entry) in self.waiting.drain() {
            if entry.cancelled {
                continue;
            }
            let id = entry.spelling.unwrap_or(key);
            for _ in 0..entry.count {
                ids.push(id.to_string());
            }
        }
        ids
    }

    fn forget(&mut self, key: &str) {
        if let Some((key, entry)) = self.waiting.remove_entry(key) {
            let length = entry.spelling.map_or(key.len(), |s| s.len());
            self.bytes = self.bytes.saturating_sub(length);
        }
    }
}

/// The same for every spelling of an id: a peer may answer `"é"` under `"\u00e9"`. Integers and
/// strings stay apart by the quotes.
pub(super) fn key(id: &str) -> std::borrow::Cow<'_, str> {
    if id.contains('\\')
        && let Ok(text) = serde_json::from_str::<String>(id)
    {
        return format!("\"{text}\"").into();
    }
    id.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_spelt_differently_is_one_id() {
        let mut pending = Pending::default();
        assert!(pending.add(r#""é""#, Kind::Initialize));
        assert_eq!(pending.take("1"), None);
        assert_eq!(pending.take(r#""\u00e9""#), Some(Kind::Initialize));
        assert_eq!(pending.take(r#""é""#), None);
    }

    #[test]
    fn the_owed_ids_are_those_that_were_written() {
        let mut pending = Pending::default();
        for id in [r#""\u0061""#, "7", "7", "8"] {
            assert!(pending.add(id, Kind::Other));
        }
        pending.cancel("8");
        let mut owed = pending.drain();
        owed.sort();
        assert_eq!(owed, [r#""\u0061""#, "7", "7"]);
    }

    #[test]
    fn cancelled_requests_do_not_pile_up() {
        let mut pending = Pending::default();
        for n in 0..MOST_CANCELLED * 2 {
            assert!(pending.add(&n.to_string(), Kind::Other));
            pending.cancel(&n.to_string());
        }
        assert_eq!(pending.waiting.len(), MOST_CANCELLED);
        assert!(pending.bytes < MOST_CANCELLED * 8);
    }

    #[test]
    fn ids_beyond_the_bound_are_refused() {
        let mut pending = Pending::default();
        let long = "9".repeat(MOST_BYTES / 2);
        assert!(pending.add(&long, Kind::Other));
        assert!(!pending.add(&format!("1{long}"), Kind::Other));
        assert!(pending.add("1", Kind::Other));
    }
}
