package candor

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
)

// Epoch is a period of leadership.
type Epoch struct {
	Generation uint64 // raised by a forced promotion alone
	Term       uint64 // raised by every change of primary: the number to show people; 0: none yet
	Owner      string // id of the node that is primary in it
}

// Compare orders epochs: by generation, then term, then owner.
func (e Epoch) Compare(other Epoch) int {
	return cmp.Or(cmp.Compare(e.Generation, other.Generation), cmp.Compare(e.Term, other.Term),
		strings.Compare(e.Owner, other.Owner))
}

func (e Epoch) String() string {
	if e.Generation > 1 {
		return fmt.Sprintf("%d.%d", e.Generation, e.Term)
	}
	return fmt.Sprint(e.Term)
}

// Pos is a position in the log.
type Pos struct {
	Epoch Epoch
	Seq   uint64 // 0: before the first record
}

// Compare orders positions: by epoch, then seq.
func (p Pos) Compare(other Pos) int {
	return cmp.Or(p.Epoch.Compare(other.Epoch), cmp.Compare(p.Seq, other.Seq))
}

func (p Pos) String() string {
	return fmt.Sprintf("epoch %v seq %d", p.Epoch, p.Seq)
}

// Token is what a session has seen: hand it, as text, to whoever goes on with the session. The zero
// Token is that of a session that has seen nothing.
type Token struct {
	ClusterID uint64
	Pos       Pos
	Origin    uint64 // tells two logs of one epoch apart; 0: not said
}

// IsZero says whether the session has seen nothing.
func (t Token) IsZero() bool { return t.ClusterID == 0 }

// String gives text that a header or a cookie takes as it is, and that a file of `kvctl --session`
// holds; "" for the zero Token.
func (t Token) String() string {
	if t.IsZero() {
		return ""
	}
	packed, err := proto.Marshal(tokenMessage(t))
	if err != nil { // an owner that is no UTF-8, which no node has
		return ""
	}
	return base64.StdEncoding.EncodeToString(packed)
}

// ParseToken reads what Token.String wrote. The text may come from anywhere: it is checked.
func ParseToken(text string) (Token, error) {
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text))
	packed, err := base64.StdEncoding.DecodeString(plain)
	var message candorv1.SessionToken
	if err == nil && len(packed) > 0 && len(packed) <= maxTokenBytes {
		err = proto.Unmarshal(packed, &message)
	}
	if err != nil || message.GetClusterId() == 0 {
		return Token{}, invalid("%.140q is no session token", text)
	}
	return tokenOf(&message), nil
}

// ---- Messages -----------------------------------------------------------------------------------

func epochOf(message *candorv1.Epoch) Epoch {
	return Epoch{message.GetGeneration(), message.GetTerm(), message.GetOwner()}
}

func posOf(message *candorv1.Pos) Pos {
	return Pos{epochOf(message.GetEpoch()), message.GetSeq()}
}

func posMessage(p Pos) *candorv1.Pos {
	epoch := &candorv1.Epoch{Generation: p.Epoch.Generation, Term: p.Epoch.Term, Owner: p.Epoch.Owner}
	return &candorv1.Pos{Epoch: epoch, Seq: p.Seq}
}

func tokenOf(message *candorv1.SessionToken) Token {
	if message.GetClusterId() == 0 {
		return Token{}
	}
	return Token{message.GetClusterId(), posOf(message.GetPos()), message.GetOrigin()}
}

// tokenMessage gives nil for the zero Token.
func tokenMessage(t Token) *candorv1.SessionToken {
	if t.IsZero() {
		return nil
	}
	return &candorv1.SessionToken{ClusterId: t.ClusterID, Pos: posMessage(t.Pos), Origin: t.Origin}
}
