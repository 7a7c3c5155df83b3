//! What connections carry: a function of connection, side and offset, so that every byte can be checked.

use crate::rng::Rng;
use crate::sim::dialogue::Side;

/// The content of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    key: u64,
}

impl Content {
    /// What `side` of a connection sends.
    pub fn of(connection: usize, side: Side) -> Self {
        let stream = (connection as u64) << 1 | u64::from(side == Side::Server);
        Content {
            key: Rng::new(stream, 1).next_u64(),
        }
    }

    /// The eight bytes of which `offset` is one.
    fn word(self, offset: u64) -> [u8; 8] {
        let mixed = (self.key ^ (offset >> 3)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).to_le_bytes()
    }

    /// Writes what stands from `offset` on.
    pub fn write(self, offset: u64, room: &mut [u8]) {
        let mut at = offset;
        let mut rest = room;
        while !rest.is_empty() {
            let word = self.word(at);
            let from = (at & 7) as usize;
            let len = (8 - from).min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(&word[from..from + len]);
            at += len as u64;
            rest = later;
        }
    }

    /// Is this what stands from `offset` on?
    pub fn is(self, offset: u64, bytes: &[u8]) -> bool {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = self.word(at);
            let from = (at & 7) as usize;
            let len = (8 - from).min(rest.len());
            if rest[..len] != word[from..from + len] {
                return false;
            }
            at += len as u64;
            rest = &rest[len..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_is_recognised_and_no_other() {
        let content = Content::of(3, Side::Client);
        let mut whole = [0; 100];
        content.write(0, &mut whole);
        for from in 0..20 {
            let mut piece = [0; 33];
            content.write(from, &mut piece);
            assert_eq!(piece[..], whole[from as usize..][..33]);
            assert!(content.is(from, &piece));
            assert!(!content.is(from + 1, &piece));
            assert!(!Content::of(3, Side::Server).is(from, &piece));
            piece[17] ^= 1;
            assert!(!content.is(from, &piece));
        }
    }
}
