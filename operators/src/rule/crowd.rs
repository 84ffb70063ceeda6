//! Crowds: sets of users.
//!
//! - `members`: the users of a crowd
//! - `listed`: from a list of users to a bitmap

mod listed;
mod members;

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
    sync::Arc,
};

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

pub use self::members::Member;
pub(super) use self::members::{Members, differing};
use crate::{document::user_list::UserList, model::guid::Guid};

/// A crowd: a shared set of users. Crowds are compared by their digests, and a clone copies a pointer.
#[derive(Clone, Debug)]
pub struct Crowd {
    digest: u128,
    members: Arc<Members>,
    /// Length of the stored form.
    bytes: usize,
}

/// Collects the users of a crowd.
#[derive(Clone, Debug, Default)]
pub struct CrowdBuilder {
    numbers: RoaringTreemap,
    texts: Vec<u128>,
}

impl CrowdBuilder {
    /// Adds a user; who is added twice counts once.
    pub fn add(&mut self, guid: Guid<'_>) {
        match Member::from(guid) {
            Member::Number(number) => drop(self.numbers.insert(number)),
            Member::Text(text) => self.texts.push(text),
        }
    }

    /// The crowd of the users added.
    pub fn build(self) -> Crowd {
        Crowd::of(Members::new(self.numbers, self.texts))
    }
}

/// The reason why a text or bytes are not a crowd.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    /// The text is not base64.
    #[error("this is not base64: {0}")]
    Base64(#[from] DecodeError),
    /// The bytes are not a bitmap.
    #[error("these bytes are not a portable roaring bitmap, neither 32- nor 64-bit")]
    Bitmap,
    /// The bytes are not what was stored.
    #[error("these bytes are not a stored crowd")]
    Stored,
}

impl Crowd {
    /// Makes a crowd from a bitmap; costs one serialization for the digest.
    pub fn new(numbers: RoaringTreemap) -> Self {
        Crowd::of(Members::new(numbers, Vec::new()))
    }

    /// Makes a crowd of users listed in any order; who is listed twice counts once.
    pub fn listed(users: UserList) -> Self {
        let texts = users.texts.iter().map(|text| Guid::of_text(text));
        let mut listed = CrowdBuilder { numbers: listed::bitmap(users.numbers), texts: Vec::new() };
        texts.for_each(|guid| listed.add(guid));
        listed.build()
    }

    fn of(members: Members) -> Self {
        let bytes = members.to_bytes();
        Crowd { digest: xxh3_128(&bytes), members: Arc::new(members), bytes: bytes.len() }
    }

    /// Reads a portable roaring bitmap, 64-bit or 32-bit.
    ///
    /// # Errors
    /// If the bytes are neither.
    pub fn from_portable(bytes: &[u8]) -> Result<Self, CrowdError> {
        if let Ok(small) = RoaringBitmap::deserialize_from(bytes)
            && small.serialized_size() == bytes.len()
        {
            return Ok(Crowd::new(small.iter().map(u64::from).collect()));
        }
        match RoaringTreemap::deserialize_from(bytes) {
            Ok(large) if large.serialized_size() == bytes.len() => Ok(Crowd::new(large)),
            _ => Err(CrowdError::Bitmap),
        }
    }

    /// Reads a portable roaring bitmap from base64.
    ///
    /// # Errors
    /// If the text is not base64 or contains no bitmap.
    pub fn from_base64(text: &str) -> Result<Self, CrowdError> {
        Crowd::from_portable(&STANDARD.decode(text.trim())?)
    }

    /// Reads the [stored form](Self::to_bytes).
    ///
    /// # Errors
    /// If the bytes are no such form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CrowdError> {
        Members::from_bytes(bytes).map(Crowd::of).ok_or(CrowdError::Stored)
    }

    /// Digest of the members, in hexadecimal.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.digest)
    }

    /// Stored form: the portable 64-bit form of the bitmap of the users who are integers, which is all without
    /// others; then 16 bytes for each of the others.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.members.to_bytes()
    }

    /// Whether a user belongs to the crowd.
    pub fn contains(&self, member: impl Into<Member>) -> bool {
        self.members.contains(member.into())
    }

    /// The members.
    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// Length of the stored form, bytes; about what the crowd takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of members.
    pub fn len(&self) -> u64 {
        self.members.len()
    }

    /// Whether the crowd is empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl PartialEq for Crowd {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Crowd {}

impl PartialOrd for Crowd {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Crowd {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl Serialize for Crowd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Crowd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        Crowd::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

/// Time for which the state of people who left a crowd is kept, in case they come back, ms.
pub const KEPT_AFTER_LEAVING: i64 = 7 * 24 * 3_600_000;

/// Upper bound of departures older than [`KEPT_AFTER_LEAVING`] that are kept separate.
const MOST_OVER: usize = 64;

/// People who left a crowd at one instant, and whose state is or will be dropped.
///
/// When the seven days are over, people are remembered while the rule has its state, since a key that is out
/// of memory may still have theirs: those who are outside in one bitmap, those who came back too late by the
/// instant at which they had left.
///
/// **Limit**: of the latter at most 64 departures are kept separate. A user who came back too late, and was
/// not touched through 64 later departures, may find the former state if the key was out of memory all the
/// time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Departed {
    /// Instant of leaving, unix ms. Of people who are still outside it may be later than the real one, if the
    /// seven days are over.
    pub at: i64,
    /// The people who left.
    pub guids: Crowd,
}

impl Departed {
    /// Whether the state of one of these people, last touched at `touched`, is to be dropped by `now`. State
    /// touched after the seven days belongs to somebody who came back.
    pub fn is_over(&self, touched: i64, now: i64) -> bool {
        let until = self.at.saturating_add(KEPT_AFTER_LEAVING);
        now >= until && touched < until
    }

    /// Departures to be remembered when a crowd changes at `now`: of people who leave now, who left before
    /// and did not come back, and who came back too late. Without a crowd everybody is back.
    pub fn after(
        former: &[Departed],
        before: Option<&Crowd>,
        crowd: Option<&Crowd>,
        now: i64,
    ) -> Vec<Departed> {
        let outside = |guids: &Members| crowd.map_or_else(Members::default, |c| guids - &*c.members);
        let is_over = |d: &&Departed| now.saturating_sub(d.at) >= KEPT_AFTER_LEAVING;
        let (over, recent): (Vec<_>, Vec<_>) = former.iter().partition(is_over);
        let mut all: BTreeMap<i64, Members> =
            recent.iter().map(|d| (d.at, outside(&d.guids.members))).collect();
        add(&mut all, now, &before.map(|before| outside(&before.members)).unwrap_or_default());
        // Members of no recent departure have been outside since an earlier one.
        let away = all.values().fold(Members::default(), |away, guids| &away | guids);
        all.extend(after_all(over, |guids| &outside(guids) - &away));
        let rest = all.into_iter().filter(|(_, guids)| !guids.is_empty());
        rest.map(|(at, guids)| Departed { at, guids: Crowd::of(guids) }).collect()
    }
}

/// Adds people who left at one instant.
fn add(all: &mut BTreeMap<i64, Members>, at: i64, guids: &Members) {
    let place = all.entry(at).or_default();
    *place = &*place | guids;
}

/// Departures to be remembered of those that are over; `outside` returns those of the given people who have
/// been outside ever since.
fn after_all(mut over: Vec<&Departed>, outside: impl Fn(&Members) -> Members) -> BTreeMap<i64, Members> {
    let mut all: BTreeMap<i64, Members> = BTreeMap::new();
    over.sort_by_key(|d| Reverse(d.at));
    let Some(latest) = over.first().map(|d| d.at) else { return all };
    let mut seen = Members::default();
    for d in over {
        // A user who left again later belongs to that departure.
        let guids = &*d.guids.members - &seen;
        seen = &seen | &guids;
        let outside = outside(&guids);
        add(&mut all, d.at, &(&guids - &outside));
        add(&mut all, latest, &outside);
    }
    all.retain(|_, guids| !guids.is_empty());
    while all.len() > MOST_OVER
        && let (Some((at, first)), Some((_, second))) = (all.pop_first(), all.pop_first())
    {
        all.insert(at, &first | &second);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    /// Every third user has a text.
    fn crowd(guids: &[u64]) -> Crowd {
        let mut crowd = CrowdBuilder::default();
        guids.iter().for_each(|guid| named(*guid, |guid| crowd.add(guid)));
        crowd.build()
    }

    fn named<T>(guid: u64, with: impl FnOnce(Guid<'_>) -> T) -> T {
        if guid % 3 == 1 { with(Guid::Text(&format!("u-{guid}"))) } else { with(Guid::Number(guid)) }
    }

    fn drops(departed: &[Departed], guid: u64, touched: i64, now: i64) -> bool {
        departed
            .iter()
            .any(|d| d.is_over(touched, now) && d.guids.contains(named(guid, |guid| Member::from(guid))))
    }

    #[test]
    fn leavers_are_remembered_until_they_come_back() {
        let first = Departed::after(&[], Some(&crowd(&[1, 2, 3])), Some(&crowd(&[3])), 0);
        let second = Departed::after(&first, Some(&crowd(&[3])), Some(&crowd(&[2])), DAY);
        assert_eq!(
            second,
            [Departed { at: 0, guids: crowd(&[1]) }, Departed { at: DAY, guids: crowd(&[3]) }]
        );
        let gone = |guid, now| drops(&second, guid, 0, now);
        assert!(!gone(1, 7 * DAY - 1) && gone(1, 7 * DAY) && !gone(3, 7 * DAY) && gone(3, 8 * DAY));
        assert!(!gone(2, 100 * DAY), "came back");
        let late = Departed::after(&second, Some(&crowd(&[2])), Some(&crowd(&[1, 2])), 7 * DAY);
        assert_eq!(late, second, "too late");
        assert!(drops(&late, 1, 7 * DAY - 1, 7 * DAY) && !drops(&late, 1, 7 * DAY, 100 * DAY), "begins anew");
        let third = Departed::after(&second, Some(&crowd(&[2])), Some(&crowd(&[2])), 8 * DAY);
        assert_eq!(third, [Departed { at: DAY, guids: crowd(&[1, 3]) }], "who stays away is of one bitmap");
        assert_eq!(Departed::after(&third, Some(&crowd(&[2])), None, 9 * DAY), third, "too late, too");
        assert_eq!(Departed::after(&second, Some(&crowd(&[2])), None, 2 * DAY), [], "all came back");
    }

    #[test]
    fn so_many_departures_are_told_apart_and_none_forgets_whom_it_had() {
        let (mut departed, all) = (Vec::new(), crowd(&(0..200).collect::<Vec<_>>()));
        for guid in 0..200 {
            // Each user stays away for eight days.
            let (left, others) =
                (guid * 20 * DAY, Crowd::of(&*all.members - &*crowd(&[guid as u64]).members));
            departed = Departed::after(&departed, Some(&all), Some(&others), left);
            departed = Departed::after(&departed, Some(&others), Some(&all), left + 8 * DAY);
        }
        assert_eq!(departed.len(), MOST_OVER);
        assert_eq!(departed.iter().map(|d| d.guids.len()).sum::<u64>(), 200);
        let now = 4_000 * DAY;
        assert!(drops(&departed, 199, 199 * 20 * DAY, now) && drops(&departed, 0, 0, now));
        for guid in 0..200 {
            assert!(
                !drops(&departed, guid, (guid as i64 * 20 + 8) * DAY, now),
                "what came after is not dropped"
            );
        }
    }

    proptest! {
        /// Compares with a model that tracks every user separately and forgets nothing.
        #[test]
        fn who_left_for_seven_days_begins_anew(
            steps in prop::collection::vec((1i64..20, 0u64..32, 0u64..32), 1..60),
        ) {
            let (mut departed, mut before, mut now) = (Vec::new(), 31u64, 0);
            // Per user: when a state that may be stored was touched, since when the user is away, and whether
            // the state is to be dropped.
            let mut users = [(0i64, None::<i64>, false); 5];
            let of = |bits: u64| crowd(&(0..5).filter(|guid| bits >> guid & 1 == 1).collect::<Vec<_>>());
            for (half_days, members, touches) in steps {
                now += half_days * DAY / 2;
                departed = Departed::after(&departed, Some(&of(before)), Some(&of(members)), now);
                before = members;
                for (guid, (touched, away, gone)) in users.iter_mut().enumerate() {
                    let long = away.is_some_and(|since| now - since >= KEPT_AFTER_LEAVING);
                    *gone |= long;
                    match (members >> guid & 1 == 1, &away) {
                        (true, _) => *away = None,
                        (false, None) => *away = Some(now),
                        (false, Some(_)) => {}
                    }
                    prop_assert_eq!(drops(&departed, guid as u64, *touched, now), *gone, "{} at {}", guid, now);
                    if touches >> guid & 1 == 1 && members >> guid & 1 == 1 {
                        (*touched, *gone) = (now, false);
                    }
                }
            }
        }
    }
}
