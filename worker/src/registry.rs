//! Webhooks as the worker needs them: secrets opened, headers ready. Cached, and checked against
//! a version at every use, so that a change holds from the next request on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue as HttpValue};
use model::id::WebhookId;
use model::secret::{MasterKeys, Secret, webhook_context};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{HeaderValue, Webhook, WebhookSecret, WebhookStatus, patterns_of};
use store::{Lane, Limits, Queue, Store, StoreError};

use crate::engine::report_queue;

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
}

/// A ciphertext that none of the master keys opens, or whose content is not what it should be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

/// A tenant's webhooks.
pub(crate) struct TenantWebhooks {
    version: u64,
    /// By id.
    targets: Vec<Arc<Target>>,
    /// Which of them want the types that fit a pattern, in order.
    by_pattern: HashMap<String, Vec<usize>>,
}

impl TenantWebhooks {
    fn new(version: u64, targets: Vec<Arc<Target>>) -> Self {
        let mut by_pattern = HashMap::<String, Vec<usize>>::new();
        for (n, target) in targets.iter().enumerate() {
            for pattern in target.webhook.config.event_types.as_slice() {
                let of_pattern = by_pattern.entry(pattern.clone()).or_default();
                if of_pattern.last() != Some(&n) {
                    of_pattern.push(n);
                }
            }
        }
        Self { version, targets, by_pattern }
    }

    /// Those that want events of a type, by id. Costs as much as there are of them, however many
    /// others there are.
    pub(crate) fn wanting(&self, event_type: &str) -> Vec<&Arc<Target>> {
        let patterns = patterns_of(event_type);
        let found = patterns.filter_map(|pattern| self.by_pattern.get(&pattern));
        let mut wanting: Vec<usize> = found.flatten().copied().collect();
        wanting.sort_unstable();
        wanting.dedup();
        wanting.into_iter().map(|n| &self.targets[n]).collect()
    }

    pub(crate) fn one(&self, id: WebhookId) -> Option<&Arc<Target>> {
        let found = self.targets.binary_search_by_key(&id, |target| target.webhook.id);
        found.ok().map(|n| &self.targets[n])
    }
}

pub(crate) struct Registry {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    master_keys: Arc<MasterKeys>,
    by_tenant: Mutex<HashMap<Tenant, Arc<TenantWebhooks>>>,
    by_id: Mutex<HashMap<WebhookId, Arc<Target>>>,
}

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
        Self { store, queue, master_keys, by_tenant, by_id }
    }

    /// The tenant's webhooks as of `version` or later. So an event accepted after a registration
    /// never misses it.
    pub(crate) async fn of_tenant(
        &self,
        tenant: &Tenant,
        version: u64,
    ) -> Result<Arc<TenantWebhooks>, StoreError> {
        let cached = lock(&self.by_tenant).get(tenant).cloned();
        if let Some(cached) = cached.filter(|cached| cached.version >= version) {
            return Ok(cached);
        }
        let store::Registry { version, webhooks } = self.store.registry(tenant).await?;
        let mut targets = Vec::with_capacity(webhooks.len());
        for webhook in webhooks {
            targets.push(self.keep(webhook).await);
        }
        let read = Arc::new(TenantWebhooks::new(version, targets));
        let mut by_tenant = lock(&self.by_tenant);
        if by_tenant.len() >= CACHED_MAX {
            by_tenant.clear();
        }
        by_tenant.insert(tenant.clone(), read.clone());
        Ok(read)
    }

    /// The cached webhook, if it is of that version.
    pub(crate) fn cached(&self, id: WebhookId, version: u64) -> Option<Arc<Target>> {
        lock(&self.by_id).get(&id).filter(|t| t.webhook.version == version).cloned()
    }

    /// Reads webhooks afresh. Those that do not exist are left out.
    pub(crate) async fn read(
        &self,
        ids: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Arc<Target>>, StoreError> {
        let mut read = HashMap::with_capacity(ids.len());
        for webhook in self.store.webhooks(ids).await? {
            read.insert(webhook.id, self.keep(webhook).await);
        }
        Ok(read)
    }

    /// Opens a webhook that was read and keeps it; the queue learns what its lane may do.
    async fn keep(&self, webhook: Webhook) -> Arc<Target> {
        if let Some(same) = self.cached(webhook.id, webhook.version) {
            return same;
        }
        let target = Arc::new(open(webhook, &self.master_keys));
        // A lane that the queue does not know has the default limits.
        let known = lock(&self.by_id).contains_key(&target.webhook.id);
        let default = Limits { version: target.webhook.version, ..Limits::default() };
        if (known || target.limits() != default) && !self.set_limits(&target).await {
            // It is told when the webhook is used next.
            return target;
        }
        let mut by_id = lock(&self.by_id);
        if by_id.len() >= CACHED_MAX {
            by_id.clear();
        }
        by_id.insert(target.webhook.id, target.clone());
        target
    }

    /// Tells the queue what the lane of a webhook may do. False if it was not heard.
    pub(crate) async fn set_limits(&self, target: &Target) -> bool {
        let set = self.queue.set(&target.lane(), target.limits()).await;
        if let Err(e) = &set {
            report_queue(e, "set");
        }
        set.is_ok()
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
                HeaderValue::Plain(text) => text.clone().into_bytes(),
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
    let uri = webhook.config.url.as_str().parse();
    let uri = uri.map_err(|e| Unreadable(format!("the URL cannot be requested: {e}")));
    Target { webhook, uri, headers, credentials, secrets }
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
