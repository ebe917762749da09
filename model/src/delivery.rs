//! Deliveries: one event for one webhook, and what follows from each attempt.
//!
//! ```text
//! pending ──► retrying ⟲        an attempt failed, another is planned
//!    └───────────┴──► delivered  final: a 2xx always wins, even a late one
//!    └───────────┴──► failed     the dead letter: kept, listed, can be retried by hand
//!    └───────────┴──► cancelled  by a person, or with its webhook
//! ```

use std::time::Duration;

use crate::attempt::{Answer, ErrorClass};
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not tried yet.
    Pending,
    /// Tried without success; another attempt is planned.
    Retrying,
    Delivered,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::Pending, Status::Retrying, Status::Delivered, Status::Failed, Status::Cancelled];

    pub fn is_finished(self) -> bool {
        match self {
            Status::Pending | Status::Retrying => false,
            Status::Delivered | Status::Failed | Status::Cancelled => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Retrying => "retrying",
            Status::Delivered => "delivered",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// What ended a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    Delivered,
    /// The policy's last attempt failed.
    Attempts,
    /// It grew older than the policy's `max_age`.
    Age,
    /// A status that the webhook calls final.
    Status,
    /// 410 Gone.
    Gone,
    /// Its target is a literal address that the egress guard refuses.
    Forbidden,
    /// Its webhook was disabled.
    Disabled,
    /// A person or a program cancelled it.
    Cancelled,
    WebhookDeleted,
}

impl EndedBy {
    pub const ALL: [EndedBy; 9] = [
        EndedBy::Delivered,
        EndedBy::Attempts,
        EndedBy::Age,
        EndedBy::Status,
        EndedBy::Gone,
        EndedBy::Forbidden,
        EndedBy::Disabled,
        EndedBy::Cancelled,
        EndedBy::WebhookDeleted,
    ];

    /// The status a delivery has once this ended it.
    pub fn status(self) -> Status {
        match self {
            EndedBy::Delivered => Status::Delivered,
            EndedBy::Attempts
            | EndedBy::Age
            | EndedBy::Status
            | EndedBy::Gone
            | EndedBy::Forbidden
            | EndedBy::Disabled => Status::Failed,
            EndedBy::Cancelled | EndedBy::WebhookDeleted => Status::Cancelled,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            EndedBy::Delivered => "delivered",
            EndedBy::Attempts => "attempts",
            EndedBy::Age => "age",
            EndedBy::Status => "status",
            EndedBy::Gone => "gone",
            EndedBy::Forbidden => "forbidden",
            EndedBy::Disabled => "disabled",
            EndedBy::Cancelled => "cancelled",
            EndedBy::WebhookDeleted => "webhook_deleted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == text)
    }
}

/// Where a delivery stood when an attempt of it was answered.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Failed attempts of the plan before this one (those made by hand are not of the plan).
    pub planned_before: u32,
    /// From when its age counts: acceptance, or the moment it was retried after its end.
    pub opened_at: Timestamp,
    /// Set if this attempt was made by hand: when the plan's next attempt is due.
    pub by_hand: Option<Timestamp>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    pub next: Next,
    /// The subscriber said it is gone: its webhook is to be disabled.
    pub disable_webhook: bool,
    /// The subscriber asked for quiet: send its webhook nothing for so long.
    pub hold_webhook: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Retry { due: Timestamp },
    End(EndedBy),
}

/// Decides what follows from `answer`. `roll` is a random number in [0, 1) for the jitter.
pub fn decide(
    answer: &Answer,
    standing: &Standing,
    policy: &RetryPolicy,
    now: Timestamp,
    roll: f64,
) -> Decision {
    let end = |by| Decision { next: Next::End(by), disable_webhook: false, hold_webhook: None };
    match *answer {
        Answer::Status { code: 200..=299, .. } => end(EndedBy::Delivered),
        Answer::Status { code: 410, .. } => {
            Decision { disable_webhook: true, ..end(EndedBy::Gone) }
        }
        Answer::Status { code, .. } if policy.final_statuses.contains(&code) => {
            end(EndedBy::Status)
        }
        Answer::Status { code, retry_after } => {
            let asks_for_quiet = matches!(code, 429 | 503);
            Decision {
                next: plan(standing, policy, retry_after, now, roll),
                disable_webhook: false,
                hold_webhook: retry_after.filter(|_| asks_for_quiet),
            }
        }
        Answer::Error(ErrorClass::Forbidden) => end(EndedBy::Forbidden),
        Answer::Error(_) => Decision {
            next: plan(standing, policy, None, now, roll),
            disable_webhook: false,
            hold_webhook: None,
        },
    }
}

/// The next attempt after a failed one, no earlier than the subscriber asked for.
fn plan(
    standing: &Standing,
    policy: &RetryPolicy,
    retry_after: Option<Duration>,
    now: Timestamp,
    roll: f64,
) -> Next {
    let asked = now + retry_after.unwrap_or_default();
    let due = match standing.by_hand {
        Some(automatic) => automatic,
        None => match policy.gap_after(standing.planned_before + 1, roll) {
            Some(gap) => now + gap,
            None => return Next::End(EndedBy::Attempts),
        },
    };
    let due = due.max(asked);
    if due >= standing.opened_at + policy.max_age {
        Next::End(EndedBy::Age)
    } else {
        Next::Retry { due }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Plan;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_787_392_800_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            plan: Plan::Schedule {
                delays: vec![Duration::from_secs(10), Duration::from_secs(100)],
            },
            max_age: Duration::from_secs(3_600),
            final_statuses: vec![400, 422],
        }
    }

    fn fresh() -> Standing {
        Standing { planned_before: 0, opened_at: NOW, by_hand: None }
    }

    fn status(code: u16) -> Answer {
        Answer::Status { code, retry_after: None }
    }

    fn asking(code: u16, secs: u64) -> Answer {
        Answer::Status { code, retry_after: Some(Duration::from_secs(secs)) }
    }

    fn in_secs(s: u64) -> Next {
        Next::Retry { due: NOW + Duration::from_secs(s) }
    }

    #[test]
    fn each_answer_has_its_consequence() {
        let rows = [
            (status(200), Next::End(EndedBy::Delivered)),
            (status(204), Next::End(EndedBy::Delivered)),
            (status(299), Next::End(EndedBy::Delivered)),
            (asking(200, 60), Next::End(EndedBy::Delivered)),
            (status(199), in_secs(10)),
            (status(300), in_secs(10)),
            (status(302), in_secs(10)),
            (status(304), in_secs(10)),
            (status(400), Next::End(EndedBy::Status)),
            (status(422), Next::End(EndedBy::Status)),
            (status(401), in_secs(10)),
            (status(404), in_secs(10)),
            (status(410), Next::End(EndedBy::Gone)),
            (status(429), in_secs(10)),
            (asking(429, 60), in_secs(60)),
            (asking(429, 3), in_secs(10)),
            (asking(503, 60), in_secs(60)),
            (asking(500, 60), in_secs(60)),
            (asking(503, 3_600), Next::End(EndedBy::Age)),
            (status(500), in_secs(10)),
            (status(999), in_secs(10)),
            (Answer::Error(ErrorClass::Forbidden), Next::End(EndedBy::Forbidden)),
            (Answer::Error(ErrorClass::TargetForbidden), in_secs(10)),
            (Answer::Error(ErrorClass::Timeout), in_secs(10)),
            (Answer::Error(ErrorClass::Connect), in_secs(10)),
            (Answer::Error(ErrorClass::Dns), in_secs(10)),
            (Answer::Error(ErrorClass::Tls), in_secs(10)),
            (Answer::Error(ErrorClass::Signing), in_secs(10)),
        ];
        for (answer, next) in rows {
            assert_eq!(decide(&answer, &fresh(), &policy(), NOW, 0.0).next, next, "{answer:?}");
        }
    }

    #[test]
    fn only_410_disables_and_only_429_and_503_hold_the_webhook() {
        for code in 100..=999 {
            let d = decide(&asking(code, 60), &fresh(), &policy(), NOW, 0.0);
            assert_eq!(d.disable_webhook, code == 410, "{code}");
            let hold = matches!(code, 429 | 503).then_some(Duration::from_secs(60));
            assert_eq!(d.hold_webhook, hold, "{code}");
        }
    }

    #[test]
    fn the_last_attempt_of_the_plan_fails_the_delivery() {
        let standing = |planned_before| Standing { planned_before, ..fresh() };
        assert_eq!(decide(&status(500), &standing(1), &policy(), NOW, 0.0).next, in_secs(100));
        let last = decide(&status(500), &standing(2), &policy(), NOW, 0.0);
        assert_eq!(last.next, Next::End(EndedBy::Attempts));
    }

    #[test]
    fn an_attempt_by_hand_leaves_the_plan_as_it_was() {
        let automatic = NOW + Duration::from_secs(77);
        let standing = Standing { planned_before: 2, by_hand: Some(automatic), ..fresh() };
        let d = decide(&status(500), &standing, &policy(), NOW, 0.0);
        assert_eq!(d.next, Next::Retry { due: automatic });
        let d = decide(&status(200), &standing, &policy(), NOW, 0.0);
        assert_eq!(d.next, Next::End(EndedBy::Delivered));
    }

    proptest! {
        #[test]
        fn a_planned_attempt_is_never_in_the_past_nor_beyond_the_maximum_age(
            code in 100u16..1000, wait in 0u64..100_000, before in 0u32..20, age in 0u64..80 * 3600, roll in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy::default();
            let opened_at = NOW - Duration::from_secs(age);
            let standing = Standing { planned_before: before, opened_at, by_hand: None };
            let d = decide(&asking(code, wait), &standing, &policy, NOW, roll);
            if let Next::Retry { due } = d.next {
                prop_assert!(due > NOW && due >= NOW + Duration::from_secs(wait));
                prop_assert!(due < opened_at + policy.max_age);
            }
            prop_assert_eq!(d.next == Next::End(EndedBy::Delivered), (200..300).contains(&code));
        }
    }
}
