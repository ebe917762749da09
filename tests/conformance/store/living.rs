//! Opening, closing, and what is there afterwards.

use model::id::KeyId;
use model::key::{Key, KeyHash, Role};
use model::webhook::WebhookStatus;
use store::{Accepted, Lane, StoreError};

use super::{at, event, event_uid, failure, success, tenant, uid, webhook, webhook_id};
use crate::drivers::StoreRig;

pub async fn it_answers(rig: &mut StoreRig) {
    rig.check().await.expect("it answers");
}

pub async fn everything_is_there_after_reopening(rig: &mut StoreRig) {
    let registered = rig.register(webhook(1)).await;
    rig.set_status(&registered, WebhookStatus::Paused).await;
    let key = Key {
        id: KeyId(uid(1)),
        name: "one".into(),
        role: Role::Admin,
        hash: KeyHash::of("one"),
        created_at: at(1),
    };
    rig.put_key(key).await.expect("a store keeps keys");
    let ids = [1, 2, 3].map(event);
    let mut sent = Vec::new();
    for event in ids {
        sent.push(rig.send_one(event).await);
    }
    rig.write_down(success(sent[0], 0)).await;
    rig.write_down(failure(sent[1], 0, at(9_000))).await;
    let mut before = Vec::new();
    for id in &sent {
        before.push((rig.see(*id).await, rig.attempts_of(*id).await));
    }
    rig.reopen().await;
    for (id, before) in sent.iter().zip(before) {
        assert_eq!((rig.see(*id).await, rig.attempts_of(*id).await), before);
    }
    let loaded = rig.find(sent[2]).await;
    assert_eq!(loaded.webhook, Some((WebhookStatus::Paused, 2)));
    assert!(rig.key(&KeyHash::of("one")).await.expect("a store finds keys").is_some());
    assert_eq!(rig.version("a").await, 2);
}

pub async fn what_was_in_flight_is_found_after_reopening(rig: &mut StoreRig) {
    let waiting = rig.send_one(event(1)).await;
    let (uid, seq) = rig.keep(event(2)).await;
    let row = rig.row(uid).await.expect("it is to fan out");
    rig.chunk(&row, &[webhook_id(1)], true).await;
    rig.reopen().await;
    let cursor = rig.row(uid).await.expect("there is more").cursor;
    assert_eq!(cursor, Some((seq, webhook_id(1))));
    let lanes = [Lane::fan_out(tenant("a")), Lane::deliver(tenant("a"), webhook_id(1))];
    assert_eq!(rig.lanes(None, 10).await.expect("a store feeds"), lanes);
    let unfinished = rig.unfinished(&lanes[0], 10).await.expect("a store feeds");
    assert_eq!(unfinished.iter().map(|w| (w.event, w.seq)).collect::<Vec<_>>(), [(uid, seq)]);
    let unfinished = rig.unfinished(&lanes[1], 10).await.expect("a store feeds");
    assert_eq!(unfinished.iter().map(|w| w.event).collect::<Vec<_>>(), [waiting.event, uid]);
    // Numbers go on, and what was accepted is still known.
    let (_, next) = rig.keep(event(3)).await;
    assert!(next > seq);
    assert_eq!(rig.find(waiting).await.event.uid, event_uid(1));
}

pub async fn closed_it_fails(rig: &mut StoreRig) {
    let sent = rig.send_one(event(1)).await;
    rig.keep(event(2)).await;
    rig.close().await.expect("a store closes");
    let unavailable = |e: Option<StoreError>| {
        assert!(matches!(e, Some(StoreError::Unavailable(_))), "{e:?}");
    };
    unavailable(rig.accept(vec![event(3)]).await.err());
    unavailable(rig.load(vec![sent]).await.err());
    unavailable(rig.inbox(&[event_uid(2)], false).await.err());
    unavailable(rig.record([success(sent, 0)].into()).await.err());
    unavailable(rig.delivery(sent).await.err());
    unavailable(rig.check().await.err());
    unavailable(rig.close().await.err());
}

pub async fn what_was_begun_is_finished_before_it_closes(rig: &mut StoreRig) {
    let accepting: Vec<_> = (1..=50)
        .map(|n| {
            let store = rig.shared();
            tokio::spawn(async move { store.accept(vec![event(n)]).await })
        })
        .collect();
    tokio::task::yield_now().await;
    rig.close().await.expect("a store closes");
    let mut results = Vec::new();
    for accepting in accepting {
        results.push(accepting.await.expect("no panic"));
    }
    rig.reopen().await;
    for (n, accepted) in (1..).zip(results) {
        // Whoever came too late was told so; whoever was answered is on record.
        match accepted {
            Ok(accepted) => {
                assert!(matches!(accepted[..], [Accepted::New { .. }]));
                let id = event_uid(n).to_string();
                assert!(rig.event(&tenant("a"), &id).await.expect("a store looks").is_some());
            }
            Err(e) => assert!(matches!(e, StoreError::Unavailable(_)), "{e:?}"),
        }
    }
}
