/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

void process_raise_file_limit(void)
{
    enum { PLENTY = 16384 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= PLENTY)
        return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > PLENTY ? PLENTY : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* a refusal leaves what we had */
}

/*
 * Left alone, glibc serves ever larger buffers from its heaps once one of that size has been freed, and there the
 * pictures of encoders whose lives overlap leave holes: 50 sessions, each replaced by the next, held 27 MB more than
 * the first. With a fixed threshold large buffers are mappings of their own.
 */
void process_return_freed_memory(void)
{
#ifdef __GLIBC__
    enum { OWN_MAPPING_BYTES = 128 * 1024 };
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
#endif
}

void process_end_within(unsigned seconds)
{
    alarm(seconds); /* SIGALRM is not caught */
}

int process_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 1 ? (int)cores : 1;
}
