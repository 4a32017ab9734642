//! What a path is, lexically: the root, a home, a device, a credential, a build artefact …

use super::value::{HOLE, Value, glob};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::LazyLock;

/// The home directory that `~` and `$HOME` stand for.
pub(super) const HOME: &str = "/home/user";

/// Kinds of places, by the names that detectors use.
pub(in super::super) const CLASSES: [&str; 20] = [
    "root",
    "home",
    "system",
    "device",
    "git",
    "credential",
    "startup",
    "project-root",
    "tmp",
    "artefact",
    "relative",
    "absolute",
    "unknown",
    "glob",
    "log",
    "history",
    "kernel",
    "binary",
    "parent",
    "scoped",
];

fn home_relative(path: &str) -> Option<&str> {
    let rest = path
        .strip_prefix(HOME)
        .or_else(|| path.strip_prefix("/root"))
        .or_else(|| {
            let rest = path
                .strip_prefix("/home/")
                .or_else(|| path.strip_prefix("/Users/"))?;
            rest.find('/').and_then(|i| rest.get(i..))
        })?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest.trim_start_matches('/'))
}

/// Resolves `.`, `..` and doubled slashes; a relative path stays relative.
pub(super) fn normal(path: &str, cwd: Option<&str>) -> String {
    let path = path
        .strip_prefix("file://")
        .or_else(|| path.strip_prefix("file:"))
        .or_else(|| path.strip_prefix("/proc/self/root"))
        .or_else(|| path.strip_prefix("/proc/1/root"))
        .unwrap_or(path);
    let cwd = cwd.filter(|_| !path.starts_with(['/', '~']));
    let first = cwd.unwrap_or(path);
    let (home, first) = match first.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (HOME, rest),
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphanumeric()) => ("/home", rest),
        _ => ("", first),
    };
    let absolute = !home.is_empty() || first.starts_with('/');
    let pieces = [home, first, if cwd.is_some() { path } else { "" }];
    let mut out = String::with_capacity(pieces.iter().map(|p| p.len().saturating_add(1)).sum());
    for part in pieces.iter().flat_map(|p| p.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                let (head, last) = out.rsplit_once('/').unwrap_or(("", &out));
                let keep = head.len();
                if !last.is_empty() && last != ".." {
                    out.truncate(keep);
                } else if !absolute {
                    step(&mut out, absolute, "..");
                }
            }
            other => step(&mut out, absolute, other),
        }
    }
    if absolute && out.is_empty() {
        out.push('/');
    }
    out
}

fn step(out: &mut String, absolute: bool, part: &str) {
    if absolute || !out.is_empty() {
        out.push('/');
    }
    out.push_str(part);
}

const ARTEFACTS: [&str; 38] = [
    "node_modules",
    "build",
    "dist",
    "target",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    "out",
    ".next",
    ".nuxt",
    "coverage",
    ".coverage",
    ".cache",
    ".gradle",
    ".terraform",
    ".turbo",
    ".parcel-cache",
    "tmp",
    "temp",
    "logs",
    "htmlcov",
    "bin",
    "obj",
    ".eggs",
    "site",
    "_site",
    "public",
    ".svelte-kit",
    ".nyc_output",
    "cmake-build-debug",
    "vendor",
    "DerivedData",
    "Pods",
    "log",
];

/// Folders that a build or a package manager makes anew.
const REBUILT: [&str; 22] = [
    "node_modules",
    "build",
    "dist",
    "target",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".next",
    ".nuxt",
    ".svelte-kit",
    ".turbo",
    ".parcel-cache",
    ".nyc_output",
    ".eggs",
    "coverage",
    "htmlcov",
    "bower_components",
];

/// Whether the path is exactly a folder that is made anew, at or below the working directory.
fn rebuilt(value: &Value, cwd: Option<&str>) -> bool {
    if !value.is_known() || value.glob || value.text.contains(['*', '?', '[', '\\', '~']) {
        return false;
    }
    let path = normal(&value.text, cwd);
    // Who climbs up first may meet a symbolic link.
    let climbs = value.text.split('/').any(|part| part == "..");
    let name = path.rsplit('/').next().unwrap_or_default();
    !climbs
        && !value.text.starts_with('/')
        && !path.starts_with(['/', '~'])
        && (REBUILT.contains(&name) || name.len() > 9 && name.ends_with(".egg-info"))
        && !path.split('/').any(|part| part == "..")
        && !path.starts_with(".git/")
}

/// Files that hold credentials, by name.
const CREDENTIAL_NAMES: [&str; 28] = [
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".vault-token",
    ".htpasswd",
    ".s3cfg",
    ".boto",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "identity",
    "shadow",
    "gshadow",
    "master.passwd",
    "kubeconfig",
    "credentials.json",
    "wallet.dat",
    "login.keychain-db",
    "cookies.sqlite",
    "key4.db",
    "logins.json",
    "secring.gpg",
    "application_default_credentials.json",
];

/// Parts of paths below which credentials are kept.
const CREDENTIAL_PARTS: [&str; 43] = [
    "/.ssh/",
    "/.aws/",
    "/.azure/",
    "/.config/gcloud",
    "/.gnupg/",
    "/.kube/",
    "/.docker/config",
    "/.config/gh/",
    "/.password-store",
    "/etc/sudoers",
    "/etc/ssl/private",
    "/.mozilla/",
    "/google-chrome/",
    "/google/chrome/",
    "/chromium/",
    "/brave-browser/",
    "/microsoft-edge/",
    "/login data",
    "/.config/sops/",
    "/.local/share/keyrings/",
    "/.config/containers/auth",
    "/.config/pypoetry/auth",
    "/.config/glab-cli/",
    "/.claude/.credentials",
    "/.codex/auth",
    "/ntds/ntds.dit",
    "/etc/wireguard/",
    "/etc/ipsec.secrets",
    "/environ/",
    "/keychains/",
    "/.config/op/",
    "/.terraform.d/credentials",
    "/.bundle/config",
    "/.gem/credentials",
    "/.cargo/credentials",
    "/.config/rclone/",
    "/etc/kubernetes/admin.conf",
    "/run/secrets",
    "/windows/system32/config/sam",
    "/secrets/kubernetes.io",
    "/etc/ssh/ssh_host",
    "/.config/hub",
    "/etc/krb5.keytab",
];

/// Ends of names of files that hold keys.
const KEY_SUFFIXES: [&str; 7] = [".pem", ".p12", ".pfx", ".kdbx", ".jks", "_rsa", ".key"];

/// Without one of these in it no path holds a secret: the longest component of each of the above.
static HINTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let parts = CREDENTIAL_PARTS
        .iter()
        .filter_map(|part| part.split('/').max_by_key(|p| p.len()));
    let names = CREDENTIAL_NAMES.iter().chain(&KEY_SUFFIXES).copied();
    let others = [".env", "secrets.", "passwd"];
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        // Built in a tenth of the time, and paths are short.
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(parts.chain(names).chain(others))
        .ok()
});

/// Whether a path can be one that [`credential`] accepts, however it is resolved.
pub(super) fn hints(path: &str) -> bool {
    HINTS.as_ref().is_none_or(|hints| hints.is_match(path))
}

/// Whether the path holds credentials.
pub(super) fn credential(path: &str) -> bool {
    if !hints(path) {
        return false;
    }
    let mut lower = String::with_capacity(path.len().saturating_add(2));
    lower.push('/');
    lower.push_str(path);
    lower.push('/');
    lower.make_ascii_lowercase();
    let lower = lower.replace('\\', "/");
    // With one slash before and behind, so that parts match at both ends.
    let slashed = lower
        .get(
            lower
                .len()
                .saturating_sub(lower.trim_start_matches('/').len())
                .saturating_sub(1)..,
        )
        .unwrap_or("/");
    let rooted = slashed.strip_suffix('/').unwrap_or(slashed);
    let name = rooted.rsplit('/').next().unwrap_or_default();
    if rooted.ends_with(".pub") || name.starts_with("known_hosts") {
        return false;
    }
    if name == "config" && rooted.contains("/.aws/") {
        return true;
    }
    CREDENTIAL_NAMES.contains(&name)
        || dotenv(name)
        || KEY_SUFFIXES.iter().any(|end| name.ends_with(end))
            && name != ".key"
            && !(name.ends_with(".pem") && (name.contains("cert") || name.contains("ca")))
        || CREDENTIAL_PARTS.iter().any(|p| slashed.contains(p))
}

fn dotenv(name: &str) -> bool {
    name == ".env"
        || name == ".envrc"
        || name.strip_prefix(".env.").is_some_and(|rest| {
            ![
                "example", "sample", "template", "dist", "test", "tpl", "defaults",
            ]
            .iter()
            .any(|e| rest.contains(e))
        })
        || matches!(
            name,
            "prod.env"
                | "production.env"
                | "secrets.env"
                | "secrets.yml"
                | "secrets.yaml"
                | "secrets.json"
        )
}

fn startup(path: &str, home: Option<&str>) -> bool {
    const HOME_FILES: [&str; 27] = [
        ".bashrc",
        ".bash_profile",
        ".profile",
        ".bash_login",
        ".bash_logout",
        ".zshrc",
        ".zshenv",
        ".zprofile",
        ".zlogin",
        ".kshrc",
        ".cshrc",
        ".tcshrc",
        ".xinitrc",
        ".xprofile",
        ".pam_environment",
        ".ssh/authorized_keys",
        ".ssh/rc",
        ".ssh/config",
        ".ssh/environment",
        ".gitconfig",
        ".config/fish/config.fish",
        ".vimrc",
        ".pythonrc",
        ".inputrc",
        ".xsession",
        ".forward",
        ".bash_aliases",
    ];
    const HOME_DIRS: [&str; 7] = [
        ".config/autostart",
        ".config/systemd",
        ".claude/settings",
        ".cursor/mcp",
        "Library/LaunchAgents",
        ".config/environment.d",
        ".local/share/systemd",
    ];
    const DIRS: [&str; 20] = [
        "/etc/cron",
        "/var/spool/cron",
        "/etc/systemd",
        "/lib/systemd",
        "/usr/lib/systemd",
        "/etc/init.d",
        "/etc/rc",
        "/etc/profile",
        "/etc/bash.bashrc",
        "/etc/zsh",
        "/etc/ld.so.preload",
        "/etc/sudoers",
        "/etc/pam.d",
        "/etc/anacrontab",
        "/Library/LaunchDaemons",
        "/Library/LaunchAgents",
        "/etc/update-motd.d",
        "/etc/environment",
        "/run/systemd",
        "/etc/udev",
    ];
    if path.ends_with("/authorized_keys") || path == "authorized_keys" {
        return true;
    }
    if let Some(rest) = home
        && (HOME_FILES.contains(&rest) || HOME_DIRS.iter().any(|d| rest.starts_with(d)))
    {
        return true;
    }
    path.contains(".git/hooks/")
        || path.ends_with(".git/config")
        || path.ends_with(".git/hooks")
        || path == ".claude/settings.json"
        || path == ".cursor/mcp.json"
        || path == ".vscode/tasks.json"
        || DIRS.iter().any(|d| path.starts_with(d))
}

fn device(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/dev/") else {
        return path.starts_with("\\\\.\\PhysicalDrive");
    };
    [
        "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "mapper/", "dm-", "md", "loop",
        "sr", "mem", "kmem", "port", "zvol", "nbd", "ram", "sda", "mtd", "by-id", "block/", "root",
    ]
    .iter()
    .any(|d| rest.starts_with(d))
}

/// The bit of a class, for constants.
const fn bit(name: &str) -> u32 {
    let mut rest: &[&str] = &CLASSES;
    let mut bit = 1_u32;
    while let Some((first, tail)) = rest.split_first() {
        if same(first.as_bytes(), name.as_bytes()) {
            return bit;
        }
        rest = tail;
        bit <<= 1;
    }
    0
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let (Some((x, more_a)), Some((y, more_b))) = (a.split_first(), b.split_first()) {
        if *x != *y {
            return false;
        }
        (a, b) = (more_a, more_b);
    }
    a.is_empty() && b.is_empty()
}

/// The classes of a path, as indexes into [`CLASSES`]; bit `i` for `CLASSES[i]`.
pub(super) fn classes(value: &Value, cwd: Option<&str>) -> u32 {
    let solid = value.solid();
    let mut out = 0;
    let holes = value.text.contains(HOLE);
    // What `mktemp` makes is new, whatever its name is.
    let fresh = value.has(super::value::from::TEMPORARY)
        && value.text.matches(HOLE).count() == 1
        && !value.text.contains("..");
    if holes && !fresh {
        out |= const { bit("unknown") };
    }
    if value.glob {
        out |= const { bit("glob") };
    }
    if solid.is_empty() {
        return out;
    }
    let windows = solid.get(1..3).is_some_and(|r| r == ":\\" || r == ":/");
    let path = normal(&solid, cwd);
    if path == ".." || path.starts_with("../") {
        out |= const { bit("parent") };
    }
    let home = home_relative(&path);
    let bare = path.trim_end_matches(['*', '.', '?']).trim_end_matches('/');
    let absolute = path.starts_with('/');
    if absolute || windows {
        out |= const { bit("absolute") };
    } else {
        out |= const { bit("relative") };
    }
    if absolute && bare.is_empty() && !(value.glob && path.len() > 3) {
        out |= const { bit("root") };
    }
    if windows && solid.len() <= 4 {
        out |= const { bit("root") };
    }
    let tmp = path.starts_with("/tmp/")
        || path.starts_with("/var/tmp/")
        || path.starts_with("/var/folders/")
        || path.starts_with("/dev/shm/")
        || value.has(super::value::from::TEMPORARY);
    if tmp {
        out |= const { bit("tmp") };
    }
    if home.is_some() || path == "/home" || path == "/Users" {
        out |= const { bit("home") };
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    let system_dirs = [
        "etc",
        "usr",
        "bin",
        "sbin",
        "lib",
        "lib64",
        "boot",
        "dev",
        "proc",
        "sys",
        "var",
        "opt",
        "root",
        "srv",
        "home",
        "mnt",
        "media",
        "run",
        "System",
        "Library",
        "Applications",
        "Users",
        "private",
        "data",
        "snap",
        "lost+found",
        "lib32",
        "Volumes",
    ];
    if absolute && !tmp && system_dirs.contains(&first) {
        out |= const { bit("system") };
    }
    let lower = solid.to_ascii_lowercase();
    if windows
        && (lower.contains("windows") || lower.contains("program files") || lower.contains("users"))
    {
        out |= const { bit("system") };
    }
    if [
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/lib",
        "/usr/lib",
        "/boot",
        "/lib64",
    ]
    .iter()
    .any(|d| {
        path.strip_prefix(d)
            .is_some_and(|r| r.is_empty() || r.starts_with('/'))
    }) {
        out |= const { bit("binary") };
    }
    if device(&path) {
        out |= const { bit("device") };
    }
    if path.starts_with("/proc/sys") || path.starts_with("/sys/") || path.starts_with("/selinux") {
        out |= const { bit("kernel") };
    }
    if path == ".git"
        || path.starts_with(".git/")
        || path.contains("/.git/")
        || path.ends_with("/.git")
    {
        out |= const { bit("git") };
    }
    let hidden = value.glob
        && path.len() > 6
        && absolute
        && [
            "/etc/shadow",
            "/etc/gshadow",
            "/etc/sudoers",
            "/etc/master.passwd",
        ]
        .iter()
        .any(|w| glob(path.as_bytes(), w.as_bytes()));
    // `.en?`, `.env*`, `id_rs?`: most of the name is told.
    let wild = value.glob && {
        let name = path.rsplit('/').next().unwrap_or_default();
        !name.contains('[')
            && name.bytes().filter(u8::is_ascii_alphanumeric).count() > 1
            && [".env", "id_rsa", "id_ed25519", ".netrc", ".pgpass"]
                .iter()
                .any(|w| glob(name.as_bytes(), w.as_bytes()))
    };
    if credential(&path) || credential(&solid) || hidden || wild {
        out |= const { bit("credential") };
    }
    if startup(&path, home) {
        out |= const { bit("startup") };
    }
    if path.starts_with("/var/log") {
        out |= const { bit("log") };
    }
    if path.ends_with("_history") || path.ends_with("ConsoleHost_history.txt") {
        out |= const { bit("history") };
    }
    if rebuilt(value, cwd) {
        out |= const { bit("scoped") };
    }
    if !absolute && !windows {
        let head = bare.split('/').next().unwrap_or_default();
        let tail = bare.rsplit('/').next().unwrap_or_default();
        if bare.is_empty() {
            out |= const { bit("project-root") };
        } else if ARTEFACTS.contains(&head)
            || ARTEFACTS.contains(&tail)
            || tail.ends_with(".egg-info")
            || head.ends_with(".egg-info")
            || head.ends_with(".pyc")
        {
            out |= const { bit("artefact") };
        }
    }
    out
}
