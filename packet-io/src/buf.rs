//! A packet in memory, with room for headers in front of it.

use srh::{Frame, NoHeadroom};

use crate::prefetch::prefetch_at;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;
/// What is looked at of nearly every packet: an IPv6 header, and TCP's up to the flags.
const HEAD_BYTES: usize = 54;
/// A SYN-ACK with options, behind a header that sends it to an LB, is no longer.
const SHORT_BYTES: usize = 3 * LINE_BYTES;

/// One packet, owned, from the first byte of its IPv6 header on.
///
/// 32 bytes, apart from the packet's: whoever goes through many of them reads one more cache line for every second one.
///
/// Always `base <= start <= end <= limit <= data.len()`: whoever looks into the packet relies on that, and nothing is checked again.
pub struct PacketBuf {
    data: Box<[u8]>,
    /// The first byte of `data` that begins a cache line: what lies before is not used.
    base: u32,
    start: u32,
    end: u32,
    /// The end of the room for packets.
    limit: u32,
}

impl PacketBuf {
    /// Room kept in front of a received packet: more than the longest header that
    /// an engine adds (encap with eight servers and an HMAC TLV: 216 bytes).
    ///
    /// Three cache lines and an IPv6 header: so an outer header begins a line, and its end, the inner header and the ports are in
    /// that line and the next one.
    pub const HEADROOM_BYTES: usize = 3 * LINE_BYTES + 40;
    /// The largest packet that a buffer takes in: an IPv6 header and a full payload.
    pub const CAPACITY_BYTES: usize = 40 + 65_535;

    /// An empty buffer that can take in a packet of up to `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If that is 4 GiB or more.
    pub fn with_capacity(capacity: usize) -> Self {
        let data = vec![0; LINE_BYTES - 1 + Self::HEADROOM_BYTES + capacity].into_boxed_slice();
        assert!(u32::try_from(data.len()).is_ok(), "{capacity} bytes");
        // Where that can't be said nothing is but slower.
        let base = data.as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES - 1);
        let start = base + Self::HEADROOM_BYTES;
        PacketBuf {
            data,
            base: base as u32,
            start: start as u32,
            end: start as u32,
            limit: (start + capacity) as u32,
        }
    }

    /// A buffer that holds a copy of `packet`.
    pub fn from_slice(packet: &[u8]) -> Self {
        let mut buf = Self::with_capacity(packet.len());
        buf.fill(|room| {
            room[..packet.len()].copy_from_slice(packet);
            packet.len()
        });
        buf
    }

    /// Replaces the content: `write` is given the whole room behind the headroom and says
    /// how many bytes it has written.
    pub fn fill(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        self.start = self.base + Self::HEADROOM_BYTES as u32;
        // Empty, should `write` panic.
        self.end = self.start;
        let room = &mut self.data[self.start as usize..self.limit as usize];
        let len = write(room).min(room.len());
        self.end = self.start + len as u32;
    }

    /// [`PacketBuf::fill`] by something that can fail; then the buffer is left empty.
    pub fn try_fill<E>(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        self.fill(|room| {
            write(room).unwrap_or_else(|error| {
                outcome = Err(error);
                0
            })
        });
        outcome
    }

    /// How long a packet the buffer can take in.
    pub fn capacity_bytes(&self) -> usize {
        (self.limit - self.base) as usize - Self::HEADROOM_BYTES
    }

    /// Replaces the content by a copy of `packet`, cut to the buffer's capacity.
    pub fn copy_from(&mut self, packet: &[u8]) {
        self.fill(|room| {
            let n = packet.len().min(room.len());
            room[..n].copy_from_slice(&packet[..n]);
            n
        });
    }

    /// Asks for the first bytes of a packet, and for `front` bytes in front of them (at most a cache line), without waiting.
    #[inline]
    pub fn prefetch(&self, front: usize) {
        let start = self.data.as_ptr().wrapping_add(self.start as usize);
        prefetch_at(start.wrapping_sub(front));
        prefetch_at(start);
        prefetch_at(start.wrapping_add(HEAD_BYTES - 1));
        // Of one that is hardly longer all is read, for its checksum: what carries a function is such a one.
        if (LINE_BYTES..=SHORT_BYTES).contains(&self.len()) {
            prefetch_at(start.wrapping_add(self.len() - 1));
        }
    }

    /// Where the packet begins if it becomes `n` bytes longer.
    #[inline]
    fn room_for(&self, n: usize) -> Result<u32, NoHeadroom> {
        let n = u32::try_from(n).map_err(|_| NoHeadroom)?;
        let start = self.start.checked_sub(n);
        start.filter(|&start| start >= self.base).ok_or(NoHeadroom)
    }

    #[inline]
    fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many bytes the packet has.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Is there no packet in it?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Clone for PacketBuf {
    fn clone(&self) -> Self {
        let mut buf = Self::with_capacity(self.capacity_bytes());
        let moved = |at: u32| at - self.base + buf.base;
        (buf.start, buf.end) = (moved(self.start), moved(self.end));
        buf.bytes_mut().copy_from_slice(self.bytes());
        buf
    }
}

impl Frame for PacketBuf {
    #[allow(unsafe_code)]
    #[inline]
    fn bytes(&self) -> &[u8] {
        let range = self.range();
        debug_assert!(range.start <= range.end && range.end <= self.data.len());
        // SAFETY: the range lies in the data: see the struct. All that changes `start` and `end` stands in this file.
        unsafe { self.data.get_unchecked(range) }
    }

    #[allow(unsafe_code)]
    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        debug_assert!(range.start <= range.end && range.end <= self.data.len());
        // SAFETY: as above.
        unsafe { self.data.get_unchecked_mut(range) }
    }

    #[inline]
    fn push_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
        let start = self.room_for(n)?;
        self.data[start as usize..self.start as usize].fill(0);
        self.start = start;
        Ok(())
    }

    #[inline]
    fn open_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
        self.start = self.room_for(n)?;
        Ok(())
    }

    #[inline]
    fn prepend<const N: usize>(&mut self, head: &[u8; N]) -> Result<(), NoHeadroom> {
        let start = self.room_for(N)?;
        self.data[start as usize..][..N].copy_from_slice(head);
        self.start = start;
        Ok(())
    }

    #[inline]
    fn split_front<const N: usize>(&mut self) -> Result<(&mut [u8; N], &mut [u8]), NoHeadroom> {
        self.start = self.room_for(N)?;
        self.bytes_mut().split_first_chunk_mut().ok_or(NoHeadroom)
    }

    #[inline]
    fn pull_front(&mut self, n: usize) {
        self.start += n.min(self.len()) as u32;
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u32;
        }
    }
}

impl std::fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PacketBuf({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_keeps_the_headroom_whatever_was_pushed_before() {
        let mut buf = PacketBuf::from_slice(&[1, 2, 3, 4]);
        buf.push_front(PacketBuf::HEADROOM_BYTES).unwrap();
        assert_eq!(buf.push_front(1), Err(NoHeadroom));
        buf.copy_from(&[5, 6, 7, 8, 9]);
        assert_eq!(buf.bytes(), [5, 6, 7, 8], "cut to the capacity");
        assert_eq!(buf.capacity_bytes(), 4);
        buf.push_front(PacketBuf::HEADROOM_BYTES).unwrap();
    }

    #[test]
    fn pushed_bytes_are_zero_even_where_a_packet_was() {
        let mut buf = PacketBuf::from_slice(&[9; 10]);
        buf.pull_front(4);
        buf.push_front(6).unwrap();
        assert_eq!(buf.bytes(), [0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn pulling_and_truncating_stop_at_the_ends() {
        let mut buf = PacketBuf::from_slice(&[1, 2, 3]);
        buf.truncate(7);
        assert_eq!(buf.len(), 3);
        buf.truncate(2);
        assert_eq!(buf.bytes(), [1, 2]);
        buf.pull_front(5);
        assert!(buf.is_empty());
    }

    #[test]
    fn a_copy_has_the_same_room_before_and_behind_it() {
        let mut buf = PacketBuf::with_capacity(7);
        buf.copy_from(&[1, 2, 3, 4]);
        buf.push_front(5).unwrap();
        let mut copy = buf.clone();
        assert_eq!(copy.bytes(), buf.bytes());
        assert_eq!(copy.capacity_bytes(), 7);
        let room = PacketBuf::HEADROOM_BYTES - 5;
        assert_eq!(copy.push_front(room + 1), Err(NoHeadroom));
        assert_eq!(copy.push_front(room), Ok(()));
    }

    #[test]
    fn what_is_put_in_front_of_a_received_packet_begins_a_cache_line() {
        let mut buf = PacketBuf::from_slice(&[1; 86]);
        buf.push_front(40).unwrap();
        assert_eq!(buf.bytes().as_ptr().addr() % 64, 0);
        assert_eq!(buf.clone().bytes().as_ptr().addr() % 64, 0);
    }

    #[test]
    fn a_failed_fill_leaves_an_empty_buffer() {
        let mut buf = PacketBuf::from_slice(&[1, 2, 3]);
        assert_eq!(buf.try_fill(|_| Err("no")), Err("no"));
        assert!(buf.is_empty());
        assert_eq!(buf.try_fill(|room| Ok::<_, ()>(room.len() + 5)), Ok(()));
        assert_eq!(buf.len(), 3, "never longer than the room");
    }
}
