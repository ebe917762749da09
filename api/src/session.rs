//! Sessions: a browser shows a key once, or a link that is good for one time, and from then on a cookie
//! that no script can read (`cookie`). Whoever has a key may have a session, and may do with it what
//! the key may.

mod cookie;
mod link;

use actix_web::http::header::SET_COOKIE;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use model::key::{Key, KeyHash, Verb};
use model::tenant::Tenant;
use model::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

pub use self::cookie::{NAME as COOKIE, Session};
use self::link::Link;
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(create_session)
        .service(get_session)
        .service(delete_session)
        .service(create_session_link);
}

/// What a session is opened with.
pub enum SessionBody {
    Key(String),
    Link(String),
}

/// What a session is opened with: a key, or a link that was printed.
#[derive(ToSchema)]
#[schema(as = SessionBody)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents what is read field by field")]
enum EitherSessionBody {
    Key(SessionKeyBody),
    Link(SessionLinkBody),
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct SessionKeyBody {
    /// An API key of any role.
    #[schema(example = "prk_kx0Zb0lUq3J8h1Yt5cQ2mV9nR7sW4eA6dF1gH0jK2lM")]
    key: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct SessionLinkBody {
    /// What follows the # of a link to `/dashboard/login`.
    link: String,
}

impl FromFields for SessionBody {
    const FIELDS: &'static [&'static str] = &["key", "link"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        match (fields.optional("key")?, fields.optional("link")?) {
            (Some(key), None) => Ok(Self::Key(key)),
            (None, Some(link)) => Ok(Self::Link(link)),
            (Some(_), Some(_)) => Err(fields.missing("link", "left out where there is a key")),
            (None, None) => Err(fields.missing("key", "a string")),
        }
    }
}

/// Who calls, and until when.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    #[schema(example = "admin", pattern = "^(admin|publisher|viewer|tenant)$")]
    role: &'static str,
    tenant: Option<String>,
    /// The key for which the session stands: `key_…`
    key_id: String,
    /// Its name.
    #[schema(example = "shop backend")]
    key_name: String,
    /// When the session ends. Null for a key that was shown itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Whether the server was started with `--dev`.
    dev: bool,
    /// Of Postrider.
    version: &'static str,
}

impl SessionView {
    fn new(key: &Key, until: Option<Timestamp>, dev: bool) -> Self {
        Self {
            role: key.role.as_str(),
            tenant: key.role.tenant().map(Tenant::to_string),
            key_id: key.id.to_string(),
            key_name: key.name.clone(),
            expires_at: until.map(|until| until.to_string()),
            dev,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A link that opens the dashboard once.
#[derive(Serialize, ToSchema)]
pub struct SessionLinkView {
    /// What opens a session, as `link` of `POST /v1/session`.
    link: String,
    /// Where the dashboard takes it, on whatever name this server has in a browser.
    #[schema(example = "/dashboard/login#AVx0…")]
    path: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Open a session
///
/// For browsers: shows a key, or a link, once, and sets the cookie `postrider_session`, which stands for
/// the key for 12 hours or until that is revoked. Refused to pages of other sites (`Sec-Fetch-Site`).
#[utoipa::path(
    tag = "session",
    security(()),
    request_body = EitherSessionBody,
    responses((
        status = 200,
        body = SessionView,
        headers(("Set-Cookie" = String, description = "`postrider_session`, HttpOnly and SameSite=Strict"))
    ))
)]
#[post("/v1/session")]
pub async fn create_session(
    app: Data<App>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    cookie::refuse_other_sites(&request)?;
    let key = match body.read()? {
        SessionBody::Key(text) => {
            let unknown = || ApiError::new("unauthorized", "that is no API key that is known here");
            app.auth.key(&app, KeyHash::of(&text)).await?.ok_or_else(unknown)?
        }
        SessionBody::Link(token) => link::redeem(&app, &token).await?,
    };
    let session = Session { hash: key.hash, until: app.clock.now() + cookie::SESSION_TIME };
    let cookie = session.cookie(&app.master_keys, &request);
    let view = SessionView::new(&key, Some(session.until), app.dev);
    Ok(HttpResponse::Ok().insert_header((SET_COOKIE, cookie)).json(view))
}

/// Who am I?
///
/// What the session is, or the key that was shown instead.
#[utoipa::path(
    tag = "session",
    extensions(("x-verb" = json!("session"))),
    responses((status = 200, body = SessionView))
)]
#[get("/v1/session")]
pub async fn get_session(app: Data<App>, caller: Caller) -> Result<Json<SessionView>, ApiError> {
    caller.may(Verb::Session)?;
    Ok(Json(SessionView::new(caller.key(), caller.until(), app.dev)))
}

/// End the session
///
/// Takes the cookie from the browser.
#[utoipa::path(
    tag = "session",
    extensions(("x-verb" = json!("session"))),
    responses((
        status = 204,
        description = "Ended",
        headers(("Set-Cookie" = String, description = "`postrider_session`, empty and over"))
    ))
)]
#[delete("/v1/session")]
pub async fn delete_session(
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Session)?;
    let cookie = cookie::no_cookie(&request);
    Ok(HttpResponse::NoContent().insert_header((SET_COOKIE, cookie)).finish())
}

/// Make a link to the dashboard
///
/// It opens a session of the key that asks, once, within an hour, so that no key is typed into a page.
#[utoipa::path(
    tag = "session",
    extensions(("x-verb" = json!("keys"))),
    responses((status = 201, description = "Made; it is shown here alone", body = SessionLinkView))
)]
#[post("/v1/session/links")]
pub async fn create_session_link(app: Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Keys)?;
    // Else whoever came by a session could make it last for ever.
    if caller.is_session() {
        let detail = "a session makes no links: show the key itself";
        return Err(ApiError::new("forbidden_role", detail));
    }
    let made = Link::new(caller.key().hash, app.clock.now());
    let link = made.token(&app.master_keys);
    let (path, expires_at) = (link::path(&link), made.until.to_string());
    Ok(HttpResponse::Created().json(SessionLinkView { link, path, expires_at }))
}

/// Where a browser is to go to have, once, a session of this key.
pub fn dashboard_path(app: &App, key: KeyHash) -> String {
    link::path(&Link::new(key, app.clock.now()).token(&app.master_keys))
}
