//! Secrets that are split over several strings of one call: `{"part1": "AKIAIOSF", "part2": "…"}`.
//!
//! Adjacent strings are put together in the order in which they stand, over the borders of
//! containers and over strings that can be no piece; two also the other way round.

use super::{TextAnalyzer, TextContext, gates::reads_as_words, rule::Rule, scan::Hit};
use crate::{
    detector::DetectorId,
    signs::Signs,
    walk::{Document, Leaf, LeafId, NodeId, Role},
};

/// Longest string that can be a piece.
const PIECE: usize = 160;
/// Most pieces that one secret is made of.
const MOST: usize = 4;
/// Most pieces of one message that are put together.
const TRIED: usize = 256;

/// The first three bytes of the formats that name themselves, without case: a set that may hold a
/// few more, but misses none.
#[derive(Debug)]
pub(super) struct Heads([u64; 512]);

impl Default for Heads {
    fn default() -> Self {
        Self([0; 512])
    }
}

impl Heads {
    pub(super) fn insert(&mut self, head: [u8; 3]) {
        let (word, bit) = Self::place(head);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Five bits a byte: both cases of a letter are one.
    fn place(head: [u8; 3]) -> (usize, u64) {
        let code = head
            .iter()
            .fold(0_usize, |code, byte| code << 5 | usize::from(byte & 31));
        (code >> 6, 1 << (code & 63))
    }

    /// Whether a format may begin with `text`, or with `text` and what follows it.
    fn may_begin(&self, text: &[u8]) -> bool {
        let Some(head) = text.first_chunk() else {
            return true;
        };
        let (word, bit) = Self::place(*head);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

fn is_piece(leaf: &Leaf, text: &str) -> bool {
    let visible =
        || !leaf.signs.any(Signs::INVISIBLE) || text.bytes().all(|b| b.is_ascii_graphic());
    (2..=PIECE).contains(&text.len()) && visible()
}

impl TextAnalyzer {
    /// The strings among the values of nodes `first..last` that make a secret when adjacent ones
    /// are put together, with what it is. Looks at the first 256 short strings.
    #[must_use]
    pub fn pieces(
        &self,
        document: &Document<'_>,
        first: NodeId,
        last: NodeId,
    ) -> Vec<(LeafId, DetectorId)> {
        let mut found = Vec::new();
        let mut run: Vec<(LeafId, &str)> = Vec::with_capacity(MOST);
        // Whether a format may begin with the string, for each of the run.
        let mut begins: Vec<bool> = Vec::with_capacity(MOST);
        let mut tried = 0_usize;
        for (id, leaf) in document.leaves_of(first, last) {
            if leaf.role != Role::Value {
                continue;
            }
            let text = document.text(leaf);
            if !is_piece(leaf, text) {
                continue;
            }
            tried = tried.saturating_add(1);
            if tried > TRIED {
                break;
            }
            if run.len() == MOST {
                run.remove(0);
                begins.remove(0);
            }
            run.push((id, text));
            begins.push(self.heads.may_begin(text.as_bytes()));
            for (skip, _) in begins.iter().enumerate().filter(|(_, begins)| **begins) {
                let parts = run.get(skip..).filter(|parts| parts.len() > 1);
                if let Some(parts) = parts
                    && let Some(hit) = self.whole(parts)
                {
                    found.extend(parts.iter().map(|&(leaf, _)| (leaf, hit.detector)));
                    run.clear();
                    break;
                }
            }
            if let [.., a, b] = run.as_slice()
                && begins.last() == Some(&true)
                && let Some(hit) = self.whole(&[*b, *a])
            {
                found.extend([(a.0, hit.detector), (b.0, hit.detector)]);
                run.clear();
            }
            if run.is_empty() {
                begins.clear();
            }
        }
        found
    }

    /// Whether it begins with what names it; all else would find secrets in any two words.
    fn is_format(&self, hit: &Hit) -> bool {
        let rule = self.rules.iter().find(|r| r.detector() == hit.detector);
        rule.is_some_and(Rule::is_anchored)
    }

    /// A format that all parts together are, and no part is.
    fn whole(&self, parts: &[(LeafId, &str)]) -> Option<Hit> {
        let length: usize = parts.iter().map(|(_, text)| text.len()).sum();
        if length < self.shortest {
            return None;
        }
        // Any word completes a token that is cut off: some part must be random.
        let (_, rest) = parts.split_first()?;
        if rest.iter().all(|(_, text)| reads_as_words(text.as_bytes())) {
            return None;
        }
        let joined: String = parts.iter().map(|&(_, text)| text).collect();
        // The first part alone may have been too short to tell.
        if !self.heads.may_begin(joined.as_bytes()) {
            return None;
        }
        let is_format = |text: &str| {
            self.find(text, TextContext::default(), 16)
                .0
                .into_iter()
                .find(|h| self.is_format(h))
        };
        let hit = is_format(&joined)?;
        let all = hit.span.start == 0 && hit.span.end == joined.len();
        (all && parts.iter().all(|&(_, text)| is_format(text).is_none())).then_some(hit)
    }
}
