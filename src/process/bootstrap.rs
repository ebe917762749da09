//! The keys that have to exist before anything is served: those that encrypt secrets at rest, and
//! a first admin key, without which nobody could make another.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::id::{KeyId, Uid};
use model::key::{Key, KeyHash, Role};
use model::secret::{MasterKeys, OpenError, webhook_context};
use store::world::{self, Clock};
use store::{Store, StoreError, WebhookFilter};

use super::private;
use crate::failure::Failure;
use crate::settings::{Secret, Settings};

/// Fixed ids, so that a key that changes takes the place of the one before.
const GIVEN_KEY: KeyId = KeyId(Uid(*b"postrider-given\0"));
const DEV_KEY: KeyId = KeyId(Uid(*b"postrider-dev\0\0\0"));

/// What the start made.
#[derive(Default)]
pub struct First {
    /// An admin key that is to be shown, this once.
    pub shown_key: Option<Secret>,
    /// The admin key for whose holder a link to the dashboard is shown: the one that was made just now,
    /// and with `--dev` the one that the command line finds.
    pub link_for: Option<KeyHash>,
    /// Whether this is the first start with `--dev` on this data directory.
    pub is_first_dev: bool,
}

/// The given ring, else the key in the data directory, which is made if nothing is encrypted yet.
pub async fn master_keys(store: &dyn Store, settings: &Settings) -> Result<MasterKeys, Failure> {
    let path = settings.server.data_dir.join("master.key");
    let listed = store.list_webhooks(WebhookFilter::default(), None, 1).await;
    let (webhooks, is_empty) = match listed {
        Ok(webhooks) => (webhooks.clone(), webhooks.is_empty()),
        // One row that cannot be read must not keep the others from being served.
        Err(StoreError::Damaged(error)) => {
            tracing::warn!(
                error = %error,
                "a webhook cannot be read: the master key is not tried with it"
            );
            (Vec::new(), false)
        }
        Err(e) => return Err(failed(e)),
    };
    let (text, from) = match &settings.keys.master_key {
        Some(given) => (given.expose().to_owned(), "POSTRIDER_MASTER_KEY".to_owned()),
        None => match private::read(&path)? {
            Some(text) => (text, path.display().to_string()),
            None if is_empty => (new_master_key(&path)?, path.display().to_string()),
            None => {
                return Err(Failure::failed(format!(
                    "{} is missing, and it encrypted the secrets of the webhooks: put it back, or \
                     set POSTRIDER_MASTER_KEY.",
                    path.display()
                )));
            }
        },
    };
    let keys = MasterKeys::parse(&text).map_err(|_| {
        Failure::failed(format!("{from} is damaged: it holds no key of 32 bytes in hex."))
    })?;
    // Found out now, not at the first delivery.
    for webhook in &webhooks {
        let context = webhook_context(&webhook.tenant, webhook.id);
        for secret in &webhook.secrets {
            keys.open(&secret.sealed, &context).map_err(|e| match e {
                OpenError::UnknownKey => Failure::failed(format!(
                    "{from} is not the key that encrypted the webhooks' secrets: {}, or add its key \
                     after a comma.",
                    if settings.keys.master_key.is_some() {
                        "set it to what it was before"
                    } else {
                        "put back the file that was there before"
                    }
                )),
                _ => Failure::failed(format!("the secrets of a webhook cannot be read: {e}.")),
            })?;
        }
    }
    Ok(keys)
}

fn new_master_key(path: &Path) -> Result<String, Failure> {
    let key: String =
        world::random_bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
    private::write(path, &key)?;
    Ok(key)
}

/// Sees to it that there is an admin key: the given one, one that exists, or a new one. With
/// `--dev` the command line finds it in the data directory.
pub async fn admin_key(
    store: &dyn Store,
    clock: &Clock,
    settings: &Settings,
    dev: bool,
) -> Result<First, Failure> {
    let path = settings.server.data_dir.join("dev.key");
    let in_file = if dev { private::read(&path)? } else { None };
    let is_first_dev = dev && in_file.is_none();
    let put = async |id, name: &str, text: &str| {
        let key = Key {
            id,
            name: name.into(),
            role: Role::Admin,
            hash: KeyHash::of(text),
            created_at: clock.now(),
        };
        store.put_key(key).await.map_err(failed)
    };
    if let Some(given) = &settings.keys.admin_key {
        if !is_admin_key(store, given.expose()).await? {
            put(GIVEN_KEY, "POSTRIDER_ADMIN_KEY", given.expose()).await?;
        }
        if dev && in_file.as_deref() != Some(given.expose()) {
            private::write(&path, given.expose())?;
        }
        let link_for = dev.then(|| KeyHash::of(given.expose()));
        return Ok(First { shown_key: None, link_for, is_first_dev });
    }
    if dev {
        let works = match &in_file {
            Some(text) => is_admin_key(store, text).await?,
            None => false,
        };
        let text = match in_file.filter(|_| works) {
            Some(text) => text,
            None => {
                let text = new_key();
                put(DEV_KEY, "dev.key", &text).await?;
                private::write(&path, &text)?;
                text
            }
        };
        let link_for = Some(KeyHash::of(&text));
        return Ok(First { shown_key: None, link_for, is_first_dev });
    }
    let keys = store.keys().await.map_err(failed)?;
    if keys.iter().any(|key| key.role == Role::Admin) {
        return Ok(First { shown_key: None, link_for: None, is_first_dev });
    }
    let text = new_key();
    put(KeyId(world::new_uid(clock.now())), "first admin key", &text).await?;
    let link_for = Some(KeyHash::of(&text));
    Ok(First { shown_key: Some(text.into()), link_for, is_first_dev })
}

async fn is_admin_key(store: &dyn Store, text: &str) -> Result<bool, Failure> {
    let found = store.key(&KeyHash::of(text)).await.map_err(failed)?;
    Ok(found.is_some_and(|key| key.role == Role::Admin))
}

/// `prk_` and 32 random bytes in base64url.
fn new_key() -> String {
    format!("prk_{}", URL_SAFE_NO_PAD.encode(world::random_bytes::<32>()))
}

fn failed(error: StoreError) -> Failure {
    Failure::failed(format!("{error}."))
}
