use deadpool_postgres::Object;
use model::tenant::Tenant;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::rows::Result;

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
}

struct Lead {
    column: &'static str,
    /// Where its value is.
    place: String,
    /// The column of ids beside it.
    id: &'static str,
}

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
        Self { sql: sql.to_owned(), values: Vec::new(), lead: None }
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

    pub(super) async fn query<T>(
        mut self,
        db: &Object,
        newest_first: &str,
        limit: u32,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let limit = self.bind(Value::Number(limit.into()));
        let lead = self.lead.map(|lead| format!("{} DESC, ", lead.column)).unwrap_or_default();
        self.sql.push_str(&format!(" ORDER BY {lead}{newest_first} LIMIT {limit}"));
        let values: Vec<_> = self.values.iter().map(Value::typed).collect();
        db.query_typed(&self.sql, &values).await?.iter().map(read).collect()
    }
}
