/* A text that is a member of a tar or zip archive. */
#ifndef TEXT_MEMBER_H
#define TEXT_MEMBER_H

/*
 * The member of exactly this name in the archive that is open as fd, a regular
 * file or not, as an unlinked file in $TMPDIR, to be read from its start; the
 * caller closes it. -1: it is not there or there twice, is no file, or the
 * archive is damaged: all of it has been read.
 */
int member_open(int fd, const char *name, char *why);

#endif
