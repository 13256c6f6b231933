//! Elastic Common Schema: one object per line, the detection as an alert.

use super::alert::Behind;
use super::attack::Attack;
use super::facts::Facts;
use super::tree::Tree;
use super::{Buffer, Hit, Subject, json, level_name, rfc3339};
use sigmund_sigma::rule::Level;

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let metadata = hit.rule().metadata();
    let bytes = &mut out.bytes;
    bytes.push(b'{');
    // Every event of ECS has a time: if not its own, then that at which it came.
    if let Some((time, _)) = hit.stamp() {
        json::text("@timestamp", &rfc3339(time), bytes);
    }
    json::key("ecs", bytes);
    bytes.extend_from_slice(b"{\"version\":\"8.17.0\"}");
    json::text("message", &metadata.title, bytes);
    json::key("event", bytes);
    bytes.push(b'{');
    json::text("id", &hit.id().to_string(), bytes);
    json::text("kind", "alert", bytes);
    json::text("provider", "sigmund", bytes);
    json::key("severity", bytes);
    bytes.extend_from_slice(severity(metadata.level).as_bytes());
    if hit.has_event() {
        json::text("original", &hit.record_text(), bytes);
    }
    bytes.push(b'}');
    json::key("rule", bytes);
    bytes.push(b'{');
    json::text("id", hit.rule().id(), bytes);
    json::text("name", &metadata.title, bytes);
    json::optional("description", metadata.description.as_deref(), bytes);
    json::optional("author", metadata.author.as_deref(), bytes);
    json::optional("license", metadata.license.as_deref(), bytes);
    json::optional("reference", metadata.references.first().map(String::as_str), bytes);
    if let Subject::Rule(card) = hit.rule() {
        json::text("category", &card.rule.logsource.to_string(), bytes);
    }
    bytes.push(b'}');
    json::texts("tags", metadata.tags.iter().map(String::as_str), bytes);
    threat(&Attack::of(metadata), bytes);
    let mut tree = Tree::new(bytes);
    tree.text(&["log", "level"], Some(metadata.level.map_or("unknown", level_name)));
    tree.text(&["log", "file", "path"], hit.has_event().then(|| hit.path()));
    write_facts(&Facts::of(hit), &mut tree);
    tree.close();
    // What ECS has no place for.
    json::key("sigma", bytes);
    bytes.push(b'{');
    if hit.has_event() {
        json::key("record", bytes);
        out.number(hit.record());
    }
    let bytes = &mut out.bytes;
    json::key("log_source", bytes);
    super::jsonl::log_source(hit.log_source(), bytes);
    json::key("matched", bytes);
    super::jsonl::matched(hit, bytes);
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        // A field of an index has one type, and names of foreign events are none of its fields.
        alert.write(hit.cut, Behind::Texts, bytes);
    }
    hit.write_assumed(bytes);
    hit.write_cut(bytes);
    bytes.extend_from_slice(b"}}");
}

fn write_facts(facts: &Facts, tree: &mut Tree<'_>) {
    tree.text(&["host", "name"], facts.host.as_deref());
    if let Some(user) = &facts.user {
        tree.text(&["user", "domain"], user.domain.as_deref());
        tree.text(&["user", "name"], Some(&user.name));
    }
    let process = &facts.process;
    tree.number(&["process", "pid"], process.pid);
    tree.text(&["process", "entity_id"], process.uid.as_deref());
    tree.text(&["process", "name"], process.name());
    tree.text(&["process", "executable"], process.executable.as_deref());
    tree.text(&["process", "command_line"], process.command_line.as_deref());
    let parent = &facts.parent;
    tree.number(&["process", "parent", "pid"], parent.pid);
    tree.text(&["process", "parent", "entity_id"], parent.uid.as_deref());
    tree.text(&["process", "parent", "name"], parent.name());
    tree.text(&["process", "parent", "executable"], parent.executable.as_deref());
    tree.text(&["process", "parent", "command_line"], parent.command_line.as_deref());
    tree.text(&["source", "ip"], facts.source.ip.as_deref());
    tree.number(&["source", "port"], facts.source.port.map(u64::from));
    tree.text(&["destination", "ip"], facts.destination.ip.as_deref());
    tree.number(&["destination", "port"], facts.destination.port.map(u64::from));
    tree.text(&["url", "original"], facts.url.as_deref());
    tree.text(&["user_agent", "original"], facts.user_agent.as_deref());
    tree.text(&["dns", "question", "name"], facts.query.as_deref());
    tree.text(&["file", "path"], facts.file.as_deref());
}

/// Tactics, techniques and their parts.
fn threat(attack: &Attack, out: &mut Vec<u8>) {
    if *attack == Attack::default() {
        return;
    }
    let mut techniques: Vec<&str> = Vec::new();
    for technique in &attack.techniques {
        if !techniques.contains(&&*technique.id) {
            techniques.push(&technique.id);
        }
    }
    let mut tree = Tree::new(out);
    tree.text(&["threat", "framework"], Some("MITRE ATT&CK"));
    tree.texts(&["threat", "tactic", "id"], attack.tactics.iter().map(|tactic| &*tactic.id));
    tree.texts(
        &["threat", "tactic", "name"],
        attack.tactics.iter().filter_map(|tactic| tactic.name),
    );
    tree.texts(&["threat", "technique", "id"], techniques.into_iter());
    let parts = attack.techniques.iter().filter_map(|technique| technique.part.as_deref());
    tree.texts(&["threat", "technique", "subtechnique", "id"], parts);
    tree.close();
}

fn severity(level: Option<Level>) -> &'static str {
    match level {
        None | Some(Level::Informational) => "0",
        Some(Level::Low) => "21",
        Some(Level::Medium) => "47",
        Some(Level::High) => "73",
        Some(Level::Critical) => "99",
    }
}
