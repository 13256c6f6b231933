//! Rule text: the YAML layer's quick way and its whole way give the same, the loader and lint take anything, and rules that load match the
//! same compiled and plain.
#![no_main]

use sigmund_fuzz::{Both, format};
use sigmund_sigma::yaml::{Kind, Node, parse, parse_with_comments};
use sigmund_sigma::{Loader, Source, lint};

fn same(a: &Node, b: &Node) -> bool {
    a.span == b.span
        && match (&a.kind, &b.kind) {
            (Kind::Scalar(a, how), Kind::Scalar(b, other)) => a == b && how == other,
            (Kind::Sequence(a), Kind::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Kind::Mapping(a), Kind::Mapping(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
            }
            _ => false,
        }
}

const EVENT: &[u8] =
    br#"{"a":"one","b":[2,"x y"],"c":{"d":null},"EventID":4688,"Image":"C:\\a\\cmd.exe"}"#;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (quick, whole) = (parse(&text), parse_with_comments(&text));
    assert_eq!(quick.documents.len(), whole.documents.len(), "{quick:?}\n{whole:?}");
    for (a, b) in quick.documents.iter().zip(&whole.documents) {
        assert!(same(&a.root, &b.root), "{a:?}\n{b:?}");
    }
    for diagnostic in &quick.diagnostics {
        assert!(diagnostic.span.end as usize <= text.len(), "{diagnostic:?}");
    }
    let sources = [Source { name: "fuzz.yml".into(), text: text.as_ref().into() }];
    let collection = Loader::default().load(&sources);
    let _ = lint::check(&sources, &collection, &lint::Options::default());
    if !collection.rules.is_empty() && collection.rules.len() < 20 {
        Both::new(collection.rules).compare(EVENT, Some(format("json")));
    }
});
