//! Points in time: microseconds since the Unix epoch, UTC, in one `i64`.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z. Serialised as that number in the
/// store; the API shows it as RFC 3339 (`Display`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    pub fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    pub fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch: what `webhook-timestamp` and JWT claims carry.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with a zone, any precision (finer than a microsecond is cut off).
    ///
    /// # Errors
    /// `timestamp_invalid` for any other text, leap seconds and years outside 0000–9999.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "timestamp_invalid",
                "not an RFC 3339 date and time with a zone, such as 2026-08-22T10:00:00Z",
            )
        };
        // chrono also reads other signs than `-` as a minus; RFC 3339 is ASCII.
        if !text.is_ascii() || text.len() > 64 || text.get(17..19) == Some("60") {
            return Err(wrong());
        }
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?;
        Ok(Self(parsed.timestamp_micros()))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339, UTC, milliseconds: `2026-08-22T10:00:00.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(t) => f.write_str(&t.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_as_rfc_3339_and_read_back() {
        let t = Timestamp::from_millis(1_787_392_800_123);
        assert_eq!(t.to_string(), "2026-08-22T10:00:00.123Z");
        assert_eq!(Timestamp::parse(&t.to_string()), Ok(t));
        assert_eq!(Timestamp::parse("2026-08-22T12:00:00.123+02:00"), Ok(t));
    }

    #[test]
    fn dates_without_a_zone_leap_seconds_and_prose_are_refused() {
        for text in [
            "",
            "now",
            "2026-08-22",
            "2026-08-22T10:00:00",
            "2016-12-31T23:59:60Z",
            "2026-01-01T00:00:00\u{2212}02:00",
        ] {
            assert_eq!(
                Timestamp::parse(text).map_err(|e| e.code),
                Err("timestamp_invalid"),
                "{text}"
            );
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
