//! Packed texts for the tests, and what is read of them.

use super::{Input, Limits, each_stream};
use std::io::{self, Cursor, Read, Write};

/// The streams of an input by name, and the warnings.
pub(super) fn read(input: Input<'_>, limits: Limits) -> (Vec<(String, String)>, Vec<String>) {
    let mut found = Vec::new();
    let warnings = each_stream("in", input, &limits, &mut |name, reader| {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        found.push((name.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
        Ok(())
    })
    .unwrap();
    (found, warnings.into_iter().map(|warning| warning.message).collect())
}

/// The same of a file and of a pipe.
pub(super) fn both(bytes: &[u8]) -> (Vec<(String, String)>, Vec<String>) {
    let file = read(Input::File(&mut Cursor::new(bytes)), Limits::default());
    let pipe = read(Input::Pipe(&mut &*bytes), Limits::default());
    assert_eq!(file, pipe);
    file
}

pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

pub(super) fn bzip2(text: &str) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

pub(super) fn xz(text: &str) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.add_directory("folder/", options).unwrap();
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Without a folder, which would be the first member.
pub(super) fn bare_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What is read if all is well and there is one stream.
pub(super) fn one(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    (vec![("in".to_owned(), text.to_owned())], Vec::new())
}

pub(super) fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// Which streams are wholly unread, and what is said of others.
pub(super) fn unread(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut input = Cursor::new(bytes);
    let each = &mut |_: &str, reader: &mut dyn Read| io::copy(reader, &mut io::sink()).map(|_| ());
    let warnings = each_stream("in", Input::File(&mut input), &Limits::default(), each).unwrap();
    let (unread, told): (Vec<_>, Vec<_>) = warnings.into_iter().partition(|it| it.is_unread);
    let told = told.into_iter().map(|warning| warning.message).collect();
    (unread.into_iter().map(|warning| warning.name).collect(), told)
}
