/* Whole files in memory, read-only. */
#ifndef SYS_MAP_H
#define SYS_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
	const uint8_t *data; /* not NULL, even where size is 0 */
	size_t size;
};

/*
 * Maps a regular file; anything else is refused. The mapping is private; a
 * file that is cut short meanwhile raises SIGBUS. map_close releases it.
 */
int map_open(struct map *, const char *path, char *why);

/* The same for an open descriptor, which stays open. */
int map_descriptor(struct map *, int fd, char *why);

void map_close(struct map *);

/* Begins to read n bytes of a mapping at p, and does not wait for them. */
void map_want(const void *p, size_t n);

/*
 * The n bytes of a mapping at p are not needed for now: the memory of the pages
 * that lie within them may go.
 */
void map_forget(const void *p, size_t n);

#endif
