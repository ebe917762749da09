//! How many requests of a lane are on the wire, and when there shall be none.

use std::time::Duration;

use store::{How, Lane, Leased, Limits, WaitingFor};

use super::{FAILED, SUCCEEDED, WHILE, lane, new, news, numbers, retry, tenant};
use crate::drivers::{LEASE, QueueRig};

pub async fn a_lane_has_as_many_requests_on_the_wire_as_it_has_places(rig: &QueueRig) {
    let (narrow, wide) = (lane("a", 1), lane("a", 2));
    rig.limit(&narrow, 2).await;
    rig.keep(news(&narrow, 1..=5).into_iter().chain(news(&wide, 1..=5))).await;
    rig.take().await;
    assert_eq!(rig.look_at(&narrow).await.in_flight, 2);
    assert_eq!(rig.look_at(&wide).await.in_flight, 5);
    rig.limit(&narrow, 4).await;
    assert_eq!(rig.take().await.len(), 2);
}

pub async fn a_lane_that_nobody_set_has_the_default_places(rig: &QueueRig) {
    rig.keep(news(&lane("a", 1), 1..=20)).await;
    assert_eq!(rig.take().await.len(), 16);
    assert_eq!(Limits::default().max_in_flight, 16);
}

pub async fn an_answer_frees_a_place(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=3)).await;
    let first = rig.take_one().await;
    rig.answered(&first).await;
    let second = rig.take_one().await;
    assert_ne!(first.item, second.item);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 2, 1));
    // The place was free before: the end of the lease frees no other one.
    rig.done([first]).await;
    assert_eq!(rig.take().await, []);
}

pub async fn the_end_of_a_lease_frees_a_place(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=2)).await;
    rig.take_one().await;
    rig.pass(LEASE).await;
    rig.take_one().await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 1);
}

pub async fn done_and_again_without_an_answer_free_a_place(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=3)).await;
    let first = rig.take_one().await;
    rig.done([first]).await;
    let second = rig.take_one().await;
    rig.end([second.settle(How::Again { after: WHILE })]).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn an_answer_given_twice_frees_one_place(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 2).await;
    rig.keep(news(&lane, 1..=5)).await;
    let leased = rig.take().await;
    rig.answered(&leased[0]).await;
    rig.answered(&leased[0]).await;
    assert_eq!(rig.take().await.len(), 1);
    assert_eq!(rig.look_at(&lane).await.in_flight, 2);
}

pub async fn fewer_places_than_requests_on_the_wire_wait_for_answers(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=5)).await;
    let leased = rig.take().await;
    rig.keep(news(&lane, 6..=7)).await;
    rig.limit(&lane, 2).await;
    for leased in &leased[..3] {
        rig.answered(leased).await;
        assert_eq!(rig.take().await, []);
    }
    rig.answered(&leased[3]).await;
    assert_eq!(rig.take().await.len(), 1);
}

pub async fn after_three_failures_there_is_one_place_until_a_success(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=3)).await;
    for leased in rig.take().await {
        rig.end([leased.settle(FAILED)]).await;
    }
    rig.keep(news(&lane, 4..=8)).await;
    let failing = rig.take_one().await;
    rig.end([failing.clone().settle(FAILED), failing.settle(How::Done)]).await;
    let succeeding = rig.take_one().await;
    rig.answered(&succeeding).await;
    assert_eq!(rig.take().await.len(), 3);
}

pub async fn failures_that_are_not_in_a_row_take_no_place(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=5)).await;
    for (leased, how) in
        rig.take().await.into_iter().zip([FAILED, FAILED, SUCCEEDED, FAILED, FAILED])
    {
        rig.end([leased.clone().settle(how), leased.settle(How::Done)]).await;
    }
    rig.keep(news(&lane, 6..=8)).await;
    assert_eq!(rig.take().await.len(), 3);
}

pub async fn a_hold_stops_a_lane_for_its_time(rig: &QueueRig) {
    let (held, other) = (lane("a", 1), lane("a", 2));
    rig.keep(news(&held, 1..=2)).await;
    let leased = rig.take_up_to(1).await.remove(0);
    ask_for_quiet(rig, leased, WHILE * 2).await;
    rig.keep([new(&held, 3), retry(&held, 4, WHILE), new(&other, 9)]).await;
    assert_eq!(numbers(&rig.take().await), [9]);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await.len(), 3);
}

pub async fn a_shorter_hold_does_not_end_a_longer_one(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=2)).await;
    let mut leased = rig.take().await;
    ask_for_quiet(rig, leased.remove(0), WHILE * 3).await;
    ask_for_quiet(rig, leased.remove(0), WHILE).await;
    rig.keep([new(&lane, 3)]).await;
    rig.pass(WHILE * 2).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    rig.take_one().await;
}

pub async fn a_change_of_a_lane_ends_its_hold(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=1)).await;
    let leased = rig.take_one().await;
    ask_for_quiet(rig, leased, WHILE * 50).await;
    rig.keep([new(&lane, 2)]).await;
    rig.limit(&lane, 16).await;
    assert_eq!(rig.take().await, []);
    rig.limit(&lane, 15).await;
    rig.take_one().await;
}

pub async fn what_is_older_than_what_was_set_changes_nothing(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=1)).await;
    let active = Limits { version: 5, ..Limits::default() };
    let paused = Limits { version: 4, paused: true, ..Limits::default() };
    rig.set(&[(lane.clone(), active)]).await.expect("a lane is set");
    rig.set(&[(lane.clone(), paused)]).await.expect("a lane is set");
    let leased = rig.take_one().await;
    rig.done([leased]).await;
    // It is remembered while the lane has nothing to do.
    rig.set(&[(lane.clone(), paused)]).await.expect("a lane is set");
    rig.keep(news(&lane, 2..=2)).await;
    rig.take_one().await;
}

/// More than one step of a driver takes.
pub async fn many_lanes_are_set_together(rig: &QueueRig) {
    let of_both = ["a", "b"].into_iter().flat_map(|tenant| (1..=200).map(move |n| lane(tenant, n)));
    let lanes: Vec<_> = of_both.collect();
    let paused = |n: usize| n % 2 == 1;
    let limits = |n| Limits { paused: paused(n), ..Limits::default() };
    let set: Vec<_> = lanes.iter().cloned().enumerate().map(|(n, l)| (l, limits(n))).collect();
    rig.set(&set).await.expect("lanes are set");
    for lane in &lanes {
        rig.keep(news(lane, 1..=1)).await;
    }
    let look = rig.look_at_all(&lanes).await.lanes.into_iter().enumerate();
    for (n, look) in look {
        assert_eq!(look.waiting_for == Some(WaitingFor::Paused), paused(n), "{n}: {look:?}");
    }
}

/// The item is answered by a failure that asks for quiet, and is done.
async fn ask_for_quiet(rig: &QueueRig, leased: Leased, hold: Duration) {
    let answered = How::Answered { failed: true, hold: Some(hold), ahead: 0 };
    rig.end([leased.clone().settle(answered), leased.settle(How::Done)]).await;
}

pub async fn a_paused_lane_serves_nothing_until_it_is_set_again(rig: &QueueRig) {
    let (paused, other) = (lane("a", 1), lane("a", 2));
    rig.keep(news(&paused, 1..=2)).await;
    rig.pause(&paused).await;
    rig.keep([new(&paused, 3), retry(&paused, 4, WHILE), new(&other, 9)]).await;
    assert_eq!(numbers(&rig.take().await), [9]);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await, []);
    rig.pause(&paused).await;
    assert_eq!(rig.take().await, []);
    rig.limit(&paused, 16).await;
    assert_eq!(rig.take().await.len(), 4);
}

pub async fn a_pause_leaves_what_is_leased_alone(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=2)).await;
    let mut leased = rig.take().await;
    rig.pause(&lane).await;
    rig.done([leased.remove(0)]).await;
    assert_eq!(rig.look_at(&lane).await.leased, 1);
    rig.pass(LEASE).await;
    assert_eq!(rig.take().await, []);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 0, 0));
}

pub async fn limits_of_an_unknown_lane_hold_for_items_pushed_later(rig: &QueueRig) {
    let (paused, narrow) = (lane("a", 1), lane("b", 1));
    rig.pause(&paused).await;
    rig.limit(&narrow, 1).await;
    rig.pass(LEASE * 2).await;
    rig.keep(news(&paused, 1..=2).into_iter().chain(news(&narrow, 3..=4))).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn fan_out_lanes_are_not_limited_by_places(rig: &QueueRig) {
    let lane = Lane::fan_out(tenant("a"));
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=10)).await;
    assert_eq!(rig.take().await.len(), 10);
}

pub async fn a_paused_fan_out_lane_stays_paused(rig: &QueueRig) {
    let lane = Lane::fan_out(tenant("a"));
    rig.pause(&lane).await;
    rig.keep([new(&lane, 1)]).await;
    assert_eq!(rig.take().await, []);
    rig.limit(&lane, 16).await;
    rig.take_one().await;
}
