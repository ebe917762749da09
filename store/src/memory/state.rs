//! All lanes and the order they are served in: tenants take turns, and within a tenant its lanes.
//!
//! ```text
//! Nowhere ──something to serve──► Ring ──taken──► Ring | Timer | Nowhere
//!    ▲                              ▲
//!    └── paused, no place, empty    └── Timer: its moment came
//! ```
//! Only lanes that can be served now are in a ring, so a claim never looks at one in vain.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::tenant::Tenant;
use model::time::Timestamp;

use super::Settings;
use super::lane::{LaneState, Position, Put};
use crate::queue::*;

/// Hungry lanes handed out by one claim.
const HUNGRY_PER_CLAIM: usize = 16;

type LaneKey = usize;

pub(super) struct State {
    settings: Settings,
    /// Boxed: the places of lanes that went stay.
    lanes: Vec<Option<Box<LaneState>>>,
    free_keys: Vec<LaneKey>,
    by_lane: HashMap<Lane, LaneKey>,
    /// Tenants with a lane in their ring, in turn.
    tenants: VecDeque<Tenant>,
    rings: HashMap<Tenant, VecDeque<LaneKey>>,
    timers: BTreeSet<(Timestamp, LaneKey)>,
    /// Every lease lasts equally long, so they end in the order they began.
    leases: VecDeque<(Timestamp, Lease)>,
    last_token: u64,
    /// Lanes with a hunger.
    starving: BTreeSet<LaneKey>,
    /// A new queue knows nothing: set until everything was fed.
    everything: Option<EverythingHunger>,
    totals: Totals,
    /// Leases that ended by themselves.
    expired: u64,
}

struct Lease {
    key: LaneKey,
    item: Item,
    token: Token,
}

#[derive(Clone, Copy, Default)]
struct EverythingHunger {
    /// Stays the same when it is leased out again: a large store may take longer to read than a
    /// lease lasts, and what was fed once need not be fed twice.
    token: Option<Token>,
    /// From when it may be leased out.
    free_at: Timestamp,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            lanes: Vec::new(),
            free_keys: Vec::new(),
            by_lane: HashMap::new(),
            tenants: VecDeque::new(),
            rings: HashMap::new(),
            timers: BTreeSet::new(),
            leases: VecDeque::new(),
            last_token: 0,
            starving: BTreeSet::new(),
            everything: Some(EverythingHunger::default()),
            totals: Totals::default(),
            expired: 0,
        }
    }

    pub(super) fn push(&mut self, now: Timestamp, items: Vec<Push>) -> Pushed {
        let mut pushed = Pushed::default();
        for push in items {
            let key = self.key(&push.item.lane);
            let cap = self.settings.lane_cap;
            let token = Token(self.last_token + 1);
            match self.change(now, key, |lane| lane.push(now, &push, token, cap)) {
                Put::Queued => {}
                Put::Refused => pushed.refused.push(push.item),
                Put::Leased { ahead } => {
                    self.last_token += 1;
                    pushed.leased.push(self.lease(now, key, push.item, token, ahead));
                }
            }
        }
        pushed
    }

    fn lease(
        &mut self,
        now: Timestamp,
        key: LaneKey,
        item: Item,
        token: Token,
        ahead: bool,
    ) -> Leased {
        let ends = now + self.settings.lease;
        self.leases.push_back((ends, Lease { key, item: item.clone(), token }));
        Leased { item, token, ahead }
    }

    /// What passing time changes: timers that are due, leases that ended. True if there was any.
    pub(super) fn tick(&mut self, now: Timestamp) -> bool {
        let mut changed = false;
        while let Some((moment, key)) = self.timers.first().copied() {
            if moment > now {
                break;
            }
            changed = true;
            self.change(now, key, |_| ());
        }
        while self.leases.front().is_some_and(|(ends, _)| *ends <= now) {
            let Some((_, lease)) = self.leases.pop_front() else { break };
            changed = true;
            let cap = self.settings.lane_cap;
            if self.lane_is(lease.key, &lease.item.lane) {
                let ended = self.change(now, lease.key, |lane| {
                    lane.release(now, lease.item.event, lease.token, Some(now), cap)
                });
                self.expired += u64::from(ended);
            }
        }
        changed
    }

    pub(super) fn claim(&mut self, now: Timestamp, max: usize, skip: &[Tenant]) -> Vec<Leased> {
        let mut leased = Vec::new();
        let mut skipped = Vec::new();
        let mut ahead = Vec::new();
        while leased.len() < max {
            let Some(tenant) = self.tenants.pop_front() else { break };
            if skip.contains(&tenant) {
                skipped.push(tenant);
                continue;
            }
            if let Some((key, one)) = self.claim_one(now, &tenant) {
                leased.push(one);
                if self.lanes[key].as_ref().is_some_and(|lane| lane.may_lease_ahead()) {
                    ahead.push(key);
                }
            }
            self.requeue_tenant(tenant);
        }
        for tenant in skipped.into_iter().rev() {
            self.tenants.push_front(tenant);
        }
        for key in ahead.into_iter().rev() {
            self.change(now, key, LaneState::claimed);
        }
        leased
    }

    /// One item of the lane whose turn it is in the tenant's ring.
    fn claim_one(&mut self, now: Timestamp, tenant: &Tenant) -> Option<(LaneKey, Leased)> {
        let key = self.rings.get_mut(tenant)?.pop_front()?;
        self.lanes[key].as_mut()?.position = Position::Nowhere;
        self.last_token += 1;
        let token = Token(self.last_token);
        let (event, ahead) = self.change(now, key, |lane| lane.take(now, token))?;
        let item = Item { lane: self.lanes[key].as_ref()?.lane.clone(), event };
        Some((key, self.lease(now, key, item, token, ahead)))
    }

    /// A tenant goes to the back of the line while any of its lanes can be served.
    fn requeue_tenant(&mut self, tenant: Tenant) {
        match self.rings.get(&tenant) {
            Some(ring) if !ring.is_empty() => self.tenants.push_back(tenant),
            Some(_) => drop(self.rings.remove(&tenant)),
            None => {}
        }
    }

    pub(super) fn claim_hungry(&mut self, now: Timestamp) -> Vec<Hungry> {
        let until = now + self.settings.lease;
        let mut hungry = Vec::new();
        if let Some(hunger) = &mut self.everything
            && hunger.free_at <= now
        {
            self.last_token += 1;
            let token = *hunger.token.get_or_insert(Token(self.last_token));
            hunger.free_at = until;
            hungry.push(Hungry { hunger: Hunger::Everything, token });
        }
        for key in &self.starving {
            if hungry.len() == HUNGRY_PER_CLAIM {
                break;
            }
            let Some(lane) = self.lanes[*key].as_mut() else { continue };
            let due = lane.feed_at(self.settings.lane_cap).is_some_and(|at| at <= now);
            if let (true, Some(hunger)) = (due, lane.hunger.as_mut()) {
                self.last_token += 1;
                let token = Token(self.last_token);
                hunger.lease = Some((token, until));
                hunger.again = false;
                // What is missing is being read from the store now; refusals from here on count.
                hunger.missing_due = Timestamp::MAX;
                hunger.fed_until = Timestamp::default();
                lane.fed_at = now;
                hungry.push(Hungry { hunger: Hunger::Lane(lane.lane.clone()), token });
            }
        }
        hungry
    }

    pub(super) fn settle(&mut self, now: Timestamp, settlement: Settlement) {
        let Settlement { subject, token, how } = settlement;
        match subject {
            Subject::Item(item) => self.settle_item(now, &item, token, how),
            Subject::Hunger(Hunger::Everything) => {
                if self.everything.and_then(|hunger| hunger.token) == Some(token) {
                    self.everything = match how {
                        How::Done => None,
                        How::Answered { .. } | How::PassedOn { .. } => self.everything,
                        How::Again { after } => {
                            Some(EverythingHunger { token: None, free_at: now + after })
                        }
                    };
                }
            }
            Subject::Hunger(Hunger::Lane(lane)) => {
                if let Some(key) = self.by_lane.get(&lane).copied() {
                    self.change(now, key, |lane| lane.fed(now, token, how));
                }
            }
        }
    }

    fn settle_item(&mut self, now: Timestamp, item: &Item, token: Token, how: How) {
        let Some(key) = self.by_lane.get(&item.lane).copied() else { return };
        let cap = self.settings.lane_cap;
        self.change(now, key, |lane| match how {
            How::Answered { failed, hold, ahead } => {
                let answered = lane.answered(item.event, token, failed);
                if answered.is_some() {
                    lane.set_ahead(ahead);
                    hold.into_iter().for_each(|hold| lane.hold(now + hold));
                }
                answered.is_some()
            }
            How::PassedOn { to, under } => {
                let had_place = lane.answered(item.event, token, false);
                if had_place == Some(true) {
                    lane.pass_on(to, under);
                }
                had_place.is_some()
            }
            How::Done => lane.release(now, item.event, token, None, cap),
            How::Again { after } => lane.release(now, item.event, token, Some(now + after), cap),
        });
        self.forget_ended_leases();
    }

    /// Leases end in order, but are settled in any: drops those at the front that are over.
    fn forget_ended_leases(&mut self) {
        while let Some((_, lease)) = self.leases.front() {
            let open = self.lane_is(lease.key, &lease.item.lane)
                && self.lanes[lease.key]
                    .as_ref()
                    .is_some_and(|lane| lane.is_leased(lease.item.event, lease.token));
            if open {
                break;
            }
            self.leases.pop_front();
        }
    }

    pub(super) fn set(&mut self, now: Timestamp, lane: &Lane, limits: Limits) {
        let key = self.key(lane);
        self.change(now, key, |lane| lane.set(limits));
    }

    pub(super) fn look(&self, now: Timestamp, lanes: &[Lane]) -> Look {
        let state = |lane: &Lane| {
            self.by_lane.get(lane).and_then(|key| self.lanes[*key].as_ref()).map(|l| l.look(now))
        };
        let oldest_due = self
            .rings
            .values()
            .flatten()
            .filter_map(|key| self.lanes[*key].as_ref()?.oldest_due())
            .min();
        Look {
            now,
            total: Totals { lanes: self.by_lane.len(), oldest_due, ..self.totals },
            lanes: lanes.iter().map(|lane| state(lane).unwrap_or_default()).collect(),
            expired: self.expired,
            evicts: None,
        }
    }

    /// When the next thing happens by itself. Lanes in a ring do not count: they were there for the
    /// last claim to take, or whoever put them there said so.
    pub(super) fn next_moment(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(moment, _)| *moment);
        let lease = self.leases.front().map(|(ends, _)| *ends);
        let everything = self.everything.map(|hunger| hunger.free_at);
        let starving = self
            .starving
            .iter()
            .filter_map(|key| self.lanes[*key].as_ref()?.feed_at(self.settings.lane_cap));
        timer.into_iter().chain(lease).chain(everything).chain(starving).min()
    }

    /// Changes a lane, then puts it where it now belongs. Every change of a lane goes through here.
    fn change<T>(&mut self, now: Timestamp, key: LaneKey, f: impl FnOnce(&mut LaneState) -> T) -> T
    where
        T: Default,
    {
        let Some(lane) = self.lanes.get_mut(key).and_then(Option::as_deref_mut) else {
            return T::default();
        };
        let before = (lane.queued(), lane.leased(), lane.on_the_wire());
        let result = f(lane);
        self.totals.queued = self.totals.queued + lane.queued() - before.0;
        self.totals.leased = self.totals.leased + lane.leased() - before.1;
        self.totals.in_flight = self.totals.in_flight + lane.on_the_wire() - before.2;
        if lane.hunger.is_some() {
            self.starving.insert(key)
        } else {
            self.starving.remove(&key)
        };
        self.put(now, key);
        result
    }

    fn put(&mut self, now: Timestamp, key: LaneKey) {
        let Some(lane) = self.lanes[key].as_deref_mut() else { return };
        let wanted = lane.wanted_position(now);
        match (lane.position, wanted) {
            // Leaving the ring costs a search: from its end, where it stands after a claim that was
            // full before all was leased ahead. A pause and a hold are rare.
            (Position::Ring, Position::Nowhere | Position::Timer(_)) => {
                if let Some(ring) = self.rings.get_mut(&lane.lane.tenant)
                    && let Some(at) = ring.iter().rposition(|k| *k == key)
                {
                    ring.remove(at);
                }
            }
            (Position::Timer(was), _) if wanted != lane.position => {
                self.timers.remove(&(was, key));
            }
            _ => {}
        }
        match (lane.position, wanted) {
            (Position::Ring, Position::Ring) => {}
            (_, Position::Ring) => {
                let tenant = lane.lane.tenant.clone();
                let ring = self.rings.entry(tenant.clone()).or_insert_with(|| {
                    self.tenants.push_back(tenant);
                    VecDeque::new()
                });
                ring.push_back(key);
            }
            (_, Position::Timer(moment)) => {
                self.timers.insert((moment, key));
            }
            (_, Position::Nowhere) => {}
        }
        lane.position = wanted;
        if wanted == Position::Nowhere && lane.is_idle(now) {
            self.by_lane.remove(&lane.lane);
            self.lanes[key] = None;
            self.free_keys.push(key);
        }
    }

    fn key(&mut self, lane: &Lane) -> LaneKey {
        if let Some(key) = self.by_lane.get(lane) {
            return *key;
        }
        let state = Some(Box::new(LaneState::new(lane.clone())));
        let key = match self.free_keys.pop() {
            Some(key) => {
                self.lanes[key] = state;
                key
            }
            None => {
                self.lanes.push(state);
                self.lanes.len() - 1
            }
        };
        self.by_lane.insert(lane.clone(), key);
        key
    }

    /// Whether the key still stands for that lane: keys of forgotten lanes are used again.
    fn lane_is(&self, key: LaneKey, lane: &Lane) -> bool {
        self.lanes[key].as_ref().is_some_and(|l| l.lane == *lane)
    }
}
