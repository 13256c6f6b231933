//! What a rule's tags say of MITRE ATT&CK.

use sigmund_sigma::rule::Metadata;

/// The tactics of the Enterprise matrix: what tags call them, id, name.
/// `TA0005` was called Defense Evasion until version 19, which has Stealth and Defense Impairment instead.
const TACTICS: &[(&str, &str, &str)] = &[
    ("reconnaissance", "TA0043", "Reconnaissance"),
    ("resource-development", "TA0042", "Resource Development"),
    ("initial-access", "TA0001", "Initial Access"),
    ("execution", "TA0002", "Execution"),
    ("persistence", "TA0003", "Persistence"),
    ("privilege-escalation", "TA0004", "Privilege Escalation"),
    ("stealth", "TA0005", "Stealth"),
    ("defense-evasion", "TA0005", "Defense Evasion"),
    ("defense-impairment", "TA0112", "Defense Impairment"),
    ("credential-access", "TA0006", "Credential Access"),
    ("discovery", "TA0007", "Discovery"),
    ("lateral-movement", "TA0008", "Lateral Movement"),
    ("collection", "TA0009", "Collection"),
    ("command-and-control", "TA0011", "Command and Control"),
    ("exfiltration", "TA0010", "Exfiltration"),
    ("impact", "TA0040", "Impact"),
];

/// A tactic; those of other matrices have no name here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tactic {
    pub(super) id: String,
    pub(super) name: Option<&'static str>,
}

/// A technique, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Technique {
    pub(super) id: String,
    /// With the id of the technique: `T1059.001`.
    pub(super) part: Option<String>,
}

/// Tactics and techniques, each once, in the order of the tags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attack {
    pub(super) tactics: Vec<Tactic>,
    pub(super) techniques: Vec<Technique>,
}

impl Attack {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mut attack = Self::default();
        for tag in &metadata.tags {
            let tag = tag.to_ascii_lowercase();
            let Some(name) = tag.strip_prefix("attack.") else { continue };
            if let Some(tactic) = tactic(name) {
                if attack.tactics.iter().all(|known| known.id != tactic.id) {
                    attack.tactics.push(tactic);
                }
            } else if let Some(technique) = technique(name)
                && !attack.techniques.contains(&technique)
            {
                attack.techniques.push(technique);
            }
        }
        attack
    }
}

fn tactic(name: &str) -> Option<Tactic> {
    // With underlines until Sigma 2.0.
    let dashed = name.replace('_', "-");
    if let Some((_, id, name)) = TACTICS.iter().find(|(known, _, _)| *known == dashed) {
        return Some(Tactic { id: (*id).to_owned(), name: Some(name) });
    }
    name.strip_prefix("ta").filter(|number| is_number(number))?;
    let id = name.to_ascii_uppercase();
    let name = TACTICS.iter().find(|(_, known, _)| *known == id).map(|(_, _, name)| *name);
    Some(Tactic { id, name })
}

fn technique(name: &str) -> Option<Technique> {
    let number = name.strip_prefix('t')?;
    let (whole, part) = match number.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (number, None),
    };
    if !is_number(whole) || !part.is_none_or(is_number) {
        return None;
    }
    Some(Technique { id: format!("T{whole}"), part: part.map(|part| format!("T{whole}.{part}")) })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attack(tags: &[&str]) -> (Vec<String>, Vec<String>) {
        let metadata = Metadata {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Metadata::default()
        };
        let attack = Attack::of(&metadata);
        let tactics = attack.tactics.iter();
        let techniques = attack.techniques.iter();
        (
            tactics.map(|tactic| format!("{} {}", tactic.id, tactic.name.unwrap_or("-"))).collect(),
            techniques
                .map(|known| format!("{} {}", known.id, known.part.as_deref().unwrap_or("-")))
                .collect(),
        )
    }

    #[test]
    fn tags_are_tactics_and_techniques() {
        let (tactics, techniques) = attack(&[
            "attack.defense-evasion",
            "attack.stealth",
            "attack.Initial_Access",
            "attack.ta0011",
            "attack.ta0108",
            "attack.t1136",
            "attack.T1136.001",
            "attack.t1136.001",
            "attack.s0002",
            "attack.g0010",
            "attack.tactic",
            "attack.t",
            "attack.t1.x",
            "car.2016-03-002",
        ]);
        assert_eq!(
            tactics,
            [
                "TA0005 Defense Evasion",
                "TA0001 Initial Access",
                "TA0011 Command and Control",
                "TA0108 -"
            ]
        );
        assert_eq!(techniques, ["T1136 -", "T1136 T1136.001"]);
    }
}
