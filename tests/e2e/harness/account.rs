//! A load with an account of every id.
//!
//! The account is Jepsen's total-queue: *lost* is what was acknowledged and never received,
//! *unexpected* what was received and never published, *duplicated* what was answered 200 more
//! than once. What was not acknowledged may have arrived or not.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::client::Client;
use super::receiver::{Receiver, Reply};
use super::wait::{let_pass, wait_or_tell};

/// Where every event of the load goes.
pub const WEBHOOKS: [&str; 2] = ["/a", "/b"];

/// Publishers at work.
pub struct Load {
    published: Arc<Published>,
    publishers: JoinSet<()>,
}

/// What was published, by id.
#[derive(Default)]
struct Published {
    attempted: Mutex<HashSet<String>>,
    acknowledged: Mutex<HashSet<String>>,
    next: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// What became of it, over all webhooks.
#[derive(Debug, Default, PartialEq)]
pub struct Account {
    pub lost: Vec<String>,
    pub unexpected: Vec<String>,
    pub duplicated: usize,
}

/// A subscriber that now and then fails, so that there are retries to lose, registered at both
/// [`WEBHOOKS`].
pub async fn subscribers(client: &Client) -> Receiver {
    let receiver = Receiver::start().await;
    for path in WEBHOOKS {
        let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 60] });
        let more = json!({ "event_types": ["load"], "retry": retry, "max_in_flight": 32 });
        client.register(&receiver.url(path), more).await;
        receiver.always(path, Reply::status(200).after(Duration::from_millis(3)));
        receiver
            .script(path, (0..2_000).map(|n| Reply::status(if n % 10 == 9 { 503 } else { 200 })));
    }
    receiver
}

impl Load {
    /// Each of `publishers` publishes one event after another, at the first of `doors` that takes it.
    pub fn start(doors: &[Client], publishers: usize) -> Self {
        let published = Arc::<Published>::default();
        let mut tasks = JoinSet::new();
        for n in 0..publishers {
            let (mut doors, published) = (doors.to_vec(), published.clone());
            let first = n % doors.len();
            doors.rotate_left(first);
            tasks.spawn(async move { published.publish(&doors).await });
        }
        Self { published, publishers: tasks }
    }

    /// Ends it, and waits until everything acknowledged arrived.
    pub async fn drain(&mut self, receiver: &Receiver) {
        self.published.stop.store(true, Ordering::Relaxed);
        while self.publishers.join_next().await.is_some() {}
        wait_or_tell("everything acknowledged has arrived", async || {
            let lost = self.account(receiver).lost;
            if lost.is_empty() { Ok(()) } else { Err(format!("{} lost: {lost:?}", lost.len())) }
        })
        .await;
    }

    pub fn attempted(&self) -> usize {
        self.published.next.load(Ordering::Relaxed)
    }

    /// The ids that were acknowledged so far.
    pub fn accepted(&self) -> HashSet<String> {
        self.published.acknowledged()
    }

    /// Events that no door took.
    pub fn refused(&self) -> usize {
        self.published.refused.load(Ordering::Relaxed)
    }

    /// Compares with what each webhook received.
    pub fn account(&self, receiver: &Receiver) -> Account {
        let attempted = self.published.attempted.lock().expect("not poisoned");
        let mut account = Account::default();
        for path in WEBHOOKS {
            let received = received(receiver, path);
            let acknowledged = self.published.acknowledged().into_iter();
            let lost = acknowledged.filter(|id| !received.contains_key(id));
            account.lost.extend(lost.map(|id| format!("{path} {id}")));
            let unexpected = received.keys().filter(|id| !attempted.contains(*id));
            account.unexpected.extend(unexpected.map(|id| format!("{path} {id}")));
            account.duplicated += received.values().map(|times| times - 1).sum::<usize>();
        }
        account
    }
}

impl Account {
    pub fn and(mut self, other: Self) -> Self {
        self.lost.extend(other.lost);
        self.unexpected.extend(other.unexpected);
        self.duplicated += other.duplicated;
        self
    }
}

impl Published {
    async fn publish(&self, doors: &[Client]) {
        while !self.stop.load(Ordering::Relaxed) {
            let id = format!("e-{}", self.next.fetch_add(1, Ordering::Relaxed));
            self.attempted.lock().expect("not poisoned").insert(id.clone());
            let body = json!({ "id": id, "type": "load", "data": { "id": id } }).to_string();
            if taken(doors, &body).await {
                self.acknowledged.lock().expect("not poisoned").insert(id);
            } else {
                // Not accepted, or nobody knows.
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            // A dead server is not asked ten thousand times, nor is more published than is delivered.
            let_pass(Duration::from_millis(10)).await;
        }
    }

    fn acknowledged(&self) -> HashSet<String> {
        self.acknowledged.lock().expect("not poisoned").clone()
    }
}

async fn taken(doors: &[Client], body: &str) -> bool {
    let headers = [("content-type", "application/json")];
    for door in doors {
        let sent = door.try_send(Method::POST, "/v1/events", &headers, Some(body.into()));
        if sent.await.is_ok_and(|answer| answer.status == 202) {
            return true;
        }
    }
    false
}

/// How often each id was answered 200 at `path`; its body has to speak of the same id.
pub fn received(receiver: &Receiver, path: &str) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for request in receiver.requests(path).iter().filter(|r| r.answered == 200) {
        let id = request.header("webhook-id").to_owned();
        assert_eq!(request.json()["data"]["id"], id.as_str());
        *times.entry(id).or_default() += 1;
    }
    times
}

/// A small pseudo-random generator: the moments have to be the same for the same seed.
pub struct Moments(u64);

impl Moments {
    /// `POSTRIDER_TEST_SEED` repeats the moments of an earlier run.
    pub fn from_env() -> Self {
        let given = std::env::var("POSTRIDER_TEST_SEED").ok();
        let seed = given.map_or_else(
            || u64::from_le_bytes(store::world::random_bytes()),
            |text| text.parse().expect("POSTRIDER_TEST_SEED is a whole number"),
        );
        println!("POSTRIDER_TEST_SEED={seed}");
        Self(seed)
    }

    /// Somewhere between `from` and `to` milliseconds (splitmix64).
    pub fn next(&mut self, from: u64, to: u64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(from + (z ^ (z >> 31)) % (to - from))
    }
}
