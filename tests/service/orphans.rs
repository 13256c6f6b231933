//! A process with a name that dies when a rebalance has taken a partition from it and not yet given it to another, and comes back at once.

use super::running::{Application, PATIENCE, Running, Waiting};
use crate::kafka::honesty::honest_broker;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::collections::BTreeSet;
use std::time::Duration;

/// Waits until that is so.
fn until(what: &str, is_so: &mut dyn FnMut() -> bool) {
    let mut waiting = Waiting::new(PATIENCE);
    while !is_so() {
        assert!(!waiting.is_over(), "it does not come to that: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_nobody_has_is_shared_out_anew() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "orphans", &[("raw", 4)]);
    let raw = application.topic("raw");
    let group = format!("{}.detect", application.name);
    // As far as the group can see it is a process.
    let other = || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .set("client.id", "zz")
            .set("group.id", &group)
            .set("group.instance.id", "zz")
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("heartbeat.interval.ms", "300")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[&raw]).expect("a subscription");
        consumer
    };
    let has = |consumer: &BaseConsumer| {
        consumer.poll(Duration::from_millis(50));
        consumer.assignment().expect("an assignment").count()
    };
    let first = other();
    until("the first has all", &mut || has(&first) == 4);

    // It gives nothing back while it is not asked, so the other must wait.
    std::fs::create_dir(application.folder.join("rules")).expect("a folder");
    let rules = application.folder.join("rules");
    std::fs::write(rules.join("rules.yml"), super::events::rules()).expect("a file");
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\n\
         sources: [{{topics: [{raw}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{partitions: 4}}\n",
        rules.display()
    );
    let mut process = Running::start(&application.config(broker, "a", &more));
    let own = |process: &Running| -> BTreeSet<String> {
        process.partitions().into_iter().filter(|name| name.starts_with(&raw)).collect()
    };
    until("both are members", &mut || {
        assert!(process.ended().is_none(), "{}", process.log());
        let groups = first.fetch_group_list(Some(&group), Duration::from_secs(5));
        groups.is_ok_and(|groups| {
            groups.groups().iter().any(|one| one.state() == "Stable" && one.members().len() == 2)
        })
    });
    assert_eq!(own(&process).len(), 0, "{}", process.log());
    // It dies: nothing of it is heard any more.
    std::mem::forget(first);
    let second = other();
    until("the second life has its part", &mut || has(&second) > 0);
    until("the process has the rest", &mut || {
        assert!(process.ended().is_none(), "{}", process.log());
        own(&process).len() + has(&second) == 4
    });
    assert_eq!(own(&process).len(), 2);
    process.wait_for(&["no process has these partitions"]);
    process.stop();
    application.remove();
}
