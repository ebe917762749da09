//! What one webhook keeps encrypted, as it lies in a store: for whoever wants to know whether a key is
//! the one that encrypted it.

use model::id::WebhookId;
use model::secret::{MasterKeys, webhook_context};
use model::tenant::Tenant;
use model::webhook::WebhookSecret;

/// The newest webhook's secrets, as a process tries them when it starts.
#[derive(Debug, Clone)]
pub struct SealedSample {
    context: Vec<u8>,
    secrets: Vec<WebhookSecret>,
}

impl SealedSample {
    /// None if what a row holds is not what this version writes.
    pub(crate) fn read(tenant: &str, webhook: WebhookId, secrets: &str) -> Option<Self> {
        let tenant = Tenant::parse(tenant).ok()?;
        let secrets = serde_json::from_str(secrets).ok()?;
        Some(Self { context: webhook_context(&tenant, webhook), secrets })
    }

    /// Whether these keys open all of it.
    pub fn opens_with(&self, keys: &MasterKeys) -> bool {
        self.secrets.iter().all(|secret| keys.open(&secret.sealed, &self.context).is_ok())
    }
}
