//! What was written a moment ago, kept in memory: most events are fanned out and sent within
//! milliseconds of their acceptance, and need not be read back.
//!
//! Only the writing thread adds to it, in the order of its transactions, so it never says other
//! than the database: an entry is added by the write that makes the row and dropped by the first
//! write that changes it. What is not here is read from the database; what is rolled back clears
//! it all.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::event::Event;
use model::id::{DeliveryId, EventUid, WebhookId};
use model::tenant::Tenant;
use model::webhook::WebhookStatus;

use crate::store::{InboxRow, Loaded};

/// Bytes of events kept, the oldest leave first.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an entry takes beside its data, roughly.
const ENTRY_BYTES: usize = 512;
/// Places in the order they came: more than there are entries, since some are gone already.
const ORDER_MAX: usize = BYTES_MAX / ENTRY_BYTES;
/// Deliveries of one event that are kept; what is beyond is read from the database.
const DELIVERIES_MAX: usize = 64;
/// Webhooks, and tenants, whose state is kept.
const WEBHOOKS_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Recent(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    events: HashMap<EventUid, Entry>,
    /// The order they came in; some are gone already.
    order: VecDeque<EventUid>,
    bytes: usize,
    webhooks: HashMap<WebhookId, (WebhookStatus, u64)>,
    registries: HashMap<Tenant, u64>,
}

struct Entry {
    event: Arc<Event>,
    seq: i64,
    /// Set until its fan-out begins.
    inbox: Option<InboxRow>,
    /// Webhooks whose delivery of it was made and not touched since.
    fresh: HashSet<WebhookId>,
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.event.data.len()
    }
}

impl Recent {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clear(&self) {
        *self.inner() = Inner::default();
    }

    pub(super) fn accepted(&self, event: Arc<Event>, seq: i64, row: InboxRow) {
        let mut inner = self.inner();
        let entry = Entry { event, seq, inbox: Some(row), fresh: HashSet::new() };
        inner.bytes += entry.bytes();
        let uid = entry.event.uid;
        inner.order.push_back(uid);
        if let Some(replaced) = inner.events.insert(uid, entry) {
            inner.bytes -= replaced.bytes();
        }
        while inner.bytes > BYTES_MAX || inner.order.len() > ORDER_MAX {
            let Some(oldest) = inner.order.pop_front() else { break };
            inner.forget(oldest);
        }
    }

    /// The inbox row of an event whose fan-out has not begun.
    pub(super) fn inbox(&self, event: EventUid) -> Option<InboxRow> {
        let inner = self.inner();
        let entry = inner.events.get(&event)?;
        let row = entry.inbox.as_ref()?;
        let registry_now = *inner.registries.get(&row.tenant)?;
        let mut row = InboxRow { registry_now, ..row.clone() };
        row.events.iter_mut().for_each(|event| event.whole = Some(entry.event.clone()));
        Some(row)
    }

    /// The inbox row is changed or gone: the database knows it from here on.
    pub(super) fn fan_out_began(&self, event: EventUid) {
        if let Some(entry) = self.inner().events.get_mut(&event) {
            entry.inbox = None;
        }
    }

    pub(super) fn delivery_made(&self, id: DeliveryId) {
        let mut inner = self.inner();
        if let Some(entry) = inner.events.get_mut(&id.event)
            && entry.fresh.len() < DELIVERIES_MAX
        {
            entry.fresh.insert(id.webhook);
        }
    }

    /// A delivery was changed: the database knows it from here on.
    pub(super) fn delivery_changed(&self, id: DeliveryId) {
        let mut inner = self.inner();
        let Some(entry) = inner.events.get_mut(&id.event) else { return };
        entry.fresh.remove(&id.webhook);
        if entry.fresh.is_empty() && entry.inbox.is_none() {
            inner.forget(id.event);
        }
    }

    pub(super) fn event_gone(&self, event: EventUid) {
        self.inner().forget(event);
    }

    /// Where the event stands in publish order.
    pub(super) fn seq(&self, event: EventUid) -> Option<(Tenant, i64)> {
        let inner = self.inner();
        let entry = inner.events.get(&event)?;
        Some((entry.event.tenant.clone(), entry.seq))
    }

    pub(super) fn registry_version(&self, tenant: &Tenant) -> Option<u64> {
        self.inner().registries.get(tenant).copied()
    }

    /// The registry version of a tenant as of this write.
    pub(super) fn registry_is(&self, tenant: &Tenant, version: u64) {
        let mut inner = self.inner();
        if inner.registries.len() >= WEBHOOKS_MAX {
            inner.registries.clear();
        }
        inner.registries.insert(tenant.clone(), version);
    }

    pub(super) fn knows_webhook(&self, id: WebhookId) -> bool {
        self.inner().webhooks.contains_key(&id)
    }

    /// The state of a webhook as of this write.
    pub(super) fn webhook_is(&self, id: WebhookId, status: WebhookStatus, version: u64) {
        let mut inner = self.inner();
        if inner.webhooks.len() >= WEBHOOKS_MAX {
            inner.webhooks.clear();
        }
        inner.webhooks.insert(id, (status, version));
    }

    pub(super) fn webhook_gone(&self, id: WebhookId) {
        self.inner().webhooks.remove(&id);
    }

    /// A delivery that was made and not touched since.
    pub(super) fn load(&self, id: DeliveryId) -> Option<Loaded> {
        let inner = self.inner();
        let entry = inner.events.get(&id.event)?;
        let webhook = *inner.webhooks.get(&id.webhook)?;
        entry.fresh.contains(&id.webhook).then(|| Loaded::new(entry.event.clone(), webhook))
    }
}

impl Inner {
    fn forget(&mut self, event: EventUid) {
        if let Some(entry) = self.events.remove(&event) {
            self.bytes -= entry.bytes();
        }
        // Those that left early would pile up in the order of who came.
        while self.order.front().is_some_and(|oldest| !self.events.contains_key(oldest)) {
            self.order.pop_front();
        }
    }
}
