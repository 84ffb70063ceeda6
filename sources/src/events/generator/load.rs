//! The load: a sequence of events, each a pure function of the settings and its number.
//!
//! A journey whose next step is due goes first; otherwise a background event happens, and one time in eight a
//! new journey starts instead. So journeys take about half of all events at any rate, and start only as fast
//! as they complete.

use super::{
    catalogue::Catalogue,
    journey::{Journey, Script, TimingWheel},
    kind::Kind,
    people::interests,
    random::{Random, scale},
    write::{Activity, Actor, EventWriter, OrderId},
};

/// Most journeys under way in a partition; bounds memory if time stands still (unpaced).
const MAX_JOURNEYS: usize = 1 << 17;

/// Number of articles at the start of the catalogue, 重庆民宿, that are admired most.
const FAVOURITES: u32 = 3;

/// Background events and their shares in percent.
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

/// Event generator for the users of one partition.
#[derive(Debug)]
pub(super) struct Load {
    writer: EventWriter,
    random: Random,
    wheel: TimingWheel,
    /// Number of the current session, by user.
    sessions: Vec<u32>,
    background: Vec<Kind>,
    partition: u32,
    partitions: u32,
    /// Number of journeys started.
    journeys: u64,
}

impl Load {
    /// Creates the load of one partition; `users` is the number of users over all partitions.
    pub(super) fn new(seed: u64, users: u64, partition: u32, partitions: u32) -> Load {
        let count = (0..)
            .map_while(|number| (guid(number, partition, partitions) <= users).then_some(number))
            .count();
        let background = BACKGROUND.iter().flat_map(|&(kind, share)| vec![kind; share]).collect();
        Load {
            writer: EventWriter::new(Catalogue::new()),
            random: Random::new(seed, u64::from(partition)),
            wheel: TimingWheel::new(),
            sessions: vec![1; count],
            background,
            partition,
            partitions,
            journeys: 0,
        }
    }

    /// Appends the event of the moment `now` (ms since the start), with `time` as its event time.
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
            self.background_event(out, time);
        }
    }

    fn step(&mut self, out: &mut Vec<u8>, mut journey: Journey, now: u64, time: u64) {
        let (kind, pause) = journey.advance(&mut self.random);
        let attack = journey.script == Script::Attack;
        let actor = Actor {
            anonymous: kind == Kind::LoginFailed,
            attack: attack.then_some(journey.number * u64::from(self.partitions) + u64::from(self.partition)),
            ..self.actor(journey.user)
        };
        let order = OrderId { partition: self.partition, number: journey.number };
        let activity = Activity {
            kind,
            item: journey.item,
            quantity: journey.quantity,
            order,
            bits: self.random.next(),
        };
        self.writer.event(out, &actor, &activity, time);
        if let Some(pause) = pause {
            self.wheel.put(journey, now, pause);
        }
    }

    fn background_event(&mut self, out: &mut Vec<u8>, time: u64) {
        let (user, item) = self.pick();
        let kind = self.background[self.random.below(self.background.len() as u32) as usize];
        if kind == Kind::Login {
            self.sessions[user as usize] += 1;
        }
        let actor = self.actor(user);
        let bits = self.random.next();
        let order = OrderId { partition: self.partition, number: bits >> 32 };
        let activity = Activity { kind, item, quantity: 1, order, bits };
        self.writer.event(out, &actor, &activity, time);
    }

    fn actor(&self, user: u32) -> Actor {
        let guid = guid(u64::from(user), self.partition, self.partitions);
        Actor { guid, session: self.sessions[user as usize], anonymous: false, attack: None }
    }

    /// Picks a user, busy ones more often, and an article, mostly one of the user's interests.
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

/// Guid of a partition's user: guids are 1, 2, 3.. and lie in partition guid mod partitions.
fn guid(user: u64, partition: u32, partitions: u32) -> u64 {
    let first = if partition == 0 { partitions } else { partition };
    u64::from(first) + user * u64::from(partitions)
}
