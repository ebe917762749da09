//! Registering: the one call that must work with nothing but a URL.

use serde_json::json;

use crate::harness::{Options, Postrider, Receiver, new_secret, text};

#[tokio::test]
async fn a_url_is_all_it_takes_to_register() {
    let server = Postrider::with(Options::default().without_dev()).await;
    let body = r#"{"webhook_url": "https://application.com/v1/new-purchase"}"#;
    let webhook = server.post_text("/v1/webhooks/register", body).await.is(201);

    assert!(text(&webhook, "id").starts_with("wh_"), "{webhook}");
    assert!(text(&webhook, "secret").starts_with("whsec_"), "{webhook}");
    let rows = [
        ("tenant", json!("default")),
        ("webhook_url", json!("https://application.com/v1/new-purchase")),
        ("event_types", json!(["*"])),
        ("description", json!(null)),
        ("metadata", json!({})),
        ("status", json!("active")),
        ("status_reason", json!(null)),
        ("method", json!("POST")),
        ("headers", json!({})),
        ("signature", json!({ "scheme": "standard" })),
        ("payload_format", json!("standard")),
        ("timeout_ms", json!(15_000)),
        ("max_in_flight", json!(16)),
    ];
    for (field, expected) in rows {
        assert_eq!(webhook[field], expected, "{field}");
    }
    let retry = json!({
        "policy": "exponential", "base_ms": 5_000, "factor": 3.0, "cap_ms": 43_200_000,
        "max_attempts": 17, "max_age_ms": 259_200_000, "final_statuses": [],
    });
    assert_eq!(webhook["retry"], retry);
}

#[tokio::test]
async fn the_secret_is_shown_once_and_then_only_on_demand() {
    let server = Postrider::start().await;
    let webhook = server.register("https://a.example/hook", json!({})).await;
    let id = text(&webhook, "id");

    let seen = server.get(&format!("/v1/webhooks/{id}")).await.is(200);
    assert!(seen.get("secret").is_none(), "{seen}");
    let listed = server.get("/v1/webhooks").await.is(200);
    assert!(!listed.to_string().contains("whsec_"), "{listed}");
    let secrets = server.get(&format!("/v1/webhooks/{id}/secret")).await.is(200);
    assert_eq!(secrets["secrets"][0]["secret"], webhook["secret"]);
    assert_eq!(secrets["secrets"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn each_webhook_gets_a_secret_of_its_own_unless_it_brings_one() {
    let server = Postrider::start().await;
    let a = server.register("https://a.example/", json!({})).await;
    let b = server.register("https://b.example/", json!({})).await;
    assert_ne!(a["secret"], b["secret"]);

    let own = new_secret("brought along");
    let c = server.register("https://c.example/", json!({ "secret": own })).await;
    assert_eq!(c["secret"], own.as_str());
    for bad in
        ["", "whsec_", "whsec_c2hvcnQ=", "not base64!", &new_secret("x").replace("whsec", "a")]
    {
        let body = json!({ "webhook_url": "https://d.example/", "secret": bad });
        let answer = server.post("/v1/webhooks/register", body).await;
        assert_eq!(answer.status, 422, "{bad:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn registering_a_url_again_updates_it_and_keeps_its_id_and_secret() {
    let server = Postrider::start().await;
    let more = json!({ "event_types": ["order.*"], "description": "orders", "timeout_ms": 2_000 });
    let first = server.register("https://a.example/hook", more).await;

    // The same URL, written differently.
    let body = json!({ "webhook_url": "HTTPS://A.Example:443/hook", "description": "all orders" });
    let again = server.post("/v1/webhooks/register", body).await.is(200);
    assert_eq!(again["id"], first["id"]);
    assert!(again.get("secret").is_none(), "{again}");
    assert_eq!(again["description"], "all orders");
    assert_eq!(again["event_types"], json!(["order.*"]));
    assert_eq!(again["timeout_ms"], 2_000);
    assert_eq!(again["webhook_url"], "https://a.example/hook");

    let id = text(&first, "id");
    let secrets = server.get(&format!("/v1/webhooks/{id}/secret")).await.is(200);
    assert_eq!(secrets["secrets"][0]["secret"], first["secret"]);
    assert_eq!(server.walk("/v1/webhooks").await.len(), 1);
}

#[tokio::test]
async fn concurrent_registrations_of_one_url_make_one_webhook() {
    let server = Postrider::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = server.clone();
        let body = json!({ "webhook_url": "https://a.example/hook" });
        calls.spawn(async move { client.post("/v1/webhooks/register", body).await });
    }
    let answers = calls.join_all().await;
    let created = answers.iter().filter(|a| a.status == 201).count();
    let statuses: Vec<u16> = answers.iter().map(|a| a.status).collect();
    assert_eq!(created, 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 200 | 201)), "{statuses:?}");
    assert_eq!(server.walk("/v1/webhooks").await.len(), 1);
}

#[tokio::test]
async fn registering_again_wakes_a_disabled_webhook_and_leaves_a_paused_one_paused() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/gone", [crate::harness::Reply::status(410)]);
    let gone = server.register(&receiver.url("/gone"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("failed", &event).await;
    let path = format!("/v1/webhooks/{}", text(&gone, "id"));
    let disabled = server.get(&path).await.is(200);
    assert_eq!(disabled["status"], "disabled", "{disabled}");
    assert!(disabled["status_reason"].is_string(), "{disabled}");

    let body = json!({ "webhook_url": receiver.url("/gone") });
    let active = server.post("/v1/webhooks/register", body.clone()).await.is(200);
    assert_eq!((&active["status"], &active["status_reason"]), (&json!("active"), &json!(null)));
    let event = server.publish("a", json!(2)).await;
    server.delivery_that_is("delivered", &event).await;

    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let paused = server.post("/v1/webhooks/register", body).await.is(200);
    assert_eq!(paused["status"], "paused");
}

#[tokio::test]
async fn an_event_published_right_after_a_registration_never_misses_it() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    // A busy fan-out with a warm cache of webhooks is the one that could miss a new one.
    server.register(&receiver.url("/always"), json!({})).await;
    for n in 0..100 {
        let path = format!("/{n}");
        let more = json!({ "event_types": [format!("only.for_{n}")] });
        server.register(&receiver.url(&path), more).await;
        server.publish(&format!("only.for_{n}"), json!(n)).await;
    }
    for n in 0..100 {
        receiver.wait_for(&format!("/{n}"), 1).await;
    }
    receiver.wait_for("/always", 100).await;
}

#[tokio::test]
async fn only_events_of_the_wanted_types_are_delivered() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for (path, types) in [
        ("/exact", json!(["order.paid"])),
        ("/prefix", json!(["order.*"])),
        ("/two", json!(["invoice.sent", "order.paid"])),
        ("/all", json!(["*"])),
    ] {
        server.register(&receiver.url(path), json!({ "event_types": types })).await;
    }
    for event_type in ["order.paid", "order.paid.late", "invoice.sent", "orders.paid"] {
        server.publish(event_type, json!({})).await;
    }
    let arrived = receiver.wait_for("/all", 4).await;
    assert_eq!(arrived.len(), 4);
    for (path, count) in [("/prefix", 2), ("/two", 2), ("/exact", 1)] {
        assert_eq!(receiver.wait_for(path, count).await.len(), count, "{path}");
    }
    assert_eq!(server.walk("/v1/deliveries").await.len(), 9);
}
