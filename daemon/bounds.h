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

#endif
