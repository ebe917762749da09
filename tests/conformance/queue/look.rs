//! What the queue says about itself.

use std::time::Duration;

use store::{How, Lane, LaneLook, Totals, WaitingFor};

use super::{FAILED, WHILE, item, lane, new, news, retry, tenant};
use crate::drivers::{LEASE, QueueRig};

pub async fn an_empty_queue_has_nothing(rig: &QueueRig) {
    let look = rig.look_at_all(&[lane("a", 1)]).await;
    assert_eq!(look.total, Totals::default());
    assert_eq!(look.lanes, [LaneLook::default()]);
    assert!(look.now >= rig.take_both(0, &[]).await.now - Duration::from_secs(1));
}

pub async fn an_item_is_counted_where_it_is(rig: &QueueRig) {
    let (a, b) = (lane("a", 1), lane("b", 1));
    rig.keep([new(&a, 1), retry(&a, 2, WHILE), new(&b, 3)]).await;
    counts_are(rig, [(2, 0, 0), (1, 0, 0)]).await;
    let mut leased = rig.take().await;
    leased.sort_by_key(|leased| leased.item.clone());
    counts_are(rig, [(1, 1, 1), (0, 1, 1)]).await;
    rig.answered(&leased[0]).await;
    counts_are(rig, [(1, 1, 0), (0, 1, 1)]).await;
    let [of_a, of_b] = leased.try_into().expect("two were claimed");
    rig.end([of_a.settle(How::Again { after: WHILE })]).await;
    counts_are(rig, [(2, 0, 0), (0, 1, 1)]).await;
    rig.done([of_b]).await;
    counts_are(rig, [(2, 0, 0), (0, 0, 0)]).await;
    rig.pass(WHILE).await;
    rig.take().await;
    counts_are(rig, [(0, 2, 2), (0, 0, 0)]).await;
    rig.pass(LEASE).await;
    counts_are(rig, [(2, 0, 0), (0, 0, 0)]).await;
}

/// Queued, leased and in flight, of lanes `a` and `b` and in all.
async fn counts_are(rig: &QueueRig, expected: [(usize, usize, usize); 2]) {
    let look = rig.look_at_all(&[lane("a", 1), lane("b", 1)]).await;
    let counts: Vec<_> = look.lanes.iter().map(|l| (l.queued, l.leased, l.in_flight)).collect();
    assert_eq!(counts, expected);
    let [a, b] = expected;
    let total = (look.total.queued, look.total.leased, look.total.in_flight);
    assert_eq!(total, (a.0 + b.0, a.1 + b.1, a.2 + b.2));
}

pub async fn lanes_are_looked_at_in_the_order_asked(rig: &QueueRig) {
    let lanes = [lane("b", 1), lane("unknown", 1), lane("a", 1), lane("b", 1)];
    rig.keep(news(&lanes[0], 1..=2).into_iter().chain(news(&lanes[2], 1..=3))).await;
    let look = rig.look_at_all(&lanes).await;
    let queued: Vec<_> = look.lanes.iter().map(|lane| lane.queued).collect();
    assert_eq!(queued, [2, 0, 3, 2]);
}

pub async fn a_lane_says_when_it_is_next_served(rig: &QueueRig) {
    let lane = lane("a", 1);
    let pushed_at = rig.look_at_all(&[]).await.now;
    rig.keep([retry(&lane, 1, WHILE * 2), retry(&lane, 2, WHILE * 3)]).await;
    let look = rig.look_at(&lane).await;
    let due = look.next_moment.expect("it will be served");
    assert!(due >= pushed_at + WHILE * 2 && due < pushed_at + WHILE * 3);
    assert_eq!(look.oldest_due, Some(due));
    rig.pass(WHILE * 2).await;
    let look = rig.look_at_all(std::slice::from_ref(&lane)).await;
    assert_eq!(look.lanes[0].oldest_due, Some(due));
    assert_eq!(look.lanes[0].next_moment, Some(look.now));
    rig.pause(&lane).await;
    assert_eq!(rig.look_at(&lane).await.next_moment, None);
}

pub async fn a_lane_says_why_it_waits(rig: &QueueRig) {
    let lane = lane("a", 1);
    let reason = async || rig.look_at(&lane).await.waiting_for;
    rig.keep([retry(&lane, 1, WHILE)]).await;
    assert_eq!(reason().await, Some(WaitingFor::Backoff));
    rig.pass(WHILE).await;
    assert_eq!(reason().await, None);
    let first = rig.take_one().await;
    assert_eq!(reason().await, None);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 2..=3)).await;
    assert_eq!(reason().await, Some(WaitingFor::Concurrency));
    rig.pause(&lane).await;
    assert_eq!(reason().await, Some(WaitingFor::Paused));
    rig.limit(&lane, 1).await;
    let quiet = How::Answered { failed: true, hold: Some(WHILE), ahead: 0 };
    rig.end([first.clone().settle(quiet), first.settle(How::Done)]).await;
    assert_eq!(reason().await, Some(WaitingFor::Backoff));
    rig.pass(WHILE).await;
    assert_eq!(reason().await, None);
}

pub async fn the_oldest_is_what_could_be_served_longest(rig: &QueueRig) {
    let (paused, first, second) = (lane("a", 1), lane("a", 2), lane("b", 1));
    rig.keep([new(&paused, 1)]).await;
    rig.pause(&paused).await;
    rig.keep([retry(&first, 1, WHILE * 2)]).await;
    assert_eq!(rig.totals().await.oldest_due, None);
    rig.pass(WHILE).await;
    rig.keep([new(&second, 1)]).await;
    rig.pass(WHILE * 2).await;
    let oldest = rig.totals().await.oldest_due;
    assert_eq!(oldest, rig.look_at(&second).await.oldest_due);
    let leased = rig.take_up_to(2).await;
    assert_eq!(leased.len(), 2);
    assert_eq!(rig.totals().await.oldest_due, None);
}

pub async fn fanning_out_is_not_on_the_wire(rig: &QueueRig) {
    let lane = Lane::fan_out(tenant("a"));
    rig.keep(news(&lane, 1..=2)).await;
    let leased = rig.take().await;
    let (look, totals) = (rig.look_at(&lane).await, rig.totals().await);
    assert_eq!((look.leased, look.in_flight), (2, 0));
    assert_eq!((totals.leased, totals.in_flight), (2, 0));
    rig.done(leased).await;
    assert_eq!(rig.totals().await, Totals::default());
}

pub async fn leases_that_nobody_settled_are_counted(rig: &QueueRig) {
    let (a, b) = (lane("a", 1), lane("b", 1));
    rig.keep(news(&a, 1..=3).into_iter().chain([new(&b, 1)])).await;
    let mut leased = rig.take().await;
    rig.done(leased.pop()).await;
    assert_eq!(rig.look_at_all(&[]).await.expired, 0);
    rig.pass(LEASE).await;
    assert_eq!(rig.look_at_all(&[]).await.expired, 3);
    let leased = rig.take().await;
    rig.done(leased).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.look_at_all(&[a, b]).await.expired, 3);
}

pub async fn idle_lanes_are_forgotten(rig: &QueueRig) {
    for n in 1..=20 {
        let lane = lane("a", n);
        rig.keep([new(&lane, 1)]).await;
        rig.limit(&lane, 16).await;
    }
    rig.limit(&lane("b", 1), 16).await;
    let fan_out = Lane::fan_out(tenant("a"));
    rig.keep([new(&fan_out, 1)]).await;
    assert_eq!(rig.totals().await.lanes, 21);
    let leased = rig.take().await;
    rig.done(leased).await;
    assert_eq!(rig.totals().await, Totals::default());
    // What it could not know again is kept: that it is paused, or failing.
    rig.pause(&lane("a", 1)).await;
    rig.keep([new(&lane("a", 2), 1)]).await;
    let leased = rig.take_one().await;
    assert_eq!(leased.item, item(&lane("a", 2), 1));
    rig.end([leased.clone().settle(FAILED), leased.settle(How::Done)]).await;
    assert_eq!(rig.totals().await.lanes, 2);
}
