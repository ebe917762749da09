//! What only a queue in Redis can meet: partitions, a server that is full, flushed, killed or
//! replaced, and other processes.

use std::sync::Arc;
use std::time::Duration;

use model::id::{EventUid, Uid, WebhookId};
use store::redis::{OpenError, Redis, Settings};
use store::world::Clock;
use store::{How, Hunger, Hungry, Item, Lane, Limits, Push, Queue};
use tokio::time::timeout;

use super::{
    WHILE, hunger, lane, look, new, news, numbers, places, push, retry, settle, tenant, wait,
};
use crate::drivers::QueueRig;
use crate::drivers::redis::{settings, url};
use crate::drivers::redis_server::RedisServer;

// With many partitions everything holds but the turns between lanes of different ones.
each_queue! { @driver redis_partitions {
    push::{
        a_pushed_item_is_claimed_once,
        pushing_what_is_queued_changes_nothing,
        what_is_pushed_while_it_is_leased_is_due_once_its_lease_ended,
        an_item_pushed_for_later_is_not_claimed_before,
        a_claim_takes_no_more_than_was_asked_for
    }
    settle::{
        done_is_gone_and_may_be_pushed_anew,
        again_comes_back_after_its_time_and_not_before,
        an_invented_token_settles_nothing,
        a_token_of_an_ended_lease_settles_nothing,
        settling_what_is_unknown_changes_nothing,
        an_ended_lease_is_claimed_again_with_another_token,
        a_batch_settles_each_of_its_items_alone
    }
    places::{
        a_lane_has_as_many_requests_on_the_wire_as_it_has_places,
        after_three_failures_there_is_one_place_until_a_success,
        a_hold_stops_a_lane_for_its_time,
        a_paused_lane_serves_nothing_until_it_is_set_again,
        fan_out_lanes_are_not_limited_by_places
    }
    hunger::{
        a_new_queue_is_hungry_for_everything_until_it_was_fed,
        everything_is_handed_out_again_if_nobody_settles,
        a_feeding_of_everything_that_outlasts_its_lease_counts,
        everything_that_says_again_is_handed_out_after_its_time,
        a_full_lane_refuses,
        a_lane_that_refused_is_hungry_below_half,
        a_hungry_lane_is_handed_out_again_if_nobody_settles,
        many_hungry_lanes_are_all_handed_out
    }
    look::{
        an_empty_queue_has_nothing,
        an_item_is_counted_where_it_is,
        lanes_are_looked_at_in_the_order_asked,
        the_oldest_is_what_could_be_served_longest,
        idle_lanes_are_forgotten
    }
    wait::{
        a_push_ends_a_wait,
        a_due_time_ends_a_wait,
        the_end_of_a_lease_ends_a_wait,
        hunger_ends_a_wait,
        nobody_is_woken_while_nothing_is_due,
        nobody_is_woken_while_lanes_cannot_be_served
    }
} }

#[tokio::test]
async fn lanes_of_all_partitions_are_served() {
    let rig = crate::drivers::redis_partitions().await;
    rig.fed().await;
    let lanes: Vec<_> = (1..=60).map(|n| lane("a", n)).collect();
    for lane in &lanes {
        rig.keep(news(lane, 1..=3)).await;
    }
    assert_eq!(rig.totals().await.lanes, 60);
    let mut leased = rig.take_up_to(100).await;
    assert_eq!(leased.len(), 100);
    leased.extend(rig.take().await);
    assert_eq!(leased.len(), 180);
    rig.done(leased).await;
    assert_eq!(rig.totals().await, store::Totals::default());
}

#[tokio::test]
async fn a_flushed_queue_is_hungry_for_everything_and_old_tokens_settle_nothing() {
    let server = RedisServer::start();
    let rig = opened(&server).await;
    rig.fed().await;
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=2)).await;
    let old = rig.take().await;
    server.say("FLUSHALL");
    assert_eq!(only(rig.starving().await).hunger, Hunger::Everything);
    rig.keep(news(&lane, 1..=2)).await;
    let leased = rig.take().await;
    assert_eq!(numbers(&leased), [1, 2]);
    rig.done(old).await;
    assert_eq!(rig.totals().await.leased, 2);
    rig.done(leased).await;
    assert_eq!(rig.totals().await.leased, 0);
}

/// Each process is told, whoever feeds it: what it told the queue before is forgotten.
#[tokio::test]
async fn every_process_hears_that_the_queue_forgot() {
    let server = RedisServer::start();
    let options = settings(1);
    let mut rigs = Vec::new();
    for _ in 0..2 {
        let queue = Redis::open(&server.url(), options.clone(), Clock::system()).await;
        rigs.push(rig(queue.expect("a queue opens")));
    }
    for rig in &rigs {
        assert!(!rig.take_both(1, &[]).await.forgot);
    }
    server.say("FLUSHALL");
    for rig in &rigs {
        assert!(rig.take_both(1, &[]).await.forgot);
        assert!(!rig.take_both(1, &[]).await.forgot);
    }
}

/// Else a pause would not hold while Redis is full.
#[tokio::test]
async fn a_full_redis_hears_what_lanes_may_do() {
    let server = RedisServer::start();
    let (rig, lane) = full_with_two(&server).await;
    rig.pause(&lane).await;
    assert_eq!(rig.take().await, []);
}

#[tokio::test]
async fn a_partition_that_hears_nothing_keeps_no_other_from_hearing() {
    let server = RedisServer::start();
    let queue = Redis::open(&server.url(), settings(3), Clock::system()).await;
    let rig = rig(queue.expect("a queue opens"));
    let lanes: Vec<_> = (1..=20).map(|n| lane("a", n)).collect();
    let paused = Limits { paused: true, ..Limits::default() };
    let limits: Vec<_> = lanes.iter().map(|lane| (lane.clone(), paused)).collect();
    server.say("ACL SETUSER default resetkeys ~*{1}* ~*{2}*");
    assert!(rig.set(&limits).await.is_err());
    server.say("ACL SETUSER default allkeys");
    for lane in &lanes {
        rig.keep([new(lane, 1)]).await;
    }
    let waiting = rig.take().await.len();
    assert!((1..20).contains(&waiting), "{waiting} of 20 are not paused");
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = RedisServer::start();
    let rig = opened(&server).await;
    rig.fed().await;
    for _ in 0..2 {
        rig.keep([new(&lane("a", 1), 1)]).await;
        server.say("SCRIPT FLUSH");
        let leased = rig.take_one().await;
        server.say("SCRIPT FLUSH");
        rig.done([leased]).await;
        assert_eq!(rig.totals().await.queued, 0);
    }
}

#[tokio::test]
async fn a_full_redis_refuses_pushes_drains_and_is_fed_later() {
    let server = RedisServer::start();
    let (rig, lane) = full_with_two(&server).await;
    assert!(rig.push(vec![new(&lane, 3)]).await.is_err());
    assert_eq!(rig.look_at(&lane).await.queued, 2);
    let leased = rig.take().await;
    assert_eq!(numbers(&leased), [1, 2]);
    rig.done(leased).await;
    assert_eq!(rig.look_at(&lane).await.queued, 0);
    server.say("CONFIG SET maxmemory 0");
    // Nobody knows of the third but the store.
    assert_eq!(only(hungry_in_the_end(&rig).await).hunger, Hunger::Everything);
}

#[tokio::test]
async fn an_item_refused_while_everything_is_fed_is_fed_after_it() {
    let server = RedisServer::start();
    let rig = opened(&server).await;
    let feeding = only(rig.starving().await);
    server.say("CONFIG SET maxmemory 1");
    assert!(rig.push(vec![new(&lane("a", 1), 1)]).await.is_err());
    server.say("CONFIG SET maxmemory 0");
    rig.totals().await;
    rig.end([feeding.clone().settle(How::Done)]).await;
    let again = only(hungry_in_the_end(&rig).await);
    assert_eq!(again.hunger, Hunger::Everything);
    assert_ne!(again.token, feeding.token);
    rig.end([again.settle(How::Done)]).await;
    assert_eq!(rig.starving().await, []);
}

#[tokio::test]
async fn a_restart_is_survived_without_opening_again() {
    let mut server = RedisServer::start();
    let rig = opened(&server).await;
    rig.fed().await;
    rig.keep([new(&lane("a", 1), 1)]).await;
    server.kill();
    assert!(rig.claim(1, &[]).await.is_err());
    assert!(rig.push(vec![new(&lane("a", 1), 2)]).await.is_err());
    server.start_again();
    let hungry = only(hungry_in_the_end(&rig).await);
    assert_eq!(hungry.hunger, Hunger::Everything);
    rig.keep(news(&lane("a", 1), 1..=2)).await;
    let leased = rig.take().await;
    assert_eq!(leased.len(), 2);
    rig.done(leased).await;
}

#[tokio::test]
async fn a_restart_from_old_data_makes_it_hungry_for_everything() {
    let mut server = RedisServer::start();
    let rig = opened(&server).await;
    rig.fed().await;
    rig.keep([new(&lane("a", 1), 1)]).await;
    server.say("SAVE");
    rig.keep([new(&lane("a", 1), 2)]).await;
    server.kill();
    server.start_again();
    assert_eq!(only(hungry_in_the_end(&rig).await).hunger, Hunger::Everything);
    assert_eq!(numbers(&rig.take().await), [1]);
}

#[tokio::test]
async fn the_next_master_is_found_through_the_sentinels() {
    let mut master = RedisServer::start();
    let replica = RedisServer::replica_of(&master);
    let sentinel = RedisServer::sentinel_of(&master);
    let options = settings(1);
    let tenants = format!("ZCARD {}:2:{{0}}:tenants", options.prefix);
    let queue =
        Redis::open(&sentinel.url(), options, Clock::system()).await.expect("a queue opens");
    let rig = rig(queue);
    rig.fed().await;
    rig.keep([new(&lane("a", 1), 1)]).await;
    // WAIT would only wait for what its own connection wrote.
    while replica.count(&tenants) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    master.kill();
    // The replica has the item, but who knows what it has not?
    assert_eq!(only(hungry_in_the_end(&rig).await).hunger, Hunger::Everything);
    rig.take_one().await;
    rig.keep([new(&lane("a", 1), 2)]).await;
}

/// A tick handles so many and leaves the rest for the next: no call takes long.
#[tokio::test]
async fn a_hundred_thousand_lanes_that_are_due_at_once_are_served_in_bounded_steps() {
    const LANES: usize = 100_000;
    const STEP: usize = 128;
    let server = RedisServer::start();
    let options = settings(1);
    let timers = format!("ZCARD {}:2:{{0}}:timers", options.prefix);
    let queue = Redis::open(&server.url(), options, Clock::system()).await.expect("a queue opens");
    let soon = Duration::from_micros(1);
    for from in (0..LANES).step_by(1_000) {
        let pushes = (from..from + 1_000).map(|n| {
            let mut uid = [0; 16];
            uid[8..].copy_from_slice(&(n as u64).to_be_bytes());
            let lane = Lane::deliver(tenant("a"), WebhookId(Uid(uid)));
            let item = Item { lane, event: EventUid(Uid(uid)) };
            Push { after: soon, retry: true, ..Push::new(item, 1) }
        });
        let pushed = queue.push(pushes.collect()).await.expect("it is pushed");
        assert_eq!(pushed.refused, []);
    }
    assert_eq!(server.count(&timers), LANES);
    for call in 1..=4 {
        let claimed = queue.claim(STEP, &[]).await.expect("it is claimed");
        assert_eq!(claimed.leased.len(), STEP);
        assert_eq!(server.count(&timers), LANES - call * STEP);
    }
    // Paused when they become due, they are in nobody's way; the others come at the next call.
    let look = queue.look(&[]).await.expect("it is looked at");
    assert!(server.count(&timers) >= LANES - (4 + 16) * STEP);
    assert_eq!(look.total.queued, LANES - 4 * STEP);
}

#[tokio::test]
async fn what_another_process_brings_ends_a_wait() {
    let (here, there) = two_processes().await;
    // Far less than the second after which a waiter claims anyway.
    let soon = Duration::from_millis(500);
    for after in [Duration::ZERO, WHILE] {
        let waiting = tokio::spawn({
            let here = here.shared();
            async move { here.wait().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        there.keep([retry(&lane("a", 1), 1, after)]).await;
        timeout(soon, waiting).await.expect("the wait ends").expect("no panic");
        let leased = here.take_one().await;
        here.done([leased]).await;
        come_to_rest(&here).await;
    }
}

#[tokio::test]
async fn what_one_process_leased_another_may_settle() {
    let (here, there) = two_processes().await;
    here.keep(news(&lane("a", 1), 1..=2)).await;
    let leased = here.take_up_to(1).await;
    let others = there.take().await;
    assert_eq!((numbers(&leased), numbers(&others)), (vec![1], vec![2]));
    there.done(leased).await;
    assert_eq!(here.totals().await.leased, 1);
}

#[tokio::test]
async fn a_process_with_another_number_of_partitions_does_not_open() {
    let first = settings(2);
    let url = url("POSTRIDER_TEST_REDIS_URL");
    let _queue = Redis::open(&url, first.clone(), Clock::system()).await.expect("a queue opens");
    let Err(error) =
        Redis::open(&url, Settings { partitions: Some(3), ..first.clone() }, Clock::system()).await
    else {
        panic!("it opened")
    };
    assert!(matches!(error, OpenError::Partitions { stored: 2, wanted: 3, .. }), "{error}");
    Redis::open(&url, Settings { partitions: None, ..first }, Clock::system())
        .await
        .expect("as many as there are");
}

#[tokio::test]
async fn who_cannot_be_reached_may_be_later_and_no_password_is_told() {
    let opened = Redis::open("redis://:hunter2@127.0.0.1:1", settings(1), Clock::system()).await;
    let Err(error) = opened else { panic!("it opened") };
    assert!(error.may_pass() && !error.to_string().contains("hunter2"), "{error}");

    let server = RedisServer::start();
    server.say("CONFIG SET requirepass right");
    let url = server.url().replace("//", "//:hunter2@");
    let Err(error) = Redis::open(&url, settings(1), Clock::system()).await else {
        panic!("it opened")
    };
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let url = server.url().replace("//", "//:right@");
    Redis::open(&url, settings(1), Clock::system()).await.expect("the right password opens it");
}

async fn opened(server: &RedisServer) -> QueueRig {
    rig(Redis::open(&server.url(), settings(1), Clock::system()).await.expect("a queue opens"))
}

/// A queue in a Redis that takes no more, and its lane in which two items wait.
async fn full_with_two(server: &RedisServer) -> (QueueRig, Lane) {
    let rig = opened(server).await;
    rig.fed().await;
    let lane = lane("a", 1);
    rig.keep(news(&lane, 1..=2)).await;
    server.say("CONFIG SET maxmemory 1");
    (rig, lane)
}

fn rig(queue: Redis) -> QueueRig {
    QueueRig::of(Arc::new(queue))
}

/// Two processes with one queue, both at rest.
async fn two_processes() -> (QueueRig, QueueRig) {
    let (url, settings) = (url("POSTRIDER_TEST_REDIS_URL"), settings(1));
    let open = async || {
        rig(Redis::open(&url, settings.clone(), Clock::system()).await.expect("a queue opens"))
    };
    let (here, there) = (open().await, open().await);
    here.fed().await;
    come_to_rest(&here).await;
    (here, there)
}

async fn come_to_rest(rig: &QueueRig) {
    for _ in 0..5 {
        rig.take().await;
        if timeout(Duration::from_millis(50), rig.wait()).await.is_err() {
            return;
        }
    }
    panic!("a worker would spin");
}

/// What is hungry once Redis answers again.
async fn hungry_in_the_end(rig: &QueueRig) -> Vec<Hungry> {
    for _ in 0..200 {
        match rig.claim(0, &[]).await {
            Ok(claimed) if !claimed.hungry.is_empty() => return claimed.hungry,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("nothing is hungry");
}

fn only(mut hungry: Vec<Hungry>) -> Hungry {
    assert_eq!(hungry.len(), 1, "one thing is hungry: {hungry:?}");
    hungry.remove(0)
}

/// Else a connection that breaks for a moment takes the places of whatever was answered meanwhile,
/// until their leases end.
#[tokio::test]
async fn what_redis_did_not_take_is_settled_once_it_does() {
    let server = RedisServer::start();
    let options = Settings { lease: Duration::from_secs(60), ..settings(1) };
    let queue = Redis::open(&server.url(), options, Clock::system()).await.expect("a queue opens");
    let rig = QueueRig::of(Arc::new(queue));
    let lane = lane("a", 1);
    rig.limit(&lane, 1).await;
    rig.keep(news(&lane, 1..=2)).await;
    let leased = rig.take_one().await;
    server.say("ACL SETUSER default -evalsha -eval");
    let settle = |how| {
        let (queue, settlement) = (rig.shared(), leased.clone().settle(how));
        tokio::spawn(async move { queue.settle(vec![settlement]).await })
    };
    let answered = settle(super::SUCCEEDED);
    rig.pass(Duration::from_millis(50)).await;
    let done = settle(How::Done);
    rig.pass(Duration::from_millis(250)).await;
    assert!(!answered.is_finished() && !done.is_finished());
    server.say("ACL SETUSER default +evalsha +eval");
    for settled in [answered, done] {
        settled.await.expect("it returns").expect("it is settled");
    }
    assert_eq!(numbers(&rig.take().await), [2]);
    assert_eq!(rig.totals().await.leased, 1);
}

/// It would break again: the others must not wait for it.
#[tokio::test]
async fn a_settlement_that_breaks_the_script_holds_nobody_up() {
    let server = RedisServer::start();
    let options = Settings { lease: Duration::from_secs(60), ..settings(1) };
    let keys = format!("{}:2:{{0}}", options.prefix);
    let queue = Redis::open(&server.url(), options, Clock::system()).await.expect("a queue opens");
    let rig = QueueRig::of(Arc::new(queue));
    let (broken, whole) = (lane("a", 1), lane("a", 2));
    rig.keep([new(&broken, 1), new(&whole, 2)]).await;
    let leased = rig.take().await;
    // Its queue is no queue any more, so nothing can come back to it.
    server.say(&format!("SET {keys}:q:{broken:?} x"));
    let settled = |n: usize, how| leased[n].clone().settle(how);
    let again = settled(0, How::Again { after: Duration::from_secs(1) });
    let refused = timeout(Duration::from_secs(5), rig.settle(vec![again])).await;
    assert!(refused.expect("it does not wait").is_err());
    rig.end([settled(1, How::Done)]).await;
    assert_eq!(rig.look_at(&whole).await.leased, 0);
}

/// What no version wrote is as good as nothing, and what is known stays.
#[tokio::test]
async fn garbage_in_what_it_keeps_breaks_no_verb() {
    let server = RedisServer::start();
    let options = Settings { lease: Duration::from_secs(60), ..settings(1) };
    let keys = format!("{}:2:{{0}}", options.prefix);
    let queue = Redis::open(&server.url(), options, Clock::system()).await.expect("a queue opens");
    let rig = QueueRig::of(Arc::new(queue));
    let (torn, whole) = (lane("a", 1), lane("a", 2));
    for garbage in [
        format!("HSET {keys}:lanes {torn:?} x"),
        format!("HSET {keys}:lanes nothing x"),
        format!("ZADD {keys}:timers 1 nothing"),
        format!("ZADD {keys}:hungry 1 nothing"),
        format!("ZADD {keys}:tenants 1 nobody"),
        format!("ZADD {keys}:q:{whole:?} 1 short"),
        format!("ZADD {keys}:q:{whole:?} 1 much-longer-than-an-item-is-which-has-24-bytes"),
        format!("HSET {keys}:leased nothing x"),
        format!("ZADD {keys}:leases 1 nothing"),
        format!("SET {keys}:state x"),
    ] {
        server.say(&garbage);
        rig.keep([new(&torn, 1), new(&whole, 2)]).await;
        let mut ended = 0;
        while ended < 2 {
            let leased = rig.take().await;
            ended += leased.len();
            rig.end(leased.into_iter().map(|leased| leased.settle(How::Done))).await;
        }
        assert_eq!(rig.look_at(&whole).await.leased, 0, "{garbage}");
    }
}
