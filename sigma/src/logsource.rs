//! The log source of a rule or of an event: what kind of log it is.

/// `category`, `product` and `service`, lower-cased (values compare ignoring case, choice C24).
///
/// In a rule, an attribute that is `None` is free; in an event it is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogSource {
    /// E.g. `process_creation`.
    pub category: Option<Box<str>>,
    /// E.g. `windows`.
    pub product: Option<Box<str>>,
    /// E.g. `security`.
    pub service: Option<Box<str>>,
}

impl LogSource {
    /// From its attributes, which are lower-cased.
    #[must_use]
    pub fn new(product: Option<&str>, category: Option<&str>, service: Option<&str>) -> Self {
        let lower = |text: Option<&str>| text.map(|text| text.to_lowercase().into_boxed_str());
        Self { category: lower(category), product: lower(product), service: lower(service) }
    }

    /// Whether no attribute is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.category.is_none() && self.product.is_none() && self.service.is_none()
    }

    /// Whether a rule (or filter) with this log source applies to an event (or rule) with `other`:
    /// every attribute given here equals the other's (specification, log source; choice C24).
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let free_or_equal =
            |mine: &Option<Box<str>>, theirs: &Option<Box<str>>| mine.is_none() || mine == theirs;
        free_or_equal(&self.category, &other.category)
            && free_or_equal(&self.product, &other.product)
            && free_or_equal(&self.service, &other.service)
    }
}

impl std::fmt::Display for LogSource {
    /// `windows/process_creation`, `zeek/-/http`, `-/webserver`: product/category/service.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or("-").to_owned();
        write!(f, "{}/{}", part(&self.product), part(&self.category))?;
        if let Some(service) = &self.service {
            write!(f, "/{service}")?;
        }
        Ok(())
    }
}
