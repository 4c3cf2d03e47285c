#include "proxy/http/body_decoder.h"
