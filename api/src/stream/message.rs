//! The messages of a stream, as Server-Sent Events (WHATWG HTML, "Server-sent events") are written.
//! They come without their ids, which differ by who reads them; [`with_id`] puts one before a message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

pub fn event(event: &Event) -> Result<Bytes, ApiError> {
    let data = std::str::from_utf8(&event.data).map_err(ApiError::internal)?;
    let data = RawValue::from_string(data.to_owned()).map_err(ApiError::internal)?;
    let data_base64 = event.data.contains(&b'\r').then(|| BASE64_STANDARD.encode(&event.data));
    let shown = StreamEvent { event: EventView::new(event), data, data_base64 };
    let text = serde_json::to_string(&shown).map_err(ApiError::internal)?;
    Ok(message("event", &text))
}

/// Something up to `position` was not sent; since when is not always known.
pub fn gap(reason: &str, since: Option<Timestamp>, position: Position) -> Bytes {
    let (since, until) = (since.map(|at| at.to_string()), position.at.to_string());
    let data = json!({ "reason": reason, "since": since, "until": until });
    message("gap", &data.to_string())
}

/// The last message.
pub fn end(reason: &str) -> Bytes {
    message("end", &json!({ "reason": reason }).to_string())
}

/// The first bytes: they say that the stream is open, and from where.
pub fn hello(id: &str) -> Bytes {
    format!("retry: {RETRY_MS}\nid: {id}\n\n").into()
}

/// Keeps the connection alive, and tells a client that wants few events how far it is.
pub fn heartbeat(id: &str) -> Bytes {
    format!(": alive\nid: {id}\n\n").into()
}

/// The same message for who reads on from `id` after it.
pub fn with_id(id: &str, message: &[u8]) -> Bytes {
    [b"id: ", id.as_bytes(), b"\n", message].concat().into()
}

pub fn message(name: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 64);
    text.push_str("event: ");
    text.push_str(name);
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push_str("\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::EventType;
    use model::id::{EventUid, Uid};
    use model::tenant::Tenant;

    fn written(data: &'static [u8]) -> (String, serde_json::Value, String) {
        let shown = Event {
            uid: EventUid(Uid([1; 16])),
            tenant: Tenant::default(),
            chosen_id: None,
            event_type: EventType::parse("a.b").expect("valid"),
            given_timestamp: None,
            accepted_at: Timestamp(1_787_392_800_000_000),
            data: Bytes::from_static(data),
        };
        let bytes = event(&shown).expect("JSON in UTF-8");
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
        assert!(text.starts_with("event: event\ndata: {"));
        assert!(with_id("x", text.as_bytes()).starts_with(b"id: x\nevent: event\n"));
        assert!(read.contains("\"data\":{ \"n\":1.0,\n\t\"n\" : 1e2,\n\n \"z\":[ ] },"), "{read}");
        assert!(read.ends_with("\"data_base64\":null}"), "{read}");

        const CARRIAGE: &[u8] = b"{\r\n\"a\":\r1}";
        let (text, value, _) = written(CARRIAGE);
        assert!(!text.contains('\r'));
        assert_eq!(value["data"], serde_json::json!({ "a": 1 }));
        let exact = value["data_base64"].as_str().expect("a text");
        assert_eq!(BASE64_STANDARD.decode(exact).expect("base64"), CARRIAGE);
    }
}
