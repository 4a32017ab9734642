//! The last day of a rule or of an exception, and whether it is over.

/// Seconds since 1970-01-01 UTC at which a last day is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(u64);

impl Expiry {
    /// The end of a day such as `2027-01-31`, in UTC.
    ///
    /// # Errors
    /// A message, for anything else.
    pub fn new(day: &str) -> Result<Self, String> {
        end_of(day)
            .map(Self)
            .ok_or_else(|| format!("{day:?} is no day from 1970-01-01 on, such as \"2027-01-31\""))
    }

    /// Whether the day is over; `unknown` is the answer where `now` is 0, which means that nobody
    /// knows the time.
    #[must_use]
    pub const fn is_over(self, now: u64, unknown: bool) -> bool {
        if now == 0 { unknown } else { now >= self.0 }
    }
}

fn end_of(day: &str) -> Option<u64> {
    let mut parts = day.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse::<u64>().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year < 1970 {
        return None;
    }
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *months.get(before)?;
    if day == 0 || day > length {
        return None;
    }
    let leaps = |years: u64| {
        (years / 4)
            .saturating_sub(years / 100)
            .saturating_add(years / 400)
    };
    let past = year.saturating_sub(1);
    let days = year
        .saturating_sub(1970)
        .saturating_mul(365)
        .saturating_add(leaps(past).saturating_sub(leaps(1969)))
        .saturating_add(months.iter().take(before).sum::<u64>())
        .saturating_add(day);
    Some(days.saturating_mul(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_when_the_next_one_begins() {
        for (day, end) in [
            ("1970-01-01", 86_400),
            ("2000-02-29", 951_868_800),
            ("2026-12-31", 1_798_761_600),
            ("2400-02-29", 13_574_649_600),
        ] {
            let expiry = Expiry::new(day).unwrap();
            assert_eq!(expiry, Expiry(end), "{day}");
            assert!(!expiry.is_over(end - 1, true) && expiry.is_over(end, false));
        }
    }

    #[test]
    fn where_the_time_is_unknown_the_caller_says_what_is_safe() {
        let expiry = Expiry::new("2027-01-31").unwrap();
        assert!(expiry.is_over(0, true) && !expiry.is_over(0, false));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for bad in [
            "",
            "2027",
            "2027-1-1",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "1969-12-31",
            "2027-01-00",
            "2027-01-01-01",
            "+027-01-01",
        ] {
            assert!(Expiry::new(bad).is_err(), "{bad}");
        }
    }
}
