use std::sync::Arc;

use store::Store;
use store::sqlite::Sqlite;
use store::world::Clock;

use super::StoreRig;

pub async fn sqlite() -> StoreRig {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    StoreRig::new(folder, move || {
        let path = path.clone();
        async move {
            let opened = Sqlite::open(&path, Clock::system()).await;
            Arc::new(opened.expect("a store opens")) as Arc<dyn Store>
        }
    })
    .await
}
