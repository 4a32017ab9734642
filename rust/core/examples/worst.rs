//! What a text made to be slow costs, over what ordinary prose costs: examples and near misses of
//! every detector and every literal, repeated. `worst [KB] [SHOWN] [PART OF A NAME]` prints the
//! dearest by time.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a program for a person at a terminal"
)]

use egress_guard_core::{
    detector::Catalog,
    frame,
    guard::{Context, Guard, Settings},
    walk::{Document, ROOT},
};
use serde_json::json;
use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

/// A text of at least `size` bytes.
fn repeated(unit: &str, size: usize) -> String {
    unit.repeat(size / unit.len().max(1) + 1)
}

fn prose(size: usize) -> String {
    const WORDS: [&str; 8] = [
        "river", "stone", "winter", "table", "garden", "paper", "seven", "letter",
    ];
    let mut text = String::new();
    let mut state = 7_u32;
    while text.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, "{} ", WORDS.get(state as usize >> 29).unwrap());
    }
    text
}

/// Near misses: one character less, a character that no token has in its midst, other letters.
fn misses(secret: &str) -> Vec<String> {
    let chars: Vec<char> = secret.chars().collect();
    let cut = chars.iter().take(chars.len().saturating_sub(1)).collect();
    let split = |at: usize| {
        let (head, tail) = chars.split_at(at.min(chars.len()));
        head.iter().chain(['!'].iter()).chain(tail).collect()
    };
    vec![cut, split(chars.len() / 2), split(chars.len() - 1)]
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| args.get(at).map_or(or, |a| a.parse().unwrap());
    let (size, shown) = (number(0, 64) << 10, number(1, 10));
    let wanted = args.get(2).map_or("", String::as_str);
    let guard = Guard::new(Catalog::embedded().unwrap().clone(), Settings::default()).unwrap();
    let mut inputs: Vec<(String, String)> = vec![("typical: prose".into(), prose(size))];
    for (_, entry) in Catalog::documented().unwrap().iter() {
        for (n, example) in entry.examples.iter().take(2).enumerate() {
            let text = example.text();
            let mut add = |kind: &str, unit: &str| {
                inputs.push((format!("{} {kind} {n}", entry.id), repeated(unit, size)));
            };
            add("example", &format!("{text}\n"));
            add("unbroken", text);
            for miss in misses(text) {
                add("near", &format!("{miss}\n"));
            }
        }
        for (n, example) in entry.negative_examples.iter().take(2).enumerate() {
            let unit = format!("{}\n", example.text());
            inputs.push((format!("{} negative {n}", entry.id), repeated(&unit, size)));
        }
    }
    for (literal, _) in guard.analyzers.text.literals() {
        let unit = String::from_utf8_lossy(literal);
        for joint in ["", " "] {
            let text = repeated(&format!("{unit}{joint}"), size);
            inputs.push((format!("literal {unit:?} and {joint:?}"), text));
        }
    }
    inputs.retain(|(name, _)| name.contains(wanted) || name.starts_with("typical"));
    let mut costs: Vec<(f64, &str, usize)> = Vec::new();
    for (name, text) in &inputs {
        let frame = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "store", "arguments": {"text": text}}})
        .to_string();
        let judge = || {
            let document = Document::parse(frame.as_bytes(), &guard.settings.limits).unwrap();
            let message = frame::message(&document, ROOT).unwrap();
            let context = Context::default();
            black_box(guard.inspect(&document, &message, &context).findings.len())
        };
        let found = judge();
        let mut least = Duration::MAX;
        let usual = costs.first().map_or(0.0, |typical| 3.0 * typical.0);
        for _ in 0..8 {
            let from = Instant::now();
            judge();
            least = least.min(from.elapsed());
            // What is cheap once need not be measured again.
            if least.as_secs_f64() * 1e9 < usual * frame.len() as f64 {
                break;
            }
        }
        costs.push((least.as_secs_f64() * 1e9 / frame.len() as f64, name, found));
    }
    let typical = costs.first().unwrap().0;
    let (mut above, all) = (0, costs.len());
    costs.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (n, (cost, name, found)) in costs.iter().enumerate() {
        above += usize::from(*cost > 3.0 * typical);
        if n < shown {
            println!(
                "{:6.1} ×  {cost:7.2} ns/B  {found:5} findings  {name}",
                cost / typical
            );
        }
    }
    println!("{all} inputs, {above} above 3 × of {typical:.2} ns/B");
}
