package candor

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Where nodes are: what an endpoint may be, and which one a call begins with.

const (
	scheme           = "tcp://"
	maxEndpointBytes = 127
)

// normal checks an endpoint, "tcp://127.0.0.1:7000" or without the scheme, "[::1]:7000" or
// "name:7000", and gives it as it is kept and compared: with its scheme.
func normal(endpoint string) (string, error) {
	plain := strings.TrimPrefix(endpoint, scheme)
	host, port, err := net.SplitHostPort(plain)
	number, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil || number == 0 || len(endpoint) > maxEndpointBytes ||
		!isHost(host, strings.HasPrefix(plain, "[")) {
		return "", invalid("%.140q is no address such as tcp://127.0.0.1:7000", endpoint)
	}
	return scheme + plain, nil
}

// isHost: an IPv6 address stands in brackets, and nothing else does.
func isHost(host string, brackets bool) bool {
	if brackets {
		address, err := netip.ParseAddr(host)
		return err == nil && address.Is6()
	}
	bad := func(r rune) bool { return r == '/' || r == ' ' || !unicode.IsPrint(r) }
	return host != "" && !strings.ContainsFunc(host, bad)
}

// addresses has the endpoints that the user named, and where the primary was last.
type addresses struct {
	endpoints []string

	mu      sync.Mutex
	nearest string
	primary string // "": not known
}

func newAddresses(endpoints []string) (*addresses, error) {
	a := &addresses{}
	for _, endpoint := range endpoints {
		known, err := normal(endpoint)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(a.endpoints, known) {
			a.endpoints = append(a.endpoints, known)
		}
	}
	if len(a.endpoints) == 0 {
		return nil, invalid("endpoints: at least one")
	}
	a.nearest = a.endpoints[0]
	return a, nil
}

func (a *addresses) first(atPrimary bool) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if atPrimary && a.primary != "" {
		return a.primary
	}
	return a.nearest
}

// after gives who is asked when `endpoint` has failed.
func (a *addresses) after(endpoint string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.primary == endpoint {
		a.primary = ""
	}
	return a.endpoints[(slices.Index(a.endpoints, endpoint)+1)%len(a.endpoints)]
}

// answered tells where the next call begins. A read that was redirected comes back to the near
// node, which may have caught up by then.
func (a *addresses) answered(endpoint string, isPrimary, readUnredirected bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if isPrimary {
		a.primary = endpoint
	}
	if readUnredirected && slices.Contains(a.endpoints, endpoint) {
		a.nearest = endpoint
	}
}
