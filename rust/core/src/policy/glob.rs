//! Globs over a whole text: `*`, `?` and `[…]`, with `!` in front of a glob for "but not".

/// One compiled glob. ASCII letters match in both cases.
#[derive(Clone, Debug)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Star,
    Any,
    One(char),
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        let c = c.to_ascii_lowercase();
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::One(own) => *own == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|&(low, high)| low <= c && c <= high) != *negated
            }
        }
    }
}

impl Glob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// A message, for an empty glob and for a `[` that is not closed.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("is an empty pattern, which matches nothing".into());
        }
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().map(|c| c.to_ascii_lowercase());
        while let Some(c) = chars.next() {
            let token = match c {
                '*' if tokens.last() == Some(&Token::Star) => continue,
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => Self::set(&mut chars)
                    .ok_or_else(|| format!("{pattern:?}: \"[\" without \"]\""))?,
                c => Token::One(c),
            };
            tokens.push(token);
        }
        Ok(Self { tokens })
    }

    fn set(chars: &mut impl Iterator<Item = char>) -> Option<Token> {
        let mut members = Vec::new();
        let mut negated = false;
        let mut first = true;
        loop {
            match chars.next()? {
                '!' | '^' if first && !negated => {
                    negated = true;
                    continue;
                }
                ']' if !first => break,
                c => members.push(c),
            }
            first = false;
        }
        let mut ranges = Vec::new();
        let mut rest = members.as_slice();
        loop {
            rest = match rest {
                [] => return Some(Token::Set { negated, ranges }),
                [low, '-', high, tail @ ..] => {
                    ranges.push((*low, *high));
                    tail
                }
                [one, tail @ ..] => {
                    ranges.push((*one, *one));
                    tail
                }
            };
        }
    }

    /// Whether the whole text matches. Time is at most the product of the two lengths.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text;
        // Where to resume when the text does not fit: after the last `*`, one character further.
        let mut retry: Option<(&[Token], &str)> = None;
        loop {
            if let [Token::Star, tail @ ..] = tokens {
                if tail.is_empty() {
                    return true;
                }
                retry = Some((tail, rest));
                tokens = tail;
                continue;
            }
            let mut chars = rest.chars();
            match (tokens, chars.next()) {
                ([], None) => return true,
                ([token, tail @ ..], Some(c)) if token.takes(c) => {
                    tokens = tail;
                    rest = chars.as_str();
                }
                (_, at) => {
                    let Some((tail, from)) = retry else {
                        return false;
                    };
                    if at.is_none() {
                        return false;
                    }
                    let mut further = from.chars();
                    further.next();
                    retry = Some((tail, further.as_str()));
                    tokens = tail;
                    rest = further.as_str();
                }
            }
        }
    }

    /// The text that the glob stands for, in lower case, if it has no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        self.tokens
            .iter()
            .map(|token| match token {
                Token::One(c) => Some(*c),
                _ => None,
            })
            .collect()
    }
}

/// A list of globs: one of those without `!` must match, if there are any, and none with `!`.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    yes: Vec<Glob>,
    no: Vec<Glob>,
}

impl Globs {
    /// Compiles a list.
    ///
    /// # Errors
    /// The message of the first glob that is not one.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        let mut globs = Self::default();
        for pattern in patterns {
            match pattern.as_ref().strip_prefix('!') {
                Some(rest) => globs.no.push(Glob::new(rest)?),
                None => globs.yes.push(Glob::new(pattern.as_ref())?),
            }
        }
        Ok(globs)
    }

    /// Whether the list holds for a text.
    #[must_use]
    pub fn hold(&self, text: &str) -> bool {
        (self.yes.is_empty() || self.yes.iter().any(|glob| glob.matches(text)))
            && !self.no.iter().any(|glob| glob.matches(text))
    }

    /// The bytes one of which every text begins with for which the list can hold, in lower case.
    #[must_use]
    pub fn first_bytes(&self) -> Option<Vec<u8>> {
        let first = |glob: &Glob| match glob.tokens.first() {
            Some(Token::One(c)) => u8::try_from(*c).ok().filter(u8::is_ascii),
            _ => None,
        };
        let all: Option<Vec<u8>> = self.yes.iter().map(first).collect();
        all.filter(|bytes| !bytes.is_empty())
    }

    /// The only texts for which the list can hold, in lower case, if that is a finite list.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<String>> {
        let all: Option<Vec<String>> = self.yes.iter().map(Glob::literal).collect();
        all.filter(|texts| !texts.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn wildcards_match_whole_texts() {
        for (pattern, text, expected) in [
            ("shell_*", "shell_exec", true),
            ("shell_*", "a_shell_exec", false),
            ("SHELL_*", "Shell_Exec", true),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aäc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("*abc*d", "ababcabd", true),
            ("a**b", "a__b", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_text_costs_no_more_than_the_product() {
        assert!(!matches("*a*a*a*a*a*a*a*a*b", &"a".repeat(100_000)));
    }

    #[test]
    fn what_a_list_can_hold_for_is_known() {
        let of = |list: &[&str]| Globs::new(list).unwrap();
        assert_eq!(
            of(&["Abc", "b"]).literals(),
            Some(vec!["abc".into(), "b".into()])
        );
        assert_eq!(of(&["a*", "b"]).literals(), None);
        assert_eq!(of(&["A*", "b"]).first_bytes(), Some(vec![b'a', b'b']));
        assert_eq!(of(&["*a"]).first_bytes(), None);
        assert_eq!(of(&["!a"]).first_bytes(), None);
        assert_eq!(of(&["é*"]).first_bytes(), None);
    }

    #[test]
    fn negated_globs_take_away() {
        let globs = Globs::new(&["fs_*", "!fs_read"]).unwrap();
        assert!(globs.hold("fs_write") && !globs.hold("fs_read") && !globs.hold("git"));
        let only_negated = Globs::new(&["!fs_*"]).unwrap();
        assert!(only_negated.hold("git") && !only_negated.hold("fs_x"));
        assert!(Globs::new(&["[a"]).is_err() && Globs::new(&[""]).is_err());
    }
}
