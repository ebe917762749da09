//! The power goes, again and again, under load: the data directory is then what was synced, as it
//! was, or with some of the blocks that were not. With an account of every id.
//!
//! `POSTRIDER_TEST_POWER_LOSSES` says how often (4 unless given; `make power`: 200),
//! `POSTRIDER_TEST_SEED` repeats the moments of an earlier run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::harness::account::{Load, Moments, subscribers};
use crate::harness::disk::{Disk, Unsynced};
use crate::harness::{Options, Postrider, Receiver, let_pass, never, wait_until};

const SLOTS: usize = 64;
const PUBLISHERS: usize = 6;
/// What is recorded and not yet synced: 100 ms, and as much again for the fsync itself.
const UNSYNCED: Duration = Duration::from_millis(200);

/// A server on a disk that can lose power.
async fn on_a_disk() -> (Postrider, Arc<Disk>) {
    on_a_disk_with(Options::default()).await
}

async fn on_a_disk_with(options: Options) -> (Postrider, Arc<Disk>) {
    let disk = Arc::new(Disk::new());
    let options = options.env("POSTRIDER_ENGINE_SLOTS", &SLOTS.to_string());
    (Postrider::with(options.on_disk(&disk)).await, disk)
}

/// Kills the server, cuts the power, looks at what is left, and starts it again.
async fn cut(server: &mut Postrider, disk: &Disk, unsynced: Unsynced, dice: &mut Moments) {
    server.kill_9();
    disk.lose_power(server.data_dir(), unsynced, dice);
    assert_intact(server.data_dir());
    server.start_again().await;
}

/// In a copy: whoever opens a database for the first time recovers it.
fn assert_intact(data_dir: &Path) {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for name in ["postrider.db", "postrider.db-wal"] {
        std::fs::copy(data_dir.join(name), copy.path().join(name)).expect("a file that was synced");
    }
    let database = copy.path().join("postrider.db");
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let db = db.expect("a database");
    let said: String =
        db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(said, "ok");
}

async fn losses_under_load(unsynced: Unsynced) {
    let losses = std::env::var("POSTRIDER_TEST_POWER_LOSSES");
    let losses = losses.map_or(4, |n| n.parse().expect("a number"));
    let mut moments = Moments::from_env();
    let (mut server, disk) = on_a_disk().await;
    let receiver = subscribers(&server).await;
    let mut load = Load::start(&[(*server).clone()], PUBLISHERS);
    let mut duplicates_max = 0;
    for _ in 0..losses {
        let_pass(moments.next(30, 400)).await;
        let before = receiver.count();
        let_pass(UNSYNCED).await;
        duplicates_max += SLOTS + receiver.count() - before;
        cut(&mut server, &disk, unsynced, &mut moments).await;
    }
    load.drain(&receiver).await;
    wait_until("nothing is left to deliver", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;

    let account = load.account(&receiver);
    let (asked, acked) = (load.attempted(), load.accepted().len());
    println!(
        "power lost {losses} times ({unsynced:?}), published {asked}, acknowledged {acked}, lost {}, \
         unexpected {}, duplicated {} of at most {duplicates_max}",
        account.lost.len(),
        account.unexpected.len(),
        account.duplicated,
    );
    assert!(acked > 10 * losses, "the load was too small to prove anything: {acked}");
    assert_eq!((&account.lost, &account.unexpected), (&Vec::new(), &Vec::new()));
    assert!(account.duplicated <= duplicates_max, "{} duplicates", account.duplicated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_losses_lose_nothing_that_was_acknowledged() {
    losses_under_load(Unsynced::Lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torn_writes_lose_nothing_that_was_acknowledged() {
    losses_under_load(Unsynced::Torn).await;
}

/// Nobody waits for the fsync that covers it.
#[tokio::test]
async fn what_was_recorded_a_moment_ago_is_not_sent_again_after_a_power_loss() {
    let (mut server, disk) = on_a_disk().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    let_pass(5 * UNSYNCED).await;
    cut(&mut server, &disk, Unsynced::Lost, &mut Moments::from_env()).await;
    server.delivery_that_is("delivered", &event).await;
    never("a second request", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;
}

/// That these tests see a loss: what is not synced is gone.
#[tokio::test]
async fn a_disk_that_lies_loses_what_was_acknowledged() {
    let (mut server, disk) = on_a_disk_with(Options::default().env("DISK_LIES", "1")).await;
    let event = server.publish("a", json!(1)).await;
    server.get(&format!("/v1/events/{event}")).await.is(200);
    server.kill_9();
    disk.lose_power(server.data_dir(), Unsynced::Lost, &mut Moments::from_env());
    server.start_again().await;
    server.get(&format!("/v1/events/{event}")).await.is(404);
}
