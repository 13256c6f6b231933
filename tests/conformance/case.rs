//! Case files: `*.yml` and `all.json` (the format is described beside the shared cases).

use crate::json;
use sigmund_engine::{Object, Value};
use sigmund_sigma::LogSource;
use sigmund_sigma::value::Scalar;
use sigmund_sigma::yaml::{self, Kind, Node};
use std::path::{Path, PathBuf};

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) rules: String,
    pub(crate) placeholders: Vec<(String, Vec<String>)>,
    pub(crate) field_mapping: Vec<(String, Vec<String>)>,
    /// One for each event; without, nothing is filtered by log source.
    pub(crate) logsources: Option<Vec<LogSource>>,
    pub(crate) events: Vec<Object>,
    pub(crate) load_error: bool,
    /// Rule name and the indices of its events.
    pub(crate) matches: Option<Vec<(String, Vec<usize>)>>,
    /// The alerts of correlations.
    pub(crate) alerts: Option<Vec<ExpectedAlert>>,
    /// The field that holds the time of an event.
    pub(crate) time_field: Option<String>,
}

/// An alert: the correlation's name, the index of the event that makes it, the values of the group by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExpectedAlert {
    pub(crate) rule: String,
    pub(crate) at: usize,
    pub(crate) group: Vec<(String, String)>,
}

impl Case {
    fn read(case: &Object) -> Result<Self, String> {
        let name = text(member(case, "name")?)?;
        Self::read_named(name.clone(), case).map_err(|error| format!("{name}: {error}"))
    }

    fn read_named(name: String, case: &Object) -> Result<Self, String> {
        let expect = object(member(case, "expect")?)?;
        let pipeline = match case.get("pipeline") {
            Some(pipeline) => object(pipeline)?.clone(),
            None => Object::default(),
        };
        let logsources = match case.get("logsources") {
            Some(list) => Some(list_of(list, log_source)?),
            None => None,
        };
        let matches = match expect.get("matches") {
            Some(matches) => Some(
                object(matches)?
                    .0
                    .iter()
                    .map(|(rule, events)| Ok((rule.to_string(), list_of(events, index)?)))
                    .collect::<Result<Vec<_>, String>>()?,
            ),
            None => None,
        };
        Ok(Self {
            name,
            rules: text(member(case, "rules")?)?,
            placeholders: one_or_many(pipeline.get("placeholders"))?,
            field_mapping: one_or_many(pipeline.get("field_mapping"))?,
            logsources,
            events: list_of(member(case, "events")?, |event| object(event).cloned())?,
            load_error: match expect.get("load") {
                Some(load) if text(load)? == "error" => true,
                Some(other) => return Err(format!("`expect.load` is {other:?}")),
                None => false,
            },
            matches,
            alerts: expect.get("alerts").map(|alerts| list_of(alerts, alert)).transpose()?,
            time_field: case.get("time_field").map(text).transpose()?,
        })
    }
}

/// All case files under a directory (or one file), sorted.
pub(crate) fn files(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    if root.is_file() {
        return Ok(vec![root.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml")
            || path.file_name().is_some_and(|name| name == "all.json")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The cases of one file.
pub(crate) fn read(path: &Path) -> Result<Vec<Case>, String> {
    let content = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let root = if path.extension().is_some_and(|extension| extension == "json") {
        json::read(&content)?
    } else {
        let stream = yaml::parse(&content);
        if let Some(diagnostic) = stream.diagnostics.first() {
            return Err(diagnostic.message.clone());
        }
        let document = stream.documents.first().ok_or("no document")?;
        value_of(&document.root, &content)
    };
    list_of(member(object(&root)?, "cases")?, |case| Case::read(object(case)?))
}

/// A YAML node as JSON. Flow collections are JSON as they stand, which keeps numbers and escapes exact.
fn value_of(node: &Node, content: &str) -> Value {
    if let Kind::Sequence(_) | Kind::Mapping(_) = node.kind
        && let Some(Ok(value)) = content.get(node.span.range()).map(json::read)
    {
        return value;
    }
    match &node.kind {
        Kind::Scalar(text, style) => match Scalar::resolve(text.clone(), *style) {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Number(number) => Value::Number(number.into()),
            Scalar::Text(text) => Value::text(text),
        },
        Kind::Sequence(elements) => {
            Value::Array(elements.iter().map(|element| value_of(element, content)).collect())
        }
        Kind::Mapping(entries) => {
            let mut object = Object::default();
            for (key, value) in entries {
                if let Kind::Scalar(key, _) = &key.kind {
                    object.push(key.clone(), value_of(value, content));
                }
            }
            Value::Object(object)
        }
    }
}

fn member<'v>(object: &'v Object, name: &str) -> Result<&'v Value, String> {
    object.get(name).ok_or_else(|| format!("`{name}` is missing"))
}

fn object(value: &Value) -> Result<&Object, String> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("{other:?} is no object")),
    }
}

fn text(value: &Value) -> Result<String, String> {
    value.comparable().map(Into::into).ok_or_else(|| format!("{value:?} is no text"))
}

fn index(value: &Value) -> Result<usize, String> {
    text(value)?.parse().map_err(|_| format!("{value:?} is no index"))
}

fn list_of<T>(value: &Value, read: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match value {
        Value::Array(elements) => elements.iter().map(read).collect(),
        other => Err(format!("{other:?} is no list")),
    }
}

fn alert(value: &Value) -> Result<ExpectedAlert, String> {
    let value = object(value)?;
    let mut group = object(member(value, "group")?)?
        .0
        .iter()
        .map(|(name, value)| Ok((name.to_string(), text(value)?)))
        .collect::<Result<Vec<_>, String>>()?;
    group.sort();
    Ok(ExpectedAlert {
        rule: text(member(value, "rule")?)?,
        at: index(member(value, "at")?)?,
        group,
    })
}

fn one_or_many(value: Option<&Value>) -> Result<Vec<(String, Vec<String>)>, String> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    object(value)?
        .0
        .iter()
        .map(|(name, values)| {
            let values = match values {
                Value::Array(_) => list_of(values, text)?,
                one => vec![text(one)?],
            };
            Ok((name.to_string(), values))
        })
        .collect()
}

fn log_source(value: &Value) -> Result<LogSource, String> {
    let attributes = object(value)?;
    let attribute = |name: &str| attributes.get(name).map(text).transpose();
    let (product, category, service) =
        (attribute("product")?, attribute("category")?, attribute("service")?);
    Ok(LogSource::new(product.as_deref(), category.as_deref(), service.as_deref()))
}
