//! Writing detections, format by format, in CPU time of one thread. Tables and CSV belong to the command line, which is no
//! library: its encoders are compiled into this bench as they are.
#![allow(dead_code, unused_imports, reason = "a bench of a part")]

#[path = "../../cli/args.rs"]
mod args;
mod clock;
#[path = "../../cli/encode/mod.rs"]
mod encode;

use args::DetectionFormat;
use clock::{CpuTime, in_cpu_time};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use encode::{Encoder, Style};
use sigmund_bench::stage::Matching;
use sigmund_engine::detection::matched;
use sigmund_engine::oracle::Lookup;
use sigmund_stream::encode::{Buffer, EventView, Hit, RuleCard};
use std::sync::Arc;

fn all(criterion: &mut Criterion<CpuTime>) {
    let inputs = clock::inputs();
    let ruleset = inputs.compile();
    let detections = Matching::new(&inputs.windows, &ruleset, 2000).detections();
    let cards: Vec<RuleCard> =
        ruleset.rules().iter().map(|rule| RuleCard::new(Arc::clone(rule))).collect();
    let hits: Vec<_> = detections
        .iter()
        .map(|(rule, event)| {
            let of = &ruleset.rules()[*rule as usize];
            (*rule, event, matched(of, &Lookup::new(event.as_ref())))
        })
        .collect();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(hits.len() as u64));
    for (name, format) in [
        ("jsonl", DetectionFormat::Jsonl),
        ("ecs", DetectionFormat::Ecs),
        ("ocsf", DetectionFormat::Ocsf),
        ("csv", DetectionFormat::Csv),
        ("table", DetectionFormat::Table),
    ] {
        let encoder = Encoder::new(format, Style::default());
        let mut buffer = Buffer::default();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                for (record, (rule, event, matched)) in (1..).zip(&hits) {
                    let view = EventView::new((*event).as_ref(), "logs/a.ndjson", record);
                    let hit = Hit::of_rule(&cards[*rule as usize], &view, matched);
                    encoder.detection(&hit, *rule, &mut buffer);
                }
                let mut written = 0;
                let drained = buffer.drain(0, &mut |_, bytes| {
                    written += bytes.len();
                    Ok(())
                });
                drained.map(|()| written)
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = encoding;
    config = in_cpu_time();
    targets = all
}
criterion_main!(encoding);
