//! What is kept, and for how long.

use std::time::Duration;

use model::delivery::{EndedBy, Next};
use model::event::NewEvent;
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::time::Timestamp;
use store::Accepted;

use super::{answered, at, event, outcome, success, tenant, webhook_id};
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

/// How many deliveries are there, and how many attempts of them.
async fn left(rig: &StoreRig, ids: &[DeliveryId]) -> [usize; 2] {
    let (mut deliveries, mut attempts) = (0, 0);
    for id in ids {
        deliveries += usize::from(rig.delivery(*id).await.expect("a store looks").is_some());
        attempts += rig.attempts_of(*id).await.len();
    }
    [deliveries, attempts]
}

/// Of a day that has no place of its own in any store, so that it is not forgotten whole.
pub async fn an_event_of_many_deliveries_is_forgotten_a_part_at_a_time(rig: &mut StoreRig) {
    const PART: u32 = 4;
    let accepted_at = at(0) - DAY * 10;
    let uid = EventUid(Uid::new(accepted_at.millis(), &[1; 10]));
    let many = NewEvent { uid, accepted_at, id: Some("many".into()), ..event(1) };
    let ids = rig.send(many, &(1..=10).map(webhook_id).collect::<Vec<_>>()).await;
    for id in &ids {
        rig.write_down(success(*id, 0)).await;
    }
    let mut before = left(rig, &ids).await;
    assert_eq!(before, [10, 10]);
    // More often than it can take.
    for _ in 0..20 {
        let more = rig.retain(day(3), PART).await.expect("a store forgets");
        let after = left(rig, &ids).await;
        let gone = std::array::from_fn::<_, 2, _>(|n| before[n] - after[n]);
        assert!(gone.iter().all(|gone| *gone <= PART as usize), "{before:?} {after:?}");
        // Whatever is left can be looked at by its event.
        let event = rig.event(&tenant("a"), &uid.to_string()).await.expect("a store looks");
        assert!(event.is_some() || after == [0, 0]);
        before = after;
        if !more {
            break;
        }
    }
    assert_eq!(before, [0, 0]);
    assert!(!is_there(rig, ids[0]).await);
}

pub async fn a_delivery_begun_anew_while_its_event_goes_is_kept(rig: &mut StoreRig) {
    let accepted_at = at(0) - DAY * 10;
    let uid = EventUid(Uid::new(accepted_at.millis(), &[1; 10]));
    let many = NewEvent { uid, accepted_at, id: Some("many".into()), ..event(1) };
    let ids = rig.send(many, &(1..=10).map(webhook_id).collect::<Vec<_>>()).await;
    for id in &ids {
        let failed = Next::End(EndedBy::Attempts);
        rig.write_down(outcome(*id, 0, answered(10, 500), failed)).await;
    }
    while left(rig, &ids).await == [10, 10] {
        assert!(rig.retain(day(3), 4).await.expect("a store forgets"));
    }
    let mut anew = None;
    for id in &ids {
        if !rig.attempts_of(*id).await.is_empty() {
            anew = rig.retry(*id, day(3)).await.expect("a store retries").map(|_| *id);
            break;
        }
    }
    let anew = anew.expect("only some went");
    retain(rig, day(3)).await;
    assert_eq!(rig.delivery(anew).await.expect("a store looks").map(|d| d.attempts), Some(1));
    assert_eq!(rig.attempts_of(anew).await.len(), 1);
    assert_eq!(rig.find(anew).await.event.uid, uid);
    rig.write_down(success(anew, 1)).await;
    retain(rig, day(3)).await;
    assert_eq!(left(rig, &ids).await, [0, 0]);
    assert!(!is_there(rig, anew).await);
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
