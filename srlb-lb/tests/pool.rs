//! The life of a pool through `srlb-lb pool`: what each change makes of the file.

mod good;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use good::POOL;
use srlb_lb::pool::edit::{apply, Change};
use srlb_lb::pool::file;
use tempfile::TempDir;

struct Bench {
    _folder: TempDir,
    path: PathBuf,
    now: SystemTime,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pool.toml");
        fs::write(&path, POOL).unwrap();
        Bench {
            _folder: folder,
            path,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    fn try_to(&self, vip: Option<&str>, change: Change) -> Result<String, String> {
        apply(&self.path, vip, &change, self.now).map_err(|e| format!("{e:#}"))
    }

    fn does(&self, change: Change) -> String {
        self.try_to(None, change).unwrap()
    }

    fn goes_live(&self) {
        self.does(Change::Stage);
        self.does(Change::Activate);
    }

    fn states(&self) -> Vec<(u64, &'static str)> {
        file::load(&self.path).unwrap().generations().collect()
    }

    fn members(&self, number: u64, vip: &str) -> Vec<(String, Option<u32>)> {
        let pool = file::load(&self.path).unwrap();
        let members = pool.members(number, vip).into_iter();
        members
            .map(|(name, weight)| (name.to_owned(), weight))
            .collect()
    }
}

fn server(name: &str) -> String {
    name.to_owned()
}

fn add(name: &str, locator: Option<&str>, weight: u32) -> Change {
    Change::Add {
        server: server(name),
        locator: locator.map(str::to_owned),
        weight,
    }
}

#[test]
fn a_change_goes_through_draft_and_stage_before_anybody_hunts_by_it() {
    let bench = Bench::new();
    let said = bench.does(add("s3", Some("fd00:5e:3::/64"), 2));
    assert!(said.contains("pool stage"), "{said}");
    assert_eq!(bench.states(), [(1, "active"), (2, "draft")]);
    let said = bench.does(Change::Stage);
    assert!(
        said.contains("every LB") && said.contains("pool activate"),
        "{said}"
    );
    assert_eq!(bench.states(), [(1, "active"), (2, "staged")]);
    bench.does(Change::Activate);
    assert_eq!(bench.states(), [(1, "kept"), (2, "active")]);
    let members = bench.members(2, "web");
    assert_eq!(members.last(), Some(&(server("s3"), Some(2))));
}

#[test]
fn changes_of_one_draft_add_up_and_concern_one_vip_if_asked() {
    let bench = Bench::new();
    bench.does(add("s3", Some("fd00:5e:3::/64"), 1));
    bench
        .try_to(
            Some("mail"),
            Change::Drain {
                server: server("s1"),
            },
        )
        .unwrap();
    assert_eq!(bench.states(), [(1, "active"), (2, "draft")]);
    assert_eq!(bench.members(2, "web")[0], (server("s1"), Some(1)));
    assert_eq!(bench.members(2, "mail").last(), Some(&(server("s1"), None)));
    // adding it again ends the draining
    bench.does(add("s1", None, 1));
    assert!(bench.members(2, "mail").contains(&(server("s1"), Some(1))));
}

#[test]
fn a_removed_server_stays_listed_while_a_kept_generation_needs_it() {
    let bench = Bench::new();
    bench.does(Change::Remove {
        server: server("s2"),
    });
    bench.goes_live();
    let pool = file::load(&bench.path).unwrap();
    assert!(pool.servers().any(|s| s.name == "s2"));
    assert_eq!(pool.members(2, "web"), [("s1", Some(1))]);
}

#[test]
fn generations_older_than_any_flow_are_forgotten_and_the_history_stays_complete() {
    let mut bench = Bench::new();
    bench.does(Change::Remove {
        server: server("s2"),
    });
    bench.goes_live();
    bench.now += Duration::from_secs(8 * 86_400);
    bench.does(add("s3", Some("fd00:5e:3::/64"), 1));
    bench.goes_live();
    assert_eq!(bench.states(), [(2, "kept"), (3, "active")]);
    let pool = file::load(&bench.path).unwrap();
    assert!(pool.is_complete());
    assert!(!pool.servers().any(|s| s.name == "s2"));
}

#[test]
fn what_makes_no_sense_is_refused_and_the_file_stays() {
    let bench = Bench::new();
    let rows = [
        (add("s9", None, 1), "--locator"),
        (add("s1", Some("fd00:5e:9::/64"), 1), "another name"),
        (add("s9", Some("fd00:5e:1::/64"), 1), "overlaps"),
        (
            Change::Remove {
                server: server("s9"),
            },
            "serves none",
        ),
        (Change::Stage, "no draft"),
        (Change::Activate, "no generation is staged"),
    ];
    for (change, words) in rows {
        let said = bench.try_to(None, change.clone()).unwrap_err();
        assert!(said.contains(words), "{change:?}: {said}");
        assert_eq!(fs::read_to_string(&bench.path).unwrap(), POOL, "{change:?}");
    }
    let said = bench.try_to(Some("wab"), Change::Stage).unwrap_err();
    assert!(said.contains("there are: web, mail"), "{said}");
    // nobody would be left
    bench.does(Change::Remove {
        server: server("s1"),
    });
    bench.does(Change::Remove {
        server: server("s2"),
    });
    let said = bench.try_to(None, Change::Stage).unwrap_err();
    assert!(said.contains("has no server"), "{said}");
}
