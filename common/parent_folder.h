// The folder a socket or pid file stands in, made when it is missing. Pure but for mkdir.
#pragma once

#include <string>

#include "common/result.h"

namespace holdfast {

// Makes the last folder of `path`'s parent, with mode 0700, unless it is there. Only that one: a
// missing grandparent is more likely a typing error than a wish. Errc::io.
Result<void> make_parent_folder(const std::string &path);

}  // namespace holdfast
