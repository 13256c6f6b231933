//! Many literals on one text at once: which of them occur, and where they must.
//!
//! Whole values and starts are a trie walked from the front, ends one walked from the back: a few steps each, whatever
//! the number of literals. Inner literals are found by 4-byte grams: a bitmap says for a position of the text whether
//! any literal has this gram, a bucket then names the literals, which are compared in full. The longer
//! literals are, the fewer positions need a look ([`STRIDES`]). Automata over thousands of
//! literals were slower and larger in every measurement: their tables miss the caches once per byte.

use super::as_written::AsWritten;
use super::few::{FEW, FewLiterals};
use super::grams::{Grams, counts};
use super::predicate::{Literal, Place};
use crate::find::find;

/// A compiled set. Literal ids are indices into the list it was made from.
#[derive(Debug, Default)]
pub(crate) struct LiteralSet {
    front: Trie,
    back: Trie,
    /// By length.
    inner: Box<[Grams]>,
    /// Inner literals under 4 bytes, and all for which grams would need a look at too many places, if they are few.
    few: FewLiterals,
    /// Inner literals under 4 bytes of which the text must have a character beyond ASCII: letters of other alphabets,
    /// in rules against look-alikes.
    tiny: Box<[(Box<[u8]>, u32)]>,
}

impl LiteralSet {
    pub(crate) fn new<'a>(literals: impl Iterator<Item = &'a Literal>) -> Self {
        let (mut front, mut back) = (Vec::new(), Vec::new());
        let mut inner: Vec<Vec<(&[u8], u32)>> = vec![Vec::new(); STRIDES.len()];
        let (mut few, mut tiny): (Vec<(&[u8], u32)>, Vec<_>) = (Vec::new(), Vec::new());
        for (id, literal) in (0u32..).zip(literals) {
            let text = &literal.text;
            match (literal.place, text.len()) {
                (Place::Whole | Place::Start, _) => {
                    front.push((text.to_vec(), id, literal.place == Place::Whole));
                }
                (Place::Anywhere, 0) => front.push((Vec::new(), id, false)),
                (Place::End, _) => back.push((text.iter().rev().copied().collect(), id, false)),
                (Place::Anywhere, length) => {
                    match STRIDES.iter().position(|stride| length >= stride + 3) {
                        Some(group) => inner[group].push((text, id)),
                        None if text.is_ascii() => few.push((text, id)),
                        None => tiny.push((text.clone(), id)),
                    }
                }
            }
        }
        let counts = counts(inner.iter().flatten().map(|(text, _)| *text));
        for literals in inner[1..].iter_mut().rev() {
            if few.len() + literals.len() <= FEW {
                few.append(literals);
            }
        }
        if !few.is_empty() && few.len() + inner[0].len() <= FEW {
            few.append(&mut inner[0]);
        }
        Self {
            front: Trie::new(front),
            back: Trie::new(back),
            inner: inner
                .iter()
                .zip(STRIDES)
                .filter(|(literals, _)| !literals.is_empty())
                .map(|(literals, stride)| Grams::new(literals, *stride, &counts))
                .collect(),
            few: FewLiterals::new(&few, &counts),
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
        for inner in &self.inner {
            inner.scan(text, hit)?;
        }
        self.few.scan(text, hit)?;
        if !self.tiny.is_empty() && !text.is_ascii() {
            for (literal, id) in &self.tiny {
                if find(text, literal).is_some() && !hit(*id) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// The same literals in JSON text as it is written, if they are few and may be anywhere.
    pub(crate) fn as_written(&self) -> Option<AsWritten> {
        let elsewhere =
            !self.front.ends.is_empty() || !self.back.ends.is_empty() || !self.tiny.is_empty();
        let texts: Vec<&[u8]> =
            self.inner.iter().flat_map(Grams::texts).chain(self.few.texts()).collect();
        (!elsewhere && texts.len() <= FEW).then(|| AsWritten::new(texts.into_iter())).flatten()
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

/// Inner literals that are three bytes longer than a stride are looked for at every so many positions.
const STRIDES: &[usize] = &[8, 4, 2, 1];

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
        (place, prop_oneof!["[ab.]{0,9}", "[ab]{10,14}"])
            .prop_map(|(place, text)| Literal::new(place, text.into_bytes().into()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_set_reports_exactly_the_literals_that_hold(
            literals in proptest::collection::vec(literal(), 0..30),
            text in prop_oneof!["[ab.]{0,24}", "[ab]{50,80}"],
            planted in any::<prop::sample::Index>(),
        ) {
            // Long literals would hardly ever be in a random text.
            let mut text = text;
            if !literals.is_empty() {
                let literal = planted.get(&literals);
                text.insert_str(text.len() / 2, std::str::from_utf8(&literal.text).unwrap());
            }
            let set = LiteralSet::new(literals.iter());
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
