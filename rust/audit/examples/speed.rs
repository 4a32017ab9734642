//! Prints what an append costs and how many lines a second are verified.

use egress_guard_audit::{AuditLog, Fsync, Options, verify};
use std::{
    error::Error,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

const KEY: &[u8] = b"a key of the benchmark";
const LINES: u32 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let mut out = std::io::stdout();
    // As long as the line of a denied call.
    let line = format!("{{\"reason\":\"{}\"}}", "x".repeat(850));
    let signed = || Options::default().key(KEY);
    let interval = Fsync::Interval(Duration::from_secs(1));
    for (name, options) in [
        ("plain", Options::default()),
        (
            "plain, rotated at 32 MB",
            Options {
                max_bytes: Some(32 << 20),
                ..Options::default()
            },
        ),
        ("signed", signed()),
        (
            "signed, synced each second",
            Options {
                fsync: interval,
                ..signed()
            },
        ),
    ] {
        let path = folder.path().join(format!("{name}.jsonl"));
        let log = AuditLog::open(&path, options)?;
        let mut times = Vec::new();
        let before = cpu()?;
        for _ in 0..LINES {
            let start = Instant::now();
            log.append(line.as_bytes())?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let each = (cpu()? - before) * 1e6 / f64::from(LINES);
        writeln!(out, "append, {name}: median {median:?}, CPU {each:.1} µs")?;
    }
    let path = folder.path().join("signed.jsonl");
    let (start, before) = (Instant::now(), cpu()?);
    let report = verify(&path, KEY)?;
    writeln!(
        out,
        "verify: {:.0} lines a second, {:.0} a second of CPU, {} problems",
        f64::from(LINES) / start.elapsed().as_secs_f64(),
        f64::from(LINES) / (cpu()? - before),
        report.problems.len()
    )?;
    Ok(())
}

/// Seconds of CPU that this process used, to 10 ms: a shared machine stretches the time alone.
fn cpu() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
