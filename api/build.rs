//! The dashboard is built by npm before this, and embedded as it is then (`src/dashboard.rs`). Without
//! it an empty folder is, and everything else works. Cargo is told of the folder, so that a file that
//! comes or goes counts, and of each file, so that one that changes does.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/dist");
    std::fs::create_dir_all(&dist)?;
    watch(&dist)
}

fn watch(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            watch(&path)?;
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}
