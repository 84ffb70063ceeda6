//! Compiles a document into a plan.
//!
//! Everything that would keep a rule from running is found here; all faults are reported at once.
//!
//! - `checks`: ids, ranges and the crowd
//! - `condition`: a condition's calculator, filters, window and `met`
//! - `statements`: statements that fail whenever they are reached

mod checks;
mod condition;
mod statements;

use std::{collections::BTreeSet, sync::Arc};

use super::{
    action::Action,
    identity::Identities,
    limit::LimitPlan,
    lineage::Lineage,
    met::{OutputPlan, When},
    params,
    plan::{ConditionPlan, RulePlan, TriggerPlan},
    programs::{Calculators, Programs},
    scripts::ScriptStore,
    trigger_line::LineTexts,
    verdict::Verdict,
};
use crate::{
    calculator::Execution,
    document::{
        fault::{Fault, Faults},
        spec::{self, Rule, Trigger},
    },
    expression::Expression,
    filter::Filter,
    model::{
        field::{Field, Fields, TOP_LEVEL},
        key::KeyFields,
    },
};

const MAX_KEY_FIELDS: usize = 4;

/// Compiles a rule as first published at `publish` (unix ms), under version 1 and slot 0.
///
/// ```
/// use std::sync::Arc;
///
/// use strateye_operators::{
///     document::{fault::Faults, spec::Rule},
///     model::field::Fields,
///     rule::compile::compile,
/// };
///
/// let document = r#"{"rule_id": "r", "trigger": "satisfied", "when": "fav", "conditions": [
///     {"id": "fav", "calculator": "count", "event": {"id": "favorite"}, "met": "value >= 10"}]}"#;
/// let compiled = |document: &str| {
///     compile(Arc::new(Rule::parse(document)?), 1_766_000_000_000, &mut Fields::default(), &())
/// };
/// assert_eq!(compiled(document)?.conditions[0].id, "fav");
/// let faults = compiled(&document.replace("value", "total")).unwrap_err();
/// assert_eq!(faults.0[0].path, "conditions[0].met");
/// # Ok::<(), Faults>(())
/// ```
///
/// # Errors
/// Every fault found, each with its path.
pub fn compile(
    spec: Arc<Rule>,
    publish: i64,
    fields: &mut Fields,
    scripts: &dyn ScriptStore,
) -> Result<RulePlan, Faults> {
    let (execution, programs) = (Execution::Compiled, &Programs::default());
    let plan = compile_with(&Calculators { scripts, execution, programs }, spec, publish, fields)?;
    plan.check_statements()?;
    Ok(plan)
}

/// Compiles a rule as [`compile`] does, with certain calculators; with statements that fail whenever they are
/// reached, see [`RulePlan::check_statements`].
///
/// # Errors
/// Every fault found, each with its path, if one keeps the rule from running.
pub fn compile_with(
    calculators: &Calculators<'_>,
    spec: Arc<Rule>,
    publish: i64,
    fields: &mut Fields,
) -> Result<RulePlan, Faults> {
    let mut compiler =
        Compiler { faults: Vec::new(), statements: Vec::new(), fields, calculators: *calculators };
    let plan = compiler.rule(spec, publish);
    match plan {
        Some(plan) if compiler.faults.is_empty() => Ok(plan),
        _ => Err(Faults([compiler.faults, compiler.statements].concat())),
    }
}

struct Compiler<'c> {
    /// Faults that keep the rule from running.
    faults: Vec<Fault>,
    /// Statements that fail whenever they are reached.
    statements: Vec<Fault>,
    fields: &'c mut Fields,
    calculators: Calculators<'c>,
}

impl Compiler<'_> {
    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), message: message.into() });
    }

    fn rule(&mut self, spec: Arc<Rule>, first_published: i64) -> Option<RulePlan> {
        self.ids(&spec);
        self.numbers(&spec);
        self.crowd(spec.crowd.as_ref());
        let publish = spec.active.from.map_or(first_published, |from| first_published.max(from.0));
        let key = self.key(&spec.key_by);
        let conditions = self.conditions(&spec, publish)?;
        let when = self.when(&spec, &conditions);
        self.met_where_asked(&spec, &conditions, when.as_ref());
        let trigger = self.trigger(&spec, &conditions)?;
        let action = Action::compile(&spec.action, self.fields)
            .map_err(|message| self.fault("action", message))
            .unwrap_or(Action::Plain(serde_json::Value::Null.into()));
        let mut action_fields = action.fields();
        action_fields.sort_unstable();
        action_fields.dedup();
        let builtin: Vec<_> = spec.conditions.iter().map(|c| params::is_builtin(&c.calculator)).collect();
        let by_time = |c: &ConditionPlan| c.window.cut().is_some();
        let slides = conditions.iter().any(by_time) || builtin.contains(&false);
        let verdict = Verdict::new(&conditions, when.as_ref(), &builtin);
        let mut plan = RulePlan {
            version: 1,
            slot: 0,
            first_published,
            publish,
            edited: 0,
            pause: None,
            skipped: BTreeSet::new(),
            departed: Vec::new(),
            rule_level: false,
            level_since: None,
            key,
            conditions,
            when,
            verdict,
            trigger,
            limit: spec.limit.as_ref().map(LimitPlan::new),
            action,
            action_fields,
            line_texts: Arc::new(LineTexts::new(&spec)),
            slides,
            identities: Arc::new(Identities::default()),
            spec,
        };
        Lineage::first(&plan, 1).place(&mut plan);
        Some(plan)
    }

    /// Compiles all conditions; `None` if one can't be.
    fn conditions(&mut self, spec: &Rule, publish: i64) -> Option<Vec<ConditionPlan>> {
        let mut conditions = Vec::new();
        for (i, condition) in spec.conditions.iter().enumerate() {
            conditions.extend(self.condition(condition, &format!("conditions[{i}]"), publish, &spec.key_by));
        }
        (conditions.len() == spec.conditions.len()).then_some(conditions)
    }

    fn key(&mut self, key_by: &spec::KeyBy) -> KeyFields {
        if let spec::KeyBy::Network(network) = key_by {
            return KeyFields { fields: vec![Field::IP], network: Some(network.ip.0) };
        }
        let names = key_by.fields();
        if names.is_empty() || names.len() > MAX_KEY_FIELDS {
            self.fault("key_by", format!("name 1 to {MAX_KEY_FIELDS} fields"));
        }
        let mut fields = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let path = if names.len() == 1 { "key_by".to_owned() } else { format!("key_by[{i}]") };
            let field = match (TOP_LEVEL.iter().position(|t| t == name), name.strip_prefix("properties.")) {
                (Some(position), _) if position < 4 => Field(position as u32),
                (_, Some(property)) if !property.is_empty() => self.fields.intern_property(property),
                _ => {
                    self.fault(
                        path,
                        format!(
                            "`{name}` is not a key; write guid, device_id, ip, session_id or properties.NAME"
                        ),
                    );
                    continue;
                }
            };
            if fields.contains(&field) {
                self.fault(path, format!("`{name}` is named twice"));
            }
            fields.push(field);
        }
        KeyFields { fields, network: None }
    }

    fn filter(&mut self, filter: &spec::Filter, path: &str) -> Option<Filter> {
        Filter::compile(filter, self.fields)
            .map_err(|fault| self.fault(join(path, &fault.path), fault.message))
            .ok()
    }

    fn when(&mut self, spec: &Rule, conditions: &[ConditionPlan]) -> Option<When> {
        let text = spec.when.as_deref()?;
        let mut slots = Vec::new();
        let resolved = Expression::compile(text, &mut |name, output| {
            let Some(i) = conditions.iter().position(|c| c.id == name) else {
                let ids: Vec<_> = conditions.iter().map(|c| c.id.as_str()).collect();
                return Err(format!("there is no condition `{name}`; this rule has {}", ids.join(" ")));
            };
            let known = conditions[i].program.output_names();
            if let Some(output) = output
                && !known.iter().any(|k| **k == *output)
            {
                return Err(format!("`{name}` has no output `{output}`; it has {}", known.join(" ")));
            }
            let output = output.map(|name| OutputPlan::new(name, &conditions[i].program));
            Ok(position(&mut slots, (i, output)))
        });
        match resolved {
            Ok(expression) => Some(When { expression, slots }),
            Err(error) => {
                self.fault("when", error.to_string());
                None
            }
        }
    }

    /// Requires a `met` of every condition that `when` names bare, or of every condition if there is no
    /// `when`.
    fn met_where_asked(&mut self, spec: &Rule, conditions: &[ConditionPlan], when: Option<&When>) {
        for (i, condition) in conditions.iter().enumerate() {
            let asked = match (&spec.when, when) {
                (None, _) => true,
                (Some(_), Some(when)) => when.slots.iter().any(|(c, output)| *c == i && output.is_none()),
                (Some(_), None) => false,
            };
            if asked && condition.met.is_none() && spec.conditions[i].met.is_none() {
                let outputs = condition.program.output_names().join(" ");
                self.fault(format!("conditions[{i}].met"), format!("is missing: say when the condition is met, over its outputs ({outputs}), such as \"sum >= 100\""));
            }
        }
    }

    fn trigger(&mut self, spec: &Rule, conditions: &[ConditionPlan]) -> Option<TriggerPlan> {
        match &spec.trigger {
            Trigger::Event(filter) => self.filter(filter, "trigger.event").map(TriggerPlan::Event),
            Trigger::Satisfied if conditions.is_empty() => {
                self.fault("trigger", "\"satisfied\" needs conditions: without any, `when` never turns true; write {\"event\": {\"id\": \"..\"}}");
                None
            }
            Trigger::Satisfied => Some(TriggerPlan::Satisfied),
            Trigger::Each(id) => {
                let Some(i) = conditions.iter().position(|c| c.id == *id) else {
                    let ids: Vec<_> = conditions.iter().map(|c| c.id.as_str()).collect();
                    self.fault(
                        "trigger.each",
                        format!("there is no condition `{id}`; this rule has {}", ids.join(" ")),
                    );
                    return None;
                };
                let counts = params::counts(&spec.conditions[i].calculator)
                    && conditions[i].program.output_names().iter().any(|o| **o == *"value");
                if !counts {
                    self.fault("trigger.each", format!("`{id}` does not count completions; take a condition whose calculator counts in `value`: count, distinct, sequence, gap or absence"));
                }
                let value = OutputPlan::new("value", &conditions[i].program);
                Some(TriggerPlan::Each { condition: i, value })
            }
        }
    }
}

fn join(path: &str, rest: &str) -> String {
    if rest.is_empty() { path.to_owned() } else { format!("{path}.{rest}") }
}

fn position<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().position(|i| *i == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}
