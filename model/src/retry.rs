//! When to try again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::time::Timestamp;

/// The longest wait that a `Retry-After` may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time a delivery may be kept trying: retention has to be longer by a day.
pub const MAX_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most attempts a policy may plan.
pub const ATTEMPTS_MAX: u32 = 100;
/// The shortest gap a policy may plan, so that no policy is a flood.
pub const DELAY_MIN: Duration = Duration::from_millis(100);
/// The most statuses that may be declared final.
pub const FINAL_STATUSES_MAX: usize = 100;

/// How one webhook's deliveries are retried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub plan: Plan,
    /// Age, counted from acceptance or from when it was begun anew, at which a delivery is failed whatever holds it.
    pub max_age: Duration,
    /// Statuses (400–499) that end a delivery at once.
    pub final_statuses: Vec<u16>,
}

/// The gaps between attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The n-th gap is drawn uniformly from [½d, d] with d = min(cap, base · factorⁿ⁻¹).
    Exponential { base: Duration, factor: f64, cap: Duration, max_attempts: u32 },
    /// The n-th gap is drawn uniformly from [d, 1.1 d] with d the n-th entry: so
    /// `delays.len() + 1` attempts in all.
    Schedule { delays: Vec<Duration> },
}

/// 5 s, tripled up to 12 h, up to 17 attempts within 72 h: the gaps grow until the cap, and a
/// weekend's outage is survived.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            plan: Plan::Exponential {
                base: Duration::from_secs(5),
                factor: 3.0,
                cap: Duration::from_secs(12 * 60 * 60),
                max_attempts: 17,
            },
            max_age: Duration::from_secs(72 * 60 * 60),
            final_statuses: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// Checks what a caller gave.
    ///
    /// # Errors
    /// `retry_invalid` with the bound that was crossed.
    pub fn checked(self) -> Result<Self, Invalid> {
        let wrong = |message: &'static str| Err(Invalid::new("retry_invalid", message));
        match &self.plan {
            Plan::Exponential { base, factor, cap, max_attempts } => {
                if *base < DELAY_MIN || base > cap || *cap > MAX_AGE_MAX {
                    return wrong(
                        "base_ms must be at least 100 and at most cap_ms, which is at most 30 days",
                    );
                }
                if !(1.0..=100.0).contains(factor) {
                    return wrong("factor must be between 1 and 100");
                }
                if !(1..=ATTEMPTS_MAX).contains(max_attempts) {
                    return wrong("max_attempts must be between 1 and 100");
                }
            }
            Plan::Schedule { delays } => {
                if delays.len() >= ATTEMPTS_MAX as usize {
                    return wrong("delays_ms takes at most 99 entries");
                }
                if delays.iter().any(|d| *d < DELAY_MIN || *d > MAX_AGE_MAX) {
                    return wrong("each entry of delays_ms must be between 100 and 30 days");
                }
            }
        }
        if self.max_age < Duration::from_secs(1) || self.max_age > MAX_AGE_MAX {
            return wrong("max_age_ms must be between 1000 and 30 days");
        }
        if self.final_statuses.len() > FINAL_STATUSES_MAX
            || self.final_statuses.iter().any(|s| !(400..=499).contains(s))
        {
            return wrong("final_statuses takes up to 100 statuses from 400 to 499");
        }
        Ok(self)
    }

    /// The gap after `attempts` failed attempts of the plan, or `None` when that was the last one.
    /// `roll` is a random number in [0, 1).
    pub fn gap_after(&self, attempts: u32, roll: f64) -> Option<Duration> {
        match &self.plan {
            Plan::Exponential { base, factor, cap, max_attempts } => {
                if attempts >= *max_attempts {
                    return None;
                }
                let growths = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
                let grown = base.as_secs_f64() * factor.powi(growths);
                let d = grown.min(cap.as_secs_f64());
                Some(Duration::from_secs_f64(d * (0.5 + 0.5 * roll)))
            }
            Plan::Schedule { delays } => {
                let d = delays.get(attempts.saturating_sub(1) as usize)?;
                Some(d.mul_f64(1.0 + 0.1 * roll))
            }
        }
    }
}

/// Reads a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or an HTTP date. Capped at
/// 24 h; a date in the past is zero; anything else is `None`.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let text = header.trim();
    let asked = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        Timestamp(date.timestamp_micros()).since(now)
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gaps_of_the_default_policy_always_grow_until_the_cap(rolls in prop::collection::vec(0.0f64..1.0, 16)) {
            let policy = RetryPolicy::default();
            let gaps: Vec<_> =
                rolls.iter().zip(1..).map(|(r, n)| policy.gap_after(n, *r).expect("planned")).collect();
            for pair in gaps.windows(2) {
                prop_assert!(pair[0] < pair[1] || pair[0] >= Duration::from_secs(6 * 60 * 60));
            }
            prop_assert!(policy.gap_after(17, 0.5).is_none());
        }

        #[test]
        fn a_gap_is_never_longer_than_the_cap_nor_shorter_than_half_of_it(n in 1u32..100, roll in 0.0f64..1.0) {
            let base = Duration::from_secs(1);
            let cap = Duration::from_secs(60);
            let policy = RetryPolicy {
                plan: Plan::Exponential { base, factor: 10.0, cap, max_attempts: 100 },
                ..RetryPolicy::default()
            };
            let gap = policy.gap_after(n, roll).expect("planned");
            prop_assert!(gap <= cap && gap >= base / 2);
        }

        #[test]
        fn a_retry_after_says_the_same_in_both_forms(secs in 0i64..1_000_000, spaces in " {0,3}") {
            let now = Timestamp::from_secs(1_787_392_800);
            let capped = Duration::from_secs(secs.unsigned_abs()).min(RETRY_AFTER_MAX);
            let date = chrono::DateTime::from_timestamp(1_787_392_800 + secs, 0).expect("a date");
            let date = date.format("%a, %d %b %Y %H:%M:%S GMT");
            for text in [format!("{spaces}{secs}{spaces}"), format!("{spaces}{date}{spaces}")] {
                prop_assert_eq!(retry_after(&text, now), Some(capped), "{}", text);
            }
        }

        #[test]
        fn no_bytes_break_it(text in "[0-9:;,+. A-Za-z\\-\u{2212}\u{660}-\u{669}]{0,60}", now: i64) {
            if let Some(wait) = retry_after(&text, Timestamp(now)) {
                prop_assert!(wait <= RETRY_AFTER_MAX);
            }
        }

        #[test]
        fn any_retry_after_is_bounded(text in ".{0,40}") {
            if let Some(wait) = retry_after(&text, Timestamp::from_secs(1_787_392_800)) {
                prop_assert!(wait <= RETRY_AFTER_MAX);
            }
        }
    }

    #[test]
    fn a_schedule_is_followed_and_ends() {
        let policy = RetryPolicy {
            plan: Plan::Schedule { delays: vec![Duration::from_secs(1), Duration::from_secs(60)] },
            ..RetryPolicy::default()
        };
        assert_eq!(policy.gap_after(1, 0.0), Some(Duration::from_secs(1)));
        assert_eq!(policy.gap_after(2, 0.0), Some(Duration::from_secs(60)));
        assert_eq!(policy.gap_after(3, 0.0), None);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::parse("1994-11-06T08:49:00Z").expect("valid");
        let rows = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("99999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:00:00 GMT", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, secs) in rows {
            assert_eq!(retry_after(text, now), secs.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn policies_outside_their_bounds_are_refused() {
        let exponential = |base_ms, factor, cap_ms, max_attempts| RetryPolicy {
            plan: Plan::Exponential {
                base: Duration::from_millis(base_ms),
                factor,
                cap: Duration::from_millis(cap_ms),
                max_attempts,
            },
            ..RetryPolicy::default()
        };
        assert!(exponential(100, 1.0, 100, 1).checked().is_ok());
        for policy in [
            exponential(99, 2.0, 1000, 5),
            exponential(2000, 2.0, 1000, 5),
            exponential(100, 0.5, 1000, 5),
            exponential(100, f64::NAN, 1000, 5),
            exponential(100, 2.0, 1000, 0),
            exponential(100, 2.0, 1000, 101),
            RetryPolicy { max_age: Duration::ZERO, ..RetryPolicy::default() },
            RetryPolicy { final_statuses: vec![500], ..RetryPolicy::default() },
            RetryPolicy {
                plan: Plan::Schedule { delays: vec![Duration::ZERO] },
                ..RetryPolicy::default()
            },
        ] {
            assert_eq!(
                policy.clone().checked().map_err(|e| e.code),
                Err("retry_invalid"),
                "{policy:?}"
            );
        }
    }
}
