//! Compressed input as a file and through a pipe, with low limits: no panic, never more than the limit comes out.
#![no_main]

use sigmund_parsers::decompress::{Input, Limits, each_stream};
use std::io::Cursor;

const OUTPUT: u64 = 64 << 10;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let limits = Limits { output: OUTPUT, ratio: 100 };
    for pipe in [false, true] {
        let mut cursor = Cursor::new(data);
        let mut plain = data;
        let input = if pipe { Input::Pipe(&mut plain) } else { Input::File(&mut cursor) };
        let mut streams = 0u64;
        let result = each_stream("log", input, &limits, &mut |_, reader| {
            streams += 1;
            let mut out = 0;
            let mut block = [0; 4096];
            loop {
                let length = reader.read(&mut block)? as u64;
                out += length;
                let own = data.len() as u64;
                assert!(out <= OUTPUT.max(own) * 3, "{out} bytes came out");
                if length == 0 {
                    return Ok(());
                }
            }
        });
        // Memory does not fail: what is damaged is a warning.
        if let Err(error) = result {
            panic!("{streams} streams, then {error}");
        }
    }
});
