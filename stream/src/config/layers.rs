//! The layers of a configuration, each laid over the one before: files, the environment, flags.

use super::problem::{Origin, Problems};
use super::shape::{Shape, Wants};
use super::texts::Texts;
use super::tree::{self, Entry, Kind, Node, Place};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The beginning of the names of environment variables.
const PREFIX: &str = "SIGMUND_";
/// Variables with this prefix that are no keys: the path of the file itself, and those of tests and of the broker for them.
const NOT_KEYS: [&str; 7] = [
    "SIGMUND_CONFIG",
    "SIGMUND_KAFKA_HOME",
    "SIGMUND_REQUIRE_KAFKA",
    "SIGMUND_SHARED",
    "SIGMUND_WRITE_DOCS",
    "SIGMUND_EQUIVALENCE",
    "SIGMUND_SHOW_DIFFERENCES",
];

/// Where a configuration is read from.
#[derive(Clone, Default)]
pub struct Layers {
    files: Vec<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<Flag>,
    texts: Texts,
}

#[derive(Clone)]
struct Flag {
    name: String,
    key: String,
    value: Said,
}

#[derive(Clone)]
enum Said {
    Text(String),
    List(Vec<String>),
}

impl Layers {
    /// Nothing but defaults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The files and the environment of this process: `/etc/sigmund/config.yaml`, `$XDG_CONFIG_HOME/sigmund/config.yaml`, and `file` or else the
    /// nearest `sigmund.yaml` in this folder and those above it. `file` must be there, the others may.
    #[must_use]
    pub fn of_process(file: Option<&Path>) -> Self {
        let mut files = vec![PathBuf::from("/etc/sigmund/config.yaml")];
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = var("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(var("HOME")?).join(".config")));
        files.extend(home.map(|home| home.join("sigmund/config.yaml")));
        files.retain(|path| path.exists());
        match file {
            Some(file) => files.push(file.to_owned()),
            None => files.extend(nearest()),
        }
        Self { files, ..Self::of_environment() }
    }

    /// No files, only the environment of this process.
    #[must_use]
    pub fn of_environment() -> Self {
        let mut environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        // The order of the environment is anybody's.
        environment.sort();
        Self { environment, ..Self::default() }
    }

    /// Adds a file over those before.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds `KEY=VALUE` of the flag `--set`. The value is read as in an environment variable.
    pub fn set(&mut self, key: &str, value: &str) {
        self.flags.push(Flag {
            name: format!("--set {key}"),
            key: key.to_owned(),
            value: Said::Text(value.to_owned()),
        });
    }

    /// Adds a flag that means a list, such as `--bootstrap-servers`, if it was given.
    pub fn set_list(&mut self, flag: &str, key: &str, values: Vec<String>) {
        if !values.is_empty() {
            let (name, key) = (flag.to_owned(), key.to_owned());
            self.flags.push(Flag { name, key, value: Said::List(values) });
        }
    }

    /// Adds a flag with a value in YAML, such as `--topic`, which means a list of one source.
    pub fn set_flag(&mut self, flag: &str, key: &str, value: &str) {
        self.flags.push(Flag {
            name: flag.to_owned(),
            key: key.to_owned(),
            value: Said::Text(value.to_owned()),
        });
    }

    /// The files, lowest first.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// All layers as one tree, with `${file:…}` and `${env:…}` replaced.
    pub(super) fn read(&self, schema: &Value, problems: &mut Problems) -> Node {
        let mut tree = Node::empty();
        for path in &self.files {
            if let Some(layer) = file(path, &self.texts, problems) {
                tree.overlay(layer);
            }
        }
        for (name, value) in &self.environment {
            if NOT_KEYS.contains(&name.as_str()) || is_service_link(name) {
                continue;
            }
            let steps = variable_steps(name, Shape::new(schema));
            let origin = Origin::Environment(name.as_str().into());
            tree.overlay(spoken(&steps, &Said::Text(value.clone()), &origin, schema, problems));
        }
        for flag in &self.flags {
            let steps = key_steps(&flag.key, Shape::new(schema));
            let origin = Origin::Flag(flag.name.as_str().into());
            tree.overlay(spoken(&steps, &flag.value, &origin, schema, problems));
        }
        tree.settle("", problems);
        tree.scalars_mut("", &mut |key, node| interpolate(key, node, &self.texts, problems));
        tree
    }
}

/// The nearest `sigmund.yaml`: in the working directory, or the first folder above that has one.
fn nearest() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    let found = folder.ancestors().map(|above| above.join("sigmund.yaml")).find(|p| p.is_file())?;
    // As short as a person would write it.
    Some(found.strip_prefix(&folder).map(Path::to_owned).unwrap_or(found))
}

/// Variables that Kubernetes gives every container of a namespace in which a service is called `sigmund`.
fn is_service_link(name: &str) -> bool {
    let rest = name.trim_start_matches(PREFIX);
    rest == "SERVICE_HOST"
        || rest.starts_with("SERVICE_PORT")
        || rest == "PORT"
        || (rest.starts_with("PORT_") && (rest.contains("_TCP") || rest.contains("_UDP")))
}

fn file(path: &Path, texts: &Texts, problems: &mut Problems) -> Option<Node> {
    match texts.read(path) {
        Ok(text) => {
            let place = Place::File { path: Arc::new(path.to_owned()), text: &text };
            tree::read(&text, &place, problems)
        }
        Err(message) => {
            problems.push("", &Origin::Default, message, None);
            None
        }
    }
}

/// `SIGMUND_KAFKA__PROPERTIES__SASL_USERNAME` → `kafka`, `properties`, `sasl.username`. Keys of the configuration are in lower case; names that
/// somebody gave are as written.
fn variable_steps(name: &str, mut shape: Shape<'_>) -> Vec<String> {
    let mut steps = Vec::new();
    let mut parts = name.trim_start_matches(PREFIX).split("__");
    let mut known = true;
    while let Some(part) = parts.next() {
        if known && let Wants::Map(_) = shape.wants() {
            let mut rest = part.to_owned();
            for part in parts.by_ref() {
                rest.push_str("__");
                rest.push_str(part);
            }
            // Dots cannot be in names of variables; no property of librdkafka that text can set has an underscore.
            let is_property = steps == ["kafka", "properties"];
            steps.push(if is_property { rest.to_lowercase().replace('_', ".") } else { rest });
            return steps;
        }
        let part = part.to_lowercase();
        match shape.below(&part) {
            Some(below) if known => shape = below,
            _ => known = false,
        }
        steps.push(part);
    }
    steps
}

/// `kafka.properties.sasl.username` → `kafka`, `properties`, `sasl.username`; members of lists by their number.
fn key_steps(key: &str, mut shape: Shape<'_>) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        if let Wants::Map(_) = shape.wants() {
            steps.push(rest.to_owned());
            break;
        }
        let (part, behind) = rest.split_once('.').unwrap_or((rest, ""));
        steps.push(part.to_owned());
        rest = behind;
        match shape.below(part) {
            Some(below) => shape = below,
            None => {
                steps.extend(rest.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
                break;
            }
        }
    }
    steps
}

/// A tree with one value in it.
fn spoken(
    steps: &[String],
    said: &Said,
    origin: &Origin,
    schema: &Value,
    problems: &mut Problems,
) -> Node {
    let root = Shape::new(schema);
    let shape = steps.iter().try_fold(root, |shape, step| shape.below(step));
    let mut node = match said {
        Said::List(values) => {
            let members = values.iter().map(|value| Node::scalar(value, origin)).collect();
            Node { kind: Kind::List(members), origin: origin.clone() }
        }
        Said::Text(text) => value(text, shape, &steps.join("."), origin, problems),
    };
    for depth in (0..steps.len()).rev() {
        let above = steps[..depth].iter().try_fold(root, |shape, step| shape.below(step));
        let is_list = above.is_some_and(|shape| matches!(shape.wants(), Wants::List(_)));
        let kind = match steps[depth].parse::<usize>() {
            Ok(index) if is_list => Kind::Members([(index, node)].into()),
            _ => Kind::Map(vec![Entry {
                key: steps[depth].clone(),
                origin: origin.clone(),
                value: node,
            }]),
        };
        node = Node { kind, origin: origin.clone() };
    }
    node
}

/// A text as a value: what is not a mapping or a list is taken as it is; lists may be written with commas.
fn value(
    text: &str,
    shape: Option<Shape<'_>>,
    key: &str,
    origin: &Origin,
    problems: &mut Problems,
) -> Node {
    let whole = Node::scalar(text, origin);
    let Some(shape) = shape else { return whole };
    let members_are_text = match shape.wants() {
        _ if text.trim().is_empty() => return whole,
        Wants::List(members) => matches!(members.wants(), Wants::Text),
        Wants::Struct(_) | Wants::Map(_) => false,
        _ => return whole,
    };
    // `[::1]:9092` is no list of YAML.
    let is_list = text.trim().starts_with('[') && text.trim().ends_with(']');
    if members_are_text && !is_list {
        let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
        let members = members.map(|member| Node::scalar(member, origin)).collect();
        return Node { kind: Kind::List(members), origin: origin.clone() };
    }
    let before = problems.0.len();
    let read = tree::read(text, &Place::Whole(origin.clone()), problems);
    for problem in &mut problems.0[before..] {
        problem.key = key.to_owned();
    }
    read.unwrap_or_else(|| Node::scalar("", origin))
}

/// Replaces `${env:NAME}` and `${file:PATH}` in a value; `$${` stands for `${`.
fn interpolate(key: &str, node: &mut Node, texts: &Texts, problems: &mut Problems) {
    let Kind::Scalar { text, hidden, .. } = &mut node.kind else { return };
    if !text.contains("${") {
        return;
    }
    let mut result = String::new();
    let mut rest = text.as_str();
    let mut wrong = Vec::new();
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            result.push_str(&rest[..at - 1]);
            result.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        result.push_str(&rest[..at]);
        let Some((name, behind)) = rest[at + 2..].split_once('}') else {
            wrong.push((
                "`${` without `}`".to_owned(),
                "write `${env:NAME}` or `${file:PATH}`, or `$${` for the characters themselves",
            ));
            rest = "";
            break;
        };
        rest = behind;
        match name.split_once(':') {
            Some(("env", name)) => match std::env::var(name) {
                Ok(value) => result.push_str(&value),
                Err(_) => wrong.push((
                    format!("the environment variable `{name}` is not set, or not UTF-8"),
                    "set it, or write the value here",
                )),
            },
            Some(("file", path)) => match texts.read(Path::new(path)) {
                // Editors and `echo` end files with a line break that nobody means.
                Ok(value) => result.push_str(value.trim_end_matches(['\r', '\n'])),
                Err(message) => wrong.push((message, "make it readable, or name another file")),
            },
            _ => wrong.push((
                format!("`${{{name}}}` is neither `${{env:NAME}}` nor `${{file:PATH}}`"),
                "write one of them, or `$${` for the characters themselves",
            )),
        }
        *hidden = true;
    }
    result.push_str(rest);
    *text = result;
    if wrong.is_empty() {
        return;
    }
    for (message, help) in wrong {
        problems.push(key, &node.origin, message, help.to_owned());
    }
    // What the value would be without its part must not be a second error: nothing was said.
    *node = Node::scalar("", &node.origin);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::shape::schema;

    #[test]
    fn names_of_variables_are_keys() {
        let schema = schema();
        let steps = |name| variable_steps(name, Shape::new(&schema)).join("/");
        assert_eq!(steps("SIGMUND_LANES"), "lanes");
        assert_eq!(steps("SIGMUND_KAFKA__BOOTSTRAP_SERVERS"), "kafka/bootstrap_servers");
        assert_eq!(
            steps("SIGMUND_KAFKA__PROPERTIES__SASL_USERNAME"),
            "kafka/properties/sasl.username"
        );
        assert_eq!(
            steps("SIGMUND_RULES__PLACEHOLDERS__Admin_Users"),
            "rules/placeholders/Admin_Users"
        );
        assert_eq!(steps("SIGMUND_SOURCES__0__TOPICS"), "sources/0/topics");
        assert_eq!(steps("SIGMUND_NO__SUCH"), "no/such");
    }

    #[test]
    fn keys_are_cut_at_dots() {
        let schema = schema();
        let steps = |key| key_steps(key, Shape::new(&schema)).join("/");
        assert_eq!(steps("kafka.properties.sasl.username"), "kafka/properties/sasl.username");
        assert_eq!(steps("sources.0.topics"), "sources/0/topics");
        assert_eq!(steps("no.such.key"), "no/such/key");
    }

    #[test]
    fn members_of_one_list_come_from_several_places() {
        use crate::config::Config;

        let mut layers = Layers::none()
            .with_variable("SIGMUND_SOURCES__0__TOPICS", "a")
            .with_variable("SIGMUND_SOURCES__1__TOPICS", "b");
        layers.set("sources.0.format", "json");
        layers.set("detections.routes.0.level", "high");
        layers.set("detections.routes.0.topic", "soar");
        let config = Config::load(&layers).expect("a configuration").config;
        let sources: Vec<_> =
            config.sources.iter().map(|one| (one.topics.join(","), one.format.clone())).collect();
        assert_eq!(sources, [("a".to_owned(), Some("json".to_owned())), ("b".to_owned(), None)]);
        assert_eq!(config.detections.routes.len(), 1);
        assert_eq!(config.detections.routes[0].topic, "soar");
        layers.set("sources.7.topics", "c");
        let problems = Config::load(&layers).expect_err("a gap").to_string();
        assert!(
            problems.starts_with("--set sources.7.topics: sources[7]: member 7 is beyond"),
            "{problems}"
        );
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }

    #[test]
    fn addresses_in_brackets_are_no_lists() {
        use crate::config::Config;

        let servers = |text: &str| {
            let mut layers = Layers::none();
            layers.set("kafka.bootstrap_servers", text);
            layers.set("sources", "[{topics: [a]}]");
            Config::load(&layers).expect("a configuration").config.kafka.bootstrap_servers
        };
        assert_eq!(servers("[::1]:9092"), ["[::1]:9092"]);
        assert_eq!(servers("[::1]:9092, b:9092"), ["[::1]:9092", "b:9092"]);
        assert_eq!(servers("['[::1]:9092', b:9092]"), ["[::1]:9092", "b:9092"]);
    }

    /// `-c <(decrypt sigmund.yaml)`
    #[cfg(unix)]
    #[test]
    fn what_came_from_a_pipe_is_there_for_the_next_reload() {
        use crate::config::Config;
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;

        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(b"lanes: 2\nsources: [{topics: [raw]}]\n").expect("room");
        drop(writer);
        let layers = Layers::none().with_file(format!("/dev/fd/{}", reader.as_raw_fd()));
        for _ in 0..2 {
            let loaded = Config::load(&layers).expect("a configuration");
            assert_eq!(loaded.config.lanes, 2);
        }
    }

    #[test]
    fn what_kubernetes_says_about_a_service_is_no_key() {
        for name in ["SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_9464_TCP_ADDR"] {
            assert!(is_service_link(&format!("SIGMUND_{name}")), "{name}");
        }
        assert!(!is_service_link("SIGMUND_HTTP__LISTEN"));
    }
}
