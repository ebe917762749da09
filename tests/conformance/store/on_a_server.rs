//! What only a store on a server does: others use it too, and it may go away: PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::delivery::Status;
use model::event::NewEvent;
use model::id::{DeliveryId, EventUid, Uid};
use store::postgres::{OpenError, Postgres, Settings};
use store::world::{Clock, Stopwatch};
use store::{Accepted, Most, Store, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;

use super::{at, at_once, chunk, event, event_uid, success, tenant, uid, webhook_id};
use crate::drivers::postgres::{Database, open, run, texts};

/// Breaks every connection that is not of a test itself.
const BREAK_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name = 'postrider'";

async fn is_there(store: &Postgres, id: EventUid) -> bool {
    store.event(&tenant("a"), &id.to_string()).await.expect("a store looks").is_some()
}

async fn tables(url: &str) -> Vec<String> {
    let named = "SELECT relname::text FROM pg_class WHERE relname ~ '^(events|finished_deliveries|attempts)_20' \
                 AND relkind = 'r' ORDER BY relname";
    texts(url, named).await
}

/// Sends an event to the first webhook.
pub(super) async fn send(store: &Postgres, event: NewEvent) -> DeliveryId {
    let id = event.uid;
    store.accept(vec![event]).await.expect("a store accepts");
    let row = store.inbox(&[id], false).await.expect("an inbox").remove(0);
    store.fan_out(vec![chunk(&row, &[webhook_id(1)], false)]).await.expect("a store fans out");
    store.fanned_out(vec![id]).await.expect("a fan-out ends");
    DeliveryId { event: id, webhook: webhook_id(1) }
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced_unnoticed() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let id = send(&store, event(1)).await;
    for n in 2..=5 {
        run(&database.url(), BREAK_ALL).await;
        assert!(is_there(&store, event_uid(1)).await);
        run(&database.url(), BREAK_ALL).await;
        store.load(vec![id]).await.expect("a store loads");
        run(&database.url(), BREAK_ALL).await;
        store.fanned_out(vec![event_uid(n)]).await.expect("a fan-out ends");
        run(&database.url(), BREAK_ALL).await;
        let accepted = store.accept(vec![event(n)]).await.expect("a store accepts");
        assert!(matches!(accepted[..], [Accepted::New { .. }]));
    }
}

/// Connections break while events are accepted, some of them at the commit: then it is looked up
/// whether it took place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_on_record_though_connections_break() {
    let database = Database::make().await;
    let store = Arc::new(open(&database.url()).await);
    let url = database.url();
    let breaking = tokio::spawn(async move {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(37)).await;
            run(&url, BREAK_ALL).await;
        }
    });
    let accepting = at_once((0..8).map(|task| {
        let store = store.clone();
        async move {
            let mut answered = Vec::new();
            for n in (1..=500).map(|n| task * 500 + n) {
                let key = (n % 3 == 0).then(|| format!("key-{n}"));
                let given = NewEvent { idempotency_key: key, ..event(n) };
                answered.push((given.uid, store.accept(vec![given]).await));
            }
            answered
        }
    }));
    let (answered, ()) = tokio::join!(accepting, async { breaking.await.expect("no panic") });
    let (mut kept, mut refused) = (0, 0);
    for (id, accepted) in answered.into_iter().flatten() {
        match accepted {
            Ok(accepted) => {
                assert!(matches!(accepted[..], [Accepted::New { uid, .. }] if uid == id));
                assert!(is_there(&store, id).await);
                kept += 1;
            }
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(e) => panic!("{e:?}"),
        }
    }
    // Only those whose connection broke twice in a row.
    assert!(refused * 10 < kept, "{refused} refused, {kept} kept");
}

/// A way to a server on which an answer can be lost.
struct Way {
    url: String,
    lose_next_answer: Arc<AtomicBool>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let place = url.rsplit('@').next().expect("a place").to_owned();
        let (server, database) = place.split_once('/').expect("a database");
        let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = door.local_addr().expect("an address").port();
        let lose_next_answer = Arc::new(AtomicBool::new(false));
        tokio::spawn(Self::serve(door, server.to_owned(), lose_next_answer.clone()));
        Self { url: format!("postgres://postgres@127.0.0.1:{port}/{database}"), lose_next_answer }
    }

    async fn serve(door: TcpListener, server: String, lose: Arc<AtomicBool>) {
        while let Ok((client, _)) = door.accept().await {
            let (server, lose) = (server.clone(), lose.clone());
            tokio::spawn(async move {
                let server = TcpStream::connect(&server).await.expect("the server is there");
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let asking = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                let mut answer = vec![0; 65_536];
                while let Ok(length @ 1..) = from_server.read(&mut answer).await {
                    if lose.swap(false, Ordering::SeqCst)
                        || to_client.write_all(&answer[..length]).await.is_err()
                    {
                        break;
                    }
                }
                asking.abort();
            });
        }
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    let database = Database::make().await;
    let way = Way::to(&database.url()).await;
    let store = open(&way.url).await;
    // Its statement is prepared from then on: the next answer is that of the commit.
    store.accept(vec![event(1)]).await.expect("a store accepts");
    way.lose_next_answer.store(true, Ordering::SeqCst);
    let accepted = store.accept(vec![event(2), event(3)]).await.expect("a store accepts");
    assert!(!way.lose_next_answer.load(Ordering::SeqCst));
    let uids = accepted.iter().map(|accepted| match accepted {
        Accepted::New { uid, .. } => *uid,
        other => panic!("it is new, not {other:?}"),
    });
    assert_eq!(uids.collect::<Vec<_>>(), [2, 3].map(event_uid));
    let listed = store
        .list_events(Default::default(), None, Most::found(10))
        .await
        .expect("a store lists")
        .found;
    assert_eq!(listed.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_accept_the_same_one_is_first() {
    let database = Database::make().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    for round in 0..10 {
        // Both keys, in opposite orders.
        let offered = [0, 1].map(|process: u16| {
            (0..50_u16).map(move |n| {
                let n = if process == 0 { n } else { 49 - n };
                let own = EventUid(uid(round * 100 + process * 50 + n));
                let (id, key) = (format!("id-{round}-{n}"), format!("key-{round}-{}", 49 - n));
                NewEvent { uid: own, id: Some(id), idempotency_key: Some(key), ..event(1) }
            })
        });
        let [first, second] = offered.map(Iterator::collect::<Vec<_>>);
        let (first, second) = tokio::join!(stores[0].accept(first), stores[1].accept(second));
        let (first, mut second) = (first.expect("accepted"), second.expect("accepted"));
        second.reverse();
        for (one, other) in first.iter().zip(&second) {
            let is_new = |accepted: &Accepted| matches!(accepted, Accepted::New { .. });
            assert!(is_new(one) != is_new(other), "{one:?} {other:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_record_the_same_one_is_in_time() {
    let database = Database::make().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let mut ids = Vec::new();
    for n in 1..=60 {
        ids.push(send(&stores[0], event(n)).await);
    }
    let forward: Vec<_> = ids.iter().map(|id| success(*id, 0)).collect();
    let backward: Vec<_> = ids.iter().rev().map(|id| success(*id, 0)).collect();
    let (one, other) =
        tokio::join!(stores[0].record(forward.into()), stores[1].record(backward.into()));
    let (one, mut other) = (one.expect("recorded"), other.expect("recorded"));
    other.reverse();
    for ((one, other), id) in one.iter().zip(&other).zip(ids) {
        assert!(one.applied != other.applied);
        let (delivery, attempts) =
            stores[0].history(id, 10).await.expect("a store looks").expect("it is there");
        assert_eq!((delivery.status, attempts.len()), (Status::Delivered, 2));
    }
}

#[tokio::test]
async fn a_day_of_events_is_forgotten_whole() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let day = Duration::from_secs(24 * 3_600);
    let of_first =
        ["attempts", "events", "finished_deliveries"].map(|table| format!("{table}_20270115"));
    assert_eq!(tables(&database.url()).await.len(), 6);
    let id = send(&store, event(1)).await;
    while store.retain(at(0) + day * 3, 10).await.expect("a store forgets") {}
    // It has unfinished work; the day after had nothing.
    let left = tables(&database.url()).await;
    assert!(of_first.iter().all(|table| left.contains(table)), "{left:?}");
    assert!(!left.contains(&"events_20270116".to_owned()), "{left:?}");
    store.record([success(id, 0)].into()).await.expect("a store records");
    while store.retain(at(0) + day * 3, 10).await.expect("a store forgets") {}
    let left = tables(&database.url()).await;
    assert!(!left.iter().any(|table| of_first.contains(table)), "{left:?}");
    assert!(!is_there(&store, event_uid(1)).await);
    // There is room for the days ahead.
    assert!(left.contains(&"events_20270118".to_owned()), "{left:?}");
}

/// Of the day after the first, until it is told to stop: how long each accept took.
async fn traffic(store: Arc<Postgres>, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in 1_u16.. {
        let accepted_at = at(n.into()) + Duration::from_secs(24 * 3_600);
        let [high, low] = n.to_be_bytes();
        let own = EventUid(Uid::new(accepted_at.millis(), &[1, 1, 1, 1, 1, 1, 1, 1, high, low]));
        let watch = Stopwatch::start();
        let id = send(&store, NewEvent { uid: own, accepted_at, ..event(1) }).await;
        store.record([success(id, 0)].into()).await.expect("a store records");
        took.push(watch.elapsed());
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    took
}

/// Who reads holds the tables, forgetting gives up soon, and nobody waits for it for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_forgotten_beside_traffic_and_a_long_look() {
    const PATIENCE: Duration = Duration::from_secs(5);
    let database = Database::make().await;
    let store = Arc::new(open(&database.url()).await);
    let since = at(0) + Duration::from_secs(24 * 3_600);
    let unfinished = send(&store, event(1)).await;
    // The days ahead are made, and the first one stays: something of it is unfinished.
    while store.retain(since, 10).await.expect("a store forgets") {}
    store.record([success(unfinished, 0)].into()).await.expect("a store records");
    let url = database.url();
    let (looking, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    looking.batch_execute("BEGIN; SELECT count(*) FROM events").await.expect("it looks");
    let stop = Arc::<AtomicBool>::default();
    let traffic = tokio::spawn(traffic(store.clone(), stop.clone()));

    let retain = || tokio::time::timeout(PATIENCE, store.retain(since, 10));
    let refused = retain().await.expect("it gives up");
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let is_old = |table: &String| table.ends_with("_20270115");
    assert_eq!(tables(&url).await.iter().filter(|table| is_old(table)).count(), 3);
    looking.batch_execute("COMMIT").await.expect("it ends");
    while retain().await.expect("it gives up").unwrap_or(true) {}
    assert!(!tables(&url).await.iter().any(is_old));

    stop.store(true, Ordering::SeqCst);
    let took = traffic.await.expect("nothing of it failed");
    let longest = took.iter().max().expect("there was traffic");
    println!("{refused:?}; {} events beside it, the longest took {longest:?}", took.len());
    assert!(*longest < PATIENCE, "{longest:?}");
}

#[tokio::test]
async fn a_day_for_which_there_was_no_room_is_kept_and_forgotten_too() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let day = Duration::from_secs(24 * 3_600);
    let late = |n: u8| {
        let accepted_at = at(n.into()) + day * 4;
        let own = EventUid(Uid::new(accepted_at.millis(), &[n; 10]));
        NewEvent { uid: own, accepted_at, ..event(1) }
    };
    let ids = [send(&store, late(1)).await, send(&store, late(2)).await];
    store.record([success(ids[0], 0)].into()).await.expect("a store records");
    // Its partition cannot be made any more, the next one can.
    store.retain(at(0) + day * 4, 10).await.expect("a store forgets");
    let made = tables(&database.url()).await;
    assert!(!made.contains(&"events_20270119".to_owned()), "{made:?}");
    assert!(made.contains(&"events_20270120".to_owned()), "{made:?}");
    while store.retain(at(0) + day * 6, 1).await.expect("a store forgets") {}
    assert!(!is_there(&store, ids[0].event).await);
    assert!(is_there(&store, ids[1].event).await);
}

#[tokio::test]
async fn tables_that_were_not_made_are_asked_for() {
    let database = Database::make().await;
    let settings = Settings { migrate: false, ..Settings::default() };
    let refused = Postgres::open(&database.url(), settings.clone(), Clock::system()).await;
    let refused = refused.err().expect("there are no tables");
    assert!(matches!(refused, OpenError::NotMigrated(_)));
    assert!(refused.to_string().contains("run `postrider migrate`"));
    let url = database.url();
    let migrated = at_once((0..6).map(|_| {
        let url = url.clone();
        async move { Postgres::migrate(&url).await }
    }));
    assert!(migrated.await.iter().all(Result::is_ok));
    let store = Postgres::open(&url, settings, Clock::system()).await.expect("a store opens");
    store.check().await.expect("it answers");
}

#[tokio::test]
async fn no_refusal_to_open_says_the_password() {
    for url in [
        "postgres://user:hunter2@127.0.0.1:1/none",
        "postgres://user:hunter2@127.0.0.1:1/none?sslmode=require",
        "postgres://user:hunter2@127.0.0.1:1/none?sslmode=hunter2",
        "postgres://user:hunter?2@127.0.0.1:1/none",
        "postgres://user:a?hunter2&hunter2@127.0.0.1:1/none",
        "postgres://user:hunter2@:x/none",
        "host=127.0.0.1 port=1 user=u password=hunter2 hunter2=hunter2",
        "hunter2",
    ] {
        let refused = Postgres::open(url, Settings::default(), Clock::system()).await.err();
        let refused = refused.expect("nobody is there");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused}");
    }
}

#[tokio::test]
async fn texts_that_cannot_be_kept_are_found_nowhere() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    send(&store, event(1)).await;
    assert!(store.event(&tenant("a"), "a\0").await.expect("a store looks").is_none());
    assert!(store.webhook_at(&tenant("a"), "a\0").await.expect("a store looks").is_none());
    let filter = store::EventFilter { event_type: Some("a\0".into()), ..Default::default() };
    assert!(
        store
            .list_events(filter, None, Most::found(10))
            .await
            .expect("a store lists")
            .found
            .is_empty()
    );
}
