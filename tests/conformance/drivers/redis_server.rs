use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A Redis of a test's own, to be filled, flushed and killed.
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    sentinel: bool,
    child: Option<Child>,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::started(false, "save \"\"\n")
    }

    pub fn replica_of(master: &RedisServer) -> Self {
        let port = master.port;
        let replica = Self::started(false, &format!("save \"\"\nreplicaof 127.0.0.1 {port}\n"));
        replica.until("INFO replication", "master_link_status:up");
        replica
    }

    /// A Sentinel that watches `main` and decides alone.
    pub fn sentinel_of(master: &RedisServer) -> Self {
        let port = master.port;
        let sentinel = Self::started(
            true,
            &format!(
                "sentinel monitor main 127.0.0.1 {port} 1\n\
                 sentinel down-after-milliseconds main 500\n\
                 sentinel failover-timeout main 2000\n"
            ),
        );
        sentinel.until("SENTINEL REPLICAS main", "127.0.0.1");
        sentinel
    }

    fn started(sentinel: bool, config: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display();
        let config = format!("port {port}\nbind 127.0.0.1\ndir {place}\n{config}");
        std::fs::write(folder.path().join("redis.conf"), config).expect("it is written");
        let mut server = Self { port, folder, sentinel, child: None };
        server.start_again();
        server
    }

    pub fn url(&self) -> String {
        if self.sentinel {
            format!("redis+sentinel://127.0.0.1:{}/main", self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
    }

    /// With the data that was last saved.
    pub fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.arg(self.folder.path().join("redis.conf"));
        if self.sentinel {
            command.arg("--sentinel");
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server is installed"));
        self.until("PING", "+PONG");
    }

    /// Says it until the answer says `what`.
    fn until(&self, command: &str, what: &str) {
        for _ in 0..1_000 {
            if self.try_say(command).is_ok_and(|answer| answer.contains(what)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{command}: redis-server does not answer {what}");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is killed");
            child.wait().expect("it is gone");
        }
    }

    /// Sends a command as one types it; returns its answer as it comes.
    pub fn say(&self, command: &str) -> String {
        let answer = self.try_say(command).expect("redis-server answers");
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer
    }

    /// A number that a command answers with.
    pub fn count(&self, command: &str) -> usize {
        let answer = self.say(command);
        let number = answer.trim().trim_start_matches(':').parse();
        number.unwrap_or_else(|_| panic!("{command}: {answer}"))
    }

    fn try_say(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
