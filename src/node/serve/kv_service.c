/* The KV service: which method is served where. */
#include "candor/v1/kv.pb-c.h"
#include "node/serve/kv.h"
#include "node/serve/service.h"

struct service *kv_service_new(struct node *node)
{
    struct service *service = service_new(node);
    service->kv = (Candor__V1__KV_Service){
        .base = CANDOR__V1__KV__BASE_INIT,
        .get = kv_get,
        .multi_get = kv_multi_get,
        .scan = kv_scan,
        .put = kv_put,
        .delete = kv_delete,
        .batch = kv_batch,
        .compare_and_swap = kv_compare_and_swap,
        .expire = kv_expire,
        .increment = kv_increment,
        .txn = kv_txn,
        .txn_status = kv_txn_status,
        .await_commit = kv_await_commit,
        .explain = kv_explain,
        .watch = kv_watch,
    };
    return service;
}
