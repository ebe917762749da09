//! Files that only their owner may read: the data directory and the keys in it.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::failure::Failure;

/// Makes a directory for its owner alone; one that exists stays as it is.
pub fn make_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| {
        let path = path.display();
        Failure::failed(format!(
            "the data directory {path} cannot be made: {e}; --data-dir chooses another."
        ))
    })
}

/// The text of a file; none if there is no such file.
pub fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::failed(format!("{} cannot be read: {e}.", path.display()))),
    }
}

/// Writes a file of one line for its owner alone. It is there whole or not at all, and after a
/// power loss still so: what a key encrypted is lost with the key.
pub fn write(path: &Path, line: &str) -> Result<(), Failure> {
    let written = || {
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(file, "{line}")?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(|e| Failure::failed(format!("{} cannot be written: {e}.", path.display())))
}
