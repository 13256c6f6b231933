//! Sigma names for the fields of Windows events as they come from different shippers.
//!
//! Field names of the generic categories follow Sysmon (Sigma taxonomy); the native audit events (4688, 4657, 5156) and
//! Elastic Common Schema say the same in other words.

use super::category::is_malware;
use sigmund_engine::AliasTable;
use sigmund_engine::alias::{Alias, Pick, Source, Which};
use std::sync::{Arc, OnceLock};

/// What decides which aliases an event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Any,
    /// Sysmon events about a file.
    File,
    /// Sysmon 6 and 7.
    Image,
    /// Sysmon 9.
    Device,
    /// Sysmon 12 to 14.
    Registry,
    /// Security 4688.
    Process,
    /// Security 4657.
    RegistryAudit,
    /// Security 5156.
    Connection,
    Security,
    Defender,
    Malware,
}

const GROUPS: &[Group] = &[
    Group::Any,
    Group::File,
    Group::Image,
    Group::Device,
    Group::Registry,
    Group::Process,
    Group::RegistryAudit,
    Group::Connection,
    Group::Security,
    Group::Defender,
    Group::Malware,
];

fn group(service: Option<&str>, event_id: Option<u16>) -> Group {
    match (service, event_id) {
        (Some("sysmon"), Some(2 | 11 | 15 | 23 | 26..=29)) => Group::File,
        (Some("sysmon"), Some(6 | 7)) => Group::Image,
        (Some("sysmon"), Some(9)) => Group::Device,
        (Some("sysmon"), Some(12..=14)) => Group::Registry,
        (Some("security"), Some(4688)) => Group::Process,
        (Some("security"), Some(4657)) => Group::RegistryAudit,
        (Some("security"), Some(5156)) => Group::Connection,
        (Some("security"), _) => Group::Security,
        (Some("windefend"), Some(event_id)) if is_malware(event_id) => Group::Malware,
        (Some("windefend"), _) => Group::Defender,
        _ => Group::Any,
    }
}

fn tables() -> &'static [Arc<AliasTable>] {
    static TABLES: OnceLock<Vec<Arc<AliasTable>>> = OnceLock::new();
    TABLES.get_or_init(|| GROUPS.iter().map(|group| Arc::new(table(*group))).collect())
}

/// The aliases of an event.
pub(super) fn of(service: Option<&str>, event_id: Option<u16>) -> Arc<AliasTable> {
    let group = group(service, event_id);
    let index = GROUPS.iter().position(|have| *have == group).unwrap_or(0);
    Arc::clone(&tables()[index])
}

/// Whether the aliases hang on the number of the event.
pub(super) fn are_own(service: Option<&str>, event_id: Option<u16>) -> bool {
    group(service, event_id) != group(service, None)
}

/// The aliases of all Windows events.
pub(super) fn all() -> Vec<Arc<AliasTable>> {
    tables().to_vec()
}

fn table(group: Group) -> AliasTable {
    let own = match group {
        Group::Any => Vec::new(),
        Group::File => vec![Alias::to("TargetFilename", &["file.path"])],
        Group::Image => vec![
            Alias::to("ImageLoaded", &["file.path", "dll.path"]),
            hashes(&["file.hash.sha1", "file.hash.md5", "file.hash.sha256", "file.pe.imphash"]),
        ],
        Group::Device => vec![Alias::to("Device", &["file.path"])],
        Group::Registry => vec![
            Alias::to("TargetObject", &["registry.path"]),
            Alias::to("Details", &["registry.data.strings"]),
        ],
        Group::Process => process(),
        Group::RegistryAudit => registry_audit(),
        Group::Connection => connection(),
        Group::Security => security(),
        Group::Defender => defender(),
        Group::Malware => {
            let mut aliases = vec![
                Alias::to("Signature", &["ThreatName", "Threat Name"]),
                Alias::with(
                    "Filename",
                    Pick::Alternates,
                    [
                        computed(&["Path"], without_file_prefix, "path without `file:_`"),
                        Source::Field("Path".into()),
                    ],
                ),
            ];
            aliases.extend(defender());
            aliases
        }
    };
    AliasTable::new(own.into_iter().chain(shippers()).chain(ecs()).chain(parameters()))
}

fn computed(
    from: &'static [&'static str],
    compute: fn(&[Option<&str>], &mut String) -> bool,
    what: &'static str,
) -> Source {
    Source::Computed { from, compute, what }
}

/// The fields of `System` under the names of NXLog, Beats, Splunk, Azure and `Get-WinEvent`.
fn shippers() -> Vec<Alias> {
    vec![
        Alias::to("EventID", &["EventCode", "event.code", "Id"]),
        Alias::to("Channel", &["LogName", "EventLog"]),
        Alias::to(
            "Provider_Name",
            &[
                "SourceName",
                "ProviderName",
                "Provider",
                "EventSourceName",
                "event.provider",
                "Source",
            ],
        ),
        Alias::to("SourceName", &["Provider_Name"]),
        Alias::to("Provider_Guid", &["ProviderGuid"]),
        Alias::to(
            "Computer",
            &["ComputerName", "Hostname", "MachineName", "host.name", "host.hostname"],
        ),
        Alias::to(
            "ComputerName",
            &["Computer", "Hostname", "MachineName", "host.name", "host.hostname"],
        ),
        Alias::to("EventRecordID", &["RecordNumber", "RecordId"]),
        Alias::to("Execution_ProcessID", &["ExecutionProcessID"]),
        Alias::to("Execution_ThreadID", &["ExecutionThreadID", "ThreadID"]),
        Alias::to("Security_UserID", &["UserID"]),
        Alias::to("Message", &["message"]),
        Alias::with(
            "Data",
            Pick::First,
            [
                Source::Field("Message".into()),
                Source::Field("message".into()),
                computed(PARAMETERS, joined, "param1 and so on, a line each"),
            ],
        ),
    ]
}

/// What Beats and event XML call the unnamed `Data`, which others keep as one list.
const PARAMETERS: &[&str] = &[
    "param1", "param2", "param3", "param4", "param5", "param6", "param7", "param8", "param9",
    "param10", "param11", "param12", "param13", "param14", "param15", "param16", "param17",
    "param18", "param19", "param20",
];

fn parameters() -> impl Iterator<Item = Alias> {
    PARAMETERS.iter().enumerate().map(|(at, name)| {
        let nth = Source::Element { field: "Data", which: Which::Number(at) };
        Alias::with(name, Pick::First, [nth, insert(at)])
    })
}

/// Elastic Common Schema, for events that an agent or an ingest pipeline renamed.
fn ecs() -> Vec<Alias> {
    vec![
        Alias::to("Image", &["process.executable"]),
        Alias::to("CommandLine", &["process.command_line"]),
        Alias::to("CurrentDirectory", &["process.working_directory"]),
        Alias::to("ParentImage", &["process.parent.executable"]),
        Alias::to("ParentCommandLine", &["process.parent.command_line"]),
        Alias::to(
            "OriginalFileName",
            &["process.pe.original_file_name", "file.pe.original_file_name"],
        ),
        Alias::to("Description", &["process.pe.description", "file.pe.description"]),
        Alias::to("Product", &["process.pe.product", "file.pe.product"]),
        Alias::to("Company", &["process.pe.company", "file.pe.company"]),
        Alias::to("FileVersion", &["process.pe.file_version", "file.pe.file_version"]),
        hashes(&[
            "process.hash.sha1",
            "process.hash.md5",
            "process.hash.sha256",
            "process.pe.imphash",
        ]),
        Alias::to("ProcessGuid", &["process.entity_id"]),
        Alias::to("ProcessId", &["process.pid"]),
        Alias::to("ParentProcessGuid", &["process.parent.entity_id"]),
        Alias::to("ParentProcessId", &["process.parent.pid"]),
        Alias::with("User", Pick::First, [user_ecs()]),
        Alias::to("TargetFilename", &["file.path"]),
        Alias::to("PipeName", &["file.name"]),
        Alias::to("Signed", &["file.code_signature.signed", "dll.code_signature.signed"]),
        Alias::to(
            "Signature",
            &["file.code_signature.subject_name", "dll.code_signature.subject_name"],
        ),
        Alias::to("SignatureStatus", &["file.code_signature.status", "dll.code_signature.status"]),
        Alias::to("TargetObject", &["registry.path"]),
        Alias::to("Details", &["registry.data.strings"]),
        Alias::to("QueryName", &["dns.question.name"]),
        Alias::to("SourceIp", &["source.ip"]),
        Alias::to("SourcePort", &["source.port"]),
        Alias::to("SourceHostname", &["source.domain"]),
        Alias::to("DestinationIp", &["destination.ip"]),
        Alias::to("DestinationPort", &["destination.port"]),
        Alias::to("DestinationHostname", &["destination.domain"]),
        Alias::to("Protocol", &["network.transport"]),
        Alias::with(
            "Initiated",
            Pick::First,
            [computed(&["network.direction"], initiated, "whether the direction is outward")],
        ),
        Alias::to("ScriptBlockText", &["powershell.file.script_block_text"]),
        Alias::to("Payload", &["powershell.command.invocation_details"]),
        Alias::to("ServiceName", &["service.name"]),
    ]
}

fn process() -> Vec<Alias> {
    vec![
        inserted("Image", &["NewProcessName", "New_Process_Name", "process.executable"], 5),
        inserted("CommandLine", &["Process_Command_Line", "process.command_line"], 8),
        inserted(
            "ParentImage",
            &["ParentProcessName", "Creator_Process_Name", "process.parent.executable"],
            13,
        ),
        inserted("NewProcessName", &["New_Process_Name"], 5),
        inserted("ParentProcessName", &["Creator_Process_Name"], 13),
        Alias::with(
            "User",
            Pick::First,
            [
                computed(TARGET_OR_SUBJECT, new_account, "account of the new process"),
                computed(
                    &["user.effective.domain", "user.effective.name"],
                    account,
                    "domain and name of the effective user",
                ),
                computed(
                    &["user.domain", "user.name", "user.id"],
                    account,
                    "domain and name of the user",
                ),
            ],
        ),
        Alias::with(
            "LogonId",
            Pick::First,
            [computed(TARGET_OR_SUBJECT, new_logon, "logon of the new process")],
        ),
        Alias::with(
            "IntegrityLevel",
            Pick::Alternates,
            [
                Source::Field("MandatoryLabel".into()),
                computed(
                    &["MandatoryLabel", "Mandatory_Label"],
                    integrity,
                    "name of the mandatory label",
                ),
                insert(14),
            ],
        ),
        // The native field of this name is the creator's id.
        Alias::with(
            "ProcessId",
            Pick::Alternates,
            [
                Source::Field("ProcessId".into()),
                Source::Field("NewProcessId".into()),
                computed(&["NewProcessId"], decimal, "decimal of the hexadecimal id"),
            ],
        ),
        Alias::with(
            "ParentProcessId",
            Pick::Alternates,
            [
                Source::Field("ProcessId".into()),
                computed(&["ProcessId"], decimal, "decimal of the hexadecimal id"),
            ],
        ),
    ]
}

/// From these fields, or by its place among the values of 4688, which Fluent Bit has as a list without names.
fn inserted(name: &'static str, fields: &[&'static str], place: usize) -> Alias {
    let named = fields.iter().map(|field| Source::Field((*field).into()));
    Alias::with(name, Pick::First, named.chain([insert(place)]))
}

fn insert(place: usize) -> Source {
    Source::Element { field: "StringInserts", which: Which::Number(place) }
}

fn registry_audit() -> Vec<Alias> {
    vec![
        Alias::with(
            "TargetObject",
            Pick::Alternates,
            [
                computed(
                    &["ObjectName", "ObjectValueName"],
                    registry_path,
                    "key with hive name and value name",
                ),
                computed(
                    &["ObjectName", "ObjectValueName"],
                    current_control_set,
                    "the same under `CurrentControlSet`",
                ),
                computed(
                    &["ObjectName", "ObjectValueName"],
                    raw_registry_path,
                    "key and value name",
                ),
            ],
        ),
        Alias::with(
            "Details",
            Pick::Alternates,
            [
                Source::Field("NewValue".into()),
                computed(
                    &["NewValue", "NewValueType"],
                    registry_number,
                    "number as Sysmon writes it",
                ),
            ],
        ),
        // NXLog has a field of its own under this name.
        Alias::with(
            "EventType",
            Pick::Alternates,
            [
                Source::Field("EventType".into()),
                computed(&["OperationType"], registry_operation, "name of the operation"),
            ],
        ),
        Alias::to("Image", &["ProcessName", "process.executable"]),
        Alias::with("User", Pick::First, [subject(), user_ecs()]),
        Alias::to("LogonId", &["SubjectLogonId"]),
    ]
}

fn connection() -> Vec<Alias> {
    vec![
        Alias::with(
            "Image",
            Pick::Alternates,
            [
                Source::Field("Application".into()),
                computed(&["Application"], on_drive, "path on drive `C:`, or of the share"),
                computed(&["Application"], without_device, "path without the device"),
            ],
        ),
        Alias::to("SourceIp", &["SourceAddress", "source.ip"]),
        Alias::to("DestinationIp", &["DestAddress", "destination.ip"]),
        Alias::to("DestinationPort", &["DestPort", "destination.port"]),
        Alias::with(
            "Protocol",
            Pick::Alternates,
            [
                Source::Field("Protocol".into()),
                computed(&["Protocol"], protocol, "name of the protocol"),
            ],
        ),
        Alias::with(
            "Initiated",
            Pick::First,
            [computed(&["Direction"], initiated, "whether the direction is outward")],
        ),
    ]
}

fn security() -> Vec<Alias> {
    vec![
        Alias::to("IpAddress", &["source.ip"]),
        Alias::to("IpPort", &["source.port"]),
        Alias::to("WorkstationName", &["source.domain"]),
        Alias::to("SubjectLogonId", &["winlog.logon.id"]),
        Alias::to("TargetLogonId", &["winlog.logon.id"]),
    ]
}

/// Defender's own names have blanks; rules write them without, or with `_`.
fn defender() -> Vec<Alias> {
    const NAMES: &[(&str, &str, &str)] = &[
        ("Threat Name", "ThreatName", "Threat_Name"),
        ("Threat ID", "ThreatID", "Threat_ID"),
        ("New Value", "NewValue", "New_Value"),
        ("Old Value", "OldValue", "Old_Value"),
        ("Source Name", "SourceName", "Source_Name"),
        ("Source ID", "SourceID", "Source_ID"),
        ("Feature Name", "FeatureName", "Feature_Name"),
        ("Feature ID", "FeatureID", "Feature_ID"),
        ("Process Name", "ProcessName", "Process_Name"),
        ("Product Name", "ProductName", "Product_Name"),
        ("Product Version", "ProductVersion", "Product_Version"),
        ("Detection User", "DetectionUser", "Detection_User"),
        ("Detection ID", "DetectionID", "Detection_ID"),
        ("Severity Name", "SeverityName", "Severity_Name"),
        ("Category Name", "CategoryName", "Category_Name"),
        ("Action Name", "ActionName", "Action_Name"),
        ("Origin Name", "OriginName", "Origin_Name"),
        ("Type Name", "TypeName", "Type_Name"),
        ("Execution Name", "ExecutionName", "Execution_Name"),
        ("Engine Version", "EngineVersion", "Engine_Version"),
        ("Error Code", "ErrorCode", "Error_Code"),
        ("Error Description", "ErrorDescription", "Error_Description"),
        ("Scan Type", "ScanType", "Scan_Type"),
        ("Scan ID", "ScanID", "Scan_ID"),
    ];
    let mut aliases = Vec::with_capacity(2 * NAMES.len());
    for (native, joined, underscored) in NAMES {
        let blank = Source::Field((*native).into());
        let short = Source::Field((*joined).into());
        aliases.push(Alias::with(
            joined,
            Pick::First,
            [blank.clone(), Source::Field((*underscored).into())],
        ));
        aliases.push(Alias::with(underscored, Pick::First, [short, blank]));
    }
    aliases
}

fn subject() -> Source {
    computed(
        &["SubjectDomainName", "SubjectUserName", "SubjectUserSid", "SubjectLogonId"],
        account,
        "domain and name of the subject",
    )
}

/// In 4688 the subject is the account that asked for the process. Where the process runs as another one (services, logons, `runas`),
/// that is the target; else the target is `-`.
const TARGET_OR_SUBJECT: &[&str] = &[
    "TargetDomainName",
    "TargetUserName",
    "TargetUserSid",
    "TargetLogonId",
    "SubjectDomainName",
    "SubjectUserName",
    "SubjectUserSid",
    "SubjectLogonId",
];

fn user_ecs() -> Source {
    computed(&["user.domain", "user.name"], account, "domain and name of the user")
}

fn hashes(from: &'static [&'static str; 4]) -> Alias {
    Alias::with(
        "Hashes",
        Pick::First,
        [computed(from, sysmon_hashes, "hashes as Sysmon writes them")],
    )
}

/// `DOMAIN\name`, or the name alone, from the domain, the name, and where they are known the SID and the logon.
///
/// The event has the computer's account for the system's own ones; Sysmon, and so rules, name those.
fn account(texts: &[Option<&str>], out: &mut String) -> bool {
    let Some(name) = said(texts, 1) else { return false };
    if let Some(known) = well_known(said(texts, 2), said(texts, 3)) {
        out.push_str(known);
        return true;
    }
    if let Some(domain) = said(texts, 0) {
        out.push_str(domain);
        out.push('\\');
    }
    out.push_str(name);
    true
}

/// One of the texts, unless it says that there is none.
fn said<'a>(texts: &[Option<&'a str>], at: usize) -> Option<&'a str> {
    texts.get(at).copied().flatten().filter(|text| !matches!(*text, "" | "-"))
}

/// The name that Sysmon has for the accounts of the system, in English as in most of the world.
fn well_known(sid: Option<&str>, logon: Option<&str>) -> Option<&'static str> {
    const SYSTEM: &str = r"NT AUTHORITY\SYSTEM";
    const LOCAL_SERVICE: &str = r"NT AUTHORITY\LOCAL SERVICE";
    const NETWORK_SERVICE: &str = r"NT AUTHORITY\NETWORK SERVICE";
    match sid {
        Some("S-1-5-18") => return Some(SYSTEM),
        Some("S-1-5-19") => return Some(LOCAL_SERVICE),
        Some("S-1-5-20") => return Some(NETWORK_SERVICE),
        // Windows often leaves the target's SID out; its logon tells as much.
        None | Some("S-1-0-0") => {}
        Some(_) => return None,
    }
    match hexadecimal(logon?)? {
        0x3e7 => Some(SYSTEM),
        0x3e5 => Some(LOCAL_SERVICE),
        0x3e4 => Some(NETWORK_SERVICE),
        _ => None,
    }
}

fn new_account(texts: &[Option<&str>], out: &mut String) -> bool {
    texts.chunks(4).any(|one| account(one, out))
}

fn new_logon(texts: &[Option<&str>], out: &mut String) -> bool {
    let logon = match said(texts, 1) {
        Some(_) => said(texts, 3).or(said(texts, 7)),
        None => said(texts, 7),
    };
    logon.is_some_and(|logon| {
        out.push_str(logon);
        true
    })
}

fn joined(texts: &[Option<&str>], out: &mut String) -> bool {
    for text in texts.iter().flatten() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
    }
    texts.iter().any(Option::is_some)
}

/// `SHA1=…,MD5=…,SHA256=…,IMPHASH=…` in capitals.
fn sysmon_hashes(texts: &[Option<&str>], out: &mut String) -> bool {
    for (name, text) in ["SHA1", "MD5", "SHA256", "IMPHASH"].iter().zip(texts) {
        if let Some(text) = text {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(name);
            out.push('=');
            out.extend(text.chars().map(|letter| letter.to_ascii_uppercase()));
        }
    }
    !out.is_empty()
}

/// Well-known SIDs of mandatory labels ([MS-DTYP] 2.4.2.4) as Sysmon names them. Splunk has `Mandatory Label\High Mandatory Level`.
fn integrity(texts: &[Option<&str>], out: &mut String) -> bool {
    let Some(label) = texts.iter().flatten().next() else { return false };
    let name = match label.strip_prefix("S-1-16-") {
        Some("0") => "Untrusted",
        Some("4096") => "Low",
        Some("8192") => "Medium",
        Some("8448") => "MediumPlus",
        Some("12288") => "High",
        Some("16384") => "System",
        Some("20480") => "ProtectedProcess",
        Some(_) => return false,
        None => {
            let rest = label.strip_prefix(r"Mandatory Label\");
            match rest.and_then(|rest| rest.strip_suffix(" Mandatory Level")) {
                Some(name) => name,
                None => return false,
            }
        }
    };
    out.push_str(name);
    true
}

fn decimal(texts: &[Option<&str>], out: &mut String) -> bool {
    let number = texts.first().copied().flatten().and_then(hexadecimal);
    if let Some(number) = number {
        out.push_str(&number.to_string());
    }
    number.is_some()
}

fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    u64::from_str_radix(digits, 16).ok()
}

/// The directions of 5156 as message codes and words, and those of ECS.
fn initiated(texts: &[Option<&str>], out: &mut String) -> bool {
    let word = match texts.first().copied().flatten() {
        Some("%%14593" | "Outbound" | "outbound" | "egress") => "true",
        Some("%%14592" | "Inbound" | "inbound" | "ingress") => "false",
        _ => return false,
    };
    out.push_str(word);
    true
}

/// IP protocol numbers as Sysmon names them.
fn protocol(texts: &[Option<&str>], out: &mut String) -> bool {
    let name = match texts.first().copied().flatten() {
        Some("6") => "tcp",
        Some("17") => "udp",
        _ => return false,
    };
    out.push_str(name);
    true
}

/// A path of the kernel cut: `harddiskvolume2` and `\windows\x.exe`.
fn device_and_path<'a>(texts: &[Option<&'a str>]) -> Option<(&'a str, &'a str)> {
    const DEVICE: &str = r"\device\";
    let path = texts.first().copied().flatten()?;
    let start = path.get(..DEVICE.len())?;
    let rest = start.eq_ignore_ascii_case(DEVICE).then(|| &path[DEVICE.len()..])?;
    rest.find('\\').map(|end| rest.split_at(end))
}

fn without_device(texts: &[Option<&str>], out: &mut String) -> bool {
    let Some((_, path)) = device_and_path(texts) else { return false };
    out.push_str(path);
    true
}

/// `\device\harddiskvolume2\windows\x.exe` to `C:\windows\x.exe`: the volume's letter is not in the event, but programs that rules name
/// are on that of the system. `\device\mup\server\share\x.exe` to `\\server\share\x.exe`.
fn on_drive(texts: &[Option<&str>], out: &mut String) -> bool {
    const VOLUME: &str = "harddiskvolume";
    let Some((device, path)) = device_and_path(texts) else { return false };
    let device = device.to_ascii_lowercase();
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (&*device, device.strip_prefix(VOLUME)) {
        (_, Some(number)) if is_number(number) => out.push_str("C:"),
        ("mup", _) => out.push('\\'),
        _ => return false,
    }
    out.push_str(path);
    true
}

fn without_file_prefix(texts: &[Option<&str>], out: &mut String) -> bool {
    let Some(path) = texts.first().copied().flatten() else { return false };
    // Several resources stand in one text, separated by `; `; the first is the file.
    out.push_str(path.strip_prefix("file:_").unwrap_or(path));
    true
}

fn raw_registry_path(texts: &[Option<&str>], out: &mut String) -> bool {
    let Some(key) = texts.first().copied().flatten() else { return false };
    out.push_str(key);
    if let Some(value) = texts.get(1).copied().flatten().filter(|value| !value.is_empty()) {
        out.push('\\');
        out.push_str(value);
    }
    true
}

/// `\REGISTRY\MACHINE\…` to `HKLM\…`, `\REGISTRY\USER\…` to `HKU\…`.
fn registry_path(texts: &[Option<&str>], out: &mut String) -> bool {
    const HIVES: &[(&str, &str)] = &[(r"\REGISTRY\MACHINE", "HKLM"), (r"\REGISTRY\USER", "HKU")];
    let Some(key) = texts.first().copied().flatten() else { return false };
    let hive = HIVES.iter().find(|(native, _)| {
        key.get(..native.len()).is_some_and(|start| start.eq_ignore_ascii_case(native))
            && matches!(key.as_bytes().get(native.len()), None | Some(b'\\'))
    });
    let Some((native, short)) = hive else { return raw_registry_path(texts, out) };
    out.push_str(short);
    let rest = Some(&key[native.len()..]);
    raw_registry_path(&[rest, texts.get(1).copied().flatten()], out)
}

/// Sysmon abstracts the control set that is in use; the audit event names it.
fn current_control_set(texts: &[Option<&str>], out: &mut String) -> bool {
    const SET: &str = r"\controlset";
    let mut path = String::new();
    if !registry_path(texts, &mut path) {
        return false;
    }
    let lower = path.to_ascii_lowercase();
    let Some(start) = lower.find(SET) else { return false };
    let digits = start + SET.len();
    if !lower
        .as_bytes()
        .get(digits..digits + 3)
        .is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    {
        return false;
    }
    out.push_str(&path[..start]);
    out.push_str(r"\CurrentControlSet");
    out.push_str(&path[digits + 3..]);
    true
}

/// `1` of type REG_DWORD to `DWORD (0x00000001)`.
fn registry_number(texts: &[Option<&str>], out: &mut String) -> bool {
    let [Some(text), Some(kind)] = texts else { return false };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse::<u64>().ok(),
    };
    let Some(number) = number else { return false };
    match (*kind, u32::try_from(number)) {
        ("%%1876" | "REG_DWORD", Ok(number)) => out.push_str(&format!("DWORD (0x{number:08x})")),
        ("%%1883" | "REG_QWORD", _) => {
            out.push_str(&format!("QWORD (0x{:08x}-0x{:08x})", number >> 32, number & 0xFFFF_FFFF));
        }
        _ => return false,
    }
    true
}

fn registry_operation(texts: &[Option<&str>], out: &mut String) -> bool {
    let name = match texts.first().copied().flatten() {
        // A new value and a changed one are one kind of event for Sysmon.
        Some("%%1904" | "%%1905") => "SetValue",
        Some("%%1906") => "DeleteValue",
        _ => return false,
    };
    out.push_str(name);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(compute: fn(&[Option<&str>], &mut String) -> bool, texts: &[&str]) -> Option<String> {
        let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(*text)).collect();
        let mut out = String::new();
        compute(&texts, &mut out).then_some(out)
    }

    #[test]
    fn computes_names_of_sysmon() {
        let key = r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\x";
        assert_eq!(
            run(registry_path, &[key, "Start"]).as_deref(),
            Some(r"HKLM\SYSTEM\ControlSet001\Services\x\Start")
        );
        assert_eq!(
            run(current_control_set, &[key, "Start"]).as_deref(),
            Some(r"HKLM\SYSTEM\CurrentControlSet\Services\x\Start")
        );
        assert_eq!(run(current_control_set, &[r"\REGISTRY\USER\S-1-5-18\x", "y"]), None);
        assert_eq!(
            run(registry_path, &[r"\REGISTRY\USER\S-1-5-18\x", ""]).as_deref(),
            Some(r"HKU\S-1-5-18\x")
        );
        assert_eq!(run(registry_path, &[r"\REGISTRY\USERS"]).as_deref(), Some(r"\REGISTRY\USERS"));
        assert_eq!(run(registry_number, &["1", "%%1876"]).as_deref(), Some("DWORD (0x00000001)"));
        assert_eq!(run(registry_number, &["x", "%%1873"]), None);
        assert_eq!(run(account, &["CORP", "eve"]).as_deref(), Some(r"CORP\eve"));
        assert_eq!(run(account, &["-", "eve"]).as_deref(), Some("eve"));
        assert_eq!(run(account, &["CORP", "-"]), None);
        assert_eq!(run(account, &["CORP", ""]), None);
        assert_eq!(run(integrity, &["S-1-16-12288"]).as_deref(), Some("High"));
        let label = r"Mandatory Label\System Mandatory Level";
        assert_eq!(run(integrity, &[label]).as_deref(), Some("System"));
        assert_eq!(run(integrity, &["-"]), None);
        assert_eq!(run(decimal, &["0x1570"]).as_deref(), Some("5488"));
        assert_eq!(
            run(without_device, &[r"\device\harddiskvolume4\windows\system32\dns.exe"]).as_deref(),
            Some(r"\windows\system32\dns.exe")
        );
        assert_eq!(run(without_device, &["System"]), None);
        for (path, expected) in [
            (r"\device\harddiskvolume4\windows\x.exe", Some(r"C:\windows\x.exe")),
            (r"\Device\HarddiskVolume12\x.exe", Some(r"C:\x.exe")),
            (r"\device\mup\server\share\x.exe", Some(r"\\server\share\x.exe")),
            (r"\device\harddiskvolumeshadowcopy1\x.exe", None),
            (r"\device\cdrom0\x.exe", None),
            (r"C:\x.exe", None),
            ("System", None),
            ("-", None),
        ] {
            assert_eq!(run(on_drive, &[path]).as_deref(), expected, "{path}");
        }
        assert_eq!(run(sysmon_hashes, &["a1", "b2"]).as_deref(), Some("SHA1=A1,MD5=B2"));
    }

    #[test]
    fn gives_each_kind_its_own_aliases() {
        let process = of(Some("security"), Some(4688));
        assert!(
            matches!(&process.get("Image").unwrap().sources[0], Source::Field(name) if name == "NewProcessName")
        );
        assert!(of(Some("sysmon"), Some(1)).get("Channel").is_some());
        assert!(of(Some("windefend"), Some(5007)).get("Feature_Name").is_some());
        let malware = of(Some("windefend"), Some(1116));
        assert!(
            matches!(&malware.get("Signature").unwrap().sources[0], Source::Field(name) if name == "ThreatName")
        );
    }
}
