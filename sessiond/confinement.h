// What a running sessiond may still do: serve its Unix sockets, read configuration where it was
// found at start, write its log, and remove its own files at the end. Pure but for looking at which
// folders there are.
#pragma once

#include "common/conf_source.h"
#include "common/sandbox.h"
#include "sessiond/config.h"

namespace holdfast::sessiond {

// `read` is what loading the configuration asked for: a reload may read the folders of those files
// and of those patterns again, with everything below them.
SandboxPlan confinement(const ConfRequest &request, const ConfBundle &read, const Config &config);

}  // namespace holdfast::sessiond
