//! Tenants do not see each other.

use serde_json::{Value, json};

use crate::harness::{Client, Postrider, Receiver, text};

/// A client that is bound to `tenant`.
pub async fn key_of(server: &Postrider, tenant: &str) -> Client {
    let body = json!({ "name": tenant, "role": "tenant", "tenant": tenant });
    let key = server.post("/v1/keys", body).await.is(201);
    server.with_key(&text(&key, "key"))
}

#[tokio::test]
async fn another_tenants_things_are_not_found_on_any_route() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (own, other) = (key_of(&server, "acme").await, key_of(&server, "globex").await);
    let webhook = text(&own.register(&receiver.url("/a"), json!({})).await, "id");
    let event = json!({ "id": "order-1", "type": "order.paid", "data": 1 });
    own.post("/v1/events", event).await.is(202);
    let delivery = own.delivery_that_is("delivered", "order-1").await;
    let dlv = text(&delivery, "id");
    let uid = text(&own.get("/v1/events/order-1").await.is(200), "uid");

    for path in [
        format!("/v1/webhooks/{webhook}"),
        format!("/v1/webhooks/{webhook}/secret"),
        "/v1/events/order-1".to_owned(),
        format!("/v1/events/{uid}"),
        format!("/v1/deliveries/{dlv}"),
    ] {
        own.get(&path).await.is(200);
        other.get(&path).await.refused(404, "not_found");
    }
    for path in [
        format!("/v1/webhooks/{webhook}/secret/rotate"),
        format!("/v1/webhooks/{webhook}/test"),
        format!("/v1/webhooks/{webhook}/pause"),
        format!("/v1/webhooks/{webhook}/resume"),
        format!("/v1/deliveries/{dlv}/retry"),
        format!("/v1/deliveries/{dlv}/cancel"),
    ] {
        other.post(&path, json!({})).await.refused(404, "not_found");
    }
    let path = format!("/v1/webhooks/{webhook}");
    other.patch(&path, json!({ "description": "mine" })).await.refused(404, "not_found");
    other.delete(&path).await.refused(404, "not_found");

    let untouched = own.get(&path).await.is(200);
    assert_eq!((&untouched["status"], &untouched["description"]), (&json!("active"), &json!(null)));
    for list in ["/v1/webhooks", "/v1/events", "/v1/deliveries"] {
        assert_eq!(own.walk(list).await.len(), 1, "{list}");
        assert!(other.walk(list).await.is_empty(), "{list}");
        let asked = other.get(&format!("{list}?tenant=acme")).await;
        let shown = asked.status == 200 && asked.is(200)["data"] != json!([]);
        assert!(!shown, "{list}: {}", asked.text());
    }
    let filtered = other.get(&format!("/v1/deliveries?webhook_id={webhook}")).await;
    assert!(filtered.status == 404 || filtered.is(200)["data"] == json!([]), "{}", filtered.text());
}

#[tokio::test]
async fn events_reach_the_webhooks_of_their_tenant_only() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (acme, globex) = (key_of(&server, "acme").await, key_of(&server, "globex").await);
    // One URL in two tenants is two webhooks.
    let a = acme.register(&receiver.url("/same"), json!({})).await;
    let b = globex.register(&receiver.url("/same"), json!({})).await;
    assert_ne!(a["id"], b["id"]);
    assert_ne!(a["secret"], b["secret"]);

    acme.publish("a", json!("acme")).await;
    let admins = json!({ "type": "a", "data": "by admin", "tenant": "globex" });
    server.post("/v1/events", admins).await.is(202);
    let arrived = receiver.wait_for("/same", 2).await;
    for request in &arrived {
        let (secret, data) = match request.json()["data"].as_str() {
            Some("acme") => (text(&a, "secret"), "acme"),
            _ => (text(&b, "secret"), "by admin"),
        };
        assert!(crate::harness::is_signed_by(request, &secret), "{data}");
    }
    server.publish("a", json!("default")).await;
    acme.publish("a", json!("last")).await;
    let arrived = receiver.wait_for("/same", 3).await;
    assert!(!arrived.iter().any(|r| r.json()["data"] == "default"));
}

#[tokio::test]
async fn a_tenant_key_works_for_its_tenant_and_nothing_else() {
    let server = Postrider::start().await;
    let acme = key_of(&server, "acme").await;
    let foreign = json!({ "type": "a", "data": 1, "tenant": "globex" });
    let answer = acme.post("/v1/events", foreign).await;
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
    let foreign = json!({ "webhook_url": "https://a.example/", "tenant": "globex" });
    let answer = acme.post("/v1/webhooks/register", foreign).await;
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
    assert!(server.walk("/v1/webhooks").await.is_empty());
    assert!(server.walk("/v1/events").await.is_empty());

    let own = json!({ "type": "a", "data": 1, "tenant": "acme" });
    acme.post("/v1/events", own).await.is(202);
    for path in ["/v1/keys", "/metrics"] {
        acme.get(path).await.refused(403, "forbidden_role");
    }
    let body = json!({ "name": "more", "role": "admin" });
    acme.post("/v1/keys", body).await.refused(403, "forbidden_role");
}

#[tokio::test]
async fn ids_chosen_by_two_tenants_are_two_events() {
    let server = Postrider::start().await;
    let (acme, globex) = (key_of(&server, "acme").await, key_of(&server, "globex").await);
    for (client, total) in [(&acme, 1), (&globex, 2)] {
        let body = json!({ "id": "order-1", "type": "order.paid", "data": total });
        assert_eq!(client.post("/v1/events", body).await.is(202)["duplicate"], false);
    }
    let seen = async |client: &Client, path: &str| -> Value {
        client.get(path).await.is(200)["data"].clone()
    };
    assert_eq!(seen(&acme, "/v1/events/order-1").await, 1);
    assert_eq!(seen(&globex, "/v1/events/order-1").await, 2);
    assert_eq!(seen(&server, "/v1/events/order-1?tenant=globex").await, 2);
    server.get("/v1/events/order-1").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_cursor_of_another_tenant_or_list_leads_nowhere() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (acme, globex) = (key_of(&server, "acme").await, key_of(&server, "globex").await);
    for client in [&acme, &globex] {
        for n in 0..3 {
            client.register(&receiver.url(&format!("/{n}")), json!({})).await;
        }
        for n in 0..3 {
            let event = client.publish("a", json!(n)).await;
            client.delivery_of(&event).await;
        }
    }
    let lists = ["/v1/webhooks", "/v1/events", "/v1/deliveries"];
    for list in lists {
        let page = acme.get(&format!("{list}?limit=1")).await.is(200);
        let cursor = text(&page, "next_cursor");
        let with = |list: &str| format!("{list}?limit=1&cursor={cursor}");
        acme.get(&with(list)).await.is(200);
        globex.get(&with(list)).await.refused(400, "cursor_mismatch");
        server.get(&with(list)).await.refused(400, "cursor_mismatch");
        for other in lists.iter().filter(|other| **other != list) {
            let refused = acme.get(&with(other)).await;
            refused.refused(400, "cursor_mismatch");
        }
        let mut touched = cursor.clone();
        touched.replace_range(..1, "B");
        let touched = acme.get(&format!("{list}?cursor={touched}")).await;
        touched.refused(400, "cursor_invalid");
    }
}
