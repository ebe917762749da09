//! What no version of Postrider wrote, in the middle of what it stores: it stays where it is, and
//! everything else goes on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Postrider, Receiver, is_signed_by, never, text, wait_until};
use crate::tenants::key_of;

/// An id as a statement writes it: sixteen bytes, in either store.
fn sixteen(server: &Postrider, id: &str) -> String {
    let id = model::id::WebhookId::parse(id).expect("a webhook's id");
    let hex: String = id.0.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    if server.services().is_some() { format!("'{hex}'::uuid") } else { format!("x'{hex}'") }
}

async fn attempted(server: &Postrider, event: &str, webhook: &Value) -> Value {
    wait_until("an attempt of it", async || {
        let query = format!("event_id={event}&webhook_id={}", text(webhook, "id"));
        let delivery = server.deliveries(&query).await.into_iter().next()?;
        let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
        server.get(&path).await.is(200)["attempts"].get(0).cloned()
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_signed_is_never_sent_unsigned() {
    let mut server = Postrider::start().await;
    server.may_complain();
    let receiver = Receiver::start().await;
    let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 50] });
    let mut webhooks = Vec::new();
    for path in ["/cut", "/foreign", "/empty", "/header", "/good"] {
        let more = json!({ "retry": retry, "headers": { "x-api-key": "12345678" } });
        webhooks.push(server.register(&receiver.url(path), more).await);
    }
    let garbage = STANDARD.encode([1; 80]);
    let whole = |n: usize| sixteen(&server, &text(&webhooks[n], "id"));
    let sealed = |n: usize, sealed: &str| {
        let secrets = json!([{ "sealed": sealed, "created_at": 1, "expires_at": null }]);
        format!(
            "UPDATE webhooks SET secrets = '{secrets}', version = version + 1000 WHERE id = {};",
            whole(n)
        )
    };
    server.change_store(&sealed(0, "AQID"));
    server.change_store(&sealed(1, &garbage));
    server.change_store(&format!(
        "UPDATE webhooks SET secrets = '[]', version = version + 1000 WHERE id = {}",
        whole(2)
    ));
    // The ciphertext of a header is another webhook's.
    server.change_store(&format!(
        "UPDATE webhooks SET version = version + 1000, config = (SELECT replace(config, '{}', '{}') \
         FROM webhooks WHERE id = {}) WHERE id = {}",
        receiver.url("/good"), receiver.url("/header"), whole(4), whole(3)
    ));
    server.restart().await;

    let event = server.publish("a", json!(1)).await;
    let good = receiver.wait_for("/good", 1).await.remove(0);
    assert!(is_signed_by(&good, &text(&webhooks[4], "secret")));
    for webhook in &webhooks[..4] {
        let attempt = attempted(&server, &event, webhook).await;
        assert_eq!(attempt["error"]["class"], "signing", "{attempt}");
        assert_eq!(attempt["status"], json!(null), "{attempt}");
    }
    assert_eq!(receiver.count(), 1, "{:?}", receiver.all());

    // A new secret mends it, and what waited is sent, signed.
    let path = format!("/v1/webhooks/{}/secret/rotate", text(&webhooks[0], "id"));
    let new = text(&server.post(&path, json!({})).await.is(200), "secret");
    server.publish("a", json!(2)).await;
    let request = receiver.wait_for("/cut", 1).await.remove(0);
    assert!(is_signed_by(&request, &new), "{request:?}");
    let path = path.replace("/rotate", "");
    assert_eq!(server.get(&path).await.is(200)["secrets"][0]["secret"], new.as_str());
    for request in receiver.all() {
        assert!(!request.header("webhook-signature").is_empty(), "{request:?}");
    }
}

#[tokio::test]
async fn rows_that_cannot_be_read_hold_up_nobody_else() {
    let mut server = Postrider::start().await;
    server.may_complain();
    let receiver = Receiver::start().await;
    let (bad, good) = (key_of(&server, "bad").await, key_of(&server, "good").await);
    let torn = bad.register(&receiver.url("/torn"), json!({})).await;
    let paused = good.register(&receiver.url("/paused"), json!({})).await;
    good.register(&receiver.url("/good"), json!({})).await;
    let short = json!({ "max_age_ms": 1_000 });
    let aging = json!({ "event_types": ["aging"], "retry": short });
    let aging = good.register(&receiver.url("/aging"), aging).await;
    for (key, webhook) in [(&bad, &torn), (&good, &aging)] {
        key.post(&format!("/v1/webhooks/{}/pause", text(webhook, "id")), json!({})).await.is(200);
    }
    bad.post("/v1/events", json!({ "type": "a", "data": "waits" })).await.is(202);
    let pause = format!("/v1/webhooks/{}", text(&paused, "id"));
    good.post(&format!("{pause}/pause"), json!({})).await.is(200);

    // One event of three that wait for a webhook has a type that no event has.
    for n in 0..3 {
        let event = json!({ "id": format!("n-{n}"), "type": "a", "data": n });
        good.post("/v1/events", event).await.is(202);
        receiver.wait_for("/good", n + 1).await;
    }
    wait_until("the deliveries are made", async || {
        let made = good.deliveries(&format!("webhook_id={}", text(&paused, "id"))).await;
        (made.len() == 3).then_some(())
    })
    .await;
    server.change_store("UPDATE events SET type = 'no type!' WHERE id = 'n-1'");
    let torn_row = sixteen(&server, &text(&torn, "id"));
    server.change_store(&format!(
        "UPDATE webhooks SET config = '{{\"url\":', version = version + 1000 WHERE id = {torn_row}; \
         UPDATE tenants SET registry_version = registry_version + 1000 WHERE tenant = 'bad'"
    ));
    server.restart().await;

    let old = json!({ "id": "old", "type": "aging", "data": 1 });
    good.post("/v1/events", old).await.is(202);
    let of_aging = format!("webhook_id={}&status=failed", text(&aging, "id"));
    wait_until("age ends what waits for another webhook of the same page", async || {
        (good.deliveries(&of_aging).await.len() == 1).then_some(())
    })
    .await;
    good.post(&format!("{pause}/resume"), json!({})).await.is(200);
    let ids = || {
        receiver
            .requests("/paused")
            .iter()
            .map(|r| r.header("webhook-id").to_owned())
            .collect::<Vec<_>>()
    };
    wait_until("those that can be read arrive", async || {
        let ids = ids();
        ["n-0", "n-2"].iter().all(|id| ids.iter().any(|i| i == id)).then_some(())
    })
    .await;
    bad.post("/v1/events", json!({ "type": "a", "data": "waits" })).await.is(202);
    for n in 0..20 {
        good.post("/v1/events", json!({ "id": format!("after-{n}"), "type": "a", "data": n }))
            .await
            .is(202);
    }
    receiver.wait_for("/good", 23).await;
    receiver.wait_for("/paused", 22).await;
    assert!(!ids().iter().any(|id| id == "n-1"));
    assert!(receiver.requests("/torn").is_empty());
    good.get("/v1/webhooks").await.is(200);
    server.get("/healthz").await.is(200);

    // Nothing was lost: what waits goes on once it can be read.
    server.change_store("UPDATE events SET type = 'a' WHERE id = 'n-1'");
    let config = "(SELECT config FROM webhooks WHERE tenant = 'good' AND url LIKE '%/good')";
    server.change_store(&format!(
        "UPDATE webhooks SET config = replace({config}, '/good', '/torn') WHERE id = {torn_row}"
    ));
    server.restart().await;
    let resume = format!("/v1/webhooks/{}/resume", text(&torn, "id"));
    bad.post(&resume, json!({})).await.is(200);
    receiver.wait_for("/torn", 2).await;
    wait_until("it arrives", async || ids().iter().any(|id| id == "n-1").then_some(())).await;
}

#[tokio::test]
async fn what_no_version_wrote_into_redis_holds_up_nobody() {
    let mut server = Postrider::start().await;
    server.may_complain();
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    server.publish("a", json!("before")).await;
    receiver.wait_for("/a", 1).await;
    let Some(services) = server.services() else { return };
    let key = |name: &str| format!("{}:2:{{0}}:{name}", services.prefix());
    let lane = format!("default/{}", text(&webhook, "id"));
    let member = |text: &'static str| text;
    let rows: Vec<Vec<String>> = [
        // Items of another form, in the lane of the webhook and in that of the tenant.
        vec!["ZADD", &key(&format!("q:{lane}")), "-1", member("garbage")],
        vec!["ZADD", &key(&format!("q:{lane}")), "1", member("an item of twenty-four b.")],
        vec!["ZADD", &key("q:default/fan-out"), "-1", member("x")],
        // Lanes that no lane is called, where they are to be served, fed, or their leases ended.
        vec!["ZADD", &key("tenants"), "-5", "no such tenant"],
        vec!["ZADD", &key("tenants"), "-4", "elsewhere"],
        vec!["ZADD", &key("ring:elsewhere"), "1", "not a lane"],
        vec!["HSET", &key("lanes"), "not a lane", "garbage"],
        vec!["HSET", &key("lanes"), "default/nonsense", "garbage"],
        vec!["ZADD", &key("timers"), "1", "default/nonsense"],
        vec!["ZADD", &key("timers"), "1", "not a lane"],
        vec!["ZADD", &key("hungry"), "1", "not a lane"],
        vec!["HSET", &key("leased"), "garbage", "garbage"],
        vec!["ZADD", &key("leases"), "1", "garbage"],
        vec!["ZADD", &key("leases"), "1", "short"],
        vec!["SET", &key("state"), "garbage"],
    ]
    .iter()
    .map(|row| row.iter().map(|word| (*word).to_owned()).collect())
    .collect();
    for (n, row) in rows.iter().enumerate() {
        services.tell(&row.iter().map(String::as_str).collect::<Vec<_>>());
        let event = json!({ "id": format!("n-{n}"), "type": "a", "data": n });
        server.post("/v1/events", event).await.is(202);
        let arrived =
            || receiver.requests("/a").iter().any(|r| r.header("webhook-id") == format!("n-{n}"));
        wait_until(&format!("it arrives after {row:?}"), async || arrived().then_some(())).await;
    }
    never("the process ended", std::time::Duration::from_millis(300), async || {
        let answer = server.try_send(reqwest::Method::GET, "/healthz", &[], None).await;
        answer.is_err().then_some(())
    })
    .await;
}
