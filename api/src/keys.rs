//! API keys: made, listed, revoked. A key's text is shown once and kept as a hash.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::Invalid;
use model::id::KeyId;
use model::key::{Key, KeyHash, Role, Verb};
use model::tenant::Tenant;
use serde::Serialize;
use store::world;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

/// The longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A key to be made.
pub struct KeyBody {
    name: String,
    role: String,
    tenant: Option<Tenant>,
}

/// A key to be made: for everything, or for one tenant.
#[derive(ToSchema)]
#[schema(as = KeyBody)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents what is read field by field")]
enum EitherKeyBody {
    Installation(InstallationKeyBody),
    Tenant(TenantKeyBody),
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct InstallationKeyBody {
    /// For people: what the key is for.
    #[schema(
        example = "shop backend",
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    name: String,
    /// `admin`: everything. `publisher`: publishes. `viewer`: sees all but secrets.
    #[schema(example = "publisher", pattern = "^(admin|publisher|viewer)$")]
    role: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct TenantKeyBody {
    /// For people: what the key is for.
    #[schema(
        example = "shop backend",
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    name: String,
    /// Everything of one tenant, and nothing else exists.
    #[schema(pattern = "^(tenant)$")]
    role: String,
    /// Which one.
    #[schema(example = "acme", pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: String,
}

impl FromFields for KeyBody {
    const FIELDS: &'static [&'static str] = &["name", "role", "tenant"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let name = fields.parsed("name", checked_name)?;
        Ok(Self {
            name: name.ok_or_else(|| fields.missing("name", "a string"))?,
            role: fields.required("role")?,
            tenant: fields.parsed("tenant", |text: String| Tenant::parse(&text))?,
        })
    }
}

impl KeyBody {
    fn role(&self) -> Result<Role, ApiError> {
        let wrong =
            |code, detail, pointer: &str| Err(ApiError::new(code, detail).at(pointer.to_owned()));
        match (self.role.as_str(), &self.tenant) {
            ("admin", None) => Ok(Role::Admin),
            ("publisher", None) => Ok(Role::Publisher),
            ("viewer", None) => Ok(Role::Viewer),
            ("tenant", Some(tenant)) => Ok(Role::Tenant(tenant.clone())),
            ("tenant", None) => {
                wrong("tenant_required", "the role tenant needs a tenant", "/tenant")
            }
            ("admin" | "publisher" | "viewer", Some(_)) => {
                wrong("tenant_required", "only the role tenant has a tenant", "/tenant")
            }
            _ => wrong("role_invalid", "role must be admin, publisher, viewer or tenant", "/role"),
        }
    }
}

fn checked_name(name: String) -> Result<String, Invalid> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name)
    } else {
        Err(Invalid::new("name_invalid", "name takes 1 to 128 bytes without control characters"))
    }
}

/// A key, without its text.
#[derive(Serialize, ToSchema)]
pub struct KeyView {
    /// `key_…`
    id: String,
    name: String,
    #[schema(example = "publisher", pattern = "^(admin|publisher|viewer|tenant)$")]
    role: &'static str,
    tenant: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl KeyView {
    fn new(key: &Key) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            role: key.role.as_str(),
            tenant: key.role.tenant().map(Tenant::to_string),
            created_at: key.created_at.to_string(),
        }
    }
}

/// A key that was made just now.
#[derive(Serialize, ToSchema)]
pub struct NewKeyView {
    #[serde(flatten)]
    key_view: KeyView,
    /// The key itself. It is never shown again.
    #[schema(example = "prk_kx0Zb0lUq3J8h1Yt5cQ2mV9nR7sW4eA6dF1gH0jK2lM")]
    key: String,
}

/// Every key, oldest first.
#[derive(Serialize, ToSchema)]
pub struct KeyList {
    data: Vec<KeyView>,
}

/// Create an API key
#[utoipa::path(
    tag = "keys",
    extensions(("x-verb" = json!("keys"))),
    request_body = EitherKeyBody,
    responses((status = 201, description = "Made; its text is shown here and never again", body = NewKeyView))
)]
#[post("/v1/keys")]
pub async fn create_key(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Keys)?;
    let body: KeyBody = body.read()?;
    let role = body.role()?;
    let text = new_key_text();
    let created_at = app.clock.now();
    let id = KeyId(world::new_uid(created_at));
    let key = Key { id, name: body.name, role, hash: KeyHash::of(&text), created_at };
    app.store.put_key(key.clone()).await?;
    app.auth.forget();
    Ok(HttpResponse::Created().json(NewKeyView { key_view: KeyView::new(&key), key: text }))
}

/// List the API keys
#[utoipa::path(tag = "keys", extensions(("x-verb" = json!("keys"))), responses((status = 200, body = KeyList)))]
#[get("/v1/keys")]
pub async fn list_keys(app: Data<App>, caller: Caller) -> Result<Json<KeyList>, ApiError> {
    caller.may(Verb::Keys)?;
    let keys = app.store.keys().await?;
    Ok(Json(KeyList { data: keys.iter().map(KeyView::new).collect() }))
}

/// Revoke an API key
///
/// It stops working at once in this process, and within a second in the others.
#[utoipa::path(
    tag = "keys",
    extensions(("x-verb" = json!("keys"))),
    params(("id" = String, Path, pattern = "^key_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`key_…`")),
    responses((status = 204, description = "Revoked"))
)]
#[delete("/v1/keys/{id}")]
pub async fn delete_key(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Keys)?;
    let id = KeyId::parse(&id).ok_or_else(ApiError::not_found)?;
    let existed = app.store.delete_key(id).await?;
    app.auth.forget();
    if existed { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found()) }
}

/// The text of a new key: 256 random bits.
pub fn new_key_text() -> String {
    format!("prk_{}", BASE64_URL_SAFE_NO_PAD.encode(world::random_bytes::<32>()))
}
