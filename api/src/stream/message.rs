//! The messages of a stream, as Server-Sent Events (WHATWG HTML, "Server-sent events") are written.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use model::event::Event;
use model::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use store::Position;
use utoipa::ToSchema;

use crate::events::view::EventView;
use crate::problem::ApiError;

/// The first byte of a cursor: which layout follows.
const VERSION: u8 = 1;
/// How long a client waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// An event, as the data of a message `event`.
#[derive(Serialize, ToSchema)]
pub struct StreamEvent {
    #[serde(flatten)]
    event: EventView,
    /// As it was published, byte for byte.
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
    /// The bytes of `data` in base64, if they hold a carriage return: to Server-Sent Events that ends a
    /// line like any other end of a line does, so it cannot be told from them in `data`. Else null.
    data_base64: Option<String>,
}

/// Written for who reads on from `position` after it.
pub fn event(event: &Event, position: Position) -> Result<Bytes, ApiError> {
    let data = std::str::from_utf8(&event.data).map_err(ApiError::internal)?;
    let data = RawValue::from_string(data.to_owned()).map_err(ApiError::internal)?;
    let data_base64 = event.data.contains(&b'\r').then(|| BASE64_STANDARD.encode(&event.data));
    let shown = StreamEvent { event: EventView::new(event), data, data_base64 };
    let text = serde_json::to_string(&shown).map_err(ApiError::internal)?;
    Ok(message("event", Some(position), &text))
}

/// Something between `since` and `position` was not sent.
pub fn gap(reason: &str, since: Timestamp, position: Position) -> Bytes {
    let (since, until) = (since.to_string(), position.at.to_string());
    let data = json!({ "reason": reason, "since": since, "until": until });
    message("gap", Some(position), &data.to_string())
}

/// The last message.
pub fn end(reason: &str) -> Bytes {
    message("end", None, &json!({ "reason": reason }).to_string())
}

/// The first bytes: they say that the stream is open, and from where.
pub fn hello(position: Position) -> Bytes {
    format!("retry: {RETRY_MS}\nid: {}\n\n", cursor(position)).into()
}

/// Keeps the connection alive, and tells a client that wants few events how far it is.
pub fn heartbeat(position: Position) -> Bytes {
    format!(": alive\nid: {}\n\n", cursor(position)).into()
}

fn message(name: &str, position: Option<Position>, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 64);
    text.push_str("event: ");
    text.push_str(name);
    if let Some(position) = position {
        text.push_str("\nid: ");
        text.push_str(&cursor(position));
    }
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push_str("\n\n");
    text.into()
}

/// A position as the id of a message.
pub fn cursor(position: Position) -> String {
    let (seq, at) = (position.seq.to_be_bytes(), position.at.0.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode([&[VERSION][..], &seq, &at].concat())
}

/// # Errors
/// `cursor_invalid` for what is no id of a message.
pub fn position(cursor: &str) -> Result<Position, ApiError> {
    let detail = "that is not the id of a message of the stream";
    let invalid = || ApiError::new("cursor_invalid", detail);
    // The decoder allocates by the length it is given.
    if cursor.len() > 64 {
        return Err(invalid());
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let bytes: [u8; 17] = bytes.try_into().map_err(|_| invalid())?;
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        i64::from_be_bytes(number)
    };
    let (seq, at) = (number(1), number(9));
    if bytes[0] != VERSION || seq < 0 || at < 0 {
        return Err(invalid());
    }
    Ok(Position { seq, at: Timestamp(at) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::EventType;
    use model::id::{EventUid, Uid};
    use model::tenant::Tenant;

    const POSITION: Position = Position { seq: 7, at: Timestamp(1_787_392_800_000_000) };

    fn written(data: &'static [u8]) -> (String, serde_json::Value, String) {
        let shown = Event {
            uid: EventUid(Uid([1; 16])),
            tenant: Tenant::default(),
            chosen_id: None,
            event_type: EventType::parse("a.b").expect("valid"),
            given_timestamp: None,
            accepted_at: POSITION.at,
            data: Bytes::from_static(data),
        };
        let bytes = event(&shown, POSITION).expect("JSON in UTF-8");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        // As a client reads it.
        let body = text.strip_suffix("\n\n").expect("an end");
        let lines = body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data: "));
        let data = lines.collect::<Vec<_>>().join("\n");
        let value = serde_json::from_str(&data).expect("JSON");
        (text, value, data)
    }

    #[test]
    fn data_comes_back_byte_for_byte_whatever_ends_its_lines() {
        let (text, _, read) = written(b"{ \"n\":1.0,\n\t\"n\" : 1e2,\n\n \"z\":[ ] }");
        assert!(text.starts_with(&format!("event: event\nid: {}\ndata: {{", cursor(POSITION))));
        assert!(read.contains("\"data\":{ \"n\":1.0,\n\t\"n\" : 1e2,\n\n \"z\":[ ] },"), "{read}");
        assert!(read.ends_with("\"data_base64\":null}"), "{read}");

        const CARRIAGE: &[u8] = b"{\r\n\"a\":\r1}";
        let (text, value, _) = written(CARRIAGE);
        assert!(!text.contains('\r'));
        assert_eq!(value["data"], serde_json::json!({ "a": 1 }));
        let exact = value["data_base64"].as_str().expect("a text");
        assert_eq!(BASE64_STANDARD.decode(exact).expect("base64"), CARRIAGE);
    }

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        assert_eq!(position(&cursor(POSITION)).ok(), Some(POSITION));
        let below = cursor(Position { seq: -1, ..POSITION });
        for text in ["", "x", "AQ", &"A".repeat(23), &"A".repeat(1 << 20), &below, "ÄÖ"] {
            let read = position(text).map_err(|e| e.code());
            assert_eq!(read, Err("cursor_invalid"), "{text:.30}");
        }
    }
}
