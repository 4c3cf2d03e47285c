#include "common/unix_channel.h"
