// SPDX-License-Identifier: MIT
/* The generated size-class table. */
#include "sizeclass.h"

const struct hs_size_class hs_size_classes[HS_NR_CLASSES] = {
	HS_SIZE_CLASS_ROWS
};
