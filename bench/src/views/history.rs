//! A month of deliveries that never were: the same ones for the same seed, in the order of their events, one
//! after the other, so that a history may be larger than memory. Where it goes is another's business.
//!
//! Nothing of it is ever sent: what is pending is of paused webhooks, and what is retrying is due days ahead.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::attempt::{Answer, ErrorClass};
use model::delivery::{EndedBy, Status};
use model::id::{EventUid, Uid, WebhookId};
use model::stats::Counts;

use crate::Result;

pub const DAYS: i64 = 30;
pub const TYPES: usize = 30;
/// The last type is of events of the smallest tenants alone.
const RARE_TYPE: usize = TYPES - 1;
pub const TENANTS: usize = 30;
/// Shares of the first tenants, of a thousand; others have what is left, and the last few events each.
const SHARES: [u64; 9] = [600, 150, 80, 50, 40, 30, 20, 10, 10];
/// Tenants with a webhook and a few events.
const SMALLEST: usize = 5;
const EVENTS_OF_SMALLEST: u64 = 4;
/// Deliveries of an event: one to four.
const FAN_OUT: [usize; 8] = [1, 1, 2, 2, 3, 3, 4, 4];
pub const DELIVERIES_PER_EVENT: f64 = 2.5;
/// One of so many webhooks is disabled, paused, failing.
const DISABLED: usize = 333;
const PAUSED: usize = 500;
const FAILING: usize = 200;
/// Unfinished deliveries are younger: their webhooks give up after 30 days.
const UNFINISHED_DAYS: i64 = 28;
pub const DAY_US: i64 = 24 * 3_600 * 1_000_000;
const MINUTE_US: i64 = 60 * 1_000_000;
const SPAN_US: i64 = 5 * MINUTE_US;
const HOUR_US: i64 = 60 * MINUTE_US;
/// Counts of minutes are kept so long.
const MINUTES_KEPT_US: i64 = 2 * DAY_US;
/// Retries of what is finished are made within it.
const RETRIES_US: i64 = 30 * MINUTE_US;
/// What is due is so, at least.
const DUE_AHEAD_US: i64 = 3 * DAY_US;

#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub deliveries: u64,
    pub webhooks: usize,
    pub seed: u64,
    /// When it ends, in microseconds since the epoch.
    pub until: i64,
}

/// Where a history goes.
pub trait Sink {
    fn webhook(&mut self, webhook: &Webhook) -> Result<()>;
    fn event(&mut self, event: &Event) -> Result<()>;
    fn delivery(&mut self, delivery: &Delivery) -> Result<()>;
    fn counts(&mut self, series: &Series, counts: &[u8]) -> Result<()>;
    fn cause(&mut self, cause: &CauseCount) -> Result<()>;
    fn streak(&mut self, streak: &Streak) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    /// Active, and its attempts fail.
    Failing,
    Paused,
    Disabled,
}

#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: WebhookId,
    pub tenant: usize,
    pub state: State,
    /// How many of its tenant were registered until then.
    pub version: i64,
    pub url: String,
    pub created_at: i64,
}

pub struct Event {
    pub uid: EventUid,
    pub seq: i64,
    pub at: i64,
    pub tenant: usize,
    pub kind: usize,
    pub data: String,
}

pub struct Delivery<'h> {
    pub event: &'h Event,
    pub webhook: &'h Webhook,
    pub status: Status,
    pub ended: Option<(EndedBy, i64)>,
    pub due: i64,
    pub attempts: Vec<Attempt>,
}

pub struct Attempt {
    pub n: i64,
    pub at: i64,
    pub answer: Answer,
    pub total_us: i64,
}

/// None: of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub span_us: i64,
    pub begin: i64,
    pub tenant: Option<usize>,
    pub webhook: Option<WebhookId>,
    pub kind: Option<usize>,
}

pub struct CauseCount {
    pub begin: i64,
    pub tenant: Option<usize>,
    pub cause: &'static str,
    pub count: i64,
    pub first_at: i64,
    pub last_at: i64,
}

pub struct Streak<'h> {
    pub webhook: &'h Webhook,
    pub failures: i64,
    pub since: i64,
    pub last_at: i64,
}

pub struct History {
    shape: Shape,
    pub webhooks: Vec<Webhook>,
    tenants: Vec<Tenant>,
    dice: Dice,
}

struct Tenant {
    share: u64,
    /// Of its webhooks, by what they are like.
    busy: Vec<usize>,
    failing: Vec<usize>,
    paused: Vec<usize>,
}

pub fn tenant_name(tenant: usize) -> String {
    format!("tenant-{tenant:02}")
}

pub fn type_name(kind: usize) -> String {
    format!("orders.kind_{kind:02}")
}

/// The largest, one of a hundredth, and the smallest.
pub const LARGE: usize = 0;
pub const MIDDLE: usize = 7;
pub const SMALL: usize = TENANTS - 1;

/// xorshift*: the same numbers everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of `n` the first more often: half of all is of the first eighth.
    fn of(&mut self, n: usize) -> usize {
        ((self.share().powi(3) * n as f64) as usize).min(n - 1)
    }

    fn id(&mut self, at: i64) -> Uid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next().to_be_bytes());
        Uid::new(at / 1_000, &random)
    }
}

impl History {
    pub fn new(shape: Shape) -> Self {
        let mut dice = Dice::new(shape.seed);
        let mut tenants = tenants(shape.webhooks);
        let mut webhooks = Vec::with_capacity(shape.webhooks);
        let mut left: Vec<_> = tenants.iter().map(|(_, webhooks)| *webhooks).collect();
        let mut registered = [0; TENANTS];
        // Registered in the month before, the tenants' mixed.
        let begin = shape.until - 2 * DAYS * DAY_US;
        let step = DAYS * DAY_US / shape.webhooks.max(1) as i64;
        for n in 0..shape.webhooks {
            let mut tenant = dice.below(TENANTS as u64) as usize;
            let all: usize = left.iter().sum();
            let mut at = dice.below(all as u64) as usize;
            for (other, left) in left.iter().enumerate() {
                if at < *left {
                    tenant = other;
                    break;
                }
                at -= left;
            }
            left[tenant] -= 1;
            registered[tenant] += 1;
            let created_at = begin + step * n as i64;
            let state = match n {
                _ if n % DISABLED == 1 => State::Disabled,
                _ if n % PAUSED == 2 => State::Paused,
                _ if n % FAILING == 3 => State::Failing,
                _ => State::Active,
            };
            // Of a hundred hosts; one path in a thousand has what is rare.
            let rare = if n % 1_000 == 5 { "rare/" } else { "" };
            let url = format!("https://host-{:02}.example.com/hooks/{rare}{n:06}", n % 100);
            let of = &mut tenants[tenant].0;
            match state {
                State::Active => of.busy.push(n),
                State::Failing => of.failing.push(n),
                State::Paused => of.paused.push(n),
                State::Disabled => {}
            }
            let id = WebhookId(dice.id(created_at));
            let version = registered[tenant];
            webhooks.push(Webhook { id, tenant, state, version, url, created_at });
        }
        let tenants = tenants.into_iter().map(|(tenant, _)| tenant).collect();
        Self { shape, webhooks, tenants, dice }
    }

    pub fn begin(&self) -> i64 {
        self.shape.until - DAYS * DAY_US
    }

    /// How many webhooks were registered of each tenant.
    pub fn versions(&self) -> [i64; TENANTS] {
        let mut versions = [0; TENANTS];
        self.webhooks.iter().for_each(|webhook| versions[webhook.tenant] += 1);
        versions
    }

    /// Tells all of it. `seq` is the number before that of the first event. Returns how many events and
    /// deliveries there are.
    pub fn tell(mut self, mut seq: i64, to: &mut dyn Sink) -> Result<(u64, u64)> {
        let webhooks = std::mem::take(&mut self.webhooks);
        for webhook in &webhooks {
            to.webhook(webhook)?;
        }
        let events = (self.shape.deliveries as f64 / DELIVERIES_PER_EVENT).ceil() as u64;
        let (begin, step) = (self.begin(), DAYS * DAY_US / events.max(1) as i64);
        let mut tally = Tally::new(self.shape.until);
        let mut streaks: BTreeMap<usize, (i64, i64, i64)> = BTreeMap::new();
        let mut deliveries = 0;
        for n in 0..events {
            let at = begin + step * n as i64 + self.dice.below(step as u64) as i64;
            tally.settle(at - RETRIES_US, to)?;
            let tenant = self.tenant(n, events);
            let kind = self.kind(tenant);
            seq += 1;
            let data = data(n, self.dice.next());
            let event = Event { uid: EventUid(self.dice.id(at)), seq, at, tenant, kind, data };
            to.event(&event)?;
            let mut of: Vec<usize> = Vec::new();
            for _ in 0..FAN_OUT[self.dice.below(FAN_OUT.len() as u64) as usize] {
                let (webhook, status) = self.delivery(tenant, at);
                if of.contains(&webhook) {
                    continue;
                }
                of.push(webhook);
                let delivery = self.attempted(&event, &webhooks[webhook], status);
                tally.delivery(&delivery);
                if webhooks[webhook].state == State::Failing && status == Status::Retrying {
                    let failed = delivery.attempts.len() as i64;
                    let streak = streaks.entry(webhook).or_insert((0, at, at));
                    *streak = (streak.0 + failed, streak.1, at);
                }
                to.delivery(&delivery)?;
                deliveries += 1;
            }
            tally.event(&event, of.len() as u64);
        }
        tally.settle(i64::MAX, to)?;
        for (webhook, (failures, since, last_at)) in streaks {
            to.streak(&Streak { webhook: &webhooks[webhook], failures, since, last_at })?;
        }
        Ok((events, deliveries))
    }

    fn tenant(&mut self, n: u64, events: u64) -> usize {
        // The smallest have theirs spread over the month.
        let every = (events / (SMALLEST as u64 * EVENTS_OF_SMALLEST)).max(1);
        if n % every == every / 2 {
            return TENANTS - 1 - (n / every % SMALLEST as u64) as usize;
        }
        let mut at = self.dice.below(self.tenants.iter().map(|tenant| tenant.share).sum());
        for (n, Tenant { share, .. }) in self.tenants.iter().enumerate() {
            if at < *share {
                return n;
            }
            at -= share;
        }
        0
    }

    fn kind(&mut self, tenant: usize) -> usize {
        if tenant >= TENANTS - SMALLEST && self.dice.below(2) == 0 {
            return RARE_TYPE;
        }
        self.dice.of(RARE_TYPE)
    }

    /// To whom, and what came of it.
    fn delivery(&mut self, tenant: usize, at: i64) -> (usize, Status) {
        let roll = self.dice.below(1_000);
        let young = at > self.shape.until - UNFINISHED_DAYS * DAY_US;
        let of = &self.tenants[tenant];
        let busy = of.busy[self.dice.of(of.busy.len())];
        match roll {
            0..10 if young && !of.paused.is_empty() => {
                (of.paused[self.dice.of(of.paused.len())], Status::Pending)
            }
            10..20 if young && !of.failing.is_empty() => {
                (of.failing[self.dice.of(of.failing.len())], Status::Retrying)
            }
            20..35 if !of.failing.is_empty() => {
                (of.failing[self.dice.of(of.failing.len())], Status::Failed)
            }
            35..50 => (busy, Status::Failed),
            50..60 => (busy, Status::Cancelled),
            _ => (busy, Status::Delivered),
        }
    }

    fn attempted<'h>(
        &mut self,
        event: &'h Event,
        webhook: &'h Webhook,
        status: Status,
    ) -> Delivery<'h> {
        let failed: i64 = match status {
            Status::Pending | Status::Cancelled => 0,
            Status::Retrying => 3,
            Status::Failed => [1, 6][self.dice.below(2) as usize],
            Status::Delivered => match self.dice.below(100) {
                0 => 2,
                1..5 => 1,
                _ => 0,
            },
        };
        let mut attempts = Vec::new();
        let (mut at, mut gap) = (event.at + 2_000, 5_000_000);
        for n in 1..=failed {
            let (answer, total_us) = self.failure();
            attempts.push(Attempt { n, at, answer, total_us });
            at += total_us + gap;
            gap *= 3;
        }
        if status == Status::Delivered {
            let answer = Answer::Status { code: 200, retry_after: None };
            let total_us = 5_000 + (self.dice.share().powi(8) * 9e6) as i64;
            attempts.push(Attempt { n: failed + 1, at, answer, total_us });
        }
        let last = attempts.last().map_or(at, |last| last.at + last.total_us);
        let by = match status {
            Status::Pending | Status::Retrying => None,
            Status::Delivered => Some(EndedBy::Delivered),
            Status::Failed => Some(if failed == 1 { EndedBy::Status } else { EndedBy::Attempts }),
            Status::Cancelled => Some(EndedBy::Cancelled),
        };
        let ahead = DUE_AHEAD_US + self.dice.below(DUE_AHEAD_US as u64) as i64;
        let due = match status {
            Status::Retrying => self.shape.until + ahead,
            _ => event.at,
        };
        Delivery { event, webhook, status, ended: by.map(|by| (by, last)), due, attempts }
    }

    fn failure(&mut self) -> (Answer, i64) {
        let status = |code| Answer::Status { code, retry_after: None };
        match self.dice.below(10) {
            0..5 => (status(503), 20_000 + self.dice.below(50_000) as i64),
            5..7 => (status(500), 20_000 + self.dice.below(50_000) as i64),
            7 => (status(404), 8_000 + self.dice.below(9_000) as i64),
            8 => (Answer::Error(ErrorClass::Timeout), 15_000_000),
            _ => (Answer::Error(ErrorClass::Connect), 1_000 + self.dice.below(900) as i64),
        }
    }
}

/// Each with how many webhooks it has.
fn tenants(webhooks: usize) -> Vec<(Tenant, usize)> {
    let others = TENANTS - SHARES.len() - SMALLEST;
    let rest = 1_000 - SHARES.iter().sum::<u64>();
    let mut shares = SHARES.map(|share| share * others as u64).to_vec();
    shares.extend(std::iter::repeat_n(rest, others));
    let all: u64 = shares.iter().sum();
    let of = |share: u64| (share * webhooks as u64 / all).max(4) as usize;
    let mut counts: Vec<_> = shares.iter().map(|share| of(*share)).collect();
    counts.extend([4; SMALLEST]);
    shares.extend([0; SMALLEST]);
    // What rounding left, or took.
    counts[0] = webhooks.saturating_sub(counts[1..].iter().sum());
    let tenant = |share| Tenant { share, busy: vec![], failing: vec![], paused: vec![] };
    shares.into_iter().map(tenant).zip(counts).collect()
}

/// 200 bytes of JSON.
fn data(n: u64, random: u64) -> String {
    let begin = format!(r#"{{"order":{n},"token":"{random:016x}","note":""#);
    let note = "x".repeat(200 - begin.len() - 2);
    format!(r#"{begin}{note}"}}"#)
}

/// Tenant, webhook and type; a number that no other has is all of them.
type Of = (usize, Option<WebhookId>, usize);

/// Counts as the processes do, of what is told apart and of all that it is part of.
struct Tally {
    until: i64,
    spans: BTreeMap<i64, HashMap<Of, Counts>>,
    minutes: BTreeMap<i64, HashMap<usize, Counts>>,
    hours: BTreeMap<i64, HashMap<(usize, usize), Counts>>,
    causes: BTreeMap<(i64, usize, &'static str), (i64, i64, i64)>,
}

impl Tally {
    fn new(until: i64) -> Self {
        Self {
            until,
            spans: BTreeMap::new(),
            minutes: BTreeMap::new(),
            hours: BTreeMap::new(),
            causes: BTreeMap::new(),
        }
    }

    fn count(
        &mut self,
        at: i64,
        (tenant, webhook, kind): (usize, Option<WebhookId>, usize),
        add: impl Fn(&mut Counts),
    ) {
        let span = self.spans.entry(at / SPAN_US * SPAN_US).or_default();
        add(span.entry((tenant, webhook, kind)).or_default());
        let hour = self.hours.entry(at / HOUR_US * HOUR_US).or_default();
        add(hour.entry((tenant, kind)).or_default());
        if at > self.until - MINUTES_KEPT_US {
            let minute = self.minutes.entry(at / MINUTE_US * MINUTE_US).or_default();
            add(minute.entry(kind).or_default());
        }
    }

    fn event(&mut self, event: &Event, made: u64) {
        self.count(event.at, (event.tenant, None, event.kind), |counts| {
            counts.accepted += 1;
            counts.made += made;
        });
    }

    fn delivery(&mut self, delivery: &Delivery<'_>) {
        let event = delivery.event;
        let of = (event.tenant, Some(delivery.webhook.id), event.kind);
        let last = delivery.attempts.len() as i64;
        for Attempt { n, at, answer, total_us } in &delivery.attempts {
            let took = Duration::from_micros(total_us.unsigned_abs());
            let is_last = *n == last;
            self.count(*at, of, |counts| {
                counts.attempted(answer, took);
                counts.first_tries += u64::from(*n == 1);
                counts.first_successes += u64::from(*n == 1 && answer.is_success());
                if is_last && delivery.status == Status::Delivered {
                    counts.delivered += 1;
                    let after = at + total_us - event.at;
                    counts.latency.add(Duration::from_micros(after.unsigned_abs()));
                }
                counts.failed += u64::from(is_last && delivery.status == Status::Failed);
            });
            if !answer.is_success() {
                let key = (at / SPAN_US * SPAN_US, event.tenant, cause(answer));
                let cause = self.causes.entry(key).or_insert((0, *at, *at));
                *cause = (cause.0 + 1, cause.1.min(*at), cause.2.max(*at));
            }
        }
        if let (Status::Cancelled, Some((_, at))) = (delivery.status, delivery.ended) {
            self.count(at, of, |counts| counts.cancelled += 1);
        }
    }

    /// Tells what is of spans that are over.
    fn settle(&mut self, before: i64, to: &mut dyn Sink) -> Result<()> {
        while let Some((begin, _)) = self.minutes.first_key_value()
            && begin.saturating_add(MINUTE_US) <= before
            && let Some((begin, counted)) = self.minutes.pop_first()
        {
            let mut sums: BTreeMap<Series, Counts> = BTreeMap::new();
            let of = |kind| Series { span_us: MINUTE_US, begin, tenant: None, webhook: None, kind };
            for (kind, counts) in counted {
                sums.entry(of(None)).or_default().add(&counts);
                sums.entry(of(Some(kind))).or_default().add(&counts);
            }
            tell(sums, to)?;
        }
        while let Some((begin, _)) = self.spans.first_key_value()
            && begin.saturating_add(SPAN_US) <= before
            && let Some((begin, counted)) = self.spans.pop_first()
        {
            let counted = counted.into_iter();
            tell(series(SPAN_US, begin, counted), to)?;
        }
        while let Some((begin, _)) = self.hours.first_key_value()
            && begin.saturating_add(HOUR_US) <= before
            && let Some((begin, counted)) = self.hours.pop_first()
        {
            let counted = counted.into_iter();
            let counted = counted.map(|((tenant, kind), counts)| ((tenant, None, kind), counts));
            tell(series(HOUR_US, begin, counted), to)?;
        }
        while let Some(((begin, ..), _)) = self.causes.first_key_value()
            && begin.saturating_add(SPAN_US) <= before
        {
            self.tell_causes(to)?;
        }
        Ok(())
    }

    /// Of the oldest span.
    fn tell_causes(&mut self, to: &mut dyn Sink) -> Result<()> {
        let mut sums: BTreeMap<(&str, Option<usize>), CauseCount> = BTreeMap::new();
        let Some(((begin, ..), _)) = self.causes.first_key_value() else { return Ok(()) };
        let begin = *begin;
        let later = self.causes.split_off(&(begin + SPAN_US, 0, ""));
        let counted = std::mem::replace(&mut self.causes, later);
        for ((_, tenant, cause), (count, first_at, last_at)) in counted {
            for tenant in [None, Some(tenant)] {
                let new = CauseCount { begin, tenant, cause, count: 0, first_at, last_at };
                let sum = sums.entry((cause, tenant)).or_insert(new);
                sum.count += count;
                sum.first_at = sum.first_at.min(first_at);
                sum.last_at = sum.last_at.max(last_at);
            }
        }
        sums.values().try_for_each(|cause| to.cause(cause))
    }
}

fn series(
    span_us: i64,
    begin: i64,
    counted: impl Iterator<Item = ((usize, Option<WebhookId>, usize), Counts)>,
) -> BTreeMap<Series, Counts> {
    let mut sums: BTreeMap<Series, Counts> = BTreeMap::new();
    for ((tenant, webhook, kind), counts) in counted {
        let of = |tenant, webhook, kind| Series { span_us, begin, tenant, webhook, kind };
        let mut add = |series| sums.entry(series).or_default().add(&counts);
        add(of(None, None, None));
        add(of(None, None, Some(kind)));
        add(of(Some(tenant), None, None));
        add(of(Some(tenant), None, Some(kind)));
        if webhook.is_some() {
            add(of(Some(tenant), webhook, Some(kind)));
        }
    }
    sums
}

fn tell(sums: BTreeMap<Series, Counts>, to: &mut dyn Sink) -> Result<()> {
    sums.iter().try_for_each(|(series, counts)| to.counts(series, &counts.encode()))
}

pub fn cause(answer: &Answer) -> &'static str {
    match answer {
        Answer::Status { code: 503, .. } => "503",
        Answer::Status { code: 500, .. } => "500",
        Answer::Status { .. } => "404",
        Answer::Error(class) => class.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counter {
        webhooks: usize,
        events: u64,
        by_status: HashMap<&'static str, u64>,
        of_tenant: HashMap<usize, u64>,
        accepted: u64,
        told: Vec<u8>,
    }

    impl Sink for Counter {
        fn webhook(&mut self, _: &Webhook) -> Result<()> {
            self.webhooks += 1;
            Ok(())
        }

        fn event(&mut self, event: &Event) -> Result<()> {
            assert_eq!(event.uid.0.millis(), event.at / 1_000);
            assert_eq!(event.data.len(), 200);
            self.events += 1;
            self.told.extend(event.uid.0.as_bytes());
            Ok(())
        }

        fn delivery(&mut self, delivery: &Delivery) -> Result<()> {
            *self.by_status.entry(delivery.status.as_str()).or_default() += 1;
            *self.of_tenant.entry(delivery.event.tenant).or_default() += 1;
            assert_eq!(delivery.webhook.tenant, delivery.event.tenant);
            Ok(())
        }

        fn counts(&mut self, series: &Series, counts: &[u8]) -> Result<()> {
            let counts = Counts::decode(counts).expect("an encoding");
            if series.tenant.is_none() && series.kind.is_none() && series.span_us == SPAN_US {
                self.accepted += counts.accepted;
            }
            Ok(())
        }

        fn cause(&mut self, _: &CauseCount) -> Result<()> {
            Ok(())
        }

        fn streak(&mut self, _: &Streak) -> Result<()> {
            Ok(())
        }
    }

    fn told() -> Counter {
        let until = 1_800_000_000_000_000;
        let shape = Shape { deliveries: 50_000, webhooks: 2_000, seed: 7, until };
        let mut counter = Counter::default();
        History::new(shape).tell(0, &mut counter).expect("told");
        counter
    }

    #[test]
    fn a_history_is_as_it_was_ordered_and_always_the_same() {
        let counter = told();
        assert_eq!((counter.webhooks, counter.events), (2_000, 20_000));
        assert_eq!(counter.accepted, counter.events);
        let all: u64 = counter.by_status.values().sum();
        let share = |status| counter.by_status[status] as f64 / all as f64;
        assert!((0.93..0.96).contains(&share("delivered")), "{:?}", counter.by_status);
        assert!((0.02..0.04).contains(&share("failed")), "{:?}", counter.by_status);
        let of = |tenant| counter.of_tenant[&tenant] as f64 / all as f64;
        assert!((0.57..0.63).contains(&of(LARGE)), "{:?}", counter.of_tenant);
        assert!(counter.of_tenant[&SMALL] < 20, "{:?}", counter.of_tenant);
        assert_eq!(counter.told, told().told);
    }
}
