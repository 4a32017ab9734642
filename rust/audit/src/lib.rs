//! The audit log: appends, rotates, chains and verifies lines. Knows nothing of what they say.
//!
//! One line is one `write` with `O_APPEND`, so several guards may share a file. With a key, every
//! line carries its number, the hash of the line before it and an HMAC, and a small file beside
//! the log remembers the last number, so that a line cannot be changed, taken out, moved or cut
//! off without [`verify`] naming it.
//!
//! ```
//! use egress_guard_audit::{AuditLog, Options, verify};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("audit.jsonl");
//! let key = b"sixteen bytes or more";
//! let log = AuditLog::open(&path, Options::default().key(key))?;
//! log.append(br#"{"decision":"DENY"}"#)?;
//! let report = verify(&path, key)?;
//! assert_eq!((report.signed, report.problems.len()), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod files;
mod log;
mod verify;

pub use log::{AuditLog, Fsync, Options};
pub use verify::{Problem, ProblemKind, Report, verify};

use std::{io, path::PathBuf};

/// Why a line was not written, or a log cannot be used. No line is quoted.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The path names something that is no file to append to.
    #[error("{}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The disk took a part of the line only; the next line starts on a line of its own.
    #[error("{}: {written} of {length} bytes written", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// What was taken.
        written: usize,
        /// What was given.
        length: usize,
    },
    /// Empty, or with a line end inside; with a key, also what is not one JSON object.
    #[error("not one line of JSON")]
    NotALine,
    /// The record beside a signed log is gone.
    #[error(
        "{}: missing although {} is signed; run `audit verify`, then move the log away",
        head.display(), log.display()
    )]
    HeadMissing {
        /// The record.
        head: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// The record or the last line was changed, or signed with another key.
    #[error("{}: changed, or signed with another key; run `audit verify`, then move it away", .0.display())]
    Unauthentic(PathBuf),
}

impl AuditError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
