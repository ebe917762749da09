//! PostgreSQL and Redis for the fleet: the throwaway servers of `scripts/with-servers`, fsync on.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[derive(Debug, Clone)]
pub struct Services {
    postgres: String,
    redis: String,
    pub postgres_pid: u32,
    pub redis_pid: u32,
}

/// A database and a prefix that nothing was kept under before.
#[derive(Debug)]
pub struct Place {
    services: Services,
    name: String,
}

impl Services {
    /// None without servers.
    pub fn given() -> Option<Self> {
        let pid = |name| env::var(name).ok()?.parse().ok();
        Some(Self {
            postgres: env::var("POSTRIDER_TEST_POSTGRES_URL").ok()?,
            redis: env::var("POSTRIDER_TEST_REDIS_URL").ok()?,
            postgres_pid: pid("POSTRIDER_TEST_POSTGRES_PID")?,
            redis_pid: pid("POSTRIDER_TEST_REDIS_PID")?,
        })
    }

    pub fn place(&self) -> Result<Place> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (pid, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let place = Place { services: self.clone(), name: format!("bench_{pid}_{n}") };
        self.sql(&format!("CREATE DATABASE {}", place.name))?;
        Ok(place)
    }

    fn sql(&self, statement: &str) -> Result<()> {
        sql(&self.postgres, statement)
    }

    /// Bytes that Redis holds.
    pub fn redis_bytes(&self) -> Result<u64> {
        let info = said(Command::new("redis-cli").args(["-u", &self.redis, "INFO", "memory"]))?;
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(used.ok_or("Redis does not say what it holds")?.trim().parse()?)
    }
}

impl Place {
    pub fn services(&self) -> &Services {
        &self.services
    }

    pub fn url(&self) -> Result<String> {
        let (server, _) = self.services.postgres.rsplit_once('/').ok_or("a URL without a name")?;
        Ok(format!("{server}/{}", self.name))
    }

    pub fn sql(&self, statement: &str) -> Result<()> {
        sql(&self.url()?, statement)
    }

    /// What a process is told of it.
    pub fn env(&self) -> Result<[(&'static str, String); 4]> {
        Ok([
            ("POSTRIDER_DATABASE_URL", self.url()?),
            ("POSTRIDER_REDIS_URL", self.services.redis.clone()),
            ("POSTRIDER_SERVICES_REDIS_PREFIX", self.name.clone()),
            ("POSTRIDER_MASTER_KEY", MASTER_KEY.to_owned()),
        ])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let dropped = self.services.sql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let emptied =
            said(Command::new("redis-cli").args(["-u", &self.services.redis, "FLUSHALL"]));
        if let Err(error) = dropped.and(emptied) {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}

/// Runs a statement.
pub fn sql(url: &str, statement: &str) -> Result<()> {
    let mut psql = Command::new("psql");
    said(psql.args([url, "-v", "ON_ERROR_STOP=1", "-qc", statement])).map(drop)
}

/// What a statement says, a row a line.
pub fn ask(url: &str, statement: &str) -> Result<String> {
    said(Command::new("psql").args([url, "-v", "ON_ERROR_STOP=1", "-qAtc", statement]))
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
