/*
 * The members of a tar or zip archive, one after the other, without touching
 * the disk. Everything here is in memory of a bounded size; only this module
 * knows libarchive and zlib, which it loads when the first archive is opened.
 * Names begin with bundle_, for libarchive has taken archive_.
 */
#ifndef SYS_ARCHIVE_H
#define SYS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bundle;

struct bundle_member {
	const char *name; /* as it stands in the archive; until the next one */
	/* NULL for a file; else "a link", "a directory", "a device" */
	const char *other;
	bool encrypted;
};

/*
 * Opens an archive in memory, which must outlive it: tar, bare or compressed
 * by gzip, zstd or xz, or zip. bundle_free(NULL) is allowed.
 */
struct bundle *bundle_open(const uint8_t *, size_t size, char *why);
void bundle_free(struct bundle *);

/* True where the bytes begin as an archive does, or might as a tar. */
bool bundle_begins(const uint8_t *, size_t size);

/*
 * Goes to the next member: 1; at the end, when all of the archive has been
 * read and every checksum was right: 0; -1: damaged. What bundle_read gave
 * must not be used before the end is reached.
 */
int bundle_next(struct bundle *, struct bundle_member *, char *why);

/* Up to n bytes of the member, 0 at its end, -1: damaged, or cut short. */
ssize_t bundle_read(struct bundle *, void *, size_t n, char *why);

#endif
