//! The one line that tells the whole story of an attempt, once the story is over: on record, or
//! given back. So there are as many lines as attempts, and each says what became of the delivery.

use std::time::Duration;

use model::attempt::{Answer, Attempt, Trigger};
use model::delivery::Next;
use model::event::Event;
use model::id::DeliveryId;
use store::{Loaded, Outcome, Recorded};

use crate::engine::Held;
use crate::metrics::code_class;

/// Bytes of an attempt's detail in a line.
const DETAIL_BYTES_MAX: usize = 256;

/// What a line says beside whose attempt it is.
#[derive(Default)]
struct Story<'a> {
    outcome: &'static str,
    class: Option<&'static str>,
    status: Option<u16>,
    detail: Option<&'a str>,
    duration: Duration,
    dns: Option<Duration>,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    /// Whether it is on record.
    recorded: bool,
    /// Whether another outcome had decided before it was.
    late: bool,
    next_attempt_at: Option<String>,
    ended_by: Option<&'static str>,
}

/// An attempt that was finished; `recorded` is none if the store refused it.
pub(crate) fn attempted(
    held: &Held,
    event: &Event,
    outcome: &Outcome,
    attempt: &Attempt,
    recorded: Option<Recorded>,
) {
    let success = attempt.answer.is_success();
    if !is_heard(success) {
        return;
    }
    let applied = recorded.is_some_and(|recorded| recorded.applied);
    let story = Story {
        outcome: if success { "success" } else { "failure" },
        class: Some(code_class(&attempt.answer)),
        status: match attempt.answer {
            Answer::Status { code, .. } => Some(code),
            Answer::Error(_) => None,
        },
        detail: attempt.detail.as_deref(),
        duration: attempt.timings.total,
        dns: attempt.timings.dns,
        connect: attempt.timings.connect,
        first_byte: attempt.timings.first_byte,
        recorded: recorded.is_some(),
        late: recorded.is_some() && !applied,
        next_attempt_at: recorded.and_then(|r| r.due).map(|due| due.to_string()),
        ended_by: match outcome.next {
            Next::End(by) if applied => Some(by.as_str()),
            Next::End(_) | Next::Retry { .. } => None,
        },
    };
    line(held, outcome.delivery, event, attempt.number, attempt.trigger, &story);
}

/// An attempt that a stop broke off: it is not on record and is made again.
pub(crate) fn interrupted(held: &Held, id: DeliveryId, loaded: &Loaded, after: Duration) {
    let story = Story { outcome: "interrupted", duration: after, ..Story::default() };
    line(held, id, &loaded.event, loaded.attempts + 1, loaded.trigger(), &story);
}

/// Nothing is made ready for a line that nobody wants.
fn is_heard(success: bool) -> bool {
    if success {
        tracing::enabled!(tracing::Level::DEBUG)
    } else {
        tracing::enabled!(tracing::Level::INFO)
    }
}

fn line(
    held: &Held,
    id: DeliveryId,
    event: &Event,
    number: u32,
    trigger: Trigger,
    story: &Story<'_>,
) {
    let detail = story.detail.map(|text| &text[..text.floor_char_boundary(DETAIL_BYTES_MAX)]);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                tenant.id = held.leased.item.lane.tenant.as_str(),
                event.id = event.id(),
                webhook.id = %id.webhook,
                delivery.id = %id,
                attempt.number = number,
                attempt.trigger = trigger.as_str(),
                attempt.outcome = story.outcome,
                attempt.class = story.class,
                http.status = story.status,
                attempt.duration_ms = ms(story.duration),
                attempt.dns_ms = story.dns.map(ms),
                attempt.connect_ms = story.connect.map(ms),
                attempt.first_byte_ms = story.first_byte.map(ms),
                attempt.detail = detail,
                attempt.recorded = story.recorded,
                attempt.late = story.late,
                delivery.next_attempt_at = story.next_attempt_at,
                delivery.ended_by = story.ended_by,
                "delivery.attempted"
            )
        };
    }
    if story.outcome == "success" { line!(debug) } else { line!(info) }
}

/// In milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
