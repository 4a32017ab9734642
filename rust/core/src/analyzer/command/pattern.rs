//! Patterns of the shell in `${x#…}` and `${x/…}`, in which quoted characters mean themselves.

/// Longest text on which a pattern is tried at every length.
pub(super) const MAX_TRIED: usize = 512;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    Char(char),
    /// `[…]`: negated, and ranges.
    Class(bool, Vec<(char, char)>),
}

impl Pattern {
    /// Compiles characters, each with whether it is quoted; `None` for forms that are not followed.
    pub(super) fn new(chars: &[(char, bool)]) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut i = 0_usize;
        while let Some(&(c, quoted)) = chars.get(i) {
            i = i.saturating_add(1);
            let next = chars.get(i).copied();
            match c {
                _ if quoted => tokens.push(Token::Char(c)),
                '?' | '*' | '+' | '@' | '!' if next == Some(('(', false)) => return None,
                '*' => {
                    if !matches!(tokens.last(), Some(Token::Any)) {
                        tokens.push(Token::Any);
                    }
                }
                '?' => tokens.push(Token::One),
                '\\' => match next {
                    Some((c, _)) => {
                        i = i.saturating_add(1);
                        tokens.push(Token::Char(c));
                    }
                    None => tokens.push(Token::Char('\\')),
                },
                '[' => match class(chars.get(i..).unwrap_or_default()) {
                    Some((token, length)) => {
                        tokens.push(token?);
                        i = i.saturating_add(length);
                    }
                    None => tokens.push(Token::Char('[')),
                },
                _ => tokens.push(Token::Char(c)),
            }
        }
        Some(Self(tokens))
    }

    /// Whether it has a wildcard.
    pub(super) fn is_wild(&self) -> bool {
        self.0.iter().any(|t| !matches!(t, Token::Char(_)))
    }

    /// The text that it is, if it has no wildcard.
    fn literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|t| match t {
                Token::Char(c) => Some(*c),
                _ => None,
            })
            .collect()
    }

    /// Whether it matches all of a text.
    fn matches(&self, text: &str) -> bool {
        let tokens = &self.0;
        let (mut p, mut rest) = (0_usize, text);
        let mut star: Option<(usize, &str)> = None;
        loop {
            let mut chars = rest.chars();
            let next = chars.next();
            let fits = match (tokens.get(p), next) {
                (Some(Token::Any), _) => {
                    p = p.saturating_add(1);
                    star = Some((p, rest));
                    continue;
                }
                (None, None) => return true,
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Char(c)), Some(n)) => *c == n,
                (Some(Token::Class(negated, ranges)), Some(n)) => {
                    ranges.iter().any(|(low, high)| *low <= n && n <= *high) != *negated
                }
                _ => false,
            };
            if fits {
                p = p.saturating_add(1);
                rest = chars.as_str();
            } else if let Some((after, from)) = star {
                let mut chars = from.chars();
                if chars.next().is_none() {
                    return false;
                }
                rest = chars.as_str();
                star = Some((after, rest));
                p = after;
            } else {
                return false;
            }
        }
    }

    /// `value` without its shortest or longest beginning that matches.
    pub(super) fn without_start(&self, value: &str, longest: bool) -> String {
        if let Some(literal) = self.literal() {
            return value.strip_prefix(&literal).unwrap_or(value).to_owned();
        }
        let hit = |i: &usize| value.get(..*i).is_some_and(|head| self.matches(head));
        let mut cuts = cuts(value);
        let cut = if longest {
            cuts.rev().find(hit)
        } else {
            cuts.find(hit)
        };
        value.get(cut.unwrap_or(0)..).unwrap_or_default().to_owned()
    }

    /// `value` without its shortest or longest end that matches.
    pub(super) fn without_end(&self, value: &str, longest: bool) -> String {
        if let Some(literal) = self.literal() {
            return value.strip_suffix(&literal).unwrap_or(value).to_owned();
        }
        let hit = |i: &usize| value.get(*i..).is_some_and(|tail| self.matches(tail));
        let mut cuts = cuts(value);
        let cut = if longest {
            cuts.find(hit)
        } else {
            cuts.rev().find(hit)
        };
        let cut = cut.unwrap_or(value.len());
        value.get(..cut).unwrap_or_default().to_owned()
    }

    /// `value` with what matches replaced; the longest match at each place. `op` is `/`, `//`, `/#`
    /// or `/%`; an unquoted `&` in the replacement is what matched.
    pub(super) fn replaced(&self, value: &str, op: &str, with: &[(char, bool)]) -> String {
        let mut out = String::new();
        let mut at = 0_usize;
        let mut done = false;
        if self.0.is_empty() && !matches!(op, "/#" | "/%") {
            return value.to_owned();
        }
        while at <= value.len() {
            let rest = value.get(at..).unwrap_or_default();
            let wanted = !done
                && match op {
                    "/#" => at == 0,
                    _ => true,
                };
            let length = if wanted { self.longest(rest) } else { None };
            let length = length.filter(|l| op != "/%" || *l == rest.len());
            if let Some(length) = length {
                let found = rest.get(..length).unwrap_or_default();
                for (c, quoted) in with {
                    if *c == '&' && !quoted {
                        out.push_str(found);
                    } else {
                        out.push(*c);
                    }
                }
                done = op != "//";
                at = at.saturating_add(length);
                if length > 0 {
                    continue;
                }
            }
            match value.get(at..).and_then(|r| r.chars().next()) {
                Some(c) => {
                    out.push(c);
                    at = at.saturating_add(c.len_utf8());
                }
                None => break,
            }
        }
        out
    }

    /// Length of the longest beginning that matches.
    fn longest(&self, text: &str) -> Option<usize> {
        if let Some(literal) = self.literal() {
            return text.starts_with(&literal).then_some(literal.len());
        }
        cuts(text)
            .rev()
            .find(|i| *i > 0 && text.get(..*i).is_some_and(|head| self.matches(head)))
    }
}

/// The places between characters.
fn cuts(text: &str) -> impl DoubleEndedIterator<Item = usize> + '_ {
    (0..=text.len()).filter(|i| text.is_char_boundary(*i))
}

/// A class behind its `[`, and its length; the inner `None` is a form that is not followed.
fn class(chars: &[(char, bool)]) -> Option<(Option<Token>, usize)> {
    let negated = matches!(chars.first(), Some(('!' | '^', false)));
    let mut i = usize::from(negated);
    let start = i;
    let mut ranges = Vec::new();
    let mut named = false;
    loop {
        let &(c, quoted) = chars.get(i)?;
        if c == ']' && !quoted && i > start {
            let token = (!named).then_some(Token::Class(negated, ranges));
            return Some((token, i.saturating_add(1)));
        }
        if c == '['
            && !quoted
            && matches!(chars.get(i.saturating_add(1)), Some((':' | '.' | '=', _)))
        {
            named = true;
            i = i.saturating_add(1);
            while chars.get(i)?.0 != ']' {
                i = i.saturating_add(1);
            }
            i = i.saturating_add(1);
            continue;
        }
        let high = match (
            chars.get(i.saturating_add(1)),
            chars.get(i.saturating_add(2)),
        ) {
            (Some(('-', false)), Some((high, q))) if *high != ']' || *q => Some(*high),
            _ => None,
        };
        ranges.push((c, high.unwrap_or(c)));
        i = i.saturating_add(if high.is_some() { 3 } else { 1 });
    }
}
