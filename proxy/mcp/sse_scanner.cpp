#include "proxy/mcp/sse_scanner.h"
