/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribble: does to an X display whatever may change its picture, at random, and stops now and then so that a client's
 * picture can be compared with what is there. See test_damage.py.
 *
 * usage: scribble DISPLAY SEED OPERATIONS BATCH FOLDER
 *
 * Operations come in bursts of 1 to 40 with pauses of 0 to 40 ms, so that some fall into one picture and some between
 * two. After each BATCH of them the display stands still: FOLDER/<batch>.ppm holds what is to be seen,
 * "BATCH <number> <monotonic ns>" is printed, and a line on stdin lets it go on. A request that the server refused is
 * our own mistake, and ends the run.
 * What is drawn mostly is small: a damage that was missed would else soon be painted over.
 */
#include "tests/e2e/scribble.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BURST_MAX = 40, PAUSE_MAX_MS = 40, PATH_BYTES = 1024 };

struct run {
    int operations, batch;
    const char *folder;
};

uint32_t scribble_random(struct scribble *self)
{
    uint64_t z = self->state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ z >> 31) >> 16);
}

int scribble_between(struct scribble *self, int first, int last)
{
    return last <= first ? first : first + (int)(scribble_random(self) % (uint32_t)(last - first + 1));
}

bool scribble_chance(struct scribble *self, int percent)
{
    return scribble_between(self, 0, 99) < percent;
}

uint32_t scribble_colour(struct scribble *self)
{
    static const uint32_t colours[] = {
        0x000000, 0xffffff, 0x000000, 0xffffff, 0xff0000, 0x00ff00, 0x0000ff, 0xffff00,
        0xff00ff, 0x00ffff, 0xff0000, 0x004c00, 0x0000ff, 0x2a1200, 0x808080, 0x00b3b3, /* pairs of about equal luma */
    };
    return colours[scribble_random(self) % (sizeof(colours) / sizeof(colours[0]))];
}

static void operate(struct scribble *self)
{
    int kind = scribble_between(self, 0, 99);
    if (kind < 62)
        scribble_draw(self);
    else if (kind < 82)
        scribble_move_windows(self);
    else
        scribble_move_pointer(self);
}

/* Waits until the server has done all; false when it refused something or has gone. */
static bool settle(struct scribble *self)
{
    free(xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL));
    xcb_generic_event_t *event;
    bool good = !xcb_connection_has_error(self->connection);
    while ((event = xcb_poll_for_event(self->connection))) {
        const xcb_generic_error_t *error = (const xcb_generic_error_t *)(const void *)event;
        if (event->response_type == 0) {
            fprintf(stderr, "scribble: error %d of request %d.%d\n", error->error_code, error->major_code,
                    error->minor_code);
            good = false;
        }
        free(event);
    }
    return good;
}

static void paint_batch(struct scribble *self, int operations)
{
    while (operations > 0) {
        int burst = scribble_between(self, 1, operations < BURST_MAX ? operations : BURST_MAX);
        for (int i = 0; i < burst; i++)
            operate(self);
        operations -= burst;
        xcb_flush(self->connection);
        clock_sleep_until_ns(clock_now_ns() + scribble_between(self, 0, PAUSE_MAX_MS) * CLOCK_MS_NS);
    }
}

static bool may_go_on(void)
{
    char line[16];
    return fgets(line, sizeof(line), stdin) != NULL;
}

static bool play(struct scribble *self, const struct run *run)
{
    for (int done = 0, number = 1; done < run->operations; number++) {
        int operations = run->batch < run->operations - done ? run->batch : run->operations - done;
        char path[PATH_BYTES];
        paint_batch(self, operations);
        done += operations;
        snprintf(path, sizeof(path), "%s/%d.ppm", run->folder, number);
        if (!settle(self) || !scribble_shot(self, path))
            return false;
        printf("BATCH %d %lld\n", number, (long long)clock_now_ns());
        fflush(stdout);
        if (!may_go_on())
            return done == run->operations;
    }
    return true;
}

static bool has_extension(struct scribble *self, const char *name)
{
    xcb_query_extension_reply_t *reply = xcb_query_extension_reply(
        self->connection, xcb_query_extension(self->connection, (uint16_t)strlen(name), name), NULL);
    bool present = reply && reply->present;
    free(reply);
    return present;
}

static bool open_display(struct scribble *self, const char *name)
{
    self->connection = xcb_connect(name, NULL);
    if (xcb_connection_has_error(self->connection)) {
        fprintf(stderr, "scribble: cannot open display %s\n", name);
        return false;
    }
    const xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data;
    self->root = screen->root;
    self->width = screen->width_in_pixels;
    self->height = screen->height_in_pixels;
    self->has_shape = has_extension(self, "SHAPE");
    if (screen->root_depth == 24 && scribble_draw_init(self) && scribble_pointer_init(self))
        return true;
    fprintf(stderr, "scribble: the display lacks 24-bit pixels, XTEST, XFIXES or shared memory\n");
    return false;
}

static bool parse(char **words, struct run *ret_run, uint64_t *ret_seed)
{
    int64_t seed, operations, batch;
    if (!text_parse_i64(words[2], strlen(words[2]), 0, INT64_MAX, &seed) ||
        !text_parse_i64(words[3], strlen(words[3]), 1, 100000000, &operations) ||
        !text_parse_i64(words[4], strlen(words[4]), 1, 100000000, &batch))
        return false;
    *ret_seed = (uint64_t)seed;
    *ret_run = (struct run){(int)operations, (int)batch, words[5]};
    return true;
}

int main(int argc, char **argv)
{
    struct scribble self = {.argb = 0};
    struct run run;
    if (argc != 6 || !parse(argv, &run, &self.state)) {
        fprintf(stderr, "usage: scribble DISPLAY SEED OPERATIONS BATCH FOLDER\n");
        return 2;
    }
    bool good = open_display(&self, argv[1]) && play(&self, &run);
    xcb_disconnect(self.connection);
    return good ? 0 : 1;
}
