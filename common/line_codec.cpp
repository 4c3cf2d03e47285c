#include "common/line_codec.h"
