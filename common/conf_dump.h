// A configuration as -T prints it: every file that was read under a line
// `# configuration file /path:`, an included one where its include stood, so that the whole is
// itself a configuration. Pure.
#pragma once

#include <string>

#include "common/conf_parser.h"

namespace holdfast {

// `secrets` false: values of directives marked secret, and everything in an env file that is not
// one of the tree's known variables, print as ***. The tree must have been checked.
std::string dump_conf(const ConfTree &tree, bool secrets);

}  // namespace holdfast
