#include "record/batch.h"
