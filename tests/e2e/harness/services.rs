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
    /// Of a user of the test's own, in both; else nobody is asked who they are.
    password: Option<String>,
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
            password: None,
        };
        services.sql(&format!("CREATE DATABASE {}", services.database));
        services
    }

    /// Makes a user with this password, who is used from now on.
    pub fn with_password(mut self, password: &str) -> Self {
        let user = &self.database;
        self.sql(&format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'"));
        let password_rule = format!(">{password}");
        self.tell(&["ACL", "SETUSER", user, "on", &password_rule, "~*", "&*", "+@all"]);
        self.password = Some(password.to_owned());
        self
    }

    /// Every row of every table, as text with bytes in hex.
    pub fn dump_of_postgres(&self) -> Vec<u8> {
        let mut pg_dump = Command::new("pg_dump");
        pg_dump.args(["--data-only", "--inserts", "-d", &self.url()]);
        let dumped = pg_dump.output().expect("pg_dump is installed");
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        dumped.stdout
    }

    /// Every key of the test's own and what is in it.
    pub fn dump_of_redis(&self) -> Vec<u8> {
        const DUMP: &str = "local all = {} \
            for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do \
              all[#all + 1] = key \
              local kind = redis.call('TYPE', key).ok \
              if kind == 'string' then all[#all + 1] = redis.call('GET', key) \
              elseif kind == 'hash' then all[#all + 1] = redis.call('HGETALL', key) \
              elseif kind == 'zset' then all[#all + 1] = redis.call('ZRANGE', key, 0, -1) \
              else return redis.error_reply(kind) end \
            end \
            return all";
        self.tell(&["--raw", "EVAL", DUMP, "0", &self.database])
    }

    /// Says something to Redis; its answer.
    pub fn tell(&self, words: &[&str]) -> Vec<u8> {
        let output = Command::new("redis-cli").args(["-u", &self.redis]).args(words).output();
        let output = output.expect("redis-cli is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !said.starts_with("ERR"), "{words:?}: {said}");
        output.stdout
    }

    /// What the test's own keys in Redis begin with.
    pub fn prefix(&self) -> &str {
        &self.database
    }

    /// Carries out a statement in the test's own database.
    pub fn own_sql(&self, statement: &str) {
        psql(&self.url(), statement);
    }

    fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}", self.database)
    }

    /// The URL with the test's own user, if there is one.
    fn of_the_user(&self, url: String) -> String {
        let Some(password) = &self.password else { return url };
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{}:{password}@{place}", self.database)
    }

    /// What a process is told about them.
    pub fn env(&self) -> [(&'static str, String); 5] {
        [
            ("POSTRIDER_DATABASE_URL", self.of_the_user(self.url())),
            ("POSTRIDER_REDIS_URL", self.of_the_user(self.redis.clone())),
            ("POSTRIDER_SERVICES_REDIS_PREFIX", self.database.clone()),
            ("POSTRIDER_MASTER_KEY", MASTER_KEY.to_owned()),
            ("POSTRIDER_ENGINE_LEASE_MS", LEASE_MS.to_owned()),
        ]
    }

    fn sql(&self, statement: &str) {
        psql(&self.server, statement);
    }
}

fn psql(url: &str, statement: &str) {
    let output = Command::new("psql")
        .args([url, "-v", "ON_ERROR_STOP=1", "-qc", statement])
        .output()
        .expect("psql is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Services {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.sql(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
            if self.password.is_some() {
                self.sql(&format!("DROP ROLE {}", self.database));
                self.tell(&["ACL", "DELUSER", &self.database]);
            }
        }
    }
}

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run it by `make test` or scripts/with-servers")
    })
}
