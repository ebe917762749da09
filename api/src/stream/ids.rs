//! The ids of a stream's messages. Each holds where its reader stood, encrypted: how many events there
//! are is nobody's business but those who may see all of them, and a place that somebody made up would
//! have the store look through everything since. An id opens with any of the master keys, so in every
//! process of a fleet, and only for whom it was made: for one tenant's keys, or for those that are
//! bound to none.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::secret::{MasterKeys, OpenError, Sealed};
use model::tenant::Tenant;
use model::time::Timestamp;
use store::{Position, world};

use crate::problem::ApiError;

/// Longer than any id.
const ID_BYTES_MAX: usize = 128;

/// What a stream is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Events,
    Deliveries,
}

/// Makes and reads the ids of one caller's messages.
pub struct Ids {
    master_keys: Arc<MasterKeys>,
    context: Vec<u8>,
}

impl Ids {
    /// For the keys of `tenant`, or for those that see all tenants. An id of a stream of something else
    /// says nothing to this one.
    pub fn new(master_keys: &Arc<MasterKeys>, of: Of, tenant: Option<&Tenant>) -> Self {
        // No tenant's name is empty, and nothing else that is encrypted has a context that begins so.
        let name = tenant.map_or("", Tenant::as_str);
        let of: &[u8] = match of {
            Of::Events => b"stream\0",
            Of::Deliveries => b"stream of deliveries\0",
        };
        let context = [of, name.as_bytes()].concat();
        Self { master_keys: Arc::clone(master_keys), context }
    }

    pub fn id(&self, position: Position) -> String {
        let plain = [position.seq.to_be_bytes(), position.at.0.to_be_bytes()].concat();
        let sealed = self.master_keys.seal(&plain, &self.context, world::random_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(sealed.0)
    }

    /// The position in an id; none in one that was made elsewhere, for others, or by nobody.
    ///
    /// # Errors
    /// `cursor_invalid` for what does not even look like one.
    pub fn position(&self, id: &str) -> Result<Option<Position>, ApiError> {
        let detail = "that is not the id of a message of the stream";
        let invalid = || ApiError::new("cursor_invalid", detail);
        // The decoder allocates by the length it is given.
        if id.len() > ID_BYTES_MAX {
            return Err(invalid());
        }
        let sealed = Sealed(BASE64_URL_SAFE_NO_PAD.decode(id).map_err(|_| invalid())?);
        if sealed.0.len() != self.length() {
            return Err(invalid());
        }
        match self.master_keys.open(&sealed, &self.context) {
            Ok(plain) => Ok(position(&plain)),
            Err(OpenError::UnknownVersion) => Err(invalid()),
            Err(OpenError::UnknownKey | OpenError::Damaged) => Ok(None),
        }
    }

    /// How long every sealed position is.
    fn length(&self) -> usize {
        self.master_keys.seal(&[0; 16], &self.context, [0; 24]).0.len()
    }
}

fn position(plain: &[u8]) -> Option<Position> {
    let (seq, at) = plain.split_first_chunk::<8>()?;
    let (seq, at) = (i64::from_be_bytes(*seq), i64::from_be_bytes(at.try_into().ok()?));
    (seq >= 0 && at >= 0).then_some(Position { seq, at: Timestamp(at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: Position = Position { seq: 7, at: Timestamp(1_787_392_800_000_000) };

    fn ids(key: u8, tenant: Option<&str>) -> Ids {
        let tenant = tenant.map(|name| Tenant::parse(name).expect("valid"));
        Ids::new(&Arc::new(MasterKeys::from_bytes([key; 32])), Of::Events, tenant.as_ref())
    }

    #[test]
    fn an_id_is_read_by_those_it_was_made_for_alone() {
        for tenant in [None, Some("acme")] {
            let id = ids(1, tenant).id(POSITION);
            assert_eq!(ids(1, tenant).position(&id).ok(), Some(Some(POSITION)));
            for (key, other) in [(1, Some("other")), (2, tenant)] {
                assert_eq!(ids(key, other).position(&id).ok(), Some(None), "{key} {other:?}");
            }
        }
        let id = ids(1, None).id(POSITION);
        assert_eq!(ids(1, Some("acme")).position(&id).ok(), Some(None));
    }

    #[test]
    fn an_id_says_nothing_and_cannot_be_changed() {
        let ids = ids(1, None);
        let id = ids.id(POSITION);
        assert_ne!(id, ids.id(POSITION));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&id).expect("base64");
        let seq = POSITION.seq.to_be_bytes();
        assert!(!bytes.windows(seq.len()).any(|part| part == seq));
        for at in 1..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            let read = ids.position(&BASE64_URL_SAFE_NO_PAD.encode(touched));
            assert_eq!(read.ok(), Some(None), "{at}");
        }
    }

    #[test]
    fn what_does_not_look_like_an_id_is_refused() {
        let ids = ids(1, None);
        let id = ids.id(POSITION);
        let version = format!("Ag{}", &id[2..]);
        let long = "A".repeat(1 << 20);
        let negative = ids.id(Position { seq: -1, ..POSITION });
        assert_eq!(ids.position(&negative).ok(), Some(None));
        for text in ["", "x", "AQ", &id[1..], &version, &"A".repeat(23), &long, "ÄÖ"] {
            let read = ids.position(text).map_err(|e| e.code());
            assert_eq!(read, Err("cursor_invalid"), "{text:.30}");
        }
    }
}
