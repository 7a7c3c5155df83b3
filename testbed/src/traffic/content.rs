//! What bodies are made of: bytes that seed and offset alone decide.

use crate::rng::number_at;

/// How much is made and compared at a time.
const PIECE_BYTES: usize = 4096;
const WORD_BYTES: u64 = 8;

/// An endless sequence of bytes: word `i` (8 bytes, little endian) is the seed's number `i`. A
/// byte in the wrong place, or of another seed, shows within a byte or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Whose.
    pub seed: u64,
}

impl Content {
    /// Fills `out` with the bytes from `offset` on.
    pub fn fill(self, offset: u64, out: &mut [u8]) {
        let (mut word, mut skip) = (offset / WORD_BYTES, (offset % WORD_BYTES) as usize);
        let mut rest = out;
        while !rest.is_empty() {
            let bytes = number_at(self.seed, word).to_le_bytes();
            let n = rest.len().min(bytes.len() - skip);
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&bytes[skip..skip + n]);
            (rest, word, skip) = (later, word.wrapping_add(1), 0);
        }
    }

    /// The bytes from `offset` on.
    pub fn bytes(self, offset: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(offset, &mut out);
        out
    }

    /// How many of these bytes, from the first on, are those from `offset` on.
    pub fn right(self, offset: u64, bytes: &[u8]) -> usize {
        let mut piece = [0; PIECE_BYTES];
        let mut done = 0;
        for chunk in bytes.chunks(PIECE_BYTES) {
            let expected = &mut piece[..chunk.len()];
            self.fill(offset + done as u64, expected);
            if let Some(wrong) = chunk.iter().zip(expected).position(|(a, b)| a != b) {
                return done + wrong;
            }
            done += chunk.len();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_is_the_piece_of_the_whole() {
        let content = Content { seed: 9 };
        let whole = content.bytes(0, 3 * PIECE_BYTES);
        for (from, len) in [(0, 1), (1, 7), (7, 9), (8, 8), (4093, 10), (13, 5000)] {
            assert_eq!(content.bytes(from as u64, len), whole[from..from + len]);
            assert_eq!(content.right(from as u64, &whole[from..from + len]), len);
        }
    }

    #[test]
    fn wrong_bytes_are_found_where_they_are() {
        let content = Content { seed: 9 };
        let whole = content.bytes(100, 2 * PIECE_BYTES);
        for wrong in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES - 1] {
            let mut bytes = whole.clone();
            bytes[wrong] ^= 1;
            assert_eq!(content.right(100, &bytes), wrong);
        }
    }

    #[test]
    fn another_place_or_seed_shows_at_once() {
        let whole = Content { seed: 9 }.bytes(0, 4096);
        for shift in [1, 8, 1232, 1448] {
            assert!(Content { seed: 9 }.right(shift, &whole) < 4, "{shift}");
        }
        assert!(Content { seed: 10 }.right(0, &whole) < 4);
    }
}
