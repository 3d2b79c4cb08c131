/* SPDX-License-Identifier: Apache-2.0 */
/* file: whole small files. May block: not on the main thread while streaming, except reads at start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum file_result { FILE_OK, FILE_MISSING, FILE_FAILED };

/* Reads at most `max_size` bytes (larger: FILE_FAILED). `*ret_data` is NUL-terminated, freed by the caller.
 * FILE_FAILED is logged, FILE_MISSING is not. */
enum file_result file_read(const char *path, size_t max_size, char **ret_data, size_t *ret_size);

/* Temporary file beside it, fsync, rename, fsync of the folder. The old file stays whole when anything fails (logged).
 * `mode` as of chmod, e.g. 0600. */
bool file_write_atomic(const char *path, const void *data, size_t size, unsigned mode);

/* The folder and its missing parents, 0700 for those it makes. */
bool file_make_folder(const char *path);
