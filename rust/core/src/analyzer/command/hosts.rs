//! Hosts that a command speaks to: what it sends there, or asks of it.

use super::{shell::Shell, value::Value};
use crate::{analyzer::Scope, route::Flow};

/// Most arguments that are read as addresses.
const MOST: usize = 32;

/// Whether the options of an HTTP client send something.
fn sends(program: &str, args: &[Value]) -> bool {
    let option = |a: &Value| {
        let text = a.text.as_str();
        match program {
            "curl" => {
                ["--data", "--form", "--json", "--upload-file", "--url-query"]
                    .iter()
                    .any(|o| text.starts_with(o))
                    || text.starts_with('-')
                        && !text.starts_with("--")
                        && text.get(1..).is_some_and(|t| {
                            let flags = t.split(['o', 'H', 'u', 'A', 'b', 'e', 'x', 'w', 'm', 'X']);
                            flags
                                .into_iter()
                                .next()
                                .is_some_and(|f| f.contains(['d', 'F', 'T']))
                        })
            }
            _ => {
                text.starts_with("--post")
                    || text.starts_with("--body")
                    || text.eq_ignore_ascii_case("-body")
                    || text.eq_ignore_ascii_case("-infile")
            }
        }
    };
    let method = args.iter().any(|a| {
        matches!(
            a.text
                .trim_start_matches("-X")
                .to_ascii_uppercase()
                .as_str(),
            "POST" | "PUT" | "PATCH"
        ) || a.text.to_ascii_uppercase().starts_with("--REQUEST=P")
    });
    method || args.iter().any(option)
}

/// Reports the hosts by which way data goes.
pub(super) fn spoken_to(shell: &Shell<'_>, program: &str, args: &[Value], scope: &mut Scope<'_>) {
    let flow = match program {
        "curl" | "wget" | "wget2" | "http" | "https" | "xh" | "xhs" | "httpie" | "curlie"
        | "iwr" | "irm" | "invoke-webrequest" | "invoke-restmethod" | "aria2c" | "lynx" | "w3m"
        | "fetch" | "start-bitstransfer" => {
            if sends(program, args) {
                Flow::Send
            } else {
                Flow::Fetch
            }
        }
        "nc" | "ncat" | "netcat" | "telnet" | "socat" | "websocat" | "scp" | "sftp" | "rsync"
        | "ftp" | "lftp" | "dig" | "nslookup" | "host" | "ping" | "drill" => Flow::Send,
        _ => return,
    };
    let analyzer = &scope.analyzers.destination;
    let mut skip = false;
    for arg in args.iter().take(MOST) {
        let text = arg.text.as_str();
        let value = std::mem::replace(
            &mut skip,
            matches!(
                text,
                "-d" | "--data"
                    | "--data-raw"
                    | "--data-binary"
                    | "-H"
                    | "--header"
                    | "-F"
                    | "-A"
                    | "-e"
                    | "-o"
                    | "-O"
                    | "-w"
                    | "-u"
                    | "-X"
                    | "--json"
                    | "--form"
                    | "-b"
                    | "-c"
                    | "--user-agent"
                    | "--referer"
                    | "--post-data"
                    | "-x"
                    | "--proxy"
                    | "--resolve"
            ),
        );
        if value || text.starts_with('-') || !text.contains(['.', ':']) {
            continue;
        }
        let text = text.replace(super::value::HOLE, "x");
        for mut destination in analyzer.hosts(&text).into_iter().take(1) {
            destination.span = shell.span;
            analyzer.report_flow(&destination, flow, scope);
        }
    }
}
