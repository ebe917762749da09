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
        let services = &self.services;
        match (&services.database_url, &services.redis_url) {
            (None, None) => {}
            (Some(_), Some(_)) if self.keys.master_key.is_some() => {}
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "POSTRIDER_MASTER_KEY is not set, and every process needs the same one: set it \
                     to the output of `openssl rand -hex 32`, and keep that.",
                ));
            }
            (Some(_), None) => return Err(alone("POSTRIDER_DATABASE_URL", "POSTRIDER_REDIS_URL")),
            (None, Some(_)) => return Err(alone("POSTRIDER_REDIS_URL", "POSTRIDER_DATABASE_URL")),
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

    /// Checks what a process needs that is one of many.
    ///
    /// # Errors
    /// One sentence with the setting to change.
    pub fn check_member(&self) -> Result<(), Failure> {
        match self.services.database_url {
            Some(_) => Ok(()),
            None => Err(Failure::usage(
                "POSTRIDER_DATABASE_URL and POSTRIDER_REDIS_URL are not set, and this process \
                 shares its work with others through them: set both, or run `postrider serve`.",
            )),
        }
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

fn alone(given: &str, missing: &str) -> Failure {
    Failure::usage(format!(
        "{given} is set and {missing} is not: set both for many processes, or unset it for the \
         embedded database and queue."
    ))
}
