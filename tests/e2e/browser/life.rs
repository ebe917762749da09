//! A server with two days behind it, as one that is in use has: for pictures. Its subscribers have names
//! and certificates, its clock is stepped through the hours, and one of them has just broken down.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::certificates::{Certificates, Flaw};
use crate::harness::dns::{NameServer, Said};
use crate::harness::{Options, Postrider, Receiver, Reply, text, wait_or_tell};

const QUARTER: Duration = Duration::from_secs(15 * 60);
const TWO_MINUTES: Duration = Duration::from_secs(2 * 60);
/// Steps of a quarter of an hour, for two days: a day is compared with the one before. Then of two
/// minutes: what was lately is looked at closely.
const STEPS: (usize, usize) = (188, 30);
/// How long ago, in steps, one of them broke down.
const BROKEN_FOR: usize = 18;
/// All of 127/8 is this machine; on this address nobody else has the port that URLs need not name.
const ADDRESS: &str = "127.0.0.9";
const HTTPS: u16 = 443;

/// Tenant, host, path, event types, description.
const SUBSCRIBERS: [(&str, &str, &str, &[&str], &str); 8] = [
    ("acme", "api.acme.example", "/webhooks/orders", &["order.*"], "Order management"),
    ("acme", "stock.acme.example", "/v1/stock", &["order.paid", "stock.*"], "Warehouse"),
    ("globex", "globex.example", "/hooks/postrider", &["*"], "Everything, into the data lake"),
    ("initech", "erp.initech.example", "/inbound/invoices", &["invoice.*"], "Bookkeeping"),
    ("initech", "crm.initech.example", "/events", &["user.*", "order.*"], "Customer records"),
    ("hooli", "hooli.example", "/callback", &["user.*"], "Newsletter, given up"),
    ("hooli", "nightly.hooli.example", "/import", &["invoice.*"], "Paused while they migrate"),
    ("acme", "audit.acme.example", "/log", &["user.deleted"], "Audit log, behind their firewall"),
];
const BROKEN: &str = "/inbound/invoices";
const SHAKY: &str = "/hooks/postrider";
const GONE: &str = "/callback";
const PAUSED: &str = "/import";
const BEHIND_A_FIREWALL: &str = "audit.acme.example";

pub struct Life {
    server: Postrider,
    receiver: Receiver,
    _dns: NameServer,
    _certificates: Certificates,
    published: usize,
}

impl Life {
    pub async fn new() -> Self {
        let (certificates, dns) = (Certificates::new(), NameServer::start().await);
        let hosts = SUBSCRIBERS.map(|(_, host, ..)| host);
        for host in hosts {
            let address = if host == BEHIND_A_FIREWALL { "10.20.0.7" } else { ADDRESS };
            dns.script(host, 60, [Said::addresses(&[address])]);
        }
        let names = hosts.map(|host| format!("DNS:{host}")).join(",");
        let certified = certificates.certified(&names, Flaw::None);
        let receiver = Receiver::over_tls_at(&certified, ADDRESS, HTTPS).await;
        let authority = certificates.authority();
        let options = Options::default()
            .env("SSL_CERT_FILE", authority.to_str().expect("a path in UTF-8"))
            .env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
        let server = Postrider::with(options).await;
        let mut life =
            Self { server, receiver, _dns: dns, _certificates: certificates, published: 0 };
        life.register().await;
        life.live().await;
        life
    }

    /// What is to be seen of it.
    pub async fn told(&self) -> Value {
        let webhooks = self.server.walk("/v1/webhooks").await;
        let broken = webhooks.iter().find(|one| text(one, "webhook_url").ends_with(BROKEN));
        let webhook = text(broken.expect("it is registered"), "id");
        let query = format!("webhook_id={webhook}&status=retrying");
        let waiting = self.server.deliveries(&query).await;
        // The one that was tried the most.
        let tried = waiting.iter().max_by_key(|one| one["attempt_count"].as_u64());
        let key = json!({ "name": "operations", "role": "admin" });
        let key = self.server.post("/v1/keys", key).await.is(201);
        let now = self.server.get("/v1/system").await.is(200);
        json!({
            "url": self.server.url(""),
            "keys": { "admin": text(&key, "key") },
            "now": now["now"],
            "webhooks": { "broken": webhook },
            "events": { "broken": tried.expect("one waits")["event_id"] },
        })
    }

    async fn register(&self) {
        let port = self.receiver.port();
        let port = if port == HTTPS { String::new() } else { format!(":{port}") };
        for (n, (tenant, host, path, types, about)) in SUBSCRIBERS.iter().enumerate() {
            let url = format!("https://{host}{port}{path}");
            let mut body = json!({
                "tenant": tenant, "event_types": types, "description": about,
                "headers": { "x-source": "shop" },
            });
            if *host == BEHIND_A_FIREWALL {
                body["retry"] = json!({ "policy": "schedule", "delays_ms": [60_000, 600_000] });
            }
            let webhook = self.server.register(&url, body).await;
            if *path == PAUSED {
                let pause = format!("/v1/webhooks/{}/pause", text(&webhook, "id"));
                self.server.post(&pause, json!({})).await.is(200);
            }
            // Each takes its own time, and not always the same.
            let takes = |turn: u64| Duration::from_millis(9 + 11 * n as u64 + (turn * 37) % 61);
            let took = json!({ "received": true }).to_string();
            let answer = |turn| match (*path, turn % 11) {
                (SHAKY, 3) => reply(503, r#"{"error":"too busy, try again"}"#),
                (GONE, _) => Reply::status(410),
                _ => reply(200, &took).after(takes(turn)),
            };
            self.receiver.script(path, (0..4_000).map(answer));
        }
    }

    async fn live(&mut self) {
        let (quarters, last) = STEPS;
        for step in 0..quarters + last {
            if step + BROKEN_FOR == quarters + last {
                self.receiver.instead(BROKEN, reply(503, r#"{"error":"maintenance"}"#));
            }
            // Busier by day than by night, and never quite the same.
            let hour = step as f64 / 4.0;
            let busy = 9.0 - 6.0 * (hour / 24.0 * std::f64::consts::TAU).cos();
            let count = if step < quarters { busy as usize + step % 4 } else { 2 + step % 3 };
            for _ in 0..count {
                self.publish().await;
            }
            self.calm().await;
            self.server.step(if step < quarters { QUARTER } else { TWO_MINUTES }).await;
            self.calm().await;
        }
        for _ in 0..4 {
            self.publish().await;
        }
        self.calm().await;
    }

    async fn publish(&mut self) {
        let types = ["order.paid", "order.shipped", "invoice.sent", "user.created", "order.paid"];
        let types = types.into_iter().chain(["stock.changed", "user.deleted", "invoice.paid"]);
        let (n, tenants) = (self.published, ["acme", "globex", "initech", "hooli", "acme"]);
        self.published += 1;
        let data = json!({
            "number": 10_400 + n,
            "customer": { "id": format!("cus_{}", 100 + n % 7), "country": "DE" },
            "lines": [{ "sku": "TEA-042", "quantity": 1 + n % 3, "price": "12.90" }],
            "total": format!("{}.90", 12 + 25 * (n % 3)),
            "currency": "EUR",
        });
        let event_type = types.cycle().nth(n * 3 % 8);
        let body = json!({ "type": event_type, "tenant": tenants[n % 5], "data": data });
        self.server.post("/v1/events", body).await.is(202);
    }

    /// Waits until nothing is due and nothing under way.
    async fn calm(&self) {
        wait_or_tell("everything that is due was sent", async || {
            let system = self.server.get("/v1/system").await.is(200);
            let queue = &system["queue"];
            let idle = [&queue["leased"], &queue["in_flight"], &queue["oldest_ready_ms"]];
            let is_idle = |value: &&Value| value.as_f64().unwrap_or_default() == 0.0;
            if idle.iter().all(is_idle) { Ok(()) } else { Err(queue.to_string()) }
        })
        .await;
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply::status(status).header("content-type", "application/json").body(body)
}
