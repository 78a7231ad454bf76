//! Writes the first inputs of the formats' corpora: `cargo run --example seeds -- FOLDER`.
//!
//! They are the golden files of the wire formats, and the pickles that Python made for the core's
//! tests. What has grown out of them is in `corpus/`.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use mpcsfaas_core::wire::zmtp::{greeting, ready};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| Error::other("name a folder"))?;
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(core.join("wire/golden"))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("hex") => {
                let digits: String = text.split_whitespace().collect();
                frames.push(unhex(&digits)?);
            }
            _ => write(&folder, "wire_json", text.trim_end().as_bytes())?,
        }
    }
    for line in std::fs::read_to_string(core.join("pickle/testdata/pickles.tsv"))?.lines() {
        let pickle = unhex(line.rsplit('\t').next().unwrap_or_default())?;
        write(&folder, "pickle_scan", &pickle)?;
    }
    for text in [
        "Y===YWJj",
        "YQ=\n=",
        "YQ=QYQ==",
        "YWI=YWJj",
        "====",
        "not_a_function",
    ] {
        write(&folder, "wire_json", format!("\0{text}").as_bytes())?;
    }
    write(&folder, "pickle_scan", b"Nr\xff\xff\0\0.")?;
    for length in [256, 257, 1_000] {
        let name = "n".repeat(length);
        let register = format!(r#"{{"type":"register","worker_id":"{name}"}}"#);
        write(&folder, "wire_json", register.as_bytes())?;
    }
    // A connection of a worker of ours that says all there is to say.
    let mut connection = vec![0, 0, 7];
    connection.extend(greeting());
    connection.extend(ready("DEALER", b"0123456789abcdef.1"));
    for frame in frames {
        write(&folder, "wire_native", &frame)?;
        connection.extend([2].into_iter().chain((frame.len() as u64).to_be_bytes()));
        connection.extend(frame);
    }
    write(&folder, "zmtp_guard", &connection)
}

/// Writes one input of a target, named by its number.
fn write(folder: &Path, target: &str, input: &[u8]) -> Result<()> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder)?;
    let number = std::fs::read_dir(&folder)?.count();
    std::fs::write(folder.join(format!("seed-{number}")), input)
}

fn unhex(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let text = std::str::from_utf8(pair).map_err(Error::other)?;
            u8::from_str_radix(text, 16).map_err(Error::other)
        })
        .collect()
}
