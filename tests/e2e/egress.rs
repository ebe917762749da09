//! Where requests may go: closed by default, opened by name, judged at every attempt.

use serde_json::json;

use crate::harness::{Options, Postrider, Receiver, Reply, free_port, text, wait_until};

fn closed() -> Options {
    Options::default().without_dev()
}

#[tokio::test]
async fn this_machine_is_no_target_unless_it_is_opened() {
    let server = Postrider::with(closed()).await;
    for url in [
        "http://127.0.0.1:8000/",
        "https://127.0.0.1:8000/",
        "https://localhost:8000/",
        "https://[::1]:8000/",
        "https://2130706433/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
    ] {
        let body = json!({ "webhook_url": url });
        server.post("/v1/webhooks/register", body).await.refused(422, "host_forbidden");
    }
    let plain = json!({ "webhook_url": "http://application.com/v1/new-purchase" });
    server.post("/v1/webhooks/register", plain).await.refused(422, "scheme");
    assert!(server.walk("/v1/webhooks").await.is_empty());
}

#[tokio::test]
async fn what_was_open_and_is_closed_again_gets_no_connection() {
    let receiver = Receiver::start().await;
    let open = closed().env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8");
    let mut server = Postrider::with(open).await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    let before = receiver.connections();

    server.stop().await;
    server.start_again_with(closed()).await;
    let event = server.publish("a", json!(2)).await;
    let failed = server.delivery_that_is("failed", &event).await;
    assert_eq!(failed["ended_by"], "forbidden");
    assert_eq!(failed["attempts"][0]["error"]["class"], "forbidden", "{failed}");
    assert_eq!(receiver.connections(), before);
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    assert_eq!(server.get(&path).await.is(200)["status"], "active");
}

#[tokio::test]
async fn a_name_that_resolves_to_a_closed_address_is_retried_and_not_dialled() {
    let receiver = Receiver::start().await;
    let url = receiver.url("/a").replace("127.0.0.1", "localhost");
    let open = closed().env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8,::1/128");
    let mut server = Postrider::with(open).await;
    server.register(&url, json!({})).await;
    let event = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    let before = receiver.connections();

    server.stop().await;
    server.start_again_with(closed().env("POSTRIDER_EGRESS_HTTP", "true")).await;
    let event = server.publish("a", json!(2)).await;
    let retrying = server.delivery_that_is("retrying", &event).await;
    assert_eq!(retrying["attempts"][0]["error"]["class"], "target_forbidden", "{retrying}");
    assert_eq!(receiver.connections(), before);
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let receiver = Receiver::start().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut options = Options::default();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        options = options.env(name, &nobody);
    }
    let server = Postrider::with(options.env("NO_PROXY", "").env("no_proxy", "")).await;
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    assert_eq!(delivery["attempt_count"], 1);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_retried() {
    let server = Postrider::start().await;
    server.register("https://no-such-host.invalid/a", json!({})).await;
    let event = server.publish("a", json!(1)).await;
    let retrying = server.delivery_that_is("retrying", &event).await;
    let class = text(&retrying["attempts"][0]["error"], "class");
    assert!(matches!(class.as_str(), "dns" | "dns_timeout"), "{retrying}");
}

#[tokio::test]
async fn a_subscriber_without_tls_is_a_tls_error() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::garbage());
    let url = receiver.url("/a").replace("http:", "https:");
    server.register(&url, json!({ "timeout_ms": 2_000 })).await;
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_of(&event).await, "id");
    let attempt = wait_until("an attempt", async || {
        server.get(&format!("/v1/deliveries/{id}")).await.is(200)["attempts"].get(0).cloned()
    })
    .await;
    let class = text(&attempt["error"], "class");
    assert!(matches!(class.as_str(), "tls" | "timeout"), "{attempt}");
    assert!(receiver.all().is_empty());
}
