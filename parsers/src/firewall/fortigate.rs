//! FortiGate (FortiOS Log Message Reference): `key=value`, text in quotes, with spaces or (`csv`) commas between.
//!
//! Every key is a field under its own name. Rules for `type=event` read `action` and `cfgpath` natively, so `action` stays the native word and `blocked`
//! says what it means.

use super::{Device, Message, by_word, decisions};
use crate::syslog::kind::{Kind, kinds};
use jiff::tz::TimeZone;
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, EventTime, Record, TimeSource};
use std::sync::{Arc, LazyLock};

pub(super) struct FortiGate;

kinds! {
    ALIASES;
    TRAFFIC = "fortigate traffic", &[("fortigate", "firewall", "traffic")];
    EVENT = "fortigate event", &[("fortigate", "", "event")];
    VPN = "fortigate vpn", &[("fortigate", "", "event"), ("fortigate", "", "vpn"), ("fortios", "", "sslvpnd")];
    UTM = "fortigate utm", &[("fortigate", "firewall", "utm")];
    VIRUS = "fortigate virus", &[("fortigate", "firewall", "utm"), ("fortigate", "antivirus", "utm")];
    WEB = "fortigate webfilter", &[("fortigate", "firewall", "utm"), ("fortigate", "proxy", "webfilter")];
    DNS = "fortigate dns", &[("fortigate", "firewall", "utm"), ("fortigate", "dns", "dns")];
    OTHER = "fortigate", &[("fortigate", "", "")];
}

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [
        Alias::to("src_ip", &["srcip", "src", "remip"]),
        Alias::to("src_port", &["srcport", "src_port", "remport"]),
        Alias::to("dst_ip", &["dstip", "dst", "locip"]),
        Alias::to("dst_port", &["dstport", "dst_port", "locport"]),
        Alias::to("username", &["user", "unauthuser", "xauthuser"]),
        Alias::to("protocol", &["proto"]),
        Alias::to("bytes_out", &["sentbyte"]),
        Alias::to("bytes_in", &["rcvdbyte"]),
        Alias::to("rule", &["policyname", "policyid"]),
        // Antivirus rules.
        Alias::to("Signature", &["virus"]),
        Alias::to("Filename", &["filename", "file"]),
        // Web filter as a proxy, DNS filter as a resolver.
        Alias::to("c-uri", &["url"]),
        Alias::to("cs-host", &["hostname"]),
        Alias::to("c-useragent", &["agent"]),
        Alias::to("query", &["qname"]),
        Alias::to("record_type", &["qtype"]),
        Alias::to("answer", &["ipaddr"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["action"], by_word))))
});

impl Device for FortiGate {
    fn claims(&self, message: &Message<'_>) -> bool {
        let text = message.text;
        let begins = text.starts_with("date=")
            || text.starts_with("devname=")
            || text.starts_with("logver=")
            || text.starts_with("timestamp=")
            || text.starts_with("itime=")
            || text.starts_with("eventtime=");
        begins && (memchr::memmem::find(text.as_bytes(), b"type=").is_some())
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let (mut kind, mut subtype) = ("", "");
        pairs(message.text, |name, value| {
            match name {
                "type" => kind = value,
                "subtype" => subtype = value,
                _ => {}
            }
            record.set(name, value);
        });
        match (kind, subtype) {
            ("traffic", _) => &TRAFFIC,
            ("event", "vpn") => &VPN,
            ("event", _) => &EVENT,
            ("utm", "virus") => &VIRUS,
            ("utm", "webfilter") => &WEB,
            ("utm" | "dns", "dns" | "dns-query" | "dns-response") => &DNS,
            ("utm" | "ips" | "app-ctrl" | "dlp" | "anomaly" | "attack", _) => &UTM,
            _ => &OTHER,
        }
    }

    /// `eventtime` in s, ms, µs or ns, else `date` and `time` with `tz`.
    fn time(&self, message: &Message<'_>, zone: &TimeZone) -> Option<EventTime> {
        let (mut event, mut date, mut time, mut offset) = ("", "", "", "");
        pairs(message.text, |name, value| match name {
            "eventtime" => event = value,
            "date" => date = value,
            "time" => time = value,
            "tz" => offset = value,
            _ => {}
        });
        if let Ok(number) = event.parse::<i64>()
            && number > 100_000_000
        {
            let scale = match number {
                ..100_000_000_000 => 1_000_000_000,
                100_000_000_000..100_000_000_000_000 => 1_000_000,
                100_000_000_000_000..100_000_000_000_000_000 => 1_000,
                _ => 1,
            };
            return Some(EventTime {
                nanos: number.checked_mul(scale)?,
                source: TimeSource::Field("eventtime"),
                year_inferred: false,
                zone_assumed: false,
            });
        }
        let (crate::time::syslog::Written::Civil(stamp), _) =
            crate::time::syslog::read(&format!("{date} {time}{offset}"))?
        else {
            return None;
        };
        Some(EventTime {
            nanos: stamp.instant(stamp.year?, zone)?,
            source: TimeSource::Field("date"),
            year_inferred: false,
            zone_assumed: stamp.offset.is_none(),
        })
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        KINDS
    }
}

/// The pairs of a line: `key=word`, `key="text"`. Quotes inside text are not escaped reliably: one ends the text only before a space and another key, or at the end.
///
/// What follows the first pair says whether commas are between the pairs; words may then have spaces, and commas if no key follows.
fn pairs<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) {
    let mut rest = text.trim_end_matches(['\0', ' ', '\r', '\n']);
    let commas = has_commas(rest);
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        let Some(equals) = rest.find('=') else { return };
        // A word without a value before the next key.
        let name = rest[..equals].rsplit([' ', ',']).next().unwrap_or("");
        let after = &rest[equals + 1..];
        let (value, next) = match after.strip_prefix('"') {
            Some(inside) => quoted(inside, commas),
            None if commas => {
                let end = memchr::memchr_iter(b',', after.as_bytes())
                    .find(|at| begins_key(&after[at + 1..]));
                after.split_at(end.unwrap_or(after.len()))
            }
            None => {
                let end = after.find([' ', '\t']).unwrap_or(after.len());
                (&after[..end], &after[end..])
            }
        };
        if !name.is_empty() && name.len() <= 64 {
            each(name, value);
        }
        rest = next;
    }
}

/// Whether a comma ends the first pair.
fn has_commas(text: &str) -> bool {
    let Some((_, value)) = text.split_once('=') else { return false };
    let value = match value.strip_prefix('"') {
        Some(inside) => inside.split_once('"').map_or("", |(_, after)| after),
        None => value,
    };
    value.find([' ', '\t', ',']).is_some_and(|at| value[at..].starts_with(','))
}

/// Whether a key or nothing follows.
fn begins_key(text: &str) -> bool {
    let word = text.trim_start_matches(' ');
    let key =
        word.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    word.is_empty() || word.starts_with(',') || key > 0 && word.as_bytes().get(key) == Some(&b'=')
}

fn quoted(inside: &str, commas: bool) -> (&str, &str) {
    let bytes = inside.as_bytes();
    let separator = if commas { b',' } else { b' ' };
    for at in memchr::memchr_iter(b'"', bytes) {
        if at > 0
            && bytes[at - 1] == b'\\'
            && bytes.get(at + 1).is_some_and(|byte| *byte != separator)
        {
            continue;
        }
        let after = &inside[at + 1..];
        let ends = after.starts_with(',') || !commas && after.starts_with(' ');
        if after.is_empty() || ends && begins_key(after.trim_start_matches([' ', ','])) {
            return (&inside[..at], after);
        }
    }
    (inside, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::tests::{field, flow, read};

    const TRAFFIC: &str = r#"date=2020-04-23 time=12:14:09 devname="fw" devid="x" logid="0000000011" type="traffic" subtype="forward" level="warning" vd="root" eventtime=1587230049761513222 tz="-0500" srcip=192.168.1.6 srcport=53438 dstip=175.16.199.1 dstport=53 proto=17 action="deny" msg="he said "no" = never" user="bob""#;

    #[test]
    fn pairs_and_quotes() {
        assert_eq!(flow("", TRAFFIC), "192.168.1.6:53438>175.16.199.1:53 true deny");
        let (record, kind) = read("", TRAFFIC);
        assert_eq!(kind.name, "fortigate traffic");
        assert_eq!(field(&record, "msg").as_deref(), Some("he said \"no\" = never"));
        assert_eq!(field(&record, "user").as_deref(), Some("bob"));
    }

    const COMMAS: &str = r#"date=2021-07-08,time=10:11:12,devid="FGT",logid="1",type="traffic",subtype="forward",srcip=192.0.2.7,srcport=5,dstip=10.0.0.1,dstport=80,action="deny",msg="a, "b" c=d, e",app=Web Client,vd=,,url=/x?a,b,user="bob""#;

    #[test]
    fn commas_between_pairs() {
        assert_eq!(flow("", COMMAS), "192.0.2.7:5>10.0.0.1:80 true deny");
        let (record, kind) = read("", COMMAS);
        assert_eq!(kind.name, "fortigate traffic");
        for (name, value) in [
            ("date", "2021-07-08"),
            ("time", "10:11:12"),
            ("devid", "FGT"),
            ("msg", "a, \"b\" c=d, e"),
            ("app", "Web Client"),
            ("url", "/x?a,b"),
            ("user", "bob"),
        ] {
            assert_eq!(field(&record, name).as_deref(), Some(value), "{name}");
        }
        // Commas in a line with spaces are part of the values.
        let (record, _) =
            read("", "date=2021-07-08 time=10:11:12 type=event cfgattr=a,b=c vd=root");
        assert_eq!(field(&record, "cfgattr").as_deref(), Some("a,b=c"));
    }

    #[test]
    fn times() {
        let time = |text| {
            let message = Message { program: "", message_id: "", text };
            FortiGate.time(&message, &TimeZone::UTC).map(|time| (time.nanos, time.zone_assumed))
        };
        assert_eq!(time(TRAFFIC), Some((1_587_230_049_761_513_222, false)));
        assert_eq!(time(COMMAS), Some((1_625_739_072_000_000_000, true)));
        assert_eq!(time("eventtime=1592961368 type=x"), Some((1_592_961_368_000_000_000, false)));
        assert_eq!(
            time("date=2019-05-13 time=11:45:03 type=x"),
            Some((1_557_747_903_000_000_000, true))
        );
        assert_eq!(
            time("date=2019-05-13 time=11:45:03 tz=\"-0500\""),
            Some((1_557_765_903_000_000_000, false))
        );
    }

    #[test]
    fn kinds_by_type() {
        for (text, name) in [
            ("date=1 type=event subtype=system", "fortigate event"),
            ("date=1 type=event subtype=vpn", "fortigate vpn"),
            ("date=1 type=utm subtype=virus", "fortigate virus"),
            ("date=1 type=utm subtype=ips", "fortigate utm"),
            ("date=1 type=spam", "fortigate"),
        ] {
            assert_eq!(read("", text).1.name, name);
        }
    }
}
