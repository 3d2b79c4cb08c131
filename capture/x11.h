/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x11: what the files of the X11 source share. x11_setup.c prepares the connection and chooses the
 * output, x11_shm.c has the shared image, x11_read.c fills it, x11_cursor.c has the pointer, x11_alarms.c what the
 * server tells unasked, x11.c the source itself.
 */
#pragma once

#include "capture/source.h"

#include <stdatomic.h>
#include <xcb/damage.h>
#include <xcb/randr.h>
#include <xcb/shm.h>
#include <xcb/sync.h>
#include <xcb/xcb.h>
#include <xcb/xcbext.h>
#include <xcb/xfixes.h>

#define X11_REPLY_LIMIT_NS (500 * CLOCK_MS_NS)
#define X11_BEAT_NS        (250 * CLOCK_MS_NS) /* between two signs of life */

struct x11_shm {
    xcb_shm_seg_t segment; /* 0: none */
    xcb_pixmap_t pixmap;   /* the segment as what the server can draw on; 0: none */
    uint8_t *memory;
    size_t size_bytes;
    bool is_sysv; /* else a memfd */
};

struct x11_alarms {
    xcb_sync_counter_t idle_counter, time_counter; /* of the server; 0: it has none */
    uint8_t event;                                 /* number of what alarms raise */
    xcb_sync_alarm_t acts, rests, beats;           /* while viewed */
    bool is_acting;                                /* something is being done to the pointer */
    bool has_beaten;                               /* since the last pump */
};

struct x11_source {
    struct source base;
    xcb_connection_t *connection;
    atomic_bool aborted; /* any thread sets it */
    char display[32], output[64];
    xcb_window_t root;
    uint8_t root_depth;
    int root_width, root_height;
    uint8_t damage_event, xfixes_event, randr_event; /* numbers of their first events */
    uint8_t xinput_opcode;                           /* 0: the server has no XInput 2 */
    bool can_pass_fd, has_randr;
    bool can_copy;          /* the server makes pixmaps in shared memory, with rows as the image has them */
    xcb_gcontext_t copy_gc; /* copies what is seen of the root window, windows included */
    xcb_damage_damage_t damage;
    xcb_xfixes_region_t region;

    struct rect area; /* what is captured, in the root window */
    struct x11_shm shm;
    bool damaged, mode_changed, all_new; /* seen since the last fetch */
    bool expects_all;                    /* nearly all had changed last time */
    bool viewed;

    struct cursor cursor;
    int hot_x, hot_y, pointer_x, pointer_y; /* pointer in the root window */
    bool pointer_moved, shape_changed;

    /* A question for the pointer's place: who has answered lives. */
    struct x11_alarms alarms;
    xcb_query_pointer_cookie_t probe;
    bool probe_sent;
    int64_t probe_sent_ns, next_probe_ns, busy_until_ns;
    int64_t fetched_ns; /* the last picture */
};

/*
 * Whether what was received of a reply goes as far as `end`. xcb takes the server's word for how much a list in it
 * holds, and a server may be anybody's: ask before reading a list, for the last one that is read.
 */
static inline bool x11_reply_reaches(const void *reply, const void *end)
{
    const xcb_generic_reply_t *head = reply;
    return (const char *)end - (const char *)reply <= 32 + 4 * (ptrdiff_t)head->length;
}

/* Replies: waits for one until `until_ns` while handling events. */
enum x11_reply { X11_REPLY_OK, X11_REPLY_ERROR /* an X error, or no such thing */, X11_REPLY_DEAD /* see sentence */ };
enum x11_reply x11_wait(struct x11_source *self, unsigned sequence, int64_t until_ns, void **ret_reply);
void x11_handle_events(struct x11_source *self);
bool x11_is_alive(struct x11_source *self); /* false: the sentence is set */

/* The source around a fresh connection, which it takes. NULL: the sentence says why. */
struct source *x11_create(xcb_connection_t *connection, const char *display, const char *output, char *ret_sentence,
                          size_t sentence_size);
bool x11_setup(struct x11_source *self);
bool x11_output_info_is_whole(const xcb_randr_get_output_info_reply_t *info); /* its lists may be read */
/* Sets `area` and the place's name from output or root window. False: sentence set. */
bool x11_choose_area(struct x11_source *self, int64_t until_ns);

/* An image of this size; the server's half is asked for, not awaited. False: sentence set. */
bool x11_shm_attach(struct x11_source *self, int width, int height);
void x11_shm_detach(struct x11_source *self);

/* Reads what was drawn since the last time, or all if `all_new`, into the image. `*ret_drawn` is empty before, and
 * written on success. */
enum x11_reply x11_read(struct x11_source *self, int64_t until_ns, struct region *ret_drawn);

struct x11_cursor_question {
    unsigned place, shape; /* sequence numbers */
    bool has_shape;
};
struct x11_cursor_question x11_cursor_ask(struct x11_source *self);
/* The answers. Adds what they damage in the captured area; false: sentence set. */
bool x11_cursor_take(struct x11_source *self, const struct x11_cursor_question *question, int64_t until_ns,
                     struct region *ret_damage);
/* Asks for the pointer's place when that is due; the answer comes with a later call. */
void x11_cursor_probe(struct x11_source *self, int64_t now_ns);

void x11_alarms_setup(struct x11_source *self);
bool x11_alarms_are_possible(const struct x11_source *self); /* false: the pointer's place must be polled */
void x11_alarms_set(struct x11_source *self, bool set);
void x11_alarms_take(struct x11_source *self, const xcb_generic_event_t *event); /* numbered `alarms.event` */
