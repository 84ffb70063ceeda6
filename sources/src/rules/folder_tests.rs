//! Property tests: applying the changes of random edits yields the content of the folder.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::{super::listing::names, *};

fn document(rule_id: &str, text: &str) -> String {
    format!(r#"{{"rule_id":"{rule_id}","name":"{text}"}}"#)
}

/// Rules by id, as an engine that applies changes would hold them.
type Rules = BTreeMap<String, (String, Status)>;

fn apply(rules: &mut Rules, changes: Vec<RuleChange>) -> Vec<String> {
    let mut unreadable = Vec::new();
    for RuleChange { origin, change } in changes {
        match change {
            Change::Put(Put { rule_id, document, status, version, gap: _ }) => {
                assert_eq!((document::rule_id(&document), version), (Ok(rule_id.clone()), None));
                rules.insert(rule_id, (document.to_string(), status));
            }
            Change::Remove { rule_id } => assert!(rules.remove(&rule_id.unwrap()).is_some()),
            Change::Unreadable { reason, .. } => unreadable.push(format!("{origin}: {reason}")),
        }
    }
    unreadable
}

/// The content of the folder, read from scratch.
fn held(folder: &Path) -> Rules {
    let mut rules = Rules::new();
    for name in names(folder).unwrap() {
        if let Ok(document) = read(&folder.join(&name))
            && let Ok(rule_id) = document::rule_id(&document)
        {
            rules.entry(rule_id).or_insert((document, status_of(&name)));
        }
    }
    rules
}

#[derive(Clone, Debug)]
enum Edit {
    Write { file: usize, rule: usize, text: usize },
    Rename { from: usize, to: usize },
    Delete { file: usize },
    Poll,
}

const FILES: [&str; 6] = ["a.json", "a.json.paused", "b.json", "c.json", ".hidden.json", "notes.txt"];

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..6usize, 0..4usize, 0..3usize).prop_map(|(file, rule, text)| Edit::Write { file, rule, text }),
        3 => (0..6usize, 0..6usize).prop_map(|(from, to)| Edit::Rename { from, to }),
        2 => (0..6usize).prop_map(|file| Edit::Delete { file }),
        4 => Just(Edit::Poll),
    ]
}

proptest! {
    #[test]
    fn any_edits_lead_to_what_the_folder_holds(edits in prop::collection::vec(edit(), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: usize| folder.path().join(FILES[file]);
        let mut source = FolderRules::open(folder.path()).unwrap();
        let mut rules = Rules::new();
        for edit in edits {
            match edit {
                // Equal lengths, so that edits differ only in their times.
                Edit::Write { file, rule, text } => {
                    fs::write(path(file), document(&format!("r{rule}"), &format!("t{text}"))).unwrap();
                }
                Edit::Rename { from, to } => drop(fs::rename(path(from), path(to))),
                Edit::Delete { file } => drop(fs::remove_file(path(file))),
                Edit::Poll => drop(apply(&mut rules, source.poll().unwrap())),
            }
        }
        for _ in 0..2 {
            apply(&mut rules, source.poll().unwrap());
        }
        prop_assert_eq!(&rules, &held(folder.path()));
        prop_assert!(source.poll().unwrap().is_empty());
    }
}

#[test]
fn a_broken_edit_keeps_the_rule_and_its_removal_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut source = FolderRules::open(folder.path()).unwrap();
    let mut rules = Rules::new();
    fs::write(&path, document("a", "1")).unwrap();
    assert!(apply(&mut rules, source.poll().unwrap()).is_empty());
    for broken in [b"{\"rule_id\":\"a\",".as_slice(), b"{\"rule_id\":\"a\",\"x\":\"\xff\"}", b"{}", b""] {
        fs::write(&path, broken).unwrap();
        let unreadable = apply(&mut rules, source.poll().unwrap());
        assert!(unreadable.len() == 1 && unreadable[0].contains("a.json: "), "{unreadable:?}");
        assert!(source.poll().unwrap().is_empty());
        assert_eq!(rules["a"].0, document("a", "1"));
    }
    // The same document is passed on again, so that a reported fault can be cleared.
    fs::write(&path, document("a", "1")).unwrap();
    assert_eq!(source.poll().unwrap().len(), 1);
    fs::write(&path, "{").unwrap();
    apply(&mut rules, source.poll().unwrap());
    fs::remove_file(&path).unwrap();
    assert!(source.poll().unwrap().is_empty());
    apply(&mut rules, source.poll().unwrap());
    assert!(rules.is_empty());
}

#[test]
fn an_unreadable_file_of_no_known_rule_says_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, "{").unwrap();
    let mut source = FolderRules::open(folder.path()).unwrap();
    let polled =
        |source: &mut FolderRules| source.poll().unwrap().into_iter().map(|c| c.change).collect::<Vec<_>>();
    assert!(matches!(&polled(&mut source)[..], [Change::Unreadable { .. }]));
    // An editor that deletes and writes anew: the rule is never removed.
    fs::remove_file(&path).unwrap();
    assert_eq!(polled(&mut source), []);
    fs::write(&path, "[").unwrap();
    assert!(matches!(&polled(&mut source)[..], [Change::Unreadable { .. }]));
    fs::remove_file(&path).unwrap();
    assert_eq!(polled(&mut source), []);
    let gone = RuleChange { origin: path.display().to_string(), change: Change::Remove { rule_id: None } };
    assert_eq!(source.poll().unwrap(), [gone]);
    assert_eq!(source.poll().unwrap(), []);
}

#[test]
fn the_second_file_of_a_rule_waits_for_the_first_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, document: &str| fs::write(folder.path().join(name), document).unwrap();
    let mut source = FolderRules::open(folder.path()).unwrap();
    let mut rules = Rules::new();
    write("b.json", &document("a", "b"));
    apply(&mut rules, source.poll().unwrap());
    write("c.json", &document("a", "c"));
    let unreadable = apply(&mut rules, source.poll().unwrap());
    assert!(
        unreadable[0].contains("c.json: ") && unreadable[0].contains("b.json, which comes first"),
        "{unreadable:?}"
    );
    assert_eq!(rules["a"].0, document("a", "b"));
    // A file before both takes the rule over.
    write("a.json", &document("a", "a"));
    let unreadable = apply(&mut rules, source.poll().unwrap());
    assert_eq!(unreadable.len(), 2);
    assert_eq!(rules["a"].0, document("a", "a"));
    fs::remove_file(folder.path().join("a.json")).unwrap();
    write("b.json", "");
    apply(&mut rules, source.poll().unwrap());
    assert_eq!(rules["a"].0, document("a", "c"));
}

#[test]
fn a_file_that_names_another_rule_removes_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.json");
    fs::write(&path, document("a", "1")).unwrap();
    let mut source = FolderRules::open(&path).unwrap();
    let mut rules = Rules::new();
    apply(&mut rules, source.poll().unwrap());
    fs::write(&path, document("b", "1")).unwrap();
    let changes = source.poll().unwrap();
    assert!(matches!(
        changes[..],
        [RuleChange { change: Change::Remove { .. }, .. }, RuleChange { change: Change::Put(_), .. }]
    ));
    apply(&mut rules, changes);
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["b"]);
    fs::remove_file(&path).unwrap();
    assert!(source.poll().unwrap().is_empty());
    apply(&mut rules, source.poll().unwrap());
    assert!(rules.is_empty());
}

#[test]
fn links_are_followed_and_folders_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("..data")).unwrap();
    fs::create_dir_all(at("d.json")).unwrap();
    fs::write(at("..data/real.json"), document("a", "1")).unwrap();
    std::os::unix::fs::symlink("..data/real.json", at("a.json")).unwrap();
    std::os::unix::fs::symlink("nowhere.json", at("b.json")).unwrap();
    let mut source = FolderRules::open(folder.path()).unwrap();
    let mut rules = Rules::new();
    assert!(apply(&mut rules, source.poll().unwrap()).is_empty());
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_folder_that_cannot_be_listed_removes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("rules");
    assert!(FolderRules::open(&folder).unwrap_err().to_string().contains("give a path that exists"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.json"), document("a", "1")).unwrap();
    let mut source = FolderRules::open(&folder).unwrap();
    assert_eq!(source.poll().unwrap().len(), 1);
    fs::rename(&folder, parent.path().join("away")).unwrap();
    for _ in 0..3 {
        assert!(source.poll().unwrap_err().to_string().contains("create it or give another path"));
    }
    fs::rename(parent.path().join("away"), &folder).unwrap();
    assert!(source.poll().unwrap().is_empty());
}

#[test]
fn a_touched_file_is_no_change_and_a_file_is_not_read_without_need() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, document("a", "1")).unwrap();
    let mut source = FolderRules::open(folder.path()).unwrap();
    source.poll().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(source.poll().unwrap().is_empty());
    source.files.get_mut(OsStr::new("a.json")).unwrap().settled = true;
    assert!(source.refresh().unwrap().is_empty() && !source.unfinished);
}
