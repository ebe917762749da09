//! What is refused, and by which stable code.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Options, Postrider, text};

/// Every route that wants a key. `{…}` stands for an id of that kind.
const ROUTES: [(&str, &str); 29] = [
    ("POST", "/v1/webhooks/register"),
    ("GET", "/v1/webhooks"),
    ("GET", "/v1/webhooks/{wh}"),
    ("PATCH", "/v1/webhooks/{wh}"),
    ("DELETE", "/v1/webhooks/{wh}"),
    ("GET", "/v1/webhooks/{wh}/secret"),
    ("POST", "/v1/webhooks/{wh}/secret/rotate"),
    ("POST", "/v1/webhooks/{wh}/test"),
    ("POST", "/v1/webhooks/{wh}/pause"),
    ("POST", "/v1/webhooks/{wh}/resume"),
    ("POST", "/v1/events"),
    ("POST", "/v1/events/batch"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/{evt}"),
    ("GET", "/v1/deliveries"),
    ("GET", "/v1/deliveries/{dlv}"),
    ("POST", "/v1/deliveries/{dlv}/retry"),
    ("POST", "/v1/deliveries/{dlv}/cancel"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("DELETE", "/v1/keys/{key}"),
    ("GET", "/v1/stream"),
    ("GET", "/metrics"),
    ("GET", "/v1/log"),
    ("PUT", "/v1/log"),
    // Strangers are not told what else is wrong.
    ("GET", "/v1/webhooks?limit=0"),
    ("GET", "/v1/events?cursor=x"),
    ("GET", "/v1/deliveries?status=x"),
    ("GET", "/v1/stream?after=x"),
];

fn filled(path: &str) -> String {
    let id = "0".repeat(26);
    path.replace("{wh}", &format!("wh_{id}"))
        .replace("{evt}", &format!("evt_{id}"))
        .replace("{key}", &format!("key_{id}"))
        .replace("{dlv}", &format!("dlv_{}", "0".repeat(52)))
}

fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

#[tokio::test]
async fn no_route_answers_without_a_valid_key() {
    let server = Postrider::start().await;
    let wrong = server.with_key("prk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for client in [server.without_key(), wrong, server.with_key("x")] {
        for (verb, path) in ROUTES {
            let answer = client.json(method(verb), &filled(path), json!({})).await;
            answer.refused(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{verb} {path}");
        }
    }
    let basic = [("authorization", "Basic cHJrOnByaw==")];
    let answer = server.without_key().send(Method::GET, "/v1/webhooks", &basic, None).await;
    answer.refused(401, "unauthorized");
}

#[tokio::test]
async fn what_is_open_answers_without_a_key() {
    let server = Postrider::start().await;
    let anyone = server.without_key();
    assert_eq!(anyone.get("/healthz").await.is(200), json!({ "status": "ok" }));
    assert_eq!(anyone.get("/readyz").await.is(200)["status"], "ok");
    for path in ["/openapi.json", "/errors/unknown_field"] {
        assert_eq!(anyone.get(path).await.status, 200, "{path}");
    }
    let production = Postrider::with(Options::default().without_dev()).await;
    for (verb, path) in
        [("GET", "/dev/inbox/demo"), ("POST", "/dev/inbox/a"), ("POST", "/dev/clock")]
    {
        let answer = production.without_key().json(method(verb), path, json!({})).await;
        assert!(matches!(answer.status, 401 | 404), "{verb} {path}: {}", answer.status);
        let answer = production.json(method(verb), path, json!({ "advance_ms": 1 })).await;
        answer.refused(404, "not_found");
    }
}

#[tokio::test]
async fn ids_that_name_nothing_are_not_found() {
    let server = Postrider::start().await;
    for (verb, path) in ROUTES.iter().filter(|(_, path)| path.contains('{')) {
        server.json(method(verb), &filled(path), json!({})).await.refused(404, "not_found");
        let broken = path.replace("{wh}", "wh_x").replace("{dlv}", "dlv_x").replace("{key}", "1");
        let broken = broken.replace("{evt}", "no-such-event");
        server.json(method(verb), &broken, json!({})).await.refused(404, "not_found");
    }
    server.get("/v1/nothing").await.refused(404, "not_found");
    server.get("/v2/events").await.refused(404, "not_found");
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = Postrider::start().await;
    for (verb, path) in [
        ("PUT", "/v1/webhooks"),
        ("PUT", "/v1/webhooks/{wh}"),
        ("POST", "/v1/webhooks/{wh}/secret"),
        ("GET", "/v1/webhooks/{wh}/secret/rotate"),
        ("GET", "/v1/webhooks/{wh}/pause"),
        ("DELETE", "/v1/events"),
        ("PUT", "/v1/events/{evt}"),
        ("POST", "/v1/deliveries"),
        ("DELETE", "/v1/deliveries/{dlv}"),
        ("GET", "/v1/deliveries/{dlv}/retry"),
        ("POST", "/v1/stream"),
        ("PATCH", "/v1/keys"),
        ("GET", "/v1/keys/{key}"),
        ("POST", "/healthz"),
        ("POST", "/openapi.json"),
    ] {
        let answer = server.json(method(verb), &filled(path), json!({})).await;
        answer.refused(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_by_name() {
    let server = Postrider::start().await;
    for (path, good) in [
        ("/v1/webhooks/register", r#""webhook_url":"https://a.example/""#),
        ("/v1/events", r#""type":"a","data":1"#),
        ("/v1/events/batch", r#""events":[]"#),
        ("/v1/keys", r#""name":"a","role":"viewer""#),
    ] {
        for text in ["", "{", "webhook_url=a", "{'a':1}", &format!("{{{good}}} x"), "\u{feff}{}"] {
            server.post_text(path, text).await.refused(400, "json_invalid");
        }
        for text in ["[]", "1", "null", r#""a""#] {
            server.post_text(path, text).await.refused(422, "schema");
        }
        let (name, value) = good.split_once(':').expect("a field");
        let twice = format!("{{{good},{name}:{}}}", value.split(',').next().unwrap_or_default());
        server.post_text(path, &twice).await.refused(400, "duplicate_key");

        let unknown = server.post_text(path, &format!("{{{good},\"colour\":1}}")).await;
        let problem = unknown.refused(422, "unknown_field");
        assert!(problem.to_string().contains("colour"), "{problem}");

        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
        {
            let headers = [("content-type", content_type)];
            let body = Some(format!("{{{good}}}").into_bytes());
            let answer = server.send(Method::POST, path, &headers, body).await;
            answer.refused(415, "unsupported_media_type");
        }
        let body = Some(format!("{{{good}}}").into_bytes());
        let untyped = server.send(Method::POST, path, &[], body).await;
        assert!(matches!(untyped.status, 200..=202 | 415), "{path}: {}", untyped.status);
    }
    let charset = [("content-type", "application/json; charset=utf-8")];
    let body = Some(br#"{"type":"a","data":1}"#.to_vec());
    server.send(Method::POST, "/v1/events", &charset, body).await.is(202);
    let latin = Some(b"{\"type\":\"a\",\"data\":\"\xe9\"}".to_vec());
    server.send(Method::POST, "/v1/events", &charset, latin).await.refused(400, "json_invalid");
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused() {
    let server = Postrider::start().await;
    let long = "x".repeat(32 << 20);
    for (path, body) in [
        (
            "/v1/webhooks/register",
            json!({ "webhook_url": "https://a.example/", "description": long }),
        ),
        ("/v1/events", json!({ "type": "a", "data": long })),
        ("/v1/events/batch", json!({ "events": [{ "type": "a", "data": long }] })),
    ] {
        let answer = server.post(path, body).await;
        answer.refused(413, "body_too_large");
    }
    assert!(server.walk("/v1/events").await.is_empty());
}

fn headers(count: usize) -> Value {
    (0..count).map(|n| (format!("x-{n}"), json!("a"))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn fields_of_a_webhook_are_checked_one_by_one() {
    let server = Postrider::start().await;
    let rows: &[(&str, Value, &str)] = &[
        ("webhook_url", json!(5), "schema"),
        ("webhook_url", json!("ftp://a.example/"), "scheme"),
        ("webhook_url", json!("https://user:pass@a.example/"), "userinfo"),
        ("webhook_url", json!("https://a.example:22/"), "port"),
        ("webhook_url", json!("https://a.example/#x"), "fragment"),
        ("webhook_url", json!("not a url"), "url_invalid"),
        ("webhook_url", json!("https://10.0.0.1/"), "host_forbidden"),
        ("webhook_url", json!("https://169.254.169.254/latest"), "host_forbidden"),
        ("event_types", json!("order.*"), "schema"),
        ("event_types", json!([]), "event_types_invalid"),
        ("event_types", json!(["order paid"]), "event_types_invalid"),
        ("description", json!("x".repeat(1_025)), "description_too_long"),
        ("metadata", json!({ "a": 1 }), "schema"),
        ("metadata", json!({ "a": "x".repeat(513) }), "metadata_too_large"),
        ("tenant", json!("no spaces"), "tenant_invalid"),
        ("method", json!("GET"), "method_invalid"),
        ("headers", json!({ "a b": "c" }), "header_invalid"),
        ("headers", json!({ "x-a": "b\r\nhost: c" }), "header_invalid"),
        ("headers", json!({ "Host": "c" }), "header_reserved"),
        ("headers", json!({ "webhook-id": "c" }), "header_reserved"),
        ("headers", headers(33), "headers_invalid"),
        ("headers", headers(101), "headers_invalid"),
        ("headers", json!({ "x-a": "1", "X-A": "2" }), "headers_invalid"),
        ("headers", json!({ "x-a": "v".repeat(64 << 10) }), "header_invalid"),
        ("headers", json!({ "x-a": "\u{0}" }), "header_invalid"),
        ("headers", json!({ "x-\u{e9}": "a" }), "header_invalid"),
        ("headers", json!({ "Transfer-Encoding": "chunked" }), "header_reserved"),
        ("headers", json!({ "Content-Length": "0" }), "header_reserved"),
        ("signature", json!("md5"), "signature_invalid"),
        ("signature", json!("stripe"), "not_supported"),
        ("payload_format", json!("xml"), "payload_format_invalid"),
        ("payload_format", json!("cloudevents"), "not_supported"),
        ("retry", json!({ "base_ms": 1 }), "retry_invalid"),
        ("retry", json!({ "max_attempts": 0 }), "retry_invalid"),
        ("retry", json!({ "policy": "schedule", "delays_ms": [1] }), "retry_invalid"),
        ("retry", json!({ "final_statuses": [500] }), "retry_invalid"),
        ("retry", json!({ "colour": 1 }), "unknown_field"),
        ("timeout_ms", json!(999), "timeout_invalid"),
        ("timeout_ms", json!(30_001), "timeout_invalid"),
        ("timeout_ms", json!("1000"), "schema"),
        ("max_in_flight", json!(0), "max_in_flight_invalid"),
        ("max_in_flight", json!(257), "max_in_flight_invalid"),
        ("rate_limit", json!({ "per_second": 1 }), "not_supported"),
        ("ordering", json!("fifo"), "not_supported"),
        ("filter", json!({}), "not_supported"),
        ("colour", json!("red"), "unknown_field"),
    ];
    let kept = server.register("https://kept.example/", json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&kept, "id"));
    for (field, value, code) in rows {
        let mut body = json!({ "webhook_url": "https://a.example/" });
        body[*field] = value.clone();
        server.post("/v1/webhooks/register", body).await.refused(422, code);
        if !matches!(*field, "tenant") {
            server.patch(&path, json!({ *field: value })).await.refused(422, code);
        }
    }
    for body in
        [json!({ "tenant": "acme" }), json!({ "secret": "whsec_x" }), json!({ "status": "paused" })]
    {
        server.patch(&path, body).await.refused(422, "unknown_field");
    }
    server.post("/v1/webhooks/register", json!({})).await.refused(422, "schema");
    let jwt = json!({
        "webhook_url": "https://a.example/", "signature": "jwt", "headers": { "Authorization": "x" },
    });
    server.post("/v1/webhooks/register", jwt).await.refused(422, "authorization_conflict");
    assert_eq!(server.walk("/v1/webhooks").await.len(), 1);
}

#[tokio::test]
async fn fields_of_an_event_are_checked_one_by_one() {
    let server = Postrider::start().await;
    let rows: &[(&str, Value, &str)] = &[
        ("type", json!(1), "schema"),
        ("type", json!("order paid"), "event_type_invalid"),
        ("type", json!(""), "event_type_invalid"),
        ("type", json!("a..b"), "event_type_invalid"),
        ("type", json!(".a"), "event_type_invalid"),
        ("type", json!("a/../b"), "event_type_invalid"),
        ("type", json!("a\r\nx: y"), "event_type_invalid"),
        ("type", json!("a".repeat(257)), "event_type_invalid"),
        ("type", json!("A".repeat(100_000)), "event_type_invalid"),
        ("type", json!("\u{430}"), "event_type_invalid"),
        ("id", json!(7), "schema"),
        ("id", json!("a.b"), "event_id_invalid"),
        ("id", json!("x".repeat(129)), "event_id_invalid"),
        ("id", json!(format!("evt_{}", "0".repeat(26))), "event_id_reserved"),
        ("tenant", json!("no spaces"), "tenant_invalid"),
        ("timestamp", json!("yesterday"), "timestamp_invalid"),
        ("timestamp", json!("2026-08-22T10:00:00"), "timestamp_invalid"),
        ("colour", json!("red"), "unknown_field"),
    ];
    for (field, value, code) in rows {
        let mut body = json!({ "type": "a", "data": 1 });
        body[*field] = value.clone();
        server.post("/v1/events", body).await.refused(422, code);
    }
    server.post("/v1/events", json!({ "type": "a" })).await.refused(422, "schema");
    server.post("/v1/events", json!({ "data": 1 })).await.refused(422, "schema");
    let headers = |key| [("content-type", "application/json"), ("idempotency-key", key)];
    let long = "k".repeat(1_000);
    for key in ["", &long] {
        let body = Some(br#"{"type":"a","data":1}"#.to_vec());
        let answer = server.send(Method::POST, "/v1/events", &headers(key), body).await;
        answer.refused(422, "idempotency_key_invalid");
    }
    assert!(server.walk("/v1/events").await.is_empty());
}

#[tokio::test]
async fn every_code_explains_itself() {
    let server = Postrider::start().await;
    for code in ["unknown_field", "not_supported", "duplicate_key", "json_invalid", "unauthorized"]
    {
        let page = server.without_key().get(&format!("/errors/{code}")).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.text().contains(code), "{code}: {}", page.text());
    }
    assert_eq!(server.without_key().get("/errors/no_such_code").await.status, 404);
}

#[tokio::test]
async fn an_unknown_path_says_where_the_known_ones_are_and_an_unknown_id_does_not() {
    let server = Postrider::start().await;
    for path in ["/", "/v2/events", "/v1/webhook"] {
        let problem = server.without_key().get(path).await.refused(404, "not_found");
        assert!(text(&problem, "detail").contains("/openapi.json"), "{problem}");
    }
    let id = server.get("/v1/webhooks/wh_x").await.refused(404, "not_found");
    assert!(!text(&id, "detail").contains("path"), "{id}");
}
