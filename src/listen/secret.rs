//! The secret that `listen` signs with. It is made once for each server and tenant and kept where a
//! person's configuration is, so that what was pasted into a receiver holds at the next start too.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use model::secret::Secret;
use store::world;

use crate::failure::Failure;
use crate::process::private;
use crate::settings;
use crate::stream::Which;

/// The secret, and where it is from.
pub fn find(
    given: Option<&settings::Secret>,
    url: &str,
    which: &Which,
) -> Result<(Secret, String), Failure> {
    if let Some(given) = given {
        return Ok((self::given(given)?, "the one that was given".into()));
    }
    let folder = folder()?;
    let path = folder.join(name(url, which.tenant.as_deref()));
    let secret = match private::read(&path)? {
        Some(text) => Secret::parse(&text).map_err(|e| {
            let path = path.display();
            Failure::failed(format!("{path}: {e}; remove the file, and another is made."))
        })?,
        None => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|e| {
                let folder = folder.display();
                Failure::failed(format!("{folder} cannot be made: {e}; --secret needs no file."))
            })?;
            let secret = Secret::from_random(world::random_bytes());
            private::write(&path, secret.expose())?;
            secret
        }
    };
    Ok((secret, format!("the same at every start; kept in {}", path.display())))
}

pub fn given(given: &settings::Secret) -> Result<Secret, Failure> {
    Secret::parse(given.expose().trim())
        .map_err(|e| Failure::usage(format!("--secret or POSTRIDER_SECRET: {e}.")))
}

/// `$XDG_CONFIG_HOME/postrider/listen`, by default in `~/.config` (XDG Base Directory Specification).
fn folder() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    config.map(|config| config.join("postrider").join("listen")).ok_or_else(|| {
        Failure::usage("there is no home directory to keep a signing secret in: give --secret.")
    })
}

/// Another one for each server and tenant; what a file's name may not have is written in hex.
fn name(url: &str, tenant: Option<&str>) -> String {
    let place = match tenant {
        Some(tenant) => format!("{url}@{tenant}"),
        None => url.to_owned(),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.@".contains(&b);
    let mut name: String = place
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02x}") })
        .collect();
    name.push_str(".secret");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_and_tenant_has_a_file_of_its_own() {
        assert_eq!(name("http://a:1", None), "http%3a%2f%2fa%3a1.secret");
        let names = [
            name("http://a:1", None),
            name("http://a:1", Some("x")),
            name("http://a:1", Some("X")),
            name("https://a:1", None),
            name("http://a/1", None),
            name("http://a%2f1", None),
        ];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| !name.contains('/')));
    }
}
