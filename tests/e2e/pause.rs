//! A paused webhook receives nothing and misses nothing.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Postrider, Receiver, Reply, never, text, wait_until};

#[tokio::test]
async fn what_is_published_during_a_pause_waits_and_is_delivered_after_it() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    server.register(&receiver.url("/b"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let paused = server.post(&format!("{path}/pause"), json!({})).await.is(200);
    assert_eq!(paused["status"], "paused");
    for n in 0..20 {
        server.publish("a", json!(n)).await;
    }
    receiver.wait_for("/b", 20).await;
    let query = format!("webhook_id={}", text(&webhook, "id"));
    wait_until("twenty deliveries wait", async || {
        (server.deliveries(&query).await.len() == 20).then_some(())
    })
    .await;
    let waiting = server.deliveries(&query).await;
    for delivery in &waiting {
        let state = (&delivery["status"], &delivery["waiting_for"], &delivery["attempt_count"]);
        assert_eq!(state, (&json!("pending"), &json!("paused"), &json!(0)));
    }

    // A pause outlives the process.
    server.restart().await;
    server.step(Duration::from_secs(3_600)).await;
    never("a request during the pause", Duration::from_millis(300), async || {
        receiver.requests("/a").first().cloned()
    })
    .await;
    let resumed = server.post(&format!("{path}/resume"), json!({})).await.is(200);
    assert_eq!(resumed["status"], "active");
    assert_eq!(receiver.wait_for("/a", 20).await.len(), 20);
    wait_until("all are delivered", async || {
        let delivered = server.deliveries(&format!("{query}&status=delivered")).await;
        (delivered.len() == 20).then_some(())
    })
    .await;
    assert_eq!(receiver.requests("/a").len(), 20);
}

#[tokio::test]
async fn a_pause_holds_back_retries_too() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &event).await;
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    server.step(Duration::from_secs(60)).await;
    never("a retry during the pause", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;
    assert_eq!(server.delivery_of(&event).await["waiting_for"], "paused");
    server.post(&format!("{path}/resume"), json!({})).await.is(200);
    server.delivery_that_is("delivered", &event).await;
}

#[tokio::test]
async fn pausing_and_resuming_twice_changes_nothing_more() {
    let server = Postrider::start().await;
    let webhook = server.register("https://a.example/", json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    for (verb, status) in
        [("pause", "paused"), ("pause", "paused"), ("resume", "active"), ("resume", "active")]
    {
        let answer = server.post(&format!("{path}/{verb}"), json!({})).await.is(200);
        assert_eq!(answer["status"], status);
    }
}
