//! Reading a configuration: its layers, its shape, its sense.

use super::problem::{Origin, Problems};
use super::shape::{self, Shape};
use super::tree::Kind;
use super::{Config, Layers, validate};
use std::collections::BTreeMap;

/// A configuration, and who said what of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Who said the value of a key.
    #[must_use]
    pub fn origin(&self, key: &str) -> &Origin {
        shape::origin_of(&self.origins, key)
    }
}

impl Config {
    /// Reads the layers and checks the result.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn load(layers: &Layers) -> Result<Loaded, Problems> {
        match Self::read(layers) {
            (Some(loaded), problems) if problems.is_empty() => Ok(loaded),
            (_, problems) => Err(problems),
        }
    }

    /// Reads the layers as far as they can be read, to be looked at, and says what is wrong.
    #[must_use]
    pub fn read(layers: &Layers) -> (Option<Loaded>, Problems) {
        let mut problems = Problems::default();
        let schema = shape::schema();
        let mut tree = layers.read(&schema, &mut problems);
        // What is missing may be in what cannot be read.
        let is_partial = problems.0.iter().any(|problem| problem.key.is_empty());
        let value = Shape::new(&schema).read(&mut tree, "", &mut problems).unwrap_or_default();
        let mut origins = BTreeMap::new();
        let mut hidden = BTreeMap::new();
        tree.walk("", &mut |key, node| {
            origins.insert(key.to_owned(), node.origin.clone());
            if let Kind::Scalar { text, hidden: true, .. } = &node.kind {
                hidden.insert(key.to_owned(), text.clone());
            }
        });
        let config = match serde_json::from_value::<Self>(value) {
            Ok(mut config) => {
                for key in hidden.keys() {
                    if let Some(name) = key.strip_prefix("kafka.properties.") {
                        config.kafka.properties.hide(name);
                    }
                }
                config.hidden = hidden.keys().cloned().collect();
                config
            }
            Err(error) => {
                problems.push("", &Origin::Default, error.to_string(), None);
                return (None, problems);
            }
        };
        // What is wrong because of something that is wrong already is not said.
        let known: Vec<String> = problems.0.iter().map(|problem| problem.key.clone()).collect();
        for mut problem in validate::problems(&config) {
            let follows = |known: &String| {
                !known.is_empty()
                    && (problem.key.starts_with(known.as_str())
                        || known.starts_with(problem.key.as_str()))
            };
            if known.iter().any(follows) {
                continue;
            }
            problem.origin = shape::origin_of(&origins, &problem.key).clone();
            if is_partial && problem.origin == Origin::Default {
                continue;
            }
            if let Some(value) = hidden.get(&problem.key)
                && !value.is_empty()
            {
                problem.message = without(&problem.message, value);
                problem.help = problem.help.map(|help| without(&help, value));
            }
            problems.0.push(problem);
        }
        problems.sort();
        (Some(Loaded { config, origins }), problems)
    }
}

/// A message without the value, and without the parts of it that it quotes.
fn without(message: &str, value: &str) -> String {
    let message = message.replace(value, super::HIDDEN);
    let parts: Vec<&str> = message
        .split('`')
        .enumerate()
        .map(|(index, part)| {
            let is_quoted = index % 2 == 1 || value.contains('`');
            let inner = part.trim_matches(['{', '}']);
            let is_secret = is_quoted && inner.len() > 1 && value.contains(inner);
            if is_secret { super::HIDDEN } else { part }
        })
        .collect();
    parts.join("`")
}
