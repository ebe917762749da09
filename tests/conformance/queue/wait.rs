//! Waiting: never too long, and not in vain.

use std::sync::Arc;
use std::time::Duration;

use store::{How, Queue, Token};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{FAILED, SUCCEEDED, WHILE, lane, new, news, retry, with_token};
use crate::drivers::{LANE_CAP, LEASE, QueueRig};

/// By when a wait that should end has ended.
const ENOUGH: Duration = Duration::from_secs(5);
/// How long a wait that should not end is watched.
const MOMENT: Duration = Duration::from_millis(25);
/// Waits that may end early in a row: they may, but a worker must not spin.
const EARLY_MAX: usize = 4;

pub async fn a_push_between_claim_and_wait_is_not_missed(rig: &QueueRig) {
    quiet(rig).await;
    rig.take().await;
    rig.keep([new(&lane("a", 1), 1)]).await;
    ends(rig).await;
}

pub async fn a_push_ends_a_wait(rig: &QueueRig) {
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.keep([new(&lane("a", 1), 1)]).await;
    ended(waiting).await;
}

pub async fn a_due_time_ends_a_wait(rig: &QueueRig) {
    rig.keep([retry(&lane("a", 1), 1, WHILE)]).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.pass(WHILE).await;
    ended(waiting).await;
    rig.take_one().await;
}

pub async fn the_end_of_a_lease_ends_a_wait(rig: &QueueRig) {
    rig.keep(news(&lane("a", 1), 1..=2)).await;
    let mut leased = rig.take().await;
    rig.done([leased.remove(0)]).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.pass(LEASE).await;
    ended(waiting).await;
    rig.take_one().await;
}

pub async fn the_end_of_a_hold_ends_a_wait(rig: &QueueRig) {
    rig.keep(news(&lane("a", 1), 1..=1)).await;
    let leased = rig.take_one().await;
    let quiet_please = How::Answered { failed: true, hold: Some(WHILE), ahead: 0 };
    rig.end([leased.clone().settle(quiet_please), leased.settle(How::Done)]).await;
    rig.keep([new(&lane("a", 1), 2)]).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.pass(WHILE).await;
    ended(waiting).await;
    rig.take_one().await;
}

pub async fn a_freed_place_ends_a_wait(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=3)).await;
    let first = rig.take_one().await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.answered(&first).await;
    ended(waiting).await;
    let second = rig.take_one().await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.done([second]).await;
    ended(waiting).await;
}

pub async fn an_item_settled_again_ends_a_wait(rig: &QueueRig) {
    rig.keep([new(&lane("a", 1), 1)]).await;
    let leased = rig.take_one().await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.end([leased.settle(How::Again { after: Duration::ZERO })]).await;
    ended(waiting).await;
    let leased = rig.take_one().await;
    rig.end([leased.settle(How::Again { after: WHILE })]).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.pass(WHILE).await;
    ended(waiting).await;
}

pub async fn a_resumed_lane_ends_a_wait(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.pause(&lane).await;
    rig.keep([new(&lane, 1)]).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.limit(&lane, 16).await;
    ended(waiting).await;
}

pub async fn hunger_ends_a_wait(rig: &QueueRig) {
    // New, it is hungry at once; leased out, when nobody settles.
    ends(rig).await;
    rig.starving().await;
    let waiting = begin(rig).await;
    rig.pass(LEASE).await;
    ended(waiting).await;
    quiet(rig).await;
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    rig.offer(news(&lane, 1..=LANE_CAP as u8 + 1)).await;
    let mut leased = rig.take().await;
    let last = leased.split_off(LANE_CAP / 2);
    rig.done(leased).await;
    quiet(rig).await;
    let waiting = begin(rig).await;
    rig.done(last).await;
    ended(waiting).await;
    assert_eq!(rig.starving().await.len(), 1);
}

/// What a look finds due is still to be claimed by somebody.
pub async fn a_look_takes_no_wake_up_away(rig: &QueueRig) {
    rig.keep([retry(&lane("a", 1), 1, WHILE), new(&lane("b", 1), 1)]).await;
    rig.take_one().await;
    quiet(rig).await;
    rig.pass(WHILE).await;
    rig.totals().await;
    ends(rig).await;
    rig.take_one().await;
    quiet(rig).await;
    rig.pass(LEASE).await;
    rig.totals().await;
    ends(rig).await;
}

pub async fn a_stale_settlement_takes_no_wake_up_away(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let leased = rig.take_one().await;
    rig.keep([retry(&lane, 2, WHILE)]).await;
    quiet(rig).await;
    rig.pass(WHILE).await;
    rig.end([with_token(&leased, Token(0), How::Done)]).await;
    ends(rig).await;
    rig.take_one().await;
}

pub async fn nobody_is_woken_while_nothing_is_due(rig: &QueueRig) {
    quiet(rig).await;
    let (a, b) = (lane("a", 1), lane("b", 1));
    rig.keep([retry(&a, 1, WHILE * 100), new(&a, 2), new(&b, 3)]).await;
    for leased in rig.take().await {
        rig.end([leased.settle(How::Again { after: WHILE * 100 })]).await;
    }
    quiet(rig).await;
}

pub async fn nobody_is_woken_while_lanes_cannot_be_served(rig: &QueueRig) {
    let (paused, stuck, held) = (lane("a", 1), lane("a", 2), lane("a", 3));
    rig.limit(&stuck, 1).await;
    rig.keep(news(&stuck, 1..=2)).await;
    rig.keep([new(&held, 3)]).await;
    for leased in rig.take().await {
        if leased.item.lane == held {
            let quiet_please = How::Answered { failed: true, hold: Some(WHILE * 100), ahead: 0 };
            rig.end([leased.clone().settle(quiet_please), leased.settle(How::Done)]).await;
        } else {
            // Its lease is long over when the test is: it must not end meanwhile.
            rig.end([leased.settle(SUCCEEDED)]).await;
        }
    }
    let second = rig.take_one().await;
    rig.keep([new(&held, 4), new(&stuck, 5)]).await;
    rig.pause(&paused).await;
    rig.keep([new(&paused, 6), retry(&paused, 7, WHILE)]).await;
    quiet(rig).await;
    rig.pass(WHILE).await;
    quiet(rig).await;
    rig.end([second.settle(FAILED)]).await;
    rig.take_one().await;
    quiet(rig).await;
}

pub async fn nobody_is_woken_by_a_hunger_that_must_wait(rig: &QueueRig) {
    quiet(rig).await;
    let (waiting, working) = (lane("a", 1), lane("a", 2));
    let cap = LANE_CAP as u8;
    // One lane is full and refused what is due before its last; one is full of what goes on.
    rig.keep((1..=cap).map(|n| retry(&waiting, n, WHILE * 50))).await;
    assert_eq!(rig.offer([retry(&waiting, 100, WHILE * 60)]).await.len(), 1);
    rig.limit(&working, 1).await;
    rig.offer(news(&working, 1..=cap + 1)).await;
    let leased = rig.take_one().await;
    rig.end([leased.settle(How::Again { after: WHILE * 50 })]).await;
    rig.take_one().await;
    quiet(rig).await;
}

/// Feeds it and claims until there is nothing, as a worker does, and sees it come to rest.
async fn quiet(rig: &QueueRig) {
    for _ in 0..=EARLY_MAX {
        let claimed = rig.take_both(100, &[]).await;
        assert_eq!(claimed.leased, []);
        rig.end(claimed.hungry.into_iter().map(|hungry| hungry.settle(How::Done))).await;
        if timeout(MOMENT, rig.wait()).await.is_err() {
            return;
        }
    }
    panic!("a worker would spin");
}

async fn ends(rig: &QueueRig) {
    timeout(ENOUGH, rig.wait()).await.expect("the wait ends");
}

/// A wait that has begun.
async fn begin(rig: &QueueRig) -> JoinHandle<()> {
    let queue: Arc<dyn Queue> = rig.shared();
    let waiting = tokio::spawn(async move { queue.wait().await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    waiting
}

async fn ended(waiting: JoinHandle<()>) {
    timeout(ENOUGH, waiting).await.expect("the wait ends").expect("no panic");
}
