//! Publishing: what is accepted, and what a repeat means.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Postrider, Receiver, text};

async fn with_key(server: &Client, key: &str, body: &Value) -> crate::harness::Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    server.send(Method::POST, "/v1/events", &headers, Some(body.to_string().into_bytes())).await
}

#[tokio::test]
async fn an_accepted_event_can_be_read_back_with_its_deliveries() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let body = json!({
        "id": "order-7", "type": "order.paid", "timestamp": "2026-08-22T10:00:00+02:00",
        "data": { "total": 50.75 },
    });
    let accepted = server.post("/v1/events", body).await.is(202);
    assert_eq!(accepted, json!({ "id": "order-7", "duplicate": false }));
    server.delivery_that_is("delivered", "order-7").await;

    let event = server.get("/v1/events/order-7").await.is(200);
    assert_eq!((&event["id"], &event["type"]), (&json!("order-7"), &json!("order.paid")));
    assert_eq!((&event["tenant"], &event["data"]["total"]), (&json!("default"), &json!(50.75)));
    assert_eq!(event["timestamp"], "2026-08-22T10:00:00+02:00");
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(1), "{event}");
    assert_eq!(event["deliveries"][0]["webhook_id"], webhook["id"]);

    let uid = text(&event, "uid");
    assert!(uid.starts_with("evt_"));
    assert_eq!(server.get(&format!("/v1/events/{uid}")).await.is(200)["id"], "order-7");
    let request = &receiver.requests("/a")[0];
    assert_eq!(request.header("webhook-id"), "order-7");
}

#[tokio::test]
async fn an_id_used_again_is_a_repeat_or_a_conflict() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let body = json!({ "id": "order-1", "type": "order.paid", "data": { "total": 1 } });
    assert_eq!(server.post("/v1/events", body.clone()).await.is(202)["duplicate"], false);
    let repeat = server.post("/v1/events", body.clone()).await.is(202);
    assert_eq!(repeat, json!({ "id": "order-1", "duplicate": true }));

    for (field, other) in [
        ("data", json!({ "total": 2 })),
        ("type", json!("order.sent")),
        ("timestamp", json!("2026-08-22T10:00:00Z")),
    ] {
        let mut changed = body.clone();
        changed[field] = other;
        server.post("/v1/events", changed).await.refused(409, "event_id_conflict");
    }
    // The same JSON in other bytes is other content: nothing was parsed.
    let spaced = r#"{"id":"order-1","type":"order.paid","data":{"total": 1}}"#;
    server.post_text("/v1/events", spaced).await.refused(409, "event_id_conflict");
    // Another tenant's ids are its own.
    let mut elsewhere = body;
    elsewhere["tenant"] = json!("acme");
    assert_eq!(server.post("/v1/events", elsewhere).await.is(202)["duplicate"], false);

    server.delivery_that_is("delivered", "order-1").await;
    assert_eq!(receiver.requests("/a").len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_used_again_is_a_repeat_or_a_conflict() {
    let server = Postrider::start().await;
    let body = json!({ "type": "order.paid", "data": 1 });
    let first = with_key(&server, "key-1", &body).await.is(202);
    let repeat = with_key(&server, "key-1", &body).await.is(202);
    assert_eq!((&repeat["id"], &repeat["duplicate"]), (&first["id"], &json!(true)));

    let other = json!({ "type": "order.paid", "data": 2 });
    with_key(&server, "key-1", &other).await.refused(422, "idempotency_key_conflict");
    let second = with_key(&server, "key-2", &body).await.is(202);
    assert_ne!(second["id"], first["id"]);
    assert_eq!(server.walk("/v1/events").await.len(), 2);
}

#[tokio::test]
async fn a_hundred_concurrent_repeats_make_one_event() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    for (id, key) in [(Some("order-1"), None), (None, Some("key-1"))] {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let client = server.clone();
            let mut body = json!({ "type": "order.paid", "data": { "total": 1 } });
            if let Some(id) = id {
                body["id"] = id.into();
            }
            calls.spawn(async move {
                match key {
                    Some(key) => with_key(&client, key, &body).await.is(202),
                    None => client.post("/v1/events", body).await.is(202),
                }
            });
        }
        let answers = calls.join_all().await;
        let new = answers.iter().filter(|a| a["duplicate"] == false).count();
        assert_eq!(new, 1, "{id:?} {key:?}");
        assert!(answers.iter().all(|a| a["id"] == answers[0]["id"]));
        server.delivery_that_is("delivered", &text(&answers[0], "id")).await;
    }
    assert_eq!(server.walk("/v1/events").await.len(), 2);
    assert_eq!(receiver.requests("/a").len(), 2);
}

#[tokio::test]
async fn a_repeat_is_known_after_a_restart() {
    let mut server = Postrider::start().await;
    let body = json!({ "id": "order-1", "type": "order.paid", "data": { "total": 1 } });
    server.post("/v1/events", body.clone()).await.is(202);
    server.kill_9();
    server.start_again().await;
    assert_eq!(server.post("/v1/events", body).await.is(202)["duplicate"], true);
}

#[tokio::test]
async fn one_bad_item_of_a_batch_fails_alone() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let batch = json!({ "events": [
        { "id": "b-1", "type": "order.paid", "data": 1 },
        { "id": "b.2", "type": "order.paid", "data": 2 },
        { "id": "b-3", "type": "order paid", "data": 3 },
        { "id": "b-4", "type": "order.paid" },
        { "id": "b-1", "type": "order.paid", "data": 1 },
        { "id": "b-1", "type": "order.paid", "data": 9 },
        { "id": "b-7", "type": "order.paid", "data": 7, "colour": "red" },
        { "id": "b-8", "type": "order.paid", "data": 8 },
    ]});
    let results = server.post("/v1/events/batch", batch).await.is(202)["results"].clone();
    let results = results.as_array().expect("a list");
    let codes: Vec<&str> =
        results.iter().map(|r| r["error"]["code"].as_str().unwrap_or("ok")).collect();
    let expected = [
        "ok",
        "event_id_invalid",
        "event_type_invalid",
        "schema",
        "ok",
        "event_id_conflict",
        "unknown_field",
        "ok",
    ];
    assert_eq!(codes, expected, "{results:?}");
    assert_eq!(results[4], json!({ "id": "b-1", "duplicate": true }));
    assert!(results[1]["error"]["detail"].is_string());

    for id in ["b-1", "b-8"] {
        server.delivery_that_is("delivered", id).await;
    }
    assert_eq!(receiver.requests("/a").len(), 2);
}

#[tokio::test]
async fn a_batch_has_a_maximum() {
    let server = Postrider::start().await;
    let item = json!({ "type": "order.paid", "data": 1 });
    let full = json!({ "events": vec![item.clone(); 1_000] });
    let results = server.post("/v1/events/batch", full).await.is(202);
    assert_eq!(results["results"].as_array().map(Vec::len), Some(1_000));
    let over = json!({ "events": vec![item; 1_001] });
    server.post("/v1/events/batch", over).await.refused(413, "batch_too_large");
    assert_eq!(server.walk("/v1/events?limit=200").await.len(), 1_000);
}

#[tokio::test]
async fn any_json_value_may_be_an_events_data() {
    let server = Postrider::start().await;
    for data in ["null", "0", "-1.50e3", "\"\"", "[]", "{}", "false"] {
        let body = format!(r#"{{"type":"a","data":{data}}}"#);
        let id = text(&server.post_text("/v1/events", &body).await.is(202), "id");
        let seen = server.get(&format!("/v1/events/{id}")).await;
        assert!(seen.text().contains(&format!("\"data\":{data}")), "{}", seen.text());
    }
}
