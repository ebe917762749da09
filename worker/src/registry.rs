//! Webhooks as the worker needs them: secrets opened, headers ready. Cached, and checked against
//! a version at every use, so that a change holds from the next request on.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue as HttpValue};
use model::id::WebhookId;
use model::secret::{MasterKeys, Secret, webhook_context};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{HeaderValue, Webhook, WebhookSecret, WebhookStatus, patterns_of};
use store::{Lane, Limits, Queue, Store, StoreError};

use crate::engine::{report_queue, report_store};
use crate::mask::{Credentials, Gathered};

/// Webhooks and tenants kept; beyond it the cache starts anew.
const CACHED_MAX: usize = 100_000;
/// How long a tenant's webhooks are kept by what changed alone. A store that was put back to an earlier
/// state gives numbers a second time, and what they stand for is seen only by who reads all of it.
const WHOLE_EVERY: Duration = Duration::from_secs(180);

/// Changes that are made one by one: each moves what stands behind it in a list.
const ONE_BY_ONE_MAX: usize = 1_000;

/// A webhook ready to be sent to.
pub(crate) struct Target {
    /// Without what is sealed: that is opened below.
    pub(crate) webhook: Webhook,
    /// The webhook's URL as the HTTP client wants it.
    pub(crate) uri: Result<Uri, Unreadable>,
    pub(crate) headers: Result<HeaderMap, Unreadable>,
    /// What must not be kept of an answer that repeats it.
    pub(crate) credentials: Credentials,
    secrets: Result<Box<[Signing]>, Unreadable>,
    /// The life of the queue's memory in which it was told what the lane may do; 0 is none.
    told: AtomicU64,
}

/// A secret, and the time until which it signs.
type Signing = (Option<Timestamp>, Secret);

/// A ciphertext that none of the master keys opens, or whose content is not what it should be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

/// A tenant's webhooks. A change is made in place: what one costs must hardly grow with how many others
/// there are.
#[derive(Default)]
pub(crate) struct TenantWebhooks(RwLock<Kept>);

/// In the order of their ids. A list, since there are many tenants that have one or two.
#[derive(Default)]
struct ById(Vec<Arc<Target>>);

#[derive(Default)]
struct Kept {
    version: u64,
    /// When all of it was read.
    whole_at: Option<Timestamp>,
    all: ById,
    /// Those that want the types that fit a pattern.
    by_pattern: HashMap<String, ById>,
}

impl TenantWebhooks {
    /// The version from which on it is to be read; none if what is kept is of that version. Numbers
    /// that went back are those of a store that was put back.
    fn unread(&self, version: u64, now: Timestamp) -> Option<u64> {
        let kept = self.kept();
        let is_old = kept.whole_at.is_none_or(|at| now.since(at) >= WHOLE_EVERY);
        match kept.version.cmp(&version) {
            _ if is_old => Some(0),
            Ordering::Less => Some(kept.version),
            Ordering::Equal => None,
            Ordering::Greater => Some(0),
        }
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
        let mut wanting = Vec::new();
        for of_pattern in patterns_of(event_type).filter_map(|p| kept.by_pattern.get(&p)) {
            let beyond = of_pattern.beyond(after).iter();
            wanting.extend(beyond.filter(|target| filter(&target.webhook)).take(max).cloned());
        }
        wanting.sort_unstable_by_key(|target| target.webhook.id);
        wanting.dedup_by_key(|target| target.webhook.id);
        wanting.truncate(max);
        wanting
    }

    pub(crate) fn one(&self, id: WebhookId) -> Option<Arc<Target>> {
        self.kept().all.get(id).cloned()
    }

    /// What changed since a version. Nothing if something else was read meanwhile that is newer, or
    /// older than what this goes on from.
    fn change(&self, since: u64, version: u64, changed: Vec<Arc<Target>>, gone: &[WebhookId]) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if version <= kept.version || kept.version < since {
            return;
        }
        kept.version = version;
        if changed.len() + gone.len() > ONE_BY_ONE_MAX {
            kept.change_together(changed, gone);
        } else {
            gone.iter().for_each(|id| kept.remove(*id));
            changed.into_iter().for_each(|target| kept.put(target));
        }
    }

    /// All of it, read at `now` in place of what was kept then.
    fn replace(&self, before: u64, version: u64, now: Timestamp, all: Vec<Arc<Target>>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.version != before && version <= kept.version {
            return;
        }
        *kept = Kept { version, whole_at: Some(now), ..Kept::default() };
        all.into_iter().for_each(|target| kept.put(target));
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, target: Arc<Target>) {
        self.remove(target.webhook.id);
        for pattern in target.webhook.config.event_types.as_slice() {
            self.by_pattern.entry(pattern.clone()).or_default().put(target.clone());
        }
        self.all.put(target);
    }

    fn change_together(&mut self, changed: Vec<Arc<Target>>, gone: &[WebhookId]) {
        let ids = changed.iter().map(|target| target.webhook.id);
        let touched: HashSet<_> = ids.chain(gone.iter().copied()).collect();
        let mut all = std::mem::take(&mut self.all).0;
        all.retain(|target| !touched.contains(&target.webhook.id));
        all.extend(changed);
        all.sort_unstable_by_key(|target| target.webhook.id);
        self.by_pattern.clear();
        all.into_iter().for_each(|target| self.put(target));
    }

    fn remove(&mut self, id: WebhookId) {
        let Some(before) = self.all.remove(id) else { return };
        for pattern in before.webhook.config.event_types.as_slice() {
            let Some(of_pattern) = self.by_pattern.get_mut(pattern) else { continue };
            of_pattern.remove(id);
            if of_pattern.0.is_empty() {
                self.by_pattern.remove(pattern);
            }
        }
    }
}

impl ById {
    /// Where it is, or where it would be.
    fn place(&self, id: WebhookId) -> Result<usize, usize> {
        // They come in order when all are read.
        if self.0.last().is_none_or(|last| last.webhook.id < id) {
            return Err(self.0.len());
        }
        self.0.binary_search_by_key(&id, |target| target.webhook.id)
    }

    fn get(&self, id: WebhookId) -> Option<&Arc<Target>> {
        self.place(id).ok().map(|at| &self.0[at])
    }

    fn beyond(&self, id: Option<WebhookId>) -> &[Arc<Target>] {
        let from = id.map_or(0, |id| self.place(id).map_or_else(|at| at, |at| at + 1));
        &self.0[from..]
    }

    fn put(&mut self, target: Arc<Target>) {
        match self.place(target.webhook.id) {
            Ok(at) => self.0[at] = target,
            Err(at) => self.0.insert(at, target),
        }
    }

    fn remove(&mut self, id: WebhookId) -> Option<Arc<Target>> {
        self.place(id).ok().map(|at| self.0.remove(at))
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
        self.life.fetch_add(1, atomic::Ordering::AcqRel);
    }

    fn life(&self) -> u64 {
        self.life.load(atomic::Ordering::Acquire)
    }

    fn is_told(&self, target: &Target) -> bool {
        target.told.load(atomic::Ordering::Acquire) == self.life()
    }

    /// The tenant's webhooks as of `version`, which is the store's, or later. So an event accepted
    /// after a registration never misses it.
    pub(crate) async fn of_tenant(
        &self,
        tenant: &Tenant,
        version: u64,
        now: Timestamp,
    ) -> Result<Arc<TenantWebhooks>, StoreError> {
        let kept = lock(&self.by_tenant).get(tenant).cloned().unwrap_or_default();
        let Some(since) = kept.unread(version, now) else { return Ok(kept) };
        let before = kept.kept().version;
        let store::Registry { version, webhooks, gone } =
            self.store.registry(tenant, since).await?;
        let changed = webhooks.into_iter().map(|webhook| self.opened(webhook)).collect();
        match since {
            0 => kept.replace(before, version, now, changed),
            since => kept.change(since, version, changed, &gone),
        }
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

    /// The same, without those whose rows cannot be read.
    pub(crate) async fn read_those_that_can_be(
        &self,
        ids: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Arc<Target>>, StoreError> {
        match self.read(ids).await {
            Err(StoreError::Damaged(_)) => {}
            read => return read,
        }
        let mut targets = HashMap::new();
        for id in ids {
            match self.read(std::slice::from_ref(id)).await {
                Ok(one) => targets.extend(one),
                Err(e @ StoreError::Damaged(_)) => report_store(&e, "webhooks"),
                Err(e) => return Err(e),
            }
        }
        Ok(targets)
    }

    /// Opens a webhook that was read, and keeps it.
    fn opened(&self, webhook: Webhook) -> Arc<Target> {
        let before = lock(&self.by_id).get(&webhook.id).cloned();
        // A store that was put back gives a version twice, not a moment.
        let state = |webhook: &Webhook| (webhook.version, webhook.updated_at);
        if let Some(same) = before.as_ref().filter(|b| state(&b.webhook) == state(&webhook)) {
            return same.clone();
        }
        let mut target = open(webhook, &self.master_keys);
        // A lane that the queue does not know has the default limits. One whose webhook was changed, or
        // that is back from old data, may have older ones.
        let default = Limits { version: target.webhook.registered_version, ..Limits::default() };
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
                targets
                    .iter()
                    .for_each(|target| target.told.store(life, atomic::Ordering::Release));
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

fn open(mut webhook: Webhook, master_keys: &MasterKeys) -> Target {
    let context = webhook_context(&webhook.tenant, webhook.id);
    // A secret that was replaced because it cannot be read does not keep its successor from signing.
    let needed = |(kept, opened): (&WebhookSecret, Result<_, _>)| match opened {
        Err(_) if kept.expires_at.is_some() => None,
        opened => Some(opened),
    };
    let opened = webhook.secrets.iter().map(|s| (s, open_secret(s, master_keys, &context)));
    let secrets: Result<Box<[_]>, _> = opened.filter_map(needed).collect();
    let mut credentials = Gathered::default();
    let headers = webhook
        .config
        .headers
        .iter()
        .map(|(name, value)| {
            let value = match value {
                HeaderValue::Plain(text) => {
                    if value.is_secret(name) {
                        credentials.add_header(text);
                    }
                    text.clone().into_bytes()
                }
                HeaderValue::Sealed(sealed) => {
                    let plain = master_keys
                        .open(sealed, &context)
                        .map_err(|e| Unreadable(format!("header {name}: {e}")))?;
                    let text = String::from_utf8_lossy(&plain);
                    credentials.add_header(&text);
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
    for (name, value, read) in webhook.config.url.query_values() {
        [value, &read].into_iter().for_each(|value| credentials.add_query(name, value));
    }
    let uri = webhook.config.url.as_str().parse();
    let uri = uri.map_err(|e| Unreadable(format!("the URL cannot be requested: {e}")));
    webhook.secrets = Vec::new();
    webhook.config.headers.clear();
    let credentials = credentials.into();
    Target { webhook, uri, headers, credentials, secrets, told: AtomicU64::new(0) }
}

fn open_secret(
    secret: &WebhookSecret,
    master_keys: &MasterKeys,
    context: &[u8],
) -> Result<Signing, Unreadable> {
    let plain = master_keys
        .open(&secret.sealed, context)
        .map_err(|e| Unreadable(format!("the signing secret: {e}")))?;
    let text = String::from_utf8(plain).unwrap_or_default();
    let opened = Secret::parse(&text).map_err(|e| Unreadable(e.message.into_owned()))?;
    Ok((secret.expires_at, opened))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    use model::id::Uid;
    use model::target::TargetUrl;
    use model::webhook::{EventTypes, WebhookConfig};
    use store::memory::{self, Memory};
    use store::sqlite::Sqlite;
    use store::world::Clock;

    fn id(n: u8) -> WebhookId {
        WebhookId(Uid([n; 16]))
    }

    fn webhook(id: WebhookId, event_types: &[&str]) -> Webhook {
        let url = TargetUrl::parse("https://example.com/").expect("a URL");
        let patterns: Vec<_> = event_types.iter().map(|&pattern| pattern.to_owned()).collect();
        let event_types = EventTypes::parse(&patterns).expect("patterns");
        Webhook {
            id,
            tenant: Tenant::default(),
            status: WebhookStatus::Active,
            status_reason: None,
            registered_version: 0,
            version: 0,
            config: WebhookConfig { event_types, ..WebhookConfig::new(url) },
            secrets: Vec::new(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    /// A store in which these were registered, one after the other.
    async fn store_of(folder: &std::path::Path, webhooks: &[u8]) -> Arc<dyn Store> {
        let store = Sqlite::open(folder, Clock::system()).await.expect("a store opens");
        for n in webhooks {
            let mut webhook = webhook(id(*n), &["*"]);
            let url = format!("https://example.com/{n}");
            webhook.config.url = TargetUrl::parse(&url).expect("a URL");
            webhook.updated_at = Timestamp::from_secs(1_800_000_000 + i64::from(*n));
            store.insert_webhook(webhook).await.expect("a store keeps");
        }
        Arc::new(store)
    }

    /// The ids that are known when the store says of which version it is.
    async fn known(registry: &Registry, version: u64, at: u64) -> Vec<WebhookId> {
        let now = Timestamp::from_secs(1_900_000_000) + Duration::from_secs(at);
        let kept = registry.of_tenant(&Tenant::default(), version, now).await;
        let all = kept.expect("a store reads").wanting("a", None, 10, |_| true);
        all.iter().map(|target| target.webhook.id).collect()
    }

    #[tokio::test]
    async fn what_a_store_was_put_back_to_is_what_is_known() {
        let folders = [(); 4].map(|()| tempfile::tempdir().expect("a folder"));
        let [before, back, other, on] = folders.each_ref().map(|folder| folder.path());
        let queue = Arc::new(Memory::new(Clock::system(), memory::Settings::default()));
        let master_keys = Arc::new(MasterKeys::parse(&"01".repeat(32)).expect("a key"));
        let mut registry = Registry::new(store_of(before, &[1, 2]).await, queue, master_keys);
        assert_eq!(known(&registry, 2, 0).await, [id(1), id(2)]);
        // The number is lower: seen at once.
        registry.store = store_of(back, &[1]).await;
        assert_eq!(known(&registry, 1, 1).await, [id(1)]);
        registry.store = store_of(other, &[1, 3]).await;
        assert_eq!(known(&registry, 2, 2).await, [id(1), id(3)]);
        // Its numbers are past those of before when somebody looks: seen once all of it is read.
        registry.store = store_of(on, &[1, 4, 5]).await;
        assert_eq!(known(&registry, 3, 3).await, [id(1), id(3), id(5)]);
        let late = 4 + WHOLE_EVERY.as_secs();
        assert_eq!(known(&registry, 3, late).await, [id(1), id(4), id(5)]);
    }

    #[test]
    fn one_change_and_thousands_leave_what_was_read() {
        let master_keys = MasterKeys::parse(&"01".repeat(32)).expect("a key");
        let numbered = |n: u64| WebhookId(Uid((u128::from(n) << 64).to_be_bytes()));
        let target = |n: u64, event_types: &[&str]| {
            Arc::new(open(webhook(numbered(n), event_types), &master_keys))
        };
        let kept = TenantWebhooks::default();
        let mut wanted = BTreeMap::new();
        // Multiples of a prime come in every order, and many a time again.
        let sizes = [3, 1, 2 * ONE_BY_ONE_MAX as u64, 7, 1, 1, ONE_BY_ONE_MAX as u64 + 1, 2];
        for (version, size) in (0..).zip(sizes) {
            let numbers = (0..size).map(|k| (k + version) * 7_919 % 2_503);
            let (mut changed, mut gone) = (BTreeMap::new(), Vec::new());
            for n in numbers {
                let types: &[&str] = match (n + version) % 4 {
                    0 => &["a"],
                    1 => &["b.*", "a"],
                    2 => &["b.c"],
                    _ => {
                        changed.remove(&n);
                        gone.push(numbered(n));
                        wanted.remove(&n);
                        continue;
                    }
                };
                changed.insert(n, target(n, types));
                wanted.insert(n, types);
            }
            kept.change(version, version + 1, changed.into_values().collect(), &gone);
            for (event_type, patterns) in [("a", vec!["a"]), ("b.c", vec!["b.*", "b.c"])] {
                let wants = |types: &[&str]| types.iter().any(|t| patterns.contains(t));
                let expected: Vec<_> =
                    wanted.iter().filter(|(_, types)| wants(types)).map(|(n, _)| *n).collect();
                let middle = expected.get(expected.len() / 2).copied();
                for after in [None, middle, Some(1_000_000)] {
                    let found = kept.wanting(event_type, after.map(numbered), 100_000, |_| true);
                    let found: Vec<_> = found.iter().map(|target| target.webhook.id).collect();
                    let beyond = expected.iter().filter(|n| after.is_none_or(|after| **n > after));
                    assert_eq!(found, beyond.map(|n| numbered(*n)).collect::<Vec<_>>());
                }
            }
        }
        assert!(wanted.len() > 100, "{}", wanted.len());
    }

    #[test]
    fn what_was_read_at_once_leaves_the_newer_of_both() {
        let kept = TenantWebhooks::default();
        let version = || kept.kept().version;
        kept.replace(0, 5, Timestamp::default(), Vec::new());
        // Begun before it: older, and of a gap.
        kept.replace(0, 4, Timestamp::default(), Vec::new());
        kept.change(6, 7, Vec::new(), &[]);
        assert_eq!(version(), 5);
        kept.change(5, 6, Vec::new(), &[]);
        kept.replace(6, 2, Timestamp::default(), Vec::new());
        assert_eq!(version(), 2);
    }
}
