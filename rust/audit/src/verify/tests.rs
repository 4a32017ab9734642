//! Each thing that can be done to a log is named, at its place, and nothing else is.

use super::*;
use crate::{AuditLog, Options};
use ProblemKind::{
    Changed, Foreign, Head as Record, Removed, Reordered, Repeated, Truncated, Unsigned,
};
use std::fs;
use tempfile::TempDir;

const KEY: &[u8] = b"a key of the tests";

/// Kind, line, numbers.
type Found = (ProblemKind, u64, Option<(u64, u64)>);

struct Log {
    _folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn of(lines: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, Options::default().key(KEY)).unwrap();
        for number in 1..=lines {
            log.append(format!("{{\"n\":{number}}}").as_bytes())
                .unwrap();
        }
        Self {
            _folder: folder,
            path,
        }
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap();
        text.lines().map(Into::into).collect()
    }

    fn edit(self, edit: impl FnOnce(&mut Vec<String>)) -> Self {
        let mut lines = self.lines();
        edit(&mut lines);
        fs::write(&self.path, lines.join("\n") + "\n").unwrap();
        self
    }

    fn report(&self) -> Report {
        verify(&self.path, KEY).unwrap()
    }

    fn problems(&self) -> Vec<Found> {
        let report = self.report();
        report
            .problems
            .iter()
            .map(|p| (p.kind, p.line, p.seq))
            .collect()
    }
}

fn after(edit: impl FnOnce(&mut Vec<String>)) -> Vec<Found> {
    Log::of(10).edit(edit).problems()
}

#[test]
fn an_untouched_log_has_no_problem() {
    let report = Log::of(10).report();
    assert_eq!(
        (report.lines, report.signed, report.torn, report.unsigned),
        (10, 10, 0, 0)
    );
    assert_eq!((report.first, report.last), (Some(1), Some(10)));
    assert_eq!(report.problems, []);
    assert_eq!(Log::of(0).problems(), []);
}

#[test]
fn a_changed_line_is_named() {
    for at in [0, 4, 9] {
        let number = at as u64 + 1;
        let found = after(|lines| lines[at] = lines[at].replace("\"n\":", "\"m\":"));
        assert_eq!(found, [(Changed, number, Some((number, number)))]);
    }
}

#[test]
fn removed_lines_are_named() {
    assert_eq!(after(|l| drop(l.drain(3..5))), [(Removed, 4, Some((4, 5)))]);
    assert_eq!(after(|l| drop(l.drain(0..2))), [(Removed, 1, Some((1, 2)))]);
}

#[test]
fn lines_cut_off_at_the_end_are_named() {
    assert_eq!(after(|l| l.truncate(7)), [(Truncated, 8, Some((8, 10)))]);
    let log = Log::of(3);
    fs::write(&log.path, "").unwrap();
    assert_eq!(log.problems(), [(Truncated, 1, Some((1, 3)))]);
    fs::remove_file(&log.path).unwrap();
    assert_eq!(log.problems(), [(Truncated, 1, Some((1, 3)))]);
}

#[test]
fn reordered_lines_are_named() {
    assert_eq!(after(|l| l.swap(4, 5)), [(Reordered, 6, Some((5, 5)))]);
    let moved = after(|l| {
        let line = l.remove(2);
        l.push(line);
    });
    assert_eq!(moved, [(Reordered, 10, Some((3, 3)))]);
    let reversed = after(|l| l.reverse());
    assert_eq!(reversed.len(), 9);
    assert!(reversed.iter().all(|p| p.0 == Reordered));
}

#[test]
fn a_repeated_line_is_named() {
    let found = after(|l| l.insert(7, l[2].clone()));
    assert_eq!(found, [(Repeated, 8, Some((3, 3)))]);
}

#[test]
fn an_inserted_or_stripped_line_is_named() {
    assert_eq!(
        after(|l| l.insert(3, "{\"n\":0}".into())),
        [(Unsigned, 4, None)]
    );
    let stripped = after(|l| l[3] = "{\"n\":4}".into());
    assert_eq!(stripped, [(Unsigned, 4, None)]);
}

#[test]
fn a_line_of_another_log_with_the_same_key_is_named() {
    let other = Log::of(4).edit(|_| ());
    let log = AuditLog::open(&other.path, Options::default().key(KEY)).unwrap();
    log.append(b"{\"other\":true}").unwrap();
    let foreign = other.lines().pop().unwrap();
    let found = after(|l| l[4] = foreign);
    // Line 6 names the line that stood there.
    assert_eq!(found, [(Foreign, 6, Some((6, 6)))]);
}

#[test]
fn a_line_made_unreadable_is_missing() {
    let found = after(|l| l[3].truncate(8));
    assert_eq!(found, [(Removed, 5, Some((4, 4)))]);
}

#[test]
fn pieces_of_a_crash_and_blank_lines_are_no_problem() {
    let log = Log::of(10).edit(|l| {
        l.insert(4, "{\"n\":".into());
        l.insert(4, String::new());
    });
    assert_eq!(log.problems(), []);
    assert_eq!((log.report().torn, log.report().lines), (1, 11));
}

#[test]
fn without_its_record_or_with_another_key_a_log_is_not_sound() {
    let log = Log::of(3);
    let other = verify(&log.path, b"another key").unwrap();
    assert_eq!((other.signed, other.problems.len()), (0, 3));
    fs::remove_file(files::head(&log.path)).unwrap();
    assert_eq!(log.problems(), [(Record, 1, None)]);
}

#[test]
fn a_log_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(verify(&folder.path().join("no.jsonl"), KEY).is_err());
}

#[test]
fn several_changes_are_each_named() {
    let found = after(|l| {
        l[1] = l[1].replace('n', "m");
        l.remove(5);
        l.swap(6, 7);
        l.pop();
    });
    assert_eq!(
        found,
        [
            (Changed, 2, Some((2, 2))),
            (Reordered, 8, Some((8, 8))),
            (Removed, 6, Some((6, 6))),
            (Truncated, 9, Some((10, 10))),
        ]
    );
}
