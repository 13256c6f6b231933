//! README's Kafka quick start and the way from Confluent Sigma, as they are written there but for the port.

use super::honesty::honest_broker;
use crate::command::{binary, root};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// The lines of the block of this kind in a document, and what the file block before it holds.
pub(crate) fn block(document: &str, kind: &str) -> String {
    let text = std::fs::read_to_string(root().join(document)).expect("a document");
    let (_, rest) = text.split_once(&format!("```{kind}\n")).expect("the block");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// Runs the Kafka block of a document beside the configuration that it shows, on a broker of its own. What it writes.
fn run(document: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["tests", "fixtures"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).expect("a link");
    }
    let file = block(document, "yaml sigmund.yaml");
    std::fs::write(folder.path().join("sigmund.yaml"), file).expect("a file");
    let free = |_| {
        let first = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = first.local_addr().ok()?.port();
        // The port after it is the controller's.
        TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
    };
    let port = (0..20).find_map(free).expect("two free ports");
    let start = format!("broker start --port {port} --parent {} ", std::process::id());
    let script = block(document, "sh kafka").replacen("broker start ", &start, 1);
    assert!(script.contains(&start), "the first command starts the broker");
    let bin = Path::new(binary()).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("timeout")
        .args(["300", "bash", "-e", "-o", "pipefail", "-c", &script])
        .env("PATH", path)
        .env("TMPDIR", folder.path())
        .env("SIGMUND_KAFKA__BOOTSTRAP_SERVERS", format!("127.0.0.1:{port}"))
        .env("SIGMUND_HTTP__LISTEN", "off")
        .current_dir(folder.path())
        .output()
        .expect("a shell");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stderr.contains("stopped"), "the service ends in order: {stderr}");
    (stdout.into_owned(), stderr.into_owned())
}

#[test]
fn readme_shows_what_happens() {
    // Says loudly if Kafka can not be had here.
    if honest_broker().is_none() {
        return;
    }
    let (stdout, stderr) = run("README.md");
    let detections = stdout.lines().filter(|line| line.starts_with("{\"id\":")).count();
    assert_eq!(detections, 20, "{stdout}\n{stderr}");
}

/// The way from Confluent Sigma: its topics, a rule as its documentation puts one there, and detections in its layout.
#[test]
fn the_way_from_confluent_sigma_is_as_written() {
    if honest_broker().is_none() {
        return;
    }
    let (stdout, stderr) = run("docs/from-confluent-sigma.md");
    let detections = stdout.lines().filter(|line| {
        line.starts_with("{\"timeStamp\":17737")
            && line.contains(r#""title":"Own zone","id":null,"outputTopic":"dns-detection","site":"edge","host":""#)
    });
    assert_eq!(detections.count(), 2, "{stdout}\n{stderr}");
}
