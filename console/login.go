package console

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// password is an argon2id hash and the role it opens.
type password struct {
	role         Role
	salt, sum    []byte
	time, memory uint32 // passes, KiB
	threads      uint8
}

// The costs of hashes that are made here (RFC 9106, second recommended option).
const (
	hashTime, hashMemory, hashThreads = 3, 64 << 10, 4
	saltLength, sumLength             = 16, 32
	maxHashMemory                     = 1 << 20 // KiB, of hashes that are made elsewhere
)

const hashForm = "$argon2id$v=19$m=%d,t=%d,p=%d$"

// HashPassword is the argon2id hash of a password in the usual text form, which
// can stand in for the password in the settings.
func HashPassword(text string) string {
	return hash("", text).String()
}

// String is the hash in its text form.
func (p password) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf(hashForm, p.memory, p.time, p.threads) + b64.EncodeToString(p.salt) + "$" + b64.EncodeToString(p.sum)
}

// of is what the password's hash would be if it were text.
func (p password) of(text string, length int) []byte {
	return argon2.IDKey([]byte(text), p.salt, p.time, p.memory, p.threads, uint32(length))
}

func hash(role Role, text string) password {
	p := password{role: role, salt: make([]byte, saltLength), time: hashTime, memory: hashMemory, threads: hashThreads}
	rand.Read(p.salt)
	p.sum = p.of(text, sumLength)
	return p
}

// readPassword reads a hash, or hashes a password.
func readPassword(role Role, text string) (password, error) {
	if !strings.HasPrefix(text, "$") {
		return hash(role, text), nil
	}
	p := password{role: role}
	fields := strings.Split(text, "$")
	if len(fields) != 6 {
		return p, fmt.Errorf("it begins with $ but is no argon2id hash")
	}
	_, err := fmt.Sscanf(strings.Join(fields[:4], "$")+"$", hashForm, &p.memory, &p.time, &p.threads)
	if err == nil {
		p.salt, err = base64.RawStdEncoding.DecodeString(fields[4])
	}
	if err == nil {
		p.sum, err = base64.RawStdEncoding.DecodeString(fields[5])
	}
	switch {
	case err != nil:
		return p, fmt.Errorf("it begins with $ but is no argon2id hash: %w", err)
	case p.memory > maxHashMemory || p.time < 1 || p.time > 100 || p.threads < 1 || len(p.sum) < 16 || len(p.salt) < 8:
		return p, fmt.Errorf("its argon2id hash has costs or lengths out of bounds")
	}
	return p, nil
}

// hashing keeps more than one password from being hashed at a time: each takes
// 64 MiB.
var hashing sync.Mutex

func (p password) matches(text string) bool {
	hashing.Lock()
	defer hashing.Unlock()
	return subtle.ConstantTimeCompare(p.of(text, len(p.sum)), p.sum) == 1
}

// loginForm is what the page to sign in shows.
type loginForm struct {
	To     string
	Failed string
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.guard.identify(w, r); ok || len(c.guard.passwords) == 0 {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.showLogin(w, http.StatusOK, loginForm{To: r.URL.Query().Get("to")})
}

func (c *Console) showLogin(w http.ResponseWriter, status int, form loginForm) {
	var b bytes.Buffer
	if err := templates()["login"].ExecuteTemplate(&b, "login", form); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// signIn starts a session. It has no CSRF token, as there is no session yet: the
// check of the origin and the cookie's SameSite keep other sites out.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	form := loginForm{To: r.PostFormValue("to")}
	if !c.guard.limiter.allow(peer(r)) {
		form.Failed = "Too many tries. Wait a minute, then try again."
		w.Header().Set("Retry-After", "60")
		c.showLogin(w, http.StatusTooManyRequests, form)
		return
	}
	text := r.PostFormValue("password")
	for _, p := range c.guard.passwords {
		if !p.matches(text) {
			continue
		}
		c.guard.limiter.forgive(peer(r))
		c.guard.sessions.end(cookie(r))
		setCookie(w, r, c.guard.sessions.start(p.role), 0)
		c.Logger.InfoContext(r.Context(), "console: signed in", "role", p.role, "from", peer(r).String())
		http.Redirect(w, r, localPath(form.To), http.StatusSeeOther)
		return
	}
	c.Logger.WarnContext(r.Context(), "console: a wrong password was given", "from", peer(r).String())
	form.Failed = "That is not the password."
	c.showLogin(w, http.StatusUnauthorized, form)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.guard.sessions.end(cookie(r))
	setCookie(w, r, "", -1)
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
