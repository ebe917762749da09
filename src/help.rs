//! The help of the whole: commands that belong together stand together, and what exit codes mean is
//! said once.

use std::error::Error as _;

use clap::error::{ContextKind, ErrorKind};
use clap::{Command, CommandFactory as _};

use crate::Cli;

/// Headings and the commands under them, in the order in which one needs them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Use a server", &["send", "events", "deliveries", "webhooks", "keys", "dashboard"]),
    ("Build a receiver", &["receive", "listen", "verify", "sign"]),
    ("Run a server", &["serve", "api", "worker", "migrate"]),
    ("Look after it", &["doctor", "config", "log-level", "healthcheck", "openapi", "completions"]),
];

pub const AFTER: &str = "\
Exit codes:
  0  done; for send: it is accepted; for verify: it verifies; for doctor: nothing is a problem
  1  it failed, or the answer is no
  2  an argument, a setting or what was given is wrong
  3  what was asked about does not exist
  4  no key, a wrong one, or one whose role does not allow it

Environment:
  POSTRIDER_URL      the server to speak to [default: http://127.0.0.1:8080]
  POSTRIDER_KEY      the API key (or POSTRIDER_KEY_FILE) [default: what `serve --dev` left]
  POSTRIDER_SECRET   the signing secret, for verify, sign, receive and listen

Try it: `postrider serve --dev` in one terminal, in another
  postrider send order.paid '{\"total\": 50.75}'";

/// Ends the process as clap would, with its words for numbers in ours.
pub fn exit(error: &clap::Error) -> ! {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let (bounds, source_is_range) = (in_words(&source), source.contains(" is not in "));
    let given = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    match bounds {
        Some(bounds) if error.kind() == ErrorKind::ValueValidation => {
            let (value, arg) = (given(ContextKind::InvalidValue), given(ContextKind::InvalidArg));
            let bounds = if source_is_range { bounds } else { bounds_of(&value).unwrap_or(bounds) };
            eprintln!("error: invalid value '{value}' for '{arg}': {bounds}");
            eprintln!("\nFor more information, try '--help'.");
            std::process::exit(error.exit_code())
        }
        _ => error.exit(),
    }
}

/// `2 is not in 31..=36500`, `invalid digit found in string`
fn in_words(source: &str) -> Option<String> {
    if let Some((_, range)) = source.split_once(" is not in ") {
        let (min, max) = range.split_once("..=")?;
        return Some(format!("a whole number from {min} to {max}"));
    }
    let is_number = ["invalid digit found in string", "cannot parse integer from empty string"]
        .contains(&source)
        || source.starts_with("number too");
    is_number.then(|| "it has to be a whole number".to_owned())
}

/// The bounds of what was given this value, which is no number: those of a number beyond all of them.
fn bounds_of(value: &str) -> Option<String> {
    let (end, beyond) = (format!("={value}"), i64::MAX);
    let args = std::env::args_os().filter_map(|arg| arg.into_string().ok()).map(|arg| {
        match arg.strip_suffix(&end) {
            Some(flag) => format!("{flag}={beyond}"),
            None if arg == value => beyond.to_string(),
            None => arg,
        }
    });
    let error = command().try_get_matches_from(args).err()?;
    let source = error.source()?.to_string();
    source.contains(" is not in ").then(|| in_words(&source)).flatten()
}

/// The command line with its commands in groups.
pub fn command() -> Command {
    let command = Cli::command();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\nOptions:\n{{options}}{{after-help}}",
        groups(&command)
    );
    command.help_template(template)
}

fn groups(command: &Command) -> String {
    let width = command.get_subcommands().map(|c| c.get_name().len()).max().unwrap_or_default();
    let line = |command: &Command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:width$}  {about}\n", command.get_name())
    };
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text.push_str(&format!("{heading}:\n"));
        for name in names {
            text.extend(command.find_subcommand(name).map(line));
        }
        text.push('\n');
    }
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let mut others = command.get_subcommands().filter(|c| !is_grouped(c.get_name())).peekable();
    if others.peek().is_some() {
        text.push_str("Others:\n");
        text.extend(others.map(line));
        text.push('\n');
    }
    text.trim_end_matches('\n').to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_the_help_of_the_whole() {
        let help = command().render_long_help().to_string();
        for name in Cli::command().get_subcommands().map(|c| c.get_name().to_owned()) {
            let stands =
                help.lines().any(|line| line.trim_start().starts_with(&format!("{name} ")));
            assert!(stands, "{name}: {help}");
        }
        assert!(help.contains("Exit codes:"), "{help}");
    }

    /// A command that one types by hand shows how.
    #[test]
    fn every_command_that_people_type_has_an_example() {
        fn check(command: &Command, name: &str) {
            let subcommands: Vec<_> = command.get_subcommands().collect();
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if subcommands.is_empty() {
                assert!(after.contains(name), "{name} has no example of itself: {after}");
            }
            for subcommand in subcommands {
                check(subcommand, &format!("{name} {}", subcommand.get_name()));
            }
        }
        let command = command();
        for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            check(subcommand, &format!("postrider {}", subcommand.get_name()));
        }
    }
}
