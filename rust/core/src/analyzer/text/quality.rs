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
const STAND_IN: &[&[u8]] = &[
    b"your",
    b"yours",
    b"changeme",
    b"changeit",
    b"placeholder",
    b"redacted",
    b"replace",
    b"replaceme",
    b"insert",
    b"dummy",
    b"todo",
    b"fixme",
    b"tbd",
    b"removed",
    b"masked",
    b"hidden",
    b"fake",
    b"example",
    b"sample",
    b"mock",
    b"notreal",
    b"invalid",
    b"placeholders",
    b"xxx",
    b"censored",
    b"omitted",
    b"filtered",
];

/// Words that a value may wholly consist of without being a secret.
const PLAIN: &[&[u8]] = &[
    b"test",
    b"testing",
    b"none",
    b"null",
    b"nil",
    b"undefined",
    b"true",
    b"false",
    b"yes",
    b"no",
    b"on",
    b"off",
    b"default",
    b"empty",
    b"secret",
    b"token",
    b"password",
    b"passwd",
    b"pass",
    b"key",
    b"api",
    b"apikey",
    b"my",
    b"the",
    b"a",
    b"an",
    b"value",
    b"here",
    b"string",
    b"foo",
    b"bar",
    b"baz",
    b"abc",
    b"optional",
    b"required",
    b"unset",
    b"enter",
    b"set",
    b"this",
    b"me",
    b"access",
    b"auth",
    b"client",
    b"user",
    b"username",
    b"admin",
    b"root",
    b"some",
    b"any",
    b"new",
    b"old",
    b"for",
    b"tests",
    b"tokens",
    b"secrets",
    b"passwords",
    b"keys",
    b"id",
    b"to",
    b"change",
    b"do",
    b"not",
    b"use",
    b"goes",
    b"in",
    b"production",
    b"only",
    b"demo",
    b"hello",
    b"world",
    b"random",
    b"long",
    b"super",
    b"private",
    b"public",
    b"bearer",
    b"basic",
    b"sk",
    b"pk",
    b"live",
    b"prod",
    b"dev",
    b"local",
    b"localhost",
    b"with",
    b"from",
    b"env",
    b"github",
    b"stripe",
    b"slack",
    b"openai",
    b"aws",
    b"google",
    b"azure",
    b"jwt",
    b"db",
    b"database",
    b"pat",
    b"ghp",
    b"xoxb",
    b"xoxp",
    b"postgres",
    b"mysql",
    b"redis",
    b"guest",
    b"anonymous",
    b"generated",
    b"provided",
    b"by",
    b"of",
    b"is",
    b"your",
    b"type",
    b"text",
    b"number",
];

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| !b.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

fn is_one_of(word: &[u8], list: &[&[u8]]) -> bool {
    list.iter().any(|w| w.eq_ignore_ascii_case(word))
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
    for word in words(value) {
        let xs = word.len() >= 3 && word.iter().all(|b| matches!(b, b'x' | b'X'));
        if xs || is_one_of(word, STAND_IN) {
            return true;
        }
        all_plain &=
            is_one_of(word, PLAIN) || word.iter().all(u8::is_ascii_digit) && word.len() < 4;
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
    steps.saturating_mul(10) >= value.len().saturating_mul(6)
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
        return value.iter().all(|b| matches!(b, b'*' | b'&'))
            || value.get(1..).is_some_and(|rest| {
                rest.iter().all(|&b| is_word(b)) && !rest.iter().any(u8::is_ascii_digit)
            });
    }
    let closed = |open: u8, close: u8| at(value, 0) == open && value.contains(&close);
    if matches!(at(value, 0), b'[' | b'{' | b'<') && value.len() >= 2 {
        return closed(b'[', b']') || closed(b'{', b'}') || closed(b'<', b'>');
    }
    REFERENCES.iter().any(|&r| {
        r.len() > 1
            && !matches!(r, b"{{" | b"[[")
            && value.len() >= r.len()
            && value
                .get(..r.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(r))
    }) || value
        .windows(2)
        .any(|w| w == b"${" || w == b"$(" || w == b"{{" || w == b"<%")
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
    dotted.len() > 1 && dotted.iter().all(is_ident)
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
        assert!(!is_sequence(b"k3J9dQpZ71"));
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
