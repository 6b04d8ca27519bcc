package access_test

import (
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/access"
)

// A plugin in any language connects with the text of a .creds file.
func ExampleIssueCredentials() {
	store, err := os.MkdirTemp("", "rosey")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(store)
	creds, err := access.IssueCredentials(store, "dice")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(string(creds), "BEGIN USER NKEY SEED"))
	list, err := access.Credentials(store)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(list), list[0].Plugin)
	// Output:
	// true
	// 1 dice
}

func TestCredentialsOfAStore(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if _, err := access.IssueCredentials(store, "a.b"); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("credentials for a.b: %v", err)
	}
	for _, plugin := range []string{"trivia", "dice", "dice"} {
		if _, err := access.IssueCredentials(store, plugin); err != nil {
			t.Fatal(err)
		}
	}
	for plugin, want := range map[string]bool{"trivia": true, "poll": false} {
		if found, err := access.RevokeCredentials(store, plugin); err != nil || found != want {
			t.Errorf("revoke %s: found %t, %v", plugin, found, err)
		}
	}
	list, err := access.Credentials(store)
	if err != nil || len(list) != 1 || list[0].Plugin != "dice" {
		t.Errorf("credentials %+v, %v", list, err)
	}
}

// The bot's account exports as many subjects as the plugin's imports, and no more.
func TestConfigSharesWhatIsPermitted(t *testing.T) {
	t.Parallel()
	p := access.PluginPermissions("dice", event.BaseCapabilities())
	text := p.Config("ROSEY")
	if imports := strings.Count(text, "account: ROSEY"); imports != len(p.Publish)+len(p.Services)+len(p.StreamExports) {
		t.Errorf("%d imports for %d subjects", imports, len(p.Publish)+len(p.Services)+len(p.StreamExports))
	}
	if batches := strings.Count(text, "response_type: stream"); batches != len(p.StreamedServices)+1 { // and $SRV.>
		t.Errorf("%d exports with several replies, want %d", batches, len(p.StreamedServices))
	}
}
