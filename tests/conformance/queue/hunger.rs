//! What the queue does not hold and has to be fed from the store.

use std::time::Duration;

use store::{How, Hunger, Hungry, Lane};

use super::{WHILE, is_hungry_for, item, lane, new, news, numbers, retry};
use crate::drivers::{LANE_CAP, LEASE, QueueRig};

/// Items a lane holds, as a number of an event.
const CAP: u8 = LANE_CAP as u8;
const AT_ONCE: How = How::Again { after: Duration::ZERO };

pub async fn a_new_queue_is_hungry_for_everything_until_it_was_fed(rig: &QueueRig) {
    let hungry = only(rig.starving().await);
    assert_eq!(hungry.hunger, Hunger::Everything);
    assert_eq!(rig.starving().await, []);
    rig.keep([new(&lane("a", 1), 1)]).await;
    assert_eq!(rig.starving().await, []);
    rig.end([hungry.settle(How::Done)]).await;
    rig.pass(LEASE * 2).await;
    assert_eq!(rig.starving().await, []);
}

pub async fn everything_is_handed_out_again_if_nobody_settles(rig: &QueueRig) {
    rig.starving().await;
    rig.pass(LEASE / 2).await;
    assert_eq!(rig.starving().await, []);
    rig.pass(LEASE / 2).await;
    let hungry = only(rig.starving().await);
    rig.end([hungry.settle(How::Done)]).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.starving().await, []);
}

/// A large store takes longer to read than a lease lasts; it must not be read for ever.
pub async fn a_feeding_of_everything_that_outlasts_its_lease_counts(rig: &QueueRig) {
    let first = only(rig.starving().await);
    rig.pass(LEASE).await;
    let second = only(rig.starving().await);
    rig.end([first.settle(How::Done)]).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.starving().await, []);
    rig.end([second.settle(AT_ONCE)]).await;
    assert_eq!(rig.starving().await, []);
}

pub async fn everything_that_says_again_is_handed_out_after_its_time(rig: &QueueRig) {
    let hungry = only(rig.starving().await);
    rig.end([hungry.clone().settle(How::Again { after: WHILE * 2 })]).await;
    rig.pass(WHILE).await;
    assert_eq!(rig.starving().await, []);
    rig.pass(WHILE).await;
    let again = only(rig.starving().await);
    rig.end([again.settle(AT_ONCE)]).await;
    assert_eq!(rig.starving().await.len(), 1);
}

pub async fn a_full_lane_refuses(rig: &QueueRig) {
    let (full, other) = (lane("a", 1), lane("a", 2));
    let refused = rig.offer(news(&full, 1..=CAP + 2)).await;
    assert_eq!(refused, [item(&full, CAP + 1), item(&full, CAP + 2)]);
    assert_eq!(rig.look_at(&full).await.queued, LANE_CAP);
    // What it holds is not refused, nor is what another lane has room for.
    rig.keep([new(&full, 1), new(&other, 1)]).await;
}

pub async fn a_lane_that_refused_is_hungry_below_half(rig: &QueueRig) {
    rig.fed().await;
    let lane = overfull(rig).await;
    assert_eq!(rig.starving().await, []);
    finish(rig, CAP / 2).await;
    assert_eq!(rig.starving().await, []);
    finish(rig, 1).await;
    let hungry = only(rig.starving().await);
    assert_eq!(hungry.hunger, Hunger::Lane(lane));
    assert_eq!(rig.starving().await, []);
}

pub async fn a_lane_that_was_fed_is_not_hungry(rig: &QueueRig) {
    let hungry = hungry_lane(rig).await;
    rig.keep([new(&lane("a", 1), CAP + 1)]).await;
    rig.end([hungry.settle(How::Done)]).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.starving().await, []);
    finish(rig, CAP / 2).await;
    assert_eq!(rig.starving().await, []);
}

pub async fn a_lane_that_refused_while_it_was_fed_stays_hungry(rig: &QueueRig) {
    let hungry = hungry_lane(rig).await;
    let lane = lane("a", 1);
    let refused = rig.offer(news(&lane, 100..=100 + CAP)).await;
    assert!(!refused.is_empty());
    rig.end([hungry.settle(How::Done)]).await;
    assert_eq!(rig.starving().await, []);
    finish(rig, CAP / 2 + 1).await;
    assert_eq!(only(rig.starving().await).hunger, Hunger::Lane(lane));
}

pub async fn a_hungry_lane_is_handed_out_again_if_nobody_settles(rig: &QueueRig) {
    let first = hungry_lane(rig).await;
    rig.pass(LEASE / 2).await;
    assert_eq!(rig.starving().await, []);
    rig.pass(LEASE / 2).await;
    let second = only(rig.starving().await);
    assert_eq!(first.hunger, second.hunger);
    assert_ne!(first.token, second.token);
}

pub async fn a_token_of_an_ended_feeding_settles_nothing(rig: &QueueRig) {
    let first = hungry_lane(rig).await;
    rig.pass(LEASE).await;
    let second = only(rig.starving().await);
    // Who fed first may have read the store before something was refused.
    rig.end([first.clone().settle(How::Done), first.settle(AT_ONCE)]).await;
    assert_eq!(rig.starving().await, []);
    rig.end([second.settle(AT_ONCE)]).await;
    assert_eq!(rig.starving().await.len(), 1);
}

pub async fn a_lane_is_hungry_when_what_it_refused_is_due(rig: &QueueRig) {
    rig.fed().await;
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    rig.keep(news(&lane, 1..=CAP)).await;
    assert_eq!(rig.offer([retry(&lane, 99, WHILE * 2)]).await, [item(&lane, 99)]);
    let far = How::Again { after: WHILE * 100 };
    let leased = rig.take().await;
    rig.end(leased.into_iter().map(|leased| leased.settle(far))).await;
    rig.pass(WHILE).await;
    assert_eq!(rig.starving().await, []);
    rig.pass(WHILE).await;
    let hungry = only(rig.starving().await);
    assert_eq!(hungry.hunger, Hunger::Lane(lane.clone()));
    rig.keep([retry(&lane, 99, Duration::ZERO)]).await;
    rig.end([hungry.settle(AT_ONCE)]).await;
    assert_eq!(numbers(&rig.take().await), [99]);
}

pub async fn a_full_lane_keeps_what_is_due_soonest(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep((1..=CAP).map(|n| retry(&lane, n, WHILE * n.into()))).await;
    // Sooner than the last, which gives way without being reported; later than all, which does not.
    rig.keep([new(&lane, 100)]).await;
    assert_eq!(rig.offer([retry(&lane, 101, WHILE * 100)]).await, [item(&lane, 101)]);
    assert_eq!(rig.look_at(&lane).await.queued, LANE_CAP);
    assert_eq!(numbers(&rig.take().await), [100]);
    rig.pass(WHILE * CAP.into()).await;
    let left: Vec<_> = numbers(&rig.take().await).into_iter().filter(|n| *n != 100).collect();
    assert_eq!(left, Vec::from_iter(1..CAP)[..left.len()]);
    assert_eq!(rig.look_at(&lane).await.in_flight, 16);
}

pub async fn what_gave_way_makes_its_lane_hungry_when_it_is_due(rig: &QueueRig) {
    rig.fed().await;
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    rig.keep((1..=CAP).map(|n| retry(&lane, n, WHILE * 2))).await;
    rig.keep([new(&lane, 100)]).await;
    rig.pass(WHILE * 2).await;
    // Nobody can say what gave way but the store.
    let leased = rig.take().await;
    assert_eq!(leased.len(), LANE_CAP);
    let far = How::Again { after: WHILE * 100 };
    rig.end(leased.into_iter().map(|leased| leased.settle(far))).await;
    assert_eq!(only(rig.starving().await).hunger, Hunger::Lane(lane));
}

/// A dead subscriber with more behind it than its lane holds: the store is not read again and
/// again for items that have no room and are not due before those that have.
pub async fn a_full_lane_of_which_more_is_in_the_store_is_not_fed_in_vain(rig: &QueueRig) {
    let hungry = hungry_lane(rig).await;
    let lane = lane("a", 1);
    rig.keep((100..100 + CAP / 2 + 1).map(|n| retry(&lane, n, WHILE * 2))).await;
    rig.end([hungry.settle(AT_ONCE)]).await;
    finish(rig, CAP / 2 - 1).await;
    assert_eq!(rig.starving().await, []);
    rig.pass(WHILE).await;
    assert_eq!(rig.starving().await, []);
    // But it is, once so much was served that there is room.
    rig.pass(WHILE).await;
    finish(rig, 2).await;
    assert_eq!(only(rig.starving().await).hunger, Hunger::Lane(lane));
}

/// A failing subscriber with a backlog: every failure is due later than what waits in the store,
/// but while the lane has work of its own that can wait until there is room.
pub async fn a_full_lane_with_work_is_not_fed_at_every_retry(rig: &QueueRig) {
    rig.fed().await;
    let lane = overfull(rig).await;
    rig.limit(&lane, 1).await;
    let mut feedings = 0;
    for _ in 0..CAP / 2 {
        let leased = rig.take_one().await;
        rig.end([leased.settle(How::Again { after: WHILE * 100 })]).await;
        for hungry in rig.starving().await {
            feedings += 1;
            rig.offer([new(&lane, 100)]).await;
            rig.end([hungry.settle(AT_ONCE)]).await;
        }
    }
    assert!(feedings <= 1, "it was fed {feedings} times");
}

pub async fn leased_items_count_towards_the_cap(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=CAP)).await;
    let leased = rig.take().await;
    assert_eq!(rig.offer([new(&lane, 100)]).await, [item(&lane, 100)]);
    rig.answered(&leased[0]).await;
    assert_eq!(rig.offer([new(&lane, 100)]).await, [item(&lane, 100)]);
    rig.done(leased).await;
    rig.keep([new(&lane, 100)]).await;
}

pub async fn an_item_settled_again_keeps_its_room(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    rig.keep(news(&lane, 1..=CAP)).await;
    let leased = rig.take().await;
    rig.offer([new(&lane, 100)]).await;
    rig.end(leased.into_iter().map(|leased| leased.settle(How::Again { after: WHILE }))).await;
    assert_eq!(rig.look_at(&lane).await.queued, LANE_CAP);
    rig.pass(WHILE).await;
    let mut claimed = numbers(&rig.take().await);
    claimed.sort_unstable();
    assert_eq!(claimed, Vec::from_iter(1..=CAP));
}

pub async fn many_hungry_lanes_are_all_handed_out(rig: &QueueRig) {
    rig.fed().await;
    let lanes: Vec<_> = (1..=40).map(|n| lane("a", n)).collect();
    for lane in &lanes {
        assert_eq!(rig.offer(news(lane, 1..=CAP + 1)).await.len(), 1);
        rig.limit(lane, 100).await;
    }
    let leased = rig.take().await;
    rig.done(leased).await;
    let mut hungry = Vec::new();
    for _ in 0..lanes.len() {
        hungry.extend(rig.starving().await);
    }
    assert_eq!(hungry.len(), lanes.len());
    assert!(lanes.into_iter().all(|lane| is_hungry_for(&hungry, &Hunger::Lane(lane))));
}

/// A lane that holds as much as it can and refused one item.
async fn overfull(rig: &QueueRig) -> Lane {
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    assert_eq!(rig.offer(news(&lane, 1..=CAP + 1)).await, [item(&lane, CAP + 1)]);
    lane
}

/// The feeding of a lane that holds one item less than half of its cap.
async fn hungry_lane(rig: &QueueRig) -> Hungry {
    rig.fed().await;
    overfull(rig).await;
    finish(rig, CAP / 2 + 1).await;
    only(rig.starving().await)
}

/// So many items are claimed and done.
async fn finish(rig: &QueueRig, items: u8) {
    let leased = rig.take_up_to(items.into()).await;
    assert_eq!(leased.len(), usize::from(items));
    rig.done(leased).await;
}

fn only(mut hungry: Vec<Hungry>) -> Hungry {
    assert_eq!(hungry.len(), 1, "one thing is hungry: {hungry:?}");
    hungry.remove(0)
}
