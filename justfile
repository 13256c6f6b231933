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

# everything that CI runs
ci:
    .ci/run
