/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement of the finder: which server belongs to which session, what is refused and why, and what comes first.
 *
 * logind does not always tell the display of a session (gdm starts the X server inside the session, and never says its
 * number), so a server is matched, surest first: by the number logind tells, by the session its process runs in, by
 * its virtual terminal, and at last by its user.
 */
#include "capture/finder_facts.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_WAYLAND "its screen cannot be read; log in with an X11 session, or set virtual_display"

struct match {
    const struct finder_facts *facts;
    int server_of[FINDER_FACTS_MAX]; /* of each session; -1: none */
};

bool finder_parse_local(const char *display, int *ret_number)
{
    const char *colon = strchr(display, ':');
    int64_t number, screen;
    if (!colon || (colon != display && strncmp(display, "unix:", 5) != 0))
        return false;
    size_t digits = strcspn(colon + 1, ".");
    const char *rest = colon + 1 + digits;
    if (!text_parse_i64(colon + 1, digits, 0, 65535, &number))
        return false;
    if (*rest && !text_parse_i64(rest + 1, strlen(rest + 1), 0, 65535, &screen))
        return false;
    *ret_number = (int)number;
    return true;
}

void finder_read_arguments(const char *arguments, size_t size, struct finder_server *server)
{
    const char *end = arguments + size;
    bool is_path = false;
    for (const char *word = arguments; word < end; word += strlen(word) + 1) {
        int64_t vt;
        if (!memchr(word, 0, (size_t)(end - word)))
            return;
        if (is_path && !text_copy(server->authority, sizeof(server->authority), word))
            server->authority[0] = 0;
        is_path = strcmp(word, "-auth") == 0;
        if (strncmp(word, "vt", 2) == 0 && text_parse_i64(word + 2, strlen(word + 2), 1, 63, &vt))
            server->vt = (int)vt;
    }
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_greeter(const struct finder_session *session)
{
    return is(session->class, "greeter");
}

/* A desktop, or the login screen; "tty" because startx makes one of a session that began on a terminal. */
static bool is_desktop(const struct finder_session *session)
{
    bool kind = is(session->class, "user") || is(session->class, "user-early") || is_greeter(session);
    return kind && !session->is_closing;
}

/* A server runs as its session's user or as root; another's would be given cookies that are not for it. */
static bool belongs(int how, const struct finder_session *session, const struct finder_server *server)
{
    if (server->known && server->uid != session->uid && server->uid != 0)
        return false;
    bool x11 = is(session->type, "x11"), wayland = is(session->type, "wayland");
    switch (how) {
    case 0:
        return (x11 || wayland) && session->display == server->number;
    case 1:
        return (x11 || wayland) && server->session[0] && is(session->id, server->session);
    case 2:
        return (x11 || is(session->type, "tty")) && server->vt && session->vt == server->vt;
    default:
        return server->known && session->uid == server->uid && (server->is_xwayland ? wayland : x11 && !server->vt);
    }
}

static bool is_taken(const struct match *self, int server)
{
    for (int i = 0; i < self->facts->session_count; i++) {
        if (self->server_of[i] == server)
            return true;
    }
    return false;
}

static void match(struct match *self, const struct finder_facts *facts)
{
    enum { WAYS = 4 };
    self->facts = facts;
    for (int i = 0; i < FINDER_FACTS_MAX; i++)
        self->server_of[i] = -1;
    for (int how = 0; how < WAYS; how++) {
        for (int i = 0; i < facts->session_count; i++) {
            const struct finder_session *session = &facts->sessions[i];
            for (int k = 0; k < facts->server_count && self->server_of[i] < 0 && is_desktop(session); k++) {
                if (belongs(how, session, &facts->servers[k]) && (how < 3 || !is_taken(self, k)))
                    self->server_of[i] = k;
            }
        }
    }
}

static enum finder_kind kind_of(const struct finder_session *session)
{
    if (!session)
        return FINDER_SOCKET;
    if (!session->is_active)
        return FINDER_SESSION;
    if (is_greeter(session))
        return FINDER_GREETER;
    return is(session->seat, "seat0") ? FINDER_ACTIVE_SEAT0 : FINDER_ACTIVE;
}

/* The best of the sessions at a server; -1: none. */
static int session_at(const struct match *self, int server)
{
    int best = -1;
    for (int i = 0; i < self->facts->session_count; i++) {
        if (self->server_of[i] != server)
            continue;
        if (best < 0 || kind_of(&self->facts->sessions[i]) < kind_of(&self->facts->sessions[best]))
            best = i;
    }
    return best;
}

static void describe(const struct finder_server *server, const struct finder_session *session, bool by_environment,
                     char *ret_text, size_t capacity)
{
    const char *also = by_environment ? ", $DISPLAY" : "";
    if (session && is_greeter(session))
        snprintf(ret_text, capacity, "login screen%s%s", session->is_active ? "" : " that is not in front", also);
    else if (session)
        snprintf(ret_text, capacity, "%ssession of %s%s%s", session->is_active ? "active " : "", session->user,
                 session->is_active ? "" : " that is not in front", also);
    else if (by_environment)
        text_copy(ret_text, capacity, "$DISPLAY");
    else if (server->known)
        snprintf(ret_text, capacity, "X server of %s", server->user);
    else
        text_copy(ret_text, capacity, "X server");
}

static void judge_server(const struct match *self, int index, bool by_environment, struct finder_candidate *candidate,
                         struct finder_origin *origin)
{
    const struct finder_facts *facts = self->facts;
    const struct finder_server *server = &facts->servers[index];
    int at = session_at(self, index);
    const struct finder_session *session = at < 0 ? NULL : &facts->sessions[at];
    bool of_user = session && !is_greeter(session);
    unsigned owner = of_user ? session->uid : server->uid;
    *origin = (struct finder_origin){.server = index, .session = at, .by_environment = by_environment};
    /* A server of root's without a session may be anybody's: there the cookie decides. */
    origin->is_foreign =
        facts->uid != 0 && (of_user || server->known) && owner != facts->uid && (of_user || owner != 0);
    candidate->kind = kind_of(session);
    if (by_environment && !origin->is_foreign && candidate->kind > FINDER_ENVIRONMENT)
        candidate->kind = FINDER_ENVIRONMENT;
    snprintf(candidate->name, sizeof(candidate->name), ":%d", server->number);
    describe(server, session, by_environment, candidate->reason, sizeof(candidate->reason));
    candidate->usable = !server->is_xwayland;
    if (server->is_xwayland)
        text_copy(candidate->reason, sizeof(candidate->reason), "Xwayland of a Wayland session: " NO_WAYLAND);
    /* Anybody can start a server, paint a desktop on it and read what is typed there. */
    if (candidate->kind == FINDER_SOCKET && facts->uid == 0 && server->known && server->uid != 0 && candidate->usable) {
        candidate->usable = false;
        snprintf(candidate->reason, sizeof(candidate->reason),
                 "X server of %.40s without a session: root takes it only by name, display = :%d", server->user,
                 server->number);
    }
    candidate->rank = candidate->kind * 100000 + server->number;
    /* A user's own server before one of somebody who lets everybody in. This kind is the last one, so there is room. */
    if (candidate->kind == FINDER_SOCKET && facts->uid != 0 && !(server->known && server->uid == facts->uid))
        candidate->rank += 100000;
}

/* A session without an X server that could be found. */
static void judge_session(const struct match *self, int index, struct finder_candidate *candidate,
                          struct finder_origin *origin)
{
    const struct finder_session *session = &self->facts->sessions[index];
    *origin = (struct finder_origin){.server = -1, .session = index};
    candidate->kind = kind_of(session);
    candidate->rank = candidate->kind * 100000 + 90000 + index;
    snprintf(candidate->name, sizeof(candidate->name), "session %.20s", session->id);
    if (is(session->type, "wayland") && is_greeter(session))
        text_copy(candidate->reason, sizeof(candidate->reason), "login screen on Wayland: " NO_WAYLAND);
    else if (is(session->type, "wayland"))
        snprintf(candidate->reason, sizeof(candidate->reason), "Wayland session of %.22s: " NO_WAYLAND, session->user);
    else
        snprintf(candidate->reason, sizeof(candidate->reason), "session of %s: its X server is not to be found",
                 session->user);
}

/* $DISPLAY, when it is not one of the servers. */
static bool judge_environment(const struct finder_facts *facts, struct finder_candidate *candidate,
                              struct finder_origin *origin)
{
    int number;
    *origin = (struct finder_origin){.server = -1, .session = -1, .by_environment = true};
    if (!facts->environment[0])
        return false;
    candidate->kind = FINDER_ENVIRONMENT;
    candidate->rank = FINDER_ENVIRONMENT * 100000;
    if (!finder_parse_local(facts->environment, &number)) {
        text_copy(candidate->name, sizeof(candidate->name), facts->environment);
        text_copy(candidate->reason, sizeof(candidate->reason),
                  "$DISPLAY is not a screen of this computer (ssh -X?): it cannot be read");
        return true;
    }
    for (int i = 0; i < facts->server_count; i++) {
        if (facts->servers[i].number == number)
            return false;
    }
    snprintf(candidate->name, sizeof(candidate->name), ":%d", number);
    text_copy(candidate->reason, sizeof(candidate->reason), "$DISPLAY, but there is no such X server");
    return true;
}

static bool comes_before(const struct finder_candidate *a, const struct finder_candidate *b)
{
    return a->usable != b->usable ? a->usable : a->rank < b->rank;
}

void finder_sort(struct finder_candidate *candidates, struct finder_origin *origins, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && comes_before(&candidates[k], &candidates[k - 1]); k--) {
            struct finder_candidate candidate = candidates[k];
            struct finder_origin origin = origins[k];
            candidates[k] = candidates[k - 1];
            origins[k] = origins[k - 1];
            candidates[k - 1] = candidate;
            origins[k - 1] = origin;
        }
    }
}

/* Room for one more: a fresh place, or that of the last one if the new one comes before it. */
static void add(struct finder_candidate *candidates, struct finder_origin *origins, size_t *count,
                const struct finder_candidate *candidate, const struct finder_origin *origin)
{
    if (*count == FINDER_MAX && !comes_before(candidate, &candidates[FINDER_MAX - 1]))
        return;
    *count += *count < FINDER_MAX;
    candidates[*count - 1] = *candidate;
    origins[*count - 1] = *origin;
    finder_sort(candidates, origins, *count);
}

size_t finder_judge(const struct finder_facts *facts, struct finder_candidate ret_candidates[FINDER_MAX],
                    struct finder_origin ret_origins[FINDER_MAX])
{
    struct match found;
    struct finder_origin origin;
    size_t count = 0;
    int wished = -1;
    if (!finder_parse_local(facts->environment, &wished))
        wished = -1;
    match(&found, facts);
    for (int i = 0; i < facts->server_count; i++) {
        struct finder_candidate candidate = {.usable = false};
        if (facts->servers[i].is_ours)
            continue;
        judge_server(&found, i, facts->servers[i].number == wished, &candidate, &origin);
        add(ret_candidates, ret_origins, &count, &candidate, &origin);
    }
    for (int i = 0; i < facts->session_count; i++) {
        const struct finder_session *session = &facts->sessions[i];
        struct finder_candidate candidate = {.usable = false};
        if (found.server_of[i] >= 0 || !is_desktop(session) ||
            (!is(session->type, "x11") && !is(session->type, "wayland")))
            continue;
        judge_session(&found, i, &candidate, &origin);
        add(ret_candidates, ret_origins, &count, &candidate, &origin);
    }
    struct finder_candidate candidate = {.usable = false};
    if (judge_environment(facts, &candidate, &origin))
        add(ret_candidates, ret_origins, &count, &candidate, &origin);
    return count;
}

void finder_refuse_foreign(const struct finder_facts *facts, struct finder_candidate *candidate,
                           const struct finder_origin *origin)
{
    if (!candidate->usable || !origin->is_foreign || candidate->cookie_count > 0)
        return;
    bool of_session = origin->session >= 0 && !is_greeter(&facts->sessions[origin->session]);
    candidate->usable = false;
    snprintf(candidate->reason, sizeof(candidate->reason), "belongs to user %s",
             of_session ? facts->sessions[origin->session].user : facts->servers[origin->server].user);
}

static bool is_in_front(enum finder_kind kind)
{
    return kind == FINDER_ACTIVE_SEAT0 || kind == FINDER_ACTIVE;
}

bool finder_is_better(const struct finder_candidate *other, const struct finder_candidate *present)
{
    if (!other->usable || (!is_in_front(other->kind) && other->kind != FINDER_GREETER))
        return false;
    if (!present)
        return true;
    return !is_in_front(present->kind) && other->kind < present->kind;
}

/* A reason up to where it explains itself. */
static int length_of(const char *reason)
{
    return (int)strcspn(reason, ":;(");
}

void finder_tell(const char *const *names, const char *const *reasons, int count, char *ret_sentence, size_t capacity)
{
    static const char advice[] = " Log in, start X, or set virtual_display.";
    static const char most[] = " and 99 more.";
    char list[256] = "";
    size_t used = 0, room = capacity > sizeof(list) ? sizeof(list) : capacity;
    int told = 0;
    if (count == 0) {
        snprintf(ret_sentence, capacity, "No desktop: $DISPLAY is not set, nobody is logged in, no X server runs.%s",
                 advice);
        return;
    }
    room -= strlen("No desktop: ") + sizeof(most) + sizeof(advice);
    while (told < count) {
        int length = length_of(reasons[told]);
        while (length > 0 && reasons[told][length - 1] == ' ')
            length--;
        int size = snprintf(list + used, sizeof(list) - used, "%s%s %.*s", told ? "; " : "", names[told], length,
                            reasons[told]);
        if (size < 0 || used + (size_t)size > room) {
            list[used] = 0;
            break;
        }
        used += (size_t)size;
        told++;
    }
    if (told == 0)
        snprintf(ret_sentence, capacity, "No desktop among the %d displays that were found.%s", count, advice);
    else if (told < count)
        snprintf(ret_sentence, capacity, "No desktop: %s and %d more.%s", list, count - told, advice);
    else
        snprintf(ret_sentence, capacity, "No desktop: %s.%s", list, advice);
}
