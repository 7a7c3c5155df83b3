//! The buffer that the rewriter works on: bytes with room in front of them.

/// There is not enough room in front of the packet for the bytes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no headroom left in front of the packet")]
pub struct NoHeadroom;

/// A packet in a buffer, from the first byte of its IPv6 header on.
///
/// The bytes may go on behind the packet's own end (Ethernet padding); what the
/// IPv6 payload length says is what counts.
pub trait Frame {
    /// The packet's bytes.
    fn bytes(&self) -> &[u8];
    /// The packet's bytes, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Makes the packet `n` bytes longer at its front; the new bytes are zero.
    fn push_front(&mut self, n: usize) -> Result<(), NoHeadroom>;
    /// The same for who writes all of the new bytes: what they are before is not said.
    fn open_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
        self.push_front(n)
    }
    /// Puts `head` in front of the packet.
    fn prepend<const N: usize>(&mut self, head: &[u8; N]) -> Result<(), NoHeadroom> {
        self.push_front(N)?;
        self.bytes_mut()[..N].copy_from_slice(head);
        Ok(())
    }
    /// Makes the packet `N` bytes longer at its front, whatever these are, and returns them and the packet as it was.
    fn split_front<const N: usize>(&mut self) -> Result<(&mut [u8; N], &mut [u8]), NoHeadroom> {
        self.push_front(N)?;
        self.bytes_mut().split_first_chunk_mut().ok_or(NoHeadroom)
    }
    /// Takes `n` bytes off the packet's front (at most all of them).
    fn pull_front(&mut self, n: usize);
    /// Cuts the packet's end so that at most `len` bytes are left.
    fn truncate(&mut self, len: usize);
}
