//! The stages of a hunt one by one, in CPU time of one thread.
//!
//! `cargo bench -p sigmund-bench`; with a word only the stages whose names have it. Real logs and the active SigmaHQ rules are
//! measured where the shared material is there, else the fixtures and the starter pack.

mod clock;

use clock::{CpuTime, in_cpu_time};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sigmund_bench::files::compile;
use sigmund_bench::stage::{self, Inputs, Log, Matching, Reading};
use sigmund_engine::Routing;
use sigmund_engine::oracle::Lookup;
use sigmund_sigma::Loader;
use std::hint::black_box;

/// So many events are matched in turn: more than the matcher remembers of any one of them.
const EVENTS: usize = 2000;

fn bytes(log: &Log) -> Throughput {
    Throughput::Bytes(log.bytes.len() as u64)
}

fn reading(criterion: &mut Criterion<CpuTime>, inputs: &Inputs) {
    let ruleset = inputs.compile();
    let mut group = criterion.benchmark_group("frame");
    for (name, log) in [("json", &inputs.windows), ("lines", &inputs.syslog), ("xml", &inputs.xml)]
    {
        let mut framing = Reading::framing(log);
        group.throughput(bytes(log));
        group.bench_function(name, |bench| bench.iter(|| framing.run()));
    }
    group.finish();

    let mut group = criterion.benchmark_group("detect");
    for (name, log) in [
        ("windows-json", &inputs.windows),
        ("zeek-tsv", &inputs.zeek),
        ("syslog", &inputs.syslog),
        ("windows-xml", &inputs.xml),
    ] {
        group.bench_function(name, |bench| bench.iter(|| black_box(log).format().name()));
    }
    group.finish();

    let mut group = criterion.benchmark_group("parse");
    for (name, log) in [
        ("windows-json", &inputs.windows),
        ("zeek-tsv", &inputs.zeek),
        ("syslog", &inputs.syslog),
        ("windows-xml", &inputs.xml),
    ] {
        let mut parsing = Reading::parsing(log, &ruleset);
        group.throughput(bytes(log));
        group.bench_function(name, |bench| bench.iter(|| parsing.run()));
    }
    if let Some(log) = &inputs.evtx {
        group.throughput(bytes(log));
        group.bench_function("evtx", |bench| bench.iter(|| stage::evtx(log)));
    }
    group.finish();
}

fn matching(criterion: &mut Criterion<CpuTime>, inputs: &Inputs) {
    let ruleset = inputs.compile();
    let mut matching = Matching::new(&inputs.windows, &ruleset, EVENTS);

    let routes = matching.routes();
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(routes.len() as u64));
    let routing = Routing::default();
    group.bench_function("intern", |bench| {
        bench.iter(|| {
            for route in &routes {
                let id = route.event_id.as_deref();
                let sources = route.log_sources.clone();
                black_box(routing.route(&route.name, sources, id, &route.aliases, &|_| None));
            }
        });
    });
    group.bench_function("rules of a kind", |bench| {
        bench.iter(|| routes.iter().map(|route| ruleset.rules_for(route).len()).sum::<usize>());
    });
    group.finish();

    let mut group = criterion.benchmark_group("match");
    for (name, log) in
        [("windows", &inputs.windows), ("zeek", &inputs.zeek), ("syslog", &inputs.syslog)]
    {
        let mut matching = Matching::new(log, &ruleset, EVENTS);
        group.throughput(Throughput::Elements(matching.events()));
        group.bench_function(name, |bench| bench.iter(|| matching.run()));
    }
    group.finish();

    let detections = matching.detections();
    let mut group = criterion.benchmark_group("describe");
    group.throughput(Throughput::Elements(detections.len() as u64));
    group.bench_function("what matched", |bench| {
        bench.iter(|| {
            for (rule, event) in &detections {
                let rule = &ruleset.rules()[*rule as usize];
                black_box(sigmund_engine::detection::matched(rule, &Lookup::new(&**event)));
            }
        });
    });
    group.finish();
}

fn loading(criterion: &mut Criterion<CpuTime>, inputs: &Inputs) {
    let mut group = criterion.benchmark_group("rules");
    group.sample_size(10).throughput(Throughput::Elements(inputs.rules.len() as u64));
    group.bench_function("load", |bench| {
        bench.iter(|| Loader::default().load(&inputs.rules).rules.len());
    });
    group.bench_function("load and compile", |bench| {
        bench.iter_with_large_drop(|| compile(&inputs.rules));
    });
    // Buckets of rules are compiled when the first event needs them.
    group.bench_function("first events", |bench| {
        bench.iter_batched(
            || Matching::new(&inputs.windows, &inputs.compile(), 50),
            |mut first| {
                first.run();
                first
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn all(criterion: &mut Criterion<CpuTime>) {
    let inputs = clock::inputs();
    reading(criterion, &inputs);
    matching(criterion, &inputs);
    loading(criterion, &inputs);
}

criterion_group! {
    name = stages;
    config = in_cpu_time();
    targets = all
}
criterion_main!(stages);
