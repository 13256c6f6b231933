//! Many literals on one text at once: which of them occur, and where they must.
//!
//! Whole values and starts are a trie walked from the front, ends one walked from the back: a few steps each, whatever
//! the number of literals. Inner literals are found by 4-byte grams: a bitmap says for a position of the text whether
//! any literal has this gram, a bucket then names the literals, which are compared in full. Literals
//! of at least 7 bytes are indexed under four neighbouring grams, so that only every fourth position needs a look. Automata over thousands of
//! literals were slower and larger in every measurement: their tables miss the caches once per byte.

use super::predicate::{Literal, Place};

/// A compiled set. Literal ids are indices into the list it was made from.
#[derive(Debug, Default)]
pub(crate) struct LiteralSet {
    front: Trie,
    back: Trie,
    long: Grams,
    short: Grams,
    /// Inner literals under 4 bytes.
    tiny: Box<[(Box<[u8]>, u32)]>,
}

impl LiteralSet {
    pub(crate) fn new(literals: &[Literal]) -> Self {
        let (mut front, mut back) = (Vec::new(), Vec::new());
        let (mut long, mut short, mut tiny) = (Vec::new(), Vec::new(), Vec::new());
        for (id, literal) in literals.iter().enumerate() {
            let id = id as u32;
            let text = &literal.text;
            match (literal.place, text.len()) {
                (Place::Whole | Place::Start, _) => {
                    front.push((text.to_vec(), id, literal.place == Place::Whole));
                }
                (Place::End, _) => back.push((text.iter().rev().copied().collect(), id, false)),
                (Place::Anywhere, LONG..) => long.push((&**text, id)),
                (Place::Anywhere, 4..) => short.push((&**text, id)),
                (Place::Anywhere, _) => tiny.push((text.clone(), id)),
            }
        }
        let mut counts = GramCounts::default();
        for (text, _) in long.iter().chain(&short) {
            counts.add(text);
        }
        Self {
            front: Trie::new(front),
            back: Trie::new(back),
            long: Grams::new(&long, 4, &counts),
            short: Grams::new(&short, 1, &counts),
            tiny: tiny.into(),
        }
    }

    /// Reports each literal that holds for the folded text; a literal may be reported more than once.
    /// Stops when `hit` says `false`.
    #[inline]
    pub(crate) fn scan(&self, text: &[u8], mut hit: impl FnMut(u32) -> bool) {
        let _ = self.try_scan(text, &mut hit);
    }

    fn try_scan(&self, text: &[u8], hit: &mut impl FnMut(u32) -> bool) -> Option<()> {
        self.front.walk(text.len(), |at| text[at], hit)?;
        self.back.walk(text.len(), |at| text[text.len() - 1 - at], hit)?;
        if !self.long.entries.is_empty() && text.len() >= LONG {
            for (index, gram) in text.chunks_exact(4).enumerate() {
                let gram = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
                if self.long.may_have(gram) {
                    self.long.report(gram, index * 4, text, hit)?;
                }
            }
        }
        if !self.short.entries.is_empty() {
            for (index, gram) in text.windows(4).enumerate() {
                let gram = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
                if self.short.may_have(gram) {
                    self.short.report(gram, index, text, hit)?;
                }
            }
        }
        for (literal, id) in &self.tiny {
            if memchr::memmem::find(text, literal).is_some() && !hit(*id) {
                return None;
            }
        }
        Some(())
    }

    /// Whether any literal holds.
    pub(crate) fn any(&self, text: &[u8]) -> bool {
        let mut found = false;
        self.scan(text, |_| {
            found = true;
            false
        });
        found
    }
}

/// Inner literals from this length on are probed at every fourth position.
const LONG: usize = 7;

/// How often a gram occurs among the literals themselves: what many rules look for (`.exe`, `\win`) is also common in
/// logs, so the rarest gram of a literal is the best one to index.
struct GramCounts(Box<[u16]>);

impl Default for GramCounts {
    fn default() -> Self {
        Self(vec![0; 1 << 14].into())
    }
}

impl GramCounts {
    fn slot(gram: u32) -> usize {
        (gram.wrapping_mul(MIX) >> 18) as usize
    }
    fn add(&mut self, text: &[u8]) {
        for gram in text.windows(4) {
            let gram = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
            let count = &mut self.0[Self::slot(gram)];
            *count = count.saturating_add(1);
        }
    }
    fn get(&self, gram: u32) -> u32 {
        u32::from(self.0[Self::slot(gram)])
    }
}

const MIX: u32 = 0x9E37_79B1;

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    id: u32,
    /// Where the gram is in the literal.
    offset: u32,
    /// The literal in the slab.
    start: u32,
    len: u32,
}

#[derive(Debug, Default)]
struct Grams {
    bits: Box<[u64]>,
    bits_shift: u32,
    heads: Box<[u32]>,
    heads_shift: u32,
    entries: Box<[Entry]>,
    slab: Box<[u8]>,
}

impl Grams {
    fn new(literals: &[(&[u8], u32)], stride: usize, counts: &GramCounts) -> Self {
        if literals.is_empty() {
            return Self::default();
        }
        let grams = literals.len() * stride;
        let bits_log = (grams * 24).next_power_of_two().trailing_zeros().clamp(9, 20);
        let heads_log = (grams * 2).next_power_of_two().trailing_zeros().clamp(3, 18);
        let mut table = Self {
            bits: vec![0; (1 << bits_log) / 64].into(),
            bits_shift: 32 - bits_log,
            heads: vec![0; (1 << heads_log) + 1].into(),
            heads_shift: 32 - heads_log,
            ..Self::default()
        };
        let mut entries: Vec<Entry> = Vec::with_capacity(grams);
        let mut slab: Vec<u8> = Vec::new();
        for (text, id) in literals {
            let gram_at = |at: usize| {
                u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]])
            };
            let last = text.len() - 4 - (stride - 1);
            let rarity =
                |at: usize| -> u32 { (0..stride).map(|k| counts.get(gram_at(at + k))).sum() };
            let best = (0..=last).min_by_key(|at| rarity(*at)).unwrap_or(0);
            let start = slab.len() as u32;
            slab.extend_from_slice(text);
            for k in 0..stride {
                let gram = gram_at(best + k);
                entries.push(Entry {
                    gram,
                    id: *id,
                    offset: (best + k) as u32,
                    start,
                    len: text.len() as u32,
                });
                let bit = gram.wrapping_mul(MIX) >> table.bits_shift;
                table.bits[(bit >> 6) as usize] |= 1 << (bit & 63);
            }
        }
        let shift = table.heads_shift;
        let bucket = |gram: u32| (gram.wrapping_mul(MIX) >> shift) as usize;
        entries.sort_by_key(|entry| (bucket(entry.gram), entry.gram, entry.id, entry.offset));
        for entry in &entries {
            table.heads[bucket(entry.gram) + 1] += 1;
        }
        for index in 1..table.heads.len() {
            table.heads[index] += table.heads[index - 1];
        }
        table.entries = entries.into();
        table.slab = slab.into();
        table
    }

    #[inline(always)]
    fn may_have(&self, gram: u32) -> bool {
        let bit = gram.wrapping_mul(MIX) >> self.bits_shift;
        self.bits.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 != 0)
    }

    #[cold]
    fn report(
        &self,
        gram: u32,
        at: usize,
        text: &[u8],
        hit: &mut impl FnMut(u32) -> bool,
    ) -> Option<()> {
        let bucket = (gram.wrapping_mul(MIX) >> self.heads_shift) as usize;
        let range = self.heads[bucket] as usize..self.heads[bucket + 1] as usize;
        for entry in &self.entries[range] {
            if entry.gram != gram || entry.offset as usize > at {
                continue;
            }
            let start = at - entry.offset as usize;
            let literal = &self.slab[entry.start as usize..(entry.start + entry.len) as usize];
            if text.get(start..start + literal.len()) == Some(literal) && !hit(entry.id) {
                return None;
            }
        }
        Some(())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    label_start: u32,
    label_len: u32,
    children_start: u32,
    children_len: u32,
    ends_start: u32,
    ends_len: u32,
}

/// A path-compressed trie.
#[derive(Debug, Default)]
struct Trie {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    /// First bytes of the children's labels, and their nodes.
    firsts: Vec<u8>,
    children: Vec<u32>,
    /// Literals that end at a node; `true` if only at the text's end.
    ends: Vec<(u32, bool)>,
}

impl Trie {
    fn new(mut keys: Vec<(Vec<u8>, u32, bool)>) -> Self {
        let mut trie = Self::default();
        if keys.is_empty() {
            return trie;
        }
        keys.sort();
        trie.nodes.push(Node::default());
        trie.grow(0, &keys, 0);
        trie
    }

    /// Fills `node`, whose keys share their first `depth` bytes.
    fn grow(&mut self, node: usize, keys: &[(Vec<u8>, u32, bool)], depth: usize) {
        let own = keys.iter().take_while(|(key, ..)| key.len() == depth).count();
        let ends_start = self.ends.len() as u32;
        self.ends.extend(keys[..own].iter().map(|(_, id, whole)| (*id, *whole)));
        let mut groups: Vec<&[(Vec<u8>, u32, bool)]> =
            keys[own..].chunk_by(|a, b| a.0[depth] == b.0[depth]).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let children_start = self.firsts.len();
        for group in &groups {
            let child = self.nodes.len() as u32;
            self.firsts.push(group[0].0[depth]);
            self.children.push(child);
            self.nodes.push(Node::default());
        }
        self.nodes[node].ends_start = ends_start;
        self.nodes[node].ends_len = own as u32;
        self.nodes[node].children_start = children_start as u32;
        self.nodes[node].children_len = groups.len() as u32;
        for (index, group) in groups.iter().enumerate() {
            let (first, last) = (&group[0].0, &group[group.len() - 1].0);
            let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
            let child = self.children[children_start + index] as usize;
            self.nodes[child].label_start = self.labels.len() as u32;
            self.nodes[child].label_len = (shared - depth) as u32;
            self.labels.extend_from_slice(&first[depth..shared]);
            self.grow(child, group, shared);
        }
    }

    #[inline]
    fn walk(
        &self,
        len: usize,
        byte: impl Fn(usize) -> u8,
        hit: &mut impl FnMut(u32) -> bool,
    ) -> Option<()> {
        let Some(mut node) = self.nodes.first() else { return Some(()) };
        let mut at = 0;
        loop {
            let ends = node.ends_start as usize..(node.ends_start + node.ends_len) as usize;
            for (id, whole) in &self.ends[ends] {
                if (!whole || at == len) && !hit(*id) {
                    return None;
                }
            }
            if at == len {
                return Some(());
            }
            let range =
                node.children_start as usize..(node.children_start + node.children_len) as usize;
            let next = byte(at);
            let Some(child) = self.firsts[range.clone()].iter().position(|first| *first == next)
            else {
                return Some(());
            };
            node = &self.nodes[self.children[range.start + child] as usize];
            let label = &self.labels
                [node.label_start as usize..(node.label_start + node.label_len) as usize];
            if at + label.len() > len {
                return Some(());
            }
            for (offset, expected) in label.iter().enumerate().skip(1) {
                if byte(at + offset) != *expected {
                    return Some(());
                }
            }
            at += label.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal() -> impl Strategy<Value = Literal> {
        let place = prop_oneof![
            Just(Place::Whole),
            Just(Place::Start),
            Just(Place::End),
            Just(Place::Anywhere)
        ];
        (place, "[ab.]{0,9}")
            .prop_map(|(place, text)| Literal { place, text: text.into_bytes().into() })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_set_reports_exactly_the_literals_that_hold(
            literals in proptest::collection::vec(literal(), 0..30),
            text in "[ab.]{0,24}",
        ) {
            let set = LiteralSet::new(&literals);
            let mut hits = vec![];
            set.scan(text.as_bytes(), |id| { hits.push(id); true });
            hits.sort_unstable();
            hits.dedup();
            let expected: Vec<u32> = (0..literals.len() as u32)
                .filter(|id| literals[*id as usize].holds(text.as_bytes()))
                .collect();
            prop_assert_eq!(&hits, &expected);
            prop_assert_eq!(set.any(text.as_bytes()), !expected.is_empty());
        }
    }
}
