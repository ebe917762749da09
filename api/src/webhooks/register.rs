//! Registering: one webhook per tenant and URL, whoever asks for it and however often.

use model::Invalid;
use model::id::WebhookId;
use model::secret::Secret;
use model::target::TargetUrl;
use model::tenant::Tenant;
use model::webhook::{Webhook, WebhookConfig, WebhookSecret, WebhookStatus};
use store::{Saved, world};
use utoipa::ToSchema;

use super::fields::{self, WebhookFields};
use super::{TRIES, changed_meanwhile, secret};
use crate::App;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

/// A webhook to be registered. Only `webhook_url` is needed.
#[derive(ToSchema)]
pub struct RegisterBody {
    /// Where events are sent: `https`, no credentials, no fragment, at most 2048 bytes.
    #[schema(value_type = String, format = "uri", max_length = 2048, example = "https://application.com/v1/new-purchase")]
    pub webhook_url: TargetUrl,
    /// Whose events it gets. Default: the key's own tenant, else `default`.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    pub tenant: Option<Tenant>,
    /// One's own signing secret, `whsec_` and the base64 of 24 to 64 bytes. Default: a new one.
    #[schema(value_type = Option<String>, pattern = "^whsec_([A-Za-z0-9+/]{4}){8,20}(([A-Za-z0-9+/]{4})?([A-Za-z0-9+/][AQgw]==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$")]
    pub secret: Option<Secret>,
    #[schema(inline)]
    #[serde(flatten)]
    pub fields: WebhookFields,
}

impl FromFields for RegisterBody {
    const FIELDS: &'static [&'static str] = fields::REGISTER;

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let url = fields.parsed("webhook_url", |text: String| TargetUrl::parse(&text))?;
        Ok(Self {
            webhook_url: url.ok_or_else(|| fields.missing("webhook_url", "a string: a URL"))?,
            tenant: fields.parsed("tenant", |text: String| Tenant::parse(&text))?,
            secret: fields.parsed("secret", |text: String| Secret::parse(&text))?,
            fields: WebhookFields::from_fields(fields)?,
        })
    }
}

impl RegisterBody {
    /// A webhook of which nothing but the URL is said.
    pub fn new(webhook_url: TargetUrl) -> Self {
        Self { webhook_url, tenant: None, secret: None, fields: WebhookFields::default() }
    }

    /// The same with only these event types.
    pub fn with_event_types(mut self, types: model::webhook::EventTypes) -> Self {
        self.fields.event_types = crate::json::Field::Given(types);
        self
    }
}

/// A webhook that is registered now.
pub struct Registered {
    pub webhook: Webhook,
    /// Its secret, if it was not registered before.
    pub secret: Option<Secret>,
}

/// Registers a URL for a tenant, or changes the webhook that the tenant has there. `body.tenant`
/// is not looked at: who may do this, and for whom, was decided before.
///
/// # Errors
/// What the egress guard or a field refuses, `secret_differs`, `changed_meanwhile`, and the
/// store's.
pub async fn register(
    app: &App,
    tenant: &Tenant,
    body: RegisterBody,
) -> Result<Registered, ApiError> {
    app.egress.check_registration(&body.webhook_url).map_err(url_refused)?;
    for _ in 0..TRIES {
        let found = app.store.webhook_at(tenant, body.webhook_url.as_str()).await?;
        let (saved, secret) = match found {
            Some(before) => {
                let webhook = again(app, before.clone(), &body)?;
                if webhook.config == before.config && webhook.status == before.status {
                    return Ok(Registered { webhook: before, secret: None });
                }
                (app.store.update_webhook(webhook).await?, None)
            }
            None => {
                let (webhook, secret) = new(app, tenant, &body)?;
                (app.store.insert_webhook(webhook).await?, Some(secret))
            }
        };
        // Taken or stale: another registration was faster, and this one changes what it left.
        if let Saved::Saved(webhook) = saved {
            app.set_lane(&webhook).await;
            return Ok(Registered { webhook, secret });
        }
    }
    Err(changed_meanwhile())
}

/// The problem of a URL that the egress guard refuses.
pub fn url_refused(invalid: Invalid) -> ApiError {
    ApiError::from(invalid).at("/webhook_url".into())
}

fn new(app: &App, tenant: &Tenant, body: &RegisterBody) -> Result<(Webhook, Secret), ApiError> {
    let now = app.clock.now();
    let id = WebhookId(world::new_uid(now));
    let secret = match &body.secret {
        Some(given) => Secret::parse(given.expose())?,
        None => Secret::from_random(world::random_bytes()),
    };
    let mut webhook = Webhook {
        id,
        tenant: tenant.clone(),
        status: WebhookStatus::Active,
        status_reason: None,
        // The store assigns both.
        registered_version: 0,
        version: 0,
        config: WebhookConfig::new(body.webhook_url.clone()),
        secrets: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let sealed = secret::seal(app, &webhook, &secret);
    webhook.secrets.push(WebhookSecret { sealed, created_at: now, expires_at: None });
    body.fields.apply(app, &mut webhook)?;
    Ok((webhook, secret))
}

/// A webhook whose URL is registered again.
fn again(app: &App, mut webhook: Webhook, body: &RegisterBody) -> Result<Webhook, ApiError> {
    if let Some(given) = &body.secret
        && secret::current(app, &webhook)?.expose() != given.expose()
    {
        let detail = "the webhook has another secret, and registering again does not change it";
        return Err(ApiError::new("secret_differs", detail).at("/secret".into()));
    }
    body.fields.apply(app, &mut webhook)?;
    if webhook.status == WebhookStatus::Disabled {
        webhook.status = WebhookStatus::Active;
        webhook.status_reason = None;
    }
    webhook.updated_at = app.clock.now();
    Ok(webhook)
}
