use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::rows::Result;

/// A statement that ends in `WHERE …` and gains conditions as they are given. It is not kept
/// prepared: it has many forms, and people ask rarely.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Value>,
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
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// `AND <left> value`, if there is a value.
    pub(super) fn also<V: Into<Value>>(&mut self, left: &str, value: Option<V>) {
        if let Some(value) = value {
            let place = self.bind(value.into());
            self.raw(&format!("{left} {place}"));
        }
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
        order: &str,
        limit: u32,
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let limit = self.bind(Value::Number(limit.into()));
        self.sql.push_str(&format!(" {order} LIMIT {limit}"));
        let values: Vec<_> = self.values.iter().map(Value::typed).collect();
        db.query_typed(&self.sql, &values).await?.iter().map(read).collect()
    }
}
