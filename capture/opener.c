/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/opener.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#ifdef HAVE_X11
static struct x11_connect *begin(const char *display, const char *xauthority, char *ret_sentence, size_t sentence_size)
{
    return x11_connect_begin(display, xauthority, ret_sentence, sentence_size);
}
static struct source *finish(struct x11_connect *connect, const char *output, char *ret_sentence, size_t sentence_size)
{
    return x11_connect_finish(connect, output, ret_sentence, sentence_size);
}
static void cancel(struct x11_connect *connect)
{
    x11_connect_cancel(connect);
}
static void destroy(struct x11_connect *connect)
{
    x11_connect_destroy(connect);
}
#else
static struct x11_connect *begin(const char *display, const char *xauthority, char *ret_sentence, size_t sentence_size)
{
    (void)xauthority;
    snprintf(ret_sentence, sentence_size, "Cannot capture \"%s\": this program was built without X11.", display);
    return NULL;
}
static struct source *finish(struct x11_connect *connect, const char *output, char *ret_sentence, size_t sentence_size)
{
    (void)connect, (void)output, (void)ret_sentence, (void)sentence_size;
    return NULL;
}
static void cancel(struct x11_connect *connect)
{
    (void)connect;
}
static void destroy(struct x11_connect *connect)
{
    (void)connect;
}
#endif

void opener_init(struct opener *self, void (*wake)(void *context), void *context)
{
    *self = (struct opener){.wake = wake, .context = context};
    mutex_init(&self->lock);
}

static void run(void *arg)
{
    struct opener *self = arg;
    char sentence[sizeof(self->sentence)] = "";
    struct source *source = finish(self->connect, self->output, sentence, sizeof(sentence));
    mutex_lock(&self->lock);
    self->source = source;
    text_copy(self->sentence, sizeof(self->sentence), sentence);
    self->done = true;
    mutex_unlock(&self->lock);
    self->wake(self->context);
}

bool opener_start(struct opener *self, const char *display, const char *xauthority, const char *output,
                  char *ret_sentence, size_t sentence_size)
{
    self->connect = begin(display, xauthority, ret_sentence, sentence_size);
    if (!self->connect)
        return false;
    text_copy(self->output, sizeof(self->output), output);
    self->done = false;
    if (thread_start(&self->thread, "open-display", run, self))
        return true;
    text_copy(ret_sentence, sentence_size, "Cannot start a thread to open the display.");
    destroy(self->connect);
    self->connect = NULL;
    return false;
}

static void reap(struct opener *self)
{
    thread_join(&self->thread);
    destroy(self->connect);
    self->connect = NULL;
}

enum opener_state opener_poll(struct opener *self, struct source **ret_source, char *ret_sentence, size_t sentence_size)
{
    if (!self->connect)
        return OPENER_IDLE;
    mutex_lock(&self->lock);
    bool done = self->done;
    mutex_unlock(&self->lock);
    if (!done)
        return OPENER_BUSY;
    reap(self);
    *ret_source = self->source;
    self->source = NULL;
    text_copy(ret_sentence, sentence_size, self->sentence);
    return OPENER_DONE;
}

void opener_cancel(struct opener *self)
{
    if (self->connect)
        cancel(self->connect);
}

void opener_finish(struct opener *self)
{
    if (self->connect) {
        cancel(self->connect);
        reap(self);
        if (self->source)
            self->source->ops->destroy(self->source);
    }
    mutex_finish(&self->lock);
}
