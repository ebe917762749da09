//! What has to hold before anything is touched.

use model::secret::MasterKeys;

use crate::failure::Failure;
use crate::settings::Settings;

/// The shortest admin key that may be chosen, in characters: 32 of hex are 128 bits.
const ADMIN_KEY_CHARS_MIN: usize = 32;

impl Settings {
    /// Checks what no single setting can: combinations, and what a secret's type does not say.
    ///
    /// # Errors
    /// One sentence with the setting to change.
    pub fn check(&self) -> Result<(), Failure> {
        for (given, name) in [
            (&self.services.database_url, "POSTRIDER_DATABASE_URL"),
            (&self.services.redis_url, "POSTRIDER_REDIS_URL"),
        ] {
            if given.is_some() {
                return Err(Failure::usage(format!(
                    "{name} is set, but this version has the embedded mode only: unset it, and \
                     the database is a file in the data directory."
                )));
            }
        }
        if let Some(key) = &self.keys.admin_key {
            let fits = key.expose().chars().count() >= ADMIN_KEY_CHARS_MIN
                && key.expose().bytes().all(|b| b.is_ascii_graphic());
            if !fits {
                return Err(Failure::usage(format!(
                    "POSTRIDER_ADMIN_KEY must have {ADMIN_KEY_CHARS_MIN} or more characters, ASCII \
                     without spaces, such as the output of `openssl rand -hex 32`."
                )));
            }
        }
        if let Some(keys) = &self.keys.master_key {
            MasterKeys::parse(keys.expose()).map_err(|e| Failure::usage(format!("{e}.")))?;
        }
        if self.limits.batch_bytes < self.limits.event_bytes {
            return Err(Failure::usage(
                "limits.batch_bytes is below limits.event_bytes, so the largest event would fit \
                 in no batch: raise it.",
            ));
        }
        Ok(())
    }

    /// Checks what `--dev` allows: it opens doors that only this machine may use.
    ///
    /// # Errors
    /// One sentence with the setting to change.
    pub fn check_dev(&self) -> Result<(), Failure> {
        let listen = self.server.listen;
        if listen.ip().is_loopback() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--dev listens on this machine only and {listen} is open to others: use --listen \
             127.0.0.1:{} or leave out --dev.",
            listen.port()
        )))
    }
}
