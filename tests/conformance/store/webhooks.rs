//! Keeping webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use model::payload::PayloadFormat;
use model::retry::Plan;
use model::secret::Sealed;
use model::signature::Scheme;
use model::webhook::{EventTypes, HeaderValue, Method, Webhook, WebhookSecret, WebhookStatus};
use store::Saved;

use super::{at, at_once, event, tenant, url, webhook, webhook_id};
use crate::drivers::StoreRig;

async fn read(rig: &StoreRig, n: u16) -> Option<Webhook> {
    rig.webhooks(&[webhook_id(n)]).await.expect("a store reads").pop()
}

async fn update(rig: &StoreRig, webhook: Webhook) -> Saved {
    rig.update_webhook(webhook).await.expect("a store updates")
}

async fn delete(rig: &StoreRig, n: u16) -> bool {
    rig.delete_webhook(webhook_id(n)).await.expect("a store deletes")
}

fn with_url(n: u16, text: &str) -> Webhook {
    let mut webhook = webhook(n);
    webhook.config.url = url(text);
    webhook
}

fn assert_same(left: &Webhook, right: &Webhook) {
    let parts = |w: &Webhook| {
        let ids = (w.id, w.tenant.clone(), w.registered_version, w.version);
        let state = (w.status, w.status_reason.clone(), w.created_at, w.updated_at);
        (ids, state, w.config.clone(), w.secrets.clone())
    };
    assert_eq!(parts(left), parts(right));
}

pub async fn a_webhook_is_kept_as_it_was_given(rig: &mut StoreRig) {
    let mut given = Webhook {
        status: WebhookStatus::Disabled,
        status_reason: Some("who knows \u{1f937}".into()),
        updated_at: at(77),
        ..webhook(1)
    };
    given.secrets.push(WebhookSecret {
        sealed: Sealed(vec![9; 90]),
        created_at: at(2),
        expires_at: Some(at(3)),
    });
    let config = &mut given.config;
    config.url = url("https://example.com:8443/a%20b?token=\u{e9}&c=d");
    config.event_types = EventTypes::parse(&["order.*".into(), "a".into()]).expect("patterns");
    config.description = Some("\"quoted\"\n".into());
    config.metadata = BTreeMap::from([("\u{fc}".into(), "'; DROP TABLE webhooks; --".into())]);
    config.method = Method::Patch;
    config.headers = BTreeMap::from([
        ("x-team".into(), HeaderValue::Plain("a b".into())),
        ("authorization".into(), HeaderValue::Sealed(Sealed(vec![0, 1, 2]))),
    ]);
    config.signature = Scheme::Jwt;
    config.payload_format = PayloadFormat::Raw;
    config.retry.plan = Plan::Schedule { delays: vec![Duration::from_millis(1_500)] };
    config.retry.final_statuses = vec![404, 410];
    config.timeout = Duration::from_millis(2_345);
    config.max_in_flight = 256;
    let saved = rig.register(given.clone()).await;
    assert_eq!((saved.registered_version, saved.version), (1, 1));
    assert_same(&saved, &Webhook { registered_version: 1, version: 1, ..given });
    assert_same(&read(rig, 1).await.expect("it was registered"), &saved);
    rig.reopen().await;
    assert_same(&read(rig, 1).await.expect("it was registered"), &saved);
}

pub async fn a_url_is_taken_once_a_tenant(rig: &mut StoreRig) {
    rig.register(with_url(1, "https://example.com/x")).await;
    let second = with_url(2, "https://example.com/x");
    let refused = rig.insert_webhook(second.clone()).await.expect("a store registers");
    assert!(matches!(refused, Saved::UrlTaken(id) if id == webhook_id(1)), "{refused:?}");
    assert!(read(rig, 2).await.is_none());
    assert_eq!(rig.version("a").await, 1);
    rig.register(Webhook { tenant: tenant("b"), ..second }).await;
    rig.register(with_url(3, "https://example.com/X")).await;
}

pub async fn an_update_replaces_and_counts(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let mut changed = Webhook {
        status: WebhookStatus::Paused,
        status_reason: Some("a reason".into()),
        updated_at: at(99),
        secrets: Vec::new(),
        ..first.clone()
    };
    changed.config.description = Some("new".into());
    let saved = rig.change(changed.clone()).await;
    assert_same(&saved, &Webhook { version: first.version + 1, ..changed });
    assert_eq!(saved.registered_version, first.registered_version);
    assert_same(&read(rig, 1).await.expect("it is there"), &saved);
}

pub async fn an_update_of_an_old_version_is_stale(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let second = rig.set_status(&first, WebhookStatus::Paused).await;
    assert!(matches!(update(rig, first).await, Saved::Stale));
    assert_same(&read(rig, 1).await.expect("it is there"), &second);
    let unknown = Webhook { version: 1, ..webhook(2) };
    assert!(matches!(update(rig, unknown).await, Saved::Stale));
    delete(rig, 1).await;
    assert!(matches!(update(rig, second).await, Saved::Stale));
}

pub async fn an_update_to_a_taken_url_is_refused(rig: &mut StoreRig) {
    let taken = rig.register(webhook(1)).await;
    let mut moving = rig.register(webhook(2)).await;
    moving.config.url = taken.config.url.clone();
    let refused = update(rig, moving.clone()).await;
    assert!(matches!(refused, Saved::UrlTaken(id) if id == taken.id), "{refused:?}");
    assert_eq!(read(rig, 2).await.expect("it is there").config.url, webhook(2).config.url);
    delete(rig, 1).await;
    assert_eq!(rig.change(moving).await.config.url, taken.config.url);
}

pub async fn an_update_may_keep_or_change_its_url(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let mut second = rig.change(first.clone()).await;
    second.config.url = url("https://example.com/elsewhere");
    rig.change(second).await;
    let found = |text: &'static str| async {
        rig.webhook_at(&tenant("a"), text).await.expect("a store reads").map(|found| found.id)
    };
    assert_eq!(found("https://example.com/elsewhere").await, Some(first.id));
    assert_eq!(found("https://example.com/1").await, None);
    rig.register(with_url(2, "https://example.com/1")).await;
}

pub async fn of_two_updates_at_once_one_is_stale(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let updates = at_once((1..=10).map(|n| {
        let (store, webhook) = (rig.shared(), Webhook { updated_at: at(n), ..first.clone() });
        async move { store.update_webhook(webhook).await.expect("a store updates") }
    }))
    .await;
    let count = |wanted: fn(&Saved) -> bool| updates.iter().filter(|saved| wanted(saved)).count();
    assert_eq!(count(|saved| matches!(saved, Saved::Saved(_))), 1);
    assert_eq!(count(|saved| matches!(saved, Saved::Stale)), 9);
    assert_eq!(rig.version("a").await, 2);
}

pub async fn a_deleted_webhook_is_gone(rig: &mut StoreRig) {
    let registered = rig.register(webhook(1)).await;
    assert!(delete(rig, 1).await);
    assert!(!delete(rig, 1).await);
    assert!(!delete(rig, 9).await);
    assert!(read(rig, 1).await.is_none());
    let url = registered.config.url.as_str();
    assert!(rig.webhook_at(&tenant("a"), url).await.expect("a store reads").is_none());
    assert!(rig.registry(&tenant("a"), 0).await.expect("a registry").webhooks.is_empty());
    let listed = rig.list_webhooks(Default::default(), None, 10).await.expect("a store lists");
    assert!(listed.is_empty());
}

pub async fn a_deleted_webhook_frees_its_url(rig: &mut StoreRig) {
    for n in 1..=3 {
        rig.register(with_url(n, "https://example.com/x")).await;
        assert!(delete(rig, n).await);
    }
    let last = rig.register(with_url(4, "https://example.com/x")).await;
    let found = rig.webhook_at(&tenant("a"), "https://example.com/x").await;
    assert_same(&found.expect("a store reads").expect("it is there"), &last);
}

pub async fn deliveries_of_a_deleted_webhook_stay_on_record(rig: &mut StoreRig) {
    rig.register(webhook(1)).await;
    let id = rig.send_one(event(1)).await;
    rig.write_down(super::failure(id, 0, at(9_000))).await;
    let before = rig.see(id).await;
    delete(rig, 1).await;
    assert_eq!(rig.see(id).await, before);
    assert_eq!(rig.attempts_of(id).await.len(), 1);
}

pub async fn webhooks_are_read_by_their_ids(rig: &mut StoreRig) {
    for n in 1..=3 {
        rig.register(webhook(n)).await;
    }
    let asked = [webhook_id(3), webhook_id(9), webhook_id(1)];
    let mut found: Vec<_> =
        rig.webhooks(&asked).await.expect("a store reads").iter().map(|w| w.id).collect();
    found.sort_unstable();
    assert_eq!(found, [webhook_id(1), webhook_id(3)]);
}

pub async fn webhooks_are_found_by_their_url(rig: &mut StoreRig) {
    let registered = rig.register(webhook(1)).await;
    let url = registered.config.url.as_str();
    let of_a = rig.webhook_at(&tenant("a"), url).await.expect("a store reads");
    assert_same(&of_a.expect("it is there"), &registered);
    assert!(rig.webhook_at(&tenant("b"), url).await.expect("a store reads").is_none());
}

pub async fn of_many_registered_at_once_one_has_the_url(rig: &mut StoreRig) {
    let results = at_once((1..=20).map(|n| {
        let (store, webhook) = (rig.shared(), with_url(n, "https://example.com/x"));
        async move { store.insert_webhook(webhook).await.expect("a store registers") }
    }))
    .await;
    let saved: Vec<_> = results
        .iter()
        .filter_map(|saved| match saved {
            Saved::Saved(webhook) => Some(webhook.id),
            Saved::UrlTaken(_) | Saved::Stale => None,
        })
        .collect();
    assert_eq!(saved.len(), 1);
    let taken = |s: &&Saved| matches!(s, Saved::UrlTaken(id) if *id == saved[0]);
    assert_eq!(results.iter().filter(taken).count(), 19);
}
