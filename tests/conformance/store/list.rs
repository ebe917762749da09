//! Lists, by filters and page by page, newest first.

use model::delivery::{EndedBy, Status};
use model::event::NewEvent;
use model::id::{DeliveryId, EventUid, WebhookId};
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use store::{DeliveryFilter, EventFilter, Most, WebhookFilter};

use super::{
    at, end, event, event_type, event_uid, failure, success, tenant, url, webhook, webhook_id,
};
use crate::drivers::StoreRig;

async fn events(rig: &StoreRig, filter: EventFilter) -> Vec<EventUid> {
    let listed =
        rig.list_events(filter, None, Most::found(100)).await.expect("a store lists").found;
    listed.into_iter().map(|event| event.uid).collect()
}

async fn deliveries(rig: &StoreRig, filter: DeliveryFilter) -> Vec<DeliveryId> {
    let listed =
        rig.list_deliveries(filter, None, Most::found(100)).await.expect("a store lists").found;
    listed.into_iter().map(|delivery| delivery.id).collect()
}

fn uids<const N: usize>(numbers: [u16; N]) -> [EventUid; N] {
    numbers.map(event_uid)
}

fn typed(n: u16, name: &str, kind: &str) -> NewEvent {
    NewEvent { tenant: tenant(name), event_type: event_type(kind), ..event(n) }
}

pub async fn events_are_listed_newest_first(rig: &mut StoreRig) {
    for n in [2, 1, 3] {
        rig.keep(event(n)).await;
    }
    let listed = rig
        .list_events(EventFilter::default(), None, Most::found(100))
        .await
        .expect("a store lists")
        .found;
    let numbers: Vec<_> = listed.iter().map(|event| event.uid).collect();
    assert_eq!(numbers, uids([3, 2, 1]));
    assert!(listed.iter().all(|event| event.data.is_empty()));
    assert_eq!(listed[0].accepted_at, at(3));
}

pub async fn events_are_listed_page_by_page(rig: &mut StoreRig) {
    for n in 1..=7 {
        rig.keep(event(n)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = rig
            .list_events(EventFilter::default(), after, Most::found(3))
            .await
            .expect("a store lists")
            .found;
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.uid);
        seen.extend(page.iter().map(|event| event.uid));
    }
    assert_eq!(seen, uids([7, 6, 5, 4, 3, 2, 1]));
}

pub async fn events_are_listed_by_what_they_are(rig: &mut StoreRig) {
    for (n, name, kind) in [(1, "a", "x.y"), (2, "a", "x"), (3, "b", "x"), (4, "b", "x.y")] {
        rig.keep(typed(n, name, kind)).await;
    }
    let all = EventFilter::default;
    let of_a = EventFilter { tenant: Some(tenant("a")), ..all() };
    let of_x = EventFilter { event_type: Some("x".into()), ..all() };
    let of_both = EventFilter { event_type: Some("x".into()), ..of_a.clone() };
    let late = EventFilter { since: Some(at(2)), ..of_a.clone() };
    assert_eq!(events(rig, of_a).await, uids([2, 1]));
    assert_eq!(events(rig, of_x).await, uids([3, 2]));
    assert_eq!(events(rig, of_both).await, uids([2]));
    assert_eq!(events(rig, late).await, uids([2]));
    let nobody = EventFilter { tenant: Some(tenant("z")), ..all() };
    assert_eq!(events(rig, nobody).await, []);
}

pub async fn events_are_listed_within_bounds_of_time(rig: &mut StoreRig) {
    for n in [1, 2, 3] {
        rig.keep(event(n)).await;
    }
    for (since, until, expected) in bounds() {
        let filter = EventFilter { since, until, ..EventFilter::default() };
        assert_eq!(events(rig, filter).await, expected, "{since:?} {until:?}");
    }
}

/// From `since` on, before `until`; events are at 1, 2 and 3 ms.
fn bounds() -> Vec<(Option<Timestamp>, Option<Timestamp>, Vec<EventUid>)> {
    let all = uids([3, 2, 1]);
    vec![
        (None, None, all.to_vec()),
        (Some(at(1)), Some(at(4)), all.to_vec()),
        (Some(at(2)), None, all[..2].to_vec()),
        (None, Some(at(2)), all[2..].to_vec()),
        (Some(at(2)), Some(at(3)), vec![event_uid(2)]),
        (Some(at(2)), Some(at(2)), Vec::new()),
        (Some(at(3)), Some(at(1)), Vec::new()),
        (Some(Timestamp(at(1).0 + 1)), Some(Timestamp(at(2).0 + 1)), vec![event_uid(2)]),
        (Some(Timestamp::default()), Some(Timestamp::MAX), all.to_vec()),
        (Some(Timestamp(-1)), Some(at(2)), all[2..].to_vec()),
    ]
}

/// Event 1 of tenant a for webhooks 1, 2; event 2 of a for 1; event 3 of b for 3; event 4 of a,
/// of another type, for 1 and 2. By status: 1→1 delivered, 1→2 failed, 2→1 retrying, 3→3
/// failed, 4→1 cancelled, 4→2 pending.
async fn some_deliveries(rig: &StoreRig) {
    let first = rig.send(typed(1, "a", "x"), &[webhook_id(1), webhook_id(2)]).await;
    let second = rig.send(typed(2, "a", "x"), &[webhook_id(1)]).await;
    let third = rig.send(typed(3, "b", "x"), &[webhook_id(3)]).await;
    let fourth = rig.send(typed(4, "a", "y"), &[webhook_id(1), webhook_id(2)]).await;
    rig.write_down(success(first[0], 0)).await;
    rig.write_down(end(first[1], 0, EndedBy::Age)).await;
    rig.write_down(failure(second[0], 0, at(9_000))).await;
    rig.write_down(end(third[0], 0, EndedBy::Gone)).await;
    rig.cancel(fourth[0], at(500)).await.expect("a store cancels");
}

fn ids<const N: usize>(pairs: [(u16, u16); N]) -> [DeliveryId; N] {
    pairs.map(|(event, to)| DeliveryId { event: event_uid(event), webhook: webhook_id(to) })
}

pub async fn deliveries_are_listed_newest_first_page_by_page(rig: &mut StoreRig) {
    some_deliveries(rig).await;
    let expected = ids([(4, 2), (4, 1), (3, 3), (2, 1), (1, 2), (1, 1)]);
    for limit in 1..=7 {
        assert_eq!(paged(rig, &DeliveryFilter::default(), limit).await, expected);
    }
}

async fn paged(rig: &StoreRig, filter: &DeliveryFilter, limit: u32) -> Vec<DeliveryId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = rig
            .list_deliveries(filter.clone(), after, Most::found(limit))
            .await
            .expect("a store lists")
            .found;
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return seen };
        after = Some(last.id);
        seen.extend(page.iter().map(|delivery| delivery.id));
    }
}

pub async fn deliveries_are_listed_by_each_filter(rig: &mut StoreRig) {
    some_deliveries(rig).await;
    let all = DeliveryFilter::default;
    let of_b = DeliveryFilter { tenant: Some(tenant("b")), ..all() };
    assert_eq!(deliveries(rig, of_b).await, ids([(3, 3)]));
    let to_1 = DeliveryFilter { webhook: Some(webhook_id(1)), ..all() };
    assert_eq!(deliveries(rig, to_1).await, ids([(4, 1), (2, 1), (1, 1)]));
    let of_1 = DeliveryFilter { event: Some(event_uid(1)), ..all() };
    assert_eq!(deliveries(rig, of_1).await, ids([(1, 2), (1, 1)]));
    let of_y = DeliveryFilter { event_type: Some("y".into()), ..all() };
    assert_eq!(deliveries(rig, of_y).await, ids([(4, 2), (4, 1)]));
}

pub async fn deliveries_are_listed_by_filters_together(rig: &mut StoreRig) {
    some_deliveries(rig).await;
    let filter = DeliveryFilter {
        tenant: Some(tenant("a")),
        statuses: vec![Status::Delivered, Status::Retrying, Status::Failed],
        webhook: Some(webhook_id(1)),
        event_type: Some("x".into()),
        ..DeliveryFilter::default()
    };
    assert_eq!(deliveries(rig, filter.clone()).await, ids([(2, 1), (1, 1)]));
    let early = DeliveryFilter { until: Some(at(2)), ..filter.clone() };
    assert_eq!(deliveries(rig, early).await, ids([(1, 1)]));
    let one = DeliveryFilter { event: Some(event_uid(2)), since: Some(at(2)), ..filter.clone() };
    assert_eq!(deliveries(rig, one).await, ids([(2, 1)]));
    let nothing = DeliveryFilter { tenant: Some(tenant("b")), ..filter };
    assert_eq!(deliveries(rig, nothing).await, []);
}

pub async fn deliveries_are_listed_by_their_statuses(rig: &mut StoreRig) {
    some_deliveries(rig).await;
    let expected: [(&[Status], &[DeliveryId]); 7] = [
        (&[Status::Pending], &ids([(4, 2)])),
        (&[Status::Retrying], &ids([(2, 1)])),
        (&[Status::Delivered], &ids([(1, 1)])),
        (&[Status::Failed], &ids([(3, 3), (1, 2)])),
        (&[Status::Cancelled], &ids([(4, 1)])),
        (&[Status::Pending, Status::Retrying], &ids([(4, 2), (2, 1)])),
        (&[Status::Failed, Status::Cancelled], &ids([(4, 1), (3, 3), (1, 2)])),
    ];
    for (statuses, expected) in expected {
        let filter = DeliveryFilter { statuses: statuses.to_vec(), ..DeliveryFilter::default() };
        assert_eq!(deliveries(rig, filter).await, expected, "{statuses:?}");
    }
    let failed_of_2 = DeliveryFilter {
        statuses: vec![Status::Failed],
        webhook: Some(webhook_id(2)),
        ..DeliveryFilter::default()
    };
    assert_eq!(deliveries(rig, failed_of_2).await, ids([(1, 2)]));
}

/// However few are looked at in one go, and whatever filters there are, nothing is left out or twice.
pub async fn a_list_that_is_broken_off_says_where_it_goes_on(rig: &mut StoreRig) {
    some_deliveries(rig).await;
    let of = |tenants: Option<&str>, kind: Option<&str>, statuses: &[Status]| DeliveryFilter {
        tenant: tenants.map(tenant),
        event_type: kind.map(Into::into),
        statuses: statuses.to_vec(),
        ..DeliveryFilter::default()
    };
    for (filter, expected) in [
        (of(Some("a"), Some("x"), &[]), ids([(2, 1), (1, 2), (1, 1)]).to_vec()),
        (of(Some("b"), Some("y"), &[]), vec![]),
        (of(Some("a"), None, &[Status::Failed]), ids([(1, 2)]).to_vec()),
        (of(None, Some("x"), &[Status::Failed]), ids([(3, 3), (1, 2)]).to_vec()),
        (of(None, Some("y"), &[Status::Delivered, Status::Pending]), ids([(4, 2)]).to_vec()),
        (
            of(None, None, &[Status::Failed, Status::Pending, Status::Retrying]),
            ids([(4, 2), (3, 3), (2, 1), (1, 2)]).to_vec(),
        ),
        (of(Some("a"), None, &[Status::Delivered]), ids([(1, 1)]).to_vec()),
    ] {
        for (found, looked_at) in [(1, 1), (2, 1), (2, 2), (1, 3), (9, 3)] {
            let most = Most { found, looked_at };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let listed = rig.list_deliveries(filter.clone(), after, most).await;
                let listed = listed.expect("a store lists");
                assert!(listed.found.len() <= found as usize);
                let last = listed.found.last().map(|delivery| delivery.id);
                seen.extend(listed.found.iter().map(|delivery| delivery.id));
                match listed.looked_until.or(last) {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "{filter:?} {most:?}");
        }
    }
}

pub async fn a_list_of_events_that_is_broken_off_says_where_it_goes_on(rig: &mut StoreRig) {
    for (n, name, kind) in
        [(1, "a", "x"), (2, "a", "y"), (3, "b", "x"), (4, "a", "y"), (5, "a", "x")]
    {
        rig.keep(typed(n, name, kind)).await;
    }
    for (name, kind, expected) in
        [("a", "x", uids([5, 1]).to_vec()), ("a", "y", uids([4, 2]).to_vec()), ("b", "y", vec![])]
    {
        let (tenant, event_type) = (Some(tenant(name)), Some(kind.into()));
        let filter = EventFilter { tenant, event_type, ..EventFilter::default() };
        for (found, looked_at) in [(1, 1), (2, 1), (9, 2)] {
            let most = Most { found, looked_at };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let listed = rig.list_events(filter.clone(), after, most).await;
                let listed = listed.expect("a store lists");
                let last = listed.found.last().map(|event| event.uid);
                seen.extend(listed.found.iter().map(|event| event.uid));
                match listed.looked_until.or(last) {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "{name} {kind} {most:?}");
        }
    }
}

/// Events that nobody wanted are looked at like all others, and no list is without an end.
pub async fn events_without_deliveries_are_looked_at_too(rig: &mut StoreRig) {
    let one = rig.send(typed(1, "a", "x"), &[webhook_id(1), webhook_id(2)]).await;
    for n in 2..=9 {
        rig.keep(typed(n, "a", "x")).await;
    }
    for (name, statuses) in [
        (None, vec![]),
        (None, vec![Status::Pending]),
        (Some("a"), vec![]),
        (Some("a"), vec![Status::Pending]),
    ] {
        let event_type = name.is_none().then(|| "x".to_owned());
        let tenant = name.map(tenant);
        let filter = DeliveryFilter { tenant, event_type, statuses, ..DeliveryFilter::default() };
        let most = Most { found: 5, looked_at: 3 };
        let (mut seen, mut after, mut reads) = (Vec::new(), None, 0);
        loop {
            let listed = rig.list_deliveries(filter.clone(), after, most).await;
            let listed = listed.expect("a store lists");
            reads += 1;
            seen.extend(listed.found.iter().map(|delivery| delivery.id));
            match listed.looked_until {
                Some(until) => after = Some(until),
                None => break,
            }
            assert!(reads < 20, "{filter:?} has no end");
        }
        assert_eq!(seen, [one[1], one[0]], "{filter:?}");
    }
    let quiet = DeliveryFilter { event_type: Some("x".into()), ..DeliveryFilter::default() };
    let most = Most { found: 5, looked_at: 3 };
    let listed = rig.list_deliveries(quiet, None, most).await.expect("a store lists");
    let until = listed.looked_until.map(|id| id.event);
    assert_eq!((listed.found.len(), until), (0, Some(event_uid(7))));
}

/// How far it was looked for a tenant is said of nobody else's.
pub async fn a_list_of_a_tenant_says_nothing_of_others(rig: &mut StoreRig) {
    for n in 1..=9 {
        let sent = rig.send(typed(n, "b", "secret"), &[webhook_id(1)]).await;
        rig.write_down(success(sent[0], 0)).await;
    }
    let most = Most { found: 5, looked_at: 2 };
    let of = |filter: DeliveryFilter| DeliveryFilter { tenant: Some(tenant("a")), ..filter };
    for filter in [
        of(DeliveryFilter { event_type: Some("secret".into()), ..DeliveryFilter::default() }),
        of(DeliveryFilter { webhook: Some(webhook_id(1)), ..DeliveryFilter::default() }),
        of(DeliveryFilter { statuses: vec![Status::Delivered], ..DeliveryFilter::default() }),
        of(DeliveryFilter {
            event_type: Some("secret".into()),
            statuses: vec![Status::Delivered, Status::Failed, Status::Pending],
            ..DeliveryFilter::default()
        }),
    ] {
        let listed = rig.list_deliveries(filter.clone(), None, most).await.expect("a store lists");
        assert_eq!((listed.found, listed.looked_until), (vec![], None), "{filter:?}");
    }
    let (tenant, event_type) = (Some(tenant("a")), Some("secret".to_owned()));
    let filter = EventFilter { tenant, event_type, ..EventFilter::default() };
    let listed = rig.list_events(filter, None, most).await.expect("a store lists");
    assert_eq!((listed.found, listed.looked_until), (vec![], None));
}

/// What goes from one status to another while a list is read is in it, once.
pub async fn a_list_by_statuses_is_of_one_moment(rig: &mut StoreRig) {
    let mut sent = Vec::new();
    for n in 1..=40 {
        sent.extend(rig.send(event(n), &[webhook_id(1)]).await);
    }
    let store = rig.shared();
    let ids = sent.clone();
    let changes = async move {
        for id in ids {
            store.record([end(id, 0, EndedBy::Age)].into()).await.expect("a store records");
            store.retry(id, at(50_000)).await.expect("a store retries");
        }
    };
    let lists = async {
        let statuses = vec![Status::Pending, Status::Retrying, Status::Failed, Status::Cancelled];
        let filter = DeliveryFilter { statuses, ..DeliveryFilter::default() };
        for _ in 0..60 {
            assert_eq!(deliveries(rig, filter.clone()).await.len(), sent.len());
        }
    };
    tokio::join!(changes, lists);
}

pub async fn deliveries_are_listed_within_bounds_of_time(rig: &mut StoreRig) {
    for n in [1, 2, 3] {
        rig.send_one(event(n)).await;
    }
    for (since, until, expected) in bounds() {
        let filter = DeliveryFilter { since, until, ..DeliveryFilter::default() };
        let listed: Vec<_> = deliveries(rig, filter).await.iter().map(|id| id.event).collect();
        assert_eq!(listed, expected, "{since:?} {until:?}");
    }
}

pub async fn filtered_lists_are_paged_too(rig: &mut StoreRig) {
    for n in 1..=6 {
        let to = [webhook_id(1), webhook_id(2), webhook_id(3)];
        let sent = rig.send(typed(n, "a", "x"), &to).await;
        rig.write_down(end(sent[1], 0, EndedBy::Age)).await;
        rig.write_down(end(sent[2], 0, EndedBy::Age)).await;
    }
    let filters = [
        DeliveryFilter { webhook: Some(webhook_id(2)), ..DeliveryFilter::default() },
        DeliveryFilter { statuses: vec![Status::Failed], ..DeliveryFilter::default() },
        DeliveryFilter { event: Some(event_uid(3)), ..DeliveryFilter::default() },
        DeliveryFilter {
            statuses: vec![Status::Failed],
            webhook: Some(webhook_id(3)),
            ..DeliveryFilter::default()
        },
        DeliveryFilter { since: Some(at(2)), until: Some(at(5)), ..DeliveryFilter::default() },
    ];
    for filter in filters {
        let whole = deliveries(rig, filter.clone()).await;
        assert!(!whole.is_empty());
        for limit in [1, 2, 5] {
            assert_eq!(paged(rig, &filter, limit).await, whole, "{filter:?}");
        }
    }
}

async fn webhooks(rig: &StoreRig, filter: &WebhookFilter, limit: u32) -> Vec<WebhookId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = rig.list_webhooks(filter.clone(), after, limit).await.expect("a store lists");
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return seen };
        after = Some(last.id);
        seen.extend(page.iter().map(|webhook| webhook.id));
    }
}

pub async fn webhooks_are_listed_newest_first_page_by_page(rig: &mut StoreRig) {
    for n in [3, 1, 4, 2, 5] {
        rig.register(webhook(n)).await;
    }
    rig.delete_webhook(webhook_id(4)).await.expect("a store deletes");
    for limit in 1..=5 {
        let listed = webhooks(rig, &WebhookFilter::default(), limit).await;
        assert_eq!(listed, [5, 3, 2, 1].map(webhook_id));
    }
}

pub async fn webhooks_are_listed_by_tenant_and_status(rig: &mut StoreRig) {
    let mut registered = Vec::new();
    for (n, name) in (1..).zip(["a", "a", "b", "b"]) {
        registered.push(rig.register(Webhook { tenant: tenant(name), ..webhook(n) }).await);
    }
    rig.set_status(&registered[1], WebhookStatus::Paused).await;
    rig.set_status(&registered[2], WebhookStatus::Paused).await;
    rig.set_status(&registered[3], WebhookStatus::Disabled).await;
    let (a, paused) = (Some(tenant("a")), Some(WebhookStatus::Paused));
    let disabled = Some(WebhookStatus::Disabled);
    for (tenant, status, expected) in [
        (a.clone(), None, vec![2, 1]),
        (None, paused, vec![3, 2]),
        (a.clone(), paused, vec![2]),
        (a.clone(), Some(WebhookStatus::Active), vec![1]),
        (a, disabled, vec![]),
        (None, disabled, vec![4]),
    ] {
        let filter = WebhookFilter { tenant, status, url_part: None };
        let expected: Vec<_> = expected.into_iter().map(webhook_id).collect();
        for limit in [1, 10] {
            assert_eq!(webhooks(rig, &filter, limit).await, expected, "{filter:?}");
        }
    }
}

pub async fn webhooks_are_found_by_a_part_of_their_url(rig: &mut StoreRig) {
    for (n, text) in
        (1..).zip(["https://a.example.com/Orders?token=abc", "https://b.example.com/%25"])
    {
        let mut webhook = webhook(n);
        webhook.config.url = url(text);
        rig.register(webhook).await;
    }
    for (part, expected) in [
        ("example.com", vec![2, 1]),
        ("A.EXAMPLE", vec![1]),
        ("orders", vec![1]),
        ("%", vec![2]),
        // What may be a credential is not to be guessed.
        ("token", vec![]),
        ("abc", vec![]),
        ("_", vec![]),
        ("\0", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(webhook_id).collect();
        for (tenant, expected) in
            [(None, &expected), (Some(tenant("a")), &expected), (Some(tenant("b")), &Vec::new())]
        {
            let filter =
                WebhookFilter { url_part: Some(part.into()), tenant, ..WebhookFilter::default() };
            assert_eq!(webhooks(rig, &filter, 10).await, *expected, "{part:?}");
        }
    }
}
