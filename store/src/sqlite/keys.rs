use model::id::KeyId;
use model::key::{Key, KeyHash};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{rows, sql};

pub(super) fn put(db: &Connection, key: &Key) -> Result<()> {
    db.prepare_cached(const { sql("put_key") })?
        .execute(params![
            key.id.0.as_bytes(),
            key.name,
            key.role.as_str(),
            key.role.tenant().map(|t| t.as_str()),
            key.hash.0,
            key.created_at.0
        ])
        .map(drop)
}

/// Found by an index, then compared in constant time: what an index gives away of a SHA-256 says
/// nothing about the key.
pub(super) fn find(db: &Connection, hash: &KeyHash) -> Result<Option<Key>> {
    let found =
        db.prepare_cached(const { sql("key") })?.query_row([hash.0], rows::key).optional()?;
    Ok(found.filter(|key| key.hash.matches(hash)))
}

pub(super) fn all(db: &Connection) -> Result<Vec<Key>> {
    db.prepare_cached(const { sql("keys") })?.query_map([], rows::key)?.collect()
}

pub(super) fn delete(db: &Connection, id: KeyId) -> Result<bool> {
    let deleted = db.prepare_cached(const { sql("delete_key") })?.execute([id.0.as_bytes()])?;
    Ok(deleted > 0)
}
