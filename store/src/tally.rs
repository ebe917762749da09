//! Counts what happens where it happens, in memory, and has the store keep it every few seconds: so that
//! a delivery costs a look into a map, however many charts it is in.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::attempt::Answer;
use model::delivery::{EndedBy, Status};
use model::event::EventType;
use model::id::WebhookId;
use model::stats::{Counts, QueueState};
use model::tenant::Tenant;
use model::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::stats::{Additions, Cause, CauseCount, Series, Span, Streak, StreakChange};
use crate::world::Stopwatch;
use crate::{Store, StoreError};

/// Between two times that the store keeps what was counted: [`SHARE`] times as long as keeping took, within
/// these.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(6);
const SHARE: u32 = 20;
/// What is told apart in memory: beyond it something is counted for all tenants together alone.
const KEYS_MAX: usize = 50_000;
/// Event types of a tenant that are told apart at a time.
const TYPES_MAX: usize = 100;
/// Series that the store adds in one go.
const ADDED_AT_ONCE: usize = 500;

/// What a process counts.
#[derive(Default)]
pub struct Tally(Mutex<Open>);

/// An attempt that is on record.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a> {
    pub at: Timestamp,
    pub tenant: &'a Tenant,
    pub webhook: WebhookId,
    pub event_type: &'a EventType,
    pub answer: &'a Answer,
    pub took: Duration,
    pub is_first: bool,
    /// What it ended its delivery by, and how long after acceptance.
    pub end: Option<(EndedBy, Duration)>,
}

/// Of what something is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    minute: Timestamp,
    tenant: Option<Tenant>,
    webhook: Option<WebhookId>,
    event_type: Option<EventType>,
}

#[derive(Default)]
struct Open {
    counts: HashMap<Key, Counts>,
    /// How many of those are a tenant's.
    held: HashMap<Option<Tenant>, usize>,
    causes: HashMap<(Timestamp, Tenant, Cause), Times>,
    streaks: HashMap<WebhookId, Running>,
    /// Types of those that are told apart among those of all tenants too, with their minute.
    of_all: HashSet<(Timestamp, EventType)>,
    /// Types that are told apart, and since when.
    types: HashMap<Option<Tenant>, HashSet<EventType>>,
    types_since: Timestamp,
    /// What the store did not take yet.
    owed: VecDeque<Additions>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    count: u64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// A webhook's attempts since they were told last.
struct Running {
    succeeded: bool,
    /// Those that failed after the last success.
    failures: Option<Streak>,
}

impl Tally {
    pub fn accepted(&self, at: Timestamp, tenant: &Tenant, event_type: &EventType) {
        self.lock().counts(at, Some(tenant), None, Some(event_type)).accepted += 1;
    }

    /// How many deliveries were made, of each type.
    pub fn made(&self, at: Timestamp, made: &[(Tenant, EventType, usize)]) {
        let mut open = self.lock();
        for (tenant, event_type, count) in made {
            open.counts(at, Some(tenant), None, Some(event_type)).made += *count as u64;
        }
    }

    pub fn attempted<'a>(&self, attempts: impl IntoIterator<Item = Attempted<'a>>) {
        let mut open = self.lock();
        for attempt in attempts {
            open.attempted(&attempt);
        }
    }

    /// A delivery that ended unsent, or by hand. Of a tenant that is not known it is counted in the
    /// totals alone.
    pub fn ended(
        &self,
        at: Timestamp,
        tenant: Option<&Tenant>,
        webhook: WebhookId,
        event_type: Option<&EventType>,
        by: EndedBy,
    ) {
        self.lock().counts(at, tenant, Some(webhook), event_type).end(by);
    }

    pub fn queue(&self, at: Timestamp, state: QueueState) {
        self.lock().counts(at, None, None, None).queue = Some(state);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the store keep what was counted, now and then, until it is over; and once more then.
    pub async fn run(&self, store: &dyn Store, over: CancellationToken) {
        let mut fails = false;
        let mut pause = PAUSE_MIN;
        loop {
            let last = over.run_until_cancelled(tokio::time::sleep(pause)).await.is_none();
            let watch = Stopwatch::start();
            match self.keep(store).await {
                Ok(()) => fails = false,
                Err(error) if !std::mem::replace(&mut fails, true) => {
                    tracing::warn!(%error, "statistics wait for the store");
                }
                Err(_) => {}
            }
            if last {
                return;
            }
            pause = (watch.elapsed() * SHARE).clamp(PAUSE_MIN, PAUSE_MAX);
        }
    }

    /// What the store is to add next: what it is owed, or else what was counted since. Whoever counts waits
    /// for neither.
    fn next(&self) -> Option<Additions> {
        let settled = {
            let mut open = self.lock();
            if let Some(owed) = open.owed.pop_front() {
                return Some(owed);
            }
            open.settle()
        };
        let mut parts = settled.parts();
        let next = parts.pop_front();
        self.lock().owed.append(&mut parts);
        next
    }

    /// Has the store keep what was counted until now.
    ///
    /// # Errors
    /// When the store does not take it: then it is owed.
    pub async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        loop {
            let Some(next) = self.next() else { return Ok(()) };
            match store.add_stats(next.clone()).await {
                Ok(()) => {}
                // What cannot be read now never will be.
                Err(error @ StoreError::Damaged(_)) => return Err(error),
                Err(error) => {
                    self.lock().owed.push_front(next);
                    return Err(error);
                }
            }
        }
    }
}

impl Open {
    fn settle(&mut self) -> Settled {
        self.held = HashMap::new();
        Settled {
            counts: std::mem::take(&mut self.counts),
            causes: std::mem::take(&mut self.causes),
            streaks: std::mem::take(&mut self.streaks),
            of_all: std::mem::take(&mut self.of_all),
        }
    }

    fn counts(
        &mut self,
        at: Timestamp,
        tenant: Option<&Tenant>,
        webhook: Option<WebhookId>,
        event_type: Option<&EventType>,
    ) -> &mut Counts {
        let minute = Span::Minute.begin(at);
        let event_type = event_type.cloned();
        let mut key = Key { minute, tenant: tenant.cloned(), webhook, event_type };
        // Nearly always it is there: so that is looked up alone.
        if !self.counts.contains_key(&key) {
            key.event_type = key.event_type.filter(|kind| {
                if self.is_told_apart(at, None, kind) {
                    self.of_all.insert((minute, kind.clone()));
                }
                self.is_told_apart(at, tenant, kind)
            });
            key = self.kept_apart(key);
        }
        self.counts.entry(key).or_default()
    }

    /// The key, or that of what it is part of. A tenant may have as many as are left to others.
    fn kept_apart(&mut self, mut key: Key) -> Key {
        let left = KEYS_MAX.saturating_sub(self.counts.len());
        let held = self.held.entry(key.tenant.clone()).or_default();
        if *held >= left {
            (key.webhook, key.event_type) = (None, None);
        }
        if self.counts.contains_key(&key) {
            return key;
        }
        if left == 0 {
            return Key { tenant: None, webhook: None, event_type: None, ..key };
        }
        *held += 1;
        key
    }

    fn attempted(&mut self, a: &Attempted<'_>) {
        let counts = self.counts(a.at, Some(a.tenant), Some(a.webhook), Some(a.event_type));
        counts.attempted(a.answer, a.took);
        let succeeded = a.answer.is_success();
        if a.is_first {
            counts.first_tries += 1;
            counts.first_successes += u64::from(succeeded);
        }
        if let Some((by, after)) = a.end {
            counts.end(by);
            if by == EndedBy::Delivered {
                counts.latency.add(after);
            }
        }
        let cause = match a.answer {
            Answer::Status { code, .. } => Ok(*code),
            Answer::Error(class) => Err(*class),
        };
        if !succeeded {
            self.failed(a, cause);
        }
        self.streak(a, succeeded, cause);
    }

    fn failed(&mut self, a: &Attempted<'_>, cause: Cause) {
        let key = (Span::FiveMinutes.begin(a.at), a.tenant.clone(), cause);
        if self.causes.len() >= KEYS_MAX && !self.causes.contains_key(&key) {
            return;
        }
        let new = Times { count: 0, first_at: a.at, last_at: a.at };
        let times = self.causes.entry(key).or_insert(new);
        times.count += 1;
        times.first_at = times.first_at.min(a.at);
        times.last_at = times.last_at.max(a.at);
    }

    fn streak(&mut self, a: &Attempted<'_>, succeeded: bool, cause: Cause) {
        if self.streaks.len() >= KEYS_MAX && !self.streaks.contains_key(&a.webhook) {
            return;
        }
        let running = self.streaks.entry(a.webhook);
        let running = running.or_insert(Running { succeeded: false, failures: None });
        if succeeded {
            *running = Running { succeeded: true, failures: None };
            return;
        }
        let streak = running.failures.get_or_insert_with(|| Streak {
            webhook: a.webhook,
            tenant: a.tenant.clone(),
            failures: 0,
            since: a.at,
            last_at: a.at,
            cause,
        });
        streak.failures += 1;
        (streak.last_at, streak.cause) = (a.at, cause);
    }

    /// Whether that type is told apart from others: the first of each tenant within a span are.
    fn is_told_apart(&mut self, at: Timestamp, tenant: Option<&Tenant>, kind: &EventType) -> bool {
        let span = Span::FiveMinutes.begin(at);
        // What is late is counted with those of now.
        if self.types_since < span {
            (self.types_since, self.types) = (span, HashMap::new());
        }
        if self.types.len() >= KEYS_MAX && !self.types.contains_key(&tenant.cloned()) {
            return false;
        }
        let types = self.types.entry(tenant.cloned()).or_default();
        types.contains(kind) || (types.len() < TYPES_MAX && types.insert(kind.clone()))
    }
}

/// What was counted.
#[derive(Default)]
struct Settled {
    counts: HashMap<Key, Counts>,
    causes: HashMap<(Timestamp, Tenant, Cause), Times>,
    streaks: HashMap<WebhookId, Running>,
    of_all: HashSet<(Timestamp, EventType)>,
}

impl Settled {
    /// In parts, for the store.
    fn parts(self) -> VecDeque<Additions> {
        let counts = series(self.counts, &self.of_all);
        let causes = causes(self.causes);
        let streaks = self.streaks.into_iter();
        let mut streaks: Vec<_> =
            streaks.map(|(webhook, running)| running.change(webhook)).collect();
        streaks.sort_by_key(StreakChange::webhook);
        let (mut counts, mut causes, mut streaks) =
            (counts.into_iter(), causes.into_iter(), streaks.into_iter());
        let mut parts = VecDeque::new();
        loop {
            let part = Additions {
                counts: counts.by_ref().take(ADDED_AT_ONCE).collect(),
                causes: causes.by_ref().take(ADDED_AT_ONCE).collect(),
                streaks: streaks.by_ref().take(ADDED_AT_ONCE).collect(),
            };
            if part == Additions::default() {
                return parts;
            }
            parts.push_back(part);
        }
    }
}

impl Running {
    fn change(self, webhook: WebhookId) -> StreakChange {
        match (self.failures, self.succeeded) {
            (None, _) => StreakChange::Over(webhook),
            (Some(streak), true) => StreakChange::New(streak),
            (Some(streak), false) => StreakChange::Longer(streak),
        }
    }
}

/// Every series that something was counted of: of what is told apart, and of all it is part of.
fn series(
    counted: HashMap<Key, Counts>,
    of_all: &HashSet<(Timestamp, EventType)>,
) -> BTreeMap<Series, Counts> {
    let mut series: BTreeMap<Series, Counts> = BTreeMap::new();
    // In order, so that how the queue stood last is the last that is added.
    for (key, counts) in counted.into_iter().collect::<BTreeMap<_, _>>() {
        let Key { minute, tenant, webhook, event_type } = key;
        let of_all = event_type.clone().filter(|kind| of_all.contains(&(minute, kind.clone())));
        let of_tenant = event_type;
        let mut add = |span: Span, tenant: Option<&Tenant>, webhook, event_type| {
            let begin = span.begin(minute);
            let series_of = Series { span, begin, tenant: tenant.cloned(), webhook, event_type };
            series.entry(series_of).or_default().add(&counts);
        };
        for span in Span::ALL {
            add(span, None, None, None);
            if of_all.is_some() {
                add(span, None, None, of_all.clone());
            }
        }
        if tenant.is_some() {
            for span in [Span::FiveMinutes, Span::Hour] {
                add(span, tenant.as_ref(), None, None);
                if of_tenant.is_some() {
                    add(span, tenant.as_ref(), None, of_tenant.clone());
                }
            }
            if webhook.is_some() {
                add(Span::FiveMinutes, tenant.as_ref(), webhook, None);
                if of_tenant.is_some() {
                    add(Span::FiveMinutes, tenant.as_ref(), webhook, of_tenant);
                }
            }
        }
    }
    series
}

fn causes(counted: HashMap<(Timestamp, Tenant, Cause), Times>) -> Vec<CauseCount> {
    let mut causes: BTreeMap<(Timestamp, Option<Tenant>, String), CauseCount> = BTreeMap::new();
    for ((begin, tenant, cause), times) in counted {
        let word = cause.map_or_else(|class| class.as_str().to_owned(), |code| code.to_string());
        for tenant in [None, Some(tenant)] {
            let Times { count, first_at, last_at } = times;
            let new =
                CauseCount { begin, tenant: tenant.clone(), cause, count: 0, first_at, last_at };
            let known = causes.entry((begin, tenant, word.clone())).or_insert(new);
            known.count += count;
            known.first_at = known.first_at.min(first_at);
            known.last_at = known.last_at.max(last_at);
        }
    }
    causes.into_values().collect()
}

/// How an end is counted.
trait Ends {
    fn end(&mut self, by: EndedBy);
}

impl Ends for Counts {
    fn end(&mut self, by: EndedBy) {
        match by.status() {
            Status::Delivered => self.delivered += 1,
            Status::Cancelled => self.cancelled += 1,
            Status::Failed | Status::Pending | Status::Retrying => self.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::attempt::ErrorClass;
    use model::id::Uid;

    const NOON: Timestamp = Timestamp(1_800_000_000_000_000);
    const WEBHOOK: WebhookId = WebhookId(Uid([1; 16]));

    fn event_type(name: &str) -> EventType {
        EventType::parse(name).expect("valid")
    }

    fn attempt<'a>(tenant: &'a Tenant, kind: &'a EventType, answer: &'a Answer) -> Attempted<'a> {
        let took = Duration::from_millis(7);
        let end = answer.is_success().then_some((EndedBy::Delivered, took));
        let (at, webhook) = (NOON, WEBHOOK);
        Attempted { at, tenant, webhook, event_type: kind, answer, took, is_first: true, end }
    }

    const OK: Answer = Answer::Status { code: 200, retry_after: None };
    const TIMEOUT: Answer = Answer::Error(ErrorClass::Timeout);

    #[test]
    fn what_happened_is_in_every_series_it_is_part_of() {
        let (tally, tenant, paid) = (Tally::default(), Tenant::default(), event_type("paid"));
        tally.accepted(NOON, &tenant, &paid);
        tally.made(NOON, &[(tenant.clone(), paid.clone(), 1)]);
        tally.attempted([attempt(&tenant, &paid, &OK)]);
        let part = tally.next().expect("some");
        let shown: Vec<_> = part
            .counts
            .iter()
            .map(|(s, c)| {
                let of = (s.span, s.tenant.is_some(), s.webhook.is_some(), s.event_type.is_some());
                (of, c.accepted, c.made, c.delivered, c.first_successes)
            })
            .collect();
        use Span::{FiveMinutes, Hour, Minute};
        assert_eq!(
            shown,
            [
                ((Minute, false, false, false), 1, 1, 1, 1),
                ((Minute, false, false, true), 1, 1, 1, 1),
                ((FiveMinutes, false, false, false), 1, 1, 1, 1),
                ((FiveMinutes, false, false, true), 1, 1, 1, 1),
                ((FiveMinutes, true, false, false), 1, 1, 1, 1),
                ((FiveMinutes, true, false, true), 1, 1, 1, 1),
                ((FiveMinutes, true, true, false), 0, 0, 1, 1),
                ((FiveMinutes, true, true, true), 0, 0, 1, 1),
                ((Hour, false, false, false), 1, 1, 1, 1),
                ((Hour, false, false, true), 1, 1, 1, 1),
                ((Hour, true, false, false), 1, 1, 1, 1),
                ((Hour, true, false, true), 1, 1, 1, 1),
            ]
        );
        assert_eq!(part.streaks, [StreakChange::Over(WEBHOOK)]);
        assert_eq!(tally.next(), None);
    }

    #[test]
    fn a_streak_is_what_failed_after_the_last_success() {
        let (tenant, paid) = (Tenant::default(), event_type("paid"));
        let told = |answers: &[Answer]| {
            let tally = Tally::default();
            tally.attempted(answers.iter().map(|answer| attempt(&tenant, &paid, answer)));
            let part = tally.next().expect("some");
            match &part.streaks[..] {
                [StreakChange::Over(_)] => ("over", 0),
                [StreakChange::New(streak)] => ("new", streak.failures),
                [StreakChange::Longer(streak)] => ("longer", streak.failures),
                _ => ("none", 0),
            }
        };
        assert_eq!(told(&[TIMEOUT, OK]), ("over", 0));
        assert_eq!(told(&[TIMEOUT, TIMEOUT]), ("longer", 2));
        assert_eq!(told(&[TIMEOUT, OK, TIMEOUT, TIMEOUT]), ("new", 2));
    }

    #[test]
    fn causes_are_counted_for_the_tenant_and_for_all() {
        let (tally, paid) = (Tally::default(), event_type("paid"));
        for name in ["a", "b"] {
            let tenant = Tenant::parse(name).expect("valid");
            tally.attempted([attempt(&tenant, &paid, &TIMEOUT)]);
        }
        let part = tally.next().expect("some");
        let shown = part.causes.iter().map(|c| (c.tenant.as_ref().map(Tenant::as_str), c.count));
        assert_eq!(shown.collect::<Vec<_>>(), [(None, 2), (Some("a"), 1), (Some("b"), 1)]);
    }

    #[test]
    fn types_beyond_a_hundred_are_in_the_totals_alone() {
        let (tally, tenant) = (Tally::default(), Tenant::default());
        for n in 0..150 {
            tally.accepted(NOON, &tenant, &event_type(&format!("t{n}")));
        }
        let mut counts = Vec::new();
        while let Some(part) = tally.next() {
            counts.extend(part.counts);
        }
        let of = |typed: bool, tenant: bool| {
            let of = counts.iter().filter(|(s, _)| {
                s.span == Span::FiveMinutes
                    && s.event_type.is_some() == typed
                    && s.tenant.is_some() == tenant
            });
            of.map(|(_, c)| c.accepted).sum::<u64>()
        };
        assert_eq!([of(true, false), of(true, true)], [100, 100]);
        assert_eq!([of(false, false), of(false, true)], [150, 150]);
    }

    #[test]
    fn a_type_is_told_apart_until_the_end_of_a_span() {
        let (tally, tenant) = (Tally::default(), Tenant::default());
        let (before, after) = (event_type("before"), event_type("after"));
        let span = Span::FiveMinutes.begin(NOON);
        tally.accepted(Timestamp(span.0 - 1), &tenant, &before);
        tally.accepted(span, &tenant, &after);
        let part = tally.next().expect("some");
        let of_all = part.counts.iter().filter(|(s, _)| s.span == Span::Hour && s.tenant.is_none());
        let types: Vec<_> = of_all.filter_map(|(s, _)| s.event_type.clone()).collect();
        assert_eq!(types.len(), 2, "{types:?}");
    }

    #[test]
    fn a_tenant_with_many_webhooks_leaves_room_for_others() {
        let (tally, paid, many) = (Tally::default(), event_type("paid"), Tenant::default());
        let one = Tenant::parse("one").expect("valid");
        let count = |tenant: &Tenant, n: usize| {
            let webhook = WebhookId(Uid((n as u128).to_be_bytes()));
            tally.attempted([Attempted { webhook, ..attempt(tenant, &paid, &OK) }]);
        };
        (0..KEYS_MAX * 2).for_each(|n| count(&many, n));
        count(&one, KEYS_MAX * 3);
        let open = tally.lock();
        let of = |tenant: &Tenant| {
            let of = open.counts.iter().filter(|(key, _)| key.tenant.as_ref() == Some(tenant));
            let apart = of.clone().filter(|(key, _)| key.webhook.is_some()).count();
            (apart, of.map(|(_, counts)| counts.delivered).sum::<u64>())
        };
        assert_eq!(of(&many), (KEYS_MAX / 2, 2 * KEYS_MAX as u64));
        assert_eq!(of(&one), (1, 1));
    }

    #[test]
    fn what_is_told_apart_is_bounded_and_the_total_is_right() {
        let (tally, paid) = (Tally::default(), event_type("paid"));
        for n in 0..KEYS_MAX + 10 {
            let tenant = Tenant::parse(&format!("t{n}")).expect("valid");
            tally.accepted(NOON, &tenant, &paid);
        }
        assert_eq!(tally.lock().counts.len(), KEYS_MAX + 1);
        let part = tally.next().expect("some");
        let (total, counts) = &part.counts[0];
        assert_eq!((total.tenant.is_none(), counts.accepted), (true, KEYS_MAX as u64 + 10));
    }
}
