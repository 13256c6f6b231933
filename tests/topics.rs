//! `sigmund topics` against real Kafka.

use crate::command::{Folder, Ran};
use crate::kafka::broker::Broker;
use crate::kafka::client::unique;
use crate::kafka::honesty::honest_broker;
use insta::assert_snapshot;

/// A folder with a configuration of its own application.
fn folder(bootstrap: &str, application: &str, more: &str) -> Folder {
    let text = format!(
        "application: {application}\nkafka:\n  bootstrap_servers: ['{bootstrap}']\n{more}\
         sources: [{{topics: [{application}-logs]}}]\ncorrelation: {{partitions: 4}}\n"
    );
    Folder::new().file("sigmund.yaml", text)
}

/// What was written, without what differs from run to run.
fn shown(ran: &Ran, bootstrap: &str, application: &str) -> String {
    ran.shown().replace(bootstrap, "[brokers]").replace(application, "[app]")
}

#[test]
fn topics_are_made_and_compared() {
    let Some(broker) = honest_broker() else { return };
    let application = unique("app");
    let folder = folder(broker.bootstrap(), &application, "");
    let run = |args: &[&str]| shown(&folder.run(args), broker.bootstrap(), &application);

    // Sources are of others.
    assert_snapshot!(run(&["topics", "check"]), @r##"
    exit code: 1
    --- stdout
    --- stderr
    error: [app]-logs: there is no such topic (source)
      kafka-topics.sh --bootstrap-server [brokers] --create --topic [app]-logs
    error: [app].detections: there is no such topic (detections)
      sigmund topics create
    error: [app].dead-letters: there is no such topic (dead letters)
      sigmund topics create
    error: [app].sightings: there is no such topic (sightings)
      sigmund topics create
    error: [app].state: there is no such topic (state)
      sigmund topics create
    error: [app].late: there is no such topic (late hits)
      sigmund topics create
    "##);
    assert_snapshot!(run(&["topics", "create", "--replication-factor", "1"]), @r##"
    exit code: 0
    --- stdout
    [app].detections: made
    [app].dead-letters: made
    [app].sightings: made, 4 partitions
    [app].state: made, 4 partitions
    [app].late: made
    --- stderr
    warning: 1 broker and 1 copy of each partition: what is on a broker is lost with it; 3 of each are safe
    "##);
    broker.create_topics(&[(&format!("{application}-logs"), 2, &[])]);
    assert_snapshot!(run(&["topics", "check"]), @r##"
    exit code: 0
    --- stdout
    --- stderr
    6 topics: fine
    "##);
    assert_snapshot!(run(&["topics", "create"]), @r##"
    exit code: 0
    --- stdout
    [app].detections: was there; `sigmund topics check` compares its settings
    [app].dead-letters: was there; `sigmund topics check` compares its settings
    [app].sightings: was there; `sigmund topics check` compares its settings
    [app].state: was there; `sigmund topics check` compares its settings
    [app].late: was there; `sigmund topics check` compares its settings
    --- stderr
    "##);
    assert_snapshot!(run(&["topics", "check", "--set", "correlation.partitions=8"]), @r##"
    exit code: 1
    --- stdout
    --- stderr
    error: [app].sightings: has 4 partitions, but `correlation.partitions` is 8: groups would be looked for in other partitions than they are in; write `correlation.partitions: 4`, or, if nothing in it is needed any more, make it anew
      kafka-topics.sh --bootstrap-server [brokers] --delete --topic [app].sightings && sigmund topics create --set correlation.partitions=8
    error: [app].state: has 4 partitions, but `correlation.partitions` is 8: groups would be looked for in other partitions than they are in; write `correlation.partitions: 4`, or, if nothing in it is needed any more, make it anew
      kafka-topics.sh --bootstrap-server [brokers] --delete --topic [app].state && sigmund topics create --set correlation.partitions=8
    "##);
}

#[test]
fn what_is_wrong_with_topics_is_mended_by_the_commands() {
    let Some(broker) = honest_broker() else { return };
    let application = unique("app");
    let folder = folder(broker.bootstrap(), &application, "");
    broker.create_topics(&[
        (&format!("{application}-logs"), 1, &[]),
        (&format!("{application}.state"), 4, &[("cleanup.policy", "delete")]),
        (&format!("{application}.sightings"), 4, &[("retention.ms", "3600000")]),
        (&format!("{application}.detections"), 4, &[("cleanup.policy", "compact")]),
        (&format!("{application}.dead-letters"), 4, &[]),
        (&format!("{application}.late"), 4, &[]),
    ]);
    let ran = folder.run(&["topics", "check"]);
    assert_snapshot!(shown(&ran, broker.bootstrap(), &application), @r##"
    exit code: 1
    --- stdout
    --- stderr
    error: [app].detections: `cleanup.policy` is `compact`, not `delete`: of records with the same key only the last would be kept
      kafka-configs.sh --bootstrap-server [brokers] --alter --entity-type topics --entity-name [app].detections --add-config cleanup.policy=delete
    error: [app].sightings: keeps records for 1h, less than `correlation.retention` (7d): hits would be lost while the service stands still
      kafka-configs.sh --bootstrap-server [brokers] --alter --entity-type topics --entity-name [app].sightings --add-config retention.ms=604800000
    error: [app].state: `cleanup.policy` is `delete`, not `compact`: state would be lost with time
      kafka-configs.sh --bootstrap-server [brokers] --alter --entity-type topics --entity-name [app].state --add-config cleanup.policy=compact
    error: [app].state: `max.message.bytes` is 1048588: windows of up to 8388608 bytes could not be written, and would hold up all others
      kafka-configs.sh --bootstrap-server [brokers] --alter --entity-type topics --entity-name [app].state --add-config max.message.bytes=8388608
    "##);

    // As a person would: each command, one after the other.
    let mut mended = 0;
    for line in ran.stderr.lines().filter_map(|line| line.strip_prefix("  kafka-configs.sh ")) {
        let own = format!("--bootstrap-server {} ", broker.bootstrap());
        let args: Vec<&str> =
            line.strip_prefix(&own).expect("the broker").split_whitespace().collect();
        broker.tool("configs", &args);
        mended += 1;
    }
    assert_eq!(mended, 4);
    let ran = folder.run(&["topics", "check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn missing_rights_are_mended_by_the_commands_one_by_one() {
    let Some(broker) = Broker::start_with_access_control() else { return };
    let bootstrap = broker.bootstrap_with_passwords();
    let user = |name: &str| {
        format!(
            "  properties:\n    security.protocol: SASL_PLAINTEXT\n    sasl.mechanism: SCRAM-SHA-512\n    \
             sasl.username: {name}\n    sasl.password: {name}-secret\n"
        )
    };
    let admin = folder(bootstrap, "sigmund", &user("admin"));
    broker.create_topics(&[("sigmund-logs", 1, &[])]);
    assert_eq!(admin.run(&["topics", "create"]).code, Some(0));
    let ran = admin.run(&["topics", "check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    let folder = folder(bootstrap, "sigmund", &user("sigmund"));
    let ran = folder.run(&["topics", "check", "--set", "kafka.properties.sasl.password=wrong"]);
    assert!(ran.stderr.contains("correct `sasl.username`") && !ran.stderr.contains("wrong"));
    let ran = folder.run(&["topics", "check"]);
    assert_snapshot!(ran.shown().replace(bootstrap, "[brokers]"), @r##"
    exit code: 1
    --- stdout
    --- stderr
    error: sigmund-logs: may not be seen (source)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Read --topic sigmund-logs
    error: sigmund.detections: may not be seen (detections)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Write --topic sigmund.detections
    error: sigmund.dead-letters: may not be seen (dead letters)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Write --topic sigmund.dead-letters
    error: sigmund.sightings: may not be seen (sightings)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Read --operation Write --topic sigmund.sightings
    error: sigmund.state: may not be seen (state)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Read --operation Write --topic sigmund.state
    error: sigmund.late: may not be seen (late hits)
      kafka-acls.sh --bootstrap-server [brokers] --command-config admin.properties --add --allow-principal User:sigmund --operation Describe --operation Write --topic sigmund.late
    "##);

    // What is seen may still not be read and written.
    let seen = "--add --allow-principal User:sigmund --operation Describe --topic sigmund --resource-pattern-type prefixed";
    broker.tool("acls", &seen.split(' ').collect::<Vec<_>>());
    let own = format!(
        "  kafka-acls.sh --bootstrap-server {bootstrap} --command-config admin.properties "
    );
    let mut said = Vec::new();
    for _ in 0..4 {
        let ran = folder.run(&["topics", "check"]);
        said.extend(
            ran.stderr.lines().filter(|line| !line.starts_with([' ', 'w'])).map(str::to_owned),
        );
        if ran.code == Some(0) {
            break;
        }
        let commands = ran.stderr.lines().filter_map(|line| line.strip_prefix(&*own));
        // The settings need not be seen.
        for command in commands.filter(|command| !command.contains("DescribeConfigs")) {
            broker.tool("acls", &command.split_whitespace().collect::<Vec<_>>());
        }
        said.push(String::new());
    }
    assert_snapshot!(said.join("\n"), @r##"
    error: sigmund-logs: may not be read
    error: sigmund.sightings: may not be read
    error: sigmund.state: may not be read
    error: groups `sigmund.*`: may not be used
    error: transactions `sigmund/*`: may not be opened

    error: sigmund.detections: may not be written
    error: sigmund.dead-letters: may not be written
    error: sigmund.sightings: may not be written
    error: sigmund.state: may not be written
    error: sigmund.late: may not be written

    6 topics: fine
    "##);

    // Nothing was written by all this.
    assert!(broker.consume_committed("sigmund.detections").is_empty());
}

/// What a template means for the rules there are is needed like what is named, and commands are for the same configuration.
#[test]
fn topics_of_templates_are_known_by_the_rules() {
    let Some(broker) = honest_broker() else { return };
    let application = unique("app");
    let rule = |level: &str| {
        format!(
            "title: {level}\nlogsource: {{product: app}}\ndetection:\n  s:\n    f: 1\n  condition: s\nlevel: {level}\n"
        )
    };
    let more = format!(
        "rules: {{paths: [rules]}}\ndetections: {{routes: [{{level: high, topic: '{application}.soar.{{rule.level}}'}}]}}\n"
    );
    let folder = folder(broker.bootstrap(), &application, &more)
        .file("rules/high.yml", rule("high"))
        .file("rules/low.yml", rule("low"));
    std::fs::rename(folder.path("sigmund.yaml"), folder.path("our own.yaml")).expect("renamed");
    let run = |args: &[&str]| shown(&folder.run(args), broker.bootstrap(), &application);
    let set = ["-c", "our own.yaml", "--set", "kafka.properties.sasl.password=secret"];
    let told = run(&[&["topics", "check"], &set[..]].concat());
    let missing = "error: [app].soar.high: there is no such topic (detections)\n  sigmund topics create -c 'our own.yaml' --set 'kafka.properties.sasl.password=…'";
    assert!(told.contains(missing), "{told}");
    assert!(!told.contains("soar.low") && !told.contains("secret"), "{told}");
    let made = run(&[&["topics", "create"], &set[..]].concat());
    assert!(made.contains("[app].soar.high: made\n"), "{made}");
    broker.create_topics(&[(&format!("{application}-logs"), 2, &[])]);
    let told = run(&[&["topics", "check"], &set[..]].concat());
    assert!(told.contains("7 topics: fine"), "{told}");

    // One record that is larger would be in the way of all others.
    broker.tool(
        "configs",
        &[
            "--alter",
            "--entity-type",
            "topics",
            "--entity-name",
            &format!("{application}.soar.high"),
            "--add-config",
            "max.message.bytes=100000",
        ],
    );
    let told = run(&[&["topics", "check"], &set[..]].concat());
    let small = "error: [app].soar.high: `max.message.bytes` is 100000: detections of up to 1000000 bytes could not be written, and would hold up all others\n  kafka-configs.sh --bootstrap-server [brokers] --alter --entity-type topics --entity-name [app].soar.high --add-config max.message.bytes=1048588";
    assert!(told.contains(small), "{told}");
}

#[test]
fn absent_brokers_are_named() {
    let folder = folder("127.0.0.1:1", "sigmund", "");
    assert_snapshot!(folder.run(&["topics", "check"]).shown(), @r##"
    exit code: 2
    --- stdout
    --- stderr
    error: no broker of `127.0.0.1:1` answers: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused; start it, or correct `kafka.bootstrap_servers` or `security.protocol` in `kafka.properties`
    "##);
}
