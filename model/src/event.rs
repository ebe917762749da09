//! Events: one thing that happened. Immutable once accepted.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::Invalid;
use crate::id::{EventUid, WebhookId};
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// The longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 256;

/// The type of events that Postrider itself sends to try a webhook (`POST …/test`).
pub const TEST_EVENT_TYPE: &str = "postrider.test";

/// What kind of thing happened: parts of `[a-zA-Z0-9_]` joined by dots, such as `order.paid`
/// (Standard Webhooks 1.0.0, "Payload structure").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    /// # Errors
    /// `event_type_invalid` for empty parts, other characters, or more than 256 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let part_fits =
            |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.len() <= EVENT_TYPE_BYTES_MAX && text.split('.').all(part_fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "event_type_invalid",
                "an event type is parts of A-Z a-z 0-9 _ joined by dots, such as order.paid, \
                 at most 256 bytes",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event about to be accepted.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub uid: EventUid,
    pub tenant: Tenant,
    /// The id its publisher chose, checked by [`crate::id::check_event_id`].
    pub id: Option<String>,
    /// The `Idempotency-Key` header it came with.
    pub idempotency_key: Option<String>,
    pub event_type: EventType,
    /// RFC 3339, as the publisher wrote it; none: the time of acceptance.
    pub timestamp: Option<String>,
    pub accepted_at: Timestamp,
    /// The published JSON, byte for byte.
    pub data: Bytes,
    /// Set for a test: the one webhook it goes to, whatever types that one wants.
    pub only_webhook: Option<WebhookId>,
}

impl NewEvent {
    /// What makes a repeat "the same": SHA-256 of the type, the given timestamp if any, and the
    /// raw bytes of the data, each with its length before it so that no two triples collide.
    pub fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        let timestamp = self.timestamp.as_deref().unwrap_or_default();
        for part in [self.event_type.as_str().as_bytes(), timestamp.as_bytes(), &self.data] {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part);
        }
        sha.finalize().into()
    }
}

/// An accepted event, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub uid: EventUid,
    pub tenant: Tenant,
    /// The id its publisher chose. Without one its `evt_…` id stands in: see [`Event::id`].
    pub chosen_id: Option<String>,
    pub event_type: EventType,
    pub given_timestamp: Option<String>,
    pub accepted_at: Timestamp,
    pub data: Bytes,
}

impl Event {
    /// The id that subscribers see in `webhook-id`: the chosen one, else `evt_…`.
    pub fn id(&self) -> String {
        self.chosen_id.clone().unwrap_or_else(|| self.uid.to_string())
    }

    /// When it happened, RFC 3339: as its publisher wrote it, else the time of acceptance.
    pub fn timestamp(&self) -> String {
        self.given_timestamp.clone().unwrap_or_else(|| self.accepted_at.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uid;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_type_is_what_the_standard_allows(text in prop_oneof!["\\PC{0,20}", "[a-zA-Z0-9_.]{0,12}", "[\\x00-\\x7f]{0,8}"]) {
            // Written down again: no empty part, and one alphabet.
            let fits = !format!(".{text}.").contains("..")
                && text.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.'));
            let read = EventType::parse(&text);
            prop_assert_eq!(read.is_ok(), fits, "{:?}", text);
            if let Ok(read) = read {
                prop_assert_eq!(read.as_str(), text);
            }
        }
    }

    #[test]
    fn event_types_are_dotted_words() {
        for text in ["a", "order.paid", "Order_2.paid.v1", &"a".repeat(256)] {
            assert!(EventType::parse(text).is_ok(), "{text}");
        }
        for text in
            ["", ".", "a.", ".a", "a..b", "a b", "a/b", "a\r\nb", "é", "a-b", "*", &"a".repeat(257)]
        {
            assert_eq!(
                EventType::parse(text).map_err(|e| e.code),
                Err("event_type_invalid"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_digest_changes_with_type_timestamp_and_data_and_nothing_else() {
        let event = NewEvent {
            uid: EventUid(Uid([1; 16])),
            tenant: Tenant::default(),
            id: None,
            idempotency_key: None,
            event_type: EventType::parse("a").expect("valid"),
            timestamp: None,
            accepted_at: Timestamp(0),
            data: Bytes::from_static(b"{}"),
            only_webhook: None,
        };
        let digest = event.digest();
        let same =
            NewEvent { uid: EventUid(Uid([2; 16])), accepted_at: Timestamp(9), ..event.clone() };
        assert_eq!(same.digest(), digest);
        let spaced = NewEvent { data: Bytes::from_static(b"{ }"), ..event.clone() };
        assert_ne!(spaced.digest(), digest);
        let typed = NewEvent { event_type: EventType::parse("b").expect("valid"), ..event.clone() };
        assert_ne!(typed.digest(), digest);
        let dated = NewEvent { timestamp: Some("2026-08-22T10:00:00Z".into()), ..event };
        assert_ne!(dated.digest(), digest);
    }
}
