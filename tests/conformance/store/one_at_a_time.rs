//! A folder belongs to one process: SQLite, whose queue lives in that process too.

use model::time::Timestamp;
use store::Store;
use store::sqlite::{OpenError, Sqlite};
use store::world::Clock;

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Sqlite::open(folder.path(), Clock::fixed(Timestamp::from_secs(1)));
    let first = open().await.expect("a store opens");
    for _ in 0..2 {
        let refused = open().await.err();
        assert!(matches!(&refused, Some(OpenError::InUse(path)) if !path.is_empty()));
    }
    first.check().await.expect("the first is not disturbed");
    // Closed, it still holds the folder: its queue may still hand out work.
    first.close().await.expect("a store closes");
    assert!(matches!(open().await.err(), Some(OpenError::InUse(_))));
    drop(first);
    open().await.expect("a store opens");
}

#[tokio::test]
async fn a_folder_that_cannot_be_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").expect("a file");
    let refused = Sqlite::open(&file, Clock::system()).await.err();
    assert!(matches!(refused, Some(OpenError::Folder(..))), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("postrider.db");
    std::fs::write(&path, "no database, but long enough to be read as one".repeat(100))
        .expect("a file");
    let refused = Sqlite::open(folder.path(), Clock::system()).await.err();
    assert!(matches!(refused, Some(OpenError::Database(..))), "{refused:?}");
    // It is left as it was.
    let left = std::fs::read_to_string(path).expect("a file");
    assert!(left.starts_with("no database"));
}
