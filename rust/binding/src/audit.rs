//! `AuditLog` and `verify_log` for Python: bytes in, bytes written.

use egress_guard_audit::{self as audit, AuditError, Fsync, Options};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::PyDict,
};
use std::{os::fd::AsRawFd, path::PathBuf, time::Duration};

/// An open log; threads may share one.
#[pyclass(frozen, module = "mcp_egress_guard._core")]
pub(crate) struct AuditLog {
    pub(crate) log: audit::AuditLog,
    /// An append may wait for the disk or for another process.
    waits: bool,
}

#[pymethods]
impl AuditLog {
    #[new]
    #[pyo3(signature = (path, *, hmac_key=None, fsync="never", fsync_seconds=1.0, max_bytes=None, max_age_seconds=None, keep=None, mode=0o600))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        hmac_key: Option<Vec<u8>>,
        fsync: &str,
        fsync_seconds: f64,
        max_bytes: Option<u64>,
        max_age_seconds: Option<u64>,
        keep: Option<usize>,
        mode: u32,
    ) -> PyResult<Self> {
        if hmac_key.as_ref().is_some_and(Vec::is_empty) {
            return Err(PyValueError::new_err("hmac_key is empty"));
        }
        let fsync = match fsync {
            "never" => Fsync::Never,
            "each" => Fsync::Each,
            "interval" => Fsync::Interval(
                Duration::try_from_secs_f64(fsync_seconds)
                    .ok()
                    .filter(|period| !period.is_zero())
                    .ok_or_else(|| PyValueError::new_err("fsync_seconds is not above zero"))?,
            ),
            _ => return Err(PyValueError::new_err("fsync is never, interval or each")),
        };
        let waits = fsync == Fsync::Each || hmac_key.is_some();
        let options = Options {
            key: hmac_key,
            fsync,
            max_bytes,
            max_age: max_age_seconds.map(Duration::from_secs),
            keep,
            mode: mode & 0o666,
        };
        let log = py
            .detach(|| audit::AuditLog::open(path, options))
            .map_err(error)?;
        Ok(Self { log, waits })
    }

    fn append(&self, py: Python<'_>, line: &[u8]) -> PyResult<()> {
        if self.waits {
            py.detach(|| self.log.append(line)).map_err(error)
        } else {
            // A plain write is shorter than giving the GIL away and getting it back.
            self.log.append(line).map_err(error)
        }
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.log.sync()).map_err(error)
    }

    fn fileno(&self) -> i32 {
        self.log.with_fd(|fd| fd.as_raw_fd())
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.log.path().into()
    }
}

/// What [`audit::verify`] reports, as a dict.
#[pyfunction]
pub(crate) fn verify_log<'py>(
    py: Python<'py>,
    path: PathBuf,
    hmac_key: Vec<u8>,
) -> PyResult<Bound<'py, PyDict>> {
    if hmac_key.is_empty() {
        return Err(PyValueError::new_err("hmac_key is empty"));
    }
    let report = py
        .detach(|| audit::verify(&path, &hmac_key))
        .map_err(error)?;
    let out = PyDict::new(py);
    out.set_item("files", report.files)?;
    out.set_item("lines", report.lines)?;
    out.set_item("signed", report.signed)?;
    out.set_item("unsigned", report.unsigned)?;
    out.set_item("torn", report.torn)?;
    out.set_item("first", report.first)?;
    out.set_item("last", report.last)?;
    out.set_item("more", report.more)?;
    let problems: Vec<_> = report
        .problems
        .into_iter()
        .map(|p| (p.kind.as_str(), p.file, p.line, p.seq))
        .collect();
    out.set_item("problems", problems)?;
    Ok(out)
}

/// With the number of the system's error where there is one, so that Python makes the right class.
fn error(error: AuditError) -> PyErr {
    let message = error.to_string();
    match error {
        AuditError::NotALine => PyValueError::new_err(message),
        AuditError::Io { path, source } => match source.raw_os_error() {
            Some(number) => {
                let text = source.to_string();
                let text = text
                    .split(" (os error")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                PyOSError::new_err((number, text, path))
            }
            None => PyOSError::new_err(message),
        },
        _ => PyOSError::new_err(message),
    }
}
