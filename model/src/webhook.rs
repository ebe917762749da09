//! Webhooks: registered subscribers, and which events they want.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::event::{EVENT_TYPE_BYTES_MAX, EventType};
use crate::id::WebhookId;
use crate::payload::PayloadFormat;
use crate::retry::RetryPolicy;
use crate::secret::Sealed;
use crate::signature::Scheme;
use crate::target::TargetUrl;
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// Requests on the wire at once to one webhook, unless it says otherwise.
pub const MAX_IN_FLIGHT_DEFAULT: u32 = 16;
/// The most requests on the wire that a webhook may ask for.
pub const MAX_IN_FLIGHT_MAX: u32 = 256;
/// One deadline over a whole attempt: name, connection, request, response.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
pub const TIMEOUT_MIN: Duration = Duration::from_secs(1);
pub const TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// How long the old secret still signs beside the new one after a rotation.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// The most secrets that sign at once: the newest and those still in their overlap.
pub const SECRETS_MAX: usize = 4;
/// The most patterns, custom headers and metadata entries of one webhook.
pub const EVENT_TYPES_MAX: usize = 100;
pub const HEADERS_MAX: usize = 32;
pub const METADATA_MAX: usize = 50;
/// The longest value of a custom header, a description, a metadata key or value, in bytes.
pub const HEADER_VALUE_BYTES_MAX: usize = 4_096;
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;
pub const METADATA_BYTES_MAX: usize = 512;

/// A registered subscriber, as the store has it.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: WebhookId,
    pub tenant: Tenant,
    pub status: WebhookStatus,
    /// Why it is disabled.
    pub status_reason: Option<String>,
    /// The tenant's registry version at registration: events accepted before it do not match.
    pub registered_version: u64,
    /// The tenant's registry version at the last change: names this state of the webhook.
    pub version: u64,
    pub config: WebhookConfig,
    /// Newest first.
    pub secrets: Vec<WebhookSecret>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What the registering side says about a webhook. Kept as one JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookConfig {
    pub url: TargetUrl,
    pub event_types: EventTypes,
    pub description: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub method: Method,
    /// Custom headers, names in lower case.
    pub headers: BTreeMap<String, HeaderValue>,
    pub signature: Scheme,
    pub payload_format: PayloadFormat,
    pub retry: RetryPolicy,
    pub timeout: Duration,
    pub max_in_flight: u32,
}

impl WebhookConfig {
    /// A webhook of which nothing but the URL is said: every event, signed by Standard Webhooks.
    pub fn new(url: TargetUrl) -> Self {
        Self {
            url,
            event_types: EventTypes::default(),
            description: None,
            metadata: BTreeMap::new(),
            method: Method::default(),
            headers: BTreeMap::new(),
            signature: Scheme::default(),
            payload_format: PayloadFormat::default(),
            retry: RetryPolicy::default(),
            timeout: TIMEOUT_DEFAULT,
            max_in_flight: MAX_IN_FLIGHT_DEFAULT,
        }
    }

    /// Checks what no single field can: bounds and contradictions.
    ///
    /// # Errors
    /// The stable code of the first rule that is broken.
    pub fn checked(self) -> Result<Self, Invalid> {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&self.timeout) {
            return Err(Invalid::new(
                "timeout_invalid",
                "timeout_ms must be between 1000 and 30000",
            ));
        }
        if !(1..=MAX_IN_FLIGHT_MAX).contains(&self.max_in_flight) {
            return Err(Invalid::new(
                "max_in_flight_invalid",
                "max_in_flight must be between 1 and 256",
            ));
        }
        if self.description.as_ref().is_some_and(|d| d.len() > DESCRIPTION_BYTES_MAX) {
            return Err(Invalid::new("description_too_long", "description takes up to 1024 bytes"));
        }
        if self.metadata.len() > METADATA_MAX
            || self.metadata.iter().any(|(k, v)| k.len().max(v.len()) > METADATA_BYTES_MAX)
        {
            return Err(Invalid::new(
                "metadata_too_large",
                "metadata takes up to 50 entries, keys and values up to 512 bytes each",
            ));
        }
        if self.headers.len() > HEADERS_MAX {
            return Err(Invalid::new("headers_invalid", "headers takes up to 32 entries"));
        }
        if self.signature == Scheme::Jwt && self.headers.contains_key("authorization") {
            return Err(Invalid::new(
                "authorization_conflict",
                "the jwt signature fills the authorization header; remove it from headers",
            ));
        }
        Ok(Self { retry: self.retry.checked()?, ..self })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookStatus {
    Active,
    /// Deliveries are made and wait.
    Paused,
    /// No deliveries are made; those waiting fail.
    Disabled,
}

impl WebhookStatus {
    pub const ALL: [WebhookStatus; 3] =
        [WebhookStatus::Active, WebhookStatus::Paused, WebhookStatus::Disabled];

    pub fn as_str(self) -> &'static str {
        match self {
            WebhookStatus::Active => "active",
            WebhookStatus::Paused => "paused",
            WebhookStatus::Disabled => "disabled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A signing secret, encrypted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookSecret {
    pub sealed: Sealed,
    pub created_at: Timestamp,
    /// Until when it signs; none for the current one.
    pub expires_at: Option<Timestamp>,
}

/// The value of a custom header. Those that carry credentials are kept encrypted and shown masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderValue {
    Plain(String),
    Sealed(Sealed),
}

impl HeaderValue {
    /// Whether it is never shown: encrypted, or kept in clear before names like this one were known.
    pub fn is_secret(&self, name: &str) -> bool {
        matches!(self, HeaderValue::Sealed(_)) || is_sensitive_header(name)
    }
}

/// Headers whose values are encrypted at rest and never shown again. A name too many costs its owner
/// the sight of a value, one too few a credential.
pub fn is_sensitive_header(name: &str) -> bool {
    const PARTS: [&str; 19] = [
        "auth",
        "token",
        "key",
        "secret",
        "cookie",
        "pass",
        "signature",
        "session",
        "jwt",
        "cred",
        "pwd",
        "bearer",
        "access",
        "hmac",
        "private",
        "cert",
        "digest",
        "login",
        "license",
    ];
    // So short that they are parts of other words.
    const WORDS: [&str; 10] = ["pw", "pat", "pin", "sig", "api", "otp", "sid", "mac", "psk", "sas"];
    PARTS.iter().any(|part| name.contains(part))
        || name.split(|c: char| !c.is_ascii_alphabetic()).any(|word| WORDS.contains(&word))
}

/// Checks one custom header and returns its name in lower case.
///
/// # Errors
/// `header_invalid` for what HTTP does not allow (RFC 9110 section 5.1 and 5.5),
/// `header_reserved` for names that Postrider or HTTP itself fills.
pub fn check_header(name: &str, value: &str) -> Result<String, Invalid> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        return Err(Invalid::new("header_invalid", "a header's name is 1 to 128 token characters"));
    }
    let printable = |b: u8| (0x20..0x7f).contains(&b) || b == b'\t';
    if value.len() > HEADER_VALUE_BYTES_MAX
        || !value.bytes().all(printable)
        || value.trim() != value
    {
        return Err(Invalid::new(
            "header_invalid",
            format!(
                "the value of header {name} must be printable ASCII without spaces around it, \
                 up to 4096 bytes"
            ),
        ));
    }
    let name = name.to_ascii_lowercase();
    let reserved = matches!(
        name.as_str(),
        "host"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "transfer-encoding"
            | "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "upgrade"
            | "expect"
            | "proxy-connection"
            | "user-agent"
            | "accept-encoding"
    ) || name.starts_with("webhook-");
    if reserved {
        return Err(Invalid::new(
            "header_reserved",
            format!("header {name} is filled by Postrider and cannot be set"),
        ));
    }
    Ok(name)
}

/// The method of the request that a subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Put,
    Patch,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    }

    /// # Errors
    /// `method_invalid` for anything but POST, PUT and PATCH.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "POST" => Ok(Method::Post),
            "PUT" => Ok(Method::Put),
            "PATCH" => Ok(Method::Patch),
            _ => Err(Invalid::new("method_invalid", "method must be POST, PUT or PATCH")),
        }
    }
}

/// Which events a webhook wants: `*` for all, `order.*` for all below `order`, or an exact type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTypes(Vec<String>);

impl EventTypes {
    /// # Errors
    /// `event_types_invalid` for an empty list, more than 100 entries, or a pattern of another form.
    pub fn parse(patterns: &[String]) -> Result<Self, Invalid> {
        if patterns.is_empty() || patterns.len() > EVENT_TYPES_MAX {
            return Err(Invalid::new("event_types_invalid", "event_types takes 1 to 100 entries"));
        }
        for pattern in patterns {
            let fixed = pattern.strip_suffix(".*").unwrap_or(pattern);
            // A longer one fits nothing: it would be longer than any type that is below it.
            let fits = pattern.len() <= EVENT_TYPE_BYTES_MAX && EventType::parse(fixed).is_ok();
            if pattern != "*" && !fits {
                return Err(Invalid::new(
                    "event_types_invalid",
                    "each of event_types is an event type such as order.paid, a prefix such as \
                     order.*, or *",
                ));
            }
        }
        let mut patterns = patterns.to_vec();
        patterns.dedup();
        Ok(Self(patterns))
    }

    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether one of the patterns fits.
    pub fn want(&self, event_type: &EventType) -> bool {
        patterns_of(event_type.as_str()).any(|fitting| self.0.contains(&fitting))
    }
}

/// Every pattern that an event type fits, so that who has many webhooks looks them up by these: the
/// type itself, `order.*` for each of its beginnings, and `*`.
pub fn patterns_of(event_type: &str) -> impl Iterator<Item = String> {
    let beginnings =
        event_type.match_indices('.').map(|(dot, _)| format!("{}*", &event_type[..=dot]));
    [event_type.to_owned(), "*".to_owned()].into_iter().chain(beginnings)
}

/// Every event.
impl Default for EventTypes {
    fn default() -> Self {
        Self(vec!["*".into()])
    }
}

impl fmt::Debug for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_for_a_header_is_one_line_of_a_request(
            name in prop_oneof!["\\PC{0,12}", "[!-~]{1,12}", "[a-zA-Z-]{1,20}", "\\PC?(?i)(host|te|webhook-id|connection)\\PC?"],
            value in prop_oneof!["\\PC{0,20}", "[ -~]{0,20}", "[\\x00-\\x7f]{0,6}"],
        ) {
            if let Ok(kept) = check_header(&name, &value) {
                prop_assert!(kept == name.to_lowercase() && kept.is_ascii() && !kept.is_empty());
                prop_assert!(!kept.contains([':', ' ', '\t', '\r', '\n', '\0', '"', '(', ',', '/']), "{:?}", kept);
                prop_assert!(value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)), "{:?}", value);
                prop_assert!(!["host", "te", "connection"].contains(&&*kept) && !kept.starts_with("webhook-"));
            }
        }
    }

    #[test]
    fn patterns_match_exactly_below_a_prefix_or_everything() {
        let rows = [
            ("*", "order.paid", true),
            ("order.paid", "order.paid", true),
            ("order.paid", "order.paid.late", false),
            ("order.*", "order.paid", true),
            ("order.*", "order.paid.late", true),
            ("order.*", "order", false),
            ("order.*", "orders.paid", false),
        ];
        for (pattern, event_type, expected) in rows {
            let patterns = EventTypes::parse(&["x".into(), pattern.into()]).expect("valid");
            let fits = patterns_of(event_type).any(|fitting| fitting == pattern);
            assert_eq!(fits, expected, "{pattern} {event_type}");
            let event_type = EventType::parse(event_type).expect("valid");
            assert_eq!(patterns.want(&event_type), expected, "{pattern} {event_type}");
        }
    }

    #[test]
    fn patterns_of_another_form_are_refused() {
        for pattern in ["", "**", "*.paid", "order.*.x", "order*", ".*", "a b", "order.**"] {
            let parsed = EventTypes::parse(&[pattern.into()]);
            assert_eq!(parsed.map_err(|e| e.code), Err("event_types_invalid"), "{pattern}");
        }
        assert!(EventTypes::parse(&[]).is_err());
        assert!(EventTypes::parse(&vec!["a".into(); 101]).is_err());
    }

    #[test]
    fn custom_headers_can_neither_be_broken_nor_replace_ours() {
        assert_eq!(check_header("X-Team", "a b").as_deref(), Ok("x-team"));
        for (name, value) in [
            ("", "a"),
            ("a b", "a"),
            ("a:", "a"),
            ("a", "b\r\nc: d"),
            ("a", " b"),
            ("a", "ü"),
            ("a", "\0"),
        ] {
            assert_eq!(
                check_header(name, value).map_err(|e| e.code),
                Err("header_invalid"),
                "{name:?} {value:?}"
            );
        }
        for name in
            ["Host", "content-length", "Webhook-Id", "webhook-signature", "Transfer-Encoding"]
        {
            assert_eq!(
                check_header(name, "a").map_err(|e| e.code),
                Err("header_reserved"),
                "{name}"
            );
        }
        let long = "x".repeat(HEADER_VALUE_BYTES_MAX + 1);
        assert!(check_header("a", &long).is_err());
    }
}
