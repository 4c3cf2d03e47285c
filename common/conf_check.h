// Checks a tree against a schema: unknown and misplaced words, blocks, argument counts, duplicates
// and the type of each first argument. Reports everything it finds; pure.
#pragma once

#include "common/conf_parser.h"
#include "common/conf_schema.h"

namespace holdfast {

// Sets ConfDirective::row on every directive without a fault; the others keep nullptr, so that a
// builder may go on and report what it finds in the rest. The schema must outlive the tree.
void check_conf(ConfTree &tree, const ConfSchema &schema, ConfReport &report);

// Whether `word` may be the first argument of `row`. Errc::config says why not, without the place.
Result<void> check_value(const ConfRow &row, std::string_view word);

}  // namespace holdfast
