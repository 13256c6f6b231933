//! Events of a service to Sigma categories.
//!
//! Source: the Sigma taxonomy, SigmaHQ's log source mapping (registry categories by `EventType`), and
//! Microsoft's documentation of the audit events.

/// What tells apart events of one id.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Action<'a> {
    /// Sysmon's `EventType`: `CreateKey`, `DeleteValue` …
    pub(super) event_type: Option<&'a str>,
    /// Security 4657's `OperationType`: `%%1904` …
    pub(super) operation: Option<&'a str>,
}

/// The categories of an event.
pub(super) fn categories(service: &str, event_id: u16, action: Action<'_>) -> Vec<&'static str> {
    match service {
        "sysmon" => sysmon(event_id, action.event_type),
        "security" => security(event_id, action.operation),
        "powershell" => match event_id {
            4103 => vec!["ps_module"],
            4104 => vec!["ps_script"],
            _ => Vec::new(),
        },
        "powershell-classic" => match event_id {
            400 => vec!["ps_classic_start"],
            600 => vec!["ps_classic_provider_start"],
            800 => vec!["ps_classic_script"],
            _ => Vec::new(),
        },
        "windefend" if is_malware(event_id) => vec!["antivirus"],
        _ => Vec::new(),
    }
}

/// Defender events that carry a threat name or a path.
pub(super) fn is_malware(event_id: u16) -> bool {
    matches!(event_id, 1006..=1012 | 1017..=1019 | 1115..=1117)
}

fn sysmon(event_id: u16, event_type: Option<&str>) -> Vec<&'static str> {
    let one = match event_id {
        1 => "process_creation",
        2 => "file_change",
        3 => "network_connection",
        4 | 16 => "sysmon_status",
        5 => "process_termination",
        6 => "driver_load",
        7 => "image_load",
        8 => "create_remote_thread",
        9 => return vec!["raw_access_thread", "raw_access_read"],
        10 => "process_access",
        11 => "file_event",
        12 => {
            let refined = event_type.and_then(|event_type| {
                let is = |name: &str| event_type.eq_ignore_ascii_case(name);
                if is("CreateKey") {
                    Some("registry_add")
                } else if is("DeleteKey") || is("DeleteValue") {
                    Some("registry_delete")
                } else {
                    None
                }
            });
            return [Some("registry_event"), refined].into_iter().flatten().collect();
        }
        13 => return vec!["registry_event", "registry_set"],
        14 => return vec!["registry_event", "registry_rename"],
        15 => "create_stream_hash",
        17 | 18 => "pipe_created",
        19..=21 => "wmi_event",
        22 => "dns_query",
        23 => "file_delete",
        // The taxonomy and SigmaHQ's mapping differ in the name.
        24 => return vec!["clipboard_capture", "clipboard_change"],
        25 => "process_tampering",
        26 => "file_delete_detected",
        27 => "file_block_executable",
        28 => "file_block_shredding",
        29 => "file_executable_detected",
        255 => "sysmon_error",
        _ => return Vec::new(),
    };
    vec![one]
}

fn security(event_id: u16, operation: Option<&str>) -> Vec<&'static str> {
    match event_id {
        4688 => vec!["process_creation"],
        // A registry value was modified; the object of 4657 is always a value.
        4657 => match operation {
            Some("%%1904") => vec!["registry_event", "registry_set"],
            Some("%%1906") => vec!["registry_event", "registry_delete"],
            _ => vec!["registry_event", "registry_set"],
        },
        5156 => vec!["network_connection"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refines_registry_events_by_their_type() {
        let of = |event_type| categories("sysmon", 12, Action { event_type, operation: None });
        assert_eq!(of(Some("CreateKey")), ["registry_event", "registry_add"]);
        assert_eq!(of(Some("DeleteValue")), ["registry_event", "registry_delete"]);
        assert_eq!(of(Some("INFO")), ["registry_event"]);
        assert_eq!(of(None), ["registry_event"]);
    }

    #[test]
    fn takes_the_id_with_its_service_only() {
        let of = |service, event_id| categories(service, event_id, Action::default());
        assert_eq!(of("security", 4688), ["process_creation"]);
        assert!(of("system", 4688).is_empty());
        assert!(of("security", 1).is_empty());
        assert_eq!(of("powershell", 4104), ["ps_script"]);
        assert_eq!(of("windefend", 1116), ["antivirus"]);
        assert!(of("windefend", 5001).is_empty());
    }
}
