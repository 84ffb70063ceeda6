//! The compiler: compiles each rule once per process.
//!
//! Two parts of a process need a rule compiled: the [register](super::register), which refuses what does not
//! compile (process 0 only), and the [catalog](super::catalog::Catalog), which puts it into rule books. They
//! share a [`Compiler`], which returns one result for equal input while any holder keeps it alive: the
//! register holds it until the change set is in force, the catalog while the rule is in the book.
//!
//! **Invariant**: a compiled rule depends on its [`CompilerInput`] alone. Its field positions are its own, in
//! the order in which it first names the fields; the catalog translates them to the book's
//! ([`CompiledRule::plan_in`]). The book's positions are therefore a function of the sequence of change sets,
//! equal in all processes, however often and in which process a rule was compiled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    compile::compile_with,
    interpret::Interpret,
    plan::RulePlan,
    programs::{Calculators, Programs},
};
use crate::{
    document::{fault::Faults, spec::Rule},
    model::field::Fields,
};

/// Input that determines a compiled rule completely.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CompilerInput {
    /// The document as JSON, without its crowd.
    pub document: Arc<str>,
    /// The instant it was first published, unix ms.
    pub publish: i64,
    /// Stored calculators that the rule names, by name.
    pub scripts: BTreeMap<String, String>,
}

/// A compiled rule, with field positions of its own.
#[derive(Debug)]
pub struct CompiledRule {
    input: Arc<CompilerInput>,
    plan: RulePlan,
    fields: Fields,
}

impl CompiledRule {
    fn new(input: Arc<CompilerInput>, interpret: &Interpret, programs: &Programs) -> Result<Self, Faults> {
        let mut fields = Fields::default();
        let spec = Arc::new(Rule::parse(&input.document)?);
        let execution = interpret.execution(&spec.rule_id);
        let calculators = Calculators { scripts: &input.scripts, execution, programs };
        let plan = compile_with(&calculators, spec, input.publish, &mut fields)?;
        Ok(CompiledRule { input, plan, fields })
    }

    /// Input from which the rule was compiled.
    pub fn input(&self) -> &CompilerInput {
        &self.input
    }

    /// The plan, under version 1 and slot 0, with field positions of its own.
    pub fn plan(&self) -> &RulePlan {
        &self.plan
    }

    /// The plan with the field positions of a book; fields that the book lacks are added to `fields`.
    pub fn plan_in(&self, fields: &mut Fields) -> RulePlan {
        self.plan.renumbered(&fields.adopt(&self.fields))
    }
}

/// Compiles rules; clones share their results. `Send` and cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    shared: Arc<Mutex<Results>>,
    interpret: Arc<Interpret>,
    programs: Arc<Programs>,
}

#[derive(Debug, Default)]
struct Results {
    held: HashMap<Arc<CompilerInput>, Weak<CompiledRule>>,
    compilations: u64,
    /// Number of entries at which those without a holder are removed.
    sweep_at: usize,
}

impl Compiler {
    /// A compiler that leaves the calculators of some rules to the interpreter; results are the same.
    pub fn new(interpret: Interpret) -> Self {
        Compiler { interpret: Arc::new(interpret), ..Compiler::default() }
    }

    /// Compiles a rule, or returns the result that is still held for the same input. Blocks while it
    /// compiles; other threads are not blocked.
    ///
    /// # Errors
    /// Every fault found, each with its path. Faults are not cached.
    pub fn compile(&self, input: CompilerInput) -> Result<Arc<CompiledRule>, Faults> {
        if let Some(held) = self.lock().held.get(&input).and_then(Weak::upgrade) {
            return Ok(held);
        }
        let rule = CompiledRule::new(Arc::new(input), &self.interpret, &self.programs);
        let mut results = self.lock();
        results.compilations += 1;
        let rule = Arc::new(rule?);
        results.insert(&rule);
        Ok(rule)
    }

    /// Number of rules compiled so far, refused ones included.
    pub fn compilations(&self) -> u64 {
        self.lock().compilations
    }

    fn lock(&self) -> MutexGuard<'_, Results> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Results {
    fn insert(&mut self, rule: &Arc<CompiledRule>) {
        if self.held.len() >= self.sweep_at {
            self.held.retain(|_, rule| rule.strong_count() > 0);
            self.sweep_at = 2 * self.held.len() + 64;
        }
        self.held.insert(Arc::clone(&rule.input), Arc::downgrade(rule));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::field::Field;

    fn input(number: u64) -> CompilerInput {
        let document = json!({"rule_id": "r", "name": number.to_string(), "key_by": ["properties.k", "ip"],
            "conditions": [{"id": "a", "calculator": "stats", "params": {"of": "amount"}, "met": "sum > 0",
                "event": {"id": "A", "where": [{"expr": "price * pieces > 10"}, {"any": [
                    {"property": "city", "op": "in", "value": ["x"]}, {"not": {"property": "city", "op": "exists", "value": true}}]}]}}],
            "trigger": {"event": {"id": "T", "where": [{"property": "channel", "op": "regex", "value": "^a"}]}},
            "action": {"text": "{{zone}} {{amount}}"}});
        CompilerInput { document: document.to_string().into(), publish: 5, scripts: BTreeMap::new() }
    }

    #[test]
    fn a_rule_is_compiled_once_while_somebody_holds_it() {
        let compiler = Compiler::default();
        let first = compiler.compile(input(1)).unwrap();
        let second = compiler.clone().compile(input(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let later = compiler.compile(CompilerInput { publish: 6, ..input(1) }).unwrap();
        assert_eq!((compiler.compilations(), later.plan().publish), (2, 6));
        drop((first, second));
        compiler.compile(input(1)).unwrap();
        assert_eq!(compiler.compilations(), 3);
    }

    #[test]
    fn faults_are_not_kept_and_results_that_nobody_holds_are_let_go() {
        let compiler = Compiler::default();
        let wrong = || CompilerInput { document: "{}".into(), publish: 0, scripts: BTreeMap::new() };
        assert!(compiler.compile(wrong()).is_err() && compiler.compile(wrong()).is_err());
        assert_eq!(compiler.compilations(), 2);
        (0..1_000).for_each(|number| drop(compiler.compile(input(number)).unwrap()));
        assert!(compiler.lock().held.len() < 100);
    }

    /// A rule renumbered into a book is the rule compiled with the book's fields.
    #[test]
    fn positions_in_a_book_are_those_of_compiling_in_it() {
        let rule = Compiler::default().compile(input(1)).unwrap();
        let (mut adopted, mut compiled) = (Fields::default(), Fields::default());
        for fields in [&mut adopted, &mut compiled] {
            for name in ["zone", "other", "city"] {
                fields.intern(name);
            }
        }
        let plan = rule.plan_in(&mut adopted);
        let spec = Arc::new(Rule::parse(&rule.input().document).unwrap());
        let expected = crate::rule::compile::compile(spec, 5, &mut compiled, &()).unwrap();
        let names = |fields: &Fields| -> Vec<String> {
            (0..fields.len()).map(|i| fields.path(Field(i as u32))).collect()
        };
        assert_eq!(names(&adopted), names(&compiled));
        assert_eq!(plan.action_fields, expected.action_fields);
        assert_eq!(plan.action_fields[0], Field(7), "ascending in the book");
        // Programs contain addresses of compiled scripts; everything with field positions is compared as
        // text.
        let text = |plan: &RulePlan| {
            let conditions: Vec<_> =
                plan.conditions.iter().map(|c| (&c.inputs, &c.filters, c.hash)).collect();
            format!("{:?} {conditions:?} {:?} {:?}", plan.key, plan.trigger, plan.action)
        };
        assert_eq!(text(&plan), text(&expected));
    }
}
