//! Where rule texts come from: what was named, stdin, or the starter pack that the binary carries.

use sigmund_sigma::Source;
use sigmund_stream::rule_files::RuleFiles;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of `rules/`: path and text.
pub(crate) static STARTER_PACK: &[(&str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/starter_pack.rs"));

/// The starter pack.
pub(crate) fn starter_pack() -> RuleFiles {
    let texts = STARTER_PACK
        .iter()
        .map(|(name, text)| Source { name: Arc::from(*name), text: Arc::from(*text) })
        .collect();
    RuleFiles::of(texts)
}

/// Reads the paths, in their order; `-` is stdin.
pub(crate) fn read(paths: &[PathBuf]) -> RuleFiles {
    let mut files = RuleFiles::default();
    for path in paths {
        if path.as_os_str() != "-" {
            files.add(path);
            continue;
        }
        let mut bytes = Vec::new();
        match std::io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => files.push("<stdin>", &bytes),
            Err(error) => files.unreadable.push((path.clone(), error.to_string())),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::STARTER_PACK;

    #[test]
    fn the_starter_pack_is_the_rules_folder() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = super::read(&[root.join("rules")]);
        assert_eq!(read.texts.len(), STARTER_PACK.len());
        for (text, (name, packed)) in read.texts.iter().zip(STARTER_PACK) {
            assert!(text.name.ends_with(name), "{} is not {name}", text.name);
            assert_eq!(&*text.text, *packed, "{name}");
        }
    }
}
