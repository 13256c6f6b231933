//! What the matcher knows about one route: its buckets and where its fields come from.

use super::RULE_BITS;
use crate::alias::{Pick, Source, Which};
use crate::compile::bucket::Bucket;
use crate::compile::keywords::Keywords;
use crate::compile::predicate::folded;
use crate::ruleset::{BucketRef, RuleSet};
use crate::{Route, Slot};
use std::collections::HashMap;
use std::sync::Arc;

/// A route, prepared for one rule set.
pub(super) struct Class {
    pub(super) buckets: Vec<Arc<Bucket>>,
    /// Of each bucket the fields, by their places in [`Bucket::fields`], that are not among the computed ones.
    pub(super) native: Vec<Box<[u32]>>,
    pub(super) computed: Box<[Computed]>,
    /// The numbers of the buckets within the matcher.
    pub(super) numbers: Vec<u32>,
    alias_of: Vec<u16>,
    aliases: Vec<ClassAlias>,
    /// The keywords of its buckets, and which of them are those that have some.
    pub(super) keywords: Option<(Arc<Keywords>, Vec<u32>)>,
    /// The folded EventID of its events, if its buckets are those of one.
    pub(super) event_id: Option<Box<[u8]>>,
    /// Tells it from the other classes of the matcher; none if it does not stay.
    pub(super) number: Option<u32>,
}

/// Fields whose values depend on those of the same slots alone.
pub(super) struct Computed {
    /// The fields of each bucket, as in [`Class::native`].
    pub(super) fields: Vec<(u32, u32)>,
    /// The slots.
    pub(super) from: Box<[Slot]>,
    /// Those of the fields that are not computed in an event that has them itself.
    pub(super) natives: Vec<Slot>,
    /// Tells them from all others of the matcher.
    pub(super) number: u64,
}

pub(super) struct ClassAlias {
    pub(super) pick: Pick,
    /// It holds although the event has the native field of its name.
    pub(super) widens: bool,
    pub(super) sources: Vec<ClassSource>,
    /// The slots of all sources that are wanted, if they are alternates and all fields.
    pub(super) only_fields: Option<Box<[Slot]>>,
    /// Whether the first of them is the first source.
    pub(super) first_is_strict: bool,
    /// The wanted slots of all sources, if some are computed and none is an element of several.
    reads: Option<Box<[Slot]>>,
}

pub(super) enum ClassSource {
    Field(Option<Slot>),
    Computed { from: Vec<Option<Slot>>, compute: fn(&[Option<&str>], &mut String) -> bool },
    Element { slot: Option<Slot>, which: ClassWhich },
}

/// As [`Which`], with slots.
#[derive(Clone, Copy)]
pub(super) enum ClassWhich {
    Number(usize),
    Beside(Option<Slot>, &'static str),
}

const NO_ALIAS: u16 = u16::MAX;

impl Class {
    /// `split`: with the rules for the route's EventID only. The number tells it from the matcher's other classes, if it stays.
    pub(super) fn new(
        ruleset: &RuleSet,
        route: &Route,
        split: bool,
        number: Option<u32>,
        known: &mut HashMap<BucketRef, u32, ahash::RandomState>,
    ) -> Self {
        let table = ruleset.field_table();
        let mut alias_of = vec![NO_ALIAS; table.len()];
        let mut aliases: Vec<ClassAlias> = Vec::new();
        for alias in route.aliases.iter() {
            let Some(slot) = table.get(&alias.name) else { continue };
            let sources: Vec<ClassSource> = alias
                .sources
                .iter()
                .map(|source| match source {
                    // A source that is not in the table is a field that no parser was asked for: absent.
                    Source::Field(name) => ClassSource::Field(table.get(name)),
                    Source::Computed { from, compute, .. } => ClassSource::Computed {
                        from: from.iter().map(|name| table.get(name)).collect(),
                        compute: *compute,
                    },
                    Source::Element { field, which } => ClassSource::Element {
                        slot: table.get(field),
                        which: match which {
                            Which::Number(at) => ClassWhich::Number(*at),
                            Which::Beside { names, name } => {
                                ClassWhich::Beside(table.get(names), name)
                            }
                        },
                    },
                })
                .collect();
            alias_of[slot.0 as usize] = aliases.len() as u16;
            let field = |source: &ClassSource| match source {
                ClassSource::Field(slot) => Some(*slot),
                ClassSource::Computed { .. } | ClassSource::Element { .. } => None,
            };
            let fields: Option<Vec<Option<Slot>>> = (alias.pick == Pick::Alternates)
                .then(|| sources.iter().map(field).collect())
                .flatten();
            let first_is_strict =
                fields.as_ref().is_some_and(|fields| matches!(&**fields, [Some(_), ..]));
            let only_fields = fields.map(|fields| fields.into_iter().flatten().collect());
            let (pick, widens) = (alias.pick, alias.widens());
            let reads = reads(&sources);
            aliases.push(ClassAlias { pick, widens, sources, only_fields, first_is_strict, reads });
        }
        // Only digits look the same however they are kept.
        let event_id = route.event_id.as_deref().filter(|_| split);
        let event_id = event_id.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let references = ruleset.buckets_for(route, event_id);
        let buckets: Vec<Arc<Bucket>> =
            references.iter().map(|reference| Arc::clone(ruleset.bucket(reference))).collect();
        let numbers = references
            .iter()
            .map(|bucket| {
                let next = known.len() as u32;
                *known.entry(bucket.clone()).or_insert(next)
            })
            .collect();
        let having: Vec<u32> = (0u32..)
            .zip(&buckets)
            .filter(|(_, bucket)| !bucket.keywords.is_empty())
            .map(|(index, _)| index)
            .collect();
        let keywords = (!having.is_empty()).then(|| {
            let of = having.iter().map(|index| references[*index as usize].clone()).collect();
            (ruleset.keywords(of), having)
        });
        let event_id = event_id.map(folded);
        let (native, computed) = (Vec::new(), Box::default());
        let mut class = Self {
            buckets,
            native,
            computed,
            numbers,
            alias_of,
            aliases,
            keywords,
            event_id,
            number,
        };
        class.part_fields();
        class
    }

    /// Finds the fields that are computed from the same slots. Some of the slots will do: what is remembered together is looked up once.
    fn part_fields(&mut self) {
        let mut computed: Vec<Computed> = Vec::new();
        let mut native = Vec::new();
        for (index, bucket) in (0u32..).zip(&self.buckets) {
            let mut others = Vec::new();
            let fits =
                index >> (u32::BITS - RULE_BITS) == 0 && bucket.rules.len() <= 1 << RULE_BITS;
            for (place, triggers) in (0u32..).zip(&bucket.fields) {
                let alias = self.alias(triggers.field);
                let reads = alias.and_then(|alias| alias.reads.as_deref());
                let number = self.number.filter(|_| fits);
                let (Some(alias), Some(reads), Some(class)) = (alias, reads, number) else {
                    others.push(place);
                    continue;
                };
                let with = computed.iter().position(|known| {
                    let within =
                        |some: &[Slot], all: &[Slot]| some.iter().all(|slot| all.contains(slot));
                    within(reads, &known.from) || within(&known.from, reads)
                });
                let with = with.unwrap_or_else(|| {
                    let number = u64::from(class) << 32 | computed.len() as u64;
                    let (fields, natives) = (Vec::new(), Vec::new());
                    computed.push(Computed { fields, from: Box::default(), natives, number });
                    computed.len() - 1
                });
                let with = &mut computed[with];
                if with.from.len() < reads.len() {
                    with.from = reads.into();
                }
                with.fields.push((index, place));
                if !alias.widens {
                    with.natives.push(triggers.field);
                }
            }
            native.push(others.into());
        }
        (self.native, self.computed) = (native, computed.into());
    }

    #[inline]
    pub(super) fn alias(&self, slot: Slot) -> Option<&ClassAlias> {
        self.aliases.get(usize::from(*self.alias_of.get(slot.0 as usize)?))
    }
}

/// The wanted slots of all sources, if some are computed and none is an element of several.
fn reads(sources: &[ClassSource]) -> Option<Box<[Slot]>> {
    let (mut slots, mut computes) = (Vec::new(), false);
    for source in sources {
        match source {
            ClassSource::Field(slot) => slots.extend(*slot),
            ClassSource::Computed { from, .. } => {
                computes = true;
                slots.extend(from.iter().flatten());
            }
            ClassSource::Element { .. } => return None,
        }
    }
    slots.sort_unstable();
    slots.dedup();
    computes.then(|| slots.into())
}
