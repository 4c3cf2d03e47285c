#include "proxy/mcp/era.h"
