//! What operators see and do: readiness, metrics, the description of the API, restarts.

use std::time::Duration;

use serde_json::json;

use crate::harness::{ADMIN_KEY, Options, Output, Postrider, Receiver, Reply, free_port, text};

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    server.register(&receiver.url("/a"), json!({})).await;
    let first = server.publish("a", json!(1)).await;
    server.delivery_that_is("retrying", &first).await;
    let second = server.publish("a", json!(2)).await;
    server.delivery_that_is("delivered", &second).await;

    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let metrics = answer.text();
    assert!(metrics.contains("# TYPE ") && metrics.contains("# HELP "), "{metrics}");
    assert!(metrics.lines().any(|l| l.starts_with("postrider_")), "{metrics}");
    let total = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|l| l.starts_with(name) && !l.starts_with('#'));
        lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(total("postrider_events_accepted_total"), 2.0, "{metrics}");
    assert_eq!(total("postrider_delivery_attempts_total"), 2.0, "{metrics}");
    // Nothing that grows with the number of webhooks or carries a secret.
    assert!(!metrics.contains("wh_") && !metrics.contains("127.0.0.1"), "{metrics}");
}

#[tokio::test]
async fn metrics_say_how_late_an_attempt_was_and_what_it_took() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let in_time = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &in_time).await;
    server.post(&format!("{path}/pause"), json!({})).await.is(200);
    let late = server.publish("a", json!(2)).await;
    server.delivery_that_is("pending", &late).await;
    server.step(Duration::from_secs(1_000)).await;
    server.post(&format!("{path}/resume"), json!({})).await.is(200);
    server.delivery_that_is("delivered", &late).await;

    let metrics = server.get("/metrics").await.text();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|v| v.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}: {metrics}"))
    };
    let lateness = value("postrider_delivery_lateness_seconds_sum{attempt=\"first\"}");
    assert!((1_000.0..1_060.0).contains(&lateness), "{lateness}");
    assert_eq!(value("postrider_delivery_lateness_seconds_count{attempt=\"first\"}"), 2.0);
    // It was kept for the second, or given up after so long.
    let opened = value("postrider_subscriber_connections_opened_total");
    assert!(opened == 1.0 || opened == 2.0, "{opened}");
    assert!(value("postrider_subscriber_connections") <= opened);
    assert_eq!(value("postrider_subscriber_requests"), 0.0);
    let started = value("process_start_time_seconds");
    assert!(started > 1e9 && value("process_resident_memory_bytes") > 1e6);
    let store = if server.services().is_some() { "postgresql" } else { "sqlite" };
    let accepted = format!("{{store=\"{store}\",operation=\"accept\"}}");
    let times = format!("postrider_store_operation_duration_seconds_count{accepted}");
    assert_eq!(value(&times), 2.0);
    assert_eq!(value(&format!("postrider_store_failures_total{accepted}")), 0.0);
    if server.services().is_some() {
        let most = value("postrider_database_connection_limit{pool=\"main\"}");
        let used = value("postrider_database_connections{pool=\"main\",state=\"used\"}");
        let idle = value("postrider_database_connections{pool=\"main\",state=\"idle\"}");
        assert!(used + idle >= 1.0 && used + idle <= most, "{used} {idle} {most}");
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let server = Postrider::start().await;
    let api = server.without_key().get("/openapi.json").await.is(200);
    assert!(text(&api, "openapi").starts_with("3.1"), "{}", api["openapi"]);
    for (path, methods) in [
        ("/v1/webhooks/register", &["post"][..]),
        ("/v1/webhooks", &["get"]),
        ("/v1/webhooks/{id}", &["get", "patch", "delete"]),
        ("/v1/webhooks/{id}/secret", &["get"]),
        ("/v1/webhooks/{id}/secret/rotate", &["post"]),
        ("/v1/webhooks/{id}/test", &["post"]),
        ("/v1/webhooks/{id}/pause", &["post"]),
        ("/v1/webhooks/{id}/resume", &["post"]),
        ("/v1/events", &["get", "post"]),
        ("/v1/events/batch", &["post"]),
        ("/v1/events/{id}", &["get"]),
        ("/v1/deliveries", &["get"]),
        ("/v1/deliveries/{id}", &["get"]),
        ("/v1/deliveries/{id}/retry", &["post"]),
        ("/v1/deliveries/{id}/cancel", &["post"]),
        ("/v1/keys", &["get", "post"]),
        ("/v1/keys/{id}", &["delete"]),
        ("/v1/log", &["get", "put"]),
    ] {
        for method in methods {
            let described = &api["paths"][path][method];
            assert!(described["responses"].is_object(), "{method} {path} is not described");
        }
    }
    assert!(api["webhooks"].is_object(), "the requests that subscribers get are not described");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({ "description": "kept" })).await;
    let event = server.publish("a", json!({ "kept": 1.0 })).await;
    let before = server.delivery_that_is("delivered", &event).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let seen = server.get(&path).await.is(200);

    server.restart().await;
    assert_eq!(server.get(&path).await.is(200), seen);
    assert_eq!(server.delivery_that_is("delivered", &event).await, before);
    let event = server.publish("a", json!(2)).await;
    server.delivery_that_is("delivered", &event).await;
    assert_eq!(receiver.requests("/a").len(), 2);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_on_the_wire_and_begins_nothing_new() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(200).after(Duration::from_millis(700))]);
    server.register(&receiver.url("/a"), json!({ "max_in_flight": 1 })).await;
    let first = server.publish("a", json!(1)).await;
    let second = server.publish("a", json!(2)).await;
    receiver.wait_for("/a", 1).await;
    let status = server.stop().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert_eq!(receiver.requests("/a").len(), 1);

    server.start_again().await;
    let done = server.delivery_that_is("delivered", &first).await;
    assert_eq!(done["attempt_count"], 1, "its answer was recorded before the stop");
    server.delivery_that_is("delivered", &second).await;
    assert_eq!(receiver.requests("/a").len(), 2);
}

#[tokio::test]
async fn an_attempt_that_a_stop_interrupts_is_given_back() {
    let options = Options::default().env("POSTRIDER_ENGINE_SHUTDOWN_GRACE_MS", "200");
    let mut server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::hang()]);
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    receiver.wait_for("/a", 1).await;
    let status = server.stop().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    server.start_again().await;
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempt_count"], 1, "{done}");
}

#[tokio::test]
async fn a_second_process_on_the_same_data_stops_with_a_sentence() {
    let server = Postrider::with(Options::default().on_a_data_directory()).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let data_dir = server.data_dir().to_str().expect("a path in UTF-8");
    let args = ["serve", "--listen", &listen, "--data-dir", data_dir];
    let second = Output::alone(&args, &[("POSTRIDER_ADMIN_KEY", ADMIN_KEY)]);
    assert!(second.code.is_some_and(|code| code != 0), "{second:?}");
    assert!(second.stderr.contains(data_dir), "{second:?}");
    assert!(!second.stderr.contains("panicked"), "{second:?}");
    server.publish("a", json!("the first one goes on")).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let server = Postrider::start().await;
    let taken = server.url("").replace("http://", "");
    let data = tempfile::tempdir().expect("a temporary folder");
    let args = ["serve", "--listen", &taken, "--data-dir", data.path().to_str().expect("UTF-8")];
    let second = Output::alone(&args, &[("POSTRIDER_ADMIN_KEY", ADMIN_KEY)]);
    assert!(second.code.is_some_and(|code| code != 0), "{second:?}");
    assert!(second.stderr.contains(&taken), "{second:?}");
    assert!(!second.stderr.contains("panicked"), "{second:?}");
}
