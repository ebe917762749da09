//! Webhooks: register, look, change, pause, delete; their secrets; and trying them out.

mod fields;
mod register;
mod secret;
mod state;
mod trial;
mod view;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use model::id::WebhookId;
use model::key::Verb;
use model::webhook::{Webhook, WebhookStatus};
use store::{Saved, WebhookFilter};

pub use self::register::{RegisterBody, Registered, register};
pub(crate) use self::secret::open as open_secret;
pub use self::secret::{get_secret, rotate_secret};
pub use self::state::{delete_webhook, pause_webhook, resume_webhook};
pub use self::trial::test_webhook;
pub use self::view::{MASK, WebhookView};

use self::fields::PatchBody;
use self::view::{RegisteredView, WebhookQuery};
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::page::{Page, page};
use crate::problem::{ApiError, Problem};
use crate::query::Params;

/// The longest part of a URL that is searched for.
const SEARCH_CHARS_MAX: usize = 256;
/// How often a change is tried again that others got in the way of.
const TRIES: u32 = 32;

/// Register a webhook
///
/// `{"webhook_url": "https://…"}` is enough: it then gets every event. The answer carries the
/// signing secret, once. Registering a URL again changes the fields that are given, makes a
/// disabled webhook active, and answers 200 without the secret.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    request_body(
        content = RegisterBody,
        example = json!({ "webhook_url": "https://application.com/v1/new-purchase" })
    ),
    responses(
        (status = 201, description = "Registered; the secret is shown here", body = RegisteredView),
        (status = 200, description = "The URL was registered before; what was given has changed",
         body = WebhookView),
        (status = 409, description = "`secret` differs from the webhook's, or others keep changing it",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/v1/webhooks/register")]
pub async fn register_webhook(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Manage)?;
    let body: RegisterBody = body.read()?;
    let tenant = caller.tenant(Verb::Manage, body.tenant.clone())?;
    let registered = register(&app, &tenant, body).await?;
    let webhook = WebhookView::new(&registered.webhook);
    Ok(match registered.secret {
        Some(secret) => {
            let secret = secret.expose().to_owned();
            HttpResponse::Created().json(RegisteredView { webhook, secret })
        }
        None => HttpResponse::Ok().json(webhook),
    })
}

/// List webhooks
///
/// Newest first.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("look"))),
    params(WebhookQuery),
    responses((status = 200, body = Page<WebhookView>))
)]
#[get("/v1/webhooks")]
pub async fn list_webhooks(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<Page<WebhookView>>, ApiError> {
    caller.may(Verb::Look)?;
    let query = params.read(&["tenant", "status", "q", "limit", "cursor"])?;
    let expected = "active, paused or disabled";
    let filter = WebhookFilter {
        tenant: caller.list_tenant(Verb::Look, query.tenant()?)?,
        status: query.parsed("status", expected, WebhookStatus::parse)?,
        url_part: query.parsed("q", "1 to 256 characters", search_text)?,
    };
    let limit = query.limit()?;
    let (after, list) = query.cursor("webhooks", caller.own_tenant())?;
    let after = after.map(|bytes| WebhookId(model::id::Uid(bytes)));
    let webhooks = app.store.list_webhooks(filter, after, limit + 1).await?;
    let cursor = |webhook: &Webhook| list.cursor(webhook.id.0.as_bytes());
    // A URL may carry a token: lists do not show what is after the question mark.
    Ok(Json(page(webhooks, limit, cursor, |webhook| WebhookView::redacted(&webhook))))
}

/// Get a webhook
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("look"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    responses((status = 200, body = WebhookView))
)]
#[get("/v1/webhooks/{id}")]
pub async fn get_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<WebhookView>, ApiError> {
    let webhook = find(&app, &caller, Verb::Look, &id).await?;
    let whole = caller.may_on(Verb::Manage, &webhook.tenant).is_ok();
    let view = if whole { WebhookView::new } else { WebhookView::redacted };
    Ok(Json(view(&webhook)))
}

/// Change a webhook
///
/// Given fields change, omitted ones stay; null resets a field to its default. URL and headers are
/// read when a request is sent, so deliveries that wait follow the change. A URL of another scheme, host
/// or port needs the values of all headers that are kept encrypted anew (`header_needed_anew`): they were
/// meant for who was there before.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    request_body(content = PatchBody, example = json!({ "event_types": ["order.*"] })),
    responses(
        (status = 200, body = WebhookView),
        (status = 409, description = "Another webhook has the URL, or others keep changing this one",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[patch("/v1/webhooks/{id}")]
pub async fn patch_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
    body: Body,
) -> Result<Json<WebhookView>, ApiError> {
    caller.may(Verb::Manage)?;
    let body: PatchBody = body.read()?;
    if let Some(url) = &body.webhook_url {
        app.egress.check_registration(url).map_err(register::url_refused)?;
    }
    let webhook = change(&app, &caller, Verb::Manage, &id, |webhook| {
        if let Some(url) = &body.webhook_url {
            if !url.has_origin_of(&webhook.config.url) {
                body.fields.check_sealed_headers_are_given(webhook)?;
            }
            webhook.config.url = url.clone();
        }
        body.fields.apply(&app, webhook)
    });
    Ok(Json(WebhookView::new(&webhook.await?)))
}

fn search_text(text: &str) -> Option<String> {
    (1..=SEARCH_CHARS_MAX).contains(&text.chars().count()).then(|| text.to_owned())
}

/// The webhook that `id` names, if this caller may do that to it.
pub async fn find(app: &App, caller: &Caller, verb: Verb, id: &str) -> Result<Webhook, ApiError> {
    caller.may(verb)?;
    let id = WebhookId::parse(id).ok_or_else(ApiError::not_found)?;
    let webhook = app.store.webhooks(&[id]).await?.pop().ok_or_else(ApiError::not_found)?;
    caller.may_on(verb, &webhook.tenant)?;
    Ok(webhook)
}

/// Reads a webhook, changes it and writes it back, again if others changed it in between; then
/// tells the queue.
async fn change(
    app: &App,
    caller: &Caller,
    verb: Verb,
    id: &str,
    mut by: impl FnMut(&mut Webhook) -> Result<(), ApiError>,
) -> Result<Webhook, ApiError> {
    for _ in 0..TRIES {
        let mut webhook = find(app, caller, verb, id).await?;
        by(&mut webhook)?;
        webhook.updated_at = app.clock.now();
        match app.store.update_webhook(webhook).await? {
            Saved::Saved(webhook) => {
                app.set_lane(&webhook).await;
                return Ok(webhook);
            }
            Saved::UrlTaken(other) => {
                let detail = format!("webhook {other} has this URL");
                return Err(ApiError::new("url_taken", detail).at("/webhook_url".into()));
            }
            Saved::Stale => {}
        }
    }
    Err(changed_meanwhile())
}

fn changed_meanwhile() -> ApiError {
    ApiError::new("changed_meanwhile", "the webhook was changed by others again and again")
}
