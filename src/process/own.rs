//! Where the database and the queue are: no target for a webhook, even where their network is open.
//! A request to Redis is a line of commands to it.

use std::net::SocketAddr;
use std::time::Duration;

use store::postgres::Postgres;
use store::redis::Redis;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::settings::Services;

/// The start does not wait longer for a name; without an answer, what it stands for is not kept out.
const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses of the servers in these settings, as their names resolve at the start.
pub async fn services(services: &Services) -> Vec<SocketAddr> {
    let mut places = Vec::new();
    if let Some(url) = &services.database_url {
        places.extend(Postgres::places(url.expose()));
    }
    if let Some(url) = &services.redis_url {
        places.extend(Redis::places(url.expose()));
    }
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
            let places = if url.starts_with("redis") { Redis::places } else { Postgres::places };
            let found: Vec<_> =
                places(url).iter().map(|(host, port)| format!("{host}:{port}")).collect();
            assert_eq!(found.join(" "), expected, "{url}");
        }
    }
}
