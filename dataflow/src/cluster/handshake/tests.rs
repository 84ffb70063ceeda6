#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cluster::generation::ClusterGeneration;
use crate::cluster::membership::Transport;

fn member(process: usize, secret: &Secret) -> Membership {
    Membership {
        process,
        processes: 3,
        threads: 1,
        generation: ClusterGeneration(7),
        build: 0xb11d,
        secret: secret.clone(),
        transport: Transport::Unix(PathBuf::from("/nowhere")),
        form_within: Duration::from_secs(1),
    }
}

/// Runs all four messages; returns the conclusion of each side.
fn meet(
    dialer: &Membership,
    to: u32,
    listener: &Membership,
) -> (Result<(), HandshakeError>, Result<Claim, HandshakeError>) {
    let dialing = Dialing::new(dialer, to, 5, &[1; 32]);
    let (answering, answer) = Answering::new(listener, dialing.greeting(), &[2; 32]).unwrap();
    let proving = match dialing.prove(&dialer.secret, &answer) {
        Ok(proving) => proving,
        Err(error) => return (Err(error), Err(error)),
    };
    match answering.check(&listener.secret, &proving.proof) {
        Ok((claim, accept)) => (proving.confirm(&dialer.secret, &accept), Ok(claim)),
        Err(error) => (proving.verdict.map_err(Into::into), Err(error)),
    }
}

#[test]
fn peers_accept_each_other() {
    let secret = Secret::random().unwrap();
    let (dialer, listener) = meet(&member(2, &secret), 0, &member(0, &secret));
    dialer.unwrap();
    let claim = listener.unwrap();
    assert_eq!((claim.from, claim.to, claim.attempt), (2, 0, 5));
}

#[test]
fn both_sides_name_a_mismatch() {
    let secret = Secret::random().unwrap();
    let good = member(0, &secret);
    let change = |alter: fn(&mut Membership)| {
        let mut other = member(1, &secret);
        alter(&mut other);
        other
    };
    let check = |other: &Membership, to: u32, is_final: (bool, bool)| {
        let (dialer, listener) = meet(other, to, &good);
        let mismatch = |error| match error {
            HandshakeError::Mismatch(mismatch) => mismatch,
            error => panic!("not a mismatch: {error}"),
        };
        let (dialer, listener) = (mismatch(dialer.unwrap_err()), mismatch(listener.unwrap_err()));
        assert_eq!((dialer.is_final(), listener.is_final()), is_final, "{dialer}; {listener}");
    };
    check(&change(|other| other.build = 1), 0, (true, true));
    check(&change(|other| other.processes = 4), 0, (true, true));
    check(&change(|other| other.threads = 2), 0, (true, true));
    check(&change(|other| other.generation = ClusterGeneration(6)), 0, (true, false));
    check(&change(|other| other.generation = ClusterGeneration(8)), 0, (false, true));
    check(&change(|_| ()), 2, (true, true));
}

#[test]
fn a_process_of_lower_or_equal_number_is_not_awaited() {
    let secret = Secret::random().unwrap();
    for from in [0, 1] {
        let (_, listener) = meet(&member(from, &secret), 1, &member(1, &secret));
        assert!(matches!(listener, Err(HandshakeError::Mismatch(Mismatch::Order { .. }))), "{from}");
    }
}

#[test]
fn another_secret_is_not_authentic_and_shows_no_mismatch() {
    let (ours, theirs) = (Secret::random().unwrap(), Secret::random().unwrap());
    let mut other = member(1, &theirs);
    other.build = 1;
    let (dialer, _) = meet(&other, 0, &member(0, &ours));
    assert_eq!(dialer, Err(HandshakeError::NotAuthentic));
    let dialing = Dialing::new(&other, 0, 5, &[1; 32]);
    let (answering, _) = Answering::new(&member(0, &ours), dialing.greeting(), &[2; 32]).unwrap();
    assert_eq!(answering.check(&ours, &[0; 32]).unwrap_err(), HandshakeError::NotAuthentic);
}

#[test]
fn a_recorded_transcript_proves_nothing_again() {
    let secret = Secret::random().unwrap();
    let (dialer, listener) = (member(1, &secret), member(0, &secret));
    let dialing = Dialing::new(&dialer, 0, 5, &[1; 32]);
    let hello = *dialing.greeting();
    let (_, answer) = Answering::new(&listener, &hello, &[2; 32]).unwrap();
    let recorded = dialing.prove(&secret, &answer).unwrap().proof;
    let (again, _) = Answering::new(&listener, &hello, &[3; 32]).unwrap();
    assert_eq!(again.check(&secret, &recorded).unwrap_err(), HandshakeError::NotAuthentic);
    let fresh = Dialing::new(&dialer, 0, 6, &[4; 32]);
    assert!(matches!(fresh.prove(&secret, &answer), Err(HandshakeError::NotAuthentic)));
}

#[test]
fn a_proof_cannot_be_reflected_to_its_maker() {
    let secret = Secret::random().unwrap();
    let listener = member(0, &secret);
    let hello = *Dialing::new(&member(1, &secret), 0, 5, &[1; 32]).greeting();
    let (answering, answer) = Answering::new(&listener, &hello, &[2; 32]).unwrap();
    let mut own_proof = [0; PROOF_BYTES];
    own_proof.copy_from_slice(&answer[HELLO_BYTES..]);
    assert_eq!(answering.check(&secret, &own_proof).unwrap_err(), HandshakeError::NotAuthentic);
    let dialing = Dialing::new(&member(1, &secret), 0, 5, &[1; 32]);
    let mut echo = [0; ANSWER_BYTES];
    echo[..HELLO_BYTES].copy_from_slice(&dialing.greeting()[..HELLO_BYTES]);
    assert!(matches!(dialing.prove(&secret, &echo), Err(HandshakeError::NotAuthentic)));
}

#[test]
fn both_sides_have_the_same_fresh_keys_for_each_direction() {
    let secret = Secret::random().unwrap();
    let (dialer, listener) = (member(1, &secret), member(0, &secret));
    let keys = |nonce| {
        let dialing = Dialing::new(&dialer, 0, 5, &[1; 32]);
        let (answering, answer) = Answering::new(&listener, dialing.greeting(), &nonce).unwrap();
        let proving = dialing.prove(&secret, &answer).unwrap();
        [proving.keys(&secret), answering.keys(&secret)]
    };
    let [dialer, listener] = keys([2; 32]);
    assert_eq!((dialer.sending, dialer.receiving), (listener.receiving, listener.sending));
    let [another, _] = keys([3; 32]);
    let all = [dialer.sending, dialer.receiving, another.sending, another.receiving];
    assert!((0..4).all(|at| !all[..at].contains(&all[at])), "no key is used twice");
}

#[test]
fn the_hello_of_a_member_is_told_from_one_of_a_stranger() {
    let (ours, theirs) = (Secret::random().unwrap(), Secret::random().unwrap());
    let member_of = |secret: &Secret| {
        let dialing = Dialing::new(&member(1, secret), 0, 5, &[1; 32]);
        Answering::new(&member(0, &ours), dialing.greeting(), &[2; 32]).unwrap().0.member()
    };
    assert_eq!((member_of(&ours), member_of(&theirs)), (Some((1, 5)), None));
    // One that was overheard when an earlier generation formed.
    let former = Membership { generation: ClusterGeneration(6), ..member(1, &ours) };
    let dialing = Dialing::new(&former, 0, 5, &[1; 32]);
    assert_eq!(Answering::new(&member(0, &ours), dialing.greeting(), &[2; 32]).unwrap().0.member(), None);
}

proptest! {
    #[test]
    fn any_altered_bit_is_detected(bit in 0..(ANSWER_BYTES * 8), in_hello in any::<bool>()) {
        let secret = Secret::from_text("a secret of some length").unwrap();
        let (dialer, listener) = (member(1, &secret), member(0, &secret));
        let dialing = Dialing::new(&dialer, 0, 5, &[1; 32]);
        let mut hello = *dialing.greeting();
        if in_hello {
            hello[bit / 8 % HELLO_BYTES] ^= 1 << (bit % 8);
        }
        let Ok((_, mut answer)) = Answering::new(&listener, &hello, &[2; 32]) else { return Ok(()) };
        if !in_hello {
            answer[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assert!(dialing.prove(&secret, &answer).is_err());
    }

    #[test]
    fn garbage_is_refused(hello in proptest::collection::vec(any::<u8>(), GREETING_BYTES), proof in any::<[u8; 32]>(), ours in any::<bool>()) {
        let secret = Secret::from_text("a secret of some length").unwrap();
        let mut bytes = [0; GREETING_BYTES];
        bytes.copy_from_slice(&hello);
        if ours {
            bytes[..12].copy_from_slice(b"strateye\0\0\0\x02");
        }
        match Answering::new(&member(0, &secret), &bytes, &[2; 32]) {
            Ok((answering, _)) => prop_assert_eq!(answering.check(&secret, &proof).unwrap_err(), HandshakeError::NotAuthentic),
            Err(error) => {
                let known = matches!(error, HandshakeError::Stranger | HandshakeError::Version { .. });
                prop_assert!(known, "{}", error);
            }
        }
    }
}
