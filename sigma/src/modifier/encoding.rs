//! `base64`, `base64offset` and the UTF-16 modifiers (semantics section 7). Values stay bytes
//! between encodings.

/// A UTF-16 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Utf16 {
    /// `wide`, `utf16le`
    Little,
    /// `utf16be`
    Big,
    /// `utf16`: little endian behind FF FE.
    Marked,
}

/// The bytes of a text in UTF-16.
pub(super) fn utf16(text: &str, form: Utf16) -> Vec<u8> {
    let units = text.encode_utf16();
    match form {
        Utf16::Big => units.flat_map(u16::to_be_bytes).collect(),
        Utf16::Little => units.flat_map(u16::to_le_bytes).collect(),
        Utf16::Marked => [0xFF, 0xFE].into_iter().chain(units.flat_map(u16::to_le_bytes)).collect(),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            if at <= chunk.len() {
                let index = (group >> (18 - 6 * at)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// For each alignment, the Base64 characters that do not depend on the neighbours:
/// `[ceil(8k/6), floor(8(k+n)/6))` behind `k` bytes.
pub(super) fn base64_offsets(bytes: &[u8]) -> [String; 3] {
    std::array::from_fn(|k| {
        let padded: Vec<u8> = std::iter::repeat_n(0, k).chain(bytes.iter().copied()).collect();
        let encoded = base64(&padded);
        let (start, end) = ((8 * k).div_ceil(6), 8 * padded.len() / 6);
        encoded.get(start..end).unwrap_or("").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_of_the_rfc() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn utf16_forms() {
        assert_eq!(utf16("é", Utf16::Little), [0xE9, 0]);
        assert_eq!(utf16("é", Utf16::Big), [0, 0xE9]);
        assert_eq!(utf16("a", Utf16::Marked), [0xFF, 0xFE, 0x61, 0]);
        assert_eq!(utf16("😀", Utf16::Little), [0x3D, 0xD8, 0x00, 0xDE]);
    }

    proptest! {
        #[test]
        fn every_alignment_is_found(
            before in proptest::collection::vec(any::<u8>(), 0..7),
            value in proptest::collection::vec(any::<u8>(), 1..20),
            after in proptest::collection::vec(any::<u8>(), 0..7),
        ) {
            let whole = base64(&[before.clone(), value.clone(), after].concat());
            let variant = &base64_offsets(&value)[before.len() % 3];
            prop_assert!(whole.contains(variant.as_str()));
        }
    }
}
