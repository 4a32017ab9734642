//! IP addresses in all the forms that clients accept, and blocks of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses, IPv4 as mapped into IPv6.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    /// Reads `10.0.0.0/8` or `fe80::/10`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let (base, length) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), length.checked_add(96)?),
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        let shift = 128_u32.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
        (base & mask == base).then_some(Self { base, mask })
    }

    /// Whether the address lies in the block.
    pub(super) fn holds(self, address: IpAddr) -> bool {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => u128::from(v6),
        };
        bits & self.mask == self.base
    }
}

/// An IPv4 address as browsers and `inet_aton` read it: one to four parts, each decimal, octal
/// or hexadecimal, the last filling what is left.
pub(super) fn v4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = [0_u64; 4];
    let mut count = 0_usize;
    for part in host.split('.') {
        *parts.get_mut(count)? = number(part)?;
        count = count.checked_add(1)?;
    }
    let last = count.checked_sub(1)?;
    let mut value = *parts.get(last)?;
    let room = 32_u32.checked_sub(u32::try_from(last).ok()?.checked_mul(8)?)?;
    if value >= 1_u64.checked_shl(room)? {
        return None;
    }
    for (index, part) in parts.iter().take(last).enumerate() {
        if *part > 255 {
            return None;
        }
        let shift = 24_u32.checked_sub(u32::try_from(index).ok()?.checked_mul(8)?)?;
        value |= part.checked_shl(shift)?;
    }
    u32::try_from(value).ok().map(Ipv4Addr::from)
}

fn number(part: &str) -> Option<u64> {
    let lower = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
    if part.is_empty() || part.len() > 40 {
        return None;
    }
    match lower {
        Some("") => Some(0),
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u64::from_str_radix(part, 8).ok(),
        None if part.bytes().all(|b| b.is_ascii_digit()) => part.parse().ok(),
        None => None,
    }
}

/// The address that a canonical host is, or that a name of a wildcard DNS service spells.
pub(super) fn of_host(host: &str) -> Option<IpAddr> {
    let bytes = host.as_bytes();
    if !bytes.iter().any(|b| b.is_ascii_digit() || *b == b':') {
        return None;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(unmapped(address));
    }
    let inner = [".nip.io", ".sslip.io", ".xip.io"]
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let spelt = |text: &str| {
        let mut parts: Vec<&str> = text.rsplit(['.', '-']).take(4).collect();
        parts.reverse();
        parts.join(".").parse::<Ipv4Addr>().ok()
    };
    let packed = inner.rsplit(['.', '-']).next().filter(|p| p.len() == 8);
    spelt(inner)
        .or_else(|| {
            packed
                .and_then(|p| u32::from_str_radix(p, 16).ok())
                .map(Ipv4Addr::from)
        })
        .map(IpAddr::V4)
}

/// An IPv4 address that is written as an IPv6 one, back in its own form.
pub(super) fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    // NAT64 and 6to4 carry an IPv4 address that the network takes out again.
    let bits = u128::from(v6);
    let low = |shift: u32| {
        u32::try_from(bits.wrapping_shr(shift) & u128::from(u32::MAX)).map(Ipv4Addr::from)
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => low(0).map_or(address, IpAddr::V4),
        [0x2002, ..] => low(80).map_or(address, IpAddr::V4),
        _ if bits > 1 && bits <= u128::from(u32::MAX) => low(0).map_or(address, IpAddr::V4),
        _ => address,
    }
}

/// Reads what stands between brackets.
pub(super) fn v6(text: &str) -> Option<IpAddr> {
    let text = text.split('%').next().unwrap_or(text);
    text.parse::<Ipv6Addr>()
        .ok()
        .map(|v6| unmapped(IpAddr::V6(v6)))
}
