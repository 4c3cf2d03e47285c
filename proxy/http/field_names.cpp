#include "proxy/http/message.h"
