//! Parses each line of an NDJSON file into `serde_json::Value` and does nothing with it: the floor that `bench/compare` compares with.

use std::io::{BufRead as _, BufReader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: floor FILE")?;
    let mut reader = BufReader::with_capacity(1 << 20, std::fs::File::open(path)?);
    let (mut line, mut members) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.len() > 1 {
            let value: serde_json::Value = serde_json::from_slice(&line)?;
            members += value.as_object().map_or(0, serde_json::Map::len);
        }
        line.clear();
    }
    // The count keeps the work from being optimised away.
    println!("{members} members");
    Ok(())
}
