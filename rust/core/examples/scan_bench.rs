//! Measures the text detectors: ordinary text, small messages, inputs made to be slow, start-up.
//!
//! `cargo run --release -p egress-guard-core --example scan_bench [MiB]`. Times are CPU times of the
//! thread where the system tells them, so that a busy machine does not change them much.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program for a person at a terminal"
)]

use egress_guard_core::{
    analyzer::{Analyzers, Scope, text::TextContext},
    detector::{Catalog, syntax::DetectorKind},
    frame,
    guard::{Context, Guard, Settings},
    limits::Limits,
    walk::{Document, ROOT},
};
use std::{fmt::Write as _, hint::black_box, time::Instant};

/// Nanoseconds of CPU of this thread, else of the clock.
fn now(start: Instant) -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|s| s.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Least time of one sample, in nanoseconds: the system's clock of CPU time is coarse.
const SAMPLE: u64 = 4_000_000;

/// The least of several runs, in nanoseconds; short work is repeated within a run.
fn best(runs: usize, mut work: impl FnMut()) -> u64 {
    let start = Instant::now();
    let mut times = 1_u64;
    (0..runs)
        .map(|_| {
            loop {
                let from = now(start);
                (0..times).for_each(|_| work());
                let taken = now(start) - from;
                if taken >= SAMPLE {
                    break taken / times;
                }
                times *= 2;
            }
        })
        .min()
        .unwrap_or(0)
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % below
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.next(list.len())]
    }

    fn hex(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(b"0123456789abcdef"[self.next(16)]))
            .collect()
    }

    fn base64(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..length)
            .map(|_| char::from(ALPHABET[self.next(64)]))
            .collect()
    }
}

const WORDS: &[&str] = &[
    "the", "of", "server", "request", "when", "every", "report", "customer", "with", "index",
    "value", "return", "error", "handler", "message", "between", "system", "before", "should",
    "field", "window", "number", "river", "morning", "process", "thread", "memory", "config",
    "public", "window", "buffer", "stream", "release",
];

/// Prose, code, JSON, logs, lock files, data, and text of other scripts, without secrets.
fn corpus(bytes: usize) -> String {
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    let mut out = String::with_capacity(bytes + 4096);
    while out.len() < bytes {
        match r.next(10) {
            0..=2 => {
                for _ in 0..60 {
                    let word = match r.next(200) {
                        0 => r.pick(&["token", "key", "password", "secret"]),
                        _ => r.pick(WORDS),
                    };
                    let _ = write!(out, "{word}{}", if r.next(12) == 0 { ". " } else { " " });
                }
                out.push('\n');
            }
            3..=5 => {
                for _ in 0..12 {
                    let (a, b, c) = (r.pick(WORDS), r.pick(WORDS), r.pick(WORDS));
                    let n = r.next(1000);
                    let _ = writeln!(
                        out,
                        "    let {a}_{b} = self.{c}(\"{b}\", {n})?; // {a} {c}\n    if {a}.len() > {n} && {b} != {c} {{ return Err({b}::new({n})); }}"
                    );
                }
            }
            6 => {
                for i in 0..10 {
                    let (a, b) = (r.pick(WORDS), r.pick(WORDS));
                    let _ = write!(
                        out,
                        "{{\"id\": {i}, \"{a}\": \"{b} {a}\", \"uuid\": \"{}\", \"count\": {}}},",
                        r.hex(32),
                        r.next(99999)
                    );
                }
                out.push('\n');
            }
            7 => {
                for _ in 0..12 {
                    let _ = writeln!(
                        out,
                        "2026-03-11T10:22:31.{:03}Z INFO  http.{} GET /api/v1/{}/{} 200 {}ms 10.2.3.{}",
                        r.next(1000),
                        r.pick(WORDS),
                        r.pick(WORDS),
                        r.next(100000),
                        r.next(500),
                        r.next(255)
                    );
                }
            }
            8 => {
                for _ in 0..6 {
                    let _ = writeln!(
                        out,
                        "    \"resolved\": \"https://registry.npmjs.org/{0}/-/{0}-1.2.{1}.tgz\",\n    \"integrity\": \"sha512-{2}==\"",
                        r.pick(WORDS),
                        r.next(50),
                        r.base64(86)
                    );
                }
            }
            _ => match r.next(3) {
                0 => out.push_str(
                    &"下周发布新版本之前需要完成回归测试。数据库迁移已经完成，没有发现错误。\n"
                        .repeat(6),
                ),
                1 => {
                    let line = r.base64(600);
                    let _ = writeln!(out, "<img src=\"data:image/png;base64,iVBORw0KGgo{line}\">");
                }
                _ => out.push_str(
                    &"Ça marche très bien, même après la mise à jour du système — voilà.\n"
                        .repeat(8),
                ),
            },
        }
    }
    out
}

fn frame_of(text: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "write_note", "arguments": {"text": text}}})
    .to_string()
}

fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

fn main() {
    let size = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(64_usize)
        << 20;
    let json = best(1, || {
        black_box(Catalog::embedded().unwrap());
    });
    let catalog = Catalog::embedded().unwrap();
    let engine = best(5, || {
        black_box(Guard::new(catalog.clone(), Settings::default()).unwrap());
    });
    let kinds = catalog
        .iter()
        .filter(|(_, d)| d.kind == DetectorKind::Text)
        .count();
    println!(
        "start: catalogue {:.1} ms, engine {:.1} ms, {kinds} text detectors",
        ms(json),
        ms(engine)
    );

    let guard = Guard::new(catalog.clone(), Settings::default()).unwrap();
    let noisy = Analyzers::new(
        catalog.clone(),
        &Settings {
            entropy: true,
            ..Settings::default()
        },
    )
    .unwrap();
    let limits = Limits::default();
    let scan = |analyzers: &Analyzers, text: &str| {
        let mut scope = Scope::new(analyzers, &limits);
        analyzers
            .text
            .scan(text, TextContext::default(), &mut scope);
        black_box(scope.findings.len())
    };
    let text = corpus(size);
    let chunks = |length: usize| {
        let mut rest = text.as_str();
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.floor_char_boundary(length.min(rest.len())));
            parts.push(head);
            rest = tail;
        }
        parts
    };
    let mut typical = 0.0;
    for (name, length) in [("64 KiB", 64 << 10), ("1 KiB", 1 << 10)] {
        let parts = chunks(length);
        let plain = best(3, || {
            parts.iter().for_each(|p| {
                scan(&guard.analyzers, p);
            })
        });
        let entropy = best(3, || {
            parts.iter().for_each(|p| {
                scan(&noisy, p);
            })
        });
        let rate = |ns: u64| text.len() as f64 * 1e3 / ns as f64;
        println!(
            "scan in chunks of {name}: {:.0} MB/s, with entropy {:.0} MB/s",
            rate(plain),
            rate(entropy)
        );
        if typical == 0.0 {
            typical = entropy as f64 / text.len() as f64;
        }
    }
    let inspect = |frame: &str| {
        let document = Document::parse(frame.as_bytes(), &limits).unwrap();
        let message = frame::message(&document, ROOT).unwrap();
        black_box(
            guard
                .inspect(&document, &message, &Context::default())
                .findings
                .len(),
        )
    };
    for (name, length) in [
        ("200 B", 200),
        ("1 KiB", 1 << 10),
        ("10 KiB", 10 << 10),
        ("1 MiB", 1 << 20),
    ] {
        let frames: Vec<String> = chunks(length)
            .iter()
            .take(200)
            .map(|p| frame_of(p))
            .collect();
        let mut times: Vec<u64> = frames
            .iter()
            .map(|f| {
                best(1, || {
                    inspect(f);
                })
            })
            .collect();
        times.sort_unstable();
        println!(
            "whole judgement of {name}: p50 {:.1} us, p95 {:.1} us",
            times[times.len() / 2] as f64 / 1e3,
            times[times.len() * 95 / 100] as f64 / 1e3
        );
    }

    println!(
        "inputs of 1 MB made to be slow (ordinary text: {:.2} ms):",
        typical
    );
    let lines = (0..14000).map(
        |_| "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\n",
    );
    let mut r = Random(7);
    for (name, text) in [
        ("a", "a".repeat(1_000_000)),
        ("A", "A".repeat(1_000_000)),
        ("==", "==".repeat(500_000)),
        ("/", "/".repeat(1_000_000)),
        ("http://", "http://".repeat(142_857)),
        ("Token a ", "Token a ".repeat(125_000)),
        ("10.0.0.1 ", "10.0.0.1 ".repeat(111_111)),
        ("base64", r.base64(1_000_000)),
        ("base64 lines", lines.collect()),
        ("eyJ-", "eyJ-".repeat(250_000)),
        ("key=", "key=".repeat(250_000)),
        ("\\u0061", "\\u0061".repeat(166_666)),
        ("%41", "%41".repeat(333_333)),
        ("password: ", "password: ".repeat(100_000)),
        (
            "-----BEGIN ",
            "-----BEGIN RSA PRIVATE KEY-----\n".repeat(31_250),
        ),
        ("://a:", "://a:".repeat(200_000)),
        ("a@", "://a:b@".repeat(142_857)),
        ("4242 ", "4242 ".repeat(200_000)),
        ("\" + \"", "a\" + \"".repeat(166_666)),
    ] {
        let ns = best(2, || {
            scan(&guard.analyzers, &text);
        });
        let frame = frame_of(&text);
        let whole = best(2, || {
            inspect(&frame);
        });
        println!(
            "  {name:14} scan {:6.2} ms ({:4.1} x), whole {:6.2} ms",
            ms(ns),
            ns as f64 / text.len() as f64 / typical,
            ms(whole)
        );
    }

    let mut worst: Vec<(f64, String)> = Vec::new();
    let mut measure = |name: String, unit: &str| {
        let input = unit.repeat(65_536 / unit.len() + 1);
        let ns = best(2, || {
            scan(&noisy, &input);
        });
        worst.push((ns as f64 / input.len() as f64 / typical, name));
    };
    for (literal, _) in guard.analyzers.text.literals() {
        let literal = String::from_utf8_lossy(literal);
        measure(format!("literal {literal:?}"), &literal);
        measure(
            format!("literal {literal:?} and a blank"),
            &format!("{literal} "),
        );
    }
    for (_, entry) in Catalog::documented()
        .unwrap()
        .iter()
        .filter(|(_, d)| d.kind == DetectorKind::Text)
    {
        for example in entry.examples.iter().take(2) {
            let text = example.text();
            let miss = text.char_indices().last().map_or(text, |(i, _)| &text[..i]);
            let head = cut(text, 6);
            for (form, unit) in [
                ("repeated", format!("{text} ")),
                ("cut short", format!("{miss}!")),
                ("without end", format!("{miss}-")),
                ("prefix", head.to_owned()),
            ] {
                let name = format!("{} {form}: {:?}", entry.id, cut(&unit, 40));
                measure(name, &unit);
            }
        }
    }
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!(
        "literals, examples and near misses, repeated: {} inputs, over 3 x: {}, worst:",
        worst.len(),
        worst.iter().filter(|w| w.0 > 3.0).count()
    );
    for (factor, name) in worst.iter().take(25) {
        println!("  {factor:5.1} x {name}");
    }
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
