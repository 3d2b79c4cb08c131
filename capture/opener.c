/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/opener.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/x11_connect.h"
#include "capture/finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS      (300 * CLOCK_MS_NS) /* an X server that takes longer to greet is said not to answer */
#define LIMIT_NS         (5 * CLOCK_SECOND_NS)
#define LIMIT_OF_MANY_NS (2 * CLOCK_SECOND_NS)
#define BARRED_NS        (10 * CLOCK_SECOND_NS)
#define SLOW_SURVEY_NS   (1 * CLOCK_MS_NS)

#ifdef HAVE_X11
static struct x11_connect *begin(const char *display, const char *xauthority, int64_t owner, char *ret_sentence,
                                 size_t sentence_size)
{
    struct x11_connect *connect = x11_connect_begin(display, xauthority, ret_sentence, sentence_size);
    if (connect)
        x11_connect_require_owner(connect, owner);
    return connect;
}
static struct source *finish(struct x11_connect *connect, const char *output, char *ret_sentence, size_t sentence_size)
{
    return x11_connect_finish(connect, output, ret_sentence, sentence_size);
}
static bool is_barred(const struct x11_connect *connect)
{
    return x11_connect_is_barred(connect);
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
static struct x11_connect *begin(const char *display, const char *xauthority, int64_t owner, char *ret_sentence,
                                 size_t sentence_size)
{
    (void)xauthority, (void)owner;
    snprintf(ret_sentence, sentence_size, "Cannot capture \"%s\": this program was built without X11.", display);
    return NULL;
}
static struct source *finish(struct x11_connect *connect, const char *output, char *ret_sentence, size_t sentence_size)
{
    (void)connect, (void)output, (void)ret_sentence, (void)sentence_size;
    return NULL;
}
static bool is_barred(const struct x11_connect *connect)
{
    (void)connect;
    return false;
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

_Static_assert((int)FINDER_MAX == (int)DISPLAY_CANDIDATES_MAX, "all that is found is shown");

/* --- one attempt --- */

enum outcome {
    OUTCOME_NOT_TRIED,
    OUTCOME_OPENED,
    OUTCOME_UNREACHABLE,
    OUTCOME_BARRED,  /* by the cookie */
    OUTCOME_REFUSED, /* for another reason */
    OUTCOME_TIMED_OUT,
    OUTCOME_CANCELLED,
};

struct attempt {
    const char *display, *xauthority;
    int64_t owner; /* of the file; -1: whoever */
    int64_t limit_ns;
};

static bool announce(struct opener *self, struct x11_connect *connect, const struct attempt *attempt)
{
    mutex_lock(&self->lock);
    bool go_on = !self->cancelled;
    if (go_on) {
        self->connect = connect;
        self->timed_out = false;
        self->began_ns = clock_now_ns();
        self->limit_ns = attempt->limit_ns;
        text_copy(self->trying, sizeof(self->trying), attempt->display);
    }
    mutex_unlock(&self->lock);
    if (go_on)
        self->wake(self->context); /* to be watched */
    return go_on;
}

static enum outcome try(struct opener *self, const struct attempt *attempt, struct source **ret_source,
                        char *ret_sentence, size_t sentence_size)
{
    struct x11_connect *connect =
        begin(attempt->display, attempt->xauthority, attempt->owner, ret_sentence, sentence_size);
    if (!connect)
        return OUTCOME_UNREACHABLE;
    if (!announce(self, connect, attempt)) {
        destroy(connect);
        return OUTCOME_CANCELLED;
    }
    struct source *source = finish(connect, self->wish.output, ret_sentence, sentence_size);
    mutex_lock(&self->lock);
    self->connect = NULL;
    bool timed_out = self->timed_out, cancelled = self->cancelled;
    mutex_unlock(&self->lock);
    bool barred = is_barred(connect);
    destroy(connect);
    if (source) {
        *ret_source = source;
        return OUTCOME_OPENED;
    }
    if (!timed_out && !cancelled)
        return barred ? OUTCOME_BARRED : OUTCOME_REFUSED;
    snprintf(ret_sentence, sentence_size, "The X server %s does not answer.", attempt->display);
    return cancelled ? OUTCOME_CANCELLED : OUTCOME_TIMED_OUT;
}

static void open_named(struct opener *self, struct opener_result *result)
{
    struct attempt attempt = {
        .display = self->wish.display, .xauthority = self->wish.xauthority, .owner = -1, .limit_ns = LIMIT_NS};
    enum outcome outcome = try(self, &attempt, &result->source, result->sentence, sizeof(result->sentence));
    result->unreachable = outcome == OUTCOME_UNREACHABLE;
}

/* --- a round --- */

/* "The X server :0 lacks DAMAGE." is "lacks DAMAGE" in a list that names the display; advice is left out. */
static void shorten(const char *display, const char *sentence, char *ret_reason, size_t capacity)
{
    char head[64], text[160];
    snprintf(head, sizeof(head), "The X server %s ", display);
    bool has_head = strncmp(sentence, head, strlen(head)) == 0;
    text_copy(text, sizeof(text), has_head ? sentence + strlen(head) : sentence);
    char *stop = strstr(text, ". ");
    size_t length = strlen(text);
    if (stop)
        *stop = 0;
    else if (length && text[length - 1] == '.')
        text[length - 1] = 0;
    text_copy(ret_reason, capacity, text);
}

/* Each of its cookies in turn. */
static enum outcome try_candidate(struct opener *self, const struct finder_candidate *candidate, bool is_last,
                                  struct opener_result *result, char *ret_reason, size_t capacity)
{
    enum outcome outcome = OUTCOME_REFUSED;
    char sentence[160] = "";
    int i = 0;
    do {
        bool has_file = i < candidate->cookie_count && *candidate->cookies[i];
        struct attempt attempt = {
            .display = candidate->name,
            .xauthority = i < candidate->cookie_count ? candidate->cookies[i] : "/dev/null", /* no cookie at all */
            .owner = has_file ? (int64_t)candidate->cookie_owners[i] : -1,
            .limit_ns = is_last ? LIMIT_NS : LIMIT_OF_MANY_NS,
        };
        outcome = try(self, &attempt, &result->source, sentence, sizeof(sentence));
        i++;
    } while (outcome == OUTCOME_BARRED && i < candidate->cookie_count);
    if (outcome != OUTCOME_OPENED)
        shorten(candidate->name, sentence, ret_reason, capacity);
    return outcome;
}

static const struct finder_candidate *find(const struct finder_candidate *candidates, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(candidates[i].name, name) == 0)
            return &candidates[i];
    }
    return NULL;
}

static const struct opener_memory *recall(const struct opener *self, const struct finder_candidate *candidate)
{
    for (int i = 0; i < DISPLAY_CANDIDATES_MAX; i++) {
        if (strcmp(self->memory[i].name, candidate->name) == 0 && strcmp(self->memory[i].found, candidate->reason) == 0)
            return &self->memory[i];
    }
    return NULL;
}

static bool is_worth_a_try(const struct opener *self, const struct finder_candidate *candidate,
                           const struct finder_candidate *present)
{
    const struct opener_memory *known = recall(self, candidate);
    if (!candidate->usable ||
        (self->wish.present[0] && (candidate == present || !finder_is_better(candidate, present))))
        return false;
    bool barred = known && known->barred_ns && known->barred_by == candidate->fingerprint;
    return !barred || clock_now_ns() - known->barred_ns > BARRED_NS;
}

static void open_best(struct opener *self, const struct finder_candidate *candidates, size_t count,
                      struct opener_result *result, enum outcome *ret_outcomes)
{
    const char *here = self->wish.present;
    const struct finder_candidate *present = *here ? find(candidates, count, here) : NULL;
    bool over = false;
    for (size_t i = 0; i < count && !over; i++) {
        struct display_candidate *shown = &result->candidates[i];
        if (!is_worth_a_try(self, &candidates[i], present))
            continue;
        bool is_last = i + 1 == count || !candidates[i + 1].usable;
        ret_outcomes[i] = try_candidate(self, &candidates[i], is_last, result, shown->reason, sizeof(shown->reason));
        shown->chosen = ret_outcomes[i] == OUTCOME_OPENED;
        over = shown->chosen || ret_outcomes[i] == OUTCOME_CANCELLED;
    }
    for (int i = 0; i < result->candidate_count && !result->source; i++)
        result->candidates[i].chosen = *here && strcmp(result->candidates[i].name, here) == 0;
}

/* Takes over what is known of those that were not tried this time. */
static void remember(struct opener *self, const struct finder_candidate *candidates, const enum outcome *outcomes,
                     struct opener_result *result)
{
    struct opener_memory memory[DISPLAY_CANDIDATES_MAX] = {{.name = ""}};
    for (int i = 0; i < result->candidate_count; i++) {
        struct display_candidate *shown = &result->candidates[i];
        const struct opener_memory *known = recall(self, &candidates[i]);
        if (outcomes[i] == OUTCOME_NOT_TRIED && known && !shown->chosen) {
            memory[i] = *known;
            text_copy(shown->reason, sizeof(shown->reason), known->told);
            continue;
        }
        text_copy(memory[i].name, sizeof(memory[i].name), shown->name);
        text_copy(memory[i].found, sizeof(memory[i].found), candidates[i].reason);
        text_copy(memory[i].told, sizeof(memory[i].told), shown->reason);
        memory[i].barred_by = candidates[i].fingerprint;
        memory[i].barred_ns = outcomes[i] == OUTCOME_BARRED ? clock_now_ns() : 0;
    }
    memcpy(self->memory, memory, sizeof(memory));
}

static void open_any(struct opener *self, struct opener_result *result)
{
    struct finder_candidate *candidates = calloc(FINDER_MAX, sizeof(*candidates));
    if (!candidates) {
        text_copy(result->sentence, sizeof(result->sentence), "Not enough memory to look for a desktop.");
        return;
    }
    enum outcome outcomes[FINDER_MAX] = {OUTCOME_NOT_TRIED};
    int64_t cost_ns;
    size_t count = finder_survey(candidates, &cost_ns);
    result->is_slow = cost_ns > SLOW_SURVEY_NS;
    for (size_t i = 0; i < count; i++) {
        struct display_candidate *shown = &result->candidates[result->candidate_count++];
        text_copy(shown->name, sizeof(shown->name), candidates[i].name);
        text_copy(shown->reason, sizeof(shown->reason), candidates[i].reason);
    }
    open_best(self, candidates, count, result, outcomes);
    remember(self, candidates, outcomes, result);
    free(candidates);
    const char *names[DISPLAY_CANDIDATES_MAX], *reasons[DISPLAY_CANDIDATES_MAX];
    for (int i = 0; i < result->candidate_count; i++) {
        names[i] = result->candidates[i].name;
        reasons[i] = result->candidates[i].reason;
    }
    finder_tell(names, reasons, result->candidate_count, result->sentence, sizeof(result->sentence));
}

/* --- the thread --- */

static void run(void *arg)
{
    struct opener *self = arg;
    struct opener_result result = {.source = NULL};
    if (strcmp(self->wish.display, "auto") == 0)
        open_any(self, &result);
    else
        open_named(self, &result);
    mutex_lock(&self->lock);
    self->result = result;
    self->done = true;
    mutex_unlock(&self->lock);
    self->wake(self->context);
}

bool opener_start(struct opener *self, const struct opener_wish *wish)
{
    self->wish = *wish;
    mutex_lock(&self->lock);
    self->done = self->cancelled = false;
    self->connect = NULL;
    mutex_unlock(&self->lock);
    return thread_start(&self->thread, "open-display", run, self);
}

enum opener_state opener_poll(struct opener *self, struct opener_result *ret_result)
{
    if (!self->thread.running)
        return OPENER_IDLE;
    mutex_lock(&self->lock);
    bool done = self->done;
    mutex_unlock(&self->lock);
    if (!done)
        return OPENER_BUSY;
    thread_join(&self->thread);
    *ret_result = self->result;
    self->result.source = NULL;
    return OPENER_DONE;
}

int64_t opener_watch(struct opener *self, int64_t now_ns, char *ret_slow, size_t slow_size)
{
    int64_t again_ns = INT64_MAX;
    text_copy(ret_slow, slow_size, "");
    mutex_lock(&self->lock);
    if (self->connect && !self->timed_out) {
        int64_t waited_ns = now_ns - self->began_ns;
        again_ns = self->began_ns + (waited_ns < PATIENCE_NS ? PATIENCE_NS : self->limit_ns);
        if (waited_ns >= PATIENCE_NS)
            text_copy(ret_slow, slow_size, self->trying);
        if (waited_ns >= self->limit_ns) {
            self->timed_out = true;
            cancel(self->connect);
            again_ns = INT64_MAX;
        }
    }
    mutex_unlock(&self->lock);
    return again_ns;
}

void opener_cancel(struct opener *self)
{
    mutex_lock(&self->lock);
    self->cancelled = true;
    if (self->connect)
        cancel(self->connect);
    mutex_unlock(&self->lock);
}

void opener_finish(struct opener *self)
{
    opener_cancel(self);
    thread_join(&self->thread);
    if (self->result.source)
        self->result.source->ops->destroy(self->result.source);
    mutex_finish(&self->lock);
}
