//! Single keys that are gone from Redis, evicted or deleted, while others count what was in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::redis::Redis;
use store::world::Clock;
use store::{Claimed, How, Hunger, Item, Lane, LaneLook, Push};

use super::{SUCCEEDED, WHILE, lane, new, news, numbers, retry};
use crate::drivers::redis::settings;
use crate::drivers::redis_server::RedisServer;
use crate::drivers::{LANE_CAP, LEASE, QueueRig};

/// So often a worker goes round, with a pause in between, until everything has to be done.
const ROUNDS_MAX: usize = 200;

struct Scene {
    server: RedisServer,
    keys: String,
    rig: QueueRig,
    /// What the store knows to be unfinished.
    unfinished: BTreeSet<Item>,
}

impl Scene {
    async fn new() -> Self {
        let server = RedisServer::start();
        let options = settings(1);
        let keys = format!("{}:2:{{0}}", options.prefix);
        let queue = Redis::open(&server.url(), options, Clock::system()).await;
        let rig = QueueRig::of(Arc::new(queue.expect("a queue opens")));
        rig.fed().await;
        Self { server, keys, rig, unfinished: BTreeSet::new() }
    }

    /// A lane with two places, both taken by who never settles; one whose items can be served, and
    /// one whose items can be later.
    async fn at_work([busy, ready, later]: [&Lane; 3]) -> Self {
        let mut scene = Self::new().await;
        scene.rig.limit(busy, 2).await;
        scene.keep(news(busy, 1..=6)).await;
        scene.keep((7..=8).map(|n| retry(busy, n, WHILE))).await;
        assert_eq!(numbers(&scene.rig.take().await), [1, 2]);
        scene.keep(news(ready, 1..=3)).await;
        scene.keep((1..=3).map(|n| retry(later, n, LEASE / 2))).await;
        scene
    }

    async fn keep(&mut self, pushes: impl IntoIterator<Item = Push>) {
        let pushes = Vec::from_iter(pushes);
        self.unfinished.extend(pushes.iter().map(|push| push.item.clone()));
        self.rig.keep(pushes).await;
    }

    fn lose(&self, what: &str) {
        let gone = self.server.count(&what.replace("KEYS", &self.keys));
        assert_ne!(gone, 0, "{what}: it is not there");
    }

    /// Serves what is due, and feeds what is hungry.
    async fn round(&mut self) {
        let claimed = self.rig.claim(100, &[]).await;
        let Claimed { leased, hungry, .. } = claimed.expect("a queue is claimed from");
        for leased in leased {
            self.unfinished.remove(&leased.item);
            self.rig.end([leased.clone().settle(SUCCEEDED), leased.settle(How::Done)]).await;
        }
        for hungry in hungry {
            match &hungry.hunger {
                Hunger::Everything => self.feed(|_| true).await,
                Hunger::Lane(lane) => self.feed(|item| item.lane == *lane).await,
            }
            self.rig.end([hungry.settle(How::Done)]).await;
        }
    }

    async fn feed(&self, which: impl Fn(&Item) -> bool) {
        let items = self.unfinished.iter().filter(|item| which(item));
        // As `new` numbers them.
        let seq = |item: &Item| item.event.0.0[15].into();
        let pushes = items.map(|item| Push { fed: true, ..Push::new(item.clone(), seq(item)) });
        let pushed = self.rig.push(pushes.collect()).await.expect("a queue is fed");
        assert_eq!(pushed.refused, []);
    }

    /// Until nothing is unfinished, and nothing is on the books.
    async fn serve_all(&mut self, what: &str, rolling: bool, lanes: &[&Lane]) {
        for _ in 0..ROUNDS_MAX {
            if rolling {
                self.feed(|_| true).await;
            }
            self.round().await;
            if self.unfinished.is_empty() && self.is_at_rest(lanes).await {
                return;
            }
            self.rig.pass(LEASE / 8).await;
        }
        let mut looks = Vec::new();
        for lane in lanes {
            looks.push(self.rig.look_at(lane).await);
        }
        panic!("{what}: nobody serves {:?}: {looks:?}", self.unfinished);
    }

    async fn is_at_rest(&self, lanes: &[&Lane]) -> bool {
        for lane in lanes {
            let LaneLook { queued, leased, in_flight, .. } = self.rig.look_at(lane).await;
            if (queued, leased, in_flight) != (0, 0, 0) {
                return false;
            }
        }
        true
    }
}

/// Each of them while lanes are in every place they may be in.
async fn survives(what: &str, rolling: bool) {
    let (lost, ready, later, other) = (lane("a", 1), lane("a", 2), lane("a", 3), lane("b", 4));
    let all = [&lost, &ready, &later, &other];
    let what = what.replace("BUSY", &format!("{lost:?}"));
    let what = what.replace("READY", &format!("{ready:?}")).replace("LATER", &format!("{later:?}"));
    let mut scene = Scene::at_work([&lost, &ready, &later]).await;
    scene.lose(&what);
    scene.keep(news(&other, 1..=3)).await;
    scene.round().await;
    let waits = scene.unfinished.iter().filter(|item| item.lane == other).count();
    assert_eq!(waits, 0, "{what}: it holds up another tenant");
    scene.serve_all(&what, rolling, &all).await;
    // And as if nothing had been.
    scene.rig.limit(&lost, 2).await;
    scene.keep(news(&lost, 11..=14)).await;
    scene.keep([new(&other, 11)]).await;
    let leased = scene.rig.claim(100, &[]).await.expect("a queue is claimed from").leased;
    assert_eq!(leased.len(), 3, "{what}: two have a place, and the other lane's");
    for leased in leased {
        scene.unfinished.remove(&leased.item);
        scene.rig.end([leased.clone().settle(SUCCEEDED), leased.settle(How::Done)]).await;
    }
    scene.serve_all(&what, false, &all).await;
}

/// What was in it is fed again because the queue itself is hungry for it.
#[tokio::test]
async fn a_lost_key_is_noticed() {
    for what in [
        "DEL KEYS:q:BUSY",
        "DEL KEYS:q:READY",
        "DEL KEYS:q:LATER",
        "DEL KEYS:ring:a",
        "DEL KEYS:leased",
        "DEL KEYS:lanes",
        "HDEL KEYS:lanes BUSY",
        "HDEL KEYS:lanes READY",
        "HDEL KEYS:lanes LATER",
        "DEL KEYS:state",
    ] {
        println!("{what}");
        survives(what, false).await;
    }
}

/// Nobody sees that something is gone until the lane is fed by who goes round.
#[tokio::test]
async fn a_lost_key_that_nobody_notices_is_mended_when_the_lane_is_fed() {
    for what in [
        "DEL KEYS:tenants",
        "DEL KEYS:timers",
        "DEL KEYS:leases",
        "DEL KEYS:leases KEYS:leased",
        "DEL KEYS:ring:a KEYS:tenants KEYS:timers KEYS:hungry",
    ] {
        println!("{what}");
        survives(what, true).await;
    }
}

/// Even if what is fed is known already, and nothing else happens to its lane.
#[tokio::test]
async fn what_stands_nowhere_stands_again_when_its_lane_is_fed() {
    let lane = lane("a", 1);
    let fed = |push: Push| Push { fed: true, ..push };

    let scene = Scene::new().await;
    scene.rig.keep(news(&lane, 1..=2)).await;
    scene.lose("DEL KEYS:tenants");
    assert_eq!(scene.rig.take().await, []);
    scene.rig.keep([fed(new(&lane, 1))]).await;
    assert_eq!(numbers(&scene.rig.take().await), [1, 2]);

    let scene = Scene::new().await;
    scene.rig.keep([retry(&lane, 1, WHILE)]).await;
    scene.lose("DEL KEYS:timers");
    scene.rig.keep([fed(retry(&lane, 1, WHILE * 100))]).await;
    scene.rig.pass(WHILE * 2).await;
    assert_eq!(numbers(&scene.rig.take().await), [1]);

    let scene = Scene::new().await;
    let cap = u8::try_from(LANE_CAP).expect("a small number");
    scene.rig.keep(news(&lane, 1..=cap)).await;
    assert_ne!(scene.rig.offer([new(&lane, cap + 1)]).await, []);
    let leased = scene.rig.claim(LANE_CAP, &[]).await.expect("a queue is claimed from").leased;
    scene.rig.done(leased).await;
    scene.lose("DEL KEYS:hungry");
    assert_eq!(scene.rig.starving().await, []);
    scene.rig.keep([fed(new(&lane, cap + 1))]).await;
    assert_ne!(scene.rig.starving().await, []);
}
