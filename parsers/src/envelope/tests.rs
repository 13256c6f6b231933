use super::*;
use sigmund_engine::Value;

fn info() -> StreamInfo {
    StreamInfo::new("x", 1_590_969_600_000_000_000)
}

fn read(line: &str) -> Event {
    let mut record = Record::collecting();
    assert!(Envelope.sniff_line(line.as_bytes()) > Score::SURE, "{line}");
    Envelope.open(&info()).event(line.as_bytes(), &mut record)
}

fn member(event: &Event, name: &str) -> String {
    event.object.get(name).and_then(Value::comparable).unwrap_or_default().into_owned()
}

fn sources(event: &Event) -> String {
    event.route.log_sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const SSHD: &str = "Feb 25 14:34:10 belka sshd[31602]: Failed password for root from 194.117.26.69 port 50273 ssh2";

#[test]
fn lines_inside_json_are_read_by_their_own_format() {
    for envelope in [
        format!(r#"{{"log":"{SSHD}\n","stream":"stdout","time":"2020-02-25T14:34:11.5Z"}}"#),
        format!(
            r#"{{"preview":false,"result":{{"_raw":"{SSHD}","_time":"2020-02-25T14:34:11.500+00:00"}}}}"#
        ),
        format!(
            r#"{{"@timestamp":"2020-02-25T14:34:11.500Z","agent":{{"type":"filebeat"}},"message":"{SSHD}"}}"#
        ),
        format!(
            r#"{{"@timestamp":"2020-02-25T14:34:11.500Z","ecs":{{}},"event":{{"original":"{SSHD}"}}}}"#
        ),
    ] {
        let event = read(&envelope);
        assert_eq!(member(&event, "src_ip"), "194.117.26.69", "{envelope}");
        assert_eq!(sources(&event), "linux/-/auth linux/-/sshd linux/-/syslog", "{envelope}");
        // The envelope's time has a zone, the header of the line has not.
        assert_eq!(
            event.time.map(|time| time.nanos),
            Some(1_582_641_251_500_000_000),
            "{envelope}"
        );
    }
}

#[test]
fn journald_has_its_program_beside_the_message() {
    let event = read(
        r#"{"__REALTIME_TIMESTAMP":"1582641251500000","SYSLOG_IDENTIFIER":"sudo","_HOSTNAME":"h","MESSAGE":"bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"}"#,
    );
    assert_eq!((member(&event, "USER"), member(&event, "_HOSTNAME")), ("root".into(), "h".into()));
    assert_eq!(sources(&event), "linux/-/auth linux/-/sudo linux/-/syslog");
    assert_eq!(event.time.map(|time| time.nanos), Some(1_582_641_251_500_000_000));
    // Bytes as numbers.
    let event = read(
        r#"{"__CURSOR":"x","SYSLOG_IDENTIFIER":"su","MESSAGE":[40,116,111,32,114,111,111,116,41,32,98,111,98,32,111,110,32,112,116,115]}"#,
    );
    assert_eq!((member(&event, "user"), member(&event, "USER")), ("bob".into(), "root".into()));
    // Rules look for the text.
    assert_eq!(member(&event, "MESSAGE"), "(to root) bob on pts");
    assert!(!event.keywords_in_raw);
    // Too large: null.
    assert_eq!(
        Envelope
            .open(&info())
            .parse(br#"{"__CURSOR":"x","MESSAGE":null}"#, &mut Record::collecting()),
        Outcome::Foreign
    );
}

#[test]
fn json_inside_json_and_no_deeper_than_four() {
    let event = read(r#"{"log":"{\"a\":{\"b\":2}}","stream":"stdout"}"#);
    assert!(matches!(event.object.get("a"), Some(Value::Object(_))));
    assert_eq!(member(&event, "stream"), "stdout");
    let mut line = "{\"deep\":1}".to_owned();
    for _ in 0..9 {
        let escaped = crate::json::write::value(&Value::text(line));
        line = format!("{{\"log\":{escaped},\"stream\":\"stdout\"}}");
    }
    assert!(read(&line).object.get("deep").is_none());
}

#[test]
fn other_json_is_no_envelope() {
    for line in [
        r#"{"a":1}"#,
        r#"{"message":"hello"}"#,
        r#"{"winlog":{"channel":"Security"},"message":"An account","agent":{}}"#,
        r#"{"EventID":1,"message":"x","agent":{}}"#,
        r#"{"timestamp":"x","event_type":"alert","src_ip":"1.1.1.1"}"#,
    ] {
        assert_eq!(Envelope.sniff_line(line.as_bytes()), Score::NO, "{line}");
    }
}

#[test]
fn cri_parts_are_joined() {
    let mut parser = Cri.open(&info());
    let mut record = Record::collecting();
    let first = format!("2020-02-25T14:34:11.5Z stdout P {}", &SSHD[..40]);
    let other = "2020-02-25T14:34:11.6Z stderr F other";
    let last = format!("2020-02-25T14:34:11.7Z stdout F {}", &SSHD[40..]);
    assert!(matches!(parser.parse(first.as_bytes(), &mut record), Outcome::Skip(_)));
    assert_eq!(parser.parse(other.as_bytes(), &mut record), Outcome::Event);
    record.clear();
    assert_eq!(parser.parse(last.as_bytes(), &mut record), Outcome::Event);
    let event = parser.event(last.as_bytes(), &mut record);
    assert_eq!(member(&event, "src_ip"), "194.117.26.69");
    assert_eq!(member(&event, "log"), SSHD);
    assert_eq!(event.time.map(|time| time.nanos), Some(1_582_641_251_700_000_000));
    assert_eq!(sources(&event), "linux/-/auth linux/-/sshd linux/-/syslog");
    // Keywords must see what came before this line.
    assert_eq!((record.body, event.keywords_in_raw), (Body::Structured, false));
}
