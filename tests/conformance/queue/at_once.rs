//! Items that who pushes them leases at once.

use store::{AtOnce, How, Leased};

use super::ahead::{is_ahead, passed_on, quick_lane};
use super::{FAILED, SUCCEEDED, WHILE, item, lane, new, news, numbers, retry};
use crate::drivers::{LANE_CAP, LEASE, QueueRig};

use AtOnce::{Placed, PlacedOrAhead};

pub async fn a_new_item_is_leased_at_once_if_it_asks_for_it(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    rig.done(rig.take().await).await;
    let leased = rig.push_at_once([new(&lane, 2)], Placed).await;
    assert_eq!((numbers(&leased), is_ahead(&leased)), (vec![2], vec![false]));
    assert_eq!(rig.take().await, []);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (0, 1, 1));
    let total = rig.totals().await;
    assert_eq!((total.queued, total.leased, total.in_flight), (0, 1, 1));
}

pub async fn as_many_are_leased_at_once_as_there_are_places(rig: &QueueRig) {
    let (one, two) = (lane("a", 1), lane("a", 2));
    rig.limit(&one, 2).await;
    let pushes = news(&one, 1..=4).into_iter().chain(news(&two, 5..=6));
    assert_eq!(numbers(&rig.push_at_once(pushes, Placed).await), [1, 2, 5, 6]);
    let look = rig.look_at(&one).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (2, 2, 2));
    assert_eq!(rig.take().await, []);
}

pub async fn who_has_a_place_leases_ahead_at_once(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 2, 2).await;
    assert_eq!(numbers(&rig.push_at_once(news(&lane, 1..=2), Placed).await), [1, 2]);
    assert_eq!(rig.push_at_once([new(&lane, 3)], Placed).await, []);
    rig.end(rig.take().await.into_iter().map(|leased| leased.settle(How::Done))).await;
    let lane = quick_lane(rig, 2, 2, 2).await;
    let leased = rig.push_at_once(news(&lane, 1..=9), PlacedOrAhead).await;
    assert_eq!(numbers(&leased), [1, 2, 3, 4, 5, 6]);
    assert_eq!(is_ahead(&leased), [false, false, true, true, true, true]);
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (3, 6, 2));
}

/// So one lane never has more ahead than it may, however its places go round.
pub async fn what_waits_for_a_place_counts_until_it_has_one(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 2).await;
    let three = rig.push_at_once(news(&lane, 1..=3), PlacedOrAhead).await;
    rig.end([passed_on(&three[0], &three[1]), three[0].clone().settle(How::Done)]).await;
    let more = rig.push_at_once(news(&lane, [4]), PlacedOrAhead).await;
    assert_eq!((numbers(&more), is_ahead(&more)), (vec![4], vec![true]));
    // One that waited is given back, another one lost its lease, and a third was answered.
    let back = |leased: &Leased| leased.clone().settle(How::Done);
    rig.end([back(&three[2])]).await;
    let more = rig.push_at_once(news(&lane, [5]), PlacedOrAhead).await;
    assert_eq!(is_ahead(&more), [true]);
    rig.end([more[0].clone().settle(SUCCEEDED)]).await;
    assert_eq!(rig.push_at_once(news(&lane, [6]), PlacedOrAhead).await, []);
}

pub async fn what_waits_already_comes_first(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    assert_eq!(rig.push_at_once([new(&lane, 2)], Placed).await, []);
    assert_eq!(numbers(&rig.take().await), [1, 2]);
}

pub async fn a_retry_that_is_due_comes_first(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE)]).await;
    assert_eq!(numbers(&rig.push_at_once([new(&lane, 2)], Placed).await), [2]);
    rig.pass(WHILE).await;
    assert_eq!(rig.push_at_once([new(&lane, 3)], Placed).await, []);
    assert_eq!(rig.take().await.len(), 2);
}

pub async fn what_is_not_due_or_was_tried_is_not_leased_at_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    let later = store::Push { after: WHILE * 50, ..new(&lane, 1) };
    assert_eq!(rig.push_at_once([later], Placed).await, []);
    let tried = retry(&lane, 2, std::time::Duration::ZERO);
    assert_eq!(rig.push_at_once([tried], Placed).await, []);
    assert_eq!(numbers(&rig.take().await), [2]);
}

pub async fn a_paused_lane_leases_nothing_at_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.pause(&lane).await;
    assert_eq!(rig.push_at_once([new(&lane, 1)], PlacedOrAhead).await, []);
    assert_eq!(rig.look_at(&lane).await.queued, 1);
}

pub async fn a_lane_in_quiet_leases_nothing_at_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    let leased = rig.push_at_once([new(&lane, 1)], Placed).await.remove(0);
    let quiet = How::Answered { failed: true, hold: Some(WHILE), ahead: 0 };
    rig.end([leased.settle(quiet)]).await;
    assert_eq!(rig.push_at_once([new(&lane, 2)], Placed).await, []);
    rig.pass(WHILE).await;
    assert_eq!(numbers(&rig.take().await), [2]);
    // After three failures in a row there is one place, here as everywhere.
    let lane = super::lane("a", 2);
    let leased = rig.push_at_once(news(&lane, 1..=4), Placed).await;
    let failed = leased[..3].iter().map(|leased| leased.clone().settle(FAILED));
    rig.end(failed).await;
    assert_eq!(rig.push_at_once([new(&lane, 5)], Placed).await, []);
}

pub async fn a_full_lane_leases_nothing_at_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 100).await;
    let cap = u8::try_from(LANE_CAP).expect("a small number");
    assert_eq!(rig.push_at_once(news(&lane, 1..=cap), Placed).await.len(), LANE_CAP);
    let pushes = vec![store::Push { at_once: Placed, ..new(&lane, cap + 1) }];
    let pushed = rig.push(pushes).await.expect("a queue answers");
    assert_eq!((pushed.leased, pushed.refused), (vec![], vec![item(&lane, cap + 1)]));
}

pub async fn an_item_that_is_known_is_not_leased_at_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE * 50)]).await;
    assert_eq!(rig.push_at_once([new(&lane, 1)], Placed).await, []);
    let leased = rig.take().await;
    assert_eq!(numbers(&leased), [1]);
    assert_eq!(rig.push_at_once([new(&lane, 1)], Placed).await, []);
    // It was pushed while it was leased.
    rig.done(leased).await;
    assert_eq!(numbers(&rig.take().await), [1]);
}

pub async fn what_was_leased_at_once_is_settled_like_the_rest(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    let leased = rig.push_at_once(news(&lane, 1..=2), Placed).await.remove(0);
    rig.end([leased.clone().settle(SUCCEEDED)]).await;
    let second = rig.take_one().await;
    rig.end([leased.settle(How::Done)]).await;
    let again = How::Again { after: WHILE };
    rig.end([second.clone().settle(again), second.settle(again)]).await;
    rig.pass(WHILE).await;
    assert_eq!(numbers(&rig.take().await), [2]);
}

pub async fn what_was_leased_at_once_comes_back_when_its_lease_ends(rig: &QueueRig) {
    let lane = quick_lane(rig, 1, 1, 1).await;
    let leased = rig.push_at_once(news(&lane, 1..=2), PlacedOrAhead).await;
    assert_eq!(is_ahead(&leased), [false, true]);
    let waiter = rig.shared();
    let waiting = tokio::spawn(async move { waiter.wait().await });
    rig.pass(LEASE).await;
    waiting.await.expect("it returns by itself");
    let again = rig.take().await;
    assert_eq!(numbers(&again), [1, 2]);
    assert!(again.iter().all(|again| leased.iter().all(|leased| leased.token != again.token)));
}

pub async fn an_item_pushed_twice_in_one_batch_is_leased_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    let leased = rig.push_at_once([new(&lane, 1), new(&lane, 1)], Placed).await;
    assert_eq!(numbers(&leased), [1]);
    rig.done(leased).await;
    assert_eq!(numbers(&rig.take().await), [1]);
}
