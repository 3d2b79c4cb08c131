/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* The struct that embeds `member` at `pointer`. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
