//! Following events whose transactions end in another order than they were numbered in, or never.

use model::id::EventUid;
use store::postgres::Postgres;
use store::{Noted, Store, Tail};
use tokio_postgres::{Client, NoTls};

use super::{event, event_uid};
use crate::drivers::postgres::{Database, open, run};

/// Follows until so many events came, and tells how far that led.
async fn follow(store: &Postgres, mut tail: Tail, count: usize) -> (Vec<EventUid>, Tail) {
    let mut seen = Vec::new();
    for _ in 0..1_000 {
        let (noted, next) = store.follow(tail, 100).await.expect("a store is followed");
        tail = next;
        seen.extend(noted.iter().map(|noted: &Noted| noted.uid));
        if seen.len() >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (seen, tail)
}

/// Follows until the position is at the last number.
async fn settle(store: &Postgres, mut tail: Tail, last: i64) -> Tail {
    for _ in 0..1_000 {
        let (noted, next) = store.follow(tail, 100).await.expect("a store is followed");
        tail = next;
        assert_eq!(noted, []);
        if tail.position.seq >= last {
            return tail;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it stays at {:?}, before {last}", tail.position);
}

/// Another process in the middle of accepting.
async fn transaction(database: &Database) -> Client {
    let (client, connection) =
        tokio_postgres::connect(&database.url(), NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute("BEGIN").await.expect("it begins");
    client
}

/// Takes the next number; the id is so many seconds older than now.
async fn insert(client: &Client, seconds: i64) -> EventUid {
    let asked = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let now: i64 = client.query_one(asked, &[]).await.expect("a time").get(0);
    let uid = model::id::Uid::new(now - seconds * 1_000, &store::world::random_bytes());
    let id = uuid(uid);
    let insert = format!(
        "INSERT INTO events (uid, seq, accepted_at, tenant, type, data) \
         VALUES ('{id}', nextval('events_seq'), 1, 'a', 'late', '1')"
    );
    client.batch_execute(&insert).await.expect("it is inserted");
    EventUid(uid)
}

fn uuid(uid: model::id::Uid) -> String {
    uid.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_is_committed_late_comes_late_and_the_position_waits_for_it() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let first = store.tail().await.expect("a tail");
    let before = first.position;
    let late = transaction(&database).await;
    let uid = insert(&late, 0).await;
    store.accept(vec![event(1), event(2)]).await.expect("it accepts");
    let (seen, tail) = follow(&store, first, 2).await;
    assert_eq!(seen, [1, 2].map(event_uid));
    assert_eq!(tail.position.seq, before.seq, "the late one could be missed");

    // Far longer than a number is doubted that nobody has.
    let mut tail = tail;
    for _ in 0..25 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let (noted, next) = store.follow(tail, 100).await.expect("a store is followed");
        assert_eq!(noted, []);
        tail = next;
    }
    assert_eq!(tail.position.seq, before.seq, "the late one could be missed");
    late.batch_execute("COMMIT").await.expect("it commits");
    let (seen, tail) = follow(&store, tail, 1).await;
    assert_eq!(seen, [uid]);
    assert_eq!(tail.position.seq, before.seq + 3);
    // Who goes on from before sees all three.
    assert_eq!(store.since(before, None, 10).await.expect("it reads").len(), 3);
}

#[tokio::test]
async fn a_number_whose_transaction_was_undone_is_waited_for_no_longer() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let tail = store.tail().await.expect("a tail");
    let before = tail.position.seq;
    let undone = transaction(&database).await;
    insert(&undone, 0).await;
    store.accept(vec![event(1)]).await.expect("it accepts");
    undone.batch_execute("ROLLBACK").await.expect("it is undone");
    let (seen, tail) = follow(&store, tail, 1).await;
    assert_eq!(seen, [event_uid(1)]);
    settle(&store, tail, before + 2).await;
}

#[tokio::test]
async fn an_event_that_waited_long_before_it_was_written_is_found() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let tail = store.tail().await.expect("a tail");
    let before = tail.position.seq;
    let other = transaction(&database).await;
    let uid = insert(&other, 60).await;
    other.batch_execute("COMMIT").await.expect("it commits");
    let (seen, tail) = follow(&store, tail, 1).await;
    assert_eq!((seen, tail.position.seq), (vec![uid], before + 1));
}

/// A crash skips numbers, a backup that is put back takes some away.
#[tokio::test]
async fn a_sequence_that_was_moved_stops_nobody() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let mut tail = store.tail().await.expect("a tail");
    for (n, seq) in [(1, 1_000_000), (2, 10), (3, 50)] {
        let moved = format!("DELETE FROM events; SELECT setval('events_seq', {seq})");
        run(&database.url(), &moved).await;
        let (noted, next) = store.follow(tail, 100).await.expect("a store is followed");
        assert_eq!(noted, []);
        store.accept(vec![event(n)]).await.expect("it accepts");
        let (seen, next) = follow(&store, next, 1).await;
        assert_eq!(seen, [event_uid(n)], "{seq}");
        tail = next;
    }
}
