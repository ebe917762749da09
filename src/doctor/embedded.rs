//! The data directory: what is in it, who may read it, and whether there is room.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use model::secret::MasterKeys;
use rustix::fs::Access;
use store::sqlite::{Inspection, Integrity, Sqlite};

use super::{Report, counted, size};
use crate::settings::Settings;

/// A large database is checked for so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Below the first it is time to look, below the second accepting will soon end.
const SPACE_LOW: u64 = 1 << 30;
const SPACE_SHORT: u64 = 100 << 20;

pub(super) fn look(settings: &Settings, report: &mut Report) {
    let dir = &settings.server.data_dir;
    let Some(about) = look_at_directory(dir, report) else { return };
    if rustix::fs::access(dir, Access::READ_OK | Access::EXEC_OK).is_err() {
        return;
    }
    look_at_space(dir, report);
    let found = look_at_database(dir, report);
    look_at_master_key(settings, found.as_ref(), report);
    look_at_admin_key(settings, found.as_ref(), report);
    look_at_owners(dir, &about, report);
}

/// None if there is none.
fn look_at_directory(dir: &Path, report: &mut Report) -> Option<Metadata> {
    const SUBJECT: &str = "data directory";
    let shown = dir.display();
    let about = match std::fs::metadata(dir) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            report.problem(
                SUBJECT,
                format!("{shown} is no directory"),
                "choose another: --data-dir",
            );
            return None;
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // The first that exists above it.
            let above = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
            let above = above.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
            if rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
                report.ok(
                    SUBJECT,
                    format!("{shown} is not there yet and is made at the first start"),
                );
            } else {
                let said =
                    format!("{shown} is not there and cannot be made in {}", above.display());
                report.problem(
                    SUBJECT,
                    said,
                    "make it for the user that runs Postrider, or --data-dir",
                );
            }
            return None;
        }
        Err(e) => {
            report.problem(SUBJECT, format!("{shown} cannot be looked at: {e}"), "check its owner");
            return None;
        }
    };
    let mode = about.permissions().mode() & 0o777;
    if rustix::fs::access(dir, Access::WRITE_OK | Access::READ_OK | Access::EXEC_OK).is_err() {
        let can_look = rustix::fs::access(dir, Access::READ_OK | Access::EXEC_OK).is_ok();
        let said = format!(
            "{shown} cannot be read and written by this user{}",
            if can_look { "" } else { "; database, master key, admin key: not looked at" }
        );
        let remedy = format!(
            "run this as its owner, {}, or chown it to the user that runs Postrider",
            user_name(about.uid())
        );
        report.problem(SUBJECT, said, remedy);
    } else if mode & 0o022 != 0 {
        let said = format!("others than its owner can write to {shown} (mode {mode:03o})");
        report.warning(SUBJECT, said, format!("chmod 700 {shown}"));
    } else {
        report.ok(SUBJECT, format!("{shown} (mode {mode:03o})"));
    }
    Some(about)
}

/// As the system's file of users has it, else the number.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

fn look_at_space(dir: &Path, report: &mut Report) {
    const SUBJECT: &str = "space";
    let Ok(about) = rustix::fs::statvfs(dir) else { return };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let said = format!("{} are free for the data directory", size(free));
    match free {
        ..SPACE_SHORT => {
            report.problem(SUBJECT, said, "make room: events are refused when it is full")
        }
        SPACE_SHORT..SPACE_LOW => report.warning(
            SUBJECT,
            said,
            "make room, or keep less: POSTRIDER_LIMITS_RETENTION_DAYS",
        ),
        SPACE_LOW.. => report.ok(SUBJECT, said),
    }
}

fn look_at_database(dir: &Path, report: &mut Report) -> Option<Inspection> {
    const SUBJECT: &str = "database";
    let found = match Sqlite::inspect(dir, PATIENCE) {
        Ok(Some(found)) => found,
        Ok(None) => {
            report.ok(SUBJECT, "there is none yet; it is made at the first start");
            return None;
        }
        Err(e) => {
            report.problem(SUBJECT, e.to_string(), "restore a backup, or look at the disk");
            return None;
        }
    };
    let bytes = size(found.bytes);
    match &found.integrity {
        Integrity::Whole => report.ok(SUBJECT, format!("whole ({bytes})")),
        Integrity::Unfinished => report.ok(
            SUBJECT,
            format!("nothing wrong in what was checked in {} s ({bytes})", PATIENCE.as_secs()),
        ),
        Integrity::Unknown => report.ok(
            SUBJECT,
            format!(
                "not checked ({bytes}): it is being opened, or was not closed well and is mended \
                     when it is opened"
            ),
        ),
        Integrity::Damaged(said) => report.problem(
            SUBJECT,
            format!("it is damaged: {said}"),
            "stop Postrider and restore a backup; keep a copy of the directory",
        ),
    }
    if found.migration > found.newest_migration {
        report.problem(
            SUBJECT,
            "its tables are of a newer version of Postrider",
            "run that version; going back is not possible",
        );
    } else if found.migration.is_some() && found.migration < found.newest_migration {
        report.ok(SUBJECT, "its tables are of an older version and are changed at the next start");
    }
    match found.held_by {
        Some(pid) => report.ok("lock", format!("process {pid} has it open, which is fine")),
        None => report.ok("lock", "no process has it open"),
    }
    Some(found)
}

fn look_at_master_key(settings: &Settings, found: Option<&Inspection>, report: &mut Report) {
    const SUBJECT: &str = "master key";
    let webhooks = found.map_or(0, |found| found.webhooks);
    let sample = found.and_then(|found| found.sample.as_ref());
    if let Some(given) = &settings.keys.master_key {
        return super::look_at_given_key(given, sample, webhooks, report);
    }
    let opens = |text: &str| {
        let keys = MasterKeys::parse(text.trim());
        keys.is_ok_and(|keys| sample.is_none_or(|sample| sample.opens_with(&keys)))
    };
    let path = settings.server.data_dir.join("master.key");
    let shown = path.display();
    match crate::given::small_file(&path) {
        Ok(text) if MasterKeys::parse(text.trim()).is_err() => report.problem(
            SUBJECT,
            format!("{shown} holds no key of 32 bytes in hex"),
            "put back the file that was there before: nothing else decrypts the secrets",
        ),
        Ok(text) if !opens(&text) => report.problem(
            SUBJECT,
            format!(
                "{shown} is not the key that encrypted the secrets of {}",
                counted(webhooks, "webhook")
            ),
            "put back the file that was there before, or set POSTRIDER_MASTER_KEY to what was in it",
        ),
        Ok(_) if is_open(&path) => {
            report.problem(
                SUBJECT,
                format!("others can read {shown}"),
                format!("chmod 600 {shown}"),
            );
        }
        Ok(_) => {
            report.ok(SUBJECT, format!("in {shown}; keep a copy, nothing else decrypts secrets"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && webhooks == 0 => {
            report.ok(SUBJECT, "one is made at the first start");
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => report.problem(
            SUBJECT,
            format!(
                "{shown} is missing, and the secrets of {} need it",
                counted(webhooks, "webhook")
            ),
            "put it back, or set POSTRIDER_MASTER_KEY to what was in it",
        ),
        Err(e) => {
            report.problem(SUBJECT, format!("{shown} cannot be read: {e}"), "check its owner")
        }
    }
}

fn look_at_admin_key(settings: &Settings, found: Option<&Inspection>, report: &mut Report) {
    const SUBJECT: &str = "admin key";
    let dev = settings.server.data_dir.join("dev.key");
    if dev.exists() && is_open(&dev) {
        let shown = dev.display();
        report.problem(SUBJECT, format!("others can read {shown}"), format!("chmod 600 {shown}"));
    }
    if settings.keys.admin_key.is_some() {
        return;
    }
    match found.map_or(0, |found| found.admin_keys) {
        0 => report.ok(SUBJECT, "one is made and printed at the first start"),
        n => report.ok(SUBJECT, format!("{n} in the database")),
    }
}

/// Files of another user, which is what remains after a start as root.
fn look_at_owners(dir: &Path, about: &Metadata, report: &mut Report) {
    for name in ["postrider.db", "master.key", "lock"] {
        let path = dir.join(name);
        if std::fs::metadata(&path).is_ok_and(|file| file.uid() != about.uid()) {
            let (shown, uid) = (path.display(), about.uid());
            let said = format!("{shown} belongs to another user than its directory (uid {uid})");
            report.warning("data directory", said, format!("chown {uid} {shown}"));
        }
    }
}

fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}
