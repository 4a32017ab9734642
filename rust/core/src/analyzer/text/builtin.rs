//! Detectors that need more than a pattern: which literals call them, and what they see.

use super::{
    assign::{self, name_around},
    bytes::{
        at, before, contains_fold, free_left, is_blank, is_name, is_quote, is_token, is_word,
        run_end, run_start, skip_blank, slice,
    },
    checksum,
    gates::{is_part, is_secret, is_token_value, reads_as_words},
    names::NameClass,
    quality::{entropy, is_placeholder, is_reference, mix},
    scan::{Hit, Scan},
};
use crate::span::Span;

/// Detectors that are code, by the name that an entry gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Builtin {
    AssignedPassword,
    AssignedPassphrase,
    AssignedSecret,
    AssignedToken,
    AssignedApiKey,
    AssignedKey,
    BearerHeader,
    BasicHeader,
    SessionCookie,
    CommandCredentials,
    PasswordHash,
    PasswordFile,
    DockerAuth,
    UrlCredentials,
    DatabaseUrl,
    ConnectionString,
    PrivateKey,
    PgpPrivateKey,
    Jwt,
    InternalUrl,
    OrgFingerprint,
    HighEntropy,
    PaymentCard,
    Iban,
}

/// What a literal calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Name,
    Bearer,
    Basic,
    Authorization,
    Cookie,
    Command,
    IdentifiedBy,
    Pair,
    Hash,
    DockerAuth,
    Url,
    Pem,
    Putty,
    Jwt,
    InternalHost,
    Pgpass,
}

impl Builtin {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "assigned_password" => Self::AssignedPassword,
            "assigned_passphrase" => Self::AssignedPassphrase,
            "assigned_secret" => Self::AssignedSecret,
            "assigned_token" => Self::AssignedToken,
            "assigned_api_key" => Self::AssignedApiKey,
            "assigned_key" => Self::AssignedKey,
            "bearer_header" => Self::BearerHeader,
            "basic_header" => Self::BasicHeader,
            "session_cookie" => Self::SessionCookie,
            "command_credentials" => Self::CommandCredentials,
            "password_hash" => Self::PasswordHash,
            "password_file" => Self::PasswordFile,
            "docker_auth" => Self::DockerAuth,
            "url_credentials" => Self::UrlCredentials,
            "database_url" => Self::DatabaseUrl,
            "connection_string" => Self::ConnectionString,
            "private_key" => Self::PrivateKey,
            "pgp_private_key" => Self::PgpPrivateKey,
            "jwt" => Self::Jwt,
            "internal_url" => Self::InternalUrl,
            "org_fingerprint" => Self::OrgFingerprint,
            "high_entropy" => Self::HighEntropy,
            "payment_card" => Self::PaymentCard,
            "iban" => Self::Iban,
            _ => return None,
        })
    }

    /// Which finding stays where several cover the same text: blocks (8), formats (7, in `rule.rs`)
    /// and what is decoded (6), a provider's name nearby (5) or in the value's own name (4), a format
    /// that several providers have (3), then what only the surroundings tell.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::PrivateKey | Self::PgpPrivateKey => 8,
            Self::Jwt | Self::PasswordHash | Self::DockerAuth => 6,
            Self::BearerHeader => 2,
            Self::HighEntropy | Self::InternalUrl | Self::OrgFingerprint => 0,
            Self::AssignedKey => 1,
            _ => 2,
        }
    }
}

/// Literals that call code; letter case does not count where the flag says so.
pub(crate) const TRIGGERS: &[(&str, bool, Call)] = &[
    ("pass", true, Call::Name),
    ("pwd=", true, Call::Name),
    ("pwd:", true, Call::Name),
    ("pwd\"", true, Call::Name),
    ("pwd'", true, Call::Name),
    ("pwd ", true, Call::Name),
    ("pwd<", true, Call::Name),
    ("pwd>", true, Call::Name),
    ("secret", true, Call::Name),
    ("token", true, Call::Name),
    ("credential", true, Call::Name),
    ("mnemonic", true, Call::Name),
    ("key=", true, Call::Name),
    ("key:", true, Call::Name),
    ("key\"", true, Call::Name),
    ("key'", true, Call::Name),
    ("key`", true, Call::Name),
    ("key ", true, Call::Name),
    ("key]", true, Call::Name),
    ("key<", true, Call::Name),
    ("key>", true, Call::Name),
    ("key\\", true, Call::Name),
    ("key)", true, Call::Name),
    ("key\n", true, Call::Name),
    ("key\r", true, Call::Name),
    ("key1", true, Call::Name),
    ("key2", true, Call::Name),
    ("masterauth", true, Call::Name),
    ("identified by", true, Call::IdentifiedBy),
    ("auth=(", false, Call::Pair),
    ("basicauth(", true, Call::Pair),
    ("credential(", true, Call::Pair),
    ("credentials(", true, Call::Pair),
    ("key_", true, Call::Name),
    ("keyid", true, Call::Name),
    ("jwt", true, Call::Name),
    ("bearer ", true, Call::Bearer),
    ("basic ", true, Call::Basic),
    ("authorization", true, Call::Authorization),
    ("cookie", true, Call::Cookie),
    ("curl ", false, Call::Command),
    ("sshpass", false, Call::Command),
    ("mysql", false, Call::Command),
    ("redis-cli", false, Call::Command),
    ("docker login", false, Call::Command),
    ("mongo", false, Call::Command),
    ("ldapsearch", false, Call::Command),
    ("ldapmodify", false, Call::Command),
    ("ldapadd", false, Call::Command),
    ("openssl ", false, Call::Command),
    ("az login", false, Call::Command),
    ("registry login", false, Call::Command),
    ("podman login", false, Call::Command),
    ("wget ", false, Call::Command),
    ("$apr1$", false, Call::Hash),
    ("$2y$", false, Call::Hash),
    ("$2a$", false, Call::Hash),
    ("$2b$", false, Call::Hash),
    ("$6$", false, Call::Hash),
    ("$5$", false, Call::Hash),
    ("$y$j", false, Call::Hash),
    ("$argon2", false, Call::Hash),
    ("{SHA}", false, Call::Hash),
    ("{SSHA}", false, Call::Hash),
    ("\"auth\"", false, Call::DockerAuth),
    ("://", false, Call::Url),
    (":5432:", false, Call::Pgpass),
    (":*:*:", false, Call::Pgpass),
    ("-----BEGIN ", false, Call::Pem),
    ("PuTTY-User-Key-File-", false, Call::Putty),
    ("eyJ", false, Call::Jwt),
    (".internal", true, Call::InternalHost),
    (".corp.", true, Call::InternalHost),
    (".intranet", true, Call::InternalHost),
];

/// Runs the code that a literal at `hit` calls.
pub(crate) fn call(call: Call, hit: usize, scan: &mut Scan<'_, '_>) {
    match call {
        Call::Name => name(hit, scan),
        Call::Bearer => bearer(hit, scan),
        Call::Basic => basic(hit, scan),
        Call::Authorization => authorization(hit, scan),
        Call::Cookie => cookie(hit, scan),
        Call::Command => command(hit, scan),
        Call::IdentifiedBy => identified_by(hit, scan),
        Call::Pair => pair(hit, scan),
        Call::Hash => hash(hit, scan),
        Call::DockerAuth => docker_auth(hit, scan),
        Call::Url => super::url::url(hit, scan),
        Call::Pem => super::pem::pem(hit, scan),
        Call::Putty => super::pem::putty(hit, scan),
        Call::Jwt => jwt(hit, scan),
        Call::InternalHost => super::url::internal_host(hit, scan),
        Call::Pgpass => pgpass(hit, scan),
    }
}

pub(crate) const fn of_class(class: NameClass) -> Builtin {
    match class {
        NameClass::Password => Builtin::AssignedPassword,
        NameClass::Passphrase => Builtin::AssignedPassphrase,
        NameClass::Secret => Builtin::AssignedSecret,
        NameClass::ApiKey => Builtin::AssignedApiKey,
        NameClass::Token => Builtin::AssignedToken,
        NameClass::WeakKey => Builtin::AssignedKey,
    }
}

/// A telling word: the name around it, and the value that it is given.
fn name(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.named_until {
        return;
    }
    let (mut start, end) = name_around(text, hit);
    scan.named_until = end;
    if is_segment(text, start, end) {
        return;
    }
    let Some(value) = assign::value_of(text, start, end) else {
        return;
    };
    skip_long(&value, scan);
    // "api key" with a blank, as people write it.
    let word = slice(text, start, end);
    // `--- PASS: TestName/case7`, a line of a test's log.
    if word.ends_with(b"PASS")
        && slice(text, value.start, value.start.saturating_add(4)).eq_ignore_ascii_case(b"test")
    {
        return;
    }
    let spoken = value.style == assign::Style::Prose && word.eq_ignore_ascii_case(b"token");
    if start > 0 && is_blank(before(text, start)) && (spoken || word.eq_ignore_ascii_case(b"key")) {
        start = run_start(text, start.saturating_sub(1), 16, |b| {
            b.is_ascii_alphabetic()
        });
    }
    let Some(class) = scan.class(start, end) else {
        return;
    };
    let value = if class == NameClass::Passphrase {
        assign::phrase(text, value)
    } else {
        value
    };
    let connection = class == NameClass::Password && is_connection(text, start);
    // A part of a connection string is no code, whatever it looks like.
    let value = assign::Value {
        quoted: value.quoted || connection,
        ..value
    };
    let plain = scan.is_secret(class, &value) || connection && is_part(text, &value);
    if let Some(found) = scan.provider(class, start, end, &value, plain) {
        scan.push(Hit::of_provider(found, Span::new(value.start, value.end)));
        return;
    }
    if !plain {
        return;
    }
    let kind = if connection {
        Builtin::ConnectionString
    } else {
        of_class(class)
    };
    scan.found(kind, Span::new(value.start, value.end));
}

/// A part of a path of names: `did:key:z6Mk…`, `secret:` of an ARN, `AWS::IAM::AccessKey`.
fn is_segment(text: &[u8], start: usize, end: usize) -> bool {
    before(text, start) == b':'
        && (at(text, end) == b':' || before(text, start.saturating_sub(1)) == b':')
}

/// A long value without a blank or quote is one value: names within it are not asked again.
fn skip_long(value: &assign::Value, scan: &mut Scan<'_, '_>) {
    if value.end.saturating_sub(value.start) > 256 {
        scan.named_until = scan.named_until.max(value.end);
    }
}

/// Whether the assignment at `start` is a part of a connection string.
fn is_connection(text: &[u8], start: usize) -> bool {
    if !matches!(before(text, start), b';' | b'?' | b'&') {
        return false;
    }
    let from = start.saturating_sub(300);
    let head = slice(text, from, start);
    let line = head
        .iter()
        .rposition(|&b| b == b'\n')
        .and_then(|i| head.get(i..))
        .unwrap_or(head);
    [
        &b"server="[..],
        b"data source=",
        b"host=",
        b"driver=",
        b"jdbc:",
        b"database=",
        b"uid=",
        b"user id=",
    ]
    .iter()
    .any(|w| contains_fold(line, w))
}

fn is_opaque(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'|' | b'!'
        )
}

fn opaque_end(text: &[u8], start: usize) -> usize {
    let mut end = run_end(text, start, 8192, is_opaque);
    while end > start && matches!(before(text, end), b'.' | b'!' | b'|') {
        end = end.saturating_sub(1);
    }
    end
}

fn bearer(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if is_word(before(text, hit)) && !free_left(text, hit) {
        return;
    }
    let start = skip_blank(text, hit.saturating_add(7));
    let end = opaque_end(text, start);
    let value = slice(text, start, end);
    let announced = matches!(
        before(
            text,
            run_start(text, hit, 4, |b| is_blank(b) || is_quote(b))
        ),
        b':' | b'=' | b','
    );
    if is_token_value(value, if announced { 10 } else { 16 }) {
        scan.found(Builtin::BearerHeader, Span::new(start, end));
    }
}

fn basic(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if is_word(before(text, hit)) {
        return;
    }
    let start = skip_blank(text, hit.saturating_add(6));
    let end = run_end(text, start, 2048, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
    });
    if is_pair(slice(text, start, end)) {
        scan.found(Builtin::BasicHeader, Span::new(start, end));
    }
}

/// Base64 of `user:password`.
fn is_pair(value: &[u8]) -> bool {
    value.len() >= 8
        && !is_placeholder(value)
        && checksum::base64(value).is_some_and(|pair| {
            let Some(i) = pair.iter().position(|&b| b == b':') else {
                return false;
            };
            let password = pair.get(i.saturating_add(1)..).unwrap_or_default();
            !pair.iter().any(|b| b.is_ascii_control())
                && std::str::from_utf8(&pair).is_ok()
                && !password.is_empty()
                && !is_reference(password)
        })
}

fn authorization(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.named_until {
        return;
    }
    let (start, end) = name_around(text, hit);
    if is_segment(text, start, end) {
        return;
    }
    let Some(value) = assign::value_of(text, start, end) else {
        return;
    };
    skip_long(&value, scan);
    let mut from = value.start;
    // The schemes that have a reader of their own.
    let said = slice(text, from.saturating_sub(7), from);
    if contains_fold(said, b"basic ") || contains_fold(said, b"bearer ") {
        return;
    }
    let word = run_end(text, from, 12, |b| b.is_ascii_alphabetic());
    if is_blank(at(text, word)) {
        let scheme = slice(text, from, word);
        if scheme.eq_ignore_ascii_case(b"basic") || scheme.eq_ignore_ascii_case(b"bearer") {
            return;
        }
        from = skip_blank(text, word);
    }
    let end = opaque_end(text, from);
    if is_token_value(slice(text, from, end), 16) && is_dense(slice(text, from, end)) {
        scan.found(Builtin::BearerHeader, Span::new(from, end));
    }
}

fn is_dense(value: &[u8]) -> bool {
    let m = mix(value);
    entropy(value) >= if m.hex { 2.9 } else { 3.2 } && m.digit > 0
}

fn cookie(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.named_until {
        return;
    }
    let (start, end) = name_around(text, hit);
    // `Cookie` or `Set-Cookie`.
    if end.saturating_sub(start) > 10 {
        return;
    }
    let Some(value) = assign::value_of(text, start, end) else {
        return;
    };
    skip_long(&value, scan);
    cookies(value.start, scan);
}

/// Members of a cookie header from `start`.
pub(crate) fn cookies(start: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let mut at_ = start;
    for _ in 0..24 {
        let name_end = run_end(text, at_, 80, |b| {
            is_name(b) || matches!(b, b'%' | b'$' | b'*')
        });
        if at(text, name_end) != b'=' || name_end == at_ {
            return;
        }
        let from = name_end.saturating_add(1);
        let end = run_end(text, from, 4096, |b| {
            !b.is_ascii_whitespace() && !is_quote(b) && !matches!(b, b';' | b',' | b'\\' | 0)
        });
        let name = slice(text, at_, name_end);
        let telling = [
            &b"sess"[..],
            b"sid",
            b"auth",
            b"token",
            b"jwt",
            b"login",
            b"remember",
            b"identity",
            b"ticket",
        ]
        .iter()
        .any(|w| contains_fold(name, w))
            && !contains_fold(name, b"csrf")
            && !contains_fold(name, b"xsrf");
        let value = slice(text, from, end);
        if telling && is_token_value(value, 16) && is_dense(value) {
            scan.found(Builtin::SessionCookie, Span::new(from, end));
        }
        if at(text, end) != b';' {
            return;
        }
        at_ = skip_blank(text, end.saturating_add(1));
    }
}

/// `curl -u user:password`, `sshpass -p password`, `mysql -ppassword`.
fn command(hit: usize, scan: &mut Scan<'_, '_>) {
    const FLAGS: &[(&str, &[&str], bool)] = &[
        ("curl", &["-u", "--user", "--proxy-user", "-U"], true),
        ("sshpass", &["-p"], false),
        ("mysql", &["-p"], false),
        ("redis-cli", &["-a", "--pass"], false),
        ("docker", &["-p", "--password"], false),
        ("mongo", &["-p", "--password"], false),
        ("ldap", &["-w"], false),
        ("openssl", &["-pass", "-passin", "-passout"], false),
        ("az login", &["-p", "--password"], false),
        ("registry login", &["-p", "--password"], false),
        ("podman login", &["-p", "--password"], false),
    ];
    let text = scan.text;
    if is_word(before(text, hit)) && !free_left(text, hit) {
        return;
    }
    let Some(index) = FLAGS
        .iter()
        .position(|(p, _, _)| slice(text, hit, hit.saturating_add(p.len())) == p.as_bytes())
    else {
        return;
    };
    let Some(&(program, flags, pair)) = FLAGS.get(index) else {
        return;
    };
    // The rest of a line is looked at once for each program, and read only then.
    let Some(until) = scan.line_until.get_mut(index).filter(|u| hit >= **u) else {
        return;
    };
    let end = run_end(text, hit, 1024, |b| !matches!(b, b'\n' | b'|'));
    *until = end;
    let line = slice(text, hit, end);
    let mut i = 0_usize;
    while let Some(gap) = line
        .get(i..)
        .and_then(|rest| rest.iter().position(|&b| is_blank(b)))
    {
        i = i.saturating_add(gap).saturating_add(1);
        if at(line, i) != b'-' {
            continue;
        }
        let word_end = run_end(line, i, 20, is_token);
        let word = slice(line, i, word_end);
        let exact = flags.iter().any(|f| f.as_bytes() == word);
        let glued = program == "mysql"
            && word.starts_with(b"-p")
            && word.len() > 2
            && !word.starts_with(b"-p-");
        if !exact && !glued {
            continue;
        }
        let from = if glued {
            i.saturating_add(2)
        } else {
            run_end(line, word_end, 8, |b| is_blank(b) || b == b'=')
        };
        if program == "mysql" && exact {
            continue;
        }
        let Some(value) = assign::read(text, hit.saturating_add(from), assign::Style::Assigned)
        else {
            continue;
        };
        let mut value = value;
        if program == "openssl" {
            let Some(rest) = slice(text, value.start, value.end).strip_prefix(b"pass:") else {
                continue;
            };
            value.start = value.end.saturating_sub(rest.len());
        }
        let whole = slice(text, value.start, value.end);
        let secret = if pair {
            whole
                .iter()
                .position(|&b| b == b':')
                .and_then(|i| whole.get(i.saturating_add(1)..))
                .unwrap_or_default()
        } else {
            whole
        };
        let good = secret.len() >= 4
            && !is_placeholder(secret)
            && (secret.iter().any(|b| !b.is_ascii_alphabetic()) || !reads_as_words(secret));
        if good {
            scan.found(
                Builtin::CommandCredentials,
                Span::new(value.start, value.end),
            );
        }
    }
}

/// `CREATE USER x IDENTIFIED BY 'password'`, `IDENTIFIED WITH plugin BY 'password'` aside.
fn identified_by(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let from = skip_blank(text, hit.saturating_add(13));
    let value = assign::read(text, from, assign::Style::Assigned);
    if let Some(value) = value.filter(|v| v.quoted && is_secret(NameClass::Password, text, v)) {
        scan.found(Builtin::AssignedPassword, Span::new(value.start, value.end));
    }
}

/// `auth=("user", "password")`, `new NetworkCredential("user", "password")`
fn pair(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let open = run_end(text, hit, 16, |b| b != b'(').saturating_add(1);
    let user = skip_blank(text, open);
    let Some(first) = assign::read(text, user, assign::Style::Assigned).filter(|v| v.quoted) else {
        return;
    };
    // The quote, which may be escaped.
    let close = run_end(text, first.end, 9, |b| b == b'\\' || is_quote(b));
    let comma = skip_blank(text, close);
    if at(text, comma) != b',' {
        return;
    }
    let from = skip_blank(text, comma.saturating_add(1));
    let value = assign::read(text, from, assign::Style::Assigned).filter(|v| v.quoted);
    if let Some(value) = value.filter(|v| is_secret(NameClass::Password, text, v)) {
        scan.found(
            Builtin::CommandCredentials,
            Span::new(value.start, value.end),
        );
    }
}

/// Password hashes of `htpasswd`, `/etc/shadow` and frameworks.
fn hash(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.fields_until {
        return;
    }
    let end = run_end(text, hit, 400, |b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'$' | b'.' | b'/' | b'+' | b'=' | b'{' | b'}' | b',' | b'-' | b'_'
            )
    });
    scan.fields_until = end;
    let value = slice(text, hit, end);
    let mut end = end;
    while end > hit && matches!(before(text, end), b',' | b'.') {
        end = end.saturating_sub(1);
    }
    let least = if value.starts_with(b"{") {
        28
    } else if value.starts_with(b"$apr1") {
        32
    } else {
        40
    };
    let body = value
        .rsplit(|b| matches!(b, b'$' | b'}'))
        .next()
        .unwrap_or_default();
    if end.saturating_sub(hit) >= least
        && body.len() >= 20
        && !is_word(before(text, hit))
        && entropy(body) >= 3.0
    {
        scan.found(Builtin::PasswordHash, Span::new(hit, end));
    }
}

/// `host:port:database:user:password`
fn pgpass(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.fields_until {
        return;
    }
    let start = run_start(text, hit, 120, |b| is_name(b) || b == b'*');
    let end = run_end(text, hit, 300, |b| {
        !b.is_ascii_whitespace() && !is_quote(b) && b != b'\\'
    });
    scan.fields_until = end;
    let mut fields = slice(text, start, end).splitn(5, |&b| b == b':');
    let (Some(_), Some(port), Some(_), Some(user), Some(password)) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return;
    };
    let port_ok =
        port == b"*" || port.len() <= 5 && !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    if port_ok
        && !user.is_empty()
        && password.len() >= 4
        && !is_placeholder(password)
        && !password.contains(&b'/')
    {
        scan.found(
            Builtin::PasswordFile,
            Span::new(end.saturating_sub(password.len()), end),
        );
    }
}

/// `"auth": "<base64 of user:password>"` of a Docker configuration.
fn docker_auth(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    let Some(value) = assign::value_of(text, hit.saturating_add(1), hit.saturating_add(5)) else {
        return;
    };
    if value.quoted && is_pair(slice(text, value.start, value.end)) {
        scan.found(Builtin::DockerAuth, Span::new(value.start, value.end));
    }
}

/// JSON web tokens, signed or encrypted: the header must decode.
fn jwt(hit: usize, scan: &mut Scan<'_, '_>) {
    let text = scan.text;
    if hit < scan.run_until || !free_left(text, hit) {
        return;
    }
    let head = run_end(text, hit, 4096, is_token);
    if at(text, head) != b'.' || head.saturating_sub(hit) < 12 {
        // No later start in the same run can do better.
        scan.run_until = head;
        return;
    }
    let mut end = head;
    let mut parts = 1_usize;
    while at(text, end) == b'.' && parts < 5 {
        let next = run_end(text, end.saturating_add(1), 16384, is_token);
        // Only the key of an encrypted token may be empty, and then four dots stand there.
        if next == end.saturating_add(1) && parts != 1 {
            break;
        }
        end = next;
        parts = parts.saturating_add(1);
    }
    scan.run_until = head;
    if parts == 4 || before(text, end) == b'.' {
        return;
    }
    if parts >= 3 && checksum::jwt_header(slice(text, hit, head)) {
        scan.run_until = end;
        // In a header it is the bearer's right that counts.
        let announced = contains_fold(slice(text, hit.saturating_sub(8), hit), b"bearer ");
        let kind = match scan.analyzer.has(Builtin::BearerHeader) && announced {
            true => Builtin::BearerHeader,
            false => Builtin::Jwt,
        };
        scan.found_as(kind, Builtin::Jwt.rank(), Span::new(hit, end));
    }
}
