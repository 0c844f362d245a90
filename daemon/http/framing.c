/* framing.c - see framing.h. */
#include "daemon/http/framing.h"

static const char bare_lf[] = "a line ends with LF alone; CR LF ends it";
static const char bare_cr[] = "a CR stands within a line; CR LF ends it";

void framing_begin_head(struct http_framing *f) {
        *f = (struct http_framing){ .place = FRAMING_BEFORE_HEAD };
}

void framing_begin_chunks(struct http_framing *f) {
        *f = (struct http_framing){ .place = FRAMING_SIZE_START };
}

static bool is_control(char c) {
        return ((unsigned char) c < 0x20 && c != '\t') || c == 0x7f;
}

static const char *go_to(struct http_framing *f, enum framing_place place) {
        f->place = place;
        return NULL;
}

/* A LF has to follow. */
static const char *expect_lf(struct http_framing *f, char c, enum framing_place next) {
        return c == '\n' ? go_to(f, next) : bare_cr;
}

static const char *within_line(struct http_framing *f, char c, enum framing_place at_cr) {
        if (c == '\r')
                return go_to(f, at_cr);
        return c == '\n' ? bare_lf : is_control(c) ? "a control character stands in a line" : NULL;
}

static const char *within_request_line(struct http_framing *f, char c) {
        if (c == '\t' || (c == ' ' && f->after_blank))
                return "one blank stands between two words of the request line";
        f->after_blank = c == ' ';
        return within_line(f, c, FRAMING_LINE_LF);
}

static const char *start_line(struct http_framing *f, char c, enum framing_place in_line) {
        if (c == ' ' || c == '\t')
                return "a line begins with a blank; a header is one line";
        if (c == ':')
                return "a header has no name";
        return c == '\n' ? bare_lf : go_to(f, c == '\r' ? FRAMING_LAST_LF : in_line);
}

static const char *read_size(struct http_framing *f, char c) {
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned) (c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned) (c - 'A') + 10
                                                : 16;

        if (f->place == FRAMING_SIZE && c == '\r')
                return go_to(f, FRAMING_SIZE_LF);
        if (f->place == FRAMING_SIZE && c == ';')
                return go_to(f, FRAMING_EXTENSION);
        if (digit == 16 || f->chunk_left >> 60)
                return "a chunk of the body has no valid size";
        f->chunk_left = f->chunk_left << 4 | digit;
        return go_to(f, FRAMING_SIZE);
}

static const char *take(struct http_framing *f, char c) {
        static const char no_end[] = "a chunk of the body is longer than it says";

        switch (f->place) {
        case FRAMING_BEFORE_HEAD: return c == '\r' ? go_to(f, FRAMING_EMPTY_LF) : start_line(f, c, FRAMING_REQUEST_LINE);
        case FRAMING_EMPTY_LF: return expect_lf(f, c, FRAMING_BEFORE_HEAD);
        case FRAMING_REQUEST_LINE: return within_request_line(f, c);
        case FRAMING_LINE_START: return start_line(f, c, FRAMING_LINE);
        case FRAMING_LINE: return within_line(f, c, FRAMING_LINE_LF);
        case FRAMING_LINE_LF: return expect_lf(f, c, FRAMING_LINE_START);
        case FRAMING_LAST_LF: return expect_lf(f, c, FRAMING_END);
        case FRAMING_SIZE_START:
        case FRAMING_SIZE: return read_size(f, c);
        case FRAMING_EXTENSION: return within_line(f, c, FRAMING_SIZE_LF);
        case FRAMING_SIZE_LF: return expect_lf(f, c, f->chunk_left ? FRAMING_DATA : FRAMING_LINE_START);
        case FRAMING_DATA_CR: return c == '\r' ? go_to(f, FRAMING_DATA_LF) : no_end;
        case FRAMING_DATA_LF: return c == '\n' ? go_to(f, FRAMING_SIZE_START) : no_end;
        case FRAMING_DATA:
        case FRAMING_END: break;
        }
        return NULL;
}

/* Data needs no look. */
static size_t skip_data(struct http_framing *f, size_t count) {
        size_t skipped = count < f->chunk_left ? count : (size_t) f->chunk_left;

        f->chunk_left -= skipped;
        if (!f->chunk_left)
                f->place = FRAMING_DATA_CR;
        return skipped;
}

size_t framing_pass(struct http_framing *f, const char *bytes, size_t count, const char **reterr) {
        size_t passed = 0;

        while (passed < count && f->place != FRAMING_END) {
                if (f->place == FRAMING_DATA) {
                        passed += skip_data(f, count - passed);
                        continue;
                }
                const char *wrong = take(f, bytes[passed]);
                if (wrong) {
                        *reterr = wrong;
                        return passed;
                }
                passed++;
        }
        return passed;
}
