//! How deliveries and their attempts are shown, and what a delivery waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use model::attempt::{Answer, Attempt, Response, Timings};
use model::time::Timestamp;
use model::webhook::Webhook;
use serde::Serialize;
use store::{Delivery, LaneLook, LastAttempt, WaitingFor};
use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what list_deliveries reads")]
pub struct DeliveryQuery {
    /// Any of `pending`, `retrying`, `delivered`, `failed`, `cancelled`, separated by commas.
    #[param(
        example = "failed,retrying",
        pattern = "^(pending|retrying|delivered|failed|cancelled)(,(pending|retrying|delivered|failed|cancelled))*$"
    )]
    status: Option<String>,
    /// Only to this webhook, `wh_…`.
    #[param(pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$")]
    webhook_id: Option<String>,
    /// Only of this event: `evt_…`, or the id its publisher chose (then with `tenant`).
    event_id: Option<String>,
    /// Only of exactly this type.
    event_type: Option<String>,
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// Of events accepted at or after this time, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Of events accepted before this time, RFC 3339.
    #[param(format = DateTime)]
    until: Option<String>,
    /// What came of the last attempt: a status (`503`), a class of them (`5xx`), the word of an error
    /// (`timeout`), or `error` for any of those.
    #[param(
        example = "5xx",
        pattern = "^([1-9][0-9]{2}|[1-5]xx|error|dns|dns_timeout|connect|connect_timeout|tls|timeout|connection|protocol|forbidden|target_forbidden|signing)$"
    )]
    answer: Option<String>,
    /// Tried so often at least.
    #[param(minimum = 0, maximum = 4_294_967_295u64)]
    min_attempts: Option<u32>,
    /// Whose last attempt took so long at least.
    #[param(minimum = 0, maximum = 4_294_967_295u64)]
    min_duration_ms: Option<u32>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// A page of deliveries.
#[derive(Default, Serialize, ToSchema)]
pub struct DeliveryPage {
    pub data: Vec<DeliveryView>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
    /// If the search was broken off: back to when events were accepted that it looked at.
    #[schema(format = DateTime)]
    pub looked_until: Option<String>,
}

/// One event for one webhook.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// `dlv_…`
    id: String,
    tenant: String,
    /// The id that subscribers see in `webhook-id`.
    event_id: String,
    event_type: String,
    webhook_id: String,
    /// Without what may be a credential; null if the webhook was deleted.
    #[schema(format = "uri")]
    webhook_url: Option<String>,
    /// `pending`, `retrying`, `delivered`, `failed` or `cancelled`.
    #[schema(example = "retrying", pattern = "^(pending|retrying|delivered|failed|cancelled)$")]
    status: &'static str,
    /// What ended it: `delivered`, `attempts`, `age`, `status`, `gone`, `forbidden`, `disabled`,
    /// `cancelled` or `webhook_deleted`.
    #[schema(
        pattern = "^(delivered|attempts|age|status|gone|forbidden|disabled|cancelled|webhook_deleted)$"
    )]
    ended_by: Option<&'static str>,
    attempt_count: u32,
    #[schema(format = DateTime)]
    accepted_at: String,
    /// When it is due next; null once it has ended.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    last_attempt: Option<LastAttemptView>,
    /// Why it is not being sent: `backoff`, `concurrency` or `paused`; null if nothing holds it.
    #[schema(pattern = "^(backoff|concurrency|paused)$")]
    waiting_for: Option<&'static str>,
}

/// The last attempt in short.
#[derive(Serialize, ToSchema)]
pub struct LastAttemptView {
    #[schema(format = DateTime)]
    at: String,
    /// The status that came back; null if none did.
    status: Option<u16>,
    /// Why none did.
    #[schema(
        example = "timeout",
        pattern = "^(dns|dns_timeout|connect|connect_timeout|tls|timeout|connection|protocol|forbidden|target_forbidden|signing)$"
    )]
    error: Option<&'static str>,
    duration_ms: f64,
}

/// A delivery with its attempts.
#[derive(Serialize, ToSchema)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// From when on its age and its plan count: when its event was accepted, or it was begun anew.
    #[schema(format = DateTime)]
    opened_at: String,
    /// First to last, at most 200.
    attempts: Vec<AttemptView>,
}

/// One HTTP try.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    number: u32,
    /// `schedule`, or `manual` if somebody asked for it.
    #[schema(pattern = "^(schedule|manual)$")]
    trigger: &'static str,
    #[schema(format = DateTime)]
    started_at: String,
    timings: TimingsView,
    /// The status that came back; null if none did.
    status: Option<u16>,
    error: Option<AttemptError>,
    /// What went wrong after the status, such as a body that broke off. It changes nothing: the
    /// status decides.
    note: Option<String>,
    response: Option<ResponseView>,
}

/// How long each phase took. The first two are null on a reused connection, the others where the
/// attempt did not get so far.
#[derive(Serialize, ToSchema)]
pub struct TimingsView {
    dns_ms: Option<f64>,
    /// TCP and TLS.
    connect_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    body_ms: Option<f64>,
    total_ms: f64,
}

/// Why an attempt got no status.
#[derive(Serialize, ToSchema)]
pub struct AttemptError {
    /// `dns`, `dns_timeout`, `connect`, `connect_timeout`, `tls`, `timeout`, `connection`,
    /// `protocol`, `forbidden`, `target_forbidden` or `signing`.
    #[schema(
        example = "timeout",
        pattern = "^(dns|dns_timeout|connect|connect_timeout|tls|timeout|connection|protocol|forbidden|target_forbidden|signing)$"
    )]
    class: &'static str,
    detail: Option<String>,
}

/// What the receiver answered.
#[derive(Serialize, ToSchema)]
pub struct ResponseView {
    /// Names in lower case; the values of one name are joined by a comma.
    headers: BTreeMap<String, String>,
    /// The first 16 KiB, as text; what is not UTF-8 is replaced.
    body: String,
    /// Whether there was more.
    truncated: bool,
}

impl DeliveryView {
    pub fn new(
        delivery: &Delivery,
        webhook: Option<&Webhook>,
        waiting_for: Option<WaitingFor>,
    ) -> Self {
        let due = (!delivery.status.is_finished()).then_some(delivery.due);
        Self {
            id: delivery.id.to_string(),
            tenant: delivery.tenant.to_string(),
            event_id: delivery.event_id.clone(),
            event_type: delivery.event_type.to_string(),
            webhook_id: delivery.id.webhook.to_string(),
            webhook_url: webhook.map(|webhook| webhook.config.url.redacted()),
            status: delivery.status.as_str(),
            ended_by: delivery.ended_by.map(|by| by.as_str()),
            attempt_count: delivery.attempts,
            accepted_at: delivery.accepted_at.to_string(),
            next_attempt_at: due.map(|due| due.to_string()),
            ended_at: delivery.ended_at.map(|at| at.to_string()),
            last_attempt: delivery.last.as_ref().map(LastAttemptView::new),
            waiting_for: waiting_for.map(WaitingFor::as_str),
        }
    }
}

impl LastAttemptView {
    fn new(last: &LastAttempt) -> Self {
        Self {
            at: last.at.to_string(),
            status: last.answer.ok(),
            error: last.answer.err().map(|class| class.as_str()),
            duration_ms: ms(last.total),
        }
    }
}

impl DeliveryDetail {
    pub fn new(delivery: DeliveryView, opened_at: Timestamp, attempts: Vec<Attempt>) -> Self {
        let opened_at = opened_at.to_string();
        Self { delivery, opened_at, attempts: attempts.into_iter().map(AttemptView::new).collect() }
    }
}

impl AttemptView {
    fn new(attempt: Attempt) -> Self {
        let (status, error, note) = match attempt.answer {
            Answer::Status { code, .. } => (Some(code), None, attempt.detail),
            Answer::Error(class) => {
                let class = class.as_str();
                (None, Some(AttemptError { class, detail: attempt.detail }), None)
            }
        };
        Self {
            number: attempt.number,
            trigger: attempt.trigger.as_str(),
            started_at: attempt.started_at.to_string(),
            timings: TimingsView::new(&attempt.timings),
            status,
            error,
            note,
            response: attempt.response.map(ResponseView::new),
        }
    }
}

impl TimingsView {
    fn new(timings: &Timings) -> Self {
        Self {
            dns_ms: timings.dns.map(ms),
            connect_ms: timings.connect.map(ms),
            first_byte_ms: timings.first_byte.map(ms),
            body_ms: timings.body.map(ms),
            total_ms: ms(timings.total),
        }
    }
}

impl ResponseView {
    fn new(response: Response) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in response.headers {
            match headers.get_mut(&name) {
                Some(before) => {
                    before.push_str(", ");
                    before.push_str(&value);
                }
                None => {
                    headers.insert(name, value);
                }
            }
        }
        let body = String::from_utf8_lossy(&response.body).into_owned();
        Self { headers, body, truncated: response.truncated }
    }
}

/// In milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    let us = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(us) / 1_000.0
}

/// What is known about a delivery's webhook and lane.
pub struct Waits {
    pub paused: bool,
    pub lane: Option<LaneLook>,
    pub now: Timestamp,
}

/// Why a delivery is not being sent, if something holds it.
pub fn waiting_for(delivery: &Delivery, waits: &Waits) -> Option<WaitingFor> {
    if delivery.status.is_finished() {
        None
    } else if waits.paused {
        Some(WaitingFor::Paused)
    } else if delivery.due > waits.now && !delivery.by_hand {
        Some(WaitingFor::Backoff)
    } else {
        waits.lane.and_then(|lane| lane.waiting_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::delivery::Status;
    use model::event::EventType;
    use model::id::{DeliveryId, EventUid, Uid, WebhookId};
    use model::tenant::Tenant;

    const NOW: Timestamp = Timestamp(1_787_392_800_000_000);

    fn delivery(status: Status, due_in_s: i64, by_hand: bool) -> Delivery {
        Delivery {
            id: DeliveryId { event: EventUid(Uid([1; 16])), webhook: WebhookId(Uid([2; 16])) },
            tenant: Tenant::default(),
            event_id: "a".into(),
            event_type: EventType::parse("a").expect("valid"),
            seq: 1,
            status,
            ended_by: None,
            attempts: 1,
            by_hand,
            accepted_at: NOW,
            opened_at: NOW,
            due: Timestamp(NOW.0 + due_in_s * 1_000_000),
            ended_at: None,
            last: None,
        }
    }

    #[test]
    fn what_a_delivery_waits_for_follows_from_webhook_due_time_and_lane() {
        use WaitingFor::{Backoff, Concurrency, Paused};
        let rows = [
            (Status::Delivered, 9, false, true, Some(Concurrency), None),
            (Status::Failed, 0, false, false, Some(Backoff), None),
            (Status::Retrying, 9, false, true, Some(Concurrency), Some(Paused)),
            (Status::Retrying, 9, false, false, Some(Concurrency), Some(Backoff)),
            (Status::Retrying, 9, true, false, Some(Concurrency), Some(Concurrency)),
            (Status::Retrying, 9, true, false, None, None),
            (Status::Pending, 0, false, false, Some(Concurrency), Some(Concurrency)),
            (Status::Pending, 0, false, false, Some(Backoff), Some(Backoff)),
            (Status::Pending, -9, false, false, None, None),
        ];
        for (status, due_in_s, by_hand, paused, lane, expected) in rows {
            let delivery = delivery(status, due_in_s, by_hand);
            let lane = Some(LaneLook { waiting_for: lane, ..LaneLook::default() });
            let waits = Waits { paused, lane, now: NOW };
            assert_eq!(waiting_for(&delivery, &waits), expected, "{status:?} {due_in_s} {by_hand}");
        }
    }

    #[test]
    fn a_finished_delivery_has_no_next_attempt() {
        let next =
            |status| DeliveryView::new(&delivery(status, 9, false), None, None).next_attempt_at;
        assert_eq!(next(Status::Failed), None);
        assert_eq!(next(Status::Retrying).as_deref(), Some("2026-08-22T10:00:09.000Z"));
    }

    #[test]
    fn times_are_shown_to_the_microsecond() {
        assert_eq!(ms(Duration::from_nanos(1_234_567)).to_string(), "1.234");
    }
}
