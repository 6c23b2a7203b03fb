/* One page of an LMDB data file. */
#include "state/page.h"

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"

enum { NUMBER_AT = 0, FLAGS_AT = 10, LOWER_AT = 12, UPPER_AT = 14, NODE_HEADER_BYTES = 8 };

/* LMDB keeps nodes at even offsets. */
enum { NODE_UNIT_BYTES = 2, UNITS_MOST = PAGE_BYTES_MOST / NODE_UNIT_BYTES };

uint64_t page_number(struct page page)
{
    return get_u64(page.bytes + NUMBER_AT);
}

uint16_t page_flags(struct page page)
{
    return get_u16(page.bytes + FLAGS_AT);
}

uint32_t page_overflow_count(struct page page)
{
    return get_u32(page.bytes + LOWER_AT);
}

static uint16_t node_offset(struct page page, uint32_t index)
{
    return get_u16(page.bytes + PAGE_HEADER_BYTES + 2 * (size_t)index);
}

static bool is_branch(struct page page)
{
    return page_flags(page) == PAGE_BRANCH;
}

/* Of the node at `offset`, whose header lies inside the page. */
static size_t node_bytes(struct page page, uint16_t offset)
{
    const uint8_t *at = page.bytes + offset;
    size_t bytes = NODE_HEADER_BYTES + get_u16(at + 6);
    if (!is_branch(page)) {
        bool overflow = (get_u16(at + 4) & NODE_OVERFLOW) != 0;
        bytes += overflow ? sizeof(uint64_t) : get_u32(at);
    }
    return (bytes + NODE_UNIT_BYTES - 1) / NODE_UNIT_BYTES * NODE_UNIT_BYTES;
}

/* Marks the node's units; false when one of them was marked. */
static bool take_units(uint64_t taken[UNITS_MOST / 64], size_t from, size_t count)
{
    for (size_t unit = from; unit < from + count; unit++) {
        uint64_t bit = UINT64_C(1) << unit % 64;
        if ((taken[unit / 64] & bit) != 0)
            return false;
        taken[unit / 64] |= bit;
    }
    return true;
}

/* LMDB moves what lies before a node that it removes: nodes must fill the room behind `upper`,
 * once. */
static const char *check_nodes(struct page page, uint32_t count, uint16_t upper)
{
    uint64_t taken[UNITS_MOST / 64];
    size_t used = 0;
    memset(taken, 0, (page.length / NODE_UNIT_BYTES + 63) / 64 * sizeof taken[0]);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t offset = node_offset(page, i);
        if (offset < upper || offset % NODE_UNIT_BYTES != 0 ||
            offset + (size_t)NODE_HEADER_BYTES > page.length)
            return "a node lies outside of the page";
        size_t bytes = node_bytes(page, offset);
        if (bytes > page.length - offset)
            return "a node reaches beyond the page";
        if (!take_units(taken, offset / NODE_UNIT_BYTES, bytes / NODE_UNIT_BYTES))
            return "two nodes share a place";
        used += bytes;
    }
    return used == page.length - (size_t)upper ? NULL : "there are gaps between its nodes";
}

const char *page_check(struct page page, uint64_t number)
{
    ASSERT(page.length >= PAGE_BYTES_LEAST && page.length <= PAGE_BYTES_MOST);
    if (page_number(page) != number)
        return "it has another page's number";
    if (page_flags(page) != PAGE_BRANCH && page_flags(page) != PAGE_LEAF)
        return "it is neither a branch nor a leaf";
    uint16_t lower = get_u16(page.bytes + LOWER_AT);
    uint16_t upper = get_u16(page.bytes + UPPER_AT);
    if (lower < PAGE_HEADER_BYTES || lower % 2 != 0 || lower > upper || upper > page.length)
        return "its bounds are wrong";
    return check_nodes(page, page_nodes(page), upper);
}

uint32_t page_nodes(struct page page)
{
    return (get_u16(page.bytes + LOWER_AT) - (uint32_t)PAGE_HEADER_BYTES) / 2;
}

struct page_node page_node(struct page page, uint32_t index)
{
    ASSERT(index < page_nodes(page));
    const uint8_t *at = page.bytes + node_offset(page, index);
    uint16_t key_length = get_u16(at + 6);
    struct page_node node = {.key = slice_of(at + NODE_HEADER_BYTES, key_length)};
    if (is_branch(page)) {
        node.child = get_u32(at) | (uint64_t)get_u16(at + 4) << 32;
        return node;
    }
    node.flags = get_u16(at + 4);
    node.data_length = get_u32(at);
    size_t stored = (node.flags & NODE_OVERFLOW) != 0 ? sizeof(uint64_t) : node.data_length;
    node.data = slice_of(at + NODE_HEADER_BYTES + key_length, stored);
    return node;
}
