//! A disk that loses power: afterwards a data directory holds what was synced, and perhaps some of
//! what was not. `disk.c` keeps account of it from within the process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::account::Moments;
use super::process::preloaded;

/// What a disk writes whole or not at all.
const BLOCK: usize = 512;

/// What of the unsynced reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unsynced {
    Lost,
    /// Each block or not, as the dice fall.
    Torn,
}

pub struct Disk {
    folder: TempDir,
    library: String,
}

impl Disk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let library = preloaded("disk.c", folder.path());
        let disk = Self { folder, library };
        disk.begin();
        disk
    }

    /// What a process is told whose data directory is on this disk.
    pub fn env(&self, data_dir: &Path) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        [
            ("LD_PRELOAD", self.library.clone()),
            ("DISK_DATA", text(data_dir)),
            ("DISK_SHADOW", text(&self.shadow())),
        ]
    }

    /// Leaves of the data directory of a process that was killed what is on the disk.
    pub fn lose_power(&self, data_dir: &Path, unsynced: Unsynced, dice: &mut Moments) {
        let survived = self.shadow().join("folder");
        let names = |folder: &Path| -> Vec<_> {
            let entries = fs::read_dir(folder).expect("a folder");
            entries.map(|entry| entry.expect("an entry").file_name()).collect()
        };
        for name in names(&survived) {
            let (written, synced) = (data_dir.join(&name), survived.join(&name));
            if unsynced == Unsynced::Torn && written.exists() {
                tear(&written, &synced, dice);
            }
        }
        for name in names(data_dir) {
            fs::remove_file(data_dir.join(name)).expect("only files");
        }
        for name in names(&survived) {
            fs::copy(survived.join(&name), data_dir.join(&name)).expect("room for a copy");
        }
        fs::remove_dir_all(self.shadow()).expect("a folder of ours");
        self.begin();
    }

    fn begin(&self) {
        for part in ["files", "folder"] {
            fs::create_dir_all(self.shadow().join(part)).expect("a folder of ours");
        }
    }

    fn shadow(&self) -> PathBuf {
        self.folder.path().join("shadow")
    }
}

/// Lets half of the blocks that were written and not synced reach the disk.
fn tear(written: &Path, synced: &Path, dice: &mut Moments) {
    let new = fs::read(written).expect("a file");
    let old = fs::read(synced).expect("a file");
    let disk = File::options().write(true).open(synced).expect("a file of ours");
    for (n, block) in new.chunks(BLOCK).enumerate() {
        let at = n * BLOCK;
        let before = old.get(at..).map(|rest| &rest[..rest.len().min(block.len())]);
        if before != Some(block) && dice.next(0, 2).is_zero() {
            disk.write_all_at(block, at as u64).expect("room for a block");
        }
    }
}
