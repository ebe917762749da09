use model::attempt::Attempt;
use model::event::Event;
use model::id::{DeliveryId, EventUid, Uid};
use model::tenant::Tenant;
use model::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params, params_from_iter};

use super::{rows, sql};
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
    limit: u32,
) -> Result<Vec<Event>> {
    let mut conditions = Conditions::new(const { sql("list_events") });
    conditions.also("tenant =", filter.tenant.as_ref().map(|t| t.as_str().to_owned()));
    conditions.also("type =", filter.event_type.clone());
    conditions.also("uid >=", filter.since.map(floor));
    conditions.also("uid <", filter.until.map(floor));
    conditions.also("uid <", after.map(|uid| uid.0.0.to_vec()));
    conditions.query(db, "ORDER BY uid DESC", limit, rows::event)
}

pub(super) fn list_deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
    conditions.also("d.webhook =", filter.webhook.map(|id| id.0.0.to_vec()));
    conditions.also("d.event =", filter.event.map(|id| id.0.0.to_vec()));
    conditions.also("d.tenant =", filter.tenant.as_ref().map(|t| t.as_str().to_owned()));
    conditions.also("e.type =", filter.event_type.clone());
    conditions.also("d.event >=", filter.since.map(floor));
    conditions.also("d.event <", filter.until.map(floor));
    if let [status] = filter.statuses[..] {
        // Spelled out, so that the partial index of the failed ones can serve it.
        conditions.raw(&format!("d.status = '{}'", status.as_str()));
    } else if !filter.statuses.is_empty() {
        let words: Vec<_> = filter.statuses.iter().map(|s| format!("'{}'", s.as_str())).collect();
        conditions.raw(&format!("d.status IN ({})", words.join(", ")));
    }
    if let Some(after) = after {
        let (event, webhook) = (after.event.0.0.to_vec(), after.webhook.0.0.to_vec());
        conditions.also_all("(d.event, d.webhook) < (?, ?)", [event, webhook]);
    }
    conditions.query(db, "ORDER BY d.event DESC, d.webhook DESC", limit, rows::delivery)
}

pub(super) fn deliveries(db: &Connection, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
    let found = ids.iter().map(|id| delivery(db, *id));
    found.filter_map(Result::transpose).collect()
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> Result<Option<Delivery>> {
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
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
