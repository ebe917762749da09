//! A worker's slots: how many items it holds from claim to record, and how many of them for one
//! tenant.
//!
//! A tenant may hold at most half of the slots while others wait. Alone it may hold nearly all:
//! the last twentieth is kept for tenants that hold little, so that one whose receivers all hang
//! never leaves the others without a slot.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::tenant::Tenant;
use store::Item;
use tokio::sync::Notify;

use crate::Metrics;

#[derive(Clone)]
pub(crate) struct Slots(Arc<Inner>);

struct Inner {
    all: usize,
    held: Mutex<Held>,
    freed: Notify,
    metrics: Metrics,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_tenant: HashMap<Tenant, usize>,
    items: HashSet<Item>,
}

/// One slot; dropping it frees it.
pub(crate) struct Slot {
    slots: Slots,
    item: Item,
}

/// What may be claimed now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) items: usize,
    /// Tenants that hold their share.
    pub(crate) skip: Vec<Tenant>,
    /// Whether tenants in `skip` may have what the others leave.
    pub(crate) skipped_may_follow: bool,
}

impl Slots {
    pub(crate) fn new(all: usize, metrics: Metrics) -> Self {
        metrics.slots(all);
        let held = Mutex::new(Held::default());
        Self(Arc::new(Inner { all, held, freed: Notify::new(), metrics }))
    }

    /// What may be claimed; none if every slot is taken.
    pub(crate) fn room(&self) -> Option<Room> {
        let held = self.held();
        room(self.0.all, &held)
    }

    /// None if this worker holds the item already: its lease ended before it was recorded, and
    /// doing it once more would send it twice.
    pub(crate) fn take(&self, item: &Item) -> Option<Slot> {
        let mut held = self.held();
        if !held.items.insert(item.clone()) {
            return None;
        }
        held.all += 1;
        let tenant = &item.lane.tenant;
        match held.by_tenant.get_mut(tenant) {
            Some(n) => *n += 1,
            None => drop(held.by_tenant.insert(tenant.clone(), 1)),
        }
        self.0.metrics.slots_held(held.all);
        Some(Slot { slots: self.clone(), item: item.clone() })
    }

    /// Returns when a slot was freed since the last call.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    pub(crate) async fn all_free(&self) {
        while self.held().all > 0 {
            self.freed().await;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.slots.held();
        held.all -= 1;
        held.items.remove(&self.item);
        let tenant = &self.item.lane.tenant;
        if let Some(n) = held.by_tenant.get_mut(tenant) {
            *n -= 1;
            if *n == 0 {
                held.by_tenant.remove(tenant);
            }
        }
        self.slots.0.metrics.slots_held(held.all);
        drop(held);
        self.slots.0.freed.notify_one();
    }
}

fn room(all: usize, held: &Held) -> Option<Room> {
    let free = all.checked_sub(held.all).filter(|free| *free > 0)?;
    let kept = all / 20;
    let holding = |more_than: usize| {
        held.by_tenant.iter().filter(|(_, n)| **n > more_than).map(|(t, _)| t.clone()).collect()
    };
    Some(if free > kept {
        let skip = holding((all / 2).saturating_sub(1));
        Room { items: free - kept, skip, skipped_may_follow: true }
    } else {
        Room { items: free, skip: holding(kept / 2), skipped_may_follow: false }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        Tenant::parse(name).expect("valid")
    }

    fn held(counts: &[(&str, usize)]) -> Held {
        let by_tenant = counts.iter().map(|(name, n)| (tenant(name), *n)).collect();
        let all = counts.iter().map(|(_, n)| n).sum();
        Held { all, by_tenant, items: HashSet::new() }
    }

    #[test]
    fn a_tenant_with_half_of_the_slots_comes_after_the_others() {
        let room = room(1_000, &held(&[("a", 500), ("b", 499)])).expect("one is free");
        assert_eq!(room.items, 1);
        let all = super::room(1_000, &held(&[("a", 500), ("b", 100)])).expect("some are free");
        assert_eq!(all, Room { items: 350, skip: vec![tenant("a")], skipped_may_follow: true });
    }

    #[test]
    fn the_last_slots_are_for_tenants_that_hold_little() {
        let room = room(1_000, &held(&[("a", 950), ("b", 3)])).expect("some are free");
        assert_eq!(room, Room { items: 47, skip: vec![tenant("a")], skipped_may_follow: false });
    }

    #[test]
    fn an_item_that_is_held_is_not_taken_again() {
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let slots = Slots::new(10, metrics);
        let lane = store::Lane::fan_out(tenant("a"));
        let item = Item { lane, event: model::id::EventUid(model::id::Uid([1; 16])) };
        let slot = slots.take(&item);
        assert!(slot.is_some() && slots.take(&item).is_none());
        drop(slot);
        assert!(slots.take(&item).is_some());
    }

    #[test]
    fn without_a_free_slot_nothing_is_claimed() {
        assert_eq!(room(10, &held(&[("a", 10)])), None);
    }

    #[test]
    fn a_lone_tenant_gets_nearly_everything() {
        let room = room(1_000, &held(&[])).expect("all are free");
        assert_eq!(room, Room { items: 950, skip: vec![], skipped_may_follow: true });
    }
}
