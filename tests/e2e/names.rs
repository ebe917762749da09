//! What a stranger's name server answers: judged whole, at every connection, and dialled as judged.
//! All of 127/8 is this machine, so here 127.0.0.2 stands for the public and 127.0.0.1 for what is
//! inside; whoever connects to the latter has been led there.

use hickory_proto::op::ResponseCode;
use serde_json::{Value, json};

use crate::harness::dns::{NameServer, Said};
use crate::harness::{Options, Postrider, Receiver, Reply, free_port, text, wait_until};

const PUBLIC: &str = "127.0.0.2";
const INSIDE: &str = "127.0.0.1";

/// A server as in production, a public receiver, and one inside on the same port.
struct Scene {
    server: Postrider,
    dns: NameServer,
    public: Receiver,
    inside: Receiver,
    port: u16,
}

impl Scene {
    async fn new() -> Self {
        let (dns, port) = (NameServer::start().await, free_port());
        let public = Receiver::at(PUBLIC, port).await;
        let inside = Receiver::at(INSIDE, port).await;
        let options = Options::default()
            .without_dev()
            .env("POSTRIDER_EGRESS_ALLOW", "127.0.0.2/32")
            .env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
        Self { server: Postrider::with(options).await, dns, public, inside, port }
    }

    async fn register(&self, name: &str, more: Value) {
        let url = format!("http://{name}:{}/{name}", self.port);
        self.server.register(&url, more).await;
    }

    /// The attempt number `n` of an event's delivery to a name.
    async fn attempt(&self, event: &str, name: &str, n: usize) -> Value {
        let deliveries = wait_until("deliveries are made", async || {
            let all = self.server.deliveries(&format!("event_id={event}")).await;
            (!all.is_empty()).then_some(all)
        });
        let webhooks = self.server.walk("/v1/webhooks").await;
        let is_it = |webhook: &&Value| text(webhook, "webhook_url").ends_with(&format!("/{name}"));
        let webhook = text(webhooks.iter().find(is_it).expect("it is registered"), "id");
        let deliveries = deliveries.await;
        let delivery = deliveries.iter().find(|d| d["webhook_id"] == webhook).expect("it is made");
        let path = format!("/v1/deliveries/{}", text(delivery, "id"));
        wait_until(&format!("{name} is tried"), async || {
            self.server.get(&path).await.is(200)["attempts"].get(n - 1).cloned()
        })
        .await
    }
}

fn thousand(first: &[&str], last: &[&str]) -> Said {
    let all = std::iter::repeat_n(PUBLIC, 1_000 - first.len() - last.len());
    Said::addresses(
        &first.iter().copied().chain(all).chain(last.iter().copied()).collect::<Vec<_>>(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_a_name_server_has_its_outcome() {
    let scene = Scene::new().await;
    let said = |texts: &[&str]| Said::addresses(texts);
    let ok = ("", "");
    let forbidden = ("target_forbidden", "not allowed");
    let rows = [
        ("public", said(&[PUBLIC]), ok),
        ("inside", said(&[INSIDE]), forbidden),
        ("metadata", said(&["169.254.169.254"]), forbidden),
        ("private", said(&["10.0.0.1"]), forbidden),
        ("mixed", said(&[PUBLIC, INSIDE]), forbidden),
        ("mixed-turned", said(&[INSIDE, PUBLIC]), forbidden),
        ("mixed-families", said(&[PUBLIC, "::1"]), forbidden),
        ("mixed-private", said(&[PUBLIC, "fd00::1"]), forbidden),
        ("loopback-v6", said(&["::1"]), forbidden),
        ("mapped", said(&["::ffff:127.0.0.1"]), forbidden),
        ("mapped-public", said(&["::ffff:127.0.0.2"]), ok),
        ("nat64", said(&["64:ff9b::7f00:1"]), forbidden),
        ("six-to-four", said(&["2002:7f00:1::1"]), forbidden),
        ("unspecified", said(&["0.0.0.0"]), forbidden),
        ("azure", said(&["168.63.129.16"]), forbidden),
        ("chain", Said::Alias("c1.test"), ok),
        ("chain-inside", Said::Alias("i1.test"), forbidden),
        ("loop", Said::Alias("l1.test"), ("dns", "")),
        ("thousand", thousand(&[], &[]), ok),
        ("thousand-first", thousand(&[INSIDE], &[]), forbidden),
        // Not among those that are considered, so it is not dialled either.
        ("thousand-last", thousand(&[], &[INSIDE]), ok),
        ("nxdomain", Said::Code(ResponseCode::NXDomain), ("dns", "does not exist")),
        ("servfail", Said::Code(ResponseCode::ServFail), ("dns", "servers failed")),
        ("refused", Said::Code(ResponseCode::Refused), ("dns", "refused to answer")),
        ("empty", said(&[]), ("dns", "has no address")),
        ("garbage", Said::Garbage, ("dns_timeout", "not resolved in time")),
        ("silent", Said::Nothing, ("dns_timeout", "not resolved in time")),
    ];
    for (letter, end) in [("c", PUBLIC), ("i", INSIDE)] {
        for n in 1..8 {
            let next: &str = Box::leak(format!("{letter}{}.test", n + 1).into_boxed_str());
            scene.dns.script(&format!("{letter}{n}.test"), 0, [Said::Alias(next)]);
        }
        scene.dns.script(&format!("{letter}8.test"), 0, [said(&[end])]);
    }
    scene.dns.script("l1.test", 0, [Said::Alias("l2.test")]);
    scene.dns.script("l2.test", 0, [Said::Alias("l1.test")]);
    for (name, said, _) in rows.clone() {
        let name = format!("{name}.test");
        scene.dns.script(&name, 0, [said]);
        scene.register(&name, json!({ "timeout_ms": 15_000 })).await;
        assert_eq!(scene.dns.asked(&name), 0, "{name} is resolved when it is registered");
    }
    let event = scene.server.publish("a", json!(1)).await;
    for (name, _, (class, words)) in rows {
        let name = format!("{name}.test");
        let attempt = scene.attempt(&event, &name, 1).await;
        if class.is_empty() {
            assert_eq!(attempt["status"], 200, "{name}: {attempt}");
            assert_eq!(scene.public.requests(&format!("/{name}")).len(), 1, "{name}");
            continue;
        }
        assert_eq!(attempt["error"]["class"], class, "{name}: {attempt}");
        let detail = text(&attempt["error"], "detail");
        assert!(detail.contains(words) && !detail.contains("127."), "{name}: {detail}");
        let took = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
        assert!(took < 6_000.0, "{name} took {took} ms");
    }
    assert_eq!(scene.inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_answer_leads_nowhere() {
    let scene = Scene::new().await;
    let (public, inside) = (Said::addresses(&[PUBLIC]), Said::addresses(&[INSIDE]));
    let retry = json!({ "policy": "schedule", "delays_ms": [100, 100, 100] });
    // Between the look and the connection, and between an attempt and the next.
    let failing = Reply::status(500).and_close();
    for name in ["within.test", "between.test"] {
        scene.dns.script(name, 0, [public.clone(), inside.clone()]);
        scene.register(name, json!({ "retry": retry, "event_types": ["a"] })).await;
    }
    scene.public.always("/between.test", failing);
    let event = scene.server.publish("a", json!(1)).await;
    let attempt = scene.attempt(&event, "within.test", 1).await;
    assert_eq!((&attempt["status"], scene.dns.asked("within.test")), (&json!(200), 1));
    assert_eq!(scene.attempt(&event, "between.test", 1).await["status"], 500);
    let second = scene.attempt(&event, "between.test", 2).await;
    assert_eq!(second["error"]["class"], "target_forbidden", "{second}");

    // A connection that was vetted may be used again; a new one is judged anew.
    let event = scene.server.publish("a", json!(2)).await;
    let attempt = scene.attempt(&event, "within.test", 1).await;
    assert_eq!((&attempt["status"], scene.dns.asked("within.test")), (&json!(200), 1));
    scene.public.always("/within.test", Reply::status(200).and_close());
    let event = scene.server.publish("a", json!(3)).await;
    assert_eq!(scene.attempt(&event, "within.test", 1).await["status"], 200);
    let event = scene.server.publish("a", json!(4)).await;
    let attempt = scene.attempt(&event, "within.test", 1).await;
    assert_eq!(attempt["error"]["class"], "target_forbidden", "{attempt}");
    assert_eq!(scene.inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_kept_for_as_long_as_it_says() {
    let scene = Scene::new().await;
    for (name, ttl) in [("never.test", 0), ("long.test", 3_600)] {
        scene.dns.script(name, ttl, [Said::addresses(&[PUBLIC])]);
        scene.register(name, json!({})).await;
        scene.public.always(&format!("/{name}"), Reply::status(200).and_close());
    }
    for n in 1..=3 {
        let event = scene.server.publish("a", json!(n)).await;
        for name in ["never.test", "long.test"] {
            assert_eq!(scene.attempt(&event, name, 1).await["status"], 200);
        }
    }
    assert_eq!((scene.dns.asked("never.test"), scene.dns.asked("long.test")), (3, 1));
}

/// Whatever names the hosts file of this machine has: it has `localhost`, and mostly its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_file_is_judged_like_any_other_answer() {
    let scene = Scene::new().await;
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter_map(|line| line.split('#').next());
    let mut names: Vec<_> = lines.flat_map(|line| line.split_whitespace().skip(1)).collect();
    names.extend(["ip6-localhost", "localhost.localdomain"]);
    names.retain(|name| *name != "localhost");
    names.sort_unstable();
    names.dedup();
    let inside_v6 = match tokio::net::TcpListener::bind(("::1", 0)).await {
        Ok(_) => Some(Receiver::at("::1", scene.port).await),
        Err(_) => None,
    };
    for name in &names {
        scene.register(name, json!({})).await;
    }
    let event = scene.server.publish("a", json!(1)).await;
    for name in &names {
        let attempt = scene.attempt(&event, name, 1).await;
        let class = text(&attempt["error"], "class");
        assert!(["dns", "target_forbidden"].contains(&class.as_str()), "{name}: {attempt}");
    }
    assert_eq!(scene.inside.connections() + inside_v6.map_or(0, |r| r.connections()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postrider_itself_and_what_it_stands_on_are_no_target_by_any_name() {
    let dns = NameServer::start().await;
    let options = Options::default()
        .without_dev()
        .env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8,::1/128")
        .env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
    let server = Postrider::with(options).await;
    let mut ports = vec![server.url("").rsplit(':').next().expect("a port").to_owned()];
    if std::env::var("POSTRIDER_TEST_MODE").is_ok_and(|mode| mode == "distributed") {
        for service in ["POSTRIDER_TEST_REDIS_URL", "POSTRIDER_TEST_POSTGRES_URL"] {
            let url = std::env::var(service).expect("set");
            let url = reqwest::Url::parse(&url).expect("a URL");
            ports.push(url.port().expect("a port").to_string());
        }
    }
    for port in &ports {
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433"] {
            let body = json!({ "webhook_url": format!("http://{host}:{port}/v1/events") });
            server.post("/v1/webhooks/register", body).await.refused(422, "host_forbidden");
        }
        let name = format!("own-{port}.test");
        dns.script(&name, 0, [Said::addresses(&["127.0.0.1"])]);
        server.register(&format!("http://{name}:{port}/v1/events"), json!({})).await;
        let event = server.publish("a", json!(port)).await;
        let deliveries = wait_until("it is tried", async || {
            let all = server.deliveries(&format!("event_id={event}")).await;
            let tried = all.iter().all(|d| d["attempt_count"] != 0) && !all.is_empty();
            tried.then_some(all)
        })
        .await;
        for delivery in deliveries {
            let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
            let attempts = server.get(&path).await.is(200)["attempts"].clone();
            assert_eq!(attempts[0]["error"]["class"], "target_forbidden", "{attempts}");
        }
    }
}

/// A server that does not answer costs its time and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_not_answered_delay_nobody() {
    let scene = Scene::new().await;
    for n in 0..50 {
        let name = format!("silent-{n}.test");
        scene.dns.script(&name, 0, [Said::Nothing]);
        scene.register(&name, json!({ "event_types": ["slow"] })).await;
    }
    scene.dns.script("good.test", 0, [Said::addresses(&[PUBLIC])]);
    scene.register("good.test", json!({ "event_types": ["good"] })).await;
    let slow = scene.server.publish("slow", json!(1)).await;
    wait_until("all are asked for", async || {
        (0..50).all(|n| scene.dns.asked(&format!("silent-{n}.test")) > 0).then_some(())
    })
    .await;
    let good = scene.server.publish("good", json!(1)).await;
    let attempt = scene.attempt(&good, "good.test", 1).await;
    let took = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
    assert!(took < 2_000.0, "{attempt}");
    for n in 0..50 {
        let attempt = scene.attempt(&slow, &format!("silent-{n}.test"), 1).await;
        assert_eq!(attempt["error"]["class"], "dns_timeout", "{attempt}");
        let took = attempt["timings"]["dns_ms"].as_f64().expect("milliseconds");
        assert!(took < 6_000.0, "{attempt}");
    }
}
