//! Python: parses, then follows values through statements to the calls that they reach.
//!
//! `bounds` refuses what would overflow a stack, `interp` runs statements over abstract values
//! (`value`, `expr`, `compute`), `call` and `effect` say what a call does, `magic` reads notebooks.

mod binding;
mod bounds;
mod call;
mod compute;
mod effect;
mod expr;
mod function;
mod interp;
mod magic;
mod names;
mod value;

pub(super) use value::from;

use super::detect::Table;
use crate::{analyzer::Scope, span::Span};
use interp::Interp;
use ruff_python_ast::{Mod, Stmt};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged as _, TextRange};

fn span(range: TextRange) -> Span {
    Span::new(range.start().to_usize(), range.end().to_usize())
}

/// Reports what `text` would do.
pub(super) fn analyze(table: &Table, text: &str, scope: &mut Scope<'_>) {
    run(table, text, scope, Vec::new());
}

/// Runs `text` with the names that the code around it has defined.
fn run(table: &Table, text: &str, scope: &mut Scope<'_>, outer: interp::Names) {
    if let Some(rest) = magic::cell(text, scope) {
        if let Some((start, code)) = rest {
            scope.nested(Span::new(start, text.len()), |scope| {
                run(table, code, scope, outer);
            });
        }
        return;
    }
    let whole = Span::new(0, text.len());
    // A NUL ends the source for some versions and is an error for others.
    let clean = if text.contains('\0') {
        text.replace('\0', " ")
    } else {
        String::new()
    };
    let source = if clean.is_empty() { text } else { &clean };
    let bounds = bounds::measure(source);
    if bounds.too_deep || !scope.spend(bounds.tokens / 4, whole) {
        if bounds.too_deep {
            scope.report_id("engine.syntax-budget", whole, None);
        }
        return;
    }
    let parsed = parse_unchecked(source, ParseOptions::from(Mode::Ipython));
    let broken = parsed.has_invalid_syntax() || !clean.is_empty();
    let Mod::Module(module) = parsed.syntax() else {
        return;
    };
    let mut interp = Interp::new(table, scope, outer);
    interp.module(&module.body);
    if broken {
        python2(&mut interp, &module.body);
        let at = parsed.errors().first().map_or(whole, |e| span(e.location));
        interp.builtin("unparsable", at);
    }
}

/// `exec "code"` of Python 2 parses as two statements.
fn python2<'a>(interp: &mut Interp<'a, '_, '_>, body: &'a [Stmt]) {
    for pair in body.windows(2) {
        let [Stmt::Expr(first), Stmt::Expr(second)] = pair else {
            continue;
        };
        if let ruff_python_ast::Expr::Name(name) = first.value.as_ref()
            && name.id.as_str() == "exec"
        {
            let code = interp.eval(&second.value);
            interp.call(
                &value::Val::name("builtins.exec"),
                &value::Args::one(code),
                span(second.range()),
            );
        }
    }
}
