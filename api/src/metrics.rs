//! What the API counts. Every metric it knows stands here, once; labels are bounded: routes are
//! patterns, never paths, and nothing is labelled by webhook or tenant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use model::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use store::{Accepted, Look, WebhookTotals};

/// Seconds, from a fast publish to the longest that a request may take.
const REQUEST_BUCKETS_S: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Of a metric that is shown while it is known, alone.
type NoLabels = [(&'static str, &'static str); 0];

/// The API's metrics. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    events_accepted: Family<EventLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    requests_under_way: Gauge,
    request_duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
    queue_depth: Family<StateLabels, Gauge>,
    queue_oldest_ready_age: Family<NoLabels, Gauge<f64, AtomicU64>>,
    queue_lanes: Family<NoLabels, Gauge>,
    leases_expired: Family<NoLabels, Counter>,
    clock_skew: Family<NoLabels, Gauge<f64, AtomicU64>>,
    workers: Family<StateLabels, Gauge>,
    webhook_status: Family<StatusLabels, Gauge>,
    webhooks_failing: Gauge,
    check_ok: Family<CheckLabels, Gauge>,
    streams_open: Gauge,
    stream_gaps: Counter,
}

impl Metrics {
    /// Adds them to a registry without a prefix of its own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events_accepted: Family::default(),
            requests: Family::default(),
            requests_under_way: Gauge::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS_S)),
            queue_depth: Family::default(),
            queue_oldest_ready_age: Family::default(),
            queue_lanes: Family::default(),
            leases_expired: Family::default(),
            clock_skew: Family::default(),
            workers: Family::default(),
            webhook_status: Family::default(),
            webhooks_failing: Gauge::default(),
            check_ok: Family::default(),
            streams_open: Gauge::default(),
            stream_gaps: Counter::default(),
        };
        registry.register(
            "postrider_events_accepted",
            "Events published, by what became of them",
            metrics.events_accepted.clone(),
        );
        registry.register("postrider_http_requests", "Requests answered", metrics.requests.clone());
        registry.register(
            "postrider_http_requests_under_way",
            "Requests whose handlers are at work",
            metrics.requests_under_way.clone(),
        );
        registry.register(
            "postrider_http_request_duration_seconds",
            "From a request's head to its answer",
            metrics.request_duration.clone(),
        );
        registry.register(
            "postrider_queue_depth",
            "Items in the queue: queued, leased to workers, and of those on the wire",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "postrider_queue_oldest_ready_age_seconds",
            "How long the item waits that could be served longest",
            metrics.queue_oldest_ready_age.clone(),
        );
        registry.register(
            "postrider_queue_lanes",
            "Lanes that the queue knows: of a tenant's events to fan out, and of webhooks",
            metrics.queue_lanes.clone(),
        );
        registry.register(
            "postrider_queue_leases_expired",
            "Leases of the whole queue that ended because nobody settled them in time",
            metrics.leases_expired.clone(),
        );
        registry.register(
            "postrider_clock_skew_seconds",
            "How far this machine's clock is ahead of the queue's",
            metrics.clock_skew.clone(),
        );
        registry.register(
            "postrider_workers",
            "Workers that the store knows, by whether they were heard within 30 s",
            metrics.workers.clone(),
        );
        registry.register(
            "postrider_webhook_status",
            "Webhooks in each status",
            metrics.webhook_status.clone(),
        );
        registry.register(
            "postrider_webhooks_failing",
            "Webhooks that are not disabled and whose last attempt failed",
            metrics.webhooks_failing.clone(),
        );
        registry.register(
            "postrider_check_ok",
            "1 if that check of /readyz says ok, else 0",
            metrics.check_ok.clone(),
        );
        registry.register(
            "postrider_streams_open",
            "Clients of /v1/stream",
            metrics.streams_open.clone(),
        );
        registry.register(
            "postrider_stream_gaps",
            "How often a client of /v1/stream was told that it missed something",
            metrics.stream_gaps.clone(),
        );
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("postrider_build", "What is running", version);
        metrics
    }

    pub(crate) fn event(&self, result: EventResult) {
        self.events_accepted.get_or_create(&EventLabels { result: result.as_str() }).inc();
    }

    pub(crate) fn request(&self, route: String, method: &Method, code: u16, took: Duration) {
        let method = method_label(method);
        let labels = RouteLabels { route, method };
        self.request_duration.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = RequestLabels { route: labels.route, method, code };
        self.requests.get_or_create(&labels).inc();
    }

    /// Sets what the queue says of itself, and how far this machine's clock is ahead of its. What it
    /// does not say is not shown: that it was so once is no news.
    pub(crate) fn look(&self, look: Option<&Look>, here: Timestamp) {
        let Some(look) = look else {
            self.queue_depth.clear();
            self.queue_oldest_ready_age.clear();
            self.queue_lanes.clear();
            self.leases_expired.clear();
            return self.clock_skew.clear();
        };
        let total = &look.total;
        for (state, count) in
            [("queued", total.queued), ("leased", total.leased), ("in_flight", total.in_flight)]
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.queue_depth.get_or_create(&StateLabels { state }).set(count);
        }
        let age = total.oldest_due.map(|due| look.now.since(due)).unwrap_or_default();
        self.queue_oldest_ready_age.get_or_create(&[]).set(age.as_secs_f64());
        self.queue_lanes.get_or_create(&[]).set(i64::try_from(total.lanes).unwrap_or(i64::MAX));
        self.leases_expired.get_or_create(&[]).inner().store(look.expired, Ordering::Relaxed);
        let ahead_us = here.0.saturating_sub(look.now.0);
        self.clock_skew.get_or_create(&[]).set(ahead_us as f64 / 1e6);
    }

    /// Sets how many workers there are; none if nobody knows.
    pub(crate) fn workers(&self, counts: Option<[(&'static str, usize); 2]>) {
        self.workers.clear();
        for (state, count) in counts.into_iter().flatten() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.workers.get_or_create(&StateLabels { state }).set(count);
        }
    }

    pub(crate) fn requests_under_way(&self, count: usize) {
        self.requests_under_way.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn check(&self, check: &'static str, ok: bool) {
        self.check_ok.get_or_create(&CheckLabels { check }).set(ok.into());
    }

    pub(crate) fn streams(&self, open: usize) {
        self.streams_open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    pub(crate) fn stream_gap(&self) {
        self.stream_gaps.inc();
    }

    /// Sets how many webhooks there are in each status; none if nobody knows.
    pub(crate) fn webhooks(&self, totals: Option<WebhookTotals>) {
        self.webhook_status.clear();
        let Some(WebhookTotals { active, paused, disabled, failing }) = totals else { return };
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (status, n) in [("active", active), ("paused", paused), ("disabled", disabled)] {
            self.webhook_status.get_or_create(&StatusLabels { status }).set(count(n));
        }
        self.webhooks_failing.set(count(failing));
    }
}

/// What became of an event that was published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventResult {
    Accepted,
    Duplicate,
    /// Its id or key was used for another event.
    Conflict,
    /// It is not valid.
    Refused,
}

impl EventResult {
    pub fn of(accepted: &Accepted) -> Self {
        match accepted {
            Accepted::New { .. } => EventResult::Accepted,
            Accepted::Duplicate { .. } => EventResult::Duplicate,
            Accepted::IdTaken | Accepted::KeyTaken => EventResult::Conflict,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            EventResult::Accepted => "accepted",
            EventResult::Duplicate => "duplicate",
            EventResult::Conflict => "conflict",
            EventResult::Refused => "refused",
        }
    }
}

/// A method as a label. Whoever calls may invent methods; those count as one.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    check: &'static str,
}
