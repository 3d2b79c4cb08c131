/* SPDX-License-Identifier: Apache-2.0 */
/* finder_facts: what the finder's judgement is made from. Collected by finder_linux.c; judged by finder.c, purely. */
#pragma once

#include "capture/finder.h"

enum { FINDER_FACTS_MAX = 32, FINDER_WORD_MAX = 32 };

/* A session as logind tells it. */
struct finder_session {
    char id[FINDER_WORD_MAX], type[FINDER_WORD_MAX], class[FINDER_WORD_MAX], seat[FINDER_WORD_MAX];
    char user[FINDER_WORD_MAX];
    unsigned uid;
    int display; /* number; -1: not told */
    int vt;      /* 0: none */
    bool is_active, is_closing;
};

/* An X server that listens. */
struct finder_server {
    int number;
    bool known; /* the next fields are; else it takes no connections now */
    int pid;    /* 0: hidden from us */
    unsigned uid;
    char user[FINDER_WORD_MAX];
    int vt;                          /* of its "vtN" argument; 0: none */
    char session[FINDER_WORD_MAX];   /* logind's id of the session its process runs in; "": none */
    char authority[FINDER_PATH_MAX]; /* of its "-auth" argument */
    bool is_xwayland, is_ours;       /* is_ours: started by this program */
};

struct finder_facts {
    char environment[64]; /* $DISPLAY, "" when not set */
    unsigned uid;         /* of this program */
    struct finder_server servers[FINDER_FACTS_MAX];
    int server_count;
    struct finder_session sessions[FINDER_FACTS_MAX];
    int session_count;
};

/* What a candidate was made from; -1: nothing of that kind. */
struct finder_origin {
    int server, session;
    bool by_environment;
    bool is_foreign; /* another user's, and we are not root: only with a cookie of its own */
};

/* The candidates, best first, without cookies. */
size_t finder_judge(const struct finder_facts *facts, struct finder_candidate ret_candidates[FINDER_MAX],
                    struct finder_origin ret_origins[FINDER_MAX]);
/* Another user's display without a readable cookie is refused; call when the cookies are in, then sort again. */
void finder_refuse_foreign(const struct finder_facts *facts, struct finder_candidate *candidate,
                           const struct finder_origin *origin);
void finder_sort(struct finder_candidate *candidates, struct finder_origin *origins, size_t count);

/* From the arguments of an X server, each ended by a NUL. */
void finder_read_arguments(const char *arguments, size_t size, struct finder_server *server);
