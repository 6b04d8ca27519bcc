package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/alexedwards/argon2id"
)

// password is an argon2id hash and the role that it gives.
type password struct {
	role Role
	hash string
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

// newPassword reads a hash, or hashes a password.
func newPassword(role Role, text string) (password, error) {
	if !strings.HasPrefix(text, "$") {
		return password{role, HashPassword(text)}, nil
	}
	p, _, _, err := argon2id.DecodeHash(text)
	switch {
	case err != nil:
		return password{}, fmt.Errorf("it begins with $ but is no argon2id hash: %w", err)
	case p.Memory > maxHashMemory || p.Iterations < 1 || p.Iterations > 100 || p.Parallelism < 1 || p.KeyLength < 16 || p.SaltLength < 8:
		return password{}, fmt.Errorf("its argon2id hash has costs or lengths out of bounds")
	}
	return password{role, text}, nil
}

// maxHashMemory is the limit, in KiB, for hashes that are made elsewhere.
const maxHashMemory = 1 << 20

// hashing serializes the hashing of passwords: each takes 64 MiB.
var hashing sync.Mutex

func (p password) matches(text string) bool {
	hashing.Lock()
	defer hashing.Unlock()
	ok, err := argon2id.ComparePasswordAndHash(text, p.hash)
	return ok && err == nil
}

// loginForm is what the page to sign in shows.
type loginForm struct {
	To     string
	Failed string
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.auth.identify(w, r); ok || len(c.auth.passwords) == 0 {
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

// signIn starts a session. Its form has no CSRF token, as there is no session yet: the
// check of the origin and the cookie's SameSite attribute keep other sites out.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	form := loginForm{To: r.PostFormValue("to")}
	if !c.auth.limiter.allow(remoteAddr(r)) {
		form.Failed = "Too many tries. Wait a minute, then try again."
		w.Header().Set("Retry-After", "60")
		c.showLogin(w, http.StatusTooManyRequests, form)
		return
	}
	text := r.PostFormValue("password")
	for _, p := range c.auth.passwords {
		if !p.matches(text) {
			continue
		}
		c.auth.limiter.refund(remoteAddr(r))
		c.auth.sessions.end(cookie(r))
		setCookie(w, r, c.auth.sessions.start(p.role), 0)
		c.Logger.InfoContext(r.Context(), "console: signed in", "role", p.role, "from", remoteAddr(r).String())
		http.Redirect(w, r, localPath(form.To), http.StatusSeeOther)
		return
	}
	c.Logger.WarnContext(r.Context(), "console: wrong password", "from", remoteAddr(r).String())
	form.Failed = "That is not the password."
	c.showLogin(w, http.StatusUnauthorized, form)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.auth.sessions.end(cookie(r))
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
