//! The transactional sinks of a job, each with the triggers that it takes.
//!
//! A trigger that is too large for its sink is left out and logged: it would be too large again on every
//! retry. With it go all triggers of the batch that are at least as large.

use operators::model::{ids::CheckpointNumber, trigger::Fired};
use sinks::{TransactionError, TransactionalSink, Trigger};

/// The trigger as a sink takes it; `None` if the sink does not take it.
type Select = dyn Fn(&Fired) -> Option<Trigger> + Send;

/// A transactional sink and its selection of triggers.
pub struct SelectingSink {
    /// Its selection.
    pub select: Box<Select>,
    /// The sink.
    pub sink: Box<dyn TransactionalSink>,
}

/// Numbers that the sinks have published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublishedNumbers {
    /// Last number that all sinks have published; 0 if one has published none.
    pub(super) by_all: CheckpointNumber,
    /// Highest number that any sink has published; 0 for none.
    pub(super) by_any: CheckpointNumber,
}

/// All transactional sinks of a job.
pub(super) struct TransactionalSinks(pub(super) Vec<SelectingSink>);

impl TransactionalSinks {
    /// Reads the numbers published so far; blocks.
    pub(super) fn published(&self) -> Result<PublishedNumbers, TransactionError> {
        let last = |sink: &SelectingSink| Ok(sink.sink.last_published()?.unwrap_or_default());
        let numbers = self.0.iter().map(last).collect::<Result<Vec<CheckpointNumber>, TransactionError>>()?;
        Ok(PublishedNumbers {
            by_all: numbers.iter().copied().min().unwrap_or_default(),
            by_any: numbers.iter().copied().max().unwrap_or_default(),
        })
    }

    /// Publishes a checkpoint at every sink that has not published it yet; blocks.
    ///
    /// # Errors
    /// The first sink's that fails. Sinks before it have published the checkpoint.
    pub(super) fn publish(
        &mut self,
        number: CheckpointNumber,
        fired: &[Fired],
    ) -> Result<(), TransactionError> {
        for SelectingSink { select, sink } in &mut self.0 {
            if sink.last_published()?.is_some_and(|last| last >= number) {
                continue;
            }
            let mut batch: Vec<Trigger> = fired.iter().filter_map(select).collect();
            while let Err(error) = sink.publish(number, &batch) {
                let TransactionError::TooLarge { trigger: large, .. } = &error else { return Err(error) };
                let left_out = leave_out(&mut batch, large);
                tracing::error!(%error, left_out, "triggers are dropped");
            }
        }
        Ok(())
    }
}

/// Removes all triggers that are at least as large as `large`, and returns their number.
fn leave_out(batch: &mut Vec<Trigger>, large: &Trigger) -> usize {
    let size = |trigger: &Trigger| trigger.id.len() + trigger.key.len() + trigger.line.len();
    let before = batch.len();
    batch.retain(|trigger| size(trigger) < size(large));
    before - batch.len()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Receiver in memory that takes lines of up to two bytes.
    #[derive(Clone, Default)]
    struct Receiver(Arc<Mutex<(Option<CheckpointNumber>, Vec<String>)>>);

    impl TransactionalSink for Receiver {
        fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError> {
            Ok(self.0.lock().unwrap().0)
        }

        fn publish(&mut self, number: CheckpointNumber, batch: &[Trigger]) -> Result<(), TransactionError> {
            if let Some(large) = batch.iter().find(|trigger| trigger.line.len() > 2) {
                let (trigger, cause) = (Box::new(large.clone()), "too large".into());
                return Err(TransactionError::TooLarge { trigger, cause });
            }
            let mut received = self.0.lock().unwrap();
            received.0 = Some(number);
            received.1.extend(batch.iter().map(|trigger| trigger.line.clone()));
            Ok(())
        }
    }

    fn fired(line: &str) -> Fired {
        Fired {
            trigger_id: "t".into(),
            rule_id: "r".into(),
            name: String::new(),
            key: "1".into(),
            channel: None,
            held_out: false,
            seen: 0,
            line: line.into(),
        }
    }

    /// A sink that takes lines beginning with `first`.
    fn selecting(receiver: &Receiver, first: char) -> SelectingSink {
        let select = move |fired: &Fired| {
            let (id, key, line) = (fired.trigger_id.clone(), fired.key.clone(), fired.line.clone());
            line.starts_with(first).then_some(Trigger { id, key, line, expires: None })
        };
        SelectingSink { select: Box::new(select), sink: Box::new(receiver.clone()) }
    }

    fn numbers(by_all: u64, by_any: u64) -> PublishedNumbers {
        PublishedNumbers { by_all: CheckpointNumber(by_all), by_any: CheckpointNumber(by_any) }
    }

    fn lines(receiver: &Receiver) -> Vec<String> {
        receiver.0.lock().unwrap().1.clone()
    }

    #[test]
    fn every_sink_gets_its_triggers_once_and_none_that_is_too_large() {
        let (a, b) = (Receiver::default(), Receiver::default());
        let mut sinks = TransactionalSinks(vec![selecting(&a, 'a'), selecting(&b, 'b')]);
        assert_eq!(sinks.published().unwrap(), numbers(0, 0));
        sinks.publish(CheckpointNumber(4), &["a1", "b1", "a22", "a2", "a333"].map(fired)).unwrap();
        assert_eq!((lines(&a), lines(&b)), (vec!["a1".into(), "a2".into()], vec!["b1".to_owned()]));
        // The process ended between the two sinks.
        a.0.lock().unwrap().0 = Some(CheckpointNumber(5));
        assert_eq!(sinks.published().unwrap(), numbers(4, 5));
        sinks.publish(CheckpointNumber(5), &["a3", "b2"].map(fired)).unwrap();
        assert_eq!((lines(&a).len(), lines(&b)), (2, vec!["b1".into(), "b2".to_owned()]));
    }

    #[test]
    fn other_errors_are_returned() {
        struct Fenced;
        impl TransactionalSink for Fenced {
            fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError> {
                Ok(Some(CheckpointNumber(1)))
            }

            fn publish(&mut self, _: CheckpointNumber, _: &[Trigger]) -> Result<(), TransactionError> {
                Err(TransactionError::Fenced("another engine".into()))
            }
        }
        let select = Box::new(|_: &Fired| None);
        let mut sinks = TransactionalSinks(vec![SelectingSink { select, sink: Box::new(Fenced) }]);
        assert!(sinks.publish(CheckpointNumber(1), &[]).is_ok(), "published before");
        assert!(matches!(sinks.publish(CheckpointNumber(2), &[]), Err(TransactionError::Fenced(_))));
    }
}
