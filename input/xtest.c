/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtest: the injector for an X server without kernel devices, by its XTEST extension. Everything that may wait happens
 * on a thread of its own, "inject"; the control thread appends to a queue and wakes it. When the server is lost, the
 * queue is dropped and what is down is forgotten; as long as events come it is tried again twice a second.
 *
 * XTEST knows no touch and no pen. Its relative motions are not accelerated by the server, and its positions are whole
 * pixels of the root window.
 */
#include "base/clock.h"
#include "base/container_of.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wake.h"
#include "base/x11_connect.h"
#include "input/backends.h"
#include "input/xtest_keys.h"
#include "input/xtest_link.h"
#include "input/xtest_queue.h"

#include <linux/input-event-codes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS         (500 * CLOCK_MS_NS)
#define STALE_NS         (500 * CLOCK_MS_NS) /* what waited longer for a connection is of no use any more */
#define SCROLL_FORGET_NS CLOCK_SECOND_NS
enum { CAN = INJECTOR_CAN_KEYS | INJECTOR_CAN_TEXT | INJECTOR_CAN_RELATIVE | INJECTOR_CAN_ABSOLUTE };
enum { BATCH = 64, NOTCH = 120, NOTCHES_MAX = 100, BUTTONS = 10 };

struct scroll {
    int rest; /* less than a notch */
    int64_t at_ns;
};

struct xtest {
    struct injector base;
    struct thread thread;
    struct wake news;
    struct stats delay; /* has a lock of its own */

    struct mutex lock; /* guards the next ones */
    struct xtest_queue queue;
    struct injector_screen screen;
    struct x11_connect *connect; /* the attempt under way */
    bool is_asleep;              /* the thread wants to be woken */
    bool is_stopping, is_lost;   /* is_lost: the queue was too full, and an event is gone */
    bool is_dropping;            /* the text in `batch` is not to be typed */

    /* The thread's. */
    struct injector_screen place; /* the screen it works with */
    struct xtest_link link;
    struct xtest_keys keys;
    struct xtest_item batch[BATCH]; /* taken from the queue; done up to `at` */
    size_t count, at;
    int64_t text_ns; /* when the text at `at` can go on; 0: now */
    bool has_buttons[BUTTONS];
    struct scroll scrolls[2];
    bool is_new; /* a screen that was not tried yet */
    int64_t retry_ns;
    char complaint[160]; /* the last one that was logged */
};

static struct xtest *xtest_of(const struct injector *base)
{
    return container_of(base, struct xtest, base);
}

/* Control thread. */

static void append(struct xtest *self, struct xtest_item item)
{
    item.at_ns = clock_now_ns();
    mutex_lock(&self->lock);
    bool is_asleep = self->is_asleep && *self->screen.display;
    if (*self->screen.display) {
        self->is_lost |= !xtest_queue_push(&self->queue, &item);
        self->is_asleep = false;
    }
    mutex_unlock(&self->lock);
    if (is_asleep)
        wake_signal(&self->news);
}

static unsigned xtest_can(const struct injector *base)
{
    (void)base;
    return CAN;
}

static void xtest_set_screen(struct injector *base, const struct injector_screen *screen)
{
    struct xtest *self = xtest_of(base);
    mutex_lock(&self->lock);
    bool is_other = strcmp(screen->display, self->screen.display) != 0;
    self->screen = *screen;
    self->is_asleep = false;
    if (is_other)
        self->queue.count = 0; /* for the one before */
    if (is_other && self->connect)
        x11_connect_cancel(self->connect);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

static void xtest_key(struct injector *base, uint16_t code, uint32_t keysym, bool down)
{
    append(xtest_of(base), (struct xtest_item){.kind = XTEST_KEY, .code = code, .value = keysym, .down = down});
}

static void xtest_text(struct injector *base, const uint32_t *code_points, size_t count)
{
    for (size_t i = 0; i < count; i++)
        append(xtest_of(base), (struct xtest_item){.kind = XTEST_TEXT, .value = code_points[i]});
}

static void xtest_move(struct injector *base, int dx, int dy)
{
    append(xtest_of(base), (struct xtest_item){.kind = XTEST_MOVE, .x = dx, .y = dy});
}

static void xtest_move_to(struct injector *base, double x, double y)
{
    if (x >= 0 && y >= 0 && x <= INT16_MAX && y <= INT16_MAX)
        append(xtest_of(base), (struct xtest_item){.kind = XTEST_MOVE_TO, .x = (int)lround(x), .y = (int)lround(y)});
}

static void xtest_button(struct injector *base, uint16_t code, bool down)
{
    append(xtest_of(base), (struct xtest_item){.kind = XTEST_BUTTON, .code = code, .down = down});
}

static void xtest_scroll(struct injector *base, enum injector_axis axis, int amount)
{
    append(xtest_of(base), (struct xtest_item){.kind = XTEST_SCROLL, .code = (uint16_t)axis, .x = amount});
}

static void xtest_flush(struct injector *base)
{
    (void)base; /* the thread writes all there is, then flushes */
}

static void xtest_drop_text(struct injector *base)
{
    struct xtest *self = xtest_of(base);
    mutex_lock(&self->lock);
    xtest_queue_drop_text(&self->queue);
    self->is_dropping = true;
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

static void xtest_take_stats(struct injector *base, struct stats_summary *ret_delay)
{
    *ret_delay = stats_take(&xtest_of(base)->delay);
}

/* The thread: events. */

static uint8_t button_of(uint16_t code)
{
    static const struct {
        uint16_t code;
        uint8_t button;
    } buttons[] = {{BTN_LEFT, 1}, {BTN_MIDDLE, 2}, {BTN_RIGHT, 3}, {BTN_SIDE, 8}, {BTN_EXTRA, 9}};
    for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++)
        if (buttons[i].code == code)
            return buttons[i].button;
    return 0;
}

static void do_button(struct xtest *self, const struct xtest_item *item)
{
    uint8_t button = button_of(item->code);
    if (!button || self->has_buttons[button] == item->down)
        return;
    self->has_buttons[button] = item->down;
    xtest_link_fake(&self->link, item->down ? XCB_BUTTON_PRESS : XCB_BUTTON_RELEASE, button, 0, 0);
}

static int clamp_i16(int value)
{
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static void do_move(struct xtest *self, const struct xtest_item *item)
{
    int x = clamp_i16(item->x), y = clamp_i16(item->y);
    xtest_link_fake(&self->link, XCB_MOTION_NOTIFY, item->kind == XTEST_MOVE, x, y);
}

/* X knows whole notches only: a button each. What is left of one counts for the next time, if that is soon. */
static void do_scroll(struct xtest *self, const struct xtest_item *item)
{
    enum { UP = 4, DOWN = 5, LEFT = 6, RIGHT = 7 };
    bool is_vertical = item->code == INJECTOR_VERTICAL;
    struct scroll *scroll = &self->scrolls[is_vertical];
    bool turned = (item->x > 0 && scroll->rest < 0) || (item->x < 0 && scroll->rest > 0);
    if (turned || item->at_ns - scroll->at_ns > SCROLL_FORGET_NS)
        scroll->rest = 0;
    int limit = NOTCHES_MAX * NOTCH;
    int amount = item->x > limit ? limit : item->x < -limit ? -limit : item->x;
    scroll->at_ns = item->at_ns;
    scroll->rest += amount;
    uint8_t button = is_vertical ? (amount > 0 ? UP : DOWN) : (amount > 0 ? RIGHT : LEFT);
    for (int notches = abs(scroll->rest) / NOTCH; notches > 0; notches--) {
        xtest_link_fake(&self->link, XCB_BUTTON_PRESS, button, 0, 0);
        xtest_link_fake(&self->link, XCB_BUTTON_RELEASE, button, 0, 0);
    }
    scroll->rest %= NOTCH;
}

static bool do_event(struct xtest *self, const struct xtest_item *item)
{
    switch (item->kind) {
    case XTEST_KEY:
        return xtest_keys_key(&self->keys, &self->link, item->code, item->value, item->down);
    case XTEST_BUTTON:
        do_button(self, item);
        return true;
    case XTEST_SCROLL:
        do_scroll(self, item);
        return true;
    case XTEST_MOVE:
    case XTEST_MOVE_TO:
        do_move(self, item);
        return true;
    case XTEST_TEXT:
        break;
    }
    return false;
}

/* The run of characters from `at` on, as far as there are keycodes for them. */
static bool do_text(struct xtest *self)
{
    uint32_t code_points[BATCH] = {0};
    size_t count = 0, done = 0;
    for (size_t i = self->at; i < self->count && self->batch[i].kind == XTEST_TEXT; i++)
        code_points[count++] = self->batch[i].value;
    int64_t again_ns = 0;
    if (!xtest_keys_text(&self->keys, &self->link, code_points, count, &done, &again_ns))
        return false;
    self->at += done;
    self->text_ns = done < count ? again_ns : 0;
    return true;
}

/* The events up to the next text, flushed together. */
static bool do_events(struct xtest *self)
{
    size_t first = self->at;
    bool good = true;
    for (; good && self->at < self->count && self->batch[self->at].kind != XTEST_TEXT; self->at++)
        good = do_event(self, &self->batch[self->at]);
    if (!good || !xtest_link_flush(&self->link))
        return false;
    int64_t now_ns = clock_now_ns();
    for (size_t i = first; i < self->at; i++)
        stats_add_ns(&self->delay, now_ns - self->batch[i].at_ns);
    return true;
}

/* False: the connection is lost. */
static bool do_batch(struct xtest *self)
{
    bool good = true;
    while (good && self->at < self->count) {
        if (self->batch[self->at].kind != XTEST_TEXT)
            good = do_events(self);
        else if (self->text_ns <= clock_now_ns())
            good = do_text(self);
        else
            break;
    }
    return good;
}

/* The thread: the connection. */

static void forget(struct xtest *self)
{
    xtest_link_close(&self->link);
    self->keys = (struct xtest_keys){0};
    memset(self->has_buttons, 0, sizeof(self->has_buttons));
    memset(self->scrolls, 0, sizeof(self->scrolls));
    self->count = self->at = 0;
    self->text_ns = 0;
}

/* The server is lost, or cannot be had: what waits for it is dropped. */
static void give_up(struct xtest *self)
{
    forget(self);
    self->retry_ns = clock_now_ns() + RETRY_NS;
    mutex_lock(&self->lock);
    self->queue.count = 0;
    mutex_unlock(&self->lock);
}

static bool release_buttons(struct xtest *self)
{
    for (uint8_t button = 1; button < BUTTONS; button++)
        if (self->has_buttons[button])
            xtest_link_fake(&self->link, XCB_BUTTON_RELEASE, button, 0, 0);
    memset(self->has_buttons, 0, sizeof(self->has_buttons));
    return xtest_link_flush(&self->link);
}

/* Leaves the server as it was found, if it answers. */
static void leave(struct xtest *self)
{
    bool good = self->link.connection && release_buttons(self) && xtest_keys_close(&self->keys, &self->link) &&
                xtest_link_round_trip(&self->link);
    if (self->link.connection && !good)
        log_warn("xtest: the X server %s does not answer, so keys may be left down", self->place.display);
    mutex_lock(&self->lock);
    unsigned dropped = self->queue.refused;
    self->queue.refused = 0;
    mutex_unlock(&self->lock);
    if (self->keys.ignored || self->link.refused || dropped)
        log_info("xtest: %s: %u keys or characters had no key there, %u characters came faster than they could be "
                 "typed, %u requests were refused",
                 self->place.display, self->keys.ignored, dropped, self->link.refused);
    forget(self);
}

static void complain(struct xtest *self, const char *sentence)
{
    if (strcmp(sentence, self->complaint) != 0)
        log_warn("xtest: %s", sentence);
    text_copy(self->complaint, sizeof(self->complaint), sentence);
}

/* May take as long as the server likes; another thread can cancel it. */
static xcb_connection_t *open_display(struct xtest *self, char *ret_sentence, size_t sentence_size)
{
    struct x11_connect *connect =
        x11_connect_begin(self->place.display, self->place.xauthority, ret_sentence, sentence_size);
    if (!connect)
        return NULL;
    mutex_lock(&self->lock);
    x11_connect_require_owner(connect, self->place.cookie_owner);
    bool is_wanted = !self->is_stopping && strcmp(self->screen.display, self->place.display) == 0;
    self->connect = connect;
    mutex_unlock(&self->lock);
    xcb_connection_t *connection = is_wanted ? x11_connect_open(connect, ret_sentence, sentence_size) : NULL;
    mutex_lock(&self->lock);
    self->connect = NULL;
    mutex_unlock(&self->lock);
    x11_connect_destroy(connect);
    return connection;
}

/* What was asked for long before there was a connection is dropped. */
static void drop_stale(struct xtest *self)
{
    int64_t until_ns = clock_now_ns() - STALE_NS;
    struct xtest_item item;
    mutex_lock(&self->lock);
    while (self->queue.count && self->queue.items[self->queue.first].at_ns < until_ns)
        xtest_queue_take(&self->queue, &item, 1);
    mutex_unlock(&self->lock);
}

static void try_connect(struct xtest *self)
{
    char sentence[160] = "";
    self->is_new = false;
    xcb_connection_t *connection = open_display(self, sentence, sizeof(sentence));
    if (!connection) {
        give_up(self);
        complain(self, sentence);
        return;
    }
    bool good = xtest_link_open(&self->link, connection) && xtest_keys_open(&self->keys, &self->link);
    for (uint8_t button = 1; button < BUTTONS; button++)
        self->has_buttons[button] = button < 4 || button > 7;
    if (!good || !release_buttons(self)) {
        give_up(self);
        complain(self, "The X server ended the connection, or takes no input from us.");
        return;
    }
    self->complaint[0] = 0;
    log_info("xtest: input goes to %s; %s keycodes, %d spare ones for text", self->place.display,
             self->keys.is_evdev ? "evdev" : "other", self->keys.spare_count);
    drop_stale(self);
}

/* The thread: what to do next. */

/* False: stop. */
static bool obey(struct xtest *self)
{
    mutex_lock(&self->lock);
    struct injector_screen screen = self->screen;
    bool is_stopping = self->is_stopping, is_lost = self->is_lost;
    self->is_lost = false;
    if (is_lost)
        self->queue.count = 0;
    mutex_unlock(&self->lock);
    bool is_other = strcmp(screen.display, self->place.display) != 0 ||
                    strcmp(screen.xauthority, self->place.xauthority) != 0 ||
                    screen.cookie_owner != self->place.cookie_owner;
    if (is_stopping)
        return false;
    if (is_lost)
        log_warn("xtest: %s takes input too slowly; all keys are released", self->place.display);
    if (is_lost || is_other)
        leave(self);
    if (is_other || screen.generation != self->place.generation) {
        self->retry_ns = 0;
        self->is_new = *screen.display;
    }
    self->place = screen;
    return true;
}

static void drop_batch_text(struct xtest *self)
{
    self->count = self->at + xtest_items_drop_text(self->batch + self->at, self->count - self->at);
    self->text_ns = 0;
}

/* Takes events when there is a connection for them. False: nothing to do, and who has something will wake us. */
static bool fetch(struct xtest *self)
{
    mutex_lock(&self->lock);
    if (self->is_dropping)
        drop_batch_text(self);
    self->is_dropping = false;
    if (self->link.connection && self->at == self->count) {
        self->count = xtest_queue_take(&self->queue, self->batch, BATCH);
        self->at = 0;
    }
    bool has_work = self->link.connection ? self->at < self->count : self->is_new || self->queue.count;
    self->is_asleep = !has_work;
    mutex_unlock(&self->lock);
    return has_work;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Until the control thread or the server has something for us, or `until_ns`. */
static void sleep_until(struct xtest *self, int64_t until_ns)
{
    wake_wait(&self->news, self->link.connection ? xcb_get_file_descriptor(self->link.connection) : -1, until_ns);
}

/* One round with a connection. */
static void serve(struct xtest *self, bool has_work)
{
    bool good = do_batch(self) && xtest_keys_rest(&self->keys, &self->link) && xtest_link_take_events(&self->link);
    if (!good) {
        log_info("xtest: the X server %s ended, or does not answer", self->place.display);
        give_up(self);
        self->is_new = true; /* tried once more even without events: keys may be down there */
    } else if (self->at < self->count) {
        sleep_until(self, earlier(self->text_ns, xtest_link_deadline_ns(&self->link)));
    } else if (!has_work) {
        sleep_until(self, earlier(xtest_keys_rest_ns(&self->keys), xtest_link_deadline_ns(&self->link)));
    }
}

static void run(void *arg)
{
    struct xtest *self = arg;
    thread_set_priority(THREAD_PRIORITY_REALTIME); /* little work, and it is felt when it comes late */
    while (obey(self)) {
        bool has_work = fetch(self);
        if (self->link.connection)
            serve(self, has_work);
        else if (has_work && clock_now_ns() >= self->retry_ns)
            try_connect(self);
        else
            sleep_until(self, has_work ? self->retry_ns : INT64_MAX);
    }
    leave(self);
}

/* Waits for the thread: half a second more than usual if the server does not answer. */
static void xtest_destroy(struct injector *base)
{
    if (!base)
        return;
    struct xtest *self = xtest_of(base);
    mutex_lock(&self->lock);
    self->is_stopping = true;
    if (self->connect)
        x11_connect_cancel(self->connect);
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
    thread_join(&self->thread);
    wake_finish(&self->news);
    xtest_queue_finish(&self->queue);
    mutex_finish(&self->lock);
    stats_finish(&self->delay);
    free(self);
}

bool injector_let_go(const struct injector_screen *screen)
{
    char sentence[160] = "";
    struct xtest_link link = {0};
    struct xtest_keys keys = {0};
    struct x11_connect *connect = x11_connect_begin(screen->display, screen->xauthority, sentence, sizeof(sentence));
    xcb_connection_t *connection = NULL;
    if (connect) {
        x11_connect_require_owner(connect, screen->cookie_owner);
        connection = x11_connect_open(connect, sentence, sizeof(sentence));
        x11_connect_destroy(connect);
    }
    if (!connection) {
        log_info("xtest: %s", sentence);
        return false;
    }
    bool good = xtest_link_open(&link, connection) && xtest_keys_open(&keys, &link);
    for (uint8_t button = 1; good && button < BUTTONS; button++)
        xtest_link_fake(&link, XCB_BUTTON_RELEASE, button, 0, 0);
    good = good && xtest_keys_close(&keys, &link) && xtest_link_round_trip(&link);
    xtest_link_close(&link);
    return good;
}

static const struct injector_ops ops = {
    .name = "xtest",
    .can = xtest_can,
    .destroy = xtest_destroy,
    .set_screen = xtest_set_screen,
    .key = xtest_key,
    .text = xtest_text,
    .move = xtest_move,
    .move_to = xtest_move_to,
    .button = xtest_button,
    .scroll = xtest_scroll,
    .flush = xtest_flush,
    .drop_text = xtest_drop_text,
    .take_stats = xtest_take_stats,
};

static struct injector *xtest_create(void)
{
    struct xtest *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("xtest");
    self->base.ops = &ops;
    mutex_init(&self->lock);
    stats_init(&self->delay);
    if (wake_init(&self->news) && xtest_queue_init(&self->queue) && thread_start(&self->thread, "inject", run, self))
        return &self->base;
    xtest_destroy(&self->base);
    return NULL;
}

/* Whether a server can be given input shows when it is connected to; that is not known here. */
static void xtest_probe(struct injector_report *ret_report)
{
    ret_report->usable = true;
    ret_report->can = CAN;
}

const struct injector_backend injector_xtest = {.name = "xtest", .probe = xtest_probe, .create = xtest_create};
