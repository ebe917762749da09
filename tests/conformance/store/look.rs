//! One event, one delivery.

use std::sync::Arc;

use model::attempt::Attempt;
use model::delivery::Status;
use model::event::NewEvent;
use model::id::DeliveryId;
use store::{Delivery, Store};

use super::{at, event, event_type, event_uid, failure, numbers, tenant, webhook_id};
use crate::drivers::StoreRig;

fn chosen(name: &str, n: u16, id: &str) -> NewEvent {
    let timestamp = Some("2026-08-22T10:00:00Z".into());
    NewEvent { tenant: tenant(name), id: Some(id.into()), timestamp, ..event(n) }
}

pub async fn an_event_is_found_by_its_own_id(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    rig.keep(chosen("b", 2, "x")).await;
    for n in [1, 2] {
        let id = event_uid(n).to_string();
        let found = rig.event(&tenant("a"), &id).await.expect("a store looks");
        assert_eq!(found.map(|event| event.uid), Some(event_uid(n)));
    }
}

pub async fn an_event_is_found_by_the_id_its_publisher_chose(rig: &mut StoreRig) {
    let given = chosen("a", 1, "order-1");
    rig.keep(given.clone()).await;
    rig.keep(chosen("b", 2, "order-1")).await;
    rig.keep(NewEvent { idempotency_key: Some("k".into()), ..event(3) }).await;
    let find = |name: &'static str, id: &'static str| async {
        rig.event(&tenant(name), id).await.expect("a store looks")
    };
    let found = find("a", "order-1").await.expect("it was kept");
    assert_eq!((found.uid, found.tenant), (given.uid, given.tenant));
    assert_eq!((found.chosen_id, found.event_type), (given.id, given.event_type));
    assert_eq!((found.given_timestamp, found.accepted_at), (given.timestamp, given.accepted_at));
    assert_eq!(found.data, given.data);
    assert_eq!(find("b", "order-1").await.map(|event| event.uid), Some(event_uid(2)));
    assert!(find("c", "order-1").await.is_none());
    assert!(find("a", "k").await.is_none());
}

pub async fn a_delivery_is_shown_as_it_stands(rig: &mut StoreRig) {
    let given = NewEvent { event_type: event_type("a.b"), ..chosen("b", 5, "x") };
    let (uid, seq) = rig.keep(given).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    rig.chunk(&row, &[webhook_id(1)], false).await;
    let id = DeliveryId { event: uid, webhook: webhook_id(1) };
    let expected = Delivery {
        id,
        tenant: tenant("b"),
        event_id: "x".into(),
        event_type: event_type("a.b"),
        seq,
        status: Status::Pending,
        ended_by: None,
        attempts: 0,
        by_hand: false,
        accepted_at: at(5),
        opened_at: at(5),
        due: at(5),
        ended_at: None,
        last: None,
    };
    assert_eq!(rig.see(id).await, expected);
    let unnamed = rig.send_one(event(6)).await;
    assert_eq!(rig.see(unnamed).await.event_id, event_uid(6).to_string());
}

pub async fn a_delivery_is_shown_with_its_attempts(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    for attempts in 0..3 {
        rig.write_down(failure(id, attempts, at(9_000))).await;
    }
    let (delivery, attempts) = history(&rig.shared(), id, 10).await.expect("it is there");
    assert_eq!((delivery, attempts), (rig.see(id).await, rig.attempts_of(id).await));
    let (_, first) = history(&rig.shared(), id, 2).await.expect("it is there");
    assert_eq!(numbers(&first), [1, 2]);
}

/// While attempts are recorded, whoever looks sees as many as the delivery counts.
pub async fn a_delivery_and_its_attempts_are_of_one_moment(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let store = rig.shared();
    let recording = tokio::spawn(async move {
        for attempts in 0..60 {
            let outcomes = vec![failure(id, attempts, at(9_000))];
            store.record(outcomes.into()).await.expect("a store records");
        }
    });
    while !recording.is_finished() {
        let (delivery, attempts) = history(&rig.shared(), id, 100).await.expect("it is there");
        assert_eq!(attempts.len(), delivery.attempts as usize);
    }
    recording.await.expect("no panic");
}

async fn history(
    store: &Arc<dyn Store>,
    id: DeliveryId,
    limit: u32,
) -> Option<(Delivery, Vec<Attempt>)> {
    store.history(id, limit).await.expect("a store looks")
}

pub async fn what_does_not_exist_is_not_found(rig: &mut StoreRig) {
    rig.send_one(event(1)).await;
    let id = event_uid(2).to_string();
    assert!(rig.event(&tenant("a"), &id).await.expect("a store looks").is_none());
    assert!(rig.event(&tenant("a"), "").await.expect("a store looks").is_none());
    let other = DeliveryId { event: event_uid(1), webhook: webhook_id(2) };
    assert_eq!(rig.delivery(other).await.expect("a store looks"), None);
    assert_eq!(rig.attempts_of(other).await, []);
    assert_eq!(history(&rig.shared(), other, 10).await, None);
}
