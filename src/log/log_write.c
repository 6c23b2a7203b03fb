/* What an append does to the newest segment's file: apart, so that tests can stand in front. */
#include "log/log_internal.h"

#include "disk/disk.h"

/* One pwrite in the usual case: the mark is laid in front of the batches. */
int log_write_append(const struct log *log, const uint8_t *mark, struct slice batches)
{
    const struct segment *segment = log_newest(log);
    struct slice parts[2] = {slice_of(mark, SEGMENT_MARK_BYTES), batches};
    return disk_write_two(segment->fd, parts, segment->tail);
}

int log_write_room(const struct log *log, uint64_t file_bytes)
{
    const struct segment *segment = log_newest(log);
    return disk_preallocate(segment->fd, segment->file_bytes, file_bytes);
}

enum candor_code log_sync_newest(const struct log *log, struct candor_error *err)
{
    const struct segment *segment = log_newest(log);
    return disk_sync_file(segment->fd, segment->name, err);
}
