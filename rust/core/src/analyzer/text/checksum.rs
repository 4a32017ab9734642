//! Check sums and inner shapes that real values have.

use super::source::Checksum;
use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Decodes base64 of either alphabet, padded or not.
pub(crate) fn base64(value: &[u8]) -> Option<Vec<u8>> {
    if value.iter().any(|b| matches!(b, b'-' | b'_')) {
        URL.decode(value).ok()
    } else {
        PLAIN.decode(value).ok()
    }
}

/// Whether the value satisfies the sum.
pub(crate) fn holds(sum: Checksum, value: &[u8]) -> bool {
    match sum {
        Checksum::Github | Checksum::Npm => crc_base62(value),
        Checksum::Luhn => luhn(value),
        Checksum::Iban => iban(value),
        Checksum::Jwt => jwt_header(value),
        Checksum::Base64Json => {
            let tail = value.rsplit(|&b| b == b'_').next().unwrap_or(value);
            [value, tail]
                .iter()
                .filter_map(|part| base64(part))
                .any(|decoded| serde_json::from_slice::<serde_json::Value>(&decoded).is_ok())
        }
    }
}

/// The Luhn sum over the digits; other characters do not count.
pub(crate) fn luhn(value: &[u8]) -> bool {
    let digits = value.iter().rev().filter(|b| b.is_ascii_digit());
    let mut sum = 0_u32;
    for (i, &b) in digits.enumerate() {
        let mut digit = u32::from(b.wrapping_sub(b'0'));
        if i & 1 == 1 {
            digit = digit.saturating_mul(2);
            if digit > 9 {
                digit = digit.saturating_sub(9);
            }
        }
        sum = sum.saturating_add(digit);
    }
    sum > 0 && sum.is_multiple_of(10)
}

/// Countries of the IBAN registry (SWIFT, release 99).
const COUNTRIES: &[&[u8; 2]] = &[
    b"AD", b"AE", b"AL", b"AT", b"AZ", b"BA", b"BE", b"BG", b"BH", b"BI", b"BR", b"BY", b"CH",
    b"CR", b"CY", b"CZ", b"DE", b"DJ", b"DK", b"DO", b"EE", b"EG", b"ES", b"FI", b"FK", b"FO",
    b"FR", b"GB", b"GE", b"GI", b"GL", b"GR", b"GT", b"HN", b"HR", b"HU", b"IE", b"IL", b"IQ",
    b"IS", b"IT", b"JO", b"KW", b"KZ", b"LB", b"LC", b"LI", b"LT", b"LU", b"LV", b"LY", b"MC",
    b"MD", b"ME", b"MK", b"MN", b"MR", b"MT", b"MU", b"NI", b"NL", b"NO", b"OM", b"PK", b"PL",
    b"PS", b"PT", b"QA", b"RO", b"RS", b"RU", b"SA", b"SC", b"SD", b"SE", b"SI", b"SK", b"SM",
    b"SO", b"ST", b"SV", b"TL", b"TN", b"TR", b"UA", b"VA", b"VG", b"XK", b"YE",
];

/// ISO 13616: the first four characters to the end, letters as numbers, modulo 97 is 1.
pub(crate) fn iban(value: &[u8]) -> bool {
    let compact: Vec<u8> = value.iter().copied().filter(|b| *b != b' ').collect();
    let Some((head, tail)) = compact.split_at_checked(4) else {
        return false;
    };
    if !COUNTRIES.iter().any(|country| head.starts_with(*country)) {
        return false;
    }
    let mut rest = 0_u32;
    for &b in tail.iter().chain(head) {
        let Some(digit) = char::from(b).to_digit(36) else {
            return false;
        };
        let shift = if digit >= 10 { 100 } else { 10 };
        rest = rest
            .saturating_mul(shift)
            .saturating_add(digit)
            .checked_rem(97)
            .unwrap_or(0);
    }
    rest == 1
}

/// CRC-32 of the part after the prefix but the last six characters, which are it in base 62.
fn crc_base62(value: &[u8]) -> bool {
    let Some(body) = value
        .iter()
        .position(|&b| b == b'_')
        .and_then(|i| value.get(i.saturating_add(1)..))
    else {
        return false;
    };
    let Some((data, sum)) = body
        .len()
        .checked_sub(6)
        .and_then(|i| body.split_at_checked(i))
    else {
        return false;
    };
    let mut number = 0_u64;
    for &b in sum {
        let digit = match b {
            b'0'..=b'9' => b.wrapping_sub(b'0'),
            b'A'..=b'Z' => b.wrapping_sub(b'A').wrapping_add(10),
            b'a'..=b'z' => b.wrapping_sub(b'a').wrapping_add(36),
            _ => return false,
        };
        number = number.saturating_mul(62).saturating_add(u64::from(digit));
    }
    let mut crc = flate2::Crc::new();
    crc.update(data);
    u64::from(crc.sum()) == number
}

/// Whether the part before the first dot decodes to a JSON object with `alg` or `enc`.
pub(crate) fn jwt_header(value: &[u8]) -> bool {
    let head = value.split(|&b| b == b'.').next().unwrap_or_default();
    if head.len() > 4096 {
        return false;
    }
    let Some(decoded) = base64(head) else {
        return false;
    };
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&decoded)
        .is_ok_and(|header| header.contains_key("alg") || header.contains_key("enc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_hold_for_published_examples_only() {
        assert!(holds(Checksum::Luhn, b"4242 4242 4242 4242"));
        assert!(!holds(Checksum::Luhn, b"4242 4242 4242 4241"));
        assert!(holds(Checksum::Iban, b"DE89 3704 0044 0532 0130 00"));
        assert!(!holds(Checksum::Iban, b"DE88 3704 0044 0532 0130 00"));
        assert!(holds(Checksum::Jwt, b"eyJhbGciOiJIUzI1NiJ9.e30.x"));
        assert!(!holds(Checksum::Jwt, b"eyJhYmMiOiJIUzI1NiJ9.e30.x"));
        assert!(!holds(
            Checksum::Github,
            b"ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
        ));
    }
}
