//! Two engines for one prefix: the second is refused while the first lives; a first one that wakes up after
//! its successor has started ends and has changed nothing.

use redis::cmd;
use rustix::process::Signal;
use strateye_tests::command::children;

use crate::{
    engine::{Engine, Services, signal},
    waiting::{begin, checkpoint, checkpoints, ends_as_expected, send_for_checkpoints},
};

/// Owner of the checkpoints, and generation of the last commit.
fn owner(engine: &Engine) -> (String, u64) {
    let key = format!("{}:committed", engine.name);
    engine.ask(cmd("HMGET").arg(key).arg(&["owner", "committed_by"])).unwrap()
}

#[test]
fn a_second_engine_is_refused_while_the_first_lives() {
    let (mut engine, mut load) = begin(Services::shared(), 2);
    send_for_checkpoints(&engine, &mut load, 2);
    let first = engine.let_go();
    let (processes, before) = (children(first.pid()), owner(&engine));
    engine.start(1);
    let second = engine.let_go().wait();
    assert_eq!(second.code, Some(1), "{}", second.all());
    let all = second.all();
    assert!(all.contains("another engine, ") && all.contains("stop it, or choose another prefix"), "{all}");
    send_for_checkpoints(&engine, &mut load, 2);
    assert_eq!(owner(&engine), before);
    assert_eq!(children(first.pid()), processes, "the first continues undisturbed");
    engine.take_up(first);
    ends_as_expected(&mut engine, &mut load);
}

#[test]
fn an_engine_that_wakes_up_after_its_successor_ends_and_changes_nothing() {
    let (mut engine, mut load) = begin(Services::shared(), 2);
    send_for_checkpoints(&engine, &mut load, 2);
    let mut zombie = engine.let_go();
    let processes = children(zombie.pid());
    // The supervisor first, so that it does not see its children hang.
    signal(zombie.pid(), Signal::STOP);
    processes.iter().for_each(|pid| signal(*pid, Signal::STOP));
    let asleep = checkpoint(&engine);
    engine.start(2);
    engine.log_until("waiting for another engine's lease to end");
    send_for_checkpoints(&engine, &mut load, 3);
    let (successor, by) = owner(&engine);
    processes.iter().for_each(|pid| signal(*pid, Signal::CONT));
    zombie.log_until("that it is fenced", |line| {
        line.contains("does not own the checkpoints any more").then_some(())
    });
    signal(zombie.pid(), Signal::CONT);
    send_for_checkpoints(&engine, &mut load, 2);
    let ended = zombie.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(ended.all().contains("another engine, "), "{}", ended.all());
    assert_eq!(owner(&engine), (successor, by));
    checkpoints(&engine, 1);
    assert!(checkpoint(&engine) > asleep);
    ends_as_expected(&mut engine, &mut load);
}
