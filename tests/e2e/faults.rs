//! A fleet whose parts fail under load, with an account of every id: nothing lost, nothing
//! unexpected, and repeated at most what the workers held when the fault came.
//!
//! `POSTRIDER_TEST_FAULTS` says how often each fault comes (3 unless given; `make faults`: 50),
//! `POSTRIDER_TEST_SEED` repeats the moments of an earlier run.

use std::time::Duration;

use serde_json::json;
use store::Queue as _;
use store::redis::{Redis, Settings};
use store::world::{Clock, Stopwatch};

use crate::harness::account::{Account, Load, Moments, WEBHOOKS, subscribers};
use crate::harness::fleet::{Fleet, LEASE, SLOTS};
use crate::harness::{Postrider, Receiver, Reply, let_pass, wait_or_tell, wait_until};

const PUBLISHERS: usize = 4;
/// Once what broke is there again, something is delivered within this time. Everything that was
/// accepted before has to be within a lease (45 s by default) and 10 s; waiting for it gives up sooner.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// So often one fleet takes a fault; if more is asked for, several do side by side.
const IN_ONE_FLEET: usize = 10;

/// A fleet at work under load.
struct Scene {
    fleet: Fleet,
    receiver: Receiver,
    moments: Moments,
    load: Load,
    outcome: Outcome,
}

/// What the faults did.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: usize,
    refused: usize,
    account: Account,
    /// How long it took at the most until something was delivered, and until everything was that
    /// had been accepted before.
    first: Duration,
    all: Duration,
}

fn times() -> usize {
    std::env::var("POSTRIDER_TEST_FAULTS").map_or(3, |n| n.parse().expect("a number"))
}

/// Lets `fault` come again and again under load; it returns once what it broke is whole again.
async fn survives(
    what: &str,
    workers: usize,
    duplicates_max: usize,
    fault: impl AsyncFn(&mut Scene),
) {
    let outcome = Scene::play(workers, times(), &fault).await;
    judge(what, duplicates_max, outcome);
}

/// The same for what mostly waits: several fleets side by side.
async fn survives_side_by_side(
    what: &str,
    workers: usize,
    duplicates_max: usize,
    fault: impl AsyncFn(&mut Scene),
) {
    let mut left = times();
    let mut share = || {
        let share = left.min(times().div_ceil(5).max(IN_ONE_FLEET));
        left -= share;
        share
    };
    let shares = [(); 5].map(|()| share());
    let play = |times| Scene::play(workers, times, &fault);
    let [a, b, c, d, e] = shares.map(play);
    let (a, b, c, d, e) = tokio::join!(a, b, c, d, e);
    judge(what, duplicates_max, [a, b, c, d, e].into_iter().fold(Outcome::default(), Outcome::and));
}

fn judge(what: &str, duplicates_max: usize, outcome: Outcome) {
    let Outcome { acknowledged, refused, account, first, all } = outcome;
    println!(
        "{what} {} times: acknowledged {acknowledged}, refused {refused}, lost {}, unexpected {}, \
         duplicated {} of at most {}; first delivery after {first:.1?}, everything after {all:.1?} at \
         the latest",
        times(),
        account.lost.len(),
        account.unexpected.len(),
        account.duplicated,
        times() * duplicates_max,
    );
    assert!(acknowledged > 20 * times(), "the load was too small to prove anything");
    assert_eq!((account.lost, account.unexpected), (vec![], vec![]));
    assert!(account.duplicated <= times() * duplicates_max, "{} duplicates", account.duplicated);
    assert!(first <= FIRST_WITHIN, "{first:?}");
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            refused: self.refused + other.refused,
            account: self.account.and(other.account),
            first: self.first.max(other.first),
            all: self.all.max(other.all),
        }
    }
}

impl Scene {
    async fn play(workers: usize, times: usize, fault: &impl AsyncFn(&mut Scene)) -> Outcome {
        if times == 0 {
            return Outcome::default();
        }
        let fleet = Fleet::start(2, workers).await;
        let receiver = subscribers(fleet.client()).await;
        let load = Load::start(&fleet.doors(), PUBLISHERS);
        let (moments, outcome) = (Moments::from_env(), Outcome::default());
        let mut scene = Self { fleet, receiver, moments, load, outcome };
        for _ in 0..times {
            let_pass(scene.moments.next(200, 900)).await;
            fault(&mut scene).await;
            scene.recovers().await;
        }
        scene.end().await
    }

    /// Deliveries go on, and nothing waits that was accepted before.
    async fn recovers(&mut self) {
        let watch = Stopwatch::start();
        let accepted = self.load.accepted();
        let before = self.receiver.count();
        wait_until("deliveries go on", async || (self.receiver.count() > before + 4).then_some(()))
            .await;
        self.outcome.first = self.outcome.first.max(watch.elapsed());
        for path in WEBHOOKS {
            let mut missing = accepted.clone();
            wait_or_tell("everything accepted before is delivered", async || {
                self.receiver.strike_out(path, &mut missing);
                if missing.is_empty() { Ok(()) } else { Err(format!("not {missing:?}")) }
            })
            .await;
        }
        self.outcome.all = self.outcome.all.max(watch.elapsed());
    }

    async fn end(mut self) -> Outcome {
        self.load.drain(&self.receiver).await;
        wait_until("nothing is left to deliver", async || {
            let left = self.fleet.client().deliveries("status=pending,retrying").await;
            left.is_empty().then_some(())
        })
        .await;
        Outcome {
            acknowledged: self.load.accepted().len(),
            refused: self.load.refused(),
            account: self.load.account(&self.receiver),
            ..self.outcome
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_is_killed() {
    survives("API killed", 1, 0, async |scene| {
        let api = &mut scene.fleet.apis[1];
        api.process.kill_9();
        api.process.start_again();
        api.ready().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_killed() {
    survives_side_by_side("worker killed", 2, SLOTS, async |scene| {
        let worker = &mut scene.fleet.workers[0];
        worker.kill_9();
        worker.start_again();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back_empty() {
    survives("Redis killed", 2, 2 * SLOTS, async |scene| {
        scene.fleet.redis.kill_9().await;
        let_pass(scene.moments.next(100, 1_500)).await;
        scene.fleet.redis.start().await;
    })
    .await;
}

/// With all that it has: what was answered and recorded meanwhile is settled afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_refuses_for_a_moment() {
    survives("Redis refusing", 2, 0, async |scene| {
        scene.fleet.redis.tell(&["ACL", "SETUSER", "default", "-evalsha", "-eval"]);
        let_pass(scene.moments.next(50, 800)).await;
        scene.fleet.redis.tell(&["ACL", "SETUSER", "default", "+evalsha", "+eval"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_flushed() {
    survives("Redis flushed", 2, 2 * SLOTS, async |scene| {
        scene.fleet.redis.tell(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_from_an_old_dump() {
    survives("Redis from an old dump", 2, 2 * SLOTS, async |scene| {
        scene.fleet.redis.tell(&["SAVE"]);
        let_pass(scene.moments.next(500, 1_500)).await;
        scene.fleet.redis.kill_9().await;
        scene.fleet.redis.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_full() {
    survives("Redis full", 2, 0, async |scene| {
        scene.fleet.redis.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        let_pass(scene.moments.next(300, 1_500)).await;
        scene.fleet.redis.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed() {
    survives("PostgreSQL killed", 2, 2 * SLOTS, async |scene| {
        scene.fleet.postgres.kill_9().await;
        scene.fleet.postgres.start().await;
    })
    .await;
}

/// `POSTRIDER_TEST_DOWN_S`: how many seconds (3 unless given).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_down_for_long() {
    let seconds =
        std::env::var("POSTRIDER_TEST_DOWN_S").map_or(3, |n| n.parse().expect("a number"));
    survives_side_by_side("PostgreSQL down", 2, 2 * SLOTS, async |scene| {
        scene.fleet.postgres.kill_9().await;
        let_pass(Duration::from_secs(seconds)).await;
        scene.fleet.postgres.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_stopped_beyond_its_lease_and_resumed() {
    survives_side_by_side("worker paused", 2, SLOTS, async |scene| {
        scene.fleet.workers[0].signal("STOP");
        let_pass(LEASE + Duration::from_secs(1)).await;
        scene.fleet.workers[0].signal("CONT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_repeats_and_refuses_nothing() {
    let mut fleet = Fleet::start(2, 2).await;
    let receiver = subscribers(fleet.client()).await;
    let mut moments = Moments::from_env();
    let mut load = Load::start(&fleet.doors(), PUBLISHERS);
    for _ in 0..times() {
        for n in 0..2 {
            let_pass(moments.next(100, 400)).await;
            let worker = &mut fleet.workers[n];
            assert!(worker.stop().await.success(), "{}", worker.log());
            worker.start_again();
            let_pass(moments.next(100, 400)).await;
            let api = &mut fleet.apis[n];
            assert!(api.process.stop().await.success(), "{}", api.process.log());
            api.process.start_again();
            api.ready().await;
        }
    }
    load.drain(&receiver).await;
    let account = load.account(&receiver);
    println!("acknowledged {}, refused {}, {account:?}", load.accepted().len(), load.refused());
    assert!(load.accepted().len() > 20 * times(), "the load was too small to prove anything");
    assert_eq!((account.lost, account.unexpected, account.duplicated), (vec![], vec![], 0));
    assert_eq!(load.refused(), 0);
}

/// Due times, starts and signatures go by the queue's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_clock_is_an_hour_off_works_like_the_others() {
    let seconds = || Clock::system().now().millis() / 1_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (begun, mut fleet) = (seconds(), Fleet::start(1, 0).await);
    fleet.start_worker_with_its_clock_off(folder.path());
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [1_000] });
    fleet.client().register(&receiver.url("/a"), json!({ "retry": retry })).await;
    let event = fleet.client().publish("a", json!(1)).await;
    fleet.client().delivery_that_is("delivered", &event).await;
    let requests = receiver.requests("/a");
    assert_eq!(requests.len(), 2);
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(450));
    let now = seconds();
    for request in requests {
        let signed_at: i64 = request.header("webhook-timestamp").parse().expect("a number");
        assert!((now - signed_at).abs() < 60, "signed at {signed_at}, and it is {now}");
    }
    // The worker's own log shows that its machine is ahead.
    let ahead = hour_of(&fleet.workers[0].log());
    assert!([begun, now].map(|here| (here / 3_600 + 1) % 24).contains(&ahead));
}

/// The hour of a log's first line, which begins with an RFC 3339 time.
fn hour_of(log: &str) -> i64 {
    let (_, time) = log.split_once('T').expect("a time");
    time[..2].parse().expect("an hour")
}

/// Without Redis events are accepted, and delivered once it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_publishing_goes_on() {
    let mut fleet = Fleet::start(1, 1).await;
    let receiver = subscribers(fleet.client()).await;
    fleet.redis.kill_9().await;
    for n in 0..20 {
        let data =
            json!({ "type": "load", "id": format!("e-{n}"), "data": { "id": format!("e-{n}") } });
        fleet.client().post("/v1/events", data).await.is(202);
    }
    let ready = fleet.client().get("/readyz").await.is(200);
    assert_eq!(ready["status"], "degraded");
    fleet.redis.start().await;
    for path in ["/a", "/b"] {
        wait_until("all of them arrive", async || {
            let delivered = receiver.requests(path).iter().filter(|r| r.answered == 200).count();
            (delivered == 20).then_some(())
        })
        .await;
    }
}

/// What a webhook may do is not forgotten with the queue, though nothing of it was unfinished then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_was_idle_when_redis_was_flushed_keeps_its_limit() {
    let fleet = Fleet::start(1, 2).await;
    let receiver = Receiver::start().await;
    receiver.always("/one", Reply::status(200).after(Duration::from_millis(30)));
    fleet.client().register(&receiver.url("/one"), json!({ "max_in_flight": 1 })).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 10] });
    for round in 1..=5 {
        fleet.client().post("/v1/events/batch", batch.clone()).await.is(202);
        receiver.wait_for("/one", round * 10).await;
        wait_until("nothing is unfinished", async || {
            let unfinished = fleet.client().deliveries("status=pending,retrying").await;
            unfinished.is_empty().then_some(())
        })
        .await;
        fleet.redis.tell(&["FLUSHALL"]);
    }
    assert_eq!(receiver.most_at_once("/one"), 1);
}

/// Record, then settle: what is not on record may be sent again, so the queue must not forget it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_settled_before_it_is_recorded() {
    let fleet = Fleet::start(1, 1).await;
    let receiver = Receiver::start().await;
    receiver.always("/slow", Reply::status(200).after(Duration::from_millis(800)));
    fleet.client().register(&receiver.url("/slow"), json!({})).await;
    let queue = Redis::open(&fleet.redis.url(), Settings::default(), Clock::system()).await;
    let queue = queue.expect("a queue opens");
    let leased = async || queue.look(&[]).await.expect("a queue can be looked at").total.leased;

    let event = fleet.client().publish("a", json!(1)).await;
    receiver.wait_for("/slow", 1).await;
    fleet.postgres.signal("STOP");
    // It is answered, and cannot be recorded.
    let_pass(Duration::from_millis(1_500)).await;
    let held = leased().await;
    fleet.postgres.signal("CONT");
    assert_eq!(held, 1);
    fleet.client().delivery_that_is("delivered", &event).await;
    wait_until("it is settled", async || (leased().await == 0).then_some(())).await;
    assert_eq!(receiver.requests("/slow").len(), 1);
}

/// The database is as it was a moment ago: numbers that workers saw are given again.
#[tokio::test]
async fn a_webhook_of_a_database_that_was_put_back_gets_its_events() {
    let server = Postrider::start().await;
    // The embedded store is nobody's to put back while it runs.
    if server.services().is_none() {
        return;
    }
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/first"), json!({})).await;
    let lost = server.register(&receiver.url("/lost"), json!({})).await;
    server.publish("a", json!(1)).await;
    receiver.wait_for("/first", 1).await;
    receiver.wait_for("/lost", 1).await;
    server.change_store(&format!(
        "DELETE FROM webhooks WHERE version = {}; \
         UPDATE tenants SET registry_version = registry_version - 1 WHERE tenant = 'default'",
        "(SELECT registry_version FROM tenants WHERE tenant = 'default')"
    ));
    server.publish("a", json!(2)).await;
    receiver.wait_for("/first", 2).await;
    let new = server.register(&receiver.url("/new"), json!({})).await;
    assert_ne!(new["id"], lost["id"]);
    server.publish("a", json!(3)).await;
    receiver.wait_for("/first", 3).await;
    receiver.wait_for("/new", 1).await;
    assert_eq!(receiver.requests("/lost").len(), 1);
}
