//! pySigma-style processing pipelines.

/// A parsed pipeline.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {}
