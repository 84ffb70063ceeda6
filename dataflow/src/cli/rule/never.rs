//! What can never happen: filters that hold for no event, `when` and `met` that are false whatever is folded, a period
//! that is over. Such a rule may be published, and does nothing.

use std::collections::BTreeMap;

use operators::{
    document::spec::{Comparison, Crowd, Filter, Op, Predicate, Rule, Trigger},
    expression::{Expression, Operand},
};
use serde_json::Value as Json;

/// Notes of what can never happen in a rule from `now` on, unix ms.
pub(super) fn notes(rule: &Rule, now: i64) -> Vec<String> {
    let mut notes = Vec::new();
    if rule.active.until.is_some_and(|until| until.0 <= now) {
        notes.push("note: it never fires: `active` is over".to_owned());
    }
    if let Some(Crowd::Guids(users)) = &rule.crowd
        && users.numbers.is_empty()
        && users.texts.is_empty()
    {
        notes.push("note: it never fires: nobody is in `crowd`".to_owned());
    }
    if rule.when.as_deref().is_some_and(is_never_true) {
        notes.push("note: it never fires: `when` is false whatever happens".to_owned());
    }
    for condition in &rule.conditions {
        if condition.met.as_deref().is_some_and(is_never_true) {
            notes.push(format!("note: `{}` is never met: `met` is false whatever is folded", condition.id));
        }
        let filters = condition.event.iter().chain(condition.steps.iter().flatten());
        notes.extend(
            filters.filter_map(why_empty).map(|why| format!("note: `{}` never folds: {why}", condition.id)),
        );
    }
    if let Trigger::Event(filter) = &rule.trigger {
        notes.extend(why_empty(filter).map(|why| format!("note: it never fires: `trigger.event`: {why}")));
    }
    notes
}

/// Whether an expression reads nothing and is not true.
fn is_never_true(text: &str) -> bool {
    let expression = Expression::compile(text, &mut |_, _| Ok(0));
    expression.is_ok_and(|all| all.slots().count() == 0 && all.holds(&mut |_| Operand::Absent) != Ok(true))
}

/// Why a filter holds for no event, if it is so.
fn why_empty(filter: &Filter) -> Option<String> {
    let mut asked = BTreeMap::new();
    let always_false = filter.predicates.iter().any(|predicate| collect(predicate, &mut asked));
    if always_false {
        return Some("an empty `any` is false".to_owned());
    }
    asked.iter().find_map(|(name, asked)| asked.contradiction(name))
}

/// Notes what a conjunct asks of each property; returns whether it is false by itself.
fn collect<'f>(predicate: &'f Predicate, asked: &mut BTreeMap<&'f str, Asked<'f>>) -> bool {
    match predicate {
        Predicate::All(parts) => parts.iter().any(|part| collect(part, asked)),
        Predicate::Any(parts) => parts.is_empty(),
        Predicate::Property(comparison) => {
            asked.entry(&comparison.name).or_default().add(comparison);
            false
        }
        Predicate::Not(_) | Predicate::AnyOf { .. } | Predicate::Expr(_) => false,
    }
}

/// What conjuncts ask of one property.
#[derive(Debug, Default)]
struct Asked<'f> {
    absent: bool,
    present: bool,
    /// Lists of values, of each of which it has to be one.
    one_of: Vec<&'f [Json]>,
    /// The highest lower bound, and whether it is itself left out; the same of upper bounds, negated.
    least: [Option<(f64, bool)>; 2],
}

impl<'f> Asked<'f> {
    fn add(&mut self, comparison: &'f Comparison) {
        let Comparison { op, value, reading, ignore_case, .. } = comparison;
        match op {
            Op::Ne => return,
            Op::Exists if value == &Json::Bool(false) => return self.absent = true,
            _ => self.present = true,
        }
        if reading.is_some() || *ignore_case {
            return;
        }
        let number = |value: &Json| value.as_f64();
        match (op, value) {
            (Op::Eq, value) => self.one_of.push(std::slice::from_ref(value)),
            (Op::In, Json::Array(values)) => self.one_of.push(values),
            (Op::Gt | Op::Ge, value) => self.bound(0, number(value), *op == Op::Gt),
            (Op::Lt | Op::Le, value) => self.bound(1, number(value).map(|high| -high), *op == Op::Lt),
            (Op::Between, Json::Array(ends)) => {
                self.bound(0, ends.first().and_then(number), false);
                self.bound(1, ends.get(1).and_then(number).map(|high| -high), false);
            }
            _ => {}
        }
    }

    fn bound(&mut self, side: usize, bound: Option<f64>, is_open: bool) {
        let tighter = |old: (f64, bool), new: (f64, bool)| if new > old { new } else { old };
        if let Some(bound) = bound {
            let new = (bound, is_open);
            self.least[side] = Some(self.least[side].map_or(new, |old| tighter(old, new)));
        }
    }

    /// Whether a number is within the bounds.
    fn is_within(&self, number: f64) -> bool {
        let [low, high] = self.least;
        let above = |bound: Option<(f64, bool)>, number: f64| {
            bound.is_none_or(|(bound, is_open)| number > bound || (!is_open && number >= bound))
        };
        above(low, number) && above(high, -number)
    }

    fn contradiction(&self, name: &str) -> Option<String> {
        if self.absent && self.present {
            return Some(format!("`{name}` has to be there and not to be there"));
        }
        let are_empty = match self.least {
            [Some((low, low_open)), Some((high, high_open))] => {
                low > -high || (low >= -high && (low_open || high_open))
            }
            _ => false,
        };
        if are_empty {
            return Some(format!(
                "no number is within the bounds of `{name}` (an element of a list each may be)"
            ));
        }
        // A text and a number may be equal; two texts, or two numbers, are so only if they are written alike.
        let may_equal = |a: &Json, b: &Json| match (a, b) {
            (Json::String(a), Json::String(b)) => a == b,
            (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
            _ => true,
        };
        let fits = |value: &Json| {
            let listed = self.one_of.iter().all(|list| list.iter().any(|other| may_equal(value, other)));
            listed && (!value.is_number() || value.as_f64().is_none_or(|number| self.is_within(number)))
        };
        match self.one_of.first() {
            Some(first) if !first.iter().any(fits) => Some(format!(
                "`{name}` can't be equal to all that it is compared with (an element of a list each may be)"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(change: &Json) -> Vec<String> {
        let mut rule = json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "conditions": [
            {"id": "a", "calculator": "count", "event": {"id": "A", "where": [{"property": "x", "op": "=", "value": 5}]},
             "met": "value >= 1"}]});
        for (pointer, value) in change.as_object().unwrap() {
            match rule.pointer_mut(pointer) {
                Some(place) => *place = value.clone(),
                None => rule[&pointer[1..]] = value.clone(),
            }
        }
        notes(&Rule::parse(&rule.to_string()).unwrap(), 1_000)
    }

    fn x(op: &str, value: &Json) -> Json {
        json!({"property": "x", "op": op, "value": value})
    }

    #[test]
    fn what_can_never_happen_is_told() {
        let place = "/conditions/0/event/where";
        for (change, expected) in [
            (json!({"/active": {"until": "1970-01-01T00:00:01Z"}}), "`active` is over"),
            (json!({"/crowd": {"guids": []}}), "nobody is in `crowd`"),
            (json!({"/when": "1 > 2"}), "`when` is false"),
            (json!({"/conditions/0/met": "false"}), "`a` is never met"),
            (
                json!({"/trigger/event": {"id": "T", "where": [{"any": []}]}}),
                "`trigger.event`: an empty `any`",
            ),
            (json!({place: [x("=", &json!(5)), x("=", &json!(6))]}), "`a` never folds: `x` can't be equal"),
            (json!({place: [x("in", &json!(["b", "c"])), {"all": [x("=", &json!("a"))]}]}), "can't be equal"),
            (json!({place: [x("=", &json!(5)), x(">", &json!(5))]}), "can't be equal"),
            (json!({place: [x(">", &json!(5)), x("<=", &json!(5))]}), "no number is within"),
            (json!({place: [x("between", &json!([1, 2])), x(">=", &json!(2.5))]}), "no number is within"),
            (json!({place: [x("exists", &json!(false)), x("contains", &json!("b"))]}), "not to be there"),
        ] {
            let [note] = &of(&change)[..] else { panic!("{change}: {:?}", of(&change)) };
            assert!(note.contains(expected), "{change}: {note}");
        }
    }

    #[test]
    fn what_may_happen_is_not_told() {
        let place = "/conditions/0/event/where";
        for change in [
            json!({}),
            json!({"/active": {"until": "1970-01-01T00:00:02Z"}}),
            json!({"/when": "a || 1 > 2"}),
            json!({"/when": "true"}),
            json!({place: [x("=", &json!(5)), x("=", &json!("5")), x("<=", &json!(5))]}),
            json!({place: [x("!=", &json!(5)), x("exists", &json!(false))]}),
            json!({place: [{"any": [x("=", &json!(5)), x("=", &json!(6))]}]}),
            json!({place: [x(">=", &json!(5)), x("<=", &json!(5))]}),
            json!({place: [x("in", &json!(["b", "c"])), x("in", &json!(["c", "d"]))]}),
            json!({place: [{"property": "x", "op": ">", "value": "1.9", "as": "version"}, x("=", &json!("1.10"))]}),
        ] {
            assert_eq!(of(&change), Vec::<String>::new(), "{change}");
        }
    }
}
