//! Killed at random moments under load, with an account of every id.
//!
//! The account is Jepsen's total-queue: *lost* is what was acknowledged and never received,
//! *unexpected* what was received and never published, *duplicated* what was answered 200 more
//! than once. What was not acknowledged may have arrived or not. `POSTRIDER_TEST_KILLS` says how
//! often to kill (10 unless given), `POSTRIDER_TEST_SEED` repeats the moments of an earlier run.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    Client, Options, Postrider, Receiver, Reply, let_pass, text, wait_or_tell, wait_until,
};

const SLOTS: usize = 64;
const PUBLISHERS: usize = 6;
const WEBHOOKS: [&str; 2] = ["/a", "/b"];

/// What was published, by id.
#[derive(Default)]
struct Published {
    attempted: Mutex<HashSet<String>>,
    acknowledged: Mutex<HashSet<String>>,
    next: AtomicUsize,
    stop: AtomicBool,
}

/// What became of it, over all webhooks.
#[derive(Debug, Default, PartialEq)]
struct Account {
    lost: Vec<String>,
    unexpected: Vec<String>,
    duplicated: usize,
}

impl Published {
    /// Publishes one event after another until it is told to stop, whether they are answered or not.
    async fn publish(&self, client: &Client) {
        while !self.stop.load(Ordering::Relaxed) {
            let id = format!("e-{}", self.next.fetch_add(1, Ordering::Relaxed));
            self.attempted.lock().expect("not poisoned").insert(id.clone());
            let body = json!({ "id": id, "type": "load", "data": { "id": id } }).to_string();
            let headers = [("content-type", "application/json")];
            let sent =
                client.try_send(Method::POST, "/v1/events", &headers, Some(body.into_bytes()));
            match sent.await {
                Ok(answer) if answer.status == 202 => {
                    self.acknowledged.lock().expect("not poisoned").insert(id);
                }
                // Not accepted, or nobody knows. A dead server is not asked ten thousand times.
                Ok(_) | Err(_) => let_pass(Duration::from_millis(5)).await,
            }
        }
    }

    fn acknowledged(&self) -> HashSet<String> {
        self.acknowledged.lock().expect("not poisoned").clone()
    }

    /// Compares with what each webhook received.
    fn account(&self, receiver: &Receiver) -> Account {
        let attempted = self.attempted.lock().expect("not poisoned");
        let mut account = Account::default();
        for path in WEBHOOKS {
            let received = received(receiver, path);
            let acknowledged = self.acknowledged().into_iter();
            let lost = acknowledged.filter(|id| !received.contains_key(id));
            account.lost.extend(lost.map(|id| format!("{path} {id}")));
            let unexpected = received.keys().filter(|id| !attempted.contains(*id));
            account.unexpected.extend(unexpected.map(|id| format!("{path} {id}")));
            account.duplicated += received.values().map(|times| times - 1).sum::<usize>();
        }
        account
    }
}

/// How often each id was answered 200 at `path`; its body has to speak of the same id.
fn received(receiver: &Receiver, path: &str) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for request in receiver.requests(path).iter().filter(|r| r.answered == 200) {
        let id = request.header("webhook-id").to_owned();
        assert_eq!(request.json()["data"]["id"], id.as_str());
        *times.entry(id).or_default() += 1;
    }
    times
}

/// A small pseudo-random generator: the moments have to be the same for the same seed.
struct Moments(u64);

impl Moments {
    fn from_env() -> Self {
        let given = std::env::var("POSTRIDER_TEST_SEED").ok();
        let seed = given.map_or_else(
            || u64::from_le_bytes(store::world::random_bytes()),
            |text| text.parse().expect("POSTRIDER_TEST_SEED is a whole number"),
        );
        println!("POSTRIDER_TEST_SEED={seed}");
        Self(seed)
    }

    /// Somewhere between `from` and `to` milliseconds (splitmix64).
    fn next(&mut self, from: u64, to: u64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(from + (z ^ (z >> 31)) % (to - from))
    }
}

/// A server with few slots, two webhooks that sometimes fail, and publishers at work.
async fn under_load() -> (Postrider, Receiver, Arc<Published>, tokio::task::JoinSet<()>) {
    let slots = SLOTS.to_string();
    let server = Postrider::with(Options::default().env("POSTRIDER_ENGINE_SLOTS", &slots)).await;
    let receiver = Receiver::start().await;
    for path in WEBHOOKS {
        let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 60] });
        let more = json!({ "event_types": ["load"], "retry": retry, "max_in_flight": 32 });
        server.register(&receiver.url(path), more).await;
        receiver.always(path, Reply::status(200).after(Duration::from_millis(3)));
        // A failure now and then, so that there are retries to lose.
        receiver
            .script(path, (0..2_000).map(|n| Reply::status(if n % 10 == 9 { 503 } else { 200 })));
    }
    let (published, mut publishers) = (Arc::<Published>::default(), tokio::task::JoinSet::new());
    for _ in 0..PUBLISHERS {
        let (client, published) = (server.clone(), Arc::clone(&published));
        publishers.spawn(async move { published.publish(&client).await });
    }
    (server, receiver, published, publishers)
}

/// Ends the load and waits until everything acknowledged arrived and nothing is left to do.
async fn drain(
    server: &Postrider,
    receiver: &Receiver,
    published: &Published,
    publishers: tokio::task::JoinSet<()>,
) {
    published.stop.store(true, Ordering::Relaxed);
    publishers.join_all().await;
    wait_or_tell("everything acknowledged has arrived", async || {
        let lost = published.account(receiver).lost;
        if lost.is_empty() { Ok(()) } else { Err(format!("{} lost: {lost:?}", lost.len())) }
    })
    .await;
    wait_until("nothing is left to deliver", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
}

/// What the server has on record is what the webhooks received.
async fn assert_on_record(server: &Postrider, receiver: &Receiver) {
    let deliveries = server.walk("/v1/deliveries?limit=200").await;
    let delivered = deliveries.iter().filter(|d| d["status"] == "delivered").count();
    assert_eq!(delivered, deliveries.len(), "every delivery ended as delivered");
    let on_record: HashSet<String> = deliveries.iter().map(|d| text(d, "event_id")).collect();
    for path in WEBHOOKS {
        let received: HashSet<String> = received(receiver, path).into_keys().collect();
        assert_eq!(received, on_record, "{path}");
    }
    assert_eq!(deliveries.len(), WEBHOOKS.len() * on_record.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_repeat_only_what_was_under_way() {
    let kills = std::env::var("POSTRIDER_TEST_KILLS").map_or(10, |n| n.parse().expect("a number"));
    let mut moments = Moments::from_env();
    let (mut server, receiver, published, publishers) = under_load().await;
    for _ in 0..kills {
        let_pass(moments.next(30, 400)).await;
        server.kill_9();
        server.start_again().await;
    }
    drain(&server, &receiver, &published, publishers).await;

    let account = published.account(&receiver);
    let (asked, acked) = (published.next.load(Ordering::Relaxed), published.acknowledged().len());
    println!(
        "kills {kills}, published {asked}, acknowledged {acked}, lost {}, unexpected {}, duplicated {} of at most {}",
        account.lost.len(),
        account.unexpected.len(),
        account.duplicated,
        kills * SLOTS,
    );
    assert!(acked > 10 * kills, "the load was too small to prove anything: {acked}");
    assert_eq!((&account.lost, &account.unexpected), (&Vec::new(), &Vec::new()));
    assert!(account.duplicated <= kills * SLOTS, "{} duplicates", account.duplicated);
    assert_on_record(&server, &receiver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_restarts_under_load_lose_nothing_and_repeat_nothing() {
    let mut moments = Moments::from_env();
    let (mut server, receiver, published, publishers) = under_load().await;
    for _ in 0..5 {
        let_pass(moments.next(100, 500)).await;
        server.restart().await;
    }
    drain(&server, &receiver, &published, publishers).await;

    let account = published.account(&receiver);
    let acked = published.acknowledged().len();
    println!("published {}, acknowledged {acked}", published.next.load(Ordering::Relaxed));
    assert!(acked > 100, "the load was too small to prove anything: {acked}");
    assert_eq!(account, Account::default());
    assert_on_record(&server, &receiver).await;
}

#[tokio::test]
async fn what_waits_at_a_kill_keeps_its_plan() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [2_000] });
    server.register(&receiver.url("/a"), json!({ "retry": retry })).await;
    let event = server.publish("a", json!(1)).await;
    let waiting = server.delivery_that_is("retrying", &event).await;

    server.kill_9();
    server.start_again().await;
    let after = server.delivery_that_is("retrying", &event).await;
    assert_eq!(after["next_attempt_at"], waiting["next_attempt_at"]);
    assert_eq!(after["attempts"], waiting["attempts"]);
    let done = server.delivery_that_is("delivered", &event).await;
    assert_eq!(done["attempt_count"], 2);
    let requests = receiver.requests("/a");
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(1_950));
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
}

#[tokio::test]
async fn a_backlog_larger_than_a_lane_is_delivered_whole() {
    let options = Options::default().env("POSTRIDER_ENGINE_LANE_CAP", "100");
    let mut server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let webhook = text(&server.register(&receiver.url("/a"), json!({})).await, "id");
    server.post(&format!("/v1/webhooks/{webhook}/pause"), json!({})).await.is(200);
    let batch = |from: usize| -> Vec<_> {
        (from..from + 500)
            .map(|n| json!({ "type": "a", "data": n, "id": format!("e-{n}") }))
            .collect()
    };
    for from in [0, 500] {
        server.post("/v1/events/batch", json!({ "events": batch(from) })).await.is(202);
    }
    server.kill_9();
    server.start_again().await;
    server.post(&format!("/v1/webhooks/{webhook}/resume"), json!({})).await.is(200);
    receiver.wait_for("/a", 1_000).await;
    wait_until("all are delivered", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
    let ids: HashSet<String> =
        receiver.requests("/a").iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), receiver.requests("/a").len()), (1_000, 1_000));
}

#[tokio::test]
async fn an_event_for_more_webhooks_than_one_step_of_fan_out_reaches_all_across_a_kill() {
    // Deliveries are made a thousand at a time; the kill falls somewhere between.
    const COUNT: usize = 1_050;
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for n in 0..COUNT {
        server.register(&receiver.url(&format!("/{n}")), json!({})).await;
    }
    for n in 0..2 {
        server.publish("a", json!(n)).await;
    }
    server.kill_9();
    server.start_again().await;
    wait_or_tell("every webhook has both events", async || {
        let arrived: HashSet<(String, String)> = receiver
            .all()
            .into_iter()
            .map(|r| (r.header("webhook-id").to_owned(), r.target))
            .collect();
        if arrived.len() == 2 * COUNT { Ok(()) } else { Err(arrived.len().to_string()) }
    })
    .await;
    wait_until("all are on record", async || {
        server.deliveries("status=pending,retrying").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(server.walk("/v1/deliveries?limit=200&status=delivered").await.len(), 2 * COUNT);
}
