/* links: core record */
#include "core_fixture.h"

/* ---- Tests ----------------------------------------------------------------------------------- */

static void blank_nodes_found_a_cluster_and_become_fresh(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(fresh_of(c, i).state, CANDOR_STATE_FRESH);
        assert_true(view_of(c, i).admitted);
        assert_int_equal(view_of(c, i).cluster_id, 99);
        assert_int_equal(view_of(c, i).commit, view_of(c, 0).last);
    }
    cluster_free(c);
}

static void writes_reach_every_replica_and_commit(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    assert_int_equal(c->hosts[0].finished, 5);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    write_at(c, 0, 6, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].finished, 6);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    run_ms(c, 300);
    assert_int_equal(view_of(c, 1).applied, view_of(c, 0).last);
    assert_int_equal(view_of(c, 2).commit, view_of(c, 0).last);
    cluster_free(c);
}

/* R68: a's fsync is the last to come back. */
static void what_is_published_counts_only_when_the_primary_has_it(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    uint64_t last = view_of(c, 0).last;
    c->hosts[0].stages = c->hosts[0].frozen = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    write_at(c, 0, 6, CANDOR_ACK_MAJORITY);
    run_ms(c, 300);
    for (int i = 1; i < NODES; i++)
        assert_int_equal(view_of(c, i).durable, last + 2);
    assert_int_equal(view_of(c, 0).durable, last);
    assert_int_equal(view_of(c, 0).commit, last);
    assert_int_equal(view_of(c, 0).at_risk, 0);
    assert_int_equal(c->hosts[0].finished, 0);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH); /* no bound waits for it */
    /* R13: else who has missed it would not catch up with a stream that goes on */
    struct core_view view = view_of(c, 0);
    struct core_msg ask = forged(c, CORE_MSG_FETCH, 1, view.epoch);
    uint64_t upto = 0;
    assert_true(core_view_may_fetch(&view, &ask.header, &upto));
    assert_int_equal(upto, last + 2);

    c->hosts[0].frozen = false;
    release(c); /* no further status is needed */
    assert_int_equal(view_of(c, 0).commit, last + 2);
    assert_int_equal(c->hosts[0].finished, 6);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    cluster_free(c);
}

/* R21, R68 */
static void a_primary_steps_down_that_cannot_store_what_it_has_published(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 10000);
    struct candor_epoch epoch = view_of(c, 0).epoch;
    uint64_t last = view_of(c, 0).last;
    c->hosts[0].stages = c->hosts[0].frozen = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct core_event *answer = &c->held[0].event;
    answer->appended.code = CANDOR_RESOURCE_EXHAUSTED;
    answer->appended.withdrawn = true;
    answer->appended.last_seq = last;
    answer->appended.end = (struct chain_at){0};
    truncate_host(&c->hosts[0], last);
    c->hosts[0].frozen = c->hosts[0].stages = false;
    struct core_event withdrawn = {.type = CORE_EVENT_WITHDRAWN};
    withdrawn.staged.epoch = epoch;
    withdrawn.staged.last_seq = last + 1;
    post(c, 0, 0)->event = withdrawn;
    release(c);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_REPLICA);
    assert_int_equal(c->hosts[0].finished, 5);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_true(epoch_equal(c->hosts[0].pos.epoch, epoch));
    assert_int_equal(c->hosts[0].pos.seq, last + 1);
    /* the others hold it, and a has it again from whom they elect */
    run_ms(c, 20000);
    assert_true(primary_of(c) > 0);
    assert_true(view_of(c, 0).durable > last + 1);
    assert_int_equal(view_of(c, 0).commit, view_of(c, primary_of(c)).commit);
    cluster_free(c);
}

/* R69 */
static void keys_end_by_the_time_of_the_log(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 10000);
    struct host *first = &c->hosts[0];
    assert_int_equal(first->expire_orders, 1); /* at the epoch's beginning: does any end? */
    uint64_t began_ms = first->expire_ms;
    first->next_end_ms = began_ms + 15000;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    run_ms(c, 4000);
    assert_int_equal(first->expire_orders, 1);
    run_ms(c, 2000);
    assert_int_equal(first->expire_orders, 2);
    assert_true(first->expire_ms > began_ms + 15000 && first->expire_ms < began_ms + 16000);
    /* The next primary counts on. */
    first->cut = true;
    run_ms(c, 20000);
    int leader = primary_of(c);
    assert_true(leader > 0);
    assert_true(c->hosts[leader].expire_orders > 0);
    assert_true(c->hosts[leader].expire_ms > began_ms + 16000);
    assert_true(c->hosts[leader].expire_ms < began_ms + 40000);
    cluster_free(c);
}

static void replica_cut_off_flags_within_stale_after_and_comes_back(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    run_ms(c, 600);
    struct core_freshness fresh = fresh_of(c, 2);
    assert_true(fresh.stale);
    assert_int_equal(fresh.state, CANDOR_STATE_STALE);
    assert_true(fresh.heartbeat_age_ms >= 500);
    assert_true(fresh.has_bound);
    for (uint64_t i = 0; i < 10; i++)
        write_at(c, 0, 100 + i, CANDOR_ACK_LOCAL);
    c->hosts[2].cut = false;
    run_ms(c, 1000);
    assert_int_equal(fresh_of(c, 2).state, CANDOR_STATE_FRESH);
    assert_int_equal(view_of(c, 2).applied, view_of(c, 0).last);
    cluster_free(c);
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The median of what b's bound says, millisecond after millisecond; every `write_ms` something is
 * written (0: never). */
static uint64_t median_bound_ms(struct cluster *c, uint64_t write_ms)
{
    enum { SAMPLES = 5000 };
    static uint64_t bounds[SAMPLES];
    for (uint32_t i = 0; i < SAMPLES; i++) {
        run_ms(c, 1);
        if (write_ms != 0 && i % write_ms == 0)
            write_at(c, 0, 100 + i, CANDOR_ACK_LOCAL);
        struct core_freshness fresh = fresh_of(c, 1);
        assert_int_equal(fresh.state, CANDOR_STATE_FRESH);
        bounds[i] = fresh.bound_ms;
    }
    qsort(bounds, SAMPLES, sizeof bounds[0], by_size);
    return bounds[SAMPLES / 2];
}

static void healthy_replica_is_proven_within_an_interval_and_a_half(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    uint32_t heartbeats = c->hosts[0].heartbeats;
    uint32_t statuses = c->hosts[1].statuses;
    assert_in_range(median_bound_ms(c, 0), 1, 150);
    /* 50 intervals: each has its heartbeat, the one that follows, and what they proved; a replica
     * answers two of them. */
    assert_in_range(c->hosts[0].heartbeats - heartbeats, 50, 3 * 50 + 3);
    assert_in_range(c->hosts[1].statuses - statuses, 50, 2 * 50 + 2);
    assert_in_range(median_bound_ms(c, 7), 1, 150);
    cluster_free(c);
}

static void evidence_does_not_wait_for_a_voter_that_is_away(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    run_ms(c, 100);
    uint32_t heartbeats = c->hosts[0].heartbeats;
    assert_in_range(median_bound_ms(c, 0), 1, 150);
    assert_in_range(c->hosts[0].heartbeats - heartbeats, 50, 3 * 50 + 3);
    cluster_free(c);
}

static void records_count_as_the_heartbeat_that_they_name(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    c->no_heartbeats = true; /* their connection is stuck; that of the records is not */
    for (uint64_t i = 0; i < 3000; i++) {
        run_ms(c, 1);
        if (i % 20 == 0)
            write_at(c, 0, 100 + i, CANDOR_ACK_LOCAL);
    }
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    assert_int_equal(view_of(c, 0).epoch.term, 1);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH); /* they carry the evidence, too */
    cluster_free(c);
}

static void only_local_records_are_at_risk(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[1].cut = c->hosts[2].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    assert_int_equal(view_of(c, 0).durable - view_of(c, 0).commit, 1);
    assert_int_equal(view_of(c, 0).at_risk, 0);
    write_at(c, 0, 6, CANDOR_ACK_LOCAL);
    write_at(c, 0, 7, CANDOR_ACK_LOCAL);
    assert_int_equal(view_of(c, 0).at_risk, 2);
    /* By force b opens an epoch that is committed by nobody yet: its EPOCH_START is at no risk. */
    promote(c, 1, 8, true);
    run_ms(c, 200);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    assert_true(view_of(c, 1).durable > view_of(c, 1).commit);
    assert_int_equal(view_of(c, 1).at_risk, 0);
    cluster_free(c);
}

static void a_new_primary_counts_what_the_old_one_may_have_acknowledged(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    c->deaf = true; /* to statuses: a commits no more */
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    write_at(c, 0, 6, CANDOR_ACK_MAJORITY);
    c->hosts[0].cut = true;
    promote(c, 1, 8, true);
    run_ms(c, 200);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    assert_int_equal(view_of(c, 1).at_risk, 1);
    cluster_free(c);
}

static void full_disk_hands_over_to_one_with_room(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 10000);
    assert_int_equal(primary_of(c), 0);
    c->hosts[0].full = c->hosts[1].full = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_DISK_FULL);
    run_ms(c, 1000);
    /* b holds all, too, and has not found out yet that it has no room: it gives up, and c or b
     * stands again. */
    for (int i = 0; i < 20 && primary_of(c) != 2; i++)
        run_ms(c, 1000);
    assert_int_equal(primary_of(c), 2);
    write_at(c, 2, 6, CANDOR_ACK_LOCAL);
    assert_int_equal(c->hosts[2].code, CANDOR_OK);
    run_ms(c, 1000);
    assert_true(view_of(c, 0).no_room);
    assert_true(view_of(c, 1).no_room);
    c->hosts[0].full = c->hosts[1].full = false;
    run_ms(c, 5000);
    assert_false(view_of(c, 0).no_room);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    assert_int_equal(primary_of(c), 2);
    cluster_free(c);
}

static void leadership_stays_where_every_disk_is_full(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 10000);
    for (int i = 0; i < NODES; i++)
        c->hosts[i].full = true;
    uint64_t term = view_of(c, 0).epoch.term;
    for (uint64_t i = 0; i < 120; i++) {
        int at = primary_of(c);
        if (at >= 0)
            write_at(c, at, 100 + i, CANDOR_ACK_LOCAL);
        run_ms(c, 1000);
    }
    /* 120 s are 24 pauses; an EPOCH_START that cannot be stored costs further terms. */
    assert_in_range(view_of(c, 0).epoch.term - term, 0, 120);
    cluster_free(c);
}

/* R28: else the others would be in a generation of which nobody holds anything, and nobody could be
 * elected. */
static void a_forced_promotion_that_was_not_stored_is_told_to_nobody(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 10000);
    c->hosts[1].full = true;
    promote(c, 1, 8, true);
    run_ms(c, 10000);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(view_of(c, i).epoch.generation, 1);
    assert_int_equal(primary_of(c), 0);
    c->hosts[1].full = false;
    promote(c, 1, 9, true);
    run_ms(c, 5000);
    assert_int_equal(primary_of(c), 1);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(view_of(c, i).epoch.generation, 2);
    cluster_free(c);
}

static void in_manual_mode_a_full_disk_is_left_to_the_operator(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 10000);
    c->hosts[0].full = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    run_ms(c, 20000);
    assert_int_equal(primary_of(c), 0);
    assert_true(view_of(c, 0).no_room);
    assert_int_equal(c->hosts[0].asked_to_transfer, 1); /* once, not each time */
    cluster_free(c);
}

static void the_log_says_when_the_state_changes_and_seldom_when_it_flaps(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 60000);
    assert_non_null(strstr(c->hosts[1].state_line, "to=FRESH role=replica primary=a "));
    uint32_t lines = c->hosts[1].state_lines;
    c->hosts[1].cut = true;
    run_ms(c, 700);
    assert_int_equal(c->hosts[1].state_lines, lines + 1);
    assert_non_null(strstr(c->hosts[1].state_line, "from=FRESH to=STALE role=replica primary=a "));
    assert_non_null(strstr(c->hosts[1].state_line, " heartbeat_age_ms=5"));
    c->hosts[1].cut = false;
    run_ms(c, 1000);
    assert_int_equal(c->hosts[1].state_lines, lines + 2);
    assert_non_null(strstr(c->hosts[1].state_line, "from=STALE to=FRESH "));
    lines = c->hosts[1].state_lines;
    for (int i = 0; i < 100; i++) {
        c->hosts[1].cut = i % 2 == 0;
        run_ms(c, 1000);
    }
    /* 100 changes in 100 s: those that may follow at once, and one in ten seconds. */
    assert_in_range(c->hosts[1].state_lines - lines, 6, 6 + 10);
    run_ms(c, 20000);
    assert_non_null(strstr(c->hosts[1].state_line, "to=FRESH ")); /* the last word is right */
    cluster_free(c);
}

static void a_node_that_the_topology_does_not_name_is_told_of(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    struct core_msg msg = {.type = CORE_MSG_ATTACH};
    epoch_history_init(&msg.attach.history);
    msg.header = (struct core_header){.cluster_id = view_of(c, 0).cluster_id,
                                      .config_hash = 42,
                                      .node = node_id_of("z"),
                                      .store_id = 7,
                                      .boot = 1};
    for (int i = 0; i < 5; i++) {
        struct core_event event = {
            .type = CORE_EVENT_REQUEST, .ticket = ++c->next_ticket, .msg = &msg};
        deliver(c, 0, &event);
        pump(c);
    }
    assert_int_equal(c->hosts[0].unknown_lines, 1);
    epoch_history_free(&msg.attach.history);
    cluster_free(c);
}

static void write_at_a_replica_is_refused(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 1, 5, CANDOR_ACK_LOCAL);
    assert_int_equal(c->hosts[1].code, CANDOR_FAILED_PRECONDITION);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_NOT_PRIMARY);
    assert_string_equal(view_of(c, 1).primary.text, "a");
    cluster_free(c);
}

static void deposed_primary_rolls_back_and_follows(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    run_ms(c, 1100);
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    write_at(c, 0, 6, CANDOR_ACK_LOCAL);
    promote(c, 1, 7, false);
    run_ms(c, 100);
    assert_int_equal(c->hosts[1].finished, 7);
    assert_int_equal(c->hosts[1].code, CANDOR_OK);
    write_at(c, 1, 8, CANDOR_ACK_LOCAL);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY); /* it cannot know */
    assert_true(fresh_of(c, 0).stale);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_REPLICA);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_FRESH);
    assert_int_equal(view_of(c, 0).applied, view_of(c, 1).last);
    assert_int_equal(c->hosts[0].log.length, c->hosts[1].log.length);
    assert_memory_equal(c->hosts[0].log.bytes, c->hosts[1].log.bytes, c->hosts[0].log.length);
    cluster_free(c);
}

static void promotion_is_refused_while_the_primary_lives(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    promote(c, 1, 7, false);
    run_ms(c, 100);
    assert_int_equal(c->hosts[1].code, CANDOR_UNAVAILABLE);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_NO_MAJORITY);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    cluster_free(c);
}

static void failed_promotion_names_every_voter_that_is_missing(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[1].cut = true;
    run_ms(c, 200);
    promote(c, 1, 7, false);
    run_ms(c, 4000);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_NO_MAJORITY);
    assert_string_equal(c->hosts[1].text, "no majority of the voters: a: no answer; c: no answer");
    cluster_free(c);
}

static void promotion_is_told_of_a_voter_whose_disk_does_not_count(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    run_ms(c, 1100);
    /* Another disk under the id of c: it says yes, and is not counted (R4). */
    core_free(c->hosts[2].core);
    struct host blank = {.id = c->hosts[2].id, .boot = c->hosts[2].boot};
    buffer_free(&c->hosts[2].log);
    epoch_history_free(&c->hosts[2].history);
    c->hosts[2] = blank;
    epoch_history_init(&c->hosts[2].history);
    start_with_store(c, 2, false, 2002);
    run_ms(c, 200); /* they hear each other */
    promote(c, 1, 7, false);
    run_ms(c, 4000);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_NO_MAJORITY);
    assert_string_equal(c->hosts[1].text, "no majority of the voters: a: no answer; "
                                          "c: its disk is not admitted");
    cluster_free(c);
}

static void forced_promotion_wins_everywhere_after_healing(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    run_ms(c, 700);
    promote(c, 2, 7, true);
    assert_int_equal(c->hosts[2].code, CANDOR_OK);
    write_at(c, 2, 8, CANDOR_ACK_LOCAL);
    c->hosts[2].cut = false;
    run_ms(c, 2000);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(view_of(c, i).epoch.generation, 2);
        assert_int_equal(fresh_of(c, i).state, CANDOR_STATE_FRESH);
        assert_int_equal(view_of(c, i).applied, view_of(c, 2).last);
    }
    cluster_free(c);
}

static void automatic_failover_elects_a_new_primary(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    c->hosts[0].cut = true;
    run_ms(c, 4000);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_REPLICA); /* R25 */
    assert_int_equal((view_of(c, 1).role == CANDOR_ROLE_PRIMARY) +
                         (view_of(c, 2).role == CANDOR_ROLE_PRIMARY),
                     1);
    cluster_free(c);
}

/* ---- What nodes say of a failover ---- */

static void the_first_epoch_is_reported_as_founding(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    assert_int_equal(c->hosts[0].failover.cause, CORE_FAILOVER_FOUNDING);
    assert_true(epoch_equal(c->hosts[0].failover.epoch, view_of(c, 0).epoch));
    assert_true(epoch_none(c->hosts[0].failover.previous));
    assert_false(c->hosts[0].failover.has_gap);
    /* Those who follow it saw no other before. */
    assert_true(epoch_none(c->hosts[1].failover.epoch));
    cluster_free(c);
}

static void election_is_told_with_the_silence_before_it(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    int old = 0;
    struct candor_epoch before = view_of(c, old).epoch;
    c->hosts[old].cut = true;
    uint64_t cut_ns = c->now_ns;
    run_ms(c, 4000);
    int new = primary_besides(c, old);
    int other = 3 - old - new;
    const struct core_failover *failover = &c->hosts[new].failover;
    assert_int_equal(failover->cause, CORE_FAILOVER_ELECTION);
    assert_true(epoch_equal(failover->previous, before));
    assert_true(failover->has_gap);
    assert_in_range(failover->gap_ns, NS_PER_S, c->now_ns - cut_ns + 100 * NS_PER_MS);
    assert_int_equal(c->hosts[other].failover.cause, CORE_FAILOVER_SEEN);
    assert_true(epoch_equal(c->hosts[other].failover.epoch, failover->epoch));
    assert_in_range(c->hosts[other].failover.gap_ns, failover->gap_ns, failover->gap_ns + NS_PER_S);

    /* The deposed one refused writes since it had stepped down (R25). */
    c->hosts[old].cut = false;
    run_ms(c, 1000);
    assert_true(epoch_equal(c->hosts[old].failover.epoch, failover->epoch));
    assert_true(epoch_equal(c->hosts[old].failover.previous, before));
    assert_in_range(c->hosts[old].failover.gap_ns, 2 * NS_PER_S, c->now_ns - cut_ns - NS_PER_S);
    cluster_free(c);
}

static void transfer_is_told_with_the_refusals_of_the_old_primary(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    c->hosts[1].cut = true; /* it cannot take over yet */
    write_at(c, 0, 6, CANDOR_ACK_LOCAL);
    struct core_event event = {.type = CORE_EVENT_TRANSFER, .ticket = 30};
    event.transfer.to = node_id_of("b");
    event.transfer.deadline_ns = c->now_ns + 5 * NS_PER_S;
    assert_true(view_of(c, 0).accepts_writes);
    deliver(c, 0, &event);
    pump(c);
    assert_false(view_of(c, 0).accepts_writes);
    run_ms(c, 700);
    c->hosts[1].cut = false;
    run_ms(c, 1000);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    assert_int_equal(c->hosts[1].failover.cause, CORE_FAILOVER_TRANSFER);
    assert_in_range(c->hosts[0].failover.gap_ns, 700 * NS_PER_MS, 1700 * NS_PER_MS);
    assert_true(c->hosts[1].failover.gap_ns < c->hosts[0].failover.gap_ns);
    cluster_free(c);
}

static void promotions_are_told_apart_from_elections(void **state)
{
    (void)state;
    for (int force = 0; force < 2; force++) {
        struct cluster *c = cluster_new(false);
        run_ms(c, 1500);
        c->hosts[0].cut = true;
        run_ms(c, 1500);
        promote(c, 1, 20, force != 0);
        run_ms(c, 500);
        assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
        assert_int_equal(c->hosts[1].failover.cause,
                         force ? CORE_FAILOVER_FORCED : CORE_FAILOVER_PROMOTION);
        assert_in_range(c->hosts[1].failover.gap_ns, 1400 * NS_PER_MS, 2000 * NS_PER_MS);
        cluster_free(c);
    }
}

static void restarted_primary_knows_its_predecessor_from_the_log_alone(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    struct candor_epoch before = view_of(c, 0).epoch;
    core_free(c->hosts[0].core);
    reload(&c->hosts[0]);
    c->now_ns += 1500 * NS_PER_MS; /* it was down so long */
    start(c, 0, false);
    run_ms(c, 1500);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    assert_int_equal(c->hosts[0].failover.cause, CORE_FAILOVER_RESUMED);
    assert_true(epoch_equal(c->hosts[0].failover.previous, before));
    assert_false(c->hosts[0].failover.has_gap);
    assert_true(c->hosts[1].failover.has_gap);
    cluster_free(c);
}

static void session_read_waits_for_its_position(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = 9};
    event.wait.token.pos = c->hosts[0].pos;
    event.wait.deadline_ns = c->now_ns + 10 * NS_PER_S;
    deliver(c, 2, &event);
    assert_int_equal(c->hosts[2].finished, 0);
    c->hosts[2].cut = false;
    run_ms(c, 1000);
    assert_int_equal(c->hosts[2].finished, 9);
    assert_int_equal(c->hosts[2].code, CANDOR_OK);
    cluster_free(c);
}

static void expect_lost_everywhere(struct cluster *c, struct candor_pos token)
{
    for (int i = 0; i < NODES; i++) {
        struct core_event event = {.type = CORE_EVENT_WAIT, .ticket = 50};
        event.wait.kind = CORE_WAIT_SESSION;
        event.wait.token.pos = token;
        event.wait.deadline_ns = c->now_ns + NS_PER_S;
        deliver(c, i, &event);
        assert_int_equal(c->hosts[i].finished, 50);
        assert_int_equal(c->hosts[i].reason, CANDOR_REASON_SESSION_LOST);
    }
}

static void lost_session_is_told_before_the_new_log_is_as_long(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    for (uint64_t i = 0; i < 5; i++)
        write_at(c, 0, 40 + i, CANDOR_ACK_LOCAL);
    struct candor_pos token = c->hosts[0].pos;
    run_ms(c, 1500);
    promote(c, 1, 20, false);
    run_ms(c, 500);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    assert_true(view_of(c, 0).last < token.seq);
    expect_lost_everywhere(c, token);
    cluster_free(c);
}

/* An epoch that this log never had: a newer one that is committed has passed it over, wherever its
 * records were. */
static void a_session_of_an_epoch_that_was_passed_over_is_lost(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    for (uint64_t i = 0; i < 5; i++)
        write_at(c, 0, 40 + i, CANDOR_ACK_LOCAL);
    run_ms(c, 500);
    struct candor_pos token = c->hosts[0].pos;
    c->hosts[0].cut = true;
    run_ms(c, 1500);
    promote(c, 1, 20, false);
    run_ms(c, 500);
    c->hosts[0].cut = false;
    run_ms(c, 1500);
    token.epoch.term++; /* of a: before b's of this term, behind a's own */
    assert_true(epoch_compare(token.epoch, view_of(c, 1).epoch) < 0);
    expect_lost_everywhere(c, token);
    cluster_free(c);
}

static void a_session_writes_only_where_its_position_survived(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    write_at(c, 0, 40, CANDOR_ACK_LOCAL);
    struct candor_pos lost = c->hosts[0].pos;
    run_ms(c, 1500);
    promote(c, 1, 20, false);
    run_ms(c, 500);
    struct core_event event = {.type = CORE_EVENT_WRITE, .ticket = 60};
    event.write.ack = c->ack = CANDOR_ACK_LOCAL;
    event.write.records = 1;
    event.write.token.pos = lost;
    deliver(c, 1, &event);
    assert_int_equal(c->hosts[1].finished, 60);
    assert_int_equal(c->hosts[1].reason, CANDOR_REASON_SESSION_LOST);
    /* The deposed primary does not know it yet. */
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_PRIMARY);
    event.ticket = 61;
    event.write.token.pos = (struct candor_pos){view_of(c, 1).epoch, view_of(c, 1).applied};
    deliver(c, 0, &event);
    assert_int_equal(c->hosts[0].finished, 61);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_SESSION_BEHIND);
    cluster_free(c);
}

static void transfer_hands_leadership_over_and_loses_nothing(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    struct core_event event = {.type = CORE_EVENT_TRANSFER, .ticket = 7};
    event.transfer.to = node_id_of("b");
    event.transfer.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, 0, &event);
    pump(c);
    run_ms(c, 20); /* no timeout is waited for */
    assert_int_equal(c->hosts[0].finished, 7);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    assert_int_equal(view_of(c, 1).role, CANDOR_ROLE_PRIMARY);
    assert_int_equal(view_of(c, 0).role, CANDOR_ROLE_REPLICA);
    run_ms(c, 1000);
    write_at(c, 1, 8, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[1].code, CANDOR_OK);
    assert_int_equal(fresh_of(c, 0).state, CANDOR_STATE_FRESH);
    cluster_free(c);
}

static void transfer_to_an_unreachable_node_leaves_the_old_primary(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[1].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    struct core_event event = {.type = CORE_EVENT_TRANSFER, .ticket = 7};
    event.transfer.to = node_id_of("b");
    event.transfer.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, 0, &event);
    pump(c);
    run_ms(c, 1200);
    assert_int_equal(c->hosts[0].finished, 7);
    assert_int_equal(c->hosts[0].code, CANDOR_DEADLINE_EXCEEDED);
    write_at(c, 0, 8, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    cluster_free(c);
}

/* Who slept finds what others said meanwhile, and before, in any order: a lost disk's word is no
 * newer for it (R4). */
static void who_slept_does_not_take_a_lost_disk_for_the_present_one(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    struct core_msg old = forged(c, CORE_MSG_STATUS, 1, view_of(c, 0).epoch);
    old.status.last = old.status.durable = old.status.match = old.status.applied = 1;
    core_free(c->hosts[1].core);
    struct host blank = {.id = c->hosts[1].id, .boot = c->hosts[1].boot};
    buffer_free(&c->hosts[1].log);
    epoch_history_free(&c->hosts[1].history);
    c->hosts[1] = blank;
    epoch_history_init(&c->hosts[1].history);
    start_with_store(c, 1, false, 2002);
    run_ms(c, 700); /* no life that lasted yet (R62) */
    assert_true(view_of(c, 1).admitted);
    c->now_ns += 700 * NS_PER_MS; /* nobody runs */
    deliver(c, 0,
            &(struct core_event){.type = CORE_EVENT_STREAM, .peer = c->hosts[1].id, .msg = &old});
    pump(c);
    run_ms(c, 150);
    assert_true(view_of(c, 1).admitted);
    cluster_free(c);
}

/* ---- The chain (R55-R57) ---- */

/* A life of b begins whose newest records are not the primary's, at the same positions, in the same
 * epoch. */
static void start_with_other_records(struct cluster *c, uint64_t above, uint64_t commit)
{
    struct host *host = &c->hosts[1];
    struct buffer log = {0};
    struct slice rest = buffer_slice(&host->log);
    struct batch batch;
    uint64_t last = host->last;
    core_free(host->core);
    while (rest.length > 0 && batch_decode(&rest, &batch, NULL) == CANDOR_OK &&
           batch_last_seq(&batch) <= above)
        buffer_put(&log, batch.bytes.bytes, batch.bytes.length);
    buffer_free(&host->log);
    host->log = log;
    host->last = above;
    while (host->last < last) {
        struct batch_writer w = batch_begin(&host->log, RECORD_WRITE, host->epoch, host->last + 1,
                                            chain_of(host, host->last));
        batch_add_write(&w, &(struct record_write){.ack = CANDOR_ACK_LOCAL, .wall_ms = 77}, NULL,
                        0);
        batch_end(&w);
        host->last++;
    }
    host->commit = commit;
    reload(host);
    start(c, 1, false);
}

static struct cluster *five_writes(void)
{
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    for (uint64_t i = 0; i < 5; i++)
        write_at(c, 0, 30 + i, CANDOR_ACK_ALL);
    run_ms(c, 200);
    assert_int_equal(view_of(c, 1).applied, view_of(c, 0).last);
    return c;
}

static void a_replica_goes_back_behind_records_that_are_not_the_primarys(void **state)
{
    (void)state;
    struct cluster *c = five_writes();
    uint64_t last = view_of(c, 0).last;
    start_with_other_records(c, last - 2, last - 3);
    assert_int_equal(view_of(c, 1).last, last);
    run_ms(c, 1500);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    assert_int_equal(view_of(c, 1).applied, last);
    assert_true(chain_equal(chain_of(&c->hosts[1], last), chain_of(&c->hosts[0], last)));
    cluster_free(c);
}

/* What it knows as committed it does not give up by itself (R12). */
static void a_replica_whose_committed_records_are_not_the_primarys_is_forked(void **state)
{
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        struct cluster *c = five_writes();
        uint64_t last = view_of(c, 0).last;
        start_with_other_records(c, last - 2, last - (uint64_t)behind);
        run_ms(c, 3000);
        assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FORKED);
        assert_int_equal(c->hosts[1].last, last - (uint64_t)behind); /* the rest was not */
        assert_int_equal(c->hosts[1].snapshots_wanted, 0);
        struct core_event accept = {.type = CORE_EVENT_ACCEPT_HISTORY,
                                    .ticket = 50,
                                    .accept.deadline_ns = c->now_ns + 10 * NS_PER_S};
        deliver(c, 1, &accept);
        run_ms(c, 3000);
        assert_true(c->hosts[1].snapshots_wanted > 0);
        cluster_free(c);
    }
}

/* Who may hear what other replicas say with the next event: nothing that it does waits for it. */
static void only_an_attached_replica_hears_statuses_late(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    for (int i = 0; i < 3; i++)
        assert_false(core_hears_late(c->hosts[i].core)); /* attached to nobody */
    run_ms(c, 3000);
    int old = primary_of(c);
    assert_true(old >= 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(core_hears_late(c->hosts[i].core), i != old);
    for (int i = 0; i < 3; i++)
        if (i != old)
            cut_link(c, old, i, true);
    c->hold = true; /* who stands is not answered */
    bool stands = false;
    for (int ms = 0; ms < 5000 && !stands; ms++) {
        run_ms(c, 1);
        stands = c->held_count > 0;
    }
    assert_true(stands);
    int others = 0;
    for (int i = 0; i < 3; i++)
        others += i != old && !core_hears_late(c->hosts[i].core);
    assert_true(others > 0);
    release(c);
    run_ms(c, 5000);
    assert_true(primary_besides(c, old) >= 0);
    assert_false(core_hears_late(c->hosts[primary_besides(c, old)].core));
    cluster_free(c);
}

static void a_heartbeat_of_another_log_makes_a_replica_attach_anew(void **state)
{
    (void)state;
    struct cluster *c = five_writes();
    struct core_view view = view_of(c, 0);
    struct core_msg msg = forged(c, CORE_MSG_HEARTBEAT, 0, view.epoch);
    msg.heartbeat.last = view.last;
    msg.heartbeat.first = 1;
    struct core_event event = {.type = CORE_EVENT_STREAM, .peer = c->hosts[0].id, .msg = &msg};
    msg.heartbeat.hb_id = 1000;
    msg.heartbeat.chain = chain_of(&c->hosts[0], view.last);
    deliver(c, 1, &event);
    assert_true(view_of(c, 1).attached);
    msg.heartbeat.hb_id = 1001;
    msg.heartbeat.chain.low++;
    deliver(c, 1, &event);
    assert_false(view_of(c, 1).attached);
    run_ms(c, 1500);
    assert_true(view_of(c, 1).attached); /* the true one's is the same */
    cluster_free(c);
}

/* A session that a copy of the primary's disk has served, in the same epoch (R43, R56). */
static void a_session_of_another_log_of_the_same_epoch_is_lost(void **state)
{
    (void)state;
    struct cluster *c = five_writes();
    struct core_view view = view_of(c, 0);
    struct core_event read = {.type = CORE_EVENT_WAIT, .ticket = 70};
    read.wait.kind = CORE_WAIT_SESSION;
    read.wait.deadline_ns = c->now_ns + NS_PER_S;
    read.wait.token =
        (struct candor_token){.pos = {view.epoch, view.applied}, .origin = view.applied_origin};
    struct core_event write = {.type = CORE_EVENT_WRITE, .ticket = 71};
    write.write.ack = c->ack = CANDOR_ACK_LOCAL;
    write.write.records = 1;
    write.write.token = read.wait.token;
    for (int other = 0; other < 2; other++) {
        enum candor_reason wanted = other ? CANDOR_REASON_SESSION_LOST : CANDOR_REASON_NONE;
        read.wait.token.origin += (uint64_t)other;
        write.write.token.origin += (uint64_t)other;
        deliver(c, 1, &read);
        assert_int_equal(c->hosts[1].finished, 70);
        assert_int_equal(c->hosts[1].reason, wanted);
        deliver(c, 0, &write);
        pump(c);
        assert_int_equal(c->hosts[0].finished, 71);
        assert_int_equal(c->hosts[0].reason, wanted);
    }
    /* the epoch is the first: the logs share none */
    assert_true(epoch_none(c->hosts[0].pos.epoch));
    cluster_free(c);
}

/* Records that do not follow those held are not taken, whoever sends them in the primary's name. */
static void records_that_follow_others_are_not_taken(void **state)
{
    (void)state;
    struct cluster *c = five_writes();
    struct core_view view = view_of(c, 0);
    struct buffer bytes = {0};
    struct chain other = chain_of(&c->hosts[0], view.last);
    other.high++;
    struct batch_writer w = batch_begin(&bytes, RECORD_WRITE, view.epoch, view.last + 1, other);
    batch_add_write(&w, &(struct record_write){.ack = CANDOR_ACK_LOCAL, .wall_ms = 77}, NULL, 0);
    batch_end(&w);
    struct core_msg msg = forged(c, CORE_MSG_RECORDS, 0, view.epoch);
    msg.records.batches = buffer_slice(&bytes);
    deliver(c, 1,
            &(struct core_event){.type = CORE_EVENT_STREAM, .peer = c->hosts[0].id, .msg = &msg});
    run_ms(c, 1500);
    assert_int_equal(c->hosts[1].last, view.last);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    buffer_free(&bytes);
    cluster_free(c);
}

/* ---- Lives (R62-R64) ---- */

/* A disk as it was once, put back. */
struct backup {
    struct candor_epoch epoch;
    uint64_t boot;
    uint64_t last;
    size_t log_bytes;
    struct members members;
    struct epoch_history history;
};

static struct backup back_up(const struct host *host)
{
    struct backup backup = {host->epoch,      host->boot,    host->last,
                            host->log.length, host->members, {0}};
    epoch_history_init(&backup.history);
    core_history(host->core, &backup.history);
    return backup;
}

static void put_back(struct cluster *c, int node, struct backup *backup)
{
    struct host *host = &c->hosts[node];
    core_free(host->core);
    host->epoch = backup->epoch;
    host->boot = backup->boot;
    host->last = backup->last;
    host->log.length = backup->log_bytes;
    host->members = backup->members;
    epoch_history_free(&host->history);
    host->history = backup->history;
    start(c, node, false);
}

/* Whether it may: asked in the name of b, for an epoch that it would adopt. */
static bool may_vote(struct cluster *c, int node)
{
    enum { TICKET = 200 };
    struct core_msg asks = forged(c, CORE_MSG_PRE_VOTE, 1, view_of(c, 1).epoch);
    asks.vote.epoch = (struct candor_epoch){1, view_of(c, 1).epoch.term + 1, c->hosts[1].id};
    asks.vote.last = (struct candor_pos){view_of(c, 1).epoch, 1000};
    c->asked[TICKET].from = -1;
    deliver(c, node, &(struct core_event){CORE_EVENT_REQUEST, .ticket = TICKET, .msg = &asks});
    return strstr(c->told.vote_answer.refusal, "has just started") == NULL;
}

static void restart(struct cluster *c, int node)
{
    core_history(c->hosts[node].core, &c->hosts[node].history);
    core_free(c->hosts[node].core);
    start(c, node, false);
}

static void an_older_copy_of_a_disk_is_told_from_the_disk(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 3000);
    struct backup of_before = back_up(&c->hosts[2]);
    restart(c, 2);
    run_ms(c, 3000);
    assert_string_equal(c->hosts[2].renewed, ""); /* a start like any other */
    put_back(c, 2, &of_before);
    run_ms(c, 100);
    assert_non_null(strstr(c->hosts[2].renewed, "this data directory is an older copy"));
    assert_string_equal(c->hosts[2].stopped, "");
    cluster_free(c);
}

static void an_older_copy_of_the_same_life_is_found_by_what_it_lacks(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 3000);
    struct backup of_before = back_up(&c->hosts[2]);
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    run_ms(c, 300);
    put_back(c, 2, &of_before);
    run_ms(c, 100);
    assert_non_null(strstr(c->hosts[2].renewed, "this data directory is an older copy"));
    cluster_free(c);
}

static void a_number_that_came_once_renews_nobody(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 3000);
    struct core_msg posed = forged(c, CORE_MSG_STATUS, 2, view_of(c, 0).epoch);
    posed.header.boot = c->hosts[2].boot + (UINT64_C(9) << 30);
    for (int i = 0; i < 2; i++)
        deliver(c, i,
                &(struct core_event){CORE_EVENT_STREAM, .peer = c->hosts[2].id, .msg = &posed});
    pump(c);
    restart(c, 2);
    run_ms(c, 3000);
    assert_false(may_vote(c, 2));
    run_ms(c, 25000); /* forgotten (R8) */
    assert_string_equal(c->hosts[2].renewed, "");
    assert_string_equal(c->hosts[2].stopped, "");
    assert_true(may_vote(c, 2));
    cluster_free(c);
}

static void of_two_processes_of_one_node_the_overtaken_one_ends(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 8000); /* by now somebody has told it that it is heard */
    struct core_msg other = forged(c, CORE_MSG_STATUS, 2, view_of(c, 0).epoch);
    other.header.boot = boot_next(c->hosts[2].boot, 5);
    for (int i = 0; i < 200 && c->hosts[2].stopped[0] == '\0'; i++) {
        for (int j = 0; j < 2; j++)
            deliver(c, j,
                    &(struct core_event){CORE_EVENT_STREAM, .peer = c->hosts[2].id, .msg = &other});
        run_ms(c, 50);
    }
    assert_non_null(strstr(c->hosts[2].stopped, "another process runs as this node"));
    assert_string_equal(c->hosts[2].renewed, "");
    cluster_free(c);
}

/* ---- Strangers (R49) ---- */

static void deliver_stream(struct cluster *c, int at, int dialled, const struct core_msg *msg)
{
    deliver(
        c, at,
        &(struct core_event){.type = CORE_EVENT_STREAM, .peer = c->hosts[dialled].id, .msg = msg});
    pump(c);
}

/* R69: the time of a log that is not this node's does not end its keys. */
static void the_time_of_another_log_does_not_count(void **state)
{
    (void)state;
    struct cluster *c = five_writes();
    struct core_view view = view_of(c, 0);
    struct core_msg msg = forged(c, CORE_MSG_HEARTBEAT, 0, view.epoch);
    struct core_event event = {.type = CORE_EVENT_STREAM, .peer = c->hosts[0].id, .msg = &msg};
    uint64_t log_ms = core_view_log_ms(&view, c->now_ns) + 1000000;
    msg.heartbeat.last = view.last;
    msg.heartbeat.first = 1;
    msg.heartbeat.hb_id = 1000;
    msg.heartbeat.chain = chain_of(&c->hosts[0], view.last);
    msg.heartbeat.log_ms = log_ms;
    deliver(c, 1, &event);
    view = view_of(c, 1);
    assert_int_equal(core_view_log_ms(&view, c->now_ns), log_ms);
    msg.heartbeat.hb_id = 1001;
    msg.heartbeat.chain.low++;
    msg.heartbeat.log_ms = 2 * log_ms;
    deliver(c, 1, &event);
    view = view_of(c, 1);
    assert_int_equal(core_view_log_ms(&view, c->now_ns), log_ms);
    msg.heartbeat.hb_id = 1002; /* not attached yet */
    deliver(c, 1, &event);
    view = view_of(c, 1);
    assert_int_equal(core_view_log_ms(&view, c->now_ns), log_ms);
    cluster_free(c);
}

static void a_message_counts_only_at_its_senders_address(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    write_at(c, 0, 5, CANDOR_ACK_LOCAL);
    c->hosts[0].cut = true;
    run_ms(c, 600);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_STALE);
    struct core_msg msg = forged(c, CORE_MSG_HEARTBEAT, 0, view_of(c, 1).epoch);
    msg.heartbeat.hb_id = UINT64_C(1) << 40;
    msg.heartbeat.last = view_of(c, 1).last;
    msg.heartbeat.echoes.last = view_of(c, 1).last;
    msg.heartbeat.echoes.count = 1;
    msg.heartbeat.echoes.list[0] = (struct core_echo){
        .node = c->hosts[1].id, .boot = c->hosts[1].boot, .ts_ns = c->now_ns, .store_id = 1001};
    uint64_t heartbeat_ns = view_of(c, 1).heartbeat_ns;
    deliver_stream(c, 1, 2, &msg); /* at the address of c */
    assert_int_equal(view_of(c, 1).heartbeat_ns, heartbeat_ns);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_STALE);
    deliver_stream(c, 1, 0, &msg); /* at its own */
    assert_int_equal(view_of(c, 1).heartbeat_ns, c->now_ns);
    assert_int_equal(fresh_of(c, 1).state, CANDOR_STATE_FRESH);
    cluster_free(c);
}

/* A stranger asks; the answer is in c->told. */
static void deliver_request(struct cluster *c, int at, const struct core_msg *msg)
{
    uint64_t ticket = ++c->next_ticket;
    c->asked[ticket % 256].from = -1;
    c->told = (struct core_msg){0};
    deliver(c, at, &(struct core_event){.type = CORE_EVENT_REQUEST, .ticket = ticket, .msg = msg});
    pump(c);
}

/* R50: of whichever type, however high the counters, and in whosever name. */
static void a_request_teaches_nothing(void **state)
{
    (void)state;
    static const enum core_msg_type types[] = {CORE_MSG_ATTACH, CORE_MSG_PRE_VOTE, CORE_MSG_VOTE,
                                               CORE_MSG_READ_INDEX, CORE_MSG_TRANSFER};
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    struct candor_epoch epoch = view_of(c, 0).epoch;
    struct candor_epoch end = {1, (UINT64_C(1) << 62) - 1, node_id_of("c")};
    struct candor_epoch generation = {(UINT64_C(1) << 62) - 1, 2, node_id_of("c")};
    const struct candor_epoch forgeries[] = {end, generation, {1, 2, node_id_of("c")}, epoch};
    for (size_t i = 0; i < 4 * sizeof types / sizeof types[0]; i++)
        for (int at = 0; at < 2; at++) {
            struct core_msg msg = forged(c, types[i / 4], 2, forgeries[i % 4]);
            msg.header.boot = (UINT64_C(1) << 62) - 1;
            if (types[i / 4] == CORE_MSG_VOTE || types[i / 4] == CORE_MSG_PRE_VOTE)
                msg.vote.epoch = forgeries[i % 4];
            msg.vote.last = (struct candor_pos){end, UINT64_C(1) << 61};
            if (types[i / 4] == CORE_MSG_ATTACH)
                msg.attach = (typeof(msg.attach)){0};
            deliver_request(c, at, &msg);
            assert_true(epoch_equal(view_of(c, at).epoch, epoch));
        }
    run_ms(c, 1000); /* c is still heard, in the life that it has */
    c->hosts[1].cut = true;
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].finished, 5);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    assert_true(epoch_equal(view_of(c, 0).epoch, epoch));
    cluster_free(c);
}

static void a_vote_is_given_only_for_an_epoch_that_a_stream_has_named(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = c->hosts[2].cut = true;
    run_ms(c, 1100); /* b hears no primary */
    struct candor_epoch epoch = {1, 2, node_id_of("c")};
    struct core_msg vote = forged(c, CORE_MSG_VOTE, 2, epoch);
    vote.vote.epoch = epoch;
    vote.vote.last = (struct candor_pos){epoch, 100};
    deliver_request(c, 1, &vote);
    assert_int_equal(c->told.type, CORE_MSG_VOTE_ANSWER);
    assert_false(c->told.vote_answer.granted);
    assert_true(c->told.vote_answer.unheard);
    assert_int_equal(view_of(c, 1).epoch.term, 1);
    struct core_msg status = forged(c, CORE_MSG_STATUS, 2, epoch);
    deliver_stream(c, 1, 2, &status);
    assert_true(epoch_equal(view_of(c, 1).epoch, epoch));
    deliver_request(c, 1, &vote);
    assert_true(c->told.vote_answer.granted);
    cluster_free(c);
}

/* R26: whoever asks in the primary's name; its own stream does not say so. */
static void a_transfer_is_the_primarys_own_wish(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    struct candor_epoch epoch = view_of(c, 0).epoch;
    struct core_msg transfer = forged(c, CORE_MSG_TRANSFER, 0, epoch);
    deliver_request(c, 1, &transfer);
    assert_int_equal(c->told.type, CORE_MSG_VOTE_ANSWER);
    assert_false(c->told.vote_answer.granted);
    run_ms(c, 300);
    assert_true(epoch_equal(view_of(c, 0).epoch, epoch));
    /* Nor does a vote that claims it count against a live primary, though its candidate's stream
     * names the epoch. */
    struct candor_epoch next = {1, 2, node_id_of("c")};
    struct core_msg status = forged(c, CORE_MSG_STATUS, 2, next);
    deliver_stream(c, 1, 2, &status);
    struct core_msg vote = forged(c, CORE_MSG_VOTE, 2, next);
    vote.vote.epoch = next;
    vote.vote.last = (struct candor_pos){next, 100};
    vote.vote.transfer = true;
    deliver_request(c, 1, &vote);
    assert_int_equal(c->told.type, CORE_MSG_VOTE_ANSWER);
    assert_false(c->told.vote_answer.granted);
    assert_non_null(strstr(c->told.vote_answer.refusal, "live primary"));
    cluster_free(c);
}

/* R53 */
static void an_epoch_that_no_election_can_have_reached_is_dropped(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    struct candor_epoch epoch = view_of(c, 0).epoch;
    c->hosts[2].cut = true;
    const struct candor_epoch forgeries[] = {
        {1, (UINT64_C(1) << 62) - 1, node_id_of("c")},
        {1, epoch.term + LIMIT_EPOCH_STEP + 1, node_id_of("c")},
        {epoch.generation + LIMIT_EPOCH_STEP + 1, 2, node_id_of("c")},
        {1, epoch.term + 1, node_id_of("nobody")},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++)
        for (int at = 0; at < 2; at++) {
            struct core_msg status = forged(c, CORE_MSG_STATUS, 2, forgeries[i]);
            deliver_stream(c, at, 2, &status);
            assert_true(epoch_equal(view_of(c, at).epoch, epoch));
        }
    struct candor_epoch far = {1, epoch.term + LIMIT_EPOCH_STEP, node_id_of("c")};
    struct core_msg status = forged(c, CORE_MSG_STATUS, 2, far);
    deliver_stream(c, 0, 2, &status);
    deliver_stream(c, 1, 2, &status);
    assert_true(epoch_equal(view_of(c, 1).epoch, far));
    run_ms(c, 4000); /* the term goes on from there */
    int leads = view_of(c, 0).role == CANDOR_ROLE_PRIMARY ? 0 : 1;
    assert_int_equal(view_of(c, leads).role, CANDOR_ROLE_PRIMARY);
    assert_in_range(view_of(c, leads).epoch.term, far.term + 1, far.term + 10);
    cluster_free(c);
}

static void at_the_end_of_the_epochs_nobody_stands(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(true);
    run_ms(c, 1500);
    for (int i = 0; i < NODES; i++) {
        struct host *host = &c->hosts[i];
        core_free(host->core);
        reload(host);
        host->epoch = (struct candor_epoch){1, LIMIT_EPOCH_END - 1, node_id_of("b")};
        start(c, i, true);
    }
    run_ms(c, 4000);
    assert_int_equal(view_of(c, 1).epoch.term, LIMIT_EPOCH_END - 1);
    promote(c, 1, 7, true);
    run_ms(c, 100);
    assert_int_equal(c->hosts[1].finished, 7);
    assert_int_equal(c->hosts[1].code, CANDOR_FAILED_PRECONDITION);
    assert_int_equal(view_of(c, 1).epoch.term, LIMIT_EPOCH_END - 1);
    cluster_free(c);
}

/* R8: whoever posed as c while it was down said that it had started more often than it has. */
static void a_forged_boot_number_is_forgotten_in_time(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[2].cut = true;
    struct core_msg status = forged(c, CORE_MSG_STATUS, 2, view_of(c, 0).epoch);
    status.header.boot = (UINT64_C(1) << 62) - 1;
    deliver_stream(c, 0, 2, &status);
    c->hosts[2].cut = false;
    c->hosts[1].cut = true;
    run_ms(c, 1000);
    write_at(c, 0, 5, CANDOR_ACK_MAJORITY);
    assert_int_not_equal(c->hosts[0].finished, 5);
    run_ms(c, (LIMIT_FORMER_LIFE_BEATS + 5) * 100);
    write_at(c, 0, 6, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].finished, 6);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    cluster_free(c);
}

static void removed_voter_no_longer_counts_until_it_is_added_again(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    set_voter(c, 0, "c", false, 7);
    run_ms(c, 5);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    assert_int_equal(view_of(c, 2).role, CANDOR_ROLE_READER);
    c->hosts[1].cut = true; /* of two voters one is left: c's copy does not help */
    write_at(c, 0, 8, CANDOR_ACK_MAJORITY);
    run_ms(c, 1100);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    c->hosts[1].cut = false;
    run_ms(c, 1000);
    set_voter(c, 0, "c", true, 9);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    c->hosts[1].cut = true;
    write_at(c, 0, 10, CANDOR_ACK_MAJORITY);
    assert_int_equal(c->hosts[0].finished, 10);
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    cluster_free(c);
}

/* R30: while it runs, a lease saves the confirmation round; it ends by itself, and binds those who
 * granted it. */
static void a_lease_answers_alone_and_ends_before_another_can_be_elected(void **state)
{
    (void)state;
    struct cluster *c = cluster_new_with(true, true);
    run_ms(c, 2500);
    c->hosts[0].cut = true;
    wait_linearizable(c, 0, 30);
    assert_int_equal(c->hosts[0].finished, 30); /* at once: nobody can be asked */
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    for (int node = 1; node < NODES; node++)
        deliver(c, node,
                &(struct core_event){.type = CORE_EVENT_PEER_LOST, .peer = node_id_of("a")});
    run_ms(c, 800); /* the heartbeat before the cut was at most one interval before it */
    assert_int_equal(view_of(c, 1).epoch.term, 1);
    assert_int_equal(view_of(c, 2).epoch.term, 1);
    run_ms(c, 195);
    wait_linearizable(c, 0, 31);
    assert_int_not_equal(c->hosts[0].finished, 31);
    run_ms(c, 1000);
    assert_int_equal(c->hosts[0].code, CANDOR_UNAVAILABLE);
    assert_true(view_of(c, 1).role == CANDOR_ROLE_PRIMARY ||
                view_of(c, 2).role == CANDOR_ROLE_PRIMARY);
    cluster_free(c);
}

static void linearizable_read_is_confirmed_at_every_node(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    for (int node = 0; node < NODES; node++) {
        wait_linearizable(c, node, 20 + (uint64_t)node);
        run_ms(c, 5); /* no heartbeat interval is waited for */
        assert_int_equal(c->hosts[node].finished, 20 + node);
        assert_int_equal(c->hosts[node].code, CANDOR_OK);
    }
    cluster_free(c);
}

static void linearizable_read_at_a_deposed_primary_is_never_served(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    c->hosts[0].cut = true;
    wait_linearizable(c, 0, 20);
    assert_int_equal(c->hosts[0].finished, 0);
    run_ms(c, 1100);
    assert_int_equal(c->hosts[0].finished, 20);
    assert_int_equal(c->hosts[0].code, CANDOR_UNAVAILABLE);
    cluster_free(c);
}

/* ---- Callers that are gone (R51), and what waiting costs ---- */

static void cancel(struct cluster *c, int node, uint64_t ticket)
{
    deliver(c, node, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = ticket});
    pump(c);
}

static void a_cancelled_read_ends_at_once_and_no_other_does(void **state)
{
    (void)state;
    static const enum core_wait kinds[] = {CORE_WAIT_SESSION, CORE_WAIT_LINEARIZABLE,
                                           CORE_WAIT_COMMIT};
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    /* neither is confirmed, nor answered */
    for (int node = 0; node < 2; node++)
        c->hosts[node].cut = true;
    for (int node = 0; node < 2; node++) {
        for (uint64_t k = 0; k < 3; k++)
            for (uint64_t i = 0; i < 3; i++)
                wait_for(c, node, 100 + 10 * k + i, kinds[k], 1000 + i);
        assert_int_equal(c->hosts[node].finished, 0);
        for (uint64_t k = 0; k < 3; k++) {
            cancel(c, node, 100 + 10 * k + 1);
            assert_int_equal(c->hosts[node].finished, 100 + 10 * k + 1);
            assert_int_equal(c->hosts[node].code, CANDOR_CANCELLED);
        }
        c->hosts[node].finished = 0;
        cancel(c, node, 101); /* comes twice */
        cancel(c, node, 4711);
        assert_int_equal(c->hosts[node].finished, 0);
    }
    cluster_free(c);
}

static void a_cancelled_write_is_stored_and_its_fate_is_unknown(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    /* no voters answer */
    for (int node = 1; node < NODES; node++)
        c->hosts[node].cut = true;
    static const enum candor_ack levels[] = {CANDOR_ACK_MAJORITY, CANDOR_ACK_ALL};
    for (uint64_t i = 0; i < 2; i++) {
        write_at(c, 0, 70 + i, levels[i]);
        assert_int_equal(c->hosts[0].finished, 0);
    }
    uint64_t last = view_of(c, 0).last;
    cancel(c, 0, 70);
    assert_int_equal(c->hosts[0].finished, 70);
    assert_int_equal(c->hosts[0].code, CANDOR_CANCELLED);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_int_equal(view_of(c, 0).last, last);
    /* One that is still with the writer: it is told when the writer has answered, not before. */
    struct core_event event = {.type = CORE_EVENT_WRITE, .ticket = 72};
    event.write.ack = CANDOR_ACK_MAJORITY;
    event.write.records = 1;
    event.write.deadline_ns = c->now_ns + NS_PER_S;
    deliver(c, 0, &event);
    deliver(c, 0, &(struct core_event){.type = CORE_EVENT_CANCEL, .ticket = 72});
    assert_int_equal(c->hosts[0].finished, 70);
    pump(c);
    assert_int_equal(c->hosts[0].finished, 72);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OUTCOME_UNKNOWN);
    assert_int_equal(view_of(c, 0).last, last + 1);
    for (int node = 1; node < NODES; node++)
        c->hosts[node].cut = false;
    run_ms(c, 1500);
    assert_int_equal(c->hosts[0].finished, 71); /* the other one waited on */
    assert_int_equal(c->hosts[0].code, CANDOR_OK);
    assert_true(view_of(c, 0).commit >= last + 1); /* they took effect all the same */
    cluster_free(c);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The least of several, so that neither a cold cache nor a busy machine counts. */
static uint64_t cost_of_flushes(struct cluster *c)
{
    uint64_t best_ns = UINT64_MAX;
    struct core_actions actions = {0};
    for (int round = 0; round < 10; round++) {
        uint64_t began_ns = cpu_ns();
        for (int i = 0; i < 200; i++)
            core_flush(c->hosts[0].core, c->now_ns, &actions);
        uint64_t took_ns = cpu_ns() - began_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    core_actions_free(&actions);
    return best_ns;
}

/* All that may wait does, and a flush costs what it costs without: a loop over them takes thousands
 * of times as long. */
static void a_flush_costs_the_same_however_many_wait(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    for (int node = 1; node < NODES; node++)
        c->hosts[node].cut = true;
    uint64_t alone_ns = cost_of_flushes(c);
    for (uint64_t i = 0; i < LIMIT_PENDING_READS; i++)
        wait_for(c, 0, 1000 + i, (enum core_wait)(i % 3), 1000 + i);
    for (uint64_t i = 0; i < WRITES; i++)
        write_at(c, 0, 100000 + i, i % 2 == 0 ? CANDOR_ACK_MAJORITY : CANDOR_ACK_ALL);
    assert_int_equal(c->hosts[0].finished, 0);
    uint64_t crowded_ns = cost_of_flushes(c);
    if (crowded_ns > 30 * alone_ns)
        fail_msg("200 flushes take %" PRIu64 " ns, without anybody waiting %" PRIu64 " ns",
                 crowded_ns, alone_ns);
    wait_for(c, 0, 999, CORE_WAIT_COMMIT, 5000); /* one too many */
    assert_int_equal(c->hosts[0].finished, 999);
    assert_int_equal(c->hosts[0].reason, CANDOR_REASON_OVERLOADED);
    cluster_free(c);
}

static void what_comes_together_is_answered_once(void **state)
{
    (void)state;
    struct cluster *c = cluster_new(false);
    run_ms(c, 1500);
    const struct host *replica = &c->hosts[1];
    uint32_t statuses = replica->statuses;
    for (uint64_t i = 1; i <= 3; i++) {
        struct core_msg beat = forged(c, CORE_MSG_HEARTBEAT, 0, replica->epoch);
        beat.heartbeat.hb_id = 1000000 + i;
        take(c, 1,
             &(struct core_event){.type = CORE_EVENT_STREAM, .peer = c->hosts[0].id, .msg = &beat});
    }
    assert_int_equal(replica->statuses, statuses);
    flush(c, 1);
    assert_int_equal(replica->statuses, statuses + 1);
    flush(c, 1);
    assert_int_equal(replica->statuses, statuses + 1);
    cluster_free(c);
}

/* docs/consistency.md, row by row. */
static const struct {
    enum candor_state state;
    enum candor_read_level level;
    bool allow_syncing;
    bool has_bound;
    uint64_t bound_ms;
    bool primary_known;
    bool hears;
    enum core_decision decision;
    enum candor_reason reason;
} contract[] = {
    {CANDOR_STATE_FRESH, CANDOR_READ_EVENTUAL, false, true, 10, true, true, CORE_SERVE, 0},
    {CANDOR_STATE_STALE, CANDOR_READ_EVENTUAL, false, false, 0, true, false, CORE_SERVE, 0},
    {CANDOR_STATE_SYNCING, CANDOR_READ_EVENTUAL, false, true, 10, true, true, CORE_REDIRECT,
     CANDOR_REASON_SYNCING},
    {CANDOR_STATE_SYNCING, CANDOR_READ_EVENTUAL, true, true, 10, true, true, CORE_SERVE, 0},
    {CANDOR_STATE_SYNCING, CANDOR_READ_EVENTUAL, false, true, 10, false, true, CORE_REFUSE,
     CANDOR_REASON_SYNCING},
    {CANDOR_STATE_EXPIRED, CANDOR_READ_EVENTUAL, true, true, 10, true, false, CORE_REFUSE,
     CANDOR_REASON_EXPIRED},
    {CANDOR_STATE_FORKED, CANDOR_READ_EVENTUAL, true, true, 10, true, true, CORE_REFUSE,
     CANDOR_REASON_FORKED},
    {CANDOR_STATE_DOUBTFUL, CANDOR_READ_EVENTUAL, true, true, 10, true, true, CORE_REDIRECT,
     CANDOR_REASON_DOUBTFUL},
    {CANDOR_STATE_DOUBTFUL, CANDOR_READ_LINEARIZABLE, true, true, 10, false, true, CORE_REFUSE,
     CANDOR_REASON_DOUBTFUL},
    {CANDOR_STATE_FRESH, CANDOR_READ_BOUNDED, false, true, 100, true, true, CORE_SERVE, 0},
    {CANDOR_STATE_STALE, CANDOR_READ_BOUNDED, false, true, 100, true, false, CORE_SERVE, 0},
    {CANDOR_STATE_FRESH, CANDOR_READ_BOUNDED, false, true, 101, true, true, CORE_REDIRECT,
     CANDOR_REASON_TOO_STALE},
    {CANDOR_STATE_STALE, CANDOR_READ_BOUNDED, false, false, 0, true, false, CORE_REDIRECT,
     CANDOR_REASON_TOO_STALE},
    {CANDOR_STATE_STALE, CANDOR_READ_BOUNDED, false, false, 0, false, false, CORE_REFUSE,
     CANDOR_REASON_TOO_STALE},
    {CANDOR_STATE_FRESH, CANDOR_READ_LINEARIZABLE, false, true, 1, true, true, CORE_WAIT, 0},
    {CANDOR_STATE_STALE, CANDOR_READ_LINEARIZABLE, false, false, 0, true, true, CORE_WAIT, 0},
    {CANDOR_STATE_STALE, CANDOR_READ_LINEARIZABLE, false, false, 0, true, false, CORE_REDIRECT,
     CANDOR_REASON_NO_PRIMARY},
    {CANDOR_STATE_STALE, CANDOR_READ_LINEARIZABLE, false, false, 0, false, false, CORE_REFUSE,
     CANDOR_REASON_NO_PRIMARY},
    {CANDOR_STATE_SYNCING, CANDOR_READ_LINEARIZABLE, true, true, 1, true, true, CORE_REDIRECT,
     CANDOR_REASON_SYNCING},
    {CANDOR_STATE_SYNCING, CANDOR_READ_BOUNDED, true, true, 1, true, true, CORE_REDIRECT,
     CANDOR_REASON_SYNCING},
};

static void read_contract_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof contract / sizeof contract[0]; i++) {
        struct core_view view = {.self = node_id_of("b")};
        if (contract[i].primary_known)
            view.primary = node_id_of("a");
        struct core_freshness fresh = {.state = contract[i].state,
                                       .hears_primary = contract[i].hears,
                                       .has_bound = contract[i].has_bound,
                                       .bound_ms = contract[i].bound_ms};
        struct core_read read = {.level = contract[i].level,
                                 .max_staleness_ms = 100,
                                 .allow_syncing = contract[i].allow_syncing};
        struct core_read_decision got = core_decide_read(&view, &fresh, &read);
        if (got.decision != contract[i].decision || got.reason != contract[i].reason)
            fail_msg("case %zu: decision %d reason %d", i, got.decision, got.reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_nodes_found_a_cluster_and_become_fresh),
        cmocka_unit_test(writes_reach_every_replica_and_commit),
        cmocka_unit_test(what_is_published_counts_only_when_the_primary_has_it),
        cmocka_unit_test(a_primary_steps_down_that_cannot_store_what_it_has_published),
        cmocka_unit_test(keys_end_by_the_time_of_the_log),
        cmocka_unit_test(the_time_of_another_log_does_not_count),
        cmocka_unit_test(replica_cut_off_flags_within_stale_after_and_comes_back),
        cmocka_unit_test(healthy_replica_is_proven_within_an_interval_and_a_half),
        cmocka_unit_test(evidence_does_not_wait_for_a_voter_that_is_away),
        cmocka_unit_test(records_count_as_the_heartbeat_that_they_name),
        cmocka_unit_test(only_local_records_are_at_risk),
        cmocka_unit_test(a_new_primary_counts_what_the_old_one_may_have_acknowledged),
        cmocka_unit_test(full_disk_hands_over_to_one_with_room),
        cmocka_unit_test(leadership_stays_where_every_disk_is_full),
        cmocka_unit_test(a_forced_promotion_that_was_not_stored_is_told_to_nobody),
        cmocka_unit_test(in_manual_mode_a_full_disk_is_left_to_the_operator),
        cmocka_unit_test(the_log_says_when_the_state_changes_and_seldom_when_it_flaps),
        cmocka_unit_test(a_node_that_the_topology_does_not_name_is_told_of),
        cmocka_unit_test(write_at_a_replica_is_refused),
        cmocka_unit_test(deposed_primary_rolls_back_and_follows),
        cmocka_unit_test(promotion_is_refused_while_the_primary_lives),
        cmocka_unit_test(failed_promotion_names_every_voter_that_is_missing),
        cmocka_unit_test(promotion_is_told_of_a_voter_whose_disk_does_not_count),
        cmocka_unit_test(forced_promotion_wins_everywhere_after_healing),
        cmocka_unit_test(automatic_failover_elects_a_new_primary),
        cmocka_unit_test(the_first_epoch_is_reported_as_founding),
        cmocka_unit_test(election_is_told_with_the_silence_before_it),
        cmocka_unit_test(transfer_is_told_with_the_refusals_of_the_old_primary),
        cmocka_unit_test(promotions_are_told_apart_from_elections),
        cmocka_unit_test(restarted_primary_knows_its_predecessor_from_the_log_alone),
        cmocka_unit_test(who_slept_does_not_take_a_lost_disk_for_the_present_one),
        cmocka_unit_test(a_replica_goes_back_behind_records_that_are_not_the_primarys),
        cmocka_unit_test(a_replica_whose_committed_records_are_not_the_primarys_is_forked),
        cmocka_unit_test(only_an_attached_replica_hears_statuses_late),
        cmocka_unit_test(a_heartbeat_of_another_log_makes_a_replica_attach_anew),
        cmocka_unit_test(records_that_follow_others_are_not_taken),
        cmocka_unit_test(a_session_of_another_log_of_the_same_epoch_is_lost),
        cmocka_unit_test(session_read_waits_for_its_position),
        cmocka_unit_test(lost_session_is_told_before_the_new_log_is_as_long),
        cmocka_unit_test(a_session_of_an_epoch_that_was_passed_over_is_lost),
        cmocka_unit_test(a_session_writes_only_where_its_position_survived),
        cmocka_unit_test(transfer_hands_leadership_over_and_loses_nothing),
        cmocka_unit_test(transfer_to_an_unreachable_node_leaves_the_old_primary),
        cmocka_unit_test(an_older_copy_of_a_disk_is_told_from_the_disk),
        cmocka_unit_test(an_older_copy_of_the_same_life_is_found_by_what_it_lacks),
        cmocka_unit_test(a_number_that_came_once_renews_nobody),
        cmocka_unit_test(of_two_processes_of_one_node_the_overtaken_one_ends),
        cmocka_unit_test(a_message_counts_only_at_its_senders_address),
        cmocka_unit_test(a_request_teaches_nothing),
        cmocka_unit_test(a_vote_is_given_only_for_an_epoch_that_a_stream_has_named),
        cmocka_unit_test(a_transfer_is_the_primarys_own_wish),
        cmocka_unit_test(an_epoch_that_no_election_can_have_reached_is_dropped),
        cmocka_unit_test(at_the_end_of_the_epochs_nobody_stands),
        cmocka_unit_test(a_forged_boot_number_is_forgotten_in_time),
        cmocka_unit_test(removed_voter_no_longer_counts_until_it_is_added_again),
        cmocka_unit_test(a_lease_answers_alone_and_ends_before_another_can_be_elected),
        cmocka_unit_test(linearizable_read_is_confirmed_at_every_node),
        cmocka_unit_test(linearizable_read_at_a_deposed_primary_is_never_served),
        cmocka_unit_test(a_cancelled_read_ends_at_once_and_no_other_does),
        cmocka_unit_test(a_cancelled_write_is_stored_and_its_fate_is_unknown),
        cmocka_unit_test(a_flush_costs_the_same_however_many_wait),
        cmocka_unit_test(what_comes_together_is_answered_once),
        cmocka_unit_test(read_contract_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
