//! Lines of a file, one at a time, none longer than a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// A longer line is none: the file is something else.
const LONGEST_BYTES: usize = 65_536;
/// How packed files begin.
const PACKED: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b], "gunzip"),
    (b"BZh", "bunzip2"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "unxz"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
];

/// A file, line by line.
pub struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    read_bytes: u64,
}

impl Lines {
    /// A file, before its first line.
    pub fn new(file: File) -> Lines {
        Lines {
            file: BufReader::with_capacity(1 << 18, file),
            line: Vec::new(),
            number: 0,
            read_bytes: 0,
        }
    }

    /// Goes to the next line; false at the end.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut bounded = (&mut self.file).take(LONGEST_BYTES as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.line)?;
        self.read_bytes += read as u64;
        self.number += u64::from(read > 0);
        Ok(read > 0)
    }

    /// The line, without its end.
    pub fn line(&self) -> Result<&[u8], String> {
        let begins = |magic: &[u8]| self.number == 1 && self.line.starts_with(magic);
        if let Some((_, unpack)) = PACKED.iter().find(|(magic, _)| begins(magic)) {
            return Err(format!("the file is packed: expected text, so {unpack} it"));
        }
        if self.line.len() > LONGEST_BYTES {
            return Err(format!(
                "longer than {LONGEST_BYTES} bytes: expected a query a line"
            ));
        }
        Ok(self.line.trim_ascii_end())
    }

    /// Its number, from 1; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How far the file was read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }
}
