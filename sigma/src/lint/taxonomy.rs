//! Which fields a log source has.

use crate::yaml::{self, Node};
use crate::{Diagnostic, LogSource, Span};

/// Fields by log source.
#[derive(Clone, Debug, Default)]
pub struct Taxonomy {
    /// Fields of all log sources of a product.
    common: Vec<(Option<Box<str>>, Vec<String>)>,
    /// Fields of one category or service; several entries of one log source add up.
    entries: Vec<(LogSource, Vec<String>)>,
}

impl Taxonomy {
    /// Reads the format of SigmaHQ's `tests/logsource.json`: under `legit` (and `addon`), by product
    /// (`empty` for none), lists of fields under `common`, `empty`, `category` and `service`.
    ///
    /// # Errors
    /// A diagnostic if the text is not JSON or YAML of this shape.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let error = |span, message: &str| {
            let mut error = Diagnostic::error("invalid-taxonomy", span, message)
                .with_help("give a file in the format of SigmaHQ's `tests/logsource.json`");
            error.source = name.into();
            error
        };
        let mut stream = yaml::parse(text);
        if let Some(mut found) = stream.diagnostics.pop() {
            found.source = name.into();
            return Err(found);
        }
        let Some(document) = stream.documents.first() else {
            return Err(error(Span::default(), "the taxonomy is empty"));
        };
        let root = &document.root;
        if root.get("legit").and_then(Node::mapping).is_none() {
            return Err(error(root.span, "no `legit` mapping in the taxonomy"));
        }
        let mut taxonomy = Self::default();
        for part in ["legit", "addon"] {
            for (product, node) in root.get(part).and_then(Node::mapping).unwrap_or_default() {
                let product = product.text().filter(|product| *product != "empty");
                taxonomy.product(product, node);
            }
        }
        Ok(taxonomy)
    }

    fn product(&mut self, product: Option<&str>, node: &Node) {
        let fields = |node: &Node| -> Vec<String> {
            let members = node.sequence().unwrap_or_default();
            members.iter().filter_map(|member| member.text().map(str::to_owned)).collect()
        };
        if let Some(common) = node.get("common") {
            self.common.push((product.map(Into::into), fields(common)));
        }
        if let Some(only) = node.get("empty") {
            self.entries.push((LogSource::new(product, None, None), fields(only)));
        }
        for (name, list) in node.get("category").and_then(Node::mapping).unwrap_or_default() {
            self.entries.push((LogSource::new(product, name.text(), None), fields(list)));
        }
        for (name, list) in node.get("service").and_then(Node::mapping).unwrap_or_default() {
            self.entries.push((LogSource::new(product, None, name.text()), fields(list)));
        }
    }

    /// Whether a log source is known, with or without fields.
    #[must_use]
    pub fn knows(&self, logsource: &LogSource) -> bool {
        let covers = |entry: &LogSource| {
            entry.product == logsource.product
                && entry.category == logsource.category
                && (entry.service == logsource.service || logsource.category.is_some())
        };
        self.entries.iter().any(|(entry, _)| covers(entry))
    }

    /// The fields of a log source; `None` if it is unknown, or has fields that nobody can list.
    #[must_use]
    pub fn fields(&self, logsource: &LogSource) -> Option<Vec<&str>> {
        let mut fields: Vec<&str> = Vec::new();
        let mut known = false;
        for (entry, list) in &self.entries {
            if entry.product == logsource.product
                && entry.category == logsource.category
                && (entry.service == logsource.service || logsource.category.is_some())
            {
                known = true;
                fields.extend(list.iter().map(String::as_str));
            }
        }
        // An entry without fields stands for a log source whose fields are free.
        if !known || fields.is_empty() {
            return None;
        }
        for (product, list) in &self.common {
            if *product == logsource.product {
                fields.extend(list.iter().map(String::as_str));
            }
        }
        Some(fields)
    }

    /// The categories of Sysmon events on Windows, with the fields of the Sysmon schema 4.90. Those
    /// that Security or ETW events of the same category have are included, and the few that
    /// enrichers add.
    pub(super) fn sysmon() -> Self {
        let split = |fields: &str| fields.split_whitespace().map(str::to_owned).collect();
        let entry = |&(category, fields): &(&str, &str)| {
            (LogSource::new(Some("windows"), Some(category), None), split(fields))
        };
        Self {
            common: vec![(Some("windows".into()), split(SYSMON_COMMON))],
            entries: SYSMON.iter().map(entry).collect(),
        }
    }
}

/// The event's system part, and what every Sysmon event has.
const SYSMON_COMMON: &str = "EventID Provider_Name Channel Computer Security_UserID UtcTime RuleName \
     ProcessGuid ProcessId User Image";

/// By Sysmon's own event descriptions.
const SYSMON: &[(&str, &str)] = &[
    (
        "process_creation",
        "CommandLine Company CurrentDirectory Description FileVersion Hashes IntegrityLevel LogonGuid \
         LogonId OriginalFileName ParentCommandLine ParentImage ParentProcessGuid ParentProcessId \
         ParentUser Product TerminalSessionId GrandParentImage GrandParentCommandLine \
         TokenElevationType MandatoryLabel imphash md5 sha1 sha256 SubjectUserName SubjectUserSid \
         SubjectLogonId",
    ),
    ("process_termination", ""),
    ("file_change", "TargetFilename CreationUtcTime PreviousCreationUtcTime"),
    (
        "network_connection",
        "Protocol Initiated SourceIsIpv6 SourceIp SourceHostname SourcePort SourcePortName \
         DestinationIsIpv6 DestinationIp DestinationHostname DestinationPort DestinationPortName \
         CommandLine ParentImage",
    ),
    ("sysmon_status", "State Version SchemaVersion Configuration ConfigurationFileHash"),
    ("sysmon_error", "ID Description"),
    ("driver_load", "ImageLoaded Hashes Signed Signature SignatureStatus"),
    (
        "image_load",
        "ImageLoaded FileVersion Description Product Company OriginalFileName Hashes Signed \
         Signature SignatureStatus CommandLine",
    ),
    (
        "create_remote_thread",
        "SourceProcessGuid SourceProcessId SourceImage TargetProcessGuid TargetProcessId TargetImage \
         NewThreadId StartAddress StartModule StartFunction SourceUser TargetUser \
         SourceCommandLine SourceParentImage TargetParentImage",
    ),
    ("raw_access_thread", "Device"),
    (
        "process_access",
        "SourceProcessGUID SourceProcessId SourceThreadId SourceImage TargetProcessGUID \
         TargetProcessId TargetImage GrantedAccess CallTrace SourceUser TargetUser SourceCommandLine",
    ),
    ("file_event", "TargetFilename CreationUtcTime ParentImage CommandLine MagicHeader"),
    ("file_rename", "TargetFilename SourceFilename OriginalFileName"),
    ("file_delete", "TargetFilename Hashes IsExecutable Archived CommandLine ParentImage"),
    ("file_block", "TargetFilename Hashes"),
    ("file_executable_detected", "TargetFilename Hashes"),
    ("registry_add", "EventType TargetObject Details"),
    ("registry_set", "EventType TargetObject Details CommandLine ParentImage"),
    ("registry_delete", "EventType TargetObject Details"),
    ("registry_rename", "EventType TargetObject NewName"),
    ("registry_event", "EventType TargetObject Details NewName"),
    ("create_stream_hash", "TargetFilename CreationUtcTime Hash Hashes Contents"),
    ("pipe_created", "EventType PipeName ParentImage"),
    ("wmi_event", "EventType Operation EventNamespace Name Query Type Destination Consumer Filter"),
    ("dns_query", "QueryName QueryStatus QueryResults CommandLine"),
    ("clipboard_capture", "Session ClientInfo Hashes Archived"),
    ("process_tampering", "Type"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_products_categories_and_services() {
        let text = r#"{"legit": {
            "windows": {"common": ["EventID"], "empty": [], "category": {"x": ["A", "B"]}, "service": {"free": []}},
            "empty": {"common": [], "empty": [], "category": {"proxy": ["c-uri"]}, "service": {}}},
            "addon": {"windows": {"category": {"x": ["C"]}}}}"#;
        let taxonomy = Taxonomy::parse("t.json", text).expect("a taxonomy");
        let source = |product, category, service| LogSource::new(product, category, service);
        let fields = taxonomy.fields(&source(Some("windows"), Some("x"), None));
        assert_eq!(fields, Some(vec!["A", "B", "C", "EventID"]));
        assert_eq!(taxonomy.fields(&source(None, Some("proxy"), None)), Some(vec!["c-uri"]));
        assert_eq!(taxonomy.fields(&source(Some("windows"), None, Some("free"))), None);
        assert_eq!(taxonomy.fields(&source(Some("linux"), Some("x"), None)), None);
        assert_eq!(Taxonomy::parse("t", "{}").unwrap_err().code, "invalid-taxonomy");
        assert_eq!(Taxonomy::parse("t", "[").unwrap_err().code, "yaml-syntax");
    }

    #[test]
    fn sysmon_is_built_in() {
        let source = LogSource::new(Some("windows"), Some("process_creation"), None);
        let sysmon = Taxonomy::sysmon();
        let fields = sysmon.fields(&source).expect("known");
        assert!(fields.contains(&"Image") && fields.contains(&"ParentImage"));
    }
}
