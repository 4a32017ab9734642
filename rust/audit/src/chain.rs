//! How a line is signed: its number, the hash of the line before it, and an HMAC over both.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

/// Length of a hash in bytes, and of its spelling in a line.
pub(crate) const HASH: usize = 32;
const HEX: usize = 64;

/// Where the chain stands: number and hash of the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: u64,
    pub(crate) hash: [u8; HASH],
}

/// A key, ready to use; it shows itself nowhere.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha256>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    fn sum(&self, bytes: &[u8]) -> [u8; HASH] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    fn holds(&self, bytes: &[u8], sum: &[u8; HASH]) -> bool {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.verify_slice(sum).is_ok()
    }
}

/// The hash of a line, without its line end.
pub(crate) fn hash(line: &[u8]) -> [u8; HASH] {
    Sha256::digest(line).into()
}

/// Appends the object `line` with its three members to `out`, and says which link it makes;
/// `None`, and nothing is appended, for no object.
pub(crate) fn sign(signer: &Signer, last: Link, line: &[u8], out: &mut Vec<u8>) -> Option<Link> {
    let body = line.strip_suffix(b"}")?;
    if !body.starts_with(b"{") {
        return None;
    }
    let seq = last.seq.checked_add(1)?;
    let start = out.len();
    out.extend_from_slice(body);
    if body != b"{" {
        out.push(b',');
    }
    out.extend_from_slice(b"\"seq\":");
    out.extend_from_slice(seq.to_string().as_bytes());
    out.extend_from_slice(b",\"prev\":\"");
    push_hex(out, &last.hash);
    out.push(b'"');
    let sum = signer.sum(out.get(start..)?);
    out.extend_from_slice(b",\"hmac\":\"");
    push_hex(out, &sum);
    out.extend_from_slice(b"\"}");
    let hash = hash(out.get(start..)?);
    Some(Link { seq, hash })
}

/// What a signed line says of itself.
#[derive(Debug)]
pub(crate) struct Signed<'l> {
    pub(crate) seq: u64,
    pub(crate) prev: [u8; HASH],
    sum: [u8; HASH],
    bytes: &'l [u8],
}

impl<'l> Signed<'l> {
    /// Reads the three members at the end of a line; `None` where they do not stand there.
    pub(crate) fn read(line: &'l [u8]) -> Option<Self> {
        let (line, sum) = take_hex(line.strip_suffix(b"\"}")?)?;
        let bytes = line.strip_suffix(b",\"hmac\":\"")?;
        let (line, prev) = take_hex(bytes.strip_suffix(b"\"")?)?;
        let line = line.strip_suffix(b",\"prev\":\"")?;
        let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let (line, digits) = line.split_at_checked(line.len().checked_sub(digits)?)?;
        line.strip_suffix(b"\"seq\":")?;
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self {
            seq,
            prev,
            sum,
            bytes,
        })
    }

    pub(crate) fn is_authentic(&self, signer: &Signer) -> bool {
        signer.holds(self.bytes, &self.sum)
    }
}

/// What stands beside the log: the last link, and the first number that is still kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) link: Link,
    pub(crate) base: u64,
}

/// Bytes of the record: written whole each time, in one sector.
pub(crate) const HEAD: usize = 256;

impl Head {
    pub(crate) fn to_bytes(self, signer: &Signer) -> Vec<u8> {
        let mut out = format!(
            "{{\"head\":1,\"seq\":{},\"base\":{},\"hash\":\"",
            self.link.seq, self.base
        )
        .into_bytes();
        push_hex(&mut out, &self.link.hash);
        out.push(b'"');
        let sum = signer.sum(&out);
        out.extend_from_slice(b",\"hmac\":\"");
        push_hex(&mut out, &sum);
        out.extend_from_slice(b"\"}");
        out.resize(HEAD.saturating_sub(1), b' ');
        out.push(b'\n');
        out
    }

    /// `None` for anything that the key did not sign.
    pub(crate) fn read(bytes: &[u8], signer: &Signer) -> Option<Self> {
        let (rest, sum) = take_hex(bytes.trim_ascii_end().strip_suffix(b"\"}")?)?;
        let signed = rest.strip_suffix(b",\"hmac\":\"")?;
        if !signer.holds(signed, &sum) {
            return None;
        }
        let (rest, hash) = take_hex(signed.strip_suffix(b"\"")?)?;
        let rest = rest
            .strip_suffix(b",\"hash\":\"")?
            .strip_prefix(b"{\"head\":1,\"seq\":")?;
        let (seq, base) = std::str::from_utf8(rest).ok()?.split_once(",\"base\":")?;
        Some(Self {
            link: Link {
                seq: seq.parse().ok()?,
                hash,
            },
            base: base.parse().ok()?,
        })
    }
}

fn push_hex(out: &mut Vec<u8>, hash: &[u8; HASH]) {
    let digit = |nibble: u8| match nibble {
        0..=9 => nibble.wrapping_add(b'0'),
        _ => nibble.wrapping_add(b'a'.wrapping_sub(10)),
    };
    let mut hex = [0; HEX];
    let (pairs, _) = hex.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(hash) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out.extend_from_slice(&hex);
}

/// The hash that `bytes` ends in, in lower-case hex, and what stands before it.
fn take_hex(bytes: &[u8]) -> Option<(&[u8], [u8; HASH])> {
    let (rest, digits) = bytes.split_at_checked(bytes.len().checked_sub(HEX)?)?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut out = [0; HASH];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, &[high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some((rest, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(signer: &Signer, last: Link, line: &[u8]) -> Option<(Vec<u8>, Link)> {
        let mut out = Vec::new();
        let link = sign(signer, last, line, &mut out)?;
        Some((out, link))
    }

    #[test]
    fn a_signed_line_reads_back_and_holds_under_its_key_only() {
        let signer = Signer::new(b"key").unwrap();
        for line in [&b"{}"[..], b"{\"a\":1}"] {
            let last = Link {
                seq: 41,
                hash: hash(b"before"),
            };
            let (out, link) = signed(&signer, last, line).unwrap();
            let read = Signed::read(&out).unwrap();
            assert_eq!((read.seq, read.prev, link.seq), (42, last.hash, 42));
            assert_eq!(link.hash, hash(&out));
            assert!(read.is_authentic(&signer));
            assert!(!read.is_authentic(&Signer::new(b"other").unwrap()));
        }
    }

    #[test]
    fn the_documented_algorithm_gives_the_same_line() {
        // printf '%s' '{"a":1,"seq":1,"prev":"000…0"' | openssl dgst -sha256 -hmac key
        let signer = Signer::new(b"key").unwrap();
        let (out, _) = signed(&signer, Link::default(), b"{\"a\":1}").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "{{\"a\":1,\"seq\":1,\"prev\":\"{}\",\"hmac\":\"{}\"}}",
                "0".repeat(64),
                "e5d5b03443eb3ac4be950957d89da245b5afb984a091269c44bf76486e558f44"
            )
        );
    }

    #[test]
    fn no_object_is_not_signed() {
        let signer = Signer::new(b"key").unwrap();
        for line in [&b""[..], b"[]", b"1}", b"{", b"}"] {
            assert_eq!(signed(&signer, Link::default(), line), None, "{line:?}");
        }
    }

    #[test]
    fn every_changed_byte_of_a_signed_line_or_head_is_seen() {
        let signer = Signer::new(b"key").unwrap();
        let (line, link) = signed(&signer, Link::default(), b"{\"a\":\"b\"}").unwrap();
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            let read = Signed::read(&changed);
            assert!(!read.is_some_and(|r| r.is_authentic(&signer)), "{at}");
        }
        let head = Head { link, base: 1 };
        let bytes = head.to_bytes(&signer);
        assert_eq!(bytes.len(), HEAD);
        assert_eq!(Head::read(&bytes, &signer), Some(head));
        for at in 0..bytes.trim_ascii_end().len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Head::read(&changed, &signer), None, "{at}");
        }
    }

    #[test]
    fn the_largest_numbers_fit_the_head() {
        let signer = Signer::new(b"key").unwrap();
        let link = Link {
            seq: u64::MAX,
            hash: [255; HASH],
        };
        let head = Head {
            link,
            base: u64::MAX,
        };
        let bytes = head.to_bytes(&signer);
        assert_eq!(bytes.len(), HEAD);
        assert_eq!(Head::read(&bytes, &signer), Some(head));
    }

    #[test]
    fn a_key_is_not_shown() {
        let signer = Signer::new(b"hunter2hunter2").unwrap();
        assert_eq!(format!("{signer:?}"), "Signer");
    }
}
