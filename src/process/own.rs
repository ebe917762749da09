//! Where the database and the queue are: no target for a webhook, even where their network is open.
//! A request to Redis is a line of commands to it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::settings::Services;

const POSTGRES_PORT: u16 = 5432;
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// The start does not wait longer for a name; without an answer, what it stands for is not kept out.
const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses of the servers in these settings, as their names resolve at the start.
pub async fn services(services: &Services) -> Vec<SocketAddr> {
    let urls = [&services.database_url, &services.redis_url];
    let places: Vec<_> = urls.into_iter().flatten().flat_map(|url| places(url.expose())).collect();
    let mut own = Vec::new();
    for (host, port) in places {
        match timeout(PATIENCE, lookup_host((host.as_str(), port))).await {
            Ok(Ok(addresses)) => own.extend(addresses),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(server.host = %host, "a server's name does not resolve");
            }
        }
    }
    own
}

/// The hosts of a URL, several separated by commas, with their ports.
fn places(url: &str) -> Vec<(String, u16)> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let usual = match scheme {
        _ if scheme.starts_with("postgres") => POSTGRES_PORT,
        _ if scheme.ends_with("+sentinel") => SENTINEL_PORT,
        _ => REDIS_PORT,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let place = |host: &str| {
        let port = host.rsplit_once(':').filter(|(name, _)| !name.ends_with(':'));
        let (name, port) = match port.map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, port),
            _ => (host, usual),
        };
        (name.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
    };
    hosts.split(',').filter(|host| !host.is_empty()).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_of_a_url_is_found() {
        for (url, expected) in [
            ("postgres://a:b@db.example.com/postrider?sslmode=require", "db.example.com:5432"),
            ("postgresql://db:6543/x", "db:6543"),
            ("redis://10.0.0.1", "10.0.0.1:6379"),
            ("rediss://u:p%40x@[fd00::1]:7000/0", "fd00::1:7000"),
            ("redis://[fd00::1]", "fd00::1:6379"),
            ("redis+sentinel://:p@a:1,b/master", "a:1 b:26379"),
            ("redis://127.0.0.1:9000?cluster=true", "127.0.0.1:9000"),
            ("nonsense", ""),
        ] {
            let found: Vec<_> =
                places(url).iter().map(|(host, port)| format!("{host}:{port}")).collect();
            assert_eq!(found.join(" "), expected, "{url}");
        }
    }
}
