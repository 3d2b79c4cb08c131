/* SPDX-License-Identifier: Apache-2.0 */
/* Input packets of a client: what is decoded must lie within the bounds that the header states. */
#include "protocol/input.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_share(float value)
{
    assert(value >= 0.0f && value <= 1.0f);
}

static void check_place(float x, float y, float pressure)
{
    check_share(x);
    check_share(y);
    check_share(pressure);
}

static void check(const struct input_event *event)
{
    switch (event->kind) {
    case INPUT_MOVE_TO:
        assert(event->move_to.x >= 0 && event->move_to.x <= event->move_to.far_x);
        assert(event->move_to.y >= 0 && event->move_to.y <= event->move_to.far_y);
        break;
    case INPUT_BUTTON:
        assert(event->button.button >= 1 && event->button.button <= 5);
        break;
    case INPUT_TEXT:
        assert(event->text.count >= 1 && event->text.count <= INPUT_TEXT_MAX);
        for (size_t i = 0; i < event->text.count; i++)
            assert(event->text.code_points[i] <= 0x10ffff && event->text.code_points[i] >> 11 != 0x1b);
        break;
    case INPUT_TOUCH:
        check_place(event->touch.x, event->touch.y, event->touch.pressure);
        check_share(event->touch.major);
        check_share(event->touch.minor);
        assert(event->touch.event <= INPUT_CANCEL_ALL && event->touch.rotation < 360);
        break;
    case INPUT_PEN:
        check_place(event->pen.x, event->pen.y, event->pen.pressure);
        assert(event->pen.event <= INPUT_CANCEL_ALL && event->pen.rotation < 360 && event->pen.tilt <= 90);
        break;
    case INPUT_PAD_STATE:
        assert(event->pad_state.number < INPUT_CONTROLLERS_MAX);
        break;
    case INPUT_PAD_ARRIVAL:
        assert(event->pad_arrival.number < INPUT_CONTROLLERS_MAX);
        break;
    case INPUT_PAD_TOUCH:
        check_place(event->pad_touch.x, event->pad_touch.y, event->pad_touch.pressure);
        assert(event->pad_touch.number < INPUT_CONTROLLERS_MAX && event->pad_touch.pad < 2);
        break;
    case INPUT_PAD_MOTION:
        assert(isfinite(event->pad_motion.x) && isfinite(event->pad_motion.y) && isfinite(event->pad_motion.z));
        assert(event->pad_motion.number < INPUT_CONTROLLERS_MAX);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input_event event;
    if (input_decode(data, size, &event) == INPUT_OK)
        check(&event);
    return 0;
}
