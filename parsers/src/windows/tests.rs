//! Windows events of many shippers, as rules see them.

use super::*;
use crate::look::{events, field, texts};

fn routed(fields: &[(&str, &str)]) -> Option<(String, Vec<String>)> {
    let info = StreamInfo::new("", 0);
    let get = |name: &str| fields.iter().find(|(have, _)| *have == name).map(|(_, text)| *text);
    WindowsJson.recognise(&get, &info).then(|| {
        let route = WindowsJson.route(&get, &info);
        let sources = route.log_sources.iter().map(ToString::to_string).collect();
        (route.name.to_string(), sources)
    })
}

#[test]
fn routes_by_channel_and_id() {
    let (name, sources) =
        routed(&[("Channel", "security"), ("EventID", "4688")]).expect("recognised");
    assert_eq!(name, "windows security 4688");
    assert_eq!(sources, ["windows/-/security", "windows/process_creation/security"]);
    let (_, sources) = routed(&[("Channel", "Directory Service"), ("EventID", "1")]).unwrap();
    assert_eq!(sources, ["windows/-"]);
}

#[test]
fn routes_by_provider_where_there_is_no_channel() {
    let (_, sources) =
        routed(&[("SourceName", "Microsoft-Windows-Sysmon"), ("EventID", "11")]).unwrap();
    assert_eq!(sources, ["windows/-/sysmon", "windows/file_event/sysmon"]);
    assert_eq!(routed(&[("SourceName", "something"), ("EventID", "11")]), None);
    assert_eq!(routed(&[("Channel", "Security")]), None);
    let (name, sources) = routed(&[("Provider_Name", "Linux-Sysmon"), ("EventID", "1")]).unwrap();
    assert_eq!(name, "linux sysmon 1");
    assert_eq!(sources, ["linux/-/sysmon", "linux/process_creation/sysmon"]);
}

#[test]
fn does_not_split_by_what_is_no_number() {
    for text in ["4624x", "04624", "4624,4688", "99999"] {
        let (name, _) = routed(&[("Channel", "Security"), ("EventID", text)]).unwrap();
        assert_eq!(name, "windows security", "{text}");
    }
}

#[test]
fn stops_to_split_when_there_are_too_many_routes() {
    let info = StreamInfo::new("", 0);
    let mut last = 0;
    for number in 0..u16::MAX {
        let text = number.to_string();
        let get = |name: &str| match name {
            "Channel" => Some("Security"),
            "EventID" => Some(text.as_str()),
            _ => None,
        };
        let route = WindowsJson.route(&get, &info);
        let generic = matches!(number, 4657 | 4688 | 5156);
        assert_eq!(generic, route.log_sources.len() > 1, "{number}");
        last = last.max(route.id);
    }
    assert!(last < 5000, "{last}");
}

/// A field of an event that stands in the `EventData` of event XML as JSON.
fn of_data(data: &str, name: &str) -> (String, Vec<String>) {
    let system = r##""System":{"Provider":{"#attributes":{"Name":"Shadow"}},"EventID":5,"Channel":"Application","Computer":"PC7"}"##;
    field(&format!(r#"{{"Event":{{{system},"EventData":{data}}}}}"#), name)
}

#[test]
fn unnamed_data_are_parameters_too() {
    for data in [r#"{"Data":["left","","right"]}"#, r##"{"Data":{"#text":["left","","right"]}}"##] {
        let get = |name| of_data(data, name);
        assert_eq!(get("param1"), ("windows application 5".into(), vec!["left".into()]), "{data}");
        assert_eq!(get("param2").1, [""], "{data}");
        assert_eq!(get("param3").1, ["right"], "{data}");
        assert!(get("param4").1.is_empty(), "{data}");
        assert_eq!(get("Data").1, ["left", "", "right"], "{data}");
    }
    for data in [r#"{"Data":"only"}"#, r##"{"Data":{"#text":"only"}}"##] {
        assert_eq!(of_data(data, "param1").1, ["only"], "{data}");
        assert!(of_data(data, "param2").1.is_empty(), "{data}");
    }
    assert_eq!(of_data(r#"{"Data":["a","b"],"param2":"own"}"#, "param2").1, ["own"]);
}

#[test]
fn parameters_of_beats_are_data() {
    let parameters: Vec<String> =
        (1..=12).map(|number| format!(r#""param{number}":"p{number}""#)).collect();
    let log = format!(
        r#"{{"winlog":{{"channel":"Application","event_id":"5","event_data":{{{}}}}}}}"#,
        parameters.join(",")
    );
    let (route, data) = field(&log, "Data");
    assert_eq!(route, "windows application 5");
    assert_eq!(data, ["p1\np2\np3\np4\np5\np6\np7\np8\np9\np10\np11\np12"]);
    assert_eq!(field(&log, "param12").1, ["p12"]);
}

#[test]
fn events_of_powershells_cmdlet_are_routed() {
    let log = concat!(
        r#"{"Id":4688,"Version":2,"Level":0,"ProviderName":"Microsoft-Windows-Security-Auditing","LogName":"Security","#,
        r#""ProcessId":4,"MachineName":"PC7","TimeCreated":"\/Date(1680674828900)\/","Message":"A new process"}"#
    );
    let get = |name| field(log, name);
    assert_eq!(get("EventID"), ("windows security 4688".into(), vec!["4688".into()]));
    assert_eq!(get("Channel").1, ["Security"]);
    assert_eq!(get("Computer").1, ["PC7"]);
    assert!(events(log)[0].time.is_some());
    let log = r#"{"Id":9,"ProviderName":"Microsoft-Windows-Sysmon","LogName":"Microsoft-Windows-Sysmon/Operational"}"#;
    assert_eq!(field(log, "EventID").0, "windows sysmon 9");
    // Nearly every program has an `Id`.
    assert_eq!(routed(&[("Id", "4688"), ("ProviderName", "Microsoft-Windows-Sysmon")]), None);
    assert_eq!(texts(&events(r#"{"Id":"f00","name":"x"}"#)[0], "EventID"), Vec::<String>::new());
}
