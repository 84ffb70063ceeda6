//! Journeys: scripts of successive steps of one user, each step a moment after the one before.
//!
//! | journey | steps | share of starts |
//! | --- | --- | --- |
//! | browse | login, page_view and page_leave 3 to 8 times, logout | 30% |
//! | shop | search, item_view, add_cart, order, pay (85%; after 3 to 170 s), comment, share or refund | 28% |
//! | compare | add_cart, the same item viewed 3 to 5 times, in half the cases order and pay as above | 13% |
//! | admire | item_view, favorite 4 to 13 times, share 1 to 4 times, search for it | 13% |
//! | forget | login_failed once or twice, login | 8% |
//! | coupon | coupon_get, search, item_view, order, coupon_use, pay | 5% |
//! | attack | login_failed 5 to 30 times from one foreign ip within seconds, sometimes a login | 3% |

use super::{kind::Kind, random::Random};

/// Kind of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Browse,
    Shop,
    Compare,
    Admire,
    Forget,
    Coupon,
    Attack,
}

/// A user in the middle of a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    /// Kind of the journey.
    pub(super) script: Script,
    /// Number of the user within the partition.
    pub(super) user: u32,
    /// Position of the article it is about.
    pub(super) item: u16,
    /// Quantity ordered.
    pub(super) quantity: u8,
    step: u8,
    /// Repetitions left, of the main step and of the one after it.
    left: [u8; 2],
    /// Number of the order, or of the attack.
    pub(super) number: u64,
}

/// Steps common to several scripts.
const ORDER: u8 = 100;
const PAY: u8 = 101;
const AFTER: u8 = 102;

impl Journey {
    /// Starts a random script.
    pub(super) fn start(random: &mut Random, user: u32, item: u16, number: u64) -> Journey {
        let script = match random.below(100) {
            0..30 => Script::Browse,
            30..58 => Script::Shop,
            58..71 => Script::Compare,
            71..84 => Script::Admire,
            84..92 => Script::Forget,
            92..97 => Script::Coupon,
            _ => Script::Attack,
        };
        let mut range = |low, high| random.between(low, high) as u8;
        let left = match script {
            Script::Browse => [range(3, 8), 0],
            Script::Compare => [range(3, 5), 0],
            Script::Admire => [range(4, 13), range(1, 4)],
            Script::Forget => [range(1, 2), 0],
            Script::Attack => [range(5, 30), 0],
            Script::Shop | Script::Coupon => [0, 0],
        };
        let quantity = [1, 1, 1, 2][range(0, 3) as usize];
        Journey { script, user, item, quantity, step: 0, left, number }
    }

    /// Performs a step: its event, and the ms until the next step; `None` ends the journey.
    pub(super) fn advance(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        match self.step {
            ORDER => return (Kind::Order, self.pay_later(random)),
            PAY => {
                let more = random.chance(34);
                self.step = AFTER;
                return (Kind::Pay, more.then(|| random.between(5_000, 30_000)));
            }
            AFTER => {
                return (
                    [Kind::Comment, Kind::Comment, Kind::Share, Kind::Refund][random.below(4) as usize],
                    None,
                );
            }
            _ => {}
        }
        match self.script {
            Script::Browse => self.browse(random),
            Script::Shop => self.in_turn(&[Kind::Search, Kind::ItemView, Kind::AddCart], random),
            Script::Compare => self.compare(random),
            Script::Admire => self.admire(random),
            Script::Forget | Script::Attack => self.sign_in(random),
            Script::Coupon => self.coupon(random),
        }
    }

    /// Pays 85 of 100 orders, most of them soon.
    fn pay_later(&mut self, random: &mut Random) -> Option<u32> {
        self.step = PAY;
        match random.below(100) {
            0..70 => Some(random.between(3_000, 40_000)),
            70..85 => Some(random.between(40_000, 170_000)),
            _ => None,
        }
    }

    /// One kind after the other, then an order.
    fn in_turn(&mut self, kinds: &[Kind], random: &mut Random) -> (Kind, Option<u32>) {
        let kind = kinds[usize::from(self.step)];
        self.step += 1;
        if usize::from(self.step) == kinds.len() {
            self.step = ORDER;
        }
        (kind, Some(random.between(800, 5_000)))
    }

    fn browse(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        let kind = match (self.step, self.left[0]) {
            (0, _) => {
                self.step = 1;
                Kind::Login
            }
            (1, 0) => return (Kind::Logout, None),
            (1, _) => {
                self.step = 2;
                Kind::PageView
            }
            _ => {
                self.step = 1;
                self.left[0] -= 1;
                Kind::PageLeave
            }
        };
        (kind, Some(random.between(500, 6_000)))
    }

    fn compare(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        let pause = random.between(1_500, 8_000);
        if self.step == 0 {
            self.step = 1;
            return (Kind::AddCart, Some(pause));
        }
        self.left[0] -= 1;
        if self.left[0] > 0 {
            return (Kind::ItemView, Some(pause));
        }
        self.step = ORDER;
        (Kind::ItemView, random.chance(50).then_some(pause))
    }

    fn admire(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        let pause = Some(random.between(300, 2_500));
        if self.step == 0 {
            self.step = 1;
            return (Kind::ItemView, pause);
        }
        for (left, kind) in self.left.iter_mut().zip([Kind::Favorite, Kind::Share]) {
            if *left > 0 {
                *left -= 1;
                return (kind, pause);
            }
        }
        (Kind::Search, None)
    }

    fn sign_in(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        let attack = self.script == Script::Attack;
        if self.left[0] == 0 {
            return (Kind::Login, None);
        }
        self.left[0] -= 1;
        let gives_up = self.left[0] == 0 && attack && !random.chance(15);
        let pause = if attack { random.between(50, 300) } else { random.between(2_000, 6_000) };
        (Kind::LoginFailed, (!gives_up).then_some(pause))
    }

    fn coupon(&mut self, random: &mut Random) -> (Kind, Option<u32>) {
        const STEPS: [Kind; 5] =
            [Kind::CouponGet, Kind::Search, Kind::ItemView, Kind::Order, Kind::CouponUse];
        let kind = STEPS[usize::from(self.step)];
        self.step += 1;
        if usize::from(self.step) == STEPS.len() {
            self.step = PAY;
        }
        (kind, Some(random.between(800, 6_000)))
    }
}

/// Number of slots of the wheel.
const SLOTS: usize = 4096;
/// Length of a slot, ms; all slots together are the longest pause.
const SLOT_MS: u64 = 50;

/// Journeys by the time of their next step. A timing wheel: a step costs the same however many journeys are
/// under way.
#[derive(Debug)]
pub(super) struct TimingWheel {
    slots: Vec<Vec<Journey>>,
    /// Slots before this one have been emptied into `due`.
    at: u64,
    due: std::collections::VecDeque<Journey>,
    waiting: usize,
}

impl TimingWheel {
    pub(super) fn new() -> TimingWheel {
        TimingWheel {
            slots: vec![Vec::new(); SLOTS],
            at: 0,
            due: std::collections::VecDeque::new(),
            waiting: 0,
        }
    }

    /// Number of journeys under way.
    pub(super) fn len(&self) -> usize {
        self.waiting + self.due.len()
    }

    /// A journey whose next step is due at `now`, ms since the start.
    pub(super) fn next(&mut self, now: u64) -> Option<Journey> {
        let slot = now / SLOT_MS;
        if self.waiting == 0 {
            self.at = self.at.max(slot);
        }
        while self.at < slot {
            self.at += 1;
            let journeys = &mut self.slots[(self.at % SLOTS as u64) as usize];
            self.waiting -= journeys.len();
            self.due.extend(journeys.drain(..));
        }
        self.due.pop_front()
    }

    /// Schedules a journey for `pause` ms after `now`.
    pub(super) fn put(&mut self, journey: Journey, now: u64, pause: u32) {
        let ahead = (u64::from(pause) / SLOT_MS).clamp(1, SLOTS as u64 - 1);
        let slot = now / SLOT_MS + ahead;
        self.slots[(slot % SLOTS as u64) as usize].push(journey);
        self.waiting += 1;
    }
}
