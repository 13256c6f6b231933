//! Lint: what loads but is probably not meant (semantics section 17).

/// Every diagnostic code with its one-line meaning; `sigmund explain CODE` prints the long text.
pub const CODES: &[(&str, &str)] = &[];
