//! Where data comes from and where it goes: secrets and files into the network, downloads into files.

use super::{
    dispatch::may_be,
    place,
    shell::Shell,
    value::{HOLE, Value, from},
};
use crate::analyzer::Scope;

/// Whether reading this path gives a secret.
pub(super) fn secret_path(path: &Value, cwd: Option<&str>) -> bool {
    if path.text.is_empty() {
        return false;
    }
    let solid = path.solid();
    if !path.glob && !place::hints(&solid) && !cwd.is_some_and(place::hints) {
        return false;
    }
    let name = place::normal(&solid, cwd);
    const WELL_KNOWN: [&str; 8] = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/sudoers",
        "/etc/gshadow",
        "/etc/master.passwd",
        "/etc/security/opasswd",
        ".env",
        "/etc/krb5.keytab",
    ];
    WELL_KNOWN.contains(&name.as_str())
        || (path.glob && solid.len() > 3 && WELL_KNOWN.iter().any(|w| may_be(path, w)))
        || place::credential(&name)
        || place::credential(&solid)
        || [
            ".ssh",
            ".aws",
            ".gnupg",
            ".kube",
            ".password-store",
            ".azure",
        ]
        .iter()
        .any(|d| {
            name.strip_suffix(d)
                .is_some_and(|head| head.is_empty() || head.ends_with('/'))
        })
}

/// A folder whose whole content is private: a home, `/etc`, the root.
pub(super) fn private_folder(path: &Value, cwd: Option<&str>) -> bool {
    let name = place::normal(&path.solid(), cwd);
    let name = name.trim_end_matches(['*', '/']);
    name == place::HOME
        || name == "/root"
        || name == "/home"
        || name == "/etc"
        || name == "/Users"
        || (name.is_empty() && path.text.starts_with('/'))
}

pub(super) fn loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').to_ascii_lowercase();
    host == "localhost"
        || host.starts_with("127.")
        || host.starts_with("::1")
        || host == "0.0.0.0"
        || host.ends_with(".localhost")
        || host == "host.docker.internal"
}

/// The host of a URL or of `host:port`.
fn host_of(text: &str) -> Option<&str> {
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest,
        None => text,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.split(':').next().unwrap_or(host))
}

fn hosts(args: &[Value]) -> Vec<String> {
    let mut out = Vec::new();
    for arg in args {
        let text = arg.text.as_str();
        if text.contains("://") {
            if let Some(host) = text.split("://").nth(1).and_then(host_of) {
                out.push(host.to_ascii_lowercase());
            }
        } else if text.starts_with("localhost")
            || text.starts_with("127.")
            || text.starts_with("[::1]")
        {
            out.push("localhost".into());
        }
    }
    out
}

/// What the commands that an ftp client reads send away.
fn puts(shell: &Shell<'_>, sent: &mut Sent) {
    if let Some(input) = &shell.stdin {
        for line in input.text.lines().take(256) {
            let mut words = line.split_whitespace();
            if matches!(
                words.next(),
                Some("put" | "mput" | "send" | "reput" | "append")
            ) && words.any(|w| secret_path(&Value::known(w), shell.cwd.as_deref()))
            {
                sent.bits |= from::SECRET;
                sent.file = true;
            }
        }
    }
}

/// What a command sends away.
#[derive(Default)]
struct Sent {
    bits: u16,
    /// A whole file or stream, not a piece of text on the command line.
    file: bool,
}

impl Sent {
    fn add(&mut self, value: &Value, file: bool) {
        self.bits |= value.from;
        self.file |= file;
    }
}

pub(super) fn take<'v>(
    args: &'v [Value],
    long: &[&str],
    short: &[char],
) -> Vec<(String, &'v Value, String)> {
    let mut out = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let text = arg.text.as_str();
        if let Some((flag, inline)) = text.split_once('=')
            && long.contains(&flag)
        {
            out.push((flag.to_owned(), arg, inline.to_owned()));
            continue;
        }
        let next = || args.get(i.saturating_add(1));
        if long.contains(&text) {
            if let Some(next) = next() {
                out.push((text.to_owned(), next, next.text.clone()));
            }
            continue;
        }
        if text.starts_with('-') && !text.starts_with("--") {
            for (at, c) in text.char_indices().skip(1).take(16) {
                if short.contains(&c) {
                    let inline = text
                        .get(at.saturating_add(c.len_utf8())..)
                        .unwrap_or_default();
                    if !inline.is_empty() {
                        out.push((format!("-{c}"), arg, inline.to_owned()));
                    } else if let Some(next) = next() {
                        out.push((format!("-{c}"), next, next.text.clone()));
                    }
                    break;
                }
                if "odHXuAebFTmwxcEKQrtyYzDCUP".contains(c) {
                    break;
                }
            }
        }
    }
    out
}

fn http(shell: &Shell<'_>, program: &str, args: &[Value]) -> Sent {
    let mut sent = Sent::default();
    let stdin = shell.stdin.clone();
    let stream = |sent: &mut Sent| {
        if let Some(input) = &stdin {
            let mut input = input.clone();
            if input.is_known() {
                input.from &= from::SECRET;
            }
            sent.bits |= input.from;
            sent.file |= !input.is_known();
        }
    };
    if program == "curl" {
        let long = [
            "--data",
            "--data-binary",
            "--data-raw",
            "--data-ascii",
            "--data-urlencode",
            "--json",
            "--form",
            "--form-string",
            "--upload-file",
            "--header",
            "--user",
            "--cookie",
            "--url-query",
            "--user-agent",
            "--referer",
            "--proxy-header",
        ];
        for (flag, value, text) in take(args, &long, &['d', 'F', 'T', 'H', 'u', 'b', 'A', 'e']) {
            sent.bits |= value.from & (from::SECRET | from::TOKEN | from::BULK);
            let raw = matches!(flag.as_str(), "--data-raw" | "--form-string");
            let file = match flag.as_str() {
                "-T" | "--upload-file" => Some(text.as_str()),
                _ if raw => None,
                _ => text
                    .find('@')
                    .filter(|at| {
                        *at == 0
                            || text.get(at.saturating_sub(1)..*at) == Some("=")
                            || (flag == "--data-urlencode")
                    })
                    .and_then(|at| text.get(at.saturating_add(1)..))
                    .or_else(|| {
                        if flag == "-F" || flag == "--form" {
                            text.find("=<")
                                .and_then(|at| text.get(at.saturating_add(2)..))
                        } else {
                            None
                        }
                    }),
            };
            match file {
                Some("-" | "." | "/dev/stdin") => stream(&mut sent),
                None if flag == "-b" || flag == "--cookie" => {
                    let path = Value::known(text.as_str());
                    if !text.contains('=') {
                        sent.bits |= shell.file(&path).from & from::SECRET;
                    }
                }
                Some(file) => {
                    let path = Value {
                        text: file.split(';').next().unwrap_or(file).to_owned(),
                        ..value.clone()
                    };
                    sent.add(&shell.file(&path), true);
                }
                None => {}
            }
        }
    } else {
        for (flag, value, text) in take(
            args,
            &[
                "--post-file",
                "--post-fil",
                "--post-fi",
                "--post-f",
                "--body-file",
                "--body-fil",
                "--body-fi",
                "--body-f",
                "--post-data",
                "--body-data",
                "--header",
            ],
            &[],
        ) {
            sent.bits |= value.from & (from::SECRET | from::TOKEN);
            if flag.starts_with("--post-f") || flag.starts_with("--body-f") {
                if text == "-" || text == "/dev/stdin" {
                    stream(&mut sent);
                } else {
                    sent.add(
                        &shell.file(&Value {
                            text,
                            ..value.clone()
                        }),
                        true,
                    );
                }
            }
        }
        if matches!(program, "http" | "https" | "xh" | "xhs") {
            stream(&mut sent);
            for arg in args {
                sent.bits |= arg.from & from::SECRET;
                if let Some((_, file)) = arg.text.split_once('@') {
                    sent.add(&shell.file(&Value::known(file)), true);
                }
            }
        }
    }
    // `cat secret | curl …`: whether curl reads it depends on options and configuration.
    if let Some(input) = &stdin {
        sent.bits |= input.from & from::SECRET;
    }
    for arg in args {
        // A secret in the URL itself.
        if arg.text.contains("://") || arg.text.contains('.') {
            sent.bits |= arg.from & from::SECRET;
        }
    }
    sent
}

/// Reports a file server whose folder is private.
pub(super) fn serves(shell: &Shell<'_>, args: &[Value], scope: &mut Scope<'_>) {
    let cwd = shell.cwd.as_deref();
    let named = args.windows(2).find_map(|w| match w {
        [flag, folder] if matches!(flag.text.as_str(), "-d" | "--directory" | "-t" | "-h") => {
            Some(folder.clone())
        }
        _ => None,
    });
    let inline = args
        .iter()
        .find_map(|a| a.text.strip_prefix("--directory=").map(Value::known));
    let folder = named
        .or(inline)
        .or_else(|| cwd.map(Value::known))
        .unwrap_or_else(|| Value::known("."));
    if secret_path(&folder, cwd) || private_folder(&folder, cwd) {
        shell.hit("exfil-chain", scope);
    }
}

/// Reports secrets and files that a network program would send.
pub(super) fn sink(shell: &Shell<'_>, program: &str, args: &[Value], scope: &mut Scope<'_>) {
    let mut sent = Sent::default();
    let all_args = |sent: &mut Sent| {
        for arg in args {
            sent.bits |= arg.from & (from::SECRET | from::BULK);
        }
    };
    let stream = |sent: &mut Sent| {
        if let Some(input) = &shell.stdin {
            sent.bits |= input.from;
            sent.file |= !input.is_known();
        }
    };
    let paths = |sent: &mut Sent, list: &mut dyn Iterator<Item = &Value>| {
        for arg in list {
            let content = shell.file(arg);
            sent.add(&content, true);
            if private_folder(arg, shell.cwd.as_deref()) {
                sent.bits |= from::SECRET;
            }
        }
    };
    let operands = || args.iter().filter(|a| !a.text.starts_with('-'));
    let remote = |a: &Value| {
        let t = a.text.as_str();
        t.contains("://")
            || t.split_once(':')
                .is_some_and(|(h, _)| !h.contains('/') && h.len() > 1)
    };
    let first = args.first().map(|a| a.text.as_str()).unwrap_or_default();
    match program {
        "curl" | "wget" | "http" | "https" | "xh" | "httpie" | "curlie" | "wget2" => {
            sent = http(shell, program, args)
        }
        "nc" | "ncat" | "netcat" | "telnet" | "socat" | "websocat" | "nc.openbsd"
        | "nc.traditional" | "croc" | "wormhole" | "ts-send" | "ftp" | "tftp" | "lftp"
        | "ffsend" | "mail" | "mailx" | "mutt" | "sendmail" | "msmtp" | "swaks" | "ssmtp"
        | "neomutt" | "ncftpput" | "sftp-batch" | "logger" => {
            if program == "logger" && !args.iter().any(|a| a.text.starts_with("-n")) {
                return;
            }
            stream(&mut sent);
            all_args(&mut sent);
            if matches!(
                program,
                "mail"
                    | "mailx"
                    | "mutt"
                    | "swaks"
                    | "neomutt"
                    | "croc"
                    | "wormhole"
                    | "ftp"
                    | "lftp"
                    | "tftp"
                    | "ffsend"
                    | "ncftpput"
                    | "logger"
            ) {
                puts(shell, &mut sent);
                for arg in operands() {
                    if secret_path(arg, shell.cwd.as_deref()) {
                        sent.bits |= from::SECRET;
                    }
                    // `lftp -e 'put .env'`
                    if arg
                        .text
                        .split([' ', ';', '@'])
                        .any(|w| secret_path(&Value::known(w), None))
                    {
                        sent.bits |= from::SECRET;
                    }
                }
            }
            if args
                .iter()
                .any(|a| matches!(a.text.as_str(), "-l" | "-lvp" | "-lp" | "-lvnp" | "-nlvp"))
                && sent.bits & from::SECRET == 0
            {
                return;
            }
            for arg in args {
                if let Some(at) = arg
                    .text
                    .to_ascii_lowercase()
                    .find("file:")
                    .or_else(|| arg.text.to_ascii_lowercase().find("open:"))
                {
                    let path = arg.text.get(at.saturating_add(5)..).unwrap_or_default();
                    let path = path.split(',').next().unwrap_or_default();
                    sent.add(&shell.file(&Value::known(path)), true);
                }
            }
        }
        "openssl" if first == "s_client" => stream(&mut sent),
        "git" => {
            if shell.remote_set && args.iter().any(|a| a.text == "push") {
                sent.bits |= from::FILE;
                sent.file = true;
            }
        }
        "ssh" => {
            if let Some(input) = &shell.stdin
                && !input.is_known()
                && input.has(from::SECRET | from::BULK)
            {
                sent.add(input, true);
            }
            all_args(&mut sent);
        }
        "dig" | "nslookup" | "host" | "drill" | "ping" | "ping6" | "kdig" | "delv"
        | "traceroute" | "whois" | "resolvectl" | "getent" => all_args(&mut sent),
        "scp" | "rsync" | "pscp" | "sftp" | "rcp" => {
            if program == "sftp" {
                puts(shell, &mut sent);
            }
            let list: Vec<&Value> = operands().collect();
            if list.last().is_some_and(|l| remote(l))
                || program == "rsync" && args.iter().any(|a| a.text.contains("::"))
            {
                let count = list.len().saturating_sub(1);
                paths(
                    &mut sent,
                    &mut list.into_iter().take(count).filter(|a| !remote(a)),
                );
            }
        }
        "rclone" if matches!(first, "copy" | "sync" | "move" | "copyto" | "moveto") => {
            let list: Vec<&Value> = operands().skip(1).collect();
            if list.last().is_some_and(|l| remote(l)) {
                paths(
                    &mut sent,
                    &mut list.into_iter().take(1).filter(|a| !remote(a)),
                );
            }
        }
        "rclone" if first == "rcat" => stream(&mut sent),
        "aws" | "gsutil" | "gcloud" | "s3cmd" | "mc" | "b2" | "azcopy" | "s5cmd" | "az" | "oci"
        | "doctl" => {
            let texts: Vec<&str> = args.iter().map(|a| a.text.as_str()).collect();
            let copies = texts.iter().any(|t| {
                matches!(
                    *t,
                    "cp" | "sync"
                        | "mv"
                        | "rsync"
                        | "put"
                        | "upload"
                        | "put-object"
                        | "upload-file"
                        | "copy"
                        | "c"
                        | "upload-batch"
                        | "pipe"
                )
            });
            if copies {
                let list: Vec<&Value> = operands().collect();
                let last_is_remote = list.last().is_some_and(|l| remote(l))
                    || matches!(program, "az" | "oci" | "b2");
                if last_is_remote {
                    if texts.contains(&"-") || texts.contains(&"pipe") {
                        stream(&mut sent);
                    }
                    let mut found = list.iter().copied().filter(|a| {
                        !remote(a) && secret_path(a, shell.cwd.as_deref())
                            || private_folder(a, shell.cwd.as_deref())
                    });
                    paths(&mut sent, &mut found);
                    sent.bits &= !from::FILE;
                    // Files of this machine, not a copy between buckets.
                    let local = list.iter().rev().nth(1).is_some_and(|a| {
                        !remote(a) && a.text.contains(['.', '/']) && !texts.contains(&"--dryrun")
                    });
                    if local && program != "az" && program != "oci" {
                        sent.bits |= from::FILE;
                        sent.file = true;
                    }
                }
            }
        }
        "gh" | "glab" | "hub" if args.iter().any(|a| a.text == "gist" || a.text == "snippet") => {
            stream(&mut sent);
            paths(
                &mut sent,
                &mut operands().filter(|a| secret_path(a, shell.cwd.as_deref())),
            );
        }
        "gh" | "glab" | "slackcat" | "slack" | "pastebinit" | "wgetpaste" | "gist" | "pbin"
        | "termbin" | "nopaste" | "dpaste" | "transfer" | "ix" | "notify-send-none" => {
            stream(&mut sent);
            all_args(&mut sent);
            paths(
                &mut sent,
                &mut operands().filter(|a| secret_path(a, shell.cwd.as_deref())),
            );
            sent.bits &= !(from::FILE | from::LISTING);
        }
        _ => return,
    }
    let hosts = hosts(args);
    let local = !hosts.is_empty() && hosts.iter().all(|h| loopback(h))
        || operands().any(|a| loopback(a.text.rsplit('@').next().unwrap_or_default()));
    if local {
        return;
    }
    // `$GITHUB_TOKEN` to github.com is what it is for.
    let own = args.iter().any(|a| a.has(from::TOKEN))
        && hosts.iter().any(|h| {
            [
                "github",
                "gitlab",
                "openai",
                "anthropic",
                "slack",
                "cloudflare",
                "googleapis",
                "circleci",
                "npmjs",
                "pypi",
                "sentry",
                "heroku",
                "digitalocean",
                "huggingface",
                "atlassian",
                "datadog",
                "vercel",
                "netlify",
            ]
            .iter()
            .any(|p| h.contains(p))
        });
    if sent.bits & from::SECRET != 0 && !own {
        shell.hit("exfil-chain", scope);
    } else if sent.bits & from::TOKEN != 0 && !own {
        shell.hit("token-sent", scope);
    } else if sent.file && sent.bits & (from::FILE | from::BULK | from::OUTPUT | from::LISTING) != 0
    {
        shell.hit("data-upload", scope);
    }
}

/// What an ordinary program prints, by where it comes from.
pub(super) fn output(shell: &Shell<'_>, program: &str, args: &[Value]) -> Value {
    let cwd = shell.cwd.as_deref();
    let passes = if matches!(
        program,
        "awk" | "cut" | "tr" | "sed" | "tail" | "sort" | "head"
    ) {
        from::PROCESSES
    } else {
        0
    };
    let mut bits = shell.stdin.as_ref().map_or(0, |i| {
        let passes = if args.iter().any(|a| a.text.contains(['/', '=', '~'])) {
            0
        } else {
            passes
        };
        i.from
            & (passes
                | from::SECRET
                | from::NETWORK
                | from::DECODED
                | from::FILE
                | from::BULK
                | from::LISTING)
    });
    let has = |words: &[&str]| args.iter().any(|a| words.contains(&a.text.as_str()));
    let first = args.first().map(|a| a.text.as_str()).unwrap_or_default();
    let second = args.get(1).map(|a| a.text.as_str()).unwrap_or_default();
    match program {
        "curl" | "wget" | "fetch" | "http" | "https" | "xh" | "aria2c" | "lynx" | "w3m"
        | "links" | "ftp" | "tftp" | "nc" | "ncat" | "socat" | "gsutil" | "gh" | "dig"
        | "nslookup" | "irm" | "iwr" | "telnet" => {
            bits = from::NETWORK;
            if program == "gh" {
                bits = if first == "auth" && second == "token" {
                    from::SECRET
                } else {
                    from::OUTPUT
                };
            }
            if args.iter().any(|a| {
                a.text.contains("169.254.169.254")
                    || a.text.contains("metadata.google.internal")
                    || a.text.contains("100.100.100.200")
            }) {
                bits |= from::SECRET;
            }
            if args.iter().any(|a| {
                a.text.starts_with("file:")
                    && secret_path(
                        &Value::known(a.text.trim_start_matches("file:").trim_start_matches("//")),
                        None,
                    )
            }) {
                bits |= from::SECRET;
            }
        }
        "env" | "printenv" | "set" | "export" | "declare" => {
            let all = args.iter().all(|a| a.text.starts_with('-'));
            let named = ["TOKEN", "SECRET", "PASSWORD", "KEY"];
            if all
                || args
                    .iter()
                    .any(|a| named.iter().any(|k| a.text.contains(k)))
            {
                bits |= from::SECRET;
            }
        }
        "tar" | "zip" | "cpio" | "7z" | "bsdtar" | "rar" | "dump" | "dd" | "pax" => {
            bits |= from::BULK;
            if args.iter().any(|a| {
                secret_path(a, cwd)
                    || private_folder(a, cwd)
                    || a.text.strip_prefix("if=").is_some_and(|p| {
                        secret_path(&Value::known(p), cwd) || p.starts_with("/dev/sd")
                    })
            }) {
                bits |= from::SECRET;
            }
            if program == "dd" {
                bits |= from::FILE;
            }
        }
        "pg_dump" | "pg_dumpall" | "mysqldump" | "mongodump" | "mariadb-dump" | "sqldump" => {
            bits |= from::SECRET | from::BULK
        }
        "sqlite3" if has(&[".dump"]) => bits |= from::SECRET | from::BULK,
        "pbpaste" | "xclip" | "xsel" | "wl-paste" => bits |= from::SECRET,
        "tshark" | "tcpdump" | "pass" | "security" | "lpass" | "bw" | "keyring" | "secret-tool"
        | "op" | "keepassxc-cli" | "dscl" => bits |= from::SECRET,
        "ssh-agent"
        | "direnv"
        | "dircolors"
        | "pyenv"
        | "rbenv"
        | "nodenv"
        | "goenv"
        | "jenv"
        | "starship"
        | "zoxide"
        | "mise"
        | "fnm"
        | "conda"
        | "opam"
        | "keychain"
        | "brew"
        | "thefuck"
        | "atuin"
        | "register-python-argcomplete"
        | "pip"
        | "kubectl"
        | "helm"
        | "npm"
        | "docker-machine"
        | "minikube"
        | "hub"
        | "fzf"
        | "ssh-add"
        | "tput"
        | "resize"
        | "stty"
        | "getopt"
        | "luarocks"
        | "perl"
        | "vault"
        | "poetry"
        | "uv"
        | "rustup"
        | "mcfly"
        | "rtx"
        | "asdf"
        | "gcloud"
        | "chef"
        | "pkg-config"
        | "lesspipe"
        | "docker" => {
            bits |= from::SETUP | from::OUTPUT;
            if program == "kubectl" && has(&["secret", "secrets"])
                || program == "vault" && has(&["read", "get"])
            {
                bits = from::SECRET;
            }
        }
        "aws" => {
            bits |= from::OUTPUT;
            if has(&[
                "get-secret-value",
                "get-session-token",
                "get-parameter",
                "get-login-password",
                "assume-role",
                "export-credentials",
            ]) {
                bits |= from::SECRET;
            }
            if has(&["s3"]) && has(&["cp"]) && has(&["-"]) {
                bits |= from::NETWORK;
            }
        }
        "ps" | "pidof" | "pgrep" => {
            let all = program == "ps"
                && args.iter().any(|a| {
                    matches!(
                        a.text.as_str(),
                        "aux"
                            | "ax"
                            | "axu"
                            | "auxww"
                            | "-ef"
                            | "-e"
                            | "-A"
                            | "-eo"
                            | "-ax"
                            | "-aux"
                            | "-Ao"
                    )
                })
                || program == "pgrep"
                    && args
                        .iter()
                        .any(|a| matches!(a.text.as_str(), "." | ".*" | ""));
            bits |= if all { from::PROCESSES } else { from::OUTPUT };
        }
        "find" | "ls" | "fd" | "locate" | "mdfind" | "fdfind" => bits |= from::LISTING,
        "git" => {
            bits |= if matches!(first, "ls-files" | "diff" | "ls-tree") {
                from::LISTING
            } else {
                from::OUTPUT
            }
        }
        "grep" | "rg" | "egrep" | "ag" | "ack" | "fgrep" | "zgrep" => {
            let pattern = args
                .iter()
                .find(|a| !a.text.starts_with('-'))
                .map(|a| a.text.to_ascii_lowercase())
                .unwrap_or_default();
            let files = args.iter().filter(|a| !a.text.starts_with('-')).count() > 1;
            let streamed = shell.stdin.as_ref().is_some_and(|i| i.has(from::OUTPUT));
            if (files || streamed)
                && [
                    "password",
                    "passwd",
                    "secret",
                    "token",
                    "api_key",
                    "apikey",
                    "private key",
                    "aws_",
                    "credential",
                ]
                .iter()
                .any(|k| pattern.contains(k))
            {
                bits |= from::SECRET;
            }
            if args.iter().any(|a| {
                a.text.starts_with('-') && !a.text.starts_with("--") && a.text.contains('l')
            }) {
                bits |= from::LISTING;
            }
            if files {
                bits |= from::FILE;
            }
        }
        _ => {
            bits |= from::OUTPUT;
        }
    }
    // Readers of any kind: `base64 .env`, `gzip -c ~/.ssh/id_rsa`, `jq . credentials.json`.
    if args.iter().any(|a| {
        secret_path(a, cwd)
            || a.text
                .split_once('=')
                .is_some_and(|(_, v)| secret_path(&Value::known(v), cwd))
    }) {
        bits |= from::SECRET;
    }
    for arg in args {
        if !shell.files.is_empty()
            && let Some(content) = shell.files.get(&place::normal(&arg.text, cwd))
        {
            bits |= content.from & (from::SECRET | from::NETWORK | from::DECODED);
        }
        bits |= arg.from & from::SECRET;
    }
    Value {
        text: HOLE.to_string(),
        glob: false,
        from: bits,
    }
}
