//! Windows event XML.
#![no_main]

use sigmund_fuzz::{format, split, stream};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (seed, bytes) = split(data);
    stream(bytes, "", Some(format("xml")), seed);
});
