#include "proxy/http/head_parser.h"
