use std::sync::Arc;

use model::time::Timestamp;
use store::Store;
use store::postgres::{Postgres, Settings};
use store::world::{Clock, random_bytes};
use tokio_postgres::NoTls;

use super::StoreRig;

/// A store in a database of its own.
pub async fn postgres() -> StoreRig {
    let database = Database::make().await;
    let (url, same) = (database.url(), database.url());
    let open = move || {
        let url = url.clone();
        async move { Arc::new(open(&url).await) as Arc<dyn Store> }
    };
    let texts = move |sql| {
        let url = same.clone();
        async move { texts(&url, sql).await }
    };
    StoreRig::new(database, open, texts).await
}

/// Opens it on the first of the days that cases are about, so that they have partitions.
pub async fn open(url: &str) -> Postgres {
    let settings = Settings { days_ahead: 1, connections: 8, ..Settings::default() };
    let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
    Postgres::open(url, settings, clock).await.expect("a store opens")
}

/// A database on the server of the tests, dropped with this.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn make() -> Self {
        let server = std::env::var("POSTRIDER_TEST_POSTGRES_URL").expect(
            "POSTRIDER_TEST_POSTGRES_URL is set: run it through `make test` or `scripts/with-servers`",
        );
        let unique = u64::from_be_bytes(random_bytes());
        let name = format!("postrider_test_{unique:016x}");
        run(&server, &format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    pub fn url(&self) -> String {
        let (place, _) = self.server.rsplit_once('/').expect("a URL that ends in a database");
        format!("{place}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = std::mem::take(&mut self.server);
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The test's own runtime cannot be waited for here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&server, &drop));
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the database is dropped");
    }
}

/// The texts that a query finds.
pub async fn texts(url: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.query(sql, &[]).await.expect("texts").iter().map(|row| row.get(0)).collect()
}

/// Runs a statement on a connection of its own.
pub async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the server does it");
    drop(client);
    connection.await.expect("no panic").expect("it ends well");
}
