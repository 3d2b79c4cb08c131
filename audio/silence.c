/* SPDX-License-Identifier: Apache-2.0 */
/* silence: the backend that has no server. Nothing is pushed, so every tap gives silence at the rate of the clock. */
#include "audio/source_backend.h"
#include "base/log.h"

#include <stdlib.h>

static struct audio_backend *silence_create(const struct audio_backend_config *config)
{
    struct audio_backend *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("silence");
    self->ops = &audio_backend_silence;
    config->events->sink(config->ctx, &(struct audio_backend_sink){
                                          .name = "",
                                          .sentence = "This build cannot listen to any sound server: clients hear "
                                                      "silence. Install a build with PulseAudio support.",
                                      });
    return self;
}

static void silence_destroy(struct audio_backend *self)
{
    free(self);
}

static void silence_open(struct audio_backend *self, int channels)
{
    (void)self, (void)channels;
}

static void silence_close(struct audio_backend *self)
{
    (void)self;
}

static void silence_flag(struct audio_backend *self, bool flag)
{
    (void)self, (void)flag;
}

const struct audio_backend_ops audio_backend_silence = {
    .name = "silence",
    .create = silence_create,
    .destroy = silence_destroy,
    .open = silence_open,
    .close = silence_close,
    .silence_host = silence_flag,
    .note_stored = silence_flag,
};
