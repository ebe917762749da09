//! Subscribers that misbehave: everything about an attempt is bounded.

use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, Reply, free_port, text, wait_until};

/// Publishes one event to a webhook of `url` and returns the delivery's first attempt.
async fn first_attempt(server: &Postrider, url: &str) -> Value {
    let more = json!({ "timeout_ms": 1_000, "event_types": ["bounds"] });
    let webhook = server.register(url, more).await;
    let event = server.publish("bounds", json!(1)).await;
    let id = text(&server.delivery_of(&event).await, "id");
    let attempt = wait_until("a first attempt", async || {
        let delivery = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
        delivery["attempts"].get(0).cloned()
    })
    .await;
    server.delete(&format!("/v1/webhooks/{}", text(&webhook, "id"))).await.is(204);
    attempt
}

#[tokio::test]
async fn a_subscriber_that_says_nothing_costs_its_timeout() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::hang());
    let attempt = first_attempt(&server, &receiver.url("/a")).await;
    assert_eq!((&attempt["status"], &attempt["error"]["class"]), (&json!(null), &json!("timeout")));
    let total = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
    assert!(total >= 950.0, "{total} ms");
    assert_eq!(attempt["response"], json!(null));
}

#[tokio::test]
async fn a_broken_connection_is_named_by_how_it_broke() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let nobody = format!("http://127.0.0.1:{}/a", free_port());
    let attempt = first_attempt(&server, &nobody).await;
    assert_eq!(attempt["error"]["class"], "connect", "{attempt}");
    for (path, reply, class) in
        [("/close", Reply::close(), "connection"), ("/garbage", Reply::garbage(), "protocol")]
    {
        receiver.always(path, reply);
        let attempt = first_attempt(&server, &receiver.url(path)).await;
        assert_eq!(attempt["error"]["class"], class, "{attempt}");
        assert!(attempt["error"]["detail"].is_string(), "{attempt}");
    }
}

#[tokio::test]
async fn a_long_answer_is_cut_and_a_longer_one_costs_its_connection() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    for (bytes, kept, truncated) in [
        (16 * 1_024, 16 * 1_024, false),
        (20 * 1_024, 16 * 1_024, true),
        (1 << 20, 16 * 1_024, true),
        (10, 10, false),
    ] {
        receiver.script("/a", [Reply::status(200).body("x".repeat(bytes))]);
        let event = server.publish("a", json!(bytes)).await;
        let delivery = server.delivery_that_is("delivered", &event).await;
        let response = &delivery["attempts"][0]["response"];
        assert_eq!(text(response, "body").len(), kept, "{bytes}");
        assert_eq!(response["truncated"], truncated, "{bytes}");
    }
    let connections: Vec<usize> = receiver.requests("/a").iter().map(|r| r.connection).collect();
    assert_eq!(connections[1], connections[0], "a connection is used again");
    assert_ne!(connections[3], connections[2], "one with more than 64 KiB to come is closed");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_a_success_after_two_seconds() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::endless());
    server.register(&receiver.url("/a"), json!({})).await;
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    let attempt = &delivery["attempts"][0];
    assert_eq!(attempt["response"]["truncated"], true);
    let total = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
    assert!((1_500.0..4_000.0).contains(&total), "{total} ms");
}

#[tokio::test]
async fn an_answer_with_an_absurd_head_is_refused() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let mut many = Reply::status(200);
    for n in 0..1_000 {
        many = many.header(&format!("x-{n}"), "a");
    }
    receiver.always("/many", many);
    receiver.always("/long", Reply::status(200).header("x-long", &"a".repeat(1 << 20)));
    for path in ["/many", "/long"] {
        let attempt = first_attempt(&server, &receiver.url(path)).await;
        assert_eq!(attempt["error"]["class"], "protocol", "{path}");
    }
}

#[tokio::test]
async fn a_subscriber_that_closes_connections_without_saying_so_costs_no_attempt() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(200).and_close());
    server.register(&receiver.url("/a"), json!({})).await;
    for n in 0..30 {
        let event = server.publish("a", json!(n)).await;
        let delivery = server.delivery_that_is("delivered", &event).await;
        assert_eq!(delivery["attempt_count"], 1, "{delivery}");
    }
    assert_eq!(receiver.requests("/a").len(), 30);
}

#[tokio::test]
async fn headers_of_an_answer_are_kept_up_to_a_bound() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let many = (0..60).fold(Reply::status(200), |reply, n| {
        reply.header(&format!("x-filler-{n}"), &"f".repeat(4_000))
    });
    receiver.always("/a", many);
    let attempt = first_attempt(&server, &receiver.url("/a")).await;
    let headers = attempt["response"]["headers"].as_object().expect("headers");
    let kept: usize = headers.iter().map(|(n, v)| n.len() + v.as_str().map_or(0, str::len)).sum();
    assert!(kept > 8 * 1_024 && kept <= 16 * 1_024, "{kept} bytes");
    assert_eq!(
        (&attempt["status"], &attempt["response"]["truncated"]),
        (&json!(200), &json!(true))
    );
}

#[tokio::test]
async fn credentials_that_an_answer_repeats_are_not_kept() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let more = json!({ "headers": { "Authorization": "Bearer sesame-open-up" } });
    let webhook = server.register(&receiver.url("/a"), more).await;
    let secret = text(&webhook, "secret").to_owned();
    let echo = Reply::status(200).header("x-echo", "Bearer sesame-open-up");
    receiver.always("/a", echo.body(format!("you are sesame-open-up and {secret}")));
    let event = server.publish("a", json!(1)).await;
    let id = text(&server.delivery_that_is("delivered", &event).await, "id").to_owned();
    let delivery = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
    let response = &delivery["attempts"][0]["response"];
    assert_eq!(response["headers"]["x-echo"], "Bearer ***");
    assert_eq!(response["body"], "you are *** and ***");
    assert_eq!(receiver.requests("/a")[0].header("authorization"), "Bearer sesame-open-up");
}

#[tokio::test]
async fn nor_is_a_part_of_one_where_an_answer_is_cut() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let token: String = (0..1_500).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
    let headers = json!({
        "Authorization": format!("Bearer {token}"),
        "Cookie": "session=sesame/open-up; theme=dark",
    });
    let webhook = server.register(&receiver.url("/a"), json!({ "headers": headers })).await;
    let secret = text(&webhook, "secret").to_owned();
    let echo = Reply::status(200).header("x-echo", &format!("Bearer {token}"));
    let before = r#"{"session":"sesame\/open-up","#.to_owned();
    let filler = "-".repeat(16 * 1_024 - before.len() - secret.len() - 4 - 1_490);
    let body = format!("{before}{filler} {secret} {token}{token}");
    receiver.always("/a", echo.body(body));
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    let delivery = server.get(&format!("/v1/deliveries/{}", text(&delivery, "id"))).await.is(200);
    let response = &delivery["attempts"][0]["response"];
    assert_eq!(
        (&response["headers"]["x-echo"], &response["truncated"]),
        (&json!("Bearer ***"), &json!(true))
    );
    assert_eq!(response["body"], format!(r#"{{"session":"***",{filler} *** "#));
}

#[tokio::test]
async fn nor_is_what_a_url_carries_and_a_credential_that_is_short() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let path = "/a?token=sesame%2Fopen&v=7";
    let more = json!({ "headers": { "X-Pin": "4711" } });
    server.register(&receiver.url(path), more).await;
    let echo =
        r#"{"to":"/a?token=sesame%2Fopen&v=7","token":"sesame/open","pin":"4711","n":47110}"#;
    receiver.always("/a", Reply::status(200).header("x-pin", "4711").body(echo));
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    let delivery = server.get(&format!("/v1/deliveries/{}", text(&delivery, "id"))).await.is(200);
    let response = &delivery["attempts"][0]["response"];
    assert_eq!(response["headers"]["x-pin"], "***");
    assert_eq!(
        response["body"],
        r#"{"to":"/a?token=***&***","token":"***","pin":"***","n":47110}"#
    );
}

#[tokio::test]
async fn a_batch_of_very_many_items_is_refused_whole() {
    let server = Postrider::start().await;
    let items = vec!["1"; 1_000_000].join(",");
    let answer = server.post_text("/v1/events/batch", &format!("{{\"events\":[{items}]}}")).await;
    answer.refused(413, "batch_too_large");
}

#[tokio::test]
async fn what_needs_no_key_is_not_told_to_a_page_of_elsewhere() {
    let server = Postrider::start().await;
    for (host, status) in [("localhost", 200), ("[::1]:80", 200), ("rebound.example.com", 404)] {
        let client = reqwest::Client::new();
        let request = client.get(server.url("/dev/inbox/demo")).header("host", host);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn who_may_only_look_does_not_see_what_a_url_carries() {
    let server = Postrider::start().await;
    let url = "https://hooks.example.com/a?token=sesame-open-up";
    let headers = json!({ "x-team": "a", "x-jwt": "e30", "x-hub-pw": "b", "x-ping": "c" });
    let webhook = server.register(url, json!({ "headers": headers })).await;
    let known = json!({ "x-team": "a", "x-jwt": "***", "x-hub-pw": "***", "x-ping": "c" });
    assert_eq!((&webhook["webhook_url"], &webhook["headers"]), (&json!(url), &known));
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let key = server.post("/v1/keys", json!({ "name": "v", "role": "viewer" })).await.is(201);
    let viewer = server.with_key(&text(&key, "key"));
    let masked = "https://hooks.example.com/a?token=***";
    let seen = viewer.get(&path).await.is(200);
    let all = json!({ "x-team": "***", "x-jwt": "***", "x-hub-pw": "***", "x-ping": "***" });
    assert_eq!((&seen["webhook_url"], &seen["headers"]), (&json!(masked), &all));
    assert_eq!(server.get(&path).await.is(200)["webhook_url"], url);
    let list = server.get("/v1/webhooks").await.is(200);
    assert_eq!(list["data"][0]["webhook_url"], masked);
    // Who sends back what a list shows changes nothing.
    let changed = server.patch(&path, json!({ "headers": all })).await.is(200);
    assert_eq!(changed["headers"], known);
}
