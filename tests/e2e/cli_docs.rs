//! docs/cli.md says what is so: its commands exist, and its transcripts are what they print.

use std::path::Path;

use crate::harness::Output;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    std::fs::read_to_string(path).expect("docs/cli.md is there")
}

/// The words of a command up to what is given to it.
fn command_of(line: &str) -> Vec<&str> {
    let words = line.split_whitespace().skip(1);
    words
        .take_while(|word| {
            word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with('-')
        })
        .collect()
}

#[test]
fn the_commands_of_the_page_exist() {
    let page = page();
    let quoted = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with("postrider "));
    let mut checked = 0;
    for line in quoted {
        let words = command_of(line);
        let output = Output::alone(&[&words[..], &["--help"]].concat(), &[]);
        assert_eq!(output.code, Some(0), "{line}: {output:?}");
        let usage = format!("Usage: postrider {}", words.join(" "));
        assert!(output.stdout.contains(usage.trim_end()), "{line}: {output:?}");
        for flag in line.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(output.stdout.contains(flag), "{line}: {flag} is not in its help");
        }
        checked += 1;
    }
    assert!(checked > 15, "{checked} commands were found");
}

#[test]
fn every_command_stands_on_the_page() {
    let help = Output::alone(&["--help"], &[]).ok();
    let page = page();
    let commands = help
        .lines()
        .skip_while(|line| !line.starts_with("Usage"))
        .take_while(|line| *line != "Options:");
    for line in commands.filter(|line| line.starts_with("  ")) {
        let name = line.split_whitespace().next().expect("a name");
        assert!(page.contains(&format!("`postrider {name}")), "{name} is missing");
    }
}

/// Those that need nothing but the binary. A `$` begins a command; what it prints follows.
#[test]
fn the_transcripts_are_what_the_commands_print() {
    let page = page();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocks = page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    // The page sets it as a reader would.
    let secret =
        page.split("$ export POSTRIDER_SECRET=").nth(1).and_then(|rest| rest.lines().next());
    let secret = secret.expect("the page says which secret");
    let mut ran = 0;
    for block in blocks {
        let runs = block.split("$ ").skip(1).map(|run| run.split_once('\n').unwrap_or((run, "")));
        for (command, expected) in runs.filter(|(command, _)| is_alone(command)) {
            // A shell, because people type into one.
            let binary = Path::new(env!("CARGO_BIN_EXE_postrider")).parent().expect("a folder");
            let path =
                format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("exec 2>&1; {command}")])
                .current_dir(folder.path())
                .env("PATH", path)
                .env("POSTRIDER_SECRET", secret)
                .output()
                .expect("a shell");
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            // Lines are broken on the page.
            let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(flat(&printed), flat(expected), "{command}");
            ran += 1;
        }
    }
    assert!(ran >= 8, "{ran} commands were run");
}

fn is_alone(command: &str) -> bool {
    ["postrider verify", "postrider sign", "printf", "echo"]
        .iter()
        .any(|begin| command.starts_with(begin))
        && !command.contains("--webhook")
}
