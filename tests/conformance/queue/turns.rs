//! Who is served next.

use std::time::Duration;

use super::{lane, new, news, numbers, retry, tenant, tenants};
use crate::drivers::QueueRig;

pub async fn tenants_take_turns(rig: &QueueRig) {
    let (a, b, c) = (lane("a", 1), lane("b", 1), lane("c", 1));
    rig.keep(news(&a, 1..=9)).await;
    rig.keep(news(&b, 1..=4)).await;
    rig.keep(news(&c, 1..=1)).await;
    let leased = rig.take_up_to(6).await;
    assert_eq!(tenants(&leased), ["a", "b", "c", "a", "b", "a"]);
    let leased = rig.take_up_to(5).await;
    assert_eq!(tenants(&leased), ["b", "a", "b", "a", "a"]);
    assert_eq!(rig.take().await.len(), 3);
}

pub async fn lanes_of_a_tenant_take_turns(rig: &QueueRig) {
    let lanes = [lane("a", 1), lane("a", 2), lane("a", 3)];
    rig.keep(news(&lanes[0], 11..=19)).await;
    rig.keep(news(&lanes[1], 21..=23)).await;
    rig.keep(news(&lanes[2], 31..=31)).await;
    assert_eq!(numbers(&rig.take_up_to(7).await), [11, 21, 31, 12, 22, 13, 23]);
    assert_eq!(numbers(&rig.take_up_to(2).await), [14, 15]);
}

pub async fn a_tenant_with_many_lanes_gets_no_more_than_one_with_few(rig: &QueueRig) {
    for n in 1..=5 {
        rig.keep(news(&lane("many", n), 1..=5)).await;
    }
    rig.keep(news(&lane("few", 1), 1..=5)).await;
    let leased = rig.take_up_to(8).await;
    let of_few = leased.iter().filter(|leased| leased.item.lane.tenant.as_str() == "few").count();
    assert_eq!(of_few, 4);
}

pub async fn skipped_tenants_get_nothing_and_keep_their_turn(rig: &QueueRig) {
    for name in ["a", "b", "c"] {
        rig.keep(news(&lane(name, 1), 1..=8)).await;
    }
    assert_eq!(tenants(&rig.take_up_to(1).await), ["a"]);
    let skip = [tenant("b"), tenant("unknown")];
    let leased = rig.take_both(4, &skip).await.leased;
    assert_eq!(tenants(&leased), ["c", "a", "c", "a"]);
    assert_eq!(tenants(&rig.take_up_to(2).await), ["b", "c"]);
    let all = [tenant("a"), tenant("b"), tenant("c")];
    assert_eq!(rig.take_both(9, &all).await.leased, []);
    assert_eq!(tenants(&rig.take_up_to(3).await), ["a", "b", "c"]);
}

pub async fn new_items_and_retries_of_a_lane_take_turns(rig: &QueueRig) {
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep((11..=15).map(|n| retry(&lane, n, Duration::ZERO))).await;
    rig.keep(news(&lane, 1..=3)).await;
    let mut order = Vec::new();
    for _ in 0..8 {
        let leased = rig.take_one().await;
        order.extend(numbers(std::slice::from_ref(&leased)));
        rig.done([leased]).await;
    }
    // Whoever begins, they alternate for as long as there are both.
    let is_retry: Vec<_> = order[..6].iter().map(|n| *n > 10).collect();
    assert!(is_retry.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
    order.sort_unstable();
    assert_eq!(order, [1, 2, 3, 11, 12, 13, 14, 15]);
}

pub async fn a_lane_without_places_holds_nobody_up(rig: &QueueRig) {
    let (stuck, paused, free, other) = (lane("a", 1), lane("a", 2), lane("a", 3), lane("b", 1));
    rig.limit(&stuck, 1).await;
    rig.pause(&paused).await;
    for lane in [&stuck, &paused, &free, &other] {
        rig.keep(news(lane, 1..=3)).await;
    }
    assert_eq!(rig.take().await.len(), 1 + 3 + 3);
}

/// One tenant has a single item, the other one so many lanes that they are not all looked at first.
pub async fn a_claim_goes_through_as_many_lanes_as_it_needs(rig: &QueueRig) {
    rig.keep([new(&lane("a", 1), 1)]).await;
    for n in 1..=40 {
        rig.keep([new(&lane("b", n), n)]).await;
    }
    for max in [10, 3, 20] {
        assert_eq!(rig.take_up_to(max).await.len(), max);
    }
    assert_eq!(rig.take().await.len(), 8);
}
