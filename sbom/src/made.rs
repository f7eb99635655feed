//! What a document needs beside the records: when it was made, and where things are.

use std::fmt;
use std::str::FromStr;

use candor_core::Sha256;

use crate::identity::Uuid;
use crate::reference::LogUrl;

/// What the caller knows and the bundle doesn't. Only the time is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// When the document is made.
    pub time: Time,
    /// The document's own identifier; none for the derived one.
    pub serial: Option<Uuid>,
    /// Where the log is served, for addresses that can be followed; none for `urn:candor:…` names.
    pub log: Option<LogUrl>,
    /// The bundle that the records come from.
    pub bundle: Option<BundleFile>,
    /// When the release came out. No record says it; SPDX's AI profile asks for it.
    pub released: Option<Time>,
}

/// A `.candor` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Its name, or its address.
    pub name: String,
    /// Over its bytes.
    pub sha256: Sha256,
}

impl Made {
    /// At `time`, with nothing else known.
    pub fn at(time: Time) -> Self {
        Self {
            time,
            serial: None,
            log: None,
            bundle: None,
            released: None,
        }
    }
}

/// A time in whole seconds, UTC, as both formats take it: `2026-11-01T12:00:00Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time(String);

/// Text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no time in whole seconds and UTC, such as 2026-11-01T12:00:00Z")]
pub struct NotTime {
    found: String,
}

impl Time {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Time {
    type Err = NotTime;
    fn from_str(text: &str) -> Result<Self, NotTime> {
        let error = || NotTime {
            found: text.chars().take(80).collect(),
        };
        let form: String = text
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        if form != "0000-00-00T00:00:00Z" {
            return Err(error());
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u32>().map_err(|_| error());
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        // A leap second is no time that every reader takes.
        if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return Err(error());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_that_exist() {
        for good in [
            "2026-11-01T12:00:00Z",
            "2024-02-29T23:59:59Z",
            "2000-02-29T00:00:00Z",
        ] {
            assert_eq!(good.parse::<Time>().expect(good).as_str(), good);
        }
        for bad in [
            "",
            "2026-11-01",
            "2026-11-01T12:00:00",
            "2026-11-01T12:00:00.5Z",
            "2026-11-01T12:00:00+01:00",
            "2026-11-01t12:00:00z",
            "2026-11-01T12:00:00Z\n",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2026-11-00T12:00:00Z",
            "2026-11-01T24:00:00Z",
            "2026-11-01T12:60:00Z",
            "2026-12-31T23:59:60Z",
            "２026-11-01T12:00:00Z",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad:?}");
        }
    }
}
