//! Items leased ahead: they have no place, and take over that of another one of their lane.

use std::time::Duration;

use store::{AHEAD_MAX, How, Lane, Leased};

use super::{FAILED, WHILE, item, lane, new, news, numbers, retry};
use crate::drivers::{LEASE, QueueRig};

/// Answered so quickly that so many may be leased ahead for each place.
fn quick(ahead: u32) -> How {
    How::Answered { failed: false, hold: None, ahead }
}

/// A lane with so many places, which may lease so many ahead for each.
pub(super) async fn quick_lane(rig: &QueueRig, n: u8, places: u32, ahead: u32) -> Lane {
    let lane = lane("a", n);
    rig.limit(&lane, places).await;
    rig.keep(news(&lane, [200])).await;
    let leased = rig.take_one().await;
    rig.end([leased.clone().settle(quick(ahead)), leased.settle(How::Done)]).await;
    lane
}

pub(super) fn is_ahead(leased: &[Leased]) -> Vec<bool> {
    leased.iter().map(|leased| leased.ahead).collect()
}

pub async fn nothing_is_leased_ahead_of_a_lane_that_was_not_answered(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 2).await;
    rig.keep(news(&lane, 1..=9)).await;
    assert_eq!(is_ahead(&rig.take().await), [false, false]);
}

pub async fn a_quick_lane_is_leased_ahead_for_each_place(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 2, 2).await;
    rig.keep(news(&lane, 1..=9)).await;
    let leased = rig.take().await;
    assert_eq!(numbers(&leased), [1, 2, 3, 4, 5, 6]);
    assert_eq!(is_ahead(&leased), [false, false, true, true, true, true]);
    assert_eq!(rig.take().await, []);
    let most = quick_lane(rig, 2, 1, u32::MAX).await;
    rig.keep(news(&most, 1..=19)).await;
    assert_eq!(rig.take().await.len(), 1 + AHEAD_MAX as usize);
}

pub async fn what_is_ahead_is_not_on_the_wire(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 3).await;
    rig.keep(news(&lane, 1..=9)).await;
    rig.take().await;
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (5, 4, 1));
    let total = rig.totals().await;
    assert_eq!((total.queued, total.leased, total.in_flight), (5, 4, 1));
}

/// One place, one item on the wire and one ahead; another one waits.
async fn one_and_one_ahead(rig: &QueueRig) -> (Lane, Leased, Leased) {
    let lane = quick_lane(rig, 1, 1, 1).await;
    rig.keep(news(&lane, 1..=3)).await;
    let leased = rig.take().await;
    let [first, second] = leased.try_into().expect("two are leased");
    (lane, first, second)
}

pub(super) fn passed_on(from: &Leased, to: &Leased) -> store::Settlement {
    from.clone().settle(How::PassedOn { to: to.item.event, under: to.token })
}

pub async fn a_place_is_passed_on(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    rig.end([passed_on(&first, &second)]).await;
    assert_eq!(rig.take().await, []);
    rig.done([first]).await;
    assert_eq!(rig.take().await, []);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 1, 1));
}

pub async fn a_place_passed_on_is_freed_by_who_has_it(rig: &QueueRig) {
    let (_, first, second) = one_and_one_ahead(rig).await;
    rig.end([passed_on(&first, &second), first.settle(How::Done)]).await;
    rig.end([second.settle(quick(0))]).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn a_place_goes_down_a_line_in_one_call(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 2).await;
    rig.keep(news(&lane, 1..=4)).await;
    let [first, second, third] = rig.take().await.try_into().expect("three are leased");
    rig.end([
        passed_on(&first, &second),
        first.settle(How::Done),
        passed_on(&second, &third),
        second.settle(How::Done),
    ])
    .await;
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 1, 1));
    assert_eq!(rig.take().await, []);
    rig.end([third.settle(quick(0))]).await;
    assert_eq!(numbers(&rig.take().await), [4]);
}

/// Who has a place may be done with it before the queue hears whose it was.
pub async fn a_place_passed_on_to_who_is_done_is_free(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    rig.end([second.clone().settle(quick(0)), second.clone().settle(How::Done)]).await;
    assert_eq!(rig.take().await, []);
    rig.end([passed_on(&first, &second), first.settle(How::Done)]).await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 0);
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn a_place_passed_on_under_a_token_that_ended_is_free(rig: &QueueRig) {
    let (_, first, second) = one_and_one_ahead(rig).await;
    rig.done([second.clone()]).await;
    rig.end([passed_on(&first, &second)]).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn a_place_passed_on_to_who_was_answered_is_free(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    let quiet_please = How::Answered { failed: true, hold: Some(WHILE), ahead: 0 };
    rig.end([second.clone().settle(quiet_please)]).await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 1);
    rig.end([passed_on(&first, &second)]).await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 0);
    // It asked for quiet all the same.
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn a_place_passed_on_twice_is_one(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    rig.end([passed_on(&first, &second), passed_on(&first, &second)]).await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 1);
    // Nor does who has none pass one on.
    rig.end([passed_on(&first, &second)]).await;
    rig.end([second.settle(quick(0))]).await;
    assert_eq!(numbers(&rig.take().await), [3]);
}

pub async fn a_place_that_is_passed_on_is_a_success(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 3, 1).await;
    rig.keep(news(&lane, 1..=6)).await;
    let leased = rig.take().await;
    let fail = |leased: &Leased| leased.clone().settle(FAILED);
    rig.end([fail(&leased[0]), fail(&leased[1])]).await;
    rig.end([passed_on(&leased[2], &leased[3]), fail(&leased[3])]).await;
    rig.keep(news(&lane, 7..=9)).await;
    assert_eq!(rig.take().await.len(), 3);
}

pub async fn what_is_leased_ahead_takes_turns_with_other_lanes(rig: &QueueRig) {
    let quick = quick_lane(rig, 1, 1, 9).await;
    let other = lane("b", 1);
    rig.keep(news(&quick, 1..=9)).await;
    rig.keep(news(&other, 11..=19)).await;
    let leased = rig.take_up_to(6).await;
    assert_eq!(leased.iter().filter(|leased| leased.item.lane == other).count(), 3);
    assert_eq!(leased.iter().filter(|leased| leased.ahead).count(), 2);
    // It goes on with the next claim only where it has a place.
    assert!(rig.take().await.iter().all(|leased| leased.item.lane == other));
}

pub async fn lanes_that_are_leased_ahead_take_turns(rig: &QueueRig) {
    let (one, two) = (quick_lane(rig, 1, 1, 6).await, quick_lane(rig, 2, 1, 6).await);
    rig.keep(news(&one, 1..=9)).await;
    rig.keep(news(&two, 1..=9)).await;
    let leased = rig.take_up_to(8).await;
    assert_eq!(leased.iter().filter(|leased| leased.item.lane == one).count(), 4);
}

pub async fn what_is_not_due_is_not_leased_ahead(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 5).await;
    rig.keep([new(&lane, 1), retry(&lane, 2, WHILE * 50)]).await;
    assert_eq!(numbers(&rig.take().await), [1]);
}

pub async fn what_is_ahead_comes_back_when_its_lease_ends(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    rig.pass(LEASE).await;
    rig.limit(&lane, 16).await;
    let again = rig.take().await;
    assert_eq!(again.iter().filter(|leased| !leased.ahead).count(), 3);
    // The old place is nobody's to pass on.
    rig.end([passed_on(&first, &second)]).await;
    assert_eq!(rig.look_at(&lane).await.in_flight, 3);
}

pub async fn what_is_ahead_and_given_back_frees_no_place(rig: &QueueRig) {
    let (lane, _, second) = one_and_one_ahead(rig).await;
    let after = std::time::Duration::ZERO;
    rig.end([second.settle(How::Again { after })]).await;
    assert_eq!(rig.take().await, []);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (2, 1, 1));
}

pub async fn an_answer_may_end_leasing_ahead(rig: &QueueRig) {
    let (lane, first, second) = one_and_one_ahead(rig).await;
    rig.end([first.settle(quick(0)), second.settle(How::Done)]).await;
    rig.keep([new(&lane, 4)]).await;
    let leased = rig.take_one().await;
    assert_eq!(leased.item, item(&lane, 3));
}

/// The subscriber failed once: that must not put new items behind everything that was tried.
pub async fn new_items_that_were_ahead_and_come_back_are_not_held_up_by_retries(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 3).await;
    rig.keep((11..=19).map(|n| retry(&lane, n, Duration::ZERO))).await;
    rig.pass(WHILE / 10).await;
    rig.keep(news(&lane, 1..=3)).await;
    let leased = rig.take().await;
    assert_eq!(leased.iter().filter(|leased| leased.item.event.0.0[15] < 10).count(), 2);
    rig.end([leased[0].clone().settle(FAILED), leased[0].clone().settle(How::Done)]).await;
    let again = How::Again { after: Duration::ZERO };
    rig.end(leased[1..].iter().map(|leased| leased.clone().settle(again))).await;
    let mut order = Vec::new();
    while let [one] = &rig.take().await[..] {
        order.push(one.item.event.0.0[15]);
        rig.end([one.clone().settle(quick(0)), one.clone().settle(How::Done)]).await;
    }
    let first_six = &order[..6];
    let new: Vec<_> = first_six.iter().copied().filter(|n| *n < 10).collect();
    assert_eq!(new, [1, 2, 3], "{order:?}");
    assert_eq!(order.len(), 11);
}

pub async fn what_was_ahead_and_comes_back_keeps_its_order(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 4).await;
    rig.keep(news(&lane, 1..=9)).await;
    let leased = rig.take().await;
    let again = How::Again { after: Duration::ZERO };
    rig.end(leased[3..].iter().map(|leased| leased.clone().settle(again))).await;
    rig.end(leased[1..3].iter().rev().map(|leased| leased.clone().settle(again))).await;
    let first = &leased[0];
    rig.end([first.clone().settle(quick(9)), first.clone().settle(How::Done)]).await;
    assert_eq!(numbers(&rig.take().await), [2, 3, 4, 5, 6, 7, 8, 9]);
}
