//! What an event says that both ECS and OCSF have names for.

use super::{HOST_FIELDS, Hit};

/// The names under which logs say who is concerned, and where that user is known.
const USER_FIELDS: &[(&str, Option<&str>)] = &[
    ("user.name", Some("user.domain")),
    ("User", None),
    ("user", None),
    ("TargetUserName", Some("TargetDomainName")),
    ("SubjectUserName", Some("SubjectDomainName")),
];

/// The names under which logs say who opened a connection.
const SOURCE: EndpointFields = EndpointFields {
    ip: &["source.ip", "id.orig_h", "src_ip", "SourceIp", "SourceAddress", "IpAddress", "srcip"],
    port: &["source.port", "id.orig_p", "src_port", "SourcePort", "srcport"],
};

/// The names under which logs say whom a connection was opened to.
const DESTINATION: EndpointFields = EndpointFields {
    ip: &[
        "destination.ip",
        "id.resp_h",
        "dst_ip",
        "dest_ip",
        "DestinationIp",
        "DestAddress",
        "dstip",
    ],
    port: &[
        "destination.port",
        "id.resp_p",
        "dst_port",
        "dest_port",
        "DestinationPort",
        "DestPort",
        "dstport",
    ],
};

struct EndpointFields {
    ip: &'static [&'static str],
    port: &'static [&'static str],
}

/// What ECS and OCSF say of an event in words of their own.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) host: Option<String>,
    pub(super) user: Option<User>,
    pub(super) process: Process,
    pub(super) parent: Process,
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    pub(super) url: Option<String>,
    pub(super) user_agent: Option<String>,
    /// The name that was asked for.
    pub(super) query: Option<String>,
    pub(super) file: Option<String>,
}

/// Who is concerned.
#[derive(Debug)]
pub(super) struct User {
    pub(super) domain: Option<String>,
    pub(super) name: String,
}

/// A process, or the one that started it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: Option<u64>,
    /// Unlike the process id this is never used again.
    pub(super) uid: Option<String>,
    pub(super) executable: Option<String>,
    pub(super) command_line: Option<String>,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) ip: Option<String>,
    pub(super) port: Option<u16>,
}

impl Facts {
    pub(super) fn of(hit: &Hit<'_>) -> Self {
        // Windows calls the process that creates another one `ProcessId`, and the other one `NewProcessId`.
        let created = hit.field(&["process.pid", "NewProcessId"]);
        let parent: &[&str] = match created {
            Some(_) => &["process.parent.pid", "ParentProcessId", "ProcessId"],
            None => &["process.parent.pid", "ParentProcessId"],
        };
        Self {
            host: hit.field(HOST_FIELDS),
            user: User::of(hit),
            process: Process {
                pid: created.or_else(|| hit.field(&["ProcessId"])).and_then(|text| number(&text)),
                uid: hit.field(&["process.entity_id", "ProcessGuid"]),
                executable: hit.field(&["process.executable", "Image", "NewProcessName"]),
                command_line: hit.field(&[
                    "process.command_line",
                    "CommandLine",
                    "ProcessCommandLine",
                ]),
            },
            parent: Process {
                pid: hit.field(parent).and_then(|text| number(&text)),
                uid: hit.field(&["process.parent.entity_id", "ParentProcessGuid"]),
                executable: hit.field(&[
                    "process.parent.executable",
                    "ParentImage",
                    "ParentProcessName",
                ]),
                command_line: hit.field(&["process.parent.command_line", "ParentCommandLine"]),
            },
            source: Endpoint::of(hit, &SOURCE),
            destination: Endpoint::of(hit, &DESTINATION),
            url: hit.field(&["url.original", "uri", "cs-uri", "c-uri", "url"]),
            user_agent: hit.field(&[
                "user_agent.original",
                "user_agent",
                "cs-user-agent",
                "c-useragent",
            ]),
            query: hit.field(&["dns.question.name", "query", "QueryName"]),
            file: hit.field(&["file.path", "TargetFilename"]),
        }
    }
}

impl User {
    fn of(hit: &Hit<'_>) -> Option<Self> {
        let (text, domain) = USER_FIELDS
            .iter()
            .find_map(|(name, domain)| hit.field(&[name]).map(|text| (text, *domain)))?;
        if let Some((domain, name)) = text.split_once('\\')
            && !domain.is_empty()
            && !name.is_empty()
        {
            return Some(Self { domain: Some(domain.to_owned()), name: name.to_owned() });
        }
        // Windows writes a dash where there is none.
        let domain = domain.and_then(|name| hit.field(&[name])).filter(|domain| domain != "-");
        Some(Self { domain, name: text })
    }
}

impl Process {
    /// What it is called: the end of the path of its file.
    pub(super) fn name(&self) -> Option<&str> {
        self.executable.as_deref().map(file_name)
    }
}

impl Endpoint {
    /// What is called an address may be a name.
    fn of(hit: &Hit<'_>, fields: &EndpointFields) -> Self {
        let is_valid = |ip: &String| ip.parse::<std::net::IpAddr>().is_ok();
        Self {
            ip: hit.field(fields.ip).filter(is_valid),
            port: hit.field(fields.port).and_then(|port| port.parse().ok()),
        }
    }
}

/// The end of a path, of whatever system. All of it if it ends as folders do.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// A number as process ids are written: decimal, or by Windows as `0x1a4`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
