//! What a person asks for: one more attempt, a new beginning, an end.

use model::attempt::Trigger;
use model::delivery::{EndedBy, Next, Status};
use model::id::DeliveryId;
use store::{Delivery, Recorded};

use super::{
    answered, at, by_hand, end, event, event_uid, failure, numbers, outcome, success, webhook_id,
};
use crate::drivers::StoreRig;

async fn retry(rig: &StoreRig, id: DeliveryId, ms: i64) -> Delivery {
    rig.retry(id, at(ms)).await.expect("a store retries").expect("there is such a delivery")
}

async fn cancel(rig: &StoreRig, id: DeliveryId, ms: i64) -> Delivery {
    rig.cancel(id, at(ms)).await.expect("a store cancels").expect("there is such a delivery")
}

pub async fn a_waiting_delivery_is_asked_for_beside_its_plan(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let fresh = rig.see(id).await;
    assert_eq!(retry(rig, id, 50).await, fresh);
    assert_eq!(rig.see(id).await, Delivery { by_hand: true, ..fresh });
    let loaded = rig.find(id).await;
    assert_eq!((loaded.status, loaded.by_hand, loaded.due), (Status::Pending, true, at(1)));
    rig.write_down(failure(id, 0, at(9_000))).await;
    let again = retry(rig, id, 200).await;
    assert_eq!((again.by_hand, again.status), (true, Status::Retrying));
    let loaded = rig.find(id).await;
    assert_eq!((loaded.by_hand, loaded.due, loaded.planned), (true, at(9_000), 1));
}

pub async fn an_attempt_by_hand_leaves_the_plan_as_it_is(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    retry(rig, id, 200).await;
    let manual = by_hand(answered(210, 500));
    let recorded = rig.write_down(outcome(id, 1, manual, Next::Retry { due: at(9_000) })).await;
    assert_eq!(recorded, Recorded { applied: true, due: Some(at(9_000)) });
    let loaded = rig.find(id).await;
    assert_eq!((loaded.attempts, loaded.planned, loaded.by_hand), (2, 1, false));
    assert_eq!(loaded.due, at(9_000));
    let triggers: Vec<_> = rig.attempts_of(id).await.iter().map(|a| a.trigger).collect();
    assert_eq!(triggers, [Trigger::Schedule, Trigger::Manual]);
}

pub async fn asked_for_in_flight_it_is_due_at_once(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let sent = failure(id, 0, at(9_000));
    retry(rig, id, 102).await;
    let recorded = rig.write_down(sent).await;
    assert_eq!(recorded, Recorded { applied: true, due: Some(at(105)) });
    let loaded = rig.find(id).await;
    assert_eq!((loaded.by_hand, loaded.due, loaded.planned), (true, at(9_000), 1));
}

pub async fn an_end_clears_what_was_asked_for(rig: &mut StoreRig) {
    let ids = rig.send(event(1), &[1, 2, 3].map(webhook_id)).await;
    for id in &ids {
        retry(rig, *id, 50).await;
    }
    rig.write_down(success(ids[0], 0)).await;
    rig.write_down(end(ids[1], 0, EndedBy::Age)).await;
    cancel(rig, ids[2], 60).await;
    for id in ids {
        assert!(!rig.see(id).await.by_hand);
        assert!(!rig.find(id).await.by_hand);
    }
}

pub async fn an_ended_delivery_begins_anew(rig: &mut StoreRig) {
    let ids = rig.send(event(1), &[1, 2, 3].map(webhook_id)).await;
    rig.write_down(failure(ids[0], 0, at(500))).await;
    rig.write_down(outcome(ids[0], 1, answered(500, 500), Next::End(EndedBy::Attempts))).await;
    rig.write_down(end(ids[1], 0, EndedBy::Disabled)).await;
    cancel(rig, ids[2], 700).await;
    let expected = [
        (Status::Failed, Status::Retrying, 2),
        (Status::Failed, Status::Pending, 0),
        (Status::Cancelled, Status::Pending, 0),
    ];
    for (id, (before, after, attempts)) in ids.into_iter().zip(expected) {
        assert_eq!(retry(rig, id, 5_000).await.status, before);
        let loaded = rig.find(id).await;
        assert_eq!((loaded.status, loaded.attempts, loaded.planned), (after, attempts, 0));
        assert_eq!((loaded.due, loaded.opened_at), (at(5_000), at(5_000)));
        assert!(!loaded.by_hand);
        let seen = rig.see(id).await;
        assert_eq!((seen.ended_by, seen.ended_at, seen.accepted_at), (None, None, at(1)));
    }
}

pub async fn a_delivered_one_stays_delivered(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(success(id, 0)).await;
    let before = rig.see(id).await;
    assert_eq!(retry(rig, id, 5_000).await, before);
    assert_eq!(rig.see(id).await, before);
}

pub async fn retrying_leaves_attempts_on_record(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(outcome(id, 0, answered(10, 500), Next::End(EndedBy::Attempts))).await;
    retry(rig, id, 5_000).await;
    assert_eq!(rig.see(id).await.last.map(|last| last.at), Some(at(10)));
    // A worker that was at it when it ended is late, now as before.
    let late = outcome(id, 0, answered(20, 500), Next::Retry { due: at(30) });
    assert!(!rig.write_down(late).await.applied);
    rig.write_down(success(id, 1)).await;
    assert_eq!(numbers(&rig.attempts_of(id).await), [1, 2, 3]);
    assert_eq!(rig.see(id).await.status, Status::Delivered);
}

pub async fn a_waiting_delivery_is_cancelled(rig: &mut StoreRig) {
    let ids = rig.send(event(1), &[1, 2].map(webhook_id)).await;
    rig.write_down(failure(ids[1], 0, at(9_000))).await;
    for id in ids {
        let before = rig.see(id).await;
        assert_eq!(cancel(rig, id, 700).await, before);
        let seen = rig.see(id).await;
        assert_eq!((seen.status, seen.ended_by), (Status::Cancelled, Some(EndedBy::Cancelled)));
        assert_eq!((seen.ended_at, seen.attempts), (Some(at(700)), before.attempts));
        assert_eq!(rig.find(id).await.status, Status::Cancelled);
    }
}

pub async fn an_ended_delivery_is_not_cancelled(rig: &mut StoreRig) {
    let ids = rig.send(event(1), &[1, 2, 3].map(webhook_id)).await;
    rig.write_down(success(ids[0], 0)).await;
    rig.write_down(end(ids[1], 0, EndedBy::Age)).await;
    cancel(rig, ids[2], 700).await;
    for id in ids {
        let before = rig.see(id).await;
        assert_eq!(cancel(rig, id, 800).await, before);
        assert_eq!(rig.see(id).await, before);
    }
}

pub async fn what_does_not_exist_is_neither_retried_nor_cancelled(rig: &mut StoreRig) {
    let id = DeliveryId { event: event_uid(1), webhook: webhook_id(1) };
    assert_eq!(rig.retry(id, at(1)).await.expect("a store retries"), None);
    assert_eq!(rig.cancel(id, at(1)).await.expect("a store cancels"), None);
}

pub async fn cancelled_in_flight_it_stays_cancelled(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    cancel(rig, id, 102).await;
    let late = rig.write_down(failure(id, 0, at(9_000))).await;
    assert_eq!(late, Recorded { applied: false, due: None });
    assert_eq!(rig.see(id).await.status, Status::Cancelled);
    assert_eq!(numbers(&rig.attempts_of(id).await), [1]);
    // Begun anew, its next attempt does not take the place of the one on record.
    retry(rig, id, 5_000).await;
    assert_eq!(rig.see(id).await.status, Status::Retrying);
    let attempts = rig.find(id).await.attempts;
    rig.write_down(failure(id, attempts, at(9_000))).await;
    assert_eq!(numbers(&rig.attempts_of(id).await), [1, 2]);
}
