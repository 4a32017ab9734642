//! Who may call: host names and browser origins. Stops DNS rebinding and cross-site requests.

use crate::config::Config;
use http::{HeaderMap, StatusCode, Uri, header};
use std::net::IpAddr;

/// The names that clients may use.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Host names in lower case, with or without port.
    hosts: Vec<String>,
    /// Origins in lower case.
    origins: Vec<String>,
}

impl Doors {
    pub(crate) fn new(config: &Config) -> Self {
        let mut hosts: Vec<String> = config
            .allowed_hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        let mut origins: Vec<String> = config
            .allowed_origins
            .iter()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
            .collect();
        if !config.listen_ip().is_some_and(|ip| ip.is_unspecified()) {
            hosts.push(config.listen_host.to_ascii_lowercase());
        }
        if let Some(uri) = config
            .public_url
            .as_ref()
            .and_then(|u| u.parse::<Uri>().ok())
            && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        {
            hosts.push(authority.as_str().to_ascii_lowercase());
            origins.push(format!("{scheme}://{authority}").to_ascii_lowercase());
        }
        Self { hosts, origins }
    }

    /// Checks `Host` (and the target's own authority) and `Origin`.
    ///
    /// # Errors
    /// 400 for a host that is missing or written twice, 403 for one that is not ours.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        local: IpAddr,
    ) -> Result<(), (StatusCode, &'static str)> {
        let mut all = headers.get_all(header::HOST).iter();
        let host = match (all.next(), all.next()) {
            (Some(host), None) => host.to_str().unwrap_or(""),
            (None, _) if uri.authority().is_some() => "",
            _ => return Err((StatusCode::BAD_REQUEST, "exactly one Host header is needed")),
        };
        let target = uri.authority().map(http::uri::Authority::as_str);
        for authority in [
            Some(host).filter(|h| !h.is_empty() || target.is_none()),
            target,
        ]
        .into_iter()
        .flatten()
        {
            if !self.is_own(authority, local) {
                return Err((StatusCode::FORBIDDEN, "Host is not allowed"));
            }
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("null").to_ascii_lowercase();
            if !self.is_friendly(&origin, local) {
                return Err((StatusCode::FORBIDDEN, "Origin is not allowed"));
            }
        }
        Ok(())
    }

    fn is_own(&self, authority: &str, local: IpAddr) -> bool {
        let authority = authority.to_ascii_lowercase();
        let Some(host) = host_of(&authority) else {
            return false;
        };
        // An address in place of a name cannot be rebound.
        is_loopback(host)
            || host.trim_matches(['[', ']']).parse() == Ok(local)
            || self
                .hosts
                .iter()
                .any(|own| own == "*" || *own == authority || own == host)
    }

    fn is_friendly(&self, origin: &str, local: IpAddr) -> bool {
        if self.origins.iter().any(|own| own == "*" || own == origin) {
            return true;
        }
        let Some(authority) = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
        else {
            return false;
        };
        host_of(authority).is_some_and(|host| {
            is_loopback(host) || host.trim_matches(['[', ']']).parse() == Ok(local)
        })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`; `None` for anything else.
fn host_of(authority: &str) -> Option<&str> {
    let (host, rest) = if authority.starts_with('[') {
        let end = authority.find(']')?.checked_add(1)?;
        authority.split_at_checked(end)?
    } else {
        authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?
    };
    let port = rest.is_empty()
        || rest
            .strip_prefix(':')
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    (port && !host.is_empty() && !host.contains(['@', '/', ' '])).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, origin: Option<&str>) -> u16 {
        let config = Config::from_json(
            r#"{"listen_port":1,"upstreams":[{"paths":["/mcp"],"url":"http://x/"}],
                "allowed_hosts":["guard.internal","fixed:9000"],"allowed_origins":["https://app.example"],
                "public_url":"https://mcp.example/mcp"}"#,
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        Doors::new(&config)
            .check(
                &"/mcp".parse().unwrap(),
                &headers,
                "10.0.0.9".parse().unwrap(),
            )
            .map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn own_names_are_open() {
        for host in [
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "LOCALHOST",
            "guard.internal:81",
            "fixed:9000",
            "mcp.example",
            "10.0.0.9:8080",
        ] {
            assert_eq!(status(host, None), 200, "{host}");
        }
    }

    #[test]
    fn foreign_names_are_closed() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "fixed:9001",
            "10.0.0.8",
            "x@localhost",
            "localhost:evil",
            "[::1",
            "",
        ] {
            assert_eq!(status(host, None), 403, "{host}");
        }
    }

    #[test]
    fn origins_of_other_sites_are_closed() {
        for (origin, expected) in [
            ("http://localhost:6274", 200),
            ("https://app.example", 200),
            ("https://mcp.example", 200),
            ("null", 403),
            ("https://evil.example", 403),
            ("http://localhost.evil.example", 403),
            ("https://app.example.evil", 403),
            ("file://localhost", 403),
        ] {
            assert_eq!(status("localhost", Some(origin)), expected, "{origin}");
        }
    }
}
