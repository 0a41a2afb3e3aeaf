/*
 * Archives by libarchive; see archive.h. Its gzip filter does not check the
 * checksum and its tar reader takes a cut file for a whole one. So a
 * compressed tar goes through two stages: the first decompresses (gzip by
 * zlib), the second sees only a bare tar, and in between the zeros at a tar's
 * end are counted. Formats and filters are enabled by name: some of the others
 * run programs.
 */
#include "sys/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "sys/num.h"
#include "sys/why.h"

enum {
	ENTRIES_MAX = 10000,
	BLOCK = 1 << 18,
	TAR_BLOCK = 512,
	TAR_END = 2 * TAR_BLOCK
};

/* Most bytes of a bare tar, 16 GiB: more are not passed over. */
static const size_t tar_max = (size_t)1 << 34;

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_OTHER, PACKED_ZIP };

struct bundle {
	const uint8_t *data;
	size_t size, at; /* at: how much the first stage has taken */
	enum packing packing;
	struct archive *first, *second;
	z_stream z;
	bool z_open, z_ended;
	uint8_t block[BLOCK];
	size_t tar,
	    zeros; /* what the second stage has seen; zeros at its end */
	size_t entries;
	int64_t want, got; /* bytes of the member; want -1: not known */
	char fault[WHYSZ]; /* of the first stage; empty: none */
};

#define DECLARE(name) static __typeof__(name) *p_##name
DECLARE(archive_read_new);
DECLARE(archive_read_free);
DECLARE(archive_read_support_format_tar);
DECLARE(archive_read_support_format_zip_seekable);
DECLARE(archive_read_support_format_raw);
DECLARE(archive_read_support_filter_zstd);
DECLARE(archive_read_support_filter_xz);
DECLARE(archive_read_open);
DECLARE(archive_read_open_memory);
DECLARE(archive_read_next_header);
DECLARE(archive_read_data);
DECLARE(archive_error_string);
DECLARE(archive_entry_pathname);
DECLARE(archive_entry_pathname_utf8);
DECLARE(archive_entry_hardlink);
DECLARE(archive_entry_filetype);
DECLARE(archive_entry_size);
DECLARE(archive_entry_size_is_set);
DECLARE(archive_entry_is_encrypted);
DECLARE(inflateInit2_);
DECLARE(inflate);
DECLARE(inflateReset);
DECLARE(inflateEnd);

static bool loaded;

/* libarchive needs zlib itself, so its handle finds both. */
static void
load_libraries(void)
{
	static const struct {
		const char *name;
		void *slot; /* address of a function pointer */
	} symbols[] = {
#define SYMBOL(name) { #name, &p_##name }
		SYMBOL(archive_read_new),
		SYMBOL(archive_read_free),
		SYMBOL(archive_read_support_format_tar),
		SYMBOL(archive_read_support_format_zip_seekable),
		SYMBOL(archive_read_support_format_raw),
		SYMBOL(archive_read_support_filter_zstd),
		SYMBOL(archive_read_support_filter_xz),
		SYMBOL(archive_read_open),
		SYMBOL(archive_read_open_memory),
		SYMBOL(archive_read_next_header),
		SYMBOL(archive_read_data),
		SYMBOL(archive_error_string),
		SYMBOL(archive_entry_pathname),
		SYMBOL(archive_entry_pathname_utf8),
		SYMBOL(archive_entry_hardlink),
		SYMBOL(archive_entry_filetype),
		SYMBOL(archive_entry_size),
		SYMBOL(archive_entry_size_is_set),
		SYMBOL(archive_entry_is_encrypted),
		SYMBOL(inflateInit2_),
		SYMBOL(inflate),
		SYMBOL(inflateReset),
		SYMBOL(inflateEnd),
	};
	void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]);
	     i++) {
		void *p = dlsym(library, symbols[i].name);

		if (p == NULL)
			return;
		memcpy(symbols[i].slot, &p, sizeof(p));
	}
	loaded = library != NULL;
}

static enum packing
tell_packing(const uint8_t *p, size_t size)
{
	if (size >= 4 &&
	    (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0))
		return PACKED_ZIP;
	if (size >= 2 && memcmp(p, "\x1f\x8b", 2) == 0)
		return PACKED_GZIP;
	if (size >= 6 && (memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0 ||
			     memcmp(p, "\xfd\x37zXZ", 6) == 0))
		return PACKED_OTHER;
	return PACKED_NOT;
}

bool
bundle_begins(const uint8_t *p, size_t size)
{
	return tell_packing(p, size) != PACKED_NOT ||
	       (size >= 512 && memcmp(p + 257, "ustar", 5) == 0);
}

/* The next bytes of a file compressed by gzip, maybe in several members. */
static ssize_t
pull_gzip(struct bundle *b)
{
	z_stream *z = &b->z;

	z->next_out = b->block;
	z->avail_out = BLOCK;
	while (z->avail_out > 0) {
		int rc;

		if (b->z_ended && b->at == b->size)
			break;
		if (b->z_ended && p_inflateReset(z) != Z_OK)
			return why_set(b->fault, "gzip data damaged");
		b->z_ended = false;
		z->next_in = (Bytef *)(uintptr_t)(b->data + b->at);
		z->avail_in = (uInt)num_min(b->size - b->at, 1 << 30);
		rc = p_inflate(z, Z_NO_FLUSH);
		b->at = (size_t)(z->next_in - b->data);
		if (rc == Z_STREAM_END)
			b->z_ended = true;
		else if (rc == Z_BUF_ERROR ||
			 (rc == Z_OK && b->at == b->size && z->avail_out > 0))
			return why_set(b->fault, "archive ends early");
		else if (rc == Z_DATA_ERROR && z->msg &&
			 (strstr(z->msg, "data check") ||
			     strstr(z->msg, "length check")))
			return why_set(b->fault, "gzip checksum wrong");
		else if (rc != Z_OK)
			return why_set(b->fault, "gzip data damaged");
	}
	return (ssize_t)(BLOCK - z->avail_out);
}

/* What libarchive says of damage, in one word where it is a cut. */
static int
set_fault(char *why, struct archive *a)
{
	const char *text = p_archive_error_string(a);
	char shown[256];

	if (text == NULL)
		return why_set(why, "archive damaged");
	if (strstr(text, "runcated") || strstr(text, "end of file"))
		return why_set(why, "archive ends early");
	why_escape(shown, sizeof(shown), text, strlen(text));
	return why_set(why, "archive damaged (%s)", shown);
}

/* The next bytes of the bare tar, at *out. */
static ssize_t
pull(struct bundle *b, const void **out)
{
	ssize_t n;

	*out = b->block;
	switch (b->packing) {
	case PACKED_GZIP:
		return pull_gzip(b);
	case PACKED_OTHER:
		n = p_archive_read_data(b->first, b->block, BLOCK);
		return n < 0 ? set_fault(b->fault, b->first) : n;
	default:
		n = (ssize_t)num_min(b->size - b->at, BLOCK);
		*out = b->data + b->at;
		b->at += (size_t)n;
		return n;
	}
}

/* libarchive's side of pull; counts the zeros at the end. */
static la_ssize_t
feed(struct archive *a, void *arg, const void **out)
{
	struct bundle *b = arg;
	ssize_t n = pull(b, out);
	const uint8_t *p = *out;
	size_t i = n < 0 ? 0 : (size_t)n;

	(void)a;
	while (i > 0 && p[i - 1] == 0)
		i--;
	if (n > 0) {
		b->zeros = (size_t)n - i + (i == 0 ? b->zeros : 0);
		b->tar += (size_t)n;
	}
	if (b->tar > tar_max)
		return why_set(
		    b->fault, "archive larger than %zu bytes", tar_max);
	return n;
}

static int
open_stages(struct bundle *b)
{
	struct archive_entry *entry;

	if ((b->second = p_archive_read_new()) == NULL)
		return -1;
	if (b->packing == PACKED_ZIP)
		return p_archive_read_support_format_zip_seekable(b->second) |
		       p_archive_read_open_memory(b->second, b->data, b->size);
	if (b->packing == PACKED_GZIP) {
		/* 15 bits of window, and 16: a gzip header. */
		if (p_inflateInit2_(&b->z, 15 + 16, ZLIB_VERSION,
			(int)sizeof(b->z)) != Z_OK)
			return -1;
		b->z_open = true;
	} else if (b->packing == PACKED_OTHER) {
		if ((b->first = p_archive_read_new()) == NULL ||
		    p_archive_read_support_format_raw(b->first) ||
		    p_archive_read_support_filter_zstd(b->first) < 0 ||
		    p_archive_read_support_filter_xz(b->first) < 0 ||
		    p_archive_read_open_memory(b->first, b->data, b->size) ||
		    p_archive_read_next_header(b->first, &entry))
			return -1;
	}
	return p_archive_read_support_format_tar(b->second) |
	       p_archive_read_open(b->second, b, NULL, feed, NULL);
}

struct bundle *
bundle_open(const uint8_t *data, size_t size, char *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct bundle *b;

	pthread_once(&once, load_libraries);
	if (!loaded) {
		why_set(why, "archives need libarchive.so.13 (libarchive13)");
		return NULL;
	}
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return why_memory(why);
	b->data = data;
	b->size = size;
	b->packing = tell_packing(data, size);
	if (size > 0 && open_stages(b) == 0)
		return b;
	why_set(why, "%s", b->fault[0] ? b->fault : "not a tar or zip archive");
	bundle_free(b);
	return NULL;
}

void
bundle_free(struct bundle *b)
{
	if (b == NULL)
		return;
	if (b->second)
		p_archive_read_free(b->second);
	if (b->first)
		p_archive_read_free(b->first);
	if (b->z_open)
		p_inflateEnd(&b->z);
	free(b);
}

/* Reads what lies behind the last member, and checks that it is the end. */
static int
finish(struct bundle *b, char *why)
{
	const void *ignored;
	la_ssize_t n;

	if (b->packing == PACKED_ZIP)
		return 0;
	while ((n = feed(NULL, b, &ignored)) > 0)
		;
	if (n < 0)
		return why_set(why, "%s", b->fault);
	if (b->zeros < TAR_END || b->tar % TAR_BLOCK != 0)
		return why_set(why, "archive ends early");
	return 0;
}

static const char *
tell_type(struct archive_entry *entry)
{
	if (p_archive_entry_hardlink(entry))
		return "a link";
	switch (p_archive_entry_filetype(entry)) {
	case AE_IFREG:
		return NULL;
	case AE_IFLNK:
		return "a link";
	case AE_IFDIR:
		return "a directory";
	case AE_IFIFO:
		return "a FIFO";
	default:
		return "a device";
	}
}

int
bundle_next(struct bundle *b, struct bundle_member *m, char *why)
{
	struct archive_entry *entry;
	int rc = p_archive_read_next_header(b->second, &entry);

	if (rc == ARCHIVE_EOF)
		return finish(b, why);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
		if (b->fault[0])
			return why_set(why, "%s", b->fault);
		return b->entries == 0
			   ? why_set(why, "not a tar or zip archive")
			   : set_fault(why, b->second);
	}
	if (b->entries++ == ENTRIES_MAX)
		return why_set(why, "more than %d entries", ENTRIES_MAX);
	if ((m->name = p_archive_entry_pathname(entry)) == NULL &&
	    (m->name = p_archive_entry_pathname_utf8(entry)) == NULL)
		m->name = "";
	m->other = tell_type(entry);
	m->encrypted = p_archive_entry_is_encrypted(entry) != 0;
	b->got = 0;
	b->want = p_archive_entry_size_is_set(entry)
		      ? p_archive_entry_size(entry)
		      : -1;
	return 1;
}

ssize_t
bundle_read(struct bundle *b, void *out, size_t n, char *why)
{
	la_ssize_t got = p_archive_read_data(b->second, out, n);

	if (got < 0 && b->fault[0])
		return why_set(why, "%s", b->fault);
	if (got < 0)
		return set_fault(why, b->second);
	b->got += got;
	if (got == 0 && b->want >= 0 && b->got != b->want)
		return why_set(why,
		    "archive damaged (%lld bytes, should be %lld)",
		    (long long)b->got, (long long)b->want);
	return got;
}
