package candor

import "sync"

// session keeps the newest position that it wrote or read (docs/protocol.md R43, R44).
type session struct {
	mu    sync.Mutex
	token Token
}

func (s *session) get() Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// see: `token` came with the answer to a call that brought `asked`. A position of another epoch
// takes the place of the session's own only where the node has judged that one.
func (s *session) see(asked, token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.token
	switch {
	case token.IsZero():
	case own.IsZero():
		s.token = token
	case own.ClusterID == token.ClusterID && token.Pos.Compare(own.Pos) > 0 &&
		(sameLog(own, token) || own == asked):
		s.token = token
	}
}

func sameLog(a, b Token) bool {
	return a.Pos.Epoch == b.Pos.Epoch && (a.Origin == b.Origin || a.Origin == 0 || b.Origin == 0)
}

// lose: `lost` was rolled back and the user is told. On from `token`, unless the session has moved
// already.
func (s *session) lose(lost, token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == lost {
		s.token = token
	}
}

// Session gives the newest position that this client wrote or read; zero: none yet. As text it goes
// into a header or a cookie, and ParseToken and JoinSession or WithSession take it from there.
func (c *Client) Session() Token { return c.session.get() }

// JoinSession goes on with a session of earlier or elsewhere: with the newer of its token and this
// client's own. ErrInvalidRequest: they are of two clusters.
func (c *Client) JoinSession(token Token) error {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.token.IsZero() && !token.IsZero() && s.token.ClusterID != token.ClusterID {
		err := invalid("the token is of another cluster than the client's session")
		err.Reason = ReasonForeignCluster
		return err
	}
	if s.token.IsZero() || token.Pos.Compare(s.token.Pos) > 0 {
		s.token = token
	}
	return nil
}

// RestartSession begins the session anew, from `token` or, where that is zero, from nothing: after
// ErrSessionLost from Error.Loss.Token, which says that it was understood what was lost.
func (c *Client) RestartSession(token Token) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.token = token
}

// WithSession gives a client with a session of its own, which goes on from `token`; the zero Token
// begins one. It has all else in common with this one, connections too: make one for each user or
// request. It needs no Close.
func (c *Client) WithSession(token Token) *Client {
	return &Client{shared: c.shared, session: &session{token: token}}
}
