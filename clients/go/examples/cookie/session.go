package main

import (
	"context"
	"net/http"

	"candor.example/candor"
)

const cookieName = "candor-session"

// Sessions gives each browser a session: what it wrote or saw in one request it sees in all later
// ones, whichever server and whichever node answer them. The token goes into a cookie. Whoever
// forges one harms nobody but himself: his reads wait in vain, or are refused.
func Sessions(client *candor.Client, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var token candor.Token
		cookie, err := r.Cookie(cookieName)
		if err == nil {
			token, _ = candor.ParseToken(cookie.Value) // one that cannot be read begins anew
		}
		session := client.WithSession(token)
		keeper := &keeper{w, session, &http.Cookie{
			Name: cookieName, Path: "/", HttpOnly: true, Secure: r.TLS != nil,
			SameSite: http.SameSiteLaxMode,
		}}
		next.ServeHTTP(keeper, r.WithContext(context.WithValue(r.Context(), contextKey{}, session)))
		keeper.keep() // of an answer without a body
	})
}

// ClientOf gives the client with the session of this request's browser.
func ClientOf(r *http.Request) *candor.Client {
	return r.Context().Value(contextKey{}).(*candor.Client)
}

type contextKey struct{}

// keeper sets the cookie just before the answer's head leaves: until then the session may move on.
type keeper struct {
	http.ResponseWriter
	session *candor.Client
	cookie  *http.Cookie // nil: it was set
}

func (k *keeper) keep() {
	if k.cookie == nil {
		return
	}
	if k.cookie.Value = k.session.Session().String(); k.cookie.Value == "" {
		k.cookie.MaxAge = -1 // there is no session: one that the browser has is of no use
	}
	http.SetCookie(k.ResponseWriter, k.cookie)
	k.cookie = nil
}

func (k *keeper) WriteHeader(status int) {
	k.keep()
	k.ResponseWriter.WriteHeader(status)
}

func (k *keeper) Write(data []byte) (int, error) {
	k.keep()
	return k.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }
