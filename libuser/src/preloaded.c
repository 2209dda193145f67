// SPDX-License-Identifier: MIT
/* Without the shim malloc is not ours; the shim's own definition says it is. */
#include "hs_mode.h"

__attribute__((weak)) int hs_preloaded(void)
{
	return 0;
}
