//! Passwords come from files and the environment, and files with personal data are private.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use strateye_tests::command::{Running, finish};

use crate::{
    live::{FENCE, Live, fence},
    scene::Scene,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// All files in a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

const SETTINGS: &str = "rules = 'env:RULES'\nstate = 'file:place'\nprocesses = 2\ndead_letters = 'refused.jsonl'\n\
    [[sinks]]\nlines = 'stdout'\n[[sinks]]\nlines = { file = 'triggers.jsonl' }\n\
    [[sinks]]\nchannels = ['none']\n[sinks.webhook]\nurl = 'env:HOOK'\ndead_letters = 'dead.jsonl'\n";

#[test]
fn passwords_come_from_elsewhere_and_files_are_private() {
    let scene = Scene::new();
    scene.put(&fence());
    scene.write("strateye.toml", SETTINGS);
    scene.write("place", "state.db\n");
    fs::create_dir(scene.path("tmp")).unwrap();
    let mut command = scene.command(&["run", "--config", "strateye.toml", "--events", "-"]);
    command.env("RULES", "rules").env("HOOK", "http://user:pass-1@127.0.0.1:1/");
    command.env("TMPDIR", scene.path("tmp")).env_remove("XDG_RUNTIME_DIR");
    let mut live = Live { running: Running::start(&mut command), scene, sent: 0 };
    live.await_rule(FENCE, 1, "live");
    live.fired(1);
    for name in ["triggers.jsonl", "refused.jsonl", "state.db", "state.db-wal"] {
        assert_eq!(mode(&live.scene.path(name)), 0o600, "{name}");
    }
    // Whatever the processes were told, no file has it.
    for file in files(&live.scene.path("tmp")) {
        // Sockets can't be read.
        let content = fs::read(&file).unwrap_or_default();
        assert!(!content.windows(6).any(|part| part == b"pass-1"), "{}", file.display());
    }
    let Live { running, scene, .. } = live;
    kill_process(Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap(), Signal::INT).unwrap();
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert!(!finished.all().contains("pass-1"));
    drop(scene);
}

#[test]
fn a_reference_that_leads_nowhere_is_told_with_its_line() {
    let scene = Scene::new();
    scene.write("strateye.toml", "name = 'x'\nstate = 'env:NO_SUCH'\n");
    let finished = scene.run(&["config", "check", "strateye.toml"]);
    assert_eq!(finished.code, Some(2), "{}", finished.all());
    assert!(finished.all().contains("strateye.toml: line 2: env:NO_SUCH names"), "{}", finished.all());
    let finished = scene.run(&["run", "--rules", "file:no-such"]);
    assert_eq!(finished.code, Some(2), "{}", finished.all());
    assert!(finished.all().contains("file:no-such can't be read"), "{}", finished.all());
}

#[test]
fn a_readable_file_with_a_password_is_warned_of() {
    let scene = Scene::new();
    let path = scene.path("strateye.toml");
    let warned = |text: &str, mode: u32| {
        scene.write("strateye.toml", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = scene.command(&["config", "check", "strateye.toml"]);
        let finished = finish(command.env("PLACE", "redis://:pass-1@a/"));
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        assert!(!finished.all().contains("pass-1"));
        finished.all().contains("others may read this file")
    };
    let plain = "state = 'redis://:pass-1@a/'\n";
    assert!(warned(plain, 0o644) && warned(plain, 0o640));
    assert!(!warned(plain, 0o600));
    assert!(!warned("state = 'env:PLACE'\n", 0o644));
}
