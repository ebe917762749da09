//! A tenant's webhooks and the number of their changes.

use model::webhook::{Webhook, WebhookStatus};
use store::Registry;

use super::{event, saved, tenant, webhook, webhook_id};
use crate::drivers::StoreRig;

async fn read(rig: &StoreRig, name: &str) -> Registry {
    rig.registry(&tenant(name), 0).await.expect("a store has a registry")
}

pub async fn a_registry_that_nobody_changed_is_of_version_zero(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    let registry = read(rig, "a").await;
    assert_eq!(registry.version, 0);
    assert!(registry.webhooks.is_empty());
}

pub async fn every_change_grows_the_version(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    assert_eq!((first.version, rig.version("a").await), (1, 1));
    let second = rig.register(webhook(2)).await;
    assert_eq!((second.version, rig.version("a").await), (2, 2));
    let first = rig.set_status(&first, WebhookStatus::Paused).await;
    assert_eq!((first.version, first.registered_version), (3, 1));
    rig.delete_webhook(second.id).await.expect("a store deletes");
    assert_eq!(rig.version("a").await, 4);
    let third = rig.register(Webhook { id: webhook_id(3), ..webhook(2) }).await;
    assert_eq!((third.version, third.registered_version), (5, 5));
}

pub async fn what_changes_nothing_leaves_the_version(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let second = rig.set_status(&first, WebhookStatus::Paused).await;
    rig.update_webhook(first).await.expect("a store answers");
    rig.insert_webhook(Webhook { id: webhook_id(2), ..second }).await.expect("a store answers");
    rig.delete_webhook(webhook_id(9)).await.expect("a store answers");
    rig.send_one(event(1)).await;
    assert_eq!(rig.version("a").await, 2);
}

pub async fn a_registry_is_of_one_tenant(rig: &mut StoreRig) {
    rig.register(webhook(1)).await;
    rig.register(Webhook { tenant: tenant("b"), ..webhook(2) }).await;
    rig.register(webhook(3)).await;
    let ids = |registry: Registry| Vec::from_iter(registry.webhooks.iter().map(|w| w.id));
    assert_eq!((rig.version("a").await, rig.version("b").await), (2, 1));
    assert_eq!(ids(read(rig, "a").await), [webhook_id(1), webhook_id(3)]);
    assert_eq!(ids(read(rig, "b").await), [webhook_id(2)]);
}

pub async fn a_registry_is_in_order_of_ids(rig: &mut StoreRig) {
    for n in [5, 1, 4, 2, 3] {
        rig.register(webhook(n)).await;
    }
    let ids: Vec<_> = read(rig, "a").await.webhooks.iter().map(|w| w.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5].map(webhook_id));
}

/// While somebody registers, whoever reads sees as many webhooks as there were changes.
pub async fn a_registry_and_its_version_belong_together(rig: &mut StoreRig) {
    let store = rig.shared();
    let registering = tokio::spawn(async move {
        for n in 1..=60 {
            saved(store.insert_webhook(webhook(n)).await.expect("a store registers"));
        }
    });
    while !registering.is_finished() {
        let registry = read(rig, "a").await;
        assert_eq!(registry.webhooks.len() as u64, registry.version);
        let newest = registry.webhooks.iter().map(|webhook| webhook.version).max();
        assert_eq!(newest.unwrap_or(0), registry.version);
    }
    registering.await.expect("no panic");
    assert_eq!(rig.version("a").await, 60);
}

pub async fn what_changed_since_a_version_is_read_alone(rig: &mut StoreRig) {
    let mut webhooks = Vec::new();
    for n in 1..=4 {
        webhooks.push(rig.register(webhook(n)).await);
    }
    rig.register(Webhook { tenant: tenant("b"), ..webhook(9) }).await;
    rig.set_status(&webhooks[2], WebhookStatus::Paused).await;
    rig.delete_webhook(webhook_id(1)).await.expect("a store deletes");
    let since = async |rig: &StoreRig, version| {
        let read = rig.registry(&tenant("a"), version).await.expect("a store has a registry");
        let ids: Vec<_> = read.webhooks.iter().map(|webhook| webhook.id).collect();
        (read.version, ids, read.gone)
    };
    let (all, third) = ([2, 3, 4].map(webhook_id).to_vec(), vec![webhook_id(3)]);
    assert_eq!(since(rig, 0).await, (6, all, vec![]));
    assert_eq!(since(rig, 4).await, (6, third, vec![webhook_id(1)]));
    assert_eq!(since(rig, 5).await, (6, vec![], vec![webhook_id(1)]));
    assert_eq!(since(rig, 6).await, (6, vec![], vec![]));
}
