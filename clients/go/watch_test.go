package candor

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/fakenode"
)

// pairs tells two records an answer, for ever, from where each poll begins.
func pairs(request *candorv1.RpcRequest) *candorv1.RpcReply {
	var watch candorv1.WatchRequest
	if err := proto.Unmarshal(request.Body, &watch); err != nil {
		panic(err)
	}
	seq := watch.From.GetToken().GetPos().GetSeq()
	response := &candorv1.WatchResponse{}
	for range 2 {
		seq++
		response.Records = append(response.Records, &candorv1.WatchRecord{
			Pos: fakenode.Freshness(seq).Token.Pos,
			Events: []*candorv1.WatchEvent{{Type: candorv1.WatchEventType_WATCH_EVENT_TYPE_PUT,
				Key: fmt.Append(nil, seq)}},
		})
	}
	response.Next = &candorv1.WatchCursor{Token: fakenode.Freshness(seq).Token}
	return fakenode.OK(seq, response)
}

func TestAWatchGoesOnBehindWhatWasGiven(t *testing.T) {
	client := openAt(t, fakenode.New(t, pairs), nil)
	watch, err := client.Watch(WatchOptions{Prefix: "p/"})
	if err != nil {
		t.Fatal(err)
	}
	wanted := uint64(1)
	for _, until := range []uint64{1, 4, 5, 10} { // in the middle of an answer, too
		for event, err := range watch.Events(context.Background()) {
			if err != nil || event.Pos.Seq != wanted {
				t.Fatalf("%v, %v, not %d", event, err, wanted)
			}
			wanted++
			if event.Pos.Seq == until {
				break
			}
		}
		// A cursor never passes by what was not given.
		other, err := client.Watch(WatchOptions{Prefix: "p/", Cursor: watch.Cursor()})
		if err != nil {
			t.Fatal(err)
		}
		for event := range other.Events(context.Background()) {
			if event.Pos.Seq > wanted {
				t.Errorf("%d was left out", wanted)
			}
			break
		}
	}
	if watch.Freshness().Node != "a" {
		t.Error(watch.Freshness())
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	node := fakenode.New(t, silent)
	watch, err := openAt(t, node, nil).Watch(WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		fakenode.Until(t, "it is asked", func() bool { return node.Requests() == 1 })
		cancel()
	}()
	times := 0
	for _, err := range watch.Events(ctx) {
		if times++; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if times != 1 {
		t.Errorf("the end was told %d times", times)
	}
}

func TestAWatchEndsWithItsClient(t *testing.T) {
	node := fakenode.New(t, func(*candorv1.RpcRequest) *candorv1.RpcReply {
		return fakenode.Refused(candorv1.Code_CODE_UNAVAILABLE, candorv1.Reason_REASON_NO_PRIMARY)
	})
	client := openAt(t, node, func(o *Options) { o.Deadline = 1 })
	watch, err := client.Watch(WatchOptions{Wait: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		fakenode.Until(t, "it is asked", func() bool { return node.Requests() > 1 })
		client.Close()
	}()
	for _, err := range watch.Changes(context.Background()) {
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	if !errors.Is(watch.Err(), ErrUnavailable) {
		t.Error(watch.Err())
	}
}

func TestAScanThatIsBrokenOffAsksNoMore(t *testing.T) {
	node := fakenode.New(t, func(request *candorv1.RpcRequest) *candorv1.RpcReply {
		var scan candorv1.ScanRequest
		if err := proto.Unmarshal(request.Body, &scan); err != nil {
			panic(err)
		}
		item := &candorv1.KeyValue{Key: append(scan.After, 'x'), Found: true}
		return fakenode.OK(1, &candorv1.ScanResponse{Items: []*candorv1.KeyValue{item}, More: true})
	})
	client := openAt(t, node, nil)
	for item, err := range client.Scan(context.Background(), Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Key == "xxx" {
			break
		}
	}
	if node.Requests() != 3 {
		t.Errorf("%d requests", node.Requests())
	}
}
