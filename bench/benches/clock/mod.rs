//! What the benches share: CPU time as the measure, and the inputs.

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use sigmund_bench::cpu_time;
use sigmund_bench::stage::Inputs;
use std::io::Write as _;
use std::time::Duration;

/// CPU time of the thread: other programs on the machine do not count.
#[derive(Debug)]
pub(crate) struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time::of_this_thread()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_time::of_this_thread().saturating_sub(start)
    }

    fn add(&self, left: &Duration, right: &Duration) -> Duration {
        *left + *right
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Short runs: the whole takes about two minutes.
pub(crate) fn in_cpu_time() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
}

/// The inputs, named loudly: a figure without them says nothing.
pub(crate) fn inputs() -> Inputs {
    let inputs = Inputs::best().expect("fixtures/ is there");
    let real = inputs.evtx.is_some();
    let what = if real { "real logs, SigmaHQ rules" } else { "ONLY FIXTURES: ../shared is absent" };
    let _ = write!(std::io::stderr(), "measured on {what}:\n{inputs}");
    inputs
}
