//! One pass over the text for the literals of all detectors.
//!
//! Every literal is represented by the rarest four bytes in it. A bitmap over the hash of the four
//! bytes at each position, letter case folded, says "no" for almost every position of ordinary text
//! in a few instructions; the rest is looked up and compared in full.

const BITS: u32 = 17;
const WORDS: usize = 1 << (BITS - 6);
const WORDS_MASK: usize = WORDS - 1;
const FOLD: u32 = 0x2020_2020;
const BUCKETS: usize = 1 << 13;

/// Index of a literal.
pub(crate) type LiteralId = u16;

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    literal: LiteralId,
    /// Where the four bytes stand in the literal.
    offset: u8,
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

const fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1).wrapping_shr(32 - BITS)
}

const fn bucket(gram: u32) -> usize {
    (gram.wrapping_mul(0x85EB_CA6B).wrapping_shr(19)) as usize
}

/// How common a byte is in prose and code, the fold applied: higher is worse to search for.
const fn commonness(b: u8) -> u32 {
    match b | 0x20 {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 9,
        b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'h' => 7,
        b'f' | b'g' | b'y' | b'w' | b'b' | b'v' | b'k' => 5,
        b'x' | b'j' | b'q' | b'z' => 2,
        b'0'..=b'9' => 4,
        b'-' | 0x7f | b'.' | b'/' | b'=' | b'"' => 5,
        _ => 4,
    }
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
        let mut entries = Vec::new();
        for (id, (bytes, _)) in sources.iter().enumerate() {
            let literal = LiteralId::try_from(id).unwrap_or(LiteralId::MAX);
            if bytes.len() >= 4 {
                let rarest = grams(bytes).min_by_key(|&(_, gram)| {
                    gram.to_le_bytes()
                        .iter()
                        .map(|&b| commonness(b))
                        .sum::<u32>()
                });
                if let Some((offset, gram)) = rarest {
                    entries.push(Entry {
                        gram,
                        literal,
                        offset: u8::try_from(offset).unwrap_or(0),
                    });
                }
            } else if let [a, b, c] = bytes.as_slice() {
                // Any fourth byte: the fold leaves three quarters of them.
                let mut seen = [false; 256];
                for next in 0..=u8::MAX {
                    let folded = next | 0x20;
                    if let Some(slot) = seen.get_mut(usize::from(folded))
                        && !std::mem::replace(slot, true)
                    {
                        entries.push(Entry {
                            gram: u32::from_le_bytes([*a, *b, *c, folded]) | FOLD,
                            literal,
                            offset: 0,
                        });
                    }
                }
            }
        }
        entries.sort_by_key(|e| bucket(e.gram));
        let mut bitmap = Box::new([0_u64; WORDS]);
        let mut heads = vec![0_u32; BUCKETS.saturating_add(1)];
        for entry in &entries {
            let h = hash(entry.gram);
            if let Some(word) = bitmap.get_mut((h >> 6) as usize) {
                *word |= 1_u64.wrapping_shl(h & 63);
            }
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

    fn bit(&self, gram: u32) -> u64 {
        let h = hash(gram | FOLD);
        let word = self
            .bitmap
            .get((h >> 6) as usize & WORDS_MASK)
            .copied()
            .unwrap_or(0);
        word.wrapping_shr(h & 63) & 1
    }

    /// Calls `found(literal, start)` for every occurrence, in ascending order of the position of
    /// its rarest part. Overlapping occurrences are all reported.
    pub(crate) fn scan(&self, text: &[u8], found: &mut impl FnMut(LiteralId, usize)) {
        // Eight positions are tested without a branch between them.
        let mut base = 0_usize;
        while let Some(block) = text.get(base..base.saturating_add(12)) {
            let low = block
                .first_chunk::<8>()
                .map_or(0, |b| u64::from_le_bytes(*b));
            let high = block
                .last_chunk::<8>()
                .map_or(0, |b| u64::from_le_bytes(*b));
            let mut mask = 0_u64;
            for k in 0..4_u32 {
                #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
                let (a, b) = (
                    low.wrapping_shr(k.wrapping_mul(8)) as u32,
                    high.wrapping_shr(k.wrapping_mul(8)) as u32,
                );
                mask |= self.bit(a).wrapping_shl(k);
                mask |= self.bit(b).wrapping_shl(k.wrapping_add(4));
            }
            while mask != 0 {
                let k = mask.trailing_zeros() as usize;
                self.confirm(text, base.saturating_add(k), found);
                mask &= mask.wrapping_sub(1);
            }
            base = base.saturating_add(8);
        }
        for (i, gram) in grams(text.get(base..).unwrap_or_default()) {
            if self.bit(gram) != 0 {
                self.confirm(text, base.saturating_add(i), found);
            }
        }
    }

    #[inline(never)]
    fn confirm(&self, text: &[u8], at: usize, found: &mut impl FnMut(LiteralId, usize)) {
        let Some(four) = text.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return;
        };
        let gram = u32::from_le_bytes(*four) | FOLD;
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
            if entry.gram != gram {
                continue;
            }
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else {
                continue;
            };
            let Some(literal) = self.literals.get(usize::from(entry.literal)) else {
                continue;
            };
            let Some(part) = text.get(start..start.saturating_add(literal.bytes.len())) else {
                continue;
            };
            if *part == *literal.bytes
                || literal.any_case && part.eq_ignore_ascii_case(&literal.bytes)
            {
                found(entry.literal, start);
            }
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
}
