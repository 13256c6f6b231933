//! Zeek TSV, under a file name that tells the path or not: headers, escapes, header changes, damage.
#![no_main]

use sigmund_fuzz::{format, split, stream};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (seed, bytes) = split(data);
    let name = ["", "conn.log", "dns.2026-01-01-00.log", "x"][usize::from(seed >> 6)];
    stream(bytes, name, Some(format("zeek")), seed);
});
