//! Packets under way, in buffers that are used again.

use packet_io::PacketBuf;

/// Room for what a segment without data and options takes; headers are put in front of it.
const CAPACITY_BYTES: usize = 60;

/// A packet under way, by its place.
pub type Place = u32;

/// The buffers.
#[derive(Default)]
pub struct Buffers {
    all: Vec<PacketBuf>,
    free: Vec<Place>,
}

impl Buffers {
    /// A buffer that nobody uses.
    pub fn take(&mut self) -> Place {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(PacketBuf::with_capacity(CAPACITY_BYTES));
            (self.all.len() - 1) as Place
        })
    }

    /// Takes a packet in that somebody else has made.
    pub fn adopt(&mut self, frame: PacketBuf) -> Place {
        let place = self.take();
        self.all[place as usize] = frame;
        place
    }

    /// The packet there.
    pub fn at(&mut self, place: Place) -> &mut PacketBuf {
        &mut self.all[place as usize]
    }

    /// Nobody needs it any more.
    pub fn give_back(&mut self, place: Place) {
        self.free.push(place);
    }

    /// How many were in use at once.
    pub fn most(&self) -> usize {
        self.all.len()
    }

    /// How many are in use.
    pub fn in_use(&self) -> usize {
        self.all.len() - self.free.len()
    }
}
