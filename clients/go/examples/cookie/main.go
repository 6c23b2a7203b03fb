// Command cookie serves a notepad over HTTP. Whoever has written sees his note, though reads are
// answered by the nearest node, which may not have it yet when they come: the session in his cookie
// makes the node wait for it, or another one answer.
//
//	go run ./examples/cookie -nodes tcp://127.0.0.1:7010,tcp://127.0.0.1:7000 -listen 127.0.0.1:8080
//	curl -c jar -b jar -d 'milk' http://127.0.0.1:8080/notes/me
//	curl -c jar -b jar http://127.0.0.1:8080/notes/me
package main

import (
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"strings"

	"candor.example/candor"
)

const noteBytesMax = 64 << 10

func main() {
	nodes := flag.String("nodes", "tcp://127.0.0.1:7000", "addresses of nodes, the nearest first")
	listen := flag.String("listen", "127.0.0.1:8080", "where to serve HTTP")
	flag.Parse()
	client, err := candor.Open(strings.Split(*nodes, ","))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	log.Fatal(http.ListenAndServe(*listen, notepad(client)))
}

func notepad(client *candor.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{name}", read)
	mux.HandleFunc("POST /notes/{name}", write)
	return Sessions(client, mux)
}

func read(w http.ResponseWriter, r *http.Request) {
	answer, err := ClientOf(r).Get(r.Context(), "note/"+r.PathValue("name"), candor.Session)
	switch {
	case err != nil:
		fail(w, r, err)
	case !answer.Found:
		http.Error(w, "there is no such note", http.StatusNotFound)
	default:
		w.Header().Set("Candor-Age", answer.Freshness.String())
		w.Write(answer.Value)
	}
}

func write(w http.ResponseWriter, r *http.Request) {
	note, err := io.ReadAll(http.MaxBytesReader(w, r.Body, noteBytesMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	written, err := ClientOf(r).Put(r.Context(), "note/"+r.PathValue("name"), note)
	if err != nil {
		fail(w, r, err)
		return
	}
	if written.SessionLoss != nil {
		w.Header().Set("Candor-Lost", "a failover has taken back some of what you wrote before")
	}
	w.WriteHeader(http.StatusNoContent)
}

// fail tells what went wrong. A session that was lost goes on from where it can, once its user
// knows.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var failure *candor.Error
	switch {
	case errors.Is(err, candor.ErrSessionLost) && errors.As(err, &failure):
		ClientOf(r).RestartSession(failure.Loss.Token)
		http.Error(w, "a failover has taken back what you saw; look again", http.StatusConflict)
	case errors.As(err, &failure) && failure.Reason == candor.ReasonForeignCluster:
		ClientOf(r).RestartSession(candor.Token{}) // the data were put into a new cluster
		http.Error(w, "your session is over; look again", http.StatusConflict)
	case errors.Is(err, candor.ErrOutcomeUnknown):
		http.Error(w, "it may have been written; look again", http.StatusGatewayTimeout)
	case errors.Is(err, candor.ErrUnavailable):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
