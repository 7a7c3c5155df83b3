//! Segment lists for packets without an entry: who is asked, in which order, with which function.

use packet_io::Instant;
use srh::{Function, Locator, Segments};

use super::health::{Health, Opinion};
use super::pool::Pool;

/// Servers that one header names at most.
pub const ORDER: usize = srh::rewrite::MAX_SEGMENTS - 2;

/// A short list of servers.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    list: [u16; ORDER],
    len: usize,
}

impl Order {
    /// The first [`ORDER`] of `servers`, as they come.
    pub fn of(servers: &[u16]) -> Self {
        let len = servers.len().min(ORDER);
        let mut list = [0; ORDER];
        list[..len].copy_from_slice(&servers[..len]);
        Order { list, len }
    }

    /// The servers in the order of the visit.
    pub fn as_slice(&self) -> &[u16] {
        &self.list[..self.len]
    }

    /// Appends a server; false if there is no room for it.
    pub fn push(&mut self, server: u16) -> bool {
        let Some(slot) = self.list.get_mut(self.len) else {
            return false;
        };
        *slot = server;
        self.len += 1;
        true
    }

    /// Takes the last server off if it is `server`.
    pub fn pop_if(&mut self, server: u16) {
        self.len -= usize::from(self.as_slice().last() == Some(&server));
    }

    fn as_mut_slice(&mut self) -> &mut [u16] {
        &mut self.list[..self.len]
    }

    /// Starts `times` places later: a SYN that was lost on its way to the first goes to
    /// another one first.
    pub fn rotate(&mut self, times: u8) {
        if self.len > 0 {
            let by = usize::from(times) % self.len;
            self.as_mut_slice().rotate_left(by);
        }
    }

    /// Puts `server`, if it is in the list, first.
    pub fn move_first(&mut self, server: u16) {
        if let Some(at) = self.as_slice().iter().position(|&s| s == server) {
            self.list[..=at].rotate_right(1);
        }
    }

    /// Puts `server`, if it is in the list, last.
    pub fn move_last(&mut self, server: u16) {
        if let Some(at) = self.as_slice().iter().position(|&s| s == server) {
            self.as_mut_slice()[at..].rotate_left(1);
        }
    }

    /// Puts those first who have spoken after `at`; among equals the order stays. Whoever has is not the one that let a
    /// SYN of that time go unanswered for being out of reach.
    pub fn by_word_after(&mut self, at: Instant, health: &Health) {
        self.as_mut_slice()
            .sort_by_key(|&s| !health.spoke_after(s, at));
    }

    /// Puts those last of whom `health` thinks worse; among equals the order stays.
    pub fn by_health(&mut self, health: &Health) {
        self.as_mut_slice().sort_by_key(|&s| health.of(s) as u8);
    }

    /// The same, for the dead alone.
    pub fn dead_last(&mut self, health: &Health) {
        self.as_mut_slice()
            .sort_by_key(|&s| health.of(s) == Opinion::Dead);
    }

    /// The place of the last one who is as sound as the first, in an order by health.
    ///
    /// Whoever stands behind it is asked only where this one is no help: else a busy server would hand
    /// the flow to a silent one, SYN after SYN.
    pub fn last_sound(&self, health: &Health) -> usize {
        let best = self.as_slice().first().map(|&s| health.of(s));
        let as_sound = |s: &&u16| Some(health.of(**s)) == best;
        let sound = self.as_slice().iter().filter(as_sound).count();
        sound.saturating_sub(1)
    }

    /// The place of the last one who lives, in an order with the dead behind; of the last one if
    /// nobody does.
    pub fn last_living(&self, health: &Health) -> usize {
        let living = |s: &&u16| health.of(**s) != Opinion::Dead;
        match self.as_slice().iter().filter(living).count() {
            0 => self.len - 1,
            living => living - 1,
        }
    }

    /// Segments that offer a new flow: connectAvail, and from place `must` on `force`.
    pub fn offer(&self, pool: &Pool, must: usize, force: Function) -> Segments {
        let mut segments = Segments::default();
        self.offer_into(&mut segments, pool, must, force);
        segments
    }

    /// Appends the segments of [`Order::offer`].
    pub fn offer_into(&self, segments: &mut Segments, pool: &Pool, must: usize, force: Function) {
        offer(self.as_slice(), segments, pool, must, force);
    }

    /// Segments that ask for the owner: chunk `number` of a recovery list, with the last word
    /// at its end if it is the last chunk of a complete list.
    pub fn ask(&self, pool: &Pool, number: u8, last_word: bool) -> Segments {
        let mut segments = Segments::default();
        self.ask_into(&mut segments, pool, number, last_word);
        segments
    }

    /// Appends the segments of [`Order::ask`].
    pub fn ask_into(&self, segments: &mut Segments, pool: &Pool, number: u8, last_word: bool) {
        push_segments(self.as_slice(), segments, pool, |i, locator| {
            if i + 1 == self.len && last_word {
                locator.sid(Function::RecoverFinal)
            } else {
                locator.sid_with(Function::RecoverStickiness, number)
            }
        });
    }
}

/// Appends segments that offer a new flow to these servers: connectAvail, and from place `must` on `force`.
#[inline]
pub fn offer(servers: &[u16], segments: &mut Segments, pool: &Pool, must: usize, force: Function) {
    push_segments(servers, segments, pool, |i, locator| {
        locator.sid(if i >= must {
            force
        } else {
            Function::ConnectAvail
        })
    });
}

#[inline]
fn push_segments(
    servers: &[u16],
    segments: &mut Segments,
    pool: &Pool,
    sid: impl Fn(usize, Locator) -> std::net::Ipv6Addr,
) {
    for (i, &server) in servers.iter().enumerate() {
        segments.push(sid(i, pool.servers()[usize::from(server)].locator));
    }
}

/// One chunk of a bucket's recovery list.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Whom it asks.
    pub order: Order,
    /// Its number.
    pub number: u8,
    /// Is it the last one of a list that may have the last word?
    pub last_word: bool,
}

/// Chunk `number` of a recovery list in chunks of `size` servers; `None` behind the end.
///
/// A packet that is sent to a dead server goes no further. So the dead are left out of every chunk
/// but the last one, and asked there, behind the others. If they are too many for it, the
/// list has no last word: nobody is reset whose owner was not asked.
pub fn recovery_chunk(
    list: &[u16],
    complete: bool,
    size: usize,
    number: u8,
    health: &Health,
    now: Instant,
) -> Option<Chunk> {
    let size = size.clamp(1, ORDER);
    let last = list.len().div_ceil(size).checked_sub(1)?;
    for number in usize::from(number)..last {
        let chunk = &list[number * size..][..size];
        let living = chunk.iter().filter(|&&s| health.of(s) != Opinion::Dead);
        let mut order = Order::of(&[]);
        living.for_each(|&server| _ = order.push(server));
        if order.len > 0 {
            return Some(Chunk {
                order,
                number: u8::try_from(number).ok()?,
                last_word: false,
            });
        }
    }
    let (earlier, chunk) = list.split_at(last * size);
    let mut order = Order::of(chunk);
    let mut bypassed = earlier.iter().filter(|&&s| health.was_bypassed(s, now));
    let all_asked = bypassed.all(|&server| order.push(server));
    (usize::from(number) <= last).then_some(Chunk {
        order,
        number: u8::try_from(last).ok()?,
        last_word: complete && all_asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pool::Server;
    use packet_io::Instant;

    fn pool(servers: u16) -> Pool {
        let server = |n: u16| Server {
            name: format!("s{n}"),
            locator: Locator(0xfd00_005e_0000_0000 + u64::from(n)),
            listed: true,
        };
        Pool::new(Vec::new(), (0..servers).map(server).collect())
    }

    fn health(servers: u16, dead: &[u16]) -> Health {
        let health = Health::default();
        health.make_room(servers.into());
        for &server in dead {
            health.suspect(server, Instant::ZERO);
        }
        for second in 0..4 {
            health.ask_suspects(Instant::from_secs(second), |_| ());
        }
        health
    }

    fn names(segments: &Segments) -> Vec<(u64, Function)> {
        let parts = segments
            .as_slice()
            .iter()
            .map(|&a| srh::Sid::parse(a).unwrap());
        parts.map(|s| (s.locator.0 & 0xff, s.function)).collect()
    }

    #[test]
    fn the_last_candidate_is_forced() {
        use Function::{ConnectAvail as A, ConnectFinal as X, ConnectForce as F};
        let pool = pool(4);
        let order = Order::of(&[2, 0, 3]);
        let offer = |must, force| names(&order.offer(&pool, must, force));
        assert_eq!(offer(2, F), [(2, A), (0, A), (3, F)]);
        assert_eq!(offer(2, X), [(2, A), (0, A), (3, X)]);
        assert_eq!(offer(0, F), [(2, F), (0, F), (3, F)]);
    }

    #[test]
    fn those_in_doubt_go_last_and_the_last_of_the_others_may_not_refuse() {
        type Row = (
            &'static str,
            &'static [u16],
            &'static [u16],
            &'static [u16],
            usize,
            usize,
        );
        let rows: [Row; 6] = [
            ("all sound", &[], &[], &[2, 0, 1], 2, 2),
            ("one suspect", &[2], &[], &[0, 1, 2], 1, 2),
            ("one dead", &[], &[2], &[0, 1, 2], 1, 1),
            ("one of each", &[2], &[0], &[1, 2, 0], 0, 1),
            ("nobody sound", &[1, 2], &[0], &[2, 1, 0], 1, 1),
            ("all dead", &[], &[0, 1, 2], &[2, 0, 1], 2, 2),
        ];
        for (what, suspect, dead, in_order, sound, living) in rows {
            let health = health(4, dead);
            for &server in suspect {
                health.suspect(server, Instant::ZERO);
            }
            let mut order = Order::of(&[2, 0, 1]);
            order.by_health(&health);
            assert_eq!(order.as_slice(), in_order, "{what}");
            assert_eq!(order.last_sound(&health), sound, "{what}");
            assert_eq!(order.last_living(&health), living, "{what}");
        }
    }

    #[test]
    fn moves() {
        let moved = |change: &dyn Fn(&mut Order)| -> Vec<u16> {
            let mut order = Order::of(&[5, 6, 7]);
            change(&mut order);
            order.as_slice().to_vec()
        };
        assert_eq!(moved(&|o| o.rotate(1)), [6, 7, 5]);
        assert_eq!(moved(&|o| o.rotate(3)), [5, 6, 7]);
        assert_eq!(moved(&|o| o.move_first(7)), [7, 5, 6]);
        assert_eq!(moved(&|o| o.move_last(5)), [6, 7, 5]);
        assert_eq!(moved(&|o| o.move_last(9)), [5, 6, 7]);
        Order::of(&[]).rotate(1);
    }

    #[test]
    fn the_end_of_a_recovery_list_has_the_last_word_only_where_it_may() {
        use Function::{RecoverFinal as L, RecoverStickiness as R};
        let pool = pool(4);
        let order = Order::of(&[1, 2]);
        assert_eq!(names(&order.ask(&pool, 0, true)), [(1, R), (2, L)]);
        assert_eq!(names(&order.ask(&pool, 1, false)), [(1, R), (2, R)]);
        let last = order.ask(&pool, 1, false).as_slice()[1];
        assert_eq!(srh::Sid::parse(last).unwrap().arg, 1);
    }
}
