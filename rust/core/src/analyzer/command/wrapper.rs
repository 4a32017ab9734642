//! What runs what: programs whose arguments are, or hold, another command.

use super::value::{HOLE, Value};
use std::{collections::HashMap, sync::LazyLock};

/// A command inside a command.
#[derive(Debug)]
pub(super) enum Inner {
    /// An argument vector.
    Argv(Vec<Value>),
    /// Text for a shell.
    Text(Value),
    /// Text that most likely is one for a shell.
    Loose(Value),
}

/// How the inner command is found behind the options.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// An argument vector.
    Argv,
    /// The remaining arguments, joined, are shell text.
    Text,
    /// An argument vector, but only behind `--`.
    Dashes,
}

struct Wrapper {
    /// Program and leading words, alternatives by `|`.
    names: &'static str,
    /// Words between the name and the options that must come first, `*` for any.
    words: &'static str,
    /// Options with a value of their own.
    valued: &'static str,
    /// Operands before the command.
    skip: usize,
    form: Form,
}

const fn w(
    names: &'static str,
    words: &'static str,
    valued: &'static str,
    skip: usize,
    form: Form,
) -> Wrapper {
    Wrapper {
        names,
        words,
        valued,
        skip,
        form,
    }
}

const DOCKER: &str = "-e --env --env-file -v --volume -w --workdir -u --user --name -p --publish --network --net --entrypoint -h --hostname --mount -l --label --platform -m --memory --cpus --add-host --cap-add --cap-drop --device --ipc --pid --restart --security-opt --tmpfs --ulimit --volumes-from --log-driver --gpus --index --detach-keys --shm-size --dns --link --expose -a --attach -f --file --project-name --profile -H --context -T";
const KUBE: &str = "-n --namespace -c --container --context --kubeconfig --cluster -l --image --restart --user --as -s --server --token --overrides --target -f --filename --pod-running-timeout";

use Form::{Argv, Dashes, Text};

/// Order matters: the first that fits is taken.
static WRAPPERS: &[Wrapper] = &[
    w(
        "sudo|doas|pkexec|sudo-rs|please|kdesudo|gksudo|gsudo",
        "",
        "-u -g -p -C -D -h -R -T -U -r -t --user --group --host --chdir --prompt --role --type --close-from --chroot --command-timeout",
        0,
        Argv,
    ),
    w("env", "", "-u --unset -C --chdir", 0, Argv),
    w(
        "nohup|setsid|fakeroot|fakeroot-ng|linux64|linux32|setarch|i386|x86_64|unbuffer|catchsegv|dbus-run-session|dbus-launch|torsocks|torify|tsocks|proxychains|proxychains4|noglob|nocorrect|builtin|eatmydata|pseudo|winpty|stdoutisatty|dumb-init|tini|catatonit|with-contenv|firejail|primusrun|optirun|gamemoderun|annotate-output|chronic|ifne|vipe|softlimit|command|rtk|grc|arch|nocache|systemd-inhibit|gtime|heaptrack|aoss|padsp|bcron|daemonize|daemon|run0|krunner|exec|time|rlwrap|ltrace|setpriv|numactl|prlimit|caffeinate|chpst|ionice|nice|stdbuf|strace|valgrind|unshare|systemd-run|xvfb-run|cpulimit|trickle|choom|uclampset|pasuspender|systemd-cat|dotenv|sem|catch",
        "",
        "-n -c -p -P -u -o -e -i -s -E -S -a -b -I -O -X -f -t -w -l -d -x -C -D -k -L -m -r -N --adjustment --class --classdata --unit --property --setenv --uid --gid --slice --on-calendar --on-active --reuid --regid --groups --pdeathsig --input --output --error --server-num --server-args --what --who --why --cpunodebind --membind --tool --log-file --format",
        0,
        Argv,
    ),
    w(
        "script|timeout|gtimeout|flock|chroot|taskset|chrt|faketime|su-exec|gosu|setuidgid|s6-setuidgid|envdir|lockf|logsave|setlock|envuidgid",
        "",
        "-s --signal -k --kill-after -w --wait --timeout -E --conflict-exit-code --userspec --groups -T -P -D -u",
        1,
        Argv,
    ),
    w(
        "nsenter",
        "",
        "-t --target -S --setuid -G --setgid",
        0,
        Argv,
    ),
    w(
        "proot|bwrap|sshpass|retry|entr|ssh-agent|apptainer|ts",
        "",
        "-p -f -e -r -b -w -0 -t -d -n --times --delay --bind --ro-bind --dev --proc --tmpfs --chdir",
        0,
        Argv,
    ),
    w(
        "aa-exec|distcc|multitime|fakechroot|ksu|doas-su|tsp|runcon|sandbox-exec|firejail|cgexec|chpst|systemd-nspawn|openvt|genie|qemu-x86_64|qemu-aarch64|scriptreplay|nsjail",
        "",
        "-p -n -t -e -g -D -f -u -q -c -C -m --profile --namespace --count --type --role",
        0,
        Argv,
    ),
    w("xdotool", "exec", "", 0, Argv),
    w("task", "execute", "", 0, Argv),
    w("codex", "sandbox", "", 1, Argv),
    w("csvtool", "call", "", 0, Argv),
    w("cdist", "shell", "", 0, Argv),
    w("perf", "record|stat|trace", "-o -e -F -g", 0, Argv),
    w("busybox|toybox", "", "", 0, Argv),
    w("aws-vault", "exec", "-d --duration", 1, Argv),
    w(
        "aws-okta|saml2aws|granted|chamber",
        "exec",
        "-a -p",
        1,
        Argv,
    ),
    w(
        "poetry|uv|pipenv|pdm|hatch|rye|pixi|conda|micromamba|mamba|rtx",
        "run",
        "-n --name -p --prefix --python --with --with-requirements --from --extra --group --directory --project -e --environment --env-file",
        0,
        Argv,
    ),
    w(
        "pnpm|yarn|bundle|npm|mise|rbenv|pyenv|asdf|nodenv|goenv|nvm|volta|bun|corepack|opam|stack|cabal|composer|spack|devbox",
        "exec|run|dlx|x",
        "-w --workspace --filter --package -p -C --dir",
        0,
        Argv,
    ),
    w("rustup", "run", "", 1, Argv),
    w("direnv", "exec", "", 1, Argv),
    w(
        "nix|guix",
        "shell|develop|run|environment",
        "-c --command",
        0,
        Dashes,
    ),
    w("nix", "develop|shell -c|--command", "", 0, Argv),
    w("nix", "develop|shell * -c|--command", "", 0, Argv),
    w("just", "--command|-c", "", 0, Argv),
    w("nix-shell", "--run|--command", "", 0, Text),
    w(
        "npx|bunx|pnpx|uvx|dlx",
        "",
        "-p --package -c --call --from --with --python",
        0,
        Argv,
    ),
    w(
        "op|doppler|infisical|teller|dotenvx|vaultenv|summon|berglas",
        "run|exec",
        "--env-file --env -p --project -c --config -f",
        0,
        Argv,
    ),
    w("docker|podman|nerdctl|finch", "exec", DOCKER, 1, Argv),
    w("docker|podman|nerdctl|finch", "run", DOCKER, 1, Argv),
    w(
        "docker|podman|nerdctl|finch",
        "container exec|run",
        DOCKER,
        1,
        Argv,
    ),
    w("docker|podman|nerdctl", "compose exec|run", DOCKER, 1, Argv),
    w("docker-compose|podman-compose", "exec|run", DOCKER, 1, Argv),
    w("kubectl|oc|k|microk8s|k3s", "exec|debug", KUBE, 1, Argv),
    w("kubectl|oc|k", "run", KUBE, 0, Dashes),
    w("microk8s|k3s|minikube", "kubectl", "", 0, Argv),
    w("oc|kubectl", "rsh", KUBE, 1, Argv),
    w("lxc|incus", "exec", "--cwd --env --mode", 1, Argv),
    w("lxc-attach", "", "-n --name -P", 0, Argv),
    w("crictl|ctr|runc|crun", "exec", "-e --exec-id", 1, Argv),
    w("machinectl", "shell", "", 1, Argv),
    w("multipass", "exec", "", 1, Argv),
    w("adb", "shell|exec-out", "-s -t -H -P -L", 0, Text),
    w("runuser", "", "-u --user -g -G -w", 0, Argv),
    w("run-parts", "", "-a --arg -u --umask --regex", 0, Argv),
    w(
        "limactl|colima|orb|distrobox|toolbox",
        "shell|enter|run|ssh",
        "-n --name -c --container",
        0,
        Argv,
    ),
    w("distrobox-enter", "", "-n --name", 0, Argv),
    w("lima|wsl", "", "-d --distribution -u --user --cd", 0, Argv),
    w("virt-customize|guestfish", "--run-command|sh", "", 0, Text),
    w("heroku|dokku", "run", "-a --app --size -s", 0, Text),
    w("dokku", "enter", "", 2, Argv),
    w("eb", "ssh -c", "", 0, Text),
    w("salt", "* cmd.run", "", 0, Text),
    w(
        "pssh|parallel-ssh|pdsh|clush|dsh|mussh|cssh",
        "",
        "-h -H -l -p -t -o -w -x -g -a -f -e -P --hosts --host --user --timeout",
        0,
        Text,
    ),
    w(
        "tmux",
        "new-session|new|new-window|neww|split-window|splitw|respawn-pane|run-shell|run|popup|display-popup|send-keys|send|if-shell|respawn-window|pipe-pane",
        "-s -n -t -c -x -y -F -e -l -p",
        0,
        Text,
    ),
    w("screen", "", "-S -t -c -s -p -h -e -T", 0, Argv),
    w("zellij", "run", "-n --name --cwd", 0, Dashes),
    w(
        "xterm|konsole|alacritty|kitty|urxvt|lxterminal|xfce4-terminal|terminator|st",
        "-e|-x",
        "",
        0,
        Argv,
    ),
    w("gnome-terminal|wezterm|foot|tilix", "", "", 0, Dashes),
    w("faketty|pexec|ptyrun|winpty|dtach|abduco", "", "", 0, Argv),
    w("gdbserver", "", "", 1, Argv),
    w("gdb|lldb", "--args", "", 0, Argv),
    w("run-one|run-this-one|nohup.exe|start", "", "", 0, Argv),
    w(
        "start-stop-daemon",
        "",
        "-p --pidfile -u --user -g --group -c --chuid -x --exec -d --chdir -a --startas",
        0,
        Dashes,
    ),
    w("capsh", "", "", 0, Dashes),
    w("psexec", "", "-u -p", 1, Argv),
    w("git", "bisect run", "", 0, Argv),
    w("git", "submodule foreach", "", 0, Text),
    w("lerna", "exec", "", 0, Dashes),
    w("repo", "forall", "", 0, Dashes),
    w("cargo", "watch", "-w -i -d -C", 0, Dashes),
    w(
        "watchexec|reflex",
        "",
        "-e -w -f -i -d -r -g -R --exts --watch --filter --ignore --debounce",
        0,
        Argv,
    ),
    w("sg", "", "", 1, Text),
];

/// Programs whose every non-option argument is shell text.
const TEXTS: [&str; 4] = ["eval", "watch", "hyperfine", "concurrently"];

/// Options that carry shell text: program, options by blanks.
static CARRIERS: &[(&str, &str)] = &[
    ("su runuser", "-c --command --session-command"),
    ("script", "-c --command"),
    ("flock lockf", "-c --command"),
    (
        "tar bsdtar gtar",
        "--to-command --checkpoint-action --use-compress-program -I --rsh-command --info-script -F",
    ),
    ("rsync", "-e --rsh --rsync-path"),
    ("scp sftp", "-S -o"),
    ("ssh", "-o"),
    ("sort", "--compress-program"),
    ("split", "--filter"),
    ("zip", "-TT --unzip-command"),
    ("man", "-P --pager -H"),
    (
        "git",
        "-c --upload-pack --receive-pack --exec -x --index-filter --tree-filter --msg-filter --env-filter --parent-filter --commit-filter --tag-name-filter --extcmd -O --open-files-in-pager",
    ),
    ("vim vi nvim view ex gvim rvim", "-c --cmd"),
    ("gdb lldb", "-ex --eval-command -o --one-line"),
    ("nodemon ts-node-dev", "--exec -x"),
    ("cargo", "-x -s"),
    ("vagrant", "-c --command"),
    ("gcloud", "--command"),
    ("fly flyctl", "-C --command"),
    ("aws", "--parameters"),
    ("az", "--scripts --command"),
    ("ansible", "-a --args"),
    ("mysql mariadb", "--pager"),
    ("npm pnpm yarn", "--script-shell -c --call"),
    ("npx", "-c --call"),
    ("fzf", "--preview --bind"),
    ("fd fdfind", "-x --exec -X --exec-batch"),
    ("start-stop-daemon", "-x --exec --startas -a"),
    ("complete compgen", "-C"),
    ("mapfile readarray", "-C"),
    ("bind", "-x"),
    ("tcpdump", "-z"),
    ("rg", "--pre"),
    ("mutt", "-e"),
    ("nmap", "--script-args"),
    ("systemd-run", "-p"),
    ("docker podman", "--entrypoint --health-cmd"),
    ("wget", "--use-askpass"),
    ("go", "-exec -toolexec"),
    ("xterm konsole urxvt rxvt lxterminal", "-e"),
    ("gnome-terminal", "-e --command"),
    ("nix-shell nix", "--run --command -c"),
    ("sg", "-c"),
    ("entr", "-s"),
    ("doppler", "--command"),
    ("cpio", "--rsh-command"),
    ("openvpn", "--up --down --route-up --tls-verify --ipchange"),
    ("lftp", "-c -e"),
    ("gcc g++ cc c89 c99 clang", "-wrapper"),
    ("expect", "-c"),
    ("screen", "-X"),
    ("hg chg", "--config"),
    ("sshfs", "-o"),
    ("pidstat", "-e"),
    ("ksu", "-e"),
    ("scrot", "-e"),
    ("enscript", "-I"),
    ("dhclient", "-sf"),
    ("logrotate", "-l"),
    ("msgfilter", "-P"),
    ("gem", "-e"),
    ("dc", "-e"),
    ("rpm rpmdb rpmquery rpmverify rpmbuild", "--eval -E --pipe"),
    ("busctl", "--address"),
    ("borg", "--rsh"),
    ("dmsetup", "--exec"),
    ("latexmk", "-pdflatex -latex -e"),
    ("crash", "-i"),
    ("check_by_ssh", "-o"),
    ("genie", "-c"),
];

fn names(list: &str, name: &str) -> bool {
    list.split('|').any(|n| n == name)
}

/// What the tables say of one program.
#[derive(Default)]
struct Known {
    wrappers: Vec<&'static Wrapper>,
    options: Vec<&'static str>,
}

/// The tables by program.
static KNOWN: LazyLock<HashMap<&str, Known>> = LazyLock::new(|| {
    let mut known: HashMap<&str, Known> = HashMap::new();
    for wrapper in WRAPPERS {
        for name in wrapper.names.split('|') {
            known.entry(name).or_default().wrappers.push(wrapper);
        }
    }
    for (programs, options) in CARRIERS {
        for name in programs.split(' ') {
            known.entry(name).or_default().options.push(options);
        }
    }
    known
});

/// The commands in the arguments of `program`, as far as tables know. `find`, `xargs`, shells and
/// `ssh` have forms of their own elsewhere.
pub(super) fn inner(program: &str, args: &[Value]) -> Vec<Inner> {
    let mut out = Vec::new();
    let known = KNOWN.get(program);
    for options in known.map_or(&[][..], |k| k.options.as_slice()) {
        carried(program, options, args, &mut out);
    }
    if TEXTS.contains(&program) {
        texts(program, args, &mut out);
        return out;
    }
    named(program, args, &mut out);
    for wrapper in known.map_or(&[][..], |k| k.wrappers.as_slice()) {
        let Some(start) = leading(wrapper, args) else {
            continue;
        };
        let rest = args.get(start..).unwrap_or_default();
        let before = out.len();
        behind(wrapper, program, rest, &mut out);
        if out.len() > before {
            break;
        }
    }
    out
}

/// Finds the subcommand words among the arguments, options before them skipped.
fn leading(wrapper: &Wrapper, args: &[Value]) -> Option<usize> {
    let mut i = 0_usize;
    if wrapper.words.is_empty() {
        return Some(0);
    }
    for word in wrapper.words.split(' ') {
        loop {
            let arg = args.get(i)?;
            i = i.saturating_add(1);
            let text = arg.text.as_str();
            if word == "*" || names(word, text) {
                break;
            }
            if !text.starts_with('-') {
                return None;
            }
            if !text.contains('=') && wrapper.valued.split(' ').any(|v| v == text) {
                i = i.saturating_add(1);
            }
        }
    }
    Some(i)
}

fn behind(wrapper: &Wrapper, program: &str, args: &[Value], out: &mut Vec<Inner>) {
    let mut i = 0_usize;
    let mut skip = wrapper.skip;
    if wrapper.form == Dashes {
        if let Some(at) = args.iter().position(|a| a.text == "--") {
            let rest = args.get(at.saturating_add(1)..).unwrap_or_default();
            if program == "capsh" {
                let mut argv = vec![Value::known("bash")];
                argv.extend(rest.iter().cloned());
                out.push(Inner::Argv(argv));
            } else if !rest.is_empty() {
                out.push(Inner::Argv(rest.to_vec()));
            }
        }
        return;
    }
    while let Some(arg) = args.get(i) {
        let text = arg.text.as_str();
        if text == "--" {
            i = i.saturating_add(1);
            if skip == 0
                || args.len().saturating_sub(i) <= skip
                || wrapper.skip == 1 && program != "chroot" && skip == 1 && is_container(program)
            {
                break;
            }
            continue;
        }
        if program == "env" && env_split(text).is_some() {
            let inline = env_split(text).unwrap_or_default();
            let mut value = Value {
                text: inline.to_owned(),
                ..arg.clone()
            };
            let mut rest = args.get(i.saturating_add(1)..).unwrap_or_default();
            if inline.is_empty()
                && let Some((first, tail)) = rest.split_first()
            {
                value = first.clone();
                rest = tail;
            }
            for more in rest {
                value.push(" ");
                value.push(&quote(&more.text));
            }
            out.push(Inner::Text(value));
            return;
        }
        if program == "env" && text == "-" {
            i = i.saturating_add(1);
            continue;
        }
        if text.starts_with('-') && text.len() > 1 {
            i = i.saturating_add(1);
            let exact = wrapper.valued.split(' ').any(|v| v == text);
            // `-u root` but `-uroot` and `--user=root` carry their value.
            let clustered = !exact
                && matches!(
                    program,
                    "screen" | "sudo" | "doas" | "docker" | "podman" | "kubectl" | "tmux"
                )
                && !text.starts_with("--")
                && cluster_takes_value(wrapper, text);
            if (exact && takes_value(program, text)) || clustered {
                i = i.saturating_add(1);
            }
            continue;
        }
        let assigns = matches!(program, "env" | "sudo" | "doas" | "run0" | "systemd-run");
        if assigns
            && text.split_once('=').is_some_and(|(n, _)| {
                !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
        {
            i = i.saturating_add(1);
            continue;
        }
        if skip > 0 {
            skip = skip.saturating_sub(1);
            i = i.saturating_add(1);
            // What follows the image is its entry point's.
            if skip == 0 && entrypoint(program, args).is_some() {
                break;
            }
            continue;
        }
        break;
    }
    let rest = args.get(i..).unwrap_or_default();
    if rest.is_empty() {
        return;
    }
    match wrapper.form {
        Text => {
            let mut text = Value::default();
            for (n, arg) in rest.iter().enumerate() {
                if n > 0 {
                    text.push(" ");
                }
                text.append(arg);
            }
            // Several arguments are quoted for the inner shell, one is shell text.
            out.push(Inner::Text(text));
        }
        _ => out.push(Inner::Argv(rest.to_vec())),
    }
}

/// Whether only the last letter of `-dmS` is an option with a value.
fn cluster_takes_value(wrapper: &Wrapper, text: &str) -> bool {
    let valued = |c: char| {
        wrapper
            .valued
            .split(' ')
            .any(|v| v.len() == 2 && v.ends_with(c))
    };
    let letters: Vec<char> = text.chars().skip(1).collect();
    match letters.split_last() {
        Some((last, before)) => valued(*last) && !before.iter().any(|c| valued(*c)),
        None => false,
    }
}

fn is_container(program: &str) -> bool {
    matches!(
        program,
        "kubectl"
            | "oc"
            | "k"
            | "lxc"
            | "incus"
            | "docker"
            | "podman"
            | "aws-vault"
            | "nerdctl"
            | "chamber"
    )
}

/// Options that have no value for some of the programs that share a row.
fn takes_value(program: &str, option: &str) -> bool {
    !matches!(
        (program, option),
        (
            "nohup"
                | "setsid"
                | "command"
                | "builtin"
                | "rlwrap"
                | "unbuffer"
                | "time"
                | "caffeinate"
                | "setarch"
                | "linux64"
                | "linux32",
            "-p" | "-c"
                | "-w"
                | "-d"
                | "-i"
                | "-s"
                | "-m"
                | "-u"
                | "-l"
                | "-a"
                | "-n"
                | "-r"
                | "-k"
        ) | ("exec", "-c" | "-l")
            | (
                "unshare",
                "-n" | "-p" | "-u" | "-i" | "-m" | "-r" | "-f" | "-c" | "-C" | "-T" | "-U"
            )
            | ("setsid", "-f")
            | ("clush", "-a")
            | ("ionice", "-t")
            | ("systemd-run", "-t" | "-d" | "-P" | "-S" | "-r" | "-q")
            | (
                "strace",
                "-f" | "-c"
                    | "-C"
                    | "-d"
                    | "-i"
                    | "-k"
                    | "-r"
                    | "-t"
                    | "-n"
                    | "-w"
                    | "-x"
                    | "-D"
                    | "-l"
            )
            | ("ltrace", "-f" | "-c" | "-C" | "-i" | "-r" | "-S" | "-t")
            | ("dotenv", "-c" | "-o")
            | (
                "setpriv" | "dumb-init" | "tini" | "fakeroot",
                "-c" | "-v" | "-u" | "-g"
            )
            | ("docker" | "podman" | "nerdctl" | "docker-compose", "-T")
            | ("entr", "-r" | "-c" | "-d" | "-p" | "-s" | "-n" | "-z")
            | ("xvfb-run", "-a" | "-l" | "-d")
            | ("screen", "")
            | ("script", "-k" | "-w" | "-s")
            | ("proot", "-0")
            | ("firejail", _)
            | (
                "flock" | "timeout" | "chroot" | "taskset" | "chrt",
                "-u" | "-D"
            )
            | ("env", "-i")
            | ("bun" | "pnpm" | "yarn" | "npm", "-p" | "-C")
            | ("watchexec", "-r")
            | ("retry" | "sshpass" | "ts", "-r" | "-w" | "-b" | "-0" | "-e")
    )
}

fn env_split(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("--split-string") {
        return Some(rest.trim_start_matches('='));
    }
    let rest = text.strip_prefix('-')?;
    if rest.starts_with('-') {
        return None;
    }
    let at = rest.find('S')?;
    rest.get(..at)?
        .bytes()
        .all(|b| b"iv0".contains(&b))
        .then(|| rest.get(at.saturating_add(1)..).unwrap_or_default())
}

/// Quotes an argument so that a shell reads it as one word.
pub(super) fn quote(text: &str) -> String {
    if !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./=:@,+%".contains(&b) || b >= 0x80)
    {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Guards take commands that they judge and do not run.
const GUARDS: [&str; 7] = [
    "dcg",
    "shellfirm",
    "cc-safety-net",
    "nah",
    "tirith",
    "egress-guard",
    "git",
];

/// Ends of the names of long options that hold a command, whatever the program.
const TELLING: [&str; 10] = [
    "exec", "command", "cmd", "rsh", "hook", "editor", "pager", "shell", "script", "complete",
];

/// What a long option of any program says that it runs: `--pre-hook 'rm -rf /srv'`.
fn named(program: &str, args: &[Value], out: &mut Vec<Inner>) {
    if GUARDS.contains(&program) {
        return;
    }
    for (i, arg) in args.iter().enumerate().take(64) {
        let Some(option) = arg.text.strip_prefix("--") else {
            continue;
        };
        let (name, inline) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if !TELLING.iter().any(|t| name.ends_with(t)) {
            continue;
        }
        let value = match inline {
            Some(value) => Value {
                text: value.to_owned(),
                ..arg.clone()
            },
            None => match args.get(i.saturating_add(1)) {
                Some(next) => next.clone(),
                None => continue,
            },
        };
        if value.text.contains(' ') {
            out.push(Inner::Loose(value));
        }
    }
}

fn texts(program: &str, args: &[Value], out: &mut Vec<Inner>) {
    let mut joined = Value::default();
    let mut i = 0_usize;
    let mut options = program != "eval";
    while let Some(arg) = args.get(i) {
        i = i.saturating_add(1);
        let text = arg.text.as_str();
        if options && text == "--" {
            options = false;
            continue;
        }
        if options && text.starts_with('-') {
            if matches!(
                text,
                "-n" | "--interval"
                    | "-p"
                    | "--prepare"
                    | "-w"
                    | "--warmup"
                    | "-r"
                    | "--runs"
                    | "-s"
                    | "--setup"
            ) {
                if matches!(text, "-p" | "--prepare" | "--setup" | "-s")
                    && program == "hyperfine"
                    && let Some(next) = args.get(i)
                {
                    out.push(Inner::Text(next.clone()));
                }
                i = i.saturating_add(1);
            }
            continue;
        }
        options = options && program != "watch";
        if program == "hyperfine" || program == "concurrently" {
            out.push(Inner::Text(arg.clone()));
            continue;
        }
        if !joined.text.is_empty() {
            joined.push(" ");
        }
        joined.append(arg);
    }
    if !joined.text.is_empty() {
        out.push(Inner::Text(joined));
    }
}

fn carried(program: &str, options: &str, args: &[Value], out: &mut Vec<Inner>) {
    for (i, arg) in args.iter().enumerate().take(256) {
        let text = arg.text.as_str();
        for option in options.split(' ').filter(|o| !o.is_empty()) {
            let clustered = option.len() == 2
                && matches!(
                    program,
                    "ex" | "vim" | "vi" | "su" | "runuser" | "script" | "nvim"
                )
                && text.len() <= 4
                && text.starts_with('-')
                && text.ends_with(option.trim_start_matches('-'))
                || option == "-I"
                    && text.len() <= 6
                    && text.ends_with('I')
                    && text.starts_with('-')
                    && !text.starts_with("--");
            let value = if text == option || clustered {
                args.get(i.saturating_add(1)).cloned()
            } else {
                text.strip_prefix(option)
                    .and_then(|rest| {
                        rest.strip_prefix('=').or_else(|| {
                            (!option.starts_with("--")
                                && !rest.is_empty()
                                && option.len() == 2
                                && program != "find")
                                .then_some(rest)
                        })
                    })
                    .map(|rest| Value {
                        text: rest.to_owned(),
                        ..arg.clone()
                    })
            };
            if let Some(value) = value.and_then(|v| unpack(program, option, v)) {
                out.push(Inner::Text(value));
            }
        }
        // `-voProxyCommand=…`: the letter closes a cluster.
        if options.split(' ').any(|o| o == "-o")
            && text.starts_with('-')
            && !text.starts_with("-o")
            && let Some(at) = text
                .to_ascii_lowercase()
                .find("oproxycommand")
                .map(|at| at.saturating_add(1))
            && let Some(rest) = text.get(at..)
        {
            out.extend(unpack(program, "-o", Value::known(rest)).map(Inner::Text));
        }
        if program == "git" && text.starts_with("ext::") {
            let command = text
                .trim_start_matches("ext::")
                .replace("% ", "\\ ")
                .replace("%S", "");
            out.push(Inner::Text(Value::known(command)));
        }
    }
}

/// What `docker run --entrypoint` puts before the arguments.
pub(super) fn entrypoint(program: &str, args: &[Value]) -> Option<Value> {
    if !matches!(program, "docker" | "podman" | "nerdctl" | "finch") {
        return None;
    }
    args.iter().enumerate().take(64).find_map(|(i, arg)| {
        let value = match arg.text.strip_prefix("--entrypoint")? {
            "" => args.get(i.saturating_add(1)).cloned()?,
            inline => Value {
                text: inline.strip_prefix('=')?.to_owned(),
                ..arg.clone()
            },
        };
        (!value.text.is_empty()).then_some(value)
    })
}

/// The shell text within an option's value, where it has a form of its own.
fn unpack(program: &str, option: &str, value: Value) -> Option<Value> {
    let text = value.text.as_str();
    let keep = |t: &str| {
        Some(Value {
            text: t.to_owned(),
            ..value.clone()
        })
    };
    match program {
        "git" if option == "-c" => {
            let (key, command) = text.split_once('=')?;
            let key = key.to_ascii_lowercase();
            if let Some(alias) = key.strip_prefix("alias.") {
                let _ = alias;
                return match command.strip_prefix('!') {
                    Some(shell) => keep(shell),
                    None => keep(&format!("git {command}")),
                };
            }
            let runs = [
                "sshcommand",
                "editor",
                "pager",
                "hookspath",
                "fsmonitor",
                "askpass",
                "helper",
                ".cmd",
                "textconv",
                "driver",
                "clean",
                "smudge",
                "program",
                "uploadpack",
                "receivepack",
                "proxycommand",
                "gitproxy",
                "external",
                "command",
            ];
            if runs.iter().any(|r| key.ends_with(r)) && !key.ends_with("hookspath") {
                return keep(command.trim_start_matches('!'));
            }
            None
        }
        "git" if option == "-O" || option == "-x" || option == "--exec" => keep(text),
        "tar" | "bsdtar" | "gtar" if option == "--checkpoint-action" => {
            text.strip_prefix("exec=").and_then(keep)
        }
        "ssh" | "scp" | "sftp" if option == "-o" => {
            let lower = text.to_ascii_lowercase();
            let is = ["proxycommand", "localcommand", "knownhostscommand"]
                .iter()
                .any(|k| lower.starts_with(k));
            let at = text.find(['=', ' '])?;
            if is {
                keep(text.get(at.saturating_add(1)..)?)
            } else {
                None
            }
        }
        "vim" | "vi" | "nvim" | "view" | "ex" | "gvim" | "rvim" => {
            let at = text.find('!')?;
            let head = text.get(..at)?;
            let address = head
                .chars()
                .all(|c| matches!(c, ':' | '%' | ',' | '$' | ' ') || c.is_ascii_alphanumeric());
            if address {
                keep(text.get(at.saturating_add(1)..)?)
            } else {
                None
            }
        }
        "gdb" | "lldb" => text
            .strip_prefix("shell ")
            .or_else(|| text.strip_prefix('!'))
            .or_else(|| text.strip_prefix("platform shell "))
            .and_then(keep),
        "aws" | "az" => {
            let command = text.find("commands=").map_or(text, |at| {
                text.get(at.saturating_add(9)..).unwrap_or_default()
            });
            keep(command.trim_matches(|c| matches!(c, '[' | ']' | '"' | '\'' | '{' | '}')))
        }
        "bind" => {
            let at = text.find(':')?;
            keep(
                text.get(at.saturating_add(1)..)?
                    .trim_matches(['"', '\'', ' ']),
            )
        }
        "fzf" if option == "--bind" => text
            .find("execute(")
            .and_then(|at| keep(text.get(at.saturating_add(8)..)?.trim_end_matches(')'))),
        // It gets the number and the text of a line.
        "mapfile" | "readarray" => keep(&format!("{text} {HOLE}")),
        "gcc" | "g++" | "cc" | "c89" | "c99" | "clang" => {
            let argv: Vec<String> = text.split(',').map(quote).collect();
            keep(&argv.join(" "))
        }
        "expect" => keep(
            text.trim_start()
                .trim_start_matches("spawn ")
                .trim_start_matches("exec "),
        ),
        "lftp" | "dc" => text.trim_start().strip_prefix('!').and_then(keep),
        "hg" | "chg" => {
            let (key, command) = text.split_once('=')?;
            let hook = key.starts_with("hooks.") || key.starts_with("ui.ssh");
            let command = command.trim_start();
            match command.strip_prefix('!') {
                Some(shell) => keep(shell),
                None if hook => keep(command),
                None => None,
            }
        }
        "sshfs" => text
            .split(',')
            .find_map(|o| o.strip_prefix("ssh_command="))
            .and_then(keep),
        "check_by_ssh" => {
            let lower = text.to_ascii_lowercase();
            lower
                .starts_with("proxycommand")
                .then(|| text.get("proxycommand".len().saturating_add(1)..))
                .flatten()
                .and_then(keep)
        }
        "rpm" | "rpmdb" | "rpmquery" | "rpmverify" | "rpmbuild" if option != "--pipe" => {
            let at = text.find("%(")?;
            keep(text.get(at.saturating_add(2)..)?.trim_end_matches(')'))
        }
        "busctl" => {
            let path = text.split("path=").nth(1)?;
            let argv: Vec<&str> = path
                .split(',')
                .map(|a| a.split_once('=').map_or(a, |(_, v)| v))
                .collect();
            keep(&argv.join(" "))
        }
        "screen" if text == "stuff" => None,
        "cargo" if option == "-x" => keep(&format!("cargo {text}")),
        "ansible" => keep(text),
        "docker" | "podman" if option == "--entrypoint" => None,
        "rsync" if option == "-e" || option == "--rsh" || option == "--rsync-path" => {
            if text.contains(' ') || text.contains('/') {
                keep(text)
            } else {
                None
            }
        }
        "npm" | "pnpm" | "yarn" if option == "-c" => keep(text),
        _ => keep(text),
    }
}
