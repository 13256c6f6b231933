//! Senders of syslog that show that they are no Linux: other products, and macOS.
//!
//! A program that nobody knows is taken for one of a Linux host, so that rules for Linux see it. Only what no Linux program writes is an
//! exception: names that are a vendor's alone, and the beginnings of vendors' formats.

use super::kind::{Kind, NO_ALIASES};
use crate::linux;

/// What some product tells in CEF or LEEF: of no known log source, and not of the machine that relayed it.
static EXCHANGED: Kind = Kind { name: "cef or leef", log_sources: &[], aliases: &NO_ALIASES };
static APPLIANCE: Kind = Kind { name: "appliance", log_sources: &[], aliases: &NO_ALIASES };
static MACOS: Kind =
    Kind { name: "macos", log_sources: &[("macos", "", "syslog")], aliases: &NO_ALIASES };

/// The kind of a message whose sender is no Linux.
pub(super) fn kind(program: &str, text: &str) -> Option<&'static Kind> {
    if is_exchanged(program, text) {
        return Some(&EXCHANGED);
    }
    if program == "kernel" {
        return is_apples_kernel(text).then_some(&MACOS);
    }
    if !std::ptr::eq(linux::program(program).kind, &raw const linux::SYSLOG) {
        return None;
    }
    if program.starts_with("com.apple.") || MACOS_PROGRAMS.binary_search(&program).is_ok() {
        return Some(&MACOS);
    }
    is_appliance(program, text).then_some(&APPLIANCE)
}

/// Whether a message is in a format in which security products tell of events: ArcSight's CEF or QRadar's LEEF. Without a tag the
/// product's name may stand before it.
fn is_exchanged(program: &str, text: &str) -> bool {
    let begins = |text: &str| {
        let version = text.strip_prefix("CEF:").or(text.strip_prefix("LEEF:"));
        version.and_then(|version| version.split_once('|')).is_some_and(|(version, _)| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    if begins(text) {
        return true;
    }
    let mut rest = text;
    let mut words = || {
        rest = rest.split_once(' ')?.1;
        Some(rest)
    };
    program.is_empty() && (0..3).map_while(|_| words()).any(begins)
}

/// `AppleUSBHub::…`, `ARPT: …`, `IOThunderboltSwitch<0>(0x0)::…`: classes of Apple's drivers. `IOAPIC` and AppleTalk are Linux's.
fn is_apples_kernel(text: &str) -> bool {
    let driver = text.strip_prefix("Apple").filter(|rest| !rest.starts_with("Talk"));
    driver.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        || ["ARPT: ", "AirPort_", "IOThunderboltSwitch<"]
            .iter()
            .any(|begin| text.starts_with(begin))
}

/// Programs of macOS that other systems have not, sorted.
const MACOS_PROGRAMS: &[&str] = &[
    "AddressBookSourceSync",
    "CalendarAgent",
    "CommCenter",
    "Dock",
    "Finder",
    "QuickLookSatellite",
    "ReportCrash",
    "Safari",
    "SecurityAgent",
    "SpotlightNetHelper",
    "SystemUIServer",
    "UserEventAgent",
    "WindowServer",
    "XProtectService",
    "airportd",
    "amfid",
    "apsd",
    "coreaudiod",
    "coreauthd",
    "corecaptured",
    "iconservicesagent",
    "identityservicesd",
    "imagent",
    "kernelmanagerd",
    "kextd",
    "locationd",
    "loginwindow",
    "mDNSResponder",
    "nsurlsessiond",
    "opendirectoryd",
    "quicklookd",
    "sandboxd",
    "santad",
    "securityd",
    "sharingd",
    "socketfilterfw",
    "symptomsd",
    "syspolicyd",
    "tccd",
];

/// Check Point, Sophos, and others that have their name at the tag's place, with or without a colon.
fn is_appliance(program: &str, text: &str) -> bool {
    const PRODUCTS: &[&str] = &[
        "AlsidForAD",
        "CheckPoint",
        "MSWinEventLog",
        "Semperis.DSP",
        "StealthINTERCEPT",
        "SymantecDLPAlert",
        "SymantecServer",
        "Tenable.ad",
        "Veeam_MP",
    ];
    let first = match program {
        "" => text.split([' ', '\t']).next().unwrap_or(""),
        program => program,
    };
    PRODUCTS.contains(&first)
        || text.starts_with("device=\"SFW\" ")
        || text.starts_with("device_name=\"") && text.contains(" log_id=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_linux_writes_is_foreign() {
        for (program, text, expected) in [
            ("com.apple.xpc.launchd", "Endpoint has been activated", Some("macos")),
            ("socketfilterfw", "Dropbox: Allow TCP LISTEN  (in:0 out:1)", Some("macos")),
            ("kernel", "AppleCamIn::systemWakeCall - messageType = 0xE0000340", Some("macos")),
            ("kernel", "ARPT: 620701.011328: wl0: setup_keepalive", Some("macos")),
            ("kernel", "AppleTalk 0.20 for Linux", None),
            ("kernel", "apple 0003:05AC:0250.0001: input", None),
            ("kernel", "IOAPIC[0]: apic_id 8, version 32", None),
            ("kernel", "device eth0 entered promiscuous mode", None),
            ("", "device=\"SFW\" date=2020-05-18 time=14:38:48", Some("appliance")),
            ("", "device_name=\"XG\" timestamp=\"x\" log_id=\"1\"", Some("appliance")),
            ("CheckPoint", "time=1685993296|hostname=x|product=y", Some("appliance")),
            ("", "CheckPoint 26203 - [sc4s@2620 flags=\"131072\"]", Some("appliance")),
            ("", "StealthINTERCEPT - Authentication Auth failed", Some("appliance")),
            ("x", "CEF:0|a|b|c|d|e|1|src=10.0.0.1", Some("cef or leef")),
            ("", "LEEF:1.0|a|b|c|d|", Some("cef or leef")),
            ("", "OPSWATPC CEF:0|OPSWAT|MSCL|4.16.0|x|y|2|", Some("cef or leef")),
            ("", "Manager 86680 AEM CEF:0|NETSCOUT|x|7|y|z|7|", Some("cef or leef")),
            // A tag says who it was; the text may quote anybody.
            ("bash", "echo CEF:0|a|b|c|d|e|1| > /var/log/syslog", None),
            ("sshd", "Tenable.ad", None),
            ("", "CEF: not the format", None),
            ("", "one two three four CEF:0|a|b|", None),
            ("prog", "level=info msg=\"x\"", None),
            ("", "rm -rf /var/log/syslog", None),
        ] {
            let have = kind(program, text).map(|kind| kind.name);
            assert_eq!(have, expected, "{program}: {text}");
        }
    }

    #[test]
    fn programs_are_sorted() {
        assert!(MACOS_PROGRAMS.is_sorted());
    }
}
