//! A webhook's life after its registration: changed, tried, deleted.

use serde_json::json;

use crate::harness::{Postrider, Receiver, Reply, is_signed_by, text};

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_resets() {
    let server = Postrider::start().await;
    let more = json!({
        "description": "orders", "event_types": ["order.*"], "timeout_ms": 2_000,
        "metadata": { "team": "billing" }, "headers": { "X-Team": "a", "Authorization": "Bearer t" },
    });
    let webhook = server.register("https://a.example/", more).await;
    assert_eq!(webhook["headers"], json!({ "x-team": "a", "authorization": "***" }));
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));

    let changed = server.patch(&path, json!({ "timeout_ms": 3_000 })).await.is(200);
    let mut expected = webhook.clone();
    expected["timeout_ms"] = json!(3_000);
    for field in
        ["description", "event_types", "metadata", "headers", "timeout_ms", "retry", "created_at"]
    {
        assert_eq!(changed[field], expected[field], "{field}");
    }
    assert!(text(&changed, "updated_at") >= text(&webhook, "updated_at"));

    let reset =
        json!({ "description": null, "event_types": null, "timeout_ms": null, "metadata": null });
    let reset = server.patch(&path, reset).await.is(200);
    assert_eq!((&reset["description"], &reset["event_types"]), (&json!(null), &json!(["*"])));
    assert_eq!((&reset["timeout_ms"], &reset["metadata"]), (&json!(15_000), &json!({})));
    assert_eq!(reset["headers"], expected["headers"]);
}

#[tokio::test]
async fn a_patch_moves_a_webhook_unless_another_lives_there() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/old"), json!({})).await;
    server.register(&receiver.url("/taken"), json!({ "event_types": ["never"] })).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let taken = json!({ "webhook_url": receiver.url("/taken") });
    server.patch(&path, taken).await.refused(409, "url_taken");

    server.patch(&path, json!({ "webhook_url": receiver.url("/new") })).await.is(200);
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    assert_eq!((receiver.requests("/old").len(), receiver.requests("/new").len()), (0, 1));
}

#[tokio::test]
async fn a_webhook_that_moves_to_another_host_takes_no_credential_along() {
    let server = Postrider::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let more = json!({ "headers": { "authorization": "Bearer partner", "x-team": "a" } });
    let webhook = server.register(&receiver.url("/a"), more).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let url = other.url("/a");
    for refused in [
        json!({ "webhook_url": url }),
        json!({ "webhook_url": url, "headers": { "authorization": "***" } }),
        json!({ "webhook_url": url.replace("http:", "https:") }),
        json!({ "webhook_url": "https://elsewhere.example/a" }),
    ] {
        let problem = server.patch(&path, refused).await.refused(422, "header_needed_anew");
        assert_eq!(problem["errors"][0]["pointer"], "/headers/authorization");
    }
    assert_eq!(server.get(&path).await.is(200)["webhook_url"], receiver.url("/a"));
    // Where it is already, it goes on with what it has.
    server.patch(&path, json!({ "webhook_url": receiver.url("/b") })).await.is(200);
    server.publish("a", json!(1)).await;
    let request = receiver.wait_for("/b", 1).await.remove(0);
    assert_eq!(request.header("authorization"), "Bearer partner");

    let headers = json!({ "authorization": "Bearer new", "x-team": "***" });
    let moved = json!({ "webhook_url": url, "headers": headers });
    server.patch(&path, moved).await.is(200);
    server.publish("a", json!(2)).await;
    let request = other.wait_for("/a", 1).await.remove(0);
    assert_eq!((request.header("authorization"), request.header("x-team")), ("Bearer new", "a"));
    let back = json!({ "webhook_url": receiver.url("/c"), "headers": null });
    assert_eq!(server.patch(&path, back).await.is(200)["headers"], json!({}));
}

#[tokio::test]
async fn a_change_is_in_force_for_what_is_already_waiting() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/old"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let event = server.publish("a", json!(1)).await;
    server.delivery_of(&event).await;

    let change = json!({ "webhook_url": receiver.url("/new"), "headers": { "x-new": "1" } });
    server.patch(&path, change).await.is(200);
    server.post(&format!("{path}/resume"), json!({})).await.is(200);
    server.delivery_that_is("delivered", &event).await;
    assert_eq!(receiver.requests("/new")[0].header("x-new"), "1");
    assert!(receiver.requests("/old").is_empty());
}

#[tokio::test]
async fn a_deleted_webhook_gets_nothing_more_and_what_waited_is_cancelled() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let retrying = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &retrying).await;

    server.delete(&path).await.is(204);
    server.get(&path).await.refused(404, "not_found");
    let ended = server.delivery_that_is("cancelled", &retrying).await;
    assert_eq!(ended["ended_by"], "webhook_deleted");
    assert_eq!(ended["attempts"].as_array().map(Vec::len), Some(1), "{ended}");
    assert_eq!(ended["next_attempt_at"], json!(null));

    server.publish("a", json!(2)).await;
    let again = server.register(&receiver.url("/a"), json!({})).await;
    assert_ne!(again["id"], webhook["id"]);
    receiver.always("/a", Reply::status(200));
    let event = server.publish("a", json!(3)).await;
    server.delivery_that_is("delivered", &event).await;
    assert_eq!(receiver.requests("/a").len(), 2);
}

#[tokio::test]
async fn what_waits_for_a_paused_webhook_is_cancelled_with_it() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let event = server.publish("a", json!(1)).await;
    server.delivery_of(&event).await;
    server.delete(&path).await.is(204);
    let ended = server.delivery_that_is("cancelled", &event).await;
    assert_eq!(ended["ended_by"], "webhook_deleted");
    assert!(receiver.all().is_empty());
}

#[tokio::test]
async fn a_test_goes_to_its_webhook_alone_whatever_it_wants() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({ "event_types": ["never"] })).await;
    server.register(&receiver.url("/b"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));

    let sent = server.post(&format!("{path}/test"), json!({})).await.is(202);
    let delivery = server.delivery_that_is("delivered", &text(&sent, "event_id")).await;
    assert_eq!(delivery["id"], sent["delivery_id"]);
    let request = &receiver.requests("/a")[0];
    assert_eq!(request.json()["type"], "postrider.test");
    assert!(is_signed_by(request, &text(&webhook, "secret")));

    let own = json!({ "type": "order.paid", "data": { "total": 1 } });
    let sent = server.post(&format!("{path}/test"), own).await.is(202);
    server.delivery_that_is("delivered", &text(&sent, "event_id")).await;
    assert_eq!(receiver.requests("/a")[1].json()["data"], json!({ "total": 1 }));
    assert!(receiver.requests("/b").is_empty());
}

#[tokio::test]
async fn a_test_waits_for_a_paused_webhook_and_is_refused_by_a_disabled_one() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let sent = server.post(&format!("{path}/test"), json!({})).await.is(202);
    let waiting = server.delivery_of(&text(&sent, "event_id")).await;
    assert_eq!(
        (&waiting["status"], &waiting["waiting_for"]),
        (&json!("pending"), &json!("paused"))
    );

    receiver.script("/a", [Reply::status(410)]);
    server.post(&format!("{path}/resume"), json!({})).await.is(200);
    server.delivery_that_is("failed", &text(&sent, "event_id")).await;
    server.post(&format!("{path}/test"), json!({})).await.refused(409, "webhook_disabled");
    server.post(&format!("{path}/pause"), json!({})).await.refused(409, "webhook_disabled");
    let resumed = server.post(&format!("{path}/resume"), json!({})).await.is(200);
    assert_eq!(resumed["status"], "active");
}
