//! Any bytes as a stream, its format recognised or forced (first byte), in blocks of any sizes: no panic, the same records
//! as in one piece, nothing lost.
#![no_main]

use sigmund_fuzz::{any_format, split, stream};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (format, rest) = split(data);
    let (seed, bytes) = split(rest);
    stream(bytes, "", any_format(format), seed);
});
