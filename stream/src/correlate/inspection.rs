//! What windows hold, read from Kafka without belonging to the group.

use super::changelog::{Kept, Marks};
use super::record::{Crossing, Origin};
use crate::plan::Plan;
use crate::rules::Rules;
use anyhow::Context as _;
use sigmund_engine::correlation::{Correlator, EventRef};
use std::collections::HashMap;
use std::sync::Arc;

/// The windows of a partition of hits as whoever takes it over begins with them. `changelog` are the keys and values of its changelog,
/// `hits` the offsets and values of its hits, both in their order and committed. `None` if nothing was ever written.
///
/// # Errors
///
/// The changelog is not what was written.
pub fn windows(
    plan: &Plan,
    rules: &Rules,
    partition: u32,
    exactly_once: bool,
    changelog: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    hits: impl IntoIterator<Item = (u64, Vec<u8>)>,
) -> anyhow::Result<Option<Correlator>> {
    let mut kept = Kept::default();
    for (key, value) in changelog {
        kept.take(&key, value.as_deref());
    }
    let Some(head) = kept.head()? else { return Ok(None) };
    let set = Arc::clone(&rules.correlations);
    let share = (partition, plan.partitions);
    let (mut correlator, _) =
        Correlator::restore(set, plan.policy, plan.limits, plan.options, share, kept.entries())
            .context("the state cannot be read")?;
    let Some(oldest) = head.oldest else { return Ok(Some(correlator)) };
    let mut numbers: HashMap<Origin, u32> = kept.sources()?.into_iter().zip(0..).collect();
    let mut marks = (!exactly_once).then(Marks::default);
    for (offset, value) in hits {
        if !(oldest..head.next).contains(&offset) {
            continue;
        }
        let mut number = |origin: &Origin| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(origin.clone()).or_insert(next)
        };
        match Crossing::read(&value) {
            Ok(Crossing::Sighting(record)) => {
                let source = number(&record.origin);
                let hit = (record.offset, record.event);
                if marks.as_mut().is_some_and(|marks| !marks.pass(source, hit)) {
                    continue;
                }
                let read = rules.correlations.read_sighting(&mut &record.sighting[..]);
                if let Ok(Some(mut sighting)) = read {
                    sighting.event = EventRef { source, record: offset };
                    correlator.readmit(sighting);
                }
            }
            Ok(Crossing::Progress(all)) => {
                for progress in all.iter().filter(|progress| progress.anew) {
                    if let Some(marks) = &mut marks {
                        marks.forget(number(&progress.origin));
                    }
                }
            }
            Err(_) => {}
        }
    }
    Ok(Some(correlator))
}
