//! Pushing and claiming.

use std::time::Duration;

use store::How;

use super::{WHILE, item, lane, new, news, numbers, retry, tenants};
use crate::drivers::QueueRig;

pub async fn a_pushed_item_is_claimed_once(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let leased = rig.take_one().await;
    assert_eq!(leased.item, item(&lane, 1));
    assert_eq!(rig.take().await, []);
}

pub async fn pushing_what_is_queued_changes_nothing(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1), new(&lane, 1)]).await;
    rig.keep([retry(&lane, 1, Duration::ZERO)]).await;
    assert_eq!(rig.totals().await.queued, 1);
    let leased = rig.take_one().await;
    rig.done([leased]).await;
    assert_eq!(rig.take().await, []);
    assert_eq!(rig.totals().await.queued, 0);
}

pub async fn what_is_pushed_while_it_is_leased_is_due_once_its_lease_ended(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([new(&lane, 1)]).await;
    let leased = rig.take_one().await;
    rig.keep([new(&lane, 1)]).await;
    rig.answered(&leased).await;
    rig.keep([retry(&lane, 1, WHILE)]).await;
    assert_eq!(rig.take().await, []);
    assert_eq!((rig.totals().await.queued, rig.totals().await.leased), (0, 1));
    rig.done([leased]).await;
    let again = rig.take_one().await;
    rig.done([again]).await;
    assert_eq!(rig.take().await, []);
}

pub async fn an_item_pushed_for_later_is_not_claimed_before(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE * 2)]).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    assert_eq!(rig.take().await, []);
    rig.pass(WHILE).await;
    rig.take_one().await;
}

pub async fn pushing_earlier_brings_forward(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE * 50), retry(&lane, 2, WHILE * 50)]).await;
    rig.keep([retry(&lane, 1, WHILE)]).await;
    rig.keep([new(&lane, 2)]).await;
    assert_eq!(numbers(&rig.take().await), [2]);
    rig.pass(WHILE).await;
    assert_eq!(numbers(&rig.take().await), [1]);
    assert_eq!(rig.totals().await.queued, 0);
}

pub async fn pushing_later_does_not_push_back(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE), new(&lane, 2)]).await;
    rig.keep([retry(&lane, 1, WHILE * 50), retry(&lane, 2, WHILE * 50)]).await;
    assert_eq!(numbers(&rig.take().await), [2]);
    rig.pass(WHILE).await;
    assert_eq!(numbers(&rig.take().await), [1]);
}

pub async fn new_items_are_claimed_in_the_order_they_came(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep(news(&lane, [3, 1])).await;
    rig.keep([new(&lane, 2)]).await;
    assert_eq!(numbers(&rig.take().await), [3, 1, 2]);
}

pub async fn retries_are_claimed_by_their_due_time(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.keep([retry(&lane, 1, WHILE * 2), retry(&lane, 2, WHILE), retry(&lane, 3, WHILE * 3)])
        .await;
    rig.pass(WHILE * 3).await;
    assert_eq!(numbers(&rig.take().await), [2, 1, 3]);
}

pub async fn a_claim_takes_no_more_than_was_asked_for(rig: &QueueRig) {
    let (a, b) = (lane("a", 1), lane("b", 1));
    rig.keep(news(&a, 1..=4).into_iter().chain(news(&b, 1..=4))).await;
    assert_eq!(rig.take_up_to(0).await, []);
    assert_eq!(rig.take_up_to(3).await.len(), 3);
    assert_eq!(rig.take_up_to(3).await.len(), 3);
    assert_eq!(rig.take_up_to(3).await.len(), 2);
}

pub async fn lanes_of_one_webhook_in_two_tenants_are_two(rig: &QueueRig) {
    let (a, b) = (lane("a", 1), lane("b", 1));
    rig.keep([new(&a, 1), new(&b, 1)]).await;
    let leased = rig.take().await;
    assert_eq!(tenants(&leased), ["a", "b"]);
    let first = leased.into_iter().next().expect("two were claimed");
    rig.end([first.settle(How::Done)]).await;
    assert_eq!((rig.look_at(&a).await.leased, rig.look_at(&b).await.leased), (0, 1));
}
