use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Object};
use model::attempt::Attempt;
use model::delivery::Status;
use model::event::Event;
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::tenant::Tenant;
use model::time::Timestamp;
use tokio_postgres::{GenericClient as Client, IsolationLevel, Row};
use uuid::Uuid;

use super::batch::{Bounds, query};
use super::conditions::{Conditions, Read, Rest};
use super::failure::Failure;
use super::rows::{self, Result};
use super::{accept, sql};
use crate::listed::{Listed, Most};
use crate::store::{Delivery, DeliveryFilter, EventFilter};

pub(super) async fn event(db: &Object, tenant: &Tenant, id: &str) -> Result<Option<Event>> {
    let found = match EventUid::parse(id) {
        Some(uid) => query(db, const { sql("event_by_uid") }, &[&rows::uuid(uid.0)]).await?,
        None if rows::may_be_stored(id) => {
            query(db, const { sql("event_by_id") }, &[&accept::id_key(tenant, id)]).await?
        }
        None => Vec::new(),
    };
    found.first().map(rows::event).transpose()
}

pub(super) async fn list_events(
    db: &Object,
    filter: &EventFilter,
    after: Option<EventUid>,
    most: Most,
) -> Result<Listed<Event>> {
    if filter.event_type.as_deref().is_some_and(|kind| !rows::may_be_stored(kind)) {
        return Ok(Listed::whole(Vec::new()));
    }
    let mut best: Option<Listed<Event>> = None;
    for most in most.steps() {
        let listed = some_events(db, filter, after, most).await?;
        if Listed::keep_further(&mut best, listed) {
            break;
        }
    }
    Ok(best.unwrap_or_else(|| Listed::whole(Vec::new())))
}

async fn some_events(
    db: &Object,
    filter: &EventFilter,
    after: Option<EventUid>,
    most: Most,
) -> Result<Listed<Event>> {
    let mut conditions = Conditions::new(const { sql("list_events") });
    let mut rest = Rest::default();
    // How far it came tells of what was looked at: of a tenant, nothing but its own.
    if filter.tenant.is_some() {
        conditions.filter("e.tenant", "e.uid", filter.tenant.as_ref());
        rest.is("type", filter.event_type.clone());
    } else {
        conditions.filter("e.type", "e.uid", filter.event_type.clone());
    }
    conditions.bound("e.uid", ">=", filter.since.map(floor));
    conditions.bound("e.uid", "<", filter.until.map(floor));
    conditions.bound("e.uid", "<", after.map(|uid| rows::uuid(uid.0)));
    let read = Read { newest_first: "e.uid DESC", key: "uid", most };
    let rest = Some(rest).filter(|rest| !rest.is_empty());
    conditions.listed(&***db, read, rest, rows::event, last_event).await
}

fn last_event(row: &Row, column: usize) -> Result<Option<EventUid>> {
    Ok(rows::get::<Option<Uuid>>(row, column)?.map(|uid| EventUid(Uid(uid.into_bytes()))))
}

/// What a list of deliveries is read by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// Those of an event are few.
    Event,
    Webhook,
    Tenant,
    Type,
    All,
}

/// Statuses that are in the same part of the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    Unfinished,
    Delivered,
    /// Partial indexes have them.
    Lost,
}

impl Part {
    fn of(status: Status) -> Self {
        match status {
            Status::Pending | Status::Retrying => Part::Unfinished,
            Status::Delivered => Part::Delivered,
            Status::Failed | Status::Cancelled => Part::Lost,
        }
    }
}

pub(super) async fn list_deliveries(
    db: &mut Object,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
    most: Most,
) -> Result<Listed<Delivery>> {
    if filter.event_type.as_deref().is_some_and(|kind| !rows::may_be_stored(kind)) {
        return Ok(Listed::whole(Vec::new()));
    }
    // A webhook has one tenant: how far it was looked through is for that one alone.
    if let (Some(id), Some(tenant)) = (filter.webhook, &filter.tenant)
        && newest(db, &[id]).await?.pop().flatten().is_none_or(|newest| newest.tenant != *tenant)
    {
        return Ok(Listed::whole(Vec::new()));
    }
    let mut lists = Vec::new();
    for part in [Part::Unfinished, Part::Delivered, Part::Lost] {
        let of_part = filter.statuses.iter().copied().filter(|status| Part::of(*status) == part);
        let of_part: Vec<_> = of_part.collect();
        if !of_part.is_empty() {
            lists.push((part, of_part));
        }
    }
    if lists.is_empty() {
        lists.push((Part::Any, Vec::new()));
    }
    let [(part, statuses)] = &lists[..] else {
        // As of one moment: what goes from one part to the other meanwhile would be in neither.
        let moment = db.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let moment = moment.read_only(true).start().await?;
        let mut listed = Vec::new();
        for (part, statuses) in &lists {
            listed.push(list_part(&*moment, filter, (*part, statuses), after, most).await?);
        }
        moment.commit().await?;
        return Ok(Listed::merged(listed, most.found));
    };
    list_part(&***db, filter, (*part, statuses), after, most).await
}

async fn list_part(
    db: &impl Client,
    filter: &DeliveryFilter,
    (part, statuses): (Part, &[Status]),
    after: Option<DeliveryId>,
    most: Most,
) -> Result<Listed<Delivery>> {
    let mut best: Option<Listed<Delivery>> = None;
    'looking: for most in most.steps() {
        for lead in leads(filter, part) {
            let listed = by_lead(db, filter, (part, statuses), lead, after, most).await?;
            if Listed::keep_further(&mut best, listed) {
                break 'looking;
            }
        }
    }
    Ok(best.unwrap_or_else(|| Listed::whole(Vec::new())))
}

fn leads(filter: &DeliveryFilter, part: Part) -> Vec<Lead> {
    if filter.event.is_some() {
        return vec![Lead::Event];
    }
    if filter.webhook.is_some() {
        return vec![Lead::Webhook];
    }
    match (&filter.tenant, &filter.event_type) {
        (Some(_), _) => vec![Lead::Tenant],
        // There are fewer of those than of a type, as a rule.
        (None, Some(_)) if matches!(part, Part::Lost | Part::Unfinished) => {
            vec![Lead::All, Lead::Type]
        }
        (None, Some(_)) => vec![Lead::Type],
        (None, None) => vec![Lead::All],
    }
}

async fn by_lead(
    db: &impl Client,
    filter: &DeliveryFilter,
    (part, statuses): (Part, &[Status]),
    lead: Lead,
    after: Option<DeliveryId>,
    most: Most,
) -> Result<Listed<Delivery>> {
    let mut rest = Rest::default();
    if lead != Lead::Tenant {
        rest.is("tenant", filter.tenant.as_ref());
    }
    if lead != Lead::Type {
        rest.is("type", filter.event_type.clone());
    }
    // By a type the deliveries of its events are looked at, whatever their status.
    let has_all = match part {
        Part::Any => true,
        Part::Delivered => false,
        Part::Unfinished | Part::Lost => statuses.len() > 1 && lead != Lead::Type,
    };
    if !has_all {
        rest.is_one_of("status", statuses);
    }
    // Of a type its events are looked at, and they may have no deliveries.
    let is_looked_for = lead == Lead::Type || lead != Lead::Event && !rest.is_empty();
    let rest = Some(rest).filter(|_| is_looked_for);
    let conditions = conditions(filter, (part, statuses), lead, after, most);
    let newest_first =
        if lead == Lead::Type { "d.webhook DESC" } else { "d.event DESC, d.webhook DESC" };
    let read = Read { newest_first, key: "event, webhook", most };
    conditions.listed(db, read, rest, rows::delivery, last_delivery).await
}

fn conditions(
    filter: &DeliveryFilter,
    (part, statuses): (Part, &[Status]),
    lead: Lead,
    after: Option<DeliveryId>,
    most: Most,
) -> Conditions {
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
    let (since, until) = (filter.since.map(floor), filter.until.map(floor));
    match lead {
        Lead::Event => {
            conditions.also("d.event =", filter.event.map(|id| rows::uuid(id.0)));
            conditions.filter("d.webhook", "d.event", filter.webhook.map(|id| rows::uuid(id.0)));
            conditions.filter("d.tenant", "d.event", filter.tenant.as_ref());
            conditions.also("e.type =", filter.event_type.clone());
            of_statuses(&mut conditions, statuses);
        }
        Lead::Webhook => {
            conditions.filter("d.webhook", "d.event", filter.webhook.map(|id| rows::uuid(id.0)));
        }
        Lead::Tenant => conditions.filter("d.tenant", "d.event", filter.tenant.as_ref()),
        Lead::Type => {
            let mut events = Conditions::new(const { sql("events_to_look_at") });
            events.filter("e.type", "e.uid", filter.event_type.clone());
            events.bound("e.uid", ">=", since);
            events.bound("e.uid", "<", until);
            // Of an event that was looked through the mark is before all webhooks.
            let whole = after.is_some_and(|after| after.webhook.0.0 == [0; 16]);
            let up_to = if whole { "<" } else { "<=" };
            events.bound("e.uid", up_to, after.map(|after| rows::uuid(after.event.0)));
            conditions = events.of_each("e.uid DESC", most.looked_at, OF_AN_EVENT);
        }
        Lead::All => {}
    }
    match part {
        Part::Any => {}
        Part::Unfinished => of_statuses(&mut conditions, &[Status::Pending, Status::Retrying]),
        Part::Lost if lead == Lead::Type => of_statuses(&mut conditions, FINISHED),
        Part::Delivered => of_statuses(&mut conditions, FINISHED),
        Part::Lost => of_statuses(&mut conditions, &[Status::Failed, Status::Cancelled]),
    }
    if lead != Lead::Type {
        conditions.bound("d.event", ">=", since);
        conditions.bound("d.event", "<", until);
    }
    if let Some(after) = after {
        let (event, webhook) = (rows::uuid(after.event.0), rows::uuid(after.webhook.0));
        if lead != Lead::Type {
            conditions.bound("d.event", "<=", Some(event));
        }
        conditions.before("d.event, d.webhook", [event, webhook]);
    }
    conditions
}

/// What a list shows, of each event that was found before; conditions are of its deliveries.
const OF_AN_EVENT: &str = "SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by, \
     d.attempts + d.late AS attempts, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at, \
     d.last_total_us, d.last_status, d.last_error \
     FROM led AS e CROSS JOIN LATERAL (SELECT * FROM deliveries AS d WHERE d.event = e.uid";

/// So that the table of the others is passed by.
const FINISHED: &[Status] = &[Status::Delivered, Status::Failed, Status::Cancelled];

fn last_delivery(row: &Row, column: usize) -> Result<Option<DeliveryId>> {
    let Some(event) = rows::get::<Option<Uuid>>(row, column)? else { return Ok(None) };
    let webhook: Uuid = rows::get(row, column + 1)?;
    let [event, webhook] = [event, webhook].map(|id| Uid(id.into_bytes()));
    Ok(Some(DeliveryId { event: EventUid(event), webhook: WebhookId(webhook) }))
}

/// Spelled out, so that the partial indexes can serve them, and of the two tables only the one is read
/// that may have them.
fn of_statuses(conditions: &mut Conditions, statuses: &[Status]) {
    let words: Vec<_> = statuses.iter().map(|s| format!("'{}'", s.as_str())).collect();
    match &words[..] {
        [] => {}
        [word] => conditions.raw(&format!("d.status = {word}")),
        words => conditions.raw(&format!("d.status IN ({})", words.join(", "))),
    }
}

pub(super) async fn newest(db: &Object, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>> {
    let webhooks: Vec<_> = ids.iter().map(|id| rows::uuid(id.0)).collect();
    let found = query(db, const { sql("newest") }, &[&webhooks]).await?;
    let found = found.iter().map(rows::delivery).collect::<Result<Vec<_>>>()?;
    let of: HashMap<_, _> = found.into_iter().map(|one| (one.id.webhook, one)).collect();
    Ok(ids.iter().map(|id| of.get(id).cloned()).collect())
}

pub(super) async fn deliveries(db: &Object, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
    let events: Vec<_> = ids.iter().map(|id| rows::uuid(id.event.0)).collect();
    let webhooks: Vec<_> = ids.iter().map(|id| rows::uuid(id.webhook.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&events) else { return Ok(Vec::new()) };
    let read = const { sql("deliveries") };
    query(db, read, &[&events, &webhooks, &low, &high]).await?.iter().map(rows::delivery).collect()
}

pub(super) async fn delivery(db: &impl GenericClient, id: DeliveryId) -> Result<Option<Delivery>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let found = query(db, const { sql("delivery") }, &[&event, &webhook]).await?;
    found.first().map(rows::delivery).transpose()
}

/// One statement: the delivery and its attempts are of one moment.
pub(super) async fn history(
    db: &Object,
    id: DeliveryId,
    limit: u32,
) -> Result<Option<(Delivery, Vec<Attempt>)>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let history = const { sql("history") };
    let found = query(db, history, &[&event, &webhook, &i64::from(limit)]).await?;
    let Some(delivery) = found.first().map(rows::delivery).transpose()? else { return Ok(None) };
    let attempts = found.iter().filter_map(|row| rows::attempt(row).transpose());
    Ok(Some((delivery, attempts.collect::<Result<_>>()?)))
}

/// Ids sort by their time, so a bound on acceptance is a bound on ids.
fn floor(time: Timestamp) -> Uuid {
    // A bound within a millisecond belongs to the next one: ids know milliseconds.
    rows::uuid(Uid::floor(time.0.saturating_add(999).div_euclid(1_000)))
}

/// Whether the server answers and takes writes.
pub(super) async fn check(db: &Object) -> Result<()> {
    let found = query(db, const { sql("check") }, &[]).await?;
    match found.first().map(|row| rows::get(row, 0)).transpose()? {
        Some(false) => Ok(()),
        Some(true) | None => Err(Failure::Unavailable("the server takes no writes".into())),
    }
}
