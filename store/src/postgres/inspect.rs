//! What an operator should know about the server, found without changing anything.

use std::time::Duration;

use model::id::{Uid, WebhookId};
use model::time::Timestamp;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::connect::Server;
use super::{OpenError, VERSION_MIN, migrations};
use crate::SealedSample;

/// Whoever asks waits for the answer.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that was reached.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Without user and password.
    pub place: String,
    pub version: String,
    /// Older than what Postrider runs on.
    pub is_too_old: bool,
    /// Whether what it says is written is on the disk.
    pub has_fsync: bool,
    /// As it holds for a session of Postrider's, which asks for `on`.
    pub synchronous_commit: String,
    pub connections_max: i32,
    /// Those of them that only superusers get.
    pub connections_reserved: i32,
    /// In use now, this one included.
    pub connections_used: i64,
    pub is_migrated: bool,
    /// The newest migration that was applied; none: no tables yet.
    pub migration: Option<i32>,
    pub webhooks: i64,
    /// None if there is no webhook, or its row cannot be read.
    pub sample: Option<SealedSample>,
    /// Its clock.
    pub now: Timestamp,
}

pub(super) async fn inspect(url: &str) -> Result<Inspection, OpenError> {
    let server = Server::parse(url, STATEMENT_TIMEOUT)?;
    let unreachable = |e| migrations::unreachable(&server, &e);
    let (client, _) = server.connect().await.map_err(unreachable)?;
    let about = About::of(&client).await.map_err(unreachable)?;
    let (migration, wanted) = migrations::standing(&client).await.map_err(unreachable)?;
    let asked = "SELECT current_setting('synchronous_commit'), \
                 current_setting('max_connections')::integer, \
                 current_setting('superuser_reserved_connections')::integer, \
                 (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database), \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let row = client.query_one(asked, &[]).await.map_err(unreachable)?;
    // Tables of another version may be others.
    let (webhooks, sample) = match migration {
        Some(_) => encrypted(&client).await.unwrap_or_default(),
        None => (0, None),
    };
    let read = || {
        Ok(Inspection {
            place: server.to_string(),
            is_too_old: about.is_too_old(),
            version: about.version,
            has_fsync: about.has_fsync,
            synchronous_commit: row.try_get(0)?,
            connections_max: row.try_get(1)?,
            connections_reserved: row.try_get(2)?,
            connections_used: row.try_get(3)?,
            is_migrated: migration >= wanted,
            migration,
            webhooks,
            sample,
            now: Timestamp(row.try_get(4)?),
        })
    };
    read().map_err(unreachable)
}

async fn encrypted(client: &Client) -> Result<(i64, Option<SealedSample>), Error> {
    let count = "SELECT count(*) FROM webhooks WHERE deleted_at IS NULL";
    let count = client.query_one(count, &[]).await?.try_get(0)?;
    let newest = "SELECT tenant, id, secrets FROM webhooks WHERE deleted_at IS NULL \
                  ORDER BY id DESC LIMIT 1";
    let Some(row) = client.query_opt(newest, &[]).await? else { return Ok((count, None)) };
    let (tenant, secrets): (&str, &str) = (row.try_get(0)?, row.try_get(2)?);
    let id = WebhookId(Uid(row.try_get::<_, Uuid>(1)?.into_bytes()));
    Ok((count, SealedSample::read(tenant, id, secrets)))
}

/// What decides whether it can be used at all.
pub(super) struct About {
    version_num: i32,
    pub(super) version: String,
    pub(super) has_fsync: bool,
}

impl About {
    pub(super) async fn of(client: &Client) -> Result<Self, Error> {
        let asked = "SELECT current_setting('server_version_num')::integer, \
                     current_setting('server_version'), current_setting('fsync')";
        let row = client.query_one(asked, &[]).await?;
        Ok(Self {
            version_num: row.try_get(0)?,
            version: row.try_get(1)?,
            has_fsync: row.try_get::<_, &str>(2)? == "on",
        })
    }

    pub(super) fn is_too_old(&self) -> bool {
        self.version_num < VERSION_MIN
    }
}
