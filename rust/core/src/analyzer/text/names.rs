//! What the name of a variable, member, flag or header says about the value it is given.

/// What kind of value a name announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameClass {
    /// `password`, `DB_PASS`, `pwd`.
    Password,
    /// `passphrase`, `mnemonic`: words with blanks are values too.
    Passphrase,
    /// `client_secret`, `SECRET_KEY_BASE`, `signing_key`.
    Secret,
    /// `api_key`, `X-Api-Key`, `apiKey`.
    ApiKey,
    /// `token`, `authToken`.
    Token,
    /// `maps_key`: some key; the value must be convincing by itself.
    WeakKey,
}

/// Words after the telling one that do not change what the value is.
const TAILS: &[&str] = &[
    "base",
    "value",
    "val",
    "string",
    "str",
    "prod",
    "production",
    "dev",
    "staging",
    "stage",
    "live",
    "test",
    "main",
    "old",
    "new",
    "current",
    "previous",
    "b64",
    "base64",
    "hex",
    "encoded",
    "plain",
    "plaintext",
    "raw",
    "data",
    "env",
    "primary",
    "secondary",
    "default",
    "ro",
    "rw",
    "read",
    "write",
    "admin",
    "root",
    "here",
    "header",
];

const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passwort",
    "pwd",
    "pass",
    "passcode",
    "pw",
    "psw",
    "senha",
    "contrasena",
];
const PHRASES: &[&str] = &["passphrase", "mnemonic", "seedphrase", "recoveryphrase"];
const SECRETS: &[&str] = &[
    "secret",
    "clientsecret",
    "appsecret",
    "consumersecret",
    "secretkey",
    "privatekey",
    "credential",
    "credentials",
    "creds",
    "sharedsecret",
    "salt",
    "pepper",
];
const TOKENS: &[&str] = &[
    "token",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "apitoken",
    "sessiontoken",
    "bearer",
    "jwt",
    "pat",
    "bearertoken",
    "usertoken",
    "bottoken",
    "oauthtoken",
    "accesskeyid",
];
const API_KEYS: &[&str] = &["apikey", "accesskey", "authkey", "apisecret"];

/// Words before `key` that make it a secret.
const SECRET_KEYS: &[&str] = &[
    "secret",
    "private",
    "encryption",
    "encrypt",
    "decryption",
    "master",
    "signing",
    "sign",
    "signature",
    "hmac",
    "shared",
    "aes",
    "crypto",
    "cipher",
    "jwt",
    "session",
    "webhook",
    "cookie",
    "storage",
    "account",
    "pre",
];
const API_KEY_WORDS: &[&str] = &[
    "api",
    "access",
    "auth",
    "app",
    "application",
    "service",
    "server",
    "subscription",
    "license",
    "licence",
    "integration",
    "deploy",
    "admin",
    "client",
    "developer",
    "developers",
    "consumer",
    "ingest",
    "write",
    "function",
    "host",
];

/// Words before `key` or `token` that make it something else.
const HARMLESS: &[&str] = &[
    "public",
    "pub",
    "publishable",
    "primary",
    "foreign",
    "partition",
    "sort",
    "cache",
    "object",
    "row",
    "index",
    "map",
    "dict",
    "group",
    "routing",
    "idempotency",
    "dedup",
    "translation",
    "i18n",
    "json",
    "hash",
    "range",
    "composite",
    "unique",
    "natural",
    "surrogate",
    "shortcut",
    "hot",
    "arrow",
    "enter",
    "press",
    "next",
    "page",
    "continuation",
    "sync",
    "pagination",
    "cursor",
    "csrf",
    "xsrf",
    "websocket",
    "cancellation",
    "cancel",
    "lock",
    "unlock",
    "max",
    "min",
    "num",
    "total",
    "count",
    "per",
    "prompt",
    "completion",
    "input",
    "output",
    "eos",
    "bos",
    "pad",
    "unk",
    "mask",
    "sep",
    "cls",
    "host",
    "known",
    "file",
    "folder",
    "path",
    "s3",
    "blob",
    "column",
    "field",
    "start",
    "end",
    "last",
    "first",
    "prev",
    "data",
    "item",
    "entry",
    "label",
    "meta",
    "config",
    "feature",
    "flag",
    "color",
    "colour",
    "reset",
    "confirm",
    "confirmation",
    "verify",
    "forgot",
    "change",
    "show",
    "hide",
    "invalid",
    "valid",
    "wrong",
    "missing",
    "error",
    "expired",
    "old",
    "query",
    "react",
    "shard",
    "lookup",
    "dedupe",
    "record",
    "document",
    "metric",
    "attribute",
    "property",
    "param",
    "parameter",
];

/// Splits a name into lower-case words: `X-Api-Key`, `apiKey`, `API_KEY`, `app.api.key`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last = ' ';
    let chars: Vec<char> = name.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let next_lower = chars
            .get(i.saturating_add(1))
            .is_some_and(char::is_ascii_lowercase);
        let joint = !c.is_ascii_alphanumeric();
        let hump = c.is_ascii_uppercase()
            && (last.is_ascii_lowercase()
                || last.is_ascii_digit()
                || (last.is_ascii_uppercase() && next_lower));
        if (joint || hump) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !joint {
            word.push(c.to_ascii_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn glued(word: &str) -> Option<NameClass> {
    let ends = |list: &[&str], min: usize| list.iter().any(|w| w.len() >= min && word.ends_with(w));
    if ends(PHRASES, 1) {
        Some(NameClass::Passphrase)
    } else if ends(&["password", "passwd", "passwort"], 1)
        || PASSWORDS.contains(&word)
        || word.ends_with("dbpass")
        || word.ends_with("userpass")
    {
        Some(NameClass::Password)
    } else if ends(API_KEYS, 1) {
        Some(NameClass::ApiKey)
    } else if ends(
        &[
            "secret",
            "secretkey",
            "privatekey",
            "signingkey",
            "encryptionkey",
            "masterkey",
            "hmackey",
            "sharedkey",
            "accountkey",
            "servicekey",
        ],
        1,
    ) || SECRETS.contains(&word)
    {
        Some(NameClass::Secret)
    } else if ends(&["token"], 1) || TOKENS.contains(&word) {
        Some(NameClass::Token)
    } else {
        None
    }
}

/// Whether a name has a part of any word that [`classify`] knows: a cheap "no" for most names.
fn may_tell(name: &[u8]) -> bool {
    let at = |i: usize| name.get(i).map_or(0, u8::to_ascii_lowercase);
    (0..name.len()).any(|i| {
        let next = i.saturating_add(1);
        let third = at(i.saturating_add(2));
        match (at(i), at(next)) {
            (b'p', b'a') => {
                // Not in `path`, where no word ends after `pat`.
                third == b's' || third == b't' && name.get(i.saturating_add(3)) != Some(&b'h')
            }
            (b'p', b'w') => true,
            (b'p', b's') => third == b'w',
            (b'p', b'h') => third == b'r',
            (b'p', b'e') => third == b'p',
            (b's', b'e') => matches!(third, b'c' | b'n'),
            (b's', b'a') => third == b'l',
            (b'c', b'o') => third == b'n',
            (b'c', b'r') => third == b'e',
            (b'm', b'n') => third == b'e',
            (b'k', b'e') => third == b'y',
            (b't', b'o') => third == b'k',
            (b'b', b'e') => third == b'a',
            (b'j', b'w') => third == b't',
            _ => false,
        }
    })
}

/// `2`, `v1`, `1password` has more.
fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').unwrap_or(word);
    !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn is_tail(word: &str) -> bool {
    TAILS.contains(&word) || is_version(word)
}

/// What the name announces, if it is a secret.
pub(crate) fn classify(name: &str) -> Option<NameClass> {
    if name.len() > 96 || !may_tell(name.as_bytes()) {
        return None;
    }
    let mut words = words(name);
    while words.len() > 1 && words.last().is_some_and(|w| is_tail(w)) {
        // "pass" and "test" alone say nothing; with a telling word before them they are tails.
        words.pop();
    }
    // `API_KEY2` is one more key.
    let last = words.last()?.trim_end_matches(|c: char| c.is_ascii_digit());
    let before = words
        .iter()
        .rev()
        .skip(1)
        .find(|w| !is_version(w))
        .map_or("", String::as_str);
    if last == "key" {
        if HARMLESS.contains(&before) && before != "host" {
            return None;
        }
        return if SECRET_KEYS.contains(&before) {
            Some(NameClass::Secret)
        } else if API_KEY_WORDS.contains(&before) || before.ends_with("api") {
            Some(NameClass::ApiKey)
        } else if words.iter().any(|w| w == "secret" || w == "private") {
            Some(NameClass::Secret)
        } else {
            Some(NameClass::WeakKey)
        };
    }
    let class = glued(last)?;
    if last
        .strip_suffix("token")
        .is_some_and(|stem| stem == "csrf" || stem == "xsrf")
    {
        return None;
    }
    if HARMLESS.contains(&before)
        && !matches!(
            before,
            "old" | "reset" | "host" | "expired" | "s3" | "data" | "config" | "primary" | "sync"
        )
    {
        return None;
    }
    if last == "pass" && words.len() == 1 {
        return Some(NameClass::Password);
    }
    Some(class)
}

/// Whether a value of this name is a hash or an identifier, and no secret whatever it looks like.
pub(crate) fn is_harmless(name: &str) -> bool {
    const HASHES: &[&str] = &[
        "sha",
        "sha1",
        "sha256",
        "sha384",
        "sha512",
        "md5",
        "hash",
        "checksum",
        "digest",
        "integrity",
        "etag",
        "commit",
        "revision",
        "rev",
        "ref",
        "fingerprint",
        "thumbprint",
        "crc",
        "crc32",
        "blake2b",
        "blake3",
        "narhash",
        "tree",
        "parent",
        "oid",
        "uuid",
        "guid",
        "nonce",
        "trace",
        "span",
        "traceid",
        "spanid",
        "requestid",
        "correlation",
        "id",
        "ids",
        "kid",
        "sub",
        "jti",
        "path",
        "url",
        "uri",
        "name",
        "file",
        "filename",
        "image",
        "layer",
    ];
    let words = words(name);
    words.last().is_some_and(|w| HASHES.contains(&w.as_str()))
}

/// Whether any word of the name speaks of a secret.
pub(crate) fn is_telling(name: &str) -> bool {
    classify(name).is_some()
        || words(name).iter().any(|w| {
            matches!(
                w.as_str(),
                "key"
                    | "keys"
                    | "auth"
                    | "authorization"
                    | "credential"
                    | "credentials"
                    | "login"
                    | "license"
                    | "pat"
            ) || glued(w).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_hold() {
        for (name, class) in [
            ("password", NameClass::Password),
            ("DB_PASS", NameClass::Password),
            ("keystorePassword", NameClass::Password),
            ("api_key", NameClass::ApiKey),
            ("X-Api-Key", NameClass::ApiKey),
            ("acme.servicetoken", NameClass::Token),
            ("SECRET_KEY_BASE", NameClass::Secret),
            ("hmac-key", NameClass::Secret),
            ("sshPassphrase", NameClass::Passphrase),
            ("mapsKey", NameClass::WeakKey),
            ("AUTH_TOKEN", NameClass::Token),
            ("azure_openai_api_key", NameClass::ApiKey),
        ] {
            assert_eq!(classify(name), Some(class), "{name}");
        }
        for name in [
            "max_tokens",
            "public_key",
            "token_url",
            "key_id",
            "tokenizer",
            "next_page_token",
            "primary_key",
            "keyboard",
            "monkey",
            "secret_name",
            "password_reset_url",
            "token_type",
            "csrf_token",
            "partitionKey",
        ] {
            assert_eq!(classify(name), None, "{name}");
        }
    }
}
