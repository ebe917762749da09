//! Subscribers that verify with published libraries: the programs in `tests/receivers`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running program of `tests/receivers`; stopped with its test.
pub struct Verifier {
    child: Child,
    port: u16,
}

impl Verifier {
    /// The Python program of that name, believing these secrets. Port 0: any.
    pub fn python(program: &str, port: u16, secrets: &[&str]) -> Self {
        let python = from_make("POSTRIDER_TEST_PYTHON");
        Self::start(Command::new(python).arg(receivers().join(program)), port, secrets)
    }

    /// The Node program of that name, believing these secrets. Port 0: any.
    pub fn node(program: &str, port: u16, secrets: &[&str]) -> Self {
        from_make("POSTRIDER_TEST_NODE_DIR");
        Self::start(Command::new("node").arg(receivers().join(program)), port, secrets)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn start(command: &mut Command, port: u16, secrets: &[&str]) -> Self {
        command.arg(port.to_string()).args(secrets).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        said.read_line(&mut line).expect("a line of text");
        let port = line.strip_prefix("listening ").and_then(|port| port.trim().parse().ok());
        let port = port.unwrap_or_else(|| panic!("{command:?} said {line:?}"));
        Self { child, port }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        // Err: it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn receivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers")
}

/// What `make test` installs and names. Without it the test fails: a verification that was skipped
/// would look like one that went well.
pub fn from_make(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `make test`, which installs the verifiers and sets it")
    })
}
