//! Script of a `sequence` with `within`: for each number of steps it keeps the best run that has done as many.
//!
//! The best run is the one that began last: it has the most time left, and can do whatever another one can. An event
//! that matches a step takes the run that waits for it, unless its time is up or it is out of order, and becomes part of
//! the run with one step more, if that did not begin later. So a first step that is too old hides no newer one.
//!
//! The longest run is in the fields that a sequence without `within` has; `since_N` and `last_N` are the times of the
//! first and of the latest step of a shorter run, of N steps, and -1 if there is none. A script can't count through its
//! fields, so its text depends on the number of steps.

/// The script for a number of steps, at least two.
pub(super) fn script(steps: usize) -> String {
    let for_each = |template: &str| {
        let shorter = 1..steps.saturating_sub(1);
        shorter.map(|n| template.replace("{n}", &n.to_string())).collect::<String>()
    };
    TEMPLATE
        .replace("{fields}", &for_each(FIELDS))
        .replace("{taken}", &for_each(TAKEN))
        .replace("{cleared}", &for_each(CLEARED))
        .replace("{replaced}", &for_each(REPLACED))
}

const TEMPLATE: &str = "\
// Counts how often the steps happen in order, the last at most `within` after the first.
fn init(params) {
    #{ value: count(params.window), step: 0, since: -1, last: -1{fields} }
}

fn is_usable(since, last, time, within) {
    since >= 0 && time >= last && time - since <= within
}

fn on_event(state, event, params) {
    if event.step > state.step {
        return false;
    }
    if event.step == state.step && state.step > 0 {
        if !is_usable(state.since, state.last, event.time, params.within) {
            return false;
        }
        state.last = event.time;
        state.step += 1;
        if state.step == params.steps {
            state.value.add(event.time, event.now);
            state.step = 0;{cleared}
        }
        return true;
    }
    let since = event.time;{taken}
    if event.step + 1 >= state.step {
        if state.step == 0 || since >= state.since {
            state.since = since;
            state.last = event.time;
            state.step = event.step + 1;
        }
    }{replaced}
    true
}

fn outputs(state, params, now) {
    #{ value: state.value.at(now), step: state.step }
}
";

/// A shorter run's fields.
const FIELDS: &str = ", since_{n}: -1, last_{n}: -1";

/// Takes the run that has done as many steps as come before the event's.
const TAKEN: &str = "
    if event.step == {n} {
        if !is_usable(state.since_{n}, state.last_{n}, event.time, params.within) {
            return false;
        }
        since = state.since_{n};
        state.since_{n} = -1;
    }";

/// Ends a shorter run when the longest is complete.
const CLEARED: &str = "
            state.since_{n} = -1;";

/// Replaces the shorter run with the steps that the event's has now.
const REPLACED: &str = " else if event.step + 1 == {n} {
        if since >= state.since_{n} {
            state.since_{n} = since;
            state.last_{n} = event.time;
        }
    }";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::script;
    use crate::calculator::{Cell, FoldInput, Program, Runner};

    /// Completions of the steps, by every run that there could be: the first events of all steps, in order.
    fn completions(steps: usize, within: i64, events: &[(usize, i64)]) -> Vec<i64> {
        // Start and last time of each run, by steps done.
        let mut runs: Vec<Vec<(i64, i64)>> = vec![Vec::new(); steps];
        let mut completions = Vec::new();
        for (step, time) in events {
            let usable = |(since, last): &(i64, i64)| time >= last && time - since <= within;
            let taken = match step {
                0 => Some(*time),
                step => runs[*step].iter().filter(|run| usable(run)).map(|(since, _)| *since).max(),
            };
            let Some(since) = taken else { continue };
            if step + 1 == steps {
                completions.push(*time);
                runs.iter_mut().for_each(Vec::clear);
            } else {
                runs[step + 1].push((since, *time));
            }
        }
        completions
    }

    proptest! {
        /// In order of time, keeping the best run of each length alone completes when keeping all runs does.
        #[test]
        fn no_run_is_missed(
            steps in 2usize..6,
            within in 1i64..60,
            moves in prop::collection::vec((0usize..6, 0i64..12), 1..80),
        ) {
            let mut clock = 1_000;
            let events: Vec<(usize, i64)> = moves
                .into_iter()
                .map(|(step, pause)| {
                    clock += pause;
                    (step % steps, clock)
                })
                .collect();
            let params = json!({"within": within}).as_object().cloned().unwrap();
            let program = Program::compile(&script(steps), &params, None, Some(steps)).unwrap();
            let mut runner = Runner::new(&program);
            let mut cells = program.initial().to_vec();
            let mut got = Vec::new();
            let mut counted = Cell::Int(0);
            for (step, time) in &events {
                let input = FoldInput { time: *time, now: *time, step: *step };
                runner.on_event(&program, &mut cells[..], input, std::iter::empty()).unwrap();
                let value = program.names().position(|name| name == "value").unwrap();
                if cells[value] != counted {
                    counted = cells[value].clone();
                    got.push(*time);
                }
            }
            prop_assert_eq!(got, completions(steps, within, &events));
        }
    }
}
