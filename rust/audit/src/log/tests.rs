//! What is in the file after appends, rotations, crashes and refusals.

use super::*;
use crate::{ProblemKind, verify};
use std::{os::unix::fs::PermissionsExt, sync::Barrier, thread};
use tempfile::TempDir;

const KEY: &[u8] = b"a key of the tests";

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    (folder, path)
}

fn open(path: &Path) -> AuditLog {
    AuditLog::open(path, Options::default()).unwrap()
}

fn signed(path: &Path) -> AuditLog {
    AuditLog::open(path, Options::default().key(KEY)).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn assert_sound(path: &Path, lines: u64) {
    let report = verify(path, KEY).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.signed, report.last), (lines, Some(lines)));
}

#[test]
fn a_line_is_appended_with_one_line_end() {
    let (_folder, path) = place();
    let log = open(&path);
    log.append(b"{\"a\":1}").unwrap();
    log.append(b"{\"a\":2}\n").unwrap();
    assert_eq!(read(&path), "{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn only_the_owner_may_read_a_new_log() {
    let (_folder, path) = place();
    let log = signed(&path);
    log.append(b"{}").unwrap();
    for file in [&path, &files::head(&path)] {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_is_not_one_line_is_refused() {
    let (_folder, path) = place();
    let log = open(&path);
    for bad in [&b""[..], b"\n", b"  ", b"a\nb", b"a\n\n"] {
        assert!(
            matches!(log.append(bad), Err(AuditError::NotALine)),
            "{bad:?}"
        );
    }
    assert_eq!(read(&path), "");
    let log = signed(&path);
    assert!(matches!(log.append(b"[1]"), Err(AuditError::NotALine)));
    log.append(b"{}").unwrap();
    assert_sound(&path, 1);
}

#[test]
fn a_torn_line_is_closed_at_the_start() {
    let (_folder, path) = place();
    fs::write(&path, "{\"a\":1}\n{\"a\":").unwrap();
    open(&path).append(b"{\"a\":2}").unwrap();
    assert_eq!(read(&path), "{\"a\":1}\n{\"a\":\n{\"a\":2}\n");
}

#[test]
fn a_line_torn_by_another_writer_is_closed_by_the_next_append() {
    let (_folder, path) = place();
    for log in [open(&path), signed(&path)] {
        log.append(b"{\"a\":1}").unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"to")
            .unwrap();
        log.append(b"{\"a\":2}").unwrap();
        assert!(read(&path).contains("\n{\"to\n{\"a\":2"));
    }
    let report = verify(&path, KEY).unwrap();
    assert_eq!(
        (report.signed, report.torn, report.problems),
        (2, 2, vec![])
    );
}

#[test]
fn a_full_disk_is_an_error_of_every_append() {
    let log = open(Path::new("/dev/full"));
    for _ in 0..3 {
        let error = log.append(b"{}").unwrap_err();
        let AuditError::Io { source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn what_cannot_be_appended_to_does_not_open() {
    let (folder, path) = place();
    let opened = AuditLog::open(folder.path(), Options::default());
    assert!(matches!(opened, Err(AuditError::NotAFile(_))));
    let missing = AuditLog::open(path.join("no/folder.jsonl"), Options::default());
    assert!(matches!(missing, Err(AuditError::Io { .. })));
    let device = AuditLog::open("/dev/null", Options::default().key(KEY));
    assert!(matches!(device, Err(AuditError::NotAFile(_))));
}

#[test]
fn a_log_moved_away_by_another_tool_is_followed() {
    let (folder, path) = place();
    let log = open(&path);
    log.append(b"{\"a\":1}").unwrap();
    fs::rename(&path, folder.path().join("old")).unwrap();
    log.append(b"{\"a\":2}").unwrap();
    assert_eq!(read(&path), "{\"a\":2}\n");
}

#[test]
fn a_file_that_would_grow_too_long_is_moved_away_and_the_oldest_deleted() {
    let (folder, path) = place();
    let options = Options {
        max_bytes: Some(20),
        keep: Some(2),
        ..Options::default()
    };
    let log = AuditLog::open(&path, options).unwrap();
    for number in 0..10 {
        log.append(format!("{{\"n\":{number}}}").as_bytes())
            .unwrap();
    }
    // Two lines of eight bytes fit.
    assert_eq!(read(&path), "{\"n\":8}\n{\"n\":9}\n");
    let parts = files::rotated(&path).unwrap();
    assert_eq!(parts.iter().map(|p| p.0).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(
        read(&folder.path().join("audit.jsonl.000003")),
        "{\"n\":4}\n{\"n\":5}\n"
    );
}

#[test]
fn an_old_file_is_moved_away_but_never_an_empty_one() {
    let (_folder, path) = place();
    let options = Options {
        max_age: Some(Duration::ZERO),
        ..Options::default()
    };
    let log = AuditLog::open(&path, options).unwrap();
    for _ in 0..3 {
        log.append(b"{}").unwrap();
    }
    assert_eq!(read(&path), "{}\n");
    assert_eq!(files::rotated(&path).unwrap().len(), 2);
}

#[test]
fn a_chain_runs_through_rotation_deletion_and_reopening() {
    let (_folder, path) = place();
    let options = Options {
        max_bytes: Some(1_000),
        keep: Some(3),
        ..Options::default().key(KEY)
    };
    for round in 0..5 {
        let log = AuditLog::open(&path, options.clone()).unwrap();
        for number in 0..10 {
            let line = format!("{{\"round\":{round},\"number\":{number}}}");
            log.append(line.as_bytes()).unwrap();
        }
    }
    let report = verify(&path, KEY).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.files.len(), 4);
    assert_eq!(report.last, Some(50));
    assert_eq!(report.first, Some(51 - report.signed));
}

#[test]
fn several_writers_share_a_signed_rotating_log() {
    let (_folder, path) = place();
    let options = Options {
        max_bytes: Some(20_000),
        ..Options::default().key(KEY)
    };
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (options, path, barrier) = (options.clone(), &path, &barrier);
            scope.spawn(move || {
                // Opened apart, as processes would.
                let log = AuditLog::open(path, options).unwrap();
                barrier.wait();
                for number in 0..200 {
                    let line = format!("{{\"writer\":{writer},\"number\":{number}}}");
                    log.append(line.as_bytes()).unwrap();
                }
            });
        }
    });
    let report = verify(&path, KEY).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.signed, report.torn, report.last),
        (800, 0, Some(800))
    );
    assert!(report.files.len() > 5);
}

#[test]
fn several_writers_share_a_plain_rotating_log() {
    let (_folder, path) = place();
    let options = Options {
        max_bytes: Some(5_000),
        ..Options::default()
    };
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (options, path, barrier) = (options.clone(), &path, &barrier);
            scope.spawn(move || {
                let log = AuditLog::open(path, options).unwrap();
                barrier.wait();
                for number in 0..200 {
                    log.append(format!("{{\"{writer}\":{number}}}").as_bytes())
                        .unwrap();
                }
            });
        }
    });
    let mut all = String::new();
    for (_, part) in files::rotated(&path).unwrap() {
        all += &read(&part);
    }
    all += &read(&path);
    let mut lines: Vec<&str> = all.lines().filter(|l| !l.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 800);
    assert!(lines.iter().all(|l| l.starts_with('{') && l.ends_with('}')));
}

#[test]
fn threads_share_one_log() {
    let (_folder, path) = place();
    let log = signed(&path);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    log.append(b"{\"a\":1}").unwrap();
                }
            });
        }
    });
    assert_sound(&path, 400);
}

#[test]
fn a_crash_between_line_and_record_is_no_break() {
    let (_folder, path) = place();
    let log = signed(&path);
    log.append(b"{\"a\":1}").unwrap();
    let record = fs::read(files::head(&path)).unwrap();
    log.append(b"{\"a\":2}").unwrap();
    drop(log);
    fs::write(files::head(&path), record).unwrap();
    assert_sound(&path, 2);
    signed(&path).append(b"{\"a\":3}").unwrap();
    assert_sound(&path, 3);
}

#[test]
fn lines_cut_off_stay_missing_when_the_log_goes_on() {
    let (_folder, path) = place();
    let log = signed(&path);
    for _ in 0..3 {
        log.append(b"{\"a\":1}").unwrap();
    }
    let text = read(&path);
    let cut = text.lines().next().unwrap().len() + 1;
    fs::write(&path, &text[..cut]).unwrap();
    log.append(b"{\"a\":2}").unwrap();
    let report = verify(&path, KEY).unwrap();
    let found: Vec<_> = report
        .problems
        .iter()
        .map(|p| (p.kind, p.line, p.seq))
        .collect();
    assert_eq!(found, [(ProblemKind::Removed, 2, Some((2, 3)))]);
}

#[test]
fn a_log_that_was_tampered_with_does_not_open() {
    let (_folder, path) = place();
    signed(&path).append(b"{\"a\":1}").unwrap();
    let again = || AuditLog::open(&path, Options::default().key(KEY));
    let other = AuditLog::open(&path, Options::default().key(b"another"));
    assert!(matches!(other, Err(AuditError::Unauthentic(_))));
    let text = read(&path);
    fs::write(&path, text.replace("\"a\":1", "\"a\":2")).unwrap();
    assert!(matches!(again(), Err(AuditError::Unauthentic(_))));
    fs::write(&path, &text).unwrap();
    again().unwrap();
    fs::remove_file(files::head(&path)).unwrap();
    assert!(matches!(again(), Err(AuditError::HeadMissing { .. })));
}

#[test]
fn a_plain_log_can_be_signed_later() {
    let (_folder, path) = place();
    open(&path).append(b"{\"a\":1}").unwrap();
    signed(&path).append(b"{\"a\":2}").unwrap();
    let report = verify(&path, KEY).unwrap();
    assert_eq!(
        (report.unsigned, report.signed, report.problems),
        (1, 1, vec![])
    );
    fs::write(&path, read(&path).replace("\"a\":1", "\"a\":7")).unwrap();
    let kinds: Vec<_> = verify(&path, KEY).unwrap().problems;
    assert_eq!(kinds.first().map(|p| p.kind), Some(ProblemKind::Foreign));
}

#[test]
fn every_way_to_sync_writes_the_same() {
    for fsync in [
        Fsync::Never,
        Fsync::Each,
        Fsync::Interval(Duration::from_millis(1)),
    ] {
        let (_folder, path) = place();
        let options = Options {
            fsync,
            max_bytes: Some(300),
            ..Options::default().key(KEY)
        };
        let log = AuditLog::open(&path, options).unwrap();
        for _ in 0..20 {
            log.append(b"{\"a\":1}").unwrap();
        }
        log.sync().unwrap();
        drop(log);
        assert_sound(&path, 20);
    }
}

#[test]
fn a_failed_sync_is_an_error_of_the_next_append() {
    let (_folder, path) = place();
    let log = open(&path);
    log.shared.state().sync_error = Some(io::Error::other("gone"));
    assert!(matches!(log.append(b"{}"), Err(AuditError::Io { .. })));
    log.append(b"{}").unwrap();
}

#[test]
fn options_and_logs_do_not_show_their_key() {
    let (_folder, path) = place();
    let options = Options::default().key(b"hunter2");
    assert!(!format!("{options:?}").contains("hunter2"));
    let log = AuditLog::open(&path, options).unwrap();
    let shown = format!("{log:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"));
}
