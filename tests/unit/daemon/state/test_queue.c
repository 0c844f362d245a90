/* test_queue.c - order of arrival, leaving from anywhere, and going back to the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/state/queue.h"

static struct queue_link links[5];

/* The queue as text, checked in both directions. */
static const char *text_of(const struct queue *q) {
        static char forward[8], backward[8];
        uint32_t count = 0;
        for (const struct queue_link *l = q->first; l; l = l->next)
                forward[count++] = (char) ('a' + (l - links));
        forward[count] = '\0';
        assert_int_equal(count, q->count);
        for (const struct queue_link *l = q->last; l; l = l->previous)
                backward[--count] = (char) ('a' + (l - links));
        backward[q->count] = '\0';
        assert_string_equal(forward, backward);
        return forward;
}

static void in_order_and_out_of_order(void **state) {
        (void) state;
        struct queue q = { 0 }, other = { 0 };
        memset(links, 0, sizeof(links));
        assert_null(queue_take(&q));
        for (int i = 0; i < 5; i++)
                queue_append(&q, &links[i]);
        assert_string_equal(text_of(&q), "abcde");
        queue_leave(&links[2]);
        assert_string_equal(text_of(&q), "abde");
        queue_leave(&links[2]);
        assert_string_equal(text_of(&q), "abde");
        queue_leave(&links[0]);
        queue_leave(&links[4]);
        assert_string_equal(text_of(&q), "bd");
        queue_prepend(&q, &links[4]);
        queue_append(&q, &links[0]);
        assert_string_equal(text_of(&q), "ebda");
        assert_ptr_equal(queue_take(&q), &links[4]);
        queue_append(&other, &links[2]);
        queue_move_all(&q, &other);
        assert_string_equal(text_of(&other), "cbda");
        assert_string_equal(text_of(&q), "");
        assert_ptr_equal(links[1].queue, &other);
        while (queue_take(&other))
                ;
        queue_prepend(&q, &links[3]);
        assert_string_equal(text_of(&q), "d");
        queue_insert(&q, &links[0], NULL);
        queue_insert(&q, &links[1], &links[0]);
        queue_insert(&q, &links[4], &links[3]);
        assert_string_equal(text_of(&q), "abde");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(in_order_and_out_of_order) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
