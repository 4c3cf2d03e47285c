#include "proxy/http/head_writer.h"
