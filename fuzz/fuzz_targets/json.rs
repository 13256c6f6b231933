//! The JSON reader, and JSON through a stream: reader and writer go round, whatever serde_json takes is taken and the same, and the
//! projection of wanted fields says what the general reading says.
#![no_main]

use sigmund_fuzz::{Both, format, load, split, stream};
use sigmund_parsers::json::{read, write};
use std::cell::RefCell;

const RULES: &str = include_str!("../rules.yml");

thread_local! {
    static BOTH: RefCell<Both> = RefCell::new(Both::new(load(RULES)));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (seed, bytes) = split(data);
    let serde = serde_json::from_slice::<serde_json::Value>(bytes);
    match read::value(bytes) {
        Ok(document) => {
            let text = write::value(&document.value);
            let again = read::value(text.as_bytes()).expect("what was written can be read");
            assert_eq!(write::value(&again.value), text);
            if let Ok(serde) = serde {
                let written: serde_json::Value =
                    serde_json::from_str(&text).expect("what was written is JSON");
                assert_eq!(written, serde);
            }
        }
        Err(_) => assert!(serde.is_err(), "JSON was refused"),
    }
    let json = format("json");
    stream(bytes, "", Some(json), seed);
    BOTH.with_borrow_mut(|both| both.compare(bytes, Some(json)));
});
