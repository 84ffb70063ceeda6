//! Preparing documents for publishing: their crowds are selected and they are compiled, on a thread of its
//! own.
//!
//! Both can take long, minutes if there are many profiles, and the feed must not wait: a pause, a resume or a
//! retirement passes by.
//!
//! **Invariants**
//! - One batch is in work at a time; what is requested meanwhile waits for the next. So both queues are
//!   bounded: one batch each way, and at most one request per rule waits.
//! - Requests of one poll are one batch: their profile queries are answered from one reading, and they are
//!   published together.
//! - Order per rule: a later request, or a retirement, supersedes an earlier one that waits or is in work.
//!   Its outcome is dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc,
};

use operators::{
    document::{
        fault::Faults,
        put::Put,
        spec::{self, Rule},
    },
    rule::{compiler::Compiler, crowd::Crowd, register::Prepared},
};
use sources::{calculators::Calculators, profiles::ProfileStore};

use super::crowds::{self, Described};
use crate::{
    protocol::time::{Time, wall_clock},
    threads,
};

/// A document to be prepared.
pub(super) struct Request {
    /// File or row of the document.
    pub(super) origin: String,
    /// The document.
    pub(super) put: Put,
    /// The instant the rule was first published, unix ms; `None`: once the document is prepared.
    pub(super) publish: Option<i64>,
}

/// A document that is prepared, or refused with its faults.
pub(super) struct Outcome {
    /// File or row of the document.
    pub(super) origin: String,
    /// The document.
    pub(super) put: Put,
    /// Result of the preparation.
    pub(super) prepared: Result<Prepared, Faults>,
}

/// Prepares documents; owned by the preparation thread.
pub struct Preparer {
    /// Stored calculators that rules may name.
    pub calculators: Calculators,
    /// Profiles for crowd queries.
    pub profiles: Option<Box<dyn ProfileStore>>,
    /// The compiler of this process.
    pub compiler: Compiler,
    /// How time passes: the instant at which rules count as published.
    pub time: Time,
}

/// The feed's side: what waits, and what is in work.
pub(super) struct Preparation {
    waiting: BTreeMap<String, Request>,
    /// Rules of the batch in work whose outcome is not superseded.
    in_work: BTreeSet<String>,
    busy: bool,
    batches: mpsc::SyncSender<Vec<Request>>,
}

impl Preparation {
    /// Starts the thread, which ends with this. It calls `send` with the outcomes of each batch.
    pub(super) fn start(mut preparer: Preparer, send: impl Fn(Vec<Outcome>) + Send + 'static) -> Self {
        let (batches, requested) = mpsc::sync_channel::<Vec<Request>>(1);
        threads::spawn("rules:prepare", move || {
            for batch in requested {
                send(preparer.prepare(batch));
            }
        });
        Preparation { waiting: BTreeMap::new(), in_work: BTreeSet::new(), busy: false, batches }
    }

    /// Requests a preparation for the next batch.
    pub(super) fn request(&mut self, request: Request) {
        self.supersede(&request.put.rule_id);
        self.waiting.insert(request.put.rule_id.clone(), request);
    }

    /// Drops what is requested of a rule, be it waiting or in work.
    pub(super) fn supersede(&mut self, rule_id: &str) {
        self.waiting.remove(rule_id);
        self.in_work.remove(rule_id);
    }

    /// Hands what waits to the thread, unless a batch is in work. Never blocks.
    pub(super) fn begin(&mut self) {
        if self.busy || self.waiting.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.waiting);
        self.in_work = batch.keys().cloned().collect();
        // The thread lives as long as this, and its queue is empty when it is not busy.
        self.busy = self.batches.send(batch.into_values().collect()).is_ok();
    }

    /// Ends the batch in work; gives its outcomes without those that are superseded.
    pub(super) fn finish(&mut self, mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
        outcomes.retain(|outcome| self.in_work.remove(&outcome.put.rule_id));
        self.in_work.clear();
        self.busy = false;
        outcomes
    }

    /// Whether nothing is waiting or in work.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy && self.waiting.is_empty()
    }
}

impl Preparer {
    /// Prepares the documents of a batch, in their order. Blocks until all are done.
    fn prepare(&mut self, batch: Vec<Request>) -> Vec<Outcome> {
        let parsed = batch.iter().map(|request| parse(&request.put.document));
        let (documents, described): (Vec<_>, Vec<_>) = parsed.unzip();
        let crowds = crowds::select(described, self.profiles.as_deref_mut());
        let parts = batch.into_iter().zip(documents).zip(crowds);
        parts
            .map(|((Request { origin, put, publish }, document), crowd)| {
                let prepared = document.and_then(|rule| self.compile(&rule, crowd?, publish));
                Outcome { origin, put, prepared }
            })
            .collect()
    }

    fn compile(&self, rule: &Rule, crowd: Option<Crowd>, publish: Option<i64>) -> Result<Prepared, Faults> {
        let scripts = scripts(&self.calculators, rule);
        let publish = publish.unwrap_or_else(|| now(self.time));
        Prepared::compile(rule, crowd, scripts, publish, &self.compiler)
    }
}

/// Parses a document; its crowd is returned apart, as the rest of the rule is small.
fn parse(document: &str) -> (Result<Rule, Faults>, Option<Described>) {
    let mut rule = Rule::parse(document);
    let crowd = rule.as_mut().ok().and_then(|rule| rule.crowd.take());
    (rule, crowd.map(Described::from))
}

/// The stored calculators that a rule names and that there are, by name.
pub fn scripts(calculators: &Calculators, rule: &Rule) -> BTreeMap<String, String> {
    let named = rule.conditions.iter().filter_map(|condition| match &condition.calculator {
        spec::Calculator::Named(name) => Some((name.clone(), calculators.script(name)?)),
        spec::Calculator::Own(_) => None,
    });
    named.collect()
}

/// The instant at which a rule published now counts as published, unix ms.
pub(super) fn now(time: Time) -> i64 {
    match time {
        Time::Replay { publish_at, .. } => publish_at,
        Time::Live { .. } => wall_clock(),
    }
}

#[cfg(test)]
mod tests {
    use operators::document::lifecycle::{Gap, Status};

    use super::*;

    fn request(rule_id: &str, document: &str) -> Request {
        let (rule_id, document) = (rule_id.to_owned(), document.into());
        let put = Put { rule_id, document, status: Status::Online, version: None, gap: Gap::Replay };
        Request { origin: String::new(), put, publish: None }
    }

    fn preparation() -> (Preparation, mpsc::Receiver<Vec<Outcome>>) {
        let preparer = Preparer {
            calculators: Calculators::default(),
            profiles: None,
            compiler: Compiler::default(),
            time: Time::Replay { publish_at: 0, epoch: 10 },
        };
        let (outcomes, from) = mpsc::channel();
        (Preparation::start(preparer, move |batch| drop(outcomes.send(batch))), from)
    }

    /// The documents of the batch in work that are still wanted.
    fn finish(preparation: &mut Preparation, outcomes: &mpsc::Receiver<Vec<Outcome>>) -> Vec<String> {
        preparation
            .finish(outcomes.recv().unwrap())
            .into_iter()
            .map(|outcome| outcome.put.document.to_string())
            .collect()
    }

    #[test]
    fn a_later_request_of_a_rule_supersedes_the_earlier_one_whether_it_waits_or_is_in_work() {
        let (mut preparation, outcomes) = preparation();
        assert!(preparation.is_idle());
        for (rule_id, document) in [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")] {
            preparation.request(request(rule_id, document));
        }
        preparation.begin();
        preparation.request(request("a", "5"));
        preparation.request(request("d", "6"));
        preparation.request(request("d", "7"));
        preparation.supersede("c");
        preparation.begin();
        assert!(!preparation.is_idle());
        assert_eq!(finish(&mut preparation, &outcomes), ["4"]);
        preparation.begin();
        assert_eq!(finish(&mut preparation, &outcomes), ["5", "7"]);
        assert!(preparation.is_idle());
    }

    #[test]
    fn a_request_that_is_superseded_while_it_waits_is_not_prepared() {
        let (mut preparation, _outcomes) = preparation();
        preparation.request(request("a", "1"));
        preparation.supersede("a");
        assert!(preparation.is_idle());
    }
}
