// The verbs about servers of upstreams, which holdfastctl calls backends: UPSTREAM/SERVER, as lists
// show them. Private to verbs.cpp.
#pragma once

#include "sessiond/ctl/run.h"

namespace holdfast::ctl {

Exit list_backends(const Run &run);
Exit backend_status(const Run &run);
Exit drain_backend(const Run &run);
Exit disable_backend(const Run &run);
Exit enable_backend(const Run &run);

}  // namespace holdfast::ctl
