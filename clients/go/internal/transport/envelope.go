package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	"candor.example/candor/candorv1"
)

const (
	checksumTag   = 15<<3 | 5 // field 15, fixed32: the last one of an envelope
	checksumBytes = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is 1 where the CRC32C is 0, which stands for "not checked".
func checksum(data []byte) uint32 {
	return max(1, crc32.Checksum(data, castagnoli))
}

// pack gives the bytes of an envelope, ended by their checksum.
func pack(request *candorv1.RpcRequest) ([]byte, error) {
	size := proto.Size(request)
	packed, err := marshalOptions.MarshalAppend(make([]byte, 0, size+checksumBytes), request)
	if err != nil {
		return nil, err
	}
	sum := checksum(packed)
	return binary.LittleEndian.AppendUint32(append(packed, checksumTag), sum), nil
}

// The size was asked for just before.
var marshalOptions = proto.MarshalOptions{UseCachedSize: true}

var errDamaged = errors.New("the reply was damaged on its way: its checksum does not match")

// unpack gives an error where the bytes are no reply, or were damaged on their way.
func unpack(data []byte) (*candorv1.RpcReply, error) {
	reply := &candorv1.RpcReply{}
	if err := proto.Unmarshal(data, reply); err != nil {
		return nil, errors.New("the reply does not decode as candor.v1.RpcReply")
	}
	if reply.Checksum == 0 {
		return reply, nil
	}
	if len(data) < checksumBytes {
		return nil, errDamaged
	}
	body, tail := data[:len(data)-checksumBytes], data[len(data)-checksumBytes:]
	if tail[0] != checksumTag || binary.LittleEndian.Uint32(tail[1:]) != reply.Checksum ||
		checksum(body) != reply.Checksum {
		return nil, errDamaged
	}
	return reply, nil
}

func tooLarge(size, most int) Silence {
	why := fmt.Sprintf("the request's %d bytes are more than one message of %d takes", size, most)
	return Silence{Why: why, TooLarge: true}
}
