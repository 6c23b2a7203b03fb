package candor

import (
	"context"

	"candor.example/candor/candorv1"
)

// NodeStatus is one node, as it sees itself.
type NodeStatus struct {
	Answer
	*candorv1.StatusResponse
}

// Status asks the node at this endpoint, and nobody else.
func (c *Client) Status(ctx context.Context, endpoint string) (*NodeStatus, error) {
	response := &candorv1.StatusResponse{}
	answer, err := c.CallNode(ctx, endpoint, "/candor.v1.Cluster/Status",
		&candorv1.StatusRequest{}, response)
	if err != nil {
		return nil, err
	}
	return &NodeStatus{*answer, response}, nil
}

// Serves tells whether the node at this endpoint answers reads: for a probe of readiness.
func (c *Client) Serves(ctx context.Context, endpoint string) (bool, error) {
	response := &candorv1.HealthResponse{}
	_, err := c.CallNode(ctx, endpoint, "/candor.v1.Cluster/Health",
		&candorv1.HealthRequest{Service: "candor.v1.KV"}, response)
	serving := candorv1.HealthResponse_SERVING_STATUS_SERVING
	return err == nil && response.Status == serving, err
}
