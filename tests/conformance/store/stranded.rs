//! Deliveries that no sending will end.

use std::time::Duration;

use model::delivery::EndedBy;
use model::id::DeliveryId;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use store::{Outcome, Stranded};

use super::{at, end, event, failure, success, webhook, webhook_id};
use crate::drivers::StoreRig;

const MAX_AGE: Duration = Duration::from_secs(60);

async fn stranded(rig: &StoreRig) -> Vec<Stranded> {
    rig.stranded(100).await.expect("a store sweeps")
}

/// What of the first webhook is older than `MAX_AGE` by `now`.
async fn outlived(rig: &StoreRig, now: Timestamp) -> Vec<Stranded> {
    rig.outlived(webhook_id(1), now - MAX_AGE, 100).await.expect("a store sweeps")
}

/// A webhook whose deliveries grow old soon.
async fn registered(rig: &StoreRig, n: u16) -> Webhook {
    let mut webhook = webhook(n);
    webhook.config.retry.max_age = MAX_AGE;
    rig.register(webhook).await
}

fn ended_by(stranded: &[Stranded], by: EndedBy) -> Vec<DeliveryId> {
    assert!(stranded.iter().all(|stranded| stranded.ended_by == by), "{stranded:?}");
    let mut ids: Vec<_> = stranded.iter().map(|stranded| stranded.delivery).collect();
    ids.sort_unstable();
    ids
}

pub async fn nothing_of_an_active_webhook_is_stranded(rig: &mut StoreRig) {
    registered(rig, 1).await;
    rig.send_one(event(1)).await;
    assert_eq!(stranded(rig).await, []);
}

pub async fn deliveries_of_a_disabled_webhook_are_stranded(rig: &mut StoreRig) {
    let webhook = registered(rig, 1).await;
    registered(rig, 2).await;
    let ids = rig.send(event(1), &[webhook_id(1), webhook_id(2)]).await;
    let retrying = rig.send_one(event(2)).await;
    let over = rig.send_one(event(3)).await;
    rig.write_down(failure(retrying, 0, at(900_000))).await;
    rig.write_down(success(over, 0)).await;
    assert_eq!(stranded(rig).await, []);
    rig.set_status(&webhook, WebhookStatus::Disabled).await;
    let found = stranded(rig).await;
    assert_eq!(ended_by(&found, EndedBy::Disabled), [ids[0], retrying]);
    let of_retrying = found.iter().find(|stranded| stranded.delivery == retrying);
    assert_eq!(of_retrying.map(|stranded| stranded.attempts), Some(1));
}

pub async fn deliveries_of_a_webhook_disabled_by_an_answer_are_stranded(rig: &mut StoreRig) {
    registered(rig, 1).await;
    let (gone, waiting) = (rig.send_one(event(1)).await, rig.send_one(event(2)).await);
    let ended = Outcome { disable_webhook: Some("gone".into()), ..success(gone, 0) };
    rig.write_down(ended).await;
    assert_eq!(ended_by(&stranded(rig).await, EndedBy::Disabled), [waiting]);
}

pub async fn deliveries_of_a_deleted_webhook_are_stranded(rig: &mut StoreRig) {
    let (active, paused) = (registered(rig, 1).await, registered(rig, 2).await);
    rig.set_status(&paused, WebhookStatus::Paused).await;
    let ids = rig.send(event(1), &[active.id, paused.id]).await;
    for webhook in [active, paused] {
        assert!(rig.delete_webhook(webhook.id).await.expect("a store deletes"));
    }
    assert_eq!(ended_by(&stranded(rig).await, EndedBy::WebhookDeleted), ids);
}

pub async fn deliveries_outlive_their_age_whatever_holds_them(rig: &mut StoreRig) {
    for status in [WebhookStatus::Active, WebhookStatus::Paused] {
        let n = if status == WebhookStatus::Active { 1 } else { 2 };
        let webhook = registered(rig, n).await;
        rig.set_status(&webhook, status).await;
    }
    let both = rig.send(event(1_000), &[webhook_id(1), webhook_id(2)]).await;
    let ids = [both[0], rig.send(event(2_000), &[webhook_id(1)]).await[0]];
    let late_due = rig.send(event(3_000), &[webhook_id(1)]).await[0];
    rig.write_down(failure(late_due, 0, at(3_000) + MAX_AGE / 2)).await;
    assert_eq!(outlived(rig, at(500) + MAX_AGE).await, []);
    let found = outlived(rig, at(1_500) + MAX_AGE).await;
    assert_eq!(ended_by(&found, EndedBy::Age), [ids[0]]);
    let found = outlived(rig, at(3_500) + MAX_AGE).await;
    assert_eq!(ended_by(&found, EndedBy::Age), [ids[0], ids[1], late_due]);
    let of_paused = rig.outlived(webhook_id(2), at(1_500), 100).await.expect("a store sweeps");
    assert_eq!(ended_by(&of_paused, EndedBy::Age), [both[1]]);
    let few = rig.outlived(webhook_id(1), at(3_500), 2).await.expect("a store sweeps");
    assert_eq!(few.len(), 2);
    // Begun anew, it is young; asked for by hand, it is sent first.
    rig.cancel(ids[0], at(4_000)).await.expect("a store cancels");
    rig.retry(ids[0], at(5_000)).await.expect("a store retries");
    rig.retry(late_due, at(5_000)).await.expect("a store retries");
    let found = outlived(rig, at(3_500) + MAX_AGE).await;
    assert_eq!(ended_by(&found, EndedBy::Age), [ids[1]]);
    // What ended has outlived nothing.
    rig.write_down(success(ids[1], 0)).await;
    assert_eq!(outlived(rig, at(3_500) + MAX_AGE).await, []);
}

pub async fn stranded_deliveries_come_up_to_a_limit(rig: &mut StoreRig) {
    let webhooks = [registered(rig, 1).await, registered(rig, 2).await];
    for n in 1..=4 {
        rig.send(event(n), &webhooks.each_ref().map(|webhook| webhook.id)).await;
    }
    for webhook in webhooks {
        rig.set_status(&webhook, WebhookStatus::Disabled).await;
    }
    assert_eq!(rig.stranded(3).await.expect("a store sweeps").len(), 3);
    assert_eq!(rig.stranded(6).await.expect("a store sweeps").len(), 6);
    assert_eq!(stranded(rig).await.len(), 8);
}

pub async fn ended_they_are_stranded_no_more(rig: &mut StoreRig) {
    let webhook = registered(rig, 1).await;
    for n in 1..=5 {
        rig.send_one(event(n)).await;
    }
    rig.set_status(&webhook, WebhookStatus::Disabled).await;
    let mut ended = 0;
    loop {
        let found = rig.stranded(2).await.expect("a store sweeps");
        if found.is_empty() {
            break;
        }
        for stranded in found {
            let over = end(stranded.delivery, stranded.attempts, stranded.ended_by);
            assert!(rig.write_down(over).await.applied);
            ended += 1;
        }
    }
    assert_eq!(ended, 5);
}

pub async fn a_webhook_that_is_active_again_strands_nothing(rig: &mut StoreRig) {
    let webhook = registered(rig, 1).await;
    rig.send_one(event(1)).await;
    let disabled = rig.set_status(&webhook, WebhookStatus::Disabled).await;
    assert_eq!(stranded(rig).await.len(), 1);
    rig.set_status(&disabled, WebhookStatus::Active).await;
    assert_eq!(stranded(rig).await, []);
}

/// Once more after it was seen that nothing is stranded.
pub async fn what_strands_later_is_found_too(rig: &mut StoreRig) {
    let webhook = registered(rig, 1).await;
    rig.send_one(event(1_000)).await;
    let disabled = rig.set_status(&webhook, WebhookStatus::Disabled).await;
    for stranded in stranded(rig).await {
        rig.write_down(end(stranded.delivery, 0, stranded.ended_by)).await;
    }
    assert_eq!(stranded(rig).await, []);
    let active = rig.set_status(&disabled, WebhookStatus::Active).await;
    rig.send_one(event(2_000)).await;
    rig.set_status(&active, WebhookStatus::Disabled).await;
    assert_eq!(stranded(rig).await.len(), 1);
}
