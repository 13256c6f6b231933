//! What was typed. What it means is in [`crate::plan`].

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use sigmund_engine::correlation::{Emit, Policy};
use sigmund_stream::config::Size;
use std::path::PathBuf;

/// Runs Sigma rules over logs: real logs in, true detections out.
#[derive(Debug, Parser)]
#[command(name = "sigmund", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sigmund hunt /var/log                         hunt with the built-in starter pack
  sigmund hunt logs/ -r sigma/rules -f jsonl    hunt with your rules, one JSON object per detection
  sigmund check sigma/rules                     find mistakes in rules
  sigmund test rules/                           run the tests beside rules
  sigmund parse conn.log                        how a log is read, and which rules could see it

Exit codes: 0 fine, 1 findings (--fail-on, failed tests), 2 the work could not be done.";

/// Options of every command.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Colours and styles
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Only errors on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More about what is done, on stderr
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// No progress bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find what Sigma rules detect in logs
    Hunt(Box<Hunt>),
    /// Run the service: events from Kafka topics in, detections to Kafka topics out
    Run(Box<Run>),
    /// Show how a running service is
    Status(ServiceStatus),
    /// Show the detections of a running service as they are made
    Tail(Tail),
    /// Find mistakes in rules: parse, lint and compile them
    Check(Check),
    /// Run the tests of rules
    Test(Test),
    /// Show how logs are framed, parsed, normalised and routed
    Parse(Parse),
    /// Explain a diagnostic code, or why a rule matches an event or does not
    Explain(Explain),
    /// Look at rules, and publish them to running services
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Show and check the configuration of the service
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make and check the topics that the service needs
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Make shell completions and man pages
    #[command(subcommand)]
    Generate(Generate),
}

/// `sigmund run`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund topics create -c sigmund.yaml         make the topics that are missing
  sigmund run -c sigmund.yaml                   run until SIGTERM
  sigmund run --bootstrap-servers kafka:9092 --topic logs -r rules/
  sigmund run --from '2h ago' -r new-rules/     what these rules would have found, in topics of its own")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) options: ConfigOptions,
    /// Topic to read events from, instead of the sources of the configuration; may be repeated
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub(crate) topics: Vec<String>,
    /// Rule file or directory, instead of those of the configuration; may be repeated
    #[arg(short, long = "rules", value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Replay what came to the topics at or after this time (RFC 3339, a date, or `2h ago`), under a name of its own, and end
    #[arg(long, value_name = "TIME", help_heading = "Replay")]
    pub(crate) from: Option<String>,
    /// Replay only what came before this time
    #[arg(long, value_name = "TIME", requires = "from", help_heading = "Replay")]
    pub(crate) to: Option<String>,
    /// Name of the replay: its topics and groups begin with it [default: `application` of the configuration and `-replay`]
    #[arg(long, value_name = "NAME", requires = "from", help_heading = "Replay")]
    pub(crate) application: Option<String>,
}

/// Where a running service is.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Service")]
pub(crate) struct Connect {
    /// Address of the service, as in its `http.listen`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub(crate) url: String,
    /// The token in its `http.token`, if it has one
    #[arg(long, value_name = "TOKEN", env = "SIGMUND_HTTP__TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Certificates in PEM that vouch for the one of an `https` address [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// `sigmund status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exits with 1 if the service is not ready, and with 2 if it cannot be asked.

Examples:
  sigmund status
  sigmund status -f json | jq '.lanes[].partitions[]'")]
pub(crate) struct ServiceStatus {
    #[command(flatten)]
    pub(crate) connect: Connect,
    /// Format of the status
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table)]
    pub(crate) format: StatusFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// Lines for a person
    Table,
    /// One JSON object
    Json,
}

/// `sigmund tail`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund tail                                  detections of the service on this machine
  sigmund tail --level high -f jsonl | jq .rule.title")]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) connect: Connect,
    /// Only detections of rules of at least this level
    #[arg(long, value_enum)]
    pub(crate) level: Option<Level>,
    /// Format of the detections [default: table on a terminal, otherwise jsonl]
    #[arg(short, long, value_enum)]
    pub(crate) format: Option<TailFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailFormat {
    /// Lines for a person
    Table,
    /// One JSON object per line (docs/detection.schema.json)
    Jsonl,
}

/// Which rules, and what is done to them before they are compiled.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleOptions {
    /// Rule file or directory, `-` for stdin; may be repeated [default: the built-in starter pack]
    #[arg(short, long = "rules", value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Processing pipeline in pySigma's format; may be repeated, applied in order
    #[arg(short, long = "pipeline", value_name = "FILE")]
    pub(crate) pipelines: Vec<PathBuf>,
    /// Value of a placeholder for the `expand` modifier; may be repeated, also for one name
    #[arg(long = "placeholder", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) placeholders: Vec<(String, String)>,
}

/// Which of the rules.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleFilter {
    /// Only rules of at least this level
    #[arg(long, value_enum)]
    pub(crate) level: Option<Level>,
    /// Only rules with one of these tags; `*` stands for anything (`attack.t1059*`)
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
    /// Only rules with one of these statuses
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) status: Vec<Status>,
}

/// How logs are read and which rules see them.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogOptions {
    /// Read every log as this format instead of detecting it
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_format: Option<String>,
    /// Log source that every event has besides its own, e.g. `product=linux,service=auditd`;
    /// may be repeated
    #[arg(long = "logsource", value_name = "KEY=VALUE,…")]
    pub(crate) log_sources: Vec<String>,
    /// Log source mappings in SigmaHQ's format (`tests/thor.yml`); may be repeated
    #[arg(long = "logsource-mapping", value_name = "FILE")]
    pub(crate) log_source_mappings: Vec<PathBuf>,
    /// Time zone of times that name none, e.g. `Europe/Berlin` or `+02:00` [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) assume_zone: Option<String>,
    /// A Sigma field reads only its first native field, no alternates
    #[arg(long)]
    pub(crate) strict_taxonomy: bool,
    /// Every rule sees every event, whatever its log source
    #[arg(long)]
    pub(crate) no_routing: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund hunt /var/log/auth.log
  sigmund hunt evtx/ -r sigma/rules --level high --timeline
  sigmund hunt zeek/*.log.gz -f csv -o detections.csv
  zcat eve.json.gz | sigmund hunt - --summary
  sigmund hunt logs/ --tag attack.t1110* --from 2026-03-01 --to 2026-03-08T12:00:00Z
  sigmund hunt logs/ -r rules/ --fail-on high && echo nothing serious")]
pub(crate) struct Hunt {
    /// Log files, directories or globs; `-` for stdin
    #[arg(value_name = "LOGS", default_value = "-")]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    #[command(flatten)]
    pub(crate) filter: RuleFilter,
    /// Exit with 0 although a rule is broken or a log cannot be read; both are named all the same
    #[arg(long, help_heading = "Detections")]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) log_options: LogOptions,
    /// Format of the detections [default: table on a terminal, otherwise jsonl]
    #[arg(short, long, value_enum, help_heading = "Detections")]
    pub(crate) format: Option<DetectionFormat>,
    /// Only detections in events at or after this time (RFC 3339 or a date)
    #[arg(long, value_name = "TIME", help_heading = "Detections")]
    pub(crate) from: Option<String>,
    /// Only detections in events before this time
    #[arg(long, value_name = "TIME", help_heading = "Detections")]
    pub(crate) to: Option<String>,
    /// One detection for each event at most: of the rule with the highest level, then of the one whose
    /// id comes first. Correlations see all hits all the same
    #[arg(long, help_heading = "Detections")]
    pub(crate) first_match: bool,
    /// Order detections by event time instead of input order
    #[arg(long, help_heading = "Detections")]
    pub(crate) timeline: bool,
    /// Counts per rule instead of single detections, as `table`, `csv`, `json` or `jsonl`
    #[arg(long, help_heading = "Detections", conflicts_with = "timeline")]
    pub(crate) summary: bool,
    /// Which true evaluations of a correlation make an alert: `once` until the condition was false
    /// again, `every` one, or with a quiet period in each group, e.g. `quiet=10m`
    #[arg(long, value_name = "WHEN", default_value = "once", help_heading = "Correlations")]
    pub(crate) alert: Policy,
    /// How long correlations wait for events that come out of order, e.g. `10m`: alerts go out while
    /// logs are read, and later events are left out [default: all logs are put in order first]
    #[arg(long, value_name = "TIME", help_heading = "Correlations")]
    pub(crate) max_lateness: Option<Duration>,
    /// When alerts go out: `final` once nothing can come before, or `early` as soon as nothing can
    /// undo them
    #[arg(long, value_name = "WHEN", default_value = "final", help_heading = "Correlations")]
    pub(crate) emit: Emit,
    /// How much memory the state of correlations may take, e.g. `500M`: beyond it the groups that would
    /// expire first are given up, and an alert says so [default: 2G]
    #[arg(long, value_name = "SIZE", help_heading = "Correlations")]
    pub(crate) max_state: Option<Size>,
    /// Write hits that came too late for correlations to this file, one JSON object per line
    #[arg(long, value_name = "FILE", help_heading = "Correlations", requires = "max_lateness")]
    pub(crate) late: Option<PathBuf>,
    /// Exit with 1 if a rule of at least this level matched
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Detections")]
    pub(crate) fail_on: Option<Level>,
    /// Write the detections to this file
    #[arg(short, long, value_name = "FILE", help_heading = "Detections")]
    pub(crate) output: Option<PathBuf>,
    /// Number of threads [default: one for each core]
    #[arg(short = 'j', long, value_name = "N", help_heading = "Logs")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// A time span in nanoseconds, written as in rules: `90s`, `10m`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duration(pub(crate) i64);

impl std::str::FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = sigmund_sigma::correlation::parse_timespan(text);
        span.map(Self).map_err(|(message, help)| format!("{message}; {help}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DetectionFormat {
    /// Lines for a person, as wide as the terminal
    Table,
    /// One JSON object per line (docs/detection.schema.json)
    Jsonl,
    /// The same objects in one array
    Json,
    /// Comma-separated values with a header
    Csv,
    /// Elastic Common Schema, one object per line
    Ecs,
    /// OCSF Detection Finding, one object per line
    Ocsf,
    /// As Confluent Sigma writes them, one object per line
    Confluent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    Unsupported,
    Deprecated,
    Experimental,
    Test,
    Stable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum FailOn {
    Error,
    Warning,
    Note,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund check rules/
  sigmund check rules/ -f sarif > findings.sarif
  sigmund check my_rule.yml --fix
  sigmund explain unknown-modifier              what a code means")]
pub(crate) struct Check {
    /// Rule files or directories, `-` for stdin [default: .]
    #[arg(value_name = "RULES")]
    pub(crate) rules: Vec<PathBuf>,
    /// Format of the findings [default: full on a terminal, github in GitHub Actions, otherwise
    /// concise]
    #[arg(short, long, value_enum)]
    pub(crate) format: Option<FindingFormat>,
    /// Apply the fixes that are safe, in place
    #[arg(long)]
    pub(crate) fix: bool,
    /// Leave out findings with this code; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// The fields of log sources, in the format of SigmaHQ's `tests/logsource.json`: other fields
    /// are reported
    #[arg(long, value_name = "FILE")]
    pub(crate) taxonomy: Option<PathBuf>,
    /// Exit with 1 if there is a finding of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
    /// Processing pipeline in pySigma's format; may be repeated, applied in order
    #[arg(short, long = "pipeline", value_name = "FILE")]
    pub(crate) pipelines: Vec<PathBuf>,
    /// Value of a placeholder for the `expand` modifier; may be repeated
    #[arg(long = "placeholder", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) placeholders: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingFormat {
    /// With the source text
    Full,
    /// `path:line:column: severity[code]: message`
    Concise,
    /// A JSON array
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// JUnit XML
    Junit,
    /// GitHub workflow commands
    Github,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Two layouts are read: `name.test.yml` beside rules, and SigmaHQ's `regression_tests_path` with
`info.yml` (EVTX and JSON).

  rules: [name.yml]
  tests:
    - name: what it shows
      logsource: {category: process_creation, product: windows}   # optional
      events:
        - {Image: 'C:\\evil.exe'}       # an object, or a raw log line as text, or file: events.log
      expect: [name]                   # file stems, ids, names or titles; [] must stay silent
    - name: what a correlation does
      events:
        - {at: 0s, every: 5s, times: 9, event: {EventID: 4625, …}}   # nine events, from 0 s to 40 s
        - {at: 1m, event: {EventID: 4624, …}}
      until: 10m                       # optional: how long the log goes on
      alert: every                     # optional, as for `hunt --alert`
      expect: [{rule: name, times: 1, group: {TargetUserName: bob}}]

Examples:
  sigmund test rules/
  sigmund test ../sigma -f junit > results.xml")]
pub(crate) struct Test {
    /// Test files, rule files or directories [default: .]
    #[arg(value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,
    /// Format of the results [default: github in GitHub Actions, otherwise text]
    #[arg(short, long, value_enum)]
    pub(crate) format: Option<TestFormat>,
    #[command(flatten)]
    pub(crate) log_options: LogOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// Failures and a summary
    Text,
    /// One JSON object
    Json,
    /// JUnit XML
    Junit,
    /// GitHub workflow commands
    Github,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund parse conn.log auth.log
  sigmund parse Security.evtx -f jsonl | head
  sigmund parse eve.json -r rules/               which rules could see its events")]
pub(crate) struct Parse {
    /// Log files, directories or globs; `-` for stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) logs: Vec<PathBuf>,
    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = ParseFormat::Text)]
    pub(crate) format: ParseFormat,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    #[command(flatten)]
    pub(crate) log_options: LogOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ParseFormat {
    /// A report for people
    Text,
    /// The normalised events, one JSON object per line
    Jsonl,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund explain unknown-modifier
  sigmund explain rules/ssh_root_login.yml --event auth.log
  sigmund explain 'SSH Brute Force' --event auth.log --group src_ip=192.0.2.7   window by window")]
pub(crate) struct Explain {
    /// A diagnostic code, or a rule: its file, id, name or title
    #[arg(value_name = "RULE|CODE")]
    pub(crate) subject: String,
    /// Log file with the event(s) to explain, `-` for stdin; for a correlation also a directory
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    /// Only the record with this number (from 1)
    #[arg(long, value_name = "N")]
    pub(crate) record: Option<u64>,
    /// Of a correlation: only the group with this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) group: Vec<(String, String)>,
    /// Format of the explanation
    #[arg(short, long, value_enum, default_value_t = ExplainFormat::Text)]
    pub(crate) format: ExplainFormat,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    #[command(flatten)]
    pub(crate) log_options: LogOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// A tree for people
    Text,
    /// A JSON array
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List rules: level, title, log source, tags
    List(RulesList),
    /// Show rules as they are compiled
    Show(RulesShow),
    /// The fields that rules read, with the number of rules for each
    Fields(RulesList),
    /// Put rules on the topic that running services read them from
    Publish(RulesPublish),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Rules are checked first. Each becomes one record, known by its id; what is on the topic already is not sent again. The last line says what was done:
`+3 ~1 -2 =40`, new, changed, removed and unchanged rules.

Examples:
  sigmund rules publish rules/ -c sigmund.yaml
  sigmund rules publish rules/ --prune --dry-run   what would be done to make the topic like rules/
  sigmund rules publish new.yml --topic sigmund.rules --bootstrap-servers kafka:9092")]
pub(crate) struct RulesPublish {
    /// Rule files and directories
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) options: ConfigOptions,
    /// The topic, instead of `rules.topic` of the configuration
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// Take rules away that are on the topic and not among these
    #[arg(long)]
    pub(crate) prune: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with 0 even if some rules were refused
    #[arg(long)]
    pub(crate) keep_going: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  sigmund rules list
  sigmund rules list -r sigma/rules --level critical -f json
  sigmund rules fields -r sigma/rules")]
pub(crate) struct RulesList {
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    #[command(flatten)]
    pub(crate) filter: RuleFilter,
    /// Format of the list
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    pub(crate) format: ListFormat,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesShow {
    /// Ids, names, titles or file stems
    #[arg(value_name = "RULE", required = true)]
    pub(crate) subjects: Vec<String>,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Columns for a person
    Table,
    /// A JSON array
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Where the configuration of the service comes from.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigOptions {
    /// Configuration file [default: the nearest `sigmund.yaml` here or above]
    #[arg(short, long, value_name = "FILE", env = "SIGMUND_CONFIG", conflicts_with = "no_config")]
    pub(crate) config: Option<PathBuf>,
    /// Read no configuration files, not even those in /etc and in the home directory
    #[arg(long)]
    pub(crate) no_config: bool,
    /// Set a key, such as `kafka.group_protocol=consumer`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Brokers to ask first, instead of those of the configuration
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub(crate) bootstrap_servers: Vec<String>,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  sigmund config check
  sigmund config show -c /etc/sigmund/config.yaml --set lanes=2
  sigmund config schema > sigmund.schema.json      for completion in an editor")]
pub(crate) enum ConfigCommand {
    /// The configuration that counts, with the origin of each value
    Show {
        #[command(flatten)]
        options: ConfigOptions,
        /// Format of the configuration
        #[arg(short, long, value_enum, default_value_t = ConfigFormat::Yaml)]
        format: ConfigFormat,
    },
    /// Say what is wrong with the configuration
    Check {
        #[command(flatten)]
        options: ConfigOptions,
    },
    /// What can be in a configuration
    Schema {
        /// Format of the schema
        #[arg(short, long, value_enum, default_value_t = SchemaFormat::Json)]
        format: SchemaFormat,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigFormat {
    /// YAML with origins as comments
    Yaml,
    /// One JSON object with `config` and `origins`
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// A JSON schema
    Json,
    /// The documentation (docs/configuration.md)
    Markdown,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  sigmund topics create --bootstrap-servers kafka-1:9092
  sigmund topics check && sigmund run")]
pub(crate) enum TopicsCommand {
    /// Make the topics that are missing; those of sources are never made
    Create {
        #[command(flatten)]
        options: ConfigOptions,
        /// Copies of each partition [default: 3 if there are so many brokers, otherwise 1]
        #[arg(long, value_name = "N")]
        replication_factor: Option<std::num::NonZeroU8>,
    },
    /// Compare the topics that are there with those that the service needs
    Check {
        #[command(flatten)]
        options: ConfigOptions,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Shell completions on stdout
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Man pages: `sigmund.1` on stdout, or one for each command into a directory
    Man {
        /// Where the pages go
        #[arg(value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
    },
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("expected `KEY=VALUE`, such as `lanes=2`, found `{text}`"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("expected `NAME=VALUE`, found `{text}`"))?;
    // `%name%` is how rules write it.
    Ok((name.trim_matches('%').to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}
