//! The real binary as a process of its own. Nothing of it outlives a test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::world::Stopwatch;

use super::wait::wait_until;

/// How long a process may take to stop when a test is over.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// A process and what it printed, over all its starts.
pub struct Process {
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Child,
    log: Arc<Mutex<String>>,
    /// What it says and nobody reads.
    unread: Option<ChildStderr>,
}

impl Process {
    /// Starts the binary with these arguments and settings and no others.
    pub fn start(args: Vec<String>, env: Vec<(String, String)>) -> Self {
        let log = Arc::default();
        let mut child = spawn(&args, &env);
        collect(child.stdout.take().expect("piped"), &log);
        collect(child.stderr.take().expect("piped"), &log);
        Self { args, env, child, log, unread: None }
    }

    /// The same, but nobody reads its log before [`Process::read`].
    pub fn start_unread(args: Vec<String>, env: Vec<(String, String)>) -> Self {
        let log = Arc::default();
        let mut child = spawn(&args, &env);
        collect(child.stdout.take().expect("piped"), &log);
        let unread = child.stderr.take();
        Self { args, env, child, log, unread }
    }

    pub fn read(&mut self) {
        collect(self.unread.take().expect("started unread"), &self.log);
    }

    /// Starts it again, after it was killed or stopped.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.args, &self.env);
        collect(self.child.stdout.take().expect("piped"), &self.log);
        collect(self.child.stderr.take().expect("piped"), &self.log);
    }

    /// Starts it again, but in another way.
    pub fn start_again_with(&mut self, args: Vec<String>, env: Vec<(String, String)>) {
        (self.args, self.env) = (args, env);
        self.start_again();
    }

    /// Everything it printed so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no test thread panics with it").clone()
    }

    /// The most memory it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a process on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kib * 1_024
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    /// Kills it without warning.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("our child");
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("a kill command").success(), "process {pid} is gone");
    }

    /// Asks it to stop and waits until it did.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        wait_until("the process stops", async || self.ended()).await
    }

    /// Lines that must not be there after a test that went well.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let is_complaint = |line: &&str| {
            line.contains("panicked at")
                || line.contains(" ERROR ")
                || line.contains("\"level\":\"ERROR\"")
        };
        log.lines().filter(is_complaint).map(str::to_owned).collect()
    }
}

impl Process {
    /// Ends it, gracefully if there is time for that.
    pub fn end(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running && !std::thread::panicking() {
            self.terminate();
            let watch = Stopwatch::start();
            while matches!(self.child.try_wait(), Ok(None)) && watch.elapsed() < STOP_LIMIT {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Err: it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- what {} said ---\n{}", self.args.join(" "), self.log());
        }
    }
}

/// In the environment of a process: how many files it may open.
pub const FILES: &str = "TEST_FILES";

/// The binary with nothing of this process's settings.
pub fn command() -> Command {
    bare(Command::new(PathBuf::from(env!("CARGO_BIN_EXE_postrider"))))
}

/// The same with a limit of what it may open, if one is given.
fn limited(env: &[(String, String)]) -> Command {
    let Some((_, files)) = env.iter().find(|(name, _)| name == FILES) else { return command() };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_postrider"));
    bare(shell)
}

fn bare(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTRIDER_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Compiles a source of the harness into a library that is loaded before the C library.
pub fn preloaded(source: &str, folder: &Path) -> String {
    let library = folder.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/harness").join(source);
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(cc.status().expect("cc is installed").success());
    library.to_str().expect("a path in UTF-8").to_owned()
}

fn spawn(args: &[String], env: &[(String, String)]) -> Child {
    let mut command = limited(env);
    command.args(args).envs(env.iter().cloned());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

/// Gathers what the process prints, so that its pipe never fills up.
fn collect(from: impl std::io::Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("nobody panics with it");
            log.push_str(&line);
            log.push('\n');
        }
    });
}
