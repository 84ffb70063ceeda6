//! `migrate`, against a MariaDB.

use strateye_tests::services::Mysql;

use crate::scene::Scene;

#[test]
fn tables_are_made_once() {
    let database = Mysql::start();
    let scene = Scene::new();
    let host = database.address();
    let url = database.url().replace("root@", "root:@");
    let first = scene.succeed(&["migrate", "--rules", &url]).output;
    assert_eq!(first, [format!("mysql://***@{host}/strateye: migrations 1, 2, 3 applied")]);
    scene.write("strateye.toml", &format!("rules = \"{url}\"\n"));
    let again = scene.succeed(&["migrate", "--config", "strateye.toml"]).output;
    assert_eq!(again, [format!("mysql://***@{host}/strateye: nothing to apply, the tables are up to date")]);
    assert_eq!(scene.succeed(&["rule", "list", "--rules", &url]).output, [] as [String; 0]);
    let tables = database.query("SHOW TABLES");
    assert!(tables.iter().any(|table| table == "rule_engine_resource"), "{tables:?}");
}

#[test]
fn what_is_no_database_is_refused() {
    let scene = Scene::new();
    let refused = |arguments: &[&str], code: i32, named: &str| {
        let finished = scene.run(arguments);
        let said = finished.log.join("\n");
        assert!(finished.code == Some(code) && said.contains(named), "{}", finished.all());
        assert!(!said.contains("pass-1"), "{said}");
    };
    refused(&["migrate"], 2, "--rules is missing");
    refused(&["migrate", "--rules", "rules"], 2, "write mysql://");
    refused(&["migrate", "--rules", "mysql://me:pass-1@db"], 2, "names no database");
    // Nothing listens at port 1.
    refused(&["migrate", "--rules", "mysql://me:pass-1@127.0.0.1:1/shop"], 1, "check that the server runs");
}
