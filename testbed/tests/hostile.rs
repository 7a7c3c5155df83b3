//! Floods on real kernels, as short as they show anything: nobody fails, nothing grows. How much throughput is left is for
//! `srlb-testbed hostile` to measure on a quiet machine, and no test's business.

mod common;

use common::{words, Guard};
use testbed::hostile::processors::Processors;
use testbed::hostile::{Aim, Kind, Report};

#[test]
fn nobody_fails_and_nothing_grows() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    if let Err(why) = Processors::share_out() {
        eprintln!("skipped: {why}");
        return;
    }
    // Few enough for daemons that are not optimised.
    let few = ["--strangers-pps", "100"];
    let short = ["hostile", "--rounds", "1", "--seconds", "2", "--json"];
    let output = bed.run(&[&short[..], &few].concat());
    let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
        panic!("no report: {}", words(&output));
    };
    assert_eq!(report.failed(), 0, "{report:#?}");
    assert!(report.none_failed && report.memory_bounded, "{report:#?}");
    assert_eq!(output.status.success(), report.ok);
    assert_eq!(report.phases.len(), 2 * Kind::ALL.len());
    for phase in &report.phases {
        let [regulars, newcomers, held] = phase.served.groups().map(|(_, group)| group.connections);
        assert!(regulars > 0 && newcomers > 0 && held == 8, "{phase:#?}");
        match phase.aim {
            // Only newcomers are strangers, and they are few.
            Aim::Discarded => assert_eq!(phase.knocks.firsts_dropped, 0, "{phase:#?}"),
            Aim::Vip => assert!(phase.knocks.firsts_dropped > 0, "{phase:#?}"),
        }
        if phase.kind.is_twice() && phase.aim == Aim::Vip {
            assert!(phase.knocks.seconds_dropped > 0, "{phase:#?}");
        }
    }
    bed.assert_gone();
}
