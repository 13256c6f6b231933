//! The common messages by id: how each writes its endpoints.

/// How a message names its endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `from A … to B`
    FromTo,
    /// `for A to B`
    ForTo,
    /// `src A dst B`, `src A dest B`
    SrcDst,
    /// `A -> B`
    Arrow,
    /// `faddr A gaddr B laddr C`
    Icmp,
    /// `from laddr A … to B`
    Laddr,
    /// `A Accessed URL B:…`
    Url,
    /// `SRC A DEST B`
    DeniedUrl,
    /// `between A and B`
    Between,
    /// `Local:A:p Remote:B:p`
    LocalRemote,
    /// `local-host if:A`
    LocalHost,
    /// Names and addresses of users: `Group = g, Username = u, IP = a` and its variants.
    User,
    /// FTD's list.
    List,
    /// Nothing to find.
    None,
}

/// The common ids; ids of one shape in ranges.
const SHAPES: &[(u32, u32, Shape)] = &[
    (106_001, 106_002, Shape::FromTo),
    (106_006, 106_007, Shape::FromTo),
    (106_010, 106_014, Shape::SrcDst),
    (106_015, 106_017, Shape::FromTo),
    (106_018, 106_018, Shape::SrcDst),
    (106_020, 106_022, Shape::FromTo),
    (106_023, 106_023, Shape::SrcDst),
    (106_100, 106_103, Shape::Arrow),
    (110_002, 110_003, Shape::FromTo),
    (111_001, 111_010, Shape::User),
    (113_003, 113_042, Shape::User),
    (302_003, 302_004, Shape::FromTo),
    (302_013, 302_016, Shape::ForTo),
    (302_020, 302_021, Shape::Icmp),
    (302_022, 302_027, Shape::ForTo),
    (302_303, 302_306, Shape::FromTo),
    (303_002, 303_005, Shape::FromTo),
    (304_001, 304_001, Shape::Url),
    (304_002, 304_002, Shape::DeniedUrl),
    (305_005, 305_006, Shape::SrcDst),
    (305_009, 305_012, Shape::FromTo),
    (305_013, 305_013, Shape::SrcDst),
    (313_001, 313_001, Shape::FromTo),
    (313_004, 313_004, Shape::Laddr),
    (313_005, 313_005, Shape::SrcDst),
    (313_008, 313_009, Shape::FromTo),
    (315_011, 315_011, Shape::User),
    (322_001, 322_001, Shape::FromTo),
    (338_001, 338_310, Shape::FromTo),
    (402_116, 402_120, Shape::FromTo),
    (405_001, 405_002, Shape::FromTo),
    (410_001, 410_002, Shape::FromTo),
    (419_001, 419_002, Shape::FromTo),
    (430_001, 430_005, Shape::List),
    (434_001, 434_007, Shape::FromTo),
    (500_004, 500_004, Shape::FromTo),
    (502_101, 502_112, Shape::User),
    (507_001, 507_003, Shape::FromTo),
    (602_303, 602_304, Shape::Between),
    (605_004, 605_005, Shape::FromTo),
    (607_001, 607_001, Shape::FromTo),
    (609_001, 609_002, Shape::LocalHost),
    (611_101, 611_103, Shape::User),
    (710_001, 710_006, Shape::FromTo),
    (713_001, 713_999, Shape::User),
    (716_001, 716_060, Shape::User),
    (722_001, 722_060, Shape::User),
    (725_001, 725_017, Shape::FromTo),
    (733_100, 733_105, Shape::None),
    (734_001, 734_004, Shape::User),
    (746_001, 746_019, Shape::User),
    (750_001, 750_015, Shape::LocalRemote),
    (751_001, 751_031, Shape::LocalRemote),
    (769_001, 769_009, Shape::User),
    (805_001, 805_003, Shape::FromTo),
];

/// Where no table helps: the phrases, most telling first.
pub(super) const ANY: &[Shape] = &[
    Shape::Arrow,
    Shape::Icmp,
    Shape::SrcDst,
    Shape::FromTo,
    Shape::ForTo,
    Shape::Between,
    Shape::LocalRemote,
    Shape::User,
];

/// How the message of this id is written, if it is a common one.
pub(super) fn shape(id: u32) -> Option<Shape> {
    let found = SHAPES.partition_point(|(_, last, _)| *last < id);
    SHAPES.get(found).filter(|(first, _, _)| *first <= id).map(|(_, _, shape)| *shape)
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, Shape, shape};

    #[test]
    fn ranges_are_in_order_and_found() {
        for pair in SHAPES.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:?}");
        }
        for (first, last, wanted) in SHAPES {
            assert!(first <= last, "{first}");
            assert_eq!((shape(*first), shape(*last)), (Some(*wanted), Some(*wanted)), "{first}");
        }
        assert_eq!(shape(302_013), Some(Shape::ForTo));
        assert_eq!((shape(1), shape(302_017), shape(999_999)), (None, None, None));
    }
}
