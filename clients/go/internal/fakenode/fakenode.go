// Package fakenode has a node for tests: REP over net.Pipe, which answers what a test says.
package fakenode

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
)

// Handler answers a request; nil: never.
type Handler func(request *candorv1.RpcRequest) *candorv1.RpcReply

// Node counts what comes. Its connections end with the test, at the end of which no goroutine of
// the client may be left.
type Node struct {
	handler Handler
	Hello   []byte // what it says on connecting; nil: what REP says

	mu       sync.Mutex
	dials    int
	requests int
	open     []net.Conn
}

// New gives a node for one test.
func New(t testing.TB, handler Handler) *Node {
	n := &Node{handler: handler}
	t.Cleanup(func() {
		n.Hangup()
		checkLeaks(t)
	})
	return n
}

// Dial is for Options.Dial, whatever the address.
func (n *Node) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	n.open = append(n.open, server)
	go n.serve(server)
	return client, nil
}

// Dials tells how many connections were made.
func (n *Node) Dials() int { return n.count(&n.dials) }

// Requests tells how many messages have come.
func (n *Node) Requests() int { return n.count(&n.requests) }

func (n *Node) count(of *int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *of
}

// Hangup closes all connections.
func (n *Node) Hangup() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, socket := range n.open {
		socket.Close()
	}
	n.open = nil
}

func (n *Node) serve(socket net.Conn) {
	defer socket.Close()
	hello := n.Hello
	if hello == nil {
		hello = []byte{0, 'S', 'P', 0, 0, 0x31, 0, 0}
	}
	greeting := make([]byte, 8)
	if _, err := io.ReadFull(socket, greeting); err != nil {
		return
	}
	if _, err := socket.Write(hello); err != nil {
		return
	}
	var writing sync.Mutex
	for {
		head := make([]byte, 12)
		if _, err := io.ReadFull(socket, head); err != nil {
			return
		}
		data := make([]byte, binary.BigEndian.Uint64(head)-4)
		if _, err := io.ReadFull(socket, data); err != nil {
			return
		}
		n.mu.Lock()
		n.requests++
		n.mu.Unlock()
		go n.answer(socket, &writing, head, data)
	}
}

func (n *Node) answer(socket net.Conn, writing *sync.Mutex, head, data []byte) {
	request := &candorv1.RpcRequest{}
	if err := proto.Unmarshal(data, request); err != nil {
		socket.Close()
		return
	}
	if reply := n.handler(request); reply != nil {
		writing.Lock()
		defer writing.Unlock()
		socket.Write(Frame(head[8:], reply))
	}
}

// Frame gives the bytes of a reply under this request id.
func Frame(id []byte, reply *candorv1.RpcReply) []byte {
	body, err := proto.Marshal(reply)
	if err != nil {
		panic(err)
	}
	sum := max(1, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	body = binary.LittleEndian.AppendUint32(append(body, 15<<3|5), sum)
	frame := binary.BigEndian.AppendUint64(nil, uint64(len(body)+4))
	return append(append(frame, id...), body...)
}

// ---- Answers ------------------------------------------------------------------------------------

// Freshness is that of a primary "a" at this position of epoch 1.
func Freshness(seq uint64) *candorv1.Freshness {
	epoch := &candorv1.Epoch{Generation: 1, Term: 1, Owner: "a"}
	return &candorv1.Freshness{
		Node: "a", Role: candorv1.Role_ROLE_PRIMARY, State: candorv1.NodeState_NODE_STATE_FRESH,
		Epoch: epoch, Bound: &candorv1.Freshness_StalenessBoundMs{StalenessBoundMs: 10},
		Heartbeat:  &candorv1.Freshness_HeartbeatAgeMs{},
		AppliedSeq: seq, PrimarySeq: seq, CommitSeq: seq,
		Token: &candorv1.SessionToken{ClusterId: 1, Pos: &candorv1.Pos{Epoch: epoch, Seq: seq}},
	}
}

// OK is an answer at this position.
func OK(seq uint64, body proto.Message) *candorv1.RpcReply {
	packed, err := proto.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &candorv1.RpcReply{Freshness: Freshness(seq), Body: packed}
}

// Refused is an answer without a body.
func Refused(code candorv1.Code, reason candorv1.Reason) *candorv1.RpcReply {
	return &candorv1.RpcReply{Code: code, Reason: reason, Freshness: Freshness(1)}
}

// Found is the answer to a Get.
func Found(seq uint64, value string) *candorv1.RpcReply {
	item := &candorv1.KeyValue{Value: []byte(value), Found: true, ModSeq: seq, Version: 1}
	return OK(seq, &candorv1.GetResponse{Item: item})
}

// Written is the answer to a Put.
func Written(seq uint64) *candorv1.RpcReply {
	return OK(seq, &candorv1.PutResponse{Pos: Freshness(seq).Token.Pos,
		Ack: candorv1.AckLevel_ACK_LEVEL_LOCAL})
}

// Bundled answers a message, which may hold many calls, each as if it had come alone.
func Bundled(request *candorv1.RpcRequest, each Handler) *candorv1.RpcReply {
	if request.Method != "/candor.v1.Rpc/Bundle" {
		return each(request)
	}
	var bundle candorv1.BundleRequest
	if err := proto.Unmarshal(request.Body, &bundle); err != nil {
		panic(err)
	}
	response := &candorv1.BundleResponse{}
	for _, call := range bundle.Calls {
		response.Replies = append(response.Replies, each(call))
	}
	return OK(1, response)
}

// ---- Waiting ------------------------------------------------------------------------------------

const patience = 30 * time.Second

// Until waits for a condition.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// checkLeaks: clients end their goroutines by Close.
func checkLeaks(t testing.TB) {
	var left string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if left = goroutinesOfClients(); left == "" {
			return
		}
	}
	t.Errorf("goroutines were left:\n%s", left)
}

func goroutinesOfClients() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for i, stack := range strings.Split(string(stacks), "\n\n") {
		own := i == 0 || strings.Contains(stack, "testing.tRunner") // the test itself
		if !own && strings.Contains(stack, "candor.example/candor") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
