/* SPDX-License-Identifier: Apache-2.0 */
/* assets: files compiled into the program (packaging/cmake/embed.cmake). */
#pragma once

#include <stddef.h>

extern const unsigned char asset_desktop_png[]; /* box art of the application "Desktop", 600x800 */
extern const size_t asset_desktop_png_size;
