//! Lists come in pages. A cursor is opaque: it holds the id of the last entry shown and a digest of
//! the list it belongs to, so that it cannot be carried over to other filters unnoticed.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::problem::ApiError;

/// Entries of a page unless it says otherwise, and at most.
pub const LIMIT_DEFAULT: u32 = 50;
pub const LIMIT_MAX: u32 = 200;

/// How long a page is looked for where no index has just what is wanted. What is begun then is finished: so
/// a page takes less than twice as long.
pub const LOOK_TIME: Duration = Duration::from_millis(100);

/// The first byte of every cursor: which layout follows.
const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 8;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

/// Names a list: what it lists and every filter that narrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListName([u8; DIGEST_BYTES]);

impl ListName {
    /// `filters` in an order that does not depend on how the caller wrote them.
    pub fn of<'a>(list: &str, filters: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sha = Sha256::new().chain_update(list);
        for (name, value) in filters {
            sha = sha.chain_update([0]).chain_update(name).chain_update([0]).chain_update(value);
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&sha.finalize()[..DIGEST_BYTES]);
        Self(digest)
    }

    /// The cursor after the entry with this key.
    pub fn cursor(self, key: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([&[VERSION][..], &self.0, key].concat())
    }

    /// The key in a cursor.
    ///
    /// # Errors
    /// `cursor_invalid` for what is no cursor, `cursor_mismatch` for one of another list.
    pub fn key<const N: usize>(self, cursor: &str) -> Result<[u8; N], ApiError> {
        let invalid = || ApiError::new("cursor_invalid", "cursor is not one that a list returned");
        // The decoder allocates by the length it is given.
        if cursor.len() > 128 {
            return Err(invalid());
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (version, rest) = bytes.split_first().ok_or_else(invalid)?;
        let (digest, key) = rest.split_first_chunk::<DIGEST_BYTES>().ok_or_else(invalid)?;
        if *version != VERSION {
            return Err(invalid());
        }
        if *digest != self.0 {
            let detail = "cursor belongs to a list with other filters";
            return Err(ApiError::new("cursor_mismatch", detail));
        }
        key.try_into().map_err(|_| invalid())
    }
}

/// A page out of what was read with one entry more than `limit`, which says whether there is more.
pub fn page<T, U>(
    mut read: Vec<T>,
    limit: u32,
    cursor: impl FnOnce(&T) -> String,
    view: impl FnMut(T) -> U,
) -> Page<U> {
    let limit = limit as usize;
    let more = read.len() > limit;
    read.truncate(limit);
    let next_cursor = if more { read.last().map(cursor) } else { None };
    Page { data: read.into_iter().map(view).collect(), next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(status: &str) -> ListName {
        ListName::of("deliveries", [("status", status)].into_iter())
    }

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_alone() {
        let cursor = name("failed").cursor(&[7; 16]);
        assert_eq!(name("failed").key::<16>(&cursor).ok(), Some([7; 16]));
        let other = name("delivered").key::<16>(&cursor).map_err(|e| e.code());
        assert_eq!(other, Err("cursor_mismatch"));
    }

    #[test]
    fn any_other_text_is_no_cursor() {
        let short = name("failed").cursor(&[7; 15]);
        let long = "A".repeat(1 << 20);
        for text in ["", "!", "AA", "AQ", short.as_str(), long.as_str(), "ÄÖ"] {
            let read = name("failed").key::<16>(text).map_err(|e| e.code());
            assert_eq!(read, Err("cursor_invalid"), "{text:.20}");
        }
    }

    proptest! {
        #[test]
        fn any_key_comes_back_and_only_from_an_untouched_cursor(key: [u8; 32], at in 0..55usize, with in "[A-Za-z0-9_-]") {
            let cursor = name("failed").cursor(&key);
            prop_assert_eq!(name("failed").key::<32>(&cursor).ok(), Some(key));
            prop_assert!(name("failed").key::<16>(&cursor).is_err());
            let mut touched = cursor.clone();
            touched.replace_range(at..at + 1, &with);
            // The version and the list are in its first twelve characters.
            let refused = name("failed").key::<32>(&touched).is_err();
            prop_assert!(at >= 12 || touched == cursor || refused, "{}", touched);
        }

        #[test]
        fn random_bytes_are_no_cursor(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "\\PC{0,80}") {
            for text in [BASE64_URL_SAFE_NO_PAD.encode(&bytes), text] {
                for list in ["failed", "delivered"] {
                    // A digest of eight bytes is not guessed.
                    prop_assert!(name(list).key::<16>(&text).is_err(), "{}", text);
                    prop_assert!(name(list).key::<32>(&text).is_err(), "{}", text);
                }
            }
        }
    }

    #[test]
    fn filters_are_told_apart_by_name_and_value() {
        let list =
            |pairs: &[(&'static str, &'static str)]| ListName::of("l", pairs.iter().copied());
        assert_ne!(list(&[("a", "b")]), list(&[("ab", "")]));
        assert_ne!(list(&[("a", "b")]), list(&[("a", "b"), ("c", "d")]));
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let cursor = |n: &i32| n.to_string();
        let first = page(vec![1, 2, 3], 2, cursor, |n| n);
        assert_eq!((first.data, first.next_cursor), (vec![1, 2], Some("2".into())));
        let last = page(vec![1, 2], 2, cursor, |n| n);
        assert_eq!((last.data, last.next_cursor), (vec![1, 2], None));
    }
}
