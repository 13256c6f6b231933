//! Windows events of many shippers, as rules see them.

use super::*;
use crate::look::{events, field, texts};
use sigmund_engine::{FieldTable, Record, TimeSource};

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

/// A record of Sentinel's tables with this `EventData`, as JSON text.
fn of_sentinel(number: u16, data: &str) -> String {
    let data = crate::json::write::value(&sigmund_engine::Value::text(data));
    format!(
        r#"{{"TimeGenerated":"2023-04-05T06:07:08.9Z","Provider":"Microsoft-Windows-Sysmon","Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"PC7","EventData":{data},"EventID":{number},"Type":"WindowsEvent"}}"#
    )
}

#[test]
fn event_data_of_sentinel_are_fields() {
    let json = r#"{"EventType":"CreateKey","UtcTime":"2023-04-05 06:07:08.000","Image":"C:\\x y\\reg.exe","ProcessId":"12","Data":["a"]}"#;
    let xml = concat!(
        r#"<EventData xmlns="http://schemas.microsoft.com/win/2004/08/events/event">"#,
        "\r\n  <Data Name=\"EventType\">CreateKey</Data>\r\n",
        r#"<Data Name="Image">C:\x y\reg.exe</Data><Data Name="ProcessId">12</Data><Data>a</Data></EventData>"#
    );
    let item = format!(r#"<DataItem type="System.XmlData" time="2023-04-05">{xml}</DataItem>"#);
    for data in [json, xml, &*item] {
        let log = of_sentinel(12, data);
        let get = |name| field(&log, name);
        assert_eq!(get("Image").0, "windows sysmon 12", "{data}");
        assert_eq!(get("Image").1, [r"C:\x y\reg.exe"], "{data}");
        assert_eq!(get("ProcessId").1, ["12"], "{data}");
        assert_eq!(get("param1").1, ["a"], "{data}");
        assert_eq!(get("EventData").1, [data]);
        assert_eq!(get("Computer").1, ["PC7"]);
        let time = events(&log)[0].time.expect("a time");
        assert_eq!(time.source, TimeSource::Field("TimeGenerated"));
        // What tells the kind of the event is in there, too.
        let route = &events(&log)[0].route;
        let is_added = |source: &LogSource| source.to_string() == "windows/registry_add/sysmon";
        assert!(route.log_sources.iter().any(is_added), "{:?}", route.log_sources);
    }
    let escaped = of_sentinel(1, xml).replace('<', "\\u003c").replace('>', "\\u003e");
    assert_eq!(field(&escaped, "Image").1, [r"C:\x y\reg.exe"]);
    for data in ["", "-", "some words", "{broken", "<EventData", "<x/>"] {
        assert_eq!(field(&of_sentinel(1, data), "EventData").1, [data]);
        assert!(field(&of_sentinel(1, data), "Image").1.is_empty(), "{data}");
    }
}

#[test]
fn samples_of_sentinel_have_the_members_of_their_event_data() {
    for sample in crate::samples::samples("windows-json") {
        let tables = ["sysmon_log4shell", "securityauditing_log4shell"];
        if !tables.iter().any(|table| sample.name.contains(table)) {
            continue;
        }
        let events = events(&String::from_utf8_lossy(&sample.bytes));
        assert!(!events.is_empty());
        for event in events {
            assert!(event.route.name.starts_with("windows s"), "{}", event.route.name);
            // The commonest events have columns for their fields instead.
            let has_data = event.object.get("EventData").is_some();
            assert_eq!(!event.lifted.0.is_empty(), has_data, "{:?}", event.object);
        }
    }
}

#[test]
fn event_data_as_text_is_seen_after_records_without() {
    let with = of_sentinel(1, r#"{"Image":"x.exe"}"#);
    for other in ["\"EventData\":\"\"", "\"EventData\":0", "\"EventData\":[]", "\"EventData\":true"]
    {
        let (start, rest) = with.split_once("\"EventData\":").unwrap();
        let (_, end) = rest.split_once("}\"").unwrap();
        let without = format!("{start}{other}{end}");
        let mut record = Record::new(Arc::new(FieldTable::new(
            crate::json::schema::discriminators().chain(["Image"]),
        )));
        let log = format!("{without}\n{without}\n{without}\n{with}\n{}\n", "{}".repeat(40));
        let mut stream = crate::Stream::open(StreamInfo::new("", 0), log.as_bytes(), None);
        let mut found = Vec::new();
        stream.read(log.as_bytes(), true, &mut record, &mut |framed| {
            let fields = &framed.record.fields;
            found.push(fields.find("Image").is_some_and(|slot| fields.is_present(slot)));
        });
        assert_eq!(found[..4], [false, false, false, true], "{other}");
    }
}

#[test]
fn sentinel_names_the_channel_event_log() {
    let log = concat!(
        r#"{"TimeGenerated":"2023-04-05T06:07:08Z","Source":"Microsoft-Windows-Sysmon","EventLog":"Microsoft-Windows-Sysmon/Operational","Computer":"PC7","EventLevelName":"Information","#,
        r#""EventData":"<DataItem type=\"System.XmlData\"><EventData><Data Name=\"Image\">x.exe</Data></EventData></DataItem>","EventID":1,"Type":"Event"}"#
    );
    assert_eq!(field(log, "Image"), ("windows sysmon 1".into(), vec!["x.exe".into()]));
    assert_eq!(field(log, "Channel").1, ["Microsoft-Windows-Sysmon/Operational"]);
    assert_eq!(field(log, "Provider_Name").1, ["Microsoft-Windows-Sysmon"]);
    let log = r#"{"Source":"Service Control Manager","EventLog":"System","EventID":7045}"#;
    assert_eq!(
        field(log, "Provider_Name"),
        ("windows system 7045".into(), vec!["Service Control Manager".into()])
    );
    // Other programs have a member of that name.
    assert_eq!(routed(&[("EventLog", "RPCFW"), ("EventID", "3")]), None);
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

/// Security 4688 of this subject and target: domain, name, SID, logon.
fn of_process(subject: [&str; 4], target: [&str; 4]) -> String {
    let names = ["DomainName", "UserName", "UserSid", "LogonId"];
    let mut data = String::new();
    for (who, values) in [("Subject", subject), ("Target", target)] {
        for (name, value) in names.iter().zip(values) {
            data.push_str(&format!(r#""{who}{name}":"{value}","#));
        }
    }
    format!(r#"{{{data}"Channel":"Security","EventID":4688,"NewProcessName":"C:\\x.exe"}}"#)
}

#[test]
fn the_user_is_the_account_of_the_new_process() {
    let none = ["-", "-", "S-1-0-0", "0x0"];
    let system = ["CORP", "DC01$", "S-1-5-18", "0x3e7"];
    let eve = ["CORP", "eve", "S-1-5-21-1-2-3-1001", "0x5a12"];
    for (subject, target, user, logon) in [
        (eve, none, r"CORP\eve", "0x5a12"),
        (system, none, r"NT AUTHORITY\SYSTEM", "0x3e7"),
        (system, eve, r"CORP\eve", "0x5a12"),
        (system, ["CORP", "eve", "S-1-0-0", "0x5a12"], r"CORP\eve", "0x5a12"),
        (
            system,
            ["NT AUTHORITY", "LOCAL SERVICE", "S-1-5-19", "0x3e5"],
            r"NT AUTHORITY\LOCAL SERVICE",
            "0x3e5",
        ),
        // The SID of services is left out often, and their name is the computer's.
        (system, ["CORP", "DC01$", "S-1-0-0", "0x3e4"], r"NT AUTHORITY\NETWORK SERVICE", "0x3e4"),
        (
            ["WORKGROUP", "PC7$", "S-1-5-20", "0x3e4"],
            none,
            r"NT AUTHORITY\NETWORK SERVICE",
            "0x3e4",
        ),
        (
            ["CORP", "DC01$", "", "0x00000000000003e7"],
            ["", "", "", ""],
            r"NT AUTHORITY\SYSTEM",
            "0x00000000000003e7",
        ),
        // An account of a computer that is no system's.
        (["CORP", "DC02$", "S-1-5-21-1-2-3-1002", "0x3e7"], none, r"CORP\DC02$", "0x3e7"),
    ] {
        let log = of_process(subject, target);
        assert_eq!(field(&log, "User").1, [user], "{log}");
        assert_eq!(field(&log, "LogonId").1, [logon], "{log}");
    }
    // Windows 8.1 and before have no target.
    let log = r#"{"Channel":"Security","EventID":4688,"SubjectUserSid":"S-1-5-18","SubjectUserName":"DC01$","SubjectDomainName":"CORP"}"#;
    assert_eq!(field(log, "User").1, [r"NT AUTHORITY\SYSTEM"]);
    let log = r#"{"Channel":"Security","EventID":4657,"SubjectUserSid":"S-1-5-18","SubjectUserName":"DC01$","SubjectDomainName":"CORP"}"#;
    assert_eq!(field(log, "User").1, [r"NT AUTHORITY\SYSTEM"]);
    let log = r#"{"winlog":{"channel":"Security","event_id":"4688"},"user":{"domain":"CORP","name":"DC01$","id":"S-1-5-18"}}"#;
    assert_eq!(field(log, "User").1, [r"NT AUTHORITY\SYSTEM"]);
    let log = r#"{"winlog":{"channel":"Security","event_id":"4688"},"user":{"domain":"CORP","name":"DC01$","effective":{"domain":"CORP","name":"eve"}}}"#;
    assert_eq!(field(log, "User").1, [r"CORP\eve"]);
}

#[test]
fn programs_of_connections_have_a_drive() {
    let log = r#"{"Channel":"Security","EventID":5156,"Application":"\\device\\harddiskvolume2\\windows\\system32\\lsass.exe"}"#;
    let path = r"\windows\system32\lsass.exe";
    let device = format!(r"\device\harddiskvolume2{path}");
    assert_eq!(field(log, "Image").1, [device, format!("C:{path}"), path.to_owned()]);
}

#[test]
fn processes_of_splunk_and_fluent_bit_have_their_fields() {
    let splunk = r#"{"EventCode":"4688","LogName":"Security","SourceName":"Microsoft Windows security auditing.","New_Process_Name":"C:\\w.exe","Process_Command_Line":"w /all","Creator_Process_Name":"C:\\p.exe","Mandatory_Label":"Mandatory Label\\High Mandatory Level"}"#;
    let fluent = r#"{"ProviderName":"Microsoft-Windows-Security-Auditing","EventID":4688,"Channel":"Security","StringInserts":["S-1-5-18","A$","D","0x3e7","0x1","C:\\w.exe","%%1936","0x2","w /all","S-1-0-0","-","-","0x0","C:\\p.exe","S-1-16-12288"]}"#;
    for (log, integrity) in [(splunk, "High"), (fluent, "S-1-16-12288")] {
        let get = |name| field(log, name);
        assert_eq!(get("Image"), ("windows security 4688".into(), vec![r"C:\w.exe".into()]));
        assert_eq!(get("NewProcessName").1, [r"C:\w.exe"]);
        assert_eq!(get("CommandLine").1, ["w /all"]);
        assert_eq!(get("ParentImage").1, [r"C:\p.exe"]);
        assert_eq!(get("IntegrityLevel").1, [integrity]);
    }
    let log = r#"{"ProviderName":"Service Control Manager","EventID":7036,"Channel":"System","StringInserts":["Fax","stopped"]}"#;
    assert_eq!(field(log, "param2").1, ["stopped"]);
}
