//! The compiled matcher and the plain evaluator agree on generated rules and events (law 3): rules through the loader, events
//! through streams as logs come, with aliases, log sources, filters, lists, nesting, duplicate keys, odd numbers and escapes.
//!
//! A difference names its seed, the rule and the event; `SIGMUND_EQUIVALENCE=FIRST+ROUNDS` runs other seeds.

mod dice;
mod events;
mod rules;

use dice::{Dice, damaged, text};
use events::{NATIVE, aliases, json_event, log_source};
use sigmund_engine::detection::matched;
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{
    AliasTable, Body, Event, FieldTable, Matcher, Partial, Record, Route, Routing, RuleSet,
};
use sigmund_parsers::{FORMATS, Framed, Outcome, Stream, StreamInfo, flat_event};
use sigmund_sigma::{Loader, LogSource, Source};
use std::sync::Arc;

/// What was compared.
#[derive(Default)]
struct Seen {
    rules: usize,
    pairs: usize,
    matches: usize,
}

const RULES: usize = 60;
const EVENTS: usize = 50;

/// The rules of one round, and what is needed to read events for them.
struct Round {
    seed: u64,
    texts: Vec<String>,
    ruleset: Arc<RuleSet>,
    routing: Arc<Routing>,
    own: Arc<AliasTable>,
    matcher: Matcher,
    record: Record,
}

/// An event and the rules that the plain evaluator says it matches.
struct Expected {
    bytes: Vec<u8>,
    /// The route that it gets whatever it is; `None`: the one that its parser says.
    route: Option<Arc<Route>>,
    hits: Vec<u32>,
}

impl Round {
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let long_keywords = dice.once_in(2);
        let mut texts: Vec<String> =
            (0..RULES).map(|number| rules::rule(dice, number, long_keywords)).collect();
        if dice.once_in(2) {
            texts.extend((0..3).map(|number| rules::filter(dice, number, RULES, long_keywords)));
        }
        let sources: Vec<Source> = (0..)
            .zip(&texts)
            .map(|(number, text): (usize, _)| Source {
                name: format!("{number}.yml").into(),
                text: text.as_str().into(),
            })
            .collect();
        // Rules that make no sense (`re` that ends in `cased`, a list where one value is due) are refused; the others remain.
        let collection = Loader::default().load(&sources);
        let own = aliases();
        let mut tables: Vec<Arc<AliasTable>> =
            FORMATS.iter().flat_map(|format| format.aliases()).collect();
        tables.push(Arc::clone(&own));
        // Without the fields that routes depend on, JSON is read in the slow and general way.
        let mut extra: Vec<&str> = Vec::new();
        if !dice.once_in(4) {
            extra.extend(sigmund_parsers::json::schema::discriminators());
        }
        let (ruleset, refused) = RuleSet::compile(collection.rules, &tables, &extra, &[]);
        assert!(refused.is_empty(), "seed {seed}: {refused:?}");
        let ruleset = Arc::new(ruleset);
        let mut routing = Routing::default();
        routing.unfiltered = dice.once_in(5);
        Self {
            seed,
            texts,
            routing: Arc::new(routing),
            own,
            matcher: Matcher::new(Arc::clone(&ruleset)),
            record: Record::new(Arc::clone(ruleset.field_table())),
            ruleset,
        }
    }

    /// A route made by hand: any log sources, the aliases of this test, and for some the EventID that their events should have.
    fn route(&self, dice: &mut Dice) -> Arc<Route> {
        let log_sources: Vec<LogSource> =
            (0..1 + dice.below(3)).map(|_| log_source(dice)).collect();
        let event_id = dice.once_in(2).then(|| dice.of(&["4688", "4624", "5"]));
        let name = format!("generated {event_id:?}");
        self.routing.route(&name, log_sources, event_id, &self.own, &|_| None)
    }

    fn expected(&self, event: &Event, seen: &mut Seen) -> Vec<u32> {
        let lookup = Lookup::new(event);
        let all = 0..self.ruleset.rules().len() as u32;
        seen.pairs += all.len();
        let hits: Vec<u32> = all
            .filter(|rule| {
                let oracle = self.ruleset.oracle(*rule).unwrap();
                oracle.sees(&event.route) && oracle.matches_in(&lookup)
            })
            .collect();
        seen.matches += hits.len();
        hits
    }

    fn rule_text(&self, rule: u32) -> &str {
        let source = &self.ruleset.rules()[rule as usize].metadata.source;
        &self.texts[source.trim_end_matches(".yml").parse::<usize>().unwrap()]
    }

    fn check(&self, what: &str, hits: &[u32], expected: &[u32], event: &Event) {
        let differs = |rule: &&u32| hits.contains(rule) != expected.contains(rule);
        let Some(rule) = hits.iter().chain(expected).find(differs) else {
            assert_eq!(hits, expected, "seed {}: the order differs", self.seed);
            return;
        };
        panic!(
            "seed {}: the plain evaluator says {}, the compiled matcher ({what}) not\nrule  {}\nevent {}\n      {event:?}",
            self.seed,
            expected.contains(rule),
            self.rule_text(*rule),
            String::from_utf8_lossy(&event.raw),
        );
    }

    /// JSON through a stream.
    fn json(&mut self, events: &mut [Expected], block: usize, seen: &mut Seen) {
        self.stream(events, usize::MAX, |round, expected, mut framed| {
            let mut event = framed.event();
            match &expected.route {
                Some(route) => event.route = Arc::clone(route),
                None => {
                    let hot = framed.record.route.as_ref().unwrap();
                    assert_eq!(
                        hot.name,
                        event.route.name,
                        "seed {}: routes of {}",
                        round.seed,
                        String::from_utf8_lossy(framed.bytes)
                    );
                }
            }
            expected.hits = round.expected(&event, seen);
            let hits = round.hits(expected, &mut framed, true);
            round.check("without memory", &hits, &expected.hits, &event);
            let hits = round.hits(expected, &mut framed, false);
            round.check("with memory", &hits, &expected.hits, &event);
        });
        // The other way round, when everything is remembered, and cut into blocks anywhere.
        events.reverse();
        self.stream(events, block, |round, expected, mut framed| {
            let hits = round.hits(expected, &mut framed, false);
            let event = framed.event();
            round.check("remembering", &hits, &expected.hits, &event);
        });
    }

    fn stream(
        &mut self,
        events: &mut [Expected],
        block: usize,
        mut each: impl FnMut(&mut Self, &mut Expected, Framed<'_>),
    ) {
        let mut log: Vec<u8> = Vec::new();
        for event in &*events {
            log.extend_from_slice(&event.bytes);
            log.push(b'\n');
        }
        let info = StreamInfo {
            file_name: "".into(),
            reference_time: 0,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::clone(&self.routing),
        };
        let mut stream = Stream::open(info, &log, None);
        let table = Arc::clone(self.ruleset.field_table());
        let mut record = std::mem::replace(&mut self.record, Record::new(Arc::clone(&table)));
        if events.iter().any(|event| event.route.is_some()) {
            // Other routes than they have: those may be read by nobody, for whom parsers fill nothing.
            record = Record::new(Arc::new(FieldTable::new(table.names())));
        }
        let mut next = events.iter_mut();
        let (mut done, mut end) = (0, 0);
        while end < log.len() {
            end = end.saturating_add(block).min(log.len());
            done += stream.read(&log[done..end], end == log.len(), &mut record, &mut |framed| {
                assert_eq!(framed.outcome, Outcome::Event, "{framed:?}");
                let event = next.next().unwrap_or_else(|| panic!("seed {}: {framed:?}", self.seed));
                assert_eq!(framed.bytes, event.bytes, "seed {}: {framed:?}", self.seed);
                each(self, event, framed);
            });
        }
        assert_eq!(next.len(), 0, "seed {}: events are missing", self.seed);
        self.record = record;
    }

    fn hits(&mut self, expected: &Expected, framed: &mut Framed<'_>, fresh: bool) -> Vec<u32> {
        if let Some(route) = &expected.route {
            framed.record.route = Some(Arc::clone(route));
        }
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        let mut whole = || {
            let mut event = whole();
            if let Some(route) = &expected.route {
                event.route = Arc::clone(route);
            }
            event
        };
        let mut hits = Vec::new();
        if fresh {
            let mut matcher = Matcher::new(Arc::clone(&self.ruleset));
            matcher.matches(bytes, record, &mut whole, &mut hits);
        } else {
            self.matcher.matches(bytes, record, &mut whole, &mut hits);
        }
        if !hits.is_empty() {
            self.check_matched(bytes, record, &mut whole, &hits);
        }
        hits
    }

    /// The wanted fields of a record say the same about what matched as the whole event.
    fn check_matched(
        &self,
        bytes: &[u8],
        record: &Record,
        mut whole: &mut dyn FnMut() -> Event,
        hits: &[u32],
    ) {
        let event = whole();
        let partial = Partial::new(bytes, record, None, &mut whole).unwrap();
        let (wanted, all) = (Lookup::new(&partial), Lookup::new(&event));
        for rule in hits {
            let of = &self.ruleset.rules()[*rule as usize];
            let (wanted, all) = (matched(of, &wanted), matched(of, &all));
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(wanted, all, "seed {}: {}\n{text}", self.seed, self.rule_text(*rule));
            // What is read from the rule is what the plain evaluator says of it.
            let explained = self.ruleset.oracle(*rule).unwrap().explain(&event);
            let mut holding = explained.holding_selections().into_iter();
            let mut names: Vec<&str> = all.iter().map(|part| &*part.selection).collect();
            names.dedup();
            assert!(
                names.iter().all(|name| holding.any(|selection| *selection.name == **name)),
                "seed {}: {names:?} of {}\n{text}",
                self.seed,
                self.rule_text(*rule)
            );
        }
    }

    /// A line of text of which some parser made fields.
    fn text(&mut self, dice: &mut Dice, seen: &mut Seen) {
        let bytes = damaged(&text(dice));
        let mut whole = Record::collecting();
        let mut record = std::mem::replace(
            &mut self.record,
            Record::new(Arc::clone(self.ruleset.field_table())),
        );
        record.clear();
        for _ in 0..dice.below(8) {
            let (name, value) = (dice.of(NATIVE), damaged(&text(dice)));
            record.set(name, &value);
            whole.set(name, &value);
        }
        record.route = Some(self.route(dice));
        record.body = if dice.once_in(4) { Body::Structured } else { Body::Text };
        whole.route.clone_from(&record.route);
        whole.body = record.body;
        let event = flat_event(&bytes, &whole);
        let expected = self.expected(&event, seen);
        let mut hits = Vec::new();
        self.matcher.matches(&bytes, &record, &mut || event.clone(), &mut hits);
        self.check("text", &hits, &expected, &event);
        self.record = record;
    }
}

fn round(seed: u64, seen: &mut Seen) {
    let dice = &mut Dice(seed);
    let mut round = Round::new(seed, dice);
    seen.rules += round.ruleset.rules().len();
    let mut events: Vec<Expected> = (0..EVENTS)
        .map(|_| {
            let route = (!dice.once_in(4)).then(|| round.route(dice));
            Expected { bytes: json_event(dice), route, hits: Vec::new() }
        })
        .collect();
    let block = 1 + dice.below(2000);
    round.json(&mut events, block, seen);
    for _ in 0..EVENTS / 4 {
        round.text(dice, seen);
    }
}

/// The first seed and the number of rounds, e.g. `1000+500`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SIGMUND_EQUIVALENCE") else {
        return 0..50;
    };
    let number = |text: &str| text.parse::<u64>().expect("SIGMUND_EQUIVALENCE=FIRST+ROUNDS");
    let (first, rounds) = asked.split_once('+').expect("SIGMUND_EQUIVALENCE=FIRST+ROUNDS");
    number(first)..number(first) + number(rounds)
}

#[test]
#[expect(clippy::print_stdout, reason = "says how much was compared")]
fn compiled_matcher_and_plain_evaluator_agree() {
    let mut seen = Seen::default();
    for seed in seeds() {
        round(seed, &mut seen);
    }
    println!(
        "equivalence: {} rules, {} rule/event pairs, {} matches",
        seen.rules, seen.pairs, seen.matches
    );
    assert!(seen.pairs >= 100_000, "only {} pairs were compared", seen.pairs);
    assert!(seen.matches * 20 >= seen.pairs, "only {} of them match", seen.matches);
}
