//! What a publisher sends.

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use model::event::{EventType, NewEvent};
use model::id::{EventUid, check_event_id};
use model::key::Verb;
use model::tenant::Tenant;
use model::time::Timestamp;
use store::world;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::json::{Fields, FromFields, ITEMS_MAX, Items};
use crate::problem::ApiError;

/// The longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// An event to be published.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// What kind of thing happened: words of `A-Z a-z 0-9 _` joined by dots.
    #[schema(rename = "type", value_type = String, example = "order.paid", max_length = 256,
             pattern = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]
    event_type: EventType,
    /// Any JSON. Subscribers get it byte for byte.
    #[schema(value_type = serde_json::Value, example = json!({"order": 7, "amount": "9.90"}))]
    data: Bytes,
    /// One's own id for it, unique per tenant: publishing it again changes nothing. Not of the
    /// form of those that Postrider makes.
    #[schema(pattern = "^(?!evt_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$)[A-Za-z0-9_:-]{1,128}$")]
    id: Option<String>,
    /// Whose webhooks get it. Default: the key's own tenant, else `default`.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<Tenant>,
    /// When it happened, RFC 3339. Default: the time of acceptance.
    #[schema(format = DateTime)]
    timestamp: Option<String>,
}

impl FromFields for Publish {
    const FIELDS: &'static [&'static str] = &["type", "data", "id", "tenant", "timestamp"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let event_type = fields.parsed("type", |text: String| EventType::parse(&text))?;
        let checked_id = |id: String| check_event_id(&id).map(|()| id);
        let checked_time = |text: String| Timestamp::parse(&text).map(|_| text);
        Ok(Self {
            event_type: event_type.ok_or_else(|| fields.missing("type", "a string"))?,
            data: fields.raw("data").ok_or_else(|| fields.missing("data", "given: any JSON"))?,
            id: fields.parsed("id", checked_id)?,
            tenant: fields.parsed("tenant", |text: String| Tenant::parse(&text))?,
            timestamp: fields.parsed("timestamp", checked_time)?,
        })
    }
}

impl Publish {
    /// Itself, if its data fits: an event of a batch may be no larger than one alone.
    pub fn at_most(self, bytes: usize) -> Result<Self, ApiError> {
        if self.data.len() <= bytes {
            return Ok(self);
        }
        Err(ApiError::new("body_too_large", format!("an event may have up to {bytes} bytes")))
    }

    /// The event that `caller` publishes by it.
    pub fn event(
        self,
        app: &App,
        caller: &Caller,
        idempotency_key: Option<String>,
    ) -> Result<NewEvent, ApiError> {
        let accepted_at = app.clock.now();
        Ok(NewEvent {
            uid: EventUid(world::new_uid(accepted_at)),
            tenant: caller.tenant(Verb::Publish, self.tenant)?,
            id: self.id,
            idempotency_key,
            event_type: self.event_type,
            timestamp: self.timestamp,
            accepted_at,
            data: self.data,
            only_webhook: None,
        })
    }
}

/// Events to be published together.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    #[schema(value_type = Vec<Publish>, max_items = 1000)]
    pub events: Vec<Result<Publish, ApiError>>,
}

impl FromFields for Batch {
    const FIELDS: &'static [&'static str] = &["events"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let Items { items, more } = fields.required("events")?;
        if more {
            let detail = format!("a batch takes no more than {ITEMS_MAX} events, whatever is set");
            return Err(ApiError::new("batch_too_large", detail));
        }
        Ok(Self { events: items.into_iter().map(|event| fields.part(event)).collect() })
    }
}

/// The `Idempotency-Key` of a request: a structured-field string or a bare one.
///
/// # Errors
/// `idempotency_key_invalid`.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let wrong = || {
        let detail = "Idempotency-Key takes one value of 1 to 255 printable ASCII characters";
        ApiError::new("idempotency_key_invalid", detail)
    };
    let mut values = headers.get_all("idempotency-key");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(wrong());
    }
    let text = value.to_str().map_err(|_| wrong())?;
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if fits { Ok(Some(text.to_owned())) } else { Err(wrong()) }
}

/// One key for many events would say nothing.
///
/// # Errors
/// `not_supported` if there is one.
pub fn no_idempotency_key(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key("idempotency-key") {
        let detail = "a batch takes no Idempotency-Key; give each event an id";
        return Err(ApiError::new("not_supported", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn key(value: &[u8]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value).expect("a header's value");
        headers.insert(HeaderName::from_static("idempotency-key"), value);
        idempotency_key(&headers).map_err(|e| e.code())
    }

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        assert_eq!(key(b"abc-1"), Ok(Some("abc-1".into())));
        assert_eq!(key(b"\"abc-1\""), Ok(Some("abc-1".into())));
        assert_eq!(key(b"\""), Ok(Some("\"".into())));
        assert_eq!(idempotency_key(&HeaderMap::new()).ok(), Some(None));
    }

    #[test]
    fn empty_long_and_unprintable_keys_are_refused() {
        for value in [&b""[..], b"\"\"", b"a\tb", "ä".as_bytes(), &[b'a'; 256]] {
            assert_eq!(key(value), Err("idempotency_key_invalid"), "{value:?}");
        }
    }
}
