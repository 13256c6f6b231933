//! What a running service says about itself, as commands show it, and the documentation of its metrics.

use crate::command::{root, run};
use insta::assert_snapshot;
use sigmund_stream::config::{Http, Tls};
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
    let ca = tls_file("ca.pem");
    assert_snapshot!(run(&["tail", "--url", "https://127.0.0.1:1", "--ca", &ca]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: nothing listens at `https://127.0.0.1:1`; is `sigmund run` running there? Its address is `http.listen` of its configuration: give it by `--url`
    ");
    assert_snapshot!(run(&["tail", "--url", "https://127.0.0.1:1", "--ca", "nowhere.pem"]).shown(), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: `--ca`: `nowhere.pem` is not read: I/O error: No such file or directory (os error 2)
    ");
}

/// A file of the certificates of tests.
fn tls_file(name: &str) -> String {
    root().join("tests/kafka/tls").join(name).display().to_string()
}

#[test]
fn status_is_asked_over_tls() {
    let token = Some("0123456789abcdef".to_owned().into());
    let both: std::path::PathBuf = tls_file("broker.pem").into();
    let tls = Some(Tls { certificate: both.clone(), key: both });
    let config = Http { listen: "127.0.0.1:0".to_owned(), token, tls };
    let server = Server::start(&config, Metrics::new(), Identity::default(), &Arc::default());
    let server = server.expect("a port").expect("a server");
    let port = server.address().port();
    let token = "--token=0123456789abcdef";
    let (ours, others) = (tls_file("ca.pem"), tls_file("other.pem"));
    for host in ["https://localhost", "https://127.0.0.1"] {
        let asked = run(&["status", "--url", &format!("{host}:{port}"), "--ca", &ours, token]);
        assert_eq!(asked.code, Some(1), "{}", asked.stderr);
        assert!(asked.stdout.contains("no broker has answered yet"), "{}", asked.stdout);
    }
    let cases: [(&str, &[&str], &str); 8] = [
        ("https", &["--ca", &ours], "wants its token"),
        ("https", &["--ca", &ours, "--token=fedcba9876543210"], "has another token"),
        ("https", &["--ca", &ours, "--token=0123456789abcdef\n"], "the token has a line break"),
        ("https", &["--ca", &ours, "--token=0123456789abcdef\u{1b}"], "control character"),
        ("https", &["--ca", &others, token], "is not trusted: no certificate in"),
        ("https", &[token], "by `--ca`"),
        ("http", &["--ca", &ours, token], "begins with `https://`"),
        ("http", &[token], "its address begins with `https://`"),
    ];
    for (scheme, options, words) in cases {
        let url = format!("{scheme}://localhost:{port}");
        let asked = run(&[&["status", "--url", &url][..], options].concat());
        assert!(asked.code == Some(2) && asked.stderr.contains(words), "{}", asked.stderr);
    }
    // Certificates that vouch for themselves.
    for (name, words) in [
        ("alone", Some("`-addext basicConstraints=critical,CA:FALSE")),
        ("alone-not-authority", None),
    ] {
        let file: std::path::PathBuf = tls_file(&format!("{name}.pem")).into();
        let tls = Some(Tls { certificate: file.clone(), key: file.clone() });
        let config = Http { tls, ..config.clone() };
        let server = Server::start(&config, Metrics::new(), Identity::default(), &Arc::default());
        let server = server.expect("a port").expect("a server");
        let url = format!("https://localhost:{}", server.address().port());
        let asked = run(&["status", "--url", &url, "--ca", &file.display().to_string(), token]);
        match words {
            Some(words) => assert!(asked.stderr.contains(words), "{}", asked.stderr),
            None => assert_eq!(asked.code, Some(1), "{}", asked.stderr),
        }
    }
    let asked = run(&["status", "--url", "http://no-such-host.invalid:9464"]);
    assert!(asked.stderr.contains("there is no such host"), "{}", asked.stderr);
    // Who speaks HTTP where TLS is, is not answered; and the next one is.
    let plain = Server::start(
        &Http { tls: None, ..config },
        Metrics::new(),
        Identity::default(),
        &Arc::default(),
    );
    let plain = plain.expect("a port").expect("a server");
    let url = format!("https://{}", plain.address());
    let asked = run(&["status", "--url", &url, "--ca", &ours, token]);
    assert!(
        asked.code == Some(2) && asked.stderr.contains("does not speak TLS"),
        "{}",
        asked.stderr
    );
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
