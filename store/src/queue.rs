use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use model::id::{DeliveryId, EventUid, WebhookId};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::MAX_IN_FLIGHT_DEFAULT;

use crate::notices::Notices;

/// Items a lane holds, queued and leased; what does not fit stays in the store.
pub const LANE_CAP_DEFAULT: usize = 10_000;
/// How long a worker may hold an item: the longest attempt (30 s) and time to record it.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(45);
/// Failures in a row after which a lane has one place, until something succeeds.
pub const FAILURES_TO_ONE_PLACE: u32 = 3;
/// Items that may be leased ahead for each place.
pub const AHEAD_MAX: u32 = 15;

/// What is due next, fairly, and who works on it. Holds ids and due times, never payloads or
/// states, and may lose everything at any moment: whatever it says is checked in the store.
///
/// Each verb takes a batch and is atomic per item. No verb takes a time: the queue owns its clock,
/// and `claim` returns it.
#[async_trait]
pub trait Queue: Notices + Send + Sync {
    /// Adds what is neither queued nor leased. A queued item whose new due time is earlier is
    /// brought forward; a leased one is due then once its lease ended, since what it was pushed for
    /// may have happened after its worker looked. A lane over its cap keeps what is due soonest,
    /// refuses the rest and is hungry from then on. A new item that asks for it is leased at once,
    /// if its lane can be served and nothing that is due waits in it. Repeated: nothing.
    async fn push(&self, items: Vec<Push>) -> Result<Pushed, QueueError>;

    /// Leases up to `max` due items, taking turns between tenants, then between their lanes, and
    /// within a lane between new items and retries. Tenants in `skip` get none. An expired lease's
    /// item is due again at once. A lane that has no place left has its turns all the same, for as
    /// many as it may have ahead for each place this claim gave it. Also leases out what is hungry.
    async fn claim(&self, max: usize, skip: &[Tenant]) -> Result<Claimed, QueueError>;

    /// Frees the place on the wire, or ends the lease. Repeated, or with a token that is no longer
    /// valid: nothing. Calls take effect in the order in which they were first polled; one that fails
    /// is tried again, and holds up the later ones, for as long as a lease lasts.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), QueueError>;

    /// What each lane may do. Repeated, or older than what was set before: nothing.
    async fn set(&self, lanes: &[(Lane, Limits)]) -> Result<(), QueueError>;

    /// What is in the queue, in all and in each of `lanes`, in their order.
    async fn look(&self, lanes: &[Lane]) -> Result<Look, QueueError>;

    /// Returns when something may be due that was not at the last `claim`; it may return early,
    /// never late. One waiter a worker.
    async fn wait(&self);
}

/// A queue of the queue: items of one lane wait for one another, lanes do not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub tenant: Tenant,
    pub work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Events to fan out.
    FanOut,
    /// Deliveries to one webhook.
    Deliver(WebhookId),
}

impl Work {
    pub fn webhook(self) -> Option<WebhookId> {
        match self {
            Work::FanOut => None,
            Work::Deliver(webhook) => Some(webhook),
        }
    }
}

impl Lane {
    pub fn fan_out(tenant: Tenant) -> Self {
        Self { tenant, work: Work::FanOut }
    }

    pub fn deliver(tenant: Tenant, webhook: WebhookId) -> Self {
        Self { tenant, work: Work::Deliver(webhook) }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.work {
            Work::FanOut => write!(f, "{}/fan-out", self.tenant),
            Work::Deliver(webhook) => write!(f, "{}/{webhook}", self.tenant),
        }
    }
}

/// An event in a lane: the event to fan out, or its delivery to the lane's webhook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    pub lane: Lane,
    pub event: EventUid,
}

impl Item {
    /// The delivery this item stands for; none if it is an event to fan out.
    pub fn delivery(&self) -> Option<DeliveryId> {
        match self.lane.work {
            Work::FanOut => None,
            Work::Deliver(webhook) => Some(DeliveryId { event: self.event, webhook }),
        }
    }
}

/// An item to be queued.
#[derive(Debug, Clone)]
pub struct Push {
    pub item: Item,
    /// Its event's place in publish order.
    pub seq: i64,
    /// From now until it is due.
    pub after: Duration,
    /// Whether it was tried before: new items are not held up by retries.
    pub retry: bool,
    pub at_once: AtOnce,
    /// Whether it was read from the store because the queue may not know of it. Then the queue looks
    /// whether it holds what it believes to hold of that lane, too.
    pub fed: bool,
}

impl Push {
    /// An item that was never tried, due at once.
    pub fn new(item: Item, seq: i64) -> Self {
        Self { item, seq, after: Duration::ZERO, retry: false, at_once: AtOnce::No, fed: false }
    }
}

/// Whether who pushes a new item leases it at once. That saves a claim, and takes no turns: it is
/// for a worker with many free slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtOnce {
    #[default]
    No,
    /// If its lane has a place for it.
    Placed,
    /// The same; else ahead, of whatever places the lane has: who pushes holds some of them.
    PlacedOrAhead,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    pub refused: Vec<Item>,
    pub leased: Vec<Leased>,
}

/// Proves that a lease is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The queue's clock at this claim.
    pub now: Timestamp,
    pub leased: Vec<Leased>,
    pub hungry: Vec<Hungry>,
    /// Since the claim before, the queue may have lost its memory: what lanes may do is to be told
    /// again. Each process hears it, and before or with the first item of the new memory.
    pub forgot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    pub item: Item,
    pub token: Token,
    /// It has no place on the wire: it waits for that of another item of its lane which the same
    /// worker holds.
    pub ahead: bool,
}

/// Something that must be fed from the store, leased like an item: if nobody settles it in time it
/// is handed out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hungry {
    pub hunger: Hunger,
    pub token: Token,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hunger {
    /// The queue is new or lost its memory: every lane with unfinished work is to be fed.
    Everything,
    /// A lane refused items and has room again, or one of them is due.
    Lane(Lane),
}

#[derive(Debug, Clone)]
pub struct Settlement {
    pub subject: Subject,
    pub token: Token,
    pub how: How,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Item(Item),
    Hunger(Hunger),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The answer is in and the place on the wire is free; the lease goes on until it is recorded.
    /// `hold`: the subscriber asked for quiet, so the lane serves nothing for so long. `ahead`: as
    /// many items may be leased ahead for each place from now on, at most [`AHEAD_MAX`].
    Answered { failed: bool, hold: Option<Duration>, ahead: u32 },
    /// The answer is in, a success, and the place is that of another item of the lane from now on:
    /// of `to`, leased ahead under the token `under`. It is free if that lease is over, or answered
    /// already.
    PassedOn { to: EventUid, under: Token },
    /// Recorded, nothing more to do. For a hunger: everything unfinished was pushed.
    Done,
    /// To be done again after so long. For a hunger: there is more in the store.
    Again { after: Duration },
}

impl Leased {
    pub fn settle(self, how: How) -> Settlement {
        Settlement { subject: Subject::Item(self.item), token: self.token, how }
    }
}

impl Hungry {
    pub fn settle(self, how: How) -> Settlement {
        Settlement { subject: Subject::Hunger(self.hunger), token: self.token, how }
    }
}

/// What a lane may do. A change of it also ends a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests on the wire at once.
    pub max_in_flight: u32,
    pub paused: bool,
    /// The version of the webhook that says so: processes that read it at different times set it
    /// in any order.
    pub version: u64,
}

impl Limits {
    /// Of a webhook that is gone and will not be set again.
    pub const RELEASED: Limits =
        Limits { max_in_flight: MAX_IN_FLIGHT_DEFAULT, paused: false, version: u64::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_in_flight: MAX_IN_FLIGHT_DEFAULT, paused: false, version: 0 }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Look {
    pub now: Timestamp,
    pub total: Totals,
    pub lanes: Vec<LaneLook>,
    /// Leases that ended because nobody settled them in time, since it has its memory.
    pub expired: u64,
    /// Its server would rather forget than refuse, by this policy: what it forgets of a lane may stop
    /// that.
    pub evicts: Option<String>,
}

/// Counts over the whole queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub lanes: usize,
    /// Waiting in the queue, due or not.
    pub queued: usize,
    pub leased: usize,
    /// Requests on the wire.
    pub in_flight: usize,
    /// When the item that could be served longest became due.
    pub oldest_due: Option<Timestamp>,
}

/// One lane as it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneLook {
    pub queued: usize,
    pub leased: usize,
    pub in_flight: usize,
    /// When its oldest queued item is or was due.
    pub oldest_due: Option<Timestamp>,
    /// When it will next be served; none if something else has to happen first.
    pub next_moment: Option<Timestamp>,
    pub waiting_for: Option<WaitingFor>,
}

/// Why a lane with items is not being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its next item is not due yet, or the subscriber asked for quiet.
    Backoff,
    /// As many requests are on the wire as it may have.
    Concurrency,
    Paused,
}

impl WaitingFor {
    pub fn as_str(self) -> &'static str {
        match self {
            WaitingFor::Backoff => "backoff",
            WaitingFor::Concurrency => "concurrency",
            WaitingFor::Paused => "paused",
        }
    }
}

/// The queue could not be reached or refused; the same call may work later. Its text is for the
/// log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(pub String);
