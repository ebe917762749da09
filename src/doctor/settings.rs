//! The settings, read as the process would read them.

use model::secret::MasterKeys;

use super::{Doctor, Report, Role};
use crate::settings::{self, Effective, Settings, Source};

const SUBJECT: &str = "settings";

/// The longest timeout that a webhook may have.
const ATTEMPT_MS_MAX: u64 = 30_000;

/// Variables that are read by other commands than those that serve.
const OF_OTHERS: [&str; 5] = [
    "POSTRIDER_KEY",
    "POSTRIDER_KEY_FILE",
    "POSTRIDER_URL",
    "POSTRIDER_SECRET",
    "POSTRIDER_SECRET_FILE",
];

/// None if they cannot be read: then there is nothing else to look at.
pub(super) fn look(doctor: &Doctor, report: &mut Report) -> Option<Settings> {
    let read = settings::read(&doctor.flags, doctor.config.as_deref(), &settings::env);
    let (settings, effective) = match read {
        Ok(read) => read,
        Err(failure) => {
            report.problem(SUBJECT, failure.sentence, "nothing else can be looked at until then");
            return None;
        }
    };
    report.ok(SUBJECT, sources(&effective));
    for name in unknown(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())) {
        let said = format!("{name} is in the environment and is no setting: it has no effect");
        report.warning(SUBJECT, said, "`postrider config` lists those there are");
    }
    look_at_combination(doctor, &settings, report);
    look_at_lease(&settings, report);
    Some(settings)
}

fn sources(effective: &[Effective]) -> String {
    let count = |is: fn(&Source) -> bool| effective.iter().filter(|s| is(&s.source)).count();
    let from = [
        (count(|source| *source == Source::Flag), "by flags"),
        (count(|source| matches!(source, Source::Env(_))), "by the environment"),
        (count(|source| matches!(source, Source::File(_))), "by the file"),
    ];
    let from = from.iter().filter(|(n, _)| *n > 0).map(|(n, by)| format!("{n} {by}"));
    let from = from.collect::<Vec<_>>().join(", ");
    if from.is_empty() { "all are the defaults".into() } else { format!("set: {from}") }
}

/// A misspelt one would silently have no effect.
fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut unknown: Vec<_> = names
        .filter(|name| name.starts_with("POSTRIDER_") && !name.starts_with("POSTRIDER_TEST_"))
        .filter(|name| !OF_OTHERS.contains(&name.as_str()) && !settings::is_env(name))
        .collect();
    unknown.sort_unstable();
    unknown
}

/// What the commands refuse at their start, in their words.
fn look_at_combination(doctor: &Doctor, settings: &Settings, report: &mut Report) {
    let member = match doctor.role {
        Some(Role::Api | Role::Worker) => settings.check_member(),
        Some(Role::Serve) | None => Ok(()),
    };
    let dev = if doctor.dev { settings.check_dev() } else { Ok(()) };
    let mut refused = false;
    for failure in [settings.check(), member, dev].into_iter().filter_map(Result::err) {
        refused = true;
        let command = match doctor.role {
            Some(Role::Api) => "api",
            Some(Role::Worker) => "worker",
            Some(Role::Serve) | None => "serve",
        };
        let remedy = format!("`postrider {command}` does not start with these settings");
        report.problem(SUBJECT, failure.sentence.trim_end_matches('.'), remedy);
    }
    let services = &settings.services;
    match (&services.database_url, &services.redis_url) {
        (Some(_), Some(_)) if !refused => {
            report.ok("mode", "many processes over PostgreSQL and Redis");
        }
        (None, None) => report.ok("mode", "embedded: one process, one SQLite file"),
        _ => {}
    }
    if let Some(keys) = &settings.keys.master_key
        && MasterKeys::parse(keys.expose()).is_ok()
    {
        let count = keys.expose().split(',').count();
        let ring =
            if count == 1 { "1 key".into() } else { format!("{count} keys, the first encrypts") };
        report.ok("master key", format!("given ({ring})"));
    }
    if settings.keys.admin_key.is_some() && !refused {
        report.ok("admin key", "given");
    }
}

fn look_at_lease(settings: &Settings, report: &mut Report) {
    let lease_ms = settings.engine.lease_ms;
    if lease_ms < ATTEMPT_MS_MAX {
        report.warning(
            SUBJECT,
            format!(
                "engine.lease_ms is {lease_ms}, less than the longest attempt ({ATTEMPT_MS_MAX}): slow \
                 ones are sent twice"
            ),
            "leave out POSTRIDER_ENGINE_LEASE_MS, or raise it to 45000",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn a_misspelt_variable_is_found_and_no_other() {
        let names = [
            "POSTRIDER_LISTEN",
            "POSTRIDER_LISTNE",
            "POSTRIDER_LISTEN_FILE",
            "POSTRIDER_ADMIN_KEY_FILE",
            "POSTRIDER_LOG",
            "POSTRIDER_KEY",
            "POSTRIDER_TEST_MODE",
            "POSTRIDER_ENGINE_SLOTS",
            "HOME",
        ];
        let found = unknown(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(found, ["POSTRIDER_LISTEN_FILE", "POSTRIDER_LISTNE"]);
    }
}
