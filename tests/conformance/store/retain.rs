//! What is kept, and for how long.

use std::time::Duration;

use model::event::NewEvent;
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::time::Timestamp;
use store::Accepted;

use super::{at, event, success, tenant, webhook_id};
use crate::drivers::StoreRig;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn day(n: u32) -> Timestamp {
    at(0) + DAY * n
}

/// The n-th event of a day.
fn of_day(days: u32, n: u8) -> NewEvent {
    let accepted_at = day(days) + Duration::from_millis(n.into());
    let uid = EventUid(Uid::new(accepted_at.millis(), &[n; 10]));
    NewEvent { uid, accepted_at, id: Some(format!("e-{days}-{n}")), ..event(1) }
}

async fn sent(rig: &StoreRig, event: NewEvent) -> DeliveryId {
    rig.send(event, &[webhook_id(1)]).await[0]
}

async fn delivered(rig: &StoreRig, event: NewEvent) -> DeliveryId {
    let id = sent(rig, event).await;
    rig.write_down(success(id, 0)).await;
    id
}

/// Until there is no more.
async fn retain(rig: &StoreRig, since: Timestamp) {
    while rig.retain(since, 2).await.expect("a store forgets") {}
}

async fn is_there(rig: &StoreRig, id: DeliveryId) -> bool {
    let event = rig.event(&tenant("a"), &id.event.to_string()).await.expect("a store looks");
    let delivery = rig.delivery(id).await.expect("a store looks");
    assert_eq!(event.is_some(), delivery.is_some());
    assert_eq!(rig.attempts_of(id).await.is_empty(), delivery.is_none());
    event.is_some()
}

pub async fn what_is_old_and_finished_is_forgotten(rig: &mut StoreRig) {
    let mut old = Vec::new();
    for n in 1..=5 {
        old.push(delivered(rig, of_day(0, n)).await);
    }
    let young = delivered(rig, of_day(5, 1)).await;
    retain(rig, day(3)).await;
    for id in old {
        assert!(!is_there(rig, id).await);
    }
    assert!(is_there(rig, young).await);
    assert_eq!(
        rig.offer(of_day(5, 1)).await,
        Accepted::Duplicate { uid: young.event, id: "e-5-1".into() }
    );
}

pub async fn a_forgotten_id_may_be_used_again(rig: &mut StoreRig) {
    delivered(rig, NewEvent { idempotency_key: Some("key".into()), ..of_day(0, 1) }).await;
    retain(rig, day(3)).await;
    let again = NewEvent { id: Some("e-0-1".into()), ..of_day(5, 1) };
    let again = NewEvent { idempotency_key: Some("key".into()), data: "2".into(), ..again };
    assert!(matches!(rig.offer(again).await, Accepted::New { .. }));
}

pub async fn what_is_unfinished_is_kept_however_old(rig: &mut StoreRig) {
    let waiting = sent(rig, of_day(0, 1)).await;
    let (inbox, _) = rig.keep(of_day(1, 1)).await;
    retain(rig, day(3)).await;
    assert_eq!(rig.find(waiting).await.event.uid, waiting.event);
    assert!(rig.row(inbox).await.is_some());
    rig.write_down(success(waiting, 0)).await;
    retain(rig, day(3)).await;
    assert!(!is_there(rig, waiting).await);
}

pub async fn webhooks_and_counts_outlive_events(rig: &mut StoreRig) {
    let first = delivered(rig, of_day(0, 1)).await;
    let (_, before) = rig.keep(of_day(0, 2)).await;
    rig.fanned_out(vec![of_day(0, 2).uid]).await.expect("a fan-out ends");
    retain(rig, day(3)).await;
    let ids: [WebhookId; 1] = [first.webhook];
    assert_eq!(rig.webhooks(&ids).await.expect("a store reads").len(), 1);
    let (_, after) = rig.keep(of_day(5, 1)).await;
    assert!(after > before);
}
