//! Whether what was said has the shape of a [`Config`], by the schema of which `sigmund config schema` prints a wider one: unknown keys, wrong types,
//! unknown words, all at once.

use super::problem::{Origin, Problems};
use super::tree::{Kind, Node, below};
use super::{Config, Size, Span};
use serde_json::{Map, Value, json};
use sigmund_sigma::suggestion::nearest;

/// The `format` of lengths of time in the schema.
pub(super) const SPAN: &str = "span";
/// The `format` of sizes in the schema.
pub(super) const SIZE: &str = "size";

/// The JSON schema of the configuration.
#[must_use]
pub(super) fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    // A place in this repository is what others may refer to it by.
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "sigmund.yaml".into());
    }
    schema
}

/// The schema for editors: it takes all that is read here, where YAML has other types than the configuration. Values may come from files and
/// the environment, texts look like numbers, and a key without a value is as if it were not there.
#[must_use]
pub fn editor_schema() -> Value {
    let mut schema = schema();
    widen(&mut schema);
    schema
}

/// Anything with a part that is replaced before it is looked at.
const REPLACED: &str = "\\$\\{.+\\}";

fn widen(schema: &mut Value) {
    let Value::Object(keys) = schema else { return };
    for (key, below) in keys.iter_mut() {
        match (&**key, below) {
            ("properties" | "$defs", Value::Object(all)) => all.values_mut().for_each(widen),
            ("items" | "additionalProperties", below) => widen(below),
            ("anyOf", Value::Array(all)) => all.iter_mut().for_each(widen),
            _ => {}
        }
    }
    for words in ["oneOf", "enum"] {
        if let Some(known) = keys.remove(words) {
            keys.remove("type");
            let known = json!({words: known});
            keys.insert("anyOf".to_owned(), json!([known, replaced(), {"type": "null"}]));
            return;
        }
    }
    let kinds = match keys.get("type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect()
        }
        _ => return,
    };
    let mut wider: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let text = match wider.iter().find(|kind| **kind != "null").copied() {
        Some("string") => {
            match keys.get("pattern").cloned() {
                Some(Value::String(pattern)) => {
                    keys.insert("pattern".to_owned(), format!("{pattern}|{REPLACED}").into());
                }
                _ => wider.extend(["number", "boolean"]),
            }
            if keys.get("format").is_some_and(|format| format == SIZE) {
                wider.push("integer");
            }
            None
        }
        Some("integer") => Some(format!("^[0-9]+$|{REPLACED}")),
        Some("boolean") => Some(REPLACED.to_owned()),
        _ => None,
    };
    if let Some(pattern) = text {
        wider.push("string");
        keys.insert("pattern".to_owned(), pattern.into());
    }
    if !wider.contains(&"null") {
        wider.push("null");
    }
    let wider = Value::from(wider);
    keys.insert("type".to_owned(), wider);
}

fn replaced() -> Value {
    json!({"type": "string", "pattern": REPLACED})
}

/// One place of a schema, with the schema that its references mean.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    root: &'a Value,
    schema: &'a Value,
}

/// What a schema asks for.
pub(super) enum Wants<'a> {
    /// A mapping with these keys.
    Struct(&'a Map<String, Value>),
    /// A mapping with any keys, and the schema of its values.
    Map(Shape<'a>),
    List(Shape<'a>),
    /// One of these words.
    Word(Vec<&'a str>),
    Span,
    Size,
    Text,
    Integer,
    Boolean,
}

impl<'a> Shape<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, schema: root }
    }

    fn at(self, schema: &'a Value) -> Self {
        Self { root: self.root, schema }
    }

    /// Behind references and "or null".
    fn resolved(self) -> &'a Value {
        let mut schema = self.schema;
        loop {
            if let Some(reference) = schema["$ref"].as_str() {
                let pointer = reference.trim_start_matches('#');
                schema = self.root.pointer(pointer).unwrap_or(&Value::Null);
            } else if let Some(choices) = schema["anyOf"].as_array() {
                let choice = choices.iter().find(|choice| choice["type"] != "null");
                schema = choice.unwrap_or(&Value::Null);
            } else {
                return schema;
            }
        }
    }

    pub(super) fn wants(self) -> Wants<'a> {
        let schema = self.resolved();
        if let Some(choices) = schema["oneOf"].as_array() {
            return Wants::Word(choices.iter().filter_map(|one| one["const"].as_str()).collect());
        }
        if let Some(words) = schema["enum"].as_array() {
            return Wants::Word(words.iter().filter_map(Value::as_str).collect());
        }
        match schema["format"].as_str() {
            Some(SPAN) => return Wants::Span,
            Some(SIZE) => return Wants::Size,
            _ => {}
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null")
            }
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => match schema["properties"].as_object() {
                Some(keys) => Wants::Struct(keys),
                None => Wants::Map(self.at(&schema["additionalProperties"])),
            },
            Some("array") => Wants::List(self.at(&schema["items"])),
            Some("integer") => Wants::Integer,
            Some("boolean") => Wants::Boolean,
            _ => Wants::Text,
        }
    }

    /// The schema of a key, or of the members of a list.
    pub(super) fn below(self, name: &str) -> Option<Self> {
        match self.wants() {
            Wants::Struct(keys) => keys.get(name).map(|schema| self.at(schema)),
            Wants::Map(values) => Some(values),
            Wants::List(members) => name.parse::<usize>().ok().map(|_| members),
            _ => None,
        }
    }

    /// The value as JSON. What was not said, or has a problem, is `None`; members of lists that are so are taken away, so that the others have
    /// the same indices here and there.
    pub(super) fn read(self, node: &mut Node, key: &str, problems: &mut Problems) -> Option<Value> {
        if node.is_null() {
            return None;
        }
        match (self.wants(), &mut node.kind) {
            (Wants::Struct(keys), Kind::Map(entries)) => {
                let mut values = Map::new();
                for entry in entries {
                    let path = below(key, &entry.key);
                    let Some(schema) = keys.get(&entry.key) else {
                        let help = unknown_key_help(key, &entry.key, keys);
                        problems.push("", &entry.origin, format!("unknown key `{path}`"), help);
                        continue;
                    };
                    if let Some(value) = self.at(schema).read(&mut entry.value, &path, problems) {
                        values.insert(entry.key.clone(), value);
                    }
                }
                Some(Value::Object(values))
            }
            (Wants::Map(values), Kind::Map(entries)) => {
                let read = entries.iter_mut().filter_map(|entry| {
                    let value = values.read(&mut entry.value, &below(key, &entry.key), problems)?;
                    Some((entry.key.clone(), value))
                });
                Some(Value::Object(read.collect()))
            }
            (Wants::List(members), Kind::List(nodes)) => {
                let (mut values, mut index) = (Vec::new(), 0);
                nodes.retain_mut(|node| {
                    let value = members.read(node, &format!("{key}[{index}]"), problems);
                    index += 1;
                    let is_there = value.is_some();
                    values.extend(value);
                    is_there
                });
                Some(Value::Array(values))
            }
            (wants, Kind::Scalar { text, plain, hidden }) => {
                let shown = if *hidden { super::secret::HIDDEN } else { &**text };
                let mut wrong = |message: String, help: Option<String>| {
                    // Messages of parsers quote what they were given.
                    let message = if *hidden { message.replace(&**text, shown) } else { message };
                    problems.push(key, &node.origin, message, help);
                    None
                };
                match wants {
                    Wants::Text => Some(Value::String(text.clone())),
                    Wants::Span => match text.parse::<Span>() {
                        Ok(_) => Some(Value::String(text.clone())),
                        Err(message) => wrong(message, None),
                    },
                    Wants::Size => match text.parse::<Size>() {
                        Ok(_) => Some(Value::String(text.clone())),
                        Err(message) => wrong(message, None),
                    },
                    Wants::Word(words) if words.contains(&&**text) => {
                        Some(Value::String(text.clone()))
                    }
                    Wants::Word(words) => {
                        let help = match nearest(text, words.iter().copied()) {
                            Some(word) => format!("did you mean `{word}`?"),
                            None => format!("known: {}", quoted(words.iter().copied())),
                        };
                        wrong(format!("unknown value `{text}`"), Some(help))
                    }
                    Wants::Integer => match text.parse::<u64>() {
                        Ok(number) => Some(number.into()),
                        Err(_) => wrong(format!("`{text}` is not a whole number"), None),
                    },
                    Wants::Boolean => match (&**text, plain) {
                        ("true", true) => Some(true.into()),
                        ("false", true) => Some(false.into()),
                        _ => wrong(format!("`{text}` is neither `true` nor `false`"), None),
                    },
                    Wants::List(_) => wrong(
                        format!("expected a list, found `{text}`"),
                        Some(format!("write `[{shown}]`")),
                    ),
                    Wants::Struct(_) | Wants::Map(_) => {
                        wrong(format!("expected a mapping, found `{text}`"), None)
                    }
                }
            }
            (wants, kind) => {
                let message = format!("expected {}, found {}", wants.noun(), kind.noun());
                problems.push(key, &node.origin, message, None);
                None
            }
        }
    }
}

impl Wants<'_> {
    fn noun(&self) -> &'static str {
        match self {
            Self::Struct(_) | Self::Map(_) => "a mapping",
            Self::List(_) => "a list",
            Self::Word(_) => "a word",
            Self::Span => "a length of time such as `10s`",
            Self::Size => "a size such as `2G`",
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Boolean => "`true` or `false`",
        }
    }
}

impl Kind {
    fn noun(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "text",
            Self::List(_) | Self::Members(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Where an unknown key would belong, or which keys there are.
fn unknown_key_help(parent: &str, name: &str, keys: &Map<String, Value>) -> String {
    if let Some(near) = nearest(name, keys.keys().map(String::as_str)) {
        return format!("did you mean `{near}`?");
    }
    let known = quoted(keys.keys().map(String::as_str));
    if parent.is_empty() {
        format!("known: {known}")
    } else {
        format!("known in `{parent}`: {known}")
    }
}

/// `a`, `b`, each in backticks.
pub(super) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The origin of a key: its own, or that of what it is in.
pub(super) fn origin_of<'a>(
    origins: &'a std::collections::BTreeMap<String, Origin>,
    key: &str,
) -> &'a Origin {
    const NOBODY: &Origin = &Origin::Default;
    let mut key = key;
    loop {
        match origins.get(key) {
            Some(Origin::Default) | None => {}
            Some(origin) => return origin,
        }
        match key.rfind(['.', '[']) {
            Some(at) => key = &key[..at],
            None => return NOBODY,
        }
    }
}
