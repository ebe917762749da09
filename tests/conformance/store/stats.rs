//! Statistics: what is counted beside the truth.

use std::time::Duration;

use model::attempt::{Answer, ErrorClass};
use model::delivery::Status;
use model::event::EventType;
use model::id::WebhookId;
use model::stats::{Counts, QueueState};
use model::time::Timestamp;
use model::webhook::WebhookStatus;
use store::{
    Additions, Backlog, CauseCount, Counted, Series, Span, StatsFilter, StatusCounts, Streak,
    StreakChange, Types, UnfinishedTotals, WebhookTotals,
};

use super::{at, event, event_type, failure, success, tenant, webhook, webhook_id};
use crate::drivers::StoreRig;

const SPAN: Span = Span::FiveMinutes;

/// The begin of the n-th span.
fn span(n: u32) -> Timestamp {
    SPAN.begin(at(0)) + Duration::from_micros(SPAN.micros().unsigned_abs()) * n
}

fn series(n: u32, webhook: Option<WebhookId>, kind: Option<&str>) -> Series {
    let event_type = kind.map(event_type);
    Series { span: SPAN, begin: span(n), tenant: Some(tenant("a")), webhook, event_type }
}

fn delivered(delivered: u64) -> Counts {
    let mut counts = Counts { delivered, ..Counts::default() };
    counts.attempted(&Answer::Status { code: 200, retry_after: None }, Duration::from_millis(5));
    counts
}

async fn add(rig: &StoreRig, counts: Vec<(Series, Counts)>) {
    let more = Additions { counts, ..Additions::default() };
    rig.add_stats(more).await.expect("a store keeps statistics");
}

async fn change(rig: &StoreRig, change: StreakChange) {
    let more = Additions { streaks: vec![change], ..Additions::default() };
    rig.add_stats(more).await.expect("a store keeps statistics");
}

fn filter(webhook: Option<WebhookId>, types: Types) -> StatsFilter {
    let tenant = Some(tenant("a"));
    StatsFilter { span: SPAN, since: span(0), until: span(10), tenant, webhook, types }
}

/// Each with its span, its type and how many were delivered.
async fn read(rig: &StoreRig, filter: StatsFilter) -> Vec<(Timestamp, Option<String>, u64)> {
    let found = rig.stats(filter).await.expect("a store has statistics");
    let shown = found.into_iter().map(|Counted { begin, event_type, counts }| {
        (begin, event_type.as_ref().map(EventType::to_string), counts.delivered)
    });
    shown.collect()
}

async fn by_type(rig: &StoreRig, filter: StatsFilter) -> Vec<(String, u64)> {
    let found = rig.stats_by_type(filter).await.expect("a store has statistics");
    found.into_iter().map(|(kind, counts)| (kind.to_string(), counts.delivered)).collect()
}

fn streak(n: u16, failures: u64, since: i64) -> Streak {
    let (webhook, tenant) = (webhook_id(n), tenant("a"));
    let (since, last_at) = (at(since), at(since + 100));
    Streak { webhook, tenant, failures, since, last_at, cause: Err(ErrorClass::Timeout) }
}

pub async fn counts_are_added_to_what_is_there(rig: &mut StoreRig) {
    let mut first = delivered(1);
    first.latency.add(Duration::from_secs(1));
    first.queue = Some(QueueState { waiting: 7, ..QueueState::default() });
    for _ in 0..3 {
        add(rig, vec![(series(0, None, None), first.clone())]).await;
    }
    let found = rig.stats(filter(None, Types::Together)).await.expect("a store has statistics");
    let [Counted { begin, event_type: None, counts }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((*begin, counts.delivered, counts.latency.count()), (span(0), 3, 3));
    assert_eq!(counts.queue, first.queue);
}

pub async fn counts_are_read_by_time_and_type(rig: &mut StoreRig) {
    let of = |n, kind| (series(n, None, kind), delivered(u64::from(n) + 1));
    add(rig, vec![of(0, None), of(0, Some("a")), of(0, Some("b")), of(2, None), of(2, Some("b"))])
        .await;
    let b = Some("b".to_owned());
    assert_eq!(
        read(rig, filter(None, Types::Together)).await,
        [(span(0), None, 1), (span(2), None, 3)]
    );
    assert_eq!(
        by_type(rig, filter(None, Types::Together)).await,
        [("a".to_owned(), 1), ("b".to_owned(), 4)]
    );
    let one = Types::One(event_type("b"));
    assert_eq!(read(rig, filter(None, one)).await, [(span(0), b.clone(), 1), (span(2), b, 3)]);
    // From a begin at or after, to one before.
    let narrow = |since, until| StatsFilter { since, until, ..filter(None, Types::Together) };
    assert_eq!(read(rig, narrow(span(0), span(2))).await, [(span(0), None, 1)]);
    let later = Timestamp(span(0).0 + 1);
    assert_eq!(read(rig, narrow(later, span(3))).await, [(span(2), None, 3)]);
    assert_eq!(read(rig, narrow(span(2), span(2))).await, []);
}

pub async fn counts_of_a_webhook_are_its_own(rig: &mut StoreRig) {
    let w = Some(webhook_id(1));
    let of = |webhook, kind, n| (series(0, webhook, kind), delivered(n));
    let other = Some(webhook_id(2));
    add(rig, vec![of(w, Some("a"), 1), of(w, None, 2), of(other, None, 4), of(None, None, 8)])
        .await;
    assert_eq!(read(rig, filter(w, Types::Together)).await, [(span(0), None, 2)]);
    assert_eq!(by_type(rig, filter(w, Types::Together)).await, [("a".to_owned(), 1)]);
    assert_eq!(read(rig, filter(None, Types::Together)).await, [(span(0), None, 8)]);
    let elsewhere = StatsFilter { tenant: Some(tenant("b")), ..filter(w, Types::Together) };
    assert_eq!(read(rig, elsewhere).await, []);
}

pub async fn counts_added_at_once_are_all_there(rig: &mut StoreRig) {
    let jobs = (0..20).map(|_| {
        let store = rig.shared();
        async move {
            let counts = vec![(series(0, None, None), delivered(1))];
            let more = Additions { counts, ..Additions::default() };
            store.add_stats(more).await.expect("a store keeps statistics");
        }
    });
    super::at_once(jobs).await;
    assert_eq!(read(rig, filter(None, Types::Together)).await, [(span(0), None, 20)]);
}

pub async fn causes_are_counted_over_all_spans(rig: &mut StoreRig) {
    let count = |n: u32, name: Option<&str>, cause, count| CauseCount {
        begin: span(n),
        tenant: name.map(tenant),
        cause,
        count,
        first_at: span(n) + Duration::from_secs(1),
        last_at: span(n) + Duration::from_secs(9),
    };
    let timeout = Err(ErrorClass::Timeout);
    for causes in [
        vec![count(0, Some("a"), Ok(503), 2), count(0, None, Ok(503), 9)],
        vec![count(2, Some("a"), Ok(503), 3), count(2, Some("a"), timeout, 4)],
        vec![count(2, Some("a"), Ok(503), 1)],
    ] {
        let more = Additions { causes, ..Additions::default() };
        rig.add_stats(more).await.expect("a store keeps statistics");
    }
    let a = tenant("a");
    let read = async |tenant, since, limit| {
        let found = rig.causes(tenant, since, limit).await.expect("a store has statistics");
        let shown = found.into_iter().map(|c| (c.cause, c.count, c.first_at, c.last_at));
        shown.collect::<Vec<_>>()
    };
    let (first, last) =
        (|n| span(n) + Duration::from_secs(1), |n| span(n) + Duration::from_secs(9));
    let (unavailable, timed_out) =
        ((Ok(503), 6, first(0), last(2)), (timeout, 4, first(2), last(2)));
    assert_eq!(read(Some(&a), span(0), 9).await, [unavailable, timed_out]);
    assert_eq!(read(Some(&a), span(0), 1).await, [unavailable]);
    let later = (Ok(503), 4, first(2), last(2));
    let since = span(1) + Duration::from_secs(7);
    assert_eq!(read(Some(&a), since, 9).await, [later, timed_out]);
    assert_eq!(read(None, span(0), 9).await, [(Ok(503), 9, first(0), last(0))]);
}

pub async fn a_streak_goes_on_until_a_success(rig: &mut StoreRig) {
    for n in [1, 2] {
        rig.register(webhook(n)).await;
    }
    change(rig, StreakChange::Longer(streak(1, 2, 100))).await;
    change(rig, StreakChange::Longer(streak(1, 3, 200))).await;
    change(rig, StreakChange::Longer(streak(2, 1, 300))).await;
    let (a, b) = (tenant("a"), tenant("b"));
    let failing = async |tenant, limit| rig.failing(tenant, limit).await.expect("statistics");
    let long = Streak { failures: 5, last_at: at(300), ..streak(1, 5, 100) };
    assert_eq!(failing(Some(&a), 9).await, [long.clone(), streak(2, 1, 300)]);
    assert_eq!(failing(None, 1).await, std::slice::from_ref(&long));
    assert_eq!(failing(Some(&b), 9).await, []);
    let both = [webhook_id(1), webhook_id(3)];
    assert_eq!(rig.streaks(&both).await.expect("statistics"), [long]);
    // After a success it counts from there.
    change(rig, StreakChange::New(streak(1, 1, 400))).await;
    assert_eq!(rig.streaks(&both).await.expect("statistics"), [streak(1, 1, 400)]);
    change(rig, StreakChange::Over(webhook_id(1))).await;
    assert_eq!(failing(None, 9).await, [streak(2, 1, 300)]);
}

pub async fn a_webhook_that_is_gone_does_not_fail(rig: &mut StoreRig) {
    let webhook = rig.register(webhook(1)).await;
    change(rig, StreakChange::Longer(streak(1, 2, 100))).await;
    assert!(rig.delete_webhook(webhook.id).await.expect("a store deletes"));
    assert_eq!(rig.failing(None, 9).await.expect("statistics"), []);
    change(rig, StreakChange::Longer(streak(1, 2, 100))).await;
    assert_eq!(rig.failing(None, 9).await.expect("statistics"), []);
}

pub async fn old_counts_are_forgotten_those_of_minutes_sooner(rig: &mut StoreRig) {
    for n in [0, 1] {
        let minute = Series { span: Span::Minute, ..series(n, None, None) };
        let five = series(n, None, None);
        add(rig, vec![(minute, delivered(1)), (five, delivered(1))]).await;
        let (begin, at) = (span(n), span(n));
        let (tenant, cause) = (Some(tenant("a")), Ok(500));
        let causes = vec![CauseCount { begin, tenant, cause, count: 1, first_at: at, last_at: at }];
        let more = Additions { causes, ..Additions::default() };
        rig.add_stats(more).await.expect("a store keeps statistics");
    }
    let left = async || {
        let of = |span| StatsFilter { span, ..filter(None, Types::Together) };
        let a = tenant("a");
        let causes = rig.causes(Some(&a), span(0), 9).await.expect("statistics");
        let causes = causes.iter().map(|c| c.count).sum::<u64>();
        (read(rig, of(Span::Minute)).await.len(), read(rig, of(SPAN)).await.len(), causes)
    };
    assert_eq!(left().await, (2, 2, 2));
    let forget = async |minutes, rest| {
        while rig.forget_stats(minutes, rest, 1).await.expect("a store forgets") {}
    };
    forget(span(1), span(0)).await;
    assert_eq!(left().await, (1, 2, 2));
    forget(span(2), span(1)).await;
    assert_eq!(left().await, (0, 1, 1));
}

pub async fn webhooks_are_counted_by_what_is_up_with_them(rig: &mut StoreRig) {
    for n in 1..=5 {
        rig.register(webhook(n)).await;
    }
    let mut other = webhook(6);
    other.tenant = tenant("b");
    rig.register(other).await;
    let of = async |n| rig.webhooks(&[webhook_id(n)]).await.expect("a store reads").remove(0);
    rig.set_status(&of(2).await, WebhookStatus::Paused).await;
    rig.set_status(&of(3).await, WebhookStatus::Disabled).await;
    rig.delete_webhook(webhook_id(4)).await.expect("a store deletes");
    for n in [1, 3] {
        change(rig, StreakChange::Longer(streak(n, 1, 0))).await;
    }
    let totals = async |name: Option<&str>| {
        let tenant = name.map(tenant);
        rig.webhook_totals(tenant.as_ref()).await.expect("statistics")
    };
    let a = WebhookTotals { active: 2, paused: 1, disabled: 1, failing: 1 };
    assert_eq!(totals(Some("a")).await, a);
    assert_eq!(totals(None).await, WebhookTotals { active: 3, ..a });
    assert_eq!(totals(Some("c")).await, WebhookTotals::default());
}

pub async fn what_waits_is_counted_up_to_a_bound(rig: &mut StoreRig) {
    let mut sent = Vec::new();
    for n in 1..=4 {
        sent.push(rig.send(event(n), &[webhook_id(1), webhook_id(2)]).await);
    }
    rig.write_down(success(sent[0][0], 0)).await;
    rig.write_down(failure(sent[1][0], 0, at(9_000))).await;
    let ids = [webhook_id(1), webhook_id(3), webhook_id(2)];
    let backlogs = async |most| rig.backlogs(&ids, most).await.expect("statistics");
    let backlog = |unfinished, due: i64| Backlog { unfinished, first_due: Some(at(due)) };
    assert_eq!(backlogs(100).await, [backlog(3, 3), Backlog::default(), backlog(4, 1)]);
    assert_eq!(backlogs(2).await, [backlog(2, 3), Backlog::default(), backlog(2, 1)]);
    let totals = async |name: Option<&str>, most| {
        let tenant = name.map(tenant);
        rig.unfinished_totals(tenant.as_ref(), most).await.expect("statistics")
    };
    let all = UnfinishedTotals { unfinished: 7, retrying: 1 };
    assert_eq!([totals(None, 100).await, totals(Some("a"), 100).await], [all; 2]);
    let some = UnfinishedTotals { unfinished: 5, retrying: 1 };
    assert_eq!([totals(None, 5).await, totals(Some("a"), 5).await], [some; 2]);
    assert_eq!(totals(Some("b"), 5).await, UnfinishedTotals::default());
}

pub async fn deliveries_of_events_are_counted_by_status(rig: &mut StoreRig) {
    let mut sent = Vec::new();
    for n in 1..=2 {
        sent.push(rig.send(event(n), &[webhook_id(1), webhook_id(2), webhook_id(3)]).await);
    }
    rig.write_down(success(sent[0][0], 0)).await;
    rig.write_down(failure(sent[0][1], 0, at(9_000))).await;
    rig.cancel(sent[1][2], at(10)).await.expect("a store cancels");
    let (quiet, _) = rig.keep(event(3)).await;
    let events = [sent[1][0].event, quiet, sent[0][0].event];
    let counts = rig.statuses(&events, 100).await.expect("statistics");
    let none = StatusCounts::default();
    assert_eq!(
        counts,
        [
            StatusCounts { pending: 2, cancelled: 1, ..none },
            none,
            StatusCounts { pending: 1, retrying: 1, delivered: 1, ..none },
        ]
    );
    let some = rig.statuses(&events, 2).await.expect("statistics");
    assert_eq!(some.iter().map(StatusCounts::all).collect::<Vec<_>>(), [2, 0, 2]);
}

pub async fn an_event_is_to_fan_out_until_it_is_fanned_out(rig: &mut StoreRig) {
    let (uid, _) = rig.keep(event(1)).await;
    let is_to_fan_out = async |uid| rig.is_to_fan_out(uid).await.expect("statistics");
    assert!(is_to_fan_out(uid).await);
    rig.fanned_out(vec![uid]).await.expect("a fan-out ends");
    assert!(!is_to_fan_out(uid).await);
    assert!(!is_to_fan_out(event(7).uid).await);
}

pub async fn the_counts_of_many_webhooks_are_read_at_once(rig: &mut StoreRig) {
    let (one, two, three) = (webhook_id(1), webhook_id(2), webhook_id(3));
    add(
        rig,
        vec![
            (series(0, Some(one), None), delivered(1)),
            (series(2, Some(one), None), delivered(2)),
            (series(2, Some(one), Some("paid")), delivered(2)),
            (series(3, Some(two), None), delivered(4)),
            (series(2, None, None), delivered(6)),
        ],
    )
    .await;
    // Of another tenant nothing is counted under this id.
    let of = [("a", two), ("a", three), ("a", one), ("b", one)];
    let of = of.map(|(name, webhook)| (tenant(name), webhook));
    let read = async |since, until| {
        let found = rig.stats_of(&of, span(since), span(until)).await.expect("statistics");
        let shown = found.into_iter().map(|counted| {
            let shown = counted.into_iter().map(|c| (c.begin, c.counts.delivered));
            shown.collect::<Vec<_>>()
        });
        shown.collect::<Vec<_>>()
    };
    let ones = vec![(span(0), 1), (span(2), 2)];
    assert_eq!(read(0, 10).await, [vec![(span(3), 4)], vec![], ones, vec![]]);
    assert_eq!(read(1, 3).await, [vec![], vec![], vec![(span(2), 2)], vec![]]);
}

pub async fn the_newest_delivery_of_a_webhook_is_known(rig: &mut StoreRig) {
    let mut sent = Vec::new();
    for n in 1..=3 {
        let webhooks =
            if n == 3 { vec![webhook_id(2)] } else { vec![webhook_id(1), webhook_id(2)] };
        sent.push(rig.send(event(n), &webhooks).await);
    }
    // It may have ended: that is another table in a store.
    rig.write_down(success(sent[2][0], 0)).await;
    let ids = [webhook_id(2), webhook_id(3), webhook_id(1), webhook_id(2)];
    let newest = rig.newest(&ids).await.expect("a store lists");
    let shown = newest.iter().map(|d| d.as_ref().map(|d| (d.id, d.status)));
    let last = Some((sent[2][0], Status::Delivered));
    let of_one = Some((sent[1][0], Status::Pending));
    assert_eq!(shown.collect::<Vec<_>>(), [last, None, of_one, last]);
}
