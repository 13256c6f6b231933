//! Alerts of groups, and their ids: the same for the same events, whoever computes them.

use super::alert::{Alert, Reason};
use super::groups::Group;
use super::key::key_texts;
use super::number::Measure;
use super::rule::Node;
use super::sighting::EventRef;
use super::window::{Contributions, rule_bit};
use crate::DetectionId;

/// What a correlation is called in ids: its id, or its name, or its title.
pub(crate) fn rule_identity(node: &Node) -> &str {
    let metadata = &node.rule.metadata;
    metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title)
}

/// The id of the alert of a group: `anchor` is a time, and the how-many-eth of that time.
pub(crate) fn alert_id(node: &Node, key: &[u8], anchor: (i64, u32)) -> DetectionId {
    let (time, number) = (anchor.0.to_le_bytes(), anchor.1.to_le_bytes());
    let parts: [&[u8]; 5] = [rule_identity(node).as_bytes(), &node.hash, key, &time, &number];
    DetectionId::of("correlation", &parts)
}

/// Counts an evaluation that is true.
pub(super) fn anchor(group: &mut Group, time: i64) -> (i64, u32) {
    let last = group.rare().anchor;
    let anchor = if last.0 == time { (time, last.1.saturating_add(1)) } else { (time, 0) };
    group.rare_mut().anchor = anchor;
    anchor
}

/// The alert of a group whose condition holds.
pub(super) fn alert(
    node: &Node,
    at: u32,
    group: &mut Group,
    time: i64,
    value: Option<Measure>,
    events: Contributions,
    trigger: EventRef,
) -> Alert {
    let anchor = anchor(group, time);
    Alert {
        correlation: at,
        id: alert_id(node, &group.key, anchor),
        reason: Reason::Condition,
        group: key_texts(&group.key),
        value,
        time,
        trigger,
        rules: rules_of(&events, node),
        events,
    }
}

/// The references that have a part in these events.
pub(crate) fn rules_of(events: &Contributions, node: &Node) -> Vec<u32> {
    let bits = events.iter().fold(0, |bits, entry| bits | entry.rules);
    (0..node.references.len() as u32).filter(|at| bits & rule_bit(*at) != 0).collect()
}
