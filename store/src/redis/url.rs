//! Where Redis is, from one URL.
//!
//! | URL | server |
//! |---|---|
//! | `redis://[[user]:password@]host[:6379][/db]` | one server, and whatever fails over behind that address |
//! | `redis://…?cluster=true`, `redis+cluster://[…@]host[:6379][,host…]` | a Cluster |
//! | `redis+sentinel://[…@]host[:26379][,host…]/master[/db]` | the master that these Sentinels name; `?sentinel_username=…&sentinel_password=…` are for the Sentinels themselves |
//!
//! With `rediss` in place of `redis` everything is encrypted. Characters of names and passwords
//! that mean something in a URL are percent-encoded.

use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// Never says what was given: it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Redis URL {0}")]
pub struct UrlError(&'static str);

const SENTINEL_PORT: &str = "26379";
const REDIS_PORT: &str = "6379";

#[derive(Clone)]
pub(super) enum Address {
    One(ConnectionInfo),
    Cluster(Vec<ConnectionInfo>),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        node: RedisConnectionInfo,
        tls: bool,
    },
}

impl Address {
    /// The hosts and their ports. A master that Sentinels name is not known here.
    pub(super) fn places(&self) -> Vec<(String, u16)> {
        let servers = match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Cluster(servers) | Self::Sentinel { sentinels: servers, .. } => servers,
        };
        let place = |server: &ConnectionInfo| match server.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some((host.clone(), *port))
            }
            _ => None,
        };
        servers.iter().filter_map(place).collect()
    }
}

pub(super) fn parse(url: &str) -> Result<Address, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError("has no scheme such as redis://"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let mut options = Options::parse(query)?;
    let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => {
            return Err(UrlError(
                "begins with redis://, rediss:// or one of their +sentinel and +cluster forms",
            ));
        }
    };
    let base = if tls { "rediss" } else { "redis" };
    let many = |login: &str, port: &str| -> Result<Vec<_>, UrlError> {
        hosts.split(',').map(|host| one(base, login, &with_port(host, port), "")).collect()
    };
    let address = match kind {
        "" if !options.cluster => Address::One(one(base, &login, hosts, path)?),
        "" | "cluster" if !path.is_empty() && path != "0" => {
            return Err(UrlError("names a database, and a Cluster has only one"));
        }
        "" | "cluster" => Address::Cluster(many(&login, REDIS_PORT)?),
        "sentinel" => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err(UrlError("does not say which master the Sentinels know: …/mymaster"));
            }
            let node = one(base, &login, "host", db)?.redis_settings().clone();
            let sentinels = many(&options.sentinel_login(), SENTINEL_PORT)?;
            Address::Sentinel { sentinels, master: master.to_owned(), node, tls }
        }
        _ => return Err(UrlError("is of an unknown form; there are +sentinel and +cluster")),
    };
    Ok(address)
}

/// Parses one server's plain URL.
fn one(base: &str, login: &str, host: &str, db: &str) -> Result<ConnectionInfo, UrlError> {
    let slash = if db.is_empty() { "" } else { "/" };
    format!("{base}://{login}{host}{slash}{db}")
        .into_connection_info()
        .map_err(|_| UrlError("cannot be read: it is redis://user:password@host:6379/0"))
}

fn with_port(host: &str, port: &str) -> String {
    let named =
        host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    if named { host.to_owned() } else { format!("{host}:{port}") }
}

#[derive(Default)]
struct Options<'a> {
    cluster: bool,
    sentinel_username: &'a str,
    sentinel_password: &'a str,
}

impl<'a> Options<'a> {
    fn parse(query: &'a str) -> Result<Self, UrlError> {
        let mut options = Self::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("cluster", "true")) => options.cluster = true,
                Some(("cluster", "false")) => {}
                Some(("sentinel_username", name)) => options.sentinel_username = name,
                Some(("sentinel_password", password)) => options.sentinel_password = password,
                _ => {
                    return Err(UrlError(
                        "has an unknown option; there are cluster=true, sentinel_username and sentinel_password",
                    ));
                }
            }
        }
        Ok(options)
    }

    fn sentinel_login(&mut self) -> String {
        if self.sentinel_password.is_empty() {
            return String::new();
        }
        format!("{}:{}@", self.sentinel_username, self.sentinel_password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_names_its_servers() {
        let Ok(Address::One(info)) = parse("rediss://me:p%40ss@cache:6380/2") else {
            panic!("one")
        };
        assert_eq!(info.addr().to_string(), "cache:6380");
        let login = info.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("me"), Some("p@ss"), 2));

        for url in ["redis://a?cluster=true", "redis+cluster://a:6379", "redis+cluster://a/0"] {
            let Ok(Address::Cluster(nodes)) = parse(url) else { panic!("{url}") };
            assert_eq!(nodes[0].addr().to_string(), "a:6379");
        }

        let url = "redis+sentinel://:node@a,b:7/main/3?sentinel_username=u&sentinel_password=s";
        let Ok(Address::Sentinel { sentinels, master, node, tls: false }) = parse(url) else {
            panic!("sentinels")
        };
        let names: Vec<_> = sentinels.iter().map(|s| s.addr().to_string()).collect();
        assert_eq!(
            (names.as_slice(), master.as_str()),
            (&["a:26379".into(), "b:7".into()][..], "main")
        );
        assert_eq!((node.password(), node.db()), (Some("node"), 3));
        assert_eq!(sentinels[0].redis_settings().password(), Some("s"));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in [
            "http://:hunter2@a",
            "redis+cluster://:hunter2@a/3",
            "redis+sentinel://:hunter2@a",
            "redis://:hunter2@a?mode=x",
            "redis+other://:hunter2@a",
            ":hunter2@a",
            "redis://:hunter2@a:port",
        ] {
            let Err(error) = parse(url) else { panic!("{url} was read") };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
