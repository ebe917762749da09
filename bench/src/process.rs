//! A process that the benchmark started, and which never outlives it.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Result;

/// How long a killed process may take to be gone.
const REAP_LIMIT: Duration = Duration::from_secs(2);

/// Killed and reaped when dropped, whatever the reason.
pub struct Process {
    child: Child,
    pub pid: u32,
}

impl Process {
    pub fn new(child: Child) -> Result<Self> {
        let pid = child.id().ok_or("the process has ended already")?;
        Ok(Self { child, pid })
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it, and waits for its end.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, and waits for the end; `false` if it had to be killed after `limit`.
    pub async fn stop(mut self, limit: Duration) -> Result<bool> {
        Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await?;
        Ok(timeout(limit, self.child.wait()).await.is_ok())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.start_kill();
        let killed = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && killed.elapsed() < REAP_LIMIT {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
