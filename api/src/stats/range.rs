//! Times that are looked at, in parts that are whole spans of what is counted.

use std::time::Duration;

use model::id::WebhookId;
use model::stats::Counts;
use model::tenant::Tenant;
use model::time::Timestamp;
use store::{Span, StatsFilter, Types};

use crate::problem::ApiError;
use crate::query::Query;

/// Parts unless somebody says how long they are, at most; and if so.
const PARTS: i64 = 120;
const PARTS_MAX: i64 = 1_000;
/// The longest time that is looked at.
const RANGE_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// The longest time for which many webhooks are looked at.
const RECENT_MAX: Duration = Duration::from_secs(48 * 3_600);
/// How long back counts of minutes are sure to be there.
const MINUTES_KEPT: Duration = Duration::from_secs(2 * 24 * 3_600 - 600);

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Lengths of parts, in seconds.
const INTERVALS_S: [i64; 14] =
    [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    All,
    Tenant,
    Webhook,
}

pub struct Range {
    /// The begin of the first part.
    pub since: Timestamp,
    pub until: Timestamp,
    span: Span,
    /// A longer one, which has all of a part in fewer rows.
    long: Option<Span>,
    interval_us: i64,
    /// From when to when there may be counts.
    kept: (Timestamp, Timestamp),
}

impl Range {
    /// What `since`, `until` and `interval_ms` say; without them the last hour. `of`: what it is of, which
    /// says what is counted of it.
    ///
    /// # Errors
    /// `parameter_invalid`.
    pub fn of(
        query: &Query,
        now: Timestamp,
        retention: Duration,
        of: Of,
    ) -> Result<Self, ApiError> {
        let until = query.timestamp("until")?.unwrap_or(now);
        let since = query.timestamp("since")?.unwrap_or(until - HOUR);
        let length = until.since(since);
        if length.is_zero() || length > RANGE_MAX {
            return Err(wrong("since must be before until, by 366 days at most".into()));
        }
        let given = query.parsed("interval_ms", "a number of milliseconds", |text| {
            text.parse::<i64>().ok()?.checked_mul(1_000)
        })?;
        // Parts begin at multiples of their length, so the first may begin before that time.
        let first = given.filter(|us| *us > 0).map_or(since.0, |us| since.0.div_euclid(us) * us);
        let in_minutes = of == Of::All && now.since(Timestamp(first)) <= MINUTES_KEPT;
        let span = if in_minutes { Span::Minute } else { Span::FiveMinutes };
        let length_us = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let whole = |interval_us: i64| {
            let fits = interval_us > 0 && interval_us % span.micros() == 0;
            // Parts begin at multiples of their length: none is looked at that is nearly all outside.
            let fits = fits && interval_us < length_us + span.micros();
            fits && length_us.div_euclid(interval_us) < PARTS_MAX
        };
        let interval_us = match given {
            Some(interval_us) if whole(interval_us) => interval_us,
            Some(_) => {
                let span_ms = span.micros() / 1_000;
                return Err(wrong(format!(
                    "interval_ms must be a multiple of {span_ms} here, no longer than the time, and make at \
                     most {PARTS_MAX} parts"
                )));
            }
            None => chosen(span, length_us),
        };
        let long = Span::ALL.into_iter().rev().find(|longer| {
            let is_counted = *longer != Span::Hour || of != Of::Webhook;
            is_counted && longer.micros() > span.micros() && interval_us % longer.micros() == 0
        });
        let aligned = Self::aligned(since, until, span, interval_us);
        Ok(Self { long, kept: (now - retention - DAY, now + DAY), ..aligned })
    }

    /// From `since`, or a day ago, until now; at most for so long as is looked at, and at least for a span.
    ///
    /// # Errors
    /// `timestamp_invalid`.
    pub fn recent(query: &Query, now: Timestamp) -> Result<Self, ApiError> {
        let since = query.timestamp("since")?.unwrap_or(now - DAY);
        let since = since.clamp(now - RECENT_MAX, Timestamp(now.0 - Span::FiveMinutes.micros()));
        Ok(Self::aligned(since, now, Span::FiveMinutes, Span::FiveMinutes.micros()))
    }

    fn aligned(since: Timestamp, until: Timestamp, span: Span, interval_us: i64) -> Self {
        let since = Timestamp(since.0.div_euclid(interval_us) * interval_us);
        Self { since, until, span, long: None, interval_us, kept: (since, until) }
    }

    pub fn interval_ms(&self) -> u64 {
        u64::try_from(self.interval_us / 1_000).unwrap_or(0)
    }

    /// What is to be read for it, oldest first: in long spans as far as those are whole, then in short ones.
    pub fn filters(
        &self,
        tenant: Option<Tenant>,
        webhook: Option<WebhookId>,
        types: Types,
    ) -> Vec<StatsFilter> {
        let (from, to) = self.kept;
        let (span, since, until) = (self.span, self.since.max(from), self.until.min(to));
        let all = StatsFilter { span, since, until, tenant, webhook, types };
        let Some(long) = self.long else { return vec![all] };
        let whole = long.begin(until);
        let before = StatsFilter { span: long, until: whole, ..all.clone() };
        vec![before, StatsFilter { since: whole.max(since), ..all }]
    }

    /// One for each part, with nothing in it.
    pub fn buckets(&self) -> Vec<Counts> {
        self.begins().map(|_| Counts::default()).collect()
    }

    pub fn begins(&self) -> impl Iterator<Item = Timestamp> {
        let (since, step) = (self.since.0, self.interval_us);
        let length = self.until.0.saturating_sub(since);
        let parts = length.div_euclid(step) + i64::from(length.rem_euclid(step) > 0);
        (0..parts).map(move |n| Timestamp(since + n * step))
    }

    /// The part that a span is in.
    pub fn bucket(&self, begin: Timestamp) -> Option<usize> {
        usize::try_from((begin.0 - self.since.0).div_euclid(self.interval_us)).ok()
    }

    /// Which of `parts` equal parts a span is in.
    pub fn part(&self, begin: Timestamp, parts: usize) -> usize {
        let length = self.until.since(self.since).as_micros().max(1);
        let part = begin.since(self.since).as_micros() * parts as u128 / length;
        usize::try_from(part).unwrap_or(parts).min(parts - 1)
    }
}

/// The shortest that makes few parts.
fn chosen(span: Span, length_us: i64) -> i64 {
    let lengths = INTERVALS_S.map(|s| s * 1_000_000);
    let fits = |us: &i64| *us % span.micros() == 0 && length_us <= us.saturating_mul(PARTS);
    lengths.into_iter().find(fits).unwrap_or(lengths[lengths.len() - 1])
}

fn wrong(detail: String) -> ApiError {
    ApiError::new("parameter_invalid", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_130_000_000);

    fn range(query: &str, all: bool) -> Result<Range, &'static str> {
        let of = if all { Of::All } else { Of::Tenant };
        let known = &["since", "until", "interval_ms"];
        let query = crate::query::Params::of(query).read(known).expect("known");
        Range::of(&query, NOW, DAY * 90, of).map_err(|e| e.code())
    }

    fn shape(query: &str, all: bool) -> (Span, u64, usize) {
        let range = range(query, all).expect("a range");
        (range.span, range.interval_ms() / 1_000, range.begins().count())
    }

    fn ago(hours: i64) -> String {
        format!("since={}", Timestamp(NOW.0 - hours * 3_600_000_000))
    }

    #[test]
    fn parts_are_as_short_as_makes_few_of_them() {
        use Span::{FiveMinutes, Minute};
        assert_eq!(shape("", true), (Minute, 60, 61));
        assert_eq!(shape("", false), (FiveMinutes, 300, 13));
        assert_eq!(shape(&ago(24), true), (Minute, 900, 97));
        assert_eq!(shape(&ago(7 * 24), true), (FiveMinutes, 7_200, 85));
        assert_eq!(shape(&ago(30 * 24), true), (FiveMinutes, 21_600, 121));
    }

    #[test]
    fn parts_begin_at_multiples_of_their_length() {
        let range = range("", true).expect("a range");
        assert_eq!(range.since.0 % 60_000_000, 0);
        let begins: Vec<_> = range.begins().collect();
        assert_eq!(range.bucket(begins[7]), Some(7));
        assert_eq!(range.bucket(Timestamp(begins[8].0 - 1)), Some(7));
        assert!(*begins.last().expect("some") < range.until);
        assert_eq!(range.part(begins[60], 24), 23);
        assert_eq!(range.part(begins[0], 24), 0);
    }

    #[test]
    fn nothing_is_looked_at_that_cannot_be_there() {
        let looked_at = |query: &str| {
            let filters =
                range(query, false).expect("a range").filters(None, None, Types::Together);
            filters.iter().map(|filter| filter.until.since(filter.since)).sum::<Duration>()
        };
        assert_eq!(
            looked_at("since=1969-06-01T00:00:00Z&until=1969-12-31T00:00:00Z"),
            Duration::ZERO
        );
        assert!(looked_at(&ago(366 * 24)) < DAY * 92);
        assert_eq!(
            looked_at("since=2050-01-01T00:00:00Z&until=2050-12-31T00:00:00Z"),
            Duration::ZERO
        );
    }

    #[test]
    fn long_spans_are_read_as_far_as_they_are_whole() {
        use Span::{FiveMinutes, Hour, Minute};
        let read = |hours, all| {
            let range = range(&ago(hours), all).expect("a range");
            let filters = range.filters(None, None, Types::Together);
            let ends: Vec<_> = filters.iter().map(|f| (f.since, f.until)).collect();
            assert_eq!(ends.first().map(|(since, _)| *since), Some(range.since));
            assert_eq!(ends.last().map(|(_, until)| *until), Some(NOW));
            assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0));
            filters.into_iter().map(|filter| filter.span).collect::<Vec<_>>()
        };
        assert_eq!(read(1, true), [Minute]);
        assert_eq!(read(24, true), [FiveMinutes, Minute]);
        assert_eq!(read(24, false), [FiveMinutes]);
        assert_eq!(read(30 * 24, true), [Hour, FiveMinutes]);
        assert_eq!(read(30 * 24, false), [Hour, FiveMinutes]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let code = |query: &str| range(query, true).map(drop).err();
        assert_eq!(code(&format!("{}&interval_ms=120000", ago(1))), None);
        for query in [
            "since=2027-01-15T08:02:10Z&until=2027-01-15T08:02:10Z".to_owned(),
            "since=2028-01-15T08:02:10Z".to_owned(),
            "since=1990-01-15T08:02:10Z".to_owned(),
            "interval_ms=0".to_owned(),
            "interval_ms=61000".to_owned(),
            "interval_ms=-60000".to_owned(),
            "interval_ms=9223372036854775807".to_owned(),
            "interval_ms=9223372036800000".to_owned(),
            "interval_ms=7200000".to_owned(),
            "since=1969-06-01T00:00:00Z&until=1969-12-31T00:00:00Z&interval_ms=9223372036800000"
                .to_owned(),
            format!("{}&interval_ms=60000", ago(40)),
        ] {
            assert_eq!(code(&query), Some("parameter_invalid"), "{query}");
        }
    }
}
