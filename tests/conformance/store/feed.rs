//! What the queue is fed with.

use model::delivery::EndedBy;
use model::event::NewEvent;
use model::id::DeliveryId;
use store::{Lane, Waiting};

use super::{at, end, event, event_uid, failure, success, tenant, webhook_id};
use crate::drivers::StoreRig;

fn of(name: &str, n: u16) -> NewEvent {
    NewEvent { tenant: tenant(name), ..event(n) }
}

async fn lanes(rig: &StoreRig, after: Option<&Lane>, limit: u32) -> Vec<Lane> {
    rig.lanes(after, limit).await.expect("a store feeds")
}

async fn unfinished(rig: &StoreRig, lane: &Lane, limit: u32) -> Vec<Waiting> {
    rig.unfinished(lane, limit).await.expect("a store feeds")
}

pub async fn lanes_are_those_with_unfinished_work(rig: &mut StoreRig) {
    assert_eq!(lanes(rig, None, 10).await, []);
    rig.keep(of("b", 1)).await;
    let ids = rig.send(of("a", 2), &[1, 2, 3].map(webhook_id)).await;
    rig.write_down(success(ids[0], 0)).await;
    rig.write_down(failure(ids[1], 0, at(9_000))).await;
    rig.write_down(end(ids[2], 0, EndedBy::Age)).await;
    let fan_out = Lane::fan_out(tenant("b"));
    let deliver = Lane::deliver(tenant("a"), webhook_id(2));
    assert_eq!(lanes(rig, None, 10).await, [fan_out, deliver.clone()]);
    rig.fanned_out(vec![event_uid(1)]).await.expect("a fan-out ends");
    assert_eq!(lanes(rig, None, 10).await, [deliver]);
    rig.write_down(success(ids[1], 1)).await;
    assert_eq!(lanes(rig, None, 10).await, []);
    rig.retry(ids[2], at(500)).await.expect("a store retries");
    assert_eq!(lanes(rig, None, 10).await, [Lane::deliver(tenant("a"), webhook_id(3))]);
}

pub async fn pages_of_lanes_visit_each_once(rig: &mut StoreRig) {
    let mut expected = Vec::new();
    for (n, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
        rig.send(of(name, n), &[webhook_id(n), webhook_id(100 - n)]).await;
        expected.push(Lane::deliver(tenant(name), webhook_id(n)));
        expected.push(Lane::deliver(tenant(name), webhook_id(100 - n)));
        rig.keep(of(name, n + 50)).await;
        expected.push(Lane::fan_out(tenant(name)));
    }
    expected.sort();
    for limit in 1..=16 {
        let (mut visited, mut after) = (Vec::new(), None);
        loop {
            let page = lanes(rig, after.as_ref(), limit).await;
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last().cloned() else { break };
            visited.extend(page);
            after = Some(last);
        }
        visited.sort();
        assert_eq!(visited, expected, "with pages of {limit}");
    }
}

pub async fn a_lane_of_many_items_is_one_lane(rig: &mut StoreRig) {
    for n in 1..=20 {
        rig.send_one(event(n)).await;
        rig.keep(event(n + 100)).await;
    }
    let expected = [Lane::fan_out(tenant("a")), Lane::deliver(tenant("a"), webhook_id(1))];
    assert_eq!(lanes(rig, None, 10).await, expected);
    assert_eq!(lanes(rig, Some(&expected[0]), 10).await, expected[1..]);
    assert_eq!(lanes(rig, Some(&expected[1]), 10).await, []);
}

pub async fn unfinished_events_come_in_order_of_publishing(rig: &mut StoreRig) {
    // Not that of their ids: publishers on several machines make those.
    let mut seqs = Vec::new();
    for n in [3, 1, 2] {
        seqs.push(rig.keep(event(n)).await);
    }
    rig.keep(of("b", 9)).await;
    let waiting = unfinished(rig, &Lane::fan_out(tenant("a")), 10).await;
    let found: Vec<_> = waiting.iter().map(|waiting| (waiting.event, waiting.seq)).collect();
    assert_eq!(found, seqs);
    assert!(waiting.iter().all(|waiting| waiting.due <= at(1) && !waiting.retry));
    assert_eq!(unfinished(rig, &Lane::fan_out(tenant("a")), 2).await, waiting[..2]);
}

pub async fn unfinished_deliveries_come_by_due_time_then_order_of_publishing(rig: &mut StoreRig) {
    let mut ids = Vec::new();
    for n in [4, 3, 2, 1] {
        ids.push(rig.send_one(NewEvent { accepted_at: at(100), ..event(n) }).await);
    }
    rig.write_down(failure(ids[0], 0, at(9_000))).await;
    rig.write_down(failure(ids[1], 0, at(8_000))).await;
    let lane = Lane::deliver(tenant("a"), webhook_id(1));
    let waiting = unfinished(rig, &lane, 10).await;
    let found: Vec<_> = waiting.iter().map(|w| (w.event, w.due, w.retry)).collect();
    let expected = [
        (ids[2].event, at(100), false),
        (ids[3].event, at(100), false),
        (ids[1].event, at(8_000), true),
        (ids[0].event, at(9_000), true),
    ];
    assert_eq!(found, expected);
    assert!(waiting[0].seq < waiting[1].seq);
    assert_eq!(unfinished(rig, &lane, 3).await, waiting[..3]);
}

pub async fn finished_deliveries_are_left_out(rig: &mut StoreRig) {
    let ids = [rig.send_one(event(1)).await, rig.send_one(event(2)).await];
    rig.send_one(event(3)).await;
    rig.write_down(success(ids[0], 0)).await;
    rig.cancel(ids[1], at(50)).await.expect("a store cancels");
    let lane = Lane::deliver(tenant("a"), webhook_id(1));
    let waiting = unfinished(rig, &lane, 10).await;
    assert_eq!(waiting.iter().map(|w| w.event).collect::<Vec<_>>(), [event_uid(3)]);
}

pub async fn a_delivery_asked_for_by_hand_is_due_at_once(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    rig.retry(id, at(50)).await.expect("a store retries");
    let lane = Lane::deliver(tenant("a"), webhook_id(1));
    let waiting = unfinished(rig, &lane, 10).await;
    assert!(waiting[0].due <= at(50) && waiting[0].retry);
}

pub async fn an_unknown_lane_has_nothing_unfinished(rig: &mut StoreRig) {
    let id: DeliveryId = rig.send_one(event(1)).await;
    rig.keep(event(2)).await;
    assert_eq!(unfinished(rig, &Lane::fan_out(tenant("z")), 10).await, []);
    let other = Lane::deliver(tenant("a"), webhook_id(9));
    assert_eq!(unfinished(rig, &other, 10).await, []);
    assert_eq!(unfinished(rig, &Lane::deliver(tenant("a"), id.webhook), 0).await, []);
}
