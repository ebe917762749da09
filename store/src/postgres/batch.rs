//! Named statements, and what batches of ids have in common.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// What a statement is run with.
pub(super) type Values<'v, const N: usize> = [&'v (dyn ToSql + Sync); N];

/// Runs a statement that is prepared once a connection.
pub(super) async fn query(
    db: &impl GenericClient,
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = db.prepare_cached(sql).await?;
    db.query(&statement, values).await
}

/// The same, for the number of rows it changed.
pub(super) async fn execute(
    db: &impl GenericClient,
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, Error> {
    let statement = db.prepare_cached(sql).await?;
    db.execute(&statement, values).await
}

/// The first and the last id of a batch: only partitions between them are looked at.
pub(super) struct Bounds {
    pub(super) low: Uuid,
    pub(super) high: Uuid,
}

impl Bounds {
    /// None of nothing.
    pub(super) fn of(ids: &[Uuid]) -> Option<Self> {
        Some(Self { low: *ids.iter().min()?, high: *ids.iter().max()? })
    }
}
