//! Every statement, expression and function that is compiled.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::json;

use super::pair::{Case, calls};
use crate::calculator::Execution;

/// Bodies of `on_event` that are compiled: integers, truths, aggregates and timers.
const INTEGERS: &[&str] = &[
    // Statements.
    "true",
    "",
    ";",
    "state.a = 3; true",
    "state.a += 1; state.a -= 2; state.a *= 3; state.a /= 2; state.a %= 7; state.a **= 1; true",
    "state.a |= 8; state.a &= 13; state.a ^= 1; state.a <<= 1; state.a >>= 1; true",
    "state.ok = !state.ok; state.ok",
    "let x = event.step; x += 1; state.a = x; let y = x > 1; y = !y; y",
    "const K = 5; state.a = K * 2; true",
    "if state.a > 3 { state.a = 0; } else if event.step == 1 { state.a += 2; } else { state.a += 1; } true",
    "if event.step == 0 { return true; } state.a += 1; false",
    "if event.step == 0 { return; } state.a += 1; true",
    "{ let x = 1; state.a += x; } { let x = 2; state.b += x; } true",
    "state.a + 1; true",
    "if event.step == 1 { true } else { state.ok }",
    "state.b = 1; if state.a + 1 > 2 { state.a = 0; return true; } state.a += 1; state.b = state.a * 2; state.ok",
    // Expressions.
    "state.a = (event.time - event.now) * 2 + event.step; state.a < 0 || event.step == 2 && state.ok",
    "state.a = event[\"step\"] + params.limit - params[\"limit\"]; event.p != ()",
    "event[params.of] == ()",
    "state.a = -event.step; state.b = -(1 + event.step); !(state.a < state.b)",
    "params.none == () && (params.word == \"w\" || state.a / 0 == 1)",
    "state.ok == true || state.ok != false || state.a == () || state.a != \"t\"",
    "state.a = event.step << 3 >> 1 & 7 | 8 ^ 1; state.a ** 2 % 5 / 1 > 0",
    "event.p > 3 && event.p != 8.5 || event.p == \"x\" || 7 >= event.p && event.p != false",
    "if event.p >= state.a { state.a += 2; } else if 2.25 < event.p { state.a = 1; } state.a < 9 || !(event.p < -1.5)",
    // Functions.
    "state.a = abs(event.time - event.now); state.b = min(state.a, 9) + max(state.b, -7) + to_int(3); true",
    "state.plain.add(event.time, event.now); state.a = state.plain.at(event.now); true",
    "state.hits.add(event.time, event.now); true",
    "state.a = state.hits.at(event.now) + state.seen.at(event.now); state.hits.add(event.now, event.now); true",
    "if event.p != () { state.seen.add(event.p, event.time, event.now); } true",
    "state.nums.add(event.p, event.time, event.now); true",
    "state.nums.add(event.step, event.time, event.now); true",
    "if event.p != () { state.all.add(event.p); } true",
    "if event.p != () { state.last.add(event.p, event.time, event.now); } true",
    "state.tops.add(event.p, event.time, event.now);",
    "set_timer(state, event.time + 500); if event.step == 2 { clear_timer(state); } true",
];

/// Bodies that are interpreted, with the reason.
const INTERPRETED: &[(&str, &str)] = &[
    ("again(event.step) == 0", "`again` is called within too many others"),
    ("of_state(state) > 0", "`state` passed to a function"),
    ("let x = 1; state.a = x + { x = 2; 3 }; true", "an assignment amid an expression"),
    ("if event.step > 5 { state.hits = 5; } true", "a native aggregate"),
    ("let t = [event.step]; true", "an array"),
    ("state.hits.add(event.p, event.now); true", "not known to be an integer"),
    ("event.p[0] == 1", "an index into this value"),
];

/// Floats, and properties of any kind.
const FLOATS: &[&str] = &[
    "state.f += 1.5; state.g = state.f * 2 - 1; state.f > state.g",
    "state.f = -state.g; state.g = state.f / 3.0 % 2.0 + 1; state.f <= 0.1 + 0.2 && state.g != 0.3",
    "state.f -= 0.1; state.f *= 1.1; state.g /= 3; state.g %= 2; state.g **= 2; state.f == state.g",
    "state.f = 3; state.a = state.f / 2; state.f < 4",
    "state.f = 1 + event.step; state.g += state.f / 2; true",
    "let x = 1.5; x += state.f; state.g = x; x >= 1.5",
    "let x = event.p; if x != () && x > 3 { state.a += 1; } x == 7",
    "let x = event.p; let y = event.q; x == y || x < y",
    "event.p == event.q",
    "event.p > event.q && event.p != ()",
    "state.f = event.p + 1.5; true",
    "state.f += event.p; true",
    "state.a += event.p; true",
    "state.f = event.p * event.q; state.a += 1; true",
    "let x = event.p - event.q; x > 0",
    "state.f = abs(event.p); true",
    "state.f = min(event.p, 2.5); state.g = max(state.f, 1.0); true",
    "state.f = floor(state.g + 0.5) + ceil(state.g) + round(state.g); true",
    "state.a = to_int(event.p); state.f = to_float(event.q); true",
    "state.a = to_int(state.f * 1000.0); state.f += to_float(state.a) + 0.25; true",
    "state.f = floor(event.p); true",
    "state.a = -event.p; true",
    "if event.p { state.a += 1; } !event.q",
    "event.p && event.q == true",
    "state.ok = event.p == true; state.ok |= event.q != (); state.ok &= true; state.ok ^= state.a > 1; true",
    "let x = 0; if event.p != () { x = event.p; } state.nums.add(x, event.time, event.now); true",
    "let x = 0; x += event.p; state.last.add(x, event.time, event.now); true",
    "let best = state.f; if event.p > best { best = event.p; } state.f = best; true",
    "state.a = event.p; state.a = 3; true",
    "state.a = 1.5; state.b = to_int(state.a * 2.0); state.a = state.b; true",
    "state.ok = event.p; state.a += 1; true",
    "state.hits.add(event.time, event.now); state.a += 1; true",
    "state.hits.add(event.time, event.now); state.f = event.p; true",
    "state.a = event.p << 2; state.b = event.q & 3; true",
    "event.p + 1 > event.q * 2",
    "let nan = 1.5 % (state.f - state.f); 0.0 >= nan && 0 <= nan && nan == 0.0 || nan > 1 || nan != nan",
    "1.0 / state.f > 0.0 && state.f ** 0.5 < 3",
    "let x = event.p ** 2; state.f = x; true",
    "const HALF = 0.5; state.f += HALF; state.f % 1 == 0",
    "state.plain.at(event.now) / 2.0 > 1.5",
    "state.nums.figures(event.now).sum > 4 || state.nums.figures(event.now).max == ()",
    "state.nums.add(event.step, event.time, event.now); state.f = state.nums.figures(event.now).sum; true",
    "state.a = state.tops.figures(event.now).count; state.last.figures(event.now).value == event.p",
];

/// Texts and characters.
const TEXTS: &[&str] = &[
    "state.t = \"x\"; true",
    "state.t = event.p; true",
    "state.t += \"x\"; state.u = state.t - \"x\"; state.t == state.u + \"x\"",
    "if event.p == state.t { state.a += 1; } state.t = `${event.p}`; true",
    "state.t = `${state.a}-${state.f}-${event.p}-${state.ok}`; true",
    "state.t = \"é\" + 'c' + state.u; state.u = \"a\" + event.p; true",
    "state.u += event.p; true",
    "state.t -= \"t\"; state.u += 'x'; state.u -= 'y'; true",
    "len(event.p) > 2",
    "event.p.len() > 2",
    "let x = event.p; len(x) > 2 || x.len() == 1",
    "state.t.len() + len(state.u) > 4",
    "contains(event.p, \"e\") || event.p.starts_with(\"ev\") || ends_with(state.t, event.q)",
    "\"ev\" in event.p",
    "\"x\" !in state.t && state.t in \"start end\"",
    "is_number(event.p) && event.q.is_number()",
    "state.t = to_string(event.p); true",
    "state.t = state.a.to_string() + to_string(state.f); true",
    "state.a = ms(\"5m\"); true",
    "if event.p == () || is_number(event.p) { return true; } state.a = ms(event.p); true",
    "state.t < \"sz\" && state.u <= event.p",
    "let c = state.t[0]; c == 's' && c < \"t\"",
    "let c = 'x'; c += event.p; state.t = c; true",
    "let t = event.p; t += event.q; t != \"\"",
    "let t = \"a\"; t += event.p; t += (); state.a = t.len(); true",
    "let t = \"\"; t += event.p; state.t = t; true",
    "state.t = state.t[-1] + \"\"; state.a[1]",
    "let x = event.p; x -= \"e\"; state.t = x; true",
    "state.t = \"\" + event.p; state.u = event.q; true",
    "() + event.p == event.p",
    "state.last.add(event.p + \"x\", event.time, event.now); true",
    "state.seen.add('c', event.time, event.now); true",
    "state.t = event.p; state.hits.add(event.time, event.now); true",
];

/// Own functions, `switch`, and blocks with values.
const CONTROL: &[&str] = &[
    "helper(1) > 0",
    "state.a = helper(state.a) + helper(event.step) * 2; true",
    "state.f = mixed(event.p); true",
    "let x = outer(event.p, 3); state.a += 1; x == 4",
    "early(state.a) > 2 && early(-1) == 0",
    "let x = nothing(2); x == ()",
    "state.t = cut(event.p, event.q); true",
    "event.p == 1 || of_params(params, event) > 0",
    "switch event.step { 0 => true, _ => false }",
    "switch event.p { 7 => state.a += 1, \"x\" => { state.b += 1; } true => state.ok = true, 2.5 | () => {} 0..5 => state.a = 0, _ => {} } true",
    "let x = switch event.step { 0 => \"none\", 1 if state.a > 2 => 1, 1 => 2.5, 2..=3 => event.p }; x == 2.5",
    "switch state.a { -5 => state.a = 0, 0..10 if event.step == 1 => state.a += 5, 5..=100 => state.a += 1, _ => state.a = -5 } true",
    "switch event.p { 1 => return true, 'x' => return false, _ => state.a += 1 } state.a > 3",
    "let x = event.p ?? 3; state.f = x; true",
    "let x = event.p ?? event.q ?? \"none\"; x == \"none\"",
    "event.p?.len() == 1",
    "let x = event.p; x?.len() > 1",
    "let x = if event.step == 1 { 1 } else { 2.5 }; state.f = x; true",
    "let x = if event.p != () { event.p }; x == ()",
    "let x = { let y = 3; y * 2 }; state.a = x; true",
    "state.a = if event.step == 0 { return true } else { 4 }; false",
    "if (if state.ok { 1 } else { 2 }) == event.step { state.ok = !state.ok; } true",
    "state.a = params.tiers[event.step] + params.tiers[-1] + params.levels.gold; true",
    "state.a = params.tiers[event.p]; true",
    "if event.p == \"x\" || event.p == \"event\" { state.a = params.levels[event.p] + params[\"levels\"][\"gold\"]; } true",
    "let tiers = params.tiers; state.a = tiers[event.step]; true",
    "state.a = [10, 20, 30][event.step]; if is_number(event.p) { return true; } state.b = #{x: 1, event: 2}[event.p]; true",
    "state[\"a\"] > 3",
    "let x = 1; { x = 2; let z = 3; x += z; } state.a = x; true",
    "return state.a > event.step;",
    "let a = 1; let b = 2; let c = 3; let d = 4; let e = 5; let f = 6; let g = 7; let h = 8; let i = 9; let j = 10; state.a = a + (b * (c + (d * (e + (f - (g + (h - (i + j)))))))); true",
];

/// Bodies of `outputs` that are compiled.
const OUTPUTS: &[&str] = &[
    "#{ value: state.a, text: state.t, other: `${state.f}` }",
    "let x = state.a * 2; let y = x + 1; #{ value: x, other: y > 3 }",
    "if state.a > 3 { return #{ value: state.a, t: state.t + state.t }; } #{ value: 0.5, none: () }",
    "if state.ok { #{ value: 1 } } else if state.a > 2 { #{ value: 'c', other: state.u } } else { #{ value: state.f } }",
    "const HALF = 0.5; return #{ value: state.f * HALF + helper(state.a), of: state.nums.figures(now).max };",
    "switch state.a { 0 => #{ value: 0 }, _ => #{ value: state.b, last: state.last.figures(now).value } }",
    "#{ value: 3, other: \"x\" }",
    "return #{ value: state.seen.at(now) };",
    "state.last.figures(now)",
    "#{ value: state.last.figures(now).at, a: state.t, b: state.t, c: state.u }",
    "#{ value: { let x = state.b; if x < 0 { () } else { x } }, other: if state.a > 1 { state.t } else { 2.5 } }",
];

pub(super) fn case(body: &str) -> Case {
    of(
        body,
        "#{ value: state.a, hits: state.hits.at(now), plain: state.plain.at(now), f: state.f, t: state.t,
            s: state.nums.figures(now).sum, u: `${state.a}`, e: state.plain.at(now) + 0.5,
            b: if state.b < 0 { () } else { state.b }, ok: state.ok, seen: state.seen.at(now) }",
    )
}

/// A script of which the bodies of `on_event` and `outputs` are given.
fn of(body: &str, outputs: &str) -> Case {
    let script = format!(
        "fn init(params) {{ #{{ a: 0, b: 4, f: 0.0, g: 2.5, ok: false, t: \"start\", u: \"\", plain: count(()), hits: count(1000), seen: distinct(1000),
             nums: stats(1000), all: stats(), last: latest(()), tops: top(2, 1000) }} }}
         fn helper(x) {{ x + 1 }}
         fn mixed(x) {{ if x == () {{ 0 }} else {{ x * 2 }} }}
         fn outer(a, b) {{ let c = helper(b); if a == () {{ return c; }} c += helper(c); c }}
         fn early(n) {{ if n < 0 {{ return 0; }} let x = n * 2; x += 1; return x; }}
         fn nothing(n) {{ let x = n; }}
         fn cut(a, b) {{ let t = `${{a}}${{b}}`; t += \"-\"; t + t }}
         fn of_params(p, e) {{ if e.p == () {{ p.limit }} else {{ p.limit * 2 }} }}
         fn changed(n, v) {{ let m = n; n += 2; if v == () {{ v = 1; }} m = if v == 7 {{ n }} else {{ m }}; n * m }}
         fn chosen(w, x) {{ if w == () {{ x }} else {{ let y = x; {{ y }} }} }}
         fn again(n) {{ if n > 1 {{ 0 }} else {{ again(n + 1) }} }}
         fn of_state(s) {{ s.a }}
         fn on_event(state, event, params) {{ {body} }}
         fn on_timer(state, now, params) {{ state.a += 1; set_timer(state, now + 1000); }}
         fn on_timer_dropped(state, now, params) {{ state.b = 0; }}
         fn outputs(state, params, now) {{ {outputs} }}"
    );
    let params = json!({"limit": 40, "none": null, "word": "w", "of": "p", "tiers": [1, 2, 3], "levels": {"gold": 9, "event": 1}});
    Case { script, params: params.as_object().cloned().unwrap_or_default(), window: None, steps: Some(3) }
}

#[test]
fn each_part_is_compiled_and_equals_the_interpreter() {
    let mut runner = TestRunner::deterministic();
    let calls = calls(3, 300).new_tree(&mut runner).unwrap().current();
    let (mut wrong, mut all) = (Vec::new(), Vec::new());
    for body in [INTEGERS, FLOATS, TEXTS, CONTROL].into_iter().flatten() {
        all.push((*body, case(body)));
    }
    let changes = "state.a = event.step + 1; state.t += \"x\"; if event.p != () { state.last.add(event.p, event.time, event.now); } true";
    all.extend(OUTPUTS.iter().map(|outputs| (*outputs, of(changes, outputs))));
    for (body, case) in all {
        wrong.extend(case.compiled_otherwise(&calls).map(|reason| format!("{body}: {reason}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_interpreted_says_why() {
    for (body, reason) in INTERPRETED {
        let program = case(body).compile(Execution::Compiled).unwrap_or_else(|e| panic!("{e}\n{body}"));
        let interpreted: Vec<_> = program.interpreted().map(|(f, why)| format!("{f}: {why}")).collect();
        let [only] = &interpreted[..] else { panic!("{body}: {interpreted:?}") };
        assert!(only.starts_with("on_event: ") && only.contains(reason), "{body}: {only}");
    }
}

/// Bodies of `on_event` that can't work where it matters, with the place and what the message says.
const FAULTS: &[(&str, usize, &str)] = &[
    ("if event.step == 9 { state.a += \"x\"; } true", 32, "`+` takes no integer with string"),
    ("if event.step == 9 { state.a = \"x\"; } true", 32, "state field `a` is an integer by `init`"),
    ("if event.step == 9 { return len(state.a) > 1; } true", 32, "`len` takes no integer"),
    ("if event.step == 9 { state.f = floor(3); } true", 32, "`floor` takes no integer"),
    ("event.step < 9 || !state.a", 32, "`!` takes no integer"),
    ("let x = 1; if event.step == 9 { x = -\"t\"; } true", 32, "`-` takes no string"),
];

/// Bodies that may work.
const MAY_WORK: &[&str] = &[
    "if event.step == 9 { state.a = \"x\"; state.a = 3; } true",
    "if event.p != () { state.a += event.p; } true",
    "let x = event.p; if event.step == 9 { x -= 1; } true",
    "state.f = 3; true",
    "let width = params.none; if width != () { state.a += width; } true",
    "let width = params.none; if width == () { return true; } state.a -= width; true",
    "if is_number(params.word) { state.a += params.word; } true",
    "mixed(params.none) == 0 && mixed(3) == 6",
];

#[test]
fn what_can_never_work_is_told_with_its_place() {
    for (body, column, message) in FAULTS {
        for execution in [Execution::Compiled, Execution::Interpreted] {
            let error = case(body).compile(execution).err().unwrap_or_else(|| panic!("{body}"));
            assert!(error.message.contains(message) && error.column > *column, "{body}: {error}");
        }
    }
    for body in MAY_WORK {
        assert_eq!(case(body).compile(Execution::Compiled).err(), None, "{body}");
    }
}
