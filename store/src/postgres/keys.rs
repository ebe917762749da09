use deadpool_postgres::Object;
use model::id::KeyId;
use model::key::{Key, KeyHash};

use super::batch::{execute, query};
use super::rows::{self, Result, prose};
use super::sql;

/// Of two processes that put the same key at once, one may meet the other's by its hash before it does
/// by its id; then the other's is there.
pub(super) async fn put(db: &Object, key: &Key) -> Result<()> {
    match put_once(db, key).await {
        Err(e) if e.is_taken() => put_once(db, key).await,
        put => put,
    }
}

async fn put_once(db: &Object, key: &Key) -> Result<()> {
    let tenant = key.role.tenant().map(|tenant| tenant.as_str());
    execute(
        db,
        const { sql("put_key") },
        &[
            &rows::uuid(key.id.0),
            &prose(&key.name),
            &key.role.as_str(),
            &tenant,
            &&key.hash.0[..],
            &key.created_at.0,
        ],
    )
    .await?;
    Ok(())
}

/// Found by an index, then compared in constant time: what an index gives away of a SHA-256 says
/// nothing about the key.
pub(super) async fn find(db: &Object, hash: &KeyHash) -> Result<Option<Key>> {
    let found = query(db, const { sql("key") }, &[&&hash.0[..]]).await?;
    let found = found.first().map(rows::key).transpose()?;
    Ok(found.filter(|key| key.hash.matches(hash)))
}

pub(super) async fn all(db: &Object) -> Result<Vec<Key>> {
    query(db, const { sql("keys") }, &[]).await?.iter().map(rows::key).collect()
}

pub(super) async fn delete(db: &Object, id: KeyId) -> Result<bool> {
    Ok(execute(db, const { sql("delete_key") }, &[&rows::uuid(id.0)]).await? > 0)
}
