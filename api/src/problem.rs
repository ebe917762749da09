//! What a caller is told when something goes wrong: RFC 9457 problems, each with a stable code of
//! one table (`codes`). The cause behind it goes to the log, once, and never to the caller.

mod codes;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Json, Path};
use actix_web::{HttpResponse, ResponseError, get};
use model::Invalid;
use model::secret::OpenError;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

pub use codes::Code;

/// Why a request was not carried out.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: &'static Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    /// What `Allow` says with a 405.
    allow: Option<String>,
    /// For the log alone.
    cause: Option<String>,
}

/// What is wrong with one field of the body.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON Pointer (RFC 6901) into the body.
    #[schema(example = "/webhook_url")]
    pub pointer: String,
    pub detail: String,
    #[schema(example = "url_invalid")]
    pub code: String,
}

/// A problem (RFC 9457), `application/problem+json`. `code` is stable and made for programs,
/// `title` and `detail` are for people and may change.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/errors/url_invalid")]
    pub kind: String,
    pub title: &'a str,
    #[schema(example = 422)]
    pub status: u16,
    #[schema(example = "url_invalid")]
    pub code: &'a str,
    pub detail: &'a str,
    /// The fields it is about, if it is about fields of the body.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(value_type = Option<Vec<FieldError>>)]
    pub errors: &'a [FieldError],
}

impl ApiError {
    /// One of the table's codes with a sentence that may be shown to anyone who may call.
    pub fn new(code: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (code, detail) = (codes::find(code), detail.into());
        Self { code, detail, errors: Vec::new(), allow: None, cause: None }
    }

    /// What is not there, and what belongs to another tenant: nobody can tell the two apart.
    pub fn not_found() -> Self {
        Self::new("not_found", "there is nothing here, or it is not yours")
    }

    /// Where nothing could be, whatever is asked for.
    pub fn unknown_path() -> Self {
        Self::new("not_found", "this path is not known; /openapi.json lists those that are")
    }

    /// A path of ours, but not with this method.
    pub fn method(allowed: &[&str]) -> Self {
        let allow = allowed.join(", ");
        let detail = format!("this path takes {allow}");
        Self { allow: Some(allow), ..Self::new("method_not_allowed", detail) }
    }

    /// Our fault. `cause` goes to the log.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let detail = "something went wrong here; the log has it under this response's Request-Id";
        Self { cause: Some(cause.to_string()), ..Self::new("internal", detail) }
    }

    /// The same about a field of the body.
    pub fn at(mut self, pointer: String) -> Self {
        let (detail, code) = (self.detail.to_string(), self.code.code.to_owned());
        self.errors.push(FieldError { pointer, detail, code });
        self
    }

    pub fn code(&self) -> &'static str {
        self.code.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem in JSON.
    pub fn body(&self) -> Vec<u8> {
        let problem = Problem {
            kind: format!("/errors/{}", self.code.code),
            title: self.code.title,
            status: self.code.status,
            code: self.code.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.code, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        match self.code.status {
            401 => response.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
            503 => response.insert_header((header::RETRY_AFTER, "1")),
            _ => &mut response,
        };
        if let Some(allow) = self.allow.as_deref().and_then(|a| HeaderValue::from_str(a).ok()) {
            response.insert_header((header::ALLOW, allow));
        }
        response.body(self.body())
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.code, invalid.message)
    }
}

/// A request that was not made durable is never answered as if it were.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = Some(error.to_string());
        match error {
            StoreError::Unavailable(_) => {
                let detail = "the store does not answer; nothing was changed, try again";
                Self { cause, ..Self::new("store_unavailable", detail) }
            }
            StoreError::Full(_) => {
                let detail = "the store has no space left; nothing was changed";
                Self { cause, ..Self::new("store_full", detail) }
            }
            StoreError::Damaged(_) => Self::internal(error),
        }
    }
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        Self::internal(error)
    }
}

/// The names of all codes.
pub fn known_codes() -> impl Iterator<Item = &'static str> {
    codes::CODES.iter().map(|known| known.code)
}

/// Every code that a problem can carry.
#[derive(Serialize, ToSchema)]
pub struct Codes {
    data: &'static [Code],
}

/// List the error codes
///
/// Every `code` that a problem can carry, with its status and what to do about it. Needs no key.
#[utoipa::path(tag = "errors", security(()), responses((status = 200, body = Codes)))]
#[get("/errors")]
pub async fn list_errors() -> HttpResponse {
    // Like the document: open to everybody, so one connection gets it once.
    HttpResponse::Ok().force_close().json(Codes { data: codes::CODES })
}

/// Explain an error code
///
/// Where a problem's `type` leads. Needs no key.
#[utoipa::path(
    tag = "errors",
    security(()),
    params(("code" = String, Path, description = "A problem's `code`")),
    responses((status = 200, body = Code))
)]
#[get("/errors/{code}")]
pub async fn get_error(code: Path<String>) -> Result<Json<&'static Code>, ApiError> {
    let found = codes::CODES.iter().find(|known| known.code == code.as_str());
    found.map(Json).ok_or_else(ApiError::not_found)
}
