//! Finds what was done to a signed log: changed, removed, reordered, repeated, cut off.
//!
//! A line's HMAC covers its number and the hash of the line before it. A line whose HMAC holds is
//! a line that was written; the numbers then tell what is missing and what was moved. A copy of
//! log and record taken together, and put back together, cannot be told from the outside.

use crate::{
    AuditError,
    chain::{self, HASH, Head, Signed, Signer},
    files,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
};

/// Most problems that are listed one by one.
const PROBLEMS: usize = 1_000;

/// What was done to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The line does not carry its HMAC, or another one.
    Changed,
    /// A whole line without signature, after the log began to be signed.
    Unsigned,
    /// Lines that were written are not there.
    Removed,
    /// The line stands after one that was written later.
    Reordered,
    /// The line stands there twice.
    Repeated,
    /// The line was signed with this key, but not after the one before it: it is of another log.
    Foreign,
    /// The last lines are gone.
    Truncated,
    /// The record beside the log is gone or not signed with this key.
    Head,
}

impl ProblemKind {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unsigned => "unsigned",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Repeated => "repeated",
            Self::Foreign => "foreign",
            Self::Truncated => "truncated",
            Self::Head => "head",
        }
    }
}

/// One thing that was done, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub kind: ProblemKind,
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1; for what is missing, the line that it stood before.
    pub line: u64,
    /// First and last number of the lines in question, where they are known.
    pub seq: Option<(u64, u64)>,
}

/// What a log says of itself.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The files read, oldest first.
    pub files: Vec<PathBuf>,
    /// Lines that are not blank.
    pub lines: u64,
    /// Lines that carry a signature which holds.
    pub signed: u64,
    /// Lines from before the log was signed.
    pub unsigned: u64,
    /// Pieces of lines, as a crash leaves them.
    pub torn: u64,
    /// Number of the first and the last signed line.
    pub first: Option<u64>,
    /// See `first`.
    pub last: Option<u64>,
    /// What was done, in order, at most 1,000.
    pub problems: Vec<Problem>,
    /// More than are listed.
    pub more: u64,
}

/// Checks a log with its older parts and the record beside it.
///
/// # Errors
/// [`AuditError::Io`] where a file cannot be read. What was done to the log is no error but in the
/// report.
pub fn verify(log: &Path, key: &[u8]) -> Result<Report, AuditError> {
    let signer = Signer::new(key).ok_or_else(|| AuditError::Unauthentic(log.into()))?;
    let mut parts: Vec<PathBuf> = files::rotated(log)?.into_iter().map(|p| p.1).collect();
    parts.push(log.into());
    let head_path = files::head(log);
    let head = match File::open(&head_path) {
        Ok(file) => match files::read_head(&file, &head_path, &signer) {
            Ok(head) => head,
            Err(AuditError::Unauthentic(_)) => None,
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(AuditError::io(head_path)(error)),
    };
    let mut check = Check::new(&signer, head);
    for part in &parts {
        check.file(part)?;
    }
    Ok(check.finish(log, &head_path))
}

struct Check<'s> {
    signer: &'s Signer,
    head: Option<Head>,
    report: Report,
    /// The number that the next line has if nothing was done.
    next: Option<u64>,
    /// Numbers that were jumped over: first → last, with the place of the jump.
    missing: BTreeMap<u64, (u64, PathBuf, u64)>,
    /// Number and hash of the line before, if its signature holds.
    before: Option<(u64, [u8; HASH])>,
    /// Hash of the unsigned line before the first signed one.
    unsigned: Option<[u8; HASH]>,
    /// Lines without a valid signature since the last good one: each may stand for a missing one.
    bad: u64,
    /// Lines of the newest file.
    end: u64,
}

impl<'s> Check<'s> {
    fn new(signer: &'s Signer, head: Option<Head>) -> Self {
        Self {
            signer,
            next: head.map(|h| h.base),
            head,
            report: Report::default(),
            missing: BTreeMap::new(),
            before: None,
            unsigned: None,
            bad: 0,
            end: 0,
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), AuditError> {
        let file = match File::open(path) {
            // A crash between moving the log away and opening a new one; the record tells the rest.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && (self.head.is_some() || !self.report.files.is_empty()) =>
            {
                return Ok(());
            }
            opened => opened.map_err(AuditError::io(path))?,
        };
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut line, mut number) = (Vec::new(), 0_u64);
        self.unsigned = None;
        while files::read_line(&mut reader, &mut line).map_err(AuditError::io(path))? {
            number = number.saturating_add(1);
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if !text.trim_ascii().is_empty() {
                self.report.lines = self.report.lines.saturating_add(1);
                self.line(text, path, number);
            }
        }
        self.report.files.push(path.into());
        self.end = number;
        Ok(())
    }

    fn line(&mut self, line: &[u8], path: &Path, number: u64) {
        let Some(signed) = Signed::read(line) else {
            self.without_signature(line, path, number);
            return;
        };
        let seq = signed.seq;
        if !signed.is_authentic(self.signer) {
            self.bad = self.bad.saturating_add(1);
            self.before = None;
            self.problem(ProblemKind::Changed, path, number, Some((seq, seq)));
            return;
        }
        let hash = chain::hash(line);
        // A crash may keep lines that the record has already given up.
        let begins = self.report.first.is_none() && self.next.is_some_and(|next| seq < next);
        let next = self.next.filter(|_| !begins).unwrap_or(seq);
        if seq < next {
            if self.found(seq) {
                self.problem(ProblemKind::Reordered, path, number, Some((seq, seq)));
            } else {
                self.problem(ProblemKind::Repeated, path, number, Some((seq, seq)));
            }
        } else {
            let gap = seq.saturating_sub(next);
            if gap > self.bad {
                let place = (seq.saturating_sub(1), path.to_owned(), number);
                self.missing.insert(next, place);
            } else if gap == 0 && !self.follows(&signed) {
                self.problem(ProblemKind::Foreign, path, number, Some((seq, seq)));
            }
            self.bad = 0;
            self.next = Some(seq.saturating_add(1));
            self.report.last = Some(seq);
        }
        self.report.first = self.report.first.or(Some(seq));
        self.report.signed = self.report.signed.saturating_add(1);
        self.before = Some((seq, hash));
    }

    fn without_signature(&mut self, line: &[u8], path: &Path, number: u64) {
        let whole = line.starts_with(b"{") && line.trim_ascii_end().ends_with(b"}");
        let began = self.report.signed > 0 || self.bad > 0 || self.next.is_some_and(|n| n > 1);
        if !whole {
            self.report.torn = self.report.torn.saturating_add(1);
        } else if began {
            self.bad = self.bad.saturating_add(1);
            self.before = None;
            self.problem(ProblemKind::Unsigned, path, number, None);
        } else {
            self.report.unsigned = self.report.unsigned.saturating_add(1);
        }
        if !began {
            self.unsigned = Some(chain::hash(line));
        }
    }

    /// Whether a line with the expected number names the line before it.
    fn follows(&self, signed: &Signed<'_>) -> bool {
        match self.before {
            Some((seq, hash)) if seq.checked_add(1) == Some(signed.seq) => signed.prev == hash,
            None if signed.seq == 1 && self.bad == 0 => {
                signed.prev == [0; HASH] || Some(signed.prev) == self.unsigned
            }
            // The line before is missing, changed or moved, which is said at its own place.
            _ => true,
        }
    }

    /// Takes a number out of the missing ones.
    fn found(&mut self, seq: u64) -> bool {
        let Some((&first, (last, path, line))) = self.missing.range(..=seq).next_back() else {
            return false;
        };
        let (last, path, line) = (*last, path.clone(), *line);
        if seq > last {
            return false;
        }
        self.missing.remove(&first);
        if first < seq {
            let before = (seq.saturating_sub(1), path.clone(), line);
            self.missing.insert(first, before);
        }
        if seq < last {
            self.missing
                .insert(seq.saturating_add(1), (last, path, line));
        }
        true
    }

    fn problem(&mut self, kind: ProblemKind, path: &Path, line: u64, seq: Option<(u64, u64)>) {
        if self.report.problems.len() >= PROBLEMS {
            self.report.more = self.report.more.saturating_add(1);
            return;
        }
        self.report.problems.push(Problem {
            kind,
            file: path.into(),
            line,
            seq,
        });
    }

    fn finish(mut self, log: &Path, head_path: &Path) -> Report {
        for (first, (last, path, line)) in std::mem::take(&mut self.missing) {
            self.problem(ProblemKind::Removed, &path, line, Some((first, last)));
        }
        match self.head {
            Some(head) => {
                let next = self.next.unwrap_or(head.base);
                let lost = head.link.seq.saturating_add(1).saturating_sub(next);
                if lost > self.bad {
                    let seq = Some((next, head.link.seq));
                    let line = self.end.saturating_add(1);
                    self.problem(ProblemKind::Truncated, log, line, seq);
                }
            }
            None if self.report.signed > 0 => {
                self.problem(ProblemKind::Head, head_path, 1, None);
            }
            None => {}
        }
        self.report
    }
}

#[cfg(test)]
mod tests;
