//! A request that an inbox received, and whether a receiver would believe it.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use bytes::Bytes;
use model::secret::Secret;
use model::signature::{Scheme, VerifyError, verify_jwt, verify_standard};
use model::time::Timestamp;
use model::webhook::Webhook;
use serde::Serialize;
use serde_json::value::RawValue;
use store::WebhookFilter;
use utoipa::ToSchema;

use crate::App;
use crate::problem::ApiError;
use crate::webhooks::open_secret;

/// How much of a body is kept, in bytes.
const BODY_KEPT_MAX: usize = 64 * 1024;
/// Webhooks that are looked through for the one that a request came from.
const WEBHOOKS_MAX: u32 = 1_000;

/// A request that an inbox received.
#[derive(Serialize, ToSchema)]
pub struct Received {
    #[schema(format = DateTime)]
    received_at: String,
    method: String,
    /// Names in lower case; the values of one name are joined by a comma.
    headers: BTreeMap<String, String>,
    /// The first 64 KiB, as text.
    body: String,
    /// The body as JSON; null if it is none.
    #[schema(value_type = Option<serde_json::Value>)]
    json: Option<Box<RawValue>>,
    /// Whether a webhook of this inbox signed it.
    verified: bool,
    /// Why it did not.
    reason: Option<String>,
    /// The status it was answered with.
    answered: u16,
}

impl Received {
    pub async fn new(
        app: &App,
        request: &HttpRequest,
        body: &Bytes,
        answered: u16,
    ) -> Result<Self, ApiError> {
        let now = app.clock.now();
        let headers = headers(request);
        let verdict = verify(app, request.path(), &headers, body, now).await?;
        let kept = &body[..body.len().min(BODY_KEPT_MAX)];
        let json = std::str::from_utf8(kept).ok().map(str::to_owned);
        Ok(Self {
            received_at: now.to_string(),
            method: request.method().to_string(),
            headers,
            body: String::from_utf8_lossy(kept).into_owned(),
            json: json.and_then(|text| RawValue::from_string(text).ok()),
            verified: verdict.is_ok(),
            reason: verdict.err(),
            answered,
        })
    }
}

fn headers(request: &HttpRequest) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|before| {
                before.push_str(", ");
                before.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    headers
}

/// Checks a request as a receiver would, against every webhook that points at this inbox.
async fn verify(
    app: &App,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    now: Timestamp,
) -> Result<Result<(), String>, ApiError> {
    let all = app.store.list_webhooks(WebhookFilter::default(), None, WEBHOOKS_MAX).await?;
    let mut reason = "no webhook points at this inbox".to_owned();
    for webhook in all.iter().filter(|webhook| webhook.config.url.url().path() == path) {
        for kept in &webhook.secrets {
            let secret = open_secret(app, webhook, kept)?;
            match verify_one(webhook, &secret, headers, body, now) {
                Ok(()) => return Ok(Ok(())),
                Err(error) => reason = error.to_string(),
            }
        }
    }
    Ok(Err(reason))
}

fn verify_one(
    webhook: &Webhook,
    secret: &Secret,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let header = |name: &str| headers.get(name).map(String::as_str).ok_or(VerifyError::Malformed);
    match webhook.config.signature {
        Scheme::Standard => {
            let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
            verify_standard(secret, id, timestamp, header("webhook-signature")?, body, now)
        }
        Scheme::Jwt => verify_jwt(secret, header("authorization")?, body, now),
    }
}
