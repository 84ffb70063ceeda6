//! Limits of a document at its publishing: what it may cost to compile, which everything else waits for.
//!
//! A rule that is in force already stays in force, whatever its size.

use regex::RegexBuilder;

use super::{
    fault::{Fault, Faults},
    predicate::{Comparison, Op, Predicate, Query},
    spec::{Crowd, Filter, Rule, Trigger},
};

/// Most bytes of a document, without the members of its crowd.
const DOCUMENT: usize = 1 << 20;
/// Most predicates of a document.
const PREDICATES: usize = 1_000;
/// Most regular expressions of a document.
const REGEXES: usize = 64;
/// Most bytes of a compiled regular expression.
const REGEX: usize = 256 << 10;

impl Rule {
    /// Checks that the document is within the limits of what may be published.
    ///
    /// # Errors
    /// Every limit that is exceeded, with the place.
    pub fn check_limits(&self) -> Result<(), Faults> {
        let mut count = Count::default();
        count.rule(self);
        if count.faults.is_empty() { Ok(()) } else { Err(Faults(count.faults)) }
    }
}

/// Predicates and regular expressions so far, and what exceeds a limit.
#[derive(Default)]
struct Count {
    predicates: usize,
    regexes: usize,
    faults: Vec<Fault>,
}

impl Count {
    fn rule(&mut self, rule: &Rule) {
        let plain = Rule { crowd: None, ..rule.clone() };
        // A parsed document always serializes.
        let bytes = serde_json::to_vec(&plain).unwrap_or_default().len();
        if bytes > DOCUMENT {
            self.fault("", format!("is {bytes} bytes without its crowd; write at most {DOCUMENT}"));
        }
        if let Some(Crowd::Profile(query)) = &rule.crowd {
            self.query("crowd.profile", query);
        }
        for (i, condition) in rule.conditions.iter().enumerate() {
            if let Some(event) = &condition.event {
                self.filter(&format!("conditions[{i}].event"), event);
            }
            for (j, step) in condition.steps.iter().flatten().enumerate() {
                self.filter(&format!("conditions[{i}].steps[{j}]"), step);
            }
        }
        if let Trigger::Event(event) = &rule.trigger {
            self.filter("trigger.event", event);
        }
    }

    fn filter(&mut self, path: &str, filter: &Filter) {
        let predicates = filter.predicates.iter().enumerate();
        predicates.for_each(|(i, predicate)| self.predicate(&format!("{path}.where[{i}]"), predicate));
    }

    fn predicate(&mut self, path: &str, predicate: &Predicate) {
        match predicate {
            Predicate::All(parts) => self.parts(path, "all", parts, Self::predicate),
            Predicate::Any(parts) => self.parts(path, "any", parts, Self::predicate),
            Predicate::Not(part) => self.predicate(&format!("{path}.not"), part),
            Predicate::Property(comparison) => self.comparison(path, comparison),
            Predicate::AnyOf { parts, .. } => self.parts(path, "where", parts, Self::predicate),
            Predicate::Expr(_) => self.one(path),
        }
    }

    fn query(&mut self, path: &str, query: &Query) {
        match query {
            Query::All(parts) => self.parts(path, "all", parts, Self::query),
            Query::Any(parts) => self.parts(path, "any", parts, Self::query),
            Query::Not(part) => self.query(&format!("{path}.not"), part),
            Query::Tag(comparison) => self.comparison(path, comparison),
        }
    }

    fn parts<P>(&mut self, path: &str, name: &str, parts: &[P], part: fn(&mut Self, &str, &P)) {
        parts.iter().enumerate().for_each(|(i, one)| part(self, &format!("{path}.{name}[{i}]"), one));
    }

    /// Counts a predicate; the first above the limit is a fault.
    fn one(&mut self, path: &str) {
        self.predicates += 1;
        if self.predicates == PREDICATES + 1 {
            let message = format!(
                "is the {}th predicate; a rule has at most {PREDICATES}: write several rules, or list values with `in`",
                PREDICATES + 1
            );
            self.fault(path, message);
        }
    }

    fn comparison(&mut self, path: &str, comparison: &Comparison) {
        self.one(path);
        // What is no text is refused when it is compiled.
        let (Op::Regex, Some(pattern)) = (comparison.op, comparison.value.as_str()) else { return };
        self.regexes += 1;
        if self.regexes == REGEXES + 1 {
            let message = format!(
                "is the {}th regular expression; a rule has at most {REGEXES}: join them with `|`, or compare with `contains`",
                REGEXES + 1
            );
            self.fault(path, message);
        }
        // Those above the limit are not compiled, as that is what it is for.
        if self.regexes <= REGEXES
            && let Err(regex::Error::CompiledTooBig(_)) =
                RegexBuilder::new(pattern).case_insensitive(comparison.ignore_case).size_limit(REGEX).build()
        {
            let message = format!(
                "this regular expression takes more than {REGEX} bytes; write a shorter one, with lower repetitions"
            );
            self.fault(&format!("{path}.value"), message);
        }
    }

    fn fault(&mut self, path: &str, message: String) {
        self.faults.push(Fault { path: path.to_owned(), message });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn faults(predicates: &[Json]) -> Vec<String> {
        let rule = json!({"rule_id": "r", "trigger": {"event": {"id": "T", "where": predicates}}});
        let checked = Rule::parse(&rule.to_string()).unwrap().check_limits();
        checked.err().map(|faults| faults.0.iter().map(Fault::to_string).collect()).unwrap_or_default()
    }

    fn predicate(op: &str, value: &str) -> Json {
        json!({"property": "p", "op": op, "value": value})
    }

    #[test]
    fn what_exceeds_a_limit_is_named_with_its_place() {
        let none = Vec::<String>::new();
        assert_eq!(faults(&vec![predicate("=", "x"); PREDICATES]), none);
        let many = faults(&vec![predicate("=", "x"); PREDICATES + 5]);
        assert!(
            many.len() == 1 && many[0].starts_with("trigger.event.where[1000]: is the 1001th predicate"),
            "{many:?}"
        );
        assert_eq!(faults(&vec![predicate("regex", "a.*b"); REGEXES]), none);
        let any = faults(&[json!({"any": vec![predicate("regex", "a.*b"); REGEXES + 1]})]);
        assert!(
            any.len() == 1 && any[0].starts_with("trigger.event.where[0].any[64]: is the 65th regular"),
            "{any:?}"
        );
        let large = faults(&[json!({"not": predicate("regex", r"\w{500}")})]);
        assert!(
            large.len() == 1 && large[0].starts_with("trigger.event.where[0].not.value: this regular"),
            "{large:?}"
        );
        let long = faults(&[predicate("=", &"x".repeat(DOCUMENT))]);
        assert!(long.len() == 1 && long[0].contains("write at most 1048576"), "{long:?}");
    }

    #[test]
    fn members_of_a_crowd_do_not_count_and_its_query_does() {
        let guids: Vec<u64> = (0..200_000).map(|n| 10_000_000 + n).collect();
        let rule = |crowd: Json| json!({"rule_id": "r", "crowd": crowd, "trigger": {"event": {"id": "T"}}});
        let checked = |crowd: Json| Rule::parse(&rule(crowd).to_string()).unwrap().check_limits();
        assert_eq!(checked(json!({"guids": guids})), Ok(()));
        let tags = vec![json!({"tag": "level", "op": ">=", "value": 3}); PREDICATES + 1];
        let error = checked(json!({"profile": {"all": tags}})).unwrap_err().to_string();
        assert!(error.starts_with("crowd.profile.all[1000]: is the 1001th"), "{error}");
    }
}
