package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Role is what a visitor may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // also changes things
)

// Access says who may use a console. Its zero value lets in everybody who can
// reach the address as an operator, which Listen allows on loopback addresses
// only.
type Access struct {
	// Password and ViewerPassword let in an operator and a viewer whose names nobody
	// knows. Each is a password, or an argon2id hash as HashPassword makes it; empty is none.
	Password, ViewerPassword string
	// Accounts let in those who give their name, which the events of what they do carry.
	Accounts []Account
	// Proxy lets in whom a reverse proxy vouches for.
	Proxy Proxy
}

// Account is a user with a name and a password of their own.
type Account struct {
	Name   string
	Role   Role
	Secret string // the password, or its argon2id hash
}

// Proxy is a reverse proxy that signs users in.
type Proxy struct {
	Header    string         // carries the user's name
	From      []netip.Prefix // addresses from which the header, and X-Forwarded-For, are believed
	Operators []string       // users who are operators; the others are viewers
}

// policy is an Access, ready to be used.
type policy struct {
	Access
	accounts []account
}

// open reports whether everybody who reaches the address may use it.
func (p *policy) open() bool { return len(p.accounts) == 0 && p.Proxy.Header == "" }

func newPolicy(a Access) (*policy, error) {
	p := &policy{Access: a}
	shared := []Account{{Role: Operator, Secret: a.Password}, {Role: Viewer, Secret: a.ViewerPassword}}
	for _, from := range slices.Concat(shared, a.Accounts) {
		if from.Secret == "" && from.Name == "" {
			continue
		}
		made, err := newAccount(from)
		if err != nil {
			return nil, fmt.Errorf("the console's password for %s: %w", cmp.Or(from.Name, "a "+string(from.Role)), err)
		}
		p.accounts = append(p.accounts, made)
	}
	if a.Proxy.Header != "" && len(a.Proxy.From) == 0 {
		return nil, fmt.Errorf("the console's proxy: say from which addresses the header %s is to be believed", a.Proxy.Header)
	}
	return p, nil
}

// trusts reports whether the proxy has an address.
func (p Proxy) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(p.From, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// proxyUser returns the user whom the proxy names.
func (p *policy) proxyUser(r *http.Request) (name string, ok bool) {
	if p.Proxy.Header == "" || !p.Proxy.trusts(remoteAddr(r)) {
		return "", false
	}
	values := r.Header.Values(p.Proxy.Header)
	return strings.Join(values, ""), len(values) == 1 && values[0] != ""
}

// clientAddr returns the visitor's address: that of the connection, or the last of
// X-Forwarded-For that is not a trusted proxy's.
func (p *policy) clientAddr(r *http.Request) netip.Addr {
	client := remoteAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !p.Proxy.trusts(client) {
			break
		}
		client = ip.Unmap()
	}
	return client
}
