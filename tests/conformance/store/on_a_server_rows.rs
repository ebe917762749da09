//! What becomes of single rows on a server: those that cannot be read or written, those that several
//! callers share, those that are forgotten while somebody wants them.

use std::sync::Arc;
use std::time::Duration;

use model::event::NewEvent;
use model::id::{EventUid, Uid, WebhookId};
use store::postgres::Postgres;
use store::{Accepted, Lane, Most, Store, StoreError};

use super::on_a_server::send;
use super::{at, chunk, event, failure, success, tenant, webhook_id};
use crate::drivers::postgres::{Database, open, run, texts};

#[tokio::test]
async fn an_event_that_cannot_be_read_keeps_only_itself_from_the_fan_out() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let accepted = store.accept((1..=5).map(event).collect()).await.expect("a store accepts");
    let Accepted::New { row, .. } = accepted[0] else { panic!("it is new") };
    run(&database.url(), "UPDATE events SET type = '' WHERE seq = 3").await;
    let found = store.inbox(&[row], true).await.expect("an inbox").remove(0);
    assert_eq!(found.events.len(), 5);
    store.fan_out(vec![chunk(&found, &[webhook_id(1)], false)]).await.expect("it fans out");
    let lane = Lane::deliver(tenant("a"), webhook_id(1));
    let waiting = store.unfinished(&lane, 10).await.expect("a store feeds");
    for waiting in waiting {
        let id = model::id::DeliveryId { event: waiting.event, webhook: webhook_id(1) };
        let loaded = store.load(vec![id]).await;
        assert_eq!(matches!(loaded, Err(StoreError::Damaged(_))), waiting.seq == 3);
    }
}

#[tokio::test]
async fn of_a_batch_that_cannot_be_recorded_nothing_is() {
    let database = Database::make().await;
    let store = open(&database.url()).await;
    let (good, bad) = (send(&store, event(1)).await, send(&store, event(2)).await);
    // As if its attempt were on record already.
    let there = "INSERT INTO attempts (event, webhook, started_at, total_us, n, tenant, trigger) \
                 SELECT event, webhook, 1, 1, 1, tenant, 'schedule' FROM unfinished_deliveries \
                 WHERE seq = 2";
    run(&database.url(), there).await;
    let (good_one, bad_one) = (success(good, 0), failure(bad, 0, at(9_000)));
    let refused = store.record([good_one.clone(), bad_one].into()).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    let recorded = store.record([good_one].into()).await.expect("it is not the bad one");
    assert!(recorded[0].applied);
    let (_, attempts) = store.history(good, 10).await.expect("a store looks").expect("it is there");
    assert_eq!(attempts.len(), 1);
}

/// Who gives up while its event is being kept does not push the row that it shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_row_is_pushed_by_who_still_waits() {
    let database = Database::make().await;
    let store = Arc::new(open(&database.url()).await);
    let holding = {
        let url = database.url();
        // So long it takes to keep them.
        let hold = "BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT";
        tokio::spawn(async move { run(&url, hold).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut calls = Vec::new();
    for n in 1..=12 {
        let store = store.clone();
        calls.push(tokio::spawn(async move { store.accept(vec![event(n)]).await }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The first few are kept each alone, the others together: the first of these leave too.
    calls[..6].iter().for_each(|call| call.abort());
    holding.await.expect("no panic");
    let (mut answered, mut pushed) = (Vec::new(), Vec::new());
    for call in calls {
        if let Ok(accepted) = call.await
            && let Accepted::New { row, push, .. } = accepted.expect("it accepts")[0]
        {
            answered.push(row);
            pushed.extend(push.then_some(row));
        }
    }
    assert_eq!(answered.len(), 6);
    assert!(answered.iter().all(|row| pushed.contains(row)), "{answered:?} {pushed:?}");
    let count = pushed.len();
    pushed.sort_unstable();
    pushed.dedup();
    assert_eq!(pushed.len(), count, "each by one");
    assert_eq!(store.inbox(&pushed, false).await.expect("an inbox").len(), count);
}

/// From the default partition, one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_what_is_being_forgotten_leaves_nothing_behind() {
    let database = Database::make().await;
    let store = Arc::new(open(&database.url()).await);
    let day = Duration::from_secs(24 * 3_600);
    for n in 1..=40_u8 {
        let accepted_at = at(n.into()) - day * 4;
        let uid = EventUid(Uid::new(accepted_at.millis(), &[n; 10]));
        let id = send(&store, NewEvent { uid, accepted_at, ..event(1) }).await;
        store.cancel(id, at(1)).await.expect("it cancels");
        let retry = {
            let store = store.clone();
            async move { store.retry(id, at(2)).await }
        };
        let forget = {
            let store = store.clone();
            async move { store.retain(at(0), 100).await }
        };
        let (retry, forget) = (tokio::spawn(retry), tokio::spawn(forget));
        retry.await.expect("no panic").expect("it retries");
        forget.await.expect("no panic").expect("it forgets");
        let event = store.event(&tenant("a"), &uid.to_string()).await.expect("a store looks");
        let lane = Lane::deliver(tenant("a"), webhook_id(1));
        let waiting = store.unfinished(&lane, 1_000).await.expect("a store feeds");
        assert_eq!(event.is_some(), waiting.iter().any(|waiting| waiting.event == uid));
    }
}

/// Sends so many hundreds of events to a webhook.
async fn send_hundreds(store: &Postgres, hundreds: u16, webhook: WebhookId) {
    for part in 1..=hundreds {
        let events = (0..100).map(|n| event(part * 100 + n)).collect();
        let accepted = store.accept(events).await.expect("a store accepts");
        let rows = accepted.iter().filter_map(|accepted| match accepted {
            Accepted::New { row, push: true, .. } => Some(*row),
            _ => None,
        });
        let rows = store.inbox(&rows.collect::<Vec<_>>(), false).await.expect("an inbox");
        let chunks = rows.iter().map(|row| chunk(row, &[webhook], false)).collect();
        store.fan_out(chunks).await.expect("it fans out");
    }
}

/// How many entries of a table's indexes were read, once that is known.
async fn entries_read(url: &str, table: &str) -> i64 {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let read = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes \
                WHERE relname ~ $1";
    let mut before = -1;
    loop {
        // A session tells what it did within a second.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let now = client.query_one(read, &[&table]).await.expect("it counts").get(0);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// A planner may take any index that has the columns, and keeps to a plan that it made when all of
/// them were empty.
#[tokio::test]
async fn one_row_is_looked_up_by_nothing_but_the_primary_key() {
    let database = Database::make().await;
    let _store = open(&database.url()).await;
    let others = "SELECT indexrelid::regclass::text FROM pg_index \
                  WHERE indrelid::regclass::text ~ '^(events|event_keys|(un)?finished_deliveries|attempts)(_|$)' \
                  AND NOT indisprimary AND indpred IS NULL";
    assert_eq!(texts(&database.url(), others).await, Vec::<String>::new());
}

/// When there is nearly nothing unfinished, it would do to read it all.
#[tokio::test]
async fn plans_of_a_quiet_moment_do_not_read_all_that_is_unfinished_later() {
    let database = Database::make().await;
    let (url, lane) = (database.url(), Lane::deliver(tenant("a"), webhook_id(1)));
    let store = open(&url).await;
    let waits = send(&store, event(1)).await;
    store.record([failure(waits, 0, at(9_000_000))].into()).await.expect("it records");
    run(&url, "VACUUM ANALYZE unfinished_deliveries").await;
    for n in 2..=20 {
        let id = send(&store, event(n)).await;
        store.load(vec![id]).await.expect("it loads");
        store.record([success(id, 0)].into()).await.expect("it records");
    }
    send_hundreds(&store, 20, webhook_id(1)).await;
    let waiting = store.unfinished(&lane, 20).await.expect("a store feeds");
    let ids: Vec<_> = waiting
        .iter()
        .map(|waiting| model::id::DeliveryId { event: waiting.event, webhook: webhook_id(1) })
        .collect();
    let before = entries_read(&url, "^unfinished_deliveries$").await;
    store.load(ids.clone()).await.expect("it loads");
    let outcomes: Vec<_> = ids.iter().map(|id| success(*id, 0)).collect();
    store.record(outcomes.into()).await.expect("it records");
    let read = entries_read(&url, "^unfinished_deliveries$").await - before;
    assert!((1..200).contains(&read), "{read} entries for 20 deliveries");
}

#[tokio::test]
async fn a_list_of_what_is_rare_does_not_read_what_is_not() {
    let database = Database::make().await;
    let url = database.url();
    let store = open(&url).await;
    let rare = NewEvent {
        tenant: tenant("b"),
        event_type: model::event::EventType::parse("is.rare").expect("a type"),
        ..event(1)
    };
    let rare = send(&store, rare).await;
    send_hundreds(&store, 10, webhook_id(2)).await;
    run(&url, "ANALYZE").await;
    let before = entries_read(&url, "^(events|unfinished)").await;
    let any = store::DeliveryFilter::default();
    for filter in [
        store::DeliveryFilter { event_type: Some("is.rare".into()), ..any.clone() },
        store::DeliveryFilter { tenant: Some(tenant("b")), ..any.clone() },
        store::DeliveryFilter { webhook: Some(webhook_id(1)), ..any.clone() },
        store::DeliveryFilter { event: Some(rare.event), ..any },
    ] {
        let found = store
            .list_deliveries(filter, None, Most::found(10))
            .await
            .expect("a store lists")
            .found;
        assert_eq!(found.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [rare]);
    }
    let read = entries_read(&url, "^(events|unfinished)").await - before;
    assert!((1..100).contains(&read), "{read} entries for one delivery, four times");
}
