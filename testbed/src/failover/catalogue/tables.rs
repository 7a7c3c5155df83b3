//! Flow tables that are far too small for the load.

use super::super::action::Action::*;
use super::super::scenario::{Scenario, Shape};
use super::{at, lb_dies, scenario};
use crate::settings::Tables;

pub fn all() -> Vec<Scenario> {
    let small = |key, title, lb_flows, server_flows| Scenario {
        shape: Shape {
            tables: Tables {
                lb_flows,
                server_flows,
                ..Tables::default()
            },
            ..Shape::default()
        },
        ..scenario(
            key,
            title,
            vec![at(5.0, [Announce(vec![2, 1])]), at(8.0, lb_dies(2, &[1]))],
        )
    };
    vec![
        small(
            "tables-lb",
            "tables for 16 flows on LBs; rehash, LB killed",
            Some(16),
            None,
        ),
        small(
            "tables-server",
            "tables for 16 flows on servers; rehash, LB killed",
            None,
            Some(16),
        ),
        small(
            "tables-both",
            "tables for 16 flows on both; rehash, LB killed",
            Some(16),
            Some(16),
        ),
    ]
}
