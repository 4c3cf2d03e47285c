#include "proxy/mcp/endpoint_rewrite.h"
