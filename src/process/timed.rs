//! How long the store and the queue take, and how often they fail: each verb is timed where it is
//! called from, whichever driver answers. Verbs take batches, so a delivery pays for a part of a few.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::attempt::Attempt;
use model::event::{Event, NewEvent};
use model::id::{DeliveryId, EventUid, KeyId, WebhookId, WorkerId};
use model::key::{Key, KeyHash};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::Webhook;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry as Metrics;
use store::world::Stopwatch;
use store::*;

/// Seconds, from a look into memory to the longest that a statement may take.
const BUCKETS_S: [f64; 11] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 15.0];

/// What was counted of one of the two. Clones count together.
#[derive(Clone)]
struct Counts<L: Clone + Eq + std::hash::Hash> {
    seconds: Family<L, Histogram, fn() -> Histogram>,
    failures: Family<L, Counter>,
}

impl<L: Clone + Eq + std::hash::Hash> Default for Counts<L> {
    fn default() -> Self {
        let seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS_S)) as fn() -> _);
        Self { seconds, failures: Family::default() }
    }
}

/// Verbs whose failures are shown from the start: of a counter that begins with its first failure
/// nobody sees that one.
const STORE_VERBS: [&str; 4] = ["accept", "fan_out", "load", "record"];
const QUEUE_VERBS: [&str; 3] = ["push", "claim", "settle"];

impl<L: Clone + Eq + std::hash::Hash> Counts<L> {
    async fn time<T, E>(
        &self,
        labels: L,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let watch = Stopwatch::start();
        let done = call.await;
        self.seconds.get_or_create(&labels).observe(watch.elapsed().as_secs_f64());
        if done.is_err() {
            self.failures.get_or_create(&labels).inc();
        }
        done
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    store: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
    operation: &'static str,
}

/// A store whose verbs are timed.
pub struct TimedStore {
    name: &'static str,
    inner: Arc<dyn Store>,
    counts: Counts<StoreLabels>,
}

impl TimedStore {
    pub fn new(name: &'static str, inner: Arc<dyn Store>) -> Self {
        let counts = Counts::default();
        for operation in STORE_VERBS {
            drop(counts.failures.get_or_create(&StoreLabels { store: name, operation }));
        }
        Self { name, inner, counts }
    }

    pub fn register(&self, metrics: &mut Metrics) {
        metrics.register(
            "postrider_store_operation_duration_seconds",
            "Time of one call of the store, which may be for many events or deliveries",
            self.counts.seconds.clone(),
        );
        metrics.register(
            "postrider_store_failures",
            "Calls of the store that failed",
            self.counts.failures.clone(),
        );
    }

    async fn time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.counts.time(StoreLabels { store: self.name, operation }, call).await
    }
}

#[async_trait]
impl Store for TimedStore {
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        self.time("accept", self.inner.accept(events)).await
    }

    async fn inbox(&self, rows: &[EventUid], whole: bool) -> Result<Vec<InboxRow>, StoreError> {
        self.time("inbox", self.inner.inbox(rows, whole)).await
    }

    async fn fan_out(&self, chunks: Vec<Chunk>) -> Result<usize, StoreError> {
        self.time("fan_out", self.inner.fan_out(chunks)).await
    }

    async fn fanned_out(&self, rows: Vec<EventUid>) -> Result<(), StoreError> {
        self.time("fanned_out", self.inner.fanned_out(rows)).await
    }

    async fn load(&self, deliveries: Vec<DeliveryId>) -> Result<Vec<Option<Loaded>>, StoreError> {
        self.time("load", self.inner.load(deliveries)).await
    }

    async fn record(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recorded>, StoreError> {
        self.time("record", self.inner.record(outcomes)).await
    }

    async fn lanes(&self, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>, StoreError> {
        self.time("lanes", self.inner.lanes(after, limit)).await
    }

    async fn unfinished(&self, lane: &Lane, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        self.time("unfinished", self.inner.unfinished(lane, limit)).await
    }

    async fn stranded(&self, limit: u32) -> Result<Vec<Stranded>, StoreError> {
        self.time("stranded", self.inner.stranded(limit)).await
    }

    async fn outlived(
        &self,
        webhook: WebhookId,
        opened_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stranded>, StoreError> {
        self.time("outlived", self.inner.outlived(webhook, opened_before, limit)).await
    }

    async fn registry(&self, tenant: &Tenant, since: u64) -> Result<Registry, StoreError> {
        self.time("registry", self.inner.registry(tenant, since)).await
    }

    async fn webhooks(&self, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError> {
        self.time("webhooks", self.inner.webhooks(ids)).await
    }

    async fn webhook_at(&self, tenant: &Tenant, url: &str) -> Result<Option<Webhook>, StoreError> {
        self.time("webhook_at", self.inner.webhook_at(tenant, url)).await
    }

    async fn list_webhooks(
        &self,
        filter: WebhookFilter,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        self.time("list_webhooks", self.inner.list_webhooks(filter, after, limit)).await
    }

    async fn insert_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        self.time("insert_webhook", self.inner.insert_webhook(webhook)).await
    }

    async fn update_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        self.time("update_webhook", self.inner.update_webhook(webhook)).await
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError> {
        self.time("delete_webhook", self.inner.delete_webhook(id)).await
    }

    async fn event(&self, tenant: &Tenant, id: &str) -> Result<Option<Event>, StoreError> {
        self.time("event", self.inner.event(tenant, id)).await
    }

    async fn list_events(
        &self,
        filter: EventFilter,
        after: Option<EventUid>,
        most: Most,
    ) -> Result<Listed<Event>, StoreError> {
        self.time("list_events", self.inner.list_events(filter, after, most)).await
    }

    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        most: Most,
    ) -> Result<Listed<Delivery>, StoreError> {
        self.time("list_deliveries", self.inner.list_deliveries(filter, after, most)).await
    }

    async fn deliveries(&self, ids: &[DeliveryId]) -> Result<Vec<Delivery>, StoreError> {
        self.time("deliveries", self.inner.deliveries(ids)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.time("delivery", self.inner.delivery(id)).await
    }

    async fn history(
        &self,
        id: DeliveryId,
        limit: u32,
    ) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        self.time("history", self.inner.history(id, limit)).await
    }

    async fn tail(&self) -> Result<Tail, StoreError> {
        self.time("tail", self.inner.tail()).await
    }

    async fn follow(&self, tail: Tail, limit: u32) -> Result<(Vec<Noted>, Tail), StoreError> {
        self.time("follow", self.inner.follow(tail, limit)).await
    }

    async fn since(
        &self,
        position: Position,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Noted>, StoreError> {
        self.time("since", self.inner.since(position, tenant, limit)).await
    }

    async fn events(&self, uids: &[EventUid]) -> Result<Vec<Event>, StoreError> {
        self.time("events", self.inner.events(uids)).await
    }

    async fn retry(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        self.time("retry", self.inner.retry(id, now)).await
    }

    async fn cancel(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        self.time("cancel", self.inner.cancel(id, now)).await
    }

    async fn put_key(&self, key: Key) -> Result<(), StoreError> {
        self.time("put_key", self.inner.put_key(key)).await
    }

    async fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        self.time("key", self.inner.key(hash)).await
    }

    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.time("keys", self.inner.keys()).await
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.time("delete_key", self.inner.delete_key(id)).await
    }

    async fn retain(&self, since: Timestamp, limit: u32) -> Result<bool, StoreError> {
        self.time("retain", self.inner.retain(since, limit)).await
    }

    async fn announce(&self, worker: WorkerState) -> Result<(), StoreError> {
        self.time("announce", self.inner.announce(worker)).await
    }

    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.time("retire", self.inner.retire(worker)).await
    }

    async fn workers(&self) -> Result<Vec<(WorkerState, Timestamp)>, StoreError> {
        self.time("workers", self.inner.workers()).await
    }

    async fn lead(&self, duty: &str, worker: WorkerId, time: Duration) -> Result<bool, StoreError> {
        self.time("lead", self.inner.lead(duty, worker, time)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.time("check", self.inner.check()).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[async_trait]
impl Stats for TimedStore {
    async fn add_stats(&self, more: Additions) -> Result<(), StoreError> {
        self.time("add_stats", self.inner.add_stats(more)).await
    }

    async fn stats(&self, of: StatsFilter) -> Result<Vec<Counted>, StoreError> {
        self.time("stats", self.inner.stats(of)).await
    }

    async fn causes(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<CauseCount>, StoreError> {
        self.time("causes", self.inner.causes(tenant, since, limit)).await
    }

    async fn failing(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Streak>, StoreError> {
        self.time("failing", self.inner.failing(tenant, limit)).await
    }

    async fn streaks(&self, ids: &[WebhookId]) -> Result<Vec<Streak>, StoreError> {
        self.time("streaks", self.inner.streaks(ids)).await
    }

    async fn forget_stats(
        &self,
        minutes_before: Timestamp,
        before: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        self.time("forget_stats", self.inner.forget_stats(minutes_before, before, limit)).await
    }

    async fn stats_by_type(&self, of: StatsFilter) -> Result<CountsByType, StoreError> {
        self.time("stats_by_type", self.inner.stats_by_type(of)).await
    }

    async fn stats_of(
        &self,
        webhooks: &[(Tenant, WebhookId)],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Vec<Counted>>, StoreError> {
        self.time("stats_of", self.inner.stats_of(webhooks, since, until)).await
    }

    async fn newest(&self, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>, StoreError> {
        self.time("newest", self.inner.newest(ids)).await
    }

    async fn webhook_totals(&self, tenant: Option<&Tenant>) -> Result<WebhookTotals, StoreError> {
        self.time("webhook_totals", self.inner.webhook_totals(tenant)).await
    }

    async fn size_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.time("size_bytes", self.inner.size_bytes()).await
    }

    async fn backlogs(&self, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>, StoreError> {
        self.time("backlogs", self.inner.backlogs(ids, most)).await
    }

    async fn statuses(
        &self,
        events: &[EventUid],
        most: u32,
    ) -> Result<Vec<StatusCounts>, StoreError> {
        self.time("statuses", self.inner.statuses(events, most)).await
    }

    async fn is_to_fan_out(&self, event: EventUid) -> Result<bool, StoreError> {
        self.time("is_to_fan_out", self.inner.is_to_fan_out(event)).await
    }

    async fn unfinished_totals(
        &self,
        tenant: Option<&Tenant>,
        most: u32,
    ) -> Result<UnfinishedTotals, StoreError> {
        self.time("unfinished_totals", self.inner.unfinished_totals(tenant, most)).await
    }
}

/// A queue whose verbs are timed.
pub struct TimedQueue {
    name: &'static str,
    inner: Arc<dyn Queue>,
    counts: Counts<QueueLabels>,
}

impl TimedQueue {
    pub fn new(name: &'static str, inner: Arc<dyn Queue>) -> Self {
        let counts = Counts::default();
        for operation in QUEUE_VERBS {
            drop(counts.failures.get_or_create(&QueueLabels { queue: name, operation }));
        }
        Self { name, inner, counts }
    }

    pub fn register(&self, metrics: &mut Metrics) {
        metrics.register(
            "postrider_queue_operation_duration_seconds",
            "Time of one call of the queue, which may be for many items",
            self.counts.seconds.clone(),
        );
        metrics.register(
            "postrider_queue_failures",
            "Calls of the queue that failed",
            self.counts.failures.clone(),
        );
    }

    async fn time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        self.counts.time(QueueLabels { queue: self.name, operation }, call).await
    }
}

// The first step of a call is that of the queue's own, so calls take effect in the order in which they
// were first polled, as its users are promised.
#[async_trait]
impl Queue for TimedQueue {
    async fn push(&self, items: Vec<Push>) -> Result<Pushed, QueueError> {
        self.time("push", self.inner.push(items)).await
    }

    async fn claim(&self, max: usize, skip: &[Tenant]) -> Result<Claimed, QueueError> {
        self.time("claim", self.inner.claim(max, skip)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), QueueError> {
        self.time("settle", self.inner.settle(settlements)).await
    }

    async fn set(&self, lanes: &[(Lane, Limits)]) -> Result<(), QueueError> {
        self.time("set", self.inner.set(lanes)).await
    }

    async fn look(&self, lanes: &[Lane]) -> Result<Look, QueueError> {
        self.time("look", self.inner.look(lanes)).await
    }

    async fn wait(&self) {
        self.inner.wait().await;
    }
}

#[async_trait]
impl Notices for TimedQueue {
    async fn notice(&self, changed: Vec<Item>) -> Result<(), QueueError> {
        self.time("notice", self.inner.notice(changed)).await
    }

    async fn noticed(&self, mark: Option<Mark>, limit: usize) -> Result<Noticed, QueueError> {
        self.time("noticed", self.inner.noticed(mark, limit)).await
    }
}
