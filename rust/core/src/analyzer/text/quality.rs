//! Whether a value can be a secret by its make: entropy, mix of characters, stand-ins, references.

use super::bytes::{at, contains_fold, is_word};

/// Shannon entropy in bits a byte.
pub(crate) fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    // Longer values add nothing to the judgement.
    let value = value.get(..4096).unwrap_or(value);
    for &b in value {
        if let Some(count) = counts.get_mut(usize::from(b)) {
            *count = count.saturating_add(1);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 4096")]
    let total = value.len() as f32;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let p = f32::from(count) / total;
            -p * p.log2()
        })
        .sum()
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix {
    pub(crate) lower: usize,
    pub(crate) upper: usize,
    pub(crate) digit: usize,
    pub(crate) symbol: usize,
    pub(crate) blank: usize,
    pub(crate) hex: bool,
    pub(crate) distinct: usize,
}

/// Counts the classes of characters.
pub(crate) fn mix(value: &[u8]) -> Mix {
    let mut mix = Mix {
        hex: true,
        ..Mix::default()
    };
    let mut seen = [false; 256];
    for &b in value {
        let count = match b {
            b'a'..=b'z' => &mut mix.lower,
            b'A'..=b'Z' => &mut mix.upper,
            b'0'..=b'9' => &mut mix.digit,
            b' ' | b'\t' | b'\n' | b'\r' => &mut mix.blank,
            _ => &mut mix.symbol,
        };
        *count = count.saturating_add(1);
        mix.hex &= b.is_ascii_hexdigit();
        if let Some(slot) = seen.get_mut(usize::from(b))
            && !std::mem::replace(slot, true)
        {
            mix.distinct = mix.distinct.saturating_add(1);
        }
    }
    mix
}

impl Mix {
    /// Number of classes among lower case, upper case, digits and symbols.
    pub(crate) fn classes(self) -> usize {
        [self.lower, self.upper, self.digit, self.symbol]
            .iter()
            .filter(|&&n| n > 0)
            .count()
    }
}

/// Words that make a value a stand-in wherever they are one of its words.
fn is_stand_in_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"tbd"
            | b"xxx"
            | b"fake"
            | b"mock"
            | b"todo"
            | b"your"
            | b"dummy"
            | b"fixme"
            | b"yours"
            | b"hidden"
            | b"insert"
            | b"masked"
            | b"sample"
            | b"example"
            | b"invalid"
            | b"notreal"
            | b"omitted"
            | b"removed"
            | b"replace"
            | b"censored"
            | b"changeit"
            | b"changeme"
            | b"filtered"
            | b"redacted"
            | b"replaceme"
            | b"placeholder"
            | b"placeholders"
    )
}

/// Words that a value may wholly consist of without being a secret.
fn is_plain_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"a" | b"an"
            | b"by"
            | b"db"
            | b"do"
            | b"id"
            | b"in"
            | b"is"
            | b"me"
            | b"my"
            | b"no"
            | b"of"
            | b"on"
            | b"pk"
            | b"sk"
            | b"to"
            | b"abc"
            | b"any"
            | b"api"
            | b"aws"
            | b"bar"
            | b"baz"
            | b"dev"
            | b"env"
            | b"foo"
            | b"for"
            | b"ghp"
            | b"jwt"
            | b"key"
            | b"new"
            | b"nil"
            | b"not"
            | b"off"
            | b"old"
            | b"pat"
            | b"set"
            | b"the"
            | b"use"
            | b"yes"
            | b"auth"
            | b"demo"
            | b"from"
            | b"goes"
            | b"here"
            | b"keys"
            | b"live"
            | b"long"
            | b"none"
            | b"null"
            | b"only"
            | b"pass"
            | b"prod"
            | b"root"
            | b"some"
            | b"test"
            | b"text"
            | b"this"
            | b"true"
            | b"type"
            | b"user"
            | b"with"
            | b"xoxb"
            | b"xoxp"
            | b"your"
            | b"admin"
            | b"azure"
            | b"basic"
            | b"empty"
            | b"enter"
            | b"false"
            | b"guest"
            | b"hello"
            | b"local"
            | b"mysql"
            | b"redis"
            | b"slack"
            | b"super"
            | b"tests"
            | b"token"
            | b"unset"
            | b"value"
            | b"world"
            | b"access"
            | b"apikey"
            | b"bearer"
            | b"change"
            | b"client"
            | b"github"
            | b"google"
            | b"number"
            | b"openai"
            | b"passwd"
            | b"public"
            | b"random"
            | b"secret"
            | b"string"
            | b"stripe"
            | b"tokens"
            | b"default"
            | b"private"
            | b"secrets"
            | b"testing"
            | b"database"
            | b"optional"
            | b"password"
            | b"postgres"
            | b"provided"
            | b"required"
            | b"username"
            | b"anonymous"
            | b"generated"
            | b"localhost"
            | b"passwords"
            | b"undefined"
            | b"production"
    )
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| !b.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Longest word of the two lists.
const LONGEST_WORD: usize = 16;

/// The word in lower case, if it is short enough to be in one of the lists.
fn lowered<'b>(word: &[u8], buffer: &'b mut [u8; LONGEST_WORD]) -> &'b [u8] {
    let Some(part) = buffer.get_mut(..word.len()) else {
        return &[];
    };
    part.copy_from_slice(word);
    part.make_ascii_lowercase();
    part
}

/// Whether the value stands for another: `xxxx`, `YOUR_KEY`, `<token>`, `${VAR}`, `changeme`.
///
/// Applies to every detector. Sequences are left to [`is_sequence`]: documented examples of
/// formats that name themselves are often sequences.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    value.is_empty() || is_monotone(value) || is_stand_in(value)
}

/// As [`is_placeholder`], but for values of one repeated character.
pub(crate) fn is_stand_in(value: &[u8]) -> bool {
    if is_reference(value) || value.windows(3).any(|w| w == b"***" || w == b"...") {
        return true;
    }
    let mut all_plain = true;
    let mut buffer = [0_u8; LONGEST_WORD];
    for word in words(value) {
        let xs = word.len() >= 3 && word.iter().all(|b| matches!(b, b'x' | b'X'));
        let lower = lowered(word, &mut buffer);
        if xs || is_stand_in_word(lower) {
            return true;
        }
        all_plain = all_plain
            && (is_plain_word(lower) || word.len() < 4 && word.iter().all(u8::is_ascii_digit));
    }
    all_plain
}

/// A run of one character that fills most of the value after its prefix, or two characters at all.
fn is_monotone(value: &[u8]) -> bool {
    let body = value
        .iter()
        .rposition(|b| matches!(b, b'_' | b'-' | b':' | b'.' | b' '))
        .and_then(|i| value.get(i.saturating_add(1)..))
        .filter(|body| body.len() >= 8)
        .unwrap_or(value);
    let mut longest = 0_usize;
    let mut run = 0_usize;
    let mut last = 0_u8;
    for &b in body {
        run = if b == last { run.saturating_add(1) } else { 1 };
        last = b;
        longest = longest.max(run);
    }
    let runs_on = longest >= 6 && longest.saturating_mul(2) >= body.len();
    runs_on || longest >= 12 || body.len() >= 6 && mix(body).distinct <= 2
}

/// Whether most of the value counts up or down, as `abcdefgh12345678` does.
pub(crate) fn is_sequence(value: &[u8]) -> bool {
    if value.len() < 6 {
        return false;
    }
    let steps = value
        .iter()
        .zip(value.iter().skip(1))
        .filter(|&(&a, &b)| {
            let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
            a.is_ascii_alphanumeric()
                && (b == a.wrapping_add(1)
                    || a == b.wrapping_add(1)
                    || (a == b'9' && b == b'0')
                    || (a == b'9' && b == b'a'))
        })
        .count();
    steps.saturating_mul(10) >= value.len().saturating_mul(6) || is_counting(value)
}

/// Whether the bytes of a hexadecimal value count up: `00010203…`.
fn is_counting(value: &[u8]) -> bool {
    let byte = |pair: &[u8]| -> Option<u32> {
        let [a, b] = pair else {
            return None;
        };
        let (a, b) = (char::from(*a).to_digit(16)?, char::from(*b).to_digit(16)?);
        Some(a.wrapping_shl(4) | b)
    };
    if value.len() < 16 || !value.len().is_multiple_of(2) {
        return false;
    }
    let Some(bytes) = value.chunks(2).map(byte).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let steps = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(a, b)| a.wrapping_add(1) == **b)
        .count();
    steps.saturating_mul(10) >= bytes.len().saturating_mul(6)
}

/// Openings of what is looked up elsewhere when the text is used.
const REFERENCES: &[&[u8]] = &[
    b"$",
    b"%",
    b"{{",
    b"{%",
    b"[[",
    b"((",
    b"<",
    b"@Microsoft.KeyVault",
    b"op://",
    b"vault:",
    b"vault/",
    b"ref+",
    b"ssm:",
    b"arn:",
    b"secret://",
    b"secrets://",
    b"file:",
    b"env:",
    b"env.",
    b"env(",
    b"ENV[",
    b"ENV.",
    b"env[",
    b"ENC[",
    b"!Ref",
    b"!Sub",
    b"!vault",
    b"!reference",
    b"process.env",
    b"os.environ",
    b"os.getenv",
    b"os.Getenv",
    b"getenv",
    b"System.getenv",
    b"System.get_env",
    b"Environment.",
    b"environ[",
    b"Deno.env",
    b"Bun.env",
    b"import.meta",
    b"std::env",
    b"secrets.",
    b"vars.",
    b"var.",
    b"local.",
    b"data.",
    b"module.",
    b"self.",
    b"this.",
    b"settings.",
    b"config.",
    b"params.",
    b"args.",
    b"options.",
    b"props.",
    b"keyring.",
    b"projects/",
    b"sm://",
    b"gcp:",
    b"awssm:",
    b"sops:",
    b"bao:",
    b"[",
    b"{",
    b"*",
    b"...",
    b"&",
];

/// Whether the value is an expression that is replaced by the secret when it is used.
pub(crate) fn is_reference(value: &[u8]) -> bool {
    // Password hashes begin with a dollar sign too.
    if value.starts_with(b"$") {
        let hash = value.iter().filter(|&&b| b == b'$').count() >= 3
            && value.get(1).is_some_and(|b| b.is_ascii_alphanumeric());
        let plain_variable = value
            .get(1..)
            .is_some_and(|rest| rest.iter().all(|&b| is_word(b) || b == b':'))
            && !value.iter().any(u8::is_ascii_lowercase);
        let lower_variable = value
            .get(1..)
            .is_some_and(|rest| rest.iter().all(|&b| b.is_ascii_lowercase() || b == b'_'));
        return !hash
            && (plain_variable
                || lower_variable
                || matches!(at(value, 1), b'{' | b'(' | b'[' | b'$' | b'<')
                || value.starts_with(b"$env:")
                || !value.iter().any(u8::is_ascii_digit));
    }
    if value.starts_with(b"%") {
        return value.ends_with(b"%") || value.starts_with(b"%(") || value.len() <= 3;
    }
    if value.starts_with(b"*") || value.starts_with(b"&") {
        return value.starts_with(b"&lt;")
            || value.iter().all(|b| matches!(b, b'*' | b'&'))
            || value.get(1..).is_some_and(|rest| {
                rest.iter().all(|&b| is_word(b)) && !rest.iter().any(u8::is_ascii_digit)
            });
    }
    let closed = |open: u8, close: u8| at(value, 0) == open && value.contains(&close);
    if matches!(at(value, 0), b'[' | b'{' | b'<') && value.len() >= 2 {
        return closed(b'[', b']') || closed(b'{', b'}') || closed(b'<', b'>');
    }
    let first = at(value, 0).to_ascii_lowercase();
    REFERENCES.iter().any(|&r| {
        at(r, 0).to_ascii_lowercase() == first
            && r.len() > 1
            && !matches!(r, b"{{" | b"[[")
            && value.len() >= r.len()
            && value
                .get(..r.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(r))
    }) || memchr::memchr3_iter(b'$', b'{', b'<', value).any(|i| {
        matches!(
            (at(value, i), at(value, i.saturating_add(1))),
            (b'$', b'{' | b'(') | (b'{', b'{') | (b'<', b'%')
        )
    })
}

/// Whether an unquoted value is code: a call, an index, or names joined by dots.
pub(crate) fn is_expression(value: &[u8]) -> bool {
    if value.iter().any(|b| matches!(b, b'(' | b'{' | b'[')) {
        // Passwords may hold brackets; a name in front of one is a call or an index.
        let head = value
            .iter()
            .position(|b| matches!(b, b'(' | b'{' | b'['))
            .and_then(|i| value.get(..i))
            .unwrap_or_default();
        if head.is_empty()
            || head
                .iter()
                .all(|&b| is_word(b) || matches!(b, b'.' | b':' | b'!' | b'&' | b'?' | b'>'))
        {
            return true;
        }
    }
    let dotted = value.split(|&b| b == b'.').collect::<Vec<_>>();
    let is_ident = |part: &&[u8]| {
        part.first()
            .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
            && part.iter().all(|&b| is_word(b))
            && is_readable(part)
    };
    let is_name = |part: &&[u8]| {
        !part.is_empty() && part.iter().all(|&b| b.is_ascii_alphabetic() || b == b'_')
    };
    dotted.len() > 1 && (dotted.iter().all(is_ident) || dotted.iter().all(is_name))
        || dotted.len() == 1 && dotted.first().is_some_and(is_ident)
        || contains_fold(value, b"->")
        || contains_fold(value, b"::")
}

/// Whether a run of characters reads as a word or an identifier: letters of one case or one capital
/// a word, few digits and those at the end.
pub(crate) fn is_readable(part: &[u8]) -> bool {
    let mix = mix(part);
    if mix.digit > 0 {
        let tail = part.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        if mix.digit > tail || tail > 4 {
            return false;
        }
    }
    if mix.lower == 0 || mix.upper == 0 {
        // Upper or lower case alone: a word, if it has vowels and is not too long without a joint.
        return part
            .split(|&b| b == b'_' || b == b'-')
            .all(|word| word.len() <= 16 && pronounceable(word));
    }
    // Camel case: every capital begins a run of lower case.
    let capitals = mix.upper;
    capitals.saturating_mul(3) <= mix.lower.saturating_add(capitals)
        && part.len() <= 48
        && pronounceable(part)
}

/// Whether consonants and vowels alternate as they do in words.
fn pronounceable(word: &[u8]) -> bool {
    let mut run = 0_usize;
    let mut vowels = 0_usize;
    let mut letters = 0_usize;
    let mut worst = 0_usize;
    for &b in word {
        if !b.is_ascii_alphabetic() {
            run = 0;
            continue;
        }
        letters = letters.saturating_add(1);
        if matches!(b | 0x20, b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            vowels = vowels.saturating_add(1);
            run = 0;
        } else {
            run = run.saturating_add(1);
            worst = worst.max(run);
        }
    }
    letters < 4 || worst <= 4 && vowels.saturating_mul(5) >= letters
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(i, &b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_stand_ins_from_secrets() {
        for stand_in in [
            "xxxxxxxx",
            "YOUR_API_KEY",
            "<token>",
            "${SECRET}",
            "$DB_PASS",
            "changeme",
            "AKIAXXXXXXXXXXXXXXXX",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "process.env.X",
            "os.environ['A']",
            "{{ token }}",
            "((vault_x))",
            "[REDACTED]",
            "********",
            "test",
            "my-secret-key",
            "sk-xxxxxxxxxxxxxxxxxxxx",
            "0000000000000000000000000000",
            "%DB_PASSWORD%",
            "vault:secret/data/app#x",
            "fake-key-for-tests",
        ] {
            assert!(is_placeholder(stand_in.as_bytes()), "{stand_in}");
        }
        for secret in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
            "hunter2",
            "Tr0ub4dor&3",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "xoxb-1234567890-abcdefghij",
            "$apr1$abc$def0",
            "Comet_tundra8252$",
            "$ecret9Pass",
        ] {
            assert!(!is_placeholder(secret.as_bytes()), "{secret}");
        }
        assert!(is_sequence(b"abcdefghijklmnop") && is_sequence(b"1234567890"));
        assert!(is_sequence(b"000102030405060708090a0b0c0d0e0f"));
        assert!(!is_sequence(b"k3J9dQpZ71") && !is_sequence(b"be9ec7e36afa542b2273d23cc1fbe44f"));
    }

    #[test]
    fn tells_code_from_values() {
        for code in [
            "next(tokens)",
            "config.token",
            "userPassword",
            "TokenType.EOF",
            "get_secret",
            "req.body.password",
            "cfg.OAuth.ClientSecret",
        ] {
            assert!(is_expression(code.as_bytes()), "{code}");
        }
        for value in [
            "Comet_tundra8252$",
            "f4063802",
            "8dG9ihsiquh6c8iulid",
            "hunter2!x",
        ] {
            assert!(!is_expression(value.as_bytes()), "{value}");
        }
    }
}
