//! From an event to its deliveries.

use std::sync::Arc;

use model::delivery::Status;
use model::event::{Event, NewEvent};
use model::id::DeliveryId;
use model::webhook::WebhookStatus;
use store::{Accepted, Chunk, DeliveryFilter, InboxEvent, InboxRow, Lane, Most};

use super::{
    at, chunk, event, event_type, event_uid, failure, success, tenant, webhook, webhook_id,
};
use crate::drivers::StoreRig;

pub async fn an_accepted_event_is_still_to_fan_out(rig: &mut StoreRig) {
    let accepted = NewEvent { only_webhook: Some(webhook_id(7)), ..event(1) };
    let kept = Event {
        uid: accepted.uid,
        tenant: tenant("a"),
        chosen_id: accepted.id.clone(),
        event_type: event_type("order.paid"),
        given_timestamp: accepted.timestamp.clone(),
        accepted_at: at(1),
        data: accepted.data.clone(),
    };
    let (uid, seq) = rig.keep(accepted).await;
    let row = InboxRow {
        name: uid,
        tenant: tenant("a"),
        registry_version: 0,
        registry_now: 0,
        cursor: None,
        only_webhook: Some(webhook_id(7)),
        events: vec![InboxEvent {
            uid,
            seq,
            event_type: event_type("order.paid"),
            accepted_at: at(1),
            whole: Some(Arc::new(kept)),
        }],
    };
    assert_eq!(rig.row(uid).await.as_ref(), Some(&row));
    assert_eq!(rig.row(uid).await.as_ref(), Some(&row));
    rig.reopen().await;
    assert_eq!(rig.row(uid).await.as_ref(), Some(&row));
}

pub async fn the_inbox_has_the_registry_versions_of_acceptance_and_now(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    let registered = rig.register(webhook(1)).await;
    rig.keep(event(2)).await;
    rig.set_status(&registered, WebhookStatus::Paused).await;
    rig.keep(event(3)).await;
    rig.keep(NewEvent { tenant: tenant("b"), ..event(4) }).await;
    for _ in 0..2 {
        let (mut versions, mut now) = (Vec::new(), Vec::new());
        for n in 1..=4 {
            let row = rig.row(event_uid(n)).await.expect("it is to fan out");
            versions.push(row.registry_version);
            now.push(row.registry_now);
        }
        let changed = registered.version + 1;
        assert_eq!(versions, [0, registered.version, changed, 0]);
        assert_eq!(now, [changed, changed, changed, 0]);
        rig.reopen().await;
    }
}

pub async fn the_inbox_leaves_out_what_it_does_not_have(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    rig.keep(event(3)).await;
    let asked = [event_uid(1), event_uid(2), event_uid(3)];
    let mut found: Vec<_> =
        rig.inbox(&asked, false).await.expect("an inbox").into_iter().map(|row| row.name).collect();
    found.sort_unstable();
    assert_eq!(found, [event_uid(1), event_uid(3)]);
    assert_eq!(rig.inbox(&[], true).await.expect("an inbox"), []);
}

pub async fn a_fan_out_makes_deliveries_that_are_due(rig: &mut StoreRig) {
    let to = [webhook_id(1), webhook_id(2)];
    for id in rig.send(event(1), &to).await {
        let loaded = rig.find(id).await;
        assert_eq!((loaded.status, loaded.attempts, loaded.planned), (Status::Pending, 0, 0));
        assert_eq!((loaded.due, loaded.opened_at, loaded.by_hand), (at(1), at(1), false));
    }
}

pub async fn a_fan_out_with_more_to_come_moves_the_cursor(rig: &mut StoreRig) {
    let (uid, seq) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    rig.chunk(&row, &[webhook_id(1), webhook_id(2)], true).await;
    let second = rig.row(uid).await.expect("there is more");
    assert_eq!(second, InboxRow { cursor: Some((seq, webhook_id(2))), ..row });
    rig.chunk(&second, &[webhook_id(3)], true).await;
    let third = rig.row(uid).await.expect("there is more");
    assert_eq!(third.cursor, Some((seq, webhook_id(3))));
}

pub async fn a_fan_out_repeated_changes_nothing(rig: &mut StoreRig) {
    let (uid, seq) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    let to = [webhook_id(1), webhook_id(2)];
    for made in [2, 0] {
        assert_eq!(rig.chunk(&row, &to, true).await, made);
        let cursor = rig.row(uid).await.expect("there is more").cursor;
        assert_eq!(cursor, Some((seq, webhook_id(2))));
        let filter = DeliveryFilter { event: Some(uid), ..DeliveryFilter::default() };
        let made =
            rig.list_deliveries(filter, None, Most::found(10)).await.expect("a store lists").found;
        assert_eq!(made.len(), 2);
    }
}

pub async fn a_fan_out_says_how_many_deliveries_it_made(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    let to = [1, 2, 3].map(webhook_id);
    assert_eq!(rig.chunk(&row, &to[1..2], true).await, 1);
    assert_eq!(rig.chunk(&row, &to, true).await, 2);
    assert_eq!(rig.chunk(&row, &to, false).await, 0);
    assert_eq!(rig.chunk(&row, &[], false).await, 0);
}

/// Of every row, and of each event in it once.
async fn to_fan_out(rig: &StoreRig, accepted: &[Accepted]) -> Vec<InboxRow> {
    let names: Vec<_> = accepted
        .iter()
        .filter_map(|accepted| match accepted {
            Accepted::New { row, push: true, .. } => Some(*row),
            _ => None,
        })
        .collect();
    let rows = rig.inbox(&names, true).await.expect("an inbox");
    assert_eq!(rows.len(), names.len(), "what is to be pushed is there");
    rows
}

pub async fn events_accepted_together_are_each_in_one_row(rig: &mut StoreRig) {
    let test = |n| NewEvent { only_webhook: Some(webhook_id(7)), ..event(n) };
    let mut together: Vec<_> = (1..=70).map(event).collect();
    together.extend((71..=73).map(|n| NewEvent { tenant: tenant("b"), ..event(n) }));
    together.extend((74..=75).map(test));
    together.push(NewEvent { id: Some("e-1".into()), ..event(76) });
    together.push(NewEvent { uid: event_uid(77), ..together[75].clone() });
    let accepted = rig.offer_all(together.clone()).await;
    assert_eq!(accepted[76], Accepted::Duplicate { uid: event_uid(76), id: "e-1".into() });
    for _ in 0..2 {
        let mut found = Vec::new();
        for row in to_fan_out(rig, &accepted).await {
            assert!(row.events.iter().any(|event| event.uid == row.name));
            assert!(row.events.is_sorted_by(|one, next| one.seq < next.seq));
            for event in row.events {
                let kept = event.whole.expect("it was asked for");
                assert_eq!((kept.uid, &kept.tenant), (event.uid, &row.tenant));
                assert_eq!(kept.accepted_at, event.accepted_at);
                let sent = together.iter().find(|sent| sent.uid == event.uid).expect("it was sent");
                assert_eq!((&sent.tenant, sent.only_webhook), (&row.tenant, row.only_webhook));
                found.push(event.uid);
            }
        }
        found.sort_unstable();
        assert_eq!(found, (1..=76).map(event_uid).collect::<Vec<_>>());
        rig.reopen().await;
    }
}

/// Large ones do not share a row: who fans it out may have to hold it whole.
pub async fn a_row_is_bounded(rig: &mut StoreRig) {
    let large = |n| NewEvent { data: format!("\"{}\"", "x".repeat(200_000)).into(), ..event(n) };
    let accepted = rig.offer_all((1..=4).map(large).collect()).await;
    for row in to_fan_out(rig, &accepted).await {
        assert_eq!(row.events.len(), 1);
    }
    let accepted = rig.offer_all((10..=300).map(event).collect()).await;
    for row in to_fan_out(rig, &accepted).await {
        assert!(row.events.len() <= 32);
    }
}

pub async fn a_cursor_stands_at_an_event_and_a_webhook(rig: &mut StoreRig) {
    let accepted = rig.offer_all((1..=3).map(event).collect()).await;
    for row in to_fan_out(rig, &accepted).await {
        let all = chunk(&row, &[webhook_id(1), webhook_id(2)], true);
        for made in (1..=all.deliveries.len()).rev() {
            let deliveries = all.deliveries[..made].to_vec();
            let last = deliveries[made - 1];
            rig.fan_out(vec![Chunk { deliveries, ..all.clone() }]).await.expect("it fans out");
            // It never goes back.
            let furthest = all.deliveries[all.deliveries.len() - 1];
            let cursor = rig.row(row.name).await.expect("there is more").cursor;
            assert_eq!(cursor, Some((furthest.seq, furthest.id.webhook)), "after {last:?}");
        }
    }
}

pub async fn a_row_goes_with_all_its_events(rig: &mut StoreRig) {
    let accepted = rig.offer_all((1..=40).map(event).collect()).await;
    let rows = to_fan_out(rig, &accepted).await;
    let names: Vec<_> = rows.iter().map(|row| row.name).collect();
    let lane = Lane::fan_out(tenant("a"));
    let waiting = rig.unfinished(&lane, 100).await.expect("a store feeds");
    let waiting: Vec<_> = waiting.into_iter().map(|waiting| waiting.event).collect();
    assert_eq!(waiting.len(), names.len());
    assert!(waiting.iter().all(|name| names.contains(name)));
    rig.fanned_out(names.clone()).await.expect("a fan-out ends");
    assert_eq!(rig.inbox(&names, false).await.expect("an inbox"), []);
    assert_eq!(rig.unfinished(&lane, 100).await.expect("a store feeds"), []);
}

/// Then all of it is repeated.
pub async fn some_rows_may_be_done_and_others_not(rig: &mut StoreRig) {
    let mut chunks = Vec::new();
    for n in 1..=2 {
        let (uid, _) = rig.keep(event(n)).await;
        let row = rig.row(uid).await.expect("it is to fan out");
        chunks.push(chunk(&row, &[webhook_id(1)], n == 1));
    }
    assert_eq!(rig.fan_out(chunks.clone()).await.expect("it fans out"), 2);
    let last = chunks[1].clone();
    assert_eq!(rig.fan_out(vec![last.clone()]).await.expect("it fans out"), 0);
    rig.write_down(success(last.deliveries[0].id, 0)).await;
    assert_eq!(rig.fan_out(vec![last.clone()]).await.expect("it fans out"), 0);
    assert_eq!(rig.find(last.deliveries[0].id).await.status, Status::Delivered);
    assert_eq!(rig.fan_out(chunks).await.expect("it fans out"), 0);
}

/// Of a worker that was paused for longer than its lease.
pub async fn a_fan_out_repeated_late_does_not_move_the_cursor_back(rig: &mut StoreRig) {
    let (uid, seq) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    rig.chunk(&row, &[webhook_id(1)], true).await;
    rig.chunk(&row, &[webhook_id(2)], true).await;
    rig.chunk(&row, &[webhook_id(1)], true).await;
    assert_eq!(rig.row(uid).await.expect("there is more").cursor, Some((seq, webhook_id(2))));
}

pub async fn a_fan_out_repeated_leaves_deliveries_that_went_on(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    let ids = [1, 2].map(|n| DeliveryId { event: uid, webhook: webhook_id(n) });
    rig.chunk(&row, &ids.map(|id| id.webhook), false).await;
    rig.write_down(failure(ids[0], 0, at(9_000))).await;
    rig.write_down(success(ids[1], 0)).await;
    let before = [rig.see(ids[0]).await, rig.see(ids[1]).await];
    rig.chunk(&row, &ids.map(|id| id.webhook), false).await;
    assert_eq!([rig.see(ids[0]).await, rig.see(ids[1]).await], before);
    assert_eq!(rig.find(ids[0]).await.attempts, 1);
    assert_eq!(rig.find(ids[1]).await.status, Status::Delivered);
}

/// Of a worker that was paused for longer than its lease, too.
pub async fn a_fan_out_repeated_while_deliveries_finish_makes_none_anew(rig: &mut StoreRig) {
    let to: Vec<_> = (1..=20).map(webhook_id).collect();
    for n in 1..=20 {
        let (uid, _) = rig.keep(event(n)).await;
        let row = rig.row(uid).await.expect("it is to fan out");
        let chunk = chunk(&row, &to, false);
        assert_eq!(rig.fan_out(vec![chunk.clone()]).await.expect("it fans out"), 20);
        let outcomes: Arc<[_]> = chunk.deliveries.iter().map(|d| success(d.id, 0)).collect();
        let repeated = rig.fan_out(vec![chunk]);
        let (recorded, made) = tokio::join!(rig.record(outcomes), repeated);
        assert!(recorded.expect("it records").iter().all(|recorded| recorded.applied));
        assert_eq!(made.expect("it fans out"), 0);
        let lane = Lane::deliver(tenant("a"), to[0]);
        assert_eq!(rig.unfinished(&lane, 10).await.expect("a store feeds"), []);
        let filter = DeliveryFilter { event: Some(uid), ..DeliveryFilter::default() };
        let made =
            rig.list_deliveries(filter, None, Most::found(100)).await.expect("a store lists").found;
        assert_eq!(made.len(), 20);
        assert!(made.iter().all(|delivery| delivery.status == Status::Delivered));
    }
}

pub async fn what_is_fanned_out_is_in_the_inbox_no_more(rig: &mut StoreRig) {
    for n in 1..=3 {
        rig.keep(event(n)).await;
    }
    let row = rig.row(event_uid(1)).await.expect("it is to fan out");
    rig.chunk(&row, &[webhook_id(1)], false).await;
    for _ in 0..2 {
        let over = vec![event_uid(1), event_uid(3), event_uid(9)];
        rig.fanned_out(over).await.expect("a fan-out ends");
        assert_eq!(rig.row(event_uid(1)).await, None);
        assert!(rig.row(event_uid(2)).await.is_some());
        assert_eq!(rig.row(event_uid(3)).await, None);
    }
    // Its delivery is there, and its id is still taken.
    rig.see(DeliveryId { event: event_uid(1), webhook: webhook_id(1) }).await;
}

pub async fn fanned_out_is_believed_without_a_look_at_the_inbox(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    rig.fanned_out(vec![uid]).await.expect("a fan-out ends");
    assert_eq!(rig.row(uid).await, None);
    let lane = Lane::fan_out(tenant("a"));
    assert_eq!(rig.unfinished(&lane, 10).await.expect("a store feeds"), []);
}

pub async fn a_fan_out_to_nobody_makes_nothing(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    rig.chunk(&row, &[], true).await;
    rig.fan_out(Vec::new()).await.expect("a store fans out");
    assert_eq!(rig.row(uid).await, Some(row));
}

pub async fn one_event_has_one_delivery_a_webhook(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    let chunk = chunk(&row, &[webhook_id(1), webhook_id(1)], false);
    rig.fan_out(vec![chunk.clone(), chunk]).await.expect("a store fans out");
    let made = rig.list_deliveries(DeliveryFilter::default(), None, Most::found(10)).await;
    assert_eq!(made.expect("a store lists").found.len(), 1);
}
