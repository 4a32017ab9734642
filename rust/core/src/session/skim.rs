//! Reads only the envelope of a line that is too long, or that the strict reader refuses.
//!
//! In constant memory and one pass, so that a request or an answer that cannot be let through is
//! still known by its id. What it says is never used to let something through.

use crate::{
    limits::Limits,
    walk::{Document, Kind, ROOT},
};

/// Longest member name and longest id that are looked at.
const LONGEST: usize = 512;

/// What the outermost object of a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `id` as written, if it is a string or an integer.
    pub id: Option<String>,
    /// There is a `method`.
    pub method: bool,
    /// There is a `result` or an `error`.
    pub answer: bool,
}

/// A line while it is read piece by piece.
#[derive(Debug, Default)]
pub struct Skim {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The next string at depth 1 is a member name.
    at_name: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    id: Option<Vec<u8>>,
    method: bool,
    answer: bool,
    done: bool,
    /// Not an object, or read by others in another way than here.
    unsure: bool,
}

impl Skim {
    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    /// What was read, if it was one object.
    #[must_use]
    pub fn finish(self) -> Option<Envelope> {
        if !self.done || self.unsure {
            return None;
        }
        Some(Envelope {
            id: self.id.and_then(valid_id),
            method: self.method,
            answer: self.answer,
        })
    }

    fn byte(&mut self, byte: u8) {
        if self.depth == 1 {
            self.keep(byte);
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if self.done => self.unsure = true,
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.unsure |= byte == b'[';
                    self.at_name = true;
                }
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.member();
                    self.done = true;
                }
                self.unsure |= self.depth == 0;
                self.depth = self.depth.saturating_sub(1);
            }
            b'"' => self.in_string = true,
            b':' if self.depth == 1 => self.at_name = false,
            b',' if self.depth == 1 => {
                self.member();
                self.at_name = true;
            }
            _ => self.unsure |= self.depth == 0,
        }
    }

    /// Keeps names, and values that may be an id.
    fn keep(&mut self, byte: u8) {
        if !self.in_string && matches!(byte, b':' | b',' | b'}' | b']') {
            return;
        }
        let kept = if self.at_name {
            &mut self.name
        } else {
            &mut self.value
        };
        if kept.len() <= LONGEST {
            kept.push(byte);
        }
    }

    fn member(&mut self) {
        match self.name.trim_ascii() {
            b"\"id\"" => {
                // Readers disagree on which of two counts.
                self.unsure |= self.id.is_some();
                self.id = Some(self.value.trim_ascii().to_vec());
            }
            b"\"method\"" => self.method = true,
            b"\"result\"" | b"\"error\"" => self.answer = true,
            name => self.unsure |= name.contains(&b'\\'),
        }
        self.name.clear();
        self.value.clear();
    }
}

fn valid_id(raw: Vec<u8>) -> Option<String> {
    if raw.len() > LONGEST {
        return None;
    }
    let document = Document::parse(&raw, &Limits::default()).ok()?;
    let valid = match document.node(ROOT)?.kind {
        Kind::String(_) => true,
        Kind::Number => !raw.iter().any(|b| matches!(b, b'.' | b'e' | b'E')),
        _ => false,
    };
    drop(document);
    if valid {
        String::from_utf8(raw).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skim(text: &str) -> Option<Envelope> {
        let mut skim = Skim::default();
        // Pieces of any size give the same.
        for piece in text.as_bytes().chunks(3) {
            skim.feed(piece);
        }
        skim.finish()
    }

    #[test]
    fn an_id_is_found_at_either_end_of_a_long_answer() {
        for text in [
            r#" {"id" : 12, "result": {"id": 5, "s": "}\"{", "a": [{"id": 6}]}, "x": null} "#,
            r#"{"result":{"id":5},"jsonrpc":"2.0","id":12}"#,
        ] {
            let expected = Envelope {
                id: Some("12".into()),
                method: false,
                answer: true,
            };
            assert_eq!(skim(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_certain_has_no_envelope() {
        for text in [
            "",
            "Server listening on port 3000",
            "[1]",
            r#"{"id":1,"id":2,"result":1}"#,
            r#"{"\u0069d":1,"result":1}"#,
            r#"{"id":1,"result":1} {}"#,
            r#"{"id":1,"result":"#,
            r#"x{"id":1}"#,
            "}{",
        ] {
            assert_eq!(skim(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_of_another_type_is_none() {
        for text in [
            r#"{"id":1.5}"#,
            r#"{"id":null}"#,
            r#"{"id":[1]}"#,
            r#"{"id":}"#,
            r#"{"id":1 2}"#,
        ] {
            assert_eq!(skim(text).map(|e| e.id), Some(None), "{text}");
        }
    }
}
