//! What a running service says about itself, as commands show it, and the documentation of its metrics.

use crate::command::{root, run};
use insta::assert_snapshot;
use sigmund_stream::config::Http;
use sigmund_stream::telemetry::{Identity, Metrics, Server, table};
use std::sync::Arc;

#[test]
fn the_documentation_has_all_metrics() {
    let path = root().join("docs/metrics.md");
    let made = table();
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if made != written && std::env::var_os("SIGMUND_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("docs/metrics.md");
        return;
    }
    assert_eq!(
        written, made,
        "docs/metrics.md is stale; write it with `SIGMUND_WRITE_DOCS=1 cargo test --test tests telemetry`"
    );
}

/// Nobody listens on port 1.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn who_is_not_there_cannot_be_asked() {
    assert_snapshot!(run(&["status", "--url", NOBODY]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: nothing listens at `http://127.0.0.1:1`; is `sigmund run` running there? Its address is `http.listen` of its configuration: give it by `--url`
    ");
    assert_snapshot!(run(&["tail", "--url", NOBODY]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: nothing listens at `http://127.0.0.1:1`; is `sigmund run` running there? Its address is `http.listen` of its configuration: give it by `--url`
    ");
    assert_snapshot!(run(&["status", "--url", "127.0.0.1:1"]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `127.0.0.1:1` is not an address; write for example `http://127.0.0.1:9464`
    ");
    assert_snapshot!(run(&["tail", "--url", "https://127.0.0.1:1"]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `https://127.0.0.1:1`: this command speaks HTTP without TLS, on the machine of the service; run it there, or forward its port: `ssh -L 9464:127.0.0.1:9464 HOST`
    ");
}

#[test]
fn who_is_there_says_how_it_is() {
    let token = Some("0123456789abcdef".to_owned().into());
    let config = Http { listen: "127.0.0.1:0".to_owned(), token, tls: None };
    let metrics = Metrics::new();
    let identity = Identity { application: "sigmund".to_owned(), instance: "i-1".to_owned() };
    let server = Server::start(&config, metrics.clone(), identity, &Arc::default());
    let server = server.expect("a port").expect("a server");
    let url = format!("http://{}", server.address());
    let refused = run(&["status", "--url", &url]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("wants its token"), "{}", refused.stderr);
    let ask = ["status", "--url", &url, "--token", "0123456789abcdef"];
    let starting = run(&ask);
    assert_eq!(starting.code, Some(1), "{}", starting.stderr);
    assert!(starting.stdout.contains("no broker has answered yet"), "{}", starting.stdout);
    metrics.reached();
    let lane = metrics.lane("detect", 0);
    lane.joined();
    lane.assigned(&[]);
    let running = run(&ask);
    assert_eq!(running.code, Some(0), "{}", running.stderr);
    assert!(running.stdout.contains("running for") && running.stdout.contains("detect-0  working"));
    assert!(!running.stdout.contains('\u{1b}'), "{}", running.stdout);
    let json = run(&[&ask[..], &["-f", "json"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["state"], &json["instance"]), (&"running".into(), &"i-1".into()));
}
