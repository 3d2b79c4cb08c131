/* SPDX-License-Identifier: Apache-2.0 */
/* allocations_main: allocates once in each way, then once more as a program started by this one; a test counts. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void in_each_way(void)
{
    void *aligned = NULL, *memory[] = {
                              malloc(10),       calloc(2, 5),          realloc(NULL, 10), reallocarray(NULL, 2, 5),
                              memalign(64, 64), aligned_alloc(64, 64), strdup("text"),
                          };
    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        free(memory[i]);
    if (posix_memalign(&aligned, 64, 64) == 0)
        free(aligned);
    free(NULL);
}

int main(int argc, char **argv)
{
    prctl(PR_SET_NAME, argc > 1 ? "again" : "once");
    in_each_way();
    if (argc == 1)
        execl(argv[0], argv[0], "again", (char *)NULL);
    return argc == 1;
}
