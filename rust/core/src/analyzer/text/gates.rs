//! Whether a value that a telling name is given is a secret: length, make, entropy, no stand-in.

use super::{
    assign::{Style, Value},
    bytes::{contains_fold, is_word, slice},
    names::NameClass,
    quality::{
        Mix, entropy, is_expression, is_placeholder, is_readable, is_sequence, is_stand_in,
        is_uuid, mix,
    },
};

/// Whether all words of the value are words of a language or of code, or short numbers.
pub(crate) fn reads_as_words(value: &[u8]) -> bool {
    value
        .split(|b| !b.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .all(|part| is_readable(part) || part.len() <= 4 && part.iter().all(u8::is_ascii_digit))
}

/// A path, a URL, a date, a version, an address: things that are put where a secret might be.
fn is_something_else(value: &[u8]) -> bool {
    let pathlike = value.contains(&b'/') || value.contains(&b'\\');
    value.windows(3).any(|w| w == b"://")
        || value.starts_with(b"--")
        || pathlike && reads_as_words(value)
        || value.starts_with(b"./")
        || value.starts_with(b"~/")
        || value.starts_with(b"/")
            && value.iter().filter(|&&b| b == b'/').count() > 1
            && reads_as_words(value)
        || value.iter().all(|&b| {
            b.is_ascii_digit() || matches!(b, b'.' | b':' | b'-' | b'T' | b'Z' | b'/' | b'+' | b',')
        })
        || [
            &b"sha1-"[..],
            b"sha256",
            b"sha384",
            b"sha512",
            b"md5:",
            b"data:",
            b"h1:",
            b"ssh-rsa",
            b"ssh-ed25519",
            b"uuid:",
        ]
        .iter()
        .any(|p| {
            value
                .get(..p.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(p))
        })
        || [
            &b".pem"[..],
            b".key",
            b".json",
            b".yaml",
            b".yml",
            b".txt",
            b".crt",
            b".pub",
            b".py",
            b".js",
            b".ts",
            b".html",
            b".env",
        ]
        .iter()
        .any(|p| value.ends_with(p))
        || value.contains(&b'@')
            && contains_fold(value, b".com")
            && !value.iter().any(|b| matches!(b, b'!' | b'#' | b'$' | b'%'))
}

fn dense(value: &[u8], m: Mix) -> bool {
    if m.hex && m.digit > 0 && (m.lower > 0 || m.upper > 0) {
        return value.len() >= 16 && entropy(value) >= 2.9;
    }
    let h = entropy(value);
    if m.digit == 0 {
        return m.lower > 3
            && m.upper > 3
            && value.len() >= 20
            && h >= 3.6
            && !reads_as_words(value);
    }
    // Short values cannot reach the bits of long ones.
    let least = if value.len() < 16 && m.digit >= 3 {
        3.0
    } else {
        3.3
    };
    (m.lower > 0 || m.upper > 0) && h >= least && !reads_as_words(value)
}

fn password(value: &[u8], m: Mix, v: &Value) -> bool {
    if m.blank > 0 || value.len() > 256 {
        return false;
    }
    let letters = m.lower.saturating_add(m.upper);
    let hard_symbol = value
        .iter()
        .any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b','));
    if v.style == Style::Prose {
        return value.len() >= 8
            && m.digit > 0
            && letters > 0
            && (m.classes() >= 3 || !reads_as_words(value))
            && entropy(value) >= 2.6;
    }
    if value.len() < 6 || letters == 0 {
        return false;
    }
    let mixed = m.digit > 0 || hard_symbol && (v.quoted || m.classes() >= 3);
    if mixed {
        return entropy(value) >= if value.len() >= 8 { 2.6 } else { 2.2 };
    }
    value.len() >= 12
        && m.upper > 2
        && m.lower > 2
        && !reads_as_words(value)
        && entropy(value) >= 3.2
}

fn passphrase(value: &[u8], m: Mix, v: &Value) -> bool {
    let words = value
        .split(|b| matches!(b, b' ' | b'-'))
        .filter(|w| w.len() >= 3 && w.iter().all(u8::is_ascii_alphabetic))
        .count();
    m.symbol <= 6
        && m.digit == 0
        && words >= 4
        && value.len() <= 200
        && (v.style == Style::Assigned)
        && m.blank <= words
        && !STOP.iter().any(|s| contains_fold(value, s))
}

/// Words of sentences, which no generated phrase has.
const STOP: &[&[u8]] = &[
    b"the ", b" is ", b" to ", b" for ", b" must ", b" of ", b" and ", b" not ", b" be ", b" with ",
];

/// A key by its make alone, for names that leave no doubt: long, of letters and digits, no word.
fn is_plain_key(value: &[u8], m: Mix) -> bool {
    value.len() >= 16
        && m.digit >= 4
        && m.lower.saturating_add(m.upper) >= 4
        && m.symbol == 0
        && m.blank == 0
        && !(value.len() < 20 && is_sequence(value))
        && !reads_as_words(value)
        && !value.windows(3).any(|w| w.eq_ignore_ascii_case(b"xxx"))
        && !is_stand_in(value)
}

/// A key of digits and letters of one case: only a long one is no name.
fn is_long_key(value: &[u8], m: Mix) -> bool {
    value.len() >= 26
        && m.symbol == 0
        && m.digit >= 4
        && m.lower.saturating_add(m.upper) >= 8
        && value
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit())
            .count()
            < m.digit
}

/// What stands between two literals of code: `'--password='.$connection['password']`.
fn is_between_literals(value: &[u8]) -> bool {
    matches!(value.first(), Some(b')' | b',' | b']'))
        || matches!(value.last(), Some(b'[' | b'(' | b'+' | b'.' | b','))
            && (value.first().is_some_and(u8::is_ascii_punctuation) || value.contains(&b'$'))
}

/// The name of a constant: `PKCS7_ISSUER_AND_SERIAL`.
fn is_constant(value: &[u8]) -> bool {
    let readable = |part: &&[u8]| part.len() >= 3 && is_readable(part);
    value
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        && value.split(|&b| b == b'_').filter(readable).count() >= 2
}

/// A call or a type in quotes: `getpass.getpass()`, `Optional[str]`.
fn is_call(value: &[u8]) -> bool {
    matches!(value.last(), Some(b')' | b']'))
        && value
            .iter()
            .position(|b| matches!(b, b'(' | b'['))
            .and_then(|i| value.get(..i))
            .is_some_and(|head| {
                head.len() >= 3
                    && head.iter().all(|&b| is_word(b) || b == b'.')
                    && head.split(|&b| b == b'.').all(is_readable)
            })
}

/// Words in a form: `secure%20password`.
fn is_form_of_words(value: &[u8]) -> bool {
    value.windows(3).any(|w| w == b"%20")
        && value
            .split(|&b| b == b'%')
            .map(|part| part.strip_prefix(b"20").unwrap_or(part))
            .all(is_readable)
}

/// The judgement.
pub(crate) fn is_secret(class: NameClass, text: &[u8], v: &Value) -> bool {
    let value = slice(text, v.start, v.end);
    if value.len() < 6 || value.len() > 4096 || value.iter().any(|b| *b < 0x20 && *b != b'\t') {
        return false;
    }
    let m = mix(value);
    if class == NameClass::Passphrase && passphrase(value, m, v) && !is_placeholder(value) {
        return true;
    }
    if class == NameClass::ApiKey && is_plain_key(value, m) {
        return true;
    }
    if is_placeholder(value) || is_sequence(value) || is_something_else(value) {
        return false;
    }
    if value.windows(7).any(|w| w == b"EXAMPLE") || is_constant(value) {
        return false;
    }
    if is_between_literals(value) || is_form_of_words(value) || is_call(value) {
        return false;
    }
    // Interpolated strings: `f"{user}:{password}"`.
    if value
        .windows(2)
        .any(|w| matches!(w, b"#{" | b"%s" | b"{}" | b"$("))
        || value.starts_with(b"{")
    {
        return false;
    }
    if !v.quoted && is_expression(value) {
        return false;
    }
    if v.quoted && value.iter().all(|&b| is_word(b) || b == b'.') && is_expression(value) {
        return false;
    }
    let ascii = value.is_ascii();
    match class {
        NameClass::Password | NameClass::Passphrase => ascii && password(value, m, v),
        NameClass::Secret | NameClass::Token | NameClass::ApiKey => {
            if m.blank > 0 || !ascii {
                return false;
            }
            if is_uuid(value) {
                return true;
            }
            let long = value.len() >= if v.style == Style::Prose { 16 } else { 12 };
            let strong_short = class == NameClass::Secret
                && v.style == Style::Assigned
                && value.len() >= 8
                && m.classes() >= 3
                && m.digit > 0
                && entropy(value) >= 2.6
                && !reads_as_words(value);
            long && dense(value, m) || strong_short
        }
        NameClass::WeakKey => {
            m.blank == 0
                && ascii
                && (v.style == Style::Assigned || m.hex)
                && value.len() >= 20
                && if m.hex {
                    matches!(value.len(), 32 | 40 | 48 | 56 | 64 | 96 | 128)
                        && entropy(value) >= 3.0
                        && m.digit > 0
                        && (m.lower > 0 || m.upper > 0)
                } else {
                    m.digit > 0
                        && (m.lower > 0 && m.upper > 0 || is_long_key(value, m))
                        && entropy(value) >= 3.7
                        && !reads_as_words(value)
                        && value.iter().all(|b| {
                            b.is_ascii_alphanumeric()
                                || matches!(b, b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'~')
                        })
                }
        }
    }
}

/// As [`is_secret`] for a password, but where the value is a part of a connection string: no code.
pub(crate) fn is_part(text: &[u8], v: &Value) -> bool {
    let value = slice(text, v.start, v.end);
    value.len() >= 6
        && value.is_ascii()
        && !is_placeholder(value)
        && !is_sequence(value)
        && password(value, mix(value), v)
}

/// Whether a token that a scheme word such as `Bearer` announces is a token.
pub(crate) fn is_token_value(value: &[u8], least: usize) -> bool {
    let m = mix(value);
    value.len() >= least
        && value.len() <= 8192
        && !is_placeholder(value)
        && !is_expression(value)
        && !reads_as_words(value)
        && (m.digit > 0 || m.upper > 2 && m.lower > 2)
        && (m.lower > 0 || m.upper > 0)
        && entropy(value) >= 2.8
}
