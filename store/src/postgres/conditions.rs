use model::delivery::Status;
use model::tenant::Tenant;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use super::rows::Result;
use crate::listed::{Entry, Listed, Most};

/// The statement of a list, which ends in `WHERE …` and gains conditions as they are given. It is not
/// kept prepared: it has many forms, and people ask rarely.
///
/// The first filter that is given leads: the list is read from the index that begins with its column
/// and goes on by id. To a planner a list by id that leaves out the others looks as good, and would
/// read all there is for what is rare. So the filter is said as a range, which does not tell it that
/// the column is constant, and the list is in the order of the column first.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Value>,
    lead: Option<Lead>,
    /// The statement of those that the list has something of each of.
    led: Option<String>,
}

/// How a part of a list is read.
pub(super) struct Read {
    pub(super) newest_first: &'static str,
    /// The columns that a list is in the order of.
    pub(super) key: &'static str,
    pub(super) most: Most,
}

/// What no index has together with what leads: it is looked for.
#[derive(Clone, Default)]
pub(super) struct Rest {
    equal: Vec<(&'static str, Value)>,
    raw: Vec<String>,
}

impl Rest {
    pub(super) fn is<V: Into<Value>>(&mut self, column: &'static str, value: Option<V>) {
        self.equal.extend(value.map(|value| (column, value.into())));
    }

    pub(super) fn is_one_of(&mut self, column: &str, statuses: &[Status]) {
        let words: Vec<_> = statuses.iter().map(|s| format!("'{}'", s.as_str())).collect();
        self.raw.push(format!("{column} IN ({})", words.join(", ")));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.equal.is_empty() && self.raw.is_empty()
    }
}

struct Lead {
    column: &'static str,
    /// Where its value is.
    place: String,
    /// The column of ids beside it.
    id: &'static str,
}

#[derive(Clone)]
pub(super) enum Value {
    Id(Uuid),
    Text(String),
    Number(i64),
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Value::Id(id)
    }
}

impl From<&Tenant> for Value {
    fn from(tenant: &Tenant) -> Self {
        Value::Text(tenant.as_str().to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Value::Id(id) => (id, Type::UUID),
            Value::Text(text) => (text, Type::TEXT),
            Value::Number(number) => (number, Type::INT8),
        }
    }
}

impl Conditions {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new(), lead: None, led: None }
    }

    /// A list of what belongs to each that this one finds, which is called `led` there, `most` of them. It
    /// ends in a lateral `(SELECT … WHERE …`, which gains the conditions, and is in their order.
    pub(super) fn of_each(mut self, newest_first: &str, most: u32, sql: &str) -> Self {
        self.order(newest_first, most);
        Self { sql: sql.to_owned(), values: self.values, lead: None, led: Some(self.sql) }
    }

    /// `column` is the value, if there is one. `id`: what follows it in its index.
    pub(super) fn filter<V: Into<Value>>(
        &mut self,
        column: &'static str,
        id: &'static str,
        value: Option<V>,
    ) {
        let Some(value) = value else { return };
        let place = self.bind(value.into());
        // The index serves only who states its condition.
        let (table, _) = column.split_once('.').unwrap_or_default();
        self.raw(&format!("{table}.seq > 0"));
        if self.lead.is_none() {
            self.raw(&format!("{column} >= {place} AND {column} <= {place}"));
            self.lead = Some(Lead { column, place, id });
        } else {
            self.raw(&format!("{column} = {place}"));
        }
    }

    /// `AND <left> value`, if there is a value.
    pub(super) fn also<V: Into<Value>>(&mut self, left: &str, value: Option<V>) {
        if let Some(value) = value {
            let place = self.bind(value.into());
            self.raw(&format!("{left} {place}"));
        }
    }

    /// `AND <condition>`, with the value where its `{}` is.
    pub(super) fn holds<V: Into<Value>>(&mut self, condition: &str, value: V) {
        let place = self.bind(value.into());
        self.raw(&condition.replace("{}", &place));
    }

    /// A bound on ids, if there is one: said of `column`, so that it is known which partitions are looked
    /// at, and in the order of the index.
    pub(super) fn bound(&mut self, column: &str, comparison: &str, id: Option<Uuid>) {
        let Some(id) = id else { return };
        let place = self.bind(Value::Id(id));
        if let Some(Lead { column, place: value, id }) = &self.lead {
            let bound = format!("({column}, {id}) {comparison} ({value}, {place})");
            self.raw(&bound);
        }
        self.raw(&format!("{column} {comparison} {place}"));
    }

    /// `AND (<left>) < (values)`.
    pub(super) fn before<const N: usize>(&mut self, left: &str, values: [Uuid; N]) {
        let places = values.map(|value| self.bind(Value::Id(value)));
        self.raw(&format!("({left}) < ({})", places.join(", ")));
    }

    pub(super) fn raw(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// Where the value goes.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// A part of a list: what the rest holds of, of so many that are looked at.
    pub(super) async fn listed<T: Entry>(
        mut self,
        db: &impl GenericClient,
        Read { newest_first, key, most }: Read,
        rest: Option<Rest>,
        read: fn(&Row) -> Result<T>,
        last: fn(&Row, usize) -> Result<Option<T::Key>>,
    ) -> Result<Listed<T>> {
        let Some(rest) = rest else {
            return Ok(Listed::whole(self.query(db, newest_first, most.found, read).await?));
        };
        let looked_at = self.order(newest_first, most.looked_at);
        let mut holds = String::from("true");
        for (column, value) in rest.equal {
            let place = self.bind(value);
            holds.push_str(&format!(" AND {column} = {place}"));
        }
        rest.raw.iter().for_each(|raw| holds.push_str(&format!(" AND {raw}")));
        let found = self.bind(Value::Number(most.found.into()));
        let newest = key.replace(',', " DESC,");
        // Each is asked for once, whatever is found: how far was looked, if it was broken off.
        let until = |column: &str| {
            let at = format!("OFFSET {looked_at} - 1 LIMIT 1");
            let last = format!("(SELECT {column} FROM looked {at})");
            match (&self.led, column) {
                (None, _) => last,
                (Some(_), "event") => format!("coalesce({last}, (SELECT uid FROM led {at}))"),
                (Some(_), _) => format!("coalesce({last}, '{}')", Uuid::nil()),
            }
        };
        let until: Vec<_> = key.split(", ").map(until).collect();
        let led = self.led.as_ref().map(|led| format!("led AS MATERIALIZED ({led}), "));
        // One row, at least, which says that.
        self.sql = format!(
            "WITH {}looked AS MATERIALIZED ({}) SELECT f.*, {} FROM (SELECT) AS one \
             LEFT JOIN (SELECT * FROM looked WHERE {holds} ORDER BY {newest} DESC LIMIT {found}) AS f \
             ON true",
            led.unwrap_or_default(),
            self.sql,
            until.join(", "),
        );
        let values: Vec<_> = self.values.iter().map(Value::typed).collect();
        let rows = db.query_typed(&self.sql, &values).await?;
        let columns = rows.first().map_or(0, |row| row.columns().len()) - key.split(',').count();
        let looked_until = rows.first().map_or(Ok(None), |row| last(row, columns))?;
        let is_one = |row: &&Row| !matches!(row.try_get::<_, Option<Uuid>>(0), Ok(None));
        let found = rows.iter().filter(is_one).map(read).collect::<Result<Vec<_>>>()?;
        let looked_until = looked_until.filter(|_| found.len() < most.found as usize);
        Ok(Listed { found, looked_until })
    }

    /// Ends the statement. Returns where its limit is.
    fn order(&mut self, newest_first: &str, limit: u32) -> String {
        let limit = self.bind(Value::Number(limit.into()));
        let lead = self.lead.as_ref().map(|lead| format!("{} DESC, ", lead.column));
        let lead = lead.unwrap_or_default();
        self.sql.push_str(&format!(" ORDER BY {lead}{newest_first} LIMIT {limit}"));
        if self.led.is_some() {
            self.sql.push_str(&format!(") AS d LIMIT {limit}"));
        }
        limit
    }

    pub(super) async fn query<T>(
        mut self,
        db: &impl GenericClient,
        newest_first: &str,
        limit: u32,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.order(newest_first, limit);
        let values: Vec<_> = self.values.iter().map(Value::typed).collect();
        db.query_typed(&self.sql, &values).await?.iter().map(read).collect()
    }
}
