//! The body that a subscriber gets. The published data goes into it byte for byte: numbers such as
//! `1.0`, the order of keys and escapes survive, because nothing is parsed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::event::Event;

/// The headers of every request, beside those that sign it.
pub const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("user-agent", concat!("Postrider/", env!("CARGO_PKG_VERSION"))),
    ("accept", "*/*"),
    ("accept-encoding", "identity"),
];

/// The shape of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadFormat {
    /// `{"type":…,"timestamp":…,"data":…}` (Standard Webhooks 1.0.0, "Payload structure").
    #[default]
    Standard,
    /// The published data and nothing else.
    Raw,
    /// `{"event":<data>,"date":<timestamp>}`: the simplest shape a receiver may expect.
    Event,
}

impl PayloadFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            PayloadFormat::Standard => "standard",
            PayloadFormat::Raw => "raw",
            PayloadFormat::Event => "event",
        }
    }

    /// # Errors
    /// `not_supported` for `cloudevents`, `payload_format_invalid` for any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "standard" => Ok(PayloadFormat::Standard),
            "raw" => Ok(PayloadFormat::Raw),
            "event" => Ok(PayloadFormat::Event),
            "cloudevents" => Err(Invalid::not_supported(
                "payload_format cloudevents is not supported yet; use standard, raw or event",
            )),
            _ => Err(Invalid::new(
                "payload_format_invalid",
                "payload_format must be standard, raw or event",
            )),
        }
    }
}

/// The body of one event. The same for every attempt, since an event never changes.
pub fn body(format: PayloadFormat, event: &Event) -> Bytes {
    match format {
        PayloadFormat::Standard => {
            let event_type = quoted(event.event_type.as_str());
            let timestamp = quoted(&event.timestamp());
            joined(&[
                br#"{"type":"#,
                event_type.as_bytes(),
                br#","timestamp":"#,
                timestamp.as_bytes(),
                br#","data":"#,
                &event.data,
                b"}",
            ])
        }
        PayloadFormat::Raw => event.data.clone(),
        PayloadFormat::Event => {
            let timestamp = quoted(&event.timestamp());
            joined(&[br#"{"event":"#, &event.data, br#","date":"#, timestamp.as_bytes(), b"}"])
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written as a JSON string")
}

fn joined(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;
    use crate::id::{EventUid, Uid};
    use crate::tenant::Tenant;
    use crate::time::Timestamp;

    fn event(data: &'static [u8]) -> Event {
        Event {
            uid: EventUid(Uid([1; 16])),
            tenant: Tenant::default(),
            chosen_id: None,
            event_type: EventType::parse("invoice.paid").expect("valid"),
            given_timestamp: Some("2026-08-22T10:00:00Z".into()),
            accepted_at: Timestamp::from_secs(1_787_392_801),
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn each_format_has_its_shape_and_the_data_goes_in_byte_for_byte() {
        // What any parser would change: a repeated key, a number's form, spaces, an escaped NUL.
        const DATA: &[u8] = br#"{ "n":1.0, "n":1e2,"a":"h\u00e9\u0000 ", "z":[ ] }"#;
        let rows: [(PayloadFormat, &[u8], &[u8]); 3] = [
            (
                PayloadFormat::Standard,
                br#"{"type":"invoice.paid","timestamp":"2026-08-22T10:00:00Z","data":"#,
                b"}",
            ),
            (PayloadFormat::Raw, b"", b""),
            (PayloadFormat::Event, br#"{"event":"#, br#","date":"2026-08-22T10:00:00Z"}"#),
        ];
        for (format, before, after) in rows {
            let expected = [before, DATA, after].concat();
            assert_eq!(body(format, &event(DATA)), expected, "{}", format.as_str());
        }
    }

    #[test]
    fn without_a_given_timestamp_the_time_of_acceptance_stands_in() {
        let event = Event { given_timestamp: None, ..event(b"1") };
        assert_eq!(
            body(PayloadFormat::Event, &event),
            r#"{"event":1,"date":"2026-08-22T10:00:01.000Z"}"#
        );
    }

    #[test]
    fn a_timestamp_cannot_break_out_of_its_string() {
        let event = Event { given_timestamp: Some(r#"","data":{},"x":""#.into()), ..event(b"1") };
        for format in [PayloadFormat::Standard, PayloadFormat::Event] {
            let body: serde_json::Value =
                serde_json::from_slice(&body(format, &event)).expect("still JSON");
            assert!(body.get("x").is_none());
        }
    }

    #[test]
    fn raw_hands_out_the_published_bytes_without_a_copy() {
        let event = event(b"{}");
        assert_eq!(body(PayloadFormat::Raw, &event).as_ptr(), event.data.as_ptr());
    }

    #[test]
    fn formats_are_read_by_the_names_they_are_shown_by() {
        for format in [PayloadFormat::Standard, PayloadFormat::Raw, PayloadFormat::Event] {
            assert_eq!(PayloadFormat::parse(format.as_str()), Ok(format));
            let json = serde_json::to_string(&format).expect("a string");
            assert_eq!(json, format!("\"{}\"", format.as_str()));
        }
        let code = |text| PayloadFormat::parse(text).map_err(|e| e.code);
        assert_eq!(code("cloudevents"), Err("not_supported"));
        for text in ["", "Standard", "json"] {
            assert_eq!(code(text), Err("payload_format_invalid"), "{text}");
        }
    }
}
