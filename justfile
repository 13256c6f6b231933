# What is run often. `.ci/run` calls the same commands.

# formatting, lints, tests
check: fmt clippy test

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --quiet -- -D warnings

test:
    cargo test --release --workspace --quiet

# the starter pack against the fixtures
hunt:
    cargo run --release --quiet -- hunt fixtures

# mistakes in the starter pack, and its tests
rules:
    cargo run --release --quiet -- check rules --fail-on note
    cargo run --release --quiet -- test rules

bench:
    cargo bench -p sigmund-bench

deny:
    cargo deny check

# one fuzz target for some seconds: `just fuzz yaml 600` (see fuzz/README.md)
fuzz target seconds="600":
    python3 fuzz/seeds.py
    cargo fuzz run -s none -a {{target}} -- -max_total_time={{seconds}} -timeout=20 -rss_limit_mb=2048

# everything that CI runs
ci:
    .ci/run
