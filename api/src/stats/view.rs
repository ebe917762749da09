//! How statistics are shown.

use std::time::Duration;

use model::id::WebhookId;
use model::stats::{AnswerClass, Counts, Histogram};
use serde::Serialize;
use store::{Backlog, Delivery, Streak};
use utoipa::{IntoParams, ToSchema};

use super::{BACKLOG_MAX, capped};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what get_stats reads")]
pub struct StatsQuery {
    /// From then on; default: an hour before `until`. At most 366 days before it.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Until then; default: now.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// Only of this webhook.
    #[param(pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$")]
    webhook_id: Option<String>,
    /// Only of this type.
    #[param(pattern = "^[a-zA-Z0-9_]+([.][a-zA-Z0-9_]+)*$", max_length = 256)]
    event_type: Option<String>,
    /// How long a part of the time is; default: such that there are at most about 120.
    #[param(minimum = 60_000)]
    interval_ms: Option<u64>,
    /// `event_type`: also shows each type for itself.
    #[param(pattern = "^event_type$")]
    group_by: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what list_webhook_stats reads")]
pub struct WebhookStatsQuery {
    /// Up to 200 ids, separated by commas; those that do not exist are left out. Default: the newest 50.
    #[param(
        pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw](,wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]){0,199}$"
    )]
    webhook_ids: Option<String>,
    /// From then on, 48 hours at most; default: a day ago.
    #[param(format = DateTime)]
    since: Option<String>,
}

/// What happened in a time.
#[derive(Serialize, ToSchema)]
pub struct StatsView {
    /// The begin of the first part.
    #[schema(format = DateTime)]
    pub since: String,
    #[schema(format = DateTime)]
    pub until: String,
    /// How long each part is.
    pub interval_ms: u64,
    pub totals: CountsView,
    /// Every part, oldest first, also those in which nothing happened.
    pub buckets: Vec<BucketView>,
    /// If `group_by` asks for it: those with the most attempts first, at most 100.
    pub by_event_type: Option<Vec<TypeView>>,
}

/// A part of the time.
#[derive(Serialize, ToSchema)]
pub struct BucketView {
    /// When it begins.
    #[schema(format = DateTime)]
    pub at: String,
    #[serde(flatten)]
    pub counts: CountsView,
}

#[derive(Serialize, ToSchema)]
pub struct TypeView {
    #[schema(example = "order.paid")]
    pub event_type: String,
    #[serde(flatten)]
    pub counts: CountsView,
}

#[derive(Serialize, ToSchema)]
pub struct CountsView {
    /// Events; null of a webhook.
    accepted: Option<u64>,
    /// Deliveries made of events; null of a webhook.
    made: Option<u64>,
    attempts: AttemptsView,
    /// Attempts that were the first of their delivery.
    first_tries: u64,
    /// Those of them that succeeded.
    first_successes: u64,
    /// Deliveries that ended so.
    delivered: u64,
    failed: u64,
    cancelled: u64,
    /// From acceptance to success.
    latency_ms: QuantilesView,
    /// Of attempts.
    duration_ms: QuantilesView,
    /// How the queue stood at the end of the time: items that waited. Null where that was not looked at.
    waiting: Option<u64>,
    /// Requests that were on the wire.
    sending: Option<u64>,
    /// How long the item had waited that could have been served longest.
    oldest_waiting_ms: Option<u64>,
}

/// Attempts by what came of them.
#[derive(Serialize, ToSchema)]
pub struct AttemptsView {
    success: u64,
    redirect: u64,
    client_error: u64,
    server_error: u64,
    timeout: u64,
    /// No connection, a broken one, or no HTTP.
    network: u64,
    /// No request was made: the egress guard refused.
    blocked: u64,
}

/// Times within which so many hundredths were done; null of nothing. Right to within a tenth.
#[derive(Serialize, ToSchema)]
pub struct QuantilesView {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl CountsView {
    pub fn new(counts: &Counts, of_webhook: bool) -> Self {
        Self {
            accepted: (!of_webhook).then_some(counts.accepted),
            made: (!of_webhook).then_some(counts.made),
            attempts: AttemptsView::new(counts),
            first_tries: counts.first_tries,
            first_successes: counts.first_successes,
            delivered: counts.delivered,
            failed: counts.failed,
            cancelled: counts.cancelled,
            latency_ms: QuantilesView::new(&counts.latency),
            duration_ms: QuantilesView::new(&counts.duration),
            waiting: counts.queue.map(|queue| queue.waiting),
            sending: counts.queue.map(|queue| queue.sending),
            oldest_waiting_ms: counts.queue.map(|queue| queue.oldest_ms),
        }
    }
}

impl AttemptsView {
    fn new(counts: &Counts) -> Self {
        Self {
            success: counts.attempts(AnswerClass::Success),
            redirect: counts.attempts(AnswerClass::Redirect),
            client_error: counts.attempts(AnswerClass::ClientError),
            server_error: counts.attempts(AnswerClass::ServerError),
            timeout: counts.attempts(AnswerClass::Timeout),
            network: counts.attempts(AnswerClass::Network),
            blocked: counts.attempts(AnswerClass::Blocked),
        }
    }
}

impl QuantilesView {
    fn new(of: &Histogram) -> Self {
        let within = |share| of.quantile(share).map(ms);
        Self { p50: within(0.5), p95: within(0.95), p99: within(0.99) }
    }
}

#[derive(Serialize, ToSchema)]
pub struct WebhookStatsList {
    /// In the order in which they were asked for.
    pub data: Vec<WebhookStatsView>,
}

/// A webhook in numbers.
#[derive(Serialize, ToSchema)]
pub struct WebhookStatsView {
    webhook_id: String,
    attempts: AttemptsView,
    delivered: u64,
    failed: u64,
    /// Of attempts.
    duration_ms: QuantilesView,
    /// Attempts in 24 equal parts of the time, oldest first.
    spark: Vec<SparkView>,
    /// Since when every attempt failed; null if the last one succeeded.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// How many that are.
    failures: u64,
    /// Unfinished deliveries, counted up to 1,000.
    backlog: u32,
    /// Whether there are more.
    backlog_capped: bool,
    /// Of the newest event.
    last_delivery: Option<LastDeliveryView>,
}

#[derive(Serialize, ToSchema)]
pub struct SparkView {
    success: u64,
    failure: u64,
}

#[derive(Serialize, ToSchema)]
pub struct LastDeliveryView {
    id: String,
    #[schema(pattern = "^(pending|retrying|delivered|failed|cancelled)$")]
    status: &'static str,
    /// Of its last attempt, or else when its event was accepted.
    #[schema(format = DateTime)]
    at: String,
}

impl WebhookStatsView {
    pub fn new(
        id: WebhookId,
        totals: &Counts,
        parts: &[Counts],
        backlog: Backlog,
        streak: Option<&Streak>,
        last: Option<&Delivery>,
    ) -> Self {
        let (backlog, backlog_capped) = capped(backlog.unfinished, BACKLOG_MAX);
        let spark = |counts: &Counts| {
            let success = counts.attempts(AnswerClass::Success);
            SparkView { success, failure: counts.duration.count().saturating_sub(success) }
        };
        let last_delivery = |delivery: &Delivery| LastDeliveryView {
            id: delivery.id.to_string(),
            status: delivery.status.as_str(),
            at: delivery.last.map_or(delivery.accepted_at, |last| last.at).to_string(),
        };
        Self {
            webhook_id: id.to_string(),
            attempts: AttemptsView::new(totals),
            delivered: totals.delivered,
            failed: totals.failed,
            duration_ms: QuantilesView::new(&totals.duration),
            spark: parts.iter().map(spark).collect(),
            failing_since: streak.map(|streak| streak.since.to_string()),
            failures: streak.map_or(0, |streak| streak.failures),
            backlog,
            backlog_capped,
            last_delivery: last.map(last_delivery),
        }
    }
}

/// In milliseconds, to the microsecond.
pub fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
