//! Looking at an event and its deliveries: the request as it was sent, who would receive an event, and why
//! nobody did.

use serde_json::{Value, json};

use crate::harness::{Client, Postrider, Receiver, Reply, text, wait_until};

async fn key(server: &Client, body: Value) -> Client {
    let key = server.post("/v1/keys", body).await.is(201);
    server.with_key(&text(&key, "key"))
}

async fn request(client: &Client, delivery: &str, query: &str) -> Value {
    client.get(&format!("/v1/deliveries/{delivery}/request{query}")).await.is(200)
}

fn header<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    let headers = request["headers"].as_array().expect("a list");
    let found = headers.iter().find(|header| header[0] == name)?;
    found[1].as_str()
}

#[tokio::test]
async fn a_request_is_shown_as_it_was_received() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let webhook = json!({ "headers": { "x-team": "blue", "authorization": "Bearer hidden" } });
    let webhook = text(&server.register(&receiver.url("/a"), webhook).await, "id");
    let event = server.publish("order.paid", json!({ "n": 1.0, "text": "h\u{e9}" })).await;
    let id = text(&server.delivery_that_is("retrying", &event).await, "id");
    server.post(&format!("/v1/deliveries/{id}/retry"), json!({})).await.is(202);
    server.delivery_that_is("delivered", &event).await;
    let received = receiver.requests("/a");
    for (n, received) in received.iter().enumerate() {
        let shown = request(&server, &id, &format!("?attempt={}", n + 1)).await;
        assert_eq!((&shown["method"], &shown["url"]), (&json!("POST"), &json!(receiver.url("/a"))));
        assert_eq!(shown["body"], received.text().as_str());
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "user-agent", "x-team"]
        {
            assert_eq!(header(&shown, name), Some(received.header(name)), "{name}");
        }
        assert_eq!(header(&shown, "authorization"), Some("***"));
        let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
        assert_eq!(shown["signed"], format!("{id}.{at}.{}", received.text()).as_str());
        assert_eq!((&shown["verified"], &shown["webhook_changed"]), (&json!(true), &json!(false)));
    }
    // The last one unless another is asked for.
    let last = request(&server, &id, "").await;
    assert_eq!(header(&last, "webhook-signature"), Some(received[1].header("webhook-signature")));

    let viewer = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let shown = request(&viewer, &id, "").await;
    assert_eq!(header(&shown, "webhook-signature"), Some("***"));
    assert_eq!(header(&shown, "x-team"), Some("***"));
    assert_eq!(shown["body"], received[1].text().as_str());
    let other = key(&server, json!({ "name": "t", "role": "tenant", "tenant": "other" })).await;
    let path = format!("/v1/deliveries/{id}/request");
    other.get(&path).await.refused(404, "not_found");
    server.get(&format!("{path}?attempt=3")).await.refused(404, "not_found");
    server.get(&format!("{path}?attempt=0")).await.refused(422, "parameter_invalid");

    // A secret that came later did not sign it.
    let rotate = format!("/v1/webhooks/{webhook}/secret/rotate");
    server.post(&rotate, json!({})).await.is(200);
    let shown = request(&server, &id, "?attempt=1").await;
    let signature = received[0].header("webhook-signature");
    assert_eq!(header(&shown, "webhook-signature"), Some(signature));
    assert_eq!(shown["webhook_changed"], true);
    server.delete(&format!("/v1/webhooks/{webhook}")).await.is(204);
    server.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_token_is_shown_as_it_was_sent() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let jwt = json!({ "signature": { "scheme": "jwt" }, "payload_format": "raw" });
    server.register(&receiver.url("/a"), jwt).await;
    let event = server.publish("a", json!([1])).await;
    let id = text(&server.delivery_that_is("delivered", &event).await, "id");
    let received = &receiver.requests("/a")[0];
    let shown = request(&server, &id, "").await;
    assert_eq!(header(&shown, "authorization"), Some(received.header("authorization")));
    assert_eq!(
        (&shown["signature_header"], &shown["signed"]),
        (&json!("authorization"), &Value::Null)
    );
    assert_eq!((&shown["verified"], &shown["body"]), (&json!(true), &json!("[1]")));
}

#[tokio::test]
async fn who_would_receive_an_event_is_said_before() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let register = async |path: &str, types: Value| {
        let webhook = server.register(&receiver.url(path), json!({ "event_types": types })).await;
        text(&webhook, "id")
    };
    let wants = register("/wants", json!(["order.*"])).await;
    let other = register("/other", json!(["user.*"])).await;
    let paused = register("/paused", json!(["*"])).await;
    server.post(&format!("/v1/webhooks/{paused}/pause"), json!({})).await.is(200);
    let body = json!({ "type": "order.paid" });
    let preview = server.post("/v1/events/preview", body.clone()).await.is(200);
    assert_eq!((&preview["matching"], &preview["more"]), (&json!(2), &json!(false)));
    let rows = preview["data"].as_array().expect("a list");
    let of = |id: &str| rows.iter().find(|row| row["webhook_id"] == id).expect("it is there");
    assert_eq!((&of(&wants)["receives"], &of(&wants)["because"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&of(&paused)["receives"], &of(&paused)["status"]),
        (&json!(true), &json!("paused"))
    );
    assert_eq!((&of(&other)["receives"], &of(&other)["because"]), (&json!(false), &json!("type")));
    assert_eq!(rows[2]["webhook_id"], other.as_str());
    assert_eq!(server.get("/v1/events").await.is(200)["data"], json!([]));
    let tenant = key(&server, json!({ "name": "t", "role": "tenant", "tenant": "t" })).await;
    assert_eq!(tenant.post("/v1/events/preview", body).await.is(200)["data"], json!([]));
    let refused = server.post("/v1/events/preview", json!({ "type": "a b" })).await;
    refused.refused(422, "event_type_invalid");
}

#[tokio::test]
async fn an_event_without_deliveries_says_why() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let why = async |event: String| {
        wait_until("it is fanned out", async || {
            let event = server.get(&format!("/v1/events/{event}")).await.is(200);
            (event["no_deliveries_because"] != "fanning_out").then_some(event)
        })
        .await
    };
    let event = server.publish("order.paid", json!(1)).await;
    assert_eq!(why(event.clone()).await["no_deliveries_because"], "no_webhooks");
    let types = json!({ "event_types": ["user.*"] });
    server.register(&receiver.url("/a"), types).await;
    assert_eq!(why(event.clone()).await["no_deliveries_because"], "none_matched");
    server.register(&receiver.url("/b"), json!({})).await;
    assert_eq!(why(event.clone()).await["no_deliveries_because"], "changed_since");
    let sent = server.publish("order.paid", json!({ "n": 12 })).await;
    server.delivery_that_is("delivered", &sent).await;
    let seen = why(sent).await;
    assert_eq!((&seen["no_deliveries_because"], &seen["size_bytes"]), (&Value::Null, &json!(8)));

    let list = server.get("/v1/events?include=deliveries").await.is(200);
    let none = json!({ "pending": 0, "retrying": 0, "delivered": 0, "failed": 0, "cancelled": 0, "capped": false });
    assert_eq!(list["data"][1]["deliveries"], none);
    assert_eq!(list["data"][0]["deliveries"]["delivered"], 1);
    assert_eq!(server.get("/v1/events").await.is(200)["data"][0]["deliveries"], Value::Null);
    server.get("/v1/events?include=data").await.refused(422, "parameter_invalid");
}
