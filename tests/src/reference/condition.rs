//! A condition, and how it folds an event.

use serde_json::Value as Json;

use super::calculator::Calculator;
use super::condition_state::ConditionState;
use super::event::Event;
use super::expression::Expression;
use super::filter::Filter;
use super::steps;
use super::value::Value;
use super::window::Window;

/// One condition of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) id: String,
    pub(crate) calculator: Calculator,
    /// Filters of its steps; one without `steps`.
    pub(crate) steps: Vec<Filter>,
    pub(crate) window: Window,
    pub(crate) met: Option<Expression>,
    /// The document without `met`: what decides whether state can be kept after an edit.
    pub(crate) folds: Json,
}

impl Condition {
    pub(crate) fn parse(json: &Json, publish: i64) -> Self {
        let calculator = Calculator::parse(&json["calculator"], &json["params"]);
        let steps = match json.get("steps") {
            Some(steps) => steps.as_array().expect("a list of steps").iter().map(Filter::parse).collect(),
            None => vec![Filter::parse(&json["event"])],
        };
        let mut folds = json.clone();
        folds.as_object_mut().expect("a condition").remove("met");
        let met = json.get("met").and_then(Json::as_str).or(calculator.default_met());
        Self {
            id: json["id"].as_str().expect("a condition's id").to_owned(),
            steps,
            window: Window::parse(json.get("window"), publish),
            met: met.map(|text| Expression::parse(text, false)),
            folds,
            calculator,
        }
    }

    /// Whether one of its filters matches the event.
    pub(crate) fn matches(&self, event: &Event) -> bool {
        self.steps.iter().any(|step| step.matches(event))
    }

    /// Folds the event at `now`, if a filter and the window accept it. `index` is the event's index in the
    /// run.
    pub(crate) fn fold(&self, state: &mut ConditionState, index: usize, event: &Event, now: i64) {
        // Running steps have no window that moves: their completions do.
        let runs = matches!(self.window, Window::Last(_) | Window::This(_)) && self.has_steps();
        if !runs && !self.window.folds(event.time, now) {
            return;
        }
        let matching: Vec<bool> = self.steps.iter().map(|step| step.matches(event)).collect();
        if !matching.contains(&true) {
            return;
        }
        let time = event.time;
        match &self.calculator {
            Calculator::Count => state.folded.push((time, Value::Int(1))),
            Calculator::Last { of } => {
                let value = event.get(of).map(|value| match value {
                    Value::List(_, json) | Value::Object(json) => Value::Text(json),
                    scalar => scalar,
                });
                state.folded.extend(value.map(|value| (time, value)));
            }
            Calculator::Distinct { of } => {
                let elements = event.get(of).map_or_else(Vec::new, |value| value.elements().to_vec());
                state
                    .folded
                    .extend(elements.into_iter().filter_map(Value::scalar).map(|value| (time, value)));
            }
            Calculator::Stats { of } | Calculator::Top { of, .. } => {
                let elements = event.get(of).map_or_else(Vec::new, |value| value.elements().to_vec());
                let numbers = elements.into_iter().filter(|value| value.number().is_some());
                state.folded.extend(numbers.map(|value| (time, value)));
            }
            Calculator::Sequence { within } => steps::sequence(state, &matching, time, *within),
            Calculator::Gap { bounds, anchor } => {
                steps::gap(state, [matching[0], matching[1]], time, bounds, *anchor);
            }
            Calculator::Absence { within, anchor } => {
                steps::absence(state, [matching[0], matching[1]], time, (*within, *anchor), index);
            }
        }
    }

    fn has_steps(&self) -> bool {
        use Calculator::{Absence, Gap, Sequence};
        matches!(self.calculator, Sequence { .. } | Gap { .. } | Absence { .. })
    }

    /// Deadline of the pending A of an `absence`.
    pub(crate) fn deadline(&self, state: &ConditionState) -> Option<i64> {
        match self.calculator {
            Calculator::Absence { within, .. } => state.pending.map(|pending| pending + within),
            _ => None,
        }
    }

    /// Counts the pending A, unless a fixed window excludes its deadline.
    pub(crate) fn run_out(&self, state: &mut ConditionState, deadline: i64) {
        state.pending = None;
        if !matches!(self.window, Window::Fixed { .. }) || self.window.folds(deadline, deadline) {
            state.complete(deadline);
        }
    }
}
