//! PostgreSQL and Redis, when the suite runs in the distributed mode (`POSTRIDER_TEST_MODE` is
//! `distributed`): the servers of `scripts/with-servers`, a database and a prefix of the test's own.

use std::process::Command;

/// The same for every process of a fleet.
pub const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Short, so that a test can wait for what a killed process held.
const LEASE_MS: &str = "3000";

pub struct Services {
    server: String,
    database: String,
    redis: String,
}

impl Services {
    /// None in the embedded mode.
    pub fn of_the_mode() -> Option<Self> {
        match std::env::var("POSTRIDER_TEST_MODE").as_deref() {
            Ok("distributed") => Some(Self::new()),
            Ok("embedded") | Err(_) => None,
            Ok(other) => panic!("POSTRIDER_TEST_MODE is {other}: embedded or distributed"),
        }
    }

    pub fn new() -> Self {
        let number = u64::from_le_bytes(store::world::random_bytes());
        let services = Self {
            server: given("POSTRIDER_TEST_POSTGRES_URL"),
            database: format!("e2e_{number:016x}"),
            redis: given("POSTRIDER_TEST_REDIS_URL"),
        };
        services.sql(&format!("CREATE DATABASE {}", services.database));
        services
    }

    /// What a process is told about them.
    pub fn env(&self) -> [(&'static str, String); 5] {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        [
            ("POSTRIDER_DATABASE_URL", format!("{server}/{}", self.database)),
            ("POSTRIDER_REDIS_URL", self.redis.clone()),
            ("POSTRIDER_SERVICES_REDIS_PREFIX", self.database.clone()),
            ("POSTRIDER_MASTER_KEY", MASTER_KEY.to_owned()),
            ("POSTRIDER_ENGINE_LEASE_MS", LEASE_MS.to_owned()),
        ]
    }

    fn sql(&self, statement: &str) {
        let output = Command::new("psql")
            .args([&self.server, "-v", "ON_ERROR_STOP=1", "-qc", statement])
            .output()
            .expect("psql is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.sql(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
        }
    }
}

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run it by `make test` or scripts/with-servers")
    })
}
