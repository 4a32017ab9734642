//! What a path is, lexically: the root, a home, a device, a credential, a build artefact …

use super::value::{HOLE, Value};

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
        .or_else(|| path.strip_prefix("/proc/self/root"))
        .or_else(|| path.strip_prefix("/proc/1/root"))
        .unwrap_or(path);
    let joined = match cwd {
        Some(cwd) if !path.starts_with('/') && !path.starts_with('~') => format!("{cwd}/{path}"),
        _ => path.to_owned(),
    };
    let joined = match joined.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HOME}{rest}"),
        Some(rest)
            if rest
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric()) =>
        {
            format!("/home/{rest}")
        }
        _ => joined,
    };
    let absolute = joined.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.last().is_some_and(|p| *p != "..") {
                    parts.pop();
                } else if !absolute {
                    parts.push("..");
                }
            }
            other => parts.push(other),
        }
    }
    let body = parts.join("/");
    if absolute { format!("/{body}") } else { body }
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

/// Whether the path holds credentials.
pub(super) fn credential(path: &str) -> bool {
    let lower = path.to_ascii_lowercase().replace('\\', "/");
    let name = lower.rsplit('/').next().unwrap_or_default();
    const NAMES: [&str; 26] = [
        ".netrc",
        "_netrc",
        ".pgpass",
        ".my.cnf",
        ".git-credentials",
        ".npmrc",
        ".pypirc",
        ".vault-token",
        ".htpasswd",
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
    const PARTS: [&str; 28] = [
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
        "/environ",
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
    let rooted = format!("/{}", lower.trim_start_matches('/'));
    if rooted.ends_with(".pub") || name.starts_with("known_hosts") {
        return false;
    }
    if name == "config" && rooted.contains("/.aws/") {
        return true;
    }
    NAMES.contains(&name)
        || dotenv(name)
        || name.ends_with(".pem") && !name.contains("cert") && !name.contains("ca")
        || name.ends_with(".p12")
        || name.ends_with(".pfx")
        || name.ends_with(".kdbx")
        || name.ends_with(".jks")
        || name.ends_with("_rsa")
        || name.ends_with(".key") && name != ".key"
        || PARTS.iter().any(|p| format!("{rooted}/").contains(p))
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
    const HOME_FILES: [&str; 26] = [
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

/// The classes of a path, as indexes into [`CLASSES`]; bit `i` for `CLASSES[i]`.
pub(super) fn classes(value: &Value, cwd: Option<&str>) -> u32 {
    let solid = value.solid();
    let bit = |name: &str| {
        CLASSES
            .iter()
            .position(|c| *c == name)
            .map_or(0, |i| 1_u32 << i)
    };
    let mut out = 0;
    let holes = value.text.contains(HOLE);
    // What `mktemp` makes is new, whatever its name is.
    let fresh = value.has(super::value::from::TEMPORARY)
        && value.text.matches(HOLE).count() == 1
        && !value.text.contains("..");
    if holes && !fresh {
        out |= bit("unknown");
    }
    if value.glob {
        out |= bit("glob");
    }
    if solid.is_empty() {
        return out;
    }
    let windows = solid.get(1..3).is_some_and(|r| r == ":\\" || r == ":/");
    let path = normal(&solid, cwd);
    if path == ".." || path.starts_with("../") {
        out |= bit("parent");
    }
    let home = home_relative(&path);
    let bare = path.trim_end_matches(['*', '.', '?']).trim_end_matches('/');
    let absolute = path.starts_with('/');
    if absolute || windows {
        out |= bit("absolute");
    } else {
        out |= bit("relative");
    }
    if absolute && bare.is_empty() && !(value.glob && path.len() > 3) {
        out |= bit("root");
    }
    if windows && solid.len() <= 4 {
        out |= bit("root");
    }
    let tmp = path.starts_with("/tmp/")
        || path.starts_with("/var/tmp/")
        || path.starts_with("/var/folders/")
        || path.starts_with("/dev/shm/")
        || value.has(super::value::from::TEMPORARY);
    if tmp {
        out |= bit("tmp");
    }
    if home.is_some() || path == "/home" || path == "/Users" {
        out |= bit("home");
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
        out |= bit("system");
    }
    let lower = solid.to_ascii_lowercase();
    if windows
        && (lower.contains("windows") || lower.contains("program files") || lower.contains("users"))
    {
        out |= bit("system");
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
        out |= bit("binary");
    }
    if device(&path) {
        out |= bit("device");
    }
    if path.starts_with("/proc/sys") || path.starts_with("/sys/") || path.starts_with("/selinux") {
        out |= bit("kernel");
    }
    if path == ".git"
        || path.starts_with(".git/")
        || path.contains("/.git/")
        || path.ends_with("/.git")
    {
        out |= bit("git");
    }
    if credential(&path) || credential(&solid) {
        out |= bit("credential");
    }
    if startup(&path, home) {
        out |= bit("startup");
    }
    if path.starts_with("/var/log") {
        out |= bit("log");
    }
    if path.ends_with("_history") || path.ends_with("ConsoleHost_history.txt") {
        out |= bit("history");
    }
    if rebuilt(value, cwd) {
        out |= bit("scoped");
    }
    if !absolute && !windows {
        let head = bare.split('/').next().unwrap_or_default();
        let tail = bare.rsplit('/').next().unwrap_or_default();
        if bare.is_empty() {
            out |= bit("project-root");
        } else if ARTEFACTS.contains(&head)
            || ARTEFACTS.contains(&tail)
            || tail.ends_with(".egg-info")
            || head.ends_with(".egg-info")
            || head.ends_with(".pyc")
        {
            out |= bit("artefact");
        }
    }
    out
}
