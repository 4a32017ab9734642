//! The files of one log: the log, its numbered older parts, and the record beside it.

use crate::{
    AuditError,
    chain::{self, Signed},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Longest line that is read.
pub(crate) const LINE: u64 = 16 << 20;
/// What is read at once from the end of a file.
const BLOCK: u64 = 64 << 10;

/// `<log><suffix>`
pub(crate) fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(suffix);
    name.into()
}

/// The record beside the log.
pub(crate) fn head(log: &Path) -> PathBuf {
    beside(log, ".head")
}

/// The older parts, oldest first, with their numbers.
pub(crate) fn rotated(log: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let folder = folder(log);
    let Some(name) = log.file_name().and_then(|n| n.to_str()) else {
        return Ok(Vec::new());
    };
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).map_err(AuditError::io(folder))? {
        let entry = entry.map_err(AuditError::io(folder))?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|n| n.strip_prefix(name)?.strip_prefix('.'))
            .filter(|n| n.len() >= 6 && n.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|n| n.parse().ok());
        if let Some(number) = number {
            parts.push((number, entry.path()));
        }
    }
    parts.sort();
    Ok(parts)
}

/// The folder that a log stands in.
pub(crate) fn folder(log: &Path) -> &Path {
    match log.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The last line that is not blank and for which `wanted` holds.
pub(crate) fn last_line(
    file: &File,
    size: u64,
    wanted: impl Fn(&[u8]) -> bool,
) -> io::Result<Option<Vec<u8>>> {
    // `tail` is the part of the file from `at` that was not yet cut into lines.
    let (mut at, mut tail) = (size, Vec::new());
    loop {
        while let Some(end) = tail.iter().rposition(|&b| b == b'\n') {
            let line = tail.split_off(end);
            let line = line.strip_prefix(b"\n").unwrap_or_default();
            if !line.trim_ascii().is_empty() && wanted(line) {
                return Ok(Some(line.to_vec()));
            }
        }
        if at == 0 {
            let line = tail.trim_ascii_end();
            return Ok((!line.is_empty() && wanted(line)).then(|| line.to_vec()));
        }
        let start = at.saturating_sub(BLOCK.max(tail.len() as u64));
        let mut block = vec![0; usize::try_from(at.saturating_sub(start)).unwrap_or_default()];
        file.read_exact_at(&mut block, start)?;
        block.append(&mut tail);
        (at, tail) = (start, block);
        if tail.len() as u64 > LINE {
            return Ok(None);
        }
    }
}

/// The number of the first signed line of a part.
pub(crate) fn first_seq(path: &Path) -> Result<Option<u64>, AuditError> {
    let file = File::open(path).map_err(AuditError::io(path))?;
    let mut reader = io::BufReader::new(file);
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).map_err(AuditError::io(path))? {
        if let Some(signed) = Signed::read(line.trim_ascii_end()) {
            return Ok(Some(signed.seq));
        }
    }
    Ok(None)
}

/// Reads one line with its line end, cut at [`LINE`]; `false` at the end of the file.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.by_ref().take(LINE).read_until(b'\n', line)?;
    if line.len() as u64 == LINE && !line.ends_with(b"\n") {
        reader.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// The record, where there is one that the key signed.
pub(crate) fn read_head(
    file: &File,
    path: &Path,
    signer: &chain::Signer,
) -> Result<Option<chain::Head>, AuditError> {
    let mut bytes = vec![0; chain::HEAD];
    let mut length = 0_usize;
    while let Some(rest) = bytes.get_mut(length..)
        && !rest.is_empty()
    {
        match file
            .read_at(rest, length as u64)
            .map_err(AuditError::io(path))?
        {
            0 => break,
            n => length = length.saturating_add(n),
        }
    }
    bytes.truncate(length);
    if bytes.is_empty() {
        return Ok(None);
    }
    match chain::Head::read(&bytes, signer) {
        Some(head) => Ok(Some(head)),
        None => Err(AuditError::Unauthentic(path.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn last(content: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        last_line(&file, content.len() as u64, wanted).unwrap()
    }

    #[test]
    fn the_last_line_is_found_through_blocks_of_any_length() {
        let long = vec![b'x'; 300_000];
        for content in [&b"a\nb"[..], b"a\nb\n", b"a\nb\n\n \n", b"b", b"\nb\n"] {
            assert_eq!(last(content, |_| true).as_deref(), Some(&b"b"[..]));
        }
        assert_eq!(last(b"", |_| true), None);
        assert_eq!(last(b"\n\n", |_| true), None);
        let content = [b"first\n", &long[..], b"\n", &long[..]].concat();
        assert_eq!(last(&content, |_| true), Some(long));
        assert_eq!(
            last(&content, |l| l.len() < 10).as_deref(),
            Some(&b"first"[..])
        );
    }

    #[test]
    fn only_numbered_parts_of_this_log_are_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a.jsonl",
            "a.jsonl.000002",
            "a.jsonl.000010",
            "a.jsonl.000001",
            "a.jsonl.head",
            "a.jsonl.1.gz",
            "b.jsonl.000001",
            "a.jsonl.00000x",
        ] {
            File::create(folder.path().join(name)).unwrap();
        }
        let parts = rotated(&folder.path().join("a.jsonl")).unwrap();
        assert_eq!(parts.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2, 10]);
    }
}
