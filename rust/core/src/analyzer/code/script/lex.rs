//! JavaScript, Perl, Ruby, PHP, Lua and AWK as tokens, in one pass: comments go, strings and
//! regular expressions stay closed, code inside strings is kept aside.

use crate::{analyzer::Language, span::Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, with its sigil.
    Word,
    /// A text; `true` where variables in it are replaced.
    Text(bool),
    /// Backticks, `qx{…}`, `%x{…}`: a shell reads it.
    Command,
    Number,
    Regex,
    Mark,
    /// A line ended before the next token.
    Line,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub text: String,
    pub span: Span,
}

impl Token {
    pub(super) fn is(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }

    pub(super) fn word(&self) -> Option<&str> {
        (self.kind == Kind::Word).then_some(self.text.as_str())
    }
}

/// The tokens of a text, and the pieces of code that stand inside its strings.
pub(super) fn tokens(text: &str, language: Language) -> (Vec<Token>, Vec<Span>) {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        language,
        tokens: Vec::new(),
        inner: Vec::new(),
    };
    while lexer.at < lexer.bytes.len() {
        lexer.next();
    }
    (lexer.tokens, lexer.inner)
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    language: Language,
    tokens: Vec<Token>,
    inner: Vec<Span>,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes
            .get(self.at.saturating_add(ahead))
            .copied()
            .unwrap_or(0)
    }

    fn push(&mut self, kind: Kind, text: String, start: usize) {
        self.tokens.push(Token {
            kind,
            text,
            span: Span::new(start, self.at),
        });
    }

    /// Whether a value ended just before, so that `/` divides.
    fn behind_value(&self) -> bool {
        self.tokens.last().is_some_and(|t| match t.kind {
            Kind::Word => !matches!(
                t.text.as_str(),
                "return"
                    | "typeof"
                    | "case"
                    | "in"
                    | "of"
                    | "and"
                    | "or"
                    | "not"
                    | "if"
                    | "unless"
                    | "split"
                    | "grep"
                    | "when"
                    | "while"
            ),
            Kind::Text(_) | Kind::Number | Kind::Command | Kind::Regex => true,
            Kind::Mark => matches!(t.text.as_str(), ")" | "]" | "}"),
            Kind::Line => false,
        })
    }

    fn to(&mut self, end: &[u8]) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = memchr::memmem::find(rest, end).map_or(self.bytes.len(), |found| {
            self.at.saturating_add(found).saturating_add(end.len())
        });
    }

    fn line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
    }

    fn next(&mut self) {
        use Language as L;
        let start = self.at;
        let b = self.byte(0);
        let next = self.byte(1);
        let hash = !matches!(self.language, L::JavaScript | L::Lua);
        let slashes = matches!(self.language, L::JavaScript | L::Php);
        match b {
            b'\n' => {
                self.at = self.at.saturating_add(1);
                if self.tokens.last().is_some_and(|t| t.kind != Kind::Line) {
                    self.push(Kind::Line, String::new(), start);
                }
            }
            _ if b.is_ascii_whitespace() => self.at = self.at.saturating_add(1),
            b'/' if slashes && next == b'/' => self.line(),
            b'/' if slashes && next == b'*' => self.to(b"*/"),
            b'-' if self.language == L::Lua && next == b'-' => {
                if self.byte(2) == b'[' && self.byte(3) == b'[' {
                    self.to(b"]]");
                } else {
                    self.line();
                }
            }
            b'[' if self.language == L::Lua && next == b'[' => {
                self.at = self.at.saturating_add(2);
                let from = self.at;
                self.to(b"]]");
                let end = self.at.saturating_sub(2).max(from);
                let text = self.text.get(from..end).unwrap_or_default().to_owned();
                self.push(Kind::Text(false), text, start);
            }
            b'#' if hash && !(self.language == L::Php && next == b'[') => self.line(),
            b'\'' => self.quoted(b'\'', b'\'', Kind::Text(false)),
            b'"' => {
                let replaces = matches!(self.language, L::Perl | L::Ruby | L::Php);
                self.quoted(b'"', b'"', Kind::Text(replaces));
            }
            b'`' if self.language == L::JavaScript => self.quoted(b'`', b'`', Kind::Text(true)),
            b'`' => self.quoted(b'`', b'`', Kind::Command),
            b'/' if !self.behind_value()
                && matches!(self.language, L::JavaScript | L::Perl | L::Ruby | L::Awk) =>
            {
                self.regex();
            }
            b'%' if self.language == L::Ruby
                && matches!(next, b'x' | b'q' | b'Q' | b'w' | b'W')
                && !self.byte(2).is_ascii_alphanumeric()
                && !self.byte(2).is_ascii_whitespace() =>
            {
                let kind = match next {
                    b'x' => Kind::Command,
                    b'Q' | b'W' => Kind::Text(true),
                    _ => Kind::Text(false),
                };
                let open = self.byte(2);
                self.at = self.at.saturating_add(2);
                self.quoted(open, closing(open), kind);
            }
            _ if b.is_ascii_digit() => {
                while self.byte(0).is_ascii_alphanumeric()
                    || self.byte(0) == b'.' && self.byte(1).is_ascii_digit()
                {
                    self.at = self.at.saturating_add(1);
                }
                let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
                self.push(Kind::Number, text, start);
            }
            _ if is_name(b) || matches!(b, b'$' | b'@') && is_name(next) => {
                self.at = self.at.saturating_add(1);
                while is_name(self.byte(0)) || self.byte(0).is_ascii_digit() {
                    self.at = self.at.saturating_add(1);
                }
                let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
                if self.language == L::Perl && self.perl_quote(&text, start) {
                    return;
                }
                self.push(Kind::Word, text, start);
            }
            _ => {
                let pairs = [
                    "===", "!==", "=>", "::", "->", "?.", "==", "!=", "&&", "||", "|&", "..", "+=",
                    ".=", "<<", "=~", "<=", ">=",
                ];
                let rest = self.text.get(self.at..).unwrap_or_default();
                let length = pairs.iter().find(|p| rest.starts_with(**p)).map_or_else(
                    || rest.chars().next().map_or(1, char::len_utf8),
                    |p| p.len(),
                );
                self.at = self.at.saturating_add(length);
                let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
                self.push(Kind::Mark, text, start);
            }
        }
    }

    /// `q{…}`, `qq(…)`, `qx/…/`, `qw[…]`, `m{…}`, `s/…/…/`.
    fn perl_quote(&mut self, word: &str, start: usize) -> bool {
        let kind = match word {
            "q" | "qw" => Kind::Text(false),
            "qq" => Kind::Text(true),
            "qx" => Kind::Command,
            "m" | "qr" | "s" | "tr" | "y" => Kind::Regex,
            _ => return false,
        };
        let open = self.byte(0);
        if open.is_ascii_alphanumeric()
            || open.is_ascii_whitespace()
            || matches!(open, b'=' | b',' | b';' | b')' | b'_' | 0)
            || open == b'-' && self.byte(1) == b'>'
        {
            return false;
        }
        let close = closing(open);
        let twice = matches!(word, "s" | "tr" | "y");
        self.quoted(open, close, kind);
        if twice {
            if open == close {
                self.at = self.at.saturating_sub(1);
            }
            let open = self.byte(0);
            let count = self.tokens.len();
            self.quoted(open, closing(open), Kind::Regex);
            let replacement = self.tokens.pop();
            let flags = self.at;
            while self.byte(0).is_ascii_alphabetic() {
                self.at = self.at.saturating_add(1);
            }
            // With `e` the replacement is code.
            let code = self
                .text
                .get(flags..self.at)
                .is_some_and(|f| f.contains('e'));
            if let Some(replacement) = replacement.filter(|_| code) {
                self.inner.push(replacement.span);
            }
            self.tokens.truncate(count);
        }
        let _ = start;
        true
    }

    fn regex(&mut self) {
        let start = self.at;
        self.at = self.at.saturating_add(1);
        let mut class = false;
        while self.at < self.bytes.len() {
            match self.byte(0) {
                b'\\' => self.at = self.at.saturating_add(1),
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => break,
                b'\n' => break,
                _ => {}
            }
            self.at = self.at.saturating_add(1);
        }
        self.at = self.at.saturating_add(1);
        while self.byte(0).is_ascii_alphabetic() {
            self.at = self.at.saturating_add(1);
        }
        self.at = self.at.min(self.bytes.len());
        self.push(Kind::Regex, String::new(), start);
    }

    /// Reads from an opening quote to the closing one.
    fn quoted(&mut self, open: u8, close: u8, kind: Kind) {
        let start = self.at;
        self.at = self.at.saturating_add(1);
        let mut out = String::new();
        let mut depth = 0_usize;
        let mut from = self.at;
        // `${…}` of JavaScript, `#{…}` of Ruby.
        let mark = match self.language {
            Language::JavaScript if close == b'`' => b'$',
            Language::Ruby if kind != Kind::Text(false) => b'#',
            _ => 0,
        };
        while self.at < self.bytes.len() {
            let b = self.byte(0);
            if b == b'\\' {
                out.push_str(self.text.get(from..self.at).unwrap_or_default());
                self.at = self.at.saturating_add(1);
                self.escape(&mut out, &kind);
                from = self.at;
                continue;
            }
            if mark != 0 && b == mark && self.byte(1) == b'{' {
                out.push_str(self.text.get(from..self.at).unwrap_or_default());
                out.push(crate::analyzer::command::HOLE);
                self.at = self.at.saturating_add(2);
                let code = self.at;
                let mut braces = 1_usize;
                while self.at < self.bytes.len() && braces > 0 {
                    match self.byte(0) {
                        b'{' => braces = braces.saturating_add(1),
                        b'}' => braces = braces.saturating_sub(1),
                        _ => {}
                    }
                    self.at = self.at.saturating_add(1);
                }
                self.inner
                    .push(Span::new(code, self.at.saturating_sub(1).max(code)));
                from = self.at;
                continue;
            }
            if b == close && depth == 0 {
                break;
            }
            if b == open && open != close {
                depth = depth.saturating_add(1);
            } else if b == close {
                depth = depth.saturating_sub(1);
            }
            self.at = self.at.saturating_add(1);
        }
        out.push_str(
            self.text
                .get(from..self.at.min(self.bytes.len()))
                .unwrap_or_default(),
        );
        self.at = self.at.saturating_add(1).min(self.bytes.len());
        self.push(kind, out, start);
    }

    fn escape(&mut self, out: &mut String, kind: &Kind) {
        let digits = |text: &str, radix: u32| {
            u32::from_str_radix(text, radix)
                .ok()
                .and_then(char::from_u32)
        };
        let plain = *kind == Kind::Text(false) && self.language != Language::JavaScript;
        let b = self.byte(0);
        let mut take = 1_usize;
        match b {
            b'n' if !plain => out.push('\n'),
            b't' if !plain => out.push('\t'),
            b'r' | b'0' if !plain => out.push(' '),
            b'\n' => {}
            b'x' | b'u' if !plain || self.language == Language::Lua => {
                let brace = self.byte(1) == b'{';
                let (skip, width) = match (b, brace) {
                    (_, true) => (2, 6),
                    (b'x', false) => (1, 2),
                    _ => (1, 4),
                };
                let from = self.at.saturating_add(skip);
                let mut end = from;
                while end.saturating_sub(from) < width
                    && self.bytes.get(end).is_some_and(u8::is_ascii_hexdigit)
                {
                    end = end.saturating_add(1);
                }
                if let Some(c) = digits(self.text.get(from..end).unwrap_or_default(), 16) {
                    out.push(c);
                }
                take = end
                    .saturating_sub(self.at)
                    .saturating_add(usize::from(brace));
            }
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                if let Some(c) = rest.chars().next() {
                    out.push(c);
                    take = c.len_utf8();
                }
            }
        }
        self.at = self.at.saturating_add(take).min(self.bytes.len());
    }
}

const fn is_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

const fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}
