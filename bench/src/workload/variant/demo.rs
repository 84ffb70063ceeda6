//! The demo's rules many times over, and the events of the demo's shop.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use operators::{model::ids::Offset, rule::crowd::Crowd};
use serde_json::{Value as Json, json};
use sources::{
    SourceError,
    events::{EventSource as _, GeneratorConfig, GeneratorSource, Next, Start},
};

use crate::{
    Error,
    workload::{draw::scatter, events::START},
};

/// Number of copies of each rule.
pub(super) const COPIES: u64 = 100;
/// Number of users.
pub(super) const USERS: u64 = 100_000;
/// Most time that a call of the generator takes.
const WAIT: Duration = Duration::from_secs(1);
/// Events per second of event time, as in the demo.
const RATE: f64 = 12_000.0;

/// Document of a rule of the demo.
macro_rules! rule {
    ($id:literal) => {
        include_str!(concat!("../../../../dataflow/src/demo/rules/", $id, ".json"))
    };
}

const RULES: [&str; 50] = [
    rule!("account-takeover"),
    rule!("ad-click-convert"),
    rule!("airport-transfer"),
    rule!("amt-swing"),
    rule!("bad-comment"),
    rule!("bag-luxury"),
    rule!("bag-promo"),
    rule!("big-spender"),
    rule!("bruteforce-ip"),
    rule!("business-casual"),
    rule!("cart-abandoned"),
    rule!("cart-big-amount"),
    rule!("cart-cross-cate"),
    rule!("cart-expr"),
    rule!("cart-hesitation"),
    rule!("cart-remove-rebound"),
    rule!("coffee-search"),
    rule!("coffee-stockup"),
    rule!("coupon-idle"),
    rule!("coupon-last-mile"),
    rule!("coupon-small-order"),
    rule!("cross-channel"),
    rule!("exit-ip-crowd"),
    rule!("flight-low-price"),
    rule!("food-top3"),
    rule!("homestay-collector"),
    rule!("homestay-coupon"),
    rule!("homestay-share-bonus"),
    rule!("homestay-unpaid"),
    rule!("hotel-business"),
    rule!("hotpot-night"),
    rule!("like-no-buy"),
    rule!("logout-deep-browse"),
    rule!("mom-sequence"),
    rule!("nescafe-wake"),
    rule!("order-over-pay"),
    rule!("order-unpaid"),
    rule!("order-unpaid-high"),
    rule!("page-p05-vs-p10"),
    rule!("pay-cross-sell"),
    rule!("phone-trade-in"),
    rule!("praise-bonus"),
    rule!("refund-care"),
    rule!("refund-flash"),
    rule!("share-fever"),
    rule!("sms-login-tip"),
    rule!("ticket-family"),
    rule!("ticket-stamps"),
    rule!("unfavorite-winback"),
    rule!("weekend-getaway"),
];

/// Every rule of the demo `copies` times. Those keyed by guid have crowds of three in ten of `users`, each
/// another.
pub(super) fn documents(copies: u64, users: u64) -> impl Iterator<Item = Json> {
    let copies = (0..copies).flat_map(|copy| RULES.iter().map(move |text| (copy, *text)));
    copies.zip(1..).filter_map(move |((copy, text), number)| {
        let mut rule: Json = serde_json::from_str(text).ok()?;
        rule["rule_id"] = json!(format!("{}-{copy:02}", super::document::id(&rule)));
        super::document::conditions(&mut rule).for_each(|condition| raise(condition, copy));
        if rule.get("key_by").is_none_or(|key_by| key_by == "guid") {
            rule["crowd"] = json!({"bitmap": crowd(number, users)});
        }
        Some(rule)
    })
}

/// Raises the number with which `met` compares by `percent`; other expressions stay as they are.
fn raise(condition: &mut Json, percent: u64) {
    let raised = |met: &str| {
        let [name, op @ (">" | ">=" | "<" | "<="), number] = met.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let number = match number.parse::<u64>() {
            Ok(whole) => (whole + whole * percent / 100).to_string(),
            Err(_) => format!("{:.2}", number.parse::<f64>().ok()? * (1.0 + percent as f64 / 100.0)),
        };
        Some(format!("{name} {op} {number}"))
    };
    if let Some(met) = condition["met"].as_str().and_then(raised) {
        condition["met"] = json!(met);
    }
}

/// Three in ten users, as a bitmap in base64.
fn crowd(number: u64, users: u64) -> String {
    let salt = scatter(number);
    let members = (1..=users).filter(|guid| scatter(guid ^ salt) % 10 < 3);
    STANDARD.encode(Crowd::new(members.collect()).to_bytes())
}

/// Writes as many events of the demo's shop as the file `from` has lines.
///
/// # Errors
/// If a file can't be read or written.
pub(super) fn write_events(from: &Path, to: &Path) -> Result<(), Error> {
    let count = lines(from)?;
    let failed = |source| Error::file("write", to)(source);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(to).map_err(failed)?);
    let mut source = generator(count).map_err(unusable)?;
    loop {
        match source.next(WAIT).map_err(unusable)? {
            Next::Batch(batch) => {
                for record in &batch.records {
                    file.write_all(batch.record(record)).map_err(failed)?;
                    file.write_all(b"\n").map_err(failed)?;
                }
            }
            Next::End => return file.flush().map_err(failed),
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
        }
    }
}

/// The demo's load from a fixed instant on, as fast as it is read.
fn generator(count: u64) -> Result<GeneratorSource, SourceError> {
    GeneratorSource::new(GeneratorConfig {
        users: USERS,
        rate: RATE,
        start: Start::Fixed(START as u64),
        paced: false,
        limit: Some(Offset(count)),
        ..GeneratorConfig::default()
    })
}

fn unusable(error: SourceError) -> Error {
    Error::Usage(format!("the demo's events can't be generated: {error}"))
}

fn lines(path: &Path) -> Result<u64, Error> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut count, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(Error::file("read", path))? > 0 {
        count += 1;
        line.clear();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn all_rules_of_the_demo_are_taken() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../dataflow/src/demo/rules");
        let texts = fs::read_dir(folder).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
        assert_eq!(texts.collect::<BTreeSet<_>>(), RULES.iter().map(|text| (*text).to_owned()).collect());
    }

    #[test]
    fn thresholds_are_raised_and_other_expressions_stay() {
        for (met, raised) in [
            ("value >= 4", "value >= 6"),
            ("avg < 12.5", "avg < 18.75"),
            ("value != \"\"", "value != \"\""),
            ("value >= 1 && value < 9", "value >= 1 && value < 9"),
        ] {
            let mut condition = json!({ "met": met });
            raise(&mut condition, 50);
            assert_eq!(condition["met"], raised);
        }
        let mut condition = json!({});
        raise(&mut condition, 50);
        assert_eq!(condition.get("met"), None);
    }
}
