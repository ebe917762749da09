//! Waiting for what other processes do. Nowhere else in these tests is slept.

use std::time::Duration;

use store::world::Stopwatch;

/// Longer than anything takes on a busy machine: it only decides how long a failing test runs.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see, and returns it.
pub async fn wait_until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    wait_or_tell(what, async || look().await.ok_or_else(|| "nothing".to_owned())).await
}

/// The same, for what can say how far it came when the waiting was in vain.
pub async fn wait_or_tell<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let watch = Stopwatch::start();
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(so_far) if watch.elapsed() > DEADLINE => {
                panic!("waited {DEADLINE:?} in vain until {what}; so far: {so_far}")
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Looks for so long and fails as soon as something is seen.
pub async fn never<T: std::fmt::Debug>(
    what: &str,
    during: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) {
    let watch = Stopwatch::start();
    while watch.elapsed() < during {
        if let Some(seen) = look().await {
            panic!("{what}: {seen:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Lets real time go by, where it is itself what a test is about.
pub async fn let_pass(time: Duration) {
    tokio::time::sleep(time).await;
}
