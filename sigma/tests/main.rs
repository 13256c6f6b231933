//! Tests of whole collections. One executable: each is linked with full optimization in releases, which takes a minute.

mod correlations;
mod hostile;
mod legacy;
mod lint;
mod load;
mod shared;
