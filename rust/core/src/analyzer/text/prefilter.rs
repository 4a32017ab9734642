//! One pass over the text for the literals of all detectors.
//!
//! Every literal is represented by the rarest four bytes in it (or by all three). A bitmap says "no"
//! for almost every position of ordinary text in a few instructions; the rest is looked up and
//! compared in full. The bitmap has a word of 64 bits for the first three bytes, letter case folded,
//! and a bit in it for the fourth as it is: a literal of three bytes takes one word.

use std::collections::HashMap;

const WORD_BITS: u32 = 12;
const WORDS: usize = 1 << WORD_BITS;
const FOLD: u32 = 0x2020_2020;
const THREE: u32 = 0x00ff_ffff;
const BUCKET_BITS: u32 = 13;
const BUCKETS: usize = 1 << BUCKET_BITS;
/// Positions whose answers are collected before any is looked up.
const BLOCK: usize = 64;

/// Index of a literal.
pub(crate) type LiteralId = u32;

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    /// Which bytes of the gram count.
    mask: u32,
    literal: LiteralId,
    /// Where the gram stands in the literal.
    offset: u8,
    /// The literal is one letter or digit again and again.
    uniform: bool,
}

#[derive(Debug)]
struct Literal {
    bytes: Box<[u8]>,
    any_case: bool,
}

/// The compiled literals.
#[derive(Debug)]
pub(crate) struct Prefilter {
    bitmap: Box<[u64; WORDS]>,
    /// Entries of bucket `b` are `entries[heads[b]..heads[b + 1]]`.
    heads: Box<[u32]>,
    entries: Box<[Entry]>,
    literals: Box<[Literal]>,
}

/// Of the first three bytes, folded.
const fn hash(gram: u32) -> u32 {
    (gram.wrapping_shl(8) | FOLD).wrapping_mul(0x9E37_79B1)
}

const fn bucket(gram: u32) -> usize {
    hash(gram).wrapping_shr(32 - BUCKET_BITS) as usize
}

const fn word(gram: u32) -> usize {
    hash(gram).wrapping_shr(32 - WORD_BITS) as usize
}

/// The bit of the word that stands for the fourth byte.
const fn bit(fourth: u8) -> u64 {
    1_u64.wrapping_shl(fourth as u32)
}

/// How common a byte is in prose and code, the fold applied: higher is worse to search for.
const fn commonness(b: u8) -> u32 {
    match b | 0x20 {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 9,
        b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'h' => 7,
        b'f' | b'g' | b'y' | b'w' | b'b' | b'v' | b'/' => 6,
        b'k' | b'-' | 0x7f | b'.' | b'=' | b'"' => 5,
        b'x' | b'j' | b'q' | b'z' => 2,
        _ => 4,
    }
}

/// Words of addresses and code: rare bytes, but common together.
const COMMON: &[[u8; 4]] = &[
    *b"/v1/", *b"/v2/", *b"/api", *b"api/", *b"http", *b"www.", *b".com", *b"com/", *b"://a",
];

fn rarity(gram: u32) -> u32 {
    let bytes = gram.to_le_bytes();
    let sum = bytes.iter().map(|&b| commonness(b)).sum::<u32>();
    let common = COMMON.iter().any(|c| u32::from_le_bytes(*c) | FOLD == gram);
    sum.saturating_add(if common { 40 } else { 0 })
}

fn is_uniform(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.array_windows().all(|[a, b]| a == b)
}

fn grams(bytes: &[u8]) -> impl Iterator<Item = (usize, u32)> + '_ {
    bytes.windows(4).enumerate().map(|(i, w)| {
        let mut four = [0_u8; 4];
        four.copy_from_slice(w);
        (i, u32::from_le_bytes(four) | FOLD)
    })
}

impl Prefilter {
    /// Compiles literals of at least three bytes; the flag says that letter case does not count.
    pub(crate) fn new(sources: &[(Vec<u8>, bool)]) -> Self {
        let mut bitmap = Box::new([0_u64; WORDS]);
        let mut entries = Vec::new();
        // ` key` and `_tok` stand in hundreds of literals: each is better known by its other part.
        let mut sharers: HashMap<u32, u32> = HashMap::new();
        for (_, gram) in sources.iter().flat_map(|(bytes, _)| grams(bytes)) {
            let count = sharers.entry(gram).or_default();
            *count = count.saturating_add(1);
        }
        let cost = |gram: u32| {
            let shared = sharers.get(&gram).copied().unwrap_or(0).min(40);
            rarity(gram).saturating_add(shared)
        };
        for (id, &(ref bytes, any_case)) in sources.iter().enumerate() {
            let literal = LiteralId::try_from(id).unwrap_or(LiteralId::MAX);
            let (offset, gram, mask) = match *bytes.as_slice() {
                [a, b, c] => (0, u32::from_le_bytes([a, b, c, 0]) | FOLD, THREE),
                _ => match grams(bytes).min_by_key(|&(_, gram)| cost(gram)) {
                    Some((offset, gram)) => (offset, gram, u32::MAX),
                    None => continue,
                },
            };
            if let Some(slot) = bitmap.get_mut(word(gram)) {
                let fourth = bytes.get(offset.saturating_add(3)).copied().unwrap_or(0);
                *slot |= match mask {
                    THREE => u64::MAX,
                    _ if any_case => {
                        bit(fourth.to_ascii_lowercase()) | bit(fourth.to_ascii_uppercase())
                    }
                    _ => bit(fourth),
                };
            }
            entries.push(Entry {
                gram: gram & mask,
                mask,
                literal,
                offset: u8::try_from(offset).unwrap_or(0),
                uniform: is_uniform(bytes),
            });
        }
        entries.sort_by_key(|e| bucket(e.gram));
        let mut heads = vec![0_u32; BUCKETS.saturating_add(1)];
        for entry in &entries {
            if let Some(head) = heads.get_mut(bucket(entry.gram).saturating_add(1)) {
                *head = head.saturating_add(1);
            }
        }
        let mut sum = 0_u32;
        for head in &mut heads {
            sum = sum.saturating_add(*head);
            *head = sum;
        }
        Self {
            bitmap,
            heads: heads.into(),
            entries: entries.into(),
            literals: sources
                .iter()
                .map(|(bytes, any_case)| Literal {
                    bytes: bytes.as_slice().into(),
                    any_case: *any_case,
                })
                .collect(),
        }
    }

    /// The literals, in the order of their ids.
    pub(crate) fn literals(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.literals.iter().map(|l| (&*l.bytes, l.any_case))
    }

    /// 1 if a literal may be represented by the four bytes, else 0.
    #[inline]
    fn may(&self, four: [u8; 4]) -> u64 {
        let gram = u32::from_le_bytes(four);
        self.word(gram).wrapping_shr(gram.wrapping_shr(24)) & 1
    }

    /// The word of the first three bytes; full if they are a literal.
    #[inline]
    fn word(&self, gram: u32) -> u64 {
        let word = self.bitmap.get(word(gram) & (WORDS - 1));
        word.copied().unwrap_or(0)
    }

    /// Calls `found(literal, start)` for every occurrence, in ascending order of the position of
    /// its rarest part. Overlapping occurrences are all reported, but for those of a literal that is
    /// one letter again and again: no word begins within a run of it.
    pub(crate) fn scan(&self, text: &[u8], found: &mut impl FnMut(LiteralId, usize)) {
        let mut base = 0_usize;
        // A block is tested without a branch in it.
        while let Some(block) = text
            .get(base..)
            .and_then(|rest| rest.first_chunk::<{ BLOCK + 3 }>())
        {
            let mut mask = 0_u64;
            for step in (0..BLOCK).step_by(8).rev() {
                let part = block
                    .get(step..)
                    .and_then(|rest| rest.first_chunk::<11>())
                    .unwrap_or(&[0; 11]);
                let mut eight = 0_u64;
                for four in part.array_windows::<4>().rev() {
                    eight = eight.wrapping_shl(1) | self.may(*four);
                }
                mask = mask.wrapping_shl(8) | eight;
            }
            while mask != 0 {
                let at = base.saturating_add(mask.trailing_zeros() as usize);
                self.confirm(text, at, found);
                mask &= mask.wrapping_sub(1);
            }
            base = base.saturating_add(BLOCK);
        }
        let rest = text.get(base..).unwrap_or_default();
        for (i, four) in rest.array_windows::<4>().enumerate() {
            if self.may(*four) != 0 {
                self.confirm(text, base.saturating_add(i), found);
            }
        }
        // No fourth byte follows a literal of three at the very end.
        if let Some([a, b, c]) = rest.last_chunk()
            && self.word(u32::from_le_bytes([*a, *b, *c, 0])) == u64::MAX
        {
            self.confirm(text, text.len().saturating_sub(3), found);
        }
    }

    #[inline]
    fn confirm(&self, text: &[u8], at: usize, found: &mut impl FnMut(LiteralId, usize)) {
        let rest = text.get(at..).unwrap_or_default();
        let gram = match (rest.first_chunk::<4>(), rest.first_chunk::<3>()) {
            (Some(four), _) => u32::from_le_bytes(*four) | FOLD,
            (None, Some([a, b, c])) => u32::from_le_bytes([*a, *b, *c, 0]) | FOLD,
            _ => return,
        };
        // Within a run of one byte: a literal that is such a run was met where this one begins.
        let within = || {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            before.is_some_and(|b| rest.starts_with(&[*b; 4]))
        };
        let b = bucket(gram);
        let (Some(&from), Some(&to)) = (self.heads.get(b), self.heads.get(b.saturating_add(1)))
        else {
            return;
        };
        for entry in self
            .entries
            .get(from as usize..to as usize)
            .unwrap_or_default()
        {
            if gram & entry.mask == entry.gram && !(entry.uniform && within()) {
                self.compare(*entry, text, at, found);
            }
        }
    }

    #[inline(never)]
    fn compare(
        &self,
        entry: Entry,
        text: &[u8],
        at: usize,
        found: &mut impl FnMut(LiteralId, usize),
    ) {
        let Some(start) = at.checked_sub(usize::from(entry.offset)) else {
            return;
        };
        let Some(literal) = self.literals.get(entry.literal as usize) else {
            return;
        };
        let Some(part) = text.get(start..start.saturating_add(literal.bytes.len())) else {
            return;
        };
        let same = if literal.any_case {
            part.eq_ignore_ascii_case(&literal.bytes)
        } else {
            *part == *literal.bytes
        };
        if same {
            found(entry.literal, start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_occurrence_wherever_it_stands() {
        let literals: Vec<(Vec<u8>, bool)> = vec![
            (b"ghp_".to_vec(), false),
            (b"eyJ".to_vec(), false),
            (b"datadog".to_vec(), true),
            (b"AKIA".to_vec(), false),
        ];
        let filter = Prefilter::new(&literals);
        for pad in 0..40 {
            let text = format!("{}AKIAxeyJzghp_DataDog akia eyJ.", " ".repeat(pad));
            let mut hits = Vec::new();
            filter.scan(text.as_bytes(), &mut |id, at| hits.push((at - pad, id)));
            hits.sort_unstable();
            assert_eq!(
                hits,
                [(0, 3), (5, 1), (9, 0), (13, 2), (26, 1)],
                "pad {pad}"
            );
        }
    }
    #[test]
    fn finds_short_literals_at_the_very_end() {
        let filter = Prefilter::new(&[(b"wif".to_vec(), true), (b"://".to_vec(), false)]);
        for text in ["WIF", "http://", "wif://", "a wif and ://"] {
            let mut hits = Vec::new();
            filter.scan(text.as_bytes(), &mut |id, at| hits.push((at, id)));
            let folded = text.to_lowercase();
            let mut all: Vec<_> = folded.match_indices("wif").map(|(at, _)| (at, 0)).collect();
            all.extend(text.match_indices("://").map(|(at, _)| (at, 1)));
            all.sort_unstable();
            assert_eq!(hits, all, "{text}");
        }
    }
}
