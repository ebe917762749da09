//! What this process logs, and how to change that while it runs.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{get, put};
use model::Invalid;
use model::key::Verb;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

/// The longest text of a level, in bytes.
const LEVEL_BYTES_MAX: usize = 1_024;
/// The longest time after which a level falls back: a day.
const FOR_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// What decides which lines are logged.
pub trait LogLevel: Send + Sync {
    fn now(&self) -> Level;

    /// Makes `level` the one that holds, for good or for a while. Called within a runtime.
    ///
    /// # Errors
    /// A level that cannot be read, and what it should be.
    fn set(self: Arc<Self>, level: &str, lasts: Option<Duration>) -> Result<(), String>;
}

/// The level that holds.
pub struct Level {
    pub level: String,
    /// The one that it falls back to.
    pub configured: String,
    /// How long it still holds, if not for good.
    pub left: Option<Duration>,
}

/// The level of one process.
#[derive(Serialize, ToSchema)]
pub struct LogView {
    #[schema(example = "info,worker=debug")]
    level: String,
    /// What it was started with.
    #[schema(example = "info")]
    configured: String,
    /// After how many milliseconds it falls back to that; null if it does not.
    for_ms: Option<u64>,
}

/// A level to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogBody {
    /// error, warn, info, debug, trace or off, and after a comma exceptions such as `worker=debug`.
    #[schema(example = "info,worker=debug", min_length = 1, max_length = 1024)]
    level: String,
    /// After how many milliseconds it falls back to what is configured; never if left out.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 86_400_000)]
    for_ms: Option<Duration>,
}

impl FromFields for LogBody {
    const FIELDS: &'static [&'static str] = &["level", "for_ms"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self { level: fields.required("level")?, for_ms: fields.parsed("for_ms", checked_for)? })
    }
}

fn checked_for(ms: u64) -> Result<Duration, Invalid> {
    if (1..=FOR_MS_MAX).contains(&ms) {
        Ok(Duration::from_millis(ms))
    } else {
        Err(Invalid::new("for_ms_invalid", "for_ms must be from 1 to 86400000"))
    }
}

/// What this process logs
///
/// Of the process that answers; each of a fleet has its own. Needs a key of the role admin.
#[utoipa::path(
    tag = "health",
    extensions(("x-verb" = json!("configure"))),
    responses((status = 200, body = LogView))
)]
#[get("/v1/log")]
pub async fn get_log(app: Data<App>, caller: Caller) -> Result<Json<LogView>, ApiError> {
    caller.may(Verb::Configure)?;
    Ok(view(&app))
}

/// Change what this process logs
///
/// Of the process that answers, until it ends or `for_ms` are over. Needs a key of the role admin.
#[utoipa::path(
    tag = "health",
    extensions(("x-verb" = json!("configure"))),
    request_body = LogBody,
    responses((status = 200, body = LogView))
)]
#[put("/v1/log")]
pub async fn put_log(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<LogView>, ApiError> {
    caller.may(Verb::Configure)?;
    let LogBody { level, for_ms } = body.read()?;
    let refused = |why: String| {
        ApiError::new("log_level_invalid", format!("level is {why}")).at("/level".to_owned())
    };
    let fits = level.len() <= LEVEL_BYTES_MAX && level.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !fits {
        return Err(refused("longer than 1024 bytes or has other characters than ASCII".into()));
    }
    Arc::clone(&app.log).set(&level, for_ms).map_err(refused)?;
    Ok(view(&app))
}

fn view(app: &App) -> Json<LogView> {
    let Level { level, configured, left } = app.log.now();
    let ms = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Json(LogView { level, configured, for_ms: left.map(ms) })
}
