//! A small rule set on any record, as JSON, text or whatever it looks like: the compiled matcher says what the plain evaluator says.
#![no_main]

use sigmund_fuzz::{Both, any_format, load, split};
use std::cell::RefCell;

const RULES: &str = include_str!("../rules.yml");

thread_local! {
    static BOTH: RefCell<Both> = RefCell::new(Both::new(load(RULES)));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (format, bytes) = split(data);
    BOTH.with_borrow_mut(|both| {
        let written = RULES.matches("\ntitle: ").count();
        assert_eq!(both.rules(), written, "a rule of rules.yml does not load");
        both.compare(bytes, any_format(format));
    });
});
