//! `sigmund config`: what the service is told, by whom, and what is wrong with it.

use super::Status;
use crate::args::{ConfigCommand, ConfigFormat, ConfigOptions, SchemaFormat};
use crate::encode::pretty_json;
use crate::printer::Printer;
use sigmund_stream::config::{self, Config, Layers, Loaded, Problems};
use std::io::Write as _;

pub(super) fn run(args: &ConfigCommand, printer: &Printer) -> anyhow::Result<Status> {
    match args {
        ConfigCommand::Show { options, format } => {
            // It is looked at most when something is wrong.
            let (loaded, problems) = Config::read(&layers(options));
            report(&problems, printer);
            let Some(loaded) = loaded else { return Ok(Status::Failure) };
            let text = match format {
                ConfigFormat::Yaml => loaded.yaml(),
                ConfigFormat::Json => pretty_json(&loaded.json()) + "\n",
            };
            printer.stdout().write_all(text.as_bytes())?;
            if !problems.is_empty() {
                return Ok(Status::Failure);
            }
        }
        ConfigCommand::Check { options } => {
            if load(options, printer).is_none() {
                return Ok(Status::Failure);
            }
            let layers = layers(options);
            let names: Vec<String> =
                layers.files().iter().map(|path| path.display().to_string()).collect();
            let names = if names.is_empty() { "no file".to_owned() } else { names.join(", ") };
            printer.say(&format!("{names}: fine"));
        }
        ConfigCommand::Schema { format } => {
            let text = match format {
                SchemaFormat::Json => {
                    serde_json::to_string_pretty(&config::editor_schema())? + "\n"
                }
                SchemaFormat::Markdown => config::markdown(),
            };
            printer.stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(Status::Success)
}

/// Where the options say that the configuration comes from.
pub(super) fn layers(options: &ConfigOptions) -> Layers {
    let mut layers = if options.no_config {
        Layers::of_environment()
    } else {
        Layers::of_process(options.config.as_deref())
    };
    for (key, value) in &options.set {
        layers.set(key, value);
    }
    let servers = options.bootstrap_servers.clone();
    layers.set_list("--bootstrap-servers", "kafka.bootstrap_servers", servers);
    layers
}

/// The same options as they are written behind a command, each behind a blank. Values that are secret are left for people to fill in.
pub(super) fn invocation(options: &ConfigOptions, config: &Config) -> String {
    let mut words = Vec::new();
    if options.no_config {
        words.push("--no-config".to_owned());
    }
    if let Some(path) = &options.config {
        words.extend(["-c".to_owned(), path.display().to_string()]);
    }
    for (key, value) in &options.set {
        let is_secret = match key.strip_prefix("kafka.properties.") {
            Some(name) => config.kafka.properties.is_hidden(name),
            None => matches!(&**key, "kafka" | "kafka.properties" | "http" | "http.token"),
        };
        let value = if is_secret { "…" } else { value };
        words.extend(["--set".to_owned(), format!("{key}={value}")]);
    }
    if !options.bootstrap_servers.is_empty() {
        words.extend(["--bootstrap-servers".to_owned(), options.bootstrap_servers.join(",")]);
    }
    words.iter().map(|word| format!(" {}", quoted(word))).collect()
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The configuration; if there is something wrong with it, that is said.
pub(super) fn load(options: &ConfigOptions, printer: &Printer) -> Option<Loaded> {
    match Config::load(&layers(options)) {
        Ok(mut loaded) => {
            loaded.config.invocation = invocation(options, &loaded.config);
            Some(loaded)
        }
        Err(problems) => {
            report(&problems, printer);
            None
        }
    }
}

pub(super) fn report(problems: &Problems, printer: &Printer) {
    for problem in &problems.0 {
        printer.error(&problem.to_string());
    }
}
