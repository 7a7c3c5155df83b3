//! The one list of a datagram that has no entry: first those who may own its flow, then those who may take it.

use srh::{Function, Segments};

use super::health::{Health, Opinion};
use super::order::{Order, ORDER};
use super::pool::Pool;

/// One header's worth of that list.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Who is asked whether the flow is theirs.
    pub ask: Order,
    /// The number of their chunk.
    pub number: u8,
    /// To whom it is offered then; nobody if a further chunk comes first.
    pub offer: Option<Order>,
}

/// Chunk `number` of a recovery list in chunks of `size` servers, and the candidates `offer` behind the last
/// one: in the same header if they fit, else in one of their own.
///
/// The dead are not asked: a datagram that is sent to one of them goes no further. Neither is the
/// first candidate where nobody comes between: connectAvail finds what is there already, too.
pub fn open(list: &[u16], offer: Order, size: usize, number: u8, health: &Health) -> Open {
    let size = size.clamp(1, ORDER);
    let mut rest = list.get(usize::from(number) * size..).unwrap_or(&[]);
    let mut number = number;
    loop {
        let (chunk, behind) = rest.split_at(rest.len().min(size));
        let ask = living(chunk, health);
        if behind.is_empty() {
            return last(ask, number, offer);
        }
        if !ask.as_slice().is_empty() {
            let offer = None;
            return Open { ask, number, offer };
        }
        (rest, number) = (behind, number.saturating_add(1));
    }
}

fn living(chunk: &[u16], health: &Health) -> Order {
    let mut order = Order::of(&[]);
    let living = chunk.iter().filter(|&&s| health.of(s) != Opinion::Dead);
    living.for_each(|&server| _ = order.push(server));
    order
}

fn last(ask: Order, number: u8, offer: Order) -> Open {
    let mut others = ask;
    if let Some(&first) = offer.as_slice().first() {
        others.move_last(first);
        others.pop_if(first);
    }
    let room = ORDER - offer.as_slice().len();
    match others.as_slice().len() <= room {
        true => Open {
            ask: others,
            number,
            offer: Some(offer),
        },
        false => Open {
            ask,
            number,
            offer: None,
        },
    }
}

impl Open {
    /// Who gets the datagram first.
    pub fn first(&self) -> Option<u16> {
        let offer = self.offer.iter().flat_map(|offer| offer.as_slice());
        self.ask.as_slice().iter().chain(offer).next().copied()
    }

    /// Those who are asked in another order; the first candidate stays where it is.
    pub fn reorder(mut self, change: impl FnOnce(&mut Order)) -> Self {
        change(&mut self.ask);
        self
    }

    /// Its segments: recoverStickiness, then connectAvail, the last one `force`.
    pub fn segments(&self, pool: &Pool, health: &Health, force: Function) -> Segments {
        let mut segments = self.ask.ask(pool, self.number, false);
        if let Some(offer) = &self.offer {
            let offered = offer.offer(pool, offer.last_living(health), force);
            offered
                .as_slice()
                .iter()
                .for_each(|&sid| segments.push(sid));
        }
        segments
    }
}
