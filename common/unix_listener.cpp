#include "common/unix_listener.h"
