/* One page of an LMDB 0.9 data file, read without trusting a byte of it.
 *
 * Layout, in the byte order of the machine that wrote it (LMDB's own; Candor runs on little-endian
 * machines):
 *   0  u64 page number      8  u16 zero      10  u16 flags
 *   12 u16 lower, u16 upper: where the free space between pointers and nodes begins and ends;
 *      of an overflow page u32: how many pages it is long
 *   16 u16 offsets of the nodes, in the order of their keys
 *   ... upper: the nodes: u16 low, u16 high, u16 flags, u16 key length, key, data
 * In a leaf low and high are the data's length; in a branch low, high and flags are the child's
 * number.
 *
 * Threads: pure functions. Slices point into the page. */
#ifndef STATE_PAGE_H
#define STATE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

enum { PAGE_HEADER_BYTES = 16, PAGE_BYTES_LEAST = 512, PAGE_BYTES_MOST = 32768 };

enum page_flag { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };

enum node_flag { NODE_OVERFLOW = 1, NODE_TREE = 2, NODE_DUPLICATES = 4 };

struct page {
    const uint8_t *bytes;
    uint32_t length;
};

struct page_node {
    struct slice key;
    /* Of a branch. */
    uint64_t child;
    /* Of a leaf. */
    uint16_t flags;
    /* with NODE_OVERFLOW: of what stands there; `data` is the number of the page */
    uint32_t data_length;
    struct slice data;
};

uint64_t page_number(struct page page);
uint16_t page_flags(struct page page);
uint32_t page_overflow_count(struct page page); /* of the first page of a run */

/* NULL when `page` is the branch or leaf page `number` and every node lies whole inside it, apart
 * from the others; else what is wrong. */
const char *page_check(struct page page, uint64_t number);
/* Of a page that was checked: how many nodes, and each of them. */
uint32_t page_nodes(struct page page);
struct page_node page_node(struct page page, uint32_t index);

#endif
