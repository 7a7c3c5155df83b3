//! What the fuzzers have found, once more: each file of `fuzz/regressions/TARGET/` goes through its target.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_bodies::TARGETS;

fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../regressions")
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_regression_passes() {
    let mut replayed = 0;
    for folder in names(&regressions()).iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let target = TARGETS.iter().find(|target| target.name == name);
        let target =
            target.unwrap_or_else(|| panic!("regressions of \"{name}\", which is no target"));
        for path in names(folder) {
            // The harness shows this line if the target panics.
            println!("{}", path.display());
            (target.run)(&fs::read(&path).unwrap());
            replayed += 1;
        }
    }
    assert!(
        replayed > 0,
        "no regression was found in {}",
        regressions().display()
    );
}

/// The same folders and programs as in the fuzzer's own package.
#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let root = regressions().join("..");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for target in &TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{}\"", target.name)),
            "{}",
            target.name
        );
        assert!(root
            .join(format!("fuzz_targets/{}.rs", target.name))
            .exists());
    }
}

/// An end of the input in the middle of anything is an input as well.
#[test]
fn short_inputs_are_inputs() {
    for target in &TARGETS {
        for byte in [0, 1, 7, 0x60, 0xff] {
            for len in [0, 1, 2, 5, 40, 100, 300] {
                (target.run)(&vec![byte; len]);
            }
        }
    }
}
