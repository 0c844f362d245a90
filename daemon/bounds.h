/* bounds.h - every limit of the daemon's own, with the reason for its value. What a user may change is in config.h. */
#ifndef HEADROOM_DAEMON_BOUNDS_H
#define HEADROOM_DAEMON_BOUNDS_H

/* --- configuration --- */
#define CONFIG_LINE_MAX 4096            /* a path of PATH_MAX never fits a sane line anyway */
#define CONFIG_FILES_MAX 256            /* drop-ins, and again models.d: more is a wrong directory */
#define MODELS_MAX 1024                 /* what a scan of the models directory may find */
#define MODEL_ID_MAX 128                /* fits a log line and a URL */
#define MODEL_ALIASES_MAX 32
#define MODELS_DEPTH_MAX 4              /* publisher/repository/variant/file.gguf */

/* --- log --- */
#define LOG_LINE_MAX 3072               /* under PIPE_BUF (4096), so that a line is written whole or not at all */
#define LOG_FIELDS_MAX 24

/* --- http --- */
#define HTTP_HEAD_MAX (32u << 10)       /* request line and headers; cookies of a whole intranet are 8 KiB */
#define HTTP_HEADERS_MAX 100            /* browsers send 20 */
#define HTTP_READ_MAX (64u << 10)       /* one read, and what a connection may send ahead while it is being answered */
#define HTTP_BODIES_MAX (256ull << 20)  /* all request bodies in memory at once: four of the largest */
#define HTTP_BODY_OVERHEAD 8            /* a chunked body may be this many times longer on the line than its content */
#define HTTP_BODY_CHECK_MS 10000        /* while a body arrives we look this often ... */
#define HTTP_BODY_CHECK_BYTES 1024      /* ... whether at least so much of it came */
#define HTTP_WRITE_HIGH (64u << 10)     /* more than this unsent: the producer pauses (300 tokens of a stream) */
#define HTTP_WRITE_LOW (16u << 10)      /* less than this: it goes on */
#define HTTP_UNSENT_MAX (32 << 10)      /* what the kernel may hold unsent for us on a TCP connection, see TCP_NOTSENT_LOWAT */
#define HTTP_WRITE_MAX (64u << 20)      /* unsent answers of one connection: a producer that ignores the marks is a bug */
#define HTTP_STALL_MS 300000            /* a client that takes nothing for so long is gone, though its kernel says otherwise */
#define HTTP_LINGER_MS 2000             /* after our last byte: wait so long for the client to close first */
#define HTTP_LINGER_BYTES (128ull << 20)        /* and throw away so much of what it still sends */
#define HTTP_REFUSED_MAX 32             /* connections over the limit that are told so, politely, at one time */
#define HTTP_BACKLOG 128

#endif
