/* A shop: whoever put something into the cart finds it there, at any node, and nothing is sold that
 * is not in stock.
 *
 *     example-cart --right --seconds 10 --endpoint tcp://127.0.0.1:7000 --endpoint ... (one for
 *     each node)
 *
 * --right: a shopper adds on the phone and looks on the laptop, at another node, with SESSION
 * reads. Adding is LOCAL, hence fast; when a failover takes it back the session is told, and the
 * shop adds it again. Stock is taken with Increment, min 0, acknowledged MAJORITY. --wrong:
 * EVENTUAL reads, and stock by read-then-put. Exit status 0: kept; 1: broken. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "story.h"

enum { SHOPPERS = 3, CART_ITEMS = 4, DELIVERY = 10, DELIVERY_MS = 500, LOOK_MS = 2000 };

#define STOCK "cart-stock/lamp"

struct shop {
    struct story story;
    atomic_bool closed;
    atomic_uint_fast64_t added;
    atomic_uint_fast64_t sold;
};

static void set_stock(struct shop *shop, const char *number)
{
    struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    story_must(
        candor_put(shop->story.client, candor_text(STOCK), candor_text(number), &safe, &result),
        &result, "set the stock");
    candor_result_free(&result);
}

static int64_t read_stock(struct candor_client *client, enum candor_read_level level,
                          char age[STORY_TEXT_BYTES])
{
    struct candor_read_options options = {.level = level};
    struct candor_result result;
    story_must(candor_get(client, candor_text(STOCK), &options, &result), &result,
               "read the stock");
    int64_t stock = story_number(&result.items[0]);
    story_age(&result, age);
    candor_result_free(&result);
    return stock;
}

/* ---- Right ----------------------------------------------------------------------------------- */

struct shopper {
    struct shop *shop;
    pthread_t thread;
    size_t number;
    uint64_t cart;
    size_t items; /* that this cart must hold */
    struct candor_client *phone;
    struct candor_client *laptop;
    uint64_t added;
    uint64_t sold;
    uint64_t sold_out;
    uint64_t lost;   /* times that the session was told of a rollback */
    uint64_t waited; /* reads that another node answered: the nearest was behind, or away */
    uint64_t missing;
};

static struct candor_bytes cart_prefix(const struct shopper *shopper, char text[64])
{
    snprintf(text, 64, "cart/%zu-%" PRIu64 "/", shopper->number, shopper->cart);
    return candor_text(text);
}

/* Returns whether the session learned of a rollback. */
static bool add(struct shopper *shopper, size_t item)
{
    char prefix[64];
    char key[96];
    cart_prefix(shopper, prefix);
    snprintf(key, sizeof key, "%s%zu", prefix, item);
    struct candor_result result;
    story_must(candor_put(shopper->phone, candor_text(key), candor_text("lamp"), NULL, &result),
               &result, "add to the cart");
    bool lost = result.session_lost;
    candor_result_free(&result);
    return lost;
}

/* What was LOCAL may be gone; adding again is harmless if it is not. */
static void add_again(struct shopper *shopper)
{
    size_t item = 0;
    while (item < shopper->items) {
        bool lost = add(shopper, item);
        item = lost ? 0 : item + 1;
    }
}

/* As a cookie or a link would carry it. */
static void hand_session_over(struct shopper *shopper)
{
    uint8_t bytes[CANDOR_TOKEN_BYTES_MAX];
    struct candor_token token;
    struct candor_error error;
    candor_client_token(shopper->phone, &token);
    struct candor_bytes exported = {bytes, candor_token_export(&token, bytes)};
    if (candor_token_import(exported, &token, &error) != CANDOR_OK ||
        candor_client_join(shopper->laptop, &token, &error) != CANDOR_OK)
        story_fail("hand the session over: %s", error.message);
}

enum sight { COMPLETE, LOST, MISSING, UNANSWERED };

/* A node that is behind waits for half of the deadline before it sends the client on, so this one
 * is short. SESSION: the laptop sees at least what the phone wrote, or is told that it was rolled
 * back. */
static enum sight look_into_cart(struct shopper *shopper)
{
    char prefix[64];
    struct candor_range range = {.prefix = cart_prefix(shopper, prefix)};
    struct candor_read_options session = {.level = CANDOR_READ_SESSION, .deadline_ms = LOOK_MS};
    struct candor_result result;
    enum sight sight = UNANSWERED;
    enum candor_code code = candor_scan(shopper->laptop, &range, &session, &result);
    if (result.error.reason == CANDOR_REASON_SESSION_LOST) {
        candor_client_restart_session(shopper->phone, &result.token);
        candor_client_restart_session(shopper->laptop, &result.token);
        sight = LOST;
    } else if (code == CANDOR_OK && result.item_count < shopper->items) {
        sight = result.session_lost ? LOST : MISSING;
    } else if (code == CANDOR_OK) {
        sight = COMPLETE;
    }
    shopper->waited += result.attempts > 1;
    if (sight == MISSING)
        printf("BROKEN: %s holds %zu items of %zu at %s\n", prefix, result.item_count,
               shopper->items, result.freshness.node);
    candor_result_free(&result);
    return sight;
}

static void add_and_look(struct shopper *shopper)
{
    if (add(shopper, shopper->items++)) {
        shopper->lost++;
        add_again(shopper);
    }
    shopper->added++;
    atomic_fetch_add(&shopper->shop->added, 1);
    for (;;) {
        hand_session_over(shopper);
        enum sight sight = look_into_cart(shopper);
        shopper->missing += sight == MISSING;
        if (sight == COMPLETE || sight == MISSING)
            return;
        shopper->lost += sight == LOST;
        if (sight == LOST)
            add_again(shopper);
        else if (atomic_load(&shopper->shop->closed))
            return;
    }
}

/* The primary decides, once: never below zero, whoever else buys. */
static void order(struct shopper *shopper)
{
    struct candor_bounds bounds = {.has_min = true, .min = 0};
    struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    enum candor_code code =
        candor_increment(shopper->phone, candor_text(STOCK), -1, &bounds, &safe, &result);
    bool sold = code == CANDOR_OK;
    if (result.error.reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        sold = story_took_effect(shopper->phone, &result.request);
    shopper->sold += sold;
    shopper->sold_out += code == CANDOR_OUT_OF_RANGE;
    atomic_fetch_add(&shopper->shop->sold, sold);
    candor_result_free(&result);
}

static void *shopping(void *closure)
{
    struct shopper *shopper = closure;
    while (!atomic_load(&shopper->shop->closed)) {
        add_and_look(shopper);
        if (shopper->items == CART_ITEMS) {
            order(shopper);
            shopper->cart++;
            shopper->items = 0;
        }
        story_pause_ms(5); /* people are slower */
    }
    return NULL;
}

/* Ten more lamps. An outcome that is not known is asked for, as ever. */
static int64_t deliver(struct shop *shop)
{
    struct candor_write_options safe = {.ack = CANDOR_ACK_MAJORITY};
    struct candor_result result;
    enum candor_code code =
        candor_increment(shop->story.client, candor_text(STOCK), DELIVERY, NULL, &safe, &result);
    bool done = code == CANDOR_OK;
    if (result.error.reason == CANDOR_REASON_OUTCOME_UNKNOWN)
        done = story_took_effect(shop->story.client, &result.request);
    candor_result_free(&result);
    return done ? DELIVERY : 0;
}

static void start_shoppers(struct shop *shop, struct shopper *shoppers)
{
    for (size_t i = 0; i < SHOPPERS; i++) {
        shoppers[i] = (struct shopper){.shop = shop,
                                       .number = i,
                                       .cart = story_now_ms(), /* none of an earlier run */
                                       .phone = story_client(&shop->story, i),
                                       .laptop = story_client(&shop->story, i + 1)};
        if (pthread_create(&shoppers[i].thread, NULL, shopping, &shoppers[i]) != 0)
            story_fail("no thread for a shopper");
    }
}

static struct shopper stop_shoppers(struct shop *shop, struct shopper *shoppers,
                                    uint64_t *violations)
{
    struct shopper sum = {0};
    atomic_store(&shop->closed, true);
    for (size_t i = 0; i < SHOPPERS; i++) {
        struct shopper *one = &shoppers[i];
        pthread_join(one->thread, NULL);
        *violations += candor_client_violations(one->phone) + candor_client_violations(one->laptop);
        candor_client_close(one->phone);
        candor_client_close(one->laptop);
        sum.added += one->added;
        sum.sold += one->sold;
        sum.sold_out += one->sold_out;
        sum.lost += one->lost;
        sum.waited += one->waited;
        sum.missing += one->missing;
    }
    return sum;
}

static int run_right(struct shop *shop)
{
    struct shopper shoppers[SHOPPERS];
    char age[STORY_TEXT_BYTES];
    int64_t delivered = 0;
    uint64_t violations = 0;
    set_stock(shop, "0");
    start_shoppers(shop, shoppers);
    while (!story_over(&shop->story)) {
        delivered += deliver(shop);
        printf("so far: %" PRIuFAST64 " items in carts, %" PRIuFAST64 " of %" PRId64
               " lamps sold\n",
               atomic_load(&shop->added), atomic_load(&shop->sold), delivered);
        story_pause_ms(DELIVERY_MS);
    }
    struct shopper sum = stop_shoppers(shop, shoppers, &violations);
    int64_t stock = read_stock(shop->story.client, CANDOR_READ_LINEARIZABLE, age);
    printf("%" PRIu64 " items added, each seen at another node: %" PRIu64 " missing; %" PRIu64
           " times the session was told of a rollback and the cart filled again; %" PRIu64
           " reads took more than one node\n",
           sum.added, sum.missing, sum.lost, sum.waited);
    printf("%" PRId64 " lamps delivered, %" PRIu64 " sold, %" PRIu64
           " orders refused as sold out, %" PRId64 " in stock; %" PRIu64
           " promises broken by a node\n",
           delivered, sum.sold, sum.sold_out, stock, violations);
    bool sound =
        sum.missing == 0 && violations == 0 && stock >= 0 && delivered - (int64_t)sum.sold == stock;
    printf("%s: every cart, and the stock\n", sound ? "kept" : "BROKEN");
    return sound ? STORY_KEPT : STORY_BROKEN;
}

/* ---- Wrong ----------------------------------------------------------------------------------- */

static bool sees(struct candor_client *client, const char *key,
                 const struct candor_read_options *options, char age[STORY_TEXT_BYTES])
{
    struct candor_result result;
    story_must(candor_get(client, candor_text(key), options, &result), &result, "look");
    bool found = result.items[0].found;
    story_age(&result, age);
    candor_result_free(&result);
    return found;
}

/* The phone adds at the primary, the laptop looks at a replica that was cut off. */
static bool miss_an_item(struct shop *shop, struct story_node *replica)
{
    char key[64];
    char written[STORY_TEXT_BYTES];
    char age[STORY_TEXT_BYTES];
    struct candor_client *phone = story_client(&shop->story, 0);
    struct candor_token token;
    struct candor_result result;
    snprintf(key, sizeof key, "cart/wrong-%" PRIu64 "/0", story_now_ms());
    story_must(candor_put(phone, candor_text(key), candor_text("lamp"), NULL, &result), &result,
               "add to the cart");
    story_written(&result, written);
    candor_result_free(&result);
    bool missed = !sees(replica->client, key, NULL, age);
    printf(" 1. the phone adds a lamp [%s]\n 2. the laptop reads the cart: %s [%s]\n", written,
           missed ? "EMPTY" : "a lamp", age);
    if (missed)
        printf("    BREAKS: EVENTUAL asks for nothing, and the cart is older than the lamp\n");

    candor_client_token(phone, &token);
    struct candor_read_options session = {
        .level = CANDOR_READ_SESSION, .token = &token, .deadline_ms = 300};
    enum candor_code code = candor_get(replica->client, candor_text(key), &session, &result);
    printf("    with the phone's token the same node says: %s/%s\n", candor_code_name(code),
           candor_reason_name(result.error.reason));
    candor_result_free(&result);
    session.deadline_ms = LOOK_MS;
    bool found = sees(phone, key, &session, age);
    printf("    and a client that may ask elsewhere finds: %s [%s]\n", found ? "a lamp" : "EMPTY",
           age);
    candor_client_close(phone);
    return missed;
}

/* Reads, and sells if there is one: the put comes later, as any code between the two would have
 * it. */
static bool wants_to_sell(struct candor_client *client, const char *till)
{
    char age[STORY_TEXT_BYTES];
    int64_t stock = read_stock(client, CANDOR_READ_EVENTUAL, age);
    printf("    %s reads stock %" PRId64 " [%s]\n", till, stock, age);
    return stock > 0;
}

static int sell(struct shop *shop, struct candor_client *client, const char *till)
{
    char written[STORY_TEXT_BYTES];
    struct candor_result result;
    story_must(candor_put(client, candor_text(STOCK), candor_text("0"), NULL, &result), &result,
               "sell");
    story_written(&result, written);
    printf("    %s sells a lamp and puts stock 0 [%s]%s\n", till, written,
           result.session_lost ? "; this answer said session_lost, nobody looked" : "");
    candor_result_free(&result);
    atomic_fetch_add(&shop->sold, 1);
    return 1;
}

/* One lamp. Till 1 reads it at a replica that was cut off, after till 2 has sold it. */
static int oversell_under_partition(struct shop *shop, struct story_node *replica)
{
    int sold = 0;
    printf(" 3. one lamp, two tills, read-then-put\n");
    if (wants_to_sell(story_primary(&shop->story)->client, "till 2"))
        sold += sell(shop, shop->story.client, "till 2");
    if (wants_to_sell(replica->client, "till 1"))
        sold += sell(shop, shop->story.client, "till 1");
    if (sold > 1)
        printf("    BREAKS: %d lamps sold out of 1; till 1 read the past, and its put asked for "
               "nothing\n",
               sold);
    return sold;
}

/* One lamp. It is sold at a primary that was cut off, LOCAL; the next primary still has it. */
static int oversell_over_failover(struct shop *shop)
{
    struct story *story = &shop->story;
    struct candor_client *till = story_client(story, 0);
    char written[STORY_TEXT_BYTES];
    struct candor_result result;
    set_stock(shop, "1");
    printf(" 4. one lamp again; the primary is cut off, and dies after the sale\n");
    struct story_node *old =
        story_write_alone(story, till, candor_text(STOCK), candor_text("0"), &result);
    story_written(&result, written);
    candor_result_free(&result);
    printf("    till 3 sells a lamp and puts stock 0 [%s] at %s\n", written, old->name);
    int sold = 1;
    struct story_node *next = story_kill(story, old);
    if (wants_to_sell(next->client, "till 4"))
        sold += sell(shop, till, "till 4");
    if (sold > 1)
        printf("    BREAKS: %d lamps sold out of 1; the first sale was on %s's disk alone, and is "
               "rolled back\n",
               sold, old->name);
    candor_client_close(till);
    story_heal(story, old);
    return sold;
}

static int run_wrong(struct shop *shop)
{
    struct story *story = &shop->story;
    set_stock(shop, "1");
    story_heal(story, NULL); /* all nodes know of it */
    struct story_node *replica = story_other_than(story, story_primary(story));
    story_isolate(story, replica);
    bool missed = miss_an_item(shop, replica);
    int sold = oversell_under_partition(shop, replica);
    story_heal(story, NULL);
    sold += oversell_over_failover(shop);
    if (!missed && sold <= 2)
        return STORY_KEPT;
    printf("BROKEN: %s, and %d lamps sold out of 2\n",
           missed ? "an item was not seen" : "every item was seen", sold);
    return STORY_BROKEN;
}

int main(int argc, char **argv)
{
    static struct shop shop;
    story_open(&shop.story, argc, argv);
    int status = shop.story.wrong ? run_wrong(&shop) : run_right(&shop);
    story_close(&shop.story);
    return status;
}
