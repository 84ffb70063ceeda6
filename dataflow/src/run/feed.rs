//! The rules feed: from a source of documents to change sets. One thread, in the process of worker 0.
//!
//! It validates documents, works out crowds, gives versions and publish instants, and hands change sets to `control`,
//! one at a time; what changes meanwhile goes into the next. Rules whose calls fail beyond their budget are
//! quarantined: removed, and left out until their document changes.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::{
    filter::profile,
    model::field::Fields,
    ops::evaluating::RuleFailure,
    rule::{
        book::{ChangeSet, Published, RuleChange},
        compile::compile,
        crowd::Crowd,
        error::Faults,
        spec::{self, Rule},
    },
};
use serde_json::json;
use sources::{
    calculators::Calculators,
    profiles,
    rules::{Change, RuleSource, RunState, Status},
};

use super::{control::Effect, job::Time, meter::News};

/// More changes than this at once are logged together.
const LOGGED_EACH: usize = 8;
const POLL: Duration = Duration::from_millis(100);
const BUDGET_SPAN: Duration = Duration::from_secs(60);

/// What the feed works with.
pub struct Feed {
    /// Where documents come from.
    pub source: Box<dyn RuleSource>,
    /// Calculators that rules may name.
    pub calculators: Calculators,
    /// Profiles for crowd queries.
    pub profiles: Option<PathBuf>,
    /// When rules count as published.
    pub time: Time,
    /// Failing calls per minute that a rule is allowed.
    pub error_budget: u64,
    /// To `control`.
    pub changes: mpsc::SyncSender<ChangeSet>,
    /// From `control`.
    pub effects: mpsc::Receiver<Effect>,
    /// Where to say what happens.
    pub news: News,
}

/// A rule as the feed knows it.
struct Known {
    version: u64,
    publish: i64,
    document: String,
    state: Option<RunState>,
    failing: (Instant, u64),
}

/// Runs until `control` is gone.
pub fn run(mut feed: Feed) {
    let mut rules: HashMap<String, Known> = HashMap::new();
    let mut outbox: BTreeMap<String, RuleChange> = BTreeMap::new();
    let mut generation = 0;
    let mut in_flight: Option<(Vec<String>, Instant)> = None;
    let mut since = Instant::now();
    let mut polled = false;
    loop {
        match feed.source.poll() {
            Ok(changes) => {
                polled = true;
                if outbox.is_empty() {
                    since = Instant::now();
                }
                take_in(&mut feed, changes, &mut rules, &mut outbox);
            }
            Err(error) => feed.news.warn(&format!("rules can't be read: {error}")),
        }
        if in_flight.is_none() && polled && (generation == 0 || !outbox.is_empty()) {
            generation += 1;
            in_flight = Some((outbox.keys().cloned().collect(), since));
            let changes = std::mem::take(&mut outbox).into_values().collect();
            if feed.changes.send(ChangeSet { generation, changes }).is_err() {
                return;
            }
        }
        let deadline = Instant::now() + POLL;
        loop {
            match feed.effects.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Effect::InForce { epoch, rejected, .. }) => {
                    let (changed, since) = in_flight.take().unwrap_or_else(|| (Vec::new(), Instant::now()));
                    in_force(&mut feed, &changed, &rejected, epoch, since.elapsed(), &mut rules);
                }
                Ok(Effect::Failed(failure)) => failed(&mut feed, &failure, &mut rules, &mut outbox),
                Err(mpsc::RecvTimeoutError::Timeout) => break,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn take_in(
    feed: &mut Feed,
    changes: Vec<sources::rules::RuleChange>,
    rules: &mut HashMap<String, Known>,
    outbox: &mut BTreeMap<String, RuleChange>,
) {
    let mut puts = Vec::new();
    for change in changes {
        match change.change {
            Change::Unreadable { reason } => feed.news.rejected(&change.origin, &reason),
            Change::Remove | Change::Put { status: Status::Retired, .. } => {
                let Some(rule_id) = change.rule_id else { continue };
                if let Some(known) = rules.get_mut(&rule_id)
                    && !known.document.is_empty()
                {
                    known.document.clear();
                    outbox.insert(rule_id.clone(), RuleChange::Remove { rule_id });
                }
            }
            Change::Put { document, status, version } => {
                puts.push((change.origin, document, status, version))
            }
        }
    }
    let specs: Vec<_> = puts.iter().map(|(_, document, ..)| Rule::parse(document)).collect();
    let crowds = select(feed, &specs);
    for (((origin, document, status, version), spec), crowd) in puts.into_iter().zip(specs).zip(crowds) {
        let published = spec.and_then(|spec| publish(feed, spec, crowd, status, version, &document, rules));
        match published {
            Ok(published) => {
                outbox.insert(published.rule_id.clone(), RuleChange::Put(Box::new(published)));
            }
            Err(faults) => {
                for fault in &faults.0 {
                    feed.news.rejected(&origin, &fault.to_string());
                }
                if let Ok(rule) = Rule::parse(&document) {
                    status_of(
                        feed,
                        &rule.rule_id,
                        version.unwrap_or(0),
                        RunState::Rejected,
                        &faults.to_string(),
                    );
                }
            }
        }
    }
}

/// The crowds of all documents that have one; profile queries are answered in one pass.
fn select(feed: &Feed, specs: &[Result<Rule, Faults>]) -> Vec<Result<Option<Crowd>, Faults>> {
    let query = |spec: &Result<Rule, Faults>| match spec.as_ref().ok()?.crowd.as_ref()? {
        spec::Crowd::Profile(query) => Some(query.clone()),
        _ => None,
    };
    let queries: Vec<_> = specs.iter().filter_map(query).collect();
    let tests: Vec<_> = queries.iter().map(|q| move |p: &profiles::Profile| profile::holds(q, p)).collect();
    let tests: Vec<&dyn Fn(&profiles::Profile) -> bool> =
        tests.iter().map(|t| t as &dyn Fn(&profiles::Profile) -> bool).collect();
    let fault = |message: String| Err(Faults::one("crowd.profile", message));
    let mut selected = match &feed.profiles {
        _ if queries.is_empty() => Ok(Vec::new()),
        None => Err("a crowd query needs profiles: pass --profiles FILE.jsonl".to_owned()),
        Some(path) => profiles::select(path, &tests).map_err(|e| e.to_string()),
    }
    .map(|bitmaps| bitmaps.into_iter());
    let crowd = |spec: &Result<Rule, Faults>| match spec.as_ref().ok().and_then(|s| s.crowd.as_ref()) {
        None => Ok(None),
        Some(spec::Crowd::Guids(guids)) => Ok(Some(Crowd::new(guids.iter().copied().collect()))),
        Some(spec::Crowd::Bitmap(text)) => {
            Crowd::from_base64(text).map(Some).map_err(|e| Faults::one("crowd.bitmap", e))
        }
        Some(spec::Crowd::Profile(_)) => match &mut selected {
            Ok(bitmaps) => Ok(Some(Crowd::new(bitmaps.next().unwrap_or_default()))),
            Err(message) => fault(message.clone()),
        },
    };
    specs.iter().map(crowd).collect()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Validates a document and says how it is published.
fn publish(
    feed: &Feed,
    mut spec: Rule,
    crowd: Result<Option<Crowd>, Faults>,
    status: Status,
    version: Option<u64>,
    document: &str,
    rules: &mut HashMap<String, Known>,
) -> Result<Published, Faults> {
    let crowd = crowd?;
    let rule_id = spec.rule_id.clone();
    let known = rules.get(&rule_id);
    let publish = match (known.filter(|k| !k.document.is_empty()), feed.time) {
        (Some(known), _) => known.publish,
        (None, Time::Replay { publish_at }) => publish_at,
        (None, Time::Live { .. }) => now_ms(),
    };
    spec.crowd = None;
    let spec = Arc::new(spec);
    let scripts = scripts(&feed.calculators, &spec);
    compile(Arc::clone(&spec), publish, &mut Fields::default(), &scripts)?;
    let same = known.is_some_and(|k| k.document == document);
    let next = known.map_or(1, |k| if same { k.version } else { k.version + 1 });
    let version = version.unwrap_or(next);
    let failing = (Instant::now(), 0);
    rules.insert(
        rule_id.clone(),
        Known { version, publish, document: document.to_owned(), state: None, failing },
    );
    Ok(Published {
        rule_id,
        version,
        // What was parsed serializes again.
        document: serde_json::to_string(&*spec).unwrap_or_default(),
        crowd,
        publish,
        paused: status == Status::Paused,
        scripts,
    })
    .inspect(|p| {
        if let Some(known) = rules.get_mut(&p.rule_id) {
            known.state = Some(if p.paused { RunState::Paused } else { RunState::Live });
        }
    })
}

/// The stored scripts that a rule names.
pub fn scripts(calculators: &Calculators, spec: &Rule) -> BTreeMap<String, String> {
    let named = spec.conditions.iter().filter_map(|c| match &c.calculator {
        spec::Calculator::Named(name) => Some((name.clone(), calculators.script(name)?)),
        spec::Calculator::Own(_) => None,
    });
    named.collect()
}

fn in_force(
    feed: &mut Feed,
    changed: &[String],
    rejected: &[(String, String)],
    epoch: u64,
    took: Duration,
    rules: &mut HashMap<String, Known>,
) {
    let each = changed.len() <= LOGGED_EACH;
    if !each {
        tracing::info!(rules = changed.len(), epoch, took_ms = took.as_millis() as u64, "rules in force");
    }
    for rule_id in changed {
        let Some(known) = rules.get(rule_id) else { continue };
        if let Some((_, reason)) = rejected.iter().find(|(r, _)| r == rule_id) {
            feed.news.rejected(rule_id, reason);
            status_of(feed, rule_id, known.version, RunState::Rejected, reason);
            continue;
        }
        let state =
            known.state.filter(|_| !known.document.is_empty() || known.state == Some(RunState::Quarantined));
        let word = state.map_or("removed", RunState::as_str);
        let change = json!({
            "rule_id": rule_id, "version": known.version, "state": word, "epoch": epoch, "took_ms": took.as_millis() as u64,
        });
        feed.news.rule(&change, each);
        if let Some(state) = state
            && state != RunState::Quarantined
        {
            status_of(feed, rule_id, known.version, state, &format!("in force since epoch {epoch}"));
        }
    }
    feed.news.in_force(epoch);
}

fn failed(
    feed: &mut Feed,
    failure: &RuleFailure,
    rules: &mut HashMap<String, Known>,
    outbox: &mut BTreeMap<String, RuleChange>,
) {
    let Some(known) = rules.get_mut(&failure.rule_id) else { return };
    if known.failing.0.elapsed() > BUDGET_SPAN {
        known.failing = (Instant::now(), 0);
    }
    known.failing.1 += failure.count;
    if known.failing.1 <= feed.error_budget || known.state == Some(RunState::Quarantined) {
        return;
    }
    known.state = Some(RunState::Quarantined);
    let (version, rule_id) = (known.version, failure.rule_id.clone());
    let reason =
        format!("more than {} failing calls in a minute; the last: {}", feed.error_budget, failure.message);
    feed.news.quarantined(&rule_id, &reason);
    status_of(feed, &rule_id, version, RunState::Quarantined, &reason);
    outbox.insert(rule_id.clone(), RuleChange::Remove { rule_id });
}

fn status_of(feed: &mut Feed, rule_id: &str, version: u64, state: RunState, detail: &str) {
    if let Err(error) = feed.source.write_status(rule_id, version, state, detail) {
        feed.news.warn(&format!("the status of {rule_id} can't be written: {error}"));
    }
}
