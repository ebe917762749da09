//! The processes of a fleet: how they start, wait, and say how they are.

use std::time::Duration;

use serde_json::json;

use crate::harness::account::subscribers;
use crate::harness::fleet::Fleet;
use crate::harness::{
    Client, MASTER_KEY, Output, Process, Receiver, free_port, never, text, wait_until,
};

/// What a process needs that finds neither service.
fn nowhere() -> Vec<(String, String)> {
    let port = free_port();
    [
        ("POSTRIDER_DATABASE_URL", format!("postgres://someone:hunter2@127.0.0.1:{port}/x")),
        ("POSTRIDER_REDIS_URL", format!("redis://:hunter2@127.0.0.1:{port}")),
        ("POSTRIDER_MASTER_KEY", MASTER_KEY.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[tokio::test]
async fn a_process_of_a_fleet_says_what_it_lacks() {
    let database = ("POSTRIDER_DATABASE_URL", "postgres://db/x");
    let redis = ("POSTRIDER_REDIS_URL", "redis://r");
    let master = ("POSTRIDER_MASTER_KEY", MASTER_KEY);
    let no_url = ("POSTRIDER_DATABASE_URL", "mysql://db/x");
    let no_redis = ("POSTRIDER_REDIS_URL", "http://r");
    for (args, env, words) in [
        (&["worker"][..], &[][..], "POSTRIDER_DATABASE_URL and POSTRIDER_REDIS_URL"),
        (&["api"], &[database][..], "POSTRIDER_REDIS_URL is not"),
        (&["api"], &[database, redis], "POSTRIDER_MASTER_KEY is not set"),
        (&["worker"], &[no_url, redis, master], "POSTRIDER_DATABASE_URL: "),
        (&["worker"], &[database, no_redis, master], "POSTRIDER_REDIS_URL: "),
        (&["migrate"], &[], "POSTRIDER_DATABASE_URL is not set"),
    ] {
        let output = Output::alone(args, env);
        assert_eq!(output.code, Some(2), "{args:?} {env:?} {output:?}");
        assert!(output.stderr.contains(words), "{args:?} {env:?} {output:?}");
    }
}

#[tokio::test]
async fn a_process_without_its_services_waits_and_says_so() {
    let mut worker = Process::start(vec!["worker".into()], nowhere());
    wait_until("it says so", async || worker.log().contains("waiting for a service").then_some(()))
        .await;
    let during = Duration::from_millis(2_500);
    never("it ended", during, async || worker.ended()).await;
    assert!(!worker.log().contains("hunter2"), "{}", worker.log());
    worker.stop().await;
}

#[tokio::test]
async fn a_health_check_tells_by_its_exit_code() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let dead = Output::alone(&["healthcheck"], &[("POSTRIDER_URL", &url)]);
    assert_eq!(dead.code, Some(1), "{dead:?}");
    assert!(dead.stderr.contains("does not answer"), "{dead:?}");
    let server = crate::harness::Postrider::start().await;
    server.run(&["healthcheck"]).ok();
    server.run(&["healthcheck", "--ready"]).ok();
}

#[tokio::test]
async fn workers_tell_how_they_are_and_need_their_queue() {
    let mut fleet = Fleet::start(1, 0).await;
    let worker = fleet.start_worker_with_a_door();
    let ready = async |worker: &Client, status| {
        wait_until("its readiness changes", async || {
            let asked = worker.try_send(reqwest::Method::GET, "/readyz", &[], None).await.ok()?;
            (asked.status == status).then_some(())
        })
        .await;
    };
    ready(&worker, 200).await;
    worker.get("/healthz").await.is(200);
    // It is no door for events.
    assert_eq!(worker.post("/v1/events", json!({})).await.status, 404);
    assert!(worker.get("/metrics").await.text().contains("postrider_"));
    fleet.redis.kill_9().await;
    ready(&worker, 503).await;
    let api = fleet.client().get("/readyz").await.is(200);
    assert_eq!(api["status"], "degraded");
    fleet.redis.start().await;
    ready(&worker, 200).await;
}

#[tokio::test]
async fn a_webhook_gets_no_event_of_before_its_registration() {
    let mut fleet = Fleet::start(1, 0).await;
    let receiver = Receiver::start().await;
    fleet.client().register(&receiver.url("/there"), json!({})).await;
    let before = fleet.client().publish("order.paid", json!(1)).await;
    fleet.client().register(&receiver.url("/later"), json!({})).await;
    let after = fleet.client().publish("order.paid", json!(2)).await;
    // Only now somebody fans out.
    fleet.start_worker_with_a_door();
    receiver.wait_for("/there", 2).await;
    let later = receiver.wait_for("/later", 1).await;
    assert_eq!(later[0].header("webhook-id"), after);
    let event = fleet.client().get(&format!("/v1/events/{before}")).await.is(200);
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(1), "{event}");
}

/// What it accepts is safe all the same, so nobody is turned away.
#[tokio::test]
async fn a_redis_that_evicts_and_a_clock_that_is_off_are_said() {
    let mut fleet = Fleet::start(1, 0).await;
    let checks = async |client: &Client| client.get("/readyz").await.is(200);
    let fine = checks(fleet.client()).await;
    assert_eq!(
        (&fine["status"], &fine["checks"]["eviction"]["status"]),
        (&json!("ok"), &json!("ok"))
    );
    fleet.redis.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    wait_until("it is seen", async || {
        let degraded = checks(fleet.client()).await;
        let said = &degraded["checks"]["eviction"]["status"];
        (degraded["status"] == "degraded" && said == "evicting").then_some(())
    })
    .await;
    assert!(fleet.client().get("/metrics").await.text().contains("check_ok{check=\"eviction\"} 0"));
    assert!(fleet.apis[0].process.log().contains("maxmemory-policy"));
    fleet.redis.tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let ahead = fleet.start_api_with_its_clock_off(folder.path()).await;
    assert_eq!(checks(&ahead).await["checks"]["clock"]["status"], "skewed");
    assert_eq!(checks(fleet.client()).await["checks"]["clock"]["status"], "ok");
}

/// Redis comes back with what it knew before: a webhook that is paused, or is not.
#[tokio::test]
async fn what_changed_while_redis_was_away_holds_once_it_is_back() {
    let mut fleet = Fleet::start(1, 1).await;
    let receiver = Receiver::start().await;
    let [resumed, paused] = ["/resumed", "/paused"].map(|path| receiver.url(path));
    let resumed = text(&fleet.client().register(&resumed, json!({})).await, "id");
    let paused = text(&fleet.client().register(&paused, json!({})).await, "id");
    let order = async |fleet: &Fleet, id: &str, verb: &str| {
        fleet.client().post(&format!("/v1/webhooks/{id}/{verb}"), json!({})).await.is(200);
    };
    order(&fleet, &resumed, "pause").await;
    fleet.client().publish("a", json!(1)).await;
    receiver.wait_for("/paused", 1).await;
    fleet.redis.tell(&["SAVE"]);
    fleet.redis.kill_9().await;
    order(&fleet, &resumed, "resume").await;
    order(&fleet, &paused, "pause").await;
    fleet.redis.start().await;
    receiver.wait_for("/resumed", 1).await;
    fleet.client().publish("a", json!(2)).await;
    receiver.wait_for("/resumed", 2).await;
    let during = Duration::from_millis(500);
    never("the paused one gets more", during, async || {
        (receiver.requests("/paused").len() > 1).then_some(())
    })
    .await;
}

/// The API cannot say so while Redis refuses it; once it does not, a sweep does.
#[tokio::test]
async fn a_resume_that_redis_refused_holds_once_it_is_taken() {
    let (fleet, _receiver, webhook, event) = with_a_paused_delivery().await;
    fleet.redis.tell(&["ACL", "SETUSER", "default", "-evalsha", "-eval"]);
    fleet.client().post(&format!("/v1/webhooks/{webhook}/resume"), json!({})).await.is(200);
    wait_until("the API is refused", async || {
        fleet.apis[0].process.log().contains("queue.verb=\"set\"").then_some(())
    })
    .await;
    fleet.redis.tell(&["ACL", "SETUSER", "default", "+evalsha", "+eval"]);
    fleet.client().delivery_that_is("delivered", &event).await;
}

#[tokio::test]
async fn a_resume_holds_while_redis_is_full() {
    let (fleet, _receiver, webhook, event) = with_a_paused_delivery().await;
    fleet.redis.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    fleet.client().post(&format!("/v1/webhooks/{webhook}/resume"), json!({})).await.is(200);
    fleet.client().delivery_that_is("delivered", &event).await;
}

/// A fleet, its receiver, a paused webhook, and an event whose delivery to it waits.
async fn with_a_paused_delivery() -> (Fleet, Receiver, String, String) {
    let fleet = Fleet::start(1, 1).await;
    let receiver = Receiver::start().await;
    let webhook = text(&fleet.client().register(&receiver.url("/a"), json!({})).await, "id");
    fleet.client().post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    let event = fleet.client().publish("a", json!(1)).await;
    wait_until("its delivery waits", async || {
        let deliveries = fleet.client().deliveries(&format!("webhook_id={webhook}")).await;
        deliveries.iter().any(|d| d["waiting_for"] == "paused").then_some(())
    })
    .await;
    (fleet, receiver, webhook, event)
}

#[tokio::test]
async fn what_one_api_changes_every_process_knows() {
    let fleet = Fleet::start(2, 2).await;
    let receiver = subscribers(fleet.client()).await;
    let [first, second] = [0, 1].map(|n| fleet.apis[n].client.clone());
    let registered = receiver.url("/late");
    for n in 0..10 {
        // Registered at one door, published to at the other at once: it never misses.
        let url = format!("{registered}/{n}");
        let more = json!({ "event_types": [format!("late.{n}")] });
        let webhook = text(&first.register(&url, more).await, "id");
        let event = second.publish(&format!("late.{n}"), json!(n)).await;
        second.delivery_that_is("delivered", &event).await;
        first.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
        let event = second.publish(&format!("late.{n}"), json!(n)).await;
        let waiting = second.delivery_of(&event).await;
        assert_eq!(waiting["status"], "pending", "{waiting}");
        second.post(&format!("/v1/webhooks/{webhook}/resume"), json!({})).await.is(200);
        first.delivery_that_is("delivered", &event).await;
    }
}
