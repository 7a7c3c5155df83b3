//! How APR names the POSIX shared-memory object that belongs to a path.
//!
//! `shm_open` takes names without slashes, so APR (1.6 and later, `shmem/unix/shm.c`) hashes the absolute path twice and calls the object
//! `/ShM.<h1>H<h2>`, both in hex without leading zeros. Linux shows it in `/dev/shm`.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The object's file name in `/dev/shm` for the `ScoreBoardFile` at `path`; `None` if `path` is not absolute.
pub fn shm_name(path: &Path) -> Option<String> {
    let path = merged(path.as_os_str().as_bytes())?;
    Some(format!("ShM.{:x}H{:x}", times33(&path), rshash(&path)))
}

/// What an APR built with `shmget` hands to `ftok` beside the path: the low byte of the same hash. `None` if `path` is not absolute.
pub(crate) fn ftok_project(path: &Path) -> Option<u8> {
    let path = merged(path.as_os_str().as_bytes())?;
    Some(times33(&path) as u8)
}

/// The path as APR sees it: without empty, `.` and `..` segments. Symbolic links stay as they are.
fn merged(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"/")?;
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in rest.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut whole = Vec::with_capacity(path.len());
    for segment in segments {
        whole.push(b'/');
        whole.extend_from_slice(segment);
    }
    Some(whole)
}

/// APR's default table hash: times 33, over unsigned bytes.
fn times33(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |hash: u32, &byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    })
}

/// Sedgewick's RS hash, over C's `char`, whose sign is the platform's.
fn rshash(bytes: &[u8]) -> u32 {
    let mut hash = 0_u32;
    let mut factor = 63_689_u32;
    for &byte in bytes {
        let char_value = i32::from(byte as libc::c_char) as u32;
        hash = hash.wrapping_mul(factor).wrapping_add(char_value);
        factor = factor.wrapping_mul(378_551);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_merged_as_apr_does() {
        for (path, expected) in [
            ("/run/x/board", "/run/x/board"),
            ("//run///x/./board", "/run/x/board"),
            ("/run/y/../x/board", "/run/x/board"),
            ("/../run/x/board", "/run/x/board"),
        ] {
            assert_eq!(
                merged(path.as_bytes()).unwrap(),
                expected.as_bytes(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_relative_path_has_no_name() {
        assert_eq!(shm_name(Path::new("logs/board")), None);
    }

    #[test]
    fn hashes_of_short_strings_by_hand() {
        // 'a' = 97; times33("ab") = 97 * 33 + 98; rshash("ab") = 97 * (63689 * 378551 mod 2^32) + 98.
        assert_eq!(times33(b"ab"), 3299);
        let second_factor = (63_689_u64 * 378_551) % (1 << 32);
        assert_eq!(
            u64::from(rshash(b"ab")),
            (97 * second_factor + 98) % (1 << 32)
        );
    }
}
