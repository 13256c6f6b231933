//! What processing items do, as data.

use super::ProcessingItem;
use crate::LogSource;
use crate::rule::Item;
use crate::value::Scalar;
use regex::Regex;

/// A transformation with its parameters. The doc comments give the name in pipeline files.
#[derive(Clone, Debug)]
pub(super) enum Transformation {
    /// `field_name_mapping`; `None` stands for keywords, no targets drop the item.
    FieldNameMapping(Vec<(Option<String>, Vec<String>)>),
    /// `field_name_prefix_mapping`
    FieldNamePrefixMapping(Vec<(String, Vec<String>)>),
    /// `field_name_prefix`
    FieldNamePrefix(String),
    /// `field_name_suffix`
    FieldNameSuffix(String),
    /// `drop_detection_item`
    DropDetectionItem,
    /// `hashes_fields`: `SHA1=…` in a common field to a field of each algorithm.
    HashesFields(HashesFields),
    /// `value_placeholders`: from `vars`.
    ValuePlaceholders(PlaceholderNames),
    /// `wildcard_placeholders`: `*`.
    WildcardPlaceholders(PlaceholderNames),
    /// `add_condition`
    AddCondition {
        /// All must hold.
        items: Vec<Item>,
        /// Whether `$product`, `$category` and `$service` are filled in.
        template: bool,
        /// Not all of them may hold.
        negated: bool,
    },
    /// `change_logsource`
    ChangeLogSource(LogSource),
    /// `add_field`, of the rule's field list.
    AddFields(Vec<String>),
    /// `remove_field`
    RemoveFields(Vec<String>),
    /// `set_field`
    SetFields(Vec<String>),
    /// `replace_string`
    ReplaceString {
        /// Searched in the plain form of the value.
        regex: Regex,
        /// In the notation of the `regex` crate.
        replacement: String,
    },
    /// `map_string`
    MapString(Vec<(String, Vec<String>)>),
    /// `set_state`
    SetState(String, Scalar),
    /// `set_value`
    SetValue(Scalar),
    /// `convert_type` to `num`; otherwise to `str`.
    ConvertType {
        /// `num`.
        to_number: bool,
    },
    /// `case`
    Case {
        /// `upper`; otherwise `lower`.
        upper: bool,
    },
    /// `set_custom_attribute`
    SetCustomAttribute(String, String),
    /// `rule_failure`
    RuleFailure(String),
    /// `detection_item_failure`
    DetectionItemFailure(String),
    /// `strict_field_mapping_failure`
    StrictFieldMappingFailure,
    /// `nest`
    Nest(Vec<ProcessingItem>),
}

/// Parameters of `hashes_fields`.
#[derive(Clone, Debug)]
pub(super) struct HashesFields {
    /// `valid_hash_algos`, upper case.
    pub(super) algorithms: Vec<String>,
    /// `field_prefix`
    pub(super) prefix: String,
    /// `drop_algo_prefix`
    pub(super) drop_algorithm: bool,
    /// `field_to_parse`
    pub(super) fields: Vec<String>,
}

/// `include` or `exclude` of a placeholder transformation.
#[derive(Clone, Debug)]
pub(super) enum PlaceholderNames {
    All,
    Only(Vec<String>),
    Except(Vec<String>),
}

impl PlaceholderNames {
    pub(super) fn contain(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known == name),
            Self::Except(names) => names.iter().all(|known| known != name),
        }
    }
}

/// Every transformation by its name in pipeline files, with the reason if it is refused.
pub(super) const NAMES: &[(&str, Option<&str>)] = &[
    ("field_name_mapping", None),
    ("field_name_prefix_mapping", None),
    ("field_name_prefix", None),
    ("field_name_suffix", None),
    ("drop_detection_item", None),
    ("hashes_fields", None),
    ("value_placeholders", None),
    ("wildcard_placeholders", None),
    ("add_condition", None),
    ("change_logsource", None),
    ("add_field", None),
    ("remove_field", None),
    ("set_field", None),
    ("replace_string", None),
    ("map_string", None),
    ("set_state", None),
    ("set_value", None),
    ("convert_type", None),
    ("case", None),
    ("set_custom_attribute", None),
    ("rule_failure", None),
    ("detection_item_failure", None),
    ("strict_field_mapping_failure", None),
    ("nest", None),
    ("field_name_transform", Some("it calls a Python function")),
    ("extract_fields", Some("it makes new items from parts of a value")),
    ("regex", Some("it exists for query languages that cannot ignore case")),
    ("query_expression_placeholders", Some("it inserts text of a query language")),
    ("file_placeholders", Some("it reads a file")),
    ("http_placeholders", Some("it fetches a URL")),
    ("command_placeholders", Some("it runs a command")),
];
