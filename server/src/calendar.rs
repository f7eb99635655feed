//! Days and times, as records, questions and pages have them. All in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many milliseconds a day has. UTC's leap seconds are not counted, as everywhere.
pub const DAY_MS: i64 = 86_400_000;

/// How many days there were since 1970, by this machine's clock.
pub fn today() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 86_400)
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// From 1970 to 9999.
    pub year: i32,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

/// Text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no day from 1970 on, such as 2026-05-01")]
pub struct DayError(String);

impl Day {
    /// The day of a time in milliseconds since 1970.
    pub fn of_ms(ms: i64) -> Option<Self> {
        let time = time_of_ms(ms)?;
        let text = humantime::format_rfc3339_seconds(time).to_string();
        text.get(..10)?.parse().ok()
    }

    /// The day of a number of days since 1970.
    pub fn of_number(days: i64) -> Option<Self> {
        Self::of_ms(days.checked_mul(DAY_MS)?)
    }

    /// Its first moment, in seconds since 1970.
    pub fn begins_s(self) -> i64 {
        seconds_of(&format!("{self}T00:00:00Z")).expect("a day of the calendar begins")
    }

    /// The last day of its month.
    #[must_use]
    pub fn month_ends(self) -> Self {
        let days = match self.month {
            2 if self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        Self { day: days, ..self }
    }

    /// The day after it; none behind the year 9999.
    pub fn next(self) -> Option<Self> {
        Self::of_ms(self.begins_s() * 1_000 + DAY_MS)
    }
}

impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let error = || DayError(text.chars().take(40).collect());
        let bytes = text.as_bytes();
        let is_plain = bytes.len() == 10
            && bytes.iter().enumerate().all(|(n, byte)| match n {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        // Whether the month has such a day, the parser of times knows.
        if !is_plain || seconds_of(&format!("{text}T00:00:00Z")).is_none() {
            return Err(error());
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |n, digit| n * 10 + (digit - b'0'));
        Ok(Self {
            year: i32::from(number(&bytes[0..2])) * 100 + i32::from(number(&bytes[2..4])),
            month: number(&bytes[5..7]),
            day: number(&bytes[8..10]),
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A time in milliseconds since 1970, if it is one.
pub fn time_of_ms(ms: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(u64::try_from(ms).ok()?);
    // What the formatter of times can write: up to the year 9999.
    (since.as_secs() < 253_402_300_800).then(|| UNIX_EPOCH + since)
}

/// The seconds since 1970 of a time by RFC 3339 in UTC, from 1970 on. A fraction is cut off.
pub fn seconds_of(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// A time in milliseconds since 1970, by RFC 3339 to the second.
pub fn rfc3339_of_ms(ms: i64) -> Option<String> {
    let time = time_of_ms(ms)?;
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, day) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_777_593_599_999, "2026-04-30"),
            (1_777_593_600_000, "2026-05-01"),
        ] {
            let found = Day::of_ms(ms).expect("it is one");
            assert_eq!(found.to_string(), day);
            assert_eq!(day.parse(), Ok(found));
        }
        assert_eq!(Day::of_ms(-1), None);
        assert_eq!(Day::of_ms(i64::MAX), None);
        let leap: Day = "2024-02-28".parse().expect("a day");
        assert_eq!(
            leap.next().map(|day| day.to_string()).as_deref(),
            Some("2024-02-29")
        );
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2026",
            "2026-5-1",
            "2026-13-01",
            "2026-02-29",
            "2026-05-01T00:00:00Z",
            "2026-05-0x",
            "+026-05-01",
            "1969-12-31",
            "２０２６-05-01",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
