/* Log-mel for every processor of the kind that this is compiled for. */
#include "includes.h"

#define LANES 4
#if defined(__x86_64__) || defined(__i386__)
#define NAME log_mel_sse
#elif defined(__aarch64__)
#define NAME log_mel_neon
#else
#define NAME log_mel_plain
#endif
#include "log_mel.h"
