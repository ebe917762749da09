//! One lane: what waits in it, what is leased, and whether it can be served.

use std::collections::{BTreeSet, HashMap, VecDeque};

use std::time::Duration;

use model::id::EventUid;
use model::time::Timestamp;

use crate::queue::*;

/// Between two feedings of a lane that is not below half: each reads as much as a lane holds.
const FEED_PAUSE: Duration = Duration::from_secs(1);

/// Where a lane stands in the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// Nothing to serve, or something else must happen first.
    Nowhere,
    /// In its tenant's ring.
    Ring,
    /// In the timers, until that moment.
    Timer(Timestamp),
}

/// What became of an item that was pushed.
#[derive(Default)]
pub(super) enum Put {
    /// It waits, or was known already.
    Queued,
    Leased {
        ahead: bool,
    },
    #[default]
    Refused,
}

#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) lane: Lane,
    pub(super) position: Position,
    limits: Limits,
    held_until: Timestamp,
    failures: u32,
    in_flight: u32,
    /// Leased ahead: they wait for a place.
    waiting: u32,
    /// Items that may be leased ahead for each place.
    ahead: u32,
    /// How many more the claim under way may lease ahead.
    ahead_left: u32,
    /// Never tried, in the order they came: due since, seq, event.
    fresh: VecDeque<(Timestamp, i64, EventUid)>,
    /// Tried before, or not due when they came, by (due, seq).
    timed: BTreeSet<(Timestamp, i64, EventUid)>,
    members: HashMap<EventUid, Member>,
    /// When those are due that were pushed while they were leased: what the push is about may have
    /// happened after the worker looked.
    pushed_while_leased: HashMap<EventUid, Timestamp>,
    leased: usize,
    /// New items and retries take turns; this says whose turn it is.
    retry_next: bool,
    pub(super) hunger: Option<LaneHunger>,
    /// When its hunger was last leased out.
    pub(super) fed_at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Member {
    Fresh,
    Timed(Timestamp, i64),
    /// Leased ahead: waits for a place. Whether it was never tried.
    Ahead(Token, i64, bool),
    /// On the wire: holds a place.
    Sent(Token, i64),
    /// Answered, not yet recorded.
    Answered(Token, i64),
}

/// The lane refused or dropped items, which only the store knows now.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneHunger {
    /// When the first of them is due.
    pub(super) missing_due: Timestamp,
    /// Who is feeding it, and until when nobody else shall.
    pub(super) lease: Option<(Token, Timestamp)>,
    /// Something was refused after it was leased out.
    pub(super) again: bool,
    /// When the last item pushed since then is due. Feeding goes by due time, so what is left in
    /// the store is due no sooner.
    pub(super) fed_until: Timestamp,
}

impl LaneState {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            position: Position::Nowhere,
            limits: Limits::default(),
            held_until: Timestamp::default(),
            failures: 0,
            in_flight: 0,
            waiting: 0,
            ahead: 0,
            ahead_left: 0,
            fresh: VecDeque::new(),
            timed: BTreeSet::new(),
            members: HashMap::new(),
            pushed_while_leased: HashMap::new(),
            leased: 0,
            retry_next: false,
            hunger: None,
            fed_at: Timestamp::default(),
        }
    }

    /// Adds an item, brings it forward, or leases it at once under that token.
    pub(super) fn push(&mut self, now: Timestamp, push: &Push, token: Token, cap: usize) -> Put {
        let due = now + push.after;
        let event = push.item.event;
        if let Some(hunger) = &mut self.hunger {
            hunger.fed_until = hunger.fed_until.max(due);
        }
        match self.members.get(&event).copied() {
            Some(Member::Timed(was_due, seq)) if due < was_due => {
                self.timed.remove(&(was_due, seq, event));
                self.insert_timed(due, seq, event);
                Put::Queued
            }
            Some(Member::Ahead(..) | Member::Sent(..) | Member::Answered(..)) => {
                let at = self.pushed_while_leased.entry(event).or_insert(due);
                *at = due.min(*at);
                Put::Queued
            }
            Some(Member::Fresh | Member::Timed(..)) => Put::Queued,
            None if self.members.len() >= cap && !self.make_room(due) => {
                self.starve(due);
                Put::Refused
            }
            None if push.retry || !push.after.is_zero() => {
                self.insert_timed(due, push.seq, event);
                Put::Queued
            }
            None => match self.may_lease_at_once(now, push.at_once) {
                Some(ahead) => {
                    self.lease(event, push.seq, token, ahead, true);
                    Put::Leased { ahead }
                }
                None => {
                    self.fresh.push_back((due, push.seq, event));
                    self.members.insert(event, Member::Fresh);
                    Put::Queued
                }
            },
        }
    }

    /// Whether a new item that is pushed may be leased at once, and if so whether it is ahead.
    fn may_lease_at_once(&self, now: Timestamp, asked: AtOnce) -> Option<bool> {
        let is_first =
            self.fresh.is_empty() && self.timed.first().is_none_or(|(due, ..)| *due > now);
        if self.limits.paused || self.held_until > now || !is_first {
            return None;
        }
        let ahead = self.in_flight >= self.places();
        let room_ahead = self.waiting < self.in_flight * self.ahead;
        match asked {
            AtOnce::No => None,
            AtOnce::Placed => (!ahead).then_some(ahead),
            AtOnce::PlacedOrAhead => (!ahead || room_ahead).then_some(ahead),
        }
    }

    fn lease(&mut self, event: EventUid, seq: i64, token: Token, ahead: bool, is_new: bool) {
        self.leased += 1;
        if ahead {
            self.members.insert(event, Member::Ahead(token, seq, is_new));
            self.waiting += 1;
        } else {
            self.members.insert(event, Member::Sent(token, seq));
            self.in_flight += 1;
        }
    }

    /// Drops the item that is due last if that is later than `due`.
    fn make_room(&mut self, due: Timestamp) -> bool {
        match self.timed.last().copied() {
            Some((dropped_due, seq, event)) if dropped_due > due => {
                self.timed.remove(&(dropped_due, seq, event));
                self.members.remove(&event);
                self.starve(dropped_due);
                true
            }
            Some(_) | None => false,
        }
    }

    fn starve(&mut self, due: Timestamp) {
        match &mut self.hunger {
            Some(hunger) => {
                hunger.missing_due = hunger.missing_due.min(due);
                hunger.again = true;
            }
            none => {
                let (missing_due, fed_until) = (due, Timestamp::default());
                *none = Some(LaneHunger { missing_due, lease: None, again: false, fed_until });
            }
        }
    }

    fn insert_timed(&mut self, due: Timestamp, seq: i64, event: EventUid) {
        self.timed.insert((due, seq, event));
        self.members.insert(event, Member::Timed(due, seq));
    }

    /// Takes the item whose turn it is, and says whether it is ahead. Only to be called of a lane in
    /// the ring.
    pub(super) fn take(&mut self, now: Timestamp, token: Token) -> Option<(EventUid, bool)> {
        let retry_is_due = self.timed.first().is_some_and(|(due, ..)| *due <= now);
        let take_retry = retry_is_due && (self.retry_next || self.fresh.is_empty());
        self.retry_next = !take_retry;
        let (_, seq, event) =
            if take_retry { self.timed.pop_first()? } else { self.fresh.pop_front()? };
        let ahead = self.in_flight >= self.places();
        self.lease(event, seq, token, ahead, !take_retry);
        if ahead {
            self.ahead_left = self.ahead_left.saturating_sub(1);
        } else {
            self.ahead_left += self.ahead;
        }
        Some((event, ahead))
    }

    /// Whether the claim under way may lease ahead of it.
    pub(super) fn may_lease_ahead(&self) -> bool {
        self.ahead_left > 0
    }

    /// The claim is over.
    pub(super) fn claimed(&mut self) {
        self.ahead_left = 0;
    }

    /// Frees the place on the wire, if it has one yet. None if the token is not the current one or it
    /// was answered before, else whether it had one.
    pub(super) fn answered(&mut self, event: EventUid, token: Token, failed: bool) -> Option<bool> {
        let member = self.members.get_mut(&event)?;
        let (seq, had_place) = match *member {
            Member::Sent(current, seq) if current == token => (seq, true),
            Member::Ahead(current, seq, _) if current == token => (seq, false),
            _ => return None,
        };
        *member = Member::Answered(token, seq);
        self.in_flight -= u32::from(had_place);
        self.waiting -= u32::from(!had_place);
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        Some(had_place)
    }

    /// Gives the place that is free to an item that was leased ahead.
    pub(super) fn pass_on(&mut self, to: EventUid, under: Token) {
        let Some(member) = self.members.get_mut(&to) else { return };
        match *member {
            Member::Ahead(current, seq, _) if current == under => {
                *member = Member::Sent(under, seq);
                self.in_flight += 1;
                self.waiting -= 1;
            }
            _ => {}
        }
    }

    /// How many items may be leased ahead for each place from now on.
    pub(super) fn set_ahead(&mut self, ahead: u32) {
        self.ahead = ahead.min(AHEAD_MAX);
    }

    pub(super) fn hold(&mut self, until: Timestamp) {
        self.held_until = self.held_until.max(until);
    }

    /// Ends the lease: the item is gone, or due again. A new one that waited for a place stands before
    /// the others then. False if the token is not the current one.
    pub(super) fn release(
        &mut self,
        now: Timestamp,
        event: EventUid,
        token: Token,
        again: Option<Timestamp>,
        cap: usize,
    ) -> bool {
        let (seq, is_new) = match self.members.get(&event) {
            Some(Member::Sent(current, seq)) if *current == token => {
                self.in_flight -= 1;
                (*seq, false)
            }
            Some(Member::Ahead(current, seq, is_new)) if *current == token => {
                self.waiting -= 1;
                (*seq, *is_new)
            }
            Some(Member::Answered(current, seq)) if *current == token => (*seq, false),
            Some(_) | None => return false,
        };
        self.leased -= 1;
        self.members.remove(&event);
        let pushed = self.pushed_while_leased.remove(&event);
        if let Some(due) = again.into_iter().chain(pushed).min() {
            if self.members.len() >= cap && !self.make_room(due) {
                self.starve(due);
            } else if is_new && due <= now {
                let later = self.fresh.iter().position(|(_, other, _)| *other > seq);
                self.fresh.insert(later.unwrap_or(self.fresh.len()), (due, seq, event));
                self.members.insert(event, Member::Fresh);
            } else {
                self.insert_timed(due, seq, event);
            }
        }
        true
    }

    pub(super) fn is_leased(&self, event: EventUid, token: Token) -> bool {
        match self.members.get(&event) {
            Some(
                Member::Ahead(current, ..)
                | Member::Sent(current, _)
                | Member::Answered(current, _),
            ) => *current == token,
            Some(Member::Fresh | Member::Timed(..)) | None => false,
        }
    }

    pub(super) fn set(&mut self, limits: Limits) {
        if limits.version < self.limits.version {
            return;
        }
        if (limits.max_in_flight, limits.paused) != (self.limits.max_in_flight, self.limits.paused)
        {
            self.held_until = Timestamp::default();
        }
        self.limits = limits;
    }

    /// Whether it can be served now, will be at a moment, or neither.
    pub(super) fn wanted_position(&self, now: Timestamp) -> Position {
        let has_room = self.in_flight < self.places() || self.ahead_left > 0;
        if self.limits.paused || !has_room {
            return Position::Nowhere;
        }
        let next_due = match self.timed.first() {
            _ if !self.fresh.is_empty() => now,
            Some((due, ..)) => *due,
            None => return Position::Nowhere,
        };
        let moment = next_due.max(self.held_until);
        if moment <= now { Position::Ring } else { Position::Timer(moment) }
    }

    /// Requests it may have on the wire: one after failures in a row, until one succeeds. Fanning
    /// out is not on the wire.
    fn places(&self) -> u32 {
        match self.lane.work {
            Work::FanOut => u32::MAX,
            Work::Deliver(_) if self.failures >= FAILURES_TO_ONE_PLACE => 1,
            Work::Deliver(_) => self.limits.max_in_flight,
        }
    }

    /// When it is to be fed: below half of its cap at once; else when something it dropped is due
    /// while it holds something that is not.
    pub(super) fn feed_at(&self, cap: usize) -> Option<Timestamp> {
        let hunger = self.hunger?;
        let free_again = hunger.lease.map_or(Timestamp::default(), |(_, until)| until);
        if self.members.len() * 2 < cap {
            return Some(free_again);
        }
        let (last_due, ..) = *self.timed.last()?;
        let not_at_once = self.fed_at + FEED_PAUSE;
        (last_due > hunger.missing_due).then(|| hunger.missing_due.max(free_again).max(not_at_once))
    }

    /// Ends the lease of its hunger, which stays if there is more in the store or something was
    /// refused meanwhile.
    pub(super) fn fed(&mut self, now: Timestamp, token: Token, how: How) {
        let Some(hunger) = &mut self.hunger else { return };
        if hunger.lease.map(|(t, _)| t) != Some(token) {
            return;
        }
        match how {
            How::Answered { .. } | How::PassedOn { .. } => return,
            How::Done if !hunger.again => {
                self.hunger = None;
                return;
            }
            How::Done => hunger.lease = None,
            How::Again { after } => {
                hunger.lease = (!after.is_zero()).then_some((Token(0), now + after));
            }
        }
        if hunger.missing_due == Timestamp::MAX {
            // There is more in the store than was pushed, and nothing was refused.
            hunger.missing_due = hunger.fed_until;
        }
    }

    /// Whether forgetting it would lose nothing but what is the default anyway.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.members.is_empty()
            && self.hunger.is_none()
            && self.failures == 0
            && self.held_until <= now
            && (self.limits == Limits::default() || self.limits == Limits::RELEASED)
    }

    pub(super) fn queued(&self) -> usize {
        self.members.len() - self.leased
    }

    pub(super) fn leased(&self) -> usize {
        self.leased
    }

    pub(super) fn look(&self, now: Timestamp) -> LaneLook {
        let position = self.wanted_position(now);
        let waiting_for = if self.queued() == 0 {
            None
        } else if self.limits.paused {
            Some(WaitingFor::Paused)
        } else if self.in_flight >= self.places() {
            Some(WaitingFor::Concurrency)
        } else {
            matches!(position, Position::Timer(_)).then_some(WaitingFor::Backoff)
        };
        LaneLook {
            queued: self.queued(),
            leased: self.leased,
            in_flight: self.on_the_wire(),
            oldest_due: self.oldest_due(),
            next_moment: match position {
                Position::Ring => Some(now),
                Position::Timer(moment) => Some(moment),
                Position::Nowhere => None,
            },
            waiting_for,
        }
    }

    /// Requests on the wire: none while fanning out.
    pub(super) fn on_the_wire(&self) -> usize {
        if self.lane.work == Work::FanOut { 0 } else { self.in_flight as usize }
    }

    pub(super) fn oldest_due(&self) -> Option<Timestamp> {
        let fresh = self.fresh.front().map(|(due, ..)| *due);
        let timed = self.timed.first().map(|(due, ..)| *due);
        fresh.into_iter().chain(timed).min()
    }
}
