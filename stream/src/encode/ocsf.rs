//! OCSF 1.3: one Detection Finding (class 2004) per line.

use super::alert::Behind;
use super::attack::Attack;
use super::facts::{Facts, Process, file_name};
use super::tree::{Place, Tree};
use super::{Buffer, Hit, json};
use sigmund_sigma::rule::Level;

/// Types of observables.
const HOST_NAME: u8 = 1;
const IP_ADDRESS: u8 = 2;
const USER_NAME: u8 = 4;
const URL_STRING: u8 = 6;
const FILE_NAME: u8 = 7;
const PROCESS_NAME: u8 = 9;
const COMMAND_LINE: u8 = 13;

/// Types of devices and files.
const UNKNOWN: u64 = 0;
const REGULAR_FILE: u64 = 1;

/// The artifacts of the event, and which of them are observables too.
struct Evidence<'a> {
    tree: Tree<'a>,
    /// The members of the list.
    observables: Vec<u8>,
}

impl Evidence<'_> {
    fn observe(&mut self, place: Place, type_id: u8, value: Option<&str>) {
        let Some(text) = value else { return };
        self.tree.text(place, value);
        let out = &mut self.observables;
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'{');
        json::text("name", &format!("evidences[].{}", place.join(".")), out);
        json::key("type_id", out);
        out.extend_from_slice(type_id.to_string().as_bytes());
        json::text("value", text, out);
        out.push(b'}');
    }

    fn write(&mut self, facts: &Facts) {
        if facts.host.is_some() {
            self.observe(&["device", "hostname"], HOST_NAME, facts.host.as_deref());
            self.tree.number(&["device", "type_id"], Some(UNKNOWN));
        }
        if let Some(ip) = &facts.source.ip {
            self.observe(&["src_endpoint", "ip"], IP_ADDRESS, Some(ip));
            self.tree.number(&["src_endpoint", "port"], facts.source.port.map(u64::from));
        }
        if let Some(ip) = &facts.destination.ip {
            self.observe(&["dst_endpoint", "ip"], IP_ADDRESS, Some(ip));
            self.tree.number(&["dst_endpoint", "port"], facts.destination.port.map(u64::from));
        }
        if let Some(user) = &facts.user {
            self.observe(&["actor", "user", "name"], USER_NAME, Some(&user.name));
            self.tree.text(&["actor", "user", "domain"], user.domain.as_deref());
        }
        // A process of OCSF has one of its ids.
        if is_known(&facts.process) {
            self.write_process(&facts.process);
            if is_known(&facts.parent) {
                self.write_parent(&facts.parent);
            }
        }
        if let Some(path) = &facts.file {
            self.observe(&["file", "name"], FILE_NAME, Some(file_name(path)));
            self.tree.text(&["file", "path"], Some(path));
            self.tree.number(&["file", "type_id"], Some(UNKNOWN));
        }
        if let Some(url) = &facts.url {
            match url.contains("://") {
                true => self.observe(&["url", "url_string"], URL_STRING, Some(url)),
                false => self.tree.text(&["url", "path"], Some(url)),
            }
        }
        self.observe(&["query", "hostname"], HOST_NAME, facts.query.as_deref());
    }

    fn write_process(&mut self, process: &Process) {
        self.tree.number(&["process", "pid"], process.pid);
        self.tree.text(&["process", "uid"], process.uid.as_deref());
        self.observe(&["process", "name"], PROCESS_NAME, process.name());
        let command_line = process.command_line.as_deref();
        self.observe(&["process", "cmd_line"], COMMAND_LINE, command_line);
        if let Some(path) = &process.executable {
            self.tree.text(&["process", "file", "name"], process.name());
            self.tree.text(&["process", "file", "path"], Some(path));
            self.tree.number(&["process", "file", "type_id"], Some(REGULAR_FILE));
        }
    }

    fn write_parent(&mut self, parent: &Process) {
        self.tree.number(&["process", "parent_process", "pid"], parent.pid);
        self.tree.text(&["process", "parent_process", "uid"], parent.uid.as_deref());
        self.tree.text(&["process", "parent_process", "name"], parent.name());
        self.tree.text(&["process", "parent_process", "cmd_line"], parent.command_line.as_deref());
        if let Some(path) = &parent.executable {
            self.tree.text(&["process", "parent_process", "file", "name"], parent.name());
            self.tree.text(&["process", "parent_process", "file", "path"], Some(path));
            self.tree.number(&["process", "parent_process", "file", "type_id"], Some(REGULAR_FILE));
        }
    }
}

fn is_known(process: &Process) -> bool {
    process.pid.is_some() || process.uid.is_some()
}

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let metadata = hit.rule().metadata();
    let bytes = &mut out.bytes;
    bytes.push(b'{');
    // 2 Findings, 2004 Detection Finding, 1 Create.
    for (name, number) in
        [("category_uid", 2), ("class_uid", 2004), ("activity_id", 1), ("type_uid", 200_401)]
    {
        json::key(name, bytes);
        bytes.extend_from_slice(number.to_string().as_bytes());
    }
    json::text("category_name", "Findings", bytes);
    json::text("class_name", "Detection Finding", bytes);
    let (id, caption) = severity(metadata.level);
    json::key("severity_id", bytes);
    bytes.extend_from_slice(id.as_bytes());
    json::text("severity", caption, bytes);
    json::key("status_id", bytes);
    bytes.push(b'1');
    let millis = |time: i64| time.div_euclid(1_000_000).to_string();
    // OCSF asks for it: if not the event's own, then that at which it came.
    if let Some((time, _)) = hit.stamp() {
        json::key("time", bytes);
        bytes.extend_from_slice(millis(time).as_bytes());
    }
    json::text("message", &metadata.title, bytes);
    json::key("metadata", bytes);
    bytes.extend_from_slice(
        b"{\"version\":\"1.3.0\",\"product\":{\"name\":\"sigmund\",\"vendor_name\":\"sigmund\",\"version\":\"",
    );
    bytes.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
    bytes.extend_from_slice(b"\"}");
    if hit.has_event() {
        json::text("log_name", hit.path(), bytes);
        json::key("sequence", bytes);
        out.number(hit.record());
    }
    let bytes = &mut out.bytes;
    bytes.push(b'}');
    json::key("finding_info", bytes);
    bytes.push(b'{');
    json::text("uid", &hit.id().to_string(), bytes);
    json::text("title", &metadata.title, bytes);
    json::optional("desc", metadata.description.as_deref(), bytes);
    let (first, last) = match hit.alert {
        Some(view) => (Some(view.alert.first()), Some(view.alert.last())),
        None => (hit.time(), None),
    };
    for (name, time) in [("first_seen_time", first), ("last_seen_time", last)] {
        if let Some(time) = time {
            json::key(name, bytes);
            bytes.extend_from_slice(millis(time).as_bytes());
        }
    }
    json::key("analytic", bytes);
    bytes.extend_from_slice(b"{\"type_id\":1,\"type\":\"Rule\"");
    json::text("uid", hit.rule().id(), bytes);
    json::text("name", &metadata.title, bytes);
    bytes.push(b'}');
    write_attacks(&Attack::of(metadata), bytes);
    bytes.push(b'}');
    // Where they are, as attributes.
    let mut evidence = vec![b'{'];
    let mut artifacts = Evidence { tree: Tree::new(&mut evidence), observables: Vec::new() };
    artifacts.write(&Facts::of(hit));
    artifacts.tree.close();
    json::key("observables", bytes);
    bytes.push(b'[');
    bytes.extend_from_slice(&artifacts.observables);
    bytes.push(b']');
    json::key("evidences", bytes);
    bytes.push(b'[');
    bytes.extend_from_slice(&evidence);
    json::key("data", bytes);
    bytes.extend_from_slice(b"{\"log_source\":");
    super::jsonl::log_source(hit.log_source(), bytes);
    json::key("matched", bytes);
    super::jsonl::matched(hit, bytes);
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        alert.write(hit.cut, Behind::Texts, bytes);
    }
    hit.write_assumed(bytes);
    hit.write_cut(bytes);
    bytes.extend_from_slice(b"}}]");
    if hit.has_event() {
        json::text("raw_data", &hit.record_text(), bytes);
    }
    bytes.extend_from_slice(b"}");
}

/// `attacks`, where tags name some: each tactic, and each technique, since tags do not say which belong together.
fn write_attacks(attack: &Attack, out: &mut Vec<u8>) {
    if *attack == Attack::default() {
        return;
    }
    json::key("attacks", out);
    out.push(b'[');
    for tactic in &attack.tactics {
        out.extend_from_slice(b"{\"tactic\":{");
        json::text("uid", &tactic.id, out);
        json::optional("name", tactic.name, out);
        out.extend_from_slice(b"}},");
    }
    for technique in &attack.techniques {
        out.extend_from_slice(b"{\"technique\":{");
        json::text("uid", &technique.id, out);
        out.push(b'}');
        if let Some(part) = &technique.part {
            json::key("sub_technique", out);
            out.push(b'{');
            json::text("uid", part, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"},");
    }
    out.pop();
    out.push(b']');
}

/// `severity_id`, and its caption.
fn severity(level: Option<Level>) -> (&'static str, &'static str) {
    match level {
        None => ("0", "Unknown"),
        Some(Level::Informational) => ("1", "Informational"),
        Some(Level::Low) => ("2", "Low"),
        Some(Level::Medium) => ("3", "Medium"),
        Some(Level::High) => ("4", "High"),
        Some(Level::Critical) => ("5", "Critical"),
    }
}

#[cfg(test)]
mod tests {
    use crate::encode::{Buffer, EventView, Format, Hit, RuleCard};
    use crate::evidence;
    use serde_json::{Value, json};
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};
    use std::sync::Arc;

    fn written(format: Format, level: &str, event: &str, received: Option<i64>) -> Value {
        let text = format!(
            "title: T\nid: i\nlogsource:\n  category: c\ndetection:\n  s:\n    f: 1\n  condition: s\n{level}"
        );
        let source = Source { name: "r.yml".into(), text: text.into() };
        let card = RuleCard::new(Arc::new(Loader::default().load(&[source]).rules.remove(0)));
        let route = Routing::default().route("k", Vec::new(), None, &Arc::default(), &|_| None);
        let event = evidence::event(event.as_bytes(), None, &route);
        let view = EventView::new(&event, "raw/0", 7).received(received);
        let mut out = Buffer::default();
        format.write(&Hit::of_rule(&card, &view, &[]), &mut out);
        out.mark(None, 0);
        let mut value = Value::Null;
        out.drain(0, &mut |_, text| {
            value = serde_json::from_slice(text)?;
            Ok(())
        })
        .expect("JSON");
        value
    }

    #[test]
    fn events_without_a_time_have_that_at_which_they_came() {
        let at = Some(1_774_008_000_000_000_000);
        let ecs = written(Format::Ecs, "", "{}", at);
        assert_eq!(ecs["@timestamp"], "2026-03-20T12:00:00Z");
        assert_eq!(ecs["sigma"]["time_assumed"], true);
        let ocsf = written(Format::Ocsf, "", "{}", at);
        assert_eq!(ocsf["time"], 1_774_008_000_000_i64);
        assert_eq!(ocsf["evidences"][0]["data"]["time_assumed"], true);
        // Nobody saw when it happened.
        assert_eq!(ocsf["finding_info"].get("first_seen_time"), None);
        assert_eq!(written(Format::Json, "", "{}", at)["time"], Value::Null);
    }

    #[test]
    fn severities_have_the_captions_of_their_ids() {
        let of = |level: &str| {
            let written = written(Format::Ocsf, level, "{}", None);
            (written["severity_id"].clone(), written["severity"].clone())
        };
        assert_eq!(of("level: high\n"), (4.into(), "High".into()));
        assert_eq!(of(""), (0.into(), "Unknown".into()));
    }

    #[test]
    fn observables_are_attributes_of_the_evidence() {
        let event =
            r#"{"Computer":"pc1","src_ip":"2001:db8::1","dest_ip":"pc2.example","User":"ann"}"#;
        let written = written(Format::Ocsf, "", event, None);
        let evidence = &written["evidences"][0];
        let observables = written["observables"].as_array().expect("a list");
        let mut names = Vec::new();
        for observable in observables {
            let name = observable["name"].as_str().expect("a name");
            let path = name.strip_prefix("evidences[].").expect("a place").replace('.', "/");
            assert_eq!(evidence.pointer(&format!("/{path}")), observable.get("value"), "{name}");
            names.push(path);
        }
        assert_eq!(names, ["device/hostname", "src_endpoint/ip", "actor/user/name"]);
        assert_eq!(evidence["device"]["type_id"], 0);
        assert!(evidence["data"]["log_source"].is_object());
    }

    #[test]
    fn ecs_and_ocsf_say_the_same_of_an_event() {
        let event = r#"{"User":"CORP\\ann","ProcessId":"0x1a4","Image":"C:\\x\\who ami.exe","CommandLine":"whoami /all",
            "ParentProcessId":7,"ParentProcessGuid":"{g}","ParentImage":"/bin/sh","ParentCommandLine":"sh","src_ip":"10.0.0.1",
            "src_port":"50000","dst_ip":"10.0.0.2","dst_port":443,"c-uri":"/x","QueryName":"a.example","TargetFilename":"D:\\f.txt"}"#;
        let ecs = written(Format::Ecs, "", event, None);
        assert_eq!(ecs["user"], json!({"domain": "CORP", "name": "ann"}));
        let process = json!({
            "pid": 420, "name": "who ami.exe", "executable": "C:\\x\\who ami.exe", "command_line": "whoami /all",
            "parent": {"pid": 7, "entity_id": "{g}", "name": "sh", "executable": "/bin/sh", "command_line": "sh"},
        });
        assert_eq!(ecs["process"], process);
        assert_eq!(ecs["source"], json!({"ip": "10.0.0.1", "port": 50_000}));
        assert_eq!(ecs["destination"], json!({"ip": "10.0.0.2", "port": 443}));
        assert_eq!(ecs["dns"], json!({"question": {"name": "a.example"}}));

        let ocsf = written(Format::Ocsf, "", event, None);
        let mut evidence = ocsf["evidences"][0].clone();
        evidence.as_object_mut().expect("an object").remove("data");
        let expected = json!({
            "src_endpoint": {"ip": "10.0.0.1", "port": 50_000},
            "dst_endpoint": {"ip": "10.0.0.2", "port": 443},
            "actor": {"user": {"name": "ann", "domain": "CORP"}},
            "process": {
                "pid": 420, "name": "who ami.exe", "cmd_line": "whoami /all",
                "file": {"name": "who ami.exe", "path": "C:\\x\\who ami.exe", "type_id": 1},
                "parent_process": {
                    "pid": 7, "uid": "{g}", "name": "sh", "cmd_line": "sh",
                    "file": {"name": "sh", "path": "/bin/sh", "type_id": 1},
                },
            },
            "file": {"name": "f.txt", "path": "D:\\f.txt", "type_id": 0},
            "url": {"path": "/x"},
            "query": {"hostname": "a.example"},
        });
        assert_eq!(evidence, expected);
    }

    #[test]
    fn users_of_windows_have_a_domain() {
        let user = |event: &str| {
            let ecs = written(Format::Ecs, "", event, None)["user"].clone();
            let ocsf = &written(Format::Ocsf, "", event, None)["evidences"][0]["actor"]["user"];
            assert_eq!(ecs, *ocsf);
            ecs
        };
        let event = r#"{"TargetUserName":"bob","TargetDomainName":"CORP","SubjectDomainName":"X"}"#;
        assert_eq!(user(event), json!({"name": "bob", "domain": "CORP"}));
        let event = r#"{"TargetUserName":"bob","TargetDomainName":"-"}"#;
        assert_eq!(user(event), json!({"name": "bob"}));
        assert_eq!(user(r#"{"User":"CORP\\"}"#), json!({"name": "CORP\\"}));
        assert_eq!(
            user(r#"{"user":{"name":"x","domain":"y"}}"#),
            json!({"name": "x", "domain": "y"})
        );
    }

    #[test]
    fn processes_of_the_windows_security_log_are_told_apart() {
        let event = r#"{"NewProcessId":"0x10","NewProcessName":"C:\\a.exe","ProcessId":"0x11","ParentProcessName":"C:\\b.exe"}"#;
        let ecs = written(Format::Ecs, "", event, None);
        assert_eq!(
            (&ecs["process"]["pid"], &ecs["process"]["parent"]["pid"]),
            (&json!(16), &json!(17))
        );
        // Without one of its ids OCSF has no process.
        let ocsf = written(Format::Ocsf, "", r#"{"Image":"C:\\a.exe"}"#, None);
        assert_eq!(ocsf["evidences"][0].get("process"), None);
    }

    #[test]
    fn tactics_and_parts_of_techniques_have_their_places() {
        let tags = "tags:\n  - attack.persistence\n  - attack.t1136.001\n  - attack.t1136.002\n  - attack.t1003\n";
        let ecs = written(Format::Ecs, tags, "{}", None);
        let threat = json!({
            "framework": "MITRE ATT&CK",
            "tactic": {"id": ["TA0003"], "name": ["Persistence"]},
            "technique": {"id": ["T1136", "T1003"], "subtechnique": {"id": ["T1136.001", "T1136.002"]}},
        });
        assert_eq!(ecs["threat"], threat);
        let attacks = json!([
            {"tactic": {"uid": "TA0003", "name": "Persistence"}},
            {"technique": {"uid": "T1136"}, "sub_technique": {"uid": "T1136.001"}},
            {"technique": {"uid": "T1136"}, "sub_technique": {"uid": "T1136.002"}},
            {"technique": {"uid": "T1003"}},
        ]);
        let ocsf = written(Format::Ocsf, tags, "{}", None);
        assert_eq!(ocsf["finding_info"]["attacks"], attacks);
        // A tactic alone is something too.
        let ecs = written(Format::Ecs, "tags: [attack.impact]\n", "{}", None);
        assert_eq!(ecs["threat"]["tactic"]["id"], json!(["TA0040"]));
        let ocsf = written(Format::Ocsf, "tags: [x.y]\n", "{}", None);
        assert_eq!(ocsf["finding_info"].get("attacks"), None);
    }
}
