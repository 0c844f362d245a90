/* test_door.c - who is let in: by Host, Origin and content type. A row is one request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/net_address.h"
#include "daemon/http/door.h"

#define IN  REASON_NONE
#define NO  REASON_HOST_NOT_ALLOWED
#define OUT REASON_ORIGIN_NOT_ALLOWED
#define BAD REASON_BAD_REQUEST

static void hosts(void **state) {
        static const struct {
                const char *situation, *host;
                enum reason expected;
        } rows[] = {
                { "localhost", "localhost:14", IN },
                { "in whatever letters", "LocalHost", IN },
                { "a port that was forwarded", "127.0.0.1:8080", IN },
                { "a port of no digits", "localhost:", IN },
                { "every loopback address is this machine", "127.8.8.8:14", IN },
                { "loopback of the other family", "[::1]:14", IN },
                { "it can be written in full", "[0:0:0:0:0:0:0:1]", IN },
                { "the machine's own name", "box.lan:14", IN },
                { "a configured name", "Models.Example:443", IN },
                { "a configured address", "192.168.1.7:14", IN },
                { "a configured address of the other family", "[fd00::7]", IN },
                { "the address that the client reached", "10.1.2.3:14", IN },
                { "HTTP/1.0 has none, and no browser speaks it", NULL, IN },

                { "a page's name that was made to point here", "evil.com", NO },
                { "empty", "", NO },
                { "a port alone", ":14", NO },
                { "localhost is no more than a prefix", "localhost.evil.com:14", NO },
                { "... or a suffix", "evil.localhost", NO },
                { "a prefix of a configured name", "models.exampl", NO },
                { "more than a configured name", "models.example.evil.com", NO },
                { "two configured names as one", "models.example 192.168.1.7", BAD },
                { "the address that the client reached, mapped into the other family", "[::ffff:10.1.2.3]", NO },
                { "an address that is not ours", "192.168.1.8", NO },
                { "the address of everything", "0.0.0.0:14", NO },
                { "an address as no browser writes it", "127.1", NO },
                { "an address that looks like loopback", "127.0.0.1.evil.com", NO },
                { "one that is mapped into the other family", "[::ffff:127.0.0.1]", NO },
                { "a user", "evil@localhost", BAD },
                { "a port that is none", "localhost:14x", BAD },
                { "a port of six digits", "localhost:123456", BAD },
                { "two ports", "localhost:1:2", BAD },
                { "no closing bracket", "[::1", BAD },
                { "behind the bracket", "[::1]x", BAD },
                { "an empty bracket", "[]", NO },
                { "two hosts", "localhost, evil.com", BAD },
                { "a path", "localhost/evil", BAD },
                { "a quote does not leave the JSON", "a\"b\\c\x01\xff", BAD },
        };
        struct http_door door;
        struct in6_addr local;

        (void) state;
        assert_true(net_address_read("10.1.2.3", 8, &local));
        assert_int_equal(door_open("models.example 192.168.1.7 [fd00::7]", "", &door), 0);
        (void) strcpy(door.own_name, "box.lan");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const struct door_request r = { .method = METHOD_GET, .host = rows[i].host, .local = &local };
                char why[DOOR_WHY_MAX] = "";
                enum reason got = door_check(&door, &r, why);
                if (got != rows[i].expected || !got != !*why || strpbrk(why, "\"\\\x01\xff"))
                        fail_msg("%s: %s (%s)", rows[i].situation, reason_info(got)->word, why);
        }
        door_done(&door);
}

/* The server is asked for as localhost:14. */
static void pages(void **state) {
        static const struct {
                const char *situation;
                enum http_method method;
                const char *origin, *site, *mode, *body_type; /* body_type "": a body without a type; NULL: no body */
                enum reason expected;
        } rows[] = {
                { "curl -d", METHOD_POST, NULL, NULL, NULL, "application/x-www-form-urlencoded", IN },
                { "a program that says nothing of its body", METHOD_POST, NULL, NULL, NULL, "", IN },
                { "the server's own page", METHOD_POST, "http://localhost:14", "same-origin", "cors", "application/json", IN },
                { "... by way of TLS", METHOD_POST, "https://localhost:14", "same-origin", "cors", "application/json", IN },
                { "a page that is let in", METHOD_POST, "https://page.example", "cross-site", "cors", "application/json", IN },
                { "... with a port", METHOD_POST, "http://app.example:3000", "cross-site", "cors",
                  "application/json; charset=utf-8", IN },
                { "... asks before", METHOD_OPTIONS, "https://page.example", "cross-site", "cors", NULL, IN },
                { "an address that was typed", METHOD_GET, NULL, "none", "navigate", NULL, IN },
                { "a link that was followed", METHOD_GET, NULL, "cross-site", "navigate", NULL, IN },
                { "what the own page fetches", METHOD_GET, NULL, "same-origin", "no-cors", NULL, IN },

                { "any page", METHOD_POST, "https://evil.com", "cross-site", "cors", "application/json", OUT },
                { "... that asks before", METHOD_OPTIONS, "https://evil.com", "cross-site", "cors", NULL, OUT },
                { "... and reads", METHOD_GET, "https://evil.com", "cross-site", "cors", NULL, OUT },
                { "a file, or a frame in a sandbox", METHOD_POST, "null", "cross-site", "cors", "application/json", OUT },
                { "another server of this machine", METHOD_POST, "http://localhost:3000", "same-site", "cors", "application/json",
                  OUT },
                { "the same under another name", METHOD_POST, "http://127.0.0.1:14", "cross-site", "cors", "application/json",
                  OUT },
                { "a page that is let in, from another scheme", METHOD_GET, "http://page.example", "cross-site", "cors", NULL,
                  OUT },
                { "... from another port", METHOD_GET, "https://page.example:8443", "cross-site", "cors", NULL, OUT },
                { "its prefix", METHOD_GET, "https://page.exampl", NULL, NULL, NULL, OUT },
                { "two origins", METHOD_GET, "https://page.example http://app.example:3000", NULL, NULL, NULL, OUT },
                { "an empty origin", METHOD_GET, "", NULL, NULL, NULL, OUT },
                { "another scheme with our name", METHOD_GET, "ftp://localhost:14", NULL, NULL, NULL, OUT },
                { "a picture of any page", METHOD_GET, NULL, "cross-site", "no-cors", NULL, OUT },
                { "a script of another server here", METHOD_GET, NULL, "same-site", "no-cors", NULL, OUT },
                { "a form that is sent", METHOD_POST, NULL, "cross-site", "navigate", "application/x-www-form-urlencoded", OUT },

                { "text of the own page", METHOD_POST, "http://localhost:14", "same-origin", "cors", "text/plain",
                  REASON_CONTENT_TYPE },
                { "no type at all", METHOD_POST, "https://page.example", NULL, NULL, "", REASON_CONTENT_TYPE },
                { "a form", METHOD_POST, NULL, "same-origin", "navigate", "multipart/form-data; boundary=x",
                  REASON_CONTENT_TYPE },
                { "a type that begins like JSON", METHOD_POST, "https://page.example", NULL, NULL, "application/json5",
                  REASON_CONTENT_TYPE },
                { "JSON as a parameter", METHOD_POST, "https://page.example", NULL, NULL, "text/plain; application/json",
                  REASON_CONTENT_TYPE },
        };
        struct http_door door;

        (void) state;
        assert_int_equal(door_open("", "https://page.example http://app.example:3000", &door), 0);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const char *type = rows[i].body_type && *rows[i].body_type ? rows[i].body_type : NULL;
                const struct door_request r = { rows[i].method, rows[i].body_type, "localhost:14", NULL, 0,
                                                rows[i].origin, rows[i].site,      rows[i].mode,   type, NULL };
                char why[DOOR_WHY_MAX] = "";
                enum reason got = door_check(&door, &r, why);
                if (got != rows[i].expected || !got != !*why)
                        fail_msg("%s: %s (%s)", rows[i].situation, reason_info(got)->word, why);
        }
        door_done(&door);
}

/* A target in absolute form names the host, and has the last word with other servers: both are looked at. */
static void targets_with_a_host(void **state) {
        static const struct {
                const char *authority, *host;
                enum reason expected;
        } rows[] = {
                { "localhost:14", "localhost:14", IN },
                { "localhost", NULL, IN },
                { "evil.com", "localhost", NO },
                { "localhost", "evil.com", NO },
                { "evil.com", NULL, NO },
                { "a@localhost", "localhost", BAD },
                { "", "localhost", NO },
        };
        struct http_door door;

        (void) state;
        assert_int_equal(door_open("", "", &door), 0);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const struct door_request r = { .method = METHOD_GET,
                                                .host = rows[i].host,
                                                .authority = rows[i].authority,
                                                .authority_length = strlen(rows[i].authority) };
                char why[DOOR_WHY_MAX] = "";
                if (door_check(&door, &r, why) != rows[i].expected)
                        fail_msg("%s with Host %s: %s", rows[i].authority, rows[i].host ? rows[i].host : "none", why);
        }
        door_done(&door);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hosts),
                cmocka_unit_test(pages),
                cmocka_unit_test(targets_with_a_host),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
