//! Which kinds of bytes a text has, so that whoever looks for one of them need not look in vain.

/// A set of kinds of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs(u16);

impl Signs {
    /// `\`
    pub const BACKSLASH: Self = Self(1);
    /// `%`
    pub const PERCENT: Self = Self(1 << 1);
    /// `&`
    pub const AMPERSAND: Self = Self(1 << 2);
    /// `=`
    pub const EQUALS: Self = Self(1 << 3);
    /// Beyond ASCII.
    pub const HIGH: Self = Self(1 << 4);
    /// `"`, `'` or a backtick.
    pub const QUOTE: Self = Self(1 << 5);
    /// Every word that tells of a reversal has one of these: `v`, `V`, `:`.
    pub const REVERSAL: Self = Self(1 << 6);
    /// `0` to `9`
    pub const DIGIT: Self = Self(1 << 7);
    /// `(` or `<`
    pub const BRACKET: Self = Self(1 << 8);
    /// Anything but a visible character of ASCII.
    pub const INVISIBLE: Self = Self(1 << 9);
    /// What ends a run of plain characters in a JSON string; no text is said to have it.
    pub(crate) const END: Self = Self(1 << 15);
    /// What may be there in a text that nobody looked at.
    pub const ALL: Self = Self((1 << 10) - 1);

    /// In a longer text a search for each kind is faster than a look at each byte.
    pub(crate) const SHORT: usize = 512;

    /// The kinds of one byte.
    #[inline]
    pub(crate) fn of_byte(b: u8) -> Self {
        TABLE.get(usize::from(b)).copied().unwrap_or(Self::ALL)
    }

    const fn kind(b: u8) -> Self {
        let kind = match b {
            b'\\' => Self::BACKSLASH,
            b'%' => Self::PERCENT,
            b'&' => Self::AMPERSAND,
            b'=' => Self::EQUALS,
            b'"' | b'\'' | b'`' => Self::QUOTE,
            b'v' | b'V' | b':' => Self::REVERSAL,
            b'0'..=b'9' => Self::DIGIT,
            b'(' | b'<' => Self::BRACKET,
            0x80.. => Self::HIGH.or(Self::INVISIBLE),
            0..=b' ' | 0x7f => Self::INVISIBLE,
            _ => Self(0),
        };
        match b {
            b'"' | b'\\' | 0..=0x1f => kind.or(Self::END),
            _ => kind,
        }
    }

    /// The kinds that a text has, or may have if it is long.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        if text.len() <= Self::SHORT {
            return text
                .iter()
                .fold(Self(0), |signs, &b| signs.or(Self::of_byte(b)))
                .known();
        }
        let mut signs = Self::ALL;
        let mut none = |absent: bool, kind: Self| {
            if absent {
                signs.0 &= !kind.0;
            }
        };
        // Block by block, so that a block is one comparison of many bytes.
        let mut blocks = text.chunks(64);
        let digit = blocks.any(|block| block.iter().fold(false, |d, b| d | b.is_ascii_digit()));
        none(!digit, Self::DIGIT);
        none(memchr::memchr(b'\\', text).is_none(), Self::BACKSLASH);
        none(memchr::memchr(b'=', text).is_none(), Self::EQUALS);
        let quote = memchr::memchr3(b'"', b'\'', b'`', text);
        none(quote.is_none(), Self::QUOTE);
        signs
    }

    const fn known(self) -> Self {
        Self(self.0 & Self::ALL.0)
    }

    /// Both together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of `kinds` is among them.
    #[must_use]
    pub const fn any(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }
}

static TABLE: [Signs; 256] = {
    let mut table = [Signs(0); 256];
    let mut b = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 entries")]
        {
            table[b as usize] = Signs::kind(b);
        }
        if b == u8::MAX {
            break table;
        }
        b = b.wrapping_add(1);
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_that_is_there_is_missed() {
        for length in [1, 30, 600] {
            for b in 0..=u8::MAX {
                let mut text = vec![b'a'; length];
                text[length / 2] = b;
                let signs = Signs::of(&text);
                let own = Signs::kind(b).known();
                assert!(own == Signs(0) || signs.any(own), "{b} of {length}");
                assert!(length > Signs::SHORT || signs == own, "{b}");
            }
        }
    }
}
