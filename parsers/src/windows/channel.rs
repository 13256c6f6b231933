//! Channels and providers to Sigma services.
//!
//! Source: the services of the Sigma taxonomy and of SigmaHQ's log source mapping, with the channel names that
//! event files really hold.

/// Channel (lower case) to service, sorted by channel.
const SERVICES: &[(&str, &str)] = &[
    ("active directory web services", "active-directory-web-services"),
    ("application", "application"),
    ("dns server", "dns-server"),
    ("microsoft-iis-configuration/operational", "iis-configuration"),
    ("microsoft-servicebus-client", "microsoft-servicebus-client"),
    ("microsoft-servicebus-client/admin", "microsoft-servicebus-client"),
    ("microsoft-servicebus-client/operational", "microsoft-servicebus-client"),
    ("microsoft-windows-appmodel-runtime/admin", "appmodel-runtime"),
    (
        "microsoft-windows-application-experience/program-compatibility-assistant",
        "application-experience",
    ),
    ("microsoft-windows-application-experience/program-telemetry", "application-experience"),
    ("microsoft-windows-applocker/exe and dll", "applocker"),
    ("microsoft-windows-applocker/msi and script", "applocker"),
    ("microsoft-windows-applocker/packaged app-deployment", "applocker"),
    ("microsoft-windows-applocker/packaged app-execution", "applocker"),
    ("microsoft-windows-appxdeploymentserver/operational", "appxdeployment-server"),
    ("microsoft-windows-appxpackaging/operational", "appxpackaging-om"),
    ("microsoft-windows-bitlocker/bitlocker management", "bitlocker"),
    ("microsoft-windows-bits-client/operational", "bits-client"),
    ("microsoft-windows-capi2/operational", "capi2"),
    (
        "microsoft-windows-certificateservicesclient-lifecycle-system/operational",
        "certificateservicesclient-lifecycle-system",
    ),
    ("microsoft-windows-codeintegrity/operational", "codeintegrity-operational"),
    ("microsoft-windows-dhcp-server/operational", "dhcp"),
    ("microsoft-windows-diagnosis-scripted/operational", "diagnosis-scripted"),
    ("microsoft-windows-dns client events/operational", "dns-client"),
    ("microsoft-windows-dns-client/operational", "dns-client"),
    ("microsoft-windows-dns-server/analytical", "dns-server-analytic"),
    ("microsoft-windows-dns-server/audit", "dns-server-audit"),
    ("microsoft-windows-dnsserver/analytical", "dns-server-analytic"),
    ("microsoft-windows-dnsserver/audit", "dns-server-audit"),
    ("microsoft-windows-driverframeworks-usermode/operational", "driver-framework"),
    ("microsoft-windows-hyper-v-worker", "hyper-v-worker"),
    ("microsoft-windows-hyper-v-worker-admin", "hyper-v-worker"),
    ("microsoft-windows-hyper-v-worker-operational", "hyper-v-worker"),
    ("microsoft-windows-kernel-eventtracing", "kernel-event-tracing"),
    ("microsoft-windows-kernel-eventtracing/admin", "kernel-event-tracing"),
    ("microsoft-windows-kernel-shimengine/diagnostic", "kernel-shimengine"),
    ("microsoft-windows-kernel-shimengine/operational", "kernel-shimengine"),
    ("microsoft-windows-ldap-client/debug", "ldap"),
    ("microsoft-windows-lsa/operational", "lsa-server"),
    ("microsoft-windows-ntfs/operational", "ntfs"),
    ("microsoft-windows-ntlm/operational", "ntlm"),
    ("microsoft-windows-powershell/operational", "powershell"),
    ("microsoft-windows-printservice/admin", "printservice-admin"),
    ("microsoft-windows-printservice/operational", "printservice-operational"),
    ("microsoft-windows-security-mitigations/kernel mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/user mode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/kernelmode", "security-mitigations"),
    ("microsoft-windows-security-mitigations/usermode", "security-mitigations"),
    ("microsoft-windows-sense/operational", "sense"),
    ("microsoft-windows-shell-core/operational", "shell-core"),
    ("microsoft-windows-smbclient/connectivity", "smbclient-connectivity"),
    ("microsoft-windows-smbclient/security", "smbclient-security"),
    ("microsoft-windows-smbserver/connectivity", "smbserver-connectivity"),
    ("microsoft-windows-sysmon/operational", "sysmon"),
    ("microsoft-windows-taskscheduler/operational", "taskscheduler"),
    (
        "microsoft-windows-terminalservices-localsessionmanager/operational",
        "terminalservices-localsessionmanager",
    ),
    ("microsoft-windows-vhdmp/operational", "vhdmp"),
    ("microsoft-windows-windows defender/operational", "windefend"),
    ("microsoft-windows-windows firewall with advanced security/firewall", "firewall-as"),
    ("microsoft-windows-wmi-activity/operational", "wmi"),
    ("msexchange management", "msexchange-management"),
    ("openssh/operational", "openssh"),
    ("powershellcore/operational", "powershell"),
    ("security", "security"),
    ("system", "system"),
    ("windows powershell", "powershell-classic"),
];

/// Services that are known under a second name, in rules or in other engines' mappings.
const SECOND_NAMES: &[(&str, &str)] =
    &[("ldap", "ldap_debug"), ("microsoft-servicebus-client", "servicebus-client")];

/// Provider (lower case) to service, where a provider writes to one channel only.
const PROVIDERS: &[(&str, &str)] = &[
    ("linux-sysmon", "sysmon"),
    ("microsoft-windows-bits-client", "bits-client"),
    ("microsoft-windows-codeintegrity", "codeintegrity-operational"),
    ("microsoft-windows-dns-client", "dns-client"),
    ("microsoft-windows-powershell", "powershell"),
    ("microsoft-windows-security-auditing", "security"),
    ("microsoft-windows-sysmon", "sysmon"),
    ("microsoft-windows-taskscheduler", "taskscheduler"),
    ("microsoft-windows-windows defender", "windefend"),
    ("microsoft-windows-wmi-activity", "wmi"),
    ("powershell", "powershell-classic"),
    ("powershellcore", "powershell"),
    ("service control manager", "system"),
];

/// What Splunk and SigmaHQ's mapping put before a channel.
const PREFIXES: &[&str] = &["xmlwineventlog:", "wineventlog:"];

/// Whether the text is a channel by what stands before it.
pub(super) fn is_prefixed(source: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        source.get(..prefix.len()).is_some_and(|have| have.eq_ignore_ascii_case(prefix))
    })
}

/// The channel in lower case, without what Splunk puts before it.
pub(super) fn normal(channel: &str) -> String {
    let lower = channel.trim().to_lowercase();
    let bare = PREFIXES.iter().find_map(|prefix| lower.strip_prefix(prefix)).map(str::to_owned);
    bare.unwrap_or(lower)
}

/// The service of a channel in lower case.
pub(super) fn service(channel: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(name, _)| *name == channel).map(|(_, service)| *service)
}

/// The service of a provider that writes to one channel only.
pub(super) fn service_of_provider(provider: &str) -> Option<&'static str> {
    PROVIDERS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(provider.trim()))
        .map(|(_, service)| *service)
}

/// The other name of a service.
pub(super) fn second_name(service: &str) -> Option<&'static str> {
    SECOND_NAMES.iter().find(|(name, _)| *name == service).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_channels_in_any_case_and_with_prefixes() {
        for (channel, expected) in [
            ("Security", Some("security")),
            ("security", Some("security")),
            ("XmlWinEventLog:Microsoft-Windows-Sysmon/Operational", Some("sysmon")),
            ("WinEventLog:Windows PowerShell", Some("powershell-classic")),
            ("Microsoft-Windows-DNS-Client/Operational", Some("dns-client")),
            ("Microsoft-Windows-DNS Client Events/Operational", Some("dns-client")),
            ("Directory Service", None),
        ] {
            assert_eq!(service(&normal(channel)), expected, "{channel}");
        }
        assert!(is_prefixed("WinEventLog:Security"));
        assert!(!is_prefixed("/var/log/x"));
    }

    #[test]
    fn tables_are_in_lower_case_without_repetition() {
        for table in [SERVICES, PROVIDERS] {
            for (index, (name, service)) in table.iter().enumerate() {
                assert_eq!(*name, name.to_lowercase());
                assert_eq!(*service, service.to_lowercase());
                assert!(table[..index].iter().all(|(other, _)| other != name), "{name}");
            }
        }
    }
}
