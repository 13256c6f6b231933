//! Values that are never shown: whoever prints a configuration, in whatever way, prints `[hidden]` for them.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is shown instead.
pub const HIDDEN: &str = "[hidden]";

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Properties of librdkafka by their names. Those that are secret, by their name or because they came from a file or the environment, are not
/// shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Properties {
    values: BTreeMap<String, String>,
    hidden: BTreeSet<String>,
}

impl Properties {
    /// Names and values, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Sets a property.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Whether a property must not be shown.
    #[must_use]
    pub fn is_hidden(&self, name: &str) -> bool {
        is_secret(name) || self.hidden.contains(name)
    }

    /// Never shows this property.
    pub(super) fn hide(&mut self, name: &str) {
        self.hidden.insert(name.to_owned());
    }

    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().map(|(name, value)| (name, if self.is_hidden(name) { HIDDEN } else { value }))
    }
}

impl From<BTreeMap<String, String>> for Properties {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self { values, hidden: BTreeSet::new() }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown())
    }
}

impl JsonSchema for Properties {
    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, String>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Whether the name of a property says that its value is secret. Rather one too many: names of files are shown, the text of keys is not.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let says = |word: &str| name.contains(word);
    (says("password") || says("secret") || says("token") || says("jaas") || says("credential"))
        || (name.ends_with(".pem") || name.ends_with("assertion.private.key.passphrase"))
        || name == "sasl.oauthbearer.config"
        || says("passphrase")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::from("s3cr3t".to_owned());
        assert_eq!((secret.reveal(), &*format!("{secret:?}")), ("s3cr3t", HIDDEN));
        let mut properties = Properties::default();
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "ssl.certificate.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.username",
        ] {
            properties.insert(name, "s3cr3t");
        }
        properties.hide("sasl.username");
        properties.insert("ssl.key.location", "/etc/key.pem");
        let shown = format!("{properties:?}{}", serde_json::to_string(&properties).expect("JSON"));
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(shown.contains("/etc/key.pem"), "{shown}");
        assert_eq!(properties.get("sasl.password"), Some("s3cr3t"));
    }
}
