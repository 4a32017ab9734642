//! What each encoding hides, and that the way back leads to its encoded form.

use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};

const KEY: &str = "AKIAIOSFODNN7QWERTYU";

/// The parts of the text that the views map the key to.
fn seen(text: &str) -> Vec<String> {
    let frame = serde_json::to_string(text).unwrap();
    let limits = Limits::default();
    let document = Document::parse(frame.as_bytes(), &limits).unwrap();
    let mut budget = limits.decoded_bytes;
    let (views, bound) = views(&document, 0, &limits, &mut budget);
    assert!(!bound, "{text}");
    assert!(
        views.is_empty() || !is_plain(text, Signs::of(text.as_bytes())),
        "{text}"
    );
    views
        .iter()
        .filter_map(|v| {
            let at = v.text.find(KEY)?;
            let inner = Span::new(at, at.saturating_add(KEY.len()));
            Some(v.map.to_leaf(inner, text.len()).of_str(text).to_owned())
        })
        .collect()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

#[test]
fn every_encoding_is_taken_off_and_mapped_back() {
    let unicode: String = KEY
        .chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect();
    let hexadecimal: String = KEY.bytes().map(|b| format!("\\x{b:02x}")).collect();
    let octal: String = KEY.bytes().map(|b| format!("\\{b:03o}")).collect();
    let percent: String = KEY.bytes().map(|b| format!("%{b:02X}")).collect();
    let entity: String = KEY.bytes().map(|b| format!("&#{b};")).collect();
    let printable: String = KEY.bytes().map(|b| format!("={b:02X}")).collect();
    let wide: String = KEY
        .chars()
        .map(|c| char::from_u32(c as u32 + 0xfee0).unwrap())
        .collect();
    let hidden: String = KEY.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let hidden = hidden.trim_end_matches('\u{200b}').to_owned();
    for (text, encoded) in [
        (format!("key {unicode} end"), unicode.clone()),
        (format!("key {hexadecimal} end"), hexadecimal),
        (format!("key {octal} end"), octal),
        (format!("?a=1&k={percent}&b=2"), percent.clone()),
        (format!("<p>{entity}</p>"), entity),
        (format!("a=3D1 {printable} end"), printable.clone()),
        (format!("全角 {wide} 。"), wide),
        (format!("x {hidden} y"), hidden),
        (
            "a = \"AKIAIOSF\" + \"ODNN7QWERTYU\";".into(),
            "AKIAIOSF\" + \"ODNN7QWERTYU".into(),
        ),
        (
            "a = ('AKIAIOSF'\n     'ODNN7QWERTYU')".into(),
            "AKIAIOSF'\n     'ODNN7QWERTYU".into(),
        ),
        (
            r#"{\"a\": \"AKIAIOSF\" + \"ODNN7QWERTYU\"}"#.into(),
            r#"AKIAIOSF\" + \"ODNN7QWERTYU"#.into(),
        ),
        (
            "k = ['AKIAIOSF', 'ODNN7QWERTYU'].join('')".into(),
            "AKIAIOSF', 'ODNN7QWERTYU".into(),
        ),
        (format!("MIME\n\n{printable}"), printable.clone()),
        (
            "x AKIA\u{e0041}IOSFODNN7QWERTYU y".into(),
            "AKIA\u{e0041}IOSFODNN7QWERTYU".into(),
        ),
        (
            "echo AKIAIOSF\\\nODNN7QWERTYU".into(),
            "AKIAIOSF\\\nODNN7QWERTYU".into(),
        ),
        (
            "echo 'AKIA''IOSFODNN7QWERTYU'".into(),
            "AKIA''IOSFODNN7QWERTYU".into(),
        ),
    ] {
        assert!(seen(&text).contains(&encoded), "{text}: {:?}", seen(&text));
    }
}

#[test]
fn blobs_are_masked_whole() {
    let sentence = format!("key={KEY}\nregion=eu\n");
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut zip, sentence.as_bytes()).unwrap();
    let zipped = encode(zip.finish().unwrap());
    let hex: String = sentence.bytes().map(|b| format!("{b:02x}")).collect();
    let wide: Vec<u8> = sentence.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let twice = encode(encode(&sentence));
    let list = |one: fn(u8) -> String, joint: &str| {
        sentence.bytes().map(one).collect::<Vec<_>>().join(joint)
    };
    let decimal = list(|b| b.to_string(), ", ");
    let pairs = list(|b| format!("{b:02x}"), ":");
    let bytes = list(|b| format!("0x{b:02x}"), ", ");
    let calls = list(|b| format!("chr({b})"), " + ");
    for blob in [encode(&sentence), zipped, hex, encode(wide), twice] {
        let text = format!("data: {blob} end");
        assert!(seen(&text).contains(&blob), "{text}: {:?}", seen(&text));
    }
    for blob in [decimal, pairs, bytes, calls] {
        let text = format!("f([{blob}])");
        assert!(seen(&text).contains(&blob), "{text}: {:?}", seen(&text));
    }
    let long = encode(sentence.repeat(20));
    let lines: Vec<&str> = (0..long.len())
        .step_by(76)
        .map(|i| &long[i..long.len().min(i + 76)])
        .collect();
    let text = format!("a\n{}\nb", lines.join("\n"));
    assert_eq!(seen(&text), [lines.join("\n")]);
}

#[test]
fn ordinary_text_and_binary_data_have_no_views() {
    for text in [
        "The quick brown fox jumps over the lazy dog, 100 % of the time & more.",
        "let path = \"C:\\Users\\nobody\";\nfor x in y { z += 1 }\n",
        "/usr/share/doc/some-long-package-name/examples/configuration",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "数据库迁移已经完成，没有发现错误。👩‍💻 ☕️",
    ] {
        let frame = serde_json::to_string(text).unwrap();
        let limits = Limits::default();
        let document = Document::parse(frame.as_bytes(), &limits).unwrap();
        let mut budget = limits.decoded_bytes;
        let (views, bound) = views(&document, 0, &limits, &mut budget);
        assert!(views.is_empty() && !bound, "{text}: {views:?}");
    }
}

#[test]
fn layers_beyond_the_bound_are_told() {
    let mut text = format!("a key {KEY} in a text");
    for _ in 0..8 {
        text = encode(&text);
    }
    let frame = serde_json::to_string(&text).unwrap();
    let limits = Limits::default();
    let document = Document::parse(frame.as_bytes(), &limits).unwrap();
    let mut budget = limits.decoded_bytes;
    assert!(views(&document, 0, &limits, &mut budget).1);
}
