//! Native aggregates, as scripts make and use them.

use std::any::Any;

use rhai::{Dynamic, Engine, INT, ImmutableString, Map};

use super::values::{Native, fails, from_value, not_folded, to_value};
use crate::{
    calculator::{
        Aggregate,
        aggregate::{Cut, Distinct, Figure, Figures, Latest, Stats, Top, Window, fold::NotFoldable},
    },
    model::calendar::Calendar,
};

/// What a script makes a window of, as `params.window` gives it.
trait Windowed: Any + Clone + Send + Sync {
    /// The window.
    fn cut(self) -> Native<Cut>;

    /// An empty aggregate of the window.
    fn window<A: Figures>(self) -> Native<Window<A>> {
        Ok(Window::new(self.cut()?))
    }
}

/// A length in ms.
impl Windowed for INT {
    fn cut(self) -> Native<Cut> {
        if self > 0 { Ok(Cut::last(self)) } else { fails("a window needs a length of at least 1 ms") }
    }
}

/// The text of a calendar.
impl Windowed for ImmutableString {
    fn cut(self) -> Native<Cut> {
        Calendar::parse(&self).map_or_else(fails, |calendar| Ok(Cut::Calendar(calendar)))
    }
}

/// Registers the aggregates and their methods.
pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Aggregate>("aggregate");
    constructors(engine);
    windows::<INT>(engine);
    windows::<ImmutableString>(engine);
    methods(engine);
}

/// Each makes an aggregate of everything.
fn constructors(engine: &mut Engine) {
    engine.register_fn("count", |(): ()| 0 as INT);
    engine.register_fn("stats", || Aggregate::Stats(Stats::default()));
    engine.register_fn("stats", |(): ()| Aggregate::Stats(Stats::default()));
    engine.register_fn("distinct", || Aggregate::Distinct(Distinct::default()));
    engine.register_fn("distinct", |(): ()| Aggregate::Distinct(Distinct::default()));
    engine.register_fn("latest", || Aggregate::Latest(Latest::default()));
    engine.register_fn("latest", |(): ()| Aggregate::Latest(Latest::default()));
    engine.register_fn("top", |n: INT| Native::Ok(Aggregate::Top(Top::new(size(n)?))));
    engine.register_fn("top", |n: INT, (): ()| Native::Ok(Aggregate::Top(Top::new(size(n)?))));
}

/// Each makes an aggregate of a window.
fn windows<W: Windowed>(engine: &mut Engine) {
    for name in ["count", "window_count"] {
        engine.register_fn(name, |of: W| Native::Ok(Aggregate::Count(of.window()?)));
    }
    engine.register_fn("stats", |of: W| Native::Ok(Aggregate::WindowStats(of.window()?)));
    engine.register_fn("distinct", |of: W| Native::Ok(Aggregate::WindowDistinct(of.window()?)));
    engine.register_fn("latest", |of: W| Native::Ok(Aggregate::Latest(Latest::new(Some(of.cut()?)))));
    engine.register_fn("top", |n: INT, of: W| Native::Ok(Aggregate::WindowTop(size(n)?, of.window()?)));
}

fn methods(engine: &mut Engine) {
    // A count without a window is a plain integer that accepts the same calls.
    engine.register_fn("add", |count: &mut INT, _time: INT, _now: INT| *count = count.saturating_add(1));
    engine.register_fn("at", |count: &mut INT, _now: INT| *count);
    engine.register_fn("add", |aggregate: &mut Aggregate, time: INT, now: INT| match aggregate {
        Aggregate::Count(_) => {
            aggregate.count(time, now);
            Ok(())
        }
        _ => fails("this aggregate folds values: write add(value, event.time, event.now)"),
    });
    engine.register_fn("add", add_value);
    engine.register_fn("add", |aggregate: &mut Aggregate, value: Dynamic| match aggregate {
        Aggregate::Stats(_) | Aggregate::Top(_) | Aggregate::Distinct(_) => add_value(aggregate, value, 0, 0),
        _ => fails("this aggregate needs the time: write add(value, event.time, event.now)"),
    });
    engine.register_fn("at", |aggregate: &mut Aggregate, now: INT| {
        aggregate.at(now).map_or_else(|| fails("this aggregate has several figures: write figures(now)"), Ok)
    });
    engine.register_fn("figures", figures);
}

fn size(n: INT) -> Native<usize> {
    usize::try_from(n)
        .ok()
        .filter(|n| (1..=1000).contains(n))
        .map_or_else(|| fails("top keeps 1 to 1000 numbers"), Ok)
}

fn add_value(aggregate: &mut Aggregate, value: Dynamic, time: INT, now: INT) -> Native<()> {
    if matches!(aggregate, Aggregate::Count(_)) {
        return fails("a count folds no value: write add(event.time, event.now)");
    }
    aggregate.fold(to_value(&value).as_ref(), time, now).or_else(|NotFoldable| not_folded(&value))
}

fn figures(aggregate: &mut Aggregate, now: INT) -> Native<Map> {
    let figures = aggregate.figures();
    if figures.is_empty() {
        return fails("this aggregate has one figure: write at(now)");
    }
    let summary = aggregate.summary(now);
    let value = |figure: Figure| summary.figure(figure).map_or(Dynamic::UNIT, |value| from_value(&value));
    Ok(figures.iter().map(|figure| (figure.name().into(), value(*figure))).collect())
}
