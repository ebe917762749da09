//! Lists: pages, cursors and filters.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, Reply, text, wait_until};

fn ids(items: &[Value]) -> HashSet<String> {
    items.iter().map(|item| text(item, "id")).collect()
}

/// Walks `path` ten by ten, doing something after each page.
async fn slow_walk(
    server: &Postrider,
    path: &str,
    mut between: impl AsyncFnMut(usize),
) -> Vec<Value> {
    let (mut seen, mut next, mut pages) = (Vec::new(), format!("{path}?limit=10"), 0);
    loop {
        let page = server.get(&next).await.is(200);
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= 10);
        seen.extend(data.iter().cloned());
        pages += 1;
        between(pages).await;
        let Some(cursor) = page["next_cursor"].as_str() else { return seen };
        next = format!("{path}?limit=10&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_walk_sees_everything_once_while_more_comes_in() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for path in ["/a", "/b"] {
        server.register(&receiver.url(path), json!({ "event_types": ["a"] })).await;
    }
    let batch: Vec<_> = (0..57).map(|n| json!({ "type": "a", "data": n })).collect();
    server.post("/v1/events/batch", json!({ "events": batch })).await.is(202);
    receiver.wait_for("/a", 57).await;
    receiver.wait_for("/b", 57).await;

    let deliveries = slow_walk(&server, "/v1/deliveries", async |_| {
        server.publish("a", json!("late")).await;
    })
    .await;
    assert_eq!((deliveries.len(), ids(&deliveries).len()), (114, 114));

    let there = ids(&server.walk("/v1/events").await);
    let events = slow_walk(&server, "/v1/events", async |_| {
        server.publish("b", json!("late")).await;
    })
    .await;
    assert_eq!(events.len(), there.len());
    assert_eq!(ids(&events), there);
    assert!(server.walk("/v1/events").await.len() > there.len());
}

#[tokio::test]
async fn webhooks_are_listed_newest_first_and_once() {
    let server = Postrider::start().await;
    for n in 0..25 {
        server.register(&format!("https://{n}.example/"), json!({})).await;
    }
    let webhooks = slow_walk(&server, "/v1/webhooks", async |page| {
        server.register(&format!("https://late-{page}.example/"), json!({})).await;
    })
    .await;
    let urls: HashSet<String> = webhooks.iter().map(|w| text(w, "webhook_url")).collect();
    let expected: HashSet<String> = (0..25).map(|n| format!("https://{n}.example/")).collect();
    assert_eq!((webhooks.len(), urls), (25, expected));
    // Those of one millisecond stand in any order.
    let created: Vec<String> = webhooks.iter().map(|w| text(w, "created_at")).collect();
    assert!(created.is_sorted_by(|a, b| a >= b), "{created:?}");
}

#[tokio::test]
async fn deliveries_are_found_by_each_filter() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let good = text(&server.register(&receiver.url("/good"), json!({})).await, "id");
    let retry = json!({ "retry": { "policy": "schedule", "delays_ms": [] } });
    server.register(&receiver.url("/bad"), retry).await;
    receiver.always("/bad", Reply::status(500));
    let first = server.publish("order.paid", json!(1)).await;
    let second = server.publish("order.sent", json!(2)).await;
    wait_until("all are finished", async || {
        (server.deliveries("status=delivered,failed").await.len() == 4).then_some(())
    })
    .await;

    let accepted = text(&server.get(&format!("/v1/events/{second}")).await.is(200), "accepted_at");
    for (query, count) in [
        ("status=delivered".to_owned(), 2),
        ("status=failed".to_owned(), 2),
        ("status=pending,retrying".to_owned(), 0),
        (format!("webhook_id={good}"), 2),
        (format!("webhook_id={good}&status=failed"), 0),
        (format!("event_id={first}"), 2),
        ("event_type=order.sent".to_owned(), 2),
        ("tenant=default".to_owned(), 4),
        ("tenant=acme".to_owned(), 0),
        ("since=2020-01-01T00:00:00Z".to_owned(), 4),
        ("until=2020-01-01T00:00:00Z".to_owned(), 0),
        (format!("until={accepted}&event_id={second}"), 0),
        (format!("since={accepted}&event_id={second}"), 2),
    ] {
        assert_eq!(server.deliveries(&query).await.len(), count, "{query}");
    }
    for (query, count) in
        [("type=order.paid", 1), ("tenant=acme", 0), ("until=2020-01-01T00:00:00Z", 0)]
    {
        assert_eq!(server.walk(&format!("/v1/events?{query}")).await.len(), count, "{query}");
    }
    let listed = &server.walk("/v1/events").await[0];
    assert!(listed.get("data").is_none() && listed["deliveries"].is_null(), "{listed}");
}

#[tokio::test]
async fn limits_cursors_and_filters_that_make_no_sense_are_refused() {
    let server = Postrider::start().await;
    for n in 0..3 {
        server.register(&format!("https://{n}.example/"), json!({})).await;
        server.publish("a", json!(n)).await;
    }
    wait_until("three events are fanned out", async || {
        (server.walk("/v1/deliveries").await.len() >= 6).then_some(())
    })
    .await;
    for list in ["/v1/webhooks", "/v1/events", "/v1/deliveries"] {
        for limit in ["0", "201", "-1", "ten", ""] {
            let answer = server.get(&format!("{list}?limit={limit}")).await;
            answer.refused(422, "limit_invalid");
        }
        for cursor in ["x", "%00", "AAAA"] {
            let answer = server.get(&format!("{list}?cursor={cursor}")).await;
            answer.refused(400, "cursor_invalid");
        }
        let page = server.get(&format!("{list}?limit=1")).await.is(200);
        let cursor = text(&page, "next_cursor");
        let other = server.get(&format!("{list}?tenant=acme&cursor={cursor}")).await;
        other.refused(400, "cursor_mismatch");
        let unknown = server.get(&format!("{list}?colour=red")).await;
        unknown.refused(422, "unknown_field");
    }
    let first = text(&server.get("/v1/webhooks?limit=1").await.is(200), "next_cursor");
    let foreign = server.get(&format!("/v1/events?cursor={first}")).await;
    assert_eq!(foreign.status, 400, "{}", foreign.text());
    for query in ["status=lost", "since=yesterday", "until=1", "webhook_id=x"] {
        let answer = server.get(&format!("/v1/deliveries?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text());
    }
}
