//! Where data would go: hosts out of URLs and bare names.

mod address;
mod url;

use super::Scope;
use crate::{
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind, typed},
    guard::Settings,
    policy::category::matches,
    route::Flow,
    span::Span,
};
use address::Network;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::HashMap, net::IpAddr};

/// Most hosts that are read out of one text.
const MOST: usize = 1_000;
/// Labels of a host that are looked up, from the right.
const LABELS: usize = 32;

/// The compiled host detectors.
#[derive(Debug, Default)]
pub struct DestinationAnalyzer {
    entries: Vec<Entry>,
    /// Entries by a host that they name.
    hosts: HashMap<String, Vec<(usize, Reach)>>,
    networks: Vec<(Network, usize)>,
    /// Globs of the configuration.
    internal: Vec<String>,
    blocked: Vec<String>,
}

/// A host named in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Lower case, IDN in ASCII form, no trailing dot, addresses in canonical form.
    pub host: String,
    /// Scheme in lower case; empty for a bare host.
    pub scheme: String,
    /// Port, if named.
    pub port: Option<u16>,
    /// Path and query, as written.
    pub path: String,
    /// Where it stands in the text.
    pub span: Span,
    /// Data goes to it; otherwise it comes from there.
    pub sends: bool,
}

/// What of a host's names an entry covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The host and all below it.
    All,
    /// Only what is below it: `*.x`.
    Below,
    /// Only the host: `=x`.
    Itself,
}

/// The form of `match` and `unless`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    /// `x.example`: it and all below; `*.x.example`: all below; `=x.example`: only it.
    hosts: Vec<String>,
    /// Address blocks: `10.0.0.0/8`.
    networks: Vec<String>,
    /// Globs over the path without its query; empty means any.
    paths: Vec<String>,
    /// Which way data goes.
    when: When,
    /// Hosts that the configuration names.
    configured: Configured,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum When {
    /// Data goes to the host.
    #[default]
    Send,
    /// Data comes from the host, and the request carries none.
    Fetch,
    /// Data goes to the host, if only in the query of a request that fetches.
    Query,
    /// The host is spoken to.
    Any,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Configured {
    #[default]
    None,
    InternalDomains,
    BlockedDomains,
}

#[derive(Debug)]
struct Entry {
    detector: DetectorId,
    when: When,
    paths: Vec<String>,
    unless_paths: Vec<String>,
    unless_hosts: Vec<String>,
    configured: Configured,
}

impl DestinationAnalyzer {
    /// Compiles the entries of kind `destination`.
    ///
    /// # Errors
    /// [`CatalogError`] naming the entry that does not fit.
    pub fn new(catalog: &Catalog, settings: &Settings) -> Result<Self, CatalogError> {
        let mut analyzer = Self {
            internal: settings.internal_domains.clone(),
            blocked: settings.blocked_domains.clone(),
            ..Self::default()
        };
        for (detector, source) in catalog.iter() {
            if source.kind != DetectorKind::Destination {
                continue;
            }
            analyzer
                .add(detector, &source.matcher, &source.unless)
                .map_err(|message| CatalogError::Syntax {
                    file: source.file.clone(),
                    message: format!("detector \"{}\": {message}", source.id),
                })?;
        }
        Ok(analyzer)
    }

    fn add(&mut self, detector: DetectorId, matcher: &Value, unless: &Value) -> Result<(), String> {
        let source: Source = typed(matcher)?;
        let exception: Source = if unless.is_null() {
            Source::default()
        } else {
            typed(unless)?
        };
        if source.hosts.is_empty() && source.networks.is_empty() {
            return Err("match names neither hosts nor networks".into());
        }
        let index = self.entries.len();
        for written in &source.hosts {
            let (host, reach) = if let Some(rest) = written.strip_prefix("*.") {
                (rest, Reach::Below)
            } else if let Some(rest) = written.strip_prefix('=') {
                (rest, Reach::Itself)
            } else {
                (written.as_str(), Reach::All)
            };
            if url::canonical_host(host).as_deref() != Some(host) {
                return Err(format!("host {written:?} is not in canonical form"));
            }
            self.hosts
                .entry(host.into())
                .or_default()
                .push((index, reach));
        }
        for written in &source.networks {
            let network = Network::parse(written)
                .ok_or_else(|| format!("{written:?} is not an address block"))?;
            self.networks.push((network, index));
        }
        self.entries.push(Entry {
            detector,
            when: source.when,
            paths: source.paths,
            unless_paths: exception.paths,
            unless_hosts: exception.hosts,
            configured: source.configured,
        });
        Ok(())
    }

    /// The hosts named in `text`, at most 1,000. A URL inside of another URL is not one of them.
    #[must_use]
    pub fn hosts(&self, text: &str) -> Vec<Destination> {
        url::tokens(text)
            .filter_map(|(token, at)| url::read(token, at, true))
            .take(MOST)
            .collect()
    }

    /// The hosts that a command line speaks to by URL.
    #[must_use]
    pub fn of_command(&self, text: &str) -> Vec<Destination> {
        const CLIENTS: [&str; 12] = [
            "curl", "wget", "http ", "https ", "xh ", "iwr", "irm", "invoke-", "httpie", "aria2c",
            "lftp", "git ",
        ];
        const SENDING: [&str; 14] = [
            " -d",
            " --data",
            " -F",
            " --form",
            " -T",
            " --upload",
            "POST",
            "PUT",
            "PATCH",
            "--post",
            "--body",
            "-Body",
            "-InFile",
            " push",
        ];
        if !text.contains("://") || !CLIENTS.iter().any(|client| text.contains(client)) {
            return Vec::new();
        }
        let sends = SENDING.iter().any(|mark| text.contains(mark));
        url::tokens(text)
            .filter(|(token, _)| token.contains("://"))
            .filter_map(|(token, at)| url::read(token, at, false))
            .map(|destination| Destination {
                sends,
                ..destination
            })
            .take(MOST)
            .collect()
    }

    /// Whether the host belongs to the organisation, by `internal_domains`.
    #[must_use]
    pub fn is_internal(&self, host: &str) -> bool {
        self.internal.iter().any(|glob| matches(glob, host))
    }

    /// Reports the host's detectors (`paste_bin`, `file_sharing`, …), as data goes there.
    pub fn report(&self, destination: &Destination, scope: &mut Scope<'_>) {
        self.report_flow(destination, Flow::Send, scope);
    }

    /// Reports the host's detectors by which way data goes.
    pub fn report_flow(&self, destination: &Destination, flow: Flow, scope: &mut Scope<'_>) {
        let host = destination.host.as_str();
        let internal = self.is_internal(host);
        let blocked = self.blocked.iter().any(|glob| matches(glob, host));
        if internal || blocked {
            for entry in &self.entries {
                let configured = entry.configured == Configured::InternalDomains && internal
                    || entry.configured == Configured::BlockedDomains && blocked;
                if configured {
                    scope.report(entry.detector, destination.span, None);
                }
            }
        }
        let mut report = |index: usize| {
            if let Some(entry) = self.entries.get(index)
                && entry.covers(destination, flow)
                // What the organisation calls its own may be sent to.
                && !(internal && matches!(entry.when, When::Send | When::Query))
            {
                scope.report(entry.detector, destination.span, None);
            }
        };
        let mut name = host;
        for _ in 0..LABELS {
            for (index, reach) in self.hosts.get(name).into_iter().flatten() {
                let whole = name.len() == host.len();
                let covered = match reach {
                    Reach::All => true,
                    Reach::Below => !whole,
                    Reach::Itself => whole,
                };
                if covered {
                    report(*index);
                }
            }
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        if let Some(address) = address::of_host(host) {
            for (network, index) in &self.networks {
                if network.holds(address) {
                    report(*index);
                }
            }
        }
    }
}

impl Entry {
    fn covers(&self, destination: &Destination, flow: Flow) -> bool {
        let path = destination.path.as_str();
        let way = match self.when {
            When::Any => true,
            When::Send => flow == Flow::Send,
            When::Fetch => flow == Flow::Fetch && !url::carries_data(path),
            When::Query => flow == Flow::Send || url::carries_data(path),
        };
        let path = path.split(['?', '#']).next().unwrap_or(path);
        way && (self.paths.is_empty() || self.paths.iter().any(|glob| matches(glob, path)))
            && !self.unless_paths.iter().any(|glob| matches(glob, path))
            && !self.unless_hosts.iter().any(|h| h == &destination.host)
    }
}

/// The address that a host is, or that its name spells.
#[must_use]
pub fn address(host: &str) -> Option<IpAddr> {
    address::of_host(host)
}

#[cfg(test)]
mod tests;
