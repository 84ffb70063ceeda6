//! Comparisons that say what their sides are read as: `as`, `ignore_case` and `in_cidr`.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::RegexBuilder;
use serde_json::Value as Json;

use super::value::Value;

/// What both sides are read as.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// `date`, `version`, `text`, `number` or `ip`.
    form: String,
    ignores_case: bool,
}

impl Reading {
    /// The reading of a comparison; `None` if it does not say any.
    pub(crate) fn parse(comparison: &Json) -> Option<Self> {
        let ignores_case = comparison.get("ignore_case") == Some(&Json::Bool(true));
        let form = comparison.get("as").and_then(Json::as_str);
        (ignores_case || form.is_some())
            .then(|| Self { form: form.unwrap_or("text").to_owned(), ignores_case })
    }

    /// Whether `value OPERATOR operand` holds, for a value that is no list.
    pub(crate) fn holds(&self, operator: &str, value: &Value, operand: &Json) -> bool {
        let order = |bound: &Json| self.order(value, bound);
        let text = self.text(value);
        let needle = || self.text(&Value::Text(operand.as_str().expect("a text").to_owned()));
        match operator {
            "=" => order(operand) == Some(Ordering::Equal),
            "in" => operand.as_array().expect("a list").iter().any(|one| order(one) == Some(Ordering::Equal)),
            ">" => order(operand) == Some(Ordering::Greater),
            ">=" => order(operand).is_some_and(Ordering::is_ge),
            "<" => order(operand) == Some(Ordering::Less),
            "<=" => order(operand).is_some_and(Ordering::is_le),
            "between" => {
                order(&operand[0]).is_some_and(Ordering::is_ge)
                    && order(&operand[1]).is_some_and(Ordering::is_le)
            }
            "contains" => text.contains(&needle()),
            "starts_with" => text.starts_with(&needle()),
            "ends_with" => text.ends_with(&needle()),
            "regex" => RegexBuilder::new(operand.as_str().expect("a pattern"))
                .case_insensitive(self.ignores_case)
                .build()
                .expect("a regex")
                .is_match(&composed(&value.to_text())),
            other => panic!("no operator of readings: {other}"),
        }
    }

    fn text(&self, value: &Value) -> String {
        if self.ignores_case { folded(&value.to_text()) } else { composed(&value.to_text()) }
    }

    fn order(&self, value: &Value, operand: &Json) -> Option<Ordering> {
        let bound = Value::from_json(operand).expect("a scalar");
        match self.form.as_str() {
            "text" => Some(self.text(value).cmp(&self.text(&bound))),
            "number" => value.number()?.compare(bound.number()?),
            "date" => Some(date(value)?.cmp(&date(&bound)?)),
            "version" => Some(compare_versions(&version(value)?, &version(&bound)?)),
            "ip" => Some(address(value)?.cmp(&address(&bound)?)),
            other => panic!("no reading: {other}"),
        }
    }
}

/// A text with its accents composed.
pub(crate) fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

fn folded(text: &str) -> String {
    let normal = ComposingNormalizerBorrowed::new_nfkc();
    normal.normalize(&CaseMapper::new().fold_string(&normal.normalize(text))).into_owned()
}

/// The instant that a text is; a time without an offset is of UTC.
pub(crate) fn instant(text: &str) -> Option<i64> {
    // A date alone: the parser would take a time without an offset for its date.
    let date = || text.len() == 10 && text.parse::<Date>().is_ok();
    let midnight = || date().then(|| format!("{text}T00:00:00Z").parse().ok()).flatten();
    let instant: Timestamp = text.parse().ok().or_else(midnight)?;
    Some(instant.as_millisecond())
}

/// Unix ms of a date, or of a unix time of the years 2000 to 2100.
fn date(value: &Value) -> Option<i64> {
    let text = value.to_text();
    let local = || Some(TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?.as_millisecond());
    instant(&text).or_else(local).or_else(|| {
        let time: f64 = text.parse().ok()?;
        let at = [1.0, 1e-3, 1e-6, 1e-9].map(|unit| time * unit);
        let at = at.into_iter().find(|at| (946_684_800.0..4_133_980_800.0).contains(at))?;
        Some((at * 1_000.0).floor() as i64)
    })
}

/// The numbers of a version, and its pre-release.
fn version(value: &Value) -> Option<(Vec<u64>, Option<String>)> {
    let text = value.to_text();
    let text = text.trim().trim_start_matches(['v', 'V']);
    let text = text.split('+').next()?;
    let (numbers, pre) = match text.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre.to_owned())),
        None => (text, None),
    };
    let numbers: Option<Vec<u64>> = numbers.split('.').map(|n| n.parse().ok()).collect();
    Some((numbers?, pre))
}

fn compare_versions(a: &(Vec<u64>, Option<String>), b: &(Vec<u64>, Option<String>)) -> Ordering {
    let at = |version: &(Vec<u64>, _), i: usize| version.0.get(i).copied().unwrap_or(0);
    let numbers = (0..a.0.len().max(b.0.len())).map(|i| at(a, i).cmp(&at(b, i)));
    numbers.fold(Ordering::Equal, Ordering::then).then_with(|| match (&a.1, &b.1) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let (mut a, mut b) = (a.split('.'), b.split('.'));
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(a), Some(b)) => {
                        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
                            (Ok(a), Ok(b)) => a.cmp(&b),
                            (Ok(_), Err(_)) => Ordering::Less,
                            (Err(_), Ok(_)) => Ordering::Greater,
                            (Err(_), Err(_)) => a.cmp(b),
                        };
                        if order.is_ne() {
                            return order;
                        }
                    }
                }
            }
        }
    })
}

/// An address; one of IPv4 is below those of IPv6.
fn address(value: &Value) -> Option<(bool, u128)> {
    let Value::Text(text) = value else { return None };
    Some(match text.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(ip) => (false, ip.to_bits().into()),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => (false, ip.to_bits().into()),
            None => (true, ip.to_bits()),
        },
    })
}

/// Whether an address is in a network, or in one of a list.
pub(crate) fn in_cidr(value: &Value, operand: &Json) -> bool {
    if let Json::Array(list) = operand {
        return list.iter().any(|one| in_cidr(value, one));
    }
    let text = operand.as_str().expect("a network");
    let (network, bits) = text.split_once('/').unwrap_or((text, ""));
    let bits: Option<u32> = bits.parse().ok();
    // All as addresses of IPv6: those of IPv4 are within ::ffff:0:0/96.
    let wide = |(is_v6, bits): (bool, u128)| {
        if is_v6 { bits } else { Ipv6Addr::from_bits(bits | 0xffff << 32).to_bits() }
    };
    let (Some(ip), Some(first)) = (address(value), address(&Value::Text(network.to_owned()))) else {
        return false;
    };
    let mapped = network.contains("::ffff:");
    let fixed = match (first.0, bits) {
        (_, None) => 128,
        (false, Some(bits)) if !mapped => 96 + bits,
        (_, Some(bits)) => bits,
    };
    let differ = wide(ip) ^ wide(first);
    ip.0 == first.0 && (fixed == 0 || differ >> (128 - fixed) == 0)
}
