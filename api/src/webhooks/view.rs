//! How webhooks are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use model::retry::{Plan, RetryPolicy};
use model::webhook::{HeaderValue, Webhook};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// What stands for a value that is never shown.
pub const MASK: &str = "***";

/// A registered webhook.
#[derive(Serialize, ToSchema)]
pub struct WebhookView {
    #[schema(example = "wh_06dpq1zc3s8m7x2q9r4t5v6w7y")]
    id: String,
    tenant: String,
    /// In its normalised form.
    #[schema(format = "uri", example = "https://application.com/v1/new-purchase")]
    webhook_url: String,
    event_types: Vec<String>,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    /// `active`; `paused`: deliveries are made and wait; `disabled`: none are made.
    #[schema(example = "active", pattern = "^(active|paused|disabled)$")]
    status: &'static str,
    /// Why it is disabled.
    status_reason: Option<String>,
    #[schema(pattern = "^(POST|PUT|PATCH)$")]
    method: &'static str,
    /// Names in lower case; values that carry credentials are `***`, in lists and for viewers all.
    headers: BTreeMap<String, String>,
    signature: SignatureView,
    #[schema(pattern = "^(standard|raw|event)$")]
    payload_format: &'static str,
    retry: RetryView,
    timeout_ms: u64,
    max_in_flight: u32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A webhook that was registered just now.
#[derive(Serialize, ToSchema)]
pub struct RegisteredView {
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What signs its requests. Shown here, and by `GET /v1/webhooks/{id}/secret`.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    pub secret: String,
}

/// How requests are signed.
#[derive(Serialize, ToSchema)]
pub struct SignatureView {
    /// `standard` (Standard Webhooks) or `jwt`.
    #[schema(example = "standard", pattern = "^(standard|jwt)$")]
    scheme: &'static str,
}

/// When a failed delivery is tried again.
#[derive(Serialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum RetryView {
    /// The n-th gap is drawn from [½d, d] with d = min(cap, base · factorⁿ⁻¹).
    Exponential {
        base_ms: u64,
        factor: f64,
        cap_ms: u64,
        max_attempts: u32,
        /// Age, counted from acceptance, at which a delivery fails whatever holds it.
        max_age_ms: u64,
        /// Statuses from 400 to 499 that end a delivery at once.
        final_statuses: Vec<u16>,
    },
    /// The gaps one by one, each up to a tenth longer.
    Schedule { delays_ms: Vec<u64>, max_age_ms: u64, final_statuses: Vec<u16> },
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what list_webhooks reads")]
pub struct WebhookQuery {
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// `active`, `paused` or `disabled`.
    #[param(pattern = "^(active|paused|disabled)$")]
    status: Option<String>,
    /// Only those with this in their URL, before any question mark.
    #[param(min_length = 1, max_length = 256)]
    q: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

impl WebhookView {
    pub fn url(&self) -> &str {
        &self.webhook_url
    }

    /// Those of the webhook, as they are shown.
    pub fn own_headers(&self) -> impl Iterator<Item = [String; 2]> {
        self.headers.iter().map(|(name, value)| [name.clone(), value.clone()])
    }

    /// For those who may look but not manage, and for lists: without what may be a credential.
    pub fn redacted(webhook: &Webhook) -> Self {
        let masked = |name: &String| (name.clone(), MASK.to_owned());
        Self {
            webhook_url: webhook.config.url.redacted(),
            headers: webhook.config.headers.keys().map(masked).collect(),
            ..Self::new(webhook)
        }
    }

    pub fn new(webhook: &Webhook) -> Self {
        let config = &webhook.config;
        let header = |(name, value): (&String, &HeaderValue)| match value {
            HeaderValue::Plain(shown) if !value.is_secret(name) => (name.clone(), shown.clone()),
            HeaderValue::Plain(_) | HeaderValue::Sealed(_) => (name.clone(), MASK.to_owned()),
        };
        Self {
            id: webhook.id.to_string(),
            tenant: webhook.tenant.to_string(),
            webhook_url: config.url.as_str().to_owned(),
            event_types: config.event_types.as_slice().to_vec(),
            description: config.description.clone(),
            metadata: config.metadata.clone(),
            status: webhook.status.as_str(),
            status_reason: webhook.status_reason.clone(),
            method: config.method.as_str(),
            headers: config.headers.iter().map(header).collect(),
            signature: SignatureView { scheme: config.signature.as_str() },
            payload_format: config.payload_format.as_str(),
            retry: RetryView::new(&config.retry),
            timeout_ms: ms(config.timeout),
            max_in_flight: config.max_in_flight,
            created_at: webhook.created_at.to_string(),
            updated_at: webhook.updated_at.to_string(),
        }
    }
}

impl RetryView {
    fn new(policy: &RetryPolicy) -> Self {
        let max_age_ms = ms(policy.max_age);
        let final_statuses = policy.final_statuses.clone();
        match &policy.plan {
            Plan::Exponential { base, factor, cap, max_attempts } => RetryView::Exponential {
                base_ms: ms(*base),
                factor: *factor,
                cap_ms: ms(*cap),
                max_attempts: *max_attempts,
                max_age_ms,
                final_statuses,
            },
            Plan::Schedule { delays } => RetryView::Schedule {
                delays_ms: delays.iter().copied().map(ms).collect(),
                max_age_ms,
                final_statuses,
            },
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
