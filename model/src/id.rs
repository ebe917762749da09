//! Names of things. Every thing Postrider makes has a UUIDv7, shown as a prefix and 26 characters
//! of Crockford's base 32 in lower case, so that texts sort as the times they were made at.

use std::fmt;

use uuid::Uuid;

use crate::Invalid;

/// A UUIDv7: 48 bits of milliseconds, then random (RFC 9562 section 5.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

impl Uid {
    /// Builds one from milliseconds since the epoch and ten random bytes.
    pub fn new(unix_ms: i64, random: &[u8; 10]) -> Self {
        let ms = u64::try_from(unix_ms).unwrap_or(0);
        Self(*uuid::Builder::from_unix_timestamp_millis(ms, random).as_uuid().as_bytes())
    }

    /// When it was made, in milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0[..6].iter().fold(0, |ms, byte| ms << 8 | i64::from(*byte))
    }

    /// The smallest one of a millisecond: the bound of a range of times.
    pub fn floor(unix_ms: i64) -> Self {
        let ms = u64::try_from(unix_ms).unwrap_or(0) & 0xffff_ffff_ffff;
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        Self(bytes)
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Uuid::from_bytes(self.0).hyphenated())
    }
}

/// Declares an id: a prefix before a [`Uid`]. `Display` writes it, `parse` reads it.
macro_rules! prefixed {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uid);

        impl $name {
            pub fn parse(text: &str) -> Option<Self> {
                text.strip_prefix($prefix).and_then(decode).map(|b: [u8; 16]| Self(Uid(b)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                encode(&self.0.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

prefixed!(
    /// An event Postrider accepted: `evt_…`, whatever id its publisher gave it.
    EventUid,
    "evt_"
);
prefixed!(
    /// A registered webhook: `wh_…`.
    WebhookId,
    "wh_"
);
prefixed!(
    /// An API key's public name: `key_…`.
    KeyId,
    "key_"
);
prefixed!(
    /// A process that delivers: `wrk_…`, another one at each start.
    WorkerId,
    "wrk_"
);

/// One event for one webhook. Its text `dlv_…` holds both, so a delivery needs no id of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub event: EventUid,
    pub webhook: WebhookId,
}

impl DeliveryId {
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = decode(text.strip_prefix("dlv_")?)?;
        let (event, webhook) = bytes.split_at(16);
        Some(Self {
            event: EventUid(Uid::from_slice(event)?),
            webhook: WebhookId(Uid::from_slice(webhook)?),
        })
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.event.0.0);
        bytes[16..].copy_from_slice(&self.webhook.0.0);
        f.write_str("dlv_")?;
        encode(&bytes, f)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest id a publisher may choose for an event, in bytes.
pub const EVENT_ID_BYTES_MAX: usize = 128;

/// Checks an id that a publisher chose for an event: `[A-Za-z0-9_:-]{1,128}`. A dot is refused
/// because it would make the signed text `id.timestamp.body` ambiguous.
///
/// # Errors
/// `event_id_invalid` for other characters or lengths, `event_id_reserved` for the exact form of
/// Postrider's own `evt_` ids, which always name the event they were made for.
pub fn check_event_id(id: &str) -> Result<(), Invalid> {
    let fits = !id.is_empty()
        && id.len() <= EVENT_ID_BYTES_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b));
    if !fits {
        return Err(Invalid::new(
            "event_id_invalid",
            "an event's id is 1 to 128 characters of A-Z a-z 0-9 _ : -",
        ));
    }
    if EventUid::parse(id).is_some() {
        return Err(Invalid::new(
            "event_id_reserved",
            "ids of the form evt_ and 26 letters and digits are made by Postrider; choose another",
        ));
    }
    Ok(())
}

/// Crockford's alphabet, in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes the bytes as base 32, five bits a character, highest first; the last character is filled
/// up with zero bits.
fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    let (mut buffer, mut bits) = (0u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            f.write_char(ALPHABET[(buffer >> bits & 31) as usize].into())?;
        }
    }
    if bits > 0 {
        f.write_char(ALPHABET[(buffer << (5 - bits) & 31) as usize].into())?;
    }
    Ok(())
}

/// Reads what [`encode`] wrote, and nothing else: one text per value.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = [0; N];
    let (mut buffer, mut bits, mut at) = (0u32, 0, 0);
    for c in text.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == c)?;
        buffer = buffer << 5 | u32::try_from(digit).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = (buffer >> bits & 0xff) as u8;
            at += 1;
        }
    }
    (buffer & ((1 << bits) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_back_as_it_was_written(event: [u8; 16], webhook: [u8; 16]) {
            let id = DeliveryId { event: EventUid(Uid(event)), webhook: WebhookId(Uid(webhook)) };
            prop_assert_eq!(DeliveryId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(EventUid::parse(&id.event.to_string()), Some(id.event));
        }

        #[test]
        fn ids_sort_as_the_times_they_were_made_at(a in 0i64..1 << 47, b in 0i64..1 << 47, r: [u8; 10]) {
            prop_assume!(a < b);
            let text = |ms| WebhookId(Uid::new(ms, &r)).to_string();
            prop_assert!(text(a) < text(b));
            prop_assert!(Uid::floor(a) <= Uid::new(a, &r) && Uid::new(a, &r) < Uid::floor(b));
        }

        #[test]
        fn a_chosen_id_never_makes_the_signed_text_ambiguous(text in prop_oneof!["\\PC{0,140}", "[A-Za-z0-9_:.-]{0,140}"]) {
            let fits = (1..=128).contains(&text.chars().count())
                && text.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':' | '-'));
            prop_assert_eq!(check_event_id(&text).is_ok(), fits && EventUid::parse(&text).is_none());
        }

        #[test]
        fn an_id_is_spelled_in_one_way_only(uid: [u8; 16], at in 3..29usize) {
            let text = WebhookId(Uid(uid)).to_string();
            for at in [at, 28] {
                for other in ('0'..='9').chain('a'..='z').chain('A'..='Z') {
                    let mut touched = text.clone();
                    touched.replace_range(at..=at, other.encode_utf8(&mut [0; 1]));
                    let read = WebhookId::parse(&touched);
                    prop_assert!(touched == text || read != Some(WebhookId(Uid(uid))), "{}", touched);
                }
            }
        }

        #[test]
        fn any_other_text_is_no_id(text in ".{0,60}") {
            if let Some(id) = EventUid::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn chosen_ids_are_checked() {
        for id in ["order-1", "a", "A:b_c", &"x".repeat(128)] {
            assert_eq!(check_event_id(id), Ok(()), "{id}");
        }
        for id in ["", "a.1", "a b", "ü", "a\n", &"x".repeat(129)] {
            assert_eq!(check_event_id(id).map_err(|e| e.code), Err("event_id_invalid"), "{id}");
        }
        let ours = EventUid(Uid([7; 16])).to_string();
        assert_eq!(check_event_id(&ours).map_err(|e| e.code), Err("event_id_reserved"));
    }
}
