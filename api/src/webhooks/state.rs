//! Pausing, resuming and deleting a webhook.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, post};
use model::key::Verb;
use model::webhook::WebhookStatus;

use super::view::WebhookView;
use super::{change, find};
use crate::App;
use crate::auth::Caller;
use crate::problem::{ApiError, Problem};

/// Pause a webhook
///
/// Deliveries go on being made and wait until it is resumed, or until they are too old.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    responses(
        (status = 200, body = WebhookView),
        (status = 409, description = "It is disabled", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/v1/webhooks/{id}/pause")]
pub async fn pause_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<WebhookView>, ApiError> {
    let webhook = change(&app, &caller, Verb::Manage, &id, |webhook| match webhook.status {
        WebhookStatus::Active | WebhookStatus::Paused => {
            webhook.status = WebhookStatus::Paused;
            Ok(())
        }
        WebhookStatus::Disabled => Err(disabled()),
    });
    Ok(Json(WebhookView::new(&webhook.await?)))
}

/// Resume a webhook
///
/// Makes a paused or disabled webhook active. What waited is sent; what had failed stays failed
/// until it is retried.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    responses(
        (status = 200, body = WebhookView),
        (status = 409, description = "Others keep changing the webhook",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/v1/webhooks/{id}/resume")]
pub async fn resume_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<WebhookView>, ApiError> {
    let webhook = change(&app, &caller, Verb::Manage, &id, |webhook| {
        webhook.status = WebhookStatus::Active;
        webhook.status_reason = None;
        Ok(())
    });
    Ok(Json(WebhookView::new(&webhook.await?)))
}

/// Delete a webhook
///
/// Its secrets are forgotten, its deliveries stay on record, and those that waited are cancelled.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    responses((status = 204, description = "Deleted"))
)]
#[delete("/v1/webhooks/{id}")]
pub async fn delete_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, Verb::Manage, &id).await?;
    if !app.store.delete_webhook(webhook.id).await? {
        return Err(ApiError::not_found());
    }
    app.release_lane(&webhook).await;
    Ok(HttpResponse::NoContent().finish())
}

pub fn disabled() -> ApiError {
    ApiError::new("webhook_disabled", "the webhook is disabled; resume it first")
}
