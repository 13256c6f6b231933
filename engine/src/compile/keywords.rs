//! The keywords of several buckets together.

use super::as_written::AsWritten;
use super::bucket::Bucket;
use super::literal_set::LiteralSet;
use super::predicate::{Literal, Place};
use std::collections::HashMap;

/// What tells that a keyword rule may match: one of its literals is in the record.
#[derive(Debug)]
pub(crate) struct Keywords {
    /// For folded text.
    pub(crate) folded: LiteralSet,
    /// For text as it is, if it has no character but ASCII letters that folds to one.
    pub(crate) plain: Option<AsWritten>,
    /// Literals that may be in a number of which the record's bytes show another spelling (`1e3` is searched as `1000`).
    pub(crate) numeric: Vec<u32>,
    /// For each literal the rules it is for: (number of the bucket in the list, rule in the bucket).
    pub(crate) rules: Vec<Vec<(u32, u32)>>,
}

impl Keywords {
    /// Those of a list of buckets.
    pub(crate) fn new<'a>(buckets: impl Iterator<Item = &'a Bucket>) -> Self {
        let mut literals: Vec<Literal> = Vec::new();
        let mut rules: Vec<Vec<(u32, u32)>> = Vec::new();
        let mut index: HashMap<&[u8], usize, ahash::RandomState> = HashMap::default();
        for (number, bucket) in (0u32..).zip(buckets) {
            for (text, of) in &bucket.keywords {
                let at = *index.entry(text).or_insert_with(|| {
                    literals.push(Literal::new(Place::Anywhere, text.clone()));
                    rules.push(Vec::new());
                    rules.len() - 1
                });
                rules[at].extend(of.iter().map(|rule| (number, *rule)));
            }
        }
        let plain = AsWritten::new(literals.iter().map(|literal| &*literal.text));
        let is_numeric = |literal: &Literal| {
            literal.text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.'))
        };
        let numbered = literals.iter().zip(0..);
        let numeric = numbered.filter(|(literal, _)| is_numeric(literal)).map(|(_, id)| id);
        let numeric = numeric.collect();
        Self { folded: LiteralSet::new(literals.iter()), plain, numeric, rules }
    }
}
