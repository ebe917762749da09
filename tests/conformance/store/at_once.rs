//! What happens to the same deliveries at the same time.

use std::sync::Arc;

use model::delivery::Status;
use store::Lane;

use super::{at, at_once, chunk, event, failure, success, tenant, webhook_id};
use crate::drivers::StoreRig;

pub async fn whatever_happens_at_once_no_attempt_is_lost(rig: &mut StoreRig) {
    let to: Vec<_> = (1..=5).map(webhook_id).collect();
    for n in 1..=10 {
        let (uid, _) = rig.keep(event(n)).await;
        let row = rig.row(uid).await.expect("it is to fan out");
        let chunk = chunk(&row, &to, false);
        rig.fan_out(vec![chunk.clone()]).await.expect("it fans out");
        let ids: Vec<_> = chunk.deliveries.iter().map(|delivery| delivery.id).collect();
        at_once((0..12).map(|task| {
            let (store, chunk, ids) = (rig.shared(), chunk.clone(), ids.clone());
            async move {
                match task % 4 {
                    0 => drop(store.fan_out(vec![chunk]).await.expect("it fans out")),
                    1 => {
                        let outcomes = ids.into_iter().map(|id| match task {
                            1 => success(id, 0),
                            _ => failure(id, 0, at(9_000)),
                        });
                        let outcomes: Arc<[_]> = outcomes.collect();
                        store.record(outcomes).await.expect("it records");
                    }
                    2 => {
                        for id in ids {
                            store.retry(id, at(5)).await.expect("it retries");
                        }
                    }
                    _ => {
                        for id in ids.into_iter().rev() {
                            store.cancel(id, at(5)).await.expect("it cancels");
                        }
                    }
                }
            }
        }))
        .await;
        for id in ids {
            assert_eq!(rig.attempts_of(id).await.len(), 3);
            let delivery = rig.see(id).await;
            assert_eq!((delivery.status, delivery.attempts), (Status::Delivered, 3));
        }
    }
    let lane = Lane::deliver(tenant("a"), to[0]);
    assert_eq!(rig.unfinished(&lane, 10).await.expect("a store feeds"), []);
}

pub async fn of_several_who_fan_out_at_once_each_delivery_is_made_by_one(rig: &mut StoreRig) {
    let to: Vec<_> = (1..=5).map(webhook_id).collect();
    for round in 0..10 {
        let mut chunks = Vec::new();
        for n in (1..=10).map(|n| round * 10 + n) {
            let (uid, _) = rig.keep(event(n)).await;
            chunks.push(chunk(&rig.row(uid).await.expect("it is to fan out"), &to, false));
        }
        let made = at_once((0..4).map(|task| {
            let (store, mut chunks) = (rig.shared(), chunks.clone());
            if task % 2 == 1 {
                chunks.reverse();
            }
            chunks.drain(..task);
            let outcomes = chunks.iter().flat_map(|chunk| &chunk.deliveries);
            let outcomes: Arc<[_]> = outcomes.map(|delivery| success(delivery.id, 0)).collect();
            async move {
                let made = store.fan_out(chunks).await.expect("it fans out");
                store.record(outcomes).await.expect("it records");
                made
            }
        }))
        .await;
        assert_eq!(made.into_iter().sum::<usize>(), 50);
        let lane = Lane::deliver(tenant("a"), to[0]);
        assert_eq!(rig.unfinished(&lane, 10).await.expect("a store feeds"), []);
    }
}
