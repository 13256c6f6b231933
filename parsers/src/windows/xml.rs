//! Windows events as XML: `wevtutil`, event forwarding, Sysmon for Linux.
//!
//! A record is one `<Event>` element. Its fields have the names that lifting gives the same event in JSON
//! ([`crate::json::lift`]): the children of `System` by their names, attributes as `Element_Attribute`, `EventData` by the names of its
//! `Data`, blanks removed. `Data` without a name are the values of `Data`, and `param1`, `param2` … besides.
//! Of two fields of one name that of `EventData` counts, then `UserData`, `System`, `RenderingInfo`.

use crate::json::schema::{JsonSchema, Router};
use crate::windows::WindowsJson;
use crate::{Format, Framing, Head, Outcome, Parser, Score, StreamInfo, flat_event, time};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use sigmund_engine::{
    AliasTable, Body, EventTime, Fields, Kind, Object, Record, Slot, Store, TimeSource,
};
use std::sync::Arc;

/// Windows events as XML.
#[derive(Clone, Copy, Debug)]
pub struct Xml;

impl Format for Xml {
    fn name(&self) -> &'static str {
        "xml"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let bytes =
            head.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head.bytes).trim_ascii_start();
        if begins_event(bytes) || (begins_document(bytes) && has_event(bytes)) {
            Score::SURE
        } else {
            Score::NO
        }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        if begins_event(line.trim_ascii_start()) { Score::SURE } else { Score::NO }
    }

    fn framing(&self) -> Framing {
        Framing::Xml
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(XmlParser { router: Router::new(info, "xml"), info: info.clone() })
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        WindowsJson.aliases()
    }
}

/// Whether a stream begins as event XML may, and no event of it is there yet: only more of it says what it is. In any encoding.
#[must_use]
pub fn is_prologue(head: &[u8]) -> bool {
    let head = [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF"]
        .iter()
        .find_map(|mark| head.strip_prefix(*mark))
        .unwrap_or(head);
    // UTF-16 has a zero beside each character of those that are looked for.
    let text: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    let text = text.trim_ascii_start();
    begins_document(text) && !has_event(text)
}

fn begins_document(text: &[u8]) -> bool {
    [&b"<?xml"[..], b"<Events", b"<!--"].iter().any(|start| text.starts_with(start))
}

fn has_event(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"<Event").any(|at| begins_event(&text[at..]))
}

/// `<Event>` or `<Event xmlns=…>`.
fn begins_event(bytes: &[u8]) -> bool {
    bytes
        .strip_prefix(b"<Event")
        .is_some_and(|rest| matches!(rest.first(), Some(b'>' | b' ' | b'\t' | b'\r' | b'\n')))
}

/// Elements may be nested so deep; event XML has six levels.
const DEEPEST: usize = 64;

struct XmlParser {
    router: Router,
    info: StreamInfo,
}

impl Parser for XmlParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        let text = bytes.trim_ascii();
        if !begins_event(text) {
            let closing = [&b"<Events"[..], b"</Events", b"<?xml", b"<!--"];
            return match closing.iter().any(|start| text.starts_with(start)) {
                true => Outcome::Skip("around events"),
                false => Outcome::Foreign,
            };
        }
        let lossy = String::from_utf8_lossy(bytes);
        let mut walk = Walk::new(bytes, &mut record.fields);
        if !walk.event(&lossy) {
            return Outcome::Foreign;
        }
        record.body = Body::Structured;
        let routable = ["Channel", "EventID", "Provider_Name"]
            .iter()
            .all(|name| record.fields.collects() || record.fields.find(name).is_some());
        if routable {
            self.route(bytes, record, None);
        } else {
            // Whoever reads these records does not want the fields that tell what they are.
            let mut whole = Record::collecting();
            Walk::new(bytes, &mut whole.fields).event(&lossy);
            self.route(bytes, record, Some(&whole.fields));
        }
        if record.wants_time {
            record.time = self.time(bytes, &record.fields);
        }
        Outcome::Event
    }
}

impl XmlParser {
    fn route(&mut self, bytes: &[u8], record: &mut Record, whole: Option<&Fields>) {
        let fields = whole.unwrap_or(&record.fields);
        let values: Vec<Option<(Kind, &[u8])>> = self
            .router
            .names()
            .map(|name| {
                let value = fields.first(fields.find(name)?)?;
                Some((value.kind, fields.bytes(bytes, value)))
            })
            .collect();
        self.router.begin();
        for (index, value) in values.into_iter().enumerate() {
            self.router.push(index, value);
        }
        record.route = Some(Arc::clone(self.router.route()));
    }

    fn time(&self, bytes: &[u8], fields: &Fields) -> Option<EventTime> {
        const NAME: &str = "TimeCreated_SystemTime";
        let value = fields.first(fields.find(NAME)?)?;
        let text = std::str::from_utf8(fields.bytes(bytes, value)).ok()?;
        let instant = time::read(text, &self.info.assumed_zone, true)?;
        Some(EventTime {
            nanos: instant.nanos,
            source: TimeSource::Field(NAME),
            year_inferred: false,
            zone_assumed: instant.zone_assumed,
        })
    }
}

/// The fields of an `EventData` or `UserData` that stands alone, or among other elements than those of an event.
pub(crate) fn data(text: &str) -> Option<Object> {
    let start = |name: &str| text.find(name);
    let at = ["<EventData", "<UserData"].into_iter().filter_map(start).min()?;
    let event = format!("<Event>{}", &text[at..]);
    let mut record = Record::collecting();
    let is_known = Walk::new(event.as_bytes(), &mut record.fields).event(&event);
    is_known.then(|| flat_event(event.as_bytes(), &record).object)
}

/// The parts of an event, the one whose fields count most last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Other,
    Rendering,
    System,
    UserData,
    EventData,
}

/// An open element.
struct Element<'t> {
    name: &'t str,
    /// `Name="…"`, undecoded.
    data_name: Option<&'t str>,
    /// Whether an element is in it.
    has_children: bool,
}

/// The text of the innermost element so far.
#[derive(Clone, Copy)]
enum Text {
    None,
    /// As it stands in the record.
    Span(usize, usize),
    /// From here to the end of the scratch buffer.
    Scratch(usize),
}

/// A walk through one event.
struct Walk<'r, 'f> {
    bytes: &'r [u8],
    fields: &'f mut Fields,
    text: Text,
    part: Part,
    /// Unnamed `Data` so far.
    unnamed: usize,
    name: String,
}

impl<'r, 'f> Walk<'r, 'f> {
    fn new(bytes: &'r [u8], fields: &'f mut Fields) -> Self {
        let name = String::new();
        Self { bytes, fields, text: Text::None, part: Part::Other, unnamed: 0, name }
    }

    /// Reads the event; `false` if it has neither `System` nor data. What is damaged ends it early.
    fn event(&mut self, text: &str) -> bool {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let mut open: Vec<Element<'_>> = Vec::new();
        let mut known = false;
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    self.start(&tag, text, &mut open);
                    known |= self.part != Part::Other;
                    if open.len() > DEEPEST {
                        return known;
                    }
                }
                Ok(Event::Empty(tag)) => {
                    self.start(&tag, text, &mut open);
                    self.end(&mut open);
                }
                Ok(Event::End(_)) => self.end(&mut open),
                Ok(Event::Text(content)) => self.append(&content),
                Ok(Event::CData(content)) => self.append(&content),
                Ok(Event::GeneralRef(name)) => self.reference(&name),
                Ok(Event::Eof) | Err(_) => return known,
                Ok(_) => {}
            }
        }
    }

    fn start<'t>(&mut self, tag: &BytesStart<'_>, text: &'t str, open: &mut Vec<Element<'t>>) {
        if let Some(parent) = open.last_mut() {
            parent.has_children = true;
        }
        self.text = Text::None;
        let name = tag.local_name();
        let name = within(text, name.as_ref()).unwrap_or_default();
        if open.len() == 1 {
            self.part = match name {
                "System" => Part::System,
                "EventData" => Part::EventData,
                "UserData" => Part::UserData,
                "RenderingInfo" => Part::Rendering,
                _ => Part::Other,
            };
        }
        let mut data_name = None;
        for attribute in tag.attributes().with_checks(false).flatten() {
            let key = attribute.key.local_name();
            if self.part == Part::System && open.len() == 2 {
                self.name.clear();
                self.name.push_str(name);
                self.name.push('_');
                self.name.push_str(key.as_ref());
                if let Some(slot) = self.slot() {
                    self.attribute(slot, &attribute.value);
                }
            } else if key.as_ref() == "Name" {
                data_name = within(text, &attribute.value);
            }
        }
        open.push(Element { name, data_name, has_children: false });
    }

    fn end(&mut self, open: &mut Vec<Element<'_>>) {
        let text = std::mem::replace(&mut self.text, Text::None);
        let Some(element) = open.pop() else { return };
        let depth = open.len();
        if element.has_children || depth < 2 || self.part == Part::Other {
            return;
        }
        self.name.clear();
        match (self.part, element.data_name) {
            (Part::EventData | Part::UserData, Some(name)) => {
                let mut decoded = Vec::new();
                decode(name, &mut decoded);
                let decoded = String::from_utf8_lossy(&decoded);
                self.name.extend(decoded.chars().filter(|character| *character != ' '));
            }
            (Part::EventData, None) if element.name == "Data" => {
                self.unnamed += 1;
                self.name.push_str("Data");
                let first = self.unnamed == 1;
                if let Some(slot) = self.slot()
                    && (!first || self.claim(slot))
                {
                    self.push(slot, text);
                }
                self.name = format!("param{}", self.unnamed);
            }
            // An empty element of `System` is there for its attributes.
            (Part::System | Part::Rendering, _) if matches!(text, Text::None) => return,
            _ => self.name.push_str(element.name),
        }
        if let Some(slot) = self.slot()
            && self.claim(slot)
        {
            self.push(slot, text);
        }
    }

    fn slot(&mut self) -> Option<Slot> {
        self.fields.slot(&self.name)
    }

    /// Whether a field of this part may stand under that name.
    fn claim(&mut self, slot: Slot) -> bool {
        self.fields.claim(slot, self.part as u32, u32::MAX, true)
    }

    fn push(&mut self, slot: Slot, text: Text) {
        match text {
            Text::None => self.fields.push(slot, Kind::Text, Store::Record, 0, 0),
            Text::Span(start, end) => {
                self.fields.push(slot, Kind::Text, Store::Record, start, end);
            }
            Text::Scratch(start) => {
                let end = self.fields.scratch().len();
                self.fields.push(slot, Kind::Text, Store::Scratch, start, end);
            }
        }
    }

    fn attribute(&mut self, slot: Slot, value: &str) {
        if !self.claim(slot) {
            return;
        }
        let scratch = self.fields.scratch();
        let start = scratch.len();
        decode(value, scratch);
        let end = scratch.len();
        self.fields.push(slot, Kind::Text, Store::Scratch, start, end);
    }

    /// Where a part of the text stands in the record, if it does: not after bytes that are no UTF-8 were replaced.
    fn span(&self, part: &str) -> Option<(usize, usize)> {
        let start = (part.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        let end = start.checked_add(part.len())?;
        (end <= self.bytes.len()).then_some((start, end))
    }

    fn append(&mut self, part: &str) {
        if part.is_empty() {
            return;
        }
        match (self.text, self.span(part)) {
            (Text::None, Some((start, end))) => self.text = Text::Span(start, end),
            _ => {
                self.move_to_scratch();
                self.fields.scratch().extend_from_slice(part.as_bytes());
            }
        }
    }

    fn reference(&mut self, name: &str) {
        self.move_to_scratch();
        resolve(name, self.fields.scratch());
    }

    fn move_to_scratch(&mut self) {
        let start = match self.text {
            Text::Scratch(_) => return,
            Text::None => self.fields.scratch().len(),
            Text::Span(start, end) => {
                let scratch = self.fields.scratch();
                let at = scratch.len();
                scratch.extend_from_slice(&self.bytes[start..end]);
                at
            }
        };
        self.text = Text::Scratch(start);
    }
}

/// A part of a text by its place, so that it lives as long as the text.
fn within<'t>(text: &'t str, part: &str) -> Option<&'t str> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    text.get(start..start.checked_add(part.len())?)
}

/// Writes what a reference stands for; an unknown one as it is.
fn resolve(name: &str, out: &mut Vec<u8>) {
    let number = name.strip_prefix('#').and_then(|digits| {
        match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        }
        .and_then(char::from_u32)
    });
    match (name, number) {
        ("lt", _) => out.push(b'<'),
        ("gt", _) => out.push(b'>'),
        ("amp", _) => out.push(b'&'),
        ("quot", _) => out.push(b'"'),
        ("apos", _) => out.push(b'\''),
        (_, Some(character)) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => out.extend_from_slice(format!("&{name};").as_bytes()),
    }
}

/// Longer names of references are not known.
const LONGEST_NAME: usize = 10;

/// Decodes the references of an attribute's value.
fn decode(mut value: &str, out: &mut Vec<u8>) {
    while let Some(at) = value.find('&') {
        out.extend_from_slice(&value.as_bytes()[..at]);
        let rest = &value[at + 1..];
        // No name is longer, and an `&` that begins none must not cost a look at all that follows.
        match rest.bytes().take(LONGEST_NAME + 1).position(|byte| byte == b';') {
            Some(end) => {
                resolve(&rest[..end], out);
                value = &rest[end + 1..];
            }
            None => {
                out.push(b'&');
                value = rest;
            }
        }
    }
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;
    use crate::samples::samples;
    use sigmund_engine::{FieldTable, Value};

    fn info() -> StreamInfo {
        StreamInfo::new("", 0)
    }

    fn values(record: &Record, bytes: &[u8]) -> Vec<(String, String)> {
        let fields = &record.fields;
        let text = |value| String::from_utf8_lossy(fields.bytes(bytes, value)).into_owned();
        fields
            .present()
            .flat_map(|slot| fields.values(slot).map(move |value| (slot, value)))
            .map(|(slot, value)| (fields.name(slot).to_owned(), text(value)))
            .collect()
    }

    fn read(xml: &[u8]) -> (Vec<(String, String)>, String, Option<i64>) {
        let mut record = Record::collecting();
        assert_eq!(Xml.open(&info()).parse(xml, &mut record), Outcome::Event);
        let route = record.route.as_ref().expect("events have a route").name.to_string();
        (values(&record, xml), route, record.time.map(|time| time.nanos))
    }

    fn get<'v>(values: &'v [(String, String)], name: &str) -> Vec<&'v str> {
        values.iter().filter(|(have, _)| have == name).map(|(_, text)| &**text).collect()
    }

    #[test]
    fn fields_have_the_names_of_the_json_form() {
        let xml = br#"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>
            <Provider Name='Microsoft-Windows-Security-Auditing' Guid="{5484}"/>
            <EventID Qualifiers='7'>4688</EventID><TimeCreated SystemTime='2024-01-02T03:04:05.1234567Z'/>
            <Execution ProcessID='4' ThreadID='8'/><Channel>Security</Channel><Security/><Level>0</Level></System>
            <EventData><Data Name='Threat Name'>a &lt;b&gt; &#x26; c</Data><Data Name='Empty'></Data>
            <Data Name='Level'>high</Data><Data Name="Raw"><![CDATA[<x> & y]]></Data></EventData>
            <RenderingInfo Culture='en-US'><Message>said</Message><Level>Information</Level></RenderingInfo></Event>"#;
        let (values, route, time) = read(xml);
        let get = |name| get(&values, name);
        assert_eq!(route, "windows security 4688");
        assert_eq!(get("Provider_Name"), ["Microsoft-Windows-Security-Auditing"]);
        assert_eq!(get("Provider_Guid"), ["{5484}"]);
        assert_eq!(get("EventID"), ["4688"]);
        assert_eq!(get("EventID_Qualifiers"), ["7"]);
        assert_eq!(get("Execution_ProcessID"), ["4"]);
        assert_eq!(get("Channel"), ["Security"]);
        assert_eq!(get("ThreatName"), ["a <b> & c"]);
        assert_eq!(get("Empty"), [""]);
        assert_eq!(get("Level"), ["high"]);
        assert_eq!(get("Raw"), ["<x> & y"]);
        assert_eq!(get("Message"), ["said"]);
        assert!(get("Security").is_empty());
        assert_eq!(time, Some(1_704_164_645_123_456_700));
    }

    #[test]
    fn unnamed_data_are_values_of_data_and_parameters() {
        let (values, _, _) = read(
            b"<Event><System><EventID>1</EventID></System><EventData><Data>a</Data><Data/><Data>c &amp; d</Data><Binary>00</Binary></EventData></Event>",
        );
        assert_eq!(get(&values, "Data"), ["a", "", "c & d"]);
        assert_eq!(get(&values, "param1"), ["a"]);
        assert_eq!(get(&values, "param3"), ["c & d"]);
        assert_eq!(get(&values, "Binary"), ["00"]);
    }

    #[test]
    fn user_data_is_flattened_to_its_leaves() {
        let (values, route, _) = read(
            b"<Event><System><EventID>1102</EventID><Channel>Security</Channel></System><UserData><x:LogFileCleared xmlns:x='y'><x:SubjectUserName>u</x:SubjectUserName><Inner><Deep>d</Deep></Inner></x:LogFileCleared></UserData></Event>",
        );
        assert_eq!(route, "windows security 1102");
        assert_eq!(get(&values, "SubjectUserName"), ["u"]);
        assert_eq!(get(&values, "Deep"), ["d"]);
        assert!(get(&values, "LogFileCleared").is_empty());
    }

    #[test]
    fn routes_without_wanting_what_tells_the_kind() {
        let xml = b"<Event><System><EventID>1</EventID><Channel>Microsoft-Windows-Sysmon/Operational</Channel></System><EventData><Data Name='Image'>x</Data></EventData></Event>";
        let mut record = Record::new(Arc::new(FieldTable::new(["Image"])));
        assert_eq!(Xml.open(&info()).parse(xml, &mut record), Outcome::Event);
        assert_eq!(&*record.route.as_ref().expect("a route").name, "windows sysmon 1");
        assert_eq!(values(&record, xml), [("Image".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn bytes_that_are_no_text_and_damage() {
        let (values, _, _) = read(b"<Event><System><EventID>1</EventID></System><EventData><Data Name='a'>x\xffy</Data><Data Name='b'>z</Data><Data Name='c'>cut of");
        assert_eq!(get(&values, "a"), ["x\u{fffd}y"]);
        assert_eq!(get(&values, "b"), ["z"]);
        let mut parser = Xml.open(&info());
        let mut record = Record::collecting();
        assert_eq!(parser.parse(b"<Eventual>", &mut record), Outcome::Foreign);
        assert_eq!(parser.parse(b"<Event>", &mut record), Outcome::Foreign);
        assert_eq!(parser.parse(b"</Events>", &mut record), Outcome::Skip("around events"));
    }

    #[test]
    fn names_of_references_are_short() {
        let decoded = |value: &str| {
            let mut out = Vec::new();
            decode(value, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(decoded("a&amp;b&#x26;c&;d&"), "a&b&c&;d&");
        assert_eq!(decoded("&#000000038;&#0000000038;;"), "&&#0000000038;;");
        // It takes minutes if each looks at all that follows.
        let value = "&".repeat(2_000_000);
        assert!(decoded(&value) == value);
    }

    #[test]
    fn samples_are_routed_events_with_a_time() {
        for sample in samples("windows-xml") {
            if !sample.name.ends_with(".xml") {
                continue;
            }
            let expected = memchr::memmem::find_iter(&sample.bytes, b"</Event>").count();
            let mut stream = Stream::open(info(), &sample.bytes, None);
            assert_eq!(stream.format(), "xml", "{}", sample.name);
            let mut record = Record::collecting();
            let mut events = 0;
            stream.read(&sample.bytes, true, &mut record, &mut |framed| {
                if framed.outcome == Outcome::Event {
                    events += 1;
                    let route = framed.record.route.as_ref().expect("a route");
                    assert!(route.name.starts_with("windows"), "{} {}", sample.name, route.name);
                    assert!(framed.record.time.is_some(), "{}", sample.name);
                }
            });
            assert_eq!(events, expected, "{}", sample.name);
        }
    }

    /// What lifting names in an event log's JSON, with the text that XML has for it.
    fn lifted(json: &[u8]) -> Vec<(String, Vec<String>)> {
        let object = crate::json::read::object(json).expect("an object");
        let mut fields: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in crate::json::lift::lifted(&object).0 {
            let texts = match &value {
                Value::Array(elements) => {
                    elements.iter().filter_map(Value::comparable).map(|text| text.into()).collect()
                }
                value => value.comparable().map(|text| text.into()).into_iter().collect(),
            };
            fields.push((name.into(), texts));
        }
        fields
    }

    #[test]
    fn xml_and_json_of_one_event_log_have_the_same_fields() {
        let (mut same, mut different) = (0, Vec::new());
        for sample in samples("evtx") {
            if !sample.name.ends_with(".evtx") || sample.bytes.len() > 128 << 10 {
                continue;
            }
            let parser = || evtx::EvtxParser::from_buffer(sample.bytes.clone());
            let (Ok(mut left), Ok(mut right)) = (parser(), parser()) else { continue };
            for (xml, json) in left.records().zip(right.records_json()) {
                let (Ok(xml), Ok(json)) = (xml, json) else { continue };
                let start = xml.data.find("<Event").expect("an event");
                let xml = &xml.data.as_bytes()[start..];
                let (have, _, _) = read(xml);
                for (name, texts) in lifted(json.data.as_bytes()) {
                    let have: Vec<&str> = get(&have, &name);
                    // Numbers may be written in hexadecimal or with zeros in one of them, empty texts may be null.
                    let have: Vec<&str> =
                        have.into_iter().filter(|text| !text.is_empty()).collect();
                    let want: Vec<&str> =
                        texts.iter().map(|text| &**text).filter(|text| !text.is_empty()).collect();
                    if have == want {
                        same += 1;
                    } else {
                        different.push(format!("{}: {name}: {have:?} {want:?}", sample.name));
                    }
                }
            }
        }
        assert!(different.is_empty(), "{same} same, not these:\n{}", different.join("\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::sample::select(
            b"<>/&;#x'\"=DataNmeSystEvUr ![]C-?\xff\n1".to_vec()), 0..200)) {
            let mut parser = Xml.open(&info());
            let mut record = Record::collecting();
            let mut xml = b"<Event><System><EventID>1</EventID></System><EventData><Data Name='a'>".to_vec();
            xml.extend_from_slice(&tail);
            parser.parse(&xml, &mut record);
            record.clear();
            parser.parse(&[b"<Event ", &tail[..]].concat(), &mut record);
        }
    }
}
