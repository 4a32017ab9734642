//! Appends lines: one `write` each, rotation, signing, and what happens when the disk says no.

use crate::{
    AuditError,
    chain::{self, Head, Link, Signed, Signer},
    files,
};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

const OWNER: u32 = 0o600;

/// When written lines are forced to the disk; a crash of the process alone loses none either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// When the system likes.
    #[default]
    Never,
    /// At most so long after the line.
    Interval(Duration),
    /// Before the append returns.
    Each,
}

/// How a log is kept.
#[derive(Clone)]
pub struct Options {
    /// Signs and chains the lines.
    pub key: Option<Vec<u8>>,
    /// When lines are forced to the disk.
    pub fsync: Fsync,
    /// A file that would grow beyond this is moved away; no limit without.
    pub max_bytes: Option<u64>,
    /// A file older than this is moved away.
    pub max_age: Option<Duration>,
    /// How many moved files are kept; all without.
    pub keep: Option<usize>,
    /// Permissions of a new file; its owner's only if not said otherwise.
    pub mode: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            key: None,
            fsync: Fsync::Never,
            max_bytes: None,
            max_age: None,
            keep: None,
            mode: OWNER,
        }
    }
}

impl Options {
    /// With a key.
    #[must_use]
    pub fn key(self, key: &[u8]) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays unseen.
        f.debug_struct("Options")
            .field("signed", &self.key.is_some())
            .field("fsync", &self.fsync)
            .field("max_bytes", &self.max_bytes)
            .field("max_age", &self.max_age)
            .field("keep", &self.keep)
            .field("mode", &format_args!("{:o}", self.mode))
            .finish()
    }
}

/// An open log. Threads may share one; processes open the same path each.
#[derive(Debug)]
pub struct AuditLog {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    head: PathBuf,
    options: Options,
    signer: Option<Signer>,
    /// Serialises rotation and signing between processes; it is the record beside the log.
    lock: Option<File>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    /// Device and inode of `file`; `None` for what is no regular file.
    id: Option<(u64, u64)>,
    born: SystemTime,
    /// Size after our last write; where the file has another, somebody else wrote.
    end: Option<u64>,
    /// Where the chain stood then.
    head: Option<Head>,
    unsynced: bool,
    sync_error: Option<io::Error>,
    closed: bool,
}

impl AuditLog {
    /// Opens or creates a log, readable by its owner only, and closes a line that a crash tore.
    ///
    /// # Errors
    /// Whatever would keep lines from being written: the caller decides whether to start at all.
    pub fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, AuditError> {
        let path = path.into();
        let head = files::head(&path);
        let signer = options.key.as_deref().and_then(Signer::new);
        let rotates = options.max_bytes.is_some() || options.max_age.is_some();
        let state = State::open(&path, options.mode)?;
        if state.id.is_none() && signer.is_some() {
            return Err(AuditError::NotAFile(path));
        }
        let lock = (signer.is_some() || (rotates && state.id.is_some()))
            .then(|| {
                create(OWNER)
                    .truncate(false)
                    .read(true)
                    .write(true)
                    .open(&head)
            })
            .transpose()
            .map_err(AuditError::io(&head))?;
        let shared = Arc::new(Shared {
            path,
            head,
            options,
            signer,
            lock,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        shared.start()?;
        let syncer = match shared.options.fsync {
            Fsync::Interval(period) => Some(spawn_syncer(&shared, period)?),
            _ => None,
        };
        Ok(Self { shared, syncer })
    }

    /// Writes one line, with or without its line end. When this returns, a crash of the process
    /// loses nothing of it.
    ///
    /// # Errors
    /// [`AuditError`]: then the line is not in the log, or not whole, and the caller must not do
    /// what it is about. Also when an earlier line could not be forced to the disk.
    pub fn append(&self, line: &[u8]) -> Result<(), AuditError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.contains(&b'\n') {
            return Err(AuditError::NotALine);
        }
        self.shared.append(line)
    }

    /// Forces what was written to the disk.
    ///
    /// # Errors
    /// [`AuditError::Io`].
    pub fn sync(&self) -> Result<(), AuditError> {
        let mut state = self.shared.state();
        state.unsynced = false;
        let file = Arc::clone(&state.file);
        drop(state);
        file.sync_data().map_err(AuditError::io(&self.shared.path))
    }

    /// The file that the next line goes to, unless it is rotated before.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Calls `look` with the descriptor of the open file.
    pub fn with_fd<T>(&self, look: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        let file = Arc::clone(&self.shared.state().file);
        look(file.as_fd())
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_all();
        if let Some(syncer) = self.syncer.take() {
            // It ends by itself, after a last sync.
            let _ = syncer.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn io(&self, source: io::Error) -> AuditError {
        AuditError::io(&self.path)(source)
    }

    /// Closes a torn line, and reads where the chain stands, so that a log that cannot be
    /// continued is known before the first call.
    fn start(&self) -> Result<(), AuditError> {
        let mut state = self.state();
        let _held = self.hold(self.signer.is_some())?;
        let size = self.look(&mut state)?;
        if torn(&state.file, size).map_err(|e| self.io(e))? {
            write_once(&state.file, b"\n").map_err(|e| self.io(e))?;
        }
        if let Some(signer) = &self.signer {
            let size = self.look(&mut state)?;
            let head = self.chain(&state.file, size, signer)?;
            self.remember(head, signer)?;
        }
        Ok(())
    }

    fn append(&self, line: &[u8]) -> Result<(), AuditError> {
        let mut state = self.state();
        if let Some(error) = state.sync_error.take() {
            return Err(self.io(error));
        }
        let _held = self.hold(self.signer.is_some())?;
        let mut size = self.look(&mut state)?;
        if self.is_due(&state, size, line.len()) {
            size = self.rotate(&mut state)?;
        }
        let mut head = None;
        let mut out = Vec::with_capacity(line.len().saturating_add(256));
        let others = state.end != Some(size);
        if others && torn(&state.file, size).map_err(|e| self.io(e))? {
            out.push(b'\n');
        }
        if let Some(signer) = &self.signer {
            let before = match state.head {
                Some(head) if !others => head,
                _ => self.chain(&state.file, size, signer)?,
            };
            let link = chain::sign(signer, before.link, line, &mut out);
            let link = link.ok_or(AuditError::NotALine)?;
            head = Some(Head {
                link,
                base: before.base,
            });
        } else {
            out.extend_from_slice(line);
        }
        out.push(b'\n');
        // Until all is done, nothing is known of the file's end.
        state.end = None;
        state.head = None;
        let written = write_once(&state.file, &out).map_err(|e| self.io(e))?;
        if written < out.len() {
            return Err(AuditError::Short {
                path: self.path.clone(),
                written,
                length: out.len(),
            });
        }
        if self.options.fsync == Fsync::Each {
            state.file.sync_data().map_err(|e| self.io(e))?;
        }
        state.unsynced = true;
        if let (Some(head), Some(signer)) = (head, &self.signer) {
            self.remember(head, signer)?;
        }
        state.end = Some(size.saturating_add(written as u64));
        state.head = head;
        Ok(())
    }

    /// Holds the lock between processes, if `wanted` and there is one.
    fn hold(&self, wanted: bool) -> Result<Option<Held<'_>>, AuditError> {
        let Some(file) = self.lock.as_ref().filter(|_| wanted) else {
            return Ok(None);
        };
        file.lock().map_err(AuditError::io(&self.head))?;
        Ok(Some(Held(file)))
    }

    /// Follows a file that was moved away, and returns the size of the present one.
    fn look(&self, state: &mut State) -> Result<u64, AuditError> {
        let Some(id) = state.id else { return Ok(0) };
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == id => return Ok(found.len()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.io(error)),
        }
        self.reopen(state)
    }

    fn reopen(&self, state: &mut State) -> Result<u64, AuditError> {
        if state.unsynced && self.options.fsync != Fsync::Never {
            state.file.sync_data().map_err(|e| self.io(e))?;
        }
        let sync_error = state.sync_error.take();
        *state = State {
            sync_error,
            closed: state.closed,
            ..State::open(&self.path, self.options.mode)?
        };
        if self.options.fsync != Fsync::Never {
            // A new name is only safe when its folder is.
            let folder = files::folder(&self.path);
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(AuditError::io(folder))?;
        }
        Ok(state.file.metadata().map_err(|e| self.io(e))?.len())
    }

    fn is_due(&self, state: &State, size: u64, adds: usize) -> bool {
        if state.id.is_none() || size == 0 {
            return false;
        }
        let grown = size.saturating_add(adds as u64);
        let too_long = self.options.max_bytes.is_some_and(|max| grown > max);
        let too_old = || {
            let age = self.options.max_age;
            age.is_some_and(|max| state.born.elapsed().is_ok_and(|age| age > max))
        };
        too_long || too_old()
    }

    /// Moves the file away and opens a new one. Another process may have done it just before.
    fn rotate(&self, state: &mut State) -> Result<u64, AuditError> {
        let _held = self.hold(self.signer.is_none())?;
        let before = state.id;
        let size = self.look(state)?;
        if state.id != before && !self.is_due(state, size, 0) {
            return Ok(size);
        }
        let parts = files::rotated(&self.path)?;
        let number = parts.last().map_or(0, |p| p.0).saturating_add(1);
        let target = files::beside(&self.path, &format!(".{number:06}"));
        fs::rename(&self.path, &target).map_err(|e| self.io(e))?;
        let known = state.head.filter(|_| state.end == Some(size));
        let size = self.reopen(state)?;
        state.head = known.filter(|_| size == 0);
        state.end = state.head.map(|_| size);
        self.forget(state, &parts, target)?;
        Ok(size)
    }

    /// Deletes the oldest parts beyond what is kept.
    fn forget(
        &self,
        state: &mut State,
        parts: &[(u64, PathBuf)],
        newest: PathBuf,
    ) -> Result<(), AuditError> {
        let Some(keep) = self.options.keep else {
            return Ok(());
        };
        let mut parts: Vec<PathBuf> = parts.iter().map(|p| p.1.clone()).collect();
        parts.push(newest);
        let excess = parts.len().saturating_sub(keep);
        let kept = parts.split_off(excess);
        if parts.is_empty() {
            return Ok(());
        }
        if let Some(signer) = &self.signer {
            // Said before it is done: a crash in between leaves more lines than promised.
            let size = state.file.metadata().map_err(|e| self.io(e))?.len();
            let head = self.chain(&state.file, size, signer)?;
            let mut first = None;
            for part in &kept {
                first = first.map_or_else(|| files::first_seq(part), |seq| Ok(Some(seq)))?;
            }
            let base = first.unwrap_or_else(|| head.link.seq.saturating_add(1));
            let head = Head { base, ..head };
            self.remember(head, signer)?;
            (state.head, state.end) = (Some(head), Some(size));
        }
        for part in &parts {
            match fs::remove_file(part) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(AuditError::io(part)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads where the chain stands, from the record and from the last line: a crash between the
    /// two leaves the record one behind. Lines that the record knows and the file has not stay
    /// missing in the numbering, for `verify` to name.
    fn chain(&self, file: &File, size: u64, signer: &Signer) -> Result<Head, AuditError> {
        let Some(lock) = &self.lock else {
            return Err(AuditError::NotAFile(self.head.clone()));
        };
        let head = files::read_head(lock, &self.head, signer)?;
        let signed = |line: &[u8]| Signed::read(line).is_some();
        let last = files::last_line(file, size, signed).map_err(|e| self.io(e))?;
        let last = match &last {
            None => None,
            Some(line) => {
                let signed = Signed::read(line).filter(|s| s.is_authentic(signer));
                let seq = signed.map(|s| s.seq);
                let seq = seq.ok_or_else(|| AuditError::Unauthentic(self.path.clone()))?;
                let hash = chain::hash(line);
                Some(Link { seq, hash })
            }
        };
        match (head, last) {
            (Some(head), Some(link)) if link.seq > head.link.seq => Ok(Head { link, ..head }),
            (Some(head), _) => Ok(head),
            (None, Some(_)) => Err(AuditError::HeadMissing {
                head: self.head.clone(),
                log: self.path.clone(),
            }),
            (None, None) => {
                // The first signed line also vouches for the unsigned one before it.
                let before = files::last_line(file, size, |_| true).map_err(|e| self.io(e))?;
                let hash = before.map_or_else(Default::default, |line| chain::hash(&line));
                Ok(Head {
                    link: Link { seq: 0, hash },
                    base: 1,
                })
            }
        }
    }

    fn remember(&self, head: Head, signer: &Signer) -> Result<(), AuditError> {
        let Some(lock) = &self.lock else {
            return Err(AuditError::NotAFile(self.head.clone()));
        };
        lock.write_all_at(&head.to_bytes(signer), 0)
            .map_err(AuditError::io(&self.head))
    }
}

impl State {
    fn open(path: &Path, mode: u32) -> Result<Self, AuditError> {
        // Asked first: opening a pipe would wait for its reader.
        if let Ok(found) = fs::metadata(path) {
            let kind = found.file_type();
            if !kind.is_file() && !kind.is_char_device() {
                return Err(AuditError::NotAFile(path.into()));
            }
        }
        let open = |read| create(mode).read(read).append(true).open(path);
        // Read as well, for its last line; a terminal or `/dev/full` may only be writable.
        let file = match open(true) {
            Err(_) if fs::metadata(path).is_ok_and(|m| !m.is_file()) => open(false),
            done => done,
        }
        .map_err(AuditError::io(path))?;
        let metadata = file.metadata().map_err(AuditError::io(path))?;
        let regular = metadata.is_file();
        if !regular && !metadata.file_type().is_char_device() {
            return Err(AuditError::NotAFile(path.into()));
        }
        Ok(Self {
            id: regular.then(|| (metadata.dev(), metadata.ino())),
            born: metadata
                .created()
                .or_else(|_| metadata.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH),
            file: Arc::new(file),
            end: None,
            head: None,
            unsynced: false,
            sync_error: None,
            closed: false,
        })
    }
}

struct Held<'f>(&'f File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Closing the file would unlock it as well.
        let _ = self.0.unlock();
    }
}

fn create(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(mode);
    options
}

/// Whether the last line has no line end.
fn torn(file: &File, size: u64) -> io::Result<bool> {
    let Some(at) = size.checked_sub(1) else {
        return Ok(false);
    };
    let mut last = [b'\n'];
    file.read_at(&mut last, at)?;
    Ok(last != *b"\n")
}

/// One `write`: two would let another process come between.
fn write_once(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn spawn_syncer(shared: &Arc<Shared>, period: Duration) -> Result<JoinHandle<()>, AuditError> {
    let shared = Arc::clone(shared);
    let path = shared.path.clone();
    let work = move || {
        loop {
            let state = shared.state();
            let (mut state, _) = shared
                .wake
                .wait_timeout_while(state, period, |s| !s.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let closed = state.closed;
            if std::mem::take(&mut state.unsynced) {
                let file = Arc::clone(&state.file);
                // The sync takes milliseconds; appends go on meanwhile.
                drop(state);
                if let Err(error) = file.sync_data() {
                    shared.state().sync_error = Some(error);
                }
            }
            if closed {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("audit-sync".into())
        .spawn(work)
        .map_err(AuditError::io(path))
}

#[cfg(test)]
mod tests;
