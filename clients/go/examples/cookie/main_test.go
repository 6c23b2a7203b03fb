package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"candor.example/candor"
	"candor.example/candor/candorv1"
	"candor.example/candor/internal/fakenode"
)

// notes is a node that counts writes, and keeps the token that the newest read brought.
type notes struct {
	written atomic.Uint64
	brought atomic.Uint64
	refuses atomic.Pointer[candorv1.RpcReply] // what reads get
}

func (n *notes) answer(request *candorv1.RpcRequest) *candorv1.RpcReply {
	if request.Method == "/candor.v1.KV/Put" {
		return fakenode.Written(n.written.Add(1))
	}
	var get candorv1.GetRequest
	if err := proto.Unmarshal(request.Body, &get); err != nil {
		panic(err)
	}
	n.brought.Store(get.Options.GetToken().GetPos().GetSeq())
	if reply := n.refuses.Load(); reply != nil {
		return reply
	}
	return fakenode.Found(n.written.Load(), "milk")
}

func serve(t *testing.T) (*notes, http.Handler) {
	n := &notes{}
	client, err := candor.Open([]string{"tcp://a:1"},
		candor.Options{Dial: fakenode.New(t, n.answer).Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return n, notepad(client)
}

// ask makes a request with this cookie and gives the answer, and the cookie that is left.
func ask(handler http.Handler, method, cookie string) (*http.Response, string) {
	r := httptest.NewRequest(method, "/notes/me", strings.NewReader("milk"))
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	answer := w.Result()
	for _, set := range answer.Cookies() {
		if cookie = set.Value; set.MaxAge < 0 {
			cookie = ""
		}
	}
	return answer, cookie
}

func TestABrowserBringsWhatItHasSeen(t *testing.T) {
	notes, handler := serve(t)
	ask(handler, "POST", "")
	answer, cookie := ask(handler, "POST", "")
	if answer.StatusCode != http.StatusNoContent || cookie == "" {
		t.Fatal(answer.Status, cookie)
	}
	answer, _ = ask(handler, "GET", cookie)
	if answer.StatusCode != http.StatusOK || notes.brought.Load() != 2 {
		t.Errorf("%s, with a token of %d", answer.Status, notes.brought.Load())
	}
	for _, other := range []string{"", "no token"} { // another browser, or a forged cookie
		if ask(handler, "GET", other); notes.brought.Load() != 0 {
			t.Errorf("%q brings a token of %d", other, notes.brought.Load())
		}
	}
}

func TestASessionThatIsLostOrOfAnotherClusterIsToldAndGoesOn(t *testing.T) {
	for reason, from := range map[candorv1.Reason]uint64{
		candorv1.Reason_REASON_SESSION_LOST:    1, // where the node says
		candorv1.Reason_REASON_FOREIGN_CLUSTER: 0,
	} {
		t.Run(reason.String(), func(t *testing.T) {
			notes, handler := serve(t)
			ask(handler, "POST", "")
			_, cookie := ask(handler, "POST", "")
			notes.refuses.Store(fakenode.Refused(candorv1.Code_CODE_ABORTED, reason))
			answer, cookie := ask(handler, "GET", cookie)
			if answer.StatusCode != http.StatusConflict {
				t.Error(answer.Status)
			}
			notes.refuses.Store(nil)
			answer, _ = ask(handler, "GET", cookie)
			if answer.StatusCode != http.StatusOK || notes.brought.Load() != from {
				t.Errorf("%s, with a token of %d", answer.Status, notes.brought.Load())
			}
		})
	}
}
