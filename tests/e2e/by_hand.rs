//! Attempts and ends that a person asks for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, Reply, never, text, wait_until};

async fn with_attempts(server: &Postrider, delivery: &str, count: u64) -> Value {
    wait_until(&format!("{count} attempts"), async || {
        let seen = server.get(&format!("/v1/deliveries/{delivery}")).await.is(200);
        (seen["attempt_count"].as_u64() >= Some(count)).then_some(seen)
    })
    .await
}

#[tokio::test]
async fn a_failed_attempt_by_hand_leaves_the_plan_as_it_was() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let retry = json!({ "retry": { "policy": "schedule", "delays_ms": [3_600_000, 3_600_000] } });
    server.register(&receiver.url("/a"), retry).await;
    let event = server.publish("a", json!(1)).await;
    let waiting = server.delivery_that_is("retrying", &event).await;
    let id = text(&waiting, "id");

    for n in 2..5 {
        let answer = server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
        assert_eq!(answer["id"], id.as_str());
        let seen = with_attempts(&server, &id, n).await;
        assert_eq!(seen["status"], "retrying");
        assert_eq!(seen["next_attempt_at"], waiting["next_attempt_at"]);
        assert_eq!(seen["attempts"][n as usize - 1]["trigger"], "manual", "{seen}");
    }
    // Three more by hand did not use up the two that the plan has left.
    server.step(Duration::from_secs(4_000)).await;
    let seen = with_attempts(&server, &id, 5).await;
    assert_eq!(
        (&seen["status"], &seen["attempts"][4]["trigger"]),
        (&json!("retrying"), &json!("schedule"))
    );
    server.step(Duration::from_secs(4_000)).await;
    let seen = server.delivery_that_is("failed", &event).await;
    assert_eq!((&seen["ended_by"], &seen["attempt_count"]), (&json!("attempts"), &json!(6)));
}

#[tokio::test]
async fn a_successful_attempt_by_hand_ends_the_delivery() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    let path = format!("/v1/deliveries/{id}/retry");
    server.post(&path, json!({})).await.is(202);
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempts"][1]["trigger"], "manual");
    server.post(&path, json!({})).await.refused(409, "already_delivered");
    server.step(Duration::from_secs(3_600)).await;
    never("a request after the end", Duration::from_millis(300), async || {
        receiver.requests("/a").get(2).cloned()
    })
    .await;
}

#[tokio::test]
async fn a_failed_delivery_begins_its_plan_anew() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let retry = json!({ "retry": { "policy": "schedule", "delays_ms": [100, 100] } });
    server.register(&receiver.url("/a"), retry).await;
    let event = server.publish("a", json!(1)).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!(failed["attempt_count"], 3);
    let id = text(&failed, "id");
    server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
    receiver.wait_for("/a", 6).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!((&failed["attempt_count"], &failed["ended_by"]), (&json!(6), &json!("attempts")));

    receiver.always("/a", Reply::status(200));
    server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempts"].as_array().map(Vec::len), Some(7));
    let numbers: Vec<&Value> =
        done["attempts"].as_array().expect("a list").iter().map(|a| &a["number"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_cancelled_delivery_is_not_sent_and_can_be_retried() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    let path = format!("/v1/deliveries/{id}");
    let cancelled = server.post(&format!("{path}/cancel"), json!({})).await.is(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["ended_by"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert_eq!(cancelled["next_attempt_at"], json!(null));
    server.post(&format!("{path}/cancel"), json!({})).await.refused(409, "already_finished");

    server.step(Duration::from_secs(3_600)).await;
    never("a request for a cancelled delivery", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;
    server.post(&format!("{path}/retry"), json!({})).await.is(202);
    server.delivery_that_is("delivered", &event).await;
    server.post(&format!("{path}/cancel"), json!({})).await.refused(409, "already_finished");
}

#[tokio::test]
async fn a_retry_of_a_paused_or_missing_webhook_does_not_slip_through() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let webhook = text(&server.register(&receiver.url("/a"), json!({})).await, "id");
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    server.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    let retry = format!("/v1/deliveries/{id}/retry");
    let answer = server.post(&retry, json!({})).await;
    assert!(matches!(answer.status, 202 | 409), "{}", answer.text());
    never("a request during the pause", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;

    server.delete(&format!("/v1/webhooks/{webhook}")).await.is(204);
    server.delivery_that_is("cancelled", &event).await;
    let answer = server.post(&retry, json!({})).await;
    assert!(matches!(answer.status, 202 | 409), "{}", answer.text());
    server.delivery_that_is("cancelled", &event).await;
    assert_eq!(receiver.requests("/a").len(), 1);
}

/// A delivery whose one request is on the wire and will be answered with `reply` in a while.
async fn on_the_wire(server: &Postrider, receiver: &Receiver, reply: Reply) -> (String, String) {
    receiver.script("/a", [reply.after(Duration::from_millis(400))]);
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    receiver.wait_for("/a", 1).await;
    let id = text(&server.delivery_of(&event).await, "id");
    (event, format!("/v1/deliveries/{id}"))
}

#[tokio::test]
async fn delivered_wins_over_a_cancel_that_came_while_it_was_on_the_wire() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (event, path) = on_the_wire(&server, &receiver, Reply::status(200)).await;
    let cancelled = server.post(&format!("{path}/cancel"), json!({})).await.is(200);
    assert_eq!(cancelled["status"], "cancelled");
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!((&done["ended_by"], &done["attempt_count"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn a_cancel_stands_if_what_was_on_the_wire_fails() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (_, path) = on_the_wire(&server, &receiver, Reply::status(500)).await;
    server.post(&format!("{path}/cancel"), json!({})).await.is(200);
    let seen = wait_until("the late attempt is on record", async || {
        let seen = server.get(&path).await.is(200);
        (seen["attempts"] != json!([])).then_some(seen)
    })
    .await;
    assert_eq!(
        (&seen["status"], &seen["attempts"][0]["status"]),
        (&json!("cancelled"), &json!(500))
    );
    server.step(Duration::from_secs(60)).await;
    never("a request for a cancelled delivery", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;
}

#[tokio::test]
async fn a_retry_asked_for_while_a_request_is_on_the_wire_is_not_forgotten_if_it_fails() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (event, path) = on_the_wire(&server, &receiver, Reply::status(500)).await;
    server.post(&format!("{path}/retry"), json!({})).await.is(202);
    // Without the retry the next attempt would be seconds away.
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempts"][1]["trigger"], "manual", "{done}");
    let at: Vec<Duration> = receiver.requests("/a").iter().map(|r| r.at).collect();
    assert!(at[1] - at[0] < Duration::from_millis(2_000), "{at:?}");
}

#[tokio::test]
async fn a_retry_asked_for_while_a_request_is_on_the_wire_is_not_sent_if_that_one_succeeds() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (event, path) = on_the_wire(&server, &receiver, Reply::status(200)).await;
    server.post(&format!("{path}/retry"), json!({})).await.is(202);
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempt_count"], 1, "{done}");
    never("a second request", Duration::from_millis(300), async || {
        receiver.requests("/a").get(1).cloned()
    })
    .await;
}
