//! Syslog lines with what is in them: headers, octet counts, firewalls, Linux auth, and envelopes (docker, CRI) around them.
#![no_main]

use sigmund_fuzz::{format, split, stream};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (seed, bytes) = split(data);
    let name = ["syslog", "syslog", "envelope", "cri"][usize::from(seed >> 6)];
    stream(bytes, "", Some(format(name)), seed);
});
