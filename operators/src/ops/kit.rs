//! Building blocks of the operators: outputs, frontiers, and capabilities for the last epoch announced.
//!
//! An operator that emits on its own (a source, a reader of stored state, a reporter) holds a [`HeldEpoch`]:
//!
//! ```
//! use strateye_operators::{
//!     model::epoch::Epoch,
//!     ops::kit::{self, Frontier, HeldEpoch},
//! };
//! use timely::dataflow::{
//!     channels::pact::Pipeline,
//!     operators::{Capture, ToStream, capture::Extract, generic::builder_rc::OperatorBuilder},
//! };
//!
//! let captured = timely::execute_directly(|worker| {
//!     worker.dataflow::<Epoch, _, _>(|scope| {
//!         let announced = vec![Epoch(1), Epoch(2)].to_stream(scope);
//!         let mut builder = OperatorBuilder::new("echo".to_owned(), scope);
//!         let mut announced = builder.new_input(announced, Pipeline);
//!         let (mut output, echoes) = kit::output::<Vec<u64>>(&mut builder);
//!         builder.build(move |initial| {
//!             let mut held = HeldEpoch::<1>::new(initial);
//!             move |frontiers| {
//!                 announced.for_each(|_, epochs: &mut Vec<Epoch>| {
//!                     for epoch in epochs.drain(..) {
//!                         held.advance(epoch);
//!                         if let Some([at]) = held.capabilities() {
//!                             output.activate().session(at).give(10 * epoch.0);
//!                         }
//!                     }
//!                 });
//!                 held.release_if(Frontier::from(&frontiers[0]).has_ended());
//!             }
//!         });
//!         echoes.capture()
//!     })
//! });
//! assert_eq!(captured.extract(), [(Epoch(1), vec![10]), (Epoch(2), vec![20])]);
//! ```

use timely::{
    Container,
    container::CapacityContainerBuilder,
    dataflow::{
        Stream,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    progress::{Antichain, frontier::MutableAntichain},
};

use crate::model::epoch::Epoch;

/// Output of an operator that fills containers `C` and sends them when they are full or the session ends.
pub type Output<C> = OutputBuilder<Epoch, CapacityContainerBuilder<C>>;

/// Adds an output whose messages may follow from every input the operator has so far.
pub fn output<'s, C: Container>(
    builder: &mut OperatorBuilder<'s, Epoch>,
) -> (Output<C>, Stream<'s, Epoch, C>) {
    let inputs: Vec<usize> = (0..builder.shape().inputs()).collect();
    output_from(builder, &inputs)
}

/// Adds an output whose messages follow from these inputs only: other inputs do not hold back its frontier.
///
/// The operator must not send to it with a capability retained from a message of another input.
pub fn output_from<'s, C: Container>(
    builder: &mut OperatorBuilder<'s, Epoch>,
    inputs: &[usize],
) -> (Output<C>, Stream<'s, Epoch, C>) {
    let connection = inputs.iter().map(|input| (*input, Antichain::from_elem(())));
    let (output, stream) = builder.new_output_connection(connection);
    (OutputBuilder::from(output), stream)
}

/// Frontier of an input: the lowest epoch of which messages may still arrive, or the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    lowest: Option<Epoch>,
}

impl Frontier {
    /// Frontier of an input that will deliver nothing more.
    pub const ENDED: Frontier = Frontier { lowest: None };

    /// Frontier of an input that may still deliver messages of `epoch` and later.
    pub fn at(epoch: Epoch) -> Self {
        Frontier { lowest: Some(epoch) }
    }

    /// Whether every message of epochs below `epoch` has arrived.
    pub fn has_reached(self, epoch: Epoch) -> bool {
        self.lowest.is_none_or(|lowest| lowest >= epoch)
    }

    /// Whether every message of epochs up to and including `epoch` has arrived.
    pub fn has_passed(self, epoch: Epoch) -> bool {
        self.lowest.is_none_or(|lowest| lowest > epoch)
    }

    /// Whether the input has ended.
    pub fn has_ended(self) -> bool {
        self.lowest.is_none()
    }

    /// The frontier that is furthest behind; the end if there are no inputs.
    pub fn slowest(frontiers: &[MutableAntichain<Epoch>]) -> Self {
        Frontier { lowest: frontiers.iter().filter_map(|f| Frontier::from(f).lowest).min() }
    }
}

impl From<&MutableAntichain<Epoch>> for Frontier {
    fn from(frontier: &MutableAntichain<Epoch>) -> Self {
        Frontier { lowest: frontier.frontier().first().copied() }
    }
}

/// Capabilities of an operator's outputs at the last epoch announced, one per output in the order they were
/// added.
///
/// **Invariants**: until it is released, the frontiers of the outputs stay at the epoch; the epoch never goes
/// back.
#[derive(Debug)]
pub struct HeldEpoch<const OUTPUTS: usize> {
    held: Option<[Capability<Epoch>; OUTPUTS]>,
}

impl<const OUTPUTS: usize> HeldEpoch<OUTPUTS> {
    /// Holds an operator's initial capabilities; holds nothing if the operator has not `OUTPUTS` outputs.
    pub fn new(initial: Vec<Capability<Epoch>>) -> Self {
        debug_assert_eq!(initial.len(), OUTPUTS, "one capability per output");
        HeldEpoch { held: initial.try_into().ok() }
    }

    /// Moves on to `epoch`; no effect if the epoch held is later, or after [`release`](Self::release).
    pub fn advance(&mut self, epoch: Epoch) {
        for capability in self.held.iter_mut().flatten() {
            if epoch > *capability.time() {
                capability.downgrade(&epoch);
            }
        }
    }

    /// Gives up the capabilities for good.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// [Releases](Self::release) if `over`.
    pub fn release_if(&mut self, over: bool) {
        if over {
            self.release();
        }
    }

    /// The capabilities; `None` once they are released.
    pub fn capabilities(&self) -> Option<&[Capability<Epoch>; OUTPUTS]> {
        self.held.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use timely::dataflow::{
        channels::pact::Pipeline,
        operators::{Input, Probe},
    };

    use super::*;

    #[test]
    fn reached_is_before_passed() {
        let frontier = Frontier::from(&MutableAntichain::from_elem(Epoch(3)));
        assert_eq!(frontier, Frontier::at(Epoch(3)));
        let of = |epoch| (frontier.has_reached(Epoch(epoch)), frontier.has_passed(Epoch(epoch)));
        assert_eq!([of(2), of(3), of(4)], [(true, true), (true, false), (false, false)]);
    }

    #[test]
    fn an_ended_input_has_passed_everything_and_holds_back_nothing() {
        let ended = MutableAntichain::new();
        assert_eq!(Frontier::from(&ended), Frontier::ENDED);
        assert!(Frontier::ENDED.has_ended() && Frontier::ENDED.has_passed(Epoch::MAX));
        let at = |epoch| MutableAntichain::from_elem(Epoch(epoch));
        assert_eq!(Frontier::slowest(&[at(4), ended, at(2)]), Frontier::at(Epoch(2)));
    }

    /// Runs an operator that advances a [`HeldEpoch`] to each number it receives, and releases it at 0;
    /// returns the frontier of its output after each of `numbers`, all of which are sent at time 9, `None`
    /// when it is empty.
    fn frontiers(numbers: &[u64], connected: bool) -> Vec<Option<u64>> {
        let numbers: Vec<Epoch> = numbers.iter().map(|number| Epoch(*number)).collect();
        timely::execute_directly(move |worker| {
            let (mut input, probe) = worker.dataflow::<Epoch, _, _>(|scope| {
                let (input, epochs) = scope.new_input::<Vec<Epoch>>();
                let mut builder = OperatorBuilder::new("held".to_owned(), scope);
                let mut epochs = builder.new_input(epochs, Pipeline);
                let (_output, stream) = match connected {
                    true => output::<Vec<()>>(&mut builder),
                    false => output_from::<Vec<()>>(&mut builder, &[]),
                };
                builder.build(move |initial| {
                    let mut held = HeldEpoch::<1>::new(initial);
                    move |frontiers| {
                        epochs.for_each(|_, epochs| {
                            for epoch in epochs.drain(..) {
                                held.advance(epoch);
                                held.release_if(epoch == Epoch(0));
                            }
                        });
                        held.release_if(Frontier::from(&frontiers[0]).has_ended());
                    }
                });
                (input, stream.probe().0)
            });
            input.advance_to(Epoch(9));
            let frontier = |number: Epoch| {
                input.send(number);
                input.flush();
                for _ in 0..10 {
                    worker.step();
                }
                probe.with_frontier(|frontier| frontier.first().map(|epoch| epoch.0))
            };
            numbers.into_iter().map(frontier).collect()
        })
    }

    #[test]
    fn the_frontier_stays_at_the_last_epoch_and_never_goes_back() {
        assert_eq!(frontiers(&[4, 5, 3], false), [Some(4), Some(5), Some(5)]);
    }

    #[test]
    fn a_released_epoch_holds_nothing_back() {
        assert_eq!(frontiers(&[4, 0, 5], false), [Some(4), None, None]);
    }

    #[test]
    fn an_output_of_an_input_has_its_frontier_at_most() {
        assert_eq!(frontiers(&[4, 12, 0], true), [Some(4), Some(9), Some(9)]);
    }
}
