package automod

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// address is a word that may be a link: scheme, user, host, port and what follows.
var address = regexp.MustCompile(`(?i)^(?:([a-z][a-z0-9+-]*):/+)?(?:([^/?#]*)@)?([^/?#@:\[\]]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?#].*)?$`)

// separators are what browsers take for a dot or a slash of a link.
var separators = strings.NewReplacer("。", ".", "．", ".", "｡", ".", `\`, "/")

const (
	openers = "(<[{\"'«“‘"
	closers = ".,;:!?)>]}\"'»”’…"
)

// generic are top-level domains that make a link of a word without anything else of one.
var generic = []string{
	"com", "net", "org", "info", "biz", "edu", "gov", "xyz", "online", "site", "website", "top", "club", "shop", "store", "app", "dev",
	"tube", "stream", "link", "click", "pro", "icu", "cam", "porn", "sex", "sexy", "tech", "space", "page", "blog", "wiki", "news", "chat",
}

// words are country domains that are also words, as in "yes.no".
var words = []string{"is", "so", "no", "it", "in", "my", "to", "at", "be", "am", "as", "do", "us", "la", "me", "pm", "id", "ms", "md", "py", "rs", "sh"}

// Hosts returns the hosts of the links in a line, in lower case and as ASCII.
func Hosts(text string) (hosts []string) {
	for word := range strings.FieldsSeq(text) {
		for _, part := range split(word) {
			if host, ok := hostOf(part, nil); ok {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// split splits a word at brackets and commas in it, as in [a](https://b.com).
func split(word string) []string {
	return strings.FieldsFunc(separators.Replace(word), func(r rune) bool { return strings.ContainsRune("()<>{}\"|,«»", r) })
}

// hostOf returns the host of a word that is a link. A word that has one of the known hosts in
// it is one, whatever its top-level domain.
func hostOf(word string, known []string) (host string, ok bool) {
	if !strings.ContainsAny(word, ".:") { // most words, which need no regular expression
		return "", false
	}
	word = strings.TrimRight(strings.TrimLeft(word, openers), closers)
	m := address.FindStringSubmatch(word)
	if m == nil {
		return "", false
	}
	scheme, user, host, port, path := strings.ToLower(m[1]), m[2], m[3], m[4], m[5]
	if slices.Contains([]string{"http", "https", "ftp"}, scheme) {
		return canonical(host)
	}
	if scheme != "" || strings.HasPrefix(host, "[") {
		return "", false
	}
	labels := strings.Split(host, ".")
	if len(labels) < 2 || slices.Contains(labels, "") {
		return "", false
	}
	name, ok := canonical(host)
	if !ok {
		return "", false
	}
	top := name[strings.LastIndexByte(name, '.')+1:]
	last := labels[len(labels)-1]
	numeric := strings.Trim(top, "0123456789") == ""
	switch {
	case numeric:
		_, err := netip.ParseAddr(name)
		return name, err == nil && (port != "" || path != "")
	case strings.HasPrefix(name, "www."), port != "", path != "" && len(top) > 1:
		return name, true
	case user != "": // an address of mail, or a host that is to be taken for the link's
		_, ok := hostOf(user, known)
		return name, ok
	case slices.ContainsFunc(known, func(k string) bool { return strings.Contains("."+name+".", "."+k+".") }):
		return name, true
	case last[0] >= 'A' && last[0] <= 'Z' && last != strings.ToUpper(last):
		return "", false // the end of a sentence without a space
	case slices.Contains(generic, top):
		return name, true
	}
	_, icann := publicsuffix.PublicSuffix(name)
	return name, icann && (len(top) == 2 || strings.HasPrefix(top, "xn--")) && !slices.Contains(words, top)
}

// canonical returns a host as it is compared: in lower case, as ASCII, without a dot at its
// end.
func canonical(host string) (string, bool) {
	if plain, err := url.PathUnescape(host); err == nil {
		host = plain
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	host = strings.TrimRight(host, ".")
	return host, host != ""
}

// hostNames returns the hosts of a setting.
func hostNames(list []string) (names []string) {
	for _, text := range list {
		if name, ok := canonical(strings.TrimPrefix(text, "*.")); ok {
			names = append(names, name)
		}
	}
	return names
}

// below reports whether a host is one of a list or below one, by whole labels.
func below(host string, list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return host == name || strings.HasSuffix(host, "."+name) })
}

// forbidden returns the first host in a line that links may not lead to.
func (r *Rules) forbidden(text string, isNew bool) (host string, ok bool) {
	deny := r.Links == "deny" || isNew && r.NewLinks == "deny"
	if !deny && len(r.hosts.deny) == 0 {
		return "", false
	}
	known := slices.Concat(r.hosts.allow, r.hosts.deny)
	for word := range strings.FieldsSeq(text) {
		for _, part := range split(word) {
			host, ok := hostOf(part, known)
			if ok && (below(host, r.hosts.deny) || deny && !below(host, r.hosts.allow)) {
				return host, true
			}
		}
	}
	return "", false
}

// isLink reports whether a word is a link.
func isLink(word string) bool { _, ok := hostOf(word, nil); return ok }
