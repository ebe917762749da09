//! What can be said about a webhook, at registration and later.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Invalid;
use model::payload::PayloadFormat;
use model::retry::{Plan, RetryPolicy};
use model::secret::webhook_context;
use model::signature::Scheme;
use model::target::TargetUrl;
use model::webhook::{
    EventTypes, HEADERS_MAX, HeaderValue, MAX_IN_FLIGHT_DEFAULT, Method, TIMEOUT_DEFAULT, Webhook,
    WebhookConfig, check_header, is_sensitive_header,
};
use store::world;
use utoipa::ToSchema;

use super::view::MASK;
use crate::App;
use crate::document::schema::{Delay, EventTypePattern, FinalStatus, Headers, Metadata};
use crate::json::{Field, Fields, FromFields};
use crate::problem::ApiError;

/// What `PATCH` takes: all that registering takes but tenant and secret.
pub const PATCH: &[&str] = &[
    "webhook_url",
    "event_types",
    "description",
    "metadata",
    "method",
    "headers",
    "signature",
    "payload_format",
    "retry",
    "timeout_ms",
    "max_in_flight",
    "filter",
    "rate_limit",
    "ordering",
];

pub const REGISTER: &[&str] = &[
    "webhook_url",
    "event_types",
    "description",
    "metadata",
    "method",
    "headers",
    "signature",
    "payload_format",
    "retry",
    "timeout_ms",
    "max_in_flight",
    "tenant",
    "secret",
    "filter",
    "rate_limit",
    "ordering",
];

/// Changes of a webhook. Omitted fields stay; null resets a field to its default.
#[derive(ToSchema)]
pub struct PatchBody {
    /// Where events are sent from now on.
    #[schema(value_type = String, required = false, format = "uri", max_length = 2048)]
    pub webhook_url: Option<TargetUrl>,
    #[schema(inline)]
    #[serde(flatten)]
    pub fields: WebhookFields,
}

impl FromFields for PatchBody {
    const FIELDS: &'static [&'static str] = PATCH;

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let url = fields.parsed_field("webhook_url", |text: String| TargetUrl::parse(&text))?;
        let webhook_url = match url {
            Field::Given(url) => Some(url),
            Field::Absent => None,
            Field::Null => return Err(fields.missing("webhook_url", "a string: a URL")),
        };
        Ok(Self { webhook_url, fields: WebhookFields::from_fields(fields)? })
    }
}

/// How a webhook wants its events. Everything may be left out.
#[derive(Default, ToSchema)]
pub struct WebhookFields {
    /// Which events it gets: exact types, prefixes (`order.*`) or `*`. Default: `["*"]`.
    #[schema(value_type = Option<Vec<EventTypePattern>>, min_items = 1, max_items = 100, example = json!(["order.*"]))]
    pub event_types: Field<EventTypes>,
    /// For people, up to 1024 bytes.
    #[schema(value_type = Option<String>, max_length = 1024)]
    pub description: Field<String>,
    /// For programs: up to 50 entries of up to 512 bytes.
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Field<BTreeMap<String, String>>,
    /// `POST` (default), `PUT` or `PATCH`.
    #[schema(value_type = Option<String>, pattern = "^(POST|PUT|PATCH)$")]
    pub method: Field<Method>,
    /// Up to 32 more headers. Values of those whose names suggest a credential (`authorization`, `cookie`,
    /// `x-api-key`, and whatever has `token`, `secret`, `credential`, `jwt`, `pin` or the like in its name)
    /// are encrypted and shown as `***` to everybody; the others are shown to who may change them, and as
    /// `***` in lists and to viewers. Sending `***` back keeps a value.
    #[schema(value_type = Option<Headers>)]
    pub headers: Field<BTreeMap<String, String>>,
    /// How requests are signed: `{"scheme":"standard"}` (default) or `jwt`, or the name alone.
    #[schema(value_type = Option<SignatureBody>)]
    pub signature: Field<Scheme>,
    /// The shape of the body: `standard` (default), `raw` or `event`.
    #[schema(value_type = Option<String>, pattern = "^(standard|raw|event)$")]
    pub payload_format: Field<PayloadFormat>,
    /// When a failed delivery is tried again. Parts that are left out are the default's.
    #[schema(value_type = Option<RetryBody>)]
    pub retry: Field<RetryPolicy>,
    /// One deadline over a whole attempt. Default: 15000.
    #[schema(value_type = Option<u64>, minimum = 1000, maximum = 30000)]
    pub timeout_ms: Field<u64>,
    /// Requests on the wire at once. Default: 16.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 256)]
    pub max_in_flight: Field<u32>,
}

/// How requests are signed: `standard` or `jwt`.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents what is read field by field")]
enum SignatureBody {
    Name(SchemeName),
    Object(SignatureObject),
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "documents what is read field by field")]
enum SchemeName {
    Standard,
    Jwt,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct SignatureObject {
    scheme: SchemeName,
}

/// When a failed delivery is tried again. What is left out is the default's.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents what is read field by field")]
enum RetryBody {
    Exponential(ExponentialBody),
    Schedule(ScheduleBody),
}

/// The n-th gap is drawn from [½d, d] with d = min(cap, base · factorⁿ⁻¹).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct ExponentialBody {
    #[schema(pattern = "^(exponential)$")]
    policy: Option<String>,
    /// At most `cap_ms`.
    #[schema(minimum = 100, maximum = 2_592_000_000u64, default = 5000)]
    base_ms: Option<u64>,
    #[schema(minimum = 1, maximum = 100, default = 3)]
    factor: Option<f64>,
    #[schema(minimum = 100, maximum = 2_592_000_000u64, default = 43_200_000)]
    cap_ms: Option<u64>,
    #[schema(minimum = 1, maximum = 100, default = 17)]
    max_attempts: Option<u32>,
    /// Age, counted from acceptance, at which a delivery fails whatever holds it.
    #[schema(minimum = 1000, maximum = 2_592_000_000u64, default = 259_200_000)]
    max_age_ms: Option<u64>,
    /// What ends a delivery at once.
    #[schema(max_items = 100)]
    final_statuses: Option<Vec<FinalStatus>>,
}

/// The gaps one by one, each up to a tenth longer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct ScheduleBody {
    #[schema(pattern = "^(schedule)$")]
    policy: String,
    #[schema(max_items = 99)]
    delays_ms: Vec<Delay>,
    /// Age, counted from acceptance, at which a delivery fails whatever holds it.
    #[schema(minimum = 1000, maximum = 2_592_000_000u64, default = 259_200_000)]
    max_age_ms: Option<u64>,
    /// What ends a delivery at once.
    #[schema(max_items = 100)]
    final_statuses: Option<Vec<FinalStatus>>,
}

impl WebhookFields {
    pub fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        for name in ["filter", "rate_limit", "ordering"] {
            fields.not_supported(name)?;
        }
        Ok(Self {
            event_types: fields
                .parsed_field("event_types", |list: Vec<String>| EventTypes::parse(&list))?,
            description: fields.field("description")?,
            metadata: fields.field("metadata")?,
            method: fields.parsed_field("method", |text: String| Method::parse(&text))?,
            headers: fields.parsed_field("headers", checked_headers)?,
            signature: signature(fields)?,
            payload_format: fields
                .parsed_field("payload_format", |text: String| PayloadFormat::parse(&text))?,
            retry: retry(fields)?,
            timeout_ms: fields.field("timeout_ms")?,
            max_in_flight: fields.field("max_in_flight")?,
        })
    }

    /// Of a webhook that moves to another host: what is kept encrypted in its headers was meant for
    /// the one before, so who moves it has to know it or to leave it out.
    ///
    /// # Errors
    /// `header_needed_anew`.
    pub fn check_sealed_headers_are_given(&self, webhook: &Webhook) -> Result<(), ApiError> {
        let goes_along = |name: &String| match &self.headers {
            Field::Absent => true,
            Field::Null => false,
            Field::Given(headers) => headers.get(name).is_some_and(|value| value == MASK),
        };
        let mut headers = webhook.config.headers.iter();
        match headers.find(|(name, value)| value.is_secret(name) && goes_along(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let detail = format!(
                    "the value of header {name} was given for another scheme, host or port: give \
                     it anew, or headers without it"
                );
                let pointer = format!("/headers/{name}");
                Err(ApiError::new("header_needed_anew", detail).at(pointer))
            }
        }
    }

    /// Writes what was said into a webhook.
    pub fn apply(&self, app: &App, webhook: &mut Webhook) -> Result<(), ApiError> {
        let headers = match &self.headers {
            Field::Absent => webhook.config.headers.clone(),
            Field::Null => BTreeMap::new(),
            Field::Given(headers) => seal_headers(app, webhook, headers)?,
        };
        let old = &webhook.config;
        let config = WebhookConfig {
            url: old.url.clone(),
            event_types: changed(&self.event_types, &old.event_types, EventTypes::default),
            description: match &self.description {
                Field::Absent => old.description.clone(),
                Field::Null => None,
                Field::Given(text) => Some(text.clone()),
            },
            metadata: changed(&self.metadata, &old.metadata, BTreeMap::new),
            method: changed(&self.method, &old.method, Method::default),
            headers,
            signature: changed(&self.signature, &old.signature, Scheme::default),
            payload_format: changed(&self.payload_format, &old.payload_format, Default::default),
            retry: changed(&self.retry, &old.retry, RetryPolicy::default),
            timeout: match &self.timeout_ms {
                Field::Absent => old.timeout,
                Field::Null => TIMEOUT_DEFAULT,
                Field::Given(ms) => Duration::from_millis(*ms),
            },
            max_in_flight: changed(&self.max_in_flight, &old.max_in_flight, || {
                MAX_IN_FLIGHT_DEFAULT
            }),
        };
        webhook.config = config.checked()?;
        Ok(())
    }
}

fn changed<T: Clone>(field: &Field<T>, old: &T, default: impl FnOnce() -> T) -> T {
    match field {
        Field::Absent => old.clone(),
        Field::Null => default(),
        Field::Given(value) => value.clone(),
    }
}

/// Names in lower case, each once.
fn checked_headers(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Invalid> {
    if given.len() > HEADERS_MAX {
        return Err(Invalid::new("headers_invalid", "headers takes up to 32 entries"));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let name = check_header(&name, &value)?;
        if headers.contains_key(&name) {
            let message = format!("header {name} is given twice; case makes no difference");
            return Err(Invalid::new("headers_invalid", message));
        }
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Encrypts what must not be seen. A mask that comes back stands for the value it hides.
fn seal_headers(
    app: &App,
    webhook: &Webhook,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, HeaderValue>, ApiError> {
    let context = webhook_context(&webhook.tenant, webhook.id);
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let value = if value == MASK {
            webhook.config.headers.get(name).cloned().ok_or_else(|| {
                let detail = format!("header {name} has no value yet that *** could stand for");
                ApiError::new("header_invalid", detail).at(format!("/headers/{name}"))
            })?
        } else {
            HeaderValue::Plain(value.clone())
        };
        let value = match value {
            HeaderValue::Plain(text) if is_sensitive_header(name) => {
                let nonce = world::random_bytes();
                HeaderValue::Sealed(app.master_keys.seal(text.as_bytes(), &context, nonce))
            }
            value => value,
        };
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}

/// `"jwt"` or `{"scheme":"jwt"}`.
fn signature(fields: &mut Fields<'_>) -> Result<Field<Scheme>, ApiError> {
    if fields.is_string("signature") {
        return fields.parsed_field("signature", |text: String| Scheme::parse(&text));
    }
    Ok(match fields.object("signature", &["scheme"])? {
        Field::Absent => Field::Absent,
        Field::Null => Field::Null,
        Field::Given(mut signature) => {
            let scheme = signature.parsed("scheme", |text: String| Scheme::parse(&text))?;
            Field::Given(scheme.ok_or_else(|| signature.missing("scheme", "a string"))?)
        }
    })
}

/// A policy of one of the two kinds; what is not said of it is the default's.
fn retry(fields: &mut Fields<'_>) -> Result<Field<RetryPolicy>, ApiError> {
    const PARTS: &[&str] = &[
        "policy",
        "base_ms",
        "factor",
        "cap_ms",
        "max_attempts",
        "delays_ms",
        "max_age_ms",
        "final_statuses",
    ];
    let mut retry = match fields.object("retry", PARTS)? {
        Field::Absent => return Ok(Field::Absent),
        Field::Null => return Ok(Field::Null),
        Field::Given(retry) => retry,
    };
    let mut policy = RetryPolicy::default();
    let kind: Option<String> = retry.optional("policy")?;
    let wrong = |message| Err(fields.refuse("retry", Invalid::new("retry_invalid", message)));
    policy.plan = match kind.as_deref() {
        None | Some("exponential") => exponential(&mut retry, policy.plan)?,
        Some("schedule") => {
            let delays: Vec<u64> = retry.required("delays_ms")?;
            Plan::Schedule { delays: delays.into_iter().map(Duration::from_millis).collect() }
        }
        Some(_) => return wrong("retry.policy must be exponential or schedule"),
    };
    if let Some(ms) = retry.optional("max_age_ms")? {
        policy.max_age = Duration::from_millis(ms);
    }
    if let Some(statuses) = retry.optional("final_statuses")? {
        policy.final_statuses = statuses;
    }
    if let Some(name) = retry.left() {
        return wrong_part(fields, name);
    }
    let policy = policy.checked().map_err(|e| fields.refuse("retry", e))?;
    Ok(Field::Given(policy))
}

fn exponential(retry: &mut Fields<'_>, default: Plan) -> Result<Plan, ApiError> {
    let Plan::Exponential { mut base, mut factor, mut cap, mut max_attempts } = default else {
        return Ok(default);
    };
    if let Some(ms) = retry.optional("base_ms")? {
        base = Duration::from_millis(ms);
    }
    if let Some(given) = retry.optional("factor")? {
        factor = given;
    }
    if let Some(ms) = retry.optional("cap_ms")? {
        cap = Duration::from_millis(ms);
    }
    if let Some(given) = retry.optional("max_attempts")? {
        max_attempts = given;
    }
    Ok(Plan::Exponential { base, factor, cap, max_attempts })
}

/// A part of the other kind of policy: it would be ignored.
fn wrong_part(fields: &Fields<'_>, name: &str) -> Result<Field<RetryPolicy>, ApiError> {
    let message = format!("retry.{name} is not a part of this policy");
    Err(fields.refuse("retry", Invalid::new("retry_invalid", message)))
}
