//! A worker's slots: how many items it holds from claim to record, and how many of them for one
//! tenant.
//!
//! A tenant that holds half of the slots comes after the others. Alone it may hold nearly all:
//! the last twentieth is kept for tenants that hold little, so that one whose receivers all hang
//! never leaves the others without a slot. Within a tenant a webhook may hold the fewer, the fewer
//! are free: many that hang leave room for those that answer. One of a tenant that holds little may always
//! hold several.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::tenant::Tenant;
use store::{Item, Lane, Work};
use tokio::sync::Notify;

use crate::Metrics;

/// What a webhook may hold once half of the slots are taken is this times the free part of them: at
/// first as many as it may have requests on the wire by default.
const LANE_SHARE: usize = 32;
/// What each may hold of a tenant that holds little, however few are free: others' thousand must not make
/// a webhook that answers wait.
const LANE_MIN: usize = 8;
/// This part of the slots is kept for tenants that hold little.
const KEPT_PART: usize = 20;

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
    /// Those of deliveries that were not answered yet, in all and by lane: what a subscriber that
    /// hangs takes.
    unanswered: usize,
    by_lane: HashMap<Lane, usize>,
    items: HashSet<Item>,
}

/// One slot; dropping it frees it.
pub(crate) struct Slot {
    slots: Slots,
    item: Item,
    unanswered: bool,
    /// Whether the item may be taken again.
    over: bool,
}

/// What came of asking for a slot.
pub(crate) enum Taken {
    Slot(Slot),
    /// This worker holds the item already: its lease ended before it was recorded, and doing it
    /// once more would send it twice.
    Held,
    /// The item's lane has as many unanswered requests as it may.
    Crowded,
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
        let held = self.lock();
        room(self.0.all, &held)
    }

    /// What may be leased without taking turns: as long as half of the slots are free nobody waits
    /// for one.
    pub(crate) fn room_at_once(&self) -> usize {
        (self.0.all / 2).saturating_sub(self.held())
    }

    pub(crate) fn take(&self, item: &Item) -> Taken {
        let mut held = self.lock();
        if held.items.contains(item) {
            return Taken::Held;
        }
        let of_lane = held.by_lane.get(&item.lane).copied().unwrap_or(0);
        let unanswered = item.lane.work != Work::FanOut;
        let of_tenant = held.by_tenant.get(&item.lane.tenant).copied().unwrap_or(0);
        let least = if of_tenant <= little(self.0.all) { LANE_MIN } else { 1 };
        if unanswered && of_lane >= lane_share(self.0.all, held.unanswered).max(least) {
            return Taken::Crowded;
        }
        held.items.insert(item.clone());
        held.all += 1;
        add_one(&mut held.by_tenant, &item.lane.tenant);
        if unanswered {
            held.unanswered += 1;
            add_one(&mut held.by_lane, &item.lane);
        }
        self.0.metrics.slots_held(held.all);
        Taken::Slot(Slot { slots: self.clone(), item: item.clone(), unanswered, over: false })
    }

    /// Their items are about to be settled: they may be claimed again before these slots are free.
    pub(crate) fn over<'s>(&self, slots: impl Iterator<Item = &'s mut Slot>) {
        let mut held = self.lock();
        for slot in slots {
            if !std::mem::replace(&mut slot.over, true) {
                held.items.remove(&slot.item);
            }
        }
    }

    /// Returns when a slot was freed since the last call.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// How many are taken.
    pub(crate) fn held(&self) -> usize {
        self.lock().all
    }

    pub(crate) async fn all_free(&self) {
        while self.held() > 0 {
            self.freed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The answer is in: it is held only until it is recorded.
    pub(crate) fn answered(&mut self) {
        if std::mem::take(&mut self.unanswered) {
            self.slots.lock().answered(&self.item.lane);
        }
    }
}

impl Held {
    fn answered(&mut self, lane: &Lane) {
        self.unanswered -= 1;
        remove_one(&mut self.by_lane, lane);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.slots.lock();
        held.all -= 1;
        if !self.over {
            held.items.remove(&self.item);
        }
        remove_one(&mut held.by_tenant, &self.item.lane.tenant);
        if self.unanswered {
            held.answered(&self.item.lane);
        }
        self.slots.0.metrics.slots_held(held.all);
        drop(held);
        self.slots.0.freed.notify_one();
    }
}

/// Unanswered requests that one webhook may have: any number while half of the slots are free of
/// such, then the fewer the fewer are free. So however many want more than they may
/// have, some stay free.
fn lane_share(all: usize, unanswered: usize) -> usize {
    let free = all.saturating_sub(unanswered);
    if free * 2 > all { usize::MAX } else { free * LANE_SHARE / all }
}

fn add_one<K: Clone + Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(n) => *n += 1,
        None => drop(counts.insert(key.clone(), 1)),
    }
}

fn remove_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}

/// What a tenant holds that holds little.
fn little(all: usize) -> usize {
    all / KEPT_PART / 2
}

fn room(all: usize, held: &Held) -> Option<Room> {
    let free = all.checked_sub(held.all).filter(|free| *free > 0)?;
    let kept = all / KEPT_PART;
    let holding = |more_than: usize| {
        held.by_tenant.iter().filter(|(_, n)| **n > more_than).map(|(t, _)| t.clone()).collect()
    };
    Some(if free > kept {
        let skip = holding((all / 2).saturating_sub(1));
        Room { items: free - kept, skip, skipped_may_follow: true }
    } else {
        Room { items: free, skip: holding(little(all)), skipped_may_follow: false }
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
        Held { all, by_tenant, ..Held::default() }
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
        assert!(matches!(slot, Taken::Slot(_)) && matches!(slots.take(&item), Taken::Held));
        drop(slot);
        let Taken::Slot(mut settled) = slots.take(&item) else { panic!("it is free") };
        slots.over([&mut settled].into_iter());
        let again = slots.take(&item);
        assert!(matches!(again, Taken::Slot(_)) && slots.held() == 2);
        // Nor does the end of the first one let go of the second.
        drop(settled);
        assert!(matches!(slots.take(&item), Taken::Held) && slots.held() == 1);
    }

    /// An event for the n-th webhook of a tenant.
    fn item(of: &str, n: u16, event: u16) -> Item {
        let uid = |n: u16| model::id::Uid([n.to_be_bytes(); 8].concat().try_into().expect("16"));
        let lane = Lane::deliver(tenant(of), model::id::WebhookId(uid(n)));
        Item { lane, event: model::id::EventUid(uid(event)) }
    }

    fn slots() -> Slots {
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        Slots::new(1_024, metrics)
    }

    #[test]
    fn a_webhook_of_a_tenant_that_holds_little_has_several_however_few_are_free() {
        let slots = slots();
        let held: Vec<_> = (0..1_000).map(|n| slots.take(&item("hangs", n, 0))).collect();
        assert!(held.iter().all(|taken| matches!(taken, Taken::Slot(_))));
        assert!(matches!(slots.take(&item("hangs", 0, 1)), Taken::Crowded));
        let mut answers = Vec::new();
        for event in 0..8 {
            answers.push(slots.take(&item("answers", 2_000, event)));
            assert!(matches!(answers.last(), Some(Taken::Slot(_))), "{event}");
        }
        assert!(matches!(slots.take(&item("answers", 2_000, 8)), Taken::Crowded));
    }

    #[test]
    fn webhooks_that_hold_what_they_may_leave_slots_free() {
        let slots = slots();
        let mut kept = Vec::new();
        for event in 0..16 {
            kept.extend((0..70).map(|n| slots.take(&item("a", n, event))));
        }
        kept.retain(|taken| matches!(taken, Taken::Slot(_)));
        assert!((512..900).contains(&kept.len()), "{}", kept.len());
        assert!(matches!(slots.take(&item("a", 99, 1)), Taken::Slot(_)));
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
