//! What Python names mean: builtins, modules that need no import to be meant, other spellings.

use std::borrow::Cow;

/// Names that Python defines by itself.
pub(super) fn is_builtin(name: &str) -> bool {
    const NAMES: [&str; 76] = [
        "abs",
        "aiter",
        "all",
        "anext",
        "any",
        "apply",
        "ascii",
        "bin",
        "bool",
        "breakpoint",
        "bytearray",
        "bytes",
        "callable",
        "chr",
        "classmethod",
        "compile",
        "complex",
        "delattr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "eval",
        "exec",
        "execfile",
        "exit",
        "filter",
        "float",
        "format",
        "frozenset",
        "getattr",
        "globals",
        "hasattr",
        "hash",
        "help",
        "hex",
        "id",
        "input",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "locals",
        "map",
        "max",
        "memoryview",
        "min",
        "next",
        "object",
        "oct",
        "open",
        "ord",
        "pow",
        "print",
        "property",
        "quit",
        "range",
        "raw_input",
        "repr",
        "reversed",
        "round",
        "set",
        "setattr",
        "slice",
        "sorted",
        "staticmethod",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "unichr",
        "vars",
        "zip",
    ];
    name == "__import__" || NAMES.binary_search(&name).is_ok()
}

/// Modules that are meant by their name even where the text does not import them: a notebook or a
/// session may have done so before.
pub(super) fn is_module(name: &str) -> bool {
    matches!(
        name,
        "os" | "sys"
            | "subprocess"
            | "shutil"
            | "socket"
            | "pathlib"
            | "importlib"
            | "builtins"
            | "pickle"
            | "marshal"
            | "ctypes"
            | "pty"
            | "urllib"
            | "requests"
            | "httpx"
            | "boto3"
            | "asyncio"
            | "base64"
            | "codecs"
            | "functools"
            | "operator"
            | "posix"
            | "nt"
            | "commands"
            | "tempfile"
            | "glob"
            | "shlex"
            | "yaml"
            | "runpy"
            | "threading"
            | "platform"
            | "sqlite3"
            | "sqlalchemy"
            | "pip"
    )
}

/// One spelling for what has several.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    const PREFIXES: [(&str, &str); 30] = [
        ("posixpath.", "os.path."),
        ("ntpath.", "os.path."),
        ("posix.", "os."),
        ("nt.", "os."),
        ("__builtin__.", "builtins."),
        ("__builtins__.", "builtins."),
        ("_io.", "io."),
        ("io.open", "builtins.open"),
        ("codecs.open", "builtins.open"),
        ("os.fdopen", "builtins.open"),
        ("aiofiles.open", "builtins.open"),
        ("six.moves.", ""),
        ("urllib2.", "urllib.request."),
        ("urllib.urlopen", "urllib.request.urlopen"),
        ("urllib.urlretrieve", "urllib.request.urlretrieve"),
        ("urllib.unquote", "urllib.parse.unquote"),
        ("httplib.", "http.client."),
        ("xmlrpclib.", "xmlrpc.client."),
        ("commands.", "subprocess."),
        ("cPickle.", "pickle."),
        ("_pickle.", "pickle."),
        ("importlib.__import__", "builtins.__import__"),
        ("asyncio.subprocess.create_", "asyncio.create_"),
        ("pathlib._local.", "pathlib."),
        ("_socket.", "socket."),
        ("_ctypes.", "ctypes."),
        ("multiprocess.", "multiprocessing."),
        ("pathlib.PosixPath", "pathlib.Path"),
        ("subprocess32.", "subprocess."),
        ("gevent.subprocess.", "subprocess."),
    ];
    for (from, to) in PREFIXES {
        if let Some(rest) = name.strip_prefix(from) {
            return Cow::Owned(format!("{to}{rest}"));
        }
    }
    Cow::Borrowed(name)
}
