//! The properties of the fuzz targets over a stored corpus, without a fuzzer: the examples of all
//! detectors, hand-made seeds, and what once failed; each as it is and with seeded mutations.
//!
//! `ROUNDS=20` tries that many mutations of each.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by a panic"
)]

#[path = "../../fuzz/src/lib.rs"]
mod properties;

use egress_guard_core::detector::Catalog;
use properties::PROPERTIES;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// xorshift64*, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let thrown = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(thrown).unwrap_or(0) % end.max(1)
    }
}

/// What breaks readers: borders of UTF-8, quotes, brackets, escapes, and beginnings of encodings.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\\",
    "`",
    "$(",
    "${",
    ")",
    "}",
    "{",
    "[",
    "]",
    "<<E\n",
    "<(",
    "|",
    "&&",
    ";",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{7f}",
    "é",
    "\u{200b}",
    "\u{feff}",
    "😀",
    "\u{10ffff}",
    "ａ",
    "%41",
    "%",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\x41",
    "&#65;",
    "=\n",
    "=41",
    "eyJ",
    "H4sIA",
    "0x",
    "://",
    "@",
    "..",
    "/",
    "*",
    "~",
    "#",
    "--",
    "=",
    ":",
    "key=",
    "password: ",
    "-----BEGIN ",
];

fn mutate(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => {
                bytes.truncate(at);
            }
            1 => {
                let to = (at + dice.below(8)).min(bytes.len());
                bytes.drain(at..to);
            }
            2 => {
                let piece = PIECES[dice.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            3 => {
                let from = dice.below(other.len() + 1);
                bytes.splice(at..at, other[from..].iter().copied());
            }
            4 => {
                let to = (at + 1 + dice.below(24)).min(bytes.len());
                let part = bytes[at..to].to_vec();
                for _ in 0..dice.below(20) {
                    bytes.splice(at..at, part.iter().copied());
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    bytes
}

/// Texts, and frames that hold them.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let catalog = Catalog::documented().unwrap();
    for (_, detector) in catalog.iter() {
        for example in detector.examples.iter().chain(&detector.negative_examples) {
            seeds.push(example.text().as_bytes().to_vec());
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    seeds.extend(files.iter().map(|file| fs::read(file).unwrap()));
    assert!(seeds.len() > 1000, "the corpus is not there");
    seeds
}

fn frame_of(text: &[u8], n: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let message: Value = match n % 4 {
        0 => json!({"jsonrpc": "2.0", "id": n, "method": "tools/call",
            "params": {"name": "run_command", "arguments": {"command": text, "note": [text]}}}),
        1 => json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call",
            "params": {"name": "write_file", "arguments": {"path": "a", "content": text}}}),
        2 => {
            json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}]}})
        }
        _ => {
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": {text: 1}}})
        }
    };
    message.to_string().into_bytes()
}

/// Runs `property` over its share of the corpus.
fn hold(name: &str, every: usize) {
    let &(_, property) = PROPERTIES.iter().find(|(n, _)| *n == name).unwrap();
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1_usize);
    let framed = matches!(
        name,
        "frame_as_serde" | "leaf_spans" | "inspect_frame" | "session"
    );
    let seeds = seeds();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for (n, seed) in seeds.iter().enumerate() {
        if rounds == 1 && n % every != 0 {
            continue;
        }
        let seed = if framed {
            frame_of(seed, n)
        } else {
            seed.clone()
        };
        property(&seed);
        for _ in 0..rounds {
            let other = &seeds[dice.below(seeds.len())];
            let bytes = mutate(&seed, other, &mut dice);
            let failed = std::panic::catch_unwind(|| property(&bytes)).is_err();
            assert!(
                !failed,
                "{name} fails for {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

macro_rules! holds {
    ($($name:ident $every:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            hold(stringify!($name), $every);
        })*

        #[test]
        fn every_property_is_tried() {
            let tried = [$(stringify!($name)),*];
            let named: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
            assert_eq!(tried.to_vec(), named);
        }
    };
}

// A debug build is slow: the dear ones take a part of the corpus, each run the same.
holds! {
    frame_as_serde 1,
    leaf_spans 1,
    views_map_back 1,
    inspect_frame 3,
    redact_text 3,
    command 3,
    code 3,
    statement 3,
    url 3,
    rules 1,
    session 3,
}
