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
            }
            run.push((id, text));
            for skip in 0..run.len().saturating_sub(1) {
                let parts = run.get(skip..).unwrap_or_default();
                if let Some(hit) = self.whole(parts) {
                    found.extend(parts.iter().map(|&(leaf, _)| (leaf, hit.detector)));
                    run.clear();
                    break;
                }
            }
            if let [.., a, b] = run.as_slice()
                && let Some(hit) = self.whole(&[*b, *a])
            {
                found.extend([(a.0, hit.detector), (b.0, hit.detector)]);
                run.clear();
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
        let mut bytes = parts.iter().flat_map(|(_, text)| text.bytes());
        let head = [(); 3].map(|()| bytes.next().unwrap_or(0).to_ascii_lowercase());
        if !self.heads.contains(&head) {
            return None;
        }
        // Any word completes a token that is cut off: some part must be random.
        let (_, rest) = parts.split_first()?;
        if rest.iter().all(|(_, text)| reads_as_words(text.as_bytes())) {
            return None;
        }
        let joined: String = parts.iter().map(|&(_, text)| text).collect();
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
