/* The methods of Cluster that have files of their own: reply at once, or hand the call over. */
#ifndef NODE_CLUSTER_H
#define NODE_CLUSTER_H

#include "candor/v1/cluster.pb-c.h"

void cluster_failover_report(Candor__V1__Cluster_Service *service,
                             const Candor__V1__FailoverReportRequest *request,
                             Candor__V1__FailoverReportResponse_Closure closure,
                             void *closure_data);
void cluster_promote(Candor__V1__Cluster_Service *service,
                     const Candor__V1__PromoteRequest *request,
                     Candor__V1__PromoteResponse_Closure closure, void *closure_data);
void cluster_accept_history(Candor__V1__Cluster_Service *service,
                            const Candor__V1__AcceptHistoryRequest *request,
                            Candor__V1__AcceptHistoryResponse_Closure closure, void *closure_data);
void cluster_transfer(Candor__V1__Cluster_Service *service,
                      const Candor__V1__TransferRequest *request,
                      Candor__V1__TransferResponse_Closure closure, void *closure_data);
void cluster_set_voter(Candor__V1__Cluster_Service *service,
                       const Candor__V1__SetVoterRequest *request,
                       Candor__V1__SetVoterResponse_Closure closure, void *closure_data);
void cluster_at_risk(Candor__V1__Cluster_Service *service, const Candor__V1__AtRiskRequest *request,
                     Candor__V1__AtRiskResponse_Closure closure, void *closure_data);
void cluster_range_digest(Candor__V1__Cluster_Service *service,
                          const Candor__V1__RangeDigestRequest *request,
                          Candor__V1__RangeDigestResponse_Closure closure, void *closure_data);
void cluster_rollback_list(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackListRequest *request,
                           Candor__V1__RollbackListResponse_Closure closure, void *closure_data);
void cluster_rollback_show(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackShowRequest *request,
                           Candor__V1__RollbackShowResponse_Closure closure, void *closure_data);
void cluster_rollback_drop(Candor__V1__Cluster_Service *service,
                           const Candor__V1__RollbackDropRequest *request,
                           Candor__V1__RollbackDropResponse_Closure closure, void *closure_data);

#endif
