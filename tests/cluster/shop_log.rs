//! Half a year of a shop's log as shops write it, replayed as it is: flat rows with the shop's own names, text ids,
//! RFC 3339 times, sorted by user. Six figures that shops ask for are compared with a plain recount of the log.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use crate::scene::{Scene, lines};

const USERS: usize = 600;
/// 2026-01-01T00:00:00+08:00, unix ms.
const BEGIN: i64 = 1_767_196_800_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
const HALF_A_YEAR: i64 = 181 * DAY;

/// All that a replay has to be told of the log.
const SETTINGS: &str = r#"[fields]
guid = ["customer"]
event_id = ["action"]
event_time = ["at"]
"#;

/// The rules' ids.
const FIGURES: [&str; 6] = ["silent", "view-cart-buy", "cart-buy", "bought-again", "five-views", "abandoned"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Search,
    View,
    Cart,
    Buy,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Search => "search",
            Action::View => "view",
            Action::Cart => "add_to_cart",
            Action::Buy => "buy",
        }
    }
}

/// What one customer did, in the order of time.
struct Customer {
    id: String,
    done: Vec<(i64, Action)>,
}

/// All customers; the same for the same seed. No two actions of a customer have one time.
fn customers(seed: u64) -> Vec<Customer> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..USERS)
        .map(|number| {
            // Some ids look like numbers and are none.
            let id = match number % 3 {
                0 => format!("c-{:08x}", random.random::<u32>()),
                1 => format!("00{:05}", number),
                _ => format!("顾客{number}"),
            };
            let mut done = Vec::new();
            let mut time = BEGIN + random.random_range(0..20 * DAY);
            let days_between = random.random_range(5..90);
            while time < BEGIN + HALF_A_YEAR {
                for _ in 0..random.random_range(1..14) {
                    let action = match random.random_range(0..20) {
                        0..=2 => Action::Search,
                        3..=13 => Action::View,
                        14..=17 => Action::Cart,
                        _ => Action::Buy,
                    };
                    done.push((time, action));
                    let longest = if random.random_bool(0.8) { 3 * MINUTE } else { 40 * MINUTE };
                    time += random.random_range(SECOND..longest);
                }
                time += random.random_range(10 * MINUTE..days_between * DAY);
            }
            done.retain(|(time, _)| *time < BEGIN + HALF_A_YEAR);
            Customer { id, done }
        })
        .collect()
}

/// The log's lines, customer by customer.
fn log(customers: &[Customer]) -> Vec<String> {
    let line = |(customer, (time, action)): (&str, &(i64, Action))| {
        let at = jiff::Timestamp::from_millisecond(*time)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        json!({"customer": customer, "action": action.name(), "at": at, "sku": format!("S{}", time % 97), "price": "19.90"}).to_string()
    };
    customers.iter().flat_map(|one| one.done.iter().map(|done| line((&one.id, done)))).collect()
}

fn rules() -> Vec<Json> {
    let steps = |actions: &[&str]| actions.iter().map(|id| json!({"id": id})).collect::<Vec<_>>();
    let rule = |id: &str, calculator: &str, actions: &[&str], params: Json| {
        json!({"rule_id": id, "trigger": {"each": "c"},
            "conditions": [{"id": "c", "calculator": calculator, "steps": steps(actions), "params": params}]})
    };
    let (view, cart, buy) = ("view", "add_to_cart", "buy");
    vec![
        rule("silent", "absence", &["*", "*"], json!({"within": "7d"})),
        rule("view-cart-buy", "sequence", &[view, cart, buy], json!({"within": "15m"})),
        rule("cart-buy", "sequence", &[cart, buy], json!({"within": "15m"})),
        rule("bought-again", "gap", &[buy, buy], json!({"at_most": "30d"})),
        json!({"rule_id": "five-views", "when": "c", "trigger": {"event": {"id": view}},
            "conditions": [{"id": "c", "calculator": "count", "event": {"id": view}, "window": {"last": "10m"}, "met": "value >= 5"}]}),
        rule("abandoned", "absence", &[cart, buy], json!({"within": "30m", "anchor": "latest"})),
    ]
}

/// Rule, customer and time of a trigger.
type Fired = (&'static str, String, i64);

/// The figures, recounted without any state but positions in the log.
fn recount(customers: &[Customer]) -> BTreeSet<Fired> {
    let end = customers.iter().flat_map(|one| one.done.last()).map(|(time, _)| *time).max().unwrap();
    let mut all = BTreeSet::new();
    for Customer { id, done } in customers {
        let mut fired = |rule, time| {
            all.insert((rule, id.clone(), time));
        };
        let quiet = |from: usize, span: i64, ends: &dyn Fn(Action) -> bool| {
            let due = done[from].0 + span;
            let broken = done[from + 1..].iter().any(|(time, action)| *time <= due && ends(*action));
            (!broken && due <= end).then_some(due)
        };
        for (at, (_, action)) in done.iter().enumerate() {
            quiet(at, 7 * DAY, &|_| true).into_iter().for_each(|due| fired("silent", due));
            if *action == Action::Cart {
                let ends = |action| matches!(action, Action::Cart | Action::Buy);
                quiet(at, 30 * MINUTE, &ends).into_iter().for_each(|due| fired("abandoned", due));
            }
        }
        let times =
            |wanted| done.iter().filter(|(_, action)| *action == wanted).map(|(time, _)| *time).collect();
        let buys: Vec<i64> = times(Action::Buy);
        for pair in buys.windows(2).filter(|pair| pair[1] - pair[0] <= 30 * DAY) {
            fired("bought-again", pair[1]);
        }
        let views: Vec<i64> = times(Action::View);
        for five in views.windows(5).filter(|five| five[4] - five[0] < 10 * MINUTE) {
            fired("five-views", five[4]);
        }
        for (rule, steps, span) in [
            ("view-cart-buy", &[Action::View, Action::Cart, Action::Buy][..], 15 * MINUTE),
            ("cart-buy", &[Action::Cart, Action::Buy], 15 * MINUTE),
        ] {
            let mut since = 0;
            for at in 0..done.len() {
                if let Some(start) = latest_start(&done[since..=at], steps)
                    && done[at].0 - start <= span
                {
                    fired(rule, done[at].0);
                    since = at + 1;
                }
            }
        }
    }
    all
}

/// The latest time from which these steps follow each other, the last action being the last step.
fn latest_start(done: &[(i64, Action)], steps: &[Action]) -> Option<i64> {
    if done.last()?.1 != *steps.last()? {
        return None;
    }
    let mut before = done.iter().rev();
    let mut at = |step| Some(before.find(|(_, action)| *action == step)?.0);
    steps.iter().rev().map(|step| at(*step)).collect::<Option<Vec<i64>>>()?.pop()
}

#[test]
fn a_shop_log_is_replayed_as_it_is() {
    let customers = customers(1);
    let log = log(&customers);
    assert!((40_000..60_000).contains(&log.len()), "{} lines", log.len());
    let scene = Scene::new();
    rules().iter().for_each(|rule| scene.put(rule));
    scene.write("events.jsonl", &lines(&log));
    scene.write("settings.toml", SETTINGS);
    let replayed = scene.replay(&["--config", "settings.toml", "--processes", "2"]);
    assert_eq!(replayed.summary["refused_events"], 0);
    let triggers = replayed.parsed();
    let fired: BTreeSet<Fired> = triggers
        .iter()
        .map(|trigger| {
            let figure = FIGURES.into_iter().find(|name| trigger["rule_id"] == **name).unwrap();
            (figure, trigger["key"].as_str().unwrap().to_owned(), trigger["fired_at"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(fired.len(), triggers.len(), "a trigger came twice");
    let recounted = recount(&customers);
    for figure in FIGURES {
        let of = |all: &BTreeSet<Fired>| all.iter().filter(|(rule, ..)| *rule == figure).cloned().collect();
        let [fired, recounted]: [BTreeSet<Fired>; 2] = [of(&fired), of(&recounted)];
        assert!(recounted.len() > 300, "{figure}: only {}", recounted.len());
        let (extra, missing) = (fired.difference(&recounted).next(), recounted.difference(&fired).next());
        assert_eq!((extra, missing), (None, None), "{figure}: {} of {}", fired.len(), recounted.len());
    }
}
