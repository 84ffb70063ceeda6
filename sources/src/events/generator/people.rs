//! Users as a pure function of their guid, so that profiles and events agree without shared state.

use std::io::{self, Write};

use super::{
    catalogue::CATEGORIES,
    random::{mix, scale},
};

const KINDS: [&str; 4] = ["促销热爱型", "品质追求型", "理性比较型", "冲动消费型"];
const GRADES: [&str; 4] = ["A", "B", "C", "D"];
const CITIES: [&str; 8] = ["重庆", "成都", "北京", "上海", "广州", "深圳", "杭州", "武汉"];
const ROLES: [&str; 3] = ["上班族", "学生", "自由职业"];
/// Interest words by category, in the order of [`CATEGORIES`].
const WORDS: [&[&str]; CATEGORIES.len()] = [
    &["重庆民宿", "周末短途"],
    &["商务酒店"],
    &["商务休闲", "通勤穿搭"],
    &["箱包", "轻奢"],
    &["小罐速溶咖啡", "雀巢"],
    &["母婴", "早教"],
    &["数码"],
    &["重庆火锅", "美食"],
    &["景点门票"],
    &["特价机票"],
];

/// The two categories that a user visits most.
pub(super) fn interests(guid: u64) -> [usize; 2] {
    let bits = mix(guid.wrapping_mul(2).wrapping_add(1));
    let count = CATEGORIES.len() as u32;
    let first = scale(bits as u32, count);
    let second = (first + 1 + scale((bits >> 32) as u32, count - 1)) % count;
    [first as usize, second as usize]
}

/// Writes a user's profile as one line of JSON, newline included.
///
/// Tags: `consume_level` (1 to 5), `interest` (list of words), `shopper_type`, `grade` (A to D), `role`
/// (list, with 宝妈 for one in eight), `city`, `age`, `vip`, `register_date`.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_profile(guid: u64, out: &mut impl Write) -> io::Result<()> {
    let bits = mix(guid ^ 0x5eed_0f9e_0b1e_0001);
    let pick = |turn: u32, bound: u32| scale(mix(bits.wrapping_add(u64::from(turn))) as u32, bound);
    write!(out, "{{\"guid\":{guid},\"consume_level\":{},\"interest\":[", 1 + pick(0, 5))?;
    for (turn, word) in interests(guid).into_iter().flat_map(|category| WORDS[category]).enumerate() {
        write!(out, "{}\"{word}\"", if turn == 0 { "" } else { "," })?;
    }
    let role = ROLES[pick(3, 3) as usize];
    let mother = if pick(4, 8) == 0 { ",\"宝妈\"" } else { "" };
    writeln!(
        out,
        "],\"shopper_type\":\"{}\",\"grade\":\"{}\",\"role\":[\"{role}\"{mother}],\"city\":\"{}\",\"age\":{},\"vip\":{},\"register_date\":\"{}-{:02}-{:02}\"}}",
        KINDS[pick(1, 4) as usize],
        GRADES[pick(2, 4) as usize],
        CITIES[pick(5, 8) as usize],
        18 + pick(6, 48),
        pick(7, 10) == 0,
        2018 + pick(8, 8),
        1 + pick(9, 12),
        1 + pick(10, 28),
    )
}

/// Writes the profiles of users `1..=users`, one per line, in the format that `profiles` reads.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_profiles(users: u64, out: &mut impl Write) -> io::Result<()> {
    (1..=users).try_for_each(|guid| write_profile(guid, out))
}
