//! Nobody waits for anybody else's subscriber.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Options, Postrider, Receiver, Reply, text, wait_until};
use crate::tenants::key_of;

/// What a healthy webhook's event may take while others misbehave: its own way takes milliseconds,
/// a neighbour's timeout 30 s.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Asserts that the requests at `path` all came within a moment of the first.
fn assert_prompt(receiver: &Receiver, path: &str) {
    let at: Vec<Duration> = receiver.requests(path).iter().map(|r| r.at).collect();
    let (first, last) = (at.iter().min().expect("some"), at.iter().max().expect("some"));
    assert!(*last - *first < AT_ONCE, "{path}: from {first:?} to {last:?}");
}

#[tokio::test]
async fn a_hanging_webhook_does_not_delay_another_of_its_tenant() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/hangs", Reply::hang());
    server.register(&receiver.url("/hangs"), json!({ "timeout_ms": 30_000 })).await;
    server.register(&receiver.url("/good"), json!({})).await;
    for _ in 0..3 {
        let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 100] });
        server.post("/v1/events/batch", batch).await.is(202);
    }
    receiver.wait_for("/good", 300).await;
    assert_prompt(&receiver, "/good");
    assert!(receiver.most_at_once("/hangs") <= 16);
}

#[tokio::test]
async fn a_tenant_whose_webhooks_all_hang_leaves_room_for_others() {
    let options = Options::default().env("POSTRIDER_ENGINE_SLOTS", "32");
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let (bad, good) = (key_of(&server, "bad").await, key_of(&server, "good").await);
    // Ten webhooks of sixteen places each want five times the slots there are.
    for n in 0..10 {
        let path = format!("/hangs/{n}");
        receiver.always(&path, Reply::hang());
        bad.register(&receiver.url(&path), json!({ "timeout_ms": 30_000 })).await;
    }
    good.register(&receiver.url("/good"), json!({})).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 50] });
    bad.post("/v1/events/batch", batch.clone()).await.is(202);
    wait_until("the bad tenant holds what it may", async || {
        (receiver.all().len() >= 16).then_some(())
    })
    .await;
    good.post("/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/good", 50).await;
    assert_prompt(&receiver, "/good");
}

/// Of a quick webhook more is taken than it may have on the wire; that is given back if it hangs.
#[tokio::test]
async fn a_webhook_that_was_quick_and_hangs_takes_no_more_than_its_places() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/quick"), json!({ "timeout_ms": 30_000 })).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 200] });
    server.post("/v1/events/batch", batch.clone()).await.is(202);
    receiver.wait_for("/quick", 200).await;
    receiver.always("/quick", Reply::hang());
    server.post("/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/quick", 216).await;
    wait_until("only what is on the wire is held", async || {
        let metrics = server.get("/metrics").await.text();
        metrics.lines().any(|line| line == "postrider_worker_inflight 16").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_webhook_has_as_many_requests_at_once_as_it_wants_and_no_more() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for (path, limit) in [("/one", 1), ("/four", 4), ("/default", 16)] {
        receiver.always(path, Reply::status(200).after(Duration::from_millis(20)));
        let more = match limit {
            16 => json!({}),
            limit => json!({ "max_in_flight": limit }),
        };
        server.register(&receiver.url(path), more).await;
    }
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 60] });
    server.post("/v1/events/batch", batch).await.is(202);
    for (path, limit) in [("/one", 1), ("/four", 4), ("/default", 16)] {
        receiver.wait_for(path, 60).await;
        let most = receiver.most_at_once(path);
        assert!(most <= limit && (most > 1 || limit == 1), "{path}: {most}");
    }
}

#[tokio::test]
async fn after_three_failures_in_a_row_a_webhook_gets_one_request_at_a_time() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let delay = Duration::from_millis(20);
    receiver.always("/a", Reply::status(500).after(delay));
    let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 90] });
    let webhook = server.register(&receiver.url("/a"), json!({ "retry": retry })).await;
    server.publish("a", json!("first")).await;
    receiver.wait_for("/a", 4).await;
    receiver.most_at_once("/a");

    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 30] });
    server.post("/v1/events/batch", batch.clone()).await.is(202);
    receiver.wait_for("/a", 40).await;
    assert_eq!(receiver.most_at_once("/a"), 1);

    // A success gives it its places back.
    receiver.always("/a", Reply::status(200).after(delay));
    let query = format!("webhook_id={}&status=pending,retrying", text(&webhook, "id"));
    wait_until("the backlog is gone", async || {
        server.deliveries(&query).await.is_empty().then_some(())
    })
    .await;
    let before = receiver.requests("/a").len();
    receiver.most_at_once("/a");
    server.post("/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/a", before + 30).await;
    assert!(receiver.most_at_once("/a") > 1);
}

#[tokio::test]
async fn retries_of_a_webhook_do_not_hold_up_its_new_events() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    server.register(&receiver.url("/a"), json!({ "max_in_flight": 1 })).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": "old" }); 100] });
    server.post("/v1/events/batch", batch).await.is(202);
    wait_until("all have failed once", async || {
        (server.deliveries("status=retrying").await.len() == 100).then_some(())
    })
    .await;

    // Every retry is due at once, each takes a while, and then something new comes.
    receiver.always("/a", Reply::status(200).after(Duration::from_millis(30)));
    let before = receiver.requests("/a").len();
    server.step(Duration::from_secs(10)).await;
    let new = server.publish("a", json!("new")).await;
    server.delivery_that_is("delivered", &new).await;
    let requests = receiver.requests("/a");
    let place = requests[before..].iter().position(|r| r.json()["data"] == "new");
    assert!(place.is_some_and(|p| p < 60), "the new event came as number {place:?} of 101");
}

#[tokio::test]
async fn many_webhooks_that_hang_leave_room_for_one_of_their_tenant_that_answers() {
    let options = Options::default().env("POSTRIDER_ENGINE_SLOTS", "128");
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let slow = json!({ "timeout_ms": 30_000, "event_types": ["slow"] });
    for n in 0..20 {
        receiver.always(&format!("/hangs/{n}"), Reply::hang());
        server.register(&receiver.url(&format!("/hangs/{n}")), slow.clone()).await;
    }
    server.register(&receiver.url("/good"), json!({ "event_types": ["good"] })).await;
    let batch = json!({ "events": vec![json!({ "type": "slow", "data": 1 }); 20] });
    server.post("/v1/events/batch", batch).await.is(202);
    wait_until("most slots are taken", async || (receiver.all().len() > 64).then_some(())).await;
    let event = server.publish("good", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    // That did not wait for one of the others to give up.
    assert_eq!(server.deliveries("status=retrying").await, Vec::<serde_json::Value>::new());
}
