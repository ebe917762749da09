//! Verbs in any order, checked against the simplest books one can keep.

use std::collections::BTreeMap;
use std::time::Duration;

use model::time::Timestamp;
use store::{AtOnce, Claimed, How, Hunger, Item, Lane, Leased, Limits, Push, Token};

use super::{FAILED, SUCCEEDED, WHILE, item, lane, retry, tenant};
use crate::drivers::{LANE_CAP, LEASE, QueueRig};

/// Where time passes by itself there is less of it.
const STEPS: usize = 4_000;
const STEPS_IN_REAL_TIME: usize = 500;
/// Numbers of events a lane can hold without refusing.
const EVENTS: u8 = LANE_CAP as u8;

/// Books of what was asked and told; every item is queued or leased, or it was done.
struct Books {
    queued: BTreeMap<Item, Timestamp>,
    leased: BTreeMap<Item, Held>,
    /// Leases that are over: their tokens settle nothing.
    stale: Vec<Leased>,
    places: BTreeMap<Lane, u32>,
}

struct Held {
    token: Token,
    ends: Timestamp,
    /// Whether it has a place.
    placed: bool,
    /// Whether it waits for one.
    ahead: bool,
    /// When it is due if it was pushed meanwhile.
    pushed: Option<Timestamp>,
}

pub async fn no_order_of_verbs_breaks_the_books(rig: &QueueRig) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (queued, leased, stale) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut books = Books { queued, leased, stale, places: BTreeMap::new() };
    let steps = if rig.is_simulated() { STEPS } else { STEPS_IN_REAL_TIME };
    for step in 0..steps {
        match dice.below(10) {
            0..=3 => push(rig, &mut books, &mut dice).await,
            4..=5 => claim(rig, &mut books, &mut dice).await,
            6..=7 => settle(rig, &mut books, &mut dice).await,
            8 => rig.pass(WHILE / 10 * dice.below(20)).await,
            _ => set(rig, &mut books, &mut dice).await,
        }
        if step % 16 == 0 {
            compare(rig, &mut books).await;
        }
    }
    serve_all(rig, books).await;
}

fn lanes() -> [Lane; 6] {
    [
        lane("a", 1),
        lane("a", 2),
        lane("b", 3),
        lane("c", 4),
        Lane::fan_out(tenant("a")),
        Lane::fan_out(tenant("b")),
    ]
}

async fn push(rig: &QueueRig, books: &mut Books, dice: &mut Dice) {
    let now = look(rig, books).await.now;
    let pushes: Vec<Push> = (0..dice.below(6))
        .map(|_| {
            let lane = &lanes()[dice.below(6) as usize];
            let after = WHILE / 10 * (dice.below(3) * dice.below(20));
            let number = u8::try_from(dice.below(EVENTS.into())).expect("a small number");
            // Where time passes by itself nobody knows when exactly such a lease ends.
            let some = if rig.is_simulated() { dice.below(3) } else { 0 };
            let at_once = [AtOnce::No, AtOnce::Placed, AtOnce::PlacedOrAhead][some as usize];
            Push { retry: dice.below(2) == 0, at_once, ..retry(lane, number, after) }
        })
        .collect();
    for push in &pushes {
        let at = now + push.after;
        if let Some(held) = books.leased.get_mut(&push.item) {
            held.pushed = Some(held.pushed.unwrap_or(at).min(at));
        } else {
            let due = books.queued.entry(push.item.clone()).or_insert(at);
            *due = (*due).min(at);
        }
    }
    let pushed = rig.push(pushes).await.expect("a queue takes items");
    // A lane never has more events than it has room for.
    assert_eq!(pushed.refused, []);
    books.lease(now, pushed.leased);
}

async fn claim(rig: &QueueRig, books: &mut Books, dice: &mut Dice) {
    let skip = if dice.below(3) == 0 { vec![tenant("a")] } else { Vec::new() };
    let Claimed { now, leased, .. } = rig.take_both(dice.below(12) as usize, &skip).await;
    books.end_leases(now);
    assert!(leased.iter().all(|leased| !skip.contains(&leased.item.lane.tenant)));
    books.lease(now, leased);
}

async fn settle(rig: &QueueRig, books: &mut Books, dice: &mut Dice) {
    let now = look(rig, books).await.now;
    if dice.below(4) == 0 && !books.stale.is_empty() {
        let stale = books.stale.swap_remove(dice.below(books.stale.len() as u32) as usize);
        return rig.end([stale.settle(how(dice))]).await;
    }
    if books.leased.is_empty() {
        return;
    }
    let nth = dice.below(books.leased.len() as u32) as usize;
    let (item, held) = books.leased.iter_mut().nth(nth).expect("it is within bounds");
    let leased = Leased { item: item.clone(), token: held.token, ahead: held.ahead };
    if dice.below(4) == 0 {
        return pass_on(rig, books, leased, dice.below(2) == 0).await;
    }
    let how = how(dice);
    match how {
        How::Answered { .. } => (held.placed, held.ahead) = (false, false),
        How::PassedOn { .. } => unreachable!("it is passed on above"),
        How::Done | How::Again { .. } => {
            let pushed = books.leased.remove(&leased.item).and_then(|held| held.pushed);
            books.stale.push(leased.clone());
            let again = if let How::Again { after } = how { Some(now + after) } else { None };
            if let Some(due) = again.into_iter().chain(pushed).min() {
                books.queued.insert(leased.item.clone(), due);
            }
        }
    }
    rig.end([leased.settle(how)]).await;
}

/// To the first item of its lane that waits for a place, if there is one; and perhaps it is done.
async fn pass_on(rig: &QueueRig, books: &mut Books, leased: Leased, done: bool) {
    let next = books.leased.iter().find(|(item, held)| item.lane == leased.item.lane && held.ahead);
    let Some((next, under)) = next.map(|(item, held)| (item.clone(), held.token)) else { return };
    if next == leased.item {
        return;
    }
    let was_placed = books.leased.get_mut(&leased.item).is_some_and(|held| {
        held.ahead = false;
        std::mem::take(&mut held.placed)
    });
    if let (true, Some(held)) = (was_placed, books.leased.get_mut(&next)) {
        (held.placed, held.ahead) = (true, false);
    }
    let mut settlements = vec![leased.clone().settle(How::PassedOn { to: next.event, under })];
    if done {
        let pushed = books.leased.remove(&leased.item).and_then(|held| held.pushed);
        books.stale.push(leased.clone());
        if let Some(due) = pushed {
            books.queued.insert(leased.item.clone(), due);
        }
        settlements.push(leased.settle(How::Done));
    }
    rig.end(settlements).await;
}

fn how(dice: &mut Dice) -> How {
    match dice.below(8) {
        0..=1 => How::Answered { failed: false, hold: None, ahead: dice.below(3) },
        2 => FAILED,
        3 => {
            let hold = Some(WHILE / 10 * dice.below(9));
            How::Answered { failed: true, hold, ahead: dice.below(2) }
        }
        4..=5 => How::Done,
        _ => How::Again { after: WHILE / 10 * dice.below(30) },
    }
}

async fn set(rig: &QueueRig, books: &mut Books, dice: &mut Dice) {
    let lane = lanes()[dice.below(6) as usize].clone();
    let (max_in_flight, paused) = (1 + dice.below(16), dice.below(4) == 0);
    let limits = Limits { max_in_flight, paused, version: 0 };
    rig.set(&[(lane.clone(), limits)]).await.expect("a lane is set");
    books.places.insert(lane, limits.max_in_flight);
}

async fn compare(rig: &QueueRig, books: &mut Books) {
    let look = look(rig, books).await;
    let sum = |f: fn(&store::LaneLook) -> usize| look.lanes.iter().map(f).sum::<usize>();
    let total = look.total;
    let totals = (total.queued, total.leased, total.in_flight);
    assert_eq!(totals, (sum(|l| l.queued), sum(|l| l.leased), sum(|l| l.in_flight)));
    let in_flight = lanes().iter().map(|lane| books.in_flight(lane)).sum::<u32>();
    let fan_out = lanes()[4..].iter().map(|lane| books.in_flight(lane)).sum::<u32>();
    let on_the_wire = (in_flight - fan_out) as usize;
    assert_eq!(totals, (books.queued.len(), books.leased.len(), on_the_wire));
}

async fn look(rig: &QueueRig, books: &mut Books) -> store::Look {
    let look = rig.look_at_all(&lanes()).await;
    books.end_leases(look.now);
    look
}

/// In the end everything that was not done is claimed, each item once.
async fn serve_all(rig: &QueueRig, mut books: Books) {
    rig.pass(LEASE * 20).await;
    for lane in lanes() {
        rig.limit(&lane, 16).await;
    }
    look(rig, &mut books).await;
    loop {
        let leased = rig.take().await;
        if leased.is_empty() {
            break;
        }
        for leased in leased {
            assert!(books.queued.remove(&leased.item).is_some(), "{leased:?} was not queued");
            rig.end([leased.clone().settle(SUCCEEDED), leased.settle(How::Done)]).await;
        }
    }
    assert_eq!(Vec::from_iter(books.queued.keys()), Vec::<&Item>::new());
    let total = rig.totals().await;
    assert_eq!((total.queued, total.leased, total.in_flight), (0, 0, 0));
}

impl Books {
    fn end_leases(&mut self, now: Timestamp) {
        let ended = self.leased.extract_if(.., |_, held| held.ends <= now);
        for (item, held) in ended.collect::<Vec<_>>() {
            self.queued.insert(item.clone(), held.pushed.unwrap_or(now).min(now));
            self.stale.push(Leased { item, token: held.token, ahead: held.ahead });
        }
    }

    fn lease(&mut self, now: Timestamp, leased: Vec<Leased>) {
        for leased in leased {
            let due = self.queued.remove(&leased.item);
            let due = due.unwrap_or_else(|| panic!("{leased:?} was not queued"));
            assert!(due <= now, "{leased:?} is not due");
            let (token, ahead) = (leased.token, leased.ahead);
            let held = Held { token, ends: now + LEASE, placed: !ahead, ahead, pushed: None };
            self.leased.insert(leased.item.clone(), held);
            let lane = leased.item.lane;
            if lane.work != store::Work::FanOut {
                assert!(self.in_flight(&lane) <= self.places(&lane), "{lane:?} has no place");
            }
        }
    }

    fn in_flight(&self, lane: &Lane) -> u32 {
        let held = self.leased.iter().filter(|(item, held)| item.lane == *lane && held.placed);
        u32::try_from(held.count()).expect("a small number")
    }

    fn places(&self, lane: &Lane) -> u32 {
        let set = self.places.get(lane).copied();
        set.unwrap_or(Limits::default().max_in_flight)
    }
}

/// A worker on a queue that holds less than there is: whatever is refused or gives way comes from
/// the store again, in bounded work.
pub async fn a_queue_that_refuses_loses_nothing(rig: &QueueRig) {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut work = Work { unfinished: BTreeMap::new(), fed: 0 };
    let mut number = 0;
    for _ in 0..600 {
        let now = rig.look_at_all(&[]).await.now;
        if number < 120 {
            let (lane, after) = (&lanes()[dice.below(4) as usize], WHILE / 4 * dice.below(9));
            work.unfinished.insert(item(lane, number), now + after);
            rig.offer([retry(lane, number, after)]).await;
            number += 1;
        }
        work.round(rig, &mut dice).await;
        rig.pass(WHILE / 8).await;
    }
    let most: u128 = 2 * 600 * (WHILE / 8).as_micros() / LEASE.as_micros() + 200;
    assert!(work.fed < most, "it was fed {} times", work.fed);
    for _ in 0..1_000 {
        if work.unfinished.is_empty() {
            return;
        }
        work.round(rig, &mut Dice(u64::MAX)).await;
        rig.pass(WHILE).await;
    }
    panic!("nobody serves {:?}", work.unfinished);
}

/// What the store knows.
struct Work {
    unfinished: BTreeMap<Item, Timestamp>,
    fed: u128,
}

impl Work {
    /// Claims, fails some, feeds what is hungry.
    async fn round(&mut self, rig: &QueueRig, dice: &mut Dice) {
        let Claimed { now, leased, hungry, .. } = rig.take_both(7, &[]).await;
        for leased in leased {
            rig.end([leased.clone().settle(SUCCEEDED)]).await;
            if dice.below(3) == 0 {
                let after = WHILE / 4 * dice.below(40);
                self.unfinished.insert(leased.item.clone(), now + after);
                rig.end([leased.settle(How::Again { after })]).await;
            } else {
                self.unfinished.remove(&leased.item);
                rig.end([leased.settle(How::Done)]).await;
            }
        }
        for hungry in hungry {
            self.fed += 1;
            let all = match &hungry.hunger {
                Hunger::Everything => {
                    for lane in lanes() {
                        self.feed(rig, &lane, now).await;
                    }
                    true
                }
                Hunger::Lane(lane) => self.feed(rig, lane, now).await,
            };
            let how = if all { How::Done } else { How::Again { after: Duration::ZERO } };
            rig.end([hungry.settle(how)]).await;
        }
    }

    /// As a worker does it: the next by their due time, one more than the lane could hold.
    async fn feed(&self, rig: &QueueRig, lane: &Lane, now: Timestamp) -> bool {
        let mut waiting: Vec<_> =
            self.unfinished.iter().filter(|(item, _)| item.lane == *lane).collect();
        waiting.sort_by_key(|(_, due)| **due);
        waiting.truncate(LANE_CAP + 1);
        let all = waiting.len() <= LANE_CAP;
        let number = |item: &Item| item.event.0.0[15];
        let pushes =
            waiting.into_iter().map(|(item, due)| retry(lane, number(item), due.since(now)));
        all & rig.offer(pushes.collect::<Vec<_>>()).await.is_empty()
    }
}

/// A xorshift generator: the same throws at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).expect("31 bits are left") % bound
    }
}
