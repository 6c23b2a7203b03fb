/* The walk over an LMDB data file: metas, the list of free pages, the table of tables, the tables
 * (R54: LMDB trusts its pages). */
#include "state/pages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "state/env.h"
#include "state/page.h"

enum {
    METAS = 2,
    TREE_BYTES = 48,
    TREES_BYTES = 2 * TREE_BYTES, /* of free pages, of tables */
    META_BYTES = 24 + TREES_BYTES + 16,
    DEPTH_MOST = 32,  /* LMDB's own: a cursor's stack */
    TABLES_MOST = 16, /* a state has 7 */
    NAME_BYTES = 32,
    FREE_FLAGS = 8, /* MDB_INTEGERKEY; a fixed map or any other flag would be obeyed */
};

#define LMDB_MAGIC UINT32_C(0xBEEFC0DE)
#define LMDB_FORMAT UINT32_C(1)
#define NO_PAGE UINT64_MAX

/* What a meta page, or a node of the table of tables, says of a tree. */
struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches, leaves, overflows, entries;
    uint64_t root;
};

enum tree_kind { TREE_FREE, TREE_NAMES, TREE_TABLE };

struct named_tree {
    char name[NAME_BYTES];
    struct tree tree;
};

struct walk {
    int fd;
    const char *path;
    struct candor_error *err;
    uint32_t page_bytes;
    uint64_t page_count; /* by the meta page */
    uint64_t file_pages; /* that the file holds whole */
    uint8_t *seen;       /* a bit for each page: in use or free */
    uint8_t *pages;      /* one for each level, and one for what hangs on a leaf */
    /* Of the tree under way. */
    enum tree_kind kind;
    const char *name;
    struct tree found; /* counted */
    uint8_t bound[LIMIT_KEY_BYTES];
    size_t bound_length;
    bool bound_given;
    bool bound_included; /* the next key may be equal to it: it stood in a branch */
    /* Of the table of tables. */
    struct named_tree tables[TABLES_MOST];
    uint32_t table_count;
};

/* ---- Saying what is wrong -------------------------------------------------------------------- */

static enum candor_code damaged(const struct walk *walk, uint64_t page, const char *what)
{
    return candor_error_set(
        walk->err, CANDOR_DATA_LOSS, CANDOR_REASON_NONE, "%s: page %" PRIu64 "%s%s: %s", walk->path,
        page, walk->name != NULL ? " of " : "", walk->name != NULL ? walk->name : "", what);
}

/* ---- Pages ----------------------------------------------------------------------------------- */

static enum candor_code read_at(const struct walk *walk, uint64_t at, uint8_t *out, size_t bytes)
{
    size_t got = 0;
    int failed = disk_read(walk->fd, out, bytes, at, &got);
    if (failed != 0)
        return disk_failed(walk->err, failed, "read", walk->path);
    return got == bytes ? CANDOR_OK
                        : damaged(walk, at / max_u64(walk->page_bytes, 1), "the file ends in it");
}

/* A page is met once: in one tree, or among the free ones. */
static enum candor_code meet(struct walk *walk, uint64_t number)
{
    if (number < METAS || number >= walk->page_count)
        return damaged(walk, number, "there is no such page");
    uint8_t bit = (uint8_t)(1u << number % 8);
    if ((walk->seen[number / 8] & bit) != 0)
        return damaged(walk, number, "it is in use twice, or in use and free");
    walk->seen[number / 8] |= bit;
    return CANDOR_OK;
}

static enum candor_code read_page(struct walk *walk, uint64_t number, uint32_t level,
                                  struct page *out)
{
    enum candor_code code = meet(walk, number);
    if (code != CANDOR_OK)
        return code;
    if (number >= walk->file_pages)
        return damaged(walk, number, "it is in use, and lies beyond the end of the file");
    uint8_t *bytes = walk->pages + (size_t)level * walk->page_bytes;
    *out = (struct page){bytes, walk->page_bytes};
    return read_at(walk, number * walk->page_bytes, bytes, walk->page_bytes);
}

/* The run of pages that a leaf's node names; longer than its value needs where a longer one of the
 * same transaction stood there before. Its first page is left in the last place of `pages`. */
static enum candor_code read_overflow(struct walk *walk, const struct page_node *node,
                                      uint64_t *out)
{
    struct page page = {0};
    uint64_t number = get_u64(node->data.bytes);
    enum candor_code code = read_page(walk, number, DEPTH_MOST, &page);
    if (code != CANDOR_OK)
        return code;
    uint64_t needed = (PAGE_HEADER_BYTES - 1 + (uint64_t)node->data_length) / walk->page_bytes + 1;
    uint64_t count = page_overflow_count(page);
    if (page_number(page) != number || page_flags(page) != PAGE_OVERFLOW || count < needed)
        return damaged(walk, number, "it does not begin a value of its length");
    if (count > walk->file_pages - number)
        return damaged(walk, number, "its value reaches beyond the end of the file");
    for (uint64_t i = 1; i < count && code == CANDOR_OK; i++)
        code = meet(walk, number + i);
    walk->found.overflows += count;
    *out = number;
    return code;
}

/* ---- Keys in order --------------------------------------------------------------------------- */

static int compare_keys(const struct walk *walk, struct slice one, struct slice other)
{
    if (walk->kind != TREE_FREE)
        return slice_compare(one, other);
    uint64_t a = get_u64(one.bytes); /* transaction ids */
    uint64_t b = get_u64(other.bytes);
    return a < b ? -1 : a > b;
}

static enum candor_code advance(struct walk *walk, uint64_t page, struct slice key, bool separates)
{
    size_t least = walk->kind == TREE_FREE ? sizeof(uint64_t) : 1;
    size_t most = walk->kind == TREE_FREE ? sizeof(uint64_t) : LIMIT_KEY_BYTES;
    if (key.length < least || key.length > most)
        return damaged(walk, page, "a key has an impossible length");
    if (walk->bound_given) {
        int order = compare_keys(walk, key, slice_of(walk->bound, walk->bound_length));
        if (order < 0 || (order == 0 && !walk->bound_included))
            return damaged(walk, page, "its keys are not in order");
    }
    memcpy(walk->bound, key.bytes, key.length);
    walk->bound_length = key.length;
    walk->bound_given = true;
    walk->bound_included = separates;
    return CANDOR_OK;
}

/* ---- What leaves hold ------------------------------------------------------------------------ */

/* A list of free pages: how many, and their numbers. */
static enum candor_code take_free(struct walk *walk, uint64_t page, struct slice list)
{
    if (list.length < sizeof(uint64_t) || list.length % sizeof(uint64_t) != 0 ||
        get_u64(list.bytes) != list.length / sizeof(uint64_t) - 1)
        return damaged(walk, page, "a list of free pages has a wrong length");
    uint64_t before = UINT64_MAX;
    enum candor_code code = CANDOR_OK;
    for (size_t at = sizeof(uint64_t); at < list.length && code == CANDOR_OK;
         at += sizeof(uint64_t)) {
        uint64_t number = get_u64(list.bytes + at);
        if (number >= before)
            return damaged(walk, page, "a list of free pages is not in order");
        before = number;
        code = meet(walk, number);
    }
    return code;
}

/* One that is longer than a page fills a run of pages. */
static enum candor_code take_free_run(struct walk *walk, uint64_t first, uint32_t length)
{
    if (length > walk->page_count * sizeof(uint64_t))
        return damaged(walk, first, "a list of free pages has a wrong length");
    uint8_t *bytes = malloc(length);
    if (bytes == NULL)
        return candor_error_set(walk->err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                                "%s: no memory for %" PRIu32 " bytes", walk->path, length);
    uint64_t at = first * walk->page_bytes + PAGE_HEADER_BYTES;
    enum candor_code code = read_at(walk, at, bytes, length);
    if (code == CANDOR_OK)
        code = take_free(walk, first, slice_of(bytes, length));
    free(bytes);
    return code;
}

static struct tree read_tree(const uint8_t *at)
{
    return (struct tree){.flags = get_u16(at + 4),
                         .depth = get_u16(at + 6),
                         .branches = get_u64(at + 8),
                         .leaves = get_u64(at + 16),
                         .overflows = get_u64(at + 24),
                         .entries = get_u64(at + 32),
                         .root = get_u64(at + 40)};
}

static enum candor_code take_name(struct walk *walk, uint64_t page, const struct page_node *node)
{
    if (node->flags != NODE_TREE || node->data_length != TREE_BYTES)
        return damaged(walk, page, "an entry of the table of tables is none");
    if (walk->table_count == TABLES_MOST || node->key.length >= NAME_BYTES)
        return damaged(walk, page, "it names tables that are not a state's");
    struct named_tree *table = &walk->tables[walk->table_count++];
    for (size_t i = 0; i < node->key.length; i++) {
        char c = (char)node->key.bytes[i];
        if (c < 'a' || c > 'z') /* it is shown to people */
            c = '?';
        table->name[i] = c;
    }
    table->name[node->key.length] = '\0';
    table->tree = read_tree(node->data.bytes);
    return CANDOR_OK;
}

static enum candor_code take_leaf(struct walk *walk, uint64_t page, const struct page_node *node)
{
    uint64_t run = 0;
    enum candor_code code = advance(walk, page, node->key, false);
    if (code != CANDOR_OK)
        return code;
    walk->found.entries++;
    if (walk->kind == TREE_NAMES)
        return take_name(walk, page, node);
    if ((node->flags & ~NODE_OVERFLOW) != 0)
        return damaged(walk, page, "it holds another kind of value than a state's");
    if ((node->flags & NODE_OVERFLOW) == 0)
        return walk->kind == TREE_FREE ? take_free(walk, page, node->data) : CANDOR_OK;
    code = read_overflow(walk, node, &run);
    if (code == CANDOR_OK && walk->kind == TREE_FREE)
        code = take_free_run(walk, run, node->data_length);
    return code;
}

/* ---- Trees ----------------------------------------------------------------------------------- */

static enum candor_code walk_page(struct walk *walk, uint64_t number, uint32_t level,
                                  uint32_t depth);

static enum candor_code walk_branch(struct walk *walk, struct page page, uint32_t level,
                                    uint32_t depth)
{
    uint64_t number = page_number(page);
    uint32_t nodes = page_nodes(page);
    /* LMDB asserts that a branch divides something, but in the list of free pages. */
    if (nodes < (walk->kind == TREE_FREE ? 1 : 2))
        return damaged(walk, number, "it is a branch that divides nothing");
    walk->found.branches++;
    enum candor_code code = CANDOR_OK;
    for (uint32_t i = 0; i < nodes && code == CANDOR_OK; i++) {
        struct page_node node = page_node(page, i);
        if (i > 0) /* the first one's key means nothing */
            code = advance(walk, number, node.key, true);
        if (code == CANDOR_OK)
            code = walk_page(walk, node.child, level + 1, depth);
    }
    return code;
}

static enum candor_code walk_leaf(struct walk *walk, struct page page)
{
    uint64_t number = page_number(page);
    uint32_t nodes = page_nodes(page);
    if (nodes == 0)
        return damaged(walk, number, "it is an empty leaf");
    walk->found.leaves++;
    enum candor_code code = CANDOR_OK;
    for (uint32_t i = 0; i < nodes && code == CANDOR_OK; i++) {
        struct page_node node = page_node(page, i);
        code = take_leaf(walk, number, &node);
    }
    return code;
}

static enum candor_code walk_page(struct walk *walk, uint64_t number, uint32_t level,
                                  uint32_t depth)
{
    struct page page = {0};
    if (level >= depth)
        return damaged(walk, number, "the tree is deeper than it says");
    enum candor_code code = read_page(walk, number, level, &page);
    if (code != CANDOR_OK)
        return code;
    const char *why = page_check(page, number);
    if (why != NULL)
        return damaged(walk, number, why);
    bool leaf = page_flags(page) == PAGE_LEAF;
    if (leaf != (level + 1 == depth))
        return damaged(walk, number, "it lies at a wrong depth of the tree");
    return leaf ? walk_leaf(walk, page) : walk_branch(walk, page, level, depth);
}

static enum candor_code walk_tree(struct walk *walk, enum tree_kind kind, const char *name,
                                  const struct tree *tree)
{
    walk->kind = kind;
    walk->name = name;
    walk->found = (struct tree){0};
    walk->bound_given = false;
    if (tree->flags != (kind == TREE_FREE ? FREE_FLAGS : 0) || tree->depth > DEPTH_MOST)
        return damaged(walk, tree->root, "its tree is of no kind that a state has");
    enum candor_code code = CANDOR_OK;
    if (tree->root != NO_PAGE)
        code = walk_page(walk, tree->root, 0, tree->depth);
    else if (tree->depth != 0)
        return damaged(walk, tree->root, "a tree without a root has a depth");
    if (code != CANDOR_OK)
        return code;
    const struct tree *found = &walk->found;
    bool counts_agree = found->branches == tree->branches && found->leaves == tree->leaves &&
                        found->overflows == tree->overflows && found->entries == tree->entries;
    return counts_agree ? CANDOR_OK : damaged(walk, tree->root, "its tree has other counts");
}

/* ---- The file -------------------------------------------------------------------------------- */

struct meta {
    struct tree free, names;
    uint64_t last_page;
    uint64_t transaction;
};

static enum candor_code read_meta(struct walk *walk, uint64_t number, struct meta *out)
{
    uint8_t bytes[PAGE_HEADER_BYTES + META_BYTES];
    enum candor_code code = read_at(walk, number * walk->page_bytes, bytes, sizeof bytes);
    if (code != CANDOR_OK)
        return code;
    const uint8_t *meta = bytes + PAGE_HEADER_BYTES;
    const uint8_t *trees = meta + 24;
    if (page_flags((struct page){bytes, sizeof bytes}) != PAGE_META ||
        get_u32(meta) != LMDB_MAGIC || get_u32(meta + 4) != LMDB_FORMAT)
        return damaged(walk, number, "it is no meta page of LMDB");
    uint32_t page_bytes = get_u32(trees);
    if (page_bytes < PAGE_BYTES_LEAST || page_bytes > PAGE_BYTES_MOST ||
        (page_bytes & (page_bytes - 1)) != 0 ||
        (walk->page_bytes != 0 && page_bytes != walk->page_bytes))
        return damaged(walk, number, "it tells an impossible size of pages");
    walk->page_bytes = page_bytes;
    *out = (struct meta){.free = read_tree(trees),
                         .names = read_tree(trees + TREE_BYTES),
                         .last_page = get_u64(trees + TREES_BYTES),
                         .transaction = get_u64(trees + TREES_BYTES + 8)};
    return CANDOR_OK;
}

/* The newer one counts, as in LMDB; both must be meta pages. */
static enum candor_code read_metas(struct walk *walk, struct meta *out)
{
    struct meta second = {0};
    enum candor_code code = read_meta(walk, 0, out);
    if (code == CANDOR_OK)
        code = read_meta(walk, 1, &second);
    if (code == CANDOR_OK && second.transaction > out->transaction)
        *out = second;
    return code;
}

static enum candor_code make_room(struct walk *walk)
{
    walk->seen = calloc(walk->page_count / 8 + 1, 1);
    walk->pages = calloc(DEPTH_MOST + 1, walk->page_bytes);
    if (walk->seen != NULL && walk->pages != NULL)
        return CANDOR_OK;
    return candor_error_set(walk->err, CANDOR_RESOURCE_EXHAUSTED, CANDOR_REASON_NONE,
                            "%s: no memory to check its %" PRIu64 " pages", walk->path,
                            walk->page_count);
}

/* A file may be shorter than its pages when the last ones are free. */
static enum candor_code check_end(struct walk *walk)
{
    for (uint64_t number = max_u64(walk->file_pages, METAS); number < walk->page_count; number++)
        if ((walk->seen[number / 8] & 1u << number % 8) == 0)
            return damaged(walk, number, "it is in use, and lies beyond the end of the file");
    return CANDOR_OK;
}

static enum candor_code check_file(struct walk *walk, uint64_t file_bytes, uint64_t map_bytes,
                                   enum pages_depth depth)
{
    struct meta meta = {0};
    enum candor_code code = read_metas(walk, &meta);
    if (code != CANDOR_OK)
        return code;
    walk->file_pages = file_bytes / walk->page_bytes;
    /* Beyond the limit lies the reserve; and a limit that was lowered damages nothing. */
    uint64_t most_bytes = max_u64(map_bytes, file_bytes) + LIMIT_STATE_RESERVE_BYTES;
    if (meta.last_page >= most_bytes / walk->page_bytes || meta.last_page + 1 < METAS)
        return damaged(walk, meta.last_page, "as the last page it is beyond limits.state");
    walk->page_count = meta.last_page + 1;
    code = make_room(walk);
    if (code == CANDOR_OK)
        code = walk_tree(walk, TREE_FREE, "the list of free pages", &meta.free);
    if (code == CANDOR_OK)
        code = check_end(walk);
    if (code != CANDOR_OK || depth == PAGES_SIZE)
        return code;
    code = walk_tree(walk, TREE_NAMES, "the table of tables", &meta.names);
    for (uint32_t i = 0; i < walk->table_count && code == CANDOR_OK; i++)
        code = walk_tree(walk, TREE_TABLE, walk->tables[i].name, &walk->tables[i].tree);
    return code;
}

enum candor_code pages_check(const char *path, uint64_t map_bytes, enum pages_depth depth,
                             struct candor_error *err)
{
    uint64_t file_bytes = 0;
    struct candor_error unused;
    struct walk walk = {.path = path, .err = err != NULL ? err : &unused};
    enum candor_code code = disk_open(path, O_RDONLY, &walk.fd, err);
    if (code != CANDOR_OK)
        return code;
    int failed = disk_size(walk.fd, &file_bytes);
    if (failed != 0)
        code = disk_failed(err, failed, "look at", path);
    else if (file_bytes == 0)
        code = candor_error_set(err, CANDOR_NOT_FOUND, CANDOR_REASON_NONE, "%s: it is empty", path);
    else
        code = check_file(&walk, file_bytes, map_bytes, depth);
    free(walk.seen);
    free(walk.pages);
    close(walk.fd);
    return code;
}
