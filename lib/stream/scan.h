/*
 * The layer's own: a file of streams looked through up to its last whole
 * block, where what comes behind may be unfinished.
 */
#ifndef STREAM_SCAN_H
#define STREAM_SCAN_H

#include "stream/header.h"
#include "stream/writer.h"

struct scan {
	const uint8_t *data; /* the file */
	size_t size;
	const struct stream_header *want; /* but for the preparation */

	/* For each part of a record, whose payload begins at data + at. */
	int (*record)(void *arg, const struct record *, uint64_t at, char *why);
	void *arg;

	/* What was found; start with zeros. */
	size_t at; /* where the last whole block ends */
	struct stream_header_owned
	    first;			 /* the first stream's; to be cleared */
	struct stream_progress progress; /* of the last stream … */
	bool inside;			 /* … if it has no end mark */
};

/* 0, or -1: damaged, or not as wanted. */
int scan_run(struct scan *, char *why);

#endif
