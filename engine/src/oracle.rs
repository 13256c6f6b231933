//! The plain evaluator: written for clarity, straight from the parsed rule.
