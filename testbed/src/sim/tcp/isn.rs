//! Initial sequence numbers: as RFC 6528 makes them, and how smoltcp is brought to use them.

use srh::Flow;

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The initial number of a connection that is opened or taken at `now_us`: a hash of the flow under the
/// host's secret, and a clock that ticks every 64 ns, as in Linux. So the numbers of one flow at one host
/// rise, and those of two hosts have nothing to do with each other.
pub fn number(secret: u64, flow: &Flow, now_us: u64) -> u32 {
    let ticks = now_us.wrapping_mul(1_000) >> 6;
    (keyed(secret, flow, 0) as u32).wrapping_add(ticks as u32)
}

/// The number of a SYN cookie: it says again who asked, and when, to within a minute.
pub fn cookie(secret: u64, flow: &Flow, client_number: u32, now_us: u64) -> u32 {
    let minute = now_us / 60_000_000;
    keyed(secret, flow, 1 + (u64::from(client_number) << 24 | minute)) as u32
}

fn keyed(secret: u64, flow: &Flow, more: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(secret, more);
    hasher.write(&flow.key());
    hasher.finish()
}

/// smoltcp draws an initial number from its interface's generator, a PCG whose seed can be chosen. This is the seed
/// whose first draw is `wanted`: the generator's step, backwards.
///
/// The step is `s = seed * M + A`, the draw `(s >> (29 - (s >> 61))) as u32`. With the upper three bits
/// zero the draw is bits 29 to 60.
pub fn seed_for(wanted: u32) -> u64 {
    const M: u64 = 0xbb2e_fcec_3c39_611d;
    const A: u64 = 0x7590_ef39;
    let state = u64::from(wanted) << 29;
    state.wrapping_sub(A).wrapping_mul(inverse(M))
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut step = 0;
    while step < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::flow;

    #[test]
    fn an_inverse_inverts() {
        for odd in [1, 3, 0xbb2e_fcec_3c39_611d, u64::MAX] {
            assert_eq!(odd.wrapping_mul(inverse(odd)), 1);
        }
    }

    #[test]
    fn numbers_of_one_flow_rise_and_hosts_differ() {
        let flow = flow(1, 4_000);
        let later = number(7, &flow, 1_000_064).wrapping_sub(number(7, &flow, 1_000_000));
        assert_eq!(later, 1_000);
        assert_ne!(number(7, &flow, 0), number(8, &flow, 0));
        assert_eq!(cookie(7, &flow, 5, 1), cookie(7, &flow, 5, 59_000_000));
        assert_ne!(cookie(7, &flow, 5, 1), cookie(7, &flow, 6, 1));
    }
}
