//! Measures nesting by tokens, so that neither the parser nor what walks or drops its tree recurses
//! deeper than a small stack holds.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer::lex};

/// Deepest tree that is parsed: brackets, blocks and chains together.
const MAX_DEPTH: usize = 1_000;
/// Deepest nesting of brackets and blocks.
const MAX_NESTING: usize = 90;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// Number of tokens.
    pub tokens: usize,
    /// Parsing would need too much stack.
    pub too_deep: bool,
}

/// Reads the tokens of `source`, up to the first that nests too deep.
pub(super) fn measure(source: &str) -> Bounds {
    let mut lexer = lex(source, Mode::Ipython);
    let mut bounds = Bounds::default();
    let (mut indent, mut brackets) = (0_usize, 0_usize);
    // Operators since the last comma or line end, in this bracket and in those around it.
    let mut chain = 0_usize;
    let mut outer: Vec<usize> = Vec::new();
    let mut around = 0_usize;
    loop {
        let kind = lexer.next_token();
        bounds.tokens = bounds.tokens.saturating_add(1);
        match kind {
            TokenKind::EndOfFile => return bounds,
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                brackets = brackets.saturating_add(1);
                chain = chain.saturating_add(1);
                outer.push(chain);
                around = around.saturating_add(chain);
                chain = 0;
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                brackets = brackets.saturating_sub(1);
                if let Some(last) = outer.pop() {
                    around = around.saturating_sub(last);
                    chain = last;
                }
            }
            TokenKind::Indent => indent = indent.saturating_add(1),
            TokenKind::Dedent => indent = indent.saturating_sub(1),
            TokenKind::Newline => {
                chain = 0;
                outer.clear();
                around = 0;
                brackets = 0;
            }
            TokenKind::Comma | TokenKind::Semi => chain = 0,
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::IpyEscapeCommand
            | TokenKind::Equal => {}
            _ => chain = chain.saturating_add(1),
        }
        if brackets.saturating_add(indent) > MAX_NESTING || around.saturating_add(chain) > MAX_DEPTH
        {
            bounds.too_deep = true;
            return bounds;
        }
    }
}
