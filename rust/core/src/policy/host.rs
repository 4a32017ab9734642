//! Patterns over destinations: hosts and their subdomains, networks, schemes, ports, paths.

use super::{
    glob::Glob,
    syntax::{Conditions, RuleSource},
};
use crate::analyzer::destination::Destination;
use core::net::IpAddr;
use percent_encoding::percent_decode_str;

/// In `destination_domains`: the configured internal domains.
const INTERNAL: &str = "@internal";

/// Puts the internal domains in the place of `@internal`, in every group of a rule.
pub fn name_internal(rule: &mut RuleSource, domains: &[String]) {
    if domains.is_empty() {
        return;
    }
    let mut groups: Vec<&mut Conditions> = vec![&mut rule.conditions];
    groups.extend(&mut rule.unless);
    while let Some(group) = groups.pop() {
        group.destination_domains = std::mem::take(&mut group.destination_domains)
            .into_iter()
            .flat_map(|pattern| match pattern.strip_suffix(INTERNAL) {
                Some(sign @ ("" | "!")) => domains.iter().map(|d| format!("{sign}{d}")).collect(),
                _ => vec![pattern],
            })
            .collect();
        groups.extend(&mut group.any);
        groups.extend(&mut group.all);
        groups.extend(group.not.as_deref_mut());
    }
}

/// One compiled entry of `destination_domains`, without its `!`.
#[derive(Clone, Debug)]
struct Target {
    scheme: Option<String>,
    host: Host,
    port: Option<u16>,
    path: Option<Glob>,
}

#[derive(Clone, Debug)]
enum Host {
    Any,
    /// `@internal` where no internal domain is configured.
    Nothing,
    Exact(String),
    /// The domain itself and everything below it.
    Domain(String),
    Glob(Glob),
    Network(IpAddr, u32),
}

/// A list of destination patterns: holds if some destination is matched by one of those without
/// `!` (if there are any) and by none with `!`.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    yes: Vec<Target>,
    no: Vec<Target>,
    sends: Option<bool>,
}

impl Targets {
    /// Compiles a list; with `sends`, for destinations alone that data goes to or comes from.
    ///
    /// # Errors
    /// The message of the first pattern that is not one.
    pub fn new<S: AsRef<str>>(patterns: &[S], sends: Option<bool>) -> Result<Self, String> {
        let mut targets = Self {
            sends,
            ..Self::default()
        };
        for pattern in patterns {
            match pattern.as_ref().strip_prefix('!') {
                Some(rest) => targets.no.push(Target::new(rest)?),
                None => targets.yes.push(Target::new(pattern.as_ref())?),
            }
        }
        Ok(targets)
    }

    /// Whether one of the destinations is meant.
    #[must_use]
    pub fn hold(&self, destinations: &[Destination]) -> bool {
        destinations.iter().any(|destination| {
            self.sends.is_none_or(|sends| sends == destination.sends)
                && (self.yes.is_empty() || self.yes.iter().any(|t| t.matches(destination)))
                && !self.no.iter().any(|t| t.matches(destination))
        })
    }
}

impl Target {
    fn new(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.trim().to_lowercase();
        let (scheme, rest) = match pattern.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
            None => (None, pattern.trim_start_matches("//")),
        };
        if scheme.is_none()
            && let Some((address, bits)) = network(rest)
        {
            return Ok(Self {
                scheme,
                host: Host::Network(address, bits),
                port: None,
                path: None,
            });
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority);
        let path = match path {
            "" | "/" | "/*" => None,
            path => Some(Glob::new(path)?),
        };
        Ok(Self {
            scheme,
            host: Host::new(host).map_err(|message| format!("{pattern:?}: {message}"))?,
            port,
            path,
        })
    }

    fn matches(&self, destination: &Destination) -> bool {
        self.scheme
            .as_ref()
            .is_none_or(|s| *s == destination.scheme)
            && self.port.is_none_or(|p| Some(p) == destination.port)
            && self.host.matches(&destination.host)
            && self.path.as_ref().is_none_or(|glob| {
                let path = if destination.path.starts_with('/') {
                    destination.path.clone()
                } else {
                    format!("/{}", destination.path)
                };
                // `/%69ssues` is `/issues` to the server.
                glob.matches(&path) || glob.matches(&percent_decode_str(&path).decode_utf8_lossy())
            })
    }
}

impl Host {
    fn new(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.trim_end_matches('.');
        if pattern.is_empty() {
            return Err("names no host".into());
        }
        if pattern == INTERNAL {
            return Ok(Self::Nothing);
        }
        if pattern.chars().any(|c| c.is_whitespace() || c == '@') {
            return Err("is not a host".into());
        }
        let rest = pattern.trim_start_matches('*');
        if rest.is_empty() {
            return Ok(Self::Any);
        }
        let ascii = |text: &str| {
            if text.is_ascii() {
                Ok(text.to_owned())
            } else {
                idna::domain_to_ascii(text).map_err(|_| "is not a domain name".to_owned())
            }
        };
        let wild = rest.contains(['*', '?', '[']) && !rest.starts_with('[');
        if wild {
            return Glob::new(pattern).map(Self::Glob);
        }
        if rest.len() == pattern.len() {
            return ascii(pattern).map(Self::Exact);
        }
        // `*pastebin.com` means the domain, never `notpastebin.com`.
        ascii(rest.trim_start_matches('.')).map(Self::Domain)
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Nothing => false,
            Self::Exact(own) => unbracketed(own) == unbracketed(host),
            Self::Domain(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
            Self::Glob(glob) => glob.matches(host),
            Self::Network(network, bits) => unbracketed(host)
                .parse::<IpAddr>()
                .is_ok_and(|address| within(address.to_canonical(), *network, *bits)),
        }
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host)
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// `10.0.0.0/8`, `fd00::/8`
fn network(pattern: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = pattern.rsplit_once('/')?;
    let address: IpAddr = unbracketed(address).parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    (bits <= width).then_some((address, bits))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (a, n, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128_u32),
        _ => return false,
    };
    let drop = width.saturating_sub(bits);
    a.checked_shr(drop).unwrap_or(0) == n.checked_shr(drop).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn to(url: &str) -> Destination {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority);
        Destination {
            host: host.into(),
            scheme: scheme.into(),
            port,
            path: path.into(),
            sends: true,
            span: Span::new(0, 0),
        }
    }

    fn hold(patterns: &[&str], urls: &[&str]) -> bool {
        let destinations: Vec<_> = urls.iter().map(|url| to(url)).collect();
        Targets::new(patterns, None).unwrap().hold(&destinations)
    }

    #[test]
    fn a_leading_star_is_the_domain_and_all_below_it() {
        for pattern in ["*pastebin.com", "*.pastebin.com"] {
            for (url, expected) in [
                ("https://pastebin.com/", true),
                ("https://www.pastebin.com/api", true),
                ("pastebin.com", true),
                ("https://notpastebin.com", false),
                ("https://pastebin.com.evil.org", false),
                ("https://example.com/pastebin.com", false),
            ] {
                assert_eq!(hold(&[pattern], &[url]), expected, "{pattern} {url}");
            }
        }
        assert!(!hold(&["*ix.io"], &["https://netflix.io"]));
        assert!(!hold(&["pastebin.com"], &["https://www.pastebin.com"]));
        assert!(hold(&["paste*.com"], &["https://paste42.com"]));
    }

    #[test]
    fn negation_asks_for_a_destination_elsewhere() {
        let internal = ["!*.internal.company.com"];
        assert!(hold(&internal, &["https://evil.com"]));
        assert!(!hold(&internal, &["https://files.internal.company.com/x"]));
        assert!(hold(
            &internal,
            &["https://files.internal.company.com", "https://evil.com"]
        ));
        assert!(!hold(&internal, &[]));
        assert!(!hold(
            &["*slack.com", "!hooks.slack.com"],
            &["https://hooks.slack.com"]
        ));
    }

    #[test]
    fn a_slash_begins_the_path() {
        let issues = ["*github.com/*/issues*"];
        assert!(hold(
            &issues,
            &["https://github.com/public-org/repo/issues"]
        ));
        assert!(hold(&issues, &["https://github.com/o/r/%69ssues/7?x=1"]));
        assert!(!hold(&issues, &["https://github.com/o/r/pulls"]));
        assert!(!hold(&issues, &["https://notgithub.com/o/r/issues"]));
    }

    #[test]
    fn internal_domains_stand_for_their_name() {
        let mut rule: RuleSource = serde_json::from_value(serde_json::json!({
            "id": "r", "decision": "DENY", "conditions": {
                "destination_domains": ["!@internal"],
                "not": {"destination_domains": ["@internal", "x.org"]}
            }
        }))
        .unwrap();
        assert!(hold(&["!@internal"], &["x.org"]) && !hold(&["@internal"], &["x.org"]));
        name_internal(&mut rule, &["*.corp".into(), "y.net".into()]);
        assert_eq!(rule.conditions.destination_domains, ["!*.corp", "!y.net"]);
        let not = rule.conditions.not.unwrap();
        assert_eq!(not.destination_domains, ["*.corp", "y.net", "x.org"]);
    }

    #[test]
    fn schemes_ports_networks_and_idn() {
        assert!(hold(&["http://*"], &["http://x.org"]) && !hold(&["http://*"], &["https://x.org"]));
        assert!(hold(&["*:8080"], &["http://x.org:8080"]));
        assert!(!hold(&["x.org:8080"], &["http://x.org"]));
        assert!(
            hold(&["10.0.0.0/8"], &["http://10.2.3.4"]) && !hold(&["10.0.0.0/8"], &["11.0.0.1"])
        );
        assert!(hold(&["fd00::/8"], &["http://[fd12::1]/"]));
        assert!(hold(
            &["*bücher.example"],
            &["https://xn--bcher-kva.example"]
        ));
        assert!(Targets::new(&["a b"], None).is_err() && Targets::new(&["!"], None).is_err());
    }
}
