/* The methods of KV: each checks its request on an NNG thread and hands it over; single keys are
 * read at once. */
#ifndef NODE_KV_H
#define NODE_KV_H

#include "candor/v1/kv.pb-c.h"

void kv_get(Candor__V1__KV_Service *service, const Candor__V1__GetRequest *request,
            Candor__V1__GetResponse_Closure closure, void *closure_data);
void kv_multi_get(Candor__V1__KV_Service *service, const Candor__V1__MultiGetRequest *request,
                  Candor__V1__MultiGetResponse_Closure closure, void *closure_data);
void kv_scan(Candor__V1__KV_Service *service, const Candor__V1__ScanRequest *request,
             Candor__V1__ScanResponse_Closure closure, void *closure_data);
void kv_put(Candor__V1__KV_Service *service, const Candor__V1__PutRequest *request,
            Candor__V1__PutResponse_Closure closure, void *closure_data);
void kv_delete(Candor__V1__KV_Service *service, const Candor__V1__DeleteRequest *request,
               Candor__V1__DeleteResponse_Closure closure, void *closure_data);
void kv_batch(Candor__V1__KV_Service *service, const Candor__V1__BatchRequest *request,
              Candor__V1__BatchResponse_Closure closure, void *closure_data);
void kv_compare_and_swap(Candor__V1__KV_Service *service,
                         const Candor__V1__CompareAndSwapRequest *request,
                         Candor__V1__CompareAndSwapResponse_Closure closure, void *closure_data);
void kv_expire(Candor__V1__KV_Service *service, const Candor__V1__ExpireRequest *request,
               Candor__V1__ExpireResponse_Closure closure, void *closure_data);
void kv_increment(Candor__V1__KV_Service *service, const Candor__V1__IncrementRequest *request,
                  Candor__V1__IncrementResponse_Closure closure, void *closure_data);
void kv_txn(Candor__V1__KV_Service *service, const Candor__V1__TxnRequest *request,
            Candor__V1__TxnResponse_Closure closure, void *closure_data);
void kv_txn_status(Candor__V1__KV_Service *service, const Candor__V1__TxnStatusRequest *request,
                   Candor__V1__TxnStatusResponse_Closure closure, void *closure_data);
void kv_await_commit(Candor__V1__KV_Service *service, const Candor__V1__AwaitCommitRequest *request,
                     Candor__V1__AwaitCommitResponse_Closure closure, void *closure_data);
void kv_explain(Candor__V1__KV_Service *service, const Candor__V1__ExplainRequest *request,
                Candor__V1__ExplainResponse_Closure closure, void *closure_data);
void kv_watch(Candor__V1__KV_Service *service, const Candor__V1__WatchRequest *request,
              Candor__V1__WatchResponse_Closure closure, void *closure_data);

#endif
