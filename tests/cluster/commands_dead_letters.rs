//! `dead-letters`: triggers that could not be delivered are listed, and sent again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::{Value as Json, json};
use strateye_tests::command::WITHIN;

use crate::scene::Scene;

/// An HTTP server that gives every request the same answer, and forwards its body to the test.
struct FixedAnswerServer {
    url: String,
    bodies: Receiver<String>,
}

impl FixedAnswerServer {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (say, bodies) = channel();
        // The thread ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let say = say.clone();
                thread::spawn(move || answer(&stream, status, &say));
            }
        });
        Self { url, bodies }
    }

    fn body(&self) -> Json {
        serde_json::from_str(&self.bodies.recv_timeout(WITHIN).expect("a request")).unwrap()
    }
}

fn answer(mut stream: &TcpStream, status: &str, say: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let head = line.to_ascii_lowercase();
            length = head.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
            line.clear();
        }
        let mut body = vec![0; length];
        if line.is_empty() || reader.read_exact(&mut body).is_err() {
            return;
        }
        let answered = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if answered.is_err() || say.send(String::from_utf8(body).unwrap()).is_err() {
            return;
        }
    }
}

fn letter(n: u64) -> String {
    json!({
        "at": 1_790_035_200_000u64 + n, "url": "http://shop.example/hook", "attempts": 8, "last_error": "it answered\n503",
        "id": format!("t-{n}"), "key": n.to_string(), "trigger": {"rule_id": "r", "n": n},
    })
    .to_string()
}

fn scene(url: &str) -> Scene {
    let scene = Scene::new();
    scene.write("dead.jsonl", &format!("{}\n{}\ntorn\n", letter(1), letter(2)));
    scene.write(
        "strateye.toml",
        &format!(
            "[[sinks]]\nlines = \"stdout\"\n[[sinks]]\n[sinks.webhook]\nurl = \"{url}\"\nattempts = 1\ndead_letters = \"dead.jsonl\"\n"
        ),
    );
    scene
}

#[test]
fn letters_are_listed_for_people_and_for_programs() {
    let scene = scene("http://127.0.0.1:1/");
    let finished = scene.succeed(&["dead-letters", "list", "dead.jsonl"]);
    assert_eq!(
        finished.output[0],
        "2026-09-22T00:00:00.001Z\tt-1\t1\t8\thttp://shop.example/hook\tit answered 503"
    );
    assert_eq!(finished.output.len(), 2);
    assert_eq!(finished.log, ["dead.jsonl: 1 lines are not dead letters"]);
    let lines = scene.succeed(&["dead-letters", "list", "dead.jsonl", "--json"]).output;
    let listed: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let written: Vec<Json> = [1, 2].map(|n| serde_json::from_str(&letter(n)).unwrap()).into();
    assert_eq!(listed, written);
    let none = scene.succeed(&["dead-letters", "list", "none.jsonl"]);
    assert_eq!((none.output.len(), &none.log[..]), (0, &["none.jsonl: no dead letters".to_owned()][..]));
}

#[test]
fn letters_are_delivered_and_gone() {
    let receiver = FixedAnswerServer::start("200 OK");
    let scene = scene(&receiver.url);
    let path = scene.path("dead.jsonl");
    let arguments =
        ["dead-letters", "replay", path.to_str().unwrap(), "--webhook-config", "strateye.toml", "--json"];
    let summary: Json = serde_json::from_str(&scene.succeed(&arguments).output[0]).unwrap();
    assert_eq!(summary, json!({"sent": 2, "delivered": 2, "dead": 0, "unreadable": 1}));
    let mut bodies = [receiver.body(), receiver.body()];
    bodies.sort_by_key(|body| body["n"].as_u64());
    assert_eq!(bodies, [json!({"rule_id": "r", "n": 1}), json!({"rule_id": "r", "n": 2})]);
    assert!(!path.exists());
    assert!(scene.path("dead.jsonl.unreadable").exists());
}

#[test]
fn letters_that_fail_again_are_kept_for_the_next_time() {
    let receiver = FixedAnswerServer::start("500 Sorry");
    let scene = scene(&receiver.url);
    let finished = scene.run(&["dead-letters", "replay", "dead.jsonl", "--config", "strateye.toml"]);
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    assert_eq!(
        finished.output,
        ["2 letters sent again: 0 delivered, 2 failed again, 1 lines could not be read"]
    );
    let listed = scene.succeed(&["dead-letters", "list", "dead.jsonl"]).output;
    assert!(listed.len() == 2 && listed.iter().all(|line| line.contains("500")), "{listed:?}");
}

#[test]
fn letters_go_to_the_sink_that_wrote_them_or_nowhere() {
    let scene = scene("http://127.0.0.1:1/");
    scene.write("other.jsonl", &format!("{}\n", letter(1)));
    let finished = scene.run(&["dead-letters", "replay", "other.jsonl", "--config", "strateye.toml"]);
    assert_eq!(finished.code, Some(2), "{}", finished.all());
    let named = "no sink has dead_letters = \"other.jsonl\" (dead.jsonl)";
    assert!(finished.log.join("\n").contains(named), "{}", finished.all());
    assert!(scene.path("other.jsonl").exists());
}
