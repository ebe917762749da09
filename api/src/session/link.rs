//! Links that open the dashboard once, for who just started a server or has a key in a terminal: no key
//! is typed into a page, and what stays in a terminal's history is worth nothing after an hour.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::id::WorkerId;
use model::key::{Key, KeyHash};
use model::secret::{MasterKeys, Sealed};
use model::time::Timestamp;
use store::world;

use crate::App;
use crate::problem::ApiError;

/// How long a link can be used.
const LINK_TIME: Duration = Duration::from_secs(60 * 60);
/// How long it is remembered that it was: longer than the link lives by the clock of any process,
/// though that be off by as much again.
const REMEMBERED_FOR: Duration = Duration::from_secs(2 * 60 * 60);
/// Longer than any token.
const TOKEN_BYTES_MAX: usize = 256;
/// Nothing else that is encrypted has a context that begins so.
const CONTEXT: &[u8] = b"link\0";

/// What a link's token holds, encrypted with the master keys.
pub struct Link {
    pub until: Timestamp,
    /// Of the key for which it stands.
    hash: KeyHash,
    /// By which it is told from all others.
    name: [u8; 16],
}

impl Link {
    /// For whom this key would let in.
    pub fn new(hash: KeyHash, now: Timestamp) -> Self {
        Self { until: now + LINK_TIME, hash, name: world::random_bytes() }
    }

    pub fn token(&self, master_keys: &MasterKeys) -> String {
        let plain = [&self.until.0.to_be_bytes()[..], &self.hash.0, &self.name].concat();
        let sealed = master_keys.seal(&plain, CONTEXT, world::random_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(sealed.0)
    }

    fn open(token: &str, master_keys: &MasterKeys) -> Option<Self> {
        // The decoder allocates by the length it is given.
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let sealed = Sealed(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?);
        let plain = master_keys.open(&sealed, CONTEXT).ok()?;
        let (until, rest) = plain.split_first_chunk::<8>()?;
        let (hash, name) = rest.split_first_chunk::<32>()?;
        Some(Self {
            until: Timestamp(i64::from_be_bytes(*until)),
            hash: KeyHash(*hash),
            name: name.try_into().ok()?,
        })
    }
}

/// Where a link leads. What follows the # never leaves the browser: it is in no log of a proxy and in no
/// Referer.
pub fn path(token: &str) -> String {
    format!("/dashboard/login#{token}")
}

/// Uses a link up; returns the key for which it stands.
///
/// A link is used by taking a duty of its name, as a worker that nobody was before and nobody will be
/// again. A duty is one worker's until its time is over, whichever process asks, so the first to
/// ask gets it and all others are told that it is taken. When its time is over, so is the link's,
/// which is looked at before. With SQLite a loss of power may take the last tenth of a second along, and
/// with it that a link was used; whoever has it then would have had to have it before.
///
/// # Errors
/// `link_used`, whatever is the matter with it.
pub async fn redeem(app: &App, token: &str) -> Result<Arc<Key>, ApiError> {
    let used = || ApiError::new("link_used", "this link was used, or is more than an hour old");
    let now = app.clock.now();
    let link = Link::open(token, &app.master_keys).filter(|link| now < link.until);
    let link = link.ok_or_else(used)?;
    let key = app.auth.key(app, link.hash).await?.ok_or_else(used)?;
    let duty = format!("link:{}", BASE64_URL_SAFE_NO_PAD.encode(link.name));
    let nobody = WorkerId(world::new_uid(now));
    let first = app.store.lead(&duty, nobody, REMEMBERED_FOR).await?;
    if first { Ok(key) } else { Err(used()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_787_392_800_000_000);

    #[test]
    fn a_token_is_read_with_the_key_that_made_it_alone() {
        let keys = MasterKeys::from_bytes([1; 32]);
        let link = Link::new(KeyHash::of("a key"), NOW);
        let token = link.token(&keys);
        let read = Link::open(&token, &keys).expect("one of ours");
        assert_eq!((read.until, read.name), (NOW + LINK_TIME, link.name));
        assert!(read.hash.matches(&KeyHash::of("a key")));
        assert!(Link::open(&token, &MasterKeys::from_bytes([2; 32])).is_none());
        assert_ne!(link.name, Link::new(KeyHash::of("a key"), NOW).name);
        for text in ["", "x", &token[1..], &format!("{token}AAAA"), &"A".repeat(1 << 20)] {
            assert!(Link::open(text, &keys).is_none(), "{text:.30}");
        }
    }

    #[test]
    fn a_link_is_remembered_for_longer_than_it_lives() {
        assert!(REMEMBERED_FOR >= LINK_TIME * 2);
    }
}
