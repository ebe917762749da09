//! Accepting events, once each.

use bytes::Bytes;
use model::event::NewEvent;
use store::Accepted;

use super::{at_once, event, event_type, event_uid, tenant};
use crate::drivers::StoreRig;

fn with_id(n: u16, id: &str) -> NewEvent {
    NewEvent { id: Some(id.into()), data: "1".into(), ..event(n) }
}

fn with_key(n: u16, key: &str) -> NewEvent {
    NewEvent { idempotency_key: Some(key.into()), data: "1".into(), ..event(n) }
}

fn other(event: NewEvent) -> NewEvent {
    NewEvent { data: "2".into(), ..event }
}

pub async fn accepted_events_are_numbered_in_order(rig: &mut StoreRig) {
    let (_, first) = rig.keep(event(9)).await;
    let batch = rig.offer_all(vec![event(3), event(1), event(2)]).await;
    let (_, last) = rig.keep(event(0)).await;
    let of_batch = batch.into_iter().map(|accepted| match accepted {
        Accepted::New { seq, .. } => seq,
        other => panic!("it is new, not {other:?}"),
    });
    let seqs: Vec<_> = [first].into_iter().chain(of_batch).chain([last]).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
}

pub async fn the_same_id_and_content_is_a_duplicate(rig: &mut StoreRig) {
    let (first, _) = rig.keep(with_id(1, "order-1")).await;
    let repeated = rig.offer(with_id(2, "order-1")).await;
    assert_eq!(repeated, Accepted::Duplicate { uid: first, id: "order-1".into() });
    // What makes it the same is type, given timestamp and data.
    let same = NewEvent { accepted_at: super::at(99), ..with_id(3, "order-1") };
    assert_eq!(rig.offer(same).await, repeated);
    assert_eq!(rig.row(event_uid(2)).await, None);
}

pub async fn an_id_of_other_content_is_taken(rig: &mut StoreRig) {
    rig.keep(with_id(1, "order-1")).await;
    let mut others = [2, 3, 4].map(|n| with_id(n, "order-1"));
    others[0].data = "2".into();
    others[1].event_type = event_type("order.sent");
    others[2].timestamp = Some("2026-08-22T10:00:00Z".into());
    for other in others {
        assert_eq!(rig.offer(other).await, Accepted::IdTaken);
    }
}

pub async fn the_same_key_and_content_is_a_duplicate(rig: &mut StoreRig) {
    let (first, _) = rig.keep(with_key(1, "k")).await;
    let repeated = rig.offer(with_key(2, "k")).await;
    // It was given no id, so it has that of its own.
    assert_eq!(repeated, Accepted::Duplicate { uid: first, id: first.to_string() });
}

pub async fn a_key_of_other_content_is_taken(rig: &mut StoreRig) {
    rig.keep(with_key(1, "k")).await;
    assert_eq!(rig.offer(other(with_key(2, "k"))).await, Accepted::KeyTaken);
}

pub async fn an_event_with_id_and_key_is_found_by_both(rig: &mut StoreRig) {
    let both = |n| NewEvent { idempotency_key: Some("k".into()), ..with_id(n, "order-1") };
    let (first, _) = rig.keep(both(1)).await;
    let duplicate = Accepted::Duplicate { uid: first, id: "order-1".into() };
    assert_eq!(rig.offer(both(2)).await, duplicate);
    assert_eq!(rig.offer(with_id(3, "order-1")).await, duplicate);
    assert_eq!(rig.offer(with_key(4, "k")).await, duplicate);
    assert_eq!(rig.offer(other(with_id(5, "order-1"))).await, Accepted::IdTaken);
    assert_eq!(rig.offer(other(with_key(6, "k"))).await, Accepted::KeyTaken);
    let new_id = NewEvent { idempotency_key: Some("k".into()), ..with_id(7, "order-2") };
    assert_eq!(rig.offer(new_id).await, duplicate);
}

pub async fn an_id_and_a_key_of_the_same_text_are_two(rig: &mut StoreRig) {
    rig.keep(with_id(1, "x")).await;
    rig.keep(other(with_key(2, "x"))).await;
}

pub async fn tenants_share_neither_ids_nor_keys(rig: &mut StoreRig) {
    let of_b = |event: NewEvent| NewEvent { tenant: tenant("b"), ..event };
    rig.keep(with_id(1, "x")).await;
    rig.keep(with_key(2, "x")).await;
    rig.keep(other(of_b(with_id(3, "x")))).await;
    rig.keep(other(of_b(with_key(4, "x")))).await;
}

pub async fn events_without_id_and_key_are_all_new(rig: &mut StoreRig) {
    for n in 1..=3 {
        rig.keep(NewEvent { data: "1".into(), ..event(n) }).await;
    }
}

pub async fn duplicates_within_a_batch_are_found(rig: &mut StoreRig) {
    let batch = vec![
        with_id(1, "x"),
        with_id(2, "x"),
        other(with_id(3, "x")),
        with_key(4, "x"),
        with_key(5, "x"),
        event(6),
    ];
    let accepted = rig.offer_all(batch).await;
    assert!(matches!(accepted[0], Accepted::New { uid, .. } if uid == event_uid(1)));
    assert_eq!(accepted[1], Accepted::Duplicate { uid: event_uid(1), id: "x".into() });
    assert_eq!(accepted[2], Accepted::IdTaken);
    assert!(matches!(accepted[3], Accepted::New { uid, .. } if uid == event_uid(4)));
    let id = event_uid(4).to_string();
    assert_eq!(accepted[4], Accepted::Duplicate { uid: event_uid(4), id });
    assert!(matches!(accepted[5], Accepted::New { uid, .. } if uid == event_uid(6)));
}

pub async fn of_fifty_accepted_at_once_one_is_new(rig: &mut StoreRig) {
    let accepted =
        at_once(
            (1..=50).map(|n| {
                let store = rig.shared();
                async move {
                    store.accept(vec![with_id(n, "x")]).await.expect("a store accepts").remove(0)
                }
            }),
        )
        .await;
    let new: Vec<_> = accepted
        .iter()
        .filter_map(|accepted| match accepted {
            Accepted::New { uid, .. } => Some(*uid),
            Accepted::Duplicate { .. } | Accepted::IdTaken | Accepted::KeyTaken => None,
        })
        .collect();
    assert_eq!(new.len(), 1);
    let duplicate = Accepted::Duplicate { uid: new[0], id: "x".into() };
    assert_eq!(accepted.iter().filter(|accepted| **accepted == duplicate).count(), 49);
}

pub async fn a_refused_event_leaves_nothing_behind(rig: &mut StoreRig) {
    rig.keep(with_id(1, "x")).await;
    let refused = NewEvent { idempotency_key: Some("k".into()), ..other(with_id(2, "x")) };
    assert_eq!(rig.offer(refused.clone()).await, Accepted::IdTaken);
    assert_eq!(rig.row(refused.uid).await, None);
    let found = rig.event(&tenant("a"), &refused.uid.to_string()).await.expect("a store looks");
    assert!(found.is_none());
    // Its key is free.
    rig.keep(NewEvent { data: "3".into(), ..with_key(3, "k") }).await;
}

pub async fn data_is_kept_byte_for_byte(rig: &mut StoreRig) {
    let large = format!("\"{}\"", "x".repeat(256 * 1024));
    let texts: [&[u8]; 8] = [
        b"{\"a\":1,\"a\":2}",
        b"{\"a\":\"\\u0000\"}",
        b"\0\0a\0",
        b" [ 1.0, 1e400,\t-0 ] \n",
        "\"\u{1f980} \u{fffd} \u{7f}\"".as_bytes(),
        b"\xff\xfe\x80",
        b"",
        large.as_bytes(),
    ];
    for (n, text) in (1..).zip(texts) {
        let data = Bytes::copy_from_slice(text);
        let id = rig.send_one(NewEvent { data: data.clone(), ..event(n) }).await;
        assert_eq!(rig.find(id).await.event.data, data);
    }
    rig.reopen().await;
    for (n, text) in (1..).zip(texts) {
        let id = event_uid(n).to_string();
        let found = rig.event(&tenant("a"), &id).await.expect("a store looks");
        assert_eq!(found.expect("it was kept").data, text);
    }
}

/// The uid of another event can be used by nobody: here it stands for anything that a store
/// refuses to write.
pub async fn an_event_that_cannot_be_kept_fails_alone(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    let accepted = at_once((1..=20).map(|n| {
        let store = rig.shared();
        async move { store.accept(vec![event(n)]).await }
    }))
    .await;
    assert!(accepted[0].is_err());
    for (n, accepted) in (2..).zip(&accepted[1..]) {
        let accepted = accepted.as_ref().expect("the others are kept");
        assert!(matches!(accepted[..], [Accepted::New { uid, .. }] if uid == event_uid(n)));
        assert!(rig.row(event_uid(n)).await.is_some());
    }
}

pub async fn an_event_of_a_call_that_failed_is_kept_whole_or_not_at_all(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    rig.accept(vec![event(2), event(1)]).await.expect_err("its uid is in use");
    let found = rig.event(&tenant("a"), &event_uid(2).to_string()).await.expect("a store looks");
    assert_eq!(rig.row(event_uid(2)).await.is_some(), found.is_some());
}

pub async fn nothing_accepted_is_nothing_done(rig: &mut StoreRig) {
    assert_eq!(rig.offer_all(Vec::new()).await, []);
}
