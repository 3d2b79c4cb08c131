/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: first-run setup, log in and a new password. All three cost scrypt work, so each becomes a job: charged
 * to its address first, then one at a time on a worker, then (setup and new password) stored, and only then answered.
 * Since a job ends only when its record is stored, two setups cannot both win.
 *
 * A job may outlive its exchange (the peer went away) and its web (at the end of the program): both pointers are then
 * NULL. The worker touches only the job.
 */
#include "web/web_private.h"

#include "base/clock.h"
#include "base/text.h"
#include "web/request.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_NS (30 * CLOCK_SECOND_NS)
enum { CODE_MAX = 64 };

enum job_kind { JOB_SETUP, JOB_LOGIN, JOB_CHANGE };

struct password_job {
    struct password_job *next;
    struct web *web;
    struct http_exchange *exchange;
    struct address peer;
    enum job_kind kind;
    char code[CODE_MAX + 1];
    char password[WEB_PASSWORD_MAX + 1];     /* that must match `record` */
    char new_password[WEB_PASSWORD_MAX + 1]; /* to become `new_record` */
    char record[WEB_RECORD_MAX], new_record[WEB_RECORD_MAX];
    bool matches, hashed; /* set by the worker */
};

static void start_first(struct web *self);

static void job_free(struct password_job *job)
{
    OPENSSL_cleanse(job, sizeof(*job));
    free(job);
}

static void exchange_closed(void *ctx, bool expired)
{
    struct password_job *job = ctx;
    if (expired)
        web_reply_error(job->exchange, 503, "Retry-After: 5\r\n", "busy", "The host is busy. Try again.");
    job->exchange = NULL;
}

/* The first job is over: frees it and starts the next one. */
static void finish(struct password_job *job)
{
    struct web *self = job->web;
    if (self) {
        self->jobs = job->next;
        start_first(self);
    }
    job_free(job);
}

static void fail(struct password_job *job, int status, const char *code, const char *message)
{
    if (job->exchange)
        web_reply_error(job->exchange, status, NULL, code, message);
    finish(job);
}

static void refuse_wrong(struct password_job *job)
{
    char peer[ADDRESS_TEXT_MAX];
    unsigned swallowed;
    address_text(&job->peer, peer);
    if (log_limit_pass(&job->web->log_failures, 5, clock_now_ns(), &swallowed))
        log_warn("web: wrong %s from %s (%u more not logged)", job->kind == JOB_SETUP ? "setup code" : "password", peer,
                 swallowed);
    fail(job, 403, job->kind == JOB_SETUP ? "code" : "password",
         job->kind == JOB_SETUP ? "This setup code is not right." : "This password is not right.");
}

static void stored(void *arg, bool good)
{
    struct password_job *job = arg;
    if (!job->web) {
        job_free(job);
        return;
    }
    if (!good) {
        fail(job, 500, "failed", "The password could not be saved. The host's log says why.");
        return;
    }
    log_info("web: the password was set");
    attempts_forgive(&job->web->attempts, &job->peer);
    web_forget_logins(job->web);
    if (job->exchange)
        web_reply_new_login(job->web, job->exchange);
    finish(job);
}

static void do_work(void *arg) /* worker */
{
    struct password_job *job = arg;
    job->matches = job->kind == JOB_SETUP || web_password_matches(job->record, job->password);
    if (job->kind != JOB_LOGIN && job->matches)
        job->hashed = web_password_hash(job->new_password, job->new_record, sizeof(job->new_record));
}

static void work_done(void *arg)
{
    struct password_job *job = arg;
    struct web *self = job->web;
    if (!self) {
        job_free(job);
        return;
    }
    if (!job->matches) {
        refuse_wrong(job);
    } else if (job->kind == JOB_LOGIN) {
        attempts_forgive(&self->attempts, &job->peer);
        if (job->exchange)
            web_reply_new_login(self, job->exchange);
        finish(job);
    } else if (!job->hashed) {
        attempts_refund(&self->attempts, &job->peer);
        fail(job, 500, "failed", "The password could not be computed. The host's log says why.");
    } else {
        self->backend.password_store(self->backend.ctx, job->new_record, stored, job);
    }
}

/* What was true when the job came may have changed while it waited. False: answered and finished. */
static bool prepare(struct password_job *job)
{
    struct web *self = job->web;
    const char *record = self->backend.password_record(self->backend.ctx);
    if (job->kind == JOB_SETUP) {
        if (record) {
            attempts_refund(&self->attempts, &job->peer);
            fail(job, 409, "state", "A password is set already. Load the page again.");
            return false;
        }
        if (!self->backend.setup_code_matches(self->backend.ctx, job->code)) {
            refuse_wrong(job);
            return false;
        }
        return true;
    }
    if (!record || !text_copy(job->record, sizeof(job->record), record)) {
        attempts_refund(&self->attempts, &job->peer);
        fail(job, 409, "state", "No password is set yet. Load the page again.");
        return false;
    }
    return true;
}

static void start_first(struct web *self)
{
    struct password_job *job = self->jobs;
    if (!job || !prepare(job)) /* prepare() goes on with the next job itself */
        return;
    if (loop_work(self->loop, do_work, work_done, job))
        return;
    attempts_refund(&self->attempts, &job->peer);
    fail(job, 503, "busy", "The host is busy. Try again.");
}

/* Takes the job. */
static void submit(struct web_call *call, struct password_job *job)
{
    struct web *self = call->web;
    unsigned waiting = 0, wait_s;
    struct password_job **end = &self->jobs;
    for (; *end; end = &(*end)->next)
        waiting++;
    job->web = self;
    job->peer = *http_exchange_peer(call->exchange);
    if (waiting >= WEB_JOBS_MAX) {
        web_reply_error(call->exchange, 503, "Retry-After: 2\r\n", "busy", "The host is busy. Try again.");
        job_free(job);
        return;
    }
    if (!attempts_take(&self->attempts, &job->peer, clock_now_ns(), &wait_s)) {
        web_reply_wait(call->exchange, wait_s);
        job_free(job);
        return;
    }
    job->exchange = call->exchange;
    http_exchange_hold(call->exchange, HOLD_NS, exchange_closed, job);
    *end = job;
    if (waiting == 0)
        start_first(self);
}

static struct password_job *job_create(struct web_call *call, enum job_kind kind)
{
    struct password_job *job = calloc(1, sizeof(*job));
    if (job)
        job->kind = kind;
    else
        web_reply_error(call->exchange, 500, NULL, "failed", "The host is out of memory.");
    return job;
}

static void take(struct web_call *call, struct password_job *job, const struct request_field *fields, size_t count)
{
    if (request_fields(http_exchange_body(call->exchange), fields, count)) {
        submit(call, job);
        return;
    }
    web_reply_error(call->exchange, 400, NULL, "bad_request",
                    "The request is not of the expected form. A password has 8 to 256 bytes.");
    job_free(job);
}

void credentials_setup(struct web_call *call)
{
    struct password_job *job = job_create(call, JOB_SETUP);
    if (!job)
        return;
    const struct request_field fields[] = {{"code", 1, CODE_MAX, job->code},
                                           {"password", WEB_PASSWORD_MIN, WEB_PASSWORD_MAX, job->new_password}};
    take(call, job, fields, 2);
}

void credentials_login(struct web_call *call)
{
    struct password_job *job = job_create(call, JOB_LOGIN);
    if (!job)
        return;
    const struct request_field fields[] = {{"password", 1, WEB_PASSWORD_MAX, job->password}};
    take(call, job, fields, 1);
}

void credentials_change(struct web_call *call)
{
    struct password_job *job = job_create(call, JOB_CHANGE);
    if (!job)
        return;
    const struct request_field fields[] = {{"old", 1, WEB_PASSWORD_MAX, job->password},
                                           {"new", WEB_PASSWORD_MIN, WEB_PASSWORD_MAX, job->new_password}};
    take(call, job, fields, 2);
}

void credentials_abandon(struct web *self)
{
    struct password_job *job = self->jobs;
    if (!job)
        return;
    struct password_job *waiting = job->next;
    job->web = NULL; /* a worker or the backend has it, and gives it to work_done() or stored() */
    job->exchange = NULL;
    while (waiting) {
        job = waiting;
        waiting = job->next;
        job_free(job);
    }
    self->jobs = NULL;
}
