/* A bank: money is neither made nor lost, and nobody pays what he does not have.
 *
 *     example-bank --right --seconds 10 --endpoint tcp://127.0.0.1:7000 --endpoint ... (one for
 *     each node)
 *
 * --right: tellers transfer concurrently, each by a LINEARIZABLE read and a Txn acknowledged
 * MAJORITY, which compares the mod_seq of both accounts. All the while the total is audited; in the
 * end each account must hold exactly what the acknowledged transfers say. --wrong: EVENTUAL reads
 * and LOCAL puts, over a partition and a failover, and the steps that broke the total. Exit status
 * 0: kept; 1: broken, with the reason. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "story.h"

enum {
    ACCOUNTS = 8,
    OPENING = 100,
    TOTAL = ACCOUNTS * OPENING,
    TELLERS = 4,
    AUDIT_MS = 500,
    WRITES_MAX = 16
};

static const char *const accounts[ACCOUNTS] = {"bank/ann", "bank/ben", "bank/cyd", "bank/dee",
                                               "bank/eve", "bank/fay", "bank/gus", "bank/hal"};

struct bank {
    struct story story;
    atomic_bool closed;
    atomic_uint_fast64_t done;
};

static struct candor_bytes money(int64_t amount, char text[24])
{
    struct candor_bytes bytes = {text, (size_t)snprintf(text, 24, "%" PRId64, amount)};
    return bytes;
}

/* All accounts in one record. */
static void open_accounts(struct bank *bank)
{
    struct candor_txn_op puts[ACCOUNTS];
    char text[24];
    for (size_t i = 0; i < ACCOUNTS; i++)
        puts[i] = (struct candor_txn_op){
            .kind = CANDOR_TXN_PUT, .key = candor_text(accounts[i]), .value = money(OPENING, text)};
    struct candor_txn txn = {.then_ops = puts, .then_count = ACCOUNTS};
    struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    story_must(candor_txn(bank->story.client, &txn, &safe, &result), &result, "open the accounts");
    candor_result_free(&result);
}

/* Every balance, of one state. Returns the total. */
static int64_t count_money(struct bank *bank, int64_t balances[ACCOUNTS])
{
    struct candor_bytes keys[ACCOUNTS];
    for (size_t i = 0; i < ACCOUNTS; i++)
        keys[i] = candor_text(accounts[i]);
    struct candor_read_options now = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result result;
    story_must(candor_mget(bank->story.client, keys, ACCOUNTS, &now, &result), &result, "audit");
    int64_t total = 0;
    for (size_t i = 0; i < ACCOUNTS; i++)
        total += balances[i] = story_number(&result.items[i]);
    candor_result_free(&result);
    return total;
}

/* ---- Right ----------------------------------------------------------------------------------- */

enum outcome { DONE, POOR, RACED, FAILED, OUTCOMES };

struct teller {
    struct bank *bank;
    pthread_t thread;
    unsigned seed;
    struct candor_client *client;
    uint64_t outcomes[OUTCOMES];
    uint64_t asked; /* transfers whose outcome had to be asked for */
    int64_t moved[ACCOUNTS];
};

struct transfer {
    size_t from;
    size_t to;
    int64_t amount;
};

/* Puts both balances if nobody has touched either account since `items` were read: no update is
 * lost, and the balance that was enough is the balance that is debited. */
static enum outcome commit_transfer(struct teller *teller, const struct transfer *transfer,
                                    const struct candor_item items[2])
{
    char from_text[24];
    char to_text[24];
    struct candor_compare unchanged[2];
    for (size_t i = 0; i < 2; i++)
        unchanged[i] = (struct candor_compare){.key = items[i].key,
                                               .target = CANDOR_COMPARE_MOD_SEQ,
                                               .relation = CANDOR_EQUAL,
                                               .number = items[i].mod_seq};
    struct candor_txn_op puts[2] = {
        {.kind = CANDOR_TXN_PUT,
         .key = items[0].key,
         .value = money(story_number(&items[0]) - transfer->amount, from_text)},
        {.kind = CANDOR_TXN_PUT,
         .key = items[1].key,
         .value = money(story_number(&items[1]) + transfer->amount, to_text)}};
    struct candor_txn txn = {
        .compares = unchanged, .compare_count = 2, .then_ops = puts, .then_count = 2};
    struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    enum candor_code code = candor_txn(teller->client, &txn, &safe, &result);
    enum outcome outcome = FAILED;
    if (code == CANDOR_OK) {
        outcome = result.succeeded ? DONE : RACED;
    } else if (result.error.reason == CANDOR_REASON_OUTCOME_UNKNOWN) {
        teller->asked++;
        outcome = story_took_effect(teller->client, &result.request) ? DONE : FAILED;
    }
    candor_result_free(&result);
    return outcome;
}

static enum outcome try_transfer(struct teller *teller, const struct transfer *transfer)
{
    struct candor_bytes keys[2] = {candor_text(accounts[transfer->from]),
                                   candor_text(accounts[transfer->to])};
    struct candor_read_options now = {.level = CANDOR_READ_LINEARIZABLE};
    struct candor_result read;
    enum outcome outcome = FAILED;
    if (candor_mget(teller->client, keys, 2, &now, &read) == CANDOR_OK)
        outcome = story_number(&read.items[0]) < transfer->amount
                      ? POOR
                      : commit_transfer(teller, transfer, read.items);
    candor_result_free(&read);
    return outcome;
}

static void *work(void *closure)
{
    struct teller *teller = closure;
    while (!atomic_load(&teller->bank->closed)) {
        struct transfer transfer = {.from = (size_t)rand_r(&teller->seed) % ACCOUNTS,
                                    .amount = 1 + rand_r(&teller->seed) % OPENING};
        transfer.to =
            (transfer.from + 1 + (size_t)rand_r(&teller->seed) % (ACCOUNTS - 1)) % ACCOUNTS;
        enum outcome outcome = try_transfer(teller, &transfer);
        teller->outcomes[outcome]++;
        if (outcome == DONE) {
            teller->moved[transfer.from] -= transfer.amount;
            teller->moved[transfer.to] += transfer.amount;
            atomic_fetch_add(&teller->bank->done, 1);
        }
        story_pause_ms(5); /* people are slower */
    }
    return NULL;
}

static bool audit(struct bank *bank, int64_t balances[ACCOUNTS])
{
    int64_t total = count_money(bank, balances);
    bool sound = total == TOTAL;
    for (size_t i = 0; i < ACCOUNTS; i++)
        sound = sound && balances[i] >= 0;
    printf("%s: %" PRIuFAST64 " transfers, total %" PRId64 "\n", sound ? "so far" : "BROKEN",
           atomic_load(&bank->done), total);
    return sound;
}

/* Each account holds its opening balance and every acknowledged transfer, once. */
static bool ledger_holds(const struct teller *tellers, const int64_t balances[ACCOUNTS])
{
    bool holds = true;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        int64_t expected = OPENING;
        for (size_t t = 0; t < TELLERS; t++)
            expected += tellers[t].moved[i];
        if (expected == balances[i])
            continue;
        printf("BROKEN: %s holds %" PRId64 ", but the acknowledged transfers make %" PRId64 "\n",
               accounts[i], balances[i], expected);
        holds = false;
    }
    return holds;
}

static void start_tellers(struct bank *bank, struct teller *tellers)
{
    for (size_t i = 0; i < TELLERS; i++) {
        tellers[i] = (struct teller){
            .bank = bank, .seed = (unsigned)i + 1, .client = story_client(&bank->story, i)};
        if (pthread_create(&tellers[i].thread, NULL, work, &tellers[i]) != 0)
            story_fail("no thread for a teller");
    }
}

static uint64_t stop_tellers(struct bank *bank, struct teller *tellers)
{
    uint64_t violations = 0;
    atomic_store(&bank->closed, true);
    for (size_t i = 0; i < TELLERS; i++) {
        pthread_join(tellers[i].thread, NULL);
        violations += candor_client_violations(tellers[i].client);
        candor_client_close(tellers[i].client);
    }
    return violations;
}

static int run_right(struct bank *bank)
{
    struct teller tellers[TELLERS];
    int64_t balances[ACCOUNTS];
    bool sound = true;
    start_tellers(bank, tellers);
    while (!story_over(&bank->story) && sound) {
        story_pause_ms(AUDIT_MS);
        sound = audit(bank, balances);
    }
    uint64_t violations = stop_tellers(bank, tellers);
    sound = audit(bank, balances) && sound;
    sound = ledger_holds(tellers, balances) && sound;

    uint64_t sums[OUTCOMES] = {0};
    uint64_t asked = 0;
    for (size_t t = 0; t < TELLERS; t++) {
        asked += tellers[t].asked;
        for (size_t i = 0; i < OUTCOMES; i++)
            sums[i] += tellers[t].outcomes[i];
    }
    printf("%" PRIu64 " transfers, %" PRIu64 " refused for want of money, %" PRIu64
           " raced by another, %" PRIu64 " without effect, %" PRIu64 " outcomes asked for, %" PRIu64
           " promises broken by a node\n",
           sums[DONE], sums[POOR], sums[RACED], sums[FAILED], asked, violations);
    sound = sound && violations == 0;
    printf("%s: the total, every balance and every acknowledged transfer\n",
           sound ? "kept" : "BROKEN");
    return sound ? STORY_KEPT : STORY_BROKEN;
}

/* ---- Wrong ----------------------------------------------------------------------------------- */

struct reading {
    int64_t balance;
    uint64_t mod_seq;
    char age[STORY_TEXT_BYTES];
};

/* A line of the journal: what a teller read, and what it wrote because of it. */
struct entry {
    const char *teller;
    size_t account;
    struct reading read;
    int64_t wrote;
    struct candor_pos pos;
    bool session_lost; /* the write's own answer said so; this teller did not look */
    char written[STORY_TEXT_BYTES];
};

struct journal {
    struct bank *bank;
    size_t count;
    struct entry entries[WRITES_MAX];
};

/* EVENTUAL: whatever the node has. Its age is in the answer; these tellers only write it into the
 * journal. */
static struct reading look(struct candor_client *client, size_t account)
{
    struct reading reading;
    struct candor_result result;
    story_must(candor_get(client, candor_text(accounts[account]), NULL, &result), &result, "read");
    reading.balance = story_number(&result.items[0]);
    reading.mod_seq = result.items[0].mod_seq;
    story_age(&result, reading.age);
    candor_result_free(&result);
    return reading;
}

/* Takes `result`. */
static void note(struct journal *journal, const char *teller, size_t account,
                 const struct reading *read, int64_t balance, struct candor_result *result)
{
    struct entry *entry = &journal->entries[journal->count++];
    *entry = (struct entry){.teller = teller,
                            .account = account,
                            .read = *read,
                            .wrote = balance,
                            .pos = result->last,
                            .session_lost = result->session_lost};
    story_written(result, entry->written);
    candor_result_free(result);
}

static void set(struct journal *journal, const char *teller, struct candor_client *client,
                size_t account, const struct reading *read, int64_t balance)
{
    char text[24];
    struct candor_result result;
    struct candor_write_options fast = {.ack = CANDOR_ACK_LOCAL};
    story_must(
        candor_put(client, candor_text(accounts[account]), money(balance, text), &fast, &result),
        &result, "write");
    note(journal, teller, account, read, balance, &result);
}

/* A replica is cut off. One teller spends ann's money; another looks at the replica, and spends it
 * again. */
static void spend_twice(struct journal *journal)
{
    struct story *story = &journal->bank->story;
    struct story_node *replica = story_other_than(story, story_primary(story));
    story_isolate(story, replica);

    struct reading ann = look(story_primary(story)->client, 0);
    struct reading ben = look(story_primary(story)->client, 1);
    set(journal, "teller 1", story->client, 0, &ann, ann.balance - 80);
    set(journal, "teller 1", story->client, 1, &ben, ben.balance + 80);

    ann = look(replica->client, 0);
    struct reading cyd = look(replica->client, 2);
    set(journal, "teller 2", story->client, 0, &ann, ann.balance - 70);
    set(journal, "teller 2", story->client, 2, &cyd, cyd.balance + 70);
    story_heal(story, NULL);
}

/* The primary is cut off between a teller's two writes, and dies: the debit was on its disk
 * alone. */
static void pay_and_fail_over(struct journal *journal)
{
    struct story *story = &journal->bank->story;
    struct candor_client *client = story_client(story, 0);
    char text[24];
    struct reading dee = look(client, 3);
    struct reading eve = look(client, 4);
    struct candor_result result;
    struct story_node *old = story_write_alone(story, client, candor_text(accounts[3]),
                                               money(dee.balance - 30, text), &result);
    note(journal, "teller 3", 3, &dee, dee.balance - 30, &result);
    story_kill(story, old);
    set(journal, "teller 3", client, 4, &eve, eve.balance + 30);
    candor_client_close(client);
    story_heal(story, old);
}

static bool rolled_back(struct story *story, const struct entry *entry)
{
    enum candor_txn_state state;
    struct candor_result result;
    story_must(candor_txn_status(story->client, NULL, &entry->pos, 0, &state, &result), &result,
               "ask what became of a write");
    candor_result_free(&result);
    return state == CANDOR_TXN_ROLLED_BACK;
}

/* The write that stood under entry n when it was written; -1: none of the journal's. */
static int write_before(struct journal *journal, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        if (journal->entries[i].account == journal->entries[n].account &&
            !rolled_back(&journal->bank->story, &journal->entries[i]))
            return (int)i;
    }
    return -1;
}

static void print_journal(struct journal *journal)
{
    for (size_t n = 0; n < journal->count; n++) {
        const struct entry *entry = &journal->entries[n];
        int before = write_before(journal, n);
        printf("%2zu. %s read %s = %" PRId64 " [%s]\n    and wrote %" PRId64 " [%s]%s\n", n + 1,
               entry->teller, accounts[entry->account], entry->read.balance, entry->read.age,
               entry->wrote, entry->written,
               entry->session_lost ? "; this answer said session_lost, nobody looked" : "");
        if (before >= 0 && entry->read.mod_seq < journal->entries[before].pos.seq)
            printf("    BREAKS: it overwrites %d, which it had not seen\n", before + 1);
        if (rolled_back(&journal->bank->story, entry))
            printf("    BREAKS: rolled back by the failover; only its old primary had it\n");
    }
}

static int run_wrong(struct bank *bank)
{
    struct journal journal = {.bank = bank};
    int64_t balances[ACCOUNTS];
    spend_twice(&journal);
    pay_and_fail_over(&journal);
    int64_t total = count_money(bank, balances);
    if (total == TOTAL)
        return STORY_KEPT;
    printf("BROKEN: the total is %" PRId64 ", not %d; ann has paid 150 out of 100\n", total, TOTAL);
    print_journal(&journal);
    return STORY_BROKEN;
}

int main(int argc, char **argv)
{
    static struct bank bank;
    story_open(&bank.story, argc, argv);
    open_accounts(&bank);
    int status = bank.story.wrong ? run_wrong(&bank) : run_right(&bank);
    story_close(&bank.story);
    return status;
}
