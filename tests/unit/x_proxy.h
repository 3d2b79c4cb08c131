/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x_proxy: an X display that hands everything on to another one, descriptors included, until it stops in the middle of
 * a long reply: what a server does that is killed halfway by its driver. And it can be spiteful, as a server of another
 * user may be. Runs on a thread.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { X_PROXY_LINKS = 16 };

struct x_proxy_link;

struct x_proxy {
    int number, target; /* target: of the display behind it */
    char name[16];
    int listener, wake[2];
    pthread_t thread;
    atomic_bool ending, armed, stopped;
    atomic_bool spiteful; /* the test sets it: cursors are told larger than they come, and memory is made shorter */
    atomic_bool lied, shortened;
    struct x_proxy_link *links[X_PROXY_LINKS]; /* proxy's thread */
};

void x_proxy_start(struct x_proxy *self, int target);
void x_proxy_stop_in_next_long_reply(struct x_proxy *self); /* then nothing goes anywhere: `stopped` */
void x_proxy_go_on(struct x_proxy *self);
void x_proxy_end(struct x_proxy *self);
