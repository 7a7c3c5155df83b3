//! Rules that choose a routing table.

use std::fmt;
use std::io;

use netlink_packet_core::NLM_F_EXCL;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;

/// Packets with a mark go by a table of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The packet's mark.
    pub mark: u32,
    /// The table.
    pub table: u32,
    /// The rule's place: before the main table's 32766.
    pub priority: u32,
    /// Its protocol number, by which it is known as ours.
    pub protocol: u8,
}

impl Rule {
    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = AddressFamily::Inet6;
        message.header.action = RuleAction::ToTable;
        message.attributes = vec![
            RuleAttribute::Priority(self.priority),
            RuleAttribute::FwMark(self.mark),
            RuleAttribute::Table(self.table),
            RuleAttribute::Protocol(RouteProtocol::from(self.protocol)),
        ];
        message
    }

    pub(super) fn install(&self, netlink: &mut Netlink) -> io::Result<()> {
        netlink.add(RouteNetlinkMessage::NewRule(self.message()), NLM_F_EXCL)
    }

    pub(super) fn remove(&self, netlink: &mut Netlink) -> io::Result<()> {
        netlink.remove(RouteNetlinkMessage::DelRule(self.message()))
    }

    /// Is `found` this rule?
    pub(super) fn is(&self, found: &RuleMessage) -> bool {
        found.header.action == RuleAction::ToTable
            && self
                .message()
                .attributes
                .iter()
                .all(|attribute| found.attributes.contains(attribute))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            mark,
            table,
            priority,
            protocol,
        } = self;
        write!(
            f,
            "rule priority {priority} fwmark {mark:#x} lookup {table} proto {protocol}"
        )
    }
}

/// All rules with our protocol number.
pub(super) fn ours(netlink: &mut Netlink, protocol: u8) -> io::Result<Vec<RuleMessage>> {
    let mut request = RuleMessage::default();
    request.header.family = AddressFamily::Inet6;
    let answers = netlink.dump(RouteNetlinkMessage::GetRule(request))?;
    let ours = RuleAttribute::Protocol(RouteProtocol::from(protocol));
    let rules = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRule(rule) => Some(rule),
        _ => None,
    });
    Ok(rules
        .filter(|rule| rule.attributes.contains(&ours))
        .collect())
}

/// Takes away a rule that a dump has shown.
pub(super) fn remove_found(netlink: &mut Netlink, found: &RuleMessage) -> io::Result<()> {
    netlink.remove(RouteNetlinkMessage::DelRule(found.clone()))
}
