package candor

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
	"candor.example/candor/internal/transport"
)

// Get reads one key.
func (c *Client) Get(ctx context.Context, key string, options ...ReadOption) (*GetResult, error) {
	o, err := c.readOptions(options)
	if err != nil {
		return nil, err
	}
	var response candorv1.GetResponse
	done, err := c.run(ctx, o.call("Get", &response,
		&candorv1.GetRequest{Key: []byte(key), Options: o.message},
		func(Reason) error {
			if response.Item == nil {
				return misfit("no item")
			}
			return nil
		}))
	if err != nil {
		return nil, err
	}
	return &GetResult{done.Answer, itemOf(response.Item)}, nil
}

// MultiGet reads many keys, all from one state.
func (c *Client) MultiGet(ctx context.Context, keys []string, options ...ReadOption) (
	*MultiGetResult, error) {
	o, err := c.readOptions(options)
	if err != nil {
		return nil, err
	}
	request := &candorv1.MultiGetRequest{Options: o.message}
	for _, key := range keys {
		request.Keys = append(request.Keys, []byte(key))
	}
	var response candorv1.MultiGetResponse
	done, err := c.run(ctx, o.call("MultiGet", &response, request, func(Reason) error {
		if len(response.Items) != len(keys) {
			return misfit("%d items for %d keys", len(response.Items), len(keys))
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return &MultiGetResult{done.Answer, itemsOf(response.Items)}, nil
}

// Range is what a scan goes through: the keys with a prefix, or those from Start on and before End,
// in the direction of the scan; without any of them all keys.
type Range struct {
	Prefix     string
	Start, End string
	After      string // only keys beyond this one
	Reverse    bool   // descending keys
	KeysOnly   bool   // leaves values out
	Page       int    // items of a page at most; 0: the node's limit
}

// Scan gives a range of keys, one by one, fetched as they are asked for. An error ends it. The
// context's deadline is of the whole scan.
func (c *Client) Scan(ctx context.Context, of Range, options ...ReadOption) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for page, err := range c.ScanPages(ctx, of, options...) {
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// ScanPages gives a range of keys page by page: each is from one state, and has its own Freshness.
func (c *Client) ScanPages(ctx context.Context, of Range,
	options ...ReadOption) iter.Seq2[*ScanPage, error] {
	return func(yield func(*ScanPage, error) bool) {
		of := of // each loop over it begins anew
		for {
			page, err := c.scanPage(ctx, of, options)
			if !yield(page, err) || err != nil || !page.More {
				return
			}
			of.After = page.Items[len(page.Items)-1].Key
		}
	}
}

func (c *Client) scanPage(ctx context.Context, of Range, options []ReadOption) (*ScanPage, error) {
	o, err := c.readOptions(options)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf("Range.Page", of.Page)
	if err != nil {
		return nil, err
	}
	request := &candorv1.ScanRequest{
		Prefix: []byte(of.Prefix), Start: []byte(of.Start), End: []byte(of.End),
		After: []byte(of.After), Limit: limit, Reverse: of.Reverse, KeysOnly: of.KeysOnly,
		Options: o.message,
	}
	var response candorv1.ScanResponse
	scan := o.call("Scan", &response, request, func(Reason) error {
		if !response.More || of.goesOn(response.Items) {
			return nil
		}
		return misfit("it has more behind it, and no item to go on from")
	})
	scan.group = transport.Alone
	done, err := c.run(ctx, scan)
	if err != nil {
		return nil, err
	}
	page := &ScanPage{done.Answer, itemsOf(response.Items), response.More}
	if of.KeysOnly {
		for i := range page.Items {
			page.Items[i].Value = nil
		}
	}
	return page, nil
}

// goesOn: another page comes behind these items, and is another one.
func (r *Range) goesOn(items []*candorv1.KeyValue) bool {
	if len(items) == 0 {
		return false
	}
	last := string(items[len(items)-1].Key)
	return r.After == "" || last != r.After && last < r.After == r.Reverse
}

// TxnStatus tells what became of a write: WriteResult.Request or Error.Request names it. It begins
// with the primary; what another node does not know says less (Answer.Freshness).
func (c *Client) TxnStatus(ctx context.Context, of RequestID) (*TxnStatusResult, error) {
	id := &candorv1.RequestId{ClientId: of.ClientID[:], Number: of.Number}
	return c.txnStatus(ctx, &candorv1.TxnStatusRequest{
		Of: &candorv1.TxnStatusRequest_RequestId{RequestId: id}})
}

// TxnStatusAt tells what became of a write by its position, which speaks of whatever record stands
// there.
func (c *Client) TxnStatusAt(ctx context.Context, of Pos) (*TxnStatusResult, error) {
	return c.txnStatus(ctx, &candorv1.TxnStatusRequest{
		Of: &candorv1.TxnStatusRequest_Pos{Pos: posMessage(of)}})
}

func (c *Client) txnStatus(ctx context.Context, request *candorv1.TxnStatusRequest) (
	*TxnStatusResult, error) {
	var response candorv1.TxnStatusResponse
	done, err := c.run(ctx, &call{
		method: kvMethod("TxnStatus"), request: request, response: &response,
		group: transport.AtOnce, atPrimary: true,
	})
	if err != nil {
		return nil, err
	}
	state := TxnState(response.State)
	if state.String() == TxnUnknown.String() {
		state = TxnUnknown // a number of a later version
	}
	return &TxnStatusResult{done.Answer, state, posOf(response.Pos), int(response.Parts)}, nil
}

// ---- What reads have in common ------------------------------------------------------------------

func kvMethod(name string) string { return "/candor.v1.KV/" + name }

// checkedRead are the options of one read.
type checkedRead struct {
	level   Level
	asked   Token
	message *candorv1.ReadOptions
}

func (c *Client) readOptions(options []ReadOption) (*checkedRead, error) {
	given := readOptions{level: Eventual}
	for _, option := range options {
		option.read(&given)
	}
	o := &checkedRead{level: given.level}
	o.message = &candorv1.ReadOptions{Level: o.level.level, AllowSyncing: o.level.allowSyncing}
	switch o.level.level {
	case candorv1.ReadLevel_READ_LEVEL_DEFAULT:
		return nil, invalid("a Level is one of Eventual, Bounded, Session and Linearizable")
	case candorv1.ReadLevel_READ_LEVEL_BOUNDED:
		if o.level.maxStaleness < time.Millisecond {
			return nil, invalid("Bounded(%v): at least a millisecond", o.level.maxStaleness)
		}
		o.message.MaxStalenessMs = uint64(o.level.maxStaleness.Milliseconds())
	case candorv1.ReadLevel_READ_LEVEL_SESSION:
		o.asked = c.session.get()
		o.message.Token = tokenMessage(o.asked)
	}
	return o, nil
}

func (o *checkedRead) call(name string, response, request proto.Message,
	check func(Reason) error) *call {
	made := &call{
		method: kvMethod(name), request: request, response: response, check: check,
		group: transport.AtOnce, asked: o.asked, maxStaleness: o.level.maxStaleness,
	}
	switch o.level.level {
	case candorv1.ReadLevel_READ_LEVEL_SESSION:
		made.group, made.namesClient = transport.Session, true
	case candorv1.ReadLevel_READ_LEVEL_LINEARIZABLE:
		made.group, made.atPrimary = transport.Confirmed, true
	}
	return made
}

func itemsOf(messages []*candorv1.KeyValue) []Item {
	items := make([]Item, len(messages))
	for i, message := range messages {
		items[i] = itemOf(message)
	}
	return items
}

func limitOf(name string, limit int) (uint32, error) {
	if limit < 0 || uint64(limit) > 1<<32-1 {
		return 0, invalid("%s: %d", name, limit)
	}
	return uint32(limit), nil
}
