//! Puts the sources together: flag, then environment, then file, then default; the first that has
//! a setting decides it. All sources speak text, which is judged once, by clap.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::failure::Failure;
use crate::settings::toml_file::Entry;
use crate::settings::{Settings, toml_file};

/// The settings given as flags, as the command line had them.
#[derive(Debug, Clone, Default)]
pub struct Flags(BTreeMap<String, Vec<String>>);

/// One setting as it stands: its documentation, its value, and what set it.
#[derive(Debug, Clone)]
pub struct Effective {
    /// Its declaration, which holds key, documentation and default.
    pub arg: Arg,
    /// Empty: not set.
    pub values: Vec<String>,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Flag,
    /// The name of the variable.
    Env(String),
    File(PathBuf),
    Default,
}

/// Reads every setting from the first source that has it.
///
/// # Errors
/// One sentence that names the source and the key: an unknown key, a value that does not fit, a
/// secret on the command line.
pub fn read(
    flags: &Flags,
    file: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Settings, Vec<Effective>), Failure> {
    let file = file.map(|path| Ok((path, known(path, toml_file::read(path)?)?))).transpose()?;
    let mut effective = Vec::new();
    for arg in declared() {
        let found = match from_flag(&arg, flags)? {
            Some(found) => Some(found),
            None => match from_env(&arg, env)? {
                Some(found) => Some(found),
                None => match &file {
                    Some((path, entries)) => from_file(&arg, path, entries)?,
                    None => None,
                },
            },
        };
        let (values, source) = found.unwrap_or_else(|| (default(&arg), Source::Default));
        effective.push(Effective { arg, values, source });
    }
    Ok((judge(&effective)?, effective))
}

/// Every setting there is, in the order of the structs.
pub fn declared() -> impl Iterator<Item = Arg> {
    let command = Settings::augment_args(Command::new("settings"));
    command.get_arguments().cloned().collect::<Vec<_>>().into_iter()
}

/// Whether a variable of the environment is read as a setting.
pub fn is_env(name: &str) -> bool {
    declared().any(|arg| {
        let known = env_name(&arg);
        name == known || is_secret(&arg) && name.strip_suffix("_FILE") == Some(&known)
    })
}

/// Whether anybody has set it.
pub fn is_set(settings: &[Effective], key: &str) -> bool {
    let setting = settings.iter().find(|setting| setting.arg.get_id() == key);
    setting.is_some_and(|setting| setting.source != Source::Default)
}

/// A setting's name in the environment.
pub fn env_name(arg: &Arg) -> String {
    match arg.get_id().as_str() {
        "log.level" => "POSTRIDER_LOG".into(),
        key => format!("POSTRIDER_{}", key.replace('.', "_").to_uppercase()),
    }
}

pub fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

type Found = Option<(Vec<String>, Source)>;

/// Refuses keys that are no setting: a misspelt one would silently have no effect.
fn known(
    path: &Path,
    entries: Vec<(String, Entry)>,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    // Whether each is about a secret.
    let keys: BTreeMap<String, bool> = declared()
        .flat_map(|arg| {
            let key = arg.get_id().to_string();
            let file_key = is_secret(&arg).then(|| (format!("{key}_file"), true));
            [Some((key, is_secret(&arg))), file_key]
        })
        .flatten()
        .collect();
    for (key, entry) in &entries {
        match keys.get(key) {
            None => {
                return Err(Failure::usage(format!(
                    "the settings file {} has an unknown key `{key}`; `postrider config` lists \
                     those there are.",
                    path.display()
                )));
            }
            // A list of secrets, say, of which not each is taken as it is meant.
            Some(true) if !entry.is_text => {
                return Err(Failure::usage(format!(
                    "the settings file {} gives `{key}` something else than one text: write \
                     {key} = \"…\".",
                    path.display()
                )));
            }
            Some(_) => {}
        }
    }
    Ok(entries.into_iter().map(|(key, entry)| (key, entry.texts)).collect())
}

fn from_flag(arg: &Arg, flags: &Flags) -> Result<Found, Failure> {
    let Some(values) = flags.0.get(arg.get_id().as_str()) else { return Ok(None) };
    if is_secret(arg) {
        return Err(Failure::usage(format!(
            "{} is a secret, and a command line is seen by everybody on this machine: use {} or \
             {}_FILE.",
            flag_name(arg),
            env_name(arg),
            env_name(arg)
        )));
    }
    Ok(Some((values.clone(), Source::Flag)))
}

/// An empty variable counts as unset: that is how container tools pass on what nobody set.
fn from_env(arg: &Arg, env: &dyn Fn(&str) -> Option<String>) -> Result<Found, Failure> {
    let name = env_name(arg);
    let get = |name: &str| env(name).filter(|value| !value.is_empty());
    let file_name = format!("{name}_FILE");
    let path = if is_secret(arg) { get(&file_name) } else { None };
    match (get(&name), path) {
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("{name} and {file_name} are both set: unset one of them.")))
        }
        (Some(value), None) => Ok(Some((split(arg, &value), Source::Env(name)))),
        (None, Some(path)) => Ok(Some((secret_in(&file_name, &path)?, Source::Env(file_name)))),
        (None, None) => Ok(None),
    }
}

fn from_file(
    arg: &Arg,
    path: &Path,
    entries: &BTreeMap<String, Vec<String>>,
) -> Result<Found, Failure> {
    let key = arg.get_id().as_str();
    if let Some(values) = entries.get(key) {
        return Ok(Some((values.clone(), Source::File(path.into()))));
    }
    let file_key = format!("{key}_file");
    match entries.get(&file_key).and_then(|values| values.first()) {
        Some(secret) => Ok(Some((secret_in(&file_key, secret)?, Source::File(path.into())))),
        None => Ok(None),
    }
}

/// A secret in a file of its own, without the line's end that editors add.
fn secret_in(name: &str, path: &str) -> Result<Vec<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(vec![text.trim_end_matches(['\r', '\n']).to_owned()]),
        Err(e) => Err(Failure::usage(format!("{name} names {path}, which cannot be read: {e}."))),
    }
}

fn default(arg: &Arg) -> Vec<String> {
    arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect()
}

fn split(arg: &Arg, value: &str) -> Vec<String> {
    match arg.get_value_delimiter() {
        Some(delimiter) => value.split(delimiter).map(|part| part.trim().to_owned()).collect(),
        None => vec![value.to_owned()],
    }
}

/// Turns the texts into settings, by the parsers that the flags have.
fn judge(effective: &[Effective]) -> Result<Settings, Failure> {
    let line = effective.iter().flat_map(|setting| {
        let flag = flag_name(&setting.arg);
        setting.values.iter().map(move |value| format!("{flag}={value}"))
    });
    let command = Settings::augment_args(Command::new("settings").no_binary_name(true));
    command
        .try_get_matches_from(line)
        .and_then(|matches| Settings::from_arg_matches(&matches))
        .map_err(|e| sentence(&e, effective))
}

/// Says which setting is wrong by the name that the operator used for it.
fn sentence(error: &clap::Error, effective: &[Effective]) -> Failure {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return Failure::usage(error);
    };
    let wrong = effective.iter().find(|setting| {
        let flag = flag_name(&setting.arg);
        shown.split([' ', '=', '[']).next() == Some(&flag)
    });
    let Some(setting) = wrong else { return Failure::usage(error) };
    let name = match &setting.source {
        Source::Flag | Source::Default => flag_name(&setting.arg),
        Source::Env(name) => name.clone(),
        Source::File(path) => format!("`{}` in {}", setting.arg.get_id(), path.display()),
    };
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(ContextValue::Strings(valid))) => format!("it takes {}", valid.join(" or ")),
        (None, _) => "it takes one value".into(),
    };
    Failure::usage(format!("{name} has the value {:?}: {reason}.", setting.values.join(",")))
}

pub fn flag_name(arg: &Arg) -> String {
    format!("--{}", arg.get_long().unwrap_or_default())
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(declared().map(|arg| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let env = env_name(&arg);
            arg.help(format!("{help} [env: {env}]"))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = declared().filter_map(|arg| {
            let key = arg.get_id().as_str();
            if matches.value_source(key) != Some(ValueSource::CommandLine) {
                return None;
            }
            let values = matches.get_raw(key)?.map(|v| v.to_string_lossy().into_owned());
            Some((key.to_owned(), values.collect()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
