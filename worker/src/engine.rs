//! What the stages share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::id::{EventUid, WebhookId, WorkerId};
use model::time::Timestamp;
use store::world::QueueTime;
use store::{
    How, Hungry, Item, Leased, Pace, Queue, QueueError, Settlement, Store, StoreError, Tally, begin,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ahead::Ahead;
use crate::registry::Registry;
use crate::send::Sender;
use crate::shortage::Shortage;
use crate::slots::{Slot, Slots, Taken};
use crate::{Metrics, Parts, Settings, record};

/// How long a stage waits after the store or the queue failed, before it tries again.
pub(crate) const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How long an item waits that is leased while this worker still holds it.
const HELD_PAUSE: Duration = Duration::from_secs(5);
/// How long one waits whose webhook has as many unanswered requests as it may.
const CROWDED_PAUSE: Duration = Duration::from_millis(100);

/// How long a worker that ends waits for its last settlements.
const SETTLED_PATIENCE: Duration = Duration::from_secs(2);

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made: {0}")]
pub struct StartError(pub String);

pub(crate) struct Engine {
    pub(crate) id: WorkerId,
    /// This machine's name, as far as it is known.
    pub(crate) host: String,
    pub(crate) started_at: Timestamp,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) registry: Registry,
    pub(crate) sender: Sender,
    pub(crate) slots: Slots,
    pub(crate) ahead: Ahead,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) tally: Arc<Tally>,
    pub(crate) shortage: Shortage,
    pub(crate) ways: Ways,
    settling: TaskTracker,
    /// What goes with the next settlement, before it.
    unhurried: Mutex<Vec<Settlement>>,
    time: Mutex<QueueTime>,
    /// Set while the store refuses to record.
    cannot_record: AtomicBool,
    /// Cancelled when a task panicked.
    broken: CancellationToken,
}

/// Held by a task that nobody waits for: if it panics, the worker is broken.
pub(crate) struct Watch<'e>(&'e CancellationToken);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// The ways from stage to stage.
pub(crate) struct Ways {
    pub(crate) to_fan_out: mpsc::Sender<Held>,
    /// What was claimed together stays together: some of it waits for the places of the rest.
    pub(crate) to_load: mpsc::Sender<Vec<Held>>,
    pub(crate) to_record: mpsc::Sender<record::Entry>,
    pub(crate) to_feed: mpsc::Sender<Hungry>,
}

/// A leased item and the slot it takes.
pub(crate) struct Held {
    pub(crate) leased: Leased,
    pub(crate) slot: Slot,
    /// Whether a place on the wire is with it.
    pub(crate) has_place: bool,
}

impl Held {
    /// None if it is an event to fan out.
    pub(crate) fn webhook(&self) -> Option<WebhookId> {
        self.leased.item.lane.work.webhook()
    }

    pub(crate) fn event(&self) -> EventUid {
        self.leased.item.event
    }
}

impl Engine {
    pub(crate) fn new(parts: Parts, settings: Settings, ways: Ways) -> Result<Self, StartError> {
        let sender = Sender::new(&parts.egress, &settings, &parts.metrics)?;
        let slots = Slots::new(settings.slots, parts.metrics.clone());
        let registry = Registry::new(parts.store.clone(), parts.queue.clone(), parts.master_keys);
        let time = Mutex::new(QueueTime::new(Timestamp::default()));
        let cannot_record = AtomicBool::new(false);
        let (id, started_at) = (parts.id, parts.started_at);
        let (store, queue, metrics) = (parts.store, parts.queue, parts.metrics);
        let tally = parts.tally;
        Ok(Self {
            id,
            host: host_name(),
            started_at,
            store,
            queue,
            registry,
            sender,
            slots,
            ahead: Ahead::new(settings.slots),
            settings,
            metrics,
            tally,
            shortage: Shortage::default(),
            ways,
            settling: TaskTracker::new(),
            unhurried: Mutex::default(),
            time,
            cannot_record,
            broken: CancellationToken::new(),
        })
    }

    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch(&self.broken)
    }

    /// Returns once a watched task panicked.
    pub(crate) async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// The queue's time, as of the last claim and carried on from there.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    pub(crate) fn set_time(&self, now: Timestamp) {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = QueueTime::new(now);
    }

    pub(crate) fn cannot_record(&self) -> bool {
        self.cannot_record.load(Ordering::Acquire)
    }

    pub(crate) fn set_cannot_record(&self, cannot: bool) {
        self.cannot_record.store(cannot, Ordering::Release);
    }

    /// Takes a slot for what was leased; if it may have none, what becomes of it instead.
    pub(crate) fn hold(&self, leased: Leased) -> Result<Held, Settlement> {
        let put_off = |leased: Leased, after| Err(leased.settle(How::Again { after }));
        let slot = match self.slots.take(&leased.item) {
            Taken::Slot(slot) => slot,
            Taken::Held => return put_off(leased, HELD_PAUSE),
            Taken::Crowded => return put_off(leased, CROWDED_PAUSE),
        };
        let webhook = leased.item.lane.work.webhook().filter(|_| !leased.ahead);
        if let Some(webhook) = webhook {
            self.ahead.arrived(webhook);
        }
        Ok(Held { leased, slot, has_place: webhook.is_some() })
    }

    /// Settles and frees the slots. Whoever settles waits for nothing: the queue tries again by itself,
    /// leases end by themselves, and what is recorded is not sent again.
    pub(crate) fn settle(&self, mut held: Vec<(Held, How)>) {
        let mut back = Vec::new();
        for (held, _) in &mut held {
            if let (true, Some(webhook)) = (std::mem::take(&mut held.has_place), held.webhook()) {
                back.extend(self.ahead.left(webhook));
            }
        }
        // Whoever waited for the last place of their lane.
        held.extend(back.into_iter().map(|held| (held, How::Again { after: Duration::ZERO })));
        self.slots.over(held.iter_mut().map(|(held, _)| &mut held.slot));
        let (settlements, slots): (Vec<_>, Vec<_>) =
            held.into_iter().map(|(held, how)| (held.leased.settle(how), held.slot)).unzip();
        self.settle_all(settlements);
        drop(slots);
    }

    /// Settles with whatever is settled next. It stands before all that is settled later.
    pub(crate) fn settle_unhurried(&self, settlement: Settlement) {
        self.unhurried.lock().unwrap_or_else(PoisonError::into_inner).push(settlement);
    }

    pub(crate) fn settle_all(&self, settlements: Vec<Settlement>) {
        if settlements.is_empty() {
            return;
        }
        // Held until the settling has begun, so that nobody else's stands between.
        let mut unhurried = self.unhurried.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *unhurried);
        before.extend(settlements);
        let (queue, settlements) = (self.queue.clone(), before);
        let settling = async move {
            if let Err(e) = queue.settle(settlements).await {
                report_queue(&e, "settle");
            }
        };
        if let Some(settling) = begin(settling) {
            self.settling.spawn(settling);
        }
    }

    /// Tells who looks on live that deliveries changed. Nobody waits for it, and it may be lost.
    pub(crate) fn notice(&self, changed: Vec<Item>) {
        if changed.is_empty() {
            return;
        }
        let queue = self.queue.clone();
        // Who looks on hears of a failure by itself.
        if let Some(telling) = begin(async move { drop(queue.notice(changed).await) }) {
            self.settling.spawn(telling);
        }
    }

    /// Waits for settlements that are under way, not for a queue that does not answer.
    pub(crate) async fn all_settled(&self) {
        self.settling.close();
        let _ = tokio::time::timeout(SETTLED_PATIENCE, self.settling.wait()).await;
    }
}

/// proc(5). Empty if the system does not say.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// One line per failure, where it is handled.
pub(crate) fn report_store(error: &StoreError, verb: &'static str) {
    tracing::error!(store.verb = verb, error = %error, "the store failed");
}

pub(crate) fn report_queue(error: &QueueError, verb: &'static str) {
    tracing::error!(queue.verb = verb, error = %error, "the queue failed");
}

/// The next item and whatever else already waits, at most `max`: batches grow with the load. With a
/// pace, what comes soon after the last round waits for company. None when `over` and nothing waits.
pub(crate) async fn gather<T>(
    inbox: &mut mpsc::Receiver<T>,
    max: usize,
    pace: &mut Pace,
    over: &CancellationToken,
) -> Option<Vec<T>> {
    let mut batch = Vec::new();
    let received = tokio::select! {
        biased;
        received = inbox.recv_many(&mut batch, max) => received,
        () = over.cancelled() => 0,
    };
    if received == 0 {
        return None;
    }
    if received < max {
        pace.keep().await;
        while batch.len() < max
            && let Ok(more) = inbox.try_recv()
        {
            batch.push(more);
        }
    }
    pace.begin();
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_noticed_and_one_that_ends_is_not() {
        let broken = CancellationToken::new();
        for panics in [false, true] {
            let watched = broken.clone();
            let task = tokio::spawn(async move {
                let _watch = Watch(&watched);
                assert!(!panics, "as it is to");
            });
            assert_eq!((task.await.is_err(), broken.is_cancelled()), (panics, panics));
        }
    }
}
