//! What is no scoreboard is refused, in words that say what was seen.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use apache_probe::layout::{Geometry, KNOWN};
use apache_probe::synthetic::Synthetic;
use apache_probe::{locate, Error, Status, Target};
use common::place::Place;

#[test]
fn unknown_size_is_refused_with_what_was_seen() {
    let place = Place::new();
    drop(Synthetic::create(&place.path(), &KNOWN[0], 10, 4).unwrap());
    let bytes = fs::metadata(place.path()).unwrap().len() + 40;
    place.writer().set_len(bytes).unwrap();
    place
        .writer()
        .write_all_at(&bytes.to_ne_bytes(), 0)
        .unwrap();
    let error = place.map().unwrap_err();
    assert!(matches!(error, Error::UnknownLayout { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&place.path().display().to_string()), "{text}");
    assert!(text.contains("ServerLimit 10, ThreadLimit 4"), "{text}");
    assert!(text.contains(&format!("{bytes} bytes")), "{text}");
    for layout in &KNOWN {
        let known = Geometry::new(layout, 10, 4).unwrap().bytes().to_string();
        assert!(
            text.contains(layout.httpd) && text.contains(&known),
            "{text}"
        );
    }
}

#[test]
fn a_header_that_disagrees_with_the_file_is_refused() {
    for bytes in [0_u64, 1, 63, 1 << 40, u64::MAX] {
        let place = Place::new();
        drop(Synthetic::create(&place.path(), &KNOWN[0], 10, 4).unwrap());
        place
            .writer()
            .write_all_at(&bytes.to_ne_bytes(), 0)
            .unwrap();
        let error = place.map().unwrap_err();
        assert!(
            matches!(error, Error::UnknownLayout { .. }),
            "{bytes}: {error}"
        );
    }
}

#[test]
fn contents_that_cannot_be_are_refused() {
    type Spoil = fn(&Synthetic) -> std::io::Result<()>;
    let spoils: [(&str, Spoil); 4] = [
        ("status 11", |board| board.set_status_number(2, 0, 11)),
        ("status 255", |board| board.set_status_number(31, 0, 255)),
        ("pid 4294967295", |board| board.set_process(3, u32::MAX, 0)),
        ("generation 77", |board| board.set_process(3, 1, 77)),
    ];
    for (what, spoil) in spoils {
        let place = Place::new();
        let made_up = Synthetic::create(&place.path(), &KNOWN[0], 32, 1).unwrap();
        made_up.fill(Status::Ready).unwrap();
        spoil(&made_up).unwrap();
        let error = place.map().unwrap_err();
        assert!(matches!(error, Error::Implausible { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn boards_being_made_are_not_ready_rather_than_refused() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
    // Sized and zeroed, no header, no limits yet; then with the header.
    place.writer().set_len(96_320).unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
    place
        .writer()
        .write_all_at(&96_320_u64.to_ne_bytes(), 0)
        .unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
}

#[test]
fn a_size_file_without_its_system_v_segment_is_told() {
    let place = Place::new();
    fs::write(place.path(), 96_320_u64.to_ne_bytes()).unwrap();
    let error = place.map().unwrap_err();
    assert!(error.is_absence(), "{error}");
    assert!(error.to_string().contains("IPC namespace"), "{error}");
}

#[test]
fn paths_that_lead_nowhere_are_told() {
    let place = Place::new();
    let error = place.map().unwrap_err();
    assert!(error.is_absence(), "{error}");
    assert!(error.to_string().contains("/dev/shm/ShM."), "{error}");
    fs::create_dir(place.path()).unwrap();
    assert!(matches!(place.map(), Err(Error::Access { .. })));
    let relative = locate(&Target::score_board_file("logs/scoreboard")).unwrap_err();
    assert!(matches!(relative, Error::NotAbsolute { .. }), "{relative}");
    assert!(locate(&Target::default()).unwrap_err().is_absence());
}

#[test]
fn pid_files_with_anything_in_them() {
    let place = Place::new();
    let target = Target::pid_file(place.path());
    assert!(locate(&target).unwrap_err().is_absence());
    for content in ["0", "-1", "99999999999", "x", "1 2", "\u{0}"] {
        fs::write(place.path(), content).unwrap();
        let error = locate(&target).unwrap_err();
        assert!(
            matches!(error, Error::BadPidFile { .. }),
            "{content:?}: {error}"
        );
    }
    fs::write(place.path(), " \n").unwrap();
    assert!(matches!(locate(&target), Err(Error::NotReady { .. })));
    // No Linux pid is that high.
    fs::write(place.path(), "4194305\n").unwrap();
    assert!(locate(&target).unwrap_err().is_absence());
}
