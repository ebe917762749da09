//! A PostgreSQL and a Redis of a test's own, to be killed.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::certificates::Certificates;
use super::ports::free_port;
use super::wait::wait_until;

/// A server whose data outlives its process.
pub struct Server {
    kind: Kind,
    pub port: u16,
    folder: TempDir,
    child: Option<Child>,
    /// Then it speaks nothing else.
    tls: Option<Arc<Certificates>>,
}

/// Who may use a server that speaks TLS, beside the one who watches over it.
const USER: &str = "postrider:secret";
/// What Redis lets that user do: as docs/production.md has it.
const ACL: &str = "~postrider:* &postrider:* +@all -@admin -@dangerous +info";
const WATCHER: [&str; 4] = ["--user", "watcher", "--pass", "watching"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Redis,
}

impl Server {
    pub async fn postgres() -> Self {
        let server = Self::new(Kind::Postgres, None);
        server.init_postgres();
        server.started().await
    }

    pub async fn redis() -> Self {
        Self::new(Kind::Redis, None).started().await
    }

    /// With a user who has a password, and owns a database of that name.
    pub async fn postgres_over_tls(certificates: Arc<Certificates>) -> Self {
        let key = std::fs::read(certificates.key()).expect("a key");
        let server = Self::new(Kind::Postgres, Some(certificates));
        server.init_postgres();
        // It takes a key of nobody else.
        let own = server.data().join("server.key");
        run(as_postgres(Path::new("touch")).arg(&own));
        std::fs::write(&own, key).expect("it is written");
        std::fs::set_permissions(&own, Permissions::from_mode(0o600)).expect("ours");
        let who = "hostssl all postgres 127.0.0.1/32 trust\n\
                   hostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(server.data().join("pg_hba.conf"), who).expect("it is written");
        let server = server.started().await;
        for said in [
            "CREATE ROLE postrider LOGIN PASSWORD 'secret'",
            "CREATE DATABASE postrider OWNER postrider",
        ] {
            run(Command::new("psql").args([&server.watched_url(), "-qc", said]));
        }
        server
    }

    /// With a user who has a password, and may do what Postrider does.
    pub async fn redis_over_tls(certificates: Arc<Certificates>) -> Self {
        Self::new(Kind::Redis, Some(certificates)).started().await
    }

    fn init_postgres(&self) {
        let mut initdb = as_postgres(&postgres_bin("initdb"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]);
        run(initdb.arg(self.data()).current_dir("/"));
    }

    fn new(kind: Kind, tls: Option<Arc<Certificates>>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL runs as another user if this one is root.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
        Self { kind, port: free_port(), folder, child: None, tls }
    }

    async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it on its port and its data, and waits until it answers.
    pub async fn start(&mut self) {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = as_postgres(&postgres_bin("postgres"));
                command.arg("-D").arg(self.data()).args(["-p", &port, "-k", ""]);
                command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]);
                if let Some(tls) = &self.tls {
                    let certificate = format!("ssl_cert_file={}", tls.certificate().display());
                    command.args(["-c", "ssl=on", "-c", &certificate]);
                }
                command
            }
            Kind::Redis => {
                std::fs::create_dir_all(self.data()).expect("a folder");
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--dir"]).arg(self.data());
                command.args(["--save", "", "--appendonly", "no"]);
                command.args(["--maxmemory-policy", "noeviction"]);
                match &self.tls {
                    None => drop(command.args(["--port", &port])),
                    Some(tls) => {
                        command.args(["--port", "0", "--tls-port", &port]);
                        command.arg("--tls-cert-file").arg(tls.certificate());
                        command.arg("--tls-key-file").arg(tls.key());
                        command.arg("--tls-ca-cert-file").arg(tls.authority());
                        command.args(["--tls-auth-clients", "no", "--aclfile"]).arg(self.users());
                    }
                }
                command
            }
        };
        let log = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(log).expect("a log");
        command.current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(command.spawn().expect("the server is installed"));
        wait_until("the server answers", async || self.answers().then_some(())).await;
    }

    fn answers(&self) -> bool {
        let said = match self.kind {
            Kind::Postgres => {
                Command::new("psql").args([&self.watched_url(), "-qAtc", "SELECT 'yes'"]).output()
            }
            Kind::Redis => self.redis_cli(&["ECHO", "yes"]).output(),
        };
        said.is_ok_and(|said| said.stdout.starts_with(b"yes"))
    }

    /// Writes down who may use Redis.
    fn users(&self) -> PathBuf {
        let file = self.folder.path().join("users");
        let (name, password) = USER.split_once(':').expect("two parts");
        let lines = format!(
            "user default off\nuser {name} on >{password} {ACL}\n\
             user watcher on >watching ~* &* +@all\n"
        );
        std::fs::write(&file, lines).expect("it is written");
        file
    }

    pub fn url(&self) -> String {
        let port = self.port;
        match (self.kind, &self.tls) {
            (Kind::Postgres, None) => self.watched_url(),
            (Kind::Postgres, Some(_)) => {
                format!("postgres://{USER}@localhost:{port}/postrider?sslmode=verify-full")
            }
            (Kind::Redis, None) => format!("redis://127.0.0.1:{port}"),
            (Kind::Redis, Some(_)) => format!("rediss://{USER}@127.0.0.1:{port}"),
        }
    }

    /// Of PostgreSQL, as its superuser.
    fn watched_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Of a server that speaks TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|tls| tls.authority())
    }

    /// Kills it without warning.
    pub async fn kill_9(&mut self) {
        // Those of PostgreSQL notice, and must be gone before the next one starts.
        let children = self.children();
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it was running");
        child.wait().expect("our child");
        wait_until("its children are gone", async || {
            (!children.iter().any(|pid| runs(pid))).then_some(())
        })
        .await;
    }

    /// The ids of its children.
    fn children(&self) -> Vec<String> {
        let pid = self.child.as_ref().expect("it runs").id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("a list of children");
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Stops it where it stands, with its children, or lets it go on.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id();
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(pid.to_string()).args(self.children());
        run(&mut kill);
    }

    /// Says something to Redis; its answer.
    pub fn tell(&self, words: &[&str]) -> String {
        let output = self.redis_cli(words).output().expect("redis-cli is installed");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn redis_cli(&self, words: &[&str]) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        if let Some(tls) = &self.tls {
            command.args(["--tls", "--no-auth-warning", "--cacert"]).arg(tls.authority());
            command.args(WATCHER);
        }
        command.args(words);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        match self.kind {
            // Its children go with it only if it is asked.
            Kind::Postgres => {
                let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            }
            Kind::Redis => drop(child.kill()),
        }
        let _ = child.wait();
    }
}

/// One that ended may stay listed until somebody asks how it ended.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn postgres_bin(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path()).max();
    newest.map_or_else(|| PathBuf::from(name), |version| version.join("bin").join(name))
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().expect("id is there").stdout;
    if id.trim_ascii() != b"0" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

pub fn run(command: &mut Command) {
    let output = command.output().expect("it is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
