//! Statistics: what happened is counted, and what wants a look is shown.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Postrider, Receiver, Reply, text, wait_until};

/// The counts of everything, once `so` holds of them.
async fn totals(server: &Client, query: &str, so: impl Fn(&Value) -> bool) -> Value {
    wait_until("it is counted", async || {
        let stats = server.get(&format!("/v1/stats?{query}")).await.is(200);
        so(&stats["totals"]).then_some(stats)
    })
    .await
}

async fn tenant_key(server: &Postrider, tenant: &str) -> Client {
    let body = json!({ "name": "t", "role": "tenant", "tenant": tenant });
    let key = server.post("/v1/keys", body).await.is(201);
    server.with_key(&text(&key, "key"))
}

fn sum(buckets: &Value, field: &str) -> u64 {
    let buckets = buckets.as_array().expect("a list");
    buckets.iter().filter_map(|bucket| bucket[field].as_u64()).sum()
}

#[tokio::test]
async fn what_happens_is_counted_by_webhook_type_and_outcome() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/failing", Reply::status(503));
    let schedule = json!({ "retry": { "policy": "schedule", "delays_ms": [100] } });
    let good = text(&server.register(&receiver.url("/good"), json!({})).await, "id");
    let failing = text(&server.register(&receiver.url("/failing"), schedule).await, "id");
    for n in 0..6 {
        server.publish(if n < 4 { "order.paid" } else { "order.sent" }, json!(n)).await;
    }
    let seen = totals(&server, "group_by=event_type", |totals| totals["failed"] == 6).await;
    let counts = &seen["totals"];
    assert_eq!((&counts["accepted"], &counts["made"]), (&json!(6), &json!(12)));
    assert_eq!(counts["attempts"]["success"], 6);
    assert_eq!(counts["attempts"]["server_error"], 12);
    assert_eq!((&counts["first_tries"], &counts["first_successes"]), (&json!(12), &json!(6)));
    assert_eq!((&counts["delivered"], &counts["cancelled"]), (&json!(6), &json!(0)));
    assert!(counts["latency_ms"]["p50"].as_f64() > Some(0.0), "{counts}");
    let quantile = |name: &str| counts["duration_ms"][name].as_f64();
    assert!(quantile("p99") >= quantile("p50"), "{counts}");
    for field in ["accepted", "made", "delivered", "failed"] {
        assert_eq!(sum(&seen["buckets"], field), counts[field], "{field}");
    }
    let types = seen["by_event_type"].as_array().expect("a list");
    let of_type = |n: usize| (text(&types[n], "event_type"), types[n]["delivered"].clone());
    assert_eq!(of_type(0), ("order.paid".to_owned(), json!(4)));
    assert_eq!(of_type(1), ("order.sent".to_owned(), json!(2)));

    let of = async |query: &str| server.get(&format!("/v1/stats?{query}")).await.is(200);
    let counts = &of(&format!("webhook_id={failing}")).await["totals"];
    assert_eq!((&counts["failed"], &counts["delivered"]), (&json!(6), &json!(0)));
    assert_eq!((&counts["accepted"], &counts["made"]), (&Value::Null, &Value::Null));
    let counts = &of("event_type=order.sent").await["totals"];
    assert_eq!((&counts["delivered"], &counts["failed"]), (&json!(2), &json!(2)));
    let counts = &of(&format!("webhook_id={good}&event_type=order.paid")).await["totals"];
    assert_eq!((&counts["delivered"], &counts["failed"]), (&json!(4), &json!(0)));

    let path = format!("/v1/stats/webhooks?webhook_ids={failing},{good}");
    let both = server.get(&path).await.is(200)["data"].clone();
    assert_eq!((&both[0]["webhook_id"], &both[1]["webhook_id"]), (&json!(failing), &json!(good)));
    assert_eq!((&both[0]["failures"], &both[1]["failures"]), (&json!(12), &json!(0)));
    assert_eq!((&both[0]["backlog"], &both[1]["delivered"]), (&json!(0), &json!(6)));
    assert_eq!(both[0]["last_delivery"]["status"], "failed");
    let spark = both[1]["spark"].as_array().expect("a list");
    assert_eq!(spark.len(), 24);
    assert_eq!(sum(&both[1]["spark"], "success"), 6);
}

#[tokio::test]
async fn a_tenant_sees_its_own_counts_alone() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (a, b) = (tenant_key(&server, "a").await, tenant_key(&server, "b").await);
    receiver.always("/a", Reply::status(500));
    let of_a = text(&a.register(&receiver.url("/a"), json!({})).await, "id");
    b.register(&receiver.url("/b"), json!({})).await;
    a.publish("x", json!(1)).await;
    b.publish("x", json!(1)).await;
    b.publish("y", json!(1)).await;
    totals(&server, "", |t| t["accepted"] == 3 && t["delivered"] == 2).await;
    let seen = totals(&a, "", |totals| totals["attempts"]["server_error"] == 1).await;
    assert_eq!((&seen["totals"]["accepted"], &seen["totals"]["delivered"]), (&json!(1), &json!(0)));
    let seen = totals(&b, "group_by=event_type", |totals| totals["delivered"] == 2).await;
    assert_eq!(seen["by_event_type"].as_array().expect("a list").len(), 2);
    let seen = totals(&server, "tenant=b", |totals| totals["delivered"] == 2).await;
    assert_eq!(seen["totals"]["accepted"], 2);

    b.get(&format!("/v1/stats?webhook_id={of_a}")).await.refused(404, "not_found");
    b.get("/v1/stats?tenant=a").await.refused(404, "not_found");
    let list = b.get(&format!("/v1/stats/webhooks?webhook_ids={of_a}")).await.is(200);
    assert_eq!(list["data"], json!([]));
    let overview = b.get("/v1/overview").await.is(200);
    assert_eq!((&overview["attention"], &overview["causes"]), (&json!([]), &json!([])));
    assert_eq!(overview["webhooks"]["active"], 1);
    let overview = a.get("/v1/overview").await.is(200);
    assert_eq!(overview["attention"][0]["webhook_id"], of_a.as_str());
    for path in ["/v1/workers", "/v1/system", "/v1/settings"] {
        a.get(path).await.refused(403, "forbidden_role");
    }
}

#[tokio::test]
async fn the_overview_shows_what_wants_a_look_until_it_is_well_again() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/failing", Reply::status(503));
    receiver.always("/gone", Reply::status(410));
    let hour = json!({ "retry": { "policy": "schedule", "delays_ms": [3_600_000] } });
    let failing = text(&server.register(&receiver.url("/failing"), hour).await, "id");
    let gone = text(&server.register(&receiver.url("/gone"), json!({})).await, "id");
    let event = server.publish("a", json!(1)).await;
    let overview = wait_until("both want a look", async || {
        let overview = server.get("/v1/overview").await.is(200);
        let all = overview["webhooks"]["failing"] == 1 && overview["webhooks"]["disabled"] == 1;
        all.then_some(overview)
    })
    .await;
    let first = &overview["attention"][0];
    assert_eq!((&first["webhook_id"], &first["last_status"]), (&json!(failing), &json!(503)));
    assert_eq!((&first["failures"], &first["backlog"]), (&json!(1), &json!(1)));
    assert_eq!(overview["attention"][1]["webhook_id"], gone.as_str());
    assert_eq!(overview["attention"][1]["status"], "disabled");
    assert_eq!(
        (&overview["queue"]["waiting"], &overview["queue"]["retrying"]),
        (&json!(1), &json!(1))
    );
    let causes = overview["causes"].as_array().expect("a list");
    let unavailable = causes.iter().find(|cause| cause["cause"] == "503").expect("it is a cause");
    assert_eq!((&unavailable["count"], &unavailable["webhooks"]), (&json!(1), &json!(1)));

    receiver.always("/failing", Reply::status(200));
    let delivery = server.deliveries(&format!("event_id={event}&webhook_id={failing}")).await;
    let id = text(&delivery[0], "id");
    server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
    wait_until("it is well again", async || {
        let overview = server.get("/v1/overview").await.is(200);
        (overview["webhooks"]["failing"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn counts_outlive_a_restart_and_a_cancel_is_one() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(500));
    let hour = json!({ "retry": { "policy": "schedule", "delays_ms": [3_600_000] } });
    server.register(&receiver.url("/a"), hour).await;
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    server.post(&format!("/v1/deliveries/{id}/cancel"), json!({})).await.is(200);
    // What was counted a moment ago is kept at the stop.
    server.restart().await;
    let stats = server.get("/v1/stats").await.is(200);
    let totals = &stats["totals"];
    assert_eq!((&totals["accepted"], &totals["cancelled"]), (&json!(1), &json!(1)));
    assert_eq!(totals["attempts"]["server_error"], 1);
}

#[tokio::test]
async fn parts_of_a_time_are_as_long_as_was_asked_for() {
    let server = Postrider::start().await;
    let get = async |query: &str| server.get(&format!("/v1/stats?{query}")).await;
    let stats =
        get("since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z&interval_ms=3600000").await;
    let stats = stats.is(200);
    assert_eq!(stats["buckets"].as_array().expect("a list").len(), 24);
    assert_eq!(stats["buckets"][1]["at"], "2026-01-01T01:00:00.000Z");
    for query in [
        "interval_ms=1000",
        "interval_ms=x",
        "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "group_by=tenant",
    ] {
        get(query).await.refused(422, "parameter_invalid");
    }
    get("since=yesterday").await.refused(422, "timestamp_invalid");
    get("webhook_id=wh_x").await.refused(404, "not_found");
    let webhooks = async |query: &str| server.get(&format!("/v1/stats/webhooks?{query}")).await;
    assert_eq!(webhooks("").await.is(200)["data"], json!([]));
    for query in ["webhook_ids=", "webhook_ids=wh_x"] {
        webhooks(query).await.refused(422, "parameter_invalid");
    }
}

#[tokio::test]
async fn who_delivers_and_what_it_stands_on_is_shown() {
    let server = Postrider::start().await;
    let workers = wait_until("a worker says that it lives", async || {
        let workers = server.get("/v1/workers").await.is(200)["data"].clone();
        (workers.as_array()?.len() == 1).then_some(workers)
    })
    .await;
    assert_eq!((&workers[0]["state"], &workers[0]["held"]), (&json!("live"), &json!(0)));
    assert!(workers[0]["pid"].as_u64() > Some(0) && !text(&workers[0], "host").is_empty());
    let system = server.get("/v1/system").await.is(200);
    let distributed = server.services().is_some();
    let expected = if distributed {
        ("distributed", "postgresql", "redis")
    } else {
        ("embedded", "sqlite", "memory")
    };
    let kinds = (&system["mode"], &system["store"]["kind"], &system["queue"]["kind"]);
    assert_eq!(kinds, (&json!(expected.0), &json!(expected.1), &json!(expected.2)));
    assert!(system["store"]["ok"] == true && system["store"]["size_bytes"].as_u64() > Some(0));
    assert!(system["queue"]["latency_ms"].as_f64() > Some(0.0), "{system}");
    assert_eq!(system["checks"]["store"]["status"], "ok");

    let settings = server.get("/v1/settings").await.is(200)["data"].clone();
    let settings = settings.as_array().expect("a list");
    let of =
        |key: &str| settings.iter().find(|setting| setting["key"] == key).expect("it is there");
    assert_eq!(of("limits.retention_days")["value"], 90);
    assert_eq!(of("listen")["secret"], false);
    for setting in settings.iter().filter(|setting| setting["secret"] == true) {
        assert!(setting["value"].is_null() || setting["value"] == "***", "{setting}");
    }
}

#[tokio::test]
async fn how_the_queue_stands_is_looked_at_now_and_then() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(200).after(Duration::from_secs(30)));
    let one = json!({ "max_in_flight": 1, "timeout_ms": 30_000 });
    server.register(&receiver.url("/a"), one).await;
    for n in 0..3 {
        server.publish("a", json!(n)).await;
    }
    let seen = wait_until("it was looked at", async || {
        let stats = server.get("/v1/stats").await.is(200);
        (stats["totals"]["waiting"].as_u64() > Some(0)).then_some(stats)
    })
    .await;
    let totals = &seen["totals"];
    assert!(totals["sending"].is_u64() && totals["oldest_waiting_ms"].is_u64(), "{totals}");
    let last =
        seen["buckets"].as_array().expect("a list").iter().rfind(|b| !b["waiting"].is_null());
    assert_eq!(last.expect("it is in a part")["waiting"], totals["waiting"]);
    let of_one = server.get("/v1/stats?tenant=default").await.is(200);
    assert_eq!(of_one["totals"]["waiting"], json!(null));
}
