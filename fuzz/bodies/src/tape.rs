//! Reading an input from front to back.

use arbitrary::Unstructured;

/// The bytes of an input as decisions. Behind the end every decision is the first one, so that any bytes
/// are an input, and a shorter one is a simpler one.
pub struct Tape<'a>(Unstructured<'a>);

impl<'a> Tape<'a> {
    /// A tape at its beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Tape(Unstructured::new(bytes))
    }

    /// Is nothing left?
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Two bytes, the lower one first.
    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, the lowest one first.
    pub fn long(&mut self) -> u32 {
        u32::from(self.word()) | u32::from(self.word()) << 16
    }

    /// Yes or no.
    pub fn flip(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of a few things.
    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    /// Up to `len` bytes: fewer at the end.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let len = len.min(self.0.len());
        self.0.bytes(len).unwrap_or_default()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// How many bytes say how an engine is configured.
pub const SETTINGS_BYTES: usize = 16;

/// The part of a tape that says so: always as long, so that what follows keeps its meaning when settings are added.
pub fn settings<'a>(tape: &mut Tape<'a>) -> Tape<'a> {
    Tape::new(tape.bytes(SETTINGS_BYTES))
}
