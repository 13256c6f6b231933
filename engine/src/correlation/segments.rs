//! A queue in pieces of one size: what a window keeps for each hit.
//!
//! A queue in one piece is copied into a larger one each time it is full, and the system clears the pages of each of them. Here a long
//! queue gets another segment, and gives it back when the last that was in it is gone. A short one is one small piece.

use std::collections::VecDeque;

/// So many bytes are about a segment.
const SEGMENT: usize = 1 << 14;
/// Below so many places nothing is given back.
const SMALL: usize = 64;

/// The oldest first.
#[derive(Clone, Debug)]
pub(crate) enum Segments<T> {
    /// At most as much as a segment.
    Short(VecDeque<T>),
    Long(Box<Long<T>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Long<T> {
    /// All but the last are full.
    segments: VecDeque<Vec<T>>,
    /// So many of the first segment are gone.
    gone: usize,
    len: usize,
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self::Short(VecDeque::new())
    }
}

impl<T: Copy> Segments<T> {
    /// Places of a segment.
    const PLACES: usize = SEGMENT / size_of::<T>().next_power_of_two();

    pub(crate) fn with_capacity(places: usize) -> Self {
        Self::Short(VecDeque::with_capacity(places))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Short(all) => all.len(),
            Self::Long(long) => long.len,
        }
    }

    pub(crate) fn push(&mut self, new: T) {
        match self {
            Self::Short(all) if all.len() < Self::PLACES => all.push_back(new),
            Self::Short(all) => {
                let mut first = Vec::with_capacity(Self::PLACES);
                first.extend(all.iter().copied());
                let len = first.len();
                let segments = VecDeque::from([first]);
                *self = Self::Long(Box::new(Long { segments, gone: 0, len }));
                self.push(new);
            }
            Self::Long(long) => {
                match long.segments.back_mut() {
                    Some(last) if last.len() < Self::PLACES => last.push(new),
                    _ => {
                        let mut last = Vec::with_capacity(Self::PLACES);
                        last.push(new);
                        long.segments.push_back(last);
                    }
                }
                long.len += 1;
            }
        }
    }

    pub(crate) fn first(&self) -> Option<T> {
        match self {
            Self::Short(all) => all.front().copied(),
            Self::Long(long) => long.segments.front()?.get(long.gone).copied(),
        }
    }

    /// Takes the oldest away.
    pub(crate) fn pop(&mut self) -> Option<T> {
        match self {
            Self::Short(all) => {
                let first = all.pop_front()?;
                if all.capacity() > SMALL && all.len() < all.capacity() / 4 {
                    all.shrink_to(all.len() * 2);
                }
                Some(first)
            }
            Self::Long(long) => {
                let first = long.segments.front()?.get(long.gone).copied()?;
                long.gone += 1;
                long.len -= 1;
                if long.gone == Self::PLACES {
                    long.gone = 0;
                    long.segments.pop_front();
                }
                if long.len < Self::PLACES / 4 {
                    self.shrink();
                }
                Some(first)
            }
        }
    }

    /// Keeps no room, or at most that of a segment at either end.
    pub(crate) fn shrink(&mut self) {
        match self {
            Self::Short(all) => all.shrink_to_fit(),
            Self::Long(long) if long.len < Self::PLACES / 2 => {
                *self = Self::Short(self.iter().collect());
            }
            Self::Long(long) => long.segments.shrink_to_fit(),
        }
    }

    fn place(long: &Long<T>, at: usize) -> (usize, usize) {
        let at = long.gone + at;
        (at / Self::PLACES, at % Self::PLACES)
    }

    /// The one behind so many others, which must be there.
    pub(crate) fn at(&self, at: usize) -> T {
        match self {
            Self::Short(all) => all[at],
            Self::Long(long) => {
                let (segment, place) = Self::place(long, at);
                long.segments[segment][place]
            }
        }
    }

    /// The same, to change it.
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut T {
        match self {
            Self::Short(all) => &mut all[at],
            Self::Long(long) => {
                let (segment, place) = Self::place(long, at);
                &mut long.segments[segment][place]
            }
        }
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = T> + Clone + '_ {
        (0..self.len()).map(|at| self.at(at))
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Short(all) => all.capacity() * size_of::<T>(),
            Self::Long(long) => {
                let head = size_of::<Vec<T>>();
                long.segments.len() * Self::PLACES * size_of::<T>()
                    + long.segments.capacity() * head
                    + size_of::<Long<T>>()
            }
        }
    }
}

impl<T: Copy> FromIterator<T> for Segments<T> {
    fn from_iter<I: IntoIterator<Item = T>>(of: I) -> Self {
        let of = of.into_iter();
        let mut all = Self::with_capacity(of.size_hint().0.min(Self::PLACES));
        of.for_each(|new| all.push(new));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment has two of them.
    type Large = [u64; 1024];

    fn large(number: u64) -> Large {
        let mut large = [0; 1024];
        large[0] = number;
        large
    }

    proptest::proptest! {
        #[test]
        fn is_a_queue(steps in proptest::collection::vec((0_u8..4, 0_u64..9), 0..60)) {
            let mut queue = Segments::default();
            let mut plain = VecDeque::new();
            for (step, number) in steps {
                match step {
                    0 => {
                        queue.pop();
                        plain.pop_front();
                    }
                    1 if number == 0 => queue.shrink(),
                    1 if !plain.is_empty() => {
                        let at = number as usize % plain.len();
                        *queue.at_mut(at) = large(77);
                        plain[at] = 77;
                    }
                    _ => {
                        queue.push(large(number));
                        plain.push_back(number);
                    }
                }
                proptest::prop_assert_eq!(queue.first().map(|first| first[0]), plain.front().copied());
                proptest::prop_assert_eq!(queue.len(), plain.len());
                // A segment too much at either end.
                let most = (plain.len() + 4) * size_of::<Large>() + 2000;
                proptest::prop_assert!(queue.bytes() <= most, "{} {}", queue.bytes(), plain.len());
            }
            proptest::prop_assert!(queue.iter().map(|large| large[0]).eq(plain.iter().copied()));
            let again: Segments<Large> = queue.iter().collect();
            proptest::prop_assert!(again.iter().map(|large| large[0]).eq(plain));
        }
    }

    #[test]
    fn gives_memory_back_segment_by_segment() {
        let mut queue = Segments::default();
        for at in 0..1_000_000_u64 {
            queue.push(at);
            if at >= 100_000 {
                assert_eq!(queue.pop(), Some(at - 100_000));
                assert!(queue.bytes() <= 100_000 * 8 + 2 * SEGMENT + 4000, "{}", queue.bytes());
            }
        }
        assert_eq!((queue.at(0), queue.at(99_999)), (900_000, 999_999));
        while queue.len() > 10 {
            queue.pop();
        }
        assert!(queue.bytes() <= SMALL * 8, "{}", queue.bytes());
        assert!(queue.iter().eq(999_990..1_000_000));
    }

    #[test]
    fn is_no_larger_than_a_plain_queue_while_it_is_short() {
        assert_eq!(size_of::<Segments<u32>>(), size_of::<VecDeque<u32>>());
    }
}
