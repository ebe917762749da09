//! The stream of deliveries: how each stands as that changes, from where one was, across processes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::fleet::Fleet;
use crate::harness::{Client, Postrider, Receiver, Reply, Stream, text, wait_until};

/// The next message that shows a delivery. The first who listens is told that others may have heard of it
/// late.
async fn next(stream: &mut Stream) -> Value {
    loop {
        let message = stream.next().await.expect("a message");
        match message.name.as_str() {
            "gap" => {}
            "delivery" => return message.json(),
            _ => panic!("{message:?}"),
        }
    }
}

/// How a delivery is shown until it stands so.
async fn until(stream: &mut Stream, status: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        seen.push(text(&next(stream).await, "status"));
        if seen.last().is_some_and(|last| last == status) {
            return seen;
        }
    }
}

async fn tenant_key(server: &Client, tenant: &str) -> Client {
    let body = json!({ "name": "t", "role": "tenant", "tenant": tenant });
    let key = server.post("/v1/keys", body).await.is(201);
    server.with_key(&text(&key, "key"))
}

/// A stream that every process knows of: a worker hears within a second that somebody listens.
async fn known(server: &Client, query: &str) -> Stream {
    let stream = Stream::open(server, query).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    stream
}

#[tokio::test]
async fn a_delivery_is_shown_each_time_it_changes() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let hour = json!({ "retry": { "policy": "schedule", "delays_ms": [3_600_000] } });
    let webhook = text(&server.register(&receiver.url("/a"), hour).await, "id");
    let mut stream = known(&server, "?of=deliveries").await;
    let event = server.publish("a", json!(1)).await;
    until(&mut stream, "retrying").await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
    let shown = loop {
        let shown = next(&mut stream).await;
        if shown["status"] == "delivered" {
            break shown;
        }
    };
    assert_eq!((&shown["id"], &shown["webhook_id"]), (&json!(id), &json!(webhook)));
    let listed = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
    assert_eq!(shown["last_attempt"], listed["last_attempt"]);
    assert_eq!(shown["webhook_url"], receiver.url("/a").as_str());
}

#[tokio::test]
async fn a_stream_of_deliveries_has_what_it_asks_for_and_may_see() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/failing", Reply::status(500));
    let (a, b) = (tenant_key(&server, "a").await, tenant_key(&server, "b").await);
    a.register(&receiver.url("/good"), json!({})).await;
    let failing = text(&a.register(&receiver.url("/failing"), json!({})).await, "id");
    b.register(&receiver.url("/b"), json!({})).await;
    let mut of_b = known(&b, "?of=deliveries").await;
    let mut of_failing =
        Stream::open(&server, &format!("?of=deliveries&webhook_id={failing}")).await;
    let mut delivered = Stream::open(&a, "?of=deliveries&status=delivered").await;
    let mut typed = Stream::open(&a, "?of=deliveries&event_types=y.*").await;
    a.publish("x", json!(1)).await;
    a.publish("y.z", json!(1)).await;
    b.publish("x", json!(1)).await;
    let shown = next(&mut of_b).await;
    assert_eq!(shown["tenant"], "b");
    assert_eq!(next(&mut of_failing).await["webhook_id"], failing.as_str());
    assert_eq!(next(&mut delivered).await["status"], "delivered");
    assert_eq!(next(&mut typed).await["event_type"], "y.z");
    let refused = async |client: &Client, query: &str, status, code: &str| {
        client.get(&format!("/v1/stream{query}")).await.refused(status, code);
    };
    refused(&b, "?of=deliveries&tenant=a", 404, "not_found").await;
    refused(&a, "?of=webhooks", 422, "parameter_invalid").await;
    refused(&a, "?of=events&status=failed", 422, "parameter_invalid").await;
    refused(&a, "?of=deliveries&status=open", 422, "parameter_invalid").await;
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_or_is_told() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let mut stream = known(&server, "?of=deliveries").await;
    server.publish("a", json!(1)).await;
    until(&mut stream, "delivered").await;
    let id = stream.last_id.clone();
    drop(stream);
    let missed = server.publish("a", json!(2)).await;
    server.delivery_that_is("delivered", &missed).await;
    let mut stream = Stream::after(&server, "?of=deliveries", &id).await;
    assert_eq!(text(&next(&mut stream).await, "event_id"), missed);

    // The id of another kind of stream says nothing here.
    let events = Stream::open(&server, "").await;
    let mut stream = Stream::after(&server, "?of=deliveries", &events.last_id).await;
    assert_eq!(stream.next().await.expect("a message").name, "gap");
    server.publish("a", json!(3)).await;
    until(&mut stream, "delivered").await;
}

#[tokio::test]
async fn where_very_many_change_the_last_are_shown_and_the_rest_counted() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let mut stream = known(&server, "?of=deliveries&status=delivered").await;
    let events = vec![json!({ "type": "a", "data": 1 }); 1_000];
    server.post("/v1/events/batch", json!({ "events": events })).await.is(202);
    let (mut shown, mut skipped) = (0, 0);
    wait_until("all were shown or counted", async || {
        let message = stream.next().await.expect("a message");
        match message.name.as_str() {
            "delivery" => shown += 1,
            "skipped" => skipped += message.json()["count"].as_u64().expect("a number"),
            "gap" => {}
            other => panic!("{other}"),
        }
        // Some are counted when they are made, and shown or counted again when they are delivered.
        (skipped > 0 && shown > 0 && shown + skipped >= 1_000).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_another_process_is_shown_too() {
    let fleet = Fleet::start(2, 1).await;
    let receiver = Receiver::start().await;
    let doors = fleet.doors();
    doors[0].register(&receiver.url("/a"), json!({})).await;
    let mut stream = known(&doors[1], "?of=deliveries").await;
    doors[0].publish("a", json!(1)).await;
    until(&mut stream, "delivered").await;
}
