//! What comes out: alerts, and when one goes out at all.

use super::number::Measure;
use super::sighting::EventRef;
use super::window::Contributions;
use crate::DetectionId;

/// Which true evaluations of a group's condition go out. What is held back here is still a hit for outer correlations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The first one; the next after the condition was false. A condition is looked at when a hit comes: it became false if it did not
    /// hold at a later hit, or if the group was silent for longer than the timespan.
    #[default]
    Once,
    /// All of them.
    Every,
    /// The first one, and none within so many nanoseconds of event time after it.
    Quiet(i64),
}

impl std::str::FromStr for Policy {
    type Err = String;

    /// `once`, `every`, `quiet=10m`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "once" => Ok(Self::Once),
            None if text == "every" => Ok(Self::Every),
            Some(("quiet", span)) => match sigmund_sigma::correlation::parse_timespan(span) {
                Ok(span) => Ok(Self::Quiet(span)),
                Err((message, help)) => Err(format!("{message}; {help}")),
            },
            _ => Err(format!(
                "`{text}` is not a way to alert; write `once`, `every` or for example `quiet=10m`"
            )),
        }
    }
}

/// Why an alert was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The condition held.
    Condition,
    /// A limit was reached: the state of so many groups and hits was given up, so alerts may be missing.
    StateOverflow {
        /// Whole groups.
        groups: u64,
        /// Single hits.
        hits: u64,
    },
    /// Too many hits waited for the watermark: so many were decided before it came. Events older than those count as late from
    /// then on, whatever lateness is allowed.
    WatermarkForced {
        /// Since the last such alert.
        hits: u64,
    },
}

/// A correlation's condition held.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The correlation, by its index in the set.
    pub correlation: u32,
    /// The same in every run over the same events: made of the rule's id and meaning, the group, and the time of the anchor.
    pub id: DetectionId,
    /// Why.
    pub reason: Reason,
    /// The values of the group, in the order of `group-by`.
    pub group: Vec<Box<str>>,
    /// What the condition compared; `None` for extended conditions over rules.
    pub value: Option<Measure>,
    /// When it became true: the time of the hit, or the end of the window.
    pub time: i64,
    /// The hit that made it true; for what is decided at the end of a window its last hit.
    pub trigger: EventRef,
    /// The hits in the window.
    pub events: Contributions,
    /// The rules that hit, by their place in the correlation's `rules`, ascending.
    pub rules: Vec<u32>,
}

impl Alert {
    /// The order of alerts that one sighting made.
    #[must_use]
    pub fn order(&self) -> (i64, u32, &[Box<str>], DetectionId) {
        (self.time, self.correlation, &self.group, self.id)
    }

    /// The time of the first hit.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.events.iter().next().map_or(self.time, |entry| entry.time)
    }

    /// The time of the last hit.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.events.iter().last().map_or(self.time, |entry| entry.time)
    }
}
