//! The rules feed: from a source of documents to change sets. One thread, in the process of worker 0.
//!
//! It validates documents, works out crowds, gives versions and publish instants, and hands change sets to `control`,
//! one at a time; what changes meanwhile goes into the next. Rules whose calls fail beyond their budget are quarantined:
//! removed, and left out until they change. Rules that fire far beyond what they used to are paused by the breaker.
//!
//! **Invariant**: a pause needs nothing but the rule in force. Neither profiles nor scripts are looked at, so that nothing can hold it
//! up or refuse it, and the rule goes on as the very same one afterwards. Even a document that is refused pauses its rule if it says so.
//!
//! After a restart the first change set holds the rules of the checkpoint, as they were. What the source no longer has of them
//! is then retired (`missing`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::{
    document::{
        fault::Faults,
        lifecycle::{Gap, RunState, Status},
        spec::{self, Rule},
    },
    model::{
        field::Fields,
        ids::{BookGeneration, Positions},
    },
    ops::evaluating::RuleFailure,
    rule::{
        book::{ChangeSet, Published, RuleChange},
        compile::compile,
        crowd::{Crowd, Departed},
        lineage::Lineage,
        remembered::Remembered,
    },
};
use sources::{
    calculators::Calculators,
    profiles::ProfileStore,
    rules::{Change, RuleSource},
};

use super::{breaker::Breaker, missing::Missing, rule_log::RuleLog};
use crate::protocol::{
    message::RuleInForce,
    rules::{Effect, Ordered},
    text::{REASON, cut},
    time::Time,
};

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
    pub profiles: Option<Box<dyn ProfileStore>>,
    /// When rules count as published.
    pub time: Time,
    /// Failing calls per minute that a rule is allowed.
    pub error_budget: u64,
    /// Which rules fire too much.
    pub breaker: Breaker,
    /// The rules of the checkpoint that is resumed.
    pub remembered: Vec<Remembered>,
    /// To `control`.
    pub changes: mpsc::SyncSender<Ordered>,
    /// From `control`.
    pub effects: mpsc::Receiver<Effect>,
    /// Records what becomes of rules.
    pub log: RuleLog,
}

/// A rule as the feed knows it, and what it need not know after a restart.
struct Known {
    rule: Remembered,
    failing: (Instant, u64),
}

impl Known {
    fn new(rule: Remembered) -> Self {
        Known { rule, failing: (Instant::now(), 0) }
    }

    fn state(&self) -> Option<RunState> {
        match &self.rule {
            Remembered { quarantined: Some(_), .. } => Some(RunState::Quarantined),
            Remembered { in_force: false, .. } => None,
            Remembered { published: Published { pause: Some(_), .. }, .. } => Some(RunState::Paused),
            _ => Some(RunState::Live),
        }
    }
}

/// Changes on their way.
#[derive(Default)]
struct Outbox {
    changes: BTreeMap<String, RuleChange>,
    /// Names of state that is no rule's any more.
    dropped: Vec<String>,
}

type Rules = HashMap<String, Known>;

/// Runs until `control` is gone.
pub fn run(mut feed: Feed) {
    let remembered = std::mem::take(&mut feed.remembered);
    let mut rules: Rules =
        remembered.into_iter().map(|r| (r.published.rule_id.clone(), Known::new(r))).collect();
    let remain = rules.values().filter(|k| !k.rule.document.is_empty());
    let mut missing = Missing::new(remain.map(|k| k.rule.published.rule_id.clone()));
    let mut outbox = Outbox::default();
    for known in rules.values().filter(|k| k.rule.in_force) {
        let published = Box::new(known.rule.published.clone());
        outbox.changes.insert(published.rule_id.clone(), RuleChange::Put(published));
    }
    let mut generation = BookGeneration::default();
    let mut in_flight: Option<(Vec<Standing>, Instant)> = None;
    let mut resumed = false;
    let mut since = Instant::now();
    let mut polled = false;
    if !outbox.changes.is_empty() {
        generation = generation.next();
        resumed = true;
        in_flight = Some((standing(&outbox, &rules), since));
        if feed.changes.send(ordered(generation, &mut outbox, &rules)).is_err() {
            return;
        }
    }
    loop {
        match feed.source.poll() {
            Ok(changes) => {
                if outbox.changes.is_empty() {
                    since = Instant::now();
                }
                missing.hear(&changes).iter().for_each(|gone| retire(gone, &mut rules, &mut outbox));
                take_in(&mut feed, changes, !polled, &mut rules, &mut outbox);
                polled = true;
            }
            Err(error) => feed.log.warn(&format!("rules can't be read: {error}")),
        }
        if in_flight.is_none()
            && polled
            && (generation == BookGeneration::default() || !outbox.changes.is_empty())
        {
            generation = generation.next();
            in_flight = Some((standing(&outbox, &rules), since));
            if feed.changes.send(ordered(generation, &mut outbox, &rules)).is_err() {
                return;
            }
        }
        let deadline = Instant::now() + POLL;
        loop {
            match feed.effects.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Effect::InForce { epoch, positions, rejected }) => {
                    let (changed, since) = in_flight.take().unwrap_or_else(|| (Vec::new(), Instant::now()));
                    let resumed = std::mem::take(&mut resumed);
                    let at = Place { epoch, positions, took: since.elapsed(), resumed };
                    in_force(&mut feed, &changed, &rejected, &at, &rules);
                }
                Ok(Effect::Failed(failure)) => failed(&mut feed, &failure, &mut rules, &mut outbox),
                Ok(Effect::Fired(counts)) => fired(&mut feed, &counts, &mut rules, &mut outbox),
                Err(mpsc::RecvTimeoutError::Timeout) => break,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// The changes so far as one set, with all that has to be remembered once it is in force.
fn ordered(generation: BookGeneration, outbox: &mut Outbox, rules: &Rules) -> Ordered {
    let Outbox { changes, dropped } = std::mem::take(outbox);
    let mut remembered: Vec<Remembered> = rules.values().map(|known| known.rule.clone()).collect();
    remembered.sort_by(|a, b| a.published.rule_id.cmp(&b.published.rule_id));
    Ordered {
        set: ChangeSet { generation, changes: changes.into_values().collect() },
        dropped,
        remembered: Arc::new(remembered),
    }
}

/// Takes a rule out of force, and its state with it. One that is quarantined is so no more. What remains is what it must not use twice.
fn remove(rule: &mut Remembered, outbox: &mut Outbox) {
    let rule_id = rule.published.rule_id.clone();
    if rule.in_force {
        outbox.dropped.extend(rule.published.lineage.names(&rule_id));
    }
    // A rule that was quarantined is no longer in force, but its state is still shown.
    if std::mem::take(&mut rule.in_force) | rule.quarantined.take().is_some() {
        outbox.changes.insert(rule_id.clone(), RuleChange::Remove { rule_id });
    }
    rule.forget();
}

fn retire(rule_id: &str, rules: &mut Rules, outbox: &mut Outbox) {
    let Some(Known { rule, .. }) = rules.get_mut(rule_id) else { return };
    rule.document.clear();
    remove(rule, outbox);
}

/// A document as a source put it.
struct Put {
    origin: String,
    rule_id: String,
    document: String,
    status: Status,
    version: Option<u64>,
    gap: Gap,
}

fn take_in(
    feed: &mut Feed,
    changes: Vec<sources::rules::RuleChange>,
    first: bool,
    rules: &mut Rules,
    outbox: &mut Outbox,
) {
    let mut puts = Vec::new();
    for change in changes {
        match (change.change, change.rule_id) {
            (Change::Unreadable { reason }, _) => feed.log.rejected(&change.origin, &reason),
            (Change::Remove | Change::Put { status: Status::Retired, .. }, Some(rule_id)) => {
                retire(&rule_id, rules, outbox);
            }
            (Change::Put { document, status, version, gap }, Some(rule_id)) => {
                puts.push(Put { origin: change.origin, rule_id, document, status, version, gap });
            }
            // It never was a rule.
            (Change::Remove | Change::Put { .. }, None) => {}
        }
    }
    puts.retain(|put| !take_known(put, first, rules, outbox));
    let specs: Vec<_> = puts.iter().map(|put| Rule::parse(&put.document)).collect();
    let crowds = select(feed, &specs);
    for ((put, spec), crowd) in puts.into_iter().zip(specs).zip(crowds) {
        let published = spec.and_then(|spec| publish(feed, spec, crowd, &put, rules, outbox));
        match published {
            Ok(published) => {
                outbox.changes.insert(published.rule_id.clone(), RuleChange::Put(Box::new(published)));
            }
            Err(faults) => refuse(feed, &put, &faults, rules, outbox),
        }
    }
}

/// Takes a put of the document that is in force already: nothing comes of it but a pause, or the end of one. False if it is of another.
/// What was stopped for its own faults stays so over a restart: the `first` thing a source says is nothing new.
fn take_known(put: &Put, first: bool, rules: &mut Rules, outbox: &mut Outbox) -> bool {
    let Some(Known { rule, .. }) = rules.get_mut(&put.rule_id) else { return false };
    if rule.document != put.document || version(Some(rule), put) != rule.published.version {
        return false;
    }
    if first && (rule.quarantined.is_some() || rule.broken.is_some()) {
        return true;
    }
    if rule.in_force && rule.published.pause.is_some() != (put.status == Status::Paused) {
        switch(rule, put.status, put.gap, outbox);
    }
    rule.in_force
}

/// Pauses or resumes a rule that is in force, and leaves it as it is otherwise.
fn switch(rule: &mut Remembered, status: Status, gap: Gap, outbox: &mut Outbox) {
    let (pause, pauses, skipped) = pauses(Some(rule), status, gap);
    (rule.published.pause, rule.published.skipped) = (pause, skipped);
    (rule.pauses, rule.broken) = (pauses, None);
    let published = Box::new(rule.published.clone());
    outbox.changes.insert(published.rule_id.clone(), RuleChange::Put(published));
}

/// What was in force stays so, but for a pause: whoever stops a rule means the one that runs.
fn refuse(feed: &mut Feed, put: &Put, faults: &Faults, rules: &mut Rules, outbox: &mut Outbox) {
    for fault in &faults.0 {
        feed.log.rejected(&put.origin, &fault.to_string());
    }
    let version = put.version.unwrap_or(0);
    status_of(feed, &put.rule_id, version, RunState::Rejected, &faults.to_string());
    if let Some(Known { rule, .. }) = rules.get_mut(&put.rule_id)
        && put.status == Status::Paused
        && rule.in_force
        && rule.published.pause.is_none()
    {
        switch(rule, put.status, put.gap, outbox);
    }
}

/// The crowds of all documents that have one; profile queries are answered in one pass.
fn select(feed: &mut Feed, specs: &[Result<Rule, Faults>]) -> Vec<Result<Option<Crowd>, Faults>> {
    let query = |spec: &Result<Rule, Faults>| match spec.as_ref().ok()?.crowd.as_ref()? {
        spec::Crowd::Profile(query) => Some(query.clone()),
        _ => None,
    };
    let queries: Vec<_> = specs.iter().filter_map(query).collect();
    let fault = |message: String| Err(Faults::one("crowd.profile", message));
    let mut selected = match &mut feed.profiles {
        _ if queries.is_empty() => Ok(Vec::new()),
        None => Err("a crowd query needs profiles: pass --profiles FILE.jsonl".to_owned()),
        Some(profiles) => profiles.select(&queries).map_err(|e| e.to_string()),
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

fn now_ms(time: Time) -> i64 {
    match time {
        Time::Replay { publish_at } => publish_at,
        Time::Live { .. } => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
    }
}

/// Validates a document and says how it is published.
fn publish(
    feed: &Feed,
    mut spec: Rule,
    crowd: Result<Option<Crowd>, Faults>,
    put: &Put,
    rules: &mut Rules,
    outbox: &mut Outbox,
) -> Result<Published, Faults> {
    let crowd = crowd?;
    let rule_id = spec.rule_id.clone();
    let former = rules.get(&rule_id).map(|k| &k.rule);
    let now = now_ms(feed.time);
    let publish = former.filter(|f| !f.document.is_empty()).map_or(now, |f| f.published.publish);
    spec.crowd = None;
    let spec = Arc::new(spec);
    let scripts = scripts(&feed.calculators, &spec);
    let plan = compile(Arc::clone(&spec), publish, &mut Fields::default(), &scripts)?;
    let version = version(former, put);
    let live = former.filter(|f| f.in_force);
    let lineage = match (live, former) {
        (Some(live), _) => {
            let edited = live.document != put.document || live.published.crowd != crowd;
            live.published.next_lineage(&plan, version, edited)
        }
        (None, Some(former)) => former.published.lineage.anew(&plan, version),
        (None, None) => Lineage::first(&plan, version),
    };
    let departed = match live {
        Some(live) if plan.guid_in_key().is_some() && live.published.crowd != crowd => {
            let Published { crowd: before, departed, .. } = &live.published;
            Departed::after(departed, before.as_ref(), crowd.as_ref(), now)
        }
        Some(live) => live.published.departed.clone(),
        None => Vec::new(),
    };
    let (pause, pauses, skipped) = pauses(live, put.status, put.gap);
    let kept: BTreeSet<String> = lineage.names(&rule_id).into_iter().collect();
    let before = live.map(|live| live.published.lineage.names(&rule_id)).unwrap_or_default();
    outbox.dropped.extend(before.into_iter().filter(|name| !kept.contains(name)));
    let published = Published {
        rule_id: rule_id.clone(),
        version,
        // What was parsed serializes again.
        document: serde_json::to_string(&*spec).unwrap_or_default(),
        crowd,
        publish,
        pause,
        skipped,
        lineage,
        departed,
        scripts,
    };
    let rule = Remembered {
        published: published.clone(),
        document: put.document.clone(),
        in_force: true,
        quarantined: None,
        broken: None,
        pauses,
    };
    rules.insert(rule_id, Known::new(rule));
    Ok(published)
}

/// The version of a put: the store's own, unless it names another document already.
fn version(former: Option<&Remembered>, put: &Put) -> u64 {
    let given = put.version.unwrap_or(0);
    match former {
        None => given.max(1),
        Some(f) if f.document == put.document => given.max(f.published.version),
        Some(f) if f.document.is_empty() && given > 0 => given,
        Some(f) if given > f.published.version => given,
        Some(f) => f.published.version + 1,
    }
}

/// Which pause the rule is in once it has that status, how many it has had, and which of them do not count.
fn pauses(live: Option<&Remembered>, status: Status, gap: Gap) -> (Option<u64>, u64, BTreeSet<u64>) {
    let (was, had, mut skipped) = live
        .map_or((None, 0, BTreeSet::new()), |l| (l.published.pause, l.pauses, l.published.skipped.clone()));
    match (was, status == Status::Paused) {
        (Some(pause), true) => (Some(pause), had, skipped),
        (None, true) => (Some(had + 1), had + 1, skipped),
        (Some(pause), false) => {
            skipped.extend((gap == Gap::Skip).then_some(pause));
            (None, had, skipped)
        }
        (None, false) => (None, had, skipped),
    }
}

/// The stored scripts that a rule names.
pub fn scripts(calculators: &Calculators, spec: &Rule) -> BTreeMap<String, String> {
    let named = spec.conditions.iter().filter_map(|c| match &c.calculator {
        spec::Calculator::Named(name) => Some((name.clone(), calculators.script(name)?)),
        spec::Calculator::Own(_) => None,
    });
    named.collect()
}

/// How a rule stands with a change set, whatever becomes of it before that is in force.
struct Standing {
    rule_id: String,
    version: u64,
    state: Option<RunState>,
    broken: Option<String>,
}

/// How the rules that are about to change will stand.
fn standing(outbox: &Outbox, rules: &Rules) -> Vec<Standing> {
    let known = outbox.changes.keys().filter_map(|rule_id| rules.get(rule_id));
    known
        .map(|known| Standing {
            rule_id: known.rule.published.rule_id.clone(),
            version: known.rule.published.version,
            state: known.state(),
            broken: known.rule.broken.clone(),
        })
        .collect()
}

/// Where a change took force: the first epoch and the first offsets that it holds for; and how long that took.
struct Place {
    epoch: u64,
    positions: Positions,
    took: Duration,
    /// Nothing changed: the rules of the checkpoint are in force again.
    resumed: bool,
}

fn in_force(feed: &mut Feed, changed: &[Standing], rejected: &[(String, String)], at: &Place, rules: &Rules) {
    let (epoch, took) = (at.epoch, at.took);
    let each = changed.len() <= LOGGED_EACH;
    if !each {
        tracing::info!(rules = changed.len(), epoch, took_ms = took.as_millis() as u64, "rules in force");
    }
    for Standing { rule_id, version, state, broken } in changed {
        let (version, state) = (*version, *state);
        if let Some((_, reason)) = rejected.iter().find(|(r, _)| r == rule_id) {
            feed.log.rejected(rule_id, reason);
            status_of(feed, rule_id, version, RunState::Rejected, reason);
            continue;
        }
        let change = RuleInForce {
            rule_id: rule_id.clone(),
            version,
            state: state.map_or("removed", RunState::as_str).to_owned(),
            epoch,
            took_ms: took.as_millis() as u64,
            resumed: at.resumed,
            live_cut: (!at.resumed).then(|| at.positions.as_map().clone()),
        };
        feed.log.rule(change, each);
        if let Some(state) = state.filter(|_| !at.resumed)
            && state != RunState::Quarantined
        {
            // Why the breaker paused it is what people have to read.
            let broken = broken.clone().filter(|_| state == RunState::Paused);
            let detail = broken.unwrap_or_else(|| format!("in force since epoch {epoch}"));
            status_of(feed, rule_id, version, state, &detail);
            if let Err(error) = feed.source.write_live_cut(rule_id, version, &at.positions) {
                feed.log.warn(&format!("where {rule_id} took force can't be written: {error}"));
            }
        }
    }
    let standing = rules.values().filter_map(|known| {
        Some((known.rule.published.rule_id.as_str(), known.rule.published.version, known.state()?.as_str()))
    });
    feed.log.rules.note_all(standing);
    feed.log.in_force(epoch);
}

fn failed(feed: &mut Feed, failure: &RuleFailure, rules: &mut Rules, outbox: &mut Outbox) {
    let Some(known) = rules.get_mut(&failure.rule_id) else { return };
    if known.failing.0.elapsed() > BUDGET_SPAN {
        known.failing = (Instant::now(), 0);
    }
    known.failing.1 += failure.count;
    if known.failing.1 <= feed.error_budget || !known.rule.in_force {
        return;
    }
    let (version, rule_id) = (known.rule.published.version, failure.rule_id.clone());
    let reason =
        format!("more than {} failing calls in a minute; the last: {}", feed.error_budget, failure.message);
    remove(&mut known.rule, outbox);
    known.rule.quarantined = Some(reason.clone());
    feed.log.quarantined(&rule_id, &reason);
    status_of(feed, &rule_id, version, RunState::Quarantined, &reason);
}

/// Pauses rules that fire far more than they used to.
fn fired(feed: &mut Feed, counts: &[(String, u64)], rules: &mut Rules, outbox: &mut Outbox) {
    let now = Instant::now();
    for (rule_id, count) in counts {
        let Some(reason) = feed.breaker.count(rule_id, *count, now) else { continue };
        let Some(known) = rules.get_mut(rule_id).filter(|k| k.rule.in_force) else { continue };
        let rule = &mut known.rule;
        if rule.published.pause.is_some() {
            continue;
        }
        switch(rule, Status::Paused, Gap::Replay, outbox);
        rule.broken = Some(reason.clone());
        let version = rule.published.version;
        feed.log.broken(rule_id, &reason);
        status_of(feed, rule_id, version, RunState::Paused, &reason);
    }
}

fn status_of(feed: &mut Feed, rule_id: &str, version: u64, state: RunState, detail: &str) {
    if let Err(error) = feed.source.write_status(rule_id, version, state, &cut(detail, REASON)) {
        feed.log.warn(&format!("the status of {rule_id} can't be written: {error}"));
    }
}

#[cfg(test)]
mod tests;
