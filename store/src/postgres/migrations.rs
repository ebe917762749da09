//! The tables, and whether they are those this version knows.

use std::time::Duration;

use tokio_postgres::Client;

use super::OpenError;
use super::connect::Server;
use super::failure::text;

/// What migrations, and the making of partitions, hold while they change tables.
pub(super) const TABLES_LOCK: i64 = 0x706f_7374_7269_6465;
/// Rebuilding a large table takes its time.
const STATEMENT_TIMEOUT: Duration = Duration::ZERO;

mod embedded {
    refinery::embed_migrations!("../migrations/postgres");
}

/// Brings the tables up to date. Of several processes that do so at once, one does it and the
/// others wait. Tables of a newer version are left as they are: migrations only add.
pub(super) async fn migrate(url: &str) -> Result<(), OpenError> {
    let server = Server::parse(url, STATEMENT_TIMEOUT)?;
    let (mut client, _) = server.connect().await.map_err(|e| unreachable(&server, &e))?;
    // Held until the connection ends.
    client
        .execute("SELECT pg_advisory_lock($1)", &[&TABLES_LOCK])
        .await
        .map_err(|e| unreachable(&server, &e))?;
    embedded::migrations::runner()
        .set_abort_missing(false)
        .run_async(&mut client)
        .await
        .map(drop)
        .map_err(|e| OpenError::Tables(server.to_string(), causes(&e)))
}

/// Whether the tables are at least as new as this version.
pub(super) async fn check(client: &Client, server: &Server) -> Result<(), OpenError> {
    let (found, wanted) = standing(client).await.map_err(|e| unreachable(server, &e))?;
    if found < wanted { Err(OpenError::NotMigrated(server.to_string())) } else { Ok(()) }
}

/// The newest migration that was applied, and the newest that this version knows.
pub(super) async fn standing(
    client: &Client,
) -> Result<(Option<i32>, Option<i32>), tokio_postgres::Error> {
    let wanted = embedded::migrations::runner();
    let wanted = wanted.get_migrations().iter().map(refinery::Migration::version).max();
    let history = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client.query_one(history, &[]).await?.try_get::<_, bool>(0)? {
        return Ok((None, wanted));
    }
    let newest = "SELECT max(version) FROM refinery_schema_history";
    Ok((client.query_one(newest, &[]).await?.try_get(0)?, wanted))
}

pub(super) fn unreachable(server: &Server, error: &tokio_postgres::Error) -> OpenError {
    OpenError::Server(server.to_string(), text(error))
}

fn causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", causes(cause)),
        None => error.to_string(),
    }
}
