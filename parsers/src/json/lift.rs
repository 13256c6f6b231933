//! Fields of known containers under their short names.
//!
//! Windows events come as JSON in many wrappings (`Event.EventData.Image`, `winlog.event_data.Image`, `EventData.Image` …);
//! lifting gives their fields the names that rules use, beside the native ones. [`LIFTS`] is data: whole
//! events are lifted by [`lifted`], the projection of records compiles the same table.

use super::read;
use crate::windows::xml;
use sigmund_engine::value::SmolStr;
use sigmund_engine::{Object, Value};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// A step from an object to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of this name.
    Key(&'static str),
    /// Any member, whatever its name.
    AnyKey,
    /// Any member; its name is (part of) the name of the field.
    Name,
}

/// A way to fields. What stands at its end is lifted if it is a scalar or a list of scalars.
#[derive(Clone, Copy, Debug)]
pub struct Lift {
    /// From the event down.
    pub steps: &'static [Step],
    /// The field's name; if none is given, the names at [`Step::Name`] joined by `_`. Blanks are removed from it.
    pub name: Option<&'static str>,
}

const fn named(steps: &'static [Step]) -> Lift {
    Lift { steps, name: None }
}

const fn to(steps: &'static [Step], name: &'static str) -> Lift {
    Lift { steps, name: Some(name) }
}

use Step::{AnyKey, Key, Name};

/// All ways; of two that lead to one name the earlier wins, of two members on one way the later in the text.
/// Lists on the way are not entered.
pub const LIFTS: &[Lift] = &[
    // evtx_dump, chainsaw and everything else that keeps the structure of event XML.
    to(&[Key("Event"), Key("EventData"), Key("Data"), Key("#text")], "Data"),
    named(&[Key("Event"), Key("EventData"), Name]),
    named(&[Key("Event"), Key("UserData"), AnyKey, Name]),
    named(&[Key("Event"), Key("UserData"), Name]),
    named(&[Key("Event"), Key("System"), Name, Key("#attributes"), Name]),
    named(&[Key("Event"), Key("System"), Name, Key("#text")]),
    to(&[Key("Event"), Key("System"), Key("Provider_attributes"), Key("Name")], "Provider_Name"),
    to(&[Key("Event"), Key("System"), Key("Provider_attributes"), Key("Guid")], "Provider_Guid"),
    to(
        &[Key("Event"), Key("System"), Key("TimeCreated_attributes"), Key("SystemTime")],
        "TimeCreated_SystemTime",
    ),
    to(
        &[Key("Event"), Key("System"), Key("Execution_attributes"), Key("ProcessID")],
        "Execution_ProcessID",
    ),
    to(
        &[Key("Event"), Key("System"), Key("Execution_attributes"), Key("ThreadID")],
        "Execution_ThreadID",
    ),
    to(
        &[Key("Event"), Key("System"), Key("Security_attributes"), Key("UserID")],
        "Security_UserID",
    ),
    to(&[Key("Event"), Key("System"), Key("Provider"), Key("Name")], "Provider_Name"),
    to(&[Key("Event"), Key("System"), Key("Provider"), Key("Guid")], "Provider_Guid"),
    to(
        &[Key("Event"), Key("System"), Key("TimeCreated"), Key("SystemTime")],
        "TimeCreated_SystemTime",
    ),
    to(&[Key("Event"), Key("System"), Key("Execution"), Key("ProcessID")], "Execution_ProcessID"),
    to(&[Key("Event"), Key("System"), Key("Execution"), Key("ThreadID")], "Execution_ThreadID"),
    to(&[Key("Event"), Key("System"), Key("Security"), Key("UserID")], "Security_UserID"),
    named(&[Key("Event"), Key("System"), Name]),
    named(&[Key("Event"), Key("RenderingInfo"), Name]),
    // Winlogbeat 7 and later.
    named(&[Key("winlog"), Key("event_data"), Name]),
    named(&[Key("winlog"), Key("user_data"), Name]),
    to(&[Key("winlog"), Key("channel")], "Channel"),
    to(&[Key("winlog"), Key("event_id")], "EventID"),
    to(&[Key("winlog"), Key("provider_name")], "Provider_Name"),
    to(&[Key("winlog"), Key("provider_guid")], "Provider_Guid"),
    to(&[Key("winlog"), Key("computer_name")], "Computer"),
    to(&[Key("winlog"), Key("record_id")], "EventRecordID"),
    to(&[Key("winlog"), Key("process"), Key("pid")], "Execution_ProcessID"),
    to(&[Key("winlog"), Key("process"), Key("thread"), Key("id")], "Execution_ThreadID"),
    to(&[Key("winlog"), Key("user"), Key("identifier")], "Security_UserID"),
    to(&[Key("winlog"), Key("activity_id")], "Correlation_ActivityID"),
    to(&[Key("winlog"), Key("task")], "Task"),
    to(&[Key("winlog"), Key("opcode")], "Opcode"),
    to(&[Key("winlog"), Key("keywords")], "Keywords"),
    to(&[Key("winlog"), Key("version")], "Version"),
    // Winlogbeat 6 and before.
    named(&[Key("event_data"), Name]),
    named(&[Key("user_data"), Name]),
    to(&[Key("log_name")], "Channel"),
    to(&[Key("event_id")], "EventID"),
    to(&[Key("source_name")], "Provider_Name"),
    to(&[Key("provider_guid")], "Provider_Guid"),
    to(&[Key("computer_name")], "Computer"),
    to(&[Key("record_number")], "EventRecordID"),
    // Velociraptor, and what lost the outermost element.
    to(&[Key("EventData"), Key("Data"), Key("#text")], "Data"),
    named(&[Key("EventData"), Name]),
    named(&[Key("UserData"), AnyKey, Name]),
    named(&[Key("UserData"), Name]),
    named(&[Key("System"), Name, Key("#attributes"), Name]),
    named(&[Key("System"), Name, Key("#text")]),
    named(&[Key("System"), Name, Key("Value")]),
    to(&[Key("System"), Key("Provider"), Key("Name")], "Provider_Name"),
    to(&[Key("System"), Key("Provider"), Key("Guid")], "Provider_Guid"),
    to(&[Key("System"), Key("TimeCreated"), Key("SystemTime")], "TimeCreated_SystemTime"),
    to(&[Key("System"), Key("Execution"), Key("ProcessID")], "Execution_ProcessID"),
    to(&[Key("System"), Key("Execution"), Key("ThreadID")], "Execution_ThreadID"),
    to(&[Key("System"), Key("Security"), Key("UserID")], "Security_UserID"),
    named(&[Key("System"), Name]),
    // Filebeat's Zeek module: `zeek.dns.query`.
    named(&[Key("zeek"), AnyKey, Name]),
    // Splunk's search export.
    named(&[Key("result"), Name]),
];

/// The container that Sentinel's tables hold as a text of XML or JSON.
pub(super) const WRAPPED: &str = "EventData";

/// What is in a container that is a text.
fn unwrapped(text: &str) -> Option<Object> {
    let text = text.trim_start();
    match text.as_bytes().first()? {
        b'{' => read::object(text.as_bytes()).ok(),
        b'<' => xml::data(text),
        _ => None,
    }
}

/// The fields that the event's containers give, in the order of [`LIFTS`].
#[must_use]
pub fn lifted(object: &Object) -> Object {
    // Most events have no container at all.
    static CONTAINERS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let containers = CONTAINERS.get_or_init(|| {
        let first = |lift: &Lift| match lift.steps.first() {
            Some(Key(key)) => Some(*key),
            _ => None,
        };
        LIFTS.iter().filter_map(first).collect()
    });
    if !object.0.iter().any(|(name, _)| containers.contains(&**name)) {
        return Object::default();
    }
    let mut fields = Fields { members: Vec::new(), ways: HashMap::new() };
    for (way, lift) in LIFTS.iter().enumerate() {
        walk(object, lift.steps, &mut Vec::new(), &mut |names, value| {
            let name = match lift.name {
                Some(name) => name.to_owned(),
                None => names.join("_").replace(' ', ""),
            };
            fields.add(way, name, value);
        });
    }
    if let Some(Value::Text(text)) = object.get(WRAPPED) {
        for (name, value) in unwrapped(text).iter().flat_map(|inner| &inner.0) {
            fields.add(LIFTS.len(), name.replace(' ', ""), value);
        }
    }
    Object(fields.members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

struct Fields {
    /// Without a value: the last member on the way that has the name cannot be lifted.
    members: Vec<(SmolStr, Option<Value>)>,
    /// Where each name stands, and which way gave it.
    ways: HashMap<String, (usize, usize)>,
}

impl Fields {
    fn add(&mut self, way: usize, name: String, value: &Value) {
        let value = is_scalar(value).then(|| value.clone());
        match self.ways.get(&name) {
            Some((at, first)) => {
                if *first == way {
                    self.members[*at].1 = value;
                }
            }
            // The projection gives a name to a way with its first value only.
            None if value.is_none() => {}
            None => {
                self.members.push((name.as_str().into(), value));
                self.ways.insert(name, (self.members.len() - 1, way));
            }
        }
    }
}

/// A scalar or a list of scalars.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(elements) => elements.iter().all(is_scalar),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => true,
    }
}

fn walk<'a>(
    object: &'a Object,
    steps: &[Step],
    names: &mut Vec<&'a str>,
    found: &mut dyn FnMut(&[&'a str], &'a Value),
) {
    let Some((step, rest)) = steps.split_first() else { return };
    let mut member = |name: &'a str, value: &'a Value, names: &mut Vec<&'a str>| {
        if *step == Name {
            names.push(name);
        }
        if rest.is_empty() {
            found(names, value);
        } else if let Value::Object(inner) = value {
            walk(inner, rest, names, found);
        }
        if *step == Name {
            names.pop();
        }
    };
    match step {
        Key(key) => {
            if let Some(value) = object.get(key) {
                member(key, value, names);
            }
        }
        AnyKey | Name => {
            // Of members of one name the last counts; at the end of the way `add` sees to it.
            let mut seen = HashSet::new();
            let last: Vec<_> = object
                .0
                .iter()
                .rev()
                .filter(|(name, _)| rest.is_empty() || seen.insert(&**name))
                .collect();
            for (name, value) in last.into_iter().rev() {
                member(name, value, names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{read, write};

    fn lift(text: &str) -> String {
        write::object(&lifted(&read::object(text.as_bytes()).unwrap()))
    }

    #[test]
    fn lifts_event_xml_as_json() {
        let text = r##"{"Event":{"#attributes":{"xmlns":"x"},"System":{"Provider":{"#attributes":
            {"Name":"P","Guid":"G"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":7},"Channel":"C",
            "Execution":{"#attributes":{"ProcessID":4}}},
            "EventData":{"Threat Name":"T","ProcessId":9,"Channel":"D","#attributes":{"Name":"n"}}}}"##;
        assert_eq!(
            lift(text),
            r#"{"ThreatName":"T","ProcessId":9,"Channel":"D","Provider_Name":"P","Provider_Guid":"G","EventID_Qualifiers":0,"Execution_ProcessID":4,"EventID":7}"#
        );
        assert_eq!(
            lift(r##"{"Event":{"EventData":{"Data":{"#text":["a","b"]},"Binary":null}}}"##),
            r#"{"Data":["a","b"],"Binary":null}"#
        );
        assert_eq!(lift(r#"{"Event":{"UserData":{"X":{"a":1,"b":{"c":2}}}}}"#), r#"{"a":1}"#);
    }

    #[test]
    fn lifts_beats_and_others() {
        assert_eq!(
            lift(
                r#"{"winlog":{"channel":"C","event_id":"1","event_data":{"Image":"i"},"process":{"thread":{"id":3}}}}"#
            ),
            r#"{"Image":"i","Channel":"C","EventID":"1","Execution_ThreadID":3}"#
        );
        assert_eq!(
            lift(
                r#"{"System":{"Provider":{"Name":"P"},"EventID":{"Value":5}},"EventData":{"a":1,"a":2}}"#
            ),
            r#"{"a":2,"EventID":5,"Provider_Name":"P"}"#
        );
        assert_eq!(lift(r#"{"result":{"EventCode":1,"x":[{}]},"a":1}"#), r#"{"EventCode":1}"#);
        assert_eq!(lift("{}"), "{}");
        assert_eq!(lift(r#"{"UserData":{"x":{"a":1,"b":2},"y":{"a":{}}}}"#), r#"{"b":2}"#);
    }
}
