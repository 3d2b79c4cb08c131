/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quality: what our encoder makes of painted scenes, beside plain libx264 `superfast` at the same rate (reference.h).
 * No display and no clock: the same pictures give the same bits and figures.
 *
 * usage: quality [--json] [--check] [--full] [--scene NAME] [--size WxH] [--kbps N] [--vbv PERCENT]
 *   --check   fail also when a promise about quality is not kept (promises[]), not only on a picture that cannot be
 *             decoded or bits above the rate
 *   --scene   one of type, scroll, video, rest-switch, rest-stop; --size WxH; --kbps for that run. Repeatable as one
 * run
 *   --vbv     the reference's buffer, percent of a frame share
 *
 * Moving scenes are compared after their first second. rest-switch: a desktop with text replaces a video and rests;
 * rest-stop: scrolling text stops. Pictures that rest come again as host/encode_job.c repeats them, and count from when
 * their last bit has been sent at the configured rate.
 */
#include "base/clock.h"
#include "base/text.h"
#include "host/bench_source.h"
#include "tests/quality/contest.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FPS = 60, THREADS = 2, RESULTS_MAX = 16, POINTS_MAX = 40, PRELUDE_PICTURES = 30 };
/* What an IDR at the start may take above the rate, in frame shares. */
enum { IDR_SHARES = 6 };
#define INTERVAL_NS   (CLOCK_SECOND_NS / FPS)
#define REST_LIMIT_NS (CLOCK_SECOND_NS / 2)
#define REST_END_NS   (CLOCK_SECOND_NS * 11 / 10)
#define START_NS      CLOCK_SECOND_NS

struct run {
    const char *scene;
    int width, height, kbps;
    int warm_up, pictures, score_each; /* moving scenes only */
    bool only_full;
};

/*
 * 16 Mbit/s is what the FEC leaves of 20, the rate the figures of tests/bench are for; 8 of the 10 that clients ask for
 * 720p60. Large pictures are dear, so there are fewer, but the rate control has to have settled.
 * At the low rates the picture has to get sharp although something small goes on changing.
 */
static const struct run runs_usual[] = {
    {"type", 1280, 720, 8000, 60, 30, 3, false},        {"scroll", 1280, 720, 8000, 60, 60, 4, false},
    {"video", 1280, 720, 8000, 60, 60, 4, false},       {"rest-switch", 1280, 720, 8000, 0, 0, 0, false},
    {"rest-stop", 1280, 720, 8000, 0, 0, 0, false},     {"type", 2560, 1440, 16000, 60, 30, 3, true},
    {"scroll", 2560, 1440, 16000, 45, 24, 3, false},    {"video", 2560, 1440, 16000, 45, 24, 3, false},
    {"rest-switch", 2560, 1440, 16000, 0, 0, 0, false}, {"rest-stop", 2560, 1440, 16000, 0, 0, 0, true},
    {"type", 2560, 1440, 4000, 60, 30, 3, true},        {"scroll", 2560, 1440, 8000, 45, 24, 3, true},
};

struct point {
    int64_t arrived_ns; /* at the client, after the change */
    double psnr_y, psnr_text;
};

struct result {
    const struct run *run;
    struct contest_tally tallies[CONTESTANTS];
    struct point points[CONTESTANTS][POINTS_MAX];
    int point_count; /* 0: a moving scene */
    int64_t duration_ns;
};

struct options {
    bool json, check, full;
    const char *scene;
    int width, height, kbps, vbv_percent;
};

/* --- runs --- */

static bool is_rest(const struct run *run)
{
    return !strncmp(run->scene, "rest-", 5);
}

/* Where the text is that matters in a scene, within the picture, as host/bench_scene.c paints it; even coordinates. */
static struct rect text_of(const struct bench_source *source)
{
    struct rect text = {70, 80, 1080, 880};
    if (source->scene.config.kind == BENCH_SCENE_SCROLL)
        text = (struct rect){source->width > 1300 ? 1200 : 60, 100, 1000, 800};
    return rect_intersect(text, (struct rect){0, 0, source->width - 60, source->height - 60});
}

static bool open_contest(struct contest *self, const struct bench_source *source, int kbps, int vbv_percent)
{
    return contest_init(self, &(struct contest_config){.layout = source->frame->layout,
                                                       .fps = FPS,
                                                       .bitrate_kbps = kbps,
                                                       .threads = THREADS,
                                                       .vbv_percent = vbv_percent});
}

static bool play_moving(struct contest *contest, struct bench_source *source, struct result *result)
{
    const struct run *run = result->run;
    bool fine = true;
    for (int i = 0; fine && i < run->warm_up + run->pictures; i++) {
        bool warm = i >= run->warm_up, score = warm && (i - run->warm_up) % run->score_each == 0;
        enum contest_look look = score ? CONTEST_SCORE : warm ? CONTEST_COUNT : CONTEST_PASS;
        fine = contest_show(contest, source->frame, text_of(source), look, NULL);
        bench_source_step(source, source->frame->captured_ns + INTERVAL_NS);
    }
    result->duration_ns = (run->warm_up + run->pictures) * INTERVAL_NS;
    return fine;
}

/* As schedule_repeat() of host/encode_job.c. `*doublings` is kept from one repeat to the next. */
static int64_t repeat_delay_ns(int repeats_done, bool refining, int *doublings)
{
    if (repeats_done < 2)
        return repeats_done ? INTERVAL_NS : INTERVAL_NS * 3 / 2;
    *doublings = refining ? 1 : *doublings + 1;
    return INTERVAL_NS << *doublings;
}

static bool show_point(struct contest *contest, const struct bench_source *source, int64_t change_ns,
                       struct result *result)
{
    struct judge_score scores[CONTESTANTS];
    if (!contest_show(contest, source->frame, text_of(source), CONTEST_SCORE, scores))
        return false;
    for (int i = 0; i < CONTESTANTS; i++)
        result->points[i][result->point_count] =
            (struct point){contest->links[i].arrived_ns - change_ns, scores[i].psnr_y, scores[i].psnr_y_area};
    result->point_count++;
    return true;
}

static bool play_rest(struct contest *contest, struct bench_source *source, struct result *result)
{
    int64_t change_ns = START_NS + PRELUDE_PICTURES * INTERVAL_NS, since_ns = 0;
    int doublings = 0;
    for (int i = 0; i < PRELUDE_PICTURES; i++) {
        if (!contest_show(contest, source->frame, text_of(source), CONTEST_PASS, NULL))
            return false;
        bench_source_step(source, START_NS + (i + 1) * INTERVAL_NS);
    }
    if (!strcmp(result->run->scene, "rest-switch") && !bench_source_switch(source, BENCH_SCENE_STILL, change_ns))
        return false;
    for (int repeats = 0; repeats < POINTS_MAX && since_ns <= REST_END_NS; repeats++) {
        if (!show_point(contest, source, change_ns, result))
            return false;
        result->duration_ns = change_ns - START_NS + since_ns;
        since_ns += repeat_delay_ns(repeats, contest->refining, &doublings);
        if (since_ns < contest->links[CONTEST_OURS].arrived_ns - change_ns) /* the host waits for its sender */
            since_ns = contest->links[CONTEST_OURS].arrived_ns - change_ns;
        bench_source_repeat(source, change_ns + since_ns);
    }
    return true;
}

static bool play(const struct run *run, int vbv_percent, struct result *ret_result)
{
    struct bench_source source;
    struct contest contest = {0};
    enum bench_scene_kind kind = strcmp(run->scene, "rest-switch") ? BENCH_SCENE_SCROLL : BENCH_SCENE_VIDEO;
    *ret_result = (struct result){.run = run};
    if (!is_rest(run) && !bench_scene_find(run->scene, &kind))
        return false;
    const struct frame_layout layout = {
        .width = run->width, .height = run->height, .format = FRAME_NV12, .colour_space = FRAME_BT709};
    bool fine = bench_source_init(&source, kind, &layout, FPS, START_NS) &&
                open_contest(&contest, &source, run->kbps, vbv_percent) &&
                (is_rest(run) ? play_rest : play_moving)(&contest, &source, ret_result);
    memcpy(ret_result->tallies, contest.tallies, sizeof(contest.tallies));
    contest_finish(&contest);
    bench_source_finish(&source);
    return fine;
}

/* --- figures --- */

static double share_bits(const struct result *result)
{
    return result->run->kbps * 1000.0 / FPS;
}

/* Of a moving scene: of the pictures compared. */
static double rate_kbps(const struct result *result, enum contestant who)
{
    const struct contest_tally *tally = &result->tallies[who];
    if (result->point_count)
        return (double)tally->bytes * 8e6 / (double)result->duration_ns;
    return (double)tally->counted_bytes * 8 * FPS / 1000 / tally->pictures;
}

static double mean(const struct contest_tally *tally, double sum)
{
    return sum / tally->scored;
}

/* The last picture that arrives within half a second; the first one if none does. */
static const struct point *rested(const struct result *result, enum contestant who)
{
    int last = 0;
    for (int i = 0; i < result->point_count; i++)
        if (result->points[who][i].arrived_ns <= REST_LIMIT_NS)
            last = i;
    return &result->points[who][last];
}

static bool rate_is_kept(const struct result *result)
{
    const struct contest_tally *tally = &result->tallies[CONTEST_OURS];
    double share = share_bits(result), pictures = (double)result->duration_ns / INTERVAL_NS;
    double whole = (double)tally->bytes * 8 / share, counted = (double)tally->counted_bytes * 8 / share;
    bool fine = whole <= pictures + IDR_SHARES;
    if (!result->point_count)
        fine = fine && counted <= tally->pictures + CONTEST_BUCKET_SHARES;
    if (!fine)
        fprintf(stderr, "quality: %s %dx%d: above the rate: %.1f frame shares of %.1f; when compared %.1f of %d\n",
                result->run->scene, result->run->width, result->run->height, whole, pictures, counted, tally->pictures);
    return fine;
}

/* --- promises --- */

static const struct promise {
    const char *scene;
    double behind_db; /* luma: at most so far behind the reference; a resting scene: */
    double reach_db;  /* its text, within half a second */
} promises[] = {
    {"video", 2.0, 0},
    {"scroll", 0.5, 0},
    {"rest-switch", 0, 45},
    {"rest-stop", 0, 45},
};

static bool keep_promise(const struct promise *promise, const struct result *result)
{
    const struct contest_tally *tallies = result->tallies;
    double is = rested(result, CONTEST_OURS)->psnr_text, least = promise->reach_db;
    if (!result->point_count) {
        is = mean(&tallies[0], tallies[0].sum.psnr_y);
        least = mean(&tallies[1], tallies[1].sum.psnr_y) - promise->behind_db;
    }
    if (is >= least)
        return true;
    fprintf(stderr, "quality: %s %dx%d: %.2f dB, promised are %.2f\n", promise->scene, result->run->width,
            result->run->height, is, least);
    return false;
}

static bool keep_promises(const struct result *result)
{
    bool fine = true;
    for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++)
        if (!strcmp(promises[i].scene, result->run->scene))
            fine = keep_promise(&promises[i], result) && fine;
    return fine;
}

/* --- output --- */

static void print_head(void)
{
    printf("%-12s %-10s %-10s %8s %7s %4s %6s %6s %6s %7s %8s %6s\n", "scene", "size", "encoder", "kbit/s", "largest",
           "late", "PSNR-Y", "min", "text", "PSNR-C", "SSIM", "QP");
}

static void print_points(const struct point *points, int count)
{
    printf("    whole / text after");
    for (int i = 0; i < count; i++)
        printf("%s %.0f ms: %.1f / %.1f", i ? "," : "", (double)points[i].arrived_ns / 1e6, points[i].psnr_y,
               points[i].psnr_text);
    printf("\n");
}

/* The largest picture is given in frame shares. */
static void print_result(const struct result *result)
{
    char size[24];
    snprintf(size, sizeof(size), "%dx%d", result->run->width, result->run->height);
    for (int i = 0; i < CONTESTANTS; i++) {
        const struct contest_tally *tally = &result->tallies[i];
        const struct judge_score *sum = &tally->sum;
        printf("%-12s %-10s %-10s %8.0f %7.2f %4d %6.2f %6.2f %6.2f %7.2f %8.5f %6.1f\n", result->run->scene, size,
               contest_name((enum contestant)i), rate_kbps(result, (enum contestant)i),
               (double)tally->largest_bytes * 8 / share_bits(result), tally->late, mean(tally, sum->psnr_y),
               tally->psnr_y_min, mean(tally, sum->psnr_y_area), mean(tally, sum->psnr_c), mean(tally, sum->ssim),
               mean(tally, sum->qp));
        if (result->point_count)
            print_points(result->points[i], result->point_count);
    }
    fflush(stdout);
}

static void print_json_row(const struct result *result, enum contestant who)
{
    const struct contest_tally *tally = &result->tallies[who];
    const struct judge_score *sum = &tally->sum;
    printf("{\"scene\": \"%s\", \"width\": %d, \"height\": %d, \"encoder\": \"%s\", \"configured_kbps\": %d, "
           "\"kbps\": %.1f, \"largest_shares\": %.3f, \"late\": %d, \"psnr_y\": %.3f, \"psnr_y_min\": %.3f, "
           "\"psnr_y_text\": %.3f, "
           "\"psnr_c\": %.3f, \"ssim\": %.6f, \"qp\": %.2f, \"rest\": [",
           result->run->scene, result->run->width, result->run->height, contest_name(who), result->run->kbps,
           rate_kbps(result, who), (double)tally->largest_bytes * 8 / share_bits(result), tally->late,
           mean(tally, sum->psnr_y), tally->psnr_y_min, mean(tally, sum->psnr_y_area), mean(tally, sum->psnr_c),
           mean(tally, sum->ssim), mean(tally, sum->qp));
    for (int i = 0; i < result->point_count; i++) {
        const struct point *point = &result->points[who][i];
        printf("%s{\"ms\": %.1f, \"psnr_y\": %.3f, \"psnr_y_text\": %.3f}", i ? ", " : "",
               (double)point->arrived_ns / 1e6, point->psnr_y, point->psnr_text);
    }
    printf("]}");
}

static void print_json(const struct result *results, int count)
{
    for (int i = 0; i < count; i++)
        for (int who = 0; who < CONTESTANTS; who++) {
            printf("%s", i || who ? ",\n " : "[");
            print_json_row(&results[i], (enum contestant)who);
        }
    printf("]\n");
}

/* --- the whole --- */

static bool parse_number(const char *text, int min, int max, int *ret_number)
{
    int64_t value;
    if (!text_parse_i64(text, strlen(text), min, max, &value))
        return false;
    *ret_number = (int)value;
    return true;
}

static bool parse_size(const char *text, struct options *ret)
{
    char extra;
    return sscanf(text, "%dx%d%c", &ret->width, &ret->height, &extra) == 2 && ret->width >= BENCH_SCENE_MIN_WIDTH &&
           ret->height >= BENCH_SCENE_MIN_HEIGHT && ret->width <= 4096 && ret->height <= 4096 && ret->width % 2 == 0 &&
           ret->height % 2 == 0;
}

static bool parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, 'j'},       {"check", no_argument, NULL, 'c'},
        {"full", no_argument, NULL, 'f'},       {"scene", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'd'}, {"kbps", required_argument, NULL, 'k'},
        {"vbv", required_argument, NULL, 'v'},  {0},
    };
    bool fine = true;
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        ret->json |= option == 'j';
        ret->check |= option == 'c';
        ret->full |= option == 'f';
        if (option == 's')
            ret->scene = optarg;
        else if (option == 'd')
            fine = fine && parse_size(optarg, ret);
        else if (option == 'k')
            fine = fine && parse_number(optarg, 100, 1000000, &ret->kbps);
        else if (option == 'v')
            fine = fine && parse_number(optarg, 20, 10000, &ret->vbv_percent);
        else if (option == '?')
            fine = false;
    }
    return fine && optind == argc;
}

/* Those asked for, changed as asked for. Returns how many. */
static int choose_runs(const struct options *options, struct run ret_runs[RESULTS_MAX])
{
    int count = 0;
    for (size_t i = 0; i < sizeof(runs_usual) / sizeof(runs_usual[0]); i++) {
        struct run run = runs_usual[i];
        if ((options->scene && strcmp(options->scene, run.scene)) || (run.only_full && !options->full) ||
            (options->width && (options->width != run.width || options->height != run.height)))
            continue;
        if (options->kbps)
            run.kbps = options->kbps;
        if (options->full && run.pictures)
            run.warm_up = 60, run.pictures = 300, run.score_each = 1;
        ret_runs[count++] = run;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct options options = {.vbv_percent = REFERENCE_VBV_PERCENT};
    struct run runs[RESULTS_MAX];
    struct result results[RESULTS_MAX];
    int count = parse_options(argc, argv, &options) ? choose_runs(&options, runs) : 0, done = 0;
    if (count == 0) {
        fprintf(stderr, "usage: quality [--json] [--check] [--full] [--scene NAME] [--size WxH] [--kbps N] "
                        "[--vbv PERCENT]\n");
        return 2;
    }
    bool fine = true;
    if (!options.json)
        print_head();
    for (; done < count; done++) {
        if (!play(&runs[done], options.vbv_percent, &results[done]))
            break;
        if (!options.json)
            print_result(&results[done]);
        fine = rate_is_kept(&results[done]) && fine;
        if (options.check)
            fine = keep_promises(&results[done]) && fine;
    }
    if (options.json)
        print_json(results, done);
    return fine && done == count ? 0 : 1;
}
