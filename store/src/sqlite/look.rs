use model::attempt::Attempt;
use model::delivery::Status;
use model::event::Event;
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::tenant::Tenant;
use model::time::Timestamp;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params, params_from_iter};

use super::{rows, sql};
use crate::listed::{Entry, Listed, Most};
use crate::store::{Delivery, DeliveryFilter, EventFilter};

pub(super) fn event(db: &Connection, tenant: &Tenant, id: &str) -> Result<Option<Event>> {
    if let Some(uid) = EventUid::parse(id) {
        return db
            .prepare_cached(const { sql("event_by_uid") })?
            .query_row([uid.0.as_bytes()], rows::event)
            .optional();
    }
    db.prepare_cached(const { sql("event_by_id") })?
        .query_row([tenant.as_str(), id], rows::event)
        .optional()
}

pub(super) fn list_events(
    db: &Connection,
    filter: &EventFilter,
    after: Option<EventUid>,
    most: Most,
) -> Result<Listed<Event>> {
    // How far it came tells of what was looked at: of a tenant, nothing but its own.
    let lead = match (&filter.tenant, &filter.event_type) {
        (Some(_), _) => "INDEXED BY events_tenant",
        (None, Some(_)) => "INDEXED BY events_type",
        (None, None) => "",
    };
    furthest(&[lead], most, |lead, most| {
        let mut conditions = Conditions::new(const { sql("list_events") });
        conditions.sql.push_str(&format!(" {lead} WHERE 1"));
        match *lead {
            "INDEXED BY events_tenant" => conditions.also("tenant =", tenant_of(&filter.tenant)),
            "INDEXED BY events_type" => conditions.also("type =", filter.event_type.clone()),
            _ => {}
        }
        conditions.also("uid >=", filter.since.map(floor));
        conditions.also("uid <", filter.until.map(floor));
        conditions.also("uid <", after.map(|uid| uid.0.0.to_vec()));
        let is_of = |row: &Row| {
            Ok(is(row, 1, filter.tenant.as_ref().map(Tenant::as_str))?
                && is(row, 3, filter.event_type.as_deref())?)
        };
        let key = |row: &Row| rows::uid(row, 0).map(EventUid);
        conditions.walk(db, "ORDER BY uid DESC", most, is_of, key, rows::event)
    })
}

/// An index that a list of deliveries is read by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// Those of an event: all of them are wanted, as a rule.
    Event,
    Webhook,
    /// Of what failed, was cancelled or is tried again.
    Lost,
    TenantLost,
    /// The events of a tenant, and of each its deliveries. One that has none is looked at too.
    Tenant,
    Type,
    All,
}

impl Lead {
    fn from(self) -> &'static str {
        match self {
            Lead::Event | Lead::All => {
                " FROM deliveries d NOT INDEXED CROSS JOIN events e ON e.seq = d.seq WHERE 1"
            }
            Lead::Webhook => {
                " FROM deliveries d INDEXED BY deliveries_webhook \
                 CROSS JOIN events e ON e.seq = d.seq WHERE 1"
            }
            Lead::Lost => {
                " FROM deliveries d INDEXED BY deliveries_lost CROSS JOIN events e ON e.seq = d.seq \
                 WHERE d.status <> 'delivered' AND d.status <> 'pending'"
            }
            Lead::TenantLost => {
                " FROM deliveries d INDEXED BY deliveries_tenant_lost \
                 CROSS JOIN events e ON e.seq = d.seq \
                 WHERE d.status <> 'delivered' AND d.status <> 'pending'"
            }
            Lead::Tenant => {
                " FROM events e INDEXED BY events_tenant \
                 LEFT JOIN deliveries d NOT INDEXED ON d.event = e.uid WHERE 1"
            }
            Lead::Type => {
                " FROM events e INDEXED BY events_type \
                 LEFT JOIN deliveries d NOT INDEXED ON d.event = e.uid WHERE 1"
            }
        }
    }

    fn is_by_events(self) -> bool {
        matches!(self, Lead::Tenant | Lead::Type)
    }
}

pub(super) fn newest(db: &Connection, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>> {
    let newest = |id: &WebhookId| {
        let filter = DeliveryFilter { webhook: Some(*id), ..DeliveryFilter::default() };
        Ok(list_deliveries(db, &filter, None, Most::found(1))?.found.pop())
    };
    ids.iter().map(newest).collect()
}

pub(super) fn list_deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
    most: Most,
) -> Result<Listed<Delivery>> {
    // A webhook has one tenant: how far it was looked through is for that one alone.
    if let (Some(id), Some(tenant)) = (filter.webhook, &filter.tenant)
        && newest(db, &[id])?.pop().flatten().is_none_or(|newest| newest.tenant != *tenant)
    {
        return Ok(Listed::whole(Vec::new()));
    }
    let is_lost = |status: Status| !matches!(status, Status::Delivered | Status::Pending);
    let lists = |statuses: &[Status]| {
        let lost = matches!(*statuses, [status] if is_lost(status));
        furthest(&leads(filter, lost), most, |lead, most| {
            by_lead(db, filter, statuses, *lead, after, most)
        })
    };
    // Each of these has its own part of an index.
    let apart = filter.statuses.len() > 1 && !filter.statuses.contains(&Status::Delivered);
    if !apart || filter.event.is_some() || filter.webhook.is_some() {
        return lists(&filter.statuses);
    }
    let mut statuses = filter.statuses.clone();
    statuses.sort_unstable_by_key(|status| status.as_str());
    statuses.dedup();
    // As of one moment: what goes from one to the other meanwhile would be in neither.
    let each = snapshot(db, || {
        statuses.iter().map(|status| lists(&[*status])).collect::<Result<Vec<_>>>()
    })?;
    Ok(Listed::merged(each, most.found))
}

/// The indexes that a list may be read by.
fn leads(filter: &DeliveryFilter, lost: bool) -> Vec<Lead> {
    if filter.event.is_some() {
        return vec![Lead::Event];
    }
    if filter.webhook.is_some() {
        return vec![Lead::Webhook];
    }
    match (&filter.tenant, &filter.event_type) {
        (Some(_), _) if lost => vec![Lead::TenantLost],
        (Some(_), _) => vec![Lead::Tenant],
        (None, Some(_)) if lost => vec![Lead::Lost, Lead::Type],
        (None, Some(_)) => vec![Lead::Type],
        (None, None) if lost => vec![Lead::Lost],
        (None, None) => vec![Lead::All],
    }
}

fn by_lead(
    db: &Connection,
    filter: &DeliveryFilter,
    statuses: &[Status],
    lead: Lead,
    after: Option<DeliveryId>,
    most: Most,
) -> Result<Listed<Delivery>> {
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
    conditions.sql.push_str(lead.from());
    match lead {
        Lead::Event => conditions.also("d.event =", filter.event.map(|id| id.0.0.to_vec())),
        Lead::Webhook => conditions.also("d.webhook =", filter.webhook.map(|id| id.0.0.to_vec())),
        Lead::TenantLost => conditions.also("d.tenant =", tenant_of(&filter.tenant)),
        Lead::Tenant => conditions.also("e.tenant =", tenant_of(&filter.tenant)),
        Lead::Type => conditions.also("e.type =", filter.event_type.clone()),
        Lead::Lost | Lead::All => {}
    }
    if let (Lead::Lost | Lead::TenantLost, [status]) = (lead, statuses) {
        conditions.also("d.status =", Some(status.as_str().to_owned()));
    }
    let event = if lead.is_by_events() { "e.uid" } else { "d.event" };
    conditions.also(&format!("{event} >="), filter.since.map(floor));
    conditions.also(&format!("{event} <"), filter.until.map(floor));
    if let Some(after) = after {
        let (uid, webhook) = (after.event.0.0.to_vec(), after.webhook.0.0.to_vec());
        if lead.is_by_events() {
            conditions.also("e.uid <=", Some(uid.clone()));
            let first = "(e.uid, coalesce(d.webhook, zeroblob(16))) < (?, ?)";
            conditions.also_all(first, [uid, webhook]);
        } else {
            conditions.also_all("(d.event, d.webhook) < (?, ?)", [uid, webhook]);
        }
    }
    let [uid, webhook] = [filter.event.map(|id| id.0), filter.webhook.map(|id| id.0)];
    let is_of = |row: &Row| {
        let is_id = |column, id: Option<Uid>| -> Result<bool> {
            Ok(id.is_none() || id == Some(rows::uid(row, column)?))
        };
        if !has_delivery(row)? {
            return Ok(false);
        }
        let status = rows::text(row, 6)?;
        Ok((statuses.is_empty() || statuses.iter().any(|one| one.as_str() == status))
            && is_id(0, uid)?
            && is_id(1, webhook)?
            && is(row, 2, filter.tenant.as_ref().map(Tenant::as_str))?
            && is(row, 4, filter.event_type.as_deref())?)
    };
    let key = |row: &Row| {
        // After all that the event could have.
        let webhook = if has_delivery(row)? { rows::uid(row, 1)? } else { Uid([0; 16]) };
        Ok(DeliveryId { event: EventUid(rows::uid(row, UID)?), webhook: WebhookId(webhook) })
    };
    // What an event has is bounded, and looked at to its end.
    let looked_at = if lead == Lead::Event { u32::MAX } else { most.looked_at };
    let (order, most) =
        (format!("ORDER BY {event} DESC, d.webhook DESC"), Most { looked_at, ..most });
    conditions.walk(db, &order, most, is_of, key, rows::delivery)
}

/// Reads a list by one index after the other, until one of them has it whole; otherwise it is the list of
/// the one that came furthest.
fn furthest<L, T: Entry>(
    leads: &[L],
    most: Most,
    read: impl Fn(&L, Most) -> Result<Listed<T>>,
) -> Result<Listed<T>> {
    let mut best: Option<Listed<T>> = None;
    'looking: for most in most.steps() {
        for lead in leads {
            if Listed::keep_further(&mut best, read(lead, most)?) {
                break 'looking;
            }
        }
    }
    Ok(best.unwrap_or_else(|| Listed::whole(Vec::new())))
}

/// The event of a row, which has a delivery or none.
const UID: usize = 18;

fn has_delivery(row: &Row) -> Result<bool> {
    Ok(row.get_ref(0)? != ValueRef::Null)
}

fn tenant_of(tenant: &Option<Tenant>) -> Option<String> {
    tenant.as_ref().map(|tenant| tenant.as_str().to_owned())
}

/// Whether a column is what is wanted, if something is.
fn is(row: &Row, column: usize, wanted: Option<&str>) -> Result<bool> {
    match wanted {
        Some(wanted) => Ok(rows::text(row, column)? == wanted),
        None => Ok(true),
    }
}

pub(super) fn deliveries(db: &Connection, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
    let found = ids.iter().map(|id| delivery(db, *id));
    found.filter_map(Result::transpose).collect()
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> Result<Option<Delivery>> {
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
    conditions.sql.push_str(Lead::Event.from());
    conditions.also("d.event =", Some(id.event.0.0.to_vec()));
    conditions.also("d.webhook =", Some(id.webhook.0.0.to_vec()));
    Ok(conditions.query(db, "", 1, rows::delivery)?.pop())
}

pub(super) fn history(
    db: &Connection,
    id: DeliveryId,
    limit: u32,
) -> Result<Option<(Delivery, Vec<Attempt>)>> {
    snapshot(db, || match delivery(db, id)? {
        Some(delivery) => Ok(Some((delivery, attempts(db, id, limit)?))),
        None => Ok(None),
    })
}

/// Reads everything in `f` as of one moment.
pub(super) fn snapshot<T>(db: &Connection, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let transaction = db.unchecked_transaction()?;
    let read = f()?;
    transaction.commit()?;
    Ok(read)
}

fn attempts(db: &Connection, id: DeliveryId, limit: u32) -> Result<Vec<Attempt>> {
    db.prepare_cached(const { sql("attempts") })?
        .query_map(params![id.event.0.as_bytes(), id.webhook.0.as_bytes(), limit], rows::attempt)?
        .collect()
}

/// Ids sort by their time, so a bound on acceptance is a bound on ids.
fn floor(time: Timestamp) -> Vec<u8> {
    // A bound within a millisecond belongs to the next one: ids know milliseconds.
    Uid::floor(time.0.saturating_add(999).div_euclid(1_000)).0.to_vec()
}

/// A statement that ends in `WHERE …` and gains conditions as they are given.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// `AND <left> value`, if there is a value.
    pub(super) fn also<V: Into<Value>>(&mut self, left: &str, value: Option<V>) {
        if let Some(value) = value {
            self.raw(&format!("{left} ?"));
            self.values.push(value.into());
        }
    }

    pub(super) fn also_all<V: Into<Value>, const N: usize>(
        &mut self,
        condition: &str,
        values: [V; N],
    ) {
        self.raw(condition);
        self.values.extend(values.map(Into::into));
    }

    pub(super) fn raw(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// Reads entries in order until enough of them are what is wanted, or so many were looked at.
    pub(super) fn walk<T: Entry>(
        mut self,
        db: &Connection,
        order: &str,
        most: Most,
        is_wanted: impl Fn(&Row) -> Result<bool>,
        key: impl Fn(&Row) -> Result<T::Key>,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Listed<T>> {
        self.sql.push_str(&format!(" {order}"));
        let mut statement = db.prepare_cached(&self.sql)?;
        let mut entries = statement.query(params_from_iter(self.values))?;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        while let Some(row) = entries.next()? {
            looked_at += 1;
            if is_wanted(row)? {
                found.push(read(row)?);
            }
            if found.len() >= most.found as usize {
                break;
            }
            if looked_at >= most.looked_at {
                return Ok(Listed { found, looked_until: Some(key(row)?) });
            }
        }
        Ok(Listed::whole(found))
    }

    pub(super) fn query<T>(
        mut self,
        db: &Connection,
        order: &str,
        limit: u32,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.sql.push_str(&format!(" {order} LIMIT {limit}"));
        db.prepare_cached(&self.sql)?.query_map(params_from_iter(self.values), read)?.collect()
    }
}
