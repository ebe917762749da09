//! Who calls, and what they may do. Keys are looked up by their hash; what was found is believed
//! for a moment, so that the hot path asks the store once a second and not once a request. A session
//! stands for the key that opened it, and that is looked up likewise.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, ResponseError as _};
use model::key::{Key, KeyHash, Verb, allow};
use model::tenant::Tenant;
use model::time::Timestamp;
use store::world::Stopwatch;
use tokio::time::timeout;

use crate::App;
use crate::problem::ApiError;
use crate::session::Session;

/// How long a key that was found is believed: a key revoked by another process works so long.
const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// How long one who only wants to know how the process is is believed while the store does not answer:
/// that is when they want to know most. It is renewed with each look.
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);
/// How long they wait for the store.
const REMEMBERING_PATIENCE: Duration = Duration::from_secs(1);
/// Keys believed at once.
const BELIEVED_MAX: usize = 1_024;
/// The longest text that is taken for a key.
const KEY_BYTES_MAX: usize = 512;

/// The holder of the key that a request came with, or of the session that stands for it. A handler
/// that takes one answers 401 without.
pub struct Caller {
    key: Arc<Key>,
    /// When its session ends, if it came with one.
    until: Option<Timestamp>,
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().cloned();
        let shown = app.as_ref().map(|app| shown(request, app));
        Box::pin(async move {
            let app = app.ok_or_else(|| ApiError::internal("the server has no App"))?;
            let (hash, until) = shown.unwrap_or_else(|| Err(unauthorized()))?;
            let key = app.auth.key(&app, hash).await?.ok_or_else(unauthorized)?;
            Ok(Self { key, until })
        })
    }
}

/// A caller who wants to know how the process is, also while the store does not answer.
pub struct Watcher(Caller);

impl FromRequest for Watcher {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let known = Caller::from_request(request, payload);
        let app = request.app_data::<Data<App>>().cloned();
        let remembered = app.zip(bearer(request).map(KeyHash::of));
        let remembered = remembered.and_then(|(app, hash)| app.auth.remembered(hash));
        Box::pin(async move {
            let Some(key) = remembered else { return Ok(Self(known.await?)) };
            match timeout(REMEMBERING_PATIENCE, known).await {
                Ok(Ok(known)) => Ok(Self(known)),
                Ok(Err(e)) if e.status_code().is_client_error() => Err(e),
                Ok(Err(_)) | Err(_) => Ok(Self(Caller { key, until: None })),
            }
        })
    }
}

impl Watcher {
    /// # Errors
    /// As [`Caller::may`].
    pub fn may_watch(&self) -> Result<(), ApiError> {
        self.0.may(Verb::Operate)
    }
}

/// The key that a request shows, and until when. A key counts before a session, also one that is
/// none: who sends one means it.
///
/// # Errors
/// `unauthorized`, and `csrf` for a session that somebody else's page may have used.
fn shown(request: &HttpRequest, app: &App) -> Result<(KeyHash, Option<Timestamp>), ApiError> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        let text = bearer(request).ok_or_else(unauthorized)?;
        return Ok((KeyHash::of(text), None));
    }
    let session = Session::of(request, &app.master_keys, app.clock.now())?;
    let session = session.ok_or_else(unauthorized)?;
    Ok((session.hash, Some(session.until)))
}

impl Caller {
    /// Whether it came with a session and not with a key.
    pub fn is_session(&self) -> bool {
        self.until.is_some()
    }

    /// May this caller do that at all? Asked before anything is read or looked up.
    ///
    /// # Errors
    /// `forbidden_role`.
    pub fn may(&self, verb: Verb) -> Result<(), ApiError> {
        if allow(&self.key.role, verb, self.key.role.tenant()) {
            return Ok(());
        }
        let role = self.key.role.as_str();
        Err(ApiError::new("forbidden_role", format!("a key of the role {role} may not do this")))
    }

    /// May it do that to what belongs to `tenant`?
    ///
    /// # Errors
    /// `forbidden_role`, and `not_found` for what belongs to another tenant.
    pub fn may_on(&self, verb: Verb, tenant: &Tenant) -> Result<(), ApiError> {
        self.may(verb)?;
        if allow(&self.key.role, verb, Some(tenant)) { Ok(()) } else { Err(ApiError::not_found()) }
    }

    /// The one tenant that this caller is bound to, if it is.
    pub fn own_tenant(&self) -> Option<&Tenant> {
        self.key.role.tenant()
    }

    /// The tenant that something is to be done for: the given one, else the key's own, else
    /// `default`.
    ///
    /// # Errors
    /// As [`Caller::may_on`].
    pub fn tenant(&self, verb: Verb, given: Option<Tenant>) -> Result<Tenant, ApiError> {
        let tenant = given.or_else(|| self.key.role.tenant().cloned()).unwrap_or_default();
        self.may_on(verb, &tenant)?;
        Ok(tenant)
    }

    /// Whether its key is there still and its session goes on, for what lasts longer than a request.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn is_known(&self, app: &App) -> Result<bool, ApiError> {
        let is_over = self.until.is_some_and(|until| until <= app.clock.now());
        Ok(!is_over && app.auth.key(app, self.key.hash).await?.is_some())
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    /// When its session ends; a key shown by itself ends by nothing.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The tenant that a list is narrowed to: the given one, else the key's own, else none.
    ///
    /// # Errors
    /// As [`Caller::may_on`].
    pub fn list_tenant(
        &self,
        verb: Verb,
        given: Option<Tenant>,
    ) -> Result<Option<Tenant>, ApiError> {
        self.may(verb)?;
        let tenant = given.or_else(|| self.key.role.tenant().cloned());
        if let Some(tenant) = &tenant {
            self.may_on(verb, tenant)?;
        }
        Ok(tenant)
    }
}

/// The key's text in `Authorization: Bearer …` (RFC 6750 section 2.1).
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    // A proxy may have judged the other one.
    if values.next().is_some() {
        return None;
    }
    let (scheme, text) = value.split_once(' ')?;
    let text = text.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && (1..=KEY_BYTES_MAX).contains(&text.len());
    fits.then_some(text)
}

fn unauthorized() -> ApiError {
    let detail = "this needs a valid API key as Authorization: Bearer, or a session";
    ApiError::new("unauthorized", detail)
}

/// The keys that were found a moment ago, by their hash.
#[derive(Default)]
pub struct Cache(RwLock<Believed>);

#[derive(Default)]
struct Believed {
    keys: HashMap<[u8; 32], (Arc<Key>, Stopwatch)>,
    /// Counts the changes, so that a lookup that began before one is not believed after it.
    changes: u64,
}

impl Cache {
    /// The key of this hash, if there is one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn key(&self, app: &App, hash: KeyHash) -> Result<Option<Arc<Key>>, ApiError> {
        let changes = {
            let believed = self.0.read().unwrap_or_else(PoisonError::into_inner);
            match believed.keys.get(&hash.0) {
                Some((key, found)) if found.elapsed() < BELIEVED_FOR && key.hash.matches(&hash) => {
                    return Ok(Some(Arc::clone(key)));
                }
                _ => believed.changes,
            }
        };
        // The store may compare as it likes: what it found is compared again in constant time.
        let Some(key) = app.store.key(&hash).await?.filter(|key| key.hash.matches(&hash)) else {
            self.0.write().unwrap_or_else(PoisonError::into_inner).keys.remove(&hash.0);
            return Ok(None);
        };
        let key = Arc::new(key);
        self.believe(hash, &key, changes);
        Ok(Some(key))
    }

    /// A key that was found not too long ago and, as far as is known here, is there still.
    fn remembered(&self, hash: KeyHash) -> Option<Arc<Key>> {
        let believed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (key, found) = believed.keys.get(&hash.0)?;
        let is_fresh = found.elapsed() < REMEMBERED_FOR && key.hash.matches(&hash);
        is_fresh.then(|| Arc::clone(key))
    }

    fn believe(&self, hash: KeyHash, key: &Arc<Key>, changes: u64) {
        let mut believed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if believed.changes != changes {
            return;
        }
        if believed.keys.len() >= BELIEVED_MAX {
            believed.keys.retain(|_, (_, found)| found.elapsed() < BELIEVED_FOR);
        }
        if believed.keys.len() < BELIEVED_MAX {
            believed.keys.insert(hash.0, (Arc::clone(key), Stopwatch::start()));
        }
    }

    /// To be called after each change of a key.
    pub fn forget(&self) {
        let mut believed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        believed.keys.clear();
        believed.changes += 1;
    }
}
