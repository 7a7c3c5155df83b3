//! Files that are traces, and files that are none.

use super::*;
use crate::queueing::service::ServiceTime;

const SERVICES: Services = Services {
    wiki: ServiceTime::Constant { mean_s: 0.1 },
    fixed: ServiceTime::Constant { mean_s: 0.001 },
};

/// Checks a file with this content.
fn checked(content: &[u8], then: impl FnOnce(Result<Trace, String>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    std::fs::write(&path, content).unwrap();
    then(
        Trace::check(&path, SERVICES, &mut |_| true).map_err(|error| {
            let text = error.to_string();
            let (_, rest) = text.split_once("/trace").unwrap();
            rest.to_owned()
        }),
    );
}

fn jobs(content: &str) -> Vec<(u64, u64, Class)> {
    let mut all = Vec::new();
    checked(content.as_bytes(), |trace| {
        let trace = trace.unwrap();
        let jobs = trace.jobs(1).map(Result::unwrap);
        all.extend(jobs.map(|job| (job.at_us, job.service_us, job.class)));
        assert_eq!(all.len() as u64, trace.queries);
        let last_us = all.last().map(|job| job.0 as f64);
        assert_eq!(last_us, Some(trace.length_s * 1e6));
    });
    all
}

#[test]
fn queries_come_out() {
    use Class::{Static, Wiki};
    assert_eq!(
        jobs("at_s,service_ms\n0.5,1.25\r\n0.5,0\n2,3e3"),
        [(0, 1_250, Wiki), (0, 0, Wiki), (1_500_000, 3_000_000, Wiki)]
    );
    assert_eq!(
        jobs("\u{feff}class,at_s\nwiki,7\nstatic,7.001\n"),
        [(0, 100_000, Wiki), (1_000, 1_000, Static)]
    );
    assert_eq!(
        jobs("at_s,service_ms,url\n0,5,/a,b\n1,6,/wiki/index.php/A,B\n"),
        [(0, 5_000, Static), (1_000_000, 6_000, Wiki)]
    );
}

#[test]
fn wikibench_as_it_is() {
    use Class::{Static, Wiki};
    let text = "1 1190146243.324 http://en.wikipedia.org/wiki/Main_Page -\n\
                3 1190146243.300 http://en.wikipedia.org/skins-1.5/a b.css -\n\
                2 1190146243.900 http://de.wikipedia.org/wiki/Wien -\n\
                4 1190146244.324 http://en.wikipedia.org/w/index.php?title=X save\n";
    assert_eq!(
        jobs(text),
        [
            (0, 100_000, Wiki),
            (0, 1_000, Static),
            (1_000_000, 100_000, Wiki)
        ]
    );
    checked(text.as_bytes(), |trace| {
        let trace = trace.unwrap();
        assert_eq!((trace.left_out, trace.has_service), (1, false));
        assert_eq!(trace.begins_s, 1_190_146_243.324);
    });
    // bytes that are no text are no reason to stop: they are in the traces
    checked(b"1 5 http://en.wikipedia.org/wiki/\xe9 -\n", |trace| {
        assert_eq!(trace.unwrap().queries, 1);
    });
}

#[test]
fn what_is_no_trace_is_told_by_its_line() {
    const HEAD: &str =
        "expected a head such as \"at_s,service_ms\" (columns: at_s, and service_ms, class, url), \
                        or WikiBench's \"counter time url flag\"";
    let two = "expected 2 columns, \"at_s,service_ms\"";
    let service = "expected a number from 0 to 1000000000";
    let rows: [(&[u8], String); 22] = [
        (b"", format!(", line 1: empty: {HEAD}")),
        (b"\n", format!(", line 1: empty: {HEAD}")),
        (b"at_s,service_ms\n", ", line 1: no query: expected lines with some".into()),
        (b"at,ms\n1,2\n", format!(", line 1: the head is \"at,ms\": {HEAD}")),
        (b"0.5,1.2\n", format!(", line 1: the head is \"0.5,1.2\": {HEAD}")),
        (b"service_ms,class\n", format!(", line 1: the head is \"service_ms,class\", without at_s: {HEAD}")),
        (b"at_s\n1\n", format!(", line 1: the head is \"at_s\", which says nothing about the work: {HEAD}")),
        (b"at_s,at_s\n", format!(", line 1: the head is \"at_s,at_s\", with a column twice: {HEAD}")),
        (b"at_s,url,service_ms\n", format!(", line 1: the head is \"at_s,url,service_ms\", where url is not the last column: {HEAD}")),
        (b"at_s,service_ms\n1,2\n\n3,4\n", format!(", line 3: empty: {two}")),
        (b"at_s,service_ms\n1,2,3\n", ", line 2: 3 columns: expected 2, \"at_s,service_ms\"".into()),
        (b"at_s,service_ms\n1\n", ", line 2: 1 columns: expected 2, \"at_s,service_ms\"".into()),
        (b"at_s,service_ms\n1,\n", format!(", line 2: service_ms is \"\": {service}")),
        (b"at_s,service_ms\n1,NaN\n", format!(", line 2: service_ms is \"NaN\": {service}")),
        (b"at_s,service_ms\n-1,1\n", ", line 2: at_s is \"-1\": expected a number from 0 to 10000000000".into()),
        (b"at_s,service_ms\n2,1\n1,1\n", ", line 3: it is 1 s earlier than the line before: expected the order of time".into()),
        (b"at_s,service_ms\n0,1\n3600.5,1\n", ", line 3: a hole of 3600.5 s in front of it: expected 3600 s at most".into()),
        (b"at_s,class\n0,html\n", ", line 2: class is \"html\": expected wiki or static".into()),
        (b"at_s,url\n0, \n", ", line 2: url is empty: expected one".into()),
        (b"at_s,service_ms\n1,\xff\n", format!(", line 2: not UTF-8: {two}")),
        (b"\x1f\x8b\x08\x00", ", line 1: the file is packed: expected text, so gunzip it".into()),
        (b"1 5 http://en.wikipedia.org/ -\n2 4 http://en.wikipedia.org/ -\n3 2 http://en.wikipedia.org/ -\n",
            ", line 3: it is 3 s earlier than the line before: expected the order of time".into()),
    ];
    for (content, expected) in rows {
        checked(content, |trace| assert_eq!(trace, Err(expected)));
    }
    let long = [b"at_s,url\n0,".as_slice(), &[b'x'; 70_000]].concat();
    checked(&long, |trace| {
        let expected = ", line 2: longer than 65536 bytes: expected a query a line";
        assert_eq!(trace, Err(expected.to_owned()));
    });
}

#[test]
fn a_line_of_wikibench_that_is_none() {
    let first = "1 5 http://en.wikipedia.org/ -\n";
    for (line, expected) in [
        (
            "2 5 http://en.wikipedia.org/",
            "3 columns: expected \"counter time url flag\"",
        ),
        ("2 5", "2 columns: expected \"counter time url flag\""),
        ("", "1 columns: expected \"counter time url flag\""),
        (
            "x 5 http://en.wikipedia.org/ -",
            "the counter is \"x\": expected digits",
        ),
        (
            "2 5 http://en.wikipedia.org/ +",
            "the flag is \"+\": expected - or save",
        ),
        (
            "2 now http://en.wikipedia.org/ -",
            "the time is \"now\": expected seconds since 1970 or 2007-09-18T20:10:43.324",
        ),
    ] {
        checked(format!("{first}{line}\n").as_bytes(), |trace| {
            assert_eq!(trace, Err(format!(", line 2: {expected}")));
        });
    }
}

#[test]
fn what_can_not_be_read_twice() {
    let check = |path: &str| {
        let trace = Trace::check(Path::new(path), SERVICES, &mut |_| true);
        trace.unwrap_err().to_string()
    };
    assert!(check("/nowhere/trace").starts_with("/nowhere/trace: No such file"));
    assert_eq!(
        check("/dev/null"),
        "/dev/null: expected a file, which is read twice"
    );
    assert_eq!(
        check("/proc"),
        "/proc: expected a file, which is read twice"
    );
}

#[test]
fn somebody_who_does_not_want_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let lines: String = (0..20_000).map(|n| format!("{n},1\n")).collect();
    std::fs::write(&path, format!("at_s,service_ms\n{lines}")).unwrap();
    let mut heard = 0;
    let trace = Trace::check(&path, SERVICES, &mut |bytes| {
        heard = bytes;
        false
    });
    assert!(matches!(trace, Err(TraceError::Stopped)));
    assert!(heard > 100_000, "{heard}");
}
