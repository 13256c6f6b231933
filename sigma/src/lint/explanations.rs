//! Every code of this crate, with a line for lists and a text for `explain`.

/// A code, its one-line meaning, its explanation.
type Entry = (&'static str, &'static str, &'static str);

/// Every diagnostic code with its one-line meaning; [`explain`] has the long text.
pub const CODES: &[(&str, &str)] = &summaries::<{ ENTRIES.len() }>(ENTRIES);

/// What a code means, why it matters and what to do; `None` for an unknown code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|(known, _, _)| *known == code).map(|(_, _, text)| *text)
}

const fn summaries<const N: usize>(entries: &[Entry]) -> [(&'static str, &'static str); N] {
    let mut summaries = [("", ""); N];
    let mut at = 0;
    while at < N {
        summaries[at] = (entries[at].0, entries[at].1);
        at += 1;
    }
    summaries
}

const ENTRIES: &[Entry] = &[
    // YAML.
    (
        "yaml-syntax",
        "the text is not YAML",
        "The document is not YAML and is not loaded; other documents of the file are.\n\
         Frequent causes: a value that starts with `*`, `%`, `@` or `{` without quotes, a `: ` inside \
         an unquoted value, a tab in the indentation, a backslash sequence in double quotes.\n\
         Put values into single quotes: there only `'` needs doubling.",
    ),
    (
        "yaml-too-long",
        "the text is longer than a gigabyte",
        "Texts beyond one gigabyte are refused. A rule is a few kilobytes; is this a log?",
    ),
    (
        "too-many-errors",
        "a file has more errors than are listed",
        "The first thousand errors of a file are listed. So many usually mean that the file is not \
         a rule at all, or that one mistake is repeated by a generator.",
    ),
    (
        "yaml-depth-limit",
        "collections are nested too deeply",
        "Rules need less than ten levels of nesting; a hundred are allowed, so that a hostile text \
         cannot exhaust the stack.",
    ),
    (
        "yaml-alias-limit",
        "aliases expand to too much",
        "Anchors and aliases of this document would copy more nodes or bytes than allowed. Nested \
         aliases grow exponentially (\"billion laughs\"); write the values out.",
    ),
    (
        "yaml-complex-key",
        "a key is not a single text",
        "Keys of mappings must be texts. A list or a mapping as a key (`? [a, b]`) has no meaning in \
         Sigma.",
    ),
    (
        "yaml-merge-key",
        "`<<` does not name a mapping",
        "The merge key `<<` takes an alias of a mapping, or a list of them.",
    ),
    (
        "duplicate-key",
        "a key occurs twice in one mapping",
        "YAML forbids it, and tools keep the first, the last or both. A selection that needs one field \
         twice uses different modifiers (`Image|endswith`, `Image|contains`), `all` with a list, or \
         two selections.",
    ),
    // Documents.
    (
        "not-a-rule",
        "the document is not a mapping",
        "A rule, correlation or filter is a mapping with `title`. Is the file something else?",
    ),
    (
        "missing-title",
        "the document has no title",
        "`title` is required of rules, correlations and filters: it is what alerts are called.",
    ),
    (
        "missing-logsource",
        "the document has no `logsource`",
        "Rules and filters need `logsource` with at least one of `product`, `category`, `service`, \
         which says what logs they are for.",
    ),
    (
        "invalid-logsource",
        "the log source cannot be used",
        "`logsource` is a mapping with at least one of `product`, `category` and `service`, each a \
         single text. A rule for two log sources is two rules.",
    ),
    (
        "invalid-metadata",
        "an attribute has the wrong type or value",
        "Attributes have the types of the specification: `status` is stable, test, experimental, \
         deprecated or unsupported; `level` is informational, low, medium, high or critical; \
         `tags`, `references` and `falsepositives` are lists of texts.",
    ),
    (
        "kafka-no-effect",
        "a key of the `kafka` section has no effect",
        "Rules of Confluent Sigma may have a `kafka` section: `outputTopic` is the topic of their \
         detections, `customFields` are added to them. Nothing else in it is read.",
    ),
    (
        "missing-detection",
        "the rule has no `detection` mapping",
        "`detection` holds the selections and the `condition`. A document without it must have \
         `correlation` or `filter`.",
    ),
    (
        "missing-selection",
        "`detection` has no selection",
        "Besides `condition`, `detection` needs at least one named selection.",
    ),
    (
        "missing-condition",
        "there is no `condition`",
        "`condition` says how selections are linked; the simplest is the name of one: \
         `condition: selection`.",
    ),
    (
        "invalid-action",
        "unknown `action` of a rule collection",
        "Rule collections of Sigma version 1 know `action: global`, `reset` and `repeat`.",
    ),
    (
        "action-limit",
        "a rule collection copies too much",
        "Templates of `action: global` and `repeat` are copied into each rule that follows; together \
         they are larger than allowed.",
    ),
    // Detections.
    (
        "empty-selection",
        "a selection is empty",
        "A selection without items would match every event. Remove it, or give it an item.",
    ),
    (
        "empty-value",
        "there is nothing to encode",
        "`base64` and `base64offset` look for the encoded text, and of an empty text nothing would be left \
         to look for. Write the text. For a field that is empty, leave the modifier out: `field: ''`; for one \
         that is missing, write `field: null`.",
    ),
    (
        "invalid-value",
        "a value has the wrong YAML type",
        "The value of a field is a text, a number, a boolean, null, or a list of these. A mapping in \
         its place is usually an indentation mistake. A list has one value at least: an empty one would \
         match nothing, and other tools read it as null. Write `''` for the empty text, `null` for a \
         missing field.",
    ),
    (
        "unknown-modifier",
        "a modifier does not exist",
        "Modifiers follow the field, separated by `|`, in lower case: `Image|endswith`. See the Sigma \
         specification, appendix \"Value modifiers\".",
    ),
    (
        "foreign-modifier",
        "a modifier has a name that only Confluent Sigma knows",
        "`beginswith`, `greater_than` and `less_than` are read as `startswith`, `gt` and `lt`, so that rules of \
         Confluent Sigma run as they are. Other engines refuse them.",
    ),
    (
        "modifier-type",
        "a modifier cannot work with this type of value",
        "Modifiers apply in the order written, each to what the one before has made. Text modifiers \
         need text, `lt` and its kin numbers (unquoted), `exists` a boolean.",
    ),
    (
        "modifier-combination",
        "modifiers do not go together",
        "`re` and `cidr` come first, flags `i`, `m`, `s` follow `re`, `exists` stands alone.",
    ),
    (
        "keyword-type",
        "a modifier needs a field",
        "Keywords are searched in the whole event; a modifier such as `exists` says something about \
         a field and needs one.",
    ),
    (
        "expansion-limit",
        "a value expands to too many",
        "Modifiers such as `windash` and `expand` make several values of one. Here they make more \
         than allowed; split the value, or use fewer of them.",
    ),
    (
        "invalid-regex",
        "a regular expression cannot be used",
        "Regular expressions run in linear time, so that look-around and back-references do not exist. \
         What they do can mostly be said by a second selection and `not`.",
    ),
    (
        "invalid-cidr",
        "a network is not in CIDR notation",
        "`cidr` takes an IPv4 or IPv6 network such as `10.0.0.0/8` or `fe80::/10` without host bits, \
         or a single address.",
    ),
    (
        "invalid-fieldref",
        "a field reference is not a field name",
        "`fieldref` takes the name of another field, without wildcards.",
    ),
    (
        "unresolved-placeholder",
        "a placeholder has no value",
        "`expand` replaces `%name%` by configured values. Without them the rule could only be wrong, \
         so it is not loaded. Give the values on the command line, in the configuration, or in `vars` \
         of a pipeline with `value_placeholders`.",
    ),
    (
        "placeholder-without-expand",
        "a standard placeholder stands where nothing expands it",
        "Percent signs are plain text unless the field has the modifier `expand`: \
         `User|expand: '%Administrators%'`.",
    ),
    // Conditions.
    (
        "condition-syntax",
        "the condition cannot be read",
        "Conditions link the names of selections with `and`, `or`, `not`, parentheses, `1 of x*`, \
         `all of x*` and `them`. `not` binds tighter than `and`, `and` tighter than `or`.",
    ),
    ("empty-condition", "the condition is empty", "Name a selection: `condition: selection`."),
    (
        "condition-too-large",
        "a condition names its selections too often",
        "Every mention of a selection adds its tests to the condition once more, and `all of them` \
         mentions all of them. Such a rule would take very long to load and to match: say what its \
         parts have in common once, or split the rule.",
    ),
    (
        "undefined-selection",
        "the condition names a selection that does not exist",
        "Names of selections are case-sensitive. Patterns such as `selection_*` only work after \
         `1 of` and `all of`.",
    ),
    (
        "selector-without-match",
        "`1 of` or `all of` finds no selection",
        "A pattern that finds nothing is false here, whatever its quantifier. pySigma drops it, \
         others refuse the rule. Names that start with `_` are found only by patterns that do.",
    ),
    (
        "unused-selection",
        "the condition does not use a selection",
        "Nothing looks at this selection. Was it forgotten in the condition, or is its name not what \
         the pattern asks for?",
    ),
    (
        "capital-operator",
        "an operator is written in capitals",
        "`AND`, `OR` and `NOT` are read here, but pySigma refuses the rule.",
    ),
    (
        "condition-them",
        "`them` takes in every selection",
        "`1 of them` also takes in selections that somebody adds later, filters included. A pattern \
         such as `selection_*` says what is meant.",
    ),
    // Correlations.
    (
        "correlation-syntax",
        "`correlation` is not a mapping",
        "A correlation has `type`, `rules`, `timespan`, mostly `group-by` and `condition`.",
    ),
    (
        "correlation-unknown-key",
        "unknown key in a correlation",
        "Keys of `correlation` are type, rules, group-by, timespan, condition, aliases and generate. \
         Metadata such as `level` stands at top level.",
    ),
    (
        "correlation-type",
        "missing or unknown correlation type",
        "Types are event_count, value_count, value_sum, value_avg, value_percentile, value_median, \
         temporal and temporal_ordered.",
    ),
    (
        "correlation-rules",
        "the rules of a correlation are missing or wrong",
        "`rules` lists ids or names of rules or other correlations. Only an extended condition of a \
         temporal correlation can do without.",
    ),
    (
        "correlation-group-by",
        "`group-by` is not a list of fields",
        "`group-by` lists fields or aliases; hits are counted for each combination of their values. \
         Hits without one of the fields are left out.",
    ),
    (
        "correlation-timespan",
        "missing or unreadable time span",
        "`timespan` is a number and a unit: s, m, h, d, w, M (month) or y, e.g. `15m`.",
    ),
    (
        "correlation-condition",
        "the condition of a correlation is missing or wrong",
        "`condition` is a mapping of gt, gte, lt, lte, eq or neq to numbers, e.g. `{gte: 10}`; several \
         must all hold. Temporal correlations may have a text over all their rules instead: \
         `a and not b`.",
    ),
    (
        "correlation-field",
        "`field` is missing or not wanted",
        "The value types need `field` in their condition; only `value_count` takes a list. \
         `event_count` and the temporal types have no field.",
    ),
    (
        "correlation-aliases",
        "`aliases` is not a mapping of mappings",
        "An alias gives one name to fields that are called differently in each rule:\n\
         aliases:\n    ip:\n        rule_a: src_ip\n        rule_b: IpAddress",
    ),
    (
        "correlation-alias",
        "an alias is not used or names an unknown rule",
        "An alias takes effect in `group-by` and `field`, for the rules of the correlation that it \
         names. A rule that it does not name is grouped by a field with the name of the alias; where \
         its events have no such field, its hits do not count.",
    ),
    (
        "correlation-never",
        "the condition of a correlation can never be true",
        "The bounds exclude each other (`gte: 10` and `lt: 10`), ask for part of an event \
         (`eq: 2.5`), or for more rules than there are; or the expression over rules is false \
         whichever of them have hits.",
    ),
    (
        "correlation-without-hit",
        "a condition over rules is true without any hit",
        "`not a` holds whenever nothing happens, but a correlation is only looked at where one of \
         its rules has a hit. Name a rule that must have one: `b and not a`.",
    ),
    (
        "correlation-single-rule",
        "a temporal correlation of one rule",
        "All rules of a temporal correlation must have hits in one window. With one rule, that is \
         each of its hits: rules were forgotten, or `event_count` is meant.",
    ),
    (
        "correlation-with-detection",
        "a correlation with the parts of a rule",
        "A document with `correlation` is a correlation; `logsource` and `detection` in it have no \
         effect. Put them into a document of their own and refer to its `name`.",
    ),
    (
        "timespan-unit",
        "a time span in weeks, months or years",
        "The specification has s, m, h and d. `w`, `M` and `y` are read here as in pySigma, but not \
         by all tools; and `5M` is five months, not five minutes.",
    ),
    (
        "correlation-generate",
        "`generate` is not a boolean",
        "`generate: true` lets the rules of a correlation report on their own as well.",
    ),
    (
        "correlation-upper-bound",
        "a correlation that looks for few hits",
        "`lt`, `lte`, `eq` and `neq` can only be decided when the window closes. A group's first hit \
         opens its window; a group that never sends anything is never reported as absent.",
    ),
    (
        "unresolved-reference",
        "a referenced rule does not exist",
        "`rules` of a correlation refers to rules by `id` or `name`; they must be loaded with it and \
         be free of errors.",
    ),
    (
        "cyclic-reference",
        "correlations refer to each other in a circle",
        "A correlation may use others, but not itself through them.",
    ),
    (
        "legacy-aggregation-syntax",
        "an aggregation of version 1 cannot be read",
        "After the `|`: `count()`, `count(field)`, `sum`, `min`, `max` or `avg` of a field, then \
         `by field` if wanted, a comparison and a number; or `near` and names of selections.",
    ),
    (
        "legacy-timeframe",
        "`timeframe` cannot be read",
        "`timeframe` is a number and a unit, e.g. `5m`.",
    ),
    (
        "legacy-aggregation",
        "the condition has an aggregation of version 1",
        "`| count() by x > 5` was removed in Sigma 2. It is translated into a correlation here: \
         `count()` to event_count, `count(x)` to value_count, `sum`, `avg` to value_sum, value_avg, \
         `min`, `max` to percentiles 0 and 100, `near` to temporal without an order. A correlation \
         rule says the same in a way that all tools read.\n\
         The help line has it, and `sigmund check --fix` writes it: the document becomes the \
         correlation, with its title, id and level, so that alerts stay what they were; its \
         `logsource` and `detection` move into a rule behind it, with an id that follows from the \
         old one. `near` makes a rule of each selection. The fix is left to you where `timeframe` \
         is missing, since a correlation needs a window, and where a filter names the rule, since \
         filters apply to what a correlation counts.",
    ),
    (
        "legacy-without-timeframe",
        "an aggregation has no window",
        "Without `timeframe` everything counts together: the whole input offline, forever on a \
         stream. A correlation rule cannot say that: decide on a `timeframe`, and `--fix` can write \
         one.",
    ),
    // Filters.
    (
        "invalid-filter",
        "the filter cannot be used",
        "A filter has `logsource` and, under `filter`, `rules` (a list of ids or names, or `any`), \
         selections and one `condition`.",
    ),
    (
        "filter-without-not",
        "a filter that keeps what it describes",
        "The filter's condition is linked to the rule's with `and`: a filter that should exclude \
         something needs `condition: not selection`. Without `not`, rules report *only* what the \
         filter describes.",
    ),
    (
        "filter-unknown-rule",
        "a filter is for a rule that is not loaded",
        "The filter has no effect on it. Check the id or name.",
    ),
    (
        "filter-for-correlation",
        "a filter names a correlation",
        "Filters change what rules match; a correlation matches no events itself. Name the rules \
         that it uses.",
    ),
    (
        "filter-log-source",
        "a filter names a rule that its log source excludes",
        "A filter applies to the rules that it names and whose log source has all that its own \
         `logsource` gives. To this rule it does not apply, and what it should exclude is found.",
    ),
    // Pipelines.
    (
        "pipeline-syntax",
        "a pipeline cannot be read",
        "Pipelines are YAML in pySigma's format: `transformations` is a list of items with `type`, \
         parameters, and conditions. An item with an error is left out.",
    ),
    (
        "pipeline-unknown-transformation",
        "unknown transformation",
        "See the pySigma documentation, \"Processing pipelines\", for the names.",
    ),
    (
        "pipeline-unsupported",
        "a transformation that is not supported",
        "Transformations that read files, fetch URLs, run commands or make query text are refused: \
         rules are matched here, not converted.",
    ),
    (
        "pipeline-unknown-condition",
        "unknown condition in a pipeline",
        "There are rule conditions, detection item conditions and field name conditions, with types of \
         their own.",
    ),
    (
        "pipeline-regex",
        "a regular expression of a pipeline cannot be used",
        "Look-around and back-references are not supported.",
    ),
    (
        "pipeline-ignored",
        "a part of a pipeline has no effect here",
        "Post-processing and finalizers change query texts, which do not exist here.",
    ),
    (
        "pipeline-failure",
        "a pipeline refuses the rule",
        "The pipeline has a failure transformation for rules like this one, e.g. because the target \
         has no such field. The rule is not loaded.",
    ),
    (
        "pipeline-placeholder",
        "a placeholder has no variable in the pipeline",
        "`value_placeholders` takes values from `vars` of this pipeline or those before it.",
    ),
    (
        "pipeline-value",
        "a pipeline cannot change a value",
        "The value has not the form that the transformation needs.",
    ),
    (
        "pipeline-too-many",
        "a field mapping multiplies out too far",
        "Every field that is mapped to several doubles its selection or more. In correlations a field \
         must be mapped to exactly one.",
    ),
    (
        "pipeline-empties-rule",
        "a pipeline leaves nothing of the condition",
        "All detection items of the condition were dropped; what is left would match everything.",
    ),
    (
        "logsource-mapping",
        "a log source mapping cannot be read",
        "Mappings have `logsources`: names of entries with `product`, `category` or `service`, \
         `conditions`, `rewrite` and `fieldmappings`, as in SigmaHQ's `tests/thor.yml`.",
    ),
    (
        "invalid-taxonomy",
        "a taxonomy cannot be read",
        "Taxonomies have the format of SigmaHQ's `tests/logsource.json`.",
    ),
    // Lint: metadata.
    (
        "title-too-long",
        "the title is longer than 256 characters",
        "The specification allows 256 characters; SigmaHQ wants about 100.",
    ),
    (
        "title-style",
        "the title is not in title case",
        "Titles are written like headings: `Suspicious Child Process Of Word`, without a full stop.",
    ),
    (
        "missing-id",
        "the document has no id",
        "Correlations, filters and alerts refer to rules by id; titles change.",
    ),
    (
        "id-not-uuid",
        "an id is not a UUID",
        "The specification asks for UUIDs; pySigma refuses anything else.",
    ),
    (
        "id-not-uuid4",
        "an id is not a random UUID",
        "The specification recommends version 4, which needs no coordination.",
    ),
    (
        "duplicate-id",
        "two documents have the same id",
        "Ids must be unique: references would be ambiguous, and alerts could not be told apart. Copies \
         get a new id and name the old one under `related`.",
    ),
    (
        "duplicate-name",
        "two documents have the same name",
        "Names are references and must be unique.",
    ),
    (
        "duplicate-title",
        "two documents have the same title",
        "People know a detection by its title: with the same one twice nobody can tell which rule \
         it was. Say in the title what sets the rules apart.",
    ),
    (
        "missing-level",
        "the document has no level",
        "Without a level nobody can tell how urgent an alert is, and options that select by level leave \
         it out.",
    ),
    (
        "capital-value",
        "a value that is written in lower case by convention",
        "Status, level and log sources are compared ignoring case here, but not by all tools.",
    ),
    (
        "tag-format",
        "a tag is not of the form `namespace.name`",
        "Tags are lower case, with a namespace; ATT&CK tactics have dashes since Sigma 2.0: \
         `attack.initial-access`.",
    ),
    (
        "tag-namespace",
        "a tag has an unknown namespace",
        "Namespaces of the specification are attack, car, cve, d3fend, detection, stp and tlp. One of \
         your own is fine; ignore this code then.",
    ),
    ("date-format", "a date is not of the form YYYY-MM-DD", "Dates are ISO 8601 since Sigma 2.0."),
    (
        "modified-before-date",
        "the rule was modified before it was made",
        "`modified` is the date of the last change, `date` that of the first version.",
    ),
    (
        "related-type",
        "unknown type of a relation",
        "Types are derived, obsolete, merged, renamed and similar.",
    ),
    (
        "foreign-taxonomy",
        "the fields are of another taxonomy than Sigma's, and nothing maps them",
        "Fields of the taxonomy `sigma` are found under the names that each log format has for them. Those of \
         another taxonomy are not, so the document is not loaded: it would find nothing and nobody \
         would know. Give a pySigma processing pipeline that maps the fields (`-p FILE`). If the \
         logs have these very names, remove `taxonomy`.",
    ),
    (
        "misspelt-attribute",
        "an attribute nearly has the name of a known one",
        "Custom attributes are allowed; this one looks like a typing mistake and has no effect.",
    ),
    (
        "not-a-list",
        "an attribute that is a list has a single text",
        "`tags`, `references`, `falsepositives`, `fields` and `scope` are lists; pySigma refuses a text.",
    ),
    // Lint: values.
    (
        "all-with-one-value",
        "`all` with a single value",
        "`all` turns the OR over a list into an AND. With one value it does nothing; probably values \
         are missing, or were removed.",
    ),
    (
        "windash-with-all",
        "`windash` together with `all`",
        "Each value becomes several, of which one must match here. Other tools require all of them.",
    ),
    (
        "encoding-without-base64",
        "a UTF-16 encoding without Base64",
        "`wide` and its kin turn the value into bytes with zeros between the letters. That is what \
         Base64 of PowerShell commands holds: `wide|base64offset|contains`.",
    ),
    (
        "null-in-list",
        "`null` among other values",
        "The specification forbids it. Write\n\
         filter_null:\n    field: null\nand `1 of filter_*`.",
    ),
    (
        "exists-and-null",
        "a field is asked both to exist and to be null",
        "`field: null` is true if the field is missing or null, `field|exists: true` if it is there. \
         Both at once is a field that is there and null.",
    ),
    (
        "duplicate-value",
        "a value is in the list twice",
        "Matching ignores case, so that `cmd.exe` and `CMD.EXE` are the same.",
    ),
    (
        "ambiguous-scalar",
        "an unquoted value that tools read differently",
        "YAML 1.1 and 1.2 disagree about `yes`, `0x1F`, `010`, `1:30`, `1e3`, `2024-01-01` and their \
         kin: text to one, a number, boolean or date to the other. Here they are the text that is \
         written, and numbers only behind `lt`, `hour` and the like, which take nothing else. Quotes settle it, or a plain number.",
    ),
    (
        "escaped-wildcard",
        "`\\*` in a path is a literal asterisk",
        "A backslash before `*` takes its meaning away: `C:\\Users\\*\\x` only matches a folder that is \
         really called `*`. Two backslashes are one backslash, and leave the wildcard: \
         `C:\\Users\\\\*\\x`.",
    ),
    (
        "unc-path",
        "two backslashes stand for one",
        "In Sigma text `\\\\` is one backslash. A UNC path starts with four: `\\\\\\\\server\\share`.",
    ),
    (
        "question-mark-in-url",
        "`?` in a URL is a wildcard",
        "It stands for any one character, a question mark among them, so that the rule still matches. \
         `\\?` is a question mark only.",
    ),
    (
        "wildcard-for-modifier",
        "wildcards where a modifier would do",
        "`'*x*'` is `contains`, `'*x'` is `endswith`, `'x*'` is `startswith`: the same meaning, easier \
         to read, and without the trap of a backslash before the wildcard.",
    ),
    (
        "redundant-wildcard",
        "a wildcard that the modifier adds anyway",
        "`contains`, `startswith` and `endswith` open the value on their own.",
    ),
    (
        "needless-regex",
        "a regular expression without need",
        "The pattern is plain text. Text modifiers are faster, and ignore case, which regular \
         expressions do not.",
    ),
    (
        "regex-redundant-any",
        "`.*` at the end of a regular expression",
        "Regular expressions are searched for anywhere in the value; `.*` at either end does nothing.",
    ),
    (
        "costly-regex",
        "a regular expression that may take long",
        "`a{1,200}` is written out as 200 places, and nested counts multiply: `(a{1,200}){1,20}` has \
         4000. Matching takes time linear in the text, but one character may take a step for each of \
         these places, so that a long text made for it takes seconds. Use smaller counts, do not nest \
         them, or write `+` and `*` where the exact number does not matter.",
    ),
    // Lint: log sources.
    (
        "unknown-field",
        "the log source has no such field",
        "Field names are compared exactly, with their case. A name that the log source does not have \
         never matches (and always does under `not`). In `group-by` or `field` of a correlation it \
         keeps all hits of that rule from counting; where rules call it differently, `aliases` say \
         so.",
    ),
    (
        "unknown-logsource",
        "the log source is not in the taxonomy",
        "No events may ever be of this log source. It is only checked when a taxonomy is given.",
    ),
    // Lint: style.
    (
        "byte-order-mark",
        "the text starts with a byte order mark",
        "UTF-8 needs none, and some YAML libraries take it for a part of the first key.",
    ),
    (
        "crlf",
        "lines end with CR LF",
        "Rules are shared with LF line ends; differences get noisy otherwise.",
    ),
    (
        "trailing-blanks",
        "lines end with blanks",
        "They are invisible and make noise in differences.",
    ),
    (
        "not-utf8",
        "the text was not UTF-8",
        "Bytes that are not UTF-8 were replaced, so that values that contain them never match.",
    ),
    (
        "invisible-character",
        "a character changes the direction of text",
        "Such characters make a text look different from what it is, in rules as in file names. Written \
         as an escape in double quotes they can be seen.",
    ),
    (
        "file-name",
        "the file name is not in SigmaHQ's style",
        "File names are lower case with underscores, and end with `.yml`.",
    ),
    (
        "unknown-code",
        "a suppression names a code that does not exist",
        "`# sigmund: ignore[code]` takes the codes that are printed with findings.",
    ),
];
