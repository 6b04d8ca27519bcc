package console

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
)

// account is a user who can sign in.
type account struct {
	name   string // "" with a password that several share
	role   Role
	hash   string   // argon2id
	secret [32]byte // of the password or hash as it is configured
}

// same reports whether the user, role and password are the same.
func (a account) same(b account) bool {
	return a.name == b.name && a.role == b.role && a.secret == b.secret
}

// hashParams are the costs of hashes that are made here (RFC 9106, second recommended
// option).
var hashParams = argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 4, SaltLength: 16, KeyLength: 32}

// HashPassword returns the argon2id hash of a password in the usual text form, which
// can stand in for the password in the settings.
func HashPassword(text string) string {
	hash, err := argon2id.CreateHash(text, &hashParams)
	if err != nil {
		panic("console: crypto/rand cannot fail: " + err.Error())
	}
	return hash
}

// newAccount reads a hash, or hashes a password.
func newAccount(from Account) (account, error) {
	a := account{name: from.Name, role: from.Role, hash: from.Secret, secret: sha256.Sum256([]byte(from.Secret))}
	if !strings.HasPrefix(from.Secret, "$") {
		a.hash = HashPassword(from.Secret)
		return a, nil
	}
	p, _, _, err := argon2id.DecodeHash(from.Secret)
	switch {
	case err != nil:
		return account{}, fmt.Errorf("it begins with $ but is no argon2id hash: %w", err)
	case p.Memory > maxHashMemory || p.Iterations < 1 || p.Iterations > 100 || p.Parallelism < 1 || p.KeyLength < 16 || p.SaltLength < 8:
		return account{}, fmt.Errorf("its argon2id hash has costs or lengths out of bounds")
	}
	return a, nil
}

// maxHashMemory is the limit, in KiB, for hashes that are made elsewhere.
const maxHashMemory = 1 << 20

// hashing serializes the hashing of passwords: each takes 64 MiB.
var hashing sync.Mutex

func (a account) matches(text string) bool {
	hashing.Lock()
	defer hashing.Unlock()
	ok, err := argon2id.ComparePasswordAndHash(text, a.hash)
	return ok && err == nil
}

type loginForm struct {
	To     string
	Name   string
	Named  bool // there are accounts with names
	Failed string
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.auth.identify(w, r); ok || len(c.auth.current().accounts) == 0 {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.showLogin(w, http.StatusOK, loginForm{To: r.URL.Query().Get("to")})
}

func (c *Console) showLogin(w http.ResponseWriter, status int, form loginForm) {
	form.Named = len(c.auth.current().Accounts) > 0
	var b bytes.Buffer
	if err := templates()["login"].ExecuteTemplate(&b, "login", form); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// signIn starts a session. Its form has no CSRF token, as there is no session yet: the
// check of the origin and the cookie's SameSite attribute keep other sites out.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	form := loginForm{To: r.PostFormValue("to"), Name: strings.TrimSpace(r.PostFormValue("name"))}
	p := c.auth.current()
	from := p.clientAddr(r)
	accounts := p.named(form.Name)
	tries := c.auth.limiter.of(c.auth.guesser(r, accounts, from))
	if !tries.Allow() {
		form.Failed = "Too many tries. Wait a minute, then try again."
		w.Header().Set("Retry-After", "60")
		c.showLogin(w, http.StatusTooManyRequests, form)
		return
	}
	text := r.PostFormValue("password")
	for _, a := range accounts {
		if !a.matches(text) {
			continue
		}
		tries.AllowN(time.Now(), -1) // it was no guess
		c.auth.sessions.end(c.auth.cookie(r))
		c.auth.setCookie(w, r, c.auth.sessions.start(a), 0)
		http.SetCookie(w, newCookie(r, c.auth.knownCookie(), a.introduce(randomID()), int(knownLife.Seconds())))
		c.Logger.InfoContext(r.Context(), "console: signed in", "user", a.name, "role", a.role, "from", from.String())
		http.Redirect(w, r, localPath(form.To), http.StatusSeeOther)
		return
	}
	c.Logger.WarnContext(r.Context(), "console: wrong password", "user", form.Name, "from", from.String())
	form.Failed = "That is not the password."
	if form.Named = len(p.Accounts) > 0; form.Named {
		form.Failed = "That is not the name and the password of anybody."
	}
	c.showLogin(w, http.StatusUnauthorized, form)
}

// named returns the accounts of a name; those with a shared password have none.
func (p *policy) named(name string) []account {
	return slices.DeleteFunc(slices.Clone(p.accounts), func(a account) bool { return a.name != name })
}

// knownLife is how long a browser from which somebody signed in is known.
const knownLife = 90 * 24 * time.Hour

func (g *authenticator) knownCookie() string { return g.cookieName + "_known" }

// guesser returns whose tries a request counts among: those of the account at the
// address, or of the browser if somebody signed in to the account from it. So the guesses
// of others, who may share the address of a proxy, do not keep that browser out.
func (g *authenticator) guesser(r *http.Request, accounts []account, from netip.Addr) string {
	id, _, _ := strings.Cut(cookieOf(r, g.knownCookie()), ".")
	for _, a := range accounts {
		if id != "" && hmac.Equal([]byte(a.introduce(id)), []byte(cookieOf(r, g.knownCookie()))) {
			return "browser " + id
		}
	}
	name := "nobody"
	if len(accounts) > 0 {
		name = "account " + accounts[0].name
	}
	return name + " " + rateKey(from).String()
}

// introduce returns what shows later that somebody signed in to the account from a
// browser. A changed password makes it worthless.
func (a account) introduce(id string) string {
	m := hmac.New(sha256.New, []byte(a.hash))
	m.Write([]byte(a.name + "\x00" + id))
	return id + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.auth.sessions.end(c.auth.cookie(r))
	c.auth.setCookie(w, r, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// localPath is a path of this site, whatever was asked for. Browsers drop tabs and
// line breaks wherever they are, so that /, a tab and / begin as // does.
func localPath(to string) string {
	strange := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, strange) {
		return "/"
	}
	return to
}
