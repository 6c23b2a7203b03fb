package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// SP over TCP, as bytes (docs/wire.md, "Without NNG"). What comes is hostile: a length is looked at
// before anything is kept for it.

const (
	headBytes = 8 + 4      // the length of what follows; the request id, which it counts
	idBit     = 0x80000000 // of every request id
)

var (
	handshake = []byte{0, 'S', 'P', 0, 0, 0x30, 0, 0} // this side is REQ
	expected  = []byte{0, 'S', 'P', 0, 0, 0x31, 0, 0} // the other is REP
)

func checkHandshake(data []byte) error {
	if !bytes.Equal(data, expected) {
		return fmt.Errorf("it does not speak REP: it began with % x", data)
	}
	return nil
}

// head gives the head of a message with this payload.
func head(id uint32, payload []byte) []byte {
	head := binary.BigEndian.AppendUint64(make([]byte, 0, headBytes), uint64(len(payload))+4)
	return binary.BigEndian.AppendUint32(head, id|idBit)
}

// parseHead gives the id and the length of the payload behind it.
func parseHead(head []byte, most int) (id uint32, length int, err error) {
	all, id := binary.BigEndian.Uint64(head), binary.BigEndian.Uint32(head[8:])
	switch {
	case all < 4:
		return 0, 0, fmt.Errorf("a message of %d bytes has no request id", all)
	case all-4 > uint64(most):
		return 0, 0, fmt.Errorf("a message of %d bytes is over the limit of %d", all, most)
	case id&idBit == 0:
		return 0, 0, fmt.Errorf("the request id %#010x lacks its highest bit", id)
	}
	return id &^ idBit, int(all - 4), nil
}
