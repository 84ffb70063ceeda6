//! `config check` and `config show`.

use crate::scene::Scene;

const EXAMPLE: &str = include_str!("../../dataflow/strateye.example.toml");

#[test]
fn the_example_is_checked_and_shown_without_its_secrets() {
    let scene = Scene::new();
    scene.write("strateye.toml", EXAMPLE);
    assert_eq!(scene.succeed(&["config", "check", "strateye.toml"]).output, ["strateye.toml: ok"]);
    let shown = scene.succeed(&["config", "show", "strateye.toml"]).output.join("\n");
    for secret in ["PASSWORD", "SECRET", "TOKEN"] {
        assert!(EXAMPLE.contains(secret) && !shown.contains(secret), "{secret} in {shown}");
    }
    for setting in ["sasl.password", "Authorization", "@127.0.0.1:3306/strateye", "checkpoint_ms = 1000"] {
        assert!(shown.contains(setting), "{setting} is not in {shown}");
    }
    scene.write("shown.toml", &shown);
    scene.succeed(&["config", "check", "shown.toml"]);
}

#[test]
fn faults_name_file_line_and_remedy() {
    let scene = Scene::new();
    for (text, named) in [
        ("name = \"shop\"\ncheckpoint_ms = 1\n", "strateye.toml: line 2: checkpoint_ms: write 50 to 3600000"),
        ("[kafka]\nbrokers = \"a\"\ntopik = \"t\"\n", "strateye.toml: line 3: unknown field `topik`"),
        ("[[sinks]]\nchannels = [\"a\"]\n", "line 1: sinks: write one of kafka, webhook and lines"),
    ] {
        scene.write("strateye.toml", text);
        for arguments in [
            &["config", "check", "strateye.toml"][..],
            &["config", "show", "strateye.toml"],
            &["run", "--rules", "rules", "--config", "strateye.toml"],
        ] {
            let finished = scene.run(arguments);
            let said = finished.log.join("\n");
            assert!(finished.code == Some(2) && said.contains(named), "{}", finished.all());
        }
    }
}
