//! Retrying and cancelling many deliveries, and finding them by what was answered.

use serde_json::{Value, json};

use crate::harness::{Client, Postrider, Receiver, Reply, text, wait_until};

/// So many deliveries to `path` that failed and are retried in an hour.
async fn failing(
    server: &Client,
    receiver: &Receiver,
    path: &str,
    status: u16,
    count: usize,
) -> String {
    receiver.always(path, Reply::status(status));
    let hour = json!({ "retry": { "policy": "schedule", "delays_ms": [3_600_000] } });
    let id = text(&server.register(&receiver.url(path), hour).await, "id");
    for n in 0..count {
        server.publish("a", json!(n)).await;
    }
    wait_for(server, &format!("webhook_id={id}&status=retrying"), count).await;
    id
}

async fn wait_for(server: &Client, query: &str, count: usize) {
    wait_until("they stand so", async || {
        let path = format!("/v1/deliveries?limit=200&{query}");
        let found = server.get(&path).await.is(200);
        (found["data"].as_array()?.len() == count).then_some(())
    })
    .await;
}

async fn act(server: &Client, verb: &str, body: Value) -> Value {
    server.post(&format!("/v1/deliveries/{verb}"), body).await.is(200)
}

#[tokio::test]
async fn what_a_dry_run_counts_is_what_is_done() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let first = failing(&server, &receiver, "/first", 503, 5).await;
    server.post(&format!("/v1/webhooks/{first}/pause"), json!({})).await.is(200);
    let second = failing(&server, &receiver, "/second", 404, 3).await;
    server.post(&format!("/v1/webhooks/{first}/resume"), json!({})).await.is(200);
    // The first has three more, which waited while it was paused.
    wait_for(&server, &format!("webhook_id={first}&status=retrying"), 8).await;

    let filter = json!({ "webhook_id": second, "status": ["retrying"] });
    let with = |more: Value| {
        let mut body = filter.clone();
        body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        body
    };
    let counted = act(&server, "cancel", with(json!({ "dry_run": true }))).await;
    assert_eq!(counted, json!({ "matched": 3, "capped": false }));
    assert_eq!(receiver.requests("/second").len(), 3);
    let done = act(&server, "retry", filter.clone()).await;
    assert_eq!(done, json!({ "done": 3, "skipped": 0, "next_cursor": null }));
    receiver.wait_for("/second", 6).await;
    assert_eq!(receiver.requests("/first").len(), 8);

    let cancelled = act(&server, "cancel", filter).await;
    assert_eq!(cancelled["done"], 3);
    wait_for(&server, &format!("webhook_id={second}&status=cancelled"), 3).await;
    // They begin anew; a cancelled one is not cancelled again.
    let all = json!({ "webhook_id": second });
    assert_eq!(act(&server, "cancel", all.clone()).await["done"], 0);
    assert_eq!(act(&server, "retry", all).await["done"], 3);
    receiver.wait_for("/second", 9).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_skipped() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/gone", Reply::status(410));
    let gone = text(&server.register(&receiver.url("/gone"), json!({})).await, "id");
    let good = text(&server.register(&receiver.url("/good"), json!({})).await, "id");
    let event = server.publish("a", json!(1)).await;
    wait_for(&server, &format!("event_id={event}&status=failed,delivered"), 2).await;
    let done = act(&server, "retry", json!({ "event_id": event })).await;
    assert_eq!(done, json!({ "done": 0, "skipped": 1, "next_cursor": null }), "{gone}");
    let done = act(&server, "retry", json!({ "webhook_id": good, "status": ["delivered"] })).await;
    assert_eq!(done, json!({ "done": 0, "skipped": 1, "next_cursor": null }));
    let counted = json!({ "webhook_id": good, "status": ["delivered"], "dry_run": true });
    assert_eq!(act(&server, "retry", counted).await["matched"], 0);
    assert_eq!((receiver.requests("/gone").len(), receiver.requests("/good").len()), (1, 1));
}

#[tokio::test]
async fn a_tenant_acts_on_its_own_alone_and_nobody_on_all_by_mistake() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let mut keys = Vec::new();
    for tenant in ["a", "b"] {
        let body = json!({ "name": "t", "role": "tenant", "tenant": tenant });
        let key = server.post("/v1/keys", body).await.is(201);
        keys.push(server.with_key(&text(&key, "key")));
    }
    failing(&keys[0], &receiver, "/a", 500, 2).await;
    failing(&keys[1], &receiver, "/b", 500, 2).await;
    let done = act(&keys[0], "cancel", json!({ "status": ["retrying"] })).await;
    assert_eq!(done["done"], 2);
    wait_for(&server, "status=retrying&tenant=b", 2).await;
    let other = json!({ "tenant": "b", "status": ["retrying"] });
    keys[0].post("/v1/deliveries/cancel", other).await.refused(404, "not_found");

    for body in [json!({}), json!({ "dry_run": true }), json!({ "status": [] })] {
        server.post("/v1/deliveries/cancel", body).await.refused(422, "filter_required");
    }
    let cases = [
        (json!({ "status": ["open"] }), "parameter_invalid"),
        (json!({ "webhook_id": "x" }), "parameter_invalid"),
        (json!({ "answer": "5x" }), "parameter_invalid"),
        (json!({ "webhook": "x" }), "unknown_field"),
        (json!({ "status": ["failed"], "dry_run": "yes" }), "schema"),
    ];
    for (body, code) in cases {
        server.post("/v1/deliveries/retry", body).await.refused(422, code);
    }
    let viewer = json!({ "name": "v", "role": "viewer" });
    let viewer = server.post("/v1/keys", viewer).await.is(201);
    let viewer = server.with_key(&text(&viewer, "key"));
    let body = json!({ "status": ["retrying"], "dry_run": true });
    viewer.post("/v1/deliveries/cancel", body).await.refused(403, "forbidden_role");
}

#[tokio::test]
async fn many_are_done_a_call_at_a_time() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = text(&server.register(&receiver.url("/a"), json!({})).await, "id");
    server.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    for _ in 0..3 {
        let events = vec![json!({ "type": "a", "data": 1 }); 500];
        server.post("/v1/events/batch", json!({ "events": events })).await.is(202);
    }
    let body = json!({ "webhook_id": webhook, "dry_run": true });
    wait_until("all are made", async || {
        (act(&server, "cancel", body.clone()).await["matched"] == 1_500).then_some(())
    })
    .await;
    let first = act(&server, "cancel", json!({ "webhook_id": webhook })).await;
    assert_eq!((&first["done"], &first["skipped"]), (&json!(1_000), &json!(0)));
    let next = json!({ "webhook_id": webhook, "cursor": first["next_cursor"] });
    let second = act(&server, "cancel", next).await;
    assert_eq!(second, json!({ "done": 500, "skipped": 0, "next_cursor": null }));
    let other = json!({ "status": ["pending"], "cursor": first["next_cursor"] });
    server.post("/v1/deliveries/cancel", other).await.refused(400, "cursor_mismatch");
}

#[tokio::test]
async fn deliveries_are_found_by_what_was_answered() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/hang", Reply::hang());
    let hour = json!({ "policy": "schedule", "delays_ms": [3_600_000] });
    let slow = json!({ "retry": hour, "timeout_ms": 1_000 });
    let hanging = text(&server.register(&receiver.url("/hang"), slow).await, "id");
    let mut ids = vec![];
    for (path, status) in [("/503", 503), ("/500", 500), ("/404", 404)] {
        receiver.always(path, Reply::status(status));
        let body = json!({ "retry": hour });
        ids.push(text(&server.register(&receiver.url(path), body).await, "id"));
    }
    server.register(&receiver.url("/200"), json!({})).await;
    server.publish("a", json!(1)).await;
    wait_for(&server, "status=retrying,delivered", 5).await;
    let found = async |query: &str| {
        let list = server.get(&format!("/v1/deliveries?{query}")).await.is(200);
        assert_eq!((&list["next_cursor"], &list["looked_until"]), (&Value::Null, &Value::Null));
        let list = list["data"].as_array().expect("a list").clone();
        let mut found: Vec<_> = list.iter().map(|d| text(d, "webhook_id")).collect();
        found.sort();
        found
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(found("answer=503").await, [ids[0].clone()]);
    assert_eq!(found("answer=5xx").await, sorted(ids[..2].to_vec()));
    assert_eq!(found("answer=4xx").await, [ids[2].clone()]);
    assert_eq!(found("answer=timeout").await, std::slice::from_ref(&hanging));
    assert_eq!(found("answer=error").await, std::slice::from_ref(&hanging));
    assert_eq!(found("answer=dns").await, Vec::<String>::new());
    assert_eq!(found("min_duration_ms=900").await, [hanging]);
    assert_eq!(found("answer=2xx&status=delivered").await.len(), 1);
    assert_eq!(found("min_attempts=2").await, Vec::<String>::new());
    assert_eq!(found("min_attempts=1&answer=5xx").await.len(), 2);
    // A page is full if there is enough of it.
    let page = server.get("/v1/deliveries?answer=5xx&limit=1").await.is(200);
    let cursor = text(&page, "next_cursor");
    let path = format!("/v1/deliveries?answer=5xx&limit=1&cursor={cursor}");
    let next = server.get(&path).await.is(200);
    assert_ne!(page["data"][0]["id"], next["data"][0]["id"]);
    assert_eq!(next["next_cursor"], Value::Null);
    let refused = server.get("/v1/deliveries?answer=999999").await;
    refused.refused(422, "parameter_invalid");
}
