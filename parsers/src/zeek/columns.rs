//! The columns of Zeek's common logs, for rows that come without a header (the tail of a file, a line in
//! an envelope) and for headers without `#types`.
//!
//! Zeek versions differ in their columns, so a log may have several layouts; a row's layout is the one with its number
//! of columns whose types its cells can have. Names and types as Zeek 2.x to 7.x writes them
//! (docs.zeek.org, log formats).

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a column's cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// `T` or `F`.
    Bool,
    /// count, int, double, interval, port.
    Number,
    /// Epoch seconds.
    Time,
    /// An IP address.
    Address,
    /// Anything else.
    Text,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnType {
    /// Of the cell or of its elements.
    pub(super) scalar: Scalar,
    /// set, vector or table.
    pub(super) multi: bool,
}

impl ColumnType {
    pub(super) const TEXT: Self = Self { scalar: Scalar::Text, multi: false };

    /// From a type in `#types`: `set[string]`, `port` …
    pub(super) fn named(name: &str) -> Self {
        let (multi, name) = match name.split_once('[') {
            Some((_, element)) => (true, element.strip_suffix(']').unwrap_or(element)),
            None => (false, name),
        };
        let scalar = match name {
            "bool" => Scalar::Bool,
            "count" | "int" | "double" | "interval" | "port" => Scalar::Number,
            "time" => Scalar::Time,
            "addr" => Scalar::Address,
            _ => Scalar::Text,
        };
        Self { scalar, multi }
    }

    fn coded(code: u8) -> Self {
        let scalar = match code.to_ascii_lowercase() {
            b'b' => Scalar::Bool,
            b'n' => Scalar::Number,
            b't' => Scalar::Time,
            b'a' => Scalar::Address,
            _ => Scalar::Text,
        };
        Self { scalar, multi: code.is_ascii_uppercase() }
    }

    /// Whether a cell can be of this type. `-` always can.
    fn admits(self, cell: &[u8]) -> bool {
        if cell == b"-" || self.multi {
            return true;
        }
        match self.scalar {
            Scalar::Bool => matches!(cell, b"T" | b"F"),
            Scalar::Number | Scalar::Time => is_number(cell),
            Scalar::Address => cell.iter().any(|byte| matches!(byte, b'.' | b':')),
            Scalar::Text => !cell.is_empty(),
        }
    }
}

/// Whether a cell is a decimal number as Zeek writes them.
pub(super) fn is_number(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'))
}

/// Columns of a log.
#[derive(Debug)]
pub(super) struct Layout {
    /// The log.
    pub(super) path: &'static str,
    /// Names and types.
    pub(super) columns: Vec<(&'static str, ColumnType)>,
}

impl Layout {
    fn admits(&self, cells: &[&[u8]]) -> bool {
        cells.iter().zip(&self.columns).all(|(cell, (_, of))| of.admits(cell))
    }
}

static ALL: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    LAYOUTS
        .iter()
        .map(|(path, spec)| {
            let prefix = if spec.starts_with('@') { CONNECTION } else { "" };
            let columns = prefix
                .split(' ')
                .chain(spec.trim_start_matches('@').split(' '))
                .filter_map(|column| column.split_once(':'))
                .map(|(name, code)| (name, ColumnType::coded(code.as_bytes()[0])))
                .collect();
            Layout { path, columns }
        })
        .collect()
});

static TYPES: LazyLock<HashMap<&'static str, ColumnType, ahash::RandomState>> =
    LazyLock::new(|| {
        let mut types = HashMap::default();
        for layout in ALL.iter() {
            for (name, of) in &layout.columns {
                types.entry(*name).or_insert(*of);
            }
        }
        types
    });

/// The type that a column of this name has in the first log that has one; for headers without `#types`.
pub(super) fn usual_type(path: &str, name: &str) -> ColumnType {
    let own = ALL.iter().filter(|layout| layout.path == path).flat_map(|layout| &layout.columns);
    own.into_iter()
        .find(|(column, _)| *column == name)
        .map(|(_, of)| *of)
        .or_else(|| TYPES.get(name).copied())
        .unwrap_or(ColumnType::TEXT)
}

/// Whether this is a log of Zeek that is known here.
pub(super) fn is_known_path(path: &str) -> bool {
    ALL.iter().any(|layout| layout.path == path) || OTHER_PATHS.contains(&path)
}

/// The layout of a row without header: of the given log, or of any log when none is known.
/// With a known log a row with a foreign number of columns takes the nearest layout.
pub(super) fn layout_of(path: Option<&str>, cells: &[&[u8]]) -> Option<&'static Layout> {
    let of_path = || ALL.iter().filter(|layout| path.is_none_or(|path| layout.path == path));
    let exact =
        of_path().find(|layout| layout.columns.len() == cells.len() && layout.admits(cells));
    if exact.is_some() || path.is_none() {
        return exact;
    }
    of_path()
        .filter(|layout| layout.admits(cells))
        .min_by_key(|layout| layout.columns.len().abs_diff(cells.len()))
}

const CONNECTION: &str = "ts:t uid:s id.orig_h:a id.orig_p:n id.resp_h:a id.resp_p:n";

/// Logs of Zeek without a layout here: their rows need a header.
const OTHER_PATHS: &[&str] = &[
    "arp",
    "bacnet",
    "barnyard2",
    "broker",
    "cluster",
    "conn_long",
    "conn_red",
    "config",
    "dns_red",
    "enip",
    "files_red",
    "ftp_data",
    "http2",
    "http_red",
    "ipsec",
    "known_domains",
    "known_hosts",
    "known_modbus",
    "known_names",
    "known_users",
    "loaded_scripts",
    "modbus_register_change",
    "netcontrol",
    "netcontrol_drop",
    "notice_alarm",
    "ntp_control",
    "open_http",
    "open_ssl",
    "packet_filter",
    "postgresql",
    "profinet",
    "reporter",
    "s7comm",
    "signature",
    "signatures",
    "smb_cmd",
    "ssl_red",
    "stats",
    "stun",
    "telemetry",
    "tftp",
    "traceroute",
    "unknown_protocols",
    "weird_red",
    "weird_stats",
    "wireguard",
];

/// `name:type` with `b` bool, `n` number, `t` time, `a` address, `s` text; capitals for sets and vectors; `@` is [`CONNECTION`].
#[rustfmt::skip]
const LAYOUTS: &[(&str, &str)] = &[
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S ip_proto:n orig_l2_addr:s resp_l2_addr:s"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S ip_proto:n speculative_service:s"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S ip_proto:n"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s missed_bytes:n \
        history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n resp_ip_bytes:n tunnel_parents:S \
        ip_proto:n"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S orig_l2_addr:s resp_l2_addr:s"),
    ("conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n resp_ip_bytes:n \
        tunnel_parents:S"),
    ("dns", "@ proto:s trans_id:n rtt:n query:s qclass:n qclass_name:s qtype:n qtype_name:s \
        rcode:n rcode_name:s AA:b TC:b RD:b RA:b Z:n answers:S TTLs:N rejected:b opcode:n \
        opcode_name:s auth:S addl:S"),
    ("dns", "@ proto:s trans_id:n rtt:n query:s qclass:n qclass_name:s qtype:n qtype_name:s \
        rcode:n rcode_name:s AA:b TC:b RD:b RA:b Z:n answers:S TTLs:N rejected:b opcode:n \
        opcode_name:s original_query:s"),
    ("dns", "@ proto:s trans_id:n rtt:n query:s qclass:n qclass_name:s qtype:n qtype_name:s \
        rcode:n rcode_name:s AA:b TC:b RD:b RA:b Z:n answers:S TTLs:N rejected:b opcode:n \
        opcode_name:s"),
    ("dns", "@ proto:s trans_id:n rtt:n query:s qclass:n qclass_name:s qtype:n qtype_name:s \
        rcode:n rcode_name:s AA:b TC:b RD:b RA:b Z:n answers:S TTLs:N rejected:b"),
    ("dns", "@ proto:s trans_id:n query:s qclass:n qclass_name:s qtype:n qtype_name:s rcode:n \
        rcode_name:s AA:b TC:b RD:b RA:b Z:n answers:S TTLs:N rejected:b"),
    ("http", "@ trans_depth:n method:s host:s uri:s referrer:s version:s user_agent:s origin:s \
        request_body_len:n response_body_len:n status_code:n status_msg:s info_code:n \
        info_msg:s tags:S username:s password:s proxied:S orig_fuids:S orig_filenames:S \
        orig_mime_types:S resp_fuids:S resp_filenames:S resp_mime_types:S"),
    ("http", "@ trans_depth:n method:s host:s uri:s referrer:s version:s user_agent:s \
        request_body_len:n response_body_len:n status_code:n status_msg:s info_code:n \
        info_msg:s tags:S username:s password:s proxied:S orig_fuids:S orig_filenames:S \
        orig_mime_types:S resp_fuids:S resp_filenames:S resp_mime_types:S"),
    ("http", "@ trans_depth:n method:s host:s uri:s referrer:s user_agent:s request_body_len:n \
        response_body_len:n status_code:n status_msg:s info_code:n info_msg:s filename:s \
        tags:S username:s password:s proxied:S orig_fuids:S orig_mime_types:S resp_fuids:S \
        resp_mime_types:S"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S \
        sni_matches_cert:b server_version:n client_version:n client_ciphers:N \
        ssl_client_exts:N ssl_server_exts:N ticket_lifetime_hint:n dh_param_size:n \
        point_formats:N client_curves:N orig_alpn:S client_supported_versions:N \
        server_supported_version:n psk_key_exchange_modes:N client_key_share_groups:N \
        server_key_share_group:n client_comp_methods:N sigalgs:N hashalgs:N ech_kdf_id:n \
        ech_aead_id:n"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S subject:s \
        issuer:s client_subject:s client_issuer:s sni_matches_cert:b"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S \
        sni_matches_cert:b validation_status:s ja3:s ja3s:s"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S subject:s \
        issuer:s sni_matches_cert:b"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S \
        sni_matches_cert:b validation_status:s"),
    ("ssl", "@ version:s cipher:s curve:s server_name:s resumed:b last_alert:s next_protocol:s \
        established:b ssl_history:s cert_chain_fps:S client_cert_chain_fps:S \
        sni_matches_cert:b"),
    ("files", "ts:t fuid:s uid:s id.orig_h:a id.orig_p:n id.resp_h:a id.resp_p:n source:s depth:n \
        analyzers:S mime_type:s filename:s duration:n local_orig:b is_orig:b seen_bytes:n \
        total_bytes:n missing_bytes:n overflow_bytes:n timedout:b parent_fuid:s md5:s sha1:s \
        sha256:s extracted:s extracted_cutoff:b extracted_size:n"),
    ("files", "ts:t fuid:s tx_hosts:A rx_hosts:A conn_uids:S source:s depth:n analyzers:S \
        mime_type:s filename:s duration:n local_orig:b is_orig:b seen_bytes:n total_bytes:n \
        missing_bytes:n overflow_bytes:n timedout:b parent_fuid:s md5:s sha1:s sha256:s \
        extracted:s extracted_cutoff:b extracted_size:n"),
    ("files", "ts:t fuid:s uid:s id.orig_h:a id.orig_p:n id.resp_h:a id.resp_p:n source:s depth:n \
        analyzers:S mime_type:s filename:s duration:n local_orig:b is_orig:b seen_bytes:n \
        total_bytes:n missing_bytes:n overflow_bytes:n timedout:b parent_fuid:s extracted:s \
        extracted_cutoff:b extracted_size:n"),
    ("files", "ts:t fuid:s tx_hosts:A rx_hosts:A conn_uids:S source:s depth:n analyzers:S \
        mime_type:s filename:s duration:n local_orig:b is_orig:b seen_bytes:n total_bytes:n \
        missing_bytes:n overflow_bytes:n timedout:b parent_fuid:s md5:s sha1:s sha256:s \
        extracted:s"),
    ("files", "ts:t fuid:s uid:s id.orig_h:a id.orig_p:n id.resp_h:a id.resp_p:n source:s depth:n \
        analyzers:S mime_type:s filename:s duration:n local_orig:b is_orig:b seen_bytes:n \
        total_bytes:n missing_bytes:n overflow_bytes:n timedout:b parent_fuid:s"),
    ("x509", "ts:t fingerprint:s certificate.version:n certificate.serial:s certificate.subject:s \
        certificate.issuer:s certificate.not_valid_before:t certificate.not_valid_after:t \
        certificate.key_alg:s certificate.sig_alg:s certificate.key_type:s \
        certificate.key_length:n certificate.exponent:s certificate.curve:s san.dns:S \
        san.uri:S san.email:S san.ip:A basic_constraints.ca:b basic_constraints.path_len:n \
        host_cert:b client_cert:b"),
    ("x509", "ts:t id:s certificate.version:n certificate.serial:s certificate.subject:s \
        certificate.issuer:s certificate.not_valid_before:t certificate.not_valid_after:t \
        certificate.key_alg:s certificate.sig_alg:s certificate.key_type:s \
        certificate.key_length:n certificate.exponent:s certificate.curve:s san.dns:S \
        san.uri:S san.email:S san.ip:A basic_constraints.ca:b basic_constraints.path_len:n"),
    ("weird", "@ name:s addl:s notice:b peer:s source:s"),
    ("weird", "@ name:s addl:s notice:b peer:s"),
    ("notice", "@ fuid:s file_mime_type:s file_desc:s proto:s note:s msg:s sub:s src:a dst:a p:n n:n \
        peer_descr:s actions:S email_dest:S suppress_for:n remote_location.country_code:s \
        remote_location.region:s remote_location.city:s remote_location.latitude:n \
        remote_location.longitude:n"),
    ("notice", "@ fuid:s file_mime_type:s file_desc:s proto:s note:s msg:s sub:s src:a dst:a p:n n:n \
        peer_descr:s actions:S email_dest:S suppress_for:n"),
    ("smb_files", "@ fuid:s action:s path:s name:s size:n prev_name:s times.modified:t times.accessed:t \
        times.created:t times.changed:t"),
    ("smb_mapping", "@ path:s service:s native_file_system:s share_type:s"),
    ("dce_rpc", "@ rtt:n named_pipe:s endpoint:s operation:s"),
    ("kerberos", "@ request_type:s client:s service:s success:b error_msg:s from:t till:t cipher:s \
        forwardable:b renewable:b client_cert_subject:s client_cert_fuid:s \
        server_cert_subject:s server_cert_fuid:s"),
    ("ntlm", "@ username:s hostname:s domainname:s server_nb_computer_name:s \
        server_dns_computer_name:s server_tree_name:s success:b"),
    ("rdp", "@ cookie:s result:s security_protocol:s client_channels:S keyboard_layout:s \
        client_build:s client_name:s client_dig_product_id:s desktop_width:n \
        desktop_height:n requested_color_depth:s cert_type:s cert_count:n cert_permanent:b \
        encryption_level:s encryption_method:s"),
    ("ssh", "@ version:n auth_success:b auth_attempts:n direction:s client:s server:s \
        cipher_alg:s mac_alg:s compression_alg:s kex_alg:s host_key_alg:s host_key:s"),
    ("ftp", "@ user:s password:s command:s arg:s mime_type:s file_size:n reply_code:n reply_msg:s \
        data_channel.passive:b data_channel.orig_h:a data_channel.resp_h:a \
        data_channel.resp_p:n fuid:s"),
    ("smtp", "@ trans_depth:n helo:s mailfrom:s rcptto:S date:s from:s to:S cc:S reply_to:s \
        msg_id:s in_reply_to:s subject:s x_originating_ip:a first_received:s \
        second_received:s last_reply:s path:A user_agent:s tls:b fuids:S is_webmail:b"),
    ("smtp", "@ trans_depth:n helo:s mailfrom:s rcptto:S date:s from:s to:S cc:S reply_to:s \
        msg_id:s in_reply_to:s subject:s x_originating_ip:a first_received:s \
        second_received:s last_reply:s path:A user_agent:s tls:b fuids:S"),
    ("dhcp", "ts:t uids:S client_addr:a server_addr:a mac:s host_name:s client_fqdn:s domain:s \
        requested_addr:a assigned_addr:a lease_time:n client_message:s server_message:s \
        msg_types:S duration:n"),
    ("syslog", "@ proto:s facility:s severity:s message:s"),
    ("sip", "@ trans_depth:n method:s uri:s date:s request_from:s request_to:s response_from:s \
        response_to:s reply_to:s call_id:s seq:s subject:s request_path:S response_path:S \
        user_agent:s status_code:n status_msg:s warning:s request_body_len:n \
        response_body_len:n content_type:s"),
    ("snmp", "@ duration:n version:s community:s get_requests:n get_bulk_requests:n \
        get_responses:n set_requests:n display_string:s up_since:t"),
    ("tunnel", "@ tunnel_type:s action:s"),
    ("dpd", "@ proto:s analyzer:s failure_reason:s"),
    ("analyzer", "ts:t cause:s analyzer_kind:s analyzer_name:s uid:s fuid:s id.orig_h:a id.orig_p:n \
        id.resp_h:a id.resp_p:n failure_reason:s failure_data:s"),
    ("pe", "ts:t id:s machine:s compile_ts:t os:s subsystem:s is_exe:b is_64bit:b uses_aslr:b \
        uses_dep:b uses_code_integrity:b uses_seh:b has_import_table:b has_export_table:b \
        has_cert_table:b has_debug_data:b section_names:S"),
    ("software", "ts:t host:a host_p:n software_type:s name:s version.major:n version.minor:n \
        version.minor2:n version.minor3:n version.addl:s unparsed_version:s"),
    ("socks", "@ version:n user:s password:s status:s request.host:a request.name:s request_p:n \
        bound.host:a bound.name:s bound_p:n"),
    ("irc", "@ nick:s user:s command:s value:s addl:s dcc_file_name:s dcc_file_size:n \
        dcc_mime_type:s fuid:s"),
    ("radius", "@ username:s mac:s framed_addr:a tunnel_client:s connect_info:s reply_msg:s result:s \
        ttl:n"),
    ("rfb", "@ client_major_version:s client_minor_version:s server_major_version:s \
        server_minor_version:s authentication_method:s auth:b share_flag:b desktop_name:s \
        width:n height:n"),
    ("mysql", "@ cmd:s arg:s success:b rows:n response:s"),
    ("modbus", "@ tid:n unit:n func:s pdu_type:s exception:s"),
    ("dnp3", "@ fc_request:s fc_reply:s iin:n"),
    ("ntp", "@ version:n mode:n stratum:n poll:n precision:n root_delay:n root_disp:n ref_id:s \
        ref_time:t org_time:t rec_time:t xmt_time:t num_exts:n"),
    ("ldap", "@ message_id:n version:n opcode:s result:s diagnostic_message:s object:s argument:s"),
    ("ldap_search", "@ message_id:n scope:s deref_aliases:s base_object:s result_count:n result:s \
        diagnostic_message:s filter:s attributes:S"),
    ("quic", "@ version:s client_initial_dcid:s client_scid:s server_scid:s server_name:s \
        client_protocol:s history:s"),
    ("websocket", "@ host:s uri:s user_agent:s subprotocol:s client_protocols:S server_extensions:S \
        client_extensions:S"),
    ("redis", "@ cmd.name:s cmd.key:s cmd.value:s success:b reply.value:s"),
    ("mqtt_connect", "@ proto_name:s proto_version:s client_id:s connect_status:s will_topic:s \
        will_payload:s"),
    ("mqtt_publish", "@ from_client:b retain:b qos:s status:s topic:s payload:s payload_len:n"),
    ("mqtt_subscribe", "@ action:s topics:S qos_levels:N granted_qos_level:n ack:b"),
    ("intel", "@ seen.indicator:s seen.indicator_type:s seen.where:s seen.node:s matched:S \
        sources:S fuid:s file_mime_type:s file_desc:s"),
    ("ocsp", "ts:t id:s hashAlgorithm:s issuerNameHash:s issuerKeyHash:s serialNumber:s \
        certStatus:s revoketime:t revokereason:s thisUpdate:t nextUpdate:t"),
    ("known_certs", "ts:t host:a port_num:n subject:s issuer_subject:s serial:s"),
    ("known_services", "ts:t host:a port_num:n port_proto:s service:S"),
    ("capture_loss", "ts:t ts_delta:n peer:s gaps:n acks:n percent_lost:n"),
    ("open_conn", "@ proto:s service:s duration:n orig_bytes:n resp_bytes:n conn_state:s local_orig:b \
        local_resp:b missed_bytes:n history:s orig_pkts:n orig_ip_bytes:n resp_pkts:n \
        resp_ip_bytes:n tunnel_parents:S"),
];
