use std::collections::BTreeMap;

use async_trait::async_trait;
use model::attempt::ErrorClass;
use model::delivery::Status;
use model::event::EventType;
use model::id::{EventUid, WebhookId};
use model::stats::Counts;
use model::tenant::Tenant;
use model::time::Timestamp;

use crate::{Delivery, StoreError};

/// Statistics: what is counted beside the truth, so that nobody has to count deliveries to know how many
/// there are. They are kept a moment after what they count: a crash may cost that moment, and a connection
/// that breaks while they are kept may count it twice.
#[async_trait]
pub trait Stats: Send + Sync {
    /// Adds to what is kept, all or nothing.
    async fn add_stats(&self, more: Additions) -> Result<(), StoreError>;

    /// The counts that are kept of a series, by their begin.
    async fn stats(&self, of: StatsFilter) -> Result<Vec<Counted>, StoreError>;

    /// The same for each type by itself, over the whole time.
    async fn stats_by_type(&self, of: StatsFilter) -> Result<CountsByType, StoreError>;

    /// The counts of each of `webhooks`, in their order: of all types together, by their begin, of spans of
    /// five minutes that begin at or after `since` and before `until`.
    async fn stats_of(
        &self,
        webhooks: &[(Tenant, WebhookId)],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Vec<Counted>>, StoreError>;

    /// The newest delivery to each of `ids`, in their order.
    async fn newest(&self, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>, StoreError>;

    /// What attempts failed by since the begin of a span, the most frequent first. Of a cause the counts
    /// of all spans are one.
    async fn causes(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<CauseCount>, StoreError>;

    /// Webhooks whose last attempt failed, those with the most failures in a row first.
    async fn failing(&self, tenant: Option<&Tenant>, limit: u32)
    -> Result<Vec<Streak>, StoreError>;

    /// Those of `ids` whose last attempt failed, in any order.
    async fn streaks(&self, ids: &[WebhookId]) -> Result<Vec<Streak>, StoreError>;

    /// Forgets counts of minutes that began before the first time, and all others of before the second, at
    /// most `limit` rows of each. Returns whether there may be more.
    async fn forget_stats(
        &self,
        minutes_before: Timestamp,
        before: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError>;

    /// How many webhooks there are, by what is up with them.
    async fn webhook_totals(&self, tenant: Option<&Tenant>) -> Result<WebhookTotals, StoreError>;

    /// How much room it takes, if it can say so.
    async fn size_bytes(&self) -> Result<Option<u64>, StoreError>;

    /// What waits for each of `ids`, in their order, counted up to `most`.
    async fn backlogs(&self, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>, StoreError>;

    /// How the deliveries of each of `events` stand, in their order, `most` of them looked at.
    async fn statuses(
        &self,
        events: &[EventUid],
        most: u32,
    ) -> Result<Vec<StatusCounts>, StoreError>;

    /// Whether an event is still to fan out.
    async fn is_to_fan_out(&self, event: EventUid) -> Result<bool, StoreError>;

    /// Unfinished deliveries and those of them that were tried before, each counted up to `most`.
    async fn unfinished_totals(
        &self,
        tenant: Option<&Tenant>,
        most: u32,
    ) -> Result<UnfinishedTotals, StoreError>;
}

/// How long a time the counts of one row are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// Kept for two days, and only of all tenants together.
    Minute,
    /// Kept as long as events are.
    FiveMinutes,
    /// The same, and not of single webhooks: so a month is 720 rows of a series instead of 8,640.
    Hour,
}

impl Span {
    pub const ALL: [Span; 3] = [Span::Minute, Span::FiveMinutes, Span::Hour];

    pub fn secs(self) -> i64 {
        match self {
            Span::Minute => 60,
            Span::FiveMinutes => 300,
            Span::Hour => 3_600,
        }
    }

    pub fn micros(self) -> i64 {
        self.secs() * 1_000_000
    }

    /// The begin of the span that `at` is in.
    pub fn begin(self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.div_euclid(self.micros()) * self.micros())
    }

    /// The begins of the first and the last span that begin at or after, and before.
    pub(crate) fn ends(self, since: Timestamp, until: Timestamp) -> (Timestamp, Timestamp) {
        let first = self.begin(Timestamp(since.0.saturating_add(self.micros() - 1)));
        (first, self.begin(Timestamp(until.0.saturating_sub(1))))
    }
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub span: Span,
    pub begin: Timestamp,
    /// None: all of them.
    pub tenant: Option<Tenant>,
    /// None: all of them.
    pub webhook: Option<WebhookId>,
    /// None: all of them.
    pub event_type: Option<EventType>,
}

/// What happened since it was said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Additions {
    /// No series twice.
    pub counts: Vec<(Series, Counts)>,
    /// None twice of the same span, tenant and cause.
    pub causes: Vec<CauseCount>,
    /// No webhook twice.
    pub streaks: Vec<StreakChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsFilter {
    pub span: Span,
    /// Of spans that begin at or after, and before.
    pub since: Timestamp,
    pub until: Timestamp,
    pub tenant: Option<Tenant>,
    /// With its tenant.
    pub webhook: Option<WebhookId>,
    pub types: Types,
}

/// Which counts of a series are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Types {
    /// All types together: one for each span.
    Together,
    One(EventType),
}

pub type CountsByType = BTreeMap<EventType, Counts>;

/// Rows that a look at statistics reads at most, the newest: more than a year of a series has, or of a
/// hundred types by the hour.
pub const STATS_ROWS_MAX: u32 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub begin: Timestamp,
    pub event_type: Option<EventType>,
    pub counts: Counts,
}

/// The status that was answered, or why none was.
pub type Cause = Result<u16, ErrorClass>;

/// How often attempts failed by a cause within a span of five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseCount {
    pub begin: Timestamp,
    /// None: all of them.
    pub tenant: Option<Tenant>,
    pub cause: Cause,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Failures of a webhook in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    pub webhook: WebhookId,
    pub tenant: Tenant,
    pub failures: u64,
    /// Of the first of them.
    pub since: Timestamp,
    pub last_at: Timestamp,
    pub cause: Cause,
}

/// What became of a webhook's streak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreakChange {
    /// Its last attempt succeeded.
    Over(WebhookId),
    /// An attempt succeeded, and these failed after it.
    New(Streak),
    /// These failed, and none succeeded.
    Longer(Streak),
}

impl StreakChange {
    pub fn webhook(&self) -> WebhookId {
        match self {
            StreakChange::Over(webhook) => *webhook,
            StreakChange::New(streak) | StreakChange::Longer(streak) => streak.webhook,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookTotals {
    pub active: u64,
    pub paused: u64,
    pub disabled: u64,
    /// Of those that are not disabled: whose last attempt failed.
    pub failing: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub unfinished: u32,
    /// When the one that is due first is or was due.
    pub first_due: Option<Timestamp>,
}

/// Deliveries by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    pub pending: u32,
    pub retrying: u32,
    pub delivered: u32,
    pub failed: u32,
    pub cancelled: u32,
}

impl StatusCounts {
    pub fn of(&mut self, status: Status) -> &mut u32 {
        match status {
            Status::Pending => &mut self.pending,
            Status::Retrying => &mut self.retrying,
            Status::Delivered => &mut self.delivered,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
        }
    }

    pub fn all(&self) -> u32 {
        self.pending + self.retrying + self.delivered + self.failed + self.cancelled
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnfinishedTotals {
    pub unfinished: u32,
    pub retrying: u32,
}
