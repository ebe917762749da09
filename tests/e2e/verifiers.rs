//! Subscribers that verify with published libraries and answer 400 to what they do not believe.

use serde_json::{Value, json};

use crate::harness::{Postrider, Verifier, free_port, new_secret, text, wait_until};

/// A body that a verifier which re-encodes it would break.
fn data() -> Value {
    json!({ "total": 50.75, "note": "héllo 📦", "empty": {} })
}

/// Registers a webhook with a secret that Postrider makes, then starts the subscriber that
/// believes this one, and delivers an event.
async fn accepted_by(start: impl Fn(u16, &[&str]) -> Verifier, more: Value) {
    let server = Postrider::start().await;
    let port = free_port();
    let webhook = server.register(&format!("http://127.0.0.1:{port}/a"), more).await;
    let secret = text(&webhook, "secret");
    let verifier = start(port, &[&secret]);
    assert_eq!(verifier.url("/a"), webhook["webhook_url"]);

    let event = server.publish("order.paid", data()).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    assert_eq!(delivery["attempts"][0]["response"]["body"], "verified");

    // Who knows only the old secret goes on verifying while a new one is brought in.
    let path = format!("/v1/webhooks/{}/secret/rotate", text(&webhook, "id"));
    server.post(&path, json!({})).await.is(200);
    let event = server.publish("order.paid", data()).await;
    server.delivery_that_is("delivered", &event).await;
}

/// A subscriber that believes another secret refuses, and that is on record.
async fn refused_by(start: impl Fn(u16, &[&str]) -> Verifier, more: Value, reason: &str) {
    let server = Postrider::start().await;
    let verifier = start(0, &[&new_secret("the subscriber's")]);
    let mut more = more;
    more["secret"] = json!(new_secret("someone else's"));
    more["retry"] = json!({ "policy": "schedule", "delays_ms": [] });
    server.register(&verifier.url("/a"), more).await;
    let event = server.publish("order.paid", data()).await;
    let delivery = server.delivery_that_is("failed", &event).await;
    assert_eq!(delivery["attempts"][0]["status"], 400, "{delivery}");
    let said = text(&delivery["attempts"][0]["response"], "body");
    assert!(said.contains(reason), "{said}");
}

fn python(port: u16, secrets: &[&str]) -> Verifier {
    Verifier::python("standard.py", port, secrets)
}

fn node(port: u16, secrets: &[&str]) -> Verifier {
    Verifier::node("standard.mjs", port, secrets)
}

fn jwt(port: u16, secrets: &[&str]) -> Verifier {
    Verifier::python("jwt_bearer.py", port, secrets)
}

#[tokio::test]
async fn standardwebhooks_for_python_verifies_what_is_sent() {
    accepted_by(python, json!({})).await;
}

#[tokio::test]
async fn standardwebhooks_for_python_refuses_another_secret() {
    refused_by(python, json!({}), "No matching signature").await;
}

#[tokio::test]
async fn standardwebhooks_for_node_verifies_what_is_sent() {
    accepted_by(node, json!({ "payload_format": "raw" })).await;
}

#[tokio::test]
async fn standardwebhooks_for_node_refuses_another_secret() {
    refused_by(node, json!({}), "No matching signature").await;
}

#[tokio::test]
async fn pyjwt_refuses_another_secret() {
    refused_by(jwt, json!({ "signature": "jwt" }), "InvalidSignatureError").await;
}

#[tokio::test]
async fn pyjwt_verifies_the_bearer_token_and_its_hash_of_an_event_and_its_date() {
    let server = Postrider::start().await;
    let secret = new_secret("the shop's own secret");
    let verifier = jwt(0, &[&secret]);
    let receiver = crate::harness::Receiver::start().await;
    let more = json!({ "payload_format": "event", "signature": "jwt", "secret": secret });
    let webhook = server.register(&verifier.url("/v1/new-purchase"), more.clone()).await;
    assert_eq!(webhook["signature"], json!({ "scheme": "jwt" }));
    server.register(&receiver.url("/copy"), more).await;

    let event = server.publish("order.paid", data()).await;
    let accepted = server.get(&format!("/v1/events/{event}")).await.is(200);
    let delivered = wait_until("the verifier accepts it", async || {
        let all = server.deliveries(&format!("event_id={event}&status=delivered")).await;
        all.into_iter().find(|d| d["webhook_id"] == webhook["id"])
    })
    .await;
    let path = format!("/v1/deliveries/{}", text(&delivered, "id"));
    let delivered = server.get(&path).await.is(200);
    assert_eq!(delivered["attempts"][0]["response"]["body"], "verified");

    // The same request, seen by a subscriber that verifies nothing.
    let copy = receiver.wait_for("/copy", 1).await.remove(0);
    assert_eq!(copy.json(), json!({ "event": data(), "date": accepted["timestamp"] }));
    let token = copy.header("authorization").strip_prefix("Bearer ").expect("a bearer token");
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    assert!(parts.iter().all(|p| !p.is_empty() && !p.contains('=')), "{token}");
    assert_eq!(copy.header("webhook-id"), event);
}
