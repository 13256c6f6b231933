//! What the matcher knows about one route: its buckets and where its fields come from.

use crate::alias::{Pick, Source};
use crate::compile::literal_set::LiteralSet;
use crate::compile::predicate::{Literal, Place};
use crate::ruleset::{BucketRef, RuleSet};
use crate::{Route, Slot};
use std::collections::HashMap;

/// A route, prepared for one rule set.
pub(super) struct Class {
    pub(super) buckets: Vec<BucketRef>,
    /// The numbers of the buckets within the matcher.
    pub(super) numbers: Vec<u32>,
    alias_of: Vec<u16>,
    aliases: Vec<ClassAlias>,
    /// The literals of keyword rules, and for each its (bucket, rule).
    pub(super) keywords: Option<(LiteralSet, Vec<Vec<(u32, u32)>>)>,
    /// Keyword literals that stand in JSON text as they are: no quote, backslash, slash, control or non-ASCII character.
    pub(super) keywords_plain: bool,
}

pub(super) struct ClassAlias {
    pub(super) pick: Pick,
    /// It holds although the event has the native field of its name.
    pub(super) widens: bool,
    pub(super) sources: Vec<ClassSource>,
}

pub(super) enum ClassSource {
    Field(Slot),
    Computed { from: Vec<Option<Slot>>, compute: fn(&[Option<&str>], &mut String) -> bool },
}

const NO_ALIAS: u16 = u16::MAX;

impl Class {
    pub(super) fn new(
        ruleset: &RuleSet,
        route: &Route,
        known: &mut HashMap<BucketRef, u32, ahash::RandomState>,
    ) -> Self {
        let table = ruleset.field_table();
        let mut alias_of = vec![NO_ALIAS; table.len()];
        let mut aliases: Vec<ClassAlias> = Vec::new();
        for alias in route.aliases.iter() {
            let Some(slot) = table.get(&alias.name) else { continue };
            let sources = alias
                .sources
                .iter()
                .filter_map(|source| match source {
                    // A source that is not in the table is a field that no parser was asked for: absent.
                    Source::Field(name) => table.get(name).map(ClassSource::Field),
                    Source::Computed { from, compute, .. } => Some(ClassSource::Computed {
                        from: from.iter().map(|name| table.get(name)).collect(),
                        compute: *compute,
                    }),
                })
                .collect();
            alias_of[slot.0 as usize] = aliases.len() as u16;
            aliases.push(ClassAlias { pick: alias.pick, widens: alias.widens(), sources });
        }
        let buckets = ruleset.buckets_for(route);
        let numbers = buckets
            .iter()
            .map(|bucket| {
                let next = known.len() as u32;
                *known.entry(bucket.clone()).or_insert(next)
            })
            .collect();
        let (mut literals, mut rules): (Vec<Literal>, Vec<Vec<(u32, u32)>>) = Default::default();
        for (bucket, reference) in (0u32..).zip(&buckets) {
            for (text, of) in &ruleset.bucket(reference).keywords {
                let known = literals.iter().position(|literal| literal.text == *text);
                let index = known.unwrap_or_else(|| {
                    literals.push(Literal { place: Place::Anywhere, text: text.clone() });
                    rules.push(Vec::new());
                    literals.len() - 1
                });
                rules[index].extend(of.iter().map(|rule| (bucket, *rule)));
            }
        }
        let plain = |byte: &u8| (b' '..0x7F).contains(byte) && !matches!(byte, b'"' | b'\\' | b'/');
        let keywords_plain = literals.iter().all(|literal| literal.text.iter().all(plain));
        let keywords = (!literals.is_empty()).then(|| (LiteralSet::new(&literals), rules));
        Self { buckets, numbers, alias_of, aliases, keywords, keywords_plain }
    }

    #[inline]
    pub(super) fn alias(&self, slot: Slot) -> Option<&ClassAlias> {
        self.aliases.get(usize::from(*self.alias_of.get(slot.0 as usize)?))
    }
}
