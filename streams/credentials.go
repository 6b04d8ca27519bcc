package streams

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/rosey-bot/rosey/event"
)

// Credential says that the owner of a key may act as a plugin. The key itself is
// in the file that IssueCredentials made, and nowhere else.
type Credential struct {
	Plugin string    `json:"plugin"`
	Key    string    `json:"public_key"`
	Issued time.Time `json:"issued"`
}

// credentialsFile is the list of credentials in a store.
func credentialsFile(store string) string { return filepath.Join(store, "credentials.json") }

// Credentials lists the credentials that a store's server accepts, by plugin.
func Credentials(store string) ([]Credential, error) {
	var list []Credential
	b, err := os.ReadFile(credentialsFile(store))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials of plugins: %w", err)
	}
	return list, nil
}

// IssueCredentials makes a key for a plugin and returns the text of a .creds file
// for it, as NATS clients of any language read it. A key that the plugin had
// before is no longer accepted. A running server takes note at the plugin's next
// connection; see AnnounceCredentials.
func IssueCredentials(store, plugin string) ([]byte, error) {
	if !event.ValidName(plugin) {
		return nil, event.Errorf(event.InvalidInput, "%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", plugin, event.MaxNameLength)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	defer user.Wipe()
	key, err := user.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	// What counts is the key; the token around it, which the format asks for, is
	// signed by somebody who is then forgotten.
	signer, err := nkeys.CreateAccount()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	defer signer.Wipe()
	claims := jwt.NewUserClaims(key)
	claims.Name = Durable(plugin)
	token, err := claims.Encode(signer)
	if err != nil {
		return nil, fmt.Errorf("sign credentials: %w", err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return nil, fmt.Errorf("write credentials: %w", err)
	}
	return text, changeCredentials(store, func(list map[string]Credential) {
		list[plugin] = Credential{Plugin: plugin, Key: key, Issued: time.Now().UTC().Truncate(time.Second)}
	})
}

// RevokeCredentials has the plugin's key no longer accepted; found is false when
// it had none. A running server ends the plugin's connections once it is told;
// see AnnounceCredentials.
func RevokeCredentials(store, plugin string) (found bool, err error) {
	err = changeCredentials(store, func(list map[string]Credential) {
		_, found = list[plugin]
		delete(list, plugin)
	})
	return found, err
}

func changeCredentials(store string, change func(map[string]Credential)) error {
	list, err := Credentials(store)
	if err != nil {
		return err
	}
	byPlugin := map[string]Credential{}
	for _, c := range list {
		byPlugin[c.Plugin] = c
	}
	change(byPlugin)
	list = list[:0]
	for _, name := range slices.Sorted(maps.Keys(byPlugin)) {
		list = append(list, byPlugin[name])
	}
	return writePrivate(credentialsFile(store), list)
}

// credentialsSubject is where the embedded server is told that its store's
// credentials have changed.
const credentialsSubject = "rosey.credentials"

// AnnounceCredentials tells a running server that its store's credentials have
// changed, and returns how many connections it ended because of that.
func AnnounceCredentials(nc *nats.Conn) (ended int, err error) {
	reply, err := nc.Request(credentialsSubject, nil, DefaultTimeout)
	if err != nil {
		return 0, fmt.Errorf("tell the server of changed credentials: %w (restart the bot for them to take effect)", err)
	}
	if err := json.Unmarshal(reply.Data, &ended); err != nil {
		return 0, fmt.Errorf("tell the server of changed credentials: it says %.200s", reply.Data)
	}
	return ended, nil
}

// A gate decides who may connect to the embedded server: the owner of the store,
// who may do everything, and plugins with credentials of their own.
type gate struct {
	store string
	owner ServerInfo

	ns       *server.Server
	mu       sync.Mutex
	accounts map[string]*server.Account // by plugin
}

// Check implements the server's Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if c.Kind() != server.CLIENT {
		return false
	}
	if o.Sig == "" {
		same := subtle.ConstantTimeCompare([]byte(o.Username), []byte(g.owner.User)) & subtle.ConstantTimeCompare([]byte(o.Password), []byte(g.owner.Password))
		if same != 1 {
			return false
		}
		c.RegisterUser(&server.User{Username: g.owner.User})
		return true
	}
	// The server does not hand on the token, but who has the key has signed. An
	// error leaves the list empty, and nobody is let in.
	list, _ := Credentials(g.store)
	i := slices.IndexFunc(list, func(known Credential) bool { return signed(known.Key, o.Sig, c.GetNonce()) })
	if i < 0 {
		return false
	}
	account, err := g.account(list[i].Plugin)
	if err != nil {
		g.ns.Errorf("no account for plugin %s: %v", list[i].Plugin, err)
		return false
	}
	c.RegisterUser(&server.User{
		Username: connectedAs(list[i]), Account: account, Permissions: PluginPermissions(list[i].Plugin).user(),
	})
	return true
}

// account is a plugin's account, which is made when the plugin first connects.
func (g *gate) account(plugin string) (*server.Account, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.accounts[plugin]; a != nil {
		return a, nil
	}
	a, _ := g.ns.LookupOrRegisterAccount(Durable(plugin))
	if err := PluginPermissions(plugin).apply(a, g.ns.GlobalAccount()); err != nil {
		return nil, err
	}
	g.accounts[plugin] = a
	return a, nil
}

// connectedAs is how the server lists the connections of a credential.
func connectedAs(c Credential) string { return Durable(c.Plugin) + "/" + c.Key }

// signed reports whether the owner of a key has signed the server's challenge.
func signed(key, signature string, nonce []byte) bool {
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

// enforce ends the connections of plugins whose key is no longer accepted.
func (s *Server) enforce() (ended int, err error) {
	list, err := Credentials(s.store)
	if err != nil {
		return 0, err
	}
	accepted := map[string]bool{}
	for _, c := range list {
		accepted[connectedAs(c)] = true
	}
	const page = 1024
	var gone []uint64
	for offset := 0; ; offset += page {
		all, err := s.ns.Connz(&server.ConnzOptions{Username: true, Offset: offset, Limit: page})
		if err != nil {
			return 0, fmt.Errorf("list connections: %w", err)
		}
		for _, c := range all.Conns {
			if strings.HasPrefix(c.AuthorizedUser, Durable("")) && !accepted[c.AuthorizedUser] {
				gone = append(gone, c.Cid)
			}
		}
		if len(all.Conns) < page {
			break
		}
	}
	for _, id := range gone {
		if s.ns.DisconnectClientByID(id) == nil {
			ended++
		}
	}
	return ended, nil
}

// guard has the server listen for changed credentials on a connection of its own.
func (s *Server) guard() error {
	nc, err := s.Connect(nats.Name("rosey credentials"))
	if err != nil {
		return err
	}
	_, err = nc.Subscribe(credentialsSubject, func(m *nats.Msg) {
		ended, err := s.enforce()
		reply := fmt.Append(nil, ended)
		if err != nil {
			reply = []byte(err.Error())
		}
		_ = m.Respond(reply) // who asked waits no longer than that
	})
	if err != nil {
		nc.Close()
		return fmt.Errorf("listen for changed credentials: %w", err)
	}
	s.own = nc
	return nil
}

// whoAmI is where a server tells a connection what it may do.
const whoAmI = "$SYS.REQ.USER.INFO"

// Restricted reports whether a connection may not do everything, as one with a
// plugin's own credentials.
func Restricted(nc *nats.Conn) (bool, error) {
	reply, err := nc.Request(whoAmI, nil, DefaultTimeout)
	if errors.Is(err, nats.ErrNoResponders) {
		return false, nil // the server is too old to tell
	}
	if err != nil {
		return false, fmt.Errorf("ask the server what this connection may do: %w", err)
	}
	var me struct {
		Data struct {
			Permissions struct {
				Publish json.RawMessage `json:"publish"`
			} `json:"permissions"`
		} `json:"data"`
	}
	if err := json.Unmarshal(reply.Data, &me); err != nil {
		return false, fmt.Errorf("read what this connection may do: %w", err)
	}
	return len(me.Data.Permissions.Publish) > 0, nil
}
