//! The request of an attempt, made again from what is stored: bodies and signatures are never kept, and
//! need not be, since the same event at the same moment gives the same bytes.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use model::attempt::Attempt;
use model::event::Event;
use model::key::Verb;
use model::payload;
use model::secret::{Secret, webhook_context};
use model::signature::{self, Message, Scheme};
use model::time::Timestamp;
use model::webhook::Webhook;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ATTEMPTS_SHOWN_MAX, find};
use crate::App;
use crate::auth::Caller;
use crate::problem::ApiError;
use crate::query::Params;
use crate::webhooks::{MASK, WebhookView};

/// A request as it was sent.
#[derive(Serialize, ToSchema)]
pub struct RequestView {
    #[schema(pattern = "^(POST|PUT|PATCH)$")]
    method: &'static str,
    #[schema(format = "uri")]
    url: String,
    /// Pairs of a name in lower case and a value. Credentials are `***`.
    headers: Vec<[String; 2]>,
    body: String,
    /// The text that was signed: `id.timestamp.body`. Null if the scheme signs something else.
    signed: Option<String>,
    /// The header that the signature is in.
    #[schema(example = "webhook-signature")]
    signature_header: &'static str,
    /// Whether the signature holds under the webhook's secret of that moment.
    verified: bool,
    /// Why it does not.
    why_not: Option<String>,
    /// Whether the webhook was changed since: then the request may have looked otherwise.
    webhook_changed: bool,
}

/// Get the request of an attempt
///
/// It is made again from the event and the webhook as they are stored now. What signs it is shown to keys
/// that may manage the webhook.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("look"))),
    params(
        ("id" = String, Path, pattern = "^dlv_[0-9a-hjkmnp-tv-z]{51}[0g]$", description = "`dlv_…`"),
        ("attempt" = Option<u32>, Query, minimum = 1, maximum = 4_294_967_295u64,
         description = "The number of the attempt; default: the last one"),
    ),
    responses((status = 200, body = RequestView))
)]
#[get("/v1/deliveries/{id}/request")]
pub async fn get_request(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
    params: Params,
) -> Result<Json<RequestView>, ApiError> {
    let delivery = find(&app, &caller, Verb::Look, &id).await?;
    let number = params.read(&["attempt"])?.parsed("attempt", "a whole number", |text| {
        text.parse::<u32>().ok().filter(|number| *number > 0)
    })?;
    let history = app.store.history(delivery.id, ATTEMPTS_SHOWN_MAX).await?;
    let (_, attempts) = history.ok_or_else(ApiError::not_found)?;
    let attempt = match number {
        Some(number) => attempts.into_iter().find(|attempt| attempt.number == number),
        None => attempts.into_iter().last(),
    };
    let attempt = attempt.ok_or_else(ApiError::not_found)?;
    let webhook = app.store.webhooks(&[delivery.id.webhook]).await?.pop();
    let webhook = webhook.ok_or_else(ApiError::not_found)?;
    let event = app.store.event(&delivery.tenant, &delivery.id.event.to_string()).await?;
    let event = event.ok_or_else(ApiError::not_found)?;
    let whole = caller.may_on(Verb::Manage, &webhook.tenant).is_ok();
    Ok(Json(request(&app, &webhook, &event, &attempt, whole)?))
}

fn request(
    app: &App,
    webhook: &Webhook,
    event: &Event,
    attempt: &Attempt,
    whole: bool,
) -> Result<RequestView, ApiError> {
    let (config, at) = (&webhook.config, attempt.started_at);
    let body = payload::body(config.payload_format, event);
    let shown = if whole { WebhookView::new(webhook) } else { WebhookView::redacted(webhook) };
    let id = event.id();
    let message = Message {
        event_id: &id,
        event_type: event.event_type.as_str(),
        webhook_id: webhook.id,
        url: &config.url,
        body: &body,
        now: at,
    };
    let signed = secrets(app, webhook, at).and_then(|secrets| {
        let all: Vec<_> = secrets.iter().collect();
        let headers = signature::sign(config.signature, &all, &message);
        let headers = headers.map_err(|e| e.message.into_owned())?;
        let signature = headers.last().map_or("", |(_, value)| value);
        let secret = secrets.first().ok_or("there was no secret")?;
        let verified = verify(config.signature, secret, &id, signature, &body, at);
        Ok((headers, verified))
    });
    let constant = payload::HEADERS.map(|(name, value)| [name.to_owned(), value.to_owned()]);
    let signature_header = config.signature.header();
    let (signing, why_not) = match signed {
        Ok((headers, verified)) => (headers, verified.err()),
        Err(why_not) => (Vec::new(), Some(why_not)),
    };
    // Postrider's own replace those of the webhook.
    let mut headers: Vec<_> = shown.own_headers().filter(|[name, _]| !is_ours(name)).collect();
    headers.extend(constant);
    headers.extend(signing.into_iter().map(|(name, value)| {
        let hidden = name == signature_header && !whole;
        [name.to_owned(), if hidden { MASK.to_owned() } else { value }]
    }));
    let body = String::from_utf8_lossy(&body).into_owned();
    let signed = match config.signature {
        Scheme::Standard => Some(format!("{id}.{}.{body}", at.secs())),
        Scheme::Jwt => None,
    };
    Ok(RequestView {
        method: config.method.as_str(),
        url: shown.url().to_owned(),
        headers,
        body,
        signed,
        signature_header,
        verified: why_not.is_none(),
        why_not,
        webhook_changed: webhook.updated_at > at,
    })
}

fn is_ours(name: &str) -> bool {
    let ours = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    ours.contains(&name) || payload::HEADERS.iter().any(|(own, _)| *own == name)
}

/// Those that signed then, newest first.
fn secrets(app: &App, webhook: &Webhook, at: Timestamp) -> Result<Vec<Secret>, String> {
    let context = webhook_context(&webhook.tenant, webhook.id);
    // Another machine's clock said when the first one was made.
    let first = Some(webhook.created_at);
    let valid = webhook.secrets.iter().filter(|secret| {
        let was_there = secret.created_at <= at || Some(secret.created_at) == first;
        was_there && secret.expires_at.is_none_or(|until| until > at)
    });
    let opened = valid.map(|secret| {
        let plain = app.master_keys.open(&secret.sealed, &context);
        let plain = plain.map_err(|e| format!("the signing secret: {e}"))?;
        let text = String::from_utf8(plain).unwrap_or_default();
        Secret::parse(&text).map_err(|e| e.message.into_owned())
    });
    let opened: Vec<_> = opened.collect::<Result<_, String>>()?;
    if opened.is_empty() {
        return Err("the secret of that moment is not kept any more".into());
    }
    Ok(opened)
}

fn verify(
    scheme: Scheme,
    secret: &Secret,
    id: &str,
    signature: &str,
    body: &[u8],
    at: Timestamp,
) -> Result<(), String> {
    let verified = match scheme {
        Scheme::Standard => {
            signature::verify_standard(secret, id, &at.secs().to_string(), signature, body, at)
        }
        Scheme::Jwt => signature::verify_jwt(secret, signature, body, at),
    };
    verified.map_err(|e| e.to_string())
}
