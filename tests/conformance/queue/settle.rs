//! Leases and how they end.

use store::{How, Leased, Token};

use super::{FAILED, SUCCEEDED, WHILE, lane, new, news, numbers, with_token};
use crate::drivers::{LEASE, QueueRig};

const EVERY_HOW: [How; 3] = [SUCCEEDED, How::Done, How::Again { after: WHILE }];

pub async fn done_is_gone_and_may_be_pushed_anew(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let first = rig.take_one().await;
    rig.done([first.clone()]).await;
    rig.pass(LEASE * 2).await;
    assert_eq!(rig.take().await, []);
    rig.keep([new(&lane, 1)]).await;
    assert_ne!(rig.take_one().await.token, first.token);
}

pub async fn again_comes_back_after_its_time_and_not_before(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=2)).await;
    let leased = rig.take().await;
    rig.answered(&leased[0]).await;
    rig.end(leased.into_iter().map(|leased| leased.settle(How::Again { after: WHILE * 2 }))).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await.len(), 2);
}

pub async fn an_invented_token_settles_nothing(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=2)).await;
    let leased = rig.take_one().await;
    for how in EVERY_HOW {
        rig.end([with_token(&leased, Token(leased.token.0 + 1), how)]).await;
        rig.end([with_token(&leased, Token(0), how)]).await;
        nothing_is_settled(rig, &leased).await;
    }
}

pub async fn a_token_of_an_ended_lease_settles_nothing(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=2)).await;
    let old = rig.take_one().await;
    rig.pass(LEASE).await;
    // The other item may come first, since new ones are not held up by those that come back.
    let mut leased = rig.take_one().await;
    if leased.item != old.item {
        rig.done([leased]).await;
        leased = rig.take_one().await;
        rig.keep([new(&lane, 2)]).await;
    }
    assert_eq!(leased.item, old.item);
    for how in EVERY_HOW {
        rig.end([old.clone().settle(how)]).await;
        nothing_is_settled(rig, &leased).await;
    }
}

/// The one place is taken by an item whose lease goes on; the other one waits.
async fn nothing_is_settled(rig: &QueueRig, leased: &Leased) {
    assert_eq!(rig.take().await, []);
    let look = rig.look_at(&leased.item.lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 1, 1));
}

pub async fn settling_twice_is_settling_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let leased = rig.take_one().await;
    rig.done([leased.clone(), leased.clone()]).await;
    rig.keep([new(&lane, 1)]).await;
    let settled_before = leased;
    let leased = rig.take_one().await;
    rig.done([settled_before]).await;
    assert_eq!(rig.totals().await.leased, 1);
    let again = leased.settle(How::Again { after: WHILE });
    rig.end([again.clone(), again]).await;
    let totals = rig.totals().await;
    assert_eq!((totals.queued, totals.leased, totals.in_flight), (1, 0, 0));
}

pub async fn settling_what_is_unknown_changes_nothing(rig: &QueueRig) {
    let (known, unknown) = (lane("a", 1), lane("b", 1));
    rig.keep([new(&known, 1)]).await;
    let leased = rig.take_one().await;
    for lane in [&known, &unknown] {
        for how in EVERY_HOW {
            let item = super::item(lane, 2);
            rig.end([Leased { item, ..leased.clone() }.settle(how)]).await;
        }
    }
    let totals = rig.totals().await;
    assert_eq!((totals.lanes, totals.queued, totals.leased, totals.in_flight), (1, 0, 1, 1));
}

pub async fn a_lease_is_kept_until_it_ends(rig: &QueueRig) {
    rig.keep([new(&lane("a", 1), 1)]).await;
    let leased = rig.take_one().await;
    rig.pass(LEASE / 2).await;
    assert_eq!(rig.take().await, []);
    rig.done([leased]).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.take().await, []);
}

pub async fn an_ended_lease_is_claimed_again_with_another_token(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let first = rig.take_one().await;
    rig.pass(LEASE).await;
    let second = rig.take_one().await;
    assert_eq!(first.item, second.item);
    assert_ne!(first.token, second.token);
    rig.done([second]).await;
    rig.pass(LEASE).await;
    assert_eq!(rig.take().await, []);
}

pub async fn an_answer_does_not_end_the_lease(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let leased = rig.take_one().await;
    rig.answered(&leased).await;
    assert_eq!(rig.take().await, []);
    rig.keep([new(&lane, 1)]).await;
    assert_eq!(rig.take().await, []);
    rig.end([leased.settle(How::Again { after: std::time::Duration::ZERO })]).await;
    rig.take_one().await;
}

pub async fn a_lease_that_was_answered_ends_in_time_too(rig: &QueueRig) {
    rig.keep([new(&lane("a", 1), 1)]).await;
    let first = rig.take_one().await;
    rig.end([first.clone().settle(FAILED)]).await;
    rig.pass(LEASE).await;
    let second = rig.take_one().await;
    assert_ne!(first.token, second.token);
    rig.done([first]).await;
    assert_eq!(rig.totals().await.leased, 1);
}

pub async fn a_batch_settles_each_of_its_items_alone(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=4)).await;
    let mut leased = rig.take().await;
    assert_eq!(numbers(&leased), [1, 2, 3, 4]);
    let stale = with_token(&leased.remove(1), Token(0), How::Done);
    let [one, three, four] = leased.try_into().expect("three are left");
    rig.end([
        one.settle(How::Done),
        stale,
        three.settle(SUCCEEDED),
        four.settle(How::Again { after: WHILE }),
    ])
    .await;
    let look = rig.look_at(&lane).await;
    assert_eq!((look.queued, look.leased, look.in_flight), (1, 2, 1));
}
