//! The request that a subscriber gets, byte for byte.

use serde_json::json;

use crate::harness::{Postrider, Receiver, is_signed_by, text};

/// What any parser would change: spaces, a repeated key, a number's form, escapes, an order.
const DATA: &str = r#"{ "z" :1.0,  "n":[1e2,-0,12345678901234567890.10],"a":"h\u00e9\u0000\/ \ud83d\ude00 é", "a":{ } }"#;

#[tokio::test]
async fn the_published_bytes_arrive_unchanged_in_every_format() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for format in ["standard", "raw", "event"] {
        let more = json!({ "payload_format": format });
        server.register(&receiver.url(&format!("/{format}")), more).await;
    }
    for (given, odd_spaces) in [("2026-08-22T10:00:00.5+02:00", true), ("", false)] {
        let (before, timestamp) = if odd_spaces {
            (" \n\t", format!(r#""timestamp": "{given}","#))
        } else {
            ("", String::new())
        };
        let body = format!(r#"{{{timestamp}"data":{before}{DATA}{before},"type":"order.paid"}}"#);
        let id = text(&server.post_text("/v1/events", &body).await.is(202), "id");
        let event = server.get(&format!("/v1/events/{id}")).await;
        assert!(event.text().contains(DATA), "{}", event.text());
        let timestamp = text(&event.is(200), "timestamp");
        assert!(given.is_empty() || timestamp == given, "{timestamp}");

        let expected = [
            (
                "/standard",
                format!(r#"{{"type":"order.paid","timestamp":"{timestamp}","data":{DATA}}}"#),
            ),
            ("/raw", DATA.to_owned()),
            ("/event", format!(r#"{{"event":{DATA},"date":"{timestamp}"}}"#)),
        ];
        for (path, body) in expected {
            let arrived = receiver.wait_for(path, if odd_spaces { 1 } else { 2 }).await;
            assert_eq!(arrived.last().expect("some").text(), body, "{path}");
        }
    }
}

#[tokio::test]
async fn the_headers_are_those_of_standard_webhooks_and_nothing_is_there_twice() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a?b=c"), json!({})).await;
    let event = server.publish("order.paid", json!({ "note": "héllo 📦" })).await;
    let request = receiver.wait_for("/a", 1).await.remove(0);

    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/a?b=c"));
    assert_eq!(request.header("webhook-id"), event);
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("Postrider/"), "{:?}", request.headers);
    assert!(request.header("webhook-timestamp").parse::<u64>().is_ok());
    assert!(request.header("webhook-signature").starts_with("v1,"));
    assert!(is_signed_by(&request, &text(&webhook, "secret")));
    assert!(!is_signed_by(&request, &crate::harness::new_secret("another")));
    // No header is there twice: `header` asserts it of each.
    for (name, value) in &request.headers {
        assert_eq!(request.header(name), value);
    }
    let known = [
        "host",
        "content-type",
        "content-length",
        "user-agent",
        "accept",
        "accept-encoding",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    for (name, value) in &request.headers {
        assert!(known.contains(&name.to_lowercase().as_str()), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_webhook_chooses_its_method_and_adds_its_headers() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for method in ["PUT", "PATCH", "POST"] {
        let headers = json!({ "X-Team": "a, b", "Authorization": "Basic c2VjcmV0", "x-empty": "" });
        let more = json!({ "method": method, "headers": headers, "event_types": [method] });
        let webhook = server.register(&receiver.url(&format!("/{method}")), more).await;
        assert_eq!(webhook["headers"]["authorization"], "***");
        server.publish(method, json!(1)).await;
        let request = receiver.wait_for(&format!("/{method}"), 1).await.remove(0);
        assert_eq!(request.method, method);
        assert_eq!(request.header("x-team"), "a, b");
        assert_eq!(request.header("authorization"), "Basic c2VjcmV0");
        let seen = server.get(&format!("/v1/webhooks/{}", text(&webhook, "id"))).await;
        assert!(!seen.text().contains("c2VjcmV0"), "{}", seen.text());
    }
}

#[tokio::test]
async fn one_event_has_one_id_for_every_webhook() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for path in ["/a", "/b", "/c"] {
        server.register(&receiver.url(path), json!({})).await;
    }
    let event = server.publish("a", json!(1)).await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(receiver.wait_for(path, 1).await[0].header("webhook-id"), event);
    }
}

#[tokio::test]
async fn a_large_event_arrives_whole() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({ "payload_format": "raw" })).await;
    let data = json!("x".repeat(200 * 1_024));
    server.publish("a", data.clone()).await;
    assert_eq!(receiver.wait_for("/a", 1).await[0].json(), data);
}

#[tokio::test]
async fn what_parsers_stumble_over_arrives_unchanged() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({ "payload_format": "raw" })).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let digits = "9".repeat(10_000);
    let rows = [
        r#"{"a":1,"a":2,"a":{"b":1,"b":1}}"#,
        r#"["\u0000","a\u0000b",{"\u0000":"\u0000"}]"#,
        r#"["\ud800","\udc00\ud800","\uDBFF x","\ud83d\ude00"]"#,
        r#"[1e999,-1e999,1e-999,0.0,-0,-0.0e-0,1E+400]"#,
        "\"\u{202e}\u{feff}\u{fffe}\u{10ffff} \u{7f}\u{85}\u{2028}\"",
        r#"{"__proto__":{"x":1},"constructor":null,"":{"":[]}}"#,
        r#""'; DROP TABLE events; -- <script>{{7*7}}%s%n ${jndi:ldap://a}""#,
        &deep,
        &deep_objects,
        &digits,
    ];
    for (n, data) in rows.iter().enumerate() {
        let body = format!(r#"{{"type":"a","data":{data}}}"#);
        let id = text(&server.post_text("/v1/events", &body).await.is(202), "id");
        let request = receiver.wait_for("/a", n + 1).await.remove(n);
        assert_eq!((request.header("webhook-id"), request.text()), (&*id, (*data).to_owned()));
        let seen = server.get(&format!("/v1/events/{id}")).await;
        assert!(seen.text().contains(&format!("\"data\":{data}")), "{:.200}", seen.text());
    }
}

#[tokio::test]
async fn a_timestamp_is_passed_on_and_decides_nothing() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let rows =
        ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001-23:59"];
    for (n, timestamp) in rows.iter().enumerate() {
        let event = json!({ "type": "a", "data": 1, "timestamp": timestamp });
        server.post("/v1/events", event).await.is(202);
        let request = receiver.wait_for("/a", n + 1).await.remove(n);
        assert_eq!(request.json()["timestamp"], *timestamp);
        let signed_at: i64 = request.header("webhook-timestamp").parse().expect("whole seconds");
        assert!((1_700_000_000..9_000_000_000).contains(&signed_at), "{signed_at}");
    }
    for timestamp in [
        "2016-12-31T23:59:60Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "10000-01-01T00:00:00Z",
    ] {
        let event = json!({ "type": "a", "data": 1, "timestamp": timestamp });
        server.post("/v1/events", event).await.refused(422, "timestamp_invalid");
    }
}
