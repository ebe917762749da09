//! Deliveries live: each time one is made, tried or ended, as it stands then. The queue says which changed,
//! the store how they stand. A stream that sees too many change at once shows the last of them and says how
//! many it left out.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::web::Data;
use bytes::Bytes;
use model::delivery::Status;
use model::id::{DeliveryId, EventUid, WebhookId};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::EventTypes;
use serde_json::json;
use store::world::Stopwatch;
use store::{Delivery, HEARD_WITHIN, Item, Mark, Noticed, Position};
use tokio::time::sleep;

use super::ids::Ids;
use super::message;
use super::streams::Place;
use super::{CHECK, HEARTBEAT};
use crate::App;
use crate::auth::Caller;
use crate::deliveries::{parse_statuses, views};
use crate::problem::ApiError;
use crate::query::Query;

/// Between two looks at what changed.
const REST: Duration = Duration::from_millis(250);
/// The same when the queue or the store did not answer.
const REST_WITHOUT: Duration = Duration::from_secs(1);
/// Changes that are read at once, and how often without a rest.
const NOTICED_MAX: usize = 1_000;
const READS_MAX: usize = 25;
/// Deliveries that are shown of what changed between two looks.
const SHOWN_MAX: usize = 50;

/// Which deliveries a stream wants.
pub struct Filter {
    pub tenant: Option<Tenant>,
    pub webhook: Option<WebhookId>,
    pub event: Option<EventUid>,
    pub statuses: Vec<Status>,
    pub event_types: EventTypes,
}

impl Filter {
    /// # Errors
    /// `parameter_invalid`.
    pub fn of(
        query: &Query,
        tenant: Option<Tenant>,
        event_types: EventTypes,
    ) -> Result<Self, ApiError> {
        let statuses =
            "any of pending, retrying, delivered, failed, cancelled, separated by commas";
        let webhook = query.parsed("webhook_id", "a webhook's id, wh_…", WebhookId::parse)?;
        let statuses = query.parsed("status", statuses, parse_statuses)?.unwrap_or_default();
        let event = query.parsed("event_id", "an event's id, evt_…", EventUid::parse)?;
        Ok(Self { tenant, webhook, event, statuses, event_types })
    }

    fn may_want(&self, item: &Item) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == item.lane.tenant)
            && self.event.is_none_or(|event| event == item.event)
            && self.webhook.is_none_or(|webhook| item.lane.work.webhook() == Some(webhook))
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == delivery.tenant)
            && (self.statuses.is_empty() || self.statuses.contains(&delivery.status))
            && self.event_types.want(&delivery.event_type)
    }
}

/// One client's stream.
pub struct Stream {
    app: Data<App>,
    caller: Caller,
    ids: Ids,
    filter: Filter,
    mark: Mark,
    /// What is to be said before anything else.
    first: Option<Bytes>,
    /// Since it began, while others may not know of it: what changed meanwhile was not told.
    unheard: Option<Stopwatch>,
    looked: Stopwatch,
    checked: Stopwatch,
    ended: bool,
    _place: Place,
}

/// What changed since a mark.
#[derive(Default)]
struct Changes {
    /// Each once, the one that changed last at the end.
    ids: Vec<DeliveryId>,
    skipped: usize,
    missed: bool,
}

impl Stream {
    /// # Errors
    /// When the queue does not answer.
    pub async fn open(
        app: Data<App>,
        caller: Caller,
        ids: Ids,
        place: Place,
        filter: Filter,
        after: Option<Option<Mark>>,
    ) -> Result<Self, ApiError> {
        let now = app.queue.noticed(None, 0).await;
        let now = now.map_err(|_| ApiError::new("unavailable", "the queue does not answer"))?;
        let unheard = now.missed.then(Stopwatch::start);
        let now = now.mark;
        let mark = after.flatten().unwrap_or(now);
        let mut first = message::hello(&ids.id(position(mark)));
        if after == Some(None) {
            first = [first, gap(&app)].concat().into();
        }
        Ok(Self {
            app,
            caller,
            ids,
            filter,
            mark,
            first: Some(first),
            unheard,
            looked: Stopwatch::start(),
            checked: Stopwatch::start(),
            ended: false,
            _place: place,
        })
    }

    /// The next bytes; none when it is over.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let said = Stopwatch::start();
        while !self.ended {
            if let Some(reason) = self.must_end().await {
                self.ended = true;
                return Some(message::end(reason));
            }
            // However quickly its client reads, it looks so often and no more.
            self.rest(REST.saturating_sub(self.looked.elapsed())).await;
            self.looked = Stopwatch::start();
            let mark = self.mark;
            match self.look().await {
                Ok(Some(bytes)) => return Some(bytes),
                Ok(None) => {}
                Err(_) => {
                    // What it read is read again.
                    self.mark = mark;
                    self.rest(REST_WITHOUT).await;
                }
            }
            if said.elapsed() >= HEARTBEAT {
                return Some(message::heartbeat(&self.ids.id(position(self.mark))));
            }
        }
        None
    }

    async fn rest(&self, time: Duration) {
        let _ = self.app.draining.run_until_cancelled(sleep(time)).await;
    }

    async fn must_end(&mut self) -> Option<&'static str> {
        if self.app.draining.is_cancelled() {
            return Some("shutdown");
        }
        if self.checked.elapsed() >= CHECK {
            self.checked = Stopwatch::start();
            // A store that does not answer revokes nothing.
            if matches!(self.caller.is_known(&self.app).await, Ok(false)) {
                return Some("key_revoked");
            }
        }
        None
    }

    /// What there is to say, if there is anything.
    async fn look(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Changes { ids, skipped, missed } = self.changes().await?;
        let mut said = Vec::new();
        let unheard = self.unheard.is_some_and(|since| since.elapsed() >= HEARD_WITHIN);
        if missed || unheard {
            said.push(gap(&self.app));
        }
        if skipped > 0 {
            said.push(message::message("skipped", &json!({ "count": skipped }).to_string()));
        }
        if !ids.is_empty() {
            let mut found = self.app.store.deliveries(&ids).await?;
            found.retain(|delivery| self.filter.wants(delivery));
            found.sort_by_key(|delivery| ids.iter().position(|id| *id == delivery.id));
            for view in views(&self.app, found).await? {
                let text = serde_json::to_string(&view).map_err(ApiError::internal)?;
                said.push(message::message("delivery", &text));
            }
        }
        if unheard {
            self.unheard = None;
        }
        // Whoever breaks off before the last of them gets all of them again.
        let Some(last) = said.pop() else { return Ok(None) };
        said.push(message::with_id(&self.ids.id(position(self.mark)), &last));
        Ok(Some(said.concat().into()))
    }

    /// Reads on to the end, or so far as it gets without a rest.
    async fn changes(&mut self) -> Result<Changes, ApiError> {
        let (mut changes, mut items) = (Changes::default(), Vec::new());
        for _ in 0..READS_MAX {
            let noticed = self.app.queue.noticed(Some(self.mark), NOTICED_MAX).await;
            let Noticed { items: more, mark, missed } = noticed.map_err(ApiError::internal)?;
            self.mark = mark;
            changes.missed |= missed;
            let is_last = more.is_empty();
            items.extend(more.into_iter().filter(|item| self.filter.may_want(item)));
            if is_last {
                break;
            }
        }
        let mut seen = HashSet::new();
        for id in items.iter().rev().filter_map(Item::delivery).filter(|id| seen.insert(*id)) {
            if changes.ids.len() < SHOWN_MAX {
                changes.ids.push(id);
            } else {
                changes.skipped += 1;
            }
        }
        changes.ids.reverse();
        Ok(changes)
    }
}

/// Something was not sent, and nobody knows how much.
fn gap(app: &App) -> Bytes {
    app.metrics.stream_gap();
    let now = Position { seq: 0, at: app.clock.now() };
    message::gap("unknown", None, now)
}

/// As it is in the ids of messages.
fn position(mark: Mark) -> Position {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Position { seq: number(mark.minor), at: Timestamp(number(mark.major)) }
}

/// As it was in the id of a message.
pub fn mark(position: Position) -> Mark {
    let number = |n: i64| if n == i64::MAX { u64::MAX } else { n.unsigned_abs() };
    Mark { major: number(position.at.0), minor: number(position.seq) }
}
