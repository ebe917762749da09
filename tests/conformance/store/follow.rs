//! Following new events, and going on from where another stood.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::event::NewEvent;
use model::id::{EventUid, Uid};
use store::{Accepted, Noted, Position, Store, Tail};

use super::{at_once, event, event_type, event_uid, tenant};
use crate::drivers::StoreRig;

async fn tail(rig: &StoreRig) -> Tail {
    rig.tail().await.expect("a store has a tail")
}

/// What comes in one step, and where it leads.
async fn step(rig: &StoreRig, tail: Tail) -> (Vec<EventUid>, Tail) {
    let (noted, tail) = rig.follow(tail, 100).await.expect("a store is followed");
    (uids(&noted), tail)
}

fn uids(noted: &[Noted]) -> Vec<EventUid> {
    noted.iter().map(|noted| noted.uid).collect()
}

pub async fn who_follows_sees_what_comes_and_nothing_before(rig: &mut StoreRig) {
    let (nothing, _) = step(rig, tail(rig).await).await;
    assert_eq!(nothing, []);
    rig.keep(event(1)).await;
    let tail = tail(rig).await;
    let (nothing, tail) = step(rig, tail).await;
    assert_eq!(nothing, []);
    let (_, seq) = rig.keep(NewEvent { event_type: event_type("x.y"), ..event(2) }).await;
    let (noted, tail) = rig.follow(tail, 100).await.expect("a store is followed");
    let (uid, event_type) = (event_uid(2), event_type("x.y"));
    assert_eq!(noted, [Noted { seq, uid, tenant: tenant("a"), event_type }]);
    assert_eq!(tail.position.seq, seq);
    let (nothing, tail) = step(rig, tail).await;
    assert_eq!((nothing, tail.position.seq), (vec![], seq));
}

pub async fn what_comes_is_followed_by_its_number_and_once(rig: &mut StoreRig) {
    let mut tail = tail(rig).await;
    for round in 0..3 {
        let numbers = (1..=10).map(|n| round * 10 + n);
        rig.offer_all(numbers.clone().map(event).collect()).await;
        let mut seen = Vec::new();
        loop {
            let (noted, next) = rig.follow(tail, 3).await.expect("a store is followed");
            tail = next;
            assert!(noted.len() <= 3);
            if noted.is_empty() {
                break;
            }
            seen.extend(noted);
        }
        assert!(seen.is_sorted_by_key(|noted| noted.seq));
        assert_eq!(uids(&seen), numbers.map(event_uid).collect::<Vec<_>>());
        assert_eq!(tail.position.seq, seen.last().expect("ten").seq);
    }
}

pub async fn an_event_with_an_older_id_is_followed_too(rig: &mut StoreRig) {
    let mut tail = tail(rig).await;
    for n in [5, 3, 9, 1] {
        rig.keep(event(n)).await;
        let (seen, next) = step(rig, tail).await;
        tail = next;
        assert_eq!(seen, [event_uid(n)]);
    }
}

pub async fn a_refused_event_is_not_followed(rig: &mut StoreRig) {
    let named = |n| NewEvent { id: Some("x".into()), ..event(n) };
    let first = tail(rig).await;
    rig.keep(named(1)).await;
    assert_eq!(rig.offer(named(2)).await, Accepted::IdTaken);
    rig.keep(event(3)).await;
    let (seen, next) = step(rig, first).await;
    assert_eq!(seen, [1, 3].map(event_uid));
    assert_eq!(next.position.seq, tail(rig).await.position.seq);
}

/// Several at once, some in batches; one reader all the while, and others that begin in the middle.
pub async fn of_what_many_accept_at_once_each_event_is_followed_once(rig: &mut StoreRig) {
    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, over, mut tail) = (rig.shared(), over.clone(), tail(rig).await);
        async move {
            let mut seen = Vec::new();
            loop {
                let last = over.load(Ordering::Acquire);
                let (noted, next) = store.follow(tail, 50).await.expect("a store is followed");
                tail = next;
                if last && noted.is_empty() {
                    return (seen, tail);
                }
                seen.extend(noted);
                tokio::task::yield_now().await;
            }
        }
    });
    at_once((0..8u16).map(|task| {
        let store = rig.shared();
        async move {
            for n in (0..100).map(|n| task * 800 + n * 8) {
                let batch = (0..=n / 8 % 4).map(|k| event(n + k)).collect();
                store.accept(batch).await.expect("a store accepts");
            }
        }
    }))
    .await;
    over.store(true, Ordering::Release);
    let (seen, tail) = reader.await.expect("no panic");
    let seqs: BTreeSet<_> = seen.iter().map(|noted| noted.seq).collect();
    let ids: BTreeSet<_> = uids(&seen).into_iter().collect();
    assert_eq!((seen.len(), seqs.len(), ids.len()), (2_000, 2_000, 2_000));
    assert!(seqs.last().is_some_and(|last| tail.position.seq <= *last));
}

pub async fn a_position_is_gone_on_from_by_another(rig: &mut StoreRig) {
    rig.keep(event(1)).await;
    let position = tail(rig).await.position;
    rig.offer_all((2..=6).map(event).collect()).await;
    let since = async |limit| uids(&rig.since(position, None, limit).await.expect("it reads"));
    assert_eq!(since(100).await, (2..=6).map(event_uid).collect::<Vec<_>>());
    assert_eq!(since(2).await, [2, 3].map(event_uid));
    let shared: Arc<dyn Store> = rig.shared();
    let end = shared.tail().await.expect("a tail").position;
    assert_eq!(shared.since(end, None, 10).await.expect("it reads"), []);
}

pub async fn what_is_much_older_than_a_position_is_not_looked_at(rig: &mut StoreRig) {
    let position = tail(rig).await.position;
    // Ids hold the time: of ten minutes before, and of the position's.
    let mut old = Uid::floor(position.at.millis() - 600_000);
    old.0[15] = 1;
    let mut new = Uid::floor(position.at.millis());
    new.0[15] = 2;
    for uid in [old, new] {
        rig.keep(NewEvent { uid: EventUid(uid), ..event(1) }).await;
    }
    let never = Position { seq: 0, at: position.at };
    for tenant in [None, Some(&tenant("a"))] {
        let found = rig.since(never, tenant, 10).await.expect("it reads");
        assert_eq!(uids(&found), [EventUid(new)]);
    }
}

pub async fn a_position_is_gone_on_from_tenant_by_tenant(rig: &mut StoreRig) {
    let position = tail(rig).await.position;
    for (n, name) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
        rig.keep(NewEvent { tenant: tenant(name), ..event(n) }).await;
    }
    let of =
        async |name| uids(&rig.since(position, Some(&tenant(name)), 10).await.expect("it reads"));
    assert_eq!(of("a").await, [1, 3].map(event_uid));
    assert_eq!(of("b").await, [event_uid(2)]);
    assert_eq!(of("z").await, []);
}

pub async fn events_are_read_by_their_ids(rig: &mut StoreRig) {
    for n in 1..=3 {
        rig.keep(event(n)).await;
    }
    assert_eq!(rig.events(&[]).await.expect("it reads"), []);
    let asked = [3, 9, 1].map(event_uid);
    let mut found = rig.events(&asked).await.expect("it reads");
    found.sort_by_key(|event| event.uid);
    let data: Vec<_> = found.iter().map(|event| (event.uid, &event.data[..])).collect();
    assert_eq!(data, [(event_uid(1), &b"{\"n\":1}"[..]), (event_uid(3), b"{\"n\":3}")]);
}
