//! URLs: credentials before the host, and hosts that only an organisation's network knows.

use super::{
    builtin::Builtin,
    bytes::{at, before, contains_fold, is_quote, is_word, run_end, run_start, slice},
    quality::{entropy, is_reference, mix},
    scan::Scan,
};
use crate::span::Span;

const DATABASES: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "rediss",
    "mssql",
    "sqlserver",
    "oracle",
    "cockroachdb",
    "clickhouse",
    "cassandra",
    "couchdb",
    "couchbase",
    "neo4j",
    "bolt",
    "influxdb",
    "snowflake",
    "redshift",
    "db2",
    "firebird",
    "memcached",
    "elasticsearch",
    "amqp",
    "amqps",
    "timescaledb",
    "vertica",
    "trino",
];

/// `scheme://user:password@host`
pub(crate) fn url(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.url_until {
        return;
    }
    let start = hit.saturating_add(3);
    let end = run_end(text, start, 1024, |b| {
        b > 0x20
            && b < 0x7f
            && !is_quote(b)
            && !matches!(b, b'<' | b'>' | b'\\' | b'/' | b'?' | b'#')
    });
    scan.url_until = start;
    let authority = slice(text, start, end);
    let Some(sign) = authority.iter().rposition(|&b| b == b'@') else {
        internal_url(hit, start, end, scan);
        return;
    };
    let pair = slice(authority, 0, sign);
    let Some(colon) = pair.iter().position(|&b| b == b':') else {
        user_only(start, pair, scan);
        return;
    };
    let password = slice(pair, colon.saturating_add(1), pair.len());
    if !is_password(password) {
        return;
    }
    let from = start.saturating_add(colon).saturating_add(1);
    let scheme_start = run_start(text, hit, 40, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-')
    });
    let scheme = slice(text, scheme_start, hit);
    let base = scheme.split(|&b| b == b'+').next().unwrap_or(scheme);
    let base = base.rsplit(|&b| b == b':').next().unwrap_or(base);
    let kind = if DATABASES
        .iter()
        .any(|d| d.as_bytes().eq_ignore_ascii_case(base))
    {
        Builtin::DatabaseUrl
    } else {
        Builtin::UrlCredentials
    };
    scan.found(kind, Span::new(from, start.saturating_add(sign)));
}

/// `https://token@host`
fn user_only(start: usize, user: &[u8], scan: &mut Scan<'_, '_>) {
    let m = mix(user);
    if user.len() >= 20
        && m.digit > 0
        && m.lower.saturating_add(m.upper) > 0
        && entropy(user) >= if m.hex { 2.9 } else { 3.4 }
        && is_password(user)
    {
        scan.found(
            Builtin::UrlCredentials,
            Span::new(start, start.saturating_add(user.len())),
        );
    }
}

/// Documentation of formats shows real words as passwords, and those are reported: what stands for
/// another value is not.
fn is_password(password: &[u8]) -> bool {
    const STAND_INS: &[&[u8]] = &[
        b"xxx",
        b"your",
        b"changeme",
        b"placeholder",
        b"redacted",
        b"<",
        b">",
        b"&lt;",
        b"&gt;",
        b"***",
        b"...",
        b"example",
        b"{",
        b"}",
        b"$(",
        b"masked",
        b"hidden",
        b"[",
    ];
    !password.is_empty()
        && password.len() <= 512
        && !is_reference(password)
        && !STAND_INS.iter().any(|s| contains_fold(password, s))
        && !password
            .iter()
            .all(|b| matches!(b, b'*' | b'x' | b'X' | b'.' | b'-' | b'_'))
        && !(password.starts_with(b":")
            || password.starts_with(b"%s")
            || password.starts_with(b"%v"))
        && !password
            .iter()
            .all(|&b| b.is_ascii_uppercase() || b == b'_')
}

fn is_internal_name(host: &[u8]) -> bool {
    [
        &b".internal"[..],
        b".corp",
        b".local",
        b".intranet",
        b".lan",
        b".private",
    ]
    .iter()
    .any(|s| {
        host.len() > s.len()
            && host
                .get(host.len().saturating_sub(s.len())..)
                .is_some_and(|tail| tail.eq_ignore_ascii_case(s))
    }) || contains_fold(host, b".internal.")
        || contains_fold(host, b".corp.")
}

fn is_private_address(host: &[u8]) -> bool {
    let mut parts = host.split(|&b| b == b'.').map(|p| {
        std::str::from_utf8(p)
            .ok()
            .filter(|p| p.len() <= 3)
            .and_then(|p| p.parse::<u8>().ok())
    });
    let (Some(Some(a)), Some(Some(b)), Some(Some(_)), Some(Some(_)), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return false;
    };
    a == 10 || a == 192 && b == 168 || a == 172 && (16..32).contains(&b)
}

fn internal_url(hit: usize, start: usize, end: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let host_end = run_end(text, start, end.saturating_sub(start), |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')
    });
    let host = slice(text, start, host_end);
    if is_internal_name(host) || is_private_address(host) {
        let scheme = run_start(text, hit, 16, |b| b.is_ascii_alphanumeric() || b == b'+');
        scan.found(Builtin::InternalUrl, Span::new(scheme, host_end));
    }
}

/// A host name of an internal zone outside a URL.
pub(crate) fn internal_host(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.host_until {
        return;
    }
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let start = run_start(text, hit, 128, host);
    let end = run_end(text, hit, 128, host);
    scan.host_until = end;
    let name = slice(text, start, end);
    let labels = name.split(|&b| b == b'.').count();
    let code = is_word(before(text, start)) || matches!(at(text, end), b'(' | b'_' | b'=' | b'[');
    let in_url = before(text, start) == b'/' || before(text, start) == b'@';
    if !code && !in_url && labels >= 3 && is_internal_name(name) && name.first() != Some(&b'.') {
        scan.found(Builtin::InternalUrl, Span::new(start, end));
    }
}
