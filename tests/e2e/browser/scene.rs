//! A server on which all that can become of a delivery has become of one, for two tenants.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::dns::{NameServer, Said};
use crate::harness::{ADMIN_KEY, Options, Postrider, Receiver, Reply, text, wait_or_tell};

/// A name that leads where nothing may be sent.
const INSIDE: &str = "intranet.test";
const HOUR_MS: u64 = 60 * 60 * 1_000;

pub struct Scene {
    server: Postrider,
    receiver: Receiver,
    _dns: NameServer,
    keys: BTreeMap<&'static str, String>,
    webhooks: BTreeMap<&'static str, String>,
    events: BTreeMap<&'static str, String>,
}

impl Scene {
    pub async fn new() -> Self {
        let dns = NameServer::start().await;
        dns.script(INSIDE, 0, [Said::addresses(&["10.1.2.3"])]);
        let options = Options::default().env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
        let server = Postrider::with(options).await;
        let receiver = Receiver::start().await;
        answers(&receiver);
        let keys = BTreeMap::from([("admin", ADMIN_KEY.to_owned())]);
        let (webhooks, events) = (BTreeMap::new(), BTreeMap::new());
        let mut scene = Self { server, receiver, _dns: dns, keys, webhooks, events };
        scene.make_keys().await;
        scene.make_webhooks().await;
        scene.publish().await;
        scene.settle().await;
        scene
    }

    /// What the tests are told about it.
    pub fn told(&self) -> Value {
        json!({
            "url": self.server.url(""),
            "receiver": self.receiver.url(""),
            "mode": if self.server.services().is_some() { "distributed" } else { "embedded" },
            "keys": self.keys,
            "webhooks": self.webhooks,
            "events": self.events,
        })
    }

    async fn make_keys(&mut self) {
        for (name, role) in [
            ("viewer", json!({ "name": "on call", "role": "viewer" })),
            ("publisher", json!({ "name": "shop backend", "role": "publisher" })),
            ("tenant", json!({ "name": "acme", "role": "tenant", "tenant": "acme" })),
            ("newcomer", json!({ "name": "new", "role": "tenant", "tenant": "newcomer" })),
        ] {
            let key = self.server.post("/v1/keys", role).await.is(201);
            self.keys.insert(name, text(&key, "key"));
        }
    }

    async fn make_webhooks(&mut self) {
        let once = json!({ "policy": "schedule", "delays_ms": [] });
        // Twice at once, and then not while anybody looks.
        let twice = json!({ "policy": "schedule", "delays_ms": [100, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS] });
        let inside = format!("http://{INSIDE}:{}/inside", self.receiver.port());
        let at = |path: &str| self.receiver.url(path);
        let rows = [
            (
                "shop",
                at("/shop"),
                json!({
                    "event_types": ["order.*"], "description": "The shop, for its customers",
                }),
            ),
            ("failing", at("/failing"), json!({ "event_types": ["invoice.*"], "retry": twice })),
            ("refunds", at("/refunds"), json!({ "event_types": ["refund.*"], "retry": once })),
            ("gone", at("/gone"), json!({ "event_types": ["customer.*"] })),
            (
                "slow",
                at("/slow"),
                json!({
                    "event_types": ["report.*"], "retry": twice, "timeout_ms": 1_000,
                }),
            ),
            ("inside", inside, json!({ "event_types": ["audit.*"], "retry": twice })),
            ("paused", at("/paused"), json!({ "event_types": ["stock.*"] })),
            ("acme", at("/acme"), json!({ "tenant": "acme", "signature": { "scheme": "jwt" } })),
        ];
        for (name, url, more) in rows {
            let webhook = self.server.register(&url, more).await;
            self.webhooks.insert(name, text(&webhook, "id"));
        }
        let path = format!("/v1/webhooks/{}/pause", self.webhooks["paused"]);
        self.server.post(&path, json!({})).await.is(200);
    }

    async fn publish(&mut self) {
        for (name, event_type, count) in [
            ("shop", "order.paid", 3),
            ("failing", "invoice.sent", 1),
            ("refunds", "refund.made", 3),
            ("gone", "customer.left", 1),
            ("slow", "report.ready", 1),
            ("inside", "audit.done", 1),
            ("paused", "stock.low", 2),
            ("nobody", "nobody.cares", 1),
        ] {
            for n in 1..=count {
                let data = json!({ "number": n, "total": 50.75, "note": "naïve ☕" });
                let id = self.server.publish(event_type, data).await;
                self.events.insert(name, id);
            }
        }
        let acme = json!({ "type": "order.paid", "tenant": "acme", "data": { "number": 1 } });
        let id = text(&self.server.post("/v1/events", acme).await.is(202), "id");
        self.events.insert("acme", id);
    }

    /// Waits until each has come as far as it comes, and what is retried was tried twice.
    async fn settle(&self) {
        for name in ["failing", "slow", "inside"] {
            self.has(name, "retrying", 2).await;
        }
        for name in ["shop", "acme"] {
            self.has(name, "delivered", 1).await;
        }
        for name in ["refunds", "gone"] {
            self.has(name, "failed", 1).await;
        }
        self.has("paused", "pending", 0).await;
    }

    /// All deliveries to a webhook have this status and at least so many attempts.
    async fn has(&self, name: &str, status: &str, attempts: u64) {
        let query = format!("webhook_id={}", self.webhooks[name]);
        wait_or_tell(&format!("what goes to {name} is {status}"), async || {
            let all = self.server.deliveries(&query).await;
            let is_so = |delivery: &Value| {
                delivery["status"] == status && delivery["attempt_count"].as_u64() >= Some(attempts)
            };
            if !all.is_empty() && all.iter().all(is_so) { Ok(()) } else { Err(format!("{all:?}")) }
        })
        .await;
    }
}

/// What the receiver answers at each path; it takes what comes to any other.
fn answers(receiver: &Receiver) {
    let json = |status: u16, body: Value| {
        let reply = Reply::status(status).header("content-type", "application/json");
        reply.header("x-request-id", "req-7f3a").body(body.to_string())
    };
    let down = json(500, json!({ "error": "the database is down" }));
    receiver.always("/shop", json(200, json!({ "received": true })));
    receiver.always("/failing", down.clone());
    receiver.always("/gone", Reply::status(410));
    receiver.always("/slow", Reply::hang());
    // They take it once they are asked again, for who retries by hand.
    receiver.script("/refunds", vec![down.clone(); 3]);
    for path in ["/flaky-a", "/flaky-b", "/flaky-c"] {
        receiver.script(path, [down.clone()]);
    }
    receiver.always("/broken", down);
}
