//! What is other in a configuration that was read again.

use super::Config;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

impl Config {
    /// The keys whose values are other ones than here and count after a restart only: all but those of `rules`.
    #[must_use]
    pub fn changed_keys(&self, now: &Self) -> Vec<String> {
        let mut keys = Vec::new();
        let value = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        differ("", &value(self), &value(now), &mut keys);
        keys.retain(|key| {
            key == "rules.status_topic" || key != "rules" && !key.starts_with("rules.")
        });
        // Secrets all look alike.
        let secrets = [
            ("kafka.properties", self.kafka.properties != now.kafka.properties),
            ("http.token", self.http.token != now.http.token),
        ];
        for (key, is_other) in secrets {
            if is_other && !keys.iter().any(|known| known.starts_with(key)) {
                keys.push(key.to_owned());
            }
        }
        keys
    }
}

/// Names the innermost mappings' keys that have other values.
fn differ(key: &str, before: &Value, now: &Value, keys: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for name in names {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                differ(&key, &of(before), &of(now), keys);
            }
        }
        (before, now) if before == now => {}
        _ => keys.push(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_that_count_after_a_restart() {
        let before = Config::default();
        assert_eq!(before.changed_keys(&before), Vec::<String>::new());
        let mut now = before.clone();
        now.rules.level = Some("high".to_owned());
        assert_eq!(before.changed_keys(&now), Vec::<String>::new());
        now.detections.topic = Some("soar".to_owned());
        now.lanes = 2;
        now.kafka.properties.insert("client.rack", "a");
        now.rules.status_topic = Some("told".to_owned());
        let keys =
            ["detections.topic", "kafka.properties.client.rack", "lanes", "rules.status_topic"];
        assert_eq!(before.changed_keys(&now), keys);
        let mut after = now.clone();
        now.kafka.properties.insert("sasl.password", "a");
        after.kafka.properties.insert("sasl.password", "b");
        assert_eq!(now.changed_keys(&after), ["kafka.properties"]);
    }
}
