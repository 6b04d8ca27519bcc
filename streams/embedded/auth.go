package embedded

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/connect"
)

// An authenticator admits the owner of the store, who may do everything, and
// plugins with credentials of their own, each to an account of its own.
type authenticator struct {
	store string
	owner connect.ServerInfo

	ns       *server.Server
	may      atomic.Pointer[func(plugin string) event.Capabilities]
	mu       sync.Mutex
	accounts map[string]*server.Account // by plugin
	users    map[uint64]string          // of plugins, by the IDs of their clients
}

// Check implements server.Authentication.
func (a *authenticator) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if c.Kind() != server.CLIENT {
		return false
	}
	if o.Sig == "" {
		same := subtle.ConstantTimeCompare([]byte(o.Username), []byte(a.owner.User)) & subtle.ConstantTimeCompare([]byte(o.Password), []byte(a.owner.Password))
		if same != 1 {
			return false
		}
		c.RegisterUser(&server.User{Username: a.owner.User})
		return true
	}
	// nats-server does not pass the token on, but the signature proves the key. An
	// error leaves the list empty, which admits nobody.
	list, _ := access.Credentials(a.store)
	i := slices.IndexFunc(list, func(known access.Credential) bool { return isSigned(known.Key, o.Sig, c.GetNonce()) })
	if i < 0 {
		return false
	}
	p := access.PluginPermissions(list[i].Plugin, a.capabilities(list[i].Plugin))
	account, err := a.account(p)
	if err != nil {
		a.ns.Errorf("no account for plugin %s: %v", p.Plugin, err)
		return false
	}
	user := userName(list[i], p.Capabilities)
	a.mu.Lock()
	a.users[c.GetID()] = user
	a.mu.Unlock()
	c.RegisterUser(&server.User{Username: user, Account: account, Permissions: userPermissions(p)})
	return true
}

func (a *authenticator) capabilities(plugin string) event.Capabilities {
	if may := a.may.Load(); may != nil {
		return (*may)(plugin)
	}
	return event.BaseCapabilities()
}

// account returns a plugin's account, and makes it when the plugin first connects.
func (a *authenticator) account(p access.Permissions) (*server.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.accounts[p.Plugin]; account != nil {
		return account, nil
	}
	account, _ := a.ns.LookupOrRegisterAccount(streams.Durable(p.Plugin))
	if err := share(p, account, a.ns.GlobalAccount()); err != nil {
		return nil, err
	}
	a.accounts[p.Plugin] = account
	return account, nil
}

// share exports and imports what the accounts of a plugin and of the bot share.
func share(p access.Permissions, own, bot *server.Account) error {
	var errs []error
	service := func(from, to *server.Account, subject, exported string, many bool) {
		responds := server.Singleton
		if many {
			responds = server.Streamed
		}
		if err := errors.Join(to.AddServiceExportWithResponse(exported, responds, nil), from.AddServiceImport(to, subject, exported)); err != nil {
			errs = append(errs, fmt.Errorf("share service %s: %w", exported, err))
		}
	}
	for _, subject := range p.Publish {
		service(own, bot, subject, access.GatewaySubject(p.Plugin, subject), false)
	}
	for _, subject := range p.Services {
		service(own, bot, subject, subject, slices.Contains(p.StreamedServices, subject))
	}
	for _, a := range p.ServiceExports {
		service(bot, own, a.Subject, a.Export, a.Many)
		if a.Mapped() {
			errs = append(errs, own.AddMapping(a.Export, a.Subject))
		}
	}
	for _, subject := range p.StreamExports {
		errs = append(errs, bot.AddStreamExport(subject, nil), own.AddStreamImport(bot, subject, ""))
	}
	return errors.Join(errs...)
}

func userPermissions(p access.Permissions) *server.Permissions {
	u := p.User()
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: u.Publish, Deny: u.DenyPublish},
		Subscribe: &server.SubjectPermission{Allow: u.Subscribe},
		Response:  &server.ResponsePermission{MaxMsgs: server.DEFAULT_ALLOW_RESPONSE_MAX_MSGS, Expires: server.DEFAULT_ALLOW_RESPONSE_EXPIRATION},
	}
}

// userName is how the server lists the connections of a credential, and with which
// capabilities they were made.
func userName(c access.Credential, may event.Capabilities) string {
	return streams.Durable(c.Plugin) + "/" + c.Key + "/" + strings.Join(may, ",")
}

// SetCapabilities sets the function that returns a plugin's capabilities, which must not
// block. Connections with other capabilities are closed now and at each
// access.AnnounceCredentials.
func (s *Server) SetCapabilities(may func(plugin string) event.Capabilities) error {
	s.auth.may.Store(&may)
	_, err := s.closeRevoked()
	return err
}

// isSigned reports whether the owner of a key has signed the server's challenge.
func isSigned(key, signature string, nonce []byte) bool {
	if len(nonce) == 0 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		if raw, err = base64.StdEncoding.DecodeString(signature); err != nil {
			return false
		}
	}
	public, err := nkeys.FromPublicKey(key)
	return err == nil && public.Verify(nonce, raw) == nil
}

// enforceCredentials makes the server close the connections of revoked credentials
// when access.AnnounceCredentials tells it of changes.
func (s *Server) enforceCredentials() error {
	_, err := s.own.Subscribe(access.CredentialsSubject, func(m *nats.Msg) {
		closed, err := s.closeRevoked()
		reply := fmt.Append(nil, closed)
		if err != nil {
			reply = []byte(err.Error())
		}
		_ = m.Respond(reply) // the requester times out without it
	})
	if err != nil {
		return fmt.Errorf("subscribe to changed credentials: %w", err)
	}
	return nil
}

// closeRevoked closes the connections of plugins whose key is no longer accepted, or whose
// capabilities have changed: plugins connect again by themselves.
func (s *Server) closeRevoked() (closed int, err error) {
	list, err := access.Credentials(s.store)
	if err != nil {
		return 0, err
	}
	accepted := map[string]bool{}
	for _, c := range list {
		accepted[userName(c, s.auth.capabilities(c.Plugin))] = true
	}
	all, err := s.ns.Connz(&server.ConnzOptions{Username: true, Limit: math.MaxInt32})
	if err != nil {
		return 0, fmt.Errorf("list connections: %w", err)
	}
	users := map[uint64]string{}
	for _, c := range all.Conns {
		user := s.auth.user(c.Cid)
		if user == "" {
			continue
		}
		users[c.Cid] = user
		if !accepted[user] && s.ns.DisconnectClientByID(c.Cid) == nil {
			closed++
		}
	}
	s.auth.keep(users)
	return closed, nil
}

// user returns the name under which a plugin's client is registered, "" for other clients.
// The server lists those that named their key by that.
func (a *authenticator) user(client uint64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[client]
}

// keep forgets clients that are gone, and not those that came meanwhile.
func (a *authenticator) keep(users map[uint64]string) {
	newest := uint64(0)
	for client := range users {
		newest = max(newest, client)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.users, func(client uint64, _ string) bool { return client <= newest && users[client] == "" })
}
