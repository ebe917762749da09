//! Threads that read. Each has its own connection and sees what was last committed; a long list
//! for a person never delays a load for a worker, because the two have threads of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{connect, failure};
use crate::StoreError;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The way to some reading threads.
pub(super) struct Readers(Mutex<Option<mpsc::Sender<Question>>>);

impl Readers {
    pub(super) fn start(path: &Path, name: &str, threads: usize) -> Result<Self, StoreError> {
        let (questions, asked) = mpsc::channel::<Question>();
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..threads {
            let db = connect(path).map_err(|e| failure(&e))?;
            db.pragma_update(None, "query_only", true).map_err(|e| failure(&e))?;
            let asked = asked.clone();
            std::thread::Builder::new()
                .name(name.into())
                .spawn(move || answer_all(&db, &asked))
                .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        }
        Ok(Self(Mutex::new(Some(questions))))
    }

    pub(super) async fn read<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let closed = || StoreError::Unavailable("it is closed".into());
        let (reply, answer) = oneshot::channel();
        {
            let questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = questions.as_ref().map(|to| {
                to.send(Box::new(move |db: &Connection| {
                    // A panic is one question's bug: it must not end the thread.
                    let read = catch_unwind(AssertUnwindSafe(|| f(db)));
                    let read = read.unwrap_or(Err(rusqlite::Error::UnwindingPanic));
                    let _ = reply.send(read.map_err(|e| failure(&e)));
                }))
            });
            sent.and_then(Result::ok).ok_or_else(closed)?;
        }
        answer.await.map_err(|_| closed())?
    }

    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Ends when nobody can ask any more.
fn answer_all(db: &Connection, asked: &Mutex<mpsc::Receiver<Question>>) {
    loop {
        let question = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match question {
            Ok(question) => question(db),
            Err(mpsc::RecvError) => return,
        }
    }
}
