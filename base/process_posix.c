/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

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

void process_end_within(unsigned seconds)
{
    alarm(seconds); /* SIGALRM is not caught */
}
