#include "proxy/mcp/rpc_scanner.h"
