//! The load itself: event after event, each a pure function of the settings and its number.
//!
//! A journey whose next step is due goes first; otherwise something happens by itself (the background), and one time in
//! eight a new journey starts instead. So journeys take about half of all events at any rate, and start only as fast as
//! they are worked off.

use super::{
    catalogue::Catalogue,
    journey::{Journey, Script, Wheel},
    people::interests,
    random::{Random, scale},
    write::{Kind, What, Who, Writer},
};

/// Most journeys under way in a partition; bounds memory where time stands still (unpaced).
const MAX_JOURNEYS: usize = 1 << 17;

/// The first articles of the catalogue, 重庆民宿, are what people admire most.
const FAVOURITES: u32 = 3;

/// Background events and their shares, in percent.
const BACKGROUND: [(Kind, usize); 14] = [
    (Kind::PageView, 28),
    (Kind::ItemView, 20),
    (Kind::Search, 10),
    (Kind::PageLeave, 9),
    (Kind::AdShow, 8),
    (Kind::Like, 5),
    (Kind::Login, 4),
    (Kind::Favorite, 4),
    (Kind::AddCart, 4),
    (Kind::Logout, 2),
    (Kind::Share, 2),
    (Kind::AdClick, 2),
    (Kind::DelCart, 1),
    (Kind::Unfavorite, 1),
];

/// Events of the users of one partition.
#[derive(Debug)]
pub(super) struct Load {
    writer: Writer,
    random: Random,
    wheel: Wheel,
    /// Number of the current session of each user.
    sessions: Vec<u32>,
    background: Vec<Kind>,
    partition: u32,
    partitions: u32,
    /// Journeys started.
    journeys: u64,
}

impl Load {
    /// `users` is the number of users over all partitions.
    pub(super) fn new(seed: u64, users: u64, partition: u32, partitions: u32) -> Load {
        let count = (0..)
            .map_while(|number| (guid(number, partition, partitions) <= users).then_some(number))
            .count();
        let background = BACKGROUND.iter().flat_map(|&(kind, share)| vec![kind; share]).collect();
        Load {
            writer: Writer::new(Catalogue::new()),
            random: Random::new(seed, u64::from(partition)),
            wheel: Wheel::new(),
            sessions: vec![1; count],
            background,
            partition,
            partitions,
            journeys: 0,
        }
    }

    /// Appends the event of the moment `now` (ms since the start) that is stamped `time`.
    pub(super) fn event(&mut self, out: &mut Vec<u8>, now: u64, time: u64) {
        if let Some(journey) = self.wheel.next(now) {
            self.step(out, journey, now, time);
        } else if self.wheel.len() < MAX_JOURNEYS && self.random.below(8) == 0 {
            let (user, item) = self.pick();
            let mut journey = Journey::start(&mut self.random, user, item, self.journeys);
            if journey.script == Script::Admire && self.random.chance(25) {
                journey.item = self.random.below(FAVOURITES) as u16;
            }
            self.journeys += 1;
            self.sessions[user as usize] += 1;
            self.step(out, journey, now, time);
        } else {
            self.happen(out, time);
        }
    }

    fn step(&mut self, out: &mut Vec<u8>, mut journey: Journey, now: u64, time: u64) {
        let (kind, pause) = journey.advance(&mut self.random);
        let attack = journey.script == Script::Attack;
        let who = Who {
            anonymous: kind == Kind::LoginFailed,
            attack: attack.then_some(journey.number * u64::from(self.partitions) + u64::from(self.partition)),
            ..self.who(journey.user)
        };
        let order = (self.partition, journey.number);
        let what =
            What { kind, item: journey.item, quantity: journey.quantity, order, bits: self.random.next() };
        self.writer.event(out, &who, &what, time);
        if let Some(pause) = pause {
            self.wheel.put(journey, now, pause);
        }
    }

    fn happen(&mut self, out: &mut Vec<u8>, time: u64) {
        let (user, item) = self.pick();
        let kind = self.background[self.random.below(self.background.len() as u32) as usize];
        if kind == Kind::Login {
            self.sessions[user as usize] += 1;
        }
        let who = self.who(user);
        let bits = self.random.next();
        let what = What { kind, item, quantity: 1, order: (self.partition, bits >> 32), bits };
        self.writer.event(out, &who, &what, time);
    }

    fn who(&self, user: u32) -> Who {
        let guid = guid(u64::from(user), self.partition, self.partitions);
        Who { guid, session: self.sessions[user as usize], anonymous: false, attack: None }
    }

    /// A user, the busy ones more often, and an article, mostly of the user's interests.
    fn pick(&mut self) -> (u32, u16) {
        let bits = self.random.next();
        let user = scale((bits >> 32) as u32, scale(bits as u32, self.sessions.len() as u32) + 1);
        let catalogue = self.writer.catalogue();
        let [first, second] = interests(guid(u64::from(user), self.partition, self.partitions));
        let (start, count) = match self.random.below(10) {
            0..5 => catalogue.category(first),
            5..8 => catalogue.category(second),
            _ => (0, catalogue.items.len() as u32),
        };
        (user, (start + self.random.below(count)) as u16)
    }
}

/// The guid of a partition's user: guids are 1, 2, 3.. and lie in partition guid mod partitions.
fn guid(user: u64, partition: u32, partitions: u32) -> u64 {
    let first = if partition == 0 { partitions } else { partition };
    u64::from(first) + user * u64::from(partitions)
}
