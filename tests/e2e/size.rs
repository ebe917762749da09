//! Much of something: what waits through a month's pause, webhooks of one event, connections that
//! nobody uses.
//!
//! `POSTRIDER_TEST_WIDE` says to how many webhooks one event goes (1,500 unless given).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::dns::{NameServer, Said};
use crate::harness::{
    Options, Postrider, Receiver, Reply, free_port, let_pass, never, text, wait_or_tell,
};
use crate::tenants::key_of;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Events of a backlog: a few times what a lane of these tests holds.
const BACKLOG: usize = 1_000;
const LANE_CAP: usize = 200;
/// Events of a batch are in no order among themselves.
const BATCH: usize = 100;
/// So many a webhook of a backlog is sent at once.
const PLACES: usize = 4;

async fn publish_backlog(server: &Postrider) {
    for from in (0..BACKLOG).step_by(BATCH) {
        let event = |n: usize| json!({ "type": "a", "id": format!("e-{n}"), "data": n });
        let events: Vec<Value> = (from..from + BATCH).map(event).collect();
        server.post("/v1/events/batch", json!({ "events": events })).await.is(202);
    }
}

/// How many deliveries of a webhook there are of each status and end.
async fn ends(server: &Postrider, webhook: &str) -> HashMap<String, usize> {
    let mut ends = HashMap::new();
    for delivery in server.walk(&format!("/v1/deliveries?limit=200&webhook_id={webhook}")).await {
        let by = delivery["ended_by"].as_str().unwrap_or("nothing yet");
        *ends.entry(format!("{} by {by}", text(&delivery, "status"))).or_default() += 1;
    }
    ends
}

async fn all_are(server: &Postrider, webhook: &str, what: &str) {
    wait_or_tell(what, async || {
        let ends = ends(server, webhook).await;
        if ends.get(what) == Some(&BACKLOG) { Ok(()) } else { Err(format!("{ends:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_backlog_of_a_months_pause_ends_by_age_or_drains_in_the_order_it_was_due() {
    let options = Options::default().env("POSTRIDER_ENGINE_LANE_CAP", &LANE_CAP.to_string());
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let kept_for = |age: Duration| {
        let age = u64::try_from(age.as_millis()).expect("an age");
        let retry = json!({ "policy": "schedule", "delays_ms": [60_000], "max_age_ms": age });
        json!({ "event_types": ["a"], "retry": retry, "max_in_flight": PLACES })
    };
    let short = text(&server.register(&receiver.url("/short"), kept_for(3 * DAY)).await, "id");
    let long = text(&server.register(&receiver.url("/long"), kept_for(30 * DAY)).await, "id");
    for webhook in [&short, &long] {
        server.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    }
    publish_backlog(&server).await;
    all_are(&server, &long, "pending by nothing yet").await;

    server.step(29 * DAY).await;
    // Whoever is not paused is not held up by what has to be ended.
    server.register(&receiver.url("/other"), json!({ "event_types": ["b"] })).await;
    let event = server.publish("b", json!(1)).await;
    server.delivery_that_is("delivered", &event).await;
    all_are(&server, &short, "failed by age").await;

    server.post(&format!("/v1/webhooks/{long}/resume"), json!({})).await.is(200);
    all_are(&server, &long, "delivered by delivered").await;
    let sent = receiver.requests("/long");
    assert_eq!(sent.len(), BACKLOG);
    assert!(receiver.most_at_once("/long") <= PLACES, "{}", receiver.most_at_once("/long"));
    // As it was published, give or take what is under way and ahead at once.
    for (place, request) in sent.iter().enumerate() {
        let n = request.json()["data"].as_u64().expect("a number");
        let off = place.abs_diff(usize::try_from(n).expect("a small one"));
        assert!(off <= LANE_CAP + BATCH, "the event {n} came in place {place}");
    }
    assert!(receiver.requests("/short").is_empty());
}

async fn register_many(server: &Postrider, receiver: &Receiver, count: usize) {
    let mut registering = JoinSet::new();
    for first in 0..8 {
        let (client, urls) = ((**server).clone(), (first..count).step_by(8));
        let urls: Vec<_> = urls.map(|n| receiver.url(&format!("/{n}"))).collect();
        registering.spawn(async move {
            for url in urls {
                client.register(&url, json!({})).await;
            }
        });
    }
    while let Some(done) = registering.join_next().await {
        done.expect("all are registered");
    }
}

/// Killed while its deliveries are made and sent; the one that is published meanwhile is kept with all
/// of them or with none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_for_thousands_of_webhooks_is_all_or_nothing_across_a_kill() {
    let count = std::env::var("POSTRIDER_TEST_WIDE");
    let count: usize = count.map_or(1_500, |n| n.parse().expect("a number"));
    let options = Options::default().on_a_data_directory();
    let mut server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    register_many(&server, &receiver, count).await;
    server.publish("a", json!(1)).await;
    wait_or_tell("some have it", async || {
        let there = receiver.count();
        if there > count / 10 { Ok(()) } else { Err(there.to_string()) }
    })
    .await;
    let body = json!({ "type": "a", "id": "second", "data": 2 }).to_string();
    let client = (*server).clone();
    let second = tokio::spawn(async move {
        let headers = [("content-type", "application/json")];
        let method = reqwest::Method::POST;
        client.try_send(method, "/v1/events", &headers, Some(body.into())).await
    });
    let_pass(Duration::from_millis(3)).await;
    server.kill_9();
    let acknowledged = second.await.expect("no panic").is_ok_and(|answer| answer.status == 202);
    assert!(receiver.count() < 2 * count, "it was killed too late to prove anything");
    server.start_again().await;

    let is_there = server.get("/v1/events/second?tenant=default").await.status == 200;
    assert!(is_there || !acknowledged);
    let expected = count * if is_there { 2 } else { 1 };
    wait_or_tell("every webhook has what there is", async || {
        let arrived: HashSet<(String, String)> = receiver
            .all()
            .into_iter()
            .map(|r| (r.header("webhook-id").to_owned(), r.target))
            .collect();
        if arrived.len() == expected { Ok(()) } else { Err(arrived.len().to_string()) }
    })
    .await;
    wait_or_tell("all are on record", async || {
        let left = server.deliveries("status=pending,retrying").await;
        if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.len())) }
    })
    .await;
    assert_eq!(server.walk("/v1/deliveries?limit=200&status=delivered").await.len(), expected);
}

/// Two thirds of the files are the API's at most: whoever holds connections open and does nothing does not
/// take those that delivering needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_uses_leave_files_for_delivering() {
    const FILES: usize = 256;
    let options = Options::default().on_a_data_directory().within_files(FILES);
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    for path in ["/a", "/b"] {
        server.register(&receiver.url(path), json!({})).await;
    }
    let mut idle = Vec::new();
    for _ in 0..FILES + FILES / 2 {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a backlog");
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
        asked.expect("the kernel takes it");
        idle.push(stream);
    }
    // On the connection that was there before: of two requests at once one might open another.
    let events: Vec<_> = (0..20).map(|n| json!({ "type": "a", "data": n })).collect();
    server.post("/v1/events/batch", json!({ "events": events })).await.is(202);
    wait_or_tell("all are delivered", async || {
        let arrived = receiver.count();
        if arrived == 40 { Ok(()) } else { Err(arrived.to_string()) }
    })
    .await;
    never("a second attempt", Duration::from_millis(200), async || {
        (receiver.count() > 40).then_some(())
    })
    .await;
    for delivery in server.deliveries("status=delivered,failed,retrying").await {
        let state = (&delivery["status"], &delivery["attempt_count"]);
        assert_eq!(state, (&json!("delivered"), &json!(1)), "{delivery}");
    }
    drop(idle);
    let other = reqwest::Client::new().get(server.url("/healthz")).send().await;
    assert_eq!(other.expect("others are answered again").status(), 200);
}

/// What a tenant published is delivered at the first attempt, and others are answered.
async fn nobody_else_notices(server: &Postrider, receiver: &Receiver) {
    let good = key_of(server, "good").await;
    good.register(&receiver.url("/good"), json!({})).await;
    for n in 0..20 {
        good.publish("a", json!(n)).await;
    }
    receiver.wait_for("/good", 20).await;
    wait_or_tell("all is on record", async || {
        let left = server.deliveries("tenant=good&status=pending,retrying").await;
        if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.len())) }
    })
    .await;
    let delivered = good.deliveries("status=delivered").await;
    assert_eq!(delivered.len(), 20);
    assert!(delivered.iter().all(|d| d["attempt_count"] == json!(1)), "{delivered:?}");
    let other = reqwest::Client::new().get(server.url("/healthz")).send().await;
    assert_eq!(other.expect("others are answered").status(), 200);
}

/// None of a tenant's deliveries was tried twice: what we are short of is no fault of a subscriber.
async fn none_was_tried_again(server: &Postrider, tenant: &str, count: usize) {
    wait_or_tell("all are delivered", async || {
        let query = format!("/v1/deliveries?limit=200&tenant={tenant}&status=delivered");
        let there = server.walk(&query).await.len();
        if there == count { Ok(()) } else { Err(there.to_string()) }
    })
    .await;
    let all = server.walk(&format!("/v1/deliveries?limit=200&tenant={tenant}")).await;
    let again = all.iter().find(|delivery| delivery["attempt_count"] != json!(1));
    assert_eq!((all.len(), again), (count, None));
}

/// As many requests as a webhook may have on the wire are more than there are files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_who_are_slow_leave_files_to_the_api_and_to_other_tenants() {
    const EVENTS: usize = 120;
    let options = Options::default().on_a_data_directory().within_files(400);
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let bad = key_of(&server, "bad").await;
    for path in ["/0", "/1", "/2", "/3"] {
        receiver.always(path, Reply::status(200).after(Duration::from_millis(600)));
        bad.register(&receiver.url(path), json!({ "max_in_flight": 256 })).await;
    }
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); EVENTS] });
    bad.post("/v1/events/batch", batch).await.is(202);
    wait_or_tell("some have it", async || {
        let there = receiver.count();
        if there > 30 { Ok(()) } else { Err(there.to_string()) }
    })
    .await;
    nobody_else_notices(&server, &receiver).await;
    none_was_tried_again(&server, "bad", 4 * EVENTS).await;
}

/// A connection that was used is kept for a while; with each of many hosts, that is many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_kept_to_many_hosts_leave_files_for_others() {
    const HOSTS: usize = 600;
    let options = Options::default().on_a_data_directory().within_files(400);
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let everywhere = Receiver::at("0.0.0.0", free_port()).await;
    let bad = key_of(&server, "bad").await;
    for n in 0..HOSTS {
        let host = format!("127.1.{}.{}", n / 200, n % 200 + 1);
        bad.register(&format!("http://{host}:{}/", everywhere.port()), json!({})).await;
    }
    bad.publish("a", json!(1)).await;
    wait_or_tell("some have it", async || {
        let there = everywhere.count();
        if there > HOSTS / 3 { Ok(()) } else { Err(there.to_string()) }
    })
    .await;
    nobody_else_notices(&server, &receiver).await;
    none_was_tried_again(&server, "bad", HOSTS).await;
}

/// Connections that are kept and names that nobody answers for take all there is between them: whoever finds
/// nothing left waits, and no attempt of a subscriber is made of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_without_a_file_waits_and_has_no_attempt() {
    let dns = NameServer::start().await;
    let options = Options::default().on_a_data_directory().within_files(200);
    let options = options.env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
    let server = Postrider::with(options).await;
    let receiver = Receiver::at("0.0.0.0", free_port()).await;
    for n in 1..=8 {
        let url = format!("http://127.2.0.{n}:{}/", receiver.port());
        server.register(&url, json!({ "event_types": ["kept"] })).await;
    }
    for n in 1..=20 {
        let name = format!("{n}.silent.test");
        dns.script(&name, 60, [Said::Nothing]);
        let retry = json!({ "policy": "schedule", "delays_ms": [600_000] });
        let more = json!({ "event_types": ["silent"], "retry": retry });
        server.register(&format!("http://{name}:{}/", receiver.port()), more).await;
    }
    server.publish("kept", json!(1)).await;
    receiver.wait_for("/", 8).await;
    server.publish("silent", json!(1)).await;
    wait_or_tell("all were tried once", async || {
        let tried = server.deliveries("status=retrying").await.len();
        if tried == 20 { Ok(()) } else { Err(format!("{tried} of 20")) }
    })
    .await;
    for delivery in server.deliveries("status=retrying").await {
        assert_eq!(delivery["attempt_count"], json!(1), "{delivery}");
        let id = text(&delivery, "id");
        let whole = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
        assert!(whole.to_string().contains("dns_timeout"), "{whole}");
    }
    let metrics = server.get("/metrics").await.text();
    let put_off =
        metrics.lines().find_map(|l| l.strip_prefix("postrider_deliveries_put_off_total "));
    assert!(put_off.is_some_and(|times| times != "0"), "{put_off:?}");
    assert!(server.log().contains("this process may not open more files"));
}
