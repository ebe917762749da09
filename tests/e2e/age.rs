//! At its greatest age a delivery is failed, whatever holds it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, Reply, text};

const HOUR: Duration = Duration::from_secs(3_600);

/// Tried hourly for at most three hours.
fn three_hours() -> Value {
    json!({ "retry": {
        "policy": "schedule", "delays_ms": vec![3_600_000; 20], "max_age_ms": 3 * 3_600_000,
    }})
}

#[tokio::test]
async fn a_delivery_that_grew_too_old_is_failed_without_another_attempt() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    server.register(&receiver.url("/a"), three_hours()).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &event).await;
    server.step(4 * HOUR).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!((&failed["ended_by"], &failed["attempt_count"]), (&json!("age"), &json!(1)));
    assert_eq!(receiver.requests("/a").len(), 1);
}

#[tokio::test]
async fn a_retry_that_would_come_too_late_is_not_planned() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(429).header("Retry-After", "20000"));
    server.register(&receiver.url("/a"), three_hours()).await;
    let event = server.publish("a", json!(1)).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!((&failed["ended_by"], &failed["attempt_count"]), (&json!("age"), &json!(1)));
}

#[tokio::test]
async fn a_pause_does_not_stop_the_clock() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), three_hours()).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let old = server.publish("a", json!("old")).await;
    server.delivery_of(&old).await;
    server.step(4 * HOUR).await;
    let failed = server.delivery_that_is("failed", &old).await;
    assert_eq!((&failed["ended_by"], &failed["attempt_count"]), (&json!("age"), &json!(0)));

    let young = server.publish("a", json!("young")).await;
    server.post(&format!("{path}/resume"), json!({})).await.is(200);
    server.delivery_that_is("delivered", &young).await;
    assert_eq!(receiver.requests("/a").len(), 1);
}

#[tokio::test]
async fn what_failed_of_age_can_be_retried_by_hand() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500), Reply::status(500)]);
    server.register(&receiver.url("/a"), three_hours()).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &event).await;
    server.step(4 * HOUR).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!(failed["ended_by"], "age");

    // Its age counts anew, so one more failure does not end it at once.
    let path = format!("/v1/deliveries/{}/retry", text(&failed, "id"));
    server.post(&path, json!({})).await.is(202);
    receiver.wait_for("/a", 2).await;
    let retrying = server.delivery_that_is("retrying", &event).await;
    assert_eq!((&retrying["ended_by"], &retrying["ended_at"]), (&json!(null), &json!(null)));
    server.step(Duration::from_secs(4_000)).await;
    server.delivery_that_is("delivered", &event).await;
}

#[tokio::test]
async fn a_subscriber_that_asks_for_quiet_does_not_stop_the_clock() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(429).header("Retry-After", "86400"));
    server.register(&receiver.url("/a"), three_hours()).await;
    let first = server.publish("a", json!(1)).await;
    server.delivery_that_is("failed", &first).await;
    let held = server.publish("a", json!(2)).await;
    server.delivery_of(&held).await;
    server.step(4 * HOUR).await;
    let failed = server.delivery_that_is("failed", &held).await;
    assert_eq!((&failed["ended_by"], &failed["attempt_count"]), (&json!("age"), &json!(0)));
    assert_eq!(receiver.requests("/a").len(), 1);
}
