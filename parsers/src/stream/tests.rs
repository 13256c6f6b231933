use super::*;
use proptest::prelude::*;
use std::sync::Arc;

fn info() -> StreamInfo {
    StreamInfo::new("", 0)
}

#[test]
fn messages_stand_for_themselves() {
    let first = b"{\"a\":1}\n{\"a\":2}";
    let mut stream = Stream::open(info(), first, None);
    let mut record = Record::new(Arc::default());
    let mut found = Vec::new();
    let messages: [&[u8]; 5] =
        [first, b"{\n \"a\": 3\n}", b"[{\"a\":4},{\"a\":5}", b"not json", b"{\"a\":6}"];
    for message in messages {
        stream.message(message, &mut record, &mut |framed| {
            let text = String::from_utf8_lossy(framed.bytes).replace(['\n', ' '], "");
            found.push(format!("{}:{text}", framed.format));
        });
    }
    let expected = [
        r#"json:{"a":1}"#,
        r#"json:{"a":2}"#,
        r#"json:{"a":3}"#,
        r#"json:{"a":4}"#,
        r#"json:{"a":5}"#,
        "text:notjson",
        r#"json:{"a":6}"#,
    ];
    assert_eq!(found, expected);
    assert_eq!((stream.counts().records, stream.counts().unparsed), (7, 1));
}

/// Messages of several formats that need nothing of those before them.
const MESSAGES: &[&str] = &[
    r#"{"a":"one"}"#,
    "{\n  \"a\": \"one\"\n}",
    r#"[{"a":"one"},{"a":"two"}]"#,
    "{\"a\":\"one\"}\n{\"a\":\"two\"}\n",
    r#"{"Records":[{"a":"one"},{"a":"two"}]}"#,
    r#"{"value":[{"a":"one"}]}"#,
    r#"{"_index":"logs","_source":{"a":"one"}}"#,
    "\u{feff}{\"a\":\"one\"}",
    r#"{"log":"<34>Oct 11 22:14:15 mymachine su: x\n","stream":"stdout","time":"2024-01-01T00:00:00Z"}"#,
    "hello",
    "two lines\nof text",
    "<34>1 2003-10-11T22:14:15.003Z host su - ID47 - x",
    "Oct 11 22:14:15 host sshd[1]: Failed password for root from 10.0.0.1 port 22 ssh2",
    "Oct 11 22:14:15 asa %ASA-6-302013: Built inbound TCP connection 1",
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>\n <System>\n  <EventID>1</EventID>\n </System>\n</Event>",
    "{\"a\":\"cut",
];

proptest! {
    #[test]
    fn messages_of_any_format_are_read_as_if_they_were_the_first(
        order in proptest::collection::vec(0..MESSAGES.len(), 1..8),
    ) {
        let mut record = json_record();
        let mut read = |stream: &mut Stream, message: &str| {
            let mut found = Vec::new();
            stream.message(message.as_bytes(), &mut record, &mut |framed| {
                found.push((framed.offset, framed.format, shown(framed, true)));
            });
            found
        };
        let open = |message: &str| Stream::open(info(), message.as_bytes(), None);
        let mut stream = open(MESSAGES[order[0]]);
        for at in order {
            let message = MESSAGES[at];
            prop_assert_eq!(read(&mut stream, message), read(&mut open(message), message));
        }
    }
}

#[test]
fn rows_that_come_one_by_one_belong_to_the_header_that_did() {
    let messages = ["#separator \\x09", "#path\tdns", "#fields\tts\tquery", "1.5\texample.com"];
    let mut stream = Stream::open(info(), messages[0].as_bytes(), None);
    let mut record = Record::new(Arc::default());
    let mut found = Vec::new();
    for message in messages {
        stream.message(message.as_bytes(), &mut record, &mut |framed| {
            found.push((framed.format, framed.outcome == Outcome::Event));
        });
    }
    let (header, row) = (("zeek", false), ("zeek", true));
    assert_eq!(found, [header, header, header, row]);
}

/// Pieces of messages, of which some are objects, some several, and some none.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "\r\n",
    " ",
    "\\",
    "\0",
    "\u{1e}",
    "x",
    "1",
    "\"a\":1",
    "\"b\":\"}\"",
    "\"c\":{}",
    "{\"a\":1}",
    "{\"a\":{\n\"b\":[2]}\n}",
    "{\"d\":\"x\ny\"}",
    "{\"Records\":[{\"a\":1}]}",
    "{\"_index\":1,\"_source\":{\"a\":1}}",
    "\u{feff}",
];

proptest! {
    /// What is one object is so for whoever expects several, and looks for line ends first.
    #[test]
    fn messages_are_framed_by_what_they_hold(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..8),
    ) {
        let text = pieces.concat();
        let forms = [false, true].map(|has_batches| {
            let format = FORMATS.iter().find(|format| format.name() == "json").copied();
            let mut stream = Stream::open(info(), b"", format);
            stream.has_batches = has_batches;
            let mut record = Record::new(Arc::default());
            let mut found = Vec::new();
            stream.message(text.as_bytes(), &mut record, &mut |framed| {
                let text = String::from_utf8_lossy(framed.bytes).into_owned();
                found.push((framed.format, framed.offset, text));
            });
            (found, stream.counts().clone())
        });
        prop_assert_eq!(&forms[0], &forms[1]);
    }
}

/// What JSON events are recognised by must be wanted for them to be read the fast way.
fn json_record() -> Record {
    let names = crate::json::schema::discriminators().chain(["note"]);
    Record::new(Arc::new(sigmund_engine::FieldTable::new(names)))
}

/// `format:text`, `-` in place of the format for skips, `!` for cut ones; `shows` adds the fields of JSON records.
fn shown(mut framed: Framed<'_>, shows: bool) -> String {
    let format = match framed.outcome {
        Outcome::Event => framed.format,
        _ => "-",
    };
    let cut = if framed.truncated { "!" } else { "" };
    let fields = &framed.record.fields;
    let value = |value| String::from_utf8_lossy(fields.bytes(framed.bytes, value));
    let filled: Vec<String> = fields
        .present()
        .map(|slot| {
            let values: Vec<_> = fields.values(slot).map(value).collect();
            format!(" {}={values:?}", fields.name(slot))
        })
        .collect();
    let event = framed.event();
    assert_eq!(&*event.raw, framed.bytes);
    let text = String::from_utf8_lossy(framed.bytes);
    let filled = if format == "json" { filled.concat() } else { String::new() };
    let filled = if shows { filled } else { String::new() };
    format!("{format}{cut}:{text}{filled}")
}

/// Each record of a block as [`shown`].
fn read_in(bytes: &[u8], block: usize, limit: usize) -> (Vec<String>, Counts) {
    read_showing(bytes, block, limit, false)
}

/// The same, as it says.
fn read_showing(bytes: &[u8], block: usize, limit: usize, shows: bool) -> (Vec<String>, Counts) {
    let mut record = json_record();
    let mut stream = Stream::with_limit(info(), bytes, None, limit);
    let mut found = Vec::new();
    let mut rest: Vec<u8> = Vec::new();
    let mut chunks = bytes.chunks(block).peekable();
    loop {
        let last = match chunks.next() {
            Some(chunk) => {
                rest.extend_from_slice(chunk);
                chunks.peek().is_none()
            }
            None => true,
        };
        let used = stream.read(&rest, last, &mut record, &mut |framed| {
            found.push(shown(framed, shows));
        });
        rest.drain(..used);
        if last {
            assert!(rest.is_empty(), "left over: {rest:?}");
            break;
        }
    }
    let counts = stream.counts().clone();
    let skipped: u64 = counts.skipped.iter().map(|(_, count)| count).sum();
    assert_eq!(counts.records, counts.events + skipped);
    assert_eq!(counts.records, found.len() as u64);
    (found, counts)
}

fn read(text: &str) -> Vec<String> {
    read_in(text.as_bytes(), usize::MAX, DEFAULT_LIMIT).0
}

#[test]
fn reads_lines() {
    assert_eq!(read("a\r\nb\n\nc"), ["text:a", "text:b", "-:", "text:c"]);
    assert_eq!(read("\u{feff}a\nb\0\n"), ["text:a", "text:b"]);
    assert_eq!(read("a\0b\0"), ["text:a", "text:b"]);
    assert_eq!(read(""), [""; 0]);
    assert_eq!(read("one\n{\"a\":1}\ntwo"), ["text:one", "json:{\"a\":1}", "text:two"]);
}

#[test]
fn reads_octet_counts() {
    assert_eq!(
        read("6 <1>abc9 <1>d\ne\nf\n5 <1>gh\n<1>i\n99 <1>short\n"),
        ["syslog:<1>abc", "syslog:<1>d\ne\nf", "syslog:<1>gh", "syslog:<1>i", "syslog:99 <1>short"]
    );
    // Counts that are wrong, as after names were replaced: what follows is no count.
    assert_eq!(
        read("6 <1>a 2345 x\n9 <1>b\n20 <1>c\n6 <1>abc12"),
        ["syslog:6 <1>a 2345 x", "syslog:9 <1>b", "syslog:20 <1>c", "syslog:<1>abc", "text:12"]
    );
}

#[test]
fn reads_json_in_its_forms() {
    let both = ["json:{\"a\":1}", "json:{\"b\":[{}]}"];
    for text in [
        "{\"a\":1}\n{\"b\":[{}]}\n",
        "{\"a\":1}\r\n\r\n{\"b\":[{}]}",
        "{\"a\":1}{\"b\":[{}]}",
        "{\"a\":1},\n{\"b\":[{}]},\n",
        "[{\"a\":1},{\"b\":[{}]}]",
        "[\n {\"a\":1},\n {\"b\":[{}]}\n]\n",
        "\u{1e}{\"a\":1}\n\u{1e}{\"b\":[{}]}\n",
        "\u{feff}{\"a\":1}\n\u{feff}{\"b\":[{}]}\n",
        "{\"Records\":[{\"a\":1},{\"b\":[{}]}]}",
        "{\"records\" : [ {\"a\":1} , {\"b\":[{}]} ] }\n",
        "{\"@odata.context\":\"x\",\"value\":[{\"a\":1},{\"b\":[{}]}],\"@odata.nextLink\":\"y\"}",
        "{\"took\":1,\"hits\":{\"total\":{\"value\":2},\"hits\":[{\"_index\":\"x\",\"_source\":{\"a\":1}},{\"_id\":\"1\",\"_source\":{\"b\":[{}]}}]}}",
        "{\"_index\":\"x\",\"_source\":{\"a\":1}}\n{\"_index\":\"x\",\"_source\":{\"b\":[{}]}}\n",
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"a\":1},{\"b\":[{}]}]}",
        "{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":[{}]}]}\n",
    ] {
        assert_eq!(read(text), both, "{text}");
    }
    assert_eq!(read("{\n \"a\": 1\n}\n{\n}\n"), ["json:{\n \"a\": 1\n}", "json:{\n}"]);
    // A field named like a list of records.
    for text in [
        "{\"events\":[{\"a\":1}],\"actor\":\"x\"}",
        "{\"kind\":\"x\",\"events\":[{\"a\":1}]}",
        "{\"data\":{\"a\":1}}",
        "{\"value\":[1,2]}",
        "{\"hits\":3}",
    ] {
        assert_eq!(read(text), [format!("json:{text}")]);
    }
}

#[test]
fn goes_on_after_broken_json() {
    assert_eq!(
        read("{\"a\":1}\n{\"b\":\n{\"c\":3}\noops\n{\"d\" 4}\n{\"e\":5} tail\n{\"f\":6"),
        [
            "json:{\"a\":1}",
            "text:{\"b\":",
            "json:{\"c\":3}",
            "text:oops",
            "text:{\"d\" 4}",
            "json:{\"e\":5}",
            "text:tail",
            "text:{\"f\":6"
        ]
    );
    let (_, counts) = read_in(b"{\"a\":1}\nx\n{\"b\" 1}\n", 4, DEFAULT_LIMIT);
    assert_eq!((counts.records, counts.events, counts.unparsed), (3, 3, 2));
}

#[test]
fn cuts_what_is_too_long() {
    let (found, counts) = read_in(b"abcdefghijkl\nmn\n", 1, 5);
    assert_eq!(found, ["text!:abcde", "text:mn"]);
    assert_eq!(counts.truncated, 1);
    let (found, _) = read_in(b"{\"a\":\"123456789012\"}\n{\"b\":1}\n", 3, 10);
    assert_eq!(found, ["json!:{\"a\":\"1234\"}", "json:{\"b\":1}"]);
}

/// What is there of an object is read as any other is: its members, its kind, and what it carries.
#[test]
fn what_is_cut_is_matched_as_far_as_it_goes() {
    let long = "x".repeat(200);
    let text = format!(
        "{{\"EventID\":4688,\"Channel\":\"Security\",\"note\":\"a\",\"r\":{{\"z\":[1,\"{long}\"]}},\"b\":1}}\n"
    );
    for block in [1, 7, usize::MAX] {
        let (found, counts) = read_showing(text.as_bytes(), block, 100, true);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("json!:{\"EventID\":4688,"), "{found:?}");
        for shown in ["xxx\"]}}", " note=[\"a\"]", " EventID=[\"4688\"]", " Channel=[\"Security\"]"]
        {
            assert!(found[0].contains(shown), "{shown} {found:?}");
        }
        assert_eq!((counts.truncated, counts.unparsed), (1, 0));
    }
    let text = format!("{{\"_index\":\"i\",\"_source\":{{\"note\":\"a\",\"b\":\"{long}\"}}}}");
    let (found, _) = read_in(text.as_bytes(), usize::MAX, 60);
    assert!(found[0].starts_with("json!:{\"note\":\"a\""), "{found:?}");
    // Nor is the cut what decides about the envelope.
    let text = format!(
        "{{\"stream\":\"stdout\",\"time\":\"2021-05-05T00:00:00Z\",\"log\":\"{SSHD} {long}\"}}"
    );
    let (found, _) = read_in(text.as_bytes(), usize::MAX, 180);
    assert!(found[0].starts_with("envelope!:"), "{found:?}");
}

/// Whoever reads messages waits for the next.
#[test]
fn parts_of_a_line_are_one_when_the_stream_ends() {
    let line = |stream: &str, tag: &str, text: &str| {
        format!("2020-02-25T14:34:11.5Z {stream} {tag} {text}")
    };
    let (first, second) = (line("stdout", "P", "one "), line("stdout", "P", "two"));
    let (other, whole) = (line("stderr", "P", "x"), line("stdout", "F", "three"));
    let ends = [line("stdout", "F", "one two"), line("stderr", "F", "x")];
    for before in [&*whole, "text", "{\"a\":1}"] {
        let text = format!("{before}\n{first}\n{other}\n{second}");
        for block in [1, 50, usize::MAX] {
            let (found, counts) = read_in(text.as_bytes(), block, DEFAULT_LIMIT);
            assert_eq!(found.len(), 6, "{found:?}");
            assert_eq!(found[4..], ends.each_ref().map(|end| format!("cri:{end}")), "{before}");
            assert_eq!(counts.skipped, [("part of a longer line", 3)]);
        }
    }
    let mut stream = Stream::open(info(), first.as_bytes(), None);
    let mut record = Record::new(Arc::default());
    let mut found = Vec::new();
    for message in [first, whole] {
        stream.message(message.as_bytes(), &mut record, &mut |mut framed| {
            let log = framed.event().object.get("log").cloned();
            found.push(log);
        });
    }
    assert_eq!(found[1], Some(sigmund_engine::Value::text("one three")));
}

/// Members that no service says about its answer are those of an event.
#[test]
fn what_stands_beside_a_list_is_not_lost() {
    for text in [
        r#"{"Records":[],"f":"x"}"#,
        r#"{"f":"x","Records":[]}"#,
        r#"{"logEvents":[ ],"f":"x"}"#,
        r#"{"hits":{"hits":[]},"f":"x"}"#,
        r#"{"hits":{"total":0,"hits":[],"max_score":null},"f":"x"}"#,
        r#"{"error":"x","data":[{"a":1}]}"#,
        r#"{"data":[{"a":1}],"errors":[{"b":2}]}"#,
    ] {
        assert_eq!(read(text), [format!("json:{text}")]);
    }
    for text in [
        r#"{"Records":[]}"#,
        r#"{"hits":{"total":0,"hits":[]},"took":1,"error":null}"#,
        r#"{"logEvents":[],"messageType":"CONTROL_MESSAGE"}"#,
    ] {
        assert_eq!(read(text), [""; 0], "{text}");
    }
    let inner = r#"json:{"a":1}"#;
    let beside = r#"json:{"f":"x","count":2,"g":[{"h":3}]}"#;
    for text in [
        r#"{"Records":[{"a":1}],"f":"x","count":2,"g":[{"h":3}]}"#,
        r#"{"Records":[{"a":1}],"count":1,"f":"x","count":2,"g":[{"h":3}],}"#,
        r#"{"hits":{"hits":[{"a":1}]},"took":1,"f":"x","count":2,"g":[{"h":3}]}"#,
        r#"{"hits":{"hits":[{"a":1}],"f":"x","count":2,"g":[{"h":3}]},"took":1}"#,
    ] {
        assert_eq!(read(text), [inner, beside], "{text}");
    }
    let many = format!("{{\"a\":1}}{}", ",{\"a\":1}".repeat(9000));
    let found = read(&format!("{{\"data\":[{many}],\"f\":\"x\",\"count\":2,\"g\":[{{\"h\":3}}]}}"));
    assert_eq!((found.len(), &*found[9000], &*found[9001]), (9002, inner, beside));
    // What is beside it in a search hit is another record with it.
    let hit = r#"{"_id":"i","_source":{"a":1},"sort":[1]}"#;
    assert_eq!(read(hit), [inner]);
    let more = r#"{"_id":"i","f":"x","_source":{"a":1}}"#;
    assert_eq!(read(&format!("{more}\n{hit}")), [inner, &*format!("json:{more}"), inner]);
}

/// What stands behind it on the same line is lost neither.
#[test]
fn goes_on_after_what_is_too_long() {
    let long = format!("{{\"a\":[{{\"b\":\"{}\\\"}}\"}}],\"c\":1}}", "x".repeat(90));
    let pretty = format!("{{\n {}\"c\":1\n}}", " \"b\":[\n 1234567890\n ],\n".repeat(5));
    let counted = format!("90 <1>{}", "x".repeat(87));
    let element = format!("<Event>{}<EventData></EventData></Event>", "x".repeat(80));
    for (around, short, cut) in [
        ("[{},<>,{}]", "{\"d\":2}", &long),
        ("{\"Records\":[{},<>,{}]}", "{\"d\":2}", &long),
        ("{}<>{}", "{\"d\":2}", &long),
        ("{}\n<>\n{}\n", "{\"d\":2}", &long),
        ("{}\n<>\n{}\n", "{\"d\":2}", &pretty),
        ("{}<>{}", "5 <1>ab", &counted),
        ("<Events>{}<>{}</Events>", "<Event>b</Event>", &element),
    ] {
        let text = around.replace("{}", short).replace("<>", cut);
        for block in [1, 7, usize::MAX] {
            let (found, counts) = read_in(text.as_bytes(), block, 60);
            let (first, last) = (&found[0], &found[2..]);
            assert!(found[1].contains('!'), "{text}: {found:?}");
            assert_eq!(last, std::slice::from_ref(first), "{text}");
            assert_eq!((counts.records, counts.truncated), (3, 1), "{text}");
        }
    }
    // One without end does not swallow others.
    let open = format!("{{\"a\":[\"{}\"", "x".repeat(90));
    for text in [
        format!("{open}\n{{\"d\":2}}\n{{\"e\":3}}\n"),
        format!("[{open},\n{{\"d\":2}},\n{{\"e\":3}}]"),
    ] {
        let (found, _) = read_in(text.as_bytes(), 7, 60);
        assert_eq!(found[1..], ["json:{\"d\":2}", "json:{\"e\":3}"], "{text}");
    }
    let open = format!("<Event>{}<Event>b</Event><Event>c</Event>", "x".repeat(90));
    let (found, _) = read_in(open.as_bytes(), 7, 60);
    assert_eq!(found[1..], ["text:<Event>b</Event>", "text:<Event>c</Event>"]);
}

const SSHD: &str = "Jan  2 03:04:05 h sshd[1]: Failed password for root from 1.2.3.4 port 22 ssh2";

/// Whatever came first, and whatever comes after.
#[test]
fn envelopes_are_opened_in_any_json() {
    let docker = format!(r#"{{"log":"{SSHD}\n","stream":"stdout","time":"2021-05-05T00:00:00Z"}}"#);
    let journal =
        format!(r#"{{"__CURSOR":"x","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"{}"}}"#, &SSHD[27..]);
    let beats =
        format!(r#"{{"@timestamp":"2021-05-05T00:00:00Z","agent":{{}},"message":"{SSHD}"}}"#);
    let splunk = format!(r#"{{"_raw":"{SSHD}","_time":"2021-05-05T00:00:00.000+00:00"}}"#);
    let others = [
        r#"{"_path":"conn","ts":1591367999.1,"uid":"C"}"#,
        r#"{"a":1}"#,
        r#"{"__CURSOR":"x","SYSLOG_IDENTIFIER":"x","MESSAGE":null}"#,
        r#"{"Event":{"System":{"EventID":4688,"Channel":"Security"},"EventData":{}}}"#,
        r#"{"@timestamp":"2021-05-05T00:00:00Z","winlog":{"event_id":1,"event_data":{}},"message":"x"}"#,
    ];
    let read = |text: &str, format| {
        let mut stream = Stream::open(info(), text.as_bytes(), format);
        let mut record = json_record();
        let mut found = Vec::new();
        stream.read(text.as_bytes(), true, &mut record, &mut |framed| {
            found.push(framed.format);
        });
        found
    };
    for envelope in [&docker, &journal, &beats, &splunk] {
        for other in others {
            // Often enough to be known by heart.
            for text in [
                format!("{other}\n{}", format!("{envelope}\n").repeat(9)),
                format!("{}{other}\n{envelope}\n", format!("{envelope}\n").repeat(9)),
                format!("{}{envelope}\n", format!("{other}\n").repeat(9)),
            ] {
                let opened =
                    read(&text, None).iter().filter(|format| **format == "envelope").count();
                assert_eq!(opened, text.matches(&**envelope).count(), "{text}");
            }
        }
        for text in [
            format!(r#"{{"Records":[{envelope},{envelope}]}}"#),
            format!(r#"{{"hits":{{"hits":[{{"_source":{envelope}}},{{"_source":{envelope}}}]}}}}"#),
            format!("[{envelope},{envelope}]"),
        ] {
            assert_eq!(read(&text, None), ["envelope", "envelope"], "{text}");
        }
        // Who says that it is JSON means it.
        let json = FORMATS.iter().find(|format| format.name() == "json").copied();
        assert_eq!(read(envelope, json), ["json"]);
    }
}

#[test]
fn rows_follow_their_header_wherever_it_stands() {
    let header =
        "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.resp_p\n#types\ttime\tstring\tport\n";
    let row = "1591367999.3\tC1\t80";
    for before in ["==> conn.log <==", "{\"a\":1}", SSHD, "<Event/>"] {
        let found = read(&format!("{before}\n{header}{row}\n{SSHD}\n{row}\n"));
        assert_eq!(found[5], format!("zeek:{row}"), "{found:?}");
        assert_eq!(found[6..], [format!("syslog:{SSHD}"), format!("zeek:{row}")]);
    }
    // In a stream of its own, too.
    let found = read(&format!("{header}{row}\n{SSHD}\n159136\n{row}\n"));
    assert_eq!(found[5..7], [format!("syslog:{SSHD}"), "zeek:159136".to_owned()]);
}

#[test]
fn says_what_can_be_split() {
    for (text, splittable) in [
        ("a\nb\n", true),
        ("{\"a\":1}\n{", true),
        ("{\"a\":\"a long li", true),
        ("{\n\"a\":1}", false),
        ("[{\"a\":1}]", false),
        ("{\"Records\":[", false),
        ("5 <1>ab", false),
    ] {
        let stream = Stream::open(info(), text.as_bytes(), None);
        assert_eq!(stream.is_splittable(), splittable, "{text}");
    }
}

#[test]
fn parts_are_read_as_the_whole() {
    for text in ["{\"a\":1}\nb\n{\"c\":2}\n", "one\n{\"a\":1}\ntwo\n", "a\n\nb"] {
        let (whole, counts) = read_in(text.as_bytes(), usize::MAX, DEFAULT_LIMIT);
        let split = Stream::open(info(), text.as_bytes(), None).split().unwrap();
        let mut stream = split.open();
        let mut record = Record::new(Arc::default());
        let (mut found, mut sum) = (Vec::new(), Counts::default());
        for line in text.split_inclusive('\n') {
            let used = stream.read(line.as_bytes(), true, &mut record, &mut |framed| {
                let format = match framed.outcome {
                    Outcome::Event => framed.format,
                    _ => "-",
                };
                found.push(format!("{format}:{}", String::from_utf8_lossy(framed.bytes)));
            });
            assert_eq!(used, line.len());
            sum.add(stream.counts());
            stream.restart();
        }
        assert_eq!((found, sum), (whole, counts), "{text}");
    }
    assert!(Stream::open(info(), b"[{}]", None).split().is_none());
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{\"a\":1}\n".to_owned()),
        Just("{\"a\":{\"b\":[1,\"}\\\"\"]}}".to_owned()),
        Just("{\n\"x\": [\n{}\n]\n}\n".to_owned()),
        Just("{\"Records\":[{\"a\":1}, {\"b\":2}]}\n".to_owned()),
        Just("[{\"a\":1},\n{\"b\":2}\n]".to_owned()),
        Just(
            "{\"hits\":{\"total\":2,\"hits\":[{\"_source\":{\"a\":1}}],\"total\":1},\"took\":1}"
                .to_owned()
        ),
        Just("{\"data\":[{\"a\":1}],\"b\":2}".to_owned()),
        Just("{\"Records\":[{\"a\":1}],\"took\":1,\"b\":2, \"c\":[{}]}\n".to_owned()),
        Just("{\"hits\":{\"hits\":[],\"b\":1},\"c\":2}\n".to_owned()),
        Just("{\"_source\":{\"a\":1},\"b\":\"x\\u00e9\"}\n".to_owned()),
        Just("5 <1>ab".to_owned()),
        Just("line\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("<Events><Event a='1'><x/></Event><Event/>\n</Events>".to_owned()),
        r#"[\[\]{}:,"\\a1 \n\x00<0-9]{0,12}"#,
    ]
}

proptest! {
    #[test]
    fn any_blocks_give_the_same_records(
        pieces in proptest::collection::vec(piece(), 0..8),
        block in 1usize..40,
        limit in prop_oneof![Just(DEFAULT_LIMIT), 1usize..60],
    ) {
        let text = pieces.concat();
        let whole = read_in(text.as_bytes(), usize::MAX, limit);
        let parts = read_in(text.as_bytes(), block, limit);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn lines_like_those_before_are_the_same_records(
        lines in proptest::collection::vec(line(), 1..6),
        order in proptest::collection::vec(0usize..6, 0..60),
        block in 1usize..60,
        limit in prop_oneof![3 => Just(DEFAULT_LIMIT), 1 => 30usize..90],
    ) {
        let text: String = order.iter().map(|at| &*lines[at % lines.len()]).collect();
        // In small blocks no record is read before its end is found.
        let whole = read_showing(text.as_bytes(), usize::MAX, limit, true);
        let parts = read_showing(text.as_bytes(), block, limit, true);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn messages_are_read_as_if_they_were_the_first(
        lines in proptest::collection::vec(line(), 1..6),
        order in proptest::collection::vec((0usize..6, any::<bool>()), 0..60),
        limit in prop_oneof![3 => Just(DEFAULT_LIMIT), 1 => 30usize..90],
    ) {
        let json = FORMATS.iter().find(|format| format.name() == "json").copied();
        let open = || Stream::with_limit(info(), b"", json, limit);
        let (mut stream, mut record) = (open(), json_record());
        let mut read = |stream: &mut Stream, message: &str| {
            let mut found = Vec::new();
            stream.message(message.as_bytes(), &mut record, &mut |framed| {
                found.push((framed.offset, shown(framed, true)));
            });
            found
        };
        for (at, with_next) in order {
            let mut message = lines[at % lines.len()].clone();
            if with_next {
                message.push_str(&lines[(at + 1) % lines.len()]);
            }
            prop_assert_eq!(read(&mut stream, &message), read(&mut open(), &message));
        }
    }
}

#[test]
fn messages_like_those_before_are_known() {
    let json = FORMATS.iter().find(|format| format.name() == "json").copied();
    let mut stream = Stream::open(info(), b"", json);
    let mut record = json_record();
    let mut known = |message: &str, stream: &mut Stream| {
        for _ in 0..3 {
            stream.message(message.as_bytes(), &mut record, &mut |_| {});
        }
        stream.known_line(message.as_bytes(), &mut record, &mut |_| {})
    };
    // What a record may be compared with is known from the first on; how it is written is learnt from the second one that is alike.
    assert!(known(r#"{"_path":"dns","note":"a"}"#, &mut stream));
    assert!(known(r#"{"_path":"dns","note":"longer"}"#, &mut stream));
    let several = "{\"_path\":\"dns\",\"note\":\"a\"}\n{\"_path\":\"dns\",\"note\":\"a\"}";
    assert!(!known(several, &mut stream));
    assert!(!known(r#"{"_path":"dns","note":"a"#, &mut stream));
}

/// Lines as programs write them, and as they do not.
fn line() -> impl Strategy<Value = String> {
    let text = prop_oneof![Just("x"), Just(""), Just("a\\\"b"), Just("\u{e9}"), Just("a\nb")];
    let member = prop_oneof![
        3 => text.prop_map(|text| format!("\"note\":\"{text}\"")),
        1 => Just(r#""note":["a","b"]"#.to_owned()),
        1 => Just(r#""_path" : "conn""#.to_owned()),
        2 => Just(r#""_path":"dns""#.to_owned()),
        2 => (0u32..2000).prop_map(|number| format!("\"ts\":{number}.5")),
        1 => Just(r#""value":[{"a":1}]"#.to_owned()),
        1 => Just(r#""_id":1"#.to_owned()),
    ];
    let end = prop_oneof![
        6 => Just("}\n"),
        1 => Just("}\r\n"),
        1 => Just("} \n"),
        1 => Just("\n"),
        1 => Just("}"),
        1 => Just("}x\n"),
    ];
    (proptest::collection::vec(member, 1..4), end)
        .prop_map(|(members, end)| format!("{{{}{end}", members.join(",")))
}
