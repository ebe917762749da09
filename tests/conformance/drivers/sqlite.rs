use std::path::Path;
use std::sync::Arc;

use store::Store;
use store::sqlite::Sqlite;
use store::world::Clock;

use super::StoreRig;

pub async fn sqlite() -> StoreRig {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let database = path.join("postrider.db");
    let open = move || {
        let path = path.clone();
        async move {
            let opened = Sqlite::open(&path, Clock::system()).await;
            Arc::new(opened.expect("a store opens")) as Arc<dyn Store>
        }
    };
    StoreRig::new(folder, open, move |sql| std::future::ready(texts(&database, sql))).await
}

fn texts(database: &Path, sql: &str) -> Vec<String> {
    let file = rusqlite::Connection::open(database).expect("a database");
    let mut query = file.prepare(sql).expect("a query");
    let found = query.query_map([], |row| row.get(0)).expect("rows");
    found.map(|text| text.expect("a text")).collect()
}
