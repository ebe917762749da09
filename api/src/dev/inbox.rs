//! Inboxes: subscribers that answer as they are told and remember what they got.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Local;
use super::received::Received;
use crate::App;
use crate::body::AnyBody;
use crate::problem::ApiError;
use crate::query::Params;

/// Requests that an inbox remembers, and inboxes.
const REMEMBERED_MAX: usize = 200;
const INBOXES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;
/// The longest an answer can be put off: longer than any webhook waits for one.
const DELAY_MS_MAX: u64 = 60_000;

/// What the inboxes received, newest first.
#[derive(Default)]
pub struct Inboxes(Mutex<HashMap<String, VecDeque<Arc<Received>>>>);

impl Inboxes {
    fn remember(&self, name: &str, received: Received) -> Result<(), ApiError> {
        let mut inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inboxes.contains_key(name) && inboxes.len() >= INBOXES_MAX {
            let detail = "there are 64 inboxes already; clear one first";
            return Err(ApiError::new("parameter_invalid", detail));
        }
        let inbox = inboxes.entry(name.to_owned()).or_default();
        inbox.truncate(REMEMBERED_MAX - 1);
        inbox.push_front(Arc::new(received));
        Ok(())
    }

    fn list(&self, name: &str) -> Vec<Arc<Received>> {
        let inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.get(name).map(|inbox| inbox.iter().cloned().collect()).unwrap_or_default()
    }

    fn clear(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what an inbox reads")]
pub struct InboxQuery {
    /// The status to answer with.
    #[param(minimum = 200, maximum = 599, default = 200)]
    status: Option<u16>,
    /// How long to wait before that.
    #[param(maximum = 60_000)]
    delay_ms: Option<u64>,
    /// What to say in `Retry-After`.
    retry_after: Option<String>,
}

/// What an inbox received.
#[derive(Serialize, ToSchema)]
pub struct InboxView {
    /// The last 200 requests, newest first.
    #[schema(value_type = Vec<Received>)]
    data: Vec<InboxEntry>,
}

struct InboxEntry(Arc<Received>);

impl Serialize for InboxEntry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Receive a webhook
///
/// A subscriber to try things with: checks the signature, remembers the request, and answers as
/// the query says.
#[utoipa::path(
    tag = "dev",
    security(()),
    params(("name" = String, Path, description = "Any name"), InboxQuery),
    responses((status = 200, description = "Remembered"),
        (status = "default", description = "The status that was asked for"))
)]
#[post("/dev/inbox/{name}")]
pub async fn receive_post(
    _: Local,
    app: Data<App>,
    request: HttpRequest,
    name: Path<String>,
    params: Params,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    receive(&app, &request, &name, &params, body).await
}

/// Receive a webhook sent with PUT
#[utoipa::path(
    tag = "dev",
    security(()),
    params(("name" = String, Path, description = "Any name"), InboxQuery),
    responses((status = 200, description = "Remembered"),
        (status = "default", description = "The status that was asked for"))
)]
#[put("/dev/inbox/{name}")]
pub async fn receive_put(
    _: Local,
    app: Data<App>,
    request: HttpRequest,
    name: Path<String>,
    params: Params,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    receive(&app, &request, &name, &params, body).await
}

/// Receive a webhook sent with PATCH
#[utoipa::path(
    tag = "dev",
    security(()),
    params(("name" = String, Path, description = "Any name"), InboxQuery),
    responses((status = 200, description = "Remembered"),
        (status = "default", description = "The status that was asked for"))
)]
#[patch("/dev/inbox/{name}")]
pub async fn receive_patch(
    _: Local,
    app: Data<App>,
    request: HttpRequest,
    name: Path<String>,
    params: Params,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    receive(&app, &request, &name, &params, body).await
}

/// List what an inbox received
///
/// The last 200 requests, newest first.
#[utoipa::path(
    tag = "dev",
    security(()),
    params(("name" = String, Path, description = "Any name")),
    responses((status = 200, body = InboxView))
)]
#[get("/dev/inbox/{name}")]
pub async fn list_inbox(_: Local, app: Data<App>, name: Path<String>) -> Json<InboxView> {
    Json(InboxView { data: app.inboxes.list(&name).into_iter().map(InboxEntry).collect() })
}

/// Clear an inbox
#[utoipa::path(
    tag = "dev",
    security(()),
    params(("name" = String, Path, description = "Any name")),
    responses((status = 204, description = "Empty now"))
)]
#[delete("/dev/inbox/{name}")]
pub async fn clear_inbox(_: Local, app: Data<App>, name: Path<String>) -> HttpResponse {
    app.inboxes.clear(&name);
    HttpResponse::NoContent().finish()
}

async fn receive(
    app: &App,
    request: &HttpRequest,
    name: &str,
    params: &Params,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let query = params.read(&["status", "delay_ms", "retry_after"])?;
    let status = |text: &str| text.parse().ok().filter(|code| (200..600).contains(code));
    let status = query.parsed("status", "a status from 200 to 599", status)?.unwrap_or(200);
    let delay = |text: &str| text.parse().ok().filter(|ms| *ms <= DELAY_MS_MAX);
    let delay_ms = query.parsed("delay_ms", "up to 60000 milliseconds", delay)?.unwrap_or(0);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let retry_after = query.parsed("retry_after", "what a header can carry", value)?;
    if name.len() > NAME_BYTES_MAX {
        let detail = "an inbox's name has up to 64 bytes";
        return Err(ApiError::new("parameter_invalid", detail));
    }
    let received = Received::new(app, request, &body.bytes()?, status).await?;
    app.inboxes.remember(name, received)?;

    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(code);
    if let Some(retry_after) = retry_after {
        response.insert_header((header::RETRY_AFTER, retry_after));
    }
    Ok(response.finish())
}
