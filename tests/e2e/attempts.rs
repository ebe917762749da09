//! What follows from each answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, Reply, is_signed_by, never, text, wait_until};

/// The difference of two times of the API, in milliseconds.
fn millis_between(from: &Value, to: &Value) -> i64 {
    let at = |t: &Value| {
        let text = t.as_str().unwrap_or_else(|| panic!("{t} is no time"));
        model::time::Timestamp::parse(text).expect("RFC 3339").millis()
    };
    at(to) - at(from)
}

/// The delivery once it has so many attempts on record.
async fn after_attempts(server: &Postrider, event: &str, count: u64) -> Value {
    let id = text(&server.delivery_of(event).await, "id");
    wait_until(&format!("{count} attempts"), async || {
        let delivery = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
        (delivery["attempt_count"].as_u64() >= Some(count)).then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn a_failing_delivery_is_tried_again_with_growing_gaps_until_it_is_delivered() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let secret = text(&server.register(&receiver.url("/a"), json!({})).await, "secret");
    receiver.script("/a", [Reply::status(500), Reply::status(500).body("not yet")]);
    let event = server.publish("order.paid", json!({ "total": 50.75 })).await;

    // The default policy: 5 s, then 15 s, each drawn from its upper half.
    let first = after_attempts(&server, &event, 1).await;
    assert_eq!((&first["status"], &first["waiting_for"]), (&json!("retrying"), &json!("backoff")));
    let gap = millis_between(&first["attempts"][0]["started_at"], &first["next_attempt_at"]);
    assert!((2_500..=6_000).contains(&gap), "{gap} ms");
    server.step(Duration::from_secs(5)).await;
    let second = after_attempts(&server, &event, 2).await;
    let gap = millis_between(&second["attempts"][1]["started_at"], &second["next_attempt_at"]);
    assert!((7_500..=16_000).contains(&gap), "{gap} ms");
    server.step(Duration::from_secs(15)).await;
    let done = server.delivery_that_is("delivered", &event).await;

    let statuses: Vec<&Value> =
        done["attempts"].as_array().expect("a list").iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, [500, 500, 200]);
    assert_eq!((&done["attempt_count"], &done["next_attempt_at"]), (&json!(3), &json!(null)));
    assert_eq!(done["ended_by"], "delivered");
    assert_eq!(done["attempts"][1]["response"]["body"], "not yet");
    let attempts = &done["attempts"];
    let gaps =
        [0, 1].map(|n| millis_between(&attempts[n]["started_at"], &attempts[n + 1]["started_at"]));
    assert!(gaps[0] < gaps[1], "{gaps:?}");

    let requests = receiver.requests("/a");
    assert_eq!(requests.len(), 3);
    for (n, request) in requests.iter().enumerate() {
        assert_eq!(request.header("webhook-id"), event);
        assert_eq!(request.body, requests[0].body);
        assert!(is_signed_by(request, &secret), "attempt {n}");
        if n > 0 {
            let stamp =
                |n: usize| requests[n].header("webhook-timestamp").parse::<i64>().expect("seconds");
            assert!(stamp(n) >= stamp(n - 1) + 2, "attempt {n} has a stale timestamp");
            let signature = |n: usize| requests[n].header("webhook-signature");
            assert_ne!(signature(n), signature(n - 1));
        }
    }
}

#[tokio::test]
async fn an_attempt_is_described_by_what_happened() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let slow = Reply::status(201).header("X-Request-Id", "r-1").body("héllo");
    receiver.script("/a", [slow.after(Duration::from_millis(100))]);
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;

    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["number"], &attempt["trigger"]), (&json!(1), &json!("schedule")));
    assert_eq!((&attempt["status"], &attempt["error"]), (&json!(201), &json!(null)));
    assert_eq!(attempt["response"]["headers"]["x-request-id"], "r-1");
    assert_eq!(attempt["response"]["body"], "héllo");
    assert_eq!(attempt["response"]["truncated"], false);
    let timings = &attempt["timings"];
    let ms = |name: &str| timings[name].as_f64().unwrap_or(-1.0);
    assert!((100.0..2_000.0).contains(&ms("first_byte_ms")), "{timings}");
    assert!(ms("total_ms") >= ms("first_byte_ms"), "{timings}");
    assert!(ms("connect_ms") >= 0.0, "{timings}");
    let last = &delivery["last_attempt"];
    assert_eq!((&last["status"], &last["error"]), (&json!(201), &json!(null)));
    assert!(last["duration_ms"].as_f64().is_some_and(|d| d >= 100.0), "{last}");
}

#[tokio::test]
async fn gone_disables_the_webhook_and_fails_what_waits_for_it() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    receiver.script("/a", [Reply::status(500), Reply::status(410)]);
    let waiting = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &waiting).await;
    let gone = server.publish("a", json!(2)).await;

    let failed = server.delivery_that_is("failed", &gone).await;
    assert_eq!(failed["ended_by"], "gone");
    let failed = server.delivery_that_is("failed", &waiting).await;
    assert_eq!(failed["ended_by"], "disabled");
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let disabled = server.get(&path).await.is(200);
    assert_eq!(disabled["status"], "disabled");
    assert!(text(&disabled, "status_reason").contains("410"), "{disabled}");

    let late = server.publish("a", json!(3)).await;
    let other = server.register(&receiver.url("/b"), json!({})).await;
    server.publish("a", json!(4)).await;
    receiver.wait_for("/b", 1).await;
    assert!(server.deliveries(&format!("event_id={late}")).await.is_empty());
    assert_eq!(receiver.requests("/a").len(), 2);
    assert_ne!(other["id"], webhook["id"]);
}

#[tokio::test]
async fn retry_after_is_waited_out_by_the_whole_webhook() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    receiver.script("/a", [Reply::status(429).header("Retry-After", "3600")]);
    let asked = server.publish("a", json!(1)).await;
    let delivery = after_attempts(&server, &asked, 1).await;
    let wait = millis_between(&delivery["attempts"][0]["started_at"], &delivery["next_attempt_at"]);
    assert!((3_600_000..3_605_000).contains(&wait), "{wait} ms");

    let behind = server.publish("a", json!(2)).await;
    let waiting = server.delivery_of(&behind).await;
    assert_eq!(waiting["status"], "pending");
    server.step(Duration::from_secs(3_500)).await;
    never("a request in the quiet time", Duration::from_millis(300), async || {
        (receiver.requests("/a").len() > 1).then_some(receiver.requests("/a"))
    })
    .await;
    server.step(Duration::from_secs(110)).await;
    for event in [asked, behind] {
        server.delivery_that_is("delivered", &event).await;
    }
    assert_eq!(receiver.requests("/a").len(), 3);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    for (n, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        receiver.script("/a", [Reply::status(status).header("Location", &receiver.url("/b"))]);
        let event = server.publish("a", json!(status)).await;
        let delivery = after_attempts(&server, &event, 1).await;
        assert_eq!(delivery["status"], "retrying");
        assert_eq!(delivery["attempts"][0]["status"], status);
        assert_eq!(receiver.requests("/a").len(), n + 1);
        let id = text(&delivery, "id");
        server.post(&format!("/v1/deliveries/{id}/cancel"), json!({})).await.is(200);
    }
    assert!(receiver.requests("/b").is_empty());
}

#[tokio::test]
async fn statuses_that_a_webhook_calls_final_end_a_delivery_and_others_do_not() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let retry = json!({ "retry": { "final_statuses": [400, 422] } });
    server.register(&receiver.url("/a"), retry).await;
    receiver.script("/a", [Reply::status(422), Reply::status(404)]);
    let refused = server.publish("a", json!(1)).await;
    let ended = server.delivery_that_is("failed", &refused).await;
    assert_eq!((&ended["ended_by"], &ended["attempt_count"]), (&json!("status"), &json!(1)));
    let missing = server.publish("a", json!(2)).await;
    server.delivery_that_is("retrying", &missing).await;
}

#[tokio::test]
async fn a_delivery_whose_plan_is_used_up_is_failed_and_kept() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(503));
    let retry = json!({ "retry": { "policy": "schedule", "delays_ms": [100, 150] } });
    server.register(&receiver.url("/a"), retry).await;
    let event = server.publish("a", json!(1)).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!((&failed["ended_by"], &failed["attempt_count"]), (&json!("attempts"), &json!(3)));
    let at: Vec<Duration> = receiver.requests("/a").iter().map(|r| r.at).collect();
    assert_eq!(at.len(), 3);
    assert!(at[1] - at[0] >= Duration::from_millis(95), "{at:?}");
    assert!(at[2] - at[1] >= Duration::from_millis(145), "{at:?}");
}

#[tokio::test]
async fn a_delivery_and_its_attempts_are_shown_as_of_one_moment() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let retry = json!({ "retry": { "policy": "schedule", "delays_ms": vec![100; 19] } });
    server.register(&receiver.url("/a"), retry).await;
    let event = server.publish("a", json!(1)).await;
    let path = format!("/v1/deliveries/{}", text(&server.delivery_of(&event).await, "id"));
    // Looked at as fast as possible, so that some looks fall between two writes.
    loop {
        let seen = server.get(&path).await.is(200);
        let attempts = seen["attempts"].as_array().expect("a list");
        assert_eq!(seen["attempt_count"], attempts.len(), "{seen}");
        let last = attempts.last().map(|a| &a["started_at"]);
        assert_eq!(seen["last_attempt"].get("at"), last, "{seen}");
        if seen["status"] == "failed" {
            break;
        }
    }
}
