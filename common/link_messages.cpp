#include "common/link_messages.h"
