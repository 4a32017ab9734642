//! Terms that only an organisation uses, plain or as hashes.

use super::{
    builtin::Builtin,
    bytes::{at, before, is_token, is_word, slice},
    scan::Scan,
};
use crate::span::Span;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Most words of one text that are hashed.
const MOST: usize = 100_000;

/// The configured terms.
#[derive(Debug, Default)]
pub(crate) struct Organisation {
    terms: Vec<String>,
    hashes: HashSet<[u8; 32]>,
}

impl Organisation {
    pub(crate) fn new(fingerprints: &[String]) -> Self {
        let mut this = Self::default();
        for term in fingerprints {
            match term.strip_prefix("sha256:").and_then(parse) {
                Some(hash) => {
                    this.hashes.insert(hash);
                }
                None if term.trim().len() >= 3 => this.terms.push(term.trim().to_owned()),
                None => {}
            }
        }
        this
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = &String> {
        self.terms.iter()
    }

    /// Whether words are hashed.
    pub(crate) fn hashes(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// Hashes every word, and every word with its dashes, where hashes are configured.
    pub(crate) fn hashed(&self, scan: &mut Scan<'_, '_>) {
        if self.hashes.is_empty() {
            return;
        }
        let text = scan.text;
        let mut at_ = 0_usize;
        let mut left = MOST;
        while at_ < text.len() && left > 0 {
            let start = super::bytes::run_end(text, at_, usize::MAX, |b| !is_token(b));
            let end = super::bytes::run_end(text, start, usize::MAX, is_token);
            let word = slice(text, start, end);
            if word.len() >= 3 && word.len() <= 128 {
                left = left.saturating_sub(1);
                self.check(word, start, scan);
                if word.contains(&b'-') || word.contains(&b'_') {
                    let mut from = start;
                    for part in word.split(|b| matches!(b, b'-' | b'_')) {
                        left = left.saturating_sub(1);
                        self.check(part, from, scan);
                        from = from.saturating_add(part.len()).saturating_add(1);
                    }
                }
            }
            at_ = end.max(start.saturating_add(1));
        }
    }

    fn check(&self, word: &[u8], start: usize, scan: &mut Scan<'_, '_>) {
        let hash: [u8; 32] = Sha256::digest(word.to_ascii_lowercase()).into();
        if self.hashes.contains(&hash) {
            scan.found(
                Builtin::OrgFingerprint,
                Span::new(start, start.saturating_add(word.len())),
            );
        }
    }
}

/// A plain term at `hit`, if it is a word of its own.
pub(crate) fn term(hit: usize, len: usize, scan: &mut Scan<'_, '_>) {
    let end = hit.saturating_add(len);
    if !is_word(before(scan.text, hit)) && !is_word(at(scan.text, end)) {
        scan.found(Builtin::OrgFingerprint, Span::new(hit, end));
    }
}

fn parse(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}
