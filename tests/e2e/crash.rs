//! Killed at random moments under load, with an account of every id.
//!
//! `POSTRIDER_TEST_KILLS` says how often to kill (10 unless given), `POSTRIDER_TEST_SEED` repeats
//! the moments of an earlier run.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::harness::account::{Account, Load, Moments, WEBHOOKS, received, subscribers};
use crate::harness::{
    Options, Postrider, Receiver, Reply, let_pass, text, wait_or_tell, wait_until,
};

const SLOTS: usize = 64;
const PUBLISHERS: usize = 6;

/// A server with few slots, and publishers at work.
async fn under_load() -> (Postrider, Receiver, Load) {
    let slots = SLOTS.to_string();
    let server = Postrider::with(Options::default().env("POSTRIDER_ENGINE_SLOTS", &slots)).await;
    let receiver = subscribers(&server).await;
    let load = Load::start(&[(*server).clone()], PUBLISHERS);
    (server, receiver, load)
}

/// Ends the load and waits until nothing is left to do.
async fn drain(server: &Postrider, receiver: &Receiver, load: &mut Load) {
    load.drain(receiver).await;
    wait_until("nothing is left to deliver", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
}

/// What the server has on record is what the webhooks received.
async fn assert_on_record(server: &Postrider, receiver: &Receiver) {
    let deliveries = server.walk("/v1/deliveries?limit=200").await;
    let delivered = deliveries.iter().filter(|d| d["status"] == "delivered").count();
    assert_eq!(delivered, deliveries.len(), "every delivery ended as delivered");
    let on_record: HashSet<String> = deliveries.iter().map(|d| text(d, "event_id")).collect();
    for path in WEBHOOKS {
        let received: HashSet<String> = received(receiver, path).into_keys().collect();
        assert_eq!(received, on_record, "{path}");
    }
    assert_eq!(deliveries.len(), WEBHOOKS.len() * on_record.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_repeat_only_what_was_under_way() {
    let kills = std::env::var("POSTRIDER_TEST_KILLS").map_or(10, |n| n.parse().expect("a number"));
    let mut moments = Moments::from_env();
    let (mut server, receiver, mut load) = under_load().await;
    for _ in 0..kills {
        let_pass(moments.next(30, 400)).await;
        server.kill_9();
        server.start_again().await;
    }
    drain(&server, &receiver, &mut load).await;

    let account = load.account(&receiver);
    let (asked, acked) = (load.attempted(), load.accepted().len());
    println!(
        "kills {kills}, published {asked}, acknowledged {acked}, lost {}, unexpected {}, duplicated {} of at most {}",
        account.lost.len(),
        account.unexpected.len(),
        account.duplicated,
        kills * SLOTS,
    );
    assert!(acked > 10 * kills, "the load was too small to prove anything: {acked}");
    assert_eq!((&account.lost, &account.unexpected), (&Vec::new(), &Vec::new()));
    assert!(account.duplicated <= kills * SLOTS, "{} duplicates", account.duplicated);
    assert_on_record(&server, &receiver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_restarts_under_load_lose_nothing_and_repeat_nothing() {
    let mut moments = Moments::from_env();
    let (mut server, receiver, mut load) = under_load().await;
    for _ in 0..5 {
        let_pass(moments.next(100, 500)).await;
        server.restart().await;
    }
    drain(&server, &receiver, &mut load).await;

    let account = load.account(&receiver);
    let acked = load.accepted().len();
    println!("published {}, acknowledged {acked}", load.attempted());
    assert!(acked > 100, "the load was too small to prove anything: {acked}");
    assert_eq!(account, Account::default());
    assert_on_record(&server, &receiver).await;
}

#[tokio::test]
async fn what_waits_at_a_kill_keeps_its_plan() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [2_000] });
    server.register(&receiver.url("/a"), json!({ "retry": retry })).await;
    let event = server.publish("a", json!(1)).await;
    let waiting = server.delivery_that_is("retrying", &event).await;

    server.kill_9();
    server.start_again().await;
    let after = server.delivery_that_is("retrying", &event).await;
    assert_eq!(after["next_attempt_at"], waiting["next_attempt_at"]);
    assert_eq!(after["attempts"], waiting["attempts"]);
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempt_count"], 2);
    let requests = receiver.requests("/a");
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(1_950));
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
}

#[tokio::test]
async fn a_backlog_larger_than_a_lane_is_delivered_whole() {
    let options = Options::default().env("POSTRIDER_ENGINE_LANE_CAP", "100");
    let mut server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let webhook = text(&server.register(&receiver.url("/a"), json!({})).await, "id");
    server.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    let batch = |from: usize| -> Vec<_> {
        (from..from + 500)
            .map(|n| json!({ "type": "a", "data": n, "id": format!("e-{n}") }))
            .collect()
    };
    for from in [0, 500] {
        server.post("/v1/events/batch", json!({ "events": batch(from) })).await.is(202);
    }
    server.kill_9();
    server.start_again().await;
    server.post(&format!("/v1/webhooks/{webhook}/resume"), json!({})).await.is(200);
    receiver.wait_for("/a", 1_000).await;
    wait_until("all are delivered", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
    let ids: HashSet<String> =
        receiver.requests("/a").iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), receiver.requests("/a").len()), (1_000, 1_000));
}

#[tokio::test]
async fn an_event_for_more_webhooks_than_one_step_of_fan_out_reaches_all_across_a_kill() {
    // Deliveries are made a thousand at a time; the kill falls somewhere between.
    const COUNT: usize = 1_050;
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for n in 0..COUNT {
        server.register(&receiver.url(&format!("/{n}")), json!({})).await;
    }
    for n in 0..2 {
        server.publish("a", json!(n)).await;
    }
    server.kill_9();
    server.start_again().await;
    wait_or_tell("every webhook has both events", async || {
        let arrived: HashSet<(String, String)> = receiver
            .all()
            .into_iter()
            .map(|r| (r.header("webhook-id").to_owned(), r.target))
            .collect();
        if arrived.len() == 2 * COUNT { Ok(()) } else { Err(arrived.len().to_string()) }
    })
    .await;
    wait_until("all are on record", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(server.walk("/v1/deliveries?limit=200&status=delivered").await.len(), 2 * COUNT);
}
