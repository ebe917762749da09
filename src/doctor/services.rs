//! PostgreSQL and Redis: whether they are reached, and whether they are set as Postrider needs them.

use std::time::Duration;

use model::time::Timestamp;
use store::postgres::{self, Postgres};
use store::redis::{self, Redis};
use store::world::{Clock, Stopwatch};

use super::{Report, Role, size};
use crate::settings::{Secret, Settings};

/// How far two clocks may be apart, as /readyz has it.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// Of a Redis with a limit: from here on it is time to look.
const MEMORY_PERCENT_MAX: u64 = 80;

pub(super) async fn look_at_postgres(
    url: &Secret,
    settings: &Settings,
    role: Option<Role>,
    report: &mut Report,
) {
    const SUBJECT: &str = "PostgreSQL";
    let (watch, before) = (Stopwatch::start(), Clock::system().now());
    let found = match Postgres::inspect(url.expose()).await {
        Ok(found) => found,
        Err(e) => {
            let remedy = match e {
                postgres::OpenError::Url(_) => "mend POSTRIDER_DATABASE_URL",
                postgres::OpenError::NoAuthorities => "install the package ca-certificates",
                _ => {
                    "check that it runs, that this machine may reach it, and POSTRIDER_DATABASE_URL"
                }
            };
            return report.problem(SUBJECT, e.to_string(), remedy);
        }
    };
    let (place, version) = (&found.place, &found.version);
    if found.is_too_old {
        report.problem(
            SUBJECT,
            format!("{place} is of version {version}"),
            "it must be 15 or newer",
        );
    } else {
        report.ok(SUBJECT, format!("{place}, version {version}"));
    }
    look_at_tables(&found, role, report);
    if let Some(given) = &settings.keys.master_key {
        super::look_at_given_key(given, found.sample.as_ref(), found.webhooks, report);
    }
    look_at_durability(&found, report);
    look_at_connections(&found, settings, report);
    look_at_clock("PostgreSQL", found.now, before, watch.elapsed(), report);
}

fn look_at_tables(found: &postgres::Inspection, role: Option<Role>, report: &mut Report) {
    const SUBJECT: &str = "tables";
    let standing = match found.migration {
        Some(version) => format!("of version {version}"),
        None => "not there".into(),
    };
    if found.is_migrated {
        report.ok(SUBJECT, format!("up to date ({standing})"));
    } else if role == Some(Role::Serve) {
        report.ok(SUBJECT, format!("{standing}; `postrider serve` brings them up to date"));
    } else {
        let said = format!("they are not up to date ({standing}): api and worker wait for that");
        report.problem(SUBJECT, said, "run `postrider migrate`");
    }
}

fn look_at_durability(found: &postgres::Inspection, report: &mut Report) {
    const SUBJECT: &str = "durability";
    let commit = &found.synchronous_commit;
    if !found.has_fsync {
        report.problem(
            SUBJECT,
            "fsync is off: a power loss takes accepted events with it, or the whole database",
            "set fsync = on in postgresql.conf",
        );
    } else if commit == "off" {
        report.problem(
            SUBJECT,
            "synchronous_commit is off although Postrider asks for on: accepted events can be lost",
            "let the pooler in between pass on the startup option `options`, or connect past it",
        );
    } else {
        report.ok(SUBJECT, format!("fsync is on, synchronous_commit is {commit}"));
    }
}

fn look_at_connections(found: &postgres::Inspection, settings: &Settings, report: &mut Report) {
    const SUBJECT: &str = "connections";
    let each = i64::try_from(settings.services.database_connections).unwrap_or(i64::MAX);
    let open = i64::from(found.connections_max - found.connections_reserved);
    // This one ends.
    let free = open - (found.connections_used - 1);
    let said = format!(
        "{each} for each process; the server takes {open}, and {} are in use",
        found.connections_used - 1
    );
    let remedy = "raise max_connections, or lower POSTRIDER_SERVICES_DATABASE_CONNECTIONS";
    if each > open {
        report.problem(SUBJECT, said, remedy);
    } else if each > free {
        report.warning(SUBJECT, format!("{said}: another process would not get them"), remedy);
    } else {
        report.ok(SUBJECT, format!("{said}: room for {} more processes", free / each));
    }
}

pub(super) async fn look_at_redis(url: &Secret, settings: &Settings, report: &mut Report) {
    const SUBJECT: &str = "Redis";
    let prefix = &settings.services.redis_prefix;
    let (watch, before) = (Stopwatch::start(), Clock::system().now());
    let found = match Redis::inspect(url.expose(), prefix).await {
        Ok(found) => found,
        Err(e) => {
            let remedy = match e {
                redis::OpenError::Url(_) => "mend POSTRIDER_REDIS_URL",
                _ => {
                    "check that it runs, its user and password, and POSTRIDER_REDIS_URL; until then \
                      events are accepted and nothing is delivered"
                }
            };
            let at = format!("Redis cannot be reached at {}:", place(url.expose()));
            let said = e.to_string().replacen("Redis cannot be reached:", &at, 1);
            return report.problem(SUBJECT, said, remedy);
        }
    };
    let took = watch.elapsed();
    let (version, kind) = (&found.version, found.spoken_to_as);
    if found.is_too_old {
        report.problem(SUBJECT, format!("it is of version {version}"), "it must be 7 or newer");
    } else {
        report.ok(SUBJECT, format!("reached as {kind}, version {version}"));
    }
    look_at_kind(&found, report);
    look_at_memory(&found, report);
    let persistence = if found.has_aof { "writes each command down (AOF)" } else { "has no AOF" };
    report.ok(
        "persistence",
        format!("{persistence}; nothing is lost without, AOF only shortens the time after a crash"),
    );
    report.ok(
        "queue",
        match found.partitions {
            Some(1) => format!("1 partition with the prefix {prefix:?}"),
            Some(n) => format!("{n} partitions with the prefix {prefix:?}"),
            None => format!(
                "there is none yet with the prefix {prefix:?}; it is made at the first start"
            ),
        },
    );
    if let Some(now) = found.now {
        look_at_clock("Redis", now, before, took, report);
    }
}

/// Where a URL leads, without user, password and parameters.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn look_at_kind(found: &redis::Inspection, report: &mut Report) {
    if found.spoken_to_as == "standalone" && found.mode == "cluster" {
        report.problem(
            "Redis",
            "it is part of a Cluster, and POSTRIDER_REDIS_URL speaks to it as to a single server",
            "add ?cluster=true to the URL",
        );
    } else if found.spoken_to_as == "standalone" && found.mode == "sentinel" {
        report.problem(
            "Redis",
            "it is a Sentinel, and POSTRIDER_REDIS_URL speaks to it as to a Redis",
            "use redis+sentinel://host:26379/mymaster",
        );
    } else if found.spoken_to_as != "cluster" && !["master", ""].contains(&found.role.as_str()) {
        let said = format!("it is a {} and takes no writes", found.role);
        report.problem("Redis", said, "let POSTRIDER_REDIS_URL name the master, or its Sentinels");
    }
}

fn look_at_memory(found: &redis::Inspection, report: &mut Report) {
    const SUBJECT: &str = "Redis memory";
    if let Some(policy) = &found.evicts {
        report.problem(
            SUBJECT,
            format!("maxmemory-policy is {policy}: when it is full, Redis forgets what is queued"),
            "set maxmemory-policy to noeviction: redis-cli CONFIG SET maxmemory-policy noeviction, and \
             the same in redis.conf",
        );
        return;
    }
    let used = size(found.memory_used);
    match found.memory_max {
        None => report.ok(SUBJECT, format!("noeviction; {used} used, no limit is set")),
        Some(max) if found.memory_used.saturating_mul(100) / max > MEMORY_PERCENT_MAX => {
            let said = format!("{used} of {} are used", size(max));
            report.warning(SUBJECT, said, "raise maxmemory: what does not fit waits in PostgreSQL");
        }
        Some(max) => report.ok(SUBJECT, format!("noeviction; {used} of {} used", size(max))),
    }
}

/// Compares a server's clock, read some time after `before`, with this machine's.
fn look_at_clock(
    whose: &'static str,
    theirs: Timestamp,
    before: Timestamp,
    took: Duration,
    report: &mut Report,
) {
    // What was read came from somewhere in between.
    let (behind, ahead) = (before.since(theirs), theirs.since(before + took));
    let off = behind.max(ahead);
    if off > SKEW_MAX {
        let direction = if ahead > behind { "behind" } else { "ahead of" };
        report.warning(
            "clock",
            format!("this machine is {} s {direction} {whose}", off.as_secs()),
            "let both follow a time server: times of acceptance, and with them ages, are off by that",
        );
    } else {
        report.ok("clock", format!("this machine's and that of {whose} are less than 5 s apart"));
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_shown_without_what_is_secret_in_its_url() {
        for (url, at) in [
            ("redis://127.0.0.1:1", "127.0.0.1:1"),
            ("rediss://:hunter2@a.example:1/0?cluster=true", "a.example:1"),
            ("redis://u:hun@ter/2@a.example/0", "a.example"),
            ("redis+sentinel://u:p@a:1,b:2/mymaster", "a:1,b:2"),
        ] {
            assert_eq!(place(url), at, "{url}");
        }
    }
}
