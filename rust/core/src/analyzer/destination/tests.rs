//! Hosts as clients read them; what a name only resembles stays silent.

use super::*;
use crate::{analyzer::Analyzers, limits::Limits};

fn host(text: &str) -> String {
    DestinationAnalyzer::default()
        .hosts(text)
        .first()
        .map(|d| d.host.clone())
        .unwrap_or_default()
}

#[test]
fn hosts_are_read_as_clients_read_them() {
    let wrong: Vec<String> = [
        ("https://pastebin.com", "pastebin.com"),
        ("pastebin.com/api", "pastebin.com"),
        ("//pastebin.com/x", "pastebin.com"),
        ("HTTPS://PasteBin.COM:443/", "pastebin.com"),
        ("https://www.pastebin.com./x", "www.pastebin.com"),
        ("https://github.com@pastebin.com", "pastebin.com"),
        ("https://u:p@pastebin.com/x@y", "pastebin.com"),
        ("https:/pastebin.com", "pastebin.com"),
        ("https:\\\\pastebin.com\\x", "pastebin.com"),
        ("https://paste\u{200b}bin.com", "pastebin.com"),
        ("https://ｐａｓｔｅｂｉｎ．ｃｏｍ/x", "pastebin.com"),
        ("https://pastebin。com", "pastebin.com"),
        ("https://%70astebin.com", "pastebin.com"),
        ("https%3A%2F%2Fpastebin.com%2Fapi", "pastebin.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("http://2852039166/latest", "169.254.169.254"),
        ("http://0xA9FEA9FE/", "169.254.169.254"),
        ("http://0251.0376.0251.0376/", "169.254.169.254"),
        ("http://169.254.43518/", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/", "169.254.169.254"),
        ("http://[fd00:ec2::254]/latest", "fd00:ec2::254"),
        ("http://[0:0:0:0:0:0:0:1]:8080/", "::1"),
        ("localhost:8080/x", "localhost"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("git@github.com:o/r.git", "github.com"),
        ("ann@matrix.io", "matrix.io"),
        (
            "https://example.com/?ref=https://pastebin.com",
            "example.com",
        ),
        ("s3://bucket/key", "bucket"),
        ("see (https://pastebin.com/x)", "pastebin.com"),
        ("report.pdf", ""),
        ("/tmp/x.com", ""),
        ("./pastebin.com", ""),
        ("1.5", ""),
        ("hello world", ""),
    ]
    .into_iter()
    .filter(|(text, expected)| host(text) != *expected)
    .map(|(text, expected)| format!("{text}: {:?}, not {expected:?}", host(text)))
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_span_is_the_url_alone() {
    let text = "to „https://a.example/x“ and 'https://b.example'";
    let hosts = DestinationAnalyzer::default().hosts(text);
    let last = hosts.last().unwrap();
    assert_eq!(last.span.of_str(text), "https://b.example");
}

#[test]
fn addresses_that_names_spell_are_addresses() {
    for name in [
        "169.254.169.254.nip.io",
        "a9fea9fe.nip.io",
        "x-169-254-169-254.sslip.io",
    ] {
        assert_eq!(
            address(name).unwrap().to_string(),
            "169.254.169.254",
            "{name}"
        );
    }
    assert_eq!(address("nip.io"), None);
    assert_eq!(address("mp3.example"), None);
}

fn found(settings: &Settings, text: &str, flow: Flow) -> Vec<String> {
    let analyzers = Analyzers::new(Catalog::embedded().unwrap().clone(), settings).unwrap();
    let limits = Limits::default();
    let mut scope = Scope::new(&analyzers, &limits);
    for destination in analyzers.destination.hosts(text) {
        analyzers
            .destination
            .report_flow(&destination, flow, &mut scope);
    }
    scope
        .findings
        .iter()
        .map(|f| {
            analyzers
                .catalog
                .get(f.detector)
                .unwrap()
                .finding_type
                .clone()
        })
        .collect()
}

#[test]
fn a_name_that_only_resembles_a_service_is_silent() {
    let settings = Settings::default();
    for text in [
        "https://notpastebin.com",
        "https://phoenix.io",
        "https://netflix.io",
        "https://profile.io/x",
        "ann@matrix.io",
        "https://example.com/?ref=https://pastebin.com",
        "https://pastebin.com.example.org",
        "https://example.org/pastebin.com",
    ] {
        assert_eq!(
            found(&settings, text, Flow::Send),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

#[test]
fn the_configuration_names_own_and_blocked_hosts() {
    let settings = Settings {
        internal_domains: vec!["*.corp.example".into(), "paste.ee".into()],
        blocked_domains: vec!["*.bad.example".into()],
        ..Settings::default()
    };
    let of = |text| found(&settings, text, Flow::Send);
    assert_eq!(of("https://x.corp.example/up"), ["internal_destination"]);
    assert_eq!(of("https://paste.ee"), ["internal_destination"]);
    assert_eq!(of("https://a.bad.example"), ["custom_blocked"]);
    assert_eq!(of("https://corp.example.org"), Vec::<String>::new());
}
