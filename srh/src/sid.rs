//! Segment identifiers: `locator (/64) : 48 bits of zero's : function (8) : argument (8)`,
//! and the one registry of SR functions.

use std::fmt;
use std::net::Ipv6Addr;

/// The upper 64 bits of a node's SIDs. A locator holds SIDs only, no host addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Locator(pub u64);

impl Locator {
    /// The locator that `addr` lies in (its upper 64 bits).
    #[inline]
    pub fn of(addr: Ipv6Addr) -> Self {
        Locator((addr.to_bits() >> 64) as u64)
    }

    /// The address of `function` with argument 0 at this locator.
    #[inline]
    pub fn sid(self, function: Function) -> Ipv6Addr {
        self.sid_with(function, 0)
    }

    /// The address of `function` with an argument at this locator.
    #[inline]
    pub fn sid_with(self, function: Function, arg: u8) -> Ipv6Addr {
        Sid {
            locator: self,
            function,
            arg,
        }
        .addr()
    }

    /// The node's own SID, the sender of the functions that it uses on others.
    #[inline]
    pub fn node(self) -> Ipv6Addr {
        self.sid(Function::Node)
    }

    /// The first address of the locator's /64.
    pub fn network(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.0) << 64)
    }

    /// Is `addr` inside this locator?
    #[inline]
    pub fn contains(self, addr: Ipv6Addr) -> bool {
        Self::of(addr) == self
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.network())
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What a SID asks its node to do (the registry; docs/protocol.md, "Functions").
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Function { $($(#[$doc])* $name = $code,)* }

        impl Function {
            /// All functions, in the order of their codes.
            pub const ALL: &'static [Function] = &[$(Function::$name,)*];

            /// The function with this code, if there is one.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Function::$name),)* _ => None }
            }

            /// The code on the wire: bits 112..120 of the SID.
            pub const fn code(self) -> u8 { self as u8 }

            /// The name that docs, traces and counters use.
            pub const fn name(self) -> &'static str {
                match self { $(Function::$name => $text,)* }
            }
        }
    };
}

functions! {
    /// The node itself: the sender of functions, the target of echo requests.
    Node = 0x01, "node";
    /// At a server: take this new flow if the acceptance policy says so, else pass it on.
    ConnectAvail = 0x10, "connectAvail";
    /// At a server: take this new flow; the last candidate may not refuse for load.
    ConnectForce = 0x11, "connectForce";
    /// At a server: connectForce that may not be returned either.
    ConnectFinal = 0x12, "connectFinal";
    /// At a server: if this packet is yours take the flow back, else pass it on. Argument: chunk of the list.
    RecoverStickiness = 0x18, "recoverStickiness";
    /// At a server: the same, at the end of everything.
    RecoverFinal = 0x19, "recoverFinal";
    /// At a server: the LB knows that the flow is yours.
    AckStickiness = 0x20, "ackStickiness";
    /// At an LB: the sender has taken the flow; pin it.
    CreateStickiness = 0x30, "createStickiness";
    /// At an LB: the application ended the flow; unpin it soon.
    RemoveStickiness = 0x31, "removeStickiness";
    /// At an LB: the sender does not own this client packet: unpin, and find the owner.
    ReturnFlow = 0x32, "returnFlow";
    /// At an LB: nobody in chunk k owned this client packet: try chunk k+1. Argument: k.
    RecoverNext = 0x33, "recoverNext";
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A segment identifier, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Sid {
    /// Whose SID it is.
    pub locator: Locator,
    /// What is asked.
    pub function: Function,
    /// The function's argument; 0 unless the function says otherwise.
    pub arg: u8,
}

impl Sid {
    /// Takes an address apart. `None` where the 48 middle bits are not zero or
    /// no function has that code.
    #[inline]
    pub fn parse(addr: Ipv6Addr) -> Option<Self> {
        let bits = addr.to_bits();
        let low = bits as u64;
        if low >> 16 != 0 {
            return None;
        }
        Some(Sid {
            locator: Locator::of(addr),
            function: Function::from_code((low >> 8) as u8)?,
            arg: low as u8,
        })
    }

    /// The SID as an address.
    #[inline]
    pub fn addr(self) -> Ipv6Addr {
        let low = u128::from(self.function.code()) << 8 | u128::from(self.arg);
        Ipv6Addr::from_bits(u128::from(self.locator.0) << 64 | low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_survives_the_way_through_an_address() {
        let locator = Locator::of("fd00:5e:1::".parse().unwrap());
        for &function in Function::ALL {
            for arg in [0, 1, 255] {
                let addr = locator.sid_with(function, arg);
                let sid = Sid::parse(addr).unwrap();
                assert_eq!(
                    (sid.locator, sid.function, sid.arg),
                    (locator, function, arg)
                );
                assert_eq!(sid.addr(), addr);
            }
        }
    }

    #[test]
    fn an_address_with_middle_bits_or_an_unknown_code_is_no_sid() {
        for text in ["fd00:5e:1::1:1000", "fd00:5e:1::", "fd00:5e:1::ff00"] {
            assert_eq!(Sid::parse(text.parse().unwrap()), None, "{text}");
        }
    }
}
