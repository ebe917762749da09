//! Signing secrets: shown to who may see them, and replaced without a gap.

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post};
use model::key::Verb;
use model::secret::{Secret, webhook_context};
use model::webhook::{ROTATION_OVERLAP, SECRETS_MAX, Webhook, WebhookSecret};
use serde::Serialize;
use store::world;
use utoipa::ToSchema;

use super::{change, find};
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::{ApiError, Problem};

/// The secrets that sign now.
#[derive(Serialize, ToSchema)]
pub struct Secrets {
    /// Newest first.
    secrets: Vec<SecretView>,
}

#[derive(Serialize, ToSchema)]
pub struct SecretView {
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when it signs beside the newer one; null for the newest.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What the next secret is to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// One's own secret, `whsec_` and the base64 of 24 to 64 bytes. Default: a new one.
    #[schema(value_type = Option<String>, pattern = "^whsec_([A-Za-z0-9+/]{4}){8,20}(([A-Za-z0-9+/]{4})?([A-Za-z0-9+/][AQgw]==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$")]
    secret: Option<Secret>,
}

impl FromFields for RotateBody {
    const FIELDS: &'static [&'static str] = &["secret"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self { secret: fields.parsed("secret", |text: String| Secret::parse(&text))? })
    }
}

#[derive(Serialize, ToSchema)]
pub struct Rotated {
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
    /// Until when requests are signed with the previous secret as well.
    #[schema(format = DateTime)]
    previous_expires_at: String,
}

/// Get a webhook's signing secrets
///
/// The newest one and, for 24 hours after a rotation, those it replaced.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("secret"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    responses((status = 200, body = Secrets))
)]
#[get("/v1/webhooks/{id}/secret")]
pub async fn get_secret(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<Secrets>, ApiError> {
    let webhook = find(&app, &caller, Verb::Secret, &id).await?;
    let now = app.clock.now();
    let valid = webhook.secrets.iter().filter(|s| s.expires_at.is_none_or(|until| until > now));
    // What was replaced because it cannot be read signs no more: its successor is shown.
    let valid = valid.filter(|s| s.expires_at.is_none() || open(&app, &webhook, s).is_ok());
    let shown = valid.map(|kept| {
        Ok(SecretView {
            secret: open(&app, &webhook, kept)?.expose().to_owned(),
            created_at: kept.created_at.to_string(),
            expires_at: kept.expires_at.map(|until| until.to_string()),
        })
    });
    Ok(Json(Secrets { secrets: shown.collect::<Result<_, ApiError>>()? }))
}

/// Replace a webhook's signing secret
///
/// From now on requests are signed with the new secret, and for 24 hours with the previous one as
/// well, so that the receiver can change over without refusing one.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("secret"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    request_body(content = Option<RotateBody>, description = "May be left out", example = json!({})),
    responses(
        (status = 200, body = Rotated),
        (status = 409, description = "Others keep changing the webhook",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/v1/webhooks/{id}/secret/rotate")]
pub async fn rotate_secret(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
    body: Body,
) -> Result<Json<Rotated>, ApiError> {
    caller.may(Verb::Secret)?;
    let body: RotateBody = body.read_or_empty()?;
    let secret = match body.secret {
        Some(secret) => secret,
        None => Secret::from_random(world::random_bytes()),
    };
    let until = app.clock.now() + ROTATION_OVERLAP;
    let rotated = change(&app, &caller, Verb::Secret, &id, |webhook| {
        let now = app.clock.now();
        let sealed = seal(&app, webhook, &secret);
        if let Some(newest) = webhook.secrets.first_mut() {
            newest.expires_at = Some(until);
        }
        webhook.secrets.retain(|s| s.expires_at.is_some_and(|until| until > now));
        webhook.secrets.insert(0, WebhookSecret { sealed, created_at: now, expires_at: None });
        webhook.secrets.truncate(SECRETS_MAX);
        Ok(())
    });
    rotated.await?;
    let previous_expires_at = until.to_string();
    Ok(Json(Rotated { secret: secret.expose().to_owned(), previous_expires_at }))
}

/// The secret that signs first.
pub fn current(app: &App, webhook: &Webhook) -> Result<Secret, ApiError> {
    let newest = webhook.secrets.first();
    open(app, webhook, newest.ok_or_else(|| ApiError::internal("a webhook without a secret"))?)
}

pub fn open(app: &App, webhook: &Webhook, kept: &WebhookSecret) -> Result<Secret, ApiError> {
    let context = webhook_context(&webhook.tenant, webhook.id);
    let text = app.master_keys.open(&kept.sealed, &context)?;
    let text = String::from_utf8(text).map_err(|_| ApiError::internal("a secret is not text"))?;
    Ok(Secret::parse(&text)?)
}

pub fn seal(app: &App, webhook: &Webhook, secret: &Secret) -> model::secret::Sealed {
    let context = webhook_context(&webhook.tenant, webhook.id);
    app.master_keys.seal(secret.expose().as_bytes(), &context, world::random_bytes())
}
