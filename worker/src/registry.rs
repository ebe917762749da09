//! Webhooks as the worker needs them: secrets opened, headers ready. Cached, and checked against
//! a version at every use, so that a change holds from the next request on.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue as HttpValue};
use model::id::WebhookId;
use model::secret::{MasterKeys, Secret, webhook_context};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{HeaderValue, Webhook, WebhookSecret, WebhookStatus, patterns_of};
use store::{Lane, Limits, Queue, Store, StoreError};

use crate::engine::report_queue;
use crate::mask;

/// Webhooks and tenants kept; beyond it the cache starts anew.
const CACHED_MAX: usize = 100_000;

/// A webhook ready to be sent to.
pub(crate) struct Target {
    pub(crate) webhook: Webhook,
    /// The webhook's URL as the HTTP client wants it.
    pub(crate) uri: Result<Uri, Unreadable>,
    pub(crate) headers: Result<HeaderMap, Unreadable>,
    /// What must not be kept of an answer that repeats it.
    pub(crate) credentials: Vec<String>,
    /// With the time until which each signs.
    secrets: Result<Vec<(Option<Timestamp>, Secret)>, Unreadable>,
    /// The life of the queue's memory in which it was told what the lane may do; 0 is none.
    told: AtomicU64,
}

/// A ciphertext that none of the master keys opens, or whose content is not what it should be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

/// A tenant's webhooks. A change is made in place: what one costs must not grow with how many others
/// there are.
#[derive(Default)]
pub(crate) struct TenantWebhooks(RwLock<Kept>);

type ById = BTreeMap<WebhookId, Arc<Target>>;

#[derive(Default)]
struct Kept {
    version: u64,
    all: ById,
    /// Those that want the types that fit a pattern.
    by_pattern: HashMap<String, ById>,
}

impl TenantWebhooks {
    fn version(&self) -> u64 {
        self.kept().version
    }

    /// The first of those that want events of a type, beyond `after` and as `filter` says, by id.
    /// Costs as much as there are of them, however many others there are.
    pub(crate) fn wanting(
        &self,
        event_type: &str,
        after: Option<WebhookId>,
        max: usize,
        filter: impl Fn(&Webhook) -> bool,
    ) -> Vec<Arc<Target>> {
        let kept = self.kept();
        let beyond = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut wanting = Vec::new();
        for of_pattern in patterns_of(event_type).filter_map(|p| kept.by_pattern.get(&p)) {
            let wanted = of_pattern.range(beyond).filter(|(_, target)| filter(&target.webhook));
            wanting.extend(wanted.take(max).map(|(_, target)| target.clone()));
        }
        wanting.sort_unstable_by_key(|target| target.webhook.id);
        wanting.dedup_by_key(|target| target.webhook.id);
        wanting.truncate(max);
        wanting
    }

    pub(crate) fn one(&self, id: WebhookId) -> Option<Arc<Target>> {
        self.kept().all.get(&id).cloned()
    }

    /// What was read of a version. Nothing if what is kept is newer.
    fn change(&self, version: u64, changed: Vec<Arc<Target>>, gone: &[WebhookId]) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if version <= kept.version {
            return;
        }
        kept.version = version;
        gone.iter().for_each(|id| kept.remove(*id));
        changed.into_iter().for_each(|target| kept.put(target));
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, target: Arc<Target>) {
        let id = target.webhook.id;
        self.remove(id);
        for pattern in target.webhook.config.event_types.as_slice() {
            self.by_pattern.entry(pattern.clone()).or_default().insert(id, target.clone());
        }
        self.all.insert(id, target);
    }

    fn remove(&mut self, id: WebhookId) {
        let Some(before) = self.all.remove(&id) else { return };
        for pattern in before.webhook.config.event_types.as_slice() {
            let Some(of_pattern) = self.by_pattern.get_mut(pattern) else { continue };
            of_pattern.remove(&id);
            if of_pattern.is_empty() {
                self.by_pattern.remove(pattern);
            }
        }
    }
}

pub(crate) struct Registry {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    master_keys: Arc<MasterKeys>,
    by_tenant: Mutex<HashMap<Tenant, Arc<TenantWebhooks>>>,
    by_id: Mutex<HashMap<WebhookId, Arc<Target>>>,
    /// How often the queue's memory began, as far as this process knows.
    life: AtomicU64,
}

/// The first life of the queue's memory.
const FIRST_LIFE: u64 = 1;

impl Target {
    /// The secrets that sign at `now`, newest first: the current one, and older ones in their
    /// overlap.
    pub(crate) fn secrets(&self, now: Timestamp) -> Result<Vec<&Secret>, &Unreadable> {
        let secrets = self.secrets.as_ref()?.iter();
        let valid = secrets.filter(|(until, _)| until.is_none_or(|until| now < until));
        Ok(valid.map(|(_, secret)| secret).collect())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_in_flight: self.webhook.config.max_in_flight,
            paused: self.webhook.status == WebhookStatus::Paused,
            version: self.webhook.version,
        }
    }

    pub(crate) fn lane(&self) -> Lane {
        Lane::deliver(self.webhook.tenant.clone(), self.webhook.id)
    }
}

impl Registry {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        queue: Arc<dyn Queue>,
        master_keys: Arc<MasterKeys>,
    ) -> Self {
        let (by_tenant, by_id) = (Mutex::default(), Mutex::default());
        Self { store, queue, master_keys, by_tenant, by_id, life: AtomicU64::new(FIRST_LIFE) }
    }

    /// The queue may have lost its memory: it is told of each webhook again before it is used next.
    pub(crate) fn queue_forgot(&self) {
        self.life.fetch_add(1, Ordering::AcqRel);
    }

    fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    fn is_told(&self, target: &Target) -> bool {
        target.told.load(Ordering::Acquire) == self.life()
    }

    /// The tenant's webhooks as of `version` or later. So an event accepted after a registration
    /// never misses it.
    pub(crate) async fn of_tenant(
        &self,
        tenant: &Tenant,
        version: u64,
    ) -> Result<Arc<TenantWebhooks>, StoreError> {
        let kept = lock(&self.by_tenant).get(tenant).cloned().unwrap_or_default();
        let since = kept.version();
        if since >= version {
            return Ok(kept);
        }
        let store::Registry { version, webhooks, gone } =
            self.store.registry(tenant, since).await?;
        let changed = webhooks.into_iter().map(|webhook| self.opened(webhook)).collect();
        kept.change(version, changed, &gone);
        let mut by_tenant = lock(&self.by_tenant);
        if by_tenant.len() >= CACHED_MAX && !by_tenant.contains_key(tenant) {
            by_tenant.clear();
        }
        by_tenant.insert(tenant.clone(), kept.clone());
        Ok(kept)
    }

    /// The cached webhook, if it is of that version and the queue knows it.
    pub(crate) fn cached(&self, id: WebhookId, version: u64) -> Option<Arc<Target>> {
        let is_it =
            |target: &&Arc<Target>| target.webhook.version == version && self.is_told(target);
        lock(&self.by_id).get(&id).filter(is_it).cloned()
    }

    /// Reads webhooks afresh, and tells the queue of them. Those that do not exist are left out.
    pub(crate) async fn read(
        &self,
        ids: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Arc<Target>>, StoreError> {
        let webhooks = self.store.webhooks(ids).await?;
        let targets: Vec<_> = webhooks.into_iter().map(|webhook| self.opened(webhook)).collect();
        self.tell(&targets).await;
        Ok(targets.into_iter().map(|target| (target.webhook.id, target)).collect())
    }

    /// Opens a webhook that was read, and keeps it.
    fn opened(&self, webhook: Webhook) -> Arc<Target> {
        let before = lock(&self.by_id).get(&webhook.id).cloned();
        if let Some(same) = before.as_ref().filter(|b| b.webhook.version == webhook.version) {
            return same.clone();
        }
        let mut target = open(webhook, &self.master_keys);
        // A lane that the queue does not know has the default limits. One that is back from old data
        // may have older ones.
        let default = Limits { version: target.webhook.version, ..Limits::default() };
        let is_known = before.is_none() && target.limits() == default && self.life() == FIRST_LIFE;
        target.told = if is_known { FIRST_LIFE } else { 0 }.into();
        let target = Arc::new(target);
        let mut by_id = lock(&self.by_id);
        if by_id.len() >= CACHED_MAX {
            by_id.clear();
        }
        by_id.insert(target.webhook.id, target.clone());
        target
    }

    /// Tells the queue what lanes may do of which it was not told yet. What it does not hear it is
    /// told when the webhook is used next.
    pub(crate) async fn tell(&self, targets: &[Arc<Target>]) {
        let untold: Vec<_> =
            targets.iter().filter(|target| !self.is_told(target)).cloned().collect();
        self.set_limits(&untold).await;
    }

    /// Tells the queue what the lanes of webhooks may do. Returns whether it heard that.
    pub(crate) async fn set_limits(&self, targets: &[Arc<Target>]) -> bool {
        if targets.is_empty() {
            return true;
        }
        // If it forgets while it is told, it is told again.
        let life = self.life();
        let limits: Vec<_> = targets.iter().map(|t| (t.lane(), t.limits())).collect();
        match self.queue.set(&limits).await {
            Ok(()) => {
                targets.iter().for_each(|target| target.told.store(life, Ordering::Release));
                true
            }
            Err(e) => {
                report_queue(&e, "set");
                false
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(webhook: Webhook, master_keys: &MasterKeys) -> Target {
    let context = webhook_context(&webhook.tenant, webhook.id);
    // A secret that was replaced because it cannot be read does not keep its successor from signing.
    let needed = |(kept, opened): (&WebhookSecret, Result<_, _>)| match opened {
        Err(_) if kept.expires_at.is_some() => None,
        opened => Some(opened),
    };
    let opened = webhook.secrets.iter().map(|s| (s, open_secret(s, master_keys, &context)));
    let secrets: Result<Vec<_>, _> = opened.filter_map(needed).collect();
    let mut credentials = Vec::new();
    let headers = webhook
        .config
        .headers
        .iter()
        .map(|(name, value)| {
            let value = match value {
                HeaderValue::Plain(text) => {
                    if value.is_secret(name) {
                        credentials.extend(text.rsplit(' ').next().map(str::to_owned));
                    }
                    text.clone().into_bytes()
                }
                HeaderValue::Sealed(sealed) => {
                    let plain = master_keys
                        .open(sealed, &context)
                        .map_err(|e| Unreadable(format!("header {name}: {e}")))?;
                    // `Bearer abc` and `abc` alike.
                    let text = String::from_utf8_lossy(&plain);
                    credentials.extend(text.rsplit(' ').next().map(str::to_owned));
                    plain
                }
            };
            let unfit = || Unreadable(format!("header {name} is not valid HTTP"));
            let name = HeaderName::try_from(name).map_err(|_| unfit())?;
            Ok((
                name,
                HttpValue::from_maybe_shared(bytes::Bytes::from(value)).map_err(|_| unfit())?,
            ))
        })
        .collect();
    if let Ok(secrets) = &secrets {
        credentials
            .extend(secrets.iter().map(|(_, secret): &(_, Secret)| secret.expose().to_owned()));
    }
    for (name, value, read) in webhook.config.url.query_values() {
        credentials.extend([value, &read].map(|value| mask::in_query(name, value)));
    }
    let uri = webhook.config.url.as_str().parse();
    let uri = uri.map_err(|e| Unreadable(format!("the URL cannot be requested: {e}")));
    Target { webhook, uri, headers, credentials, secrets, told: AtomicU64::new(0) }
}

fn open_secret(
    secret: &WebhookSecret,
    master_keys: &MasterKeys,
    context: &[u8],
) -> Result<(Option<Timestamp>, Secret), Unreadable> {
    let plain = master_keys
        .open(&secret.sealed, context)
        .map_err(|e| Unreadable(format!("the signing secret: {e}")))?;
    let text = String::from_utf8(plain).unwrap_or_default();
    let opened = Secret::parse(&text).map_err(|e| Unreadable(e.message.into_owned()))?;
    Ok((secret.expires_at, opened))
}
